package rehearse

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ledger"
)

// sheets answers the n-th time that a step is asked anything with a sheet, each
// sheet once.
type sheet struct {
	step   string
	kind   ceremony.PromptKind
	answer ceremony.Answer
	used   bool
}

func with(sheets ...*sheet) func(ceremony.Prompt, *ceremony.Answer) {
	return func(p ceremony.Prompt, a *ceremony.Answer) {
		for _, s := range sheets {
			if !s.used && p.Step == s.step && p.Kind == s.kind {
				s.used = true
				a.Secret.Wipe()
				*a = s.answer
				return
			}
		}
	}
}

func presence(event, person string, more ...string) ceremony.Answer {
	f := map[string]string{"event": event, "person": person, "reason": "as seen", "decided-by": "tomas-novak", "exposed": "no"}
	for i := 0; i < len(more); i += 2 {
		f[more[i]] = more[i+1]
	}
	return ceremony.Answer{Action: ceremony.Presence, Fields: f}
}

func decided(more ...string) ceremony.Answer {
	f := map[string]string{"expected": "as scripted", "happened": "otherwise", "exposed": "no", "class": "script", "severity": "minor", "decision": "continue", "decided-by": "tomas-novak", "reason": "agreed"}
	for i := 0; i < len(more); i += 2 {
		f[more[i]] = more[i+1]
	}
	return ceremony.Answer{Action: ceremony.Deviate, Fields: f}
}

// sealed plays a key generation and demands that it ends with a record and a
// report that hold.
func sealed(t *testing.T, s *Site) *ceremony.Progress {
	t.Helper()
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
	p := s.State().Ceremonies[len(s.State().Ceremonies)-1]
	path, err := s.Evidence(t.Context(), p.Number)
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := audit.PDF(t.Context(), pdf, s.Folder.Ledger(), audit.Options{})
	if err != nil || len(got.Findings) > 0 {
		t.Fatalf("the report does not hold: %v %v", err, got.Findings)
	}
	return p
}

func count(asked []ceremony.Prompt, is func(ceremony.Prompt) bool) int {
	n := 0
	for _, p := range asked {
		if is(p) {
			n++
		}
	}
	return n
}

// TestBreakKeepsKeysAndClosesTheToken: two stay, the cards are typed again, the
// session PINs too, and what the officers authorised before they went is
// authorised again.
func TestBreakKeepsKeysAndClosesTheToken(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(
		&sheet{step: "generate", kind: ceremony.AskConfirm, answer: ceremony.Answer{Action: ceremony.TakeBreak, Fields: map[string]string{"stay": "marta-brandt"}}},
		&sheet{step: "generate", kind: ceremony.AskConfirm, answer: ceremony.Answer{Action: ceremony.TakeBreak, Fields: map[string]string{"stay": "marta-brandt", "stay-too": "amara-okafor", "reason": "lunch"}}})
	p := sealed(t, s)
	if tr.problem(ceremony.AskConfirm) == nil {
		t.Error("one person alone stayed with the equipment")
	}
	if p.Steps["authorise"].Attempt != 2 || p.Steps["generate"].Attempt != 2 {
		t.Errorf("attempts after the break: authorise %d, generate %d", p.Steps["authorise"].Attempt, p.Steps["generate"].Attempt)
	}
	for what, is := range map[string]func(ceremony.Prompt) bool{
		"cards":        func(p ceremony.Prompt) bool { return p.Kind == ceremony.AskCard },
		"session PINs": func(p ceremony.Prompt) bool { return p.Kind == ceremony.AskPassphrase && p.With == ceremony.SessionPIN },
	} {
		want := map[string]int{"cards": 4, "session PINs": 2}[what]
		if got := count(tr.asked, is); got != want {
			t.Errorf("%s were asked %d times, want %d", what, got, want)
		}
	}
	if len(p.Runs) != 1 {
		t.Errorf("a break is no pause: %d runs", len(p.Runs))
	}
}

// TestPlannedBreakIsOffered once, where the script plans it, and can be taken there.
func TestPlannedBreakIsOffered(t *testing.T) {
	t.Parallel()
	s, tr := openSite(t, setting(copySite(t), nil))
	src := bytes.Replace(generation(t), []byte("    sign: [administrator, witness]\n"), []byte("    sign: [administrator, witness]\n    break: 10\n"), 1)
	src = bytes.Replace(src, []byte("  - title: Make the key\n"), []byte("  - title: Make the key\n    break: 10\n"), 1)
	take := with(&sheet{step: "phase-1", kind: ceremony.AskConfirm, answer: ceremony.Answer{Action: ceremony.TakeBreak, Fields: map[string]string{"stay": "marta-brandt", "stay-too": "amara-okafor"}}})
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if found := s.Snapshot().Ceremony.Facts; p.Title == "A break is planned" && len(found) > 0 {
			t.Errorf("beside the break stands what the step before it found: %v", found)
		}
		take(p, a)
	}
	if err := s.Begin(t.Context(), src, nil); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
	// Asked, and once more when the break that was taken is over; the other is not taken.
	if got := count(tr.asked, func(p ceremony.Prompt) bool { return p.Title == "A break is planned" }); got != 3 {
		t.Errorf("breaks were offered %d times, want 3", got)
	}
	breaks := 0
	for _, r := range everything(t, s) {
		if r.Kind == ceremony.BreakKind {
			breaks++
		}
	}
	if breaks != 2 {
		t.Errorf("%d records of a break, want its begin and its end", breaks)
	}
}

// TestWhoLeavesTakesTheAuthorisationAlong, and opens the key again on return.
func TestWhoLeavesTakesTheAuthorisationAlong(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(
		&sheet{step: "generate", kind: ceremony.AskConfirm, answer: presence(ceremony.PersonLeft, "rui-santos")},
		&sheet{step: "authorise", kind: ceremony.AskSignOff, answer: ceremony.Answer{}, used: true})
	change := tr.change
	back := false
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Step == "authorise" && s.State().Open.Gone("rui-santos") && !back {
			back = true
			a.Secret.Wipe()
			*a = presence(ceremony.PersonReturned, "rui-santos")
			return
		}
		change(p, a)
	}
	p := sealed(t, s)
	if p.Steps["generate"].Attempt != 2 || p.Steps["authorise"].Attempt != 2 {
		t.Errorf("attempts: authorise %d, generate %d", p.Steps["authorise"].Attempt, p.Steps["generate"].Attempt)
	}
	opened := count(tr.asked, func(p ceremony.Prompt) bool { return p.Kind == ceremony.AskPassphrase && p.Who.ID == "rui-santos" })
	if opened != 2 {
		t.Errorf("the key was opened %d times, want again on return", opened)
	}
}

// TestNothingGoesOnUnwatched: without the witness no step begins.
func TestNothingGoesOnUnwatched(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	waited := false
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Step == "identify" && !waited && s.State().Open.Present["amara-okafor"] {
			*a = presence(ceremony.PersonLeft, "amara-okafor")
		}
		if strings.Contains(p.Title, "unwatched") && s.State().Open.Gone("amara-okafor") {
			waited = true
			*a = presence(ceremony.PersonReturned, "amara-okafor")
		}
	}
	sealed(t, s)
	if !waited {
		t.Error("the ceremony went on without its witness")
	}
}

// TestSubstitute: a custodian who did not stay is substituted by a deviation,
// and the other's card opens the token.
func TestSubstitute(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(
		&sheet{step: "open", kind: ceremony.AskCard, answer: presence(ceremony.PersonSubstituted, "jonas-dahl", "substitute", "priya-kapoor")},
		&sheet{step: "open", kind: ceremony.AskCard, answer: presence(ceremony.PersonSubstituted, "jonas-dahl", "substitute", "farah-noor")})
	p := sealed(t, s)
	if tr.problem(ceremony.AskCard) == nil {
		t.Error("an officer took a custodian's part over")
	}
	if !slices.Contains(p.InRole("custodian"), "farah-noor") || len(p.Deviations) != 1 || len(p.Former) != 1 {
		t.Errorf("custodians %v, %d deviations, former %v", p.InRole("custodian"), len(p.Deviations), p.Former)
	}
	if len(p.NotAccepted()) > 0 {
		t.Errorf("not accepted by %v", p.NotAccepted())
	}
}

// TestObserver watches, has no key, and leaves a statement.
func TestObserver(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: presence(ceremony.ObserverArrived, "", "name", "Samuel Hale", "organisation", "Hale & Orr Audit")},
		&sheet{step: "fingerprint", kind: ceremony.AskConfirm, answer: presence(ceremony.ObserverLeft, "observer-1", "statement", "I saw the bags closed.")})
	p := sealed(t, s)
	o := p.Observers["observer-1"]
	if o == nil || o.Statement != "I saw the bags closed." || o.Present || len(p.Attested) != 6 {
		t.Errorf("the observer: %+v, %d attested", o, len(p.Attested))
	}
}

// TestObserversAreAsked: who watches to the end is asked for a statement before the
// seal, each once, and may leave it out; it stands in the record and in the report.
func TestObserversAreAsked(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	sheets := with(
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: presence(ceremony.ObserverArrived, "", "name", "Samuel Hale", "organisation", "Hale & Orr Audit")},
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: presence(ceremony.ObserverArrived, "", "name", "Ivo Orr")})
	asked := 0
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		sheets(p, a)
		if strings.Contains(p.Title, "state what you saw") {
			asked++
			if p.Who.Name == "Samuel Hale" {
				a.Fields["statement"] = "I saw two officers authorise it."
			}
		}
	}
	p := sealed(t, s)
	if asked != 2 || p.Observers["observer-1"].Statement != "I saw two officers authorise it." || p.Observers["observer-2"].Statement != "" {
		t.Errorf("asked %d times; %+v %+v", asked, p.Observers["observer-1"], p.Observers["observer-2"])
	}
	path := must(s.Evidence(t.Context(), p.Number)).(string)
	text := tool(t, nil, nil, "pdftotext", "-layout", path, "-")
	for _, want := range []string{"I saw two officers authorise it.", "Observer Samuel Hale", "left no statement"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	stated := func(r ledger.Record, b any) bool {
		st, ok := b.(*ceremony.Stated)
		return ok && st.Person == "observer-1"
	}
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"an observer was not asked": {rule: "presence.unasked", at: stated, forge: func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			r := upTo[len(upTo)-1]
			return ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.ResultKind, V: 1, Time: r.Time,
				Body: ceremony.Result{Attempt: 1, Facts: []ceremony.Line{}, Outcome: ceremony.Finished, Step: "attest"}}
		}},
		"nobody's statement": {rule: "presence.part", at: stated, forge: func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			body.(*ceremony.Stated).Person = "observer-9"
			return draft(upTo[len(upTo)-1], body)
		}},
		"a second statement": {rule: "presence.statement", at: func(r ledger.Record, b any) bool {
			st, ok := b.(*ceremony.Stated)
			return ok && st.Person == "observer-2"
		}, forge: func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			body.(*ceremony.Stated).Person = "observer-1"
			return draft(upTo[len(upTo)-1], body)
		}},
	})
}

// TestSilenceIsNotInTheWay: who says nothing is attested by two as silent.
func TestSilenceIsNotInTheWay(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Kind == ceremony.AskSignOff && p.Who.ID == "amara-okafor" {
			a.Secret.Wipe()
			*a = ceremony.Answer{Action: ceremony.Withhold, Reason: "says nothing"}
		}
	}
	p := sealed(t, s)
	if got := p.NotAccepted(); !slices.Equal(got, []string{"amara-okafor"}) {
		t.Errorf("not accepted by %v", got)
	}
	if len(p.Withheld) != 4 {
		t.Errorf("%d sign-offs withheld, want three phases and the attestation", len(p.Withheld))
	}
}

// TestLockOutIsDecided: a deviation, never a wrong key press, ends somebody's
// signing.
func TestLockOutIsDecided(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(&sheet{step: "fingerprint", kind: ceremony.AskConfirm, answer: decided("decision", "lock-out", "person", "li-chen")})
	p := sealed(t, s)
	if got := p.NotAccepted(); !slices.Equal(got, []string{"li-chen"}) {
		t.Errorf("not accepted by %v", got)
	}
}

// TestDeciders: the approver from afar as heard by two, or by their own signature;
// those whom the policy names; nobody else.
func TestDeciders(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(
		&sheet{step: "room", kind: ceremony.AskForm, answer: decided("objections", "Li Chen: the phone was on")},
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: decided("decided-by", "li-chen")},
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: decided("decided-by", "priya-kapoor", "exposed", "unknown", "severity", "major", "effect", "nothing is claimed of the identity of the token")},
		&sheet{step: "fingerprint", kind: ceremony.AskConfirm, answer: decided("decision", "replace", "text", "Read it twice.", "signed", "signed")})
	p := sealed(t, s)
	if tr.problem(ceremony.AskConfirm) == nil {
		t.Error("a custodian decided a deviation")
	}
	if len(p.Deviations) != 3 || p.Replaced["fingerprint"] != "Read it twice." {
		t.Fatalf("%d deviations, replaced %v", len(p.Deviations), p.Replaced)
	}
	if d := p.Deviations[2].Decided; len(d.Signatures) != 1 || d.Signatures[0].Person != "tomas-novak" || len(d.HeardBy) > 0 {
		t.Errorf("the signed decision: %+v", d)
	}
	if d := p.Deviations[0].Decided; d.Objections == "" || len(d.HeardBy) != 2 {
		t.Errorf("the heard decision: %+v", d)
	}
}

// TestRaisedAndNotDecided: the disk is full between what was noted and the signed
// decision about it. The next run asks for the decision before any step begins;
// without it the ceremony could never be sealed.
func TestRaisedAndNotDecided(t *testing.T) {
	t.Parallel()
	for decision, ends := range map[string]ceremony.Status{"continue": ceremony.SealedStatus, "abort": ceremony.AbortedStatus} {
		t.Run(decision, func(t *testing.T) {
			sc := before(t, "key-generation")
			defer sc.clear()
			f := &fate{}
			s, tr := sc.open(t, f, nil)
			sheets := with(&sheet{step: "identify", kind: ceremony.AskConfirm, answer: decided("severity", "major", "effect", "nothing is claimed of the token", "signed", "signed")})
			tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
				sheets(p, a)
				if strings.HasSuffix(p.Title, "sign your decision") {
					f.full = 100
				}
			}
			if err := s.Begin(t.Context(), generation(t), nil); err == nil {
				t.Fatal("the disk was not full")
			}
			s.Engine.Close()
			s, tr = sc.open(t, &fate{}, nil)
			asked := 0
			tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
				if p.Title != "Decide about deviation 1" {
					return
				}
				if asked++; asked == 1 {
					a.Fields = map[string]string{"decision": "continue", "decided-by": "li-chen", "effect": "nothing is claimed of the token"}
					return
				}
				if p.Problem == nil || p.Problem.Code != "deviation.decider" {
					t.Errorf("a custodian decided: %v", p.Problem)
				}
				a.Fields = map[string]string{"decision": decision, "decided-by": "tomas-novak", "effect": "nothing is claimed of the token", "reason": "as agreed"}
			}
			if err := s.Resume(t.Context()); (err == nil) != (ends == ceremony.SealedStatus) {
				t.Fatal(err)
			}
			p := s.State().Ceremonies[len(s.State().Ceremonies)-1]
			if asked != 2 || p.Status != ends || p.Deviations[0].Decided == nil {
				t.Errorf("asked %d times, %s, %+v", asked, p.Status, p.Deviations)
			}
			s.Engine.Close()
			sc.sound(t)
		})
	}
}

// TestPauseSaysWhoStays.
func TestPauseSaysWhoStays(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(&sheet{step: "identify", kind: ceremony.AskConfirm, answer: ceremony.Answer{Action: ceremony.Pause, Reason: "evening", Fields: map[string]string{"stay": "priya-kapoor", "stay-too": "rui-santos"}}})
	if err := s.Begin(t.Context(), generation(t), nil); err == nil {
		t.Fatal("it did not pause")
	}
	var stayed []string
	for r, err := range s.Record().Records(t.Context(), 0, s.State().Size) {
		if err != nil {
			t.Fatal(err)
		}
		if b, err := ceremony.Body(r); err == nil {
			if p, ok := b.(*ceremony.Paused); ok {
				stayed = p.Stay
			}
		}
	}
	if !slices.Equal(stayed, []string{"priya-kapoor", "rui-santos"}) {
		t.Errorf("stay: %v", stayed)
	}
	tr.change = nil
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
}

// TestNobodyActsInTheOwnMatter: whom a ceremony is about neither takes a part over
// nor decides a deviation of it; the sheets do not even offer it.
func TestNobodyActsInTheOwnMatter(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	about(t, s, "enrol", map[string]string{"people": "nadia-haddad custodian+owner"})
	sheets := with(
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: presence(ceremony.PersonSubstituted, "jonas-dahl", "substitute", "nadia-haddad")},
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: presence(ceremony.PersonSubstituted, "jonas-dahl", "substitute", "farah-noor")})
	offered := 0
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if s.State().Open != nil {
			for _, f := range append(s.State().PresenceFields(), s.State().DeviationFields()...) {
				if f.Name != "substitute" && f.Name != "decided-by" {
					continue
				}
				offered += len(f.Of)
				if slices.Contains(f.Of, "nadia-haddad") {
					t.Errorf("%q offers nadia-haddad as %s", p.Title, f.Name)
				}
			}
		}
		sheets(p, a)
	}
	tr.asked = nil
	about(t, s, "retire", map[string]string{"person": "nadia-haddad"})
	if offered == 0 {
		t.Error("no sheet offers anybody")
	}
	if !slices.ContainsFunc(tr.asked, func(p ceremony.Prompt) bool { return p.Problem != nil }) {
		t.Error("the refused sheet was told to nobody")
	}
	h := s.State().People["nadia-haddad"]
	at := func(kind string) func(ledger.Record, any) bool {
		return func(r ledger.Record, _ any) bool { return r.Ceremony == s.Last("retire").Number && r.Kind == kind }
	}
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"who is retired takes a part over": {rule: "person.aside", at: at(ceremony.SubstitutedKind), forge: func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			body.(*ceremony.Substituted).Comes = ceremony.KnownPerson{Enrolled: h.Body, Leaf: h.Leaf, Vouched: h.Vouched}
			return draft(upTo[len(upTo)-1], body)
		}},
		"who is retired decides a deviation": {rule: "deviation.decider", at: at(ceremony.DeviationDecidedKind), forge: func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			body.(*ceremony.DeviationDecided).By = "nadia-haddad"
			return draft(upTo[len(upTo)-1], body)
		}},
	})
}

package rehearse

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// forgery is a record that the rules refuse, forced after the first cut records
// of a real ledger by someone who writes the file without the program.
type forgery struct {
	rule string
	// at finds where the true record stands whose place the forged one takes.
	at func(r ledger.Record, body any) bool
	// forge makes it from the true one.
	forge func(t *testing.T, all []ledger.Record, body any) ledger.Draft
	// first, where it is not nil, gives the records that go before: others than
	// those that are there, each of them in order.
	first func(t *testing.T, before []ledger.Record) []ledger.Record
	// stored, where it is not nil, are blobs that the forged record names.
	stored func() [][]byte
}

func draft(r ledger.Record, body any) ledger.Draft {
	return ledger.Draft{Ceremony: r.Ceremony, Kind: r.Kind, V: r.V, Time: r.Time, Body: body}
}

func forgeries(number string) map[string]forgery {
	of := func(kind string, also func(body any) bool) func(ledger.Record, any) bool {
		return func(r ledger.Record, body any) bool {
			return r.Ceremony == number && r.Kind == kind && (also == nil || also(body))
		}
	}
	authorisation := func(nth string) func(any) bool {
		return func(b any) bool { s := b.(*ceremony.SignOff); return s.Act == ceremony.ActAuthorise && s.Person == nth }
	}
	// same: a changed body in the place of the true record.
	same := func(change func(t *testing.T, all []ledger.Record, body any)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(t *testing.T, all []ledger.Record, body any) ledger.Draft {
			change(t, all, body)
			return draft(all[len(all)-1], body)
		}
	}
	find := func(t *testing.T, all []ledger.Record, kind string, also func(any) bool) (ledger.Record, any) {
		t.Helper()
		for _, r := range all {
			b, err := ceremony.Body(r)
			if err != nil {
				t.Fatal(err)
			}
			if r.Ceremony == number && r.Kind == kind && (also == nil || also(b)) {
				return r, b
			}
		}
		t.Fatalf("no %s", kind)
		return ledger.Record{}, nil
	}
	return map[string]forgery{
		"one officer for both": {rule: "authorise.same-person", at: of(ceremony.SignOffKind, authorisation("rui-santos")),
			forge: same(func(t *testing.T, all []ledger.Record, body any) {
				b := body.(*ceremony.SignOff)
				_, first := find(t, all, ceremony.SignOffKind, authorisation("priya-kapoor"))
				b.Person, b.Key = "priya-kapoor", first.(*ceremony.SignOff).Key
			})},
		"a result without its intent": {rule: "result.intent", at: of(ceremony.ResultKind, func(b any) bool { return !b.(*ceremony.Result).Intent.IsZero() }),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Result)
				b.Intent[0] ^= 1
			})},
		"a key without its intent": {rule: "result.intent", at: of(ceremony.KeyGeneratedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.KeyGenerated)
				b.Intent[0] ^= 1
			})},
		"an extractable key told as one that never leaves": {rule: "key.readback", at: of(ceremony.KeyGeneratedKind, nil),
			forge: same(func(t *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.KeyGenerated)
				i := slices.IndexFunc(b.Attributes, func(a ceremony.Attribute) bool { return a.Name == "never-extractable" })
				b.Attributes[i].Value = "false"
			})},
		"a consumed authorisation": {rule: "authorise.consumed", at: of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "prove-possession" }),
			forge: func(t *testing.T, all []ledger.Record, _ any) ledger.Draft {
				// The generation again, under the authorisation that it used, as if
				// its result had said that it was not done.
				r, b := find(t, all, ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" })
				return draft(r, b)
			}, first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				return result(t, before, "generate-key", ceremony.NotDone)
			}},
		"an act nobody authorised": {rule: "act.unauthorised", at: of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" }),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Intent)
				b.Authorisations = b.Authorisations[:1]
			})},
		"another act than authorised": {rule: "intent.act", at: of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" }),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.Intent).Act.With["label"] = "another-key"
			})},
		"an authorisation that was never given": {rule: "authorise.lapsed", at: of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" }),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.Intent).Authorisations[0][0] ^= 1
			})},
		"a sign-off over other content": {rule: "signoff.shown", at: of(ceremony.SignOffKind, func(b any) bool { return b.(*ceremony.SignOff).Act == ceremony.ActPhase }),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.SignOff).Shown[0] ^= 1
			})},
		"a step out of order": {rule: "step.order", at: of(ceremony.StepStartedKind, func(b any) bool { return b.(*ceremony.StepStarted).Step == "workstation" }),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.StepStarted)
				b.Step, b.Kind = "generate", "generate-key"
			})},
		"a phase that is not signed": {rule: "phase.unsigned", at: of(ceremony.SignOffKind, func(b any) bool { return b.(*ceremony.SignOff).Step == ceremony.PhaseStep(1) }),
			forge: func(t *testing.T, all []ledger.Record, _ any) ledger.Draft {
				r := all[len(all)-1]
				return ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.StepStartedKind, V: 1, Time: r.Time, Body: ceremony.StepStarted{Attempt: 1, Kind: "identify-token", Step: "identify", Version: 1}}
			}},
		"a restated context that is not true": {rule: "context.untrue", at: of(ceremony.ContextKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.Context).People[0].Enrolled.Name = "Someone Else"
			})},
		"a person in a role not enrolled for": {rule: "role.conflict", at: of(ceremony.StartedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Started)
				b.People[0].Person, b.People[1].Person = b.People[1].Person, b.People[0].Person
			})},
		"one person twice": {rule: "role.conflict", at: of(ceremony.StartedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Started)
				b.People[3].Person = b.People[2].Person
			})},
		"too few custodians": {rule: "role.missing", at: of(ceremony.StartedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Started)
				b.People = b.People[:len(b.People)-1]
			})},
		"a custodian with another's card": {rule: "token.cards", at: of(ceremony.LoginTriedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.LoginTried)
				b.Cards[0].Index, b.Cards[1].Index = b.Cards[1].Index, b.Cards[0].Index
			})},
		"a login with one card": {rule: "token.cards", at: of(ceremony.LoginTriedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.LoginTried)
				b.Cards = b.Cards[:1]
			})},
		"a login without cards": {rule: "token.cards", at: of(ceremony.LoginTriedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.LoginTried).Cards = []ceremony.Held{} })},
		"a login that could lock, and nobody decided": {rule: "token.could-lock", at: of(ceremony.LoginTriedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.LoginTried).Flags = "final try" })},
		"a decision about a login that needs none": {rule: "token.could-lock", at: of(ceremony.LoginTriedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.LoginTried).Decision = 1 })},
		"a login that was not recorded before": {rule: "token.login", at: of(ceremony.TokenOpenedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.TokenOpened).Login[0] ^= 1 })},
		"a seal before the attestations": {rule: "seal.early", at: of(ceremony.StepStartedKind, func(b any) bool { return b.(*ceremony.StepStarted).Step == "attest" }),
			forge: func(t *testing.T, all []ledger.Record, _ any) ledger.Draft {
				r := all[len(all)-1]
				first, _ := find(t, all, ceremony.StartedKind, nil)
				return ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.SealedKind, V: 1, Time: r.Time,
					Body: ceremony.Sealed{Count: r.Seq - first.Seq + 1, First: first.Seq, NotAccepted: []string{}}}
			}},
		"a deviation left out of the seal": {rule: "seal.untrue", at: of(ceremony.SealedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.Sealed).Deviations = 1 })},
		"a run that counts wrong": {rule: "run.count", at: of(ceremony.SealedKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.Sealed).Count++ })},
		"another ceremony's record in the run": {rule: "run.mixed", at: of(ceremony.StepStartedKind, nil),
			forge: func(_ *testing.T, all []ledger.Record, body any) ledger.Draft {
				d := draft(all[len(all)-1], body)
				d.Ceremony = "2020-001"
				return d
			}},
		"a signature by another key": {rule: "signoff.signature", at: of(ceremony.SignOffKind, nil),
			forge: same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.SignOff)
				first := byte('0')
				if b.Signature[0] == '0' {
					first = '1'
				}
				b.Signature = string(first) + b.Signature[1:]
			})},
		"a clock that went back": {rule: "time.back", at: of(ceremony.StepStartedKind, nil),
			forge: func(_ *testing.T, all []ledger.Record, body any) ledger.Draft {
				d := draft(all[len(all)-1], body)
				d.Time = all[0].Time.Add(-1)
				return d
			}},
	}
}

// played is the ledger of a played ceremony: its records, and their blobs.
func played(t *testing.T) (*Site, []ledger.Record, string) {
	t.Helper()
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	return s, everything(t, s), s.State().Ceremonies[len(s.State().Ceremonies)-1].Number
}

func everything(t testing.TB, s *Site) []ledger.Record {
	t.Helper()
	var all []ledger.Record
	for r, err := range s.Record().Records(t.Context(), 0, s.State().Size) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestRulesRefuseByName(t *testing.T) {
	s, all, number := played(t)
	eachRefused(t, s, all, forgeries(number))
}

// eachRefused plays each forgery both ways: State refuses the record by the rule's
// name; and forced into a copy of the ledger, the checker names rule and record, and
// exits with 1.
func eachRefused(t *testing.T, s *Site, all []ledger.Record, forged map[string]forgery, blobs ...[]byte) {
	t.Helper()
	for name, f := range forged {
		t.Run(name, func(t *testing.T) {
			before, d, stored := f.made(t, all)
			stored = append(stored, blobs...)
			if rule := stateRefuses(t, s, before, d, stored...); rule != f.rule {
				t.Errorf("the state refuses it by %q, want %s", rule, f.rule)
			}
			got, err := audit.Ledger(t.Context(), force(t, s, before, d, stored...), audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Findings) == 0 || got.Findings[0].Rule != f.rule || got.Findings[0].Seq != int64(len(before)) {
				t.Errorf("the checker finds %v, want %s at record %d", got.Findings, f.rule, len(before))
			}
			if got.Exit() != 1 {
				t.Errorf("the checker exits with %d, want 1", got.Exit())
			}
		})
	}
}

// made gives the records before the forged one, that one, and what it names.
func (f forgery) made(t *testing.T, all []ledger.Record) (before []ledger.Record, d ledger.Draft, stored [][]byte) {
	t.Helper()
	cut := slices.IndexFunc(all, func(r ledger.Record) bool {
		b, err := ceremony.Body(r)
		return err == nil && f.at(r, b)
	})
	if cut < 0 {
		t.Fatal("the true record was not found")
	}
	body, err := ceremony.Body(all[cut])
	if err != nil {
		t.Fatal(err)
	}
	before = all[:cut]
	if f.first != nil {
		before = f.first(t, slices.Clone(before))
	}
	d = f.forge(t, all[:cut+1], body)
	if f.stored != nil {
		stored = f.stored()
	}
	return before, d, stored
}

// stateRefuses folds records and one more by the rules alone, and gives the rule
// that refuses the last, "" where it is admitted. Of what a record says of the tree
// only the ledger can tell: a claim about it stands for its rule.
func stateRefuses(t *testing.T, s *Site, before []ledger.Record, d ledger.Draft, stored ...[]byte) string {
	t.Helper()
	st := stateAfter(t, s, before, stored...)
	rs, err := ledger.Build(headAfter(before), d)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := st.Next(rs[0])
	var refusal *ceremony.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal != nil {
		return refusal.Rule
	}
	for _, c := range claims {
		if c.Root != nil || c.Verify() != nil {
			return c.Rule
		}
	}
	return ""
}

// stateAfter is the state after these records, whatever signatures they carry.
func stateAfter(t *testing.T, s *Site, before []ledger.Record, stored ...[]byte) *ceremony.State {
	t.Helper()
	extra := map[ledger.Hash][]byte{}
	for _, b := range stored {
		extra[ledger.BlobHash(b)] = b
	}
	st := ceremony.NewState(steps.Kinds(), func(h ledger.Hash) ([]byte, error) {
		if b, ok := extra[h]; ok {
			return b, nil
		}
		return s.Record().Blob(context.Background(), h)
	})
	for _, r := range before {
		if _, err := st.Next(r); err != nil {
			t.Fatalf("before the forged record: %v", err)
		}
	}
	return st
}

func headAfter(rs []ledger.Record) ledger.Head {
	if len(rs) == 0 {
		return ledger.Empty()
	}
	last := rs[len(rs)-1]
	return ledger.Head{Size: last.Seq + 1, Last: last.Leaf}
}

// behind puts another record behind these.
func behind(t *testing.T, before []ledger.Record, d ledger.Draft) []ledger.Record {
	t.Helper()
	rs, err := ledger.Build(headAfter(before), d)
	if err != nil {
		t.Fatal(err)
	}
	return append(slices.Clip(before), rs...)
}

// result cuts records behind the intent of an act and gives it this outcome.
func result(t *testing.T, before []ledger.Record, do string, outcome ceremony.Outcome) []ledger.Record {
	t.Helper()
	for i := len(before) - 1; i >= 0; i-- {
		b, err := ceremony.Body(before[i])
		if err != nil {
			t.Fatal(err)
		}
		if in, ok := b.(*ceremony.Intent); ok && in.Act.Do == do {
			r := before[i]
			return behind(t, before[:i+1], ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.ResultKind, V: 1, Time: r.Time,
				Body: ceremony.Result{Attempt: in.Attempt, Facts: []ceremony.Line{}, Intent: r.Leaf, Outcome: outcome, Step: in.Step}})
		}
	}
	t.Fatalf("nothing has the intent to %s", do)
	return nil
}

// force writes records as someone would who has the file and not the program.
func force(t *testing.T, s *Site, prefix []ledger.Record, d ledger.Draft, blobs ...[]byte) string {
	t.Helper()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ledger.db")
	st, err := sqlite.Create(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	empty, err := st.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	head, err := st.Append(ctx, empty, ledger.Batch{Records: prefix, Blobs: append(blobsOf(t, s), blobs...)})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := ledger.Build(head, d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Append(ctx, head, ledger.Batch{Records: rs}); err != nil {
		t.Fatal(err)
	}
	return path
}

// blobsOf copies every blob of the site's ledger.
func blobsOf(t *testing.T, s *Site) [][]byte {
	t.Helper()
	r, ok := s.Record().(ledger.BlobLister)
	if !ok {
		t.Fatal("the blobs of the ledger cannot be listed")
	}
	var out [][]byte
	for h, err := range r.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Blob(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// TestEngineRefusesBeforeTheAct: what the checker would find, the engine does
// not even begin.
func TestEngineRefusesBeforeTheAct(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	src := bytes.Replace(generation(t), []byte("by: { officer: 2 }"), []byte("by: { officer: 1 }"), 1)
	err := s.Begin(t.Context(), src, nil)
	var refusal *ceremony.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != "script.invalid" {
		t.Errorf("a script with one officer: got %v", err)
	}
	if len(tr.asked) > 0 {
		t.Error("people were asked before the script was refused")
	}
	holds(t, s, 0)
}

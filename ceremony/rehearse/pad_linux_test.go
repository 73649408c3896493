package rehearse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/practicetest"
	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/worker"
	"claviger/ledger"
)

// padSite is a practice site whose tokens have a pad: SoftHSM's, behind a module that
// takes no PIN and stands in for the people at the device.
type padSite struct {
	library string
	control *hsmtest.Control
	dir     string
}

func newPadSite(t *testing.T) padSite {
	t.Helper()
	p := padSite{dir: filepath.Join(t.TempDir(), "site")}
	p.library, p.control = hsmtest.Shim(t)
	p.control.Pad()
	return p
}

func (p padSite) setting() Setting {
	c := setting(p.dir, nil)
	c.Load = func(ctx context.Context) (hsm.Module, error) {
		_, env, err := SoftHSM(filepath.Join(p.dir, "practice"))
		if err != nil {
			return nil, err
		}
		return worker.Start(ctx, worker.Options{Argv: practicetest.Worker(), ModulePath: p.library, Env: env})
	}
	return c
}

func (p padSite) open(t *testing.T) (*Site, *troupe) {
	t.Helper()
	return openSite(t, p.setting())
}

// toItsSeal holds a ceremony to its seal.
func toItsSeal(t *testing.T, s *Site, script string, set map[string]string) *ceremony.Progress {
	t.Helper()
	if err := s.Begin(t.Context(), source(t, script), set); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return s.Last(script)
}

// evidence is the report of a ceremony, which an auditor verifies beside the ledger.
func evidence(t *testing.T, s *Site, p *ceremony.Progress) string {
	t.Helper()
	path, err := s.Evidence(t.Context(), p.Number)
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, ledger := range []string{"", s.Folder.Ledger()} {
		res, err := audit.PDF(t.Context(), pdf, ledger, audit.Options{Site: string(s.VerifierKeys())})
		if err != nil || res.Exit() != 0 {
			t.Fatalf("the evidence of %s does not verify: %v, %+v", p.Number, err, res)
		}
	}
	return tool(t, nil, pdf, "pdftotext", "-layout", "-", "-")
}

// noPINSent demands that the module was asked by a null pointer only.
func (p padSite) noPINSent(t *testing.T) {
	t.Helper()
	for _, call := range p.control.PINs() {
		if !strings.HasSuffix(call, " at the pad") {
			t.Errorf("a token with a pad received: %s", call)
		}
	}
}

// TestPadSite: a site is opened on a token whose PINs are entered on the device, a key
// made after a restart, and all of it verified. No PIN is ever sent to the token, none
// is asked for here, and what opens the device is in numbered bags before and after.
func TestPadSite(t *testing.T) {
	t.Parallel()
	p := newPadSite(t)
	s, tr := p.open(t)
	opened := toItsSeal(t, s, "site-opening", nil)
	token := s.State().Tokens[s.Token()]
	user, so, wrap := s.State().Sets[token.UserSet], s.State().Sets[token.SOSet], s.State().Sets[token.WrapSet]
	switch {
	case token.Body.ProtectedPath != ceremony.QuorumCards:
		t.Errorf("the record says that it is opened by %q", token.Body.ProtectedPath)
	case user == nil || so == nil || wrap == nil || !user.Body.Made() || !so.Body.Made() || wrap.Body.Made() || wrap.Body.Purpose != ceremony.Recovery || wrap.Body.PINLength != 0:
		t.Fatalf("it is opened by %+v, %+v and has its wrapping key from %+v", user, so, wrap)
	}
	text := evidence(t, s, opened)
	s.Close()

	s, again := p.open(t)
	before := bags(s.State(), user.Body)
	made := toItsSeal(t, s, "key-generation", nil)
	text += evidence(t, s, made)
	after := bags(s.State(), user.Body)
	if changed := differing(before, after); changed != user.Body.Threshold {
		t.Errorf("%d quorum cards are in other bags after the login, and %d were presented: %v, %v", changed, user.Body.Threshold, before, after)
	}
	for _, pr := range append(tr.asked, again.asked...) {
		if pr.Kind == ceremony.AskTransportPIN || pr.Kind == ceremony.AskNewTransportPIN || pr.Kind == ceremony.AskCard && pr.Card.Purpose != ceremony.Recovery {
			t.Errorf("%q is asked for a token with a pad", pr.Title)
		}
		if pr.Kind == ceremony.AskPad && (!strings.Contains(pr.Aloud, "No PIN is entered on this workstation.") || pr.Who.Name == "" || pr.Private() || len(pr.Fields) > 0) {
			t.Errorf("the prompt at the device: %+v", pr)
		}
	}
	said := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{"at the device's pad", "any 2 of 3 quorum cards, as stated", "none was derived or sent by this workstation"} {
		if !strings.Contains(said, want) {
			t.Errorf("the reports do not say %q", want)
		}
	}
	res, err := audit.Ledger(t.Context(), s.Folder.Ledger(), audit.Options{Site: string(s.VerifierKeys())})
	if err != nil || res.Exit() != 0 {
		t.Errorf("the ledger: %v %+v", err, res)
	}
	p.noPINSent(t)
}

func bags(s *ceremony.State, b ceremony.SetIssued) []string {
	var out []string
	for i := range b.Cards {
		out = append(out, s.Items[b.CardName(i+1)].Bag)
	}
	return out
}

func differing(a, b []string) int {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// TestPadEveryScript: what the shipped scripts do with a token, they do with one whose
// PINs are entered on the device, or refuse in a sentence that says what to do.
func TestPadEveryScript(t *testing.T) {
	t.Parallel()
	p := newPadSite(t)
	s, _ := p.open(t)
	toItsSeal(t, s, "site-opening", nil)
	for _, name := range shipped(t) {
		if name == "site-opening" || name == "token-addition" {
			continue // provided, once: a ceremony works on two tokens at most
		}
		if !full() && name != "share-check" {
			continue
		}
		s.Close()
		s, _ = p.open(t)
		if err := s.provide(t.Context(), name); err != nil {
			t.Fatalf("what %s needs: %v", name, err)
		}
		if name == "share-check" {
			err := s.Begin(t.Context(), source(t, name), nil)
			var refusal *ceremony.Refusal
			if !errors.As(err, &refusal) || refusal.Rule != "set.device" || !strings.Contains(err.Error(), "the script custody looks at its bags") {
				t.Errorf("cards that a device made were compared: %v", err)
			}
			toItsSeal(t, s, name, map[string]string{"set": s.State().WrappingSet(s.Token()).Body.Name})
			continue
		}
		evidence(t, s, toItsSeal(t, s, name, nil))
	}
	if !full() {
		p.noPINSent(t)
		return
	}
	token := *s.State().Tokens[s.Token()]
	if s.Last("token-addition") == nil {
		t.Error("no second token was added")
	}
	for _, id := range []string{token.SOSet, token.WrapSet} {
		s.Close()
		s, _ = p.open(t)
		old := s.State().Sets[id]
		evidence(t, s, toItsSeal(t, s, "change-custodians", map[string]string{"set": old.Body.Name}))
		if now := s.State().InPlaceOf(old, s.Token()); now == old || now == nil || !s.State().Sets[id].Withdrawn {
			t.Errorf("the custodians of %s set %s were not changed", old.Body.Purpose, old.Body.Name)
		}
	}
	toItsSeal(t, s, "key-generation", nil)
	p.noPINSent(t)
}

func TestPadPINInParts(t *testing.T) {
	t.Parallel()
	p := newPadSite(t)
	s, tr := p.open(t)
	tr.change = func(pr ceremony.Prompt, a *ceremony.Answer) {
		if slices.ContainsFunc(pr.Fields, func(f ceremony.Field) bool { return f.Name == "divided" }) {
			a.Fields["divided"] = ceremony.PINParts
		}
	}
	text := evidence(t, s, toItsSeal(t, s, "site-opening", nil))
	user := s.State().SetFor(s.Token(), "user").Body
	if user.Count != 2 || user.Threshold != 2 || user.Device != ceremony.PINParts {
		t.Errorf("%+v", user)
	}
	if it := s.State().Items[user.CardName(1)]; it == nil || it.Kind != ceremony.PINPartItem || it.State != ceremony.InCustody {
		t.Errorf("%+v", it)
	}
	evidence(t, s, toItsSeal(t, s, "key-generation", nil))
	if !strings.Contains(strings.Join(strings.Fields(text), " "), "one PIN in 2 parts, all of them needed, as stated") {
		t.Error("the report does not say how the device is opened")
	}
	p.noPINSent(t)
}

// TestPadRehearsed: a rehearsal on a named token with a pad asks for no PIN and plays
// what it needs, as a rehearsal on any other.
func TestPadRehearsed(t *testing.T) {
	t.Parallel()
	_, env := hsmtest.Store(t)
	library, control := hsmtest.Shim(t)
	control.Pad()
	m, err := worker.Start(t.Context(), worker.Options{Argv: practicetest.Worker(), ModulePath: library, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	info, err := m.InitToken(t.Context(), "", "for practice", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Open(t.Context(), info.Serial)
	for _, do := range []func() error{
		func() error { return err },
		func() error { return s.Login(t.Context(), hsm.SecurityOfficer, nil) },
		func() error { return s.InitPIN(t.Context(), nil) },
		func() error { return s.Logout(t.Context()) },
		func() error { return s.Login(t.Context(), hsm.Operator, nil) },
		func() error {
			return s.PutData(t.Context(), hsm.Data{Application: "claviger", Label: hsm.PracticeMark, Value: []byte("practice")})
		},
		m.Close,
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	c := setting("", nil)
	c.Module, c.Serial, c.Env = library, info.Serial, env
	out := t.TempDir()
	var told strings.Builder
	if err := Run(t.Context(), Options{Setting: c, Script: "key-generation", Out: out, Print: &told}); err != nil {
		t.Fatalf("%v\n%s", err, &told)
	}
	transcript, err := os.ReadFile(filepath.Join(out, "transcript.txt"))
	if err != nil || !strings.Contains(string(transcript), "at the device's pad; any 2 of 3 quorum cards, as stated") {
		t.Errorf("%v: the transcript does not tell of the pad:\n%s", err, transcript)
	}
	padSite{control: control}.noPINSent(t)
}

// opened gives a site on tokens with a pad, opened.
func (p padSite) opened(t *testing.T) (*Site, *troupe) {
	t.Helper()
	s, _ := p.open(t)
	toItsSeal(t, s, "site-opening", nil)
	s.Close()
	return p.open(t)
}

func logins(p padSite) int {
	n := 0
	for _, call := range p.control.PINs() {
		if strings.HasPrefix(call, "C_Login") {
			n++
		}
	}
	return n
}

// TestPadRefused: what people do at the device ends one call and no more. The token is
// closed, the attempt on record, the cards are in bags again when the ceremony pauses;
// people try again when they say so.
func TestPadRefused(t *testing.T) {
	t.Parallel()
	p := newPadSite(t)
	s, tr := p.opened(t)
	defer s.Close()
	words := map[uint]string{0x50: "cancelled on the device", 0xA0: "did not take what was entered or presented", 0x200: "refused on the device", 0x30: "the device reported a fault"}
	for code, want := range words {
		calls := 0
		tr.asked = nil
		tr.change = func(pr ceremony.Prompt, a *ceremony.Answer) {
			switch {
			case pr.Kind == ceremony.AskPad && pr.Problem == nil:
				calls = logins(p)
				p.control.Return("C_Login", 1, hsmtest.Before, code)
			case pr.Kind == ceremony.AskPad:
				if n := logins(p) - calls; n != 1 || !strings.Contains(pr.Problem.Happened, want) || s.State().Open.TokenOpen {
					t.Errorf("0x%X: %d logins, open: %v, told %+v", code, n, s.State().Open.TokenOpen, pr.Problem)
				}
				p.control.Reset()
			}
		}
		p2 := toItsSeal(t, s, "key-generation", nil)
		if len(p2.Faults) != 1 || tr.problem(ceremony.AskPad) == nil {
			t.Errorf("0x%X: the record has the faults %+v", code, p2.Faults)
		}
	}

	// Now they pause instead.
	tr.asked = nil
	tr.change = func(pr ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case pr.Kind == ceremony.AskPad && pr.Problem == nil:
			p.control.Return("C_Login", 1, hsmtest.Before, 0x50)
		case pr.Kind == ceremony.AskPad:
			*a = ceremony.Answer{Action: ceremony.Pause, Reason: "nobody knows why"}
		}
	}
	if err := s.Begin(t.Context(), generation(t), nil); err == nil {
		t.Fatal("the ceremony went on")
	}
	for name, it := range s.State().Items {
		if it.State != ceremony.InCustody {
			t.Errorf("%s is %s while the ceremony is paused", name, it.State)
		}
	}
	p.control.Reset()
	tr.change = nil
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	evidence(t, s, s.Last("key-generation"))
	p.noPINSent(t)
}

// TestPadCouldLock: what the token says of its PIN is read before people go to it.
func TestPadCouldLock(t *testing.T) {
	t.Parallel()
	p := newPadSite(t)
	s, tr := p.opened(t)
	defer s.Close()
	before := logins(p)
	p.control.TokenFlags(0x40000, 0) // CKF_USER_PIN_LOCKED
	if err := s.Begin(t.Context(), generation(t), nil); err == nil || !strings.Contains(err.Error(), "this PIN is locked") || logins(p) != before {
		t.Errorf("a locked device: %v, %d logins", err, logins(p)-before)
	}
	p.control.Reset()
	p.control.TokenFlags(0x20000, 0) // CKF_USER_PIN_FINAL_TRY
	var decision string
	decide(tr, &decision)
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if decision != ceremony.CouldLock {
		t.Errorf("before the final try people were asked %q", decision)
	}
	p.noPINSent(t)
}

// TestPadComesAndGoes: a token that was enrolled without a pad and now says that it
// has one is sent nothing.
func TestPadComesAndGoes(t *testing.T) {
	t.Parallel()
	p := padSite{dir: filepath.Join(t.TempDir(), "site")}
	p.library, p.control = hsmtest.Shim(t)
	s, _ := p.opened(t)
	defer s.Close()
	before := len(p.control.PINs())
	p.control.Pad()
	err := s.Begin(t.Context(), generation(t), nil)
	if err == nil || !strings.Contains(err.Error(), "says that its PINs are entered on the device. When it was enrolled it said of no pad") || len(p.control.PINs()) != before {
		t.Errorf("%v; PINs: %v", err, p.control.PINs()[before:])
	}
}

// TestPadPretends: what a device says that it did is believed when people have opened
// it with what they made, and what it says that it did not do is tried, too.
func TestPadPretends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		function string
		when     hsmtest.When
		code     uint
		made     string
		want     ceremony.Outcome
	}{
		"does nothing and says that the user's cards are made":      {"C_InitPIN", hsmtest.Before, 0, "", ceremony.NotDone},
		"is cancelled while the user's cards are made":              {"C_InitPIN", hsmtest.Before, 0x50, "no, or not all of it", ceremony.NotDone},
		"makes the user's cards and says that it did not":           {"C_InitPIN", hsmtest.After, 0x30, "yes, all of it was made there", ceremony.Done},
		"does nothing and says that the officer's cards are made":   {"C_SetPIN", hsmtest.Before, 0, "", ceremony.NotDone},
		"makes the officer's cards and says that it did not":        {"C_SetPIN", hsmtest.After, 0x30, "yes, all of it was made there", ceremony.Done},
		"makes the officer's cards, and people say that it did not": {"C_SetPIN", hsmtest.After, 0x30, "no, or not all of it", ceremony.NotDone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPadSite(t)
			s, tr := p.open(t)
			struck, asked := false, false
			var decision string
			decide(tr, &decision)
			decides := tr.change
			tr.change = func(pr ceremony.Prompt, a *ceremony.Answer) {
				decides(pr, a)
				switch {
				case pr.Kind == ceremony.AskPad && !struck && strings.HasPrefix(pr.Title, "At the device: set what opens it") &&
					(c.function == "C_InitPIN") == strings.HasSuffix(pr.Title, "its user"):
					struck = true
					p.control.Return(c.function, 1, c.when, c.code)
				case pr.Title == "Was it set at the device?":
					asked = true
					p.control.Reset()
					a.Fields["made"] = c.made
				case pr.Kind == ceremony.AskDecide:
					p.control.Reset()
				}
			}
			done := toItsSeal(t, s, "site-opening", nil)
			tr.change = nil
			i := slices.IndexFunc(done.Intents, func(in *ceremony.IntentState) bool {
				return in.Body.Act.Do == ceremony.PadPIN && (in.Body.Act.With["as"] == "user") == (c.function == "C_InitPIN")
			})
			if got := done.Intents[i].Outcome; got != c.want || c.want == ceremony.Done && !asked {
				t.Errorf("the record says that it was %q, want %q (people were asked: %v)", got, c.want, asked)
			}
			evidence(t, s, done)
			s.Close()
			s, _ = p.open(t)
			defer s.Close()
			toItsSeal(t, s, "key-generation", nil)
			p.noPINSent(t)
		})
	}
}

// TestPadRules: what is forged about a device's cards is refused by name, by whoever
// checks the record.
func TestPadRules(t *testing.T) {
	t.Parallel()
	p := newPadSite(t)
	s, _ := p.opened(t)
	defer s.Close()
	toItsSeal(t, s, "key-generation", nil)
	user := s.State().SetFor(s.Token(), "user").Body
	all := records(t, s)
	for name, f := range map[string]struct {
		rule, kind string
		also       func(any) bool
		forge      func(b any) (string, any)
	}{
		"a login without its cards": {"token.cards", ceremony.LoginTriedKind, func(b any) bool { return len(b.(*ceremony.LoginTried).Cards) > 0 },
			func(b any) (string, any) {
				l := *b.(*ceremony.LoginTried)
				l.Cards = []ceremony.Held{}
				return ceremony.LoginTriedKind, l
			}},
		"a login with fewer cards than the quorum": {"token.cards", ceremony.LoginTriedKind, func(b any) bool { return len(b.(*ceremony.LoginTried).Cards) > 0 },
			func(b any) (string, any) {
				l := *b.(*ceremony.LoginTried)
				l.Cards = l.Cards[:1]
				return ceremony.LoginTriedKind, l
			}},
		"a card that was presented and not taken out of its bag": {"custody.unopened", ceremony.ItemOpenedKind, func(b any) bool { return b.(*ceremony.ItemOpened).Item == user.CardName(1) },
			func(any) (string, any) {
				return ceremony.LoginTriedKind, ceremony.LoginTried{As: "user", Attempt: 1, Serial: s.Token(), Step: "open",
					Cards: []ceremony.Held{{Index: 1, Person: user.Cards[0].Holder, Set: user.Set}, {Index: 2, Person: user.Cards[1].Holder, Set: user.Set}}}
			}},
		"a bag that no witness saw opened": {"custody.witness", ceremony.ItemOpenedKind, func(b any) bool { return b.(*ceremony.ItemOpened).Item == user.CardName(1) },
			func(b any) (string, any) {
				o := *b.(*ceremony.ItemOpened)
				o.Witness = user.Cards[1].Holder
				return ceremony.ItemOpenedKind, o
			}},
		"another bag than the one on record": {"custody.bag", ceremony.ItemOpenedKind, func(b any) bool { return b.(*ceremony.ItemOpened).Item == user.CardName(1) },
			func(b any) (string, any) {
				o := *b.(*ceremony.ItemOpened)
				o.Bag = "ANOTHER-1"
				return ceremony.ItemOpenedKind, o
			}},
		"a step that ends with a card in nobody's bag": {"custody.unbagged", ceremony.ItemSealedKind, func(b any) bool { return b.(*ceremony.ItemSealed).Item == user.CardName(3) },
			func(any) (string, any) {
				return ceremony.ResultKind, ceremony.Result{Attempt: 1, Facts: []ceremony.Line{}, Outcome: ceremony.Finished, Step: "issue"}
			}},
		"a card bagged by another than its holder": {"set.holder", ceremony.ItemSealedKind, func(b any) bool { return b.(*ceremony.ItemSealed).Item == user.CardName(2) },
			func(b any) (string, any) {
				i := *b.(*ceremony.ItemSealed)
				i.Person = user.Cards[0].Holder
				return ceremony.ItemSealedKind, i
			}},
		"two cards for one person": {"set.holder", ceremony.SetIssuedKind, func(b any) bool { return b.(*ceremony.SetIssued).Set == user.Set },
			func(any) (string, any) {
				b := user
				b.Cards = slices.Clone(b.Cards)
				b.Cards[1].Holder = b.Cards[0].Holder
				return ceremony.SetIssuedKind, b
			}},
		"a quorum of one": {"set.shape", ceremony.SetIssuedKind, func(b any) bool { return b.(*ceremony.SetIssued).Set == user.Set },
			func(any) (string, any) {
				b := user
				b.Threshold = 1
				return ceremony.SetIssuedKind, b
			}},
		"a device opened in another way than was stated": {"token.pad", ceremony.SetIssuedKind, func(b any) bool { return b.(*ceremony.SetIssued).Set == user.Set },
			func(any) (string, any) {
				b := user
				b.Device = ceremony.PINParts
				return ceremony.SetIssuedKind, b
			}},
		"a share set that opens a device": {"set.purpose", ceremony.PINsSetKind, func(b any) bool { return b.(*ceremony.PINsSet).WrapSet != "" },
			func(b any) (string, any) {
				i := *b.(*ceremony.PINsSet)
				i.SOSet = i.WrapSet
				return ceremony.PINsSetKind, i
			}},
		"a token opened in a way that nobody knows": {"token.pad", ceremony.TokenEnrolledKind, nil,
			func(b any) (string, any) {
				e := *b.(*ceremony.TokenEnrolled)
				e.ProtectedPath = "by its owner"
				return ceremony.TokenEnrolledKind, e
			}},
	} {
		t.Run(name, func(t *testing.T) {
			var body any
			cut := slices.IndexFunc(all, func(r ledger.Record) bool {
				b, err := ceremony.Body(r)
				body = b
				return err == nil && r.Kind == f.kind && (f.also == nil || f.also(b))
			})
			if cut < 0 {
				t.Fatal("the true record was not found")
			}
			kind, forged := f.forge(body)
			path := force(t, s, all[:cut], ledger.Draft{Ceremony: all[cut].Ceremony, Kind: kind, V: 1, Time: all[cut].Time, Body: forged})
			got, err := audit.Ledger(t.Context(), path, audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Findings) == 0 || got.Findings[0].Rule != f.rule || got.Findings[0].Seq != int64(cut) {
				t.Errorf("the checker finds %v, want %s at record %d", got.Findings, f.rule, cut)
			}
		})
	}
}

// TestPadQuorum: what a person learnt of a device's cards stays below their quorum,
// handed over one after another as well, and who departs is counted.
func TestPadQuorum(t *testing.T) {
	t.Parallel()
	p := newPadSite(t)
	s, tr := p.opened(t)
	defer s.Close()
	user := s.State().SetFor(s.Token(), "user").Body
	moved := 0
	tr.change = func(pr ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case pr.Title == "Choose what is handled next" && moved == 0:
			moved++
			a.Fields["do"], a.Fields["item"] = "hand it to another holder", user.CardName(1)
		case pr.Title == "Choose what is handled next":
			a.Fields["do"] = "nothing more"
		case strings.HasPrefix(pr.Title, "Hand over"):
			a.Fields["to"], a.Fields["kept"] = user.Cards[1].Holder, "safe 2"
		}
	}
	if err := s.Begin(t.Context(), source(t, "custody"), nil); err != nil {
		t.Fatal(err)
	}
	if why := tr.problem(ceremony.AskConfirm); why == nil || why.Code != "custody.quorum" {
		t.Errorf("one person received two of three cards, any two of which open the device: %+v", why)
	}
}

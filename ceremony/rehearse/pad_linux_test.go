package rehearse

import (
	"context"
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
		if pr.Kind == ceremony.AskTransportPIN || pr.Kind == ceremony.AskCard && pr.Card.Purpose != ceremony.Recovery {
			t.Errorf("%q is asked for a token with a pad", pr.Title)
		}
		if pr.Kind == ceremony.AskPad && (!strings.Contains(pr.Text, "No PIN is entered here.") || pr.Who.Name == "" || pr.Private() || len(pr.Fields) > 0) {
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
		if !full() && !slices.Contains([]string{"key-restore", "share-check", "change-custodians"}, name) {
			continue
		}
		s.Close()
		s, _ = p.open(t)
		if err := s.provide(t.Context(), name); err != nil {
			t.Fatalf("what %s needs: %v", name, err)
		}
		if name == "share-check" {
			err := s.Begin(t.Context(), source(t, name), nil)
			if err == nil || !strings.Contains(err.Error(), "the script custody looks at its bags") {
				t.Errorf("cards that a device made were compared: %v", err)
			}
			toItsSeal(t, s, name, map[string]string{"set": s.State().WrappingSet(s.Token()).Body.Name})
			continue
		}
		evidence(t, s, toItsSeal(t, s, name, nil))
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

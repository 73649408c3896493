package rehearse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/practicetest"
	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ceremony/site"
	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/ledger"
)

// realSite is a site that is not practice, made as the program makes one, with
// people who answer as the cast does; only their keys are sealed with little work.
func realSite(t *testing.T, c site.Setting) (*Site, *troupe) {
	t.Helper()
	tr := &troupe{}
	c.Dir, c.Host, c.Room, c.Work = filepath.Join(t.TempDir(), "site"), clock{}, tr, signoff.PracticeWork
	s, err := site.Create(t.Context(), c, "Northwind Root CA")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	tr.site = &Site{Site: s, Prop: Props(t.TempDir())}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title == "Take in an order on paper" {
			a.Fields = map[string]string{"paper": strings.Repeat("ab", 32)}
		}
	}
	return tr.site, tr
}

// on is a setting whose module is a model of a device.
func on(token *hsmtest.Model) site.Setting {
	return site.Setting{Module: os.Args[0], Load: func(ctx context.Context) (hsm.Module, error) { return token.Start(ctx, "", nil) }}
}

// orderOpening has the opening ordered on paper, as nobody is enrolled yet.
func orderOpening(t *testing.T, s *Site) (ceremony.Plan, ledger.Hash) {
	t.Helper()
	src := source(t, opening)
	plan, err := script.Parse(src, s.State().KnownKinds())
	if err != nil {
		t.Fatal(err)
	}
	people, err := Parts(plan.Roles)
	if err != nil {
		t.Fatal(err)
	}
	p := ceremony.Plan{Script: src, People: people, Token: s.Token()}
	now := time.Now()
	leaf, err := s.Order(t.Context(), ceremony.OrderPlan{Plan: p, Approver: "tomas-novak", Owner: "dana-weiss", Reference: "SM-2026-1", From: now.Add(-time.Hour), Until: now.Add(24 * time.Hour), Paper: true, Witness: "amara-okafor"})
	if err != nil {
		t.Fatal(err)
	}
	return p, leaf
}

// TestRealSiteNeedsAnOrder: without an order a real site begins nothing.
func TestRealSiteNeedsAnOrder(t *testing.T) {
	s, _ := realSite(t, on(hsmtest.NewModel()))
	plan, _ := orderOpening(t, s)
	var refusal *ceremony.Refusal
	if err := s.Hold(t.Context(), plan); !errors.As(err, &refusal) || refusal.Rule != "order.missing" {
		t.Errorf("without an order: %v", err)
	}
}

// turnedAway holds the opening of a real site on a token that has no place there, and
// gives what people were told.
func turnedAway(t *testing.T, c site.Setting) string {
	t.Helper()
	s, tr := realSite(t, c)
	_, leaf := orderOpening(t, s)
	if err := s.HoldOrdered(t.Context(), leaf); err == nil || len(s.State().Tokens) > 0 {
		t.Fatalf("the token was taken: %v", err)
	}
	outsideHolds(t, s)
	last := tr.asked[len(tr.asked)-1]
	if last.Problem == nil {
		t.Fatalf("the last question was %q", last.Title)
	}
	return last.Problem.Happened
}

// TestRealSiteRefusesSoftware: a software token never becomes a real site's own.
func TestRealSiteRefusesSoftware(t *testing.T) {
	if told := turnedAway(t, on(hsmtest.NewModel())); told != "The token says of itself that it is software, and this is a real site." {
		t.Errorf("told %q", told)
	}
}

// TestRealSiteRefusesPractice: a device that is marked for practice stays practice,
// though its slot says that it is hardware.
func TestRealSiteRefusesPractice(t *testing.T) {
	device := hsmtest.NewHardwareModel()
	k := hsmtest.Fresh(t, device.Start, "", nil, "")
	if err := k.Session(t).PutData(t.Context(), hsm.Data{Application: "claviger", Label: hsm.PracticeMark, Value: []byte("practice")}); err != nil {
		t.Fatal(err)
	}
	c := on(device)
	c.Serial = k.Serial
	if told := turnedAway(t, c); told != "The token is marked for practice, and this is a real site." {
		t.Errorf("told %q", told)
	}
}

// TestRealSiteOpens: on a device whose slot says that it is hardware, ordered on
// paper, a real site is opened to its end, and a ledger key signs it. What is forged of
// its token and its workstation is refused.
func TestRealSiteOpens(t *testing.T) {
	s := founded(t, on(hsmtest.NewHardwareModel()))
	enrolled := func(r ledger.Record, _ any) bool { return r.Kind == ceremony.TokenEnrolledKind }
	token := func(change func(*ceremony.TokenEnrolled)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, upTo []ledger.Record, b any) ledger.Draft {
			change(b.(*ceremony.TokenEnrolled))
			return draft(upTo[len(upTo)-1], b)
		}
	}
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"a software token":          {rule: "token.software", at: enrolled, forge: token(func(b *ceremony.TokenEnrolled) { b.HardwareSlot = false })},
		"a token that was practice": {rule: "token.practice", at: enrolled, forge: token(func(b *ceremony.TokenEnrolled) { b.PracticeMark = true })},
		"a network that nobody decided about": {rule: "workstation.failed", at: checked("workstation"), forge: facts(func(lines []ceremony.Line) []ceremony.Line {
			lines[0].Value = "eth0 is up (fail)"
			return lines
		})},
	})
	outsideHolds(t, s)
}

// TestNumberedTokenIsNamedBeforeItIsErased: a token that has its serial number from the
// factory is identified by it, and officers authorise that one and no other.
func TestNumberedTokenIsNamedBeforeItIsErased(t *testing.T) {
	const serial = "7700-4312"
	s := founded(t, on(hsmtest.NewNumberedModel(serial)))
	if s.State().Tokens[serial] == nil {
		t.Errorf("enrolled is %v", s.State().Tokens)
	}
	named, halves := 0, ""
	all := everything(t, s)
	for _, r := range all {
		b, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		if in, ok := b.(*ceremony.Intent); ok && in.Act.Do == "initialise-token" && in.Act.With["token"] == serial {
			named++
		}
		if res, ok := b.(*ceremony.Result); ok {
			for _, l := range res.Facts {
				if l.Label == "Transport PIN" {
					halves += l.Value
				}
			}
		}
	}
	if named != 1 {
		t.Errorf("%d intents name the token that is erased", named)
	}
	if halves != "two halves, one each of Priya Kapoor, Rui Santos" {
		t.Errorf("of the transport PIN is recorded: %q", halves)
	}
	eachRefused(t, s, all, map[string]forgery{
		"another token than was authorised": {rule: "token.serial", at: func(r ledger.Record, _ any) bool { return r.Kind == ceremony.TokenEnrolledKind },
			forge: func(_ *testing.T, upTo []ledger.Record, b any) ledger.Draft {
				b.(*ceremony.TokenEnrolled).Serial = "7700-4313"
				return draft(upTo[len(upTo)-1], b)
			}},
	})
	outsideHolds(t, s)
	if told := turnedAway(t, on(hsmtest.NewNumberedModel(serial, "7700-4313"))); told != "2 tokens that are not initialised are attached." {
		t.Errorf("of two empty tokens is told %q", told)
	}
}

// TestTokenThatIsNoLongerEmptyIsNotErased: somebody else initialised it after it was
// identified.
func TestTokenThatIsNoLongerEmptyIsNotErased(t *testing.T) {
	const serial = "7700-4312"
	device := hsmtest.NewNumberedModel(serial)
	s, tr := realSite(t, on(device))
	_, leaf := orderOpening(t, s)
	tr.change = func(p ceremony.Prompt, _ *ceremony.Answer) {
		if p.Act != ceremony.ActAuthorise {
			return
		}
		m, err := device.Start(t.Context(), "", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if tokens, err := m.Tokens(t.Context()); err != nil || tokens[0].Initialised {
			return
		}
		if _, err := m.InitToken(t.Context(), serial, "of somebody else", hsmtest.Secret(t, "12345678")); err != nil {
			t.Error(err)
		}
	}
	err := s.HoldOrdered(t.Context(), leaf)
	var problem *ceremony.Problem
	if !errors.As(err, &problem) || !strings.Contains(problem.Happened, serial+" was empty when it was identified") {
		t.Errorf("told %v", err)
	}
	m, err := device.Start(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if tokens, err := m.Tokens(t.Context()); err != nil || tokens[0].Label != "of somebody else" || len(s.State().Tokens) > 0 {
		t.Errorf("the token is %v, %v", tokens, err)
	}
}

// TestRealSiteOpensThroughPKCS11: the same through the library of a vendor, in its own
// process: here SoftHSM's, whose slot says that it is hardware.
func TestRealSiteOpensThroughPKCS11(t *testing.T) {
	library, control := hsmtest.Shim(t)
	control.SlotFlags(0x4, 0) // CKF_HW_SLOT
	_, env := hsmtest.Store(t)
	s := founded(t, site.Setting{Module: library, Worker: practicetest.Worker(), Env: env})
	for serial, token := range s.State().Tokens {
		if !token.Body.HardwareSlot || token.Body.PracticeMark || serial == "" {
			t.Errorf("the token is told as %+v", token.Body)
		}
	}
	outsideHolds(t, s)
}

// founded is a real site whose opening was held.
func founded(t *testing.T, c site.Setting) *Site {
	t.Helper()
	s, _ := realSite(t, c)
	_, leaf := orderOpening(t, s)
	if err := s.HoldOrdered(t.Context(), leaf); err != nil {
		t.Fatal(err)
	}
	if !s.Ready() || s.State().Site.Practice || strings.Contains(s.State().Site.Origin, "practice") {
		t.Errorf("the site is %+v", s.State().Site)
	}
	if len(s.State().LedgerKeys) == 0 || s.State().SignedTo == 0 {
		t.Error("no ledger key signs the record")
	}
	if _, due := s.State().CopiesDue(); due != 2 {
		t.Errorf("%d copies of the ledger are due, want 2", due)
	}
	return s
}

// outsideHolds closes a site and has its ledger checked from outside.
func outsideHolds(t *testing.T, s *Site) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	res, err := audit.Ledger(t.Context(), s.Folder.Ledger(), audit.Options{})
	if err != nil || !res.Holds() {
		t.Errorf("the checker: %v %v", res.Findings, err)
	}
}

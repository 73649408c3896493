package rehearse

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/ledger"
)

// realSite is a site that is not practice, with people who answer as the cast
// does; their keys are sealed with the full work factor, so it takes a while.
func realSite(t *testing.T, token *hsmtest.Model) (*Site, *scene) {
	t.Helper()
	sc := &scene{store: ledger.NewMemory(), token: token, dir: filepath.Join(t.TempDir(), "site")}
	folder, err := ceremony.OpenFolder(sc.dir)
	if err != nil {
		t.Fatal(err)
	}
	tr := &troupe{}
	e, err := ceremony.NewEngine(t.Context(), ceremony.Config{Store: sc.store, Kinds: steps.Kinds(), Room: tr, Host: clock{}, Folder: folder, Module: func(ctx context.Context) (hsm.Module, error) { return token.Start(ctx, "", nil) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s := &Site{Engine: e, Folder: folder, Prop: Props(t.TempDir()), store: sc.store}
	tr.site = s
	if err := e.OpenSite(t.Context(), "Northwind Root CA", false, bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title == "Take in an order on paper" {
			a.Fields = map[string]string{"paper": strings.Repeat("ab", 32)}
		}
	}
	return s, sc
}

// orderOpening has the opening ordered on paper, as nobody is enrolled yet.
func orderOpening(t *testing.T, s *Site) ceremony.Plan {
	t.Helper()
	src := source(t, opening)
	plan, err := script.Parse(src, s.State().KnownKind)
	if err != nil {
		t.Fatal(err)
	}
	people, err := Parts(plan.Roles)
	if err != nil {
		t.Fatal(err)
	}
	p := ceremony.Plan{Script: src, People: people}
	now := time.Now()
	leaf, err := s.Order(t.Context(), ceremony.OrderPlan{Plan: p, Approver: "tomas-novak", Owner: "dana-weiss", Reference: "SM-2026-1", From: now.Add(-time.Hour), Until: now.Add(24 * time.Hour), Paper: true, Witness: "amara-okafor"})
	if err != nil {
		t.Fatal(err)
	}
	p.Order = leaf.String()
	return p
}

// TestRealSiteNeedsAnOrder: without an order a real site begins nothing.
func TestRealSiteNeedsAnOrder(t *testing.T) {
	s, _ := realSite(t, hsmtest.NewModel())
	var refusal *ceremony.Refusal
	err := s.Hold(t.Context(), ceremony.Plan{Script: source(t, opening), People: orderOpening(t, s).People})
	if !errors.As(err, &refusal) || refusal.Rule != "order.missing" {
		t.Errorf("without an order: %v", err)
	}
}

// TestRealSiteRefusesSoftware: a software token never becomes a real site's own.
func TestRealSiteRefusesSoftware(t *testing.T) {
	if !full() {
		t.Skip("each founder's key is sealed at the full cost of scrypt, minutes of computing in all; make proof does it")
	}
	s, sc := realSite(t, hsmtest.NewModel())
	err := s.Hold(t.Context(), orderOpening(t, s))
	if err == nil || len(s.State().Tokens) > 0 {
		t.Errorf("a software token was taken: %v", err)
	}
	if _, _, findings, err := ceremony.Fold(t.Context(), sc.store, steps.Kinds()); err != nil || len(findings) > 0 {
		t.Errorf("%v %v", findings, err)
	}
}

// TestRealSiteOpens: on a device whose slot says that it is hardware, ordered on
// paper, a real site is opened to its end, and a ledger key signs it.
func TestRealSiteOpens(t *testing.T) {
	if !full() {
		t.Skip("each founder's key is sealed at the full cost of scrypt, minutes of computing in all; make proof does it")
	}
	s, sc := realSite(t, hsmtest.NewHardwareModel())
	if err := s.Hold(t.Context(), orderOpening(t, s)); err != nil {
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
	sc.sound(t)
}

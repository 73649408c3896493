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
	"claviger/ceremony/script"
	"claviger/ceremony/site"
	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/ledger"
)

// realSite is a site that is not practice, made as the program makes one, with
// people who answer as the cast does; their keys are sealed with the full work
// factor, so it takes a while.
func realSite(t *testing.T, token *hsmtest.Model) *Site {
	t.Helper()
	tr := &troupe{}
	s, err := site.Create(t.Context(), site.Setting{Dir: filepath.Join(t.TempDir(), "site"), Host: clock{}, Room: tr, Module: os.Args[0],
		Load: func(ctx context.Context) (hsm.Module, error) { return token.Start(ctx, "", nil) }}, "Northwind Root CA")
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
	return tr.site
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
	p := ceremony.Plan{Script: src, People: people}
	now := time.Now()
	leaf, err := s.Order(t.Context(), ceremony.OrderPlan{Plan: p, Approver: "tomas-novak", Owner: "dana-weiss", Reference: "SM-2026-1", From: now.Add(-time.Hour), Until: now.Add(24 * time.Hour), Paper: true, Witness: "amara-okafor"})
	if err != nil {
		t.Fatal(err)
	}
	return p, leaf
}

// TestRealSiteNeedsAnOrder: without an order a real site begins nothing.
func TestRealSiteNeedsAnOrder(t *testing.T) {
	s := realSite(t, hsmtest.NewModel())
	plan, _ := orderOpening(t, s)
	var refusal *ceremony.Refusal
	if err := s.Hold(t.Context(), plan); !errors.As(err, &refusal) || refusal.Rule != "order.missing" {
		t.Errorf("without an order: %v", err)
	}
}

// TestRealSiteRefusesSoftware: a software token never becomes a real site's own.
func TestRealSiteRefusesSoftware(t *testing.T) {
	if !full() {
		t.Skip("each founder's key is sealed at the full cost of scrypt, minutes of computing in all; make proof does it")
	}
	s := realSite(t, hsmtest.NewModel())
	_, leaf := orderOpening(t, s)
	if err := s.HoldOrdered(t.Context(), leaf); err == nil || len(s.State().Tokens) > 0 {
		t.Errorf("a software token was taken: %v", err)
	}
	outsideHolds(t, s)
}

// TestRealSiteOpens: on a device whose slot says that it is hardware, ordered on
// paper, a real site is opened to its end, and a ledger key signs it.
func TestRealSiteOpens(t *testing.T) {
	if !full() {
		t.Skip("each founder's key is sealed at the full cost of scrypt, minutes of computing in all; make proof does it")
	}
	s := realSite(t, hsmtest.NewHardwareModel())
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
	outsideHolds(t, s)
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

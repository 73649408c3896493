package rehearse

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/script"
	"claviger/ceremony/steps"
	"claviger/ledger"
)

// orderOf is the order of a key generation with the practice cast.
func orderOf(t *testing.T, s *Site) ceremony.OrderPlan {
	t.Helper()
	return ceremony.OrderPlan{Plan: s.plan(t, generation(t), nil), Approver: "tomas-novak", Owner: "dana-weiss", Reference: "REQ-2031",
		From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
}

// plan casts a script with its own defaults.
func (s *Site) plan(t *testing.T, source []byte, set map[string]string) ceremony.Plan {
	t.Helper()
	plan, err := s.Plan(source, set)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestOrderedCeremony: what was ordered is held, once, and its report carries
// the order with its signature.
func TestOrderedCeremony(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	o := orderOf(t, s)
	leaf, err := s.Order(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Plan.Order = leaf.String()
	if got := s.State().StandingOrders(time.Now()); len(got) != 1 || got[0].Leaf != leaf {
		t.Errorf("standing orders: %v", got)
	}
	if err := s.Hold(t.Context(), o.Plan); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
	last := s.State().Ceremonies[len(s.State().Ceremonies)-1]
	path, err := s.Evidence(t.Context(), last.Number)
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := audit.PDF(t.Context(), pdf, "", audit.Options{})
	if err != nil || len(got.Findings) > 0 {
		t.Errorf("the report of an ordered ceremony: %v %v", err, got.Findings)
	}
	refusedBy(t, s.Hold(t.Context(), o.Plan), "order.used")
}

// TestOrderIsToTheByte: one byte of the script, one value, one person, another
// token, another day: each does not run, and nobody is asked for anything.
func TestOrderIsToTheByte(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	o := orderOf(t, s)
	leaf, err := s.Order(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	early := o
	early.From, early.Until = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	earlyLeaf, err := s.Order(t.Context(), early)
	if err != nil {
		t.Fatal(err)
	}
	asked := len(tr.asked)
	for rule, change := range map[string]func(p *ceremony.Plan){
		"order.script":     func(p *ceremony.Plan) { p.Script = bytes.Replace(p.Script, []byte("Welcome."), []byte("Welcome!"), 1) },
		"order.parameters": func(p *ceremony.Plan) { p.Parameters["lifetime"] = "3y" },
		"order.people":     func(p *ceremony.Plan) { p.People[5].Person = "farah-noor" },
		"order.token":      func(p *ceremony.Plan) { p.Token = "0000000000000000" },
		"order.unknown":    func(p *ceremony.Plan) { p.Order = ledger.Hash{1}.String() },
		"order.window":     func(p *ceremony.Plan) { p.Order = earlyLeaf.String() },
	} {
		p := o.Plan
		p.Order = leaf.String()
		p.Parameters, p.People = maps.Clone(p.Parameters), append([]ceremony.Part{}, p.People...)
		change(&p)
		refusedBy(t, s.Hold(t.Context(), p), rule)
	}
	if len(tr.asked) != asked {
		t.Errorf("people were asked %d times before the ceremony was refused", len(tr.asked)-asked)
	}
	if err := s.Withdraw(t.Context(), ledger.BlobHash(o.Script), leaf.String(), "tomas-novak", "the key is not needed"); err != nil {
		t.Fatal(err)
	}
	o.Plan.Order = leaf.String()
	refusedBy(t, s.Hold(t.Context(), o.Plan), "order.withdrawn")
	if err := s.Withdraw(t.Context(), ledger.BlobHash(o.Script), "", "tomas-novak", "a newer one is registered"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Order(t.Context(), o)
	refusedBy(t, err, "script.withdrawn")
	o.Plan.Order = ""
	refusedBy(t, s.Hold(t.Context(), o.Plan), "script.withdrawn")
	if err := s.RegisterScript(t.Context(), o.Script, "tomas-novak"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Order(t.Context(), o); err != nil {
		t.Errorf("a script registered again: %v", err)
	}
	holds(t, s, 0)
}

// TestOrderOnPaper: the witness types the SHA-256 of what was signed by hand.
func TestOrderOnPaper(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	o := orderOf(t, s)
	o.Paper, o.Witness = true, "amara-okafor"
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if len(p.Fields) == 1 && p.Fields[0].Name == "paper" {
			a.Fields["paper"] = "3F2C 91AA"
			if p.Problem != nil {
				a.Fields["paper"] = "3F2C91AA 00000000 00000000 00000000 00000000 00000000 00000000 00000001"
			}
		}
	}
	leaf, err := s.Order(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if tr.problem(ceremony.AskForm) == nil {
		t.Error("a short hash was taken without a word")
	}
	o.Plan.Order = leaf.String()
	if err := s.Hold(t.Context(), o.Plan); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
}

// TestWhoMayOrder: the approver alone, who neither owns the key nor acts.
func TestWhoMayOrder(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	o := orderOf(t, s)
	o.Approver = "priya-kapoor"
	_, err := s.Order(t.Context(), o)
	refusedBy(t, err, "role.conflict")
	o.Approver = "dana-weiss"
	_, err = s.Order(t.Context(), o)
	refusedBy(t, err, "role.conflict")
	o.Approver = "farah-noor"
	_, err = s.Order(t.Context(), o)
	refusedBy(t, err, "order.approver")
	o = orderOf(t, s)
	o.Owner = "farah-noor"
	_, err = s.Order(t.Context(), o)
	refusedBy(t, err, "order.owner")
}

// refusedBy demands a refusal by this rule, told to people in three lines.
func refusedBy(t *testing.T, err error, rule string) {
	t.Helper()
	var refusal *ceremony.Refusal
	var problem *ceremony.Problem
	if !errors.As(err, &refusal) || refusal.Rule != rule {
		t.Errorf("got %v, want a refusal by %s", err, rule)
		return
	}
	if !errors.As(err, &problem) || problem.Happened == "" || problem.Do == "" {
		t.Errorf("%s is not told to people: %v", rule, err)
	}
}

// TestRealSiteRunsOnOrders: without an order nobody is asked for anything; the
// first one is on paper, because nobody can sign it here yet.
func TestRealSiteRunsOnOrders(t *testing.T) {
	folder, err := ceremony.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	room := &lobby{}
	e, err := ceremony.NewEngine(t.Context(), ceremony.Config{Store: ledger.NewMemory(), Kinds: steps.Kinds(), Room: room, Host: clock{}, Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.OpenSite(t.Context(), "Northwind", false, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	src := source(t, opening)
	plan, err := script.Parse(src, e.State().KnownKinds())
	if err != nil {
		t.Fatal(err)
	}
	people, err := Parts(plan.Roles)
	if err != nil {
		t.Fatal(err)
	}
	o := ceremony.OrderPlan{Plan: ceremony.Plan{Script: src, People: people}, Approver: "tomas-novak", Reference: "REQ-1", Witness: "amara-okafor",
		From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
	refusedBy(t, e.Hold(t.Context(), o.Plan), "order.missing")
	_, err = e.Order(t.Context(), o)
	refusedBy(t, err, "order.signature")
	o.Paper = true
	leaf, err := e.Order(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Plan.Order = leaf.String()
	before := room.asked
	var stop *ceremony.Stop
	if err := e.Hold(t.Context(), o.Plan); !errors.As(err, &stop) || room.asked == before {
		t.Errorf("the ordered opening did not begin: %v", err)
	}
}

// lobby fills in a paper's hash and aborts everything else.
type lobby struct{ asked int }

func (*lobby) Show(ceremony.Snapshot) {}

func (l *lobby) Ask(_ context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	l.asked++
	switch {
	case len(p.Fields) == 1 && p.Fields[0].Name == "paper":
		return ceremony.Answer{Fields: map[string]string{"paper": strings.Repeat("ab", 32)}}, nil
	case p.Step == "":
		return ceremony.Answer{}, nil
	}
	return ceremony.Answer{Action: ceremony.Abort, Reason: "enough"}, nil
}

// later is a workstation whose clock is some hours on.
type later struct {
	clock
	by time.Duration
}

func (l later) Now() time.Time { return l.clock.Now().Add(l.by) }

// TestResumeInsideTheWindow: a stopped ceremony does not go on after its order's
// window; the rest is ordered anew, and the report carries the order that it was
// resumed on. What the engine refuses, the checker finds in a forged record.
func TestResumeInsideTheWindow(t *testing.T) {
	dir := copySite(t)
	s, tr := openSite(t, setting(dir, nil))
	first, err := s.Order(t.Context(), orderOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	tr.change = with(&sheet{step: "identify", kind: ceremony.AskConfirm, answer: ceremony.Answer{Action: ceremony.Pause, Reason: "evening"}})
	var stop *ceremony.Stop
	if err := s.HoldOrdered(t.Context(), first); !errors.As(err, &stop) {
		t.Fatalf("it did not pause: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	c := setting(dir, nil)
	c.Host = later{by: 3 * time.Hour}
	s, tr = openSite(t, c)
	refusedBy(t, s.Resume(t.Context()), "order.window")
	if len(tr.asked) > 0 {
		t.Error("people were asked before the resumption was refused")
	}
	again := orderOf(t, s)
	again.From, again.Until = c.Host.Now().Add(-time.Minute), c.Host.Now().Add(time.Hour)
	again.Parameters = maps.Clone(again.Parameters)
	again.Parameters["lifetime"] = "3y"
	other, err := s.Order(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	refusedBy(t, s.Resume(t.Context()), "order.window")
	delete(again.Parameters, "lifetime")
	second, err := s.Order(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
	last := s.State().Ceremonies[len(s.State().Ceremonies)-1]
	if o := s.State().OrderOf(last); o == nil || o.Leaf != second || o.Used != last.Number {
		t.Errorf("it was resumed on %+v", o)
	}
	path, err := s.Evidence(t.Context(), last.Number)
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := audit.PDF(t.Context(), pdf, "", audit.Options{}); err != nil || len(got.Findings) > 0 {
		t.Errorf("the report of a ceremony that was resumed on another order: %v %v", err, got.Findings)
	}

	resumed := func(order string) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, all []ledger.Record, body any) ledger.Draft {
			body.(*ceremony.Resumed).Order = order
			return draft(all[len(all)-1], body)
		}
	}
	at := func(r ledger.Record, _ any) bool { return r.Kind == ceremony.ResumedKind }
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"resumed after the window":        {rule: "order.window", at: at, forge: resumed("")},
		"resumed on its own order anew":   {rule: "order.used", at: at, forge: resumed(first.String())},
		"resumed on an order for another": {rule: "order.parameters", at: at, forge: resumed(other.String())},
		"resumed on an order nobody gave": {rule: "order.unknown", at: at, forge: resumed(ledger.Hash{1}.String())},
		"resumed on an order of the future": {rule: "order.window", at: at, forge: func(_ *testing.T, all []ledger.Record, body any) ledger.Draft {
			d := draft(all[len(all)-1], body)
			d.Time = d.Time.Add(2 * time.Hour)
			return d
		}},
	})
}

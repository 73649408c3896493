package rehearse

import (
	"errors"
	"testing"
	"time"

	"claviger/ceremony"
)

var (
	owner    = ceremony.Part{Person: "dana-weiss", Role: "owner"}
	approver = ceremony.Part{Person: "tomas-novak", Role: "approver"}
	officers = []ceremony.Part{{Person: "priya-kapoor", Role: "officer"}, {Person: "rui-santos", Role: "officer"}}
)

// TestLifeOfAKey: a key becomes active by the word of owner and approver, once
// there is a report to accept, and every other change takes the signatures that
// SP 800-57 names; what is refused says by which rule.
func TestLifeOfAKey(t *testing.T) {
	sc := before(t, "key-generation")
	defer sc.clear()
	s, tr := sc.open(t, &fate{}, nil)
	defer s.Engine.Close()
	if err := s.Begin(t.Context(), source(t, "key-generation"), nil); err != nil {
		t.Fatal(err)
	}
	var id string
	for id = range s.State().Keys {
	}
	today := time.Now().UTC().Format(time.DateOnly)
	change := func(to ceremony.KeyState, by ...ceremony.Part) error {
		return s.ChangeKey(t.Context(), ceremony.KeyChanged{At: today, Key: id, Reason: "as agreed", State: to}, by)
	}
	refused := func(rule string, err error) {
		t.Helper()
		var r *ceremony.Refusal
		if !errors.As(err, &r) || r.Rule != rule {
			t.Errorf("got %v, want a refusal by %s", err, rule)
		}
	}
	due := func(what string) {
		t.Helper()
		for _, d := range s.State().KeysDue() {
			if d.Key == id {
				if d.What != what {
					t.Errorf("due is %q, want %q", d.What, what)
				}
				return
			}
		}
		t.Errorf("nothing is due, want %q", what)
	}

	due("accept the key, or have it destroyed")
	refused("key.unreported", change(ceremony.Active, owner, approver))
	if _, err := s.Evidence(t.Context(), s.Last("key-generation").Number); err != nil {
		t.Fatal(err)
	}
	refused("key.change-by", change(ceremony.Active, owner))
	refused("key.change-by", change(ceremony.Active, officers...))
	refused("key.state", change(ceremony.Deactivated, owner))
	refused("signoff.role", change(ceremony.Active, owner, ceremony.Part{Person: "li-chen", Role: "approver"}))
	refused("key.state", s.ChangeKey(t.Context(), ceremony.KeyChanged{At: "soon", Key: id, Reason: "as agreed", State: ceremony.Active}, []ceremony.Part{owner, approver}))
	if err := change(ceremony.Active, owner, approver); err != nil {
		t.Fatal(err)
	}
	due("its use ends: deactivate it")
	until := s.State().Keys[id].Body.Until
	for _, d := range s.State().KeysDue() {
		if got := d.From.Format(time.DateOnly); got != until || d.Overdue(d.From.Add(-time.Second)) || !d.Overdue(d.From) {
			t.Errorf("due from %s, want %s, the end of its lifetime", got, until)
		}
	}
	refused("key.change-by", change(ceremony.Suspended, officers...))
	if err := change(ceremony.Suspended, owner); err != nil { // T7
		t.Fatal(err)
	}
	refused("key.change-by", change(ceremony.Active, owner))
	if err := change(ceremony.Active, owner, approver); err != nil { // T11
		t.Fatal(err)
	}
	refused("key.change-by", change(ceremony.Deactivated, approver))
	if err := change(ceremony.Deactivated, owner); err != nil { // T8
		t.Fatal(err)
	}
	due("nothing is read with it any more: have it destroyed")
	refused("key.state", change(ceremony.Active, owner, approver))
	refused("key.change-by", change(ceremony.Compromised, officers[0]))
	if err := change(ceremony.Compromised, officers...); err != nil { // T14
		t.Fatal(err)
	}
	due("it is compromised: have it destroyed")
	refused("key.state", change(ceremony.Deactivated, owner))
	if k := s.State().Keys[id]; k.State != ceremony.Compromised || len(k.Changes) != 5 {
		t.Errorf("the key is %s after %d changes", k.State, len(k.Changes))
	}
	if len(tr.asked) == 0 {
		t.Error("nobody was asked")
	}
	sc.sound(t)
}

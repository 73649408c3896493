package rehearse

import (
	"errors"
	"slices"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ledger"
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
	// Two officers may say it of a key in use only.
	refused("key.change-by", change(ceremony.Compromised, officers...))
	refused("key.change-by", change(ceremony.Compromised, owner))
	if err := change(ceremony.Compromised, approver); err != nil { // T14
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

// TestBackupIsDecided: a key that may leave its token wrapped becomes active with a
// backup that was tried, or with a waiver that owner and approver sign; from no day
// before its own. What somebody writes without the program is refused.
func TestBackupIsDecided(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	make := func(label string) *ceremony.Key {
		t.Helper()
		if err := s.Begin(t.Context(), source(t, "key-generation"), map[string]string{"label": label, "protection": "wrap-backup"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Evidence(t.Context(), s.Last("key-generation").Number); err != nil {
			t.Fatal(err)
		}
		return s.State().KeyNamed(label)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	change := func(k *ceremony.Key, at string, to ceremony.KeyState, waived bool, by ...ceremony.Part) error {
		return s.ChangeKey(t.Context(), ceremony.KeyChanged{At: at, Key: k.Body.ID, Reason: "it signs for a week", State: to, Waived: waived}, by)
	}
	refused := func(rule string, err error) {
		t.Helper()
		var r *ceremony.Refusal
		if !errors.As(err, &r) || r.Rule != rule {
			t.Errorf("got %v, want a refusal by %s", err, rule)
		}
	}
	due := func(k *ceremony.Key, what string) {
		t.Helper()
		if !slices.ContainsFunc(s.State().KeysDue(), func(d ceremony.KeyDue) bool { return d.Key == k.Body.ID && d.What == what }) {
			t.Errorf("due are %+v, not %q", s.State().KeysDue(), what)
		}
	}

	backed, bare := make("backed-key"), make("bare-key")
	due(bare, "have it backed up, or accept it without a backup")
	refused("key.no-backup", change(backed, today, ceremony.Active, false, owner, approver))
	refused("key.change-by", change(bare, today, ceremony.Active, true, owner))
	refused("key.day", change(bare, "1999-01-01", ceremony.Active, true, owner, approver))
	refused("key.change-by", change(bare, today, ceremony.Compromised, false, officers...)) // T3
	if err := change(bare, today, ceremony.Active, true, owner, approver); err != nil {     // T4, waived
		t.Fatal(err)
	}
	if err := change(bare, today, ceremony.Compromised, false, officers...); err != nil { // T6
		t.Fatal(err)
	}
	paper, _ := onPaper(t, s, bare.Ceremony)
	hasAll(t, paper, "Its backup is waived. From", "it signs for a week; its backup is waived")

	about(t, s, "token-addition", nil)
	about(t, s, "key-backup", map[string]string{"key": "backed-key"})
	backed = s.State().KeyNamed("backed-key")
	due(backed, "accept the key, or have it destroyed")
	refused("key.waiver", change(backed, today, ceremony.Active, true, owner, approver))
	if err := change(backed, today, ceremony.Active, false, owner, approver); err != nil { // T4
		t.Fatal(err)
	}
	if err := change(backed, today, ceremony.Suspended, false, owner); err != nil {
		t.Fatal(err)
	}
	refused("key.change-by", change(backed, today, ceremony.Compromised, false, officers...)) // T10
	holds(t, s, 2)

	activated := func(id string) func(ledger.Record, any) bool {
		return func(r ledger.Record, b any) bool {
			changed, ok := b.(*ceremony.KeyChanged)
			return ok && changed.Key == id && changed.State == ceremony.Active
		}
	}
	as := func(change func(*ceremony.KeyChanged)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, upTo []ledger.Record, b any) ledger.Draft {
			change(b.(*ceremony.KeyChanged))
			return draft(upTo[len(upTo)-1], b)
		}
	}
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"in use without a backup":         {rule: "key.no-backup", at: activated(bare.Body.ID), forge: as(func(b *ceremony.KeyChanged) { b.Waived = false })},
		"in use before it was there":      {rule: "key.day", at: activated(bare.Body.ID), forge: as(func(b *ceremony.KeyChanged) { b.At = "1999-01-01" })},
		"a waiver where a backup is kept": {rule: "key.waiver", at: activated(backed.Body.ID), forge: as(func(b *ceremony.KeyChanged) { b.Waived = true })},
		"a waiver that nobody signed":     {rule: "key.change-by", at: activated(bare.Body.ID), forge: as(func(b *ceremony.KeyChanged) { b.Signatures = b.Signatures[:1] })},
		"two officers before it was ever in use": {rule: "key.change-by", at: activated(bare.Body.ID), forge: func(t *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			r := upTo[len(upTo)-1]
			var signed []ceremony.SignedBy
			for _, o := range officers {
				signed = append(signed, ceremony.SignedBy{Key: s.State().People[o.Person].Leaf, Person: o.Person, Role: o.Role, Signature: "00"})
			}
			return ledger.Draft{Kind: ceremony.KeyCompromisedKind, V: 1, Time: r.Time, Body: ceremony.KeyChanged{At: today, Key: bare.Body.ID, Reason: "seen in a log", Signatures: signed, State: ceremony.Compromised}}
		}},
	})
}

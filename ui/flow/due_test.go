package flow

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"claviger/ceremony"
	"claviger/ui/sample"
)

// What share sets and copies of the ledger ask of people stands on the first page,
// each in words that say what to do.
func TestSetsAndCopiesThatAreDue(t *testing.T) {
	set := func(s *ceremony.State, withdrawn bool, states ...string) {
		b := ceremony.SetIssued{Set: "00112233", Name: "QQQQ QQQP", Purpose: ceremony.Recovery, Threshold: 2, Count: len(states)}
		for i, state := range states {
			c := ceremony.CardIssued{Index: i + 1, Holder: "li-chen"}
			b.Cards = append(b.Cards, c)
			name := ceremony.CardItemName(c.Index, b.Name)
			s.Items[name] = &ceremony.Item{Name: name, Kind: ceremony.CardItem, Set: b.Set, Index: c.Index, Holder: c.Holder, State: state}
		}
		s.Sets[b.Set] = &ceremony.Set{Body: b, Withdrawn: withdrawn}
	}
	backup := func(s *ceremony.State, state string) {
		k := sample.Key("root", "ec-p384", noon.AddDate(-2, 0, 0), noon.AddDate(15, 0, 0), ceremony.Active)
		k.Copies = append(k.Copies, ceremony.Copy{Form: ceremony.WrappedForm, Name: "medium M-1", Set: "00112233", State: state})
		s.Keys[k.Body.ID] = k
	}
	const (
		oldCards = "The old cards of set QQQQ QQQP still open a backup of root: see that it is backed up under other cards, have the old media destroyed, then the old cards"
		change   = "The secret of set QQQQ QQQP must be changed: nobody answers for card 1 of set QQQQ QQQP, card 2 of set QQQQ QQQP"
		known    = "A backup of root may survive, and nobody answers for as many of the old cards of set QQQQ QQQP as open it: card 1 of set QQQQ QQQP, card 2 of set QQQQ QQQP. Have the key changed"
		in       = ceremony.InCustody
	)
	for name, c := range map[string]struct {
		make func(*ceremony.State)
		due  []string
	}{
		"every card there":        {func(s *ceremony.State) { set(s, false, in, in, in) }, nil},
		"one card lost":           {func(s *ceremony.State) { set(s, false, ceremony.Lost, in, in) }, nil},
		"as many lost as open it": {func(s *ceremony.State) { set(s, false, ceremony.Lost, ceremony.Lost, in) }, []string{change}},
		"withdrawn, nothing is left": {func(s *ceremony.State) {
			set(s, true, ceremony.Lost, ceremony.Lost, in)
			backup(s, ceremony.CopyDestroyed)
		}, nil},
		"withdrawn, a backup is kept": {func(s *ceremony.State) { set(s, true, in, in, in); backup(s, ceremony.CopyKept) }, []string{oldCards}},
		"withdrawn, and lost cards open a backup": {func(s *ceremony.State) { set(s, true, ceremony.Lost, ceremony.Lost, in); backup(s, ceremony.CopyKept) },
			[]string{known, oldCards}},
		"what a deviation asked for": {func(s *ceremony.State) {
			s.Ceremonies = append(s.Ceremonies, &ceremony.Progress{Number: "2026-001", Status: ceremony.SealedStatus, Plan: sample.Site().Ceremonies[0].Plan, Deviations: []ceremony.Deviation{
				{Raised: ceremony.DeviationRaised{Number: 1}, Decided: &ceremony.DeviationDecided{Corrective: "new bags are bought", Due: "2026-11-21"}},
				{Raised: ceremony.DeviationRaised{Number: 2}, Decided: &ceremony.DeviationDecided{Corrective: "the door is mended", Due: "2026-11-21"}, Closed: "2026-11-20"},
				{Raised: ceremony.DeviationRaised{Number: 3}, Decided: &ceremony.DeviationDecided{Corrective: "the clock is set", Due: "2026-11-22"}},
				{Raised: ceremony.DeviationRaised{Number: 4}, Decided: &ceremony.DeviationDecided{}}}})
		}, []string{"What was to be done until 21 Nov 2026 about deviation 1 of ceremony 2026-001 has not been reported: new bags are bought"}},
		"copies of the ledger": {func(s *ceremony.State) {
			s.Site.Practice = false
			s.Ceremonies = append(s.Ceremonies, &ceremony.Progress{Number: "2026-001", Status: ceremony.SealedStatus, Plan: sample.Site().Ceremonies[0].Plan})
		}, []string{"2 verified copies of the ledger are still to be made after ceremony 2026-001, on separate media"}},
	} {
		s := sample.Empty()
		c.make(s)
		var due []string
		for _, d := range NewOverview(ceremony.Snapshot{}, recordOf(s), nil, noon).Due {
			due = append(due, d.Text)
			if d.Ref.Label == "" {
				t.Errorf("%s: %q leads nowhere", name, d.Text)
			}
		}
		if diff := cmp.Diff(c.due, due); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

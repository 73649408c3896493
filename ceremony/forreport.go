package ceremony

import (
	"maps"

	"claviger/ledger"
)

// Kinds is the table by which this state judges steps.
func (s *State) Kinds() Kinds { return s.kinds }

// FoldRuns folds what a report carries: record 0 and every run of one ceremony.
// The claims are what remains to be verified: signatures by arithmetic, tree
// heads against a tree that only the whole ledger has.
func FoldRuns(kinds Kinds, blobs Blobs, records []ledger.Record) (*State, []Claim, error) {
	s := NewPartialState(kinds, blobs)
	var claims []Claim
	for _, r := range records {
		before := maps.Clone(s.Keys)
		c, err := s.Next(r)
		if err != nil {
			return s, claims, err
		}
		claims = append(claims, c...)
		if r.Kind != ContextKind {
			continue
		}
		// A key that an earlier run of this ceremony made is known better from its
		// own record than from the context that restates it.
		for id, k := range before {
			if now := s.Keys[id]; now != nil && now.Leaf == k.Leaf {
				k.Quarantined = now.Quarantined
				s.Keys[id] = k
			}
		}
	}
	return s, claims, nil
}

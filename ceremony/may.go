package ceremony

import (
	"time"

	"claviger/ceremony/script"
	"claviger/ledger"
)

// MayHold says, as a Refusal, why these people could not hold a ceremony now: the
// rules that its order and its first record are judged by, asked while people still
// plan it.
func (s *State) MayHold(plan *script.Bound, approver, owner string, people []Part, at time.Time) error {
	r := &record{Record: ledger.Record{Seq: s.Size, Time: at}}
	p := newProgress("", plan, &Started{People: people}, at, s.Size)
	if err := s.checkPeople(r, p, people); err != nil {
		return err
	}
	if err := s.apart(r, approver, owner, people); err != nil {
		return err
	}
	begun := *s
	begun.Open = p
	return begun.admitSteps(r, plan)
}

// OwnerOf is who owns the key that a ceremony is about, "" where it is about none.
func (s *State) OwnerOf(plan *script.Bound) string {
	for _, par := range plan.Parameters {
		if par.Type == "key" {
			if k := s.KeyNamed(plan.Values[par.Name]); k != nil {
				return k.Body.Owner
			}
		}
	}
	return plan.Values[script.Owner]
}

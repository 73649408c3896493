package steps

import (
	"slices"

	"claviger/ceremony/script"
	"claviger/hsm"
)

// needing is a kind that asks more of a token than a session with it.
type needing interface {
	Needs(st script.Step) []hsm.Need
}

// Needs lists what the steps of a script ask of the token they are played on, each
// once, in the order of the script.
func Needs(plan *script.Bound) []hsm.Need {
	kinds := Kinds()
	var list []hsm.Need
	for _, st := range plan.Steps() {
		k, ok := kinds[st.Kind].(needing)
		if !ok {
			continue
		}
		for _, n := range k.Needs(st) {
			if !slices.ContainsFunc(list, func(o hsm.Need) bool { return o.For == n.For && o.Bits == n.Bits && slices.Equal(o.AnyOf, n.AnyOf) }) {
				list = append(list, n)
			}
		}
	}
	return list
}

func (generateKey) Needs(st script.Step) []hsm.Need {
	return hsm.KeySpec{Algorithm: hsm.Algorithm(st.With["algorithm"]), Purpose: usage(st.With["purpose"]), Protection: hsm.Protection(st.With["protection"])}.Needs()
}

func (makeLedgerKey) Needs(script.Step) []hsm.Need {
	return hsm.KeySpec{Algorithm: hsm.ECP256, Purpose: hsm.Sign, Protection: hsm.ModuleOnly}.Needs()
}

// Half of every shared secret is the token's.
func (issueSet) Needs(script.Step) []hsm.Need { return []hsm.Need{hsm.RandomNeed} }

func (backUpKey) Needs(script.Step) []hsm.Need  { return hsm.WrapNeeds()[:1] }
func (restoreKey) Needs(script.Step) []hsm.Need { return hsm.WrapNeeds()[1:] }

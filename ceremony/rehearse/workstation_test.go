package rehearse

import (
	"slices"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
)

// checked finds the result of a step.
func checked(step string) func(ledger.Record, any) bool {
	return func(_ ledger.Record, b any) bool {
		res, ok := b.(*ceremony.Result)
		return ok && res.Step == step && res.Intent.IsZero()
	}
}

// facts changes what a result says.
func facts(change func([]ceremony.Line) []ceremony.Line) func(*testing.T, []ledger.Record, any) ledger.Draft {
	return func(_ *testing.T, upTo []ledger.Record, b any) ledger.Draft {
		res := b.(*ceremony.Result)
		res.Facts = change(res.Facts)
		return draft(upTo[len(upTo)-1], res)
	}
}

// TestWorkstationRules: everything that is asked of a workstation has an answer with a
// verdict; a check of which nothing but the boot medium is told was not made.
func TestWorkstationRules(t *testing.T) {
	s, all, _ := played(t)
	without := func(label string) func([]ceremony.Line) []ceremony.Line {
		return func(lines []ceremony.Line) []ceremony.Line {
			return slices.DeleteFunc(lines, func(l ceremony.Line) bool { return l.Label == label })
		}
	}
	forged := map[string]forgery{
		"nothing but the boot medium": {rule: "workstation.facts", at: checked("workstation"), forge: facts(func([]ceremony.Line) []ceremony.Line {
			return []ceremony.Line{{Label: "Boot medium", Value: "x"}}
		})},
		"a fact without a verdict": {rule: "workstation.facts", at: checked("workstation"), forge: facts(func(lines []ceremony.Line) []ceremony.Line {
			lines[0].Value = "no interface is up"
			return lines
		})},
		"a boot medium that nobody spoke of": {rule: "workstation.facts", at: checked("workstation"), forge: facts(without("Boot medium"))},
	}
	for _, label := range ceremony.HostFacts() {
		forged["nothing about "+label] = forgery{rule: "workstation.facts", at: checked("workstation"), forge: facts(without(label))}
	}
	eachRefused(t, s, all, forged)
}

// Package steps is what each kind of step does: one file a kind, its pure check
// beside its act, and one table. Kinds are append-only; a kind that changes
// what its records mean gets a new version, and the old one stays for old
// ledgers.
//
// Check holds the rules of the kind and is called before a record is written
// and whenever one is verified. Do is what happens in the room. Acts lists what
// the step still has to do to the token: it is what officers see when they
// authorise, and what an intent may hold.
package steps

import (
	"context"
	"fmt"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// Kinds is the table of every step kind.
func Kinds() ceremony.Kinds {
	table := ceremony.Kinds{}
	for _, k := range []ceremony.Kind{
		roomCheck{}, workstationCheck{}, enrolFounders{}, rollCall{}, identifyToken{}, initialiseToken{},
		issueSet{}, openToken{}, makeLedgerKey{}, retireLedgerKey{}, authorise{}, generateKey{}, readFingerprint{}, gates{}, copyRegister{}, approve{}, destroyKey{}, destroyMedia{}, conclude{},
		custody{}, closingBags{}, attest{}, seal{}, adoptPolicy{}, policyException{}, addToken{}, loadWrappingKey{}, backUpKey{}, restoreKey{},
		changeSet{}, rewrapBackups{}, withdrawSet{}, checkCards{}, enrolPerson{}, changePerson{}, rekeyPerson{}, retirePerson{},
	} {
		table[k.Name()] = k
	}
	return table
}

// noActs is shared by kinds that do nothing to the token.
type noActs struct{}

func (noActs) Acts(*ceremony.State, script.Step) ([]ceremony.Act, error) { return nil, nil }

func (noActs) Reconcile(_ context.Context, _ ceremony.Env, st script.Step, _ ceremony.KnownIntent) (ceremony.Found, error) {
	return ceremony.Found{}, fmt.Errorf("step %q does nothing to the token", st.ID)
}

// finish writes the result of the step.
func finish(ctx context.Context, env ceremony.Env, st script.Step, lines ...ceremony.Line) error {
	if lines == nil {
		lines = []ceremony.Line{}
	}
	if private := env.Private(); recording(env.State()) && len(private) > 0 {
		lines = append(lines, line("Turned away from the camera", strings.Join(private, ", ")))
	}
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ResultKind, Body: ceremony.Result{
		Attempt: env.Attempt(), Facts: lines, Outcome: ceremony.Finished, Step: st.ID}}})
}

func broken(rule, why string, args ...any) error {
	return &ceremony.Broken{Rule: rule, Why: fmt.Sprintf(why, args...)}
}

// foreign refuses a record of a kind that does not belong to the step.
func foreign(st script.Step, r ledger.Record) error {
	return broken("step.foreign", "a %s does not belong to a step of kind %s", r.Kind, st.Kind)
}

func isFinish(body any) bool {
	b, ok := body.(*ceremony.Result)
	return ok && b.Intent.IsZero()
}

func line(label, value string) ceremony.Line { return ceremony.Line{Label: label, Value: value} }
func mono(label, value string) ceremony.Line {
	return ceremony.Line{Label: label, Value: value, Style: "mono"}
}
func hash(label, value string) ceremony.Line {
	return ceremony.Line{Label: label, Value: value, Style: "hash"}
}

func facts(lines []ceremony.Line) []ceremony.Fact {
	var out []ceremony.Fact
	for _, l := range lines {
		out = append(out, ceremony.Fact{Label: l.Label, Value: l.Value, Style: l.Style})
	}
	return out
}

// names lists people by name.
func names(s *ceremony.State, ids []string) string {
	var out []string
	for _, id := range ids {
		out = append(out, s.Someone(id).Name)
	}
	return strings.Join(out, ", ")
}

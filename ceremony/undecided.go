package ceremony

import (
	"context"
	"fmt"
)

// decideOpen has people decide what was raised and never decided: the program
// ended, or the disk was full, between the two records. It comes first in a run: no
// other deviation can be raised until then, and a login may need one.
func (e *env) decideOpen(ctx context.Context) error {
	for _, d := range e.state.Open.Deviations {
		if d.Decided != nil {
			continue
		}
		if err := e.decideNow(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) decideNow(ctx context.Context, d Deviation) error {
	p := Prompt{Kind: AskForm, Title: fmt.Sprintf("Decide about deviation %d", d.Raised.Number), Step: d.Raised.Step,
		Text:   "It was noted, and no decision about it is recorded. Nothing goes on before one is.",
		Facts:  []Fact{{Label: "Expected", Value: d.Raised.Expected}, {Label: "Happened", Value: d.Raised.Happened}, {Label: "Key material exposed", Value: d.Raised.Exposed}, {Label: "How grave", Value: d.Raised.Severity}},
		Fields: e.state.decisionFields(d.Raised)}
	for {
		a, err := e.Ask(ctx, p)
		if err != nil {
			return err
		}
		f := a.Fields
		b := DeviationDecided{By: f["decided-by"], Decision: f["decision"], Effect: f["effect"], HeardBy: e.hearers(f["decided-by"]), Number: d.Raised.Number, Objections: f["objections"],
			Reason: f["reason"], Signatures: []SignedBy{}}
		if b.Decision == DecideLockOut {
			b.Person = f["person"]
		}
		_, err = e.append(ctx, nil, Entry{DeviationDecidedKind, b})
		if p.Problem = refusedSheet(Answer{Action: Deviate}, err); p.Problem != nil {
			continue
		}
		if err == nil && b.Decision == DecideAbort {
			return &Stop{Err: ErrAborted, Reason: limitText(d.Raised.Happened)}
		}
		return err
	}
}

// decisionFields are the questions of the deviation sheet that a decision answers.
// No step is under way that could be repeated, or read in other words.
func (s *State) decisionFields(raised DeviationRaised) []Field {
	var out []Field
	for _, f := range s.DeviationFields() {
		switch f.Name {
		case "decision":
			f.Of = []string{DecideContinue, DecideLockOut, DecideAbort}
		case "effect":
			if raised.Severity == MinorDeviation {
				continue
			}
			f.When, f.Is = "", nil
		case "decided-by", "reason", "objections", "person":
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

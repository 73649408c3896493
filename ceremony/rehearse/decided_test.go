package rehearse

import (
	"slices"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ledger"
)

// TestDecisionsBind: what people decided, and that they have decided, is a rule of the
// record. Each sequence is forced into a ledger that is sound up to it.
func TestDecisionsBind(t *testing.T) {
	t.Parallel()
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(&sheet{step: "generate", kind: ceremony.AskConfirm, answer: ceremony.Answer{Action: ceremony.TakeBreak, Fields: map[string]string{"stay": "marta-brandt", "stay-too": "amara-okafor"}}})
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	all, number := everything(t, s), s.State().Ceremonies[len(s.State().Ceremonies)-1].Number

	raised := ceremony.DeviationRaised{Class: "script", Expected: "as scripted", Exposed: "no", Happened: "otherwise", Number: 1, Severity: ceremony.MinorDeviation, Step: "room"}
	decision := func(what string) ceremony.DeviationDecided {
		return ceremony.DeviationDecided{By: "tomas-novak", Decision: what, HeardBy: []string{"marta-brandt", "amara-okafor"}, Number: 1, Signatures: []ceremony.SignedBy{}}
	}
	second := raised
	second.Number = 2
	step := func(id string) func(any) bool {
		return func(b any) bool { return b.(*ceremony.StepStarted).Step == id }
	}
	finished := func(id string) func(any) bool {
		return func(b any) bool { return b.(*ceremony.Result).Step == id && b.(*ceremony.Result).Intent.IsZero() }
	}
	// far says that the workstation's clock was 47 minutes before the one on the wall.
	far := func(at time.Time) ceremony.ClockChecked {
		return ceremony.ClockChecked{By: "amara-okafor", Kind: ceremony.WallClock, Offset: 47 * 60, Wall: at.UTC().Add(-47 * time.Minute).Format("15:04")}
	}
	for name, c := range map[string]struct {
		rule   string
		kind   string // of the true record before which the sequence is put
		where  func(any) bool
		forged func(at time.Time, body any) []any // the last one is refused
	}{
		"a step while a deviation waits for its decision": {"deviation.undecided", ceremony.StepStartedKind, step("workstation"),
			func(at time.Time, b any) []any { return []any{raised, b} }},
		"a result while a deviation waits for its decision": {"deviation.undecided", ceremony.ResultKind, finished("room"),
			func(at time.Time, b any) []any { return []any{raised, b} }},
		"a deviation while another waits for its decision": {"deviation.undecided", ceremony.StepStartedKind, step("workstation"),
			func(at time.Time, b any) []any { return []any{raised, second} }},
		"a step after the decision to abort": {"deviation.abort", ceremony.StepStartedKind, step("workstation"),
			func(at time.Time, b any) []any { return []any{raised, decision(ceremony.DecideAbort), b} }},
		"another deviation after the decision to abort": {"deviation.abort", ceremony.StepStartedKind, step("workstation"),
			func(at time.Time, b any) []any { return []any{raised, decision(ceremony.DecideAbort), second} }},
		"one who stays leaves in the break": {"presence.stay", ceremony.BreakKind, func(b any) bool { return b.(*ceremony.Break).Ended },
			func(time.Time, any) []any {
				return []any{ceremony.Left{Person: "amara-okafor", Reason: "lunch", Role: "witness"}}
			}},
		"a wall clock of another time and no deviation": {"clock.apart", ceremony.ResultKind, finished("room"),
			func(at time.Time, b any) []any { return []any{far(at), b} }},
		"a wall clock of another time and a deviation that decided something else": {"clock.apart", ceremony.ResultKind, finished("room"),
			func(at time.Time, b any) []any {
				lockOut := decision(ceremony.DecideLockOut)
				lockOut.Person = "li-chen"
				return []any{raised, lockOut, far(at), b}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			cut := slices.IndexFunc(all, func(r ledger.Record) bool {
				b, err := ceremony.Body(r)
				return err == nil && r.Ceremony == number && r.Kind == c.kind && c.where(b)
			})
			if cut < 0 {
				t.Fatal("the true record was not found")
			}
			body, err := ceremony.Body(all[cut])
			if err != nil {
				t.Fatal(err)
			}
			prefix := slices.Clone(all[:cut])
			var last ledger.Draft
			for i, b := range c.forged(all[cut].Time, body) {
				if i > 0 {
					rs, err := ledger.Build(ledger.Head{Size: int64(len(prefix)), Last: prefix[len(prefix)-1].Leaf}, last)
					if err != nil {
						t.Fatal(err)
					}
					prefix = append(prefix, rs...)
				}
				last = ledger.Draft{Ceremony: number, Kind: kindOf(t, b), V: 1, Time: all[cut].Time, Body: b}
			}
			got, err := audit.Ledger(t.Context(), force(t, s, prefix, last), audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Findings) == 0 || got.Findings[0].Rule != c.rule || got.Findings[0].Seq != int64(len(prefix)) {
				t.Errorf("the checker finds %v, want %s at record %d", got.Findings, c.rule, len(prefix))
			}
			if got.Exit() != 1 {
				t.Errorf("the checker exits with %d, want 1", got.Exit())
			}
		})
	}
}

func kindOf(t *testing.T, body any) string {
	t.Helper()
	switch body.(type) {
	case ceremony.DeviationRaised:
		return ceremony.DeviationRaisedKind
	case ceremony.DeviationDecided:
		return ceremony.DeviationDecidedKind
	case ceremony.Left:
		return ceremony.LeftKind
	case ceremony.ClockChecked:
		return ceremony.ClockCheckedKind
	case *ceremony.StepStarted:
		return ceremony.StepStartedKind
	case *ceremony.Result:
		return ceremony.ResultKind
	}
	t.Fatalf("no kind for %T", body)
	return ""
}

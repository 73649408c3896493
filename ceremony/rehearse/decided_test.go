package rehearse

import (
	"slices"
	"testing"
	"time"

	"claviger/ceremony"
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
	forged := map[string]forgery{}
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
		at := func(r ledger.Record, b any) bool { return r.Ceremony == number && r.Kind == c.kind && c.where(b) }
		forged[name] = forgery{rule: c.rule, at: at,
			first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				r, b := trueAt(t, all, at)
				sequence := c.forged(r.Time, b)
				for _, body := range sequence[:len(sequence)-1] {
					before = behind(t, before, ledger.Draft{Ceremony: number, Kind: kindOf(t, body), V: 1, Time: r.Time, Body: body})
				}
				return before
			},
			forge: func(t *testing.T, _ []ledger.Record, _ any) ledger.Draft {
				r, b := trueAt(t, all, at)
				sequence := c.forged(r.Time, b)
				last := sequence[len(sequence)-1]
				return ledger.Draft{Ceremony: number, Kind: kindOf(t, last), V: 1, Time: r.Time, Body: last}
			}}
	}
	eachRefused(t, s, all, forged)
}

// trueAt is the true record in whose place a sequence is put, and its body.
func trueAt(t *testing.T, all []ledger.Record, at func(ledger.Record, any) bool) (ledger.Record, any) {
	t.Helper()
	for _, r := range all {
		if b, err := ceremony.Body(r); err == nil && at(r, b) {
			return r, b
		}
	}
	t.Fatal("the true record was not found")
	return ledger.Record{}, nil
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

// TestSignOffShowsWhatIsSigned: a deviation noted while a signature is asked for belongs
// to what is signed, and stands on the page when it is asked for again.
func TestSignOffShowsWhatIsSigned(t *testing.T) {
	t.Parallel()
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = with(&sheet{step: "phase-1", kind: ceremony.AskSignOff, answer: decided()}, &sheet{step: "attest", kind: ceremony.AskSignOff, answer: decided()})
	sealed(t, s)
	said := map[string][]string{}
	for _, p := range tr.asked {
		if p.Kind != ceremony.AskSignOff {
			continue
		}
		for _, f := range p.Facts {
			if f.Label == "Deviations" {
				said[p.Step+", "+p.Who.ID] = append(said[p.Step+", "+p.Who.ID], f.Value)
			}
		}
	}
	for who, want := range map[string][]string{"phase-1, marta-brandt": {"0", "1"}, "phase-1, amara-okafor": {"1"}, "attest, marta-brandt": {"1", "2"}, "attest, amara-okafor": {"2"}} {
		if !slices.Equal(said[who], want) {
			t.Errorf("%s: deviations on the page %v, want %v", who, said[who], want)
		}
	}
}

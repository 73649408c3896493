package steps

import (
	"context"
	"fmt"
	"slices"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// authorise: different people sign exactly the acts that another step will do.
type authorise struct{ noActs }

func (authorise) Name() string { return ceremony.AuthoriseStep }
func (authorise) Version() int { return 1 }
func (authorise) Doc() string {
	return "Different officers sign exactly the acts of the step named by \"with: step\"; each act is done at most once."
}

func (authorise) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown {
		return fmt.Errorf("nobody is known yet")
	}
	if st.With["step"] == "" {
		return fmt.Errorf("it does not say which step it authorises (with: step)")
	}
	officers := 0
	for _, by := range st.By {
		switch by.Role {
		case script.Officer:
			officers += by.Count
		case script.Owner, script.Approver:
		default:
			// Who operates or watches does not authorise (REQ-9, REQ-23).
			return fmt.Errorf("an act of the HSM is authorised by officers, and beside them by owner or approver, not by %s (by)", by.Role)
		}
	}
	if officers < 2 {
		return fmt.Errorf("dual control asks for two officers at least (by)")
	}
	w.Authorised[st.With["step"]] = true
	return nil
}

func (authorise) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	n := 0
	for _, by := range st.By {
		n += by.Count
	}
	target := st.With["step"]
	if acts, err := s.ActsOf(target); err == nil && len(acts) == 0 {
		return nil // there is nothing to do, so nothing to authorise
	}
	if got := len(s.Open.Authorisations(target, s.Open.Steps[target].Attempt+1)); got < n {
		return broken("act.unauthorised", "%d people have to authorise, and %d did", n, got)
	}
	return nil
}

func (authorise) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	target := st.With["step"]
	s := env.State()
	tst, _ := s.Open.Plan.Step(target)
	attempt := s.Open.Steps[target].Attempt + 1
	acts := s.Lines(ceremony.ActAuthorise, target, "")
	env.Shown(acts...)
	if len(acts) == 0 {
		return finish(ctx, env, st, line("For", fmt.Sprintf("step %d, %s: there is nothing left to authorise", tst.Number, tst.Title)))
	}
	phrase, before := typedBefore(s, tst)
	for _, by := range st.By {
		agreed, asked := 0, map[string]bool{}
		for agreed < by.Count {
			// Who is in the room may change with every answer.
			left := slices.DeleteFunc(env.State().Open.PresentIn(by.Role), func(id string) bool { return asked[id] })
			if len(left) == 0 {
				break
			}
			asked[left[0]] = true
			so, err := env.SignOff(ctx, ceremony.SignOffAsk{Person: left[0], Role: by.Role, Act: ceremony.ActAuthorise, Step: target, Attempt: attempt,
				Title: "Authorise: " + tst.Title, Phrase: phrase, Facts: before})
			if err != nil {
				return err
			}
			if so.Verdict == ceremony.Agree {
				agreed++
			}
		}
		if agreed < by.Count {
			return &ceremony.Stop{Err: ceremony.ErrPaused, Reason: fmt.Sprintf("%d of %d %ss authorised %q", agreed, by.Count, by.Role, tst.Title) + missing(env.State(), by.Role)}
		}
	}
	p := env.State().Open
	return finish(ctx, env, st, line("Authorised by", names(env.State(), p.Steps[st.ID].Signers)), line("For", fmt.Sprintf("step %d, %s, attempt %d", tst.Number, tst.Title, attempt)))
}

// missing names those of a role who cannot authorise now, and why.
func missing(s *ceremony.State, role string) string {
	var out string
	for _, id := range s.Open.InRole(role) {
		switch name := s.Someone(id).Name; {
		case s.Open.LockedOut[id] > 0:
			out += fmt.Sprintf("; %s was locked out by deviation %d", name, s.Open.LockedOut[id])
		case !s.Open.Present[id]:
			out += fmt.Sprintf("; %s is not in the room", name)
		}
	}
	return out
}

// typedBefore is what each officer types before signing, and what stands beside
// it, where the step destroys a key or a copy of one.
func typedBefore(s *ceremony.State, target script.Step) (phrase string, before []ceremony.Fact) {
	acts, err := s.ActsOf(target.ID)
	if err != nil || acts[0].With[typed] == "" {
		return "", nil
	}
	return acts[0].With[typed], guard(s, s.KeyNamed(target.With["key"]))
}

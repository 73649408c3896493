package steps

import (
	"context"
	"errors"
	"fmt"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// attest: everyone says, in the words of the role, what they answer for.
type attest struct{ noActs }

func (attest) Name() string { return ceremony.AttestStep }
func (attest) Version() int { return 1 }
func (attest) Doc() string {
	return "Everyone signs a statement over the whole ceremony, or disagrees and says why."
}

func (attest) Play(w *ceremony.World, _ script.Step) error {
	if !w.PeopleKnown {
		return fmt.Errorf("nobody is known yet")
	}
	for item, step := range w.OutOfBag {
		return fmt.Errorf("step %q opens the bag of %s, and none closes it before people attest", step, item)
	}
	if w.Unread != "" {
		return fmt.Errorf("step %q makes a key, and none reads its fingerprint aloud before people attest (read-fingerprint)", w.Unread)
	}
	w.Attested = true
	return nil
}

func (attest) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	if missing := s.Open.Unattested(); len(missing) > 0 {
		return broken("seal.unattested", "%s has not attested", s.Someone(missing[0]).Name)
	}
	if unasked := s.Open.Unasked(); len(unasked) > 0 {
		return broken("presence.unasked", "the observer %s is here, and nobody asked for a statement", s.Open.Observers[unasked[0]].Name)
	}
	return nil
}

func (attest) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	for _, person := range env.State().Open.Unattested() {
		role := env.State().Open.Role(person)
		_, err := env.SignOff(ctx, ceremony.SignOffAsk{Person: person, Role: role, Act: ceremony.ActAttest, Step: st.ID, Attempt: env.Attempt(),
			Title: env.State().Someone(person).Name + ", sign your statement"})
		if err != nil {
			return err
		}
	}
	if err := observersState(ctx, env); err != nil {
		return err
	}
	p := env.State().Open
	lines := []ceremony.Line{line("Attested", fmt.Sprintf("%d of %d", len(p.Attested), len(p.Answering())))}
	if no := p.NotAccepted(); len(no) > 0 {
		lines = append(lines, line("Not accepted by", names(env.State(), no)))
	}
	if recording(env.State()) {
		still, err := camera(ctx, env)
		if err != nil {
			return err
		}
		lines = append(lines, still)
	}
	return finish(ctx, env, st, lines...)
}

// observersState asks each observer who is here for a statement, which may be
// left out.
func observersState(ctx context.Context, env ceremony.Env) error {
	for _, id := range env.State().Open.Unasked() {
		name := env.State().Open.Observers[id].Name
		a, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Who: ceremony.Someone{ID: id, Name: name}, Role: script.Observer, Title: name + ", state what you saw",
			Text:   "An observer signs nothing. What you type stands in the record and in the report, in your own words. It may be left empty.",
			Fields: []ceremony.Field{{Name: "statement", Label: "Statement", Type: "text", Max: 2000, Optional: true}}})
		if err != nil {
			return err
		}
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.StatedKind, Body: ceremony.Stated{Person: id, Statement: a.Fields["statement"]}}}); err != nil {
			return err
		}
	}
	return nil
}

// camera asks what became of the camera since the room was checked.
func camera(ctx context.Context, env ceremony.Env) (ceremony.Line, error) {
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Look at the camera",
		Text:   "The witness says whether the camera still records, and if not, since when.",
		Fields: []ceremony.Field{{Name: "camera", Label: "The camera", Type: "text", Of: []string{"still on", "off"}, Max: 10}, {Name: "since", Label: "Off since, UTC (HH:MM)", Type: "time", Max: 5, Optional: true}}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return ceremony.Line{}, err
		}
		switch since := a.Fields["since"]; {
		case a.Fields["camera"] == "still on":
			return line(cameraFact, "still on at "+env.Host().Now().UTC().Format("15:04:05")+" UTC, as stated"), nil
		case a.Fields["camera"] == "off" && timeOfDay.MatchString(since):
			return line(cameraFact, "off since "+since+" UTC, as stated"), nil
		}
		p.Problem = &ceremony.Problem{Happened: "It is not said since when the camera is off.", Safe: "Nothing was recorded.", Do: "Type hours and minutes in UTC, like 10:55."}
	}
}

// seal ends the ceremony: the last step that is counted.
type seal struct{ noActs }

func (seal) Name() string { return ceremony.SealStep }
func (seal) Version() int { return 1 }
func (seal) Doc() string {
	return "The record is closed and the token signs its head; ceremony keys are wiped and the token is closed."
}

func (seal) Play(w *ceremony.World, _ script.Step) error {
	switch {
	case !w.Attested:
		return fmt.Errorf("nobody has attested yet")
	case !w.TokenOpen || !w.LedgerKey:
		return fmt.Errorf("the token has to be open to sign the seal")
	}
	w.Sealed = true
	return nil
}

func (seal) Check(_ *ceremony.State, st script.Step, r ledger.Record, _ any) error {
	return foreign(st, r)
}

// Do keeps the order: sealed, the HSM's note, checkpoint.signed, keys wiped,
// head into the token, logout. What comes after the seal is closing and is listed as uncovered.
func (seal) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Seal the record", Verb: "Seal the record", Irreversible: true,
		Text: "After the seal nothing can be added to this ceremony. The token signs the head of the record, every ceremony key is wiped, and the token is closed."}); err != nil {
		return err
	}
	env.Working("The token signs the head of the record")
	if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.SealedKind, Body: env.State().SealBody()}}); err != nil {
		return err
	}
	// The seal stands from here: a token that fails now leaves it "not yet signed
	// by the HSM", and neither a key in memory nor an open token.
	err := env.Checkpoint(ctx)
	env.People().Wipe()
	if err == nil {
		err = env.KeepHead(ctx)
	}
	// What lies in a session, as a wrapping key does, ends with the ceremony.
	return errors.Join(err, env.LogoutAll(ctx, "sealed"), env.Release(ctx))
}

package steps

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// rollCall: everyone who takes part opens the enrolled key once; it certifies a
// fresh ceremony key, and is closed.
type rollCall struct{ noActs }

func (rollCall) Name() string { return "roll-call" }
func (rollCall) Version() int { return 1 }
func (rollCall) Doc() string {
	return "Each person opens the enrolled key, which certifies a key for this ceremony alone."
}

func (rollCall) Play(w *ceremony.World, _ script.Step) error {
	w.PeopleKnown = true
	return w.CheckedFirst()
}

func (rollCall) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	if b, ok := body.(*ceremony.Result); ok && isFinish(b) {
		return everyoneHere(s)
	}
	return foreign(st, r)
}

func everyoneHere(s *ceremony.State) error {
	for _, part := range s.Open.Answering() {
		if _, ok := s.Open.Certified[part.Person]; !ok {
			return broken("presence.absent", "%s has not arrived", s.Someone(part.Person).Name)
		}
	}
	return nil
}

func (k rollCall) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	lines, err := readScript(ctx, env)
	if err != nil {
		return err
	}
	if err := k.Reopen(ctx, env, st); err != nil {
		return err
	}
	p := env.State().Open
	for _, part := range p.Body.People {
		lines = append(lines, line(env.State().Someone(part.Person).Name, part.Role+", present"))
	}
	if n := env.State().UncoveredCount(); n > 0 {
		lines = append(lines, line("Not yet signed by the HSM", fmt.Sprintf("%d records written after the last ceremony closed; the first sign-off covers them", n)))
	}
	return finish(ctx, env, st, lines...)
}

// readScript has the hash of the script read aloud and held against the order or
// the printed script: what is played is what was agreed, to the byte.
func readScript(ctx context.Context, env ceremony.Env) ([]ceremony.Line, error) {
	s := env.State()
	p := s.Open
	lines := []ceremony.Line{hash("Script read aloud", p.Body.Script.String())}
	with := "the printed script"
	if o := s.OrderOf(p); o != nil {
		with = "the order"
		lines = append(lines, line("Order", fmt.Sprintf("record %d, by %s, reference %s", o.Seq, s.Someone(o.Body.Approver).Name, cmp.Or(o.Body.Reference, "none"))))
	}
	pr := ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Read the script's hash aloud", Facts: facts(lines), Verb: "It is the same",
		Aloud: "I read the hash of the script aloud, in words. Witness, compare it with " + with + ".",
		Text:  "The witness holds " + with + " and says whether it is the same. If it is not, stop."}
	if w := p.InRole("witness"); len(w) > 0 {
		pr.Who, pr.Role = s.Someone(w[0]), "witness"
	}
	_, err := env.Ask(ctx, pr)
	return lines, err
}

// Reopen calls those who are not here yet.
func (rollCall) Reopen(ctx context.Context, env ceremony.Env, _ script.Step) error {
	for _, part := range env.State().Open.Body.People {
		if env.State().Open.Gone(part.Person) {
			continue
		}
		if err := arrive(ctx, env, part); err != nil {
			return err
		}
	}
	return nil
}

// arrive records that a person is here and certifies the ceremony key.
func arrive(ctx context.Context, env ceremony.Env, part ceremony.Part) error {
	s := env.State()
	if _, ok := s.Open.Certified[part.Person]; ok {
		return nil
	}
	if part.Role == script.Observer {
		return welcome(ctx, env, part.Person)
	}
	h := s.People[part.Person]
	if h == nil {
		return fmt.Errorf("%s is not enrolled", part.Person)
	}
	who := s.Someone(part.Person)
	key, err := openKey(ctx, env, h, part.Role, who.Name+", open your key", "Your passphrase opens your enrolled key once; it certifies a key for this ceremony and is closed again.")
	if err != nil {
		return err
	}
	defer key.Wipe()
	if !s.Open.Present[part.Person] {
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ArrivedKind, Body: ceremony.Arrived{Person: part.Person, Role: part.Role}}}); err != nil {
			return err
		}
		s = env.State()
	}
	fresh, err := signoff.NewCeremonyKey()
	if err != nil {
		return fmt.Errorf("couldn't make a ceremony key: %w", err)
	}
	if ceremony.SignsWith(part.Role) == ceremony.SessionPIN {
		a, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskNewPIN, Who: who, Role: part.Role, Title: who.Name + ", choose a session PIN",
			Text: "Four characters or more, for this ceremony only. It opens your ceremony key at each sign-off."})
		if err != nil {
			return err
		}
		err = env.People().Hold(part.Person, fresh, a.Secret)
		a.Secret.Wipe()
		if err != nil {
			return err
		}
	} else if err := env.People().Hold(part.Person, fresh, nil); err != nil {
		return err
	}
	b := ceremony.CeremonyKey{Key: h.Leaf, Person: part.Person, Public: hex.EncodeToString(fresh.Public())}
	msg, err := ceremony.CeremonyKeyMessage(b, s.Open.Number, env.Prev(), s.Site.ID)
	if err != nil {
		return err
	}
	b.Signature = hex.EncodeToString(key.Sign(msg))
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.CeremonyKeyKind, Body: b}})
}

// welcome records an observer, who has no key: name and organisation as stated.
func welcome(ctx context.Context, env ceremony.Env, id string) error {
	if o := env.State().Open.Observers[id]; o != nil && o.Present {
		return nil
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: ceremony.Someone{ID: id, Name: id}, Role: script.Observer, Title: "Welcome the observer " + id,
		Text:   "An observer watches, performs no control and has no key.",
		Fields: []ceremony.Field{{Name: "name", Label: "Full name", Type: "text", Max: 120}, {Name: "organisation", Label: "Organisation", Type: "text", Max: 120, Optional: true}}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return err
		}
		if a.Fields["name"] != "" {
			return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ArrivedKind, Body: ceremony.Arrived{Name: a.Fields["name"], Organisation: a.Fields["organisation"], Person: id, Role: script.Observer}}})
		}
		p.Problem = &ceremony.Problem{Happened: "The name is missing.", Safe: "Nothing was recorded.", Do: "Type the name as the report shall say it."}
	}
}

// openKey asks for a passphrase until it opens the person's enrolled key.
func openKey(ctx context.Context, env ceremony.Env, h *ceremony.Person, role, title, text string) (*signoff.Key, error) {
	p := ceremony.Prompt{Kind: ceremony.AskPassphrase, Who: env.State().Someone(h.Body.Person), Role: role, With: ceremony.Passphrase, Title: title, Text: text}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return nil, err
		}
		key, err := env.People().Open(h, a.Secret)
		a.Secret.Wipe()
		if err == nil {
			return key, nil
		}
		if !errors.Is(err, ceremony.ErrSecret) {
			return nil, err
		}
		p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("That is not the passphrase of %s.", h.Body.Name), Safe: "Nothing was recorded and the key is still closed.", Do: "Type the six words again, with one space between."}
	}
}

package steps

import (
	"context"
	"fmt"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// addToken makes a second token this site's: it is erased and initialised, and its
// PINs come from the cards that serve the first one.
type addToken struct{}

func (addToken) Name() string { return ceremony.AddTokenStep }
func (addToken) Version() int { return 1 }
func (addToken) Doc() string {
	return "Another token is erased and initialised; its PINs come from the cards that serve the first one."
}

func (addToken) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.PeopleKnown || !w.TokenNamed || !w.Authorised[st.ID]:
		return fmt.Errorf("people and the first token are known, and the act authorised, before")
	case w.TokenOpen:
		return fmt.Errorf("it comes before the token is opened: to initialise one ends every session")
	}
	return nil
}

func (addToken) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	t := s.Tokens[s.Open.Token]
	if t == nil || t.UserSet == "" {
		return nil, fmt.Errorf("no cards serve token %s", s.Open.Token)
	}
	var acts []ceremony.Act
	if act := (ceremony.Act{Do: initialise, With: map[string]string{"erase": "everything", "token": "the one that is not initialised"}}); !s.Open.Did(st.ID, act) {
		acts = append(acts, act)
	}
	if t.AtPad() {
		return append(acts, padActs(s, st, quorumsOf(s, t), map[string]string{"token": "the one that was initialised"})...), nil
	}
	with := map[string]string{"security-officer": "the transport PIN stands", "token": "the one that was initialised", "user-pin": "from set " + s.Sets[t.UserSet].Body.Name}
	if set := s.Sets[t.SOSet]; set != nil {
		with["security-officer"] = "from set " + set.Body.Name
	}
	if act := (ceremony.Act{Do: ceremony.SetPINs, With: with}); !s.Open.Did(st.ID, act) {
		acts = append(acts, act)
	}
	return acts, nil
}

// quorumsOf is how control over a token with a pad is divided.
func quorumsOf(s *ceremony.State, t *ceremony.Token) []quorum {
	var all []quorum
	for _, id := range []string{t.UserSet, t.SOSet} {
		if set := s.Sets[id]; set != nil {
			all = append(all, quorum{set.Body.Purpose, set.Body.Threshold, set.Body.Count})
		}
	}
	return all
}

func (k addToken) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	p := s.Open
	switch b := body.(type) {
	case *ceremony.Intent:
		if b.Act.Do != initialise && p.Second.Serial == "" {
			return broken("intent.act", "no second token is initialised yet")
		}
		if b.Act.Do == ceremony.PadPIN {
			return quorumAllowed(s, b.Act)
		}
		return nil
	case *ceremony.TokenEnrolled:
		if b.Serial == p.Token {
			return broken("token.known", "the token %s is the first one", b.Serial)
		}
		if first := s.Tokens[p.Token]; b.ProtectedPath != first.Body.ProtectedPath {
			return broken("token.pad", "the first token is opened by %s, and this one by %s", openedBy(first.Body.ProtectedPath), openedBy(b.ProtectedPath))
		}
		return initialiseToken{}.Check(s, st, r, body)
	case *ceremony.SetIssued:
		return checkIssued(s, b)
	case *ceremony.PINsSet:
		t := s.Tokens[p.Token]
		if t.AtPad() {
			return checkPadPINs(s, b)
		}
		if b.Serial != p.Second.Serial || b.UserSet != t.UserSet || b.SOSet != t.SOSet {
			return broken("set.purpose", "the PINs are not those of the sets that serve the first token")
		}
		return nil
	case *ceremony.ItemOpened, *ceremony.ItemSealed, *ceremony.ItemLost:
		return checkCardItem(b)
	case *ceremony.Result:
		if isFinish(b) {
			if err := allBagged(s, p.Second.Serial); err != nil {
				return err
			}
			return allDone(k, s, st)
		}
		if b.Outcome == ceremony.Done && s.Tokens[p.Second.Serial] == nil {
			return broken("result.outcome", "no token was enrolled")
		}
		return nil
	}
	return foreign(st, r)
}

func (k addToken) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	const why = "Two officers enter it for the second HSM. It holds until the PINs that come from the cards are set."
	for _, act := range acts {
		switch act.Do {
		case initialise:
			err = k.initialise(ctx, env, act, why)
		case ceremony.PadPIN:
			err = setAtDevice(ctx, env, act)
		default:
			err = k.setPINs(ctx, env, act, why)
		}
		if err != nil {
			return err
		}
	}
	t := env.State().Tokens[env.State().Open.Second.Serial]
	if t.AtPad() {
		if err := bagMade(ctx, env, t.Body.Serial); err != nil {
			return err
		}
		return finish(ctx, env, st, append([]ceremony.Line{mono("Serial number", t.Body.Serial), line("Label", t.Body.Label)}, madeLines(env.State(), t.Body.Serial)...)...)
	}
	return finish(ctx, env, st, mono("Serial number", t.Body.Serial), line("Label", t.Body.Label), mono("Set", env.State().Sets[t.UserSet].Body.Name), line("User PIN", "set by the machine, never shown"))
}

// openedBy says what opens a token.
func openedBy(pad string) string {
	if pad == "" {
		return "PINs that come from the cards of share sets"
	}
	return pad + " at its own pad"
}

func (addToken) initialise(ctx context.Context, env ceremony.Env, act ceremony.Act, why string) error {
	free, err := freeToken(ctx, env)
	if err != nil {
		return err
	}
	first := env.State().Tokens[env.State().Open.Token]
	if free.ProtectedPath != first.AtPad() {
		return &ceremony.Problem{Happened: "One of the two tokens takes its PINs at its own pad, and the other does not.", Safe: "The second token was not touched.",
			Do: "Connect a second token that is opened as the first one is, by " + openedBy(first.Body.ProtectedPath) + "."}
	}
	officers := transportOfficers(env.State())
	transport, pad, err := transportPIN(ctx, env, free, why)
	if err != nil {
		return err
	}
	defer transport.Wipe()
	if pad != first.Body.ProtectedPath {
		return &ceremony.Problem{Happened: "The second token is opened by " + openedBy(pad) + ", and the first one by " + openedBy(first.Body.ProtectedPath) + ".", Safe: "The second token was not touched.",
			Do: "Connect a second token that is opened as the first one is."}
	}
	return env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		initialisingNow(env, pad, "The second token is being initialised")
		if err := env.Release(ctx); err != nil {
			return ceremony.Found{}, err
		}
		m, err := env.Module(ctx)
		if err != nil {
			return ceremony.Found{}, err
		}
		t, err := m.InitToken(ctx, free.Serial, tokenLabel(intent), transport)
		if err != nil {
			return ceremony.Found{}, err
		}
		return initialised(t, pad, free.PracticeMark, intent, names(env.State(), officers)), nil
	})
}

// freeToken is the one attached token that is empty, or marked for practice, and
// that this site does not know.
func freeToken(ctx context.Context, env ceremony.Env) (hsm.TokenInfo, error) {
	for {
		m, err := env.Module(ctx)
		if err != nil {
			return hsm.TokenInfo{}, err
		}
		tokens, err := m.Tokens(ctx)
		if err != nil {
			return hsm.TokenInfo{}, err
		}
		var free []hsm.TokenInfo
		passed := ""
		for _, t := range tokens {
			if env.State().Tokens[t.Serial] != nil || t.Initialised && !t.PracticeMark {
				continue
			}
			if why := notForReal(env.State().Site.Practice, t); why != "" {
				passed += fmt.Sprintf(" Another %s, and this is a real site.", why)
				continue
			}
			free = append(free, t)
		}
		if len(free) == 1 {
			return free[0], nil
		}
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Connect the second HSM", Verb: "Look again",
			Problem: &ceremony.Problem{Happened: fmt.Sprintf("%d tokens are attached that are empty and not of this site; one is needed.%s", len(free), passed), Safe: "No token was touched.",
				Do: "Connect exactly one empty token beside that of the site."}}); err != nil {
			return hsm.TokenInfo{}, err
		}
	}
}

func (addToken) setPINs(ctx context.Context, env ceremony.Env, act ceremony.Act, why string) error {
	transport, err := askTransport(ctx, env, ceremony.AskTransportPIN, why)
	if err != nil {
		return err
	}
	defer transport.Wipe()
	s := env.State()
	serial, first := s.Open.Second.Serial, s.Tokens[s.Open.Token]
	pins := map[string]*secret.Buffer{}
	defer func() {
		for _, pin := range pins {
			pin.Wipe()
		}
	}()
	for _, id := range []string{first.UserSet, first.SOSet} {
		set := s.Sets[id]
		if set == nil {
			continue
		}
		S, _, err := useCards(ctx, env, set, "the PIN of the second HSM")
		if err != nil {
			return err
		}
		pin, err := pinOf(S, set, serial)
		S.Wipe()
		if err != nil {
			return err
		}
		pins[id] = pin
	}
	if err := env.Login(ctx, serial, hsm.SecurityOfficer, nil, transport); err != nil {
		return err
	}
	err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		return putPINs(ctx, env, ceremony.PINsSet{Intent: intent, Serial: serial, SOSet: first.SOSet, UserSet: first.UserSet}, transport, pins)
	})
	if err != nil {
		return err
	}
	return env.Logout(ctx, serial, "the PINs are set")
}

func (addToken) Reconcile(ctx context.Context, env ceremony.Env, st script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	if in.Intent.Act.Do == initialise {
		return initialiseToken{}.Reconcile(ctx, env, st, in)
	}
	if in.Intent.Act.Do == ceremony.PadPIN {
		return reconcileAtDevice(ctx, env, in)
	}
	first := env.State().Tokens[env.State().Open.Token]
	return reconcilePINs(ctx, env, ceremony.PINsSet{Intent: in.Leaf, Serial: env.State().Open.Second.Serial, SOSet: first.SOSet, UserSet: first.UserSet})
}

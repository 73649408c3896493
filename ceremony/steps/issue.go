package steps

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/share"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// issueSet splits a new secret over cards, hands them out one by one, each
// written by hand, read back and bagged; only when every card is read does one
// act set the user PIN. A crash before that leaves a set that never was.
type issueSet struct{}

const (
	issue  = "issue-set"
	setPIN = "set-user-pin"
)

func (issueSet) Name() string { return issue }
func (issueSet) Version() int { return 1 }
func (issueSet) Doc() string {
	return "A secret is split over cards, each written by hand, read back and bagged; then the user PIN that comes from it is set."
}

func (issueSet) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown || !w.TokenNamed || !w.Authorised[st.ID] {
		return fmt.Errorf("people and token are known, and the act authorised, before")
	}
	k, err1 := strconv.Atoi(st.With["threshold"])
	n, err2 := strconv.Atoi(st.With["count"])
	if err1 != nil || err2 != nil || k < 2 || n < k {
		return fmt.Errorf("threshold %q of count %q is no quorum of 2 or more", st.With["threshold"], st.With["count"])
	}
	w.SetIssued = true
	return nil
}

func (issueSet) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	var acts []ceremony.Act
	if _, done := s.Open.ActDone(st.ID, issue); !done {
		acts = append(acts, ceremony.Act{Do: issue, With: map[string]string{"count": st.With["count"], "purpose": st.With["purpose"], "serial": s.Open.Token, "threshold": st.With["threshold"]}})
	}
	if _, done := s.Open.ActDone(st.ID, setPIN); !done {
		acts = append(acts, ceremony.Act{Do: setPIN, With: map[string]string{"purpose": st.With["purpose"], "serial": s.Open.Token}})
	}
	return acts, nil
}

func (issueSet) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	p := s.Open
	switch b := body.(type) {
	case *ceremony.Intent:
		if b.Act.Do == setPIN {
			if _, done := p.ActDone(st.ID, issue); !done {
				return broken("set.unread", "the PIN is set only when every card was read back")
			}
			return nil
		}
		return quorumAllowed(s, st)
	case *ceremony.SetReadBack:
		if p.Role(b.Person) != "custodian" || !p.Present[b.Person] {
			return broken("set.holder", "%s is not a custodian who is present", b.Person)
		}
		return nil
	case *ceremony.ItemSealed:
		if b.Kind != ceremony.CardItem || b.Set == "" || b.Index == 0 {
			return broken("set.holder", "%s is not a card", b.Item)
		}
		return nil
	case *ceremony.SetIssued:
		return checkIssued(s, st, b)
	case *ceremony.Result:
		if isFinish(b) {
			if acts, _ := (issueSet{}).Acts(s, st); len(acts) > 0 {
				return broken("step.result", "%q is not done", acts[0].Do)
			}
		}
		return nil
	}
	return foreign(st, r)
}

// quorumAllowed: the policy lets the secret be split so, among these people.
func quorumAllowed(s *ceremony.State, st script.Step) error {
	threshold, _ := strconv.Atoi(st.With["threshold"])
	count, _ := strconv.Atoi(st.With["count"])
	if err := s.QuorumAllowed(st.With["purpose"], threshold, count); err != nil {
		return err
	}
	custodians := s.Open.InRole("custodian")
	return s.ManagersApart(custodians[:min(count, len(custodians))], threshold)
}

func checkIssued(s *ceremony.State, st script.Step, b *ceremony.SetIssued) error {
	if strconv.Itoa(b.Count) != st.With["count"] || strconv.Itoa(b.Threshold) != st.With["threshold"] || b.Purpose != st.With["purpose"] || len(b.Cards) != b.Count {
		return broken("set.shape", "it is not the set that was authorised")
	}
	if err := quorumAllowed(s, st); err != nil {
		return err
	}
	holders := map[string]bool{}
	for i, c := range b.Cards {
		if c.Index != i+1 || holders[c.Holder] {
			return broken("set.holder", "card %d is out of order, or %s would hold two", c.Index, c.Holder)
		}
		holders[c.Holder] = true
		read := false
		for _, rb := range s.Open.ReadBack {
			read = read || rb.Intent == b.Intent && rb.Set == b.Set && rb.Index == c.Index && rb.Fingerprint == c.Fingerprint && rb.Person == c.Holder
		}
		if !read {
			return broken("set.unread", "card %d was not read back", c.Index)
		}
	}
	return nil
}

func (k issueSet) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	var S *secret.Buffer
	defer func() { S.Wipe() }()
	for _, act := range acts {
		switch act.Do {
		case issue:
			err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
				var found ceremony.Found
				S, found, err = handOut(ctx, env, st, intent)
				return found, err
			})
		case setPIN:
			err = k.setPIN(ctx, env, act, S)
		}
		if err != nil {
			return err
		}
	}
	set, err := activationSet(env.State())
	if err != nil {
		return err
	}
	share, err := shareSet(set.Body)
	if err != nil {
		return err
	}
	return finish(ctx, env, st, mono("Set", share.Name()), line("Quorum", fmt.Sprintf("any %d of %d cards", set.Body.Threshold, set.Body.Count)),
		line("User PIN", fmt.Sprintf("set by the machine, %d characters, never shown", set.Body.PINLength)),
		line("Security officer's PIN", "the transport PIN stays in force"))
}

// handOut makes the secret and gives the cards to their custodians. S is
// returned for the PIN, and wiped by the caller.
func handOut(ctx context.Context, env ceremony.Env, st script.Step, intent ledger.Hash) (*secret.Buffer, ceremony.Found, error) {
	var none ceremony.Found
	count, _ := strconv.Atoi(st.With["count"])
	threshold, _ := strconv.Atoi(st.With["threshold"])
	custodians := env.State().Open.InRole("custodian")
	if len(custodians) != count {
		return nil, none, fmt.Errorf("the set has %d cards and %d custodians are in the room", count, len(custodians))
	}
	env.Working("The token and the workstation draw random bytes")
	S, info, err := newSecret(ctx, env)
	if err != nil {
		return nil, none, err
	}
	set, cards, err := share.Split(S, threshold, count, env.State().Site.Practice)
	if err != nil {
		S.Wipe()
		return nil, none, err
	}
	defer share.Wipe(cards...)
	read := make([]*share.Card, 0, count)
	defer func() { share.Wipe(read...) }()
	b := ceremony.SetIssued{Commitment: hex.EncodeToString(set.Commitment[:]), Count: count, Intent: intent, Name: set.Name(), PINLength: min(48, info.MaxPIN),
		Purpose: st.With["purpose"], Serials: []string{info.Serial}, Set: hex.EncodeToString(set.ID[:]), Threshold: threshold}
	for i, person := range custodians {
		card, err := giveCard(ctx, env, cards[i], set, person, intent)
		if err != nil {
			S.Wipe()
			return nil, none, err
		}
		read = append(read, card)
		f := card.Fingerprint()
		b.Cards = append(b.Cards, ceremony.CardIssued{Fingerprint: hex.EncodeToString(f[:]), Holder: person, Index: i + 1})
	}
	env.Working("Every combination of cards is put together and compared")
	if err := share.CheckAll(set, read); err != nil {
		S.Wipe()
		return nil, none, err
	}
	return S, ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.SetIssuedKind, Body: b}},
		Facts: []ceremony.Line{mono("Set", set.Name()), line("Cards", fmt.Sprintf("%d written, read back and bagged; every %d of them rebuilt the secret", count, threshold))}}, nil
}

func newSecret(ctx context.Context, env ceremony.Env) (*secret.Buffer, hsm.TokenInfo, error) {
	s, err := env.Session(ctx)
	if err != nil {
		return nil, hsm.TokenInfo{}, err
	}
	info, err := s.Token(ctx)
	if err != nil {
		return nil, info, err
	}
	fromToken, err := s.Random(ctx, share.SecretLen)
	if err != nil {
		return nil, info, err
	}
	defer fromToken.Wipe()
	fromSystem, err := secret.Random(share.SecretLen)
	if err != nil {
		return nil, info, err
	}
	defer fromSystem.Wipe()
	S, err := share.NewSecret(fromToken, fromSystem)
	return S, info, err
}

// giveCard shows one card to its custodian, has it typed back whole, and has it
// bagged before the next.
func giveCard(ctx context.Context, env ceremony.Env, card *share.Card, set share.Set, person string, intent ledger.Hash) (*share.Card, error) {
	s := env.State()
	who := s.Someone(person)
	text := secret.New(share.TextLen)
	defer text.Wipe()
	if err := card.Text(text); err != nil {
		return nil, err
	}
	f := card.Fingerprint()
	cp := ceremony.CardPrompt{Set: set.Name(), Index: card.Index, K: set.K, N: set.N, Prefix: cardPrefix(s.Site.Practice), Words: assets.PGPWords(f[:share.SpokenBytes])}
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.ShowCard, Who: who, Role: "custodian", Reveal: text, Card: cp,
		Title: who.Name + ", write down your card", Text: "Everyone else: turn away from the screen. Write every group by hand; you will type all of it back."}); err != nil {
		return nil, err
	}
	back, err := askCard(ctx, env, person, set, card.Index, nil, true)
	if err != nil {
		return nil, err
	}
	bag, err := askBag(ctx, env, who, fmt.Sprintf("card %d of set %s", card.Index, set.Name()))
	if err != nil {
		back.Wipe()
		return nil, err
	}
	id := hex.EncodeToString(set.ID[:])
	err = env.Record(ctx, []ceremony.Entry{
		{Kind: ceremony.SetReadBackKind, Body: ceremony.SetReadBack{Fingerprint: hex.EncodeToString(f[:]), Index: card.Index, Intent: intent, Person: person, Set: id}},
		{Kind: ceremony.ItemSealedKind, Body: ceremony.ItemSealed{Bag: bag, Index: card.Index, Intent: intent,
			Item: ceremony.CardItemName(card.Index, set.Name()), Kind: ceremony.CardItem, Person: person, Set: id, Witness: s.Open.InRole("witness")[0]}},
	})
	if err != nil {
		back.Wipe()
		return nil, err
	}
	return back, nil
}

// askBag has a bag number typed twice.
func askBag(ctx context.Context, env ceremony.Env, who ceremony.Someone, item string) (string, error) {
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: who, Role: "custodian", Title: "Put " + item + " into its bag",
		Text: "Read the number of the bag aloud; type it twice.",
		Fields: []ceremony.Field{
			{Name: "bag", Label: "Bag number", Type: "bag", Max: 40},
			{Name: "again", Label: "Bag number again", Type: "bag", Max: 40},
		}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return "", err
		}
		bag, again := strings.TrimSpace(a.Fields["bag"]), strings.TrimSpace(a.Fields["again"])
		p.Fields[0].Value, p.Fields[1].Value = bag, again
		other := env.State().Bagged(bag)
		switch {
		case bag != again || ledger.CheckName(bag) != nil:
		case other != "":
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("Bag %s is the bag of %s.", bag, other), Safe: "Nothing was recorded.", Do: "Take a new bag; a bag is used once."}
			continue
		default:
			return bag, nil
		}
		p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("The two numbers differ: %q and %q.", bag, again), Safe: "Nothing was recorded.", Do: "Read the bag again and type its number twice."}
	}
}

// setPIN sets the user PIN as the security officer. After an interruption S is
// gone, and the cards, which were all read back, bring it again.
func (issueSet) setPIN(ctx context.Context, env ceremony.Env, act ceremony.Act, S *secret.Buffer) error {
	known, err := activationSet(env.State())
	if err != nil {
		return err
	}
	var pin *secret.Buffer
	if S.Len() > 0 {
		pin, err = share.UserPIN(S, env.State().Open.Token, known.Body.PINLength)
	} else {
		pin, _, err = collect(ctx, env, known)
	}
	if err != nil {
		return err
	}
	defer pin.Wipe()
	officers := env.State().Open.InRole("officer")
	a, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskTransportPIN, Who: env.State().Someone(officers[0]), Role: "officer", Title: "Enter the transport PIN",
		Text: "It lets the security officer set the user PIN that comes from the cards."})
	if err != nil {
		return err
	}
	err = env.Login(ctx, hsm.SecurityOfficer, nil, a.Secret)
	a.Secret.Wipe()
	if err != nil {
		return err
	}
	err = env.Act(ctx, act, func(ctx context.Context, _ ledger.Hash) (ceremony.Found, error) {
		s, err := env.Session(ctx)
		if err != nil {
			return ceremony.Found{}, err
		}
		if err := s.InitPIN(ctx, pin); err != nil {
			return ceremony.Found{}, err
		}
		return userPINFound(ctx, s)
	})
	if err != nil {
		return err
	}
	return env.Logout(ctx, "the user PIN is set")
}

func userPINFound(ctx context.Context, s hsm.Session) (ceremony.Found, error) {
	t, err := s.Token(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	if !t.UserPINSet {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("User PIN", "not set")}}, nil
	}
	return ceremony.Found{Outcome: ceremony.Done, Facts: []ceremony.Line{line("User PIN", "the token says that it is set")}}, nil
}

func (issueSet) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	if in.Intent.Act.Do == issue {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Set", "void: it was interrupted before every card was read back; destroy the cards that were written")}}, nil
	}
	s, err := env.Session(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	return userPINFound(ctx, s)
}

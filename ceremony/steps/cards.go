package steps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm/secret"
)

// activationSet is the set whose cards rebuild the user PIN of the ceremony's
// token.
func activationSet(s *ceremony.State) (*ceremony.Set, error) {
	for _, set := range s.Sets {
		if set.Body.Purpose == "activation" && slices.Contains(set.Body.Serials, s.Open.Token) {
			return set, nil
		}
	}
	return nil, fmt.Errorf("no share set opens the token %s", s.Open.Token)
}

// shareSet is what the ledger tells of a set, as package share compares it.
func shareSet(b ceremony.SetIssued) (share.Set, error) {
	set := share.Set{K: b.Threshold, N: b.Count}
	id, err1 := hex.DecodeString(b.Set)
	commitment, err2 := hex.DecodeString(b.Commitment)
	if err := errors.Join(err1, err2); err != nil || len(id) != 4 || len(commitment) != 32 {
		return set, fmt.Errorf("the record of set %q is not readable", b.Set)
	}
	copy(set.ID[:], id)
	copy(set.Commitment[:], commitment)
	for _, c := range b.Cards {
		f, err := hex.DecodeString(c.Fingerprint)
		if err != nil || len(f) != 32 {
			return set, fmt.Errorf("the fingerprint of card %d is not readable", c.Index)
		}
		set.Fingerprints = append(set.Fingerprints, [32]byte(f))
	}
	return set, nil
}

// collect takes cards from the custodians who are present until there are
// threshold, and rebuilds the user PIN. The caller wipes it.
func collect(ctx context.Context, env ceremony.Env, known *ceremony.Set) (*secret.Buffer, []ceremony.Held, error) {
	set, err := shareSet(known.Body)
	if err != nil {
		return nil, nil, err
	}
	c := share.NewCollector(set)
	defer c.Wipe()
	var held []ceremony.Held
	for _, person := range env.State().Open.InRole("custodian") {
		if c.Need() == 0 {
			break
		}
		i := slices.IndexFunc(known.Body.Cards, func(k ceremony.CardIssued) bool { return k.Holder == person })
		if i < 0 {
			continue
		}
		index := known.Body.Cards[i].Index
		card, err := askCard(ctx, env, person, set, index, held, false)
		if err != nil {
			return nil, nil, err
		}
		if err := c.Add(card); err != nil {
			card.Wipe()
			return nil, nil, err
		}
		held = append(held, ceremony.Held{Index: index, Person: person, Set: known.Body.Set})
	}
	if n := c.Need(); n > 0 {
		return nil, nil, &ceremony.Stop{Err: ceremony.ErrPaused, Reason: fmt.Sprintf("%d more custodians with a card of this set are needed", n)}
	}
	S, err := c.Combine()
	if err != nil {
		return nil, nil, err
	}
	defer S.Wipe()
	pin, err := share.UserPIN(S, env.State().Open.Token, known.Body.PINLength)
	return pin, held, err
}

// askCard has one custodian type one card, until it is the card handed out to
// that person. Nothing is combined here.
func askCard(ctx context.Context, env ceremony.Env, person string, set share.Set, index int, before []ceremony.Held, readBack bool) (*share.Card, error) {
	s := env.State()
	who := s.Someone(person)
	p := ceremony.Prompt{Kind: ceremony.AskCard, Who: who, Role: "custodian", Title: who.Name + ", enter your card",
		Text: "Everyone else: turn away from the screen.",
		Card: ceremony.CardPrompt{Set: set.Name(), Index: index, K: set.K, N: set.N, Prefix: cardPrefix(s.Site.Practice), Opens: "the token", ReadBack: readBack}}
	if readBack {
		p.Title = who.Name + ", type your card back"
	}
	for _, h := range before {
		p.Card.Entered = append(p.Card.Entered, h.Index)
	}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return nil, err
		}
		card, err := share.ParseCard(a.Secret, s.Site.Practice)
		a.Secret.Wipe()
		if err == nil {
			if err = checkCard(card, set, index); err == nil {
				return card, nil
			}
			card.Wipe()
		}
		var fault *share.Error
		if !errors.As(err, &fault) {
			return nil, err
		}
		p.Problem = &ceremony.Problem{Happened: sentence(fault.Why), Safe: "Nothing was combined and nothing was recorded.", Do: "Compare with your card, letter by letter, and enter it again."}
	}
}

func checkCard(card *share.Card, set share.Set, index int) error {
	c := share.NewCollector(set)
	if err := c.CheckHeader(share.Header{Set: card.Set, K: card.K, N: card.N, Index: card.Index}); err != nil {
		return err
	}
	if card.Index != index {
		return &share.Error{Fault: share.Numbers, Why: fmt.Sprintf("this is card %d, and card %d is yours", card.Index, index)}
	}
	return set.Check(card)
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	if r[0] >= 'a' && r[0] <= 'z' {
		r[0] -= 'a' - 'A'
	}
	return string(r) + "."
}

// cardPrefix is how a card of this site begins.
func cardPrefix(practice bool) string {
	if practice {
		return "KP1"
	}
	return "KC1"
}

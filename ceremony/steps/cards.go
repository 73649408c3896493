package steps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

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

// pinOf is the PIN of a token that comes from S: the user's from an activation set,
// the security officer's from a recovery set.
func pinOf(S *secret.Buffer, set *ceremony.Set, serial string) (*secret.Buffer, error) {
	if set.Body.Purpose == ceremony.Recovery {
		return share.SOPIN(S, serial, set.Body.PINLength)
	}
	return share.UserPIN(S, serial, set.Body.PINLength)
}

// useCards takes cards from the custodians who are present, one after another,
// each out of its bag and into a new one before the next, until there are
// threshold, and rebuilds S. The caller wipes it.
func useCards(ctx context.Context, env ceremony.Env, known *ceremony.Set, opens string) (*secret.Buffer, []ceremony.Held, error) {
	set, err := shareSet(known.Body)
	if err != nil {
		return nil, nil, err
	}
	c := share.NewCollector(set)
	defer c.Wipe()
	var held []ceremony.Held
	for _, person := range env.State().Open.PresentIn("custodian") {
		it := cardOf(env.State(), known, person)
		if it == nil || c.Need() == 0 {
			continue
		}
		there, err := takeOut(ctx, env, it, opens)
		if err != nil {
			return nil, nil, err
		}
		if !there {
			continue
		}
		card, err := askCard(ctx, env, person, set, it.Index, cardAsk{purpose: known.Body.Purpose, opens: opens, before: held})
		if err != nil {
			return nil, nil, err
		}
		if err := c.Add(card); err != nil {
			card.Wipe()
			return nil, nil, err
		}
		held = append(held, ceremony.Held{Index: it.Index, Person: person, Set: known.Body.Set})
		if err := putBack(ctx, env, it.Name); err != nil {
			return nil, nil, err
		}
	}
	// What an interruption left on the table goes into a bag, too.
	for _, name := range known.CardNames() {
		if it := env.State().Items[name]; it != nil && it.State == ceremony.OutOfBag {
			if err := putBack(ctx, env, name); err != nil {
				return nil, nil, err
			}
		}
	}
	if n := c.Need(); n > 0 {
		return nil, nil, &ceremony.Stop{Err: ceremony.ErrPaused, Reason: fmt.Sprintf("%d more custodians with a card of the set %s are needed", n, known.Body.Name)}
	}
	S, err := c.Combine()
	return S, held, err
}

// cardOf is the card of a set that a person holds and can bring, nil if there is
// none.
func cardOf(s *ceremony.State, set *ceremony.Set, person string) *ceremony.Item {
	for _, name := range set.CardNames() {
		it := s.Items[name]
		if it != nil && it.Holder == person && (it.State == ceremony.InCustody || it.State == ceremony.OutOfBag) {
			return it
		}
	}
	return nil
}

func witness(s *ceremony.State) string {
	if w := s.Open.InRole("witness"); len(w) > 0 {
		return w[0]
	}
	return ""
}

// Answers to the question for a bag and its seal.
const (
	sealIntact  = "intact"
	sealBroken  = "broken"
	itemMissing = "it is lost"
)

// takeOut has the witness compare the bag's number and seal before the item leaves
// it; false where the item turns out to be lost. What an interruption left out of
// its bag is out already.
func takeOut(ctx context.Context, env ceremony.Env, it *ceremony.Item, purpose string) (bool, error) {
	if it.State == ceremony.OutOfBag {
		return true, nil
	}
	s := env.State()
	holder, w := s.Someone(it.Holder), witness(s)
	a, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(w), Role: "witness", Title: "Look at the bag of " + holder.Name, Aloud: bagAloud(s, it),
		Text:   "The holder shows the bag and reads its number aloud. Compare it, and look at the seal, before it is opened.",
		Facts:  facts([]ceremony.Line{line("Item", it.Name), line("Held by", holder.Name), mono("Bag in the record", it.Bag)}),
		Fields: []ceremony.Field{{Name: "seal", Label: "The number is the one above, and the seal is", Type: "text", Hint: "if the number is another one, note a deviation", Of: []string{sealIntact, sealBroken, itemMissing}, Max: 20}}})
	if err != nil {
		return false, err
	}
	seal := a.Fields["seal"]
	if seal == itemMissing {
		return false, lose(ctx, env, it)
	}
	b := ceremony.ItemOpened{Bag: it.Bag, Item: it.Name, Person: it.Holder, Purpose: purpose, Seal: seal, Witness: w}
	if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemOpenedKind, Body: b}}); err != nil {
		return false, err
	}
	for env.State().Open.BrokenSeal() != "" {
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "The seal was broken", Verb: "Look again", Facts: facts([]ceremony.Line{line("Item", it.Name)}),
			Problem: &ceremony.Problem{Happened: "The seal of " + it.Name + " was broken before it was opened here.", Safe: "Nothing was typed yet.",
				Do: "Note a deviation that says who may have seen the card and what follows, or stop the ceremony."}}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// bagAloud is what is read aloud at the bag of what a device made: a script speaks of
// cards that are typed.
func bagAloud(s *ceremony.State, it *ceremony.Item) string {
	if set := s.Sets[it.Set]; set == nil || !set.Body.Made() {
		return ""
	}
	return s.Someone(it.Holder).Name + ", show the bag of " + it.Name + " and read its number aloud. What is in it is for the device alone: nothing of it is typed on this workstation."
}

// bagHint says where a bag's number is found; a practice room may have no bags.
func bagHint(s *ceremony.State) string {
	if s.Site.Practice {
		return "as printed on the bag; in practice any number that was not used, like PR-000123"
	}
	return "as printed on the bag"
}

// putBack has the item sealed into a new bag; the witness types its number.
func putBack(ctx context.Context, env ceremony.Env, name string) error {
	s := env.State()
	it := s.Items[name]
	w := witness(s)
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(w), Role: "witness", Title: "Put " + name + " into a new bag", Aloud: bagAloud(s, it),
		Text:   s.Someone(it.Holder).Name + " seals it and reads the number of the new bag aloud.",
		Fields: []ceremony.Field{{Name: "bag", Label: "New bag number", Type: "bag", Hint: bagHint(s), Max: 40}}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return err
		}
		bag := strings.TrimSpace(a.Fields["bag"])
		p.Fields[0].Value = bag
		if p.Problem = bagProblem(s, bag); p.Problem != nil {
			continue
		}
		return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemSealedKind, Body: ceremony.ItemSealed{Bag: bag, Holds: it.Holds, Index: it.Index, Item: name, Kind: it.Kind,
			Person: it.Holder, Place: it.Place, Set: it.Set, Witness: w}}})
	}
}

// bagProblem says why a typed number is no new bag's, nil if it can be.
func bagProblem(s *ceremony.State, bag string) *ceremony.Problem {
	if err := ledger.CheckName(bag); bag == "" || err != nil {
		return &ceremony.Problem{Happened: fmt.Sprintf("%q is no bag number.", bag), Safe: "Nothing was recorded.", Do: "Read the bag again and type its number."}
	}
	if other := s.Bagged(bag); other != "" {
		return &ceremony.Problem{Happened: fmt.Sprintf("Bag %s was used for %s.", bag, other), Safe: "Nothing was recorded.", Do: "Take a new bag; a bag is used once."}
	}
	return nil
}

// lose records an item that its holder cannot bring: who answers for it and who
// watched sign the words.
func lose(ctx context.Context, env ceremony.Env, it *ceremony.Item) error {
	s := env.State()
	holder := s.Someone(it.Holder)
	a, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Who: holder, Role: s.Open.Role(it.Holder), Title: holder.Name + ", say how it was lost", Irreversible: true,
		Text:   "A lost item is lost for good in this record, also if it turns up. What you say is printed.",
		Facts:  facts([]ceremony.Line{line("Item", it.Name), mono("Bag in the record", it.Bag)}),
		Fields: []ceremony.Field{{Name: "how", Label: "What is known of it, as stated", Type: "text", Max: 500}}})
	if err != nil {
		return err
	}
	b := ceremony.ItemLost{How: a.Fields["how"], Item: it.Name, Person: it.Holder, Witness: witness(s)}
	ask := ceremony.Prompt{Title: "Sign that " + it.Name + " is lost", Text: "You sign that it cannot be accounted for, and what is known of it.",
		Facts: facts([]ceremony.Line{line("Item", it.Name), line("Held by", holder.Name), line("What is known of it, as stated", b.How)})}
	b.Signatures, err = env.Together(ctx, s.LostSigners(b.Person, b.Witness), ask, func(prev ledger.Hash) ([]byte, error) {
		return ceremony.ItemLostMessage(b, s.Open.Number, prev, s.Site.ID)
	})
	if err != nil {
		return err
	}
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemLostKind, Body: b}})
}

// checkCardItem: a step that uses cards moves cards and nothing else.
func checkCardItem(body any) error {
	name := ""
	switch b := body.(type) {
	case *ceremony.ItemSealed:
		if b.Kind != ceremony.CardItem && b.Kind != ceremony.QuorumCardItem && b.Kind != ceremony.PINPartItem || b.Set == "" || b.Index == 0 {
			return broken("set.holder", "%s is not a card", b.Item)
		}
		return nil
	case *ceremony.ItemOpened:
		name = b.Item
	case *ceremony.ItemLost:
		name = b.Item
	case *ceremony.ItemDestroyed:
		name = b.Item
	}
	if !isCard(name) {
		return broken("set.holder", "%s is not a card", name)
	}
	return nil
}

// isCard says whether an item is called like a part of a set.
func isCard(name string) bool {
	return slices.ContainsFunc([]string{ceremony.CardItem, ceremony.QuorumCardItem, ceremony.PINPartItem}, func(kind string) bool { return strings.HasPrefix(name, kind+" ") })
}

// loginFor logs the security officer in: with the PIN that comes from S, or at the
// device's own pad.
func loginFor(ctx context.Context, env ceremony.Env, serial string, set *ceremony.Set, S *secret.Buffer, held []ceremony.Held) error {
	if env.State().Tokens[serial].AtPad() {
		return loginAtDevice(ctx, env, serial, hsm.SecurityOfficer, "the wrapping key is loaded")
	}
	pin, err := pinOf(S, set, serial)
	if err != nil {
		return err
	}
	defer pin.Wipe()
	return env.Login(ctx, serial, hsm.SecurityOfficer, held, pin)
}

// loginCards logs in with the cards of a set, as the one whose PIN they give.
func loginCards(ctx context.Context, env ceremony.Env, serial string, set *ceremony.Set) error {
	S, held, err := useCards(ctx, env, set, "the PIN of a token")
	if err != nil {
		return err
	}
	defer S.Wipe()
	pin, err := pinOf(S, set, serial)
	if err != nil {
		return err
	}
	defer pin.Wipe()
	return env.Login(ctx, serial, asOf(set), held, pin)
}

// destroyVoid has the cards of sets that never came to be destroyed, one by one.
func destroyVoid(ctx context.Context, env ceremony.Env) error {
	s := env.State()
	for _, name := range slices.Sorted(maps.Keys(s.Items)) {
		it := s.Items[name]
		if it.Set != "" && s.Sets[it.Set] == nil && (it.State == ceremony.InCustody || it.State == ceremony.OutOfBag) {
			if err := destroyCard(ctx, env, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// destroyCard has one card destroyed under the witness's eyes. Its result is what
// the witness says; nothing is a pass by default.
func destroyCard(ctx context.Context, env ceremony.Env, name string) error {
	s := env.State()
	it := s.Items[name]
	w := witness(s)
	for {
		a, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(w), Role: "witness", Title: "Destroy " + name, Irreversible: true,
			Text:  s.Someone(it.Holder).Name + " destroys the card, in its bag or out of it, where everyone sees it. Write down what you saw.",
			Facts: facts([]ceremony.Line{line("Item", name), line("Held by", s.Someone(it.Holder).Name), mono("Bag", it.Bag)}),
			Fields: []ceremony.Field{
				{Name: "result", Label: "Destroyed", Type: "text", Of: []string{ceremony.Pass, ceremony.Fail, ceremony.UnknownIfAny}, Max: 10},
				{Name: "method", Label: "How", Type: "text", Max: 100, Hint: "shredded"},
				{Name: "tool", Label: "With what", Type: "text", Max: 100, Hint: "cross-cut shredder, 2 mm"},
			}})
		if err != nil {
			return err
		}
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemDestroyedKind, Body: ceremony.ItemDestroyed{Category: "destroy", Item: name,
			Method: a.Fields["method"], Person: it.Holder, Result: a.Fields["result"], Tool: a.Fields["tool"], Witness: w}}}); err != nil {
			return err
		}
		if a.Fields["result"] != ceremony.Fail {
			return nil
		}
	}
}

// cardAsk is what a prompt for a card says beside whose it is.
type cardAsk struct {
	purpose, opens string
	before         []ceremony.Held
	readBack       bool
}

// askCard has one custodian type one card, until it is the card handed out to
// that person. Nothing is combined here.
func askCard(ctx context.Context, env ceremony.Env, person string, set share.Set, index int, how cardAsk) (*share.Card, error) {
	s := env.State()
	who := s.Someone(person)
	p := ceremony.Prompt{Kind: ceremony.AskCard, Who: who, Role: "custodian", Title: who.Name + ", enter your " + how.purpose + " card",
		Text: "Everyone else: turn away from the screen.",
		Card: ceremony.CardPrompt{Set: set.Name(), Purpose: how.purpose, Index: index, K: set.K, N: set.N, Prefix: cardPrefix(s.Site.Practice), Opens: how.opens, ReadBack: how.readBack, Old: s.OldCards(set.Name())}}
	if how.readBack {
		p.Title = who.Name + ", type your " + how.purpose + " card back"
	}
	for _, h := range how.before {
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
			if p.Problem = p.Card.Old[ceremony.CardItemName(card.Index, share.Name(card.Set))]; p.Problem != nil {
				card.Wipe()
				continue
			}
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

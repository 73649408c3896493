package steps

import (
	"context"
	"fmt"
	"slices"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/share"
	"claviger/ledger"
)

// checkCards holds cards against their fingerprints, each in a process of its own
// that says yes or no; nothing is combined.
type checkCards struct{ noActs }

const checkCardsKind = "check-cards"

func (checkCards) Name() string { return checkCardsKind }
func (checkCards) Version() int { return 1 }
func (checkCards) Doc() string {
	return "Each card is typed once and held against its fingerprint; nothing is combined and nothing shown."
}

func (checkCards) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown || st.With["set"] == "" {
		return fmt.Errorf("nobody is known yet, or it does not say which set (with: set)")
	}
	return nil
}

// Admit: on a card that a device made nothing stands that could be compared.
func (checkCards) Admit(s *ceremony.State, plan *script.Bound, st script.Step) error {
	if set := s.SetNamed(st.With["set"]); set != nil && set.Body.Made() {
		return broken("set.device", "the device made what set %s consists of, and nobody else can compare it; the script custody looks at its bags, and opening the token with it shows that it works", set.Body.Name)
	}
	return nil
}

func (checkCards) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.ItemOpened, *ceremony.ItemSealed, *ceremony.ItemLost:
		return checkCardItem(b)
	case *ceremony.ItemChecked:
		set := s.SetNamed(st.With["set"])
		if set == nil || !slices.Contains(set.CardNames(), b.Item) || b.Method != "card" {
			return broken("set.holder", "%s is no card of this set", b.Item)
		}
		return nil
	case *ceremony.Result:
		if len(b.Facts) == 0 {
			return broken("set.unchecked", "no card was looked at")
		}
		if name := s.Open.FailedCheck(); name != "" {
			return broken("set.card-failed", "%s does not agree with its fingerprint, and no deviation has decided about it", name)
		}
		return nil
	}
	return foreign(st, r)
}

const (
	typeAgain = "type it again"
	giveUp    = "it does not agree: record it as failed"
)

func (checkCards) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	known, err := oldSet(env.State(), st)
	if err != nil {
		return err
	}
	set, err := shareSet(known.Body)
	if err != nil {
		return err
	}
	if err := decideFailed(ctx, env); err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, person := range env.State().Open.InRole("custodian") {
		it := cardOf(env.State(), known, person)
		if it == nil {
			continue
		}
		there, err := takeOut(ctx, env, it, "a check against its fingerprint")
		if err != nil {
			return err
		}
		if !there {
			lines = append(lines, line(fmt.Sprintf("Card %d", it.Index), "lost"))
			continue
		}
		result, err := checkOne(ctx, env, known, set, it)
		if err != nil {
			return err
		}
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemCheckedKind, Body: ceremony.ItemChecked{Bag: it.Bag, Item: it.Name, Method: "card", Person: person, Result: result, Witness: witness(env.State())}}}); err != nil {
			return err
		}
		if err := putBack(ctx, env, it.Name); err != nil {
			return err
		}
		if err := decideFailed(ctx, env); err != nil {
			return err
		}
		lines = append(lines, line(fmt.Sprintf("Card %d", it.Index), result+", "+env.State().Someone(person).Name))
	}
	return finish(ctx, env, st, append([]ceremony.Line{mono("Set", known.Body.Name)}, lines...)...)
}

// decideFailed waits for people to decide about a card that is not as it was handed
// out: one card less, and nobody knows since when.
func decideFailed(ctx context.Context, env ceremony.Env) error {
	for env.State().Open.FailedCheck() != "" {
		name := env.State().Open.FailedCheck()
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "The card failed", Verb: "Look again", Facts: facts([]ceremony.Line{line("Item", name)}),
			Problem: &ceremony.Problem{Happened: "The " + name + " does not agree with its fingerprint: it opens nothing.", Safe: "The failed check is recorded, and the card is in its bag.",
				Do: "Note a deviation that says what follows, such as a change of custodians, or stop the ceremony."}}); err != nil {
			return err
		}
	}
	return nil
}

// checkOne has a custodian type their own card until it agrees, or until people say
// that it does not.
func checkOne(ctx context.Context, env ceremony.Env, known *ceremony.Set, set share.Set, it *ceremony.Item) (string, error) {
	s := env.State()
	who := s.Someone(it.Holder)
	p := ceremony.Prompt{Kind: ceremony.AskCard, Who: who, Role: "custodian", Title: who.Name + ", enter your " + known.Body.Purpose + " card to check it",
		Text: "Everyone else: turn away from the screen. The card is compared and forgotten.",
		Card: ceremony.CardPrompt{Set: set.Name(), Purpose: known.Body.Purpose, Index: it.Index, K: set.K, N: set.N, Prefix: cardPrefix(s.Site.Practice), ReadBack: true}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return "", err
		}
		env.Working("The card is compared in a process of its own")
		why, err := env.CheckCard(ctx, a.Secret, set.Fingerprints[it.Index-1], s.Site.Practice)
		a.Secret.Wipe()
		if err != nil {
			return "", err
		}
		if why == "" {
			return ceremony.Pass, nil
		}
		b, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(witness(s)), Role: "witness", Title: "The card does not agree",
			Text:   sentence(why) + " Compare the card with what was typed, letter by letter.",
			Fields: []ceremony.Field{{Name: "go", Label: "What now", Type: "text", Of: []string{typeAgain, giveUp}, Max: 60}}})
		if err != nil {
			return "", err
		}
		if b.Fields["go"] == giveUp {
			return ceremony.Fail, nil
		}
	}
}

package share

import (
	"crypto/subtle"

	"claviger/hsm/secret"
)

// Collector takes the cards of one set until there are k, and gives S. What the
// cards are compared with comes from the ledger or, when that is lost, from an
// evidence PDF.
type Collector struct {
	set     Set
	cards   []*Card
	rebuild func([]*Card) (*secret.Buffer, error) // asked for only when k cards were taken
}

func NewCollector(set Set) *Collector { return &Collector{set: set, rebuild: set.combine} }

// Need is how many cards are still missing.
func (c *Collector) Need() int { return c.set.K - len(c.cards) }

// CheckHeader refuses a card by its first groups, before the rest is typed.
func (c *Collector) CheckHeader(h Header) error {
	switch {
	case h.Set != c.set.ID:
		return fault(OtherSet, []int{1, 2}, "this card is of the set %s, asked is the set %s: look for the card whose first groups are %s", Name(h.Set), c.set.Name(), c.set.Name())
	case h.K != c.set.K || h.N != c.set.N:
		return fault(OtherShape, []int{3}, "this card says any %d of %d, its set is any %d of %d: compare group 3 with your card", h.K, h.N, c.set.K, c.set.N)
	case h.Index < 1 || h.Index > len(c.set.Fingerprints):
		return fault(Numbers, []int{3, 4}, "this card says that it is number %d of %d: compare groups 3 and 4 with your card", h.Index, len(c.set.Fingerprints))
	case c.Need() <= 0:
		return fault(TooMany, nil, "the %d cards that suffice are there already: card %d is not needed", c.set.K, h.Index)
	}
	for _, have := range c.cards {
		if have.Index == h.Index {
			return fault(Duplicate, nil, "card %d was already typed: another custodian's card is needed", h.Index)
		}
	}
	return nil
}

// Add takes a card and owns it from then on; a card that is refused stays with
// the caller. The error is an [*Error].
func (c *Collector) Add(card *Card) error {
	if err := c.CheckHeader(Header{Set: card.Set, K: card.K, N: card.N, Index: card.Index}); err != nil {
		return err
	}
	if err := c.set.Check(card); err != nil {
		return err
	}
	c.cards = append(c.cards, card)
	return nil
}

// Check says whether card is the one handed out under its number.
func (s Set) Check(card *Card) error {
	if card.Set != s.ID || card.Index < 1 || card.Index > len(s.Fingerprints) {
		return fault(OtherSet, nil, "card %d of the set %s is not in the set %s", card.Index, Name(card.Set), s.Name())
	}
	if err := card.there(); err != nil {
		return err
	}
	share := card.share()
	if share[len(share)-1] == 0 {
		return fault(ZeroX, nil, "card %d of the set %s carries x = 0, which would dictate the secret: it was never handed out, keep it and raise a deviation", card.Index, s.Name())
	}
	got, want := card.Fingerprint(), s.Fingerprints[card.Index-1]
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return fault(Forged, nil, "card %d of the set %s is not the card that was handed out, its fingerprint differs from the record's: keep it and raise a deviation", card.Index, s.Name())
	}
	return nil
}

// Combine gives S from k cards. It stays with the collector to wipe the cards and
// with the caller to wipe S.
func (c *Collector) Combine() (*secret.Buffer, error) {
	if n := c.Need(); n > 0 {
		return nil, fault(TooFew, nil, "%d of the %d cards that suffice are there: %d more must be typed", len(c.cards), c.set.K, n)
	}
	return c.rebuild(c.cards)
}

// Wipe forgets all cards.
func (c *Collector) Wipe() {
	Wipe(c.cards...)
	c.cards = nil
}

func (s Set) combine(cards []*Card) (*secret.Buffer, error) {
	S, err := combine(cards)
	if err != nil {
		return nil, err
	}
	if !s.commitsTo(S) {
		S.Wipe()
		return nil, fault(WrongSecret, nil, "the cards do not give the secret of the set %s, though each is as handed out: the record of the set is not its own, nothing was used, raise a deviation", s.Name())
	}
	return S, nil
}

// CheckAll rebuilds the secret from every combination of k of the set's n cards.
// Only a set that passed with the cards as read back is valid.
func CheckAll(s Set, cards []*Card) error {
	if len(cards) != s.N || len(s.Fingerprints) != s.N {
		return fault(TooFew, nil, "%d of the %d cards of the set %s are there: every one must be read back", len(cards), s.N, s.Name())
	}
	for i, card := range cards {
		if card.Index != i+1 {
			return fault(Duplicate, nil, "card %d stands where card %d of the set %s should", card.Index, i+1, s.Name())
		}
		if err := s.Check(card); err != nil {
			return err
		}
	}
	return s.each(cards, nil)
}

// each walks the combinations: those with the first card left, and those without.
func (s Set) each(left, chosen []*Card) error {
	if len(chosen) == s.K {
		S, err := s.combine(chosen)
		if err != nil {
			return err
		}
		S.Wipe()
		return nil
	}
	for i := range left {
		// A full slice expression: two branches must not share one array.
		if err := s.each(left[i+1:], append(chosen[:len(chosen):len(chosen)], left[i])); err != nil {
			return err
		}
	}
	return nil
}

package share

import "claviger/hsm/secret"

// FitsTestOnly says whether a text's checksum holds, without looking for the
// place where it does not.
func FitsTestOnly(text *secret.Buffer, practice bool) bool {
	t, err := read(text, practice)
	if err != nil {
		return false
	}
	defer t.wipe()
	return t.len() == textLen && t.fits()
}

// CardTestOnly makes a card that Split would never make.
func CardTestOnly(s Set, index int, part []byte) *Card { return newCard(s, index, part, false) }

// ShareTestOnly gives a copy of a card's share.
func ShareTestOnly(c *Card) []byte { return append([]byte(nil), c.share()...) }

// WatchTestOnly calls called whenever cards are combined.
func (c *Collector) WatchTestOnly(called func()) {
	rebuild := c.rebuild
	c.rebuild = func(cards []*Card) (*secret.Buffer, error) {
		called()
		return rebuild(cards)
	}
}

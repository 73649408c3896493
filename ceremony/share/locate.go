package share

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/btcsuite/btcd/btcutil/bech32"
)

// locate finds the group of one wrong letter, or of two neighbours swapped. Two
// texts that fit differ in five letters at least, so there is at most one place;
// it is pointed at and never filled in, because three wrong letters can look like
// one.
func (t *typed) locate() error {
	off, err := t.off()
	if err != nil {
		return err
	}
	unit, err := units(t.text.Bytes()[:len(realPrefix)])
	if err != nil {
		return err
	}
	letters := t.text.Bytes()[len(realPrefix):]
	for i := range letters {
		for v := 1; v < len(Alphabet); v++ {
			if unit[i].times(v) == off {
				g := []int{i/GroupLen + 1}
				return fault(Checksum, g, "one letter in %s does not fit the rest: compare it with your card, letter by letter", groups(g))
			}
		}
	}
	for i := range len(letters) - 1 {
		// A swap changes both letters by what they differ in.
		v := value(letters[i]) ^ value(letters[i+1])
		if v != 0 && unit[i].times(v)^unit[i+1].times(v) == off {
			g := slices.Compact([]int{i/GroupLen + 1, (i+1)/GroupLen + 1})
			return fault(Checksum, g, "two neighbouring letters in %s seem to be swapped: compare with your card, letter by letter", groups(g))
		}
	}
	return fault(Checksum, nil, "more than one letter does not fit: compare every group with your card")
}

// off is how far the typed checksum is from one that fits.
func (t *typed) off() (uint32, error) {
	s, err := syndrome(t.text.Bytes())
	return s ^ uint32(bech32.VersionToConsts[bech32.Version0]^bech32.VersionToConsts[bech32.VersionM]), err
}

// effect is how a letter's five bits move the checksum.
type effect [5]uint32

func (e effect) times(v int) uint32 {
	var sum uint32
	for bit, s := range e {
		if v>>bit&1 == 1 {
			sum ^= s
		}
	}
	return sum
}

// units gives the effect of every letter. The checksum is linear, so that of a
// text which is no card shows it: no near copy of the card is made.
func units(prefix []byte) ([textLen]effect, error) {
	var all [textLen]effect
	text := append(bytes.Clone(prefix), bytes.Repeat([]byte{Alphabet[0]}, textLen)...)
	zero, err := syndrome(text)
	if err != nil {
		return all, err
	}
	for i := range all {
		for bit := range all[i] {
			text[len(prefix)+i] = Alphabet[1<<bit]
			s, err := syndrome(text)
			if err != nil {
				return all, err
			}
			all[i][bit] = s ^ zero
		}
		text[len(prefix)+i] = Alphabet[0]
	}
	return all, nil
}

// syndrome is the difference of the checksum that the library expects and the one
// that stands there.
func syndrome(text []byte) (uint32, error) {
	_, five, _, err := bech32.DecodeGeneric(unsafe.String(&text[0], len(text)))
	clear(five)
	var wrong bech32.ErrInvalidChecksum
	if !errors.As(err, &wrong) {
		return 0, fmt.Errorf("couldn't look for the wrong letter: %w", err)
	}
	var s uint32
	for i := range len(wrong.Actual) {
		s = s<<5 | uint32(value(wrong.Expected[i])^value(wrong.Actual[i]))
	}
	return s, nil
}

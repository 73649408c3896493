package share

import (
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/btcsuite/btcd/btcutil/bech32"

	"claviger/hsm/secret"
)

const (
	version    = 1
	headerLen  = 8
	payloadLen = headerLen + SecretLen + 1

	// Groups of a card, each of GroupLen characters.
	Groups   = 18
	GroupLen = 4
	textLen  = Groups * GroupLen // without the prefix
	// TextLen is what Card.Text writes: prefix, and a blank before each group.
	TextLen = len(realPrefix) + Groups*(1+GroupLen)
	// headerChars hold the header's 64 bits.
	headerChars = 13

	realPrefix     = "kc1"
	practicePrefix = "kp1"

	// Alphabet is that of bech32 (BIP 173): no 1, b, i, o.
	Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
)

func prefix(practice bool) string {
	if practice {
		return practicePrefix
	}
	return realPrefix
}

// Text appends the card as it is written by hand: capitals, in groups.
func (c *Card) Text(into *secret.Buffer) error {
	if err := c.there(); err != nil {
		return err
	}
	five := regroup(c.payload.Bytes())
	defer clear(five)
	text, err := bech32.EncodeM(prefix(c.Practice)[:2], five)
	if err != nil {
		return fmt.Errorf("couldn't spell card %d: %w", c.Index, err)
	}
	// The library gives a string it has just made; nobody else has it.
	defer clear(unsafe.Slice(unsafe.StringData(text), len(text)))
	for i := range len(text) {
		char := text[i]
		if 'a' <= char && char <= 'z' {
			char -= 'a' - 'A'
		}
		if i >= len(realPrefix) && (i-len(realPrefix))%GroupLen == 0 {
			err = into.Append(' ', char)
		} else {
			err = into.Append(char)
		}
		if err != nil {
			return fmt.Errorf("couldn't write card %d: %w", c.Index, err)
		}
	}
	return nil
}

// Header is what the first groups of a card tell. It is not yet covered by the
// checksum.
type Header struct {
	Set   [4]byte
	K, N  int
	Index int
}

// ParseHeader reads the header of a card that is still being typed, with or
// without its KC1. known is false while too little is there: the header is in
// with the first letter of group 4.
func ParseHeader(text *secret.Buffer, practice bool) (h Header, known bool, err error) {
	t, err := read(text, practice)
	if err != nil {
		return Header{}, false, err
	}
	defer t.wipe()
	if t.len() < headerChars {
		return Header{}, false, nil
	}
	payload := t.bytes(headerChars)
	defer clear(payload)
	h, err = header(payload)
	return h, err == nil, err
}

// header reads the first bytes of a card.
func header(payload []byte) (Header, error) {
	if payload[0] != version {
		return Header{}, fault(Version, []int{1}, "this card says that it has version %d, which this program cannot read: compare group 1 with your card, or use a newer Claviger", payload[0])
	}
	h := Header{Set: [4]byte(payload[1:5]), K: int(payload[5]), N: int(payload[6]), Index: int(payload[7])}
	if h.K < 2 || h.N < h.K || h.Index < 1 || h.Index > h.N {
		return Header{}, fault(Numbers, []int{3, 4}, "groups 3 and 4 would be card %d of %d, any %d of which suffice: compare them with your card", h.Index, h.N, h.K)
	}
	return h, nil
}

// ParseCard reads a whole card: capital or small letters, blanks and dashes
// anywhere, KC1 or KP1 in front or left out. The error is an [*Error].
func ParseCard(text *secret.Buffer, practice bool) (*Card, error) {
	t, err := read(text, practice)
	if err != nil {
		return nil, err
	}
	defer t.wipe()
	if err := t.whole(); err != nil {
		return nil, err
	}
	payload, err := t.decode(practice)
	if err != nil {
		return nil, err
	}
	defer clear(payload)
	h, err := header(payload)
	if err != nil {
		return nil, err
	}
	return &Card{Practice: practice, Set: h.Set, K: h.K, N: h.N, Index: h.Index, payload: secret.From(payload)}, nil
}

// typed is a card's text as typed: small letters, prefix in front, nothing else.
type typed struct {
	text  *secret.Buffer // prefix and groups
	words []int          // how many letters stood between blanks
}

func (t *typed) wipe()    { t.text.Wipe() }
func (t *typed) len() int { return t.text.Len() - len(realPrefix) }

// read takes text apart.
func read(text *secret.Buffer, practice bool) (*typed, error) {
	t := &typed{text: secret.New(len(realPrefix) + textLen)}
	if err := t.read(text.Bytes(), practice); err != nil {
		t.wipe()
		return nil, err
	}
	return t, nil
}

func (t *typed) read(b []byte, practice bool) error {
	b, err := cutPrefix(b, practice)
	if err != nil {
		return err
	}
	if err := t.text.Append([]byte(prefix(practice))...); err != nil {
		return fmt.Errorf("couldn't read the card: %w", err)
	}
	word := 0
	for len(b) > 0 {
		char, size := utf8.DecodeRune(b)
		b = b[size:]
		if blank(char) {
			t.word(word)
			word = 0
			continue
		}
		if t.len() == textLen {
			return fault(Length, nil, "there are more than %d groups of %d letters: compare each group with your card", Groups, GroupLen)
		}
		group := t.len()/GroupLen + 1
		char = small(char)
		if char >= utf8.RuneSelf || value(byte(char)) < 0 {
			return fault(Character, []int{group}, "%q in group %d is not used on cards, nor are 1, B, I and O: compare group %d with your card", string(char), group, group)
		}
		if err := t.text.Append(byte(char)); err != nil {
			return fmt.Errorf("couldn't read the card: %w", err)
		}
		word++
	}
	t.word(word)
	return nil
}

func (t *typed) word(letters int) {
	if letters > 0 {
		t.words = append(t.words, letters)
	}
}

// cutPrefix takes KC1 or KP1 away. The 1 is in no group, so it tells a prefix.
func cutPrefix(b []byte, practice bool) ([]byte, error) {
	var head [3]rune
	rest := b
	for n := 0; n < len(head); {
		if len(rest) == 0 {
			return b, nil
		}
		char, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		if !blank(char) {
			head[n] = small(char)
			n++
		}
	}
	switch start := string(head[:]); {
	case head[2] != '1':
		return b, nil
	case start == prefix(practice):
		return rest, nil
	case start == prefix(!practice):
		return nil, otherSite(practice)
	}
	return nil, fault(Prefix, nil, "a card begins with %s: compare the beginning with your card", strings.ToUpper(prefix(practice)))
}

func otherSite(practice bool) error {
	if practice {
		return fault(Real, nil, "this is a card of a real site (KC1): never type it on a practice site, whose cards begin with KP1")
	}
	return fault(Practice, nil, "this is a practice card (KP1): a real site takes only cards that begin with KC1")
}

func small(char rune) rune {
	if 'A' <= char && char <= 'Z' {
		return char + 'a' - 'A'
	}
	return char
}

// blank forgives what people put between groups and what a scanner sends.
func blank(char rune) bool { return strings.ContainsRune(" -\t\r\n", char) }

// whole points at what is missing.
func (t *typed) whole() error {
	if t.len() == textLen {
		return nil
	}
	var short []int
	if len(t.words) == Groups {
		for i, letters := range t.words {
			if letters < GroupLen {
				short = append(short, i+1)
			}
		}
	}
	if short == nil {
		short = []int{t.len()/GroupLen + 1}
	}
	return fault(Length, short, "%s short: a card has %d groups of %d letters", groups(short), Groups, GroupLen)
}

// decode gives the card's bytes if the checksum holds.
func (t *typed) decode(practice bool) ([]byte, error) {
	five, kind := t.check()
	defer clear(five)
	switch kind {
	case bech32.VersionM:
		payload, err := bech32.ConvertBits(five, 5, 8, false)
		if err != nil || len(payload) != payloadLen {
			clear(payload)
			return nil, fault(Numbers, nil, "these groups fit each other but are no card: compare each group with your card")
		}
		return payload, nil
	case bech32.Version0:
		return nil, fault(Bech32, nil, "these groups end in a checksum of another kind (bech32, not bech32m): this is no card of Claviger")
	}
	if t.ofOtherSite(practice) {
		return nil, otherSite(practice)
	}
	return nil, t.locate()
}

// check asks the library. It sees the buffer itself, not a copy: the string
// lives only for this call, and small letters are not copied on the way.
func (t *typed) check() ([]byte, bech32.Version) {
	b := t.text.Bytes()
	_, five, kind, err := bech32.DecodeGeneric(unsafe.String(&b[0], len(b)))
	if err != nil {
		return nil, bech32.VersionUnknown
	}
	return five, kind
}

func (t *typed) fits() bool {
	five, kind := t.check()
	clear(five)
	return kind == bech32.VersionM
}

// ofOtherSite tells a practice card from a real one where the prefix was left
// out: the checksum covers it.
func (t *typed) ofOtherSite(practice bool) bool {
	b := t.text.Bytes()
	copy(b, prefix(!practice))
	defer copy(b, prefix(practice))
	return t.fits()
}

func value(letter byte) int { return strings.IndexByte(Alphabet, letter) }

// bytes gives the whole bytes that the first n letters hold.
func (t *typed) bytes(n int) []byte {
	var out []byte
	bits, acc := 0, uint16(0)
	for _, char := range t.text.Bytes()[len(realPrefix):][:n] {
		acc = acc<<5 | uint16(value(char))
		bits += 5
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
		}
	}
	return out
}

// spell writes bytes in the alphabet, five bits a letter, without checksum.
func spell(b []byte) []byte {
	five := regroup(b)
	for i, v := range five {
		five[i] = Alphabet[v]
	}
	return five
}

// regroup gives bytes five bits at a time.
func regroup(b []byte) []byte {
	five, err := bech32.ConvertBits(b, 8, 5, true)
	if err != nil {
		panic("share: " + err.Error()) // it refuses other widths only
	}
	return five
}

func groups(g []int) string {
	if len(g) == 1 {
		return fmt.Sprintf("group %d", g[0])
	}
	s := make([]string, len(g))
	for i, n := range g {
		s[i] = fmt.Sprint(n)
	}
	return "groups " + strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// Package share splits a secret over cards that people write by hand, and puts
// it together again from any k of them, years later.
//
// # Why so many checks
//
// Shamir's scheme has no check of its own: the library beneath gives a wrong
// secret without an error when a letter differs, a card is missing, or cards of
// two sets are mixed. So every card is checked alone and against its set before
// anything is combined, fewer than k cards are never combined, and what comes out
// is compared with the set's commitment before it is used.
//
// # The words
//
// A [Set] is what everyone may know of one split: its id, k, n, the commitment to
// the secret and the fingerprint of each card. A [Card] is what one custodian
// holds. The secret that is split is always 32 random bytes S ([NewSecret]), never
// a PIN or a key: those are derived from S ([UserPIN], [SOPIN], [WrappingKey]), so
// that one set serves several tokens.
//
// Fingerprint and commitment are hashes of 256 random bits: they give nothing to
// anyone who computes for less than for ever, yet they are not perfectly hiding as
// the shares themselves are.
//
// # Card text, version 1
//
//	version(1) ‖ set id(4) ‖ k(1) ‖ n(1) ‖ index(1) ‖ share of vault/shamir(33)
//
// in bech32m (BIP 350), prefix kc, in practice kp; only bech32m is taken. Written
// in capitals it is KC1 and 18 groups of four. Groups 1 and 2 hold version and set
// id, so they are the set's name. A released version stays readable for ever.
//
// The index on the card is ours; the x of the share is the library's own last byte
// and means nothing to people.
//
// # What stays in memory
//
// Cards and secrets live in hsm/secret buffers. The libraries beneath work on
// Go's heap: what they return is moved and wiped at once, what they keep to
// themselves (polynomial coefficients, the five-bit form of a text that did not
// fit) is left to the collector. The process is neither dumpable nor swapped;
// SECURITY.md says what that stops.
package share

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/shamir"

	"claviger/hsm/secret"
)

const (
	// SecretLen is the length of S.
	SecretLen = 32
	// MaxCards is the most cards of one set: each is written by hand and read
	// back before the next.
	MaxCards = 16
	// SpokenBytes of a fingerprint are said in words, on card and screen.
	// Machines compare all 32.
	SpokenBytes = 5
)

const (
	cardDomain = "claviger card v1\n"
	setDomain  = "claviger set v1\n"
)

// Set is what a record and a report tell of one split.
type Set struct {
	ID           [4]byte
	K, N         int
	Commitment   [32]byte   // to S
	Fingerprints [][32]byte // of card 1, 2, … n
}

// Name is how people call the set: the first two groups of each of its cards.
func (s Set) Name() string { return Name(s.ID) }

// Name gives the name of the set with this id, as in "QYPZ 4XNR".
func Name(id [4]byte) string {
	name := strings.ToUpper(string(spell(append([]byte{version}, id[:]...))))
	return name[:GroupLen] + " " + name[GroupLen:]
}

// Card is what one custodian holds. Whoever has it wipes it.
type Card struct {
	Practice bool
	Set      [4]byte
	K, N     int
	Index    int            // 1..N
	payload  *secret.Buffer // the card's 41 bytes
}

// Wipe forgets the card.
func (c *Card) Wipe() { c.payload.Wipe() }

// Fingerprint names the card without telling anything of its share.
func (c *Card) Fingerprint() [32]byte { return digest(cardDomain, c.payload.Bytes()) }

// there refuses a card that was wiped.
func (c *Card) there() error {
	if c.payload.Len() != payloadLen {
		return fault(Length, nil, "card %d of the set %s is not there any more: type it again", c.Index, Name(c.Set))
	}
	return nil
}

func (c *Card) share() []byte { return c.payload.Bytes()[headerLen:] }

// Split makes a new set of n cards, any k of which give S again. It has proved
// that of every combination before it returns.
func Split(S *secret.Buffer, k, n int, practice bool) (Set, []*Card, error) {
	if S.Len() != SecretLen {
		return Set{}, nil, fmt.Errorf("couldn't split a secret of %d bytes: it must have %d", S.Len(), SecretLen)
	}
	if k < 2 || n < k || n > MaxCards {
		return Set{}, nil, fmt.Errorf("couldn't split for any %d of %d cards: ask for 2 or more, of at most %d", k, n, MaxCards)
	}
	set := Set{K: k, N: n}
	if _, err := rand.Read(set.ID[:]); err != nil {
		return Set{}, nil, fmt.Errorf("couldn't draw a set id: %w", err)
	}
	parts, err := shamir.Split(S.Bytes(), n, k)
	if err != nil {
		return Set{}, nil, fmt.Errorf("couldn't split the secret: %w", err)
	}
	set.Commitment = commitment(set.ID, S)
	cards := make([]*Card, n)
	for i, part := range parts {
		cards[i] = newCard(set, i+1, part, practice)
		set.Fingerprints = append(set.Fingerprints, cards[i].Fingerprint())
	}
	if err := CheckAll(set, cards); err != nil {
		Wipe(cards...)
		return Set{}, nil, err
	}
	return set, cards, nil
}

// newCard moves part onto the card.
func newCard(s Set, index int, part []byte, practice bool) *Card {
	payload := append([]byte{version, s.ID[0], s.ID[1], s.ID[2], s.ID[3], byte(s.K), byte(s.N), byte(index)}, part...)
	clear(part)
	return &Card{Practice: practice, Set: s.ID, K: s.K, N: s.N, Index: index, payload: secret.From(payload)}
}

// Wipe forgets cards.
func Wipe(cards ...*Card) {
	for _, c := range cards {
		c.Wipe()
	}
}

// combine calls the library; everything that could make it lie is checked before.
func combine(cards []*Card) (*secret.Buffer, error) {
	parts := make([][]byte, len(cards))
	for i, c := range cards {
		parts[i] = c.share()
	}
	s, err := shamir.Combine(parts)
	if err != nil {
		return nil, fmt.Errorf("couldn't combine the cards: %w", err)
	}
	return secret.From(s), nil
}

func commitment(id [4]byte, S *secret.Buffer) [32]byte { return digest(setDomain, id[:], S.Bytes()) }

func (s Set) commitsTo(S *secret.Buffer) bool {
	c := commitment(s.ID, S)
	return subtle.ConstantTimeCompare(c[:], s.Commitment[:]) == 1
}

func digest(domain string, parts ...[]byte) [32]byte {
	var used digests
	defer used.forget()
	h := used.sha256()
	h.Write([]byte(domain))
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

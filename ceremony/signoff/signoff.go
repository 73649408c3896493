// Package signoff holds the keys by which people answer for what they saw.
//
// # Two keys a person
//
// The enrolled key is made once ([Make]): an Ed25519 pair whose private half is
// kept only as a sealed file, under a passphrase of six words that the machine
// draws ([Passphrase]). [Open] gives it for as long as one act takes. The ceremony
// key ([NewCeremonyKey]) lives in memory for one ceremony, certified by the
// enrolled key; [Lock] puts it behind a session PIN.
//
// # What is signed
//
// One line that names the purpose, then canonical JSON ([Message]). The line keeps
// a signature given for one purpose from ever counting for another.
//
// # What this does not stop
//
// The session PIN is a screen gate: it stops a neighbour at the keyboard, not a
// program that reads this one's memory. Who has seen a passphrase typed, and has
// the sealed file, can sign.
//
// Seeds and passphrases live in hsm/secret buffers, but age and crypto/ed25519
// work on Go's heap: age keeps a copy of the passphrase that nobody can wipe, and
// Ed25519 its expanded key, until the collector takes them. The process is neither
// dumpable nor swapped; SECURITY.md says what that stops.
package signoff

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"filippo.io/age"

	"claviger/hsm/secret"
)

// Purposes: the first line of what is signed.
const (
	SignOff     = "claviger sign-off v1"
	Enrolment   = "claviger enrolment v1"
	CeremonyKey = "claviger ceremony-key v1"
	Order       = "claviger order v1"
	Custody     = "claviger custody v1"
)

// Message is what a key signs for a purpose.
func Message(purpose string, canonical []byte) []byte {
	m := make([]byte, 0, len(purpose)+1+len(canonical))
	m = append(m, purpose...)
	m = append(m, '\n')
	return append(m, canonical...)
}

// Work factors of scrypt, as powers of two.
const (
	RealWork     = 18 // about a second on a laptop, what age itself uses
	PINWork      = 12 // some milliseconds: the key lies beside it
	PracticeWork = 2  // a practice passphrase or PIN guards nothing
)

// ErrPassphrase says that the passphrase is not the one of this key.
var ErrPassphrase = errors.New("this passphrase does not open the key: type all the words again, in their order")

// Make makes an enrolled key: its public half, and its private half sealed under
// the passphrase.
func Make(passphrase *secret.Buffer, workFactor int, rand io.Reader) (ed25519.PublicKey, []byte, error) {
	if workFactor < PracticeWork || workFactor > maxWork {
		return nil, nil, fmt.Errorf("couldn't make a key with work factor %d: it goes from %d to %d", workFactor, PracticeWork, maxWork)
	}
	b := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, nil, fmt.Errorf("couldn't draw a key: %w", err)
	}
	key := newKey(secret.From(b))
	defer key.Wipe()
	sealed, err := seal(key.seed, passphrase, workFactor)
	if err != nil {
		return nil, nil, fmt.Errorf("couldn't seal the key: %w", err)
	}
	return key.Public(), sealed, nil
}

// maxWork is far above RealWork and still opens in seconds: a sealed file that
// asks for more was not made here.
const maxWork = 20

func seal(seed, passphrase *secret.Buffer, workFactor int) ([]byte, error) {
	words := normal(passphrase)
	defer words.Wipe()
	recipient, err := age.NewScryptRecipient(lent(words))
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(workFactor)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(seed.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// Open gives an enrolled key. Whoever has it wipes it. Small and capital letters
// and the width of blanks do not matter: the words are drawn, not chosen.
func Open(sealed []byte, passphrase *secret.Buffer) (*Key, error) {
	words := normal(passphrase)
	defer words.Wipe()
	if words.Len() == 0 {
		return nil, ErrPassphrase
	}
	identity, err := age.NewScryptIdentity(lent(words))
	if err != nil {
		return nil, fmt.Errorf("couldn't open the key: %w", err)
	}
	identity.SetMaxWorkFactor(maxWork)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) && slices.Equal(other.StanzaTypes, []string{"scrypt"}) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't open the key: %w", err)
	}
	return readKey(r)
}

func readKey(r io.Reader) (*Key, error) {
	// One byte more than a seed, so that a longer file is noticed.
	b := make([]byte, ed25519.SeedSize+1)
	defer clear(b)
	n, err := io.ReadFull(r, b)
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != ed25519.SeedSize {
		return nil, fmt.Errorf("couldn't open the key: the sealed file does not hold %d bytes", ed25519.SeedSize)
	}
	return newKey(secret.From(b[:n])), nil
}

// lent shows a buffer as the string that age asks for, without a copy of our own.
// age copies it; the string must not outlive the buffer.
func lent(b *secret.Buffer) string {
	return unsafe.String(unsafe.SliceData(b.Bytes()), b.Len())
}

// normal writes a passphrase in one way: small letters, one blank between words.
func normal(passphrase *secret.Buffer) *secret.Buffer {
	words := secret.New(passphrase.Len())
	gap := false
	for _, c := range passphrase.Bytes() {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			gap = words.Len() > 0
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		// It has room: nothing is written that was not read.
		if gap {
			must(words.Append(' '))
			gap = false
		}
		must(words.Append(c))
	}
	return words
}

func must(err error) {
	if err != nil {
		panic("signoff: " + err.Error())
	}
}

// Key is an opened private key. It belongs to one goroutine; whoever has it wipes
// it.
type Key struct {
	seed   *secret.Buffer
	public ed25519.PublicKey
}

// NewCeremonyKey makes a key that is never stored.
func NewCeremonyKey() (*Key, error) {
	seed, err := secret.Random(ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("couldn't draw a ceremony key: %w", err)
	}
	return newKey(seed), nil
}

// newKey owns seed.
func newKey(seed *secret.Buffer) *Key {
	private := ed25519.NewKeyFromSeed(seed.Bytes())
	defer clear(private)
	return &Key{seed: seed, public: bytes.Clone(private[ed25519.SeedSize:])}
}

// Public gives the public half, after Wipe too.
func (k *Key) Public() ed25519.PublicKey { return bytes.Clone(k.public) }

// Sign signs a [Message]. A wiped key panics: nobody may mistake that for a
// signature.
func (k *Key) Sign(message []byte) []byte {
	if k.seed.Len() == 0 {
		panic("signoff: the key is wiped")
	}
	// On the heap for the length of one signature: the standard library tracks
	// private keys by pointer and knows Go's own memory only.
	private := ed25519.NewKeyFromSeed(k.seed.Bytes())
	defer clear(private)
	return ed25519.Sign(private, message)
}

// Wipe forgets the private half.
func (k *Key) Wipe() { k.seed.Wipe() }

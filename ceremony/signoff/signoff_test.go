package signoff_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"claviger/assets"
	"claviger/ceremony/signoff"
	"claviger/hsm/secret"
)

func hold(t *testing.T, s string) *secret.Buffer {
	b := secret.From([]byte(s))
	t.Cleanup(b.Wipe)
	return b
}

const phrase = "gently unfasten crisped outsell moocher yo-yo"

func makeKey(t *testing.T) (ed25519.PublicKey, []byte) {
	t.Helper()
	public, sealed, err := signoff.Make(hold(t, phrase), signoff.PracticeWork, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, sealed
}

func open(t *testing.T, sealed []byte, as string) *signoff.Key {
	t.Helper()
	key, err := signoff.Open(sealed, hold(t, as))
	if err != nil {
		t.Fatalf("couldn't open with %q: %v", as, err)
	}
	t.Cleanup(key.Wipe)
	return key
}

func TestEnrolledKeySigns(t *testing.T) {
	public, sealed := makeKey(t)
	key := open(t, sealed, phrase)
	message := signoff.Message(signoff.SignOff, []byte(`{"act":"step"}`))
	if !bytes.Equal(key.Public(), public) || !ed25519.Verify(public, message, key.Sign(message)) {
		t.Error("the opened key is not the one that was made")
	}
}

// As people type: capitals, two blanks, a blank at the end, a line's end.
func TestPassphraseAsTyped(t *testing.T) {
	_, sealed := makeKey(t)
	for _, as := range []string{strings.ToUpper(phrase), "  " + strings.ReplaceAll(phrase, " ", "  ") + " ", phrase + "\r\n", strings.ReplaceAll(phrase, " ", "\t")} {
		open(t, sealed, as)
	}
}

func TestWrongPassphrase(t *testing.T) {
	_, sealed := makeKey(t)
	for _, as := range []string{"", " ", strings.ReplaceAll(phrase, " ", ""), phrase + " zoom", phrase[:len(phrase)-1], "unfasten gently crisped outsell moocher yo-yo"} {
		key, err := signoff.Open(sealed, hold(t, as))
		if !errors.Is(err, signoff.ErrPassphrase) || key != nil {
			t.Errorf("%q gave %v", as, err)
		}
	}
}

// A damaged file is no wrong passphrase: typing again would not help. Damage in
// the part that holds the file key cannot be told from a wrong passphrase.
func TestDamagedFile(t *testing.T) {
	_, sealed := makeKey(t)
	recipient, err := age.NewScryptRecipient(phrase)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(signoff.PracticeWork)
	pair, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"empty":       nil,
		"cut":         sealed[:len(sealed)-1],
		"last byte":   flip(sealed, len(sealed)-1),
		"first byte":  flip(sealed, 0),
		"longer":      append(bytes.Clone(sealed), 0),
		"33 bytes":    encrypt(t, 33, recipient),
		"31 bytes":    encrypt(t, 31, recipient),
		"nothing":     encrypt(t, 0, recipient),
		"other kind":  encrypt(t, 32, pair.Recipient()),
		"work factor": bytes.Replace(sealed, []byte(" 2\n"), []byte(" 30\n"), 1),
	} {
		key, err := signoff.Open(file, hold(t, phrase))
		if err == nil || errors.Is(err, signoff.ErrPassphrase) || key != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

func encrypt(t *testing.T, n int, to age.Recipient) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whoever lost this program opens the file with age itself.
func TestSealedFileIsPlainAge(t *testing.T) {
	public, sealed := makeKey(t)
	identity, err := age.NewScryptIdentity(phrase)
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), public) {
		t.Error("the file holds another key")
	}
	if !bytes.Contains(sealed, []byte(" 2\n")) {
		t.Error("the work factor does not stand in the file")
	}
}

func TestMakeRefuses(t *testing.T) {
	for name, make := range map[string]func() error{
		"no passphrase": func() error {
			_, _, err := signoff.Make(hold(t, " "), signoff.PracticeWork, rand.Reader)
			return err
		},
		"no randomness": func() error {
			_, _, err := signoff.Make(hold(t, phrase), signoff.PracticeWork, strings.NewReader("too short"))
			return err
		},
		"work factor too low": func() error {
			_, _, err := signoff.Make(hold(t, phrase), signoff.PracticeWork-1, rand.Reader)
			return err
		},
		"work factor that no one could open": func() error {
			_, _, err := signoff.Make(hold(t, phrase), 31, rand.Reader)
			return err
		},
	} {
		if make() == nil {
			t.Errorf("%s: a key was made", name)
		}
	}
}

// A signature for one purpose is none for another, whatever the content.
func TestPurposesDoNotMix(t *testing.T) {
	key, err := signoff.NewCeremonyKey()
	if err != nil {
		t.Fatal(err)
	}
	defer key.Wipe()
	purposes := []string{signoff.SignOff, signoff.Enrolment, signoff.CeremonyKey, signoff.Order, signoff.Custody}
	for _, given := range purposes {
		signature := key.Sign(signoff.Message(given, []byte("{}")))
		for _, asked := range purposes {
			if ok := ed25519.Verify(key.Public(), signoff.Message(asked, []byte("{}")), signature); ok != (given == asked) {
				t.Errorf("signed for %q, asked for %q: %v", given, asked, ok)
			}
		}
	}
	if got := signoff.Message(signoff.Order, []byte("{}")); string(got) != "claviger order v1\n{}" {
		t.Errorf("signed bytes are %q", got)
	}
}

func TestCeremonyKeysDiffer(t *testing.T) {
	a, err := signoff.NewCeremonyKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := signoff.NewCeremonyKey()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Public(), b.Public()) {
		t.Error("two ceremony keys are one")
	}
	public := a.Public()
	a.Wipe()
	b.Wipe()
	if !bytes.Equal(a.Public(), public) {
		t.Error("a wiped key lost its public half")
	}
	defer func() {
		if recover() == nil {
			t.Error("a wiped key signed")
		}
	}()
	a.Sign(nil)
}

func TestSessionPIN(t *testing.T) {
	key, err := signoff.NewCeremonyKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signoff.Lock(key, hold(t, "123"), signoff.PracticeWork); err == nil {
		t.Error("a PIN of three characters locked the key")
	}
	locked, err := signoff.Lock(key, hold(t, "4711"), signoff.PINWork)
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Wipe()
	message := signoff.Message(signoff.SignOff, []byte("{}"))
	for _, pin := range []string{"", "4712", "47110", "471"} {
		if s, err := locked.Sign(hold(t, pin), message); !errors.Is(err, signoff.ErrPIN) || s != nil {
			t.Errorf("PIN %q: %v", pin, err)
		}
	}
	s, err := locked.Sign(hold(t, "4711"), message)
	if err != nil || !ed25519.Verify(locked.Public(), message, s) {
		t.Errorf("the right PIN does not sign: %v", err)
	}
}

func TestPassphraseIsSixWordsOfTheList(t *testing.T) {
	words := assets.PassphraseWords()
	seen := map[string]bool{}
	for range 200 {
		p, err := signoff.Passphrase(words)
		if err != nil {
			t.Fatal(err)
		}
		drawn := strings.Split(string(p.Bytes()), " ")
		p.Wipe()
		if len(drawn) != signoff.Words {
			t.Fatalf("%d words", len(drawn))
		}
		for _, w := range drawn {
			if !slices.Contains(words, w) {
				t.Fatalf("a word is not of the list")
			}
			seen[w] = true
		}
	}
	// Of 1200 draws from 7776 words some 1110 differ; below 1000 the draw is not
	// even (the chance of that is beyond one in 10^20).
	if len(seen) < 1000 {
		t.Errorf("only %d different words in 1200", len(seen))
	}
	if _, err := signoff.Passphrase(words[:100]); err == nil {
		t.Error("a passphrase was drawn from 100 words")
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	seed := strings.Repeat("\xAB", ed25519.SeedSize)
	_, sealed, err := signoff.Make(hold(t, phrase), signoff.PracticeWork, strings.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	key := open(t, sealed, phrase)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		out := strings.ToLower(fmt.Sprintf(verb, key))
		if strings.Contains(out, "abab") || strings.Contains(out, "\xab\xab") || strings.Contains(out, "171 171") || strings.Contains(out, "0xab, 0xab") {
			t.Errorf("%s prints the seed", verb)
		}
	}
}

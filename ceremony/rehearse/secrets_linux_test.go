package rehearse

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
)

// hunted is a secret that the memory is searched for, in a page of its own.
type hunted struct {
	what string
	of   *secret.Buffer
}

// part copies some of a secret's bytes into a page of their own.
func part(t *testing.T, b []byte) *secret.Buffer {
	t.Helper()
	out := secret.New(len(b))
	t.Cleanup(out.Wipe)
	if err := out.Append(b...); err != nil {
		t.Fatal(err)
	}
	return out
}

// shareOf decodes what a card says in small letters, and gives its share: what
// follows the header of eight bytes, as long as vault/shamir makes it.
func shareOf(t *testing.T, small *secret.Buffer) *secret.Buffer {
	t.Helper()
	out := secret.New(share.SecretLen + 1)
	t.Cleanup(out.Wipe)
	bits, have, at := 0, 0, 0
	for _, b := range small.Bytes()[len("kp1"):] {
		bits, have = bits<<5|strings.IndexByte(share.Alphabet, b), have+5
		if have < 8 {
			continue
		}
		have -= 8
		if at >= 8 && out.Len() < out.Cap() {
			if err := out.Append(byte(bits >> have)); err != nil {
				t.Fatal(err)
			}
		}
		at, bits = at+1, bits&(1<<have-1)
	}
	return out
}

// secretsOf reads what the practice custodians wrote down and derives all that comes
// of it; what is not hunted is wiped again.
func secretsOf(t *testing.T, s *Site, known *ceremony.Set) []hunted {
	t.Helper()
	set := share.Set{K: known.Body.Threshold, N: known.Body.Count, Fingerprints: make([][32]byte, known.Body.Count)}
	if _, err := hex.Decode(set.ID[:], []byte(known.Body.Set)); err != nil {
		t.Fatal(err)
	}
	if _, err := hex.Decode(set.Commitment[:], []byte(known.Body.Commitment)); err != nil {
		t.Fatal(err)
	}
	c := share.NewCollector(set)
	defer c.Wipe()
	var out []hunted
	for _, card := range known.Body.Cards {
		text, err := s.Prop.get(card.Holder + "." + strings.ReplaceAll(known.Body.Name, " ", "-") + ".card")
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := share.ParseCard(text, true)
		if err != nil {
			t.Fatal(err)
		}
		// The header is in the record; what follows is the custodian's alone. Groups
		// of four with and without their spaces, in both sizes of letters.
		letters := secret.New(text.Len())
		small := secret.New(text.Len())
		t.Cleanup(letters.Wipe)
		t.Cleanup(small.Wipe)
		for _, b := range text.Bytes() {
			if b != ' ' {
				err = errors.Join(err, letters.Append(b), small.Append(b|0x20))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("%s card %d", known.Body.Purpose, card.Index)
		out = append(out,
			hunted{what + " as written", part(t, text.Bytes()[text.Len()/2:])},
			hunted{what + " without spaces", part(t, letters.Bytes()[letters.Len()/2:])},
			hunted{what + " in small letters", part(t, small.Bytes()[small.Len()/2:])},
			hunted{what + "'s share", shareOf(t, small)})
		text.Wipe()
		letters.Wipe()
		small.Wipe()
		set.Fingerprints[card.Index-1] = parsed.Fingerprint()
		if c.Need() == 0 {
			parsed.Wipe()
		} else if err := c.Add(parsed); err != nil {
			t.Fatal(err)
		}
	}
	S, err := c.Combine()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(S.Wipe)
	out = append(out, hunted{known.Body.Purpose + " secret", S})
	derive := func(what string, of *secret.Buffer, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(of.Wipe)
		out = append(out, hunted{what, of})
	}
	for _, serial := range slices.Sorted(maps.Keys(s.State().Tokens)) {
		if known.Body.Purpose == ceremony.Activation {
			pin, err := share.UserPIN(S, serial, known.Body.PINLength)
			derive("user PIN of "+serial, pin, err)
			continue
		}
		pin, err := share.SOPIN(S, serial, known.Body.PINLength)
		derive("security officer's PIN of "+serial, pin, err)
	}
	if known.Body.Purpose == ceremony.Activation {
		return out
	}
	key, err := share.WrappingKey(S)
	derive("wrapping key", key, err)
	return out
}

// TestNoShareStaysBehind hands out two sets, opens the token with their cards and
// backs a key up, then looks for every share, card, secret, PIN and wrapping key in
// the memory of the process that did it. The practice cast writes cards into files
// and keeps none; no window is open, whose toolkit draws what it shows.
func TestNoShareStaysBehind(t *testing.T) {
	if !hsmtest.Undisturbed(t) {
		return
	}
	s, _ := openSite(t, setting(filepath.Join(t.TempDir(), "site"), nil))
	err := s.Begin(t.Context(), source(t, opening), nil)
	if err == nil {
		err = s.provide(t.Context(), "recovery-drill")
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []hunted
	for _, as := range []string{"user", "so"} {
		all = append(all, secretsOf(t, s, s.State().SetFor(s.Token(), as))...)
	}
	runtime.GC()
	// A copy that is there is found: else the hunt would prove nothing.
	planted := strings.Clone(string(all[0].of.Bytes()))
	for i, h := range all {
		n, err := hsmtest.Copies(os.Getpid(), h.of)
		switch {
		case err != nil:
			t.Fatal(err)
		case i == 0 && n == 0:
			t.Error("a copy that was planted was not found")
		case i > 0 && n != 0:
			t.Errorf("%s (%d bytes) stands %d times in the memory of this process", h.what, h.of.Len(), n)
		}
	}
	runtime.KeepAlive(planted)
	if hsmtest.Proof() && !t.Failed() {
		fmt.Printf("PROOF: shares: two sets handed out, used and a key backed up; %d cards, shares, secrets, PINs and keys looked for in the memory of the process that did it: no copy left\n", len(all)-1)
	}
}

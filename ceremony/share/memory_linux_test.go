package share_test

import (
	"os"
	"testing"

	"claviger/ceremony/share"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
)

// TestNoCopyStaysBehind does with one secret all that this package can do, and
// looks for it, for what comes of it and for a share before anything else could
// write over the memory that was freed. A first round lets the stack grow: when Go
// moves one, what stood there stays (SECURITY.md says so).
func TestNoCopyStaysBehind(t *testing.T) {
	if !hsmtest.Undisturbed(t) {
		return
	}
	looking := false
	made := func(b *secret.Buffer, err error) *secret.Buffer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Wipe)
		return b
	}
	gone := func(what string, b *secret.Buffer) {
		t.Helper()
		if !looking {
			return
		}
		if n, err := hsmtest.Copies(os.Getpid(), b); err != nil || n != 0 {
			t.Errorf("%s stands %d times in memory, %v", what, n, err)
		}
	}
	for range 2 {
		token, system := made(secret.Random(share.SecretLen)), made(secret.Random(share.SecretLen))
		S := made(share.NewSecret(token, system))
		gone("the token's part", token)
		gone("the secret as it was made", S)
		pin := made(share.UserPIN(S, "4711", 48))
		gone("the user PIN", pin)
		gone("the security officer's PIN", made(share.SOPIN(S, "4711", 48)))
		key := made(share.WrappingKey(S))
		if _, err := share.CheckValue(key); err != nil {
			t.Fatal(err)
		}
		gone("the wrapping key", key)
		set, cards, err := share.Split(S, 2, 3, true)
		if err != nil {
			t.Fatal(err)
		}
		gone("the secret that was split", S)
		c := share.NewCollector(set)
		t.Cleanup(c.Wipe)
		var texts []*secret.Buffer
		for _, card := range cards {
			text := secret.New(share.TextLen)
			t.Cleanup(text.Wipe)
			if err := card.Text(text); err != nil {
				t.Fatal(err)
			}
			gone("a card's text", text)
			texts = append(texts, text)
			card.Wipe()
		}
		for i, text := range texts[:2] {
			card, err := share.ParseCard(text, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Add(card); err != nil {
				t.Fatal(err)
			}
			gone("a card that was typed", text)
			if i == 0 {
				continue
			}
			S.Wipe()
			gone("the secret that was rebuilt", made(c.Combine()))
		}
		looking = true
	}
}

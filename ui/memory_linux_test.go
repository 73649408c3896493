package ui

import (
	"context"
	"os"
	"testing"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
	"claviger/ui/flow"
)

// A card and a passphrase, typed into the window and answered with, stand once in
// this process's memory while they are typed, in the entry's own locked page, and
// not at all when the engine has wiped what it got.
func TestNothingTypedStaysBehind(t *testing.T) {
	if !hsmtest.Undisturbed(t) {
		return
	}
	S, err := secret.Random(share.SecretLen)
	if err != nil {
		t.Fatal(err)
	}
	defer S.Wipe()
	set, cards, err := share.Split(S, 2, 3, true)
	if err != nil {
		t.Fatal(err)
	}
	defer share.Wipe(cards...)
	printed := wiped(t, secret.New(share.TextLen))
	if err := cards[1].Text(printed); err != nil {
		t.Fatal(err)
	}
	card := without(t, printed, ' ')
	random, err := secret.Random(48)
	if err != nil {
		t.Fatal(err)
	}
	defer random.Wipe()
	passphrase := wiped(t, secret.New(48))
	for _, b := range random.Bytes() {
		if err := passphrase.Append('a' + b%26); err != nil {
			t.Fatal(err)
		}
	}
	stands := func(when, what string, b *secret.Buffer, want int) {
		t.Helper()
		if n, err := hsmtest.Copies(os.Getpid(), b); err != nil || n != want {
			t.Errorf("%s: %s stands %d times in memory, want %d (%v)", when, what, n, want, err)
		}
	}
	// As the window draws text, a rune takes four bytes; there it never stands.
	drawn := func(when, what string, b *secret.Buffer) {
		t.Helper()
		runes := secret.New(4 * b.Len())
		defer runes.Wipe()
		for _, c := range b.Bytes() {
			if err := runes.Append(c, 0, 0, 0); err != nil {
				t.Fatal(err)
			}
		}
		stands(when, what+" in runes", runes, 0)
	}
	type entry struct {
		prompt ceremony.Prompt
		title  string
		typed  *secret.Buffer
	}
	entries := []entry{
		{ceremony.Prompt{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: marta}, "passphrase", passphrase},
		{ceremony.Prompt{Kind: ceremony.AskCard, Step: "open", Who: farah, Card: ceremony.CardPrompt{Set: set.Name(), Index: 2, K: 2, N: 3, Prefix: "KP1"}}, "card", card},
	}
	p := &play{snapshot: practiceSite()}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		for _, e := range entries {
			a, err := room.Ask(ctx, e.prompt)
			if err != nil {
				return flow.Finished{}, err
			}
			if !a.Secret.Equal(e.typed) {
				t.Errorf("the %s that was typed did not come", e.title)
			}
			a.Secret.Wipe()
		}
		return flow.Finished{Status: "sealed"}, nil
	}
	d := open(t, p)
	d.shell.witness.toggle()
	d.start()
	for _, e := range entries {
		d.until(e.title)
		for _, c := range e.typed.Bytes() {
			d.now = d.now.Add(person)
			d.shell.Window().Canvas().Focused().TypedRune(rune(c))
		}
		d.shell.Window().Canvas().Capture()
		stands("typed and drawn", "the "+e.title, e.typed, 1)
		drawn("typed and drawn", "the "+e.title, e.typed)
		d.press(fyne.KeyReturn)
	}
	d.until("done")
	for _, e := range entries {
		stands("answered", "the "+e.title, e.typed, 0)
		drawn("answered", "the "+e.title, e.typed)
	}
	stands("answered", "the card in groups", printed, 0)
}

// wiped is b, until the test ends.
func wiped(t *testing.T, b *secret.Buffer) *secret.Buffer {
	t.Cleanup(b.Wipe)
	return b
}

// without is b without c.
func without(t *testing.T, b *secret.Buffer, c byte) *secret.Buffer {
	t.Helper()
	out := wiped(t, secret.New(b.Len()))
	for _, x := range b.Bytes() {
		if x == c {
			continue
		}
		if err := out.Append(x); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

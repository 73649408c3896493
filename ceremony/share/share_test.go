package share_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony/share"
	"claviger/hsm/secret"
)

func hold(t *testing.T, s string) *secret.Buffer {
	t.Helper()
	b := secret.From([]byte(s))
	t.Cleanup(b.Wipe)
	return b
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func random(t *testing.T) *secret.Buffer {
	t.Helper()
	b, err := secret.Random(share.SecretLen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Wipe)
	return b
}

func split(t *testing.T, k, n int, practice bool) (*secret.Buffer, share.Set, []*share.Card) {
	t.Helper()
	S := random(t)
	set, cards, err := share.Split(S, k, n, practice)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { share.Wipe(cards...) })
	return S, set, cards
}

func text(t *testing.T, c *share.Card) string {
	t.Helper()
	b := secret.New(share.TextLen)
	defer b.Wipe()
	if err := c.Text(b); err != nil {
		t.Fatal(err)
	}
	return string(b.Bytes())
}

func parse(t *testing.T, s string, practice bool) *share.Card {
	t.Helper()
	c, err := share.ParseCard(hold(t, s), practice)
	if err != nil {
		t.Fatalf("couldn't parse a card: %v", err)
	}
	t.Cleanup(c.Wipe)
	return c
}

func wantFault(t *testing.T, what string, err error, want share.Fault) *share.Error {
	t.Helper()
	var e *share.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: %v, want the fault %q", what, err, want)
		return &share.Error{}
	}
	if e.Fault != want {
		t.Errorf("%s: %q (%v), want the fault %q", what, e.Fault, e, want)
	}
	return e
}

type vectors struct {
	Sets []struct {
		Practice           bool
		K, N               int
		Set, Name          string
		Token, System      string
		Secret, Commitment string
		Cards              []string
		Fingerprints       []string
		Serial             string
		UserPIN            string `json:"user-pin"`
		UserPINOf32        string `json:"user-pin-of-32"`
		SOPIN              string `json:"so-pin"`
		WrappingKey        string `json:"wrapping-key"`
	}
	Refused []struct {
		Fault  share.Fault
		Groups []int
		Text   string
	}
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	b, err := os.ReadFile("../../testdata/shares/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The vectors were made by testdata/shares/shares.py, which shares no code with
// this package. They never change: cards are kept for ten years.
func TestVectors(t *testing.T) {
	for _, v := range readVectors(t).Sets {
		t.Run(v.Name, func(t *testing.T) {
			S, err := share.NewSecret(secret.From(unhex(t, v.Token)), secret.From(unhex(t, v.System)))
			if err != nil {
				t.Fatal(err)
			}
			equalHex(t, "S", S.Bytes(), v.Secret)
			set := share.Set{ID: [4]byte(unhex(t, v.Set)), K: v.K, N: v.N, Commitment: [32]byte(unhex(t, v.Commitment))}
			for _, f := range v.Fingerprints {
				set.Fingerprints = append(set.Fingerprints, [32]byte(unhex(t, f)))
			}
			if set.Name() != v.Name {
				t.Errorf("the set is called %s, want %s", set.Name(), v.Name)
			}
			var cards []*share.Card
			for i, written := range v.Cards {
				c := parse(t, written, v.Practice)
				if c.Set != set.ID || c.K != v.K || c.N != v.N || c.Index != i+1 || c.Practice != v.Practice {
					t.Errorf("card %d is read as %d of %d, any %d", i+1, c.Index, c.N, c.K)
				}
				if got := text(t, c); got != written {
					t.Errorf("card %d is written %s, want %s", i+1, got, written)
				}
				cards = append(cards, c)
			}
			if err := share.CheckAll(set, cards); err != nil {
				t.Error(err)
			}
			collected := collect(t, set, cards[v.N-v.K:])
			if !collected.Equal(S) {
				t.Error("the cards give another secret")
			}
			checkDerived(t, S, v.Serial, v.UserPIN, v.UserPINOf32, v.SOPIN, v.WrappingKey)
		})
	}
}

func checkDerived(t *testing.T, S *secret.Buffer, serial, user, user32, so, key string) {
	t.Helper()
	for _, d := range []struct {
		name string
		make func() (*secret.Buffer, error)
		want string
	}{
		{"user PIN", func() (*secret.Buffer, error) { return share.UserPIN(S, serial, 255) }, user},
		{"user PIN without the serial's blanks", func() (*secret.Buffer, error) { return share.UserPIN(S, strings.TrimRight(serial, " "), 48) }, user},
		{"user PIN of 32", func() (*secret.Buffer, error) { return share.UserPIN(S, serial, 32) }, user32},
		{"SO PIN", func() (*secret.Buffer, error) { return share.SOPIN(S, serial, 255) }, so},
		{"wrapping key", func() (*secret.Buffer, error) { return share.WrappingKey(S) }, string(unhex(t, key))},
	} {
		b, err := d.make()
		if err != nil {
			t.Errorf("%s: %v", d.name, err)
			continue
		}
		if string(b.Bytes()) != d.want {
			t.Errorf("%s differs from the vector", d.name)
		}
		b.Wipe()
	}
}

func equalHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("%s differs from the vector", what)
	}
}

func collect(t *testing.T, set share.Set, cards []*share.Card) *secret.Buffer {
	t.Helper()
	c := share.NewCollector(set)
	for i, card := range cards {
		if c.Need() != set.K-i {
			t.Errorf("%d cards are needed after %d of %d", c.Need(), i, set.K)
		}
		if err := c.Add(card); err != nil {
			t.Fatal(err)
		}
	}
	S, err := c.Combine()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(S.Wipe)
	return S
}

func TestRefusedTexts(t *testing.T) {
	said := map[share.Fault]string{}
	for i, v := range readVectors(t).Refused {
		card, err := share.ParseCard(hold(t, v.Text), false)
		e := wantFault(t, fmt.Sprintf("refused %d", i), err, v.Fault)
		if card != nil {
			t.Errorf("refused %d: a card was given", i)
		}
		if v.Groups != nil && !slices.Equal(e.Groups, v.Groups) {
			t.Errorf("refused %d: groups %v, want %v (%v)", i, e.Groups, v.Groups, e)
		}
		said[v.Fault] = e.Why
	}
	// Each in its own words.
	if words := slices.Sorted(mapValues(said)); len(slices.Compact(words)) != len(said) {
		t.Errorf("two faults are told alike: %q", words)
	}
}

func mapValues(m map[share.Fault]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// A practice card's prefix is covered by its checksum, so it cannot pass for a
// real one with the prefix written over or left out, nor the other way about.
func TestPracticeAndReal(t *testing.T) {
	_, _, real := split(t, 2, 3, false)
	_, _, practice := split(t, 2, 3, true)
	for _, c := range []struct {
		text     string
		practice bool
		want     share.Fault
	}{
		{text(t, practice[0]), false, share.Practice},
		{text(t, practice[0])[3:], false, share.Practice},
		{text(t, real[0]), true, share.Real},
		{text(t, real[0])[3:], true, share.Real},
		{"KC1" + text(t, practice[0])[3:], false, share.Practice},
	} {
		_, err := share.ParseCard(hold(t, c.text), c.practice)
		wantFault(t, "other site", err, c.want)
		if _, _, err := share.ParseHeader(hold(t, "kp1"), false); err == nil {
			t.Error("the beginning of a practice card passed")
		}
	}
}

func TestForgivenWriting(t *testing.T) {
	_, _, cards := split(t, 2, 3, false)
	written := text(t, cards[1])
	for _, as := range []string{
		strings.ToLower(written),
		strings.ReplaceAll(written, " ", ""),
		strings.ReplaceAll(written, " ", "-"),
		written[4:],
		written + "\r\n",
		strings.ReplaceAll(written, " ", "\t"),
		strings.ToLower(written[:20]) + written[20:],
		"K C1" + written[3:],
	} {
		if c := parse(t, as, false); c.Fingerprint() != cards[1].Fingerprint() {
			t.Errorf("%d letters are read as another card", len(as))
		}
	}
}

// The first of the two demands: nothing wrong is taken, and a single
// wrong letter or swap is located to its group.
func TestEverySingleErrorIsLocated(t *testing.T) {
	_, _, cards := split(t, 3, 5, false)
	letters := []byte(strings.ToLower(strings.ReplaceAll(text(t, cards[2]), " ", "")))[3:]
	swaps := 0
	for i := range letters {
		checkSubstitutions(t, letters, i)
		if i+1 < len(letters) && letters[i] != letters[i+1] {
			checkSwap(t, letters, i)
			swaps++
		}
	}
	proof("a card of a 3-of-5 set: each of %d wrong letters and %d swaps of neighbours is refused and located to its group", len(letters)*(len(share.Alphabet)-1), swaps)
}

// proof prints what was counted, for make proof.
func proof(format string, args ...any) {
	if os.Getenv("CLAVIGER_PROOF") == "1" {
		fmt.Printf("PROOF: shares: "+format+"\n", args...)
	}
}

func checkSubstitutions(t *testing.T, letters []byte, i int) {
	t.Helper()
	was := letters[i]
	defer func() { letters[i] = was }()
	for _, char := range []byte(share.Alphabet) {
		if char == was {
			continue
		}
		letters[i] = char
		wrong := hold(t, string(letters))
		if share.FitsTestOnly(wrong, false) {
			t.Fatalf("a wrong letter at %d was taken", i)
		}
		_, err := share.ParseCard(wrong, false)
		if e := wantFault(t, "wrong letter", err, share.Checksum); !slices.Equal(e.Groups, []int{i/4 + 1}) {
			t.Fatalf("a wrong letter at %d is located to groups %v", i, e.Groups)
		}
	}
}

func checkSwap(t *testing.T, letters []byte, i int) {
	t.Helper()
	letters[i], letters[i+1] = letters[i+1], letters[i]
	_, err := share.ParseCard(hold(t, string(letters)), false)
	letters[i], letters[i+1] = letters[i+1], letters[i]
	want := slices.Compact([]int{i/4 + 1, (i+1)/4 + 1})
	if e := wantFault(t, "swap", err, share.Checksum); !slices.Equal(e.Groups, want) {
		t.Fatalf("a swap at %d is located to groups %v, want %v", i, e.Groups, want)
	}
}

// Of 100 000 texts with two to twelve wrong letters none is taken.
func TestRandomErrors(t *testing.T) {
	_, _, cards := split(t, 3, 5, false)
	letters := []byte(strings.ToLower(strings.ReplaceAll(text(t, cards[0]), " ", "")))[3:]
	rng := rand.New(rand.NewPCG(6, 1))
	b := secret.New(len(letters))
	defer b.Wipe()
	const errors = 100_000
	for wrong := 0; wrong < errors; {
		b.Reset()
		if err := b.Append(letters...); err != nil {
			t.Fatal(err)
		}
		for range 2 + rng.IntN(11) {
			b.Bytes()[rng.IntN(len(letters))] = share.Alphabet[rng.IntN(32)]
		}
		if string(b.Bytes()) == string(letters) {
			continue
		}
		if wrong++; share.FitsTestOnly(b, false) {
			t.Fatalf("error %d: a wrong text was taken", wrong)
		}
	}
	proof("of %d texts of a 3-of-5 set's card with two to twelve random errors none was taken", errors)
}

func TestSeveralWrongLetters(t *testing.T) {
	_, _, cards := split(t, 2, 3, false)
	letters := []byte(strings.ReplaceAll(text(t, cards[0]), " ", ""))
	letters[10], letters[40] = other(letters[10]), other(letters[40])
	_, err := share.ParseCard(hold(t, string(letters)), false)
	if e := wantFault(t, "two wrong letters", err, share.Checksum); e.Groups != nil {
		t.Errorf("two wrong letters are located to groups %v", e.Groups)
	}
}

func other(c byte) byte {
	if c == 'Q' {
		return 'P'
	}
	return 'Q'
}

// What a refusal says may be shown and written down: it repeats nothing of the
// card.
func TestRefusalsTellNoLetters(t *testing.T) {
	_, _, cards := split(t, 2, 3, false)
	_, otherSet, _ := split(t, 2, 3, false)
	letters := []byte(strings.ReplaceAll(text(t, cards[0]), " ", ""))
	letters[30] = other(letters[30])
	_, wrong := share.ParseCard(hold(t, string(letters)), false)
	for _, err := range []error{wrong, share.NewCollector(otherSet).Add(cards[0])} {
		for g := 5; g <= 18; g++ {
			if group := string(letters[3+4*(g-1):][:4]); strings.Contains(strings.ToUpper(err.Error()), group) {
				t.Errorf("%q repeats group %d", err, g)
			}
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", cards[0], cards[0], *cards[0]); strings.Contains(s, fmt.Sprint(share.ShareTestOnly(cards[0])[:4])) {
		t.Error("a printed card shows its share")
	}
}

func TestHeaderWhileTyping(t *testing.T) {
	_, set, cards := split(t, 3, 5, false)
	c := share.NewCollector(set)
	written := text(t, cards[3])
	for n := range len(written) + 1 {
		h, known, err := share.ParseHeader(hold(t, written[:n]), false)
		if err != nil {
			t.Fatalf("after %d characters: %v", n, err)
		}
		if enough := n >= len("KC1 QQQQ QQQQ QQQQ Q"); known != enough {
			t.Fatalf("after %d characters the header is known: %v", n, known)
		}
		if !known {
			continue
		}
		if want := (share.Header{Set: set.ID, K: 3, N: 5, Index: 4}); h != want {
			t.Fatalf("the header is %+v, want %+v", h, want)
		}
		if err := c.CheckHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := share.ParseHeader(hold(t, "KC1 QYPZ 4XNR QQQQ QQQQ"), false)
	wantFault(t, "any 0 of 0", err, share.Numbers)
	_, _, err = share.ParseHeader(hold(t, "KC1 PYPZ 4XNR QQQQ QQQQ"), false)
	wantFault(t, "version 9", err, share.Version)
}

func TestCollectorRefuses(t *testing.T) {
	_, set, cards := split(t, 3, 5, false)
	_, _, foreign := split(t, 3, 5, false)
	foreignNamed := share.CardTestOnly(set, 2, share.ShareTestOnly(foreign[1]))
	zero := share.ShareTestOnly(cards[1])
	zero[32] = 0
	flipped := share.ShareTestOnly(cards[1])
	flipped[7] ^= 0x10
	shape := set
	shape.K = 2
	for _, c := range []struct {
		name string
		card *share.Card
		want share.Fault
	}{
		{"a card of another set", foreign[1], share.OtherSet},
		{"a doubled card", cards[0], share.Duplicate},
		{"the same number, typed again", parse(t, text(t, cards[0]), false), share.Duplicate},
		{"x = 0", share.CardTestOnly(set, 2, zero), share.ZeroX},
		{"one bit of the share", share.CardTestOnly(set, 2, flipped), share.Forged},
		{"another set's share under this set's name", foreignNamed, share.Forged},
		{"another card's share", share.CardTestOnly(set, 2, share.ShareTestOnly(cards[2])), share.Forged},
		{"another k", share.CardTestOnly(shape, 2, share.ShareTestOnly(cards[1])), share.OtherShape},
		{"number 0", share.CardTestOnly(set, 0, share.ShareTestOnly(cards[1])), share.Numbers},
		{"number 6", share.CardTestOnly(set, 6, share.ShareTestOnly(cards[1])), share.Numbers},
	} {
		collector := share.NewCollector(set)
		for _, good := range []*share.Card{cards[0], cards[3]} {
			if err := collector.Add(good); err != nil {
				t.Fatal(err)
			}
		}
		wantFault(t, c.name, collector.Add(c.card), c.want)
		// Nothing is combined with a card that was refused.
		S, err := collector.Combine()
		wantFault(t, c.name+", combined", err, share.TooFew)
		if S != nil {
			t.Errorf("%s: a secret was given", c.name)
		}
	}
}

// Each is refused in its own words, after two good cards of three; and what would
// combine them is never asked.
func TestNothingIsCombinedWithAWrongCard(t *testing.T) {
	_, set, cards := split(t, 3, 5, false)
	_, _, foreign := split(t, 3, 5, false)
	_, _, practice := split(t, 3, 5, true)
	S := random(t)
	_, old, err := share.Split(S, 3, 5, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { share.Wipe(old...) })
	zero := share.ShareTestOnly(cards[1])
	zero[32] = 0
	bech32 := ""
	for _, v := range readVectors(t).Refused {
		if v.Fault == share.Bech32 {
			bech32 = v.Text
		}
	}
	if bech32 == "" {
		t.Fatal("no vector is a bech32 string")
	}
	said := map[string]string{}
	for _, c := range []struct {
		name, text string
		want       share.Fault
	}{
		{"a share of another set", text(t, foreign[1]), share.OtherSet},
		{"a doubled index", text(t, cards[0]), share.Duplicate},
		{"too few", "", share.TooFew},
		{"a forged fingerprint", text(t, share.CardTestOnly(set, 2, share.ShareTestOnly(cards[2]))), share.Forged},
		{"x = 0", text(t, share.CardTestOnly(set, 2, zero)), share.ZeroX},
		{"a bech32 string, not bech32m", bech32, share.Bech32},
		{"a practice card on a real site", text(t, practice[1]), share.Practice},
	} {
		collector := share.NewCollector(set)
		collector.WatchTestOnly(func() { t.Errorf("%s: cards were combined", c.name) })
		for _, good := range []*share.Card{cards[0], cards[3]} {
			if err := collector.Add(good); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if c.text == "" {
			_, err = collector.Combine()
		} else if card, why := share.ParseCard(hold(t, c.text), false); why != nil {
			err = why
		} else {
			t.Cleanup(card.Wipe)
			err = collector.Add(card)
		}
		e := wantFault(t, c.name, err, c.want)
		if other, twice := said[e.Why]; twice {
			t.Errorf("%s and %s are told alike: %q", c.name, other, e.Why)
		}
		said[e.Why] = c.name
		if _, err := collector.Combine(); err == nil {
			t.Errorf("%s: a secret was given", c.name)
		}
	}
	// A card of the old set after a change is one of another set: both names are said.
	collector := share.NewCollector(set)
	collector.WatchTestOnly(func() { t.Error("a card of the old set: cards were combined") })
	e := wantFault(t, "a card of the old set", collector.Add(old[1]), share.OtherSet)
	if !strings.Contains(e.Why, set.Name()) || !strings.Contains(e.Why, share.Name(old[1].Set)) {
		t.Errorf("a card of the old set is told as %q", e.Why)
	}
	// And with good cards only, what was watched is what combines.
	combined := 0
	collector = share.NewCollector(set)
	collector.WatchTestOnly(func() { combined++ })
	for _, card := range cards[:3] {
		if err := collector.Add(card); err != nil {
			t.Fatal(err)
		}
	}
	got, err := collector.Combine()
	if err != nil || combined != 1 {
		t.Fatalf("three good cards: combined %d times, %v", combined, err)
	}
	got.Wipe()
}

// The library would take each of these and give another secret without a word.
func TestEveryBitOfAShare(t *testing.T) {
	_, set, cards := split(t, 2, 3, false)
	c := share.NewCollector(set)
	part := share.ShareTestOnly(cards[0])
	for bit := range 8 * len(part) {
		part[bit/8] ^= 1 << (bit % 8)
		if err := c.Add(share.CardTestOnly(set, 1, bytes.Clone(part))); err == nil {
			t.Fatalf("a share with bit %d turned was taken", bit)
		}
		part[bit/8] ^= 1 << (bit % 8)
	}
	if err := c.Add(share.CardTestOnly(set, 1, part)); err != nil {
		t.Error(err)
	}
}

func TestWipedCard(t *testing.T) {
	_, set, cards := split(t, 2, 3, false)
	cards[1].Wipe()
	wantFault(t, "a wiped card", share.NewCollector(set).Add(cards[1]), share.Length)
	b := secret.New(share.TextLen)
	defer b.Wipe()
	if err := cards[1].Text(b); err == nil || b.Len() != 0 {
		t.Error("a wiped card was written")
	}
	if err := cards[0].Text(secret.New(20)); !errors.Is(err, secret.ErrFull) {
		t.Errorf("written into too small a buffer: %v", err)
	}
}

func TestFourthCardOfThree(t *testing.T) {
	_, set, cards := split(t, 3, 5, false)
	c := share.NewCollector(set)
	for _, card := range cards[:3] {
		if err := c.Add(card); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, "a fourth card", c.Add(cards[4]), share.TooMany)
	c.Wipe()
	if c.Need() != 3 {
		t.Errorf("%d cards are needed after Wipe", c.Need())
	}
}

// After custodians changed, the old cards belong to a set that is not asked for.
func TestCardOfTheOldSet(t *testing.T) {
	S, _, old := split(t, 2, 3, false)
	set, _, err := share.Split(S, 2, 3, false)
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, "an old card", share.NewCollector(set).Add(old[0]), share.OtherSet)
}

// A record whose fingerprints are right and whose commitment is not: what comes
// out is never given.
func TestCommitment(t *testing.T) {
	_, set, cards := split(t, 2, 3, false)
	set.Commitment[31] ^= 1
	c := share.NewCollector(set)
	for _, card := range cards[:2] {
		if err := c.Add(card); err != nil {
			t.Fatal(err)
		}
	}
	S, err := c.Combine()
	wantFault(t, "another commitment", err, share.WrongSecret)
	if S != nil {
		t.Error("a secret was given")
	}
	wantFault(t, "another commitment, all", share.CheckAll(set, cards), share.WrongSecret)
}

// For k and n from 2 to 8: every k cards give the secret, every k-1 are refused.
func TestEverySubset(t *testing.T) {
	subsets := 0
	for n := 2; n <= 8; n++ {
		for k := 2; k <= n; k++ {
			S, set, cards := split(t, k, n, true)
			for mask := range 1 << n {
				checkSubset(t, S, set, cards, mask)
				subsets++
			}
		}
	}
	proof("k and n over 2..8: all %d subsets of cards; each of k rebuilds, each smaller one is refused, no card beyond k is taken", subsets)
}

func checkSubset(t *testing.T, S *secret.Buffer, set share.Set, cards []*share.Card, mask int) {
	t.Helper()
	c := share.NewCollector(set)
	count := 0
	for i, card := range cards {
		if mask>>i&1 == 1 {
			count++
			if err := c.Add(card); (err == nil) != (count <= set.K) {
				t.Fatalf("%d of %d, cards %b: %v", set.K, set.N, mask, err)
			}
		}
	}
	got, err := c.Combine()
	switch {
	case count < set.K:
		wantFault(t, fmt.Sprintf("%d of %d, cards %b", set.K, set.N, mask), err, share.TooFew)
	case err != nil || !got.Equal(S):
		t.Fatalf("%d of %d, cards %b do not give the secret: %v", set.K, set.N, mask, err)
	default:
		got.Wipe()
	}
}

func TestCheckAllWantsEveryCard(t *testing.T) {
	_, set, cards := split(t, 2, 3, false)
	wantFault(t, "two of three", share.CheckAll(set, cards[:2]), share.TooFew)
	wantFault(t, "one twice", share.CheckAll(set, []*share.Card{cards[0], cards[0], cards[2]}), share.Duplicate)
	_, _, foreign := split(t, 2, 3, false)
	wantFault(t, "a foreign one", share.CheckAll(set, []*share.Card{cards[0], foreign[1], cards[2]}), share.OtherSet)
	if err := share.CheckAll(set, cards); err != nil {
		t.Error(err)
	}
}

func TestSplitRefuses(t *testing.T) {
	S := random(t)
	for _, kn := range [][2]int{{1, 3}, {0, 0}, {4, 3}, {2, 17}, {2, 1}, {-1, 3}} {
		if _, _, err := share.Split(S, kn[0], kn[1], false); err == nil {
			t.Errorf("any %d of %d cards were made", kn[0], kn[1])
		}
	}
	if _, _, err := share.Split(hold(t, "a PIN"), 2, 3, false); err == nil {
		t.Error("a secret of five bytes was split")
	}
}

// Two splits of one secret are two sets: an id is never used again, nor a share.
func TestSetsDiffer(t *testing.T) {
	S := random(t)
	a, cardsA, err := share.Split(S, 2, 3, false)
	if err != nil {
		t.Fatal(err)
	}
	b, cardsB, err := share.Split(S, 2, 3, false)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID == b.ID || a.Commitment == b.Commitment || text(t, cardsA[0])[12:] == text(t, cardsB[0])[12:] {
		t.Error("two sets share something")
	}
}

func TestNewSecretRefuses(t *testing.T) {
	for name, pair := range map[string][2]string{
		"a short token":  {"0123456789", strings.Repeat("ab", 16)},
		"a short system": {strings.Repeat("ab", 16), ""},
		"a stuck token":  {strings.Repeat("\x00", 32), strings.Repeat("ab", 16)},
		"a stuck system": {strings.Repeat("ab", 16), strings.Repeat("\xff", 32)},
	} {
		if _, err := share.NewSecret(hold(t, pair[0]), hold(t, pair[1])); err == nil {
			t.Errorf("%s: a secret was made", name)
		}
	}
}

func TestPINsDiffer(t *testing.T) {
	S := random(t)
	seen := map[[32]byte]bool{}
	for _, serial := range []string{"7700 4312", "77004312", "77004313"} {
		for _, make := range []func(*secret.Buffer, string, int) (*secret.Buffer, error){share.UserPIN, share.SOPIN} {
			p, err := make(S, serial, 255)
			if err != nil {
				t.Fatal(err)
			}
			if p.Len() != 48 || seen[sha256.Sum256(p.Bytes())] {
				t.Errorf("the PIN of %q has %d characters or stands twice", serial, p.Len())
			}
			seen[sha256.Sum256(p.Bytes())] = true
			p.Wipe()
		}
	}
	if _, err := share.UserPIN(S, "77004312", 8); err == nil || !strings.Contains(err.Error(), "77004312") {
		t.Errorf("a PIN of 8 characters: %v", err)
	}
}

// TestVectorsAreThoseOfTheOtherProgram: what the other language makes today is, byte
// for byte, what this package is held against.
func TestVectorsAreThoseOfTheOtherProgram(t *testing.T) {
	made, err := exec.Command("python3", "../../testdata/shares/shares.py", "vectors").Output()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("../../testdata/shares/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, kept) {
		t.Error("shares.py makes other vectors than v1.json: one of the two was changed, and cards are kept for ten years")
	}
}

// Ten years later, without this program: python3 and the recipe.
func TestRecoverWithoutClaviger(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is not installed; make test installs it")
	}
	S, _, cards := split(t, 3, 5, true)
	cmd := exec.Command(python, "../../testdata/shares/shares.py", "recover", "77004312", "48")
	cmd.Stdin = strings.NewReader(text(t, cards[4]) + "\n" + strings.ToLower(text(t, cards[0])) + "\n" + text(t, cards[2]) + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 4 || lines[0] != hex.EncodeToString(S.Bytes()) {
		t.Fatal("the recipe gives another secret")
	}
	checkDerived(t, S, "77004312", lines[1], lines[1][:32], lines[2], lines[3])
}

func FuzzParseCard(f *testing.F) {
	f.Add("KC1 Q9SW MWKA QGPS ZTVU JP3Z K345 ZXAL CH7S F85X 8JME 8PCF ARVD YRST 0SME WKT0 GLXZ ZU36 WE9W", false)
	f.Add("kp1", true)
	f.Add("\xff\x00 1", false)
	f.Fuzz(func(t *testing.T, s string, practice bool) {
		b := secret.From([]byte(s))
		defer b.Wipe()
		_, _, headerErr := share.ParseHeader(b, practice)
		c, err := share.ParseCard(b, practice)
		if err != nil {
			var e *share.Error
			if !errors.As(err, &e) || e.Why == "" {
				t.Fatalf("the refusal %v has no words", err)
			}
			return
		}
		defer c.Wipe()
		if headerErr != nil {
			t.Fatalf("the card is good, its header is not: %v", headerErr)
		}
		if got, want := strings.Fields(text(t, c)), c.Practice; want != practice || len(got) != 19 {
			t.Fatal("the card does not write itself")
		}
	})
}

package flow

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm/secret"
)

// bech32 is the alphabet of BIP 173, as cards print it: without 1, B, I and O.
const bech32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"

const (
	cardGroups = 18
	groupSize  = 4
)

func newCardAsk(c ceremony.CardPrompt, practice bool) CardAsk {
	a := CardAsk{Prefix: strings.ToUpper(c.Prefix), Alphabet: bech32, Groups: cardGroups, Got: len(c.Entered), Need: c.K, Words: c.Words, ask: c, practice: practice}
	for _, prefix := range []string{"KC1", "KP1"} {
		if prefix != a.Prefix {
			a.Others = append(a.Others, prefix)
		}
	}
	a.Set = fmt.Sprintf(textCardSetCard, c.Set, c.Index, c.N)
	switch {
	case c.ReadBack:
		a.Set += textTypedBackProveWrittenDown
		a.Need = 0
	case c.Opens != "":
		a.Set += fmt.Sprintf(textAnyOpen, c.K, c.Opens)
	}
	return a
}

// CardState is how far a card is.
type CardState struct {
	OK   bool
	Bad  []int  // groups that do not fit, from 1
	Say  string // "" while there is nothing to say
	Tone Tone
}

// Check looks at the code typed so far: an empty place is a zero byte. Set and
// index are told as soon as they are there, the checksum at the end. It tells
// where a letter does not fit, never which one would.
func (a CardAsk) Check(code *secret.Buffer) CardState {
	live := code.Bytes()
	n := bytes.IndexByte(live, 0)
	if n < 0 {
		n = len(live)
	}
	typed := secret.New(max(n, 1))
	defer typed.Wipe()
	if typed.Append(live[:n]...) != nil {
		return CardState{}
	}
	var state CardState
	if h, known, err := share.ParseHeader(typed, a.practice); known || err != nil {
		if st, ok := a.header(h, err); !ok {
			return st
		}
		state = CardState{Say: fmt.Sprintf(textCardSetAnyThemTogether, h.Index, h.N, share.Name(h.Set), h.K), Tone: Info}
	}
	if n < len(live) {
		return state
	}
	card, err := share.ParseCard(typed, a.practice)
	if err != nil {
		return refused(err)
	}
	card.Wipe()
	return CardState{OK: true, Say: textAll18GroupsFit, Tone: Good}
}

func (a CardAsk) header(h share.Header, err error) (CardState, bool) {
	switch {
	case err != nil:
		return refused(err), false
	case a.ask.Old[ceremony.CardItemName(h.Index, share.Name(h.Set))] != nil:
		return CardState{Bad: []int{1, 2}, Say: a.ask.Old[ceremony.CardItemName(h.Index, share.Name(h.Set))].Error(), Tone: Bad}, false
	case a.ask.Set != "" && share.Name(h.Set) != a.ask.Set:
		return CardState{Bad: []int{1, 2}, Say: fmt.Sprintf(textCardSetStepNeedsSet, share.Name(h.Set), a.ask.Set), Tone: Bad}, false
	case slices.Contains(a.ask.Entered, h.Index):
		return CardState{Say: fmt.Sprintf(textCardEnteredAlready, h.Index), Tone: Bad}, false
	case a.ask.Index > 0 && h.Index != a.ask.Index:
		return CardState{Say: fmt.Sprintf(textCardCardAsked, h.Index, a.ask.Index), Tone: Bad}, false
	}
	return CardState{}, true
}

func refused(err error) CardState {
	st := CardState{Say: capital(err.Error()), Tone: Bad}
	if fault := (*share.Error)(nil); errors.As(err, &fault) {
		st.Bad = fault.Groups
	}
	if !strings.HasSuffix(st.Say, ".") {
		st.Say += "."
	}
	return st
}

// Short says which group has too few letters.
func (CardAsk) Short(group, missing int) string {
	return fmt.Sprintf(textGroupShort, group, count(missing, textLetter))
}

// Refused says why a letter is not taken.
func (CardAsk) Refused(r rune) string {
	return fmt.Sprintf(textNotUsedCardsNoCard, string(r))
}

// OtherPrefix says what begins like another sort of card.
func (a CardAsk) OtherPrefix(prefix string) string {
	if a.practice {
		return fmt.Sprintf(textCardBeginsRealOneMust, prefix, a.Prefix)
	}
	return fmt.Sprintf(textCardBeginsPracticeCardsBegin, prefix, a.Prefix)
}

package flow

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/share"
)

// Kinds of things in custody, the first part of a row's ID.
const (
	aSet   = "set "
	anItem = "item "
	aToken = "token "
)

// NewCustody lists what people hold: share sets, and everything in a numbered
// bag.
func NewCustody(r Record) Table {
	s := r.State
	t := Table{Title: InCustody, One: textThingCustody, Many: textThingsCustody,
		Columns: []Column{{textWhat, 3}, {textKind, 1.5}, {textWith, 2.6}, {textBag, 1.8}, {textState, 1.6}},
		First:   textNothingCustodyYetCardsBags}
	due := setsDue(s)
	for _, id := range sorted(s.Sets) {
		b := s.Sets[id].Body
		state, tone := setState(s, s.Sets[id], due[id])
		t.Rows = append(t.Rows, Row{ID: aSet + id, Cells: []Cell{
			{Kind: Name, Text: setCalled(b), Below: fmt.Sprintf(textAny, b.Threshold, b.Count)}, {Text: fmt.Sprintf(textXSet, capital(b.Purpose))},
			{Text: calledAll(s, holders(b))}, {Text: textOneCard}, {Kind: Chip, Text: state, Tone: tone}}})
	}
	for _, name := range sorted(s.Items) {
		it := s.Items[name]
		state, tone := itemState(it)
		t.Rows = append(t.Rows, Row{ID: anItem + name, Cells: []Cell{
			{Kind: Name, Text: capital(name), Below: it.Place}, {Text: itemKind(it)}, {Text: called(s, it.Holder)}, {Text: it.Bag}, {Kind: Chip, Text: state, Tone: tone}}})
	}
	for _, serial := range sorted(s.Tokens) {
		b := s.Tokens[serial].Body
		t.Rows = append(t.Rows, Row{ID: aToken + serial, Cells: []Cell{
			{Kind: Name, Text: b.Label, Below: fmt.Sprintf(textSerialNumber, serial)}, {Text: textHSM}, {Text: notRecorded}, {Text: said("", bagOf(s, serial)).Value}, {Kind: Chip, Text: textEnrolled, Tone: Good}}})
	}
	return t
}

// setCalled is how a set is called by what it consists of.
func setCalled(b ceremony.SetIssued) string {
	switch b.Device {
	case ceremony.QuorumCards:
		return fmt.Sprintf(textQuorumCardsSet, setName(b.Set))
	case ceremony.PINParts:
		return fmt.Sprintf(textPINPartsSet, setName(b.Set))
	}
	return fmt.Sprintf(textCardSet, setName(b.Set))
}

func setName(id string) string {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != 4 {
		return id
	}
	return share.Name([4]byte(raw))
}

func holders(b ceremony.SetIssued) []string {
	var out []string
	for _, c := range b.Cards {
		if !slices.Contains(out, c.Holder) {
			out = append(out, c.Holder)
		}
	}
	return out
}

// setsDue are the sets that ask something of people, by their ids.
func setsDue(s *ceremony.State) map[string]ceremony.SetDue {
	out := map[string]ceremony.SetDue{}
	for _, d := range s.SetsDue() {
		out[d.Set.Body.Set] = d
	}
	return out
}

// setState is what a set is good for now, in words; due is what it asks of people.
func setState(s *ceremony.State, set *ceremony.Set, due ceremony.SetDue) (string, Tone) {
	switch {
	case set.Withdrawn && len(due.Unaccounted) > 0:
		return textChangeKey, Bad
	case set.Withdrawn && due.Needed:
		return textStillOpensBackup, Waiting
	case set.Withdrawn:
		return textWithdrawn, Neutral
	case len(due.Unaccounted) > 0:
		return textMustChanged, Bad
	case len(opens(s, set)) == 0:
		return textOpensNoHSMYet, Info
	case len(s.Unaccounted(set)) > 0:
		return textCardMissing, Waiting
	}
	return textUse, Good
}

// opens lists the tokens whose PIN comes from a set now, wherever it was issued.
func opens(s *ceremony.State, set *ceremony.Set) []string {
	return slices.DeleteFunc(sorted(s.Tokens), func(serial string) bool {
		t := s.Tokens[serial]
		return t.UserSet != set.Body.Set && t.SOSet != set.Body.Set
	})
}

// bagOf is the bag that a token went into when the last ceremony on it ended.
func bagOf(s *ceremony.State, serial string) string {
	for i := len(s.Ceremonies) - 1; i >= 0; i-- {
		p := s.Ceremonies[i]
		if p.Token != serial && p.Second.Serial != serial {
			continue
		}
		if p.Token != serial || p.Status != ceremony.SealedStatus {
			return ""
		}
		for _, st := range p.Plan.Steps() {
			if st.Kind != ceremony.ClosingBagsStep || p.Steps[st.ID] == nil {
				continue
			}
			for _, l := range p.Steps[st.ID].Facts {
				if l.Label == ceremony.ClosingBag("HSM") {
					return l.Value
				}
			}
		}
		return ""
	}
	return ""
}

// itemState is where an item is, in words.
func itemState(it *ceremony.Item) (string, Tone) {
	switch it.State {
	case ceremony.InCustody:
		return textInItsBag, Good
	case ceremony.OutOfBag:
		return textOutBag, Waiting
	case ceremony.Lost:
		return textLost, Bad
	}
	return capital(it.State), Neutral
}

func itemKind(it *ceremony.Item) string {
	if it.Kind == ceremony.HSMItem {
		return "HSM"
	}
	return capital(it.Kind)
}

// NewCustodyDetail is a set, an item or an HSM.
func NewCustodyDetail(r Record, id string) (Detail, bool) {
	s := r.State
	switch {
	case strings.HasPrefix(id, aSet):
		return setDetail(s, strings.TrimPrefix(id, aSet))
	case strings.HasPrefix(id, anItem):
		return itemDetail(s, strings.TrimPrefix(id, anItem))
	case strings.HasPrefix(id, aToken):
		return tokenDetail(s, strings.TrimPrefix(id, aToken))
	}
	return Detail{}, false
}

func setDetail(s *ceremony.State, id string) (Detail, bool) {
	set := s.Sets[id]
	if set == nil {
		return Detail{}, false
	}
	b := set.Body
	d := Detail{Kicker: textShareSet, Title: setCalled(b), Text: fmt.Sprintf(textAnyCardsRebuildOneSecret, b.Threshold, b.Count)}
	if b.Made() {
		d.Kicker, d.Text = textOpensDevice, fmt.Sprintf(textAnyPartsOpenDeviceOwn, b.Threshold, b.Count)
	}
	due, asks := setsDue(s)[id]
	d.State, d.Tone = setState(s, set, due)
	if asks {
		asked := Group{Title: textAsks}
		for _, text := range setDue(due) {
			asked.Facts = append(asked.Facts, Fact{Value: text.Text})
		}
		d.Groups = append(d.Groups, asked)
	}
	opened := Fact{Label: textOpensTokens, Value: textNone}
	if now := opens(s, set); len(now) > 0 {
		opened = code(opened.Label, strings.Join(now, ", "))
	}
	d.Groups = append(d.Groups, Group{Title: textWhatItIs, Facts: []Fact{
		code(textSet, setName(id)), said(textPurpose, b.Purpose), said(textThreshold, fmt.Sprintf(textAny, b.Threshold, b.Count)),
		opened, code(textIssued, strings.Join(b.Serials, ", ")), said(textLengthPINMakes, countOrNone(b.PINLength, textCharacter))}})
	if !b.Made() {
		d.Groups[len(d.Groups)-1].Hashes = []Hash{inWordsToo(textCommitmentSecret, b.Commitment)}
	}
	cards := Group{Title: textCards}
	for _, c := range b.Cards {
		value := fmt.Sprintf(textXBagX, called(s, c.Holder), notRecorded)
		if it := s.Items[cardName(b, c.Index)]; it != nil {
			state, _ := itemState(it)
			value = fmt.Sprintf(textXBagXX, called(s, it.Holder), it.Bag, lower(state))
			d.Refs = append(d.Refs, Ref{InCustody, anItem + it.Name, capital(it.Name)})
		}
		if raw, err := hex.DecodeString(c.Fingerprint); err == nil && len(raw) > 0 {
			value += fmt.Sprintf(textFingerprint, saidInWords(raw, 5))
		}
		cards.Facts = append(cards.Facts, Fact{Label: fmt.Sprintf(textXN, capital(b.ItemKind()), c.Index), Value: value})
	}
	d.Groups = append(d.Groups, cards)
	d.Names = append(named(id, set.Leaf.String(), b.Intent.String()), fmt.Sprintf(textOfSetX, setName(id)))
	return d, true
}

func countOrNone(n int, what string) string {
	if n == 0 {
		return ""
	}
	return count(n, what)
}

func cardName(b ceremony.SetIssued, index int) string {
	b.Name = setName(b.Set)
	return b.CardName(index)
}

func itemDetail(s *ceremony.State, name string) (Detail, bool) {
	it := s.Items[name]
	if it == nil {
		return Detail{}, false
	}
	d := Detail{Kicker: itemKind(it), Title: capital(name), Names: named(name), Refs: []Ref{{InPeople, it.Holder, called(s, it.Holder)}}}
	d.State, d.Tone = itemState(it)
	where := Group{Title: textWhereItIs, Facts: []Fact{code(textBag, it.Bag), said(textWith, called(s, it.Holder)), said(textKeptStated, it.Place), said(textEveryoneWhoEverHeld, calledAll(s, it.Holders))}}
	if it.Holds != "" {
		where.Facts = append(where.Facts, code(textHoldsWrappedBackupSHA256, fours(it.Holds)))
	}
	if set := s.Sets[it.Set]; set != nil {
		d.Refs = append(d.Refs, Ref{InCustody, aSet + it.Set, setCalled(set.Body)})
	}
	d.Groups = []Group{where}
	return d, true
}

func tokenDetail(s *ceremony.State, serial string) (Detail, bool) {
	t := s.Tokens[serial]
	if t == nil {
		return Detail{}, false
	}
	d := Detail{Kicker: textHSM, Title: t.Body.Label, State: textEnrolled, Tone: Good, Groups: []Group{{Title: textWhatItIs, Facts: product(s, serial)}}, Names: named(serial)}
	if t.AtPad() {
		d.Groups[0].Facts = append(d.Groups[0].Facts, said(textOpenedOwnPadStated, fmt.Sprintf(textNoPINKnownHere, t.Body.ProtectedPath)))
	}
	cards := Group{Title: textWhoseCardsOpen, Facts: []Fact{said(textUserPIN, anyOf(s.SetFor(serial, "user"))), said(textSecurityOfficersPIN, anyOf(s.SetFor(serial, "so"))), said(textBagAfterLastCeremony, bagOf(s, serial))}}
	for _, set := range []*ceremony.Set{s.SetFor(serial, "user"), s.SetFor(serial, "so")} {
		if set != nil {
			d.Refs = append(d.Refs, Ref{InCustody, aSet + set.Body.Set, setCalled(set.Body)})
		}
	}
	keys := Group{Title: textKeys}
	for _, id := range sorted(s.Keys) {
		k := s.Keys[id]
		for _, c := range k.Copies {
			if c.Form != ceremony.ModuleForm || c.Where != serial {
				continue
			}
			value := ceremony.AlgorithmName(k.Body.Algorithm) + " · " + keyState(k)
			if k.Body.Serial != serial {
				value += textRestored
			}
			if c.State != ceremony.CopyKept {
				value += fmt.Sprintf(textHere, c.State)
			}
			keys.Facts = append(keys.Facts, Fact{Label: k.Body.Label, Value: value})
			d.Refs = append(d.Refs, Ref{InKeys, id, k.Body.Label})
		}
	}
	for _, k := range s.LedgerKeys {
		if k.Body.Serial == serial {
			keys.Facts = append(keys.Facts, Fact{Label: k.Body.Label, Value: fmt.Sprintf(textSignsLedgersCheckpoints, ceremony.AlgorithmName(k.Body.Algorithm))})
		}
	}
	if len(keys.Facts) == 0 {
		keys.Facts = []Fact{{Value: textNoneRecordKnows}}
	}
	d.Groups = append(d.Groups, cards, keys)
	return d, true
}

// anyOf names the cards of a set that open something together, "" without one.
func anyOf(set *ceremony.Set) string {
	if set == nil {
		return ""
	}
	what := textCardsLower
	if set.Body.Made() {
		what = set.Body.Device
	}
	return fmt.Sprintf(textAnySet, set.Body.Threshold, set.Body.Count, what, setName(set.Body.Set))
}

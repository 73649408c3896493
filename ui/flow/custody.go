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
	t := Table{Title: InCustody, One: "thing in custody", Many: "things in custody",
		Columns: []Column{{"What", 3}, {"Kind", 1.5}, {"With", 2.6}, {"Bag", 1.8}, {"State", 1.6}},
		First:   "Nothing is in custody yet. Cards, bags and HSMs stand here once the site was opened in its first ceremony."}
	for _, id := range sorted(s.Sets) {
		set := s.Sets[id]
		b := set.Body
		state, tone := setState(s, set)
		t.Rows = append(t.Rows, Row{ID: aSet + id, Cells: []Cell{
			{Kind: Name, Text: setCalled(b), Below: fmt.Sprintf("any %d of %d", b.Threshold, b.Count)}, {Text: capital(b.Purpose) + " set"},
			{Text: calledAll(s, holders(b))}, {Text: "one a card"}, {Kind: Chip, Text: state, Tone: tone}}})
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
			{Kind: Name, Text: b.Label, Below: "serial number " + serial}, {Text: "HSM"}, {Text: notRecorded}, {Text: notRecorded}, {Kind: Chip, Text: "Enrolled", Tone: Good}}})
	}
	return t
}

// setCalled is how a set is called by what it consists of.
func setCalled(b ceremony.SetIssued) string {
	switch b.Device {
	case ceremony.QuorumCards:
		return "Quorum cards, set " + setName(b.Set)
	case ceremony.PINParts:
		return "PIN in parts, set " + setName(b.Set)
	}
	return "Card set " + setName(b.Set)
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

func setState(s *ceremony.State, set *ceremony.Set) (string, Tone) { return "In use", Good }

// itemState is where an item is, in words.
func itemState(it *ceremony.Item) (string, Tone) {
	switch it.State {
	case ceremony.InCustody:
		return "In its bag", Good
	case ceremony.OutOfBag:
		return "Out of its bag", Waiting
	case ceremony.Lost:
		return "Lost", Bad
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
	d := Detail{Kicker: "Share set", Title: setCalled(b), Text: fmt.Sprintf("Any %d of its %d cards rebuild one secret of 32 bytes. Fewer tell nothing about it.", b.Threshold, b.Count)}
	if b.Made() {
		d.Kicker, d.Text = "What opens a device", fmt.Sprintf("Any %d of its %d parts open the device at its own pad, as stated. The device made them; nothing of them is known here.", b.Threshold, b.Count)
	}
	d.State, d.Tone = setState(s, set)
	d.Groups = append(d.Groups, Group{Title: "What it is", Facts: []Fact{
		code("Set", setName(id)), said("Purpose", b.Purpose), said("Threshold", fmt.Sprintf("any %d of %d", b.Threshold, b.Count)),
		code("Opens the tokens", strings.Join(b.Serials, ", ")), said("Length of the PIN it makes", countOrNone(b.PINLength, "character"))},
	})
	if !b.Made() {
		d.Groups[0].Hashes = []Hash{inWordsToo("Commitment to the secret", b.Commitment)}
	}
	cards := Group{Title: "Its cards"}
	for _, c := range b.Cards {
		value := called(s, c.Holder) + " · bag " + notRecorded
		if it := s.Items[cardName(b, c.Index)]; it != nil {
			state, _ := itemState(it)
			value = called(s, it.Holder) + " · bag " + it.Bag + " · " + lower(state)
			d.Refs = append(d.Refs, Ref{InCustody, anItem + it.Name, capital(it.Name)})
		}
		if raw, err := hex.DecodeString(c.Fingerprint); err == nil && len(raw) > 0 {
			value += "\nfingerprint " + saidInWords(raw, 5)
		}
		cards.Facts = append(cards.Facts, Fact{Label: fmt.Sprintf("%s %d", capital(b.ItemKind()), c.Index), Value: value})
	}
	d.Groups = append(d.Groups, cards)
	d.Names = append(named(id, set.Leaf.String(), b.Intent.String()), "of set "+setName(id))
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
	where := Group{Title: "Where it is", Facts: []Fact{code("Bag", it.Bag), said("With", called(s, it.Holder)), said("Kept at, as stated", it.Place), said("Everyone who ever held it", calledAll(s, it.Holders))}}
	if it.Holds != "" {
		where.Facts = append(where.Facts, code("Holds the wrapped backup (SHA-256)", fours(it.Holds)))
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
	d := Detail{Kicker: "HSM", Title: t.Body.Label, State: "Enrolled", Tone: Good, Groups: []Group{{Title: "What it is", Facts: product(s, serial)}}, Names: named(serial)}
	if t.AtPad() {
		d.Groups[0].Facts = append(d.Groups[0].Facts, said("Opened at its own pad, as stated", "by "+t.Body.ProtectedPath+"; no PIN of it is known here"))
	}
	keys := Group{Title: "Keys made in it"}
	for _, id := range sorted(s.Keys) {
		if k := s.Keys[id]; k.Body.Serial == serial {
			keys.Facts = append(keys.Facts, Fact{Label: k.Body.Label, Value: ceremony.AlgorithmName(k.Body.Algorithm) + " · " + keyState(k)})
			d.Refs = append(d.Refs, Ref{InKeys, id, k.Body.Label})
		}
	}
	for _, k := range s.LedgerKeys {
		if k.Body.Serial == serial {
			keys.Facts = append(keys.Facts, Fact{Label: k.Body.Label, Value: ceremony.AlgorithmName(k.Body.Algorithm) + " · signs this ledger's checkpoints"})
		}
	}
	if len(keys.Facts) == 0 {
		keys.Facts = []Fact{{Value: "none that this record knows"}}
	}
	d.Groups = append(d.Groups, keys)
	return d, true
}

package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// Custody of things: cards, vendor's quorum cards, safe keys, HSM, laptop and
// media, each with its bag and its holder for as long as it lives. A movement
// that no witness watched is refused (PCI PIN 26-1), and nobody ever holds as
// many cards of one set as open it, not even one after another (PCI PIN 8, 12).

// Kinds of items.
const (
	CardItem       = "card"
	QuorumCardItem = "quorum card" // that a device's maker provides
	PINPartItem    = "PIN part"    // written down by whom types it at a device
	SafeKeyItem    = "safe key"
	MediumItem     = "medium"
	HSMItem        = "hsm"
	LaptopItem     = "laptop"
)

// Where an item is.
const (
	InCustody = "in its bag"
	OutOfBag  = "out of its bag"
	Lost      = "lost"
	Gone      = "destroyed"
)

// ItemSealed is something put into a numbered bag: for the first time, or again
// after it was used.
type ItemSealed struct {
	Bag     string      `json:"bag"`
	Holds   string      `json:"holds"`  // SHA-256 of the wrapped backup on a medium
	Index   int         `json:"index"`  // of a card
	Intent  ledger.Hash `json:"intent"` // zeros where it goes back into a bag
	Item    string      `json:"item"`   // its name: "card 1 of set QYPZ 4XNR"
	Kind    string      `json:"kind"`
	Person  string      `json:"person"` // holds it
	Place   string      `json:"place"`  // where it is kept, as stated
	Set     string      `json:"set"`    // of a card
	Witness string      `json:"witness"`
}

// ItemOpened is an item taken out of its bag, whose number and seal were looked
// at first.
type ItemOpened struct {
	Bag     string `json:"bag"`
	Item    string `json:"item"`
	Person  string `json:"person"`
	Purpose string `json:"purpose"`
	Seal    string `json:"seal"` // intact, broken
	Witness string `json:"witness"`
}

// ItemMoved is an item that changes its holder or its place, in its bag.
type ItemMoved struct {
	Bag     string `json:"bag"`
	From    string `json:"from"`
	Item    string `json:"item"`
	Place   string `json:"place"`
	To      string `json:"to"`
	Witness string `json:"witness"`
}

// ItemChecked is an item looked at in its bag, or a card held against its
// fingerprint.
type ItemChecked struct {
	Bag     string `json:"bag"`
	Item    string `json:"item"`
	Method  string `json:"method"` // bag, card
	Person  string `json:"person"`
	Read    string `json:"read,omitzero"` // the number that was read from the bag itself
	Result  string `json:"result"`        // PASS, FAIL, UNKNOWN
	Witness string `json:"witness"`
}

// ItemLost is an item that cannot be accounted for: a word that nobody takes back,
// signed by its holder and by the witness who heard it; where the holder is not in
// the room, by a second person who is.
type ItemLost struct {
	How        string     `json:"how"` // as stated
	Item       string     `json:"item"`
	Person     string     `json:"person"`     // holds it
	Signatures []SignedBy `json:"signatures"` // claviger custody v1
	Witness    string     `json:"witness"`
}

// ItemDestroyed is the end of an item, by a method of NIST SP 800-88.
type ItemDestroyed struct {
	Category     string      `json:"category"` // clear, purge, destroy
	Evidence     string      `json:"evidence"` // as stated: SHA-256 of a photo, number of a certificate
	Intent       ledger.Hash `json:"intent"`   // zeros where the step needs none
	Item         string      `json:"item"`     // or the name of a copy that people told of
	Method       string      `json:"method"`   // as stated
	Person       string      `json:"person"`
	Result       string      `json:"result"`       // PASS, FAIL, UNKNOWN
	Tool         string      `json:"tool"`         // as stated
	Verification string      `json:"verification"` // how and by whom, as stated
	Witness      string      `json:"witness"`
}

// Verdicts of a check or of a destruction. Unknown is never a pass.
const (
	Pass         = "PASS"
	Fail         = "FAIL"
	UnknownIfAny = "UNKNOWN"
)

// Item is a thing in custody as far as the ledger tells it.
type Item struct {
	Name    string
	Kind    string
	Bag     string // the one it is in, or was in last
	Holder  string
	Place   string
	Set     string
	Index   int
	Holds   string
	State   string
	Holders []string // everyone who ever held it
	Leaf    ledger.Hash
	Seq     int64 // of the last record about it
}

// KnownItem restates an item in a context.
type KnownItem struct {
	Bag     string      `json:"bag"`
	Holder  string      `json:"holder"`
	Holders []string    `json:"holders"`
	Holds   string      `json:"holds"`
	Index   int         `json:"index"`
	Item    string      `json:"item"`
	Kind    string      `json:"kind"`
	Leaf    ledger.Hash `json:"leaf"` // of the last record about it
	Place   string      `json:"place"`
	Set     string      `json:"set"`
	State   string      `json:"state"`
}

// CardItemName is how a card is called everywhere.
func CardItemName(index int, set string) string {
	return fmt.Sprintf("card %d of set %s", index, set)
}

// custody judges a record about an item and moves the fold. The step's kind has
// judged it already.
func (s *State) custody(r *record) error {
	switch b := r.body.(type) {
	case *ItemSealed:
		return s.itemSealed(r, b)
	case *ItemOpened:
		it, err := s.item(r, b.Item, b.Person, b.Witness)
		switch {
		case err != nil:
			return err
		case it.State != InCustody || it.Bag != b.Bag:
			return r.refuse("custody.bag", "%s is in bag %s, %s, and bag %s was opened", it.Name, it.Bag, it.State, b.Bag)
		case b.Seal != "intact" && b.Seal != "broken":
			return r.refuse("custody.seal", "a seal is intact or broken, not %q", b.Seal)
		}
		it.State = OutOfBag
		s.Open.usedItems[it.Name] = true
		if b.Seal == "broken" {
			s.Open.brokenSeal = it.Name
		}
		it.touched(r)
	case *ItemMoved:
		it, err := s.item(r, b.Item, b.From, b.Witness)
		switch {
		case err != nil:
			return err
		case it.State != InCustody || it.Bag != b.Bag:
			return r.refuse("custody.bag", "%s moves in its bag, %s, and is %s", it.Name, it.Bag, it.State)
		case s.People[b.To] == nil:
			return r.refuse("person.unknown", "%s is not enrolled", b.To)
		case b.To == b.Witness:
			return r.refuse("custody.witness", "%s cannot watch a movement to %s", b.Witness, b.To)
		}
		if err := s.mayHold(r, it, b.To); err != nil {
			return err
		}
		it.Holder, it.Place = b.To, b.Place
		it.held(b.To)
		it.touched(r)
	case *ItemChecked:
		it, err := s.item(r, b.Item, b.Person, b.Witness)
		switch {
		case err != nil:
			return err
		case b.Method == "bag" && (it.State != InCustody || it.Bag != b.Bag):
			return r.refuse("custody.bag", "%s is in bag %s, %s, and bag %s was checked", it.Name, it.Bag, it.State, b.Bag)
		case !slices.Contains([]string{Pass, Fail, UnknownIfAny}, b.Result):
			return r.refuse("custody.result", "%q is neither PASS, FAIL nor UNKNOWN", b.Result)
		case b.Read != "" && bagNumber(b.Read) != bagNumber(b.Bag) && b.Result != Fail:
			return r.refuse("custody.result", "bag %s was read where the record has bag %s, and the check is called %s", b.Read, b.Bag, b.Result)
		}
		if b.Result == Fail && !slices.Contains(s.Open.failedChecks, it.Name) {
			s.Open.failedChecks = append(s.Open.failedChecks, it.Name)
		}
		it.touched(r)
	case *ItemLost:
		it, err := s.item(r, b.Item, b.Person, b.Witness)
		if err != nil {
			return err
		}
		if err := s.lostSigned(r, b); err != nil {
			return err
		}
		it.State = Lost
		it.touched(r)
		s.copyEnds(it.Name, CopyUnknown)
	case *ItemDestroyed:
		return s.itemDestroyed(r, b)
	}
	return nil
}

// lostSigned: a loss is the word of those who answer for the thing, not of whoever
// sits at the keyboard.
func (s *State) lostSigned(r *record, b *ItemLost) error {
	if _, err := s.signedBy(r, b.Signatures, func(site string) ([]byte, error) { return ItemLostMessage(*b, r.Ceremony, r.Prev, site) }); err != nil {
		return err
	}
	signed := map[string]bool{}
	for _, sg := range b.Signatures {
		if !s.Open.Present[sg.Person] || s.Open.Role(sg.Person) != sg.Role {
			return r.refuse("presence.absent", "%s is not here as %s", sg.Person, sg.Role)
		}
		signed[sg.Person] = true
	}
	for _, person := range s.LostSigners(b.Person, b.Witness) {
		if !signed[person.Person] {
			return r.refuse("custody.lost-unsigned", "%s did not sign that %s is lost", person.Person, b.Item)
		}
	}
	return nil
}

// LostSigners are those whose word a loss is: the holder and the witness; the
// administrator in the place of a holder who is not in the room.
func (s *State) LostSigners(holder, witness string) []Part {
	p := s.Open
	who := []string{holder, witness}
	if admins := p.InRole(script.Administrator); !p.Present[holder] && len(admins) > 0 {
		who[0] = admins[0]
	}
	var out []Part
	for _, person := range who {
		out = append(out, Part{Person: person, Role: p.Role(person)})
	}
	return out
}

// ItemLostMessage gives the bytes that those who answer for a lost thing sign.
func ItemLostMessage(b ItemLost, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	return bodyMessage(signoff.Custody, b, ceremony, prev, site)
}

func (s *State) itemSealed(r *record, b *ItemSealed) error {
	if b.Bag == "" {
		return r.refuse("custody.bag", "the bag of %s has no number", b.Item)
	}
	if used := s.Bagged(b.Bag); used != "" {
		return r.refuse("custody.bag-used", "bag %s was used for %s; a bag is used once", b.Bag, used)
	}
	if err := s.watched(r, b.Person, b.Witness); err != nil {
		return err
	}
	it := s.Items[b.Item]
	if it == nil {
		it = &Item{Name: b.Item, Kind: b.Kind, Set: b.Set, Index: b.Index, Holds: b.Holds}
		if err := s.firstBag(r, b); err != nil {
			return err
		}
		s.Items[b.Item] = it
		s.Open.items[b.Item] = true
	} else {
		switch {
		case !s.Open.items[b.Item]:
			return r.refuse("context.missing", "the context of this run does not restate %s", b.Item)
		case it.State != OutOfBag:
			return r.refuse("custody.bag", "%s is %s and cannot go into bag %s", it.Name, it.State, b.Bag)
		case it.Kind != b.Kind || it.Set != b.Set || it.Index != b.Index || it.Holder != b.Person:
			return r.refuse("custody.item", "%s is not what it was, or is held by another person", b.Item)
		}
	}
	if err := s.mayHold(r, it, b.Person); err != nil {
		return err
	}
	it.Bag, it.Holder, it.Place, it.State = b.Bag, b.Person, b.Place, InCustody
	s.bags[bagNumber(b.Bag)] = b.Item
	if b.Holds != "" {
		it.Holds = b.Holds
	}
	it.held(b.Person)
	it.touched(r)
	s.Open.Items = append(s.Open.Items, *b)
	return nil
}

func (s *State) itemDestroyed(r *record, b *ItemDestroyed) error {
	it, err := s.statedCopy(b.Item), s.watched(r, b.Person, b.Witness)
	if it == nil {
		it, err = s.item(r, b.Item, b.Person, b.Witness)
	}
	switch {
	case err != nil:
		return err
	case !slices.Contains([]string{"clear", "purge", "destroy"}, b.Category):
		return r.refuse("custody.category", "%q is neither clear, purge nor destroy (NIST SP 800-88)", b.Category)
	case !slices.Contains([]string{Pass, Fail, UnknownIfAny}, b.Result):
		return r.refuse("custody.result", "%q is neither PASS, FAIL nor UNKNOWN", b.Result)
	case b.Intent.IsZero() && s.onItem(it):
		return r.refuse("destroy.intent", "a copy of a key lies on %s: it ends in a ceremony that two officers authorise, and by a durable intent that names it", it.Name)
	}
	if it.Kind == CardItem {
		if s.inUse(it) {
			return r.refuse("set.in-use", "%s belongs to set %s, which is in use: change its custodians first", it.Name, s.Sets[it.Set].Body.Name)
		}
		if left := s.NeededFor(it.Set); len(left) > 0 {
			return r.refuse("set.still-wraps", "%s opens the wrapped backup of %s, which still exists", it.Name, Labels(left))
		}
	}
	it.touched(r)
	switch b.Result {
	case Pass:
		it.State = Gone
		s.copyEnds(it.Name, CopyDestroyed)
	case UnknownIfAny:
		s.copyEnds(it.Name, CopyUnknown)
	}
	return nil
}

// onItem says whether a copy of a key lies, or may lie, on an item.
func (s *State) onItem(it *Item) bool {
	if it.Holds != "" {
		return true
	}
	for _, k := range s.Keys {
		if slices.ContainsFunc(k.Copies, func(c Copy) bool { return c.Name == it.Name && c.State != CopyDestroyed }) {
			return true
		}
	}
	return false
}

// EndsInCustody says whether an item may be destroyed without more than its holder
// and a witness: no copy of a key lies on it, and it is no card by which a set that is
// in use, or a backup, is opened.
func (s *State) EndsInCustody(it *Item) bool {
	return !s.onItem(it) && (it.Kind != CardItem || !s.inUse(it) && len(s.NeededFor(it.Set)) == 0)
}

// inUse: the card's set was handed out, and no other has taken its place.
func (s *State) inUse(it *Item) bool {
	set := s.Sets[it.Set]
	return set != nil && !set.Withdrawn
}

// statedCopy is a copy of a key that people told of, as an item: it was never in
// custody here, and who destroys it has it in hand.
func (s *State) statedCopy(name string) *Item {
	if s.Items[name] != nil {
		return nil
	}
	for _, k := range s.keysNeeded(s.Open) {
		for _, c := range k.Copies {
			if c.Name == name && c.Stated && c.State != CopyDestroyed {
				return &Item{Name: name, Kind: c.Form}
			}
		}
	}
	return nil
}

// item finds what a record is about: an item that this run knows, in the hands
// of the person named, watched by a witness.
func (s *State) item(r *record, name, person, witness string) (*Item, error) {
	it := s.Items[name]
	switch {
	case it == nil:
		return nil, r.refuse("custody.unknown", "no %s is in custody here", name)
	case !s.Open.items[name]:
		return nil, r.refuse("context.missing", "the context of this run does not restate %s", name)
	case it.State == Gone:
		return nil, r.refuse("custody.gone", "%s was destroyed", name)
	case it.Holder != person:
		return nil, r.refuse("custody.holder", "%s is held by %s, not by %s", name, it.Holder, person)
	}
	return it, s.watched(r, person, witness)
}

// watched: who holds a thing is not the one who watches it move.
func (s *State) watched(r *record, person, witness string) error {
	p := s.Open
	switch {
	case p.Role(witness) != "witness" && p.Role(witness) != "third-party-witness":
		return r.refuse("custody.witness", "%q is no witness of this ceremony", witness)
	case !p.Present[witness]:
		return r.refuse("presence.absent", "%s is not present and cannot have watched", witness)
	case witness == person:
		return r.refuse("custody.witness", "%s cannot watch what %s does", witness, person)
	}
	return nil
}

// mayHold: what one person learnt of a set stays below its threshold, over the
// whole life of the set.
func (s *State) mayHold(r *record, it *Item, person string) error {
	if it.Set == "" || slices.Contains(it.Holders, person) {
		return nil
	}
	known := 1
	for _, other := range s.Items {
		if other.Set == it.Set && other.Name != it.Name && slices.Contains(other.Holders, person) {
			known++
		}
	}
	set := s.Sets[it.Set]
	// While it is being issued a set has no record yet; each holder gets one card.
	threshold := 2
	if set != nil {
		threshold = set.Body.Threshold
	}
	if known >= threshold {
		return r.refuse("custody.quorum", "%s would have held %d cards of a set that %d open", person, known, threshold)
	}
	return nil
}

func (it *Item) held(person string) {
	if !slices.Contains(it.Holders, person) {
		it.Holders = append(it.Holders, person)
	}
}

func (it *Item) touched(r *record) { it.Leaf, it.Seq = r.Leaf, r.Seq }

// Bagged says for what a bag with this number was ever used, "" if for nothing: a
// number that comes again is another bag, or one that was opened (PCI PIN 9-2).
func (s *State) Bagged(bag string) string { return s.bags[bagNumber(bag)] }

// bagNumber is a number as two people would call the same, however it was typed.
func bagNumber(bag string) string { return strings.ToUpper(strings.Join(strings.Fields(bag), "")) }

// ClosingBag is how a closing step calls the bag that a thing goes into after the
// report is made.
func ClosingBag(thing string) string { return "Bag for " + thing + ", after the report" }

// closed remembers the bags that a closing step named.
func (s *State) closed(facts []Line) {
	for _, l := range facts {
		s.bags[bagNumber(l.Value)] = l.Label
	}
}

// Unbagged lists what has to be in a bag before anyone attests: cards, safe keys
// and media. HSM and laptop are still at work, and are bagged after the report.
func (s *State) Unbagged() []string {
	var out []string
	for _, name := range sortedKeys(s.Items) {
		it := s.Items[name]
		if it.State == OutOfBag && it.Kind != HSMItem && it.Kind != LaptopItem {
			out = append(out, name)
		}
	}
	return out
}

// itemsNeeded names the items that a run may speak of: cards of the sets it
// relies on, what its keys' copies lie on, and every item where the script
// handles custody.
func (s *State) itemsNeeded(p *Progress) []string {
	all := p.firstOf(CustodyStep).ID != ""
	sets := s.setsNeeded(p)
	media := map[string]bool{}
	for _, k := range s.keysNeeded(p) {
		for _, c := range k.Copies {
			media[c.Name] = true
		}
	}
	var out []string
	for _, name := range sortedKeys(s.Items) {
		it := s.Items[name]
		if it.State == Gone && !all && it.Set == "" {
			continue
		}
		// A card without its set belongs to one that never came to be.
		void := it.Kind == CardItem && s.Sets[it.Set] == nil && it.State != Gone
		if all && it.State != Gone || media[name] || void || it.State == OutOfBag || slices.Contains(sets, s.Sets[it.Set]) {
			out = append(out, name)
		}
	}
	return out
}

func (it *Item) known() KnownItem {
	return KnownItem{Bag: it.Bag, Holder: it.Holder, Holders: slices.Clone(it.Holders), Holds: it.Holds, Index: it.Index, Item: it.Name,
		Kind: it.Kind, Leaf: it.Leaf, Place: it.Place, Set: it.Set, State: it.State}
}

func (k KnownItem) item() *Item {
	return &Item{Name: k.Item, Kind: k.Kind, Bag: k.Bag, Holder: k.Holder, Place: k.Place, Set: k.Set, Index: k.Index, Holds: k.Holds,
		State: k.State, Holders: slices.Clone(k.Holders), Leaf: k.Leaf}
}

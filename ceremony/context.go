package ceremony

import (
	"slices"
	"strings"
	"time"

	"claviger/ledger"
)

// Context restates, at the start of every run, each earlier fact that the run
// relies on, so that a report needs only record 0 and its own ceremony's runs.
// State demands that it is true; a checker that holds no more than the report
// takes it as given and says so.
type Context struct {
	Intents    []KnownIntent    `json:"intents"` // open, of this ceremony
	Items      []KnownItem      `json:"items"`
	Keys       []KnownKey       `json:"keys"`
	LedgerKeys []KnownLedgerKey `json:"ledger-keys"`
	Orders     []KnownOrder     `json:"orders"` // the one it is held on
	Origin     string           `json:"origin"`
	People     []KnownPerson    `json:"people"`
	Policies   []KnownPolicy    `json:"policies"` // the one in force
	Sets       []KnownSet       `json:"sets"`
	SignedTo   int64            `json:"signed-to"` // records covered by the HSM's last checkpoint
	Tokens     []KnownToken     `json:"tokens"`
	Uncovered  []Uncovered      `json:"uncovered"`         // the newest
	Earlier    int64            `json:"uncovered-earlier"` // how many stand before them
}

type KnownPerson struct {
	Enrolled PersonEnrolled `json:"enrolled"` // as enrolled, and as changed since
	Leaf     ledger.Hash    `json:"leaf"`     // that made the key known
	Retired  bool           `json:"retired"`
	Vouched  []string       `json:"vouched"`
}

type KnownToken struct {
	Enrolled TokenEnrolled `json:"enrolled"`
	Leaf     ledger.Hash   `json:"leaf"`
	Seq      int64         `json:"seq"`
	SOSet    string        `json:"so-set"`            // whose cards give the security officer's PIN
	UserSet  string        `json:"user-set"`          // and the user PIN
	WrapSet  string        `json:"wrap-set,omitzero"` // and the wrapping key, of a token with a pad
}

type KnownLedgerKey struct {
	Enrolled LedgerKeyEnrolled `json:"enrolled"`
	Leaf     ledger.Hash       `json:"leaf"`
	Note     string            `json:"note"` // checkpoint by an earlier key, through which a later one counts
	Retired  bool              `json:"retired"`
	Seq      int64             `json:"seq"`
}

type KnownSet struct {
	Issued      SetIssued   `json:"issued"`
	Leaf        ledger.Hash `json:"leaf"`
	Withdrawn   bool        `json:"withdrawn"`
	WithdrawnIn string      `json:"withdrawn-in"` // number of that ceremony
}

type KnownKey struct {
	Ceremony    string       `json:"ceremony"` // that generated it
	Copies      []Copy       `json:"copies"`
	Generated   KeyGenerated `json:"generated"`
	Leaf        ledger.Hash  `json:"leaf"`
	Quarantined bool         `json:"quarantined"`
	Seq         int64        `json:"seq"`
	State       KeyState     `json:"state"`
	Time        string       `json:"time"` // when its record was written
	Wrapped     []KeyWrapped `json:"wrapped"`
}

type KnownIntent struct {
	Intent Intent      `json:"intent"`
	Leaf   ledger.Hash `json:"leaf"`
}

// Uncovered is a record that no checkpoint of the HSM covers yet: written while
// or after the last ceremony closed. The next roll call shows these.
type Uncovered struct {
	Kind string      `json:"kind"`
	Leaf ledger.Hash `json:"leaf"`
	Seq  int64       `json:"seq"`
}

// Restate gives the context of the run that the record just applied has begun.
// It is a pure function of the state, so that the checker can demand it.
func (s *State) Restate() Context {
	p := s.Open
	c := Context{Origin: s.Site.Origin, SignedTo: s.SignedTo}
	for _, in := range p.openIntents() {
		c.Intents = append(c.Intents, KnownIntent{Intent: in.Body, Leaf: in.Leaf})
	}
	for _, name := range s.itemsNeeded(p) {
		c.Items = append(c.Items, s.Items[name].known())
	}
	for _, k := range s.keysNeeded(p) {
		c.Keys = append(c.Keys, KnownKey{Ceremony: k.Ceremony, Copies: slices.Clone(k.Copies), Generated: k.Body, Leaf: k.Leaf, Quarantined: k.Quarantined,
			Seq: k.Seq, State: k.State, Time: k.Time.UTC().Format(ledger.TimeFormat), Wrapped: slices.Clone(k.Wrapped)})
	}
	for _, k := range s.LedgerKeys {
		c.LedgerKeys = append(c.LedgerKeys, KnownLedgerKey{Enrolled: k.Body, Leaf: k.Leaf, Note: k.Note, Retired: k.Retired, Seq: k.Seq})
	}
	if s.Policy != nil {
		c.Policies = append(c.Policies, *s.Policy)
	}
	if o := s.OrderOf(p); o != nil {
		c.Orders = append(c.Orders, KnownOrder{Leaf: o.Leaf, Ordered: o.Body, Prev: o.Prev, Seq: o.Seq})
	}
	for _, id := range s.needed(p) {
		if h, ok := s.People[id]; ok {
			c.People = append(c.People, h.known())
		}
	}
	for _, set := range s.setsNeeded(p) {
		c.Sets = append(c.Sets, KnownSet{Issued: set.Body, Leaf: set.Leaf, Withdrawn: set.Withdrawn, WithdrawnIn: set.WithdrawnIn})
	}
	for _, t := range s.tokensNeeded(p) {
		c.Tokens = append(c.Tokens, KnownToken{Enrolled: t.Body, Leaf: t.Leaf, Seq: t.Seq, SOSet: t.SOSet, UserSet: t.UserSet, WrapSet: t.WrapSet})
	}
	c.Uncovered, c.Earlier = slices.Clone(s.uncovered), s.earlier
	return c
}

// needed lists everyone whom the ceremony's records name: who takes part, whom a
// parameter names, and who holds a card of the token.
func (s *State) needed(p *Progress) []string {
	var out []string
	for _, part := range p.Body.People {
		out = append(out, part.Person)
	}
	// A deviation may be decided by somebody who is not in the room.
	for id, h := range s.People {
		if slices.ContainsFunc(h.Body.Roles, func(role string) bool { return role == "approver" || slices.Contains(s.deciding(), role) }) {
			out = append(out, id)
		}
	}
	// A ceremony about people names them with their roles.
	for _, word := range p.peopleNamed() {
		if s.People[word] != nil {
			out = append(out, word)
		}
	}
	for _, par := range p.Plan.Parameters {
		if par.Type == "person" {
			out = append(out, p.Plan.Values[par.Name])
		}
	}
	for _, k := range s.keysNeeded(p) {
		out = append(out, k.Body.Owner)
	}
	if o := s.OrderOf(p); o != nil {
		out = append(out, o.Body.Approver)
		for _, sg := range o.Body.Signatures {
			out = append(out, sg.Person)
		}
	}
	for _, name := range s.itemsNeeded(p) {
		out = append(out, s.Items[name].Holder)
	}
	for _, set := range s.setsNeeded(p) {
		for _, c := range set.Body.Cards {
			out = append(out, c.Holder)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// peopleNamed are the words of the steps that are about people: ids, and roles.
func (p *Progress) peopleNamed() []string {
	var out []string
	for _, st := range p.Plan.Steps() {
		out = append(out, strings.FieldsFunc(st.With["people"], func(r rune) bool { return r == ' ' || r == ',' })...)
	}
	return out
}

// concerns says whether the ceremony is about an enrolled person, who takes no part
// in it and decides nothing of it.
func (s *State) concerns(person string) bool {
	return s.People[person] != nil && slices.Contains(s.Open.peopleNamed(), person)
}

// given takes the context as the truth where the records that it restates are
// not at hand.
func (s *State) given(c Context) {
	for _, h := range c.People {
		s.People[h.Enrolled.Person] = h.person()
	}
	for _, t := range c.Tokens {
		s.Tokens[t.Enrolled.Serial] = &Token{Body: t.Enrolled, Leaf: t.Leaf, Seq: t.Seq, SOSet: t.SOSet, UserSet: t.UserSet, WrapSet: t.WrapSet}
	}
	s.Policy = nil
	for _, p := range c.Policies {
		s.Policy = &p
	}
	s.Orders = nil
	for _, o := range c.Orders {
		s.Orders = append(s.Orders, &Order{Body: o.Ordered, Leaf: o.Leaf, Prev: o.Prev, Seq: o.Seq})
	}
	s.LedgerKeys = nil
	for _, k := range c.LedgerKeys {
		s.LedgerKeys = append(s.LedgerKeys, LedgerKey{Body: k.Enrolled, Leaf: k.Leaf, Seq: k.Seq, Note: k.Note, Retired: k.Retired})
	}
	for _, set := range c.Sets {
		s.Sets[set.Issued.Set] = &Set{Body: set.Issued, Leaf: set.Leaf, Withdrawn: set.Withdrawn, WithdrawnIn: set.WithdrawnIn}
	}
	for _, it := range c.Items {
		s.Items[it.Item] = it.item()
		s.bags[bagNumber(it.Bag)] = it.Item
	}
	for _, k := range c.Keys {
		at, _ := time.Parse(ledger.TimeFormat, k.Time) // the record it restates was judged when it was written
		s.Keys[k.Generated.ID] = &Key{Body: k.Generated, Leaf: k.Leaf, Seq: k.Seq, Ceremony: k.Ceremony, Time: at, Quarantined: k.Quarantined,
			State: k.State, Copies: slices.Clone(k.Copies), Wrapped: slices.Clone(k.Wrapped)}
	}
	s.SignedTo = c.SignedTo
	s.uncovered, s.earlier = slices.Clone(c.Uncovered), c.Earlier
}

package flow

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// NewPeople lists everybody who is enrolled.
func NewPeople(r Record) Table {
	s := r.State
	t := Table{Title: InPeople, One: "person", Many: "people",
		Columns: []Column{{"Name", 3.4}, {"Roles", 2}, {"Organisation", 2}, {"Holds", 1.3}, {"State", 1.6}},
		First:   "Nobody is enrolled yet. The founders are enrolled in the first ceremony, the opening of the site."}
	for _, id := range sorted(s.People) {
		p := s.People[id]
		state, tone := personState(s, p)
		t.Rows = append(t.Rows, Row{ID: id, Cells: []Cell{
			{Kind: Name, Text: p.Body.Called(), Below: keyInWords(p.Body.Key)}, {Text: rolesOf(p)}, {Text: p.Body.Organisation}, {Text: holding(s, id)}, {Kind: Chip, Text: state, Tone: tone}}})
	}
	return t
}

func rolesOf(p *ceremony.Person) string {
	out := make([]string, len(p.Body.Roles))
	for i, r := range p.Body.Roles {
		out[i] = roleWords(r)
	}
	return strings.Join(out, ", ")
}

// vouchers is how many others have to vouch before someone counts as enrolled
// (DESIGN.md section 5).
const vouchers = 2

func personState(s *ceremony.State, p *ceremony.Person) (string, Tone) {
	if p.Retired {
		return "Retired", Neutral
	}
	if o := s.Open; o != nil && o.Present[p.Body.Person] {
		return "Present", Good
	}
	if n := len(p.Vouched); n < vouchers {
		return fmt.Sprintf("%d of %d vouched", n, vouchers), Waiting
	}
	return "Enrolled", Good
}

// holding counts a person's cards and other items.
func holding(s *ceremony.State, id string) string {
	n := len(heldBy(s, id))
	if n == 0 {
		return "nothing"
	}
	return count(n, "item")
}

func heldBy(s *ceremony.State, id string) []*ceremony.Item {
	var out []*ceremony.Item
	for _, name := range sorted(s.Items) {
		if it := s.Items[name]; it.Holder == id && it.State != ceremony.Gone {
			out = append(out, it)
		}
	}
	return out
}

// NewPersonDetail is everything that the record says of a person. What can be
// erased (documents, contacts) is not in it, only whether it is still kept.
func NewPersonDetail(r Record, id string) (Detail, bool) {
	s := r.State
	p := s.People[id]
	if p == nil {
		return Detail{}, false
	}
	b := p.Body
	d := Detail{Kicker: "Person", Title: b.Called()}
	d.State, d.Tone = personState(s, p)
	d.Groups = append(d.Groups,
		Group{Title: "Who it is", Facts: []Fact{{Label: "Name", Value: b.Called(), Strong: true}, code("Id", id), said("Organisation", b.Organisation), said("Roles", rolesOf(p)), said("Reports to", called(s, b.Manager))}},
		Group{Title: "Enrolment", Facts: []Fact{said("Document seen", b.Identity), said("Seen by", calledAll(s, b.SeenBy)), said("Vouched for by", calledAll(s, p.Vouched)), code("Sealed key file (SHA-256)", fours(b.Sealed))},
			Hashes: []Hash{inWordsToo("Public key (Ed25519)", b.Key)}})
	if r.Document != nil {
		last := &d.Groups[len(d.Groups)-1]
		last.Facts = append(last.Facts, said("Document file", r.Document(id, b.Document)))
	}
	held := Group{Title: "Holds"}
	for _, it := range heldBy(s, id) {
		held.Facts = append(held.Facts, Fact{Label: capital(it.Name), Value: "bag " + it.Bag})
		d.Refs = append(d.Refs, Ref{InCustody, anItem + it.Name, capital(it.Name)})
	}
	for _, k := range sorted(s.Keys) {
		if s.Keys[k].Body.Owner == id {
			held.Facts = append(held.Facts, Fact{Label: "Owner of", Value: s.Keys[k].Body.Label})
			d.Refs = append(d.Refs, Ref{InKeys, k, s.Keys[k].Body.Label})
		}
	}
	if len(held.Facts) == 0 {
		held.Facts = []Fact{{Value: "nothing"}}
	}
	d.Groups = append(d.Groups, held, conflicts(s, p), takenPart(s, id), dueOf(s, id))
	d.Names = named(id, p.Leaf.String())
	return d, true
}

// conflicts says in words what this person may not be (DESIGN.md section 5).
func conflicts(s *ceremony.State, p *ceremony.Person) Group {
	g := Group{Title: "May not"}
	has := func(role string) bool { return slices.Contains(p.Body.Roles, role) }
	if has(script.Witness) || has(script.Observer) {
		g.Facts = append(g.Facts, Fact{Value: "take another role in a ceremony where this person watches."})
	}
	if has(script.Administrator) {
		g.Facts = append(g.Facts, Fact{Value: "hold a card of a set in use while running a script."})
	}
	if has(script.Owner) || has(script.Approver) || has(script.Officer) {
		g.Facts = append(g.Facts, Fact{Value: "be owner, approver and acting officer of one key: these are three people."})
	}
	for _, id := range sorted(s.Sets) {
		b := s.Sets[id].Body
		if slices.Contains(holders(b), p.Body.Person) && b.Threshold > 1 {
			g.Facts = append(g.Facts, Fact{Value: fmt.Sprintf("ever hold %d cards of set %s.", b.Threshold, setName(id))})
		}
	}
	g.Facts = append(g.Facts, Fact{Value: "act twice in one ceremony: each person has one role."})
	return g
}

func takenPart(s *ceremony.State, id string) Group {
	g := Group{Title: "Took part in"}
	for i := len(s.Ceremonies) - 1; i >= 0; i-- {
		p := s.Ceremonies[i]
		if role := p.Role(id); role != "" {
			g.Facts = append(g.Facts, Fact{Label: p.Number, Value: p.Plan.Title + " · as " + roleWords(role)})
		}
	}
	if len(g.Facts) == 0 {
		g.Facts = []Fact{{Value: "no ceremony yet"}}
	}
	return g
}

// dueOf is what waits for this person.
func dueOf(s *ceremony.State, id string) Group {
	g := Group{Title: "Waits for"}
	for _, k := range sorted(s.Keys) {
		b := s.Keys[k].Body
		if b.Owner == id && s.Keys[k].State == ceremony.PreActivation {
			g.Facts = append(g.Facts, Fact{Label: b.Label, Value: "the owner's and the approver's acceptance"})
		}
	}
	if p := s.Unfinished(); p != nil && p.Role(id) != "" {
		g.Facts = append(g.Facts, Fact{Label: "Ceremony " + p.Number, Value: "to be resumed"})
	}
	if len(g.Facts) == 0 {
		g.Facts = []Fact{{Value: "nothing"}}
	}
	return g
}

// keyInWords is the beginning of a person's key as it is said aloud.
func keyInWords(key string) string {
	raw, err := hex.DecodeString(key)
	if err != nil {
		return ""
	}
	return saidInWords(raw, 4)
}

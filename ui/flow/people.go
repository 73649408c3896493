package flow

import (
	"encoding/hex"
	"fmt"
	"slices"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// NewPeople lists everybody who is enrolled.
func NewPeople(r Record) Table {
	s := r.State
	t := Table{Title: InPeople, One: textPersonLower, Many: textPeopleLower,
		Columns: []Column{{textName, 3.4}, {textRoles, 2}, {textOrganisation, 2}, {textHolds, 1.3}, {textState, 1.6}},
		First:   textNobodyEnrolledYetFoundersEnrolled}
	for _, id := range sorted(s.People) {
		p := s.People[id]
		state, tone := personState(s, p)
		t.Rows = append(t.Rows, Row{ID: id, Cells: []Cell{
			{Kind: Name, Text: p.Body.Called(), Below: keyInWords(p.Body.Key)}, {Text: script.RoleWords(p.Body.Roles...)}, {Text: p.Body.Organisation}, {Text: holding(s, id)}, {Kind: Chip, Text: state, Tone: tone}}})
	}
	return t
}

// vouchers is how many others have to vouch before someone counts as enrolled
// (DESIGN.md section 5).
const vouchers = 2

func personState(s *ceremony.State, p *ceremony.Person) (string, Tone) {
	if p.Retired {
		return textRetired, Neutral
	}
	if o := s.Open; o != nil && o.Present[p.Body.Person] {
		return textPresent, Good
	}
	if n := len(p.Vouched); n < vouchers {
		return fmt.Sprintf(textVouched, n, vouchers), Waiting
	}
	return textEnrolled, Good
}

// holding counts a person's cards and other items.
func holding(s *ceremony.State, id string) string {
	n := len(heldBy(s, id))
	if n == 0 {
		return textNothing
	}
	return count(n, textItem)
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
	d := Detail{Kicker: textPerson, Title: b.Called()}
	d.State, d.Tone = personState(s, p)
	d.Groups = append(d.Groups,
		Group{Title: textWho, Facts: []Fact{{Label: textName, Value: b.Called(), Strong: true}, code(textId, id), said(textOrganisation, b.Organisation), said(textRoles, script.RoleWords(p.Body.Roles...)), said(textReports, called(s, b.Manager))}},
		Group{Title: textEnrolment, Facts: []Fact{said(textDocumentSeen, b.Identity), said(textSeen, calledAll(s, b.SeenBy)), said(textVouchedForBy, calledAll(s, p.Vouched)), code(textSealedKeyFileSHA256, fours(b.Sealed))},
			Hashes: []Hash{inWordsToo(textPublicKeyEd25519, b.Key)}})
	if r.Document != nil {
		last := &d.Groups[len(d.Groups)-1]
		last.Facts = append(last.Facts, said(textDocumentFile, r.Document(id, b.Document)))
	}
	held := Group{Title: textHolds}
	for _, it := range heldBy(s, id) {
		held.Facts = append(held.Facts, Fact{Label: capital(it.Name), Value: fmt.Sprintf(textBagX, it.Bag)})
		d.Refs = append(d.Refs, Ref{InCustody, anItem + it.Name, capital(it.Name)})
	}
	for _, k := range sorted(s.Keys) {
		if s.Keys[k].Body.Owner == id {
			held.Facts = append(held.Facts, Fact{Label: textOwnerOf, Value: s.Keys[k].Body.Label})
			d.Refs = append(d.Refs, Ref{InKeys, k, s.Keys[k].Body.Label})
		}
	}
	if len(held.Facts) == 0 {
		held.Facts = []Fact{{Value: textNothing}}
	}
	d.Groups = append(d.Groups, held, conflicts(s, p), takenPart(s, id), dueOf(s, id))
	d.Names = named(id, p.Leaf.String())
	return d, true
}

// conflicts says in words what this person may not be (DESIGN.md section 5).
func conflicts(s *ceremony.State, p *ceremony.Person) Group {
	g := Group{Title: textMayNot}
	has := func(role string) bool { return slices.Contains(p.Body.Roles, role) }
	if has(script.Witness) || has(script.Observer) {
		g.Facts = append(g.Facts, Fact{Value: textTakeAnotherRoleCeremonyWhere})
	}
	if has(script.Administrator) {
		g.Facts = append(g.Facts, Fact{Value: textHoldCardSetUseWhile})
	}
	if has(script.Owner) || has(script.Approver) || has(script.Officer) {
		g.Facts = append(g.Facts, Fact{Value: textOwnerApproverActingOfficerOne})
	}
	for _, id := range sorted(s.Sets) {
		b := s.Sets[id].Body
		if slices.Contains(holders(b), p.Body.Person) && b.Threshold > 1 {
			g.Facts = append(g.Facts, Fact{Value: fmt.Sprintf(textEverHoldCardsSet, b.Threshold, setName(id))})
		}
	}
	g.Facts = append(g.Facts, Fact{Value: textActTwiceOneCeremonyEach})
	return g
}

func takenPart(s *ceremony.State, id string) Group {
	g := Group{Title: textTookPart}
	for i := len(s.Ceremonies) - 1; i >= 0; i-- {
		p := s.Ceremonies[i]
		if role := p.Role(id); role != "" {
			g.Facts = append(g.Facts, Fact{Label: p.Number, Value: fmt.Sprintf(textAs, p.Plan.Title, script.RoleWords(role))})
		}
	}
	if len(g.Facts) == 0 {
		g.Facts = []Fact{{Value: textNoCeremonyYet}}
	}
	return g
}

// dueOf is what waits for this person.
func dueOf(s *ceremony.State, id string) Group {
	g := Group{Title: textWaits}
	for _, k := range sorted(s.Keys) {
		b := s.Keys[k].Body
		if b.Owner == id && s.Keys[k].State == ceremony.PreActivation {
			g.Facts = append(g.Facts, Fact{Label: b.Label, Value: textOwnersApproversAcceptance})
		}
	}
	if p := s.Unfinished(); p != nil && p.Role(id) != "" {
		g.Facts = append(g.Facts, Fact{Label: fmt.Sprintf(textCeremonyX, p.Number), Value: textResumed})
	}
	if len(g.Facts) == 0 {
		g.Facts = []Fact{{Value: textNothing}}
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

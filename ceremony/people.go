package ceremony

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// People: enrolled once, with the document seen by two who vouch; changed, given
// a new key after a forgotten passphrase, and retired in ceremonies in which they
// take no part. A retired person signs nothing more; what the person still holds
// is due. What can be erased later stands in files under people/ and is named
// here by SHA-256.

// PersonEnrolled makes a person known. The person signs it, and with it the
// duties, with the key it names; those who saw the document vouch by sign-offs
// (act enrol).
type PersonEnrolled struct {
	Document     string      `json:"document"`     // SHA-256 of the salted file with kind and last four characters of the document
	Duties       ledger.Hash `json:"duties"`       // blob: the duties, as the person read them
	Identity     string      `json:"identity"`     // kind of document seen, "practice person" on a practice site
	Key          string      `json:"key"`          // Ed25519 public key
	Latin        string      `json:"latin"`        // the name in Latin letters, "" where it can be read without
	Manager      string      `json:"manager"`      // whom the person reports to
	Name         string      `json:"name"`         //
	Organisation string      `json:"organisation"` //
	Person       string      `json:"person"`       // id, [a-z][a-z0-9-]*
	Roles        []string    `json:"roles"`
	Sealed       string      `json:"sealed"`    // SHA-256 of the sealed signing key's file
	SeenBy       []string    `json:"seen-by"`   // the two who saw the document
	Signature    string      `json:"signature"` // claviger enrolment v1
}

// Called is the name as everybody can read it.
func (b PersonEnrolled) Called() string {
	if b.Latin == "" {
		return b.Name
	}
	return b.Name + " / " + b.Latin
}

// PersonChanged gives a person other roles, or another manager. The person signs
// it, and the duties of the new roles, with the enrolled key.
type PersonChanged struct {
	Duties       ledger.Hash `json:"duties"`
	Key          ledger.Hash `json:"key"` // leaf that made the person's key known
	Manager      string      `json:"manager"`
	Organisation string      `json:"organisation"`
	Person       string      `json:"person"`
	Reason       string      `json:"reason"`
	Roles        []string    `json:"roles"`
	Signature    string      `json:"signature"` // claviger enrolment v1
}

// PersonRekeyed is a new key for who forgot the passphrase: a deviation, and two
// vouch again.
type PersonRekeyed struct {
	Deviation int      `json:"deviation"`
	Document  string   `json:"document"`
	Identity  string   `json:"identity"`
	Key       string   `json:"key"`
	Person    string   `json:"person"`
	Sealed    string   `json:"sealed"`
	SeenBy    []string `json:"seen-by"`
	Signature string   `json:"signature"` // claviger enrolment v1, with the new key
}

// PersonRetired ends what a person may do here.
type PersonRetired struct {
	Holds  []string `json:"holds"` // what is still in the person's hands, and due
	Person string   `json:"person"`
	Reason string   `json:"reason"`
}

func (h *Person) known() KnownPerson {
	return KnownPerson{Enrolled: h.Body, Leaf: h.Leaf, Retired: h.Retired, Vouched: slices.Clone(h.Vouched)}
}

func (k KnownPerson) person() *Person {
	return &Person{Body: k.Enrolled, Leaf: k.Leaf, Retired: k.Retired, Vouched: slices.Clone(k.Vouched)}
}

// DutiesShown is the content that a person accepts by signing the enrolment.
func DutiesShown(duties []string) ([]byte, error) {
	return ledger.Encode(Shown{Lang: shownLang, Layout: shownLayout, Text: "I know these duties and accept them.", Values: duties})
}

// dutiesRead demands that what was accepted is stored.
func (s *State) dutiesRead(r *record, h ledger.Hash) error {
	b, err := s.blobs(h)
	if err != nil || ledger.BlobHash(b) != h || !bytes.Contains(b, []byte(`"values":["`)) {
		return r.refuse("person.duties", "the duties that were accepted are not stored")
	}
	return nil
}

func (s *State) personEnrolled(r *record, b *PersonEnrolled) error {
	p := s.Open
	st, ok := p.Current()
	if !ok || st.Kind != EnrolStep && st.Kind != EnrolPersonStep {
		return r.refuse("person.enrol", "people are enrolled in a step made for it")
	}
	if _, ok := s.People[b.Person]; ok {
		return r.refuse("person.known", "%s is enrolled already", b.Person)
	}
	if st.Kind == EnrolStep {
		role, ok := p.role(b.Person)
		if !ok || !slices.Contains(b.Roles, role) {
			return r.refuse("role.conflict", "%s takes no part in this ceremony in an enrolled role", b.Person)
		}
	} else if err := s.aside(r, st, b.Person); err != nil {
		return err
	}
	if !personID.MatchString(b.Person) {
		return r.refuse("person.id", "%q is no id: small letters, digits and dashes, a letter first", b.Person)
	}
	if err := s.MayHave(b.Person, b.Roles); err != nil {
		return r.refuse(ruleOf(err, "role.conflict"), "%v", err)
	}
	if len(unhex(b.Document)) != len(ledger.Hash{}) {
		return r.refuse("person.document", "no document of %s is named", b.Name)
	}
	if err := s.dutiesRead(r, b.Duties); err != nil {
		return err
	}
	if err := s.seen(r, b.Person, b.SeenBy); err != nil {
		return err
	}
	pub, err := s.newKey(r, b.Name, b.Key)
	if err != nil {
		return err
	}
	msg, err := EnrolmentMessage(*b, r.Ceremony, r.Prev, s.Site.ID)
	if err != nil {
		return err
	}
	r.claim(Claim{Rule: "person.signature", What: "the signature of " + b.Name + " under the enrolment", Key: pub, Message: msg, Sig: unhex(b.Signature)})
	s.People[b.Person] = &Person{Body: *b, Leaf: r.Leaf}
	p.Enrolled = append(p.Enrolled, b.Person)
	return nil
}

// aside: a ceremony about a person is held by others, and the step names the
// person.
func (s *State) aside(r *record, st script.Step, person string) error {
	if role, ok := s.Open.role(person); ok {
		return r.refuse("person.aside", "%s takes part as %s; a ceremony about a person is held by others", person, role)
	}
	if err := s.kinds[st.Kind].Check(s, st, r.Record, r.body); err != nil {
		return r.refuse(ruleOf(err, "person.step"), "%v", err)
	}
	return nil
}

// seen: two others, who take part and are here, saw the document (REQ-18).
func (s *State) seen(r *record, person string, by []string) error {
	p := s.Open
	if len(by) != 2 || by[0] == by[1] || slices.Contains(by, person) {
		return r.refuse("enrol.seen", "two others see the document of %s", person)
	}
	for _, id := range by {
		role, ok := p.role(id)
		if !ok || role == script.Observer || p.called && !p.Present[id] {
			return r.refuse("enrol.seen", "%s is not here and cannot have seen a document", s.Someone(id).Name)
		}
	}
	return nil
}

// newKey: a key of one person alone.
func (s *State) newKey(r *record, name, key string) (ed25519.PublicKey, error) {
	for _, h := range s.People {
		if h.Body.Key == key {
			return nil, r.refuse("person.key", "%s and %s would share one key", h.Body.Name, name)
		}
	}
	pub := unhex(key)
	if len(pub) != ed25519.PublicKeySize {
		return nil, r.refuse("person.key", "%q is not an Ed25519 key", key)
	}
	return pub, nil
}

// subject finds the enrolled person that a step of a kind is about.
func (s *State) subject(r *record, kind, person string) (*Person, error) {
	st, ok := s.Open.Current()
	if !ok || st.Kind != kind {
		return nil, r.refuse("person.step", "a %s belongs to a step made for it", r.Kind)
	}
	h := s.People[person]
	switch {
	case h == nil:
		return nil, r.refuse("person.unknown", "%s is not enrolled", person)
	case h.Retired:
		return nil, r.refuse("person.retired", "%s is retired", h.Body.Name)
	}
	return h, s.aside(r, st, person)
}

func (s *State) personChanged(r *record, b *PersonChanged) error {
	h, err := s.subject(r, ChangePersonStep, b.Person)
	if err != nil {
		return err
	}
	if err := s.MayHave(b.Person, b.Roles); err != nil {
		return r.refuse(ruleOf(err, "role.conflict"), "%v", err)
	}
	if h.Leaf != b.Key {
		return r.refuse("signoff.key", "%s signs this with another key", h.Body.Name)
	}
	if err := s.dutiesRead(r, b.Duties); err != nil {
		return err
	}
	msg, err := ChangeMessage(*b, r.Ceremony, r.Prev, s.Site.ID)
	if err != nil {
		return err
	}
	r.claim(Claim{Rule: "person.signature", What: "the signature of " + h.Body.Name + " under the change", Key: h.Public(), Message: msg, Sig: unhex(b.Signature)})
	h.Body.Roles, h.Body.Manager, h.Body.Organisation, h.Body.Duties = b.Roles, b.Manager, b.Organisation, b.Duties
	return nil
}

func (s *State) personRekeyed(r *record, b *PersonRekeyed) error {
	h, err := s.subject(r, RekeyPersonStep, b.Person)
	if err != nil {
		return err
	}
	p := s.Open
	st, _ := p.Current()
	if n := b.Deviation; n < 1 || n > len(p.Deviations) || p.Deviations[n-1].Decided == nil || p.Deviations[n-1].Raised.Step != st.ID {
		return r.refuse("person.rekey", "a new key is a deviation, and none of this step has decided it")
	}
	if err := s.seen(r, b.Person, b.SeenBy); err != nil {
		return err
	}
	if len(unhex(b.Document)) != len(ledger.Hash{}) {
		return r.refuse("person.document", "no document of %s is named", h.Body.Name)
	}
	pub, err := s.newKey(r, h.Body.Name, b.Key)
	if err != nil {
		return err
	}
	msg, err := RekeyMessage(*b, r.Ceremony, r.Prev, s.Site.ID)
	if err != nil {
		return err
	}
	r.claim(Claim{Rule: "person.signature", What: "the signature of " + h.Body.Name + " under the new key", Key: pub, Message: msg, Sig: unhex(b.Signature)})
	h.Body.Key, h.Body.Sealed, h.Body.Document, h.Body.Identity, h.Body.SeenBy = b.Key, b.Sealed, b.Document, b.Identity, b.SeenBy
	h.Leaf, h.Vouched = r.Leaf, nil
	p.Enrolled = append(p.Enrolled, b.Person)
	return nil
}

func (s *State) personRetired(r *record, b *PersonRetired) error {
	h, err := s.subject(r, RetirePersonStep, b.Person)
	if err != nil {
		return err
	}
	// A report's records hold only the items that its ceremony relied on.
	if !s.partial && !slices.Equal(b.Holds, s.StillHeld(b.Person)) {
		return r.refuse("person.holds", "%s still holds %s, and the record says %s", h.Body.Name, strings.Join(s.StillHeld(b.Person), ", "), strings.Join(b.Holds, ", "))
	}
	h.Retired = true
	return nil
}

// MayHave says, as a *Broken, why one person may not have these roles.
func (s *State) MayHave(person string, roles []string) error {
	if err := s.conflicting(roles); err != nil {
		return &Broken{"role.conflict", fmt.Sprintf("%s: %v", s.Someone(person).Name, err)}
	}
	if card := s.cardOf(person); card != "" && !slices.Contains(roles, script.Custodian) {
		return &Broken{"role.holds-share", fmt.Sprintf("%s holds %s and stays a custodian until it is handed over", s.Someone(person).Name, card)}
	}
	return nil
}

// conflicting: witness and observer are nobody else; owner, approver and acting
// officer are three people; and what the policy keeps apart.
func (s *State) conflicting(roles []string) error {
	if len(roles) == 0 {
		return fmt.Errorf("no role is named")
	}
	for _, alone := range []string{script.Witness, script.Observer, script.ThirdPartyWitness} {
		if slices.Contains(roles, alone) && len(roles) > 1 {
			return fmt.Errorf("a %s has no other role", alone)
		}
	}
	apart := [][]string{{script.Administrator, script.Officer, script.Owner, script.Approver}, {script.Administrator, script.Custodian}}
	if s.Policy != nil {
		for _, a := range s.Policy.Adopted.Policy.Apart {
			apart = append(apart, a.Roles)
		}
	}
	for _, a := range apart {
		has := slices.DeleteFunc(slices.Clone(a), func(role string) bool { return !slices.Contains(roles, role) })
		if len(has) > 1 {
			return fmt.Errorf("%s are different people", strings.Join(has, " and "))
		}
	}
	return nil
}

// cardOf names a card of a set in use that a person holds, "" if there is none.
func (s *State) cardOf(person string) string {
	for _, name := range sortedKeys(s.Items) {
		it := s.Items[name]
		if set := s.Sets[it.Set]; it.Holder == person && it.State != Gone && set != nil && !set.Withdrawn {
			return name
		}
	}
	return ""
}

// StillHeld lists what of the site is in a person's hands: items, and keys that
// the person owns.
func (s *State) StillHeld(person string) []string {
	out := []string{}
	for _, name := range sortedKeys(s.Items) {
		if it := s.Items[name]; it.Holder == person && it.State != Gone && it.State != Lost {
			out = append(out, name)
		}
	}
	for _, id := range sortedKeys(s.Keys) {
		if k := s.Keys[id]; k.Body.Owner == person && k.State != Destroyed && k.State != DestroyedCompromised {
			out = append(out, "key "+k.Body.Label+", as owner")
		}
	}
	return out
}

// HeldByRetired lists what is due because somebody who is retired still holds it,
// by person.
func (s *State) HeldByRetired() map[string][]string {
	out := map[string][]string{}
	for id, h := range s.People {
		if held := s.StillHeld(id); h.Retired && len(held) > 0 {
			out[id] = held
		}
	}
	return out
}

// toVouch lists whom somebody still has to vouch for: whose document that person
// saw in this ceremony.
func (s *State) toVouch(by string) []*Person {
	var out []*Person
	for _, id := range s.Open.Enrolled {
		h := s.People[id]
		if slices.Contains(h.Body.SeenBy, by) && !slices.Contains(h.Vouched, by) {
			out = append(out, h)
		}
	}
	return out
}

// Vouchers lists those who still have to vouch for somebody.
func (s *State) Vouchers() []string {
	var out []string
	for _, id := range s.Open.Enrolled {
		for _, by := range s.People[id].Body.SeenBy {
			if !slices.Contains(s.People[id].Vouched, by) && !slices.Contains(out, by) {
				out = append(out, by)
			}
		}
	}
	return out
}

// vouched applies one sign-off over the list of those whose documents the signer
// saw.
func (s *State) vouched(r *record, b *SignOff) error {
	people := s.toVouch(b.Person)
	if len(people) == 0 {
		return r.refuse("enrol.self", "%s has nobody to vouch for", s.Someone(b.Person).Name)
	}
	if b.Verdict == Agree {
		for _, h := range people {
			h.Vouched = append(h.Vouched, b.Person)
		}
	}
	return nil
}

// EnrolmentMessage gives the bytes that a person signs to be enrolled.
func EnrolmentMessage(b PersonEnrolled, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	return bodyMessage(signoff.Enrolment, b, ceremony, prev, site)
}

// ChangeMessage gives the bytes that a person signs under a person.changed, and
// RekeyMessage under a person.rekeyed.
func ChangeMessage(b PersonChanged, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	return bodyMessage(signoff.Enrolment, b, ceremony, prev, site)
}

func RekeyMessage(b PersonRekeyed, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	return bodyMessage(signoff.Enrolment, b, ceremony, prev, site)
}

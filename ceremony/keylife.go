package ceremony

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// The life of a key: its state by NIST SP 800-57 part 1, section 7, and every
// place in which it, or what brings it back, is or was. "Destroyed" is said of a
// key only when no copy remains; until then it is deleted from a module.

// KeyState is a state of SP 800-57 part 1, section 7.
type KeyState string

const (
	PreActivation        KeyState = "pre-activation"
	Active               KeyState = "active"
	Suspended            KeyState = "suspended"
	Deactivated          KeyState = "deactivated"
	Compromised          KeyState = "compromised"
	Destroyed            KeyState = "destroyed"
	DestroyedCompromised KeyState = "destroyed, was compromised"
)

// ModuleForm is the form of a copy that is an object in a token; every other
// form is a word that people understand.
const ModuleForm = "module"

// WrappedForm is that of a wrapped backup on a medium.
const WrappedForm = "wrapped backup"

// What is known of a copy.
const (
	CopyKept      = "kept"
	CopyDestroyed = "destroyed"
	CopyUnknown   = "unknown"
)

// Copy is one place of a key: the object in a module, a wrapped backup on a
// medium, or what people told of (a cloud import, paper, a vendor's backup).
type Copy struct {
	Form   string `json:"form"`    // module, wrapped backup, or as stated
	ID     string `json:"id"`      // CKA_ID of the object in a module
	Name   string `json:"name"`    // unique among the key's copies; of a medium, the item's name
	Set    string `json:"set"`     // whose cards open a wrapped backup
	SHA256 string `json:"sha-256"` // of a wrapped backup's bytes
	State  string `json:"state"`
	Stated bool   `json:"stated"` // people told of it; no record saw it made
	Where  string `json:"where"`  // serial number of the token, or as stated
}

// Change is a state that a key reached by people's word.
type Change struct {
	Body KeyChanged
	Leaf ledger.Hash
	Seq  int64
	At   time.Time
}

// ModuleCopy is how the object in a token is called among a key's copies.
func ModuleCopy(serial, id string) string {
	return fmt.Sprintf("token %s, object %s", serial, id[:min(8, len(id))])
}

// KeyWrapped is a key wrapped inside the token, under the wrapping key that the
// cards of a set rebuild.
type KeyWrapped struct {
	Bytes     int         `json:"bytes"`  // of the blob
	ID        string      `json:"id"`     // CKA_ID of the key
	Intent    ledger.Hash `json:"intent"` //
	KCV       string      `json:"kcv"`    // of the wrapping key
	KCVMethod string      `json:"kcv-method"`
	Mechanism string      `json:"mechanism"` // CKM_ name
	Serial    string      `json:"serial"`
	Set       string      `json:"set"`
	SHA256    ledger.Hash `json:"sha-256"` // of the blob, which is never in the ledger
}

// ArtifactStored is a file written to a medium and read back, or a copy of a key
// that people told of.
type ArtifactStored struct {
	Bytes  int         `json:"bytes"`
	File   string      `json:"file"`
	Form   string      `json:"form"`   // wrapped backup; or as stated
	Intent ledger.Hash `json:"intent"` // zeros for a copy that people told of
	Key    string      `json:"key"`    // CKA_ID of the key of which it is a copy, "" for anything else
	Name   string      `json:"name"`   // of the item it lies on, or of itself
	Set    string      `json:"set"`    // whose cards open it
	SHA256 string      `json:"sha-256"`
	Stated bool        `json:"stated"`
	Where  string      `json:"where"` // as stated
}

// KeyRestored is a key unwrapped into a token and compared with the original.
type KeyRestored struct {
	Attributes  []Attribute `json:"attributes"`
	Check       string      `json:"check"`       // what was compared: "fingerprint, signature", "KCV"
	Fingerprint string      `json:"fingerprint"` // or the KCV of a secret key
	From        ledger.Hash `json:"from"`        // SHA-256 of the blob
	ID          string      `json:"id"`          // CKA_ID of the new object
	Intent      ledger.Hash `json:"intent"`
	Key         string      `json:"key"` // CKA_ID of the original
	Label       string      `json:"label"`
	Serial      string      `json:"serial"`
	Test        bool        `json:"test"` // to be deleted again in the same ceremony
}

// KeyDeleted is an object gone from a module: looked for, and not found.
type KeyDeleted struct {
	After    int         `json:"after"`  // objects in the token after
	Before   int         `json:"before"` // and before
	ByID     int         `json:"by-id"`  // found by id afterwards; 0
	ByLabel  int         `json:"by-label"`
	ID       string      `json:"id"` // CKA_ID of the object
	Intent   ledger.Hash `json:"intent"`
	Key      string      `json:"key"` // CKA_ID under which the key was generated
	Serial   string      `json:"serial"`
	UseFails string      `json:"use-fails"` // CKR_ name of the use that was tried
}

// KeyDestroyed says that no copy remains: every copy in the register ended with
// a record of its own.
type KeyDestroyed struct {
	Copies int    `json:"copies"`
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// KeyChanged is the body of key.activated, suspended, deactivated and
// compromised: a state reached by the word of those whom SP 800-57 part 1
// names, signed with their enrolled keys (claviger custody v1), outside of
// ceremonies.
type KeyChanged struct {
	At         string     `json:"at"`  // the day from which it holds
	Key        string     `json:"key"` // CKA_ID
	Reason     string     `json:"reason"`
	Signatures []SignedBy `json:"signatures"`
	State      KeyState   `json:"state"`
	// Waived: the key is used without a backup, and the reason says why.
	Waived bool `json:"waived,omitzero"`
}

// SignedBy is one signature under a record that several people sign. All of them
// sign the same bytes: the body without signatures, plus ceremony, prev and site.
type SignedBy struct {
	Key       ledger.Hash `json:"key"` // leaf of person.enrolled
	Person    string      `json:"person"`
	Role      string      `json:"role"`
	Signature string      `json:"signature"`
}

// transition is one row of SP 800-57's diagram: from where, to where, and whose
// signatures it takes; each entry of by is one way.
type transition struct {
	from, to KeyState
	by       [][]string
}

// transitions holds the rows that need no act on a token. What leads to
// Destroyed is key.destroyed, in a ceremony of its own.
var transitions = []transition{
	{PreActivation, Active, [][]string{{"owner", "approver"}}},              // T4
	{Suspended, Active, [][]string{{"owner", "approver"}}},                  // T11
	{Active, Deactivated, [][]string{{"owner"}}},                            // T8
	{Suspended, Deactivated, [][]string{{"owner"}}},                         // T12
	{Active, Suspended, [][]string{{"approver"}, {"owner"}}},                // T7
	{PreActivation, Compromised, [][]string{{"approver"}}},                  // T3
	{Active, Compromised, [][]string{{"approver"}, {"officer", "officer"}}}, // T6
	{Suspended, Compromised, [][]string{{"approver"}}},                      // T10
	{Deactivated, Compromised, [][]string{{"approver"}}},                    // T14
}

// KeyWay is a state that a key can be brought to by people's word, and whose: a
// role is named as often as people of it sign.
type KeyWay struct {
	To KeyState
	By []string
	// Waives: who signs says why the key is used without a backup.
	Waives bool
}

// Ways lists where a key can be brought from its state now.
func (s *State) Ways(k *Key) []KeyWay {
	var out []KeyWay
	for _, t := range transitions {
		if t.from != k.State || k.Quarantined && t.to != Compromised {
			continue
		}
		waives := false
		if t.from == PreActivation && t.to == Active {
			if s.Unaccepted(k) != nil {
				continue
			}
			waives = s.Unbacked(k) != nil
		}
		for _, by := range t.by {
			out = append(out, KeyWay{t.to, by, waives})
		}
	}
	return out
}

// Unaccepted says, as a *Broken, why nobody can have accepted a new key yet: what
// owner and approver accept is a report that somebody made.
func (s *State) Unaccepted(k *Key) error {
	if s.partial || k.State != PreActivation || s.reported(k.Ceremony) {
		return nil
	}
	return &Broken{"key.unreported", fmt.Sprintf("no report of ceremony %s was made yet, and %s is accepted by its report: make it first", k.Ceremony, k.Body.Label)}
}

// Unbacked says, as a *Broken, why a new key cannot be used before its backup is
// decided on: one that may leave its token wrapped is meant to have a backup, which
// was tried; or owner and approver waive it.
func (s *State) Unbacked(k *Key) error {
	if k.State != PreActivation || k.Body.Protection != "wrap-backup" || s.backedUp(k) {
		return nil
	}
	return &Broken{"key.no-backup", k.Body.Label + " has no backup: hold key-backup, or have owner and approver waive it"}
}

// backedUp: a backup is kept that was restored and compared, or whose restore owner
// and approver waived.
func (s *State) backedUp(k *Key) bool {
	for _, c := range k.Backups() {
		for _, p := range s.Ceremonies {
			restored := slices.ContainsFunc(p.Restored, func(b KeyRestored) bool { return b.Key == k.Body.ID && b.From.String() == c.SHA256 })
			made := slices.ContainsFunc(p.Stored, func(b ArtifactStored) bool { return b.Key == k.Body.ID && b.SHA256 == c.SHA256 })
			waived := slices.ContainsFunc(p.Waived, func(b RestoreWaived) bool { return b.Key == k.Body.ID })
			if restored || made && waived {
				return true
			}
		}
	}
	return false
}

// keyChanged: who may say it, and that the signatures are theirs.
func (s *State) keyChanged(r *record, b *KeyChanged) error {
	k := s.Keys[b.Key]
	switch {
	case r.Ceremony != "":
		return r.refuse("key.change-place", "a key's state is changed outside of ceremonies")
	case k == nil:
		return r.refuse("key.unknown", "no key with id %s is known here", b.Key)
	}
	i := slices.IndexFunc(transitions, func(t transition) bool { return t.from == k.State && t.to == b.State })
	switch {
	case i < 0 || r.Kind != "key."+changedKind(b.State):
		return r.refuse("key.state", "%s is %s, and by a %s it cannot become %s", k.Body.Label, k.State, r.Kind, b.State)
	case k.Quarantined && b.State != Compromised:
		return r.refuse("key.quarantined", "%s is quarantined: it may only be inspected or destroyed", k.Body.Label)
	case b.Reason == "":
		return r.refuse("key.state", "a reason is missing")
	case !isDay(b.At):
		return r.refuse("key.state", "%q is not a day like 2026-11-22", b.At)
	case b.At < k.since():
		return r.refuse("key.day", "%s is %s since %s and cannot have become %s on %s", k.Body.Label, k.State, k.since(), b.State, b.At)
	}
	if b.State == Active {
		if err := s.Unaccepted(k); err != nil {
			return r.refuse(ruleOf(err, "key.unreported"), "%v", err)
		}
	}
	if err := s.backupDecided(r, k, b); err != nil {
		return err
	}
	roles, err := s.signedBy(r, b.Signatures, func(site string) ([]byte, error) { return KeyChangedMessage(*b, r.Prev, site) })
	if err != nil {
		return err
	}
	by := transitions[i].by
	if !slices.ContainsFunc(by, func(way []string) bool { return slices.Equal(slices.Sorted(slices.Values(way)), roles) }) {
		return r.refuse("key.change-by", "%s becomes %s by the word of %v, and %v signed", k.Body.Label, b.State, by, roles)
	}
	for _, sg := range b.Signatures {
		if sg.Role == "owner" && sg.Person != k.Body.Owner {
			return r.refuse("key.owner", "%s is owned by %s, not by %s", k.Body.Label, k.Body.Owner, sg.Person)
		}
	}
	k.State = b.State
	k.Changes = append(k.Changes, Change{Body: *b, Leaf: r.Leaf, Seq: r.Seq, At: r.Time})
	return nil
}

// backupDecided: a new key is used with a backup, or with a waiver of it, and a waiver
// stands nowhere else. A report alone does not tell of the ceremony that made one.
func (s *State) backupDecided(r *record, k *Key, b *KeyChanged) error {
	if s.partial {
		return nil
	}
	err := s.Unbacked(k)
	switch {
	case b.Waived && (b.State != Active || err == nil):
		return r.refuse("key.waiver", "the backup of %s is waived where nothing asks for one", k.Body.Label)
	case b.State == Active && err != nil && !b.Waived:
		return r.refuse(ruleOf(err, "key.no-backup"), "%v", err)
	}
	return nil
}

// since is the day from which a key is in its state.
func (k *Key) since() string {
	if n := len(k.Changes); n > 0 {
		return k.Changes[n-1].Body.At
	}
	return k.Body.From
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func (s *State) reported(ceremony string) bool {
	_, ok := s.Reports[ceremony]
	return ok
}

func changedKind(to KeyState) string {
	if to == Active {
		return "activated"
	}
	return string(to)
}

// signedBy claims the signatures under a record that stands outside of
// ceremonies, and gives the signers' roles in order. Each signs with the enrolled
// key, in a role that the person has, and once.
func (s *State) signedBy(r *record, signatures []SignedBy, message func(site string) ([]byte, error)) ([]string, error) {
	msg, err := message(s.Site.ID)
	if err != nil {
		return nil, err
	}
	var roles, people []string
	for _, sg := range signatures {
		h := s.People[sg.Person]
		switch {
		case h == nil || h.Leaf != sg.Key:
			return nil, r.refuse("person.unknown", "%q is not enrolled under that key", sg.Person)
		case h.Retired:
			return nil, r.refuse("person.retired", "%s is retired", h.Body.Name)
		case slices.Contains(people, sg.Person):
			return nil, r.refuse("signoff.twice", "%s signed twice", h.Body.Name)
		case !slices.Contains(h.Body.Roles, sg.Role):
			return nil, r.refuse("signoff.role", "%s is not enrolled as %s", h.Body.Name, sg.Role)
		}
		people, roles = append(people, sg.Person), append(roles, sg.Role)
		r.claim(Claim{Rule: "signoff.signature", What: "the signature of " + h.Body.Name + " under a " + r.Kind, Key: h.Public(), Message: msg, Sig: unhex(sg.Signature)})
	}
	slices.Sort(roles)
	return roles, nil
}

// KeyChangedMessage gives the bytes that people sign to change a key's state.
func KeyChangedMessage(b KeyChanged, prev ledger.Hash, site string) ([]byte, error) {
	return unsignedMessage(signoff.Custody, struct {
		At       string      `json:"at"`
		Ceremony string      `json:"ceremony"`
		Key      string      `json:"key"`
		Prev     ledger.Hash `json:"prev"`
		Reason   string      `json:"reason"`
		Site     string      `json:"site"`
		State    KeyState    `json:"state"`
		Waived   bool        `json:"waived,omitzero"`
	}{b.At, "", b.Key, prev, b.Reason, site, b.State, b.Waived})
}

// keyFact moves the fold for a fact about a key. The step's kind has judged it.
func (s *State) keyFact(r *record) error {
	switch b := r.body.(type) {
	case *KeyGenerated:
		s.Keys[b.ID] = &Key{Body: *b, Leaf: r.Leaf, Seq: r.Seq, Ceremony: s.Open.Number, Time: r.Time, State: PreActivation,
			Copies: []Copy{{Form: ModuleForm, ID: b.ID, Name: ModuleCopy(b.Serial, b.ID), State: CopyKept, Where: b.Serial}}}
	case *KeyQuarantined:
		if k := s.Keys[b.ID]; k != nil {
			k.Quarantined = true
		}
	case *KeyWrapped:
		k, err := s.keyInUse(r, b.ID)
		if err != nil {
			return err
		}
		s.Open.Wrapped = append(s.Open.Wrapped, *b)
		k.Wrapped = append(k.Wrapped, *b)
	case *ArtifactStored:
		if b.Key == "" {
			return nil
		}
		k, err := s.keyInUse(r, b.Key)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(k.Copies, func(c Copy) bool { return c.Name == b.Name }) {
			return r.refuse("copy.named", "a copy of %s is called %q already", k.Body.Label, b.Name)
		}
		s.Open.Stored = append(s.Open.Stored, *b)
		k.Copies = append(k.Copies, Copy{Form: b.Form, Name: b.Name, SHA256: b.SHA256, Set: b.Set, State: CopyKept, Stated: b.Stated, Where: b.Where})
	case *KeyRestored:
		k, err := s.keyInUse(r, b.Key)
		if err != nil {
			return err
		}
		if b.Fingerprint != k.Body.Fingerprint {
			return r.refuse("key.restored", "what was restored is not %s: its fingerprint is %s", k.Body.Label, b.Fingerprint)
		}
		k.Copies = append(k.Copies, Copy{Form: ModuleForm, ID: b.ID, Name: ModuleCopy(b.Serial, b.ID), State: CopyKept, Where: b.Serial})
		s.Open.Restored = append(s.Open.Restored, *b)
	case *RestoreWaived:
		return s.restoreWaived(r, b)
	case *KeyDeleted:
		k, err := s.keyInUse(r, b.Key)
		if err != nil {
			return err
		}
		if b.ByID != 0 || b.ByLabel != 0 || b.UseFails == "" {
			return r.refuse("key.present", "the object is called deleted, and the token still finds it or lets it be used")
		}
		i := slices.IndexFunc(k.Copies, func(c Copy) bool { return c.Name == ModuleCopy(b.Serial, b.ID) })
		if i < 0 {
			return r.refuse("key.copy", "no copy of %s is in token %s under that id", k.Body.Label, b.Serial)
		}
		k.Copies[i].State = CopyDestroyed
		s.Open.Deleted = append(s.Open.Deleted, *b)
	case *KeyDestroyed:
		k, err := s.keyInUse(r, b.Key)
		if err != nil {
			return err
		}
		if open := k.OpenCopies(); len(open) > 0 {
			return r.refuse("key.copies-open", "%s cannot be called destroyed: %s remains", k.Body.Label, open[0].Name)
		}
		if b.Copies != len(k.Copies) {
			return r.refuse("key.copies-open", "the register has %d copies, not %d", len(k.Copies), b.Copies)
		}
		if k.State == Compromised {
			k.State = DestroyedCompromised
		} else {
			k.State = Destroyed
		}
	}
	return nil
}

// keyInUse finds a key that may still be spoken of, and that this run restates.
func (s *State) keyInUse(r *record, id string) (*Key, error) {
	k := s.Keys[id]
	switch {
	case k == nil:
		return nil, r.refuse("key.unknown", "no key with id %s is known here", id)
	case k.Gone():
		return nil, r.refuse("key.state", "%s is %s; nothing leads out of that state", k.Body.Label, k.State)
	case !slices.Contains(s.keysNeeded(s.Open), k) && k.Ceremony != s.Open.Number:
		return nil, r.refuse("context.missing", "the context of this run does not restate %s", k.Body.Label)
	}
	return k, nil
}

// keysNamed: a ceremony about a key begins only if that key is there.
func (s *State) keysNamed(r *record) error {
	for _, par := range s.Open.Plan.Parameters {
		if par.Type != "key" {
			continue
		}
		name := s.Open.Plan.Values[par.Name]
		switch k := s.KeyNamed(name); {
		case k == nil:
			return r.refuse("key.unknown", "no key called %q is known here", name)
		case k.Gone():
			return r.refuse("key.state", "%s is %s; nothing leads out of that state", k.Body.Label, k.State)
		}
	}
	return nil
}

// Gone says that the key is in the last of its states.
func (k *Key) Gone() bool { return k.State == Destroyed || k.State == DestroyedCompromised }

// OpenCopies lists what of a key is not known to be destroyed.
func (k *Key) OpenCopies() []Copy {
	var out []Copy
	for _, c := range k.Copies {
		if c.State != CopyDestroyed {
			out = append(out, c)
		}
	}
	return out
}

// copyEnds: what happens to an item happens to the copies that lie on it.
func (s *State) copyEnds(name, state string) {
	for _, k := range s.Keys {
		for i := range k.Copies {
			if k.Copies[i].Name == name {
				k.Copies[i].State = state
			}
		}
	}
}

// In is the CKA_ID under which a key lies in a token, "" if it does not.
func (k *Key) In(serial string) string {
	for _, c := range k.Copies {
		if c.Form == ModuleForm && c.State == CopyKept && c.Where == serial {
			return c.ID
		}
	}
	return ""
}

// KeysUnder lists the keys of which a backup that the cards of a set open may still
// be somewhere.
func (s *State) KeysUnder(set string) []*Key {
	var out []*Key
	for _, id := range sortedKeys(s.Keys) {
		if slices.ContainsFunc(s.Keys[id].Copies, func(c Copy) bool { return c.Set == set && c.State != CopyDestroyed }) {
			out = append(out, s.Keys[id])
		}
	}
	return out
}

// NeededFor lists the keys for which the cards of a set are needed: a backup under
// them is kept; or nobody knows where it is, and no other backup is kept. Where
// another one is, cards that are destroyed are what makes a lost backup worthless.
func (s *State) NeededFor(set string) []*Key {
	return slices.DeleteFunc(s.KeysUnder(set), func(k *Key) bool {
		kept := func(under bool) bool {
			return slices.ContainsFunc(k.Copies, func(c Copy) bool { return c.State == CopyKept && c.Set != "" && !c.Stated && (c.Set == set) == under })
		}
		return !kept(true) && kept(false)
	})
}

// Labels names keys as people do.
func Labels(keys []*Key) string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Body.Label)
	}
	return strings.Join(out, ", ")
}

// KeyNamed finds a key as people name it: by its id, or by its label, which is
// the newest key's if an older one that is destroyed had it too.
func (s *State) KeyNamed(name string) *Key {
	if k := s.Keys[name]; k != nil {
		return k
	}
	var found *Key
	for _, id := range sortedKeys(s.Keys) {
		if k := s.Keys[id]; k.Body.Label == name && (found == nil || k.Seq > found.Seq) {
			found = k
		}
	}
	return found
}

// keysNeeded lists the keys that a run may speak of: whose label a parameter
// names, those whose backups the cards that a parameter names still open, and those
// that it has backed up.
func (s *State) keysNeeded(p *Progress) []*Key {
	var out []*Key
	add := func(k *Key) {
		if k != nil && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	for _, par := range p.Plan.Parameters {
		switch v := p.Plan.Values[par.Name]; par.Type {
		case "label", "key":
			add(s.KeyNamed(v))
		case "set":
			if set := s.SetNamed(v); set != nil {
				for _, k := range s.KeysUnder(set.Body.Set) {
					add(k)
				}
			}
		}
	}
	// Their old backups may be gone by now.
	for _, w := range p.Wrapped {
		add(s.Keys[w.ID])
	}
	slices.SortFunc(out, func(a, b *Key) int { return int(a.Seq - b.Seq) })
	return out
}

package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
)

// keyColumns are the columns of keys, here and on the overview.
var keyColumns = []Column{{"Key", 3}, {"Purpose", 1.6}, {"Owner", 1.8}, {"State", 1.9}, {"Lifetime", 2.4}}

// NewKeys lists every key, those that need a decision first.
func NewKeys(r Record, now time.Time) Table {
	t := Table{Title: "Keys", One: "key", Many: "keys", Columns: keyColumns,
		First: "There is no key yet. A key is made in a ceremony: go to the overview and start one that generates a key."}
	for _, k := range sortedKeys(r.State, now) {
		t.Rows = append(t.Rows, keyRow(r.State, k, now))
	}
	return t
}

// sortedKeys gives the keys that ask something of people, then the newest.
func sortedKeys(s *ceremony.State, now time.Time) []*ceremony.Key {
	out := make([]*ceremony.Key, 0, len(s.Keys))
	for _, k := range s.Keys {
		out = append(out, k)
	}
	due := keysDue(s, now)
	slices.SortFunc(out, func(a, b *ceremony.Key) int {
		_, one := due[a.Body.ID]
		_, other := due[b.Body.ID]
		if one != other {
			return map[bool]int{true: -1, false: 1}[one]
		}
		return cmp.Or(cmp.Compare(b.Seq, a.Seq), cmp.Compare(a.Body.ID, b.Body.ID))
	})
	return out
}

// keysDue are the keys that people are told of by now, by their ids.
func keysDue(s *ceremony.State, now time.Time) map[string]ceremony.KeyDue {
	out := map[string]ceremony.KeyDue{}
	for _, d := range s.KeysDue() {
		if d.Told(now) {
			out[d.Key] = d
		}
	}
	return out
}

func keyRow(s *ceremony.State, k *ceremony.Key, now time.Time) Row {
	l := lifeOf(k, now)
	below := ceremony.AlgorithmName(k.Body.Algorithm)
	if len(k.Body.Fingerprint) >= 8 {
		below += " · " + fours(k.Body.Fingerprint[:8])
	}
	return Row{ID: k.Body.ID, Cells: []Cell{
		{Kind: Name, Text: k.Body.Label, Below: below}, {Text: purpose(k.Body.Purpose)}, {Text: called(s, k.Body.Owner)},
		{Kind: Chip, Text: l.state, Tone: l.tone}, lifetime(k, l)}}
}

// lifetime shows how much of it is used; where it does not run any more, what is
// left to be done.
func lifetime(k *ceremony.Key, l life) Cell {
	switch {
	case over(k):
		return Cell{Text: "no copy remains"}
	case k.State == ceremony.Deactivated, k.State == ceremony.Compromised:
		return Cell{Text: "to be destroyed"}
	}
	return Cell{Kind: Bar, Text: l.left, Tone: l.tone, Used: l.used}
}

// life is a key's state and how much of its lifetime is used.
type life struct {
	state string
	tone  Tone
	used  float64
	left  string
}

func lifeOf(k *ceremony.Key, now time.Time) life {
	l := life{state: keyState(k), tone: keyTone(k)}
	if over(k) || k.State == ceremony.Compromised || k.State == ceremony.Deactivated {
		return l
	}
	from, until := date(k.Body.From), date(k.Body.Until)
	if until.IsZero() || !until.After(from) {
		return l
	}
	l.used = float64(now.Sub(from)) / float64(until.Sub(from))
	switch left := until.Sub(now); {
	case left <= 0:
		l.left, l.tone = "ended "+day(until), Bad
	case left < ceremony.KeyNotice:
		l.left, l.tone = count(int(left.Hours()/24), "day"), Waiting
	default:
		l.left = until.Format("2006")
	}
	return l
}

func date(s string) time.Time {
	t, _ := time.Parse(time.DateOnly, s)
	return t
}

func keyState(k *ceremony.Key) string {
	if k.Quarantined && !over(k) {
		return "Quarantined"
	}
	return capital(string(k.State))
}

// over: nothing leads out of these states.
func over(k *ceremony.Key) bool {
	return k.State == ceremony.Destroyed || k.State == ceremony.DestroyedCompromised
}

func keyTone(k *ceremony.Key) Tone {
	if k.Quarantined && !over(k) {
		return Waiting
	}
	switch k.State {
	case ceremony.Active:
		return Good
	case ceremony.PreActivation:
		return Info
	case ceremony.Suspended:
		return Waiting
	case ceremony.Compromised, ceremony.Destroyed, ceremony.DestroyedCompromised:
		return Bad
	}
	return Neutral
}

func purpose(p string) string {
	switch p {
	case "sign":
		return "Signing only"
	case "wrap":
		return "Wrapping keys only"
	case "encrypt":
		return "Encryption only"
	case "derive":
		return "Key agreement only"
	}
	return capital(p)
}

// protection says in words what the HSM lets out.
func protection(p string) string {
	switch p {
	case "module-only":
		return "Never leaves the HSM it was made in, wrapped or not."
	case "wrap-backup":
		return "Leaves only wrapped; a backup and enough recovery cards can rebuild it outside an HSM."
	}
	return p
}

// keySize is the length in bits and the strength that SP 800-57 part 1, table 2,
// gives it.
func keySize(algorithm string) (kind, length, strength string) {
	switch algorithm {
	case "ec-p256":
		return "Asymmetric key pair", "256 bits", "128 bits"
	case "ec-p384":
		return "Asymmetric key pair", "384 bits", "192 bits"
	case "ec-p521":
		return "Asymmetric key pair", "521 bits", "256 bits"
	case "ed25519":
		return "Asymmetric key pair", "256 bits", "128 bits"
	case "rsa-3072":
		return "Asymmetric key pair", "3072 bits", "128 bits"
	case "rsa-4096":
		return "Asymmetric key pair", "4096 bits", "128 bits at least"
	case "aes-256":
		return "Secret key", "256 bits", "256 bits"
	case "generic-secret", "hmac-256":
		return "Secret key", "256 bits", "256 bits"
	}
	return "", "", ""
}

// NewKeyDetail is the inventory entry of a key with every field that SP 800-130,
// section 6.2, asks for.
func NewKeyDetail(r Record, id string, now time.Time) (Detail, bool) {
	s := r.State
	k := s.Keys[id]
	if k == nil {
		return Detail{}, false
	}
	l := lifeOf(k, now)
	d := Detail{Kicker: "Key", Title: k.Body.Label, State: l.state, Tone: l.tone, Text: protection(k.Body.Protection)}
	kind, length, strength := keySize(k.Body.Algorithm)
	d.Groups = append(d.Groups,
		Group{Title: "What it is", Facts: []Fact{
			{Label: "Label", Value: k.Body.Label, Strong: true}, code("Identifier (CKA_ID)", fours(k.Body.ID)),
			said("Algorithm", ceremony.AlgorithmName(k.Body.Algorithm)), said("Type", kind), said("Length", length), said("Strength", strength),
			said("Parameters", parametersOf(k.Body.Algorithm)), said("Format", "object in a PKCS#11 token; public half as SubjectPublicKeyInfo, DER"),
			said("Approved use", purpose(k.Body.Purpose)), said("Applications", ""), said("Modes", "")},
			Hashes: []Hash{inWordsToo("Fingerprint: SHA-256 of the public key", k.Body.Fingerprint)}},
		Group{Title: "Who answers for it", Facts: []Fact{
			said("Owner", called(s, k.Body.Owner)), said("Who may use it", whoOpens(s, k.Body.Serial)), said("Policy", policyOf(s, k)), said("Parent key", ""), said("Uses counted", "")}},
		Group{Title: "Life", Facts: append([]Fact{
			said("State", l.state), said("Generated", moment(k.Time)), said("Use from", day(date(k.Body.From))), said("Use until", day(date(k.Body.Until))),
			said("Possession proved", proved(s, k))}, append(horizon(k), changes(s, k)...)...)},
		Group{Title: "Every copy of it", Facts: copies(k)},
		Group{Title: "Where and how it is kept", Facts: append(product(s, k.Body.Serial), said("Protection", k.Body.Protection), said("Sensitivity", sensitivity(k)))},
		Group{Title: "Attributes, as read back from the token", Facts: attributes(k.Body.Attributes)})
	d.Acts = changeActs(s, k)
	d.Refs = []Ref{{InCeremonies, k.Ceremony, "Ceremony " + k.Ceremony}}
	if s.People[k.Body.Owner] != nil {
		d.Refs = append(d.Refs, Ref{InPeople, k.Body.Owner, called(s, k.Body.Owner)})
	}
	d.Names = named(k.Body.ID, k.Body.Label, k.Leaf.String(), k.Body.Intent.String())
	return d, true
}

// policyOf says what the policy in force allows of such a key.
func policyOf(s *ceremony.State, k *ceremony.Key) string {
	if s.Policy == nil {
		return ""
	}
	a := s.Policy.Adopted
	out := fmt.Sprintf("version %d: %s", a.Version, a.Policy.Title)
	if row, ok := a.Policy.Cryptoperiod(k.Body.Algorithm, k.Body.Purpose); ok {
		out += fmt.Sprintf("\nused for %s, at most %s (%s)", row.Default, row.Ceiling, row.Source)
	}
	return out
}

// horizon warns of a key whose algorithm ends before its use.
func horizon(k *ceremony.Key) []Fact {
	if why := ceremony.QuantumHorizon(k.Body.Algorithm, k.Body.Until); why != "" {
		return []Fact{said("Quantum horizon", why)}
	}
	return nil
}

// changes tells every change of state: when, to what, why, by whose word.
func changes(s *ceremony.State, k *ceremony.Key) []Fact {
	var out []Fact
	reason := ""
	for _, c := range k.Changes {
		var by []string
		for _, sg := range c.Body.Signatures {
			by = append(by, called(s, sg.Person)+", "+sg.Role)
		}
		out = append(out, Fact{Label: capital(string(c.Body.State)), Value: fmt.Sprintf("from %s, recorded %s\nbecause: %s\nsigned by %s", c.Body.At, moment(c.At), c.Body.Reason, strings.Join(by, "; "))})
		if c.Body.Waived {
			out = append(out, Fact{Label: "Backup", Value: "none; waived for that reason"})
		}
		if c.Body.State == ceremony.Compromised || c.Body.State == ceremony.Deactivated {
			reason = c.Body.Reason
		}
	}
	return append(out, said("Revocation reason", reason))
}

// copies is the register of everything that the key, or what brings it back, is
// or was in.
func copies(k *ceremony.Key) []Fact {
	var out []Fact
	for _, c := range k.Copies {
		value := c.State + " · " + c.Form
		if c.Where != "" {
			value += " · " + c.Where
		}
		if c.Set != "" {
			value += " · opened by cards of set " + setName(c.Set)
		}
		if c.Stated {
			value += " · as stated"
		}
		out = append(out, Fact{Label: capital(c.Name), Value: value})
	}
	if len(out) == 0 {
		out = []Fact{{Value: notRecorded}}
	}
	return out
}

// proved says whether the token proved that it holds the private half.
func proved(s *ceremony.State, k *ceremony.Key) string {
	p := s.Find(k.Ceremony)
	if p == nil {
		return ""
	}
	for _, in := range p.Intents {
		if in.Body.Act.Do == "prove-possession" && in.Body.Act.With["label"] == k.Body.Label && in.Outcome == ceremony.Done {
			return "yes: a signature by it was verified with the public key"
		}
	}
	return ""
}

func parametersOf(algorithm string) string {
	switch {
	case strings.HasPrefix(algorithm, "ec-p"):
		return "NIST curve P-" + strings.TrimPrefix(algorithm, "ec-p")
	case strings.HasPrefix(algorithm, "rsa-"):
		return "public exponent 65537"
	}
	return ""
}

// whoOpens says whose cards open the token that holds a key.
func whoOpens(s *ceremony.State, serial string) string {
	set := s.SetFor(serial, "user")
	if set == nil {
		return ""
	}
	return "whoever opens the token: " + anyOf(set) + ", in a ceremony that officers authorise"
}

func product(s *ceremony.State, serial string) []Fact {
	t := s.Tokens[serial]
	if t == nil {
		return []Fact{said("Product", ""), code("Token's serial number", serial)}
	}
	b := t.Body
	slot := "software"
	if b.HardwareSlot {
		slot = "hardware"
	}
	return []Fact{said("Product", strings.TrimSpace(b.Manufacturer+" "+b.Model)), said("Token", b.Label), code("Token's serial number", b.Serial),
		said("Firmware", b.Firmware), said("Hardware", b.Hardware), said("Kind of token", slot)}
}

func sensitivity(k *ceremony.Key) string {
	for _, a := range k.Body.Attributes {
		if strings.EqualFold(a.Name, "sensitive") {
			return map[string]string{"true": "sensitive: its value cannot be read out of the token"}[a.Value]
		}
	}
	return ""
}

func attributes(list []ceremony.Attribute) []Fact {
	if len(list) == 0 {
		return []Fact{{Value: notRecorded}}
	}
	out := make([]Fact, len(list))
	for i, a := range list {
		out[i] = Fact{Label: a.Name, Value: a.Value, Mono: true}
	}
	return out
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

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
var keyColumns = []Column{{textKey, 3}, {textPurpose, 1.6}, {textOwner, 1.8}, {textState, 1.9}, {textLifetime, 2.4}}

// NewKeys lists every key, those that need a decision first.
func NewKeys(r Record, now time.Time) Table {
	t := Table{Title: textKeysCapital, One: textKeyLower, Many: textKeysLower, Columns: keyColumns,
		First: textThereNoKeyYetKey}
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
		{Kind: Name, Text: k.Body.Label, Below: below}, {Text: capital(ceremony.PurposeWords(k.Body.Purpose))}, {Text: called(s, k.Body.Owner)},
		{Kind: Chip, Text: l.state, Tone: l.tone}, lifetime(k, l)}}
}

// lifetime shows how much of it is used; where it does not run any more, what is
// left to be done.
func lifetime(k *ceremony.Key, l life) Cell {
	switch {
	case over(k):
		return Cell{Text: textNoCopyRemains}
	case k.State == ceremony.Deactivated, k.State == ceremony.Compromised:
		return Cell{Text: textDestroyed}
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
		l.left, l.tone = fmt.Sprintf(textEndedX, day(until)), Bad
	case left < ceremony.KeyNotice:
		l.left, l.tone = count(int(left.Hours()/24), textDay), Waiting
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
		return textQuarantined
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

// protection says in words what the HSM lets out.
func protection(p string) string {
	switch p {
	case "module-only":
		return textNeverLeavesHSMMadeWrapped
	case "wrap-backup":
		return textLeavesOnlyWrappedBackupEnough
	}
	return p
}

// keySize is the length in bits and the strength that SP 800-57 part 1, table 2,
// gives it.
func keySize(algorithm string) (kind, length, strength string) {
	switch algorithm {
	case "ec-p256":
		return textAsymmetricKeyPair, text256Bits, text128Bits
	case "ec-p384":
		return textAsymmetricKeyPair, text384Bits, text192Bits
	case "ec-p521":
		return textAsymmetricKeyPair, text521Bits, text256Bits
	case "ed25519":
		return textAsymmetricKeyPair, text256Bits, text128Bits
	case "rsa-3072":
		return textAsymmetricKeyPair, text3072Bits, text128Bits
	case "rsa-4096":
		return textAsymmetricKeyPair, text4096Bits, text128BitsLeast
	case "aes-256":
		return textSecretKey, text256Bits, text256Bits
	case "generic-secret", "hmac-256":
		return textSecretKey, text256Bits, text256Bits
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
	d := Detail{Kicker: textKey, Title: k.Body.Label, State: l.state, Tone: l.tone, Text: protection(k.Body.Protection)}
	kind, length, strength := keySize(k.Body.Algorithm)
	d.Groups = append(d.Groups,
		Group{Title: textWhatItIs, Facts: []Fact{
			{Label: textLabel, Value: k.Body.Label, Strong: true}, code(textIdentifierCKAID, fours(k.Body.ID)),
			said(textAlgorithm, ceremony.AlgorithmName(k.Body.Algorithm)), said(textType, kind), said(textLength, length), said(textStrength, strength),
			said(textParameters, parametersOf(k.Body.Algorithm)), said(textFormat, textObjectPKCS11TokenPublic),
			said(textApprovedUse, capital(ceremony.PurposeWords(k.Body.Purpose))), said(textApplications, ""), said(textModes, "")},
			Hashes: []Hash{inWordsToo(textFingerprintSHA256PublicKey, k.Body.Fingerprint)}},
		Group{Title: textWhoAnswers, Facts: []Fact{
			said(textOwner, called(s, k.Body.Owner)), said(textWhoMayUse, whoOpens(s, k.Body.Serial)), said(textPolicy, policyOf(s, k)), said(textParentKey, parent(k)), said(textUsesCounted, "")}},
		Group{Title: textLife, Facts: append([]Fact{
			said(textState, l.state), said(textGenerated, moment(k.Time)), said(textUseFrom, day(date(k.Body.From))), said(textUseUntil, day(date(k.Body.Until))),
			said(textPossessionProved, proved(s, k))}, append(horizon(k), changes(s, k)...)...)},
		Group{Title: textEveryCopy, Facts: copies(k)},
		Group{Title: textWhereHowKept, Facts: append(product(s, k.Body.Serial), said(textProtection, k.Body.Protection), said(textSensitivity, sensitivity(k)))},
		Group{Title: textAttributesReadBackFromToken, Facts: attributes(k.Body.Attributes)})
	d.Acts = changeActs(s, k)
	d.Refs = []Ref{{InCeremonies, k.Ceremony, fmt.Sprintf(textCeremonyX, k.Ceremony)}}
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
	out := fmt.Sprintf(textVersion, a.Version, a.Policy.Title)
	if row, ok := a.Policy.Cryptoperiod(k.Body.Algorithm, k.Body.Purpose); ok {
		out += fmt.Sprintf(textUsedMost, row.Default, row.Ceiling, row.Source)
	}
	return out
}

// horizon warns of a key whose algorithm ends before its use.
func horizon(k *ceremony.Key) []Fact {
	if why := ceremony.QuantumHorizon(k.Body.Algorithm, k.Body.Until); why != "" {
		return []Fact{said(textQuantumHorizon, why)}
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
		out = append(out, Fact{Label: capital(string(c.Body.State)), Value: fmt.Sprintf(textFromRecordedBecauseSigned, c.Body.At, moment(c.At), c.Body.Reason, strings.Join(by, "; "))})
		if c.Body.Waived {
			out = append(out, Fact{Label: textBackup, Value: textNoneWaivedReason})
		}
		if c.Body.State == ceremony.Compromised || c.Body.State == ceremony.Deactivated {
			reason = c.Body.Reason
		}
	}
	return append(out, said(textRevocationReason, reason))
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
			value += fmt.Sprintf(textOpenedCardsSet, setName(c.Set))
		}
		if c.Stated {
			value += textStated
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
			return textYesSignatureVerifiedPublicKey
		}
	}
	return ""
}

func parametersOf(algorithm string) string {
	switch {
	case strings.HasPrefix(algorithm, "ec-p"):
		return fmt.Sprintf(textNISTCurveP, strings.TrimPrefix(algorithm, "ec-p"))
	case strings.HasPrefix(algorithm, "rsa-"):
		return textPublicExponent65537
	}
	return ""
}

// whoOpens says whose cards open the token that holds a key.
func whoOpens(s *ceremony.State, serial string) string {
	set := s.SetFor(serial, "user")
	if set == nil {
		return ""
	}
	return fmt.Sprintf(textWhoeverOpensTokenCeremonyOfficers, anyOf(set))
}

func product(s *ceremony.State, serial string) []Fact {
	t := s.Tokens[serial]
	if t == nil {
		return []Fact{said(textProduct, ""), code(textTokensSerialNumber, serial)}
	}
	b := t.Body
	slot := "software"
	if b.HardwareSlot {
		slot = "hardware"
	}
	return []Fact{said(textProduct, strings.TrimSpace(b.Manufacturer+" "+b.Model)), said(textToken, b.Label), code(textTokensSerialNumber, b.Serial),
		said(textFirmware, b.Firmware), said(textHardware, b.Hardware), said(textKindToken, slot)}
}

func sensitivity(k *ceremony.Key) string {
	if readBack(k, "sensitive") {
		return textSensitiveValueCannotReadOut
	}
	return ""
}

// parent: what the token made by itself was derived from no other key.
func parent(k *ceremony.Key) string {
	if readBack(k, "local") {
		return textNoneTokenMadeItself
	}
	return ""
}

// readBack says that the token told an attribute of a key to be true.
func readBack(k *ceremony.Key, name string) bool {
	return slices.ContainsFunc(k.Body.Attributes, func(a ceremony.Attribute) bool { return a.Name == name && a.Value == "true" })
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

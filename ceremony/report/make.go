package report

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jung-kurt/gofpdf"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// doc is one document while it is drawn.
type doc struct {
	*page
	in    Input
	s     *ceremony.State
	p     *ceremony.Progress
	key   *ceremony.Key // that was made
	gone  *ceremony.Key // that was to be destroyed
	t     *story
	cp    *ledger.Checkpoint // nil while the HSM has not signed
	files []Attachment

	cosigned []ledger.Cosignature
}

// Make draws the document. The same input gives the same bytes with the same
// toolchain, and the same objects with any.
func Make(in Input) (pdf []byte, pages int, err error) {
	d, err := newDoc(in)
	if err != nil {
		return nil, 0, err
	}
	d.properties()
	d.add()
	d.pageOne()
	if d.gone != nil {
		d.end()
	}
	d.later()
	d.whatHappened()
	d.shares()
	d.deviations()
	d.interruptions()
	d.cleanUp()
	d.custody()
	d.enrolment()
	d.enrolmentRecords()
	d.ledgerKeys()
	d.equipment()
	d.attributes()
	d.fields()
	d.stepLog()
	d.requirements()
	d.keySheet()
	if err := d.seal(); err != nil {
		return nil, 0, err
	}
	d.howTo()
	first, last := in.Records[1].Seq, in.Records[len(in.Records)-1]
	leaf := last.Leaf.String()[:8]
	d.feet(fmt.Sprintf("Made from ledger records 0 and %d to %d · last record %s, %s", first, last.Seq, fours(leaf), wordsOf(leaf)))
	var attached []gofpdf.Attachment
	for _, a := range d.files {
		attached = append(attached, gofpdf.Attachment{Content: a.Content, Filename: a.Name})
	}
	d.f.SetAttachments(attached)
	pdf, err = d.bytes()
	return pdf, d.f.PageCount(), err
}

func newDoc(in Input) (*doc, error) {
	p, err := newPage(in.PageSize)
	if err != nil {
		return nil, err
	}
	d := &doc{page: p, in: in, s: in.State, p: in.Ceremony, key: in.key(), gone: in.ending()}
	if d.t, err = tell(in.Records); err != nil {
		return nil, err
	}
	if d.files, err = in.Attachments(); err != nil {
		return nil, err
	}
	if in.Checkpoint != "" {
		cp, cosigned, err := in.checkpoint()
		if err != nil {
			return nil, err
		}
		d.cp, d.cosigned = &cp, cosigned
	}
	d.practice = in.State.Site.Practice
	d.left = strings.ToUpper(in.State.Site.Organisation)
	d.right = "Ceremony " + in.Ceremony.Number
	return d, nil
}

// properties of the file. Every date is the ledger's: the document has no clock.
func (d *doc) properties() {
	d.f.SetProducer("Claviger", false)
	d.f.SetCreator(Creator(d.in.PageSize), false)
	d.f.SetTitle(d.fonts[sans].visible(d.in.Document()+" "+d.p.Number+", "+d.subject()), true)
	d.f.SetAuthor(d.fonts[sans].visible(d.s.Site.Organisation), true)
	d.f.SetCreationDate(d.p.Ended.UTC())
	d.f.SetModificationDate(d.p.Ended.UTC())
}

// subject is what the ceremony was about, in few words.
func (d *doc) subject() string {
	if d.key != nil {
		return d.key.Body.Label
	}
	if d.gone != nil {
		return d.gone.Body.Label
	}
	return d.p.Plan.Title
}

// missing is printed where a value was not recorded: never a blank.
func missing() []run { return body.in(italic).col(muted).of("not recorded") }

// elsewhere is printed for what an earlier ceremony recorded and this one does not
// restate.
func elsewhere() []run { return body.in(italic).col(muted).of("not in these records") }

func words(s string) []run {
	if s == "" {
		return missing()
	}
	return body.of(s)
}

func stated(s string) []run {
	if s == "" {
		return missing()
	}
	return append(body.of(s), run{" (as stated)", dim})
}

func monospaced(s string) []run {
	if s == "" {
		return missing()
	}
	return body.in(mono).pt(8.6).of(s)
}

// fours groups hex digits for reading.
func fours(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

func day(t time.Time) string   { return t.UTC().Format("2 Jan 2006") }
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
func stamp(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05") + " UTC" }

// dateWords writes a day of a record for people.
func dateWords(s string) string {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	return day(t)
}

// timeWords writes a time of a record's body for people.
func timeWords(s string) string {
	t, err := time.Parse(ledger.TimeFormat, s)
	if err != nil {
		return s
	}
	return stamp(t)
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if stem, ok := strings.CutSuffix(one, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

func (d *doc) name(person string) string { return d.s.Someone(person).Name }

// surname is a name short enough for a column: its last word, unless somebody
// else in these records has the same.
func (d *doc) surname(person string) string {
	last := func(id string) string {
		f := strings.Fields(d.name(id))
		if len(f) == 0 {
			return id
		}
		return f[len(f)-1]
	}
	for id := range d.s.People {
		if id != person && last(id) == last(person) {
			return d.name(person)
		}
	}
	return last(person)
}

func (d *doc) surnames(people []string) string {
	var out []string
	for _, id := range people {
		out = append(out, d.surname(id))
	}
	return strings.Join(out, ", ")
}

func (d *doc) names(people []string) string {
	var out []string
	for _, id := range people {
		out = append(out, d.name(id))
	}
	return strings.Join(out, ", ")
}

func roleName(role string) string {
	role = script.RoleWords(role)
	if role == "" {
		return role
	}
	return strings.ToUpper(role[:1]) + role[1:]
}

// setName is how a set is called on its cards: their first two groups, the
// bech32 spelling of the card's version and the set's id.
func setName(id string) string {
	name := strings.ToUpper(base32.NewEncoding("qpzry9x8gf2tvdw0s3jn54khce6mua7l").EncodeToString(append([]byte{1}, unhex(id)...)))
	if len(name) != 8 {
		return id
	}
	return name[:4] + " " + name[4:]
}

// factOf gives a fact that a step of this kind found.
func (d *doc) factOf(kind, label string) string {
	for _, st := range d.p.Plan.Steps() {
		if st.Kind != kind {
			continue
		}
		for _, l := range d.p.Steps[st.ID].Facts {
			if l.Label == label {
				return l.Value
			}
		}
	}
	return ""
}

func (d *doc) stepOf(kind string) (script.Step, *ceremony.StepState) {
	for _, st := range d.p.Plan.Steps() {
		if st.Kind == kind && d.p.Steps[st.ID].Done {
			return st, d.p.Steps[st.ID]
		}
	}
	return script.Step{}, nil
}

func (d *doc) stepsDone() int {
	n := 0
	for _, st := range d.p.Plan.Steps() {
		if d.p.Steps[st.ID].Done {
			n++
		}
	}
	return n
}

// stoppedAt is the step at which a ceremony that is not sealed stands.
func (d *doc) stoppedAt() int {
	for _, st := range d.p.Plan.Steps() {
		if !d.p.Steps[st.ID].Done {
			return st.Number
		}
	}
	return len(d.p.Plan.Steps())
}

// dualControl counts the acts and says whether each names authorisations by
// two different people. It is worked out from the records again: the words on
// page one are never taken from a record.
func (d *doc) dualControl() (acts int, dual bool) {
	dual = true
	by := map[ledger.Hash]*ceremony.SignOff{}
	for _, r := range d.in.Records {
		if r.Kind != ceremony.SignOffKind {
			continue
		}
		if body, err := ceremony.Body(r); err == nil {
			by[r.Leaf] = body.(*ceremony.SignOff)
		}
	}
	for _, in := range d.p.Intents {
		acts++
		people := map[string]bool{}
		for _, leaf := range in.Body.Authorisations {
			if so := by[leaf]; so != nil && so.Act == ceremony.ActAuthorise && so.Verdict == ceremony.Agree && so.Role == script.Officer {
				people[so.Person] = true
			}
		}
		dual = dual && len(people) >= 2
	}
	return acts, dual
}

func (d *doc) claims() []chip {
	var out []chip
	total := len(d.p.Plan.Steps())
	switch d.p.Status {
	case ceremony.SealedStatus:
		out = append(out, chip{fmt.Sprintf("Completed, %d of %d steps", d.stepsDone(), total), green, mint})
	case ceremony.AbortedStatus:
		out = append(out, chip{fmt.Sprintf("Aborted at step %d of %d", d.stoppedAt(), total), red, rose})
	default:
		out = append(out, chip{fmt.Sprintf("Not finished: %s at step %d of %d", d.p.Status, d.stoppedAt(), total), brown, cream})
	}
	if d.gone != nil {
		out = append(out, d.outcome())
	}
	if acts, dual := d.dualControl(); acts > 0 && dual {
		out = append(out, chip{"Two officers signed every authorised act", green, mint})
	}
	switch n := len(d.p.Deviations); n {
	case 0:
		out = append(out, chip{"No deviation", muted, slate})
	default:
		out = append(out, chip{plural(n, "deviation"), brown, cream})
	}
	if no := d.p.NotAccepted(); len(no) > 0 {
		out = append(out, chip{"Not accepted by " + d.names(no), red, rose})
	}
	if d.cp == nil {
		out = append(out, chip{"Not yet signed by the HSM", brown, cream})
	}
	if d.s.Contradiction != "" {
		out = append(out, chip{"A head contradicts this record", red, rose})
	}
	if d.practice {
		out = append(out, chip{"PRACTICE: no real key", brown, cream})
	}
	return out
}

func (d *doc) pageOne() {
	title := style{semibold, 21, ink}
	d.y += 6
	d.text(margin, d.y+19, d.fit(d.in.Document(), title, d.w-2*margin), title)
	d.y += 29
	sub := d.p.Plan.Title
	if d.key != nil {
		sub = d.key.Body.Label + " · " + ceremony.AlgorithmName(d.key.Body.Algorithm) + " · " + ceremony.PurposeWords(d.key.Body.Purpose)
	}
	if d.gone != nil {
		sub = d.gone.Body.Label + " · " + ceremony.AlgorithmName(d.gone.Body.Algorithm) + " · " + reasonWords(d.p.Plan.Values["reason"])
	}
	under := style{sans, 12, muted}
	d.text(margin, d.y+10, d.fit(sub, under, d.w-2*margin), under)
	d.y += 26
	d.chips(d.claims())
	switch {
	case d.key != nil:
		d.keyTable()
	case d.gone != nil:
		d.endingTable()
	default:
		d.ceremonyTable()
	}
	d.present()
	d.statements()
}

func (d *doc) keyTable() {
	k := d.key.Body
	d.heading("The key")
	d.facts([]fact{
		{"Label and identifier", append(body.of(k.Label+" · "), monospaced(fours(k.ID))...)},
		{"Algorithm and use", words(ceremony.AlgorithmName(k.Algorithm) + ", " + ceremony.PurposeWords(k.Purpose) + " (CKA_SIGN)")},
		{"Where it was made", d.whereMade()},
		{"Protection read back", words(d.protection())},
		{"Owner", d.owner()},
		{"State, lifetime", words(d.stateWords() + "; " + dateWords(k.From) + " to " + dateWords(k.Until))},
		{"Backup", d.backup()},
	})
	d.y += 4
	d.line(margin, d.y, d.w-margin, d.y, 0.6, rule)
	d.y += 8
	d.room(90)
	d.text(margin, d.y+8, "SHA-256 of the public key (SubjectPublicKeyInfo, DER), and the same in words", dim.pt(8.4))
	d.y += 14
	d.fingerprint(k.Fingerprint)
}

func (d *doc) fingerprint(hex string) {
	if len(hex) != 64 {
		d.para(missing(), 0)
		return
	}
	d.hashBlock([2]string{fours(hex[:32]), fours(hex[32:])}, assets.PGPWords(unhex(hex)))
}

func (d *doc) whereMade() []run {
	tok := d.s.Tokens[d.key.Body.Serial]
	if tok == nil {
		return append(body.of("Token with serial number "), monospaced(d.key.Body.Serial)...)
	}
	b := tok.Body
	what := strings.TrimSpace(b.Manufacturer + " " + b.Model)
	out := body.of(fmt.Sprintf("Token “%s”, serial ", b.Label))
	out = append(out, monospaced(b.Serial)...)
	kind := "a software token"
	if b.HardwareSlot {
		kind = "a hardware token"
	}
	return append(out, run{fmt.Sprintf("; %s, hardware %s, firmware %s, %s", what, b.Hardware, b.Firmware, kind), body}, run{" (as the token states)", dim})
}

func (d *doc) attribute(name string) string {
	for _, a := range d.key.Body.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// protection says what was read back, never what was asked.
func (d *doc) protection() string {
	var out []string
	for _, a := range []struct{ name, value, words string }{
		{"sensitive", "true", "sensitive"}, {"always-sensitive", "true", "always sensitive"}, {"local", "true", "made on this token"},
		{"never-extractable", "true", "never extractable"}, {"extractable", "true", "extractable"}, {"wrap-with-trusted", "true", "leaves only wrapped by trusted keys"},
	} {
		if d.attribute(a.name) == a.value {
			out = append(out, a.words)
		}
	}
	if len(out) == 0 {
		return ""
	}
	s := strings.Join(out, ", ")
	return strings.ToUpper(s[:1]) + s[1:]
}

func (d *doc) owner() []run {
	h := d.s.People[d.key.Body.Owner]
	if h == nil {
		return words(d.key.Body.Owner)
	}
	return append(body.of(h.Body.Called()+", "+h.Body.Organisation), run{d.ownerStated(), dim})
}

func (d *doc) ownerStated() string {
	if d.p.Body.Order != "" {
		return " (as ordered)"
	}
	return " (as stated when the ceremony began)"
}

func (d *doc) backup() []run {
	switch n := len(d.p.Wrapped); {
	case d.attribute("never-extractable") == "true":
		return words("None: the key cannot leave the token")
	case n > 0:
		return words(plural(n, "wrapped backup") + "; see “All fields”, A10")
	}
	return words("None in this ceremony: a wrapped backup has a ceremony and a report of its own")
}

// ceremonyTable stands on page one where no key was made.
func (d *doc) ceremonyTable() {
	d.heading("The ceremony")
	about := []fact{
		{"What", words(d.p.Plan.Title)},
		{"Site", append(body.of(d.s.Site.Organisation+" · "), monospaced(d.s.Site.Origin)...)},
		{"Place", d.place()},
		{"Begun, ended", words(stamp(d.p.Started) + " to " + stamp(d.p.Ended))},
		{"Script", append(body.of(fmt.Sprintf("%s, version %d, SHA-256 ", d.p.Plan.Name, d.p.Plan.Version)), monospaced(d.p.Body.Script.String())...)},
		{"How it ended", d.ending()},
	}
	if k := d.quarantined(); k != nil {
		about = append(about, fact{"Key", words(fmt.Sprintf("“%s” was made and is quarantined: it may only be inspected or destroyed", k.Body.Label))})
	}
	d.facts(about)
}

func (d *doc) quarantined() *ceremony.Key {
	for _, k := range d.s.Keys {
		if k.Ceremony == d.p.Number && k.Quarantined {
			return k
		}
	}
	return nil
}

func (d *doc) ending() []run {
	if d.p.Status == ceremony.SealedStatus {
		return words(fmt.Sprintf("Sealed, record %d", d.t.sealed))
	}
	last := d.t.stops[len(d.t.stops)-1]
	return append(body.of(roleName(last.kind)+fmt.Sprintf(", record %d: ", last.seq)), stated(last.reason)...)
}

func (d *doc) place() []run {
	if p := d.factOf("room-check", "Place"); p != "" {
		return stated(p)
	}
	return missing()
}

// keyFingerprint of a person: SHA-256 of the SubjectPublicKeyInfo.
func (d *doc) keyFingerprint(person string) string {
	h := d.s.People[person]
	if h == nil {
		return ""
	}
	return spkiFingerprint(h.Public())
}

func (d *doc) present() {
	d.heading("Who was present")
	var rows []row
	for _, part := range d.p.Body.People {
		org := ""
		if h := d.s.People[part.Person]; h != nil {
			org = h.Body.Organisation
		}
		fp := d.keyFingerprint(part.Person)
		if fp != "" {
			fp = fours(fp[:8])
		}
		came := "did not arrive"
		if at, ok := d.t.arrived[part.Person]; ok {
			came = clock(at)
		} else if len(d.t.signed[part.Person]) > 0 {
			came = "at enrolment"
		}
		rows = append(rows, row{cells: [][]run{cells.of(d.name(part.Person)), cells.of(roleName(part.Role)), cellOr(org), codeOr(fp), cells.of(came), cells.of(seqList(d.t.signed[part.Person]))}})
	}
	d.table([]column{{"Name", 21}, {"Role", 15}, {"Organisation", 19}, {"Signing key", 14}, {"Arrived, UTC", 13}, {"Records signed", 22}}, rows)
}

func cellOr(s string) []run {
	if s == "" {
		return cells.in(italic).col(muted).of("not recorded")
	}
	return cells.of(s)
}

func codeOr(s string) []run {
	if s == "" {
		return cellOr("")
	}
	return code.of(s)
}

// seqList names up to five records.
func seqList(seqs []int64) string {
	if len(seqs) == 0 {
		return "none"
	}
	var out []string
	for _, s := range seqs {
		out = append(out, fmt.Sprint(s))
	}
	if len(out) > 6 {
		return fmt.Sprintf("%s … %s (%d)", strings.Join(out[:2], ", "), out[len(out)-1], len(out))
	}
	return strings.Join(out, ", ")
}

func (d *doc) statements() {
	d.heading("Statements")
	if len(d.p.Attested) == 0 {
		d.para(words("Nobody attested: the ceremony did not come that far."), 0)
	}
	for _, role := range d.roles() {
		d.statement(role)
	}
	for _, n := range slices.Sorted(maps.Keys(d.p.Phases)) {
		for _, person := range slices.Sorted(maps.Keys(d.p.Phases[n])) {
			sg := d.p.Phases[n][person]
			if sg.SignOff.Verdict == ceremony.Disagree {
				d.para(append(body.in(medium).of(fmt.Sprintf("%s on phase %d: ", d.name(person), n)), run{"disagrees", body.in(semibold).col(red)},
					run{fmt.Sprintf(", because: “%s”, record %d.", sg.SignOff.Reason, sg.Seq), body}), 0)
			}
		}
	}
	d.withheld()
	lines := []string{"Administrator", "Witness"}
	if d.key != nil {
		lines = append(lines, "Owner, accepting the key and its duties", "Approver, accepting the key")
	}
	if d.gone != nil {
		lines = append(lines, "Third-party witness, custodian of no part of this key", "Owner", "Approver", "Auditor")
	}
	d.room(32 + signing(len(lines)))
	d.gap(2)
	d.para(dim.pt(8.4).of("Each statement was signed with that person's own key over the record as it then stood; the numbers are those records. The lines below are for signing this paper by hand."), 0)
	d.signatures(lines)
}

// roles in the order of the people.
func (d *doc) roles() []string {
	var out []string
	for _, part := range d.p.Body.People {
		if !slices.Contains(out, part.Role) {
			out = append(out, part.Role)
		}
	}
	return out
}

// statement prints what the people of a role said: once for those who agree,
// each alone for those who disagree or were silent.
func (d *doc) statement(role string) {
	var agree, silent []string
	var seqs []int64
	say := "“" + ceremony.Statement(ceremony.ActAttest, role) + "” "
	title := strings.ToLower(roleName(role))
	for _, person := range d.p.InRole(role) {
		sg, ok := d.p.Attested[person]
		switch {
		case !ok:
			silent = append(silent, person)
		case sg.SignOff.Verdict == ceremony.Agree:
			agree, seqs = append(agree, person), append(seqs, sg.Seq)
		default:
			d.para([]run{{d.name(person) + ", " + title + ": ", body.in(medium)}, {say, body}, {"Disagrees", body.in(semibold).col(red)},
				{", because: “" + sg.SignOff.Reason + "”", body}, {fmt.Sprintf(", record %d.", sg.Seq), dim}}, 0)
			d.gap(1.5)
		}
	}
	switch len(agree) {
	case 0:
	case 1:
		d.para([]run{{d.names(agree) + ", " + title + ": ", body.in(medium)}, {say, body}, {"Agrees", body.in(semibold).col(green)}, {fmt.Sprintf(", record %d.", seqs[0]), dim}}, 0)
	default:
		d.para([]run{{d.names(agree) + ", " + title + "s: ", body.in(medium)}, {say, body}, {"Each agrees", body.in(semibold).col(green)}, {", records " + seqList(seqs) + ".", dim}}, 0)
	}
	d.gap(1.5)
	if len(silent) > 0 && len(d.p.Attested) > 0 {
		d.para([]run{{d.names(silent) + ", " + title + ": ", body.in(medium)}, {"no statement was given.", body}}, 0)
	}
}

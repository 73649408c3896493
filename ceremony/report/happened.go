package report

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
)

// summary says which facts of a step stand in the table of steps; all of them
// stand in the step log. A kind that is not listed shows every fact.
var summary = map[string][]string{
	"room-check":        {"Place", "Clock"},
	"identify-token":    {"Serial number", "Manufacturer and model"},
	"initialise-token":  {"Serial number", "Label"},
	"open-token":        {"Opened by", "In the token"},
	"generate-key":      {"Label", "Algorithm", "Protection"},
	"make-ledger-key":   {"Label"},
	"retire-ledger-key": {"Retired", "Signs in its place"},
	"issue-set":         {"Set", "Quorum"},
	"authorise":         {"For"},
	"approve":           {"Signed by"},
	"destroy-key":       {"Deleted", "In this token"},

	"load-wrapping-key":    {"Set", "Check value"},
	"back-up-key":          {"Key", "Wrapped by", "SHA-256 of the wrapped key"},
	"restore-key":          {"Key", "Restored to token", "Compared", "Restored and compared"},
	"change-set":           {"Set", "Quorum", "Replaces set"},
	"conclude-destruction": {"Outcome"},
}

func (d *doc) result(st script.Step) string {
	ss := d.p.Steps[st.ID]
	switch {
	case !ss.Done && ss.Attempt > 0:
		return "No result: the ceremony stopped in this step"
	case !ss.Done:
		return "Not reached"
	}
	switch st.Kind {
	case "workstation-check":
		failed := 0
		for _, l := range ss.Facts {
			if strings.HasSuffix(l.Value, "(fail)") {
				failed++
			}
		}
		return fmt.Sprintf("%s read, %d failed; see “Workstation and module”", plural(len(ss.Facts), "fact"), failed)
	case ceremony.RollCallStep, ceremony.EnrolStep:
		return people(len(d.p.Body.People)) + " present"
	case "gates":
		return "Five conditions answered, each with its evidence; see “Conditions”"
	case "copy-register":
		if d.gone != nil {
			return fmt.Sprintf("%s in the register; see “Copies”", plural(len(d.gone.Copies), "copy"))
		}
	case ceremony.AttestStep:
		said := fmt.Sprintf("%d of %d attested", len(d.p.Attested), len(d.p.Body.People))
		if no := d.p.NotAccepted(); len(no) > 0 {
			said += "; not accepted by " + d.names(no)
		}
		return said
	case ceremony.SealStep:
		return fmt.Sprintf("Sealed, record %d", d.t.sealed)
	case "read-fingerprint":
		if v := value(ss.Facts, "Fingerprint read aloud"); len(v) == 64 {
			return "Read aloud: " + fours(v[:8]) + " … " + fours(v[56:])
		}
	}
	var out []string
	for _, l := range ss.Facts {
		if want, ok := summary[st.Kind]; !ok && l.Label != "Turned away from the camera" || slices.Contains(want, l.Label) {
			v := l.Value
			if l.Style == "hash" && len(v) == 64 {
				v = fours(v[:8]) + "…"
			}
			out = append(out, v)
		}
	}
	return strings.Join(out, " · ")
}

func value(lines []ceremony.Line, label string) string {
	for _, l := range lines {
		if l.Label == label {
			return l.Value
		}
	}
	return ""
}

// signers says who answered for a step.
func (d *doc) signers(st script.Step) string {
	ss := d.p.Steps[st.ID]
	if !ss.Done {
		return "nobody"
	}
	switch st.Kind {
	case ceremony.AuthoriseStep:
		return d.surnames(ss.Signers)
	case ceremony.AttestStep:
		return people(len(d.p.Attested))
	case ceremony.SealStep:
		if d.cp == nil {
			return "not yet signed"
		}
		return "the HSM's ledger key"
	}
	var signed []string
	for _, part := range d.p.Body.People {
		if _, ok := d.p.Phases[st.Phase][part.Person]; ok {
			signed = append(signed, part.Person)
		}
	}
	switch {
	case len(signed) > 0:
		return d.surnames(signed)
	case len(d.p.Attested) > 0:
		return "attestations"
	}
	return "not signed"
}

func (d *doc) whatHappened() {
	d.heading("What happened, step by step")
	var rows []row
	gaps := d.t.gaps
	shown := day(d.p.Started)
	d.para(dim.pt(8.4).of("Times are UTC, on "+shown+" where no other day is named. A bar marks what did not go straight on."), 0)
	d.gap(3)
	for _, st := range d.p.Plan.Steps() {
		ss := d.p.Steps[st.ID]
		for ss.Done && len(gaps) > 0 && gaps[0].seq < ss.Seq {
			rows = append(rows, d.gapRow(gaps[0]))
			gaps = gaps[1:]
		}
		at, seq := "", ""
		if ss.Done {
			at, seq = clock(ss.Ended), fmt.Sprint(ss.Seq)
			if day(ss.Ended) != shown {
				shown = day(ss.Ended)
				at = shown + " " + at
			}
		}
		title := cells.of(st.Title)
		if ss.Attempt > 1 {
			title = append(title, run{fmt.Sprintf(" (attempt %d)", ss.Attempt), cells.col(brown)})
		}
		if d.p.DeviatedIn(st.ID) {
			title = append(title, run{" (deviation)", cells.col(brown)})
		}
		rows = append(rows, row{cells: [][]run{cells.of(fmt.Sprint(st.Number)), code.pt(8).of(at), title, cells.of(d.result(st)), cells.of(d.signers(st)), cells.of(seq)}, marked: d.p.DeviatedIn(st.ID) || ss.Attempt > 1 || !ss.Done})
	}
	for _, g := range gaps {
		rows = append(rows, d.gapRow(g))
	}
	d.table([]column{{"#", 4.5}, {"UTC", 12}, {"Step", 22}, {"Result", 38}, {"Signed by", 17}, {"Record", 8}}, rows)
}

func (d *doc) gapRow(g gapOf) row {
	return row{cells: [][]run{nil, code.pt(8).of(clock(g.at)), cells.in(italic).of("Time without a record"), cells.in(italic).of(fmt.Sprintf("%d minutes after record %d", int(g.long.Minutes()), g.seq)), nil, nil}, marked: true}
}

// shares tells of sets and cards: which were used, which were handed out.
func (d *doc) shares() {
	var rows []row
	for _, id := range sorted(d.s.Sets) {
		set := d.s.Sets[id].Body
		if !slices.Contains(set.Serials, d.p.Token) {
			continue
		}
		for _, c := range set.Cards {
			used := "not used"
			for _, st := range d.p.Plan.Steps() {
				for _, l := range d.t.logins[st.ID] {
					for _, h := range l.Cards {
						if h.Set == set.Set && h.Index == c.Index {
							used = fmt.Sprintf("used in step %d", st.Number)
						}
					}
				}
			}
			bag := cells.in(italic).col(muted).of("not in these records")
			for _, it := range d.s.Items {
				switch {
				case it.Set != set.Set || it.Index != c.Index:
				case it.State == ceremony.Gone || it.State == ceremony.Lost:
					bag = cells.of("none: " + it.State)
				default:
					bag = cellOr(it.Bag)
				}
			}
			rows = append(rows, row{cells: [][]run{code.of(setName(set.Set)), cells.of(opens(set)), cells.of(fmt.Sprintf("%d of %d, any %d", c.Index, set.Count, set.Threshold)),
				cells.of(d.name(c.Holder)), fingerprintCell(set, c), bag, cells.of(used)}})
		}
	}
	d.heading("Shares")
	if rows == nil {
		d.para(words("No share set was in use."), 0)
		return
	}
	d.table([]column{{"Set", 13}, {"Opens", 11}, {"Share", 13}, {"Custodian", 16}, {"Card fingerprint", 24}, {"Bag", 15}, {"Here", 14}}, rows)
	if d.in.recovers() {
		d.gap(4)
		d.para(words("How a key is rebuilt from recovery cards and a backup without this program: "+recipeIs+" Keep it on paper with the cards and with the media."), 0)
	}
}

// recipeIs says where the recipe of recovery is found.
const recipeIs = "the last pages of the paper script, printed with it; also attached to this document as " + RecoveryFile + "."

func fingerprintCell(b ceremony.SetIssued, c ceremony.CardIssued) []run {
	if b.Made() {
		return cells.of(b.ItemKind() + ", made at the device")
	}
	return code.pt(7.9).of(fours(c.Fingerprint[:min(16, len(c.Fingerprint))]))
}

// wrapsAlone says whether no PIN comes from the cards of a recovery set: its token's
// PINs are entered on the device.
func wrapsAlone(b ceremony.SetIssued) bool { return b.Purpose == ceremony.Recovery && b.PINLength == 0 }

func opens(b ceremony.SetIssued) string {
	switch {
	case b.Made() && b.Purpose == ceremony.Activation:
		return "device, for its user"
	case b.Made():
		return "device, for its security officer"
	case wrapsAlone(b):
		return "wrapped backups"
	case b.Purpose == ceremony.Activation:
		return "user PIN"
	}
	return b.Purpose
}

// opensWords says within a sentence what the cards of a set open.
func opensWords(b ceremony.SetIssued) string {
	what := "the user PIN"
	switch {
	case b.Made():
		return "the " + strings.Replace(opens(b), ",", "", 1) + ", at the pad of token " + strings.Join(b.Serials, ", ")
	case wrapsAlone(b):
		what = "wrapped backups, and no PIN,"
	case b.Purpose == ceremony.Recovery:
		what = "the security officer's PIN and wrapped backups"
	}
	return what + " of token " + strings.Join(b.Serials, ", ")
}

func (d *doc) deviations() {
	d.heading("Deviations")
	if len(d.p.Deviations) == 0 {
		d.para(words("None was raised."), 0)
		return
	}
	for _, v := range d.p.Deviations {
		b := v.Raised
		step := b.Step
		if st, ok := d.p.Plan.Step(b.Step); ok {
			step = fmt.Sprintf("%d, %s", st.Number, st.Title)
		}
		list := []fact{
			{"Number, ceremony", words(fmt.Sprintf("%d of ceremony %s", b.Number, d.p.Number))},
			{"Step", words(step)},
			{"Raised", words(fmt.Sprintf("%s, record %d", stamp(v.At), v.Seq))},
			{"Expected", stated(b.Expected)},
			{"Happened", stated(b.Happened)},
			{"Key material exposed", stated(b.Exposed)},
			{"Class and severity", stated(b.Class + ", " + b.Severity)},
			{"Containment", statedOrNone(b.Containment)},
		}
		if dec := v.Decided; dec != nil {
			at := d.t.decided[b.Number]
			list = append(list,
				fact{"Decision", words(dec.Decision)},
				fact{"Decided by", append(stated(d.name(dec.By)), body.of(d.heard(dec))...)},
				fact{"Reason", stated(dec.Reason)},
				fact{"Objections", statedOrNone(dec.Objections)},
				fact{"Step text instead", statedOrNone(dec.Text)},
				fact{"Corrective action", statedOrNone(dec.Corrective)},
				fact{"Corrective action due", statedOrNone(dec.Due)},
				fact{"Corrective action closed", d.closed(v)},
				fact{"Effect on claims", effect(b, dec)},
				fact{"Decided at", words(fmt.Sprintf("%s, record %d", stamp(at.at), at.seq))})
		} else {
			list = append(list, fact{"Decision", missing()})
		}
		list = append(list, fact{"Video time code", statedOrMissing(b.Video)}, fact{"Signed by", words("witness and administrator, in the sign-off of its phase and in their statements")})
		d.factsUnder(fmt.Sprintf("Deviation %d", b.Number), list)
	}
}

// effect is what a deviation means for what the evidence claims: as its decider put
// it, and for a minor one what that word is defined to mean.
func effect(b ceremony.DeviationRaised, dec *ceremony.DeviationDecided) []run {
	if dec.Effect == "" && b.Severity == ceremony.MinorDeviation {
		return words("none: it was classed as minor, on which no claim depends")
	}
	return statedOrMissing(dec.Effect)
}

// closed says when what was to be done about the cause was done, as the receipt
// that came later states.
func (d *doc) closed(v ceremony.Deviation) []run {
	switch {
	case v.Decided.Corrective == "":
		return words("none was asked for")
	case v.Closed == "":
		return words("not at this edition")
	}
	for _, x := range d.s.Receipts {
		if x.Body.About == d.p.Number && x.Body.Deviation == v.Raised.Number {
			return stated(fmt.Sprintf("%s, %s: %s, record %d", dateWords(v.Closed), x.Body.From, x.Body.States, x.Seq))
		}
	}
	return missing()
}

func statedOrMissing(s string) []run {
	if s == "" {
		return missing()
	}
	return stated(s)
}

func statedOrNone(s string) []run {
	if s == "" {
		return words("none")
	}
	return stated(s)
}

// cleanUp: what a ceremony that was aborted left to be put right.
func (d *doc) cleanUp() {
	if d.p.Status != ceremony.AbortedStatus {
		return
	}
	d.heading("Clean-up due")
	left := d.s.CleanUp(d.p)
	if len(left) == 0 {
		d.para(words("None: nothing that these records know of is left to be put right."), 0)
		return
	}
	var rows []row
	for i, what := range left {
		rows = append(rows, row{cells: [][]run{cells.of(fmt.Sprint(i + 1)), cells.of(strings.ToUpper(what[:1]) + what[1:])}, marked: true})
	}
	d.table([]column{{"#", 6}, {"What is left, and what is to be done", 94}}, rows)
}

// interruptions: every pause, every act whose outcome had to be found out, every
// fault of the token. Failed attempts stay in the record and on paper.
func (d *doc) interruptions() {
	type event struct {
		seq int64
		row
	}
	var events []event
	add := func(at moment, what, told string) {
		events = append(events, event{at.seq, row{cells: [][]run{code.pt(8).of(day(at.at) + " " + clock(at.at)), cells.of(what), cells.of(told), cells.of(fmt.Sprint(at.seq))}, marked: true}})
	}
	for _, s := range d.t.stops {
		what := "Paused"
		if s.kind == "aborted" {
			what = "Aborted"
		}
		if s.reason == ceremony.ReasonInterrupted {
			what = "Interrupted: the program ended without saying why"
		}
		told := s.reason + "; "
		if s.reason == ceremony.ReasonInterrupted {
			told = "found at the next start; "
		}
		if s.resumed.seq > 0 {
			told += fmt.Sprintf("resumed %s by record %d", stamp(s.resumed.at), s.resumed.seq)
		} else {
			told += "not resumed"
		}
		add(s.moment, what, told)
	}
	for _, f := range d.t.faults {
		code := f.Code
		if code == "" {
			code = "no answer"
		}
		add(f.moment, "Token fault: "+f.Class, f.Why+" ("+code+")")
	}
	for _, q := range d.t.quarantine {
		add(q.moment, "“"+q.Label+"” was quarantined", q.Reason)
	}
	for _, j := range d.t.jumps {
		add(j.moment, "The clock jumped", fmt.Sprintf("by %+d s, to %s", j.Offset, j.Wall))
	}
	for _, m := range d.t.rooms {
		switch b := m.body.(type) {
		case *ceremony.Left:
			if b.Role != script.Observer {
				add(m.moment, d.name(b.Person)+" left", cmp.Or(b.Reason, "no reason was given"))
			}
		case *ceremony.Substituted:
			add(m.moment, d.name(b.Comes.Enrolled.Person)+" took a part over", fmt.Sprintf("of %s, as %s, by deviation %d", d.name(b.Leaves), b.Role, b.Deviation))
		case *ceremony.Break:
			what := "A break began"
			if b.Ended {
				what = "The break ended"
			}
			add(m.moment, what, d.names(b.Stay)+" stayed with the equipment; the token was closed")
		}
	}
	for _, h := range d.t.heads {
		if h.Result != ceremony.HeadAgrees {
			add(h.moment, "A head contradicts this record: "+h.Result, h.Detail+" ("+h.Source+")")
		}
	}
	for _, in := range d.p.Intents {
		res, told := d.t.results[in.Leaf]
		what := strings.ReplaceAll(in.Body.Act.Do, "-", " ")
		switch {
		case !told:
			add(moment{in.Seq, d.at(in.Seq)}, "Outcome unknown: "+what, "the ceremony stopped before the token could be read")
		case res.Reconciled || res.Outcome != ceremony.Done:
			how := string(res.Outcome)
			if res.Reconciled {
				how += ", found by reading the token afterwards"
			}
			add(res.moment, roleName(what)+fmt.Sprintf(", attempt %d", res.Attempt), how)
		}
	}
	d.heading("Interruptions and repeated acts")
	if events == nil {
		d.para(words("None: the ceremony ran through, and every act was done as authorised at the first attempt."), 0)
		return
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.seq, b.seq) })
	var rows []row
	for _, e := range events {
		rows = append(rows, e.row)
	}
	d.table([]column{{"UTC", 17}, {"What", 30}, {"Told", 45}, {"Record", 8}}, rows)
}

// at is the time of a record.
func (d *doc) at(seq int64) time.Time {
	for _, r := range d.in.Records {
		if r.Seq == seq {
			return r.Time
		}
	}
	return time.Time{}
}

// enrolment lists the people who were enrolled in this ceremony.
func (d *doc) enrolment() {
	if len(d.t.enrolled) == 0 {
		return
	}
	d.heading("People enrolled")
	var rows []row
	for _, b := range d.t.enrolled {
		rows = append(rows, row{cells: [][]run{cells.of(b.Called()), cells.of(roleNames(b.Roles)), cells.of(b.Organisation), cellOr(b.Manager), cellOr(b.Identity), cells.of(d.surnames(b.SeenBy)), cells.of(d.surnames(d.s.People[b.Person].Vouched))}})
	}
	d.table([]column{{"Name", 16}, {"Role", 13}, {"Organisation", 15}, {"Reports to", 14}, {"Document seen", 15}, {"Seen by", 14}, {"Vouched for by", 14}}, rows)
	d.subheading("Their signing keys")
	d.para(dim.pt(8.4).of("SHA-256 of each key (SubjectPublicKeyInfo, DER). Compare them with the sheet that the founders sign by hand."), 0)
	d.gap(4)
	var list []fact
	for _, b := range d.t.enrolled {
		list = append(list, fact{b.Called(), code.pt(7.9).of(fours(d.keyFingerprint(b.Person)))})
	}
	d.facts(list)
}

func roleNames(roles []string) string {
	var out []string
	for _, r := range roles {
		out = append(out, roleName(r))
	}
	return strings.Join(out, ", ")
}

// ledgerKeys made in this ceremony: what an outsider checks with.
func (d *doc) ledgerKeys() {
	for _, k := range d.s.LedgerKeys {
		st, ss := d.stepOf("make-ledger-key")
		if ss == nil || value(ss.Facts, "Key identifier") != k.Body.ID {
			continue
		}
		d.heading("The ledger key")
		d.facts([]fact{
			{"Label and identifier", append(body.of(k.Body.Label+" · "), monospaced(fours(k.Body.ID))...)},
			{"Algorithm and use", words(ceremony.AlgorithmName(k.Body.Algorithm) + ", signs the heads of this record and nothing else")},
			{"Made in step", words(fmt.Sprintf("%d, %s, record %d", st.Number, st.Title, ss.Seq))},
			{"Verifier key", monospaced(k.Body.Verifier)},
		})
		d.para(dim.pt(8.4).of("SHA-256 of the public key, and the same in words"), 0)
		d.gap(4)
		d.fingerprint(k.Body.Public.String())
	}
}

func (d *doc) equipment() {
	d.heading("Workstation and module")
	var list []fact
	if _, ss := d.stepOf("workstation-check"); ss != nil {
		for _, l := range ss.Facts {
			list = append(list, fact{l.Label, d.factLine(l)})
		}
	} else {
		list = append(list, fact{"Workstation", missing()})
	}
	if _, ss := d.stepOf("identify-token"); ss != nil {
		for _, l := range ss.Facts {
			list = append(list, fact{l.Label, d.factLine(l)})
		}
	} else {
		list = append(list, fact{"Module and token", missing()})
	}
	if d.t.inventory != nil {
		list = append(list, fact{"In the token, at opening", words(fmt.Sprintf("%s, %d of them not in this record", plural(d.t.inventory.Count, "object"), len(d.t.inventory.Unknown)))})
	}
	d.facts(list)
	d.gap(2)
	d.para(dim.pt(8.4).of("The workstation's facts are what the machine says of itself; that it ran the right program is for its boot medium to show."), 0)
}

// line1 sets a fact of a step as its style asks.
func (d *doc) factLine(l ceremony.Line) []run {
	switch {
	case l.Value == "":
		return missing()
	case l.Style == "hash" && len(l.Value) == 64:
		return code.pt(7.9).of(fours(l.Value))
	case l.Style != "":
		return monospaced(l.Value)
	}
	return words(l.Value)
}

func (d *doc) attributes() {
	var rows []row
	add := func(label string, list []ceremony.Attribute) {
		for i := 0; i < len(list); i += 3 {
			var cs [][]run
			for j := range 3 {
				if i+j < len(list) {
					cs = append(cs, cells.of(list[i+j].Name), code.of(list[i+j].Value))
				} else {
					cs = append(cs, nil, nil)
				}
			}
			rows = append(rows, row{cells: cs})
		}
		d.heading("Attributes of “" + label + "”, read back from the token")
		d.table([]column{{"Attribute", 20}, {"Value", 13}, {"Attribute", 20}, {"Value", 13}, {"Attribute", 20}, {"Value", 13}}, rows)
		rows = nil
	}
	if d.key != nil {
		add(d.key.Body.Label, d.key.Body.Attributes)
	}
	if _, ss := d.stepOf("make-ledger-key"); ss != nil {
		for _, k := range d.s.LedgerKeys {
			if value(ss.Facts, "Key identifier") == k.Body.ID {
				add(k.Body.Label, k.Body.Attributes)
			}
		}
	}
}

// stepLog is the script as it was carried out, in full.
func (d *doc) stepLog() {
	d.heading("Step log in full")
	for _, st := range d.p.Plan.Steps() {
		ss := d.p.Steps[st.ID]
		list := []fact{{"Read aloud", body.in(italic).of(st.Say)}}
		if ss.Done {
			list = append(list, fact{"Start, end", words(fmt.Sprintf("%s to %s UTC, %s, attempt %d; %s", clock(ss.Started), clock(ss.Ended), day(ss.Ended), ss.Attempt, took(st, ss)))})
			for _, l := range ss.Facts {
				list = append(list, fact{l.Label, d.factLine(l)})
			}
			for _, in := range d.p.Intents {
				if in.Body.Step == st.ID {
					list = append(list, fact{"Act: " + strings.ReplaceAll(in.Body.Act.Do, "-", " "), d.act(in)})
				}
			}
			list = append(list, fact{"Signed by", words(d.signers(st))}, fact{"Evidence", append(body.of(fmt.Sprintf("record %d, ", ss.Seq)), code.of(ss.Result.String())...)})
		} else {
			list = append(list, fact{"Result", words(d.result(st))})
		}
		d.factsAt(fmt.Sprintf("%d  %s", st.Number, st.Title), list, labelWidth, body.pt(8.4), dim.pt(8.4))
	}
}

// took says how long a step took, beside what the script planned for it.
func took(st script.Step, ss *ceremony.StepState) string {
	minutes := func(n int) string {
		if n == 1 {
			return "1 minute"
		}
		return fmt.Sprintf("%d minutes", n)
	}
	planned := "no time was planned"
	if st.Minutes > 0 {
		planned = minutes(st.Minutes) + " planned"
	}
	return fmt.Sprintf("it took %s, %s", minutes(int(ss.Ended.Sub(ss.Started).Round(time.Minute)/time.Minute)), planned)
}

func (d *doc) act(in *ceremony.IntentState) []run {
	out := words(fmt.Sprintf("intent record %d, ", in.Seq))
	res, ok := d.t.results[in.Leaf]
	if !ok {
		return append(out, run{"outcome unknown", body})
	}
	out = append(out, run{fmt.Sprintf("%s, record %d", res.Outcome, res.seq), body})
	for _, l := range res.Facts {
		out = append(out, run{"; " + l.Label + " ", body})
		out = append(out, d.factLine(l)...)
	}
	return out
}

func spkiFingerprint(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func wordsOf(hex string) string { return strings.Join(assets.PGPWords(unhex(hex)), " ") }

func sorted[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// heard says how a decision came into the record.
func (d *doc) heard(dec *ceremony.DeviationDecided) string {
	if len(dec.Signatures) > 0 {
		return "; signed with their own key"
	}
	return "; heard by " + d.names(dec.HeardBy)
}

// withheld tells of sign-offs that somebody did not give, and of what observers
// said: they sign nothing.
func (d *doc) withheld() {
	for _, w := range d.p.Withheld {
		what := "the statement"
		if w.Act == ceremony.ActPhase {
			what = strings.ReplaceAll(w.Step, "-", " ")
		}
		d.para(append(body.in(medium).of(fmt.Sprintf("%s on %s: ", d.name(w.Person), what)), run{"withheld", body.in(semibold).col(red)},
			run{fmt.Sprintf(" (%s), as attested by %s.", w.Reason, d.names(w.AttestedBy)), body}), 0)
	}
	for _, id := range slices.Sorted(maps.Keys(d.p.Observers)) {
		o := d.p.Observers[id]
		said := "left no statement."
		if o.Statement != "" {
			said = fmt.Sprintf("stated: “%s”", o.Statement)
		}
		d.para(append(body.in(medium).of(fmt.Sprintf("Observer %s, %s, ", o.Name, cmp.Or(o.Organisation, "organisation not recorded"))), body.of(said)...), 0)
	}
}

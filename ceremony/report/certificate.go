package report

import (
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// The certificate of a key's end. It is titled and worded by the register of
// copies: a key of which a copy is left was deleted from a module, no more
// (CA/Browser Forum Code Signing BR 6.3.2).

// ending is the key that the ceremony set out to destroy, nil where the script
// destroys none.
func (in Input) ending() *ceremony.Key {
	for _, st := range in.Ceremony.Plan.Steps() {
		if st.Kind == "destroy-key" {
			return in.State.KeyNamed(st.With["key"])
		}
	}
	return nil
}

// inModule says whether a copy of the key is still in a token.
func inModule(k *ceremony.Key) bool {
	return slices.ContainsFunc(k.OpenCopies(), func(c ceremony.Copy) bool { return c.Form == ceremony.ModuleForm })
}

const (
	destructionTitle = "Key destruction certificate"
	deletionTitle    = "Certificate of deletion from module"
)

// outcome of a destruction as a chip on page one.
func (d *doc) outcome() chip {
	switch open := len(d.gone.OpenCopies()); {
	case d.gone.Gone():
		return chip{"Destroyed: no copy is known to remain", green, mint}
	case inModule(d.gone):
		return chip{"Not deleted: the key is still in a module", red, rose}
	case open == 0:
		return chip{"Deleted from the module; the register of copies was not closed", brown, cream}
	default:
		return chip{"Deletion from module only: " + plural(open, "copy") + " of the key not shown to be destroyed", brown, cream}
	}
}

// claim is the sentence that the certificate stands for.
func (d *doc) claim() string {
	label := "“" + d.gone.Body.Label + "”"
	switch {
	case d.gone.Gone():
		return fmt.Sprintf("Every copy of %s that the records know, and every copy that people told of, ended with a record of its own, %d in all. No copy is known to remain.", label, len(d.gone.Copies))
	case inModule(d.gone):
		return label + " is still in a module."
	}
	var left []string
	for _, c := range d.gone.OpenCopies() {
		left = append(left, c.Name+" ("+c.State+")")
	}
	if left == nil {
		return label + " was deleted from the module. It is not claimed to be destroyed: the register of copies was not closed."
	}
	return fmt.Sprintf("Deletion from module: %s was deleted from the module. It is not destroyed: %s of it can bring it back or is not shown to be gone: %s.", label, plural(len(left), "copy"), strings.Join(left, "; "))
}

func (d *doc) endingTable() {
	k := d.gone.Body
	d.heading("The key")
	d.facts([]fact{
		{"Label and identifier", append(body.of(k.Label+" · "), monospaced(fours(k.ID))...)},
		{"Algorithm and use", words(ceremony.AlgorithmName(k.Algorithm) + ", " + ceremony.PurposeWords(k.Purpose))},
		{"Created", words(fmt.Sprintf("%s, in ceremony %s, in token %s", day(d.gone.Time), d.gone.Ceremony, k.Serial))},
		{"Owner", d.personAndOrganisation(k.Owner)},
		{"State", words(fmt.Sprintf("%s before, %s now", orNot(string(d.before())), d.gone.State))},
		{"Reason", words(reasonWords(d.p.Plan.Values["reason"]))},
		{"What is claimed", words(d.claim())},
	})
	d.y += 4
	d.line(margin, d.y, d.w-margin, d.y, 0.6, rule)
	d.y += 8
	d.room(90)
	if k.Fingerprint == "" {
		d.facts([]fact{{"Check value", monospaced(k.KCV + "  " + k.KCVMethod)}})
		return
	}
	d.text(margin, d.y+8, "SHA-256 of its public key (SubjectPublicKeyInfo, DER), and the same in words", dim.pt(8.4))
	d.y += 14
	d.fingerprint(k.Fingerprint)
}

func (d *doc) personAndOrganisation(id string) []run {
	h := d.s.People[id]
	if h == nil {
		return words(id)
	}
	return words(h.Body.Called() + ", " + h.Body.Organisation)
}

// before is the state of the key as the first run found it.
func (d *doc) before() ceremony.KeyState {
	for _, k := range d.t.known {
		if k.Generated.ID == d.gone.Body.ID {
			return k.State
		}
	}
	return ""
}

func reasonWords(code string) string {
	return strings.ReplaceAll(code, "-", " ")
}

// end tells the destruction itself: conditions, copies, proof, media, claims.
func (d *doc) end() {
	d.heading("Conditions")
	if _, ss := d.stepOf("gates"); ss != nil {
		var rows []row
		var hold []fact
		for _, l := range ss.Facts {
			switch {
			case isEvidence(l.Label):
				rows[len(rows)-1].cells[2] = cellOr(l.Value)
			case strings.HasPrefix(l.Label, "("):
				rows = append(rows, row{cells: [][]run{cells.of(l.Label), cellOr(l.Value), nil}})
			case strings.HasPrefix(l.Label, "Legal hold"):
				hold = append(hold, fact{l.Label, stated(l.Value)})
			}
		}
		d.table([]column{{"Condition", 38}, {"Answer, as stated", 34}, {"Evidence, as stated", 28}}, rows)
		d.gap(4)
		d.facts(hold)
		d.facts([]fact{{"Signed by", words(d.approvals())}})
	} else {
		d.para(words("They were not answered."), 0)
	}
	d.heading("Copies")
	d.table([]column{{"Copy", 26}, {"Form", 13}, {"Where, held by", 20}, {"Bag", 13}, {"Fate here", 14}, {"Now", 14}}, d.copyRows())
	d.heading("Proof of absence")
	if len(d.t.deleted) == 0 {
		d.para(words("No object was deleted from a token in this ceremony."), 0)
	}
	for _, x := range d.t.deleted {
		d.facts(d.absence(x))
	}
	d.heading("Media and other copies, one by one")
	if len(d.t.ended) == 0 {
		d.para(words("None was destroyed in this ceremony."), 0)
	}
	for _, x := range d.t.ended {
		d.factsUnder(x.Item, d.treatment(x))
	}
	d.heading("What is claimed, and what is not")
	d.facts(d.claimed())
}

// isEvidence: the fact below a gate's answer names its evidence.
func isEvidence(label string) bool {
	return strings.HasPrefix(label, "(") && strings.HasSuffix(label, ") evidence")
}

func (d *doc) copyRows() []row {
	_, register := d.stepOf("copy-register")
	var rows []row
	for _, c := range d.gone.Copies {
		where, bag := c.Where, ""
		if it := d.s.Items[c.Name]; it != nil {
			where, bag = strings.Trim(it.Place+", held by "+d.name(it.Holder), ", "), it.Bag
		} else if c.Form == ceremony.ModuleForm {
			where = "token " + c.Where
		}
		if c.Stated {
			where += " (as stated)"
		}
		fate := ""
		if register != nil {
			fate = value(register.Facts, c.Name)
		}
		if fate == "" && c.State == ceremony.CopyDestroyed {
			fate = "destroyed before"
		}
		if c.Form == ceremony.ModuleForm {
			bag = none
		}
		rows = append(rows, row{cells: [][]run{cells.of(c.Name), cells.of(c.Form), cellOr(where), codeOr(bag), cellOr(fate), cells.of(copyState(c))}, marked: c.State != ceremony.CopyDestroyed})
	}
	return rows
}

func copyState(c ceremony.Copy) string {
	switch {
	case c.State == ceremony.CopyDestroyed && c.Form == ceremony.ModuleForm:
		return "deleted, proved absent"
	case c.State == ceremony.CopyUnknown:
		return "UNKNOWN"
	}
	return c.State
}

func (d *doc) absence(x deletedOf) []fact {
	before := fmt.Sprint(x.Before)
	if x.Before < 0 {
		before = "not known: an interruption came between"
	}
	return []fact{
		{"Object", append(monospaced(x.ID), run{fmt.Sprintf(" in token %s, record %d", x.Serial, x.seq), body})},
		{"Method", words("C_DestroyObject, then searched and tried")},
		{"Objects before, after", words(fmt.Sprintf("%s, %d", before, x.After))},
		{"Found by identifier", words(fmt.Sprint(x.ByID))},
		{"Found by label", words(fmt.Sprint(x.ByLabel))},
		{"A use of it", append(words("refused with "), monospaced(x.UseFails)...)},
		{"Verdict", words(ceremony.Pass + ": looked for and not found")},
	}
}

func (d *doc) treatment(x endedOf) []fact {
	return []fact{
		{"Verdict", body.in(semibold).of(x.Result)},
		{"Category (SP 800-88)", words(x.Category)},
		{"Method", stated(x.Method)},
		{"Tool and version", stated(x.Tool)},
		{"Verified", stated(x.Verification)},
		{"Evidence", stated(x.Evidence)},
		{"Done by, watched by", words(d.name(x.Person) + "; " + d.name(x.Witness))},
		{"When", words(fmt.Sprintf("%s, record %d", stamp(x.at), x.seq))},
	}
}

// claimed: each of the three claims is yes, no or not claimed, with its limit.
func (d *doc) claimed() []fact {
	verifiable := "Yes: every deletion was proved by searches and a use that failed, and every medium has a verdict of PASS by the people named"
	if len(d.t.deleted)+len(d.t.ended) == 0 {
		verifiable = "Not claimed: nothing was deleted or destroyed in this ceremony"
	}
	destroyed := false
	for _, x := range d.t.ended {
		if x.Result != ceremony.Pass {
			verifiable = "Not claimed: the verdict on " + x.Item + " is " + x.Result
		}
		destroyed = destroyed || x.Result == ceremony.Pass
	}
	irreversible := "Not claimed for the module: deleting an object is not by itself zeroisation; that is for the module's validation to say"
	if destroyed {
		irreversible += ". Yes for each medium with the verdict PASS, by the method stated"
	}
	complete := "No: see the copies that are left"
	if d.gone.Gone() {
		complete = "Yes, as far as the register goes: it holds every copy that a record saw made, and every copy that people told of"
	} else if len(d.gone.OpenCopies()) == 0 {
		complete = "Not claimed: the register of copies was not closed"
	}
	return []fact{
		{"Verifiable", words(verifiable)},
		{"Irreversible", words(irreversible)},
		{"Complete", words(complete)},
		{"Copies remaining", words(d.remaining())},
	}
}

func (d *doc) remaining() string {
	var out []string
	for _, c := range d.gone.OpenCopies() {
		out = append(out, c.Name+", "+c.Form+", "+copyState(c))
	}
	if out == nil {
		return "None known"
	}
	return strings.Join(out, "; ")
}

// approvals names who signed gates and copies by themselves.
func (d *doc) approvals() string {
	var out []string
	for _, st := range d.p.Plan.Steps() {
		if st.Kind != "approve" {
			continue
		}
		for _, sg := range d.p.StepSigned[st.ID] {
			out = append(out, fmt.Sprintf("%s, %s, %ss, %s, record %d", d.name(sg.SignOff.Person), script.RoleWords(sg.SignOff.Role), sg.SignOff.Verdict, stamp(sg.At), sg.Seq))
		}
	}
	return strings.Join(out, "; ")
}

// authorisations of the acts, by whom and when.
func (d *doc) authorised() string {
	var out []string
	for _, r := range d.in.Records {
		if r.Kind != ceremony.SignOffKind {
			continue
		}
		if b, err := ceremony.Body(r); err == nil {
			if so := b.(*ceremony.SignOff); so.Act == ceremony.ActAuthorise {
				out = append(out, fmt.Sprintf("%s for step “%s”, %ss, %s, record %d", d.name(so.Person), so.Step, so.Verdict, stamp(r.Time), r.Seq))
			}
		}
	}
	return strings.Join(out, "; ")
}

func (d *doc) approvalOf(role string) []run {
	for _, st := range d.p.Plan.Steps() {
		for _, sg := range d.p.StepSigned[st.ID] {
			if st.Kind == "approve" && sg.SignOff.Role == role {
				return words(fmt.Sprintf("%s, %ss, %s, record %d", d.name(sg.SignOff.Person), sg.SignOff.Verdict, stamp(sg.At), sg.Seq))
			}
		}
	}
	return missing()
}

func (d *doc) statementOf(role string) []run {
	var out []string
	for _, person := range d.p.InRole(role) {
		if sg, ok := d.p.Attested[person]; ok {
			out = append(out, fmt.Sprintf("%s %ss, record %d: “%s”", d.name(person), sg.SignOff.Verdict, sg.Seq, ceremony.Statement(ceremony.ActAttest, role)))
		}
	}
	return words(strings.Join(out, "; "))
}

// fieldsB are the groups of the destruction certificate.
func (d *doc) fieldsB() []group {
	k := d.gone.Body
	b1 := []fact{
		{"Key label", words(k.Label)},
		{"Key identifier (CKA_ID)", code.of(k.ID)},
		{"Algorithm, size or curve", words(ceremony.AlgorithmName(k.Algorithm))},
		{"Purpose", words(ceremony.PurposeWords(k.Purpose))},
		{"Environment", words(d.environment())},
		{"Owner", d.personAndOrganisation(k.Owner)},
		{"SPKI SHA-256 or check value", codeOrMissing(k.Fingerprint + k.KCV)},
		{"Created", words(stamp(d.gone.Time))},
		{"Creating ceremony", words(d.gone.Ceremony)},
		{"All versions", words(fmt.Sprintf("This one; %s in the register", plural(len(d.gone.Copies), "copy")))},
		{"State before", words(string(d.before()))},
		{"State now", words(string(d.gone.State))},
		{"Reason code", words(d.p.Plan.Values["reason"])},
		{"Exception count", words(fmt.Sprint(len(d.p.Deviations)))},
		{"Claim", words(d.claim())},
	}
	b2 := []fact{{"Gates", missing()}}
	if _, ss := d.stepOf("gates"); ss != nil {
		b2 = nil
		for _, l := range ss.Facts {
			if strings.HasPrefix(l.Label, "(") || strings.HasPrefix(l.Label, "Legal hold") {
				b2 = append(b2, fact{l.Label, stated(l.Value)})
			}
		}
	}
	b2 = append(b2, fact{"Gates signed by", words(d.approvals())},
		fact{"Public key kept", words("In this document and in the ledger, SHA-256 " + k.Public.String())},
		fact{"Re-encryption certificate", words("See the evidence of gate (a)")})
	b4 := []fact{}
	for i, r := range d.copyRows() {
		var said []run
		for j, cell := range r.cells {
			if j > 0 {
				said = append(said, run{" · ", body})
			}
			said = append(said, cell...)
		}
		b4 = append(b4, fact{fmt.Sprintf("Copy %d", i+1), said})
	}
	if _, ss := d.stepOf("copy-register"); ss != nil {
		for _, l := range ss.Facts {
			if strings.HasSuffix(l.Label, ", as stated") {
				b4 = append(b4, fact{strings.TrimSuffix(l.Label, ", as stated"), stated(l.Value)})
			}
		}
	}
	var b5 []fact
	b6 := []fact{}
	for _, x := range d.t.deleted {
		b5 = append(b5, fact{"Item", words(ceremony.ModuleCopy(x.Serial, x.ID))}, fact{"Method", words("C_DestroyObject")}, fact{"Category", words("clear (the object; what the module does with its memory is its own statement)")},
			fact{"Tool and version", words(d.factOf("identify-token", "Library"))}, fact{"Start, end", d.actTimes("delete-key", x.ID)}, fact{"Result code", words("the call succeeded, and the token was read back")},
			fact{"Module output", missing()}, fact{"Verification, verifier", words("searches and a failed use, by this program")}, fact{"Verdict", words(ceremony.Pass)})
		b6 = append(b6, fact{"Objects before", words(fmt.Sprint(max(x.Before, 0)))}, fact{"Objects after", words(fmt.Sprint(x.After))}, fact{"Found by identifier", words(fmt.Sprint(x.ByID))},
			fact{"Found by label", words(fmt.Sprint(x.ByLabel))}, fact{"Use attempt", append(words("refused with "), code.of(x.UseFails)...)})
	}
	for _, x := range d.t.ended {
		b5 = append(b5, fact{"Item", words(x.Item)}, fact{"Method", stated(x.Method)}, fact{"Category", words(x.Category)}, fact{"Tool and version", stated(x.Tool)},
			fact{"Start, end", d.actTimes("destroy-copy", x.Item)}, fact{"Result code", missing()}, fact{"Module output", missing()}, fact{"Verification, verifier", stated(x.Verification)}, fact{"Verdict", words(x.Result)})
	}
	if b5 == nil {
		b5 = []fact{{"Items", words("None was deleted or destroyed in this ceremony")}}
	}
	if len(b6) == 0 {
		b6 = []fact{{"Proof of absence", words("None in this ceremony")}}
	}
	for i, inv := range d.t.inventories {
		b6 = append(b6, fact{fmt.Sprintf("List of objects %d", i+1), append(words(fmt.Sprintf("%s, record %d, SHA-256 of the list ", plural(inv.Count, "object"), inv.seq)), code.of(inv.Listed.String())...)})
	}
	b6 = append(b6, fact{"HSM audit log", missing()}, fact{"Photos of pieces", d.evidences()})
	var b7 []fact
	for _, x := range d.t.ended {
		v := words(x.Item)
		if it := d.s.Items[x.Item]; it != nil {
			v = words(fmt.Sprintf("%s, kind %s, bag %s, kept at %s, wrapped backup SHA-256 %s", x.Item, it.Kind, it.Bag, orNot(it.Place), orNot(it.Holds)))
		}
		b7 = append(b7, fact{"Medium", v}, fact{"Make, model, serial", missing()}, fact{"Property number", missing()}, fact{"Source, classification", missing()},
			fact{"Backed up", words("see the register of copies")}, fact{"Destination", missing()})
	}
	if b7 == nil {
		b7 = []fact{{"Media", words("None was destroyed in this ceremony")}}
	}
	b7 = append(b7, fact{"Cloud receipts", d.receipts("cloud-receipt")})
	b9 := []fact{
		{"Performers", d.statementOf(script.Administrator)},
		{"Officers", d.statementOf(script.Officer)},
		{"Custodians", d.statementOf(script.Custodian)},
		{"Witness", d.statementOf(script.Witness)},
		{"Third-party witness", d.statementOf(script.ThirdPartyWitness)},
		{"Approver", d.statementOf(script.Approver)},
		{"Owner", d.statementOf(script.Owner)},
		{"Auditor", d.receipts("auditors-letter")},
	}
	return []group{
		{"B1", "The key and why it ends", b1},
		{"B2", "Gates", b2},
		{"B3", "Authorisation", []fact{{"Owner authorised", d.approvalOf(script.Owner)}, {"Approver authorised", d.approvalOf(script.Approver)}, {"Officers authorised", words(d.authorised())}, {"Request reference", d.reference()}, {"Order", d.order()}}},
		{"B4", "Register of copies", b4},
		{"B5", "Each item", b5},
		{"B6", "Proof of absence", b6},
		{"B7", "Media annex", b7},
		{"B8", "Claims", d.claimed()},
		{"B9", "Statements", b9},
	}
}

func (d *doc) environment() string {
	if d.practice {
		return "practice"
	}
	return "production"
}

func (d *doc) evidences() []run {
	var out []string
	for _, x := range d.t.ended {
		if x.Evidence != "" {
			out = append(out, x.Item+": "+x.Evidence)
		}
	}
	return stated(strings.Join(out, "; "))
}

// actTimes is when an act was begun and when its result was written.
func (d *doc) actTimes(do, of string) []run {
	for _, in := range d.p.Intents {
		if in.Body.Act.Do != do || in.Body.Act.With["id"] != of && in.Body.Act.With["copy"] != of {
			continue
		}
		if res, ok := d.t.results[in.Leaf]; ok && res.Outcome == ceremony.Done {
			return words(stamp(d.at(in.Seq)) + " to " + stamp(res.at))
		}
	}
	return missing()
}

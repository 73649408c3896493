package report

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// group is one block of the field list; its letter and number are the
// checklist's that auditors of key ceremonies use.
type group struct {
	id, title string
	facts     []fact
}

// fields prints every field of the list with its value or "not recorded".
func (d *doc) fields() {
	d.heading("All fields")
	d.para(dim.pt(8.4).of("Every field that evidence of a key ceremony is asked for, with its value, or “not recorded”. Values marked “as stated” were typed by people."), 0)
	groups := []group{d.document()}
	log := group{"A7", "Step log", []fact{{"Steps, times, results", words("See “What happened, step by step” and “Step log in full”")}}}
	clauses := group{"A13", "Compliance map", []fact{{"Clauses and records", words("See “Supports evidence for”")}}}
	switch {
	case d.key != nil:
		groups = append(groups, d.fieldsA1(), d.fieldsA2(), d.fieldsA3(), d.fieldsA4(), d.fieldsA5(), d.fieldsA6(), log, d.fieldsA8(), d.fieldsA9(), d.fieldsA10())
	case d.gone != nil:
		groups = append(append(groups, d.fieldsB()...), d.fieldsA2(), d.fieldsA3(), d.fieldsA4(), d.fieldsA5(), log, d.fieldsA9())
	default:
		groups = append(groups, d.fieldsA2(), d.fieldsA3(), d.fieldsA4(), d.fieldsA5(), log, d.fieldsA9())
		if len(d.p.Wrapped)+len(d.p.Restored)+len(d.p.Waived) > 0 {
			groups = append(groups, d.fieldsA10())
		}
	}
	groups = append(groups, d.fieldsA11(), d.fieldsA12(), clauses, d.fieldsA14(), d.fieldsA15())
	for _, g := range groups {
		d.factsAt(g.id+"  "+g.title, g.facts, labelWidth+16, body.pt(8.4), dim.pt(8.4))
	}
}

func (d *doc) document() group {
	last := d.in.Records[len(d.in.Records)-1]
	status := "production"
	if d.practice {
		status = "PRACTICE"
	}
	program := words("Claviger " + d.p.Body.Program.Version)
	if d.p.Body.Program.SHA256 != "" {
		program = append(append(program, run{", SHA-256 ", body}), code.of(d.p.Body.Program.SHA256)...)
	}
	return group{"A0", "This document", []fact{
		{"Document type", words(d.in.Document())},
		{"Document number", words(fmt.Sprintf("%s, edition %d", d.p.Number, d.in.Edition()))},
		{"Layout version", words(fmt.Sprint(Layout))},
		{"Copy n of m", missing()},
		{"Practice or production", words(status)},
		{"Ledger records", words(fmt.Sprintf("0 and %d to %d, %d of them", d.in.Records[1].Seq, last.Seq, len(d.in.Records)))},
		{"Last record's leaf", code.of(last.Leaf.String())},
		{"The same in words", words(wordsOf(last.Leaf.String()))},
		{"Program", append(program, run{" (as it says of itself)", dim})},
		{"Operating system image", missing()},
		{"Generated at", words("The document has no clock: it is a function of its records, the last of which is of " + stamp(last.Time))},
	}}
}

func (d *doc) fieldsA1() group {
	k := d.key.Body
	claim := "The key was generated inside the token under the signatures of two officers, in a witnessed ceremony by the script named here."
	if _, dual := d.dualControl(); !dual {
		claim = "The key was generated inside the token in a ceremony by the script named here."
	}
	if d.attribute("never-extractable") == "true" {
		claim += " The token says that it is sensitive and was never extractable."
	}
	return group{"A1", "Summary", []fact{
		{"Key label", words(k.Label)},
		{"Key identifier (CKA_ID)", code.of(k.ID)},
		{"Key type", words("Asymmetric key pair")},
		{"Algorithm, size or curve", words(ceremony.AlgorithmName(k.Algorithm))},
		{"Purpose", words(ceremony.PurposeWords(k.Purpose))},
		{"Environment", words(d.environment())},
		{"Owner", d.owner()},
		{"SPKI SHA-256", code.of(k.Fingerprint)},
		{"Result", words(map[bool]string{true: "Generated, possession proved, ceremony sealed", false: "Generated"}[d.p.Status == ceremony.SealedStatus])},
		{"Exception count", words(fmt.Sprint(len(d.p.Deviations)))},
		{"Claim", words(claim)},
	}}
}

func (d *doc) fieldsA2() group {
	list := []fact{{"Policy, CP, CPS, KMPS", d.policy()}, {"Request reference", d.reference()}, {"Approval (order)", d.order()}}
	planned := missing()
	if o := d.s.OrderOf(d.p); o != nil {
		planned = words("May begin from " + timeWords(o.Body.From) + " until " + timeWords(o.Body.Until))
		owner := missing()
		if o.Body.Owner != "" {
			owner = d.personAndOrganisation(o.Body.Owner)
		}
		list = append(list, fact{"Ordered owner", owner}, fact{"Ordered people", words(d.parts(o.Body.People))}, fact{"Ordered token", words(o.Body.Token)})
	}
	return group{"A2", "Authority", append(list,
		fact{"Script", words(fmt.Sprintf("%s, version %d", d.p.Plan.Name, d.p.Plan.Version))},
		fact{"Script SHA-256", code.of(d.p.Body.Script.String())},
		fact{"Parameters", words(parameters(d.p.Plan.Values))},
		fact{"Planned date", planned},
		fact{"Rehearsal reference", missing()},
	)}
}

// policy in force when the ceremony ended.
func (d *doc) policy() []run {
	if d.s.Policy == nil {
		return missing()
	}
	b := d.s.Policy.Adopted
	return append(words(fmt.Sprintf("The site's policy “%s”, version %d, SHA-256 ", b.Policy.Title, b.Version)), code.of(b.SHA256.String())...)
}

func (d *doc) reference() []run {
	if o := d.s.OrderOf(d.p); o != nil && o.Body.Reference != "" {
		return stated(o.Body.Reference)
	}
	return missing()
}

// order that the ceremony was held on: who gave it, when, and how it was signed.
func (d *doc) order() []run {
	o := d.s.OrderOf(d.p)
	switch {
	case o != nil:
	case d.p.Body.Order != "":
		return code.of(d.p.Body.Order)
	case d.practice:
		return words("None: a practice ceremony needs no order")
	default:
		return missing()
	}
	how := "signed here by " + d.signedWords(o.Body.Signatures)
	if o.Body.Paper != "" {
		how = "on paper, taken in by " + d.signedWords(o.Body.Signatures) + ", SHA-256 of the paper " + o.Body.Paper
	}
	return append(words(fmt.Sprintf("%s, approver; %s; record %d, leaf ", d.name(o.Body.Approver), how, o.Seq)), code.of(o.Leaf.String())...)
}

func (d *doc) parts(people []ceremony.Part) string {
	var out []string
	for _, p := range people {
		out = append(out, d.name(p.Person)+", "+script.RoleWords(p.Role))
	}
	return strings.Join(out, "; ")
}

func parameters(values map[string]string) string {
	var out []string
	for _, k := range sorted(values) {
		out = append(out, k+" = "+values[k])
	}
	return strings.Join(out, "; ")
}

func (d *doc) fieldsA3() group {
	offset := missing()
	if c := d.p.Clock; c != nil {
		offset = words(fmt.Sprintf("Wall clock %s UTC, workstation %+d s to the minute, read by %s", c.Wall, c.Offset, d.name(c.By)))
	}
	return group{"A3", "Place", []fact{
		{"Organisation", words(d.s.Site.Organisation)},
		{"Site", code.of(d.s.Site.Origin)},
		{"Room", d.place()},
		{"Access-control reference", missing()},
		{"Visitor log reference", missing()},
		{"Occupancy rule", missing()},
		{"Cameras", words(strings.Trim(d.factOf("room-check", "Camera")+"; "+d.factOf(ceremony.AttestStep, "Camera"), "; "))},
		{"Clock", offset},
	}}
}

func (d *doc) fieldsA4() group {
	var list []fact
	for _, part := range d.p.Body.People {
		h := d.s.People[part.Person]
		if h == nil {
			list = append(list, fact{d.name(part.Person), words(roleName(part.Role) + "; not enrolled")})
			continue
		}
		factor := "passphrase of six words, which opens the enrolled key"
		if ceremony.SignsWith(part.Role) == ceremony.SessionPIN {
			factor = "passphrase at the roll call, session PIN afterwards"
		}
		came := "arrival not recorded"
		if at, ok := d.t.arrived[part.Person]; ok {
			came = "arrived " + stamp(at)
		}
		went := "departure not recorded"
		if at, ok := d.t.left[part.Person]; ok {
			went = "left " + stamp(at)
		}
		list = append(list, fact{h.Body.Called(), append(words(fmt.Sprintf("%s; %s; reports to %s; identity document: %s, seen by %s; enrolment %s; %s; %s; factor: %s; key SHA-256 ",
			roleName(part.Role), h.Body.Organisation, orNot(h.Body.Manager), orNot(h.Body.Identity), d.names(h.Body.SeenBy), fours(h.Leaf.String()[:16]), came, went, factor)), code.of(d.keyFingerprint(part.Person))...)})
	}
	list = append(list,
		fact{"Conflict matrix", words("Each person has one role here; witness and observer have no other role at all; administrator, officers, owner and approver are different people; checked at enrolment and at the start")},
		fact{"Training, background checks", missing()})
	return group{"A4", "People", list}
}

func orNot(s string) string {
	if s == "" {
		return "not recorded"
	}
	return s
}

func (d *doc) fieldsA5() group {
	stateOf := func(kind, label string) []run { return words(d.factOf(kind, label)) }
	serial := monospaced(d.p.Token)
	var hw []run
	if t := d.s.Tokens[d.p.Token]; t != nil {
		hw = append(words(fmt.Sprintf("%s %s, hardware %s, firmware %s, label %s", t.Body.Manufacturer, t.Body.Model, t.Body.Hardware, t.Body.Firmware, t.Body.Label)), run{" (as the token states)", dim})
	} else {
		hw = missing()
	}
	inventory := missing()
	if d.t.inventory != nil {
		inventory = words(fmt.Sprintf("%s at opening, %d not in this record", plural(d.t.inventory.Count, "object"), len(d.t.inventory.Unknown)))
	}
	module := d.factOf("identify-token", "Module SHA-256")
	return group{"A5", "Equipment", []fact{
		{"Computer make, model, serial", missing()},
		{"Operating system", stateOf("workstation-check", "System")},
		{"Network state", stateOf("workstation-check", "Network")},
		{"Swap, core dumps", words(strings.Trim(d.factOf("workstation-check", "Swap")+"; "+d.factOf("workstation-check", "Core dumps"), "; "))},
		{"HSM vendor, model, versions", hw},
		{"HSM serial number", serial},
		{"HSM validation", missing()},
		{"Module file", stateOf("identify-token", "Module")},
		{"Module SHA-256", codeOrMissing(module)},
		{"Module version", stateOf("identify-token", "Library")},
		{"Media", missing()},
		{"Bag numbers", d.bags(func(*ceremony.Item) bool { return true })},
		{"Device inventory", inventory},
	}}
}

func codeOrMissing(s string) []run {
	if s == "" {
		return missing()
	}
	return code.of(s)
}

// bags of the items that these records know, as they were left.
func (d *doc) bags(which func(*ceremony.Item) bool) []run {
	var out []string
	for _, name := range sorted(d.s.Items) {
		if it := d.s.Items[name]; which(it) {
			said := name + " in bag " + it.Bag
			if it.Place != "" {
				said += ", kept at " + it.Place
			}
			out = append(out, said)
		}
	}
	if out == nil {
		return elsewhere()
	}
	return stated(strings.Join(out, "; "))
}

func (d *doc) fieldsA6() group {
	k := d.key.Body
	extract := missing()
	switch d.attribute("never-extractable") {
	case "true":
		extract = words("Never extractable, by the choice “" + k.Protection + "” in the parameters; reason not recorded")
	case "false":
		extract = words("Extractable, by the choice “" + k.Protection + "” in the parameters; reason not recorded")
	}
	mechanism := d.attribute("key-gen-mechanism")
	return group{"A6", "Parameters", []fact{
		{"Mechanism", words(mechanismName(mechanism))},
		{"Size or curve", words(ceremony.AlgorithmName(k.Algorithm))},
		{"Template attributes", words("All were read back; see the table of attributes")},
		{"Source of randomness", words("The token's own generator: the token states that the key is local")},
		{"Cryptoperiod", words(dateWords(k.From) + " to " + dateWords(k.Until) + horizon(k))},
		{"Tier", missing()},
		{"Parent key", missing()},
		{"Extractability", extract},
	}}
}

// horizon warns of a key whose algorithm ends before its use.
func horizon(k ceremony.KeyGenerated) string {
	if why := ceremony.QuantumHorizon(k.Algorithm, k.Until); why != "" {
		return ". " + why
	}
	return ""
}

// mechanismName spells the CKM_ numbers of PKCS #11 v2.40 that make our keys.
func mechanismName(n string) string {
	switch n {
	case "0":
		return "CKM_RSA_PKCS_KEY_PAIR_GEN"
	case "4160":
		return "CKM_EC_KEY_PAIR_GEN"
	case "4181":
		return "CKM_EC_EDWARDS_KEY_PAIR_GEN"
	}
	return n
}

func (d *doc) fieldsA8() group {
	k := d.key.Body
	spki := d.in.Blobs[k.Public]
	var pop []run = missing()
	for _, in := range d.p.Intents {
		if in.Body.Act.Do != "prove-possession" || in.Outcome != ceremony.Done {
			continue
		}
		res := d.t.results[in.Leaf]
		pop = append(words(fmt.Sprintf("The token signed a fresh challenge and the public key verifies it, record %d; signature ", res.seq)), code.of(value(res.Facts, "Signature"))...)
	}
	list := []fact{}
	for i, line := range strings.Split(strings.TrimSpace(string(publicPEM(spki))), "\n") {
		list = append(list, fact{map[bool]string{true: "Public key (PEM)"}[i == 0], code.pt(7.6).of(line)})
	}
	return group{"A8", "Result", append(list, []fact{
		{"SHA-256", code.of(k.Fingerprint)},
		{"SHA-256 in words", words(wordsOf(k.Fingerprint))},
		{"Subject key identifier", codeOrMissing(keyIdentifier(spki))},
		{"Self-signature, CSR, certificate", missing()},
		{"Attributes read back", words("See the table of attributes")},
		{"Quality checks", words("The public key parses, is of the kind that was authorised, and was never given before")},
		{"Proof of possession", pop},
		{"Attestation by the module", missing()},
	}...)}
}

// keyIdentifier is RFC 5280 4.2.1.2, method 1: SHA-1 of the bit string alone.
func keyIdentifier(spki []byte) string {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return ""
	}
	sum := sha1.Sum(info.Key.Bytes)
	return hex.EncodeToString(sum[:])
}

// scheme, quorumOf and commitment tell how a set divides what it opens. Of what a
// device made, people said it.
func scheme(b ceremony.SetIssued, ours string) []run {
	if b.Made() {
		return stated("the device's own, with " + b.Device)
	}
	return words(ours)
}

func quorumOf(b ceremony.SetIssued) []run {
	if b.Made() {
		return stated(fmt.Sprintf("any %d of %d", b.Threshold, b.Count))
	}
	return words(fmt.Sprintf("any %d of %d", b.Threshold, b.Count))
}

func commitment(b ceremony.SetIssued) []run {
	if b.Made() {
		return words("none: nothing of it is known outside the device")
	}
	return code.of(b.Commitment)
}

func (d *doc) fieldsA9() group {
	var list []fact
	for _, id := range sorted(d.s.Sets) {
		b := d.s.Sets[id].Body
		if !slices.Contains(b.Serials, d.p.Token) {
			continue
		}
		list = append(list,
			fact{"Set", append(monospaced(setName(b.Set)), body.of(", opens "+opensWords(b))...)},
			fact{"Scheme", scheme(b, "Shamir's secret sharing over GF(2^8), a byte at a time, of 32 random bytes")},
			fact{"m of n", quorumOf(b)},
			fact{"Commitment", commitment(b)})
		for _, c := range b.Cards {
			told := append(words(d.name(c.Holder)+", fingerprint "), code.of(c.Fingerprint)...)
			if b.Made() {
				told = words(d.name(c.Holder) + ", a " + b.ItemKind() + " that the device made")
			}
			list = append(list, fact{fmt.Sprintf("Card %d", c.Index), told})
		}
		verified := words("Every card was read back and every quorum of them rebuilt the secret before the set counted")
		if b.Made() {
			verified = stated("Not here: each was presented to the device once, and opened it with others, before the set counted")
		}
		list = append(list,
			fact{"Bags, locations", d.bags(func(it *ceremony.Item) bool { return it.Set == b.Set })},
			fact{"Verified by reconstruction", verified})
	}
	if list == nil {
		list = []fact{{"Shares", missing()}}
	}
	return group{"A9", "Shares", list}
}

// fieldsA10 are the wrapped backups that this ceremony made, and what was done to
// show that they are good.
func (d *doc) fieldsA10() group {
	var list []fact
	for _, w := range d.p.Wrapped {
		list = append(list,
			fact{"Wrapped copies", append(words(fmt.Sprintf("%s of “%s”, %d bytes, by %s inside token %s; SHA-256 ", plural(len(d.copiesOf(w)), "copy"), d.label(w.ID), w.Bytes, w.Mechanism, w.Serial)), code.of(w.SHA256.String())...)},
			fact{"Wrapping key", words(fmt.Sprintf("of set %s, check value %s, %s", setName(w.Set), w.KCV, w.KCVMethod))})
		for _, a := range d.copiesOf(w) {
			list = append(list, fact{a.Name, words(fmt.Sprintf("file %s; %s", a.File, d.whereIs(a.Name)))})
		}
	}
	if list == nil && d.key != nil {
		list = []fact{{"Wrapped copies", d.backup()}}
	}
	if list == nil {
		list = []fact{{"Wrapped copies", words("None was made in this ceremony")}}
	}
	deleted := missing()
	tested := missing()
	for _, r := range d.p.Restored {
		tested = words(fmt.Sprintf("“%s” was restored to token %s and compared: %s", d.label(r.Key), r.Serial, orNot(r.Check)))
		if r.Test {
			deleted = words("not recorded: the restored object is still there")
		}
		for _, x := range d.t.deleted {
			if x.ID == r.ID {
				deleted = words(fmt.Sprintf("The restored object was deleted again and looked for: %d found by identifier, %d by label; a use of it was refused with %s; record %d", x.ByID, x.ByLabel, x.UseFails, x.seq))
			}
		}
	}
	for _, w := range d.p.Waived {
		tested = stated("Waived by " + d.signedWords(w.Signatures) + ": " + w.Reason)
	}
	return group{"A10", "Backup", append(list, fact{"Restore test", tested}, fact{"Test medium destroyed", deleted}, fact{"Residue list", missing()})}
}

func (d *doc) copiesOf(w ceremony.KeyWrapped) []ceremony.ArtifactStored {
	var out []ceremony.ArtifactStored
	for _, a := range d.p.Stored {
		if a.SHA256 == w.SHA256.String() {
			out = append(out, a)
		}
	}
	return out
}

// label of a key by its identifier.
func (d *doc) label(id string) string {
	if k := d.s.Keys[id]; k != nil {
		return k.Body.Label
	}
	return id
}

// whereIs tells of an item as it was left.
func (d *doc) whereIs(item string) string {
	it := d.s.Items[item]
	if it == nil {
		return "not in these records"
	}
	return fmt.Sprintf("bag %s, kept at %s, held by %s", orNot(it.Bag), orNot(it.Place), d.name(it.Holder))
}

func (d *doc) fieldsA11() group {
	list := []fact{{"Files inside this document", words("Name, SHA-256 and size of each, as pdfdetach saves it")}}
	for _, a := range d.files {
		sum := sha256.Sum256(a.Content)
		list = append(list, fact{a.Name, append(code.pt(7.6).of(hex.EncodeToString(sum[:])), run{fmt.Sprintf("  %d bytes", len(a.Content)), dim.pt(7.8)})})
	}
	list = append(list, fact{"Medium, recipient", missing()})
	return group{"A11", "Outputs", list}
}

func (d *doc) fieldsA12() group {
	v := words("None")
	if n := len(d.p.Deviations); n > 0 {
		v = words(plural(n, "deviation") + "; in full under “Deviations”")
	}
	return group{"A12", "Exceptions", []fact{{"Exceptions", v}}}
}

func (d *doc) fieldsA14() group {
	agreed := 0
	for _, sg := range d.p.Attested {
		if sg.SignOff.Verdict == ceremony.Agree {
			agreed++
		}
	}
	return group{"A14", "Statements and signatures", []fact{
		{"Statements", words(fmt.Sprintf("%d of %d people attested, %d agree; in full under “Statements”", len(d.p.Attested), len(d.p.Body.People), agreed))},
		{"Auditor's observation", d.receipts(ceremony.AuditorsLetter)},
		{"Owner's acceptance", d.accepted("owner")},
		{"Approver's acceptance", d.accepted("approver")},
	}}
}

func (d *doc) fieldsA15() group {
	hsm := words("Not yet signed by the HSM")
	if d.cp != nil {
		hsm = append(words(fmt.Sprintf("The HSM signed the head over %d records, root ", d.cp.Size)), code.of(d.cp.Root.String())...)
	}
	return group{"A15", "Verification", []fact{
		{"Ledger range", words(fmt.Sprintf("records 0 and %d to %d", d.in.Records[1].Seq, d.in.Records[len(d.in.Records)-1].Seq))},
		{"Chain", words("Every record names the one before it; recomputed when this document was made")},
		{"Signatures of people", words(fmt.Sprintf("%d, verified when this document was made", d.t.signatures))},
		{"Checkpoint", hsm},
		{"Heads compared", d.heads()},
		{"Outside timestamp", d.receipts(ceremony.Timestamp)},
		{"What came later", words(d.laterCovered())},
		{"Recipe", words(HowToFile + ", inside this document")},
		{"Retain until", missing()},
	}}
}

// heads that the token kept, held against this ledger when it was opened.
func (d *doc) heads() []run {
	var out []string
	for _, h := range d.t.heads {
		out = append(out, fmt.Sprintf("of %s, over %d records: %s, record %d", h.Source, h.Size, h.Result, h.seq))
	}
	return words(strings.Join(out, "; "))
}

// requirements maps clauses to where the evidence for them stands. It never
// says that a clause is met: that is an auditor's word.
func (d *doc) requirements() {
	type clause struct {
		text  string
		kinds []string
		also  string
	}
	list := []clause{
		{"WebTrust for CAs 4.1, key generation by script, under dual control, witnessed", []string{ceremony.RollCallStep, ceremony.AuthoriseStep, "generate-key", ceremony.AttestStep}, ""},
		{"CA/Browser Forum BR 6.1.1.1, trusted roles, multi-person control, split knowledge, logged", []string{ceremony.RollCallStep, "open-token", ceremony.AuthoriseStep, "generate-key"}, ""},
		{"NIST SP 800-57 part 1, 8.1.5 and 6.2.1, key generation and metadata", []string{"generate-key"}, "“The key”"},
		{"CA/Browser Forum CSBR 6.3.2, deletion or destruction called by what it was, every copy listed before", []string{"copy-register", "destroy-key", "destroy-media", "conclude-destruction"}, "“Copies”"},
		{"WebTrust for CAs 4.6, destruction by script, authorised, of all copies and fragments", []string{"gates", "copy-register", "approve", ceremony.AuthoriseStep, "destroy-key", "destroy-media"}, "“Conditions”"},
		{"PCI PIN 24-2, destruction observed by a third party who is custodian of no part", []string{"gates", "destroy-key", "destroy-media", ceremony.AttestStep}, "“Statements”"},
		{"NIST SP 800-88r2, 4.5 and 4.6, method, verification and verdict for each item", []string{"destroy-media"}, "“Media and other copies”"},
		{"ISO/IEC 19790 7.9.7, zeroisation with its status, shown by searches and a use that fails", []string{"destroy-key"}, "“Proof of absence”"},
		{"NIST SP 800-57 part 1, 7, states and transitions of the key", []string{"generate-key", "destroy-key", "conclude-destruction"}, "“All fields”"},
		{"Mozilla Root Store Policy 7.1, birth of the key and SHA-256 of its public key, read aloud", []string{"generate-key", "read-fingerprint"}, "“The key”"},
		{"CA/Browser Forum BR 5.4.1 and 5.4.3, logged with time, person and description; kept and checkable without the program", []string{ceremony.SealStep}, "“How to verify this document”"},
		{"PCI DSS 4.0.1, 3.6 and 3.7, split knowledge and dual control", []string{"open-token", ceremony.AuthoriseStep, "issue-set"}, "“Shares”"},
		{"ISO/IEC 27001:2022 A.8.24, use of cryptography", []string{"generate-key", "make-ledger-key"}, "“All fields”"},
	}
	d.heading("Supports evidence for")
	var rows []row
	for _, c := range list {
		if d.gone == nil && slices.Contains(c.kinds, "gates") {
			continue // about the end of a key, of which this is not
		}
		var steps, seqs []string
		for _, st := range d.p.Plan.Steps() {
			if slices.Contains(c.kinds, st.Kind) && d.p.Steps[st.ID].Done {
				steps = append(steps, fmt.Sprint(st.Number))
				seqs = append(seqs, fmt.Sprint(d.p.Steps[st.ID].Seq))
			}
		}
		if steps == nil {
			continue
		}
		see := "Steps " + strings.Join(steps, ", ") + "; records " + strings.Join(seqs, ", ")
		if len(steps) == 1 {
			see = "Step " + steps[0] + "; record " + seqs[0]
		}
		if c.also != "" {
			see = c.also + "; " + see
		}
		rows = append(rows, row{cells: [][]run{cells.of(c.text), cells.of(see)}})
	}
	if rows == nil {
		d.para(words("Nothing: no step that bears on a requirement was finished."), 0)
		return
	}
	d.table([]column{{"Requirement", 60}, {"See", 40}}, rows)
}

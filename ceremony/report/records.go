package report

import (
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// custody tells what moved in this ceremony and, where cards were handed out or
// items handled for their own sake, the whole record of each.
func (d *doc) custody() {
	if len(d.t.movements) == 0 {
		return
	}
	d.heading("Custody, every movement")
	var rows []row
	for _, m := range d.t.movements {
		rows = append(rows, row{cells: [][]run{code.pt(8).of(clock(m.at)), cells.of(m.item), cells.of(m.what), codeOr(m.bag), cellOr(m.seal), cells.of(d.surname(m.person)), cells.of(d.surname(m.witness)), cells.of(fmt.Sprint(m.seq))}})
	}
	d.table([]column{{"UTC", 10}, {"Item", 20}, {"What", 20}, {"Bag", 14}, {"Seal", 9}, {"Held by", 10}, {"Witness", 10}, {"Record", 7}}, rows)
	if !d.handsOut() {
		return
	}
	for _, name := range d.itemsHere() {
		d.heading("Custody record: " + name)
		for _, g := range d.fieldsC(d.s.Items[name]) {
			d.subheading(g.id + "  " + g.title)
			d.factsAt(g.facts, labelWidth+16, body.pt(8.4), dim.pt(8.4))
		}
	}
}

// handsOut: items change hands for their own sake here, not only to be used.
func (d *doc) handsOut() bool {
	return slices.ContainsFunc(d.p.Plan.Phases, func(ph script.Phase) bool {
		return slices.ContainsFunc(ph.Steps, func(st script.Step) bool {
			return slices.Contains([]string{"issue-set", ceremony.CustodyStep, "check-share", "replace-set", "destroy-cards", "write-backup"}, st.Kind)
		})
	})
}

// itemsHere names the items with a movement in this ceremony, in their order.
func (d *doc) itemsHere() []string {
	var out []string
	for _, m := range d.t.movements {
		if d.s.Items[m.item] != nil && !slices.Contains(out, m.item) {
			out = append(out, m.item)
		}
	}
	return out
}

// fieldsC is the record of one share or other item, for as long as it lives.
func (d *doc) fieldsC(it *ceremony.Item) []group {
	c1 := []fact{{"Item", words(it.Name)}, {"Kind", words(it.Kind)}}
	c2 := []fact{{"Primary custodian", d.personAndOrganisation(it.Holder)}, {"Backup custodian", missing()}}
	known := missing()
	if set := d.s.Sets[it.Set]; set != nil {
		b := set.Body
		fingerprint := ""
		if i := slices.IndexFunc(b.Cards, func(c ceremony.CardIssued) bool { return c.Index == it.Index }); i >= 0 {
			fingerprint = b.Cards[i].Fingerprint
		}
		c1 = append(c1, fact{"Set", monospaced(b.Name)}, fact{"Opens", words(opens(b.Purpose) + " of token " + strings.Join(b.Serials, ", "))}, fact{"Share id", codeOrMissing(fingerprint)},
			fact{"Index", words(fmt.Sprint(it.Index))}, fact{"Scheme", words("Shamir's secret sharing over GF(2^8), of 32 random bytes")}, fact{"m of n", words(fmt.Sprintf("any %d of %d", b.Threshold, b.Count))},
			fact{"Set generation", words(map[bool]string{true: "withdrawn", false: "in use"}[set.Withdrawn])}, fact{"Commitment", code.of(b.Commitment)},
			fact{"Form", words("card, written by hand")}, fact{"Encrypted", words("no: the share itself stands on the card")}, fact{"PIN held by", words("nobody: the PIN is rebuilt from the cards")})
		n := 0
		for _, other := range d.s.Items {
			if other.Set == it.Set && slices.Contains(other.Holders, it.Holder) {
				n++
			}
		}
		known = words(fmt.Sprintf("%s ever held %s of this set; %d open it", d.name(it.Holder), plural(n, "card"), b.Threshold))
	} else {
		c1 = append(c1, fact{"Holds", codeOrMissing(it.Holds)})
	}
	manager := missing()
	enrolment := missing()
	if h := d.s.People[it.Holder]; h != nil {
		manager, enrolment = words(h.Body.Manager), code.of(h.Leaf.String()[:16])
	}
	from, sealer := missing(), missing()
	var moves, checks []run
	end := words("Not ended: it is " + it.State)
	watcher := missing()
	for _, m := range d.t.movements {
		if m.item != it.Name {
			continue
		}
		told := fmt.Sprintf("%s %s, bag %s, %s, watched by %s, record %d", stamp(m.at), m.what, orNot(m.bag), d.name(m.person), d.name(m.witness), m.seq)
		switch {
		case strings.HasPrefix(m.what, "checked"):
			checks = append(checks, run{told + "; ", body})
		case strings.HasPrefix(m.what, "destroyed"), strings.HasPrefix(m.what, "lost"):
			end = words(told)
		}
		if strings.HasPrefix(m.what, "sealed") {
			from, sealer, watcher = words(stamp(m.at)), words(fmt.Sprintf("%s, record %d", d.name(m.person), m.seq)), words(d.name(m.witness))
		}
		moves = append(moves, run{told + "; ", body})
	}
	if checks == nil {
		checks = missing()
	}
	if moves == nil {
		moves = missing()
	}
	c2 = append(c2, fact{"Enrolment", enrolment}, fact{"Authorisation form", missing()}, fact{"Manager", manager}, fact{"Effective from", from}, fact{"Effective to", missing()}, fact{"Acknowledgement", missing()})
	return []group{
		{"C1", "What it is", c1},
		{"C2", "Custodian", c2},
		{"C3", "Packaging", []fact{{"Bag maker and type", missing()}, {"Bag number", append(monospaced(it.Bag), run{" (as stated)", dim})}, {"Sealed by", sealer}, {"Witnessed by", watcher}, {"Number read aloud", missing()},
			{"Storage", stated(it.Place)}, {"Safe controller", missing()}, {"Separation", missing()}}},
		{"C4", "Movements", []fact{{"Movements here", moves}}},
		{"C5", "Checks and end", []fact{{"Periodic checks", checks}, {"Succession", words(fmt.Sprintf("held so far by %s", d.names(it.Holders)))}, {"Cumulative knowledge", known}, {"End", end}}},
	}
}

// enrolmentRecords are the records of the people enrolled here, one a person.
func (d *doc) enrolmentRecords() {
	for _, b := range d.t.enrolled {
		h := d.s.People[b.Person]
		d.heading("Enrolment record: " + b.Called())
		for _, g := range []group{
			{"D1", "Who", []fact{{"Full name", words(b.Name)}, {"Name in Latin letters", words(b.Latin)}, {"Employer", words(b.Organisation)}, {"Contact", missing()}, {"Photo", missing()},
				{"Identity document", stated(b.Identity)}, {"Seen by", words(d.names(b.SeenBy))}, {"Date", words(stamp(d.t.enrolledAt[b.Person]))}}},
			{"D2", "Roles", []fact{{"Roles", words(roleNames(b.Roles))}, {"Role conflicts", words("None: checked when the record was written, and at every ceremony")}, {"Training", missing()},
				{"Background check", missing()}, {"Manager", words(b.Manager)}, {"Independence statement", missing()}}},
			{"D3", "Authentication", []fact{{"Token serial", words("None: an Ed25519 key, sealed under a passphrase of six words")}, {"Key fingerprint", code.of(d.keyFingerprint(b.Person))},
				{"Sealed key's SHA-256", code.of(b.Sealed)}, {"Passphrase", words("Generated, shown once to this person, typed back")}, {"Recovery contact", missing()}, {"Specimen signature", missing()}}},
			{"D4", "Duties", []fact{{"Duties text", missing()}, {"Acceptance", words(fmt.Sprintf("Signed with the new key, record leaf %s", h.Leaf))}, {"Vouched for by", words(d.names(h.Vouched))}, {"Confidentiality", missing()},
				{"Data-protection notice", missing()}, {"Valid from", words(stamp(d.t.enrolledAt[b.Person]))}, {"Valid to", missing()}, {"Revocation", missing()}, {"Approver's signature", missing()}}},
		} {
			d.subheading(g.id + "  " + g.title)
			d.factsAt(g.facts, labelWidth+16, body.pt(8.4), dim.pt(8.4))
		}
	}
}

// keySheet is signed by hand, and carried away: whoever has it can tell this
// site's record from any other.
func (d *doc) keySheet() {
	_, made := d.stepOf("make-ledger-key")
	if made == nil || len(d.t.enrolled) == 0 {
		return
	}
	d.add()
	d.heading("Site key sheet")
	d.para(words("Sign this page by hand and keep a copy away from the site. Keys that stand here belong to this site; another key needs another sheet. Everyone compares the words of the own key with what the screen showed."), 0)
	d.gap(6)
	d.facts([]fact{{"Site", append(body.of(d.s.Site.Organisation+" · "), monospaced(d.s.Site.Origin)...)}, {"Opened", words(stamp(d.s.Site.Opened))}})
	for _, k := range d.s.LedgerKeys {
		d.subheading("Ledger key, " + ceremony.AlgorithmName(k.Body.Algorithm) + ", in token " + k.Body.Serial)
		d.facts([]fact{{"Verifier key", code.pt(7.6).of(k.Body.Verifier)}, {"SHA-256", code.of(fours(k.Body.Public.String()))}, {"In words", words(wordsOf(k.Body.Public.String()))}})
	}
	var lines []string
	for _, b := range d.t.enrolled {
		fp := d.keyFingerprint(b.Person)
		d.subheading(b.Called() + ", " + strings.ToLower(roleNames(b.Roles)))
		d.facts([]fact{{"SHA-256", code.of(fours(fp))}, {"In words", words(wordsOf(fp))}})
		lines = append(lines, b.Called())
	}
	d.signatures(lines)
}

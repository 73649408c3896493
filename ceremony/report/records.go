package report

import (
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
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
			d.factsAt(g.id+"  "+g.title, g.facts, labelWidth+16, body.pt(8.4), dim.pt(8.4))
		}
	}
}

// handsOut: items change hands for their own sake here, not only to be used.
func (d *doc) handsOut() bool {
	return slices.ContainsFunc(d.p.Plan.Phases, func(ph script.Phase) bool {
		return slices.ContainsFunc(ph.Steps, func(st script.Step) bool {
			return slices.Contains([]string{"issue-set", ceremony.CustodyStep, "check-cards", ceremony.ChangeStep, "withdraw-set", ceremony.BackupStep}, st.Kind)
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
		form, encrypted, pin := "card, written by hand", "no: the share itself stands on the card", "nobody: the PIN is rebuilt from the cards"
		switch {
		case b.Device == ceremony.QuorumCards:
			form, encrypted, pin = "card that the device's maker provides", "not known here: the device made it", "nobody here: it is presented at the device's pad"
		case b.Device == ceremony.PINParts:
			form, encrypted, pin = "part of a PIN, written by hand", "no: the part itself is written down", "each holder a part: all are typed at the device's pad"
		case wrapsAlone(b):
			pin = "nobody: no PIN comes from these cards"
		}
		c1 = append(c1, fact{"Set", monospaced(b.Name)}, fact{"Opens", words(opensWords(b))}, fact{"Share id", codeOrMissing(fingerprint)},
			fact{"Index", words(fmt.Sprint(it.Index))}, fact{"Scheme", scheme(b, "Shamir's secret sharing over GF(2^8), of 32 random bytes")}, fact{"m of n", quorumOf(b)},
			fact{"Set generation", words(generation(set))}, fact{"Commitment", commitment(b)},
			fact{"Form", words(form)}, fact{"Encrypted", words(encrypted)}, fact{"PIN held by", words(pin)})
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
	manager, enrolment, acknowledged := missing(), missing(), missing()
	if h := d.s.People[it.Holder]; h != nil {
		manager, enrolment = words(h.Body.Manager), code.of(h.Leaf.String()[:16])
		acknowledged = append(words("The duties of the enrolment, signed with their own key, SHA-256 "), code.of(h.Body.Duties.String())...)
	}
	from, sealer := elsewhere(), elsewhere()
	var moves, checks []fact
	end := words("Not ended: it is " + it.State)
	watcher := elsewhere()
	for _, m := range d.t.movements {
		if m.item != it.Name {
			continue
		}
		told := fmt.Sprintf("%s %s, bag %s, %s, watched by %s, record %d", stamp(m.at), m.what, orNot(strings.Trim(m.bag, none)), d.name(m.person), d.name(m.witness), m.seq)
		switch {
		case strings.HasPrefix(m.what, "checked"):
			checks = append(checks, fact{"", words(told)})
		case strings.HasPrefix(m.what, "destroyed"), strings.HasPrefix(m.what, "lost"):
			end = words(told)
		}
		if strings.HasPrefix(m.what, "sealed") {
			from, sealer, watcher = words(stamp(m.at)), words(fmt.Sprintf("%s, record %d", d.name(m.person), m.seq)), words(d.name(m.witness))
		}
		moves = append(moves, fact{"", words(told)})
	}
	c2 = append(c2, fact{"Enrolment", enrolment}, fact{"Authorisation form", missing()}, fact{"Manager", manager}, fact{"Effective from", from}, fact{"Effective to", missing()}, fact{"Acknowledgement", acknowledged})
	return []group{
		{"C1", "What it is", c1},
		{"C2", "Custodian", c2},
		{"C3", "Packaging", []fact{{"Bag maker and type", missing()}, {"Bag number", append(monospaced(it.Bag), run{" (as stated)", dim})}, {"Sealed by", sealer}, {"Witnessed by", watcher}, {"Number read aloud", missing()},
			{"Storage", stated(it.Place)}, {"Safe controller", missing()}, {"Separation", missing()}}},
		{"C4", "Movements", labelled("Movements here", moves)},
		{"C5", "Checks and end", append(labelled("Periodic checks", checks), []fact{{"Succession", words(fmt.Sprintf("held so far by %s", d.names(it.Holders)))}, {"Cumulative knowledge", known}, {"End", end}}...)},
	}
}

// labelled puts the label of a list beside its first line.
func labelled(label string, list []fact) []fact {
	if len(list) == 0 {
		return []fact{{label, missing()}}
	}
	list[0].label = label
	return list
}

// enrolmentRecords are the records of the people enrolled here, one a person, and
// of those about whom something was recorded: other roles, a new key, the end.
func (d *doc) enrolmentRecords() {
	var about []string
	for _, b := range d.t.enrolled {
		about = append(about, b.Person)
	}
	for _, c := range d.t.changes {
		if !slices.Contains(about, c.person) {
			about = append(about, c.person)
		}
	}
	for _, person := range about {
		h := d.s.People[person]
		if h == nil {
			continue
		}
		d.heading("Enrolment record: " + h.Body.Called())
		for _, g := range d.fieldsD(h) {
			d.factsAt(g.id+"  "+g.title, g.facts, labelWidth+16, body.pt(8.4), dim.pt(8.4))
		}
	}
}

// fieldsD tell of a person as these records leave it; what was enrolled in an
// earlier ceremony is as the context of this one restates it.
func (d *doc) fieldsD(h *ceremony.Person) []group {
	b := h.Body
	date, acceptance := elsewhere(), words("In the ceremony of the enrolment, record leaf "+h.Leaf.String())
	from := elsewhere()
	if at, here := d.t.enrolledAt[b.Person]; here {
		date, from = words(stamp(at.at)), words(stamp(at.at))
		acceptance = words(fmt.Sprintf("Signed with the new key, record %d, leaf %s", at.seq, h.Leaf))
	}
	factor := words("Generated, shown once to this person, typed back")
	until, ended := words("Open, until retired"), words("None, as these records stand")
	var changed []fact
	for _, c := range d.t.changes {
		if c.person != b.Person {
			continue
		}
		at := fmt.Sprintf("%s, record %d", stamp(c.at), c.seq)
		switch x := c.body.(type) {
		case *ceremony.PersonChanged:
			acceptance = words("Signed with the enrolled key, " + at)
			changed = append(changed, fact{"Roles changed", words(fmt.Sprintf("to %s, %s, reports to %s, %s", roleNames(x.Roles), x.Organisation, orNot(x.Manager), at))},
				fact{"Reason of the change", stated(x.Reason)})
		case *ceremony.PersonRekeyed:
			acceptance = words("Signed with the new key, " + at)
			changed = append(changed, fact{"New key", words(fmt.Sprintf("by deviation %d, the document seen again by %s, %s", x.Deviation, d.names(x.SeenBy), at))})
		case *ceremony.PersonRetired:
			until, ended = words(at), stated(x.Reason)
			held := words("nothing")
			if len(x.Holds) > 0 {
				held = words(strings.Join(x.Holds, "; ") + "; due to be handed over")
			}
			changed = append(changed, fact{"Still held when retired", held})
		}
	}
	if changed == nil {
		changed = []fact{{"Changed in this ceremony", words("nothing")}}
	}
	return []group{
		{"D1", "Who", []fact{{"Full name", words(b.Name)}, {"Name in Latin letters", latin(b)}, {"Employer", stated(b.Organisation)}, {"Contact", missing()}, {"Photo", missing()},
			{"Identity document", stated(b.Identity)}, {"Its last four characters", append(words("in a salted file that can be erased, SHA-256 "), code.of(b.Document)...)},
			{"Seen by", words(d.names(b.SeenBy))}, {"Date", date}}},
		{"D2", "Roles", append([]fact{{"Roles", words(roleNames(b.Roles))}, {"Role conflicts", words("None: checked when the record was written, and at every ceremony")}, {"Training", missing()},
			{"Background check", missing()}, {"Manager", stated(b.Manager)}, {"Independence statement", missing()}}, changed...)},
		{"D3", "Authentication", []fact{{"Token serial", words("None: an Ed25519 key, sealed under a passphrase of six words")}, {"Key fingerprint", code.of(d.keyFingerprint(b.Person))},
			{"Sealed key's SHA-256", code.of(b.Sealed)}, {"Passphrase", factor}, {"Recovery contact", missing()}, {"Specimen signature", missing()}}},
		{"D4", "Duties", append(d.duties(b), []fact{{"Acceptance", acceptance}, {"Vouched for by", words(d.names(h.Vouched))}, {"Confidentiality", missing()},
			{"Data-protection notice", missing()}, {"Valid from", from}, {"Valid to", until}, {"Revocation", ended}, {"Approver's signature", missing()}}...)},
	}
}

func latin(b ceremony.PersonEnrolled) []run {
	if b.Latin == "" {
		return words("as the full name")
	}
	return words(b.Latin)
}

// duties are the sentences that the person signed, and the hash by which the
// record names them.
func (d *doc) duties(b ceremony.PersonEnrolled) []fact {
	list := []fact{{"Duties text", append(words("as accepted, SHA-256 "), code.of(b.Duties.String())...)}}
	var shown ceremony.Shown
	if content, ok := d.in.Blobs[b.Duties]; !ok || ledger.Decode(content, &shown) != nil {
		return append(list, fact{"", words("the words stand in the evidence of the ceremony in which they were accepted")})
	}
	duties, _ := shown.Values.([]any)
	for _, duty := range duties {
		list = append(list, fact{"", body.in(italic).of(fmt.Sprint(duty))})
	}
	return list
}

// generation says whether the cards of a set are in use.
func generation(set *ceremony.Set) string {
	if set.Withdrawn {
		return "withdrawn in ceremony " + set.WithdrawnIn
	}
	return "in use"
}

// keySheet is signed by hand, and carried away: whoever has it can tell this
// site's record from any other.
func (d *doc) keySheet() {
	_, made := d.stepOf("make-ledger-key")
	if made == nil {
		return
	}
	d.add()
	d.heading("Site key sheet")
	d.para(words("Sign by hand below the last key, and keep a copy away from the site. Keys that stand here belong to this site; another key needs another sheet. Everyone compares the words of the ledger key with those that were read aloud when it was made."), 0)
	d.gap(6)
	d.facts([]fact{{"Site", append(body.of(d.s.Site.Organisation+" · "), monospaced(d.s.Site.Origin)...)}, {"Opened", words(stamp(d.s.Site.Opened))}})
	for _, k := range d.s.LedgerKeys {
		title := "Ledger key, " + ceremony.AlgorithmName(k.Body.Algorithm) + ", in token " + k.Body.Serial
		if k.Retired {
			title += "; retired, what it signed stays signed"
		}
		d.factsUnder(title, []fact{{"Verifier key", code.pt(7.6).of(k.Body.Verifier)}, {"SHA-256", code.of(fours(k.Body.Public.String()))}, {"In words", words(wordsOf(k.Body.Public.String()))}})
	}
	var lines []string
	for _, b := range d.t.enrolled {
		fp := d.keyFingerprint(b.Person)
		d.factsUnder(b.Called()+", "+strings.ToLower(roleNames(b.Roles)), []fact{{"SHA-256", code.of(fours(fp))}, {"In words", words(wordsOf(fp))}})
		lines = append(lines, b.Called())
	}
	if len(d.t.enrolled) == 0 { // nobody's key is new: those who were there sign
		for _, part := range d.p.Body.People {
			lines = append(lines, d.s.Someone(part.Person).Name)
		}
	}
	if d.in.recovers() {
		d.factsUnder("Recovery without this program", []fact{{"Recipe", words(recipeIs)}})
	}
	d.signatures(lines)
}

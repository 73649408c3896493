package report

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
)

// Paper draws the paper script: what is laid on the table for the witness to
// follow and to write on, and what the approver signs to order the ceremony. It
// is made of the script alone, so the same script gives the same bytes; where the
// ceremony makes what a key can be rebuilt from, the recipe for that comes last. about
// says in one line what a kind of step does.
func Paper(plan *script.Plan, about func(kind string) string, size PageSize) (pdf []byte, pages int, err error) {
	p, err := newPage(size)
	if err != nil {
		return nil, 0, err
	}
	d := &paper{page: p, plan: plan, about: about}
	d.left = strings.ToUpper(plan.Title)
	d.right = fmt.Sprintf("%s, version %d", plan.Name, plan.Version)
	d.f.SetProducer("Claviger", false)
	d.f.SetCreator(fmt.Sprintf("Claviger paper script layout %d, %s", Layout, size), false)
	d.f.SetTitle(d.fonts[sans].visible("Script "+plan.Name+": "+plan.Title), true)
	// A script has no date; the file gets one that is always the same.
	made := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	d.f.SetCreationDate(made)
	d.f.SetModificationDate(made)

	d.add()
	d.front()
	d.steps()
	for i := range deviationSheets {
		d.deviation(i + 1)
	}
	d.order()
	if recoverable(plan) {
		d.recovery()
	}
	d.feet(fmt.Sprintf("Script %s, version %d · SHA-256 %s…", plan.Name, plan.Version, fours(fmt.Sprintf("%x", plan.SHA256[:8]))))
	pdf, err = d.bytes()
	return pdf, d.f.PageCount(), err
}

type paper struct {
	*page
	plan  *script.Plan
	about func(kind string) string
}

const (
	deviationSheets = 2
	// cellsOf is how many characters a serial or bag number has room for: 16 is
	// CK_TOKEN_INFO's serial number (PKCS#11 v2.40), bag numbers are shorter.
	cellsOf = 16
)

// front tells which script this is, who takes part and what lies ready.
func (d *paper) front() {
	d.para(style{semibold, 20, ink}.of(d.plan.Title), 0)
	d.para(style{sans, 10.5, muted}.of(fmt.Sprintf("Paper script %s, version %d. Follow it as it is read aloud; initial every step and write down the time. What goes otherwise is written on a deviation sheet, never into the step.", d.plan.Name, d.plan.Version)), 0)
	d.gap(6)
	d.subheading("This script")
	d.para(body.of("Its SHA-256, to be compared aloud with the screen and with the order:"), 0)
	d.gap(3)
	h := fmt.Sprintf("%x", d.plan.SHA256)
	d.hashBlock([2]string{fours(h[:32]), fours(h[32:])}, assets.PGPWords(d.plan.SHA256[:]))

	d.heading("Who takes part")
	var rows []row
	for _, need := range d.plan.Roles {
		for i := range need.Count {
			role := roleName(need.Role)
			if need.Count > 1 {
				role = fmt.Sprintf("%s %d", role, i+1)
			}
			rows = append(rows, row{cells: [][]run{cells.of(role), nil, nil, nil}})
		}
	}
	d.blank([]column{{"Role", 22}, {"Name", 34}, {"Signature", 30}, {"Initials", 14}}, rows, 20)

	if len(d.plan.Parameters) > 0 {
		d.heading("What this ceremony is held with")
		rows = nil
		for _, q := range d.plan.Parameters {
			hint := q.Type
			if len(q.Of) > 0 {
				hint = strings.Join(q.Of, ", ")
			}
			if q.Ceiling != "" {
				hint += ", at most " + q.Ceiling
			}
			rows = append(rows, row{cells: [][]run{cells.of(q.Ask), code.of(q.Name), cells.of(hint), nil}})
		}
		d.blank([]column{{"Asked", 30}, {"Parameter", 16}, {"Kind or choices", 24}, {"Value", 30}}, rows, 18)
	}
	if len(d.plan.Materials) > 0 {
		d.heading("What lies ready")
		for _, m := range d.plan.Materials {
			d.room(20)
			d.box(margin, d.y+2, 9)
			what := m.What
			if m.Count > 1 {
				what = fmt.Sprintf("%s, %d", m.What, m.Count)
			}
			d.text(margin+16, d.y+10, d.fit(what, body, d.w-2*margin-16), body)
			d.y += 18
			for _, n := range m.Note {
				d.cells(map[string]string{script.SerialNumber: "Serial number", script.BagNumber: "Bag number"}[n], margin+16)
			}
		}
	}
}

// steps are the table that is followed: step, activity, initials, time.
func (d *paper) steps() {
	d.add()
	minutes := 0
	for _, ph := range d.plan.Phases {
		d.heading(fmt.Sprintf("Phase %d: %s", ph.Number, ph.Title))
		var rows []row
		for _, st := range ph.Steps {
			minutes += st.Minutes
			activity := medium9.of(st.Title)
			if st.When != "" {
				activity = append(activity, run{"  only when " + st.When, small})
			}
			if st.Say != "" {
				activity = append(activity, run{"  “" + st.Say + "”", cells.in(italic)})
			}
			activity = append(activity, run{"  " + d.about(st.Kind), small})
			if by := needWords(st.By); by != "" {
				activity = append(activity, run{"  By " + by + ".", small})
			}
			planned := ""
			if st.Minutes > 0 {
				planned = fmt.Sprintf("%d min", st.Minutes)
			}
			rows = append(rows, row{cells: [][]run{code.of(fmt.Sprint(st.Number)), activity, small.of(planned), nil, nil}})
		}
		d.blank([]column{{"Step", 7}, {"Activity", 59}, {"Planned", 10}, {"Initials", 11}, {"Time, UTC", 13}}, rows, 26)
		for _, st := range ph.Steps {
			for _, label := range numbersOf(st) {
				d.cells(fmt.Sprintf("Step %d: %s", st.Number, label), margin)
			}
		}
		if len(ph.Sign) > 0 {
			var names []string
			for _, role := range ph.Sign {
				for range d.plan.Need(role) {
					names = append(names, roleName(role)+", end of phase "+fmt.Sprint(ph.Number))
				}
			}
			d.signatures(names)
		}
		if ph.Break > 0 {
			minutes += ph.Break
			d.gap(6)
			d.para(body.in(medium).of(fmt.Sprintf("Break, %d minutes. Who stays in the room:", ph.Break)), 0)
			d.signatures([]string{"From (UTC), to (UTC)", "Two who stay"})
		}
		d.gap(8)
	}
	if minutes > 0 {
		d.para(dim.of(fmt.Sprintf("Planned: %d hours %d minutes.", minutes/60, minutes%60)), 0)
	}
}

var medium9 = style{medium, 9.2, ink}

func needWords(by []script.RoleNeed) string {
	var out []string
	for _, n := range by {
		if n.Count == 1 {
			out = append(out, "one "+n.Role)
			continue
		}
		out = append(out, fmt.Sprintf("%d %ss", n.Count, n.Role))
	}
	return strings.Join(out, " and ")
}

// numbersOf names the serial and bag numbers that are written down in a step.
func numbersOf(st script.Step) []string {
	switch st.Kind {
	case "identify-token":
		return []string{"serial number of the HSM"}
	case "issue-set":
		var out []string
		for _, by := range st.By {
			if by.Role == script.Custodian {
				for i := range by.Count {
					out = append(out, fmt.Sprintf("bag of card %d", i+1))
				}
			}
		}
		return out
	case "open-token":
		var out []string
		for _, by := range st.By {
			for i := range by.Count {
				out = append(out, fmt.Sprintf("bag opened, custodian %d", i+1))
			}
		}
		return out
	case "closing-bags":
		var out []string
		for thing := range strings.SplitSeq(st.With["things"], ",") {
			out = append(out, "bag for "+strings.TrimSpace(thing))
		}
		return out
	}
	return nil
}

// deviation is a sheet for what does not go as scripted.
func (d *paper) deviation(n int) {
	d.add()
	d.heading(fmt.Sprintf("Deviation sheet %d", n))
	d.para(dim.of("A deviation is normal, and never hidden. The internal witness writes; the decision is the approver's, or that of those whom the policy names, as heard by two."), 0)
	d.gap(6)
	for _, f := range []struct {
		label string
		lines int
	}{{"Step, and time in UTC", 1}, {"What was expected", 3}, {"What happened", 4}, {"What was done at once", 2}, {"Key material exposed: yes / no / unknown, and which", 1},
		{"Class: script / equipment / person / security / clock / data; severity: minor / major / critical", 1},
		{"Decision: continue / repeat / replaced by this text / lock-out / abort", 3}, {"Decided by; heard by", 2}, {"Objections", 2}, {"What is done about the cause, by whom, until which day", 2}} {
		d.ruled(f.label, f.lines)
	}
	d.signatures([]string{"Witness", "Administrator", "Decided by", "Anyone who disagrees"})
}

// order is the form by which the approver orders the ceremony on paper.
func (d *paper) order() {
	d.add()
	d.heading("Order")
	d.para(body.of("I order this ceremony to be held once, with exactly this script, these values and these people, inside this window. One byte of the script or one value changed is another ceremony, which I have not ordered."), 0)
	d.gap(4)
	h := fmt.Sprintf("%x", d.plan.SHA256)
	d.facts([]fact{{"Script", body.of(fmt.Sprintf("%s, version %d: %s", d.plan.Name, d.plan.Version, d.plan.Title))}, {"SHA-256", append(monospaced(fours(h[:32])), monospaced(" "+fours(h[32:]))...)}})
	for _, l := range []string{"Reference of the order", "Not before (UTC)", "Not after (UTC)", "Owner of the key"} {
		d.ruled(l, 1)
	}
	d.cells("Serial number of the token", margin)
	var rows []row
	for _, q := range d.plan.Parameters {
		rows = append(rows, row{cells: [][]run{code.of(q.Name), nil}})
	}
	if rows != nil {
		d.subheading("Values")
		d.blank([]column{{"Parameter", 30}, {"Value", 70}}, rows, 18)
	}
	rows = nil
	for _, need := range d.plan.Roles {
		for range need.Count {
			rows = append(rows, row{cells: [][]run{cells.of(roleName(need.Role)), nil}})
		}
	}
	d.subheading("People")
	d.blank([]column{{"Role", 30}, {"Name", 70}}, rows, 18)
	d.signatures([]string{"Approver: name, signature", "Witness who types in the SHA-256 of this page, scanned"})
}

// recoverable says whether a script hands out cards that open backups, or makes one:
// the report of such a ceremony names the recipe, too. Whether the set whose
// custodians change is one of these is known only on the day.
func recoverable(plan *script.Plan) bool {
	for _, ph := range plan.Phases {
		for _, st := range ph.Steps {
			if st.With["recovery-count"] != "" || st.Kind == ceremony.ChangeStep || st.Kind == ceremony.BackupStep {
				return true
			}
		}
	}
	return false
}

// recovery is the recipe by which a key is rebuilt without this program, line by line
// as it stands in the file, so that what is typed from paper has the hash beside it.
func (d *paper) recovery() {
	_, program, _ := strings.Cut(assets.Recovery, assets.RecoverProgram)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(program)))
	d.add()
	d.heading("Recovery recipe")
	d.para(dim.of("Keep these pages with the recovery cards and with each medium that holds a backup: print them once for each. They hold no secret."), 0)
	d.gap(4)
	d.facts([]fact{{"SHA-256 of recover.py", append(monospaced(fours(sum[:32])), monospaced(" "+fours(sum[32:]))...)}})
	d.gap(6)
	st := code.pt(7.9)
	const leading = 9.8 // with which the whole program stands on one page
	for line := range strings.Lines(assets.Recovery) {
		if line == assets.RecoverProgram {
			d.add()
		}
		d.room(leading)
		line = strings.TrimSuffix(line, "\n")
		at := len(line) - len(strings.TrimLeft(line, " "))
		d.text(margin+d.width(line[:at], st), d.y+st.size, d.fit(line[at:], st, d.w-2*margin), st)
		d.y += leading
	}
}

// blank is a table that is written on: every row is at least this high, and lines
// part the columns.
func (d *paper) blank(cols []column, rows []row, high float64) {
	total := 0.0
	for _, c := range cols {
		total += c.share
	}
	ws := make([]float64, len(cols))
	for i, c := range cols {
		ws[i] = (d.w - 2*margin) * c.share / total
	}
	header := func() {
		x := margin
		for i, c := range cols {
			d.text(x+4, d.y+9, d.fit(c.title, head, ws[i]-6), head)
			x += ws[i]
		}
		d.y += 15
		d.line(margin, d.y, d.w-margin, d.y, 0.9, ink)
	}
	d.room(15 + high)
	header()
	for _, r := range rows {
		h := high
		wrapped := make([][][]run, len(cols))
		for i, c := range r.cells {
			wrapped[i] = d.wrap(c, ws[i]-8)
			h = max(h, height(wrapped[i])+8)
		}
		if d.y+h > d.h-footY-8 {
			d.add()
			header()
		}
		x := margin
		for i := range cols {
			y := d.y + 3
			for _, l := range wrapped[i] {
				d.drawLine(x+4, y, l)
				y += leading(l)
			}
			x += ws[i]
			if i < len(cols)-1 {
				d.line(x, d.y, x, d.y+h, 0.4, rule)
			}
		}
		d.y += h
		d.line(margin, d.y, d.w-margin, d.y, 0.5, rule)
	}
	d.y += 6
}

// ruled is a label and lines to write on.
func (d *paper) ruled(label string, lines int) {
	d.room(14 + 18*float64(lines))
	d.text(margin, d.y+9, d.fit(label, head, d.w-2*margin), head)
	d.y += 10
	for range lines {
		d.y += 18
		d.line(margin, d.y, d.w-margin, d.y, 0.5, muted)
	}
	d.y += 8
}

// cells is a label and one box for each character: what is written in boxes is
// read again without a doubt.
func (d *paper) cells(label string, x float64) {
	const side = 15.0
	d.room(side + 8)
	d.text(x, d.y+11, d.fit(label, small, 150), small)
	for i := range cellsOf {
		d.box(x+156+float64(i)*side, d.y, side)
	}
	d.y += side + 6
}

func (d *paper) box(x, y, side float64) {
	d.line(x, y, x+side, y, 0.6, ink)
	d.line(x+side, y, x+side, y+side, 0.6, ink)
	d.line(x+side, y+side, x, y+side, 0.6, ink)
	d.line(x, y+side, x, y, 0.6, ink)
}

package flow

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"claviger/ceremony"
)

// Overview is the first page.
type Overview struct {
	Greeting   string
	Keys       []KeyRow
	NoKeys     string // what to do while there are none
	Ceremonies []CeremonyRow
	NoneHeld   string
	Starts     []Start
	Trust      []TrustRow
	// Resume names the open ceremony; while there is one no other can start.
	Resume string
	// ReadOnly says why nothing can be held here, "" where something can.
	ReadOnly string
}

// KeyRow is a key.
type KeyRow struct {
	Label, Below, Purpose, Owner string
	State                        string
	Tone                         Tone
	Used                         float64 // share of the lifetime
	Left                         string
}

// CeremonyRow is a ceremony held or open.
type CeremonyRow struct {
	Number, Title, About, State string
	Tone                        Tone
	Report                      string // path, "" while there is none
	Open                        bool   // can be resumed
}

// Start is a ceremony that can be held.
type Start struct {
	Name, Title, About string
	Parameters         []Parameter
}

// Parameter is asked before a ceremony starts. Of is empty or the choices.
type Parameter struct {
	Name, Ask, Default string
	Of                 []string
}

// TrustRow is one line of what is known about the record.
type TrustRow struct {
	Text string
	Tone Tone
}

// NewOverview makes the first page of a snapshot.
func NewOverview(s ceremony.Snapshot, starts []Start, now time.Time) Overview {
	o := Overview{Starts: starts, Trust: trust(s), ReadOnly: readOnly(s.Ledger)}
	if o.ReadOnly != "" {
		o.Starts = nil
	}
	due := 0
	for _, k := range s.Keys {
		row := newKeyRow(k, now)
		if row.Tone == Waiting || row.Tone == Bad {
			due++
		}
		o.Keys = append(o.Keys, row)
	}
	for _, c := range s.Ceremonies {
		row := newCeremonyRow(c)
		row.Open = row.Open && o.ReadOnly == ""
		if row.Open && o.Resume == "" {
			o.Resume = c.Number
		}
		o.Ceremonies = append(o.Ceremonies, row)
	}
	o.Greeting = greeting(now) + ". " + decision(due, o.Resume)
	if o.ReadOnly != "" {
		o.Greeting = greeting(now) + ". This site is read-only."
	}
	if len(o.Keys) == 0 && o.ReadOnly == "" {
		o.NoKeys = "There is no key yet. Start with “Generate a key”: it takes about half an hour, and everyone whom it needs is told first."
	}
	if len(o.Ceremonies) == 0 {
		o.NoneHeld = "No ceremony was held yet."
	}
	return o
}

// readOnly: a record that is contradicted, or does not hold, is evidence, and
// nothing is added to it.
func readOnly(l ceremony.LedgerView) string {
	switch {
	case l.Contradiction != "":
		return "Something from outside disagrees with this record. " + capital(l.Contradiction) + "."
	case len(l.Findings) > 0:
		return "This record does not hold. " + capital(l.Findings[0]) + "."
	}
	return ""
}

func greeting(now time.Time) string {
	switch h := now.Hour(); {
	case h < 5:
		return "Good night"
	case h < 12:
		return "Good morning"
	case h < 18:
		return "Good afternoon"
	}
	return "Good evening"
}

func decision(due int, resume string) string {
	switch {
	case resume != "":
		return "Ceremony " + resume + " waits to be finished."
	case due == 1:
		return "One key needs a decision."
	case due > 1:
		return capital(inWords(due)) + " keys need a decision."
	}
	return "Nothing needs a decision."
}

func inWords(n int) string {
	if words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}; n < len(words) {
		return words[n]
	}
	return fmt.Sprint(n)
}

// soon is when the end of a lifetime asks for a decision.
const soon = 60 * 24 * time.Hour

func newKeyRow(k ceremony.KeyView, now time.Time) KeyRow {
	row := KeyRow{Label: k.Label, Purpose: capital(k.Purpose), Owner: k.Owner, State: k.State, Tone: stateTone(k.State)}
	row.Below = k.Algorithm
	if len(k.Fingerprint) >= 8 {
		row.Below += " · " + k.Fingerprint[:4] + " " + k.Fingerprint[4:8]
	}
	if k.Until.IsZero() || !k.Until.After(k.From) {
		return row
	}
	row.Used = float64(now.Sub(k.From)) / float64(k.Until.Sub(k.From))
	left := k.Until.Sub(now)
	switch {
	case left <= 0:
		row.Left, row.Tone = "since "+k.Until.Format("2 Jan 2006"), Bad
	case left < soon:
		row.Left, row.Tone = count(int(left.Hours()/24), "day"), Waiting
	default:
		row.Left = k.Until.Format("2006")
	}
	return row
}

func stateTone(state string) Tone {
	switch strings.ToLower(state) {
	case "active":
		return Good
	case "pre-activation":
		return Info
	case "suspended", "quarantined":
		return Waiting
	case "compromised", "destroyed", "deleted":
		return Bad
	}
	return Neutral
}

func newCeremonyRow(c ceremony.CeremonyLine) CeremonyRow {
	row := CeremonyRow{Number: c.Number, Title: c.Title, State: capital(c.Status), Report: c.Report}
	var about []string
	for _, part := range []string{c.About, counted(c.People, "person", "people"), counted(c.Steps, "step", "steps")} {
		if part != "" {
			about = append(about, part)
		}
	}
	if c.Deviations > 0 {
		about = append(about, count(c.Deviations, "deviation"))
	} else {
		about = append(about, "no deviation")
	}
	if c.Unknown != "" {
		about = append(about, "outcome of “"+c.Unknown+"” unknown until the token is read")
	}
	row.About = strings.Join(about, " · ")
	switch status := strings.ToLower(c.Status); {
	case status == "sealed":
		row.Tone = Good
	case status == "aborted":
		row.Tone = Bad
	case strings.HasPrefix(status, "paused"), strings.HasPrefix(status, "interrupted"), strings.HasPrefix(status, "running"):
		row.Tone, row.Open = Waiting, true
	}
	return row
}

func counted(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func trust(s ceremony.Snapshot) []TrustRow {
	l := s.Ledger
	var rows []TrustRow
	if l.Contradiction != "" {
		rows = append(rows, TrustRow{"Contradicted from outside", Bad})
	}
	for _, f := range l.Findings {
		rows = append(rows, TrustRow{f, Bad})
	}
	switch {
	case len(l.Findings) > 0:
	case l.Verified:
		rows = append(rows, TrustRow{thousands(l.Records) + " records, chain unbroken, every rule kept", Good})
	default:
		rows = append(rows, TrustRow{"The record is being verified", Waiting})
	}
	switch {
	case l.SignedTo <= 0:
		rows = append(rows, TrustRow{"Not yet signed by the HSM", Waiting})
	case l.SignedTo < l.Records:
		rows = append(rows, TrustRow{fmt.Sprintf("Signed by the HSM up to record %s; %s later", thousands(l.SignedTo-1), counted(int(l.Records-l.SignedTo), "record is", "records are")), Info})
	default:
		rows = append(rows, TrustRow{"Signed by the HSM up to the last record", Good})
	}
	switch s.HSM.State {
	case "absent":
		rows = append(rows, TrustRow{"The HSM is not there", Waiting})
	case "", "not looked at":
		rows = append(rows, TrustRow{"The HSM was not looked into since the program started", Info})
	}
	for _, c := range l.Compared {
		rows = append(rows, TrustRow{"Agrees with " + c, Good})
	}
	for _, f := range l.Foreign {
		rows = append(rows, TrustRow{capital(f), Waiting})
	}
	if l.CopiesDue > 0 {
		rows = append(rows, TrustRow{counted(l.CopiesDue, "verified copy of the ledger, on a medium of its own, is due", "verified copies of the ledger, each on a medium of its own, are due"), Waiting})
	}
	if len(l.Compared) == 0 && l.Contradiction == "" {
		rows = append(rows, TrustRow{"Nothing brought from outside was compared: keep each checkpoint that you carry away", Info})
	}
	return rows
}

// Preparation is the form before a ceremony.
type Preparation struct {
	Title, About string
	Start        Start
}

// NewPreparation makes the form of a ceremony that can be held.
func NewPreparation(st Start) Preparation {
	return Preparation{Title: st.Title, About: st.About, Start: st}
}

// Finished is how a run ended.
type Finished struct {
	Number, Status string // sealed, paused, aborted
	Report, Key    string // paths of the report and of the site's verifier keys
	Trouble        *Trouble
	Contradicted   bool // and the site is read-only from here
}

// Evidence names the files of a ceremony held before: the site's keys lie beside
// the report.
func (r CeremonyRow) Evidence() DonePage {
	d := NewDone(Finished{Number: r.Number, Status: "sealed", Report: r.Report, Key: filepath.Join(filepath.Dir(r.Report), "site.vkey")})
	d.Title = "Evidence of ceremony " + r.Number
	return d
}

// DonePage is the last page.
type DonePage struct {
	Title, Text string
	Facts       []Fact
	Verify      string
	State       string
	Tone        Tone
	Trouble     *Trouble
}

// NewDone says how the run ended and what to do with what it left.
func NewDone(f Finished) DonePage {
	d := DonePage{Trouble: f.Trouble}
	name := "The ceremony"
	if f.Number != "" {
		name = "Ceremony " + f.Number
	}
	switch {
	case f.Trouble != nil:
		d.Title, d.State, d.Tone = name+" has stopped", "Stopped", Bad
		d.Text = "What was recorded stays recorded. The ceremony can be resumed from the overview."
		if f.Contradicted {
			d.Text = "What was recorded stays recorded. The site is read-only from here: nothing can be started or resumed."
		}
	case f.Status == "paused":
		d.Title, d.State, d.Tone = name+" is paused", "Paused", Waiting
		d.Text = "The HSM is closed and every secret is wiped. Resume it from the overview; the roll is called again then."
	case f.Status == "aborted":
		d.Title, d.State, d.Tone = name+" was aborted", "Aborted", Bad
		d.Text = "It is sealed as it is, with a report of its own."
	default:
		d.Title, d.State, d.Tone = name+" is sealed", "Sealed", Good
		d.Text = "Everybody who was present can check the report on any other computer, with the site's key that each of them keeps."
	}
	if f.Report != "" {
		d.Facts = append(d.Facts, Fact{Label: "Report", Value: f.Report, Mono: true})
	}
	if f.Key != "" {
		d.Facts = append(d.Facts, Fact{Label: "Site's key", Value: f.Key, Mono: true})
	}
	if f.Report != "" && f.Key != "" {
		d.Verify = "claviger-verify --site " + f.Key + " " + f.Report
	}
	return d
}

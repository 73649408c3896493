package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
)

// Overview is the first page.
type Overview struct {
	Greeting            string
	Due                 []Due // the gravest first
	Keys                []Row
	AllKeys             string // leads to the others, "" where all are here
	NoKeys, NoKeysTitle string // what to do while there are none
	Ceremonies          []CeremonyRow
	All                 string // leads to the other ceremonies
	NoneHeld            string
	Starts              []Start
	Trust               []TrustRow
	// Resume names the open ceremony; while there is one no other can start.
	Resume string
	// ReadOnly says why nothing can be held here, nil where something can.
	ReadOnly *Trouble
}

// Due is something that asks people for a decision or an act.
type Due struct {
	Text string
	Tone Tone
	Ref  Ref // where it is seen; the zero Ref leads nowhere
}

// CeremonyRow is a ceremony held or open.
type CeremonyRow struct {
	Number, Title, About, State string
	Tone                        Tone
	Report                      string // path, "" while there is none
	Open                        bool   // can be resumed
}

// TrustRow is one line of what is known about the record.
type TrustRow struct {
	Text string
	Tone Tone
}

// The overview shows the beginning of each list; the rest has a page.
const (
	keysShown       = 6
	ceremoniesShown = 5
)

// NewOverview makes the first page.
func NewOverview(s ceremony.Snapshot, r Record, starts []Start, now time.Time) Overview {
	o := Overview{Starts: starts, Trust: trust(s, r.State), ReadOnly: readOnly(s.Ledger)}
	if o.ReadOnly != nil {
		o.Starts = nil
	}
	keys := sortedKeys(r.State, now)
	for _, k := range keys[:min(len(keys), keysShown)] {
		o.Keys = append(o.Keys, keyRow(r.State, k, now))
	}
	if len(keys) > keysShown {
		o.AllKeys = "All " + countOf(len(keys), "key", "keys")
	}
	all := r.State.Ceremonies
	for i := len(all) - 1; i >= max(len(all)-ceremoniesShown, 0); i-- {
		row := newCeremonyRow(r, all[i])
		row.Open = row.Open && o.ReadOnly == nil
		o.Ceremonies = append(o.Ceremonies, row)
	}
	if len(all) > ceremoniesShown {
		o.All = "All " + countOf(len(all), "ceremony", "ceremonies")
	}
	if p := r.State.Unfinished(); p != nil && o.ReadOnly == nil {
		o.Resume = p.Number
	}
	o.Due = dueHere(r.State, keys, now)
	o.Greeting = greeting(now) + ". " + decision(len(o.Due), o.Resume)
	if o.ReadOnly != nil {
		o.Greeting = greeting(now) + ". This site is read-only."
	}
	if len(keys) == 0 && o.ReadOnly == nil {
		o.NoKeysTitle = "No key yet"
		o.NoKeys = "There is no key yet. Start with “Generate a signing key”: it takes about an hour, and everyone whom it needs is told first."
	}
	if len(r.State.People) == 0 && !r.State.Site.Practice && o.ReadOnly == nil {
		o.Greeting = greeting(now) + ". This site is not opened yet."
		o.NoKeys = "The site is empty. Its opening is a ceremony of its own, in which its people are enrolled and its HSM is made ready; as nobody is enrolled, it is ordered on paper. Choose “Open a site”, print its script, and have the order signed; when that is taken in, the ceremony is prepared here."
		if len(r.State.StandingOrders(now)) > 0 {
			o.NoKeys = "The opening is ordered. Choose “Open a site” to prepare it: whom and what it needs is told before anything begins."
		}
		o.NoKeysTitle = "The site is empty"
	}
	if len(all) == 0 {
		o.NoneHeld = "No ceremony was held yet."
	}
	return o
}

// dueHere lists what waits for people, the gravest first. The open ceremony goes
// before everything: nothing else is done before it ends.
func dueHere(s *ceremony.State, keys []*ceremony.Key, now time.Time) []Due {
	var open, out []Due
	if p := s.Unfinished(); p != nil {
		state, _ := statusOf(p)
		open = append(open, Due{fmt.Sprintf("Ceremony %s, %s: %s", p.Number, p.Plan.Title, lower(state)), Waiting, Ref{InCeremonies, p.Number, "See"}})
		for _, d := range p.Deviations {
			if d.Decided == nil {
				open = append(open, Due{fmt.Sprintf("Deviation %d of ceremony %s is not decided", d.Raised.Number, p.Number), Waiting, Ref{InCeremonies, p.Number, "See"}})
			}
		}
	}
	if last := s.Looked; last != nil && len(last.Unknown) > 0 {
		out = append(out, Due{"The HSM holds " + countOf(len(last.Unknown), "object", "objects") + " that this record does not know: the next ceremony asks what becomes of it", Waiting, Ref{InCustody, aToken + last.Serial, "See"}})
	}
	if after, n := s.CopiesDue(); n > 0 {
		out = append(out, Due{counted(n, "verified copy of the ledger is", "verified copies of the ledger are") + " still to be made after ceremony " + after + ", on separate media", Waiting, Ref{Place: InEvidence, Label: "Copy"}})
	}
	for _, p := range s.Ceremonies {
		if p.Status == ceremony.AbortedStatus {
			if left := s.CleanUp(p); len(left) > 0 {
				out = append(out, Due{fmt.Sprintf("Ceremony %s was aborted, and %s to be put right: %s", p.Number, counted(len(left), "thing is", "things are"), left[0]), Waiting, Ref{InCeremonies, p.Number, "See"}})
			}
		}
		for _, d := range p.CorrectivesOpen() {
			if until := date(d.Decided.Due); !until.IsZero() && !now.Before(until.AddDate(0, 0, 1)) {
				out = append(out, Due{fmt.Sprintf("What was to be done until %s about deviation %d of ceremony %s has not been reported: %s", day(until), d.Raised.Number, p.Number, d.Decided.Corrective), Waiting, Ref{InEvidence, p.Number, "See"}})
			}
		}
	}
	due := keysDue(s, now)
	for _, k := range keys {
		if d, ok := due[k.Body.ID]; ok {
			tone := Waiting
			if lifeOf(k, now).tone == Bad {
				tone = Bad
			}
			out = append(out, Due{keyDue(s, k, d, now), tone, Ref{InKeys, k.Body.ID, "See"}})
		}
	}
	for _, name := range sorted(s.Items) {
		if it := s.Items[name]; it.State == ceremony.OutOfBag && s.Open == nil {
			out = append(out, Due{capital(name) + " is out of its bag, with " + called(s, it.Holder), Waiting, Ref{InCustody, anItem + name, "See"}})
		}
	}
	for _, d := range s.SetsDue() {
		out = append(out, setDue(d)...)
	}
	slices.SortStableFunc(out, func(a, b Due) int { return cmp.Compare(a.rank(), b.rank()) })
	return append(open, out...)
}

// rank puts first what cannot wait.
func (d Due) rank() int {
	if d.Tone == Bad {
		return 0
	}
	return 1
}

// setDue says what a set asks for.
func setDue(d ceremony.SetDue) []Due {
	var out []Due
	ref := Ref{InCustody, aSet + d.Set.Body.Set, "See"}
	name, gone := d.Set.Body.Name, strings.Join(d.Unaccounted, ", ")
	if d.Needed {
		out = append(out, Due{"The old cards of set " + name + " still open a backup of " + d.Wraps + ": see that it is backed up under other cards, have the old media destroyed, then the old cards", Waiting, ref})
	}
	switch {
	case gone != "" && d.Wraps != "":
		out = append(out, Due{"A backup of " + d.Wraps + " may survive, and nobody answers for as many of the old cards of set " + name + " as open it: " + gone + ". Have the key changed", Bad, ref})
	case gone != "":
		out = append(out, Due{"The secret of set " + name + " must be changed: nobody answers for " + gone, Bad, ref})
	}
	return out
}

// keyDue says what a key asks for, and from when on where that is still to come.
func keyDue(s *ceremony.State, k *ceremony.Key, d ceremony.KeyDue, now time.Time) string {
	if k.State == ceremony.PreActivation && !k.Quarantined {
		return d.Label + " waits for acceptance by its owner, " + called(s, k.Body.Owner) + ", and the approver"
	}
	text := d.Label + ": " + d.What
	if !d.Overdue(now) {
		text += ", from " + day(d.From) + " on"
	}
	return text
}

func lower(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// readOnly: a record that is contradicted, or does not hold, is evidence, and
// nothing is added to it; one that another window writes, not from here. There is
// nothing to press: no button accepts a contradiction.
func readOnly(l ceremony.LedgerView) *Trouble {
	t := &Trouble{Safe: "Everything recorded stays as it is, and nothing is added to it. Evidence can still be read.",
		Do: "Keep this folder, the token and what was carried as they are: each is evidence. Call the auditor."}
	switch {
	case l.Contradiction != "":
		t.Happened = "Something from outside disagrees with this record. " + capital(l.Contradiction) + "."
	case len(l.Findings) > 0:
		t.Happened = "This record does not hold. " + capital(l.Findings[0]) + "."
	case l.Holder != "":
		return &Trouble{Happened: "This site is open in another window: " + l.Holder + " writes its record.",
			Safe: "The record is shown as it stands, verified here. Each return to this page reads it anew; nothing can be added from here.",
			Do:   "To work here, close the other window, then close this one and open it again."}
	default:
		return nil
	}
	return t
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
		return "One thing needs a decision."
	case due > 1:
		return capital(inWords(due)) + " things need a decision."
	}
	return "Nothing needs a decision."
}

func inWords(n int) string {
	if words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}; n < len(words) {
		return words[n]
	}
	return thousands(int64(n))
}

func newCeremonyRow(r Record, p *ceremony.Progress) CeremonyRow {
	row := CeremonyRow{Number: p.Number, Title: p.Plan.Title, Open: unfinished(p)}
	row.State, row.Tone = statusOf(p)
	if !row.Open {
		row.Report = r.Report(p.Number)
	}
	about := []string{subject(p), counted(len(p.Body.People), "person", "people"), counted(len(p.Plan.Steps()), "step", "steps"), "no deviation"}
	if n := len(p.Deviations); n > 0 {
		about[3] = count(n, "deviation")
	}
	for _, in := range p.OpenIntents() {
		about = append(about, "outcome of “"+strings.ReplaceAll(in.Intent.Act.Do, "-", " ")+"” unknown until the token is read")
	}
	about = slices.DeleteFunc(about, func(s string) bool { return s == "" })
	row.About = strings.Join(about, " · ")
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

func trust(s ceremony.Snapshot, state *ceremony.State) []TrustRow {
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
		rows = append(rows, TrustRow{countOf(int(l.Records), "record", "records") + ", chain unbroken, every rule kept", Good})
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
	rows = append(rows, looked(s.HSM, state))
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

// looked says when somebody last looked into the HSM, and what was there.
func looked(h ceremony.HSMView, s *ceremony.State) TrustRow {
	last := s.Looked
	switch {
	case h.State == "absent":
		return TrustRow{"The HSM is not there", Waiting}
	case last == nil:
		return TrustRow{"Nobody has looked into the HSM yet", Info}
	case len(last.Unknown) > 0:
		return TrustRow{fmt.Sprintf("The HSM held %s that this record does not know, on %s", countOf(len(last.Unknown), "object", "objects"), moment(last.At)), Waiting}
	}
	return TrustRow{fmt.Sprintf("The HSM held nothing unknown when it was last looked into, on %s", moment(last.At)), Good}
}

// Finished is how a run ended.
type Finished struct {
	Number, Status string   // sealed, paused, aborted
	Report, Key    string   // paths of the report and of the site's verifier keys
	CleanUp        []string // what an aborted ceremony left to be put right
	Head           string   // of the tree that the HSM signed, of Size records; "" where it did not
	Size           int64
	Trouble        *Trouble
	Contradicted   bool // and the site is read-only from here
}

// DonePage is the last page.
type DonePage struct {
	Title, Text string
	Facts       []Fact
	Heads       []Hash
	Verify      string
	State       string
	Tone        Tone
	Trouble     *Trouble
}

// NewFailed says that something outside of ceremonies did not work.
func NewFailed(t *Trouble) DonePage {
	return DonePage{Title: "This did not work", State: "Stopped", Tone: Bad, Trouble: t}
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
		if f.Head != "" {
			d.Text = "Everybody writes the first words of the head down and takes them home; with them, and with the site's key, each can check the report on any other computer."
			d.Heads = []Hash{inWordsToo(fmt.Sprintf("Head of the record, %d records, signed by the HSM", f.Size), f.Head)}
		}
	}
	for i, left := range f.CleanUp {
		d.Facts = append(d.Facts, Fact{Label: fmt.Sprintf("To put right, %d", i+1), Value: capital(left)})
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

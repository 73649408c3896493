package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ledger"
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
		o.AllKeys = fmt.Sprintf(textAll, countOf(len(keys), textKeyLower, textKeysLower))
	}
	all := r.State.Ceremonies
	for i := len(all) - 1; i >= max(len(all)-ceremoniesShown, 0); i-- {
		row := newCeremonyRow(r, all[i])
		row.Open = row.Open && o.ReadOnly == nil
		o.Ceremonies = append(o.Ceremonies, row)
	}
	if len(all) > ceremoniesShown {
		o.All = fmt.Sprintf(textAll, countOf(len(all), textCeremony, textCeremoniesLower))
	}
	if p := r.State.Unfinished(); p != nil && o.ReadOnly == nil {
		o.Resume = p.Number
	}
	o.Due = dueHere(r.State, keys, now)
	o.Greeting = greeting(now) + ". " + decision(len(o.Due), o.Resume)
	if o.ReadOnly != nil {
		o.Greeting = fmt.Sprintf(textSiteReadOnly, greeting(now))
	}
	if len(keys) == 0 && o.ReadOnly == nil {
		o.NoKeysTitle = textNoKeyYet
		o.NoKeys = textThereNoKeyYetStart
	}
	if len(r.State.People) == 0 && !r.State.Site.Practice && o.ReadOnly == nil {
		o.Greeting = fmt.Sprintf(textSiteNotOpenedYet, greeting(now))
		o.NoKeys = textSiteEmptyOpeningCeremonyOwn
		if len(r.State.StandingOrders(now)) > 0 {
			o.NoKeys = textOpeningOrderedChooseOpenSite
		}
		o.NoKeysTitle = textSiteEmpty
	}
	if len(all) == 0 {
		o.NoneHeld = textNoCeremonyHeldYet
	}
	return o
}

// dueHere lists what waits for people, the gravest first. The open ceremony goes
// before everything: nothing else is done before it ends.
func dueHere(s *ceremony.State, keys []*ceremony.Key, now time.Time) []Due {
	var open, out []Due
	if p := s.Unfinished(); p != nil {
		state, _ := statusOf(p)
		open = append(open, Due{fmt.Sprintf(textCeremonyXXX, p.Number, p.Plan.Title, lower(state)), Waiting, Ref{InCeremonies, p.Number, textSee}})
		for _, d := range p.Deviations {
			if d.Decided == nil {
				open = append(open, Due{fmt.Sprintf(textDeviationCeremonyNotDecided, d.Raised.Number, p.Number), Waiting, Ref{InCeremonies, p.Number, textSee}})
			}
		}
	}
	if last := s.Looked; last != nil && len(last.Unknown) > 0 {
		out = append(out, Due{fmt.Sprintf(textHSMHoldsRecordDoesNot, countOf(len(last.Unknown), textObject, textObjects)), Waiting, Ref{InCustody, aToken + last.Serial, textSee}})
	}
	if after, n := s.CopiesDue(); n > 0 {
		out = append(out, Due{fmt.Sprintf(textStillMadeAfterCeremonySeparate, counted(n, textVerifiedCopyLedger, textVerifiedCopiesLedger), after), Waiting, Ref{Place: InEvidence, Label: textCopy}})
	}
	for _, p := range s.Ceremonies {
		if p.Status == ceremony.AbortedStatus {
			if left := s.CleanUp(p); len(left) > 0 {
				out = append(out, Due{fmt.Sprintf(textCeremonyAbortedPutRight, p.Number, counted(len(left), textThing, textThings), left[0]), Waiting, Ref{InCeremonies, p.Number, textSee}})
			}
		}
		for _, d := range p.CorrectivesOpen() {
			if until := date(d.Decided.Due); !until.IsZero() && !now.Before(until.AddDate(0, 0, 1)) {
				out = append(out, Due{fmt.Sprintf(textDoneUntilAboutDeviationCeremony, day(until), d.Raised.Number, p.Number, d.Decided.Corrective), Waiting, Ref{InEvidence, p.Number, textSee}})
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
			out = append(out, Due{keyDue(s, k, d, now), tone, Ref{InKeys, k.Body.ID, textSee}})
		}
	}
	for _, name := range sorted(s.Items) {
		if it := s.Items[name]; it.State == ceremony.OutOfBag && s.Open == nil {
			out = append(out, Due{fmt.Sprintf(textXIsOutOfItsBagWith, capital(name), called(s, it.Holder)), Waiting, Ref{InCustody, anItem + name, textSee}})
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
	ref := Ref{InCustody, aSet + d.Set.Body.Set, textSee}
	name, gone := d.Set.Body.Name, strings.Join(d.Unaccounted, ", ")
	if d.Needed {
		out = append(out, Due{fmt.Sprintf(textOldCardsSetStillOpen, name, d.Wraps), Waiting, ref})
	}
	switch {
	case gone != "" && d.Wraps != "":
		out = append(out, Due{fmt.Sprintf(textBackupMaySurviveNobodyAnswers, d.Wraps, name, gone), Bad, ref})
	case gone != "":
		out = append(out, Due{fmt.Sprintf(textSecretSetMustChangedNobody, name, gone), Bad, ref})
	}
	return out
}

// keyDue says what a key asks for, and from when on where that is still to come.
func keyDue(s *ceremony.State, k *ceremony.Key, d ceremony.KeyDue, now time.Time) string {
	if k.State == ceremony.PreActivation && !k.Quarantined {
		return fmt.Sprintf(textWaitsAcceptanceOwnerApprover, d.Label, called(s, k.Body.Owner))
	}
	text := d.Label + ": " + d.What
	if !d.Overdue(now) {
		text += fmt.Sprintf(textFrom, day(d.From))
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
	t := &Trouble{Safe: textEverythingRecordedStaysNothingAdded,
		Do: textKeepFolderTokenCarriedThey}
	switch {
	case l.Contradiction != "":
		t.Happened = fmt.Sprintf(textSomethingFromOutsideDisagreesRecord, capital(l.Contradiction))
	case len(l.Findings) > 0:
		t.Happened = fmt.Sprintf(textRecordDoesNotHold, capital(l.Findings[0]))
	case l.Holder != "":
		return &Trouble{Happened: fmt.Sprintf(textSiteOpenAnotherWindowWrites, l.Holder),
			Safe: textRecordShownStandsVerifiedHere,
			Do:   textWorkHereCloseOtherWindow}
	default:
		return nil
	}
	return t
}

func greeting(now time.Time) string {
	switch h := now.Hour(); {
	case h < 5:
		return textGoodNight
	case h < 12:
		return textGoodMorning
	case h < 18:
		return textGoodAfternoon
	}
	return textGoodEvening
}

func decision(due int, resume string) string {
	switch {
	case resume != "":
		return fmt.Sprintf(textCeremonyWaitsFinished, resume)
	case due == 1:
		return textOneThingNeedsDecision
	case due > 1:
		return fmt.Sprintf(textThingsNeedDecision, capital(inWords(due)))
	}
	return textNothingNeedsDecision
}

func inWords(n int) string {
	if words := []string{textNoneLower, textOne, textTwo, textThree, textFour, textFive, textSix, textSeven, textEight, textNine, textTen}; n < len(words) {
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
	about := []string{subject(p), counted(len(p.Body.People), textPersonLower, textPeopleLower), counted(len(p.Plan.Steps()), textStepLower, textSteps), textNoDeviation}
	if n := len(p.Deviations); n > 0 {
		about[3] = count(n, textDeviationLower)
	}
	for _, in := range p.OpenIntents() {
		about = append(about, fmt.Sprintf(textOutcomeUnknownUntilTokenRead, strings.ReplaceAll(in.Intent.Act.Do, "-", " ")))
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
	return fmt.Sprintf(textXOfNThings, n, many)
}

// headWords are as many words of a head as people write down and compare.
const headWords = 5

func trust(s ceremony.Snapshot, state *ceremony.State) []TrustRow {
	l := s.Ledger
	var rows []TrustRow
	if l.Contradiction != "" {
		rows = append(rows, TrustRow{textContradictedFromOutside, Bad})
	}
	for _, f := range l.Findings {
		rows = append(rows, TrustRow{f, Bad})
	}
	switch {
	case len(l.Findings) > 0:
	case l.Verified:
		rows = append(rows, TrustRow{fmt.Sprintf(textChainUnbrokenEveryRuleKept, countOf(int(l.Records), textRecordLower, textRecordsLower)), Good})
	default:
		rows = append(rows, TrustRow{textRecordBeingVerified, Waiting})
	}
	switch {
	case l.SignedTo <= 0:
		rows = append(rows, TrustRow{textNotYetSignedHSM, Waiting})
	case l.SignedTo < l.Records:
		rows = append(rows, TrustRow{fmt.Sprintf(textSignedHSMUpRecordLater, thousands(l.SignedTo-1), counted(int(l.Records-l.SignedTo), textRecordIs, textRecordsAre)), Info})
	default:
		rows = append(rows, TrustRow{textSignedHSMUpLastRecord, Good})
	}
	// Compared with what was written down at the pause, before the ceremony goes on.
	if cp, err := ledger.ReadCheckpoint(state.Note); err == nil && state.Unfinished() != nil {
		rows = append(rows, TrustRow{fmt.Sprintf(textHeadSignedStartsWithWords, saidInWords(cp.Root[:], headWords)), Info})
	}
	rows = append(rows, looked(s.HSM, state))
	for _, c := range l.Compared {
		rows = append(rows, TrustRow{fmt.Sprintf(textAgrees, c), Good})
	}
	for _, f := range l.Foreign {
		rows = append(rows, TrustRow{capital(f), Waiting})
	}
	if l.CopiesDue > 0 {
		rows = append(rows, TrustRow{counted(l.CopiesDue, textVerifiedCopyLedgerMediumOwn, textVerifiedCopiesLedgerEachMedium), Waiting})
	}
	if len(l.Compared) == 0 && l.Contradiction == "" {
		rows = append(rows, TrustRow{textNothingBroughtFromOutsideCompared, Info})
	}
	return rows
}

// looked says when somebody last looked into the HSM, and what was there.
func looked(h ceremony.HSMView, s *ceremony.State) TrustRow {
	last := s.Looked
	switch {
	case h.State == "absent":
		return TrustRow{textHSMNotThere, Waiting}
	case last == nil:
		return TrustRow{textNobodyLookedIntoHSMYet, Info}
	case len(last.Unknown) > 0:
		return TrustRow{fmt.Sprintf(textHSMHeldRecordDoesNot, countOf(len(last.Unknown), textObject, textObjects), moment(last.At)), Waiting}
	}
	return TrustRow{fmt.Sprintf(textHSMHeldNothingUnknownWhen, moment(last.At)), Good}
}

// Finished is how a run ended.
type Finished struct {
	Number, Status string   // sealed, paused, aborted
	Report, Key    string   // paths of the report and of the site's verifier keys
	CleanUp        []string // what an aborted ceremony left to be put right
	Head           string   // of the tree that the HSM signed, of Size records; "" where it did not
	Size           int64
	Trouble        *Trouble
	CopiesDue      int  // of the ledger, since it was sealed
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
	return DonePage{Title: textDidNotWork, State: textStopped, Tone: Bad, Trouble: t}
}

// NewDone says how the run ended and what to do with what it left.
func NewDone(f Finished) DonePage {
	d := DonePage{Trouble: f.Trouble}
	name := textTheCeremony
	if f.Number != "" {
		name = fmt.Sprintf(textCeremonyX, f.Number)
	}
	switch {
	case f.Trouble != nil:
		d.Title, d.State, d.Tone = fmt.Sprintf(textXHasStopped, name), textStopped, Bad
		d.Text = textRecordedStaysRecordedCeremonyCan
		if f.Contradicted {
			d.Text = textRecordedStaysRecordedSiteRead
		}
	case f.Status == "paused":
		d.Title, d.State, d.Tone = fmt.Sprintf(textXIsPaused, name), textPaused, Waiting
		d.Text = textHSMClosedEverySecretWiped
		if f.Head != "" {
			d.Text = fmt.Sprintf(textEverybodyWritesHeadToComeBack, d.Text)
			d.Heads = []Hash{inWordsToo(fmt.Sprintf(textHeadRecordRecordsSignedHSM, f.Size), f.Head)}
		}
	case f.Status == "aborted":
		d.Title, d.State, d.Tone = fmt.Sprintf(textXWasAborted, name), textAborted, Bad
		d.Text = textSealedReportOwn
	default:
		d.Title, d.State, d.Tone = fmt.Sprintf(textXIsSealed, name), textSealed, Good
		d.Text = textEverybodyWhoPresentCanCheckReport
		if f.Head != "" {
			d.Text = textEverybodyWritesFirstWordsHead
			d.Heads = []Hash{inWordsToo(fmt.Sprintf(textHeadRecordRecordsSignedHSM, f.Size), f.Head)}
		}
	}
	if f.CopiesDue > 0 {
		d.Facts = append(d.Facts, Fact{Label: textStillToDo, Value: counted(f.CopiesDue, textVerifiedCopyLedgerMediumOwn, textVerifiedCopiesLedgerEachMedium)})
	}
	for i, left := range f.CleanUp {
		d.Facts = append(d.Facts, Fact{Label: fmt.Sprintf(textPutRight, i+1), Value: capital(left)})
	}
	if f.Report != "" {
		d.Facts = append(d.Facts, Fact{Label: textReport, Value: f.Report, Mono: true})
	}
	if f.Key != "" {
		d.Facts = append(d.Facts, Fact{Label: textSitesKey, Value: f.Key, Mono: true})
	}
	if f.Report != "" && f.Key != "" {
		d.Verify = fmt.Sprintf(textClavigerVerifySite, f.Key, f.Report)
	}
	return d
}

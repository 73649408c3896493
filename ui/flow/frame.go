package flow

import (
	"fmt"
	"strings"
	"time"

	"claviger/ceremony"
)

// Tone is what a mark says beside its word.
type Tone int

const (
	Neutral Tone = iota
	Good
	Waiting
	Bad
	Info
)

// Frame is what stands around every page.
type Frame struct {
	Band    string // of a practice site, "" on a real one
	Held    string // who else writes the record, "" where it is written here
	Place   string
	Pills   []Pill
	Status  Status
	Rail    *Rail // nil outside a ceremony
	People  []Person
	Needs   []Need
	Working string // what is happening while nobody is asked
	Since   time.Time
}

// Pill is a short fact on the header.
type Pill struct {
	Text string
	Lamp Lamp
}

type Lamp int

const (
	NoLamp Lamp = iota
	LampOff
	LampOn
	LampWarns
)

// Network is what the header says of this machine's network: "" where nobody
// looked.
type Network struct {
	Text string
	Off  bool
}

// NewNetwork says what is up; an error says that it is not known.
func NewNetwork(up []string, err error) Network {
	switch {
	case err != nil:
		return Network{Text: textNetworkNotKnown}
	case len(up) > 0:
		return Network{Text: fmt.Sprintf(textNetworkUp, strings.Join(up, ", "))}
	}
	return Network{Text: textOffline, Off: true}
}

// With adds the network to the header. What should be off and is not has a lamp
// that warns.
func (f Frame) With(n Network) Frame {
	if n.Text != "" {
		p := Pill{Text: n.Text}
		if !n.Off {
			p.Lamp = LampWarns
		}
		f.Pills = append(f.Pills, p)
	}
	return f
}

// Status is the strip at the foot.
type Status struct {
	Record, Head, State string
	Tone                Tone
}

// Rail lists the steps of the ceremony under way.
type Rail struct {
	Head   string
	Phases []RailPhase
}

type RailPhase struct {
	Title string
	Steps []RailStep
}

type RailStep struct {
	Number       int
	Title, Marks string
	At           string // when it ended
	State        StepState
	Grave        bool
}

type StepState int

const (
	Todo StepState = iota
	Now
	Done
	Deviated
	Failed
)

// Person is somebody in the room.
type Person struct {
	Initials, Name, Note string
	Tone                 Tone
	Absent               bool
}

type Need struct {
	Text string
	Met  bool
}

// NewFrame makes the frame of a snapshot.
func NewFrame(s ceremony.Snapshot) Frame {
	f := Frame{Place: s.Site.Organisation, Working: s.Working, Since: s.Since, Status: newStatus(s.Ledger)}
	if s.Site.Practice {
		f.Band = practiceBand
		if s.HSM.Software {
			f.Band = softwareBand
		}
	}
	if s.Ledger.Holder != "" {
		f.Held = fmt.Sprintf(textREADONLYWrittenCloseWindow, s.Ledger.Holder)
	}
	f.Pills = append(f.Pills, hsmPill(s.HSM))
	c := s.Ceremony
	if c == nil {
		return f
	}
	f.Pills = append(f.Pills, Pill{Text: fmt.Sprintf(textCeremonyX, c.Number)})
	if c.Deviations > 0 {
		f.Pills = append(f.Pills, Pill{Text: count(c.Deviations, textDeviationLower)})
	}
	f.Rail = newRail(c)
	for _, p := range c.People {
		f.People = append(f.People, newPerson(p))
	}
	for _, n := range c.Needs {
		f.Needs = append(f.Needs, Need{n.Text, n.Met})
	}
	return f
}

func hsmPill(h ceremony.HSMView) Pill {
	if h.State == "open" {
		text := textHSMOpen
		if h.Label != "" {
			text += " · " + h.Label
		}
		if h.Serial != "" {
			text += fmt.Sprintf(textSN, h.Serial)
		}
		return Pill{text, LampOn}
	}
	if h.State == "" {
		h.State = textNotLooked
	}
	return Pill{fmt.Sprintf(textHSMX, h.State), LampOff}
}

func newStatus(l ceremony.LedgerView) Status {
	st := Status{Record: "#" + thousands(max(l.Records-1, 0)), State: textVerified, Tone: Good}
	if l.Records == 0 {
		st.Record = textNoneYet
	}
	if len(l.Last) >= 12 {
		st.Head = fmt.Sprintf(textHead, l.Last[:4], l.Last[4:8], l.Last[8:12])
	}
	switch {
	case l.Contradiction != "":
		st.State, st.Tone = textContradicted, Bad
	case len(l.Findings) > 0:
		st.State, st.Tone = textDoesNotHold, Bad
	case !l.Verified:
		st.State, st.Tone = textNotVerifiedYet, Waiting
	}
	return st
}

func newRail(c *ceremony.CeremonyView) *Rail {
	script := strings.ToUpper(c.Script)
	if len(script) == 8 {
		script = script[:4] + " " + script[4:]
	}
	r := &Rail{Head: fmt.Sprintf(textXScriptX, c.Title, script)}
	for _, ph := range c.Phases {
		phase := RailPhase{Title: ph.Title}
		for _, st := range ph.Steps {
			step := RailStep{Number: st.Number, Title: st.Title, Marks: st.Marks, State: stepState(st.Status), Grave: st.CannotUndo}
			if !st.Ended.IsZero() && step.State != Now {
				step.At = st.Ended.UTC().Format("15:04")
			}
			phase.Steps = append(phase.Steps, step)
		}
		r.Phases = append(r.Phases, phase)
	}
	return r
}

func stepState(status string) StepState {
	switch status {
	case "now":
		return Now
	case "done":
		return Done
	case "deviated":
		return Deviated
	case "failed":
		return Failed
	}
	return Todo
}

func newPerson(p ceremony.PersonView) Person {
	out := Person{Initials: p.Initials, Name: p.Name, Note: role(p.Role)}
	if p.Status != "" {
		out.Note += " · " + p.Status
	}
	switch p.State {
	case "acting":
		out.Tone = Waiting
	case "signed":
		out.Tone = Good
	case "absent":
		out.Absent = true
	}
	return out
}

// Elapsed says since when the step and the ceremony run, and how long each was
// planned.
func Elapsed(s ceremony.Snapshot, now time.Time) string {
	c := s.Ceremony
	if c == nil || c.Started.IsZero() {
		return ""
	}
	text := fmt.Sprintf(textElapsed, clock(now.Sub(c.Started)))
	if c.Planned > 0 {
		text += fmt.Sprintf(textOf, clock(c.Planned))
	}
	if st := c.Step; st != nil && !st.Started.IsZero() && st.Ended.Before(st.Started) {
		step := fmt.Sprintf(textStepX, During(now.Sub(st.Started)))
		if st.Planned > 0 {
			step += fmt.Sprintf(textOf, During(st.Planned))
		}
		text = step + " · " + text
	}
	return text
}

// Clock is the time as the strip shows it.
func Clock(now time.Time) string { return now.UTC().Format(textWeekdayDayTime) }

// During is how long something has lasted, as short as it can be said.
func During(d time.Duration) string {
	d = max(d, 0)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

func clock(d time.Duration) string {
	d = max(d, 0)
	return fmt.Sprintf("%02d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// Number is a record's number as people read it.
func Number(n int64) string { return thousands(n) }

// thousands parts a number with narrow blanks: 2 318.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf(textS, n, what)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	return strings.ToUpper(string(r[:1])) + string(r[1:])
}

// Title is the window's title while a prompt waits: its step, its kind, who
// answers, and which prompt of the run it is. It is never the same twice.
func Title(practice bool, step, what, who string, n int) string {
	parts := []string{textClaviger}
	if practice {
		parts = append(parts, textPRACTICE)
	}
	for _, part := range []string{step, what, who} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if n > 0 {
		parts = append(parts, fmt.Sprint(n))
	}
	return strings.Join(parts, " · ")
}

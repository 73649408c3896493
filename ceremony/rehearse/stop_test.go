package rehearse

import (
	"fmt"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/report"
)

// TestStopAnywhere ends the program after every batch of records, and strikes
// around every call to the token, of every shipped script. What follows ends in
// a sealed ceremony that verifies, or in a decision that people were asked for
// by name; and the report tells of the interruption.
func TestStopAnywhere(t *testing.T) {
	for _, c := range stopped(t) {
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			batches, calls := c.length(t)
			every := 1
			if !full() {
				every = (batches + calls*len(strikes())) / 2
			}
			var sealed, decided, points int
			stopAt := func(f fate) {
				points++
				if points%every != 0 {
					return
				}
				switch how := c.stopAndGoOn(t, f); how {
				case "":
					sealed++
				default:
					decided++
				}
			}
			for n := 1; n < batches; n++ {
				stopAt(fate{lastBatch: n})
			}
			for n := 1; n <= calls; n++ {
				for _, by := range strikes() {
					stopAt(fate{at: n, by: by})
				}
			}
			if sealed == 0 {
				t.Error("no stop was resumed to a seal")
			}
			fmt.Printf("PROOF: %s: stopped at %d of %d records and calls to the token: %d sealed, %d ended by a decision of people\n", c.title, sealed+decided, points, sealed, decided)
		})
	}
}

// stop is a ceremony that is stopped: a shipped script, on a site that was readied
// for it or for another.
type stop struct {
	title, script, on string
	about             func(*Site) map[string]string // parameters; nil for the defaults
}

// stopped lists every shipped script; and the change of custodians once more, of a
// set that wraps backups, and what people do at a device with a pad.
func stopped(t *testing.T) []stop {
	var out []stop
	for _, name := range shipped(t) {
		out = append(out, stop{title: name, script: name, on: name})
	}
	so := func(s *Site) map[string]string {
		return map[string]string{"set": s.State().SetFor(s.Token(), "so").Body.Name}
	}
	wrapping := func(s *Site) map[string]string {
		return map[string]string{"set": s.State().WrappingSet(s.Token()).Body.Name}
	}
	out = append(out, stop{"change-custodians of a recovery set", "change-custodians", "recovery-drill", so},
		stop{"site-opening at a pad", opening, atPad + opening, nil},
		stop{"site-opening on a token with a serial number", opening, numbered + opening, nil})
	if !full() {
		return out
	}
	return append(out,
		stop{"key-generation at a pad", "key-generation", atPad + "key-generation", nil},
		stop{"token-addition at a pad", "token-addition", atPad + "token-addition", nil},
		stop{"change-custodians of what opens a device for its security officer", "change-custodians", atPad + "change-custodians", so},
		stop{"change-custodians of a wrapping key alone", "change-custodians", atPad + "key-restore", wrapping})
}

func (c stop) begin(t *testing.T, s *Site) error {
	t.Helper()
	var set map[string]string
	if c.about != nil {
		set = c.about(s)
	}
	return s.Begin(t.Context(), source(t, c.script), set)
}

// length counts the batches and calls of an undisturbed ceremony.
func (c stop) length(t *testing.T) (batches, calls int) {
	t.Helper()
	f := &fate{}
	sc := before(t, c.on)
	defer sc.clear()
	s, _ := sc.open(t, f, nil)
	defer s.Engine.Close()
	if err := c.begin(t, s); err != nil {
		t.Fatal(err)
	}
	sc.sound(t)
	sc.opens(t)
	return f.batches, f.calls
}

func source(t testing.TB, name string) []byte {
	t.Helper()
	src, err := Source(name)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// stopAndGoOn gives "" where the ceremony was sealed in the end, or the title of
// the decision that ended it.
func (c stop) stopAndGoOn(t *testing.T, f fate) (decision string) {
	t.Helper()
	told := fmt.Sprintf("%s, stopped by %+v", c.title, f)
	sc := before(t, c.on)
	defer sc.clear()
	s, tr := sc.open(t, &f, nil)
	decide(tr, &decision)
	err := c.begin(t, s)
	acknowledged := s.State().Size
	s.Engine.Close()

	for n := 0; ; n++ {
		sc.opens(t)
		after := &fate{}
		s, tr = sc.open(t, after, nil)
		decide(tr, &decision)
		if s.State().Size < acknowledged {
			t.Fatalf("%s: %d records were acknowledged, %d are there", told, acknowledged, s.State().Size)
		}
		p := newest(s, c.script)
		switch {
		case n == 8:
			t.Fatalf("%s: resumed %d times and still not at an end: %v", told, n, err)
		case s.State().Unfinished() != nil:
			err = s.Resume(t.Context())
		case p == nil:
			err = c.begin(t, s)
		case p.Status == ceremony.SealedStatus:
			sc.sound(t)
			tellsOfIt(t, told, s, p)
			s.Engine.Close()
			return ""
		default:
			sc.sound(t)
			tellsOfIt(t, told, s, p)
			if decision == "" {
				t.Fatalf("%s: it is %s, and nobody was asked: %v", told, p.Status, err)
			}
			s.Engine.Close()
			return decision
		}
		s.Engine.Close()
	}
}

// newest is the last ceremony of a script, however it stands.
func newest(s *Site, name string) *ceremony.Progress {
	all := s.State().Ceremonies
	if len(all) == 0 || all[len(all)-1].Plan.Name != name {
		return nil
	}
	return all[len(all)-1]
}

// decide answers what a fault makes people decide, and keeps its name.
func decide(tr *troupe, decision *string) {
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case p.Kind == ceremony.AskDecide:
			*decision = p.Title
			a.Choice, a.Reason = p.Options[0].ID, "the practice people try again"
		case p.Problem != nil && p.Kind == ceremony.AskConfirm:
			*decision = p.Title
			*a = ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{"expected": "as scripted", "happened": p.Problem.Happened,
				"exposed": "no", "class": "script", "severity": "minor", "decision": "continue", "decided-by": "tomas-novak", "reason": "practice"}}
		}
	}
}

// tellsOfIt demands that whoever reads the report learns of the interruption:
// every run beyond the first is told with its reason.
func tellsOfIt(t *testing.T, told string, s *Site, p *ceremony.Progress) {
	t.Helper()
	if len(p.Runs) < 2 {
		return
	}
	in, err := report.Collect(t.Context(), s.Record(), s.State(), p.Number)
	if err != nil {
		t.Fatalf("%s: %v", told, err)
	}
	if len(in.Ceremony.Runs) != len(p.Runs) {
		t.Fatalf("%s: the report tells of %d runs, and there were %d", told, len(in.Ceremony.Runs), len(p.Runs))
	}
	if full() {
		return // The pages are looked at in the sample.
	}
	pdf, _, err := report.Make(in)
	if err != nil {
		t.Fatalf("%s: %v", told, err)
	}
	text := tool(t, nil, pdf, "pdftotext", "-layout", "-", "-")
	if strings.Contains(text, "None: the ceremony ran through") {
		t.Errorf("%s: the report has no word of the interruption", told)
	}
}

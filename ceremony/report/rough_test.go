package report_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/practicetest"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/report"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// rough is a room in which not everything goes straight.
type rough struct {
	ceremony.Room
	change func(p ceremony.Prompt, a *ceremony.Answer) error
}

func (r *rough) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	a, err := r.Room.Ask(ctx, p)
	if err == nil && r.change != nil {
		err = r.change(p, &a)
	}
	return a, err
}

// reopen opens a practice site with such a room.
func reopen(t *testing.T, dir string, change func(p ceremony.Prompt, a *ceremony.Answer) error) *rehearse.Site {
	t.Helper()
	room := &rough{change: change}
	s, err := rehearse.Open(context.Background(), rehearse.Setting{Dir: dir, Worker: practicetest.Worker(), Host: practicetest.Workstation{}, Room: &quiet{room}})
	if err != nil {
		t.Fatal(err)
	}
	room.Room = s.Cast()
	return s
}

// quiet stands in until the site, and with it its cast, is there.
type quiet struct{ *rough }

func (quiet) Show(ceremony.Snapshot) {}

func reportOf(t *testing.T, dir string) report.Input {
	t.Helper()
	r, _, err := sqlite.OpenRead(t.Context(), filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, _, findings, err := ceremony.Fold(t.Context(), r, steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	in, err := report.Collect(t.Context(), r, s, s.Ceremonies[len(s.Ceremonies)-1].Number)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func copySite(t *testing.T) string {
	t.Helper()
	collect(t, 1)
	dir := filepath.Join(t.TempDir(), "site")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(played.dir, "site"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func source(t *testing.T) []byte {
	t.Helper()
	b, err := rehearse.Source("key-generation")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keep leaves a document where someone who looks at pages can find it.
func keep(t *testing.T, name string, pdf []byte) {
	t.Helper()
	if dir := os.Getenv("CLAVIGER_LOOK"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), pdf, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatDidNotGoStraight: a deviation, a pause, an end without a word and a
// disagreement, all of which the report tells.
func TestWhatDidNotGoStraight(t *testing.T) {
	dir := copySite(t)
	deviated, said := false, ""
	s := reopen(t, dir, func(p ceremony.Prompt, a *ceremony.Answer) error {
		switch {
		case p.Step == "workstation" && !deviated:
			deviated = true
			*a = ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{"expected": "The sheet lists the program's hash", "happened": "The sheet was printed for the version before", "exposed": "no", "class": "script", "severity": "minor", "decision": "continue", "decided-by": "tomas-novak", "reason": "The hash was read over the telephone",
				"containment": "Nothing was typed until it was read", "corrective": "Marta Brandt prints the new sheet", "due": "2027-01-31", "video": "camera 2, 00:41:07"}}
		case p.Step == "identify":
			*a = ceremony.Answer{Action: ceremony.Pause, Reason: "fire alarm"}
		}
		return nil
	})
	if err := s.Begin(t.Context(), source(t), nil); err == nil {
		t.Fatal("the ceremony was not paused")

	}
	s.Close()
	in := reportOf(t, dir)
	pdf := makePDF(t, in)
	keep(t, "paused.pdf", pdf)
	paper := onPaper(t, pdf)
	for _, want := range []string{"Ceremony report", "Not finished: paused at step 4 of 11", "1 deviation", "fire alarm", "Not reached", "Nobody attested"} {
		if !strings.Contains(paper, want) {
			t.Errorf("%q is not in the report of the pause", want)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	s = reopen(t, dir, func(p ceremony.Prompt, a *ceremony.Answer) error {
		if p.Act == ceremony.ActAuthorise {
			cancel()
			return ctx.Err()
		}
		return nil
	})
	if err := s.Resume(ctx); err == nil {
		t.Fatal("the program was not ended")
	}
	s.Close()

	s = reopen(t, dir, func(p ceremony.Prompt, a *ceremony.Answer) error {
		if p.Act == ceremony.ActAttest && p.Role == "witness" {
			a.Verdict, a.Reason = ceremony.Disagree, "I could not see the screen in step 5"
		}
		said += p.Title + "\n"
		return nil
	})
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err, said)
	}
	s.Close()
	in = reportOf(t, dir)
	pdf = makePDF(t, in)
	keep(t, "rough.pdf", pdf)
	paper = onPaper(t, pdf)
	hasFields(t, paper, "Deviation 1", map[string][]string{"Deviation": {"Number, ceremony", "Step", "Raised", "Class and severity", "Expected", "Happened", "Containment", "Key material exposed", "Video time code",
		"Decision", "Decided by", "Objections", "Step text instead", "Effect on claims", "Corrective action", "Corrective action due", "Corrective action closed", "Signed by"}})
	for _, want := range []string{
		"Key generation report", "Completed, 11 of 11 steps", "1 deviation", "Not accepted by Amara Okafor", "Disagrees", "I could not see the screen in step 5",
		"Deviation 1", "script, minor (as stated)", "Nothing was typed until it was read", "Marta Brandt prints the new sheet", "2027-01-31", "camera 2, 00:41:07 (as stated)", "none: it was classed as minor", "not at this edition", "The sheet was printed for the version before (as stated)", "Tomas Novak (as stated)", "heard by Marta Brandt, Amara Okafor", "fire alarm", "resumed",
		"Interrupted: the program ended", "found at the next start", "6 of 6 attested", "2026-003, edition 3",
	} {
		if !strings.Contains(paper, want) {
			t.Errorf("%q is not in the report", want)
		}
	}

	s = reopen(t, dir, nil)
	word := ceremony.ReceiptTakenIn{About: in.Ceremony.Number, Date: "2026-12-20", Deviation: 1, From: "Marta Brandt", Kind: ceremony.CorrectiveAction, SHA256: ledger.BlobHash([]byte("note")), States: "the new sheet is printed"}
	two := [2]ceremony.Part{{Person: "amara-okafor", Role: "witness"}, {Person: "li-chen", Role: "custodian"}}
	if err := s.TakeInReceipt(t.Context(), word, two); err != nil {
		t.Fatal(err)
	}
	// What is closed is not closed once more, and nothing closes what asked for nothing.
	var refusal *ceremony.Refusal
	if err := s.TakeInReceipt(t.Context(), word, two); !errors.As(err, &refusal) || refusal.Rule != "receipt.deviation" {
		t.Errorf("closed twice: %v", err)
	}
	closed := documentOf(t, s, in.Ceremony.Number)
	closed.says(t, []string{"Corrective action closed", "20 Dec 2026, Marta Brandt: the new sheet is printed", "Done about deviation 1."}, []string{"not at this edition"})
	if res := closed.audited(t, dir); !res.Holds() {
		t.Errorf("the checker finds %v where a corrective action was closed", res.Findings)
	}
}

func TestAborted(t *testing.T) {
	dir := copySite(t)
	s := reopen(t, dir, func(p ceremony.Prompt, a *ceremony.Answer) error {
		if p.Step == "open" && p.Kind == ceremony.AskCard {
			*a = ceremony.Answer{Action: ceremony.Abort, Reason: "the bag of card 2 was cut open"}
		}
		return nil
	})
	if err := s.Begin(t.Context(), source(t), nil); err == nil {
		t.Fatal("the ceremony was not aborted")
	}
	s.Close()
	pdf := makePDF(t, reportOf(t, dir))
	keep(t, "aborted.pdf", pdf)
	paper := onPaper(t, pdf)
	for _, want := range []string{"Ceremony report", "Aborted at step 5 of 11", "the bag of card 2 was cut open", "Not yet signed by the HSM", "Not reached", "Clean-up due", "is out of its bag, with"} {
		if !strings.Contains(paper, want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	if strings.Contains(paper, "Two officers signed") {
		t.Error("acts are claimed that were not done")
	}
}

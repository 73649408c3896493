package rehearse

import (
	"os"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/script"
	"claviger/ceremony/steps"
	"claviger/ledger"
)

// An insider has every key there is, the people's passphrases, the cards and the
// HSM, and a program of their own making. What such a person writes is signed end
// to end and has only one fault: it is not what happened. A report of it holds in
// itself, and only a ledger tells.

// altered is a kind of a program that somebody altered: while it reads the end
// of an earlier ceremony, it makes the state say something else.
type altered struct {
	ceremony.Kind
	lie func(*ceremony.State)
}

func (k altered) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	if err := k.Kind.Check(s, st, r, body); err != nil {
		return err
	}
	k.lie(s)
	return nil
}

// writtenBy holds a key generation on a copy of the opened site with a program
// that believes a lie, and gives the site and the report.
func writtenBy(t *testing.T, lie func(*ceremony.State), otherwise func(ceremony.Prompt, *ceremony.Answer)) (*Site, []byte) {
	t.Helper()
	c := setting(copySite(t), nil)
	if lie != nil {
		c.Kinds = steps.Kinds()
		c.Kinds[ceremony.AttestStep] = altered{c.Kinds[ceremony.AttestStep], lie}
	}
	s, tr := openSite(t, c)
	tr.change = otherwise
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	path, err := s.Evidence(t.Context(), s.Last("key-generation").Number)
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s, pdf
}

// judged is what the checker says of a report, with a ledger beside it where one
// is named.
func judged(t *testing.T, s *Site, pdf []byte, ledgerPath string) *audit.Result {
	t.Helper()
	res, err := audit.PDF(t.Context(), pdf, ledgerPath, audit.Options{Site: string(s.VerifierKeys())})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// caught demands that the first thing wrong has this name, at this record.
func caught(t *testing.T, res *audit.Result, rule string, seq int64) {
	t.Helper()
	if first, _ := res.First(); res.Exit() != 1 || first.Rule != rule || first.Seq != seq {
		t.Errorf("exit %d, %v; want %s of record %d", res.Exit(), res.Findings, rule, seq)
	}
}

// firstOf is the number of the first record of a kind in the newest ceremony.
func firstOf(t *testing.T, s *Site, kind string) int64 {
	t.Helper()
	number := s.Last("key-generation").Number
	for _, r := range records(t, s) {
		if r.Ceremony == number && r.Kind == kind {
			return r.Seq
		}
	}
	t.Fatalf("no %s", kind)
	return 0
}

// TestFalseContextSignedByAll: a context restates what the site never recorded,
// and everything behind it is signed. The report alone holds, by the site's own
// key, and says what it cannot show; the ledger into which it was written shows
// the lie, and so does the one that somebody else kept.
func TestFalseContextSignedByAll(t *testing.T) {
	truth, _ := writtenBy(t, nil, nil)
	for name, lie := range map[string]func(*ceremony.State){
		"another person's name": func(s *ceremony.State) { s.People["amara-okafor"].Body.Name = "Nobody Enrolled" },
		"another manager":       func(s *ceremony.State) { s.People["farah-noor"].Body.Manager = "Somebody Else" },
		"the token's firmware": func(s *ceremony.State) {
			for _, tok := range s.Tokens {
				tok.Body.Firmware = "9.9"
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, pdf := writtenBy(t, lie, nil)
			at := firstOf(t, s, ceremony.ContextKind)
			alone := judged(t, s, pdf, "")
			if !alone.Holds() || !alone.Anchored || !strings.Contains(strings.Join(alone.NotChecked, " "), "that the facts restated at the start of each run are true") {
				t.Fatalf("alone: %v, not checked: %q", alone.Findings, alone.NotChecked)
			}
			caught(t, judged(t, s, pdf, s.Folder.Ledger()), "context.untrue", at)
			caught(t, audited(t, s.Folder.Ledger(), audit.Options{}), "context.untrue", at)
			caught(t, judged(t, s, pdf, truth.Folder.Ledger()), "ledger.differs", at-1)
		})
	}
}

// TestRecordLeftOutSignedByAll: a deviation is on record, and the same ceremony
// is written a second time without it, signed by everybody. That one has no gap;
// the ledger names the record from which on the two part, and the checkpoint
// that a witness carried home shows that two histories were signed.
func TestRecordLeftOutSignedByAll(t *testing.T) {
	truth, told := writtenBy(t, nil, with(&sheet{step: "workstation", kind: ceremony.AskConfirm, answer: decided()}))
	if n := len(truth.Last("key-generation").Deviations); n != 1 {
		t.Fatalf("%d deviations are on record", n)
	}
	if res := judged(t, truth, told, truth.Folder.Ledger()); !res.Holds() {
		t.Fatal(res.Findings)
	}
	s, pdf := writtenBy(t, nil, nil)
	if res := judged(t, s, pdf, ""); !res.Holds() || !res.Anchored {
		t.Fatalf("alone: %v", res.Findings)
	}
	res := judged(t, s, pdf, truth.Folder.Ledger())
	caught(t, res, "ledger.differs", firstOf(t, truth, ceremony.StartedKind))
	if res.Findings[len(res.Findings)-1].Rule != "checkpoint.fork" {
		t.Errorf("that two histories were signed is not told: %v", res.Findings)
	}
}

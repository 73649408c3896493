package report_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/report"
	"claviger/ledger"
)

const paperCopy = "envelope 7 in safe B"

// fate answers the forms of a destruction: which other copy people tell of, what
// happens to it, and the verdict.
type fate struct{ told, copy, verdict string }

func (f fate) change(p ceremony.Prompt, a *ceremony.Answer) error {
	for _, field := range p.Fields {
		switch field.Name {
		case "paper":
			a.Fields["paper"] = f.told
		case "name":
			if p.Title == "Name the paper" {
				a.Fields["name"], a.Fields["where"], a.Fields["more"] = paperCopy, "recovery site, held by Ole Berg", "no"
			}
		case paperCopy:
			a.Fields[paperCopy] = f.copy
		case "result":
			a.Fields["result"] = f.verdict
		}
	}
	return nil
}

// destroy holds a destruction and gives what its report is made of.
func destroy(t *testing.T, dir string, f fate) document {
	t.Helper()
	src, err := assets.Script("key-destruction")
	if err != nil {
		t.Fatal(err)
	}
	s := reopen(t, dir, f.change)
	if err := s.Begin(t.Context(), src, nil); err != nil {
		t.Fatal(err)
	}
	return documentOf(t, s, s.State().Ceremonies[len(s.State().Ceremonies)-1].Number)
}

// document is a document as people get it.
type document struct {
	number, path, paper string
}

func documentOf(t *testing.T, s *rehearse.Site, number string) document {
	t.Helper()
	path, err := s.Evidence(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pdf := readFile(t, path)
	keep(t, number+"-"+filepath.Base(path), pdf)
	return document{number, path, onPaper(t, pdf)}
}

func (d document) says(t *testing.T, want, not []string) {
	t.Helper()
	flat := strings.Join(strings.Fields(d.paper), " ")
	for _, w := range want {
		if !strings.Contains(flat, w) {
			t.Errorf("%s: %q is not in the document", d.number, w)
		}
	}
	for _, n := range not {
		if strings.Contains(flat, n) {
			t.Errorf("%s: the document says %q", d.number, n)
		}
	}
}

// audited is what a checker finds with the ledger beside the document.
func (d document) audited(t *testing.T, dir string) *audit.Result {
	t.Helper()
	res, err := audit.PDF(t.Context(), readFile(t, d.path), filepath.Join(dir, "ledger.db"), audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func rulesOf(res *audit.Result) []string {
	var out []string
	for _, f := range res.Findings {
		out = append(out, f.Rule)
	}
	return out
}

// TestDeletedThenDestroyed: a key of which people know a copy is deleted from the
// module, whatever was done to the rest; a verdict that nobody could give is not
// a pass; and only the end of the last copy makes it destroyed. A letter that
// arrives later makes a further edition, which the HSM covers when it next signs.
func TestDeletedThenDestroyed(t *testing.T) {
	dir := copySite(t)
	deletion := destroy(t, dir, fate{told: "there is one", copy: "not found", verdict: ceremony.Pass})
	deletion.says(t, []string{"Certificate of deletion from module", "Deletion from module only: 1 copy", "pre-activation before, pre-activation now", paperCopy, "not found", "refused with CKR_",
		"I hold no part, share or item of any key of this ceremony", "No: see the copies that are left", "Third-party witness, custodian of no part"}, []string{"Key destruction certificate", "No copy is known to remain", "PASS ·"})
	hasFields(t, deletion.paper, "All fields", map[string][]string{
		"B1": {"Key label", "Key identifier (CKA_ID)", "Algorithm, size or curve", "Purpose", "Environment", "Owner", "SPKI SHA-256 or check value", "Created", "Creating ceremony", "All versions", "State before", "State now", "Reason code", "Exception count", "Claim"},
		"B2": {"(a) No data is left under", "(a) evidence", "(b) evidence", "(c) evidence", "(d) evidence", "(e) evidence", "Legal hold, checked", "Gates signed by", "Public key kept", "Re-encryption certificate"},
		"B3": {"Owner authorised", "Approver authorised", "Officers authorised", "Request reference"},
		"B4": {"Copy 1", "Copy 2", "Another HSM member or", "Another cloud import", "Another paper"},
		"B5": {"Item", "Method", "Category", "Tool and version", "Start, end", "Result code", "Module output", "Verification, verifier", "Verdict"},
		"B6": {"Objects before", "Objects after", "Found by identifier", "Found by label", "Use attempt", "List of objects 1", "List of objects 2", "HSM audit log", "Photos of pieces"},
		"B7": {"Media", "Cloud receipts"},
		"B8": {"Verifiable", "Irreversible", "Complete", "Copies remaining"},
		"B9": {"Performers", "Officers", "Custodians", "Witness", "Third-party witness", "Approver", "Owner", "Auditor"},
		"A2": {"Script SHA-256"}, "A13": {"Clauses and records"}, "A15": {"Retain until"},
	})
	if res := deletion.audited(t, dir); !res.Holds() {
		t.Errorf("the checker finds %v", res.Findings)
	}

	s := reopen(t, dir, nil)
	letter := ceremony.ReceiptTakenIn{About: deletion.number, Date: "2026-11-23", From: "Hale & Orr Audit", Kind: ceremony.AuditorsLetter, SHA256: ledger.BlobHash([]byte("letter")), States: "We watched and agree with the certificate"}
	if err := s.TakeInReceipt(t.Context(), letter, [2]ceremony.Part{{Person: "amara-okafor", Role: "witness"}, {Person: "li-chen", Role: "custodian"}}); err != nil {
		t.Fatal(err)
	}
	second := documentOf(t, s, deletion.number)
	second.says(t, []string{"What came later", "Auditor's letter", "We watched and agree", "This is edition 2. Edition 1, “Certificate of deletion from module”, has the SHA-256 " + ledger.BlobHash(readFile(t, deletion.path)).String(),
		"not yet covered by the HSM"}, nil)
	if res := second.audited(t, dir); !res.Holds() {
		t.Errorf("the checker finds %v in edition 2", res.Findings)
	}
	if got := rulesOf(deletion.audited(t, dir)); !slices.Equal(got, []string{"report.edition"}) {
		t.Errorf("edition 1 passes for the newest: %v", got)
	}

	unknown := destroy(t, dir, fate{told: "none", copy: "destroyed here", verdict: ceremony.UnknownIfAny})
	unknown.says(t, []string{"Certificate of deletion from module", "UNKNOWN", "Not claimed: the verdict on " + paperCopy + " is UNKNOWN", "no copy of the key; it was deleted before", "there is nothing left to authorise"},
		[]string{"Key destruction certificate", "Verdict PASS"})
	s = reopen(t, dir, nil)
	third := documentOf(t, s, deletion.number)
	third.says(t, []string{"This is edition 3. Edition 2,", "A later checkpoint of the HSM covers these records"}, []string{"not yet covered by the HSM"})
	if res := third.audited(t, dir); !res.Holds() {
		t.Errorf("the checker finds %v in edition 3", res.Findings)
	}

	if out := recipe(t, second.path, ""); !strings.Contains(out, "later: 2 records, not yet covered by the HSM\nHOLDS") {
		t.Errorf("the recipe says of edition 2\n%s", out)
	}
	if out := recipe(t, third.path, ""); !strings.Contains(out, "later: 2 records\nHOLDS") {
		t.Errorf("the recipe says of edition 3\n%s", out)
	}
	if out := recipe(t, third.path, "We watched"); !strings.Contains(out, "DOES NOT HOLD") {
		t.Errorf("a letter that says something else, and the recipe says\n%s", out)
	}

	destruction := destroy(t, dir, fate{told: "none", copy: "destroyed here", verdict: ceremony.Pass})
	destruction.says(t, []string{"Key destruction certificate", "Destroyed: no copy is known to remain", "ended with a record of its own, 2 in all", "Verdict PASS", "destroyed before", "pre-activation before, destroyed now"},
		[]string{"deletion from module only", "UNKNOWN"})
	if res := destruction.audited(t, dir); !res.Holds() {
		t.Errorf("the checker finds %v", res.Findings)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recipe follows HOW-TO-VERIFY.txt literally, with words of what came later
// changed before.
func recipe(t *testing.T, path, change string) string {
	t.Helper()
	dir := t.TempDir()
	tool(t, "pdfdetach", "-saveall", "-o", dir, path)
	if change != "" {
		later := filepath.Join(dir, report.LaterFile)
		if err := os.WriteFile(later, bytes.ReplaceAll(readFile(t, later), []byte(change), bytes.Repeat([]byte("x"), len(change))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", report.HowToFile)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if (err != nil) != (change != "") {
		t.Errorf("the recipe ends with %v\n%s", err, out)
	}
	return string(out)
}

package report_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/practicetest"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/report"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

func TestMain(m *testing.M) {
	practicetest.Main(m, func() {
		if os.Getenv(childReads) == "" {
			os.RemoveAll(played.dir)
		}
	})
}

var played struct {
	once sync.Once
	dir  string
	err  error
}

const (
	opening    = "2026-001"
	generation = "2026-002"
)

// collect gives the input of a rehearsed ceremony's report, anew each time.
func collect(t testing.TB, nth int) report.Input {
	t.Helper()
	played.once.Do(func() {
		if played.dir = os.Getenv(childReads); played.dir != "" {
			return
		}
		if played.dir, played.err = os.MkdirTemp("", "claviger-report-"); played.err == nil {
			played.err = rehearse.Run(context.Background(), rehearse.Options{Script: "key-generation", Out: played.dir, Print: &bytes.Buffer{},
				Setting: rehearse.Setting{Worker: practicetest.Worker(), Host: practicetest.Workstation{}}})
		}
	})
	if played.err != nil {
		t.Fatal(played.err)
	}
	ctx := context.Background()
	r, _, err := sqlite.OpenRead(ctx, filepath.Join(played.dir, "site", "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, _, findings, err := ceremony.Fold(ctx, r, steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	in, err := report.Collect(ctx, r, s, s.Ceremonies[nth].Number)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func makePDF(t testing.TB, in report.Input) []byte {
	t.Helper()
	pdf, pages, err := report.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	if pages < 1 {
		t.Fatal("no page")
	}
	return pdf
}

func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// onPaper gives the text of all pages as a reader's program sees it.
func onPaper(t testing.TB, pdf []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "qpdf", "--check", path); strings.Contains(out, "WARNING") {
		t.Errorf("qpdf: %s", out)
	}
	for line := range strings.Lines(tool(t, "pdffonts", path)) {
		if strings.Contains(line, "TrueType") && !strings.Contains(line, "yes no  yes") {
			t.Errorf("a font is not embedded with its text: %s", line)
		}
	}
	return tool(t, "pdftotext", "-layout", path, "-")
}

// TestSameBytes: two runs in processes of their own, with other languages and in
// other time zones, make the same file as this one does.
func TestSameBytes(t *testing.T) {
	pdf := makePDF(t, collect(t, 1))
	if out := os.Getenv(childMakes); out != "" {
		if err := os.WriteFile(out, pdf, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	for i, env := range [][]string{{"LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "TZ=Pacific/Apia"}, {"LANG=C", "LC_ALL=ar_EG.UTF-8", "TZ=America/St_Johns"}, {"LANG=", "LC_ALL=", "TZ="}} {
		out := filepath.Join(t.TempDir(), fmt.Sprintf("%d.pdf", i))
		cmd := exec.Command(os.Args[0], "-test.run=^TestSameBytes$")
		cmd.Env = append(append(os.Environ(), env...), childMakes+"="+out, childReads+"="+played.dir)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		if made, err := os.ReadFile(out); err != nil || !bytes.Equal(made, pdf) {
			t.Errorf("%v: the same records gave other bytes: %v", env, err)
		}
	}
}

// A child of TestSameBytes reads the played site and writes the report.
const childMakes, childReads = "CLAVIGER_CHILD_MAKES", "CLAVIGER_CHILD_READS"

// TestLetter: the other size of paper.
func TestLetter(t *testing.T) {
	in := collect(t, 1)
	in.PageSize = report.Letter
	letter := makePDF(t, in)
	if bytes.Equal(letter, makePDF(t, collect(t, 1))) || !strings.Contains(onPaper(t, letter), "Key generation report") {
		t.Error("Letter paper is not served")
	}
}

// fields of REQUIREMENTS' list for a key generation, as they are labelled.
var fields = map[string][]string{
	"A0":  {"Document type", "Document number", "Layout version", "Copy n of m", "Practice or production", "Ledger records", "Last record's leaf", "Program", "Operating system image", "Generated at"},
	"A1":  {"Key label", "Key identifier (CKA_ID)", "Key type", "Algorithm, size or curve", "Purpose", "Environment", "Owner", "SPKI SHA-256", "Result", "Exception count", "Claim"},
	"A2":  {"Policy, CP, CPS, KMPS", "Request reference", "Approval (order)", "Script", "Script SHA-256", "Parameters", "Planned date", "Rehearsal reference"},
	"A3":  {"Organisation", "Site", "Room", "Access-control reference", "Visitor log reference", "Occupancy rule", "Cameras", "Clock"},
	"A4":  {"Marta Brandt", "Amara Okafor", "Priya Kapoor", "Rui Santos", "Li Chen", "Jonas Dahl", "Conflict matrix", "Training, background checks"},
	"A5":  {"Computer make, model, serial", "Operating system", "Network state", "HSM vendor, model, versions", "HSM serial number", "HSM validation", "Module file", "Module SHA-256", "Module version", "Media", "Bag numbers", "Device inventory"},
	"A6":  {"Mechanism", "Size or curve", "Template attributes", "Source of randomness", "Cryptoperiod", "Tier", "Parent key", "Extractability"},
	"A7":  {"Steps, times, results"},
	"A8":  {"Public key (PEM)", "SHA-256", "SHA-256 in words", "Subject key identifier", "Self-signature, CSR, certificate", "Attributes read back", "Quality checks", "Proof of possession", "Attestation by the module"},
	"A9":  {"Scheme", "m of n", "Commitment", "Card 1", "Card 2", "Card 3", "Bags, locations", "Verified by reconstruction"},
	"A10": {"Wrapped copies", "Restore test", "Test medium destroyed", "Residue list"},
	"A11": {report.RecordsFile, report.CheckpointFile, report.ProofsFile, report.ScriptFile, report.ContentFile, report.KeyFile, report.HowToFile, "Medium, recipient"},
	"A12": {"Exceptions"},
	"A13": {"Clauses and records"},
	"A14": {"Statements", "Auditor's observation", "Owner's acceptance", "Approver's acceptance"},
	"A15": {"Ledger range", "Chain", "Signatures of people", "Checkpoint", "Heads compared", "Outside timestamp", "What came later", "Recipe", "Retain until"},
}

// TestEveryFieldIsOnPaper: each field of the list has a value, or says that
// there is none.
func TestEveryFieldIsOnPaper(t *testing.T) {
	paper := onPaper(t, makePDF(t, collect(t, 1)))
	hasFields(t, paper, "All fields", fields)
}

// hasFields looks for groups and labels, each with something beside it, in the
// part of a paper that begins with a heading.
func hasFields(t *testing.T, paper, heading string, groups map[string][]string) {
	t.Helper()
	start := strings.Index(paper, heading)
	if start < 0 {
		t.Fatalf("there is no %q", heading)
	}
	list := paper[start:]
	for group, labels := range groups {
		if !regexp.MustCompile(`(?m)^\s*` + group + `  ?\S`).MatchString(list) {
			t.Errorf("group %s is not on paper", group)
		}
		for _, label := range labels {
			if !regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(label) + ` +\S`).MatchString(list) {
				t.Errorf("%s: %q has no value", group, label)
			}
		}
	}
}

// TestRecordsOfPeopleAndItems: where people are enrolled and cards handed out,
// each has a record with every field of its list, and the keys have a sheet to
// sign by hand.
func TestRecordsOfPeopleAndItems(t *testing.T) {
	paper := onPaper(t, makePDF(t, collect(t, 0)))
	hasFields(t, paper, "Custody record: card 1 of set", map[string][]string{
		"C1": {"Item", "Kind", "Set", "Opens", "Share id", "Index", "Scheme", "m of n", "Set generation", "Commitment", "Form", "Encrypted", "PIN held by"},
		"C2": {"Primary custodian", "Backup custodian", "Enrolment", "Authorisation form", "Manager", "Effective from", "Effective to", "Acknowledgement"},
		"C3": {"Bag maker and type", "Bag number", "Sealed by", "Witnessed by", "Number read aloud", "Storage", "Safe controller", "Separation"},
		"C4": {"Movements here"},
		"C5": {"Periodic checks", "Succession", "Cumulative knowledge", "End"},
	})
	hasFields(t, paper, "Enrolment record: Hana Orr", map[string][]string{
		"D1": {"Full name", "Employer", "Contact", "Photo", "Identity document", "Seen by", "Date"},
		"D2": {"Roles", "Role conflicts", "Training", "Background check", "Manager", "Independence statement"},
		"D3": {"Token serial", "Key fingerprint", "Passphrase", "Recovery contact", "Specimen signature"},
		"D4": {"Duties text", "Acceptance", "Vouched for by", "Confidentiality", "Data-protection notice", "Valid from", "Valid to", "Revocation", "Approver's signature"},
	})
	sheet := paper[strings.Index(paper, "Site key sheet"):]
	for _, want := range []string{"Ledger key, EC P-256", "Verifier key", "In words", "Hana Orr, third-party witness", "Marta Brandt, administrator"} {
		if !strings.Contains(sheet, want) {
			t.Errorf("%q is not on the key sheet", want)
		}
	}
}

func TestPageOneOfAKeyGeneration(t *testing.T) {
	in := collect(t, 1)
	paper := onPaper(t, makePDF(t, in))
	one, _, _ := strings.Cut(paper, "\f")
	var key ceremony.KeyGenerated
	for _, k := range in.State.Keys {
		key = k.Body
	}
	sum := sha256.Sum256(in.Blobs[key.Public])
	hex := hex.EncodeToString(sum[:])
	for _, want := range []string{
		"Key generation report", "NORTHWIND ROOT CA", "Ceremony " + generation, "Completed, 11 of 11 steps", "Two officers signed every authorised act", "No deviation", "PRACTICE",
		"Pre-activation until the owner and the approver accept", "Dana Weiss", hex[:4] + " " + hex[4:8], hex[56:60] + " " + hex[60:],
		"Who was present", "Statements", "I performed the steps as recorded.", "Agrees", "Administrator", "Owner, accepting the key and its duties", "Page 1 of ",
	} {
		if !strings.Contains(one, want) {
			t.Errorf("%q is not on page one:\n%s", want, one)
		}
	}
	for i, page := range strings.Split(strings.TrimSuffix(paper, "\f"), "\f") {
		if !strings.Contains(page, "PRACTICE") || !strings.Contains(page, "Ceremony "+generation) {
			t.Errorf("page %d does not say PRACTICE and which ceremony", i+1)
		}
	}
	for _, want := range []string{"What happened, step by step", "Shares", "Deviations", "None was raised", "Interruptions", "Attributes of", "Supports evidence for", "Seal", "How to verify this document", in.State.LedgerKeys[0].Body.Label[:8], in.State.Site.Origin} {
		if !strings.Contains(paper, want) {
			t.Errorf("%q is not in the report", want)
		}
	}
}

// TestProperties: title, language and bookmarks, for readers who do not see the page.
func TestProperties(t *testing.T) {
	pdf := makePDF(t, collect(t, 1))
	path := filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	info := tool(t, "pdfinfo", path)
	for _, want := range []string{"Title:           Key generation report " + generation + ", signing-key", "Author:          Northwind Root CA", "Creator:         " + report.Creator(report.A4), "PDF version:     1.7", "A4"} {
		if !strings.Contains(info, want) {
			t.Errorf("%q is not in\n%s", want, info)
		}
	}
	for _, want := range []string{"/Lang (en)", "/DisplayDocTitle true", "/PageMode /UseOutlines"} {
		if !bytes.Contains(pdf, []byte(want)) {
			t.Errorf("%s is missing", want)
		}
	}
	files := tool(t, "pdfdetach", "-list", path)
	for _, want := range []string{report.RecordsFile, report.CheckpointFile, report.ProofsFile, report.ScriptFile, report.ContentFile, report.PublicFile, report.KeyFile, report.HowToFile, "8 embedded files"} {
		if !strings.Contains(files, want) {
			t.Errorf("%s is not attached:\n%s", want, files)
		}
	}
}

func TestSiteOpening(t *testing.T) {
	in := collect(t, 0)
	paper := onPaper(t, makePDF(t, in))
	for _, want := range []string{"Ceremony report", opening, "Open a site", "Completed, 15 of 15 steps", "People enrolled", "The ledger key", "Farah Noor", "card 3", "Vouched for by", report.RecoveryFile} {
		if !strings.Contains(paper, want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	if strings.Contains(paper, "Key generation report") || strings.Contains(paper, "not yet signed") {
		t.Error("the report says what is not so")
	}
}

// TestClaimsAreWorkedOutAgain: page one says only what the records show.
func TestClaimsAreWorkedOutAgain(t *testing.T) {
	in := collect(t, 1)
	in.Ceremony.Intents[0].Body.Authorisations = in.Ceremony.Intents[0].Body.Authorisations[:1]
	if strings.Contains(onPaper(t, makePDF(t, in)), "Two officers signed") {
		t.Error("two officers are claimed where one signed")
	}
	in = collect(t, 1)
	sg := in.Ceremony.Attested["amara-okafor"]
	sg.SignOff.Verdict, sg.SignOff.Reason = ceremony.Disagree, "the bag was open"
	in.Ceremony.Attested["amara-okafor"] = sg
	in.Checkpoint, in.Proofs = "", nil
	paper := onPaper(t, makePDF(t, in))
	for _, want := range []string{"Not accepted by Amara Okafor", "Disagrees", "the bag was open", "Not yet signed by the HSM"} {
		if !strings.Contains(paper, want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	in = collect(t, 1)
	for i, k := range in.State.Keys {
		k.Body.Attributes = slices.DeleteFunc(slices.Clone(k.Body.Attributes), func(a ceremony.Attribute) bool { return a.Name == "never-extractable" })
		in.State.Keys[i] = k
	}
	paper = onPaper(t, makePDF(t, in))
	if strings.Contains(paper, "never extractable") || strings.Contains(paper, "cannot leave") {
		t.Error("a key that was not read back as never extractable is called so")
	}
}

// TestHostileText: typed text comes out inert and visible, in every field.
func TestHostileText(t *testing.T) {
	const hostile = "Eve\nSeal\nKey destruction certificate (x) Tj ET \\ (\u202Egnp.exe\u202C \u0000\u200b\u2066 \U0001F600 \uFEFF e\u0301 שלום %PDF endstream endobj"
	in := collect(t, 1)
	long := strings.Repeat("w", 10_000)
	in.State.Site.Organisation = hostile
	for _, h := range in.State.People {
		h.Body.Name, h.Body.Organisation, h.Body.Manager = hostile, hostile, hostile
	}
	for _, k := range in.State.Keys {
		k.Body.Label = hostile
	}
	in.Ceremony.Plan.Values["label"] = hostile
	in.Ceremony.Plan.Plan.Title = hostile
	for _, ss := range in.Ceremony.Steps {
		ss.Facts = append(ss.Facts, ceremony.Line{Label: hostile, Value: hostile}, ceremony.Line{Label: "long", Value: long})
	}
	in.Ceremony.Deviations = append(in.Ceremony.Deviations, ceremony.Deviation{
		Raised:  ceremony.DeviationRaised{Number: 1, Step: "room", Expected: hostile, Happened: long, Exposed: "unknown", Class: "data", Severity: "major", Video: hostile},
		Decided: &ceremony.DeviationDecided{Number: 1, By: hostile, Decision: "continue", Effect: hostile, HeardBy: []string{"marta-brandt", "amara-okafor"}, Reason: hostile}})
	pdf := makePDF(t, in)
	keep(t, "hostile.pdf", pdf)
	paper := onPaper(t, pdf)
	for _, want := range []string{`Eve\n`, `\u{202E}`, `\u{200B}`, `\u{0000}`, `\u{2066}`, `\u{1F600}`, `\u{0301}`, "endstream"} {
		if !strings.Contains(paper, want) {
			t.Errorf("%s is not visible", want)
		}
	}
	if regexp.MustCompile(`(?m)^\s*Key destruction certificate`).MatchString(paper) {
		t.Error("typed text stands as a heading")
	}
	if strings.ContainsAny(paper, "\u202E\u202C\u200b\u2066\uFEFF") {
		t.Error("hidden characters reached the page")
	}
	if n := strings.Count(paper, "w"); n < 2*len(long) {
		t.Errorf("of %d letters %d are on paper", 2*len(long), n)
	}
}

// TestTimeWithoutARecord: a gap inside a run stands in the table of steps.
func TestTimeWithoutARecord(t *testing.T) {
	in := collect(t, 1)
	for i := 30; i < len(in.Records); i++ {
		in.Records[i].Time = in.Records[i].Time.Add(25 * time.Minute)
	}
	want := fmt.Sprintf("25 minutes after record %d", in.Records[29].Seq)
	if paper := onPaper(t, makePDF(t, in)); !strings.Contains(paper, want) || strings.Count(paper, "Time without a record") != 1 {
		t.Errorf("%q is not told once", want)
	}
}

func TestStillUnderWay(t *testing.T) {
	in := collect(t, 1)
	m := ledger.NewMemory()
	cut := in.Records[0]
	if _, err := m.Append(t.Context(), ledger.Empty(), ledger.Batch{Records: []ledger.Record{cut}}); err != nil {
		t.Fatal(err)
	}
	s, _, _, err := ceremony.Fold(t.Context(), m, steps.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := report.Collect(t.Context(), m, s, generation); err == nil || !strings.Contains(err.Error(), "there is no ceremony") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkMake: time and size grow with the steps, not faster.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{10, 60, 600} {
		b.Run(fmt.Sprintf("%d steps", n), func(b *testing.B) {
			in := stretched(b, n)
			var size int
			for b.Loop() {
				size = len(makePDF(b, in))
			}
			b.ReportMetric(float64(size)/1024, "KiB")
		})
	}
}

// stretched repeats steps of a real ceremony, or leaves some out.
func stretched(t testing.TB, n int) report.Input {
	in := collect(t, 1)
	plan := in.Ceremony.Plan.Plan
	first := slices.Clone(plan.Phases[0].Steps)
	if more := len(plan.Steps()) - n; more > 0 {
		plan.Phases[0].Steps = first[:len(first)-more]
	}
	for i := len(plan.Steps()); i < n; i++ {
		st := first[i%len(first)]
		id := fmt.Sprintf("%s-%d", st.ID, i)
		in.Ceremony.Steps[id] = in.Ceremony.Steps[st.ID]
		st.ID, st.Needs = id, nil
		plan.Phases[0].Steps = append(plan.Phases[0].Steps, st)
	}
	bound, err := plan.Bind(in.Ceremony.Plan.Values)
	if err != nil {
		t.Fatal(err)
	}
	if len(bound.Steps()) != n {
		t.Fatalf("%d steps, want %d", len(bound.Steps()), n)
	}
	in.Ceremony.Plan = bound
	return in
}

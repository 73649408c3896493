package audit_test

import (
	"bytes"
	"crypto/ed25519"
	crand "crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/report"
	"claviger/ledger"
)

func TestReportHolds(t *testing.T) {
	dir := site(t)
	pdf := readFile(t, dir, "report.pdf")
	vkey := string(readFile(t, dir, "site.vkey"))
	for _, c := range []struct {
		name     string
		ledger   string
		o        audit.Options
		anchored bool
	}{
		{"alone", "", audit.Options{}, false},
		{"with the site's key", "", audit.Options{Site: vkey}, true},
		{"with the ledger", ledgerOf(dir), audit.Options{}, false},
		{"with all", ledgerOf(dir), audit.Options{Site: vkey, Checkpoints: [][]byte{readFile(t, dir, "checkpoint.txt")}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := checkPDF(t, pdf, c.ledger, c.o)
			if !res.Holds() || res.Anchored != c.anchored || !res.Practice || res.Ceremony != number {
				t.Errorf("%+v", res)
			}
			if res.PeopleSignedTo == 0 || res.HSMSignedTo != res.PeopleSignedTo {
				t.Errorf("signed to %d by people and %d by the HSM", res.PeopleSignedTo, res.HSMSignedTo)
			}
		})
	}
}

func TestReportOfAResumedCeremonyHolds(t *testing.T) {
	dir := resumedSite(t)
	pdf := readFile(t, dir, "report.pdf")
	if res := checkPDF(t, pdf, ledgerOf(dir), audit.Options{Site: string(readFile(t, dir, "site.vkey"))}); !res.Holds() {
		t.Error(res.Findings)
	}
	old := makePDF(t, collect(t, filepath.Join(dir, "paused.db")))
	if res := checkPDF(t, old, "", audit.Options{}); !res.Holds() {
		t.Error(res.Findings)
	}
	wants(t, checkPDF(t, old, ledgerOf(dir), audit.Options{}), "report.edition", -1)
}

// TestAnotherLedgerBeside: the document is whole, and the ledger beside it has
// another history.
func TestAnotherLedgerBeside(t *testing.T) {
	pdf := readFile(t, site(t), "report.pdf")
	wants(t, checkPDF(t, pdf, ledgerOf(resumedSite(t)), audit.Options{}), "ledger.differs", 0)
	cut := rebuilt(t, site(t), func(records []ledger.Record) []ledger.Record { return records[:150] })
	// A ledger that ends in the middle of a run lacks the rest of it.
	wants(t, checkPDF(t, pdf, cut, audit.Options{}), "ledger.differs", 150)
}

// TestTailCutAgainstAReport: whoever has a report and looks for it in a ledger whose
// end was cut finds that out, however much is missing.
func TestTailCutAgainstAReport(t *testing.T) {
	pdf, in := readFile(t, site(t), "report.pdf"), collect(t, ledgerOf(site(t)))
	last := in.Records[len(in.Records)-1].Seq
	for _, left := range []int64{1, last / 2, last - 1, last} {
		cut := rebuilt(t, site(t), func(records []ledger.Record) []ledger.Record { return records[:left] })
		res := checkPDF(t, pdf, cut, audit.Options{})
		if !slices.ContainsFunc(res.Findings, func(f ceremony.Finding) bool { return f.Rule == "checkpoint.rollback" }) || res.Exit() != 1 {
			t.Errorf("cut to %d of %d: %v, exit %d", left, last+1, res.Findings, res.Exit())
		}
	}
	// What was written behind the report's own records is no part of it; that the
	// ledger does not know the file any more is said.
	cut := rebuilt(t, site(t), func(records []ledger.Record) []ledger.Record { return records[:last+1] })
	if res := checkPDF(t, pdf, cut, audit.Options{}); !strings.Contains(strings.Join(res.NotChecked, " "), "no report.made") {
		t.Errorf("cut behind the seal: %v", res.NotChecked)
	}
}

// TestTamperedRecords: records inside the document are changed by someone who
// makes the pages fit again.
func TestTamperedRecords(t *testing.T) {
	in := collect(t, ledgerOf(site(t)))
	seqAt := func(kind string) int64 { return in.Records[place(t, in.Records, kind)].Seq }
	for _, c := range []struct {
		name   string
		rule   string
		seq    int64
		tamper func(in *report.Input)
	}{
		{"one byte of a record", "record.prev", seqAt(ceremony.ClockCheckedKind), func(in *report.Input) {
			i := place(t, in.Records, ceremony.ClockCheckedKind)
			in.Records[i].Bytes = bytes.Replace(in.Records[i].Bytes, []byte(`"offset":0`), []byte(`"offset":9`), 1)
		}},
		{"a record spelled in another way", "record.parse", -1, func(in *report.Input) {
			in.Records[5].Bytes = bytes.Replace(in.Records[5].Bytes, []byte(`,"kind"`), []byte(`, "kind"`), 1)
		}},
		{"a record left out", "record.order", in.Records[11].Seq, func(in *report.Input) { in.Records = slices.Delete(in.Records, 10, 11) }},
		{"the end left out", "run.open", -1, func(in *report.Input) { in.Records = in.Records[:len(in.Records)-1] }},
		{"the context changed, all linked again", "signoff.key", -1, func(in *report.Input) {
			in.Records = relink(t, in.Records, place(t, in.Records, ceremony.ContextKind), func(body any) {
				body.(*ceremony.Context).Uncovered = nil
			})
		}},
		{"a result without its intent", "result.intent", -1, func(in *report.Input) {
			in.Records = relink(t, in.Records, place(t, in.Records, ceremony.KeyGeneratedKind), func(body any) { body.(*ceremony.KeyGenerated).Intent[0] ^= 1 })
		}},
		{"an act authorised by one", "act.unauthorised", -1, func(in *report.Input) {
			in.Records = relink(t, in.Records, place(t, in.Records, ceremony.IntentKind), func(body any) {
				b := body.(*ceremony.Intent)
				b.Authorisations = b.Authorisations[:1]
			})
		}},
		{"a key told as it is not", "key.readback", -1, func(in *report.Input) {
			in.Records = relink(t, in.Records, place(t, in.Records, ceremony.KeyGeneratedKind), func(body any) {
				for i, a := range body.(*ceremony.KeyGenerated).Attributes {
					if a.Name == "never-extractable" {
						body.(*ceremony.KeyGenerated).Attributes[i].Value = "false"
					}
				}
			})
		}},
		{"the end changed, linked again", "proof.inclusion", -1, func(in *report.Input) {
			i := len(in.Records) - 1
			r := in.Records[i]
			body, err := ceremony.Body(r)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ledger.Build(ledger.Head{Size: r.Seq, Last: r.Prev}, ledger.Draft{Ceremony: r.Ceremony, Kind: r.Kind, V: 1, Time: r.Time.Add(1e9), Body: body})
			if err != nil {
				t.Fatal(err)
			}
			in.Records[i] = again[0]
		}},
		{"another script", "script.hash", -1, func(in *report.Input) {
			h := in.Ceremony.Body.Script
			in.Blobs[h] = append([]byte("# another\n"), in.Blobs[h]...)
		}},
		{"what was shown", "signoff.shown", -1, func(in *report.Input) {
			h := shownHash(t, in.Records)
			in.Blobs[h] = append(in.Blobs[h], ' ')
		}},
		{"the checkpoint's root", "checkpoint.signature", -1, func(in *report.Input) {
			in.Checkpoint = strings.Replace(in.Checkpoint, "\n\n", "\n\n", 1)
			lines := strings.SplitN(in.Checkpoint, "\n", 4)
			lines[2] = "A" + lines[2][1:]
			if strings.Contains(in.Checkpoint, "\nA") {
				lines[2] = "B" + lines[2][1:]
			}
			in.Checkpoint = strings.Join(lines, "\n")
		}},
		{"a cosignature", "checkpoint.signature", -1, func(in *report.Input) {
			i := strings.LastIndex(in.Checkpoint, "=\n") - 4
			in.Checkpoint = in.Checkpoint[:i] + map[bool]string{true: "B", false: "A"}[in.Checkpoint[i] == 'A'] + in.Checkpoint[i+1:]
		}},
		{"an older checkpoint", "checkpoint.covers", -1, func(in *report.Input) {
			var body ceremony.CheckpointSigned
			if err := ledger.Decode(in.Records[place(t, in.Records, ceremony.CheckpointSignedKind)].Body, &body); err != nil {
				t.Fatal(err)
			}
			in.Checkpoint = body.Note
		}},
		{"a checkpoint by nobody's key", "checkpoint.unknown-signer", -1, func(in *report.Input) {
			cp, err := ledger.ReadCheckpoint(in.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			public, private, err := ed25519.GenerateKey(crand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			spki, err := x509.MarshalPKIXPublicKey(public)
			if err != nil {
				t.Fatal(err)
			}
			in.Checkpoint, err = ledger.SignCheckpoint(cp.Origin, ledger.Head{Size: cp.Size, Root: cp.Root}, spki, func(text []byte) ([]byte, error) { return ed25519.Sign(private, text), nil })
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"all but two records left out", "record.missing", -1, func(in *report.Input) { in.Records = in.Records[:2] }},
		{"a proof left out", "proof.missing", -1, func(in *report.Input) { in.Proofs = in.Proofs[:1] }},
		{"proofs swapped", "proof.inclusion", -1, func(in *report.Input) { in.Proofs[0], in.Proofs[1] = in.Proofs[1], in.Proofs[0] }},
		{"a checkpoint said not to be there", "pdf.page", -1, func(in *report.Input) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := collect(t, ledgerOf(site(t)))
			if c.rule == "pdf.page" {
				// Pages with a checkpoint, and the attachment that says there is none.
				pdf := replaceAttachment(t, makePDF(t, in), report.CheckpointFile, []byte(report.NotSigned))
				wants(t, checkPDF(t, pdf, "", audit.Options{}), c.rule, c.seq)
				return
			}
			pdf := tampered(t, in, c.tamper)
			wants(t, checkPDF(t, pdf, "", audit.Options{}), c.rule, c.seq)
		})
	}
}

// tampered swaps the attachments of a true document for those of a changed
// input, by another program.
func tampered(t *testing.T, in report.Input, tamper func(*report.Input)) []byte {
	t.Helper()
	pdf := makePDF(t, in)
	before, err := in.Attachments()
	if err != nil {
		t.Fatal(err)
	}
	was := map[string][]byte{}
	for _, a := range before {
		was[a.Name] = bytes.Clone(a.Content)
	}
	changed := in
	changed.Records, changed.Proofs = slices.Clone(in.Records), slices.Clone(in.Proofs)
	tamper(&changed)
	after, err := changed.Attachments()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, a := range after {
		if !bytes.Equal(was[a.Name], a.Content) {
			pdf = replaceAttachment(t, pdf, a.Name, a.Content)
			n++
		}
	}
	if n == 0 {
		t.Fatal("nothing was tampered with")
	}
	return pdf
}

func TestProofsThatAreNone(t *testing.T) {
	pdf := makePDF(t, collect(t, ledgerOf(site(t))))
	wants(t, checkPDF(t, replaceAttachment(t, pdf, report.ProofsFile, []byte("none\n")), "", audit.Options{}), "proof.form", -1)
}

func replaceAttachment(t *testing.T, pdf []byte, name string, content []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	for n, b := range map[string][]byte{"in.pdf": pdf, "file": content} {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := ""
	for line := range strings.Lines(must(t, dir, "qpdf", "--list-attachments", "--verbose", "in.pdf")) {
		if k, _, ok := strings.Cut(line, " -> "); ok && strings.HasPrefix(line, "Attachement") {
			key = k
		}
		if strings.HasSuffix(strings.TrimSpace(line), " "+name) {
			break
		}
	}
	must(t, dir, "qpdf", "in.pdf", "--remove-attachment="+key, "--add-attachment", "file", "--key="+key, "--filename="+name, "--", "out.pdf")
	return readFile(t, dir, "out.pdf")
}

func shownHash(t *testing.T, records []ledger.Record) ledger.Hash {
	t.Helper()
	body, err := ceremony.Body(records[place(t, records, ceremony.SignOffKind)])
	if err != nil {
		t.Fatal(err)
	}
	return body.(*ceremony.SignOff).Shown
}

// TestEveryAttachmentCounts: whichever file inside the document another tool
// takes out or adds, the checker says so.
func TestEveryAttachmentCounts(t *testing.T) {
	pdf := makePDF(t, collect(t, ledgerOf(site(t))))
	dir := t.TempDir()
	for n, b := range map[string][]byte{"in.pdf": pdf, "extra": []byte("extra")} {
		if err := os.WriteFile(filepath.Join(dir, n), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, dir, "qpdf", "in.pdf", "--add-attachment", "extra", "--", "more.pdf")
	wants(t, checkPDF(t, readFile(t, dir, "more.pdf"), "", audit.Options{}), "pdf.object", -1)
	must(t, dir, "qpdf", "in.pdf", "--remove-attachment=Attachement1", "less.pdf")
	wants(t, checkPDF(t, readFile(t, dir, "less.pdf"), "", audit.Options{}), "pdf.attachment", -1)
}

// plain is the played report with its streams as they are, so that a byte can be
// changed in its place.
func plain(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.pdf"), readFile(t, site(t), "report.pdf"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "qpdf", "--stream-data=uncompress", "in.pdf", "plain.pdf")
	return readFile(t, dir, "plain.pdf")
}

// samples gives the places to try: all of them in the proof, else 300.
func samples(n int) []int {
	places := rand.New(rand.NewPCG(1, 1)).Perm(n)
	if os.Getenv("CLAVIGER_PROOF") == "" && n > 300 {
		return places[:300]
	}
	return places
}

// TestRewrittenAttachments: each byte of each attachment counts, whatever it
// says: one that another tool has rewritten is found, and the first thing wrong
// is named.
func TestRewrittenAttachments(t *testing.T) {
	files, err := collect(t, ledgerOf(site(t))).Attachments()
	if err != nil {
		t.Fatal(err)
	}
	pdf := plain(t)
	places := map[int]string{}
	var order []int
	for _, a := range files {
		at := bytes.Index(pdf, a.Content)
		if at < 0 {
			t.Fatalf("%s is not in the file as it is", a.Name)
		}
		for i := range a.Content {
			places[at+i] = a.Name
			order = append(order, at+i)
		}
	}
	// Not each byte in the proof either: every seventh, of every file.
	pick := samples(len(order) / 7)
	tried := map[string]int{}
	for _, n := range pick {
		n *= 7
		at := order[n]
		edited := bytes.Clone(pdf)
		edited[at] ^= 1
		res := checkPDF(t, edited, "", audit.Options{})
		if first, _ := res.First(); res.Exit() != 1 || first.Rule == "" || first.Why == "" {
			t.Fatalf("%s, byte at %d changed: exit %d, %v", places[at], at, res.Exit(), res.Findings)
		}
		tried[places[at]]++
	}
	if os.Getenv("CLAVIGER_PROOF") != "" {
		fmt.Printf("PROOF: evidence: %d of the %d bytes of attachments changed one at a time: each found, and what is wrong named: %v\n", len(pick), len(order), tried)
	}
}

// TestRewrittenByQPDF: another tool may write the file again, as long as it
// changes nothing that is said.
func TestRewrittenByQPDF(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.pdf"), readFile(t, site(t), "report.pdf"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--object-streams=generate", "--recompress-flate", "--compression-level=1"},
		{"--stream-data=uncompress"},
	} {
		must(t, dir, "qpdf", append(args, "in.pdf", "out.pdf")...)
		res := checkPDF(t, readFile(t, dir, "out.pdf"), "", audit.Options{})
		if !res.Holds() {
			t.Errorf("%v: %v", args, res.Findings)
		}
	}
}

// TestTwoReadings: a file that a viewer might read in another way than the
// checker is refused, even where the checker's reading is the true one.
func TestTwoReadings(t *testing.T) {
	pdf := readFile(t, site(t), "report.pdf")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.pdf"), pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "qpdf", "--linearize", "in.pdf", "linear.pdf")
	for name, b := range map[string][]byte{
		"linearized":          readFile(t, dir, "linear.pdf"),
		"an object left over": bytes.Replace(pdf, []byte("\nxref\n"), []byte("\n3 0 obj\n<<>>\nendobj\nxref\n"), 1),
		"another PDF behind":  append(bytes.Clone(pdf), pdf...),
	} {
		res, err := audit.PDF(t.Context(), b, "", audit.Options{})
		if err == nil && res.Exit() != 1 {
			t.Errorf("%s: exit %d", name, res.Exit())
		}
		if name == "another PDF behind" {
			wants(t, res, "pdf.revision", -1)
		}
	}
}

// TestAnyByte: whichever byte of the file is another, the checker neither
// breaks nor is led to other pages.
func TestAnyByte(t *testing.T) {
	pdf := readFile(t, site(t), "report.pdf")
	tries := 40
	if os.Getenv("CLAVIGER_PROOF") != "" {
		tries = 4_000
	}
	random := rand.New(rand.NewPCG(2, 2))
	for range tries {
		at := random.IntN(len(pdf))
		b := bytes.Clone(pdf)
		b[at] ^= byte(1 + random.IntN(255))
		res, err := audit.PDF(t.Context(), b, "", audit.Options{})
		var unreadable *audit.UnreadableError
		switch {
		case err != nil && !errors.As(err, &unreadable):
			t.Fatalf("byte %d: %v", at, err)
		case err == nil && res.Holds() && !slices.ContainsFunc(res.Checked, func(s string) bool { return strings.Contains(s, "compared object by object") }):
			t.Fatalf("byte %d changed, and the file is called the same", at)
		}
	}
}

// TestEditedPages: the attachments are intact and a digit on a page is another.
// The pages that the records make are the same each time, so all but a few
// samples are compared with pages that were made once.
func TestEditedPages(t *testing.T) {
	pdf := plain(t)
	var digits []int
	for _, m := range regexp.MustCompile(`Td \(([^\n]*)\) Tj`).FindAllSubmatchIndex(pdf, -1) {
		for i := m[2]; i+1 < m[3]; i += 2 {
			if pdf[i] == 0 && pdf[i+1] >= '0' && pdf[i+1] <= '9' {
				digits = append(digits, i+1)
			}
		}
	}
	if len(digits) < 1000 {
		t.Fatalf("only %d digits on the pages", len(digits))
	}
	made, err := audit.Pages(readFile(t, site(t), "report.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	if different, err := made.Compare(pdf); err != nil || len(different) > 0 {
		t.Fatalf("before anything is changed: %v %v", err, different)
	}
	pick := samples(len(digits))
	for i, p := range pick {
		at := digits[p]
		edited := bytes.Clone(pdf)
		edited[at] = '0' + (edited[at]-'0'+1)%10
		different, err := made.Compare(edited)
		if err != nil || len(different) == 0 || !strings.Contains(different[0], "page ") || !strings.Contains(different[0], "it shows “") {
			t.Fatalf("digit at %d changed: %v, %v", at, err, different)
		}
		if i%25 != 0 || i > 1000 {
			continue
		}
		res := checkPDF(t, edited, "", audit.Options{})
		if first, _ := res.First(); res.Exit() != 1 || first.Rule != "pdf.page" || first.Why != different[0] {
			t.Fatalf("digit at %d changed: exit %d, %v", at, res.Exit(), res.Findings)
		}
	}
	if os.Getenv("CLAVIGER_PROOF") != "" {
		fmt.Printf("PROOF: evidence: %d digits on the pages of a report changed one at a time: each found, the page and its words named\n", len(pick))
	}
}

// TestDrawnWithSomethingElse: the words of a page are intact, and what they are
// drawn with is not: a glyph swapped in a font, a page cut short, a note stuck on.
func TestDrawnWithSomethingElse(t *testing.T) {
	pdf := plain(t)
	glyphs := bytes.Index(pdf, []byte("glyf"))
	for name, edited := range map[string][]byte{
		"a font":   append(append(bytes.Clone(pdf[:glyphs+4000]), pdf[glyphs+4000]^1), pdf[glyphs+4001:]...),
		"the size": bytes.Replace(pdf, []byte("841.89"), []byte("141.89"), 1),
		"a note":   bytes.Replace(pdf, []byte("/PageMode /UseOutlines"), []byte("/OpenAction [ null  ]"+" "), 1),
		"a title":  bytes.Replace(pdf, []byte("/Title"), []byte("/Tatle"), 1),
	} {
		if bytes.Equal(edited, pdf) {
			t.Fatalf("%s: nothing was changed", name)
		}
		res := checkPDF(t, edited, "", audit.Options{})
		if first, _ := res.First(); res.Exit() != 1 || first.Rule != "pdf.page" && first.Rule != "pdf.object" {
			t.Errorf("%s: exit %d, %v", name, res.Exit(), res.Findings)
		}
	}
}

// TestCheckpointLeftOut: a report that says the HSM has not signed it yet is
// consistent in itself, and vouched for by nobody.
func TestCheckpointLeftOut(t *testing.T) {
	in := collect(t, ledgerOf(site(t)))
	in.Checkpoint, in.Proofs = "", nil
	pdf := makePDF(t, in)
	if res := checkPDF(t, pdf, "", audit.Options{}); !res.Holds() || res.HSMSignedTo != 0 || res.Uncovered == 0 {
		t.Errorf("%+v", res)
	}
	wants(t, checkPDF(t, pdf, "", audit.Options{Site: string(readFile(t, site(t), "site.vkey"))}), "site.unsigned", -1)
	wants(t, checkPDF(t, pdf, ledgerOf(site(t)), audit.Options{}), "report.edition", -1)
}

// TestNewerRecordInAReport: a kind that this version does not know is not
// skipped and not called wrong, as long as it fits the chain.
func TestNewerRecordInAReport(t *testing.T) {
	for _, fits := range []bool{true, false} {
		in := collect(t, ledgerOf(site(t)))
		pdf := tampered(t, in, func(in *report.Input) {
			last := in.Records[len(in.Records)-1]
			at := ledger.Head{Size: last.Seq + 1, Last: last.Leaf}
			if !fits {
				at.Last[0] ^= 1
			}
			newer, err := ledger.Build(at, ledger.Draft{Ceremony: last.Ceremony, Kind: "key.blessed", V: 1, Time: last.Time, Body: struct{}{}})
			if err != nil {
				t.Fatal(err)
			}
			in.Records = append(in.Records, newer...)
		})
		want := map[bool]int{true: 3, false: 1}[fits]
		if res := checkPDF(t, pdf, "", audit.Options{}); res.Exit() != want {
			t.Errorf("exit %d, want %d: %v", res.Exit(), want, res.Findings)
		}
	}
}

// TestUnknownKindInPlaceOfARecord: a kind that nobody knows is no excuse where
// only a proof holds the record, as it does the first and the last.
func TestUnknownKindInPlaceOfARecord(t *testing.T) {
	for _, last := range []bool{false, true} {
		var seq int64
		pdf := tampered(t, collect(t, ledgerOf(site(t))), func(in *report.Input) {
			i := 0
			if last {
				i = len(in.Records) - 1
			}
			r := &in.Records[i]
			seq = r.Seq
			r.Bytes = bytes.Replace(r.Bytes, []byte(`"kind":"`+r.Kind[:1]), []byte(`"kind":"q`), 1)
		})
		wants(t, checkPDF(t, pdf, "", audit.Options{}), "proof.inclusion", seq)
	}
}

func TestNewerLayoutIsNotJudged(t *testing.T) {
	dir := t.TempDir()
	pdf := bytes.Replace(readFile(t, site(t), "report.pdf"), []byte("report layout 1,"), []byte("report layout 7,"), 1)
	if err := os.WriteFile(filepath.Join(dir, "in.pdf"), pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	res := checkPDF(t, pdf, "", audit.Options{})
	if res.Exit() != 3 || len(res.Findings) != 1 || res.Findings[0].Rule != "pdf.layout" {
		t.Errorf("exit %d, %v", res.Exit(), res.Findings)
	}
}

func TestUnreadable(t *testing.T) {
	pdf := readFile(t, site(t), "report.pdf")
	for name, b := range map[string][]byte{"nothing": nil, "text": []byte("no PDF at all"), "cut": pdf[:len(pdf)/3]} {
		_, err := audit.PDF(t.Context(), b, "", audit.Options{})
		var unreadable *audit.UnreadableError
		if !errors.As(err, &unreadable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestHowToVerify runs the file inside the document, as it stands.
func TestHowToVerify(t *testing.T) {
	for name, dir := range map[string]string{"whole": site(t), "resumed": resumedSite(t)} {
		check := t.TempDir()
		must(t, check, "pdfdetach", "-saveall", "-o", check, filepath.Join(dir, "report.pdf"))
		out := must(t, check, "sh", report.HowToFile)
		in := collect(t, ledgerOf(dir))
		var key string
		for _, k := range in.State.Keys {
			key = k.Body.Fingerprint
		}
		for _, want := range []string{"HOLDS, as far as", "PRACTICE", strings.TrimSpace(string(readFile(t, dir, "site.vkey"))), key} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, out)
			}
		}
	}
	unsigned := collect(t, ledgerOf(site(t)))
	unsigned.Checkpoint, unsigned.Proofs = "", nil
	check := t.TempDir()
	must(t, check, "pdfdetach", "-saveall", "-o", check, write(t, "unsigned.pdf", makePDF(t, unsigned)))
	if out := must(t, check, "sh", report.HowToFile); !strings.Contains(out, "not yet signed by the HSM") {
		t.Errorf("what nobody signed is not told:\n%s", out)
	}
	for _, file := range []string{report.RecordsFile, report.CheckpointFile, report.ProofsFile, report.ScriptFile, report.KeyFile, report.ContentFile} {
		check := t.TempDir()
		must(t, check, "pdfdetach", "-saveall", "-o", check, filepath.Join(site(t), "report.pdf"))
		b := readFile(t, check, file)
		i := len(b) / 2
		for b[i] < '0' || b[i] > '9' {
			i++
		}
		b[i] = '0' + (b[i]-'0'+1)%10
		if err := os.WriteFile(filepath.Join(check, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := command(t, check, "sh", report.HowToFile); err == nil || strings.Contains(out, "HOLDS, as far as") {
			t.Errorf("%s changed, and the recipe says\n%s", file, out)
		}
	}
}

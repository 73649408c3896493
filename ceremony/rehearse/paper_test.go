package rehearse

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/report"
	"claviger/ledger"
)

// onPaper gives the text of a ceremony's newest report, its blanks made one, and
// demands that the checker has nothing against it.
func onPaper(t *testing.T, s *Site, number string) (text string, pdf []byte) {
	t.Helper()
	path, err := s.Evidence(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	if pdf, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if res := judged(t, s, pdf, s.Folder.Ledger()); res.Exit() != 0 && !slices.Equal(rulesOf(res.Findings), []string{"site.unsigned"}) {
		t.Errorf("%s: %v", path, res.Findings)
	}
	if dir := os.Getenv("CLAVIGER_LOOK"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "paper-"+number+"-"+filepath.Base(path)), pdf, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(strings.Fields(tool(t, nil, nil, "pdftotext", "-layout", path, "-")), " "), pdf
}

func rulesOf(found []ceremony.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.Rule)
	}
	return out
}

func hasAll(t *testing.T, paper string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(paper, w) {
			t.Errorf("%q is not on paper", w)
		}
	}
}

// followed runs the recipe inside a report literally, on attachments that change
// may have changed, and gives what it says and whether it was content.
func followed(t *testing.T, pdf []byte, change func(dir string)) (said string, content bool) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "report.pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, nil, nil, "pdfdetach", "-saveall", "-o", dir, file)
	if change != nil {
		change(dir)
	}
	cmd := exec.Command("sh", report.HowToFile)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// rewritten changes the first record of a kind that the test wants, links all
// behind it again and takes the HSM's checkpoint away: what somebody can do who has
// the file and no key. Only the signatures of people stand against it.
func rewritten(t *testing.T, file string, first func(body any) bool) func(dir string) {
	return func(dir string) {
		t.Helper()
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		var last ledger.Record
		changed := false
		for r, err := range ledger.ReadLines(bytes.NewReader(b)) {
			if err != nil {
				t.Fatal(err)
			}
			body, err := ceremony.Body(r)
			if err != nil {
				t.Fatal(err)
			}
			at := ledger.Head{Size: r.Seq, Last: r.Prev}
			if changed && r.Seq == last.Seq+1 {
				at.Last = last.Leaf
			}
			if !changed {
				changed = first(body)
			}
			again, err := ledger.Build(at, draft(r, body))
			if err != nil {
				t.Fatal(err)
			}
			last = again[0]
			out.Write(append(last.Bytes, '\n'))
		}
		if !changed {
			t.Fatal("nothing was changed")
		}
		for name, content := range map[string][]byte{file: out.Bytes(), report.CheckpointFile: []byte(report.NotSigned), report.ProofsFile: []byte("[]\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWhatPeopleSignedIsOnPaper: the order, a decision that was signed, who was
// given other roles, a new key or retired, and the acceptance of the key each stand
// in the evidence; and the recipe recomputes the signature under each, so that a
// word changed in any of them is found without the program.
func TestWhatPeopleSignedIsOnPaper(t *testing.T) {
	t.Parallel()
	s, tr := openSite(t, setting(copySite(t), nil))
	o := orderOf(t, s)
	leaf, err := s.Order(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Plan.Order = leaf.String()
	tr.change = with(
		&sheet{step: "identify", kind: ceremony.AskConfirm, answer: decided("signed", "signed", "reason", "The cable was pulled")},
		&sheet{step: "generate", kind: ceremony.AskConfirm, answer: presence(ceremony.PersonLeft, "li-chen")})
	if err := s.Hold(t.Context(), o.Plan); err != nil {
		t.Fatal(err)
	}
	made := s.Last("key-generation").Number
	paper, first := onPaper(t, s, made)
	hasAll(t, paper, "Approval (order) Tomas Novak, approver; signed here by Novak, approver; record", leaf.String(), "Request reference REQ-2031 (as stated)", "Planned date May begin from 2",
		"Ordered owner Dana Weiss, Northwind", "Ordered people Marta Brandt, administrator; Amara Okafor, witness;", "Policy, CP, CPS, KMPS The site's policy “", "(as ordered)",
		"; signed with their own key", "The cable was pulled (as stated)", "left 2", "Pre-activation until the owner and the approver accept", "Owner's acceptance not recorded")

	key := s.State().KeyNamed("signing-key")
	accepted := ceremony.KeyChanged{At: time.Now().UTC().Format(time.DateOnly), Key: key.Body.ID, Reason: "The report is accepted", State: ceremony.Active}
	if err := s.ChangeKey(t.Context(), accepted, []ceremony.Part{owner, approver}); err != nil {
		t.Fatal(err)
	}
	paper, second := onPaper(t, s, made)
	hasAll(t, paper, "What came later", "Key is active", "Weiss, owner;", "The report is accepted", "This is edition 2. Edition 1, “Key generation report”, has the SHA-256 "+ledger.BlobHash(first).String(),
		"State, lifetime Active from", "Owner's acceptance Dana Weiss,", "Approver's acceptance Tomas Novak,", "These records are not yet covered by the HSM")
	if strings.Contains(paper, "Pre-activation until") {
		t.Error("an accepted key is called Pre-activation")
	}
	caught(t, judged(t, s, first, s.Folder.Ledger()), "report.edition", -1)

	tr.change = with(&sheet{step: "new-key", kind: ceremony.AskConfirm, answer: decided()})
	enrolled := about(t, s, "enrol", map[string]string{"people": "nadia-haddad custodian"}).Number
	changed := about(t, s, "enrol", map[string]string{"what": "change", "people": "nadia-haddad owner"}).Number
	rekeyed := about(t, s, "enrol", map[string]string{"what": "new-key", "people": "rui-santos"}).Number
	retired := about(t, s, "retire", map[string]string{"person": "farah-noor"}).Number
	documents := map[string][]byte{made: first}
	for number, want := range map[string][]string{
		enrolled: {"Enrolment record: Nadia Haddad", "Its last four characters in a salted file that can be erased, SHA-256 " + s.State().People["nadia-haddad"].Body.Document, "Duties text as accepted, SHA-256",
			"I alone handle my card; I copy it nowhere and show it to nobody.", "Acceptance Signed with the new key, record", "Valid to Open, until retired", "Changed in this ceremony nothing"},
		changed: {"Enrolment record: Nadia Haddad", "Roles Owner", "Roles changed to Owner, Northwind, reports to", "Reason of the change", "Acceptance Signed with the enrolled key, ", "Date not in these records",
			s.State().People["nadia-haddad"].Body.Duties.String()},
		rekeyed: {"Enrolment record: Rui Santos", "New key by deviation 1, the document seen again by Marta Brandt, Amara Okafor", "Acceptance Signed with the new key, ", "Sealed key's SHA-256 " + s.State().People["rui-santos"].Body.Sealed},
		retired: {"Enrolment record: Farah Noor", "Still held when retired card", "due to be handed over", "Revocation left the organisation (as stated)"},
	} {
		paper, pdf := onPaper(t, s, number)
		hasAll(t, paper, want...)
		documents[number] = pdf
	}

	for number, pdf := range documents {
		said, content := followed(t, pdf, nil)
		if !content || !strings.Contains(said, "HOLDS, as far as") || number == made != strings.Contains(said, "the order's among them") {
			t.Errorf("%s: the recipe says\n%s", number, said)
		}
	}
	said, content := followed(t, second, nil)
	if !content || !strings.Contains(said, "later: 2 records, not yet covered by the HSM\nHOLDS") {
		t.Errorf("the recipe says of edition 2\n%s", said)
	}
	for name, c := range map[string]struct {
		pdf   []byte
		file  string
		first func(body any) bool
		says  string
	}{
		"the order": {first, report.RecordsFile, func(body any) bool {
			b, ok := body.(*ceremony.Context)
			if ok {
				b.Orders[0].Ordered.Reference = "REQ-2032"
			}
			return ok
		}, "the order of record"},
		"a decision": {first, report.RecordsFile, func(body any) bool {
			b, ok := body.(*ceremony.DeviationDecided)
			if ok {
				b.Reason = "Nothing was wrong"
			}
			return ok
		}, "the signature of tomas-novak is wrong"},
		"a change of roles": {documents[changed], report.RecordsFile, func(body any) bool {
			b, ok := body.(*ceremony.PersonChanged)
			if ok {
				b.Roles = []string{"officer"}
			}
			return ok
		}, "the signature of nadia-haddad is wrong"},
		"a new key": {documents[rekeyed], report.RecordsFile, func(body any) bool {
			b, ok := body.(*ceremony.PersonRekeyed)
			if ok {
				b.Deviation = 2
			}
			return ok
		}, "the signature of rui-santos is wrong"},
		"the acceptance": {second, report.LaterFile, func(body any) bool {
			b, ok := body.(*ceremony.KeyChanged)
			if ok {
				b.At = "2031-01-01"
			}
			return ok
		}, "the signature of dana-weiss is wrong"},
	} {
		if said, content := followed(t, c.pdf, rewritten(t, c.file, c.first)); content || !strings.Contains(said, "DOES NOT HOLD: ") || !strings.Contains(said, c.says) {
			t.Errorf("%s was changed, and the recipe says\n%s", name, said)
		}
	}
}

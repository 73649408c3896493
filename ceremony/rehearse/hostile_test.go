package rehearse

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/report"
	"claviger/ledger"
)

// typed lists, by type and field, every text of a record that people type or a
// device says of itself, and whether pages show it; the others travel in the
// attachments only. Names, kinds and hashes that the rules know are not here.
var typed = map[string]bool{
	"Aborted.Reason": true, "Arrived.Name": false, "Arrived.Organisation": false, "ArtifactStored.File": true, "ArtifactStored.Where": false, "Attribute.Value": true,
	"Break.Reason": false, "CheckpointCompared.Detail": true, "CheckpointCompared.Source": true, "ClockChecked.Wall": true, "Copy.Where": true,
	"DeviationDecided.Corrective": true, "DeviationDecided.Due": true, "DeviationDecided.Objections": true, "DeviationDecided.Reason": true, "DeviationDecided.Text": true,
	"DeviationRaised.Class": true, "DeviationRaised.Containment": true, "DeviationRaised.Expected": true, "DeviationRaised.Exposed": true, "DeviationRaised.Happened": true, "DeviationRaised.Severity": true,
	"Item.Bag": true, "Item.Place": true, "ItemChecked.Bag": true, "ItemChecked.Read": true, "ItemDestroyed.Evidence": true, "ItemDestroyed.Method": true, "ItemDestroyed.Tool": true, "ItemDestroyed.Verification": true,
	"ItemLost.How": true, "ItemMoved.Place": true, "ItemOpened.Bag": true, "ItemOpened.Purpose": true, "ItemSealed.Bag": true, "ItemSealed.Place": false,
	"KeyChanged.Reason": true, "KeyDeleted.UseFails": true, "KeyQuarantined.Reason": true, "KeyRestored.Check": true, "KeyWrapped.KCVMethod": true, "Left.Reason": true, "Left.Statement": false,
	"Line.Value": true, "Observer.Name": true, "Observer.Organisation": true, "Observer.Statement": true, "Ordered.Reference": true, "Paused.Reason": true,
	"PersonChanged.Manager": true, "PersonChanged.Organisation": true, "PersonChanged.Reason": true, "PersonEnrolled.Identity": true, "PersonEnrolled.Latin": true, "PersonEnrolled.Manager": true,
	"PersonEnrolled.Name": true, "PersonEnrolled.Organisation": true, "PersonRekeyed.Identity": false, "PersonRetired.Holds": true, "PersonRetired.Reason": true, "Policy.Title": true,
	"Program.Version": true, "ReceiptTakenIn.From": true, "ReceiptTakenIn.States": true, "ReportMade.Document": true, "RestoreWaived.Reason": true, "SignOff.Reason": true,
	"SignOffWithheld.Reason": true, "Site.Organisation": true, "Step.Say": true, "Step.Title": true, "TokenEnrolled.Firmware": true, "TokenEnrolled.Hardware": true, "TokenEnrolled.Label": true,
	"TokenEnrolled.Manufacturer": true, "TokenEnrolled.Model": true, "TokenFault.Class": true, "TokenFault.Code": true, "TokenFault.Why": true,
}

// forger fills every typed text that it can reach, and remembers which.
type forger struct {
	text   func(field string) string
	filled map[string]bool
	been   map[any]bool
}

func (f *forger) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && !f.been[v.Interface()] {
			f.been[v.Interface()] = true
			f.fill(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if v.Type().Elem().Kind() == reflect.Struct {
				changed := reflect.New(v.Type().Elem()).Elem()
				changed.Set(v.MapIndex(k))
				f.fill(changed)
				v.SetMapIndex(k, changed)
				continue
			}
			f.fill(v.MapIndex(k))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name := v.Type().Name() + "." + field.Name
			_, free := typed[name]
			switch {
			case !field.IsExported():
			case free && field.Type.Kind() == reflect.String:
				v.Field(i).SetString(f.text(name))
				f.filled[name] = true
			case free:
				v.Field(i).Set(reflect.ValueOf([]string{f.text(name)}))
				f.filled[name] = true
			default:
				f.fill(v.Field(i))
			}
		}
	}
}

// forged is the input of a report whose every typed text is another. Rules and
// signatures are not asked: a page must stay a page whatever it is given.
func forged(t *testing.T, in report.Input, text func(field string) string) (report.Input, map[string]bool) {
	t.Helper()
	f := &forger{text: text, filled: map[string]bool{}, been: map[any]bool{}}
	f.fill(reflect.ValueOf(in.State))
	f.fill(reflect.ValueOf(in.Ceremony))
	f.fill(reflect.ValueOf(in.Ceremony.Plan.Steps()))
	for _, records := range [][]ledger.Record{in.Records, in.Later} {
		for i, r := range records {
			body, err := ceremony.Body(r)
			if err != nil {
				t.Fatal(err)
			}
			f.fill(reflect.ValueOf(body))
			again, err := ledger.Build(ledger.Head{Size: r.Seq, Last: r.Prev}, draft(r, body))
			if err != nil {
				t.Fatal(err)
			}
			records[i] = again[0]
		}
	}
	return in, f.filled
}

// paperOf makes a report and gives its text without blanks.
func paperOf(t *testing.T, in report.Input, name string) (text, flat string) {
	t.Helper()
	pdf, _, err := report.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if dir := os.Getenv("CLAVIGER_LOOK"); dir != "" {
		path = filepath.Join(dir, name)
	}
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	text = tool(t, nil, nil, "pdftotext", "-layout", path, "-")
	return text, strings.Join(strings.Fields(text), "")
}

// inputs collects what the reports of all ceremonies of a site are made of, anew.
func inputs(t *testing.T, s *Site) map[string]report.Input {
	t.Helper()
	out := map[string]report.Input{}
	for _, p := range s.State().Ceremonies {
		in, err := report.Collect(t.Context(), s.Record(), s.State(), p.Number)
		if err != nil {
			t.Fatal(err)
		}
		out[p.Number] = in
	}
	return out
}

// happened adds to a ceremony what the played ones did not meet.
func happened(t *testing.T, in report.Input) report.Input {
	t.Helper()
	p := in.Ceremony
	p.Observers = map[string]*ceremony.Observer{"guest": {Statement: "x"}}
	p.Withheld = append(p.Withheld, ceremony.SignOffWithheld{Act: ceremony.ActAttest, Person: "li-chen", AttestedBy: []string{"marta-brandt"}})
	for person, sg := range p.Attested {
		sg.SignOff.Verdict = ceremony.Disagree
		p.Attested[person] = sg
		break
	}
	if p.Restored == nil {
		p.Waived = append(p.Waived, ceremony.RestoreWaived{})
	}
	last := in.Records[len(in.Records)-1]
	const item = "card 1"
	for kind, body := range map[string]any{
		ceremony.PausedKind: ceremony.Paused{Stay: []string{}}, ceremony.AbortedKind: ceremony.Aborted{}, ceremony.TokenFaultKind: ceremony.TokenFault{},
		ceremony.KeyQuarantinedKind: ceremony.KeyQuarantined{}, ceremony.ItemLostKind: ceremony.ItemLost{Item: item}, ceremony.ItemMovedKind: ceremony.ItemMoved{Item: item},
		ceremony.ItemCheckedKind: ceremony.ItemChecked{Item: item}, ceremony.CheckpointComparedKind: ceremony.CheckpointCompared{Result: "forked"},
		ceremony.ClockCheckedKind: ceremony.ClockChecked{Kind: ceremony.ClockJump},
	} {
		more, err := ledger.Build(ledger.Head{Size: last.Seq + 1, Last: last.Leaf}, ledger.Draft{Ceremony: p.Number, Kind: kind, V: 1, Time: last.Time, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		in.Records = append(slices.Clone(in.Records), more...)
	}
	return in
}

// TestHostileText: whatever somebody managed to have recorded, in whichever field,
// of whichever document: it comes out inert and visible. It hides nothing, turns
// nothing around, poses as no heading, and runs over no edge.
func TestHostileText(t *testing.T) {
	t.Parallel()
	const tail = "\nSeal\nKey destruction certificate (x) Tj ET \\ (\u202egnp.exe\u202c \u0000\u200b\u2066 \U0001f600 \ufeff e\u0301 שלום %PDF endstream endobj"
	people, _ := lived(t)
	accept(t, people)
	ended, tr := openSite(t, setting(copySite(t), nil))
	if err := ended.provide(t.Context(), "recovery-drill"); err != nil {
		t.Fatal(err)
	}
	tr.change = tellCopies
	if err := ended.Begin(t.Context(), source(t, "key-destruction"), nil); err != nil {
		t.Fatal(err)
	}
	letter := ceremony.ReceiptTakenIn{About: ended.Last("key-destruction").Number, Date: "2026-11-23", From: "Hale & Orr Audit", Kind: ceremony.AuditorsLetter, SHA256: ledger.BlobHash([]byte("letter")), States: "seen"}
	if err := ended.TakeInReceipt(t.Context(), letter, [2]ceremony.Part{{Person: "amara-okafor", Role: "witness"}, {Person: "li-chen", Role: "custodian"}}); err != nil {
		t.Fatal(err)
	}
	var index []string
	for name := range typed {
		index = append(index, name)
	}
	slices.Sort(index)
	mark := func(field string) string { return fmt.Sprintf("@%d@", slices.Index(index, field)) }
	printed, met := map[string]bool{}, map[string]bool{}
	for _, s := range []*Site{people, ended} {
		for number, in := range inputs(t, s) {
			in, filled := forged(t, happened(t, in), func(field string) string { return mark(field) + tail })
			text, flat := paperOf(t, in, "hostile-"+number+".pdf")
			if regexp.MustCompile(`(?m)^\s*(Key destruction certificate \(x|Seal\s*$\s*Key)`).MatchString(text) {
				t.Errorf("%s: typed text stands as a heading", number)
			}
			if strings.ContainsAny(text, "\u202e\u202c\u200b\u2066\ufeff\u0301\u0000") {
				t.Errorf("%s: hidden characters reached the page", number)
			}
			for _, visible := range []string{`\n`, `\u{202E}`, `\u{200B}`, `\u{0000}`, `\u{2066}`, `\u{1F600}`, `\u{0301}`, "endstream"} {
				if !strings.Contains(flat, visible) {
					t.Errorf("%s: %s is not visible", number, visible)
				}
			}
			for field := range filled {
				met[field] = true
				printed[field] = printed[field] || strings.Contains(flat, mark(field))
			}
		}
	}
	for field, shown := range typed {
		switch {
		case !met[field]:
			t.Errorf("no document has %s", field)
		case printed[field] != shown:
			t.Errorf("%s is on paper: %v, want %v", field, printed[field], shown)
		}
	}
}

// accept has owner and approver accept the key that was made first.
func accept(t *testing.T, s *Site) {
	t.Helper()
	if _, err := s.Evidence(t.Context(), s.Last("key-generation").Number); err != nil {
		t.Fatal(err)
	}
	key := s.State().KeyNamed("signing-key")
	if err := s.ChangeKey(t.Context(), ceremony.KeyChanged{At: key.Body.From, Key: key.Body.ID, Reason: "accepted", State: ceremony.Active}, []ceremony.Part{owner, approver}); err != nil {
		t.Fatal(err)
	}
}

// TestLongText: ten thousand letters in a field, of each field once, are all on
// paper.
func TestLongText(t *testing.T) {
	t.Parallel()
	const n = 10_000
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	number := s.Last("key-generation").Number
	had := map[string]bool{}
	in, filled := forged(t, happened(t, inputs(t, s)[number]), func(field string) string {
		if had[field] {
			return "short"
		}
		had[field] = true
		return strings.Repeat("w", n)
	})
	_, flat := paperOf(t, in, "long-"+number+".pdf")
	if got, want := strings.Count(flat, "w"), n*len(filled)/2; got < want {
		t.Errorf("%d letters in %d fields, and %d are on paper", n*len(filled), len(filled), got)
	}
}

// TestHostileTextIsRefusedAtTheDoor: what would change how the rest is shown, what
// cannot be seen and what is longer than anybody reads is not recorded, and is
// asked again.
func TestHostileTextIsRefusedAtTheDoor(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	var sheets []*sheet
	for _, text := range []string{"\u202egnp.exe", "a\u0000b", "tab\tand escape\u001b[2J", "\u2066isolated", "not \xff UTF-8", strings.Repeat("w", 10_000)} {
		sheets = append(sheets, &sheet{step: "workstation", kind: ceremony.AskConfirm, answer: decided("happened", text)})
	}
	tr.change = with(sheets...)
	p := sealed(t, s)
	for i, sh := range sheets {
		if !sh.used {
			t.Errorf("text %d was not tried", i)
		}
	}
	told := count(tr.asked, func(p ceremony.Prompt) bool { return p.Step == "workstation" && p.Problem != nil })
	if told != len(sheets) || len(p.Deviations) != 0 {
		t.Errorf("%d of %d texts were refused, %d deviations are on record", told, len(sheets), len(p.Deviations))
	}
}

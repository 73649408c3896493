package flow

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
	"claviger/ui/sample"
)

func recordOf(s *ceremony.State) Record {
	return Record{State: s, Ledger: ledger.NewMemory(), Verified: true, Report: func(number string) string {
		if number == "2026-014" {
			return "/site/evidence/2026-014/report.pdf"
		}
		return ""
	}}
}

func TestOverviewSaysWhatNeedsADecision(t *testing.T) {
	key := func(state ceremony.KeyState, until time.Time) func(*ceremony.State) {
		return func(s *ceremony.State) {
			k := sample.Key("root", "ec-p384", noon.AddDate(-2, 0, 0), until, state)
			s.Keys[k.Body.ID] = k
		}
	}
	later := noon.AddDate(15, 0, 0)
	for name, c := range map[string]struct {
		make     func(*ceremony.State)
		greeting string
		due      []string
	}{
		"empty":                {func(*ceremony.State) {}, "Good morning. Nothing needs a decision.", nil},
		"real, and not opened": {func(s *ceremony.State) { s.Site.Practice = false }, "Good morning. This site is not opened yet.", nil},
		"long to go":           {key(ceremony.Active, later), "Good morning. Nothing needs a decision.", nil},
		"soon":                 {key(ceremony.Active, noon.AddDate(0, 0, 11)), "Good morning. One thing needs a decision.", []string{"root: its use ends: deactivate it, from 3 Dec 2026 on"}},
		"over":                 {key(ceremony.Active, noon.AddDate(0, 0, -11)), "Good morning. One thing needs a decision.", []string{"root: its use ends: deactivate it"}},
		"over, and destroyed":  {key(ceremony.Destroyed, noon.AddDate(0, 0, -11)), "Good morning. Nothing needs a decision.", nil},
		"to be accepted":       {key(ceremony.PreActivation, later), "Good morning. One thing needs a decision.", []string{"root waits for acceptance by its owner, Dana Weiss, and the approver"}},
		"compromised":          {key(ceremony.Compromised, later), "Good morning. One thing needs a decision.", []string{"root: it is compromised: have it destroyed"}},
		"unknown object": {func(s *ceremony.State) {
			s.Looked = &ceremony.Look{TokenInventory: ceremony.TokenInventory{Serial: "77", Unknown: make([]ceremony.ObjectSeen, 2)}}
		}, "Good morning. One thing needs a decision.", []string{"The HSM holds 2 objects that this record does not know: the next ceremony asks what becomes of it"}},
		"item out of its bag": {func(s *ceremony.State) {
			s.Items["laptop 1"] = &ceremony.Item{Name: "laptop 1", Holder: "marta-brandt", State: ceremony.OutOfBag}
		}, "Good morning. One thing needs a decision.", []string{"Laptop 1 is out of its bag, with Marta Brandt"}},
		"a site in use": {func(s *ceremony.State) { *s = *sample.Site() }, "Good morning. Ceremony 2026-015 waits to be finished.", []string{
			"Ceremony 2026-015, Generate a signing key: paused at step 3",
			"The secret of set QYDJ C02W must be changed: nobody answers for card 2 of set QYDJ C02W, card 3 of set QYDJ C02W",
			"northwind-root-2026 waits for acceptance by its owner, Dana Weiss, and the approver", "codesign-2024: its use ends: deactivate it, from 3 Dec 2026 on", "codesign-2021: nothing is read with it any more: have it destroyed",
			"Laptop 1 is out of its bag, with Marta Brandt",
			"The old cards of set QY75 UHMQ still open a backup of timestamps-2025: see that it is backed up under other cards, have the old media destroyed, then the old cards"}},
	} {
		s := sample.Empty()
		c.make(s)
		o := NewOverview(ceremony.Snapshot{}, recordOf(s), nil, noon)
		if o.Greeting != c.greeting {
			t.Errorf("%s: %q, want %q", name, o.Greeting, c.greeting)
		}
		var due []string
		for _, d := range o.Due {
			due = append(due, d.Text)
		}
		if diff := cmp.Diff(c.due, due); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for hour, want := range map[int]string{2: "Good night", 9: "Good morning", 13: "Good afternoon", 20: "Good evening"} {
		if got := greeting(time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC)); got != want {
			t.Errorf("at %d: %q", hour, got)
		}
	}
}

// The first page stays short however long the record is, and what is due comes
// first.
func TestOverviewShowsTheBeginningOfLongLists(t *testing.T) {
	s := sample.Site()
	sample.ManyKeys(s, 2000)
	o := NewOverview(ceremony.Snapshot{}, recordOf(s), nil, noon)
	if len(o.Keys) != keysShown || o.AllKeys != "All 2 005 keys" {
		t.Errorf("%d keys, then %q", len(o.Keys), o.AllKeys)
	}
	if got := o.Keys[0].Cells[0].Text; got != "northwind-root-2026" {
		t.Errorf("the first key is %q", got)
	}
	for range 60 {
		s.Items[fmt.Sprint("medium ", len(s.Items))] = &ceremony.Item{State: ceremony.OutOfBag}
	}
	o = NewOverview(ceremony.Snapshot{}, recordOf(s), nil, noon)
	if n := len(o.Due); n != 67 || o.Due[0].Ref.ID != "2026-015" {
		t.Errorf("%d things due, first %v", n, o.Due[0])
	}
	// What is gravest is never behind what is only due, however much that is.
	if got := o.Due[1]; got.Tone != Bad || !strings.HasPrefix(got.Text, "The secret of set ") || got.Ref.ID != "set 1b2c3d4e" {
		t.Errorf("after the open ceremony comes %v", got)
	}
}

func TestTrustSaysWhatIsNotKnown(t *testing.T) {
	looked := &ceremony.Look{At: noon}
	for name, c := range map[string]struct {
		snapshot ceremony.Snapshot
		look     *ceremony.Look
		want     []TrustRow
	}{
		"signed to the end": {ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 2318, Verified: true, SignedTo: 2318}, HSM: ceremony.HSMView{State: "open"}}, looked,
			[]TrustRow{{"2 318 records, chain unbroken, every rule kept", Good}, {"Signed by the HSM up to the last record", Good}, {"The HSM held nothing unknown when it was last looked into, on 22 Nov 2026 11:42:31 UTC", Good}}},
		"signed in part": {ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 20, Verified: true, SignedTo: 19}, HSM: ceremony.HSMView{State: "absent"}}, looked,
			[]TrustRow{{"20 records, chain unbroken, every rule kept", Good}, {"Signed by the HSM up to record 18; 1 record is later", Info}, {"The HSM is not there", Waiting}}},
		"a finding": {ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 20, Findings: []string{"record 7: changed"}}}, nil,
			[]TrustRow{{"record 7: changed", Bad}, {"Not yet signed by the HSM", Waiting}, {"Nobody has looked into the HSM yet", Info}}},
		"something unknown": {ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 20, Verified: true, SignedTo: 20}}, &ceremony.Look{At: noon, TokenInventory: ceremony.TokenInventory{Unknown: make([]ceremony.ObjectSeen, 1)}},
			[]TrustRow{{"20 records, chain unbroken, every rule kept", Good}, {"Signed by the HSM up to the last record", Good}, {"The HSM held 1 object that this record does not know, on 22 Nov 2026 11:42:31 UTC", Waiting}}},
	} {
		s := sample.Empty()
		s.Looked = c.look
		c.want = append(c.want, TrustRow{"Nothing brought from outside was compared: keep each checkpoint that you carry away", Info})
		if diff := cmp.Diff(c.want, trust(c.snapshot, s)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// What people wrote down when they paused is said again before they go on.
	signed := sample.Empty()
	root := bytes.Repeat([]byte{0x7d, 0x1e}, 16)
	signed.Note = fmt.Sprintf("claviger-practice/1b2c3d4e\n20\n%s\n\n— somebody %s\n", base64.StdEncoding.EncodeToString(root), base64.StdEncoding.EncodeToString(make([]byte, 68)))
	snapshot := ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 20, Verified: true, SignedTo: 20}}
	if said := trust(snapshot, signed); len(said) != 4 {
		t.Errorf("with nothing to go on with: %v", said)
	}
	signed.Ceremonies = append(signed.Ceremonies, &ceremony.Progress{Status: ceremony.PausedStatus})
	said := trust(snapshot, signed)
	if want := (TrustRow{"The head that it signed begins with the words " + saidInWords(root, 5), Info}); !slices.Contains(said, want) {
		t.Errorf("the head is not said again: %v", said)
	}
	rows := trust(ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 20, Verified: true, SignedTo: 20, Compared: []string{"token 77, up to record 18"}}, HSM: ceremony.HSMView{State: "open"}}, sample.Empty())
	if diff := cmp.Diff(TrustRow{"Agrees with token 77, up to record 18", Good}, rows[len(rows)-1]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What is contradicted, or does not hold, is only shown.
func TestReadOnlySiteOffersNothing(t *testing.T) {
	for name, l := range map[string]ceremony.LedgerView{
		"contradicted":  {Records: 20, Verified: true, Contradiction: "record 19: two histories were signed"},
		"does not hold": {Records: 20, Findings: []string{"record 19: two histories were signed"}},
	} {
		o := NewOverview(ceremony.Snapshot{Ledger: l}, recordOf(sample.Site()), []Start{{Name: "key-generation"}}, noon)
		if o.ReadOnly == nil || !strings.Contains(o.ReadOnly.Happened, "ecord 19: two histories were signed") || o.Trust[0].Tone != Bad {
			t.Errorf("%s: told %v and %v", name, o.ReadOnly, o.Trust)
		}
		if len(o.Starts) > 0 || o.Resume != "" || o.Ceremonies[0].Open || o.Greeting != "Good morning. This site is read-only." {
			t.Errorf("%s: offers %+v", name, o)
		}
	}
	if got := NewDone(Finished{Trouble: &Trouble{}, Contradicted: true}); strings.Contains(got.Text, "can be resumed") {
		t.Errorf("a contradicted ceremony: %q", got.Text)
	}
}

// TestRecordThatAnotherWindowWrites is shown whole, names who writes it, and
// offers no act anywhere.
func TestRecordThatAnotherWindowWrites(t *testing.T) {
	const holder = "process 4711 of user 1000 on lab since 2026-11-22T11:00:00.000Z"
	snapshot := ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 20, Verified: true, Holder: holder}}
	r := recordOf(sample.Site())
	r.Held = true
	o := NewOverview(snapshot, r, []Start{{Name: "key-generation"}}, noon)
	if o.ReadOnly == nil || !strings.Contains(o.ReadOnly.Happened, holder) || !strings.Contains(o.ReadOnly.Do, "close the other window") {
		t.Errorf("told %+v", o.ReadOnly)
	}
	if len(o.Starts) > 0 || o.Resume != "" || o.Ceremonies[0].Open || len(o.Keys) == 0 {
		t.Errorf("offers %+v", o)
	}
	if f := NewFrame(snapshot); !strings.Contains(f.Held, holder) || !strings.Contains(f.Held, "READ-ONLY") {
		t.Errorf("the band says %q", f.Held)
	}
	if f := NewFrame(ceremony.Snapshot{}); f.Held != "" {
		t.Errorf("where the record is written the band says %q", f.Held)
	}
	acts := 0
	for place, table := range map[string]func(Record) Table{InCeremonies: NewCeremonies, InKeys: func(r Record) Table { return NewKeys(r, noon) }, InCustody: NewCustody, InPeople: NewPeople, InEvidence: NewEvidence} {
		if got := table(r).Acts; len(got) > 0 {
			t.Errorf("%s offers %v", place, got)
		}
		for _, row := range table(r).Rows {
			d, _ := NewDetail(r, Ref{Place: place, ID: row.ID}, noon)
			for _, a := range d.Acts {
				if a.Verb != ShowEvidence {
					t.Errorf("%s %s offers %q", place, row.ID, a.Label)
				}
			}
			open, _ := NewDetail(recordOf(sample.Site()), Ref{Place: place, ID: row.ID}, noon)
			acts += len(open.Acts)
		}
	}
	if acts == 0 {
		t.Error("nothing is offered where the record is written, either")
	}
}

// TestLedgerPageTellsOfTheClosedFile, and never that it is the same where it is not.
func TestLedgerPageTellsOfTheClosedFile(t *testing.T) {
	closing := &ceremony.Closing{At: noon, Head: ledger.Head{Size: 128}, Bytes: 167936, SHA256: ledger.BlobHash(nil)}
	for name, c := range map[string]struct {
		last ceremony.LastClosed
		says string
		hash bool
	}{
		"never closed":    {ceremony.LastClosed{}, "", false},
		"the same":        {ceremony.LastClosed{Receipt: closing, Same: true}, "with 128 records, as a file of 167 936 bytes, and found so, byte for byte", true},
		"another":         {ceremony.LastClosed{Receipt: closing}, "not the same, byte for byte", true},
		"no receipt":      {ceremony.LastClosed{Why: "it is torn"}, "The file was not compared with its receipt: it is torn.", false},
		"nothing to hash": {ceremony.LastClosed{Receipt: closing, Why: "it is gone"}, "not compared with its receipt: it is gone.", true},
	} {
		r := recordOf(sample.Site())
		r.LastClosed = c.last
		p := NewLedgerPage(r)
		if !strings.Contains(p.Closed, c.says) || (c.says == "") != (p.Closed == "") || strings.Contains(p.Closed, "found so") != c.last.Same {
			t.Errorf("%s: %q", name, p.Closed)
		}
		if got := strings.HasPrefix(p.Hash, "e3b0 c442 98fc"); got != c.hash {
			t.Errorf("%s: SHA-256 %q", name, p.Hash)
		}
	}
}

// Every list says what to do first where it is empty, and every row of a list
// leads to a page.
func TestEveryRowLeadsToItsPage(t *testing.T) {
	tables := map[string]func(Record) Table{InCeremonies: NewCeremonies, InKeys: func(r Record) Table { return NewKeys(r, noon) }, InCustody: NewCustody, InPeople: NewPeople, InEvidence: NewEvidence}
	for place, table := range tables {
		if got := table(recordOf(sample.Empty())); len(got.Rows) > 0 || got.First == "" {
			t.Errorf("%s, empty: %+v", place, got)
		}
		r := recordOf(sample.Site())
		got := table(r)
		if len(got.Rows) == 0 {
			t.Errorf("%s lists nothing", place)
		}
		for _, row := range got.Rows {
			if len(row.Cells) != len(got.Columns) {
				t.Errorf("%s: row %s has %d cells under %d headings", place, row.ID, len(row.Cells), len(got.Columns))
			}
			d, ok := NewDetail(r, Ref{Place: place, ID: row.ID}, noon)
			if !ok || d.Title == "" || len(d.Groups) == 0 {
				t.Errorf("%s: row %s leads to %+v", place, row.ID, d)
			}
			for _, ref := range d.Refs {
				if _, ok := NewDetail(r, ref, noon); !ok {
					t.Errorf("%s: row %s leads on to %v, which is not there", place, row.ID, ref)
				}
			}
		}
		if _, ok := NewDetail(r, Ref{Place: place, ID: "nothing of this name"}, noon); ok {
			t.Errorf("%s has a page for what is not there", place)
		}
	}
}

// The inventory has every field of SP 800-130 section 6.2, and says where
// nothing was recorded.
func TestInventoryHasEveryField(t *testing.T) {
	s := sample.Site()
	d, _ := NewKeyDetail(recordOf(s), s.KeyNamed("codesign-2024").Body.ID, noon)
	facts := map[string]string{}
	for _, g := range d.Groups {
		for _, f := range g.Facts {
			facts[f.Label] = f.Value
		}
	}
	for label, want := range map[string]string{
		"Label": "codesign-2024", "Identifier (CKA_ID)": "", "Algorithm": "RSA-3072", "Type": "Asymmetric key pair", "Length": "3072 bits", "Strength": "128 bits", "Parameters": "public exponent 65537",
		"Format": "object in a PKCS#11 token; public half as SubjectPublicKeyInfo, DER", "Approved use": "Signing only", "Applications": notRecorded, "Modes": notRecorded,
		"Owner": "Dana Weiss", "Who may use it": "whoever opens the token: any 2 of 3 cards of set " + setName("0a1b2c3d") + ", in a ceremony that officers authorise", "Policy": notRecorded, "Parent key": "none: the token made it by itself", "Uses counted": notRecorded,
		"State": "Active", "Generated": "22 Nov 2024 11:42:31 UTC", "Use from": "22 Nov 2024", "Use until": "3 Dec 2026", "Possession proved": notRecorded, "Revocation reason": notRecorded,
		"Active":  "from 2024-11-23, recorded 23 Nov 2024 11:42:31 UTC\nbecause: report accepted\nsigned by Dana Weiss, owner; Tomas Novak, approver",
		"Product": "Northwind HSM 7", "Token": "NW-HSM-01", "Firmware": "2.6", "Hardware": "4.1", "Kind of token": "hardware", "Protection": "module-only", "Sensitivity": "sensitive: its value cannot be read out of the token",
		"never-extractable": "true",
	} {
		got, ok := facts[label]
		if !ok || want != "" && got != want {
			t.Errorf("%s: %q, want %q", label, got, want)
		}
	}
	if len(d.Groups[0].Hashes) != 1 || len(d.Groups[0].Hashes[0].Words) != 32 {
		t.Errorf("the fingerprint is not there in words: %+v", d.Groups[0].Hashes)
	}
	if d.Text != "Never leaves the HSM it was made in, wrapped or not." {
		t.Errorf("protection: %q", d.Text)
	}
}

func TestFilterKeepsRowsThatHaveEveryWord(t *testing.T) {
	keys := NewKeys(recordOf(sample.Site()), noon)
	for typed, want := range map[string]int{"": 5, "codesign": 2, "codesign 2021": 1, "CODESIGN RSA": 2, "deactivated": 1, "dana": 5, "nothing": 0} {
		if got := keys.Filter(typed); len(got) != want {
			t.Errorf("%q finds %d, want %d", typed, len(got), want)
		}
	}
	if got := keys.Found(2); got != "2 of 5 keys" {
		t.Errorf("told %q", got)
	}
	if got := keys.Found(5); got != "5 keys" {
		t.Errorf("told %q", got)
	}
}

func searchable() Record {
	r := recordOf(sample.Site())
	r.Ledger = sample.Ledger(400)
	r.State.Size = 400
	return r
}

func TestSearchFindsKindCeremonyPersonAndWords(t *testing.T) {
	r := searchable()
	for name, c := range map[string]struct {
		q    Query
		want int
		last int64 // the newest
	}{
		"all":                        {Query{}, 400, 399},
		"kind in words":              {Query{Words: "key generated"}, 100, 398},
		"kind as written":            {Query{Words: "signoff.given"}, 100, 397},
		"ceremony":                   {Query{Words: "2026-001"}, 200, 399},
		"person by name":             {Query{Words: "Ελένη"}, 100, 399},
		"person, latin, no case":     {Query{Words: "papadopoulou EGHT"}, 0, 0},
		"two words":                  {Query{Words: "brandt 2026-000"}, 50, 197},
		"a label":                    {Query{Words: "key-0042"}, 1, 42},
		"names":                      {Query{Names: named("key-0042", "key-0046")}, 2, 46},
		"part of a label is no name": {Query{Names: named("key-004")}, 0, 0},
		"nothing":                    {Query{Words: "quorum of owls"}, 0, 0},
	} {
		got, err := Search(context.Background(), r, c.q)
		if err != nil || len(got) != c.want || c.want > 0 && got[0] != c.last {
			t.Errorf("%s: %d found, the newest %v, %v", name, len(got), got[:min(len(got), 1)], err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Search(ctx, r, Query{}); err == nil {
		t.Error("a search that was called off has a result")
	}
}

func TestLinesComeInTheOrderAskedFor(t *testing.T) {
	rows, err := Lines(context.Background(), searchable(), []int64{9, 8, 7, 42, 3, 4, 5000})
	if err != nil {
		t.Fatal(err)
	}
	var seqs []int64
	for _, r := range rows {
		seqs = append(seqs, r.Seq)
	}
	if !slices.Equal(seqs, []int64{9, 8, 7, 42, 3, 4, 5000}) {
		t.Errorf("rows of %v", seqs)
	}
	want := RecordRow{Seq: 42, Time: "2026-11-22 11:43:13", Kind: "Key generated", About: "key-0042", Ceremony: "2026-000"}
	if diff := cmp.Diff(want, rows[3]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if rows[0].About != "Marta Brandt · administrator · phase" || rows[6].Tone != Bad {
		t.Errorf("rows %+v", rows)
	}
}

// A page about a record has all of it: its place, who signed it, what covers
// it, and its content.
func TestRecordDetail(t *testing.T) {
	r := searchable()
	r.State.SignedTo = 300
	d, err := NewRecordDetail(context.Background(), r, 5)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", d)
	for _, want := range []string{"Record 5", "Signed by Value:Marta Brandt", "Verdict Value:agree", "over 300 records", "c2sp.org/tlog-proof@v1", "\u00a0\u00a0\"act\": \"phase\"", "signoff.given, version 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if d, err = NewRecordDetail(context.Background(), r, 350); err != nil || !strings.Contains(fmt.Sprint(d), "Not yet: the HSM's last checkpoint covers 300 records") {
		t.Errorf("uncovered: %v, %+v", err, d)
	}
	if _, err := NewRecordDetail(context.Background(), r, 400); err == nil {
		t.Error("a record that is not there has a page")
	}
}

func TestHistoryNamesEveryRecord(t *testing.T) {
	r := searchable()
	d, err := Detail{Names: named("marta-brandt")}.Traced(context.Background(), r)
	if err != nil || len(d.History) != historyLines || d.More != 100-historyLines || d.History[0].Seq != 1 {
		t.Errorf("%d lines, %d more, %v", len(d.History), d.More, err)
	}
}

// Scrolling through 100 000 records reads a page at a time, never one that was
// passed by, and keeps a few.
func TestPagerReadsOnlyWhatIsLookedAt(t *testing.T) {
	var asked []int
	p := NewPager[int](func(page int) { asked = append(asked, page) })
	got := func() {
		page := asked[len(asked)-1]
		rows := make([]int, PageRows)
		for i := range rows {
			rows[i] = page*PageRows + i
		}
		p.Got(page, rows)
	}
	for i := 0; i < 100_000; i += 20 { // a page down, again and again, faster than the disk
		p.Row(i)
	}
	if len(asked) != 1 {
		t.Fatalf("%d pages were asked for at once", len(asked))
	}
	got()
	got()
	if want := []int{0, 99_980 / PageRows}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
	if row, ok := p.Row(99_980); !ok || row != 99_980 {
		t.Errorf("row %d, %v", row, ok)
	}
	for page := range 100 {
		p.Row(page * PageRows)
		got()
	}
	if len(p.pages) > keptPages || len(p.used) > keptPages {
		t.Errorf("%d pages are kept", len(p.pages))
	}
}

func TestOnlyWhatCanBeHeldIsOffered(t *testing.T) {
	parse := func(parameters string) *script.Plan {
		p, err := script.Parse([]byte("ceremony: key-destruction\nversion: 1\ntitle: Destroy a key\nroles: { administrator: 1, officer: 2, witness: 1, third-party-witness: 2 }\nparameters:\n"+parameters+"phases:\n  - title: One\n    sign: [officer]\n    steps:\n      - { id: room, kind: room-check, title: Room, say: Welcome. }\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	free := func(label string) string { return label + "-2" }
	key := parse("  key: { type: key, ask: \"Which key\" }\n")
	if _, ok := NewStart(key, sample.Empty(), free); ok {
		t.Error("a destruction is offered where there is no key")
	}
	st, ok := NewStart(key, sample.Site(), free)
	if !ok || st.About != "1 administrator, 2 officers, 1 witness, 2 third-party witnesses" || st.Needs != "needs 6 people" {
		t.Fatalf("%v, %+v", ok, st)
	}
	var keys []string
	for _, c := range st.Parameters[0].Of {
		keys = append(keys, c.ID)
	}
	slices.Sort(keys)
	if want := []string{"codesign-2021", "codesign-2024", "northwind-root-2026", "timestamps-2025"}; !slices.Equal(keys, want) {
		t.Errorf("keys %v, want all but the destroyed one", keys)
	}
	st, ok = NewStart(parse("  label: { type: label, ask: \"Label\", default: root }\n  owner: { type: person, ask: \"Owner\", default: nobody }\n"), sample.Site(), free)
	if !ok || st.Parameters[0].Default != "root-2" || st.Parameters[1].Default != "dana-weiss" || len(st.Parameters[1].Of) != 1 {
		t.Errorf("%v, %+v", ok, st)
	}
}

func TestWhatPeopleStartMostIsOfferedFirst(t *testing.T) {
	var names []string
	for _, st := range InOrder([]Start{{Name: "zoo"}, {Name: "custody"}, {Name: "another"}, {Name: "key-destruction"}, {Name: "key-generation"}}) {
		names = append(names, st.Name)
	}
	if want := []string{"key-generation", "key-destruction", "custody", "another", "zoo"}; !slices.Equal(names, want) {
		t.Errorf("offered %v", names)
	}
}

func TestChoicesAreInWords(t *testing.T) {
	for want, got := range map[string]Choice{
		"EC P-384": choiceFor("algorithm", "ec-p384"), "Signing only": choiceFor("purpose", "sign"), "Module only": choiceFor("protection", "module-only"), "No longer needed": choiceFor("reason", "no-longer-needed")} {
		if got.Label != want {
			t.Errorf("%q is said as %q", got.ID, got.Label)
		}
	}
	if c := choiceFor("protection", "wrap-backup"); c.Help != "Leaves only wrapped; a backup and enough recovery cards can rebuild it outside an HSM." {
		t.Errorf("the consequence: %q", c.Help)
	}
}

// What a key asks of people, and when, is State's to say: the window tells of it as
// long before as State does.
func TestKeysAreDueAsStateSays(t *testing.T) {
	s := sample.Empty()
	k := sample.Key("root", "ec-p384", noon.AddDate(-2, 0, 0), noon.AddDate(0, 0, 100), ceremony.Active)
	s.Keys[k.Body.ID] = k
	due := s.KeysDue()[0]
	for at, told := range map[time.Time]bool{due.From.Add(-ceremony.KeyNotice - time.Hour): false, due.From.Add(-ceremony.KeyNotice): true} {
		o := NewOverview(ceremony.Snapshot{}, recordOf(s), nil, at)
		if (len(o.Due) == 1) != told {
			t.Errorf("at %s: %v", at, o.Due)
		}
	}
}

func TestVerificationNamesNoOptionsOfTheChecker(t *testing.T) {
	v := NewVerification(Audited{Holds: true, NotChecked: []string{"whose record this is: bring the site's verifier key (--site)."}}, noon)
	if v.NotChecked[0] != "Whose record this is: bring the site's verifier key." {
		t.Errorf("told %q", v.NotChecked[0])
	}
}

// What can be said of a key follows from its state, and names those whose word
// it takes.
func TestKeyChangesFollowFromTheState(t *testing.T) {
	s := sample.Site()
	r := recordOf(s)
	for label, want := range map[string][]string{
		"northwind-root-2026": {"Accept the key", "Declare it compromised"},
		"codesign-2024":       {"End its use", "Suspend it, by the approver", "Suspend it, by the owner", "Declare it compromised, by the approver", "Declare it compromised, by two officers"},
		"codesign-2021":       {"Declare it compromised"}, "dnssec-ksk-2023": nil} {
		var got []string
		for _, a := range changeActs(s, s.KeyNamed(label)) {
			got = append(got, a.Label)
			if _, ok := NewKeyChange(r, s.KeyNamed(label).Body.ID, a.To, a.By); !ok {
				t.Errorf("%s: %q leads nowhere", label, a.Label)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s offers %v, want %v", label, got, want)
		}
	}
	c, _ := NewKeyChange(r, s.KeyNamed("northwind-root-2026").Body.ID, string(ceremony.Active), []string{"owner", "approver"})
	if _, wrong := c.Signed([]int{0, -1}, " "); wrong["approver"] == "" || wrong["reason"] == "" {
		t.Errorf("incomplete: %v", wrong)
	}
	parts, wrong := c.Signed([]int{0, 0}, "read")
	if want := []ceremony.Part{{Person: "dana-weiss", Role: "owner"}, {Person: "tomas-novak", Role: "approver"}}; wrong != nil || !slices.Equal(parts, want) {
		t.Errorf("signed by %v, %v", parts, wrong)
	}
	two, _ := NewKeyChange(r, s.KeyNamed("codesign-2024").Body.ID, string(ceremony.Compromised), []string{"officer", "officer"})
	if _, wrong := two.Signed([]int{1, 1}, "seen in a log"); wrong["officer"] == "" {
		t.Error("one officer signs for two")
	}
	parts, wrong = two.Signed([]int{1, 0}, "seen in a log")
	if want := []ceremony.Part{{Person: "rui-santos", Role: "officer"}, {Person: "priya-kapoor", Role: "officer"}}; wrong != nil || !slices.Equal(parts, want) {
		t.Errorf("signed by %v, %v", parts, wrong)
	}
}

// A new key that cannot be accepted yet says why, and offers what does work.
func TestAcceptanceWaits(t *testing.T) {
	s := sample.Site()
	k := s.KeyNamed("northwind-root-2026")
	labels := func() (out []string, off string) {
		for _, a := range changeActs(s, k) {
			if a.Off != "" {
				off = a.Off
				continue
			}
			out = append(out, a.Label)
		}
		return out, off
	}
	k.Body.Protection = "wrap-backup"
	got, off := labels()
	if want := []string{"Accept it without a backup", "Declare it compromised"}; !slices.Equal(got, want) || off != "northwind-root-2026 has no backup: hold key-backup, or have owner and approver waive it." {
		t.Errorf("without a backup: %v, %q", got, off)
	}
	if c, ok := NewKeyChange(recordOf(s), k.Body.ID, string(ceremony.Active), []string{"owner", "approver"}); !ok || !c.Waived || !strings.Contains(c.Text, "no backup would bring the key back") {
		t.Errorf("the page is %+v", c)
	}
	delete(s.Reports, k.Ceremony)
	got, off = labels()
	if !slices.Equal(got, []string{"Declare it compromised"}) || off != "No report of ceremony "+k.Ceremony+" was made yet, and northwind-root-2026 is accepted by its report: make it first." {
		t.Errorf("without a report: %v, %q", got, off)
	}
	if _, ok := NewKeyChange(recordOf(s), k.Body.ID, string(ceremony.Active), []string{"owner", "approver"}); ok {
		t.Error("a key nobody reported can be accepted")
	}
}

func TestReceiptSaysTheHashInWords(t *testing.T) {
	d := NewReceipt(Receipt{Of: "the ledger", Folder: "/media/usb/claviger", Files: []Copied{{Name: "ledger.db", Bytes: 196608}}})
	if d.State != "✓ Safe to remove" || len(d.Groups) != 2 || len(d.Groups[1].Hashes[0].Words) != 32 || d.Groups[1].Facts[0].Value != "196 608 bytes" {
		t.Errorf("%+v", d)
	}
}

// TestOnlyKeysThatFitAreOffered: by the rule that refuses such a ceremony before anyone
// comes together for it.
func TestOnlyKeysThatFitAreOffered(t *testing.T) {
	s := sample.Site()
	s.KeyNamed("codesign-2024").Body.Protection = "wrap-backup"
	offered := func(name string) string {
		src, err := assets.Script(name)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := script.Parse(src, nil)
		if err != nil {
			t.Fatal(err)
		}
		var labels []string
		st, _ := NewStart(plan, s, func(l string) string { return l })
		for _, p := range st.Parameters {
			for _, c := range p.Of {
				if p.Name == "key" {
					labels = append(labels, c.ID)
				}
			}
		}
		return strings.Join(labels, " ")
	}
	for name, want := range map[string]string{"key-backup": "timestamps-2025 codesign-2024", "key-restore": "timestamps-2025", "key-destruction": "northwind-root-2026 codesign-2021 timestamps-2025 codesign-2024"} {
		if got := offered(name); got != want {
			t.Errorf("%s is offered for %q, want %q", name, got, want)
		}
	}
}

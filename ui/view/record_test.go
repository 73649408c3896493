package view

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"github.com/google/go-cmp/cmp"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/sample"
	"claviger/ui/theme"
)

func recordOf(s *ceremony.State) flow.Record {
	return flow.Record{State: s, Ledger: ledger.NewMemory(), Verified: true, Report: func(number string) string {
		if number == "2026-014" {
			return "/site/evidence/2026-014/report.pdf"
		}
		return ""
	}, Script: func(ledger.Hash) *script.Plan {
		plan, err := script.Parse(sample.Script(), s.KnownKinds())
		if err != nil {
			panic(err)
		}
		return plan
	}, Shipped: []flow.Choice{{ID: "key-generation", Label: "Generate a signing key", Help: "key-generation, version 1"}}, Module: []flow.Fact{{Label: "Library", Value: "/usr/lib/softhsm/libsofthsm2.so", Mono: true}}}
}

// recordScreens are the pages of the record: each list, empty and not, and the
// page of one of its things.
func recordScreens(public func(string, ceremony.Snapshot, func() *Screen)) {
	r := recordOf(sample.Site())
	r.Ledger = sample.Ledger(200)
	detail := func(name string, make func() flow.Detail) {
		public(name, overviewSnapshot(), func() *Screen {
			d, err := make().Traced(context.Background(), r)
			if err != nil {
				panic(err)
			}
			return Detail(d, DetailActions{})
		})
	}
	tables := map[string]func(flow.Record) flow.Table{"ceremonies": flow.NewCeremonies, "keys": func(r flow.Record) flow.Table { return flow.NewKeys(r, noon) },
		"orders": func(r flow.Record) flow.Table { return flow.NewOrders(r, noon) }, "custody": flow.NewCustody, "people": flow.NewPeople, "evidence": flow.NewEvidence}
	for name, table := range tables {
		t := table(r)
		public(name, overviewSnapshot(), func() *Screen { return Table(t, TableActions{Open: func(string) {}}) })
		public(name+"-empty", overviewSnapshot(), func() *Screen { return Table(table(recordOf(sample.Empty())), TableActions{}) })
	}
	for _, p := range []struct{ name, place, id string }{
		{"order", flow.InOrders, r.State.Orders[3].Leaf.String()}, {"order-withdrawn", flow.InOrders, r.State.Orders[2].Leaf.String()},
		{"ceremony", flow.InCeremonies, "2026-014"}, {"ceremony-paused", flow.InCeremonies, "2026-015"}, {"key", flow.InKeys, r.State.KeyNamed("codesign-2024").Body.ID},
		{"set", flow.InCustody, "set 0a1b2c3d"}, {"item", flow.InCustody, "item backup medium 1"}, {"token", flow.InCustody, "token 77004312"},
		{"person", flow.InPeople, "yuliya-kovalchuk"}, {"evidence-of", flow.InEvidence, "2026-014"}, {"evidence-missing", flow.InEvidence, "2026-001"}} {
		detail(p.name, func() flow.Detail {
			d, ok := flow.NewDetail(r, flow.Ref{Place: p.place, ID: p.id}, noon)
			if !ok {
				panic(p.name)
			}
			return d
		})
	}
	strange := recordOf(odd())
	for _, p := range []struct {
		name, place, id string
		r               flow.Record
	}{
		{"set-due", flow.InCustody, "set 1b2c3d4e", r}, {"set-withdrawn", flow.InCustody, "set 2c3d4e5f", r}, {"set-still-opens", flow.InCustody, "set 3d4e5f60", r}, {"token-second", flow.InCustody, "token 77004313", r},
		{"key-restored", flow.InKeys, r.State.KeyNamed("timestamps-2025").Body.ID, r}, {"key-compromised", flow.InKeys, r.State.KeyNamed("timestamps-2025").Body.ID, strange}, {"key-quarantined", flow.InKeys, r.State.KeyNamed("codesign-2024").Body.ID, strange},
		{"person-traced", flow.InPeople, "eleni-papadopoulou", r}} {
		detail(p.name, func() flow.Detail {
			d, ok := flow.NewDetail(p.r, flow.Ref{Place: p.place, ID: p.id}, noon)
			if !ok {
				panic(p.name)
			}
			return d
		})
	}
	detail("key-unbacked", func() flow.Detail {
		r := r
		r.State = sample.Site()
		k := r.State.KeyNamed("northwind-root-2026")
		k.Body.Protection = "wrap-backup"
		d, _ := flow.NewDetail(r, flow.Ref{Place: flow.InKeys, ID: k.Body.ID}, noon)
		return d
	})
	detail("evidence-trouble", func() flow.Detail {
		d, _ := flow.NewDetail(r, flow.Ref{Place: flow.InEvidence, ID: "2026-014"}, noon)
		d.Trouble = &flow.Trouble{Happened: "The file report.pdf is not the report that the record names.", Safe: "The record is whole.", Do: "Move that file away, then make the report again."}
		return d
	})
	beforeCeremonies(public, detail, r)
	detail("record", func() flow.Detail {
		r := r
		r.State = sample.Site()
		r.State.SignedTo = 150
		d, err := flow.NewRecordDetail(context.Background(), r, 5)
		if err != nil {
			panic(err)
		}
		return d
	})
	detail("copied", func() flow.Detail {
		return flow.NewReceipt(flow.Receipt{Of: "the ledger", Folder: "/media/usb/claviger", Files: []flow.Copied{{Name: "ledger.db", Bytes: 196608}}})
	})
	public("ledger", overviewSnapshot(), func() *Screen {
		rows, err := flow.Lines(context.Background(), r, []int64{199, 198, 197, 196, 195, 194, 193, 192, 191, 190, 189, 188})
		if err != nil {
			panic(err)
		}
		r := r
		r.LastClosed = ceremony.LastClosed{Same: true, Receipt: &ceremony.Closing{At: noon, Head: ledger.Head{Size: 196}, Bytes: 167936, SHA256: ledger.BlobHash(nil)}}
		l := NewLedger(flow.NewLedgerPage(r), flow.Query{}, LedgerActions{})
		l.Show(200, "200 records", func(i int) (flow.RecordRow, bool) {
			if i >= len(rows) {
				return flow.RecordRow{}, false
			}
			return rows[i], true
		})
		return l.Screen
	})
	public("ledger-empty", overviewSnapshot(), func() *Screen {
		l := NewLedger(flow.NewLedgerPage(recordOf(sample.Empty())), flow.Query{}, LedgerActions{})
		l.Show(0, "", nil)
		return l.Screen
	})
	public("verified", overviewSnapshot(), func() *Screen {
		return Verified(flow.NewVerification(flow.Audited{Holds: true, Records: 2319, SignedTo: 2310, PeopleTo: 2301, Checked: []string{"2319 records: canonical form, chain, tree, every rule, every signature, every checkpoint, every blob."},
			NotChecked: []string{"whose record this is: bring the site's verifier key (--site), which you got by another way than this file."}}, noon), func() {})
	})
	public("verified-not", overviewSnapshot(), func() *Screen {
		return Verified(flow.NewVerification(flow.Audited{Records: 2319, Findings: []string{"record 7: it names another record before it than the one that stands there (record.prev)"}}, noon), func() {})
	})
	public("media", overviewSnapshot(), func() *Screen {
		return Media(flow.NewMedia("the ledger", []flow.Medium{{Mount: "/media/usb", Label: "CUSTODY 7", Size: "4.0 GB", Free: "3.9 GB", Serial: "4C530001"}, {Mount: "/media/card", Size: "32.0 GB"}}, flow.CopyPeople(r)[:3]), nil, nil, nil)
	})
	detail("modules", func() flow.Detail {
		return flow.NewModules([]flow.Module{{Name: "softhsm2", Path: "/usr/lib/softhsm/libsofthsm2.so", SHA256: r.State.Last.String(), Says: "Implementation of PKCS11 2.6", Tokens: []flow.Found{{Label: "NW-HSM-01", Model: "SoftHSM v2", Serial: "77004312", URI: "pkcs11:token=NW-HSM-01;serial=77004312", States: []string{"ready"}}}},
			{Name: "vendor", Path: "/opt/vendor/lib.so", Fault: "couldn't load the module: no such file"}})
	})
	public("change", overviewSnapshot(), func() *Screen {
		c, ok := flow.NewKeyChange(r, r.State.KeyNamed("northwind-root-2026").Body.ID, string(ceremony.Active), []string{"owner", "approver"})
		if !ok {
			panic("change")
		}
		return KeyChange(c, nil, nil)
	})
	public("media-none", overviewSnapshot(), func() *Screen { return Media(flow.NewMedia("the ledger", nil, nil), nil, nil, nil) })
}

// odd is a site in which keys are in states that are rare.
func odd() *ceremony.State {
	s := sample.Site()
	bad := s.KeyNamed("timestamps-2025")
	bad.State = ceremony.Compromised
	bad.Changes = []ceremony.Change{{At: noon, Seq: 2300, Body: ceremony.KeyChanged{At: "2026-11-20", Key: bad.Body.ID, State: ceremony.Compromised, Reason: "a backup was stolen", Signatures: []ceremony.SignedBy{{Person: "dana-weiss", Role: "owner"}}}}}
	s.KeyNamed("codesign-2024").Quarantined = true
	s.KeyNamed("codesign-2021").State = ceremony.DestroyedCompromised
	s.KeyNamed("dnssec-ksk-2023").State = ceremony.Suspended
	return s
}

// Whatever stands on the page of a thing leads where it says.
func TestDetailLeadsOn(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	r := recordOf(sample.Site())
	r.Ledger = sample.Ledger(400)
	d, ok := flow.NewDetail(r, flow.Ref{Place: flow.InPeople, ID: "eleni-papadopoulou"}, noon)
	if !ok {
		t.Fatal("there is nobody")
	}
	d.Acts = []flow.Act{{Verb: flow.MakeAgain, Label: "Make it again"}, {Verb: flow.CopyOut, Label: "Copy it", Off: "no medium"}}
	d.Refs = []flow.Ref{{Place: flow.InCustody, ID: "set 0a1b2c3d", Label: "Its set"}}
	d, err := d.Traced(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.History) == 0 || d.More == 0 {
		t.Fatalf("%d records name her, and %d more", len(d.History), d.More)
	}
	var told []string
	tell := func(what string) { told = append(told, what) }
	s := Detail(d, DetailActions{Back: func() { tell("back") }, Open: func(r flow.Ref) { tell("open " + r.ID) }, Act: func(a flow.Act) { tell("act " + a.Label) },
		Record: func(seq int64) { tell(fmt.Sprint("record ", seq)) }, Trace: func() { tell("trace") }})
	for _, label := range []string{"Back", "Make it again", "Copy it", "Its set", fmt.Sprint("Record ", d.History[0].Seq), "See all in the ledger"} {
		pressed(s, label)
	}
	want := []string{"back", "act Make it again", "open set 0a1b2c3d", fmt.Sprint("record ", d.History[0].Seq), "trace"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// However long a list is, a page of it makes as many rows as fit, and a key
// makes the rows that come into sight.
func TestLongListsMakeOnlyTheRowsThatAreSeen(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	for name, n := range map[string]int{"2 000 keys": 2000, "100 000 records": 100_000} {
		made := 0
		list := kit.NewList([]kit.TableColumn{{Head: "What", Share: 1}, {Head: "When", Share: 1}}, func(i int) []fyne.CanvasObject {
			made++
			return []fyne.CanvasObject{kit.NameCell(fmt.Sprint("row ", i), "below"), kit.Body("22 Nov 2026")}
		})
		w := test.NewTempWindow(t, list)
		w.Resize(fyne.NewSize(1000, 600))
		list.SetCount(n)
		w.Canvas().Focus(list)
		const fits = 13 // rows of 44 points in 600
		if made > 3*fits {
			t.Errorf("%s: %d rows were made to show the first page", name, made)
		}
		for _, c := range []struct {
			key  fyne.KeyName
			at   int
			most int
		}{{fyne.KeyDown, 1, 1}, {fyne.KeyPageDown, -1, 2 * fits}, {fyne.KeyEnd, n - 1, 2 * fits}, {fyne.KeyUp, n - 2, 1}, {fyne.KeyPageUp, -1, 2 * fits}, {fyne.KeyHome, 0, 2 * fits}} {
			made = 0
			list.TypedKey(&fyne.KeyEvent{Name: c.key})
			if made > c.most {
				t.Errorf("%s: %s made %d rows", name, c.key, made)
			}
			if c.at >= 0 && list.At() != c.at {
				t.Errorf("%s: %s leads to row %d, want %d", name, c.key, list.At(), c.at)
			}
		}
		made = 0
		list.Scrolled(&fyne.ScrollEvent{Scrolled: fyne.NewDelta(0, -10)})
		if made > 3*fits {
			t.Errorf("%s: a turn of the wheel made %d rows", name, made)
		}
	}
}

// A list that was out of sight for so long that the toolkit has forgotten how it
// was drawn is drawn again, where it stood.
func TestListIsDrawnAgain(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	list := kit.NewList([]kit.TableColumn{{Head: "What", Share: 1}}, func(i int) []fyne.CanvasObject { return []fyne.CanvasObject{kit.Body(fmt.Sprint("row ", i))} })
	w := test.NewTempWindow(t, list)
	w.Resize(fyne.NewSize(400, 300))
	list.SetCount(1000)
	for range 500 {
		list.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	}
	again := list.CreateRenderer()
	again.Layout(list.Size())
	if n := len(again.Objects()); n < 6 || list.At() != 500 {
		t.Errorf("drawn again with %d objects at row %d", n, list.At())
	}
}

// What the ledger's page says of a search has the room that it needs.
func TestLedgerSaysWhatIsFound(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	l := NewLedger(flow.NewLedgerPage(recordOf(sample.Site())), flow.Query{}, LedgerActions{})
	w := test.NewTempWindow(t, l.Fill)
	w.Resize(fyne.NewSize(1000, 700))
	for _, found := range []string{"5 records", "Searching …", "couldn't read the ledger: it is held by process 4711", "1 of 200 records"} {
		l.Say(found)
		fits(t, found, w.Content(), w.Canvas().Size(), false)
	}
}

func TestListOpensTheRowAndTypingFilters(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	opened := ""
	keys := flow.NewKeys(recordOf(sample.Site()), noon)
	s := Table(keys, TableActions{Open: func(id string) { opened = id }})
	w := test.NewTempWindow(t, s.Fill)
	w.Resize(fyne.NewSize(1000, 700))
	w.Canvas().Focus(s.First)
	s.First.TypedRune('c')
	for _, r := range "odesign-2021" {
		w.Canvas().Focused().TypedRune(r)
	}
	fits(t, "a list that is filtered", w.Content(), w.Canvas().Size(), false)
	w.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if w.Canvas().Focused() != s.First {
		t.Fatal("Enter after a filter does not lead back to the list")
	}
	s.First.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if want := sample.Key("codesign-2021", "", noon, noon, "").Body.ID; opened != want {
		t.Errorf("opened %q, want %q", opened, want)
	}
}

// Every page of the record as it is drawn, node by node; CLAVIGER_UPDATE=1
// writes what is drawn now.
func TestRecordScreensAreDrawnAsBefore(t *testing.T) {
	look := theme.New(theme.Light, 1)
	app := test.NewTempApp(t)
	app.Settings().SetTheme(look)
	overview := func(s ceremony.Snapshot, site *ceremony.State) func() *Screen {
		return func() *Screen { return Overview(flow.NewOverview(s, recordOf(site), starts, noon), Home{}) }
	}
	contradicted := overviewSnapshot()
	contradicted.Ledger.Contradiction = "record 2319: two histories were signed"
	draw := func(name string, _ ceremony.Snapshot, make func() *Screen) {
		s := make()
		o := s.Fill
		if o == nil {
			o = kit.NewScroll(s.Object)
		}
		if s.Dock != nil {
			o = kit.NewPage(s.Object, s.Dock)
		}
		w := test.NewTempWindow(t, o)
		w.SetPadded(false)
		w.Resize(fyne.NewSize(1040, 640))
		drawn(t, name, w)
		s.Close()
	}
	recordScreens(draw)
	draw("overview", ceremony.Snapshot{}, overview(overviewSnapshot(), sample.Site()))
	draw("overview-empty", ceremony.Snapshot{}, overview(ceremony.Snapshot{Ledger: ceremony.LedgerView{Verified: true}}, sample.Empty()))
	draw("overview-contradicted", ceremony.Snapshot{}, overview(contradicted, sample.Site()))
	held := overviewSnapshot()
	held.Ledger.Holder = "process 4711 of user 1000 on lab since 2026-11-22T11:00:00.000Z"
	quiet := sample.Site()
	quiet.Ceremonies = quiet.Ceremonies[:len(quiet.Ceremonies)-1]
	draw("overview-quiet", ceremony.Snapshot{}, overview(overviewSnapshot(), quiet))
	draw("overview-held", ceremony.Snapshot{}, overview(held, sample.Site()))
}

// Whatever the keys can make of the text's size, the settings show it as chosen.
func TestSettingsKnowEverySizeOfText(t *testing.T) {
	test.NewTempApp(t)
	var chosen func(fyne.CanvasObject) []int
	chosen = func(o fyne.CanvasObject) (out []int) {
		switch o := o.(type) {
		case *kit.Choice:
			return []int{o.Chosen()}
		case *fyne.Container:
			for _, child := range o.Objects {
				out = append(out, chosen(child)...)
			}
		}
		return out
	}
	i := 0
	for scale := float32(1); scale <= 2; scale += theme.ScaleStep {
		got := chosen(Settings(theme.New(theme.Light, scale), func(*theme.Theme) {}, nil, SettingsActions{}).Object)
		if want := []int{0, i}; !slices.Equal(got, want) {
			t.Errorf("at %.0f %% of the text the settings have chosen %v, want %v", 100*scale, got, want)
		}
		i++
	}
}

func drawn(t *testing.T, name string, w fyne.Window) {
	t.Helper()
	path := filepath.Join("testdata", name+".xml")
	got := test.RenderToMarkup(w.Canvas())
	if os.Getenv("CLAVIGER_UPDATE") != "" {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%s: %v; CLAVIGER_UPDATE=1 writes it", name, err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is drawn otherwise than before (-before +now):\n%s", name, diff)
	}
}

// beforeCeremonies are the pages that come before a ceremony, and the forms of what
// people sign outside of one.
func beforeCeremonies(public func(string, ceremony.Snapshot, func() *Screen), detail func(string, func() flow.Detail), r flow.Record) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	ask := func(name string, make func() flow.Ask) {
		public(name, overviewSnapshot(), func() *Screen { return Ask(make(), AskActions{}) })
	}
	opening, err := script.Parse(sample.Script(), r.State.KnownKinds())
	must(err)
	public("first", ceremony.Snapshot{}, func() *Screen { return First(flow.NewFirst("/srv/claviger/site", opening), nil, nil) })
	ask("real-site", func() flow.Ask {
		return flow.NewRealSite("/srv/claviger/site", []flow.Module{{Name: "softhsm2", Path: "/usr/lib/softhsm/libsofthsm2.so", Tokens: []flow.Found{{Label: "practice"}}},
			{Name: "vendor", Path: "/opt/vendor/lib.so", Tokens: []flow.Found{{Label: "NW-HSM-01", Model: "HSM 7", Hardware: true}}}})
	})
	prepared := func(name string, st flow.Start, state *ceremony.State, seen flow.TokenSeen) {
		public(name, overviewSnapshot(), func() *Screen {
			r := recordOf(state)
			p, err := flow.NewPreparation(r, st, sample.Script(), sample.Cast, seen)
			must(err)
			return Preparation(p, PreparationActions{Check: func(values map[string]string, stands func(flow.Prepared)) { stands(p.Check(r.State, values, noon)) }})
		})
	}
	plan, _ := flow.NewStart(opening, r.State, func(string) string { return "signing-key-9" })
	able := flow.TokenSeen{Info: hsm.TokenInfo{Label: "NW-HSM-01", Serial: "77004312", Manufacturer: "Northwind", Model: "HSM 7"}, Mechanisms: []hsm.Mechanism{
		{Name: "CKM_EC_KEY_PAIR_GEN", Flags: []string{"generate-key-pair"}}, {Name: "CKM_ECDSA", Flags: []string{"sign"}}}}
	prepared("prepare", plan, sample.Site(), able)
	prepared("prepare-ordered", flow.Start{Order: r.State.Orders[3].Leaf.String()}, sample.Site(), flow.TokenSeen{Fault: "the token with serial number 77004312 is not attached"})
	ask("order-form", func() flow.Ask {
		f, err := flow.NewOrderForm(r, "key-generation", sample.Script(), func(l string) string { return l }, noon)
		must(err)
		return f.Ask
	})
	ask("order-first", func() flow.Ask {
		f, err := flow.NewOrderForm(recordOf(sample.Empty()), "key-generation", sample.Script(), func(l string) string { return l }, noon)
		must(err)
		return f.Ask
	})
	ask("order-choice", func() flow.Ask { return flow.NewOrderChoice([]flow.Start{plan}) })
	ask("withdraw", func() flow.Ask { return flow.NewWithdrawal(r, "this order") })
	ask("register", func() flow.Ask { return flow.NewRegister(r, r.Shipped) })
	ask("receipt", func() flow.Ask { return flow.NewReceiptForm(r, "2026-014") })
	detail("scripts", func() flow.Detail { return flow.NewScripts(r) })
	detail("printed", func() flow.Detail {
		return flow.NewPrinted(opening, "/srv/claviger/site/paper/key-generation-3f9a1c07.pdf", 6)
	})
}

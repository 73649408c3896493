package view

import (
	"context"
	"fmt"
	"time"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/sample"
	"claviger/ui/theme"
)

// states are the screens as they become under people's hands: something typed,
// refused, chosen, covered.
func states(look *theme.Theme) map[string]func() (fyne.CanvasObject, *Screen) {
	from := screens(look)
	all := map[string]func() (fyne.CanvasObject, *Screen){}
	after := func(name, screen string, do func(*Screen)) {
		all[name] = func() (fyne.CanvasObject, *Screen) {
			o, s := from[screen]()
			do(s)
			return o, s
		}
	}
	alone := func(name string, make func() *Screen) {
		all[name] = func() (fyne.CanvasObject, *Screen) {
			f := NewFrame()
			f.Update(flow.NewFrame(overviewSnapshot()))
			s := make()
			f.SetPage(s)
			return f.Object, s
		}
	}
	after("card-short", "card", func(s *Screen) {
		typeInto(s.First, "QPZRY9")
		s.First.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	})
	fills := func(name, screen, button, text string) {
		all[name] = func() (fyne.CanvasObject, *Screen) {
			act := nothing()
			act.Practice = func(fill func(*secret.Buffer), _ func(string)) {
				b := secret.From([]byte(text))
				defer b.Wipe()
				fill(b)
			}
			p, snap := prompts()[screen], snapshot()
			snap.Ceremony.Facts, snap.Ceremony.Aloud = nil, ""
			p.Card.Set, p.Card.K, p.Card.N, p.Card.Entered = "QYC5 0YG8", 2, 3, []int{1}
			s := Prompt(flow.NewPage(p, snap), act)
			pressed(s, button)
			if p.Private() {
				return Private(flow.NewFrame(snap), s, look), s
			}
			f := NewFrame()
			f.Update(flow.NewFrame(snap))
			f.SetPage(s)
			return f.Object, s
		}
	}
	fills("passphrase-filled", "passphrase", "Use the practice passphrase", "antelope crescent drizzle umbrella harbor vivid")
	fills("new-pin-filled", "new-pin", "Use the practice PIN", "4711")
	fills("sign-filled", "sign", "Use the practice PIN", "4711")
	fills("card-filled", "card", "Use the practice card", "KP1 QYC5 0YG8 QGPS XY5P KG55 RJ5P P6ZD M5H0 FK4R HQ68 CKDC 50W4 56AP 3LJM GWFT HJH7 YS7L L66M")
	after("card-refused", "card", func(s *Screen) { typeInto(s.First, "QPZRY9X8GF2TVDW0S3JN") })
	after("passphrase-short", "passphrase", func(s *Screen) { pressed(s, "Open my key") })
	after("new-pin-differs", "new-pin", func(s *Screen) {
		typeInto(s.First, "4711")
		pressed(s, "Take this PIN")
	})
	after("sign-short", "sign", func(s *Screen) { pressed(s, "Sign off this phase") })
	after("sign-disagree", "sign", func(s *Screen) { pressed(s, "I do not agree") })
	after("phrase-typed", "phrase", func(s *Screen) { typeInto(s.First, "DESTROY codesign-2021") })
	after("decide-chosen", "decide", func(s *Screen) { s.First.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace}) })
	after("form-refused", "form", func(s *Screen) { pressed(s, "Go on") })
	after("deviation-refused", "deviation", func(s *Screen) { pressed(s, "Record the deviation") })
	after("overview-all-starts", "overview-quiet", func(s *Screen) { pressed(s, "2 more") })
	all["show-card-covered"] = func() (fyne.CanvasObject, *Screen) {
		act := nothing()
		act.Later = func(_ time.Duration, f func()) { f() }
		s := Prompt(flow.NewPage(prompts()["show-card"], snapshot()), act)
		return Private(flow.NewFrame(snapshot()), s, look), s
	}
	alone("overview-all-due", func() *Screen {
		site := sample.Site()
		for i := range 5 {
			name := fmt.Sprint("medium ", i+1)
			site.Items[name] = &ceremony.Item{Name: name, Kind: ceremony.MediumItem, Holder: "rui-santos", State: ceremony.OutOfBag}
		}
		s := Overview(flow.NewOverview(overviewSnapshot(), recordOf(site), starts, noon), Home{})
		pressed(s, "6 things more")
		return s
	})
	alone("filtered-to-nothing", func() *Screen {
		s := Table(flow.NewKeys(recordOf(sample.Site()), noon), TableActions{})
		typeInto(s.First, "owls")
		return s
	})
	searched := func(words, found string, count int) *Screen {
		r := recordOf(sample.Site())
		r.Ledger = sample.Ledger(200)
		rows, err := flow.Lines(context.Background(), r, []int64{199, 198, 197, 196})
		if err != nil {
			panic(err)
		}
		l := NewLedger(flow.NewLedgerPage(r), flow.Query{Words: words}, LedgerActions{})
		l.Show(count, "200 records", func(i int) (flow.RecordRow, bool) {
			if i >= len(rows) {
				return flow.RecordRow{}, false
			}
			return rows[i], true
		})
		l.Say(found)
		return l.Screen
	}
	alone("ledger-searching", func() *Screen { return searched("key generated", "Searching …", 200) })
	alone("ledger-no-hit", func() *Screen { return searched("owls", flow.FoundRecords(0, 200), 0) })
	alone("verifying", func() *Screen {
		line := kit.NewProgressLine()
		line.Set(flow.Verifying(1200, 2319), "0:07")
		return Working(flow.NewPage(ceremony.Prompt{Title: "Verifying the whole ledger: every record, rule, signature and checkpoint"}, overviewSnapshot()), line)
	})
	all["network-up"] = func() (fyne.CanvasObject, *Screen) {
		f := NewFrame()
		f.Update(flow.NewFrame(overviewSnapshot()).With(flow.NewNetwork([]string{"eth0", "wlan0"}, nil)))
		s := Settings(look, func(*theme.Theme) {}, nil, SettingsActions{})
		f.SetPage(s)
		return f.Object, s
	}
	all["public-view"] = func() (fyne.CanvasObject, *Screen) {
		w := NewWitness(look.Appearance)
		w.Set(flow.NewWitness(snapshot(), nil), noon)
		return w.Object, &Screen{Object: w.Object}
	}
	lost := &flow.Trouble{Happened: "The token is not there any more.", Safe: "The record is complete.", Do: "Attach the HSM, then resume.", Code: "CKR_DEVICE_REMOVED"}
	for name, f := range map[string]flow.Finished{
		"done-paused":  {Number: "2026-014", Status: "paused"},
		"done-aborted": {Number: "2026-014", Status: "aborted", Report: "/srv/claviger/evidence/2026-014/report.pdf", Key: "/srv/claviger/evidence/2026-014/site.vkey"},
		"done-stopped": {Number: "2026-014", Trouble: lost},
	} {
		alone(name, func() *Screen { return Done(flow.NewDone(f), func() {}) })
	}
	alone("failed", func() *Screen { return Done(flow.NewFailed(lost), func() {}) })
	alone("working-outside", func() *Screen {
		line := kit.NewProgressLine()
		line.Set("Reading and verifying the record", "0:02")
		return Working(flow.NewPage(ceremony.Prompt{Title: "Reading and verifying the record"}, overviewSnapshot()), line)
	})
	return all
}

func typeInto(f fyne.Focusable, s string) {
	for _, r := range s {
		f.TypedRune(r)
	}
}

// pressed presses the button that says so.
func pressed(s *Screen, label string) {
	var at func(fyne.CanvasObject) bool
	at = func(o fyne.CanvasObject) bool {
		switch o := o.(type) {
		case *kit.Button:
			if o.Label == label {
				o.Tapped(nil)
				return true
			}
		case *fyne.Container:
			for _, child := range o.Objects {
				if at(child) {
					return true
				}
			}
		}
		return false
	}
	if !at(s.Object) && (s.Dock == nil || !at(s.Dock)) {
		panic("there is no button " + label)
	}
}

package view

import (
	"time"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/kit"
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

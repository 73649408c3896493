package view

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"

	"claviger/ceremony"
	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

func show(t *testing.T, o fyne.CanvasObject) fyne.Window {
	t.Helper()
	w := test.NewTempWindow(t, o)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(1280, 800))
	return w
}

func next(w fyne.Window) fyne.Focusable {
	w.Canvas().(interface{ FocusNext() }).FocusNext()
	return w.Canvas().Focused()
}

// Tab goes through every screen and comes back, is held by nothing, and what
// it leads to can be seen.
func TestTabGoesRoundOnEveryScreen(t *testing.T) {
	app := test.NewTempApp(t)
	look := theme.New(theme.Light, 1)
	app.Settings().SetTheme(look)
	for name, make := range screens(look) {
		object, screen := make()
		w := show(t, object)
		first := next(w)
		back := false
		for range 100 {
			f := w.Canvas().Focused()
			if tab, ok := f.(fyne.Tabbable); ok && tab.AcceptsTab() {
				t.Errorf("%s: %T keeps Tab for itself", name, f)
			}
			if o, ok := f.(fyne.CanvasObject); ok && o.Size().Height > 0 {
				at := fyne.CurrentApp().Driver().AbsolutePositionForObject(o)
				if at.Y > 800 || at.Y+o.Size().Height < 0 {
					t.Errorf("%s: %T has the focus at %v, out of sight", name, f, at)
				}
			}
			if back = next(w) == first; back {
				break
			}
		}
		if !back {
			t.Errorf("%s: 100 Tabs do not come back", name)
		}
		screen.Close()
	}
}

// Escape acts nowhere, whatever has the focus.
func TestEscapeNeverAnswers(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	for name, p := range prompts() {
		act := nothing()
		act.Answer = func(a ceremony.Answer) { t.Errorf("%s: Escape gave the answer %+v", name, a) }
		act.Practice = func(func(*secret.Buffer), func(string)) { t.Errorf("%s: Escape fetched the practice secret", name) }
		screen := Prompt(flow.NewPage(p, snapshot()), act)
		f := NewFrame()
		f.SetPage(screen)
		w := show(t, f.Object)
		for range 10 {
			if f := next(w); f != nil {
				f.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
			}
		}
		screen.Close()
	}
}

// What is typed on a private page is nowhere among the words on it.
func TestNoPageSaysWhatWasTyped(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	for _, kind := range []string{"passphrase", "new-pin", "card", "sign"} {
		screen := Prompt(flow.NewPage(prompts()[kind], snapshot()), nothing())
		f := NewFrame()
		f.SetPage(screen)
		w := show(t, f.Object)
		w.Canvas().Focus(screen.First)
		test.Type(screen.First, "QPZRY9X8GF2T")
		everyDrawnText(w.Content(), func(s string) {
			if strings.Contains(s, "QPZR") || strings.Contains(s, "Y9X8") || strings.Contains(s, "GF2T") {
				t.Errorf("%s: the window draws %q", kind, s)
			}
		})
		screen.Close()
	}
}

// A passphrase or a card that is shown is drawn letter by letter, and not any
// more once the page is closed.
func TestWhatIsRevealedIsForgotten(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	for _, kind := range []string{"show-card", "show-passphrase"} {
		screen := Prompt(flow.NewPage(prompts()[kind], snapshot()), nothing())
		f := NewFrame()
		f.SetPage(screen)
		w := show(t, f.Object)
		letters := 0
		count := func(s string) {
			if len(s) == 1 && strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyzQPZRYXGFTVDWSJNKHCEMUAL") {
				letters++
			}
		}
		everyDrawnText(w.Content(), count)
		if letters < 40 {
			t.Errorf("%s: %d letters are drawn", kind, letters)
		}
		if _, button := screen.First.(*kit.Button); button {
			t.Errorf("%s: an Enter too many would take it away unread", kind)
		}
		screen.Close()
		letters = 0
		everyDrawnText(w.Content(), count)
		if letters > 0 {
			t.Errorf("%s: %d letters are still drawn after the page was closed", kind, letters)
		}
	}
}

func everyDrawnText(o fyne.CanvasObject, visit func(string)) {
	switch o := o.(type) {
	case *canvas.Text:
		visit(o.Text)
	case *fyne.Container:
		for _, child := range o.Objects {
			everyDrawnText(child, visit)
		}
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			everyDrawnText(child, visit)
		}
	}
}

// Where the text is large the panels go, and what they tell stands at the end
// of the page.
func TestLargeTextMovesThePanelsIntoThePage(t *testing.T) {
	app := test.NewTempApp(t)
	for scale, want := range map[float32]bool{1: false, 2: true} {
		app.Settings().SetTheme(theme.New(theme.Light, scale))
		f := NewFrame()
		f.Update(flow.NewFrame(snapshot()))
		screen := Prompt(flow.NewPage(prompts()["confirm"], snapshot()), nothing())
		f.SetPage(screen)
		show(t, f.Object)
		seen := 0
		everyText(f.beside, func(text *kit.Text) {
			if text.String() == "Amara Okafor" {
				seen++
			}
		})
		if f.beside.Visible() != want || (seen > 0) != want {
			t.Errorf("at %.0f %%: panels in the page %v, the witness named %d times in the page", 100*scale, f.beside.Visible(), seen)
		}
	}
}

// What people act with is in sight however long the page above it is.
func TestDockIsAlwaysInSight(t *testing.T) {
	app := test.NewTempApp(t)
	for _, scale := range []float32{1, 2} {
		app.Settings().SetTheme(theme.New(theme.Light, scale))
		s := snapshot()
		for range 40 {
			s.Ceremony.Facts = append(s.Ceremony.Facts, ceremony.Fact{Label: "One more", Value: "fact"})
		}
		screen := Prompt(flow.NewPage(prompts()["confirm"], s), nothing())
		f := NewFrame()
		f.Update(flow.NewFrame(s))
		f.SetPage(screen)
		show(t, f.Object)
		button := screen.First.(*kit.Button)
		at := fyne.CurrentApp().Driver().AbsolutePositionForObject(button)
		if at.Y <= 0 || at.Y+button.Size().Height > 800 {
			t.Errorf("at %.0f %% the button stands at %v", 100*scale, at)
		}
	}
}

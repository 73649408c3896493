package kit

import (
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"claviger/hsm/secret"
	"claviger/ui/theme"
)

func press(w fyne.Window, keys ...fyne.KeyName) {
	for _, k := range keys {
		if f := w.Canvas().Focused(); f != nil {
			f.TypedKey(&fyne.KeyEvent{Name: k})
		}
	}
}

func window(t *testing.T, o fyne.CanvasObject) fyne.Window {
	t.Helper()
	test.NewTempApp(t).Settings().SetTheme(theme.New(theme.Light, 1))
	w := test.NewTempWindow(t, o)
	w.SetPadded(false)
	w.Resize(fyne.NewSize(1280, 800))
	return w
}

func TestButtonActsOnBothEntersAndSpaceAndNeverOnEscape(t *testing.T) {
	acted := 0
	b := NewButton(Primary, "Go on", func() { acted++ })
	w := window(t, Column(0, b))
	w.Canvas().Focus(b)
	press(w, fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace)
	if acted != 3 {
		t.Errorf("Return, Enter and Space acted %d times, want 3", acted)
	}
	press(w, fyne.KeyEscape, fyne.KeyDown, fyne.KeyTab)
	if acted != 3 {
		t.Error("a key that must not act has acted")
	}
	test.Tap(b)
	if acted != 4 {
		t.Error("a click did not act")
	}
}

func TestButtonThatCannotActSaysWhy(t *testing.T) {
	acted := false
	b := NewButton(Danger, "Delete", func() { acted = true })
	line := Actions(b)
	w := window(t, line)
	b.Disable("Two officers have not signed yet")
	w.Canvas().Focus(b)
	press(w, fyne.KeyReturn, fyne.KeySpace)
	test.Tap(b)
	if acted {
		t.Error("a button that cannot act has acted")
	}
	if got := shownText(line); got != "Two officers have not signed yet" {
		t.Errorf("shown under the buttons: %q", got)
	}
	b.Enable()
	if got := shownText(line); got != "" {
		t.Errorf("still shown after it can act: %q", got)
	}
	press(w, fyne.KeyReturn)
	if !acted {
		t.Error("enabled again, it does not act")
	}
}

func shownText(o fyne.CanvasObject) (s string) {
	everyText(o, func(t *Text) { s += t.String() })
	return s
}

func TestTabGoesThroughEverythingAndComesBack(t *testing.T) {
	b, e, c, f := NewButton(Primary, "Go on", nil), NewSecretEntry("PIN", 16), newCells(), NewTextField("Time", "", 5)
	choice := NewChoice(ChoiceItem{Label: "One"}, ChoiceItem{Label: "Two"})
	w := window(t, NewScroll(Column(10, b, e, c, f.Object, choice)))
	want := []fyne.Focusable{b, e, c, f.Focusable(), choice, b}
	for i, next := range want {
		w.Canvas().(interface{ FocusNext() }).FocusNext()
		if w.Canvas().Focused() != next {
			t.Fatalf("after %d Tabs the focus is on %T", i+1, w.Canvas().Focused())
		}
		if tabbable, ok := next.(fyne.Tabbable); ok && tabbable.AcceptsTab() {
			t.Errorf("%T keeps Tab for itself", next)
		}
	}
}

func TestPageScrollsToWhatHasTheFocus(t *testing.T) {
	last := NewButton(Primary, "Last", nil)
	column := Column(10)
	for range 60 {
		column.Add(Body("A line of text."))
	}
	column.Add(last)
	w := window(t, NewScroll(column))
	w.Canvas().Focus(last)
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(last)
	if at.Y < 0 || at.Y+last.Size().Height > 800 {
		t.Errorf("the focused button is at %v, outside of the window", at)
	}
}

func TestPageKeysMoveThePageWhereverTheFocusIs(t *testing.T) {
	column := Column(10)
	for range 60 {
		column.Add(Body("A line of text."))
	}
	b := NewButton(Primary, "Go on", nil)
	page := NewPage(column, b)
	w := window(t, page)
	FocusFirst(w.Canvas(), b)
	scroll := page.Objects[0].(*container.Scroll)
	if scroll.Offset.Y != 0 {
		t.Error("the page did not begin at its top")
	}
	press(w, fyne.KeyPageDown)
	if scroll.Offset.Y < 400 {
		t.Errorf("Page Down moved it to %v", scroll.Offset.Y)
	}
	press(w, fyne.KeyPageDown, fyne.KeyPageDown, fyne.KeyPageDown, fyne.KeyPageDown)
	if end := column.Size().Height - scroll.Size().Height; scroll.Offset.Y != end {
		t.Errorf("the end is at %v, want %v", scroll.Offset.Y, end)
	}
	press(w, fyne.KeyPageUp, fyne.KeyPageUp, fyne.KeyPageUp, fyne.KeyPageUp, fyne.KeyPageUp)
	if scroll.Offset.Y != 0 {
		t.Errorf("Page Up ended at %v", scroll.Offset.Y)
	}
}

func TestChoiceBeginsEmptyAndEnterNeverSkipsChoosing(t *testing.T) {
	submitted := 0
	c := NewChoice(ChoiceItem{Label: "Try again"}, ChoiceItem{Label: "Abort", Danger: true})
	c.OnSubmitted = func() { submitted++ }
	w := window(t, c)
	w.Canvas().Focus(c)
	if c.Chosen() != -1 {
		t.Error("something was chosen before anybody chose")
	}
	press(w, fyne.KeyDown, fyne.KeyReturn)
	if c.Chosen() != 1 || submitted != 0 {
		t.Errorf("chosen %d, submitted %d times", c.Chosen(), submitted)
	}
	press(w, fyne.KeyReturn)
	if submitted != 1 {
		t.Error("Enter on what was chosen already did not submit")
	}
	press(w, fyne.KeyEscape)
	if submitted != 1 || c.Chosen() != 1 {
		t.Error("Escape acted")
	}
}

func TestConfirmNeedsAWill(t *testing.T) {
	w := window(t, Column(0))
	acted, back := 0, 0
	ask := Confirm{Title: "Delete the key?", Text: "It cannot be brought back.", Act: "Delete", Back: "Go back", Danger: true,
		OnAct: func() { acted++ }, OnBack: func() { back++ }}
	for _, k := range []fyne.KeyName{fyne.KeyReturn, fyne.KeySpace, fyne.KeyEscape} {
		ask.Show(w.Canvas())
		press(w, k)
		if w.Canvas().Overlays().Top() != nil {
			t.Errorf("%s left the panel open", k)
		}
	}
	if acted != 0 || back != 3 {
		t.Errorf("the first key acted %d times and went back %d times, want 0 and 3", acted, back)
	}
	ask.Show(w.Canvas())
	w.Canvas().(interface{ FocusNext() }).FocusNext()
	press(w, fyne.KeyEscape)
	if acted != 0 {
		t.Error("Escape on the acting button acted")
	}
	ask.Show(w.Canvas())
	w.Canvas().(interface{ FocusNext() }).FocusNext()
	press(w, fyne.KeyReturn)
	if acted != 1 {
		t.Error("Tab and Return did not act")
	}
}

func TestConfirmPhraseMustBeExact(t *testing.T) {
	w := window(t, Column(0))
	acted := false
	Confirm{Title: "Delete", Act: "Delete", Back: "Go back", Danger: true, Phrase: "DESTROY codesign", OnAct: func() { acted = true }}.Show(w.Canvas())
	tryAll := func() {
		press(w, fyne.KeyReturn) // in the field
		w.Canvas().(interface{ FocusNext() }).FocusNext()
		w.Canvas().(interface{ FocusNext() }).FocusNext()
		press(w, fyne.KeyReturn, fyne.KeySpace)
		w.Canvas().(interface{ FocusNext() }).FocusNext()
	}
	tryAll()
	test.Type(w.Canvas().Focused(), "destroy codesign")
	tryAll()
	if acted {
		t.Fatal("acted without the exact phrase")
	}
	field := w.Canvas().Focused().(*lineEntry)
	field.SetText("DESTROY codesign")
	press(w, fyne.KeyReturn)
	if acted {
		t.Fatal("Enter in the field acted")
	}
	w.Canvas().(interface{ FocusNext() }).FocusNext()
	w.Canvas().(interface{ FocusNext() }).FocusNext()
	press(w, fyne.KeyReturn)
	if !acted {
		t.Error("the exact phrase did not let the button act")
	}
}

func TestSecretEntryTakesRunesAndGivesTheBufferAway(t *testing.T) {
	e := NewSecretEntry("Passphrase", 64)
	w := window(t, e)
	w.Canvas().Focus(e)
	submitted, lengths := 0, []int{}
	e.OnSubmitted = func() { submitted++ }
	e.OnChanged = func(n int) { lengths = append(lengths, n) }
	press(w, fyne.KeyReturn)
	if submitted != 1 {
		t.Error("Enter with nothing typed is answered by nothing: who presses it is to be told")
	}
	test.Type(e, "pön x")
	press(w, fyne.KeyBackspace, fyne.KeyEscape, fyne.KeyReturn)
	if submitted != 2 || e.Length() != 4 {
		t.Errorf("submitted %d times with %d characters", submitted, e.Length())
	}
	want := secret.From([]byte("pön "))
	defer want.Wipe()
	got := e.Take()
	defer got.Wipe()
	if !got.Equal(want) {
		t.Error("the buffer holds something else than what was typed")
	}
	if e.Length() != 0 {
		t.Error("the entry still holds what it gave away")
	}
	test.Type(e, "12")
	e.Wipe()
	test.Type(e, "3")
	if e.Length() != 0 {
		t.Error("a wiped entry took something")
	}
	if last := lengths[len(lengths)-1]; last != 2 {
		t.Errorf("the last length told was %d, want 2", last)
	}
}

func TestSecretEntryStopsAtItsCapacity(t *testing.T) {
	e := NewSecretEntry("PIN", 4)
	window(t, e)
	test.Type(e, "12345678")
	got := e.Take()
	defer got.Wipe()
	if got.Len() != 4 {
		t.Errorf("%d bytes held, capacity 4", got.Len())
	}
}

func TestSecretsHaveNoClipboardAndNoPicture(t *testing.T) {
	for name, o := range map[string]fyne.Focusable{"secret entry": NewSecretEntry("", 80), "group cells": newCells()} {
		w := window(t, o.(fyne.CanvasObject))
		w.Canvas().Focus(o)
		test.Type(o, "QPZR")
		if _, ok := o.(fyne.Shortcutable); ok {
			t.Errorf("%s takes shortcuts: copy would be one", name)
		}
		if _, ok := o.(fyne.SecondaryTappable); ok {
			t.Errorf("%s opens a menu: copy would be in it", name)
		}
		first := w.Canvas().Capture()
		press(w, fyne.KeyBackspace, fyne.KeyBackspace, fyne.KeyBackspace, fyne.KeyBackspace)
		test.Type(o, "9X8G")
		second := w.Canvas().Capture()
		for y := range first.Bounds().Dy() {
			for x := range first.Bounds().Dx() {
				if first.At(x, y) != second.At(x, y) {
					t.Fatalf("%s: two secrets of one length look different at %d, %d", name, x, y)
				}
			}
		}
	}
}

func TestScanIsKnownInPiecesAndAPersonIsNoScanner(t *testing.T) {
	at := time.Date(2026, 11, 22, 11, 42, 31, 0, time.UTC)
	q := NewQuiet(func() time.Time { return at })
	typed := func(gaps ...time.Duration) {
		for _, g := range gaps {
			at = at.Add(g)
			q.Typed()
		}
	}
	const ms = time.Millisecond
	typed(0, ms, ms, ms, 120*ms, ms, 200*ms)
	if at = at.Add(100 * ms); !q.Scanning() {
		t.Error("a scan that a busy machine hands on in pieces is taken for a person")
	}
	if at = at.Add(250 * ms); q.Scanning() {
		t.Error("it never ends")
	}
	typed(time.Second, 90*ms, 90*ms, 90*ms, 90*ms)
	if q.Scanning() {
		t.Error("a quick person is taken for a scanner")
	}
}

// What is typed into a field that is filled in goes behind what it holds.
func TestTypingGoesOnBehindWhatIsThere(t *testing.T) {
	f := NewTextField("Place", "", 40)
	f.SetValue("Vault room 2")
	w := window(t, f.Object)
	w.Canvas().Focus(f.Focusable())
	test.Type(f.Focusable(), ", Bern")
	if got := f.Value(); got != "Vault room 2, Bern" {
		t.Errorf("the field holds %q", got)
	}
}

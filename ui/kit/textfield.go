package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// TextField is an ordinary entry for public text, with its label above and what
// is wrong with it below. Never for secrets.
type TextField struct {
	Object fyne.CanvasObject
	entry  *lineEntry
	wrong  *Text
}

// NewTextField makes a field for up to max runes; 0 is without limit.
func NewTextField(label, hint string, most int) *TextField {
	f := &TextField{entry: &lineEntry{most: most}, wrong: NewText("", Style{Size: theme.Small, Ink: theme.Red, Wrap: true})}
	f.entry.ExtendBaseWidget(f.entry)
	ring := NewFrame("", theme.Focus, 7+ringGap)
	ring.Stroke = 2
	ring.Hide()
	f.entry.ring = ring
	typed := container.New(ringLayout{}, ring, f.entry)
	f.entry.part = typed
	f.wrong.Hide()
	typing := []fyne.CanvasObject{typed, f.wrong}
	if label == "" {
		f.Object = Column(4, typing...)
		return f
	}
	above := NewText(label, Style{Size: theme.Small, Weight: SemiBold, Ink: theme.Soft, Wrap: true})
	rows := []fyne.CanvasObject{above, typed, f.wrong}
	if hint != "" {
		rows = []fyne.CanvasObject{above, typed, NewText(hint, Style{Size: theme.Small, Ink: theme.Muted, Wrap: true}), f.wrong}
	}
	f.Object = Column(4, rows...)
	f.entry.part = f.Object
	return f
}

func (f *TextField) Value() string { return f.entry.Text }

// SetValue fills the field; the next letter typed goes behind what is there.
func (f *TextField) SetValue(s string) {
	f.entry.SetText(s)
	f.entry.CursorColumn = len([]rune(s))
}

// SetHint shows words in the field while it is empty.
func (f *TextField) SetHint(words string) { f.entry.SetPlaceHolder(words) }

// OnChanged runs with each change of the text.
func (f *TextField) OnChanged(changed func(string)) { f.entry.OnChanged = changed }

// OnSubmitted runs on Enter.
func (f *TextField) OnSubmitted(submitted func()) {
	f.entry.OnSubmitted = func(string) { submitted() }
}

// Scanned says that a scanner may fill the field in: what it sends after its Enter
// goes no further.
func (f *TextField) Scanned() { f.entry.scanned = true }

// Focusable is what the window gives the focus to.
func (f *TextField) Focusable() fyne.Focusable { return f.entry }

// Wrong says what does not hold; "" takes it back.
func (f *TextField) Wrong(why string) {
	f.wrong.Set(why)
	if why == "" {
		f.wrong.Hide()
		return
	}
	f.wrong.Show()
}

// lineEntry is the toolkit's entry on one line (a longer one traps Tab), which
// tells its page when it has the focus.
type lineEntry struct {
	widget.Entry
	focus
	ring    *Box
	part    fyne.CanvasObject // its label, its hint and what is wrong with it, too
	most    int
	escape  func()
	quiet   *Quiet
	scanned bool // a scanner may fill it in
	begun   bool // a letter was typed since it has the focus
}

func (e *lineEntry) partOf() fyne.CanvasObject { return e.part }

func (e *lineEntry) guard(q *Quiet) { e.quiet = q }

func (e *lineEntry) TypedKey(key *fyne.KeyEvent) {
	if key.Name == fyne.KeyEscape && e.escape != nil {
		e.escape()
		return
	}
	if e.page(key.Name) || isEnter(key.Name) && !e.begun && e.quiet.Scanning() {
		return
	}
	e.Entry.TypedKey(key)
}

func (e *lineEntry) FocusGained() {
	e.gained()
	e.begun = false
	e.ring.Show()
	e.Entry.FocusGained()
}

func (e *lineEntry) FocusLost() {
	e.lost()
	e.ring.Hide()
	e.Entry.FocusLost()
}

func (e *lineEntry) TypedRune(r rune) {
	e.begun = true
	if e.scanned {
		e.quiet.Typed()
	}
	if e.most > 0 && len([]rune(e.Text)) >= e.most && e.SelectedText() == "" {
		return
	}
	e.Entry.TypedRune(r)
}

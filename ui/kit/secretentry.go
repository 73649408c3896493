package kit

import (
	"image/color"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/hsm/secret"
	"claviger/ui/theme"
)

// SecretEntry takes a PIN or a passphrase rune by rune into a locked buffer and
// shows a bullet for each.
type SecretEntry struct {
	widget.BaseWidget
	focus
	// OnSubmitted runs on Enter, whether something was typed or not.
	OnSubmitted func()
	// OnChanged runs after each key; the number of characters is all it learns.
	OnChanged func(n int)

	buffer *secret.Buffer
	label  string
	locked bool
}

var _ fyne.Focusable = (*SecretEntry)(nil)

// NewSecretEntry makes an entry for up to capacity bytes.
func NewSecretEntry(label string, capacity int) *SecretEntry {
	e := &SecretEntry{label: label, buffer: secret.New(capacity)}
	e.ExtendBaseWidget(e)
	return e
}

// Take gives the secret away: the caller owns the buffer and wipes it. The
// entry is empty afterwards and can be typed into again.
func (e *SecretEntry) Take() *secret.Buffer {
	taken := e.buffer
	e.buffer = secret.New(taken.Cap())
	e.changed()
	return taken
}

// Fill takes a secret that somebody else holds, as if it had been typed.
func (e *SecretEntry) Fill(from *secret.Buffer) error {
	e.buffer.Reset()
	err := e.buffer.Append(from.Bytes()...)
	e.changed()
	return err
}

// Clear forgets what was typed.
func (e *SecretEntry) Clear() {
	e.buffer.Reset()
	e.changed()
}

// Wipe ends the entry: what was typed is gone and nothing more is taken.
func (e *SecretEntry) Wipe() {
	e.locked = true
	e.buffer.Wipe()
	e.Refresh()
}

// Length is the number of characters typed.
func (e *SecretEntry) Length() int { return utf8.RuneCount(e.buffer.Bytes()) }

// Same says whether two entries hold the same secret.
func (e *SecretEntry) Same(other *SecretEntry) bool { return e.buffer.Equal(other.buffer) }

func (e *SecretEntry) changed() {
	e.Refresh()
	if e.OnChanged != nil {
		e.OnChanged(e.Length())
	}
}

func (e *SecretEntry) TypedRune(r rune) {
	// A full buffer takes no more: the bullets stop, and so does the person.
	if e.locked || e.buffer.AppendRune(r) != nil {
		return
	}
	e.changed()
}

func (e *SecretEntry) TypedKey(key *fyne.KeyEvent) {
	switch {
	case e.page(key.Name), e.locked:
	case key.Name == fyne.KeyBackspace:
		e.buffer.Backspace()
		e.changed()
	case isEnter(key.Name):
		if e.OnSubmitted != nil {
			e.OnSubmitted()
		}
	}
}

func (e *SecretEntry) Tapped(*fyne.PointEvent) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(e); c != nil {
		c.Focus(e)
	}
}

func (e *SecretEntry) FocusGained() { e.gained(); e.Refresh() }
func (e *SecretEntry) FocusLost()   { e.lost(); e.Refresh() }

func (e *SecretEntry) CreateRenderer() fyne.WidgetRenderer {
	r := &secretRenderer{entry: e, field: &canvas.Rectangle{}, label: canvas.NewText("", color.Transparent), caret: &canvas.Rectangle{}}
	r.field.CornerRadius, r.field.StrokeWidth = 8, 1
	r.ring = newRing(8)
	r.paint()
	return r
}

type secretRenderer struct {
	entry        *SecretEntry
	field, caret *canvas.Rectangle
	label        *canvas.Text
	bullets      []*canvas.Circle
	ring         ring
}

const (
	fieldPad = 14
	// More than these are not drawn: the length of a long secret is nobody's
	// business, and the line has an end.
	bulletsDrawn = 40
)

func (r *secretRenderer) paint() {
	e := r.entry
	r.field.FillColor = base.ColorForWidget(theme.Card, e)
	r.field.StrokeColor = base.ColorForWidget(theme.Input, e)
	r.label.Text, r.label.Color = e.label, base.ColorForWidget(theme.Muted, e)
	r.label.TextSize = base.SizeForWidget(theme.Kicker, e)
	inFace(r.label, fyne.TextStyle{Bold: true})
	r.caret.FillColor = base.ColorForWidget(theme.Focus, e)
	r.caret.Hidden = !e.has || e.locked
	n := min(e.Length(), bulletsDrawn)
	r.bullets = r.bullets[:min(len(r.bullets), n)]
	for len(r.bullets) < n {
		r.bullets = append(r.bullets, canvas.NewCircle(color.Transparent))
	}
	for _, b := range r.bullets {
		b.FillColor = base.ColorForWidget(theme.Ink, e)
	}
	r.ring.paint(e, e.has)
}

func (r *secretRenderer) Layout(size fyne.Size) {
	r.field.Resize(size)
	r.ring.layout(size)
	text := base.SizeForWidget(theme.Text, r.entry)
	bullet, bulletGap := 0.55*text, 0.35*text
	top := float32(8)
	if r.entry.label != "" {
		r.label.Move(fyne.NewPos(fieldPad, top))
		r.label.Resize(fyne.NewSize(size.Width-2*fieldPad, r.label.MinSize().Height))
		top += r.label.MinSize().Height
	}
	middle := top + (size.Height-top)/2 - 2
	x := float32(fieldPad)
	step := min(bullet+bulletGap, (size.Width-2*fieldPad)/float32(max(len(r.bullets), 1)))
	for _, b := range r.bullets {
		b.Move(fyne.NewPos(x, middle-bullet/2))
		b.Resize(fyne.NewSquareSize(bullet))
		x += step
	}
	r.caret.Move(fyne.NewPos(x, middle-0.6*text))
	r.caret.Resize(fyne.NewSize(2, 1.2*text))
}

func (r *secretRenderer) MinSize() fyne.Size {
	h := 20 + 1.6*base.SizeForWidget(theme.Text, r.entry)
	if r.entry.label != "" {
		h += r.label.MinSize().Height
	}
	return fyne.NewSize(240, h)
}

func (r *secretRenderer) Refresh() {
	r.paint()
	r.Layout(r.entry.Size())
	canvas.Refresh(r.entry)
}

func (r *secretRenderer) Objects() []fyne.CanvasObject {
	objects := []fyne.CanvasObject{r.field, r.label, r.caret}
	for _, b := range r.bullets {
		objects = append(objects, b)
	}
	return append(objects, r.ring.Rectangle)
}

func (r *secretRenderer) Destroy() {}

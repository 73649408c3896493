package kit

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// ActRow is a whole row of a list that acts: a mark on a tile, what it does, and a
// note below. It has the keys of a [Button].
type ActRow struct {
	widget.BaseWidget
	focus
	Act     func()
	content fyne.CanvasObject
	off     bool
	hover   bool
}

var (
	_ fyne.Focusable    = (*ActRow)(nil)
	_ fyne.Tappable     = (*ActRow)(nil)
	_ desktop.Hoverable = (*ActRow)(nil)
)

// NewActRow makes a row; with no act it cannot be pressed, and what stands beside
// it says why.
func NewActRow(mark string, tone Tone, title, note string, act func()) *ActRow {
	ink := theme.Ink
	if act == nil {
		ink, tone = theme.Soft, Neutral
	}
	r := &ActRow{Act: act, off: act == nil}
	r.content = Row(12, tile(mark, tone), Grow(Column(0,
		NewText(title, Style{Weight: SemiBold, Ink: ink, Wrap: true}),
		NewText(note, Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))))
	r.ExtendBaseWidget(r)
	return r
}

// tile is a mark on a small square of its tone.
func tile(mark string, tone Tone) fyne.CanvasObject {
	box := NewFrame(tone.fill(), tone.fill(), 7)
	box.Min = fyne.NewSquareSize(2.3 * em(theme.Text))
	return container.NewStack(box, container.NewCenter(NewText(mark, Style{Size: theme.Heading, Weight: SemiBold, Ink: tone.ink()})))
}

func (r *ActRow) act() {
	if !r.off {
		r.Act()
	}
}

func (r *ActRow) Tapped(*fyne.PointEvent) { r.act() }

func (r *ActRow) TypedKey(e *fyne.KeyEvent) {
	switch {
	case r.page(e.Name):
	case r.quiet.Scanning():
	case isEnter(e.Name), e.Name == fyne.KeySpace:
		r.act()
	}
}

func (r *ActRow) TypedRune(rune) { r.quiet.Typed() }

func (r *ActRow) FocusGained() { r.gained(); r.Refresh() }
func (r *ActRow) FocusLost()   { r.lost(); r.Refresh() }

func (r *ActRow) MouseIn(*desktop.MouseEvent)    { r.hover = true; r.Refresh() }
func (r *ActRow) MouseMoved(*desktop.MouseEvent) {}
func (r *ActRow) MouseOut()                      { r.hover = false; r.Refresh() }

func (r *ActRow) CreateRenderer() fyne.WidgetRenderer {
	w := &actRowRenderer{row: r, shade: &canvas.Rectangle{CornerRadius: 6}, content: Inset(actPadH, actPadV, r.content), ring: newRing(5)}
	w.paint()
	return w
}

const (
	actPadH = 12
	actPadV = 6
)

type actRowRenderer struct {
	row     *ActRow
	shade   *canvas.Rectangle
	content *fyne.Container
	ring    ring
}

func (w *actRowRenderer) paint() {
	w.shade.FillColor = color.Transparent
	if w.row.hover && !w.row.off {
		w.shade.FillColor = base.ColorForWidget(theme.Hover, w.row)
	}
	w.ring.paint(w.row, w.row.has)
}

func (w *actRowRenderer) Layout(size fyne.Size) {
	w.shade.Resize(size)
	w.content.Resize(size)
	w.ring.layout(size)
}

func (w *actRowRenderer) MinSize() fyne.Size { return w.content.MinSize() }

func (w *actRowRenderer) Refresh() {
	w.paint()
	canvas.Refresh(w.row)
}

func (w *actRowRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{w.shade, w.content, w.ring.Rectangle}
}

func (w *actRowRenderer) Destroy() {}

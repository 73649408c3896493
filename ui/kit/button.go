package kit

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// ButtonKind is how much a button weighs. A screen has one Primary at most.
type ButtonKind int

const (
	Primary ButtonKind = iota
	Secondary
	Danger
	// Link is a word in a row of a list.
	Link
	// Place is somewhere to go to, in a list; Here is where people are.
	Place
	Here
)

// Button acts on Enter, Space and a click. One that cannot act says why
// ([Actions] shows the reason) and can still have the focus, so that people at
// the keyboard learn the reason too.
type Button struct {
	widget.BaseWidget
	focus
	Label  string
	OnAct  func()
	kind   ButtonKind
	reason string
	off    bool
	hover  bool
	told   func() // the reason has changed
	escape func() // closes the panel around the button
}

var (
	_ fyne.Focusable    = (*Button)(nil)
	_ fyne.Tappable     = (*Button)(nil)
	_ desktop.Hoverable = (*Button)(nil)
)

func NewButton(kind ButtonKind, label string, act func()) *Button {
	b := &Button{Label: label, OnAct: act, kind: kind}
	b.ExtendBaseWidget(b)
	return b
}

// Kind is how much the button weighs.
func (b *Button) Kind() ButtonKind { return b.kind }

// Disable stops the button from acting and says why.
func (b *Button) Disable(reason string) {
	b.off, b.reason = true, reason
	b.changed()
}

func (b *Button) Enable() {
	b.off, b.reason = false, ""
	b.changed()
}

func (b *Button) Disabled() bool { return b.off }

// Reason is why the button cannot act.
func (b *Button) Reason() string { return b.reason }

func (b *Button) changed() {
	b.Refresh()
	if b.told != nil {
		b.told()
	}
}

func (b *Button) act() {
	if !b.off && b.OnAct != nil {
		b.OnAct()
	}
}

func (b *Button) Tapped(*fyne.PointEvent) { b.act() }

func (b *Button) TypedKey(e *fyne.KeyEvent) {
	switch {
	case b.page(e.Name):
	case b.quiet.Scanning():
	case isEnter(e.Name), e.Name == fyne.KeySpace:
		b.act()
	case e.Name == fyne.KeyEscape && b.escape != nil:
		b.escape()
	}
}

func (b *Button) TypedRune(rune) { b.quiet.Typed() }

func (b *Button) FocusGained() { b.gained(); b.Refresh() }
func (b *Button) FocusLost()   { b.lost(); b.Refresh() }

func (b *Button) MouseIn(*desktop.MouseEvent)    { b.hover = true; b.Refresh() }
func (b *Button) MouseMoved(*desktop.MouseEvent) {}
func (b *Button) MouseOut()                      { b.hover = false; b.Refresh() }

func (b *Button) CreateRenderer() fyne.WidgetRenderer {
	r := &buttonRenderer{button: b, ground: &canvas.Rectangle{}, shade: &canvas.Rectangle{}, label: canvas.NewText("", color.Transparent)}
	r.label.Alignment = fyne.TextAlignCenter
	r.ring = newRing(buttonRadius)
	r.paint()
	return r
}

const (
	buttonRadius = 7
	buttonPadH   = 18
	buttonPadV   = 10
	linkAir      = 5
)

type buttonRenderer struct {
	button        *Button
	ground, shade *canvas.Rectangle
	label         *canvas.Text
	ring          ring
}

func (r *buttonRenderer) paint() {
	b := r.button
	fill, line, ink := theme.Primary, theme.Primary, theme.OnPrimary
	switch b.kind {
	case Secondary:
		fill, line, ink = theme.Card, theme.Line, theme.Ink
	case Danger:
		fill, line, ink = theme.Danger, theme.Danger, theme.OnDanger
	case Link:
		fill, line, ink = "", "", theme.Blue
	case Place:
		fill, line, ink = "", "", theme.Soft
	}
	if b.off {
		fill, line, ink = theme.Off, theme.Line, theme.OnOff
	}
	r.ground.CornerRadius, r.shade.CornerRadius = buttonRadius, buttonRadius
	r.ground.FillColor, r.ground.StrokeColor, r.ground.StrokeWidth = color.Transparent, color.Transparent, 0
	if fill != "" {
		r.ground.FillColor = base.ColorForWidget(fill, b)
		r.ground.StrokeColor, r.ground.StrokeWidth = base.ColorForWidget(line, b), 1
	}
	r.shade.FillColor = color.Transparent
	if b.hover && !b.off {
		r.shade.FillColor = base.ColorForWidget(theme.Hover, b)
	}
	r.label.Text, r.label.Color = b.Label, base.ColorForWidget(ink, b)
	r.label.TextSize = base.SizeForWidget(theme.Text, b)
	inFace(r.label, fyne.TextStyle{Bold: b.kind != Link})
	r.ring.paint(b, b.has)
}

func (r *buttonRenderer) Layout(size fyne.Size) {
	r.ground.Resize(size)
	r.shade.Resize(size)
	if r.button.kind == Link {
		// Its words stand flush with what is above it.
		r.shade.Move(fyne.NewPos(-linkAir, 0))
		r.shade.Resize(size.AddWidthHeight(2*linkAir, 0))
	}
	if r.button.kind == Place || r.button.kind == Here {
		r.label.Alignment = fyne.TextAlignLeading
		r.label.Move(fyne.NewPos(buttonPadV+2, 0))
	}
	r.label.Resize(size)
	r.ring.layout(size)
	if r.button.kind == Link {
		r.ring.Move(fyne.NewPos(-linkAir, 0))
		r.ring.Resize(size.AddWidthHeight(2*linkAir, 0))
	}
}

func (r *buttonRenderer) MinSize() fyne.Size {
	if r.button.kind == Link {
		return r.label.MinSize().AddWidthHeight(0, 8)
	}
	return r.label.MinSize().AddWidthHeight(2*buttonPadH, 2*buttonPadV)
}

func (r *buttonRenderer) Refresh() {
	r.paint()
	r.Layout(r.button.Size())
	canvas.Refresh(r.button)
}

func (r *buttonRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.ground, r.shade, r.label, r.ring.Rectangle}
}

func (r *buttonRenderer) Destroy() {}

// Actions is the line of buttons under a card, with the reason of the first
// one that cannot act.
func Actions(buttons ...*Button) *fyne.Container {
	return actions(Flow(12), fyne.TextAlignLeading, buttons)
}

// NotedActions is the same line with a note at its right end.
func NotedActions(note string, buttons ...*Button) *fyne.Container {
	c := actions(EndsFlow(12), fyne.TextAlignLeading, buttons)
	c.Objects[0].(*fyne.Container).Add(NewText(note, Style{Ink: theme.Amber, Weight: SemiBold, Wrap: true}))
	return c
}

// CentredActions is the line in the middle.
func CentredActions(buttons ...*Button) *fyne.Container {
	return actions(CentredFlow(12), fyne.TextAlignCenter, buttons)
}

func actions(line *fyne.Container, align fyne.TextAlign, buttons []*Button) *fyne.Container {
	for _, b := range buttons {
		line.Add(b)
	}
	reason := NewText("", Style{Size: theme.Small, Ink: theme.Soft, Wrap: true, Align: align})
	tell := func() {
		first := ""
		for _, b := range buttons {
			if b.off && first == "" {
				first = b.reason
			}
		}
		reason.Set(first)
		if first == "" {
			reason.Hide()
		} else {
			reason.Show()
		}
	}
	for _, b := range buttons {
		b.told = tell
	}
	tell()
	return Column(8, line, reason)
}

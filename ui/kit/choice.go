package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
	"image/color"

	"claviger/ui/theme"
)

// Choice is one of several answers, each with its consequence below it; a few
// short ones without consequence stand side by side. None is chosen to begin
// with. Arrows move, Space chooses; Enter chooses too, and submits what was
// chosen already; Backspace takes the choice back.
type Choice struct {
	widget.BaseWidget
	focus
	OnChanged   func(chosen int)
	OnSubmitted func()

	items  []ChoiceItem
	at     int
	chosen int
}

// ChoiceItem is one answer.
type ChoiceItem struct {
	Label, Help string
	Danger      bool
}

var _ fyne.Focusable = (*Choice)(nil)

func NewChoice(items ...ChoiceItem) *Choice {
	c := &Choice{items: items, chosen: -1}
	c.ExtendBaseWidget(c)
	return c
}

// Chosen is the place of the chosen answer, -1 while there is none.
func (c *Choice) Chosen() int { return c.chosen }

func (c *Choice) Choose(i int) {
	c.chosen, c.at = i, i
	c.Refresh()
	if c.OnChanged != nil {
		c.OnChanged(i)
	}
}

func (c *Choice) TypedRune(rune) { c.quiet.Typed() }

func (c *Choice) TypedKey(key *fyne.KeyEvent) {
	switch {
	case c.page(key.Name):
	case c.quiet.Scanning():
	case key.Name == fyne.KeyUp, key.Name == fyne.KeyLeft:
		c.at = max(c.at-1, 0)
		c.Refresh()
	case key.Name == fyne.KeyDown, key.Name == fyne.KeyRight:
		c.at = min(c.at+1, len(c.items)-1)
		c.Refresh()
	case key.Name == fyne.KeySpace, isEnter(key.Name) && c.chosen != c.at:
		c.Choose(c.at)
	case key.Name == fyne.KeyBackspace, key.Name == fyne.KeyDelete:
		c.chosen = -1
		c.Refresh()
		if c.OnChanged != nil {
			c.OnChanged(-1)
		}
	case isEnter(key.Name) && c.OnSubmitted != nil:
		c.OnSubmitted()
	}
}

func (c *Choice) Tapped(e *fyne.PointEvent) {
	if cv := fyne.CurrentApp().Driver().CanvasForObject(c); cv != nil {
		cv.Focus(c)
	}
	for i, b := range c.boxes(c.Size().Width) {
		if in := e.Position.Subtract(b.at); in.X >= 0 && in.Y >= 0 && in.X < b.size.Width && in.Y < b.size.Height {
			c.Choose(i)
			return
		}
	}
}

func (c *Choice) FocusGained() { c.gained(); c.Refresh() }
func (c *Choice) FocusLost()   { c.lost(); c.Refresh() }

const choiceGap = 8

// margin is where the words begin, after the mark.
func (c *Choice) margin() float32 { return 15 + 2*base.SizeForWidget(theme.Text, c) }

// aside says whether all answers stand in one line of this width.
func (c *Choice) aside(width float32) bool {
	n := float32(len(c.items))
	if n < 2 || n > 4 {
		return false
	}
	for _, it := range c.items {
		if label, _ := c.texts(it); it.Help != "" || it.Danger || label.natural()+c.margin()+14 > (width-(n-1)*choiceGap)/n {
			return false
		}
	}
	return true
}

// box is where an answer stands.
type box struct {
	at   fyne.Position
	size fyne.Size
}

func (c *Choice) boxes(width float32) []box {
	boxes := make([]box, len(c.items))
	aside := c.aside(width)
	if aside {
		n := float32(len(c.items))
		width = (width - (n-1)*choiceGap) / n
	}
	at := fyne.Position{}
	w := max(width-c.margin()-14, 40)
	for i, it := range c.items {
		label, help := c.texts(it)
		h := 22 + heightAt(label, w)
		if it.Help != "" {
			h += 2 + heightAt(help, w)
		}
		h = max(h, base.SizeForWidget(theme.Text, c)+24)
		boxes[i] = box{at, fyne.NewSize(width, h)}
		if aside {
			at.X += width + choiceGap
		} else {
			at.Y += h + choiceGap
		}
	}
	return boxes
}

func (c *Choice) texts(it ChoiceItem) (label, help *Text) {
	ink := theme.Ink
	if it.Danger {
		ink = theme.Red
	}
	return NewText(it.Label, Style{Weight: SemiBold, Ink: ink, Wrap: true}),
		NewText(it.Help, Style{Size: theme.Small, Ink: theme.Soft, Wrap: true})
}

func (c *Choice) CreateRenderer() fyne.WidgetRenderer {
	r := &choiceRenderer{choice: c, ring: newRing(8)}
	for _, it := range c.items {
		label, help := c.texts(it)
		r.rows = append(r.rows, choiceRow{NewFrame(theme.Card, theme.Line, 8), canvas.NewCircle(color.Transparent), canvas.NewCircle(nil), label, help})
	}
	r.paint()
	return r
}

type choiceRow struct {
	frame       *Box
	mark, point *canvas.Circle
	label, help *Text
}

type choiceRenderer struct {
	choice *Choice
	rows   []choiceRow
	ring   ring
}

func (r *choiceRenderer) paint() {
	for i, row := range r.rows {
		line := theme.Line
		if i == r.choice.chosen {
			line = theme.Ink
		}
		if row.frame.Line != line {
			row.frame.Line = line
			row.frame.Refresh()
		}
		row.mark.StrokeColor, row.mark.StrokeWidth = base.ColorForWidget(theme.Input, r.choice), 1.5
		row.point.FillColor = base.ColorForWidget(theme.Ink, r.choice)
		row.point.Hidden = i != r.choice.chosen
	}
	r.ring.paint(r.choice, r.choice.has)
}

func (r *choiceRenderer) Layout(size fyne.Size) {
	left := r.choice.margin()
	mark := 1.1 * base.SizeForWidget(theme.Text, r.choice)
	for i, b := range r.choice.boxes(size.Width) {
		row := r.rows[i]
		row.frame.Move(b.at)
		row.frame.Resize(b.size)
		w := max(b.size.Width-left-14, 40)
		lh := heightAt(row.label, w)
		middle := b.at.Y + 10 + row.label.line()/2
		row.mark.Move(fyne.NewPos(b.at.X+15, middle-mark/2))
		row.mark.Resize(fyne.NewSquareSize(mark))
		row.point.Move(fyne.NewPos(b.at.X+15+mark/4, middle-mark/4))
		row.point.Resize(fyne.NewSquareSize(mark / 2))
		row.label.Move(b.at.AddXY(left, 10))
		row.label.Resize(fyne.NewSize(w, lh))
		row.help.Move(b.at.AddXY(left, 12+lh))
		row.help.Resize(fyne.NewSize(w, heightAt(row.help, w)))
		if i == r.choice.at {
			r.ring.Move(b.at.SubtractXY(ringGap, ringGap))
			r.ring.Resize(b.size.AddWidthHeight(2*ringGap, 2*ringGap))
		}
	}
}

func (r *choiceRenderer) MinSize() fyne.Size {
	s := fyne.NewSize(220, 0)
	for _, b := range r.choice.boxes(max(r.choice.Size().Width, 220)) {
		s.Height = max(s.Height, b.at.Y+b.size.Height)
	}
	return s
}

func (r *choiceRenderer) Refresh() {
	r.paint()
	r.Layout(r.choice.Size())
	canvas.Refresh(r.choice)
}

func (r *choiceRenderer) Objects() []fyne.CanvasObject {
	var objects []fyne.CanvasObject
	for _, row := range r.rows {
		objects = append(objects, row.frame, row.mark, row.point, row.label, row.help)
	}
	return append(objects, r.ring.Rectangle)
}

func (r *choiceRenderer) Destroy() {}

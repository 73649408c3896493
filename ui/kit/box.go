package kit

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// Box is a rectangle in colours of the theme. An empty name draws nothing.
type Box struct {
	widget.BaseWidget
	Fill, Line fyne.ThemeColorName
	Stroke     float32
	Radius     float32
	Min        fyne.Size
}

// NewBox fills an area.
func NewBox(fill fyne.ThemeColorName, radius float32) *Box {
	b := &Box{Fill: fill, Radius: radius}
	b.ExtendBaseWidget(b)
	return b
}

// NewFrame fills an area and draws a thin border around it.
func NewFrame(fill, line fyne.ThemeColorName, radius float32) *Box {
	b := NewBox(fill, radius)
	b.Line, b.Stroke = line, 1
	return b
}

// NewRule is a thin line across.
func NewRule(line fyne.ThemeColorName) *Box {
	b := NewBox(line, 0)
	b.Min = fyne.NewSize(1, 1)
	return b
}

// NewDot is a filled circle.
func NewDot(fill fyne.ThemeColorName, size float32) *Box {
	b := NewBox(fill, size/2)
	b.Min = fyne.NewSize(size, size)
	return b
}

func (b *Box) CreateRenderer() fyne.WidgetRenderer {
	r := &boxRenderer{box: b, rectangle: &canvas.Rectangle{}}
	r.paint()
	return r
}

type boxRenderer struct {
	box       *Box
	rectangle *canvas.Rectangle
}

func (r *boxRenderer) paint() {
	b := r.box
	r.rectangle.CornerRadius, r.rectangle.StrokeWidth = b.Radius, b.Stroke
	r.rectangle.FillColor, r.rectangle.StrokeColor = color.Transparent, color.Transparent
	if b.Fill != "" {
		r.rectangle.FillColor = base.ColorForWidget(b.Fill, b)
	}
	if b.Line != "" {
		r.rectangle.StrokeColor = base.ColorForWidget(b.Line, b)
	}
}

func (r *boxRenderer) Layout(size fyne.Size)        { r.rectangle.Resize(size) }
func (r *boxRenderer) MinSize() fyne.Size           { return r.box.Min }
func (r *boxRenderer) Refresh()                     { r.paint(); r.rectangle.Refresh() }
func (r *boxRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.rectangle} }
func (r *boxRenderer) Destroy()                     {}

// Tone is what a mark says about something. It never stands without a word.
type Tone int

const (
	Neutral Tone = iota
	Good
	Waiting
	Bad
	Info
)

// mark says the tone without its colour.
func (t Tone) mark() string { return [...]string{"", "✓", "!", "×", "·"}[t] }

func (t Tone) ink() fyne.ThemeColorName {
	return [...]fyne.ThemeColorName{theme.Soft, theme.Green, theme.Amber, theme.Red, theme.Blue}[t]
}

func (t Tone) fill() fyne.ThemeColorName {
	return [...]fyne.ThemeColorName{theme.NeutralFill, theme.GreenFill, theme.AmberFill, theme.RedFill, theme.BlueFill}[t]
}

// InkOf is the colour of words in a tone.
func InkOf(t Tone) fyne.ThemeColorName { return t.ink() }

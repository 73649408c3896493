package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"

	"claviger/ui/theme"
)

// heightAt gives o its width and asks how high it then is.
func heightAt(o fyne.CanvasObject, width float32) float32 {
	if o.Size().Width != width {
		o.Resize(fyne.NewSize(width, o.MinSize().Height))
	}
	return o.MinSize().Height
}

// Column stacks children, each as wide as the column.
func Column(gap float32, children ...fyne.CanvasObject) *fyne.Container {
	return container.New(columnLayout{gap}, children...)
}

type columnLayout struct{ gap float32 }

func (l columnLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	for _, o := range children {
		if !o.Visible() {
			continue
		}
		h := heightAt(o, size.Width)
		o.Move(fyne.NewPos(0, y))
		o.Resize(fyne.NewSize(size.Width, h))
		y += h + l.gap
	}
}

func (l columnLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	shown := 0
	for _, o := range children {
		if !o.Visible() {
			continue
		}
		m := o.MinSize()
		s.Width = max(s.Width, m.Width)
		s.Height += m.Height
		shown++
	}
	s.Height += l.gap * float32(max(shown-1, 0))
	return s
}

// Row puts children side by side, each as wide as it asks; a [Grow] child
// takes what is left. They stand in the middle of the row's height.
func Row(gap float32, children ...fyne.CanvasObject) *fyne.Container {
	return container.New(rowLayout{gap: gap}, children...)
}

// TopRow is a Row whose children hang from its upper edge.
func TopRow(gap float32, children ...fyne.CanvasObject) *fyne.Container {
	return container.New(rowLayout{gap: gap, top: true}, children...)
}

// Grow marks the child of a Row that takes the width that is left.
func Grow(o fyne.CanvasObject) fyne.CanvasObject {
	return container.New(growLayout{}, o)
}

type growLayout struct{}

func (growLayout) Layout(children []fyne.CanvasObject, size fyne.Size) { children[0].Resize(size) }
func (growLayout) MinSize(children []fyne.CanvasObject) fyne.Size      { return children[0].MinSize() }

type rowLayout struct {
	gap float32
	top bool
}

func grows(o fyne.CanvasObject) bool {
	if s, ok := o.(layout.SpacerObject); ok {
		return s.ExpandHorizontal()
	}
	c, ok := o.(*fyne.Container)
	if !ok {
		return false
	}
	_, ok = c.Layout.(growLayout)
	return ok
}

func (l rowLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	fixed, growing := -l.gap, float32(0)
	for _, o := range children {
		if !o.Visible() {
			continue
		}
		fixed += l.gap
		if grows(o) {
			growing++
		} else {
			fixed += o.MinSize().Width
		}
	}
	x := float32(0)
	for _, o := range children {
		if !o.Visible() {
			continue
		}
		w := o.MinSize().Width
		if grows(o) {
			w = max((size.Width-fixed)/growing, 0)
		}
		h := heightAt(o, w)
		y := float32(0)
		if !l.top {
			y = max((size.Height-h)/2, 0)
		}
		o.Move(fyne.NewPos(x, y))
		o.Resize(fyne.NewSize(w, h))
		x += w + l.gap
	}
}

func (l rowLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	shown := 0
	for _, o := range children {
		if !o.Visible() {
			continue
		}
		m := o.MinSize()
		s.Width += m.Width
		s.Height = max(s.Height, m.Height)
		shown++
	}
	s.Width += l.gap * float32(max(shown-1, 0))
	return s
}

// Flow puts children side by side and begins a new line where they do not fit,
// as words do.
func Flow(gap float32, children ...fyne.CanvasObject) *fyne.Container {
	return container.New(&flowLayout{gap: gap}, children...)
}

// CentredFlow is a Flow whose lines stand in the middle.
func CentredFlow(gap float32, children ...fyne.CanvasObject) *fyne.Container {
	return container.New(&flowLayout{gap: gap, centred: true}, children...)
}

// EndsFlow is a Flow whose last child stands at the right end of its line.
func EndsFlow(gap float32, children ...fyne.CanvasObject) *fyne.Container {
	return container.New(&flowLayout{gap: gap, ends: true}, children...)
}

type flowLayout struct {
	gap     float32
	centred bool
	ends    bool
	height  float32 // at the width of the last layout
}

func (l *flowLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	var line []fyne.CanvasObject
	used, high := float32(0), float32(0)
	flush := func() {
		x := float32(0)
		if l.centred {
			x = max((size.Width-used)/2, 0)
		}
		for _, o := range line {
			m := flowSize(o, size.Width)
			w := min(m.Width, size.Width)
			if l.ends && o == children[len(children)-1] {
				x = size.Width - w
			}
			o.Move(fyne.NewPos(x, y+(high-m.Height)/2))
			o.Resize(fyne.NewSize(w, m.Height))
			x += w + l.gap
		}
		y += high + l.gap
		line, used, high = nil, 0, 0
	}
	for _, o := range children {
		if !o.Visible() {
			continue
		}
		m := flowSize(o, size.Width)
		if len(line) > 0 && used+l.gap+m.Width > size.Width {
			flush()
		}
		if len(line) > 0 {
			used += l.gap
		}
		line, used, high = append(line, o), used+m.Width, max(high, m.Height)
	}
	if len(line) > 0 {
		flush()
	}
	l.height = max(y-l.gap, 0)
}

// flowSize is what o takes of a line: a text that could wrap does not before the
// line is full.
func flowSize(o fyne.CanvasObject, line float32) fyne.Size {
	if t, ok := o.(*Text); ok && t.style.Wrap {
		w := min(t.natural(), line)
		return fyne.NewSize(w, heightAt(t, w))
	}
	return o.MinSize()
}

func (l *flowLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range children {
		if o.Visible() {
			m := o.MinSize()
			s = fyne.NewSize(max(s.Width, m.Width), max(s.Height, m.Height))
		}
	}
	s.Height = max(s.Height, l.height)
	return s
}

// Inset leaves room around o.
func Inset(horizontal, vertical float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(insetLayout{horizontal, vertical}, o)
}

type insetLayout struct{ h, v float32 }

func (l insetLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	for _, o := range children {
		o.Move(fyne.NewPos(l.h, l.v))
		o.Resize(fyne.NewSize(max(size.Width-2*l.h, 0), max(size.Height-2*l.v, 0)))
	}
}

func (l insetLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range children {
		s = s.Max(o.MinSize())
	}
	return s.AddWidthHeight(2*l.h, 2*l.v)
}

// On lays o over a box with room around it.
func On(box *Box, horizontal, vertical float32, o fyne.CanvasObject) *fyne.Container {
	return container.NewStack(box, Inset(horizontal, vertical, o))
}

// Narrow holds o in the middle and never lets it be wider than so many ems.
func Narrow(ems float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(narrowLayout{ems, 0.5}, o)
}

// AtMost holds o at the left and never lets it be wider than so many ems.
func AtMost(ems float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(narrowLayout{ems, 0}, o)
}

type narrowLayout struct{ ems, at float32 }

func (l narrowLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	for _, o := range children {
		w := min(l.ems*em(theme.Text), size.Width)
		o.Move(fyne.NewPos((size.Width-w)*l.at, 0))
		o.Resize(fyne.NewSize(w, size.Height))
	}
}

func (l narrowLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range children {
		s = s.Max(o.MinSize())
	}
	return s
}

// em is a text size of the window's theme, for columns that grow with the text.
func em(size fyne.ThemeSizeName) float32 {
	return fyne.CurrentApp().Settings().Theme().Size(size)
}

// Wide gives o a fixed width; its height follows.
func Wide(width float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(wideLayout{width}, o)
}

type wideLayout struct{ width float32 }

func (l wideLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	for _, o := range children {
		o.Resize(size)
	}
}

func (l wideLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	var h float32
	for _, o := range children {
		h = max(h, heightAt(o, l.width))
	}
	return fyne.NewSize(l.width, h)
}

// stretchRow puts an edge of fixed width beside content, as high as it.
func stretchRow(edge, content fyne.CanvasObject) *fyne.Container {
	return container.New(stretchLayout{}, edge, content)
}

type stretchLayout struct{}

func (stretchLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	w := children[0].MinSize().Width
	children[0].Resize(fyne.NewSize(w, size.Height))
	children[1].Move(fyne.NewPos(w, 0))
	children[1].Resize(fyne.NewSize(max(size.Width-w, 0), size.Height))
}

func (stretchLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	e, c := children[0].MinSize(), children[1].MinSize()
	return fyne.NewSize(e.Width+c.Width, max(e.Height, c.Height))
}

// Fill puts top at its height above rest, which takes what is left.
func Fill(top, rest fyne.CanvasObject) *fyne.Container { return FillBelow(0, top, rest) }

// FillBelow is Fill with room between the two.
func FillBelow(gap float32, top, rest fyne.CanvasObject) *fyne.Container {
	return container.New(fillLayout{gap}, top, rest)
}

type fillLayout struct{ gap float32 }

func (l fillLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	h := float32(0)
	if children[0].Visible() {
		h = heightAt(children[0], size.Width)
		children[0].Resize(fyne.NewSize(size.Width, h))
		h += l.gap
	}
	children[1].Move(fyne.NewPos(0, h))
	children[1].Resize(fyne.NewSize(size.Width, max(size.Height-h, 0)))
}

func (l fillLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	t, r := children[0].MinSize(), children[1].MinSize()
	return fyne.NewSize(max(t.Width, r.Width), t.Height+l.gap+r.Height)
}

// Sides puts two columns side by side in shares of the width, or one below the
// other where the page is narrower than ems times the text.
func Sides(left, right, gap, ems float32, a, b fyne.CanvasObject) *fyne.Container {
	return container.New(&sidesLayout{share: left / (left + right), gap: gap, ems: ems}, a, b)
}

type sidesLayout struct {
	share, gap, ems float32
	stacked         bool // at the width of the last layout
}

func (l *sidesLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	a, b := children[0], children[1]
	if l.stacked = size.Width < l.ems*em(theme.Text); l.stacked {
		h := heightAt(a, size.Width)
		a.Move(fyne.NewPos(0, 0))
		a.Resize(fyne.NewSize(size.Width, h))
		b.Move(fyne.NewPos(0, h+l.gap))
		b.Resize(fyne.NewSize(size.Width, heightAt(b, size.Width)))
		return
	}
	w := (size.Width - l.gap) * l.share
	a.Move(fyne.NewPos(0, 0))
	a.Resize(fyne.NewSize(w, heightAt(a, w)))
	b.Move(fyne.NewPos(w+l.gap, 0))
	w = size.Width - l.gap - w
	b.Resize(fyne.NewSize(w, heightAt(b, w)))
}

func (l *sidesLayout) MinSize(children []fyne.CanvasObject) fyne.Size {
	a, b := children[0].MinSize(), children[1].MinSize()
	if l.stacked {
		return fyne.NewSize(max(a.Width, b.Width), a.Height+l.gap+b.Height)
	}
	return fyne.NewSize(max(a.Width, b.Width), max(a.Height, b.Height))
}

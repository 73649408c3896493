package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// Frame is the window's whole face: a band and a bar on top, a strip at the
// foot, a panel on either side and the page between them. Parts are replaced
// one by one, so that a new fact at the side does not take the focus from the
// page.
//
// Where the text is large for the window the panels go; OnCompact tells the page,
// which then shows what they held.
type Frame struct {
	Object fyne.CanvasObject
	// OnCompact runs when the panels go or come back.
	OnCompact func(compact bool)

	layout *frameLayout
	root   *fyne.Container
	parts  [frameParts]*fyne.Container
}

const (
	partTop = iota
	partLeft
	partPage
	partRight
	partFoot
	frameParts
)

// PanelWidth is that of a panel, in ems.
const PanelWidth = 18.5

// A panel takes at most this share of the window.
const panelShare = 0.22

// A window below this many ems is better off without panels.
const compactEms = 68

func NewWindowFrame() *Frame {
	f := &Frame{layout: &frameLayout{}}
	for i := range f.parts {
		f.parts[i] = container.NewStack()
	}
	f.layout.frame = f
	f.root = container.New(f.layout, f.parts[partTop], f.parts[partLeft], f.parts[partPage], f.parts[partRight], f.parts[partFoot])
	f.Object = container.NewStack(NewBox(theme.Paper, 0), f.root)
	return f
}

func (f *Frame) set(part int, o fyne.CanvasObject) {
	f.parts[part].RemoveAll()
	if o != nil {
		f.parts[part].Add(o)
	}
	f.root.Refresh()
}

func (f *Frame) SetTop(o fyne.CanvasObject)  { f.set(partTop, o) }
func (f *Frame) SetFoot(o fyne.CanvasObject) { f.set(partFoot, o) }

// SetPage shows another page; it fills the middle.
func (f *Frame) SetPage(o fyne.CanvasObject) { f.set(partPage, o) }

// SetLeft and SetRight show a panel so many ems wide; nil takes it away. Where the
// left one is longer than the window, its part now stays in sight.
func (f *Frame) SetLeft(o, now fyne.CanvasObject, ems float32) {
	f.layout.left = ems
	f.set(partLeft, panel(o, now, false))
}

func (f *Frame) SetRight(o fyne.CanvasObject, ems float32) {
	f.layout.right = ems
	f.set(partRight, panel(o, nil, true))
}

func panel(content, now fyne.CanvasObject, right bool) fyne.CanvasObject {
	if content == nil {
		return nil
	}
	edge := NewBox(theme.Line, 0)
	edge.Min = fyne.NewSize(1, 1)
	page := NewScroll(Inset(14, 18, content))
	page.Layout = pageLayout{now}
	if right {
		return container.NewStack(NewBox(theme.Side, 0), container.NewBorder(nil, nil, edge, nil, page))
	}
	return container.NewStack(NewBox(theme.Side, 0), container.NewBorder(nil, nil, nil, edge, page))
}

type frameLayout struct {
	frame       *Frame
	left, right float32 // in ems
	compact     bool
}

func (l *frameLayout) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	if size.Width == 0 {
		return // not in a window yet
	}
	f := l.frame
	compact := size.Width < compactEms*em(theme.Text)
	if compact != l.compact {
		// Before anything is laid out: what is then shown decides how high it is.
		l.compact = compact
		if f.OnCompact != nil {
			f.OnCompact(compact)
		}
	}
	top, foot := heightAt(f.parts[partTop], size.Width), heightAt(f.parts[partFoot], size.Width)
	f.parts[partTop].Resize(fyne.NewSize(size.Width, top))
	f.parts[partFoot].Move(fyne.NewPos(0, size.Height-foot))
	f.parts[partFoot].Resize(fyne.NewSize(size.Width, foot))

	middle := fyne.NewSize(size.Width, max(size.Height-top-foot, 0))
	left, right := l.panelWidth(partLeft, l.left, size.Width), l.panelWidth(partRight, l.right, size.Width)
	f.parts[partLeft].Move(fyne.NewPos(0, top))
	f.parts[partLeft].Resize(fyne.NewSize(left, middle.Height))
	f.parts[partRight].Move(fyne.NewPos(size.Width-right, top))
	f.parts[partRight].Resize(fyne.NewSize(right, middle.Height))
	f.parts[partPage].Move(fyne.NewPos(left, top))
	f.parts[partPage].Resize(fyne.NewSize(middle.Width-left-right, middle.Height))
}

func (l *frameLayout) panelWidth(part int, ems, window float32) float32 {
	p := l.frame.parts[part]
	if l.compact || len(p.Objects) == 0 {
		p.Hide()
		return 0
	}
	p.Show()
	return min(ems*em(theme.Text), panelShare*window)
}

func (l *frameLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	f := l.frame
	return fyne.NewSize(480, f.parts[partTop].MinSize().Height+f.parts[partFoot].MinSize().Height+200)
}

package kit

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"

	"claviger/ui/theme"
)

// focus is what every widget that takes keys remembers, with the way to its
// page: the toolkit scrolls neither to the focus nor by keys.
type focus struct {
	has    bool
	still  bool // the next focus does not move the page
	reveal func()
	scroll func(pages float32)
	quiet  *Quiet
}

func (f *focus) guard(q *Quiet) { f.quiet = q }

func (f *focus) onPage(reveal func(), scroll func(float32)) { f.reveal, f.scroll = reveal, scroll }

func (f *focus) gained() {
	f.has = true
	if f.reveal != nil && !f.still {
		f.reveal()
	}
	f.still = false
}

// InSight brings what has the focus into sight once more, where what stands around
// it has grown meanwhile.
func InSight(f fyne.Focusable) {
	if r, ok := f.(interface{ show() }); ok {
		r.show()
	}
}

func (f *focus) show() {
	if f.reveal != nil {
		f.reveal()
	}
}

// page moves the page by its keys; false for any other key.
func (f *focus) page(key fyne.KeyName) bool {
	if f.scroll == nil {
		return false
	}
	switch key {
	case fyne.KeyPageDown:
		f.scroll(1)
	case fyne.KeyPageUp:
		f.scroll(-1)
	default:
		return false
	}
	return true
}

// FocusFirst gives a new page's first widget the focus. What is not typed into
// does not pull the page down to itself: what stands above is read first.
func FocusFirst(c fyne.Canvas, f fyne.Focusable) {
	switch f := f.(type) {
	case *Button:
		f.still = true
	case *Choice:
		f.still = true
	}
	c.Focus(f)
}

func (f *focus) lost() { f.has = false }

// ring is drawn around what has the focus, a little outside of it.
type ring struct{ *canvas.Rectangle }

const ringGap = 3

func newRing(radius float32) ring {
	r := canvas.NewRectangle(color.Transparent)
	r.StrokeWidth, r.CornerRadius = 2, radius+ringGap
	r.Hide()
	return ring{r}
}

func (r ring) layout(size fyne.Size) {
	r.Move(fyne.NewPos(-ringGap, -ringGap))
	r.Resize(size.AddWidthHeight(2*ringGap, 2*ringGap))
}

func (r ring) paint(w fyne.Widget, on bool) {
	r.StrokeColor = base.ColorForWidget(theme.Focus, w)
	if on {
		r.Show()
	} else {
		r.Hide()
	}
	r.Rectangle.Refresh()
}

// isEnter is true for both Enter keys.
func isEnter(key fyne.KeyName) bool { return key == fyne.KeyReturn || key == fyne.KeyEnter }

// ringLayout lays a ring, the first child, around the second.
type ringLayout struct{}

func (ringLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	children[0].Move(fyne.NewPos(-ringGap, -ringGap))
	children[0].Resize(size.AddWidthHeight(2*ringGap, 2*ringGap))
	children[1].Resize(size)
}

func (ringLayout) MinSize(children []fyne.CanvasObject) fyne.Size { return children[1].MinSize() }

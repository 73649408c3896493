package kit

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"

	"claviger/ui/theme"
)

// focus is what every widget that takes keys remembers.
type focus struct {
	has    bool
	reveal func()
}

func (f *focus) onFocus(reveal func()) { f.reveal = reveal }

func (f *focus) gained() {
	f.has = true
	if f.reveal != nil {
		f.reveal()
	}
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

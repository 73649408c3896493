package kit

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// PracticeBand crosses the whole width above everything else: diagonal stripes
// and words on them that say that nothing here is real.
func PracticeBand(words string) fyne.CanvasObject {
	label := NewText(words, Style{Size: theme.Small, Weight: SemiBold, Ink: theme.StripeDark, Align: fyne.TextAlignCenter, Wrap: true})
	return Column(0, newStripes(8), On(NewBox(theme.Stripe, 0), 16, 3, label))
}

// HeldBand crosses the whole width and says that here nothing can be changed.
func HeldBand(words string) fyne.CanvasObject {
	return On(NewBox(theme.BlueFill, 0), 16, 5, NewText(words, Style{Size: theme.Small, Weight: SemiBold, Ink: theme.Blue, Align: fyne.TextAlignCenter, Wrap: true}))
}

// stripes are diagonal.
type stripes struct {
	widget.BaseWidget
	height float32
}

func newStripes(height float32) *stripes {
	s := &stripes{height: height}
	s.ExtendBaseWidget(s)
	return s
}

func (s *stripes) CreateRenderer() fyne.WidgetRenderer {
	raster := canvas.NewRasterWithPixels(func(x, y, _, h int) color.Color {
		// Period and slope follow the height, so they look alike at any scale.
		if period := max(4*h, 2); (x+y)%period < period/2 {
			return base.ColorForWidget(theme.StripeDark, s)
		}
		return base.ColorForWidget(theme.Stripe, s)
	})
	raster.SetMinSize(fyne.NewSize(1, s.height))
	return widget.NewSimpleRenderer(raster)
}

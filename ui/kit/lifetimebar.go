package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// LifetimeBar shows how much of a span is used, with what is left in words.
func LifetimeBar(used float64, tone Tone, left string) fyne.CanvasObject {
	fill := tone.ink()
	if tone == Neutral {
		fill = theme.Muted
	}
	bar := container.New(shareLayout{float32(min(max(used, 0), 1))}, NewBox(theme.Track, 3.5), NewBox(fill, 3.5))
	return Row(14, Grow(bar), NewText(left, Style{}))
}

// shareLayout draws the second child over a share of the first.
type shareLayout struct{ share float32 }

const barHeight = 7

func (l shareLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	y := (size.Height - barHeight) / 2
	for i, width := range []float32{size.Width, max(size.Width*l.share, barHeight)} {
		children[i].Move(fyne.NewPos(0, y))
		children[i].Resize(fyne.NewSize(width, barHeight))
	}
}

func (shareLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(60, barHeight) }

package kit

import (
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// QuorumDots shows how many of those needed are there: ticks for them, a ring
// with its number for each one still to come.
func QuorumDots(got, need int) fyne.CanvasObject {
	size := 2.6 * em(theme.Heading)
	dots := make([]fyne.CanvasObject, max(got, need))
	for i := range dots {
		face := NewText(strconv.Itoa(i+1), Style{Size: theme.Heading, Weight: SemiBold, Ink: theme.Muted, Align: fyne.TextAlignCenter})
		disc := NewFrame("", theme.Line, size/2)
		switch {
		case i < got:
			face = NewText("✓", Style{Size: theme.Heading, Weight: SemiBold, Ink: theme.OnGreen, Align: fyne.TextAlignCenter})
			disc = NewBox(theme.GreenSolid, size/2)
		case i == got:
			face.style.Ink = theme.Amber
			disc = NewFrame("", theme.Amber, size/2)
			disc.Stroke = 2
		}
		disc.Min = fyne.NewSquareSize(size)
		dots[i] = container.NewStack(disc, container.NewCenter(face))
	}
	return CentredFlow(14, dots...)
}

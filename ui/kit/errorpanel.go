package kit

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

// Trouble is an error for people: what happened, what is safe, what to do, and
// the raw code for those who want to look it up.
type Trouble struct{ Happened, Safe, Do, Code string }

// ErrorPanel shows trouble in three lines and the code below.
func ErrorPanel(t Trouble) fyne.CanvasObject {
	edge := NewBox(theme.Red, 0)
	edge.Min = fyne.NewSize(5, 5)
	column := Column(5, NewText(t.Happened, Style{Weight: SemiBold, Ink: theme.Red, Wrap: true}))
	for _, line := range []string{t.Safe, t.Do} {
		if line != "" {
			column.Add(Body(line))
		}
	}
	if t.Code != "" {
		column.Add(NewText(fmt.Sprintf(textDetails, t.Code), Style{Size: theme.Small, Weight: Mono, Ink: theme.Soft, Wrap: true}))
	}
	return On(NewFrame(theme.RedFill, theme.Red, 6), 0, 0, stretchRow(edge, Inset(16, 12, column)))
}

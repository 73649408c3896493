package kit

import (
	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

// ReadAloud is what one person says to the others, in quotes and larger than
// everything but the title. Grave marks what cannot be taken back.
func ReadAloud(words string, grave bool) fyne.CanvasObject {
	fill, bar := theme.AmberFill, theme.Amber
	if grave {
		fill, bar = theme.RedFill, theme.Red
	}
	edge := NewBox(bar, 0)
	edge.Min = fyne.NewSize(5, 5)
	said := NewText("“"+words+"”", Style{Size: theme.Speech, Wrap: true, Leading: 0.12})
	return On(NewBox(fill, 4), 0, 0, stretchRow(edge, Inset(18, 16, said)))
}

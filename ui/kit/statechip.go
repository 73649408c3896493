package kit

import (
	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

// StateChip is a word in a coloured capsule.
func StateChip(tone Tone, word string) fyne.CanvasObject {
	label := NewText(word, Style{Size: theme.Small, Weight: Medium, Ink: tone.ink()})
	box := NewBox(tone.fill(), 11)
	if tone != Neutral {
		// In high contrast every fill is white: the border is the capsule.
		box.Line, box.Stroke = tone.fill(), 1
	}
	return On(box, 10, 2, label)
}

package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// Person is who is shown in a badge. Tone colours the ring: Good has done a
// part, Waiting is next, Neutral is there. Absent people are grey.
type Person struct {
	Initials, Name, Note string
	Tone                 Tone
	Absent               bool
}

// PersonBadge shows initials in a ring, the name, and the note below it.
func PersonBadge(p Person) fyne.CanvasObject {
	size := 2.5 * em(theme.Text)
	ink, name := p.Tone.ink(), theme.Ink
	disc := NewBox(theme.NeutralFill, size/2)
	if p.Tone == Neutral {
		ink = theme.Ink
	} else {
		disc = NewFrame(p.Tone.fill(), p.Tone.ink(), size/2)
		disc.Stroke = 2
	}
	if p.Absent {
		ink, name = theme.Muted, theme.Muted
		disc = NewFrame("", theme.Line, size/2)
	}
	disc.Min = fyne.NewSquareSize(size)
	initials := NewText(p.Initials, Style{Size: theme.Small, Weight: SemiBold, Ink: ink, Align: fyne.TextAlignCenter})
	return Row(10,
		container.NewStack(disc, container.NewCenter(initials)),
		Grow(Column(1,
			NewText(p.Name, Style{Weight: SemiBold, Ink: name, Wrap: true}),
			NewText(p.Note, Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))))
}

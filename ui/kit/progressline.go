package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// ProgressLine says what is happening and for how long, while nobody can type.
type ProgressLine struct {
	Object       fyne.CanvasObject
	what, during *Text
}

func NewProgressLine() *ProgressLine {
	p := &ProgressLine{
		what:   NewText("", Style{Weight: SemiBold, Wrap: true}),
		during: NewText("", Style{Ink: theme.Soft, Weight: Mono}),
	}
	row := Row(10, container.NewCenter(NewDot(theme.Amber, 10)), Grow(p.what), p.during)
	p.Object = On(NewFrame(theme.AmberFill, theme.Amber, 8), 16, 10, row)
	return p
}

func (p *ProgressLine) Set(what, during string) {
	p.what.Set(what)
	p.during.Set(during)
}

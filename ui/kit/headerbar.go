package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// Lamp is the light on a pill.
type Lamp int

const (
	NoLamp Lamp = iota
	LampOff
	LampOn
	LampWarns // what should be off is on, or nobody knows
)

// Pill is a short fact at the right of the header.
type Pill struct {
	Text string
	Lamp Lamp
}

// HeaderBar is the dark bar on top: the program, the place, the pills.
func HeaderBar(brand, place string, pills []Pill) fyne.CanvasObject {
	right := Row(14)
	for _, p := range pills {
		right.Add(pill(p))
	}
	line := EndsFlow(14,
		NewText(brand, Style{Weight: SemiBold, Ink: theme.OnHeader}),
		NewText(place, Style{Ink: theme.OnHeaderDim, Wrap: true}),
		right)
	return On(NewBox(theme.Header, 0), 16, 9, line)
}

// PillBar is the bar where the text is large: the pills alone.
func PillBar(pills []Pill) fyne.CanvasObject {
	line := Flow(14)
	for _, p := range pills {
		line.Add(pill(p))
	}
	return On(NewBox(theme.Header, 0), 16, 9, line)
}

func pill(p Pill) fyne.CanvasObject {
	label := NewText(p.Text, Style{Size: theme.Small, Weight: Medium, Ink: theme.OnHeader})
	content := fyne.CanvasObject(label)
	if p.Lamp != NoLamp {
		color := map[Lamp]fyne.ThemeColorName{LampOff: theme.OnHeaderDim, LampOn: theme.Lamp, LampWarns: theme.LampWarns}[p.Lamp]
		content = Row(7, container.NewCenter(NewDot(color, 0.65*em(theme.Small))), label)
	}
	return On(NewFrame(theme.Pill, theme.Pill, 12), 11, 3, content)
}

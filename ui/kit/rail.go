package kit

import (
	"strconv"
	"strings"

	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

// RailState is how far a step is.
type RailState int

const (
	Todo RailState = iota
	Now
	Done
	Amended // done, but not as written
	Failed
)

// RailStep is a line of the rail. Marks and the time At stand at its right.
type RailStep struct {
	Number       int
	Title, Marks string
	At           string
	State        RailState
	// Grave colours a step that cannot be undone while it is Now.
	Grave bool
}

type RailPhase struct {
	Title string
	Steps []RailStep
}

// Rail lists numbered steps under their phases, and gives the line that is Now.
func Rail(head string, phases []RailPhase) (rail, now fyne.CanvasObject) {
	column := Column(2, Inset(8, 0, Kicker(head)))
	for i, phase := range phases {
		title := NewText(strconv.Itoa(i+1)+" "+strings.ToUpper(phase.Title), Style{Size: theme.Kicker, Weight: SemiBold, Ink: theme.Soft, Wrap: true})
		column.Add(Inset(8, 7, title))
		for _, step := range phase.Steps {
			line := railStep(step)
			if step.State == Now {
				now = line
			}
			column.Add(line)
		}
	}
	return column, now
}

func railStep(s RailStep) fyne.CanvasObject {
	ground := NewBox("", 7)
	number, title, marks := theme.Muted, theme.Soft, theme.Green
	weight, mark := Regular, ""
	switch s.State {
	case Now:
		ground.Fill, number, title, marks = theme.Primary, theme.OnPrimary, theme.OnPrimary, theme.OnPrimary
		weight = SemiBold
		if s.Grave {
			ground.Fill, number, title, marks = theme.Danger, theme.OnDanger, theme.OnDanger, theme.OnDanger
		}
	case Done:
		number, mark = theme.Green, "✓"
	case Amended:
		number, marks, mark = theme.Amber, theme.Amber, "!"
	case Failed:
		number, marks, mark = theme.Red, theme.Red, "×"
	}
	row := TopRow(6,
		Wide(0.95*em(theme.Small), NewText(mark, Style{Size: theme.Small, Ink: number, Weight: SemiBold})),
		Wide(1.6*em(theme.Small), NewText(strconv.Itoa(s.Number), Style{Size: theme.Small, Ink: number, Weight: Mono, Align: fyne.TextAlignTrailing})),
		Grow(NewText(s.Title, Style{Size: theme.Small, Ink: title, Weight: weight, Wrap: true})))
	right := Column(0)
	for _, mark := range []string{s.Marks, s.At} {
		if mark != "" {
			right.Add(NewText(mark, Style{Size: theme.Kicker, Ink: marks, Weight: Mono, Align: fyne.TextAlignTrailing}))
		}
	}
	if len(right.Objects) > 0 {
		row.Add(right)
	}
	return On(ground, 8, 4, row)
}

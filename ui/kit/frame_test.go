package kit

import (
	"testing"

	"fyne.io/fyne/v2"
)

// The step under way is in sight, however many were done before it.
func TestTheStepUnderWayIsInSight(t *testing.T) {
	const steps = 40
	f := NewWindowFrame()
	w := window(t, f.Object)
	for now := range steps {
		phase := RailPhase{Title: "Found the site"}
		for n := range steps {
			step := RailStep{Number: n + 1, Title: "Two officers authorise the ledger key"}
			switch {
			case n < now:
				step.State, step.Marks, step.At = Done, "PK RS", "11:28"
			case n == now:
				step.State = Now
			}
			phase.Steps = append(phase.Steps, step)
		}
		rail, line := Rail("Open a site", []RailPhase{phase})
		f.SetLeft(rail, line, PanelWidth)
		top := fyne.CurrentApp().Driver().AbsolutePositionForObject(line).Y
		if bottom := top + line.Size().Height; top < 0 || bottom > w.Canvas().Size().Height || bottom == top {
			t.Errorf("step %d stands from %.0f to %.0f in a window of %.0f", now+1, top, bottom, w.Canvas().Size().Height)
		}
	}
}

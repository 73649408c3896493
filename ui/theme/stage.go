package theme

import (
	"fyne.io/fyne/v2"
)

// Stage is the theme of the witness window: the colours of a projector and one
// size of text, a fixed share of the window, so that a line is read from the
// same distance at any resolution.
type Stage struct {
	*Theme
	text float32
}

// On a screen of 1024x768, the smallest that projectors have, a capital letter
// of this text is 28 pixels high (IBM Plex: 0.698 em).
const (
	stageText   = 40.5
	stageWidth  = 1024
	stageHeight = 768
)

// NewStage makes the theme for a window of this size.
func NewStage(a Appearance, window fyne.Size) *Stage {
	if a != Dark && a != HighContrast {
		a = Projector
	}
	fit := min(window.Width/stageWidth, window.Height/stageHeight)
	return &Stage{New(a, 1), stageText * max(fit, 0.25)}
}

// Size is the same for all text: nothing on a wall is small print.
func (s *Stage) Size(name fyne.ThemeSizeName) float32 {
	if _, ok := textSizes[name]; ok {
		return s.text
	}
	return s.Theme.Size(name)
}

// Em is the size of the text.
func (s *Stage) Em() float32 { return s.text }

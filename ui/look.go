package ui

import (
	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

// How the window looks is all that is kept outside of the site's folder.
const (
	keyAppearance = "appearance"
	keyScale      = "text-scale"
)

func savedLook(app fyne.App) *theme.Theme {
	p := app.Preferences()
	a := theme.Appearance(p.IntWithFallback(keyAppearance, int(theme.Light)))
	if a < theme.Light || a > theme.Projector {
		a = theme.Light
	}
	return theme.New(a, float32(p.FloatWithFallback(keyScale, 1)))
}

// setLook changes the appearance at once and keeps what was typed.
func (s *Shell) setLook(look *theme.Theme) {
	s.look = look
	s.app.Preferences().SetInt(keyAppearance, int(look.Appearance))
	s.app.Preferences().SetFloat(keyScale, float64(look.Scale))
	s.app.Settings().SetTheme(look)
	s.frame.Update(s.face())
	s.witness.look()
	// The toolkit takes the theme over in its own time, and gives the page below
	// a grown menu its new height only when the menu is drawn anew.
	s.later(frameTime, func() { s.do(s.menu.bar.Refresh) })
	if s.pending == nil {
		return
	}
	if screen, _ := s.pending.screen(); s.screen == screen {
		s.prompt()
	}
}

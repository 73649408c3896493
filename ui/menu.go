package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"claviger/ui/theme"
)

// menu holds the global keys: a window's other shortcuts do not fire while a
// field has the focus, those of its menu do.
type menu struct {
	bar                   *fyne.MainMenu
	pause, deviate, abort *fyne.MenuItem
}

func newMenu(s *Shell) *menu {
	item := func(label string, key fyne.KeyName, more fyne.KeyModifier, act func()) *fyne.MenuItem {
		it := fyne.NewMenuItem(label, act)
		it.Shortcut = &desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierControl | more}
		return it
	}
	quit := item("Quit", fyne.KeyQ, 0, s.quit)
	quit.IsQuit = true
	m := &menu{
		pause:   item("Pause…", fyne.KeyP, 0, s.pause),
		deviate: item("Note a deviation…", fyne.KeyE, fyne.KeyModifierShift, s.deviate),
		abort:   item("Abort…", fyne.KeyK, fyne.KeyModifierShift, s.abort),
	}
	m.bar = fyne.NewMainMenu(
		fyne.NewMenu("Claviger", quit),
		fyne.NewMenu("Ceremony", m.pause, m.deviate, m.abort),
		fyne.NewMenu("View",
			item("Larger text", fyne.KeyEqual, 0, func() { s.setLook(theme.New(s.look.Appearance, s.look.Scale+0.25)) }),
			item("Smaller text", fyne.KeyMinus, 0, func() { s.setLook(theme.New(s.look.Appearance, s.look.Scale-0.25)) }),
			item("Light", fyne.Key1, 0, func() { s.setLook(theme.New(theme.Light, s.look.Scale)) }),
			item("Dark", fyne.Key2, 0, func() { s.setLook(theme.New(theme.Dark, s.look.Scale)) }),
			item("High contrast", fyne.Key3, 0, func() { s.setLook(theme.New(theme.HighContrast, s.look.Scale)) }),
		))
	m.asking(false)
	return m
}

// asking offers what a prompt can be answered with beside its answer.
func (m *menu) asking(on bool) {
	m.pause.Disabled, m.deviate.Disabled, m.abort.Disabled = !on, !on, !on
	m.bar.Refresh()
}

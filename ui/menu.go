package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"claviger/ui/theme"
)

// menu holds the global keys: a window's other shortcuts do not fire while a
// field has the focus, those of its menu do.
type menu struct {
	bar        *fyne.MainMenu
	answers    []*fyne.MenuItem // what a prompt can be answered with beside its answer
	open, swap *fyne.MenuItem
	placed     []*fyne.MenuItem // what the witness window needs to be open for
}

func newMenu(s *Shell) *menu {
	item := func(label string, key fyne.KeyName, more fyne.KeyModifier, act func()) *fyne.MenuItem {
		it := fyne.NewMenuItem(label, act)
		it.Shortcut = &desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierControl | more}
		return it
	}
	const shift = fyne.KeyModifierShift
	quit := item(textQuit, fyne.KeyQ, 0, s.quit)
	quit.IsQuit = true
	m := &menu{
		answers: []*fyne.MenuItem{
			item(textNoteDeviation, fyne.KeyE, shift, s.deviate),
			item(textSomebodyComesGoes, fyne.KeyU, shift, s.presence),
			item(textTakeBreak, fyne.KeyB, shift, s.rest),
			item(textPause, fyne.KeyP, 0, s.pause),
			item(textAbort, fyne.KeyK, shift, s.abort),
		},
		open: item(textOpenWitnessWindow, fyne.KeyW, shift, s.witness.toggle),
		swap: item(textShowPublicViewHere, fyne.KeyV, shift, s.witness.swap),
		placed: []*fyne.MenuItem{
			item(textScreenRight, fyne.KeyRight, shift, func() { s.witness.move(640, 0) }),
			item(textScreenLeft, fyne.KeyLeft, shift, func() { s.witness.move(-640, 0) }),
			item(textScreenBelow, fyne.KeyDown, shift, func() { s.witness.move(0, 400) }),
			item(textScreenAbove, fyne.KeyUp, shift, func() { s.witness.move(0, -400) }),
			item(textFillScreenNot, fyne.KeyF, shift, s.witness.fill),
		},
	}
	looks := []*fyne.MenuItem{
		item(textLargerText, fyne.KeyEqual, 0, func() { s.setLook(theme.New(s.look.Appearance, s.look.Scale+theme.ScaleStep)) }),
		item(textSmallerText, fyne.KeyMinus, 0, func() { s.setLook(theme.New(s.look.Appearance, s.look.Scale-theme.ScaleStep)) }),
	}
	for i, a := range theme.Appearances {
		key := []fyne.KeyName{fyne.Key1, fyne.Key2, fyne.Key3, fyne.Key4}[i]
		looks = append(looks, item(a.Name, key, 0, func() { s.setLook(theme.New(a.Appearance, s.look.Scale)) }))
	}
	var places []*fyne.MenuItem
	for _, p := range s.placeTable() {
		places = append(places, item(p.name, p.key, shift, func() { s.goTo(p.name) }))
	}
	places = append(places, fyne.NewMenuItemSeparator(), item(textBack, fyne.KeyB, 0, s.back))
	wall := append([]*fyne.MenuItem{m.open}, m.placed...)
	wall = append(wall, fyne.NewMenuItemSeparator(), m.swap, item(textTurnPage, fyne.KeyT, 0, s.witness.turn))
	m.bar = fyne.NewMainMenu(
		fyne.NewMenu(textClaviger, quit),
		fyne.NewMenu(textGo, places...),
		fyne.NewMenu(textCeremony, m.answers...),
		fyne.NewMenu(textView, looks...),
		fyne.NewMenu(textWitness, wall...),
	)
	m.asking(false)
	m.witness(s.witness)
	return m
}

// asking offers what a prompt can be answered with beside its answer.
func (m *menu) asking(on bool) {
	for _, it := range m.answers {
		it.Disabled = !on
	}
	m.bar.Refresh()
}

// witness offers what can be done with the public view as it stands.
func (m *menu) witness(w *witness) {
	m.open.Label, m.swap.Label = textOpenWitnessWindow, textShowPublicViewHere
	if w.window != nil {
		m.open.Label = textCloseWitnessWindow
	}
	if w.here != nil {
		m.swap.Label = textBackPage
	}
	for _, it := range m.placed {
		it.Disabled = w.window == nil
	}
	m.bar.Refresh()
}

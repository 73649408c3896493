package ui

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/view"
)

// witness is the public view: in a window of its own for a second screen, and in
// the main window where there is one screen only. Both show the same and take no
// keys.
type witness struct {
	shell  *Shell
	window fyne.Window   // nil while it is closed
	view   *view.Witness // of the window
	here   *view.Witness // over the main window, nil while that shows its page
	behind fyne.CanvasObject
	x, y   int // where the window was put by hand
}

// witnessSize is that of the smallest projector.
var witnessSize = fyne.NewSize(1024, 768)

// toggle opens or closes the second window.
func (w *witness) toggle() {
	if w.window != nil {
		w.window.Close()
		return
	}
	w.view = view.NewWitness(w.shell.look.Appearance)
	w.window = w.shell.app.NewWindow(textWitnessScreen)
	w.window.SetPadded(false)
	w.window.SetOnClosed(func() {
		w.window, w.view = nil, nil
		w.shell.menu.witness(w)
	})
	w.window.SetContent(w.view.Object)
	w.window.Resize(witnessSize)
	w.update()
	w.window.Show()
	// Keys belong to the main window whatever was opened last.
	w.shell.window.RequestFocus()
	w.shell.menu.witness(w)
}

// move puts the window elsewhere by hand, where the system's choice is wrong:
// half a screen of 1280 at a time.
func (w *witness) move(dx, dy int) {
	if w.window == nil {
		return
	}
	w.window.SetFullScreen(false)
	w.x, w.y = max(w.x+dx, 0), max(w.y+dy, 0)
	if d, ok := w.window.(desktop.Window); ok {
		d.RequestPosition(w.x, w.y)
	}
	w.shell.window.RequestFocus()
}

// fill makes the window as large as the screen that it is on.
func (w *witness) fill() {
	if w.window == nil {
		return
	}
	w.window.SetFullScreen(!w.window.FullScreen())
	w.shell.window.RequestFocus()
}

// swap shows the public view in the main window, and the page again. While it
// is there keys fall into nothing but the menu.
func (w *witness) swap() {
	s := w.shell
	if w.here != nil {
		behind := w.behind
		w.here, w.behind = nil, nil
		s.window.SetContent(behind)
		s.focusFirst()
		s.menu.witness(w)
		return
	}
	w.here, w.behind = view.NewWitness(s.look.Appearance), s.window.Content()
	w.update()
	s.window.Canvas().Unfocus()
	s.window.SetContent(w.here.Object)
	s.menu.witness(w)
}

// content shows o in the main window, or keeps it until the public view goes.
func (w *witness) content(o fyne.CanvasObject) {
	switch {
	case w.here != nil:
		w.behind = o
	case w.shell.window.Content() != o:
		w.shell.window.SetContent(o)
	}
}

func (w *witness) each(do func(*view.Witness)) {
	for _, v := range []*view.Witness{w.view, w.here} {
		if v != nil {
			do(v)
		}
	}
}

// update shows what everyone may see now. It is called before a private field
// is made, and again only when that is gone.
func (w *witness) update() {
	s := w.shell
	var asked *ceremony.Prompt
	if s.pending != nil {
		p := s.pending.page.Prompt()
		asked = &p
	}
	now := flow.NewWitness(s.snapshot, asked)
	w.each(func(v *view.Witness) { v.Set(now, s.now()) })
}

func (w *witness) turn() { w.each((*view.Witness).Turn) }

func (w *witness) tick(now time.Time) { w.each(func(v *view.Witness) { v.Tick(now) }) }

func (w *witness) look() { w.each(func(v *view.Witness) { v.SetLook(w.shell.look.Appearance) }) }

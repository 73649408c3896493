// Package view draws what package flow decided, one screen a file. A screen
// takes a flow struct and the actions that it may call; it decides nothing, and
// holds nothing but what was typed into it.
//
// A [Screen] that took a secret gives it away with its answer or wipes it in
// Close; whoever shows another screen closes the one before.
package view

import (
	"time"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/hsm/secret"
	"claviger/ui/kit"
)

// Screen is a page that is shown.
type Screen struct {
	Object fyne.CanvasObject
	// Fill takes the whole page instead, and does its own scrolling.
	Fill fyne.CanvasObject
	// Dock is what people act with; it is never scrolled away. Nil where the
	// page itself is acted on.
	Dock fyne.CanvasObject
	// First has the focus to begin with; nil where nothing may be acted on by
	// chance.
	First fyne.Focusable
	close func()
	page  *fyne.Container // that it scrolls in
}

// Guard has everything on the screen that takes keys ask q.
func (s *Screen) Guard(q *kit.Quiet) {
	q.Guard(s.Object)
	q.Guard(s.Dock)
}

// Scroll moves the page by so many of its heights.
func (s *Screen) Scroll(pages float32) {
	if s.page != nil {
		kit.ScrollPage(s.page, pages)
	}
}

// relaid gives the dock the room that it needs now: what a scroller holds may grow
// without its page's knowing.
func (s *Screen) relaid() {
	if s.page != nil {
		s.page.Refresh()
	}
}

// Close wipes what was typed. It may be called again.
func (s *Screen) Close() {
	if s.close != nil {
		s.close()
		s.close = nil
	}
}

// Actions are what the page of a prompt may do. Each of them is called on the
// window's thread and returns at once.
type Actions struct {
	// Answer gives the answer; a secret in it changes its owner.
	Answer func(ceremony.Answer)
	// Practice fetches the practice secret for the prompt and gives it to fill,
	// which borrows it; or says in words why there is none.
	Practice func(fill func(*secret.Buffer), failed func(why string))
	// Deviate, Pause and Withhold open their sheets.
	Deviate, Pause, Withhold func()
	// Later runs a function on the window's thread after a while.
	Later func(after time.Duration, f func())
	// Back leaves what belongs to no ceremony; nil within one.
	Back func()
}

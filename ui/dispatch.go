package ui

import (
	"time"

	"fyne.io/fyne/v2"
)

// Dispatcher runs a function on the window's thread, soon, in order, without
// waiting for it.
type Dispatcher func(func())

// OnWindow is Fyne's own; tests have one that they drain.
func OnWindow(f func()) { fyne.Do(f) }

// Timer runs a function once after a while; tests have one that they fire.
type Timer func(after time.Duration, f func())

// Later is the system's timer.
func Later(after time.Duration, f func()) { time.AfterFunc(after, f) }

package kit

import (
	"time"

	"fyne.io/fyne/v2"
)

// Quiet tells a scanner's keys from a person's. A scanner is a keyboard that
// types faster than anybody can, and ends with Enter, Tab or a line feed: such a
// key must not press whatever button has the focus by then. Only what is typed
// into cells and fields for what bears a bar code, and where nothing can be typed, is
// counted: a busy machine hands a person's words on in one piece, too.
type Quiet struct {
	now  func() time.Time
	last time.Time
	run  int // characters that came as fast as a machine's
}

const (
	// Nobody types two characters in this time; the slowest scanners do.
	scannerGap = 20 * time.Millisecond
	// Fewer than these are two fingers at once; more would let the blank after a
	// card's first three letters press a button.
	scannerRun = 3
	// After a scan buttons wait this long.
	quietAfter = 300 * time.Millisecond
)

func NewQuiet(now func() time.Time) *Quiet { return &Quiet{now: now} }

// Typed notes one character.
func (q *Quiet) Typed() {
	if q == nil {
		return
	}
	at := q.now()
	switch gap := at.Sub(q.last); {
	case gap < scannerGap:
		q.run++
	case q.run >= scannerRun && gap < quietAfter:
		// A busy machine hands a scan on in pieces.
	default:
		q.run = 1
	}
	q.last = at
}

// Scanning says whether a scan is under way, or ended a moment ago.
func (q *Quiet) Scanning() bool {
	return q != nil && q.run >= scannerRun && q.now().Sub(q.last) < quietAfter
}

// Guard has everything on a page that takes keys ask q.
func (q *Quiet) Guard(page fyne.CanvasObject) {
	switch o := page.(type) {
	case interface{ guard(*Quiet) }:
		o.guard(q)
	case *fyne.Container:
		for _, child := range o.Objects {
			q.Guard(child)
		}
	}
}

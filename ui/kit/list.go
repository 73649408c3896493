package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// List is a table of any length. Only the rows that fit are made, from the
// first one shown downwards, each as high as its words need; where it stands is
// a row's number, not a distance, so a million rows are as exact as ten. (The
// toolkit's list counts pixels in 32 bits, wants rows of one height and shows
// the focus as it shows the mouse.)
//
// Up, Down, Page Up, Page Down, Home and End move; Enter, Space or a click opens
// a row.
type List struct {
	widget.BaseWidget
	focus
	OnOpen func(i int)
	// OnTyped gets what is typed here: it begins a search.
	OnTyped func(rune)
	// Empty is said where there are no rows.
	Empty string

	columns []TableColumn
	row     func(i int) []fyne.CanvasObject
	count   int
	top, at int
	heights func(i int) float32 // of the renderer, nil before it is there
}

var (
	_ fyne.Focusable     = (*List)(nil)
	_ fyne.Tappable      = (*List)(nil)
	_ fyne.Scrollable    = (*List)(nil)
	_ desktop.Cursorable = (*List)(nil)
)

// NewList makes an empty list; row makes the cells of one row, one object a
// column.
func NewList(columns []TableColumn, row func(i int) []fyne.CanvasObject) *List {
	l := &List{columns: columns, row: row}
	l.ExtendBaseWidget(l)
	return l
}

// OnCard is the list on a card; what scrolls is cut off at its own edge, and
// would lose half of a border.
func (l *List) OnCard() fyne.CanvasObject {
	return On(NewFrame(theme.Card, theme.Line, cardRadius), 2, 2, l)
}

// SetCount shows so many rows from the first one on.
func (l *List) SetCount(n int) {
	l.count, l.top, l.at = n, 0, 0
	l.Renew()
}

// Renew makes the rows that are shown anew: what they say has changed.
func (l *List) Renew() {
	l.heights = nil
	l.Refresh()
}

// At is the row that Enter would open.
func (l *List) At() int { return l.at }

func (l *List) Cursor() desktop.Cursor { return desktop.PointerCursor }

func (l *List) FocusGained() { l.gained(); l.Refresh() }
func (l *List) FocusLost()   { l.lost(); l.Refresh() }

func (l *List) TypedRune(r rune) {
	if r != ' ' && l.OnTyped != nil {
		l.OnTyped(r)
	}
}

func (l *List) TypedKey(key *fyne.KeyEvent) {
	page := max(l.fit(l.top)-1, 1)
	switch {
	case key.Name == fyne.KeyUp:
		l.move(l.at - 1)
	case key.Name == fyne.KeyDown:
		l.move(l.at + 1)
	case key.Name == fyne.KeyPageUp:
		l.move(l.at - page)
	case key.Name == fyne.KeyPageDown:
		l.move(l.at + page)
	case key.Name == fyne.KeyHome:
		l.move(0)
	case key.Name == fyne.KeyEnd:
		l.move(l.count - 1)
	case isEnter(key.Name), key.Name == fyne.KeySpace:
		l.open(l.at)
	}
}

func (l *List) open(i int) {
	if i >= 0 && i < l.count && l.OnOpen != nil {
		l.OnOpen(i)
	}
}

func (l *List) Tapped(e *fyne.PointEvent) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(l); c != nil {
		c.Focus(l)
	}
	if l.heights == nil {
		return
	}
	y := l.headHeight()
	for i := l.top; i < min(l.top+l.fit(l.top), l.count); i++ {
		if y += l.heights(i); e.Position.Y < y {
			l.move(i)
			l.open(i)
			return
		}
	}
}

// wheel is how many rows a notch moves.
const wheel = 3

func (l *List) Scrolled(e *fyne.ScrollEvent) {
	if e.Scrolled.DY > 0 {
		l.top = max(l.top-wheel, 0)
	} else if e.Scrolled.DY < 0 {
		l.top = max(min(l.top+wheel, l.topFor(l.count-1)), l.top)
	}
	l.Refresh()
}

// move goes to a row and shows it.
func (l *List) move(to int) {
	l.at = min(max(to, 0), max(l.count-1, 0))
	switch {
	case l.at < l.top:
		l.top = l.at
	case l.at >= l.top+l.fit(l.top):
		l.top = l.topFor(l.at)
	}
	l.Refresh()
}

// fit counts the rows that have room from a first one on; one always has.
func (l *List) fit(first int) int {
	if l.heights == nil {
		return 1
	}
	room, n := l.Size().Height-l.headHeight(), 0
	for i := first; i < l.count; i++ {
		if room -= l.heights(i); room < 0 {
			break
		}
		n++
	}
	return max(n, 1)
}

// topFor is the first row of a page that ends with this one.
func (l *List) topFor(last int) int {
	if l.heights == nil || last < 0 {
		return max(last, 0)
	}
	room, first := l.Size().Height-l.headHeight(), last
	for i := last; i >= 0; i-- {
		if room -= l.heights(i); room < 0 {
			break
		}
		first = i
	}
	return first
}

// headHeight is the height of the headings with the rule below them.
func (l *List) headHeight() float32 {
	if l.heights == nil {
		return 0
	}
	return l.heights(-1)
}

// CreateRenderer may be asked again: the toolkit forgets the renderer of what is
// out of sight for a while.
func (l *List) CreateRenderer() fyne.WidgetRenderer {
	l.heights = nil
	r := &listRenderer{list: l, thumb: NewBox(theme.Input, 3), ring: newRing(4), none: Soft("")}
	heads := make([]fyne.CanvasObject, len(l.columns))
	for i, c := range l.columns {
		r.shares.shares = append(r.shares.shares, c.Share)
		heads[i] = Kicker(c.Head)
	}
	r.head = Column(0, Inset(rowPadH, 9, container.New(r.shares, heads...)), NewRule(theme.Line))
	return r
}

const (
	rowPadH    = 16
	rowPadV    = 9
	thumbWidth = 6
)

type listRenderer struct {
	list   *List
	head   *fyne.Container
	shares sharesLayout
	made   map[int]*fyne.Container // rows that are or were just shown
	shown  []*fyne.Container
	thumb  *Box
	none   *Text
	ring   ring
}

// height of a row at the list's width, -1 for the headings.
func (r *listRenderer) height(i int) float32 {
	width := max(r.list.Size().Width-thumbWidth, 0)
	if i < 0 {
		return heightAt(r.head, width)
	}
	return heightAt(r.at(i), width)
}

func (r *listRenderer) at(i int) *fyne.Container {
	if r.made[i] == nil {
		r.made[i] = Column(0, Inset(rowPadH, rowPadV, container.New(r.shares, r.list.row(i)...)), NewRule(theme.Rule))
	}
	return r.made[i]
}

func (r *listRenderer) Layout(size fyne.Size) {
	l := r.list
	if l.heights == nil {
		l.heights, r.made = r.height, map[int]*fyne.Container{}
	}
	if size.Width == 0 || size.Height == 0 {
		return
	}
	y := r.height(-1)
	r.head.Resize(fyne.NewSize(size.Width, y))
	n := min(l.fit(l.top), l.count-l.top)
	r.shown = r.shown[:0]
	kept := map[int]*fyne.Container{}
	for i := l.top; i < l.top+n; i++ {
		row, h := r.at(i), r.height(i)
		row.Move(fyne.NewPos(0, y))
		row.Resize(fyne.NewSize(max(size.Width-thumbWidth, 0), h))
		if i == l.at {
			r.ring.Move(fyne.NewPos(4, y+3))
			r.ring.Resize(fyne.NewSize(max(size.Width-14-thumbWidth, 0), max(h-6, 0)))
		}
		kept[i], r.shown = row, append(r.shown, row)
		y += h
	}
	r.made = kept
	r.none.Hide()
	if l.count == 0 && l.Empty != "" {
		r.none.Set(l.Empty)
		r.none.Move(fyne.NewPos(rowPadH, y+rowPadV))
		r.none.Resize(fyne.NewSize(max(size.Width-2*rowPadH, 0), heightAt(r.none, max(size.Width-2*rowPadH, 0))))
		r.none.Show()
	}
	r.placeThumb(size, n)
	r.ring.paint(l, l.has && l.at >= l.top && l.at < l.top+n)
}

// placeThumb shows how far down the list stands, where there is more than fits.
func (r *listRenderer) placeThumb(size fyne.Size, n int) {
	l := r.list
	if n >= l.count {
		r.thumb.Hide()
		return
	}
	head := r.height(-1)
	track := max(size.Height-head-6, 0)
	height := min(max(track*float32(n)/float32(l.count), 24), track)
	r.thumb.Move(fyne.NewPos(size.Width-thumbWidth-1, head+3+(track-height)*float32(l.top)/float32(l.count-n)))
	r.thumb.Resize(fyne.NewSize(thumbWidth, height))
	r.thumb.Show()
}

func (r *listRenderer) MinSize() fyne.Size {
	return fyne.NewSize(220, 6*em(theme.Text))
}

func (r *listRenderer) Refresh() {
	r.Layout(r.list.Size())
	canvas.Refresh(r.list)
}

func (r *listRenderer) Objects() []fyne.CanvasObject {
	objects := []fyne.CanvasObject{r.head}
	for _, row := range r.shown {
		objects = append(objects, row)
	}
	return append(objects, r.none, r.thumb, r.ring.Rectangle)
}

func (r *listRenderer) Destroy() {}

package kit

import (
	"bytes"
	"image/color"
	"strconv"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/hsm/secret"
	"claviger/ui/theme"
)

// groupSize is how many characters people keep in mind while typing.
const groupSize = 4

// GroupCells takes a long code in numbered groups of four into one locked
// buffer: the fixed prefix first, then every group, in upper case and without
// blanks. It shows bullets.
//
// Characters go in at the caret and overwrite; arrows move it by a character or
// a line of cells, Home and End to the ends, a click to a group. Blanks and
// dashes are passed over, so a code can be typed as it is printed. A scanner is
// a fast keyboard: the prefix starts the code anew wherever the caret is, and
// the Enter or Tab at its end submits ([Quiet]).
type GroupCells struct {
	widget.BaseWidget
	focus
	// OnChanged runs after each character.
	OnChanged func()
	// OnSubmitted runs on Enter when every group is full.
	OnSubmitted func()
	// OnShort runs on Enter when one is not; it gets the first such group and how
	// many letters that misses. The caret stands where the first of them belongs.
	OnShort func(group, missing int)
	// OnRefused runs for a character that the alphabet does not have.
	OnRefused func(r rune)
	// OnOtherPrefix runs when the code begins like another sort of code.
	OnOtherPrefix func(prefix string)

	code   Code
	buffer *secret.Buffer
	caret  int
	bad    map[int]bool
	locked bool
	// matched counts, for the prefix and each other one, how much of it was just
	// typed.
	matched []int
}

// Code is what is typed into GroupCells.
type Code struct {
	Prefix   string   // as it is printed before the first group; its last character is not in Alphabet
	Others   []string // prefixes of the same length that are known and not accepted
	Alphabet string   // in upper case
	Groups   int
}

var _ fyne.Focusable = (*GroupCells)(nil)

func NewGroupCells(code Code) *GroupCells {
	g := &GroupCells{code: code, bad: map[int]bool{}, matched: make([]int, 1+len(code.Others)), buffer: secret.New(len(code.Prefix) + groupSize*code.Groups)}
	g.blank()
	g.ExtendBaseWidget(g)
	return g
}

// blank writes the prefix and empties every slot. An empty slot is a zero byte.
func (g *GroupCells) blank() {
	g.buffer.Reset()
	// Neither can fail: the capacity was made for exactly this.
	_ = g.buffer.Append([]byte(g.code.Prefix)...)
	_ = g.buffer.Append(make([]byte, g.slots())...)
	g.caret = 0
	clear(g.bad)
}

func (g *GroupCells) slots() int { return groupSize * g.code.Groups }

func (g *GroupCells) live() []byte {
	if g.locked {
		return nil
	}
	return g.buffer.Bytes()[len(g.code.Prefix):]
}

// Full says whether every group has its four characters.
func (g *GroupCells) Full() bool { return !g.locked && g.firstShort() == 0 }

func (g *GroupCells) firstShort() int {
	for i, c := range g.live() {
		if c == 0 {
			return i/groupSize + 1
		}
	}
	return 0
}

// Code lends the buffer: prefix and groups, upper case, no blanks, an empty
// slot as a zero byte.
func (g *GroupCells) Code() *secret.Buffer { return g.buffer }

// Take gives the code away; the caller wipes it. Nothing more is taken until
// Clear.
func (g *GroupCells) Take() *secret.Buffer {
	taken := g.buffer
	g.buffer = secret.New(taken.Cap())
	g.locked = true
	g.Refresh()
	return taken
}

// Clear begins anew.
func (g *GroupCells) Clear() {
	g.locked = false
	g.blank()
	g.changed()
}

// Wipe ends the entry.
func (g *GroupCells) Wipe() {
	g.locked = true
	g.buffer.Wipe()
	g.Refresh()
}

// Fill types a code that somebody else holds.
func (g *GroupCells) Fill(from *secret.Buffer) {
	g.blank()
	for _, c := range from.Bytes() {
		g.put(rune(c))
	}
	g.changed()
}

// MarkBad points at groups (from 1) that do not fit. A mark goes when its group
// is typed again. The caret stays: a scanner may still be typing.
func (g *GroupCells) MarkBad(groups ...int) {
	clear(g.bad)
	for _, n := range groups {
		g.bad[n] = true
	}
	g.Refresh()
}

// Within is the group in the middle of which the caret stands, 0 between two.
func (g *GroupCells) Within() int {
	if g.caret%groupSize == 0 {
		return 0
	}
	return g.caret/groupSize + 1
}

// GoTo puts the caret before a group.
func (g *GroupCells) GoTo(group int) {
	g.caret = (group - 1) * groupSize
	g.Refresh()
}

func (g *GroupCells) changed() {
	g.Refresh()
	if g.OnChanged != nil {
		g.OnChanged()
	}
}

// AcceptsTab is true only for the Tab that ends a scan: it submits, as Enter
// does. A person's Tab goes on.
func (g *GroupCells) AcceptsTab() bool { return g.Full() && g.quiet.Scanning() }

func (g *GroupCells) TypedRune(r rune) {
	g.quiet.Typed()
	if g.locked {
		return
	}
	if g.put(r) {
		g.changed()
	}
}

// put is one character; true if anything has changed.
func (g *GroupCells) put(r rune) bool {
	r = unicode.ToUpper(r)
	if r == ' ' || r == '-' || r == '\t' || r == '\r' || r == '\n' {
		return false
	}
	if g.prefixSeen(g.code.Prefix, 0, r) {
		g.blank()
		return true
	}
	for i, other := range g.code.Others {
		if g.prefixSeen(other, i+1, r) {
			g.blank()
			g.Refresh()
			if g.OnOtherPrefix != nil {
				g.OnOtherPrefix(other)
			}
			return false
		}
	}
	if !strings.ContainsRune(g.code.Alphabet, r) {
		if g.OnRefused != nil {
			g.OnRefused(r)
		}
		return false
	}
	if g.caret == g.slots() {
		return false
	}
	g.live()[g.caret] = byte(r)
	delete(g.bad, g.caret/groupSize+1)
	g.caret++
	return true
}

// prefixSeen says whether r ends a prefix. The last character of one is in no
// group, so its coming after the others means that the code begins anew.
func (g *GroupCells) prefixSeen(prefix string, which int, r rune) bool {
	switch at := g.matched[which]; {
	case r == rune(prefix[at]):
		g.matched[which]++
	case r == rune(prefix[0]):
		g.matched[which] = 1
	default:
		g.matched[which] = 0
	}
	if g.matched[which] < len(prefix) {
		return false
	}
	clear(g.matched)
	return true
}

func (g *GroupCells) TypedKey(key *fyne.KeyEvent) {
	if g.page(key.Name) || g.locked {
		return
	}
	columns := g.columns() * groupSize
	switch key.Name {
	case fyne.KeyBackspace:
		if g.caret == 0 {
			return
		}
		g.caret--
		g.live()[g.caret] = 0
		delete(g.bad, g.caret/groupSize+1)
		g.changed()
		return
	case fyne.KeyDelete:
		if g.caret < g.slots() {
			g.live()[g.caret] = 0
			delete(g.bad, g.caret/groupSize+1)
			g.changed()
		}
		return
	case fyne.KeyLeft:
		g.caret--
	case fyne.KeyRight:
		g.caret++
	case fyne.KeyUp:
		g.caret -= columns
	case fyne.KeyDown:
		g.caret += columns
	case fyne.KeyHome:
		g.caret = 0
	case fyne.KeyEnd:
		g.caret = g.slots()
	case fyne.KeyReturn, fyne.KeyEnter, fyne.KeyTab:
		g.enter()
		return
	default:
		return
	}
	g.caret = min(max(g.caret, 0), g.slots())
	g.Refresh()
}

func (g *GroupCells) enter() {
	if short := g.firstShort(); short > 0 {
		g.caret = bytes.IndexByte(g.live(), 0)
		g.Refresh()
		if g.OnShort != nil {
			g.OnShort(short, groupSize-g.filled(short))
		}
		return
	}
	if g.OnSubmitted != nil {
		g.OnSubmitted()
	}
}

func (g *GroupCells) Tapped(e *fyne.PointEvent) {
	if c := fyne.CurrentApp().Driver().CanvasForObject(g); c != nil {
		c.Focus(g)
	}
	cell := g.cellSize()
	column := min(int(e.Position.X/(cell.Width+cellGap)), g.columns()-1)
	line := int(e.Position.Y / (cell.Height + cellGap))
	g.caret = min(max((line*g.columns()+column)*groupSize, 0), g.slots())
	g.Refresh()
}

func (g *GroupCells) FocusGained() { g.gained(); g.Refresh() }
func (g *GroupCells) FocusLost()   { g.lost(); g.Refresh() }

// CellState is what a group shows.
type CellState int

const (
	CellEmpty CellState = iota
	CellPartial
	CellFull
	CellBad
)

// State of a group, counted from 1.
func (g *GroupCells) State(group int) CellState {
	if g.bad[group] {
		return CellBad
	}
	switch n := g.filled(group); n {
	case 0:
		return CellEmpty
	case groupSize:
		return CellFull
	}
	return CellPartial
}

func (g *GroupCells) filled(group int) int {
	n := 0
	if live := g.live(); live != nil {
		for _, c := range live[(group-1)*groupSize : group*groupSize] {
			if c != 0 {
				n++
			}
		}
	}
	return n
}

const cellGap = 10

// dot is the size of a bullet and of the room after it.
func (g *GroupCells) dot() float32 { return 0.36 * base.SizeForWidget(theme.Text, g) }

// columns is six, or three where the text is large or the window narrow.
func (g *GroupCells) columns() int {
	width := g.Size().Width
	for _, n := range []int{6, 3, 2} {
		if width == 0 || width >= float32(n)*(g.leastCell().Width+cellGap)-cellGap {
			return n
		}
	}
	return 1
}

func (g *GroupCells) leastCell() fyne.Size {
	text := base.SizeForWidget(theme.Text, g)
	number := fyne.MeasureText("18", base.SizeForWidget(theme.Kicker, g), fyne.TextStyle{Monospace: true})
	return fyne.NewSize(10+number.Width+8+groupSize*2*g.dot()+8+number.Width, text*3)
}

func (g *GroupCells) cellSize() fyne.Size {
	n := float32(g.columns())
	least := g.leastCell()
	return fyne.NewSize(max((g.Size().Width-(n-1)*cellGap)/n, least.Width), least.Height)
}

func (g *GroupCells) CreateRenderer() fyne.WidgetRenderer {
	r := &cellsRenderer{cells: g, caret: &canvas.Rectangle{}}
	for i := range g.code.Groups {
		c := &cell{frame: &canvas.Rectangle{}, number: canvas.NewText(strconv.Itoa(i+1), color.Transparent), tick: canvas.NewText("", color.Transparent)}
		c.frame.CornerRadius = 6
		inFace(c.number, fyne.TextStyle{Monospace: true})
		inFace(c.tick, fyne.TextStyle{})
		for j := range c.dots {
			c.dots[j] = canvas.NewCircle(color.Transparent)
		}
		r.groups = append(r.groups, c)
	}
	r.ring = newRing(6)
	r.paint()
	return r
}

type cell struct {
	frame  *canvas.Rectangle
	number *canvas.Text
	tick   *canvas.Text
	dots   [groupSize]*canvas.Circle
}

type cellsRenderer struct {
	cells  *GroupCells
	groups []*cell
	caret  *canvas.Rectangle
	ring   ring
}

func (r *cellsRenderer) paint() {
	g := r.cells
	live := g.live()
	for i, c := range r.groups {
		line, dot, stroke := theme.Line, theme.Ink, float32(1)
		switch g.State(i + 1) {
		case CellFull:
			line = theme.Green
		case CellPartial:
			line = theme.Amber
		case CellBad:
			// Told by the thicker frame too, not by its colour alone.
			line, dot, stroke = theme.Red, theme.Red, 3
		}
		c.frame.FillColor = base.ColorForWidget(theme.Card, g)
		c.frame.StrokeColor, c.frame.StrokeWidth = base.ColorForWidget(line, g), stroke
		c.number.Color = base.ColorForWidget(theme.Muted, g)
		c.number.TextSize = base.SizeForWidget(theme.Kicker, g)
		c.tick.TextSize, c.tick.Color, c.tick.Text = base.SizeForWidget(theme.Kicker, g), base.ColorForWidget(line, g), ""
		switch g.State(i + 1) {
		case CellFull:
			c.tick.Text = "✓"
		case CellBad:
			c.tick.Text = "×"
		}
		for j, d := range c.dots {
			d.FillColor = base.ColorForWidget(dot, g)
			d.Hidden = live == nil || live[i*groupSize+j] == 0
		}
	}
	r.caret.FillColor = base.ColorForWidget(theme.Focus, g)
	r.caret.Hidden = !g.has || g.locked
	r.ring.paint(g, g.has && !g.locked)
}

func (r *cellsRenderer) Layout(fyne.Size) {
	g := r.cells
	size, columns, dot := g.cellSize(), g.columns(), g.dot()
	caret := 1.2 * base.SizeForWidget(theme.Text, g)
	at := min(g.caret/groupSize, g.code.Groups-1)
	for i, c := range r.groups {
		x := float32(i%columns) * (size.Width + cellGap)
		y := float32(i/columns) * (size.Height + cellGap)
		c.frame.Move(fyne.NewPos(x, y))
		c.frame.Resize(size)
		n := c.number.MinSize()
		c.number.Move(fyne.NewPos(x+10, y+(size.Height-n.Height)/2-1))
		c.number.Resize(n)
		t := c.tick.MinSize()
		c.tick.Move(fyne.NewPos(x+size.Width-t.Width-8, y+(size.Height-t.Height)/2-1))
		c.tick.Resize(t)
		x += 10 + n.Width + 8
		for j, d := range c.dots {
			d.Move(fyne.NewPos(x+float32(j)*2*dot, y+(size.Height-dot)/2))
			d.Resize(fyne.NewSquareSize(dot))
		}
		if i == at {
			slot := float32(g.caret - at*groupSize)
			r.caret.Move(fyne.NewPos(x+slot*2*dot-3, y+(size.Height-caret)/2))
			r.caret.Resize(fyne.NewSize(2, caret))
			r.ring.Move(c.frame.Position().SubtractXY(ringGap, ringGap))
			r.ring.Resize(size.AddWidthHeight(2*ringGap, 2*ringGap))
		}
	}
}

func (r *cellsRenderer) MinSize() fyne.Size {
	g := r.cells
	lines := (g.code.Groups + g.columns() - 1) / g.columns()
	least := g.leastCell()
	return fyne.NewSize(least.Width, float32(lines)*(least.Height+cellGap)-cellGap)
}

func (r *cellsRenderer) Refresh() {
	r.paint()
	r.Layout(r.cells.Size())
	canvas.Refresh(r.cells)
}

func (r *cellsRenderer) Objects() []fyne.CanvasObject {
	var objects []fyne.CanvasObject
	for _, c := range r.groups {
		objects = append(objects, c.frame, c.number, c.tick)
		for _, d := range c.dots {
			objects = append(objects, d)
		}
	}
	return append(objects, r.caret, r.ring.Rectangle)
}

func (r *cellsRenderer) Destroy() {}

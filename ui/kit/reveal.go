package kit

import (
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/hsm/secret"
	"claviger/ui/theme"
)

// Reveal shows a borrowed secret to the one person who writes it down: its
// parts between blanks, each in a numbered cell. A first part that is the
// prefix of a code has no number.
//
// The arrows move from part to part; with a code's prefix, the part that has the
// focus is also spelled below as it is said over a radio. Cover takes the letters
// away until the next key.
//
// Every letter is drawn by itself, from Go's table of one-letter strings: the
// secret as a whole is never a string, and the toolkit's picture caches hold
// single letters in no order.
type Reveal struct {
	widget.BaseWidget
	focus
	// OnKey runs with each key.
	OnKey func()

	buffer   *secret.Buffer
	prefixed bool
	covered  bool
	at       int // the part that is written now
	parts    int
	columns  int // at the last width
}

var _ fyne.Focusable = (*Reveal)(nil)

// NewReveal shows what is in buffer until Clear.
func NewReveal(buffer *secret.Buffer, prefixed bool) *Reveal {
	r := &Reveal{buffer: buffer, prefixed: prefixed}
	r.ExtendBaseWidget(r)
	return r
}

// Clear forgets the secret. It must be called before its owner wipes it.
func (r *Reveal) Clear() {
	r.buffer = nil
	r.Refresh()
}

// Cover takes the letters away; the next key brings them back.
func (r *Reveal) Cover() {
	r.covered = true
	r.Refresh()
}

func (r *Reveal) Covered() bool { return r.covered }

func (r *Reveal) TypedRune(rune) { r.quiet.Typed() }

func (r *Reveal) TypedKey(key *fyne.KeyEvent) {
	if r.page(key.Name) {
		return
	}
	if r.covered {
		r.covered = false
	} else {
		first := 0
		if r.prefixed {
			first = 1
		}
		switch key.Name {
		case fyne.KeyRight, fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace:
			r.at++
		case fyne.KeyLeft, fyne.KeyBackspace:
			r.at--
		case fyne.KeyDown:
			r.at += r.columns
		case fyne.KeyUp:
			r.at -= r.columns
		case fyne.KeyHome:
			r.at = 0
		case fyne.KeyEnd:
			r.at = r.parts - 1
		}
		r.at = max(min(r.at, r.parts-1), first)
	}
	r.Refresh()
	if r.OnKey != nil {
		r.OnKey()
	}
}

func (r *Reveal) FocusGained() { r.gained(); r.Refresh() }
func (r *Reveal) FocusLost()   { r.lost(); r.Refresh() }

func (r *Reveal) CreateRenderer() fyne.WidgetRenderer {
	rr := &revealRenderer{reveal: r, ring: newRing(6)}
	if r.prefixed {
		r.at = 1
	}
	rr.build()
	return rr
}

type revealRenderer struct {
	reveal *Reveal
	parts  []*revealPart
	said   []*canvas.Text // the part that has the focus, letter by letter
	ring   ring
}

type revealPart struct {
	frame   *canvas.Rectangle
	number  *canvas.Text
	letters []*canvas.Text
	length  int // of the part, also while it is covered
}

func (r *revealRenderer) build() {
	r.parts, r.said = nil, nil
	defer func() {
		r.reveal.parts = len(r.parts)
		r.ring.paint(r.reveal, r.reveal.has && len(r.parts) > 0)
	}()
	var part *revealPart
	live := r.reveal.buffer.Bytes()
	for i := range live {
		if live[i] == ' ' {
			part = nil
			continue
		}
		if part == nil {
			part = r.newPart()
		}
		part.length++
		if r.reveal.covered {
			continue
		}
		if word, ok := spoken[live[i]]; ok && r.reveal.prefixed && len(r.parts)-1 == r.reveal.at {
			said := canvas.NewText(word, base.ColorForWidget(theme.Soft, r.reveal))
			inFace(said, fyne.TextStyle{})
			said.TextSize = base.SizeForWidget(theme.Heading, r.reveal)
			r.said = append(r.said, said)
		}
		letter := canvas.NewText(string(live[i:i+1]), base.ColorForWidget(theme.Ink, r.reveal))
		inFace(letter, fyne.TextStyle{Monospace: true, Bold: true})
		letter.TextSize = base.SizeForWidget(theme.Hash, r.reveal)
		part.letters = append(part.letters, letter)
	}
}

func (r *revealRenderer) newPart() *revealPart {
	n := len(r.parts) + 1
	if r.reveal.prefixed {
		n--
	}
	p := &revealPart{frame: canvas.NewRectangle(color.Transparent), number: canvas.NewText(strconv.Itoa(n), base.ColorForWidget(theme.Muted, r.reveal))}
	p.frame.CornerRadius, p.frame.StrokeWidth = 6, 1
	p.frame.FillColor = base.ColorForWidget(theme.Card, r.reveal)
	p.frame.StrokeColor = base.ColorForWidget(theme.Line, r.reveal)
	p.number.TextSize = base.SizeForWidget(theme.Kicker, r.reveal)
	inFace(p.number, fyne.TextStyle{Monospace: true})
	p.number.Hidden = n == 0
	r.parts = append(r.parts, p)
	return p
}

// cell is as large as the longest part needs.
func (r *revealRenderer) cell() fyne.Size {
	size := base.SizeForWidget(theme.Hash, r.reveal)
	letter := fyne.MeasureText("W", size, fyne.TextStyle{Monospace: true, Bold: true})
	longest := groupSize
	for _, p := range r.parts {
		longest = max(longest, p.length)
	}
	return fyne.NewSize(r.margin()+float32(longest)*letter.Width+12, letter.Height+20)
}

func (r *revealRenderer) margin() float32 {
	return 12 + fyne.MeasureText("18", base.SizeForWidget(theme.Kicker, r.reveal), fyne.TextStyle{Monospace: true}).Width + 8
}

func (r *revealRenderer) columns(width float32) int {
	cell := r.cell().Width
	for _, n := range []int{6, 3, 2} {
		if width >= float32(n)*(cell+cellGap)-cellGap {
			return n
		}
	}
	return 1
}

// saidHeight is kept free for the spelling whether it is shown or not, so that
// nothing moves.
func (r *revealRenderer) saidHeight() float32 {
	if !r.reveal.prefixed {
		return 0
	}
	return 12 + 1.5*base.SizeForWidget(theme.Heading, r.reveal)
}

func (r *revealRenderer) layoutSaid(size fyne.Size) {
	const gap = 18
	width := float32(-gap)
	for _, word := range r.said {
		width += word.MinSize().Width + gap
	}
	x := max((size.Width-width)/2, 0)
	for _, word := range r.said {
		m := word.MinSize()
		word.Move(fyne.NewPos(x, size.Height-m.Height))
		word.Resize(m)
		x += m.Width + gap
	}
}

func (r *revealRenderer) Layout(size fyne.Size) {
	columns, cell := r.columns(size.Width), r.cell()
	r.reveal.columns = columns
	r.layoutSaid(size)
	wide := max((size.Width-float32(columns-1)*cellGap)/float32(columns), cell.Width)
	top, at := float32(0), 0
	for i, p := range r.parts {
		if i == 1 && r.reveal.prefixed {
			top, at = cell.Height+cellGap, 0
		}
		x := float32(at%columns) * (wide + cellGap)
		y := top + float32(at/columns)*(cell.Height+cellGap)
		at++
		p.frame.Move(fyne.NewPos(x, y))
		p.frame.Resize(fyne.NewSize(wide, cell.Height))
		if i == r.reveal.at {
			r.ring.Move(fyne.NewPos(x-ringGap, y-ringGap))
			r.ring.Resize(fyne.NewSize(wide+2*ringGap, cell.Height+2*ringGap))
		}
		n := p.number.MinSize()
		p.number.Move(fyne.NewPos(x+12, y+(cell.Height-n.Height)/2))
		p.number.Resize(n)
		x += r.margin()
		for _, letter := range p.letters {
			m := letter.MinSize()
			letter.Move(fyne.NewPos(x, y+(cell.Height-m.Height)/2))
			letter.Resize(m)
			x += m.Width
		}
	}
}

func (r *revealRenderer) MinSize() fyne.Size {
	cell := r.cell()
	columns, n := r.columns(max(r.reveal.Size().Width, cell.Width)), len(r.parts)
	lines := (n + columns - 1) / columns
	if r.reveal.prefixed && n > 0 {
		lines = 1 + (n-1+columns-1)/columns
	}
	return fyne.NewSize(cell.Width, max(float32(lines)*(cell.Height+cellGap)-cellGap, 0)+r.saidHeight())
}

func (r *revealRenderer) Refresh() {
	r.build()
	r.Layout(r.reveal.Size())
	canvas.Refresh(r.reveal)
}

func (r *revealRenderer) Objects() []fyne.CanvasObject {
	var objects []fyne.CanvasObject
	for _, p := range r.parts {
		objects = append(objects, p.frame, p.number)
		for _, letter := range p.letters {
			objects = append(objects, letter)
		}
	}
	for _, word := range r.said {
		objects = append(objects, word)
	}
	return append(objects, r.ring.Rectangle)
}

func (r *revealRenderer) Destroy() {}

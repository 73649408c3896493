package report

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// coverage says which characters a font can draw, and how wide they are.
type coverage struct {
	font   *sfnt.Font
	buf    sfnt.Buffer
	drawn  map[rune]bool
	widths map[rune]float64 // in parts of the font's size
}

func newCoverage(ttf []byte) (*coverage, error) {
	f, err := sfnt.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("couldn't read a font: %w", err)
	}
	return &coverage{font: f, drawn: map[rune]bool{}, widths: map[rune]float64{}}, nil
}

// has: letters, digits, punctuation and plain blanks that the font holds. What
// cannot be seen, stacks on its neighbour or changes the direction of writing is
// never drawn as itself.
func (c *coverage) has(r rune) bool {
	if r == ' ' {
		return true
	}
	if known, ok := c.drawn[r]; ok {
		return known
	}
	ok := r <= 0xffff && !unicode.In(r, unicode.C, unicode.M, unicode.Z)
	if ok {
		g, err := c.font.GlyphIndex(&c.buf, r)
		ok = err == nil && g != 0
	}
	c.drawn[r] = ok
	return ok
}

// visible spells out every character that the font cannot draw as what it is:
// a newline as \n, others by number, \u{202E}. Typed text can so never pass for
// a heading, hide a part of itself or turn around.
func (c *coverage) visible(s string) string {
	clean := true
	for _, r := range s {
		if !c.has(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case c.has(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		default:
			fmt.Fprintf(&b, `\u{%04X}`, r)
		}
	}
	return b.String()
}

// width of one character, for a font of size 1.
func (c *coverage) width(r rune) float64 {
	if w, ok := c.widths[r]; ok {
		return w
	}
	em := c.font.UnitsPerEm()
	w := 0.0
	if g, err := c.font.GlyphIndex(&c.buf, r); err == nil {
		if a, err := c.font.GlyphAdvance(&c.buf, g, fixed.I(int(em)), font.HintingNone); err == nil {
			w = float64(a) / 64 / float64(em)
		}
	}
	c.widths[r] = w
	return w
}

type stroke int

const (
	move stroke = iota
	line
	curve
)

type point struct{ x, y float64 }

// segment of a character's shape, for a font of size 1.
type segment struct {
	op stroke
	at [3]point
}

// outline is the shape of a character. Curves come out cubic, as PDF has them.
func (c *coverage) outline(r rune) []segment {
	em := c.font.UnitsPerEm()
	g, err := c.font.GlyphIndex(&c.buf, r)
	if err != nil {
		return nil
	}
	shape, err := c.font.LoadGlyph(&c.buf, g, fixed.I(int(em)), nil)
	if err != nil {
		return nil
	}
	of := func(p fixed.Point26_6) point {
		return point{float64(p.X) / 64 / float64(em), float64(p.Y) / 64 / float64(em)}
	}
	third := func(a, b point) point { return point{a.x + (b.x-a.x)*2/3, a.y + (b.y-a.y)*2/3} }
	var out []segment
	var now point
	for _, s := range shape {
		to := of(s.Args[0])
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			out = append(out, segment{move, [3]point{to}})
		case sfnt.SegmentOpLineTo:
			out = append(out, segment{line, [3]point{to}})
		case sfnt.SegmentOpQuadTo:
			control := to
			to = of(s.Args[1])
			out = append(out, segment{curve, [3]point{third(now, control), third(to, control), to}})
		case sfnt.SegmentOpCubeTo:
			out = append(out, segment{curve, [3]point{to, of(s.Args[1]), of(s.Args[2])}})
			to = of(s.Args[2])
		}
		now = to
	}
	return out
}

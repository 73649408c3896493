package report

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/boombuler/barcode/qr"
	"github.com/jung-kurt/gofpdf"

	"claviger/assets"
)

type face int

const (
	sans face = iota
	medium
	semibold
	italic
	mono
)

type colour struct{ r, g, b int }

// Few colours, and none that carries a meaning alone: the pages are legible in
// black and white.
var (
	ink    = colour{20, 28, 46}
	muted  = colour{71, 86, 112}
	rule   = colour{215, 220, 227}
	block  = colour{242, 243, 245}
	green  = colour{19, 112, 58}
	mint   = colour{227, 243, 232}
	slate  = colour{231, 235, 241}
	brown  = colour{133, 77, 0}
	cream  = colour{253, 240, 213}
	red    = colour{155, 28, 28}
	rose   = colour{252, 228, 226}
	shadow = colour{246, 232, 208}
)

type style struct {
	face face
	size float64
	c    colour
}

var (
	body  = style{sans, 9.2, ink}
	dim   = style{sans, 9.2, muted}
	cells = style{sans, 8.4, ink}
	code  = style{mono, 8.4, ink}
	head  = style{semibold, 8.4, muted}
	small = style{sans, 7.6, muted}
)

func (s style) in(f face) style      { s.face = f; return s }
func (s style) pt(n float64) style   { s.size = n; return s }
func (s style) col(c colour) style   { s.c = c; return s }
func (s style) leading() float64     { return s.size * 1.42 }
func (s style) of(text string) []run { return []run{{text, s}} }

// run is a piece of text in one style; a line is runs side by side.
type run struct {
	text string
	st   style
}

const (
	margin = 46.0
	headY  = 74.0 // first line below the page's head
	footY  = 46.0 // from the lower edge
)

// page draws onto pages one below the other. Every text goes through wrap or
// fit, which make it visible first.
type page struct {
	f        *gofpdf.Fpdf
	w, h, y  float64
	fonts    [5]*coverage
	practice bool
	left     string // of the head
	right    string
}

var families = [5]string{"sans", "medium", "semibold", "italic", "mono"}

func newPage(size PageSize) (*page, error) {
	w, h := 595.28, 841.89
	if size == Letter {
		w, h = 612, 792
	}
	f := gofpdf.NewCustom(&gofpdf.InitType{UnitStr: "pt", Size: gofpdf.SizeType{Wd: w, Ht: h}})
	f.SetCatalogSort(true)
	f.SetAutoPageBreak(false, 0)
	f.SetMargins(0, 0, 0)
	p := &page{f: f, w: w, h: h}
	for i, ttf := range [][]byte{assets.SansRegular, assets.SansMedium, assets.SansSemiBold, assets.SansItalic, assets.MonoRegular} {
		c, err := newCoverage(ttf)
		if err != nil {
			return nil, err
		}
		p.fonts[i] = c
		f.AddUTF8FontFromBytes(families[i], "", ttf)
	}
	return p, f.Error()
}

func (p *page) set(st style) {
	p.f.SetFont(families[st.face], "", st.size)
	p.f.SetTextColor(st.c.r, st.c.g, st.c.b)
}

// width of visible text in points.
func (p *page) width(s string, st style) float64 {
	w := 0.0
	for _, r := range s {
		w += p.fonts[st.face].width(r)
	}
	return w * st.size
}

// add begins a page with its head.
func (p *page) add() {
	p.f.AddPage()
	if p.practice {
		p.watermark("PRACTICE")
	}
	p.text(margin, 42, p.fit(p.left, style{semibold, 9, ink}, p.w*0.6), style{semibold, 9, ink})
	right := p.fit(p.right, style{sans, 9, muted}, p.w*0.34)
	p.text(p.w-margin-p.width(right, style{sans, 9, muted}), 42, right, style{sans, 9, muted})
	p.line(margin, 52, p.w-margin, 52, 1.6, ink)
	p.y = headY
}

// watermark draws a word across the page, below everything else. It is drawn as
// shapes: letters would come between the words of whoever copies or reads the
// page by machine. The foot says the same as text.
func (p *page) watermark(word string) {
	const size = 104.0
	font := p.fonts[semibold]
	p.f.SetFillColor(shadow.r, shadow.g, shadow.b)
	p.f.TransformBegin()
	p.f.TransformRotate(52, p.w/2, p.h/2)
	x, y := p.w/2-p.width(word, style{semibold, size, shadow})/2, p.h/2+36
	for _, r := range word {
		for _, s := range font.outline(r) {
			at := func(i int) (float64, float64) { return x + size*s.at[i].x, y + size*s.at[i].y }
			x0, y0 := at(0)
			switch s.op {
			case move:
				p.f.MoveTo(x0, y0)
			case line:
				p.f.LineTo(x0, y0)
			case curve:
				x1, y1 := at(1)
				x2, y2 := at(2)
				p.f.CurveBezierCubicTo(x0, y0, x1, y1, x2, y2)
			}
		}
		p.f.DrawPath("F")
		x += size * font.width(r)
	}
	p.f.TransformEnd()
}

// feet writes the foot of every page, when their number is known.
func (p *page) feet(left string) {
	n := p.f.PageCount()
	for i := 1; i <= n; i++ {
		p.f.SetPage(i)
		y := p.h - footY
		p.line(margin, y, p.w-margin, y, 0.6, rule)
		p.text(margin, y+13, p.fit(left, small, p.w*0.72), small)
		of := fmt.Sprintf("Page %d of %d", i, n)
		p.text(p.w-margin-p.width(of, small), y+13, of, small)
		if p.practice {
			st := style{semibold, 7.6, brown}
			p.text(p.w/2-p.width("PRACTICE", st)/2, y+25, "PRACTICE", st)
		}
	}
}

// room turns the page unless h points are left on it.
func (p *page) room(h float64) {
	if p.y+h > p.h-footY-8 {
		p.add()
	}
}

func (p *page) text(x, y float64, visible string, st style) {
	if visible == "" {
		return
	}
	p.set(st)
	p.f.Text(x, y, visible)
}

func (p *page) line(x1, y1, x2, y2, width float64, c colour) {
	p.f.SetDrawColor(c.r, c.g, c.b)
	p.f.SetLineWidth(width)
	p.f.Line(x1, y1, x2, y2)
}

func (p *page) fill(x, y, w, h, radius float64, c colour) {
	p.f.SetFillColor(c.r, c.g, c.b)
	if radius == 0 {
		p.f.Rect(x, y, w, h, "F")
		return
	}
	p.f.RoundedRect(x, y, w, h, radius, "1234", "F")
}

// fit gives text as far as it fits one line.
func (p *page) fit(s string, st style, width float64) string {
	s = p.fonts[st.face].visible(s)
	if p.width(s, st) <= width {
		return s
	}
	used := p.width("…", st)
	for i, r := range s {
		if used += p.fonts[st.face].width(r) * st.size; used > width {
			return s[:i] + "…"
		}
	}
	return s
}

// wrap breaks runs into lines no wider than width; a word that is wider is
// broken where the line ends.
func (p *page) wrap(runs []run, width float64) [][]run {
	var lines [][]run
	var line []run
	used := 0.0
	end := func() {
		lines = append(lines, line)
		line, used = nil, 0
	}
	put := func(text string, st style, w float64) {
		if n := len(line); n > 0 && line[n-1].st == st {
			line[n-1].text += text
		} else {
			line = append(line, run{text, st})
		}
		used += w
	}
	for _, r := range runs {
		for _, word := range strings.SplitAfter(p.fonts[r.st.face].visible(r.text), " ") {
			w := p.width(strings.TrimRight(word, " "), r.st)
			if used > 0 && used+w > width {
				end()
			}
			if w <= width {
				put(word, r.st, p.width(word, r.st))
				continue
			}
			for _, c := range word {
				cw := p.width(string(c), r.st)
				if used+cw > width {
					end()
				}
				put(string(c), r.st, cw)
			}
		}
	}
	if line != nil || lines == nil {
		end()
	}
	return lines
}

func leading(line []run) float64 {
	l := 0.0
	for _, r := range line {
		l = math.Max(l, r.st.leading())
	}
	return math.Max(l, 8)
}

func height(lines [][]run) float64 {
	h := 0.0
	for _, l := range lines {
		h += leading(l)
	}
	return h
}

// drawLine puts one line with its top at y.
func (p *page) drawLine(x, y float64, line []run) {
	l := leading(line)
	for _, r := range line {
		p.text(x, y+l*0.72, strings.TrimRight(r.text, " "), r.st)
		x += p.width(r.text, r.st)
	}
}

// para writes lines over the whole width, across pages where needed.
func (p *page) para(runs []run, indent float64) {
	for _, l := range p.wrap(runs, p.w-2*margin-indent) {
		p.room(leading(l))
		p.drawLine(margin+indent, p.y, l)
		p.y += leading(l)
	}
}

func (p *page) gap(h float64) { p.y += h }

// title of a section; it stays with at least the first lines below it.
func (p *page) heading(s string) {
	p.room(92)
	if p.y > headY {
		p.y += 13
	}
	p.f.Bookmark(p.fonts[sans].visible(s), 0, p.y)
	st := style{semibold, 11.2, ink}
	p.text(margin, p.y+9, p.fit(s, st, p.w-2*margin), st)
	p.y += 18
}

const subheadingHeight = 22

func (p *page) subheading(s string) {
	p.room(2 * subheadingHeight)
	st := style{semibold, 9.2, ink}
	p.text(margin, p.y+15, p.fit(s, st, p.w-2*margin), st)
	p.y += subheadingHeight
}

// chip is a short claim; its frame is drawn in words and shape, not colour alone.
type chip struct {
	text   string
	fg, bg colour
}

func (p *page) chips(list []chip) {
	x := margin
	st := style{medium, 8.4, ink}
	for _, c := range list {
		text := p.fit(c.text, st, p.w-2*margin-18)
		w := p.width(text, st) + 18
		if x+w > p.w-margin {
			x, p.y = margin, p.y+22
		}
		p.fill(x, p.y, w, 17, 8.5, c.bg)
		p.text(x+9, p.y+11.6, text, st.col(c.fg))
		x += w + 8
	}
	p.y += 19
}

// fact is a label and its value.
type fact struct {
	label string
	value []run
}

const labelWidth = 128.0

func (p *page) facts(list []fact) { p.factsUnder("", list) }

func (p *page) factsUnder(title string, list []fact) { p.factsAt(title, list, labelWidth, body, dim) }

// factsAt never leaves its title, the first or the last fact alone on a page, nor
// cuts a fact that fits one.
func (p *page) factsAt(title string, list []fact, labels float64, value, label style) {
	type lines struct {
		left, right [][]run
		high        []float64
		all         float64
	}
	set := make([]lines, len(list))
	for i, f := range list {
		l := lines{left: p.wrap(label.of(f.label), labels-8), right: p.wrap(f.value, p.w-2*margin-labels)}
		for j := range max(len(l.left), len(l.right)) {
			h := 0.0
			for _, side := range [][][]run{l.left, l.right} {
				if j < len(side) {
					h = math.Max(h, leading(side[j]))
				}
			}
			l.high = append(l.high, h)
			l.all += h
		}
		set[i] = l
	}
	for i, l := range set {
		h := l.all
		if (i == 0 || i == len(set)-2) && i+1 < len(set) {
			h += 2.6 + set[i+1].all
		}
		titled := i == 0 && title != ""
		if titled {
			h += subheadingHeight
		}
		if h < 190 {
			p.room(h)
		}
		if titled {
			p.subheading(title)
		}
		for j, h := range l.high {
			p.room(h)
			if j < len(l.left) {
				p.drawLine(margin, p.y, l.left[j])
			}
			if j < len(l.right) {
				p.drawLine(margin+labels, p.y, l.right[j])
			}
			p.y += h
		}
		p.y += 2.6
	}
}

// column of a table; width is a share of the page's.
type column struct {
	title string
	share float64
}

// row of a table: a cell is runs. A marked row has a bar at its left, so that
// what went otherwise than scripted is found at once.
type row struct {
	cells  [][]run
	marked bool
}

func (p *page) table(cols []column, rows []row) {
	total := 0.0
	for _, c := range cols {
		total += c.share
	}
	xs, ws := make([]float64, len(cols)), make([]float64, len(cols))
	x := margin
	for i, c := range cols {
		ws[i] = (p.w - 2*margin) * c.share / total
		xs[i] = x
		x += ws[i]
	}
	header := func() {
		for i, c := range cols {
			p.text(xs[i]+4, p.y+9, p.fit(c.title, head, ws[i]-6), head)
		}
		p.y += 15
		p.line(margin, p.y, p.w-margin, p.y, 0.9, ink)
	}
	p.room(48)
	header()
	for _, r := range rows {
		wrapped := make([][][]run, len(cols))
		most, h := 0, 0.0
		for i, c := range r.cells {
			wrapped[i] = p.wrap(c, ws[i]-8)
			most, h = max(most, len(wrapped[i])), math.Max(h, height(wrapped[i]))
		}
		if p.y+h+8 > p.h-footY-8 && h < 300 {
			p.add()
			header()
		}
		p.y += 3.6
		top := p.y
		for i := range most {
			l := 0.0
			for _, lines := range wrapped {
				if i < len(lines) {
					l = math.Max(l, leading(lines[i]))
				}
			}
			if p.y+l > p.h-footY-8 {
				p.mark(r, top)
				p.add()
				header()
				p.y += 3.6
				top = p.y
			}
			for c, lines := range wrapped {
				if i < len(lines) {
					p.drawLine(xs[c]+4, p.y, lines[i])
				}
			}
			p.y += l
		}
		p.mark(r, top)
		p.y += 2.4
		p.line(margin, p.y, p.w-margin, p.y, 0.5, rule)
	}
}

func (p *page) mark(r row, top float64) {
	if r.marked {
		p.fill(margin-5, top-1, 2.4, p.y-top+1, 0, brown)
	}
}

// hashBlock shows a fingerprint to be compared aloud: sixteen bytes a line in
// fours of hex, and the words of the same bytes below.
func (p *page) hashBlock(groups [2]string, words []string) {
	big := style{mono, 11, ink}
	lines := p.wrap(small.pt(8).of(strings.Join(words, " ")), p.w-2*margin-20)
	h := 2*16 + 14.0
	if len(words) > 0 {
		h += height(lines) + 5
	}
	p.room(h)
	p.fill(margin, p.y, p.w-2*margin, h, 3, block)
	y := p.y + 18
	for _, g := range groups {
		p.text(margin+10, y, p.fit(g, big, p.w-2*margin-20), big)
		y += 16
	}
	y -= 8
	if len(words) > 0 {
		for _, l := range lines {
			p.drawLine(margin+10, y, l)
			y += leading(l)
		}
	}
	p.y += h + 4
}

// signing is the height of so many lines for signing by hand.
func signing(n int) float64 { return 30*float64((n+1)/2) + 4 }

// signatures: lines for signing by hand, two a row.
func (p *page) signatures(names []string) {
	w := (p.w - 2*margin - 22) / 2
	p.room(signing(len(names)))
	for i, n := range names {
		if i%2 == 0 {
			p.y += 30
		}
		x := margin + float64(i%2)*(w+22)
		p.text(x, p.y-6, p.fit(n, small, w-30), small)
		p.text(x+w-p.width("Date", small), p.y-6, "Date", small)
		p.line(x, p.y, x+w, p.y, 0.9, ink)
	}
}

// qr draws a QR code as filled bars on white, with the quiet zone that readers
// need around it.
func (p *page) qr(content string, x, y, side float64) error {
	code, err := qr.Encode(content, qr.M, qr.Unicode)
	if err != nil {
		return fmt.Errorf("couldn't draw the checkpoint as a QR code: %w", err)
	}
	n := code.Bounds().Dx()
	unit := side / float64(n)
	p.fill(x-9, y-9, side+18, side+18, 0, colour{255, 255, 255})
	p.f.SetFillColor(0, 0, 0)
	for j := range n {
		for i := 0; i < n; i++ {
			from := i
			for i < n && isDark(code.At(i, j)) {
				i++
			}
			if i > from {
				p.f.Rect(x+float64(from)*unit, y+float64(j)*unit, float64(i-from)*unit, unit, "F")
			}
		}
	}
	return nil
}

func isDark(c interface{ RGBA() (r, g, b, a uint32) }) bool {
	r, _, _, _ := c.RGBA()
	return r < 0x8000
}

func (p *page) bytes() ([]byte, error) {
	var b bytes.Buffer
	if err := p.f.Output(&b); err != nil {
		return nil, fmt.Errorf("couldn't write the document: %w", err)
	}
	return finish(b.Bytes())
}

// finish says in the catalog what gofpdf has no word for: the language, so that
// a screen reader pronounces it, and that the title names the window. It also
// names the PDF version whose file names attachments use. The catalog is the
// last object, so only the place of the table behind it moves.
func finish(pdf []byte) ([]byte, error) {
	const header, catalog, table = "%PDF-1.3", "/Type /Catalog\n", "startxref\n"
	const more = "/Lang (en)\n/ViewerPreferences << /DisplayDocTitle true >>\n"
	at, end := bytes.LastIndex(pdf, []byte(catalog)), bytes.LastIndex(pdf, []byte(table))
	var xref int
	if at >= 0 && end > at {
		fmt.Sscan(string(pdf[end+len(table):]), &xref)
	}
	if !bytes.HasPrefix(pdf, []byte(header)) || xref <= at {
		return nil, errors.New("couldn't finish the document: it is not as its writer makes it")
	}
	var out bytes.Buffer
	out.WriteString("%PDF-1.7")
	out.Write(pdf[len(header) : at+len(catalog)])
	out.WriteString(more)
	out.Write(pdf[at+len(catalog) : end])
	fmt.Fprintf(&out, "%s%d\n%%%%EOF\n", table, xref+len(more))
	return out.Bytes(), nil
}

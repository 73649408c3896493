package view

import (
	"fmt"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// Witness is the public view, for a second screen or a wall: nine lines at most,
// all of one size, and nothing that anybody could type into. What is longer is
// shown page by page. While somebody enters a secret it is the neutral card and
// does not change at all, so that a picture of it tells nothing.
type Witness struct {
	Object fyne.CanvasObject

	look   theme.Appearance
	size   fyne.Size
	now    flow.Witness
	since  time.Time // when the first page was shown
	at     time.Time
	turned int
	page   int // that is drawn
	stage  *fyne.Container
	clock  *kit.Text
}

// NewWitness makes a view that shows nothing yet.
func NewWitness(look theme.Appearance) *Witness {
	w := &Witness{look: look, page: -1}
	w.stage = container.New(&stageLayout{w})
	w.Object = w.stage
	return w
}

// SetLook changes the colours.
func (w *Witness) SetLook(look theme.Appearance) {
	w.look = look
	w.draw()
}

// Set shows another state; it begins with its first page.
func (w *Witness) Set(now flow.Witness, at time.Time) {
	w.now, w.since, w.at, w.turned = now, at, at, 0
	w.draw()
}

// Turn shows the next page now.
func (w *Witness) Turn() {
	w.turned++
	w.draw()
}

// Tick moves the clock on, and the page when its time has come. The neutral card
// has neither.
func (w *Witness) Tick(at time.Time) {
	if w.now.Private != nil {
		return
	}
	w.at = at
	if w.clock == nil {
		return
	}
	w.clock.Set(flow.RoomClock(at))
	if n := len(w.pages()); n > 1 && flow.Turn(n, w.turned, at.Sub(w.since)) != w.page {
		w.draw()
	}
}

// stageLines is how many lines a wall carries.
const stageLines = 9

// margin is what stays free at the sides.
func (w *Witness) margin() float32 { return 0.6 * w.em() }

func (w *Witness) em() float32 { return theme.NewStage(w.look, w.size).Em() }

func (w *Witness) draw() {
	if w.size.Width == 0 {
		return // not in a window yet
	}
	w.clock = nil
	content := w.public()
	if w.now.Private != nil {
		content = w.neutral()
	}
	w.stage.Objects = []fyne.CanvasObject{container.NewThemeOverride(container.NewStack(kit.NewBox(theme.Paper, 0), content), theme.NewStage(w.look, w.size))}
	w.stage.Objects[0].Resize(w.size)
	w.stage.Refresh()
}

func (w *Witness) neutral() fyne.CanvasObject {
	card := w.now.Private
	line := func(s string, weight kit.Weight) fyne.CanvasObject {
		return kit.NewText(s, kit.Style{Weight: weight, Wrap: true, Align: fyne.TextAlignCenter})
	}
	column := kit.Column(0.5*w.em(), line(card.Title, kit.SemiBold), line(card.Who, kit.Regular), line(card.Text, kit.Regular))
	page := kit.Inset(w.margin(), 3*w.em(), column)
	if w.now.Practice {
		return kit.Fill(kit.PracticeBand(textPRACTICE), page)
	}
	return page
}

// public is band, title, page, who acts next, and the foot.
func (w *Witness) public() fyne.CanvasObject {
	em := w.em()
	top := kit.Column(0)
	if w.now.Practice {
		top.Add(kit.PracticeBand(textPRACTICE))
	}
	title := w.title()
	head := kit.Column(0)
	for _, line := range title {
		head.Add(kit.NewText(line, kit.Style{Weight: kit.SemiBold}))
	}
	top.Add(kit.Inset(w.margin(), 0.35*em, head))

	pages := w.pages()
	body := kit.Column(0.12 * em)
	w.page = 0
	if len(pages) > 0 {
		w.page = flow.Turn(len(pages), w.turned, w.at.Sub(w.since))
		for _, l := range pages[w.page] {
			body.Add(kit.NewText(l.words, kit.Style{Weight: l.weight, Ink: l.ink}))
		}
	}
	ink, fill := theme.Amber, theme.AmberFill
	if w.now.Busy {
		ink, fill = theme.Soft, theme.Well
	}
	dots := kit.Row(dotGap * em)
	for i := range w.now.Of {
		dots.Add(dot(i < w.now.Got, dotSize*em))
	}
	next, lines := kit.Column(0), w.next()
	for i, line := range lines {
		row := kit.Row(0.5*em, kit.Grow(kit.NewText(line, kit.Style{Weight: kit.SemiBold, Ink: ink})))
		if i == len(lines)-1 {
			row.Add(dots)
		}
		next.Add(row)
	}
	w.clock = kit.NewText(flow.RoomClock(w.at), kit.Style{Weight: kit.SemiBold})
	foot := kit.Row(em, kit.Grow(kit.NewText(fit(w.foot(len(pages)), w.width()-9.5*em, em, kit.Regular), kit.Style{Ink: theme.Soft})), w.clock)
	bottom := kit.Column(0,
		kit.On(kit.NewBox(fill, 0), w.margin(), 0.25*em, next),
		kit.On(kit.NewBox(theme.Strip, 0), w.margin(), 0.2*em, foot))
	return container.NewBorder(top, bottom, nil, nil, kit.Inset(w.margin(), 0.3*em, body))
}

func dot(got bool, size float32) fyne.CanvasObject {
	if got {
		return container.NewCenter(kit.NewDot(theme.GreenSolid, size))
	}
	ring := kit.NewFrame("", theme.Ink, size/2)
	ring.Stroke, ring.Min = 2, fyne.NewSquareSize(size)
	return container.NewCenter(ring)
}

// In ems.
const dotSize, dotGap = 0.45, 0.2

func (w *Witness) dots() float32 { return float32(w.now.Of) * (dotSize + dotGap) * w.em() }

func (w *Witness) width() float32 { return w.size.Width - 2*w.margin() }

// title has two lines at most.
func (w *Witness) title() []string { return w.atMost(2, w.lines(w.now.Title, w.width()), w.width()) }

// next takes more lines before anything of it is cut: a long name would push out
// what its owner is to do. The last of them has the dots beside it. The smallest
// part of a value keeps its three lines.
func (w *Witness) next() []string {
	const part = 3
	lines, beside := w.lines(w.now.Next, w.width()), w.width()-w.dots()-w.em()
	if last := len(lines) - 1; last >= 0 && w.now.Of > 0 {
		lines = append(lines[:last:last], w.lines(lines[last], beside)...)
	}
	return w.atMost(max(w.room()-part, 1), lines, beside)
}

func (w *Witness) lines(words string, width float32) []string {
	return kit.Lines(words, width, w.em(), kit.SemiBold)
}

// room is how many lines there are between title and foot.
func (w *Witness) room() int {
	room := stageLines - len(w.title()) - 1
	if w.now.Practice {
		room--
	}
	return room
}

// atMost keeps so many lines, and cuts the last of them to a width.
func (w *Witness) atMost(most int, lines []string, width float32) []string {
	if len(lines) > most {
		lines = append(lines[:most-1], fit(strings.Join(lines[most-1:], " "), width, w.em(), kit.SemiBold))
	}
	return lines
}

func (w *Witness) foot(pages int) string {
	var parts []string
	for _, s := range []string{w.now.Step, w.now.Notes} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	const dotted = 6 // more would be cut
	switch {
	case pages > dotted:
		parts = append(parts, fmt.Sprintf("%d/%d", w.page+1, pages))
	case pages > 1:
		parts = append(parts, strings.Repeat("·", w.page)+"•"+strings.Repeat("·", pages-w.page-1))
	}
	return strings.Join(parts, "  ")
}

// fit cuts words to one line.
func fit(words string, width, em float32, weight kit.Weight) string {
	runes := []rune(words)
	for len(kit.Lines(words, width, em, weight)) > 1 && len(runes) > 1 {
		runes = runes[:len(runes)-1]
		words = string(runes) + "…"
	}
	return words
}

// stageLine is one line of a page.
type stageLine struct {
	words  string
	weight kit.Weight
	ink    fyne.ThemeColorName
}

// pages breaks the blocks into lines and packs them: a block that does not fit
// what is left of a page begins the next one.
func (w *Witness) pages() [][]stageLine {
	room := w.room() - max(len(w.next()), 1)
	var pages [][]stageLine
	var page []stageLine
	for _, b := range w.now.Blocks {
		for _, chunk := range w.chunks(b, room) {
			if len(page)+len(chunk) > room && len(page) > 0 {
				pages, page = append(pages, page), nil
			}
			page = append(page, chunk...)
		}
	}
	if len(page) > 0 {
		pages = append(pages, page)
	}
	return pages
}

// chunks are what belongs on one page: a whole text where it fits; of a value
// the fours, and below them the same bytes in words.
func (w *Witness) chunks(b flow.Block, room int) [][]stageLine {
	lines := func(words string, weight kit.Weight, ink fyne.ThemeColorName) (out []stageLine) {
		for _, l := range kit.Lines(words, w.width(), w.em(), weight) {
			out = append(out, stageLine{l, weight, ink})
		}
		return out
	}
	if b.Hash != nil {
		return w.hashChunks(*b.Hash, b.Label, room)
	}
	words := b.Text
	if b.Aloud {
		words = "“" + words + "”"
	}
	if b.Label != "" {
		words = b.Label + ": " + words
	}
	all := lines(words, kit.Regular, theme.Ink)
	var out [][]stageLine
	for len(all) > room {
		out, all = append(out, all[:room]), all[room:]
	}
	return append(out, all)
}

func (w *Witness) hashChunks(h flow.Hash, label string, room int) [][]stageLine {
	// Sixteen bytes are eight fours, a line, and their words four more.
	for _, take := range []int{16, 8, 4} {
		var out [][]stageLine
		fits := true
		for at := 0; at < len(h.Words) && at*2 < len(h.Hex); at += take {
			end := min(at+take, len(h.Words))
			chunk := []stageLine{{fit(label, w.width(), w.em(), kit.Regular), kit.Regular, theme.Soft}, {kit.Fours(h.Hex[2*at : 2*end]), kit.MonoSemiBold, theme.Ink}}
			for _, l := range kit.Lines(strings.Join(h.Words[at:end], " "), w.width(), w.em(), kit.Regular) {
				chunk = append(chunk, stageLine{l, kit.Regular, theme.Ink})
			}
			fits = fits && len(chunk) <= room && len(kit.Lines(chunk[1].words, w.width(), w.em(), kit.MonoSemiBold)) == 1
			out = append(out, chunk)
		}
		if fits {
			return out
		}
	}
	return nil
}

// stageLayout gives the view the whole window, and draws it anew for another
// size: the text follows the window.
type stageLayout struct{ w *Witness }

func (l *stageLayout) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	if size != l.w.size && size.Width > 0 {
		l.w.size = size
		l.w.draw()
	}
}

func (l *stageLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(320, 240) }

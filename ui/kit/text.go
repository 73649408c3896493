package kit

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	base "fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// Weight is a cut of the typeface.
type Weight int

const (
	Regular Weight = iota
	Medium
	SemiBold
	Italic
	Mono
	MonoSemiBold
)

// Style is how a text looks. The zero Style is body text in ink on one line.
type Style struct {
	Size   fyne.ThemeSizeName
	Ink    fyne.ThemeColorName
	Weight Weight
	Align  fyne.TextAlign
	Wrap   bool
	// Leading is added between lines, as a share of the text size.
	Leading float32
}

// Text is words in one style.
type Text struct {
	widget.BaseWidget
	content string
	style   Style
}

func NewText(content string, style Style) *Text {
	if style.Size == "" {
		style.Size = theme.Text
	}
	if style.Ink == "" {
		style.Ink = theme.Ink
	}
	t := &Text{content: content, style: style}
	t.ExtendBaseWidget(t)
	return t
}

// Set shows other words in the same style.
func (t *Text) Set(content string) {
	if t.content != content {
		t.content = content
		t.Refresh()
	}
}

// SetInk shows the same words in another colour.
func (t *Text) SetInk(ink fyne.ThemeColorName) {
	if t.style.Ink != ink {
		t.style.Ink = ink
		t.Refresh()
	}
}

func (t *Text) String() string { return t.content }

// line is the height of one line.
func (t *Text) line() float32 {
	size, style, source := t.cut()
	m, _ := fyne.CurrentApp().Driver().RenderedTextSize("X", size, style, source)
	return m.Height
}

// natural is the width on one line.
func (t *Text) natural() float32 {
	size, style, source := t.cut()
	m, _ := fyne.CurrentApp().Driver().RenderedTextSize(t.content, size, style, source)
	return m.Width + 1 // of rounding
}

// cut is the style as the toolkit names it.
func (t *Text) cut() (size float32, style fyne.TextStyle, source fyne.Resource) {
	size = base.SizeForWidget(t.style.Size, t)
	switch t.style.Weight {
	case Medium:
		source = theme.Medium
	case SemiBold:
		style.Bold = true
	case Italic:
		style.Italic = true
	case Mono:
		style.Monospace = true
	case MonoSemiBold:
		style.Monospace, style.Bold = true, true
	}
	if source == nil {
		source = theme.Face(style)
	}
	return size, style, source
}

// inFace sets the typeface of a line. For text that does not name its typeface the
// toolkit parses fonts anew, some fifteen megabytes, for every theme override that it
// meets, and keeps them: each private page and each change on the wall is one.
func inFace(line *canvas.Text, style fyne.TextStyle) {
	line.TextStyle, line.FontSource = style, theme.Face(style)
}

// The styles that come again and again.

func Title(s string) *Text {
	return NewText(s, Style{Size: theme.Title, Weight: SemiBold, Wrap: true})
}

func Heading(s string) *Text {
	return NewText(s, Style{Size: theme.Heading, Weight: SemiBold, Wrap: true})
}

func Kicker(s string) *Text {
	return NewText(strings.ToUpper(s), Style{Size: theme.Kicker, Weight: SemiBold, Ink: theme.Muted, Wrap: true})
}

// GraveKicker stands over what cannot be undone.
func GraveKicker(s string) *Text {
	return NewText(strings.ToUpper(s), Style{Size: theme.Kicker, Weight: SemiBold, Ink: theme.Red, Wrap: true})
}

func CentredKicker(s string) *Text {
	return NewText(strings.ToUpper(s), Style{Size: theme.Kicker, Weight: SemiBold, Ink: theme.Muted, Wrap: true, Align: fyne.TextAlignCenter})
}

func Body(s string) *Text {
	return NewText(s, Style{Wrap: true, Leading: 0.1})
}

func Soft(s string) *Text {
	return NewText(s, Style{Ink: theme.Soft, Wrap: true, Leading: 0.1})
}

func (t *Text) CreateRenderer() fyne.WidgetRenderer {
	r := &textRenderer{text: t}
	r.breakLines(0)
	return r
}

type textRenderer struct {
	text  *Text
	lines []*canvas.Text
	width float32 // at which lines were broken
	word  float32 // the widest word: what wrapping cannot go below
}

// widestWord keeps one long word from deciding how wide a window must be; a
// wider one is broken between letters.
const widestWord = 180

func (r *textRenderer) breakLines(width float32) {
	size, style, source := r.text.cut()
	measure := func(s string) float32 {
		m, _ := fyne.CurrentApp().Driver().RenderedTextSize(s, size, style, source)
		return m.Width
	}
	r.width, r.word = width, 0
	content := []string{r.text.content}
	if r.text.style.Wrap {
		for _, w := range strings.Fields(r.text.content) {
			r.word = max(r.word, measure(w))
		}
		content = wrap(r.text.content, width, measure)
	}
	ink := base.ColorForWidget(r.text.style.Ink, r.text)
	r.lines = r.lines[:min(len(r.lines), len(content))]
	for len(r.lines) < len(content) {
		r.lines = append(r.lines, canvas.NewText("", ink))
	}
	for i, line := range r.lines {
		line.Text, line.Color, line.TextSize = content[i], ink, size
		line.TextStyle, line.FontSource, line.Alignment = style, source, r.text.style.Align
	}
}

// Lines breaks words as a text of this style and size would at a width.
func Lines(words string, width, size float32, weight Weight) []string {
	style := fyne.TextStyle{Bold: weight == SemiBold || weight == MonoSemiBold, Monospace: weight == Mono || weight == MonoSemiBold}
	return wrap(words, width, func(s string) float32 {
		m, _ := fyne.CurrentApp().Driver().RenderedTextSize(s, size, style, theme.Face(style))
		return m.Width
	})
}

// wrap breaks at spaces, and inside a word only where it is wider than the
// line. Width 0 means not known yet.
func wrap(s string, width float32, measure func(string) float32) []string {
	var lines []string
	for _, paragraph := range strings.Split(s, "\n") {
		line := ""
		for _, word := range strings.Split(paragraph, " ") {
			longer := word
			if line != "" {
				longer = line + " " + word
			}
			if width <= 0 || measure(longer) <= width {
				line = longer
				continue
			}
			if line != "" {
				lines = append(lines, line)
			}
			for measure(word) > width {
				head, tail := cut(word, width, measure)
				if tail == "" {
					break
				}
				lines, word = append(lines, head), tail
			}
			line = word
		}
		lines = append(lines, line)
	}
	return lines
}

func cut(word string, width float32, measure func(string) float32) (head, tail string) {
	runes := []rune(word)
	at := 0 // after the last hyphen that fits
	for n := 1; n < len(runes); n++ {
		if runes[n-1] == '-' {
			at = n
		}
		if measure(string(runes[:n+1])) > width {
			if at == 0 {
				at = n
			}
			return string(runes[:at]), string(runes[at:])
		}
	}
	return word, ""
}

func (r *textRenderer) Layout(size fyne.Size) {
	if size.Width != r.width && r.text.style.Wrap {
		r.breakLines(size.Width)
	}
	y := float32(0)
	for i, line := range r.lines {
		if i > 0 {
			y += r.leading()
		}
		h := line.MinSize().Height
		line.Move(fyne.NewPos(0, y))
		line.Resize(fyne.NewSize(size.Width, h))
		y += h
	}
}

func (r *textRenderer) leading() float32 {
	return r.text.style.Leading * base.SizeForWidget(r.text.style.Size, r.text)
}

func (r *textRenderer) MinSize() fyne.Size {
	var s fyne.Size
	for i, line := range r.lines {
		m := line.MinSize()
		s.Width = max(s.Width, m.Width)
		s.Height += m.Height
		if i > 0 {
			s.Height += r.leading()
		}
	}
	if r.text.style.Wrap {
		s.Width = min(r.word, widestWord)
	}
	return s
}

func (r *textRenderer) Refresh() {
	r.breakLines(r.text.Size().Width)
	r.Layout(r.text.Size())
	for _, line := range r.lines {
		line.Refresh()
	}
	canvas.Refresh(r.text)
}

func (r *textRenderer) Objects() []fyne.CanvasObject {
	objects := make([]fyne.CanvasObject, len(r.lines))
	for i, line := range r.lines {
		objects[i] = line
	}
	return objects
}

func (r *textRenderer) Destroy() {}

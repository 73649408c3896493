package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// TableColumn is a heading and its share of the width.
type TableColumn struct {
	Head  string
	Share float32
}

// Table is a card of rows under headings. A row has one object a column.
func Table(columns []TableColumn, rows [][]fyne.CanvasObject) fyne.CanvasObject {
	layout := sharesLayout{}
	heads := make([]fyne.CanvasObject, len(columns))
	for i, c := range columns {
		layout.shares = append(layout.shares, c.Share)
		heads[i] = Kicker(c.Head)
	}
	body := Column(0, Inset(16, 9, container.New(layout, heads...)))
	for i, row := range rows {
		rule := theme.Rule
		if i == 0 {
			rule = theme.Line
		}
		body.Add(NewRule(rule))
		body.Add(Inset(16, 11, container.New(layout, row...)))
	}
	return On(NewFrame(theme.Card, theme.Line, cardRadius), 1, 1, body)
}

// NameCell is a name with what it is below it, in fixed width.
func NameCell(name, below string) fyne.CanvasObject {
	return Column(1,
		NewText(name, Style{Weight: SemiBold, Wrap: true}),
		NewText(below, Style{Size: theme.Small, Weight: Mono, Ink: theme.Muted, Wrap: true}))
}

// ChipCell keeps a chip at the left of its column.
func ChipCell(tone Tone, word string) fyne.CanvasObject { return Row(0, StateChip(tone, word)) }

type sharesLayout struct{ shares []float32 }

const tableGap = 14

func (l sharesLayout) widths(width float32) []float32 {
	var sum float32
	for _, s := range l.shares {
		sum += s
	}
	free := max(width-tableGap*float32(len(l.shares)-1), 0)
	widths := make([]float32, len(l.shares))
	for i, s := range l.shares {
		widths[i] = free * s / sum
	}
	return widths
}

func (l sharesLayout) Layout(cells []fyne.CanvasObject, size fyne.Size) {
	x := float32(0)
	for i, w := range l.widths(size.Width) {
		h := heightAt(cells[i], w)
		cells[i].Move(fyne.NewPos(x, max((size.Height-h)/2, 0)))
		cells[i].Resize(fyne.NewSize(w, h))
		x += w + tableGap
	}
}

func (l sharesLayout) MinSize(cells []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, o := range cells {
		m := o.MinSize()
		s.Width += m.Width + tableGap
		s.Height = max(s.Height, m.Height)
	}
	return s
}

package kit

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// FactRow is a label and what it is.
type FactRow struct {
	Label, Value string
	Mono, Strong bool
	Tone         Tone // a mark before the value
}

// FactTable lists facts, labels at the left.
func FactTable(rows []FactRow) fyne.CanvasObject {
	cells := make([]fyne.CanvasObject, 0, 2*len(rows))
	marked := slices.ContainsFunc(rows, func(r FactRow) bool { return r.Tone != Neutral })
	for _, row := range rows {
		weight := Regular
		switch {
		case row.Mono:
			weight = Mono
		case row.Strong:
			weight = SemiBold
		}
		label := NewText(row.Label, Style{Ink: theme.Soft, Wrap: true})
		label.Hidden = row.Label == ""
		var value fyne.CanvasObject = NewText(row.Value, Style{Weight: weight, Wrap: true})
		if marked {
			// The values stand in one column, with a mark or without.
			value = TopRow(8, Wide(em(theme.Text), NewText(row.Tone.mark(), Style{Ink: row.Tone.ink(), Weight: SemiBold})), Grow(value))
		}
		cells = append(cells, label, value)
	}
	return container.New(factLayout{}, cells...)
}

// factLayout has two columns, the labels a quarter of the width, at most half
// of it where a word needs that. What has no label takes the whole width.
type factLayout struct{}

const factGap = 8

func (factLayout) split(cells []fyne.CanvasObject, width float32) (label, value float32) {
	label = width / 4
	for i := 0; i < len(cells); i += 2 {
		label = max(label, min(cells[i].MinSize().Width, width/2))
	}
	return label, max(width-label-16, 1)
}

func (l factLayout) Layout(cells []fyne.CanvasObject, size fyne.Size) {
	label, value := l.split(cells, size.Width)
	y := float32(0)
	for i := 0; i+1 < len(cells); i += 2 {
		if !cells[i].Visible() {
			h := heightAt(cells[i+1], size.Width)
			cells[i+1].Move(fyne.NewPos(0, y))
			cells[i+1].Resize(fyne.NewSize(size.Width, h))
			y += h + factGap
			continue
		}
		lh, vh := heightAt(cells[i], label), heightAt(cells[i+1], value)
		cells[i].Move(fyne.NewPos(0, y))
		cells[i].Resize(fyne.NewSize(label, lh))
		cells[i+1].Move(fyne.NewPos(label+16, y))
		cells[i+1].Resize(fyne.NewSize(value, vh))
		y += max(lh, vh) + factGap
	}
}

func (factLayout) MinSize(cells []fyne.CanvasObject) fyne.Size {
	s := fyne.NewSize(0, -factGap)
	for i := 0; i+1 < len(cells); i += 2 {
		l, v := cells[i].MinSize(), cells[i+1].MinSize()
		s.Width = max(s.Width, l.Width+16+v.Width)
		s.Height += max(l.Height, v.Height) + factGap
	}
	s.Height = max(s.Height, 0)
	return s
}

// CheckRow is one line of a list of things that must hold.
type CheckRow struct {
	Text  string
	Met   bool
	Below string // what it rests on; "" where nothing is said of that
}

// CheckList shows for each line whether it holds: a tick or an open ring.
func CheckList(rows []CheckRow) fyne.CanvasObject {
	column := Column(7)
	for _, row := range rows {
		mark := fyne.CanvasObject(NewText("✓", Style{Ink: theme.Green, Weight: SemiBold}))
		if !row.Met {
			size := 0.7 * em(theme.Text)
			ring := NewFrame("", theme.Amber, size/2)
			ring.Stroke, ring.Min = 1.5, fyne.NewSquareSize(size)
			mark = Inset(0, 0.3*em(theme.Text), Row(0, ring))
		}
		words := fyne.CanvasObject(NewText(row.Text, Style{Wrap: true}))
		if row.Below != "" {
			words = Column(1, NewText(row.Text, Style{Weight: SemiBold, Wrap: true}), Soft(row.Below))
		}
		column.Add(TopRow(8, Wide(em(theme.Text), mark), Grow(words)))
	}
	return column
}

// MarkRow is a line with the mark of its tone before it.
func MarkRow(tone Tone, words string) fyne.CanvasObject { return markRow(theme.Text, tone, words) }

// SmallMarkRow is a MarkRow in small print.
func SmallMarkRow(tone Tone, words string) fyne.CanvasObject {
	return markRow(theme.Small, tone, words)
}

func markRow(size fyne.ThemeSizeName, tone Tone, words string) fyne.CanvasObject {
	mark := tone.mark()
	if mark == "" {
		mark = "·"
	}
	return TopRow(8, Wide(em(size), NewText(mark, Style{Size: size, Ink: tone.ink(), Weight: SemiBold})), Grow(NewText(words, Style{Size: size, Wrap: true})))
}

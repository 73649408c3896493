package kit

import (
	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

const (
	cardRadius = 9
	cardPadH   = 22
	cardPadV   = 18
)

// Card is a white panel with a thin border.
func Card(gap float32, content ...fyne.CanvasObject) fyne.CanvasObject {
	return On(NewFrame(theme.Card, theme.Line, cardRadius), cardPadH, cardPadV, Column(gap, content...))
}

// CardHead is a card's heading with a chip at its right.
func CardHead(heading string, chip fyne.CanvasObject) fyne.CanvasObject {
	if chip == nil {
		return Heading(heading)
	}
	return Row(12, Grow(Heading(heading)), chip)
}

// CardList is a card of rows with rules between them.
func CardList(rows ...fyne.CanvasObject) fyne.CanvasObject { return cardRows(16, 12, rows) }

// TightList is a CardList whose rows stand closer.
func TightList(rows ...fyne.CanvasObject) fyne.CanvasObject { return cardRows(16, 6, rows) }

// ActList is a card of rows that act, each of them to its edge.
func ActList(rows ...fyne.CanvasObject) fyne.CanvasObject { return cardRows(4, 4, rows) }

func cardRows(horizontal, vertical float32, rows []fyne.CanvasObject) fyne.CanvasObject {
	column := Column(0)
	for i, row := range rows {
		if i > 0 {
			column.Add(NewRule(theme.Rule))
		}
		column.Add(Inset(horizontal, vertical, row))
	}
	return On(NewFrame(theme.Card, theme.Line, cardRadius), 1, 1, column)
}

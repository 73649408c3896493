package view

import (
	"strings"

	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// reveal shows a passphrase or a card, once, to the person who writes it down.
// No button has the focus: an Enter too many must not take it away unread.
func reveal(pg flow.Page, act Actions) *Screen {
	shown := kit.NewReveal(pg.Reveal, pg.Kind == flow.PageShowCard)
	column := centred(pg)
	if pg.Card.Set != "" {
		column.Add(kit.NewText(pg.Card.Set, kit.Style{Ink: theme.Soft, Wrap: true, Align: fyne.TextAlignCenter}))
	}
	column.Add(kit.Inset(0, 12, shown))
	if len(pg.Card.Words) > 0 {
		column.Add(kit.NewText("Its fingerprint, which may be said aloud: "+strings.Join(pg.Card.Words, " "), kit.Style{Ink: theme.Soft, Wrap: true, Align: fyne.TextAlignCenter}))
	}
	goOn := kit.NewButton(kit.Primary, pg.Go, func() {
		shown.Clear()
		act.Answer(flow.Confirmed())
	})
	column.Add(kit.CentredActions(goOn))
	return &Screen{Object: column, close: shown.Clear}
}

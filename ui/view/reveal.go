package view

import (
	"fmt"
	"strings"
	"time"

	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// idleTime is how long something revealed stays without a key.
const idleTime = time.Minute

// reveal shows a passphrase or a card, once, to the person who writes it down.
// No button has the focus: an Enter too many must not take it away unread. Who
// is called away leaves nothing on the screen: after a minute without a key it
// is covered, and a key brings it back.
func reveal(pg flow.Page, act Actions) *Screen {
	shown := kit.NewReveal(pg.Reveal, pg.Kind == flow.PageShowCard)
	s := &Screen{First: shown}
	said, say := s.message(fyne.TextAlignCenter)
	hint := textArrowKeysGoFromPart
	say(hint, kit.Neutral)
	keys, closed := 0, false
	watch := func() {
		keys++
		n := keys
		act.Later(idleTime, func() {
			if n == keys && !closed {
				shown.Cover()
				say(textHiddenBecauseNoKeyPressed, kit.Waiting)
			}
		})
	}
	shown.OnKey = func() {
		say(hint, kit.Neutral)
		watch()
	}
	watch()

	column := centred(pg)
	if pg.Card.Set != "" {
		column.Add(kit.NewText(pg.Card.Set, kit.Style{Ink: theme.Soft, Wrap: true, Align: fyne.TextAlignCenter}))
	}
	column.Add(kit.Inset(0, 12, shown))
	if len(pg.Card.Words) > 0 {
		column.Add(kit.NewText(fmt.Sprintf(textFingerprintMaySaidAloud, strings.Join(pg.Card.Words, " ")), kit.Style{Ink: theme.Soft, Wrap: true, Align: fyne.TextAlignCenter}))
	}
	goOn := kit.NewButton(kit.Primary, pg.Go, func() {
		shown.Clear()
		act.Answer(flow.Confirmed())
	})
	s.Object, s.Dock = column, kit.Column(12, said, kit.CentredActions(goOn))
	s.close = func() {
		closed = true
		shown.Clear()
	}
	return s
}

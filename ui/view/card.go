package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// card takes one card from one custodian, and tells at once what does not fit.
func card(pg flow.Page, act Actions) *Screen {
	ask := pg.Card
	cells := kit.NewGroupCells(kit.Code{Prefix: ask.Prefix, Others: ask.Others, Alphabet: ask.Alphabet, Groups: ask.Groups})
	s := &Screen{First: cells, close: cells.Wipe}
	said, say := s.message(fyne.TextAlignCenter)
	check := kit.NewButton(kit.Primary, pg.Go, nil)
	state := flow.CardState{}
	at := 0 // the group to which the caret was led
	look := func() {
		state = ask.Check(cells.Code())
		cells.MarkBad(state.Bad...)
		say(state.Say, kit.Tone(state.Tone))
		if !state.OK {
			check.Disable(textEveryGroupFourLettersThey)
		} else {
			check.Enable()
		}
		switch {
		case state.OK:
			at = 0
		case cells.Full() && len(state.Bad) > 0 && state.Bad[0] != at && state.Bad[0] != cells.Within():
			// Once for each group: whoever types it anew must not be thrown back
			// to its first letter at every key.
			at = state.Bad[0]
			cells.GoTo(at)
		}
	}
	submit := func() {
		if state.OK {
			act.Answer(flow.Entered(cells.Take()))
		}
	}
	check.OnAct = submit
	cells.OnChanged, cells.OnSubmitted = look, submit
	cells.OnShort = func(group, missing int) { say(ask.Short(group, missing), kit.Bad) }
	cells.OnRefused = func(r rune) { say(ask.Refused(r), kit.Bad) }
	cells.OnOtherPrefix = func(prefix string) { say(ask.OtherPrefix(prefix), kit.Bad) }
	look()
	anew := kit.NewButton(kit.Secondary, textStartAgain, func() {
		cells.Clear()
		focus(cells)
	})
	practice := practiceButton(pg, act, func(b *secret.Buffer) {
		cells.Fill(b)
		focus(check)
	}, say)

	column := centred(pg)
	column.Add(kit.NewText(ask.Set, kit.Style{Ink: theme.Soft, Wrap: true, Align: fyne.TextAlignCenter}))
	if ask.Need > 0 {
		column.Add(kit.Inset(0, 8, kit.QuorumDots(ask.Got, ask.Need)))
	}
	column.Add(kit.Inset(0, 8, cells))
	column.Add(kit.NewText(fmt.Sprintf(textCardBeginsType18Groups, ask.Prefix),
		kit.Style{Ink: theme.Muted, Size: theme.Small, Wrap: true, Align: fyne.TextAlignCenter}))
	s.Object, s.Dock = column, kit.Column(12, said, kit.CentredActions(some(anew, practice, check)...))
	return s
}

package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// secretPage takes one passphrase or PIN from one person.
func secretPage(pg flow.Page, act Actions) *Screen {
	entry := kit.NewSecretEntry(pg.Secret.Label, pg.Secret.Bytes)
	s := &Screen{First: entry, close: entry.Wipe}
	said, say := s.message(fyne.TextAlignCenter)
	goOn := kit.NewButton(kit.Primary, pg.Go, nil)
	goOn.OnAct = func() {
		if entry.Length() < pg.Secret.Least {
			say(pg.Secret.TooShort(), kit.Bad)
			focus(entry)
			return
		}
		act.Answer(flow.Entered(entry.Take()))
	}
	entry.OnSubmitted = goOn.OnAct
	entry.OnChanged = func(int) { say("", kit.Neutral) }
	practice := practiceButton(pg, act, func(b *secret.Buffer) { fill(entry, b, say); focus(goOn) }, say)

	column := centred(pg)
	column.Add(kit.Inset(0, 14, kit.Narrow(36, entry)))
	s.Object, s.Dock = column, kit.Column(12, said, kit.CentredActions(some(practice, goOn, backButton(act))...))
	return s
}

// newPIN takes a PIN twice.
func newPIN(pg flow.Page, act Actions) *Screen {
	first := kit.NewSecretEntry(pg.Secret.Label, pg.Secret.Bytes)
	again := kit.NewSecretEntry(fmt.Sprintf(textAgain, pg.Secret.Label), pg.Secret.Bytes)
	s := &Screen{First: first, close: func() {
		first.Wipe()
		again.Wipe()
	}}
	said, say := s.message(fyne.TextAlignCenter)
	goOn := kit.NewButton(kit.Primary, pg.Go, nil)
	goOn.OnAct = func() {
		switch {
		case first.Length() < pg.Secret.Least:
			say(pg.Secret.TooShort(), kit.Bad)
			focus(first)
		case !first.Same(again):
			again.Clear()
			say(textTwoNotSameTypeSecond, kit.Bad)
			focus(again)
		default:
			again.Clear()
			act.Answer(flow.Entered(first.Take()))
		}
	}
	first.OnSubmitted = func() {
		if first.Length() < pg.Secret.Least {
			say(pg.Secret.TooShort(), kit.Bad)
			return
		}
		focus(again)
	}
	typing := func(int) { say("", kit.Neutral) }
	first.OnChanged, again.OnChanged = typing, typing
	again.OnSubmitted = goOn.OnAct
	practice := practiceButton(pg, act, func(b *secret.Buffer) {
		fill(first, b, say)
		fill(again, b, say)
		focus(goOn)
	}, say)

	column := centred(pg)
	column.Add(kit.Inset(0, 14, kit.Narrow(36, kit.Column(12, first, again))))
	s.Object, s.Dock = column, kit.Column(12, said, kit.CentredActions(some(practice, goOn)...))
	return s
}

package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// Sheet asks what goes with an action, and answers the prompt below it. With a
// phrase nothing happens before that is typed exactly.
func Sheet(sh flow.Sheet, answer func(ceremony.Answer), back func()) *Screen {
	var all []input
	var objects []fyne.CanvasObject
	reason := kit.NewTextField(sh.Reason, "", 300)
	if sh.Reason != "" {
		all, objects = append(all, typed{reason}), append(objects, reason.Object)
	}
	fields := newInputs(sh.Fields)
	s := &Screen{}
	onlyAsked(sh.Fields, fields, s.relaid)
	for _, f := range fields {
		all, objects = append(all, f), append(objects, f.object())
	}
	kind := kit.Primary
	act := kit.NewButton(kind, sh.Verb, nil)
	buttons := []*kit.Button{act, kit.NewButton(kit.Secondary, textBackStep, back)}
	head := kit.Kicker(sh.Kicker)
	if sh.Phrase != "" {
		head = kit.GraveKicker(sh.Kicker)
		act = kit.NewButton(kit.Danger, sh.Verb, nil)
		buttons[0], buttons[1] = buttons[1], act
		phrase := kit.NewTextField(fmt.Sprintf(textType, sh.Phrase), "", 60)
		missing := fmt.Sprintf(textTypeExactly, sh.Phrase)
		act.Disable(missing)
		phrase.OnChanged(func(s string) {
			if s == sh.Phrase {
				act.Enable()
			} else {
				act.Disable(missing)
			}
		})
		all, objects = append(all, typed{phrase}), append(objects, phrase.Object)
	}
	act.OnAct = func() {
		a, wrong := sh.Answer(values(sh.Fields, fields), reason.Value())
		reason.Wrong(wrong[""])
		first := mark(sh.Fields, fields, wrong)
		switch {
		case wrong == nil:
			answer(a)
		case wrong[""] != "":
			focus(reason.Focusable())
		default:
			focus(first)
		}
	}
	// Enter in the last field leads to the button and does not press it.
	chain(all, func() { focus(act) })
	column := kit.Column(16, kit.Column(4, head, kit.Title(sh.Title)), kit.Body(sh.Text))
	if len(objects) > 0 {
		column.Add(kit.Card(14, objects...))
	}
	s.Object, s.Dock = column, kit.Actions(buttons...)
	if len(all) > 0 {
		s.First = all[0].Focusable()
	}
	return s
}

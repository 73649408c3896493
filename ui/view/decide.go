package view

import (
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// decide asks for one of several ways to go on. None is chosen to begin with.
func decide(pg flow.Page, act Actions) *Screen {
	column := top(pg)
	items := make([]kit.ChoiceItem, len(pg.Options))
	for i, o := range pg.Options {
		items[i] = kit.ChoiceItem{Label: o.Label, Help: o.Help, Danger: o.Danger}
	}
	choice := kit.NewChoice(items...)
	reason := kit.NewTextField(textWhyFewWords, "", 300)
	goOn := kit.NewButton(kit.Primary, pg.Go, nil)
	goOn.Disable(textChooseOneThem)
	submit := func() {
		if wrong := flow.CheckReason(reason.Value()); wrong != "" {
			reason.Wrong(wrong)
			focus(reason.Focusable())
			return
		}
		act.Answer(pg.Decided(choice.Chosen(), reason.Value()))
	}
	goOn.OnAct = submit
	choice.OnChanged = func(chosen int) {
		if goOn.Enable(); chosen < 0 {
			goOn.Disable(textChooseOneThem)
		}
	}
	choice.OnSubmitted = func() { focus(reason.Focusable()) }
	// Enter in the field goes to the button and does not press it: one of the
	// choices may not be undone.
	reason.OnSubmitted(func() { focus(goOn) })
	column.Add(choice)
	column.Add(reason.Object)
	return &Screen{Object: column, Dock: foot(pg, act, goOn), First: choice}
}

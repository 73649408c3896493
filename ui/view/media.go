package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// Media asks which medium a copy goes to.
func Media(p flow.MediaPage, copyTo func(flow.Target), again, back func()) *Screen {
	column := kit.Column(16, kit.Title(p.Title), kit.Body(p.Text))
	if p.Trouble != nil {
		column.Add(trouble(p.Trouble))
	}
	look, leave := kit.NewButton(kit.Secondary, textLookAgain, again), kit.NewButton(kit.Secondary, textBack, back)
	if p.First != "" {
		column.Add(kit.Card(6, kit.Heading(textNoMediumHere), kit.Soft(p.First)))
		return &Screen{Object: column, Dock: kit.Actions(look, leave), First: look}
	}
	items := make([]kit.ChoiceItem, len(p.Media))
	for i, m := range p.Media {
		items[i].Label, items[i].Help = m.Describe()
	}
	choice := kit.NewChoice(items...)
	column.Add(kit.Heading(textWhere))
	column.Add(kit.AtMost(52, choice))
	named := kit.NewTextField(textLabelMedium, textNumberNameWritten, 120)
	people := choiceOf(p.People)
	target := func() flow.Target {
		t := flow.Target{Named: named.Value()}
		if i := choice.Chosen(); i >= 0 {
			t.Medium = p.Media[i]
		}
		if i := people.Chosen(); i >= 0 {
			t.Person = p.People[i].ID
		}
		return t
	}
	s := &Screen{Object: column, First: choice}
	said, say := s.message(fyne.TextAlignLeading)
	write := kit.NewButton(kit.Primary, textCopyMedium, func() {
		wrong := p.Wrong(target())
		named.Wrong(wrong["named"])
		say(wrong["person"], kit.Bad)
		if wrong == nil {
			copyTo(target())
		}
	})
	write.Disable(textChooseMediumFirst)
	choice.OnChanged = func(int) { write.Enable() }
	choice.OnSubmitted = func() { focus(write) }
	if p.Signed {
		column.Add(kit.AtMost(52, named.Object))
		column.Add(kit.Heading(textWhoMakesCopy))
		column.Add(kit.AtMost(52, people))
		choice.OnSubmitted = func() { focus(named.Focusable()) }
		named.OnSubmitted(func() { focus(people) })
		people.OnSubmitted = func() { focus(write) }
	}
	s.Dock = kit.Column(12, said, kit.Actions(write, look, leave))
	return s
}

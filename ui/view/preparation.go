package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// Preparation asks for the parameters of a ceremony. begin is given what was
// typed and answers with what is wrong, or nothing and starts.
func Preparation(p flow.Preparation, begin func(values map[string]string) flow.Wrong, back func()) *Screen {
	column := kit.Column(16, kit.Title(p.Title))
	if p.About != "" {
		column.Add(kit.Body(p.About))
	}
	s := &Screen{}
	values := map[string]func() string{}
	wrongs := map[string]func(string){}
	var fields []*kit.TextField
	var objects []fyne.CanvasObject
	for _, par := range p.Start.Parameters {
		if len(par.Of) == 1 {
			values[par.Name] = func() string { return par.Of[0].ID }
			objects = append(objects, kit.FactTable([]kit.FactRow{{Label: par.Ask, Value: par.Of[0].Label, Strong: true}}))
			continue
		}
		if len(par.Of) > 1 {
			choice := choose(par)
			values[par.Name] = func() string { return par.Of[choice.Chosen()].ID }
			objects = append(objects, kit.Column(6, above(par.Ask), choice))
			continue
		}
		f := kit.NewTextField(par.Ask, "", 200)
		f.SetValue(par.Default)
		fields = append(fields, f)
		values[par.Name], wrongs[par.Name] = f.Value, f.Wrong
		objects = append(objects, f.Object)
	}
	said, say := s.message(fyne.TextAlignLeading)
	start := kit.NewButton(kit.Primary, "Start the ceremony", nil)
	start.OnAct = func() {
		typed := map[string]string{}
		for name, value := range values {
			typed[name] = value()
		}
		wrong := begin(typed)
		for name, show := range wrongs {
			show(wrong[name])
		}
		say(wrong[""], kit.Bad)
	}
	for i, f := range fields {
		if i+1 < len(fields) {
			next := fields[i+1].Focusable()
			f.OnSubmitted(func() { focus(next) })
		} else {
			f.OnSubmitted(func() { focus(start) })
		}
	}
	if len(objects) > 0 {
		column.Add(kit.AtMost(52, kit.Card(14, objects...)))
	}
	s.Object, s.First = column, start
	s.Dock = kit.Column(12, said, kit.Actions(start, kit.NewButton(kit.Secondary, "Back", back)))
	return s
}

// choose begins with the default: a parameter is no decision yet.
func choose(par flow.Parameter) *kit.Choice {
	items := make([]kit.ChoiceItem, len(par.Of))
	at := 0
	for i, v := range par.Of {
		items[i] = kit.ChoiceItem{Label: v.Label, Help: v.Help}
		if v.ID == par.Default {
			at = i
		}
	}
	choice := kit.NewChoice(items...)
	choice.Choose(at)
	return choice
}

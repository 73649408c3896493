package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// form takes typed answers. Enter goes to the next field, and on from the last.
func form(pg flow.Page, act Actions) *Screen {
	column := top(pg)
	fields := make([]*kit.TextField, len(pg.Fields))
	var objects []fyne.CanvasObject
	for i, f := range pg.Fields {
		fields[i] = kit.NewTextField(f.Label, f.Hint, f.Max)
		fields[i].SetValue(f.Value)
		objects = append(objects, fields[i].Object)
	}
	submit := func() {
		values := map[string]string{}
		for i, f := range pg.Fields {
			values[f.Name] = fields[i].Value()
		}
		answer, wrong := pg.Filled(values)
		first := fyne.Focusable(nil)
		for i, f := range pg.Fields {
			fields[i].Wrong(wrong[f.Name])
			if wrong[f.Name] != "" && first == nil {
				first = fields[i].Focusable()
			}
		}
		if wrong == nil {
			act.Answer(answer)
			return
		}
		focus(first)
	}
	chain(fields, submit)
	column.Add(kit.Card(14, objects...))
	return &Screen{Object: column, Dock: foot(pg, act, kit.NewButton(kit.Primary, pg.Go, submit)), First: focusOf(fields)}
}

// chain lets Enter go from field to field and submit in the last.
func chain(fields []*kit.TextField, submit func()) {
	for i, f := range fields {
		if i+1 < len(fields) {
			next := fields[i+1].Focusable()
			f.OnSubmitted(func() { focus(next) })
		} else {
			f.OnSubmitted(submit)
		}
	}
}

// focus moves the focus to a widget on its own canvas.
func focus(f fyne.Focusable) {
	o, ok := f.(fyne.CanvasObject)
	if !ok {
		return
	}
	if c := fyne.CurrentApp().Driver().CanvasForObject(o); c != nil {
		c.Focus(f)
	}
}

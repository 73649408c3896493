package view

import "claviger/ui/flow"

// onlyAsked hides what is not asked for as the other fields are answered, now and
// with each change of one on which others depend; changed draws the page anew.
func onlyAsked(fields []flow.Field, inputs []input, changed func()) {
	draw := func() {
		answers := values(fields, inputs)
		for i, f := range fields {
			if f.Asked(answers) {
				inputs[i].object().Show()
			} else {
				inputs[i].object().Hide()
			}
		}
	}
	for i, f := range fields {
		if p, ok := inputs[i].(*pick); ok && dependedOn(fields, f.Name) {
			p.choice.OnChanged = func(int) { draw(); changed() }
		}
	}
	draw()
}

func dependedOn(fields []flow.Field, name string) bool {
	for _, f := range fields {
		if f.When == name {
			return true
		}
	}
	return false
}

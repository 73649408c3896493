package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// AskActions are what a form outside of ceremonies may do.
type AskActions struct {
	// Submit takes what was typed; wrong is called with what does not hold.
	Submit func(values map[string]string, wrong func(flow.Wrong))
	Back   func()
	// Print writes the script that the form is about; nil where there is none.
	Print func()
}

// Ask is a form outside of ceremonies. Enter goes from field to field, and from the
// last to the button without pressing it.
func Ask(a flow.Ask, act AskActions) *Screen {
	head := kit.Kicker(a.Kicker)
	kind := kit.Primary
	if a.Grave {
		head, kind = kit.GraveKicker(a.Kicker), kit.Danger
	}
	column := kit.Column(16, kit.Column(4, head, kit.Title(a.Title)))
	if a.Trouble != nil {
		column.Add(trouble(a.Trouble))
	}
	column.Add(kit.Body(a.Text))
	for _, h := range a.Hashes {
		column.Add(kit.AtMost(56, kit.Card(12, kit.Kicker(h.Label), kit.HashBlock(h.Hex, h.Words))))
	}
	s := &Screen{}
	fields := newInputs(a.Fields)
	onlyAsked(a.Fields, fields, s.relaid)
	var objects []fyne.CanvasObject
	for _, f := range fields {
		objects = append(objects, f.object())
	}
	column.Add(kit.AtMost(56, kit.Card(14, objects...)))
	said, say := s.message(fyne.TextAlignLeading)
	goOn := kit.NewButton(kind, a.Verb, nil)
	goOn.OnAct = func() {
		act.Submit(values(a.Fields, fields), func(wrong flow.Wrong) {
			first := mark(a.Fields, fields, wrong)
			say(wrong[""], kit.Bad)
			s.relaid()
			if first != nil {
				focus(first)
			}
		})
	}
	chain(fields, func() { focus(goOn) })
	buttons := []*kit.Button{goOn}
	if act.Print != nil {
		buttons = append(buttons, kit.NewButton(kit.Secondary, textPrintScript, act.Print))
	}
	buttons = append(buttons, kit.NewButton(kit.Secondary, textBack, act.Back))
	s.Object, s.Dock = column, kit.Column(10, said, kit.Actions(buttons...))
	if len(fields) > 0 {
		s.First = fields[0].Focusable()
	}
	return s
}

package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// form takes typed answers. Enter goes to the next field, and on from the last.
func form(pg flow.Page, act Actions) *Screen {
	s := &Screen{}
	column := top(pg)
	fields := newInputs(pg.Fields)
	var objects []fyne.CanvasObject
	for _, f := range fields {
		objects = append(objects, f.object())
	}
	submit := func() {
		answer, wrong := pg.Filled(values(pg.Fields, fields))
		first := mark(pg.Fields, fields, wrong)
		if wrong == nil {
			act.Answer(answer)
			return
		}
		s.relaid()
		focus(first)
	}
	chain(fields, submit)
	column.Add(kit.Card(14, objects...))
	s.Object, s.Dock = column, foot(pg, act, kit.NewButton(kit.Primary, pg.Go, submit))
	// Why the answer before was refused stands at the only field, too: the page may
	// be so long that its beginning is out of sight.
	if len(fields) == 1 && pg.Trouble != nil {
		fields[0].Wrong(pg.Trouble.Happened)
	}
	s.First = firstOf(pg.Fields, fields, pg.Trouble != nil)
	return s
}

// firstOf is where typing begins; after a refusal, at what is still missing.
func firstOf(fields []flow.Field, inputs []input, refused bool) fyne.Focusable {
	for i, f := range fields {
		if !refused || f.Value == "" && !f.Optional {
			return inputs[i].Focusable()
		}
	}
	if len(inputs) > 0 {
		return inputs[0].Focusable()
	}
	return nil
}

func newInputs(fields []flow.Field) []input {
	out := make([]input, len(fields))
	for i, f := range fields {
		if f.Optional && f.Value == "" {
			f.Label += textIfAny
		}
		if len(f.Of) > 0 {
			out[i] = newPick(f)
			continue
		}
		text := kit.NewTextField(f.Label, f.Hint, f.Max)
		text.SetValue(f.Value)
		if f.Scanned {
			text.Scanned()
		}
		out[i] = typed{text}
	}
	return out
}

func values(fields []flow.Field, inputs []input) map[string]string {
	out := map[string]string{}
	for i, f := range fields {
		out[f.Name] = inputs[i].Value()
	}
	return out
}

// mark says at each field what is wrong with it, and gives the first such field.
func mark(fields []flow.Field, inputs []input, wrong flow.Wrong) (first fyne.Focusable) {
	for i, f := range fields {
		inputs[i].Wrong(wrong[f.Name])
		if wrong[f.Name] != "" && first == nil {
			first = inputs[i].Focusable()
		}
	}
	return first
}

// input is one field of a form.
type input interface {
	object() fyne.CanvasObject
	Value() string
	Wrong(why string)
	Focusable() fyne.Focusable
	OnSubmitted(func())
	changed(func())
}

// typed is a field with free text.
type typed struct{ *kit.TextField }

func (t typed) object() fyne.CanvasObject { return t.Object }
func (t typed) changed(do func())         { t.OnChanged(func(string) { do() }) }

// pick is a field with few answers.
type pick struct {
	of     []flow.Choice
	choice *kit.Choice
	whole  fyne.CanvasObject
	say    func(string, kit.Tone)
}

func choiceOf(answers []flow.Choice) *kit.Choice {
	items := make([]kit.ChoiceItem, len(answers))
	for i, a := range answers {
		items[i] = kit.ChoiceItem{Label: a.Label, Help: a.Help}
	}
	return kit.NewChoice(items...)
}

func newPick(f flow.Field) *pick {
	p := &pick{of: f.Of, choice: choiceOf(f.Of)}
	for i, c := range f.Of {
		if c.ID == f.Value {
			p.choice.Choose(i)
		}
	}
	var said *kit.Text
	said, p.say = message(fyne.TextAlignLeading)
	p.whole = kit.Column(6, above(f.Label), p.choice, said)
	if f.Hint != "" {
		p.whole = kit.Column(6, above(f.Label), p.choice, kit.NewText(f.Hint, kit.Style{Size: theme.Small, Ink: theme.Muted, Wrap: true}), said)
	}
	return p
}

// above is what stands over a field.
func above(label string) fyne.CanvasObject {
	return kit.NewText(label, kit.Style{Size: theme.Small, Weight: kit.SemiBold, Ink: theme.Soft, Wrap: true})
}

func (p *pick) object() fyne.CanvasObject { return p.whole }

func (p *pick) Value() string {
	if i := p.choice.Chosen(); i >= 0 {
		return p.of[i].ID
	}
	return ""
}

func (p *pick) Wrong(why string)          { p.say(why, kit.Bad) }
func (p *pick) Focusable() fyne.Focusable { return p.choice }
func (p *pick) OnSubmitted(do func())     { p.choice.OnSubmitted = do }
func (p *pick) changed(do func())         { p.choice.OnChanged = func(int) { do() } }

// chain lets Enter go from field to field, past those that are not asked for, and
// submit in the last.
func chain(fields []input, submit func()) {
	for i, f := range fields {
		f.OnSubmitted(func() {
			for _, next := range fields[i+1:] {
				if next.object().Visible() {
					focus(next.Focusable())
					return
				}
			}
			submit()
		})
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
		kit.InSight(f)
	}
}

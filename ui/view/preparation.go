package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// PreparationActions are what the page before a ceremony may do.
type PreparationActions struct {
	// Check judges what is typed and gives how the preparation stands.
	Check func(values map[string]string, stands func(flow.Prepared))
	// Begin starts the ceremony, or gives what is wrong.
	Begin func(values map[string]string, stands func(flow.Prepared))
	Print func()
	Look  func() // at the token again
	Back  func()
}

// Preparation is the page before a ceremony. What is typed is judged at once.
func Preparation(p flow.Preparation, act PreparationActions) *Screen {
	s := &Screen{}
	column := kit.Column(16, kit.Column(4, kit.Kicker(textBeforeCeremony), kit.Title(p.Title)))
	if p.Aloud != "" {
		column.Add(kit.ReadAloud(p.Aloud, false))
	}
	if p.Trouble != nil {
		column.Add(trouble(p.Trouble))
	}
	fields := newInputs(p.Fields)
	var asked []fyne.CanvasObject
	for i, f := range p.Fields {
		if len(f.Of) == 1 {
			asked = append(asked, kit.FactTable([]kit.FactRow{{Label: f.Label, Value: f.Of[0].Label, Strong: true}}))
			continue
		}
		asked = append(asked, fields[i].object())
	}
	if len(asked) > 0 {
		column.Add(kit.Card(14, append([]fyne.CanvasObject{kit.CardHead(textAsked, nil)}, asked...)...))
	}
	if card := factCard(textOrdered, "", p.Order, nil); card != nil {
		column.Add(card)
	}
	checks := kit.Column(12)
	column.Add(kit.Card(12, kit.CardHead(textEverythingReady, nil), checks, kit.Actions(kit.NewButton(kit.Secondary, textLookTokenAgain, act.Look))))
	column.Add(factCard(textWhoTakesPart, "", p.People, nil))
	if len(p.Materials) > 0 {
		lies := []fyne.CanvasObject{kit.CardHead(textLiesRoom, nil)}
		for _, m := range p.Materials {
			lies = append(lies, kit.MarkRow(kit.Info, m))
		}
		column.Add(kit.Card(8, lies...))
	}
	times := kit.Column(0)
	column.Add(kit.Card(12, kit.CardHead(textHowLongTakes, nil), times))
	column.Add(factCard(textScriptFollowed, "", nil, []flow.Hash{p.Script}))

	said, say := s.message(fyne.TextAlignLeading)
	start := kit.NewButton(kit.Primary, textStartTheCeremony, nil)
	stands := func(c flow.Prepared) {
		mark(p.Fields, fields, c.Wrong)
		say(c.Wrong[""], kit.Bad)
		if len(c.Wrong) == 0 {
			rows := make([]kit.CheckRow, len(c.Checks))
			for i, ch := range c.Checks {
				rows[i] = kit.CheckRow{Text: ch.Text, Met: ch.Met, Below: ch.Because}
			}
			checks.Objects = []fyne.CanvasObject{kit.CheckList(rows)}
			times.Objects = []fyne.CanvasObject{factTable(c.Plan)}
		}
		if start.Enable(); !c.Ready() {
			start.Disable(textCorrectMarkedFirst)
		}
		s.relaid()
	}
	typed := func() map[string]string { return values(p.Fields, fields) }
	for _, f := range fields {
		f.changed(func() { act.Check(typed(), stands) })
	}
	start.OnAct = func() { act.Begin(typed(), stands) }
	chain(fields, func() { focus(start) })
	act.Check(typed(), stands)
	s.Object, s.First = column, start
	s.Dock = kit.Column(10, said, kit.Actions(start, kit.NewButton(kit.Secondary, textPrintScript, act.Print), kit.NewButton(kit.Secondary, textBack, act.Back)))
	return s
}

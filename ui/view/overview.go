package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// Home are the actions of the first page.
type Home struct {
	Start  func(flow.Start)
	Resume func()
	Open   func(flow.Ref) // a place, or a thing in it
	TakeIn func()
}

// Overview is the first page: the keys, the ceremonies, what can be started,
// and how far the record can be trusted.
func Overview(o flow.Overview, home Home) *Screen {
	s := &Screen{}
	left := kit.Column(16, kit.Title(o.Greeting))
	if len(o.Due) > 0 && o.ReadOnly == nil {
		left.Add(dueList(o.Due, home))
	}
	if len(o.Keys) > 0 {
		left.Add(keyTable(o.Keys, home))
		if o.AllKeys != "" {
			left.Add(kit.Actions(kit.NewButton(kit.Link, o.AllKeys, func() { home.Open(flow.Ref{Place: flow.InKeys}) })))
		}
	} else if o.NoKeys != "" {
		left.Add(kit.Card(6, kit.Heading("No key yet"), kit.Soft(o.NoKeys)))
	}
	left.Add(kit.Heading("Recent ceremonies"))
	if len(o.Ceremonies) > 0 {
		left.Add(ceremonyList(s, o.Ceremonies, home))
		if o.All != "" {
			left.Add(kit.Actions(kit.NewButton(kit.Link, o.All, func() { home.Open(flow.Ref{Place: flow.InCeremonies}) })))
		}
	} else {
		left.Add(kit.Card(6, kit.Soft(o.NoneHeld)))
	}
	right := kit.Column(16, kit.Heading("Start a ceremony"), startList(s, o, home), trustBox(o, home))
	if o.ReadOnly != nil {
		right = kit.Column(16, kit.Heading("Read-only"), trouble(o.ReadOnly), trustBox(o, home))
	}
	s.Object = kit.Sides(2, 1, 24, 60, left, right)
	return s
}

func keyTable(keys []flow.Row, home Home) fyne.CanvasObject {
	rows := make([][]fyne.CanvasObject, len(keys))
	for i, k := range keys {
		rows[i] = append(cells(k), kit.NewButton(kit.Link, "See", func() { home.Open(flow.Ref{Place: flow.InKeys, ID: k.ID}) }))
	}
	return kit.Table([]kit.TableColumn{{Head: "Key", Share: 3.3}, {Head: "Purpose", Share: 1.7}, {Head: "Owner", Share: 1.6}, {Head: "State", Share: 2.1}, {Head: "Lifetime", Share: 2}, {Head: "", Share: 0.6}}, rows)
}

// dueList is what asks for a decision, with the way to it.
func dueList(due []flow.Due, home Home) fyne.CanvasObject {
	var lines []fyne.CanvasObject
	for _, d := range due {
		line := kit.Row(12, kit.Grow(kit.MarkRow(kit.Tone(d.Tone), d.Text)))
		if d.Ref.Place != "" {
			line.Add(kit.NewButton(kit.Link, d.Ref.Label, func() { home.Open(d.Ref) }))
		}
		lines = append(lines, line)
	}
	return kit.CardList(lines...)
}

func ceremonyList(s *Screen, rows []flow.CeremonyRow, home Home) fyne.CanvasObject {
	var lines []fyne.CanvasObject
	for _, c := range rows {
		line := kit.Row(12,
			kit.StateChip(kit.Tone(c.Tone), c.State),
			kit.Grow(kit.Column(1, kit.NewText(c.Number+" "+c.Title, kit.Style{Weight: kit.SemiBold, Wrap: true}),
				kit.NewText(c.About, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))))
		switch {
		case c.Open:
			resume := kit.NewButton(kit.Primary, "Resume", home.Resume)
			line.Add(resume)
			s.First = resume
		case c.Report != "":
			line.Add(kit.NewButton(kit.Link, "Evidence", func() { home.Open(flow.Ref{Place: flow.InEvidence, ID: c.Number}) }))
		default:
			line.Add(kit.NewButton(kit.Link, "See", func() { home.Open(flow.Ref{Place: flow.InCeremonies, ID: c.Number}) }))
		}
		lines = append(lines, line)
	}
	return kit.CardList(lines...)
}

func startList(s *Screen, o flow.Overview, home Home) fyne.CanvasObject {
	var lines []fyne.CanvasObject
	for _, st := range o.Starts {
		start := kit.NewButton(kit.Secondary, "Start", func() { home.Start(st) })
		if o.Resume != "" {
			start.Disable("Finish ceremony " + o.Resume + " first")
		}
		if s.First == nil {
			s.First = start
		}
		lines = append(lines, kit.Row(12,
			kit.Grow(kit.Column(1, kit.NewText(st.Title, kit.Style{Weight: kit.SemiBold, Wrap: true}),
				kit.NewText(st.Needs, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))), start))
	}
	if o.Resume != "" {
		lines = append(lines, kit.NewText("Finish ceremony "+o.Resume+" first: one ceremony is open at a time.", kit.Style{Size: theme.Small, Ink: theme.Amber, Wrap: true}))
	}
	return kit.CardList(lines...)
}

func trustBox(o flow.Overview, home Home) fyne.CanvasObject {
	column := kit.Column(8, kit.Kicker("Trust in this record"))
	for _, r := range o.Trust {
		column.Add(kit.MarkRow(kit.Tone(r.Tone), r.Text))
	}
	if o.ReadOnly == nil {
		column.Add(kit.Actions(kit.NewButton(kit.Secondary, "Take in a carried checkpoint", home.TakeIn)))
	}
	return kit.Card(0, column)
}

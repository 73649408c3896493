package view

import (
	"fmt"

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

// Overview is the first page: what waits, the keys, the ceremonies, what can be
// started, and how far the record can be trusted.
func Overview(o flow.Overview, home Home) *Screen {
	s := &Screen{}
	left := kit.Column(14, kit.Title(o.Greeting))
	if len(o.Due) > 0 && o.ReadOnly == nil {
		left.Add(dueList(s, o, home))
	}
	if len(o.Keys) > 0 {
		left.Add(keyTable(o.Keys, home))
		if o.AllKeys != "" {
			left.Add(kit.Actions(kit.NewButton(kit.Link, o.AllKeys, func() { home.Open(flow.Ref{Place: flow.InKeys}) })))
		}
	} else if o.NoKeys != "" {
		left.Add(noKeys(s, o, home))
	}
	left.Add(kit.Heading(textRecentCeremonies))
	if len(o.Ceremonies) > 0 {
		left.Add(ceremonyList(o.Ceremonies, home))
		if o.All != "" {
			left.Add(kit.Actions(kit.NewButton(kit.Link, o.All, func() { home.Open(flow.Ref{Place: flow.InCeremonies}) })))
		}
	} else {
		left.Add(kit.Card(6, kit.Soft(o.NoneHeld)))
	}
	right := kit.Column(14, kit.Heading(textStartCeremony), startList(s, o, home), trustBox(o, home))
	if o.ReadOnly != nil {
		right = kit.Column(14, kit.Heading(textReadOnly), trouble(o.ReadOnly), trustBox(o, home))
	}
	s.Object = kit.Sides(2, 1, 24, 60, left, right)
	return s
}

// noKeys says what to do first, and does it.
func noKeys(s *Screen, o flow.Overview, home Home) fyne.CanvasObject {
	parts := []fyne.CanvasObject{kit.Heading(o.NoKeysTitle), kit.Soft(o.NoKeys)}
	if len(o.Starts) > 0 && o.Resume == "" {
		first := kit.NewButton(kit.Primary, o.Starts[0].Title, func() { home.Start(o.Starts[0]) })
		s.First = first
		parts = append(parts, kit.Inset(0, 6, kit.Actions(first)))
	}
	return kit.Card(6, parts...)
}

func keyTable(keys []flow.Row, home Home) fyne.CanvasObject {
	rows := make([][]fyne.CanvasObject, len(keys))
	for i, k := range keys {
		rows[i] = append(cells(k), kit.NewButton(kit.Link, textSee, func() { home.Open(flow.Ref{Place: flow.InKeys, ID: k.ID}) }))
	}
	return kit.Table([]kit.TableColumn{{Head: textKey, Share: 3.3}, {Head: textPurpose, Share: 1.7}, {Head: textOwner, Share: 1.6}, {Head: textState, Share: 2.1}, {Head: textLifetime, Share: 2}, {Head: "", Share: 0.6}}, rows)
}

// dueList is what asks for a decision, with the way to it. The ceremony that is open
// is the first of it, and goes on from here.
func dueList(s *Screen, o flow.Overview, home Home) fyne.CanvasObject {
	var lines []fyne.CanvasObject
	var see *kit.Button // of the first thing that is unfolded
	for i, d := range o.Due {
		line := kit.Row(12, kit.Grow(kit.MarkRow(kit.Tone(d.Tone), d.Text)))
		switch {
		case s.First == nil && o.Resume != "" && d.Ref.Place == flow.InCeremonies && d.Ref.ID == o.Resume:
			resume := kit.NewButton(kit.Primary, textResume, home.Resume)
			s.First = resume
			line.Add(resume)
		case d.Ref.Place != "":
			link := kit.NewButton(kit.Link, d.Ref.Label, func() { home.Open(d.Ref) })
			if i >= dueShown && see == nil {
				see = link
			}
			line.Add(link)
		}
		lines = append(lines, line)
	}
	if len(lines) <= dueShown+1 {
		return kit.TightList(lines...)
	}
	more := kit.Column(0, kit.TightList(lines[dueShown:]...))
	more.Hide()
	var rest *kit.Button
	rest = kit.NewButton(kit.Link, fmt.Sprintf(textThingsMore, len(lines)-dueShown), func() {
		rest.Hide()
		more.Show()
		s.relaid()
		if see != nil {
			focus(see)
		}
	})
	return kit.Column(6, kit.TightList(lines[:dueShown]...), kit.Row(0, rest), more)
}

// dueShown is as many as leave the first keys in sight; the others are one key away.
const dueShown = 6

func ceremonyList(rows []flow.CeremonyRow, home Home) fyne.CanvasObject {
	var lines []fyne.CanvasObject
	for _, c := range rows {
		line := kit.Row(12,
			kit.StateChip(kit.Tone(c.Tone), c.State),
			kit.Grow(kit.Column(1, kit.NewText(c.Number+" "+c.Title, kit.Style{Weight: kit.SemiBold, Wrap: true}),
				kit.NewText(c.About, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))))
		label, ref := textSee, flow.Ref{Place: flow.InCeremonies, ID: c.Number}
		if c.Report != "" {
			label, ref.Place = textEvidence, flow.InEvidence
		}
		line.Add(kit.NewButton(kit.Link, label, func() { home.Open(ref) }))
		lines = append(lines, line)
	}
	return kit.CardList(lines...)
}

// startsShown is as many as leave the trust in the record in sight on the smallest
// screen; the others are one key away.
const startsShown = 5

func startList(s *Screen, o flow.Overview, home Home) fyne.CanvasObject {
	if o.Resume != "" {
		return kit.CardList(kit.NewText(fmt.Sprintf(textFinishCeremonyFirstOneCeremony, o.Resume), kit.Style{Ink: theme.Amber, Wrap: true}))
	}
	rows := make([]fyne.CanvasObject, len(o.Starts))
	for i, st := range o.Starts {
		mark, tone := startMark(st.Name)
		row := kit.NewActRow(mark, tone, st.Title, st.Needs, func() { home.Start(st) })
		if s.First == nil {
			s.First = row
		}
		rows[i] = row
	}
	if len(rows) <= startsShown+1 {
		return kit.ActList(rows...)
	}
	more := kit.Column(0, kit.ActList(rows[startsShown:]...))
	more.Hide()
	var rest *kit.Button
	rest = kit.NewButton(kit.Link, fmt.Sprintf(textNMore, len(rows)-startsShown), func() {
		rest.Hide()
		more.Show()
		s.relaid()
		focus(rows[startsShown].(*kit.ActRow))
	})
	return kit.Column(6, kit.ActList(rows[:startsShown]...), kit.Row(0, rest), more)
}

// startMark is the sign of a shipped script; any other has that of a ceremony.
func startMark(name string) (string, kit.Tone) {
	type mark struct {
		sign string
		tone kit.Tone
	}
	m, ok := map[string]mark{
		"key-generation": {"+", kit.Waiting}, "key-destruction": {"×", kit.Bad}, "key-backup": {"↓", kit.Neutral}, "key-restore": {"↑", kit.Neutral},
		"recovery-drill": {"↻", kit.Info}, "change-custodians": {"⇆", kit.Neutral}, "share-check": {"✓", kit.Good}, "custody": {"◊", kit.Neutral},
		"enrol": {"↪", kit.Neutral}, "retire": {"↩", kit.Neutral},
	}[name]
	if !ok {
		return "→", kit.Neutral
	}
	return m.sign, m.tone
}

func trustBox(o flow.Overview, home Home) fyne.CanvasObject {
	column := kit.Column(7, kit.Kicker(textTrustRecord))
	for _, r := range o.Trust {
		column.Add(kit.SmallMarkRow(kit.Tone(r.Tone), r.Text))
	}
	if o.ReadOnly == nil {
		column.Add(kit.Row(0, kit.NewButton(kit.Link, textTakeCarriedCheckpoint, home.TakeIn)))
	}
	return kit.CardList(column)
}

package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// DetailActions are what the page about one thing may do.
type DetailActions struct {
	Back   func()
	Open   func(flow.Ref)
	Act    func(flow.Act)
	Record func(seq int64)
	Trace  func() // every record that names it
}

// Detail is the page about one thing.
func Detail(d flow.Detail, act DetailActions) *Screen {
	back := kit.NewButton(kit.Secondary, textBack, act.Back)
	head := kit.Column(8, kit.Kicker(d.Kicker), kit.Row(14, kit.Grow(kit.Title(d.Title)), kit.StateChip(kit.Tone(d.Tone), d.State)))
	if d.State == "" {
		head = kit.Column(8, kit.Kicker(d.Kicker), kit.Title(d.Title))
	}
	if d.Text != "" {
		head.Add(kit.Body(d.Text))
	}
	column := kit.Column(16, head, kit.Actions(append([]*kit.Button{back}, actButtons(d.Acts, kit.Secondary, act.Act)...)...))
	if d.Trouble != nil {
		column.Add(trouble(d.Trouble))
	}
	if d.Note != "" {
		column.Add(kit.MarkRow(kit.Good, d.Note))
	}
	if len(d.Refs) > 0 {
		line := kit.Flow(18)
		for _, r := range d.Refs {
			line.Add(kit.NewButton(kit.Link, r.Label, func() { act.Open(r) }))
		}
		column.Add(line)
	}
	for _, g := range d.Groups {
		if card := factCard(g.Title, "", g.Facts, g.Hashes); card != nil {
			column.Add(card)
		}
	}
	if len(d.History) > 0 {
		column.Add(kit.Heading(textEveryRecordNames))
		column.Add(history(d, act))
	}
	return &Screen{Object: column, First: back}
}

func history(d flow.Detail, act DetailActions) fyne.CanvasObject {
	var lines []fyne.CanvasObject
	for _, r := range d.History {
		lines = append(lines, kit.Row(12,
			kit.Grow(kit.Column(1, kit.NewText(r.Kind, kit.Style{Weight: kit.SemiBold, Wrap: true}),
				kit.NewText(r.Time+" · "+r.About, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))),
			kit.NewButton(kit.Link, fmt.Sprintf(textRecord, r.Seq), func() { act.Record(r.Seq) })))
	}
	if d.More > 0 {
		lines = append(lines, kit.Row(12, kit.Grow(kit.Soft(fmt.Sprintf(textMore, d.More))), kit.NewButton(kit.Link, textSeeAllLedger, act.Trace)))
	}
	return kit.CardList(lines...)
}

package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// head is the kicker and the title.
func head(pg flow.Page) fyne.CanvasObject {
	column := kit.Column(4)
	if pg.Kicker != "" {
		if pg.Grave {
			column.Add(kit.GraveKicker(pg.Kicker))
		} else {
			column.Add(kit.Kicker(pg.Kicker))
		}
	}
	column.Add(kit.Title(pg.Title))
	return column
}

// top is what every public page begins with: what is said, what went wrong,
// what to do, what is known.
func top(pg flow.Page) *fyne.Container {
	column := kit.Column(16, head(pg))
	switch {
	case pg.Aloud != "" && pg.Heard:
		column.Add(kit.NewText(fmt.Sprintf(textSaidAlready, pg.Aloud), kit.Style{Ink: theme.Soft, Wrap: true}))
	case pg.Aloud != "":
		column.Add(kit.ReadAloud(pg.Aloud, pg.Grave))
	}
	if pg.Trouble != nil {
		column.Add(trouble(pg.Trouble))
	}
	if pg.Text != "" {
		column.Add(kit.Body(pg.Text))
	}
	if card := factCard(pg.CardTitle, pg.Chip, pg.Facts, pg.Hashes); card != nil {
		column.Add(card)
	}
	if len(pg.Checks) > 0 {
		rows := make([]kit.CheckRow, len(pg.Checks))
		for i, c := range pg.Checks {
			rows[i] = kit.CheckRow{Text: c.Text, Met: c.Met, Below: c.Because}
		}
		column.Add(kit.Card(12, kit.CheckList(rows)))
	}
	return column
}

func trouble(t *flow.Trouble) fyne.CanvasObject {
	return kit.ErrorPanel(kit.Trouble{Happened: t.Happened, Safe: t.Safe, Do: t.Do, Code: t.Code})
}

func factCard(title, chip string, facts []flow.Fact, hashes []flow.Hash) fyne.CanvasObject {
	if len(facts) == 0 && len(hashes) == 0 {
		return nil
	}
	var parts []fyne.CanvasObject
	if title != "" || chip != "" {
		var mark fyne.CanvasObject
		if chip != "" {
			mark = kit.StateChip(kit.Good, "✓ "+chip)
		}
		parts = append(parts, kit.CardHead(title, mark))
	}
	if len(facts) > 0 {
		parts = append(parts, factTable(facts))
	}
	for _, h := range hashes {
		parts = append(parts, kit.Kicker(h.Label), kit.HashBlock(h.Hex, h.Words))
	}
	return kit.Card(12, parts...)
}

func factTable(facts []flow.Fact) fyne.CanvasObject {
	rows := make([]kit.FactRow, len(facts))
	for i, f := range facts {
		rows[i] = kit.FactRow{Label: f.Label, Value: f.Value, Mono: f.Mono, Strong: f.Strong, Tone: kit.Tone(f.Tone)}
	}
	return kit.FactTable(rows)
}

// foot is the line of buttons, and at its right whom the room waits for.
func foot(pg flow.Page, act Actions, buttons ...*kit.Button) fyne.CanvasObject {
	if act.Deviate != nil {
		buttons = append(buttons, kit.NewButton(kit.Secondary, textNoteDeviation, act.Deviate))
	}
	buttons = append(buttons, some(backButton(act))...)
	if pg.Waiting == "" {
		return kit.Actions(buttons...)
	}
	return kit.NotedActions(pg.Waiting, buttons...)
}

// practiceButton fills the private entry without showing it.
func practiceButton(pg flow.Page, act Actions, fill func(*secret.Buffer), say func(string, kit.Tone)) *kit.Button {
	if pg.Practice == "" || act.Practice == nil {
		return nil
	}
	return kit.NewButton(kit.Secondary, pg.Practice, func() {
		act.Practice(fill, func(why string) { say(why, kit.Bad) })
	})
}

// backButton leaves what belongs to no ceremony.
func backButton(act Actions) *kit.Button {
	if act.Back == nil {
		return nil
	}
	return kit.NewButton(kit.Secondary, textBackOverview, act.Back)
}

// some leaves out the buttons that are not there.
func some(buttons ...*kit.Button) []*kit.Button {
	var there []*kit.Button
	for _, b := range buttons {
		if b != nil {
			there = append(there, b)
		}
	}
	return there
}

// message is a line that says how an entry stands.
func message(align fyne.TextAlign) (*kit.Text, func(string, kit.Tone)) {
	text := kit.NewText("", kit.Style{Wrap: true, Align: align})
	text.Hide()
	return text, func(say string, tone kit.Tone) {
		text.SetInk(kit.InkOf(tone))
		text.Set(say)
		if say == "" {
			text.Hide()
		} else {
			text.Show()
		}
	}
}

// message is the same in the screen's dock, which makes room for it.
func (s *Screen) message(align fyne.TextAlign) (*kit.Text, func(string, kit.Tone)) {
	text, tell := message(align)
	return text, func(say string, tone kit.Tone) {
		tell(say, tone)
		s.relaid()
	}
}

// centred is the head of a private page.
func centred(pg flow.Page) *fyne.Container {
	column := kit.Column(8)
	if pg.Kicker != "" {
		column.Add(kit.CentredKicker(pg.Kicker))
	}
	column.Add(kit.NewText(pg.Title, kit.Style{Size: theme.Hero, Weight: kit.SemiBold, Wrap: true, Align: fyne.TextAlignCenter}))
	if pg.Text != "" {
		column.Add(kit.NewText(pg.Text, kit.Style{Size: theme.Heading, Ink: theme.Soft, Wrap: true, Align: fyne.TextAlignCenter}))
	}
	if pg.Trouble != nil {
		column.Add(kit.Inset(0, 8, trouble(pg.Trouble)))
	}
	return column
}

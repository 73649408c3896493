package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// HandOver is the card before a private entry. Who is named comes to the
// keyboard and presses the key; only then is there a field.
func HandOver(h flow.HandOver, come func(), act Actions) *Screen {
	here := kit.NewButton(kit.Primary, h.Go, come)
	buttons := []*kit.Button{here}
	if act.Deviate != nil {
		buttons = append(buttons, kit.NewButton(kit.Secondary, textNoteDeviation, act.Deviate))
	}
	buttons = append(buttons, some(backButton(act))...)
	column := kit.Column(10)
	if h.Kicker != "" {
		column.Add(kit.CentredKicker(h.Kicker))
	}
	column.Add(kit.NewText(h.Title, kit.Style{Size: theme.Hero, Weight: kit.SemiBold, Wrap: true, Align: fyne.TextAlignCenter}))
	column.Add(kit.Inset(0, 14, kit.NewText(h.Text, kit.Style{Size: theme.Speech, Ink: theme.Soft, Wrap: true, Align: fyne.TextAlignCenter, Leading: 0.12})))
	return &Screen{Object: column, Dock: kit.CentredActions(buttons...), First: here}
}

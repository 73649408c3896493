package view

import (
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// Settings changes how the window looks; a change is seen at once.
func Settings(now *theme.Theme, apply func(*theme.Theme), about []flow.Group) *Screen {
	scales := []float32{1, 1.25, 1.5, 2}
	var looks []kit.ChoiceItem
	for _, a := range theme.Appearances {
		looks = append(looks, kit.ChoiceItem{Label: a.Name, Help: a.Help})
	}
	look := kit.NewChoice(looks...)
	size := kit.NewChoice(kit.ChoiceItem{Label: "Text at 100 %"}, kit.ChoiceItem{Label: "Text at 125 %"}, kit.ChoiceItem{Label: "Text at 150 %"}, kit.ChoiceItem{Label: "Text at 200 %", Help: "The panels give their room to the page."})
	look.Choose(int(now.Appearance))
	for i, s := range scales {
		if s == now.Scale {
			size.Choose(i)
		}
	}
	look.OnChanged = func(i int) { now = theme.New(theme.Appearance(i), now.Scale); apply(now) }
	size.OnChanged = func(i int) { now = theme.New(now.Appearance, scales[i]); apply(now) }
	column := kit.Column(16, kit.Title("Settings"), kit.Heading("Appearance"), kit.AtMost(560, look), kit.Heading("Text size"), kit.AtMost(560, size))
	for _, g := range about {
		column.Add(factCard(g.Title, "", g.Facts, g.Hashes))
	}
	return &Screen{First: look, Object: column}
}

package view

import (
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// SettingsActions are what the page may do beside changing how the window looks.
type SettingsActions struct {
	Witness func() // opens the witness window, or closes it
	Modules func() // looks for modules and tokens
}

// Settings changes how the window looks; a change is seen at once.
func Settings(now *theme.Theme, apply func(*theme.Theme), about []flow.Group, act SettingsActions) *Screen {
	scales := []float32{1, 1.25, 1.5, 1.75, 2}
	var looks []kit.ChoiceItem
	for _, a := range theme.Appearances {
		looks = append(looks, kit.ChoiceItem{Label: a.Name, Help: a.Help})
	}
	look := kit.NewChoice(looks...)
	size := kit.NewChoice(kit.ChoiceItem{Label: textText100}, kit.ChoiceItem{Label: textText125}, kit.ChoiceItem{Label: textText150}, kit.ChoiceItem{Label: textText175}, kit.ChoiceItem{Label: textText200, Help: textPanelsGiveTheirRoomPage})
	look.Choose(int(now.Appearance))
	for i, s := range scales {
		if s == now.Scale {
			size.Choose(i)
		}
	}
	look.OnChanged = func(i int) { now = theme.New(theme.Appearance(i), now.Scale); apply(now) }
	size.OnChanged = func(i int) { now = theme.New(now.Appearance, scales[i]); apply(now) }
	column := kit.Column(16, kit.Title(textSettings),
		kit.Sides(1, 1, 24, 60, kit.Column(10, kit.Heading(textAppearance), look), kit.Column(10, kit.Heading(textTextSize), size)),
		kit.Card(8, kit.Heading(textWitnessScreen), kit.Soft(textSecondWindowProjectorReadAloud),
			kit.Actions(kit.NewButton(kit.Secondary, textOpenCloseWitnessWindow, act.Witness))),
		kit.Card(8, kit.Heading(textModulesTokens), kit.Soft(textWorkstationInstalledReachHSMTokens),
			kit.Actions(kit.NewButton(kit.Secondary, textLookModulesTokens, act.Modules))))
	for _, g := range about {
		column.Add(factCard(g.Title, "", g.Facts, g.Hashes))
	}
	return &Screen{First: look, Object: column}
}

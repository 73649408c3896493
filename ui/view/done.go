package view

import (
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// Done is the last page of a run.
func Done(d flow.DonePage, back func()) *Screen {
	column := kit.Column(16, kit.Column(10, kit.Title(d.Title), kit.ChipCell(kit.Tone(d.Tone), d.State)))
	if d.Trouble != nil {
		column.Add(trouble(d.Trouble))
	}
	if d.Text != "" {
		column.Add(kit.Body(d.Text))
	}
	if card := factCard("", "", nil, d.Heads); card != nil {
		column.Add(card)
	}
	if card := factCard(textEvidence, "", d.Facts, nil); card != nil {
		column.Add(card)
	}
	if d.Verify != "" {
		column.Add(kit.Card(8, kit.Kicker(textCheck), kit.NewText(d.Verify, kit.Style{Weight: kit.Mono, Wrap: true})))
	}
	home := kit.NewButton(kit.Primary, textBackOverview, back)
	return &Screen{Object: column, Dock: kit.Actions(home), First: home}
}

// UnderWay asks what becomes of a ceremony when its window is closed.
func UnderWay(pause func()) kit.Confirm {
	return kit.Confirm{Title: textCeremonyUnderWay, Text: textPauseBeforeWindowClosedHSM,
		Act: textPauseCeremony, Back: textStay, OnAct: pause}
}

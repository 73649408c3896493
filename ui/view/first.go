package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// First offers both kinds of site where there is none.
func First(f flow.First, practice, real func()) *Screen {
	begin := kit.NewButton(kit.Primary, "Open a practice site", practice)
	found := kit.NewButton(kit.Secondary, "Set up a real site", real)
	column := kit.Column(18, kit.Title("There is no site here yet"))
	if f.Trouble != nil {
		column.Add(trouble(f.Trouble))
	}
	column.Add(kit.Body("A site is the record of one organisation's keys: who holds what, what was done, and who saw it. Begin with practice; nothing of it can ever become real."))
	column.Add(kit.Card(10, kit.Heading("Practice site"), kit.Soft("A software token and practice people, whose cards and passphrases are filled in for you. Every screen and page says PRACTICE."), kit.Actions(begin)))
	needed := []fyne.CanvasObject{kit.Heading("Real site"), kit.Soft("It is made in " + f.Dir + ". What it takes:")}
	for _, n := range f.Needed {
		needed = append(needed, kit.MarkRow(kit.Info, n))
	}
	column.Add(kit.Card(10, append(needed, kit.Actions(found))...))
	return &Screen{Object: column, First: begin}
}

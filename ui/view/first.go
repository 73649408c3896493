package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// First offers both kinds of site where there is none.
func First(f flow.First, practice, real func()) *Screen {
	begin := kit.NewButton(kit.Primary, textOpenPracticeSite, practice)
	found := kit.NewButton(kit.Secondary, textSetUpRealSite, real)
	column := kit.Column(18, kit.Title(textThereNoSiteHereYet))
	if f.Trouble != nil {
		column.Add(trouble(f.Trouble))
	}
	column.Add(kit.Body(textSiteRecordOneOrganisationsKeys))
	column.Add(kit.Card(10, kit.Heading(textPracticeSite), kit.Soft(textSoftwareTokenPracticePeopleWhose), kit.Actions(begin)))
	needed := []fyne.CanvasObject{kit.Heading(textRealSite), kit.Soft(fmt.Sprintf(textMadeTakes, f.Dir))}
	for _, n := range f.Needed {
		needed = append(needed, kit.MarkRow(kit.Info, n))
	}
	column.Add(kit.Card(10, append(needed, kit.Actions(found))...))
	return &Screen{Object: column, First: begin}
}

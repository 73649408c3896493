package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/kit"
)

// Place is somewhere to go to.
type Place struct {
	Name string
	Go   func()
	Here bool
}

// Nav lists the places.
func Nav(places []Place) fyne.CanvasObject {
	column := kit.Column(4)
	for _, p := range places {
		kind := kit.Plain
		if p.Here {
			kind = kit.Primary
		}
		column.Add(kit.NewButton(kind, p.Name, p.Go))
	}
	return column
}

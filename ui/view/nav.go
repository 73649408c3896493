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

func nav(places []Place) fyne.CanvasObject {
	column := kit.Column(4)
	for _, p := range places {
		kind := kit.Place
		if p.Here {
			kind = kit.Here
		}
		column.Add(kit.NewButton(kind, p.Name, p.Go))
	}
	return column
}

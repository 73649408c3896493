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

// navLine is the same on one line, where there is no room for a panel.
func navLine(places []Place) fyne.CanvasObject {
	line := kit.Flow(18)
	for _, p := range places {
		if p.Here {
			line.Add(kit.NewText(p.Name, kit.Style{Weight: kit.SemiBold}))
			continue
		}
		line.Add(kit.NewButton(kit.Link, p.Name, p.Go))
	}
	return line
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

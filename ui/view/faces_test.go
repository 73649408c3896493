package view

import (
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/theme"
)

// TestOverriddenTextNamesItsFace: for text under a theme override that does not name
// its typeface, the toolkit parses fonts anew and never lets go of them. A ceremony of
// three hours would take gigabytes.
func TestOverriddenTextNamesItsFace(t *testing.T) {
	test.NewTempApp(t)
	look := theme.New(theme.Light, 1)
	fyne.CurrentApp().Settings().SetTheme(look)
	checked := 0
	inside := func(name string, o fyne.CanvasObject) {
		everyObject(o, false, func(o fyne.CanvasObject, overridden bool) {
			text, is := o.(*canvas.Text)
			if !is || !overridden || text.Text == "" {
				return
			}
			checked++
			if text.FontSource == nil {
				t.Errorf("%s: %q leaves its typeface to the toolkit", name, text.Text)
			}
		})
	}
	for name, make := range screens(look) {
		object, _ := make()
		w := test.NewTempWindow(t, object)
		w.Resize(fyne.NewSize(1280, 800))
		inside(name, w.Content())
	}
	for name, prompt := range map[string]*ceremony.Prompt{"wall": nil, "wall-private": {Kind: ceremony.AskCard, Role: "custodian", Card: ceremony.CardPrompt{K: 3, N: 5}}} {
		_, w := onWall(t, theme.Light, fyne.NewSize(1024, 768), flow.NewWitness(snapshot(), prompt))
		inside(name, w.Content())
	}
	if checked < 100 {
		t.Errorf("only %d texts stand under an override", checked)
	}
}

func everyObject(o fyne.CanvasObject, overridden bool, visit func(o fyne.CanvasObject, overridden bool)) {
	visit(o, overridden)
	switch o := o.(type) {
	case *fyne.Container:
		for _, child := range o.Objects {
			everyObject(child, overridden, visit)
		}
	case *container.ThemeOverride:
		everyObject(o.Content, true, visit)
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			everyObject(child, overridden, visit)
		}
	}
}

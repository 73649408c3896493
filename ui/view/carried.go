package view

import (
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// TakeIn asks for a checkpoint that somebody carried out of the room.
func TakeIn(c flow.Carried, compare func(flow.Carried), back func()) *Screen {
	path := kit.NewTextField("Its file", "for example /media/usb/checkpoint.txt", 4096)
	text := kit.NewTextField("Or its text, pasted or scanned", "the note in one line, or its base64", 0)
	path.SetValue(c.Path)
	text.SetValue(c.Text)
	given := func() flow.Carried { return flow.NewCarried(path.Value(), text.Value()) }
	submit := func() {
		wrong := given().Wrong()
		path.Wrong(wrong["path"])
		text.Wrong(wrong["text"])
		if wrong == nil {
			compare(given())
		}
	}
	path.OnSubmitted(submit)
	text.OnSubmitted(func() {
		if given().Scanned() {
			submit()
			return
		}
		text.Focusable().TypedRune(' ')
	})
	column := kit.Column(16,
		kit.Column(4, kit.Kicker("Trust in this record"), kit.Title("Take in a carried checkpoint")))
	if c.Trouble != nil {
		column.Add(trouble(c.Trouble))
	}
	column.Add(kit.Body("A checkpoint that was carried out of the room tells whether records were taken away or written again since. It is compared with this record, and what comes of it is recorded, signed by whoever brought it."))
	column.Add(kit.Card(14, path.Object, text.Object))
	return &Screen{Object: column, Dock: kit.Actions(kit.NewButton(kit.Primary, "Compare", submit), kit.NewButton(kit.Secondary, "Back", back)), First: path.Focusable()}
}

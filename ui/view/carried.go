package view

import (
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// TakeIn asks for a checkpoint that somebody carried out of the room.
func TakeIn(c flow.Carried, compare func(flow.Carried), back func()) *Screen {
	path := kit.NewTextField(textFile, textExampleMediaUsbCheckpointTxt, 4096)
	text := kit.NewTextField(textTextPastedScanned, textNoteOneLineBase64, 0)
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
		kit.Column(4, kit.Kicker(textTrustRecord), kit.Title(textTakeCarriedCheckpoint)))
	if c.Trouble != nil {
		column.Add(trouble(c.Trouble))
	}
	column.Add(kit.Body(textCheckpointCarriedOutRoomTells))
	column.Add(kit.Card(14, path.Object, text.Object))
	return &Screen{Object: column, Dock: kit.Actions(kit.NewButton(kit.Primary, textCompare, submit), kit.NewButton(kit.Secondary, textBack, back)), First: path.Focusable()}
}

package theme

import (
	"fyne.io/fyne/v2"
	base "fyne.io/fyne/v2/theme"
)

// Text sizes at 100 %.
const (
	Title   fyne.ThemeSizeName = "claviger-title"
	Hero    fyne.ThemeSizeName = "claviger-hero" // the one line of a private entry
	Heading fyne.ThemeSizeName = "claviger-heading"
	Speech  fyne.ThemeSizeName = "claviger-speech" // what is read aloud
	Hash    fyne.ThemeSizeName = "claviger-hash"
	Text    fyne.ThemeSizeName = "claviger-text"
	Small   fyne.ThemeSizeName = "claviger-small"
	Kicker  fyne.ThemeSizeName = "claviger-kicker"
)

var textSizes = map[fyne.ThemeSizeName]float32{
	Hero:    30,
	Title:   25,
	Heading: 16.5,
	Speech:  18.5,
	Hash:    18.5,
	Text:    14.5,
	Small:   12.5,
	Kicker:  11.5,

	base.SizeNameText:           14.5,
	base.SizeNameCaptionText:    12.5,
	base.SizeNameHeadingText:    25,
	base.SizeNameSubHeadingText: 16.5,
}

var spaces = map[fyne.ThemeSizeName]float32{
	base.SizeNamePadding:        4,
	base.SizeNameInnerPadding:   9,
	base.SizeNameInputBorder:    1,
	base.SizeNameInputRadius:    7,
	base.SizeNameButtonRadius:   7,
	base.SizeNameScrollBar:      11,
	base.SizeNameScrollBarSmall: 4,
}

package theme

import (
	"image/color"

	"fyne.io/fyne/v2"
	base "fyne.io/fyne/v2/theme"
)

// Grounds.
const (
	Paper   fyne.ThemeColorName = "claviger-paper"
	Side    fyne.ThemeColorName = "claviger-side" // rail and people panel
	Card    fyne.ThemeColorName = "claviger-card"
	Well    fyne.ThemeColorName = "claviger-well" // a value set into a card
	Header  fyne.ThemeColorName = "claviger-header"
	Pill    fyne.ThemeColorName = "claviger-pill" // on the header
	Strip   fyne.ThemeColorName = "claviger-strip"
	Track   fyne.ThemeColorName = "claviger-track"
	Primary fyne.ThemeColorName = "claviger-primary"
	Danger  fyne.ThemeColorName = "claviger-danger"
	Off     fyne.ThemeColorName = "claviger-off" // a button that cannot act

	GreenFill   fyne.ThemeColorName = "claviger-green-fill"
	AmberFill   fyne.ThemeColorName = "claviger-amber-fill"
	RedFill     fyne.ThemeColorName = "claviger-red-fill"
	BlueFill    fyne.ThemeColorName = "claviger-blue-fill"
	NeutralFill fyne.ThemeColorName = "claviger-neutral-fill"
	GreenSolid  fyne.ThemeColorName = "claviger-green-solid"
)

// Lines.
const (
	Line  fyne.ThemeColorName = "claviger-line"
	Rule  fyne.ThemeColorName = "claviger-rule" // between rows, weaker than Line
	Input fyne.ThemeColorName = "claviger-input"
	Focus fyne.ThemeColorName = "claviger-focus"
	Hover fyne.ThemeColorName = "claviger-hover"
)

// Inks.
const (
	Ink         fyne.ThemeColorName = "claviger-ink"
	Soft        fyne.ThemeColorName = "claviger-soft"  // second voice
	Muted       fyne.ThemeColorName = "claviger-muted" // labels, what is still to come
	OnHeader    fyne.ThemeColorName = "claviger-on-header"
	OnHeaderDim fyne.ThemeColorName = "claviger-on-header-dim"
	OnPrimary   fyne.ThemeColorName = "claviger-on-primary"
	OnDanger    fyne.ThemeColorName = "claviger-on-danger"
	OnOff       fyne.ThemeColorName = "claviger-on-off"
	OnGreen     fyne.ThemeColorName = "claviger-on-green-solid"
	Green       fyne.ThemeColorName = "claviger-green"
	Amber       fyne.ThemeColorName = "claviger-amber"
	Red         fyne.ThemeColorName = "claviger-red"
	Blue        fyne.ThemeColorName = "claviger-blue"
	Lamp        fyne.ThemeColorName = "claviger-lamp"       // the open HSM, on a header pill
	LampWarns   fyne.ThemeColorName = "claviger-lamp-warns" // a network that is up
)

// The practice band looks alike in every appearance.
const (
	Stripe     fyne.ThemeColorName = "claviger-stripe"
	StripeDark fyne.ThemeColorName = "claviger-stripe-dark"
)

type palette map[fyne.ThemeColorName]color.Color

func rgb(hex uint32) color.Color {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}
}

var light = palette{
	Paper: rgb(0xf6f4ee), Side: rgb(0xfbfaf6), Card: rgb(0xffffff), Well: rgb(0xf2f4f6),
	Header: rgb(0x14202e), Pill: rgb(0x26364a), Strip: rgb(0xffffff), Track: rgb(0xe8e6df),
	Primary: rgb(0x14202e), Danger: rgb(0xa3241c), Off: rgb(0xe7e9ec),
	GreenFill: rgb(0xe6f3ec), AmberFill: rgb(0xfbf3e0), RedFill: rgb(0xfbe9e7), BlueFill: rgb(0xe8f0f8),
	NeutralFill: rgb(0xe9edf1), GreenSolid: rgb(0x1c7a4a),
	Line: rgb(0xdcd7ca), Rule: rgb(0xeeeadf), Input: rgb(0x8a8676), Focus: rgb(0x2a6fb5), Hover: color.NRGBA{R: 0x14, G: 0x20, B: 0x2e, A: 0x14},
	Ink: rgb(0x14202e), Soft: rgb(0x4a5a6b), Muted: rgb(0x5d6c7b),
	OnHeader: rgb(0xffffff), OnHeaderDim: rgb(0xb9c4cf), OnPrimary: rgb(0xffffff), OnDanger: rgb(0xffffff),
	OnOff: rgb(0x5d6670), OnGreen: rgb(0xffffff),
	Green: rgb(0x1a6f44), Amber: rgb(0x855806), Red: rgb(0xa3241c), Blue: rgb(0x1f5c99), Lamp: rgb(0x5ac38b), LampWarns: rgb(0xf0b429),
	Stripe: rgb(0xe0a100), StripeDark: rgb(0x1a1a1a),
}

var dark = palette{
	Paper: rgb(0x0f1924), Side: rgb(0x131f2c), Card: rgb(0x1a2736), Well: rgb(0x0f1924),
	Header: rgb(0x0a121b), Pill: rgb(0x26364a), Strip: rgb(0x131f2c), Track: rgb(0x33465a),
	Primary: rgb(0xe6ecf2), Danger: rgb(0xc23a30), Off: rgb(0x223040),
	GreenFill: rgb(0x17382b), AmberFill: rgb(0x3a2f16), RedFill: rgb(0x43211f), BlueFill: rgb(0x1b3552),
	NeutralFill: rgb(0x2a3949), GreenSolid: rgb(0x1c7a4a),
	Line: rgb(0x33465a), Rule: rgb(0x26364a), Input: rgb(0x6e8194), Focus: rgb(0x7cb7f2), Hover: color.NRGBA{R: 0xff, G: 0xff, B: 0xff, A: 0x18},
	Ink: rgb(0xffffff), Soft: rgb(0xb9c4cf), Muted: rgb(0xa9b8c6),
	OnHeader: rgb(0xffffff), OnHeaderDim: rgb(0xb9c4cf), OnPrimary: rgb(0x14202e), OnDanger: rgb(0xffffff),
	OnOff: rgb(0xb9c4cf), OnGreen: rgb(0xffffff),
	Green: rgb(0x6fd09b), Amber: rgb(0xe0b04a), Red: rgb(0xffa59c), Blue: rgb(0x8fc1f5), Lamp: rgb(0x5ac38b), LampWarns: rgb(0xf0b429),
	Stripe: rgb(0xe0a100), StripeDark: rgb(0x1a1a1a),
}

var highContrast = palette{
	Paper: rgb(0xffffff), Side: rgb(0xffffff), Card: rgb(0xffffff), Well: rgb(0xffffff),
	Header: rgb(0x000000), Pill: rgb(0x000000), Strip: rgb(0xffffff), Track: rgb(0xd0d0d0),
	Primary: rgb(0x000000), Danger: rgb(0x7a0000), Off: rgb(0xffffff),
	GreenFill: rgb(0xffffff), AmberFill: rgb(0xffffff), RedFill: rgb(0xffffff), BlueFill: rgb(0xffffff),
	NeutralFill: rgb(0xffffff), GreenSolid: rgb(0x00451f),
	Line: rgb(0x000000), Rule: rgb(0x000000), Input: rgb(0x000000), Focus: rgb(0x0000c8), Hover: color.NRGBA{A: 0x20},
	Ink: rgb(0x000000), Soft: rgb(0x000000), Muted: rgb(0x333333),
	OnHeader: rgb(0xffffff), OnHeaderDim: rgb(0xffffff), OnPrimary: rgb(0xffffff), OnDanger: rgb(0xffffff),
	OnOff: rgb(0x4a4a4a), OnGreen: rgb(0xffffff),
	Green: rgb(0x00451f), Amber: rgb(0x5a3900), Red: rgb(0x7a0000), Blue: rgb(0x00307a), Lamp: rgb(0xffffff), LampWarns: rgb(0xffd000),
	Stripe: rgb(0xffd000), StripeDark: rgb(0x000000),
}

// projector: what a lamp and a wall leave of a colour is little, so fills are
// white or strong, and differ by their lines.
var projector = palette{
	Paper: rgb(0xffffff), Side: rgb(0xffffff), Card: rgb(0xffffff), Well: rgb(0xf4f4f4),
	Header: rgb(0x000a1a), Pill: rgb(0x14202e), Strip: rgb(0xffffff), Track: rgb(0xcccccc),
	Primary: rgb(0x000a1a), Danger: rgb(0x8f0f0a), Off: rgb(0xeeeeee),
	GreenFill: rgb(0xffffff), AmberFill: rgb(0xfff6d6), RedFill: rgb(0xffeceb), BlueFill: rgb(0xeef5ff),
	NeutralFill: rgb(0xffffff), GreenSolid: rgb(0x00532a),
	Line: rgb(0x55606b), Rule: rgb(0xa0a8b0), Input: rgb(0x20262c), Focus: rgb(0x0b3fae), Hover: color.NRGBA{A: 0x20},
	Ink: rgb(0x000a1a), Soft: rgb(0x1f2a36), Muted: rgb(0x303b46),
	OnHeader: rgb(0xffffff), OnHeaderDim: rgb(0xe6ecf2), OnPrimary: rgb(0xffffff), OnDanger: rgb(0xffffff),
	OnOff: rgb(0x3a444e), OnGreen: rgb(0xffffff),
	Green: rgb(0x00532a), Amber: rgb(0x5f3d00), Red: rgb(0x8f0f0a), Blue: rgb(0x0a3a80), Lamp: rgb(0x7fe0a8), LampWarns: rgb(0xf0b429),
	Stripe: rgb(0xffc400), StripeDark: rgb(0x000000),
}

var palettes = [...]palette{Light: light, Dark: dark, HighContrast: highContrast, Projector: projector}

// standard says which of our colours Fyne's own widgets take.
var standard = map[fyne.ThemeColorName]fyne.ThemeColorName{
	base.ColorNameBackground:          Paper,
	base.ColorNameForeground:          Ink,
	base.ColorNamePrimary:             Blue,
	base.ColorNameForegroundOnPrimary: OnPrimary,
	base.ColorNameButton:              Card,
	base.ColorNameDisabledButton:      Off,
	base.ColorNameDisabled:            OnOff,
	base.ColorNameError:               Red,
	base.ColorNameWarning:             Amber,
	base.ColorNameSuccess:             Green,
	base.ColorNameFocus:               Focus,
	base.ColorNameHover:               Hover,
	base.ColorNamePressed:             Hover,
	base.ColorNameInputBackground:     Card,
	base.ColorNameInputBorder:         Input,
	base.ColorNamePlaceHolder:         Muted,
	base.ColorNameScrollBar:           Muted,
	base.ColorNameSeparator:           Line,
	base.ColorNameMenuBackground:      Card,
	base.ColorNameOverlayBackground:   Card,
	base.ColorNameHeaderBackground:    Side,
	base.ColorNameHyperlink:           Blue,
	base.ColorNameSelection:           BlueFill,
	base.ColorNameShadow:              Hover,
}

// Pair is text on a ground.
type Pair struct{ Text, Ground fyne.ThemeColorName }

// Pairs are the combinations that the window draws.
var Pairs = []Pair{
	{Ink, Paper}, {Ink, Side}, {Ink, Card}, {Ink, Well}, {Ink, Strip}, {Ink, NeutralFill},
	{Ink, AmberFill}, {Ink, RedFill}, {Ink, GreenFill}, {Ink, BlueFill},
	{Soft, Paper}, {Soft, Side}, {Soft, Card}, {Soft, Strip}, {Soft, NeutralFill},
	{Muted, Paper}, {Muted, Side}, {Muted, Card},
	{Green, Paper}, {Green, Side}, {Green, Card}, {Green, Strip}, {Green, GreenFill},
	{Amber, Paper}, {Amber, Side}, {Amber, Card}, {Amber, AmberFill},
	{Red, Paper}, {Red, Side}, {Red, Card}, {Red, RedFill},
	{Blue, Paper}, {Blue, Card}, {Blue, BlueFill},
	{OnHeader, Header}, {OnHeader, Pill}, {OnHeaderDim, Header},
	{OnPrimary, Primary}, {OnDanger, Danger}, {OnOff, Off}, {OnGreen, GreenSolid},
	{StripeDark, Stripe},
}

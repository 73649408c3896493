// Package theme gives every colour, size and typeface of the window a name.
//
// # Appearances
//
// [Light] is paper and ink; [Dark] is the night desk, and also how a private
// entry looks on any desk, so that everyone in the room sees from the back
// that it is not their turn to look; [HighContrast] is black on white with
// every pair at 7:1 or more; [Projector] is for a wall: white ground, no tints
// that a lamp would wash out, and larger text. Which one is shown is decided here and never by
// the desktop: a ceremony looks the same on every workstation.
//
// # Contrast
//
// [Pairs] lists which text stands on which ground; a test measures each one in
// every appearance (4.5:1, high contrast and projector 7:1, WCAG 2.1 1.4.3 and
// 1.4.6).
package theme

import (
	"image/color"

	"fyne.io/fyne/v2"
	base "fyne.io/fyne/v2/theme"

	"claviger/assets"
)

// Appearance is a complete set of colours.
type Appearance int

const (
	Light Appearance = iota
	Dark
	HighContrast
	Projector
)

// Appearances are all there are, in the order in which they are offered.
var Appearances = []struct {
	Appearance
	Name, Help string
}{
	{Light, "Light", ""},
	{Dark, "Dark", ""},
	{HighContrast, "High contrast", "Black on white, every text at 7:1 or more."},
	{Projector, "Projector", "For a wall: white ground, strong colours, text one and a half times as large."},
}

// Theme is a Fyne theme in one appearance. Scale multiplies every text size:
// 1 is 100 %, 2 is 200 %.
type Theme struct {
	Appearance Appearance
	Scale      float32
}

// projectorScale is how much larger a wall's text is; 200 % stays the ceiling.
const projectorScale = 1.5

// ScaleStep is how far one key makes the text larger or smaller.
const ScaleStep = 0.25

// New makes a theme; a scale outside 1 to 2 is brought to the nearer end.
func New(a Appearance, scale float32) *Theme {
	return &Theme{Appearance: a, Scale: min(max(scale, 1), 2)}
}

// Private is the same theme as everyone sees it while one person types a
// secret.
func (t *Theme) Private() *Theme {
	switch t.Appearance {
	case HighContrast:
		return t
	case Projector:
		return New(Dark, min(t.Scale*projectorScale, 2))
	}
	return New(Dark, t.Scale)
}

var _ fyne.Theme = (*Theme)(nil)

// Color ignores the desktop's variant: the appearance is chosen in the window.
func (t *Theme) Color(name fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	p := palettes[t.Appearance]
	if c, ok := p[name]; ok {
		return c
	}
	if own, ok := standard[name]; ok {
		return p[own]
	}
	variant := base.VariantLight
	if t.Appearance == Dark {
		variant = base.VariantDark
	}
	return base.DefaultTheme().Color(name, variant)
}

func (t *Theme) Font(style fyne.TextStyle) fyne.Resource { return Face(style) }

// Face is the typeface of a style; all appearances share it.
func Face(style fyne.TextStyle) fyne.Resource {
	switch {
	case style.Symbol:
		return base.DefaultTheme().Font(style)
	case style.Monospace && style.Bold:
		return monoSemiBold
	case style.Monospace:
		return monoRegular
	case style.Bold:
		return sansSemiBold
	case style.Italic:
		return sansItalic
	}
	return sansRegular
}

func (t *Theme) Icon(name fyne.ThemeIconName) fyne.Resource {
	return base.DefaultTheme().Icon(name)
}

func (t *Theme) Size(name fyne.ThemeSizeName) float32 {
	if s, ok := textSizes[name]; ok {
		if t.Appearance == Projector {
			return s * min(t.Scale*projectorScale, 2)
		}
		return s * t.Scale
	}
	if s, ok := spaces[name]; ok {
		return s
	}
	return base.DefaultTheme().Size(name)
}

// Medium is the weight between regular and semi-bold, for which Fyne's text
// style has no name.
var Medium fyne.Resource = fyne.NewStaticResource("IBMPlexSans-Medium.ttf", assets.SansMedium)

var (
	sansRegular  = fyne.NewStaticResource("IBMPlexSans-Regular.ttf", assets.SansRegular)
	sansSemiBold = fyne.NewStaticResource("IBMPlexSans-SemiBold.ttf", assets.SansSemiBold)
	sansItalic   = fyne.NewStaticResource("IBMPlexSans-Italic.ttf", assets.SansItalic)
	monoRegular  = fyne.NewStaticResource("IBMPlexMono-Regular.ttf", assets.MonoRegular)
	monoSemiBold = fyne.NewStaticResource("IBMPlexMono-SemiBold.ttf", assets.MonoSemiBold)
)

package theme

import (
	"image/color"
	"math"
	"testing"

	"fyne.io/fyne/v2"
	base "fyne.io/fyne/v2/theme"
)

// contrast is the ratio of WCAG 2.1.
func contrast(a, b color.Color) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	linear := func(v uint32) float64 {
		f := float64(v) / 0xffff
		if f <= 0.03928 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func TestEveryTextCanBeRead(t *testing.T) {
	for _, a := range []struct {
		name string
		Appearance
		least float64
	}{{"light", Light, 4.5}, {"dark", Dark, 4.5}, {"high contrast", HighContrast, 7}, {"projector", Projector, 7}} {
		th := New(a.Appearance, 1)
		for _, p := range Pairs {
			if got := contrast(th.Color(p.Text, 0), th.Color(p.Ground, 0)); got < a.least {
				t.Errorf("%s: %s on %s has contrast %.2f, at least %.1f needed", a.name, p.Text, p.Ground, got, a.least)
			}
		}
		// What can be typed into, and what has the focus, is told by its border
		// (WCAG 2.1 1.4.11: 3:1).
		for _, p := range []Pair{{Input, Paper}, {Input, Card}, {Focus, Paper}, {Focus, Card}, {Focus, Side}} {
			if got := contrast(th.Color(p.Text, 0), th.Color(p.Ground, 0)); got < 3 {
				t.Errorf("%s: border %s on %s has contrast %.2f, at least 3 needed", a.name, p.Text, p.Ground, got)
			}
		}
	}
}

func TestAppearancesNameTheSameColours(t *testing.T) {
	for name := range light {
		for a, p := range palettes {
			if p[name] == nil {
				t.Errorf("%s is missing in appearance %d", name, a)
			}
		}
	}
	if len(Appearances) != len(palettes) {
		t.Errorf("%d appearances are offered of %d", len(Appearances), len(palettes))
	}
	for fynes, own := range standard {
		if light[own] == nil {
			t.Errorf("%s stands for %s, which no palette has", fynes, own)
		}
	}
}

func TestTextGrowsToTwiceItsSizeAndNoFurther(t *testing.T) {
	for name, size := range textSizes {
		if got := New(Light, 2).Size(name); got != 2*size {
			t.Errorf("%s at 200 %% is %v, want %v", name, got, 2*size)
		}
		if got := New(Light, 9).Size(name); got != 2*size {
			t.Errorf("%s at 900 %% is %v, want the ceiling %v", name, got, 2*size)
		}
		if got := New(Light, 0).Size(name); got != size {
			t.Errorf("%s at 0 %% is %v, want the floor %v", name, got, size)
		}
	}
	if New(Light, 2).Size(base.SizeNamePadding) != New(Light, 1).Size(base.SizeNamePadding) {
		t.Error("spaces grew with the text: 1280 pixels would not hold the panels")
	}
}

func TestProjectorTextIsLargerAndKeepsTheCeiling(t *testing.T) {
	for scale, want := range map[float32]float32{1: 1.5, 1.25: 1.875, 2: 2} {
		if got := New(Projector, scale).Size(Text); got != want*textSizes[Text] {
			t.Errorf("at %.0f %% the text is %v", 100*scale, got)
		}
		if got := New(Projector, scale).Private().Size(Text); got != want*textSizes[Text] {
			t.Errorf("at %.0f %% a private entry's text is %v", 100*scale, got)
		}
	}
}

func TestPrivateEntryIsDarkUnlessContrastIsAskedFor(t *testing.T) {
	if New(Light, 1.5).Private().Appearance != Dark || New(Light, 1.5).Private().Scale != 1.5 {
		t.Error("a private entry is not dark at the same text size")
	}
	if New(HighContrast, 1).Private().Appearance != HighContrast {
		t.Error("high contrast was given up for a private entry")
	}
}

func TestFontsByStyle(t *testing.T) {
	th := New(Light, 1)
	for want, style := range map[string]fyne.TextStyle{
		"IBMPlexSans-Regular.ttf":  {},
		"IBMPlexSans-SemiBold.ttf": {Bold: true},
		"IBMPlexSans-Italic.ttf":   {Italic: true},
		"IBMPlexMono-Regular.ttf":  {Monospace: true},
		"IBMPlexMono-SemiBold.ttf": {Monospace: true, Bold: true},
	} {
		if got := th.Font(style).Name(); got != want {
			t.Errorf("style %+v is set in %s, want %s", style, got, want)
		}
	}
}

package view

import (
	"image"
	"image/color"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/sample"
	"claviger/ui/theme"
)

// Contrast is measured where it counts, in the pixels of the drawn window: each
// text against what is behind it (WCAG 2.1 1.4.3 and 1.4.6). A few screens that
// hold every sort of text are drawn each time, all of them in the full count.
func TestEveryTextIsReadFromItsPixels(t *testing.T) {
	app := test.NewTempApp(t)
	few := []string{"phrase", "card"}
	counted := 0
	for _, a := range theme.Appearances {
		look := theme.New(a.Appearance, 1)
		app.Settings().SetTheme(look)
		for name, make := range screens(look) {
			if os.Getenv("CLAVIGER_PROOF") == "" && !slices.Contains(few, name) {
				continue
			}
			object, screen := make()
			w := show(t, object)
			w.Resize(fyne.NewSize(1280, 1400)) // nothing is scrolled away
			counted += readable(t, name+", "+a.Name, w.Content(), w.Canvas().Capture().(*image.NRGBA), leastContrast(a.Appearance))
			screen.Close()
		}
	}
	if counted < 100 {
		t.Errorf("only %d texts were measured", counted)
	}
	if os.Getenv("CLAVIGER_PROOF") != "" {
		t.Logf("PROOF: contrast measured from the pixels of %d texts in %d appearances", counted, len(theme.Appearances))
	}
}

// leastContrast is what an appearance promises.
func leastContrast(a theme.Appearance) float64 {
	if a == theme.HighContrast || a == theme.Projector {
		return 7
	}
	return 4.5
}

// readable measures every text of a picture that is whole, and tells how many
// there were. A text of one or two letters may have no pixel that is all ink.
func readable(t *testing.T, where string, o fyne.CanvasObject, picture *image.NRGBA, least float64) (measured int) {
	t.Helper()
	window := rect{0, 0, float32(picture.Bounds().Dx()), float32(picture.Bounds().Dy())}
	pieces(o, fyne.Position{}, window, nil, func(p piece) {
		if p.button != nil || utf8.RuneCountInString(p.what) < 3 || !p.at.within(p.clip) {
			return
		}
		if measured++; inked(picture, p.at) < least {
			t.Errorf("%s: %q has contrast %.2f, at least %.1f needed", where, p.what, inked(picture, p.at), least)
		}
	})
	return measured
}

// inked is the contrast of a text's ink against the ground around it.
func inked(picture *image.NRGBA, at rect) float64 {
	area := image.Rect(int(at.left), int(at.top), int(at.right), int(at.bottom)).Intersect(picture.Bounds())
	seen := map[color.NRGBA]int{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			seen[picture.NRGBAAt(x, y)]++
		}
	}
	var ground color.NRGBA
	for c, n := range seen {
		if n > seen[ground] {
			ground = c
		}
	}
	best := 0.0
	for c := range seen {
		best = max(best, contrast(c, ground))
	}
	return best
}

// States are told apart where there is no colour: of steps, of a card's groups, of
// what is asked before an act, of people, and of all that a chip says in the record.
func TestStatesAreToldApartInGrey(t *testing.T) {
	app := test.NewTempApp(t)
	families := map[string]map[string]func() fyne.CanvasObject{"steps": {}, "groups": {}, "gates": {}, "chips": chips(t)}
	for name, state := range map[string]kit.RailState{"to do": kit.Todo, "done": kit.Done, "amended": kit.Amended, "failed": kit.Failed} {
		families["steps"][name] = func() fyne.CanvasObject {
			rail, _ := kit.Rail("", []kit.RailPhase{{Title: "Phase", Steps: []kit.RailStep{{Number: 1, Title: "Step", State: state}}}})
			return rail
		}
	}
	for name, typed := range map[string]string{"empty": "", "begun": "QP", "fits": "QPZR", "does not fit": "QPZR"} {
		families["groups"][name] = func() fyne.CanvasObject {
			cells := kit.NewGroupCells(kit.Code{Prefix: "KP1", Alphabet: "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", Groups: 1})
			typeInto(cells, typed)
			if name == "does not fit" {
				cells.MarkBad(1)
			}
			return cells
		}
	}
	for name, met := range map[string]bool{"met": true, "not met": false} {
		families["gates"][name] = func() fyne.CanvasObject {
			return kit.CheckList([]kit.CheckRow{{Text: "Every copy is known", Met: met}})
		}
	}
	for _, a := range theme.Appearances {
		app.Settings().SetTheme(theme.New(a.Appearance, 1))
		for family, states := range families {
			size := fyne.NewSize(268, 120)
			if family == "chips" {
				size = fyne.NewSize(180, 36)
			}
			greys := map[string]image.Image{}
			for name, make := range states {
				w := test.NewTempWindow(t, make())
				w.Resize(size)
				greys[name] = grey(w.Canvas().Capture())
			}
			names := slices.Sorted(maps.Keys(greys))
			for i, one := range names {
				for _, other := range names[:i] {
					if n := differ(greys[one], greys[other]); n < 12 {
						t.Errorf("%s, %s: %q and %q differ in %d pixels of grey", a.Name, family, other, one, n)
					}
				}
			}
		}
	}
}

// chips are all that the record's pages show, by their words. On one page a word has
// one colour, unless the row says in words why it has another: a key's lifetime.
func chips(t *testing.T) map[string]func() fyne.CanvasObject {
	out := map[string]func() fyne.CanvasObject{}
	for _, r := range []flow.Record{recordOf(sample.Site()), recordOf(odd())} {
		for _, table := range []flow.Table{flow.NewCeremonies(r), flow.NewKeys(r, noon), flow.NewOrders(r, noon), flow.NewCustody(r), flow.NewPeople(r), flow.NewEvidence(r)} {
			tones := map[string]flow.Tone{}
			for _, row := range table.Rows {
				for _, c := range row.Cells {
					if c.Kind != flow.Chip {
						continue
					}
					if before, seen := tones[c.Text]; seen && before != c.Tone && table.Title != "Keys" {
						t.Errorf("%s: %q is shown in the tones %d and %d", table.Title, c.Text, before, c.Tone)
					}
					tones[c.Text] = c.Tone
					out[c.Text] = func() fyne.CanvasObject { return kit.ChipCell(kit.Tone(c.Tone), c.Text) }
				}
			}
		}
	}
	if len(out) < 15 {
		t.Errorf("only %d chips were found", len(out))
	}
	return out
}

func grey(picture image.Image) image.Image {
	out := image.NewGray(picture.Bounds())
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			out.Set(x, y, picture.At(x, y))
		}
	}
	return out
}

// differ counts pixels that an eye tells apart.
func differ(a, b image.Image) int {
	n := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			one, other := a.At(x, y), b.At(x, y)
			if one != other && contrast(one, other) > 1.5 {
				n++
			}
		}
	}
	return n
}

// Every page of a ceremony, drawn as markup: what changes on a screen shows in
// the difference of a file.
func TestCeremonyScreensAsMarkup(t *testing.T) {
	look := theme.New(theme.Light, 1)
	test.NewTempApp(t).Settings().SetTheme(look)
	all := screens(look)
	maps.DeleteFunc(all, func(name string, _ func() (fyne.CanvasObject, *Screen)) bool {
		return strings.HasPrefix(name, "overview") || strings.HasPrefix(name, "record-") // among the pages of the record
	})
	maps.Copy(all, states(look))
	for name, make := range all {
		object, screen := make()
		w := test.NewTempWindow(t, object)
		w.SetPadded(false)
		w.Resize(fyne.NewSize(1280, 800))
		drawn(t, "page-"+name, w)
		screen.Close()
	}
	object, screen := all["confirm"]()
	w := show(t, object)
	UnderWay(func() {}).Show(w.Canvas())
	drawn(t, "page-under-way", w)
	screen.Close()
	// A card half typed, and when the keyboard was taken away from it.
	object, screen = all["card"]()
	w = show(t, object)
	w.Canvas().Focus(screen.First)
	typeInto(screen.First, "QPZRY9")
	drawn(t, "page-card-begun", w)
	w.Canvas().Unfocus()
	drawn(t, "page-card-left", w)
	screen.Close()
	prompt := prompts()["card"]
	idle, calm := overviewSnapshot(), snapshot()
	calm.Ceremony.Deviations = 0
	for name, now := range map[string]flow.Witness{"wall": flow.NewWitness(snapshot(), nil), "wall-private": flow.NewWitness(snapshot(), &prompt), "wall-idle": flow.NewWitness(idle, nil), "wall-no-deviation": flow.NewWitness(calm, nil)} {
		_, w := onWall(t, theme.Projector, fyne.NewSize(1024, 768), now)
		drawn(t, name, w)
	}
}

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

package view

import (
	"cmp"
	"fmt"
	"image"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"claviger/ui/kit"
	"claviger/ui/theme"
)

// onlyShows are the screens that ask for nothing: what can be done there is in the
// list or beside it.
var onlyShows = []string{"filtered-to-nothing", "ledger-no-hit", "ledger-searching", "network-up", "public-view", "record-key-compromised", "record-key-quarantined", "record-key-restored", "record-person-traced", "record-set-due", "record-set-still-opens", "record-set-withdrawn", "record-token-second", "verifying", "overview-all-starts", "overview-contradicted", "overview-held", "overview-quiet", "record-ceremonies", "record-ceremony", "record-ceremony-paused", "record-copied", "record-custody",
	"record-evidence", "record-evidence-missing", "record-evidence-of", "record-evidence-trouble", "record-item", "record-key", "record-key-unbacked", "record-keys", "record-ledger",
	"record-ledger-empty", "record-media-none", "record-modules", "record-order", "record-order-withdrawn", "record-orders", "record-people", "record-person", "record-printed", "record-record", "record-scripts", "record-set", "record-token", "settings", "working", "working-at-the-device", "working-outside"}

// Every screen, on the smallest and on a usual desk, at both ends of the text
// sizes: each text has the room that it needs, none lies over another or leaves the
// window, and what the page asks for is in sight. The colours of an appearance take
// no room, so all four, with their contrast from the pixels, are looked at in the
// full count. CLAVIGER_PICTURES says where pictures go.
func TestEveryScreenFits(t *testing.T) {
	app := test.NewTempApp(t)
	pictures := os.Getenv("CLAVIGER_PICTURES")
	full := full()
	looked, measured := 0, 0
	looks := map[theme.Appearance]int{}
	for _, a := range theme.Appearances {
		for _, scale := range []float32{1, 2} {
			// A projector's text is half as large again at 100 %, and the same at 200 %.
			if !full && !(a.Appearance == theme.Light || a.Appearance == theme.Projector && scale == 1) {
				continue
			}
			look := theme.New(a.Appearance, scale)
			app.Settings().SetTheme(look)
			all := screens(look)
			maps.Copy(all, states(look))
			looks[a.Appearance] += len(all)
			for _, name := range slices.Sorted(maps.Keys(all)) {
				t.Run(fmt.Sprintf("%s %s %.0f", name, a.Name, 100*scale), func(t *testing.T) {
					object, screen := all[name]()
					defer screen.Close()
					w := test.NewTempWindow(t, object)
					w.SetPadded(false)
					for _, size := range []fyne.Size{{Width: 1280, Height: 800}, {Width: 1920, Height: 1080}} {
						if size.Width > 1280 && !full {
							continue
						}
						w.Resize(size)
						if screen.First != nil {
							kit.FocusFirst(w.Canvas(), screen.First)
						}
						where := fmt.Sprintf("%s, %s, %.0f %%, %vx%v", name, a.Name, 100*scale, size.Width, size.Height)
						looked++
						fits(t, where, object, size, !slices.Contains(onlyShows, name))
						if !full {
							continue
						}
						capture := w.Canvas().Capture().(*image.NRGBA)
						measured += readable(t, where, w.Content(), capture, leastContrast(a.Appearance))
						if pictures != "" {
							write(t, capture, filepath.Join(pictures, fmt.Sprintf("%s-%d-%.0f-%v.png", name, a.Appearance, 100*scale, size.Width)))
						}
					}
				})
			}
		}
	}
	if full {
		for _, a := range theme.Appearances {
			if looks[a.Appearance] != looks[theme.Light] {
				t.Errorf("%d screens are looked at in %s, and %d in light", looks[a.Appearance], a.Name, looks[theme.Light])
			}
		}
		t.Logf("PROOF: %d screens fit, all in 4 appearances, at 100 and 200 %%, on 1280x800 and 1920x1080; the contrast of %d texts measured from pixels", looked, measured)
	}
}

// piece is a text or a button as it lies in the window.
type piece struct {
	what   string
	at     rect
	clip   rect // what its page shows
	button *kit.Button
	of     *kit.Button // whose label it is
}

type rect struct{ left, top, right, bottom float32 }

func at(p fyne.Position, s fyne.Size) rect { return rect{p.X, p.Y, p.X + s.Width, p.Y + s.Height} }

func (r rect) in(o rect) rect {
	return rect{max(r.left, o.left), max(r.top, o.top), min(r.right, o.right), min(r.bottom, o.bottom)}
}

func (r rect) empty() bool { return r.right-r.left < 1 || r.bottom-r.top < 1 }

func (r rect) within(o rect) bool {
	return r.left >= o.left-1 && r.top >= o.top-1 && r.right <= o.right+1 && r.bottom <= o.bottom+1
}

// line is a text's rectangle without the room above and below its letters.
func (r rect) line() rect {
	air := 0.2 * (r.bottom - r.top)
	return rect{r.left + 1, r.top + air, r.right - 1, r.bottom - air}
}

// pieces finds what is drawn below o.
func pieces(o fyne.CanvasObject, origin fyne.Position, clip rect, of *kit.Button, visit func(piece)) {
	if !o.Visible() {
		return
	}
	children := func(all []fyne.CanvasObject, of *kit.Button) {
		for _, child := range all {
			pieces(child, origin.Add(child.Position()), clip, of, visit)
		}
	}
	switch o := o.(type) {
	case *canvas.Text:
		need := o.MinSize()
		p := origin
		switch o.Alignment {
		case fyne.TextAlignCenter:
			p.X += (o.Size().Width - need.Width) / 2
		case fyne.TextAlignTrailing:
			p.X += o.Size().Width - need.Width
		}
		p.Y += (o.Size().Height - need.Height) / 2
		if o.Text != "" {
			visit(piece{what: o.Text, at: at(p, need), clip: clip, of: of})
		}
	case *container.Scroll:
		clip = clip.in(at(origin, o.Size()))
		children([]fyne.CanvasObject{o.Content}, of)
	case *fyne.Container:
		children(o.Objects, of)
	case *kit.Button:
		visit(piece{what: o.Label, at: at(origin, o.Size()), clip: clip, button: o})
		children(test.WidgetRenderer(o).Objects(), o)
	case fyne.Widget:
		children(test.WidgetRenderer(o).Objects(), of)
	}
}

func fits(t *testing.T, where string, o fyne.CanvasObject, size fyne.Size, asks bool) {
	t.Helper()
	window := at(fyne.Position{}, size)
	var seen []piece
	var asked *piece
	pieces(o, fyne.Position{}, window, nil, func(p piece) {
		if b := p.button; b != nil && (b.Kind() == kit.Primary || b.Kind() == kit.Danger) {
			if asked != nil {
				t.Errorf("%s: both %q and %q are what the page asks for", where, asked.what, p.what)
			}
			asked = &p
		}
		if shown := p.at.in(p.clip); !shown.empty() {
			if p.at.left < p.clip.left-1 || p.at.right > p.clip.right+1 {
				t.Errorf("%s: %q is cut off at the side: %v in %v", where, p.what, p.at, p.clip)
			}
			if p.clip == window && !p.at.within(window) {
				t.Errorf("%s: %q leaves the window: %v", where, p.what, p.at)
			}
			seen = append(seen, p)
		}
	})
	switch {
	case asked == nil && asks:
		t.Errorf("%s: the page asks for nothing", where)
	case asked != nil && !asked.at.within(asked.clip.in(window)):
		t.Errorf("%s: %q is not in sight: %v, shown is %v", where, asked.what, asked.at, asked.clip)
	}
	slices.SortFunc(seen, func(a, b piece) int { return cmp.Compare(a.at.top, b.at.top) })
	for i, a := range seen {
		for _, b := range seen[i+1:] {
			if b.at.top > a.at.bottom {
				break
			}
			if a.button != nil && b.of == a.button || b.button != nil && a.of == b.button {
				continue
			}
			if lies := a.at.line().in(a.clip).in(b.at.line()).in(b.clip); !lies.empty() {
				t.Errorf("%s: %q lies over %q", where, a.what, b.what)
			}
		}
	}
	everyText(o, func(text *kit.Text) {
		if least := test.WidgetRenderer(text).MinSize(); text.Size().Width+0.5 < least.Width || text.Size().Height+0.5 < least.Height {
			t.Errorf("%s: %q has %v and needs %v", where, text, text.Size(), least)
		}
	})
}

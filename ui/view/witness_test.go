package view

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

func onWall(t *testing.T, look theme.Appearance, size fyne.Size, now flow.Witness) (*Witness, fyne.Window) {
	t.Helper()
	w := NewWitness(look)
	window := test.NewTempWindow(t, w.Object)
	window.SetPadded(false)
	window.Resize(size)
	w.Set(now, noon)
	return w, window
}

// A wall carries nine lines, all of one size, none of them cut, whatever there is
// to say, on the smallest projector and on a large one; every page is reached.
func TestWallIsReadFromTheBackOfTheRoom(t *testing.T) {
	app := test.NewTempApp(t)
	app.Settings().SetTheme(theme.New(theme.Light, 1))
	pictures := os.Getenv("CLAVIGER_PICTURES")
	long := snapshot()
	long.Ceremony.Needs = []ceremony.Need{{Text: "2 of 7 attested", Got: 2, Of: 7}}
	long.Ceremony.Deviations = 12
	long.Ceremony.Aloud = "Юлия Ковальчук-Александровская и Ελένη Παπαδοπούλου, we now read every line of this long sentence aloud, and we go on reading it until nobody in the room can say that a line of it was missing, cut off at the edge of the wall, or set so small that the last row had to guess what it says."
	cases := map[string]flow.Witness{
		"idle":        flow.NewWitness(ceremony.Snapshot{Site: ceremony.SiteView{Organisation: "Northwind Root CA · vault room 2"}}, nil),
		"fingerprint": flow.NewWitness(snapshot(), nil),
		"long": flow.NewWitness(long, &ceremony.Prompt{Kind: ceremony.AskSignOff, Title: "Юлия Ковальчук-Александровская, sign off phase 3: make the key and compare it on a second computer", Role: "witness",
			Who: someone("yk", "Юлия Ковальчук-Александровская", "ЮК"), Facts: snapshot().Ceremony.Facts}),
		"six to sign": flow.NewWitness(signing(), &ceremony.Prompt{Kind: ceremony.AskSignOff, Title: "Sign the statement", Role: "third-party-witness",
			Who: someone("ap", "Dr. Anastasia-Konstantina Papadopoulou-Weatherington", "AP"), Facts: snapshot().Ceremony.Facts}),
		"private": flow.NewWitness(snapshot(), &ceremony.Prompt{Kind: ceremony.AskCard, Role: "custodian", Card: ceremony.CardPrompt{K: 3, N: 5, Entered: []int{1}}}),
	}
	for _, size := range []fyne.Size{{Width: 1024, Height: 768}, {Width: 1920, Height: 1080}} {
		for name, now := range cases {
			w, window := onWall(t, theme.Projector, size, now)
			pages := max(len(w.pages()), 1)
			seen := ""
			for page := range pages {
				lines := 0
				everyText(w.Object, func(text *kit.Text) {
					if text.String() == "" {
						return
					}
					n := len(test.WidgetRenderer(text).Objects())
					lines += n
					seen += text.String() + "\n"
					at := fyne.CurrentApp().Driver().AbsolutePositionForObject(text)
					need := test.WidgetRenderer(text).MinSize()
					if at.X+need.Width > size.Width+1 || at.Y+need.Height > size.Height || text.Size().Width+1 < need.Width {
						t.Errorf("%s at %v, page %d: %q leaves the wall: %v at %v", name, size, page+1, text, need, at)
					}
				})
				// Who acts next, dots, step and clock share the two lines at the foot.
				if now.Private == nil {
					lines--
				}
				if lines > stageLines {
					t.Errorf("%s at %v, page %d: %d lines", name, size, page+1, lines)
				}
				if got := capital(window.Canvas().Capture(), w); now.Private == nil && got < 28*size.Height/768-1 {
					t.Errorf("%s at %v, page %d: a capital is %v pixels high", name, size, page+1, got)
				}
				if pictures != "" && size.Width == 1024 {
					picture(t, window, filepath.Join(pictures, fmt.Sprintf("wall-%s-%d.png", name, page+1)))
				}
				w.Turn()
			}
			if said := strings.Join(strings.Fields(seen), " "); now.Next != "" && !strings.Contains(said, now.Next) {
				t.Errorf("%s at %v: %q is cut", name, size, now.Next)
			}
			if name == "fingerprint" {
				h := now.Blocks[1].Hash
				for _, word := range h.Words {
					if !bytes.Contains([]byte(seen), []byte(word)) {
						t.Errorf("%s at %v: the word %q is on no page", name, size, word)
					}
				}
			}
		}
	}
}

// signing is a ceremony in which six people sign one after the other.
func signing() ceremony.Snapshot {
	s := snapshot()
	s.Ceremony.Needs = []ceremony.Need{{Text: "2 of 6 attested", Got: 2, Of: 6}}
	return s
}

// capital measures the clock's digits, which are as high as capitals, in pixels.
func capital(picture image.Image, w *Witness) float32 {
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(w.clock)
	ground := picture.At(int(at.X), int(at.Y)+2)
	top, bottom := -1, -1
	for y := int(at.Y); y < int(at.Y+w.clock.Size().Height) && y < picture.Bounds().Dy(); y++ {
		for x := int(at.X); x < int(at.X+w.em()); x++ {
			if contrast(picture.At(x, y), ground) > 4.5 {
				if top < 0 {
					top = y
				}
				bottom = y
			}
		}
	}
	return float32(bottom - top + 1)
}

// While somebody types, the wall is the neutral card to the last pixel: typed
// keys, a sheet over the entry, the clock and the ledger change nothing of it.
func TestWallIsTheNeutralCardDuringAPrivateEntry(t *testing.T) {
	app := test.NewTempApp(t)
	app.Settings().SetTheme(theme.New(theme.Light, 1))
	size := fyne.NewSize(1024, 768)
	prompt := prompts()["card"]
	prompt.Role = "custodian"
	_, alone := onWall(t, theme.Projector, size, flow.Witness{Practice: true, Private: flow.NewWitness(snapshot(), &prompt).Private})
	neutral := pixels(t, alone)

	wall, window := onWall(t, theme.Projector, size, flow.NewWitness(snapshot(), nil))
	if bytes.Equal(pixels(t, window), neutral) {
		t.Fatal("the public view looks like the neutral card")
	}
	wall.Set(flow.NewWitness(snapshot(), &prompt), noon)
	s := snapshot()
	for i, change := range []func(){
		func() {},
		func() { s.Ledger.Records++; wall.Set(flow.NewWitness(s, &prompt), noon.Add(time.Second)) },
		func() { wall.Tick(noon.Add(time.Hour)) },
		func() { wall.Turn() },
		func() { s.Ceremony.Deviations++; wall.Set(flow.NewWitness(s, &prompt), noon.Add(time.Minute)) },
	} {
		if change(); !bytes.Equal(pixels(t, window), neutral) {
			t.Errorf("change %d shows on the wall", i)
		}
	}
	wall.Set(flow.NewWitness(s, nil), noon)
	if bytes.Equal(pixels(t, window), neutral) {
		t.Error("the card stays when the entry is over")
	}
}

func pixels(t *testing.T, w fyne.Window) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, w.Canvas().Capture()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

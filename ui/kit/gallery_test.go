package kit

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"

	"claviger/hsm/secret"
	"claviger/ui/theme"
)

const alphabet = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"

func newCells() *GroupCells {
	return NewGroupCells(Code{Prefix: "KP1", Others: []string{"KC1"}, Alphabet: alphabet, Groups: 18})
}

// gallery is every widget once, as a page of sheets.
func gallery() map[string]func() fyne.CanvasObject {
	return map[string]func() fyne.CanvasObject{
		"sheet": func() fyne.CanvasObject {
			strip := NewStatusStrip()
			strip.Set("#2 318", "head 5ac1 9e70 2d4b …", "verified", Good)
			strip.Tick("Elapsed 01:12:40", "Sun 22 Nov 2026 11:42:31 UTC")
			top := Column(0,
				PracticeBand("PRACTICE · THIS TOKEN IS SOFTWARE · NOT EVIDENCE OF A REAL KEY"),
				HeaderBar("CLAVIGER", "Northwind Root CA · vault room 2", []Pill{{"HSM open · NW-HSM-01 · SN 7700 4312", LampOn}, {"Offline", NoLamp}, {"2026-014", NoLamp}}))
			rail, now := Rail("Key generation · Script 3F9A 1C07", []RailPhase{
				{"Open the room", []RailStep{{1, "Room and clock check", "", "11:01", Done, false}, {2, "Workstation check", "", "11:02", Amended, false}, {3, "Roll call and the order", "AO MB", "11:03", Done, false}}},
				{"Open the HSM", []RailStep{{4, "Identify the token", "", "11:04", Failed, false}, {5, "Three custodians unlock", "3 of 5", "11:05", Done, false}}},
				{"Make the key", []RailStep{{7, "Two officers authorise", "PK RS", "11:07", Done, false}, {8, "Generate the key pair", "", "", Now, false}, {9, "Prove possession (sign and verify)", "", "", Todo, false}}},
			})
			people := Column(13, Kicker("In the room"),
				PersonBadge(Person{"MB", "Marta Brandt", "Administrator · signed 11:42:08", Good, false}),
				PersonBadge(Person{"AO", "Amara Okafor", "Witness · to sign now", Waiting, false}),
				PersonBadge(Person{"ΕΠ", "Ελένη Παπαδοπούλου", "Custodian · card 1 of 3", Neutral, false}),
				PersonBadge(Person{"ЮК", "Юлия Ковальчук-Александровская", "Custodian · card 2 of 3", Neutral, true}),
				NewRule(theme.Line), Kicker("Needed for this step"),
				CheckList([]CheckRow{{Text: "2 of 2 officers authorised", Met: true}, {Text: "Administrator signed", Met: true}, {Text: "Witness to sign", Met: false}}))
			center := Column(16,
				Column(4, Kicker("Step 8 of 15 · Make the key"), Title("Generate the key pair")),
				ReadAloud("The key pair now exists inside the HSM. I will read its fingerprint aloud. Please write it on your own sheet.", false),
				Card(12, CardHead("Result", StateChip(Good, "✓ Generated in the HSM")),
					FactTable([]FactRow{{Label: "Label", Value: "northwind-root-2026", Strong: true}, {Label: "Algorithm", Value: "EC P-384 · sign only"}, {Label: "Key identifier", Value: "9c41 07be 5d20 aa13 …", Mono: true}}),
					Kicker("Fingerprint of the public key (SHA-256)"),
					HashBlock("7d1e40b2c9a355f018e602bd9a7c3341e0f86a152bc4d79043aa1f6eb508c2d7", []string{"topmost", "Istanbul", "Pluto", "vagabond"})),
				Row(12, Grow(Actions(NewButton(Primary, "Sign off this step", nil), NewButton(Secondary, "Note a deviation", nil))), NewText("Waiting for the witness: Amara Okafor", Style{Ink: theme.Soft})))
			f := NewWindowFrame()
			f.SetTop(top)
			f.SetFoot(strip.Object)
			f.SetLeft(rail, now, PanelWidth)
			f.SetRight(people, PanelWidth)
			f.SetPage(NewScroll(Inset(32, 22, center)))
			return f.Object
		},
		"private": func() fyne.CanvasObject {
			cells := newCells()
			card := secret.From([]byte("KP1 qpzr y9x8 gf2t vdw0 s3jn 54kh ce6m ua7l qpzr y9x8 gf2t vdw0 s3jn 54kh ce6m ua7l qp"))
			cells.Fill(card)
			card.Wipe()
			cells.MarkBad(8)
			check := NewButton(Primary, "Check this card", nil)
			check.Disable("Group 17 is short")
			return container.NewThemeOverride(container.NewStack(NewBox(theme.Paper, 0), container.NewBorder(
				PracticeBand("PRACTICE · THIS TOKEN IS SOFTWARE · NOT EVIDENCE OF A REAL KEY"), nil, nil, nil,
				NewScroll(Inset(40, 60, Narrow(790, Column(18, QuorumDots(2, 3), cells,
					NewText("One letter in group 8 does not fit the rest. Compare it with your card, letter by letter.", Style{Ink: theme.Red, Wrap: true, Align: fyne.TextAlignCenter}),
					NewSecretEntry("SESSION PIN OF MARTA BRANDT", 16),
					CentredActions(NewButton(Secondary, "This card is lost", nil), check))))))), theme.New(theme.Light, 1).Private())
		},
		"lists": func() fyne.CanvasObject {
			line := NewProgressLine()
			line.Set("The token is making the key", "0:03")
			field := NewTextField("Wall clock", "HH:MM", 5)
			field.SetValue("11:99")
			field.Wrong("11:99 is not a time: type hours and minutes, like 11:42")
			choice := NewChoice(ChoiceItem{"Try again", "Nothing was written.", false}, ChoiceItem{"Pause the ceremony", "The HSM is logged out; everyone can leave.", false}, ChoiceItem{"Abort", "The ceremony ends here and is sealed as aborted.", true})
			choice.Choose(1)
			return container.NewStack(NewBox(theme.Paper, 0), NewScroll(Inset(32, 24, Column(18,
				Table([]TableColumn{{"Key", 3}, {"Purpose", 2}, {"Owner", 1.6}, {"State", 1.8}, {"Lifetime", 3}}, [][]fyne.CanvasObject{
					{NameCell("northwind-root-2026", "EC P-384 · 9c41 07be"), Body("CA root signing"), Body("P. Kapoor"), ChipCell(Good, "Active"), LifetimeBar(0.04, Good, "2041")},
					{NameCell("payments-kek-2024", "AES-256 · KCV 8CA64D"), Body("Key encryption"), Body("R. Santos"), ChipCell(Waiting, "Rotate by 3 Dec"), LifetimeBar(0.97, Waiting, "11 days")},
					{NameCell("dnssec-ksk-2023", "EC P-256 · 77b1 2fe4"), Body("Zone signing"), Body("J. Dahl"), ChipCell(Bad, "Destroyed"), LifetimeBar(1, Neutral, "12 Oct 2026")},
				}),
				CardList(Row(12, StateChip(Good, "Sealed"), NewText("2026-014 Key generation", Style{Weight: SemiBold}), Grow(Soft("northwind-root-2026 · 7 people")), NewButton(Link, "Evidence", nil)),
					Row(12, StateChip(Waiting, "Paused at step 6"), NewText("2026-012 Recovery drill", Style{Weight: SemiBold}), Grow(Soft("backup-kek-A")), NewButton(Link, "Resume", nil))),
				ErrorPanel(Trouble{"The token is not there any more.", "No key was made; the ledger is complete to record 2 318.", "Attach the HSM and try again, or pause the ceremony.", "CKR_DEVICE_REMOVED"}),
				ReadAloud("We are about to delete the key.", true),
				line.Object, field.Object, choice))))
		},
	}
}

// Every text of every widget has the room that it needs, at both ends of the
// text sizes. The pictures go where CLAVIGER_PICTURES says, for people to look
// at.
func TestGalleryIsNeverClipped(t *testing.T) {
	app := test.NewTempApp(t)
	pictures := os.Getenv("CLAVIGER_PICTURES")
	for name, make := range gallery() {
		for _, look := range []struct {
			appearance theme.Appearance
			scale      float32
		}{{theme.Light, 1}, {theme.Light, 2}, {theme.Dark, 1}, {theme.HighContrast, 1}} {
			app.Settings().SetTheme(theme.New(look.appearance, look.scale))
			w := test.NewTempWindow(t, make())
			w.SetPadded(false)
			w.Resize(fyne.NewSize(1280, 800))
			everyText(w.Content(), func(text *Text) {
				if least := test.WidgetRenderer(text).MinSize(); text.Size().Width+0.5 < least.Width || text.Size().Height+0.5 < least.Height {
					t.Errorf("%s in look %v: %q has %v and needs %v", name, look, text, text.Size(), least)
				}
			})
			if pictures == "" {
				continue
			}
			f, err := os.Create(filepath.Join(pictures, fmt.Sprintf("kit-%s-%d-%d.png", name, look.appearance, int(look.scale*100))))
			if err != nil {
				t.Fatal(err)
			}
			if err := png.Encode(f, w.Canvas().Capture()); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
}

func everyText(o fyne.CanvasObject, visit func(*Text)) {
	if !o.Visible() {
		return
	}
	switch o := o.(type) {
	case *Text:
		visit(o)
	case *fyne.Container:
		for _, child := range o.Objects {
			everyText(child, visit)
		}
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			everyText(child, visit)
		}
	}
}

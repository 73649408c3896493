package kit

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"claviger/hsm/secret"
)

const printed = "KP1 QPZR Y9X8 GF2T VDW0 S3JN 54KH CE6M UA7L QPZR Y9X8 GF2T VDW0 S3JN 54KH CE6M UA7L QPZR Y9X8"

func holds(t *testing.T, g *GroupCells, code string) {
	t.Helper()
	want := secret.From([]byte(strings.ReplaceAll(code, " ", "")))
	defer want.Wipe()
	if !g.Code().Equal(want) {
		t.Errorf("the buffer does not hold the code %q", code)
	}
}

func typed(t *testing.T, g *GroupCells, s string) {
	t.Helper()
	for _, r := range s {
		switch r {
		case '\r', '\n':
			g.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
		default:
			g.TypedRune(r)
		}
	}
}

func TestCellsTakeTheCodeHoweverItIsTyped(t *testing.T) {
	for name, s := range map[string]string{
		"as printed":             printed,
		"without the prefix":     printed[4:],
		"lower case":             strings.ToLower(printed),
		"without blanks":         strings.ReplaceAll(printed, " ", ""),
		"with dashes":            strings.ReplaceAll(printed, " ", "-"),
		"scanned after a try":    "QPZR Y9" + printed,
		"scanned over full code": strings.Repeat("UA7L ", 18) + printed,
	} {
		t.Run(name, func(t *testing.T) {
			g := newCells()
			window(t, g)
			typed(t, g, s)
			holds(t, g, printed)
			if !g.Full() {
				t.Error("not full")
			}
		})
	}
}

func TestCellsScannerEndsSubmitOnce(t *testing.T) {
	for name, end := range map[string]string{"CR": "\r", "CR LF": "\r\n", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			g := newCells()
			window(t, g)
			submitted := 0
			g.OnSubmitted = func() { submitted++; g.Take().Wipe() }
			typed(t, g, printed+end)
			if want := min(len(end), 1); submitted != want {
				t.Errorf("submitted %d times, want %d", submitted, want)
			}
		})
	}
}

func TestCellsShowWhereTheCodeIs(t *testing.T) {
	g := newCells()
	window(t, g)
	typed(t, g, "QPZRY9")
	for group, want := range map[int]CellState{1: CellFull, 2: CellPartial, 3: CellEmpty} {
		if got := g.State(group); got != want {
			t.Errorf("group %d is in state %d, want %d", group, got, want)
		}
	}
	back := &fyne.KeyEvent{Name: fyne.KeyBackspace}
	for range 3 {
		g.TypedKey(back)
	}
	if g.State(1) != CellPartial || g.State(2) != CellEmpty {
		t.Error("Backspace did not go back into the group before")
	}
	for range 9 {
		g.TypedKey(back)
	}
	typed(t, g, printed)
	holds(t, g, printed)
}

func TestCellsRefuseWhatTheCodeNeverHas(t *testing.T) {
	g := newCells()
	window(t, g)
	var refused []rune
	g.OnRefused = func(r rune) { refused = append(refused, r) }
	typed(t, g, "BIO1?é")
	if string(refused) != "BIO1?É" {
		t.Errorf("refused %q", string(refused))
	}
	if g.State(1) != CellEmpty {
		t.Error("a refused character went in")
	}
}

func TestCellsTellAnotherSortOfCodeAtItsPrefix(t *testing.T) {
	g := newCells()
	window(t, g)
	other := ""
	g.OnOtherPrefix = func(p string) { other = p }
	typed(t, g, "kc1qpzr")
	if other != "KC1" {
		t.Errorf("told prefix %q", other)
	}
	typed(t, g, printed)
	holds(t, g, printed)
}

func TestCellsOneGroupCanBeTypedAgain(t *testing.T) {
	g := newCells()
	window(t, g)
	typed(t, g, strings.Replace(printed, "CE6M", "CE6L", 1))
	g.MarkBad(7)
	if g.State(7) != CellBad {
		t.Fatal("the group is not marked")
	}
	g.GoTo(7)
	typed(t, g, "CE6M")
	if g.State(7) != CellFull {
		t.Error("the mark stayed on a group typed again")
	}
	holds(t, g, printed)
}

func TestCellsEnterNamesTheShortGroup(t *testing.T) {
	g := newCells()
	window(t, g)
	short, left, submitted := 0, 0, false
	g.OnShort, g.OnSubmitted = func(group, missing int) { short, left = group, missing }, func() { submitted = true }
	typed(t, g, "QPZR Y9X\r")
	if short != 2 || left != 1 || submitted {
		t.Errorf("group %d is short by %d, submitted %v", short, left, submitted)
	}
	typed(t, g, "8")
	if g.State(2) != CellFull {
		t.Error("the caret does not stand where the letter is missing")
	}
}

func TestCellsArrowsAndClicksMoveTheCaret(t *testing.T) {
	g := newCells()
	w := window(t, g)
	w.Canvas().Focus(g)
	typed(t, g, printed)
	press(w, fyne.KeyHome, fyne.KeyRight, fyne.KeyDelete)
	if g.State(1) != CellPartial {
		t.Error("Delete after Home and Right did not empty the second slot")
	}
	typed(t, g, "P")
	holds(t, g, printed)
	press(w, fyne.KeyHome, fyne.KeyDown, fyne.KeyDelete)
	if g.State(7) != CellPartial {
		t.Error("Down did not go to the line below")
	}
	test.TapAt(g, fyne.NewPos(g.Size().Width-5, 5))
	press(w, fyne.KeyDelete)
	if g.State(6) != CellPartial {
		t.Error("a click on group 6 did not put the caret there")
	}
	press(w, fyne.KeyEnd, fyne.KeyBackspace)
	if g.State(18) != CellPartial {
		t.Error("End and Backspace did not open the last group")
	}
}

func TestCellsForget(t *testing.T) {
	g := newCells()
	window(t, g)
	typed(t, g, printed)
	taken := g.Take()
	typed(t, g, "QPZR")
	if g.Full() || g.State(1) != CellEmpty {
		t.Error("cells took something after the code was taken")
	}
	taken.Wipe()
	g.Clear()
	typed(t, g, printed)
	holds(t, g, printed)
	g.Wipe()
	typed(t, g, "QPZR")
	press(window(t, g), fyne.KeyBackspace)
	if g.Full() {
		t.Error("wiped cells are full")
	}
}

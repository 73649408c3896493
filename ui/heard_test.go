package ui

import (
	"testing"

	"claviger/ui/flow"
)

// What was said aloud at a step's first question is not asked to be said at its
// next ones; the same question once more, another step and other words are.
func TestSaidAloudOnce(t *testing.T) {
	h := heard{}
	for i, c := range []struct {
		step, aloud, title string
		again              bool
	}{
		{"room", "Welcome.", "Name the room", false},
		{"room", "Welcome.", "Name the room", false}, // refused, and asked again
		{"room", "Welcome.", "Tick off the materials", true},
		{"room", "", "Your PIN", false}, // a private page
		{"room", "Welcome.", "Tick off the materials", true},
		{"room", "Another word.", "Tick off the materials", false},
		{"workstation", "Another word.", "Check the workstation", false},
	} {
		if got := h.again(c.step, flow.Page{Aloud: c.aloud, Title: c.title}); got != c.again {
			t.Errorf("question %d, %q: said already %v, want %v", i+1, c.title, got, c.again)
		}
	}
}

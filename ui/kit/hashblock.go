package kit

import (
	"strings"

	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

// Fours cuts hex digits into groups of four, as people read them to each other.
func Fours(hex string) string {
	var groups []string
	for len(hex) > 4 {
		groups, hex = append(groups, hex[:4]), hex[4:]
	}
	return strings.Join(append(groups, hex), " ")
}

// fourLines puts eight groups on a line.
func fourLines(hex string) string {
	var lines []string
	for len(hex) > 32 {
		lines, hex = append(lines, Fours(hex[:32])), hex[32:]
	}
	return strings.Join(append(lines, Fours(hex)), "\n")
}

// HashBlock shows a hash in fours and, where there are any, in words below.
func HashBlock(hex string, words []string) fyne.CanvasObject {
	column := Column(10, NewText(fourLines(hex), Style{Size: theme.Hash, Weight: Mono, Wrap: true, Leading: 0.15}))
	if len(words) > 0 {
		column.Add(NewRule(theme.Line))
		column.Add(NewText(strings.Join(words, "  "), Style{Ink: theme.Soft, Wrap: true, Leading: 0.15}))
	}
	return On(NewFrame(theme.Well, theme.Rule, 6), 16, 12, column)
}

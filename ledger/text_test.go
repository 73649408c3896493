package ledger_test

import (
	"strings"
	"testing"

	"claviger/ledger"
)

func TestTextAtTheDoor(t *testing.T) {
	names := []string{"Ines Roth", "Zoë Šimková", "Αλέξανδρος", "李小龙", "محمد", "नमस्ते", "می‌خواهم", "O’Neill-Smith", "Siegfried 2.", "🔑"}
	for _, s := range names {
		if err := ledger.CheckName(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"one line\nand another", "", "  indented"} {
		if err := ledger.CheckText(s); err != nil {
			t.Errorf("the text %q: %v", s, err)
		}
		if err := ledger.CheckName(s); err == nil {
			t.Errorf("%q is accepted as a name", s)
		}
	}
	for what, s := range map[string]string{
		"invalid UTF-8":                 "a\xff",
		"a surrogate":                   "a\xed\xa0\x80",
		"not in normal form":            "Zoe\u0308",
		"an Ångström sign":              "\u212b",
		"NUL":                           "a\x00b",
		"a tab":                         "a\tb",
		"a carriage return":             "a\rb",
		"an escape":                     "a\x1b[31m",
		"a C1 control":                  "a\u0085b",
		"right-to-left override":        "a\u202egpj.exe",
		"left-to-right embedding":       "a\u202ab",
		"pop directional":               "a\u202cb",
		"an isolate":                    "a\u2066b\u2069",
		"a direction mark":              "a\u200fb",
		"an Arabic letter mark":         "a\u061cb",
		"zero width space":              "a\u200bb",
		"word joiner":                   "a\u2060b",
		"a byte order mark":             "\ufeffa",
		"a soft hyphen":                 "a\u00adb",
		"a line separator":              "a\u2028b",
		"private use":                   "\ue000",
		"a noncharacter":                "\uffff",
		"a tag":                         "a\U000e0041",
		"assigned only in Unicode 15.1": "\U0002ebf0",
		"assigned only in Unicode 16":   "\u1c89",
		"a flood of marks":              "a" + strings.Repeat("\u0323\u0331", 5),
	} {
		if err := ledger.CheckText(s); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	for what, s := range map[string]string{
		"only blanks":      "  ",
		"a blank in front": " a",
		"a blank behind":   "a ",
		"two blanks":       "a  b",
		"a no-break space": "a\u00a0b",
		"an em space":      "a\u2003b",
		"too long":         strings.Repeat("a", ledger.MaxName+1),
	} {
		if err := ledger.CheckName(s); err == nil {
			t.Errorf("%s: accepted as a name", what)
		}
	}
	for s, want := range map[string]bool{"Ines Roth": false, "Zoë 2.": false, "Αλέξης": true, "Анна": true, "Аnna": true, "李": true} {
		if got := ledger.NeedsTranscription(s); got != want {
			t.Errorf("%q needs a transcription: %v", s, got)
		}
	}
}

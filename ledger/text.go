package ledger

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/rangetable"
)

// UnicodeVersion bounds the characters that may be typed in: those whose
// normal form every program that reads a ledger agrees on.
const UnicodeVersion = "15.0.0"

// CheckText says whether typed text may enter the ledger: it is in normal form
// (NFC), every character is assigned in Unicode 15, and none can change how the
// rest is shown. Only newlines are allowed among the control characters. This is asked at
// the door and never by a checker, since tables drift between versions.
func CheckText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("the text isn't valid UTF-8")
	}
	assigned := rangetable.Assigned(UnicodeVersion)
	marks := 0
	for i, r := range s {
		if err := checkRune(r, assigned); err != nil {
			return fmt.Errorf("character %d of the text: %w", utf8.RuneCountInString(s[:i])+1, err)
		}
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		if marks > maxMarks {
			return fmt.Errorf("character %d of the text: more than %d marks on one letter", utf8.RuneCountInString(s[:i])+1, maxMarks)
		}
	}
	if !norm.NFC.IsNormalString(s) {
		return errors.New("the text isn't in Unicode normal form C: type its accented letters as one character each")
	}
	return nil
}

func checkRune(r rune, assigned *unicode.RangeTable) error {
	switch {
	case r == '\n':
		return nil
	case unicode.Is(unicode.Cc, r):
		return fmt.Errorf("U+%04X is a control character", r)
	case unicode.Is(unicode.Bidi_Control, r):
		return fmt.Errorf("U+%04X changes the direction of writing", r)
	case r == '\u200c' || r == '\u200d':
		// The joiners are part of how Persian and Indic words are written.
		return nil
	case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
		return fmt.Errorf("U+%04X can't be seen", r)
	case unicode.Is(unicode.Co, r) || !unicode.Is(assigned, r):
		return fmt.Errorf("U+%04X is no character of Unicode %s", r, UnicodeVersion)
	}
	return nil
}

// CheckName is CheckText for what stands in one line: names, labels, titles.
func CheckName(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("the name is empty")
	case len(s) > MaxName:
		return fmt.Errorf("the name is %d bytes long: at most %d are allowed", len(s), MaxName)
	case strings.Contains(s, "\n"):
		return errors.New("the name has more than one line")
	case strings.TrimSpace(s) != s || strings.Contains(s, "  "):
		return errors.New("the name has blanks that can't be seen")
	}
	for _, r := range s {
		if unicode.IsSpace(r) && r != ' ' {
			return fmt.Errorf("the name has the blank U+%04X, which looks like a space and isn't one", r)
		}
	}
	return CheckText(s)
}

// NeedsTranscription reports whether a name is written in a script other than
// Latin, so that a transcription has to stand beside it.
func NeedsTranscription(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) }) >= 0
}

package flow

import (
	"strings"

	"claviger/ceremony"
)

// Carried is the page that takes in a checkpoint from outside: where its file
// lies, or its text as pasted or scanned.
type Carried struct {
	Path, Text string
	Trouble    *Trouble // why the one before was not taken
}

// NewCarried is what was typed and pasted.
func NewCarried(path, text string) Carried {
	return Carried{Path: strings.TrimSpace(path), Text: strings.TrimSpace(text)}
}

// Wrong says what is missing.
func (c Carried) Wrong() Wrong {
	switch {
	case c.Path == "" && c.Text == "":
		return Wrong{"path": textTypeWhereFileLiesPaste}
	case c.Path != "" && c.Text != "":
		return Wrong{"text": textBringOneCheckpointTimeFile}
	}
	return nil
}

// Scanned says whether the text is a whole note. A scanner sends Enter after
// each line, so that Enter alone does not mean that it has ended.
func (c Carried) Scanned() bool {
	_, err := ceremony.ReadNote([]byte(c.Text))
	return err == nil
}

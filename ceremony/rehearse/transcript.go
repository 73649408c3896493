package rehearse

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"claviger/ceremony"
)

// transcript is a rehearsal in words, the same for every run of one script:
// what varies stands as <fingerprint>, <time>, <serial>.
type transcript struct {
	lines   []string
	secrets int
}

func (t *transcript) add(l string) { t.lines = append(t.lines, l) }

func (t *transcript) secret(p ceremony.Prompt) {
	t.secrets++
	t.add(fmt.Sprintf("      private entry: %s, %s", p.Kind, p.Who.Name))
}

var varies = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-f]{64,}`), "<fingerprint>"},
	{regexp.MustCompile(`[0-9a-f]{40}`), "<id>"},
	{regexp.MustCompile(`claviger[-a-z]*/[a-z2-7]{26}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+`), "<verifier key>"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "<serial>"},
	{regexp.MustCompile(`\bobject [0-9a-f]{8}\b`), "object <id>"},
	{regexp.MustCompile(`claviger-ledger-[a-z2-7]{8}`), "claviger-ledger-<site>"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}`), "<date>"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{3}`), "<number>"},
	{regexp.MustCompile(`\b[0-9]{2}:[0-9]{2}(:[0-9]{2})?\b`), "<time>"},
	{regexp.MustCompile(`[+-][0-9]+ s\b`), "<offset>"},
	{regexp.MustCompile(`(Module|Library|Manufacturer and model|Hardware, firmware): [^\n]*`), "$1: <as the token says>"},
	{regexp.MustCompile(`PR-[0-9]{6,9}`), "<bag>"},
	{regexp.MustCompile(`-[0-9a-f]{8}\.wrapped`), "-<part>.wrapped"},
	{regexp.MustCompile(`Report: [^\n]*`), "Report: <path>"},
	{regexp.MustCompile(`(?i)\b(set:?) [A-Z0-9]{4} [A-Z0-9]{4}\b`), "$1 <set>"},
	{regexp.MustCompile(`(Check value[^:\n]*): [0-9a-f]{6,10}\b`), "$1: <check value>"},
}

// Plain puts names in place of what varies between two runs of one script.
func Plain(text string) string {
	for _, v := range varies {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	return text
}

var firstLine = regexp.MustCompile(`^(Ceremony|Resuming ceremony) [0-9]{4}-[0-9]{3,6}[:,] `)

// IsTranscript says whether a text begins as what a rehearsal writes down.
func IsTranscript(text string) bool { return firstLine.MatchString(text) }

func (t *transcript) write(dir string) error {
	text := Plain(strings.Join(t.lines, "\n")) + fmt.Sprintf("\nprivate entries: %d\n", t.secrets)
	if err := os.WriteFile(filepath.Join(dir, "transcript.txt"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("couldn't write the transcript: %w", err)
	}
	return nil
}

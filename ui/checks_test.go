package ui

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whatever docs/ux-checks.md names as what shows a promise is there: the tests, and
// the scenes that play the window.
func TestWhatShowsThePromisesIsThere(t *testing.T) {
	const root = ".."
	said, err := os.ReadFile(filepath.Join(root, "docs/ux-checks.md"))
	if err != nil {
		t.Fatal(err)
	}
	scenes, err := os.ReadFile(filepath.Join(root, ".ci/look"))
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		tests.Write(src)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`Test\w+`).FindAllString(string(said), -1)
	for _, name := range names {
		if !strings.Contains(tests.String(), "\nfunc "+name+"(") {
			t.Errorf("there is no %s", name)
		}
	}
	played := regexp.MustCompile("look `([a-z_]+)`(?: and `([a-z_]+)`)?").FindAllStringSubmatch(string(said), -1)
	for _, look := range played {
		for _, scene := range look[1:] {
			if scene != "" && !strings.Contains(string(scenes), "\ndef "+scene+"():") {
				t.Errorf("make look has no scene %s", scene)
			}
		}
	}
	if len(names) < 30 || len(played) < 15 {
		t.Errorf("%d tests and %d scenes are named", len(names), len(played))
	}
}

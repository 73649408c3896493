package assets_test

import (
	"encoding/hex"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"claviger/assets"
	"claviger/ceremony/script"
)

// The example that the PGP word list is known by, and the same bytes shifted by
// one place, so that each is said with its other word.
func TestPGPWords(t *testing.T) {
	for input, want := range map[string]string{
		"E58294F2E9A227486E8B061B31CC528FD7FA3F19": "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless",
		"0000FFFF": "aardvark adroitness Zulu Yucatan",
		"":         "",
	} {
		b, err := hex.DecodeString(input)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(assets.PGPWords(b), " "); got != want {
			t.Errorf("%s is said %q, want %q", input, got, want)
		}
	}
}

// A word that stood for two bytes, or at both places, could not be told back.
func TestPGPWordsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for b := range 256 {
		for _, w := range []string{assets.PGPWords([]byte{byte(b)})[0], assets.PGPWords([]byte{0, byte(b)})[1]} {
			if seen[w] {
				t.Errorf("%q stands twice", w)
			}
			seen[w] = true
		}
	}
	if len(seen) != 512 {
		t.Errorf("%d words, want 512", len(seen))
	}
}

func TestPassphraseWords(t *testing.T) {
	words := assets.PassphraseWords()
	if len(words) != 6*6*6*6*6 {
		t.Errorf("%d words, want 7776: five dice", len(words))
	}
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Error("the words are not in order, or one stands twice")
	}
	for _, w := range words {
		if len(w) < 3 || len(w) > 9 || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%q is no word of 3 to 9 small letters", w)
		}
	}
}

// Each shipped script can be ordered as it is: every parameter has a default.
func TestShippedScripts(t *testing.T) {
	names, err := fs.Glob(assets.Scripts, "scripts/*.yaml")
	if err != nil || len(names) < 2 {
		t.Fatalf("scripts %q, %v", names, err)
	}
	for _, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "scripts/"), ".yaml")
		source, err := assets.Script(name)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := script.Parse(source, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if plan.Name != name {
			t.Errorf("%s calls itself %q", name, plan.Name)
		}
		bound, err := plan.Bind(nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkSpoken(t, name, bound)
	}
}

// A step is told in a few words and takes some minutes; what two officers
// authorise is a step that comes right after.
func checkSpoken(t *testing.T, name string, b *script.Bound) {
	steps := b.Steps()
	for i, s := range steps {
		if n := len(strings.Fields(s.Say)); n == 0 || n > 60 {
			t.Errorf("%s, step %s: %d words to read aloud", name, s.ID, n)
		}
		if strings.Contains(s.Title+s.Say, "{{") {
			t.Errorf("%s, step %s: a placeholder is left", name, s.ID)
		}
		if n := len(strings.Fields(s.Title)); n > 8 {
			t.Errorf("%s, step %s: a title of %d words", name, s.ID, n)
		}
		if s.Minutes == 0 {
			t.Errorf("%s, step %s: no minutes", name, s.ID)
		}
		if s.Kind != "authorise" {
			continue
		}
		if i+1 == len(steps) || steps[i+1].ID != s.With["step"] || !slices.Contains(steps[i+1].Needs, s.ID) {
			t.Errorf("%s, step %s authorises %q, which is not the next step or does not need it", name, s.ID, s.With["step"])
		}
	}
	last := b.Phases[len(b.Phases)-1]
	if steps[len(steps)-1].Kind != "seal" || last.Sign != nil {
		t.Errorf("%s does not end with the seal in a phase without sign-off", name)
	}
	for _, p := range b.Phases[:len(b.Phases)-1] {
		if len(p.Sign) < 2 || !slices.Equal(p.Sign[:2], []string{script.Administrator, script.Witness}) {
			t.Errorf("%s, phase %q is signed by %v", name, p.Title, p.Sign)
		}
	}
}

// Package assets embeds what Claviger carries with it and gives it by name: the
// shipped scripts, the default policy, the duties of each role, the word lists, the fonts and the icon. It knows nothing of
// ceremonies.
//
// # Sources
//
// words-eff.txt is the EFF's large word list for passphrases (Electronic Frontier
// Foundation, 2016, CC BY 3.0 US): 7776 words, chosen to be told apart when
// read, typed and heard. words-pgp.txt is the PGP word list (Juola and Zimmermann,
// 1995): a line for each byte value, the two-syllable word for even places and
// the three-syllable word for odd ones, so that a word left out, doubled or
// swapped is heard.
package assets

import (
	"bytes"
	"embed"
	"encoding/json"
	"io/fs"
	"path"
	"strings"
)

// Scripts holds scripts/NAME.yaml.
//
//go:embed scripts/*.yaml
var Scripts embed.FS

// Recovery is the recipe that is printed with the cards: how a key is rebuilt from k
// cards and a backup without this program.
//
//go:embed recovery.txt
var Recovery string

// RecoverProgram is the line of the recipe below which its program stands, to the end.
const RecoverProgram = "--- recover.py\n"

//go:embed duties.json
var duties []byte

//go:embed policy.json
var policy []byte

//go:embed words-pgp.txt
var wordsPGP string

//go:embed words-eff.txt
var wordsEFF string

// Script gives the shipped script of this name.
func Script(name string) ([]byte, error) { return Scripts.ReadFile("scripts/" + name + ".yaml") }

// Policy is the policy that a new site adopts unless its order names another.
func Policy() []byte { return bytes.Clone(policy) }

// Names lists the shipped scripts.
func Names() ([]string, error) {
	files, err := fs.Glob(Scripts, "scripts/*.yaml")
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return files, err
}

// Duties are what a person in these roles takes on, a sentence each.
func Duties(roles []string) []string {
	var all map[string][]string
	if err := json.Unmarshal(duties, &all); err != nil {
		panic("assets: duties.json: " + err.Error())
	}
	out := all["all"]
	for _, r := range roles {
		out = append(out, all[r]...)
	}
	return out
}

// PGPWords says bytes in words, one a byte, for reading aloud.
func PGPWords(b []byte) []string {
	list := strings.Fields(wordsPGP)
	words := make([]string, len(b))
	for i, c := range b {
		words[i] = list[2*int(c)+i%2]
	}
	return words
}

// PassphraseWords gives the words that passphrases are drawn from.
func PassphraseWords() []string { return strings.Fields(wordsEFF) }

package rehearse

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"claviger/hsm/hsmtest"
)

// canaries finds many secrets in one pass: each form of each is known by its first
// bytes, and compared as a whole where they occur.
type canaries struct {
	forms  map[[begins]byte][]form
	hunted []form
	count  int
}

const begins = 8

type form struct {
	what  string
	bytes []byte
}

// add hunts a secret as it is, in hex of both sizes, and in base64 of both alphabets
// at each of the three places at which it can begin among other bytes.
func (c *canaries) add(what string, sec []byte) {
	c.hunted = append(c.hunted, form{what, bytes.Clone(sec)})
	as := func(how string, b []byte) {
		if len(b) < begins {
			panic(what + ", " + how + ", is too short to be known again")
		}
		c.forms[[begins]byte(b)] = append(c.forms[[begins]byte(b)], form{what + ", " + how, b})
		c.count++
	}
	lower := hex.EncodeToString(sec)
	as("raw", bytes.Clone(sec))
	if upper := strings.ToUpper(lower); upper != lower {
		as("capital hex", []byte(upper))
	}
	as("hex", []byte(lower))
	for before := range 3 {
		// The letters at both ends depend on what stands beside it.
		first, last := (before*8+5)/6, (before+len(sec))*8/6
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), sec...))[first:last]
		as("base64", []byte(text))
		if url := strings.NewReplacer("+", "-", "/", "_").Replace(text); url != text {
			as("base64 for addresses", []byte(url))
		}
	}
}

// in names every secret that occurs in some bytes.
func (c *canaries) in(b []byte) []string {
	found := map[string]bool{}
	for i := 0; i+begins <= len(b); i++ {
		for _, f := range c.forms[[begins]byte(b[i:])] {
			if bytes.HasPrefix(b[i:], f.bytes) {
				found[f.what] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// inflated are the streams of a PDF as its writer made them, attachments too.
func inflated(pdf []byte) []byte {
	var out bytes.Buffer
	for _, part := range bytes.Split(pdf, []byte("stream"))[1:] {
		z, err := zlib.NewReader(bytes.NewReader(bytes.TrimLeft(part, "\r\n")))
		if err != nil {
			continue // it begins no compressed stream
		}
		io.Copy(&out, z) // as far as it goes; what stands in the file itself is hunted, too
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// everythingKnown are the canaries of a practice site: what its people wrote down and
// typed, and all that any set it ever had gives.
func everythingKnown(t *testing.T, s *Site) *canaries {
	t.Helper()
	c := &canaries{forms: map[[begins]byte][]form{}}
	files, err := os.ReadDir(s.Folder.Practice())
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, f := range files {
		if f.IsDir() || f.Name() == "softhsm2.conf" {
			continue
		}
		b, err := s.Prop.get(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		kind := strings.TrimPrefix(filepath.Ext(f.Name()), ".")
		if strings.HasSuffix(f.Name(), half) {
			kind = "half of the transport PIN"
		}
		kinds[kind]++
		c.add(f.Name(), b.Bytes())
		b.Wipe()
	}
	for _, id := range slices.Sorted(maps.Keys(s.State().Sets)) {
		set := s.State().Sets[id]
		kinds[set.Body.Purpose]++
		for _, h := range secretsOf(t, s, set) {
			c.add(set.Body.Name+": "+h.what, h.of.Bytes())
		}
	}
	for _, kind := range []string{"passphrase", "pin", "card", "half of the transport PIN", "activation", "recovery"} {
		if kinds[kind] == 0 {
			t.Fatalf("no %q is hunted: %v", kind, kinds)
		}
	}
	if kinds["activation"] < 2 || kinds["recovery"] < 2 {
		t.Fatalf("no set was changed: %v", kinds)
	}
	return c
}

// TestCanary: no secret of rehearsals occurs, in any form, in any byte outside
// SITE/practice, in what is printed, in the words of a PDF or inside its streams.
func TestCanary(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	site := filepath.Join(out, "site")
	s, _ := openSite(t, setting(site, nil))
	// A PIN of eight digits of hex would be met by chance one day.
	for _, id := range append([]string{"nadia-haddad"}, func() (ids []string) {
		for _, a := range Cast() {
			ids = append(ids, a.ID)
		}
		return ids
	}()...) {
		for _, name := range []string{id + ".pin", id + half} {
			pin, err := s.Prop.getOrDraw(name, 8)
			if err != nil {
				t.Fatal(err)
			}
			pin.Wipe()
		}
	}
	s.Close()
	var print bytes.Buffer
	play := func(name string, set map[string]string) {
		t.Helper()
		o := Options{Setting: setting(site, nil), Script: name, Out: filepath.Join(out, fmt.Sprint(print.Len())), Set: set, Print: &print}
		if err := Run(t.Context(), o); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"key-backup", "key-restore", "recovery-drill", "share-check", "custody", "enrol", "change-custodians"} {
		play(name, nil)
	}
	s, _ = openSite(t, setting(site, nil))
	recovery := s.State().SetFor(s.Token(), "so").Body.Name
	s.Close()
	play("change-custodians", map[string]string{"set": recovery})

	s, _ = openSite(t, setting(site, nil))
	hunted := everythingKnown(t, s)
	s.Close()
	// Whatever form a secret has and whatever stands around it, it is found.
	for _, f := range hunted.hunted {
		for _, before := range []string{"", "\xff", "\xff\xee", "\xff\xee\xdd"} {
			stands := []byte(before + string(f.bytes) + "\xcc\xbb")
			for how, b := range map[string][]byte{"raw": stands, "hex": []byte(hex.EncodeToString(stands)), "capital hex": fmt.Appendf(nil, "%X", stands),
				"base64": []byte(base64.StdEncoding.EncodeToString(stands)), "base64 for addresses": []byte(base64.URLEncoding.EncodeToString(stands))} {
				if !slices.ContainsFunc(hunted.in(b), func(what string) bool { return strings.HasPrefix(what, f.what+", ") }) {
					t.Fatalf("%s is not found in %s behind %d bytes", f.what, how, len(before))
				}
			}
		}
	}
	var places int
	var hunt int64
	ceremonies := len(s.State().Ceremonies)
	look := func(place string, b []byte) {
		places, hunt = places+1, hunt+int64(len(b))
		for _, what := range hunted.in(b) {
			t.Errorf("%s: occurs in %s", what, place)
		}
	}
	look("what was printed", print.Bytes())
	seen := map[[32]byte]bool{}
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path == s.Folder.Practice() {
				return fs.SkipDir
			}
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil || seen[sha256.Sum256(b)] {
			return err
		}
		seen[sha256.Sum256(b)] = true
		look(path, b)
		if filepath.Ext(path) != ".pdf" {
			return nil
		}
		streams := inflated(b)
		if !bytes.Contains(streams, []byte(`"kind":"ceremony.started"`)) {
			t.Errorf("the records inside %s were not read", path)
		}
		look("the streams of "+path, streams)
		words := tool(t, nil, b, "pdftotext", "-", "-")
		if !strings.Contains(words, "PRACTICE") {
			t.Errorf("the words of %s were not read", path)
		}
		look("the words of "+path, []byte(words))
		look("the words of "+path+", without blanks", []byte(strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return -1
			}
			return r
		}, words)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if hsmtest.Proof() && !t.Failed() {
		fmt.Printf("PROOF: canary: %d forms of %d secrets of %d ceremonies hunted in %d files, streams and texts, %d kB: none found\n", hunted.count, len(hunted.hunted), ceremonies, places, hunt>>10)
	}
}

package rehearse

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/report"
	"claviger/ceremony/script"
)

// backedUpSite is a practice site whose key was backed up, with that key.
func backedUpSite(t *testing.T) (*Site, *ceremony.Key) {
	t.Helper()
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.provide(t.Context(), "recovery-drill"); err != nil {
		t.Fatal(err)
	}
	return s, s.newestKey(backedUp)
}

// cardsOf reads the practice cards of a set, as many as suffice, from the last on.
func cardsOf(t *testing.T, s *Site, set *ceremony.Set) []string {
	t.Helper()
	var out []string
	for _, c := range set.Body.Cards[set.Body.Count-set.Body.Threshold:] {
		b, err := s.Prop.get(c.Holder + "." + strings.ReplaceAll(set.Body.Name, " ", "-") + ".card")
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b.Bytes()))
		b.Wipe()
	}
	return out
}

// attached takes the files out of a ceremony's evidence, as anyone can.
func attached(t *testing.T, s *Site, script string) string {
	t.Helper()
	evidence, err := s.Evidence(t.Context(), s.Last(script).Number)
	if err != nil {
		t.Fatal(err)
	}
	saved := t.TempDir()
	tool(t, nil, nil, "pdfdetach", "-saveall", "-o", saved, evidence)
	return saved
}

// TestRecoveryWithoutClaviger follows the recipe that the backup's evidence carries
// to the letter: its program, two cards and a medium give the key, whose public half
// has the fingerprint of the record. Ledger, workstation and tokens are not asked.
func TestRecoveryWithoutClaviger(t *testing.T) {
	s, key := backedUpSite(t)
	set := s.State().SetFor(s.Token(), "so")
	recipe, err := os.ReadFile(filepath.Join(attached(t, s, "key-backup"), report.RecoveryFile))
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(recipe), assets.RecoverProgram)
	if !found {
		t.Fatal("the recipe has no program")
	}
	path := filepath.Join(t.TempDir(), "recover.py")
	if err := os.WriteFile(path, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	medium := filepath.Join(s.Folder.Practice(), "media", strings.TrimPrefix(key.Backups()[1].Name, "medium "))
	files, err := os.ReadDir(medium)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	recover := func(cards ...string) ([]byte, string, error) {
		c := exec.CommandContext(t.Context(), "python3", append([]string{path, filepath.Join(medium, files[0].Name())}, cards...)...)
		var out, diag bytes.Buffer
		c.Stdout, c.Stderr = &out, &diag
		err := c.Run()
		return out.Bytes(), diag.String(), err
	}
	cards := cardsOf(t, s, set)
	der, said, err := recover(cards...)
	if err != nil {
		t.Fatalf("the recipe fails: %v\n%s", err, said)
	}
	if !strings.Contains(said, set.Body.Commitment) {
		t.Errorf("the recipe's commitment is not that of the record: %s", said)
	}
	spki := tool(t, nil, der, "openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER")
	if sum := sha256.Sum256([]byte(spki)); hex.EncodeToString(sum[:]) != key.Body.Fingerprint {
		t.Errorf("the key has the fingerprint %x, the record says %s", sum, key.Body.Fingerprint)
	}
	if _, _, err := recover(cards[0]); err == nil {
		t.Error("one card of two gave something")
	}
	activation := cardsOf(t, s, s.State().SetFor(s.Token(), "user"))
	if _, _, err := recover(activation...); err == nil {
		t.Error("cards of another set opened the backup")
	}
}

// TestRecipeIsPrinted: the paper script of every ceremony whose report can name the
// recipe has all of it on its last pages, to the letter, with the hash of the program
// that somebody may type from there; no other script has it.
func TestRecipeIsPrinted(t *testing.T) {
	_, program, _ := strings.Cut(assets.Recovery, assets.RecoverProgram)
	for _, name := range shipped(t) {
		plan, err := script.Parse(source(t, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		sizes := []report.PageSize{report.A4}
		if name == opening {
			sizes = append(sizes, report.Letter)
		}
		for _, size := range sizes {
			pdf, _, err := report.Paper(plan, func(string) string { return "" }, size)
			if err != nil {
				t.Fatal(err)
			}
			// As wide as a letter of the program, so that its blanks are read, too.
			paper := tool(t, nil, pdf, "pdftotext", "-layout", "-fixed", "4.74", "-", "-")
			before, typed, has := strings.Cut(paper, assets.RecoverProgram)
			if want := slices.Contains([]string{opening, "key-backup", "change-custodians"}, name); has != want {
				t.Errorf("%s, %s: the recipe is printed: %v, want %v", name, size, has, want)
				continue
			} else if !want {
				continue
			}
			for line := range strings.Lines(assets.Recovery) {
				if !strings.Contains(paper, strings.TrimSuffix(line, "\n")) {
					t.Errorf("%s, %s: %q is not on paper", name, size, line)
				}
			}
			typed, _, _ = strings.Cut(typed, "Script "+name+", version")
			typed = strings.ReplaceAll("\n"+typed, before[strings.LastIndex(before, "\n"):], "\n")
			if typed = strings.TrimSpace(typed) + "\n"; typed != program {
				t.Errorf("%s, %s: the program on paper is\n%s", name, size, typed)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(program))); !strings.Contains(strings.Join(strings.Fields(paper), ""), sum) {
				t.Errorf("%s, %s: the program's hash is not on paper", name, size)
			}
		}
	}
}

// TestTwoCopiesLieOnTwoMedia: a folder that holds a copy, and a place in which one is
// kept, are not taken for a second one; people are told, and each copy ends up in a
// file of its own, under a hash that was read back.
func TestTwoCopiesLieOnTwoMedia(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	first := map[string]string{}
	var told []string
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case p.Title == "Connect the medium for copy 1 of 2":
			first = a.Fields
		case p.Title != "Connect the medium for copy 2 of 2":
		case p.Problem == nil:
			a.Fields["folder"] = first["folder"]
		case len(told) == 0:
			told = append(told, p.Problem.Happened)
			a.Fields["folder"], a.Fields["kept"] = filepath.Join(s.Folder.Practice(), "media", "M-2"), first["kept"]
		default:
			told = append(told, p.Problem.Happened)
			a.Fields["folder"] = filepath.Join(s.Folder.Practice(), "media", "M-2")
		}
	}
	if err := s.provide(t.Context(), "recovery-drill"); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || !strings.Contains(told[0], first["folder"]) || !strings.Contains(told[0], "holds a copy of this backup already") || told[1] != `"Practice safe 1" is where medium M-1 is kept already.` {
		t.Errorf("told %q", told)
	}
	p := s.Last("key-backup")
	if len(p.Stored) != 2 || p.Stored[0].File == p.Stored[1].File || p.Stored[0].Where == p.Stored[1].Where {
		t.Fatalf("stored %+v", p.Stored)
	}
	for _, a := range p.Stored {
		b, err := os.ReadFile(filepath.Join(s.Folder.Practice(), "media", strings.TrimPrefix(a.Name, "medium "), a.File))
		if err != nil {
			t.Error(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != a.SHA256 {
			t.Errorf("%s holds a file of SHA-256 %x, the record says %s", a.Name, sum, a.SHA256)
		}
	}
}

// TestRecoveryNeedsNoLedger: what the recipe compares with stands in the evidence
// PDF of the opening, too.
func TestRecoveryNeedsNoLedger(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	set := s.State().SetFor(s.Token(), "so")
	saved := attached(t, s, opening)
	if recipe, err := os.ReadFile(filepath.Join(saved, report.RecoveryFile)); err != nil || string(recipe) != assets.Recovery {
		t.Errorf("the evidence of the opening does not carry the recipe: %v", err)
	}
	paper, _ := onPaper(t, s, s.Last(opening).Number)
	const is = "the last pages of the paper script, printed with it; also attached to this document as RECOVERY.txt."
	if n := strings.Count(paper, is); n != 2 {
		t.Errorf("the report says %d times, and not at the shares and on the key sheet, where the recipe is", n)
	}
	records, err := os.ReadFile(filepath.Join(saved, "records.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append([]string{set.Body.Commitment, set.Body.KCV}, set.Body.Cards[0].Fingerprint, set.Body.Cards[2].Fingerprint) {
		if !bytes.Contains(records, []byte(want)) {
			t.Errorf("the evidence of the opening does not carry %s", want)
		}
	}
}

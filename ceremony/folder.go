package ceremony

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"claviger/ledger"
)

// Folder is a site on disk: ledger.db, people/ for what can be erased, evidence/
// for documents, practice/ where practice secrets live. Files are 0600, folders
// 0700.
type Folder struct{ Dir string }

// OpenFolder makes the folder if it is missing and refuses one that others may
// write.
func OpenFolder(dir string) (*Folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("couldn't find the site folder %q: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("couldn't make the site folder %q: %w", dir, err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the site folder %q: %w", dir, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%q is a file; a site is a folder", dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("the site folder %q may be written by others (mode %04o); set it to 0700 and start again", dir, info.Mode().Perm())
	}
	for _, sub := range []string{"people", "evidence"} {
		if err := os.MkdirAll(filepath.Join(abs, sub), 0o700); err != nil {
			return nil, fmt.Errorf("couldn't make %q: %w", sub, err)
		}
	}
	return &Folder{Dir: abs}, nil
}

func (f *Folder) Ledger() string                  { return filepath.Join(f.Dir, "ledger.db") }
func (f *Folder) Policy() string                  { return filepath.Join(f.Dir, "policy.json") }
func (f *Folder) Practice() string                { return filepath.Join(f.Dir, "practice") }
func (f *Folder) Evidence(ceremony string) string { return filepath.Join(f.Dir, "evidence", ceremony) }

// Module is the path of the library by which a real site reaches its tokens. What is
// loaded in a ceremony, and its SHA-256, the ledger holds.
func (f *Folder) Module() (string, error) {
	b, err := os.ReadFile(filepath.Join(f.Dir, "module"))
	if err != nil {
		return "", fmt.Errorf("couldn't read by which library the tokens of this site are reached: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// SetModule names another library, after an update of the vendor's.
func (f *Folder) SetModule(path string) error {
	return replace(filepath.Join(f.Dir, "module"), []byte(path+"\n"))
}

var personID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// SaveSealed keeps a person's sealed signing key and gives the file's SHA-256.
func (f *Folder) SaveSealed(person string, sealed []byte) (string, error) {
	return f.savePerson(person, "age", sealed)
}

// SaveIdentity keeps what is known of a person's identity document, salted so that
// its SHA-256 in the record says nothing, and gives that. The file can be erased.
func (f *Folder) SaveIdentity(person string, salt []byte, kind, lastFour string) (string, error) {
	b, err := ledger.Encode(map[string]string{"document": kind, "last-four": lastFour, "person": person, "salt": hex.EncodeToString(salt)})
	if err != nil {
		return "", fmt.Errorf("couldn't encode the identity of %s: %w", person, err)
	}
	return f.savePerson(person, "identity", b)
}

// savePerson writes under the first free name: what is there is never overwritten.
func (f *Folder) savePerson(person, kind string, content []byte) (string, error) {
	if !personID.MatchString(person) {
		return "", fmt.Errorf("%q is not an id of a person", person)
	}
	for n := 1; ; n++ {
		name := person + "." + kind
		if n > 1 {
			name = fmt.Sprintf("%s.%d.%s", person, n, kind)
		}
		err := WriteNew(filepath.Join(f.Dir, "people", name), content)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		sum := sha256.Sum256(content)
		return hex.EncodeToString(sum[:]), err
	}
}

// erasure says that a person's document file was erased: what it was is gone, and
// that the record's SHA-256 has no file any more has its reason here.
const erasure = "erased"

// EraseIdentity erases what is kept of a person's identity documents and leaves a
// note with day, reason and the SHA-256 of each file. The record names them by
// SHA-256 alone, so it verifies as before. It gives those SHA-256s, none where
// nothing was left to erase. Copies of the folder are erased by themselves; on flash
// storage only the end of the whole medium is sure (NIST SP 800-88).
func (f *Folder) EraseIdentity(person, reason string, at time.Time) ([]string, error) {
	if err := ledger.CheckText(reason); err != nil || strings.TrimSpace(reason) == "" {
		return nil, fmt.Errorf("an erasure needs its reason, in words that can be printed")
	}
	var sums, paths []string
	err := f.eachOf(person, "identity", func(path, sum string, _ []byte) error {
		sums, paths = append(sums, sum), append(paths, path)
		return nil
	})
	if err != nil || len(sums) == 0 {
		return nil, err
	}
	note, err := ledger.Encode(map[string]any{"erased": sums, "on": Date(at), "person": person, "reason": reason})
	if err != nil {
		return nil, fmt.Errorf("couldn't encode the note of the erasure: %w", err)
	}
	// The note first: a crash between leaves files that are erased at the next call.
	if _, err := f.savePerson(person, erasure, note); err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("couldn't erase %s: %w", path, err)
		}
	}
	return sums, nil
}

// IdentityFile says what became of the document file that a record names.
func (f *Folder) IdentityFile(person, sum string) (string, error) {
	told := "missing"
	err := f.eachOf(person, erasure, func(_, _ string, note []byte) error {
		var b struct {
			Erased []string `json:"erased"`
			On     string   `json:"on"`
			Person string   `json:"person"`
			Reason string   `json:"reason"`
		}
		if err := json.Unmarshal(note, &b); err != nil {
			return fmt.Errorf("couldn't read the note of an erasure: %w", err)
		}
		if slices.Contains(b.Erased, sum) {
			told = "erased on " + b.On + ": " + b.Reason
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return told, f.eachOf(person, "identity", func(_, have string, _ []byte) error {
		if have == sum {
			told = "kept"
		}
		return nil
	})
}

// DropUnnamed removes a person's files that no record names: an enrolment that
// stopped before it was written, or a key that another took the place of.
func (f *Folder) DropUnnamed(person string, named ...string) error {
	return f.eachOf(person, "*", func(path string, sum string, _ []byte) error {
		if slices.Contains(named, sum) || filepath.Ext(path) == "."+erasure {
			return nil
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("couldn't remove the unused file %s: %w", path, err)
		}
		return nil
	})
}

// LoadSealed reads a sealed key back by the SHA-256 that the ledger holds.
func (f *Folder) LoadSealed(person, sum string) ([]byte, error) {
	var sealed []byte
	err := f.eachOf(person, "age", func(_ string, have string, content []byte) error {
		if have == sum {
			sealed = content
		}
		return nil
	})
	if err == nil && sealed == nil {
		err = fmt.Errorf("the sealed key of %s in %s is not the file that the ledger names; bring back the original from a copy of the site", person, filepath.Join(f.Dir, "people"))
	}
	return sealed, err
}

func (f *Folder) eachOf(person, kind string, do func(path, sum string, content []byte) error) error {
	if !personID.MatchString(person) {
		return fmt.Errorf("%q is not an id of a person", person)
	}
	dir := filepath.Join(f.Dir, "people")
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("couldn't look for the files of %s: %w", person, err)
	}
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), person+".") || kind != "*" && filepath.Ext(file.Name()) != "."+kind {
			continue
		}
		path := filepath.Join(dir, file.Name())
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("couldn't read %s: %w", path, err)
		}
		sum := sha256.Sum256(content)
		if err := do(path, hex.EncodeToString(sum[:]), content); err != nil {
			return err
		}
	}
	return nil
}

// WriteNew writes a file durably under a name that must be free: content, then
// fsync, then the folder's fsync, so that a crash leaves all of it or nothing.
func WriteNew(path string, content []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("couldn't write %s: %w", path, fs.ErrExist)
	}
	return writeAs(path, content, os.Link)
}

// replace writes a file durably in the place of an older one: a crash leaves the
// one or the other.
func replace(path string, content []byte) error { return writeAs(path, content, os.Rename) }

// reason is why a file operation failed, without the name of a file that nobody
// asked for.
func reason(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

func writeAs(path string, content []byte, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("couldn't write %s: %w", path, reason(err))
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = place(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("couldn't write %s: %w", path, reason(err))
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("couldn't make %s durable: %w", path, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("couldn't make %s durable: %w", path, err)
	}
	return nil
}

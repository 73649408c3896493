package ceremony

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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

var personID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// SaveSealed keeps a person's sealed signing key and gives the file's SHA-256.
// A name once taken is never overwritten.
func (f *Folder) SaveSealed(person string, sealed []byte) (string, error) {
	path, err := f.sealedPath(person)
	if err != nil {
		return "", err
	}
	if err := WriteNew(path, sealed); err != nil {
		return "", err
	}
	sum := sha256.Sum256(sealed)
	return hex.EncodeToString(sum[:]), nil
}

// DropSealed removes a sealed key that no record names: enrolment stopped
// before it was written.
func (f *Folder) DropSealed(person string) error {
	path, err := f.sealedPath(person)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("couldn't remove the unused key file of %s: %w", person, err)
	}
	return nil
}

// LoadSealed reads it back and demands the SHA-256 that the ledger holds.
func (f *Folder) LoadSealed(person, sum string) ([]byte, error) {
	path, err := f.sealedPath(person)
	if err != nil {
		return nil, err
	}
	sealed, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the sealed key of %s: %w", person, err)
	}
	if got := sha256.Sum256(sealed); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("the sealed key of %s, %s, is not the file that the ledger names; bring back the original from a copy of the site", person, path)
	}
	return sealed, nil
}

func (f *Folder) sealedPath(person string) (string, error) {
	if !personID.MatchString(person) {
		return "", fmt.Errorf("%q is not an id of a person", person)
	}
	return filepath.Join(f.Dir, "people", person+".age"), nil
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

func writeAs(path string, content []byte, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("couldn't write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = place(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("couldn't write %s: %w", path, err)
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

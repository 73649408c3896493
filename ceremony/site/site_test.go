package site

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
)

type host struct{}

func (host) Now() time.Time                   { return time.Now() }
func (host) Elapsed() time.Duration           { return 0 }
func (host) Program() ceremony.Program        { return ceremony.Program{Version: "test"} }
func (host) Facts(string) []ceremony.HostFact { return nil }

type nobody struct{}

func (nobody) Show(ceremony.Snapshot) {}

func (nobody) Ask(context.Context, ceremony.Prompt) (ceremony.Answer, error) {
	return ceremony.Answer{Action: ceremony.Abort}, nil
}

func setting(dir string) Setting {
	return Setting{Dir: dir, Host: host{}, Room: nobody{}, Module: os.Args[0]}
}

// A real site begins as record 0, for its owner's eyes alone, and is a real one ever
// after.
func TestCreateMakesAnEmptyRealSite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	s, err := Create(t.Context(), setting(dir), "Northwind Root CA")
	if err != nil {
		t.Fatal(err)
	}
	if st := s.State(); st.Size != 1 || st.Site.Practice || st.Site.Organisation != "Northwind Root CA" || s.Ready() {
		t.Errorf("it holds %d records: %+v", st.Size, st.Site)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read or write %s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Folder.Practice()); err == nil {
		t.Error("a real site has a practice folder")
	}

	again, err := Open(t.Context(), Setting{Dir: dir, Host: host{}, Room: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if module, err := again.Folder.Module(); err != nil || module != os.Args[0] {
		t.Errorf("the library is %q, %v", module, err)
	}
	if again.State().Size != 1 {
		t.Errorf("opened again it holds %d records", again.State().Size)
	}
}

func TestCreateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(dir string) error
		change  func(*Setting)
		org     string
		says    string
	}{
		"no organisation":    {org: " ", says: "organisation"},
		"no library":         {change: func(c *Setting) { c.Module = "/nowhere/lib.so" }, says: "there is no file /nowhere/lib.so"},
		"a library by name":  {change: func(c *Setting) { c.Module = "lib.so" }, says: "is not a whole path"},
		"others may read":    {prepare: func(dir string) error { return mkdir(dir, 0o755) }, says: "others may read or write"},
		"a group may write":  {prepare: func(dir string) error { return mkdir(dir, 0o770) }, says: "others may read or write"},
		"a file":             {prepare: func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, says: "not a folder"},
		"something is there": {prepare: func(dir string) error { return mkdir(filepath.Join(dir, "practice"), 0o700) }, says: `holds "practice" already`},
		"a site is there": {prepare: func(dir string) error {
			s, err := Create(context.Background(), setting(dir), "Another")
			if err != nil {
				return err
			}
			return s.Close()
		}, says: "there is a site in"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "site")
			if c.prepare != nil {
				if err := c.prepare(dir); err != nil {
					t.Fatal(err)
				}
			}
			set := setting(dir)
			if c.change != nil {
				c.change(&set)
			}
			org := "Northwind"
			if c.org != "" {
				org = c.org
			}
			s, err := Create(t.Context(), set, org)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it said %v, want %q", err, c.says)
			}
		})
	}
}

func mkdir(dir string, mode os.FileMode) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// A crash after the folder and the ledger were made leaves nothing in the way.
func TestCreateGoesOnAfterACrash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	half, err := create(t.Context(), setting(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := half.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Create(t.Context(), setting(dir), "Northwind")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.State().Size != 1 {
		t.Errorf("it holds %d records", s.State().Size)
	}
}

// Practice and real sites stay apart, whichever way one is opened as the other.
func TestPracticeAndRealStayApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	s, err := Create(t.Context(), setting(dir), "Northwind")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Practice(t.Context(), setting(dir), "Northwind"); err == nil || !strings.Contains(err.Error(), "is a real site") {
		s.Close()
		t.Errorf("a real site was opened for practice: %v", err)
	}
	if err := mkdir(filepath.Join(dir, "practice"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), setting(dir)); err == nil || !strings.Contains(err.Error(), "called practice") {
		s.Close()
		t.Errorf("a real site with practice secrets was opened: %v", err)
	}
}

func TestOpenWantsASite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if _, err := Open(t.Context(), setting(dir)); err == nil {
		t.Error("a site was opened where none is")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("its folder was made by looking for it")
	}
}

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/rehearse"
	"claviger/ledger/sqlite"
	"claviger/ui/flow"
)

// TestSecondWindowOnlyReads a site that the first has open, also through a link:
// it shows the verified record as it grows, names who writes it as the lock does,
// and neither adds a record nor leaves a file. A second process is refused.
func TestSecondWindowOnlyReads(t *testing.T) {
	host, argv, err := self()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "site")
	first := &program{practise: true, setting: rehearse.Setting{Dir: dir, Worker: argv, Host: host}}
	if _, err := first.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer first.close()
	line, err := os.ReadFile(filepath.Join(dir, "ledger.lock"))
	if err != nil {
		t.Fatal(err)
	}
	holder := strings.TrimSuffix(string(line), "\n")

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	second := &program{setting: rehearse.Setting{Dir: link, Worker: argv, Host: host}}
	shown := func() ceremony.LedgerView {
		t.Helper()
		s, err := second.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if l := s.Ledger; l.Holder != holder || !l.Verified || l.Records != first.site.State().Size || s.Ceremony != nil {
			t.Errorf("the second window shows %+v; the first has %d records", l, first.site.State().Size)
		}
		return s.Ledger
	}
	before := shown()

	// Nothing that changes the site goes, and nobody is asked for it.
	names := files(t, dir)
	room := asked{t}
	for what, act := range map[string]func() error{
		"starting": func() error {
			_, err := second.Run(t.Context(), room, flow.Start{Name: "key-generation"}, nil)
			return err
		},
		"taking in": func() error {
			return second.TakeIn(t.Context(), room, flow.Carried{Text: second.site.State().Note})
		},
		"evidence": func() error {
			_, err := second.MakeAgain(t.Context(), second.site.State().Ceremonies[0].Number)
			return err
		},
		"copying": func() error {
			_, err := second.CopyTo(t.Context(), "", flow.Target{Medium: flow.Medium{Mount: t.TempDir()}, Named: "Ledger A", Person: "marta-brandt"})
			return err
		},
	} {
		var problem *ceremony.Problem
		if err := act(); !errors.As(err, &problem) || !strings.Contains(problem.Happened, holder) {
			t.Errorf("%s in the second window: %v", what, err)
		}
	}
	if now := shown(); now.Records != before.Records || files(t, dir) != names {
		t.Errorf("the second window has left %s", files(t, dir))
	}

	// The first goes on, and the second sees it.
	source, err := assets.Script("key-generation")
	if err != nil {
		t.Fatal(err)
	}
	first.relay.set(practising(first.site).Cast())
	if err := practising(first.site).Begin(t.Context(), source, nil); err != nil {
		t.Fatal(err)
	}
	if after := shown(); after.Records <= before.Records {
		t.Errorf("still %d records", after.Records)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "claviger") // testscript runs the command of this name
	if err := os.Symlink(exe, other); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), other, "rehearse", "key-generation", "--site", link, "--out", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), holder) {
		t.Errorf("another process: %v\n%s", err, out)
	}

	// The first closes a plain file; whoever opens then is the writer.
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"ledger.db-wal", "ledger.db-shm"} {
		if _, err := os.Lstat(filepath.Join(dir, left)); err == nil {
			t.Errorf("%s is left", left)
		}
	}
	_, closed, err := sqlite.Digest(filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.close(); err != nil {
		t.Fatal(err)
	}
	if _, now, err := sqlite.Digest(filepath.Join(dir, "ledger.db")); err != nil || now != closed {
		t.Errorf("the second window has changed the file (%v)", err)
	}
	s, err := second.Snapshot(t.Context())
	if err != nil || s.Ledger.Holder != "" {
		t.Errorf("opened again: %+v, %v", s.Ledger, err)
	}
	if err := second.close(); err != nil {
		t.Error(err)
	}
}

// asked is a room in which nobody should be asked.
type asked struct{ t *testing.T }

func (a asked) Ask(_ context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	a.t.Errorf("somebody was asked: %s", p.Title)
	return ceremony.Answer{}, errors.New("nobody answers")
}

func (asked) Show(ceremony.Snapshot) {}

// files names what lies in a folder and below it.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

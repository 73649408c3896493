package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"claviger/ceremony"
	"claviger/ceremony/steps"
	"claviger/ledger/sqlite"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerArg {
		main() // the program finds its worker by its own file, which is this one
	}
	testscript.Main(m, map[string]func(){"claviger": main, "bare-window": bareWindow, "first-page": firstPageOf})
}

func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script")})
}

// TestKillNine ends the program with SIGKILL in the middle of a rehearsal, some
// records after the start, and goes on with --resume.
func TestKillNine(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "claviger")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// testscript.Main runs the command that the program is called by.
	if err := os.Symlink(self, exe); err != nil {
		t.Fatal(err)
	}
	kills := []int64{1, 30, 90, 121, 135, 150, 158, 165, 175}
	if os.Getenv("CLAVIGER_PROOF") == "1" {
		kills = nil
		for n := int64(1); n < 181; n += 4 {
			kills = append(kills, n)
		}
	}
	for _, n := range kills {
		t.Run(strconv.FormatInt(n, 10), func(t *testing.T) {
			out := t.TempDir()
			killAt(t, exe, out, n)
			b, err := exec.CommandContext(t.Context(), exe, "rehearse", "key-generation", "--out", out, "--resume").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			r, _, err := sqlite.OpenRead(t.Context(), filepath.Join(out, "site", "ledger.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			s, _, findings, err := ceremony.Fold(t.Context(), r, steps.Kinds())
			if err != nil || len(findings) > 0 {
				t.Fatal(findings, err)
			}
			if len(s.Keys) != 1 || s.Unfinished() != nil {
				t.Errorf("%d keys, unfinished %v", len(s.Keys), s.Unfinished())
			}
		})
	}
}

// killAt starts a rehearsal and ends it as soon as the ledger has n records.
func killAt(t *testing.T, exe, out string, n int64) {
	t.Helper()
	c := exec.CommandContext(t.Context(), exe, "rehearse", "key-generation", "--out", out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			// It was quicker than we could look: a whole ceremony is resumed, too.
			return
		case <-tick.C:
			if records(t, out) >= n {
				c.Process.Kill()
				<-done
				return
			}
		}
	}
}

func records(t *testing.T, out string) int64 {
	r, _, err := sqlite.OpenRead(t.Context(), filepath.Join(out, "site", "ledger.db"))
	if err != nil {
		return 0
	}
	defer r.Close()
	h, err := r.Head(t.Context())
	if err != nil {
		return 0
	}
	return h.Size
}

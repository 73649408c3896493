package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/site"
	"claviger/ceremony/steps"
	"claviger/ledger/sqlite"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == workerArg || os.Args[1] == site.CheckerArg) {
		main() // the program starts its own file, which is this one, for what runs apart
	}
	testscript.Main(m, map[string]func(){"claviger": main, "bare-window": bareWindow, "first-page": firstPageOf})
}

func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "script")})
}

// TestKillNine ends the program with SIGKILL in the middle of a rehearsal, some
// records after the start, and goes on with --resume: a few times in the
// everyday test, twenty times in every shipped script in the proof.
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
	kills := map[string][]int64{"key-generation": {1, 150, 190}}
	if os.Getenv("CLAVIGER_PROOF") == "1" {
		files, err := fs.Glob(assets.Scripts, "scripts/*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".yaml")
			out := t.TempDir()
			if b, err := exec.CommandContext(t.Context(), exe, "rehearse", name, "--out", out).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, b)
			}
			kills[name] = nil
			for n, all := int64(0), records(t, out); n < 20; n++ {
				kills[name] = append(kills[name], 1+n*all/20)
			}
		}
	}
	for name, after := range kills {
		sealed := 0
		for _, n := range after {
			if t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				out := t.TempDir()
				killAt(t, exe, name, out, n)
				b, err := exec.CommandContext(t.Context(), exe, "rehearse", name, "--out", out, "--resume").CombinedOutput()
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
				last := s.Ceremonies[len(s.Ceremonies)-1]
				if s.Unfinished() != nil || last.Plan.Name != name || last.Status != ceremony.SealedStatus {
					t.Errorf("the last ceremony is %s, %s", last.Plan.Name, last.Status)
				}
				if name == "key-generation" && len(s.Keys) != 1 {
					t.Errorf("%d keys", len(s.Keys))
				}
			}) {
				sealed++
			}
		}
		fmt.Printf("PROOF: %s: killed with SIGKILL %d times, resumed to a sealed, verifying ceremony %d times\n", name, len(after), sealed)
	}
}

// killAt starts a rehearsal and ends it as soon as the ledger has n records.
func killAt(t *testing.T, exe, name, out string, n int64) {
	t.Helper()
	c := exec.CommandContext(t.Context(), exe, "rehearse", name, "--out", out)
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

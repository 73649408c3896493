package main

import (
	"os"
	"slices"
	"testing"
	"time"

	"claviger/ceremony"
)

// TestFacts: the workstation answers every question, each with a verdict, and
// never passes what it could not read.
func TestFacts(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]ceremony.HostFact{}
	for _, f := range (host{}).Facts(dir) {
		if f.Label == "" || f.Value == "" || !slices.Contains([]string{pass, fail, unknown, notJudged}, f.Verdict) {
			t.Errorf("said %+v", f)
		}
		if _, twice := seen[f.Label]; twice {
			t.Errorf("%q is said twice", f.Label)
		}
		if f.Value == "could not be read" && f.Verdict != unknown {
			t.Errorf("%q could not be read and is a %s", f.Label, f.Verdict)
		}
		seen[f.Label] = f
	}
	for _, want := range []string{"Network", "Radios", "Swap", "Core dumps", "Memory of this program", "Other people logged in", "Hardware clock", "Time zone",
		"Disk of the site", "Who may read the site's folder", "Printer queue", "Removable media", "Kernel", "System", "Root file system", "Kernel's entropy count"} {
		if _, ok := seen[want]; !ok {
			t.Errorf("nothing is said of %q", want)
		}
	}
}

func TestFolderThatOthersRead(t *testing.T) {
	dir := t.TempDir()
	for mode, want := range map[os.FileMode]string{0o700: pass, 0o750: fail, 0o701: fail} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if f := permissions(dir); f.Verdict != want {
			t.Errorf("mode %04o: %+v, want %s", mode, f, want)
		}
		if f := permissions(dir + "/not/made/yet"); f.Verdict != want {
			t.Errorf("below mode %04o: %+v, want %s", mode, f, want)
		}
	}
}

func TestHardwareClockApart(t *testing.T) {
	if f := hardwareClock(time.Now().Add(time.Hour)); f.Verdict == pass {
		t.Errorf("an hour apart: %+v", f)
	}
}

package secret_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
)

// TestNoCopyIsLeft looks at this process's whole memory.
func TestNoCopyIsLeft(t *testing.T) {
	if !hsmtest.Undisturbed(t) {
		return
	}
	needle, err := secret.Random(24)
	if err != nil {
		t.Fatal(err)
	}
	defer needle.Wipe()
	copies := func(want int, when string) {
		t.Helper()
		got, err := hsmtest.Copies(os.Getpid(), needle)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: %d copies in memory, want %d", when, got, want)
		}
	}
	copies(0, "at first")
	typed := secret.New(64)
	for _, c := range needle.Bytes() {
		if err := typed.Append(c); err != nil {
			t.Fatal(err)
		}
	}
	copies(1, "after typing it")
	second := typed.Clone()
	_ = fmt.Sprintf("%v %x", typed, second)
	copies(2, "after a copy")
	second.Wipe()
	typed.Reset()
	copies(0, "after the wipe")
	typed.Wipe()
}

func TestLocked(t *testing.T) {
	b := secret.New(1)
	defer b.Wipe()
	if !b.Locked() {
		t.Skip("this account may not lock memory (ulimit -l)")
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(smaps)) {
		// lo: locked, dd: not in core dumps, wf: zero in a forked child.
		if strings.HasPrefix(line, "VmFlags:") && strings.Contains(line, " lo ") && strings.Contains(line, " dd ") && strings.Contains(line, " wf ") {
			return
		}
	}
	t.Error("no page is locked and left out of core dumps")
}

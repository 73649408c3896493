package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"claviger/ledger"
)

// What is named as a checkpoint's file may be anything: nothing is waited for
// and nothing large is read.
func TestReadCheckpointReadsFilesOnly(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "checkpoint.txt")
	if err := os.WriteFile(good, []byte("a note"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := readCheckpoint(good); err != nil || string(b) != "a note" {
		t.Errorf("read %q, %v", b, err)
	}
	large, pipe := filepath.Join(dir, "large"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(large, make([]byte, 2*ledger.MaxNote+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, large, pipe, filepath.Join(dir, "nothing")} {
		if _, err := readCheckpoint(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

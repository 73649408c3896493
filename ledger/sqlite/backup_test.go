package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claviger/ledger"
	"claviger/ledger/sqlite"
)

func TestBackup(t *testing.T) {
	s, _ := create(t)
	head, err := fill(t.Context(), s, 40)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy 1.db")
	c, err := s.Backup(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if c.Head != head || c.SHA256 != ledger.Hash(digest(t, path)) {
		t.Errorf("the receipt says %+v", c)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != c.Bytes {
		t.Errorf("%v, %v", info, err)
	}
	if left, _ := filepath.Glob(path + "-*"); len(left) > 0 {
		t.Errorf("left on the medium: %v", left)
	}
	if _, err := s.Backup(t.Context(), path); !errors.Is(err, os.ErrExist) {
		t.Errorf("over an earlier copy: %v", err)
	}
	if c.SHA256 != ledger.Hash(digest(t, path)) {
		t.Error("the earlier copy was touched")
	}
	if got, findings := inspect(t, path); got != head || len(findings) > 0 {
		t.Errorf("the copy: %v, %v", got, findings)
	}
	// The copy is a ledger that can go on where the other was lost.
	again, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fill(t.Context(), again, 1); err != nil || got.Size != 41 {
		t.Errorf("appending to the copy: %v, %v", got, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestBackupOfADamagedLedgerIsNoCopy(t *testing.T) {
	path, _ := written(t, 9)
	tamper(t, path, "DROP TRIGGER blob_update", `UPDATE blob SET bytes = x'00' WHERE bytes = CAST('shown 7' AS BLOB)`)
	r, _, err := sqlite.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	to := filepath.Join(t.TempDir(), "copy.db")
	if _, err := r.Backup(t.Context(), to); err == nil || !strings.Contains(err.Error(), "doesn't verify") {
		t.Error(err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Error("the bad copy is left behind")
	}
}

func TestExportAndImport(t *testing.T) {
	s, _ := create(t)
	head, err := fill(t.Context(), s, ledger.MaxBatch+50)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "export")
	if err := ledger.Export(t.Context(), s, dir); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Export(t.Context(), s, dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("over an earlier export: %v", err)
	}
	for name, into := range map[string]ledger.Store{"memory": ledger.NewMemory(), "sqlite": func() ledger.Store { s, _ := create(t); return s }()} {
		got, err := ledger.Import(t.Context(), dir, into)
		if err != nil || got != head {
			t.Errorf("into %s: %v, %v; want %v", name, got, err, head)
		}
		if again, findings, err := ledger.VerifyChain(t.Context(), into, nil); err != nil || again != head || len(findings) > 0 {
			t.Errorf("%s: %v, %v, %v", name, again, findings, err)
		}
		blobs := 0
		for range into.(ledger.BlobLister).Blobs(t.Context()) {
			blobs++
		}
		if blobs != ledger.MaxBatch+50 {
			t.Errorf("%s: %d blobs", name, blobs)
		}
		if _, err := ledger.Import(t.Context(), dir, into); err == nil {
			t.Errorf("%s: imported twice", name)
		}
	}
	records := filepath.Join(dir, "records.jsonl")
	good, err := os.ReadFile(records)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	for what, text := range map[string]string{
		"no newline at the end": strings.TrimSuffix(string(good), "\n"),
		"a blank line":          string(good) + "\n",
		"Windows line ends":     strings.ReplaceAll(string(good), "\n", "\r\n"),
		"a line left out":       lines[0] + strings.Join(lines[2:], ""),
		"a line twice":          lines[0] + string(good),
		"a digit changed":       strings.Replace(string(good), `"n":7`, `"n":8`, 1),
		"a line without end":    strings.Repeat("x", 1<<20),
	} {
		if err := os.WriteFile(records, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Import(t.Context(), dir, ledger.NewMemory()); err == nil {
			t.Errorf("%s: imported", what)
		}
	}
	if err := os.WriteFile(records, good, 0o600); err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, "blobs", ledger.BlobHash([]byte("shown 7")).String())
	if err := os.WriteFile(blob, []byte("shown 8"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Import(t.Context(), dir, ledger.NewMemory()); err == nil {
		t.Error("a blob changed: imported")
	}
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", blob); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Import(t.Context(), dir, ledger.NewMemory()); err == nil {
		t.Error("a link out of the folder: imported")
	}
}

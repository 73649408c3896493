package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// asAnyone runs f on a thread that has no more rights than a file's mode gives,
// even when the tests run as root. The thread ends with it.
func asAnyone(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(done)
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		err := unix.Capset(&header, &none[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// live is a ledger as a crash leaves it: in WAL mode, the log not yet in the file.
func live(t *testing.T, n int) string {
	t.Helper()
	path, _ := written(t, n)
	if out, err := another(t, "acknowledge", path, inject("pwrite64:signal=SIGKILL:when=60")...); err == nil {
		t.Fatal("it wasn't killed:", out)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Fatal("the log is empty:", err)
	}
	return path
}

func TestReadOnlyMedium(t *testing.T) {
	path, head := written(t, 9)
	sum := digest(t, path)
	protect := func(mode os.FileMode) {
		t.Helper()
		dir := filepath.Dir(path)
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(dir, 0o700) })
	}
	protect(0o500)
	asAnyone(t, func() {
		got, findings := inspect(t, path)
		if got != head || len(findings) > 0 {
			t.Errorf("%v, %v", got, findings)
		}
		r, _, err := sqlite.OpenRead(t.Context(), path)
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		if c, err := r.Backup(t.Context(), filepath.Join(t.TempDir(), "copy.db")); err != nil || c.Head != head {
			t.Errorf("a copy from there: %v, %v", c, err)
		}
	})
	if digest(t, path) != sum {
		t.Error("reading changed the file")
	}
	protect(0o700)

	// The same for a file that was copied there out of a running site.
	tamper(t, path, "PRAGMA journal_mode = WAL")
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	protect(0o500)
	asAnyone(t, func() {
		if got, findings := inspect(t, path); got != head || len(findings) > 0 {
			t.Errorf("in WAL mode: %v, %v", got, findings)
		}
	})
	// With its log it isn't whole by itself, and must not be read without it.
	path = live(t, 9)
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	protect(0o500)
	asAnyone(t, func() {
		r, _, err := sqlite.OpenRead(t.Context(), path)
		if err == nil {
			r.Close()
			t.Error("a ledger was read without its log")
		} else if !strings.Contains(err.Error(), "ledger.db-wal") {
			t.Errorf("it says: %v", err)
		}
	})
}

// Whoever copies the file alone out of a running site gets a ledger that ends
// earlier, not one that is wrong.
func TestCopiedWithoutItsLog(t *testing.T) {
	path := live(t, 9)
	whole, findings := inspect(t, path)
	if len(findings) > 0 || whole.Size <= 9 {
		t.Fatalf("%v, %v", whole, findings)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(t.TempDir(), "alone.db")
	if err := os.WriteFile(alone, b, 0o600); err != nil {
		t.Fatal(err)
	}
	part, findings := inspect(t, alone)
	if len(findings) > 0 || part.Size != 9 {
		t.Errorf("%v, %v", part, findings)
	}
	r, _, err := sqlite.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if root, err := ledger.RootAt(r, part.Size); err != nil || root != part.Root {
		t.Errorf("it isn't the beginning of the whole: %v", err)
	}
}

// One bit of one byte of a closed file, anywhere: nothing that is read as good
// differs from what was written.
func TestFlippedBits(t *testing.T) {
	path, head := written(t, 50)
	want := contents(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stride := 301
	if thorough() {
		stride = 1
	}
	noticed, slack := 0, 0
	for i := 0; i < len(whole); i += stride {
		b := slices.Clone(whole)
		b[i] ^= 1 << (i % 8)
		copied := filepath.Join(t.TempDir(), "ledger.db")
		if err := os.WriteFile(copied, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, findings, err := sqlite.OpenRead(t.Context(), copied)
		if err != nil {
			noticed++
			continue
		}
		got, more, err := ledger.VerifyChain(t.Context(), r, nil)
		blobs, berr := ledger.VerifyBlobs(t.Context(), r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || berr != nil || len(findings)+len(more)+len(blobs) > 0 {
			noticed++
			continue
		}
		slack++
		if got != head || !slices.Equal(contents(t, copied), want) {
			t.Errorf("a bit of byte %d flipped, and another ledger is read as good", i)
		}
	}
	if noticed == 0 {
		t.Error("nothing was ever noticed")
	}
	if thorough() {
		fmt.Printf("PROOF: ledger: a bit flipped in each of %d bytes of ledger.db: %d noticed; %d lie in unused space and change nothing that is read\n", noticed+slack, noticed, slack)
	}
}

package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// full says whether the full counts are asked for (make proof).
func full() bool { return os.Getenv("CLAVIGER_PROOF") == "1" }

var errDead = errors.New("the program is dead")

// mortal is the real store of a program that dies after some batches: what was
// written before stays, nothing is written after.
type mortal struct {
	*sqlite.Store
	left int
}

func (m *mortal) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	if m.left == 0 {
		return ledger.Head{}, errDead
	}
	m.left--
	return m.Store.Append(ctx, at, b)
}

// TestDeathAtEveryRecord: whichever batch was the last, the next start finds a
// ledger that verifies, and resuming ends in a sealed ceremony with exactly the
// keys that it should have.
func TestDeathAtEveryRecord(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script string
		keys   int
	}{{"key-generation", 1}, {opening, 0}} {
		t.Run(c.script, func(t *testing.T) {
			step := 17
			if full() {
				step = 1
			}
			points := 0
			for n := 1; ; n += step {
				if alive := dieAndResume(t, c.script, n, c.keys); alive {
					break
				}
				points++
			}
			if points < 4 {
				t.Errorf("only %d deaths", points)
			}
			fmt.Printf("PROOF: %s: %d deaths after a batch, each resumed to a sealed, verifying ceremony\n", c.script, points)
		})
	}
}

// dieAndResume reports whether the ceremony ended before the death was due.
func dieAndResume(t *testing.T, name string, batches, keys int) bool {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	if name != opening {
		dir = copySite(t)
	}
	source, err := Source(name)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := ceremony.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), folder.Ledger())
	if errors.Is(err, os.ErrNotExist) {
		store, err = sqlite.Create(t.Context(), folder.Ledger())
	}
	if err != nil {
		t.Fatal(err)
	}
	m := &mortal{store, batches}
	tr := &troupe{t: t}
	s, err := open(t.Context(), setting(dir, tr), folder, m)
	if err != nil {
		t.Fatal(err)
	}
	tr.site = s
	err = s.Begin(t.Context(), source, nil)
	acknowledged := s.State().Size
	s.Close()
	if err == nil {
		return true
	}
	if !errors.Is(err, errDead) {
		t.Fatalf("after %d batches: %v", batches, err)
	}

	s, tr = openSite(t, setting(dir, nil))
	defer s.Close()
	// A transport PIN that was replaced already counts as a wrong one, and people
	// decide about the login after it.
	var decision string
	decide(tr, &decision)
	if s.State().Size < acknowledged {
		t.Fatalf("after %d batches: %d records were acknowledged, %d are there", batches, acknowledged, s.State().Size)
	}
	err = nil
	if s.State().Unfinished() != nil {
		err = s.Resume(t.Context())
	} else if s.Last(name) == nil {
		err = s.Begin(t.Context(), source, nil)
	}
	if err != nil {
		t.Fatalf("after %d batches: %v", batches, err)
	}
	if s.State().Unfinished() != nil || s.Last(name) == nil {
		t.Fatalf("after %d batches: the ceremony is not sealed", batches)
	}
	holds(t, s, keys)
	return false
}

package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// TestMain lets the test binary be the other program: see helper_test.go.
func TestMain(m *testing.M) {
	if role := os.Getenv("CLAVIGER_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

type body struct {
	N    int64  `json:"n"`
	Text string `json:"text"`
}

func draft(n int64) ledger.Draft {
	return ledger.Draft{
		Ceremony: "2026-014", Kind: "step.result", V: 1, Time: time.Unix(1_800_000_000+n, 0),
		Body: body{N: n, Text: strings.Repeat("x", int(n%7)*60)},
	}
}

func create(t testing.TB) (*sqlite.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	s, err := sqlite.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, path
}

// fill appends n records one by one, each with a blob.
func fill(ctx context.Context, s ledger.Store, n int) (ledger.Head, error) {
	head, err := s.Head(ctx)
	for i := 0; err == nil && i < n; i++ {
		var records []ledger.Record
		if records, err = ledger.Build(head, draft(head.Size)); err == nil {
			head, err = s.Append(ctx, head, ledger.Batch{Records: records, Blobs: [][]byte{fmt.Append(nil, "shown ", head.Size)}})
		}
	}
	return head, err
}

// written is a closed ledger of n records.
func written(t testing.TB, n int) (string, ledger.Head) {
	t.Helper()
	s, path := create(t)
	head, err := fill(t.Context(), s, n)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, head
}

// inspect verifies a ledger as a checker would.
func inspect(t testing.TB, path string) (ledger.Head, []ledger.Finding) {
	t.Helper()
	r, findings, err := sqlite.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	head, more, err := ledger.VerifyChain(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := ledger.VerifyBlobs(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return head, slices.Concat(findings, more, blobs)
}

// tamper runs SQL on the file as any other program could.
func tamper(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestOneFileForItsOwner(t *testing.T) {
	path, head := written(t, 3)
	names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{path, filepath.Join(filepath.Dir(path), "ledger.lock")}; !slices.Equal(names, want) {
		t.Errorf("after closing, the folder holds %v", names)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := sqlite.Create(t.Context(), path); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating over a ledger: %v", err)
	}
	if got, findings := inspect(t, path); got != head || len(findings) > 0 {
		t.Errorf("%v, %v; want %v", got, findings, head)
	}
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fill(t.Context(), s, 2); err != nil || got.Size != 5 {
		t.Errorf("appending after opening again: %v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOneWriter(t *testing.T) {
	s, path := create(t)
	other := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(path), other); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "other.db")
	if err := os.Symlink(path, file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, filepath.Join(other, "ledger.db"), file} {
		_, err := sqlite.Open(t.Context(), name)
		locked, ok := errors.AsType[*sqlite.LockedError](err)
		if !ok || !strings.Contains(locked.Holder, fmt.Sprintf("process %d ", os.Getpid())) {
			t.Errorf("%s: %v", name, err)
		}
		r, findings, err := sqlite.OpenRead(t.Context(), name)
		if err != nil || len(findings) > 0 {
			t.Fatalf("reading %s beside the writer: %v, %v", name, findings, err)
		}
		head, err := fill(t.Context(), s, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Head(t.Context()); err != nil || got != head {
			t.Errorf("the reader sees %v, %v; the writer is at %v", got, err, head)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	// Hashing the file, as a backup does, must not drop any lock.
	if _, err := os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if out, err := another(t, "append", path); err == nil || !strings.Contains(out, "open for writing by process") {
		t.Errorf("another program appends: %s, %v", out, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := another(t, "append", path); err != nil {
		t.Errorf("once the first is gone: %s, %v", out, err)
	}
	if err := os.Link(path, filepath.Join(t.TempDir(), "hard.db")); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "2 names") {
		t.Errorf("a file with two names: %v", err)
	}
}

// A reader who stays, as a second window does, keeps nothing from the writer: it
// sees what is appended, and the writer's file comes to rest as if it were alone.
func TestReaderWhoStays(t *testing.T) {
	s, path := create(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		t.Fatal(err)
	}
	r, findings, err := sqlite.OpenBeside(t.Context(), filepath.Join(link, "ledger.db"))
	if err != nil || len(findings) > 0 {
		t.Fatal(findings, err)
	}
	defer r.Close()
	held := ledger.Held{Opened: r, Holder: "the first"}
	head, err := fill(t.Context(), s, 3)
	if err != nil {
		t.Fatal(err)
	}
	records, err := ledger.Build(head, draft(head.Size))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Append(t.Context(), head, ledger.Batch{Records: records}); err == nil || !strings.Contains(err.Error(), "the first writes it") {
		t.Errorf("appending beside the writer: %v", err)
	}
	if got, err := held.Head(t.Context()); err != nil || got != head {
		t.Errorf("the reader sees %v, %v; the writer is at %v", got, err, head)
	}
	for n, err := range held.Records(t.Context(), 0, ledger.End) {
		if err != nil || n.Seq >= head.Size {
			t.Fatal(n.Seq, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, before, err := sqlite.Digest(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := held.Head(t.Context()); err != nil || got != head {
		t.Errorf("once the writer is gone the reader sees %v, %v", got, err)
	}
	if _, after, err := sqlite.Digest(path); err != nil || after != before {
		t.Errorf("the reader has changed the closed file (%v)", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if f.Name() != "ledger.db" && f.Name() != "ledger.lock" {
			t.Errorf("%s is left beside the closed ledger", f.Name())
		}
	}
}

func TestNewerFormatIsNotTouched(t *testing.T) {
	path, _ := written(t, 3)
	tamper(t, path, "PRAGMA user_version = 2", "PRAGMA journal_mode = DELETE")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := sqlite.Open(t.Context(), path)
	_, _, rerr := sqlite.OpenRead(t.Context(), path)
	for _, err := range []error{werr, rerr} {
		if v, ok := errors.AsType[*sqlite.VersionError](err); !ok || v.Version != 2 {
			t.Errorf("a newer format: %v", err)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was touched (%v)", err)
	}
	if names, _ := filepath.Glob(path + "-*"); len(names) > 0 {
		t.Errorf("files were left: %v", names)
	}
}

func TestNotALedger(t *testing.T) {
	dir := t.TempDir()
	files := map[string][]byte{"empty": {}, "text": bytes.Repeat([]byte("not a ledger\n"), 99)}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tamper(t, filepath.Join(dir, "other"), "CREATE TABLE x (y)")
	for _, name := range []string{"empty", "text"} {
		if _, _, err := sqlite.OpenRead(t.Context(), filepath.Join(dir, name)); !errors.Is(err, sqlite.ErrNotLedger) {
			t.Errorf("reading %s: %v", name, err)
		}
	}
	for _, name := range []string{"empty", "text", "other"} {
		if _, err := sqlite.Open(t.Context(), filepath.Join(dir, name)); !errors.Is(err, sqlite.ErrNotLedger) {
			t.Errorf("writing %s: %v", name, err)
		}
	}
	if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, _, err := sqlite.OpenRead(t.Context(), filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading a missing file: %v", err)
	}
}

// The odd names that a folder can have are parts of a URI's syntax.
func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "50%", "a?mode=memory", "a#b", "a&b=c", "é", "a%20b", "semi;colon", "file:x"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Create(t.Context(), filepath.Join(dir, "ledger.db"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "ledger.db")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGuardRails(t *testing.T) {
	path, _ := written(t, 5)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range []string{
		"UPDATE record SET bytes = x'7b7d' WHERE seq = 1",
		"DELETE FROM record WHERE seq = 4",
		"DELETE FROM record",
		"INSERT INTO record VALUES (7, x'7b7d')",
		"INSERT OR REPLACE INTO record VALUES (1, x'7b7d')",
		"INSERT INTO record VALUES (5, 'text')",
		"UPDATE hash SET bytes = zeroblob(32)",
		"DELETE FROM hash",
		"INSERT OR REPLACE INTO hash VALUES (0, zeroblob(32))",
		"INSERT INTO hash VALUES (99, zeroblob(32))",
		"UPDATE blob SET bytes = x''",
		"DELETE FROM blob",
		"INSERT OR REPLACE INTO blob SELECT sha256, x'' FROM blob",
	} {
		if _, err := db.Exec(s); err == nil {
			t.Errorf("%s: accepted", s)
		}
	}
	if _, findings := inspect(t, path); len(findings) > 0 {
		t.Error(findings)
	}
}

func TestAnotherSchemaIsRefusedAndNamed(t *testing.T) {
	tests := map[string]struct {
		sql  []string
		says string
	}{
		"a trigger dropped": {[]string{"DROP TRIGGER record_update"}, `"record_update" is missing`},
		"a trigger changed": {[]string{"DROP TRIGGER hash_delete", "CREATE TRIGGER hash_delete BEFORE DELETE ON hash BEGIN SELECT 1; END"}, `"hash_delete"`},
		"a table added":     {[]string{"CREATE TABLE note (x)"}, `"note"`},
		"an index added":    {[]string{"CREATE INDEX i ON record (bytes)"}, `"i"`},
		"a view added":      {[]string{"CREATE VIEW v AS SELECT 1"}, `"v"`},
		"a table shadowed by a view": {[]string{
			"ALTER TABLE record RENAME TO hidden", "CREATE VIEW record AS SELECT * FROM hidden",
		}, `"record"`},
		"a column added":    {[]string{"ALTER TABLE blob ADD COLUMN x TEXT"}, `"blob"`},
		"another owner":     {[]string{"PRAGMA application_id = 1"}, "application_id"},
		"statistics stored": {[]string{"ANALYZE"}, `"sqlite_stat1"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path, head := written(t, 4)
			tamper(t, path, test.sql...)
			if _, err := sqlite.Open(t.Context(), path); err == nil || name != "another owner" && !strings.Contains(err.Error(), test.says) {
				t.Errorf("the writer says %v", err)
			}
			got, findings := inspect(t, path)
			if !slices.ContainsFunc(findings, func(f ledger.Finding) bool { return strings.Contains(f.What, test.says) }) {
				t.Errorf("the checker finds %v", findings)
			}
			if got != head {
				t.Errorf("the checker didn't go on to the records: %v", got)
			}
		})
	}
}

func TestDamageIsFoundAndNamed(t *testing.T) {
	free := []string{"PRAGMA ignore_check_constraints = 1", "DROP TRIGGER record_update", "DROP TRIGGER record_delete", "DROP TRIGGER record_insert", "DROP TRIGGER hash_update", "DROP TRIGGER hash_delete", "DROP TRIGGER hash_insert", "DROP TRIGGER blob_update"}
	tests := map[string]struct {
		sql  string
		seq  int64
		says string
	}{
		"a digit changed":           {`UPDATE record SET bytes = CAST(replace(CAST(bytes AS TEXT), '"n":7', '"n":8') AS BLOB) WHERE seq = 7`, 7, "isn't what was written"},
		"a record made unreadable":  {`UPDATE record SET bytes = x'00ff' WHERE seq = 7`, 7, "can't be read"},
		"a record deleted":          {`DELETE FROM record WHERE seq = 7`, 7, "missing"},
		"the first record deleted":  {`DELETE FROM record WHERE seq = 0`, 0, "missing"},
		"two records swapped":       {`UPDATE record SET bytes = (SELECT bytes FROM record r WHERE r.seq = 15 - record.seq) WHERE seq IN (7, 8)`, 7, "it says that it is record 8"},
		"a record doubled":          {`INSERT INTO record SELECT 20, bytes FROM record WHERE seq = 19`, 20, "it says that it is record 19"},
		"a negative record":         {`INSERT INTO record SELECT -1, bytes FROM record WHERE seq = 0`, -1, "without a gap"},
		"a record far away":         {`INSERT INTO record SELECT 9007199254740993, bytes FROM record WHERE seq = 0`, 20, "missing"},
		"a leaf hash changed":       {`UPDATE hash SET bytes = zeroblob(32) WHERE pos = 11`, 7, "the tree says"},
		"a leaf hash deleted":       {`DELETE FROM hash WHERE pos = 11`, 7, "missing"},
		"an inner hash changed":     {`UPDATE hash SET bytes = zeroblob(32) WHERE pos = 14`, 7, "position 14"},
		"an inner hash deleted":     {`DELETE FROM hash WHERE pos = 13`, 7, "position 13"},
		"a hash too many":           {`INSERT INTO hash VALUES (99, zeroblob(32))`, -1, "tree hashes"},
		"a blob changed":            {`UPDATE blob SET bytes = x'00' WHERE bytes = CAST('shown 7' AS BLOB)`, -1, "blob"},
		"a blob without a name":     {`UPDATE blob SET sha256 = x'' WHERE bytes = CAST('shown 7' AS BLOB)`, -1, "no SHA-256"},
		"the tail of records cut":   {`DELETE FROM record WHERE seq >= 18`, -1, "tree hashes"},
		"everything after 7 is cut": {`DELETE FROM record WHERE seq > 7`, -1, "tree hashes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path, head := written(t, 20)
			tamper(t, path, append(slices.Clone(free), test.sql)...)
			got, findings := inspect(t, path)
			findings = slices.DeleteFunc(findings, func(f ledger.Finding) bool { return strings.Contains(f.What, "trigger") })
			found := slices.ContainsFunc(findings, func(f ledger.Finding) bool { return f.Seq == test.seq && strings.Contains(f.What, test.says) })
			if !found {
				t.Errorf("found %v", findings)
			}
			for _, f := range findings {
				if f.Seq >= 0 && f.Seq < test.seq {
					t.Errorf("a good record is blamed: %v", f)
				}
			}
			if test.seq >= 0 && test.seq < 20 && !strings.Contains(name, "inner") && got.Size != test.seq {
				t.Errorf("the good part ends at %d", got.Size)
			}
			if strings.Contains(name, "inner") && got != head {
				t.Errorf("the records are good, but the head is %v", got)
			}
		})
	}
}

func TestFindingsAreBounded(t *testing.T) {
	path, _ := written(t, 300)
	tamper(t, path, "DROP TRIGGER record_update", `UPDATE record SET bytes = x'7b7d'`)
	if _, findings := inspect(t, path); len(findings) > ledger.MaxFindings+1 || !strings.Contains(findings[len(findings)-1].What, "ends here") {
		t.Errorf("%d findings, the last %v", len(findings), findings[len(findings)-1])
	}
}

func TestReading(t *testing.T) {
	path, head := written(t, 9)
	if got, findings := inspect(t, path); got != head || len(findings) > 0 {
		t.Errorf("%v, %v", got, findings)
	}
	if left, _ := filepath.Glob(path + "-*"); len(left) > 0 {
		t.Errorf("reading left %v", left)
	}
}

// A checker at work doesn't keep the ledger from being opened and closed, and
// never sees anything that isn't so.
func TestReadingMeanwhile(t *testing.T) {
	path, _ := written(t, 600)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			r, findings, err := sqlite.OpenRead(t.Context(), path)
			if err == nil {
				var more []ledger.Finding
				_, more, err = ledger.VerifyChain(t.Context(), r, nil)
				findings = append(findings, more...)
				err = errors.Join(err, r.Close())
			}
			if err != nil || len(findings) > 0 {
				done <- fmt.Errorf("%v, %w", findings, err)
				return
			}
		}
	}()
	for range 10 {
		s, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fill(t.Context(), s, 3); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if head, findings := inspect(t, path); head.Size != 630 || len(findings) > 0 {
		t.Errorf("%v, %v", head, findings)
	}
}

func digest(t testing.TB, path string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

func TestReserveHoldsRoom(t *testing.T) {
	s, path := create(t)
	if err := s.Reserve(t.Context(), 100_000); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(path), "ledger.reserve"))
	if err != nil || info.Size() < 200_000 {
		t.Errorf("%v, %v", info, err)
	}
	if err := s.Reserve(t.Context(), 1<<50); !errors.Is(err, ledger.ErrFull) {
		t.Errorf("more room than there is: %v", err)
	}
	if _, err := fill(t.Context(), s, 1); err != nil {
		t.Errorf("appending after that: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "ledger.reserve")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve is left behind: %v", err)
	}
}

// another runs this test binary as another program.
func another(t testing.TB, role, path string, wrap ...string) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(slices.Clone(wrap), exe)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "CLAVIGER_TEST_ROLE="+role, "CLAVIGER_TEST_LEDGER="+path)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// lines are what the other program said, one thing a line.
func lines(out string) []string {
	var all []string
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}

// contents is everything that can be read out of a ledger.
func contents(t *testing.T, path string) []string {
	t.Helper()
	r, _, err := sqlite.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []string
	for rec, err := range r.Records(t.Context(), 0, ledger.End) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(rec.Bytes))
	}
	for name, err := range r.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Blob(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

package rehearse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
	"claviger/ledger/powerloss"
	"claviger/ledger/sqlite"
)

// What a disk does to a rehearsed ceremony: the test program plays it in a
// process of its own, whose system calls strace records, or makes fail.

const (
	roleVar = "CLAVIGER_TEST_ROLE"
	siteVar = "CLAVIGER_TEST_SITE"
)

// init keeps the player on its first thread, the one that strace watches: only
// here is it certain to run there.
func init() {
	if os.Getenv(roleVar) != "" {
		runtime.LockOSThread()
	}
}

// playRole ends the program, after its work, where it stands for another.
func playRole() {
	role := os.Getenv(roleVar)
	if role == "" {
		return
	}
	if err := playScripts(context.Background(), role, os.Getenv(siteVar)); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// playScripts opens a site, if it is missing, or goes on with it; with
// "generation" it makes a key, too.
func playScripts(ctx context.Context, role, dir string) error {
	folder, err := ceremony.OpenFolder(dir)
	if err != nil {
		return err
	}
	store, err := storeFor(ctx, role, folder.Ledger())
	if err != nil {
		return err
	}
	os.Stdout.WriteString(powerloss.Opened)
	tr := &troupe{}
	s, err := open(ctx, setting(dir, tr), folder, telling{store})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	tr.site = s
	if !s.Ready() {
		err = s.Prepare(ctx)
	}
	if err == nil && role == "generation" {
		var source []byte
		if source, err = Source("key-generation"); err == nil {
			err = s.Begin(ctx, source, nil)
		}
	}
	return errors.Join(err, s.Close())
}

// telling says on standard output what the store has acknowledged.
type telling struct{ ledger.Store }

func (s telling) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	head, err := s.Store.Append(ctx, at, b)
	if err == nil {
		os.Stdout.WriteString(powerloss.Said(head))
	}
	return head, err
}

func storeFor(ctx context.Context, role, path string) (ledger.Store, error) {
	store, err := sqlite.Open(ctx, path)
	if errors.Is(err, os.ErrNotExist) {
		store, err = sqlite.Create(ctx, path)
	}
	if err != nil || role != "careless" {
		return store, err
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &careless{ledger.NewMemory(), db}, nil
}

// careless is the negative control: it doesn't ask the disk to keep each batch.
type careless struct {
	*ledger.Memory
	db *sql.DB
}

func (c *careless) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	head, err := c.Memory.Append(ctx, at, b)
	if err != nil {
		return head, err
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return head, err
	}
	for _, r := range b.Records {
		if _, err := tx.ExecContext(ctx, "INSERT INTO record VALUES (?, ?)", r.Seq, r.Bytes); err != nil {
			return head, errors.Join(err, tx.Rollback())
		}
	}
	return head, tx.Commit()
}

func (c *careless) Close() error { return c.db.Close() }

// another runs the player, behind another program's command line.
func another(t testing.TB, role, dir string, wrap ...string) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(slices.Clone(wrap), exe)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), roleVar+"="+role, siteVar+"="+dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestPowerLossInACeremony: the power fails after each call that a rehearsal
// made to its ledger's files, in every way a disk may take it.
func TestPowerLossInACeremony(t *testing.T) {
	trace := func(role string) []powerloss.Op {
		t.Helper()
		dir, log := filepath.Join(t.TempDir(), "site"), filepath.Join(t.TempDir(), "trace")
		if out, err := another(t, role, dir, powerloss.Strace(log)...); err != nil {
			t.Fatal(out, err)
		}
		f, err := os.Open(log)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ops, err := powerloss.Read(f, dir)
		if err != nil {
			t.Fatal(err)
		}
		return ops
	}
	ops := trace("generation")
	calls := powerloss.Calls(ops)
	// In the sample the stride is odd: writes of one batch come in no such rhythm.
	stride, ways := 1+calls/45|1, 5
	if full() {
		stride, ways = 1, 2+20000/calls
	}
	got, err := powerloss.Fail(t.Context(), ops, stride, ways, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got.States < 100 || full() && got.States < 20000 || got.Lost+got.Broken > 0 {
		t.Errorf("of %d states %d lost an acknowledged record and %d are broken; %s", got.States, got.Lost, got.Broken, got.First)
	}
	// Without a sync for each batch the same must lose some, or this sees nothing.
	control, err := powerloss.Fail(t.Context(), trace("careless"), stride, 5, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if control.Lost == 0 {
		t.Errorf("the negative control lost nothing in %d states", control.States)
	}
	each, written := powerloss.Syncs(ops)
	proof(t, "power: a rehearsal's %d batches, %d calls and %d bytes; the power failed in %d ways: no acknowledged record lost, no chain broken; negative control (synchronous=NORMAL): %d of %d lost one",
		len(each), calls, written, got.States, control.Lost, control.States)
}

// TestFailingDiskInACeremony: whatever the disk refuses, the act that needed the
// record does not happen, the message says so, nothing says "saved", and with a
// good disk the ceremony goes on to its one key.
func TestFailingDiskInACeremony(t *testing.T) {
	for _, c := range []struct {
		what, rule, says string
		all, sample      int // system calls to fail at
	}{
		{"a full disk", "pwrite64:error=ENOSPC:when=%d+", "full", 400, 1},
		{"a disk that can't write", "pwrite64:error=EIO:when=%d+", "could not be written", 400, 1},
		{"a disk that can't sync", "fsync:error=EIO:when=%d+", "could not be written", 60, 1},
		{"a disk that became read-only", "pwrite64:error=EROFS:when=%d+", "could not be written", 400, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			failed, told, points := 0, 0, c.sample
			if full() {
				points = 25
			}
			for i := range points {
				n := 1 + (2*i+1)*c.all/(2*points)
				dir := copySite(t)
				rule := fmt.Sprintf(c.rule, n)
				call, _, _ := strings.Cut(rule, ":")
				out, err := another(t, "generation", dir, "strace", "-qqq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+rule)
				if err == nil {
					continue
				}
				failed++
				said := lastSaid(t, out)
				if said > 0 && strings.Contains(out, c.says) {
					told++
				} else if said > 0 {
					t.Errorf("at call %d it says: %s", n, out)
				}
				goesOn(t, dir, said)
			}
			if failed == 0 || told == 0 {
				t.Errorf("%d ceremonies failed, %d said why", failed, told)
			}
			proof(t, "disk: %s, at %d system calls of a ceremony: told, no acknowledged record lost, no act without its record, resumed to its one key", c.what, failed)
		})
	}
}

// lastSaid is how many records were acknowledged.
func lastSaid(t *testing.T, out string) (size int64) {
	t.Helper()
	for line := range strings.Lines(out) {
		var last string
		fmt.Sscanf(line, "ack %d %s", &size, &last)
	}
	return size
}

// goesOn opens the site with a good disk, looks at what the token has, and
// brings the ceremony to its end.
func goesOn(t *testing.T, dir string, said int64) {
	t.Helper()
	s, _ := openSite(t, setting(dir, nil))
	defer s.Close()
	if s.State().Size < said {
		t.Fatalf("%d records were acknowledged, %d are there", said, s.State().Size)
	}
	intended := 0
	if p := s.State().Unfinished(); p != nil {
		for _, in := range p.Intents {
			if in.Body.Act.Do == "generate-key" {
				intended = 1
			}
		}
	}
	if made := (len(tokenKeys(t, s)) - 2*len(s.State().LedgerKeys)) / 2; s.State().Unfinished() != nil && made > intended {
		t.Errorf("the token has made %d keys, and the ledger told it to make %d", made, intended)
	}
	var err error
	if s.State().Unfinished() != nil {
		err = s.Resume(t.Context())
	} else if s.Last("key-generation") == nil {
		err = s.Begin(t.Context(), generation(t), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
}

package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"claviger/ledger/powerloss"
)

// trace runs the other program under strace and reads what it did.
func trace(t testing.TB, role string) []powerloss.Op {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.db")
	log := filepath.Join(t.TempDir(), "trace")
	if out, err := another(t, role, path, powerloss.Strace(log)...); err != nil {
		t.Fatal(out, err)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ops, err := powerloss.Read(f, filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

func powerFails(t *testing.T, ops []powerloss.Op, ways int) powerloss.Outcome {
	t.Helper()
	got, err := powerloss.Fail(t.Context(), ops, 1, ways, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestOneSyncARecord(t *testing.T) {
	each, written := powerloss.Syncs(trace(t, "acknowledge"))
	// The first one begins the log: its header and its name are synced as well.
	if len(each) != acknowledged || slices.Max(each[1:]) != 1 || slices.Min(each[1:]) != 1 {
		t.Errorf("syncs a record: %v", each)
	}
	if thorough() {
		fmt.Printf("PROOF: ledger: fsyncs for each of %d acknowledged records: %v; %d bytes written in all\n", acknowledged, each, written)
	}
}

func TestPowerLoss(t *testing.T) {
	ops := trace(t, "acknowledge")
	ways := 5
	if thorough() {
		ways = 1 + 40000/powerloss.Calls(ops)
	}
	got := powerFails(t, ops, ways)
	if got.States < 200 || got.Lost+got.Broken > 0 {
		t.Errorf("of %d states %d lost an acknowledged record, %d are broken; %s", got.States, got.Lost, got.Broken, got.First)
	}
	// Without a sync for each record the same states must lose some, or this
	// test sees nothing.
	control := powerFails(t, trace(t, "careless"), 5)
	if control.Lost == 0 {
		t.Errorf("the negative control lost nothing in %d states", control.States)
	}
	if thorough() {
		fmt.Printf("PROOF: ledger: power lost in %d ways: no acknowledged record lost, no chain broken; negative control (synchronous=NORMAL): %d of %d lost one\n", got.States, control.Lost, control.States)
	}
}

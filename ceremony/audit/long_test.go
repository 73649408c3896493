package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// lengthened is the played ledger with n records more: reports made again and
// again after its last ceremony, which no checkpoint covers.
func lengthened(t *testing.T, n int) (path string, size int64) {
	t.Helper()
	path = rebuilt(t, site(t), func(records []ledger.Record) []ledger.Record { return records })
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for end := head.Size + int64(n); head.Size < end; {
		drafts := make([]ledger.Draft, min(ledger.MaxBatch, end-head.Size))
		for i := range drafts {
			drafts[i] = ledger.Draft{Ceremony: number, Kind: ceremony.ReportMadeKind, V: 1, Time: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
				Body: ceremony.ReportMade{Document: "report", Edition: 2, Layout: 1, Pages: i}}
		}
		records, err := ledger.Build(head, drafts...)
		if err != nil {
			t.Fatal(err)
		}
		if head, err = s.Append(t.Context(), head, ledger.Batch{Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	return path, head.Size
}

// TestLongLedger: the same memory at its end as at its beginning, and somebody
// who waits hears how far it is.
func TestLongLedger(t *testing.T) {
	n := 40_000
	if os.Getenv("CLAVIGER_PROOF") != "" {
		n = 1_000_000
	}
	path, size := lengthened(t, n)
	var held []uint64
	var last, heard int64
	res := checkLedger(t, path, audit.Options{Told: func(done, total int64) {
		if total != size || done < last {
			t.Errorf("told of %d of %d records after %d", done, total, last)
		}
		last = done
		if heard++; heard%max(1, size/8192/10) != 0 {
			return
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		held = append(held, m.HeapAlloc)
	}})
	if !res.Holds() || res.Records != size || last != size {
		t.Fatalf("%+v, told of %d", res, last)
	}
	// A chunk or two of records, at most, is held by chance here or there.
	const chance = 4 << 20
	if len(held) < 4 || held[len(held)-1] > held[0]+chance {
		t.Errorf("bytes held on the way: %d", held)
	}
	if !t.Failed() && n == 1_000_000 {
		fmt.Printf("PROOF: audit: %d records verified by every rule: %d KiB held after the first part, %d KiB at the end\n", size, held[0]>>10, held[len(held)-1]>>10)
	}
}

// TestLongLedgerIsLeft when somebody asks for it: a verification that did not
// end says nothing of the ledger.
func TestLongLedgerIsLeft(t *testing.T) {
	path, _ := lengthened(t, 20_000)
	ctx, cancel := context.WithCancel(t.Context())
	res, err := audit.Ledger(ctx, path, audit.Options{Told: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) || res != nil {
		t.Errorf("%+v, %v", res, err)
	}
	if left, err := filepath.Glob(path + "-*"); err != nil || strings.Contains(strings.Join(left, " "), "journal") {
		t.Errorf("beside it lie %v, %v", left, err)
	}
}

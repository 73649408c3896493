package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"claviger/ledger"
)

// tampered is a ledger in which someone has put other lines and hashes.
type tampered struct {
	ledger.Reader
	lines  map[int64][]byte
	hashes map[int64]tlog.Hash
}

func (d tampered) Records(ctx context.Context, from, to int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for r, err := range d.Reader.Records(ctx, from, to) {
			if line, ok := d.lines[r.Seq]; ok {
				r, err = ledger.ParseAt(r.Seq, line)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (d tampered) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	hashes, err := d.Reader.ReadHashes(positions)
	for i, pos := range positions[:len(hashes)] {
		if h, ok := d.hashes[pos]; ok {
			hashes[i] = h
		}
	}
	return hashes, err
}

// thorough says whether the full counts are asked for.
func thorough() bool { return os.Getenv("CLAVIGER_PROOF") != "" }

// Every bit of every record and of every stored hash counts, and the record
// that was changed is the first that is named.
func TestEveryBit(t *testing.T) {
	s := ledger.NewMemory()
	head := fill(t, s, 50, 7)
	stride := 97
	if thorough() {
		stride = 1
	}
	flips := 0
	for _, r := range read(t, s, 0, ledger.End) {
		for bit := int(r.Seq) % stride; bit < 8*len(r.Bytes); bit += stride {
			line := bytes.Clone(r.Bytes)
			line[bit/8] ^= 1 << (bit % 8)
			good := int64(0)
			_, findings, err := ledger.VerifyChain(t.Context(), tampered{Reader: s, lines: map[int64][]byte{r.Seq: line}}, func(ledger.Record) error { good++; return nil })
			if err != nil || len(findings) == 0 || findings[0].Seq != r.Seq || good != r.Seq {
				t.Fatalf("bit %d of record %d flipped: %v, %v, %d good records", bit, r.Seq, findings, err, good)
			}
			flips++
		}
	}
	for pos := range tlog.StoredHashCount(head.Size) {
		hashes, err := s.ReadHashes([]int64{pos})
		if err != nil {
			t.Fatal(err)
		}
		_, seq := tlog.SplitStoredHashIndex(pos)
		for bit := int(pos) % stride; bit < 256; bit += stride {
			h := hashes[0]
			h[bit/8] ^= 1 << (bit % 8)
			_, findings, err := ledger.VerifyChain(t.Context(), tampered{Reader: s, hashes: map[int64]tlog.Hash{pos: h}}, nil)
			if err != nil || len(findings) == 0 {
				t.Fatalf("bit %d of hash %d (over %d) flipped: %v, %v", bit, pos, seq, findings, err)
			}
			flips++
		}
	}
	if thorough() {
		fmt.Printf("PROOF: ledger: %d bits of records and tree hashes flipped one at a time: each found, the record named\n", flips)
	}
}

// Someone who makes everything after a change again, hashes included, is only
// found by what stands outside the file: another head.
func TestRewrittenLedgerIsAnother(t *testing.T) {
	s := ledger.NewMemory()
	head := fill(t, s, 40, 40)
	forged := ledger.NewMemory()
	at := fill(t, forged, 10, 10)
	d := draft(10)
	d.Body = body{Text: "nothing happened here"}
	add(t, forged, at, d)
	other := fill(t, forged, 29, 29)
	if verify(t, forged) != other || other.Size != head.Size {
		t.Fatal("the rewritten ledger isn't consistent in itself")
	}
	if other.Root == head.Root || other.Last == head.Last {
		t.Error("two histories have one head")
	}
	for size := range head.Size + 1 {
		a, err := ledger.RootAt(s, size)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ledger.RootAt(forged, size)
		if err != nil {
			t.Fatal(err)
		}
		if (a == b) != (size <= 10) {
			t.Errorf("at size %d: %v and %v", size, a, b)
		}
	}
}

func TestVerifyStopsWhenAsked(t *testing.T) {
	s := ledger.NewMemory()
	fill(t, s, 3000, ledger.MaxBatch)
	enough := errors.New("enough")
	seen := 0
	_, findings, err := ledger.VerifyChain(t.Context(), s, func(ledger.Record) error {
		if seen++; seen == 700 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || len(findings) > 0 || seen != 700 {
		t.Errorf("%v, %v, %d seen", err, findings, seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err = ledger.VerifyChain(ctx, s, func(r ledger.Record) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A ledger that can't be read is an error, never a ledger that holds.
func TestUnreadableIsNotGood(t *testing.T) {
	s := ledger.NewMemory()
	fill(t, s, 20, 20)
	broken := errors.New("the disk is gone")
	_, _, err := ledger.VerifyChain(t.Context(), failing{s, broken}, nil)
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct {
	ledger.Reader
	err error
}

func (f failing) Records(ctx context.Context, from, to int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for r, err := range f.Reader.Records(ctx, from, 10) {
			if !yield(r, err) {
				return
			}
		}
		yield(ledger.Record{}, f.err)
	}
}

func TestLinesAreReadBack(t *testing.T) {
	s := ledger.NewMemory()
	fill(t, s, 30, 30)
	var out bytes.Buffer
	if err := ledger.WriteLines(&out, s.Records(t.Context(), 5, 12)); err != nil {
		t.Fatal(err)
	}
	var again []ledger.Record
	for r, err := range ledger.ReadLines(strings.NewReader(out.String())) {
		if err != nil {
			t.Fatal(err)
		}
		again = append(again, r)
	}
	want := read(t, s, 5, 12)
	if !slices.EqualFunc(again, want, func(a, b ledger.Record) bool { return bytes.Equal(a.Bytes, b.Bytes) && a.Leaf == b.Leaf }) {
		t.Errorf("%d lines came back of %d", len(again), len(want))
	}
}

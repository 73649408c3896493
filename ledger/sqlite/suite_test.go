package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// Every store of ours passes the same suite.
func TestStores(t *testing.T) {
	stores := map[string]func(t *testing.T) ledger.Store{
		"memory": func(*testing.T) ledger.Store { return ledger.NewMemory() },
		"sqlite": func(t *testing.T) ledger.Store {
			s, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	tests := map[string]func(t *testing.T, s ledger.Store){
		"an empty ledger":                  testEmpty,
		"what is appended is read back":    testAppend,
		"tree and proofs are RFC 6962's":   testTree,
		"a moved head is refused":          testMoved,
		"a batch is all or nothing":        testAllOrNothing,
		"blobs":                            testBlobs,
		"reading while reading":            testNested,
		"hashes that aren't there":         testNoHash,
		"one of many racing writers wins":  testRace,
		"what the caller keeps is its own": testOwnership,
	}
	for name, open := range stores {
		for what, test := range tests {
			t.Run(name+"/"+what, func(t *testing.T) {
				s := open(t)
				test(t, s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// grow appends n records in batches of at most each.
func grow(t testing.TB, s ledger.Store, n, each int) ledger.Head {
	t.Helper()
	ctx := context.Background()
	head, err := s.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for end := head.Size + int64(n); head.Size < end; {
		var drafts []ledger.Draft
		for i := head.Size; i < min(end, head.Size+int64(each)); i++ {
			drafts = append(drafts, draft(i))
		}
		head = add(t, s, head, drafts...)
	}
	return head
}

func add(t testing.TB, s ledger.Store, at ledger.Head, drafts ...ledger.Draft) ledger.Head {
	t.Helper()
	records, err := ledger.Build(at, drafts...)
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Append(context.Background(), at, ledger.Batch{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func read(t testing.TB, r ledger.Reader, from, to int64) []ledger.Record {
	t.Helper()
	var out []ledger.Record
	for rec, err := range r.Records(context.Background(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
	return out
}

func verify(t testing.TB, r ledger.Reader) ledger.Head {
	t.Helper()
	head, findings, err := ledger.VerifyChain(context.Background(), r, nil)
	if err != nil || len(findings) > 0 {
		t.Fatalf("the ledger doesn't verify: %v %v", findings, err)
	}
	return head
}

func testEmpty(t *testing.T, s ledger.Store) {
	head, err := s.Head(t.Context())
	if err != nil || head != ledger.Empty() {
		t.Fatalf("head %v, %v", head, err)
	}
	// RFC 6962 section 2.1: the hash of an empty list is the hash of nothing.
	if got := head.Root.String(); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error("root", got)
	}
	if n := len(read(t, s, 0, ledger.End)); n != 0 {
		t.Error(n, "records")
	}
	if verify(t, s) != head {
		t.Error("verification finds another head")
	}
}

func testAppend(t *testing.T, s ledger.Store) {
	head := grow(t, s, 23, 5)
	if head.Size != 23 {
		t.Fatal("size", head.Size)
	}
	again, err := s.Head(t.Context())
	if err != nil || again != head {
		t.Fatalf("Head says %v, %v; Append said %v", again, err, head)
	}
	prev := ledger.Hash{}
	for i, r := range read(t, s, 0, ledger.End) {
		var b body
		if err := ledger.Decode(r.Body, &b); err != nil {
			t.Fatal(err)
		}
		if r.Seq != int64(i) || r.Prev != prev || b.N != int64(i) || !r.Time.Equal(draft(b.N).Time) || r.Kind != "step.result" || r.Ceremony != "2026-014" || r.V != 1 {
			t.Errorf("record %d came back as %+v", i, r)
		}
		if r.Leaf != ledger.LeafHash(r.Bytes) {
			t.Errorf("leaf of record %d", i)
		}
		prev = r.Leaf
	}
	if prev != head.Last {
		t.Error("the head doesn't name the last record")
	}
	if got := read(t, s, 20, 22); len(got) != 2 || got[0].Seq != 20 {
		t.Errorf("records 20 and 21: %v", got)
	}
	if got := read(t, s, 22, 99); len(got) != 1 {
		t.Errorf("records from 22 on: %v", got)
	}
	if verify(t, s) != head {
		t.Error("verification finds another head")
	}
}

func testTree(t *testing.T, s ledger.Store) {
	head := grow(t, s, 70, 3)
	var roots []ledger.Hash
	for size := int64(0); size <= head.Size; size++ {
		want, err := tlog.TreeHash(size, s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.RootAt(s, size)
		if err != nil || got != ledger.Hash(want) {
			t.Fatalf("root at %d: %v, %v; tlog says %v", size, got, err, want)
		}
		roots = append(roots, got)
	}
	if roots[head.Size] != head.Root {
		t.Error("the head's root isn't the tree's")
	}
	for _, r := range read(t, s, 0, ledger.End) {
		for _, size := range []int64{r.Seq + 1, head.Size} {
			path, err := ledger.ProveInclusion(t.Context(), s, r.Seq, size)
			if err != nil {
				t.Fatal(err)
			}
			p := ledger.Proof{Seq: r.Seq, Path: path}
			if err := ledger.CheckProof(p, ledger.Checkpoint{Size: size, Root: roots[size]}, r.Leaf); err != nil {
				t.Error(err)
			}
			if err := ledger.CheckProof(p, ledger.Checkpoint{Size: size, Root: roots[size]}, r.Prev); err == nil {
				t.Errorf("the proof of record %d proves another record too", r.Seq)
			}
		}
	}
}

func testMoved(t *testing.T, s ledger.Store) {
	old := grow(t, s, 3, 1)
	head := grow(t, s, 1, 1)
	records, err := ledger.Build(old, draft(9))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), old, ledger.Batch{Records: records}); !errors.Is(err, ledger.ErrMoved) {
		t.Errorf("an old head: %v", err)
	}
	forged := head
	forged.Root[0] ^= 1
	if _, err := s.Append(t.Context(), forged, ledger.Batch{}); !errors.Is(err, ledger.ErrMoved) {
		t.Errorf("a head with another root: %v", err)
	}
	if got, err := s.Head(t.Context()); err != nil || got != head {
		t.Errorf("head %v, %v", got, err)
	}
	grow(t, s, 1, 1)
	verify(t, s)
}

func testAllOrNothing(t *testing.T, s ledger.Store) {
	head := grow(t, s, 4, 4)
	good, err := ledger.Build(head, draft(4), draft(5), draft(6))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]func(b *ledger.Batch){
		"a record left out": func(b *ledger.Batch) { b.Records = append(b.Records[:1:1], b.Records[2:]...) },
		"records swapped":   func(b *ledger.Batch) { b.Records[0], b.Records[1] = b.Records[1], b.Records[0] },
		"a record twice":    func(b *ledger.Batch) { b.Records = append(b.Records, b.Records[2]) },
		"bytes changed": func(b *ledger.Batch) {
			b.Records[1].Bytes = bytes.Replace(good[1].Bytes, []byte(`"n":5`), []byte(`"n":6`), 1)
		},
		"bytes not canonical":     func(b *ledger.Batch) { b.Records[2].Bytes = append(bytes.Clone(good[2].Bytes), ' ') },
		"a blob that is too much": func(b *ledger.Batch) { b.Blobs = [][]byte{make([]byte, ledger.MaxBlob+1)} },
	}
	for name, change := range bad {
		b := ledger.Batch{Records: append([]ledger.Record(nil), good...), Blobs: [][]byte{[]byte(name)}}
		change(&b)
		if _, err := s.Append(t.Context(), head, b); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if got, err := s.Head(t.Context()); err != nil || got != head {
			t.Errorf("%s: head %v, %v", name, got, err)
		}
		if _, err := s.Blob(t.Context(), ledger.BlobHash([]byte(name))); !errors.Is(err, ledger.ErrNoBlob) {
			t.Errorf("%s: its blob is there: %v", name, err)
		}
	}
	if got, err := s.Append(t.Context(), head, ledger.Batch{Records: good}); err != nil || got.Size != 7 {
		t.Errorf("the good batch: %v, %v", got, err)
	}
	verify(t, s)
}

func testBlobs(t *testing.T, s ledger.Store) {
	blobs := [][]byte{[]byte("shown content"), {}, bytes.Repeat([]byte{0, 1, 2, 255}, 50_000), []byte("shown content")}
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same content again is no mistake
		records, err := ledger.Build(head, draft(head.Size))
		if err != nil {
			t.Fatal(err)
		}
		if head, err = s.Append(t.Context(), head, ledger.Batch{Records: records, Blobs: blobs}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range blobs {
		got, err := s.Blob(t.Context(), ledger.BlobHash(want))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("blob of %d bytes: %d bytes, %v", len(want), len(got), err)
		}
	}
	var names []string
	for name, err := range s.(ledger.BlobLister).Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.String())
	}
	if len(names) != 3 || names[0] > names[1] || names[1] > names[2] {
		t.Errorf("blobs: %v", names)
	}
	if findings, err := ledger.VerifyBlobs(t.Context(), s.(ledger.BlobLister)); err != nil || len(findings) > 0 {
		t.Error(findings, err)
	}
}

// A fold reads blobs and appends while it walks the records.
func testNested(t *testing.T, s ledger.Store) {
	head := grow(t, s, 5, 5)
	seen := 0
	for r, err := range s.Records(t.Context(), 0, ledger.End) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Blob(t.Context(), r.Leaf); !errors.Is(err, ledger.ErrNoBlob) {
			t.Fatal(err)
		}
		if r.Seq < 3 {
			head = add(t, s, head, draft(head.Size))
		}
		seen++
	}
	if seen != 5 {
		t.Errorf("the walk saw %d records; 5 were there when it began", seen)
	}
	if verify(t, s).Size != 8 {
		t.Error("what was appended meanwhile isn't there")
	}
}

func testNoHash(t *testing.T, s ledger.Store) {
	grow(t, s, 3, 3)
	for _, positions := range [][]int64{{4}, {0, 4}, {2, 3, 4}, {-1}, {1 << 40}} {
		if _, err := s.ReadHashes(positions); !errors.Is(err, ledger.ErrNoHash) {
			t.Errorf("%v: %v", positions, err)
		}
	}
	got, err := s.ReadHashes([]int64{3, 0, 1, 3})
	if err != nil || len(got) != 4 || got[0] != got[3] {
		t.Errorf("hashes in any order: %v, %v", got, err)
	}
}

func testRace(t *testing.T, s ledger.Store) {
	const writers, rounds = 8, 20
	for range rounds {
		head, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan error, writers)
		for w := range writers {
			go func() {
				records, err := ledger.Build(head, ledger.Draft{Kind: "step.result", V: 1, Time: time.Unix(0, 0), Body: body{Text: fmt.Sprint(w)}})
				if err == nil {
					_, err = s.Append(t.Context(), head, ledger.Batch{Records: records})
				}
				results <- err
			}()
		}
		won := 0
		for range writers {
			switch err := <-results; {
			case err == nil:
				won++
			case !errors.Is(err, ledger.ErrMoved):
				t.Error(err)
			}
		}
		if won != 1 {
			t.Fatalf("%d writers appended behind one head", won)
		}
	}
	if verify(t, s).Size != rounds {
		t.Error("records lost")
	}
}

func testOwnership(t *testing.T, s ledger.Store) {
	head := grow(t, s, 2, 2)
	records, err := ledger.Build(head, draft(2))
	if err != nil {
		t.Fatal(err)
	}
	blob := []byte("content")
	name := ledger.BlobHash(blob)
	if _, err := s.Append(t.Context(), head, ledger.Batch{Records: records, Blobs: [][]byte{blob}}); err != nil {
		t.Fatal(err)
	}
	records[0].Bytes[0], blob[0] = 'X', 'X'
	for r := range s.Records(t.Context(), 0, ledger.End) {
		r.Bytes[1] = 'Y'
	}
	got, err := s.Blob(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	got[0] = 'Z'
	if _, err := s.Blob(t.Context(), name); err != nil {
		t.Error(err)
	}
	verify(t, s)
}

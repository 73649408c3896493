package ledger

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Finding is one thing in a ledger that does not hold.
type Finding struct {
	// Seq is the record it is about, -1 when it is about none.
	Seq int64
	// What is a sentence for people.
	What string
	// Unknown marks what this program is too old to judge, as opposed to what
	// is wrong.
	Unknown bool
}

// ParseAt is what a Reader yields for the line stored at seq.
func ParseAt(seq int64, line []byte) (Record, error) {
	r, err := Parse(line)
	if err == nil && r.Seq != seq {
		err = fmt.Errorf("it says that it is record %d", r.Seq)
	}
	if err != nil {
		return Record{Seq: seq, Bytes: line, Leaf: LeafHash(line)}, &DamagedError{seq, err}
	}
	return r, nil
}

// CheckBlob is what a Reader returns for bytes stored under a name.
func CheckBlob(sha256 Hash, b []byte) ([]byte, error) {
	if got := BlobHash(b); got != sha256 {
		return nil, &DamagedError{-1, fmt.Errorf("the blob %s holds bytes with the hash %s", sha256, got)}
	}
	return b, nil
}

// CheckBlobs refuses blobs that are too large to keep.
func CheckBlobs(blobs [][]byte) error {
	for _, b := range blobs {
		if len(b) > MaxBlob {
			return fmt.Errorf("a blob of %d bytes: at most %d are allowed", len(b), MaxBlob)
		}
	}
	return nil
}

// verifyChunk is how many records are held at once: enough to read hashes in
// long runs, and 32 MiB at the most.
const verifyChunk = 512

// VerifyChain reads the whole ledger, recomputes chain and tree, and compares
// every stored hash. each (which may be nil) gets the records up to the first
// bad one, in order: what follows a broken link proves nothing, so no rule is
// applied to it, but it is still looked at and listed. The head is that of
// those good records. The error is for a ledger that cannot be read, or each's.
//
// One goroutine reads and parses, the caller's verifies.
func VerifyChain(ctx context.Context, r Reader, each func(Record) error) (Head, []Finding, error) {
	ctx, cancel := context.WithCancel(ctx)
	chunks := make(chan []row, 2)
	failed := make(chan error, 1)
	go func() {
		defer close(chunks)
		failed <- readRows(ctx, r, chunks)
	}()
	c := chain{reader: r, head: Empty(), each: each}
	err := c.verifyAll(chunks)
	cancel()
	for range chunks { // the reader is the caller's again only when this ends
	}
	if rerr := <-failed; err == nil && !c.full() {
		err = rerr
	}
	return c.head, c.findings, err
}

type row struct {
	Record
	damaged *DamagedError
}

// readRows sends all records in chunks.
func readRows(ctx context.Context, r Reader, chunks chan<- []row) error {
	chunk := make([]row, 0, verifyChunk)
	send := func() bool {
		select {
		case chunks <- chunk:
			chunk = make([]row, 0, verifyChunk)
			return true
		case <-ctx.Done():
			return false
		}
	}
	for rec, err := range r.Records(ctx, 0, End) {
		damaged, ok := errors.AsType[*DamagedError](err)
		if err != nil && !ok {
			return err
		}
		if chunk = append(chunk, row{rec, damaged}); len(chunk) == verifyChunk && !send() {
			return ctx.Err()
		}
	}
	if !send() {
		return ctx.Err()
	}
	return nil
}

// chain is the state of one verification.
type chain struct {
	reader Reader
	each   func(Record) error

	seq      int64 // expected next
	last     Hash  // leaf of the row before
	tree     Tree  // of the good records
	head     Head  // of the good records
	broken   bool  // a bad record was met: the tree above is wrong by necessity
	findings []Finding
}

func (c *chain) full() bool { return len(c.findings) >= MaxFindings }

func (c *chain) find(seq int64, format string, args ...any) {
	switch {
	case len(c.findings) < MaxFindings-1:
		c.findings = append(c.findings, Finding{Seq: seq, What: fmt.Sprintf(format, args...)})
	case len(c.findings) == MaxFindings-1:
		c.findings = append(c.findings, Finding{Seq: seq, What: fmt.Sprintf("more does not hold from record %d on; the list ends here", seq)})
	}
}

func (c *chain) verifyAll(chunks <-chan []row) error {
	for chunk := range chunks {
		if err := c.verify(chunk); err != nil {
			return err
		}
		if c.full() {
			return nil
		}
	}
	return nil
}

func (c *chain) verify(chunk []row) error {
	stored, err := c.readStored(chunk)
	if err != nil {
		return err
	}
	var added []tlog.Hash
	for i, r := range chunk {
		stored := stored[i]
		c.broken = !c.isGood(r, stored) || c.broken
		c.seq, c.last = r.Seq+1, r.Leaf
		if c.broken {
			continue
		}
		added = c.tree.Add(r.Leaf, added[:0])
		c.compareTree(r.Seq, added, stored)
		c.head.Size, c.head.Last = c.seq, r.Leaf
		if c.each != nil {
			if err := c.each(r.Record); err != nil {
				return err
			}
		}
	}
	c.head.Root = c.tree.Root()
	return nil
}

// isGood compares a record with its place, its neighbour and its stored leaf.
func (c *chain) isGood(r row, stored []*tlog.Hash) bool {
	before := len(c.findings)
	if r.damaged != nil {
		c.find(r.Seq, "record %d can't be read: %v", r.Seq, r.damaged.Why)
	}
	switch {
	case len(stored) == 0 || stored[0] == nil:
		c.find(r.Seq, "the tree hash of record %d is missing", r.Seq)
	case Hash(*stored[0]) != r.Leaf:
		c.find(r.Seq, "record %d isn't what was written: its bytes hash to %s, the tree says %s", r.Seq, r.Leaf, Hash(*stored[0]))
	}
	switch {
	case r.Seq > c.seq:
		c.find(c.seq, "record %d is missing: the next one stored is %d", c.seq, r.Seq)
	case r.Seq < c.seq:
		c.find(r.Seq, "record %d stands where record %d should", r.Seq, c.seq)
	case r.damaged == nil && r.Prev != c.last:
		c.find(r.Seq, "record %d doesn't follow record %d: it names %s, but that record's hash is %s", r.Seq, r.Seq-1, r.Prev, c.last)
	}
	return len(c.findings) == before
}

// compareTree compares the roots of the subtrees that a record completes.
func (c *chain) compareTree(seq int64, added []tlog.Hash, stored []*tlog.Hash) {
	for i := 1; i < len(added); i++ {
		pos := tlog.StoredHashIndex(0, seq) + int64(i)
		switch got := stored[i]; {
		case got == nil:
			c.find(seq, "the tree hash at position %d, over record %d, is missing", pos, seq)
		case *got != added[i]:
			c.find(seq, "the tree hash at position %d, over record %d, is %s; computed again it is %s", pos, seq, Hash(*got), Hash(added[i]))
		}
	}
}

// readStored reads what is stored for each row: its leaf, then the roots of the
// subtrees that it completes; nil for a hash that is missing. Rows in order make
// one run of positions.
func (c *chain) readStored(chunk []row) ([][]*tlog.Hash, error) {
	positions := make([]int64, 0, 2*len(chunk)+64)
	ends := make([]int, len(chunk))
	for i, r := range chunk {
		if r.Seq >= 0 && r.Seq < MaxSafeInteger {
			for pos := tlog.StoredHashIndex(0, r.Seq); pos < tlog.StoredHashCount(r.Seq+1); pos++ {
				positions = append(positions, pos)
			}
		}
		ends[i] = len(positions)
	}
	all, err := c.readEach(positions)
	if err != nil {
		return nil, err
	}
	stored := make([][]*tlog.Hash, len(chunk))
	from := 0
	for i, end := range ends {
		stored[i], from = all[from:end], end
	}
	return stored, nil
}

// readEach reads hashes at once or, where some are missing, one by one.
func (c *chain) readEach(positions []int64) ([]*tlog.Hash, error) {
	out := make([]*tlog.Hash, len(positions))
	hashes, err := c.reader.ReadHashes(positions)
	if err == nil {
		for i := range hashes {
			out[i] = &hashes[i]
		}
		return out, nil
	}
	if !errors.Is(err, ErrNoHash) {
		return nil, err
	}
	for i, pos := range positions {
		hashes, err := c.reader.ReadHashes([]int64{pos})
		if errors.Is(err, ErrNoHash) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i] = &hashes[0]
	}
	return out, nil
}

// VerifyBlobs reads every blob and compares it with its name.
func VerifyBlobs(ctx context.Context, r BlobLister) ([]Finding, error) {
	var findings []Finding
	for name, err := range r.Blobs(ctx) {
		if err == nil {
			_, err = r.Blob(ctx, name)
		}
		if damaged, ok := errors.AsType[*DamagedError](err); ok {
			findings = append(findings, Finding{Seq: -1, What: damaged.Error()})
		} else if err != nil {
			return findings, err
		}
		if len(findings) >= MaxFindings {
			break
		}
	}
	return findings, nil
}

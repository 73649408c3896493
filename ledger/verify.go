package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"sync"

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
// long runs, and 32 MiB at the most. A power of two, so that a chunk is a whole
// subtree.
const verifyChunk = 512

// VerifyChain reads the whole ledger, recomputes chain and tree, and compares
// every stored hash. each (which may be nil) gets the records up to the first
// bad one, in order: what follows a broken link proves nothing, so no rule is
// applied to it, but it is still looked at and listed. The head is that of
// those good records. The error is for a ledger that cannot be read, or each's.
//
// Whole chunks are read and verified on all cores; from the first chunk on that
// isn't all good, one record after the other, to name what is bad.
func VerifyChain(ctx context.Context, r Reader, each func(Record) error) (Head, []Finding, error) {
	return (&chain{reader: r, each: each, canonical: true, head: Empty()}).verifyAll(ctx)
}

// VerifyTree is VerifyChain for bytes as they are: that each record is in
// canonical form isn't asked, only that it is the one which chain and tree name.
func VerifyTree(ctx context.Context, r Reader) (Head, []Finding, error) {
	return (&chain{reader: r, head: Empty()}).verifyAll(ctx)
}

// Line is a record as it is stored, unread.
type Line struct {
	Seq   int64
	Bytes []byte // valid until the next line is asked for
}

// lineReader is a Reader that can leave out the parsing.
type lineReader interface {
	Lines(ctx context.Context, from, to int64) iter.Seq2[Line, error]
}

// lines reads the stored lines of any Reader.
func lines(ctx context.Context, r Reader, from, to int64) iter.Seq2[Line, error] {
	if l, ok := r.(lineReader); ok {
		return l.Lines(ctx, from, to)
	}
	return func(yield func(Line, error) bool) {
		for rec, err := range r.Records(ctx, from, to) {
			if _, damaged := errors.AsType[*DamagedError](err); damaged {
				err = nil // its bytes are at hand, and are judged as any other's
			}
			if !yield(Line{rec.Seq, rec.Bytes}, err) {
				return
			}
		}
	}
}

type row struct {
	Record
	damaged *DamagedError
}

// read is a line with as much of it understood as the verification needs.
func (c *chain) read(l Line, after Hash) row {
	var rec Record
	var err error
	if c.canonical {
		rec, err = ParseAt(l.Seq, l.Bytes)
	} else {
		rec, err = linkAt(l.Seq, l.Bytes, after)
	}
	damaged, _ := errors.AsType[*DamagedError](err)
	return row{rec, damaged}
}

// linkAt reads from a line only what makes the chain. after is the leaf that it
// should name: comparing is faster than reading.
func linkAt(seq int64, line []byte, after Hash) (Record, error) {
	r := Record{Seq: seq, Bytes: line, Leaf: LeafHash(line)}
	const time = `,"time":"` + TimeFormat + `","v":1}`
	var buf [128]byte
	want := append(hex.AppendEncode(append(buf[:0], `,"prev":"`...), after[:]), `","seq":`...)
	want = strconv.AppendInt(want, seq, 10)
	if at := len(line) - len(time) - len(want); at > 0 && bytes.HasPrefix(line[at:], want) {
		r.Prev = after
		return r, nil
	}
	e := envelopeReader{scanner: scanner{b: line, pos: max(0, bytes.LastIndex(line, []byte(`,"prev":`)))}}
	r.Prev = e.hashAfter(`,"prev":`)
	if said := e.integerAfter(`,"seq":`); e.err == nil && said != seq {
		e.err = fmt.Errorf("it says that it is record %d", said)
	}
	if e.err != nil {
		return r, &DamagedError{seq, e.err}
	}
	return r, nil
}

// part is a chunk that was verified by itself.
type part struct {
	from    int64
	good    bool // whole, linked inside, and as its subtree says
	first   Hash // that its first record names
	last    Hash // leaf of its last record
	root    Hash
	above   []tlog.Hash // stored with its last record, over its own subtree
	records []Record    // if they are asked for
	err     error
}

// verifyPart verifies the chunk that begins at from.
func (c *chain) verifyPart(ctx context.Context, from int64) part {
	p := part{from: from}
	positions := make([]int64, 0, 2*verifyChunk+64)
	for pos := tlog.StoredHashIndex(0, from); pos < tlog.StoredHashCount(from+verifyChunk); pos++ {
		positions = append(positions, pos)
	}
	stored, err := c.reader.ReadHashes(positions)
	if err != nil {
		return p // missing, or unreadable: the slow way says which
	}
	var tree Tree // of this chunk alone
	var added []tlog.Hash
	want := from
	for l, err := range lines(ctx, c.reader, from, from+verifyChunk) {
		if err != nil {
			p.err = err
			return p
		}
		if c.each != nil {
			l.Bytes = bytes.Clone(l.Bytes)
		}
		r := c.read(l, p.last)
		if r.damaged != nil || r.Seq != want || want > from && r.Prev != p.last {
			return p
		}
		added = tree.Add(r.Leaf, added[:0])
		if len(added) > len(stored) || !slices.Equal(added, stored[:len(added)]) {
			return p
		}
		stored = stored[len(added):]
		if want == from {
			p.first = r.Prev
		}
		p.last = r.Leaf
		want++
		if c.each != nil {
			p.records = append(p.records, r.Record)
		}
	}
	p.good, p.root, p.above = want == from+verifyChunk, tree.Root(), stored
	return p
}

// parts verifies chunks on all cores and yields them in order, without an end.
func (c *chain) parts(ctx context.Context) iter.Seq[part] {
	return func(yield func(part) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait() // the reader is the caller's again only then
		defer cancel()
		var under []chan part // under way, the oldest first
		ahead := 1            // until the first is good: most ledgers are shorter than one
		for next := int64(0); ; ahead = runtime.GOMAXPROCS(0) + 1 {
			for len(under) < ahead {
				done, from := make(chan part, 1), next
				wg.Go(func() { done <- c.verifyPart(ctx, from) })
				under, next = append(under, done), next+verifyChunk
			}
			p := <-under[0]
			under = under[1:]
			if !yield(p) {
				return
			}
		}
	}
}

// verifyAll goes fast over what is good, and slowly from the first chunk on
// that is not, or not whole.
func (c *chain) verifyAll(ctx context.Context) (Head, []Finding, error) {
	var top Tree // of chunks
	for p := range c.parts(ctx) {
		if err := ctx.Err(); err != nil {
			return c.head, c.findings, err
		}
		if p.err != nil {
			return c.head, c.findings, p.err
		}
		peaks := slices.Clone(top.peaks)
		added := top.Add(p.root, nil)
		if !p.good || p.first != c.last || !slices.Equal(added[1:], p.above) {
			c.tree = Tree{size: c.seq, peaks: peaks}
			break
		}
		for i, r := range p.records {
			c.head.Size, c.head.Last = r.Seq+1, r.Leaf
			if err := c.each(r); err != nil {
				return c.head, c.findings, err
			}
			p.records[i] = Record{}
		}
		c.seq, c.last = p.from+verifyChunk, p.last
		c.head.Size, c.head.Last = c.seq, c.last
	}
	c.head.Root = c.tree.Root()
	err := c.verifyRest(ctx)
	return c.head, c.findings, err
}

// verifyRest goes on one record after the other.
func (c *chain) verifyRest(ctx context.Context) error {
	chunk := make([]row, 0, verifyChunk)
	for l, err := range lines(ctx, c.reader, c.seq, End) {
		if err != nil {
			return err
		}
		l.Bytes = bytes.Clone(l.Bytes)
		if chunk = append(chunk, c.read(l, c.last)); len(chunk) < verifyChunk {
			continue
		}
		if err := c.verify(chunk); err != nil || c.full() {
			return err
		}
		chunk = chunk[:0]
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return c.verify(chunk)
}

// chain is the state of one verification.
type chain struct {
	reader    Reader
	each      func(Record) error
	canonical bool // records are read whole

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

package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// Head says how long a ledger is and what it holds.
type Head struct {
	Size int64
	// Last is the leaf of the last record, zero when there is none.
	Last Hash
	// Root is the RFC 6962 tree hash of all records.
	Root Hash
}

// Batch is what one transaction adds: all of it or nothing.
type Batch struct {
	Records []Record
	Blobs   [][]byte
}

// Reader reads a ledger without being able to change it. It must be safe for
// concurrent use.
type Reader interface {
	Head(ctx context.Context) (Head, error)
	// Records yields the records from ≤ seq < to in order; [End] reaches to the
	// last. A record that cannot be read comes with a *DamagedError and only
	// Seq, Bytes and Leaf set; the caller may go on to the next one. Any other
	// error ends the sequence.
	Records(ctx context.Context, from, to int64) iter.Seq2[Record, error]
	// Blob returns the bytes with this SHA-256, or ErrNoBlob. Bytes that do not
	// hash to their name come with a *DamagedError.
	Blob(ctx context.Context, sha256 Hash) ([]byte, error)
	// HashReader gives the stored tree hashes in tlog order; a missing one is
	// an error that is ErrNoHash.
	tlog.HashReader
}

// Store is a ledger that can grow.
type Store interface {
	Reader
	// Append adds a batch behind the head that the caller built it on, durably
	// and in one transaction. If the ledger's head is another, nothing happens
	// and the error is ErrMoved; if there is no room, nothing happens and it is
	// ErrFull. After any other error nobody knows whether the batch is there:
	// Head must be read again before anything else is believed.
	Append(ctx context.Context, at Head, b Batch) (Head, error)
	Close() error
}

// Copy is a copy of a ledger that was read back and verified.
type Copy struct {
	Head   Head
	Bytes  int64
	SHA256 Hash
}

// Opened is a ledger that is read, and then let go of.
type Opened interface {
	BlobLister
	Close() error
}

// Held is a ledger that another program writes. Here it is read, and it refuses
// to grow.
type Held struct {
	Opened
	// Holder is the program that writes it, as that one names itself.
	Holder string
}

var _ Store = Held{}

// Append refuses.
func (h Held) Append(context.Context, Head, Batch) (Head, error) {
	return Head{}, fmt.Errorf("couldn't append to the ledger: %s writes it, and here it is only read", h.Holder)
}

// BlobLister is a Reader that can also say which blobs it holds, in the order
// of their names. A blob with a name that is no hash comes as a *DamagedError.
type BlobLister interface {
	Reader
	Blobs(ctx context.Context) iter.Seq2[Hash, error]
}

var (
	// ErrMoved means that the ledger no longer ends where the caller believes.
	ErrMoved = errors.New("the ledger has gone on meanwhile: read it again")
	// ErrFull means that there was no room and that nothing was written.
	ErrFull = errors.New("there is no room left on the disk; nothing was written: free some space and try again")
	// ErrUnreadable means that the disk or the file fails, not the ledger in it.
	ErrUnreadable = errors.New("the ledger's file can't be read or written properly")
	// ErrNoBlob means that the ledger does not hold the content asked for.
	ErrNoBlob = errors.New("the ledger doesn't hold this content")
	// ErrNoHash means that a tree hash is missing from the store.
	ErrNoHash = errors.New("the ledger lacks a tree hash")
)

// DamagedError is something stored that cannot be what was written.
type DamagedError struct {
	// Seq is the record's place, -1 for a blob.
	Seq int64
	Why error
}

func (e *DamagedError) Error() string {
	if e.Seq < 0 {
		return e.Why.Error()
	}
	return fmt.Sprintf("record %d is damaged: %v", e.Seq, e.Why)
}

func (e *DamagedError) Unwrap() error { return e.Why }

// Tree computes tree hashes as records are added, and remembers only the roots
// of the complete subtrees: at most 63 hashes for a ledger of any size.
// The zero value is the empty tree.
type Tree struct {
	size  int64
	peaks []tlog.Hash
}

// ReadTree restores the tree of the first size records from stored hashes.
func ReadTree(size int64, r tlog.HashReader) (*Tree, error) {
	t := &Tree{size: size}
	positions := make([]int64, 0, 63)
	for level, from := 62, int64(0); level >= 0; level-- {
		if size>>level&1 == 1 {
			positions = append(positions, tlog.StoredHashIndex(level, from>>level))
			from += 1 << level
		}
	}
	if size == 0 {
		return t, nil
	}
	var err error
	t.peaks, err = r.ReadHashes(positions)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the tree of %d records: %w", size, err)
	}
	return t, nil
}

// Clone returns a tree that grows apart from t.
func (t *Tree) Clone() *Tree {
	return &Tree{size: t.size, peaks: append([]tlog.Hash(nil), t.peaks...)}
}

// Add adds a leaf and appends to stored the hashes that tlog stores for it:
// the leaf, then the root of each subtree that it completes.
func (t *Tree) Add(leaf Hash, stored []tlog.Hash) []tlog.Hash {
	h := tlog.Hash(leaf)
	stored = append(stored, h)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.peaks) - 1
		h = tlog.NodeHash(t.peaks[last], h)
		t.peaks = t.peaks[:last]
		stored = append(stored, h)
	}
	t.peaks = append(t.peaks, h)
	t.size++
	return stored
}

// Root is the RFC 6962 tree hash; of no records, the hash of nothing.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return BlobHash(nil)
	}
	last := len(t.peaks) - 1
	h := t.peaks[last]
	for i := last - 1; i >= 0; i-- {
		h = tlog.NodeHash(t.peaks[i], h)
	}
	return Hash(h)
}

// Empty is the head of a ledger without records.
func Empty() Head { return Head{Root: new(Tree).Root()} }

// Advance checks that records follow the head, adds them to the tree (which
// must be the head's) and returns the new head and the hashes to store behind
// those that are stored already.
func (t *Tree) Advance(at Head, records []Record) (Head, []tlog.Hash, error) {
	if t.size != at.Size || t.Root() != at.Root {
		return Head{}, nil, ErrMoved
	}
	if len(records) > MaxBatch {
		return Head{}, nil, fmt.Errorf("a batch of %d records: at most %d are allowed", len(records), MaxBatch)
	}
	var stored []tlog.Hash
	for _, r := range records {
		again, err := Parse(r.Bytes)
		if err != nil {
			return Head{}, nil, fmt.Errorf("couldn't append record %d: %w", at.Size, err)
		}
		if again.Seq != at.Size || again.Prev != at.Last || again.Leaf != r.Leaf {
			return Head{}, nil, fmt.Errorf("couldn't append record %d: it doesn't follow a ledger of %d records", again.Seq, at.Size)
		}
		stored = t.Add(again.Leaf, stored)
		at.Size, at.Last = at.Size+1, again.Leaf
	}
	at.Root = t.Root()
	return at, stored, nil
}

// RootAt is the tree hash that the ledger had when it held size records: what
// a checkpoint carried out of the room is compared with.
func RootAt(r tlog.HashReader, size int64) (Hash, error) {
	t, err := ReadTree(size, r)
	if err != nil {
		return Hash{}, err
	}
	return t.Root(), nil
}

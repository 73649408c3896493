package ledger

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// Memory is a Store that is gone when the program ends.
type Memory struct {
	mu     sync.RWMutex // guards all below
	tree   *Tree
	head   Head
	lines  [][]byte
	hashes []tlog.Hash
	blobs  map[Hash][]byte
}

var (
	_ Store      = (*Memory)(nil)
	_ BlobLister = (*Memory)(nil)
)

// NewMemory returns an empty ledger.
func NewMemory() *Memory {
	return &Memory{tree: new(Tree), head: Empty(), blobs: map[Hash][]byte{}}
}

// Clone returns a ledger with the same content, which goes on by itself.
func (m *Memory) Clone() *Memory {
	m.mu.RLock()
	defer m.mu.RUnlock()
	// Lines, hashes and blobs that are there are never changed, only added to.
	return &Memory{tree: &Tree{size: m.tree.size, peaks: slices.Clone(m.tree.peaks)}, head: m.head, lines: slices.Clip(m.lines), hashes: slices.Clip(m.hashes), blobs: maps.Clone(m.blobs)}
}

// Head returns where the ledger ends.
func (m *Memory) Head(context.Context) (Head, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.head, nil
}

// Records yields records in order.
func (m *Memory) Records(ctx context.Context, from, to int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		m.mu.RLock()
		lines := m.lines
		m.mu.RUnlock()
		for seq := max(from, 0); seq < min(to, int64(len(lines))); seq++ {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(ParseAt(seq, bytes.Clone(lines[seq]))) {
				return
			}
		}
	}
}

// Blob returns the bytes with this SHA-256.
func (m *Memory) Blob(_ context.Context, sha256 Hash) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	b, ok := m.blobs[sha256]
	if !ok {
		return nil, fmt.Errorf("couldn't find blob %s: %w", sha256, ErrNoBlob)
	}
	return CheckBlob(sha256, bytes.Clone(b))
}

// Blobs yields the names of all blobs in order.
func (m *Memory) Blobs(context.Context) iter.Seq2[Hash, error] {
	return func(yield func(Hash, error) bool) {
		m.mu.RLock()
		names := slices.SortedFunc(maps.Keys(m.blobs), func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
		m.mu.RUnlock()
		for _, h := range names {
			if !yield(h, nil) {
				return
			}
		}
	}
}

// ReadHashes returns stored tree hashes.
func (m *Memory) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]tlog.Hash, len(positions))
	for i, pos := range positions {
		if pos < 0 || pos >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("couldn't read tree hash %d: %w", pos, ErrNoHash)
		}
		out[i] = m.hashes[pos]
	}
	return out, nil
}

// Append adds a batch behind the head.
func (m *Memory) Append(ctx context.Context, at Head, b Batch) (Head, error) {
	if err := ctx.Err(); err != nil {
		return Head{}, err
	}
	if err := CheckBlobs(b.Blobs); err != nil {
		return Head{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at != m.head {
		return Head{}, ErrMoved
	}
	tree := m.tree.Clone()
	head, stored, err := tree.Advance(at, b.Records)
	if err != nil {
		return Head{}, err
	}
	for _, r := range b.Records {
		m.lines = append(m.lines, bytes.Clone(r.Bytes))
	}
	for _, blob := range b.Blobs {
		m.blobs[BlobHash(blob)] = bytes.Clone(blob)
	}
	m.hashes = append(m.hashes, stored...)
	m.tree, m.head = tree, head
	return head, nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

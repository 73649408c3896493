package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"claviger/ledger"
)

// Backup writes a copy of the ledger, as it is at this moment, to a path that
// must not exist, makes it durable, reads it back from the medium and verifies
// all of it. A copy that fails is removed. Appends may go on meanwhile.
func (r *Reader) Backup(ctx context.Context, path string) (ledger.Copy, error) {
	path, err := filepath.Abs(path) // so that no name can be taken for a URI
	if err != nil {
		return ledger.Copy{}, fmt.Errorf("couldn't copy the ledger: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return ledger.Copy{}, fmt.Errorf("couldn't copy the ledger: %w", err)
	}
	defer f.Close()
	c, err := r.copyTo(ctx, f)
	if err != nil {
		return ledger.Copy{}, errors.Join(fmt.Errorf("couldn't copy the ledger to %s: %w", path, full(explain(err))), os.Remove(path))
	}
	return c, nil
}

func (r *Reader) copyTo(ctx context.Context, f *os.File) (ledger.Copy, error) {
	if err := r.vacuumInto(ctx, f.Name()); err != nil {
		return ledger.Copy{}, err
	}
	if err := errors.Join(f.Sync(), syncDir(filepath.Dir(f.Name()))); err != nil {
		return ledger.Copy{}, err
	}
	// What is verified shall come from the medium, not from memory.
	dropCache(f)
	head, err := verifyFile(ctx, f.Name())
	if err != nil {
		return ledger.Copy{}, err
	}
	root, err := ledger.RootAt(r, head.Size)
	if err != nil {
		return ledger.Copy{}, err
	}
	if root != head.Root {
		return ledger.Copy{}, fmt.Errorf("the copy holds %d records that aren't this ledger's", head.Size)
	}
	size, sum, err := Digest(f.Name())
	return ledger.Copy{Head: head, Bytes: size, SHA256: sum}, err
}

// OpenCopy opens a copy, to be verified by its records' meaning, too.
func (r *Reader) OpenCopy(ctx context.Context, path string) (ledger.Opened, []ledger.Finding, error) {
	c, findings, err := OpenRead(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	return c, findings, nil
}

// vacuumInto uses a connection of its own: query_only forbids writing to any
// file, and mode=ro alone keeps the ledger from being written.
func (r *Reader) vacuumInto(ctx context.Context, path string) error {
	db, err := openDB(r.path, r.options)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return errors.Join(err, db.Close())
}

// verifyFile verifies that the file holds what chain and tree say. Whether its
// records are well formed is a question to the ledger that it is a copy of.
func verifyFile(ctx context.Context, path string) (ledger.Head, error) {
	r, findings, err := OpenRead(ctx, path)
	if err != nil {
		return ledger.Head{}, err
	}
	defer r.Close()
	head, more, err := ledger.VerifyTree(ctx, r)
	if err != nil {
		return ledger.Head{}, err
	}
	blobs, err := ledger.VerifyBlobs(ctx, r)
	if err != nil {
		return ledger.Head{}, err
	}
	for _, found := range [][]ledger.Finding{findings, more, blobs} {
		if len(found) > 0 {
			return ledger.Head{}, fmt.Errorf("the copy doesn't verify: %s", found[0].What)
		}
	}
	return head, nil
}

// Digest is the length and the SHA-256 of a closed ledger or of a copy: what a
// receipt says about the file as a whole, unused bytes included. A file whose last
// records still stand in its log is not closed.
func Digest(path string) (int64, ledger.Hash, error) {
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		return 0, ledger.Hash{}, fmt.Errorf("couldn't hash the ledger's file: its last records may still stand in %s beside it", filepath.Base(log.Name()))
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, ledger.Hash{}, fmt.Errorf("couldn't hash the ledger's file: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return 0, ledger.Hash{}, fmt.Errorf("couldn't hash the ledger's file: %w", err)
	}
	return n, ledger.Hash(h.Sum(nil)), nil
}

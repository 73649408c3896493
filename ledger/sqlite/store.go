package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
	sqlite3 "modernc.org/sqlite/lib"

	"claviger/ledger"
)

// Store is the one writer of a ledger file. It is safe for concurrent use.
type Store struct {
	*Reader // over connections of its own, which can't write

	mu      sync.Mutex // held through every Append, guards all below
	db      *sql.DB    // one connection
	write   statements // prepared on it
	lock    *lock
	reserve *reserve
	head    ledger.Head
	tree    *ledger.Tree
	// stale is set while head and tree may not be what is on the disk.
	stale bool
	// broken is the error after which only opening again can tell.
	broken error
}

var (
	_ ledger.Store      = (*Store)(nil)
	_ ledger.BlobLister = (*Store)(nil)
)

// Create makes an empty ledger and opens it. The file must not exist, and only
// its owner may read it. Until it is whole it has another name, so that a crash
// leaves no half of one.
func Create(ctx context.Context, path string) (*Store, error) {
	// Links in the folder's path are followed, so that a folder has one lock.
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("couldn't make the ledger: %w", err)
	}
	path = filepath.Join(dir, filepath.Base(path))
	l, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	if err := createFile(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("couldn't make the ledger %s: %w", path, full(explain(err))), l.release())
	}
	return finishOpen(ctx, path, l)
}

func createFile(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(os.ErrExist, err)
	}
	unfinished := path + ".new"
	remove := func() {
		for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
			os.Remove(unfinished + suffix)
		}
	}
	remove() // what a crash may have left
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	err = writeEmpty(ctx, unfinished)
	if err == nil {
		err = syncFile(unfinished)
	}
	if err == nil {
		err = os.Rename(unfinished, path)
	}
	if err != nil {
		remove()
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeEmpty(ctx context.Context, path string) error {
	db, err := openWriter(path)
	if err != nil {
		return err
	}
	err = createSchema(ctx, db)
	if err == nil {
		err = settle(ctx, db)
	}
	return errors.Join(err, db.Close())
}

// Open opens a ledger for writing. If another program has it open, the error is
// a *LockedError that names it; a file that isn't exactly as Create makes it is
// refused with everything that differs.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("couldn't open the ledger: %w", err)
	}
	if err := checkAlone(path); err != nil {
		return nil, err
	}
	l, err := takeLock(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := checkFile(ctx, path); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return finishOpen(ctx, path, l)
}

// checkFile looks at the file read-only: what is refused is not touched.
func checkFile(ctx context.Context, path string) error {
	if err := checkHeader(path); err != nil {
		return err
	}
	r, findings, err := OpenRead(ctx, path)
	if errors.Is(err, errHalfway) {
		if err := recoverJournal(ctx, path); err != nil {
			return fmt.Errorf("couldn't bring %s up to date: %w", path, explain(err))
		}
		r, findings, err = OpenRead(ctx, path)
	}
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	if len(findings) > 0 {
		var whats []string
		for _, f := range findings {
			whats = append(whats, f.What)
		}
		return fmt.Errorf("couldn't open %s for writing: %s", path, strings.Join(whats, "; "))
	}
	return nil
}

// recoverJournal undoes what was cut short while the file was being opened or
// closed; no record is ever written that way.
func recoverJournal(ctx context.Context, path string) error {
	db, err := openDB(path, map[string]string{"mode": "rw", "_synchronous": "FULL"})
	if err != nil {
		return err
	}
	_, err = pragma(ctx, db, "schema_version")
	return errors.Join(err, db.Close())
}

func openWriter(path string) (*sql.DB, error) {
	db, err := openDB(path, map[string]string{"mode": "rw", "_journal_mode": "WAL", "_synchronous": "FULL"})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// finishOpen opens a file that is known to be good, under the lock.
func finishOpen(ctx context.Context, path string, l *lock) (*Store, error) {
	s := &Store{lock: l, reserve: newReserve(filepath.Dir(path)), stale: true}
	err := s.connect(ctx, path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("couldn't open %s: %w", path, explain(err)), s.Close())
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context, path string) (err error) {
	if s.db, err = openWriter(path); err != nil {
		return err
	}
	// What a crash left in the log is brought into the file and synced: after a
	// failed fsync, this and not the cache decides what is on the disk.
	busy, err := checkpointWAL(ctx, s.db)
	if err == nil && busy {
		err = syncFile(path + "-wal")
	}
	if err != nil {
		return err
	}
	if s.write, err = prepare(ctx, s.db); err != nil {
		return err
	}
	if s.Reader, err = newReader(path, map[string]string{"mode": "ro"}); err != nil {
		return err
	}
	return s.refresh(ctx)
}

// refresh reads head and tree from the file.
func (s *Store) refresh(ctx context.Context) error {
	if !s.stale {
		return nil
	}
	head, tree, err := s.readHead(ctx)
	if err != nil {
		return err
	}
	s.head, s.tree, s.stale = head, tree, false
	return nil
}

// Append adds a batch behind the head in one transaction, with one fsync.
func (s *Store) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return ledger.Head{}, fmt.Errorf("couldn't append to the ledger: it must be closed and opened again: %w", s.broken)
	}
	if err := ctx.Err(); err != nil {
		return ledger.Head{}, err
	}
	if err := ledger.CheckBlobs(b.Blobs); err != nil {
		return ledger.Head{}, err
	}
	if err := s.refresh(ctx); err != nil {
		return ledger.Head{}, err
	}
	if at != s.head {
		return ledger.Head{}, ledger.ErrMoved
	}
	tree := s.tree.Clone()
	head, hashes, err := tree.Advance(at, b.Records)
	if err != nil {
		return ledger.Head{}, err
	}
	// From here nobody can call it off: half an answer helps no one.
	ctx = context.WithoutCancel(ctx)
	err = s.commit(ctx, at, b, hashes)
	if errors.Is(err, ledger.ErrFull) && s.reserve.release() {
		err = s.commit(ctx, at, b, hashes)
	}
	switch {
	case err == nil:
		s.head, s.tree = head, tree
		return head, nil
	case errors.Is(err, ledger.ErrFull), errors.Is(err, ledger.ErrMoved), errors.Is(err, errBusy):
		s.stale = true // nothing was written
	default:
		s.stale, s.broken = true, err
	}
	return ledger.Head{}, fmt.Errorf("couldn't append to the ledger: %w", err)
}

func (s *Store) commit(ctx context.Context, at ledger.Head, b ledger.Batch, hashes []tlog.Hash) error {
	tx, err := s.db.BeginTx(ctx, nil) // immediate, by the connection's options
	if err != nil {
		return explain(err)
	}
	defer tx.Rollback()
	if err := s.write.batch(ctx, tx, at, b, hashes); err != nil {
		return explain(err)
	}
	return explain(tx.Commit())
}

// statements are compiled once: with their triggers that takes longer than
// running them.
type statements struct{ next, record, hash, blob *sql.Stmt }

func prepare(ctx context.Context, db *sql.DB) (s statements, err error) {
	for _, p := range []struct {
		into **sql.Stmt
		text string
	}{
		{&s.next, "SELECT coalesce(max(seq) + 1, 0) FROM record"},
		{&s.record, "INSERT INTO record (seq, bytes) VALUES (?, ?)"},
		{&s.hash, "INSERT INTO hash (pos, bytes) VALUES (?, ?)"},
		// With OR IGNORE the trigger would abort first; the same content twice
		// is no mistake.
		{&s.blob, "INSERT INTO blob (sha256, bytes) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM blob WHERE sha256 = ?1)"},
	} {
		if *p.into, err = db.PrepareContext(ctx, p.text); err != nil {
			return s, fmt.Errorf("couldn't prepare the ledger for writing: %w", explain(err))
		}
	}
	return s, nil
}

func (s statements) batch(ctx context.Context, tx *sql.Tx, at ledger.Head, b ledger.Batch, hashes []tlog.Hash) error {
	// The lock file keeps other Clavigers out; this keeps out everything else.
	var next int64
	if err := tx.StmtContext(ctx, s.next).QueryRowContext(ctx).Scan(&next); err != nil {
		return err
	}
	if next != at.Size {
		return ledger.ErrMoved
	}
	insert := tx.StmtContext(ctx, s.record)
	for _, r := range b.Records {
		if _, err := insert.ExecContext(ctx, r.Seq, r.Bytes); err != nil {
			return err
		}
	}
	insert = tx.StmtContext(ctx, s.hash)
	for i, h := range hashes {
		if _, err := insert.ExecContext(ctx, tlog.StoredHashCount(at.Size)+int64(i), h[:]); err != nil {
			return err
		}
	}
	insert = tx.StmtContext(ctx, s.blob)
	for _, blob := range b.Blobs {
		name := ledger.BlobHash(blob)
		if blob == nil {
			blob = []byte{} // nil would be NULL
		}
		if _, err := insert.ExecContext(ctx, name[:], blob); err != nil {
			return err
		}
	}
	return nil
}

// Head is where the ledger ends; after an error of Append it is read again.
func (s *Store) Head(ctx context.Context) (ledger.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return ledger.Head{}, fmt.Errorf("couldn't tell where the ledger ends: it must be closed and opened again: %w", s.broken)
	}
	err := s.refresh(ctx)
	return s.head, err
}

// Reserve makes sure, before an act that can't be taken back, that a batch of so
// many bytes can be written after it, or returns ErrFull. Free space is not
// counted but taken: blocks are allocated to the file ledger.reserve and given
// up when an append needs them. A count of free blocks says nothing about
// quotas, root's share and what others write meanwhile.
func (s *Store) Reserve(ctx context.Context, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return fmt.Errorf("couldn't reserve room: the ledger must be closed and opened again: %w", s.broken)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Every page that a transaction touches is written whole, to the log now
	// and to the file later.
	return s.reserve.grow(2*bytes + 64*pageSize)
}

const pageSize = 4096

// Close brings everything into one plain file and lets go of it.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return nil
	}
	s.reserve.release()
	var errs []error
	if s.Reader != nil {
		errs = append(errs, s.Reader.Close())
	}
	if s.db != nil && s.broken == nil {
		errs = append(errs, explain(settle(context.Background(), s.db)))
	}
	if s.db != nil {
		errs = append(errs, explain(s.db.Close()))
	}
	errs = append(errs, s.lock.release())
	s.lock, s.broken = nil, errors.New("it was closed")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("couldn't close the ledger: %w", err)
	}
	return nil
}

// settle brings a ledger to rest: one plain file without a log, which can be
// read on any medium and beside which readers leave nothing. Readers that are
// at it keep the log; the next one to open for writing will find it.
func settle(ctx context.Context, db *sql.DB) error {
	// A reader in the middle of a query is soon done; one that keeps the file open
	// is not.
	if _, err := db.ExecContext(ctx, "PRAGMA busy_timeout = 1000"); err != nil {
		return err
	}
	if _, err := checkpointWAL(ctx, db); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "PRAGMA journal_mode = DELETE")
	if isCode(err, sqlite3.SQLITE_BUSY) {
		return nil
	}
	return err
}

// checkpointWAL moves the log into the file, syncs it and empties the log; busy
// says that a reader kept it from emptying the log.
func checkpointWAL(ctx context.Context, db *sql.DB) (busy bool, err error) {
	var log, moved int
	err = db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	return busy, err
}

// syncFile asks the disk to keep what was written to a file.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir asks the disk to keep the names in a folder.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// LockedError means that another program writes this ledger.
type LockedError struct {
	// Holder is what that program wrote about itself.
	Holder string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("the ledger is open for writing by %s; until that one ends it can only be read: close it, then try again", e.Holder)
}

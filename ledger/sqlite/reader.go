package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
	sqlite3 "modernc.org/sqlite/lib"

	"claviger/ledger"
)

// Reader reads a ledger file and can't change it. It is safe for concurrent use.
type Reader struct {
	path    string
	options map[string]string
	db      *sql.DB
}

var _ ledger.BlobLister = (*Reader)(nil)

// OpenRead opens a ledger for reading, beside a writer if there is one. What is
// wrong with the file's frame comes back as findings, so that a checker can name
// it and go on; only a file that can't be read at all, or that a newer program
// wrote (*VersionError), is an error.
func OpenRead(ctx context.Context, path string) (*Reader, []ledger.Finding, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, nil, fmt.Errorf("couldn't open the ledger: %w", err)
	}
	_, version, err := header(path)
	if err != nil {
		return nil, nil, err
	}
	if version > userVersion {
		return nil, nil, &VersionError{path, version}
	}
	r, findings, err := openRead(ctx, path, map[string]string{"mode": "ro"})
	if needsLog(err) {
		if _, missing := os.Lstat(path + "-wal"); !errors.Is(missing, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("couldn't read %s: %s-wal beside it holds its last records and can't be read on this medium; copy both to a disk that can be written: %w", path, filepath.Base(path), ledger.ErrUnreadable)
		}
		// A log can't be kept on read-only media. Without one nobody writes
		// there either, and the file is whole as it is.
		r, findings, err = openRead(ctx, path, map[string]string{"mode": "ro", "immutable": "1"})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("couldn't read %s: %w", path, explain(err))
	}
	return r, findings, nil
}

// OpenBeside is OpenRead for someone who stays: between two readings nothing is
// held of the file, so that its writer can bring it to rest meanwhile.
func OpenBeside(ctx context.Context, path string) (*Reader, []ledger.Finding, error) {
	r, findings, err := OpenRead(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	r.db.SetMaxIdleConns(-1)
	return r, findings, nil
}

// needsLog reports whether SQLite gave up because it can't make a log.
func needsLog(err error) bool {
	return isCode(err, sqlite3.SQLITE_CANTOPEN) || isCode(err, sqlite3.SQLITE_READONLY) && !errors.Is(explain(err), errHalfway)
}

func openRead(ctx context.Context, path string, options map[string]string) (*Reader, []ledger.Finding, error) {
	r, err := newReader(path, options)
	if err != nil {
		return nil, nil, err
	}
	findings, err := checkFrame(ctx, r.db)
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	return r, findings, nil
}

func newReader(path string, options map[string]string) (*Reader, error) {
	db, err := openDB(path, options, "query_only(1)")
	if err != nil {
		return nil, err
	}
	return &Reader{path, options, db}, nil
}

// checkFrame checks everything about the file but its content.
func checkFrame(ctx context.Context, db *sql.DB) ([]ledger.Finding, error) {
	findings, err := checkSchema(ctx, db)
	if err != nil {
		return nil, err
	}
	find := func(format string, args ...any) {
		findings = append(findings, ledger.Finding{Seq: -1, What: fmt.Sprintf(format, args...)})
	}
	for _, t := range []struct{ table, key string }{{"record", "seq"}, {"hash", "pos"}} {
		if whole, err := isUnbroken(ctx, db, t.table, t.key); err != nil {
			find("the table %q can't be counted: %v", t.table, err)
		} else if !whole {
			find("the rows of the table %q aren't numbered from 0 without a gap", t.table)
		}
	}
	if excess, err := countExcess(ctx, db); err == nil && excess != 0 {
		find("the file holds %+d tree hashes more than its records need", excess)
	}
	damage, err := checkPages(ctx, db)
	return append(findings, damage...), err
}

// isUnbroken reports whether a table's keys are 0, 1, 2 and so on.
func isUnbroken(ctx context.Context, db *sql.DB, table, key string) (bool, error) {
	var rows, first, next int64
	q := fmt.Sprintf("SELECT count(*), coalesce(min(%[2]s), 0), coalesce(max(%[2]s) + 1, 0) FROM %[1]s", table, key)
	err := db.QueryRowContext(ctx, q).Scan(&rows, &first, &next)
	return first == 0 && next == rows, err
}

// countExcess says how many hashes there are beyond those of the records.
func countExcess(ctx context.Context, db *sql.DB) (int64, error) {
	var records, hashes int64
	err := db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM hash)").Scan(&records, &hashes)
	return hashes - tlog.StoredHashCount(records), err
}

// checkPages lets SQLite look for damage in the file's own structure.
func checkPages(ctx context.Context, db *sql.DB) ([]ledger.Finding, error) {
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check(10)")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var findings []ledger.Finding
	for rows.Next() {
		var what string
		if err := rows.Scan(&what); err != nil {
			return nil, err
		}
		if what != "ok" {
			findings = append(findings, ledger.Finding{Seq: -1, What: "the database file is damaged: " + what})
		}
	}
	return findings, rows.Err()
}

// Path is where the file is, with links followed.
func (r *Reader) Path() string { return r.path }

// Close lets go of the file.
func (r *Reader) Close() error {
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("couldn't close the ledger: %w", err)
	}
	return nil
}

// Head reads where the ledger ends.
func (r *Reader) Head(ctx context.Context) (ledger.Head, error) {
	head, _, err := r.readHead(ctx)
	return head, err
}

func (r *Reader) readHead(ctx context.Context) (ledger.Head, *ledger.Tree, error) {
	var last int64
	var line []byte
	err := r.db.QueryRowContext(ctx, "SELECT seq, bytes FROM record ORDER BY seq DESC LIMIT 1").Scan(&last, &line)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Empty(), new(ledger.Tree), nil
	}
	if err != nil {
		return ledger.Head{}, nil, fmt.Errorf("couldn't read the ledger's last record: %w", explain(err))
	}
	if last < 0 || last >= ledger.MaxSafeInteger {
		return ledger.Head{}, nil, fmt.Errorf("couldn't read the ledger's last record: %d is no sequence number", last)
	}
	tree, err := ledger.ReadTree(last+1, r)
	if err != nil {
		return ledger.Head{}, nil, err
	}
	return ledger.Head{Size: last + 1, Last: ledger.LeafHash(line), Root: tree.Root()}, tree, nil
}

// bulk is how many records one query brings: handing rows over one by one
// costs more than hashing them. At their largest they are 32 MiB.
const bulk = 512

// Records yields the records that are there when it begins, in order.
func (r *Reader) Records(ctx context.Context, from, to int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for l, err := range r.Lines(ctx, from, to) {
			if err != nil {
				yield(ledger.Record{}, err)
				return
			}
			if !yield(ledger.ParseAt(l.Seq, bytes.Clone(l.Bytes))) {
				return
			}
		}
	}
}

// Lines yields records as they are stored.
func (r *Reader) Lines(ctx context.Context, from, to int64) iter.Seq2[ledger.Line, error] {
	return func(yield func(ledger.Line, error) bool) {
		err := r.eachLine(ctx, max(from, 0), to, func(l ledger.Line) bool { return yield(l, nil) })
		if err != nil {
			yield(ledger.Line{}, fmt.Errorf("couldn't read the ledger's records: %w", explain(err)))
		}
	}
}

func (r *Reader) eachLine(ctx context.Context, from, to int64, each func(ledger.Line) bool) error {
	if to-from > bulk { // what is appended meanwhile is not asked for
		var end int64
		if err := r.db.QueryRowContext(ctx, "SELECT coalesce(max(seq), -1) FROM record").Scan(&end); err != nil {
			return err
		}
		to = min(to, end+1)
	}
	for from < to {
		next, more, err := r.readLines(ctx, from, min(to, from+bulk), each)
		if err == nil && more && next == from {
			next, more, err = r.readLinesSingly(ctx, from, to, each)
		}
		if err != nil || !more {
			return err
		}
		from = next
	}
	return nil
}

// readLines hands over the rows of a range, read as one text, and says where to
// go on: where it began, if they cannot be read so. No line of a ledger holds a
// newline; where one does, or a row is missing, they are read one by one.
func (r *Reader) readLines(ctx context.Context, from, to int64, each func(ledger.Line) bool) (next int64, more bool, err error) {
	// The rows of one range of keys come in their order.
	const q = "SELECT count(*), CAST(group_concat(bytes, char(10)) AS BLOB) FROM record WHERE seq >= ? AND seq < ?"
	rows, err := r.db.QueryContext(ctx, q, from, to)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return 0, false, rows.Err()
	}
	var count int64
	var all sql.RawBytes // what is cut out of it is used before the next query
	if err := rows.Scan(&count, &all); err != nil {
		return 0, false, err
	}
	if count != to-from || int64(bytes.Count(all, []byte{'\n'})) != count-1 {
		return from, true, nil
	}
	for seq := from; seq < to; seq++ {
		line, rest, _ := bytes.Cut(all, []byte{'\n'})
		if !each(ledger.Line{Seq: seq, Bytes: line}) {
			return 0, false, nil
		}
		all = rest
	}
	return to, true, nil
}

func (r *Reader) readLinesSingly(ctx context.Context, from, to int64, each func(ledger.Line) bool) (next int64, more bool, err error) {
	rows, err := r.db.QueryContext(ctx, "SELECT seq, bytes FROM record WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?", from, to, bulk)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var l ledger.Line
		if err := rows.Scan(&l.Seq, &l.Bytes); err != nil {
			return 0, false, err
		}
		if !each(l) {
			return 0, false, nil
		}
		next, more = l.Seq+1, true
	}
	return next, more, rows.Err()
}

// Blob returns the bytes with this SHA-256.
func (r *Reader) Blob(ctx context.Context, sha256 ledger.Hash) ([]byte, error) {
	var b []byte
	err := r.db.QueryRowContext(ctx, "SELECT bytes FROM blob WHERE sha256 = ?", sha256[:]).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("couldn't find blob %s: %w", sha256, ledger.ErrNoBlob)
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't read blob %s: %w", sha256, explain(err))
	}
	return ledger.CheckBlob(sha256, b)
}

// Blobs yields the names of all blobs in order.
func (r *Reader) Blobs(ctx context.Context) iter.Seq2[ledger.Hash, error] {
	return func(yield func(ledger.Hash, error) bool) {
		fail := func(err error) {
			yield(ledger.Hash{}, fmt.Errorf("couldn't list the ledger's blobs: %w", explain(err)))
		}
		rows, err := r.db.QueryContext(ctx, "SELECT sha256 FROM blob ORDER BY sha256")
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var name []byte
			err := rows.Scan(&name)
			if err != nil {
				fail(err)
				return
			}
			var h ledger.Hash
			if len(name) != len(h) {
				err = &ledger.DamagedError{Seq: -1, Why: fmt.Errorf("a blob is named %x, which is no SHA-256", name)}
			}
			copy(h[:], name)
			if !yield(h, err) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

// ReadHashes returns stored tree hashes, one query for each run of neighbours.
func (r *Reader) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, 0, len(positions))
	for i := 0; i < len(positions); {
		j := i + 1
		for j < len(positions) && positions[j] == positions[j-1]+1 {
			j++
		}
		var err error
		out, err = r.appendHashes(out, positions[i], positions[j-1])
		if err != nil {
			return nil, err
		}
		i = j
	}
	return out, nil
}

func (r *Reader) appendHashes(out []tlog.Hash, from, to int64) ([]tlog.Hash, error) {
	// One that is too short, and another too long, make two that are wrong.
	const q = "SELECT count(*), CAST(group_concat(bytes, '') AS BLOB) FROM hash WHERE pos BETWEEN ? AND ?"
	var count int64
	var all []byte
	if err := r.db.QueryRow(q, from, to).Scan(&count, &all); err != nil {
		return nil, fmt.Errorf("couldn't read the ledger's tree: %w", explain(err))
	}
	if count != to-from+1 || int64(len(all)) != count*tlog.HashSize {
		return nil, fmt.Errorf("couldn't read tree hashes %d to %d: %w", from, to, ledger.ErrNoHash)
	}
	for h := range slices.Chunk(all, tlog.HashSize) {
		out = append(out, tlog.Hash(h))
	}
	return out, nil
}

// Package sqlite keeps a ledger in one SQLite file, ledger.db.
//
// # The file
//
// Three tables and no others: record(seq, bytes), the canonical lines;
// hash(pos, bytes), the tree hashes in tlog order; blob(sha256, bytes), what
// records refer to. Nothing stands in it that a checker does not recompute and
// compare. Triggers refuse UPDATE, DELETE and gaps; they are a guard rail
// against mistakes, not against someone who can write the file.
//
// # What it promises
//
// A batch that Append has acknowledged survives a crash and a power loss: the
// journal is a write-ahead log with one fsync a transaction (synchronous=FULL).
// Append compares the head inside its transaction. There is one writer, in one
// process, held by a lock on the file ledger.lock beside the ledger, which says
// in words who holds it; readers are as many as want to.
//
// A closed ledger is one plain file that can be read on any medium. A ledger
// that is open, or was when the power failed, keeps its last records in
// ledger.db-wal beside it: both belong together until it is opened again.
//
// Reserve takes room on the disk before an act that can't be taken back, so
// that its result can be written.
//
// # After an error
//
// When the disk is full, nothing was written and the ledger goes on as soon as
// there is room. After any other error of Append the Store appends nothing any
// more: it must be closed and opened again, which reads what is on the disk.
//
// Ledgers are written on Linux only, where locks belong to an open file and
// not to the process; they are read everywhere.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"claviger/ledger"
)

const (
	// applicationID marks the file in its header: "CLAV".
	applicationID = 0x434c4156
	// userVersion is the version of the schema.
	userVersion = 1
	// busyMillis is how long a reader waits while another connection recovers
	// the log after a crash; the writer never waits for anyone.
	busyMillis = 5000
)

// VersionError means that a newer program wrote the file. It was not touched.
type VersionError struct {
	Path    string
	Version int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s was written by a newer Claviger (format %d, this one knows %d): use the newer program", e.Path, e.Version, userVersion)
}

// ErrNotLedger means that a file is no ledger at all.
var ErrNotLedger = errors.New("this file is not a Claviger ledger")

// errBusy means that a program other than Claviger has the file.
var errBusy = errors.New("another program is using the ledger's file: close it and try again")

// errHalfway means that opening or closing was cut short, which only a writer
// can put right.
var errHalfway = errors.New("the ledger was being opened or closed when the program ended: open it once with Claviger")

// openDB opens the file by a URI: in a plain name SQLite would ignore mode=ro.
// Everything that changes how SQLite reads the file stands here.
func openDB(path string, options map[string]string, pragmas ...string) (*sql.DB, error) {
	// Both switches are the process's own; setting them again changes nothing.
	// Without them a pragma could carry a second statement, and any close of
	// ledger.db in this process (to hash it, say) would drop SQLite's locks.
	sqlite.StrictPragmas(true)
	if _, err := sqlite.OFDLocking(true); err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		return nil, fmt.Errorf("couldn't choose file locks: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("couldn't open %s: %w", path, err)
	}
	query := url.Values{"_defensive": {"1"}, "_dqs": {"0"}, "_txlock": {"immediate"}, "_error_rc": {"1"}}
	for k, v := range options {
		query.Set(k, v)
	}
	query["_pragma"] = append([]string{
		fmt.Sprintf("busy_timeout(%d)", busyMillis), "trusted_schema(0)", "cell_size_check(1)", "mmap_size(0)",
	}, pragmas...)
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	uri := url.URL{Scheme: "file", Path: slashed, RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(uri.String())
	if err != nil {
		return nil, fmt.Errorf("couldn't open %s: %w", path, err)
	}
	return sql.OpenDB(connector), nil
}

// header reads what SQLite keeps at fixed places of the file, without SQLite,
// so that a file that is not ours is not touched.
func header(path string) (appID, version int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("couldn't open the ledger: %w", err)
	}
	defer f.Close()
	var h [100]byte
	if _, err := io.ReadFull(f, h[:]); err != nil {
		return 0, 0, fmt.Errorf("couldn't read %s: %w", path, ErrNotLedger)
	}
	if string(h[:16]) != "SQLite format 3\x00" {
		return 0, 0, fmt.Errorf("couldn't read %s: %w", path, ErrNotLedger)
	}
	be := func(b []byte) int { return int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3]) }
	return be(h[68:72]), be(h[60:64]), nil
}

// checkHeader refuses what no version of this program may open.
func checkHeader(path string) error {
	appID, version, err := header(path)
	if err != nil {
		return err
	}
	if version > userVersion {
		return &VersionError{path, version}
	}
	if appID != applicationID {
		return fmt.Errorf("couldn't read %s: %w", path, ErrNotLedger)
	}
	return nil
}

// explain puts SQLite's result codes into the words that callers branch on.
func explain(err error) error {
	serr, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	if serr.Code() == sqlite3.SQLITE_READONLY_ROLLBACK {
		return fmt.Errorf("%w (%v)", errHalfway, err)
	}
	switch serr.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w (%v)", ledger.ErrFull, err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%w (%v)", errBusy, err)
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%w (%v)", ledger.ErrUnreadable, err)
	}
	return err
}

func isCode(err error, code int) bool {
	serr, ok := errors.AsType[*sqlite.Error](err)
	return ok && serr.Code()&0xff == code
}

// pragma reads one number.
func pragma(ctx context.Context, db *sql.DB, name string) (n int, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA "+name).Scan(&n)
	return n, err
}

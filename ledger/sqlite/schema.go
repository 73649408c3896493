package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"claviger/ledger"
)

// schema is the exact text that stands in a ledger's sqlite_schema, by name.
// The gap triggers also stop INSERT OR REPLACE, which fires no DELETE trigger.
func schema() []object {
	return []object{
		{"table", "blob", `CREATE TABLE blob (sha256 BLOB PRIMARY KEY NOT NULL CHECK (length(sha256) = 32), bytes BLOB NOT NULL) STRICT`},
		{"trigger", "blob_delete", `CREATE TRIGGER blob_delete BEFORE DELETE ON blob BEGIN SELECT RAISE(ABORT, 'a blob is never deleted'); END`},
		{"trigger", "blob_insert", `CREATE TRIGGER blob_insert BEFORE INSERT ON blob WHEN EXISTS (SELECT 1 FROM blob WHERE sha256 = NEW.sha256) BEGIN SELECT RAISE(ABORT, 'a blob is never replaced'); END`},
		{"trigger", "blob_update", `CREATE TRIGGER blob_update BEFORE UPDATE ON blob BEGIN SELECT RAISE(ABORT, 'a blob is never changed'); END`},
		{"table", "hash", `CREATE TABLE hash (pos INTEGER PRIMARY KEY, bytes BLOB NOT NULL CHECK (length(bytes) = 32)) STRICT`},
		{"trigger", "hash_delete", `CREATE TRIGGER hash_delete BEFORE DELETE ON hash BEGIN SELECT RAISE(ABORT, 'a hash is never deleted'); END`},
		{"trigger", "hash_insert", `CREATE TRIGGER hash_insert BEFORE INSERT ON hash WHEN NEW.pos <> (SELECT coalesce(max(pos) + 1, 0) FROM hash) BEGIN SELECT RAISE(ABORT, 'hashes have no gap'); END`},
		{"trigger", "hash_update", `CREATE TRIGGER hash_update BEFORE UPDATE ON hash BEGIN SELECT RAISE(ABORT, 'a hash is never changed'); END`},
		{"table", "record", `CREATE TABLE record (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL CHECK (length(bytes) BETWEEN 2 AND 65535)) STRICT`},
		{"trigger", "record_delete", `CREATE TRIGGER record_delete BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'a record is never deleted'); END`},
		{"trigger", "record_insert", `CREATE TRIGGER record_insert BEFORE INSERT ON record WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM record) BEGIN SELECT RAISE(ABORT, 'records have no gap'); END`},
		{"trigger", "record_update", `CREATE TRIGGER record_update BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END`},
		{"index", "sqlite_autoindex_blob_1", ""},
	}
}

type object struct{ kind, name, text string }

// createSchema makes the tables in one transaction.
func createSchema(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	statements := []string{fmt.Sprintf("PRAGMA application_id = %d", applicationID), fmt.Sprintf("PRAGMA user_version = %d", userVersion)}
	for _, kind := range []string{"table", "trigger"} {
		for _, o := range schema() {
			if o.kind == kind {
				statements = append(statements, o.text)
			}
		}
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// checkSchema lists every difference from the schema that Create makes.
func checkSchema(ctx context.Context, db *sql.DB) ([]ledger.Finding, error) {
	var findings []ledger.Finding
	find := func(format string, args ...any) {
		findings = append(findings, ledger.Finding{Seq: -1, What: fmt.Sprintf(format, args...)})
	}
	for name, want := range map[string]int{"application_id": applicationID, "user_version": userVersion} {
		got, err := pragma(ctx, db, name)
		if err != nil {
			return nil, err
		}
		if got != want {
			find("the file's %s is %d, a ledger's is %d", name, got, want)
		}
	}
	rows, err := db.QueryContext(ctx, "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	missing := map[string]object{}
	for _, o := range schema() {
		missing[o.name] = o
	}
	for rows.Next() {
		var got object
		if err := rows.Scan(&got.kind, &got.name, &got.text); err != nil {
			return nil, err
		}
		switch want, ok := missing[got.name]; {
		case !ok:
			find("the file has a %s %q, which no ledger has", got.kind, got.name)
		case got != want:
			find("the %s %q isn't the one that a ledger has: %s", got.kind, got.name, strings.Join(strings.Fields(got.text), " "))
		}
		delete(missing, got.name)
	}
	for _, o := range schema() {
		if _, ok := missing[o.name]; ok {
			find("the %s %q is missing", o.kind, o.name)
		}
	}
	return findings, rows.Err()
}

package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

func TestLedgerHolds(t *testing.T) {
	dir := site(t)
	o := audit.Options{Site: string(readFile(t, dir, "site.vkey")), Checkpoints: [][]byte{readFile(t, dir, "checkpoint.txt")}}
	res := checkLedger(t, ledgerOf(dir), o)
	if !res.Holds() || !res.Anchored || !res.Practice || res.Uncovered != res.Records-res.HSMSignedTo {
		t.Errorf("%+v", res)
	}
	res = checkLedger(t, ledgerOf(dir), audit.Options{})
	if !res.Holds() || res.Anchored {
		t.Errorf("%+v", res)
	}
	o.RequireProduction = true
	wants(t, checkLedger(t, ledgerOf(dir), o), "practice", 0)
}

// sql changes a copy of the ledger by another tool, the triggers dropped.
func sql(t *testing.T, dir, statements string) string {
	t.Helper()
	path := write(t, "ledger.db", readFile(t, ledgerOf(dir)))
	drop := must(t, "", "sqlite3", path, "SELECT group_concat('DROP TRIGGER '||name||';',' ') FROM sqlite_master WHERE type='trigger'")
	must(t, "", "sqlite3", path, drop+statements)
	return path
}

func TestTamperedLedger(t *testing.T) {
	dir := site(t)
	for _, c := range []struct {
		name, statement string
		seq             int64
		rule            string
	}{
		{"a word in a record", "UPDATE record SET bytes = CAST(replace(CAST(bytes AS TEXT), 'Practice room', 'Another room!') AS BLOB)", 1, "chain"},
		{"a record deleted", "DELETE FROM record WHERE seq = 130", 130, "chain"},
		{"two records swapped", "UPDATE record SET seq = -1 WHERE seq = 130; UPDATE record SET seq = 130 WHERE seq = 131; UPDATE record SET seq = 131 WHERE seq = -1", 130, "chain"},
		{"a tree hash", "UPDATE hash SET bytes = zeroblob(32) WHERE pos = 7", -1, "chain"},
		{"what was shown", "UPDATE blob SET bytes = CAST('x' AS BLOB) WHERE CAST(bytes AS TEXT) LIKE '%I authorise exactly%' AND CAST(bytes AS TEXT) LIKE '%signing-key%'", -1, "signoff.shown"},
		{"a trigger dropped", "SELECT 1", -1, "file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wants(t, checkLedger(t, sql(t, dir, c.statement), audit.Options{}), c.rule, c.seq)
		})
	}
}

// rebuilt writes records into a new ledger, as someone does who re-makes the
// whole file.
func rebuilt(t *testing.T, dir string, change func(records []ledger.Record) []ledger.Record) string {
	t.Helper()
	from, _, err := sqlite.OpenRead(t.Context(), ledgerOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var records []ledger.Record
	for r, err := range from.Records(t.Context(), 0, ledger.End) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	var blobs [][]byte
	for h, err := range from.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := from.Blob(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, b)
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	to, err := sqlite.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Append(t.Context(), ledger.Empty(), ledger.Batch{Records: change(records), Blobs: blobs}); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCarriedCheckpoints: what only something carried out of the room can tell
// is told with it, and said not to be compared without.
func TestCarriedCheckpoints(t *testing.T) {
	dir := site(t)
	note := readFile(t, dir, "checkpoint.txt")
	var left int64
	cut := rebuilt(t, dir, func(records []ledger.Record) []ledger.Record {
		left = int64(place(t, records, ceremony.LedgerKeyEnrolledKind)) + 5
		return records[:left]
	})
	res := checkLedger(t, cut, audit.Options{})
	if !res.Holds() || !strings.Contains(strings.Join(res.NotChecked, " "), "cut off") {
		t.Errorf("%v, not checked %q", res.Findings, res.NotChecked)
	}
	wants(t, checkLedger(t, cut, audit.Options{Checkpoints: [][]byte{note}}), "checkpoint.rollback", left)
	other := readFile(t, resumedSite(t), "checkpoint.txt")
	wants(t, checkLedger(t, ledgerOf(dir), audit.Options{Checkpoints: [][]byte{other}}), "checkpoint.other-site", -1)
	wants(t, checkLedger(t, ledgerOf(dir), audit.Options{Site: string(readFile(t, resumedSite(t), "site.vkey"))}), "site.key", -1)
	broken := []byte(strings.Replace(string(note), "\n", "\n1", 1))
	wants(t, checkLedger(t, ledgerOf(dir), audit.Options{Checkpoints: [][]byte{broken}}), "checkpoint.signature", -1)
}

// TestRulesOverTheLedger: records that the rules refuse, forced into a ledger
// whose chain and tree are whole.
func TestRulesOverTheLedger(t *testing.T) {
	dir := site(t)
	for _, c := range []struct {
		name, kind, rule string
		change           func(body any)
	}{
		{"a context that is not true", ceremony.ContextKind, "context.untrue", func(b any) { b.(*ceremony.Context).Origin += "x" }},
		{"an act nobody authorised", ceremony.IntentKind, "act.unauthorised", func(b any) { b.(*ceremony.Intent).Authorisations = []ledger.Hash{} }},
		{"a signature by nobody", ceremony.CeremonyKeyKind, "ceremony-key.signature", func(b any) {
			k := b.(*ceremony.CeremonyKey)
			k.Signature = strings.Repeat("00", 64)
		}},
		{"a run that counts wrong", ceremony.SealedKind, "run.count", func(b any) { b.(*ceremony.Sealed).Count-- }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var seq int64
			path := rebuilt(t, dir, func(records []ledger.Record) []ledger.Record {
				i := place(t, records, c.kind)
				seq = records[i].Seq
				return relink(t, records, i, c.change)[:i+1]
			})
			wants(t, checkLedger(t, path, audit.Options{}), c.rule, seq)
		})
	}
}

func TestNewerRecordIsNotJudged(t *testing.T) {
	path := rebuilt(t, site(t), func(records []ledger.Record) []ledger.Record {
		last := records[len(records)-1]
		newer, err := ledger.Build(ledger.Head{Size: last.Seq + 1, Last: last.Leaf}, ledger.Draft{Kind: "key.blessed", V: 1, Time: last.Time, Body: struct{}{}})
		if err != nil {
			t.Fatal(err)
		}
		return append(records, newer...)
	})
	res := checkLedger(t, path, audit.Options{})
	first, _ := res.First()
	if res.Exit() != 3 || !first.Unknown || !strings.Contains(first.Why, "key.blessed") {
		t.Errorf("exit %d, %v", res.Exit(), res.Findings)
	}
}

func TestLedgerUnreadable(t *testing.T) {
	for name, b := range map[string][]byte{"text": []byte("no ledger"), "nothing": {}} {
		path := write(t, "ledger.db", b)
		_, err := audit.Ledger(t.Context(), path, audit.Options{})
		var unreadable *audit.UnreadableError
		if !errors.As(err, &unreadable) {
			t.Errorf("%s: got %v", name, err)
		}
		if after, _ := os.ReadFile(path); string(after) != string(b) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

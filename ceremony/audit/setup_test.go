package audit_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/practicetest"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/report"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

func TestMain(m *testing.M) {
	practicetest.Main(m, func() { os.RemoveAll(whole.dir); os.RemoveAll(resumed.dir) })
}

func play(out, stopAfter string, resume bool) error {
	return rehearse.Run(context.Background(), rehearse.Options{Script: "key-generation", Out: out, StopAfter: stopAfter, Resume: resume, Print: &bytes.Buffer{},
		Setting: rehearse.Setting{Worker: practicetest.Worker(), Host: practicetest.Workstation{}}})
}

// rehearsal is a played site, shared by tests that only read it.
type rehearsal struct {
	once sync.Once
	dir  string
	err  error
}

var (
	whole   rehearsal // played through
	resumed rehearsal // paused after the key was made, the ledger kept as paused.db, then resumed
)

func (r *rehearsal) get(t testing.TB, play func(dir string) error) string {
	t.Helper()
	r.once.Do(func() {
		if r.dir, r.err = os.MkdirTemp("", "claviger-audit-"); r.err == nil {
			r.err = play(r.dir)
		}
	})
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.dir
}

const number = "2026-002"

// site gives a folder with site/ledger.db, report.pdf, site.vkey, checkpoint.txt.
func site(t testing.TB) string {
	return whole.get(t, func(dir string) error { return play(dir, "", false) })
}

func resumedSite(t testing.TB) string {
	return resumed.get(t, func(dir string) error {
		if err := play(dir, "generate", false); err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, "site", "ledger.db"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "paused.db"), b, 0o600); err != nil {
			return err
		}
		return play(dir, "", true)
	})
}

func ledgerOf(dir string) string { return filepath.Join(dir, "site", "ledger.db") }

// last is the newest ceremony of a ledger.
func collect(t testing.TB, path string) report.Input {
	t.Helper()
	r, _, err := sqlite.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, _, findings, err := ceremony.Fold(t.Context(), r, steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Fatal(err, findings)
	}
	in, err := report.Collect(t.Context(), r, s, s.Ceremonies[len(s.Ceremonies)-1].Number)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func makePDF(t testing.TB, in report.Input) []byte {
	t.Helper()
	pdf, _, err := report.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	return pdf
}

func checkPDF(t testing.TB, pdf []byte, ledgerPath string, o audit.Options) *audit.Result {
	t.Helper()
	res, err := audit.PDF(t.Context(), pdf, ledgerPath, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func checkLedger(t testing.TB, path string, o audit.Options) *audit.Result {
	t.Helper()
	res, err := audit.Ledger(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func readFile(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// command runs another tool, which is there or the test cannot say anything.
func command(t testing.TB, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := command(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// wants demands that the first thing wrong is named by its rule and record.
func wants(t *testing.T, res *audit.Result, rule string, seq int64) {
	t.Helper()
	first, ok := res.First()
	if !ok || first.Rule != rule || seq >= 0 && first.Seq != seq || res.Exit() != 1 {
		t.Errorf("found %v, exit %d; want %s of record %d, exit 1", res.Findings, res.Exit(), rule, seq)
	}
}

// relink builds the records again from place i on, as someone does who has the
// file but no key.
func relink(t testing.TB, records []ledger.Record, i int, change func(body any)) []ledger.Record {
	t.Helper()
	out := append([]ledger.Record{}, records[:i]...)
	for j := i; j < len(records); j++ {
		r := records[j]
		body, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		if j == i {
			change(body)
		}
		at := ledger.Head{Size: r.Seq, Last: r.Prev}
		if j > 0 && records[j-1].Seq == r.Seq-1 {
			at.Last = out[j-1].Leaf
		}
		again, err := ledger.Build(at, ledger.Draft{Ceremony: r.Ceremony, Kind: r.Kind, V: r.V, Time: r.Time, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, again...)
	}
	return out
}

// place is the index of the first record of a kind.
func place(t testing.TB, records []ledger.Record, kind string) int {
	t.Helper()
	for i, r := range records {
		if r.Kind == kind {
			return i
		}
	}
	t.Fatalf("no %s", kind)
	return 0
}

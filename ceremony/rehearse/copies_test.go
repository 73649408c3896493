package rehearse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// TestLedgerIsCopied to a medium, while the site is open: what lies there is
// what the record says, verifies alone, and agrees with the site's checkpoint.
func TestLedgerIsCopied(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	before, note := s.State().Size, s.State().Note
	medium := t.TempDir()
	b, err := s.CopyLedger(t.Context(), medium, "Ledger A", "marta-brandt")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(medium, b.File)
	size, sum, err := sqlite.Digest(path)
	if err != nil || size != b.Bytes || sum != b.SHA256 || b.Records != before {
		t.Errorf("recorded %+v; there are %d bytes, %s (%v)", b, size, sum, err)
	}
	o := audit.Options{Site: string(s.VerifierKeys()), Checkpoints: [][]byte{[]byte(note)}}
	if res := audited(t, path, o); !res.Holds() || !res.Anchored || res.Records != before {
		t.Errorf("the copy: %+v", res)
	}
	u := s.State().Uncovered()
	if last := u[len(u)-1]; last.Kind != ceremony.LedgerCopiedKind || last.Seq != before {
		t.Errorf("uncovered at last: %+v", last)
	}
	if _, due := s.State().CopiesDue(); due != 0 {
		t.Errorf("a practice site owes %d copies", due)
	}
	verified(t, s)
	// Where a copy lies already nothing is overwritten, and nothing recorded.
	for name, c := range map[string]struct{ dir, medium, person string }{
		"in the site":    {filepath.Join(s.Folder.Dir, "evidence"), "Ledger A", "marta-brandt"},
		"no folder":      {filepath.Join(medium, "missing"), "Ledger A", "marta-brandt"},
		"a nameless one": {medium, "", "marta-brandt"},
		"by nobody":      {medium, "Ledger A", "eve"},
	} {
		size := s.State().Size
		var problem *ceremony.Problem
		if _, err := s.CopyLedger(t.Context(), c.dir, c.medium, c.person); !errors.As(err, &problem) || s.State().Size != size {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if left, err := os.ReadDir(medium); err != nil || len(left) != 1 {
		t.Errorf("on the medium: %v %v", left, err)
	}
}

// TestCopyThatIsDamaged on its way to the medium is found when it is read back,
// removed, and not recorded.
func TestCopyThatIsDamaged(t *testing.T) {
	dir := copySite(t)
	folder, err := ceremony.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), folder.Ledger())
	if err != nil {
		t.Fatal(err)
	}
	tr := &troupe{t: t}
	s, err := open(t.Context(), setting(dir, tr), folder, spoils{store, t})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	size, medium := s.State().Size, t.TempDir()
	var problem *ceremony.Problem
	if _, err := s.CopyLedger(t.Context(), medium, "Ledger A", "marta-brandt"); !errors.As(err, &problem) || !strings.Contains(problem.Happened, "does not verify") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(medium); len(left) != 0 || s.State().Size != size {
		t.Errorf("left %v, and %d records of %d", left, s.State().Size, size)
	}
}

// spoils is a store whose copies somebody changes, chain and tree made to fit:
// only the signatures tell.
type spoils struct {
	*sqlite.Store
	t *testing.T
}

func (s spoils) OpenCopy(ctx context.Context, path string) (ledger.Opened, []ledger.Finding, error) {
	var all []ledger.Record
	for r, err := range s.Records(ctx, 0, ledger.End) {
		if err != nil {
			return nil, nil, err
		}
		all = append(all, r)
	}
	i := slices.IndexFunc(all, func(r ledger.Record) bool { return r.Kind == ceremony.SignOffKind })
	body, err := ceremony.Body(all[i])
	if err != nil {
		return nil, nil, err
	}
	b := body.(*ceremony.SignOff)
	b.Signature = strings.Repeat("00", 64)
	forged, err := rebuilt(all[i], *b)
	if err != nil {
		return nil, nil, err
	}
	m := ledger.NewMemory()
	if _, err := m.Append(ctx, ledger.Empty(), ledger.Batch{Records: append(all[:i:i], forged), Blobs: s.blobs(ctx)}); err != nil {
		return nil, nil, err
	}
	return m, nil, nil
}

func (s spoils) blobs(ctx context.Context) (out [][]byte) {
	for name, err := range s.Blobs(ctx) {
		if err != nil {
			s.t.Fatal(err)
		}
		b, err := s.Blob(ctx, name)
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// TestExportAndImport: plain files out, and the same tree head from them.
func TestExportAndImport(t *testing.T) {
	s, _, _ := played(t)
	out := filepath.Join(t.TempDir(), "export")
	head, err := s.Export(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	again, err := sqlite.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ledger.Import(t.Context(), out, again)
	if err := errors.Join(err, again.Close()); err != nil || got != head || head.Size != s.State().Size {
		t.Fatalf("imported %+v, exported %+v: %v", got, head, err)
	}
	res := audited(t, path, audit.Options{Site: string(s.VerifierKeys()), Checkpoints: [][]byte{[]byte(s.State().Note)}})
	if !res.Holds() || !res.Anchored {
		t.Errorf("%+v", res)
	}
}

// TestReceiptOfTheClosedFile: the digest that is written beside the evidence is
// that of the file, as another program computes it.
func TestReceiptOfTheClosedFile(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	head := s.State().Last
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	told, err := os.ReadFile(filepath.Join(s.Folder.Dir, "evidence", ceremony.ReceiptFile))
	if err != nil {
		t.Fatal(err)
	}
	sum, _, _ := strings.Cut(tool(t, nil, nil, "sha256sum", s.Folder.Ledger()), " ")
	if !strings.Contains(string(told), sum) || !strings.Contains(string(told), head.String()) {
		t.Errorf("the receipt does not say %s and %s:\n%s", sum, head, told)
	}
	if left, err := filepath.Glob(s.Folder.Ledger() + "-*"); err != nil || len(left) > 0 {
		t.Errorf("beside the closed file lie %v", left)
	}
	// The next start finds it so; and one bit of the file in a place that no record
	// reaches is told, as is a file that was opened since and not closed.
	dir := s.Folder.Dir
	s, _ = openSite(t, setting(dir, nil))
	if l := s.LastClosed; !l.Same || l.Why != "" || l.Receipt.SHA256.String() != sum || l.Receipt.Head.Last != head || l.Receipt.At.IsZero() {
		t.Errorf("the next start finds %+v", l)
	}
	if l := s.Folder.LastClosed(sqlite.Digest(s.Folder.Ledger())); l.Same {
		t.Error("a file that is open for writing is found as it was closed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.Folder.Ledger())
	if err != nil {
		t.Fatal(err)
	}
	b[95] ^= 1 // of the number of the program that wrote the header: nothing reads it
	if err := os.WriteFile(s.Folder.Ledger(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, _ = openSite(t, setting(dir, nil))
	if l := s.LastClosed; l.Same || l.Receipt == nil || len(s.Findings()) > 0 {
		t.Errorf("a changed file is found as %+v, with %v", l, s.Findings())
	}
	if err := os.WriteFile(filepath.Join(dir, "evidence", ceremony.ReceiptFile), append(told, "and more"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if l := s.Folder.LastClosed(1, ledger.Hash{}, nil); l.Same || l.Receipt != nil || !strings.Contains(l.Why, ceremony.ReceiptFile) {
		t.Errorf("a receipt that somebody wrote on says %+v", l)
	}
}

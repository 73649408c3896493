package rehearse

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// image is a ledger as somebody finds it who can write the file: its three
// tables, without a program that keeps them in order.
type image struct {
	records [][]byte
	hashes  []tlog.Hash
	blobs   map[ledger.Hash][]byte
}

var _ ledger.BlobLister = image{}

func (m image) Head(context.Context) (ledger.Head, error) {
	return ledger.Head{}, errors.New("nobody asks for the head of a ledger that is verified")
}

func (m image) Records(_ context.Context, from, to int64) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for seq := from; seq < min(to, int64(len(m.records))); seq++ {
			if !yield(ledger.ParseAt(seq, m.records[seq])) {
				return
			}
		}
	}
}

// Lines spares a verification the reading of what it reads itself.
func (m image) Lines(_ context.Context, from, to int64) iter.Seq2[ledger.Line, error] {
	return func(yield func(ledger.Line, error) bool) {
		for seq := from; seq < min(to, int64(len(m.records))); seq++ {
			if !yield(ledger.Line{Seq: seq, Bytes: m.records[seq]}, nil) {
				return
			}
		}
	}
}

func (m image) Blob(_ context.Context, name ledger.Hash) ([]byte, error) {
	b, ok := m.blobs[name]
	if !ok {
		return nil, ledger.ErrNoBlob
	}
	return ledger.CheckBlob(name, b)
}

func (m image) Blobs(context.Context) iter.Seq2[ledger.Hash, error] {
	return func(yield func(ledger.Hash, error) bool) {
		for name := range m.blobs {
			if !yield(name, nil) {
				return
			}
		}
	}
}

func (m image) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(positions))
	for i, pos := range positions {
		if pos >= int64(len(m.hashes)) {
			return nil, ledger.ErrNoHash
		}
		out[i] = m.hashes[pos]
	}
	return out, nil
}

// with is the image with other records, and, if the forger takes the trouble,
// the tree that these records have.
func (m image) with(records [][]byte, tree bool) image {
	m.records = records
	if tree {
		m.hashes = nil
		var t ledger.Tree
		for _, line := range records {
			m.hashes = append(m.hashes, t.Add(ledger.LeafHash(line), nil)...)
		}
	}
	return m
}

// found is what a checker finds first: the rules and the signatures, or the
// chain alone, which comes before them and takes a hundredth of the time.
func (m image) found() ([]ceremony.Finding, error) {
	_, _, findings, err := ceremony.Fold(context.Background(), m, steps.Kinds())
	return findings, err
}

func (m image) brokenAt(seq int64) error {
	_, findings, err := ledger.VerifyChain(context.Background(), m, nil)
	switch {
	case err != nil:
		return err
	case len(findings) == 0:
		return fmt.Errorf("nothing was found; record %d was changed", seq)
	case findings[0].Seq != seq:
		return fmt.Errorf("found %v first; record %d was changed", findings[0], seq)
	}
	return nil
}

// imageOf reads the ledger of a site.
func imageOf(t *testing.T, s *Site, all []ledger.Record) image {
	t.Helper()
	m := image{blobs: map[ledger.Hash][]byte{}}
	for _, r := range all {
		m.records = append(m.records, r.Bytes)
	}
	for _, b := range blobsOf(t, s) {
		m.blobs[ledger.BlobHash(b)] = b
	}
	m = m.with(m.records, true)
	if findings, err := m.found(); err != nil || len(findings) > 0 {
		t.Fatalf("the ledger itself does not hold: %v %v", findings, err)
	}
	return m
}

// each tries every one of n changes, or every stride-th, on all cores, and gives
// how many there were. A change that is missed is an error.
func each(t *testing.T, n, stride int, try func(i int) error) int {
	t.Helper()
	if full() {
		stride = 1
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				if err := try(i); err != nil {
					t.Errorf("change %d: %v", i, err)
				}
			}
		})
	}
	tried := 0
	for i := 0; i < n && !t.Failed(); i += stride {
		next <- i
		tried++
	}
	close(next)
	wg.Wait()
	return tried
}

// proof prints what was shown, if it was.
func proof(t *testing.T, format string, args ...any) {
	if !t.Failed() {
		fmt.Printf("PROOF: "+format+"\n", args...)
	}
}

// flipped is b with one bit changed.
func flipped(b []byte, bit int) []byte {
	b = bytes.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// bits numbers the bits of many byte strings in one row.
type bits struct {
	ends []int // bits up to the end of each
}

func (b *bits) add(n int) { b.ends = append(b.ends, b.all()+8*n) }

func (b *bits) all() int {
	if len(b.ends) == 0 {
		return 0
	}
	return b.ends[len(b.ends)-1]
}

// at is which string the i-th bit is in, and where.
func (b *bits) at(i int) (which, bit int) {
	which, _ = slices.BinarySearch(b.ends, i+1)
	if which > 0 {
		i -= b.ends[which-1]
	}
	return which, i
}

// TestTamperTable: what somebody with the file can do to a ledger of two
// ceremonies, and that a checker finds it and names the first bad place.
func TestTamperTable(t *testing.T) {
	t.Parallel()
	s, all, _ := played(t)
	whole := imageOf(t, s, all)
	t.Run("bits", func(t *testing.T) { tamperBits(t, whole) })
	t.Run("signatures", func(t *testing.T) { tamperSignatures(t, whole, all) })
	t.Run("rows", func(t *testing.T) { tamperRows(t, whole, all) })
	t.Run("again", func(t *testing.T) { tamperAgain(t, s, whole, all) })
	t.Run("tail", func(t *testing.T) { tamperTail(t, s, all) })
	t.Run("file", func(t *testing.T) { tamperFile(t, s, all) })
	t.Run("anew", func(t *testing.T) { tamperAnew(t, s) })
}

// tamperAnew makes the whole ledger anew, with other people's keys and another
// token: it is consistent in itself, and only what was carried out tells.
func tamperAnew(t *testing.T, s *Site) {
	forged, _ := openSite(t, setting(filepath.Join(t.TempDir(), "site"), nil))
	if err := forged.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := forged.Folder.Ledger()
	alone := audited(t, path, audit.Options{})
	if !alone.Holds() || !strings.Contains(strings.Join(alone.NotChecked, " "), "whose record this is") {
		t.Errorf("alone: %v, not checked %q", alone.Findings, alone.NotChecked)
	}
	for what, c := range map[string]struct {
		o    audit.Options
		rule string
	}{
		"the site's key":       {audit.Options{Site: string(s.VerifierKeys())}, "site.key"},
		"a carried checkpoint": {audit.Options{Checkpoints: [][]byte{[]byte(s.State().Note)}}, "checkpoint.other-site"},
	} {
		res := audited(t, path, c.o)
		if first, _ := res.First(); res.Exit() != 1 || first.Rule != c.rule {
			t.Errorf("with %s: %v", what, res.Findings)
		}
	}
	proof(t, "tamper: the whole ledger made anew: found with the site's key or a carried checkpoint, and said to be anybody's without")
}

// tamperBits changes single bits of what is stored, in each of the tables.
func tamperBits(t *testing.T, whole image) {
	var records, hashes, blobs bits
	for _, line := range whole.records {
		records.add(len(line))
	}
	n := each(t, records.all(), 1511, func(i int) error {
		seq, bit := records.at(i)
		// A checker reads in order: what follows the next record names nothing
		// that comes first.
		lines := slices.Clone(whole.records[:min(seq+2, len(whole.records))])
		lines[seq] = flipped(lines[seq], bit)
		return whole.with(lines, false).brokenAt(int64(seq))
	})
	proof(t, "tamper: %d of %d bits of records flipped, each found, the record named first", n, records.all())

	for range whole.hashes {
		hashes.add(tlog.HashSize)
	}
	n = each(t, hashes.all(), 211, func(i int) error {
		pos, bit := hashes.at(i)
		m := whole
		m.hashes = slices.Clone(m.hashes)
		m.hashes[pos] = tlog.Hash(flipped(m.hashes[pos][:], bit))
		_, findings, err := ledger.VerifyChain(context.Background(), m, nil)
		_, seq := tlog.SplitStoredHashIndex(int64(pos))
		if err != nil || len(findings) == 0 || findings[0].Seq < seq {
			return fmt.Errorf("found %v (%v); hash %d was changed", findings, err, pos)
		}
		return nil
	})
	proof(t, "tamper: %d of %d bits of tree hashes flipped, each found", n, hashes.all())

	names := slices.SortedFunc(maps.Keys(whole.blobs), func(a, b ledger.Hash) int { return bytes.Compare(a[:], b[:]) })
	for _, name := range names {
		blobs.add(len(whole.blobs[name]))
	}
	n = each(t, blobs.all(), 1009, func(i int) error {
		which, bit := blobs.at(i)
		m := whole
		m.blobs = maps.Clone(m.blobs)
		m.blobs[names[which]] = flipped(m.blobs[names[which]], bit)
		findings, err := ledger.VerifyBlobs(context.Background(), m)
		if err != nil || len(findings) != 1 || !strings.Contains(findings[0].What, names[which].String()) {
			return fmt.Errorf("found %v (%v); blob %s was changed", findings, err, names[which])
		}
		return nil
	})
	proof(t, "tamper: %d of %d bits of blobs flipped, each found, the blob named", n, blobs.all())

	// A blob that is gone is missed by the record that needs it.
	n = each(t, len(names), 2, func(i int) error {
		m := whole
		m.blobs = maps.Clone(m.blobs)
		delete(m.blobs, names[i])
		findings, err := m.found()
		if err != nil || len(findings) == 0 {
			return fmt.Errorf("nothing was found (%v); blob %s is gone", err, names[i])
		}
		return nil
	})
	proof(t, "tamper: %d of %d blobs taken away, each missed by a record", n, len(names))
}

// sealedBy is a record with a signature, and how to put another in its place.
type sealedBy struct {
	seq int64
	sig []byte
	put func(sig []byte) any
}

// tamperSignatures changes single bits of signatures and checkpoints and links
// the record anew, with its tree: only arithmetic can find it.
func tamperSignatures(t *testing.T, whole image, all []ledger.Record) {
	var signed, notes []sealedBy
	for _, r := range all {
		body, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		switch b := body.(type) {
		case *ceremony.SignOff:
			signed = append(signed, sealedBy{r.Seq, unhexed(t, b.Signature), func(sig []byte) any { c := *b; c.Signature = hex.EncodeToString(sig); return c }})
		case *ceremony.CeremonyKey:
			signed = append(signed, sealedBy{r.Seq, unhexed(t, b.Signature), func(sig []byte) any { c := *b; c.Signature = hex.EncodeToString(sig); return c }})
		case *ceremony.PersonEnrolled:
			signed = append(signed, sealedBy{r.Seq, unhexed(t, b.Signature), func(sig []byte) any { c := *b; c.Signature = hex.EncodeToString(sig); return c }})
		case *ceremony.CheckpointSigned:
			notes = append(notes, sealedBy{r.Seq, []byte(b.Note), func(note []byte) any { return ceremony.CheckpointSigned{Note: string(note)} }})
		}
	}
	for _, c := range []struct {
		what   string
		of     []sealedBy
		stride int
	}{{"people's signatures", signed, 151}, {"checkpoints", notes, 151}} {
		var row bits
		for _, one := range c.of {
			row.add(len(one.sig))
		}
		var unwritable atomic.Int64
		n := each(t, row.all(), c.stride, func(i int) error {
			which, bit := row.at(i)
			one := c.of[which]
			again, err := rebuilt(all[one.seq], one.put(flipped(one.sig, bit)))
			if err != nil {
				unwritable.Add(1)
				return nil
			}
			if i%wholly == 0 {
				lines := append(slices.Clone(whole.records[:one.seq]), again.Bytes)
				findings, err := whole.with(lines, true).found()
				if err != nil || len(findings) == 0 || findings[0].Seq != one.seq {
					return fmt.Errorf("found %v (%v); record %d was changed", findings, err, one.seq)
				}
			}
			found, err := after(whole, all[:one.seq], again)
			if err != nil || found == nil || found.Seq != one.seq {
				return fmt.Errorf("found %v (%v); record %d was changed", found, err, one.seq)
			}
			return nil
		})
		proof(t, "tamper: %d of %d bits of %s flipped and linked anew, each found at its record (%d are no text and cannot be written)", n, row.all(), c.what, unwritable.Load())
	}
}

// wholly: of so many changes one goes through the whole verification; the others
// through its rules and arithmetic, from the record that was changed on. What
// stands before it is the same, and was verified once.
const wholly = 151

// rebuilt is a record with another body, linked where it stands.
func rebuilt(r ledger.Record, body any) (ledger.Record, error) {
	again, err := ledger.Build(ledger.Head{Size: r.Seq, Last: r.Prev}, draft(r, body))
	if err != nil {
		return ledger.Record{}, err
	}
	return again[0], nil
}

// after is what a checker finds in a record behind others that hold.
func after(whole image, before []ledger.Record, r ledger.Record) (*ceremony.Finding, error) {
	s := ceremony.NewState(steps.Kinds(), func(h ledger.Hash) ([]byte, error) { return whole.Blob(context.Background(), h) })
	for _, b := range before {
		if _, err := s.Next(b); err != nil {
			return nil, err
		}
	}
	claims, err := s.Next(r)
	for _, c := range claims {
		err = errors.Join(err, c.Verify())
	}
	if err == nil {
		return nil, nil
	}
	f := ceremony.FindingOf(r.Seq, err)
	return &f, nil
}

func unhexed(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tamperRows deletes, swaps, doubles and inserts records, with the tree as it
// was and with one that fits.
func tamperRows(t *testing.T, whole image, all []ledger.Record) {
	foreign, err := ledger.Build(ledger.Head{Size: 7777, Last: ledger.LeafHash([]byte("another ledger"))}, ledger.Draft{Ceremony: "", Kind: ceremony.ArrivedKind, V: 1, Time: all[0].Time, Body: ceremony.Arrived{Person: "eve", Role: "officer"}})
	if err != nil {
		t.Fatal(err)
	}
	last := len(all) - 1
	for _, c := range []struct {
		what  string
		n     int
		first int64 // bad place, after i
		alter func(lines [][]byte, i int) [][]byte
	}{
		{"deleted", last, 0, func(l [][]byte, i int) [][]byte { return slices.Delete(l, i, i+1) }},
		{"swapped with the next", last, 0, func(l [][]byte, i int) [][]byte { l[i], l[i+1] = l[i+1], l[i]; return l }},
		{"doubled", last + 1, 1, func(l [][]byte, i int) [][]byte { return slices.Insert(l, i+1, l[i]) }},
		{"put before another", last + 1, 0, func(l [][]byte, i int) [][]byte { return slices.Insert(l, i, foreign[0].Bytes) }},
	} {
		n := each(t, c.n, 2, func(i int) error {
			for _, tree := range []bool{false, true} {
				if err := whole.with(c.alter(slices.Clone(whole.records), i), tree).brokenAt(int64(i) + c.first); err != nil {
					return fmt.Errorf("tree made anew: %v: %w", tree, err)
				}
			}
			return nil
		})
		proof(t, "tamper: %d of %d records %s, with the old tree and a new one, each found at its place", n, c.n, c.what)
	}
}

// tamperAgain changes one record and writes everything after it again, chain and
// tree: it shows at the next signature at the latest, and what no signature
// covers is said to be uncovered.
func tamperAgain(t *testing.T, s *Site, whole image, all []ledger.Record) {
	var signed []int64 // records that a person or the HSM signed
	for _, r := range all {
		switch r.Kind {
		case ceremony.SignOffKind, ceremony.CeremonyKeyKind, ceremony.PersonEnrolledKind, ceremony.CheckpointSignedKind:
			signed = append(signed, r.Seq)
		}
	}
	covered := signed[len(signed)-1]
	n := each(t, len(all), 3, func(i int) error {
		lines := slices.Clone(whole.records[:i])
		at := ledger.Head{Size: all[i].Seq, Last: all[i].Prev}
		for _, r := range all[i:] {
			body, err := ceremony.Body(r)
			if err != nil {
				return err
			}
			d := draft(r, body)
			d.Time = d.Time.Add(time.Millisecond)
			again, err := ledger.Build(at, d)
			if err != nil {
				return err
			}
			lines = append(lines, again[0].Bytes)
			at = ledger.Head{Size: r.Seq + 1, Last: again[0].Leaf}
		}
		findings, err := whole.with(lines, true).found()
		if err != nil {
			return err
		}
		if int64(i) >= covered { // the record of a checkpoint is not under it
			if len(findings) > 0 {
				return fmt.Errorf("found %v where nobody has signed", findings[0])
			}
			return nil
		}
		// The next signature's own prev is the first that an altered past changes.
		next := signed[slices.IndexFunc(signed, func(seq int64) bool { return seq > int64(i) })]
		if len(findings) == 0 || findings[0].Seq < int64(i) || findings[0].Seq > next {
			return fmt.Errorf("found %v; written again from %d on, signed at %d", findings, i, next)
		}
		return nil
	})
	uncovered := int64(len(all)) - s.State().SignedTo
	if res := audited(t, s.Folder.Ledger(), audit.Options{}); res.Uncovered != uncovered || !strings.Contains(strings.Join(res.NotChecked, " "), fmt.Sprintf("the last %d records", uncovered)) {
		t.Errorf("%d records are uncovered, and the checker says %d: %q", uncovered, res.Uncovered, res.NotChecked)
	}
	proof(t, "tamper: %d of %d times everything from a record on written again, each found at the next signature at the latest; the last %d records are said to be signed by nobody yet", n, len(all), uncovered)
}

func audited(t testing.TB, path string, o audit.Options) *audit.Result {
	t.Helper()
	res, err := audit.Ledger(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// tamperTail cuts the end off at every length: a carried checkpoint tells, and
// without one it is said that nothing was compared.
func tamperTail(t *testing.T, s *Site, all []ledger.Record) {
	carried, blobs := []byte(s.State().Note), blobsOf(t, s)
	signed := s.State().SignedTo
	const notCompared = "whether records were cut off at the end"
	dir := t.TempDir()
	n := each(t, len(all)-1, 7, func(i int) error {
		left := int64(i) + 1
		path := filepath.Join(dir, fmt.Sprint(left), "ledger.db")
		if err := written(path, all[:left], blobs); err != nil {
			return err
		}
		alone := audited(t, path, audit.Options{})
		if !alone.Holds() || !strings.Contains(strings.Join(alone.NotChecked, " "), notCompared) {
			return fmt.Errorf("cut to %d: %v, not checked %q", left, alone.Findings, alone.NotChecked)
		}
		res := audited(t, path, audit.Options{Site: string(s.VerifierKeys()), Checkpoints: [][]byte{carried}})
		told := slices.ContainsFunc(res.Findings, func(f ceremony.Finding) bool { return f.Rule == "checkpoint.rollback" && f.Seq == left })
		if told != (left < signed) || strings.Contains(strings.Join(res.NotChecked, " "), notCompared) {
			return fmt.Errorf("cut to %d of %d with the checkpoint over %d: %v", left, len(all), signed, res.Findings)
		}
		return nil
	})
	proof(t, "tamper: the end cut off at %d of %d lengths, each found with a carried checkpoint up to its %d records and said to be not compared without", n, len(all)-1, signed)
}

// written makes a ledger file of these records.
func written(path string, records []ledger.Record, blobs [][]byte) error {
	folder, err := ceremony.OpenFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	st, err := sqlite.Create(context.Background(), folder.Ledger())
	if err != nil {
		return err
	}
	_, err = st.Append(context.Background(), ledger.Empty(), ledger.Batch{Records: records, Blobs: blobs})
	return errors.Join(err, st.Close())
}

// tamperFile does some of this to the file itself, with another program, and
// asks the checker that an auditor would.
func tamperFile(t *testing.T, s *Site, all []ledger.Record) {
	clean := filepath.Join(t.TempDir(), "ledger.db")
	if err := written(clean, all, blobsOf(t, s)); err != nil {
		t.Fatal(err)
	}
	triggers := tool(t, nil, nil, "sqlite3", clean, "SELECT sql||';' FROM sqlite_master WHERE type='trigger'")
	drop := tool(t, nil, nil, "sqlite3", clean, "SELECT 'DROP TRIGGER '||name||';' FROM sqlite_master WHERE type='trigger'")
	middle := len(all) / 2
	for _, c := range []struct {
		what, statement, rule string
		seq                   int64
	}{
		{"a bit", fmt.Sprintf("UPDATE record SET bytes = x'%x' WHERE seq = %d", flipped(all[middle].Bytes, 1001), middle), "chain", int64(middle)},
		{"a record deleted", fmt.Sprintf("DELETE FROM record WHERE seq = %d", middle), "chain", int64(middle)},
		{"two records swapped", fmt.Sprintf("UPDATE record SET seq = -1 WHERE seq = %[1]d; UPDATE record SET seq = %[1]d WHERE seq = %[2]d; UPDATE record SET seq = %[2]d WHERE seq = -1", middle, middle+1), "chain", int64(middle)},
		{"the last record doubled", fmt.Sprintf("INSERT INTO record SELECT %d, bytes FROM record WHERE seq = %d", len(all), len(all)-1), "chain", int64(len(all))},
		{"a tree hash", "UPDATE hash SET bytes = zeroblob(32) WHERE pos = 7", "chain", 4},
		{"a blob", fmt.Sprintf("UPDATE blob SET bytes = x'00' WHERE sha256 = x'%x'", s.State().Ceremonies[1].Body.Script[:]), "script.invalid", s.State().Ceremonies[1].Runs[0].First},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			copyTo(t, clean, path)
			tool(t, nil, []byte(drop+c.statement+";\n"+triggers), "sqlite3", "-bail", path)
			first, _ := audited(t, path, audit.Options{}).First()
			if first.Rule != c.rule || first.Seq != c.seq {
				t.Errorf("found %+v first, want %s at record %d", first, c.rule, c.seq)
			}
		})
	}
}

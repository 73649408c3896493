package sqlite_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// Each benchmark measures our work and, in the same run and interleaved with
// it, the least that could do: the metric x-raw is the ratio of the medians.

// median of durations, in microseconds.
func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Nanoseconds()) / 1000
}

// typical is a record of about six hundred bytes.
func typical(n int64) ledger.Draft {
	d := draft(n)
	d.Body = map[string]any{
		"n": n, "person": "ines-roth", "role": "officer", "verdict": "agree", "shown": ledger.BlobHash(nil), "key": ledger.BlobHash(nil),
		"signature": make([]byte, 64), "text": "Two officers now authorise the generation of signing-key.",
	}
	return d
}

// raw is the limit: the same bytes written and synced.
func raw(b *testing.B) func(line []byte) time.Duration {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return func(line []byte) time.Duration {
		start := time.Now()
		if _, err := f.Write(line); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
}

func BenchmarkAppend(b *testing.B) {
	s, _ := create(b)
	write := raw(b)
	head, err := s.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var ours, limit []time.Duration
	for b.Loop() {
		records, err := ledger.Build(head, typical(head.Size))
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if head, err = s.Append(b.Context(), head, ledger.Batch{Records: records}); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(start))
		limit = append(limit, write(records[0].Bytes))
	}
	report(b, ours, limit)
}

func report(b *testing.B, ours, limit []time.Duration) {
	o, l := median(ours), median(limit)
	b.ReportMetric(o, "µs/ours")
	b.ReportMetric(l, "µs/raw")
	b.ReportMetric(o/l, "x-raw")
}

// BenchmarkSignedStep verifies two people's signatures, builds their two
// sign-offs and the step's result, and appends all in one transaction.
func BenchmarkSignedStep(b *testing.B) {
	s, _ := create(b)
	write := raw(b)
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	head, err := s.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var ours, limit []time.Duration
	for b.Loop() {
		message := make([]byte, 400)
		first, second := ed25519.Sign(key, message), ed25519.Sign(key, message)
		start := time.Now()
		if !ed25519.Verify(pub, message, first) || !ed25519.Verify(pub, message, second) {
			b.Fatal("a signature doesn't verify")
		}
		records, err := ledger.Build(head, typical(head.Size), typical(head.Size+1), typical(head.Size+2))
		if err != nil {
			b.Fatal(err)
		}
		if head, err = s.Append(b.Context(), head, ledger.Batch{Records: records, Blobs: [][]byte{message}}); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(start))
		limit = append(limit, write(records[0].Bytes))
	}
	report(b, ours, limit)
}

// large writes a ledger of n typical records and a flat file of the same lines.
func large(b *testing.B, n int64) (path, flat string) {
	b.Helper()
	s, path := create(b)
	flat = filepath.Join(b.TempDir(), "flat")
	f, err := os.Create(flat)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	head := ledger.Empty()
	for head.Size < n {
		var drafts []ledger.Draft
		for i := head.Size; i < min(n, head.Size+1000); i++ {
			drafts = append(drafts, typical(i))
		}
		records, err := ledger.Build(head, drafts...)
		if err != nil {
			b.Fatal(err)
		}
		if head, err = s.Append(b.Context(), head, ledger.Batch{Records: records}); err != nil {
			b.Fatal(err)
		}
		for _, r := range records {
			out.Write(r.Bytes)
			out.WriteByte('\n')
		}
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return path, flat
}

// chainFlat is the limit of verification: one chained SHA-256 a line.
func chainFlat(b *testing.B, flat string) time.Duration {
	b.Helper()
	f, err := os.Open(flat)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	start := time.Now()
	in := bufio.NewReaderSize(f, 1<<20)
	var last [32]byte
	h := sha256.New()
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			break
		}
		h.Reset()
		h.Write(last[:])
		h.Write(line)
		h.Sum(last[:0])
	}
	return time.Since(start)
}

// benchmarkTree is chain and tree; that each record has canonical form is
// measured apart, by BenchmarkVerifyCanonical.
func benchmarkTree(b *testing.B, cores int) {
	benchmarkVerify(b, cores, ledger.VerifyTree)
}

func benchmarkVerify(b *testing.B, cores int, verify func(context.Context, ledger.Reader) (ledger.Head, []ledger.Finding, error)) {
	path, flat := large(b, many())
	r, findings, err := sqlite.OpenRead(b.Context(), path)
	if err != nil || len(findings) > 0 {
		b.Fatal(findings, err)
	}
	defer r.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	var ours, limit []time.Duration
	for b.Loop() {
		start := time.Now()
		head, findings, err := verify(b.Context(), r)
		if err != nil || len(findings) > 0 || head.Size != many() {
			b.Fatal(head, findings, err)
		}
		ours = append(ours, time.Since(start))
		limit = append(limit, chainFlat(b, flat))
	}
	report(b, ours, limit)
	b.ReportMetric(median(ours)/float64(many()), "µs/record")
}

func BenchmarkTreeOneCore(b *testing.B) { benchmarkTree(b, 1) }

func BenchmarkTreeTwoCores(b *testing.B) { benchmarkTree(b, 2) }

// BenchmarkVerifyCanonical is chain and tree with every record read whole.
func BenchmarkVerifyCanonical(b *testing.B) {
	benchmarkVerify(b, 2, func(ctx context.Context, r ledger.Reader) (ledger.Head, []ledger.Finding, error) {
		return ledger.VerifyChain(ctx, r, nil)
	})
}

// BenchmarkOpenAndVerify30k opens a site of twenty years for writing, as every
// start does, and verifies it.
func BenchmarkOpenAndVerify30k(b *testing.B) {
	path, _ := large(b, 30_000)
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		if head, findings, err := ledger.VerifyChain(b.Context(), s, nil); err != nil || len(findings) > 0 || head.Size != 30_000 {
			b.Fatal(head, findings, err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// many is the size of a ledger that nobody will ever have.
func many() int64 {
	if thorough() {
		return 1_000_000
	}
	return 100_000
}

func BenchmarkParse(b *testing.B) {
	records, err := ledger.Build(ledger.Empty(), typical(0))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(records[0].Bytes)))
	for b.Loop() {
		if _, err := ledger.Parse(records[0].Bytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d := typical(0)
	d.Body = signed{Key: ledger.BlobHash(nil), Person: "ines-roth", Role: "officer", Shown: ledger.BlobHash(nil), Signature: make([]byte, 64), Verdict: "agree"}
	records, err := ledger.Build(ledger.Empty(), d)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var s signed
		if err := ledger.Decode(records[0].Body, &s); err != nil {
			b.Fatal(err)
		}
	}
}

type signed struct {
	Key       ledger.Hash `json:"key"`
	Person    string      `json:"person"`
	Role      string      `json:"role"`
	Shown     ledger.Hash `json:"shown"`
	Signature []byte      `json:"signature"`
	Verdict   string      `json:"verdict"`
}

func BenchmarkBuild(b *testing.B) {
	d := typical(0)
	for b.Loop() {
		if _, err := ledger.Build(ledger.Empty(), d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBackup30k(b *testing.B) {
	path, _ := large(b, 30_000)
	r, _, err := sqlite.OpenRead(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for b.Loop() {
		to := filepath.Join(b.TempDir(), "copy.db")
		if _, err := r.Backup(b.Context(), to); err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(to); err != nil {
			b.Fatal(err)
		}
	}
}

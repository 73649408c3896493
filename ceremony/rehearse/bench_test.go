package rehearse

import (
	"context"
	"crypto/ed25519"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// Chain, tree and canonical form are measured in ledger/sqlite; here is what
// comes on top: the rules, and the signatures of people.

// BenchmarkState folds the records of two ceremonies; signatures are not
// verified.
func BenchmarkState(b *testing.B) {
	_, all, blobs := ofTwo(b)
	for b.Loop() {
		folded(b, all, blobs)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(all)), "µs/record")
}

// BenchmarkSignatures verifies every signature of a person on all cores, beside
// ed25519.Verify alone on as many.
func BenchmarkSignatures(b *testing.B) {
	_, all, blobs := ofTwo(b)
	claims := slices.DeleteFunc(folded(b, all, blobs), func(c ceremony.Claim) bool { return c.Root != nil })
	claims = slices.Repeat(claims, 20)
	var ours, limit []time.Duration
	for b.Loop() {
		start := time.Now()
		v := ceremony.NewVerifier()
		for _, c := range claims {
			v.Add(c)
		}
		if f := v.Wait(); len(f) > 0 {
			b.Fatal(f)
		}
		ours = append(ours, time.Since(start))
		limit = append(limit, bare(b, claims))
	}
	slices.Sort(ours)
	slices.Sort(limit)
	o, l := ours[len(ours)/2], limit[len(limit)/2]
	b.ReportMetric(float64(o)/float64(l), "x-raw")
	b.ReportMetric(float64(o.Microseconds())/float64(len(claims)), "µs/signature")
}

func bare(b *testing.B, claims []ceremony.Claim) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	cores := runtime.GOMAXPROCS(0)
	for part := range slices.Chunk(claims, (len(claims)+cores-1)/cores) {
		wg.Go(func() {
			for _, c := range part {
				if !ed25519.Verify(c.Key, c.Message, c.Sig) {
					b.Error("a signature doesn't verify")
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// BenchmarkOpenSite opens the site of many ceremonies for writing, verifies all
// of it and folds it, as every start does. It is measured per record, for the
// thirty thousand of twenty years.
func BenchmarkOpenSite(b *testing.B) {
	s, _ := openSite(b, setting(copySite(b), nil))
	for range held() {
		if err := s.Begin(b.Context(), generation(b), nil); err != nil {
			b.Fatal(err)
		}
	}
	size := s.State().Size
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		store, err := sqlite.Open(b.Context(), s.Folder.Ledger())
		if err != nil {
			b.Fatal(err)
		}
		if _, head, findings, err := ceremony.Fold(b.Context(), store, steps.Kinds()); err != nil || len(findings) > 0 || head.Size != size {
			b.Fatal(findings, err)
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(size), "records")
	b.ReportMetric(each.Seconds()*1000*30_000/float64(size), "ms/30000-records")
}

func held() int {
	if full() {
		return 36
	}
	return 6
}

func ofTwo(b *testing.B) (*Site, []ledger.Record, ceremony.Blobs) {
	b.Helper()
	s, _ := openSite(b, setting(copySite(b), nil))
	if err := s.Begin(b.Context(), generation(b), nil); err != nil {
		b.Fatal(err)
	}
	var all []ledger.Record
	for r, err := range s.Record().Records(b.Context(), 0, ledger.End) {
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, r)
	}
	kept := map[ledger.Hash][]byte{}
	return s, all, func(h ledger.Hash) ([]byte, error) {
		if kept[h] == nil {
			content, err := s.Record().Blob(context.Background(), h)
			if err != nil {
				return nil, err
			}
			kept[h] = content
		}
		return kept[h], nil
	}
}

// folded admits all records and gives what they claim.
func folded(b *testing.B, all []ledger.Record, blobs ceremony.Blobs) (claims []ceremony.Claim) {
	s := ceremony.NewState(steps.Kinds(), blobs)
	for _, r := range all {
		c, err := s.Next(r)
		if err != nil {
			b.Fatal(err)
		}
		claims = append(claims, c...)
	}
	return claims
}

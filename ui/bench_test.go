package ui

import (
	"slices"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ledger"
	"claviger/ui/flow"
	"claviger/ui/sample"
)

// BenchmarkOpenLedger opens the list of 100 000 records, from the key that is
// pressed to the first rows, beside that of 100.
func BenchmarkOpenLedger(b *testing.B) {
	type site struct {
		records int
		newest  string
		ledger  *ledger.Memory
		took    []time.Duration
	}
	sites := []*site{{records: 100, newest: "99"}, {records: 100_000, newest: "99 999"}}
	for _, s := range sites {
		s.ledger = sample.Ledger(s.records)
	}
	p := &play{snapshot: practiceSite(), state: sample.Site()}
	p.ledger = sites[0].ledger
	d := openOn(b, p)
	d.until("overview")
	for b.Loop() {
		for _, s := range sites {
			p.mu.Lock()
			p.ledger, p.state.Size = s.ledger, int64(s.records)
			p.mu.Unlock()
			start := time.Now()
			d.shell.goTo(flow.InLedger)
			d.next("\n" + s.newest + "\n")
			s.took = append(s.took, time.Since(start))
			d.shell.goTo(flow.InOverview)
			d.until("overview")
		}
	}
	few, many := median(sites[0].took), median(sites[1].took)
	b.ReportMetric(few, "ms/100-records")
	b.ReportMetric(many, "ms/100000-records")
	b.ReportMetric(many/few, "x-short-list")
}

// BenchmarkOverview makes the first page of a site with 2 000 keys.
func BenchmarkOverview(b *testing.B) {
	s := sample.Site()
	sample.ManyKeys(s, 2000)
	r := flow.Record{State: s, Ledger: ledger.NewMemory(), Report: func(string) string { return "" }}
	for b.Loop() {
		flow.NewOverview(ceremony.Snapshot{}, r, nil, sample.Noon)
	}
}

func median(took []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[len(sorted)/2].Microseconds()) / 1000
}

package ledger_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"claviger/ledger"
)

type body struct {
	N    int64  `json:"n"`
	Text string `json:"text"`
}

// draft is a record of no consequence.
func draft(n int64) ledger.Draft {
	return ledger.Draft{
		Ceremony: "2026-014", Kind: "step.result", V: 1,
		Time: time.Date(2026, 11, 22, 11, 42, 31, 204_000_000, time.UTC).Add(time.Duration(n) * time.Second),
		Body: body{N: n, Text: strings.Repeat("x", int(n%7)*40)},
	}
}

// fill appends n records in batches of at most each.
func fill(t testing.TB, s ledger.Store, n, each int) ledger.Head {
	t.Helper()
	ctx := context.Background()
	head, err := s.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for end := head.Size + int64(n); head.Size < end; {
		var drafts []ledger.Draft
		for i := head.Size; i < min(end, head.Size+int64(each)); i++ {
			drafts = append(drafts, draft(i))
		}
		head = add(t, s, head, drafts...)
	}
	return head
}

func add(t testing.TB, s ledger.Store, at ledger.Head, drafts ...ledger.Draft) ledger.Head {
	t.Helper()
	records, err := ledger.Build(at, drafts...)
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Append(context.Background(), at, ledger.Batch{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func read(t testing.TB, r ledger.Reader, from, to int64) []ledger.Record {
	t.Helper()
	var out []ledger.Record
	for rec, err := range r.Records(context.Background(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
	return out
}

func verify(t testing.TB, r ledger.Reader) ledger.Head {
	t.Helper()
	head, findings, err := ledger.VerifyChain(context.Background(), r, nil)
	if err != nil || len(findings) > 0 {
		t.Fatalf("the ledger doesn't verify: %v %v", findings, err)
	}
	return head
}

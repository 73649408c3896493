package sqlite_test

import (
	"crypto/ed25519"
	"flag"
	"os"
	"slices"
	"testing"

	"claviger/ledger"
)

var update = flag.Bool("update", false, "write testdata/v1.db again; only before the first release")

// A ledger of the first version is read for ever, and what is written today
// with the same key at the same time is the same to the last byte.
func TestGoldenLedger(t *testing.T) {
	key := ed25519.NewKeyFromSeed([]byte("the seed of a key that's no secret"[:32]))
	path, _, head, note := signedLedger(t, key, 30)
	if *update {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/v1.db", b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const golden = "testdata/v1.db"
	sum := digest(t, golden)
	got, findings := inspect(t, golden)
	if got != head || len(findings) > 0 {
		t.Errorf("it holds %v, %v; today's is %v", got, findings, head)
	}
	if got := head.Root.String(); got != goldenRoot {
		t.Errorf("its root is %s", got)
	}
	if !slices.Equal(contents(t, golden), contents(t, path)) {
		t.Error("its records and blobs aren't written like that any more")
	}
	v, err := ledger.NewVerifier(goldenKey)
	if err != nil {
		t.Fatal(err)
	}
	if cp, _, err := ledger.OpenCheckpoint(note, v); err != nil || cp.Size != head.Size-1 {
		t.Errorf("its checkpoint: %+v, %v", cp, err)
	}
	if digest(t, golden) != sum {
		t.Error("reading changed it")
	}
}

const (
	goldenRoot = "9b6a5cba1300827f61fc5f08f7e4b71f1a778301a5151a8a199a7d828daff4db"
	goldenKey  = "claviger-practice/ouh6k452v523mpc3r72skrcoia+8c2dc5bb+AR0eZTVXVW4RYVLfYyhNO76/gZSG3StjiRwCz7KxW8NO"
)

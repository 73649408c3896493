package sqlite_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// signedLedger is a closed ledger whose records 1, 2 and so on are: the
// enrolment of a key, others, and the key's checkpoint over all before it.
func signedLedger(t testing.TB, key crypto.Signer, others int) (path, origin string, head ledger.Head, note string) {
	t.Helper()
	s, path := create(t)
	head = ledger.Empty()
	add := func(kind string, body any, blobs ...[]byte) {
		t.Helper()
		records, err := ledger.Build(head, ledger.Draft{Kind: kind, V: 1, Time: time.Unix(1_800_000_000, 0), Body: body})
		if err == nil {
			head, err = s.Append(t.Context(), head, ledger.Batch{Records: records, Blobs: blobs})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("site.opened", map[string]any{"practice": true, "organisation": "Größe, Ω & Söhne \u2028 <\"\\>\x01"})
	origin = ledger.Origin(ledger.SiteID(head.Last), true)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := ledger.VerifierKey(origin, spki)
	if err != nil {
		t.Fatal(err)
	}
	add("ledger-key.enrolled", map[string]any{"verifier": vkey, "public": ledger.BlobHash(spki)}, spki)
	for range others {
		add("step.result", body{N: head.Size})
	}
	note, err = ledger.SignCheckpoint(origin, head, spki, func(text []byte) ([]byte, error) {
		if _, ok := key.(ed25519.PrivateKey); ok {
			return key.Sign(rand.Reader, text, crypto.Hash(0))
		}
		sum := sha256.Sum256(text)
		return key.Sign(rand.Reader, sum[:], crypto.SHA256)
	})
	if err != nil {
		t.Fatal(err)
	}
	add("checkpoint.signed", map[string]any{"note": note})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, origin, head, note
}

func python(t testing.TB, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", args...).CombinedOutput()
	return string(out), err
}

// Chain, tree, checkpoint signature and proof are recomputed by a program in
// another language that shares nothing with this one.
func TestAnotherImplementationAgrees(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"P-256": p256, "Ed25519": ed} {
		t.Run(name, func(t *testing.T) {
			path, origin, head, note := signedLedger(t, key, 57)
			const seq = 13
			proof := filepath.Join(t.TempDir(), "proof.txt")
			if err := os.WriteFile(proof, []byte(prove(t, path, seq, head.Size-1, note)), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := python(t, "testdata/recompute.py", path, proof, fmt.Sprint(seq))
			if err != nil {
				t.Fatal(out, err)
			}
			var got struct {
				Size               int64
				Last, Root, Origin string
				Checkpoints        int
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(out, err)
			}
			if got.Size != head.Size || got.Last != head.Last.String() || got.Root != head.Root.String() || got.Origin != origin || got.Checkpoints != 1 {
				t.Errorf("it computes %+v, we %+v", got, head)
			}
			// That it can say no is part of its worth.
			if out, err := python(t, "testdata/recompute.py", path, proof, fmt.Sprint(seq+1)); err == nil {
				t.Errorf("it accepts the proof for another record: %s", out)
			}
			tamper(t, path, "DROP TRIGGER record_update", fmt.Sprintf(`UPDATE record SET bytes = CAST(replace(CAST(bytes AS TEXT), '"n":%d', '"n":0') AS BLOB) WHERE seq = %[1]d`, seq))
			if out, err := python(t, "testdata/recompute.py", path); err == nil || !strings.Contains(out, "record 14 breaks the chain") {
				t.Errorf("of a changed record it says: %s", out)
			}
		})
	}
}

// TestAnotherImplementationReadsARealLedger: that of a practice site, with two
// ceremonies, signed by a token. All it is given is the file, and our proof to hold
// against the one that it computes.
func TestAnotherImplementationReadsARealLedger(t *testing.T) {
	path := filepath.Join("..", "..", "testdata", "ledgers", "v1", "ledger.db")
	head, findings := inspect(t, path)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	r, _, err := sqlite.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	signed, note := 0, ""
	for rec, err := range r.Records(t.Context(), 0, ledger.End) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Kind == "checkpoint.signed" {
			var b struct{ Note string }
			if err := json.Unmarshal(rec.Body, &b); err != nil {
				t.Fatal(err)
			}
			signed, note = signed+1, b.Note
		}
	}
	var size int64
	if _, err := fmt.Sscanf(strings.SplitN(note, "\n", 3)[1], "%d", &size); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int64{0, size / 3, size - 1} {
		proof := filepath.Join(t.TempDir(), "proof.txt")
		if err := os.WriteFile(proof, []byte(prove(t, path, seq, size, note)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := python(t, "testdata/recompute.py", path, proof, fmt.Sprint(seq))
		if err != nil {
			t.Fatal(out, err)
		}
		want := fmt.Sprintf(`{"size": %d, "last": "%s", "root": "%s", "origin": "%s", "checkpoints": %d}`, head.Size, head.Last, head.Root, strings.SplitN(note, "\n", 2)[0], signed)
		if strings.TrimSpace(out) != want || signed < 2 {
			t.Errorf("it computes %s, we %s", out, want)
		}
	}
}

func prove(t testing.TB, path string, seq, size int64, note string) string {
	t.Helper()
	r, _, err := sqlite.OpenRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	steps, err := ledger.ProveInclusion(t.Context(), r, seq, size)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.FormatProof(ledger.Proof{Seq: seq, Path: steps, Note: note})
}

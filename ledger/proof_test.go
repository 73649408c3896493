package ledger_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"claviger/ledger"
)

func TestProofFile(t *testing.T) {
	s := ledger.NewMemory()
	head := fill(t, s, 37, 10)
	origin, k := testOrigin(), p256Token(t)
	text := k.checkpoint(t, origin, head)
	v := k.verifier(t, origin)
	for _, r := range read(t, s, 0, ledger.End) {
		path, err := ledger.ProveInclusion(t.Context(), s, r.Seq, head.Size)
		if err != nil {
			t.Fatal(err)
		}
		file := ledger.FormatProof(ledger.Proof{Seq: r.Seq, Path: path, Note: text})
		if want := fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex %d\n", r.Seq); !strings.HasPrefix(file, want) || !strings.HasSuffix(file, "\n\n"+text) {
			t.Fatalf("the file is %q", file)
		}
		p, err := ledger.ParseProof(file)
		if err != nil {
			t.Fatal(err)
		}
		cp, _, err := ledger.OpenCheckpoint(p.Note, v)
		if err != nil {
			t.Fatal(err)
		}
		if err := ledger.CheckProof(p, cp, r.Leaf); err != nil {
			t.Error(err)
		}
		if err := ledger.CheckProof(p, cp, r.Prev); err == nil {
			t.Errorf("the proof of record %d holds for another record", r.Seq)
		}
		p.Seq = (p.Seq + 1) % head.Size
		if err := ledger.CheckProof(p, cp, r.Leaf); err == nil {
			t.Errorf("the proof of record %d holds for another place", r.Seq)
		}
	}
}

// A proof that is changed anywhere says something else or nothing.
func TestEveryMangledProofIsRefused(t *testing.T) {
	s := ledger.NewMemory()
	head := fill(t, s, 7, 7)
	origin, k := testOrigin(), ed25519Token(t)
	v := k.verifier(t, origin)
	path, err := ledger.ProveInclusion(t.Context(), s, 4, head.Size)
	if err != nil {
		t.Fatal(err)
	}
	leaf := read(t, s, 4, 5)[0].Leaf
	good := ledger.FormatProof(ledger.Proof{Seq: 4, Path: path, Note: k.checkpoint(t, origin, head)})
	holds := func(file string) bool {
		p, err := ledger.ParseProof(file)
		if err != nil {
			return false
		}
		cp, _, err := ledger.OpenCheckpoint(p.Note, v)
		return err == nil && ledger.CheckProof(p, cp, leaf) == nil
	}
	if !holds(good) {
		t.Fatal("the good proof doesn't hold")
	}
	for i := range len(good) {
		for bit := range 8 {
			b := []byte(good)
			b[i] ^= 1 << bit
			if holds(string(b)) {
				t.Errorf("bit %d of byte %d flipped, and it holds", bit, i)
			}
		}
		for what, file := range map[string]string{
			"cut":              good[:i],
			"a byte left out":  good[:i] + good[i+1:],
			"a byte doubled":   good[:i+1] + good[i:],
			"a newline put in": good[:i] + "\n" + good[i:],
		} {
			// Leaving out or doubling one of two equal neighbours in the one
			// place where it changes nothing can't be told from the original.
			if file != good && holds(file) {
				t.Errorf("%s at %d, and it holds", what, i)
			}
		}
	}
	hash := base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	head1, rest, _ := strings.Cut(good, "\nindex 4\n")
	for what, file := range map[string]string{
		"extra data":              head1 + "\nextra AAAA\nindex 4\n" + rest,
		"a hash more":             head1 + "\nindex 4\n" + hash + rest,
		"an index with a zero":    head1 + "\nindex 04\n" + rest,
		"an index past 2^64":      head1 + "\nindex 18446744073709551620\n" + rest,
		"Windows line ends":       strings.ReplaceAll(good, "\n", "\r\n"),
		"no newline at the end":   strings.TrimSuffix(good, "\n"),
		"64 hashes":               head1 + "\nindex 4\n" + strings.Repeat(hash, 64) + "\n",
		"more than a proof holds": good + strings.Repeat("x", ledger.MaxProof),
	} {
		if holds(file) {
			t.Errorf("%s, and it holds", what)
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	origin := testOrigin()
	k := ed25519Token(f)
	v := k.verifier(f, origin)
	good := k.checkpoint(f, origin, ledger.Head{Size: 7, Root: ledger.BlobHash(nil)})
	f.Add(good)
	f.Add(good + good[strings.Index(good, "— "):])
	f.Add(strings.Replace(good, "\n7\n", "\n07\n", 1))
	text, _, _ := strings.Cut(good, "\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		cp, n, err := ledger.OpenCheckpoint(s, v)
		if err != nil {
			return
		}
		// Nobody but the token can sign: what opens says what was signed.
		if n.Text != text+"\n" || cp.Size != 7 || cp.Root != ledger.BlobHash(nil) || cp.Origin != origin {
			t.Errorf("%q opens as %+v", s, cp)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	hash := base64.StdEncoding.EncodeToString(make([]byte, 32))
	f.Add("c2sp.org/tlog-proof@v1\nindex 4\n" + hash + "\n\nnote\n")
	f.Add("c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ledger.ParseProof(s)
		if err == nil && ledger.FormatProof(p) != s {
			t.Errorf("%q is written again as %q", s, ledger.FormatProof(p))
		}
	})
}

package ledger_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"claviger/ledger"
)

// token is a ledger key as a token would hold it.
type token struct {
	spki []byte
	sign func([]byte) ([]byte, error)
}

func newToken(t testing.TB, key crypto.Signer) token {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return token{spki, func(text []byte) ([]byte, error) {
		if _, ok := key.(ed25519.PrivateKey); ok {
			return key.Sign(rand.Reader, text, crypto.Hash(0))
		}
		sum := sha256.Sum256(text)
		return key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}}
}

func p256Token(t testing.TB) token {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newToken(t, key)
}

func ed25519Token(t testing.TB) token {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newToken(t, key)
}

func (k token) verifier(t testing.TB, origin string) note.Verifier {
	t.Helper()
	vkey, err := ledger.VerifierKey(origin, k.spki)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (k token) checkpoint(t testing.TB, origin string, head ledger.Head) string {
	t.Helper()
	text, err := ledger.SignCheckpoint(origin, head, k.spki, k.sign)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func testOrigin() string { return ledger.Origin(ledger.SiteID(ledger.LeafHash([]byte("x"))), true) }

func TestSiteNames(t *testing.T) {
	id := ledger.SiteID(ledger.Hash{0: 0xff, 15: 0x01, 16: 0xff})
	if id != "74aaaaaaaaaaaaaaaaaaaaaaae" {
		t.Error("site id", id)
	}
	if got := ledger.Origin(id, false); got != "claviger/"+id {
		t.Error(got)
	}
	if got := ledger.Origin(id, true); got != "claviger-practice/"+id {
		t.Error(got)
	}
}

func TestCheckpoint(t *testing.T) {
	head := ledger.Head{Size: 2318, Root: ledger.BlobHash([]byte("root"))}
	origin := testOrigin()
	for name, k := range map[string]token{"P-256": p256Token(t), "Ed25519": ed25519Token(t)} {
		t.Run(name, func(t *testing.T) {
			text := k.checkpoint(t, origin, head)
			if want := origin + "\n2318\n" + base64.StdEncoding.EncodeToString(head.Root[:]) + "\n\n— " + origin + " "; !strings.HasPrefix(text, want) {
				t.Errorf("the note is %q", text)
			}
			// On paper it has to fit one QR code.
			if len(text) > 260 {
				t.Errorf("the note has %d bytes", len(text))
			}
			cp, n, err := ledger.OpenCheckpoint(text, k.verifier(t, origin))
			if err != nil {
				t.Fatal(err)
			}
			if cp != (ledger.Checkpoint{Origin: origin, Size: 2318, Root: head.Root, Note: text}) || len(n.Sigs) != 1 {
				t.Errorf("opened as %+v, %+v", cp, n)
			}
			if _, _, err := ledger.OpenCheckpoint(text); !errors.Is(err, ledger.ErrUnknownSigner) {
				t.Errorf("with no key at all: %v", err)
			}
			for other, k := range map[string]token{"P-256": p256Token(t), "Ed25519": ed25519Token(t)} {
				if _, _, err := ledger.OpenCheckpoint(text, k.verifier(t, origin)); !errors.Is(err, ledger.ErrUnknownSigner) {
					t.Errorf("with another %s key: %v", other, err)
				}
			}
			if _, _, err := ledger.OpenCheckpoint(text, k.verifier(t, "claviger/other")); !errors.Is(err, ledger.ErrUnknownSigner) {
				t.Errorf("with the same key under another site's name: %v", err)
			}
		})
	}
}

// A token that signs something else is caught before anything is recorded.
func TestBadSignatureIsNeverReturned(t *testing.T) {
	k := p256Token(t)
	for name, sign := range map[string]func([]byte) ([]byte, error){
		"over another text": func(text []byte) ([]byte, error) { return k.sign(append(text, '\n')) },
		"nothing":           func([]byte) ([]byte, error) { return nil, nil },
		"noise":             func([]byte) ([]byte, error) { return make([]byte, 64), nil },
		"an error":          func([]byte) ([]byte, error) { return nil, errors.New("CKR_DEVICE_REMOVED") },
	} {
		if _, err := ledger.SignCheckpoint(testOrigin(), ledger.Empty(), k.spki, sign); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Every bit of the note counts.
func TestEveryMangledCheckpointIsRefused(t *testing.T) {
	origin := testOrigin()
	for name, k := range map[string]token{"P-256": p256Token(t), "Ed25519": ed25519Token(t)} {
		good := k.checkpoint(t, origin, ledger.Head{Size: 20, Root: ledger.BlobHash(nil)})
		v := k.verifier(t, origin)
		refused := func(what, text string) {
			t.Helper()
			if cp, _, err := ledger.OpenCheckpoint(text, v); err == nil {
				t.Errorf("%s, %s: opened as %+v", name, what, cp)
			}
		}
		for i := range len(good) {
			for bit := range 8 {
				b := []byte(good)
				b[i] ^= 1 << bit
				refused(fmt.Sprintf("bit %d of byte %d flipped", bit, i), string(b))
			}
			refused(fmt.Sprintf("cut at %d", i), good[:i])
			refused(fmt.Sprintf("byte %d left out", i), good[:i]+good[i+1:])
			refused(fmt.Sprintf("byte %d doubled", i), good[:i+1]+good[i:])
			for _, c := range []string{"\n", " ", "\r", "\x00", "=", "—"} {
				refused(fmt.Sprintf("%q put in at %d", c, i), good[:i]+c+good[i:])
			}
		}
		text, sig, _ := strings.Cut(good, "\n\n")
		refused("a blank line at the end", good+"\n")
		refused("an extension line", text+"\nextension\n\n"+sig)
		refused("line ends of Windows", strings.ReplaceAll(good, "\n", "\r\n"))
		refused("a size with a leading zero", strings.Replace(good, "\n20\n", "\n020\n", 1))
		refused("a size with a plus", strings.Replace(good, "\n20\n", "\n+20\n", 1))
		refused("the signature twice in one line", strings.TrimSuffix(good, "\n")+strings.TrimPrefix(sig, "— "+origin+" "))
	}
}

// A note whose text is signed as it stands, but is no checkpoint of ours.
func TestSignedButNoCheckpoint(t *testing.T) {
	k := p256Token(t)
	origin := testOrigin()
	v := k.verifier(t, origin)
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, text := range map[string]string{
		"an extension line":     origin + "\n20\n" + root + "\nextension\n",
		"no root":               origin + "\n20\n",
		"a short root":          origin + "\n20\n" + root[:40] + "\n",
		"a root with slack":     origin + "\n20\n" + root[:42] + "B=\n",
		"a leading zero":        origin + "\n020\n" + root + "\n",
		"a plus sign":           origin + "\n+20\n" + root + "\n",
		"a negative size":       origin + "\n-20\n" + root + "\n",
		"a size past 2^53-1":    origin + "\n9007199254740992\n" + root + "\n",
		"a size past 2^64":      origin + "\n18446744073709551616\n" + root + "\n",
		"another site's origin": "claviger/other\n20\n" + root + "\n",
		"no origin":             "\n20\n" + root + "\n",
	} {
		sig, err := k.sign([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		id := []byte{byte(v.KeyHash() >> 24), byte(v.KeyHash() >> 16), byte(v.KeyHash() >> 8), byte(v.KeyHash())}
		signed := text + "\n— " + origin + " " + base64.StdEncoding.EncodeToString(append(id, sig...)) + "\n"
		if cp, _, err := ledger.OpenCheckpoint(signed, v); err == nil {
			t.Errorf("%s: opened as %+v", name, cp)
		}
	}
}

// The rules of C2SP signed-note for the lines under a note.
func TestSignatureLines(t *testing.T) {
	origin := testOrigin()
	k, second := p256Token(t), ed25519Token(t)
	good := k.checkpoint(t, origin, ledger.Head{Size: 20, Root: ledger.BlobHash(nil)})
	text, mine, _ := strings.Cut(good, "\n\n")
	theirs, _ := strings.CutPrefix(second.checkpoint(t, origin, ledger.Head{Size: 20, Root: ledger.BlobHash(nil)}), text+"\n\n")
	elsewhere, _ := strings.CutPrefix(second.checkpoint(t, origin, ledger.Head{Size: 21, Root: ledger.BlobHash(nil)}), strings.Replace(text, "\n20\n", "\n21\n", 1)+"\n\n")
	unknown := func(i int) string {
		return fmt.Sprintf("— example.org/witness %s\n", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%04d signature", i)))
	}
	many := func(n int) (s string) {
		for i := range n {
			s += unknown(i)
		}
		return s
	}
	v, v2 := k.verifier(t, origin), second.verifier(t, origin)
	tests := map[string]struct {
		sigs             string
		with             []note.Verifier
		known, strangers int
		refused          bool
	}{
		"one line":                             {mine, []note.Verifier{v}, 1, 0, false},
		"two ledger keys, both known":          {mine + theirs, []note.Verifier{v, v2}, 2, 0, false},
		"two ledger keys, one known":           {mine + theirs, []note.Verifier{v2}, 1, 1, false},
		"unknown lines before and after":       {unknown(1) + mine + unknown(2), []note.Verifier{v}, 1, 2, false},
		"the same line twice counts once":      {mine + mine, []note.Verifier{v}, 1, 0, false},
		"an unknown line twice counts once":    {unknown(1) + mine + unknown(1), []note.Verifier{v}, 1, 1, false},
		"one hundred lines":                    {many(99) + mine, []note.Verifier{v}, 1, 99, false},
		"more than one hundred":                {many(100) + mine, []note.Verifier{v}, 0, 0, true},
		"only unknown lines":                   {unknown(1), []note.Verifier{v}, 0, 0, true},
		"no line":                              {"", []note.Verifier{v}, 0, 0, true},
		"a known key's line from another note": {mine + elsewhere, []note.Verifier{v, v2}, 0, 0, true},
		"the same, its key not known":          {mine + elsewhere, []note.Verifier{v}, 1, 1, false},
		"a line that isn't one":                {mine + "hello\n", []note.Verifier{v}, 0, 0, true},
		"a hyphen for the dash":                {strings.Replace(mine, "—", "-", 1), []note.Verifier{v}, 0, 0, true},
		"an unknown line of four bytes":        {mine + "— x AAAAAA==\n", []note.Verifier{v}, 0, 0, true},
		"an unknown line with slack":           {mine + "— x AAAAAAB=\n", []note.Verifier{v}, 0, 0, true},
		"two verifiers with one key id":        {mine, []note.Verifier{v, impostor{v}}, 0, 0, true},
	}
	for name, test := range tests {
		_, n, err := ledger.OpenCheckpoint(text+"\n\n"+test.sigs, test.with...)
		switch {
		case test.refused && err == nil:
			t.Errorf("%s: opened", name)
		case !test.refused && err != nil:
			t.Errorf("%s: %v", name, err)
		case !test.refused && (len(n.Sigs) != test.known || len(n.UnverifiedSigs) != test.strangers):
			t.Errorf("%s: %d known, %d unknown", name, len(n.Sigs), len(n.UnverifiedSigs))
		}
	}
	forged := strings.Replace(text, "\n20\n", "\n21\n", 1) + "\n\n" + mine
	if _, _, err := ledger.OpenCheckpoint(forged, v); err == nil {
		t.Error("a forged size is accepted")
	}
}

// impostor shares name and key id with another verifier.
type impostor struct{ note.Verifier }

func (impostor) Verify([]byte, []byte) bool { return true }

func TestVerifierKeys(t *testing.T) {
	origin := testOrigin()
	for name, k := range map[string]token{"P-256": p256Token(t), "Ed25519": ed25519Token(t)} {
		vkey, err := ledger.VerifierKey(origin, k.spki)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.NewVerifier(vkey); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range len(vkey) {
			b := []byte(vkey)
			b[i] ^= 0x01
			if v, err := ledger.NewVerifier(string(b)); err == nil && v.KeyHash() == k.verifier(t, origin).KeyHash() && v.Name() == origin {
				t.Errorf("%s: with byte %d changed it is still the same key", name, i)
			}
		}
		for what, text := range map[string]string{
			"a blank at the end":   vkey + " ",
			"a newline at the end": vkey + "\n",
			"an id in capitals":    strings.Replace(vkey, vkey[len(origin)+1:len(origin)+9], strings.ToUpper(vkey[len(origin)+1:len(origin)+9])+"", 1) + "+",
			"no name":              vkey[len(origin):],
			"a short id":           strings.Replace(vkey, vkey[len(origin)+1:len(origin)+9], vkey[len(origin)+1:len(origin)+8], 1),
		} {
			if _, err := ledger.NewVerifier(text); err == nil {
				t.Errorf("%s, %s: accepted", name, what)
			}
		}
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]token{"P-384": newToken(t, p384), "RSA": newToken(t, rsaKey)} {
		if _, err := ledger.VerifierKey(origin, k.spki); err == nil {
			t.Errorf("%s: accepted as a ledger key", name)
		}
	}
	spki := p256Token(t).spki
	for name, bad := range map[string][]byte{"nothing": nil, "cut": spki[:len(spki)-1], "a byte more": append(slices.Clone(spki), 0)} {
		if _, err := ledger.VerifierKey(origin, bad); err == nil {
			t.Errorf("%s: accepted as a key", name)
		}
	}
	for _, bad := range []string{"", "a b", "a+b", "é", "a\n", strings.Repeat("a", 300)} {
		if _, err := ledger.VerifierKey(bad, spki); err == nil {
			t.Errorf("%q: accepted as a name", bad)
		}
	}
}

func TestCosignatures(t *testing.T) {
	origin := testOrigin()
	k := p256Token(t)
	head := ledger.Head{Size: 20, Root: ledger.BlobHash(nil)}
	text := k.checkpoint(t, origin, head)
	alone := text
	verifiers := []note.Verifier{k.verifier(t, origin)}
	at := time.Unix(1_800_000_000, 0).UTC()
	people := []string{"ines-roth", "dana-weiss"}
	for _, person := range people {
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		sign := func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil }
		if text, err = ledger.Cosign(text, person, pub, at, sign); err != nil {
			t.Fatal(err)
		}
		vkey, err := ledger.PersonKey(origin, person, pub)
		if err != nil {
			t.Fatal(err)
		}
		v, err := ledger.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		verifiers = append(verifiers, v)
		other, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Cosign(text, "someone", other, at, sign); err == nil {
			t.Error("a signature by another key than the one named is accepted")
		}
		if _, err := ledger.Cosign(text, "Not An Id", pub, at, sign); err == nil {
			t.Error("a person's id with blanks is accepted")
		}
	}
	if !strings.HasPrefix(text, alone) {
		t.Error("the ledger key's line is no longer the first")
	}
	cp, n, err := ledger.OpenCheckpoint(text, verifiers...)
	if err != nil || cp.Size != 20 {
		t.Fatal(cp, err)
	}
	got, err := ledger.Cosignatures(origin, n)
	if err != nil || len(got) != 2 || got[0] != (ledger.Cosignature{Person: "ines-roth", Time: at}) || got[1].Person != "dana-weiss" {
		t.Errorf("cosigned by %v, %v", got, err)
	}
	// People say that they were present; only the ledger key makes a checkpoint.
	if _, _, err := ledger.OpenCheckpoint(text, verifiers[1:]...); !errors.Is(err, ledger.ErrUnknownSigner) {
		t.Errorf("without the ledger key: %v", err)
	}
	if _, n, err := ledger.OpenCheckpoint(text, verifiers[0]); err != nil || len(n.UnverifiedSigs) != 2 {
		t.Errorf("without the people's keys: %v", err)
	}
	if short, err := ledger.OnPaper(text); err != nil || short != alone {
		t.Errorf("on paper: %q, %v", short, err)
	}
	if _, err := ledger.OnPaper("no note"); err == nil {
		t.Error("what is no note is put on paper")
	}
	lines := strings.SplitAfter(text, "\n")
	for i, c := range lines[5] {
		if i < len("— "+origin) || c == '\n' {
			continue
		}
		changed := slices.Clone(lines)
		changed[5] = changed[5][:i] + string(c^1) + changed[5][i+len(string(c)):]
		if _, n, err := ledger.OpenCheckpoint(strings.Join(changed, ""), verifiers...); err == nil && len(n.Sigs) > 2 {
			t.Errorf("byte %d of a cosignature changed, and it still counts", i)
		}
	}
}

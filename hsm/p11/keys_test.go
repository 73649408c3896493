package p11

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"claviger/hsm"
)

func mustAlgorithm(t *testing.T, name hsm.Algorithm) algorithm {
	t.Helper()
	a, ok := algorithmOf(name)
	if !ok {
		t.Fatalf("no algorithm %s", name)
	}
	return a
}

func wrapped(t *testing.T, point []byte) []byte {
	t.Helper()
	der, err := asn1.Marshal(point)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// A point is taken as PKCS#11 says it and raw, and never off its curve.
func TestPoints(t *testing.T) {
	for name, curve := range map[hsm.Algorithm]elliptic.Curve{hsm.ECP256: elliptic.P256(), hsm.ECP384: elliptic.P384(), hsm.ECP521: elliptic.P521()} {
		a := mustAlgorithm(t, name)
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		want, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		for form, value := range map[string][]byte{"wrapped": wrapped(t, point), "raw": point} {
			got, err := spki(a, map[uint][]byte{byName("ec-point").cka: value})
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
		off := bytes.Clone(point)
		off[len(off)-1] ^= 1
		compressed := append([]byte{2}, point[1:1+len(point)/2]...)
		for why, value := range map[string][]byte{
			"off the curve": off, "off the curve, wrapped": wrapped(t, off), "nothing": nil, "infinity": {0},
			"compressed": wrapped(t, compressed), "a byte too many": append(wrapped(t, point), 0), "cut": point[:len(point)-1],
		} {
			if _, err := spki(a, map[uint][]byte{byName("ec-point").cka: value}); err == nil {
				t.Errorf("%s: a point that is %s was taken", name, why)
			}
		}
	}
}

func TestEd25519Points(t *testing.T) {
	a := mustAlgorithm(t, hsm.Ed25519)
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for form, value := range map[string][]byte{"wrapped": wrapped(t, public), "raw": public} {
		got, err := spki(a, map[uint][]byte{byName("ec-point").cka: value})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", form, err)
		}
	}
	for _, value := range [][]byte{nil, public[:31], append(bytes.Clone(public), 0)} {
		if _, err := spki(a, map[uint][]byte{byName("ec-point").cka: value}); err == nil {
			t.Errorf("a point of %d bytes was taken", len(value))
		}
	}
}

func TestRSAPublicKeys(t *testing.T) {
	a := mustAlgorithm(t, hsm.RSA3072)
	n := new(big.Int).Lsh(big.NewInt(1), 3071)
	n.SetBit(n, 0, 1)
	good := func() map[uint][]byte {
		return map[uint][]byte{byName("modulus").cka: n.Bytes(), byName("public-exponent").cka: {1, 0, 1}}
	}
	want, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	padded := good()
	padded[byName("modulus").cka] = append([]byte{0}, n.Bytes()...)
	for _, attributes := range []map[uint][]byte{good(), padded} {
		if got, err := spki(a, attributes); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v", err)
		}
	}
	for why, spoil := range map[string]func(map[uint][]byte){
		"2048 bits":     func(m map[uint][]byte) { m[byName("modulus").cka] = n.Bytes()[128:] },
		"3071 bits":     func(m map[uint][]byte) { m[byName("modulus").cka] = new(big.Int).Rsh(n, 1).Bytes() },
		"even":          func(m map[uint][]byte) { m[byName("modulus").cka] = new(big.Int).Lsh(big.NewInt(1), 3071).Bytes() },
		"no modulus":    func(m map[uint][]byte) { delete(m, byName("modulus").cka) },
		"exponent 3":    func(m map[uint][]byte) { m[byName("public-exponent").cka] = []byte{3} },
		"exponent 1":    func(m map[uint][]byte) { m[byName("public-exponent").cka] = []byte{1} },
		"no exponent":   func(m map[uint][]byte) { delete(m, byName("public-exponent").cka) },
		"huge exponent": func(m map[uint][]byte) { m[byName("public-exponent").cka] = bytes.Repeat([]byte{0xff}, 40) },
	} {
		attributes := good()
		spoil(attributes)
		if _, err := spki(a, attributes); err == nil {
			t.Errorf("a public key with %s was taken", why)
		}
	}
}

func TestECDSASignatures(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := bytes.Repeat([]byte{7}, 48)
	for range 50 { // leading zeros of r and s come by chance
		want, err := ecdsa.SignASN1(rand.Reader, key, digest)
		if err != nil {
			t.Fatal(err)
		}
		var parts struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(want, &parts); err != nil {
			t.Fatal(err)
		}
		raw := append(parts.R.FillBytes(make([]byte, 48)), parts.S.FillBytes(make([]byte, 48))...)
		got, err := ecdsaDER(raw)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x became %x, want %x, %v", raw, got, want, err)
		}
	}
	for _, raw := range [][]byte{nil, {1}, make([]byte, 95)} {
		if _, err := ecdsaDER(raw); err == nil {
			t.Errorf("%d bytes became a signature", len(raw))
		}
	}
}

func TestShow(t *testing.T) {
	word := func(n uint64) []byte {
		if strconv.IntSize == 32 {
			return binary.NativeEndian.AppendUint32(nil, uint32(n))
		}
		return binary.NativeEndian.AppendUint64(nil, n)
	}
	for _, c := range []struct {
		name  string
		value []byte
		want  string
	}{
		{"sign", []byte{1}, "true"},
		{"sign", []byte{0}, "false"},
		{"sign", []byte{2}, "02"},
		{"sign", []byte{}, ""},
		{"sign", []byte{1, 1}, "0101"},
		{"sign", nil, "unavailable"},
		{"key-gen-mechanism", word(0x1040), "4160"},
		{"key-gen-mechanism", word(^uint64(0)), "unavailable"},
		{"key-gen-mechanism", []byte{1}, "01"},
		{"id", []byte{0xab, 0}, "ab00"},
		{"label", []byte("key"), "key"},
	} {
		if got := show(byName(c.name), c.value); got != c.want {
			t.Errorf("%s %x is shown as %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

// A key is never left to a token's defaults, and has one purpose.
func TestTemplatesNameEveryUse(t *testing.T) {
	tried := 0
	for _, name := range algorithms {
		for _, purpose := range []hsm.Purpose{hsm.Sign, hsm.Wrap, hsm.Encrypt, hsm.Derive} {
			for _, protection := range []hsm.Protection{hsm.ModuleOnly, hsm.WrapBackup} {
				for _, trusted := range []bool{false, true} {
					spec := hsm.KeySpec{ID: []byte{1}, Label: "l", Algorithm: name, Purpose: purpose, Protection: protection, Trusted: trusted}
					if spec.Check() == nil {
						tried++
						namesEveryUse(t, spec)
					}
				}
			}
		}
	}
	if tried != 31 {
		t.Errorf("%d kinds of key, want 31", tried)
	}
}

func namesEveryUse(t *testing.T, spec hsm.KeySpec) {
	t.Helper()
	keys := templatesFor(spec, mustAlgorithm(t, spec.Algorithm))
	for class, c := range map[string]struct {
		list []wanted
		uses string
		on   map[hsm.Purpose]string
	}{
		"private-key": {keys.private, "sign sign-recover decrypt unwrap derive", map[hsm.Purpose]string{hsm.Sign: "sign", hsm.Encrypt: "decrypt", hsm.Derive: "derive"}},
		"public-key":  {keys.public, "verify verify-recover encrypt wrap derive", map[hsm.Purpose]string{hsm.Sign: "verify", hsm.Encrypt: "encrypt"}},
		"secret-key": {keys.secret, "sign verify encrypt decrypt wrap unwrap derive", map[hsm.Purpose]string{
			hsm.Sign: "sign verify", hsm.Encrypt: "encrypt decrypt", hsm.Wrap: "wrap unwrap", hsm.Derive: "derive"}},
	} {
		if c.list == nil {
			continue
		}
		for _, use := range strings.Fields(c.uses) {
			set := 0
			for _, w := range c.list {
				if w.name == use && !w.fact {
					set++
					if (w.text == "true") != slices.Contains(strings.Fields(c.on[spec.Purpose]), use) {
						t.Errorf("%s %s, %s: %s is %s", spec.Algorithm, spec.Purpose, class, use, w.text)
					}
				}
			}
			if set != 1 {
				t.Errorf("%s %s, %s: %s is set %d times", spec.Algorithm, spec.Purpose, class, use, set)
			}
		}
		for _, shown := range shownFor(class) {
			if !slices.ContainsFunc(c.list, func(w wanted) bool { return w.name == shown }) {
				t.Errorf("%s %s: %s of a %s is read and compared with nothing", spec.Algorithm, spec.Purpose, shown, class)
			}
		}
	}
}

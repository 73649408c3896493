package hsm_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"

	"claviger/hsm"
)

func marshal(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSoundPublicKeys(t *testing.T) {
	keys := make(map[hsm.Algorithm][]byte)
	for a, curve := range map[hsm.Algorithm]elliptic.Curve{hsm.ECP256: elliptic.P256(), hsm.ECP384: elliptic.P384(), hsm.ECP521: elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[a] = marshal(t, &key.PublicKey)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys[hsm.Ed25519] = marshal(t, public)
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	keys[hsm.RSA3072] = marshal(t, &key.PublicKey)
	for a, spki := range keys {
		for _, as := range []hsm.Algorithm{hsm.ECP256, hsm.ECP384, hsm.ECP521, hsm.RSA3072, hsm.RSA4096, hsm.Ed25519, ""} {
			if err := hsm.CheckPublicKey(spki, as); (err == nil) != (a == as) {
				t.Errorf("a key of %s taken for %q: %v", a, as, err)
			}
		}
		for _, cut := range [][]byte{nil, spki[:len(spki)-1], append(spki, 0)} {
			if hsm.CheckPublicKey(cut, a) == nil {
				t.Errorf("%s: %d bytes of %d are taken", a, len(cut), len(spki))
			}
		}
	}
}

func prime(t *testing.T, bits int) *big.Int {
	t.Helper()
	p, err := rand.Prime(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// random is a number of so many bits, odd, with its two highest bits set.
func random(t *testing.T, bits int) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits)))
	if err != nil {
		t.Fatal(err)
	}
	return n.SetBit(n.SetBit(n.SetBit(n, 0, 1), bits-1, 1), bits-2, 1)
}

// nextPrime is the first prime above n.
func nextPrime(n *big.Int) *big.Int {
	p := new(big.Int).Add(n, big.NewInt(1))
	for !p.ProbablyPrime(20) {
		p.Add(p, big.NewInt(1))
	}
	return p
}

// rocaPrime makes a prime as the flawed generator did: k·M + (65537^a mod M), M the
// product of the first primes.
func rocaPrime(t *testing.T, bits int) *big.Int {
	t.Helper()
	m, e := big.NewInt(1), big.NewInt(65537)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(20) {
			m.Mul(m, big.NewInt(p))
		}
	}
	for {
		a, err := rand.Int(rand.Reader, m)
		if err != nil {
			t.Fatal(err)
		}
		p := new(big.Int).Mul(random(t, bits-m.BitLen()+1), m)
		p.Add(p, new(big.Int).Exp(e, a, m))
		if p.BitLen() == bits && p.ProbablyPrime(20) {
			return p
		}
	}
}

func TestWeakModuli(t *testing.T) {
	p := prime(t, 1536)
	product := func(bits int, p, q func() *big.Int) *big.Int {
		for {
			if n := new(big.Int).Mul(p(), q()); n.BitLen() == bits {
				return n
			}
		}
	}
	roca := func() *big.Int { return rocaPrime(t, 1536) }
	for name, c := range map[string]struct {
		n    *big.Int
		e    int
		says string
	}{
		"close primes":   {new(big.Int).Mul(p, nextPrime(p)), 65537, "close to each other"},
		"a square":       {new(big.Int).Mul(p, p), 65537, "close to each other"},
		"a small factor": {product(3072, func() *big.Int { return big.NewInt(65521) }, func() *big.Int { return random(t, 3056) }), 65537, "divided by"},
		"even":           {new(big.Int).Lsh(random(t, 3071), 1), 65537, "divided by 2"},
		"the ROCA flaw":  {product(3072, roca, roca), 65537, "ROCA"},
		"exponent 3":     {random(t, 3072), 3, "exponent is 3"},
		"2048 bits":      {random(t, 2048), 65537, "2048 bits"},
	} {
		err := hsm.CheckPublicKey(marshal(t, &rsa.PublicKey{N: c.n, E: c.e}), hsm.RSA3072)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsSpeak(t *testing.T) {
	for want, err := range map[string]error{
		"couldn't log in: locked, the PIN is locked (CKR_PIN_LOCKED)":          &hsm.Error{Class: hsm.Locked, Op: "log in", Code: "CKR_PIN_LOCKED", Why: "the PIN is locked"},
		"couldn't sign: gone, the module's process ended":                      &hsm.Error{Class: hsm.Gone, Op: "sign", Why: "the module's process ended"},
		"couldn't sign: broken (0x80000001)":                                   &hsm.Error{Class: hsm.Broken, Op: "sign", Code: "0x80000001"},
		`the token made "k" with other attributes than asked: a is 1, asked 2`: &hsm.Mismatch{Label: "k", Wrong: []hsm.Difference{{Attribute: "a", Want: "2", Got: "1"}}},
		`the token made "k" with other attributes than asked: a is 1, asked 2; b is 3, asked 4`: &hsm.Mismatch{Label: "k", Wrong: []hsm.Difference{
			{Attribute: "a", Want: "2", Got: "1"}, {Attribute: "b", Want: "4", Got: "3"}}},
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

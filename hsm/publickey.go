package hsm

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
)

// publicExponent is F4: FIPS 186-5 (A.1.1) asks for an odd one above 2^16.
const publicExponent = 65537

// CheckPublicKey says what is wrong with a public key (SubjectPublicKeyInfo, DER)
// that should be of this algorithm: another type, size or exponent, a point off
// its curve, a modulus that is known to be easy to factor. It finds the mistakes
// of generators seen in the field, not a clever one.
func CheckPublicKey(spki []byte, a Algorithm) error {
	key, err := x509.ParsePKIXPublicKey(spki) // refuses points off the curve
	if err != nil {
		return fmt.Errorf("couldn't read the public key: %w", err)
	}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		want := map[Algorithm]elliptic.Curve{ECP256: elliptic.P256(), ECP384: elliptic.P384(), ECP521: elliptic.P521()}[a]
		if key.Curve == want {
			return nil
		}
		return fmt.Errorf("the public key is one of curve %s, not %s", key.Curve.Params().Name, a)
	case ed25519.PublicKey:
		if a == Ed25519 {
			return nil
		}
	case *rsa.PublicKey:
		if bits := map[Algorithm]int{RSA3072: 3072, RSA4096: 4096}[a]; bits != 0 {
			return checkRSA(key, bits)
		}
	}
	return fmt.Errorf("the public key is a %T, not %s", key, a)
}

func checkRSA(key *rsa.PublicKey, bits int) error {
	switch {
	case key.N.BitLen() != bits:
		return fmt.Errorf("the modulus has %d bits, not %d", key.N.BitLen(), bits)
	case key.E != publicExponent:
		return fmt.Errorf("the public exponent is %d, not %d", key.E, publicExponent)
	}
	if p := smallFactor(key.N); p != 0 {
		return fmt.Errorf("the modulus can be divided by %d", p)
	}
	if fermatFactors(key.N) {
		return errors.New("the modulus is a product of two primes close to each other: anyone can factor it")
	}
	if looksLikeROCA(key.N) {
		return errors.New("the modulus was made by a generator with the ROCA flaw (CVE-2017-15361): it can be factored")
	}
	return nil
}

// primesBelow is the sieve of Eratosthenes.
func primesBelow(limit int) []int64 {
	composite := make([]bool, limit)
	var primes []int64
	for p := 2; p < limit; p++ {
		if composite[p] {
			continue
		}
		primes = append(primes, int64(p))
		for m := p * p; m < limit; m += p {
			composite[m] = true
		}
	}
	return primes
}

func modulo(n *big.Int, p int64) int64 { return new(big.Int).Mod(n, big.NewInt(p)).Int64() }

// smallFactor gives a prime below 2^16 that divides n, or 0.
func smallFactor(n *big.Int) int64 {
	for _, p := range primesBelow(1 << 16) {
		if modulo(n, p) == 0 {
			return p
		}
	}
	return 0
}

// fermatRounds: the flawed generators (CVE-2022-26320) fall in the first few.
const fermatRounds = 100

// fermatFactors looks for a and b with n = a² − b², from a = √n up.
func fermatFactors(n *big.Int) bool {
	one := big.NewInt(1)
	a := new(big.Int).Sqrt(n)
	if new(big.Int).Mul(a, a).Cmp(n) < 0 {
		a.Add(a, one)
	}
	for range fermatRounds {
		b2 := new(big.Int).Mul(a, a)
		b2.Sub(b2, n)
		b := new(big.Int).Sqrt(b2)
		if new(big.Int).Mul(b, b).Cmp(b2) == 0 {
			return true
		}
		a.Add(a, one)
	}
	return false
}

// looksLikeROCA: primes of the flawed generator are powers of 65537 modulo each
// small prime, so the modulus is, too (Nemec et al., The Return of Coppersmith's
// Attack, CCS 2017, section 2.2). Of sound moduli about one in 2^27 is.
func looksLikeROCA(n *big.Int) bool {
	for _, p := range primesBelow(168)[1:] {
		residue := modulo(n, p)
		power, found := int64(1), false
		for range p {
			found = found || power == residue
			power = power * publicExponent % p
		}
		if !found {
			return false
		}
	}
	return true
}

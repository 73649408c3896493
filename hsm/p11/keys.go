package p11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"claviger/hsm"
)

const (
	ckmRSAPKCSKeyPairGen = 0x0000
	ckmSHA256RSAPKCS     = 0x0040
	ckmECKeyPairGen      = 0x1040
	ckmECDSA             = 0x1041
)

// algorithm is how one hsm.Algorithm is spelled in PKCS#11.
type algorithm struct {
	keyType  string
	generate uint   // mechanism that makes the pair
	sign     uint   // mechanism that signs
	params   []byte // CKA_EC_PARAMS, the curve's OID in DER
	named    []byte // the same as PKCS#11 v3.0, 2.3.5 first had it: the curve's name, a PrintableString
	bits     uint   // CKA_MODULUS_BITS
	curve    elliptic.Curve
	digest   crypto.Hash // hashed here before the token signs; 0: the token hashes
}

// publicExponent is F4: FIPS 186-5 (A.1.1) asks for an odd one above 2^16.
const publicExponent = 65537

func algorithmOf(name hsm.Algorithm) (algorithm, bool) {
	switch name {
	case hsm.ECP256:
		return ec(elliptic.P256(), asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, crypto.SHA256), true
	case hsm.ECP384:
		return ec(elliptic.P384(), asn1.ObjectIdentifier{1, 3, 132, 0, 34}, crypto.SHA384), true
	case hsm.ECP521:
		return ec(elliptic.P521(), asn1.ObjectIdentifier{1, 3, 132, 0, 35}, crypto.SHA512), true
	case hsm.RSA3072:
		return algorithm{keyType: "rsa", generate: ckmRSAPKCSKeyPairGen, sign: ckmSHA256RSAPKCS, bits: 3072}, true
	case hsm.RSA4096:
		return algorithm{keyType: "rsa", generate: ckmRSAPKCSKeyPairGen, sign: ckmSHA256RSAPKCS, bits: 4096}, true
	case hsm.Ed25519:
		return algorithm{keyType: "ec-edwards", generate: ckmECEdwardsKeyPairGen, sign: ckmEdDSA,
			params: oid(asn1.ObjectIdentifier{1, 3, 101, 112}), // RFC 8410
			named:  append([]byte{0x13, 12}, "edwards25519"...)}, true
	}
	return algorithm{}, false
}

func ec(curve elliptic.Curve, curveOID asn1.ObjectIdentifier, digest crypto.Hash) algorithm {
	return algorithm{keyType: "ec", generate: ckmECKeyPairGen, sign: ckmECDSA, params: oid(curveOID), curve: curve, digest: digest}
}

func oid(id asn1.ObjectIdentifier) []byte {
	der, err := asn1.Marshal(id)
	if err != nil {
		panic(err)
	}
	return der
}

// algorithms in the order the curve parameters of a found key are tried.
var algorithms = []hsm.Algorithm{hsm.ECP256, hsm.ECP384, hsm.ECP521, hsm.RSA3072, hsm.RSA4096, hsm.Ed25519}

// algorithmFor recognises a found key. RSA keys of any size sign the same way.
func algorithmFor(keyType string, params []byte) (algorithm, error) {
	for _, name := range algorithms {
		a, _ := algorithmOf(name)
		if a.keyType == keyType && (bytes.Equal(a.params, params) || a.named != nil && bytes.Equal(a.named, params)) {
			return a, nil
		}
	}
	return algorithm{}, fmt.Errorf("the key is of a type that Claviger does not use (%s, parameters %x)", keyType, params)
}

// templates are what both halves of a key pair must be, in the token and in the
// read-back. A key has one purpose (NIST SP 800-57 part 1, 5.2): every other use
// is refused by name, never left to the token's default.
func templates(spec hsm.KeySpec, a algorithm) (private, public []wanted) {
	extractable := spec.Protection == hsm.WrapBackup
	private = []wanted{
		want("class", uint(3)).asFact(),
		want("key-type", a.keyTypeNumber()).asFact(),
		want("token", true),
		want("private", true),
		want("label", spec.Label),
		want("id", spec.ID),
		want("sensitive", true),
		want("extractable", extractable),
		want("sign", true),
		want("sign-recover", false).since(old),
		want("decrypt", false),
		want("unwrap", false),
		want("derive", false),
		want("always-authenticate", false).since(recent),
		want("modifiable", false).since(old),
		want("copyable", false).since(recent),
		// Destroyable: the ceremony that ends the key's life must be able to.
		want("destroyable", true).since(recent),
		want("local", true).asFact(),
		want("always-sensitive", true).asFact(),
		want("never-extractable", !extractable).asFact(),
		want("key-gen-mechanism", a.generate).asFact(),
	}
	trusted := want("wrap-with-trusted", extractable)
	if !extractable {
		trusted = trusted.since(old) // nothing leaves, so nothing is wrapped
	}
	private = append(private, trusted)

	public = []wanted{
		want("class", uint(2)).asFact(),
		want("key-type", a.keyTypeNumber()).asFact(),
		want("token", true),
		want("private", false),
		want("label", spec.Label),
		want("id", spec.ID),
		want("verify", true),
		want("verify-recover", false).since(old),
		want("encrypt", false),
		want("wrap", false),
		want("derive", false).since(old),
		want("trusted", false).since(old),
		want("modifiable", false).since(old),
		want("copyable", false).since(recent),
		want("destroyable", true).since(recent),
		want("local", true).asFact(),
		want("key-gen-mechanism", a.generate).asFact(),
	}
	if a.keyType == "rsa" {
		return private, append(public,
			want("modulus-bits", a.bits),
			want("public-exponent", big.NewInt(publicExponent).Bytes()))
	}
	return private, append(public, want("ec-params", a.params).or(a.named))
}

func (a algorithm) keyTypeNumber() uint {
	for n, name := range keyTypes {
		if name == a.keyType {
			return n
		}
	}
	panic("p11: no key type is called " + a.keyType)
}

// spki makes the SubjectPublicKeyInfo from a public key's attributes. A point off
// the curve and a modulus of another size are errors: the token's word is not enough.
func spki(a algorithm, got map[uint][]byte) ([]byte, error) {
	key, err := publicKey(a, got)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key)
}

func publicKey(a algorithm, got map[uint][]byte) (any, error) {
	switch a.keyType {
	case "ec":
		size := (a.curve.Params().BitSize + 7) / 8
		point, err := unwrapPoint(got[byName("ec-point").cka], 1+2*size)
		if err != nil {
			return nil, err
		}
		key, err := ecdsa.ParseUncompressedPublicKey(a.curve, point)
		if err != nil {
			return nil, fmt.Errorf("the public key's point is not one of %s: %w", a.curve.Params().Name, err)
		}
		return key, nil
	case "ec-edwards":
		point, err := unwrapPoint(got[byName("ec-point").cka], ed25519.PublicKeySize)
		return ed25519.PublicKey(point), err
	}
	n := new(big.Int).SetBytes(got[byName("modulus").cka])
	e := new(big.Int).SetBytes(got[byName("public-exponent").cka])
	switch {
	case n.BitLen() == 0:
		return nil, errors.New("the token gives no modulus")
	case a.bits != 0 && n.BitLen() != int(a.bits):
		return nil, fmt.Errorf("the modulus has %d bits, not %d", n.BitLen(), a.bits)
	case n.Bit(0) == 0:
		return nil, errors.New("the modulus is even")
	case e.Cmp(big.NewInt(publicExponent)) != 0:
		return nil, fmt.Errorf("the public exponent is %v, not %d", e, publicExponent)
	}
	return &rsa.PublicKey{N: n, E: publicExponent}, nil
}

// unwrapPoint accepts CKA_EC_POINT as PKCS#11 says it (an OCTET STRING around
// the point) and raw, as several tokens give it. The length tells which.
func unwrapPoint(value []byte, size int) ([]byte, error) {
	if len(value) == size {
		return value, nil
	}
	in := cryptobyte.String(value)
	var point cryptobyte.String
	if in.ReadASN1(&point, cryptobyteasn1.OCTET_STRING) && in.Empty() && len(point) == size {
		return point, nil
	}
	return nil, fmt.Errorf("the public key's point has %d bytes, neither %d nor those wrapped in DER", len(value), size)
}

// ecdsaDER turns r ‖ s (PKCS#11 v2.40, 2.3.1) into ECDSA-Sig-Value (RFC 3279, 2.2.3).
func ecdsaDER(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("the signature has %d bytes, not two numbers of equal length", len(raw))
	}
	var b cryptobyte.Builder
	b.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[:len(raw)/2]))
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[len(raw)/2:]))
	})
	return b.Bytes()
}

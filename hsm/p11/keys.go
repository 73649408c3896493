package p11

import (
	"bytes"
	"cmp"
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
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"claviger/hsm"
)

const (
	ckmRSAPKCSKeyPairGen   = 0x0000
	ckmSHA256RSAPKCS       = 0x0040
	ckmSHA256HMAC          = 0x0251
	ckmGenericSecretKeyGen = 0x0350
	ckmECKeyPairGen        = 0x1040
	ckmECDSA               = 0x1041
	ckmAESKeyGen           = 0x1080
	ckmAESECB              = 0x1081
	ckmAESCMAC             = 0x108A
)

// secretBytes is the size of every secret key.
const secretBytes = 32

// algorithm is how one hsm.Algorithm is spelled in PKCS#11.
type algorithm struct {
	keyType  string
	generate uint   // mechanism that makes the pair or the secret key
	sign     uint   // mechanism that signs, or makes a MAC
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
	case hsm.AES256:
		return algorithm{keyType: "aes", generate: ckmAESKeyGen, sign: ckmAESCMAC}, true
	case hsm.HMACSHA256:
		return algorithm{keyType: "generic-secret", generate: ckmGenericSecretKeyGen, sign: ckmSHA256HMAC}, true
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
var algorithms = []hsm.Algorithm{hsm.ECP256, hsm.ECP384, hsm.ECP521, hsm.RSA3072, hsm.RSA4096, hsm.Ed25519, hsm.AES256, hsm.HMACSHA256}

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

// templates are what the objects of one key must be.
type templates struct {
	private, public []wanted // of a pair
	secret          []wanted // of a secret key
	// twin is the check value of the same bytes under another purpose, for a token
	// that tells none of this key.
	twin hsm.CheckValue
}

func templatesFor(spec hsm.KeySpec, a algorithm) templates {
	var t templates
	if spec.Algorithm.Secret() {
		t.secret = secretTemplate(spec, a)
	} else {
		t.private, t.public = pairTemplates(spec, a)
	}
	if spec.Origin == hsm.BroughtIn {
		t = templates{private: imported(t.private), public: imported(t.public), secret: imported(t.secret)}
	}
	return t
}

// classes counts the objects that a key is made of.
func (t templates) classes() map[string]int {
	if t.secret != nil {
		return map[string]int{"secret-key": 1}
	}
	return map[string]int{"private-key": 1, "public-key": 1}
}

// pairTemplates are what both halves of a key pair must be, in the token and in
// the read-back. A key has one purpose (NIST SP 800-57 part 1, 5.2): every other
// use is refused by name, never left to the token's default.
func pairTemplates(spec hsm.KeySpec, a algorithm) (private, public []wanted) {
	private = append([]wanted{
		want("class", uint(3)).asFact(),
		want("private", true),
		want("sign", spec.Purpose == hsm.Sign),
		want("sign-recover", false).since(old),
		want("decrypt", spec.Purpose == hsm.Encrypt),
		want("unwrap", false),
		want("derive", spec.Purpose == hsm.Derive),
		want("always-authenticate", false).since(recent),
		want("modifiable", false).since(old),
	}, kept(spec, a)...)
	public = append([]wanted{
		want("class", uint(2)).asFact(),
		want("token", true),
		want("private", false),
		want("verify", spec.Purpose == hsm.Sign),
		want("verify-recover", false).since(old),
		want("encrypt", spec.Purpose == hsm.Encrypt),
		want("wrap", false),
		// The public half of an agreement is given away; PKCS#11 derives with the private one.
		want("derive", false).since(old),
		want("trusted", false).since(old),
		want("modifiable", false).since(old),
	}, common(spec, a)...)
	if a.keyType == "rsa" {
		return private, append(public,
			want("modulus-bits", a.bits),
			want("public-exponent", big.NewInt(publicExponent).Bytes()))
	}
	return private, append(public, want("ec-params", a.params).or(a.named))
}

// secretTemplate is the same for a secret key.
func secretTemplate(spec hsm.KeySpec, a algorithm) []wanted {
	wraps := spec.Purpose == hsm.Wrap
	return append([]wanted{
		want("class", uint(4)).asFact(),
		// The security officer, who alone may call a key trusted, sees no private object.
		want("private", !wraps),
		want("sign", spec.Purpose == hsm.Sign),
		want("verify", spec.Purpose == hsm.Sign),
		want("encrypt", spec.Purpose == hsm.Encrypt),
		want("decrypt", spec.Purpose == hsm.Encrypt),
		want("wrap", wraps),
		want("unwrap", wraps),
		want("derive", spec.Purpose == hsm.Derive),
		want("trusted", spec.Trusted).sinceUnless(old, spec.Trusted),
		// To be called trusted later is to be modified.
		want("modifiable", wraps && !spec.Trusted && spec.Origin == hsm.MadeHere).since(old),
		want("value-len", uint(secretBytes)),
	}, kept(spec, a)...)
}

// kept is what every private and secret key must be.
func kept(spec hsm.KeySpec, a algorithm) []wanted {
	extractable := spec.Protection == hsm.WrapBackup
	return append([]wanted{
		want("sensitive", true),
		want("extractable", extractable),
		// Where nothing leaves, nothing is wrapped, and a token may lack it.
		want("wrap-with-trusted", extractable).sinceUnless(old, extractable),
		want("token", !spec.Session),
		want("always-sensitive", true).asFact(),
		want("never-extractable", !extractable).asFact(),
	}, common(spec, a)...)
}

// common is what both halves of a pair and a secret key must be.
func common(spec hsm.KeySpec, a algorithm) []wanted {
	return []wanted{
		want("key-type", a.keyTypeNumber()).asFact(),
		want("label", spec.Label),
		want("id", spec.ID),
		want("copyable", false).since(recent),
		// Destroyable: the ceremony that ends the key's life must be able to.
		want("destroyable", true).since(recent),
		want("local", true).asFact(),
		want("key-gen-mechanism", a.generate).asFact(),
	}
}

// imported turns a template into that of a key that was not made in the token: the
// same uses, and facts that say where it comes from.
func imported(list []wanted) []wanted {
	var out []wanted
	for _, w := range list {
		switch w.name {
		case "local", "always-sensitive", "never-extractable":
			w = want(w.name, false).asFact()
		case "class", "key-type":
			w.fact = false // to be said where nothing implies it
		case "value-len":
			// The bytes imply it. SoftHSM does not count those it unwraps; the check value
			// still tells one key from another.
			w.fact, w.also = true, "0"
		case "key-gen-mechanism", "modulus-bits", "public-exponent", "ec-params":
			continue
		}
		out = append(out, w)
	}
	// Not modifiable comes last: SoftHSM takes the template's order, and after it
	// refuses the rest.
	slices.SortStableFunc(out, func(a, b wanted) int { return cmp.Compare(late(a), late(b)) })
	return out
}

func late(w wanted) int {
	if w.name == "modifiable" {
		return 1
	}
	return 0
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

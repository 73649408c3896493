//go:build cgo

package p11

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // the only digest SoftHSM has for OAEP, whose security does not rest on it (RFC 8017, B.1)
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"reflect"
	"slices"
	"unsafe"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// AES key wrap with padding (RFC 5649) has two numbers: PKCS#11 v2.40 called it
// CKM_AES_KEY_WRAP_PAD, v3.0 gave it one of its own. AES key wrap (RFC 3394) is for
// tokens that have neither.
const (
	ckmAESKeyWrap    = 0x2109
	ckmAESKeyWrapPad = 0x210A
	ckmAESKeyWrapKWP = 0x210B
)

// wrapMechanisms, best first.
var wrapMechanisms = []uint{ckmAESKeyWrapKWP, ckmAESKeyWrapPad, ckmAESKeyWrap}

func (s *session) ImportWrappingKey(ctx context.Context, spec hsm.KeySpec, value *secret.Buffer) (hsm.Key, error) {
	op := fmt.Sprintf("import the wrapping key %q", spec.Label)
	spec.Origin = hsm.BroughtIn
	a, err := s.begin(ctx, op, spec)
	if err != nil {
		return hsm.Key{}, err
	}
	if spec.Purpose != hsm.Wrap || !spec.Algorithm.Secret() || value.Len() != secretBytes {
		return hsm.Key{}, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("only an AES wrapping key of %d bytes is ever imported", secretBytes)}
	}
	t := templatesFor(spec, a)
	err = s.make(op, spec.ID, func(upTo age) error {
		_, err := s.m.ctx.CreateObject(s.h, append(template(t.secret, upTo), pkcs11.NewAttribute(pkcs11.CKA_VALUE, value.Bytes())))
		return err
	})
	if plainRefused(err) && s.free(op, spec.ID) == nil {
		t.twin, err = s.importUnderPair(op, spec, t, value, err)
	}
	if err != nil {
		return hsm.Key{}, err
	}
	key, err := s.readBack(op, spec, a, t)
	var m *hsm.Mismatch
	if err != nil && !errors.As(err, &m) {
		return key, err
	}
	mine, sumErr := checkValue(value)
	if sumErr != nil {
		return key, &hsm.Error{Class: hsm.Broken, Op: op, Why: sumErr.Error()}
	}
	if key.Check.Value != "" && key.Check.Value != mine {
		if m == nil {
			m = &hsm.Mismatch{Label: spec.Label}
		}
		m.Wrong = append(m.Wrong, hsm.Difference{Attribute: "check-value", Want: mine, Got: key.Check.Value})
	}
	if m != nil {
		return key, m
	}
	return key, nil
}

// checkValue is what the token must say of these bytes.
func checkValue(key *secret.Buffer) (string, error) {
	c, err := aes.NewCipher(key.Bytes())
	if err != nil {
		return "", err
	}
	var block [aes.BlockSize]byte
	c.Encrypt(block[:], block[:])
	// The expanded key starts with the key itself, and crypto/aes does not wipe it.
	expanded := reflect.ValueOf(c)
	clear(unsafe.Slice((*byte)(expanded.UnsafePointer()), expanded.Type().Elem().Size()))
	return hex.EncodeToString(block[:3]), nil
}

// plainRefused: a token that keeps to FIPS 140 takes no key in the clear, and says
// so in one of these ways.
func plainRefused(err error) bool {
	var e *hsm.Error
	return errors.As(err, &e) && slices.Contains([]string{
		"CKR_FUNCTION_NOT_SUPPORTED", "CKR_FUNCTION_REJECTED", "CKR_ACTION_PROHIBITED", "CKR_ATTRIBUTE_VALUE_INVALID",
		"CKR_ATTRIBUTE_TYPE_INVALID", "CKR_TEMPLATE_INCONSISTENT", "CKR_TEMPLATE_INCOMPLETE",
		"CKR_KEY_FUNCTION_NOT_PERMITTED", "CKR_OPERATION_NOT_VALIDATED",
	}, e.Code)
}

// importUnderPair lets the token make an RSA pair in this session, encrypts the
// bytes to it and has them unwrapped, first as a key of the session that may only
// encrypt: its check value is that of the bytes, also where the token tells none of
// a key that may only wrap. The first refusal stays the error where the token
// cannot do that either.
func (s *session) importUnderPair(op string, spec hsm.KeySpec, t templates, value *secret.Buffer, first error) (hsm.CheckValue, error) {
	var check hsm.CheckValue
	public, private, err := s.importPair(op)
	if err != nil {
		return check, errors.Join(first, refused(op, err))
	}
	defer func() {
		_ = s.m.ctx.DestroyObject(s.h, public)
		_ = s.m.ctx.DestroyObject(s.h, private) // objects of the session: gone with it in any case
	}()
	got, err := s.read(op, public, []string{"modulus", "public-exponent"})
	if err != nil {
		return check, err
	}
	key, err := publicKey(algorithm{keyType: "rsa", bits: 3072}, got)
	if err != nil {
		return check, &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
	}
	for _, digest := range []struct {
		hash      func() hash.Hash
		ckm, ckgm uint
	}{{sha256.New, pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256}, {sha1.New, pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1}} {
		var sealed []byte
		sealed, err = rsa.EncryptOAEP(digest.hash(), rand.Reader, key.(*rsa.PublicKey), value.Bytes(), nil)
		if err != nil {
			return check, &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
		}
		mechanism := oaep(digest.ckm, digest.ckgm)
		if check, err = s.twinCheck(op, mechanism, private, sealed); err != nil {
			continue // or the token does not have OAEP with this digest
		}
		return check, s.make(op, spec.ID, func(upTo age) error {
			_, err := s.m.ctx.UnwrapKey(s.h, mechanism, private, sealed, template(t.secret, upTo))
			return err
		})
	}
	return check, errors.Join(first, err)
}

// importPair makes the pair that a key is imported under.
func (s *session) importPair(op string) (public, private pkcs11.ObjectHandle, err error) {
	err = s.tidily(op, func() (err error) {
		public, private, err = s.m.ctx.GenerateKeyPair(s.h, []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmRSAPKCSKeyPairGen, nil)},
			append(sessionOnly(),
				pkcs11.NewAttribute(pkcs11.CKA_WRAP, true), pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, false), pkcs11.NewAttribute(pkcs11.CKA_VERIFY, false),
				pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 3072), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, big.NewInt(publicExponent).Bytes())),
			append(sessionOnly(),
				pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
				pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false), pkcs11.NewAttribute(pkcs11.CKA_SIGN, false)))
		return err
	})
	return public, private, err
}

// sessionOnly begins the template of what ends with the session. Not private: the
// security officer, who may be the one logged in, could not have it.
func sessionOnly() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false)}
}

// toEncrypt is the template of an AES key of the session that encrypts and nothing
// else.
func toEncrypt() []*pkcs11.Attribute {
	return append(sessionOnly(),
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false))
}

func (s *session) twinCheck(op string, mechanism []*pkcs11.Mechanism, private pkcs11.ObjectHandle, sealed []byte) (hsm.CheckValue, error) {
	var twin pkcs11.ObjectHandle
	err := s.tidily(op, func() (err error) {
		twin, err = s.m.ctx.UnwrapKey(s.h, mechanism, private, sealed, toEncrypt())
		return err
	})
	if err != nil {
		return hsm.CheckValue{}, refused(op, err)
	}
	check, err := s.checkValue(op, twin, "aes", hsm.Encrypt)
	if destroyed := s.m.ctx.DestroyObject(s.h, twin); err == nil && destroyed != nil {
		err = refused(op, destroyed)
	}
	return check, err
}

func (s *session) SetTrusted(ctx context.Context, id []byte) (hsm.Object, error) {
	op := fmt.Sprintf("call the wrapping key of id %x trusted", id)
	if err := s.ready(ctx, op); err != nil {
		return hsm.Object{}, err
	}
	if err := s.officer(op); err != nil {
		return hsm.Object{}, err
	}
	h, err := s.one(op, id, "secret-key")
	if err != nil {
		return hsm.Object{}, err
	}
	before, _, err := s.object(op, h)
	if err != nil {
		return hsm.Object{}, err
	}
	if !is(before, "wrap") || is(before, "extractable") {
		return before, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: "it is not a wrapping key that never leaves the token"}
	}
	if err := s.m.ctx.SetAttributeValue(s.h, h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TRUSTED, true)}); err != nil {
		return before, refused(op, err)
	}
	after, got, err := s.object(op, h)
	if err != nil {
		return hsm.Object{}, err
	}
	if wrong := differences("", []wanted{want("trusted", true)}, got); len(wrong) > 0 {
		return after, &hsm.Mismatch{Label: after.Label, Wrong: wrong}
	}
	return after, nil
}

// wrapMechanism is the best that the token has, of these.
func (s *session) wrapMechanism(op string, of ...uint) (uint, error) {
	list, err := s.m.ctx.GetMechanismList(s.slot)
	if err != nil {
		return 0, refused(op, err)
	}
	for _, number := range of {
		for _, m := range list {
			if m.Mechanism == number {
				return number, nil
			}
		}
	}
	return 0, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: "the token has no AES key wrap that fits (RFC 5649, RFC 3394)"}
}

// unwrapMechanism is the token's number for what another token may have called by
// the other number.
func (s *session) unwrapMechanism(op, wrapped string) (uint, error) {
	switch wrapped {
	case mechanismName(ckmAESKeyWrap):
		return s.wrapMechanism(op, ckmAESKeyWrap)
	case mechanismName(ckmAESKeyWrapKWP), mechanismName(ckmAESKeyWrapPad):
		return s.wrapMechanism(op, ckmAESKeyWrapKWP, ckmAESKeyWrapPad)
	}
	return 0, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("it is wrapped with %q", wrapped)}
}

func (s *session) Wrap(ctx context.Context, id, with []byte) (hsm.Wrapped, error) {
	op := fmt.Sprintf("wrap the key of id %x", id)
	if err := s.ready(ctx, op); err != nil {
		return hsm.Wrapped{}, err
	}
	key, err := s.one(op, id, "private-key", "secret-key")
	if err != nil {
		return hsm.Wrapped{}, err
	}
	kek, err := s.one(op, with, "secret-key")
	if err != nil {
		return hsm.Wrapped{}, err
	}
	number, err := s.wrapMechanism(op, wrapMechanisms...)
	if err != nil {
		return hsm.Wrapped{}, err
	}
	blob, err := s.m.ctx.WrapKey(s.h, []*pkcs11.Mechanism{pkcs11.NewMechanism(number, nil)}, kek, key)
	if err != nil {
		return hsm.Wrapped{}, refused(op, err)
	}
	// RFC 3394, 2.2.1 and RFC 5649, 4.1: whole blocks of eight bytes, one of them its
	// own; a PKCS #8 key is never shorter than the private number inside.
	if len(blob)%8 != 0 || len(blob) < 8+secretBytes {
		return hsm.Wrapped{}, &hsm.Error{Class: hsm.Broken, Op: op, Why: fmt.Sprintf("it gave %d bytes, which no wrapped key has", len(blob))}
	}
	return hsm.Wrapped{Mechanism: mechanismName(number), Blob: blob}, nil
}

func (s *session) Unwrap(ctx context.Context, spec hsm.KeySpec, with []byte, wrapped hsm.Wrapped, der []byte) (hsm.Key, error) {
	op := fmt.Sprintf("unwrap the key %q", spec.Label)
	spec.Origin = hsm.BroughtIn
	a, err := s.begin(ctx, op, spec)
	if err != nil {
		return hsm.Key{}, err
	}
	if !spec.Algorithm.Secret() {
		err = hsm.CheckPublicKey(der, spec.Algorithm)
	} else if der != nil {
		err = errors.New("a secret key has no public half")
	}
	if err != nil {
		return hsm.Key{}, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: err.Error()}
	}
	number, err := s.unwrapMechanism(op, wrapped.Mechanism)
	if err != nil {
		return hsm.Key{}, err
	}
	kek, err := s.one(op, with, "secret-key")
	if err != nil {
		return hsm.Key{}, err
	}
	t := templatesFor(spec, a)
	mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(number, nil)}
	// The private half first: a public key alone tells nothing and does nothing.
	err = s.make(op, spec.ID, func(upTo age) error {
		_, err := s.m.ctx.UnwrapKey(s.h, mechanism, kek, wrapped.Blob, template(append(t.private, t.secret...), upTo))
		return err
	})
	if err != nil {
		return hsm.Key{}, err
	}
	if t.public != nil {
		half, err := publicHalf(der)
		if err != nil {
			return hsm.Key{}, &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
		}
		if _, err := s.m.ctx.CreateObject(s.h, append(template(t.public, recent), half...)); err != nil {
			return hsm.Key{}, refused(op, err)
		}
	}
	key, err := s.readBack(op, spec, a, t)
	if err != nil {
		return key, err
	}
	if !bytes.Equal(key.SPKI, der) {
		return key, &hsm.Mismatch{Label: spec.Label, Wrong: []hsm.Difference{
			{Attribute: "public key", Want: hex.EncodeToString(der), Got: hex.EncodeToString(key.SPKI)}}}
	}
	return key, nil
}

// publicHalf are the values of a public key object.
func publicHalf(der []byte) ([]*pkcs11.Attribute, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	var point []byte
	var params []byte
	switch key := key.(type) {
	case *rsa.PublicKey:
		return []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_MODULUS, key.N.Bytes()),
			pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		}, nil
	case *ecdsa.PublicKey:
		if point, err = key.Bytes(); err != nil {
			return nil, err
		}
		for _, name := range algorithms {
			if a, _ := algorithmOf(name); a.curve == key.Curve {
				params = a.params
			}
		}
	case ed25519.PublicKey:
		a, _ := algorithmOf(hsm.Ed25519)
		point, params = key, a.params
	}
	wrapped, err := asn1.Marshal(point)
	if err != nil {
		return nil, err
	}
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, params),
		pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, wrapped),
	}, nil
}

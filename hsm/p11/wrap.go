//go:build cgo

package p11

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// AES key wrap with padding (RFC 5649) has two numbers: PKCS#11 v2.40 called it
// CKM_AES_KEY_WRAP_PAD, v3.0 gave it one of its own.
const (
	ckmAESKeyWrapPad = 0x210A
	ckmAESKeyWrapKWP = 0x210B
)

const wrappingKeyBytes = 32

// wrappingKey is what a wrapping key must be.
func wrappingKey(id []byte, label string) []wanted {
	return []wanted{
		want("class", uint(pkcs11.CKO_SECRET_KEY)),
		want("key-type", uint(pkcs11.CKK_AES)),
		want("token", true),
		want("private", false),
		want("label", label),
		want("id", id),
		want("sensitive", true),
		want("extractable", false),
		want("trusted", true),
		want("wrap", true),
		want("unwrap", true),
		want("encrypt", false),
		want("decrypt", false),
		want("sign", false),
		want("verify", false),
		want("derive", false),
		want("modifiable", false).since(old),
		want("copyable", false).since(recent),
		want("destroyable", true).since(recent),
		want("value-len", uint(wrappingKeyBytes)).asFact(),
		want("local", false).asFact(),
		want("never-extractable", false).asFact(),
		want("always-sensitive", false).asFact(),
	}
}

func (s *session) ImportWrappingKey(ctx context.Context, id []byte, label string, key *secret.Buffer) (hsm.Object, hsm.CheckValue, error) {
	op := fmt.Sprintf("import the wrapping key %q", label)
	fail := func(err error) (hsm.Object, hsm.CheckValue, error) { return hsm.Object{}, hsm.CheckValue{}, err }
	if err := s.ready(ctx, op); err != nil {
		return fail(err)
	}
	if len(id) == 0 || label == "" || key.Len() != wrappingKeyBytes {
		return fail(&hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("a wrapping key needs an id, a label and %d bytes", wrappingKeyBytes)})
	}
	if err := s.free(op, id); err != nil {
		return fail(err)
	}
	list := wrappingKey(id, label)
	template := append(template(list, recent), pkcs11.NewAttribute(pkcs11.CKA_VALUE, key.Bytes()))
	if _, err := s.m.ctx.CreateObject(s.h, template); err != nil {
		return fail(refused(op, err))
	}
	h, err := s.one(op, "secret-key", id)
	if err != nil {
		return fail(err)
	}
	o, got, err := s.object(op, h)
	if err != nil {
		return fail(err)
	}
	wrong := differences("", list, got)
	check, err := s.read(op, h, []string{"check-value"})
	if err != nil {
		return fail(err)
	}
	// CKA_CHECK_VALUE is not a use of the key, so a key that may only wrap has it.
	// Zeros are what a token gives that has not computed one.
	value := hsm.CheckValue{Method: hsm.CheckValueECB, Value: show(byName("check-value"), check[pkcs11.CKA_CHECK_VALUE])}
	mine, err := checkValue(key)
	if err != nil {
		return fail(&hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()})
	}
	if value.Value != mine || value.Value == "000000" {
		wrong = append(wrong, hsm.Difference{Attribute: "check-value", Want: mine, Got: value.Value})
	}
	if len(wrong) > 0 {
		return o, value, &hsm.Mismatch{Label: label, Wrong: wrong}
	}
	return o, value, nil
}

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

// wrapMechanism is the token's number for AES key wrap with padding.
func (s *session) wrapMechanism(op string) (uint, error) {
	list, err := s.m.ctx.GetMechanismList(s.slot)
	if err != nil {
		return 0, refused(op, err)
	}
	for _, number := range []uint{ckmAESKeyWrapKWP, ckmAESKeyWrapPad} {
		for _, m := range list {
			if m.Mechanism == number {
				return number, nil
			}
		}
	}
	return 0, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: "the token does not have AES key wrap with padding (RFC 5649)"}
}

func (s *session) Wrap(ctx context.Context, id, with []byte) (hsm.Wrapped, error) {
	op := fmt.Sprintf("wrap the key of id %x", id)
	if err := s.ready(ctx, op); err != nil {
		return hsm.Wrapped{}, err
	}
	key, err := s.one(op, "private-key", id)
	if err != nil {
		return hsm.Wrapped{}, err
	}
	kek, err := s.one(op, "secret-key", with)
	if err != nil {
		return hsm.Wrapped{}, err
	}
	number, err := s.wrapMechanism(op)
	if err != nil {
		return hsm.Wrapped{}, err
	}
	blob, err := s.m.ctx.WrapKey(s.h, []*pkcs11.Mechanism{pkcs11.NewMechanism(number, nil)}, kek, key)
	if err != nil {
		return hsm.Wrapped{}, refused(op, err)
	}
	// RFC 5649, 4.1: whole blocks of eight bytes, one of them its own; a PKCS #8 key
	// is never shorter than the private number inside.
	if len(blob)%8 != 0 || len(blob) < 8+32 {
		return hsm.Wrapped{}, &hsm.Error{Class: hsm.Broken, Op: op, Why: fmt.Sprintf("it gave %d bytes, which no wrapped key has", len(blob))}
	}
	return hsm.Wrapped{Mechanism: mechanismName(number), Blob: blob}, nil
}

func (s *session) Unwrap(ctx context.Context, spec hsm.KeySpec, with []byte, wrapped hsm.Wrapped, der []byte) (hsm.KeyPair, error) {
	op := fmt.Sprintf("unwrap the key %q", spec.Label)
	if err := s.ready(ctx, op); err != nil {
		return hsm.KeyPair{}, err
	}
	a, err := check(op, spec)
	if err != nil {
		return hsm.KeyPair{}, err
	}
	if err := hsm.CheckPublicKey(der, spec.Algorithm); err != nil {
		return hsm.KeyPair{}, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: err.Error()}
	}
	number, err := s.wrapMechanism(op)
	if err != nil {
		return hsm.KeyPair{}, err
	}
	if wrapped.Mechanism != mechanismName(ckmAESKeyWrapPad) && wrapped.Mechanism != mechanismName(ckmAESKeyWrapKWP) {
		return hsm.KeyPair{}, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("it is wrapped with %s", wrapped.Mechanism)}
	}
	if err := s.free(op, spec.ID); err != nil {
		return hsm.KeyPair{}, err
	}
	kek, err := s.one(op, "secret-key", with)
	if err != nil {
		return hsm.KeyPair{}, err
	}
	private, public := imported(spec, a)
	half, err := publicHalf(der)
	if err != nil {
		return hsm.KeyPair{}, &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
	}
	// The private half first: a public key alone tells nothing and does nothing.
	mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(number, nil)}
	for _, upTo := range []age{recent, old, always} { // as in Generate
		_, err = s.m.ctx.UnwrapKey(s.h, mechanism, kek, wrapped.Blob, template(private, upTo))
		if !hasCode(err, templateRefused...) || s.free(op, spec.ID) != nil {
			break
		}
	}
	if err != nil {
		return hsm.KeyPair{}, refused(op, err)
	}
	if _, err := s.m.ctx.CreateObject(s.h, append(template(public, recent), half...)); err != nil {
		return hsm.KeyPair{}, refused(op, err)
	}
	pair, err := s.readBack(op, spec, a, private, public)
	if err != nil {
		return pair, err
	}
	if !bytes.Equal(pair.SPKI, der) {
		return pair, &hsm.Mismatch{Label: spec.Label, Wrong: []hsm.Difference{
			{Attribute: "public key", Want: hex.EncodeToString(der), Got: hex.EncodeToString(pair.SPKI)}}}
	}
	return pair, nil
}

// imported are the templates of a pair that was not made in the token: the same
// uses, and facts that say where it comes from.
func imported(spec hsm.KeySpec, a algorithm) (private, public []wanted) {
	private, public = templates(spec, a)
	made := []string{"key-gen-mechanism", "modulus-bits", "public-exponent", "ec-params"}
	keep := func(list []wanted) []wanted {
		var out []wanted
		// Not modifiable comes last: SoftHSM takes the template's order, and after it
		// refuses the rest.
		slices.SortStableFunc(list, func(a, b wanted) int {
			return cmp.Compare(late(a), late(b))
		})
		for _, w := range list {
			switch w.name {
			case "local", "always-sensitive", "never-extractable":
				w = want(w.name, false).asFact()
			case "class", "key-type":
				w.fact = false // to be said where nothing implies it
			}
			if !slices.Contains(made, w.name) {
				out = append(out, w)
			}
		}
		return out
	}
	return keep(private), keep(public)
}

func late(w wanted) int {
	if w.name == "modifiable" {
		return 1
	}
	return 0
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

//go:build cgo

package p11

import (
	"bytes"
	"context"
	"crypto/aes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
)

// one finds the only object with an id, of the first of these classes that has any.
func (s *session) one(op string, id []byte, classes ...string) (pkcs11.ObjectHandle, error) {
	if len(id) == 0 {
		return 0, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: "an id is needed"}
	}
	for _, class := range classes {
		found, err := s.query(op, hsm.Query{Class: class, ID: id})
		switch {
		case err != nil:
			return 0, err
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return 0, &hsm.Error{Class: hsm.Broken, Op: op, Why: fmt.Sprintf("the token shows %d objects of class %s with the id %x", len(found), class, id)}
		}
	}
	return 0, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("the token shows no %s with the id %x", strings.Join(classes, " or "), id)}
}

// algorithm tells what kind of key an object is. For RSA any size is accepted.
func (s *session) algorithm(op string, h pkcs11.ObjectHandle) (algorithm, error) {
	// In one question: the token is asked before every signature. One that has no
	// curve answers for none, and is then asked one by one.
	got, err := s.read(op, h, []string{"key-type", "ec-params"})
	if err != nil {
		return algorithm{}, err
	}
	keyType := nameOr(keyTypes, toNumber(got[pkcs11.CKA_KEY_TYPE]))
	a, err := algorithmFor(keyType, got[pkcs11.CKA_EC_PARAMS])
	if err != nil {
		return algorithm{}, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: err.Error()}
	}
	a.bits = 0
	return a, nil
}

func (s *session) Sign(ctx context.Context, id, message []byte) ([]byte, error) {
	op := fmt.Sprintf("sign with the key of id %x", id)
	if err := s.ready(ctx, op); err != nil {
		return nil, err
	}
	h, err := s.one(op, id, "private-key", "secret-key")
	if err != nil {
		return nil, err
	}
	a, err := s.algorithm(op, h)
	if err != nil {
		return nil, err
	}
	return s.sign(op, h, a, message)
}

func (s *session) sign(op string, h pkcs11.ObjectHandle, a algorithm, message []byte) ([]byte, error) {
	if a.digest != 0 {
		d := a.digest.New()
		d.Write(message)
		message = d.Sum(nil)
	}
	if err := s.m.ctx.SignInit(s.h, []*pkcs11.Mechanism{pkcs11.NewMechanism(a.sign, nil)}, h); err != nil {
		return nil, refused(op, err)
	}
	signature, err := s.m.ctx.Sign(s.h, message)
	if err != nil {
		return nil, refused(op, err)
	}
	if a.curve == nil {
		return signature, nil
	}
	der, err := ecdsaDER(signature)
	if err != nil {
		return nil, &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
	}
	return der, nil
}

func (s *session) CheckValue(ctx context.Context, id []byte) (hsm.CheckValue, error) {
	op := fmt.Sprintf("compute the check value of the key of id %x", id)
	if err := s.ready(ctx, op); err != nil {
		return hsm.CheckValue{}, err
	}
	h, err := s.one(op, id, "secret-key")
	if err != nil {
		return hsm.CheckValue{}, err
	}
	o, _, err := s.object(op, h)
	if err != nil {
		return hsm.CheckValue{}, err
	}
	return s.checkValue(op, h, o.KeyType, purposeOf(o))
}

// purposeOf is what a found secret key may do.
func purposeOf(o hsm.Object) hsm.Purpose {
	for _, p := range []hsm.Purpose{hsm.Sign, hsm.Encrypt, hsm.Wrap} {
		if is(o, string(p)) { // the attributes are called like the purposes
			return p
		}
	}
	return hsm.Derive
}

// checkValue uses a key only for what it is for. What is left, a key that may only
// wrap or derive, has CKA_CHECK_VALUE, which is no use of it.
func (s *session) checkValue(op string, h pkcs11.ObjectHandle, keyType string, purpose hsm.Purpose) (hsm.CheckValue, error) {
	zeros := make([]byte, aes.BlockSize)
	check, size := hsm.CheckValue{Method: hsm.CheckValueECB}, 3
	var value []byte
	var err error
	switch {
	case keyType == "generic-secret" && purpose == hsm.Sign:
		check.Method, size = hsm.CheckValueHMAC, 5
		value, err = s.sign(op, h, algorithm{sign: ckmSHA256HMAC}, zeros)
	case keyType == "aes" && purpose == hsm.Sign:
		check.Method, size = hsm.CheckValueCMAC, 5
		value, err = s.sign(op, h, algorithm{sign: ckmAESCMAC}, zeros)
	case keyType == "aes" && purpose == hsm.Encrypt:
		value, err = s.encrypt(op, h, ckmAESECB, zeros)
	case keyType == "aes":
		var got map[uint][]byte
		got, err = s.read(op, h, []string{"check-value"})
		value = got[pkcs11.CKA_CHECK_VALUE]
	default:
		err = &hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("a key of type %s with its uses has no check value", keyType)}
	}
	if err != nil {
		return hsm.CheckValue{}, err
	}
	if len(value) < size {
		return hsm.CheckValue{}, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("it gave %d bytes", len(value))}
	}
	check.Value = hex.EncodeToString(value[:size])
	if strings.Trim(check.Value, "0") == "" {
		return hsm.CheckValue{}, &hsm.Error{Class: hsm.Broken, Op: op, Why: "it gave zeros, which is what a token gives that has not computed one"}
	}
	return check, nil
}

func (s *session) encrypt(op string, h pkcs11.ObjectHandle, mechanism uint, plain []byte) ([]byte, error) {
	if err := s.m.ctx.EncryptInit(s.h, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, h); err != nil {
		return nil, refused(op, err)
	}
	out, err := s.m.ctx.Encrypt(s.h, plain)
	if err != nil {
		return nil, refused(op, err)
	}
	return out, nil
}

// Delete keeps the handle of what it destroys: a token that only hides a key from
// its searches would still work with it.
func (s *session) Delete(ctx context.Context, id []byte, label string) (hsm.Deletion, error) {
	op := fmt.Sprintf("delete the key %q", label)
	if err := s.ready(ctx, op); err != nil {
		return hsm.Deletion{}, err
	}
	var d hsm.Deletion
	classes := []string{"private-key", "secret-key"}
	info, err := s.m.ctx.GetSessionInfo(s.h)
	if err != nil {
		return d, refused(op, err)
	}
	if info.State == pkcs11.CKS_RW_USER_FUNCTIONS {
		// An interrupted deletion may have left a public half alone; only its user sees
		// that there is no private one.
		classes = append(classes, "public-key")
	}
	h, err := s.one(op, id, classes...)
	if err != nil {
		return d, err
	}
	o, _, err := s.object(op, h)
	if err != nil {
		return d, err
	}
	if o.Label != label {
		return d, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("the token's key with the id %x is labelled %q", id, o.Label)}
	}
	a, err := s.algorithm(op, h)
	if err != nil {
		return d, err
	}
	if d.Before, err = s.inventory(op, hsm.Query{}); err != nil {
		return d, err
	}
	left, refusal := s.destroy(op, hsm.Query{ID: id})
	if refusal != nil {
		d.ByID = left
		return d, refusal
	}
	return d, errors.Join(s.proveGone(op, &d, id, label), s.proveUseless(op, &d, h, o, a))
}

func (s *session) inventory(op string, q hsm.Query) ([]hsm.Object, error) {
	handles, err := s.query(op, q)
	if err != nil {
		return nil, err
	}
	var list []hsm.Object
	for _, h := range handles {
		o, _, err := s.object(op, h)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// proveGone searches by id and by label and reads what is left.
func (s *session) proveGone(op string, d *hsm.Deletion, id []byte, label string) error {
	byID, err := s.query(op, hsm.Query{ID: id})
	if err != nil {
		return err
	}
	byLabel, err := s.query(op, hsm.Query{Label: label})
	if err != nil {
		return err
	}
	d.ByID, d.ByLabel = len(byID), len(byLabel)
	if d.After, err = s.inventory(op, hsm.Query{}); err != nil {
		return err
	}
	d.Removed = len(d.Before) - len(d.After)
	others := 0 // another key may bear the same label
	for _, o := range d.Before {
		if o.Label == label && !bytes.Equal(o.ID, id) {
			others++
		}
	}
	if d.ByID != 0 || d.ByLabel != others {
		return &hsm.Error{Class: hsm.Broken, Op: op, Why: fmt.Sprintf("the module reported success, but a search finds %d object(s) by id and %d by label, %d of them other keys", d.ByID, d.ByLabel, others)}
	}
	return nil
}

// proveUseless tries a thing that worked while the key was there, by the handle it
// had.
func (s *session) proveUseless(op string, d *hsm.Deletion, h pkcs11.ObjectHandle, o hsm.Object, a algorithm) error {
	var err error
	d.Use, err = s.try(op, h, o, a)
	var e *hsm.Error
	if errors.As(err, &e) && e.Code != "" {
		d.Refused = e.Code
		return nil
	}
	return &hsm.Error{Class: hsm.Broken, Op: op, Why: fmt.Sprintf("the module reported success, but did not refuse to %s with the key", d.Use)}
}

func (s *session) try(op string, h pkcs11.ObjectHandle, o hsm.Object, a algorithm) (use string, err error) {
	switch purpose := purposeOf(o); {
	case purpose == hsm.Sign:
		_, err = s.sign(op, h, a, make([]byte, 32))
		return "sign", err
	case purpose == hsm.Encrypt && o.Class == "secret-key":
		_, err = s.encrypt(op, h, ckmAESECB, make([]byte, aes.BlockSize))
		return "encrypt", err
	}
	// Other uses may be refused for other reasons. A key that is there always tells
	// what it is.
	if _, err = s.m.ctx.GetAttributeValue(s.h, h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, nil)}); err != nil {
		err = refused(op, err)
	}
	return "read its attributes", err
}

// is says whether an object reads back "true" for an attribute.
func is(o hsm.Object, name string) bool {
	return slices.Contains(o.Attributes, hsm.Attribute{Name: name, Value: "true"})
}

// Answer agrees on a key only for the session, which may encrypt and nothing else.
func (s *session) Answer(ctx context.Context, id []byte, c hsm.Challenge) ([]byte, error) {
	op := fmt.Sprintf("answer a challenge with the key of id %x", id)
	if err := s.ready(ctx, op); err != nil {
		return nil, err
	}
	h, err := s.one(op, id, "private-key")
	if err != nil {
		return nil, err
	}
	switch c.Method {
	case hsm.ProofOAEPSHA256:
		return s.decrypt(op, h, oaep(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256), c.Bytes)
	case hsm.ProofOAEPSHA1:
		return s.decrypt(op, h, oaep(pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1), c.Bytes)
	case hsm.ProofECDH:
		return s.agree(op, h, c.Bytes)
	}
	return nil, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("%q is no way to prove a key", c.Method)}
}

func oaep(hash, mgf uint) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP, pkcs11.NewOAEPParams(hash, mgf, pkcs11.CKZ_DATA_SPECIFIED, nil))}
}

func (s *session) decrypt(op string, h pkcs11.ObjectHandle, mechanism []*pkcs11.Mechanism, sealed []byte) ([]byte, error) {
	if err := s.m.ctx.DecryptInit(s.h, mechanism, h); err != nil {
		return nil, refused(op, err)
	}
	out, err := s.m.ctx.Decrypt(s.h, sealed)
	if err != nil {
		return nil, refused(op, err)
	}
	return out, nil
}

func (s *session) agree(op string, h pkcs11.ObjectHandle, point []byte) ([]byte, error) {
	mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDH1_DERIVE, pkcs11.NewECDH1DeriveParams(pkcs11.CKD_NULL, nil, point))}
	var agreed pkcs11.ObjectHandle
	err := s.tidily(op, func() (err error) {
		agreed, err = s.m.ctx.DeriveKey(s.h, mechanism, h, append(toEncrypt(), pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, secretBytes)))
		return err
	})
	if err != nil {
		return nil, refused(op, err)
	}
	block, err := s.encrypt(op, agreed, ckmAESECB, make([]byte, aes.BlockSize))
	if destroyed := s.m.ctx.DestroyObject(s.h, agreed); err == nil && destroyed != nil {
		err = refused(op, destroyed)
	}
	return block, err
}

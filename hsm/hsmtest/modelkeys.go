package hsmtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// modelWrap is what the model says it wraps with. It seals with AES-GCM, as Go has no
// AES key wrap: nobody but the model unwraps it.
const modelWrap = "CKM_AES_KEY_WRAP_KWP"

// makeKey makes the key and tells what a read-back says of it: the key type and
// the CKM_ number.
func makeKey(a hsm.Algorithm) (made modelObject, keyType string, mechanism int, err error) {
	curve := map[hsm.Algorithm]elliptic.Curve{hsm.ECP256: elliptic.P256(), hsm.ECP384: elliptic.P384(), hsm.ECP521: elliptic.P521()}[a]
	bits := map[hsm.Algorithm]int{hsm.RSA3072: 3072, hsm.RSA4096: 4096}[a]
	switch {
	case curve != nil:
		made.signer, err = ecdsa.GenerateKey(curve, rand.Reader)
		return made, "ec", 0x1040, err
	case bits != 0:
		made.signer, err = rsa.GenerateKey(rand.Reader, bits)
		return made, "rsa", 0, err
	case a == hsm.Ed25519:
		_, made.signer, err = ed25519.GenerateKey(rand.Reader)
		return made, "ec-edwards", 0x1055, err
	}
	made.secret = make([]byte, 32)
	_, err = rand.Read(made.secret)
	if a == hsm.AES256 {
		return made, "aes", 0x1080, err
	}
	return made, "generic-secret", 0x350, err
}

func (s *modelSession) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	op := fmt.Sprintf("generate the key %q", spec.Label)
	if err := s.enter(ctx, op); err != nil {
		return hsm.Key{}, err
	}
	defer s.module.leave()
	spec.Origin = hsm.MadeHere
	if err := s.mayMake(op, spec); err != nil {
		return hsm.Key{}, err
	}
	made, keyType, mechanism, err := makeKey(spec.Algorithm)
	if err != nil {
		return hsm.Key{}, refuse(hsm.Broken, op, err.Error())
	}
	s.keep(spec, made, keyType, mechanism)
	return s.readBack(op, spec)
}

// mayMake says why a key cannot be made, imported or unwrapped now.
func (s *modelSession) mayMake(op string, spec hsm.KeySpec) error {
	if err := spec.Check(); err != nil {
		return refuse(hsm.NotSupported, op, err.Error())
	}
	switch {
	case spec.Algorithm == hsm.AES256 && spec.Purpose == hsm.Sign:
		return refuse(hsm.NotSupported, op, "the token does not have AES-CMAC")
	case len(s.seen(hsm.Query{ID: spec.ID})) > 0:
		return refuse(hsm.NotAllowed, op, "the token already holds an object with this id")
	case spec.Purpose != hsm.Wrap && s.token.who != hsm.Operator:
		return refuse(hsm.NotAllowed, op, "nobody is logged in")
	case spec.Trusted && s.token.who != hsm.SecurityOfficer:
		return refuse(hsm.NotAllowed, op, "only the security officer calls a key trusted")
	}
	return nil
}

// keep stores a key as a read-back will say it is.
func (s *modelSession) keep(spec hsm.KeySpec, made modelObject, keyType string, mechanism int) {
	yes := strconv.FormatBool
	local := spec.Origin == hsm.MadeHere
	extractable := spec.Protection == hsm.WrapBackup
	is := func(p hsm.Purpose) string { return yes(spec.Purpose == p) }
	madeBy := "unavailable"
	if local {
		madeBy = strconv.Itoa(mechanism)
	}
	object := func(class string, attributes ...string) *modelObject {
		o := made
		o.Object = hsm.Object{Class: class, KeyType: keyType, Label: spec.Label, ID: bytes.Clone(spec.ID)}
		for i := 0; i < len(attributes); i += 2 {
			o.Attributes = append(o.Attributes, hsm.Attribute{Name: attributes[i], Value: attributes[i+1]})
		}
		o.private = Value(o.Object, "private") == "true"
		if spec.Session {
			o.session = s
		}
		return &o
	}
	if spec.Algorithm.Secret() {
		s.token.objects = append(s.token.objects, object("secret-key",
			"token", yes(!spec.Session), "private", yes(spec.Purpose != hsm.Wrap), "sensitive", "true",
			"extractable", yes(extractable), "wrap-with-trusted", yes(extractable), "trusted", yes(spec.Trusted),
			"sign", is(hsm.Sign), "verify", is(hsm.Sign), "encrypt", is(hsm.Encrypt), "decrypt", is(hsm.Encrypt),
			"wrap", is(hsm.Wrap), "unwrap", is(hsm.Wrap), "derive", is(hsm.Derive), "value-len", "32",
			"modifiable", yes(spec.Purpose == hsm.Wrap && !spec.Trusted && local), "copyable", "false", "destroyable", "true",
			"local", yes(local), "always-sensitive", yes(local), "never-extractable", yes(local && !extractable), "key-gen-mechanism", madeBy))
		return
	}
	s.token.objects = append(s.token.objects,
		object("public-key",
			"token", "true", "private", "false", "verify", is(hsm.Sign),
			"verify-recover", "false", "encrypt", is(hsm.Encrypt), "wrap", "false",
			"derive", "false", "trusted", "false",
			"modifiable", "false", "copyable", "false", "destroyable", "true",
			"local", yes(local), "key-gen-mechanism", madeBy),
		object("private-key",
			"token", "true", "private", "true", "sensitive", "true",
			"extractable", yes(extractable), "wrap-with-trusted", yes(extractable),
			"sign", is(hsm.Sign), "sign-recover", "false", "decrypt", is(hsm.Encrypt),
			"unwrap", "false", "derive", is(hsm.Derive), "always-authenticate", "false",
			"modifiable", "false", "copyable", "false", "destroyable", "true",
			"local", yes(local), "always-sensitive", yes(local),
			"never-extractable", yes(local && !extractable), "key-gen-mechanism", madeBy))
}

func (s *modelSession) Inspect(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	op := fmt.Sprintf("read the key %q", spec.Label)
	if err := s.enter(ctx, op); err != nil {
		return hsm.Key{}, err
	}
	defer s.module.leave()
	return s.readBack(op, spec)
}

func (s *modelSession) readBack(op string, spec hsm.KeySpec) (hsm.Key, error) {
	var key hsm.Key
	var wrong []hsm.Difference
	extractable := strconv.FormatBool(spec.Protection == hsm.WrapBackup)
	found := s.seen(hsm.Query{ID: spec.ID})
	for _, o := range found {
		if o.Label != spec.Label {
			wrong = append(wrong, hsm.Difference{Attribute: o.Class + " label", Want: spec.Label, Got: o.Label})
		}
		switch o.Class {
		case "private-key", "secret-key":
			key.Private = o.Object
			if got := Value(o.Object, "extractable"); got != extractable {
				wrong = append(wrong, hsm.Difference{Attribute: "private extractable", Want: extractable, Got: got})
			}
			if o.secret != nil {
				check, err := o.checkValue(op)
				if err != nil {
					return key, err
				}
				key.Check = check
			}
		case "public-key":
			der, err := x509.MarshalPKIXPublicKey(o.signer.Public())
			if err != nil {
				return hsm.Key{}, refuse(hsm.Broken, op, err.Error())
			}
			key.Public, key.SPKI = o.Object, der
		}
	}
	if want := map[bool]int{true: 1, false: 2}[spec.Algorithm.Secret()]; len(found) != want {
		wrong = append(wrong, hsm.Difference{Attribute: "objects with this id", Want: strconv.Itoa(want), Got: strconv.Itoa(len(found))})
	}
	if len(wrong) > 0 {
		return key, &hsm.Mismatch{Label: spec.Label, Wrong: wrong}
	}
	return key, nil
}

func (s *modelSession) CheckValue(ctx context.Context, id []byte) (hsm.CheckValue, error) {
	op := fmt.Sprintf("compute the check value of the key of id %x", id)
	if err := s.enter(ctx, op); err != nil {
		return hsm.CheckValue{}, err
	}
	defer s.module.leave()
	o, err := s.one(op, id, "secret-key")
	if err != nil {
		return hsm.CheckValue{}, err
	}
	return o.checkValue(op)
}

func (o *modelObject) checkValue(op string) (hsm.CheckValue, error) {
	block := make([]byte, aes.BlockSize)
	if o.KeyType == "generic-secret" {
		mac := hmac.New(sha256.New, o.secret)
		mac.Write(block)
		return hsm.CheckValue{Method: hsm.CheckValueHMAC, Value: hex.EncodeToString(mac.Sum(nil)[:5])}, nil
	}
	c, err := aes.NewCipher(o.secret)
	if err != nil {
		return hsm.CheckValue{}, refuse(hsm.Broken, op, err.Error())
	}
	c.Encrypt(block, block)
	return hsm.CheckValue{Method: hsm.CheckValueECB, Value: hex.EncodeToString(block[:3])}, nil
}

func (s *modelSession) Answer(ctx context.Context, id []byte, c hsm.Challenge) ([]byte, error) {
	op := fmt.Sprintf("answer a challenge with the key of id %x", id)
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.module.leave()
	o, err := s.one(op, id, "private-key")
	if err != nil {
		return nil, err
	}
	answer, err := o.answer(c)
	if err != nil {
		return nil, refuse(hsm.NotAllowed, op, err.Error())
	}
	return answer, nil
}

func (o *modelObject) answer(c hsm.Challenge) ([]byte, error) {
	switch key := o.signer.(type) {
	case *rsa.PrivateKey:
		if c.Method == hsm.ProofOAEPSHA256 && Value(o.Object, "decrypt") == "true" {
			return rsa.DecryptOAEP(sha256.New(), nil, key, c.Bytes, nil)
		}
	case *ecdsa.PrivateKey:
		if c.Method != hsm.ProofECDH || Value(o.Object, "derive") != "true" {
			break
		}
		mine, err := key.ECDH()
		if err != nil {
			return nil, err
		}
		peer, err := mine.Curve().NewPublicKey(c.Bytes)
		if err != nil {
			return nil, err
		}
		shared, err := mine.ECDH(peer)
		if err != nil {
			return nil, err
		}
		return hsm.ZeroBlock(shared[len(shared)-32:])
	}
	return nil, fmt.Errorf("the key is not meant for this")
}

func (s *modelSession) Delete(ctx context.Context, id []byte, label string) (hsm.Deletion, error) {
	op := fmt.Sprintf("delete the key %q", label)
	if err := s.enter(ctx, op); err != nil {
		return hsm.Deletion{}, err
	}
	defer s.module.leave()
	classes := []string{"private-key", "secret-key"}
	if s.token.who == hsm.Operator { // who alone sees that there is no private half
		classes = append(classes, "public-key")
	}
	o, err := s.one(op, id, classes...)
	if err != nil {
		return hsm.Deletion{}, err
	}
	if o.Label != label {
		return hsm.Deletion{}, refuse(hsm.NotAllowed, op, fmt.Sprintf("the token's key with this id is labelled %q", o.Label))
	}
	d := hsm.Deletion{Before: s.list(hsm.Query{}), Use: o.use(), Refused: "CKR_OBJECT_HANDLE_INVALID"}
	s.token.objects = slices.DeleteFunc(s.token.objects, func(x *modelObject) bool { return bytes.Equal(x.ID, id) })
	d.After = s.list(hsm.Query{})
	d.Removed = len(d.Before) - len(d.After)
	d.ByLabel = len(s.seen(hsm.Query{Label: label}))
	return d, nil
}

func (o *modelObject) use() string {
	for _, use := range []string{"sign", "encrypt"} {
		if o.Class != "public-key" && Value(o.Object, use) == "true" {
			return use
		}
	}
	return "read its attributes"
}

func (s *modelSession) ImportWrappingKey(ctx context.Context, spec hsm.KeySpec, value *secret.Buffer) (hsm.Key, error) {
	op := fmt.Sprintf("import the wrapping key %q", spec.Label)
	if err := s.enter(ctx, op); err != nil {
		return hsm.Key{}, err
	}
	defer s.module.leave()
	spec.Origin = hsm.BroughtIn
	if err := s.mayMake(op, spec); err != nil {
		return hsm.Key{}, err
	}
	if spec.Purpose != hsm.Wrap || value.Len() != 32 {
		return hsm.Key{}, refuse(hsm.NotSupported, op, "only an AES wrapping key of 32 bytes is ever imported")
	}
	s.keep(spec, modelObject{secret: bytes.Clone(value.Bytes())}, "aes", 0)
	return s.readBack(op, spec)
}

func (s *modelSession) SetTrusted(ctx context.Context, id []byte) (hsm.Object, error) {
	op := fmt.Sprintf("call the wrapping key of id %x trusted", id)
	if err := s.enter(ctx, op); err != nil {
		return hsm.Object{}, err
	}
	defer s.module.leave()
	o, err := s.one(op, id, "secret-key")
	switch {
	case err != nil:
		return hsm.Object{}, err
	case Value(o.Object, "wrap") != "true":
		return o.Object, refuse(hsm.NotAllowed, op, "it is not a wrapping key that never leaves the token")
	case Value(o.Object, "modifiable") != "true", s.token.who != hsm.SecurityOfficer:
		return o.Object, refuse(hsm.NotAllowed, op, "only the security officer calls a key trusted, and only one that may be modified")
	}
	i := slices.IndexFunc(o.Attributes, func(a hsm.Attribute) bool { return a.Name == "trusted" })
	o.Attributes = slices.Clone(o.Attributes) // what was told before stays as it was
	o.Attributes[i].Value = "true"
	return o.Object, nil
}

// cipherOf is the wrapping key with an id.
func (s *modelSession) cipherOf(op string, with []byte) (*modelObject, cipher.AEAD, error) {
	kek, err := s.one(op, with, "secret-key")
	if err != nil {
		return nil, nil, err
	}
	if Value(kek.Object, "wrap") != "true" {
		return nil, nil, refuse(hsm.NotAllowed, op, "the key is not meant for this")
	}
	block, err := aes.NewCipher(kek.secret)
	if err != nil {
		return nil, nil, refuse(hsm.Broken, op, err.Error())
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, refuse(hsm.Broken, op, err.Error())
	}
	return kek, sealer, nil
}

func (s *modelSession) Wrap(ctx context.Context, id, with []byte) (hsm.Wrapped, error) {
	op := fmt.Sprintf("wrap the key of id %x", id)
	if err := s.enter(ctx, op); err != nil {
		return hsm.Wrapped{}, err
	}
	defer s.module.leave()
	o, err := s.one(op, id, "private-key", "secret-key")
	if err != nil {
		return hsm.Wrapped{}, err
	}
	kek, sealer, err := s.cipherOf(op, with)
	switch {
	case err != nil:
		return hsm.Wrapped{}, err
	case Value(o.Object, "extractable") != "true":
		return hsm.Wrapped{}, refuse(hsm.NotAllowed, op, "the key never leaves the token, not even wrapped")
	case Value(kek.Object, "trusted") != "true":
		return hsm.Wrapped{}, refuse(hsm.NotAllowed, op, "the key cannot be wrapped by this wrapping key")
	}
	plain := o.secret
	if o.signer != nil {
		if plain, err = x509.MarshalPKCS8PrivateKey(o.signer); err != nil {
			return hsm.Wrapped{}, refuse(hsm.Broken, op, err.Error())
		}
	}
	// RFC 5649 wraps the same key into the same bytes each time, and so does this.
	sum := sha256.Sum256(plain)
	nonce := sum[:sealer.NonceSize()]
	return hsm.Wrapped{Mechanism: modelWrap, Blob: sealer.Seal(bytes.Clone(nonce), nonce, plain, nil)}, nil
}

func (s *modelSession) Unwrap(ctx context.Context, spec hsm.KeySpec, with []byte, wrapped hsm.Wrapped, spki []byte) (hsm.Key, error) {
	op := fmt.Sprintf("unwrap the key %q", spec.Label)
	if err := s.enter(ctx, op); err != nil {
		return hsm.Key{}, err
	}
	defer s.module.leave()
	spec.Origin = hsm.BroughtIn
	if err := s.mayMake(op, spec); err != nil {
		return hsm.Key{}, err
	}
	if wrapped.Mechanism != modelWrap {
		return hsm.Key{}, refuse(hsm.NotSupported, op, fmt.Sprintf("it is wrapped with %q", wrapped.Mechanism))
	}
	_, sealer, err := s.cipherOf(op, with)
	if err != nil {
		return hsm.Key{}, err
	}
	nonce, sealed := wrapped.Blob[:min(len(wrapped.Blob), sealer.NonceSize())], wrapped.Blob[min(len(wrapped.Blob), sealer.NonceSize()):]
	if len(nonce) < sealer.NonceSize() {
		return hsm.Key{}, refuse(hsm.NotAllowed, op, "the wrapped key is too short")
	}
	plain, err := sealer.Open(nil, nonce, sealed, nil)
	if err != nil {
		return hsm.Key{}, refuse(hsm.NotAllowed, op, "the wrapped key is damaged or of another wrapping key")
	}
	if spec.Algorithm.Secret() {
		return s.unwrapSecret(op, spec, plain, spki)
	}
	if err := hsm.CheckPublicKey(spki, spec.Algorithm); err != nil {
		return hsm.Key{}, refuse(hsm.NotAllowed, op, err.Error())
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return hsm.Key{}, refuse(hsm.NotAllowed, op, "the wrapped key is not a private key")
	}
	keyType := map[bool]string{true: "ec", false: "rsa"}[spec.Algorithm[:2] == "ec"]
	if spec.Algorithm == hsm.Ed25519 {
		keyType = "ec-edwards"
	}
	s.keep(spec, modelObject{signer: key.(crypto.Signer)}, keyType, 0)
	return s.readBack(op, spec)
}

func (s *modelSession) unwrapSecret(op string, spec hsm.KeySpec, plain, spki []byte) (hsm.Key, error) {
	if spki != nil || len(plain) != 32 {
		return hsm.Key{}, refuse(hsm.NotAllowed, op, "the wrapped key is not a secret key of 32 bytes")
	}
	keyType := map[bool]string{true: "aes", false: "generic-secret"}[spec.Algorithm == hsm.AES256]
	s.keep(spec, modelObject{secret: plain}, keyType, 0)
	return s.readBack(op, spec)
}

// digest is what ECDSA signs: the curve's own of the SHA-2 family.
func digest(curve elliptic.Curve, message []byte) []byte {
	switch curve {
	case elliptic.P256():
		sum := sha256.Sum256(message)
		return sum[:]
	case elliptic.P384():
		sum := sha512.Sum384(message)
		return sum[:]
	}
	sum := sha512.Sum512(message)
	return sum[:]
}

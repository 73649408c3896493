package hsm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // in OAEP, where its collisions do not matter (RFC 8017, B.1): SoftHSM has no other
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
)

// Prover is a Session that answers challenges with private keys that do not sign.
type Prover interface {
	// Answer decrypts, or agrees on a key and gives one zero block encrypted under
	// it: nothing that would serve anyone as a decryption or a key.
	Answer(ctx context.Context, id []byte, c Challenge) ([]byte, error)
}

// Challenge is what only the holder of a private key can answer.
type Challenge struct {
	Method string
	Bytes  []byte
}

// The methods of proof.
const (
	ProofSignature  = "signature"
	ProofOAEPSHA256 = "decryption, RSA-OAEP with SHA-256"
	ProofOAEPSHA1   = "decryption, RSA-OAEP with SHA-1"
	ProofECDH       = "key agreement, ECDH and AES-256 of a zero block"
	ProofCheckValue = "check value computed twice"
)

// Proof is a challenge with its answer.
type Proof struct {
	Challenge
	Answer []byte
}

// ProvePossession has the token prove that it holds the key that it said it made,
// by the one thing the key is for; the proof is checked on the public key, or, for
// a secret key, on the check value. A signing key signs message.
func ProvePossession(ctx context.Context, s Session, spec KeySpec, key Key, message []byte) (Proof, error) {
	if spec.Algorithm.Secret() {
		return proveSecret(ctx, s, spec, key)
	}
	public, err := x509.ParsePKIXPublicKey(key.SPKI)
	if err != nil {
		return Proof{}, fmt.Errorf("couldn't read the public key of %q: %w", spec.Label, err)
	}
	if spec.Purpose == Sign {
		signature, err := s.Sign(ctx, spec.ID, message)
		if err == nil {
			err = VerifySignature(public, message, signature)
		}
		return Proof{Challenge{ProofSignature, message}, signature}, err
	}
	prover, ok := s.(Prover)
	if !ok {
		return Proof{}, &Error{Class: NotSupported, Op: fmt.Sprintf("prove the key %q", spec.Label), Why: "the module's driver does not answer challenges"}
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		return proveDecryption(ctx, prover, spec, public)
	case *ecdsa.PublicKey:
		return proveAgreement(ctx, prover, spec, public)
	}
	return Proof{}, fmt.Errorf("couldn't prove %q: a %T is not for %s", spec.Label, public, spec.Purpose)
}

func proveSecret(ctx context.Context, s Session, spec KeySpec, key Key) (Proof, error) {
	again, err := s.CheckValue(ctx, spec.ID)
	if err == nil && (again != key.Check || again.Value == "") {
		err = &Error{Class: Broken, Op: fmt.Sprintf("prove the key %q", spec.Label), Why: fmt.Sprintf("its check value was %q and is %q", key.Check.Value, again.Value)}
	}
	return Proof{Challenge{Method: ProofCheckValue}, []byte(again.Value)}, err
}

// VerifySignature checks a signature as [Session.Sign] makes it.
func VerifySignature(public crypto.PublicKey, message, signature []byte) error {
	ok := false
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, curveDigest(key.Curve, message), signature)
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, message, signature)
	case *rsa.PublicKey:
		sum := sha256.Sum256(message)
		ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	if !ok {
		return fmt.Errorf("the signature is not of this key (%T) and message: %w", public, ErrAnswer)
	}
	return nil
}

func curveDigest(curve elliptic.Curve, message []byte) []byte {
	switch curve {
	case elliptic.P384():
		sum := sha512.Sum384(message)
		return sum[:]
	case elliptic.P521():
		sum := sha512.Sum512(message)
		return sum[:]
	}
	sum := sha256.Sum256(message)
	return sum[:]
}

// ErrAnswer: the token answered without an error, and wrong. The key it showed is not
// the one it holds.
var ErrAnswer = errors.New("the token's answer is not that of the private key")

func proveDecryption(ctx context.Context, p Prover, spec KeySpec, public *rsa.PublicKey) (proof Proof, err error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return proof, err
	}
	for _, method := range []string{ProofOAEPSHA256, ProofOAEPSHA1} {
		digest := sha256.New()
		if method == ProofOAEPSHA1 {
			digest = sha1.New()
		}
		proof.Method = method
		if proof.Bytes, err = rsa.EncryptOAEP(digest, rand.Reader, public, secret, nil); err != nil {
			return proof, fmt.Errorf("couldn't make a challenge for %q: %w", spec.Label, err)
		}
		if proof.Answer, err = p.Answer(ctx, spec.ID, proof.Challenge); err != nil {
			continue // or the token does not have OAEP with this digest
		}
		if !bytes.Equal(proof.Answer, secret) {
			return proof, ErrAnswer
		}
		return proof, nil
	}
	return proof, err
}

func proveAgreement(ctx context.Context, p Prover, spec KeySpec, public *ecdsa.PublicKey) (Proof, error) {
	proof := Proof{Challenge: Challenge{Method: ProofECDH}}
	peer, err := public.ECDH()
	if err != nil {
		return proof, fmt.Errorf("couldn't read the public key of %q: %w", spec.Label, err)
	}
	mine, err := peer.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return proof, err
	}
	shared, err := mine.ECDH(peer)
	if err != nil {
		return proof, fmt.Errorf("couldn't make a challenge for %q: %w", spec.Label, err)
	}
	proof.Bytes = mine.PublicKey().Bytes()
	if proof.Answer, err = p.Answer(ctx, spec.ID, proof.Challenge); err != nil {
		return proof, err
	}
	// PKCS#11 v2.40 says that a shorter key is the secret less its leading bytes;
	// tokens were seen to keep those instead.
	for _, key := range [][]byte{shared[len(shared)-32:], shared[:32]} {
		if block, err := ZeroBlock(key); err == nil && bytes.Equal(block, proof.Answer) {
			return proof, nil
		}
	}
	return proof, ErrAnswer
}

// ZeroBlock is one block of zeros under an AES key that is used for nothing else.
func ZeroBlock(key []byte) ([]byte, error) {
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	block := make([]byte, aes.BlockSize)
	c.Encrypt(block, block)
	return block, nil
}

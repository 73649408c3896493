package hsm

import (
	"context"

	"claviger/hsm/secret"
)

// Wrapper is a Session that makes and takes backups: a key of protection
// WrapBackup leaves the token only under a wrapping key that the token trusts.
type Wrapper interface {
	// ImportWrappingKey stores an AES-256 key that wraps and unwraps and does
	// nothing else: trusted, sensitive, never to leave. Only the security officer
	// may call a key trusted (PKCS#11 v2.40, CKA_TRUSTED), so the officer must be
	// logged in, and the object is one that everyone sees; its value nobody does.
	// What differs from that is a *Mismatch beside the object, as in Generate. The
	// check value is compared with the one of the bytes that were given.
	ImportWrappingKey(ctx context.Context, id []byte, label string, key *secret.Buffer) (Object, CheckValue, error)
	// Wrap gives the private key of this id wrapped under another.
	Wrap(ctx context.Context, id, with []byte) (Wrapped, error)
	// Unwrap puts a wrapped private key back, beside its public half, and compares
	// both with spec as Generate does; the token then says that they were not made
	// in it. The caller must prove possession: only a signature shows that the
	// halves belong together.
	Unwrap(ctx context.Context, spec KeySpec, with []byte, wrapped Wrapped, spki []byte) (KeyPair, error)
}

// Wrapped is a private key under a wrapping key.
type Wrapped struct {
	Mechanism string // CKM_ name
	Blob      []byte
}

// CheckValue tells keys apart without telling them.
type CheckValue struct{ Method, Value string }

// CheckValueECB is the method of CKA_CHECK_VALUE (PKCS#11 v2.40, 4.10.2), the one
// a key that may only wrap can still be asked for.
const CheckValueECB = "AES-ECB of a zero block, first three bytes"

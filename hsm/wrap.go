package hsm

import (
	"context"

	"claviger/hsm/secret"
)

// Wrapper is a Session that makes and takes backups: a key of protection
// WrapBackup leaves the token only under a wrapping key that the token trusts.
type Wrapper interface {
	// ImportWrappingKey stores an AES-256 key that wraps and unwraps and does
	// nothing else: sensitive, never to leave. With spec.Trusted the security
	// officer must be logged in (PKCS#11 v2.40, CKA_TRUSTED). The object is one that
	// everyone sees, so that the officer does; its value nobody sees. Where the token
	// refuses plain bytes they go in under an RSA pair that it makes for this and
	// that ends with it (RSA-OAEP). What differs from spec is a *Mismatch beside the
	// key, as in Generate; the check value is compared with that of the bytes given.
	ImportWrappingKey(ctx context.Context, spec KeySpec, key *secret.Buffer) (Key, error)
	// SetTrusted calls a wrapping key trusted that was generated in the token; the
	// security officer must be logged in. It is read back.
	SetTrusted(ctx context.Context, id []byte) (Object, error)
	// Wrap gives the private or secret key of this id wrapped under another.
	Wrap(ctx context.Context, id, with []byte) (Wrapped, error)
	// Unwrap puts a wrapped key back, a private one beside its public half spki (nil
	// for a secret key), and compares with spec as Generate does; the token then
	// says that it was not made in it. The caller must prove possession: only a
	// signature shows that the halves belong together, only the check value that a
	// secret key is the same.
	Unwrap(ctx context.Context, spec KeySpec, with []byte, wrapped Wrapped, spki []byte) (Key, error)
}

// Wrapped is a key under a wrapping key. Whoever unwraps a private key outside a
// token must go by the length that the DER of its PKCS #8 says: RFC 3394
// (CKM_AES_KEY_WRAP) wraps whole blocks, so zero bytes follow, and SoftHSM adds
// them under RFC 5649 (CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP), too.
type Wrapped struct {
	Mechanism string // CKM_ name
	Blob      []byte
}

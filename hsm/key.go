package hsm

import (
	"errors"
	"fmt"
	"slices"
)

// Algorithm names a key type and size as scripts spell it.
type Algorithm string

const (
	ECP256     Algorithm = "ec-p256"
	ECP384     Algorithm = "ec-p384"
	ECP521     Algorithm = "ec-p521"
	RSA3072    Algorithm = "rsa-3072"
	RSA4096    Algorithm = "rsa-4096"
	Ed25519    Algorithm = "ed25519"
	AES256     Algorithm = "aes-256"
	HMACSHA256 Algorithm = "hmac-sha256" // a generic secret of 32 bytes
)

// Secret says that it is one secret key, not a pair.
func (a Algorithm) Secret() bool { return a == AES256 || a == HMACSHA256 }

// Purpose is the one thing a key is for (NIST SP 800-57 part 1, 5.2).
type Purpose string

const (
	Sign    Purpose = "sign"    // a pair signs and verifies, a secret key makes MACs
	Wrap    Purpose = "wrap"    // it wraps and unwraps other keys
	Encrypt Purpose = "encrypt" // it encrypts and decrypts data
	Derive  Purpose = "derive"  // keys are agreed or derived with it
)

// purposes is what each algorithm can be for.
var purposes = map[Algorithm][]Purpose{
	ECP256:     {Sign, Derive},
	ECP384:     {Sign, Derive},
	ECP521:     {Sign, Derive},
	RSA3072:    {Sign, Encrypt},
	RSA4096:    {Sign, Encrypt},
	Ed25519:    {Sign},
	AES256:     {Sign, Wrap, Encrypt, Derive},
	HMACSHA256: {Sign},
}

// Protection is decided before generation and cannot be raised afterwards:
// PKCS#11 refuses CKA_EXTRACTABLE from false to true.
type Protection string

const (
	// ModuleOnly: CKA_EXTRACTABLE false. The key never leaves the token.
	ModuleOnly Protection = "module-only"
	// WrapBackup: extractable, CKA_WRAP_WITH_TRUSTED true. It leaves only wrapped.
	WrapBackup Protection = "wrap-backup"
)

// Origin says where a key was made, which the token tells by CKA_LOCAL.
type Origin string

const (
	MadeHere  Origin = ""           // generated in this token
	BroughtIn Origin = "brought in" // imported, or unwrapped
)

// KeySpec is a key to be made.
type KeySpec struct {
	ID         []byte // CKA_ID, of both halves of a pair: first 20 bytes of the intent's leaf hash
	Label      string
	Algorithm  Algorithm
	Purpose    Purpose
	Protection Protection
	// Session: the key lives in the session and is gone with it. Wrapping keys only.
	Session bool
	// Trusted: a wrapping key that the security officer, who is then logged in,
	// calls trusted as it is made; [Wrapper.SetTrusted] does so later.
	Trusted bool
	// Origin is for Inspect; every other call knows it.
	Origin Origin
}

// Check says why no such key is ever made, or nil.
func (s KeySpec) Check() error {
	can, known := purposes[s.Algorithm]
	switch {
	case !known:
		return fmt.Errorf("%q is no algorithm Claviger makes keys for", s.Algorithm)
	case !slices.Contains(can, s.Purpose):
		return fmt.Errorf("%q is no purpose Claviger makes %s keys for", s.Purpose, s.Algorithm)
	case s.Protection != ModuleOnly && s.Protection != WrapBackup:
		return fmt.Errorf("%q is no protection; %s and %s are", s.Protection, ModuleOnly, WrapBackup)
	case len(s.ID) == 0 || s.Label == "":
		return errors.New("a key needs an id and a label")
	case s.Purpose == Wrap && s.Protection != ModuleOnly:
		return errors.New("a wrapping key never leaves its token: its bytes are the custodians'")
	case s.Algorithm == AES256 && s.Purpose == Derive && s.Protection != ModuleOnly:
		return errors.New("an AES key that keys are derived from stays in its token: not every token could show that it came back the same")
	case s.Purpose != Wrap && (s.Session || s.Trusted):
		return errors.New("only a wrapping key can be one of the session, or trusted")
	}
	return nil
}

// Key is what the token says it made.
type Key struct {
	Private Object     // the private half, or the secret key
	Public  Object     // the public half; empty for a secret key
	SPKI    []byte     // SubjectPublicKeyInfo, DER; nil for a secret key
	Check   CheckValue // of a secret key
}

// CheckValue tells secret keys apart without telling them.
type CheckValue struct {
	Method string
	Value  string // hex
}

// The methods, best first. What a key may not do is never done to compute one.
const (
	CheckValueCMAC = "AES-CMAC of a zero block, first five bytes"     // ANSI X9.24-1:2017, Annex A
	CheckValueHMAC = "HMAC-SHA-256 of a zero block, first five bytes" // the same idea
	// CheckValueECB is also CKA_CHECK_VALUE (PKCS#11 v2.40, 4.10.2), the one a key
	// that may only wrap can still be asked for.
	CheckValueECB = "AES-ECB of a zero block, first three bytes"
)

// Deletion is the proof that a key is not in a token any more.
type Deletion struct {
	Before, After []Object // all that the token showed
	Removed       int      // objects that were there and are not
	ByID, ByLabel int      // still found afterwards
	Use           string   // what was tried with the key afterwards: "sign", "wrap", …
	Refused       string   // the code the token refused that with
}

// Package hsm is what Claviger asks of a PKCS#11 token, and nothing more.
//
// # Vocabulary
//
// A [Module] is one loaded vendor library. It shows tokens; a token is
// addressed by its serial number, never by slot index. A [Session] is the one
// open session with one token. PKCS#11 has a single login per application, so
// two sessions are not dual control: sign-offs and shares are.
//
// # What it promises
//
// Generate sets every attribute of its template, reads every one of them back
// from the token and compares; what differs is a [Mismatch], never a success.
// A return code alone is never believed. Errors carry a [Class] that callers
// branch on and the raw CKR_* name for the record.
//
// # Who may call
//
// A Session belongs to one goroutine. Implementations that cross a process
// border (hsm/worker) serialise by themselves.
package hsm

import (
	"context"
	"fmt"

	"claviger/hsm/secret"
)

// Module is one loaded PKCS#11 library.
type Module interface {
	Info(ctx context.Context) (ModuleInfo, error)
	Tokens(ctx context.Context) ([]TokenInfo, error)
	Mechanisms(ctx context.Context, serial string) ([]Mechanism, error)
	// InitToken erases and initialises the token with this serial number. An
	// empty serial means the one uninitialised token that has none yet (SoftHSM's
	// free slot); the token as it is afterwards is returned, found again by label.
	InitToken(ctx context.Context, serial, label string, so *secret.Buffer) (TokenInfo, error)
	// Open opens a read-write session with the token of this serial number.
	Open(ctx context.Context, serial string) (Session, error)
	// Close finalises the library. Every session is closed with it.
	Close() error
}

// Session is the one open session with one token.
type Session interface {
	// Token reads the token's state again.
	Token(ctx context.Context) (TokenInfo, error)
	Random(ctx context.Context, n int) (*secret.Buffer, error)

	Login(ctx context.Context, as User, pin *secret.Buffer) error
	Logout(ctx context.Context) error
	// InitPIN sets the user PIN; the SO must be logged in.
	InitPIN(ctx context.Context, pin *secret.Buffer) error
	// SetPIN changes the PIN of whoever is logged in.
	SetPIN(ctx context.Context, old, new *secret.Buffer) error

	// Generate makes a key pair, reads it back and compares. When the read-back
	// differs the pair is returned beside a *Mismatch: it exists, and the caller
	// must account for it.
	Generate(ctx context.Context, spec KeySpec) (KeyPair, error)
	// Find lists the objects that match, each with its attributes as the token
	// tells them. Private objects are invisible before login.
	Find(ctx context.Context, q Query) ([]Object, error)
	// PublicKey gives the SubjectPublicKeyInfo (RFC 5280, DER) of the public key
	// with this CKA_ID.
	PublicKey(ctx context.Context, id []byte) ([]byte, error)
	// Sign signs message with the private key of this CKA_ID: ECDSA over the
	// curve's SHA-2 digest (ASN.1 DER), RSA PKCS #1 v1.5 with SHA-256, Ed25519.
	Sign(ctx context.Context, id, message []byte) ([]byte, error)
	// Destroy removes every object that matches and returns how many are still
	// found afterwards.
	Destroy(ctx context.Context, q Query) (left int, err error)

	// PutData stores a data object and reads it back.
	PutData(ctx context.Context, d Data) error
	// GetData lists data objects by application name.
	GetData(ctx context.Context, application string) ([]Data, error)

	Close() error
}

// Inspector is a Session that compares what a token already holds with what was
// asked for, as Generate does after making it: for the pair that a crash left
// behind. Where no object has spec.ID, Find says so first.
type Inspector interface {
	Inspect(ctx context.Context, spec KeySpec) (KeyPair, error)
}

// User is who logs in (PKCS#11 v2.40, 2.4 CK_USER_TYPE).
type User string

const (
	Operator        User = "user"
	SecurityOfficer User = "so"
)

// Algorithm names a key type and size as scripts spell it.
type Algorithm string

const (
	ECP256  Algorithm = "ec-p256"
	ECP384  Algorithm = "ec-p384"
	ECP521  Algorithm = "ec-p521"
	RSA3072 Algorithm = "rsa-3072"
	RSA4096 Algorithm = "rsa-4096"
	Ed25519 Algorithm = "ed25519"
)

// Purpose is the one thing a key is for (NIST SP 800-57 part 1, 5.2).
type Purpose string

const Sign Purpose = "sign"

// Protection is decided before generation and cannot be raised afterwards:
// PKCS#11 refuses CKA_EXTRACTABLE from false to true.
type Protection string

const (
	// ModuleOnly: CKA_EXTRACTABLE false. The key never leaves the token.
	ModuleOnly Protection = "module-only"
	// WrapBackup: extractable, CKA_WRAP_WITH_TRUSTED true. It leaves only wrapped.
	WrapBackup Protection = "wrap-backup"
)

// KeySpec is a key to be made.
type KeySpec struct {
	ID         []byte // CKA_ID of both halves: first 20 bytes of the intent's leaf hash
	Label      string
	Algorithm  Algorithm
	Purpose    Purpose
	Protection Protection
}

// KeyPair is what the token says it made.
type KeyPair struct {
	Private, Public Object
	SPKI            []byte // SubjectPublicKeyInfo, DER
}

// Object is one object as the token tells it.
type Object struct {
	Class      string // "private-key", "public-key", "secret-key", "data", "certificate", or CKO_ number in hex
	KeyType    string // "ec", "rsa", "ec-edwards", "aes", or "" where it has none
	Label      string
	ID         []byte
	Attributes []Attribute
}

// Attribute is one attribute read back, by its CKA_ name in lower case without
// the prefix ("never-extractable"). Value is "true", "false", a number, hex for
// bytes, or "unavailable" where the token gives none.
type Attribute struct{ Name, Value string }

// Query selects objects; empty fields select all.
type Query struct {
	Class string
	Label string
	ID    []byte
}

// Data is a CKO_DATA object.
type Data struct {
	Application, Label string
	Private            bool
	// WriteOnce asks for MODIFIABLE, COPYABLE and DESTROYABLE false.
	WriteOnce bool
	Value     []byte
}

// PracticeMark is the label of the public data object that marks a token for
// practice.
const PracticeMark = "claviger-practice"

// TokenInfo is CK_TOKEN_INFO and what its slot adds.
type TokenInfo struct {
	Serial, Label, Manufacturer, Model string
	HardwareVersion, FirmwareVersion   string
	SlotDescription                    string
	HardwareSlot                       bool // CKF_HW_SLOT
	Initialised, UserPINSet            bool
	UserPINCountLow, UserPINFinalTry   bool
	UserPINLocked                      bool
	SOPINCountLow, SOPINFinalTry       bool
	SOPINLocked                        bool
	ProtectedPath, Random              bool
	MinPIN, MaxPIN                     int  // in bytes; 0 where the token does not tell
	PracticeMark                       bool // a public data object has the label PracticeMark
}

// ModuleInfo tells which library speaks (CK_INFO) and which files were mapped
// as code when it did.
type ModuleInfo struct {
	Path, SHA256                                 string
	Manufacturer, Description, Version, Cryptoki string
	Mappings                                     []FileHash // every executable mapping of the worker
}

type FileHash struct{ Path, SHA256 string }

// Mechanism is CK_MECHANISM_INFO with the CKM_ name, or its number in hex.
type Mechanism struct {
	Name     string
	Min, Max uint
	Flags    []string
}

// Class is what a caller can do about an error.
type Class string

const (
	Gone         Class = "gone"          // token or library not there any more
	Locked       Class = "locked"        // PIN locked
	WrongPIN     Class = "wrong PIN"     //
	NotAllowed   Class = "not allowed"   // state or attribute forbids it
	NotSupported Class = "not supported" // mechanism, size or function missing
	Full         Class = "full"          // token memory
	Busy         Class = "busy"          // another operation or application
	Broken       Class = "broken"        // anything else: the token must be read again
)

// Error is a refusal by the token or its library.
type Error struct {
	Class Class
	Op    string // what was asked, in words: "generate a key pair"
	Code  string // CKR_DEVICE_REMOVED; "" where the library did not answer
	Why   string // what happened where no code tells: "the module's process ended"
}

func (e *Error) Error() string {
	s := fmt.Sprintf("couldn't %s: %s", e.Op, e.Class)
	if e.Why != "" {
		s += ", " + e.Why
	}
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	return s
}

// Mismatch says that the token made something else than the template asked.
type Mismatch struct {
	Label string
	Wrong []Difference
}

type Difference struct{ Attribute, Want, Got string }

func (m *Mismatch) Error() string {
	s := fmt.Sprintf("the token made %q with other attributes than asked:", m.Label)
	for _, d := range m.Wrong {
		s += fmt.Sprintf(" %s is %s, asked %s;", d.Attribute, d.Got, d.Want)
	}
	return s[:len(s)-1]
}

// Package hsm is what Claviger asks of a PKCS#11 token, and nothing more.
//
// # Vocabulary
//
// A [Module] is one loaded vendor library. It shows tokens; a token is
// addressed by its serial number, never by slot index. A [Session] is the one
// open session with one token. PKCS#11 has a single login per application, so
// two sessions are not dual control: sign-offs and shares are.
//
// Which libraries a machine has, p11-kit's configuration tells ([P11Kit]); a token
// can be named and printed as an RFC 7512 [URI], never with a PIN in it. [Watch]
// keeps a list of tokens as they are put in and taken out; [TokenInfo.States] says
// in words what keeps one from being used. [KeySpec.Needs] and [Need.Met] say
// beforehand whether a token can do what a ceremony asks.
//
// # What it promises
//
// Generate sets every attribute of its template, reads every one of them back
// from the token and compares; what differs is a [Mismatch], never a success.
// A return code alone is never believed. Errors carry a [Class] that callers
// branch on and the raw CKR_* name for the record.
//
// # Keys
//
// A [KeySpec] says what a key is ([Algorithm]), the one thing it is for
// ([Purpose]) and whether it may ever leave ([Protection]); [KeySpec.Check] says
// which of these go together. Pairs and secret keys are made, found, used and
// deleted by the same calls:
//
//	key, err := s.Generate(ctx, KeySpec{ID: id, Label: "l", Algorithm: AES256, Purpose: Encrypt, Protection: ModuleOnly})
//
// A pair is told from others by the SHA-256 of its SubjectPublicKeyInfo, a secret
// key by its [CheckValue], which the token computes. [ProvePossession] has the token
// use a new key for what it is for, and checks the outcome.
//
// # PINs on the device
//
// A token with [TokenInfo].ProtectedPath takes no PIN: InitToken, Login, InitPIN and
// SetPIN are then called with nil, and return when people have entered it at the
// device's own pad, or presented their cards there. A PIN that is given all the same
// is refused and not sent.
//
// # Backup and restore
//
// A session that can is a [Wrapper]. The wrapping key comes as 32 bytes in a
// secret.Buffer, best as an object of the session, which is gone with it whatever
// happens. Only the security officer may call it trusted, and only a trusted key
// wraps; any key unwraps:
//
//	kek := KeySpec{ID: kekID, Label: "kek", Algorithm: AES256, Purpose: Wrap, Protection: ModuleOnly, Session: true, Trusted: true}
//	s.Login(ctx, SecurityOfficer, so); w.ImportWrappingKey(ctx, kek, bytes); s.Logout(ctx)
//	s.Login(ctx, Operator, user);      wrapped, err := w.Wrap(ctx, keyID, kekID)
//
// and on the second token, with the user alone:
//
//	kek.Trusted = false
//	w.ImportWrappingKey(ctx, kek, bytes)
//	restored, err := w.Unwrap(ctx, spec, kekID, wrapped, spki) // compare SPKI or Check, sign
//	gone, err := s.Delete(ctx, spec.ID, spec.Label)            // and prove that it is gone
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
	// SetPIN changes the PIN of whoever is logged in. [ChangePIN] proves it, too.
	SetPIN(ctx context.Context, old, new *secret.Buffer) error

	// Generate makes a key pair or a secret key, reads it back and compares. When
	// the read-back differs the key is returned beside a *Mismatch: it exists, and
	// the caller must account for it.
	Generate(ctx context.Context, spec KeySpec) (Key, error)
	// Find lists the objects that match, each with its attributes as the token
	// tells them. Private objects are invisible before login.
	Find(ctx context.Context, q Query) ([]Object, error)
	// PublicKey gives the SubjectPublicKeyInfo (RFC 5280, DER) of the public key
	// with this CKA_ID.
	PublicKey(ctx context.Context, id []byte) ([]byte, error)
	// Sign signs message with the private key of this CKA_ID: ECDSA over the
	// curve's SHA-2 digest (ASN.1 DER), RSA PKCS #1 v1.5 with SHA-256, Ed25519. With
	// a secret key it makes a MAC: AES-CMAC, HMAC-SHA-256.
	Sign(ctx context.Context, id, message []byte) ([]byte, error)
	// CheckValue has the token compute the check value of the secret key with this
	// CKA_ID, by the best method that the key's one purpose allows. Zeros are
	// refused: they are what a token gives that computed nothing.
	CheckValue(ctx context.Context, id []byte) (CheckValue, error)
	// Delete removes the key with this CKA_ID and label, or the half of it that an
	// interrupted deletion left, and proves it: by search, and by a use that the token
	// refuses. Where one of these fails it is an error,
	// and the Deletion says how far it went.
	Delete(ctx context.Context, id []byte, label string) (Deletion, error)
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
// asked for, as Generate does after making it: for the key that a crash left
// behind. Where no object has spec.ID, Find says so first.
type Inspector interface {
	Inspect(ctx context.Context, spec KeySpec) (Key, error)
}

// User is who logs in (PKCS#11 v2.40, 2.4 CK_USER_TYPE).
type User string

const (
	Operator        User = "user"
	SecurityOfficer User = "so"
)

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
	MinPIN, MaxPIN                     int // in bytes; 0 where the token does not tell
	PublicMemory, PrivateMemory        Memory
	MaxSessions                        int  // at once; 0 where the token does not tell or has no limit
	PracticeMark                       bool // a public data object has the label PracticeMark
}

// Memory is a token's room for objects, in bytes, where it tells.
type Memory struct {
	Told        bool
	Total, Free int
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

package ledger

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/transparency-dev/formats/log"
	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// The signature types of C2SP signed-note that this program makes and checks.
const (
	typeEd25519       = 0x01
	typeECDSA         = 0x02
	typeCosignatureV1 = 0x04
)

// SiteID names a site after the leaf of its record 0, which holds 32 random
// bytes: the leaf's first 16 bytes in lower-case base32 without padding.
func SiteID(leaf Hash) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(leaf[:16]))
}

// Origin is a site's name in checkpoints. A practice site's can never be taken
// for a real one's.
func Origin(siteID string, practice bool) string {
	if practice {
		return "claviger-practice/" + siteID
	}
	return "claviger/" + siteID
}

// Checkpoint is a head as its signers saw it.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   Hash
	// Note is the whole signed note.
	Note string
}

// VerifierKey is the text by which a checker knows a ledger key, in C2SP
// signed-note form: Ed25519 is type 0x01, ECDSA P-256 type 0x02, whose key id is
// the first four bytes of SHA-256 of the SubjectPublicKeyInfo.
func VerifierKey(origin string, spki []byte) (string, error) {
	if !isOrigin(origin) {
		return "", fmt.Errorf("couldn't name a key %q: a key's name has no blanks and no plus sign", origin)
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return "", fmt.Errorf("couldn't read the ledger key: %w", err)
	}
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(again, spki) {
		return "", errors.New("couldn't read the ledger key: its SubjectPublicKeyInfo isn't DER as everyone writes it")
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return note.NewEd25519VerifierKey(origin, key)
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return "", fmt.Errorf("couldn't use a ledger key on %s: only P-256 and Ed25519 sign checkpoints", key.Curve.Params().Name)
		}
		id := sha256.Sum256(spki)
		return keyText(origin, binary.BigEndian.Uint32(id[:]), typeECDSA, spki), nil
	}
	return "", fmt.Errorf("couldn't use a %T as ledger key: only P-256 and Ed25519 sign checkpoints", key)
}

func keyText(name string, id uint32, kind byte, key []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, id, base64.StdEncoding.EncodeToString(append([]byte{kind}, key...)))
}

// isOrigin holds what signed-note asks of a key name; ours are ASCII besides.
func isOrigin(s string) bool {
	return s != "" && len(s) <= MaxName && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' }) < 0
}

// NewVerifier reads the text of a ledger key (as VerifierKey writes it) or of a
// person's ceremony key (as PersonKey writes it), in that one spelling only.
func NewVerifier(vkey string) (note.Verifier, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) < 2 || !isOrigin(name) {
		return nil, fmt.Errorf("couldn't read the verifier key %q: it isn't of the form name+id+key", vkey)
	}
	again := ""
	switch key := raw[1:]; raw[0] {
	case typeEd25519:
		again, err = note.NewEd25519VerifierKey(name, key)
	case typeECDSA:
		again, err = VerifierKey(name, key)
	case typeCosignatureV1:
		again, err = cosignerKey(name, key)
	default:
		err = fmt.Errorf("its type %#02x is none that signs here", raw[0])
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't read the verifier key %q: %w", vkey, err)
	}
	if again != vkey {
		return nil, fmt.Errorf("couldn't read the verifier key %q: its id and key don't belong together", vkey)
	}
	v, err := formats.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the verifier key %q: %w", vkey, err)
	}
	return v, nil
}

// CheckpointText is what a checkpoint's signers sign (C2SP tlog-checkpoint,
// without extension lines).
func CheckpointText(origin string, size int64, root Hash) string {
	return string(log.Checkpoint{Origin: origin, Size: uint64(size), Hash: root[:]}.Marshal())
}

// SignCheckpoint makes the note over a head. sign is the token: it gets the
// note's text and gives an Ed25519 signature, or an ECDSA signature in ASN.1 DER
// over the text's SHA-256. The signature is verified before the note is
// returned, so that a token's mistake never reaches the ledger.
func SignCheckpoint(origin string, head Head, spki []byte, sign func(text []byte) ([]byte, error)) (string, error) {
	vkey, err := VerifierKey(origin, spki)
	if err != nil {
		return "", err
	}
	v, err := NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	text := CheckpointText(origin, head.Size, head.Root)
	signed, err := note.Sign(&note.Note{Text: text}, signer{v, sign})
	if err != nil {
		return "", fmt.Errorf("couldn't sign the checkpoint over %d records: %w", head.Size, err)
	}
	if _, _, err := OpenCheckpoint(string(signed), v); err != nil {
		return "", fmt.Errorf("couldn't use the signature over the checkpoint: %w", err)
	}
	return string(signed), nil
}

// signer lets note.Sign call a key that lives elsewhere.
type signer struct {
	note.Verifier
	sign func(text []byte) ([]byte, error)
}

func (s signer) Sign(text []byte) ([]byte, error) { return s.sign(text) }

// ErrUnknownSigner means that a checkpoint carries no signature by a known
// ledger key of its origin.
var ErrUnknownSigner = errors.New("the checkpoint carries no signature by a known ledger key")

// OpenCheckpoint checks a signed note. At least one of the verifiers must be a
// ledger key, named like the origin, that signed it; the signatures of the other
// verifiers must hold where they are present, and lines by unknown keys are
// kept apart in the note, as C2SP signed-note asks. Every byte counts: a note
// that is spelled differently from how it was signed is refused.
func OpenCheckpoint(noteText string, verifiers ...note.Verifier) (Checkpoint, *note.Note, error) {
	n, err := openNote(noteText, verifiers...)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("couldn't open the checkpoint: %w", err)
	}
	cp, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("couldn't open the checkpoint: %w", err)
	}
	cp.Note = noteText
	for _, sig := range n.Sigs {
		if sig.Name == cp.Origin {
			return cp, n, nil
		}
	}
	return Checkpoint{}, n, ErrUnknownSigner
}

// ReadCheckpoint gives what a note says, whoever signed it.
func ReadCheckpoint(noteText string) (Checkpoint, error) {
	n, err := openNote(noteText)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("couldn't read the checkpoint: %w", err)
	}
	cp, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("couldn't read the checkpoint: %w", err)
	}
	cp.Note = noteText
	return cp, nil
}

func parseCheckpoint(text string) (Checkpoint, error) {
	var c log.Checkpoint
	rest, err := c.Unmarshal([]byte(text))
	if err != nil {
		return Checkpoint{}, err
	}
	if len(rest) > 0 || len(c.Hash) != len(Hash{}) || c.Size > MaxSafeInteger || !isOrigin(c.Origin) {
		return Checkpoint{}, errors.New("it isn't three lines: origin, size and root")
	}
	cp := Checkpoint{Origin: c.Origin, Size: int64(c.Size), Root: Hash(c.Hash)}
	if CheckpointText(cp.Origin, cp.Size, cp.Root) != text {
		return Checkpoint{}, errors.New("its size or root isn't written the one canonical way")
	}
	return cp, nil
}

// openNote opens a note and refuses signatures whose base64 has a second
// spelling; a note signed by none of the verifiers is not an error here.
func openNote(text string, verifiers ...note.Verifier) (*note.Note, error) {
	if len(text) > MaxNote {
		return nil, fmt.Errorf("a note of %d bytes: at most %d are allowed", len(text), MaxNote)
	}
	n, err := note.Open([]byte(text), note.VerifierList(verifiers...))
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return nil, err
	}
	for _, sigs := range [][]note.Signature{n.Sigs, n.UnverifiedSigs} {
		for _, sig := range sigs {
			if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
				return nil, fmt.Errorf("the signature line of %s isn't written the one canonical way", sig.Name)
			}
		}
	}
	return n, nil
}

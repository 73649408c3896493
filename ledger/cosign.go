package ledger

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// PersonName is the name under which a person cosigns a site's checkpoints.
func PersonName(origin, person string) string { return origin + "/person/" + person }

// PersonKey is the verifier text (C2SP cosignature/v1, type 0x04) of a
// person's ceremony key.
func PersonKey(origin, person string, key ed25519.PublicKey) (string, error) {
	if !isName(person) {
		return "", fmt.Errorf("couldn't name a cosigner %q: a person's id is of the form [a-z][a-z0-9-]*", person)
	}
	return cosignerKey(PersonName(origin, person), key)
}

func cosignerKey(name string, key []byte) (string, error) {
	if !isOrigin(name) {
		return "", fmt.Errorf("couldn't name a cosigner %q: a key's name has no blanks and no plus sign", name)
	}
	vkey, err := note.NewEd25519VerifierKey(name, key)
	if err != nil {
		return "", err
	}
	return formats.VKeyToCosignatureV1(vkey)
}

// Cosign adds a person's cosignature/v1 to a checkpoint: "I was present at this
// root at this time", no more. sign is the ceremony key; what it made is
// verified before the note is returned.
func Cosign(noteText, person string, key ed25519.PublicKey, at time.Time, sign func(message []byte) ([]byte, error)) (string, error) {
	n, err := openNote(noteText)
	if err != nil {
		return "", fmt.Errorf("couldn't cosign the checkpoint: %w", err)
	}
	cp, err := parseCheckpoint(n.Text)
	if err != nil {
		return "", fmt.Errorf("couldn't cosign the checkpoint: %w", err)
	}
	vkey, err := PersonKey(cp.Origin, person, key)
	if err != nil {
		return "", err
	}
	v, err := NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(n, signer{v, func(text []byte) ([]byte, error) { return cosignature(text, at, sign) }})
	if err != nil {
		return "", fmt.Errorf("couldn't cosign the checkpoint as %s: %w", person, err)
	}
	if again, err := openNote(string(signed), v); err != nil || len(again.Sigs) != 1 {
		return "", fmt.Errorf("couldn't use the cosignature of %s: it doesn't verify", person)
	}
	return string(signed), nil
}

// cosignature is the signed bytes and the signature of C2SP tlog-cosignature:
// the time goes in front of both.
func cosignature(text []byte, at time.Time, sign func([]byte) ([]byte, error)) ([]byte, error) {
	sig, err := sign(fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at.Unix(), text))
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(at.Unix())), sig...), nil
}

// Cosignature is one person's verified line under a checkpoint.
type Cosignature struct {
	Person string
	Time   time.Time
}

// Cosignatures lists the people among a note's verified signatures, as
// OpenCheckpoint returned it.
func Cosignatures(origin string, n *note.Note) ([]Cosignature, error) {
	var out []Cosignature
	for _, sig := range n.Sigs {
		person, ok := strings.CutPrefix(sig.Name, PersonName(origin, ""))
		if !ok {
			continue
		}
		at, err := formats.CoSigV1Timestamp(sig)
		if err != nil {
			return nil, fmt.Errorf("couldn't read the time of %s's cosignature: %w", person, err)
		}
		out = append(out, Cosignature{person, at.UTC()})
	}
	return out, nil
}

// OnPaper is a checkpoint with the ledger key's signatures only: short enough
// for a QR code and for a card that someone carries out.
func OnPaper(noteText string) (string, error) {
	n, err := openNote(noteText)
	if err != nil {
		return "", fmt.Errorf("couldn't shorten the checkpoint: %w", err)
	}
	cp, err := parseCheckpoint(n.Text)
	if err != nil {
		return "", fmt.Errorf("couldn't shorten the checkpoint: %w", err)
	}
	n.UnverifiedSigs = slices.DeleteFunc(n.UnverifiedSigs, func(s note.Signature) bool { return s.Name != cp.Origin })
	short, err := note.Sign(n)
	if err != nil {
		return "", fmt.Errorf("couldn't shorten the checkpoint: %w", err)
	}
	return string(short), nil
}

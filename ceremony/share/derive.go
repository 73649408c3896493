package share

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"

	"claviger/hsm/secret"
)

// The uses of HKDF (RFC 5869), all with SHA-256 and no salt.
const (
	secretInfo = "claviger s v1"
	pinInfo    = "claviger pin v1\n"
	keyInfo    = "claviger kek v1"
)

const (
	maxPIN = 48 // what 30 bytes give, 240 bits
	// minPIN holds 80 bits. A token that takes less would make the cards safer
	// than what they open.
	minPIN = 16
)

// NewSecret makes S of 32 random bytes of the token and 32 of the system: it is
// as good as the better of the two.
func NewSecret(token, system *secret.Buffer) (*secret.Buffer, error) {
	for _, source := range []struct {
		name  string
		bytes []byte
	}{{"token", token.Bytes()}, {"system", system.Bytes()}} {
		if len(source.bytes) != SecretLen {
			return nil, fmt.Errorf("couldn't make a secret: the %s gave %d random bytes instead of %d", source.name, len(source.bytes), SecretLen)
		}
		if bytes.Count(source.bytes, source.bytes[:1]) == SecretLen {
			return nil, fmt.Errorf("couldn't make a secret: the %s gave the same random byte %d times", source.name, SecretLen)
		}
	}
	both := secret.New(2 * SecretLen)
	defer both.Wipe()
	if err := both.Append(token.Bytes()...); err != nil {
		return nil, fmt.Errorf("couldn't make a secret: %w", err)
	}
	if err := both.Append(system.Bytes()...); err != nil {
		return nil, fmt.Errorf("couldn't make a secret: %w", err)
	}
	return derive(both, secretInfo, SecretLen)
}

// UserPIN gives the user PIN of the token with this serial number, whose longest
// PIN is max (ulMaxPinLen).
func UserPIN(S *secret.Buffer, serial string, max int) (*secret.Buffer, error) {
	return pin(S, serial, "user", max)
}

// SOPIN gives the PIN of the token's security officer.
func SOPIN(S *secret.Buffer, serial string, max int) (*secret.Buffer, error) {
	return pin(S, serial, "so", max)
}

// WrappingKey gives the AES-256 key that wraps backups.
func WrappingKey(S *secret.Buffer) (*secret.Buffer, error) { return derive(S, keyInfo, 32) }

func pin(S *secret.Buffer, serial, who string, max int) (*secret.Buffer, error) {
	serial = strings.TrimRight(serial, " ")
	if max < minPIN {
		return nil, fmt.Errorf("couldn't make a PIN for the token %s: it takes at most %d characters, needed are %d", serial, max, minPIN)
	}
	b, err := derive(S, pinInfo+serial+"\n"+who, maxPIN*5/8)
	if err != nil {
		return nil, err
	}
	defer b.Wipe()
	letters := spell(b.Bytes())
	defer clear(letters)
	return secret.From(letters[:min(max, maxPIN)]), nil
}

func derive(from *secret.Buffer, info string, n int) (*secret.Buffer, error) {
	if from.Len() < SecretLen {
		return nil, fmt.Errorf("couldn't derive from a secret of %d bytes: it must have %d", from.Len(), SecretLen)
	}
	var used digests
	defer used.forget()
	prk, err := hkdf.Extract(used.sha256, from.Bytes(), nil)
	if err != nil {
		return nil, fmt.Errorf("couldn't derive %d bytes: %w", n, err)
	}
	defer clear(prk)
	// The library leaves its last block on the heap. A block more than is needed is
	// asked for, so that what stays there is used by nobody; HKDF's output begins the
	// same at any length (RFC 5869, 2.3).
	b, err := hkdf.Expand(used.sha256, prk, info, n+sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("couldn't derive %d bytes: %w", n, err)
	}
	defer clear(b)
	return secret.From(b[:n]), nil
}

// digests are the hashes that a secret went through. Each keeps the last bytes it
// was given until the next block is full.
type digests []hash.Hash

func (u *digests) sha256() hash.Hash {
	d := sha256.New()
	*u = append(*u, d)
	return d
}

// forget writes over what the digests keep: a block less a byte stays in each.
func (u *digests) forget() {
	var zeros [sha256.BlockSize - 1]byte
	for _, d := range *u {
		d.Reset()
		d.Write(zeros[:])
	}
}

package signoff

import (
	"crypto/ed25519"
	"crypto/subtle"
	"errors"
	"fmt"

	"golang.org/x/crypto/scrypt"

	"claviger/hsm/secret"
)

// MinPIN is the shortest session PIN.
const MinPIN = 4

var (
	ErrPIN      = errors.New("this is not your session PIN: type it again")
	errShortPIN = fmt.Errorf("a session PIN has %d characters or more: choose a longer one", MinPIN)
)

// Locked is a ceremony key behind a session PIN.
type Locked struct {
	key  *Key
	work int
	salt *secret.Buffer
	hash *secret.Buffer
}

// Lock puts key behind pin, hashed with this work factor, and owns key from then
// on; on an error it stays with the caller.
func Lock(key *Key, pin *secret.Buffer, work int) (*Locked, error) {
	if pin.Len() < MinPIN {
		return nil, errShortPIN
	}
	salt, err := secret.Random(16)
	if err != nil {
		return nil, fmt.Errorf("couldn't lock the key: %w", err)
	}
	hash, err := hashPIN(pin, salt, work)
	if err != nil {
		salt.Wipe()
		return nil, fmt.Errorf("couldn't lock the key: %w", err)
	}
	return &Locked{key: key, work: work, salt: salt, hash: hash}, nil
}

// Sign signs with the key behind the PIN, or says ErrPIN.
func (l *Locked) Sign(pin *secret.Buffer, message []byte) ([]byte, error) {
	hash, err := hashPIN(pin, l.salt, l.work)
	if err != nil {
		return nil, fmt.Errorf("couldn't check the session PIN: %w", err)
	}
	defer hash.Wipe()
	if subtle.ConstantTimeCompare(hash.Bytes(), l.hash.Bytes()) != 1 {
		return nil, ErrPIN
	}
	return l.key.Sign(message), nil
}

// Release gives the key free of the PIN for the one signature that the same
// entry of the PIN has consented to. Locked stays the key's owner.
func (l *Locked) Release(pin *secret.Buffer) (*Key, error) {
	if _, err := l.Sign(pin, nil); err != nil {
		return nil, err
	}
	return l.key, nil
}

func (l *Locked) Public() ed25519.PublicKey { return l.key.Public() }

// Wipe forgets key and PIN.
func (l *Locked) Wipe() {
	l.key.Wipe()
	l.salt.Wipe()
	l.hash.Wipe()
}

// hashPIN guards no more than a PIN that its owner uses elsewhere: whoever can
// read the hash can read the key beside it.
func hashPIN(pin, salt *secret.Buffer, work int) (*secret.Buffer, error) {
	b, err := scrypt.Key(pin.Bytes(), salt.Bytes(), 1<<work, 8, 1, 32)
	if err != nil {
		return nil, err
	}
	return secret.From(b), nil
}

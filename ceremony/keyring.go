package ceremony

import (
	"errors"
	"fmt"

	"claviger/ceremony/signoff"
	"claviger/hsm/secret"
)

// Keyring holds the ceremony keys of the run under way, in locked memory, and
// opens enrolled keys for the moment of one signature. One goroutine owns it.
type Keyring struct {
	folder *Folder
	// practice says whether the PINs guard nothing.
	practice func() bool
	// work is the work factor of scrypt for enrolled keys, 0 for that of the site.
	work  int
	gated map[string]*signoff.Locked // behind a session PIN
	free  map[string]*signoff.Key
	// released: whose attestation has also consented to cosign the seal. The keys
	// belong to gated and free.
	released map[string]*signoff.Key
}

// ErrSecret: the passphrase or session PIN is not the right one.
var ErrSecret = errors.New("that is not the right one")

func newKeyring(f *Folder, practice func() bool, work int) *Keyring {
	return &Keyring{folder: f, practice: practice, work: work, gated: map[string]*signoff.Locked{}, free: map[string]*signoff.Key{}, released: map[string]*signoff.Key{}}
}

// Work is the work factor with which a person's key is sealed: low in practice, where
// nothing is at stake and a dozen keys are opened by a test.
func (k *Keyring) Work() int {
	switch {
	case k.work != 0:
		return k.work
	case k.practice():
		return signoff.PracticeWork
	}
	return signoff.RealWork
}

// Open unseals a person's enrolled key. The caller wipes it.
func (k *Keyring) Open(h *Person, passphrase *secret.Buffer) (*signoff.Key, error) {
	sealed, err := k.folder.LoadSealed(h.Body.Person, h.Body.Sealed)
	if err != nil {
		return nil, err
	}
	key, err := signoff.Open(sealed, passphrase)
	if errors.Is(err, signoff.ErrPassphrase) {
		return nil, ErrSecret
	}
	return key, err
}

// Hold keeps a ceremony key; with a PIN it signs only behind that PIN.
func (k *Keyring) Hold(person string, key *signoff.Key, pin *secret.Buffer) error {
	if pin == nil {
		k.free[person] = key
		return nil
	}
	work := signoff.PINWork
	if k.practice() {
		work = signoff.PracticeWork
	}
	locked, err := signoff.Lock(key, pin, work)
	if err != nil {
		return fmt.Errorf("couldn't lock the ceremony key of %s: %w", person, err)
	}
	k.gated[person] = locked
	return nil
}

// signGated signs with a ceremony key behind its session PIN.
func (k *Keyring) signGated(person string, pin *secret.Buffer, message []byte) ([]byte, error) {
	locked, ok := k.gated[person]
	if !ok {
		return nil, fmt.Errorf("%s has no ceremony key in this run", person)
	}
	sig, err := locked.Sign(pin, message)
	if errors.Is(err, signoff.ErrPIN) {
		return nil, ErrSecret
	}
	return sig, err
}

// release lets the person's ceremony key cosign the seal: the secret that has
// just signed the attestation consents to it.
func (k *Keyring) release(person string, pin *secret.Buffer) error {
	if locked, ok := k.gated[person]; ok {
		key, err := locked.Release(pin)
		if err != nil {
			return err
		}
		k.released[person] = key
	} else if key, ok := k.free[person]; ok {
		k.released[person] = key
	}
	return nil
}

// forget wipes the ceremony key of a person who left.
func (k *Keyring) forget(person string) {
	delete(k.released, person)
	if l := k.gated[person]; l != nil {
		l.Wipe()
		delete(k.gated, person)
	}
	if key := k.free[person]; key != nil {
		key.Wipe()
		delete(k.free, person)
	}
}

// Wipe forgets every ceremony key; nothing can sign for this run afterwards.
func (k *Keyring) Wipe() {
	clear(k.released)
	for id, l := range k.gated {
		l.Wipe()
		delete(k.gated, id)
	}
	for id, key := range k.free {
		key.Wipe()
		delete(k.free, id)
	}
}

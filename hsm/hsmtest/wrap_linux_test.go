package hsmtest_test

import (
	"bytes"
	"errors"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
)

// importKEK stores a random wrapping key, as the security officer.
func importKEK(t *testing.T, k *hsmtest.Token, id string, key *secret.Buffer) hsm.CheckValue {
	t.Helper()
	s, err := k.Module.Open(t.Context(), k.Serial)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), hsm.SecurityOfficer, k.SO); err != nil {
		t.Fatal(err)
	}
	o, check, err := s.(hsm.Wrapper).ImportWrappingKey(t.Context(), hsmtest.ID(id), id, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"trusted": "true", "sensitive": "true", "extractable": "false", "wrap": "true", "unwrap": "true", "encrypt": "false", "decrypt": "false"} {
		if got := hsmtest.Value(o, name); got != want {
			t.Errorf("the wrapping key's %s is %q, want %q", name, got, want)
		}
	}
	if err := errors.Join(s.Logout(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	return check
}

func randomKey(t *testing.T) *secret.Buffer {
	t.Helper()
	key, err := secret.Random(32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(key.Wipe)
	return key
}

// A backup made in one token is the same key in another, once its wrapping key
// is there; under any other it is nothing.
func TestBackupAndRestore(t *testing.T) {
	from, to := hsmtest.SoftHSM(t, start), hsmtest.SoftHSM(t, start)
	kek := randomKey(t)
	if a, b := importKEK(t, from, "kek", kek), importKEK(t, to, "kek", kek); a != b || a.Value == "" {
		t.Errorf("one key has the check values %v and %v", a, b)
	}
	if importKEK(t, to, "another", randomKey(t)).Value == "" {
		t.Error("no check value")
	}
	s, r := from.Session(t), to.Session(t)
	for _, a := range hsmtest.Algorithms {
		if a.Name == hsm.RSA4096 && !hsmtest.Proof() {
			continue
		}
		spec := hsmtest.Spec(string(a.Name), a.Name)
		spec.Protection = hsm.WrapBackup
		pair, err := s.Generate(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := s.(hsm.Wrapper).Wrap(t.Context(), spec.ID, hsmtest.ID("kek"))
		if a.Name == hsm.Ed25519 && err != nil {
			hsmtest.Class(t, err, hsm.NotAllowed) // SoftHSM 2.6 does not wrap them, and says so
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			continue
		}
		if _, err := r.(hsm.Wrapper).Unwrap(t.Context(), spec, hsmtest.ID("another"), wrapped, pair.SPKI); err == nil {
			t.Errorf("%s: unwrapped under another key", a.Name)
		}
		restored, err := r.(hsm.Wrapper).Unwrap(t.Context(), spec, hsmtest.ID("kek"), wrapped, pair.SPKI)
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			continue
		}
		if !bytes.Equal(restored.SPKI, pair.SPKI) || hsmtest.Value(restored.Private, "local") != "false" || hsmtest.Value(restored.Private, "extractable") != "true" {
			t.Errorf("%s: restored is %+v", a.Name, restored)
		}
		signature, err := r.Sign(t.Context(), spec.ID, []byte("restored"))
		if err != nil || hsmtest.Verify(pair.SPKI, []byte("restored"), signature) != nil {
			t.Errorf("%s: the restored key does not sign: %v", a.Name, err)
		}
		flipped := hsm.Wrapped{Mechanism: wrapped.Mechanism, Blob: bytes.Clone(wrapped.Blob)}
		flipped.Blob[len(flipped.Blob)/2] ^= 1
		other := hsmtest.Spec("damaged "+string(a.Name), a.Name)
		if _, err := r.(hsm.Wrapper).Unwrap(t.Context(), other, hsmtest.ID("kek"), flipped, pair.SPKI); err == nil {
			t.Errorf("%s: a damaged backup was restored", a.Name)
		}
		if found, err := r.Find(t.Context(), hsm.Query{ID: other.ID}); err != nil || len(found) != 0 {
			t.Errorf("%s: a damaged backup left %v, %v", a.Name, found, err)
		}
	}
}

func TestWrapRefuses(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	importKEK(t, k, "kek", randomKey(t))
	s := k.Session(t)
	w := s.(hsm.Wrapper)
	stays := hsmtest.Spec("stays", hsm.ECP256)
	pair, err := s.Generate(t.Context(), stays)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Wrap(t.Context(), stays.ID, hsmtest.ID("kek"))
	hsmtest.Class(t, err, hsm.NotAllowed)
	_, err = w.Wrap(t.Context(), stays.ID, hsmtest.ID("no such"))
	hsmtest.Class(t, err, hsm.NotAllowed)
	_, err = w.Wrap(t.Context(), hsmtest.ID("no such"), hsmtest.ID("kek"))
	hsmtest.Class(t, err, hsm.NotAllowed)
	_, err = w.Unwrap(t.Context(), stays, hsmtest.ID("kek"), hsm.Wrapped{Mechanism: "CKM_AES_KEY_WRAP_PAD", Blob: make([]byte, 80)}, pair.SPKI)
	hsmtest.Class(t, err, hsm.NotAllowed) // the id is taken
	_, err = w.Unwrap(t.Context(), hsmtest.Spec("new", hsm.ECP384), hsmtest.ID("kek"), hsm.Wrapped{Mechanism: "CKM_AES_KEY_WRAP_PAD", Blob: make([]byte, 80)}, pair.SPKI)
	hsmtest.Class(t, err, hsm.NotAllowed) // a public key of another curve
	_, _, err = w.ImportWrappingKey(t.Context(), hsmtest.ID("by user"), "by user", randomKey(t))
	if err == nil {
		t.Error("the user made a trusted key")
	}
	_, _, err = w.ImportWrappingKey(t.Context(), hsmtest.ID("short"), "short", hsmtest.Secret(t, "sixteen bytes!!!"))
	hsmtest.Class(t, err, hsm.NotSupported)
}

// A token that keeps another key than it was given, or none, is found out.
func TestWrappingKeyKeptOtherwise(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s, err := k.Module.Open(t.Context(), k.Serial)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), hsm.SecurityOfficer, k.SO); err != nil {
		t.Fatal(err)
	}
	for name, lie := range map[string]struct {
		attribute uint
		value     []byte
	}{
		"check-value": {0x090, []byte{0, 0, 0}}, "trusted": {0x086, []byte{0}}, "sensitive": {0x103, []byte{0}},
		"extractable": {0x162, []byte{1}}, "encrypt": {0x104, []byte{1}}, "decrypt": {0x105, []byte{1}},
	} {
		control.Attribute(4, lie.attribute, lie.value)
		_, _, err := s.(hsm.Wrapper).ImportWrappingKey(t.Context(), hsmtest.ID(name), name, randomKey(t))
		var m *hsm.Mismatch
		if !errors.As(err, &m) || len(m.Wrong) != 1 || m.Wrong[0].Attribute != name {
			t.Errorf("%s: %v", name, err)
		}
		control.Reset()
	}
}

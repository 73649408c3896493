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
	made, err := s.(hsm.Wrapper).ImportWrappingKey(t.Context(), hsmtest.WrappingKey(id, false, true), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"trusted": "true", "sensitive": "true", "extractable": "false", "wrap": "true", "unwrap": "true", "encrypt": "false", "decrypt": "false"} {
		if got := hsmtest.Value(made.Private, name); got != want {
			t.Errorf("the wrapping key's %s is %q, want %q", name, got, want)
		}
	}
	if err := errors.Join(s.Logout(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	return made.Check
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
	for _, spec := range hsmtest.AllKinds() {
		if spec.Purpose != hsm.Sign || spec.Algorithm.Secret() {
			continue
		}
		spec.Protection = hsm.WrapBackup
		pair, err := s.Generate(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := s.(hsm.Wrapper).Wrap(t.Context(), spec.ID, hsmtest.ID("kek"))
		if spec.Algorithm == hsm.Ed25519 && err != nil {
			hsmtest.Class(t, err, hsm.NotAllowed) // SoftHSM 2.6 does not wrap them, and says so
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", spec.Algorithm, err)
			continue
		}
		if _, err := r.(hsm.Wrapper).Unwrap(t.Context(), spec, hsmtest.ID("another"), wrapped, pair.SPKI); err == nil {
			t.Errorf("%s: unwrapped under another key", spec.Algorithm)
		}
		restored, err := r.(hsm.Wrapper).Unwrap(t.Context(), spec, hsmtest.ID("kek"), wrapped, pair.SPKI)
		if err != nil {
			t.Errorf("%s: %v", spec.Algorithm, err)
			continue
		}
		if !bytes.Equal(restored.SPKI, pair.SPKI) || hsmtest.Value(restored.Private, "local") != "false" || hsmtest.Value(restored.Private, "extractable") != "true" {
			t.Errorf("%s: restored is %+v", spec.Algorithm, restored)
		}
		signature, err := r.Sign(t.Context(), spec.ID, []byte("restored"))
		if err != nil || hsmtest.Verify(pair.SPKI, []byte("restored"), signature) != nil {
			t.Errorf("%s: the restored key does not sign: %v", spec.Algorithm, err)
		}
		flipped := hsm.Wrapped{Mechanism: wrapped.Mechanism, Blob: bytes.Clone(wrapped.Blob)}
		flipped.Blob[len(flipped.Blob)/2] ^= 1
		other := hsmtest.Spec("damaged "+string(spec.Algorithm), spec.Algorithm)
		if _, err := r.(hsm.Wrapper).Unwrap(t.Context(), other, hsmtest.ID("kek"), flipped, pair.SPKI); err == nil {
			t.Errorf("%s: a damaged backup was restored", spec.Algorithm)
		}
		if found, err := r.Find(t.Context(), hsm.Query{ID: other.ID}); err != nil || len(found) != 0 {
			t.Errorf("%s: a damaged backup left %v, %v", spec.Algorithm, found, err)
		}
	}
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
		_, err := s.(hsm.Wrapper).ImportWrappingKey(t.Context(), hsmtest.WrappingKey(name, false, true), randomKey(t))
		var m *hsm.Mismatch
		if !errors.As(err, &m) || len(m.Wrong) != 1 || m.Wrong[0].Attribute != name {
			t.Errorf("%s: %v", name, err)
		}
		control.Reset()
	}
}

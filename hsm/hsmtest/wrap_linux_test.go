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

// A token that takes no key in the clear takes it under a pair that it made for
// that, and keeps nothing else.
func TestWrappingKeyUnderAPair(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	key := randomKey(t)
	want := importKEK(t, k, "in the clear", key)
	codes := []uint{0x54} // FUNCTION_NOT_SUPPORTED
	if hsmtest.Proof() {
		codes = append(codes, 0x13, 0x1B) // ATTRIBUTE_VALUE_INVALID, ACTION_PROHIBITED
	}
	for _, code := range codes {
		control.Return("C_CreateObject", 0, hsmtest.Before, code)
		s, err := k.Module.Open(t.Context(), k.Serial)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Login(t.Context(), hsm.SecurityOfficer, k.SO); err != nil {
			t.Fatal(err)
		}
		for _, session := range []bool{true, false} {
			spec := hsmtest.WrappingKey("wrapped", session, true)
			made, err := s.(hsm.Wrapper).ImportWrappingKey(t.Context(), spec, key)
			if err != nil || made.Check != want || hsmtest.Value(made.Private, "trusted") != "true" {
				t.Errorf("0x%x: %+v, %v", code, made, err)
			}
			found, err := s.Find(t.Context(), hsm.Query{})
			if err != nil || len(found) != 2 {
				t.Errorf("0x%x: beside the one in the clear there are %v, %v", code, found, err)
			}
			if left, err := s.Destroy(t.Context(), hsm.Query{ID: spec.ID}); left != 0 || err != nil {
				t.Errorf("%d left, %v", left, err)
			}
		}
		control.Return("C_UnwrapKey", 0, hsmtest.Before, 0x54)
		_, err = s.(hsm.Wrapper).ImportWrappingKey(t.Context(), hsmtest.WrappingKey("wrapped", true, true), key)
		if err == nil {
			t.Error("imported in no way at all")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		control.Reset()
	}
}

// A token that has only RFC 3394 makes backups with that and says so; one that
// knows RFC 5649 by its other number takes them.
func TestOtherKeyWraps(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	importKEK(t, k, "kek", randomKey(t))
	s := k.Session(t)
	w := s.(hsm.Wrapper)
	spec := hsmtest.Spec("leaves", hsm.ECP256)
	spec.Protection = hsm.WrapBackup
	pair, err := s.Generate(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		hidden    []uint
		mechanism string
	}{{nil, "CKM_AES_KEY_WRAP_PAD"}, {[]uint{0x210A, 0x210B}, "CKM_AES_KEY_WRAP"}} {
		for _, n := range c.hidden {
			control.HideMechanism(n)
		}
		wrapped, err := w.Wrap(t.Context(), spec.ID, hsmtest.ID("kek"))
		if err != nil || wrapped.Mechanism != c.mechanism {
			t.Fatalf("%s: %q, %v", c.mechanism, wrapped.Mechanism, err)
		}
		if c.hidden == nil {
			wrapped.Mechanism = "CKM_AES_KEY_WRAP_KWP"
		}
		back := spec
		back.ID = hsmtest.ID("back")
		if _, err := w.Unwrap(t.Context(), back, hsmtest.ID("kek"), wrapped, pair.SPKI); err != nil {
			t.Errorf("%s: %v", c.mechanism, err)
			continue
		}
		signature, err := s.Sign(t.Context(), back.ID, []byte("m"))
		if err != nil || hsmtest.Verify(pair.SPKI, []byte("m"), signature) != nil {
			t.Errorf("%s: the restored key does not sign: %v", c.mechanism, err)
		}
		if _, err := s.Delete(t.Context(), back.ID, back.Label); err != nil {
			t.Error(err)
		}
		control.Reset()
	}
	for _, n := range []uint{0x2109, 0x210A, 0x210B} {
		control.HideMechanism(n)
	}
	_, err = w.Wrap(t.Context(), spec.ID, hsmtest.ID("kek"))
	hsmtest.Class(t, err, hsm.NotSupported)
}

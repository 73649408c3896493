package hsmtest

import (
	"bytes"
	"errors"
	"testing"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// WrappingKey is a wrapping key with this name.
func WrappingKey(name string, session, trusted bool) hsm.KeySpec {
	return hsm.KeySpec{ID: ID(name), Label: name, Algorithm: hsm.AES256, Purpose: hsm.Wrap, Protection: hsm.ModuleOnly, Session: session, Trusted: trusted}
}

func randomKey(t testing.TB) *secret.Buffer {
	t.Helper()
	key, err := secret.Random(32)
	must(t, err)
	t.Cleanup(key.Wipe)
	return key
}

// as lets the other user do something in the same session, and comes back.
func (k *Token) as(t testing.TB, s hsm.Session, who hsm.User, do func()) {
	t.Helper()
	pins := map[hsm.User]*secret.Buffer{hsm.Operator: k.User, hsm.SecurityOfficer: k.SO}
	must(t, s.Logout(t.Context()))
	must(t, s.Login(t.Context(), who, pins[who]))
	do()
	must(t, s.Logout(t.Context()))
	must(t, s.Login(t.Context(), hsm.Operator, k.User))
}

// wraps says whether a token can make backups at all, by what it lists and by
// whether it knows who may call a key trusted.
func wraps(t *testing.T, k *Token) bool {
	t.Helper()
	return k.serves(t, hsm.WrapNeeds()) && hasOfficer(t, k)
}

// a key does what it is for, and the token refuses everything else.
func testOnePurpose(t *testing.T, k *Token) {
	s := k.Session(t)
	for _, spec := range AllKinds() {
		if spec.Purpose == hsm.Sign || !k.Can(t, spec) {
			continue
		}
		generate(t, s, spec)
		_, err := s.Sign(t.Context(), spec.ID, []byte("x"))
		var e *hsm.Error
		if !errors.As(err, &e) || e.Class != hsm.NotAllowed && e.Class != hsm.NotSupported {
			t.Errorf("%s: it signs, %v", spec.Label, err)
		}
	}
}

func testDelete(t *testing.T, k *Token) {
	s := k.Session(t)
	stays := Spec("stays", hsm.ECP256)
	stays.Label = "one label"
	generate(t, s, stays)
	for _, spec := range AllKinds() {
		if spec.Algorithm == hsm.RSA3072 || !k.Can(t, spec) {
			continue
		}
		spec.Label = "one label"
		made := generate(t, s, spec)
		_, err := s.Delete(t.Context(), spec.ID, "another label")
		Class(t, err, hsm.NotAllowed)
		d, err := s.Delete(t.Context(), spec.ID, spec.Label)
		must(t, err)
		want := len(objects(made))
		if d.Removed != want || len(d.Before) != want+2 || len(d.After) != 2 || d.ByID != 0 || d.ByLabel != 2 || d.Use == "" || d.Refused == "" {
			t.Errorf("%s %s: %+v", spec.Algorithm, spec.Purpose, d)
		}
		_, err = s.Sign(t.Context(), spec.ID, []byte("x"))
		Class(t, err, hsm.NotAllowed)
		_, err = s.Delete(t.Context(), spec.ID, spec.Label)
		Class(t, err, hsm.NotAllowed)
	}
	if _, err := s.Sign(t.Context(), stays.ID, []byte("x")); err != nil {
		t.Error(err)
	}
	_, err := s.Delete(t.Context(), nil, "one label")
	Class(t, err, hsm.NotAllowed)
	// What an interrupted deletion left of a pair goes the same way.
	for _, gone := range []string{"private-key", "public-key"} {
		half := Spec("half without its "+gone, hsm.ECP256)
		generate(t, s, half)
		if left, err := s.Destroy(t.Context(), hsm.Query{Class: gone, ID: half.ID}); err != nil || left != 0 {
			t.Fatal(left, err)
		}
		d, err := s.Delete(t.Context(), half.ID, half.Label)
		if err != nil || d.Removed != 1 || d.ByID != 0 || d.ByLabel != 0 || d.Use == "" || d.Refused == "" {
			t.Errorf("%s: %+v, %v", half.Label, d, err)
		}
	}
}

// A wrapping key that the token made is trusted when the security officer says so:
// as it is made or, where the token allows that, later.
func testTrusted(t *testing.T, k *Token) {
	if !wraps(t, k) {
		return
	}
	s := k.Session(t)
	w, ok := s.(hsm.Wrapper)
	if !ok {
		t.Fatal("it lists key wrap and is no Wrapper")
	}
	now, later := WrappingKey("trusted as it was made", false, true), WrappingKey("trusted later", false, false)
	if _, err := s.Generate(t.Context(), now); err == nil {
		t.Error("the user made a trusted key")
	}
	generate(t, s, later)
	target := Spec("target", hsm.ECP256)
	target.Protection = hsm.WrapBackup
	generate(t, s, target)
	for _, id := range [][]byte{now.ID, later.ID} {
		_, err := w.Wrap(t.Context(), target.ID, id)
		Class(t, err, hsm.NotAllowed)
	}
	if _, err := w.SetTrusted(t.Context(), later.ID); err == nil {
		t.Error("the user called a key trusted")
	}
	if _, err := w.SetTrusted(t.Context(), target.ID); err == nil {
		t.Error("a signing key is trusted")
	}
	trusted := [][]byte{now.ID}
	k.as(t, s, hsm.SecurityOfficer, func() {
		made, err := s.Generate(t.Context(), now)
		if err != nil || Value(made.Private, "trusted") != "true" || Value(made.Private, "modifiable") != "false" {
			t.Errorf("%+v, %v", made, err)
		}
		_, err = w.SetTrusted(t.Context(), ID("nothing"))
		Class(t, err, hsm.NotAllowed)
		o, err := w.SetTrusted(t.Context(), later.ID)
		if err != nil {
			Class(t, err, hsm.NotAllowed) // SoftHSM fixes it when a key is made
			return
		}
		trusted = append(trusted, later.ID)
		if Value(o, "trusted") != "true" {
			t.Errorf("it said that it is trusted, and shows %v", o)
		}
	})
	for _, id := range trusted {
		wrapped, err := w.Wrap(t.Context(), target.ID, id)
		if err != nil || len(wrapped.Blob) == 0 {
			t.Errorf("under the trusted key: %v", err)
		}
	}
}

// A key leaves wrapped, is deleted, comes back and is the same.
func testBackup(t *testing.T, k *Token) {
	if !wraps(t, k) {
		return
	}
	s := k.Session(t)
	w := s.(hsm.Wrapper)
	value := randomKey(t)
	kek := WrappingKey("kek", true, true)
	k.as(t, s, hsm.SecurityOfficer, func() {
		made, err := w.ImportWrappingKey(t.Context(), kek, value)
		must(t, err)
		if made.Check.Method != hsm.CheckValueECB || Value(made.Private, "trusted") != "true" || Value(made.Private, "token") != "false" {
			t.Errorf("imported is %+v", made)
		}
	})
	restore := WrappingKey("to restore with", true, false)
	_, err := w.ImportWrappingKey(t.Context(), restore, value)
	must(t, err)
	for _, spec := range AllKinds() {
		if spec.Protection != hsm.WrapBackup || !k.Can(t, spec) || spec.Algorithm == hsm.RSA3072 && !Proof() {
			continue // RSA: seconds a key
		}
		key := generate(t, s, spec)
		wrapped, err := w.Wrap(t.Context(), spec.ID, kek.ID)
		if spec.Algorithm == hsm.Ed25519 && err != nil {
			Class(t, err, hsm.NotAllowed) // SoftHSM 2.6 does not wrap them, and says so
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", spec.Label, err)
			continue
		}
		_, err = w.Unwrap(t.Context(), spec, restore.ID, wrapped, key.SPKI)
		Class(t, err, hsm.NotAllowed) // it is still there
		_, err = s.Delete(t.Context(), spec.ID, spec.Label)
		must(t, err)
		flipped := hsm.Wrapped{Mechanism: wrapped.Mechanism, Blob: bytes.Clone(wrapped.Blob)}
		flipped.Blob[len(flipped.Blob)/2] ^= 1
		if _, err := w.Unwrap(t.Context(), spec, restore.ID, flipped, key.SPKI); err == nil {
			t.Errorf("%s: a damaged backup was restored", spec.Label)
		}
		back, err := w.Unwrap(t.Context(), spec, restore.ID, wrapped, key.SPKI)
		if err != nil {
			t.Errorf("%s: %v", spec.Label, err)
			continue
		}
		if !bytes.Equal(back.SPKI, key.SPKI) || back.Check != key.Check || Value(back.Private, "local") != "false" || Value(back.Private, "extractable") != "true" {
			t.Errorf("%s: restored is %+v, was %+v", spec.Label, back, key)
		}
		spec.Origin = hsm.BroughtIn
		if again, err := s.(hsm.Inspector).Inspect(t.Context(), spec); err != nil || again.Check != key.Check {
			t.Errorf("%s: read again, %+v, %v", spec.Label, again, err)
		}
		if spec.Purpose == hsm.Sign && !spec.Algorithm.Secret() {
			checkSigns(t, s, spec, key.SPKI)
		}
	}
	must(t, s.Close())
	found, err := k.Session(t).Find(t.Context(), hsm.Query{ID: kek.ID})
	if err != nil || len(found) != 0 {
		t.Errorf("the session is gone and its wrapping key is not: %v, %v", found, err)
	}
}

func testBackupRefuses(t *testing.T, k *Token) {
	if !wraps(t, k) {
		return
	}
	s := k.Session(t)
	w := s.(hsm.Wrapper)
	kek, other := WrappingKey("kek", false, true), WrappingKey("another", false, true)
	k.as(t, s, hsm.SecurityOfficer, func() {
		for _, spec := range []hsm.KeySpec{kek, other} {
			_, err := w.ImportWrappingKey(t.Context(), spec, randomKey(t))
			must(t, err)
		}
		_, err := w.ImportWrappingKey(t.Context(), kek, randomKey(t))
		Class(t, err, hsm.NotAllowed) // the id is taken
	})
	untrusted := WrappingKey("untrusted", false, false)
	_, err := w.ImportWrappingKey(t.Context(), untrusted, randomKey(t))
	must(t, err)
	for _, session := range []bool{false, true} {
		if _, err := w.ImportWrappingKey(t.Context(), WrappingKey("by the user", session, true), randomKey(t)); err == nil {
			t.Error("the user imported a trusted key")
		}
	}
	if found, err := s.Find(t.Context(), hsm.Query{}); err != nil || len(found) != 3 {
		t.Errorf("beside the three wrapping keys there is what was refused: %v, %v", found, err)
	}
	_, err = w.ImportWrappingKey(t.Context(), WrappingKey("short", false, false), Secret(t, "sixteen bytes!!!"))
	Class(t, err, hsm.NotSupported)
	_, err = w.ImportWrappingKey(t.Context(), Spec("to sign", hsm.ECP256), randomKey(t))
	Class(t, err, hsm.NotSupported)

	stays, leaves := Spec("stays", hsm.ECP256), Spec("leaves", hsm.ECP256)
	leaves.Protection = hsm.WrapBackup
	pair := generate(t, s, stays)
	generate(t, s, leaves)
	for _, c := range []struct{ id, with []byte }{
		{stays.ID, kek.ID}, {leaves.ID, untrusted.ID}, {leaves.ID, ID("nothing")}, {ID("nothing"), kek.ID}, {nil, kek.ID}, {leaves.ID, nil},
	} {
		_, err := w.Wrap(t.Context(), c.id, c.with)
		Class(t, err, hsm.NotAllowed)
	}
	backup, err := w.Wrap(t.Context(), leaves.ID, kek.ID)
	must(t, err)
	fresh := leaves
	fresh.ID = ID("fresh")
	if _, err := w.Unwrap(t.Context(), fresh, other.ID, backup, pair.SPKI); err == nil {
		t.Error("unwrapped under another key")
	}
	_, err = w.Unwrap(t.Context(), fresh, kek.ID, hsm.Wrapped{Mechanism: "CKM_AES_CBC_PAD", Blob: backup.Blob}, pair.SPKI)
	Class(t, err, hsm.NotSupported)
	wrong := fresh
	wrong.Algorithm = hsm.ECP384
	_, err = w.Unwrap(t.Context(), wrong, kek.ID, backup, pair.SPKI)
	Class(t, err, hsm.NotAllowed)
	found, err := s.Find(t.Context(), hsm.Query{ID: fresh.ID})
	if err != nil || len(found) != 0 {
		t.Errorf("what was refused left %v, %v", found, err)
	}
}

package hsmtest_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
)

const (
	publicKey  = 2 // CKO_PUBLIC_KEY
	privateKey = 3 // CKO_PRIVATE_KEY
)

// Every attribute that a token could get wrong, one by one: generation never
// calls that a success, names the attribute, and returns the key that exists.
func TestTokenMakesOtherThanAsked(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	number := func(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }
	yes, no := []byte{1}, []byte{0}
	for _, lie := range []struct {
		class, attribute uint
		value            []byte
		name             string
	}{
		{privateKey, 0x001, no, "private token"},
		{privateKey, 0x002, no, "private private"},
		{privateKey, 0x003, []byte("faultx"), "private label"},
		{privateKey, 0x103, no, "private sensitive"},
		{privateKey, 0x105, yes, "private decrypt"},
		{privateKey, 0x107, yes, "private unwrap"},
		{privateKey, 0x108, no, "private sign"},
		{privateKey, 0x109, yes, "private sign-recover"},
		{privateKey, 0x10C, yes, "private derive"},
		{privateKey, 0x162, yes, "private extractable"},
		{privateKey, 0x163, no, "private local"},
		{privateKey, 0x164, no, "private never-extractable"},
		{privateKey, 0x165, no, "private always-sensitive"},
		{privateKey, 0x166, number(0x1041), "private key-gen-mechanism"},
		{privateKey, 0x170, yes, "private modifiable"},
		{privateKey, 0x171, yes, "private copyable"},
		{privateKey, 0x172, no, "private destroyable"},
		{privateKey, 0x202, yes, "private always-authenticate"},
		{privateKey, 0x162, []byte{2}, "private extractable"},
		{publicKey, 0x001, no, "public token"},
		{publicKey, 0x002, yes, "public private"},
		{publicKey, 0x104, yes, "public encrypt"},
		{publicKey, 0x106, yes, "public wrap"},
		{publicKey, 0x10A, no, "public verify"},
		{publicKey, 0x10B, yes, "public verify-recover"},
		{publicKey, 0x10C, yes, "public derive"},
		{publicKey, 0x163, no, "public local"},
		{publicKey, 0x180, []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 6}, "public ec-params"},
		{publicKey, 0x181, []byte{4, 0x41, 4, 1, 2, 3}, "public key"},
		{publicKey, 0x100, number(0), "public key-type"},
	} {
		spec := hsmtest.Spec("faulty", hsm.ECP256)
		control.Attribute(lie.class, lie.attribute, lie.value)
		pair, err := s.Generate(t.Context(), spec)
		var m *hsm.Mismatch
		if !errors.As(err, &m) {
			t.Errorf("%s: %v, want a mismatch", lie.name, err)
		} else if !strings.Contains(m.Error(), lie.name+" is ") {
			t.Errorf("%s: %v does not name it", lie.name, m)
		}
		if pair.Private.Class == "" || pair.Public.Class == "" {
			t.Errorf("%s: the key that was made is not told", lie.name)
		}
		control.Reset()
		if left, err := s.Destroy(t.Context(), hsm.Query{ID: spec.ID}); left != 0 || err != nil {
			t.Fatalf("%s: %d left, %v", lie.name, left, err)
		}
	}
}

// What a slot and a token say of themselves reaches the people who decide.
func TestTokenStates(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	for _, c := range []struct {
		name string
		flag uint
		is   func(hsm.TokenInfo) bool
	}{
		{"user PIN count low", 0x00010000, func(i hsm.TokenInfo) bool { return i.UserPINCountLow }},
		{"user PIN final try", 0x00020000, func(i hsm.TokenInfo) bool { return i.UserPINFinalTry }},
		{"user PIN locked", 0x00040000, func(i hsm.TokenInfo) bool { return i.UserPINLocked }},
		{"SO PIN count low", 0x00100000, func(i hsm.TokenInfo) bool { return i.SOPINCountLow }},
		{"SO PIN final try", 0x00200000, func(i hsm.TokenInfo) bool { return i.SOPINFinalTry }},
		{"SO PIN locked", 0x00400000, func(i hsm.TokenInfo) bool { return i.SOPINLocked }},
		{"protected path", 0x00000100, func(i hsm.TokenInfo) bool { return i.ProtectedPath }},
	} {
		control.TokenFlags(c.flag, 0)
		if got, err := s.Token(t.Context()); err != nil || !c.is(got) {
			t.Errorf("%s is not told: %+v, %v", c.name, got, err)
		}
		control.Reset()
		if got, err := s.Token(t.Context()); err != nil || c.is(got) {
			t.Errorf("%s is told without reason: %+v, %v", c.name, got, err)
		}
	}
	control.TokenFlags(0, 0x400|0x8|0x1)
	if got, err := s.Token(t.Context()); err != nil || got.Initialised || got.UserPINSet || got.Random {
		t.Errorf("an uninitialised token is %+v, %v", got, err)
	}
	control.Reset()
	if got, err := s.Token(t.Context()); err != nil || got.HardwareSlot {
		t.Errorf("SoftHSM is hardware: %+v, %v", got, err)
	}
	control.SlotFlags(0x4, 0)
	if got, err := s.Token(t.Context()); err != nil || !got.HardwareSlot {
		t.Errorf("a hardware slot is not told: %+v, %v", got, err)
	}
}

func TestLockedPIN(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s, err := k.Module.Open(t.Context(), k.Serial)
	if err != nil {
		t.Fatal(err)
	}
	control.Return("C_Login", 0, hsmtest.Before, 0xA4)
	hsmtest.Class(t, s.Login(t.Context(), hsm.Operator, k.User), hsm.Locked)
}

// A generator that repeats itself is not believed.
func TestStuckGenerator(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	for _, b := range []byte{0, 0xff, 'A'} {
		control.Stuck(b)
		_, err := s.Random(t.Context(), 32)
		hsmtest.Class(t, err, hsm.Broken)
		control.Reset()
	}
	control.Repeat()
	first, err := s.Random(t.Context(), 32)
	if err != nil {
		t.Fatal(err)
	}
	first.Wipe()
	_, err = s.Random(t.Context(), 32)
	hsmtest.Class(t, err, hsm.Broken)
}

func TestDeviceTakenOut(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	control.Remove("C_GenerateKeyPair", 1, hsmtest.After)
	_, err := s.Generate(t.Context(), hsmtest.Spec("orphan", hsm.ECP256))
	hsmtest.Class(t, err, hsm.Gone)
	_, err = s.Token(t.Context())
	hsmtest.Class(t, err, hsm.Gone)
	tokens, err := k.Module.Tokens(t.Context())
	if err != nil || len(tokens) != 0 {
		t.Errorf("an empty slot shows %v, %v", tokens, err)
	}
	_, err = k.Module.Open(t.Context(), k.Serial)
	hsmtest.Class(t, err, hsm.Gone)
	control.Reset()
	k.Restart(t)
	found, err := k.Session(t).Find(t.Context(), hsm.Query{ID: hsmtest.ID("orphan")})
	if err != nil || len(found) != 2 {
		t.Errorf("the orphan is not found by its intent's id: %v, %v", found, err)
	}
}

// A token that is taken out leaves the live list, and comes back into it.
func TestLiveList(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	ticks := make(chan time.Time, 1)
	var seen []string
	err := hsm.Watch(t.Context(), k.Module, ticks, func(list []hsm.TokenInfo) {
		seen = append(seen, strings.Join(hsm.StatesOf(list, k.Serial), ", "))
		switch len(seen) {
		case 1:
			control.Remove("C_GetTokenInfo", 1, hsmtest.Before)
		case 2:
			control.Reset()
		case 3:
			control.TokenFlags(0x00010000, 0)
		case 4:
			close(ticks)
			return
		}
		ticks <- time.Time{}
	})
	want := []string{"ready", "absent", "ready", "user PIN count low"}
	if err != nil || !slices.Equal(seen, want) {
		t.Errorf("it showed %q, want %q; %v", seen, want, err)
	}
}

// A module that reports a deletion and does not delete is found out.
func TestDeletionThatDoesNothing(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	if _, err := s.Generate(t.Context(), hsmtest.Spec("stays", hsm.ECP256)); err != nil {
		t.Fatal(err)
	}
	control.Return("C_DestroyObject", 0, hsmtest.Before, 0)
	left, err := s.Destroy(t.Context(), hsm.Query{ID: hsmtest.ID("stays")})
	if left != 2 {
		t.Errorf("%d left, want 2", left)
	}
	hsmtest.Class(t, err, hsm.Broken)
}

// A token that only hides a key from its searches is found out by a use of it.
func TestDeletionThatHides(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	for _, spec := range hsmtest.AllKinds() {
		if spec.Algorithm == hsm.RSA3072 || spec.Algorithm == hsm.RSA4096 {
			continue
		}
		if _, err := s.Generate(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		control.Return("C_DestroyObject", 0, hsmtest.Before, 0)
		d, err := s.Delete(t.Context(), spec.ID, spec.Label)
		hsmtest.Class(t, err, hsm.Broken)
		if d.ByID == 0 || d.Refused != "" {
			t.Errorf("%s: not hidden, %+v", spec.Label, d)
		}
		control.Reset()
		control.Return("C_DestroyObject", 0, hsmtest.Before, 0)
		control.Blind()
		d, err = s.Delete(t.Context(), spec.ID, spec.Label)
		hsmtest.Class(t, err, hsm.Broken)
		if d.ByID != 0 || d.Use == "" || d.Refused != "" {
			t.Errorf("%s: hidden, %+v", spec.Label, d)
		}
		control.Reset()
		if d, err = s.Delete(t.Context(), spec.ID, spec.Label); err != nil || d.Refused == "" {
			t.Errorf("%s: at last, %+v, %v", spec.Label, d, err)
		}
	}
}

// A module that reports a generation and makes nothing, or half.
func TestGenerationThatDoesNothing(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	control.Return("C_GenerateKeyPair", 0, hsmtest.Before, 0)
	pair, err := s.Generate(t.Context(), hsmtest.Spec("nothing", hsm.ECP256))
	var m *hsm.Mismatch
	if !errors.As(err, &m) || pair.SPKI != nil {
		t.Errorf("got %v, %v", pair, err)
	}
}

// A data object that the token keeps otherwise than asked.
func TestDataKeptOtherwise(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	for name, attribute := range map[string]uint{"private": 0x002, "modifiable": 0x170, "copyable": 0x171, "destroyable": 0x172} {
		value := []byte{1}
		if name == "private" {
			value = []byte{0}
		}
		control.Attribute(0, attribute, value)
		err := s.PutData(t.Context(), hsm.Data{Application: "a", Label: name, Private: true, WriteOnce: true, Value: []byte("v")})
		var m *hsm.Mismatch
		if !errors.As(err, &m) || m.Wrong[0].Attribute != name {
			t.Errorf("%s: %v", name, err)
		}
		control.Reset()
	}
	control.Attribute(0, 0x11, []byte("x"))
	err := s.PutData(t.Context(), hsm.Data{Application: "a", Label: "value", Value: []byte("v")})
	var m *hsm.Mismatch
	if !errors.As(err, &m) || m.Wrong[0].Attribute != "value" {
		t.Errorf("value: %v", err)
	}
}

// A library without locks of its own is used without: one thread owns it.
func TestLibraryWithoutLocks(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	for _, code := range []uint{0x9, 0xA} { // NEED_TO_CREATE_THREADS, CANT_LOCK
		control.Return("C_Initialize", 1, hsmtest.Before, code)
		k.Restart(t)
		if _, err := k.Module.Tokens(t.Context()); err != nil {
			t.Errorf("0x%x: %v", code, err)
		}
	}
	control.Return("C_Initialize", 0, hsmtest.Before, 0xA)
	_, err := start(t.Context(), k.Library, k.Env)
	hsmtest.Class(t, err, hsm.NotSupported)
}

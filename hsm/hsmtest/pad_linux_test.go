package hsmtest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
)

const cancelled = 0x50 // CKR_FUNCTION_CANCELED

func padded(t *testing.T) (hsm.Module, *hsmtest.Control) {
	t.Helper()
	_, env := hsmtest.Store(t)
	library, control := hsmtest.Shim(t)
	control.Pad()
	m, err := start(context.Background(), library, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, control
}

// TestPad: people authenticate at the device, and the module is sent no PIN, not even
// an empty one.
func TestPad(t *testing.T) {
	var control *hsmtest.Control
	hsmtest.RunPad(t, func(t *testing.T) (hsm.Module, func(), func()) {
		var m hsm.Module
		m, control = padded(t)
		return m, func() {
			for _, f := range []string{"C_InitToken", "C_Login"} {
				control.Return(f, 1, hsmtest.Before, cancelled)
			}
		}, control.Reset
	})
	got := control.PINs()
	if want := []string{"C_InitToken at the pad", "C_InitPIN at the pad", "C_SetPIN at the pad", "C_Login at the pad"}; !slices.Equal(slices.Compact(slices.Sorted(slices.Values(got))), slices.Sorted(slices.Values(want))) {
		t.Errorf("the module received\n%s", strings.Join(got, "\n"))
	}
}

func TestPadModel(t *testing.T) {
	hsmtest.RunPad(t, func(t *testing.T) (hsm.Module, func(), func()) {
		pad := &hsmtest.Pad{}
		m, err := hsmtest.NewPadModel(pad).Start(t.Context(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return m, func() {
			pad.Next = func() error {
				return &hsm.Error{Class: hsm.NotAllowed, Op: "ask at the pad", Why: "it was cancelled there"}
			}
		}, func() { pad.Next = nil }
	})
}

// TestPadSaysWhatHappened: what people did at the device is told in words of people,
// with the raw code beside it.
func TestPadSaysWhatHappened(t *testing.T) {
	m, control := padded(t)
	info, err := m.InitToken(t.Context(), "", "pad", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Open(t.Context(), info.Serial)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[uint]struct {
		class hsm.Class
		words string
	}{
		0x1:       {hsm.NotAllowed, "it was cancelled on the device, or nobody answered there in time (CKR_CANCEL)"},
		cancelled: {hsm.NotAllowed, "it was cancelled on the device, or nobody answered there in time (CKR_FUNCTION_CANCELED)"},
		0x200:     {hsm.NotAllowed, "it was refused on the device (CKR_FUNCTION_REJECTED)"},
		0xA0:      {hsm.WrongPIN, "the device did not take what was entered or presented there (CKR_PIN_INCORRECT)"},
		0xA4:      {hsm.Locked, "the device has locked it (CKR_PIN_LOCKED)"},
		0x30:      {hsm.Broken, "the device reported a fault (CKR_DEVICE_ERROR)"},
	} {
		control.Reset()
		control.Return("C_Login", 1, hsmtest.Before, code)
		err := s.Login(t.Context(), hsm.SecurityOfficer, nil)
		hsmtest.Class(t, err, want.class)
		if err == nil || !strings.HasSuffix(err.Error(), want.words) {
			t.Errorf("0x%X: %v", code, err)
		}
	}
}

package hsmtest

import (
	"context"
	"testing"

	"claviger/hsm"
)

// RunPad is what every hsm.Module must do on a token whose PINs are entered on the
// device (CKF_PROTECTED_AUTHENTICATION_PATH): it is asked with no PIN, and none is sent
// to it. open gives a module with such a token, not initialised and with no serial
// number, at whose pad people do what is right; refuse makes the next call there end as
// if it had been cancelled on the device.
func RunPad(t *testing.T, open func(t *testing.T) (m hsm.Module, refuse, again func())) {
	ctx := context.Background()
	m, refuse, again := open(t)
	pin := Secret(t, "typed-12345678")

	_, err := m.InitToken(ctx, "", "pad", pin)
	Class(t, err, hsm.NotAllowed)
	refuse()
	_, err = m.InitToken(ctx, "", "pad", nil)
	Class(t, err, hsm.NotAllowed)
	again()
	info, err := m.InitToken(ctx, "", "pad", nil)
	must(t, err)
	if !info.ProtectedPath || !info.Initialised || info.UserPINSet {
		t.Errorf("initialised at the pad, and it says %+v", info)
	}

	s, err := m.Open(ctx, info.Serial)
	must(t, err)
	defer s.Close()
	Class(t, s.Login(ctx, hsm.SecurityOfficer, pin), hsm.NotAllowed)
	must(t, s.Login(ctx, hsm.SecurityOfficer, nil))
	Class(t, s.InitPIN(ctx, pin), hsm.NotAllowed)
	must(t, s.InitPIN(ctx, nil))
	if info, err := s.Token(ctx); err != nil || !info.UserPINSet {
		t.Errorf("the user PIN was set at the pad: %v, %+v", err, info)
	}
	Class(t, s.SetPIN(ctx, nil, pin), hsm.NotAllowed)
	must(t, s.SetPIN(ctx, nil, nil))
	must(t, s.Logout(ctx))
	must(t, s.Login(ctx, hsm.SecurityOfficer, nil))
	must(t, s.Logout(ctx))

	Class(t, s.Login(ctx, hsm.Operator, pin), hsm.NotAllowed)
	refuse()
	Class(t, s.Login(ctx, hsm.Operator, nil), hsm.NotAllowed)
	again()
	spec := hsm.KeySpec{ID: ID("pad"), Label: "pad", Algorithm: hsm.ECP256, Purpose: hsm.Sign, Protection: hsm.ModuleOnly}
	if _, err := s.Generate(ctx, spec); err == nil {
		t.Error("a login that was cancelled at the pad let a key be generated")
	}
	must(t, s.Login(ctx, hsm.Operator, nil))
	_, err = s.Generate(ctx, spec)
	must(t, err)
	must(t, s.Logout(ctx))
}

//go:build cgo

package p11

import (
	"errors"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// atPad says whether people authenticate on the device. There no PIN is ever sent.
func atPad(op string, flags uint, pins ...*secret.Buffer) (bool, error) {
	pad := flags&pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH != 0
	for _, pin := range pins {
		if pad && pin.Len() > 0 {
			return pad, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: "this token's PINs are entered on the device, and none is sent to it"}
		}
	}
	return pad, nil
}

// atPad is the same of the session's token, as it says now.
func (s *session) atPad(op string, pins ...*secret.Buffer) (bool, error) {
	info, err := s.m.ctx.GetTokenInfo(s.slot)
	if err != nil {
		return false, refused(op, err)
	}
	return atPad(op, info.Flags, pins...)
}

// refusedAtPad says in words what happened in front of the device.
func refusedAtPad(op string, err error) error {
	err = refused(op, err)
	var he *hsm.Error
	if !errors.As(err, &he) {
		return err
	}
	switch he.Code {
	case "CKR_CANCEL", "CKR_FUNCTION_CANCELED":
		he.Why = "it was cancelled on the device, or nobody answered there in time"
	case "CKR_FUNCTION_REJECTED":
		he.Why = "it was refused on the device"
	case "CKR_PIN_INCORRECT":
		he.Why = "the device did not take what was entered or presented there"
	case "CKR_PIN_LOCKED":
		he.Why = "the device has locked it"
	}
	return he
}

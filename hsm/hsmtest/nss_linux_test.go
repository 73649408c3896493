package hsmtest_test

import (
	"errors"
	"path/filepath"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
)

// TestNSS is the suite on a PKCS#11 implementation that shares nothing with
// SoftHSM: Mozilla's. Its token says of every key that it was not made there, so
// our read-back stops on each, and the suite goes on with the key as it is.
func TestNSS(t *testing.T) {
	libraries, err := filepath.Glob("/usr/lib/*/libsoftokn3.so")
	if err != nil || len(libraries) == 0 {
		t.Fatal("NSS (Debian package libnss3) is not installed; make test installs it")
	}
	hsmtest.Run(t, func(t *testing.T) *hsmtest.Token {
		// NSS takes the place of its database from C_Initialize's reserved argument,
		// which the shim fills in.
		library, control := hsmtest.ShimOf(t, libraries[0], "configdir='sql:"+t.TempDir()+"' certPrefix='' keyPrefix='' secmod='' flags=")
		// Its two slots have tokens of one serial number; the other keeps no keys.
		control.OnlySlot(2)
		k := hsmtest.Adopt(t, start, library, nil, "0000000000000000")
		k.Label = "NSS Certificate DB"
		s, err := k.Module.Open(t.Context(), k.Serial)
		if err != nil {
			t.Fatal(err)
		}
		// The officer has no PIN, and is there only until the user has one.
		if err := errors.Join(
			s.Login(t.Context(), hsm.SecurityOfficer, hsmtest.Secret(t, "")),
			s.InitPIN(t.Context(), k.User), s.Logout(t.Context()), s.Close()); err != nil {
			t.Fatal(err)
		}
		return k
	})
}

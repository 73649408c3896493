//go:build cgo

package p11

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
)

// Every code that the driver's own header names is in our table under the same
// name, and no code leaves a caller without a class and a person without words.
func TestEveryCode(t *testing.T) {
	classes := map[hsm.Class]bool{
		hsm.Gone: true, hsm.Locked: true, hsm.WrongPIN: true, hsm.NotAllowed: true,
		hsm.NotSupported: true, hsm.Full: true, hsm.Busy: true, hsm.Broken: true,
	}
	names := make(map[string]uint)
	for rv := uint(1); rv < 0x1000; rv++ {
		driver := pkcs11.Error(rv).Error()
		_, name, _ := strings.Cut(driver, ": CKR_")
		e := failure("do it", rv)
		if name != "" && e.Code != "CKR_"+name {
			t.Errorf("0x%X is CKR_%s, we call it %s", rv, name, e.Code)
		}
		if !classes[e.Class] || e.Why == "" || e.Code == "" || strings.HasSuffix(e.Why, ".") {
			t.Errorf("0x%X: %+v", rv, e)
		}
		if _, known := codes[rv]; known {
			if other, twice := names[e.Code]; twice {
				t.Errorf("%s is both 0x%X and 0x%X", e.Code, other, rv)
			}
			names[e.Code] = rv
		}
	}
	if len(names) != len(codes) {
		t.Errorf("%d codes, %d names", len(codes), len(names))
	}
	for _, rv := range []uint{0x1234, 0x80000001, 0xFFFFFFFF} {
		e := failure("do it", rv)
		if e.Class != hsm.Broken || e.Code != fmt.Sprintf("0x%08X", rv) {
			t.Errorf("0x%X: %+v", rv, e)
		}
	}
}

// The classes that callers act upon.
func TestClasses(t *testing.T) {
	for rv, want := range map[uint]hsm.Class{
		pkcs11.CKR_PIN_INCORRECT:            hsm.WrongPIN,
		pkcs11.CKR_PIN_LOCKED:               hsm.Locked,
		pkcs11.CKR_DEVICE_REMOVED:           hsm.Gone,
		pkcs11.CKR_TOKEN_NOT_PRESENT:        hsm.Gone,
		pkcs11.CKR_SESSION_HANDLE_INVALID:   hsm.Gone,
		pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED: hsm.Gone,
		pkcs11.CKR_DEVICE_MEMORY:            hsm.Full,
		pkcs11.CKR_MECHANISM_INVALID:        hsm.NotSupported,
		pkcs11.CKR_KEY_SIZE_RANGE:           hsm.NotSupported,
		pkcs11.CKR_USER_NOT_LOGGED_IN:       hsm.NotAllowed,
		pkcs11.CKR_KEY_UNEXTRACTABLE:        hsm.NotAllowed,
		pkcs11.CKR_OPERATION_ACTIVE:         hsm.Busy,
		pkcs11.CKR_SESSION_EXISTS:           hsm.Busy,
		pkcs11.CKR_GENERAL_ERROR:            hsm.Broken,
		pkcs11.CKR_OBJECT_HANDLE_INVALID:    hsm.Broken,
		pkcs11.CKR_USER_PIN_NOT_INITIALIZED: hsm.NotAllowed,
		pkcs11.CKR_TEMPLATE_INCONSISTENT:    hsm.NotSupported,
		pkcs11.CKR_PIN_LEN_RANGE:            hsm.NotAllowed,
		pkcs11.CKR_ATTRIBUTE_READ_ONLY:      hsm.NotAllowed,
		pkcs11.CKR_USER_ALREADY_LOGGED_IN:   hsm.Busy,
		pkcs11.CKR_TOKEN_WRITE_PROTECTED:    hsm.NotAllowed,
		pkcs11.CKR_FUNCTION_NOT_SUPPORTED:   hsm.NotSupported,
		pkcs11.CKR_DEVICE_ERROR:             hsm.Broken,
		pkcs11.CKR_ATTRIBUTE_TYPE_INVALID:   hsm.NotSupported,
		pkcs11.CKR_HOST_MEMORY:              hsm.Full,
		pkcs11.CKR_SESSION_COUNT:            hsm.Busy,
		pkcs11.CKR_FUNCTION_REJECTED:        hsm.NotAllowed,
		pkcs11.CKR_RANDOM_NO_RNG:            hsm.NotSupported,
		pkcs11.CKR_WRAPPED_KEY_INVALID:      hsm.NotAllowed,
		pkcs11.CKR_TOKEN_NOT_RECOGNIZED:     hsm.Gone,
	} {
		if got := failure("do it", rv).Class; got != want {
			t.Errorf("%v is %q, want %q", pkcs11.Error(rv), got, want)
		}
	}
	got := failure("generate a key pair", pkcs11.CKR_DEVICE_REMOVED).Error()
	if got != "couldn't generate a key pair: gone, the device was removed (CKR_DEVICE_REMOVED)" {
		t.Error(got)
	}
}

package p11

import (
	"fmt"

	"claviger/hsm"
)

// code is one CKR_* value (PKCS#11 v2.40 section 4 and v3.1 section 4.4): what a
// caller can do about it, and a sentence's half that says so to a person.
type code struct {
	name  string
	class hsm.Class
	why   string
}

// codes has every value the two versions define. Codes lie (a SoftHSM token whose
// folder is gone answers GENERAL_ERROR): the class says what to try, the token
// read again says what is.
var codes = map[uint]code{
	0x001: {"CKR_CANCEL", hsm.NotAllowed, "the call was cancelled on the device"},
	0x002: {"CKR_HOST_MEMORY", hsm.Full, "the workstation's memory is used up"},
	0x003: {"CKR_SLOT_ID_INVALID", hsm.Gone, "the slot is not there any more"},
	0x005: {"CKR_GENERAL_ERROR", hsm.Broken, "the module failed and does not say why"},
	0x006: {"CKR_FUNCTION_FAILED", hsm.Broken, "the call failed and the module does not say why"},
	0x007: {"CKR_ARGUMENTS_BAD", hsm.Broken, "the module did not accept the call's arguments"},
	0x008: {"CKR_NO_EVENT", hsm.Broken, "nothing happened at any slot"},
	0x009: {"CKR_NEED_TO_CREATE_THREADS", hsm.NotSupported, "the module cannot work without threads of its own"},
	0x00A: {"CKR_CANT_LOCK", hsm.NotSupported, "the module cannot use the system's locks"},
	0x010: {"CKR_ATTRIBUTE_READ_ONLY", hsm.NotAllowed, "the token fixes one of the attributes"},
	0x011: {"CKR_ATTRIBUTE_SENSITIVE", hsm.NotAllowed, "the token does not reveal that value"},
	0x012: {"CKR_ATTRIBUTE_TYPE_INVALID", hsm.NotSupported, "the token does not know one of the attributes"},
	0x013: {"CKR_ATTRIBUTE_VALUE_INVALID", hsm.NotSupported, "the token does not accept the value of one of the attributes"},
	0x01B: {"CKR_ACTION_PROHIBITED", hsm.NotAllowed, "the object's attributes forbid it"},
	0x020: {"CKR_DATA_INVALID", hsm.NotAllowed, "the token did not accept the data"},
	0x021: {"CKR_DATA_LEN_RANGE", hsm.NotAllowed, "the data is too long or too short for this key"},
	0x030: {"CKR_DEVICE_ERROR", hsm.Broken, "the device reported a fault"},
	0x031: {"CKR_DEVICE_MEMORY", hsm.Full, "the token's memory is used up"},
	0x032: {"CKR_DEVICE_REMOVED", hsm.Gone, "the device was removed"},
	0x040: {"CKR_ENCRYPTED_DATA_INVALID", hsm.NotAllowed, "the encrypted data is damaged or of another key"},
	0x041: {"CKR_ENCRYPTED_DATA_LEN_RANGE", hsm.NotAllowed, "the encrypted data has an impossible length"},
	0x042: {"CKR_AEAD_DECRYPT_FAILED", hsm.NotAllowed, "the encrypted data is damaged or of another key"},
	0x050: {"CKR_FUNCTION_CANCELED", hsm.NotAllowed, "the call was cancelled"},
	0x051: {"CKR_FUNCTION_NOT_PARALLEL", hsm.Broken, "the module mixed up its calls"},
	0x054: {"CKR_FUNCTION_NOT_SUPPORTED", hsm.NotSupported, "the module does not have this function"},
	0x060: {"CKR_KEY_HANDLE_INVALID", hsm.Broken, "the token does not find the key any more"},
	0x062: {"CKR_KEY_SIZE_RANGE", hsm.NotSupported, "the token does not have this key size"},
	0x063: {"CKR_KEY_TYPE_INCONSISTENT", hsm.NotSupported, "the key is of a type that cannot do this"},
	0x064: {"CKR_KEY_NOT_NEEDED", hsm.Broken, "the module did not want a key"},
	0x065: {"CKR_KEY_CHANGED", hsm.Broken, "the key is not the one it was"},
	0x066: {"CKR_KEY_NEEDED", hsm.Broken, "the module misses a key"},
	0x067: {"CKR_KEY_INDIGESTIBLE", hsm.NotAllowed, "the key's value cannot be digested"},
	0x068: {"CKR_KEY_FUNCTION_NOT_PERMITTED", hsm.NotAllowed, "the key is not meant for this"},
	0x069: {"CKR_KEY_NOT_WRAPPABLE", hsm.NotAllowed, "the key cannot be wrapped by this wrapping key"},
	0x06A: {"CKR_KEY_UNEXTRACTABLE", hsm.NotAllowed, "the key never leaves the token, not even wrapped"},
	0x070: {"CKR_MECHANISM_INVALID", hsm.NotSupported, "the token does not have this mechanism"},
	0x071: {"CKR_MECHANISM_PARAM_INVALID", hsm.NotSupported, "the token does not have this mechanism with these parameters"},
	0x082: {"CKR_OBJECT_HANDLE_INVALID", hsm.Broken, "the token does not find the object any more"},
	0x090: {"CKR_OPERATION_ACTIVE", hsm.Busy, "another operation is still open"},
	0x091: {"CKR_OPERATION_NOT_INITIALIZED", hsm.Broken, "the module forgot the operation"},
	0x0A0: {"CKR_PIN_INCORRECT", hsm.WrongPIN, "the PIN is not the right one"},
	0x0A1: {"CKR_PIN_INVALID", hsm.NotAllowed, "the PIN has characters that the token does not take"},
	0x0A2: {"CKR_PIN_LEN_RANGE", hsm.NotAllowed, "the PIN is too long or too short for the token"},
	0x0A3: {"CKR_PIN_EXPIRED", hsm.NotAllowed, "the PIN has expired and must be changed first"},
	0x0A4: {"CKR_PIN_LOCKED", hsm.Locked, "the PIN is locked"},
	0x0B0: {"CKR_SESSION_CLOSED", hsm.Gone, "the session was closed by the token"},
	0x0B1: {"CKR_SESSION_COUNT", hsm.Busy, "the token has no session left"},
	0x0B3: {"CKR_SESSION_HANDLE_INVALID", hsm.Gone, "the session is not there any more"},
	0x0B4: {"CKR_SESSION_PARALLEL_NOT_SUPPORTED", hsm.NotSupported, "the module does not have parallel sessions"},
	0x0B5: {"CKR_SESSION_READ_ONLY", hsm.NotAllowed, "the session may only read"},
	0x0B6: {"CKR_SESSION_EXISTS", hsm.Busy, "a session with the token is still open"},
	0x0B7: {"CKR_SESSION_READ_ONLY_EXISTS", hsm.Busy, "a reading session with the token is still open"},
	0x0B8: {"CKR_SESSION_READ_WRITE_SO_EXISTS", hsm.Busy, "the security officer is logged in"},
	0x0C0: {"CKR_SIGNATURE_INVALID", hsm.NotAllowed, "the signature is not of this key and data"},
	0x0C1: {"CKR_SIGNATURE_LEN_RANGE", hsm.NotAllowed, "the signature has an impossible length"},
	0x0D0: {"CKR_TEMPLATE_INCOMPLETE", hsm.NotSupported, "the token asks for more attributes than we set"},
	0x0D1: {"CKR_TEMPLATE_INCONSISTENT", hsm.NotSupported, "the token does not accept these attributes together"},
	0x0E0: {"CKR_TOKEN_NOT_PRESENT", hsm.Gone, "the token is not in its slot"},
	0x0E1: {"CKR_TOKEN_NOT_RECOGNIZED", hsm.Gone, "the module does not recognise the token"},
	0x0E2: {"CKR_TOKEN_WRITE_PROTECTED", hsm.NotAllowed, "the token is write-protected"},
	0x0F0: {"CKR_UNWRAPPING_KEY_HANDLE_INVALID", hsm.Broken, "the token does not find the unwrapping key any more"},
	0x0F1: {"CKR_UNWRAPPING_KEY_SIZE_RANGE", hsm.NotSupported, "the token does not unwrap with a key of this size"},
	0x0F2: {"CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT", hsm.NotSupported, "the unwrapping key is of a type that cannot do this"},
	0x100: {"CKR_USER_ALREADY_LOGGED_IN", hsm.Busy, "this user is logged in already"},
	0x101: {"CKR_USER_NOT_LOGGED_IN", hsm.NotAllowed, "nobody is logged in"},
	0x102: {"CKR_USER_PIN_NOT_INITIALIZED", hsm.NotAllowed, "the token has no user PIN yet"},
	0x103: {"CKR_USER_TYPE_INVALID", hsm.NotSupported, "the token does not know this kind of user"},
	0x104: {"CKR_USER_ANOTHER_ALREADY_LOGGED_IN", hsm.Busy, "the other user is logged in"},
	0x105: {"CKR_USER_TOO_MANY_TYPES", hsm.Busy, "too many users are logged in"},
	0x110: {"CKR_WRAPPED_KEY_INVALID", hsm.NotAllowed, "the wrapped key is damaged or of another wrapping key"},
	0x112: {"CKR_WRAPPED_KEY_LEN_RANGE", hsm.NotAllowed, "the wrapped key has an impossible length"},
	0x113: {"CKR_WRAPPING_KEY_HANDLE_INVALID", hsm.Broken, "the token does not find the wrapping key any more"},
	0x114: {"CKR_WRAPPING_KEY_SIZE_RANGE", hsm.NotSupported, "the token does not wrap with a key of this size"},
	0x115: {"CKR_WRAPPING_KEY_TYPE_INCONSISTENT", hsm.NotSupported, "the wrapping key is of a type that cannot do this"},
	0x120: {"CKR_RANDOM_SEED_NOT_SUPPORTED", hsm.NotSupported, "the token's generator takes no seed"},
	0x121: {"CKR_RANDOM_NO_RNG", hsm.NotSupported, "the token has no random generator"},
	0x130: {"CKR_DOMAIN_PARAMS_INVALID", hsm.NotSupported, "the token does not have this curve"},
	0x140: {"CKR_CURVE_NOT_SUPPORTED", hsm.NotSupported, "the token does not have this curve"},
	0x150: {"CKR_BUFFER_TOO_SMALL", hsm.Broken, "the module gave more than it had announced"},
	0x160: {"CKR_SAVED_STATE_INVALID", hsm.Broken, "the module does not accept its own saved state"},
	0x170: {"CKR_INFORMATION_SENSITIVE", hsm.NotAllowed, "the token does not reveal that"},
	0x180: {"CKR_STATE_UNSAVEABLE", hsm.NotSupported, "the module cannot save its state"},
	0x190: {"CKR_CRYPTOKI_NOT_INITIALIZED", hsm.Gone, "the module was closed"},
	0x191: {"CKR_CRYPTOKI_ALREADY_INITIALIZED", hsm.Busy, "the module is open already in this process"},
	0x1A0: {"CKR_MUTEX_BAD", hsm.Broken, "the module's locks failed"},
	0x1A1: {"CKR_MUTEX_NOT_LOCKED", hsm.Broken, "the module's locks failed"},
	0x1B0: {"CKR_NEW_PIN_MODE", hsm.NotAllowed, "the device asks for a new PIN first"},
	0x1B1: {"CKR_NEXT_OTP", hsm.NotAllowed, "the device asks for the next one-time password"},
	0x1B5: {"CKR_EXCEEDED_MAX_ITERATIONS", hsm.Broken, "the token gave up after too many tries"},
	0x1B6: {"CKR_FIPS_SELF_TEST_FAILED", hsm.Broken, "the module's self test failed: it must not be used"},
	0x1B7: {"CKR_LIBRARY_LOAD_FAILED", hsm.Gone, "the module could not load a library of its own"},
	0x1B8: {"CKR_PIN_TOO_WEAK", hsm.NotAllowed, "the token finds the PIN too weak"},
	0x1B9: {"CKR_PUBLIC_KEY_INVALID", hsm.NotAllowed, "the token does not accept the public key"},
	0x200: {"CKR_FUNCTION_REJECTED", hsm.NotAllowed, "the call was refused on the device"},
	0x201: {"CKR_TOKEN_RESOURCE_EXCEEDED", hsm.Full, "the token's resources are used up"},
	0x202: {"CKR_OPERATION_CANCEL_FAILED", hsm.Busy, "the open operation could not be cancelled"},
	0x203: {"CKR_KEY_EXHAUSTED", hsm.NotAllowed, "the key was used as often as it may be"},
	0x204: {"CKR_PENDING", hsm.Busy, "the token is still at work"},
	0x205: {"CKR_SESSION_ASYNC_NOT_SUPPORTED", hsm.NotSupported, "the session does not work in the background"},
	0x206: {"CKR_SEED_RANDOM_REQUIRED", hsm.NotAllowed, "the token's generator asks for a seed first"},
	0x207: {"CKR_OPERATION_NOT_VALIDATED", hsm.NotAllowed, "the token is not validated for this operation"},
	0x208: {"CKR_TOKEN_NOT_INITIALIZED", hsm.NotAllowed, "the token is not initialised"},
	0x209: {"CKR_PARAMETER_SET_NOT_SUPPORTED", hsm.NotSupported, "the token does not have this parameter set"},
}

const vendorDefined = 0x80000000

// failure is the error for a return code other than CKR_OK.
func failure(op string, rv uint) *hsm.Error {
	if c, ok := codes[rv]; ok {
		return &hsm.Error{Class: c.class, Op: op, Code: c.name, Why: c.why}
	}
	why := "the module answered with a code that PKCS#11 does not define"
	if rv >= vendorDefined {
		why = "the module answered with a code of its maker's own: its manual tells more"
	}
	return &hsm.Error{Class: hsm.Broken, Op: op, Code: fmt.Sprintf("0x%08X", rv), Why: why}
}

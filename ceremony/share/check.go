package share

import (
	"crypto/aes"
	"encoding/hex"
	"fmt"
	"reflect"
	"unsafe"

	"claviger/hsm/secret"
)

// CheckValue is what a token says of the wrapping key as its CKA_CHECK_VALUE
// (PKCS#11 v2.40, 4.10.2): the first three bytes of a block of zeros under
// AES-ECB, the one check value of a key that may only wrap.
func CheckValue(key *secret.Buffer) (string, error) {
	c, err := aes.NewCipher(key.Bytes())
	if err != nil {
		return "", fmt.Errorf("couldn't compute a check value: %w", err)
	}
	var block [aes.BlockSize]byte
	c.Encrypt(block[:], block[:])
	// The expanded key starts with the key itself, and crypto/aes does not wipe it.
	expanded := reflect.ValueOf(c)
	clear(unsafe.Slice((*byte)(expanded.UnsafePointer()), expanded.Type().Elem().Size()))
	return hex.EncodeToString(block[:3]), nil
}

//go:build !cgo

package p11

import (
	"fmt"

	"claviger/hsm"
)

// Open needs cgo: a PKCS#11 library is C code.
func Open(path string) (hsm.Module, error) {
	return nil, fmt.Errorf("couldn't load %s: this program was built without cgo and cannot speak to an HSM", path)
}

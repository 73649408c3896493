//go:build !unix

package secret

import "errors"

// Go's collector does not move what it holds, so ordinary memory is wiped for
// good; it is not locked.
func alloc(n int) (mem []byte, locked bool) { return make([]byte, n), false }

func free([]byte) {}

// Harden cannot do anything here, and says so.
func Harden() []error {
	return []error{errors.New("couldn't lock memory or forbid core dumps: not known for this system")}
}

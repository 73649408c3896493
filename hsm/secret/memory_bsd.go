//go:build unix && !linux

package secret

import "errors"

func keepOut([]byte) {}

// Harden forbids core files; the rest is known here for Linux only.
func Harden() []error {
	not := []error{errors.New("couldn't close the process to debuggers: not known for this system")}
	if err := noCore(); err != nil {
		not = append(not, err)
	}
	return not
}

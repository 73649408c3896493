//go:build unix

package secret

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// alloc maps whole pages of their own, so that unlocking one secret never
// unlocks a neighbour (locks are per page and do not count).
func alloc(n int) (mem []byte, locked bool) {
	size := (n + unix.Getpagesize() - 1) &^ (unix.Getpagesize() - 1)
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		// As make would do when memory is out: no caller can go on.
		panic(fmt.Sprintf("secret: couldn't map %d bytes: %v", size, err))
	}
	keepOut(mem)
	return mem, unix.Mlock(mem) == nil
}

func free(mem []byte) { _ = unix.Munmap(mem) }

func noCore() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("couldn't forbid core files: %w", err)
	}
	return nil
}

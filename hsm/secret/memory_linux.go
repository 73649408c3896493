package secret

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// keepOut leaves the pages out of core dumps, and out of a child that is
// forked without exec.
func keepOut(mem []byte) {
	// Kernels that lack an advice refuse it and change nothing.
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	_ = unix.Madvise(mem, unix.MADV_WIPEONFORK)
}

// Harden makes the process keep its memory to itself: no core file, no
// debugger or other process of the same user, as much lockable memory as its
// limits allow. What could not be done is returned in words; the rest holds.
func Harden() []error {
	var not []error
	if err := noCore(); err != nil {
		not = append(not, err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		not = append(not, fmt.Errorf("couldn't close the process to other processes: %w", err))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit)
	}
	probe := New(1)
	defer probe.Wipe()
	if !probe.Locked() {
		not = append(not, errors.New("couldn't lock memory: secrets may reach the swap space; raise the limit of locked memory (ulimit -l) or turn swap off"))
	}
	return not
}

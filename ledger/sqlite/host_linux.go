package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"claviger/ledger"
)

// lock is the writer's claim on a folder. An open-file-description lock, unlike
// a POSIX one, is not lost when some other part of the process closes the file.
type lock struct{ file *os.File }

func takeLock(dir string) (*lock, error) {
	path := filepath.Join(dir, "ledger.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("couldn't lock the ledger: %w", err)
	}
	holder, err := claim(f)
	if err == nil && holder == "" {
		err = writeHolder(f)
	}
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("couldn't lock the ledger: %w", full(err)), f.Close())
	case holder != "":
		return nil, errors.Join(&LockedError{holder}, f.Close())
	}
	return &lock{f}, nil
}

// claim takes the lock or says who has it. A file without a name belongs to
// someone who is just coming or going: that takes no time worth mentioning.
func claim(f *os.File) (holder string, err error) {
	for range 200 {
		whole := unix.Flock_t{Type: unix.F_WRLCK}
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &whole)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return "", err
		}
		var b [256]byte
		n, err := f.ReadAt(b[:], 0)
		if err != nil && err != io.EOF {
			return "", err
		}
		if line, ok := strings.CutSuffix(string(b[:n]), "\n"); ok {
			return line, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return "another program", nil
}

// writeHolder says who holds the lock. The line is made whole by its newline.
func writeHolder(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "this computer"
	}
	line := fmt.Sprintf("process %d of user %d on %s since %s\n", os.Getpid(), os.Getuid(), host, ledger.FormatTime(time.Now()))
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(line), 0)
	return err
}

// release empties the file, so that it never names someone who is gone, and
// gives up the lock.
func (l *lock) release() error {
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

// checkAlone refuses a file with a second name: its log would be looked for
// beside the other name.
func checkAlone(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("couldn't open the ledger: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("couldn't open %s: it isn't a plain file", path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink != 1 {
		return fmt.Errorf("couldn't open %s for writing: the file has %d names; remove the others first", path, st.Nlink)
	}
	return nil
}

// reserve is room on the disk held for the next append.
type reserve struct {
	path string
	size int64
}

// newReserve removes what a crash may have left.
func newReserve(dir string) *reserve {
	r := &reserve{path: filepath.Join(dir, "ledger.reserve"), size: 1}
	r.release()
	return r
}

func (r *reserve) grow(size int64) error {
	if size <= r.size {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("couldn't reserve room for the record: %w", full(err))
	}
	r.size = max(r.size, 1)
	err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
	if errors.Is(err, unix.EOPNOTSUPP) {
		return r.countFree(size)
	}
	if err != nil {
		r.release()
		return fmt.Errorf("couldn't reserve room for the record: %w", full(err))
	}
	r.size = size
	return nil
}

// countFree is all that a file system without allocation lets one know.
func (r *reserve) countFree(size int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(r.path), &st); err != nil {
		return fmt.Errorf("couldn't reserve room for the record: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < size {
		return fmt.Errorf("couldn't reserve room for the record: %w", ledger.ErrFull)
	}
	return nil
}

// release gives the room back and reports whether there was any.
func (r *reserve) release() bool {
	had := r.size > 0
	r.size = 0
	if !had {
		return false
	}
	err := os.Remove(r.path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("%w (%v)", ledger.ErrFull, err)
	}
	return err
}

// dropCache asks that the next read of a file comes from the disk.
func dropCache(f *os.File) { unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }

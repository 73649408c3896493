// Package medium finds removable media that are mounted on this workstation and
// copies files onto them such that what is reported as copied was read back from
// the medium.
//
// # Finding
//
// [List] reads what the kernel tells (/proc/self/mountinfo, /sys/class/block):
// block devices that call themselves removable, or hang on a USB bus, and are
// mounted for writing. Disks built into the workstation are never listed, and
// there is no way to name a folder by hand. [Own] judges a folder that people
// named where they may, [Beside] finds what else the same device carries.
//
// # Copying
//
// [Copy] writes under names that must be free, makes content and folder durable,
// drops the pages that the kernel still holds of it, reads the file again and
// compares. An error names the file and leaves nothing half written under its
// name.
package medium

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Medium is a removable file system that is mounted.
type Medium struct {
	Mount  string
	Device string // its block device, such as sdb1
	Label  string // of the file system, "" where it has none
	Serial string // of the device, "" where it tells none
	Size   int64  // bytes
	Free   int64  // bytes that a person may use
}

// List finds the media below root, which is "/" but in tests.
func List(root string) ([]Medium, error) {
	all, err := mounted(root)
	if err != nil {
		return nil, err
	}
	var out []Medium
	for _, m := range all {
		if slices.ContainsFunc(out, func(o Medium) bool { return o.Device == m.Device }) {
			continue
		}
		dev, ok := removable(root, m.Device)
		if !ok {
			continue
		}
		m.Label, m.Serial = label(root, m.Device), serial(dev)
		var st unix.Statfs_t
		if err := unix.Statfs(filepath.Join(root, m.Mount), &st); err != nil {
			continue // it was pulled out just now
		}
		m.Size, m.Free = int64(st.Blocks)*int64(st.Bsize), int64(st.Bavail)*int64(st.Bsize)
		out = append(out, m)
	}
	return out, nil
}

// Own says whether folder is where a whole file system is mounted, and another one
// than that in which site lies. A folder on a disk of the workstation is none, and
// neither is one inside a medium.
func Own(folder, site string) (bool, error) {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return false, err
	}
	var here, above, there unix.Stat_t
	if err := errors.Join(unix.Stat(folder, &here), unix.Stat(filepath.Dir(folder), &above), unix.Stat(site, &there)); err != nil {
		return false, err
	}
	return here.Dev != above.Dev && here.Dev != there.Dev, nil
}

// Beside lists where the other file systems of the same device are mounted: a stick
// with two of them is one medium, and goes into one bag.
func Beside(root, folder string) ([]string, error) {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	all, err := mounted(root)
	if err != nil {
		return nil, err
	}
	on := map[string][]string{} // by the folder of the whole device
	var own string
	for _, m := range all {
		switch dev, ok := whole(root, m.Device); {
		case !ok:
		case m.Mount == folder:
			own = dev
		default:
			on[dev] = append(on[dev], m.Mount)
		}
	}
	return on[own], nil
}

// mounted lists the block devices that are mounted for writing.
func mounted(root string) ([]Medium, error) {
	f, err := os.Open(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("couldn't read what is mounted: %w", err)
	}
	defer f.Close()
	var out []Medium
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if m, ok := parseMount(lines.Text()); ok {
			out = append(out, m)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("couldn't read what is mounted: %w", err)
	}
	return out, nil
}

// parseMount reads one line of proc(5) mountinfo: a block device that is mounted
// for writing.
func parseMount(line string) (Medium, bool) {
	before, after, ok := strings.Cut(line, " - ")
	b, a := strings.Fields(before), strings.Fields(after)
	if !ok || len(b) < 6 || len(a) < 3 || !strings.HasPrefix(a[1], "/dev/") {
		return Medium{}, false
	}
	if !slices.Contains(strings.Split(b[5], ","), "rw") || !slices.Contains(strings.Split(a[2], ","), "rw") {
		return Medium{}, false
	}
	return Medium{Mount: unescape(b[4]), Device: filepath.Base(a[1])}, true
}

// unescape undoes the octal escapes in which mountinfo writes blanks.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// removable gives the folder of a partition's whole device if people can take it
// away. A stick may call itself fixed; then the bus tells.
func removable(root, device string) (dev string, ok bool) {
	dir, ok := whole(root, device)
	return dir, ok && (text(filepath.Join(dir, "removable")) == "1" || strings.Contains(dir, "/usb"))
}

// whole gives the folder of the device that a partition is a part of.
func whole(root, device string) (dir string, ok bool) {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "sys/class/block", device))
	if err != nil {
		return "", false
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir)
	}
	return dir, true
}

// serial looks for it from the device upwards: that of a stick is the USB
// device's.
func serial(dir string) string {
	for range 8 {
		for _, name := range []string{"serial", "device/serial"} {
			if s := text(filepath.Join(dir, name)); s != "" {
				return s
			}
		}
		if dir = filepath.Dir(dir); filepath.Base(dir) == "sys" {
			break
		}
	}
	return ""
}

// label is the name that points to the device in /dev/disk/by-label.
func label(root, device string) string {
	dir := filepath.Join(root, "dev/disk/by-label")
	names, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, n := range names {
		to, err := os.Readlink(filepath.Join(dir, n.Name()))
		if err == nil && filepath.Base(to) == device {
			return unhex(n.Name())
		}
	}
	return ""
}

// unhex undoes udev's \x20.
func unhex(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Copied is a file as it was read back from the medium.
type Copied struct {
	Name   string
	Bytes  int64
	SHA256 [32]byte
}

// Copy copies files into a new folder, or one whose files of these names are the
// same already, and reads each of them back.
func Copy(ctx context.Context, folder string, files []string) ([]Copied, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("couldn't make the folder on the medium: %w", err)
	}
	var out []Copied
	for _, from := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := copyOne(from, filepath.Join(folder, filepath.Base(from)))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if err := errors.Join(syncDir(folder), syncDir(filepath.Dir(folder))); err != nil {
		return nil, fmt.Errorf("couldn't make the folder on the medium durable: %w", err)
	}
	return out, nil
}

func copyOne(from, to string) (Copied, error) {
	src, err := os.Open(from)
	if err != nil {
		return Copied{}, fmt.Errorf("couldn't read %s: %w", from, err)
	}
	defer src.Close()
	want := sha256.New()
	err = write(to, io.TeeReader(src, want))
	switch {
	case errors.Is(err, fs.ErrExist):
		// It was copied before; reading back says whether it is the same.
		if _, err := io.Copy(want, src); err != nil {
			return Copied{}, fmt.Errorf("couldn't read %s: %w", from, err)
		}
	case err != nil:
		return Copied{}, fmt.Errorf("couldn't write %s: %w", to, err)
	}
	got, n, err := ReadBack(to)
	if err != nil {
		return Copied{}, fmt.Errorf("couldn't read %s back: %w", to, err)
	}
	if !bytes.Equal(got[:], want.Sum(nil)) {
		return Copied{}, fmt.Errorf("%s, read back from the medium, is not %s: its SHA-256 is %x; use another medium", to, from, got)
	}
	return Copied{Name: filepath.Base(to), Bytes: n, SHA256: got}, nil
}

// write makes a durable file; what could not be written whole is removed.
func write(to string, content io.Reader) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// ReadBack reads a file from its medium, not from the kernel's memory of it.
func ReadBack(path string) (sum [32]byte, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	// Only clean pages are dropped: whoever wrote them has to have synced.
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return sum, 0, err
	}
	h := sha256.New()
	if n, err = io.Copy(h, f); err != nil {
		return sum, 0, err
	}
	return [32]byte(h.Sum(nil)), n, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"claviger/ceremony"
)

// What the workstation says of itself, and the judgement: pass, fail or not
// known. Nothing here trusts a program: everything is read from the kernel, so
// a changed kernel can say what it likes. That it is the right one is for the
// boot medium to show.
//
// A value that only informs has the verdict "information".

const (
	pass      = "pass"
	fail      = "fail"
	unknown   = "not known"
	notJudged = "information"
)

// Facts reads everything that a ceremony asks of the machine.
func (host) Facts(site string) []ceremony.HostFact {
	return []ceremony.HostFact{
		network(), radios(), swap(), coreDumps(), dumpable(), sessions(), hardwareClock(time.Now()), timeZone(),
		fileSystem(site), permissions(site), spool(), media(), kernel(), system(), bootMedium(), entropy(),
	}
}

func fact(label, value, verdict string) ceremony.HostFact {
	return ceremony.HostFact{Label: label, Value: value, Verdict: verdict}
}

func unread(label string) ceremony.HostFact { return fact(label, "could not be read", unknown) }

// found is a pass where nothing was found and a fail that lists what was.
func found(label, none string, some []string) ceremony.HostFact {
	if len(some) == 0 {
		return fact(label, none, pass)
	}
	slices.Sort(some)
	return fact(label, strings.Join(slices.Compact(some), ", "), fail)
}

// network: links of every kind that are up, with or without an address.
func network() ceremony.HostFact {
	up, err := linksUp()
	if err != nil {
		return unread("Network")
	}
	for i := range up {
		up[i] += " is up"
	}
	return found("Network", "no interface is up", up)
}

// linksUp names the interfaces over which somebody else could be reached.
func linksUp() ([]string, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("couldn't list the network interfaces: %w", err)
	}
	var up []string
	for _, l := range links {
		if l.Flags&net.FlagUp != 0 && l.Flags&net.FlagLoopback == 0 {
			up = append(up, l.Name)
		}
	}
	return up, nil
}

// radios: wireless devices that are not blocked (rfkill), bluetooth among them.
func radios() ceremony.HostFact {
	switches, err := filepath.Glob("/sys/class/rfkill/*")
	if err != nil {
		return unread("Radios")
	}
	var on []string
	for _, dir := range switches {
		state, err := readTrimmed(filepath.Join(dir, "state"))
		if err != nil {
			return unread("Radios")
		}
		kind, _ := readTrimmed(filepath.Join(dir, "type"))
		if state == "1" { // RFKILL_STATE_UNBLOCKED
			on = append(on, kind+" is not blocked")
		}
	}
	return found("Radios", "none, or all blocked", on)
}

func swap() ceremony.HostFact {
	b, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return unread("Swap")
	}
	var on []string
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		on = append(on, strings.Fields(l)[0])
	}
	return found("Swap", "off", on)
}

func coreDumps() ceremony.HostFact {
	var l unix.Rlimit
	switch err := unix.Getrlimit(unix.RLIMIT_CORE, &l); {
	case err != nil:
		return unread("Core dumps")
	case l.Cur > 0:
		return fact("Core dumps", "on", fail)
	}
	return fact("Core dumps", "off", pass)
}

func dumpable() ceremony.HostFact {
	v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	switch {
	case err != nil:
		return unread("Memory of this program")
	case v != 0:
		return fact("Memory of this program", "other programs of this user may read it", fail)
	}
	return fact("Memory of this program", "closed to other programs", pass)
}

// sessions: whose programs run here besides this user's and the system's own.
// A login leaves a process of its user; that is harder to hide than a line in a
// log of logins, and needs no such log.
func sessions() ceremony.HostFact {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(dirs) == 0 {
		return unread("Other people logged in")
	}
	const firstPerson = 1000 // Debian policy 9.2.2: people have the ids from here
	const nobody = 65534
	var others []string
	for _, dir := range dirs {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil {
			continue // it ended while we looked
		}
		if uid := int(st.Uid); uid >= firstPerson && uid != nobody && uid != os.Getuid() {
			others = append(others, fmt.Sprintf("programs of user %d run", uid))
		}
	}
	return found("Other people logged in", "none", others)
}

// hardwareClock: the clock on the board and the system's, which took its time
// from there or from nowhere.
func hardwareClock(now time.Time) ceremony.HostFact {
	const label = "Hardware clock"
	date, err1 := readTrimmed("/sys/class/rtc/rtc0/date")
	tod, err2 := readTrimmed("/sys/class/rtc/rtc0/time")
	rtc, err3 := time.Parse(time.DateTime, date+" "+tod)
	if err1 != nil || err2 != nil || err3 != nil {
		return unread(label)
	}
	off := now.UTC().Sub(rtc).Round(time.Second)
	value := fmt.Sprintf("%s UTC, the system is %+d s from it", rtc.Format("15:04:05"), int(off/time.Second))
	if off.Abs() > time.Minute {
		return fact(label, value, fail)
	}
	return fact(label, value, pass)
}

// timeZone informs: every record and every screen is in UTC whatever it is.
func timeZone() ceremony.HostFact {
	zone, err := os.Readlink("/etc/localtime")
	if err != nil {
		return fact("Time zone", "UTC, as none is set", notJudged)
	}
	_, name, ok := strings.Cut(zone, "zoneinfo/")
	if !ok {
		name = zone
	}
	return fact("Time zone", name+"; records are in UTC", notJudged)
}

// least is the room that a day of ceremonies and its evidence stay well under.
const least = 256 << 20

func fileSystem(site string) ceremony.HostFact {
	const label = "Disk of the site"
	var fs unix.Statfs_t
	if err := unix.Statfs(nearest(site), &fs); err != nil {
		return unread(label)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	kind := fileSystems[fs.Type]
	if kind == "" {
		kind = fmt.Sprintf("type %#x", fs.Type)
	}
	value := fmt.Sprintf("%s, %d MB free", kind, free>>20)
	switch {
	case network9p(fs.Type):
		return fact(label, value+"; on another machine, where a lock is not kept", fail)
	case free < least:
		return fact(label, value+fmt.Sprintf("; %d MB are wanted", least>>20), fail)
	}
	return fact(label, value, pass)
}

var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs (gone when the power fails)",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs", unix.SMB2_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "cifs", unix.V9FS_MAGIC: "9p",
	unix.MSDOS_SUPER_MAGIC: "vfat", unix.F2FS_SUPER_MAGIC: "f2fs", unix.FUSE_SUPER_MAGIC: "fuse",
}

func network9p(kind int64) bool {
	return slices.Contains([]int64{unix.NFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.V9FS_MAGIC}, kind)
}

// nearest is the folder itself, or the first above it that is there.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func permissions(site string) ceremony.HostFact {
	const label = "Who may read the site's folder"
	var st unix.Stat_t
	if err := unix.Stat(nearest(site), &st); err != nil {
		return unread(label)
	}
	value := fmt.Sprintf("mode %04o, user %d", st.Mode&0o7777, st.Uid)
	if st.Mode&0o077 != 0 || int(st.Uid) != os.Getuid() {
		return fact(label, value, fail)
	}
	return fact(label, value, pass)
}

// spool: a printer's queue keeps pages that nobody remembers. Nothing waits in
// it now, and what is printed today is to be cleared from it.
func spool() ceremony.HostFact {
	const label = "Printer queue"
	jobs, err := os.ReadDir("/var/spool/cups")
	switch {
	case os.IsNotExist(err):
		return fact(label, "none on this machine", pass)
	case err != nil:
		return unread(label)
	}
	var waiting []string
	for _, j := range jobs {
		if !j.IsDir() {
			waiting = append(waiting, j.Name())
		}
	}
	if keeps, err := os.ReadFile("/etc/cups/cupsd.conf"); err == nil && !bytes.Contains(keeps, []byte("PreserveJobFiles No")) {
		return fact(label, "jobs are kept after they are printed (PreserveJobFiles is not No)", fail)
	}
	return found(label, "empty, and keeps no job", waiting)
}

// media: what can be carried away is named, so that the people see that it is
// what they brought.
func media() ceremony.HostFact {
	const label = "Removable media"
	disks, err := filepath.Glob("/sys/block/*")
	if err != nil {
		return unread(label)
	}
	var there []string
	for _, d := range disks {
		if r, err := readTrimmed(filepath.Join(d, "removable")); err != nil || r != "1" {
			continue
		}
		size, _ := readTrimmed(filepath.Join(d, "size"))
		if n, err := strconv.ParseInt(size, 10, 64); err == nil && n > 0 {
			there = append(there, fmt.Sprintf("%s, %d MB", filepath.Base(d), n*512>>20))
		}
	}
	if there == nil {
		return fact(label, "none", pass)
	}
	return fact(label, strings.Join(there, "; ")+": compare with what lies on the table", notJudged)
}

func kernel() ceremony.HostFact {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return unread("Kernel")
	}
	return fact("Kernel", unix.ByteSliceToString(u.Sysname[:])+" "+unix.ByteSliceToString(u.Release[:])+", "+unix.ByteSliceToString(u.Machine[:]), notJudged)
}

func system() ceremony.HostFact {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return unread("System")
	}
	for _, l := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, "PRETTY_NAME="); ok {
			return fact("System", strings.Trim(v, `"`), notJudged)
		}
	}
	return fact("System", "does not say its name", unknown)
}

// bootMedium: what the root of this system lies on. Its hash is compared by
// people, on another machine, before it is started.
func bootMedium() ceremony.HostFact {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return unread("Root file system")
	}
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) > 3 && f[1] == "/" {
			how := "may be written"
			if slices.Contains(strings.Split(f[3], ","), "ro") {
				how = "read only"
			}
			return fact("Root file system", f[0]+", "+f[2]+", "+how, notJudged)
		}
	}
	return unread("Root file system")
}

// entropy informs: the kernel's random numbers wait for nothing once it has
// begun, and the number is a constant 256 on kernels of today (5.18 and later).
func entropy() ceremony.HostFact {
	v, err := readTrimmed("/proc/sys/kernel/random/entropy_avail")
	if err != nil {
		return unread("Kernel's entropy count")
	}
	one := make([]byte, 1)
	if _, err := unix.Getrandom(one, unix.GRND_NONBLOCK); err != nil {
		return fact("Kernel's entropy count", v+"; the generator is not ready yet", fail)
	}
	return fact("Kernel's entropy count", v+" (says little: it is constant on kernels of today); the generator is ready", notJudged)
}

func readTrimmed(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

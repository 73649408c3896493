package main

import (
	"fmt"
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
	pass      = ceremony.HostPass
	fail      = ceremony.HostFail
	unknown   = ceremony.HostUnknown
	notJudged = ceremony.HostInforms
)

// Facts reads everything that a ceremony asks of the machine.
func (host) Facts(site string) []ceremony.HostFact { return machine("/").facts(site) }

// machine is where the kernel's own files and those of the system lie.
type machine string

func (m machine) facts(site string) []ceremony.HostFact {
	return []ceremony.HostFact{
		m.network(), m.radios(), m.swap(), coreDumps(), dumpable(), m.sessions(os.Getuid()), m.hardwareClock(time.Now()), m.timeZone(),
		fileSystem(site), permissions(site), m.spool(), m.media(), kernel(), m.system(), m.bootMedium(), m.entropy(),
	}
}

func (m machine) path(name string) string { return filepath.Join(string(m), name) }

// list gives the paths of what lies in a folder.
func (m machine) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(m.path(dir))
	var out []string
	for _, e := range entries {
		out = append(out, filepath.Join(m.path(dir), e.Name()))
	}
	return out, err
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
func (m machine) network() ceremony.HostFact {
	up, err := m.linksUp()
	if err != nil {
		return unread("Network")
	}
	for i := range up {
		up[i] += " is up"
	}
	return found("Network", "no interface is up", up)
}

// linksUp names the interfaces over which somebody else could be reached.
func linksUp() ([]string, error) { return machine("/").linksUp() }

func (m machine) linksUp() ([]string, error) {
	const isUp, loopback = 0x1, 0x8 // IFF_UP, IFF_LOOPBACK
	links, err := m.list("sys/class/net")
	if err != nil {
		return nil, fmt.Errorf("couldn't list the network interfaces: %w", err)
	}
	var up []string
	for _, l := range links {
		text, err := readTrimmed(filepath.Join(l, "flags"))
		if err != nil {
			continue // no interface: a setting of the bonding driver lies beside them
		}
		flags, err := strconv.ParseUint(text, 0, 32)
		if err != nil {
			return nil, fmt.Errorf("couldn't read whether %s is up: %w", filepath.Base(l), err)
		}
		if flags&isUp != 0 && flags&loopback == 0 {
			up = append(up, filepath.Base(l))
		}
	}
	return up, nil
}

// radios: wireless devices that are not blocked (rfkill), bluetooth among them.
func (m machine) radios() ceremony.HostFact {
	switches, err := m.list("sys/class/rfkill")
	if _, told := os.Stat(m.path("sys/class")); os.IsNotExist(err) && told == nil {
		err = nil // the kernel knows no radio
	}
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

func (m machine) swap() ceremony.HostFact {
	b, err := os.ReadFile(m.path("proc/swaps"))
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
func (m machine) sessions(me int) ceremony.HostFact {
	const label = "Other people logged in"
	entries, err := m.list("proc")
	const firstPerson = 1000 // Debian policy 9.2.2: people have the ids from here
	const nobody = 65534
	var others []string
	seen := 0
	for _, dir := range entries {
		if _, err := strconv.Atoi(filepath.Base(dir)); err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			continue // it ended while we looked
		}
		uid, ok := userOf(string(status))
		if !ok {
			return unread(label)
		}
		seen++
		if uid >= firstPerson && uid != nobody && uid != me {
			others = append(others, fmt.Sprintf("programs of user %d run", uid))
		}
	}
	if err != nil || seen == 0 {
		return unread(label)
	}
	return found(label, "none", others)
}

// userOf is who started a program, by its status in the kernel's words.
func userOf(status string) (uid int, ok bool) {
	_, rest, ok := strings.Cut(status, "\nUid:")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, false
	}
	uid, err := strconv.Atoi(fields[0])
	return uid, err == nil
}

// hardwareClock: the clock on the board and the system's, which took its time
// from there or from nowhere.
func (m machine) hardwareClock(now time.Time) ceremony.HostFact {
	const label = "Hardware clock"
	date, err1 := readTrimmed(m.path("sys/class/rtc/rtc0/date"))
	tod, err2 := readTrimmed(m.path("sys/class/rtc/rtc0/time"))
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
func (m machine) timeZone() ceremony.HostFact {
	zone, err := os.Readlink(m.path("etc/localtime"))
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
func (m machine) spool() ceremony.HostFact {
	const label = "Printer queue"
	jobs, err := os.ReadDir(m.path("var/spool/cups"))
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
	conf, err := os.ReadFile(m.path("etc/cups/cupsd.conf"))
	if err != nil {
		return unread(label)
	}
	forgets := slices.ContainsFunc(strings.Split(string(conf), "\n"), func(l string) bool {
		f := strings.Fields(l)
		return len(f) == 2 && f[0] == "PreserveJobFiles" && strings.EqualFold(f[1], "no")
	})
	if !forgets {
		return fact(label, "jobs are kept after they are printed (PreserveJobFiles is not No)", fail)
	}
	return found(label, "empty, and keeps no job", waiting)
}

// media: what can be carried away is named, so that the people see that it is
// what they brought.
func (m machine) media() ceremony.HostFact {
	const label = "Removable media"
	disks, err := m.list("sys/block")
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

func (m machine) system() ceremony.HostFact {
	b, err := os.ReadFile(m.path("etc/os-release"))
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
func (m machine) bootMedium() ceremony.HostFact {
	b, err := os.ReadFile(m.path("proc/self/mounts"))
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
func (m machine) entropy() ceremony.HostFact {
	v, err := readTrimmed(m.path("proc/sys/kernel/random/entropy_avail"))
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

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
)

// TestFacts: the workstation answers every question, each with a verdict, and
// never passes what it could not read.
func TestFacts(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]ceremony.HostFact{}
	for _, f := range (host{}).Facts(dir) {
		if f.Label == "" || f.Value == "" || !slices.Contains([]string{pass, fail, unknown, notJudged}, f.Verdict) {
			t.Errorf("said %+v", f)
		}
		if _, twice := seen[f.Label]; twice {
			t.Errorf("%q is said twice", f.Label)
		}
		if f.Value == "could not be read" && f.Verdict != unknown {
			t.Errorf("%q could not be read and is a %s", f.Label, f.Verdict)
		}
		seen[f.Label] = f
	}
	for _, want := range ceremony.HostFacts() {
		if _, ok := seen[want]; !ok {
			t.Errorf("nothing is said of %q", want)
		}
	}
	if len(seen) != len(ceremony.HostFacts()) {
		t.Errorf("%d things are said, and %d asked", len(seen), len(ceremony.HostFacts()))
	}
}

func TestFolderThatOthersRead(t *testing.T) {
	dir := t.TempDir()
	for mode, want := range map[os.FileMode]string{0o700: pass, 0o750: fail, 0o701: fail} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if f := permissions(dir); f.Verdict != want {
			t.Errorf("mode %04o: %+v, want %s", mode, f, want)
		}
		if f := permissions(dir + "/not/made/yet"); f.Verdict != want {
			t.Errorf("below mode %04o: %+v, want %s", mode, f, want)
		}
	}
}

// kernelSays is a machine whose kernel says this.
func kernelSays(t *testing.T, content map[string]string) machine {
	t.Helper()
	m := machine(t.TempDir())
	for name, text := range content {
		if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(m.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestVerdicts: each fact that is read from files passes, fails, or is not known, by what
// stands there; where nothing stands, nothing passes.
func TestVerdicts(t *testing.T) {
	const me, someone = 1000, 1001
	const swaps = "Filename\t\t\t\tType\t\tSize\n"
	now := time.Date(2026, 11, 22, 9, 41, 0, 0, time.UTC)
	status := func(uid int) string {
		return fmt.Sprintf("Name:\tsh\nUid:\t%d\t%d\t%d\t%d\nGid:\t0\n", uid, uid, uid, uid)
	}
	network, radios, swap, media, spool := machine.network, machine.radios, machine.swap, machine.media, machine.spool
	sessions := func(m machine) ceremony.HostFact { return m.sessions(me) }
	clock := func(m machine) ceremony.HostFact { return m.hardwareClock(now) }
	for name, c := range map[string]struct {
		of      func(machine) ceremony.HostFact
		files   map[string]string
		verdict string
		says    string
	}{
		"only the loopback is up":      {network, map[string]string{"sys/class/net/lo/flags": "0x9\n", "sys/class/net/eth0/flags": "0x1002\n", "sys/class/net/bonding_masters": ""}, pass, "no interface is up"},
		"a cable is plugged in":        {network, map[string]string{"sys/class/net/lo/flags": "0x9\n", "sys/class/net/wlan0/flags": "0x1003\n", "sys/class/net/eth0/flags": "0x1003\n"}, fail, "eth0 is up, wlan0 is up"},
		"flags that nobody can read":   {network, map[string]string{"sys/class/net/eth0/flags": "up\n"}, unknown, ""},
		"no network is told":           {network, nil, unknown, ""},
		"every radio is blocked":       {radios, map[string]string{"sys/class/rfkill/rfkill0/state": "0\n", "sys/class/rfkill/rfkill0/type": "wlan\n"}, pass, "none, or all blocked"},
		"the kernel knows no radio":    {radios, map[string]string{"sys/class/net/lo/flags": "0x9"}, pass, "none, or all blocked"},
		"bluetooth is on":              {radios, map[string]string{"sys/class/rfkill/rfkill1/state": "1\n", "sys/class/rfkill/rfkill1/type": "bluetooth\n"}, fail, "bluetooth is not blocked"},
		"a radio that says nothing":    {radios, map[string]string{"sys/class/rfkill/rfkill0/type": "wlan\n"}, unknown, ""},
		"no radio is told":             {radios, nil, unknown, ""},
		"swap is off":                  {swap, map[string]string{"proc/swaps": swaps}, pass, "off"},
		"swap is on":                   {swap, map[string]string{"proc/swaps": swaps + "/dev/sda2 partition 8388604\n"}, fail, "/dev/sda2"},
		"no swap is told":              {swap, nil, unknown, ""},
		"nobody else":                  {sessions, map[string]string{"proc/1/status": status(0), "proc/77/status": status(me), "proc/78/status": status(65534), "proc/self/status": status(someone)}, pass, "none"},
		"somebody else":                {sessions, map[string]string{"proc/1/status": status(0), "proc/78/status": status(someone), "proc/79/status": status(someone)}, fail, "programs of user 1001 run"},
		"a program that ended":         {sessions, map[string]string{"proc/1/status": status(0), "proc/9/stat": ""}, pass, "none"},
		"a program of nobody's":        {sessions, map[string]string{"proc/1/status": "Name:\tinit\n"}, unknown, ""},
		"no program is told":           {sessions, nil, unknown, ""},
		"the clocks agree":             {clock, map[string]string{"sys/class/rtc/rtc0/date": "2026-11-22\n", "sys/class/rtc/rtc0/time": "09:40:58\n"}, pass, "the system is +2 s from it"},
		"the clocks are an hour apart": {clock, map[string]string{"sys/class/rtc/rtc0/date": "2026-11-22\n", "sys/class/rtc/rtc0/time": "10:41:00\n"}, fail, "the system is -3600 s from it"},
		"no clock":                     {clock, nil, unknown, ""},
		"no printer":                   {spool, nil, pass, "none on this machine"},
		"a queue that keeps nothing":   {spool, map[string]string{"var/spool/cups/tmp/x": "", "etc/cups/cupsd.conf": "LogLevel warn\nPreserveJobFiles No\n"}, pass, "empty, and keeps no job"},
		"a queue that keeps jobs":      {spool, map[string]string{"var/spool/cups/tmp/x": "", "etc/cups/cupsd.conf": "# PreserveJobFiles No\n"}, fail, "jobs are kept"},
		"a page that waits":            {spool, map[string]string{"var/spool/cups/d00012-001": "", "etc/cups/cupsd.conf": "PreserveJobFiles no\n"}, fail, "d00012-001"},
		"a queue without its setting":  {spool, map[string]string{"var/spool/cups/tmp/x": ""}, unknown, ""},
		"a fixed disk":                 {media, map[string]string{"sys/block/sda/removable": "0\n", "sys/block/sda/size": "1000\n", "sys/block/sr0/removable": "1\n", "sys/block/sr0/size": "0\n"}, pass, "none"},
		"a stick":                      {media, map[string]string{"sys/block/sdb/removable": "1\n", "sys/block/sdb/size": "8192\n"}, notJudged, "sdb, 4 MB: compare"},
		"no disk is told":              {media, nil, unknown, ""},
		"a root that is only read":     {machine.bootMedium, map[string]string{"proc/self/mounts": "/dev/sr0 / iso9660 ro,relatime 0 0\n"}, notJudged, "/dev/sr0, iso9660, read only"},
		"a root that may be written":   {machine.bootMedium, map[string]string{"proc/self/mounts": "/dev/vda / ext4 rw,discard 0 0\n"}, notJudged, "may be written"},
		"no root is told":              {machine.bootMedium, nil, unknown, ""},
		"a system with a name":         {machine.system, map[string]string{"etc/os-release": "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"}, notJudged, "Debian GNU/Linux 12"},
		"a system without":             {machine.system, map[string]string{"etc/os-release": "NAME=x\n"}, unknown, "does not say its name"},
		"no time zone":                 {machine.timeZone, nil, notJudged, "UTC, as none is set"},
		"entropy":                      {machine.entropy, map[string]string{"proc/sys/kernel/random/entropy_avail": "256\n"}, notJudged, "256 (says little"},
		"no entropy is told":           {machine.entropy, nil, unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.of(kernelSays(t, c.files))
			if got.Verdict != c.verdict || !strings.Contains(got.Value, c.says) || (got.Verdict == unknown && c.says == "") != (got.Value == "could not be read") {
				t.Errorf("said %+v, want %q with the verdict %q", got, c.says, c.verdict)
			}
		})
	}
}

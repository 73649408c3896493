package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"claviger/ceremony"
)

// host is this workstation. What it says of itself is self-reported: that it
// runs what it says is for a known boot medium to show.
type host struct {
	exe   string
	start time.Time
}

func newHost(exe string) ceremony.Host { return host{exe, time.Now()} }

// Now is stripped of the monotonic reading, which Elapsed gives apart: they
// differ when somebody sets the clock.
func (host) Now() time.Time           { return time.Now().Round(0) }
func (h host) Elapsed() time.Duration { return time.Since(h.start) }

func (h host) Program() ceremony.Program {
	p := ceremony.Program{Version: version}
	f, err := os.Open(h.exe)
	if err != nil {
		return p
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err == nil {
		p.SHA256 = hex.EncodeToString(sum.Sum(nil))
	}
	return p
}

func (host) Facts() []ceremony.HostFact {
	return []ceremony.HostFact{network(), swap(), coreDumps(), dumpable(), kernel()}
}

func network() ceremony.HostFact {
	f := ceremony.HostFact{Label: "Network", Value: "no interface is up", Verdict: "pass"}
	links, err := net.Interfaces()
	if err != nil {
		return ceremony.HostFact{Label: "Network", Value: "could not be read", Verdict: "not known"}
	}
	var up []string
	for _, l := range links {
		if l.Flags&net.FlagUp != 0 && l.Flags&net.FlagLoopback == 0 {
			up = append(up, l.Name)
		}
	}
	if len(up) > 0 {
		f.Value, f.Verdict = "up: "+strings.Join(up, ", "), "fail"
	}
	return f
}

func swap() ceremony.HostFact {
	b, err := os.ReadFile("/proc/swaps")
	switch {
	case err != nil:
		return ceremony.HostFact{Label: "Swap", Value: "could not be read", Verdict: "not known"}
	case strings.Count(string(b), "\n") > 1:
		return ceremony.HostFact{Label: "Swap", Value: "on", Verdict: "fail"}
	}
	return ceremony.HostFact{Label: "Swap", Value: "off", Verdict: "pass"}
}

func coreDumps() ceremony.HostFact {
	var l unix.Rlimit
	switch err := unix.Getrlimit(unix.RLIMIT_CORE, &l); {
	case err != nil:
		return ceremony.HostFact{Label: "Core dumps", Value: "could not be read", Verdict: "not known"}
	case l.Cur > 0:
		return ceremony.HostFact{Label: "Core dumps", Value: "on", Verdict: "fail"}
	}
	return ceremony.HostFact{Label: "Core dumps", Value: "off", Verdict: "pass"}
}

func dumpable() ceremony.HostFact {
	v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	switch {
	case err != nil:
		return ceremony.HostFact{Label: "Memory of this program", Value: "could not be read", Verdict: "not known"}
	case v != 0:
		return ceremony.HostFact{Label: "Memory of this program", Value: "other programs of this user may read it", Verdict: "fail"}
	}
	return ceremony.HostFact{Label: "Memory of this program", Value: "closed to other programs", Verdict: "pass"}
}

func kernel() ceremony.HostFact {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ceremony.HostFact{Label: "System", Value: "could not be read", Verdict: "not known"}
	}
	return ceremony.HostFact{Label: "System", Value: fmt.Sprintf("%s %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:])), Verdict: "pass"}
}

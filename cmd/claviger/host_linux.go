package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"time"

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

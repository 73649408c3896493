// Package powerloss tests what a ledger's file survives when the power fails.
//
// A program writes a ledger under strace ([Strace]) and says on its standard
// output, by [Said], what it holds for safe. The trace of everything that it did to
// the folder ([Read]) is turned into the states that the disk can be in when
// the power fails after any of the calls ([Fail]): what was synced is there; of
// what was not, nothing, everything or any part, sectors torn or full of noise;
// and names in a folder are there for certain only after the folder was synced.
// An SQLite that isn't ours, python's, opens each state and recomputes the chain.
//
// It is for tests, of the store and of rehearsed ceremonies, and no shipped
// program imports it. Only one thread is traced: the program keeps what writes
// the ledger on its first one.
package powerloss

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"claviger/ledger"
)

// Strace is the command line before that of a program to be traced into a file.
func Strace(log string) []string {
	return []string{"strace", "-y", "-xx", "-s", "10000000", "-o", log,
		"-e", "trace=open,openat,pwrite64,write,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2"}
}

// Opened is what the program says when its promises begin.
const Opened = "open\n"

// Said is what it says when all records of a head are safe.
func Said(h ledger.Head) string { return fmt.Sprintf("ack %d %s\n", h.Size, h.Last) }

// Op is one traced call that changes the disk, or what the program said.
type Op struct {
	call string
	path string
	data []byte
	at   int64
	said string
}

// acknowledged is the size and the last leaf that an op promises.
func (o Op) acknowledged() (size int, last string, ok bool) {
	n, _ := fmt.Sscanf(o.said, "ack %d %s", &size, &last)
	return size, last, n == 2
}

// Read reads strace's log of a program that wrote a ledger in a folder.
func Read(log io.Reader, dir string) ([]Op, error) {
	var ops []Op
	in := bufio.NewReader(log)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return ops, nil
		}
		if err != nil {
			return nil, err
		}
		o, ok, err := parse(line, dir)
		if err != nil {
			return nil, fmt.Errorf("couldn't read the traced call %.200s: %w", line, err)
		}
		if ok {
			ops = append(ops, o)
		}
	}
}

var (
	onFile = regexp.MustCompile(`^(\w+)\(\d+<((?:\\x[0-9a-f]{2}|[^>])*)>(?:, (.*))?\) += (-?\d+)`)
	onName = regexp.MustCompile(`^(\w+)\((?:AT_FDCWD(?:<[^>]*>)?, )?"((?:\\x[0-9a-f]{2})*)"(?:, (.*))?\) += (-?\d+)`)
	quoted = regexp.MustCompile(`^"((?:\\x[0-9a-f]{2})*)", (\d+)(?:, (\d+))?$`)
)

// unescape reads a string as strace -xx writes it.
func unescape(s string) []byte {
	if !strings.Contains(s, `\x`) {
		return []byte(s)
	}
	out := make([]byte, 0, len(s)/4)
	for i := 0; i+4 <= len(s); i += 4 {
		b, _ := strconv.ParseUint(s[i+2:i+4], 16, 8) // the patterns admit nothing else
		out = append(out, byte(b))
	}
	return out
}

// parse reads one line of the trace; what isn't about the ledger is skipped.
func parse(line, dir string) (Op, bool, error) {
	m := onFile.FindStringSubmatch(line)
	if m == nil {
		m = onName.FindStringSubmatch(line)
	}
	if m == nil || m[4] == "-1" {
		return Op{}, false, nil
	}
	o := Op{call: m[1], path: string(unescape(m[2]))}
	if o.call == "write" {
		if q := quoted.FindStringSubmatch(m[3]); q != nil && strings.HasPrefix(line, "write(1<") {
			return Op{call: "say", said: string(unescape(q[1]))}, true, nil
		}
		return Op{}, false, nil
	}
	if o.path != dir && (filepath.Dir(o.path) != dir || !strings.HasPrefix(filepath.Base(o.path), "ledger.db") || strings.HasSuffix(o.path, "-shm")) {
		return Op{}, false, nil
	}
	switch o.call {
	case "open", "openat":
		o.call = "create"
		return o, strings.Contains(m[3], "O_CREAT"), nil
	case "pwrite64":
		q := quoted.FindStringSubmatch(m[3])
		if q == nil || q[2] != m[4] {
			return o, false, fmt.Errorf("a write that isn't whole")
		}
		o.data = unescape(q[1])
		o.at, _ = strconv.ParseInt(q[3], 10, 64)
	case "ftruncate":
		o.at, _ = strconv.ParseInt(m[3], 10, 64)
	case "fsync", "fdatasync":
		o.call = "sync"
	case "rename", "renameat":
		to := onName.FindStringSubmatch(`open("` + m[3][strings.Index(m[3], `"`)+1:] + ") = 0")
		if to == nil {
			return o, false, fmt.Errorf("a name that can't be read")
		}
		o.call, o.data = "rename", unescape(to[2])
	case "unlink", "unlinkat":
		o.call = "unlink"
	default:
		return o, false, fmt.Errorf("a call that this disk doesn't know")
	}
	return o, true, nil
}

// Calls counts the calls of a trace that change the disk.
func Calls(ops []Op) int {
	return len(slices.DeleteFunc(slices.Clone(ops), func(o Op) bool { return o.call == "say" }))
}

// Syncs counts what each acknowledged batch cost.
func Syncs(ops []Op) (each []int, written int) {
	n := 0
	for _, o := range ops {
		_, _, acknowledged := o.acknowledged()
		switch {
		case o.call == "sync":
			n++
		case o.call == "pwrite64":
			written += len(o.data)
		case acknowledged:
			each, n = append(each, n), 0
		case o.said == Opened:
			n, written = 0, 0
		}
	}
	return each, written
}

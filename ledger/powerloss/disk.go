package powerloss

import (
	"bytes"
	"math/rand/v2"
)

// sector is what a disk writes whole.
const sector = 512

// disk is what is certain to survive, and what may.
type disk struct {
	dir     string
	files   map[string][]byte // synced content, by name
	named   map[string]bool   // names that are certain
	pending []Op
}

// apply carries out one call.
func (d *disk) apply(o Op) {
	switch {
	case o.call == "sync" && o.path == d.dir:
		// Renaming and deleting are the folder's, writing is the file's.
		d.settle(func(p Op) bool { return p.call == "create" || p.call == "unlink" || p.call == "rename" })
	case o.call == "sync":
		d.settle(func(p Op) bool { return p.path == o.path && (p.call == "pwrite64" || p.call == "ftruncate") })
	default:
		d.pending = append(d.pending, o)
	}
}

func (d *disk) settle(which func(Op) bool) {
	var rest []Op
	for _, p := range d.pending {
		if which(p) {
			change(d.files, d.named, p)
		} else {
			rest = append(rest, p)
		}
	}
	d.pending = rest
}

// change does to the files what the call did.
func change(files map[string][]byte, named map[string]bool, o Op) {
	switch o.call {
	case "create":
		named[o.path] = true
	case "unlink":
		delete(named, o.path)
		delete(files, o.path)
	case "rename":
		to := string(o.data)
		files[to], named[to] = files[o.path], true
		delete(named, o.path)
		delete(files, o.path)
	case "ftruncate":
		files[o.path] = resized(files[o.path], o.at)
	case "pwrite64":
		b := files[o.path]
		if end := o.at + int64(len(o.data)); int64(len(b)) < end {
			b = resized(b, end)
		}
		copy(b[o.at:], o.data)
		files[o.path] = b
	}
}

func resized(b []byte, n int64) []byte {
	if int64(len(b)) >= n {
		return b[:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

// fate is how the calls that weren't synced end.
type fate int

const (
	nothing fate = iota
	everything
	someCalls
	tornSectors
	noise
	fates
)

// crash is one state of the disk after the power has failed now.
func (d *disk) crash(how fate, rnd *rand.Rand) map[string][]byte {
	files, named := map[string][]byte{}, map[string]bool{}
	for name, b := range d.files {
		files[name] = bytes.Clone(b)
	}
	for name := range d.named {
		named[name] = true
	}
	for _, o := range d.pending {
		switch {
		case how == nothing, how == someCalls && rnd.IntN(2) == 0:
			continue
		case o.call == "pwrite64" && (how == tornSectors || how == noise):
			o.data = torn(files[o.path], o, how, rnd)
		}
		change(files, named, o)
	}
	for name := range files {
		if !named[name] {
			delete(files, name)
		}
	}
	for name := range named {
		if files[name] == nil {
			files[name] = []byte{}
		}
	}
	return files
}

// torn keeps some sectors of a write; the others stay as they were, or turn
// into noise.
func torn(before []byte, o Op, how fate, rnd *rand.Rand) []byte {
	out := bytes.Clone(o.data)
	for i := 0; i < len(out); {
		// Up to where the disk's next sector begins.
		n := min(len(out)-i, sector-int(o.at+int64(i))%sector)
		switch rnd.IntN(3) {
		case 0:
			for j := i; j < i+n; j++ {
				out[j] = 0
				if pos := o.at + int64(j); pos < int64(len(before)) {
					out[j] = before[pos]
				}
			}
		case 1:
			if how == noise {
				for j := i; j < i+n; j++ {
					out[j] = byte(rnd.Uint32())
				}
			}
		}
		i += n
	}
	return out
}

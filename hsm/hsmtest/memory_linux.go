package hsmtest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"claviger/hsm/secret"
)

// Copies counts how often the bytes of a secret stand in the memory of a process,
// beside the secret's own page. It makes none itself. Another process's memory is
// readable by root, or by its owner where it is not hardened.
func Copies(pid int, of *secret.Buffer) (int, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, err
	}
	defer mem.Close()

	const window = 1 << 20
	buffer := secret.New(window)
	defer buffer.Wipe()
	for range window {
		if err := buffer.Append(0); err != nil {
			return 0, err
		}
	}
	var own []uintptr
	if pid == os.Getpid() {
		own = []uintptr{address(of), address(buffer)}
	}
	count := 0
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var perms string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &perms); err != nil {
			return 0, err
		}
		if !strings.HasPrefix(perms, "rw") {
			continue // read-only pages hold the program, not its data
		}
		count += search(mem, from, to, of.Bytes(), buffer.Bytes(), own)
	}
	return count, nil
}

// Undisturbed runs the calling test again in a process whose threads Go does not
// interrupt, and says whether this is that process: the kernel saves an interrupted
// thread's registers on its stack, with what the last copy of a secret left in
// them, and there Copies finds them. A test starts with
//
//	if !hsmtest.Undisturbed(t) {
//		return
//	}
func Undisturbed(t *testing.T) bool {
	t.Helper()
	const setting = "asyncpreemptoff=1"
	if strings.Contains(os.Getenv("GODEBUG"), setting) {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG="+setting)
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	case !bytes.Contains(out, []byte("--- PASS")):
		t.Errorf("it did not run:\n%s", out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "PROOF: ") {
			fmt.Print(line)
		}
	}
	return false
}

func address(b *secret.Buffer) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b.Bytes()))) }

// search counts pattern between from and to, at addresses outside of own pages.
func search(mem *os.File, from, to uintptr, pattern, buffer []byte, own []uintptr) int {
	count := 0
	overlap := uintptr(len(pattern) - 1)
	for at := from; at < to; {
		n, err := mem.ReadAt(buffer[:min(uintptr(len(buffer)), to-at)], int64(at))
		for i := 0; ; i++ {
			hit := bytes.Index(buffer[i:n], pattern)
			if hit < 0 {
				break
			}
			i += hit
			if !within(at+uintptr(i), own, uintptr(len(buffer))) {
				count++
			}
		}
		if err != nil || uintptr(n) <= overlap {
			return count // a guard page, or memory of a device
		}
		at += uintptr(n) - overlap
	}
	return count
}

// within: the secret starts its own page; the search buffer is of size bytes.
func within(at uintptr, own []uintptr, size uintptr) bool {
	for i, start := range own {
		if i == 0 && at == start || i == 1 && at >= start && at < start+size {
			return true
		}
	}
	return false
}

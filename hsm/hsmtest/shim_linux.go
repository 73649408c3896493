package hsmtest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"claviger/hsm/softhsm"
)

//go:embed testdata/shim.c
var shimSource []byte

// When says on which side of the real call a fault comes.
type When string

const (
	Before When = "before" // the token does nothing
	After  When = "after"  // the token has done it
)

// Control tells a shim what to do. Each change starts the counting of calls anew
// and brings a removed device back.
type Control struct {
	t          testing.TB
	dir        string
	generation int
	orders     []string
	pad        bool
}

// Shim compiles the misbehaving module in front of SoftHSM. It needs a C
// compiler, as the module's driver does.
func Shim(t testing.TB) (path string, control *Control) {
	t.Helper()
	real, err := softhsm.Available()
	if err != nil {
		t.Fatal(err)
	}
	return ShimOf(t, real, "")
}

// ShimOf compiles the misbehaving module in front of another one. Reserved is what
// that one wants in C_Initialize's pReserved, if anything.
func ShimOf(t testing.TB, real, reserved string) (path string, control *Control) {
	t.Helper()
	c := &Control{t: t, dir: t.TempDir()}
	source := filepath.Join(c.dir, "shim.c")
	path = filepath.Join(c.dir, "shim.so")
	if err := os.WriteFile(source, shimSource, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(c.file("reached"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(c.file("pad"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	define := func(name, value string) string { return fmt.Sprintf("-D%s=%q", name, value) }
	out, err := exec.Command("cc", "-shared", "-fPIC", "-Wall", "-Werror", "-O1", "-o", path, source,
		define("REAL", real), define("CONTROL", c.file("control")), define("LOG", c.file("log")), define("REACHED", c.file("reached")), define("RESERVED", reserved),
		define("PAD", c.file("pad")), define("PINS", c.file("pins")),
		"-ldl").CombinedOutput()
	if err != nil {
		t.Fatalf("couldn't compile the shim module: %v\n%s", err, out)
	}
	return path, c
}

// Shimmed is SoftHSM behind the misbehaving module.
func Shimmed(t testing.TB, start Start) (*Token, *Control) {
	t.Helper()
	_, env := Store(t)
	library, control := Shim(t)
	return Fresh(t, start, library, env, ""), control
}

func (c *Control) file(name string) string { return filepath.Join(c.dir, name) }

// Reset lets the module behave.
func (c *Control) Reset() {
	c.orders = nil
	c.write()
}

// Return makes the nth call (0: every one) of function ("*": any) return code.
func (c *Control) Return(function string, nth int, when When, code uint) {
	c.at(function, nth, when, fmt.Sprintf("return 0x%x", code))
}

// Remove takes the device away at the nth call of function, until the next
// change: that call and all later ones say CKR_DEVICE_REMOVED, no slot has a token.
func (c *Control) Remove(function string, nth int, when When) { c.at(function, nth, when, "remove") }

// Crash makes the module touch memory that is not there.
func (c *Control) Crash(function string, nth int, when When) { c.at(function, nth, when, "crash") }

// Kill ends the module's process with SIGKILL.
func (c *Control) Kill(function string, nth int, when When) { c.at(function, nth, when, "kill") }

// Hang makes the call never return; Reached waits for that moment.
func (c *Control) Hang(function string, nth int, when When) { c.at(function, nth, when, "hang") }

// Reached returns when a call ordered to hang hangs.
func (c *Control) Reached() {
	c.t.Helper()
	if _, err := os.ReadFile(c.file("reached")); err != nil {
		c.t.Error(err)
	}
}

// Attribute makes objects of a class (CKO_ number) say value for an attribute
// (CKA_ number), whatever they are. It cannot be longer than what they are.
func (c *Control) Attribute(class, attribute uint, value []byte) {
	c.order(fmt.Sprintf("attribute %x %x %x", class, attribute, value))
}

// OnlySlot hides all slots but one.
func (c *Control) OnlySlot(slot uint) { c.order(fmt.Sprintf("only-slot %x", slot)) }

// HideMechanism leaves a mechanism (CKM_ number) out of the token's list.
func (c *Control) HideMechanism(n uint) { c.order(fmt.Sprintf("hide-mechanism %x", n)) }

// Blind makes searches find nothing once an object was to be destroyed.
func (c *Control) Blind() { c.order("blind") }

// Stuck makes the random generator repeat one byte.
func (c *Control) Stuck(b byte) { c.order(fmt.Sprintf("random %x", b)) }

// Repeat makes the random generator give 0, 1, 2, … each time.
func (c *Control) Repeat() { c.order("repeat") }

// TokenFlags sets and clears bits of CK_TOKEN_INFO.flags.
func (c *Control) TokenFlags(set, clear uint) { c.order(fmt.Sprintf("token-flags %x %x", set, clear)) }

// SlotFlags sets and clears bits of CK_SLOT_INFO.flags.
func (c *Control) SlotFlags(set, clear uint) { c.order(fmt.Sprintf("slot-flags %x %x", set, clear)) }

// Pad lets the tokens say that PINs are entered on the device, which Reset does not
// take back: none that is sent is accepted, and whoever asks by a null pointer finds
// people at the pad who enter what is right.
func (c *Control) Pad() {
	c.pad = true
	c.write()
}

// PINs lists every call that takes a PIN, ever, and how it came: "C_Login at the pad"
// or "C_Login brought a PIN".
func (c *Control) PINs() []string {
	c.t.Helper()
	text, err := os.ReadFile(c.file("pins"))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// Calls lists the functions called since the last change.
func (c *Control) Calls() []string {
	c.t.Helper()
	text, err := os.ReadFile(c.file("log"))
	if err != nil {
		c.t.Fatal(err)
	}
	var calls []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasSuffix(line, " took effect") {
			calls = append(calls, line)
		}
	}
	return calls
}

func (c *Control) at(function string, nth int, when When, what string) {
	c.order(fmt.Sprintf("at %s %d %s %s", function, nth, when, what))
}

func (c *Control) order(line string) {
	c.orders = append(c.orders, line)
	c.write()
}

func (c *Control) write() {
	c.t.Helper()
	c.generation++
	text := fmt.Sprintf("generation %d\n%s\n", c.generation, strings.Join(c.orders, "\n"))
	if c.pad {
		text += "pad\n"
	}
	// By rename: the module may be reading.
	if err := os.WriteFile(c.file("next"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.file("log"), nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(c.file("next"), c.file("control")); err != nil {
		c.t.Fatal(err)
	}
}

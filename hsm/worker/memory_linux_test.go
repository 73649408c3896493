package worker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
)

// letters draws a PIN that never was in Go's memory.
func letters(t *testing.T, n int) *secret.Buffer {
	t.Helper()
	pin, err := secret.Random(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pin.Wipe)
	for i, b := range pin.Bytes() {
		pin.Bytes()[i] = "abcdefghijkmnopqrstuvwxyzABCDEF0"[b&31]
	}
	return pin
}

// TestNoPINStaysBehind uses PINs in every way there is, and imports a key, then
// looks at the memory of both processes.
func TestNoPINStaysBehind(t *testing.T) {
	if !hsmtest.Undisturbed(t) {
		return
	}
	k := hsmtest.SoftHSM(t, start)
	s := k.Session(t)
	ctx := t.Context()
	var pins []*secret.Buffer
	lengths := []int{8, 48} // 48 is what the cards give
	if hsmtest.Proof() {
		lengths = []int{8, 13, 24, 31, 48, 64}
	}
	for _, n := range lengths {
		user, so, other := letters(t, n), letters(t, n), letters(t, n)
		pins = append(pins, user, so, other)
		wrong := s.Login(ctx, hsm.Operator, other) // refused: logged in already, or wrong
		err := errors.Join(
			s.SetPIN(ctx, k.User, user), s.Logout(ctx), s.Login(ctx, hsm.Operator, user), s.Logout(ctx),
			s.Login(ctx, hsm.SecurityOfficer, k.SO), s.SetPIN(ctx, k.SO, so), s.InitPIN(ctx, user), s.Logout(ctx),
			hsm.ChangePIN(ctx, s, hsm.Operator, user, other), hsm.ChangePIN(ctx, s, hsm.Operator, other, user),
			hsm.ChangePIN(ctx, s, hsm.SecurityOfficer, so, other), hsm.ChangePIN(ctx, s, hsm.SecurityOfficer, other, so),
			s.Login(ctx, hsm.Operator, user))
		if err != nil || wrong == nil {
			t.Fatal(err, wrong)
		}
		k.User, k.SO = user, so
	}
	kek := letters(t, 32)
	pins = append(pins, kek)
	if err := errors.Join(s.Logout(ctx), s.Login(ctx, hsm.SecurityOfficer, k.SO)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.(hsm.Wrapper).ImportWrappingKey(ctx, hsmtest.WrappingKey("kek", false, true), kek); err != nil {
		t.Fatal(err)
	}
	restore, key := hsmtest.WrappingKey("restore", true, false), hsmtest.Spec("key", hsm.ECP256)
	key.Protection = hsm.WrapBackup
	if _, err := s.(hsm.Wrapper).ImportWrappingKey(ctx, restore, kek); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Logout(ctx), s.Login(ctx, hsm.Operator, k.User)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Generate(ctx, key); err != nil {
		t.Fatal(err)
	}
	wrapped, err := s.(hsm.Wrapper).Wrap(ctx, key.ID, hsmtest.ID("kek"))
	if err != nil {
		t.Fatal(err)
	}
	spki, err := s.PublicKey(ctx, key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(ctx, key.ID, key.Label); err != nil {
		t.Fatal(err)
	}
	if _, err := s.(hsm.Wrapper).Unwrap(ctx, key, restore.ID, wrapped, spki); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := letters(t, 48)
	pins = append(pins, again)
	if _, err := k.Module.InitToken(ctx, k.Serial, "again", again); err == nil {
		t.Error("initialised with a wrong PIN")
	}
	if _, err := k.Module.InitToken(ctx, k.Serial, "again", k.SO); err != nil {
		t.Error(err)
	}
	runtime.GC()
	looked := 0
	for _, pin := range pins {
		// An allocator writes its own numbers over the start of what is freed, so the
		// end of a PIN is looked for, too.
		end := secret.New(pin.Len())
		t.Cleanup(end.Wipe)
		if err := end.Append(pin.Bytes()[pin.Len()/2:]...); err != nil {
			t.Fatal(err)
		}
		for _, look := range []struct {
			pid   int
			what  *secret.Buffer
			words string
			want  int
		}{
			{os.Getpid(), pin, "PIN in the window's process", 0},
			{os.Getpid(), end, "end of a PIN in the window's process", 1}, // in the PIN's own page
			{client(t, k).Pid(), pin, "PIN in the worker", 0},
			{client(t, k).Pid(), end, "end of a PIN in the worker", 0},
		} {
			if look.what.Len() < 8 {
				continue // too short to be nobody else's
			}
			looked++
			n, err := hsmtest.Copies(look.pid, look.what)
			if errors.Is(err, os.ErrPermission) {
				t.Skip("another process's memory can be read as root only")
			}
			if err != nil || n != look.want {
				t.Errorf("%s (%d characters): %d times, want %d, %v", look.words, look.what.Len(), n, look.want, err)
			}
		}
	}
	if hsmtest.Proof() && !t.Failed() {
		fmt.Printf("PROOF: hsm: %d PINs and keys, whole and in halves, looked for %d times in the memory of the window's process and of the module's: no copy but the lender's own\n", len(pins), looked)
	}
}

// TestNoKeyStaysBehindUnderAPair imports a key into a token that takes none in the
// clear: what is encrypted to the token's own pair leaves no copy either.
func TestNoKeyStaysBehindUnderAPair(t *testing.T) {
	if !hsmtest.Proof() || !hsmtest.Undisturbed(t) {
		return // the token makes an RSA pair for it
	}
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	control.Return("C_CreateObject", 0, hsmtest.Before, 0x54) // FUNCTION_NOT_SUPPORTED
	kek := letters(t, 32)
	if _, err := s.(hsm.Wrapper).ImportWrappingKey(t.Context(), hsmtest.WrappingKey("kek", true, false), kek); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	for pid, want := range map[int]int{os.Getpid(): 0, client(t, k).Pid(): 0} {
		n, err := hsmtest.Copies(pid, kek)
		if errors.Is(err, os.ErrPermission) {
			t.Skip("another process's memory can be read as root only")
		}
		if err != nil || n != want {
			t.Errorf("process %d: %d times, %v", pid, n, err)
		}
	}
}

// TestNothingLeaks opens and closes a worker many times.
func TestNothingLeaks(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	cycles := 10
	if hsmtest.Proof() {
		cycles = 200
	}
	cycle := func() {
		k.Restart(t)
		s, err := k.Module.Open(t.Context(), k.Serial) // k.Session would be kept for the test's end
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Login(t.Context(), hsm.Operator, k.User); err != nil {
			t.Fatal(err)
		}
		r, err := s.Random(t.Context(), 32)
		if err != nil {
			t.Fatal(err)
		}
		r.Wipe()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cycle() // what is made once
	before, heap := census(t), heapBytes()
	for range cycles {
		cycle()
	}
	after := census(t)
	for what, n := range before {
		if after[what] > n {
			t.Errorf("%d cycles left %d %s, before there were %d", cycles, after[what], what, n)
		}
	}
	if now := heapBytes(); now > heap+1<<20 {
		t.Errorf("%d cycles left a heap of %d bytes, before it had %d", cycles, now, heap)
	}
	if hsmtest.Proof() && !t.Failed() {
		fmt.Printf("PROOF: hsm: %d cycles of start, login, use and end left no process, descriptor, thread, locked page or memory\n", cycles)
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// census counts what this process holds.
func census(t *testing.T) map[string]int {
	t.Helper()
	runtime.GC()
	count := func(pattern string) int {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	self := filepath.Join("/proc", strconv.Itoa(os.Getpid()))
	children := 0
	threads, err := filepath.Glob(self + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range threads {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		for _, b := range text {
			if b == ' ' {
				children++
			}
		}
	}
	return map[string]int{
		"child processes": children,
		"descriptors":     count(self + "/fd/*"),
		// The scheduler may keep a few threads more or less.
		"threads beyond ten": max(0, count(self+"/task/*")-10),
		"goroutines":         runtime.NumGoroutine(),
		"locked pages":       lockedKB(t),
	}
}

func lockedKB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmLck:"); ok {
			var kb int
			if _, err := fmt.Sscan(rest, &kb); err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	t.Fatal("the system does not tell how much memory is locked")
	return 0
}

package worker_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/worker"
)

// client is the worker of a token.
func client(t *testing.T, k *hsmtest.Token) *worker.Client {
	t.Helper()
	c, ok := k.Module.(*worker.Client)
	if !ok {
		t.Fatalf("the module is a %T", k.Module)
	}
	return c
}

// gone asserts that every call fails at once, says that the process ended and
// gives this reason.
func gone(t *testing.T, k *hsmtest.Token, s hsm.Session, reason string) {
	t.Helper()
	_, find := s.Find(t.Context(), hsm.Query{})
	_, tokens := k.Module.Tokens(t.Context())
	login := s.Login(t.Context(), hsm.Operator, k.User)
	for _, err := range []error{find, tokens, login} {
		hsmtest.Class(t, err, hsm.Gone)
		if !strings.Contains(err.Error(), "the module's process ended") || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q does not say %q", err, reason)
		}
	}
	<-client(t, k).Done()
	if err := s.Close(); err != nil {
		t.Errorf("closing the session of a dead process: %v", err)
	}
	if err := k.Module.Close(); err != nil {
		t.Errorf("closing a dead process: %v", err)
	}
}

// usable asserts that a new worker finds the token, with so many objects.
func usable(t *testing.T, k *hsmtest.Token, objects int) hsm.Session {
	t.Helper()
	k.Restart(t)
	s := k.Session(t)
	found, err := s.Find(t.Context(), hsm.Query{})
	if err != nil || len(found) != objects {
		t.Errorf("after it the token shows %d objects, %v; want %d", len(found), err, objects)
	}
	return s
}

func TestKilledBetweenCalls(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	s := k.Session(t)
	if err := syscall.Kill(client(t, k).Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, k, s, "signal: killed")
	usable(t, k, 0)
}

func TestKilledOnPurpose(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	s := k.Session(t)
	client(t, k).Kill()
	gone(t, k, s, "it was ended")
	usable(t, k, 0)
}

func TestCrashInsideTheLibrary(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	for when, objects := range map[hsmtest.When]int{hsmtest.Before: 0, hsmtest.After: 2} {
		control.Crash("C_GenerateKeyPair", 1, when)
		_, err := s.Generate(t.Context(), hsmtest.Spec("key", hsm.ECP256))
		hsmtest.Class(t, err, hsm.Gone)
		gone(t, k, s, "the module's process ended")
		control.Reset()
		s = usable(t, k, objects)
		if _, err := s.Destroy(t.Context(), hsm.Query{ID: hsmtest.ID("key")}); err != nil {
			t.Error(err)
		}
	}
}

func TestKilledWhileTheTokenWorks(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	control.Hang("C_GenerateKeyPair", 1, hsmtest.After)
	result := make(chan error)
	go func() {
		_, err := s.Generate(context.Background(), hsmtest.Spec("orphan", hsm.ECP256))
		result <- err
	}()
	control.Reached()
	client(t, k).Kill()
	hsmtest.Class(t, <-result, hsm.Gone)
	gone(t, k, s, "it was ended")
	control.Reset()
	k.Restart(t)
	found, err := k.Session(t).Find(t.Context(), hsm.Query{ID: hsmtest.ID("orphan")})
	if err != nil || len(found) != 2 {
		t.Errorf("the orphan is not found by its id: %v, %v", found, err)
	}
}

// impatient is start with a deadline that a test can wait for.
func impatient(ctx context.Context, path string, env []string) (hsm.Module, error) {
	o, err := options(path, env)
	if err != nil {
		return nil, err
	}
	o.Deadline = 5 * time.Second
	return worker.Start(ctx, o)
}

func TestHangIsEndedByTheDeadline(t *testing.T) {
	t.Parallel()
	library, env := hsmtest.Store(t)
	library, control := hsmtest.ShimOf(t, library, "")
	k := hsmtest.Fresh(t, impatient, library, env, "")
	s := k.Session(t)
	control.Hang("C_Sign", 1, hsmtest.Before)
	go control.Reached()
	if _, err := s.Generate(t.Context(), hsmtest.Spec("key", hsm.ECP256)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Sign(t.Context(), hsmtest.ID("key"), []byte("x"))
	hsmtest.Class(t, err, hsm.Gone)
	gone(t, k, s, "did not answer in time")
	control.Reset()
	usable(t, k, 2)
}

func TestCloseWhileACallHangs(t *testing.T) {
	t.Parallel()
	library, env := hsmtest.Store(t)
	library, control := hsmtest.ShimOf(t, library, "")
	k := hsmtest.Fresh(t, impatient, library, env, "")
	s := k.Session(t)
	control.Hang("C_GenerateRandom", 1, hsmtest.Before)
	result := make(chan error)
	go func() {
		_, err := s.Random(context.Background(), 32)
		result <- err
	}()
	control.Reached()
	if err := k.Module.Close(); err == nil {
		t.Error("a module that hangs was closed in order")
	}
	hsmtest.Class(t, <-result, hsm.Gone)
	<-client(t, k).Done()
}

func TestCallGivenUp(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	control.Hang("C_GenerateRandom", 1, hsmtest.Before)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		control.Reached()
		cancel()
	}()
	_, err := s.Random(ctx, 32)
	hsmtest.Class(t, err, hsm.Gone)
	gone(t, k, s, "given up")
}

// One caller hangs, another waits for its turn: both are told.
func TestWaitingCallsFailToo(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	s := k.Session(t)
	control.Hang("C_GenerateRandom", 1, hsmtest.Before)
	results := make(chan error)
	for range 3 {
		go func() {
			_, err := s.Random(context.Background(), 32)
			results <- err
		}()
	}
	control.Reached()
	client(t, k).Kill()
	for range 3 {
		hsmtest.Class(t, <-results, hsm.Gone)
	}
}

func TestCallsFromManyGoroutines(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	s := k.Session(t)
	errs := make(chan error)
	for range 8 {
		go func() {
			var all error
			for range 20 {
				r, err := s.Random(context.Background(), 48)
				all = errors.Join(all, err)
				r.Wipe()
				_, err = k.Module.Tokens(context.Background())
				all = errors.Join(all, err)
			}
			errs <- all
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestDiesWithItsParent(t *testing.T) {
	// A second process of this binary holds a worker whose library hangs, tells
	// its number and is killed.
	k, control := hsmtest.Shimmed(t, start)
	if err := k.Module.Close(); err != nil {
		t.Fatal(err)
	}
	control.Hang("C_GetSlotList", 1, hsmtest.Before)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, "parent", k.Library)
	parent.Env = append(os.Environ(), k.Env...)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	// A file descriptor of the process, not its number, which may be used again.
	watch, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	control.Reached()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	// The signal has been sent when Wait returns; the process goes at its own pace.
	for watch.Signal(syscall.Signal(0)) == nil {
		if stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")); err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
}

// parentMain is the second process of TestDiesWithItsParent.
func parentMain(library string) error {
	m, err := start(context.Background(), library, []string{"SOFTHSM2_CONF=" + os.Getenv("SOFTHSM2_CONF")})
	if err != nil {
		return err
	}
	os.Stdout.WriteString(strconv.Itoa(m.(*worker.Client).Pid()) + "\n")
	_, err = m.Tokens(context.Background())
	return err
}

func TestRefusesSpies(t *testing.T) {
	library, env := hsmtest.Store(t)
	for _, spy := range []string{"LD_PRELOAD=/tmp/spy.so", "LD_AUDIT=/tmp/spy.so", "PKCS11SPY=" + library, "PKCS11SPY_OUTPUT=/tmp/pins"} {
		name, _, _ := strings.Cut(spy, "=")
		if _, err := start(t.Context(), library, append([]string{spy}, env...)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("with %s: %v", spy, err)
		}
	}
	t.Setenv("PKCS11SPY", library)
	if _, err := start(t.Context(), library, env); err == nil || !strings.Contains(err.Error(), "PKCS11SPY") {
		t.Errorf("with PKCS11SPY in our own environment: %v", err)
	}
}

// The spy that OpenSC ships is seen in the process, however it came there.
func TestRefusesSpyAsModule(t *testing.T) {
	spies, err := filepath.Glob("/usr/lib/*/pkcs11-spy.so")
	if err != nil || len(spies) == 0 {
		t.Fatal("OpenSC's pkcs11-spy.so is not there; make test installs opensc, which brings it")
	}
	_, env := hsmtest.Store(t)
	m, err := start(t.Context(), spies[0], env)
	if err == nil {
		_ = m.Close()
		t.Fatal("pkcs11-spy was loaded")
	}
}

func TestWhatCannotStart(t *testing.T) {
	library, env := hsmtest.Store(t)
	text := filepath.Join(t.TempDir(), "module.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]worker.Options{
		"no command":         {ModulePath: library},
		"no such command":    {Argv: []string{"/no/such/command"}, ModulePath: library},
		"not a worker":       {Argv: []string{"/bin/true"}, ModulePath: library},
		"no such module":     {Argv: []string{self, "worker"}, ModulePath: "/no/such/module.so"},
		"not a library":      {Argv: []string{self, "worker"}, ModulePath: text},
		"not a module":       {Argv: []string{self, "worker"}, ModulePath: "/lib/x86_64-linux-gnu/libc.so.6"},
		"no configuration":   {Argv: []string{self, "worker"}, ModulePath: library, Env: []string{"SOFTHSM2_CONF=/no/such.conf"}},
		"module is a folder": {Argv: []string{self, "worker"}, ModulePath: filepath.Dir(library), Env: env},
	} {
		m, err := worker.Start(t.Context(), o)
		if err == nil {
			_ = m.Close()
			t.Errorf("%s: it started", name)
			continue
		}
		if m != nil {
			t.Errorf("%s: a module beside the error", name)
		}
		t.Logf("%s: %v", name, err)
	}
}

func TestServeIsNotForTheCommandLine(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(self, "worker").CombinedOutput()
	if err == nil {
		t.Errorf("it served nobody: %s", out)
	}
}

// The vendor's library finds what Options name, and nothing of ours.
func TestCleanEnvironment(t *testing.T) {
	t.Setenv("DISPLAY", ":7")
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	k := hsmtest.SoftHSM(t, start)
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(client(t, k).Pid()), "environ"))
	if err != nil {
		// The worker is closed to other users' and, without root, to our own eyes.
		if errors.Is(err, os.ErrPermission) {
			t.Skip("the worker's environment can be read as root only")
		}
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimRight(string(text), "\x00"), "\x00") {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "PATH", "LANG", "GOTRACEBACK", "GODEBUG", "GLIBC_TUNABLES", "SOFTHSM2_CONF":
		case "glibc.malloc.tcache_count": // glibc cuts its own variable into pieces
		default:
			t.Errorf("the worker has %s in its environment", line)
		}
	}
}

func TestInfoNamesTheCode(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	info, err := k.Module.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	module, err := filepath.EvalSymlinks(k.Library)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{self: false, module: false}
	for _, m := range info.Mappings {
		if len(m.SHA256) != 64 {
			t.Errorf("%s has the hash %q", m.Path, m.SHA256)
		}
		if m.Path == module && m.SHA256 != info.SHA256 {
			t.Errorf("the module's file is %s, its mapping %s", info.SHA256, m.SHA256)
		}
		if _, ok := want[m.Path]; ok {
			want[m.Path] = true
		}
	}
	for path, seen := range want {
		if !seen {
			t.Errorf("%s is not among the mappings", path)
		}
	}
}

// Package hsmtest helps to test what talks to a PKCS#11 token: throw-away tokens,
// a module that misbehaves on demand, a suite that every token must pass, and a
// token in plain Go.
//
// # Throw-away tokens
//
// [SoftHSM] makes a token in the test's own folder, behind a module in its own
// process, so that tests may run in parallel. It is given the function that
// starts a module, because this package knows neither the worker nor the library:
//
//	func TestMain(m *testing.M) {
//		if len(os.Args) > 1 && os.Args[1] == "worker" { // re-executed by start
//			if worker.Serve(p11.Open) != nil { os.Exit(1) }
//			os.Exit(0)
//		}
//		os.Exit(m.Run())
//	}
//
//	func start(ctx context.Context, path string, env []string) (hsm.Module, error) {
//		self, err := os.Executable()
//		…
//		return worker.Start(ctx, worker.Options{Argv: []string{self, "worker"}, ModulePath: path, Env: env})
//	}
//
// # Misbehaviour
//
// [Shim] compiles a module in front of SoftHSM; its [Control] makes a chosen call
// fail, hang or crash, before or after it took effect, takes the device away, and
// lets the token tell lies.
package hsmtest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/hsm/softhsm"
)

// Proof says whether the full counts are asked for (make proof), not a sample.
func Proof() bool { return os.Getenv("CLAVIGER_PROOF") != "" }

// Start opens the module at path, in a process that has env in its environment.
type Start func(ctx context.Context, path string, env []string) (hsm.Module, error)

// Token is an initialised throw-away token.
type Token struct {
	Module  hsm.Module
	Serial  string
	Label   string
	SO      *secret.Buffer // the security officer's PIN
	User    *secret.Buffer // the user's PIN
	Library string         // the module's path
	Env     []string       // what its process needs, for tools such as pkcs11-tool too
	start   Start
}

// Store makes an empty SoftHSM store and returns what a process needs to use it.
// It stops the test where SoftHSM is not installed.
func Store(t testing.TB) (library string, env []string) {
	t.Helper()
	library, err := softhsm.Available()
	if err != nil {
		t.Fatal(err)
	}
	conf, err := softhsm.Config(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return library, softhsm.Env(conf)
}

// SoftHSM makes a token of its own for this test, with both PINs set.
func SoftHSM(t testing.TB, start Start) *Token {
	t.Helper()
	library, env := Store(t)
	return Fresh(t, start, library, env, "")
}

// Fresh initialises the token with this serial number ("": the free one) and
// sets its PINs. The module is closed at the end of the test.
func Fresh(t testing.TB, start Start, library string, env []string, serial string) *Token {
	t.Helper()
	k := Adopt(t, start, library, env, serial)
	ctx := context.Background()
	info, err := k.Module.InitToken(ctx, serial, k.Label, k.SO)
	if err != nil {
		t.Fatal(err)
	}
	k.Serial = info.Serial
	if err := k.setUserPIN(ctx); err != nil {
		t.Fatal(err)
	}
	return k
}

// Adopt opens a module whose token the test prepares by itself.
func Adopt(t testing.TB, start Start, library string, env []string, serial string) *Token {
	t.Helper()
	module, err := start(context.Background(), library, env)
	if err != nil {
		t.Fatal(err)
	}
	k := &Token{Module: module, Serial: serial, Label: "claviger test", Library: library, Env: env, start: start,
		SO: Secret(t, "so-87654321"), User: Secret(t, "user-12345678")}
	t.Cleanup(func() { _ = k.Module.Close() })
	return k
}

func (k *Token) setUserPIN(ctx context.Context) error {
	s, err := k.Module.Open(ctx, k.Serial)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Login(ctx, hsm.SecurityOfficer, k.SO); err != nil {
		return err
	}
	if err := s.InitPIN(ctx, k.User); err != nil {
		return err
	}
	return s.Logout(ctx)
}

// Session opens a session, with the user logged in.
func (k *Token) Session(t testing.TB) hsm.Session {
	t.Helper()
	s, err := k.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (k *Token) open() (hsm.Session, error) {
	s, err := k.Module.Open(context.Background(), k.Serial)
	if err != nil {
		return nil, err
	}
	if err := s.Login(context.Background(), hsm.Operator, k.User); err != nil {
		return nil, fmt.Errorf("%w; closing: %v", err, s.Close())
	}
	return s, nil
}

// Restart ends the module's process, however it is, and starts a new one.
func (k *Token) Restart(t testing.TB) {
	t.Helper()
	_ = k.Module.Close()
	module, err := k.start(context.Background(), k.Library, k.Env)
	if err != nil {
		t.Fatal(err)
	}
	k.Module = module
}

// Secret is text in a buffer that the test wipes.
func Secret(t testing.TB, text string) *secret.Buffer {
	b := secret.From([]byte(text))
	t.Cleanup(b.Wipe)
	return b
}

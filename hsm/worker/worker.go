// Package worker runs a vendor's PKCS#11 library in a process of its own, so
// that its crash, its hang and its memory are not the window's.
//
// The parent calls [Start] and gets an [hsm.Module] that behaves like the one
// inside. The child, any executable, calls [Serve] as its whole main:
//
//	if len(os.Args) > 1 && os.Args[1] == "worker" {
//		err := worker.Serve(p11.Open)
//		…
//
// # The two pipes
//
// Descriptor 3 carries net/rpc, descriptor 4 the secrets (PINs, random bytes):
// four bytes of length, then the bytes, written from a locked page and read into
// one, so that no encoder ever buffers them. Standard input, output and error of
// the vendor's library lead nowhere, and it has no terminal.
//
// # What the child is
//
// It has no environment but what [Options] names, no core dump, no debugger, one
// locked thread that owns the library and is not interrupted, memory that the C
// library overwrites when it is freed, and it dies with its parent. It does not start where an
// environment asks for a library in between (LD_PRELOAD, LD_AUDIT, pkcs11-spy,
// which writes PINs into its log).
//
// # When it fails
//
// Calls run one at a time, each with a deadline. A call that the library does
// not answer in time, or that its caller gives up, ends the process: C code
// cannot be interrupted in any other way. Then every call, this one and all
// later ones, is an *hsm.Error of class [hsm.Gone] that says how it ended, at
// once. What the token did is then unknown: start a new worker, read the token.
package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// Options say what to start.
type Options struct {
	// Argv is the worker's command line: an executable that calls Serve.
	Argv []string
	// ModulePath is the vendor's library.
	ModulePath string
	// Env is all that the library finds in its environment beside PATH and LANG,
	// as "NAME=value".
	Env []string
	// Deadline is how long one call may take: 0 means [DefaultDeadline]. A context
	// that ends earlier ends the call, and the process, earlier.
	Deadline time.Duration
	// PadDeadline is how long a call may take in which people act at the device
	// itself: 0 means [DefaultPadDeadline].
	PadDeadline time.Duration
}

const (
	// DefaultDeadline leaves a slow token time for an RSA-4096 pair.
	DefaultDeadline = 5 * time.Minute
	// DefaultPadDeadline leaves people time to make and present a quorum of cards at
	// the device, which ends it sooner by itself.
	DefaultPadDeadline = 30 * time.Minute
	// closeDeadline: closing makes nothing, and has no context.
	closeDeadline = 30 * time.Second
)

// Call and Answer are the messages on descriptor 3; exported because net/rpc
// asks for that. Secrets never travel in them.
type (
	Call struct {
		Session     int
		Path        string
		Serial      string
		Label       string
		User        hsm.User
		Spec        hsm.KeySpec
		Query       hsm.Query
		Data        hsm.Data
		Application string
		ID          []byte
		Message     []byte
		Count       int
		With        []byte
		Wrapped     hsm.Wrapped
		SPKI        []byte
		Challenge   hsm.Challenge
	}
	Answer struct {
		Fault      *Fault
		Session    int
		Module     hsm.ModuleInfo
		Limits     []string
		Token      hsm.TokenInfo
		Tokens     []hsm.TokenInfo
		Mechanisms []hsm.Mechanism
		Key        hsm.Key
		Deletion   hsm.Deletion
		Objects    []hsm.Object
		Data       []hsm.Data
		Bytes      []byte
		Count      int
		Wrapped    hsm.Wrapped
		Check      hsm.CheckValue
	}
	// Fault is an error of the module, with its type.
	Fault struct {
		Refusal  *hsm.Error
		Mismatch *hsm.Mismatch
		Text     string
	}
)

func faultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	f := &Fault{Text: err.Error()}
	errors.As(err, &f.Refusal)
	errors.As(err, &f.Mismatch)
	return f
}

func (f *Fault) err() error {
	switch {
	case f == nil:
		return nil
	case f.Mismatch != nil:
		return f.Mismatch
	case f.Refusal != nil:
		return f.Refusal
	}
	return errors.New(f.Text)
}

// maxSecret bounds one secret on the pipe. It fits a socket's buffer, so that a
// side that does not read never blocks the one that writes.
const maxSecret = 32 << 10

func sendSecret(w io.Writer, s *secret.Buffer) error {
	if s.Len() > maxSecret {
		return fmt.Errorf("couldn't send a secret of %d bytes: the most is %d", s.Len(), maxSecret)
	}
	if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(s.Len()))); err != nil {
		return err
	}
	_, err := w.Write(s.Bytes())
	return err
}

func receiveSecret(r io.Reader) (*secret.Buffer, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > maxSecret {
		return nil, fmt.Errorf("couldn't receive a secret of %d bytes: the most is %d", n, maxSecret)
	}
	return secret.Read(r, n)
}

// between are the variables that put a foreign library between us and the token.
var between = []string{"LD_PRELOAD", "LD_AUDIT", "PKCS11SPY", "PKCS11SPY_OUTPUT"}

func refuseSpies(environment []string) error {
	for _, line := range environment {
		name, value, _ := strings.Cut(line, "=")
		for _, bad := range between {
			if name == bad && value != "" {
				return fmt.Errorf("couldn't start the module's process: %s is set to %q, which puts another library between Claviger and the token, where it sees every PIN; start again without it (env -u %s …)", name, value, name)
			}
		}
	}
	return nil
}

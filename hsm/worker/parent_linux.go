package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// Client is the parent's end: an hsm.Module whose calls happen in the child. It
// may be used by several goroutines; calls wait for their turn.
type Client struct {
	process               *os.Process
	rpc                   *rpc.Client
	calls                 net.Conn
	secrets               net.Conn
	deadline, padDeadline time.Duration
	info                  hsm.ModuleInfo
	limits                []string

	turn chan struct{} // holds one token while a call runs
	dead chan struct{} // closed when the process has ended
	exit error         // how it ended; set before dead is closed

	mu  sync.Mutex
	why string // why we ended it; "" while we did not
}

var (
	_ hsm.Module    = (*Client)(nil)
	_ hsm.Session   = (*session)(nil)
	_ hsm.Inspector = (*session)(nil)
	_ hsm.Wrapper   = (*session)(nil)
	_ hsm.Prover    = (*session)(nil)
)

// Start starts a worker, lets it load the module, and returns when the module
// has said what it is. The module is a *Client.
func Start(ctx context.Context, o Options) (hsm.Module, error) {
	if err := refuseSpies(append(os.Environ(), o.Env...)); err != nil {
		return nil, err
	}
	if len(o.Argv) == 0 {
		return nil, errors.New("couldn't start the module's process: no command given")
	}
	path, err := filepath.Abs(o.ModulePath)
	if err != nil {
		return nil, fmt.Errorf("couldn't start the module's process: %w", err)
	}
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	if o.PadDeadline == 0 {
		o.PadDeadline = max(DefaultPadDeadline, o.Deadline)
	}
	c, err := launch(o)
	if err != nil {
		return nil, fmt.Errorf("couldn't start the module's process: %w", err)
	}
	answer, err := c.call(ctx, "load the PKCS#11 module "+path, "Load", Call{Path: path})
	if err != nil {
		c.abandon("it could not load the module")
		return nil, err
	}
	c.info, c.limits = answer.Module, answer.Limits
	return c, nil
}

func launch(o Options) (*Client, error) {
	calls, theirCalls, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirCalls.Close()
	secrets, theirSecrets, err := socketpair()
	if err != nil {
		calls.Close()
		return nil, err
	}
	defer theirSecrets.Close()

	cmd := exec.Command(o.Argv[0], o.Argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(baseEnvironment(), o.Env...)
	cmd.ExtraFiles = []*os.File{theirCalls, theirSecrets}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// A session of its own: no terminal to prompt on, and Ctrl-C in the terminal
		// does not end a key generation half way.
		Setsid: true,
		// When we die the worker ends too, but not in the middle of a call: a token
		// made of files would be left half written. It finishes the call, finds the
		// pipe closed and ends in order; a call that never returns it cuts off.
		Pdeathsig: syscall.SIGHUP,
	}
	c := &Client{
		calls: calls, secrets: secrets, deadline: o.Deadline, padDeadline: o.PadDeadline,
		turn: make(chan struct{}, 1), dead: make(chan struct{}),
	}
	started := make(chan error)
	go func() {
		// The parent-death signal comes when the thread that forked ends, not the
		// process (prctl(2), PR_SET_PDEATHSIG). So one thread is kept for it.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.exit = cmd.Wait()
		close(c.dead)
	}()
	if err := <-started; err != nil {
		calls.Close()
		secrets.Close()
		return nil, err
	}
	c.process = cmd.Process
	c.rpc = rpc.NewClient(calls)
	return c, nil
}

// baseEnvironment is what every worker has. glibc then overwrites each block it
// frees, which takes away the copies of PINs that C code leaves behind; only
// without its per-thread cache, which is not overwritten.
func baseEnvironment() []string {
	return []string{
		"PATH=/usr/bin:/bin",
		"LANG=C.UTF-8",
		"GOTRACEBACK=none",
		// The kernel saves the registers of an interrupted thread on its stack, with
		// what memcpy left in them; Go interrupts its threads to share them out.
		"GODEBUG=asyncpreemptoff=1",
		"GLIBC_TUNABLES=glibc.malloc.perturb=165:glibc.malloc.tcache_count=0",
	}
}

func socketpair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours := os.NewFile(uintptr(fds[0]), "worker")
	theirs := os.NewFile(uintptr(fds[1]), "worker")
	conn, err := net.FileConn(ours) // duplicates
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// Pid is the worker's process.
func (c *Client) Pid() int { return c.process.Pid }

// Done is closed when the worker's process has ended.
func (c *Client) Done() <-chan struct{} { return c.dead }

// Kill ends the process, as a crash would.
func (c *Client) Kill() { c.end("it was ended") }

// Limits says in words which of the worker's own protections this machine did
// not allow.
func (c *Client) Limits() []string { return c.limits }

// end kills the process and what it started. The first reason stays.
func (c *Client) end(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == "" {
		c.why = why
	}
	select {
	case <-c.dead: // its number may belong to another process by now
	default:
		// The group is its own (Setsid), so children of the library go too.
		_ = unix.Kill(-c.process.Pid, unix.SIGKILL)
	}
}

// gone is what every call returns once the process has ended.
func (c *Client) gone(op string) error {
	c.mu.Lock()
	why := c.why
	c.mu.Unlock()
	if why == "" {
		why = "the module's process ended"
		select {
		case <-c.dead:
			if c.exit != nil {
				why += " (" + c.exit.Error() + ")"
			}
		default:
		}
	} else {
		why = "the module's process ended: " + why
	}
	return &hsm.Error{Class: hsm.Gone, Op: op, Why: why}
}

// call makes one call. Secrets in in are lent; a method that answers with a
// secret leaves it on the pipe, for the caller of call to take (see Random).
func (c *Client) call(ctx context.Context, op, method string, args Call, in ...*secret.Buffer) (Answer, error) {
	if err := c.acquire(ctx, op); err != nil {
		return Answer{}, err
	}
	defer c.release()
	return c.exchange(ctx, op, method, args, in...)
}

func (c *Client) acquire(ctx context.Context, op string) error {
	select {
	case <-c.dead:
		return c.gone(op)
	case <-ctx.Done():
		return ctx.Err()
	case c.turn <- struct{}{}:
	}
	// With several ready, select picks any: nothing may be sent for a caller that
	// has given up.
	if err := ctx.Err(); err != nil {
		c.release()
		return err
	}
	return nil
}

func (c *Client) release() { <-c.turn }

func (c *Client) exchange(ctx context.Context, op, method string, args Call, in ...*secret.Buffer) (Answer, error) {
	c.mu.Lock()
	ended := c.why != ""
	c.mu.Unlock()
	if ended {
		return Answer{}, c.gone(op)
	}
	for _, s := range in {
		if s.Len() > maxSecret {
			return Answer{}, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("a secret of %d bytes is longer than any PIN", s.Len())}
		}
	}
	limit := time.Now().Add(c.allowed(in))
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	// A module's process that does not read any more must not block us either.
	if err := errors.Join(c.calls.SetWriteDeadline(limit), c.secrets.SetDeadline(limit)); err != nil {
		return Answer{}, c.broken(op)
	}
	for _, s := range in {
		if err := sendSecret(c.secrets, s); err != nil {
			return Answer{}, c.broken(op)
		}
	}
	var answer Answer
	select {
	case done := <-c.rpc.Go("Worker."+method, args, &answer, make(chan *rpc.Call, 1)).Done:
		if done.Error != nil {
			return Answer{}, c.broken(op)
		}
		return answer, answer.Fault.err()
	case <-ctx.Done():
		why := "the call was given up before the module answered"
		if time.Now().After(limit) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			why = "the module did not answer in time"
		}
		c.end(why)
		return Answer{}, c.gone(op) // answer may still be written to: not ours any more
	}
}

// allowed is how long a call may take. One that takes a PIN and is given none waits
// for people at the device.
func (c *Client) allowed(in []*secret.Buffer) time.Duration {
	if len(in) > 0 && !slices.ContainsFunc(in, func(s *secret.Buffer) bool { return s.Len() > 0 }) {
		return c.padDeadline
	}
	return c.deadline
}

// broken ends a process whose pipe does not work any more, usually because it has
// crashed; it waits a moment, for the words that say how.
func (c *Client) broken(op string) error {
	select {
	case <-c.dead:
	case <-time.After(time.Second):
		c.end("it broke off the talk")
	}
	return c.gone(op)
}

// abandon ends the process and closes the pipes.
func (c *Client) abandon(why string) {
	c.end(why)
	_ = c.rpc.Close()
	_ = c.secrets.Close()
	c.await()
}

// await gives a killed process time to go. One that is stuck in the kernel, in a
// driver, may not: then it is left behind.
func (c *Client) await() bool {
	select {
	case <-c.dead:
		return true
	case <-time.After(10 * time.Second):
		return false
	}
}

func (c *Client) Info(ctx context.Context) (hsm.ModuleInfo, error) {
	a, err := c.call(ctx, "read what the module says of itself", "Info", Call{})
	return a.Module, err
}

func (c *Client) Tokens(ctx context.Context) ([]hsm.TokenInfo, error) {
	a, err := c.call(ctx, "list the tokens", "Tokens", Call{})
	return a.Tokens, err
}

func (c *Client) Mechanisms(ctx context.Context, serial string) ([]hsm.Mechanism, error) {
	a, err := c.call(ctx, "list the token's mechanisms", "Mechanisms", Call{Serial: serial})
	return a.Mechanisms, err
}

func (c *Client) InitToken(ctx context.Context, serial, label string, so *secret.Buffer) (hsm.TokenInfo, error) {
	a, err := c.call(ctx, "initialise the token", "InitToken", Call{Serial: serial, Label: label}, so)
	return a.Token, err
}

func (c *Client) Open(ctx context.Context, serial string) (hsm.Session, error) {
	a, err := c.call(ctx, "open a session with the token", "Open", Call{Serial: serial})
	if err != nil {
		return nil, err
	}
	return &session{c: c, id: a.Session}, nil
}

// Close finalises the library and lets the process end by itself; if it does
// not, it is killed.
func (c *Client) Close() error {
	select {
	case <-c.dead:
		_ = c.rpc.Close()
		_ = c.secrets.Close()
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(closeDeadline, c.deadline))
	defer cancel()
	_, err := c.call(ctx, "close the module", "Close", Call{})
	if ctx.Err() != nil {
		c.end("it was closed, and did not answer")
	}
	// The end of the pipe is the child's end.
	_ = c.rpc.Close()
	_ = c.secrets.Close()
	if !c.await() {
		c.end("it did not end by itself")
		if !c.await() && err == nil {
			err = &hsm.Error{Class: hsm.Broken, Op: "close the module", Why: "its process does not end"}
		}
	}
	c.end("it was closed")
	return err
}

// session is one of the child's sessions.
type session struct {
	c      *Client
	id     int
	closed bool
}

func (s *session) call(ctx context.Context, op, method string, args Call, in ...*secret.Buffer) (Answer, error) {
	args.Session = s.id
	return s.c.call(ctx, op, method, args, in...)
}

func (s *session) Token(ctx context.Context) (hsm.TokenInfo, error) {
	a, err := s.call(ctx, "read the token's state", "Token", Call{})
	return a.Token, err
}

func (s *session) Random(ctx context.Context, n int) (*secret.Buffer, error) {
	op := fmt.Sprintf("draw %d random bytes from the token", n)
	if n > maxSecret {
		return nil, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("at most %d can be asked for at once", maxSecret)}
	}
	if err := s.c.acquire(ctx, op); err != nil {
		return nil, err
	}
	defer s.c.release()
	if _, err := s.c.exchange(ctx, op, "Random", Call{Session: s.id, Count: n}); err != nil {
		return nil, err
	}
	drawn, err := receiveSecret(s.c.secrets)
	if err != nil {
		return nil, s.c.broken(op)
	}
	return drawn, nil
}

func (s *session) Login(ctx context.Context, as hsm.User, pin *secret.Buffer) error {
	_, err := s.call(ctx, fmt.Sprintf("log in as %s", as), "Login", Call{User: as}, pin)
	return err
}

func (s *session) Logout(ctx context.Context) error {
	_, err := s.call(ctx, "log out", "Logout", Call{})
	return err
}

func (s *session) InitPIN(ctx context.Context, pin *secret.Buffer) error {
	_, err := s.call(ctx, "set the user PIN", "InitPIN", Call{}, pin)
	return err
}

func (s *session) SetPIN(ctx context.Context, old, new *secret.Buffer) error {
	_, err := s.call(ctx, "change the PIN", "SetPIN", Call{}, old, new)
	return err
}

func (s *session) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	a, err := s.call(ctx, fmt.Sprintf("generate the key %q", spec.Label), "Generate", Call{Spec: spec})
	return a.Key, err
}

func (s *session) Inspect(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	a, err := s.call(ctx, fmt.Sprintf("read the key %q", spec.Label), "Inspect", Call{Spec: spec})
	return a.Key, err
}

func (s *session) ImportWrappingKey(ctx context.Context, spec hsm.KeySpec, key *secret.Buffer) (hsm.Key, error) {
	a, err := s.call(ctx, fmt.Sprintf("import the wrapping key %q", spec.Label), "ImportWrappingKey", Call{Spec: spec}, key)
	return a.Key, err
}

func (s *session) SetTrusted(ctx context.Context, id []byte) (hsm.Object, error) {
	a, err := s.call(ctx, fmt.Sprintf("call the wrapping key of id %x trusted", id), "SetTrusted", Call{ID: id})
	if len(a.Objects) != 1 {
		return hsm.Object{}, err
	}
	return a.Objects[0], err
}

func (s *session) Wrap(ctx context.Context, id, with []byte) (hsm.Wrapped, error) {
	a, err := s.call(ctx, fmt.Sprintf("wrap the key of id %x", id), "Wrap", Call{ID: id, With: with})
	return a.Wrapped, err
}

func (s *session) Unwrap(ctx context.Context, spec hsm.KeySpec, with []byte, wrapped hsm.Wrapped, spki []byte) (hsm.Key, error) {
	a, err := s.call(ctx, fmt.Sprintf("unwrap the key %q", spec.Label), "Unwrap", Call{Spec: spec, With: with, Wrapped: wrapped, SPKI: spki})
	return a.Key, err
}

func (s *session) Find(ctx context.Context, q hsm.Query) ([]hsm.Object, error) {
	a, err := s.call(ctx, "list the token's objects", "Find", Call{Query: q})
	return a.Objects, err
}

func (s *session) PublicKey(ctx context.Context, id []byte) ([]byte, error) {
	a, err := s.call(ctx, fmt.Sprintf("read the public key with the id %x", id), "PublicKey", Call{ID: id})
	return a.Bytes, err
}

func (s *session) Sign(ctx context.Context, id, message []byte) ([]byte, error) {
	a, err := s.call(ctx, fmt.Sprintf("sign with the key of id %x", id), "Sign", Call{ID: id, Message: message})
	return a.Bytes, err
}

func (s *session) CheckValue(ctx context.Context, id []byte) (hsm.CheckValue, error) {
	a, err := s.call(ctx, fmt.Sprintf("compute the check value of the key of id %x", id), "CheckValue", Call{ID: id})
	return a.Check, err
}

func (s *session) Answer(ctx context.Context, id []byte, c hsm.Challenge) ([]byte, error) {
	a, err := s.call(ctx, fmt.Sprintf("answer a challenge with the key of id %x", id), "Answer", Call{ID: id, Challenge: c})
	return a.Bytes, err
}

func (s *session) Delete(ctx context.Context, id []byte, label string) (hsm.Deletion, error) {
	a, err := s.call(ctx, fmt.Sprintf("delete the key %q", label), "Delete", Call{ID: id, Label: label})
	return a.Deletion, err
}

func (s *session) Destroy(ctx context.Context, q hsm.Query) (int, error) {
	a, err := s.call(ctx, "destroy objects", "Destroy", Call{Query: q})
	return a.Count, err
}

func (s *session) PutData(ctx context.Context, d hsm.Data) error {
	_, err := s.call(ctx, fmt.Sprintf("store the data object %q", d.Label), "PutData", Call{Data: d})
	return err
}

func (s *session) GetData(ctx context.Context, application string) ([]hsm.Data, error) {
	a, err := s.call(ctx, fmt.Sprintf("read the data objects of %q", application), "GetData", Call{Application: application})
	return a.Data, err
}

func (s *session) Close() error {
	select {
	case <-s.c.dead:
		return nil // went with its process
	default:
	}
	if s.closed {
		return nil
	}
	s.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), min(closeDeadline, s.c.deadline))
	defer cancel()
	_, err := s.call(ctx, "close the session", "CloseSession", Call{})
	return err
}

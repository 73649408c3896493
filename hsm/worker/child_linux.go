package worker

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// The descriptors that Start hands over.
const (
	callsFD   = 3
	secretsFD = 4
)

// lastCall is how long a call may still take when the parent has died.
const lastCall = 10 * time.Second

// Serve is the worker's main: it loads one module with open, on this thread, and
// serves the parent until the parent closes the pipe. Call it on the main
// goroutine, return from main after it.
func Serve(open func(path string) (hsm.Module, error)) error {
	runtime.LockOSThread()
	if err := refuseSpies(os.Environ()); err != nil {
		return err
	}
	for _, fd := range []int{callsFD, secretsFD} {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
			return errors.New("couldn't serve as the module's process: Claviger starts it by itself, it is not for the command line")
		}
		// Programs that the library starts get no hold of the pipes.
		unix.CloseOnExec(fd)
	}
	unix.Umask(0o077) // SoftHSM's token files
	orphaned := make(chan os.Signal, 1)
	signal.Notify(orphaned, unix.SIGHUP)
	go func() {
		<-orphaned
		time.Sleep(lastCall)
		os.Exit(1)
	}()
	calls := os.NewFile(callsFD, "calls")
	service := &service{
		open: open, secrets: os.NewFile(secretsFD, "secrets"),
		sessions: make(map[int]hsm.Session),
	}
	for _, err := range secret.Harden() {
		service.limits = append(service.limits, err.Error())
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Worker", service); err != nil {
		return err
	}
	out := bufio.NewWriter(calls)
	codec := &codec{calls, gob.NewDecoder(calls), gob.NewEncoder(out), out}
	// ServeRequest answers on the calling goroutine: this one, on its one thread.
	for {
		err := server.ServeRequest(codec)
		if err == io.EOF {
			return service.end()
		}
		if err != nil {
			return fmt.Errorf("couldn't serve as the module's process: %w", errors.Join(err, service.end()))
		}
	}
}

// codec is net/rpc's gob codec, which it keeps to itself.
type codec struct {
	io.Closer
	dec *gob.Decoder
	enc *gob.Encoder
	out *bufio.Writer
}

func (c *codec) ReadRequestHeader(r *rpc.Request) error { return c.dec.Decode(r) }
func (c *codec) ReadRequestBody(body any) error         { return c.dec.Decode(body) }
func (c *codec) WriteResponse(r *rpc.Response, body any) error {
	if err := c.enc.Encode(r); err != nil {
		return err
	}
	if err := c.enc.Encode(body); err != nil {
		return err
	}
	return c.out.Flush()
}

// service answers the calls. Each method returns nil: what the module says
// travels in the answer's Fault, with its type. An error here is a broken pipe.
type service struct {
	open     func(path string) (hsm.Module, error)
	module   hsm.Module
	secrets  *os.File
	sessions map[int]hsm.Session
	last     int
	limits   []string
}

func (s *service) end() error {
	if s.module == nil {
		return nil
	}
	err := s.module.Close()
	s.module = nil
	return err
}

func (s *service) Load(c Call, a *Answer) error {
	module, err := s.open(c.Path)
	if err != nil {
		a.Fault = faultOf(err)
		return nil
	}
	s.module = module
	a.Limits = s.limits
	return s.Info(c, a)
}

func (s *service) Info(_ Call, a *Answer) error {
	info, err := s.module.Info(context.Background())
	if err == nil {
		info.Mappings, err = mappings()
	}
	a.Module, a.Fault = info, faultOf(err)
	return nil
}

func (s *service) Tokens(_ Call, a *Answer) error {
	tokens, err := s.module.Tokens(context.Background())
	a.Tokens, a.Fault = tokens, faultOf(err)
	return nil
}

func (s *service) Mechanisms(c Call, a *Answer) error {
	list, err := s.module.Mechanisms(context.Background(), c.Serial)
	a.Mechanisms, a.Fault = list, faultOf(err)
	return nil
}

func (s *service) InitToken(c Call, a *Answer) error {
	return s.with(1, func(pins []*secret.Buffer) {
		token, err := s.module.InitToken(context.Background(), c.Serial, c.Label, pins[0])
		a.Token, a.Fault = token, faultOf(err)
	})
}

func (s *service) Open(c Call, a *Answer) error {
	session, err := s.module.Open(context.Background(), c.Serial)
	if err != nil {
		a.Fault = faultOf(err)
		return nil
	}
	s.last++
	s.sessions[s.last] = session
	a.Session = s.last
	return nil
}

func (s *service) Close(_ Call, a *Answer) error {
	a.Fault = faultOf(s.end())
	return nil
}

// with takes the call's secrets off the pipe, always, and wipes them afterwards.
func (s *service) with(n int, use func([]*secret.Buffer)) error {
	var pins []*secret.Buffer
	defer func() {
		for _, p := range pins {
			p.Wipe()
		}
	}()
	for range n {
		p, err := receiveSecret(s.secrets)
		if err != nil {
			return err
		}
		pins = append(pins, p)
	}
	use(pins)
	return nil
}

// in finds the call's session.
func (s *service) in(c Call, a *Answer, use func(hsm.Session) error) error {
	session, ok := s.sessions[c.Session]
	if !ok {
		a.Fault = faultOf(&hsm.Error{Class: hsm.Gone, Op: "use the session", Why: "the session is closed"})
		return nil
	}
	a.Fault = faultOf(use(session))
	return nil
}

func (s *service) CloseSession(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) error {
		delete(s.sessions, c.Session)
		return h.Close()
	})
}

func (s *service) Token(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Token, err = h.Token(context.Background())
		return err
	})
}

func (s *service) Random(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) error {
		drawn, err := h.Random(context.Background(), c.Count)
		if err != nil {
			return err
		}
		defer drawn.Wipe()
		return sendSecret(s.secrets, drawn)
	})
}

func (s *service) Login(c Call, a *Answer) error {
	return s.with(1, func(pins []*secret.Buffer) {
		_ = s.in(c, a, func(h hsm.Session) error { return h.Login(context.Background(), c.User, pins[0]) })
	})
}

func (s *service) Logout(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) error { return h.Logout(context.Background()) })
}

func (s *service) InitPIN(c Call, a *Answer) error {
	return s.with(1, func(pins []*secret.Buffer) {
		_ = s.in(c, a, func(h hsm.Session) error { return h.InitPIN(context.Background(), pins[0]) })
	})
}

func (s *service) SetPIN(c Call, a *Answer) error {
	return s.with(2, func(pins []*secret.Buffer) {
		_ = s.in(c, a, func(h hsm.Session) error { return h.SetPIN(context.Background(), pins[0], pins[1]) })
	})
}

func (s *service) Generate(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Key, err = h.Generate(context.Background(), c.Spec)
		return err
	})
}

func (s *service) Inspect(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		i, ok := h.(hsm.Inspector)
		if !ok {
			return &hsm.Error{Class: hsm.NotSupported, Op: "read the key", Why: "the module's driver does not compare"}
		}
		a.Key, err = i.Inspect(context.Background(), c.Spec)
		return err
	})
}

// wrapper is for sessions that can.
func (s *service) wrapper(c Call, a *Answer, use func(hsm.Wrapper) error) error {
	return s.in(c, a, func(h hsm.Session) error {
		w, ok := h.(hsm.Wrapper)
		if !ok {
			return &hsm.Error{Class: hsm.NotSupported, Op: "wrap or unwrap a key", Why: "the module's driver does not wrap"}
		}
		return use(w)
	})
}

func (s *service) ImportWrappingKey(c Call, a *Answer) error {
	return s.with(1, func(keys []*secret.Buffer) {
		_ = s.wrapper(c, a, func(w hsm.Wrapper) (err error) {
			a.Key, err = w.ImportWrappingKey(context.Background(), c.Spec, keys[0])
			return err
		})
	})
}

func (s *service) SetTrusted(c Call, a *Answer) error {
	return s.wrapper(c, a, func(w hsm.Wrapper) error {
		o, err := w.SetTrusted(context.Background(), c.ID)
		a.Objects = []hsm.Object{o}
		return err
	})
}

func (s *service) Wrap(c Call, a *Answer) error {
	return s.wrapper(c, a, func(w hsm.Wrapper) (err error) {
		a.Wrapped, err = w.Wrap(context.Background(), c.ID, c.With)
		return err
	})
}

func (s *service) Unwrap(c Call, a *Answer) error {
	return s.wrapper(c, a, func(w hsm.Wrapper) (err error) {
		a.Key, err = w.Unwrap(context.Background(), c.Spec, c.With, c.Wrapped, c.SPKI)
		return err
	})
}

func (s *service) Find(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Objects, err = h.Find(context.Background(), c.Query)
		return err
	})
}

func (s *service) PublicKey(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Bytes, err = h.PublicKey(context.Background(), c.ID)
		return err
	})
}

func (s *service) Sign(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Bytes, err = h.Sign(context.Background(), c.ID, c.Message)
		return err
	})
}

func (s *service) CheckValue(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Check, err = h.CheckValue(context.Background(), c.ID)
		return err
	})
}

func (s *service) Answer(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		p, ok := h.(hsm.Prover)
		if !ok {
			return &hsm.Error{Class: hsm.NotSupported, Op: "answer a challenge", Why: "the module's driver does not answer challenges"}
		}
		a.Bytes, err = p.Answer(context.Background(), c.ID, c.Challenge)
		return err
	})
}

func (s *service) Delete(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Deletion, err = h.Delete(context.Background(), c.ID, c.Label)
		return err
	})
}

func (s *service) Destroy(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Count, err = h.Destroy(context.Background(), c.Query)
		return err
	})
}

func (s *service) PutData(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) error { return h.PutData(context.Background(), c.Data) })
}

func (s *service) GetData(c Call, a *Answer) error {
	return s.in(c, a, func(h hsm.Session) (err error) {
		a.Data, err = h.GetData(context.Background(), c.Application)
		return err
	})
}

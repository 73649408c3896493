package ui

import (
	"context"
	"iter"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"claviger/ceremony"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
	"claviger/ui/flow"
)

// goroutine names the one that calls it.
func goroutine() string {
	stack := make([]byte, 64)
	return strings.Fields(string(stack[:runtime.Stack(stack, false)]))[1]
}

// watch counts calls and tells of those that come from the window's thread.
type watch struct {
	window string
	wrong  func(what string)
	calls  atomic.Int64
}

// newWatch is for a window whose thread is the one that calls it.
func newWatch(t testing.TB) *watch {
	return &watch{window: goroutine(), wrong: func(what string) { t.Errorf("%s runs on the window's thread", what) }}
}

func (w *watch) off(what string) {
	w.calls.Add(1)
	if goroutine() == w.window {
		w.wrong(what)
	}
}

// apart is the program of every test's window: none of its methods, nor the record
// that it lends, is used on the window's thread. It embeds nothing, so a method that
// the window gets has to be watched here.
type apart struct {
	p Program
	w *watch
}

var _ Program = apart{}

func (a apart) Snapshot(ctx context.Context) (ceremony.Snapshot, error) {
	a.w.off("Snapshot")
	return a.p.Snapshot(ctx)
}

func (a apart) Starts(ctx context.Context) ([]flow.Start, error) {
	a.w.off("Starts")
	return a.p.Starts(ctx)
}

func (a apart) Missing(ctx context.Context) (flow.First, bool, error) {
	a.w.off("Missing")
	return a.p.Missing(ctx)
}

func (a apart) MakePractice(ctx context.Context) error {
	a.w.off("MakePractice")
	return a.p.MakePractice(ctx)
}

func (a apart) MakeReal(ctx context.Context, organisation, library string) error {
	a.w.off("MakeReal")
	return a.p.MakeReal(ctx, organisation, library)
}

func (a apart) Prepare(ctx context.Context, st flow.Start) (flow.Preparation, error) {
	a.w.off("Prepare")
	return a.p.Prepare(ctx, st)
}

func (a apart) Print(ctx context.Context, st flow.Start) (flow.Detail, error) {
	a.w.off("Print")
	return a.p.Print(ctx, st)
}

func (a apart) Orderable(ctx context.Context) ([]flow.Start, error) {
	a.w.off("Orderable")
	return a.p.Orderable(ctx)
}

func (a apart) OrderForm(ctx context.Context, st flow.Start) (flow.OrderForm, error) {
	a.w.off("OrderForm")
	return a.p.OrderForm(ctx, st)
}

func (a apart) Order(ctx context.Context, room ceremony.Room, o ceremony.OrderPlan) error {
	a.w.off("Order")
	return a.p.Order(ctx, room, o)
}

func (a apart) Withdraw(ctx context.Context, room ceremony.Room, w flow.Withdrawal, approver, reason string) error {
	a.w.off("Withdraw")
	return a.p.Withdraw(ctx, room, w, approver, reason)
}

func (a apart) Register(ctx context.Context, room ceremony.Room, script, approver string) error {
	a.w.off("Register")
	return a.p.Register(ctx, room, script, approver)
}

func (a apart) TakeInReceipt(ctx context.Context, room ceremony.Room, b ceremony.ReceiptTakenIn, people [2]ceremony.Part) error {
	a.w.off("TakeInReceipt")
	return a.p.TakeInReceipt(ctx, room, b, people)
}

func (a apart) Export(ctx context.Context, t flow.Target) (flow.Receipt, error) {
	a.w.off("Export")
	return a.p.Export(ctx, t)
}

func (a apart) Run(ctx context.Context, room ceremony.Room, st flow.Start, values map[string]string) (flow.Finished, error) {
	a.w.off("Run")
	return a.p.Run(ctx, room, st, values)
}

func (a apart) Resume(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
	a.w.off("Resume")
	return a.p.Resume(ctx, room)
}

func (a apart) TakeIn(ctx context.Context, room ceremony.Room, c flow.Carried) error {
	a.w.off("TakeIn")
	return a.p.TakeIn(ctx, room, c)
}

func (a apart) Practice(ctx context.Context, p ceremony.Prompt) (*secret.Buffer, error) {
	a.w.off("Practice")
	return a.p.Practice(ctx, p)
}

func (a apart) Look(ctx context.Context, look func(flow.Record) error) error {
	a.w.off("Look")
	return a.p.Look(ctx, func(r flow.Record) error {
		r.Ledger = watchedLedger{r.Ledger, a.w}
		return look(r)
	})
}

func (a apart) Verify(ctx context.Context, progress func(done, total int64)) (flow.Verification, error) {
	a.w.off("Verify")
	return a.p.Verify(ctx, progress)
}

func (a apart) MakeAgain(ctx context.Context, number string) (string, error) {
	a.w.off("MakeAgain")
	return a.p.MakeAgain(ctx, number)
}

func (a apart) ChangeKey(ctx context.Context, room ceremony.Room, c flow.KeyChange, people []ceremony.Part) error {
	a.w.off("ChangeKey")
	return a.p.ChangeKey(ctx, room, c, people)
}

func (a apart) Modules(ctx context.Context) ([]flow.Module, error) {
	a.w.off("Modules")
	return a.p.Modules(ctx)
}

func (a apart) Media(ctx context.Context) ([]flow.Medium, error) {
	a.w.off("Media")
	return a.p.Media(ctx)
}

func (a apart) CopyTo(ctx context.Context, number string, t flow.Target) (flow.Receipt, error) {
	a.w.off("CopyTo")
	return a.p.CopyTo(ctx, number, t)
}

// watchedLedger is what the pages of the record read.
type watchedLedger struct {
	l ledger.Reader
	w *watch
}

func (l watchedLedger) Head(ctx context.Context) (ledger.Head, error) {
	l.w.off("the ledger's Head")
	return l.l.Head(ctx)
}

func (l watchedLedger) Records(ctx context.Context, from, to int64) iter.Seq2[ledger.Record, error] {
	l.w.off("the ledger's Records")
	return l.l.Records(ctx, from, to)
}

func (l watchedLedger) Blob(ctx context.Context, h ledger.Hash) ([]byte, error) {
	l.w.off("the ledger's Blob")
	return l.l.Blob(ctx, h)
}

func (l watchedLedger) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	l.w.off("the ledger's ReadHashes")
	return l.l.ReadHashes(indexes)
}

// watchedModule is the token's library.
type watchedModule struct {
	m hsm.Module
	w *watch
}

func (m watchedModule) Info(ctx context.Context) (hsm.ModuleInfo, error) {
	m.w.off("the HSM's Info")
	return m.m.Info(ctx)
}

func (m watchedModule) Tokens(ctx context.Context) ([]hsm.TokenInfo, error) {
	m.w.off("the HSM's Tokens")
	return m.m.Tokens(ctx)
}

func (m watchedModule) Mechanisms(ctx context.Context, serial string) ([]hsm.Mechanism, error) {
	m.w.off("the HSM's Mechanisms")
	return m.m.Mechanisms(ctx, serial)
}

func (m watchedModule) InitToken(ctx context.Context, serial, label string, so *secret.Buffer) (hsm.TokenInfo, error) {
	m.w.off("the HSM's InitToken")
	return m.m.InitToken(ctx, serial, label, so)
}

func (m watchedModule) Open(ctx context.Context, serial string) (hsm.Session, error) {
	m.w.off("the HSM's Open")
	s, err := m.m.Open(ctx, serial)
	if err != nil {
		return nil, err
	}
	return watchedSession{s, m.w}, nil
}

func (m watchedModule) Close() error {
	return m.m.Close() // by the test itself
}

// watchedSession is a session with the token.
type watchedSession struct {
	s hsm.Session
	w *watch
}

func (s watchedSession) Token(ctx context.Context) (hsm.TokenInfo, error) {
	s.w.off("the session's Token")
	return s.s.Token(ctx)
}

func (s watchedSession) Random(ctx context.Context, n int) (*secret.Buffer, error) {
	s.w.off("the session's Random")
	return s.s.Random(ctx, n)
}

func (s watchedSession) Login(ctx context.Context, as hsm.User, pin *secret.Buffer) error {
	s.w.off("the session's Login")
	return s.s.Login(ctx, as, pin)
}

func (s watchedSession) Logout(ctx context.Context) error {
	s.w.off("the session's Logout")
	return s.s.Logout(ctx)
}

func (s watchedSession) InitPIN(ctx context.Context, pin *secret.Buffer) error {
	s.w.off("the session's InitPIN")
	return s.s.InitPIN(ctx, pin)
}

func (s watchedSession) SetPIN(ctx context.Context, old, new *secret.Buffer) error {
	s.w.off("the session's SetPIN")
	return s.s.SetPIN(ctx, old, new)
}

func (s watchedSession) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	s.w.off("the session's Generate")
	return s.s.Generate(ctx, spec)
}

func (s watchedSession) Find(ctx context.Context, q hsm.Query) ([]hsm.Object, error) {
	s.w.off("the session's Find")
	return s.s.Find(ctx, q)
}

func (s watchedSession) PublicKey(ctx context.Context, id []byte) ([]byte, error) {
	s.w.off("the session's PublicKey")
	return s.s.PublicKey(ctx, id)
}

func (s watchedSession) Sign(ctx context.Context, id, message []byte) ([]byte, error) {
	s.w.off("the session's Sign")
	return s.s.Sign(ctx, id, message)
}

func (s watchedSession) CheckValue(ctx context.Context, id []byte) (hsm.CheckValue, error) {
	s.w.off("the session's CheckValue")
	return s.s.CheckValue(ctx, id)
}

func (s watchedSession) Delete(ctx context.Context, id []byte, label string) (hsm.Deletion, error) {
	s.w.off("the session's Delete")
	return s.s.Delete(ctx, id, label)
}

func (s watchedSession) Destroy(ctx context.Context, q hsm.Query) (int, error) {
	s.w.off("the session's Destroy")
	return s.s.Destroy(ctx, q)
}

func (s watchedSession) PutData(ctx context.Context, d hsm.Data) error {
	s.w.off("the session's PutData")
	return s.s.PutData(ctx, d)
}

func (s watchedSession) GetData(ctx context.Context, application string) ([]hsm.Data, error) {
	s.w.off("the session's GetData")
	return s.s.GetData(ctx, application)
}

func (s watchedSession) Close() error {
	s.w.off("the session's Close")
	return s.s.Close()
}

// Each call on the window's thread is noticed, and the same call beside it is none.
func TestWatchSeesEveryCallOnTheWindowsThread(t *testing.T) {
	var seen []string
	w := &watch{window: goroutine(), wrong: func(what string) { seen = append(seen, what) }}
	for _, c := range []struct {
		of    reflect.Type
		value any
		not   string
	}{
		{reflect.TypeFor[Program](), apart{w: w}, ""}, {reflect.TypeFor[ledger.Reader](), watchedLedger{w: w}, ""},
		{reflect.TypeFor[hsm.Module](), watchedModule{w: w}, "Close"}, {reflect.TypeFor[hsm.Session](), watchedSession{w: w}, ""},
	} {
		for i := range c.of.NumMethod() {
			name := c.of.Method(i).Name
			if name == c.not {
				continue
			}
			method := reflect.ValueOf(c.value).MethodByName(name)
			var args []reflect.Value
			for in := range method.Type().Ins() {
				args = append(args, reflect.Zero(in))
			}
			call := func() {
				defer func() { recover() }() // there is nothing behind it
				method.Call(args)
			}
			seen = nil
			call()
			if len(seen) != 1 || !strings.HasSuffix(seen[0], name) {
				t.Errorf("%s of %s on the window's thread: told of %q", name, c.of, seen)
			}
			seen = nil
			beside := make(chan struct{})
			go func() {
				call()
				close(beside)
			}()
			<-beside
			if len(seen) != 0 {
				t.Errorf("%s of %s beside the window's thread: told of %q", name, c.of, seen)
			}
		}
	}
}

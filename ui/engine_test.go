package ui

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/practicetest"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/hsm/worker"
	"claviger/ui/flow"
)

func TestMain(m *testing.M) { practicetest.Main(m) }

// watchedRoom is where the engine, which alone calls ledger, HSM and KDF, comes to
// the window: from its own goroutine.
type watchedRoom struct {
	*watch
	room atomic.Pointer[room]
	cast ceremony.Room
}

func (r *watchedRoom) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	r.off("the engine")
	if window := r.room.Load(); window != nil {
		return window.Ask(ctx, p)
	}
	return r.cast.Ask(ctx, p)
}

func (r *watchedRoom) Show(s ceremony.Snapshot) {
	r.off("the engine")
	if window := r.room.Load(); window != nil {
		window.Show(s)
	}
}

// engine is the window's program over a practice site with a real token.
type engine struct {
	*play
	site *rehearse.Site
	room *watchedRoom
}

func (e *engine) Snapshot(context.Context) (ceremony.Snapshot, error) {
	return e.site.Snapshot(), nil
}

func (e *engine) Look(_ context.Context, look func(flow.Record) error) error {
	return look(flow.Record{State: e.site.State(), Ledger: e.site.Record(), Verified: true, Report: func(string) string { return "" }})
}

func (e *engine) Prepare(ctx context.Context, st flow.Start) (out flow.Preparation, err error) {
	src, err := assets.Script(st.Name)
	if err != nil {
		return out, err
	}
	return out, e.Look(ctx, func(r flow.Record) error {
		out, err = flow.NewPreparation(r, st, src, func(p *script.Plan) ([]ceremony.Part, error) { return rehearse.Parts(p.Roles) }, flow.TokenSeen{Info: hsm.TokenInfo{Label: "practice"}, Mechanisms: []hsm.Mechanism{
			{Name: "CKM_EC_KEY_PAIR_GEN", Flags: []string{"generate-key-pair"}}, {Name: "CKM_ECDSA", Flags: []string{"sign"}}}})
		return err
	})
}

func (e *engine) Run(ctx context.Context, r ceremony.Room, st flow.Start, values map[string]string) (flow.Finished, error) {
	window := r.(room)
	e.room.room.Store(&window)
	src, err := assets.Script(st.Name)
	if err == nil {
		err = e.site.Begin(ctx, src, values)
	}
	if err != nil {
		return flow.Finished{}, err
	}
	last := e.site.Last(st.Name)
	path, err := e.site.Evidence(ctx, last.Number)
	return flow.Finished{Number: last.Number, Status: string(last.Status), Report: path}, err
}

func (e *engine) Practice(_ context.Context, p ceremony.Prompt) (*secret.Buffer, error) {
	return e.site.Prop.Secret(p)
}

// TestEngineStaysOffTheWindowsThread: a whole ceremony of the real engine on a real
// token and a real ledger, to its report. The window shows each page and is never
// what the HSM, the ledger, the KDF or the PDF run on.
func TestEngineStaysOffTheWindowsThread(t *testing.T) {
	w := newWatch(t)
	dir := filepath.Join(t.TempDir(), "site")
	watched := &watchedRoom{watch: w}
	site := make(chan *rehearse.Site, 1)
	failed := make(chan error, 1)
	go func() {
		s, err := rehearse.Open(context.Background(), rehearse.Setting{Dir: dir, Worker: practicetest.Worker(), Host: practicetest.Workstation{}, Room: watched,
			Load: func(ctx context.Context) (hsm.Module, error) {
				library, env, err := rehearse.SoftHSM(filepath.Join(dir, "practice"))
				if err != nil {
					return nil, err
				}
				m, err := worker.Start(ctx, worker.Options{Argv: practicetest.Worker(), ModulePath: library, Env: env})
				return watchedModule{m, w}, err
			}})
		if err == nil {
			watched.cast = s.Cast()
			err = s.Prepare(context.Background())
		}
		failed <- err
		site <- s
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	e := &engine{play: &play{}, site: <-site, room: watched}
	t.Cleanup(func() {
		if err := e.site.Close(); err != nil {
			t.Error(err)
		}
	})
	before := w.calls.Load()
	d := open(t, e)
	d.until("overview")
	d.shows("THIS TOKEN IS SOFTWARE")
	d.start()
	d.answerAll(e)
	if e.site.Last("key-generation") == nil {
		t.Error("the ceremony is not sealed")
	}
	d.shell.goTo(flow.InLedger)
	d.until("ledger")
	if n := w.calls.Load() - before; n < 100 {
		t.Errorf("only %d calls were seen", n)
	}
}

// answerAll answers as the practice people do until the ceremony has ended: each
// page is shown before, and takes its practice secret as a person would.
func (d *desk) answerAll(e *engine) {
	d.t.Helper()
	deadline := time.After(60 * time.Second) // a hang, not a measure
	var asked *pending
	for !strings.Contains(d.shell.Window().Title(), "· done") {
		if p := d.shell.pending; p != nil && p != asked {
			asked = p
			d.answerOne(e, p)
		}
		select {
		case f := <-d.queue:
			f()
		case <-deadline:
			d.t.Fatalf("the ceremony does not end; the title is %q", d.shell.Window().Title())
		}
	}
}

func (d *desk) answerOne(e *engine, p *pending) {
	prompt := p.page.Prompt()
	p.handed = true
	d.shell.prompt()
	if err := e.site.Prop.See(prompt); err != nil {
		d.t.Fatal(err)
	}
	answer := ceremony.Answer{Verdict: ceremony.Agree, Fields: rehearse.Fill(prompt), Choice: "pause"}
	if p.page.Practice == "" {
		d.shell.answered(p, answer)
		return
	}
	d.shell.practice(p, func(b *secret.Buffer) {
		answer.Secret = secret.From(slices.Clone(b.Bytes()))
		d.shell.answered(p, answer)
	}, func(why string) { d.t.Error(why) })
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fyne.io/fyne/v2/app"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/script"
	"claviger/ceremony/site"
	"claviger/hsm/secret"
	"claviger/ledger"
	"claviger/ledger/sqlite"
	"claviger/ui"
	"claviger/ui/flow"
)

func window(ctx context.Context, args []string) error {
	f := flags("claviger")
	dir := f.String("site", "", "")
	practice := f.Bool("practice", false, "")
	module := f.String("module", "", "")
	serial := f.String("serial", "", "")
	if err := parse(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usagef("%q was not expected", f.Arg(0))
	}
	if (*module == "") != (*serial == "") {
		return usagef("--module and --serial go together")
	}
	number, err := serialNumber(*serial)
	if err != nil {
		return err
	}
	made, err := siteDir(true)
	if *dir != "" {
		made = *dir
	}
	if *dir == "" && !*practice {
		*dir, err = siteDir(false)
	} else {
		*dir = made
	}
	if err != nil {
		return err
	}
	if os.Getenv("DISPLAY") == "" {
		return errors.New("there is no display; claviger rehearse key-generation plays the same ceremony without one")
	}
	host, argv, err := self()
	if err != nil {
		return err
	}
	p := &program{setting: site.Setting{Dir: *dir, Worker: argv, Host: host, Module: *module, Serial: number}, practiceDir: made, practise: *practice}
	a := app.NewWithID("claviger.ceremony")
	shell := ui.New(ui.Config{App: a, Program: p, Do: ui.OnWindow, Later: ui.Later, Now: time.Now, Network: linksUp})
	a.Lifecycle().SetOnStarted(shell.Start)
	go func() {
		<-ctx.Done()
		ui.OnWindow(a.Quit)
	}()
	a.Run()
	shell.Stop()
	return p.close()
}

// program is what the window drives: one site. Its methods are called from one
// goroutine at a time beside the window's, and the mutex holds that.
type program struct {
	setting     site.Setting
	practiceDir string // where a practice site is made that nobody has named
	relay       relay

	mu       sync.Mutex
	practise bool       // the site is one of practice, and made if missing; guarded by mu
	site     *site.Site // guarded by mu
	scripts  map[ledger.Hash]*script.Plan
}

var _ ui.Program = (*program)(nil)

// relay hands the engine's questions to whichever room plays now.
type relay struct {
	mu   sync.Mutex
	room ceremony.Room // guarded by mu
}

func (r *relay) set(room ceremony.Room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.room = room
}

func (r *relay) get() ceremony.Room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.room
}

func (r *relay) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	room := r.get()
	if room == nil {
		return ceremony.Answer{}, errors.New("nobody is in the room")
	}
	return room.Ask(ctx, p)
}

func (r *relay) Show(s ceremony.Snapshot) {
	if room := r.get(); room != nil {
		room.Show(s)
	}
}

// open opens the site once; a practice site that is new is opened by the practice
// people before anyone sees it.
func (p *program) open(ctx context.Context) (*site.Site, error) {
	if p.site != nil {
		return p.site, nil
	}
	c := p.setting
	c.Room = &p.relay
	var err error
	// A real site refuses to contain practice secrets.
	if _, there := os.Stat((&ceremony.Folder{Dir: c.Dir}).Practice()); p.practise || there == nil {
		p.site, err = p.openPractice(ctx, c)
	} else {
		p.site, err = site.Open(ctx, c)
	}
	if locked := (*sqlite.LockedError)(nil); errors.As(err, &locked) {
		p.site, err = p.read(ctx, c, locked.Holder)
	}
	if err != nil {
		p.site = nil
	}
	return p.site, err
}

func (p *program) openPractice(ctx context.Context, c site.Setting) (*site.Site, error) {
	s, err := rehearse.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(s.Findings()) == 0 && !s.Ready() {
		p.relay.set(s.Cast())
		err := s.Prepare(ctx)
		p.relay.set(nil)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s.Site, nil
}

// practising is a practice site with its people.
func practising(s *site.Site) *rehearse.Site {
	return &rehearse.Site{Site: s, Prop: rehearse.Props(s.Folder.Practice())}
}

// read opens a site that another program writes. It may not have got to its
// first record yet.
func (p *program) read(ctx context.Context, c site.Setting, holder string) (*site.Site, error) {
	s, err := site.Read(ctx, c, holder)
	if err == nil && s.State().Size == 0 {
		err = errors.Join(fs.ErrNotExist, s.Close())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ceremony.Problem{Happened: "This site is just being made: " + holder + " writes its first record.", Safe: "Nothing was written here.", Do: "Go back to the overview: it shows the site as soon as it is there."}
	}
	return s, err
}

func (p *program) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.site == nil {
		return nil
	}
	err := p.site.Close()
	p.site = nil
	return err
}

func (p *program) Snapshot(ctx context.Context) (ceremony.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return ceremony.Snapshot{}, p.told(err)
	}
	if err := s.Reread(ctx); err != nil {
		return ceremony.Snapshot{}, p.told(err)
	}
	return s.Snapshot(), nil
}

// told puts an error into three lines for the screen.
func (p *program) told(err error) error {
	var problem *ceremony.Problem
	var refusal *ceremony.Refusal
	switch {
	case errors.As(err, &problem):
		return err
	case errors.As(err, &refusal):
		return &ceremony.Problem{Happened: sentence(refusal.Why), Safe: "Nothing was recorded of it.", Do: "Put right what it names, then try again.", Code: refusal.Rule}
	}
	return &ceremony.Problem{Happened: sentence(err.Error()), Safe: "Everything recorded before is on the disk.", Do: "Put right what it names, then go on from the overview.", Code: string(ceremony.ClassOf(err))}
}

func sentence(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return s
	}
	if r[0] >= 'a' && r[0] <= 'z' {
		r[0] -= 'a' - 'A'
	}
	if r[len(r)-1] != '.' {
		r = append(r, '.')
	}
	return string(r)
}

// Starts are the ceremonies that can be held here now: those that are ordered, and
// the shipped ones, which need an order first on a real site.
func (p *program) Starts(ctx context.Context) ([]flow.Start, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return nil, p.told(err)
	}
	shipped, err := p.shipped(s)
	if err != nil {
		return nil, p.told(err)
	}
	return append(flow.Ordered(p.record(ctx, s), time.Now()), shipped...), nil
}

// shipped are the shipped scripts that fit this site: each thing that a parameter
// names has to be there, and a site is opened once.
func (p *program) shipped(s *site.Site) ([]flow.Start, error) {
	names, err := assets.Names()
	if err != nil {
		return nil, err
	}
	var out []flow.Start
	for _, name := range names {
		src, err := assets.Script(name)
		if err != nil {
			return nil, err
		}
		plan, err := script.Parse(src, s.State().KnownKinds())
		if err != nil || (plan.Name == site.Opening) == s.Ready() {
			continue // what this program cannot play is not offered
		}
		if st, ok := flow.NewStart(plan, s.State(), s.FreeLabel); ok {
			if !s.State().Site.Practice {
				st.OrderFirst, st.Needs = true, "to be ordered first; "+st.Needs
			}
			out = append(out, st)
		}
	}
	return flow.InOrder(out), nil
}

func (p *program) Run(ctx context.Context, room ceremony.Room, st flow.Start, values map[string]string) (flow.Finished, error) {
	return p.play(ctx, room, func(s *site.Site) error {
		if st.Order != "" {
			leaf, err := ledger.ParseHash(st.Order)
			if err != nil {
				return err
			}
			return s.HoldOrdered(ctx, leaf)
		}
		src, err := assets.Script(st.Name)
		if err != nil {
			return err
		}
		if !s.State().Site.Practice {
			return errors.New("a real site holds no ceremony without an order")
		}
		return practising(s).Begin(ctx, src, values)
	})
}

func (p *program) Resume(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
	return p.play(ctx, room, func(s *site.Site) error { return s.Resume(ctx) })
}

func (p *program) play(ctx context.Context, room ceremony.Room, run func(*site.Site) error) (flow.Finished, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return flow.Finished{}, p.told(err)
	}
	before := s.State().Size
	if s.State().Site.Practice {
		room = practising(s).Beside(room)
	}
	p.relay.set(room)
	err = run(s)
	p.relay.set(nil)
	all := s.State().Ceremonies
	if err != nil && s.State().Size == before || len(all) == 0 {
		return flow.Finished{}, p.told(err)
	}
	last := all[len(all)-1]
	done := flow.Finished{Number: last.Number, Status: string(last.Status), Contradicted: s.State().Contradiction != ""}
	_, done.CopiesDue = s.State().CopiesDue()
	if last.Status == ceremony.AbortedStatus {
		done.CleanUp = s.State().CleanUp(last)
	}
	var stop *ceremony.Stop
	if err != nil && !errors.As(err, &stop) {
		if open := last.OpenIntents(); len(open) > 0 {
			act := s.State().ActLine(open[0].Intent.Act).Label
			return done, &ceremony.Problem{Happened: fmt.Sprintf("The module stopped while the token did this: %s. Its outcome is unknown.", act),
				Safe: "The intent and the fault are recorded. Nothing is assumed.",
				Do:   "Resume the ceremony: when the cards have opened the token, it is read, and what it holds is shown.", Code: err.Error()}
		}
		return done, p.told(err)
	}
	if cp, err := ledger.ReadCheckpoint(s.State().Note); err == nil {
		done.Head, done.Size = cp.Root.String(), cp.Size
	}
	if last.Status != ceremony.SealedStatus && last.Status != ceremony.AbortedStatus {
		return done, nil
	}
	done.Report, err = s.Evidence(ctx, last.Number)
	if err != nil {
		return done, p.told(err)
	}
	done.Key = filepath.Join(filepath.Dir(done.Report), "site.vkey")
	return done, nil
}

func (p *program) TakeIn(ctx context.Context, room ceremony.Room, c flow.Carried) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return p.told(err)
	}
	brought := []byte(c.Text)
	if c.Path != "" {
		if brought, err = readCheckpoint(c.Path); err != nil {
			return &ceremony.Problem{Happened: sentence(err.Error()), Safe: "Nothing was recorded.", Do: "Type the whole path of the file, or paste its text."}
		}
	}
	p.relay.set(room)
	defer p.relay.set(nil)
	_, err = s.TakeIn(ctx, brought)
	if stop := (*ceremony.Stop)(nil); err == nil || errors.As(err, &stop) {
		return nil
	}
	return p.told(err)
}

// readCheckpoint reads a file that is none of ours: it may be anything.
func readCheckpoint(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the checkpoint: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > 2*ledger.MaxNote {
		return nil, fmt.Errorf("%s is no file with a checkpoint", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the checkpoint: %w", err)
	}
	return b, nil
}

// Practice is what the prompt's practice person would type. It is asked for
// while a ceremony plays, so it takes no lock: it reads files that the ceremony
// does not change.
func (p *program) Practice(_ context.Context, pr ceremony.Prompt) (*secret.Buffer, error) {
	folder := ceremony.Folder{Dir: p.setting.Dir}
	b, err := rehearse.Props(folder.Practice()).Secret(pr)
	if err == nil && b == nil {
		err = errors.New("no practice secret answers this")
	}
	return b, err
}

package ui

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
	"claviger/ui/view"
)

// Program is what the window drives. Every method may take its time: the shell never
// calls one on the window's thread.
type Program interface {
	// Snapshot verifies the record and tells what it holds.
	Snapshot(ctx context.Context) (ceremony.Snapshot, error)
	// Starts are the ceremonies that can be held here.
	Starts(ctx context.Context) ([]flow.Start, error)
	// Missing says where a site would be made, and the script that opens one; false
	// where there is a site.
	Missing(ctx context.Context) (flow.First, bool, error)
	// MakePractice and MakeReal make a site: of practice, opened; or real and empty.
	MakePractice(ctx context.Context) error
	MakeReal(ctx context.Context, organisation, library string) error
	// Prepare looks at everything that a ceremony needs; nothing begins.
	Prepare(ctx context.Context, st flow.Start) (flow.Preparation, error)
	// Print writes the paper script, and tells where.
	Print(ctx context.Context, st flow.Start) (flow.Detail, error)
	// Orderable are the ceremonies that an approver can order here.
	Orderable(ctx context.Context) ([]flow.Start, error)
	OrderForm(ctx context.Context, st flow.Start) (flow.OrderForm, error)
	// Order, Withdraw and Register are signed in the room; an error, too, when who
	// is asked goes back.
	Order(ctx context.Context, room ceremony.Room, o ceremony.OrderPlan) error
	Withdraw(ctx context.Context, room ceremony.Room, w flow.Withdrawal, approver, reason string) error
	Register(ctx context.Context, room ceremony.Room, script, approver string) error
	// TakeInReceipt has two people sign what arrived for a ceremony's evidence.
	TakeInReceipt(ctx context.Context, room ceremony.Room, b ceremony.ReceiptTakenIn, people [2]ceremony.Part) error
	// Export writes the ledger as plain files.
	Export(ctx context.Context, t flow.Target) (flow.Receipt, error)
	// Run holds a ceremony in the room until it ends or stops.
	Run(ctx context.Context, room ceremony.Room, st flow.Start, values map[string]string) (flow.Finished, error)
	// Resume goes on with the open one.
	Resume(ctx context.Context, room ceremony.Room) (flow.Finished, error)
	// TakeIn compares a carried checkpoint with the record; nil when that is
	// recorded, or when who brought it went back.
	TakeIn(ctx context.Context, room ceremony.Room, c flow.Carried) error
	// Practice is what a practice person would type; whoever asked wipes it. On
	// a real site it is an error.
	Practice(ctx context.Context, p ceremony.Prompt) (*secret.Buffer, error)
	// Look lends the record for as long as look runs; nothing is added to it
	// meanwhile.
	Look(ctx context.Context, look func(flow.Record) error) error
	// Verify audits the whole ledger anew and tells how far it is.
	Verify(ctx context.Context, progress func(done, total int64)) (flow.Verification, error)
	// MakeAgain makes the evidence of a ceremony from the records, and says in
	// words how it came out.
	MakeAgain(ctx context.Context, number string) (string, error)
	// ChangeKey brings a key to another state by the word of these people, who
	// sign in the room; an error, too, when one of them went back.
	ChangeKey(ctx context.Context, room ceremony.Room, c flow.KeyChange, people []ceremony.Part) error
	// Modules are the PKCS#11 modules of this workstation, with their tokens.
	Modules(ctx context.Context) ([]flow.Module, error)
	// Media are the removable ones that are mounted.
	Media(ctx context.Context) ([]flow.Medium, error)
	// CopyTo copies the evidence of a ceremony, or the ledger where number is "",
	// and reads it back.
	CopyTo(ctx context.Context, number string, t flow.Target) (flow.Receipt, error)
}

// Shell is the window and what it shows.
type Shell struct {
	app     fyne.App
	window  fyne.Window
	program Program
	do      Dispatcher
	later   Timer
	now     func() time.Time

	look     *theme.Theme
	frame    *view.Frame
	line     *kit.ProgressLine
	menu     *menu
	witness  *witness
	scanner  *kit.Quiet
	snapshot ceremony.Snapshot
	screen   *view.Screen // that is shown
	pending  *pending     // the prompt that waits for its answer
	running  bool         // the engine plays
	outside  bool         // and what it asks belongs to no ceremony
	asked    int          // prompts of this run
	heard    heard        // what was said aloud last
	quiet    bool         // keys of a scanner may still be coming
	hands    string       // who was handed the keyboard, until something public comes
	titles   int          // set so far
	visits   int          // of places: what was read for one is not shown in another
	place    string       // where we are outside a ceremony
	trail    []shown      // the page that is shown there, behind those that led to it
	network  func() ([]string, error)
	net      flow.Network
	ctx      context.Context
	cancel   context.CancelFunc
}

// pending is a prompt and its page, which stays while a sheet lies over it. The
// page of a private one is made only when the keyboard was handed over.
type pending struct {
	page   flow.Page
	answer func(ceremony.Answer)
	title  string
	coming string // the title of the hand-over
	handed bool   // who is asked sits at the keyboard
	over   *view.Screen
	make   func() *view.Screen
	made   *view.Screen
}

// screen is what is shown for the prompt now, and its title.
func (p *pending) screen() (*view.Screen, string) {
	if !p.handed {
		return p.over, p.coming
	}
	if p.made == nil {
		p.made = p.make()
	}
	return p.made, p.title
}

func (p *pending) close() {
	if p.made != nil {
		p.made.Close()
	}
}

// Config is what a shell is made of.
type Config struct {
	App     fyne.App
	Program Program
	Do      Dispatcher
	Later   Timer
	Now     func() time.Time
	// Network names what of this machine's network is up; it may take its time.
	// Nil where nobody can tell.
	Network func() (up []string, err error)
}

// size is that of the smallest screen we promise to fit.
var size = fyne.NewSize(1280, 800)

// New makes the window; it shows nothing before Start.
func New(c Config) *Shell {
	s := &Shell{app: c.App, program: c.Program, do: c.Do, later: c.Later, now: c.Now, look: savedLook(c.App), line: kit.NewProgressLine()}
	s.network = c.Network
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.app.Settings().SetTheme(s.look)
	s.window = c.App.NewWindow(textClaviger)
	s.window.SetPadded(false)
	s.frame = view.NewFrame()
	s.witness, s.scanner = &witness{shell: s}, kit.NewQuiet(c.Now)
	s.menu = newMenu(s)
	s.window.SetMainMenu(s.menu.bar)
	s.window.SetContent(s.frame.Object)
	s.window.Resize(size)
	s.window.SetCloseIntercept(s.quit)
	s.window.Canvas().SetOnTypedKey(s.key)
	s.window.Canvas().SetOnTypedRune(func(rune) { s.scanner.Typed() })
	return s
}

// Window is the window that the shell fills.
func (s *Shell) Window() fyne.Window { return s.window }

// Start opens the first page and shows the window: the record is read while the
// system makes the window.
func (s *Shell) Start() {
	s.home()
	s.window.Show()
	s.tick()
	s.listen()
}

// Stop ends what the shell began: the engine is told, and typed secrets go.
func (s *Shell) Stop() {
	s.cancel()
	s.withdraw()
}

// face is what stands around the page now.
func (s *Shell) face() flow.Frame { return flow.NewFrame(s.snapshot).With(s.net) }

// listen looks at the network, once in a while; a change is seen at once.
func (s *Shell) listen() {
	if s.network == nil {
		return
	}
	s.off(func(context.Context) func() {
		up, err := s.network()
		return func() {
			if net := flow.NewNetwork(up, err); net != s.net {
				s.net = net
				s.frame.Update(s.face())
			}
			s.later(listenTime, func() { s.do(s.listen) })
		}
	})
}

const listenTime = 5 * time.Second

// tick moves the clock on, once a second, until the shell stops.
func (s *Shell) tick() {
	if s.ctx.Err() != nil {
		return
	}
	now := s.now()
	s.frame.Tick(flow.Elapsed(s.snapshot, now), flow.Clock(now))
	s.witness.tick(now)
	if s.snapshot.Working != "" {
		s.line.Set(s.snapshot.Working, flow.During(now.Sub(s.snapshot.Since)))
	}
	s.later(time.Second, func() { s.do(s.tick) })
}

// off runs work beside the window's thread and what it returns on it.
func (s *Shell) off(work func(ctx context.Context) func()) {
	go func() {
		then := work(s.ctx)
		s.do(func() {
			if s.ctx.Err() == nil && then != nil {
				then()
			}
		})
	}()
}

// home reads the record and shows the overview.
func (s *Shell) home() {
	s.place, s.trail = flow.InOverview, nil
	visit := s.visit()
	s.busy(textReadingVerifyingRecord)
	now := s.now()
	s.off(func(ctx context.Context) func() {
		first, missing, err := s.program.Missing(ctx)
		if missing {
			return func() {
				s.snapshot.Working = ""
				s.first(first)
			}
		}
		var snapshot ceremony.Snapshot
		if err == nil {
			snapshot, err = s.program.Snapshot(ctx)
		}
		var starts []flow.Start
		if err == nil {
			starts, err = s.program.Starts(ctx)
		}
		var o flow.Overview
		if err == nil {
			err = s.program.Look(ctx, func(r flow.Record) error {
				o = flow.NewOverview(snapshot, r, starts, now)
				return nil
			})
		}
		return func() {
			if s.visits != visit {
				return
			}
			if err != nil {
				s.failed(err)
				return
			}
			s.snapshot = snapshot
			s.open(shown{flow.InOverview, view.Overview(o, view.Home{Start: s.prepare, Resume: s.resume, Open: s.detail, TakeIn: func() { s.takeIn(flow.Carried{}) }}), "overview", ""})
		}
	})
}

func (s *Shell) visit() int {
	s.visits++
	return s.visits
}

func (s *Shell) takeIn(c flow.Carried) {
	s.visit()
	s.frame.SetPlaces(s.places())
	s.frame.Update(s.face())
	s.page(view.TakeIn(c, s.compare, s.home))
	s.title("take-in", "", "")
}

// compare has the engine hold a carried checkpoint against the record. The
// overview then says what came of it.
func (s *Shell) compare(c flow.Carried) {
	if s.running {
		return
	}
	s.running, s.outside, s.asked = true, true, 0
	s.visit()
	s.frame.SetPlaces(nil) // there is no other place until who is asked answers
	s.frame.Update(s.face())
	s.busy(textReadingCheckpoint)
	s.off(func(ctx context.Context) func() {
		err := s.program.TakeIn(ctx, room{s}, c)
		return func() {
			s.running, s.outside, s.snapshot.Working = false, false, ""
			s.withdraw()
			s.calm()
			if err != nil {
				c.Trouble = troubleOf(err)
				s.takeIn(c)
				return
			}
			s.home()
		}
	})
}

func (s *Shell) resume() {
	s.play(s.program.Resume)
}

// play runs the engine in its own goroutine until it is done.
func (s *Shell) play(run func(context.Context, ceremony.Room) (flow.Finished, error)) {
	if s.running {
		return
	}
	s.running, s.asked = true, 0
	s.visit()
	s.busy(textCeremonyBegins)
	s.off(func(ctx context.Context) func() {
		finished, err := run(ctx, room{s})
		if err != nil {
			finished.Trouble = troubleOf(err)
		}
		snapshot, reread := s.program.Snapshot(ctx)
		return func() {
			s.running = false
			s.withdraw()
			s.calm()
			if reread == nil {
				s.snapshot = snapshot
			}
			s.snapshot.Ceremony, s.snapshot.Working = nil, ""
			s.frame.SetPlaces(s.places())
			s.frame.Update(s.face())
			s.page(view.Done(flow.NewDone(finished), s.home))
			s.title("done", finished.Status, "")
		}
	})
}

// troubleOf says an error in three lines; what is no problem of a ceremony is
// told as it is.
func troubleOf(err error) *flow.Trouble {
	if p := (*ceremony.Problem)(nil); errors.As(err, &p) {
		return &flow.Trouble{Happened: p.Happened, Safe: p.Safe, Do: p.Do, Code: p.Code}
	}
	return &flow.Trouble{Happened: textProgramCouldNotGo, Safe: textEverythingRecordedSoFarDisk, Do: textPutRightDetailsNameThen, Code: err.Error()}
}

func (s *Shell) failed(err error) {
	s.page(view.Done(flow.NewFailed(troubleOf(err)), s.home))
	s.title("trouble", "", "")
}

// busy locks the input and says why.
func (s *Shell) busy(what string) {
	s.snapshot.Working, s.snapshot.Since = what, s.now()
	s.working()
}

// working is the page while nobody is asked.
func (s *Shell) working() {
	step := ""
	title := textOneMoment // the line says what is happening
	if c := s.snapshot.Ceremony; c != nil && c.Step != nil {
		step, title = c.Step.ID, c.Step.Title
	}
	s.line.Set(s.snapshot.Working, flow.During(s.now().Sub(s.snapshot.Since)))
	p := ceremony.Prompt{Title: title}
	if s.snapshot.AtDevice != nil {
		p = *s.snapshot.AtDevice
	}
	s.page(view.Working(flow.NewPage(p, s.snapshot), s.line))
	s.title(step, "working", "")
}

// show takes a new snapshot. A page that waits for an answer stays as it is:
// only what stands around it is drawn anew.
func (s *Shell) show(snapshot ceremony.Snapshot) {
	s.snapshot = snapshot
	s.frame.Update(s.face())
	s.frame.Tick(flow.Elapsed(snapshot, s.now()), flow.Clock(s.now()))
	if s.pending == nil && snapshot.Working != "" {
		s.working()
	}
	s.witness.update()
}

// ask shows the page of a prompt. Before a private one the keyboard is handed
// over, unless the same person goes on.
func (s *Shell) ask(p ceremony.Prompt, answer func(ceremony.Answer)) {
	s.asked++
	page := flow.NewPage(p, s.snapshot)
	page.Heard = s.heard.again(p.Step, page)
	title := func(what string) string {
		return flow.Title(s.snapshot.Site.Practice, p.Step, what, p.Who.Name, s.asked)
	}
	p1 := &pending{page: page, answer: answer, title: title(string(p.Kind)), coming: title("hand-over")}
	actions := view.Actions{
		Answer:   func(a ceremony.Answer) { s.answered(p1, a) },
		Practice: func(fill func(*secret.Buffer), failed func(string)) { s.practice(p1, fill, failed) },
		Later:    func(after time.Duration, f func()) { s.later(after, func() { s.do(f) }) },
	}
	if s.outside {
		actions.Back = func() { s.answered(p1, flow.Left()) }
	} else {
		actions.Deviate, actions.Pause, actions.Withhold = s.deviate, s.pause, s.withhold
	}
	p1.handed = !p.Private() || p.Who.ID != "" && p.Who.ID == s.hands
	p1.make = func() *view.Screen { return view.Prompt(page, actions) }
	p1.over = view.HandOver(flow.NewHandOver(p, s.snapshot), func() {
		if s.pending == p1 && !p1.handed {
			p1.handed, s.hands = true, p.Who.ID
			s.prompt()
		}
	}, actions)
	if !p.Private() {
		s.hands = ""
	}
	s.pending = p1
	s.menu.asking(!s.outside)
	// The witnesses' screen is neutral before a field is there.
	s.witness.update()
	s.prompt()
}

// heard is what was said aloud last, in which step and at which question: at the
// step's next questions it does not ask to be read once more.
type heard struct{ step, aloud, title string }

func (h *heard) again(step string, page flow.Page) bool {
	if page.Aloud == "" {
		return false
	}
	if h.step != step || h.aloud != page.Aloud {
		*h = heard{step, page.Aloud, page.Title}
	}
	return h.title != page.Title
}

// prompt shows the page that waits, or the hand-over before it. Who presses a key
// of the page before once too often has not come to the keyboard by that.
func (s *Shell) prompt() {
	p := s.pending
	if p == nil {
		return
	}
	screen, title := p.screen()
	s.quiet = s.quiet || !p.handed
	if p.page.Private {
		s.screen = screen
		screen.Guard(s.scanner)
		s.witness.content(view.Private(s.face(), screen, s.look))
	} else {
		s.page(screen)
	}
	ready := func() {
		if s.pending != p || s.screen != screen {
			return
		}
		s.focusFirst()
		s.setTitle(title)
	}
	if !s.quiet {
		ready()
		return
	}
	s.window.Canvas().Unfocus()
	s.later(quietTime, func() {
		s.do(func() {
			s.quiet = false
			ready()
		})
	})
}

// frameTime is enough for a page to be drawn before the title says that it is
// there.
const frameTime = 40 * time.Millisecond

// quietTime is longer than the pause between two keys of a scanner.
const quietTime = 300 * time.Millisecond

// answered gives the answer to the engine, once.
func (s *Shell) answered(p *pending, a ceremony.Answer) {
	if s.pending != p {
		a.Secret.Wipe()
		return
	}
	s.pending = nil
	s.quiet = p.page.Kind == flow.PageCard || p.page.Kind == flow.PageForm
	s.menu.asking(false)
	p.close()
	s.busy(textRecording)
	s.witness.update()
	p.answer(a)
}

// withdraw closes the page of a prompt that nobody waits for any more.
func (s *Shell) withdraw() {
	if s.pending == nil {
		return
	}
	s.pending.close()
	s.pending, s.hands = nil, ""
	s.menu.asking(false)
	s.witness.update()
}

// practice fetches the practice secret beside the window's thread.
func (s *Shell) practice(p *pending, fill func(*secret.Buffer), failed func(string)) {
	s.off(func(ctx context.Context) func() {
		b, err := s.program.Practice(ctx, p.page.Prompt())
		return func() {
			defer b.Wipe()
			if s.pending != p {
				return
			}
			if err != nil {
				failed(err.Error())
				return
			}
			fill(b)
			s.setTitle(fmt.Sprintf(textFilled, p.title))
		}
	})
}

// page shows a public screen between the panels.
func (s *Shell) page(screen *view.Screen) {
	s.screen = screen
	screen.Guard(s.scanner)
	s.frame.SetPage(screen)
	s.witness.content(s.frame.Object)
	s.focusFirst()
}

// calm gives the page its focus when the keys of a scanner that answered the last
// question have had their time.
func (s *Shell) calm() {
	if !s.quiet {
		return
	}
	s.later(quietTime, func() {
		s.do(func() {
			s.quiet = false
			if s.pending == nil && s.screen != nil {
				s.focusFirst()
			}
		})
	})
}

func (s *Shell) focusFirst() {
	if s.screen.First == nil || s.quiet || s.witness.here != nil {
		s.window.Canvas().Unfocus()
		return
	}
	kit.FocusFirst(s.window.Canvas(), s.screen.First)
}

// key moves the page while nothing has the focus.
func (s *Shell) key(key *fyne.KeyEvent) {
	switch {
	case s.screen == nil:
	case key.Name == fyne.KeyPageDown:
		s.screen.Scroll(1)
	case key.Name == fyne.KeyPageUp:
		s.screen.Scroll(-1)
	}
}

// title is the window's title where no prompt waits.
func (s *Shell) title(step, what, who string) {
	s.setTitle(flow.Title(s.snapshot.Site.Practice, step, what, who, 0))
}

// setTitle waits until the page is drawn, unless another title comes first.
func (s *Shell) setTitle(title string) {
	s.titles++
	n := s.titles
	s.later(frameTime, func() {
		s.do(func() {
			if s.titles == n {
				s.window.SetTitle(title)
			}
		})
	})
}

// sheet lays the sheet of an action over the page that waits.
func (s *Shell) sheet(action ceremony.Action, name string) {
	p := s.pending
	if p == nil || s.outside {
		return
	}
	sheet, offered := flow.NewSheet(s.snapshot, action)
	if !offered {
		return
	}
	// A sheet is filled in by others: the keyboard is handed over again after it.
	p.handed, s.hands = !p.page.Private, ""
	s.page(view.Sheet(sheet, func(a ceremony.Answer) { s.answered(p, a) }, s.prompt))
	s.title(p.page.Prompt().Step, name, "")
}

func (s *Shell) deviate()  { s.sheet(ceremony.Deviate, "deviation") }
func (s *Shell) pause()    { s.sheet(ceremony.Pause, "pause") }
func (s *Shell) abort()    { s.sheet(ceremony.Abort, "abort") }
func (s *Shell) rest()     { s.sheet(ceremony.TakeBreak, "break") }
func (s *Shell) presence() { s.sheet(ceremony.Presence, "presence") }
func (s *Shell) withhold() { s.sheet(ceremony.Withhold, "withhold") }

// quit closes the window, but not a ceremony under way: that is paused first.
func (s *Shell) quit() {
	switch {
	case !s.running, s.outside:
		s.Stop()
		s.app.Quit()
	case s.pending != nil:
		view.UnderWay(s.pause).Show(s.window.Canvas())
	}
}

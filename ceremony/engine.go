package ceremony

import (
	"context"
	"errors"
	"fmt"

	"strings"
	"time"

	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// Engine plays ceremonies on one site. It alone writes the ledger. One
// goroutine owns it; people are reached through the Room.
type Engine struct {
	store  ledger.Store
	kinds  Kinds
	room   Room
	host   Host
	folder *Folder
	load   func(context.Context) (hsm.Module, error)
	check  CardChecker
	told   Told

	state    *State
	head     ledger.Head
	staged   map[ledger.Hash][]byte
	findings []Finding
	holder   string // the program that writes the ledger, "" where this one does
	keys     *Keyring
	module   hsm.Module
	sessions map[string]hsm.Session // by serial number

	// For the screen only: what the step under way has found so far.
	shown   []Line
	result  string
	acting  string
	working string
	device  *Prompt // that sent people to the device where they are now
	since   time.Time
	private []string // when someone was asked privately, in the step under way
	signing int      // the phase that is being signed off
	offered int      // the phase before which a planned break was offered in this run
	clock
	seen string // state of the HSM when last looked at
}

// Config wires an engine.
type Config struct {
	// Store is the ledger. On a ledger.Held the engine only shows.
	Store  ledger.Store
	Kinds  Kinds
	Room   Room
	Host   Host
	Folder *Folder
	// Module starts the process that holds the vendor's library.
	Module func(context.Context) (hsm.Module, error)
	// Told hears how far the verification at the start has come; nil is fine.
	Told Told
	// CheckCard says why a typed card is not the one with this fingerprint, "" if it
	// is, in a process of its own.
	CheckCard CardChecker
	// Work is the work factor of scrypt for people's keys; only tests, whose real sites
	// guard nothing, set another than 0.
	Work int
}

// CardChecker compares one card with its fingerprint and forgets it.
type CardChecker func(ctx context.Context, text *secret.Buffer, fingerprint [32]byte, practice bool) (why string, err error)

// NewEngine verifies and folds the whole ledger. A run that the program left
// open is closed as interrupted: start and restart are one path.
func NewEngine(ctx context.Context, c Config) (*Engine, error) {
	e := &Engine{store: c.Store, kinds: c.Kinds, room: c.Room, host: c.Host, folder: c.Folder, load: c.Module, check: c.CheckCard, told: c.Told,
		staged: map[ledger.Hash][]byte{}, sessions: map[string]hsm.Session{}, seen: "not looked at"}
	e.keys = newKeyring(c.Folder, func() bool { return e.state.Site.Practice }, c.Work)
	if held, ok := c.Store.(ledger.Held); ok {
		e.holder = held.Holder
	}
	if err := e.fold(ctx); err != nil {
		return nil, err
	}
	if len(e.findings) > 0 || e.holder != "" {
		return e, nil
	}
	if p := e.state.Open; p != nil {
		if _, err := e.append(ctx, nil, Entry{PausedKind, e.pauseBody(ReasonInterrupted)}); err != nil {
			return nil, err
		}
	}
	e.show()
	return e, nil
}

// fold reads everything again: at the start, and after any failed write,
// because nothing may be believed of a store that just failed.
func (e *Engine) fold(ctx context.Context) error {
	s, head, findings, err := FoldTelling(ctx, e.store, e.kinds, e.told)
	if err != nil {
		return fmt.Errorf("couldn't read the ledger: %w", err)
	}
	s.blobs = e.blob(ctx)
	e.state, e.head, e.findings = s, head, findings
	return nil
}

// Reread folds a ledger that another program writes again, if it has grown.
func (e *Engine) Reread(ctx context.Context) error {
	if e.holder == "" {
		return nil
	}
	head, err := e.store.Head(ctx)
	if err != nil {
		return fmt.Errorf("couldn't read the ledger: %w", err)
	}
	if head == e.head {
		return nil
	}
	return e.fold(ctx)
}

// Holder names the program that writes this ledger, "" where this one does.
func (e *Engine) Holder() string { return e.holder }

// blob sees what the batch in the making brings along.
func (e *Engine) blob(ctx context.Context) Blobs {
	return func(h ledger.Hash) ([]byte, error) {
		if b, ok := e.staged[h]; ok {
			return b, nil
		}
		return e.store.Blob(ctx, h)
	}
}

// State is the fold so far. Callers read it.
func (e *Engine) State() *State { return e.state }

// Findings lists what does not hold in the ledger; with any, the engine only
// shows.
func (e *Engine) Findings() []Finding { return e.findings }

// Close ends the module's process.
func (e *Engine) Close() error {
	e.keys.Wipe()
	return e.dropModule()
}

func (e *Engine) dropModule() error {
	var errs []error
	for _, s := range e.sessions {
		errs = append(errs, s.Close())
	}
	clear(e.sessions)
	if e.module != nil {
		errs = append(errs, e.module.Close())
		e.module = nil
	}
	return errors.Join(errs...)
}

// append checks records by the rules, then writes them in one transaction. A
// crash before the commit leaves none of them, after it all of them.
func (e *Engine) append(ctx context.Context, blobs [][]byte, entries ...Entry) ([]ledger.Record, error) {
	number := ""
	if e.state.Open != nil {
		number = e.state.Open.Number
	} else if p := e.state.lastRun(); p != nil {
		number = p.Number
	}
	return e.appendAs(ctx, number, blobs, entries...)
}

func (e *Engine) appendAs(ctx context.Context, number string, blobs [][]byte, entries ...Entry) ([]ledger.Record, error) {
	switch {
	case e.holder != "":
		return nil, e.heldProblem()
	case len(e.findings) > 0:
		return nil, &Problem{Happened: "The ledger does not hold: " + e.findings[0].String() + ".", Safe: "Nothing was written.", Do: "Keep this folder as it is and show it to your auditor."}
	}
	clear(e.staged)
	var fresh [][]byte
	for _, b := range blobs {
		h := ledger.BlobHash(b)
		if _, err := e.store.Blob(ctx, h); err != nil && e.staged[h] == nil {
			fresh = append(fresh, b)
		}
		e.staged[h] = b
	}
	defer clear(e.staged)
	now, at := e.now(), e.head
	var records []ledger.Record
	for _, en := range entries {
		r, err := e.admit(at, ledger.Draft{Ceremony: number, Kind: en.Kind, V: 1, Time: now, Body: en.Body})
		if err != nil {
			return nil, errors.Join(err, e.fold(ctx))
		}
		records, at = append(records, r), ledger.Head{Size: r.Seq + 1, Last: r.Leaf}
	}
	head, err := e.store.Append(ctx, e.head, ledger.Batch{Records: records, Blobs: fresh})
	if err != nil {
		problem := writeProblem(err)
		if ferr := e.fold(ctx); ferr != nil {
			return nil, errors.Join(problem, ferr)
		}
		return nil, problem
	}
	e.head = head
	e.show()
	return records, nil
}

func (e *Engine) heldProblem() *Problem {
	return &Problem{Happened: "This window only reads the record: " + e.holder + " writes it.", Safe: "Nothing was written, and the record is as that one left it.", Do: "Close the other window, then close this one and open it again."}
}

// restated stands for the context that the records before it leave.
type restated struct{}

// admit makes one record and moves the state over it.
func (e *Engine) admit(at ledger.Head, d ledger.Draft) (ledger.Record, error) {
	if d.Body == (restated{}) {
		d.Body = e.state.Restate()
	}
	records, err := ledger.Build(at, d)
	if err != nil {
		return ledger.Record{}, err
	}
	claims, err := e.state.Next(records[0])
	for _, c := range claims {
		err = errors.Join(err, c.Verify())
	}
	return records[0], err
}

// writeProblem: after a failed write or fsync nothing says "saved".
func writeProblem(err error) error {
	p := &Problem{Happened: "The ledger could not be written: " + err.Error() + ".",
		Safe: "Every record written before stands. Nothing was done to the token on the strength of this one.",
		Do:   "Pause, mend the disk, and resume."}
	if errors.Is(err, ledger.ErrFull) {
		p.Happened = "The disk of the ledger is full."
		p.Do = "Free some space on the disk that holds the site, then resume the ceremony."
	}
	return &wrapped{p, err}
}

// wrapped shows a problem to people and keeps its cause for callers.
type wrapped struct {
	*Problem
	cause error
}

func (w *wrapped) Unwrap() []error { return []error{w.Problem, w.cause} }

// OpenSite writes record 0.
func (e *Engine) OpenSite(ctx context.Context, organisation string, practice bool, random []byte) error {
	if e.head.Size > 0 {
		return fmt.Errorf("the site is open already")
	}
	_, err := e.appendAs(ctx, "", nil, Entry{SiteOpenedKind, SiteOpened{Format: 1, Organisation: organisation, Practice: practice, Random: fmt.Sprintf("%x", random)}})
	return err
}

// Plan is a ceremony to be held.
type Plan struct {
	Script     []byte
	Parameters map[string]string
	People     []Part
	Token      string
	Order      string // leaf of the order it is held on; "" on a practice site only
	Second     string // another token, for a ceremony that restores to one; "" takes the newest there is
}

// Hold plays a ceremony from its first step. It returns nil when the ceremony
// is sealed, *Stop when people paused or aborted it, and another error when it
// had to be paused for a fault; the ledger knows in each case.
func (e *Engine) Hold(ctx context.Context, plan Plan) error {
	hash := ledger.BlobHash(plan.Script)
	parsed, err := script.Parse(plan.Script, e.state.KnownKinds())
	if err != nil {
		return err
	}
	bound, err := parsed.Bind(plan.Parameters)
	if err != nil {
		return err
	}
	if plan.Second == "" && usesSecond(bound) {
		plan.Second = e.state.SecondToken(plan.Token)
	}
	started := Started{Order: plan.Order, Parameters: bound.Values, People: plan.People, Program: e.host.Program(), Script: hash, Second: plan.Second, Token: plan.Token}
	if err := e.beginRun(ctx, e.nextNumber(), StartedKind, started, [][]byte{plan.Script}); err != nil {
		return told(err)
	}
	return e.play(ctx)
}

// beginRun writes the first record of a run and the context it relies on, in
// one batch.
func (e *Engine) beginRun(ctx context.Context, number, kind string, body any, blobs [][]byte) error {
	e.offered = 0
	_, err := e.appendAs(ctx, number, blobs, Entry{kind, body}, Entry{ContextKind, restated{}})
	return err
}

func (e *Engine) nextNumber() string {
	year := e.host.Now().UTC().Year()
	n := 0
	for _, p := range e.state.Ceremonies {
		var y, k int
		if _, err := fmt.Sscanf(p.Number, "%d-%d", &y, &k); err == nil && y == year {
			n = max(n, k)
		}
	}
	return fmt.Sprintf("%04d-%03d", year, n+1)
}

// Resume goes on with the ceremony that is paused or was interrupted: people
// come again, the token is opened again, open intents are reconciled, and the
// step that was under way begins its next attempt.
func (e *Engine) Resume(ctx context.Context) error {
	p := e.state.Unfinished()
	if p == nil {
		return fmt.Errorf("no ceremony is paused")
	}
	body := Resumed{Paused: p.runLast, Program: e.host.Program(), Token: p.Token}
	if o := e.state.Renewed(p, e.host.Now()); o != nil {
		body.Order = o.Leaf.String()
	}
	if err := e.beginRun(ctx, p.Number, ResumedKind, body, nil); err != nil {
		return told(err)
	}
	if p.aborting != "" {
		return e.stop(ctx, &Stop{Err: ErrAborted, Reason: limitText(p.aborting)})
	}
	if err := (&env{e, script.Step{}}).decideOpen(ctx); err != nil {
		return e.stop(ctx, err)
	}
	for {
		err := e.reopen(ctx)
		if errors.Is(err, errRepeat) {
			continue
		}
		if err != nil {
			return e.stop(ctx, err)
		}
		return e.play(ctx)
	}
}

// Reopener is a kind whose work has to be done again at each resume: who is in
// the room, and the token's login.
type Reopener interface {
	Reopen(ctx context.Context, env Env, st script.Step) error
}

func (e *Engine) reopen(ctx context.Context) error {
	p := e.state.Open
	for _, st := range p.Plan.Steps() {
		if k, ok := e.kinds[st.Kind].(Reopener); ok && p.Steps[st.ID].Done {
			if err := k.Reopen(ctx, &env{e, st}, st); err != nil {
				return err
			}
		}
	}
	return e.reconcile(ctx)
}

// reconcile finds out what every act without result has left in the token.
func (e *Engine) reconcile(ctx context.Context) error {
	p := e.state.Open
	for _, in := range p.OpenIntents() {
		st, ok := p.Plan.Step(in.Intent.Step)
		if !ok {
			return fmt.Errorf("intent %s names no step", in.Leaf)
		}
		en := &env{e, st}
		found, err := e.kinds[st.Kind].Reconcile(ctx, en, st, in)
		if err != nil {
			return fmt.Errorf("couldn't find out what %q has left: %w", in.Intent.Act.Do, err)
		}
		if err := en.settle(ctx, in.Leaf, in.Intent, found, true); err != nil {
			return err
		}
		_, err = en.Ask(ctx, Prompt{Kind: AskConfirm, Title: "What the interruption left behind", Aloud: "The ceremony was interrupted in the middle of an act. I read out what the token holds now.",
			Text:  fmt.Sprintf("The program stopped while it did %q in step %q. Its outcome was unknown. The token was read: %s.", strings.ReplaceAll(in.Intent.Act.Do, "-", " "), st.Title, outcomeWords(found.Outcome)),
			Facts: factsOf(found.Facts)})
		if err != nil {
			return err
		}
	}
	return nil
}

func outcomeWords(o Outcome) string {
	switch o {
	case Done:
		return "it was done, as authorised"
	case NotDone:
		return "it was not done, and will be authorised and done again"
	}
	return "it was done by half; what is there has to be removed before it is done again"
}

// play goes through the steps that are due until the ceremony ends.
func (e *Engine) play(ctx context.Context) error {
	for e.state.Open != nil {
		e.shown, e.result = nil, ""
		st, attempt, ok := e.state.Due()
		if !ok {
			return e.stop(ctx, fmt.Errorf("the script has no step left and was not sealed"))
		}
		err := (&env{e, script.Step{}}).attended(ctx)
		if err == nil {
			err = e.signPhases(ctx, st.Phase)
		}
		if err == nil {
			err = e.offerBreak(ctx, st.Phase)
		}
		if errors.Is(err, errRepeat) {
			continue
		}
		if err != nil {
			return e.stop(ctx, err)
		}
		k := e.kinds[st.Kind]
		if _, err := e.append(ctx, nil, Entry{StepStartedKind, StepStarted{Attempt: attempt, Kind: k.Name(), Step: st.ID, Version: k.Version()}}); err != nil {
			return e.stop(ctx, err)
		}
		err = k.Do(ctx, &env{e, st}, st)
		if errors.Is(err, errRepeat) {
			continue
		}
		if err != nil {
			return e.stop(ctx, err)
		}
	}
	return nil
}

// signPhases has every finished phase before this one signed by those whom the
// script names.
func (e *Engine) signPhases(ctx context.Context, before int) error {
	p := e.state.Open
	for _, ph := range p.Plan.Phases {
		if ph.Number >= before {
			return nil
		}
		e.signing = ph.Number
		defer func() { e.signing = 0 }()
		for _, person := range p.PhaseUnsigned(ph.Number) {
			en := &env{e, script.Step{ID: PhaseStep(ph.Number), Title: ph.Title}}
			ask := SignOffAsk{Person: person, Role: p.Role(person), Act: ActPhase, Step: PhaseStep(ph.Number), Attempt: 1,
				Title: fmt.Sprintf("Sign off phase %d: %s", ph.Number, ph.Title)}
			if ph.Break > 0 {
				ask.Text = fmt.Sprintf("This phase is at its end. Read the list, and sign if it is what you saw. After it a break of %d minutes is planned.", ph.Break)
			}
			_, err := en.SignOff(ctx, ask)
			if err != nil {
				return err
			}
			p = e.state.Open
		}
	}
	return nil
}

// offerBreak stops once where the script plans a break before a phase: people take
// it by the sheet for breaks, or go on.
func (e *Engine) offerBreak(ctx context.Context, next int) error {
	p := e.state.Open
	if !p.called || e.offered >= next || p.begun(next) {
		return nil
	}
	e.offered = next
	for _, ph := range p.Plan.Phases {
		if ph.Number != next-1 || ph.Break == 0 {
			continue
		}
		_, err := (&env{e, script.Step{ID: PhaseStep(ph.Number), Title: ph.Title}}).Ask(ctx, Prompt{Kind: AskConfirm, Title: "A break is planned", Verb: "Go on",
			Aloud: fmt.Sprintf("The script plans a break of %d minutes here.", ph.Break),
			Text:  "For the break, choose “Take a break” in the menu “Ceremony” and say which two stay with the equipment: the HSM is closed, and nobody has to enter a passphrase again. Or go on without it."})
		return err
	}
	return nil
}

// stop ends the run as people asked, or pauses it because it cannot go on. The
// cause comes back to the caller.
func (e *Engine) stop(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		// The program is being ended: the next start writes the interruption.
		return errors.Join(cause, e.dropModule())
	}
	if e.state.Open == nil {
		return cause
	}
	reason := cause.Error()
	kind := PausedKind
	if st, ok := e.state.Open.Current(); ok && st.OnFailure == script.Abort && ClassOf(cause) != "" {
		// The script says what a failure of the token leads to here.
		kind = AbortedKind
	}
	var stop *Stop
	if errors.As(cause, &stop) {
		reason, kind = stop.Reason, PausedKind
		if errors.Is(stop.Err, ErrAborted) {
			kind = AbortedKind
		}
	}
	if reason == "" {
		reason = "no reason was given"
	}
	b := e.pauseBody(limitText(reason))
	if stop != nil {
		b.Stay = stop.Stay
	}
	en := Entry{PausedKind, b}
	if kind == AbortedKind {
		en = Entry{AbortedKind, Aborted{Before: b.Before, Count: b.Count, First: b.First, Reason: b.Reason, Step: b.Step}}
	}
	if _, err := e.append(ctx, nil, en); err != nil {
		return errors.Join(cause, err, e.dropModule())
	}
	env := &env{e, script.Step{}}
	err := env.Checkpoint(ctx)
	e.keys.Wipe()
	if err == nil {
		err = env.KeepHead(ctx)
	}
	return errors.Join(cause, err, env.LogoutAll(ctx, "the ceremony stopped"), e.dropModule())
}

func (e *Engine) pauseBody(reason string) Paused {
	p := e.state.Open
	st, _ := p.Current()
	return Paused{Before: p.runBefore, Count: p.count + 1, First: p.runFirst, Reason: reason, Stay: []string{}, Step: st.ID}
}

// SealBody is what the seal says of the run that it ends.
func (s *State) SealBody() Sealed {
	p := s.Open
	return Sealed{Before: p.runBefore, Count: p.count + 1, Deviations: len(p.Deviations), First: p.runFirst, NotAccepted: p.NotAccepted()}
}

// ReportWritten records that a document was made of an ended ceremony.
func (e *Engine) ReportWritten(ctx context.Context, ceremony string, b ReportMade) error {
	_, err := e.appendAs(ctx, ceremony, nil, Entry{ReportMadeKind, b})
	return err
}

// limitText keeps a machine's message within what one line of a record holds.
func limitText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 500 {
		return string(r[:499]) + "…"
	}
	return s
}

func factsOf(lines []Line) []Fact {
	var out []Fact
	for _, l := range lines {
		out = append(out, Fact{Label: l.Label, Value: l.Value, Style: l.Style})
	}
	return out
}

// show sends the room a fresh snapshot.
func (e *Engine) show() { e.room.Show(e.Snapshot()) }

var errRepeat = errors.New("the step is repeated")

// actRoom is the room that the result of an act may need: a batch of a
// few records of full size and their blobs.
const actRoom = 1 << 20

func (e *Engine) reserve(ctx context.Context) error {
	r, ok := e.store.(interface {
		Reserve(ctx context.Context, bytes int64) error
	})
	if !ok {
		return nil
	}
	if err := r.Reserve(ctx, actRoom); err != nil {
		return writeProblem(err)
	}
	return nil
}

package ui

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/sample"
)

// desk is a window whose thread is the test: what is sent to it waits in a
// queue until the test takes it out.
type desk struct {
	t     testing.TB
	shell *Shell
	queue chan func()
	now   time.Time // moves with each key
	hold  bool      // timers wait until the test fires them
	timer []func()
	alone bool // the test itself hands the keyboard over
}

// play is an engine for tests: it asks what it was given and keeps the answers.
type play struct {
	snapshot ceremony.Snapshot
	run      func(ctx context.Context, room ceremony.Room) (flow.Finished, error)
	takeIn   func(ctx context.Context, room ceremony.Room, c flow.Carried) error
	practice map[string]string
	broken   error

	state   *ceremony.State
	ledger  ledger.Reader
	mu      sync.Mutex    // one loan at a time
	looks   int           // times that the record was lent
	held    bool          // another program writes the record
	gate    chan struct{} // opened once for each loan, where there is one
	changed string
	told    string // what was asked of the engine
	missing bool   // there is no site yet
	first   flow.First
	copied  func(number string, t flow.Target) (flow.Receipt, error)
}

func (p *play) Look(_ context.Context, look func(flow.Record) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks++
	if p.gate != nil {
		<-p.gate
	}
	if p.state == nil {
		p.state, p.ledger = sample.Empty(), ledger.NewMemory()
	}
	return look(flow.Record{State: p.state, Ledger: p.ledger, Verified: true, Held: p.held, Report: func(string) string { return "/site/evidence/report.pdf" }})
}

func (p *play) Verify(_ context.Context, progress func(done, total int64)) (flow.Verification, error) {
	progress(1, 2)
	return flow.NewVerification(flow.Audited{Holds: true, Records: 2, Checked: []string{"2 records: every rule."}}, sample.Noon), p.broken
}

func (p *play) MakeAgain(context.Context, string) (string, error) {
	return "The report is the one that the record names.", p.broken
}

func (p *play) ChangeKey(ctx context.Context, room ceremony.Room, c flow.KeyChange, people []ceremony.Part) error {
	for _, part := range people {
		a, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: c.Label, Who: ceremony.Someone{ID: part.Person, Name: part.Person}, Role: part.Role})
		if err != nil || a.Action != ceremony.GoOn {
			return errors.Join(err, errors.New("not everybody signed"))
		}
	}
	p.changed = string(c.To) + " because " + c.Reason
	return p.broken
}

func (p *play) Modules(context.Context) ([]flow.Module, error) {
	return []flow.Module{{Name: "softhsm2", Path: "/usr/lib/softhsm/libsofthsm2.so"}}, p.broken
}

func (p *play) Media(context.Context) ([]flow.Medium, error) {
	return []flow.Medium{{Mount: "/media/usb", Label: "CUSTODY 7", Size: "4.0 GB"}}, nil
}

func (p *play) CopyTo(_ context.Context, number string, t flow.Target) (flow.Receipt, error) {
	return p.copied(number, t)
}

func (p *play) Snapshot(context.Context) (ceremony.Snapshot, error) { return p.snapshot, p.broken }

func (p *play) Starts(context.Context) ([]flow.Start, error) {
	return []flow.Start{{Name: "key-generation", Title: "Generate a key", Parameters: []flow.Parameter{{Name: "label", Ask: "Label of the key", Default: "signing-key"}}}}, nil
}

func (p *play) Missing(context.Context) (flow.First, bool, error) { return p.first, p.missing, nil }

func (p *play) MakePractice(context.Context) error {
	p.missing = false
	return p.broken
}

func (p *play) MakeReal(_ context.Context, organisation, library string) error {
	p.missing, p.told = false, organisation+" by "+library
	return p.broken
}

func (p *play) Prepare(ctx context.Context, st flow.Start) (flow.Preparation, error) {
	var out flow.Preparation
	err := p.Look(ctx, func(r flow.Record) (err error) {
		seen := flow.TokenSeen{Info: hsm.TokenInfo{Label: "NW-HSM-01", Serial: "77004312", HardwareSlot: true, Random: true}, Mechanisms: []hsm.Mechanism{
			{Name: "CKM_EC_KEY_PAIR_GEN", Flags: []string{"generate-key-pair"}}, {Name: "CKM_ECDSA", Flags: []string{"sign"}}}}
		out, err = flow.NewPreparation(r, st, sample.Script(), sample.Cast, seen)
		return err
	})
	return out, err
}

func (p *play) Print(context.Context, flow.Start) (flow.Detail, error) {
	return flow.Detail{Kicker: "Paper script", Title: "It lies in /site/paper"}, p.broken
}

func (p *play) Orderable(ctx context.Context) ([]flow.Start, error) { return p.Starts(ctx) }

func (p *play) OrderForm(ctx context.Context, st flow.Start) (flow.OrderForm, error) {
	var out flow.OrderForm
	err := p.Look(ctx, func(r flow.Record) (err error) {
		out, err = flow.NewOrderForm(r, st.Name, sample.Script(), func(l string) string { return l }, sample.Noon)
		return err
	})
	return out, err
}

// asks has one person sign in the room.
func asks(ctx context.Context, room ceremony.Room, person string) error {
	a, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Sign", Who: ceremony.Someone{ID: person, Name: person}})
	if err != nil || a.Action != ceremony.GoOn {
		return errors.Join(err, errors.New("not everybody signed"))
	}
	return nil
}

func (p *play) Order(ctx context.Context, room ceremony.Room, o ceremony.OrderPlan) error {
	p.told = o.Approver + " orders " + o.Parameters["label"]
	return asks(ctx, room, o.Approver)
}

func (p *play) Withdraw(ctx context.Context, room ceremony.Room, w flow.Withdrawal, approver, reason string) error {
	p.told = approver + " withdraws " + w.What + " because " + reason
	return asks(ctx, room, approver)
}

func (p *play) Register(ctx context.Context, room ceremony.Room, script, approver string) error {
	p.told = approver + " registers " + script
	return asks(ctx, room, approver)
}

func (p *play) TakeInReceipt(ctx context.Context, room ceremony.Room, b ceremony.ReceiptTakenIn, people [2]ceremony.Part) error {
	p.told = b.Kind + " about " + b.About + " by " + people[0].Person + " and " + people[1].Person
	return asks(ctx, room, people[0].Person)
}

func (p *play) Export(_ context.Context, t flow.Target) (flow.Receipt, error) {
	return flow.Receipt{Folder: t.Mount + "/claviger/ledger-1"}, p.broken
}

func (p *play) Run(ctx context.Context, room ceremony.Room, _ flow.Start, _ map[string]string) (flow.Finished, error) {
	return p.run(ctx, room)
}

func (p *play) Resume(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
	return p.run(ctx, room)
}

func (p *play) TakeIn(ctx context.Context, room ceremony.Room, c flow.Carried) error {
	return p.takeIn(ctx, room, c)
}

func (p *play) Practice(_ context.Context, prompt ceremony.Prompt) (*secret.Buffer, error) {
	s, ok := p.practice[prompt.Who.ID]
	if !ok {
		return nil, errors.New("There is no practice secret for this person.")
	}
	return secret.From([]byte(s)), nil
}

func practiceSite() ceremony.Snapshot {
	return ceremony.Snapshot{Site: ceremony.SiteView{Organisation: "Practice site", Practice: true, People: []ceremony.PersonView{{Someone: ceremony.Someone{ID: "tn", Name: "Tomas Novak"}, Role: "approver"}}},
		Ledger: ceremony.LedgerView{Records: 12, Verified: true, Last: strings.Repeat("ab", 32)},
		Sheets: map[ceremony.Action][]ceremony.Field{ceremony.Pause: nil, ceremony.Abort: nil, ceremony.Withhold: nil, ceremony.Deviate: {{Name: "expected", Max: 100}, {Name: "happened", Max: 100},
			{Name: "exposed", Of: []string{"no", "yes"}}, {Name: "decision", Of: []string{"continue", "abort"}}, {Name: "decided-by", Of: []string{"tn"}}, {Name: "reason", Max: 100, Optional: true}}}}
}

func open(t *testing.T, p Program) *desk { return openOn(t, p) }

func openOn(t testing.TB, p Program) *desk {
	t.Helper()
	d := &desk{t: t, queue: make(chan func(), 1000), now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	d.shell = New(Config{App: test.NewTempApp(t), Program: apart{p, newWatch(t)}, Do: func(f func()) { d.queue <- f },
		Later: func(after time.Duration, f func()) {
			switch {
			case after == frameTime, after == quietTime && !d.hold:
				f()
			case after != time.Second: // the clock does not tick
				d.timer = append(d.timer, f)
			}
		},
		Now: func() time.Time { return d.now }})
	t.Cleanup(d.shell.Stop)
	d.shell.Start()
	return d
}

// until takes from the queue until the window's title holds all of parts.
func (d *desk) until(parts ...string) {
	d.t.Helper()
	deadline := time.After(20 * time.Second) // a hang, not a measure
	for {
		title := d.shell.Window().Title()
		missing := false
		for _, part := range parts {
			missing = missing || !strings.Contains(title, part)
		}
		if !missing {
			return
		}
		if strings.Contains(title, "· hand-over ·") && !d.alone && d.shell.window.Canvas().Focused() != nil {
			d.press(fyne.KeyReturn)
		}
		select {
		case f := <-d.queue:
			f()
		case <-deadline:
			d.t.Fatalf("the title stays %q; waited for %q", title, parts)
		}
	}
}

// person is how long a person takes from key to key.
const person = 200 * time.Millisecond

func (d *desk) press(keys ...fyne.KeyName) {
	d.t.Helper()
	for _, k := range keys {
		d.now = d.now.Add(person)
		f := d.shell.Window().Canvas().Focused()
		if f == nil {
			d.t.Fatalf("nothing has the focus for %s on %q", k, d.shell.Window().Title())
		}
		f.TypedKey(&fyne.KeyEvent{Name: k})
	}
}

func (d *desk) write(s string) {
	d.t.Helper()
	f := d.shell.Window().Canvas().Focused()
	if f == nil {
		d.t.Fatalf("nothing has the focus to type into on %q", d.shell.Window().Title())
	}
	for _, r := range s {
		d.now = d.now.Add(person)
		f.TypedRune(r)
	}
}

// scan types as a scanner does, a millisecond apart, with its suffix.
func (d *desk) scan(s string, suffix ...fyne.KeyName) {
	d.t.Helper()
	c := d.shell.Window().Canvas()
	for _, r := range s {
		d.now = d.now.Add(time.Millisecond)
		f := c.Focused()
		if f == nil {
			c.OnTypedRune()(r)
			continue
		}
		if r == ' ' {
			f.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
		}
		f.TypedRune(r)
	}
	for _, k := range suffix {
		d.now = d.now.Add(time.Millisecond)
		f := c.Focused()
		tab, ok := f.(fyne.Tabbable)
		switch {
		case k == fyne.KeyTab && (!ok || !tab.AcceptsTab()):
			c.(interface{ FocusNext() }).FocusNext()
		case f != nil:
			f.TypedKey(&fyne.KeyEvent{Name: k})
		}
	}
}

// focusOn goes on with Tab until the button with this label has the focus.
func (d *desk) focusOn(label string) {
	d.t.Helper()
	c := d.shell.Window().Canvas()
	for range 40 {
		if b, ok := c.Focused().(*kit.Button); ok && b.Label == label {
			return
		}
		c.(interface{ FocusNext() }).FocusNext()
	}
	d.t.Fatalf("40 Tabs do not lead to %q", label)
}

func (d *desk) shows(words string) {
	d.t.Helper()
	if text := d.text(); !strings.Contains(text, words) {
		d.t.Errorf("the window does not show %q but:\n%s", words, text)
	}
}

func (d *desk) text() string {
	var b strings.Builder
	textOf(d.shell.Window().Content(), &b)
	if top := d.shell.Window().Canvas().Overlays().Top(); top != nil {
		textOf(top, &b)
	}
	return b.String()
}

func textOf(o fyne.CanvasObject, b *strings.Builder) {
	if !o.Visible() {
		return
	}
	switch o := o.(type) {
	case *kit.Text:
		b.WriteString(o.String() + "\n")
	case *kit.Button:
		b.WriteString("[" + o.Label + "]\n")
	case *fyne.Container:
		for _, child := range o.Objects {
			textOf(child, b)
		}
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			textOf(child, b)
		}
	}
}

// start goes from the overview into the ceremony, by keys.
func (d *desk) start() {
	d.t.Helper()
	d.until("PRACTICE", "overview")
	d.press(fyne.KeyReturn)
	d.until("prepare", "key-generation")
	d.press(fyne.KeyReturn)
}

var (
	marta = ceremony.Someone{ID: "mb", Name: "Marta Brandt", Initials: "MB"}
	farah = ceremony.Someone{ID: "fn", Name: "Farah Noor", Initials: "FN"}
)

// A whole ceremony by keys, one prompt of each kind; what the engine gets is
// what the people typed.
func TestCeremonyByKeysFromOverviewToReport(t *testing.T) {
	var got []ceremony.Answer
	p := &play{snapshot: practiceSite(), practice: map[string]string{"mb": "antelope crescent drizzle umbrella harbor vivid"}}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		for _, prompt := range []ceremony.Prompt{
			{Kind: ceremony.AskConfirm, Step: "room", Title: "Room check"},
			{Kind: ceremony.AskForm, Step: "room", Title: "Clock", Fields: []ceremony.Field{{Name: "place", Label: "Place", Max: 120}, {Name: "wall", Label: "Wall clock", Type: "time", Max: 5}}},
			{Kind: ceremony.AskPassphrase, Step: "roll-call", Title: "Marta Brandt, open your key", Who: marta},
			{Kind: ceremony.AskNewPIN, Step: "roll-call", Title: "Marta Brandt, choose a session PIN", Who: marta},
			{Kind: ceremony.AskSignOff, Act: "phase", Step: "phase-1", Title: "Sign off", Who: marta, With: ceremony.SessionPIN},
			{Kind: ceremony.AskDecide, Step: "generate", Title: "Decide", Options: []ceremony.Option{{ID: "repeat", Label: "Try again"}, {ID: "abort", Label: "Abort", Danger: true}}},
		} {
			a, err := room.Ask(ctx, prompt)
			if err != nil {
				return flow.Finished{}, err
			}
			got = append(got, a)
		}
		return flow.Finished{Number: "2026-001", Status: "sealed", Report: "/site/evidence/2026-001/report.pdf", Key: "/site/evidence/2026-001/site.vkey"}, nil
	}
	d := open(t, p)
	d.start()
	d.until("room · confirm")
	d.press(fyne.KeyReturn)
	d.until("room · form")
	d.write("Vault room 2")
	d.press(fyne.KeyReturn)
	d.write("25:00")
	d.press(fyne.KeyReturn)
	d.shows("is not a time")
	for range 5 {
		d.press(fyne.KeyBackspace)
	}
	d.write("09:01")
	d.press(fyne.KeyReturn)
	d.until("roll-call · passphrase · Marta Brandt")
	d.focusOn("Use the practice passphrase")
	d.press(fyne.KeyReturn)
	d.until("passphrase", "filled")
	d.press(fyne.KeyReturn)
	d.until("roll-call · new-pin · Marta Brandt")
	d.write("4711")
	d.press(fyne.KeyReturn)
	d.write("4712")
	d.press(fyne.KeyReturn)
	d.shows("not the same")
	d.write("4711")
	d.press(fyne.KeyReturn)
	d.until("phase-1 · sign-off · Marta Brandt")
	d.write("4711")
	d.press(fyne.KeyReturn)
	d.until("generate · decide")
	d.press(fyne.KeyReturn, fyne.KeyReturn)
	d.write("The cable was loose")
	d.press(fyne.KeyReturn, fyne.KeyReturn)
	d.until("done", "sealed")
	d.shows("claviger-verify --site /site/evidence/2026-001/site.vkey /site/evidence/2026-001/report.pdf")

	if got[1].Fields["place"] != "Vault room 2" || got[1].Fields["wall"] != "09:01" {
		t.Errorf("form answered %v", got[1].Fields)
	}
	for i, want := range map[int]string{2: p.practice["mb"], 3: "4711", 4: "4711"} {
		b := secret.From([]byte(want))
		if !got[i].Secret.Equal(b) {
			t.Errorf("answer %d holds another secret than was typed", i)
		}
		b.Wipe()
		got[i].Secret.Wipe()
	}
	if got[4].Verdict != ceremony.Agree {
		t.Errorf("signed with verdict %q", got[4].Verdict)
	}
	if got[5].Choice != "repeat" || got[5].Reason != "The cable was loose" {
		t.Errorf("decided %q because %q", got[5].Choice, got[5].Reason)
	}
}

// ask plays one prompt and gives its answer.
func ask(t *testing.T, prompt ceremony.Prompt, drive func(d *desk)) ceremony.Answer {
	t.Helper()
	var got ceremony.Answer
	p := &play{snapshot: practiceSite()}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		var err error
		got, err = room.Ask(ctx, prompt)
		return flow.Finished{Status: "sealed"}, err
	}
	d := open(t, p)
	d.start()
	d.until(string(prompt.Kind))
	drive(d)
	d.until("done")
	return got
}

func TestRefusalNeedsItsReasonAndItsSecret(t *testing.T) {
	got := ask(t, ceremony.Prompt{Kind: ceremony.AskSignOff, Act: "attest", Step: "attest", Who: marta, With: ceremony.SessionPIN}, func(d *desk) {
		d.focusOn("I do not agree")
		d.press(fyne.KeyReturn)
		d.write("The serial number was not compared")
		d.focusOn("I do not agree")
		d.press(fyne.KeyReturn)
		d.shows("At least 4 characters")
		d.write("4711")
		d.focusOn("I do not agree")
		d.press(fyne.KeyReturn)
	})
	if got.Verdict != ceremony.Disagree || got.Reason != "The serial number was not compared" || got.Secret.Len() != 4 {
		t.Errorf("verdict %q, reason %q, %d bytes of secret", got.Verdict, got.Reason, got.Secret.Len())
	}
	got.Secret.Wipe()
}

func TestPauseDeviationAndAbortAreAnswersToAnyPrompt(t *testing.T) {
	prompt := ceremony.Prompt{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: marta}
	paused := ask(t, prompt, func(d *desk) {
		d.write("half a secr")
		d.shell.pause()
		d.until("roll-call · pause")
		d.write("Fire alarm")
		d.press(fyne.KeyReturn, fyne.KeyReturn)
	})
	if paused.Action != ceremony.Pause || paused.Reason != "Fire alarm" || paused.Secret != nil {
		t.Errorf("answered %+v", paused)
	}
	aborted := ask(t, prompt, func(d *desk) {
		d.shell.abort()
		d.until("roll-call · abort")
		d.write("Fire")
		d.press(fyne.KeyReturn)
		phrase := d.shell.Window().Canvas().Focused()
		d.focusOn("Abort the ceremony")
		d.press(fyne.KeyReturn)
		d.shows("Type exactly ABORT")
		d.until("roll-call · abort") // nothing was answered
		d.shell.Window().Canvas().Focus(phrase)
		d.write("ABORT")
		d.press(fyne.KeyReturn)
		d.until("roll-call · abort")
		d.focusOn("Abort the ceremony")
		d.press(fyne.KeyReturn)
	})
	if aborted.Action != ceremony.Abort || aborted.Reason != "Fire" {
		t.Errorf("answered %+v", aborted)
	}
	deviated := ask(t, prompt, func(d *desk) {
		d.shell.deviate()
		d.until("roll-call · deviation")
		d.focusOn("Record the deviation")
		d.press(fyne.KeyReturn)
		d.shows("Choose one.")
		d.shell.deviate()
		d.write("A sealed bag")
		d.press(fyne.KeyReturn)
		d.write("The bag was open")
		d.press(fyne.KeyReturn, fyne.KeyReturn, fyne.KeyReturn) // not exposed
		d.press(fyne.KeyReturn, fyne.KeyReturn)                 // go on
		d.press(fyne.KeyReturn, fyne.KeyReturn)                 // the approver
		d.write("Counted and complete")
		d.press(fyne.KeyReturn, fyne.KeyReturn)
	})
	want := map[string]string{"expected": "A sealed bag", "happened": "The bag was open", "exposed": "no", "decision": "continue", "decided-by": "tn", "reason": "Counted and complete"}
	if deviated.Action != ceremony.Deviate || !maps.Equal(deviated.Fields, want) {
		t.Errorf("answered %+v", deviated)
	}
}

func TestSheetGoesBackToThePromptAsItWas(t *testing.T) {
	got := ask(t, ceremony.Prompt{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: marta}, func(d *desk) {
		d.write("abc")
		d.shell.deviate()
		d.until("deviation")
		d.focusOn("Back to the step")
		d.press(fyne.KeyReturn)
		d.until("roll-call · passphrase")
		d.write("def")
		d.press(fyne.KeyReturn)
	})
	want := secret.From([]byte("abcdef"))
	defer want.Wipe()
	if !got.Secret.Equal(want) {
		t.Error("what was typed before the sheet is lost")
	}
	got.Secret.Wipe()
}

func TestIrreversibleHasNoDefault(t *testing.T) {
	ask(t, ceremony.Prompt{Kind: ceremony.AskConfirm, Step: "seal", Title: "Seal the record", Irreversible: true}, func(d *desk) {
		if f := d.shell.Window().Canvas().Focused(); f != nil {
			t.Errorf("%T has the focus on what cannot be undone", f)
		}
		d.shows("CANNOT BE UNDONE")
		d.focusOn("Seal the record")
		d.press(fyne.KeyReturn)
	})
}

func TestDestructionTakesOnlyTheExactPhrase(t *testing.T) {
	got := ask(t, ceremony.Prompt{Kind: ceremony.AskPhrase, Step: "destroy", Title: "Delete root", Who: marta, Phrase: "DESTROY root"}, func(d *desk) {
		d.shows("CANNOT BE UNDONE")
		d.press(fyne.KeyReturn, fyne.KeySpace, fyne.KeyReturn) // too early
		d.until("destroy · phrase")
		d.shows("Type exactly DESTROY root")
		phrase := d.shell.screen.First
		d.shell.Window().Canvas().Focus(phrase)
		d.press(fyne.KeyReturn)
		d.write("DESTROY ROOT")
		d.press(fyne.KeyReturn)
		if got := d.shell.Window().Canvas().Focused(); got != phrase {
			t.Errorf("Enter on a phrase that is not the right one leads away from it, to %T", got)
		}
		d.focusOn("Delete root")
		d.press(fyne.KeyReturn)
		d.shows("Type exactly DESTROY root")
		d.shell.Window().Canvas().Focus(phrase)
		for range 4 {
			d.press(fyne.KeyBackspace)
		}
		d.write("root")
		d.press(fyne.KeyReturn) // leads to the button and does not press it
		d.until("destroy · phrase")
		d.press(fyne.KeyReturn)
	})
	if got.Fields[ceremony.PhraseField] != "DESTROY root" {
		t.Errorf("answered %q", got.Fields)
	}
}

// A practice card of a set made for the test, as it is printed.
func newCard(t *testing.T) (text, set string) {
	t.Helper()
	S, err := secret.Random(32)
	if err != nil {
		t.Fatal(err)
	}
	defer S.Wipe()
	made, cards, err := share.Split(S, 2, 3, true)
	if err != nil {
		t.Fatal(err)
	}
	defer share.Wipe(cards...)
	b := secret.New(200)
	defer b.Wipe()
	if err := cards[1].Text(b); err != nil {
		t.Fatal(err)
	}
	return string(b.Bytes()), made.Name()
}

// A scanner types the card and Enter, and may send a line feed after it: that
// must not press the next page's button.
func TestKeysAfterACardFallIntoNothing(t *testing.T) {
	card, set := newCard(t)
	p := &play{snapshot: practiceSite()}
	var got *secret.Buffer
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		a, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskCard, Step: "open", Who: farah, Card: ceremony.CardPrompt{Set: set, Index: 2, K: 2, N: 3, Prefix: "KP1"}})
		if err != nil {
			return flow.Finished{}, err
		}
		got = a.Secret
		_, err = room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Step: "one", Title: "After the card"})
		return flow.Finished{Status: "sealed"}, err
	}
	d := open(t, p)
	d.start()
	d.until("open · card · Farah Noor")
	d.hold = true
	d.scan(card, fyne.KeyReturn)
	for len(d.timer) == 0 {
		(<-d.queue)()
	}
	if f := d.shell.Window().Canvas().Focused(); f != nil {
		t.Fatalf("%T has the focus while keys may still be coming", f)
	}
	if strings.Contains(d.shell.Window().Title(), "confirm") {
		t.Error("the title says that the page is ready for keys")
	}
	d.now, d.hold = d.now.Add(quietTime), false
	d.timer[0]()
	d.until("one · confirm")
	d.press(fyne.KeyReturn)
	d.until("done")
	want := secret.From([]byte(strings.ReplaceAll(card, " ", "")))
	defer want.Wipe()
	if !got.Equal(want) {
		t.Error("the engine got another card than was scanned")
	}
	got.Wipe()
}

// Whatever a scanner sends after a card, the card is taken once; a scan where no
// card is asked for presses nothing.
func TestScansAreTakenOnceAndPressNothing(t *testing.T) {
	card, set := newCard(t)
	for name, c := range map[string]struct {
		text   string
		suffix []fyne.KeyName
	}{
		"Enter":             {card, []fyne.KeyName{fyne.KeyReturn}},
		"CR and LF":         {card, []fyne.KeyName{fyne.KeyReturn, fyne.KeyReturn}},
		"Tab":               {card, []fyne.KeyName{fyne.KeyTab}},
		"lower case, Enter": {strings.ToLower(card), []fyne.KeyName{fyne.KeyEnter}},
	} {
		answers := 0
		p := &play{snapshot: practiceSite()}
		p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
			if _, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Step: "one", Title: "Before the card"}); err != nil {
				return flow.Finished{}, err
			}
			answers++
			a, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskCard, Step: "open", Who: farah, Card: ceremony.CardPrompt{Set: set, Index: 2, K: 2, N: 3, Prefix: "KP1"}})
			a.Secret.Wipe()
			if err != nil {
				return flow.Finished{}, err
			}
			answers++
			a, err = room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskDecide, Step: "two", Title: "After it", Options: []ceremony.Option{{ID: "a", Label: "A"}}})
			answers++
			return flow.Finished{Status: "sealed"}, err
		}
		d := open(t, p)
		d.start()
		d.until("one · confirm")
		d.scan(c.text, c.suffix...)
		d.until("one · confirm")
		if answers != 0 {
			t.Errorf("%s: a scan pressed a button", name)
		}
		d.now = d.now.Add(quietTime)
		d.focusOn("Go on") // a Tab has led on
		d.press(fyne.KeyReturn)
		d.until("open · card")
		d.hold = true
		d.scan(c.text, c.suffix...)
		for len(d.timer) == 0 {
			(<-d.queue)()
		}
		d.now, d.hold = d.now.Add(quietTime), false
		d.timer[0]()
		d.until("two · decide")
		if answers != 2 {
			t.Errorf("%s: %d answers", name, answers)
		}
		d.shell.Stop()
	}
}

// A bag's number or a serial number from a scanner is taken once into the field that
// asks for it, whatever ends it; what follows answers nothing.
func TestScannedNumbersAreTakenOnceAndAnswerNothingElse(t *testing.T) {
	bag, serial := ceremony.Field{Name: "bag", Label: "Bag number", Type: "bag", Max: 40}, ceremony.Field{Name: "serial", Label: "Serial number", Type: "serial", Max: 40, Optional: true}
	again, seal := bag, ceremony.Field{Name: "seal", Label: "Its seal", Of: []string{"intact", "broken"}}
	again.Name = "again"
	for name, c := range map[string]struct {
		fields []ceremony.Field
		scans  []string
		chosen bool // a choice follows, which a person makes
	}{
		"a bag":                  {[]ceremony.Field{bag}, []string{"PR-900001"}, false},
		"a bag, twice":           {[]ceremony.Field{bag, again}, []string{"PR-900001", "PR-900001"}, false},
		"a bag, and its seal":    {[]ceremony.Field{bag, seal}, []string{"PR-900001"}, true},
		"a serial number":        {[]ceremony.Field{serial}, []string{"7700-4312"}, false},
		"a serial number, a bag": {[]ceremony.Field{serial, bag}, []string{"7700-4312", "PR-900001"}, false},
	} {
		for suffix, keys := range map[string][]fyne.KeyName{"Enter": {fyne.KeyReturn}, "CR and LF": {fyne.KeyReturn, fyne.KeyReturn}, "Tab": {fyne.KeyTab}} {
			t.Run(name+", "+suffix, func(t *testing.T) {
				answers := make(chan ceremony.Answer, 9)
				p := &play{snapshot: practiceSite()}
				p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
					for _, prompt := range []ceremony.Prompt{{Kind: ceremony.AskForm, Step: "bags", Title: "Bags", Fields: c.fields}, {Kind: ceremony.AskConfirm, Step: "one", Title: "After them"}} {
						a, err := room.Ask(ctx, prompt)
						if err != nil {
							return flow.Finished{}, err
						}
						answers <- a
					}
					return flow.Finished{Status: "sealed"}, nil
				}
				d := open(t, p)
				d.start()
				d.until("bags · form")
				d.hold = true
				for _, number := range c.scans {
					d.now = d.now.Add(time.Second) // the scanner is brought to the next label
					d.scan(number, keys...)
					if strings.Contains(d.text(), "Nothing is typed here yet.") {
						t.Error("what ended the scan is blamed on the next field")
					}
				}
				if c.chosen || suffix == "Tab" {
					d.now = d.now.Add(time.Second)
					if d.shell.pending == nil {
						t.Fatal("the scan answered the form")
					}
					if c.chosen {
						d.press(fyne.KeyReturn)
					}
					d.focusOn("Go on")
					d.press(fyne.KeyReturn)
				}
				deadline := time.After(20 * time.Second) // a hang, not a measure
				for len(d.timer) == 0 {
					select {
					case f := <-d.queue:
						f()
					case <-deadline:
						t.Fatalf("the form is not answered:\n%s", d.text())
					}
				}
				d.now, d.hold = d.now.Add(quietTime), false
				d.timer[0]()
				d.until("one · confirm")
				if n := len(answers); n != 1 {
					t.Fatalf("%d answers were given", n)
				}
				got := <-answers
				for i, f := range c.fields {
					want := "intact"
					if i < len(c.scans) {
						want = c.scans[i]
					}
					if got.Fields[f.Name] != want {
						t.Errorf("%s is %q, want %q", f.Name, got.Fields[f.Name], want)
					}
				}
			})
		}
	}
}

// A carried checkpoint from a scanner: Enter between its lines and whatever ends it
// compare it once.
func TestScannedCheckpointIsComparedOnce(t *testing.T) {
	for suffix, keys := range map[string][]fyne.KeyName{"Enter": {fyne.KeyReturn}, "CR and LF": {fyne.KeyReturn, fyne.KeyReturn}, "Tab": {fyne.KeyTab}} {
		t.Run(suffix, func(t *testing.T) {
			p := &play{snapshot: practiceSite()}
			brought := make(chan flow.Carried, 9)
			p.takeIn = func(ctx context.Context, room ceremony.Room, c flow.Carried) error {
				brought <- c
				_, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Who carried it"})
				return err
			}
			d := open(t, p)
			d.until("overview")
			d.focusOn("Take in a carried checkpoint")
			d.press(fyne.KeyReturn)
			d.until("take-in")
			d.shell.Window().Canvas().(interface{ FocusNext() }).FocusNext()
			lines := strings.Split(strings.TrimSuffix(scanned, "\n"), "\n")
			for _, line := range lines[:len(lines)-1] {
				d.scan(line, fyne.KeyReturn)
			}
			d.scan(lines[len(lines)-1], keys...)
			if suffix == "Tab" {
				if len(brought) != 0 {
					t.Fatal("a Tab compared it")
				}
				d.now = d.now.Add(time.Second)
				d.focusOn("Compare")
				d.press(fyne.KeyReturn)
			}
			d.until("confirm")
			if n := len(brought); n != 1 {
				t.Fatalf("it was compared %d times", n)
			}
			if note, err := ceremony.ReadNote([]byte((<-brought).Text)); err != nil || note != scanned {
				t.Errorf("compared %q (%v)", note, err)
			}
			d.until("confirm") // nobody has answered
		})
	}
}

func TestKeyboardIsHandedOverBeforeEachPrivateEntry(t *testing.T) {
	p := &play{snapshot: practiceSite()}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		for _, prompt := range []ceremony.Prompt{
			{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: marta},
			{Kind: ceremony.AskNewPIN, Step: "roll-call", Who: marta}, // who sits there already
			{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: farah},
			{Kind: ceremony.AskConfirm, Step: "one", Who: farah},
			{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: farah},
		} {
			a, err := room.Ask(ctx, prompt)
			a.Secret.Wipe()
			if err != nil {
				return flow.Finished{}, err
			}
		}
		return flow.Finished{Status: "sealed"}, nil
	}
	d := open(t, p)
	d.alone = true
	d.start()
	come := func(name string) {
		d.t.Helper()
		d.until("hand-over · " + name)
		d.shows("Only " + name + " at the keyboard")
		if d.shell.pending.made != nil {
			t.Error("the field is there before anybody came")
		}
		d.press(fyne.KeyEscape)
		d.until("hand-over")
		d.press(fyne.KeyReturn)
	}
	come("Marta Brandt")
	d.until("passphrase · Marta Brandt")
	d.write("abc")
	d.shell.deviate()
	d.until("deviation")
	d.focusOn("Back to the step")
	d.press(fyne.KeyReturn)
	d.until("hand-over · Marta Brandt") // others were at the keyboard
	d.press(fyne.KeyReturn)
	d.until("passphrase · Marta Brandt")
	d.write("def")
	d.press(fyne.KeyReturn)
	d.until("new-pin · Marta Brandt")
	d.write("4711")
	d.press(fyne.KeyReturn)
	d.write("4711")
	d.press(fyne.KeyReturn)
	come("Farah Noor")
	d.until("passphrase · Farah Noor")
	d.write("abc")
	d.press(fyne.KeyReturn)
	d.until("one · confirm")
	d.press(fyne.KeyReturn)
	come("Farah Noor")
	d.until("passphrase · Farah Noor")
	d.write("abc")
	d.press(fyne.KeyReturn)
	d.until("done")
}

// What is revealed is covered after a minute without a key, and a key shows it
// again.
func TestRevealedCardIsHiddenWhenNobodyIsThere(t *testing.T) {
	card, set := newCard(t)
	shown := secret.From([]byte(card))
	defer shown.Wipe()
	ask(t, ceremony.Prompt{Kind: ceremony.ShowCard, Step: "issue", Who: farah, Reveal: shown, Card: ceremony.CardPrompt{Set: set, Index: 2, K: 2, N: 3, Prefix: "KP1"}}, func(d *desk) {
		fire := func(n int) {
			d.timer[n]()
			for len(d.queue) > 0 {
				(<-d.queue)()
			}
		}
		reveal := d.shell.screen.First.(*kit.Reveal)
		d.press(fyne.KeyRight)
		if fire(0); reveal.Covered() {
			t.Error("hidden although a key was pressed within the minute")
		}
		if fire(1); !reveal.Covered() {
			t.Error("not hidden after a minute without a key")
		}
		d.shows("Any key shows it again.")
		if d.press(fyne.KeyRight); reveal.Covered() {
			t.Error("a key does not show it again")
		}
		d.press(fyne.KeyReturn, fyne.KeyReturn)
		d.until("issue · show-card") // Enter goes from group to group
		d.focusOn("I have written it down")
		d.press(fyne.KeyReturn)
	})
}

// The witness window shows the step, is the neutral card from the hand-over to
// the next public page, takes no keys, and can stand in for the page.
func TestWitnessWindow(t *testing.T) {
	p := &play{snapshot: practiceSite()}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		s := practiceSite()
		s.Ceremony = &ceremony.CeremonyView{Number: "2026-014", Steps: 9, Step: &ceremony.StepView{Number: 4, ID: "roll-call", Title: "Call the roll"}, Aloud: "We call the roll."}
		room.Show(s)
		for _, prompt := range []ceremony.Prompt{
			{Kind: ceremony.AskConfirm, Step: "roll-call", Title: "Call the roll"},
			{Kind: ceremony.AskPassphrase, Step: "roll-call", Title: "Marta Brandt, open your key", Who: marta, Role: "administrator"},
			{Kind: ceremony.AskConfirm, Step: "one", Title: "Look at the seal"},
		} {
			a, err := room.Ask(ctx, prompt)
			a.Secret.Wipe()
			if err != nil {
				return flow.Finished{}, err
			}
		}
		return flow.Finished{Status: "sealed"}, nil
	}
	d := open(t, p)
	d.alone = true
	wall := func() string {
		var b strings.Builder
		textOf(d.shell.witness.window.Content(), &b)
		return b.String()
	}
	says := func(words string) {
		t.Helper()
		if got := wall(); !strings.Contains(got, words) {
			t.Errorf("the witness window does not say %q but:\n%s", words, got)
		}
	}
	d.shell.witness.toggle()
	d.start()
	d.until("roll-call · confirm")
	says("We call the roll.")
	says("Step 4 of 9")
	d.press(fyne.KeyReturn)
	d.until("hand-over")
	says("Private entry in progress")
	d.press(fyne.KeyReturn)
	d.until("passphrase")
	d.write("abc")
	d.shell.witness.tick(d.now)
	if got := wall(); strings.Contains(got, "Marta") || strings.Contains(got, "Step") || strings.Contains(got, "UTC") {
		t.Errorf("during a private entry the witness window says:\n%s", got)
	}
	d.shell.witness.swap()
	d.shows("Private entry in progress")
	if d.shell.window.Canvas().Focused() != nil {
		t.Error("keys reach the entry under the public view")
	}
	d.shell.witness.swap()
	d.shows("Open my key")
	d.press(fyne.KeyReturn)
	d.until("one · confirm")
	says("Look at the seal")
	d.shell.witness.swap()
	d.shows("Look at the seal")
	if f := d.shell.window.Canvas().Focused(); f != nil {
		t.Errorf("%T has the focus under the public view", f)
	}
	d.shell.witness.swap()
	d.press(fyne.KeyReturn)
	d.until("done")
	focusable := d.shell.witness.window.Canvas()
	focusable.(interface{ FocusNext() }).FocusNext()
	if f := focusable.Focused(); f != nil {
		t.Errorf("the witness window has %T to type into", f)
	}
	d.shell.witness.toggle()
	if d.shell.witness.window != nil {
		t.Error("the witness window is still there")
	}
}

func TestWrongCardIsToldWhileItIsTyped(t *testing.T) {
	card, set := newCard(t)
	prompt := ceremony.Prompt{Kind: ceremony.AskCard, Step: "open", Who: farah, Card: ceremony.CardPrompt{Set: set, Index: 2, K: 2, N: 3, Prefix: "KP1"}}
	got := ask(t, prompt, func(d *desk) {
		d.write("KC1")
		d.shows("A card that begins with KC1 is a real one.")
		d.write("B")
		d.shows("is not used on cards")
		wrong := []byte(card)
		if wrong[len(wrong)-1] == 'Q' {
			wrong[len(wrong)-1] = 'P'
		} else {
			wrong[len(wrong)-1] = 'Q'
		}
		d.write(string(wrong[:len(wrong)-1]))
		d.press(fyne.KeyReturn)
		d.shows("Group 18 is short by 1 letter")
		d.press(fyne.KeyEnd)
		d.press(fyne.KeyLeft)
		d.write(string(wrong[len(wrong)-1:]))
		d.shows("group 18")
		d.press(fyne.KeyReturn) // refused by the window already
		d.until("open · card")
		d.write(card)
		d.press(fyne.KeyReturn)
	})
	got.Secret.Wipe()
	got = ask(t, prompt, func(d *desk) { // a right group typed over by a wrong one, and by the right one again
		groups := strings.Fields(card)
		d.write(card)
		wrong := []byte(groups[9])
		for i := range 2 {
			if wrong[i] == 'Q' {
				wrong[i] = 'P'
			} else {
				wrong[i] = 'Q'
			}
		}
		for _, group := range []string{string(wrong), groups[9]} {
			d.press(fyne.KeyHome)
			for range 8 * 4 {
				d.press(fyne.KeyRight)
			}
			d.write(group)
		}
		d.shows("All 18 groups fit.")
		d.press(fyne.KeyReturn)
	})
	got.Secret.Wipe()
	other, _ := newCard(t)
	got = ask(t, prompt, func(d *desk) {
		d.write(other[:20])
		d.shows("this step needs set " + set)
		d.focusOn("Start again")
		d.press(fyne.KeyReturn)
		d.write(card)
		d.press(fyne.KeyReturn)
	})
	got.Secret.Wipe()
}

func TestTitleIsNeverTheSameTwice(t *testing.T) {
	p := &play{snapshot: practiceSite()}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		for range 3 {
			if _, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Step: "room", Title: "Again"}); err != nil {
				return flow.Finished{}, err
			}
		}
		return flow.Finished{Status: "sealed"}, nil
	}
	d := open(t, p)
	d.start()
	for _, n := range []string{"· 1", "· 2", "· 3"} {
		d.until("room · confirm", n)
		d.press(fyne.KeyReturn)
	}
	d.until("done")
}

func TestWithdrawnPromptIsWiped(t *testing.T) {
	p := &play{snapshot: practiceSite()}
	stop := make(chan context.CancelFunc, 1)
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		inner, cancel := context.WithCancel(ctx)
		stop <- cancel
		_, err := room.Ask(inner, ceremony.Prompt{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: marta})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("withdrawn with %v", err)
		}
		return flow.Finished{Status: "paused"}, nil
	}
	d := open(t, p)
	d.start()
	d.until("passphrase")
	d.write("abc")
	(<-stop)()
	d.until("done", "paused")
	if d.shell.pending != nil {
		t.Error("the prompt is still there")
	}
}

func TestTroubleIsToldInThreeLines(t *testing.T) {
	p := &play{snapshot: practiceSite()}
	p.run = func(context.Context, ceremony.Room) (flow.Finished, error) {
		return flow.Finished{}, &ceremony.Problem{Happened: "The disk is full.", Safe: "No record is lost.", Do: "Make room, then resume.", Code: "ENOSPC"}
	}
	d := open(t, p)
	d.start()
	d.until("done")
	for _, line := range []string{"The disk is full.", "No record is lost.", "Make room, then resume.", "Details: ENOSPC"} {
		d.shows(line)
	}
}

func TestRecordThatDoesNotOpenIsTold(t *testing.T) {
	d := open(t, &play{broken: errors.New("couldn't open ledger.db: it is held by process 4711")})
	d.until("trouble")
	d.shows("it is held by process 4711")
}

// Whatever the program does takes place beside the window's thread: while it
// hangs, the window lives.
func TestWindowLivesWhileTheProgramIsBusy(t *testing.T) {
	hung := make(chan struct{})
	p := &slow{play: play{snapshot: practiceSite()}, hung: hung}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		a, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskPassphrase, Step: "roll-call", Who: marta})
		a.Secret.Wipe()
		return flow.Finished{Status: "sealed"}, err
	}
	d := open(t, p)
	d.until("working")
	d.shows("Reading and verifying the record")
	d.shell.settings()
	d.until("settings")
	d.shows("Text at 200 %")
	hung <- struct{}{}
	d.shell.home()
	hung <- struct{}{}
	d.start()
	d.until("passphrase")
	d.focusOn("Use the practice passphrase")
	d.press(fyne.KeyReturn)
	d.shell.window.Canvas().Focus(d.shell.screen.First)
	d.write("typed meanwhile")
	d.press(fyne.KeyReturn)
	hung <- struct{}{}
	hung <- struct{}{} // the snapshot after the run
	d.until("done")
}

// slow is a program whose record and practice secrets take until somebody says
// so.
type slow struct {
	play
	hung chan struct{}
}

func (p *slow) Snapshot(ctx context.Context) (ceremony.Snapshot, error) {
	<-p.hung
	return p.play.Snapshot(ctx)
}

func (p *slow) Practice(context.Context, ceremony.Prompt) (*secret.Buffer, error) {
	<-p.hung
	return secret.From([]byte("too late")), nil
}

func TestWrongParameterIsToldAtItsField(t *testing.T) {
	taken := sample.Empty()
	k := sample.Key("taken", "ec-p384", sample.Noon, sample.Noon.AddDate(2, 0, 0), ceremony.Active)
	taken.Keys[k.Body.ID] = k
	d := open(t, &play{snapshot: practiceSite(), state: taken, ledger: ledger.NewMemory(), run: func(context.Context, ceremony.Room) (flow.Finished, error) {
		t.Error("a ceremony with a taken label has begun")
		return flow.Finished{}, nil
	}})
	d.until("overview")
	d.press(fyne.KeyReturn)
	d.until("prepare")
	for range 40 {
		d.shell.Window().Canvas().(interface{ FocusNext() }).FocusNext()
		if _, button := d.shell.Window().Canvas().Focused().(*kit.Button); !button {
			break
		}
	}
	for range len("signing-key") {
		d.press(fyne.KeyEnd, fyne.KeyBackspace)
	}
	d.write("taken")
	d.next("is taken by a key of ceremony") // told while it is typed
	d.press(fyne.KeyReturn, fyne.KeyReturn)
	d.until("prepare")
}

func TestWindowIsNotClosedUnderACeremony(t *testing.T) {
	paused := ask(t, ceremony.Prompt{Kind: ceremony.AskConfirm, Step: "room"}, func(d *desk) {
		d.shell.quit()
		d.shows("A ceremony is under way")
		d.press(fyne.KeyEscape)
		d.until("room · confirm")
		d.shell.quit()
		d.focusOn("Pause the ceremony")
		d.press(fyne.KeyReturn)
		d.until("pause")
		d.write("Going home")
		d.press(fyne.KeyReturn, fyne.KeyReturn)
	})
	if paused.Action != ceremony.Pause {
		t.Errorf("answered %+v", paused)
	}
}

func TestSnapshotLeavesThePageAlone(t *testing.T) {
	ask(t, ceremony.Prompt{Kind: ceremony.AskForm, Step: "room", Fields: []ceremony.Field{{Name: "place", Label: "Place"}}}, func(d *desk) {
		d.write("Vault")
		focused := d.shell.Window().Canvas().Focused()
		s := practiceSite()
		s.Ledger.Records = 99
		d.shell.show(s)
		d.shows("#98")
		if d.shell.Window().Canvas().Focused() != focused {
			t.Error("a new snapshot took the focus")
		}
		d.write(" room 2")
		d.press(fyne.KeyReturn)
	})
}

// While people are busy at the device the page says who does what there, and no key
// does anything; then the next question comes.
func TestNothingIsTypedWhilePeopleAreAtTheDevice(t *testing.T) {
	pad := ceremony.Prompt{Kind: ceremony.AskPad, Step: "open", Title: "At the device: log in as its user", Verb: "We are at the device", Who: marta, Aloud: "Present your card. No PIN is entered on this workstation."}
	returned := make(chan struct{})
	p := &play{snapshot: practiceSite()}
	p.run = func(ctx context.Context, room ceremony.Room) (flow.Finished, error) {
		if _, err := room.Ask(ctx, pad); err != nil {
			return flow.Finished{}, err
		}
		s := practiceSite()
		s.Ceremony, s.Working, s.AtDevice = &ceremony.CeremonyView{Step: &ceremony.StepView{ID: "open", Title: "Open the HSM"}}, "The device asks for what opens it", &pad
		room.Show(s)
		<-returned
		_, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Step: "open", Title: "What is in the token"})
		return flow.Finished{Status: "sealed"}, err
	}
	d := open(t, p)
	d.start()
	d.until("· pad ·")
	d.shows("No PIN is entered on this workstation.")
	d.press(fyne.KeyReturn)
	d.until("· open · working")
	d.shows("At the device: log in as its user")
	d.shows("The device asks for what opens it")
	if d.shell.screen.First != nil || d.shell.window.Canvas().Focused() != nil {
		t.Error("a key would reach something while people are at the device")
	}
	close(returned)
	d.until("confirm")
	d.press(fyne.KeyReturn)
	d.until("done")
}

const scanned = "claviger-practice/abc\n12\nAAAA\n\n— claviger-practice/abc BBBB\n"

// A carried checkpoint by keys: a scanner's Enters do not end it early, who
// brought it is chosen, and what comes of it is told on the overview.
func TestTakeInByKeys(t *testing.T) {
	p := &play{snapshot: practiceSite(), practice: map[string]string{"tn": "antelope crescent drizzle"}}
	var got flow.Carried
	var who ceremony.Answer
	p.takeIn = func(ctx context.Context, room ceremony.Room, c flow.Carried) error {
		got = c
		var err error
		if who, err = room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Title: "Take in a carried checkpoint", Fields: []ceremony.Field{{Name: "person", Label: "Who carried it", Of: []string{"tn"}}}}); err != nil {
			return err
		}
		a, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskPassphrase, Who: ceremony.Someone{ID: "tn", Name: "Tomas Novak"}})
		a.Secret.Wipe()
		p.snapshot.Ledger.Compared = []string{"a checkpoint carried by Tomas Novak, up to record 11"}
		return err
	}
	d := open(t, p)
	d.until("overview")
	d.shows("Nothing brought from outside was compared")
	d.focusOn("Take in a carried checkpoint")
	d.press(fyne.KeyReturn)
	d.until("take-in")
	d.press(fyne.KeyReturn)
	d.shows("Type where the file lies")
	d.shell.Window().Canvas().(interface{ FocusNext() }).FocusNext()
	for line := range strings.Lines(scanned) {
		d.write(strings.TrimSuffix(line, "\n"))
		d.press(fyne.KeyReturn)
	}
	d.until("form")
	if strings.Contains(d.text(), "Settings") {
		t.Error("another place is offered while somebody is asked")
	}
	if !d.shell.menu.answers[0].Disabled || strings.Contains(d.text(), "Note a deviation") {
		t.Error("outside of a ceremony there is nothing to pause")
	}
	d.focusOn("Go on")
	d.press(fyne.KeyReturn)
	d.shows("Choose one.")
	d.press(fyne.KeySpace, fyne.KeyReturn)
	d.until("passphrase · Tomas Novak")
	d.focusOn("Use the practice passphrase")
	d.press(fyne.KeyReturn)
	d.until("passphrase", "filled")
	d.press(fyne.KeyReturn)
	d.until("overview")
	d.shows("Agrees with a checkpoint carried by Tomas Novak, up to record 11")
	if note, err := ceremony.ReadNote([]byte(got.Text)); err != nil || note != scanned || who.Fields["person"] != "tn" {
		t.Errorf("brought %q (%v) by %q", note, err, who.Fields["person"])
	}
}

func TestTakeInCanBeLeftAndTriedAgain(t *testing.T) {
	p := &play{snapshot: practiceSite()}
	var action ceremony.Action
	tries := 0
	p.takeIn = func(ctx context.Context, room ceremony.Room, c flow.Carried) error {
		if tries++; tries == 1 {
			return &ceremony.Problem{Happened: "Couldn't read the checkpoint.", Safe: "Nothing was recorded.", Do: "Type the whole path."}
		}
		a, err := room.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskPassphrase, Who: marta})
		action = a.Action
		return err
	}
	d := open(t, p)
	d.until("overview")
	d.focusOn("Take in a carried checkpoint")
	d.press(fyne.KeyReturn)
	d.until("take-in")
	d.write("/media/usb/nothing")
	d.press(fyne.KeyReturn)
	d.until("take-in")
	for !strings.Contains(d.text(), "Couldn't read the checkpoint.") {
		(<-d.queue)()
	}
	d.focusOn("Compare")
	d.press(fyne.KeyReturn)
	d.until("passphrase")
	d.write("half a secr")
	d.focusOn("Back to the overview")
	d.press(fyne.KeyReturn)
	d.until("overview")
	if action != ceremony.Abort {
		t.Errorf("the engine was answered %q", action)
	}
}

func TestContradictedSiteHasNothingToPress(t *testing.T) {
	p := &play{snapshot: practiceSite()}
	p.snapshot.Ledger.Contradiction = "record 11: two histories were signed"
	p.state, p.ledger = sample.Site(), ledger.NewMemory()
	d := open(t, p)
	d.until("overview")
	d.shows("Record 11: two histories were signed.")
	for _, button := range []string{"[Start]", "[Resume]", "[Take in a carried checkpoint]"} {
		if strings.Contains(d.text(), button) {
			t.Errorf("%s is offered", button)
		}
	}
}

// The window that only reads says so above every page, names who writes, and has
// nothing to press but ways to read.
func TestHeldSiteHasNothingToPress(t *testing.T) {
	const holder = "process 4711 of user 1000 on lab since 2026-11-22T11:00:00.000Z"
	p := &play{snapshot: practiceSite(), held: true}
	p.snapshot.Ledger.Holder = holder
	p.state, p.ledger = sample.Site(), ledger.NewMemory()
	d := open(t, p)
	d.until("overview")
	d.shows("READ-ONLY · written by " + holder)
	for _, place := range []string{flow.InKeys, flow.InEvidence, flow.InCeremonies} {
		d.shell.goTo(place)
		d.until(place)
		d.shows("READ-ONLY · written by " + holder)
		for _, button := range []string{"[Start]", "[Resume]", "[Take in a carried checkpoint]", "[Copy the ledger to a medium]"} {
			if strings.Contains(d.text(), button) {
				t.Errorf("%s: %s is offered", place, button)
			}
		}
	}
}

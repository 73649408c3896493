package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// Kind is what one kind of step does. Kinds are append-only and known by name
// and version; their table is in ceremony/steps.
//
// Check is pure and is the only place where a kind's own rules stand: the
// engine calls it before it appends, the checker on every record years later.
// Do is straight-line code in one goroutine; pause, abort and deviation are
// answers to any Ask and come back as errors that Do just returns.
type Kind interface {
	Name() string
	Version() int
	// Doc is one line for the manual and the printed script.
	Doc() string
	// Play moves the world model, or says why this step cannot work here.
	Play(w *World, st script.Step) error
	// Acts lists what this step will still do to the token, given what is
	// already done: what an authorisation shows and what an intent may hold.
	Acts(s *State, st script.Step) ([]Act, error)
	// Check judges a record of this step beyond the common rules.
	Check(s *State, st script.Step, r ledger.Record, body any) error
	Do(ctx context.Context, env Env, st script.Step) error
	// Reconcile looks in the token for what an act without result has left.
	Reconcile(ctx context.Context, env Env, st script.Step, in KnownIntent) (Found, error)
}

// Fleeting is a kind whose work ends with the run, because it lies in the session
// with a token: Lapsed says that it has to be done again, for steps still to come.
type Fleeting interface {
	Lapsed(s *State, st script.Step) bool
}

// Found is what Reconcile saw, with the facts' own records.
type Found struct {
	Outcome Outcome
	Records []Entry
	Blobs   [][]byte
	Facts   []Line
}

// Entry is a record to be: kind and body. The engine adds the rest.
type Entry struct {
	Kind string
	Body any
}

// Kinds is the table of step kinds.
type Kinds map[string]Kind

// Names lists the kinds in the order of the alphabet.
func (k Kinds) Names() []string { return sortedKeys(k) }

// Env is what the engine lends to a step while it is played.
type Env interface {
	State() *State
	Attempt() int
	Host() Host
	Site() *Folder

	// Ask puts a question to the room. It returns errors that end the step for
	// pause and abort, and handles a deviation by itself before it asks again.
	Ask(ctx context.Context, p Prompt) (Answer, error)
	// Working tells the room what happens while nobody is asked.
	Working(what string)
	// AtDevice tells it while people are busy at the device itself, where p has sent them.
	AtDevice(what string, p Prompt)
	// Looked tells it that the token of the ceremony was looked for among those attached.
	Looked(attached bool)
	// Shown adds public lines to the step's card on the screen.
	Shown(lines ...Line)

	// Private tells when, since it was asked last, people entered or saw what nobody
	// else may see: from when to when, in UTC.
	Private() []string

	// Record appends records of this step, in one transaction.
	Record(ctx context.Context, entries []Entry, blobs ...[]byte) error
	// Act writes the intent, does the act and writes its result with what do
	// read back, or reconciles. No ledger write, no act.
	Act(ctx context.Context, act Act, do func(ctx context.Context, intent ledger.Hash) (Found, error)) error
	// SignOff asks a person for a signature over the content that State expects.
	SignOff(ctx context.Context, ask SignOffAsk) (SignOff, error)
	// Together has several people sign one record, each with the enrolled key: all
	// sign the same bytes, over the record that comes next.
	Together(ctx context.Context, people []Part, p Prompt, message func(prev ledger.Hash) ([]byte, error)) ([]SignedBy, error)
	// CheckCard compares a typed card with its fingerprint in a process of its own.
	CheckCard(ctx context.Context, text *secret.Buffer, fingerprint [32]byte, practice bool) (why string, err error)
	// Login records the attempt, then logs in to a token of the ceremony.
	Login(ctx context.Context, serial string, as hsm.User, cards []Held, pin *secret.Buffer) error
	// Logout closes a token of the ceremony, if it is open.
	Logout(ctx context.Context, serial, reason string) error
	LogoutAll(ctx context.Context, reason string) error
	// Checkpoint has the token sign the tree head; without a ledger key or an
	// open token it does nothing.
	Checkpoint(ctx context.Context) error
	// KeepHead stores the last checkpoint in the token; CompareHeads holds those
	// kept there against the ledger.
	KeepHead(ctx context.Context) error
	CompareHeads(ctx context.Context) error

	// Module is the vendor's library in its own process, started at need.
	Module(ctx context.Context) (hsm.Module, error)
	// Restart ends the module's process; the next use starts it again.
	Restart(ctx context.Context) error
	// Session is the session with the ceremony's token; opened at need. SessionWith
	// is that with its own or its second one.
	Session(ctx context.Context) (hsm.Session, error)
	SessionWith(ctx context.Context, serial string) (hsm.Session, error)
	// Release closes every session, as initialising a token demands.
	Release(ctx context.Context) error
	People() *Keyring
	// Write prepares entries of a signed record: its own prev is part of what is
	// signed, so nothing may be appended between.
	Prev() ledger.Hash
}

// SignOffAsk says who is asked to sign what.
type SignOffAsk struct {
	Person, Role string
	Act, Step    string
	Attempt      int
	Title, Text  string
	// Phrase is typed by the person before the signature is asked for, with Facts
	// on the screen; "" asks for none.
	Phrase string
	Facts  []Fact
}

// ErrPaused and ErrAborted end a step because people asked for it.
var (
	ErrPaused  = errors.New("paused")
	ErrAborted = errors.New("aborted")
)

// Stop carries the reason that people gave.
type Stop struct {
	Err    error // ErrPaused or ErrAborted
	Reason string
	Stay   []string // who stays with the equipment
}

func (s *Stop) Error() string { return fmt.Sprintf("%v: %s", s.Err, s.Reason) }
func (s *Stop) Unwrap() error { return s.Err }

// World is the model that a script is played on before anyone acts: what can
// be relied on at each step. A script that cannot work is refused at load.
type World struct {
	Founding bool // no person is known before
	// Looked at before anybody is called: room and clock, and the workstation.
	RoomChecked, WorkstationChecked bool
	PeopleKnown                     bool
	TokenNamed                      bool
	TokenOpen                       bool
	SetIssued                       bool
	LedgerKey                       bool
	WrappingKey                     bool
	Attested                        bool
	// Of a destruction: the steps that answer its conditions and list its copies,
	// whether owner and approver have signed both, and whether the key was deleted.
	GatesAnswered, CopiesRegistered string
	DestructionApproved, KeyDeleted bool
	Sealed                          bool
	Unread                          string            // the step that makes a key whose fingerprint nobody has read yet
	Authorised                      map[string]bool   // by step id
	OutOfBag                        map[string]string // items, and the step that opened their bag
}

// PlayScript plays the world model over a plan, from start to end.
func PlayScript(plan *script.Bound, kinds Kinds) error {
	w := &World{Authorised: map[string]bool{}, OutOfBag: map[string]string{}}
	for _, st := range plan.Steps() {
		k, ok := kinds[st.Kind]
		if !ok {
			return fmt.Errorf("step %q: this program does not know the step kind %q", st.ID, st.Kind)
		}
		if w.Sealed {
			return fmt.Errorf("step %q comes after the seal; the seal is the last step", st.ID)
		}
		if err := k.Play(w, st); err != nil {
			return fmt.Errorf("step %q cannot work where it stands: %w", st.ID, err)
		}
	}
	if !w.Sealed {
		return errors.New("the script has no step of kind seal, so its ceremony could never end")
	}
	for _, ph := range plan.Phases {
		attests := slices.ContainsFunc(ph.Steps, func(st script.Step) bool { return st.Kind == AttestStep })
		if len(ph.Sign) == 0 && !attests {
			return fmt.Errorf("phase %d, %q, is signed by nobody (sign: [administrator, witness]); only the one in which everybody attests needs no other signatures", ph.Number, ph.Title)
		}
	}
	return nil
}

// CheckedFirst says what has to be looked at before people come to the keyboard.
func (w *World) CheckedFirst() error {
	switch {
	case !w.RoomChecked:
		return errors.New("the room and its clock are checked before (room-check)")
	case !w.WorkstationChecked:
		return errors.New("the workstation is checked before anybody types a secret on it (workstation-check)")
	}
	return nil
}

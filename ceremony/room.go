package ceremony

import (
	"context"
	"slices"
	"time"

	"claviger/hsm/secret"
)

// Room is where the people are: the window, a rehearsal, a test. The engine
// asks one thing at a time and waits; Show is called whenever what a screen
// would draw has changed, and must not block.
type Room interface {
	Ask(ctx context.Context, p Prompt) (Answer, error)
	Show(s Snapshot)
}

// PromptKind says what sort of answer a prompt wants.
type PromptKind string

const (
	// AskConfirm: read, do, go on.
	AskConfirm PromptKind = "confirm"
	// AskForm: fill in Fields.
	AskForm PromptKind = "form"
	// AskPassphrase: Who enters the passphrase of the enrolled key; or, With says
	// so, the session PIN on the return from a break. Private.
	AskPassphrase PromptKind = "passphrase"
	// AskNewPIN: Who chooses a session PIN (Fields is empty; Secret is the PIN,
	// which the screen has asked for twice). Private.
	AskNewPIN PromptKind = "new-pin"
	// AskCard: Who types a card into Secret: the text as on the card, any case,
	// spaces and dashes allowed. Private.
	AskCard PromptKind = "card"
	// AskTransportPIN: Who enters their own half of the token's transport SO PIN; to
	// make it up, AskNewTransportPIN has the screen ask for it twice. Private.
	AskTransportPIN    PromptKind = "transport-pin"
	AskNewTransportPIN PromptKind = "new-transport-pin"
	// AskPad: people stand at the device; the answer begins the call in which they
	// enter a PIN or present cards there. Nothing is entered here.
	AskPad PromptKind = "pad"
	// ShowPassphrase: Who is shown the generated passphrase in Reveal, once.
	// Private.
	ShowPassphrase PromptKind = "show-passphrase"
	// ShowCard: Who is shown the card in Reveal and writes it by hand. Private.
	ShowCard PromptKind = "show-card"
	// AskSignOff: Who sees Facts and signs or disagrees; Secret is the session PIN
	// or the passphrase, as With says. The facts are public, the entry is private.
	AskSignOff PromptKind = "sign-off"
	// AskDecide: one of Options.
	AskDecide PromptKind = "decide"
	// AskPhrase: Who types Phrase, exactly, before what cannot be undone is done;
	// Fields[PhraseField] is what was typed. One prompt for each person who has to.
	AskPhrase PromptKind = "phrase"
)

// PhraseField names the answer to AskPhrase.
const PhraseField = "phrase"

// Prompt is one question to the room.
type Prompt struct {
	Kind    PromptKind
	Step    string // id of the step; "" outside one
	Act     string // for a sign-off: authorise, step, phase, attest, enrol
	Title   string // verb first: "Farah Noor, enter your share"
	Text    string // one or two sentences: what to do
	Aloud   string // what the administrator reads aloud; "" where the step's own text stands
	Who     Someone
	Role    string // the role in which Who answers
	With    SecretKind
	Facts   []Fact
	Fields  []Field
	Options []Option
	Card    CardPrompt
	Reveal  *secret.Buffer // borrowed: valid until Ask returns
	Problem *Problem       // why the answer before this one was not taken
	Verb    string         // what the button says; "" leaves it to the screen
	Phrase  string         // of AskPhrase: "DESTROY codesign-2021"
	// Irreversible marks what cannot be undone: no default, a red band.
	Irreversible bool
}

// Private says whether everyone else has to turn away.
func (p Prompt) Private() bool {
	switch p.Kind {
	case AskPassphrase, AskNewPIN, AskCard, AskTransportPIN, AskNewTransportPIN, ShowPassphrase, ShowCard:
		return true
	}
	return false
}

// Someone names a person on a screen.
type Someone struct{ ID, Name, Initials string }

// SecretKind is what releases a signature.
type SecretKind string

const (
	NoSecret   SecretKind = ""
	SessionPIN SecretKind = "session PIN"
	Passphrase SecretKind = "passphrase"
)

// Fact is one line of public content: a label and what it is. Style "hash"
// asks for fours and words, "mono" for fixed width; "met" and "unmet" are a
// condition with, below it, what it rests on.
type Fact struct{ Label, Value, Style string }

// Field is one typed answer. Type is "text", "time" (HH:MM), "bag",
// "serial".
type Field struct {
	Name, Label, Type, Value, Hint string
	Of                             []string // the only values, where there are such
	Max                            int
	Optional                       bool // it may be left empty
	// When and Is: it is asked only where the field called When has one of these
	// values; "" is always.
	When string
	Is   []string
}

// Asked says whether it is asked, as the others are answered.
func (f Field) Asked(answers map[string]string) bool {
	return f.When == "" || slices.Contains(f.Is, answers[f.When])
}

// Option is one choice of a decision. Danger marks what cannot be undone.
type Option struct {
	ID, Label, Help string
	Danger          bool
}

// CardPrompt is what may be told before a card is typed.
type CardPrompt struct {
	Set      string // "QYPZ 4XNR"
	Purpose  string // activation, recovery
	Index    int    // which card this custodian holds
	K, N     int
	Entered  []int // indices already accepted
	Prefix   string
	Opens    string // "user PIN"
	ReadBack bool   // typed to prove that it was written down, not to open anything
	Words    []string
	Old      map[string]*Problem // by the name of a card of a withdrawn set: what to tell who types it
}

// Problem is an error in three lines (what happened, what is safe, what to do)
// and the raw code for those who want it.
type Problem struct{ Happened, Safe, Do, Code string }

func (p *Problem) Error() string { return p.Happened + " " + p.Do }

// Action is what an answer asks of the engine instead of going on.
type Action string

const (
	GoOn  Action = ""
	Pause Action = "pause" // Reason; Fields as State.PauseFields asks, or none
	Abort Action = "abort"
	// Deviate: Fields as State.DeviationFields asks; expected, happened, exposed,
	// decision and decided-by at least.
	Deviate Action = "deviate"
	// Presence: somebody left, came back, is substituted, or an observer comes or
	// goes; Fields as State.PresenceFields asks.
	Presence Action = "presence"
	// TakeBreak: two stay, the token is closed, the keys are kept; Fields as
	// State.BreakFields asks. The engine then asks for the return.
	TakeBreak Action = "break"
	// Withhold: Who does not sign and does not say why. Answers a sign-off of a
	// phase or an attestation; Reason is what the others saw.
	Withhold Action = "withhold"
)

// Answer is what the room says. Whoever receives it owns Secret and wipes it.
type Answer struct {
	Action  Action
	Fields  map[string]string
	Secret  *secret.Buffer
	Verdict Verdict
	Reason  string // of a disagreement, a pause or an abort
	Choice  string
}

// Snapshot is everything a screen draws: a fold over the ledger and what the
// engine is doing this moment. It holds no secret.
type Snapshot struct {
	Site     SiteView
	Ledger   LedgerView
	HSM      HSMView
	Ceremony *CeremonyView // the open one
	Working  string        // what is happening now: "The token is making the key"; "" while waiting for people
	Since    time.Time     // when Working began
	// AtDevice is what people do at the device itself while Working lasts: the prompt
	// that sent them there. nil where they do nothing there.
	AtDevice *Prompt
	// Sheets are the questions that go with what a prompt can be answered with
	// beside its answer; an action without an entry is not offered.
	Sheets map[Action][]Field
}

type SiteView struct {
	ID, Organisation string
	Practice         bool
	People           []PersonView
}

type LedgerView struct {
	Records  int64
	Last     string // leaf of the last record, hex
	Verified bool
	SignedTo int64    // records covered by the HSM's last checkpoint
	Compared []string // what came from outside of the file and agreed
	Foreign  []string // what was brought and is signed by no key of this site
	// CopiesDue counts the copies of the ledger that are to be made yet.
	CopiesDue int
	Findings  []string
	// Contradiction says what from outside disagrees; nothing can be held here.
	Contradiction string
	// Holder names the program that writes this record, as it names itself; here
	// it is only read then.
	Holder string
}

// HSMView: State is "absent", "present, closed", "open" or "not looked at".
type HSMView struct {
	State, Label, Serial string
	Software             bool // every token that the record knows is one
}

// CeremonyView is the open ceremony.
type CeremonyView struct {
	Number, Title, Script string // Script: first 8 hex digits of its SHA-256
	About                 string
	Started               time.Time
	Planned               time.Duration
	Phases                []PhaseView
	Step                  *StepView // the one that is played now
	Steps                 int
	Aloud                 string
	Facts                 []Fact // what the step has found so far
	Result                string // of the step's last act: "Done, and read back"
	People                []PersonView
	Needs                 []Need
	Waiting               string // whom we wait for: "Waiting for the witness: Amara Okafor"
	Deviations            int
	Attempt               int
}

type PhaseView struct {
	Number int
	Title  string
	Steps  []StepView
}

// StepStatus: "todo", "now", "done", "deviated", "failed".
type StepView struct {
	Number     int
	ID, Title  string
	Kind       string
	Phase      string
	Status     string
	Marks      string // initials of those who signed, or "2 of 3"
	Started    time.Time
	Ended      time.Time
	Planned    time.Duration
	CannotUndo bool
}

// PersonView: State is "idle", "acting", "signed", "absent".
type PersonView struct {
	Someone
	Role, Status, State, Organisation string
}

// Need is one line of "Needed for this step". Got and Of are there where people
// are counted.
type Need struct {
	Text    string
	Met     bool
	Got, Of int
}

// withholdable says whether a prompt may be answered by silence.
func (p Prompt) withholdable() bool {
	return p.Kind == AskSignOff && (p.Act == ActPhase || p.Act == ActAttest)
}

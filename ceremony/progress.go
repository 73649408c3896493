package ceremony

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"claviger/ceremony/script"
	"claviger/ledger"
)

// Status of a ceremony.
type Status string

const (
	Running       Status = "running"
	PausedStatus  Status = "paused"
	Interrupted   Status = "interrupted"
	AbortedStatus Status = "aborted"
	SealedStatus  Status = "sealed"
)

// ReasonInterrupted stands in the pause that the next start writes for a
// program that ended without saying so.
const ReasonInterrupted = "interrupted"

// Step kinds that the common rules know by name; what they do stands with the
// others in ceremony/steps.
const (
	EnrolStep     = "enrol-founders"
	RollCallStep  = "roll-call"
	OpenTokenStep = "open-token"
	AuthoriseStep = "authorise"
	AttestStep    = "attest"
	SealStep      = "seal"
	CustodyStep   = "custody"
	PolicyStep    = "adopt-policy"
	ExceptionStep = "policy-exception"
	BackupStep    = "back-up-key"
	RestoreStep   = "restore-key"
	ChangeStep    = "change-set"
	AddTokenStep  = "add-token"

	ClosingBagsStep = "closing-bags"
	RewrapStep      = "re-wrap-backups"

	EnrolPersonStep  = "enrol-person"
	ChangePersonStep = "change-person"
	RekeyPersonStep  = "rekey-person"
	RetirePersonStep = "retire-person"
)

// Progress is one ceremony as far as the ledger tells it.
type Progress struct {
	Number  string
	Body    Started
	Plan    *script.Bound
	Status  Status
	Started time.Time
	Ended   time.Time // of the last run
	Token   string    // serial number of the token it works on
	Records int64     // of all its runs

	Steps      map[string]*StepState
	Present    map[string]bool
	Certified  map[string]Certified // ceremony keys of this run
	Intents    []*IntentState
	Phases     map[int]map[string]Signed // phase, person
	Attested   map[string]Signed
	StepSigned map[string][]Signed // sign-offs with act step, by step id
	Enrolled   []string            // people enrolled, or given a new key, in this ceremony
	Proposed   *KnownPolicy        // that the step under way adopts
	Withheld   []SignOffWithheld
	Deviations []Deviation
	Replaced   map[string]string // by step: the text that stands in for its own
	LockedOut  map[string]int    // by person: the deviation that decided it
	Former     []Part            // parts that another person took over
	Observers  map[string]*Observer
	Break      *Break // under way
	Faults     []TokenFault
	ReadBack   []SetReadBack
	Items      []ItemSealed
	Wrapped    []KeyWrapped
	Stored     []ArtifactStored
	Waived     []RestoreWaived
	Restored   []KeyRestored
	Deleted    []KeyDeleted
	Cards      []Held // used at the last login
	Clock      *ClockChecked
	Jumps      []ClockChecked
	Runs       []RunSpan
	TokenOpen  bool
	Foreign    int // objects in the token, at the last look, that no record knows
	OpenedAs   string
	Second     SecondToken
	// Closing: the run has ended and its checkpoint, logout and head may follow.
	Closing     bool
	PauseReason string

	current        string
	authorisations []*Authorisation
	login          *ledger.Record
	tried          *LoginTried
	brokenSeal     string
	failedChecks   []string        // items whose check failed, and nobody has decided about them
	usedItems      map[string]bool // taken out of their bags in this run, or out when it began
	founding       bool
	anew           bool            // the run under way names an order that no run before was held on
	called         bool            // everyone was here in this run
	gone           map[string]bool // left, and not back
	items          map[string]bool // that the context of this run restates, or that it sealed first
	jumped         bool            // the clock jumped, and no deviation has decided about it
	aborting       string          // what people decided to abort for; nothing but the end may follow
	runFirst       int64
	runBefore      ledger.Hash
	runLast        ledger.Hash
	count          int64 // records of the run under way
}

// SecondToken is another token that a ceremony works on beside its own: the one
// to which a backup is restored. Its own ledger key, if it has one, signs nothing
// here.
type SecondToken struct {
	Serial   string
	Open     bool
	OpenedAs string
	Foreign  int // as of the ceremony's own token
}

// RunSpan is one ended run: its first record and the one after its last.
type RunSpan struct {
	First, End int64
	Last       ledger.Hash
}

type StepState struct {
	Attempt  int // the last one started; 0 before the first
	Done     bool
	Deviated bool // people decided, by a deviation about it, that it stands or what is done instead
	Started  time.Time
	Ended    time.Time
	Result   ledger.Hash
	Facts    []Line
	Seq      int64 // of its result
	Signers  []string
}

type IntentState struct {
	Body    Intent
	Leaf    ledger.Hash
	Seq     int64
	Open    bool
	Outcome Outcome
}

// Certified is a key that someone may sign with now, and the record that made
// it known.
type Certified struct {
	Leaf   ledger.Hash
	Public ed25519.PublicKey
}

// Signed is a verdict given.
type Signed struct {
	SignOff SignOff
	Leaf    ledger.Hash
	Seq     int64
	At      time.Time
}

// Authorisation is one person's signature over acts; each is used once.
type Authorisation struct {
	Person, Step string
	Attempt      int
	Leaf         ledger.Hash
	Acts         []Act
	used         []bool
}

type Deviation struct {
	Raised  DeviationRaised
	Decided *DeviationDecided
	At      time.Time
	Seq     int64
	Tried   bool // a login that could lock was made on the strength of it
	// Closed is the day on which what was to be done about its cause was done, as a
	// receipt says; "" before.
	Closed string
}

// undecided is the deviation that waits for a decision, if there is one.
func (p *Progress) undecided() (Deviation, bool) {
	for _, d := range p.Deviations {
		if d.Decided == nil {
			return d, true
		}
	}
	return Deviation{}, false
}

// CorrectivesOpen lists the deviations about whose cause something is still to be done.
func (p *Progress) CorrectivesOpen() []Deviation {
	var out []Deviation
	for _, d := range p.Deviations {
		if d.Decided != nil && d.Decided.Corrective != "" && d.Closed == "" {
			out = append(out, d)
		}
	}
	return out
}

func newProgress(number string, plan *script.Bound, b *Started, at time.Time, seq int64) *Progress {
	p := &Progress{Number: number, Body: *b, Plan: plan, Started: at, Token: b.Token, Second: SecondToken{Serial: b.Second},
		Steps: map[string]*StepState{}, Phases: map[int]map[string]Signed{}, Attested: map[string]Signed{}, StepSigned: map[string][]Signed{},
		Replaced: map[string]string{}, LockedOut: map[string]int{}}
	for _, st := range plan.Steps() {
		p.Steps[st.ID] = &StepState{}
		if st.Kind == EnrolStep {
			p.founding = true
		}
	}
	p.begin(seq, b.Token)
	return p
}

// begin starts a run: nothing that lived in memory is carried over.
func (p *Progress) begin(seq int64, token string) {
	p.Status, p.Closing = Running, false
	p.runFirst, p.runBefore, p.count = seq, p.runLast, 0
	p.Present, p.Certified, p.gone = map[string]bool{}, map[string]Certified{}, map[string]bool{}
	p.called, p.Break = false, nil
	for _, o := range p.Observers {
		o.Present = false
	}
	if token != "" {
		p.Token = token
	}
	p.TokenOpen, p.Second.Open, p.login, p.current, p.Proposed = false, false, nil, "", nil
	p.usedItems, p.brokenSeal = map[string]bool{}, ""
	p.items = map[string]bool{}
	// Authorisations lapse at a pause.
	p.authorisations = nil
}

func (p *Progress) end(status Status, last ledger.Hash, at time.Time) {
	p.Status, p.Ended, p.runLast, p.Closing = status, at, last, true
	p.Runs = append(p.Runs, RunSpan{First: p.runFirst, End: p.runFirst + p.count + 1, Last: last})
	if status == Interrupted {
		// The process that had logged in is gone, and its login with it.
		p.TokenOpen, p.Second.Open = false, false
	}
}

// Current is the step under way.
func (p *Progress) Current() (script.Step, bool) {
	if p.current == "" {
		return script.Step{}, false
	}
	return p.Plan.Step(p.current)
}

func (p *Progress) start(id string, attempt int, at time.Time) {
	ss := p.Steps[id]
	ss.Attempt, ss.Started, ss.Done = attempt, at, false
	p.current = id
	if st, _ := p.Plan.Step(id); st.Kind == AuthoriseStep {
		ss.Signers = nil
		p.authorisations = slices.DeleteFunc(p.authorisations, func(a *Authorisation) bool { return a.Step == st.With["step"] })
	}
}

func (p *Progress) finish(id string, leaf ledger.Hash, at time.Time, facts []Line) {
	ss := p.Steps[id]
	ss.Done, ss.Ended, ss.Result, ss.Facts = true, at, leaf, facts
	ss.Seq = p.runFirst + p.count
	p.current = ""
}

func (p *Progress) role(person string) (string, bool) {
	for _, part := range p.Body.People {
		if part.Person == person {
			return part.Role, true
		}
	}
	return "", false
}

// Role of a person in this ceremony.
func (p *Progress) Role(person string) string { role, _ := p.role(person); return role }

// InRole lists the people who take part in a role.
func (p *Progress) InRole(role string) []string {
	var out []string
	for _, part := range p.Body.People {
		if part.Role == role {
			out = append(out, part.Person)
		}
	}
	return out
}

func (p *Progress) openIntents() []*IntentState {
	var out []*IntentState
	for _, in := range p.Intents {
		if in.Open {
			out = append(out, in)
		}
	}
	return out
}

// OpenIntents lists acts whose outcome is not known yet.
func (p *Progress) OpenIntents() []KnownIntent {
	var out []KnownIntent
	for _, in := range p.openIntents() {
		out = append(out, KnownIntent{Intent: in.Body, Leaf: in.Leaf})
	}
	return out
}

func (p *Progress) intentOf(leaf ledger.Hash) *IntentState {
	for _, in := range p.Intents {
		if in.Leaf == leaf {
			return in
		}
	}
	return nil
}

// ActDone says whether an act of this name was done in the step.
func (p *Progress) ActDone(step, do string) (*IntentState, bool) {
	for _, in := range p.Intents {
		if in.Body.Step == step && in.Body.Act.Do == do && in.Outcome == Done {
			return in, true
		}
	}
	return nil, false
}

// DidNow says whether exactly this act was done in the run under way: what it
// left in a session is there only then.
func (p *Progress) DidNow(step string, act Act) (ledger.Hash, bool) {
	for _, in := range p.Intents {
		if in.Body.Step == step && in.Outcome == Done && in.Seq >= p.runFirst && in.Body.Act.equal(act) {
			return in.Leaf, true
		}
	}
	return ledger.Hash{}, false
}

// Did says whether exactly this act was done in the step.
func (p *Progress) Did(step string, act Act) bool {
	return slices.ContainsFunc(p.Intents, func(in *IntentState) bool {
		return in.Body.Step == step && in.Outcome == Done && in.Body.Act.equal(act)
	})
}

// Halfway is the last act of this name in the step that left something behind,
// if nobody has dealt with it since.
func (p *Progress) Halfway(step, do string) (*IntentState, bool) {
	for i := len(p.Intents) - 1; i >= 0; i-- {
		in := p.Intents[i]
		if in.Body.Step != step {
			continue
		}
		if in.Body.Act.Do == "delete-remains" && in.Outcome == Done {
			return nil, false
		}
		if in.Body.Act.Do == do && in.Outcome == HalfDone {
			return in, true
		}
	}
	return nil, false
}

// authoriser is the step that authorises another, if the script has one.
func (p *Progress) authoriser(id string) (script.Step, bool) {
	for _, st := range p.Plan.Steps() {
		if st.Kind == AuthoriseStep && st.With["step"] == id {
			return st, true
		}
	}
	return script.Step{}, false
}

func (p *Progress) firstOf(kind string) script.Step {
	for _, st := range p.Plan.Steps() {
		if st.Kind == kind {
			return st
		}
	}
	return script.Step{}
}

// needed is how many people a step asks for.
func needed(st script.Step) int {
	n := 0
	for _, by := range st.By {
		n += by.Count
	}
	return n
}

// authorised lists the authorisations of a step's attempt that stand.
func (p *Progress) authorised(step string, attempt int) []*Authorisation {
	var out []*Authorisation
	for _, a := range p.authorisations {
		if a.Step == step && a.Attempt == attempt {
			out = append(out, a)
		}
	}
	return out
}

// Authorisations gives the leaves of those that authorise an act of the step
// under way.
func (p *Progress) Authorisations(step string, attempt int) []ledger.Hash {
	var out []ledger.Hash
	for _, a := range p.authorised(step, attempt) {
		out = append(out, a.Leaf)
	}
	return out
}

// signed applies a sign-off where its act belongs.
func (p *Progress) signed(s *State, r *record, b *SignOff) error {
	sg := Signed{SignOff: *b, Leaf: r.Leaf, Seq: r.Seq, At: r.Time}
	name := s.People[b.Person].Body.Name
	st, current := p.Current()
	switch b.Act {
	case ActAuthorise:
		ss := p.Steps[st.ID]
		by := slices.IndexFunc(st.By, func(n script.RoleNeed) bool { return n.Role == b.Role })
		if !current || by < 0 {
			return r.refuse("authorise.role", "%s does not authorise as %s", name, b.Role)
		}
		if slices.Contains(ss.Signers, b.Person) {
			return r.refuse("authorise.same-person", "%s has authorised this already; another %s has to", name, b.Role)
		}
		ss.Signers = append(ss.Signers, b.Person)
		if b.Verdict == Agree {
			target, _ := p.Plan.Step(b.Step)
			acts, err := s.kinds[target.Kind].Acts(s, target)
			if err != nil {
				return r.refuse("authorise.acts", "%v", err)
			}
			p.authorisations = append(p.authorisations, &Authorisation{Person: b.Person, Step: b.Step, Attempt: b.Attempt, Leaf: r.Leaf, Acts: acts, used: make([]bool, len(acts))})
		}
	case ActPhase:
		n := phaseNumber(b.Step)
		if p.answered(ActPhase, b.Step, b.Person) {
			return r.refuse("signoff.twice", "%s has signed this phase already", name)
		}
		if p.Phases[n] == nil {
			p.Phases[n] = map[string]Signed{}
		}
		p.Phases[n][b.Person] = sg
	case ActStep:
		if !current || !slices.ContainsFunc(st.By, func(n script.RoleNeed) bool { return n.Role == b.Role }) {
			return r.refuse("signoff.role", "%s does not sign this step as %s", name, b.Role)
		}
		if slices.ContainsFunc(p.StepSigned[st.ID], func(o Signed) bool { return o.SignOff.Person == b.Person && o.SignOff.Attempt == b.Attempt }) {
			return r.refuse("signoff.twice", "%s has signed this step already", name)
		}
		p.StepSigned[st.ID] = append(p.StepSigned[st.ID], sg)
	case ActAttest:
		if p.answered(ActAttest, b.Step, b.Person) {
			return r.refuse("signoff.twice", "%s has attested already", name)
		}
		p.Attested[b.Person] = sg
	case ActEnrol:
		return s.vouched(r, b)
	default:
		return r.refuse("signoff.act", "%q is not an act that is signed", b.Act)
	}
	return nil
}

// consume uses one act of every authorisation that the intent names.
func (p *Progress) consume(r *record, st script.Step, b *Intent) error {
	auth, ok := p.authoriser(st.ID)
	if !ok {
		return r.refuse("act.unauthorised", "the script has no step that authorises %q", st.ID)
	}
	people := map[string]bool{}
	for _, leaf := range b.Authorisations {
		i := slices.IndexFunc(p.authorisations, func(a *Authorisation) bool { return a.Leaf == leaf })
		if i < 0 {
			return r.refuse("authorise.lapsed", "no authorisation with that leaf stands; it lapsed, or was never given")
		}
		a := p.authorisations[i]
		if a.Step != st.ID || a.Attempt != b.Attempt {
			return r.refuse("authorise.attempt", "it was given for step %q, attempt %d", a.Step, a.Attempt)
		}
		j := slices.IndexFunc(a.Acts, b.Act.equal)
		if j < 0 {
			return r.refuse("authorise.act", "%s authorised another act", a.Person)
		}
		if a.used[j] {
			return r.refuse("authorise.consumed", "%s authorised this once, and it was used", a.Person)
		}
		a.used[j] = true
		people[a.Person] = true
	}
	if n := needed(auth); len(people) < n {
		return r.refuse("act.unauthorised", "%d different people have to authorise it, and %d did", n, len(people))
	}
	return nil
}

// phasesSigned: no step of a phase begins before the phases before it are
// signed by those whom the script names.
func (p *Progress) phasesSigned(before int) error {
	for _, ph := range p.Plan.Phases {
		if ph.Number >= before {
			break
		}
		if missing := p.PhaseUnsigned(ph.Number); len(missing) > 0 {
			return fmt.Errorf("phase %d, %q, is not signed by %s", ph.Number, ph.Title, strings.Join(missing, ", "))
		}
	}
	return nil
}

// PhaseUnsigned lists who still has to sign a phase.
func (p *Progress) PhaseUnsigned(n int) []string {
	var out []string
	for _, ph := range p.Plan.Phases {
		if ph.Number != n {
			continue
		}
		for _, role := range ph.Sign {
			// Who took a part over later does not answer for what the one before has.
			before := len(slices.DeleteFunc(slices.Clone(p.Former), func(f Part) bool { return f.Role != role || !p.answered(ActPhase, PhaseStep(n), f.Person) }))
			for _, person := range p.InRole(role) {
				switch {
				case p.answered(ActPhase, PhaseStep(n), person):
				case before > 0:
					before--
				default:
					out = append(out, person)
				}
			}
		}
	}
	return out
}

// begun says whether a step of a phase was started.
func (p *Progress) begun(phase int) bool {
	return slices.ContainsFunc(p.Plan.Steps(), func(st script.Step) bool { return st.Phase == phase && p.Steps[st.ID].Attempt > 0 })
}

// PhaseDone says whether every step of a phase has its result.
func (p *Progress) PhaseDone(n int) bool {
	for _, st := range p.Plan.Steps() {
		if st.Phase == n && !p.Steps[st.ID].Done {
			return false
		}
	}
	return true
}

// decidedToTry says whether people have decided, by this deviation of the step, in
// this run, to go on with one login that could lock the token, and it was not made yet.
func (p *Progress) decidedToTry(step string, number int) bool {
	if number < 1 || number > len(p.Deviations) {
		return false
	}
	d := p.Deviations[number-1]
	return d.Raised.Step == step && d.Decided != nil && d.Decided.Decision == DecideContinue && d.Seq >= p.runFirst && !d.Tried
}

// BrokenSeal names an item whose seal was found broken and about which no
// deviation has decided, "" if there is none.
func (p *Progress) BrokenSeal() string { return p.brokenSeal }

// FailedCheck names an item whose check failed and about which no deviation has decided,
// "" if there is none: a bag that is not as the record has it, or a card that does not
// agree with its fingerprint.
func (p *Progress) FailedCheck() string {
	if len(p.failedChecks) == 0 {
		return ""
	}
	return p.failedChecks[0]
}

// DeviatedIn says whether a deviation was noted in a step, whatever was decided.
func (p *Progress) DeviatedIn(step string) bool {
	return slices.ContainsFunc(p.Deviations, func(d Deviation) bool { return d.Raised.Step == step })
}

// DecidedIn is the last deviation of a step that people have decided about in the
// run under way, 0 if there is none.
func (p *Progress) DecidedIn(step string) int {
	n := 0
	for _, d := range p.Deviations {
		if d.Raised.Step == step && d.Decided != nil && d.Seq >= p.runFirst {
			n = d.Raised.Number
		}
	}
	return n
}

// sealable says what is missing before the seal.
func (p *Progress) sealable() error {
	for _, st := range p.Plan.Steps() {
		if st.Kind != SealStep && !p.Steps[st.ID].Done {
			return fmt.Errorf("step %q has no result", st.ID)
		}
	}
	for _, ph := range p.Plan.Phases {
		if missing := p.PhaseUnsigned(ph.Number); len(missing) > 0 {
			return fmt.Errorf("phase %d is not signed by %s", ph.Number, strings.Join(missing, ", "))
		}
	}
	if missing := p.Unattested(); len(missing) > 0 {
		return fmt.Errorf("%s has not attested", missing[0])
	}
	if p.jumped {
		return fmt.Errorf("the clock jumped, and no deviation has decided about it")
	}
	if d, waits := p.undecided(); waits {
		return fmt.Errorf("deviation %d is not decided", d.Raised.Number)
	}
	return nil
}

// NotAccepted lists who disagreed or stayed silent, in any sign-off.
func (p *Progress) NotAccepted() []string {
	out := []string{}
	add := func(sg Signed) {
		if sg.SignOff.Verdict == Disagree {
			out = append(out, sg.SignOff.Person)
		}
	}
	for _, ph := range p.Phases {
		for _, sg := range ph {
			add(sg)
		}
	}
	for _, sg := range p.Attested {
		add(sg)
	}
	for _, w := range p.Withheld {
		out = append(out, w.Person)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// PhaseStep is how a sign-off names a phase.
func PhaseStep(n int) string { return "phase-" + strconv.Itoa(n) }

func phaseNumber(step string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(step, "phase-"))
	if err != nil || PhaseStep(n) != step {
		return 0
	}
	return n
}

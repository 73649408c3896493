package ceremony

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// Refusal is a rule that a record breaks. Rule is its stable name: the same
// word stands in the manual, in the checker's findings and in the tests.
type Refusal struct {
	Rule string
	Seq  int64
	Why  string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: record %d: %s", r.Rule, r.Seq, r.Why) }

// Unknown is a record that this version of the program cannot judge: a kind or
// a body version it does not know.
type Unknown struct {
	Seq  int64
	What string
}

func (u *Unknown) Error() string { return fmt.Sprintf("record %d: %s", u.Seq, u.What) }

// Claim is something that a record says and that arithmetic can check apart
// from the fold: a person's signature, or the tree head in a checkpoint.
type Claim struct {
	Rule    string
	Seq     int64
	What    string
	Key     ed25519.PublicKey
	Message []byte
	Sig     []byte
	Root    *ledger.Checkpoint // the tree must have this root at this size
	Unlike  bool               // or, to the contrary, must not have it
}

// Verify checks a signature claim.
func (c Claim) Verify() error {
	if c.Root == nil && !ed25519.Verify(c.Key, c.Message, c.Sig) {
		return &Refusal{Rule: c.Rule, Seq: c.Seq, Why: c.What + " does not verify"}
	}
	return nil
}

// Blobs gives the bytes that records name by hash.
type Blobs func(ledger.Hash) ([]byte, error)

// State is the fold over a ledger: everything that a screen shows, a rule
// needs or a report states. There is no second table of current state.
//
// A State belongs to one goroutine. Next is the only method that changes it.
type State struct {
	kinds Kinds
	blobs Blobs
	// partial: only record 0 and the runs of one ceremony are at hand, and what
	// contexts restate is taken as given.
	partial bool

	Size int64       // records seen
	Last ledger.Hash // leaf of the last one
	Time time.Time   // of the last one

	Site       Site
	People     map[string]*Person
	Tokens     map[string]*Token
	LedgerKeys []LedgerKey
	Sets       map[string]*Set
	Items      map[string]*Item // by name
	Keys       map[string]*Key  // by CKA_ID in hex
	Orders     []*Order
	Policy     *KnownPolicy // in force; nil before the first is adopted
	Scripts    map[ledger.Hash]*RegisteredScript
	Ceremonies []*Progress
	Open       *Progress // the ceremony whose run is under way
	SignedTo   int64     // records covered by the HSM's last checkpoint
	Note       string    // that checkpoint
	// PeopleSignedTo counts the records under the last signature of a person.
	PeopleSignedTo int64
	// Contradiction says what disagrees with this ledger; the site is read-only.
	Contradiction string
	// Compared is the newest head that agreed, by where it came from.
	Compared map[string]int64
	// Foreign is the last record of a checkpoint that no key of this site
	// signed, by who brought it.
	Foreign map[string]int64
	// Reports is the newest report of each ceremony.
	Reports  map[string]Report
	Receipts []Receipt
	Looked   *Look // the last look into a token, nil before the first

	plans     map[ledger.Hash]*script.Plan // as parsed, by their scripts
	bags      map[string]string            // every bag ever named, and for what
	uncovered []Uncovered
	earlier   int64    // uncovered ones before those that are listed
	copies    []copied // since the last run began, one for each medium
	fresh     bool     // the record before began a run: a context must follow
}

type Site struct {
	ID, Origin, Organisation string
	Practice                 bool
	Opened                   time.Time
}

type Person struct {
	Body    PersonEnrolled
	Leaf    ledger.Hash // that made the key known
	Retired bool
	Vouched []string
}

// Public is the person's enrolled key.
func (p *Person) Public() ed25519.PublicKey { return unhex(p.Body.Key) }

type Token struct {
	Body TokenEnrolled
	Leaf ledger.Hash
	Seq  int64
	// UserSet and SOSet are the sets whose cards give its PINs; "" while the
	// transport PIN of the security officer stands.
	UserSet, SOSet string
	// WrapSet is the set whose cards give the wrapping key and nothing else: of a token
	// whose PINs are entered on the device.
	WrapSet string
}

// LedgerKey signs checkpoints. The first one is known by its key sheet; a later
// one counts through Note, a checkpoint by an earlier one over its enrolment.
type LedgerKey struct {
	Body    LedgerKeyEnrolled
	Leaf    ledger.Hash
	Seq     int64
	Note    string
	Retired bool
}

type Set struct {
	Body SetIssued
	Leaf ledger.Hash
	// Withdrawn: another set took its place; its cards are to be destroyed.
	Withdrawn   bool
	WithdrawnIn string // number of that ceremony
}

type Key struct {
	Body        KeyGenerated
	Leaf        ledger.Hash
	Seq         int64
	Ceremony    string
	Time        time.Time
	Quarantined bool
	State       KeyState
	Copies      []Copy
	Wrapped     []KeyWrapped
	Changes     []Change
}

// Look is an inventory of a token.
type Look struct {
	TokenInventory
	At time.Time
}

type Report struct {
	Ceremony string
	Body     ReportMade
}

// NewState is the state before record 0.
func NewState(kinds Kinds, blobs Blobs) *State {
	return &State{kinds: kinds, blobs: blobs,
		People: map[string]*Person{}, Tokens: map[string]*Token{}, Sets: map[string]*Set{}, Items: map[string]*Item{}, Keys: map[string]*Key{}, Scripts: map[ledger.Hash]*RegisteredScript{}, Compared: map[string]int64{},
		Foreign: map[string]int64{}, Reports: map[string]Report{}, plans: map[ledger.Hash]*script.Plan{}, bags: map[string]string{}}
}

// NewPartialState folds what a report carries.
func NewPartialState(kinds Kinds, blobs Blobs) *State {
	s := NewState(kinds, blobs)
	s.partial = true
	return s
}

// Partial says whether only a report's records are at hand.
func (s *State) Partial() bool { return s.partial }

// record is one record on its way through the rules.
type record struct {
	ledger.Record
	body   any
	claims []Claim
}

func (r *record) refuse(rule, why string, args ...any) error {
	return &Refusal{Rule: rule, Seq: r.Seq, Why: fmt.Sprintf(why, args...)}
}

func (r *record) claim(c Claim) { c.Seq = r.Seq; r.claims = append(r.claims, c) }

// Body decodes a record's body strictly into the Go type of its kind.
func Body(r ledger.Record) (any, error) {
	mk, ok := bodies[r.Kind]
	if !ok {
		return nil, &Unknown{Seq: r.Seq, What: fmt.Sprintf("kind %q is not known to this version", r.Kind)}
	}
	if r.V != 1 {
		return nil, &Unknown{Seq: r.Seq, What: fmt.Sprintf("version %d of kind %q is not known to this version", r.V, r.Kind)}
	}
	b := mk()
	if err := ledger.Decode(r.Body, b); err != nil {
		return nil, &Refusal{Rule: "record.body", Seq: r.Seq, Why: fmt.Sprintf("the body of a %s is not canonical: %v", r.Kind, err)}
	}
	return b, nil
}

// Next admits one record and moves the fold, or refuses it and moves nothing
// that matters: after a refusal the state may not be used further.
func (s *State) Next(lr ledger.Record) ([]Claim, error) {
	body, err := Body(lr)
	if err != nil {
		return nil, err
	}
	r := &record{Record: lr, body: body}
	if err := s.place(r); err != nil {
		return nil, err
	}
	if err := s.admit(r); err != nil {
		return nil, err
	}
	s.Size, s.Last, s.Time = r.Seq+1, r.Leaf, r.Time
	if s.Open != nil {
		s.Open.count++
		s.Open.Records++
	} else if r.Kind != PausedKind && r.Kind != AbortedKind && r.Kind != SealedKind {
		s.leaveUncovered(Uncovered{Kind: r.Kind, Leaf: r.Leaf, Seq: r.Seq})
	}
	if slices.ContainsFunc(r.claims, func(c Claim) bool { return c.Key != nil }) {
		s.PeopleSignedTo = r.Seq
	}
	return r.claims, nil
}

// place: the order of records, and which kinds may stand where.
func (s *State) place(r *record) error {
	begins := r.Kind == StartedKind || r.Kind == ResumedKind
	ends := r.Kind == PausedKind || r.Kind == AbortedKind
	switch {
	case s.Contradiction != "" && !ends && r.Kind != TokenClosedKind:
		return r.refuse("site.contradicted", "the site is read-only since %s", s.Contradiction)
	case r.Seq == s.Size && r.Prev != s.Last:
		return r.refuse("record.prev", "it names another record before it than the one that stands there")
	case r.Seq != s.Size && !(s.partial && begins && r.Seq > s.Size && s.Open == nil):
		return r.refuse("record.order", "record %d was expected here", s.Size)
	case r.Time.Before(s.Time):
		return r.refuse("time.back", "its time %s is before that of the record before it", r.Time.Format(time.RFC3339))
	case r.Seq == 0 && r.Kind != SiteOpenedKind:
		return r.refuse("site.first", "record 0 is a %s, not site.opened", r.Kind)
	case r.Seq > 0 && r.Kind == SiteOpenedKind:
		return r.refuse("site.first", "a site is opened once")
	case s.fresh && r.Kind != ContextKind:
		return r.refuse("run.context", "a run begins with the context it relies on, and a %s stands here", r.Kind)
	case !s.fresh && r.Kind == ContextKind:
		return r.refuse("run.context", "a context stands only at the start of a run")
	}
	if r.Kind == SiteOpenedKind {
		return nil
	}
	if s.Open != nil {
		if s.Open.Break != nil && !inBreak(r.Kind) {
			return r.refuse("presence.break", "during a break there is no %s", r.Kind)
		}
		if begins {
			return r.refuse("run.mixed", "ceremony %s is still under way", s.Open.Number)
		}
		if s.Open.aborting != "" && !endsAborted(r.Kind) {
			return r.refuse("deviation.abort", "people decided to abort, and a %s is none of what ends a ceremony", r.Kind)
		}
		if r.Ceremony != s.Open.Number {
			return r.refuse("run.mixed", "inside a run every record is that ceremony's; this one is of %q", r.Ceremony)
		}
		switch r.Kind {
		case ReportMadeKind, ReceiptTakenInKind, LedgerCopiedKind, OrderedKind, ScriptRegisteredKind, ScriptWithdrawnKind, KeyActivatedKind, KeySuspendedKind, KeyDeactivatedKind, KeyCompromisedKind:
			return r.refuse("run.mixed", "a %s stands outside of runs", r.Kind)
		}
		return nil
	}
	switch r.Kind {
	case StartedKind, ResumedKind, ReportMadeKind, ReceiptTakenInKind, CheckpointCarriedKind, LedgerCopiedKind, OrderedKind, ScriptRegisteredKind, ScriptWithdrawnKind,
		KeyActivatedKind, KeySuspendedKind, KeyDeactivatedKind, KeyCompromisedKind:
		return nil
	case CheckpointSignedKind, TokenClosedKind, TokenFaultKind:
		if p := s.lastRun(); p != nil && p.Closing && p.Number == r.Ceremony {
			return nil
		}
	}
	return r.refuse("run.outside", "a %s has no place outside a ceremony's run", r.Kind)
}

// endsAborted lists what may be recorded once people have decided to abort: the
// outcome of what was under way, and the end.
func endsAborted(kind string) bool {
	return slices.Contains([]string{AbortedKind, PausedKind, ContextKind, ResultKind, CheckpointSignedKind, TokenClosedKind, TokenFaultKind, ClockCheckedKind}, kind)
}

func (s *State) lastRun() *Progress {
	var last *Progress
	for _, p := range s.Ceremonies {
		if last == nil || p.runFirst > last.runFirst {
			last = p
		}
	}
	return last
}

func (s *State) admit(r *record) error {
	switch b := r.body.(type) {
	case *SiteOpened:
		return s.siteOpened(r, b)
	case *Ordered:
		return s.ordered(r, b)
	case *ScriptRegistered:
		return s.scriptRegistered(r, b)
	case *ScriptWithdrawn:
		return s.scriptIsWithdrawn(r, b)
	case *SitePolicy:
		if err := s.policyAdopted(r, b); err != nil {
			return err
		}
		return s.fact(r)
	case *Started:
		return s.started(r, b)
	case *Resumed:
		return s.resumed(r, b)
	case *Context:
		return s.context(r, b)
	case *Paused:
		return s.paused(r, b)
	case *Aborted:
		return s.aborted(r, b)
	case *Sealed:
		return s.sealed(r, b)
	case *PersonEnrolled:
		return s.personEnrolled(r, b)
	case *PersonChanged:
		return s.personChanged(r, b)
	case *PersonRekeyed:
		return s.personRekeyed(r, b)
	case *PersonRetired:
		return s.personRetired(r, b)
	case *Arrived:
		return s.arrived(r, b)
	case *Left:
		return s.left(r, b)
	case *Stated:
		return s.stated(r, b)
	case *Substituted:
		return s.substituted(r, b)
	case *Break:
		return s.breaks(r, b)
	case *SignOffWithheld:
		return s.signOffWithheld(r, b)
	case *CeremonyKey:
		return s.ceremonyKey(r, b)
	case *StepStarted:
		return s.stepStarted(r, b)
	case *SignOff:
		return s.signOff(r, b)
	case *Intent:
		return s.intent(r, b)
	case *Result:
		return s.result(r, b)
	case *LoginTried:
		return s.loginTried(r, b)
	case *TokenOpened:
		return s.tokenOpened(r, b)
	case *TokenClosed:
		return s.tokenClosed(r, b)
	case *TokenFault:
		return s.tokenFault(r, b)
	case *CheckpointSigned:
		return s.checkpointSigned(r, b)
	case *CheckpointCompared:
		return s.checkpointCompared(r, b)
	case *CheckpointCarried:
		return s.checkpointCarried(r, b)
	case *DeviationRaised:
		return s.deviationRaised(r, b)
	case *DeviationDecided:
		return s.deviationDecided(r, b)
	case *KeyChanged:
		return s.keyChanged(r, b)
	case *LedgerCopied:
		return s.ledgerCopied(r, b)
	case *ReceiptTakenIn:
		return s.receiptTakenIn(r, b)
	case *ReportMade:
		return s.reportMade(r, b)
	case *ClockChecked:
		if b.Kind == ClockJump {
			s.Open.jumped = true
			s.Open.Jumps = append(s.Open.Jumps, *b)
			return nil
		}
		return s.fact(r)
	case *TokenEnrolled, *PINsSet, *SetWithdrawn, *LedgerKeyEnrolled, *LedgerKeyRetired, *SetIssued, *SetReadBack, *TokenInventory,
		*KeyGenerated, *KeyQuarantined, *KeyWrapped, *KeyRestored, *RestoreWaived, *KeyDeleted, *KeyDestroyed, *ArtifactStored,
		*ItemSealed, *ItemOpened, *ItemMoved, *ItemChecked, *ItemLost, *ItemDestroyed:
		return s.fact(r)
	}
	return &Unknown{Seq: r.Seq, What: fmt.Sprintf("no rule for kind %q", r.Kind)}
}

func (s *State) siteOpened(r *record, b *SiteOpened) error {
	if b.Format != 1 {
		return &Unknown{Seq: r.Seq, What: fmt.Sprintf("ledger format %d is not known to this version", b.Format)}
	}
	if len(unhex(b.Random)) != 32 {
		return r.refuse("site.random", "a site needs 32 random bytes")
	}
	id := ledger.SiteID(r.Leaf)
	s.Site = Site{ID: id, Origin: ledger.Origin(id, b.Practice), Organisation: b.Organisation, Practice: b.Practice, Opened: r.Time}
	return nil
}

var ceremonyNumber = regexp.MustCompile(`^[0-9]{4}-[0-9]{3,6}$`)

func (s *State) started(r *record, b *Started) error {
	if !ceremonyNumber.MatchString(r.Ceremony) {
		return r.refuse("ceremony.number", "%q is not a ceremony number like 2026-014", r.Ceremony)
	}
	for _, p := range s.Ceremonies {
		if p.Number >= r.Ceremony {
			return r.refuse("ceremony.number", "%s does not follow %s", r.Ceremony, p.Number)
		}
		if p.Status == Interrupted || p.Status == PausedStatus {
			return r.refuse("ceremony.unfinished", "ceremony %s is paused; resume it, or abort it, before another starts", p.Number)
		}
	}
	if !s.partial {
		if err := s.checkOrder(r, b, r.Time); err != nil {
			return err
		}
	}
	if s.scriptWithdrawn(b.Script) {
		return r.refuse("script.withdrawn", "the script was withdrawn: %s", s.Scripts[b.Script].Withdrawn)
	}
	plan, err := s.loadPlan(b.Script, b.Parameters)
	if err != nil {
		return r.refuse("script.invalid", "%v", err)
	}
	if !maps.Equal(plan.Values, b.Parameters) {
		return r.refuse("script.parameters", "the parameters differ from what the script makes of them")
	}
	p := newProgress(r.Ceremony, plan, b, r.Time, r.Seq)
	p.anew = true
	if err := s.checkPeople(r, p, b.People); err != nil {
		return err
	}
	if label := b.Parameters["label"]; label != "" {
		for _, k := range s.Keys {
			if k.Body.Label == label && k.Body.Serial == b.Token {
				return r.refuse("key.label-taken", "the label %q is taken by a key of ceremony %s; choose another", label, k.Ceremony)
			}
		}
	}
	for _, serial := range []string{b.Token, b.Second} {
		if serial != "" && !s.partial && !p.founding && s.Tokens[serial] == nil {
			return r.refuse("token.unknown", "no token with serial number %s is enrolled", serial)
		}
	}
	if err := s.backsUp(r, p); err != nil {
		return err
	}
	if b.Second == "" && needsSecond(plan) || b.Second != "" && b.Second == b.Token {
		return r.refuse("token.second", "this ceremony restores a key to a second token, and none is there; the script token-addition prepares one")
	}
	if err := s.apart(r, "", b.Parameters["owner"], b.People); err != nil {
		return err
	}
	if !s.partial {
		if err := s.admitSteps(r, plan); err != nil {
			return err
		}
	}
	if o := s.order(b.Order); o != nil {
		o.Used = r.Ceremony
	}
	s.Ceremonies = append(s.Ceremonies, p)
	s.Open, s.fresh = p, true
	return nil
}

func (s *State) loadPlan(hash ledger.Hash, params map[string]string) (*script.Bound, error) {
	plan, err := s.parse(hash)
	if err != nil {
		return nil, err
	}
	bound, err := plan.Bind(params)
	if err != nil {
		return nil, err
	}
	return bound, PlayScript(bound, s.kinds)
}

// parse reads a script once, however many ceremonies are held by it.
func (s *State) parse(hash ledger.Hash) (*script.Plan, error) {
	if plan := s.plans[hash]; plan != nil {
		return plan, nil
	}
	src, err := s.blobs(hash)
	if err != nil {
		return nil, fmt.Errorf("the script %s is not stored: %w", hash, err)
	}
	if ledger.BlobHash(src) != hash {
		return nil, fmt.Errorf("the stored script is not the one with hash %s", hash)
	}
	plan, err := script.Parse(src, s.KnownKinds())
	if err != nil {
		return nil, err
	}
	s.plans[hash] = plan
	return plan, nil
}

// KnownKinds tells the script parser which step kinds exist.
func (s *State) KnownKinds() []string { return s.kinds.Names() }

// checkPeople holds the separation of duties: DESIGN.md section 5, conflicts.
func (s *State) checkPeople(r *record, p *Progress, parts []Part) error {
	have := map[string]int{}
	seen := map[string]bool{}
	founding := len(s.People) == 0 && !s.partial || p.founding
	for _, part := range parts {
		if seen[part.Person] {
			return r.refuse("role.conflict", "%s takes part twice; each person has one role in a ceremony", part.Person)
		}
		seen[part.Person] = true
		have[part.Role]++
		h := s.People[part.Person]
		card := s.cardOf(part.Person)
		switch {
		case h != nil && h.Retired:
			return r.refuse("person.retired", "%s is retired and takes no part", h.Body.Name)
		case card != "" && slices.Contains([]string{script.Administrator, script.Witness, script.ThirdPartyWitness, script.Observer}, part.Role):
			return r.refuse("role.holds-share", "%s holds %s and cannot act as %s", s.Someone(part.Person).Name, card, part.Role)
		}
		if h != nil && !slices.Contains(h.Body.Roles, part.Role) {
			return r.refuse("role.conflict", "%s is not enrolled as %s", h.Body.Name, part.Role)
		} else if h == nil && !founding && !s.partial && part.Role != script.Observer {
			return r.refuse("person.unknown", "%s is not enrolled", part.Person)
		}
	}
	for _, need := range s.RolesFor(p.Plan.Plan) {
		if have[need.Role] < need.Count {
			return r.refuse("role.missing", "the script asks for %d %s and %d take part", need.Count, need.Role, have[need.Role])
		}
	}
	return nil
}

func (s *State) context(r *record, b *Context) error {
	s.fresh = false
	if b.Origin != s.Site.Origin {
		return r.refuse("context.untrue", "it is the context of another site")
	}
	if s.partial {
		s.given(*b)
		if err := s.notes(r); err != nil {
			return err
		}
	}
	want, err := ledger.Encode(s.Restate())
	if err != nil {
		return fmt.Errorf("couldn't restate the context: %w", err)
	}
	if !bytes.Equal(want, r.Body) {
		return r.refuse("context.untrue", "what it restates is not what the records before it say")
	}
	for _, it := range b.Items {
		s.Open.items[it.Item] = true
		s.Open.usedItems[it.Item] = it.State == OutOfBag
	}
	if s.partial {
		if err := s.givenOrder(r); err != nil {
			return err
		}
	}
	if s.partial && len(s.Open.Runs) == 0 {
		if err := s.admitSteps(r, s.Open.Plan); err != nil {
			return err
		}
	}
	if len(s.Open.Runs) == 0 {
		if err := s.keysNamed(r); err != nil {
			return err
		}
	}
	return s.checkPeople(r, s.Open, s.Open.Body.People)
}

func (s *State) resumed(r *record, b *Resumed) error {
	p := s.find(r.Ceremony)
	if p == nil || p.Status != PausedStatus && p.Status != Interrupted {
		return r.refuse("run.resume", "ceremony %q is not paused", r.Ceremony)
	}
	if b.Paused != p.runLast {
		return r.refuse("run.resume", "it does not name the pause that it ends")
	}
	if p.anew = b.Order != ""; p.anew {
		p.Body.Order = b.Order
	}
	if !s.partial {
		if err := s.goesOn(r, p, r.Time); err != nil {
			return err
		}
		if o := s.OrderOf(p); o != nil {
			o.Used = p.Number
		}
	}
	p.begin(r.Seq, b.Token)
	s.Open, s.fresh = p, true
	for _, st := range p.Plan.Steps() {
		if k, ok := s.kinds[st.Kind].(Fleeting); ok && k.Lapsed(s, st) {
			p.Steps[st.ID].Done = false
		}
	}
	return nil
}

// endRun: what a record that ends a run says of it must be so.
func (s *State) endRun(r *record, before ledger.Hash, first, count int64) error {
	p := s.Open
	if first != p.runFirst || count != p.count+1 || before != p.runBefore {
		return r.refuse("run.count", "it says that the run began at record %d and has %d records; it began at %d and has %d", first, count, p.runFirst, p.count+1)
	}
	return nil
}

func (s *State) close(r *record, status Status) {
	p := s.Open
	p.end(status, r.Leaf, r.Time)
	p.count++
	p.Records++
	s.Open, s.copies = nil, nil
}

func (s *State) paused(r *record, b *Paused) error {
	if err := s.endRun(r, b.Before, b.First, b.Count); err != nil {
		return err
	}
	if err := s.stays(b.Stay); err != nil {
		return r.refuse(ruleOf(err, "presence.stay"), "%v", err)
	}
	status := PausedStatus
	if b.Reason == ReasonInterrupted {
		status = Interrupted
	}
	s.Open.PauseReason = b.Reason
	s.close(r, status)
	return nil
}

func (s *State) aborted(r *record, b *Aborted) error {
	if err := s.endRun(r, b.Before, b.First, b.Count); err != nil {
		return err
	}
	s.Open.PauseReason = b.Reason
	s.close(r, AbortedStatus)
	return nil
}

func (s *State) sealed(r *record, b *Sealed) error {
	p := s.Open
	if err := s.endRun(r, b.Before, b.First, b.Count); err != nil {
		return err
	}
	st, ok := p.Current()
	if !ok || st.Kind != SealStep {
		return r.refuse("seal.early", "the step that seals is not under way")
	}
	if err := p.sealable(); err != nil {
		return r.refuse("seal.early", "%v", err)
	}
	// Also where nobody attested: silence leads past no condition.
	if err := s.closable(); err != nil {
		return r.refuse(ruleOf(err, "seal.early"), "%v", err)
	}
	if b.Deviations != len(p.Deviations) || !slices.Equal(b.NotAccepted, p.NotAccepted()) {
		return r.refuse("seal.untrue", "deviations or refusals are miscounted")
	}
	p.finish(st.ID, r.Leaf, r.Time, nil)
	s.close(r, SealedStatus)
	return nil
}

func (s *State) ceremonyKey(r *record, b *CeremonyKey) error {
	h := s.People[b.Person]
	switch {
	case h == nil || h.Leaf != b.Key:
		return r.refuse("ceremony-key.person", "it names no enrolled person")
	case !s.Open.Present[b.Person]:
		return r.refuse("ceremony-key.person", "%s is not present", h.Body.Name)
	case len(unhex(b.Public)) != ed25519.PublicKeySize:
		return r.refuse("ceremony-key.person", "%q is not an Ed25519 key", b.Public)
	}
	if _, ok := s.Open.Certified[b.Person]; ok {
		return r.refuse("ceremony-key.person", "%s has a ceremony key already", h.Body.Name)
	}
	msg, err := CeremonyKeyMessage(*b, r.Ceremony, r.Prev, s.Site.ID)
	if err != nil {
		return err
	}
	r.claim(Claim{Rule: "ceremony-key.signature", What: "the signature of " + h.Body.Name + " under the ceremony key", Key: h.Public(), Message: msg, Sig: unhex(b.Signature)})
	s.Open.Certified[b.Person] = Certified{Leaf: r.Leaf, Public: unhex(b.Public)}
	s.Open.called = s.Open.called || !slices.ContainsFunc(s.Open.Answering(), func(part Part) bool {
		return !s.Open.Present[part.Person] || s.Open.Certified[part.Person].Public == nil
	})
	return nil
}

func (s *State) stepStarted(r *record, b *StepStarted) error {
	p := s.Open
	if p.jumped {
		return r.refuse("clock.jump", "the clock jumped, and no deviation has decided about it")
	}
	if d, waits := p.undecided(); waits {
		return r.refuse("deviation.undecided", "deviation %d waits for a decision", d.Raised.Number)
	}
	if st, ok := p.Current(); ok {
		return r.refuse("step.order", "step %q is still under way", st.ID)
	}
	if err := p.occupied(); err != nil {
		return r.refuse("presence.occupancy", "%v", err)
	}
	due, attempt, ok := s.Due()
	if !ok {
		return r.refuse("step.order", "no step is left")
	}
	if due.ID != b.Step || attempt != b.Attempt {
		return r.refuse("step.order", "step %q, attempt %d, is due, not %q, attempt %d", due.ID, attempt, b.Step, b.Attempt)
	}
	if k := s.kinds[due.Kind]; k.Name() != b.Kind || k.Version() != b.Version {
		return &Unknown{Seq: r.Seq, What: fmt.Sprintf("step kind %s, version %d, is not known to this version", b.Kind, b.Version)}
	}
	if err := p.phasesSigned(due.Phase); err != nil {
		return r.refuse("phase.unsigned", "%v", err)
	}
	if in := p.openIntents(); len(in) > 0 {
		return r.refuse("intent.open", "the outcome of %q in step %q is not known yet", in[0].Body.Act.Do, in[0].Body.Step)
	}
	p.start(b.Step, b.Attempt, r.Time)
	return nil
}

// maySign says, as a *Broken, why nobody has to ask a person for this signature. The
// engine asks it before the person is asked.
func (s *State) maySign(act, person, as string) error {
	p := s.Open
	role, ok := p.role(person)
	h := s.People[person]
	switch {
	case h == nil:
		return &Broken{"person.unknown", person + " is not enrolled"}
	case !ok || role != as:
		return &Broken{"signoff.role", fmt.Sprintf("%s takes no part as %s", h.Body.Name, as)}
	case role == script.Observer:
		return &Broken{"signoff.role", "an observer signs nothing"}
	case p.LockedOut[person] > 0:
		return &Broken{"signoff.locked-out", fmt.Sprintf("%s was locked out by deviation %d", h.Body.Name, p.LockedOut[person])}
	case act != ActEnrol && !p.Present[person]:
		return &Broken{"presence.absent", h.Body.Name + " is not present"}
	}
	if act == ActAttest {
		return s.closable()
	}
	return nil
}

// closable says, as a *Broken, what stands in the way of attestations and seal.
func (s *State) closable() error {
	if out := s.Unbagged(); len(out) > 0 {
		return &Broken{"custody.unbagged", fmt.Sprintf("nobody attests or seals while %s is out of its bag", out[0])}
	}
	if why := s.unrestored(s.Open); why != "" {
		return &Broken{"key.unrestored", "nobody attests or seals while " + why}
	}
	return nil
}

func (s *State) signOff(r *record, b *SignOff) error {
	p := s.Open
	if err := s.maySign(b.Act, b.Person, b.Role); err != nil {
		return r.refuse(ruleOf(err, "signoff.role"), "%v", err)
	}
	role, h := b.Role, s.People[b.Person]
	switch {
	case b.Verdict != Agree && b.Verdict != Disagree:
		return r.refuse("signoff.verdict", "%q is neither agree nor disagree", b.Verdict)
	case b.Verdict == Disagree && b.Reason == "" || b.Verdict == Agree && b.Reason != "":
		return r.refuse("signoff.verdict", "a reason goes with a disagreement, and only with one")
	}
	key, err := s.signingKey(p, h, role, b.Act)
	if err != nil {
		return r.refuse("signoff.key", "%v", err)
	}
	if key.Leaf != b.Key {
		return r.refuse("signoff.key", "%s signs this with another key", h.Body.Name)
	}
	want, err := s.Shown(b.Act, b.Step, b.Attempt, b.Person, role)
	if err != nil {
		return r.refuse("signoff.place", "%v", err)
	}
	if ledger.BlobHash(want) != b.Shown {
		return r.refuse("signoff.shown", "%s signed over other content than this record holds", h.Body.Name)
	}
	stored, err := s.blobs(b.Shown)
	if err != nil || !bytes.Equal(stored, want) {
		return r.refuse("signoff.shown", "the content that was shown is not stored")
	}
	if err := p.signed(s, r, b); err != nil {
		return err
	}
	msg, err := SignOffMessage(*b, r.Ceremony, r.Prev, s.Site.ID)
	if err != nil {
		return err
	}
	r.claim(Claim{Rule: "signoff.signature", What: "the signature of " + h.Body.Name, Key: key.Public, Message: msg, Sig: unhex(b.Signature)})
	return nil
}

// signingKey says with which key someone signs what: administrator and witness
// sign with the ceremony key, everyone else's few acts with the enrolled one.
func (s *State) signingKey(p *Progress, h *Person, role, act string) (Certified, error) {
	if act != ActEnrol && SignsWith(role) == SessionPIN {
		c, ok := p.Certified[h.Body.Person]
		if !ok {
			return Certified{}, fmt.Errorf("%s has no ceremony key in this run", h.Body.Name)
		}
		return c, nil
	}
	return Certified{Leaf: h.Leaf, Public: h.Public()}, nil
}

// SignsWith is which secret releases the signatures of a role.
func SignsWith(role string) SecretKind {
	if role == "administrator" || role == "witness" {
		return SessionPIN
	}
	return Passphrase
}

func (s *State) intent(r *record, b *Intent) error {
	p := s.Open
	st, ok := p.Current()
	if !ok || st.ID != b.Step || p.Steps[st.ID].Attempt != b.Attempt {
		return r.refuse("intent.step", "step %q, attempt %d, is not under way", b.Step, b.Attempt)
	}
	if in := p.openIntents(); len(in) > 0 {
		return r.refuse("intent.open", "the outcome of %q is not known yet", in[0].Body.Act.Do)
	}
	if err := p.occupied(); err != nil {
		return r.refuse("presence.occupancy", "%v", err)
	}
	acts, err := s.kinds[st.Kind].Acts(s, st)
	if err != nil {
		return r.refuse("intent.act", "%v", err)
	}
	if !slices.ContainsFunc(acts, b.Act.equal) {
		return r.refuse("intent.act", "step %q does not do %q in this way", st.ID, b.Act.Do)
	}
	if err := p.consume(r, st, b); err != nil {
		return err
	}
	if err := s.kinds[st.Kind].Check(s, st, r.Record, b); err != nil {
		return r.refuse(ruleOf(err, "intent.act"), "%v", err)
	}
	p.Intents = append(p.Intents, &IntentState{Body: *b, Leaf: r.Leaf, Seq: r.Seq, Open: true})
	return nil
}

func (a Act) equal(b Act) bool { return a.Do == b.Do && maps.Equal(a.With, b.With) }

// ActsOf lists what a step of the open ceremony will still do to the world outside.
func (s *State) ActsOf(step string) ([]Act, error) {
	st, ok := s.Open.Plan.Step(step)
	if !ok {
		return nil, fmt.Errorf("there is no step %q", step)
	}
	return s.kinds[st.Kind].Acts(s, st)
}

// Broken is how a kind's Check names the rule that a record breaks.
type Broken struct{ Rule, Why string }

func (b *Broken) Error() string { return b.Why }

func ruleOf(err error, otherwise string) string {
	if b, ok := err.(*Broken); ok {
		return b.Rule
	}
	return otherwise
}

func (s *State) result(r *record, b *Result) error {
	p := s.Open
	if b.Intent.IsZero() {
		st, ok := p.Current()
		if !ok || st.ID != b.Step || p.Steps[st.ID].Attempt != b.Attempt || b.Outcome != Finished || b.Reconciled {
			return r.refuse("step.result", "step %q, attempt %d, is not under way", b.Step, b.Attempt)
		}
		if in := p.openIntents(); len(in) > 0 {
			return r.refuse("intent.open", "the outcome of %q is not known yet", in[0].Body.Act.Do)
		}
		if d, waits := p.undecided(); waits {
			return r.refuse("deviation.undecided", "deviation %d waits for a decision", d.Raised.Number)
		}
		if err := s.kinds[st.Kind].Check(s, st, r.Record, b); err != nil {
			return r.refuse(ruleOf(err, "step.result"), "%v", err)
		}
		p.finish(st.ID, r.Leaf, r.Time, b.Facts)
		switch st.Kind {
		case PolicyStep:
			s.Policy, p.Proposed = p.Proposed, nil
		case ClosingBagsStep:
			s.closed(b.Facts)
		}
		return nil
	}
	in := p.intentOf(b.Intent)
	switch {
	case in == nil || !in.Open:
		return r.refuse("result.intent", "it is the result of an intent that does not stand open")
	case in.Body.Step != b.Step || in.Body.Attempt != b.Attempt:
		return r.refuse("result.intent", "its intent is of step %q, attempt %d", in.Body.Step, in.Body.Attempt)
	case b.Outcome != Done && b.Outcome != NotDone && b.Outcome != HalfDone:
		return r.refuse("result.outcome", "an act is done, not done or half done, not %q", b.Outcome)
	}
	st, _ := p.Plan.Step(b.Step)
	if err := s.kinds[st.Kind].Check(s, st, r.Record, b); err != nil {
		return r.refuse(ruleOf(err, "result.outcome"), "%v", err)
	}
	in.Open, in.Outcome = false, b.Outcome
	return nil
}

// fact: a fact's own record names an open intent, and its step's kind judges it.
func (s *State) fact(r *record) error {
	p := s.Open
	st, current := p.Current()
	if in, named := intentNamed(r.body); named {
		is := p.intentOf(in)
		if is == nil || !is.Open {
			return r.refuse("result.intent", "a %s names an intent that does not stand open", r.Kind)
		}
		st, _ = p.Plan.Step(is.Body.Step)
	} else if !current {
		if r.Kind != TokenInventoryKind && r.Kind != ItemOpenedKind && r.Kind != ItemSealedKind && r.Kind != ItemLostKind {
			return r.refuse("step.order", "a %s belongs to a step, and none is under way", r.Kind)
		}
		// A resumed run opens the token again outside of its step.
		if st = p.firstOf(OpenTokenStep); st.ID == "" {
			return r.refuse("step.order", "no step of this script opens the token")
		}
	}
	if err := s.kinds[st.Kind].Check(s, st, r.Record, r.body); err != nil {
		return r.refuse(ruleOf(err, "fact."+r.Kind), "%v", err)
	}
	switch b := r.body.(type) {
	case *TokenEnrolled:
		s.Tokens[b.Serial] = &Token{Body: *b, Leaf: r.Leaf, Seq: r.Seq}
		if p.Token == "" {
			p.Token = b.Serial
		} else if p.Token != b.Serial {
			p.Second.Serial = b.Serial
		}
	case *PINsSet:
		if err := s.pinsSet(r, b); err != nil {
			return err
		}
	case *SetWithdrawn:
		if err := s.setWithdrawn(r, b); err != nil {
			return err
		}
	case *LedgerKeyEnrolled:
		return s.ledgerKeyEnrolled(r, b)
	case *LedgerKeyRetired:
		return s.ledgerKeyRetired(r, b)
	case *SetIssued:
		s.Sets[b.Set] = &Set{Body: *b, Leaf: r.Leaf}
	case *SetReadBack:
		p.ReadBack = append(p.ReadBack, *b)
	case *ClockChecked:
		p.Clock = b
	case *TokenInventory:
		if b.Serial == p.Second.Serial {
			p.Second.Foreign = len(b.Unknown)
		} else {
			p.Foreign = len(b.Unknown)
			s.Looked = &Look{TokenInventory: *b, At: r.Time}
		}
	}
	if err := s.keyFact(r); err != nil {
		return err
	}
	return s.custody(r)
}

// intentNamed gives the intent that a fact's record answers.
func intentNamed(body any) (ledger.Hash, bool) {
	switch b := body.(type) {
	case *TokenEnrolled:
		return b.Intent, true
	case *PINsSet:
		return b.Intent, true
	case *LedgerKeyEnrolled:
		return b.Intent, true
	case *LedgerKeyRetired:
		return b.Intent, true
	case *KeyGenerated:
		return b.Intent, true
	case *KeyQuarantined:
		return b.Intent, true
	case *SetIssued:
		return b.Intent, true
	case *SetReadBack:
		return b.Intent, true
	case *KeyWrapped:
		return b.Intent, true
	case *KeyRestored:
		return b.Intent, true
	case *KeyDeleted:
		return b.Intent, true
	case *ArtifactStored:
		return b.Intent, !b.Intent.IsZero()
	case *ItemSealed:
		return b.Intent, !b.Intent.IsZero()
	case *ItemDestroyed:
		return b.Intent, !b.Intent.IsZero()
	}
	return ledger.Hash{}, false
}

func (s *State) reportMade(r *record, b *ReportMade) error {
	p := s.find(r.Ceremony)
	if p == nil || p.Status == Running {
		return r.refuse("report.early", "ceremony %q has not ended", r.Ceremony)
	}
	s.Reports[r.Ceremony] = Report{Ceremony: r.Ceremony, Body: *b}
	return nil
}

func (s *State) find(number string) *Progress {
	for _, p := range s.Ceremonies {
		if p.Number == number {
			return p
		}
	}
	return nil
}

// Find gives the ceremony of this number, nil if there is none.
func (s *State) Find(number string) *Progress { return s.find(number) }

// Unfinished is the ceremony that is paused or was interrupted, if any.
func (s *State) Unfinished() *Progress {
	for _, p := range s.Ceremonies {
		if p.Status == PausedStatus || p.Status == Interrupted || p.Status == Running {
			return p
		}
	}
	return nil
}

// Due is the step that comes next, and its attempt. A step whose authorisation
// has lapsed sends back to the step that authorises it.
func (s *State) Due() (script.Step, int, bool) {
	p := s.Open
	for _, st := range p.Plan.Steps() {
		ss := p.Steps[st.ID]
		if ss.Done {
			continue
		}
		if auth, ok := p.authoriser(st.ID); ok && p.Steps[auth.ID].Done {
			acts, err := s.kinds[st.Kind].Acts(s, st)
			if err == nil && len(acts) > 0 && len(p.authorised(st.ID, ss.Attempt+1)) < needed(auth) {
				return auth, p.Steps[auth.ID].Attempt + 1, true
			}
		}
		return st, ss.Attempt + 1, true
	}
	return script.Step{}, 0, false
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// CeremonyKeyMessage gives the bytes with which an enrolled key certifies a
// ceremony key.
func CeremonyKeyMessage(b CeremonyKey, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	return unsignedMessage(signoff.CeremonyKey, struct {
		Ceremony string      `json:"ceremony"`
		Key      ledger.Hash `json:"key"`
		Person   string      `json:"person"`
		Prev     ledger.Hash `json:"prev"`
		Public   string      `json:"public"`
		Site     string      `json:"site"`
	}{ceremony, b.Key, b.Person, prev, b.Public, site})
}

// SignOffMessage gives the bytes that a sign-off signs (DESIGN.md section 5).
func SignOffMessage(b SignOff, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	return unsignedMessage(signoff.SignOff, struct {
		Act      string      `json:"act"`
		Attempt  int         `json:"attempt"`
		Ceremony string      `json:"ceremony"`
		Person   string      `json:"person"`
		Prev     ledger.Hash `json:"prev"`
		Reason   string      `json:"reason"`
		Role     string      `json:"role"`
		Shown    ledger.Hash `json:"shown"`
		Site     string      `json:"site"`
		Step     string      `json:"step"`
		Verdict  Verdict     `json:"verdict"`
	}{b.Act, b.Attempt, ceremony, b.Person, prev, b.Reason, b.Role, b.Shown, site, b.Step, b.Verdict})
}

func unsignedMessage(purpose string, v any) ([]byte, error) {
	canonical, err := ledger.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("couldn't encode what is signed: %w", err)
	}
	return signoff.Message(purpose, canonical), nil
}

// Blob gives the bytes that a record names by hash.
func (s *State) Blob(h ledger.Hash) ([]byte, error) { return s.blobs(h) }

package ceremony

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// env is the engine as one step sees it.
type env struct {
	*Engine
	step script.Step
}

var _ Env = (*env)(nil)

func (e *env) Attempt() int {
	if ss := e.state.Open.Steps[e.step.ID]; ss != nil {
		return ss.Attempt
	}
	return 0
}

func (e *env) Host() Host        { return e.host }
func (e *env) Site() *Folder     { return e.folder }
func (e *env) People() *Keyring  { return e.keys }
func (e *env) Prev() ledger.Hash { return e.head.Last }

func (e *env) Module(ctx context.Context) (hsm.Module, error) {
	err := e.startModule(ctx)
	return e.module, err
}

// Restart ignores how the old process ended: it is restarted because it failed.
func (e *env) Restart(context.Context) error {
	e.dropModule()
	return nil
}

func (e *env) Looked(attached bool) {
	switch {
	case !attached:
		e.seen = "absent"
	case e.seen != "open":
		e.seen = "present, closed"
	}
}

func (e *env) Working(what string) {
	e.working, e.since, e.device = what, e.host.Now(), nil
	e.show()
}

func (e *env) AtDevice(what string, p Prompt) {
	e.working, e.since, e.device = what, e.host.Now(), &p
	e.show()
}

func (e *env) Shown(lines ...Line) {
	e.shown = append(e.shown, lines...)
	e.show()
}

// Ask puts one question. A deviation is recorded and the question asked again;
// pause and abort come back as *Stop.
func (e *env) Ask(ctx context.Context, p Prompt) (Answer, error) {
	return e.ask(ctx, p, func() []Fact { return p.Facts })
}

// ask has the facts made anew each time the question is put: what was recorded in
// between, a deviation, belongs to them.
func (e *env) ask(ctx context.Context, p Prompt, anew func() []Fact) (Answer, error) {
	if p.Step == "" {
		p.Step = e.step.ID
	}
	if err := e.settleClock(ctx); err != nil {
		return Answer{}, err
	}
	e.working, e.device, e.acting = "", nil, p.Who.ID
	e.show()
	defer func() { e.acting = "" }()
	for {
		p.Facts = anew()
		from := e.host.Now()
		a, err := e.room.Ask(ctx, p)
		if err != nil {
			return Answer{}, err
		}
		if p.Private() || a.Secret != nil {
			turned := from.UTC().Format("15:04:05") + " to " + e.host.Now().UTC().Format("15:04:05")
			if e.signing > 0 { // the step that ends next says it
				turned += fmt.Sprintf(" (phase %d signed)", e.signing)
			}
			e.private = append(e.private, turned)
		}
		if p.Problem = atTheDoor(a, e.state.fieldsOf(a.Action)); p.Problem != nil {
			a.Secret.Wipe()
			continue
		}
		goOn, err := e.acted(ctx, p, a)
		if p.Problem = refusedSheet(a, err); p.Problem != nil {
			continue
		}
		if goOn || err != nil {
			return a, err
		}
	}
}

// refusedSheet tells that what was typed into a sheet breaks a rule: nothing of it
// is recorded, and it is asked again.
func refusedSheet(a Answer, err error) *Problem {
	var refusal *Refusal
	if a.Action == GoOn || !errors.As(err, &refusal) {
		return nil
	}
	return &Problem{Happened: "This cannot be recorded: " + refusal.Why + ".", Safe: "Nothing was recorded.", Do: "Mend what it says, or pause the ceremony.", Code: refusal.Rule}
}

// atTheDoor checks what was typed, before any of it reaches a record: text that
// a report cannot show as it was meant is refused here and nowhere later.
func atTheDoor(a Answer, sheet []Field) *Problem {
	if err := ledger.CheckText(a.Reason); err != nil {
		return typedProblem("The reason", err)
	}
	if utf8.RuneCountInString(a.Reason) > maxText {
		return typedProblem("The reason", fmt.Errorf("it has more than %d characters", maxText))
	}
	for _, name := range sortedKeys(a.Fields) {
		v := a.Fields[name]
		if err := ledger.CheckText(v); err != nil {
			return typedProblem(fmt.Sprintf("%q", name), err)
		}
		if utf8.RuneCountInString(v) > maxText {
			return typedProblem(fmt.Sprintf("%q", name), fmt.Errorf("it has more than %d characters", maxText))
		}
	}
	for _, f := range sheet {
		v := a.Fields[f.Name]
		if v == "" && (f.Optional || !f.Asked(a.Fields)) {
			continue
		}
		if v == "" {
			return typedProblem(f.Label, errors.New("nothing was typed"))
		}
		if f.Of != nil && !slices.Contains(f.Of, v) {
			return typedProblem(f.Label, fmt.Errorf("%q is none of %s", v, strings.Join(f.Of, ", ")))
		}
	}
	return nil
}

// maxText bounds every text that people type: a page of the report holds it.
const maxText = 2000

func typedProblem(what string, err error) *Problem {
	return &Problem{Happened: fmt.Sprintf("%s cannot be recorded: %v.", what, err), Safe: "Nothing was recorded.", Do: "Type it again."}
}

// acted carries out what an answer asks of the engine; it says whether the
// answer is one to the question itself.
func (e *env) acted(ctx context.Context, p Prompt, a Answer) (bool, error) {
	if a.Action == GoOn || a.Action == Withhold && p.withholdable() {
		return true, nil
	}
	a.Secret.Wipe()
	switch a.Action {
	case Pause:
		return false, &Stop{Err: ErrPaused, Reason: a.Reason, Stay: staying(a.Fields)}
	case Abort:
		return false, &Stop{Err: ErrAborted, Reason: a.Reason}
	case Deviate:
		st, _ := e.state.Open.Current()
		if err := e.deviation(ctx, a.Fields); err != nil {
			return false, err
		}
		if a.Fields["decision"] == DecideAbort {
			return false, &Stop{Err: ErrAborted, Reason: a.Fields["happened"]}
		}
		if now, _ := e.state.Open.Current(); now.ID != st.ID || p.Who.ID != "" && e.state.Open.LockedOut[p.Who.ID] > 0 {
			return false, errRepeat
		}
		return false, nil
	case Presence:
		return false, e.presence(ctx, a.Fields)
	case TakeBreak:
		return false, e.pauseForBreak(ctx, a.Fields)
	}
	return false, fmt.Errorf("the room answered %q", a.Action)
}

func (e *env) Private() []string {
	out := e.private
	e.private = nil
	return out
}

func (e *env) Record(ctx context.Context, entries []Entry, blobs ...[]byte) error {
	_, err := e.append(ctx, blobs, entries...)
	return err
}

// Act: intent, act, result. A crash after the intent leaves it open for the
// next start; a crash after the act leaves in the token what its CKA_ID, the
// intent's leaf, will name.
func (e *env) Act(ctx context.Context, act Act, do func(ctx context.Context, intent ledger.Hash) (Found, error)) error {
	if err := e.reserve(ctx); err != nil {
		return err
	}
	p := e.state.Open
	in := Intent{Act: act, Attempt: e.Attempt(), Authorisations: p.Authorisations(e.step.ID, e.Attempt()), Step: e.step.ID}
	records, err := e.append(ctx, nil, Entry{IntentKind, in})
	if err != nil {
		return err
	}
	leaf := records[0].Leaf
	found, failure := do(ctx, leaf)
	var stop *Stop
	if failure != nil && (errors.As(failure, &stop) || errors.Is(failure, errRepeat)) {
		if err := e.settle(ctx, leaf, in, Found{Outcome: NotDone}, false); err != nil {
			return errors.Join(failure, err)
		}
		return failure
	}
	if failure != nil {
		if ctx.Err() != nil {
			return failure
		}
		if err := e.fault(ctx, e.state.Open.Token, leaf, failure); err != nil {
			return errors.Join(failure, err)
		}
		if ClassOf(failure) == hsm.Gone {
			return failure
		}
		// Codes lie: the token is read before anything is believed.
		found, err = e.kinds[e.step.Kind].Reconcile(ctx, e, e.step, KnownIntent{Intent: in, Leaf: leaf})
		if err != nil {
			return errors.Join(failure, err)
		}
	}
	if err := e.settle(ctx, leaf, in, found, failure != nil); err != nil {
		return errors.Join(failure, err)
	}
	if found.Outcome != Done {
		return e.repeatOrStop(ctx, act, found, failure)
	}
	return nil
}

// settle writes the result of an act with what was read back.
func (e *env) settle(ctx context.Context, leaf ledger.Hash, in Intent, found Found, reconciled bool) error {
	entries := append(slices.Clone(found.Records), Entry{ResultKind, Result{
		Attempt: in.Attempt, Facts: found.Facts, Intent: leaf, Outcome: found.Outcome, Reconciled: reconciled, Step: in.Step}})
	if _, err := e.append(ctx, found.Blobs, entries...); err != nil {
		return err
	}
	if e.result = ""; found.Outcome == Done {
		e.result = "Done, and read back"
	}
	return e.Checkpoint(ctx)
}

// repeatOrStop asks people what to do about an act that did not happen as
// authorised. Doing the step again is a deviation, and is authorised again.
func (e *env) repeatOrStop(ctx context.Context, act Act, found Found, failure error) error {
	what := strings.ReplaceAll(act.Do, "-", " ")
	happened := fmt.Sprintf("The token was read after %q failed: %s.", what, outcomeWords(found.Outcome))
	code := ""
	if failure != nil {
		happened, code = failureWords(what, failure)+" "+happened, failure.Error()
	}
	options := []Option{
		{ID: "repeat", Label: "Authorise and try again", Help: "Recorded as a deviation; two officers authorise the next attempt."},
		{ID: "pause", Label: "Pause the ceremony", Help: "Everything is closed; it can be resumed later."},
		{ID: "abort", Label: "Abort the ceremony", Help: "It ends here with its own report.", Danger: true},
	}
	otherwise := ErrPaused
	if e.step.OnFailure == script.Abort {
		// The script leaves a deviation as the only way on.
		options, otherwise = slices.Delete(options, 1, 2), ErrAborted
	}
	a, err := e.Ask(ctx, Prompt{Kind: AskDecide, Title: "The act did not happen as authorised", Facts: factsOf(found.Facts),
		Problem: &Problem{Happened: happened, Safe: "The attempt and what was found are recorded.", Do: "Decide how to go on.", Code: code},
		Options: options})
	if err != nil {
		return err
	}
	switch a.Choice {
	case "repeat":
		err := e.deviationOf(ctx, Prompt{Kind: AskForm, Title: "Note the deviation", Verb: "Record it", Facts: []Fact{{Label: "Happened", Value: happened}},
			Text: "Doing an act again is a deviation. Say how grave this one is and who decided it."},
			map[string]string{"class": EquipmentDeviation, "expected": what, "happened": limitText(happened), "decision": DecideRepeat, "reason": a.Reason, "text": "", "person": ""})
		if err != nil {
			return err
		}
		return errRepeat
	case "abort":
		return &Stop{Err: ErrAborted, Reason: limitText(happened)}
	}
	return &Stop{Err: otherwise, Reason: limitText(happened)}
}

func failureWords(what string, err error) string {
	var he *hsm.Error
	if errors.As(err, &he) {
		return fmt.Sprintf("The token refused to %s: %s.", he.Op, he.Class)
	}
	return fmt.Sprintf("%q failed: %v.", what, err)
}

// ClassOf gives the class of a token's error, "" for any other.
func ClassOf(err error) hsm.Class {
	var he *hsm.Error
	if errors.As(err, &he) {
		return he.Class
	}
	return ""
}

func (e *env) fault(ctx context.Context, serial string, after ledger.Hash, cause error) error {
	b := TokenFault{After: after, Class: string(hsm.Broken), Serial: serial, Why: limitText(cause.Error())}
	var he *hsm.Error
	if errors.As(cause, &he) {
		b.Class, b.Code = string(he.Class), he.Code
	}
	if b.Class == string(hsm.Gone) {
		e.seen = "absent"
		e.dropModule()
	}
	_, err := e.append(ctx, nil, Entry{TokenFaultKind, b})
	return err
}

// SignOff shows someone what State expects them to sign, takes the secret that
// releases the signature, and records it. Who left, is locked out or stays silent
// gives none: that is recorded for a phase or an attestation, and comes back as a
// sign-off without a verdict.
func (e *env) SignOff(ctx context.Context, ask SignOffAsk) (SignOff, error) {
	s := e.state
	h := s.People[ask.Person]
	if h == nil {
		return SignOff{}, fmt.Errorf("%s is not enrolled", ask.Person)
	}
	if why := s.Open.silent(ask.Person); why != "" && ask.Act != ActEnrol {
		if ask.Act == ActPhase || ask.Act == ActAttest {
			return SignOff{}, e.withhold(ctx, ask, why)
		}
		return SignOff{}, nil
	}
	if err := s.maySign(ask.Act, ask.Person, ask.Role); err != nil {
		return SignOff{}, told(&Refusal{Rule: ruleOf(err, "signoff.role"), Seq: s.Size, Why: err.Error()})
	}
	with := SignsWith(ask.Role)
	if ask.Act == ActEnrol {
		with = Passphrase
	}
	p := Prompt{Kind: AskSignOff, Act: ask.Act, Title: ask.Title, Text: Statement(ask.Act, ask.Role), Who: s.Someone(ask.Person), Role: ask.Role,
		With: with}
	if ask.Text != "" {
		p.Aloud = ask.Text
	}
	if ask.Phrase != "" {
		if err := e.phrase(ctx, ask); err != nil {
			return SignOff{}, err
		}
	}
	for {
		a, err := e.ask(ctx, p, func() []Fact { return factsOf(e.state.Lines(ask.Act, ask.Step, ask.Person)) })
		if err != nil {
			return SignOff{}, err
		}
		if a.Action == Withhold {
			a.Secret.Wipe()
			return SignOff{}, e.withhold(ctx, ask, cmp.Or(a.Reason, "silent"))
		}
		b, err := e.sign(ctx, ask, a)
		a.Secret.Wipe()
		if err == nil {
			return b, nil
		}
		if !errors.Is(err, ErrSecret) && !errors.Is(err, errReason) {
			return SignOff{}, err
		}
		p.Problem = secretProblem(h.Body.Name, with, err)
	}
}

// phrase has someone type, by hand and exactly, what cannot be undone.
func (e *env) phrase(ctx context.Context, ask SignOffAsk) error {
	p := Prompt{Kind: AskPhrase, Act: ask.Act, Title: ask.Title, Who: e.state.Someone(ask.Person), Role: ask.Role, Facts: ask.Facts, Phrase: ask.Phrase, Irreversible: true}
	for {
		a, err := e.Ask(ctx, p)
		if err != nil {
			return err
		}
		if a.Fields[PhraseField] == ask.Phrase {
			return nil
		}
		p.Problem = &Problem{Happened: fmt.Sprintf("What was typed is not %q.", ask.Phrase), Safe: "Nothing was signed and nothing was changed.", Do: "Type it exactly, or stop the ceremony."}
	}
}

var errReason = errors.New("a disagreement needs its reason")

func secretProblem(name string, with SecretKind, err error) *Problem {
	if errors.Is(err, errReason) {
		return &Problem{Happened: name + " disagrees, and no reason was typed.", Safe: "Nothing was signed.", Do: "Type the reason; it is printed in the report."}
	}
	again := "Type it again, slowly."
	if with == SessionPIN {
		again += " It is the one that was chosen at the roll call."
	}
	return &Problem{Happened: fmt.Sprintf("That is not the %s of %s.", with, name), Safe: "Nothing was signed and nothing was recorded.", Do: again}
}

func (e *env) sign(ctx context.Context, ask SignOffAsk, a Answer) (SignOff, error) {
	s := e.state
	if a.Verdict == Disagree && a.Reason == "" {
		return SignOff{}, errReason
	}
	if a.Verdict == "" {
		a.Verdict = Agree
	}
	if a.Verdict == Agree {
		a.Reason = ""
	}
	shown, err := s.Shown(ask.Act, ask.Step, ask.Attempt, ask.Person, ask.Role)
	if err != nil {
		return SignOff{}, err
	}
	h := s.People[ask.Person]
	key, err := s.signingKey(s.Open, h, ask.Role, ask.Act)
	if err != nil {
		return SignOff{}, err
	}
	b := SignOff{Act: ask.Act, Attempt: ask.Attempt, Key: key.Leaf, Person: ask.Person, Reason: a.Reason, Role: ask.Role,
		Shown: ledger.BlobHash(shown), Step: ask.Step, Verdict: a.Verdict}
	msg, err := SignOffMessage(b, s.Open.Number, e.Prev(), s.Site.ID)
	if err != nil {
		return SignOff{}, err
	}
	var sig []byte
	if ask.Act != ActEnrol && SignsWith(ask.Role) == SessionPIN {
		sig, err = e.keys.signGated(ask.Person, a.Secret, msg)
	} else {
		k, kerr := e.keys.Open(h, a.Secret)
		if kerr != nil {
			return SignOff{}, kerr
		}
		sig = k.Sign(msg)
		k.Wipe()
	}
	if err != nil {
		return SignOff{}, err
	}
	b.Signature = hex.EncodeToString(sig)
	if err := e.Record(ctx, []Entry{{SignOffKind, b}}, shown); err != nil {
		return b, err
	}
	if ask.Act == ActAttest {
		return b, e.keys.release(ask.Person, a.Secret)
	}
	return b, nil
}

func (e *env) CheckCard(ctx context.Context, text *secret.Buffer, fingerprint [32]byte, practice bool) (string, error) {
	return e.check(ctx, text, fingerprint, practice)
}

// Together asks for every passphrase first, because nothing may be written between
// the signatures and their record.
func (e *env) Together(ctx context.Context, people []Part, p Prompt, message func(prev ledger.Hash) ([]byte, error)) ([]SignedBy, error) {
	var keys []*signoff.Key
	defer func() {
		for _, k := range keys {
			k.Wipe()
		}
	}()
	p.Kind, p.With = AskPassphrase, Passphrase
	for _, part := range people {
		h := e.state.People[part.Person]
		if h == nil {
			return nil, fmt.Errorf("%s is not enrolled", part.Person)
		}
		ask := p
		ask.Who, ask.Role = e.state.Someone(part.Person), part.Role
		for {
			a, err := e.Ask(ctx, ask)
			if err != nil {
				return nil, err
			}
			key, err := e.keys.Open(h, a.Secret)
			a.Secret.Wipe()
			if err == nil {
				keys = append(keys, key)
				break
			}
			if !errors.Is(err, ErrSecret) {
				return nil, err
			}
			ask.Problem = secretProblem(h.Body.Called(), Passphrase, err)
		}
	}
	msg, err := message(e.head.Last)
	if err != nil {
		return nil, err
	}
	var out []SignedBy
	for i, part := range people {
		out = append(out, SignedBy{Key: e.state.People[part.Person].Leaf, Person: part.Person, Role: part.Role, Signature: hex.EncodeToString(keys[i].Sign(msg))})
	}
	return out, nil
}

// Session is the one with the ceremony's own token.
func (e *env) Session(ctx context.Context) (hsm.Session, error) {
	return e.SessionWith(ctx, e.state.Open.Token)
}

// SessionWith opens the module's process and the session at need, by serial
// number.
func (e *env) SessionWith(ctx context.Context, serial string) (hsm.Session, error) {
	if s := e.sessions[serial]; s != nil {
		return s, nil
	}
	if err := e.startModule(ctx); err != nil {
		return nil, err
	}
	s, err := e.module.Open(ctx, serial)
	if err != nil {
		return nil, err
	}
	e.sessions[serial] = s
	return s, nil
}

func (e *Engine) startModule(ctx context.Context) error {
	if e.module != nil {
		return nil
	}
	m, err := e.load(ctx)
	if err != nil {
		return err
	}
	e.module = m
	return nil
}

// Release closes every session but keeps the module.
func (e *env) Release(ctx context.Context) error {
	var errs []error
	for _, s := range e.sessions {
		errs = append(errs, s.Close())
	}
	clear(e.sessions)
	return errors.Join(errs...)
}

// CouldLock is the title under which people decide about a login that could lock
// the token.
const CouldLock = "This login could lock the token"

// Login records the attempt, then makes it: a login that could lock is never
// sent without its record.
func (e *env) Login(ctx context.Context, serial string, as hsm.User, cards []Held, pin *secret.Buffer) error {
	s, err := e.SessionWith(ctx, serial)
	if err != nil {
		return err
	}
	info, err := s.Token(ctx)
	if err != nil {
		return err
	}
	if err := e.entered(serial, info, pin); err != nil {
		return err
	}
	flags := pinFlags(info, as)
	if flags == "locked" {
		return &Problem{Happened: "The token says that this PIN is locked.", Safe: "No login was tried.", Do: "Stop here. Only the security officer can unlock it."}
	}
	decision := 0
	for flags != "" && decision == 0 {
		// What was decided before nobody knew of this is no decision about it.
		known := len(e.state.Open.Deviations)
		_, err := e.Ask(ctx, Prompt{Kind: AskConfirm, Title: CouldLock, Verb: "Look again",
			Problem: &Problem{Happened: fmt.Sprintf("The token says of this PIN: %s. A wrong one now may lock it for good.", flags), Safe: "No login was tried.",
				Do: "Note a deviation that says who decides to try, as heard by two; or stop the ceremony."}})
		if err != nil {
			return err
		}
		if n := len(e.state.Open.Deviations); n > known && e.state.Open.decidedToTry(e.step.ID, n) {
			decision = n
		}
	}
	if cards == nil {
		cards = []Held{}
	}
	attempt := max(e.Attempt(), 1)
	records, err := e.append(ctx, nil, Entry{LoginTriedKind, LoginTried{As: string(as), Attempt: attempt, Cards: cards, Decision: decision, Flags: flags, Serial: info.Serial, Step: e.step.ID}})
	if err != nil {
		return err
	}
	if err := s.Login(ctx, as, pin); err != nil {
		return errors.Join(err, e.fault(ctx, serial, records[0].Leaf, err))
	}
	if serial == e.state.Open.Token {
		e.seen = "open"
	}
	_, err = e.append(ctx, nil, Entry{TokenOpenedKind, TokenOpened{As: string(as), Login: records[0].Leaf, Serial: info.Serial}})
	return err
}

// entered: a PIN goes to a token that takes one, and never to one with a pad.
func (e *env) entered(serial string, info hsm.TokenInfo, pin *secret.Buffer) error {
	pad := e.state.Tokens[serial].AtPad()
	if pad != info.ProtectedPath {
		says := map[bool]string{true: "that its PINs are entered on the device", false: "of no pad on which its PINs are entered"}
		return &Problem{Happened: fmt.Sprintf("The token with serial number %s says %s. When it was enrolled it said %s.", serial, says[info.ProtectedPath], says[pad]), Safe: "No login was tried.",
			Do: "Check that it is the same device, with the reader and the library that it was enrolled with, then look again."}
	}
	if pad != (pin == nil) {
		return fmt.Errorf("a PIN for token %s, at whose pad people enter it, or none for one without", serial)
	}
	return nil
}

func pinFlags(t hsm.TokenInfo, as hsm.User) string {
	low, final, locked := t.UserPINCountLow, t.UserPINFinalTry, t.UserPINLocked
	if as == hsm.SecurityOfficer {
		low, final, locked = t.SOPINCountLow, t.SOPINFinalTry, t.SOPINLocked
	}
	switch {
	case locked:
		return "locked"
	case final:
		return "final try"
	case low:
		return "count low"
	}
	return ""
}

// Logout closes a token and says so in the ledger.
func (e *env) Logout(ctx context.Context, serial, reason string) error {
	p := e.state.Open
	if p == nil {
		p = e.state.lastRun()
	}
	if p == nil {
		return nil
	}
	if open, _ := p.opened(serial); !open {
		return nil
	}
	var failure error
	if s := e.sessions[serial]; s != nil {
		failure = s.Logout(ctx)
	}
	if serial == p.Token {
		e.seen = "present, closed"
	}
	_, err := e.append(ctx, nil, Entry{TokenClosedKind, TokenClosed{Reason: reason, Serial: serial}})
	return errors.Join(failure, err)
}

// LogoutAll closes every token of the ceremony whose run is under way or has
// just ended.
func (e *env) LogoutAll(ctx context.Context, reason string) error {
	p := e.state.lastRun()
	if p == nil {
		return nil
	}
	return errors.Join(e.Logout(ctx, p.Second.Serial, reason), e.Logout(ctx, p.Token, reason))
}

// Checkpoint has the ledger key sign the tree head. It is bookkeeping: no
// intent and no authorisation. Where it cannot be made, the next opening's
// covers these records.
func (e *env) Checkpoint(ctx context.Context) error {
	p := e.state.Open
	if p == nil {
		p = e.state.lastRun()
	}
	if p == nil || !p.TokenOpen || p.OpenedAs != string(hsm.Operator) || e.sessions[p.Token] == nil || e.state.Contradiction != "" {
		return nil
	}
	signing := e.state.signing(p.Token)
	if signing == nil {
		return nil
	}
	key := signing.Body
	spki, err := e.store.Blob(ctx, key.Public)
	if err != nil {
		return fmt.Errorf("couldn't read the ledger key's public half: %w", err)
	}
	note, err := ledger.SignCheckpoint(e.state.Site.Origin, e.head, spki, func(msg []byte) ([]byte, error) {
		return e.sessions[p.Token].Sign(ctx, unhex(key.ID), msg)
	})
	if err != nil {
		return fmt.Errorf("couldn't have the token sign the checkpoint: %w", err)
	}
	if e.state.Open == nil {
		if note, err = e.cosign(p, note); err != nil {
			return err
		}
	}
	_, err = e.append(ctx, nil, Entry{CheckpointSignedKind, CheckpointSigned{Note: note}})
	return err
}

// cosign adds, to the checkpoint over a seal, the people who attested: they say
// that they were present at this root, no more.
func (e *env) cosign(p *Progress, note string) (string, error) {
	for _, part := range p.Body.People {
		key, ok := e.keys.released[part.Person]
		if !ok {
			continue
		}
		var err error
		note, err = ledger.Cosign(note, part.Person, key.Public(), e.host.Now(), func(msg []byte) ([]byte, error) { return key.Sign(msg), nil })
		if err != nil {
			return "", fmt.Errorf("couldn't cosign the seal: %w", err)
		}
	}
	return note, nil
}

// Someone names a person for a screen. Where people of the open ceremony share
// their initials, a number tells each from those named before.
func (s *State) Someone(id string) Someone {
	who := s.named(id)
	if s.Open == nil {
		return who
	}
	namesakes := map[string]bool{}
	for _, part := range s.Open.Body.People {
		if part.Person == id {
			break
		}
		if s.named(part.Person).Initials == who.Initials {
			namesakes[part.Person] = true
		}
	}
	if n := len(namesakes); n > 0 {
		who.Initials += strconv.Itoa(n + 1)
	}
	return who
}

func (s *State) named(id string) Someone {
	h := s.People[id]
	if h == nil {
		return Someone{ID: id, Name: unenrolled(id), Initials: initials(id)}
	}
	return Someone{ID: id, Name: h.Body.Called(), Initials: initials(cmp.Or(h.Body.Latin, h.Body.Name))}
}

// unenrolled says the id of somebody whom nobody has enrolled yet as a name.
func unenrolled(id string) string {
	words := strings.Split(id, "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

func initials(name string) string {
	var b bytes.Buffer
	for _, w := range strings.Fields(strings.ReplaceAll(name, "-", " ")) {
		for _, r := range w {
			b.WriteString(strings.ToUpper(string(r)))
			break
		}
	}
	if r := []rune(b.String()); len(r) > 2 {
		return string(r[0]) + string(r[len(r)-1])
	}
	return b.String()
}

// Date formats a day as records hold it.
func Date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

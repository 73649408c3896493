package ceremony

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
)

// Deviations: what did not go as scripted is said, decided and counted, from
// anywhere and at any time. It is normal, and it is never hidden. Who decides is
// the approver, or while none is present those whom the policy names; with a
// signature here, or as heard by two others. Objections stand beside it.

// DeviationRaised: what did not go as scripted, as typed by people.
type DeviationRaised struct {
	Class       string `json:"class"`       // script, equipment, person, security, clock, data
	Containment string `json:"containment"` // what was done at once, "" where nothing had to be
	Expected    string `json:"expected"`
	Exposed     string `json:"exposed"` // key material: yes, no, unknown
	Happened    string `json:"happened"`
	Number      int    `json:"number"`
	Severity    string `json:"severity"` // minor, major, critical
	Step        string `json:"step"`
	Video       string `json:"video,omitzero"` // where it is on the video, as typed; "" where none is taken
}

// DeviationDecided says how the ceremony goes on.
type DeviationDecided struct {
	By         string     `json:"by"`
	Corrective string     `json:"corrective"` // what is done about its cause, and by whom; "" where nobody gave one
	Decision   string     `json:"decision"`
	Due        string     `json:"due"`             // the day until which that is done, "" where none was given
	Effect     string     `json:"effect,omitzero"` // what the evidence claims no longer, or less, because of it
	HeardBy    []string   `json:"heard-by"`        // two others, where the decider does not sign here
	Number     int        `json:"number"`
	Objections string     `json:"objections"` // who objects and why, as typed; "" where nobody does
	Person     string     `json:"person"`     // who is locked out
	Reason     string     `json:"reason"`
	Signatures []SignedBy `json:"signatures"` // claviger order v1, of the decider
	Text       string     `json:"text"`       // what is read aloud and done in place of the step's own words
}

// Decisions about a deviation.
const (
	DecideContinue = "continue"
	DecideRepeat   = "repeat"   // the step's next attempt
	DecideReplace  = "replace"  // the step goes on by another text
	DecideLockOut  = "lock-out" // a person signs nothing more in this ceremony
	DecideAbort    = "abort"
)

func decisions() []string {
	return []string{DecideContinue, DecideRepeat, DecideReplace, DecideLockOut, DecideAbort}
}

// What a deviation is about, and what it means for what the evidence claims: a minor
// one nothing, a major one that a claim is limited, a critical one that a key or a
// share cannot be relied on.
const (
	MinorDeviation    = "minor"
	MajorDeviation    = "major"
	CriticalDeviation = "critical"

	EquipmentDeviation = "equipment"
	PersonDeviation    = "person"
)

func classes() []string {
	return []string{"script", EquipmentDeviation, PersonDeviation, "security", "clock", "data"}
}

func severities() []string { return []string{MinorDeviation, MajorDeviation, CriticalDeviation} }

func (s *State) deviationRaised(r *record, b *DeviationRaised) error {
	p := s.Open
	if b.Number != len(p.Deviations)+1 {
		return r.refuse("deviation.number", "deviation %d is due, not %d", len(p.Deviations)+1, b.Number)
	}
	if b.Expected == "" || b.Happened == "" || !slices.Contains([]string{"yes", "no", "unknown"}, b.Exposed) {
		return r.refuse("deviation.text", "a deviation says what was expected, what happened, and whether key material was exposed")
	}
	switch {
	case !slices.Contains(classes(), b.Class):
		return r.refuse("deviation.class", "%q is none of %s", b.Class, strings.Join(classes(), ", "))
	case !slices.Contains(severities(), b.Severity):
		return r.refuse("deviation.severity", "%q is none of %s", b.Severity, strings.Join(severities(), ", "))
	case b.Severity == MinorDeviation && b.Exposed != "no":
		return r.refuse("deviation.severity", "where key material was exposed, or may have been, a deviation is not minor")
	}
	if d, waits := p.undecided(); waits {
		return r.refuse("deviation.undecided", "deviation %d waits for a decision", d.Raised.Number)
	}
	p.Deviations = append(p.Deviations, Deviation{Raised: *b, At: r.Time, Seq: r.Seq})
	return nil
}

func (s *State) deviationDecided(r *record, b *DeviationDecided) error {
	p := s.Open
	if b.Number < 1 || b.Number > len(p.Deviations) || p.Deviations[b.Number-1].Decided != nil {
		return r.refuse("deviation.number", "deviation %d does not wait for a decision", b.Number)
	}
	if err := s.mayDecide(b.By); err != nil {
		return r.refuse("deviation.decider", "%v", err)
	}
	if err := s.decisionHeard(r, b); err != nil {
		return err
	}
	d := &p.Deviations[b.Number-1]
	st, current := p.Current()
	_, part := p.role(b.Person)
	switch {
	case !slices.Contains(decisions(), b.Decision):
		return r.refuse("deviation.decision", "%q is none of %s", b.Decision, strings.Join(decisions(), ", "))
	case b.Decision == DecideReplace && (b.Text == "" || !current) || b.Decision != DecideReplace && b.Text != "":
		return r.refuse("deviation.decision", "a text goes with the decision to replace the words of a step that is under way, and only with it")
	case b.Decision == DecideLockOut && !part || b.Decision != DecideLockOut && b.Person != "":
		return r.refuse("deviation.decision", "a person of the ceremony goes with the decision to lock out, and only with it")
	case b.Decision == DecideRepeat && !current:
		return r.refuse("deviation.decision", "no step is under way that could be repeated")
	}
	if d.Raised.Severity != MinorDeviation && b.Effect == "" {
		return r.refuse("deviation.effect", "a %s deviation limits what the evidence claims, and nobody says how", d.Raised.Severity)
	}
	if _, err := time.Parse(time.DateOnly, b.Due); b.Due != "" && (err != nil || b.Corrective == "") {
		return r.refuse("deviation.corrective", "a day like 2026-03-31 goes with what is done until then, and %q does not", b.Due)
	}
	d.Decided = b
	p.jumped, p.brokenSeal, p.failedChecks = false, "", nil
	if about := p.Steps[d.Raised.Step]; about != nil && (b.Decision == DecideContinue || b.Decision == DecideReplace) {
		about.Deviated = true
	}
	switch b.Decision {
	case DecideAbort:
		p.aborting = d.Raised.Happened
	case DecideRepeat:
		if d.Raised.Step == st.ID {
			// The step is left unfinished on purpose; its next attempt is due.
			p.current = ""
		}
	case DecideReplace:
		p.Replaced[st.ID] = b.Text
	case DecideLockOut:
		p.LockedOut[b.Person] = b.Number
		p.lapse(b.Person)
	}
	return nil
}

// decisionHeard: the decider signs, or two others who are present heard it.
func (s *State) decisionHeard(r *record, b *DeviationDecided) error {
	p := s.Open
	if len(b.Signatures) > 0 {
		if _, err := s.signedBy(r, b.Signatures, func(site string) ([]byte, error) {
			return bodyMessage(signoff.Order, *b, r.Ceremony, r.Prev, site)
		}); err != nil {
			return err
		}
		if len(b.Signatures) != 1 || b.Signatures[0].Person != b.By {
			return r.refuse("deviation.heard", "%s decided, and another signed", s.Someone(b.By).Name)
		}
		return nil
	}
	if len(b.HeardBy) < 2 || b.HeardBy[0] == b.HeardBy[1] || slices.Contains(b.HeardBy, b.By) {
		return r.refuse("deviation.heard", "a decision that is not signed here is heard by two people, other than who decides")
	}
	for _, id := range b.HeardBy {
		if role, ok := p.role(id); !ok || role == script.Observer {
			return r.refuse("deviation.heard", "%s takes no part that could attest what was decided", s.Someone(id).Name)
		}
		if p.called && !p.Present[id] {
			return r.refuse("presence.absent", "%s is not present and cannot have heard the decision", s.Someone(id).Name)
		}
	}
	return nil
}

// mayDecide: the approver, who need not be in the room; and while none is, those
// whom the policy names.
func (s *State) mayDecide(person string) error {
	p := s.Open
	if s.concerns(person) {
		return fmt.Errorf("this ceremony is about %s, who decides nothing of it", s.Someone(person).Name)
	}
	var roles []string
	if role, ok := p.role(person); ok {
		roles = append(roles, role)
	}
	if h := s.People[person]; h != nil {
		if h.Retired {
			return fmt.Errorf("%s is retired", h.Body.Name)
		}
		roles = append(roles, h.Body.Roles...)
	}
	if slices.Contains(roles, script.Approver) {
		return nil
	}
	for _, id := range p.InRole(script.Approver) {
		if p.Present[id] {
			return fmt.Errorf("%s, the approver, is present and decides", s.Someone(id).Name)
		}
	}
	if !slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(s.deciding(), role) }) {
		return fmt.Errorf("%q is neither the approver nor one whom the policy lets decide (%s)", person, strings.Join(s.deciding(), ", "))
	}
	return nil
}

// deciding lists the roles that decide while no approver is present.
func (s *State) deciding() []string {
	if s.Policy == nil {
		return []string{script.Owner, script.Officer}
	}
	return s.Policy.Adopted.Policy.Deciders
}

// Deciders lists who may decide a deviation now, approvers first.
func (s *State) Deciders() []string {
	var approvers, others []string
	for _, id := range s.known() {
		if s.mayDecide(id) != nil {
			continue
		}
		h := s.People[id]
		if s.Open.Role(id) == script.Approver || h != nil && slices.Contains(h.Body.Roles, script.Approver) {
			approvers = append(approvers, id)
		} else {
			others = append(others, id)
		}
	}
	return append(approvers, others...)
}

// known lists everyone who is enrolled or takes part, observers apart.
func (s *State) known() []string {
	out := sortedKeys(s.People)
	for _, part := range s.Open.Answering() {
		out = append(out, part.Person)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// DeviationFields are the questions of the deviation sheet.
func (s *State) DeviationFields() []Field {
	by, deciders := "", s.Deciders()
	if len(deciders) > 0 {
		by = deciders[0]
	}
	var people []string
	for _, part := range s.Open.Body.People {
		people = append(people, part.Person)
	}
	return []Field{
		{Name: "expected", Label: "What was expected", Type: "text", Max: 1000},
		{Name: "happened", Label: "What happened", Type: "text", Max: 1000},
		{Name: "exposed", Label: "Was key material exposed", Type: "text", Of: []string{"yes", "no", "unknown"}, Max: 10},
		{Name: "class", Label: "What it is about", Type: "text", Of: classes(), Max: 10},
		{Name: "severity", Label: "How grave it is", Type: "text", Of: severities(), Max: 10},
		{Name: "effect", Label: "What the evidence cannot claim because of it", Type: "text", Max: 1000, When: "severity", Is: []string{MajorDeviation, CriticalDeviation}},
		{Name: "containment", Label: "What was done at once", Type: "text", Max: 1000, Optional: true},
		{Name: "video", Label: "Where it is on the video", Type: "text", Hint: "like camera 2, 00:41:07", Max: 100, Optional: true},
		{Name: "decision", Label: "Decision", Type: "text", Of: decisions(), Max: 10},
		{Name: "decided-by", Label: "Decided by", Type: "text", Value: by, Of: deciders, Max: 100},
		{Name: "signed", Label: "How it was decided", Type: "text", Value: "heard", Of: []string{"heard", "signed"}, Hint: "heard by administrator and witness, or signed here by who decides", Max: 10, Optional: true},
		{Name: "reason", Label: "Reason given", Type: "text", Max: 1000, Optional: true},
		{Name: "objections", Label: "Objections, who and why", Type: "text", Max: 1000, Optional: true},
		{Name: "corrective", Label: "What is done about the cause, and by whom", Type: "text", Max: 1000, Optional: true},
		{Name: "due", Label: "Until which day", Type: "text", Hint: "like 2026-03-31", Max: 10, Optional: true},
		{Name: "text", Label: "What is done in place of the step's own words", Type: "text", Max: 600, Optional: true, When: "decision", Is: []string{DecideReplace}},
		{Name: "person", Label: "Who is locked out", Type: "text", Of: people, Max: 100, Optional: true, When: "decision", Is: []string{DecideLockOut}},
	}
}

// deviationOf has people complete a deviation of which the program knows a part:
// how grave it is, and who decided what, is theirs to say.
func (e *env) deviationOf(ctx context.Context, p Prompt, known map[string]string) error {
	for _, f := range e.state.DeviationFields() {
		if _, is := known[f.Name]; !is {
			p.Fields = append(p.Fields, f)
		}
	}
	for {
		a, err := e.Ask(ctx, p)
		if err != nil {
			return err
		}
		said := maps.Clone(known)
		for i, f := range p.Fields {
			p.Fields[i].Value = a.Fields[f.Name]
			said[f.Name] = a.Fields[f.Name]
		}
		if p.Problem = atTheDoor(Answer{Fields: said}, e.state.DeviationFields()); p.Problem != nil {
			continue
		}
		err = e.deviation(ctx, said)
		if p.Problem = refusedSheet(Answer{Action: Deviate}, err); p.Problem == nil {
			return err
		}
	}
}

// deviation records what did not go as scripted and what was decided.
func (e *env) deviation(ctx context.Context, f map[string]string) error {
	number := len(e.state.Open.Deviations) + 1
	raised := Entry{DeviationRaisedKind, DeviationRaised{Class: f["class"], Containment: f["containment"], Expected: f["expected"], Exposed: f["exposed"], Happened: f["happened"],
		Number: number, Severity: f["severity"], Step: e.step.ID, Video: f["video"]}}
	b := DeviationDecided{By: f["decided-by"], Corrective: f["corrective"], Decision: f["decision"], Due: f["due"], Effect: f["effect"], HeardBy: []string{}, Number: number, Objections: f["objections"], Person: f["person"], Reason: f["reason"],
		Signatures: []SignedBy{}, Text: f["text"]}
	if f["signed"] != "signed" {
		b.HeardBy = e.hearers(b.By)
		_, err := e.append(ctx, nil, raised, Entry{DeviationDecidedKind, b})
		return err
	}
	// What was seen is recorded first: the decision signs the record that it answers.
	if _, err := e.append(ctx, nil, raised); err != nil {
		return err
	}
	h := e.state.People[b.By]
	if h == nil {
		return fmt.Errorf("%s is not enrolled and cannot sign", b.By)
	}
	role := e.state.Open.Role(b.By)
	if role == "" {
		role = h.Body.Roles[0]
	}
	p := Prompt{Kind: AskPassphrase, Step: e.step.ID, Who: e.state.Someone(b.By), Role: role, With: Passphrase, Title: h.Body.Called() + ", sign your decision",
		Text: "It signs what was decided about deviation " + fmt.Sprint(number) + "."}
	for {
		a, err := e.room.Ask(ctx, p)
		if err != nil {
			return err
		}
		if a.Action != GoOn {
			// Undecided, it would stay in the way of everything; two have heard it.
			a.Secret.Wipe()
			b.HeardBy = e.hearers(b.By)
			_, err := e.append(ctx, nil, Entry{DeviationDecidedKind, b})
			return err
		}
		key, err := e.keys.Open(h, a.Secret)
		a.Secret.Wipe()
		if errors.Is(err, ErrSecret) {
			p.Problem = secretProblem(h.Body.Name, Passphrase, err)
			continue
		}
		if err != nil {
			return err
		}
		msg, err := bodyMessage(signoff.Order, b, e.state.Open.Number, e.head.Last, e.state.Site.ID)
		if err == nil {
			b.Signatures = []SignedBy{{Key: h.Leaf, Person: b.By, Role: role, Signature: hex.EncodeToString(key.Sign(msg))}}
		}
		key.Wipe()
		if err != nil {
			return err
		}
		_, err = e.append(ctx, nil, Entry{DeviationDecidedKind, b})
		return err
	}
}

// hearers are two who attest what they heard or saw: administrator and witness
// before others, never the person it is about.
func (e *env) hearers(about ...string) []string {
	p := e.state.Open
	var out []string
	for _, role := range []string{script.Administrator, script.Witness, script.Officer, script.Custodian, script.ThirdPartyWitness, script.Owner, script.Approver} {
		for _, id := range p.InRole(role) {
			if len(out) < 2 && !slices.Contains(about, id) && (p.Present[id] || !p.called) {
				out = append(out, id)
			}
		}
	}
	if out == nil {
		return []string{}
	}
	return out
}

// SignOffWithheld is a sign-off that somebody did not give: who left, was locked
// out, or stayed silent. Two attest it. It stands in the way of no seal; the
// ceremony ends as not accepted by that person.
type SignOffWithheld struct {
	Act        string   `json:"act"`
	Attempt    int      `json:"attempt"`
	AttestedBy []string `json:"attested-by"`
	Person     string   `json:"person"`
	Reason     string   `json:"reason"`
	Role       string   `json:"role"`
	Step       string   `json:"step"`
}

func (s *State) signOffWithheld(r *record, b *SignOffWithheld) error {
	p := s.Open
	role, ok := p.role(b.Person)
	switch {
	case !ok || role != b.Role || role == script.Observer:
		return r.refuse("signoff.role", "%s takes no part as %s", s.Someone(b.Person).Name, b.Role)
	case b.Act != ActPhase && b.Act != ActAttest:
		return r.refuse("signoff.act", "a phase or an attestation can be withheld; without any other sign-off nothing happens")
	case b.Reason == "":
		return r.refuse("signoff.withheld", "nobody says why it was withheld")
	case len(b.AttestedBy) != 2 || b.AttestedBy[0] == b.AttestedBy[1] || slices.Contains(b.AttestedBy, b.Person):
		return r.refuse("signoff.attested", "two others attest that a sign-off was withheld")
	}
	for _, id := range b.AttestedBy {
		if role, ok := p.role(id); !ok || role == script.Observer || !p.Present[id] {
			return r.refuse("presence.absent", "%s is not present and cannot attest that a sign-off was withheld", s.Someone(id).Name)
		}
	}
	if _, err := s.Shown(b.Act, b.Step, b.Attempt, b.Person, role); err != nil {
		return r.refuse("signoff.place", "%v", err)
	}
	if p.answered(b.Act, b.Step, b.Person) {
		return r.refuse("signoff.twice", "%s has answered this already", s.Someone(b.Person).Name)
	}
	p.Withheld = append(p.Withheld, *b)
	return nil
}

// answered says whether a person has signed, disagreed or stayed silent.
func (p *Progress) answered(act, step, person string) bool {
	signed := false
	switch act {
	case ActPhase:
		_, signed = p.Phases[phaseNumber(step)][person]
	case ActAttest:
		_, signed = p.Attested[person]
	}
	return signed || slices.ContainsFunc(p.Withheld, func(w SignOffWithheld) bool {
		return w.Act == act && w.Person == person && (act == ActAttest || w.Step == step)
	})
}

// Unattested lists who has neither attested nor stayed silent.
func (p *Progress) Unattested() []string {
	var out []string
	for _, part := range p.Answering() {
		if !p.answered(ActAttest, "", part.Person) {
			out = append(out, part.Person)
		}
	}
	return out
}

// withhold records that somebody did not sign.
func (e *env) withhold(ctx context.Context, ask SignOffAsk, reason string) error {
	_, err := e.append(ctx, nil, Entry{SignOffWithheldKind, SignOffWithheld{Act: ask.Act, AttestedBy: e.hearers(ask.Person), Attempt: ask.Attempt, Person: ask.Person,
		Reason: limitText(reason), Role: ask.Role, Step: ask.Step}})
	return err
}

// silent says why somebody cannot sign now, "" where nothing stands in the way.
func (p *Progress) silent(person string) string {
	if n := p.LockedOut[person]; n > 0 {
		return fmt.Sprintf("locked out by deviation %d", n)
	}
	if p.called && !p.Present[person] {
		return "not present"
	}
	return ""
}

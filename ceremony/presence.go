package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony/script"
	"claviger/ledger"
)

// Presence: who is in the room, all the time. From the roll call on no step goes
// on without administrator and witness. Who leaves takes their own authorisations
// along; who comes back opens the enrolled key again. Another person takes a part
// over by a deviation. In a break two stay, the token is closed and the keys are
// kept; in a pause everything is wiped. Observers come and go: they have no key,
// perform no control, and may leave a statement in their own words.

// Arrived is a person who is here. Name and Organisation are an observer's, whom
// nobody enrolled.
type Arrived struct {
	Name         string `json:"name"`
	Organisation string `json:"organisation"`
	Person       string `json:"person"`
	Role         string `json:"role"`
}

// Left is a person who went. Statement is an observer's, in their own words.
type Left struct {
	Person    string `json:"person"`
	Reason    string `json:"reason"`
	Role      string `json:"role"`
	Statement string `json:"statement"`
}

// Substituted is a part that another person takes over; it restates that person.
type Substituted struct {
	Comes     KnownPerson `json:"comes"`
	Deviation int         `json:"deviation"` // that decided it
	Leaves    string      `json:"leaves"`
	Role      string      `json:"role"`
}

// Break begins a break, or ends it.
type Break struct {
	Ended  bool     `json:"ended"`
	Reason string   `json:"reason"`
	Stay   []string `json:"stay"` // two, with the equipment
}

// Observer is a guest, as stated.
type Observer struct {
	Name, Organisation string
	Present            bool
	Asked              bool // what to state before the seal
	Statement          string
}

// Answering lists those who take part and answer for it: everyone but observers.
func (p *Progress) Answering() []Part {
	var out []Part
	for _, part := range p.Body.People {
		if part.Role != script.Observer {
			out = append(out, part)
		}
	}
	return out
}

// PresentIn lists the people of a role who are in the room.
func (p *Progress) PresentIn(role string) []string {
	return slices.DeleteFunc(p.InRole(role), func(id string) bool { return !p.Present[id] })
}

// Gone says that a person was here and left.
func (p *Progress) Gone(person string) bool { return p.gone[person] }

// occupied: nothing is done unwatched (REQ-15, dual occupancy).
func (p *Progress) occupied() error {
	if !p.called {
		return nil
	}
	for _, role := range []string{script.Administrator, script.Witness} {
		if len(p.PresentIn(role)) == 0 {
			return fmt.Errorf("no %s is in the room", role)
		}
	}
	return nil
}

// lapse: the authorisations of who leaves end. A step that rested on them is left
// unfinished; its next attempt is due, and authorised anew.
func (p *Progress) lapse(people ...string) {
	st, current := p.Current()
	p.authorisations = slices.DeleteFunc(p.authorisations, func(a *Authorisation) bool {
		if !slices.Contains(people, a.Person) {
			return false
		}
		if current && (a.Step == st.ID || st.Kind == AuthoriseStep && a.Step == st.With["step"]) {
			p.current = ""
		}
		return true
	})
}

func (s *State) arrived(r *record, b *Arrived) error {
	p := s.Open
	if b.Role == script.Observer {
		return s.observerArrived(r, b)
	}
	role, ok := p.role(b.Person)
	switch {
	case !ok || role != b.Role:
		return r.refuse("presence.part", "%s takes no part as %s", b.Person, b.Role)
	case p.Present[b.Person]:
		return r.refuse("presence.part", "%s is present already", b.Person)
	case b.Name != "" || b.Organisation != "":
		return r.refuse("presence.part", "%s is enrolled; only an observer is named here", b.Person)
	}
	p.Present[b.Person] = true
	delete(p.gone, b.Person)
	return nil
}

func (s *State) observerArrived(r *record, b *Arrived) error {
	p := s.Open
	if role, ok := p.role(b.Person); ok && role != script.Observer {
		return r.refuse("role.conflict", "%s takes part as %s and cannot be an observer", b.Person, role)
	}
	if h := s.People[b.Person]; h != nil && !slices.Equal(h.Body.Roles, []string{script.Observer}) {
		return r.refuse("role.conflict", "%s is enrolled; an observer is nobody else", h.Body.Name)
	}
	if o := p.Observers[b.Person]; o != nil && o.Present {
		return r.refuse("presence.part", "%s is present already", b.Person)
	}
	if b.Name == "" || !personID.MatchString(b.Person) {
		return r.refuse("presence.part", "an observer has a name")
	}
	if p.Observers == nil {
		p.Observers = map[string]*Observer{}
	}
	p.Observers[b.Person] = &Observer{Name: b.Name, Organisation: b.Organisation, Present: true}
	return nil
}

func (s *State) left(r *record, b *Left) error {
	p := s.Open
	if b.Role == script.Observer {
		o := p.Observers[b.Person]
		if o == nil || !o.Present {
			return r.refuse("presence.part", "%s is not here as observer", b.Person)
		}
		o.Present = false
		if b.Statement != "" {
			o.Statement = b.Statement
		}
		return nil
	}
	role, ok := p.role(b.Person)
	switch {
	case !ok || role != b.Role || !p.Present[b.Person]:
		return r.refuse("presence.part", "%s is not here as %s", b.Person, b.Role)
	case p.Break != nil && slices.Contains(p.Break.Stay, b.Person):
		return r.refuse("presence.stay", "%s stays with the equipment in this break; if that cannot be, pause the ceremony", s.Someone(b.Person).Name)
	case b.Statement != "":
		return r.refuse("presence.statement", "%s signs or disagrees; only an observer leaves a statement", s.Someone(b.Person).Name)
	}
	delete(p.Present, b.Person)
	delete(p.Certified, b.Person)
	p.gone[b.Person] = true
	p.lapse(b.Person)
	// Whatever the person was asked for in this step is asked of somebody else, or
	// again.
	p.current = ""
	return nil
}

func (s *State) substituted(r *record, b *Substituted) error {
	p := s.Open
	id := b.Comes.Enrolled.Person
	i := slices.Index(p.Body.People, Part{Person: b.Leaves, Role: b.Role})
	switch {
	case i < 0 || b.Role == script.Observer:
		return r.refuse("presence.part", "%s takes no part as %s", b.Leaves, b.Role)
	case p.Present[b.Leaves]:
		return r.refuse("presence.part", "%s has not left", s.Someone(b.Leaves).Name)
	case b.Deviation < 1 || b.Deviation > len(p.Deviations) || p.Deviations[b.Deviation-1].Decided == nil || p.Deviations[b.Deviation-1].Seq < p.runFirst:
		return r.refuse("presence.substitute", "a substitution is decided as a deviation of this run")
	}
	if s.partial {
		s.People[id] = b.Comes.person()
	}
	h := s.People[id]
	if h == nil {
		return r.refuse("person.unknown", "%s is not enrolled", id)
	}
	want, err1 := ledger.Encode(h.known())
	have, err2 := ledger.Encode(b.Comes)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if string(want) != string(have) {
		return r.refuse("context.untrue", "what it restates of %s is not what the records before it say", h.Body.Name)
	}
	if s.concerns(id) {
		return r.refuse("person.aside", "%s takes over no part in a ceremony about themselves", h.Body.Name)
	}
	people := slices.Clone(p.Body.People)
	people[i].Person = id
	if err := s.checkPeople(r, p, people); err != nil {
		return err
	}
	approver := ""
	if o := s.OrderOf(p); o != nil {
		approver = o.Body.Approver
	}
	if err := s.apart(r, approver, p.Plan.Values["owner"], people); err != nil {
		return err
	}
	p.Body.People = people
	p.Former = append(p.Former, Part{Person: b.Leaves, Role: b.Role})
	delete(p.gone, b.Leaves)
	p.current = ""
	return nil
}

func (s *State) breaks(r *record, b *Break) error {
	p := s.Open
	if b.Ended {
		if p.Break == nil || !slices.Equal(b.Stay, p.Break.Stay) {
			return r.refuse("presence.break", "it ends no break")
		}
		p.Break = nil
		return nil
	}
	if err := s.mayBreak(b.Stay); err != nil {
		return r.refuse(ruleOf(err, "presence.break"), "%v", err)
	}
	if p.TokenOpen || p.Second.Open {
		return r.refuse("presence.break", "the token is still open")
	}
	var out []string
	for id := range p.Present {
		if !slices.Contains(b.Stay, id) {
			out = append(out, id)
		}
	}
	p.lapse(out...)
	p.Break = b
	return nil
}

// mayBreak says why no break can begin now, whatever the token does.
func (s *State) mayBreak(stay []string) error {
	p := s.Open
	switch {
	case p.Break != nil:
		return &Broken{"presence.break", "a break has begun already"}
	case !p.called:
		return &Broken{"presence.break", "before the roll call nobody is here who could stay"}
	case len(p.openIntents()) > 0:
		return &Broken{"intent.open", fmt.Sprintf("the outcome of %q is not known yet", p.openIntents()[0].Body.Act.Do)}
	case len(stay) < 2:
		return &Broken{"presence.stay", "two people stay with the equipment"}
	}
	return s.stays(stay)
}

// stays: those who are said to stay are present, each named once.
func (s *State) stays(people []string) error {
	for i, id := range people {
		if !s.Open.Present[id] || slices.Contains(people[:i], id) {
			return &Broken{"presence.stay", fmt.Sprintf("%s is not present, or is named twice", s.Someone(id).Name)}
		}
	}
	return nil
}

// inBreak lists what may be recorded during a break.
func inBreak(kind string) bool {
	return slices.Contains([]string{BreakKind, LeftKind, PausedKind, AbortedKind, DeviationRaisedKind, DeviationDecidedKind, ClockCheckedKind, TokenFaultKind}, kind)
}

// PauseFields and BreakFields ask who stays; PresenceFields who comes and goes.
// They are the questions of those sheets; the answer is an Answer with the
// action and these Fields.
func (s *State) PauseFields() []Field {
	return s.stayFields("Who stays with the equipment", "Who stays beside them", []string{"", ""}, "nobody where all leave")
}

func (s *State) BreakFields() []Field {
	p := s.Open
	stay := append(p.PresentIn(script.Administrator), p.PresentIn(script.Witness)...)
	return append(s.stayFields("Who stays with the equipment", "And who stays beside them", append(stay, "", ""), ""),
		Field{Name: "reason", Label: "Why", Type: "text", Value: "break", Max: 200, Optional: true})
}

// stayFields ask for two who stay, among those who are here.
func (s *State) stayFields(one, other string, values []string, hint string) []Field {
	here := sortedKeys(s.Open.Present)
	if len(here) == 0 {
		return nil
	}
	return []Field{{Name: "stay", Label: one, Type: "text", Value: values[0], Hint: hint, Of: here, Max: 63, Optional: true},
		{Name: "stay-too", Label: other, Type: "text", Value: values[1], Hint: hint, Of: here, Max: 63, Optional: true}}
}

// staying reads the answer to stayFields.
func staying(f map[string]string) []string { return list(f["stay"] + "," + f["stay-too"]) }

// Events of the presence sheet.
const (
	PersonLeft        = "left"
	PersonReturned    = "returned"
	PersonSubstituted = "substituted"
	ObserverArrived   = "observer-arrived"
	ObserverLeft      = "observer-left"
)

func (s *State) PresenceFields() []Field {
	p := s.Open
	var people []string
	for _, part := range p.Answering() {
		people = append(people, part.Person)
	}
	people = append(people, sortedKeys(p.Observers)...)
	free := slices.DeleteFunc(sortedKeys(s.People), func(id string) bool {
		_, part := p.role(id)
		return part || s.People[id].Retired || s.concerns(id)
	})
	return []Field{
		{Name: "event", Label: "What happened", Type: "text", Of: []string{PersonLeft, PersonReturned, PersonSubstituted, ObserverArrived, ObserverLeft}, Max: 20},
		{Name: "person", Label: "Who", Type: "text", Of: people, Max: 63, Optional: true, When: "event", Is: []string{PersonLeft, PersonReturned, PersonSubstituted, ObserverLeft}},
		{Name: "substitute", Label: "Who takes the part over", Type: "text", Of: free, Max: 63, Optional: true, When: "event", Is: []string{PersonSubstituted}},
		{Name: "decided-by", Label: "Who decided the substitution", Type: "text", Of: s.Deciders(), Max: 63, When: "event", Is: []string{PersonSubstituted}},
		{Name: "exposed", Label: "Was key material exposed", Type: "text", Of: []string{"yes", "no", "unknown"}, Max: 10, When: "event", Is: []string{PersonSubstituted}},
		{Name: "effect", Label: "What the evidence cannot claim because of it", Type: "text", Max: 1000, When: "exposed", Is: []string{"yes", "unknown"}},
		{Name: "name", Label: "Name of the observer", Type: "text", Max: 120, Optional: true, When: "event", Is: []string{ObserverArrived}},
		{Name: "organisation", Label: "Organisation of the observer", Type: "text", Max: 120, Optional: true, When: "event", Is: []string{ObserverArrived}},
		{Name: "statement", Label: "Statement of the observer, in their own words", Type: "text", Max: 2000, Optional: true, When: "event", Is: []string{ObserverLeft}},
		{Name: "reason", Label: "Why", Type: "text", Max: 500, Optional: true, When: "event", Is: []string{PersonLeft, PersonSubstituted, ObserverLeft}},
	}
}

// fieldsOf are the questions that go with an action.
func (s *State) fieldsOf(a Action) []Field {
	switch a {
	case Deviate:
		return s.DeviationFields()
	case Presence:
		return s.PresenceFields()
	case TakeBreak:
		return s.BreakFields()
	case Pause:
		return s.PauseFields()
	}
	return nil
}

// presence records who came and went, as two who stay in the room say.
func (e *env) presence(ctx context.Context, f map[string]string) error {
	p := e.state.Open
	id := f["person"]
	if id == "" && f["event"] != ObserverArrived {
		return &Refusal{Rule: "presence.part", Seq: e.state.Size, Why: "it was not said who"}
	}
	switch f["event"] {
	case ObserverArrived:
		if id == "" {
			id = p.newObserver()
		}
		return e.Record(ctx, []Entry{{ArrivedKind, Arrived{Name: f["name"], Organisation: f["organisation"], Person: id, Role: script.Observer}}})
	case ObserverLeft:
		return e.Record(ctx, []Entry{{LeftKind, Left{Person: id, Reason: f["reason"], Role: script.Observer, Statement: f["statement"]}}})
	case PersonReturned:
		if err := e.Record(ctx, []Entry{{ArrivedKind, Arrived{Person: id, Role: p.Role(id)}}}); err != nil {
			return err
		}
		return e.again(ctx, RollCallStep, EnrolStep)
	case PersonLeft:
		if err := e.Record(ctx, []Entry{{LeftKind, Left{Person: id, Reason: f["reason"], Role: p.Role(id)}}}); err != nil {
			return err
		}
		e.keys.forget(id)
		return errRepeat
	}
	return e.substitute(ctx, f)
}

// newObserver is the next free id of a guest, whom nobody enrolled.
func (p *Progress) newObserver() string {
	n := 1
	for p.Observers[fmt.Sprintf("observer-%d", n)] != nil {
		n++
	}
	return fmt.Sprintf("observer-%d", n)
}

func (e *env) substitute(ctx context.Context, f map[string]string) error {
	p, leaves := e.state.Open, f["person"]
	h := e.state.People[f["substitute"]]
	if h == nil {
		return &Refusal{Rule: "person.unknown", Seq: e.state.Size, Why: fmt.Sprintf("%q is not enrolled", f["substitute"])}
	}
	by, role, exposed := f["decided-by"], p.Role(leaves), f["exposed"]
	severity := MinorDeviation
	if exposed != "no" {
		severity = MajorDeviation
	}
	var entries []Entry
	if p.Present[leaves] {
		entries = append(entries, Entry{LeftKind, Left{Person: leaves, Reason: f["reason"], Role: role}})
	}
	n := len(p.Deviations) + 1
	entries = append(entries,
		Entry{DeviationRaisedKind, DeviationRaised{Class: PersonDeviation, Severity: severity, Expected: fmt.Sprintf("%s takes part as %s", e.state.Someone(leaves).Name, role), Exposed: exposed,
			Happened: fmt.Sprintf("%s does not, and %s takes the part over", e.state.Someone(leaves).Name, h.Body.Name), Number: n, Step: e.step.ID}},
		Entry{DeviationDecidedKind, DeviationDecided{By: by, Decision: DecideContinue, Effect: f["effect"], HeardBy: e.hearers(by, leaves), Number: n, Reason: f["reason"], Signatures: []SignedBy{}}},
		Entry{SubstitutedKind, Substituted{Comes: h.known(), Deviation: n, Leaves: leaves, Role: role}})
	if err := e.Record(ctx, entries); err != nil {
		return err
	}
	e.keys.forget(leaves)
	if err := e.again(ctx, RollCallStep, EnrolStep); err != nil {
		return err
	}
	return errRepeat
}

// again does what these kinds do at each resume, where their steps are done.
func (e *env) again(ctx context.Context, kinds ...string) error {
	p := e.state.Open
	for _, st := range p.Plan.Steps() {
		if k, ok := e.kinds[st.Kind].(Reopener); ok && slices.Contains(kinds, st.Kind) && p.Steps[st.ID].Done {
			if err := k.Reopen(ctx, &env{e.Engine, st}, st); err != nil {
				return err
			}
		}
	}
	return nil
}

// pauseForBreak closes the token, waits, and has everyone who has a session PIN
// type it again. The keys stay in memory: two people stay with them.
func (e *env) pauseForBreak(ctx context.Context, f map[string]string) error {
	p := e.state.Open
	stay := staying(f)
	if err := e.state.mayBreak(stay); err != nil {
		return &Refusal{Rule: ruleOf(err, "presence.break"), Seq: e.state.Size, Why: err.Error()}
	}
	st, _ := p.Current()
	open := p.TokenOpen || p.Second.Open
	if err := e.LogoutAll(ctx, "a break begins"); err != nil {
		return err
	}
	if err := e.Record(ctx, []Entry{{BreakKind, Break{Reason: f["reason"], Stay: stay}}}); err != nil {
		return err
	}
	var names []string
	for _, id := range stay {
		names = append(names, e.state.Someone(id).Name)
	}
	if _, err := e.Ask(ctx, Prompt{Kind: AskConfirm, Title: "Break", Verb: "We are all back", Facts: []Fact{{Label: "Stay with the equipment", Value: strings.Join(names, ", ")}, {Label: "Token", Value: "closed"}},
		Aloud: "We take a break. " + strings.Join(names, " and ") + " stay with the equipment.", Text: "Go on when everyone is back. Say so if somebody is not: that person has left."}); err != nil {
		return err
	}
	for _, id := range sortedKeys(p.Present) {
		if e.keys.gated[id] == nil {
			continue
		}
		if err := e.pinAgain(ctx, id); err != nil {
			return err
		}
	}
	if err := e.Record(ctx, []Entry{{BreakKind, Break{Ended: true, Stay: stay}}}); err != nil {
		return err
	}
	if open {
		if err := e.again(ctx, OpenTokenStep); err != nil {
			return err
		}
	}
	if now, _ := e.state.Open.Current(); now.ID != st.ID {
		return errRepeat
	}
	return nil
}

func (e *env) pinAgain(ctx context.Context, id string) error {
	who := e.state.Someone(id)
	p := Prompt{Kind: AskPassphrase, With: SessionPIN, Who: who, Role: e.state.Open.Role(id), Title: who.Name + ", enter your session PIN", Text: "The break is over. It shows that you are back."}
	for {
		a, err := e.Ask(ctx, p)
		if err != nil {
			return err
		}
		_, err = e.keys.signGated(id, a.Secret, nil)
		a.Secret.Wipe()
		if !errors.Is(err, ErrSecret) {
			return err
		}
		p.Problem = secretProblem(who.Name, SessionPIN, err)
	}
}

// attended waits until administrator and witness are in the room.
func (e *env) attended(ctx context.Context) error {
	for {
		why := e.state.Open.occupied()
		if why == nil {
			return nil
		}
		if _, err := e.Ask(ctx, Prompt{Kind: AskConfirm, Title: "Nothing goes on unwatched", Verb: "Look again",
			Problem: &Problem{Happened: "The next step cannot begin: " + why.Error() + ".", Safe: "Nothing is done until then; the authorisations of who left have ended.",
				Do: "Say who came back or takes the part over, or pause the ceremony."}}); err != nil {
			return err
		}
	}
}

// list reads ids with commas between.
func list(typed string) []string {
	out := []string{}
	for id := range strings.SplitSeq(typed, ",") {
		if id = strings.TrimSpace(id); id != "" {
			out = append(out, id)
		}
	}
	return out
}

package steps

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// subject is one person that a step is about, with the roles that the script
// gives.
type subject struct {
	person string
	roles  []string
}

var subjectForm = regexp.MustCompile(`^([a-z][a-z0-9-]{0,62})(?: ([a-z-]+(?:\+[a-z-]+)*))?$`)

// subjects reads "nadia-haddad custodian, sven-lund officer+custodian".
func subjects(st script.Step) ([]subject, error) {
	var out []subject
	for part := range strings.SplitSeq(st.With["people"], ",") {
		m := subjectForm.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, fmt.Errorf("with: people is %q: ids with their roles, as in %q", st.With["people"], "nadia-haddad custodian, sven-lund officer+custodian")
		}
		if slices.ContainsFunc(out, func(o subject) bool { return o.person == m[1] }) {
			return nil, fmt.Errorf("%s is named twice", m[1])
		}
		sub := subject{person: m[1]}
		if m[2] != "" {
			sub.roles = strings.Split(m[2], "+")
		}
		out = append(out, sub)
	}
	return out, nil
}

// about finds the subject of a record among those whom the script names.
func about(st script.Step, person string, roles []string) error {
	all, err := subjects(st)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(o subject) bool { return o.person == person })
	if i < 0 || roles != nil && !slices.Equal(all[i].roles, roles) {
		return broken("person.step", "the script does not name %s in these roles", person)
	}
	return nil
}

func playPeople(w *ceremony.World, st script.Step, roles bool) error {
	if !w.PeopleKnown {
		return fmt.Errorf("nobody is known yet")
	}
	all, err := subjects(st)
	if err != nil {
		return err
	}
	for _, o := range all {
		if roles && o.roles == nil {
			return fmt.Errorf("%s has no role", o.person)
		}
		for _, role := range o.roles {
			if !slices.Contains([]string{script.Administrator, script.Witness, script.Officer, script.Custodian, script.Approver, script.Owner, script.ThirdPartyWitness}, role) {
				return fmt.Errorf("%q is no role that somebody is enrolled in", role)
			}
		}
	}
	return nil
}

// admitPeople: who is enrolled is new, everyone else known, and nobody takes part
// in a ceremony about themselves.
func admitPeople(s *ceremony.State, st script.Step, fresh bool) error {
	all, err := subjects(st)
	if err != nil {
		return err
	}
	for _, o := range all {
		h := s.People[o.person]
		switch {
		case fresh && h != nil && h.Retired:
			return broken("person.known", "%s was enrolled and is retired; a returning person is enrolled under another id", h.Body.Name)
		case s.Partial():
		case fresh && h != nil:
			return broken("person.known", "%s is enrolled already", h.Body.Name)
		case !fresh && h == nil:
			return broken("person.unknown", "%s is not enrolled", o.person)
		}
		if !fresh && h != nil && h.Retired {
			return broken("person.retired", "%s is retired", h.Body.Name)
		}
		if o.roles != nil {
			if err := s.MayHave(o.person, o.roles); err != nil {
				return err
			}
		}
		if s.Open == nil {
			continue
		}
		if role := s.Open.Role(o.person); role != "" {
			return broken("person.aside", "%s takes part as %s; a ceremony about a person is held by others", o.person, role)
		}
	}
	return nil
}

// enrolPerson makes new people known.
type enrolPerson struct{ noActs }

func (enrolPerson) Name() string { return ceremony.EnrolPersonStep }
func (enrolPerson) Version() int { return 1 }
func (enrolPerson) Doc() string {
	return "New people show a document to two, accept their duties and make their keys; the two vouch for them."
}
func (enrolPerson) Play(w *ceremony.World, st script.Step) error { return playPeople(w, st, true) }
func (enrolPerson) Admit(s *ceremony.State, _ *script.Bound, st script.Step) error {
	return admitPeople(s, st, true)
}

func (enrolPerson) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.PersonEnrolled:
		return about(st, b.Person, b.Roles)
	case *ceremony.Result:
		if !isFinish(b) {
			return foreign(st, r)
		}
		all, err := subjects(st)
		if err != nil {
			return err
		}
		for _, o := range all {
			if s.People[o.person] == nil {
				return broken("person.unknown", "%s is not enrolled", o.person)
			}
		}
		return allVouched(s)
	}
	return foreign(st, r)
}

func (enrolPerson) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	all, err := subjects(st)
	if err != nil {
		return err
	}
	for _, o := range all {
		if env.State().People[o.person] != nil {
			continue
		}
		if err := enrol(ctx, env, o.person, o.roles); err != nil {
			return err
		}
	}
	if err := vouch(ctx, env, st); err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, o := range all {
		b := env.State().People[o.person]
		lines = append(lines, line(b.Body.Called(), script.RoleWords(b.Body.Roles...)+", "+b.Body.Organisation+", vouched for by "+names(env.State(), b.Vouched)), hash("Key of "+b.Body.Name, b.Body.Key))
	}
	return finish(ctx, env, st, lines...)
}

// changePerson gives people other roles or another manager.
type changePerson struct{ noActs }

func (changePerson) Name() string { return ceremony.ChangePersonStep }
func (changePerson) Version() int { return 1 }
func (changePerson) Doc() string {
	return "People take on other roles or report to another manager; each signs the duties of the new roles."
}
func (changePerson) Play(w *ceremony.World, st script.Step) error { return playPeople(w, st, true) }
func (changePerson) Admit(s *ceremony.State, _ *script.Bound, st script.Step) error {
	return admitPeople(s, st, false)
}

func (changePerson) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.PersonChanged:
		return about(st, b.Person, b.Roles)
	case *ceremony.Result:
		if !isFinish(b) {
			return foreign(st, r)
		}
		all, err := subjects(st)
		if err != nil {
			return err
		}
		for _, o := range all {
			if h := s.People[o.person]; h == nil || !slices.Equal(h.Body.Roles, o.roles) {
				return broken("step.result", "%s has not changed", o.person)
			}
		}
		return nil
	}
	return foreign(st, r)
}

func (changePerson) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	all, err := subjects(st)
	if err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, o := range all {
		if err := change(ctx, env, o); err != nil {
			return err
		}
		b := env.State().People[o.person].Body
		lines = append(lines, line(b.Called(), script.RoleWords(b.Roles...)+", reports to "+b.Manager))
	}
	return finish(ctx, env, st, lines...)
}

func change(ctx context.Context, env ceremony.Env, o subject) error {
	s := env.State()
	h := s.People[o.person]
	who, role := s.Someone(o.person), strings.Join(o.roles, ", ")
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: who, Role: role, Title: "Change " + who.Name + " to " + script.RoleWords(o.roles...),
		Text: "Until now: " + script.RoleWords(h.Body.Roles...) + ", reports to " + h.Body.Manager + ".",
		Fields: []ceremony.Field{
			{Name: "organisation", Label: "Organisation", Type: "text", Value: h.Body.Organisation, Max: 120},
			{Name: "manager", Label: "Reports to", Type: "text", Value: h.Body.Manager, Max: 120},
			{Name: "reason", Label: "Why", Type: "text", Value: "other duties", Max: 200},
		}}
	var a ceremony.Answer
	for {
		var err error
		if a, err = env.Ask(ctx, p); err != nil {
			return err
		}
		if p.Problem = filledIn(&p, a.Fields); p.Problem == nil {
			break
		}
	}
	duties, shown, err := acceptDuties(ctx, env, who, o.roles)
	if err != nil {
		return err
	}
	b := ceremony.PersonChanged{Duties: duties, Key: h.Leaf, Manager: a.Fields["manager"], Organisation: a.Fields["organisation"], Person: o.person, Reason: a.Fields["reason"], Roles: o.roles}
	key, err := openKey(ctx, env, h, role, who.Name+", open your key", "It signs the change and accepts the duties.")
	if err != nil {
		return err
	}
	defer key.Wipe()
	msg, err := ceremony.ChangeMessage(b, s.Open.Number, env.Prev(), s.Site.ID)
	if err != nil {
		return err
	}
	b.Signature = hex.EncodeToString(key.Sign(msg))
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.PersonChangedKind, Body: b}}, shown)
}

func filledIn(p *ceremony.Prompt, typed map[string]string) *ceremony.Problem {
	for i, f := range p.Fields {
		p.Fields[i].Value = typed[f.Name]
	}
	for _, f := range p.Fields {
		if ledger.CheckName(typed[f.Name]) != nil {
			return &ceremony.Problem{Happened: f.Label + " is missing or has characters that cannot be printed.", Safe: "Nothing was recorded.", Do: "Type it as the report shall say it."}
		}
	}
	return nil
}

// rekeyPerson gives a new key to who forgot the passphrase.
type rekeyPerson struct{ noActs }

func (rekeyPerson) Name() string { return ceremony.RekeyPersonStep }
func (rekeyPerson) Version() int { return 1 }
func (rekeyPerson) Doc() string {
	return "Who forgot the passphrase gets a new key: a deviation, the document seen again by two, who vouch."
}
func (rekeyPerson) Play(w *ceremony.World, st script.Step) error { return playPeople(w, st, false) }
func (rekeyPerson) Admit(s *ceremony.State, _ *script.Bound, st script.Step) error {
	return admitPeople(s, st, false)
}

func (rekeyPerson) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.PersonRekeyed:
		return about(st, b.Person, nil)
	case *ceremony.Result:
		if !isFinish(b) {
			return foreign(st, r)
		}
		all, err := subjects(st)
		if err != nil {
			return err
		}
		for _, o := range all {
			if !slices.Contains(s.Open.Enrolled, o.person) {
				return broken("step.result", "%s has no new key", o.person)
			}
		}
		return allVouched(s)
	}
	return foreign(st, r)
}

func (rekeyPerson) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	all, err := subjects(st)
	if err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, o := range all {
		if !slices.Contains(env.State().Open.Enrolled, o.person) {
			if err := rekey(ctx, env, st, o.person); err != nil {
				return err
			}
		}
		h := env.State().People[o.person]
		lines = append(lines, hash("New key of "+h.Body.Name, h.Body.Key))
	}
	if err := vouch(ctx, env, st); err != nil {
		return err
	}
	return finish(ctx, env, st, lines...)
}

func rekey(ctx context.Context, env ceremony.Env, st script.Step, person string) error {
	who := env.State().Someone(person)
	deviation := env.State().Open.DecidedIn(st.ID)
	for ; deviation == 0; deviation = env.State().Open.DecidedIn(st.ID) {
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: who.Name + " needs a new key", Verb: "Look again",
			Problem: &ceremony.Problem{Happened: "A forgotten passphrase is a deviation, and none is decided.", Safe: "The old key stands.", Do: "Note a deviation that says what happened and who decided, or stop the ceremony.", Code: "person.rekey"}}); err != nil {
			return err
		}
	}
	s := env.State()
	h := s.People[person]
	role := strings.Join(h.Body.Roles, ", ")
	seen, err := seers(s, person)
	if err != nil {
		return err
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: who, Role: role, Title: "See the document of " + who.Name + " again", Text: names(s, seen) + " see it and vouch for the new key.", Fields: documentFields()}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return err
		}
		if p.Problem = filledIn(&p, a.Fields); p.Problem == nil && !lastFour.MatchString(a.Fields["last-four"]) {
			p.Problem = &ceremony.Problem{Happened: "The last four characters of the document are four letters or digits.", Safe: "Nothing was recorded.", Do: "Type them as the document has them."}
		}
		if p.Problem != nil {
			continue
		}
		if err := env.Site().DropUnnamed(person, h.Body.Sealed, h.Body.Document); err != nil {
			return err
		}
		b := ceremony.PersonRekeyed{Deviation: deviation, Identity: a.Fields["identity"], Person: person, SeenBy: seen}
		if b.Document, err = keepDocument(env, person, a.Fields); err != nil {
			return err
		}
		key, err := makeKey(ctx, env, who, role, &b.Key, &b.Sealed)
		if err != nil {
			return err
		}
		defer key.Wipe()
		msg, err := ceremony.RekeyMessage(b, s.Open.Number, env.Prev(), s.Site.ID)
		if err != nil {
			return err
		}
		b.Signature = hex.EncodeToString(key.Sign(msg))
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.PersonRekeyedKind, Body: b}}); err != nil {
			return err
		}
		// The old key opens nothing more, and its file goes.
		return env.Site().DropUnnamed(person, b.Sealed, b.Document)
	}
}

// retirePerson ends what a person may do here, and lists what is still held.
type retirePerson struct{ noActs }

func (retirePerson) Name() string { return ceremony.RetirePersonStep }
func (retirePerson) Version() int { return 1 }
func (retirePerson) Doc() string {
	return "A person is retired; what the person still holds is listed and due."
}

func (retirePerson) Play(w *ceremony.World, st script.Step) error {
	if err := playPeople(w, st, false); err != nil {
		return err
	}
	if st.With["reason"] == "" {
		return fmt.Errorf("it does not say why (with: reason)")
	}
	return nil
}

func (retirePerson) Admit(s *ceremony.State, _ *script.Bound, st script.Step) error {
	return admitPeople(s, st, false)
}

func (retirePerson) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.PersonRetired:
		if b.Reason != st.With["reason"] {
			return broken("person.step", "the reason is not the one of the script")
		}
		return about(st, b.Person, nil)
	case *ceremony.Result:
		if !isFinish(b) {
			return foreign(st, r)
		}
		all, err := subjects(st)
		if err != nil {
			return err
		}
		for _, o := range all {
			if h := s.People[o.person]; h == nil || !h.Retired {
				return broken("step.result", "%s is not retired", o.person)
			}
		}
		return nil
	}
	return foreign(st, r)
}

func (retirePerson) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	all, err := subjects(st)
	if err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, o := range all {
		who, holds := env.State().Someone(o.person), env.State().StillHeld(o.person)
		due := "nothing"
		if len(holds) > 0 {
			due = strings.Join(holds, ", ")
		}
		lines = append(lines, line("Retired", who.Name+": "+st.With["reason"]), line("Still held, and due", due))
		if env.State().People[o.person].Retired {
			continue
		}
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Retire " + who.Name, Verb: "Retire", Irreversible: true, Facts: facts(lines[len(lines)-2:]),
			Text: "From now on this person signs nothing here. What is still held is handed over in a ceremony of its own."}); err != nil {
			return err
		}
		b := ceremony.PersonRetired{Holds: env.State().StillHeld(o.person), Person: o.person, Reason: st.With["reason"]}
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.PersonRetiredKind, Body: b}}); err != nil {
			return err
		}
	}
	for _, d := range env.State().SetsDue() {
		if len(d.Unaccounted) > 0 {
			lines = append(lines, line("Must be changed", "the secret of set "+d.Set.Body.Name+": with those who left and what was lost, nobody answers for "+strings.Join(d.Unaccounted, ", ")))
		}
	}
	return finish(ctx, env, st, lines...)
}

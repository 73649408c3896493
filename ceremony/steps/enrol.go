package steps

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// enrolFounders: the people of a new site make their keys, two others vouch for
// each, and everyone gets a ceremony key. It is the founding roll call.
type enrolFounders struct{ noActs }

func (enrolFounders) Name() string { return ceremony.EnrolStep }
func (enrolFounders) Version() int { return 1 }
func (enrolFounders) Doc() string {
	return "The founders make their keys, each under a generated passphrase; two others vouch for each."
}

func (enrolFounders) Play(w *ceremony.World, _ script.Step) error {
	if w.PeopleKnown {
		return fmt.Errorf("people are known already")
	}
	w.PeopleKnown = true
	return nil
}

func (enrolFounders) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	for _, part := range s.Open.Body.People {
		h := s.People[part.Person]
		if h == nil {
			return broken("person.unknown", "%s is not enrolled", part.Person)
		}
		if len(h.Vouched) < 2 {
			return broken("enrol.vouch", "two founders have to vouch for %s, and %d did", h.Body.Name, len(h.Vouched))
		}
	}
	return everyoneHere(s)
}

func (k enrolFounders) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	parts := env.State().Open.Body.People
	lines, err := readScript(ctx, env)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if env.State().People[part.Person] != nil {
			continue
		}
		if err := enrol(ctx, env, part, parts); err != nil {
			return err
		}
	}
	for i, part := range parts {
		for _, other := range []ceremony.Part{parts[(i+1)%len(parts)], parts[(i+2)%len(parts)]} {
			if slices.Contains(env.State().People[part.Person].Vouched, other.Person) {
				continue
			}
			_, err := env.SignOff(ctx, ceremony.SignOffAsk{Person: other.Person, Role: other.Role, Act: ceremony.ActEnrol, Step: ceremony.EnrolSubject(part.Person), Attempt: env.Attempt(),
				Title: fmt.Sprintf("Vouch for %s", env.State().Someone(part.Person).Name)})
			if err != nil {
				return err
			}
		}
	}
	if err := k.Reopen(ctx, env, st); err != nil {
		return err
	}
	for _, part := range parts {
		h := env.State().People[part.Person]
		lines = append(lines, line(h.Body.Name, strings.Join(h.Body.Roles, ", ")+", vouched for by "+names(env.State(), h.Vouched)))
	}
	return finish(ctx, env, st, lines...)
}

func (enrolFounders) Reopen(ctx context.Context, env ceremony.Env, st script.Step) error {
	return rollCall{}.Reopen(ctx, env, st)
}

// enrol makes one person's key. The passphrase is generated, shown once to its
// owner, and typed back before anything is recorded.
func enrol(ctx context.Context, env ceremony.Env, part ceremony.Part, all []ceremony.Part) error {
	s := env.State()
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: ceremony.Someone{ID: part.Person, Name: part.Person}, Role: part.Role, Title: "Enrol " + part.Person + " as " + part.Role,
		Text: "Two others see the identity document. Its number is not typed here.",
		Fields: []ceremony.Field{
			{Name: "name", Label: "Full name", Type: "text", Max: 120},
			{Name: "organisation", Label: "Organisation", Type: "text", Value: s.Site.Organisation, Max: 120},
			{Name: "manager", Label: "Reports to", Type: "text", Max: 120},
			{Name: "identity", Label: "Kind of document seen", Type: "text", Max: 60},
		}}
	var a ceremony.Answer
	for {
		var err error
		if a, err = env.Ask(ctx, p); err != nil {
			return err
		}
		if p.Problem = checkPerson(&p, a.Fields); p.Problem == nil {
			break
		}
	}
	// A key file without a record is what an interrupted enrolment leaves.
	if err := env.Site().DropSealed(part.Person); err != nil {
		return err
	}
	passphrase, err := signoff.Passphrase(assets.PassphraseWords())
	if err != nil {
		return fmt.Errorf("couldn't generate a passphrase: %w", err)
	}
	defer passphrase.Wipe()
	b := ceremony.PersonEnrolled{Identity: a.Fields["identity"], Latin: a.Fields["latin"], Manager: a.Fields["manager"], Name: a.Fields["name"],
		Organisation: a.Fields["organisation"], Person: part.Person, Roles: []string{part.Role}}
	who := ceremony.Someone{ID: part.Person, Name: b.Called()}
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.ShowPassphrase, Who: who, Role: part.Role, Reveal: passphrase,
		Title: who.Name + ", write down your passphrase", Text: "Six words. It is shown once; nobody can bring it back."}); err != nil {
		return err
	}
	public, sealed, err := signoff.Make(passphrase, workFactor(s.Site.Practice), rand.Reader)
	if err != nil {
		return fmt.Errorf("couldn't make the key of %s: %w", who.Name, err)
	}
	sum, err := env.Site().SaveSealed(part.Person, sealed)
	if err != nil {
		return err
	}
	b.Key, b.Sealed = hex.EncodeToString(public), sum
	for _, o := range all {
		if o.Person != part.Person && len(b.SeenBy) < 2 {
			b.SeenBy = append(b.SeenBy, o.Person)
		}
	}
	key, err := openKey(ctx, env, &ceremony.Person{Body: b}, part.Role, who.Name+", type your passphrase back", "This proves that you have it. It signs your enrolment.")
	if err != nil {
		return err
	}
	defer key.Wipe()
	msg, err := ceremony.EnrolmentMessage(b, s.Open.Number, env.Prev(), s.Site.ID)
	if err != nil {
		return err
	}
	b.Signature = hex.EncodeToString(key.Sign(msg))
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.PersonEnrolledKind, Body: b}})
}

// checkPerson keeps what was typed in the form and says what is wrong with it.
// The field for Latin letters is there for as long as the name needs it.
func checkPerson(p *ceremony.Prompt, typed map[string]string) *ceremony.Problem {
	const latin = "latin"
	isLatinField := func(f ceremony.Field) bool { return f.Name == latin }
	needed, asked := ledger.NeedsTranscription(typed["name"]), slices.ContainsFunc(p.Fields, isLatinField)
	if asked && !needed {
		p.Fields = slices.DeleteFunc(p.Fields, isLatinField)
		delete(typed, latin)
	}
	for i, f := range p.Fields {
		p.Fields[i].Value = typed[f.Name]
	}
	for _, f := range p.Fields {
		if v := typed[f.Name]; ledger.CheckName(v) != nil || f.Name == latin && !isLatin(v) {
			return &ceremony.Problem{Happened: f.Label + " is missing or has characters that cannot be printed.", Safe: "Nothing was recorded.", Do: "Type it as the report shall say it."}
		}
	}
	if needed && !asked {
		p.Fields = slices.Insert(p.Fields, 1, ceremony.Field{Name: latin, Label: "Name in Latin letters", Type: "text", Hint: "as the passport says it", Max: 120})
		return &ceremony.Problem{Happened: "Not everybody who checks the record can read this name.", Safe: "It stays as it was typed.", Do: "Type it in Latin letters as well."}
	}
	return nil
}

func isLatin(name string) bool {
	return strings.ContainsFunc(name, unicode.IsLetter) && !ledger.NeedsTranscription(name)
}

// workFactor of scrypt: low in practice, where nothing is at stake and a dozen
// keys are opened by a test.
func workFactor(practice bool) int {
	if practice {
		return signoff.PracticeWork
	}
	return signoff.RealWork
}

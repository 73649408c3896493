package steps

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
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
	return w.CheckedFirst()
}

func (enrolFounders) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	for _, part := range s.Open.Body.People {
		if s.People[part.Person] == nil {
			return broken("person.unknown", "%s is not enrolled", part.Person)
		}
	}
	if err := allVouched(s); err != nil {
		return err
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
		if err := enrol(ctx, env, part.Person, []string{part.Role}); err != nil {
			return err
		}
	}
	if err := vouch(ctx, env, st); err != nil {
		return err
	}
	if err := k.Reopen(ctx, env, st); err != nil {
		return err
	}
	for _, part := range parts {
		h := env.State().People[part.Person]
		lines = append(lines, line(h.Body.Name, script.RoleWords(h.Body.Roles...)+", vouched for by "+names(env.State(), h.Vouched)))
	}
	return finish(ctx, env, st, lines...)
}

func (enrolFounders) Reopen(ctx context.Context, env ceremony.Env, st script.Step) error {
	return rollCall{}.Reopen(ctx, env, st)
}

// enrol makes one person known: who it is, what the document says, the duties,
// and a key. Nothing is recorded before its owner has typed the passphrase back.
func enrol(ctx context.Context, env ceremony.Env, person string, roles []string) error {
	s := env.State()
	role := strings.Join(roles, ", ")
	who := s.Someone(person)
	seen, err := seers(s, person)
	if err != nil {
		return err
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: who, Role: role, Title: "Enrol " + who.Name + " as " + script.RoleWords(roles...),
		Text: strings.Join([]string{s.Someone(seen[0]).Name, s.Someone(seen[1]).Name}, " and ") + " see the identity document. Only its last four characters are typed; they stand in a file that can be erased.",
		Fields: append([]ceremony.Field{
			{Name: "name", Label: "Full name", Type: "text", Hint: "as the document has it", Max: 120},
			{Name: "organisation", Label: "Organisation", Type: "text", Value: s.Site.Organisation, Max: 120},
			{Name: "manager", Label: "Reports to", Type: "text", Hint: "the person who leads this one", Max: 120},
		}, documentFields()...)}
	a, err := askPerson(ctx, env, p, func(typed map[string]string) *ceremony.Problem {
		if !slices.Contains(roles, "custodian") {
			return nil
		}
		return apart(s, person, typed["manager"])
	})
	if err != nil {
		return err
	}
	b := ceremony.PersonEnrolled{Identity: a["identity"], Latin: a["latin"], Manager: a["manager"], Name: a["name"],
		Organisation: a["organisation"], Person: person, Roles: roles, SeenBy: seen}
	who.Name = b.Called()
	duties, shown, err := acceptDuties(ctx, env, who, roles)
	if err != nil {
		return err
	}
	b.Duties = duties
	// What an interrupted enrolment left is named by no record.
	if err := env.Site().DropUnnamed(person); err != nil {
		return err
	}
	if b.Document, err = keepDocument(env, person, a); err != nil {
		return err
	}
	key, err := makeKey(ctx, env, who, role, &b.Key, &b.Sealed)
	if err != nil {
		return err
	}
	defer key.Wipe()
	msg, err := ceremony.EnrolmentMessage(b, s.Open.Number, env.Prev(), s.Site.ID)
	if err != nil {
		return err
	}
	b.Signature = hex.EncodeToString(key.Sign(msg))
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.PersonEnrolledKind, Body: b}}, shown)
}

// documentFields ask what two see of an identity document.
func documentFields() []ceremony.Field {
	return []ceremony.Field{
		{Name: "identity", Label: "Kind of document seen", Type: "text", Hint: "for example passport, identity card", Max: 60},
		{Name: "last-four", Label: "Its last four characters", Type: "text", Hint: "letters and digits", Max: 4},
	}
}

var lastFour = regexp.MustCompile(`^[0-9A-Za-z]{4}$`)

// askPerson asks until everything that was typed can be recorded.
func askPerson(ctx context.Context, env ceremony.Env, p ceremony.Prompt, judge func(typed map[string]string) *ceremony.Problem) (map[string]string, error) {
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return nil, err
		}
		if p.Problem = checkPerson(&p, a.Fields); p.Problem == nil && !lastFour.MatchString(a.Fields["last-four"]) {
			p.Problem = &ceremony.Problem{Happened: "The last four characters of the document are four letters or digits.", Safe: "Nothing was recorded.", Do: "Type them as the document has them."}
		}
		if p.Problem == nil {
			p.Problem = judge(a.Fields)
		}
		if p.Problem == nil {
			return a.Fields, nil
		}
	}
}

// apart tells while the founders are enrolled what would end the ceremony when the
// cards are handed out, with the token initialised: custodians who could open it
// together report to one person. A policy of the site's own may allow that, and is
// adopted later.
func apart(s *ceremony.State, person, manager string) *ceremony.Problem {
	enough := 0
	for _, st := range s.Open.Plan.Steps() {
		if st.Kind == ceremony.PolicyStep && st.With["policy"] != shipped {
			return nil
		}
		if st.Kind != issue {
			continue
		}
		sets, err := quorums(st)
		for _, q := range sets {
			if err == nil && (enough == 0 || q.threshold < enough) {
				enough = q.threshold
			}
		}
	}
	var under []string
	for _, id := range s.Open.InRole("custodian") {
		if h := s.People[id]; h != nil && id != person && h.Body.Manager == manager {
			under = append(under, id)
		}
	}
	if enough == 0 || len(under)+1 < enough {
		return nil
	}
	return &ceremony.Problem{Happened: fmt.Sprintf("%s is led by %s, too, and %d cards suffice: one person could order them together.", names(s, under), manager, enough), Safe: "Nothing was recorded.",
		Do: "Type who else leads this person. Where nobody does, stop here and have the opening ordered with another custodian."}
}

// keepDocument writes what can be erased later and gives its SHA-256.
func keepDocument(env ceremony.Env, person string, typed map[string]string) (string, error) {
	salt := make([]byte, 32)
	rand.Read(salt)
	return env.Site().SaveIdentity(person, salt, typed["identity"], typed["last-four"])
}

// seers are the two who see a person's document, and vouch: administrator and
// witness, and where it is one of them, the next.
func seers(s *ceremony.State, person string) ([]string, error) {
	var out []string
	for _, part := range s.Open.Answering() {
		here := s.Open.Present[part.Person] || len(s.Open.Present) == 0
		if part.Person != person && here && len(out) < 2 {
			out = append(out, part.Person)
		}
	}
	if len(out) < 2 {
		return nil, fmt.Errorf("two people see the document of %s, and %d are in the room", person, len(out))
	}
	return out, nil
}

// acceptDuties shows a person the duties of the roles; the signature that follows
// accepts them.
func acceptDuties(ctx context.Context, env ceremony.Env, who ceremony.Someone, roles []string) (ledger.Hash, []byte, error) {
	duties := assets.Duties(roles)
	shown, err := ceremony.DutiesShown(duties)
	if err != nil {
		return ledger.Hash{}, nil, err
	}
	p := ceremony.Prompt{Kind: ceremony.AskConfirm, Who: who, Role: strings.Join(roles, ", "), Title: who.Name + ", read your duties", Verb: "I accept these duties",
		Text: "Your signature accepts them. Ask before you sign."}
	for i, d := range duties {
		p.Facts = append(p.Facts, ceremony.Fact{Label: fmt.Sprintf("Duty %d", i+1), Value: d})
	}
	_, err = env.Ask(ctx, p)
	return ledger.BlobHash(shown), shown, err
}

// makeKey makes a person's key under a generated passphrase, which is shown once
// to its owner and typed back. Public key and SHA-256 of the sealed file go where
// they are wanted; the caller wipes the key.
func makeKey(ctx context.Context, env ceremony.Env, who ceremony.Someone, role string, public, sealedSum *string) (*signoff.Key, error) {
	passphrase, err := signoff.Passphrase(assets.PassphraseWords())
	if err != nil {
		return nil, fmt.Errorf("couldn't generate a passphrase: %w", err)
	}
	defer passphrase.Wipe()
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.ShowPassphrase, Who: who, Role: role, Reveal: passphrase,
		Title: who.Name + ", write down your passphrase", Text: "Six words. It is shown once; nobody can bring it back."}); err != nil {
		return nil, err
	}
	pub, sealed, err := signoff.Make(passphrase, env.People().Work(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("couldn't make the key of %s: %w", who.Name, err)
	}
	sum, err := env.Site().SaveSealed(who.ID, sealed)
	if err != nil {
		return nil, err
	}
	*public, *sealedSum = hex.EncodeToString(pub), sum
	h := &ceremony.Person{Body: ceremony.PersonEnrolled{Name: who.Name, Person: who.ID, Sealed: sum}}
	return openKey(ctx, env, h, role, who.Name+", type your passphrase back", "This proves that you have it. It signs your enrolment.")
}

// vouch has those who saw the documents sign for all of them at once.
func vouch(ctx context.Context, env ceremony.Env, st script.Step) error {
	for _, by := range env.State().Vouchers() {
		so, err := env.SignOff(ctx, ceremony.SignOffAsk{Person: by, Role: env.State().Open.Role(by), Act: ceremony.ActEnrol, Step: st.ID, Attempt: env.Attempt(),
			Title: env.State().Someone(by).Name + ", vouch for those whose documents you saw"})
		if err != nil {
			return err
		}
		if so.Verdict != ceremony.Agree {
			return &ceremony.Stop{Err: ceremony.ErrPaused, Reason: fmt.Sprintf("%s does not vouch: %s", env.State().Someone(by).Name, so.Reason)}
		}
	}
	return nil
}

func allVouched(s *ceremony.State) error {
	for _, id := range s.Open.Enrolled {
		if h := s.People[id]; len(h.Vouched) < 2 {
			return broken("enrol.vouch", "two have to vouch for %s, and %d did", h.Body.Name, len(h.Vouched))
		}
	}
	return nil
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
		return &ceremony.Problem{Happened: "This name is needed in Latin letters, too: not everybody who checks the record can read it.", Safe: "It stays as it was typed.", Do: "Type it in Latin letters in the field below, as the passport has it."}
	}
	return nil
}

func isLatin(name string) bool {
	return strings.ContainsFunc(name, unicode.IsLetter) && !ledger.NeedsTranscription(name)
}

package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// copyRegister restates every place in which a key, or what brings it back, is
// or was, and has people complete it: a copy that no record saw made counts as
// much as any other.
type copyRegister struct{ noActs }

// What happens to a copy in the ceremony under way.
const (
	deletedHere   = "deleted from this token here"
	destroyedHere = "destroyed here"
	keptCopy      = "kept"
	notFoundCopy  = "not found"
)

// otherForms are the copies that only people can tell of.
func otherForms() []string {
	return []string{"HSM member or partition", "vendor backup or host blob", "wrapped backup", "cloud import", "paper"}
}

const (
	noneTold = "none"
	thereIs  = "there is one"
	oneMore  = "yes"
)

func (copyRegister) Name() string { return registerKind }
func (copyRegister) Version() int { return 1 }
func (copyRegister) Doc() string {
	return "Every copy of a key is restated from the record and completed by people, and each is given its fate."
}

func (copyRegister) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown || st.With["key"] == "" {
		return fmt.Errorf("nobody is known yet, or it does not say which key (with: key)")
	}
	w.CopiesRegistered = st.ID
	return nil
}

func (copyRegister) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	k := s.KeyNamed(st.With["key"])
	if k == nil {
		return broken("key.unknown", "no key %q is known here", st.With["key"])
	}
	switch b := body.(type) {
	case *ceremony.ArtifactStored:
		switch {
		case !b.Stated || b.Key != k.Body.ID:
			return broken("copy.stated", "what people tell of here is a copy of %s, and is called as stated", k.Body.Label)
		case b.Name == "" || b.Form == "":
			return broken("copy.stated", "a copy has a name and a form")
		}
		return nil
	case *ceremony.Result:
		if !isFinish(b) {
			return foreign(st, r)
		}
		for _, c := range k.OpenCopies() {
			if fate := value(b.Facts, c.Name); !slices.Contains(fates(s, c), fate) {
				return broken("destroy.copies", "%s is in the register, and %q is no fate for it", c.Name, fate)
			}
		}
		return nil
	}
	return foreign(st, r)
}

// fates says what may happen to a copy in this ceremony.
func fates(s *ceremony.State, c ceremony.Copy) []string {
	p := s.Open
	switch {
	case c.Form == ceremony.ModuleForm && c.Where == p.Token:
		return []string{deletedHere}
	case c.Form == ceremony.ModuleForm || stepOfKind(p, destroyMediaKind).ID == "":
		return []string{keptCopy}
	}
	return []string{destroyedHere, keptCopy, notFoundCopy}
}

func stepOfKind(p *ceremony.Progress, kind string) script.Step {
	for _, st := range p.Plan.Steps() {
		if st.Kind == kind {
			return st
		}
	}
	return script.Step{}
}

// fateOf is what the register says of a copy.
func fateOf(p *ceremony.Progress, name string) string {
	return value(p.Steps[stepOfKind(p, registerKind).ID].Facts, name)
}

func (copyRegister) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	key := func() *ceremony.Key { return env.State().KeyNamed(st.With["key"]) }
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Tell of every other copy", Facts: facts(copyLines(env.State(), key())),
		Text: "These copies are in the record. Say of each form whether there is another copy anywhere: another site, another department, a supplier."}
	for _, form := range otherForms() {
		p.Fields = append(p.Fields, ceremony.Field{Name: form, Label: "Another " + form, Type: "text", Of: []string{noneTold, thereIs}, Max: 20})
	}
	told, err := askAll(ctx, env, p)
	if err != nil {
		return err
	}
	lines := []ceremony.Line{}
	for _, form := range otherForms() {
		n := 0
		for more := told[form] == thereIs; more; n++ {
			if more, err = tellCopy(ctx, env, key(), form); err != nil {
				return err
			}
		}
		lines = append(lines, line("Another "+form+", as stated", map[bool]string{true: noneTold, false: fmt.Sprint(n)}[n == 0]))
	}
	given, err := askFates(ctx, env, key())
	if err != nil {
		return err
	}
	for _, c := range key().OpenCopies() {
		lines = append(lines, line(c.Name, given[c.Name]))
	}
	return finish(ctx, env, st, lines...)
}

// tellCopy records a copy that people tell of, and says whether there is one more.
func tellCopy(ctx context.Context, env ceremony.Env, k *ceremony.Key, form string) (more bool, err error) {
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Name the " + form, Text: "It is written down as stated. It stays in the register until it is shown to be destroyed.", Fields: []ceremony.Field{
		{Name: "name", Label: "What it is called", Type: "text", Hint: "serial or bag number, or a name nobody confuses", Max: 120},
		{Name: "where", Label: "Where it is, and who holds it", Type: "text", Max: 200},
		{Name: "more", Label: "Is there one more", Type: "text", Of: []string{"no", oneMore}, Max: 10},
	}}
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(k.Copies, func(c ceremony.Copy) bool { return c.Name == a["name"] }) {
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("A copy in the register is called %q already.", a["name"]), Safe: "Nothing was recorded.", Do: "Give this one another name."}
			continue
		}
		return a["more"] == oneMore, env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ArtifactStoredKind,
			Body: ceremony.ArtifactStored{Form: form, Key: k.Body.ID, Name: a["name"], Stated: true, Where: a["where"]}}})
	}
}

// askFates asks, of each copy that is not in a token, whether it goes today.
func askFates(ctx context.Context, env ceremony.Env, k *ceremony.Key) (map[string]string, error) {
	given := map[string]string{}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Say what happens to each copy", Facts: facts(copyLines(env.State(), k)),
		Text: "A copy that is kept or not found leaves the key deleted, not destroyed, and the certificate says so."}
	for _, c := range k.OpenCopies() {
		of := fates(env.State(), c)
		if len(of) == 1 {
			given[c.Name] = of[0]
			continue
		}
		p.Fields = append(p.Fields, ceremony.Field{Name: c.Name, Label: c.Name, Type: "text", Of: of, Max: 20})
	}
	if p.Fields == nil {
		_, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Read the copies aloud", Facts: facts(copyLines(env.State(), k)),
			Text: "Everyone listens for a copy that is missing from this list."})
		return given, err
	}
	a, err := askAll(ctx, env, p)
	for _, f := range p.Fields {
		given[f.Name] = a[f.Name]
	}
	return given, err
}

// copyLines tells the register as people compare it.
func copyLines(s *ceremony.State, k *ceremony.Key) []ceremony.Line {
	var lines []ceremony.Line
	for _, c := range k.Copies {
		said := []string{c.Form, c.State}
		if it := s.Items[c.Name]; it != nil {
			said = append(said, it.State+" "+it.Bag, "held by "+s.Someone(it.Holder).Name, it.Place)
		} else if c.Where != "" && c.Form != ceremony.ModuleForm {
			said = append(said, c.Where)
		}
		if c.Stated {
			said = append(said, "as stated")
		}
		said = slices.DeleteFunc(said, func(s string) bool { return s == "" })
		lines = append(lines, line(c.Name, strings.Join(said, " · ")))
	}
	return lines
}

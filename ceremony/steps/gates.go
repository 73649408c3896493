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

// gates: what has to be true before a key may be destroyed is answered, each
// with its evidence. Whoever answers nothing cannot go on.
type gates struct{ noActs }

const (
	gatesKind    = "gates"
	approveKind  = "approve"
	registerKind = "copy-register"
)

// Gate is one of the five conditions of a destruction.
type Gate struct{ Letter, Text, Evidence string }

// Gates lists them, with what their evidence may be.
func Gates() []Gate {
	return []Gate{
		{"a", "No data is left under the key", "re-encryption certificate or job"},
		{"b", "No signature needs it any more, or its public key is kept", "where the public key is kept"},
		{"c", "Every copy is found: primary, recovery site, backup, development, documents", "where they were looked for"},
		{"d", "Owner and security authorise the destruction", "request or order"},
		{"e", "Date, method, performer and witness are documented", "what documents them"},
	}
}

func (g Gate) label() string    { return "(" + g.Letter + ") " + g.Text }
func (g Gate) evidence() string { return "(" + g.Letter + ") evidence" }

const legalHold = "Legal hold, checked"

func (gates) Name() string { return gatesKind }
func (gates) Version() int { return 1 }
func (gates) Doc() string {
	return "The five conditions of a destruction are answered, each with a reference to its evidence."
}

func (gates) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.PeopleKnown:
		return fmt.Errorf("nobody is known yet")
	case st.With["key"] == "":
		return fmt.Errorf("it does not say which key is to be destroyed (with: key)")
	}
	w.GatesAnswered = st.ID
	return nil
}

func (gates) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	if err := mayDestroy(s, st); err != nil {
		return err
	}
	for _, g := range Gates() {
		if value(b.Facts, g.label()) == "" || value(b.Facts, g.evidence()) == "" {
			return broken("destroy.gates", "gate (%s) is not answered, or names no evidence", g.Letter)
		}
	}
	if value(b.Facts, legalHold) == "" {
		return broken("destroy.gates", "nothing is said about a legal hold")
	}
	return nil
}

// mayDestroy: who has to be in the room when a key goes, and who may not be the
// one from outside (PCI PIN 24-2, WebTrust for CAs 4.6).
func mayDestroy(s *ceremony.State, st script.Step) error {
	k := s.KeyNamed(st.With["key"])
	if k == nil {
		return broken("key.unknown", "no key %q is known here", st.With["key"])
	}
	p := s.Open
	if !slices.Contains(p.InRole(script.Owner), k.Body.Owner) {
		return broken("destroy.owner", "%s, who owns %s, takes no part as owner", s.Someone(k.Body.Owner).Name, k.Body.Label)
	}
	if len(p.InRole(script.Approver)) == 0 {
		return broken("destroy.approver", "no approver takes part")
	}
	outside := p.InRole(script.ThirdPartyWitness)
	if len(outside) == 0 {
		return broken("destroy.third-party", "no third-party witness takes part")
	}
	for _, person := range outside {
		if held := partHeld(s, k, person); held != "" {
			return broken("destroy.third-party", "%s cannot be the third-party witness: %s is or was in that person's hands", s.Someone(person).Name, held)
		}
	}
	return nil
}

// partHeld names a part, share or item of the key that a person holds or held,
// "" if there is none.
func partHeld(s *ceremony.State, k *ceremony.Key, person string) string {
	sets := map[string]bool{}
	for _, id := range sortedSets(s) {
		if slices.Contains(s.Sets[id].Body.Serials, k.Body.Serial) {
			sets[id] = true
		}
	}
	names := map[string]bool{}
	for _, c := range k.Copies {
		sets[c.Set], names[c.Name] = true, true
	}
	delete(sets, "")
	for _, id := range sortedSets(s) {
		for _, c := range s.Sets[id].Body.Cards {
			if sets[id] && c.Holder == person {
				return s.Sets[id].Body.CardName(c.Index)
			}
		}
	}
	for _, it := range s.Items {
		if (sets[it.Set] || names[it.Name]) && slices.Contains(it.Holders, person) {
			return it.Name
		}
	}
	return ""
}

func sortedSets(s *ceremony.State) []string {
	var out []string
	for id := range s.Sets {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func (gates) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	if err := mayDestroy(env.State(), st); err != nil {
		return &ceremony.Problem{Happened: err.Error() + ".", Safe: "Nothing was changed.", Do: "End this ceremony and begin it with the people it needs."}
	}
	var fields []ceremony.Field
	for _, g := range Gates() {
		fields = append(fields, ceremony.Field{Name: g.Letter, Label: g.label(), Type: "text", Max: 400},
			ceremony.Field{Name: g.Letter + "-evidence", Label: g.evidence(), Type: "text", Hint: g.Evidence, Max: 200})
	}
	fields = append(fields, ceremony.Field{Name: "hold", Label: legalHold, Type: "text", Hint: "none, by whom and when", Max: 200})
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: st.Title, Facts: facts(keyLines(env.State(), env.State().KeyNamed(st.With["key"]))), Fields: fields,
		Text: "The owner answers, the administrator types. Nothing is deleted in this step."}
	a, err := askAll(ctx, env, p)
	if err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, f := range fields {
		lines = append(lines, line(f.Label, a[f.Name]))
	}
	return finish(ctx, env, st, lines...)
}

// askAll asks a form until every field that may not be empty has an answer, one
// of those that are offered where some are.
func askAll(ctx context.Context, env ceremony.Env, p ceremony.Prompt) (map[string]string, error) {
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return nil, err
		}
		p.Problem = nil
		for i, f := range p.Fields {
			v := strings.TrimSpace(a.Fields[f.Name])
			p.Fields[i].Value, a.Fields[f.Name] = v, v
			if p.Problem == nil && (v == "" && !f.Optional || v != "" && f.Of != nil && !slices.Contains(f.Of, v)) {
				p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("%q has no answer that can be recorded.", f.Label), Safe: "Nothing was recorded.", Do: "Answer it, then go on."}
			}
		}
		if p.Problem == nil {
			return a.Fields, nil
		}
	}
}

// keyLines names a key as people compare it.
func keyLines(s *ceremony.State, k *ceremony.Key) []ceremony.Line {
	lines := []ceremony.Line{line("Key", k.Body.Label+" · "+ceremony.AlgorithmName(k.Body.Algorithm)), line("Owner", s.Someone(k.Body.Owner).Name),
		line("Generated", ceremony.Date(k.Time)+", ceremony "+k.Ceremony), line("State", string(k.State)), mono("Key identifier", k.Body.ID)}
	if k.Body.Fingerprint != "" {
		return append(lines, hash("Fingerprint", k.Body.Fingerprint))
	}
	return append(lines, mono("Check value", k.Body.KCV))
}

// approve: those whom the step names sign, with their enrolled keys, over the
// results of earlier steps.
type approve struct{ noActs }

func (approve) Name() string { return approveKind }
func (approve) Version() int { return 1 }
func (approve) Doc() string {
	return "The people named by \"by\" sign over the results of the steps named by \"with: steps\"."
}

func (approve) Play(w *ceremony.World, st script.Step) error {
	over := strings.Fields(st.With["steps"])
	if len(over) == 0 || len(st.By) == 0 {
		return fmt.Errorf("it does not say over which steps (with: steps), or by whom (by)")
	}
	owner := slices.ContainsFunc(st.By, func(n script.RoleNeed) bool { return n.Role == script.Owner })
	approver := slices.ContainsFunc(st.By, func(n script.RoleNeed) bool { return n.Role == script.Approver })
	w.DestructionApproved = owner && approver && w.GatesAnswered != "" && slices.Contains(over, w.GatesAnswered) &&
		w.CopiesRegistered != "" && slices.Contains(over, w.CopiesRegistered)
	return nil
}

// Signs gives every fact of the steps that are signed over, and their leaves.
func (approve) Signs(s *ceremony.State, st script.Step) ([]ceremony.Line, error) {
	var out []ceremony.Line
	for _, id := range strings.Fields(st.With["steps"]) {
		over, ok := s.Open.Plan.Step(id)
		ss := s.Open.Steps[id]
		if !ok || !ss.Done {
			return nil, fmt.Errorf("step %q, which is signed here, has no result", id)
		}
		out = append(append(out, ss.Facts...), hash("Result of step "+fmt.Sprint(over.Number), ss.Result.String()))
	}
	return out, nil
}

func (approve) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	return signedByAll(s, st)
}

// approvers are all who agreed to a step that is signed by itself.
func approvers(s *ceremony.State, st script.Step) []string {
	var out []string
	for _, sg := range s.Open.StepSigned[st.ID] {
		if sg.SignOff.Verdict == ceremony.Agree && sg.SignOff.Attempt == s.Open.Steps[st.ID].Attempt {
			out = append(out, sg.SignOff.Person)
		}
	}
	return out
}

func (approve) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	env.Shown(env.State().Lines(ceremony.ActStep, st.ID, "")...)
	if err := signStep(ctx, env, st, "read and sign: "+st.Title); err != nil {
		return err
	}
	return finish(ctx, env, st, line("Signed by", names(env.State(), approvers(env.State(), st))))
}

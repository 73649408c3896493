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

// destroyMedia ends each copy that is not in a token, one by one, by a method of
// NIST SP 800-88, with a verdict that people give: PASS is never presumed.
type destroyMedia struct{}

const (
	destroyMediaKind = "destroy-media"
	destroyCopy      = "destroy-copy"
)

func (destroyMedia) Name() string { return destroyMediaKind }
func (destroyMedia) Version() int { return 1 }
func (destroyMedia) Doc() string {
	return "Each backup and its medium is destroyed, one by one, with method, category and verdict."
}

func (destroyMedia) Play(w *ceremony.World, st script.Step) error {
	if !w.KeyDeleted || !w.Authorised[st.ID] || st.With["key"] == "" {
		return fmt.Errorf("the key is deleted, and this step authorised, before; and it says which key (with: key)")
	}
	return nil
}

// Acts are the copies to which the register gave this fate and that nobody has
// dealt with yet in this ceremony.
func (destroyMedia) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	k := s.KeyNamed(st.With["key"])
	if k == nil {
		return nil, fmt.Errorf("no key %q is known here", st.With["key"])
	}
	var acts []ceremony.Act
	for _, c := range k.OpenCopies() {
		dealt := slices.ContainsFunc(s.Open.Intents, func(in *ceremony.IntentState) bool {
			return in.Body.Step == st.ID && in.Body.Act.With["copy"] == c.Name && in.Outcome == ceremony.Done
		})
		if !dealt && fateOf(s.Open, c.Name) == destroyedHere {
			acts = append(acts, ceremony.Act{Do: destroyCopy, With: map[string]string{"copy": c.Name, "form": c.Form, "label": k.Body.Label, typed: DestroyPhrase(k.Body.Label)}})
		}
	}
	return acts, nil
}

func (m destroyMedia) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		return mayDestroy(s, st)
	case *ceremony.ItemOpened:
		return m.ofCopy(s, st, b.Item)
	case *ceremony.ItemSealed:
		return m.ofCopy(s, st, b.Item)
	case *ceremony.ItemDestroyed:
		if err := m.ofCopy(s, st, b.Item); err != nil {
			return err
		}
		if in := intentOf(s, b.Intent); in == nil || in.Body.Act.With["copy"] != b.Item {
			return broken("destroy.intent", "%s is destroyed without a durable intent that names it", b.Item)
		}
		return nil
	case *ceremony.Result:
		if !isFinish(b) {
			return nil
		}
		if acts, err := m.Acts(s, st); err != nil || len(acts) > 0 {
			return broken("step.result", "%q is not dealt with", acts[0].With["copy"])
		}
		return nil
	}
	return foreign(st, r)
}

// ofCopy: what is handled here is a copy of the key.
func (destroyMedia) ofCopy(s *ceremony.State, st script.Step, name string) error {
	k := s.KeyNamed(st.With["key"])
	if k == nil || !slices.ContainsFunc(k.Copies, func(c ceremony.Copy) bool { return c.Name == name }) {
		return broken("destroy.copy", "%s is no copy of the key that is destroyed here", name)
	}
	return nil
}

func (m destroyMedia) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := m.Acts(env.State(), st)
	if err != nil {
		return err
	}
	var lines []ceremony.Line
	for _, act := range acts {
		name := act.With["copy"]
		if err := openBag(ctx, env, name); err != nil {
			return err
		}
		verdict := ""
		if err := env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
			found, v, err := destroyOne(ctx, env, act, intent, "Destroy "+name)
			verdict = v
			return found, err
		}); err != nil {
			return err
		}
		if err := bagAgain(ctx, env, name); err != nil {
			return err
		}
		lines = append(lines, line(name, verdict))
	}
	if lines == nil {
		lines = append(lines, line("Copies to destroy here", "none"))
	}
	return finish(ctx, env, st, lines...)
}

// openBag compares the bag with the record before anything is taken out of it.
func openBag(ctx context.Context, env ceremony.Env, name string) error {
	it := env.State().Items[name]
	if it == nil || it.State != ceremony.InCustody {
		return nil
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: env.State().Someone(it.Holder), Title: "Open the bag of " + name,
		Text: "Read the number on the bag aloud and look at its seal before it is cut.", Facts: []ceremony.Fact{{Label: bagInRecord, Value: it.Bag, Style: "mono"}},
		Fields: []ceremony.Field{{Name: "bag", Label: "Number on the bag", Type: "bag", Max: 32}, {Name: "seal", Label: "Its seal", Type: "text", Of: []string{"intact", "broken"}, Max: 10}}}
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return err
		}
		if a["bag"] == it.Bag {
			return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemOpenedKind, Body: ceremony.ItemOpened{Bag: it.Bag, Item: name, Person: it.Holder,
				Purpose: "destruction", Seal: a["seal"], Witness: outsider(env.State())}}})
		}
		p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("The record has bag %s, and bag %s was read.", it.Bag, a["bag"]), Safe: "Nothing was opened.", Do: "Read it again; if it is another bag, note a deviation."}
	}
}

// bagInRecord names the fact that shows which bag the record has.
const bagInRecord = "Bag in the record"

// outsider watches the end of what brings a key back: the third-party witness where
// the key itself ends, who is in no other ceremony; else the witness.
func outsider(s *ceremony.State) string {
	if out := s.Open.InRole(script.ThirdPartyWitness); len(out) > 0 {
		return out[0]
	}
	return witness(s)
}

// destroyOne asks what was done to a copy, and for the verdict.
func destroyOne(ctx context.Context, env ceremony.Env, act ceremony.Act, intent ledger.Hash, title string) (ceremony.Found, string, error) {
	s, name := env.State(), act.With["copy"]
	doer := s.Open.InRole(script.Officer)[0]
	if it := s.Items[name]; it != nil {
		doer = it.Holder
	}
	a, err := askAll(ctx, env, ceremony.Prompt{Kind: ceremony.AskForm, Title: title, Who: s.Someone(doer), Irreversible: true,
		Text: "Destroy it now, then say how, and what the witness saw. What nobody could verify is UNKNOWN. Overwriting a flash medium cannot be verified: prefer physical destruction.",
		Fields: []ceremony.Field{
			{Name: "method", Label: "Method", Type: "text", Hint: "shredded to 2 mm, pulverised, erased under its own key", Max: 200},
			{Name: "category", Label: "Category (NIST SP 800-88)", Type: "text", Of: []string{"destroy", "purge", "clear"}, Max: 10},
			{Name: "tool", Label: "Tool and its version", Type: "text", Max: 200},
			{Name: "verification", Label: "How it was verified, and by whom", Type: "text", Max: 200},
			{Name: "evidence", Label: "Evidence", Type: "text", Hint: "SHA-256 of a photo, number of a contractor's certificate", Max: 200, Optional: true},
			{Name: "result", Label: "Verdict", Type: "text", Of: []string{ceremony.Pass, ceremony.Fail, ceremony.UnknownIfAny}, Max: 10},
		}})
	if err != nil {
		return ceremony.Found{}, "", err
	}
	b := ceremony.ItemDestroyed{Intent: intent, Category: a["category"], Evidence: a["evidence"], Item: name, Method: a["method"], Person: doer, Result: a["result"], Tool: a["tool"], Verification: a["verification"], Witness: outsider(s)}
	verdict := strings.Join([]string{b.Result, b.Category, b.Method}, " · ")
	return ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.ItemDestroyedKind, Body: b}},
		Facts: []ceremony.Line{line("Verdict", b.Result), line("Category", b.Category), line("Method, as stated", b.Method), line("Tool, as stated", b.Tool), line("Verified, as stated", b.Verification), line("Evidence, as stated", b.Evidence)}}, verdict, nil
}

// bagAgain: what was taken out and is not verified to be gone is kept in a new bag.
func bagAgain(ctx context.Context, env ceremony.Env, name string) error {
	it := env.State().Items[name]
	if it == nil || it.State != ceremony.OutOfBag {
		return nil
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: env.State().Someone(it.Holder), Title: "Bag what is left of " + name,
		Text: "It is not shown to be destroyed, so it goes into a new bag and stays a copy of the key.", Fields: []ceremony.Field{{Name: "bag", Label: "Number of the new bag", Type: "bag", Max: 32}}}
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return err
		}
		if !bagUsed(env.State(), a["bag"]) {
			return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemSealedKind, Body: ceremony.ItemSealed{Bag: a["bag"], Holds: it.Holds, Index: it.Index, Item: it.Name, Kind: it.Kind,
				Person: it.Holder, Place: it.Place, Set: it.Set, Witness: outsider(env.State())}}})
		}
		p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("Bag %s was used before.", a["bag"]), Safe: "Nothing was recorded.", Do: "Take a new one."}
	}
}

func bagUsed(s *ceremony.State, bag string) bool {
	for _, it := range s.Items {
		if it.Bag == bag {
			return true
		}
	}
	return false
}

// Reconcile: no machine can tell whether a medium was destroyed; those who were
// in the room say what they find.
func (destroyMedia) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	found, _, err := destroyOne(ctx, env, in.Intent.Act, in.Leaf, "What is left of "+in.Intent.Act.With["copy"])
	return found, err
}

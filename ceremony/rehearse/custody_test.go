package rehearse

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
)

// handled plays a custody ceremony in which people choose these acts, in order:
// what is done, and with what.
func handled(t *testing.T, acts ...[2]string) (*Site, *troupe) {
	t.Helper()
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title != "Choose what is handled next" {
			return
		}
		a.Fields = map[string]string{"do": "nothing more"}
		if len(acts) > 0 {
			field := "item"
			if acts[0][0] == "destroy it" {
				field = "end"
			}
			a.Fields = map[string]string{"do": acts[0][0], field: acts[0][1]}
			acts = acts[1:]
		}
	}
	if err := s.Begin(t.Context(), source(t, "custody"), nil); err != nil {
		t.Fatal(err)
	}
	if len(acts) > 0 {
		t.Errorf("%v was never asked for", acts)
	}
	return s, tr
}

// cardHeldBy names a card of the set that opens the token.
func cardHeldBy(t *testing.T, s *Site, person string) string {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.State().Items)) {
		it := s.State().Items[name]
		if set := s.State().Sets[it.Set]; set != nil && set.Body.Purpose == "activation" && it.Holder == person {
			return name
		}
	}
	t.Fatalf("%s holds no card", person)
	return ""
}

const safeKey = "Practice answer" // as the practice people call it

func TestCustody(t *testing.T) {
	s, tr := handled(t,
		[2]string{"take a new thing into custody", ""},
		[2]string{"look at its bag", safeKey},
		[2]string{"hand it to another holder", safeKey},
		[2]string{"open its bag", safeKey},
		// Not in its bag: it cannot be looked at there, and people choose again.
		[2]string{"look at its bag", safeKey},
		[2]string{"put it into a new bag", safeKey},
		[2]string{"open its bag", safeKey},
		[2]string{"destroy it", safeKey})
	it := s.State().Items[safeKey]
	if it == nil || it.State != ceremony.Gone || it.Holder == it.Holders[0] || len(it.Holders) != 2 {
		t.Errorf("the safe key is told as %+v", it)
	}
	if !slices.ContainsFunc(tr.asked, func(p ceremony.Prompt) bool { return p.Problem != nil && p.Problem.Code == "custody.bag" }) {
		t.Error("nobody was told that it is out of its bag")
	}
	if out := s.State().Unbagged(); len(out) > 0 {
		t.Errorf("%v is out of its bag after the seal", out)
	}
	p := s.Last("custody")
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"a thing that was destroyed is looked at": {rule: "custody.gone", at: func(r ledger.Record, b any) bool {
			res, ok := b.(*ceremony.Result)
			return ok && r.Ceremony == p.Number && res.Step == "items"
		}, forge: func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			r := upTo[len(upTo)-1]
			return ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.ItemCheckedKind, V: 1, Time: r.Time,
				Body: ceremony.ItemChecked{Bag: it.Bag, Item: safeKey, Method: "bag", Person: it.Holder, Result: ceremony.Pass, Witness: "amara-okafor"}}
		}},
	})
	for _, thing := range []string{"HSM", "laptop"} {
		bag := ""
		for _, l := range p.Steps["bags"].Facts {
			if l.Label == "Bag for "+thing+", after the report" {
				bag = l.Value
			}
		}
		if !strings.HasPrefix(bag, "PR-") {
			t.Errorf("the bag for the %s is %q", thing, bag)
		}
	}
	holds(t, s, 0)
}

// TestWrongBagNeedsADecision: a bag that is not as the record has it is a failed
// check, on record, and nothing goes on before a deviation decides.
func TestWrongBagNeedsADecision(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	card := cardHeldBy(t, s, "li-chen")
	decided := 0
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case p.Title == "Look at the bag of "+card && len(p.Fields) == 2:
			a.Fields = map[string]string{"bag": "A-OTHER", "seal": "intact"}
		case p.Title == "The check failed":
			if decided++; decided == 2 {
				*a = ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{"expected": "its bag", "happened": "another bag", "exposed": "unknown", "class": "script", "severity": "major", "effect": "nothing is claimed of it", "decision": "continue", "decided-by": "tomas-novak", "reason": "practice"}}
			}
		}
	}
	if err := s.Begin(t.Context(), source(t, "custody"), nil); err != nil {
		t.Fatal(err)
	}
	p := s.Last("custody")
	if decided < 2 || len(p.Deviations) != 1 {
		t.Errorf("asked %d times, %d deviations", decided, len(p.Deviations))
	}
	if !slices.ContainsFunc(p.Steps["items"].Facts, func(l ceremony.Line) bool { return l.Label == card && strings.HasSuffix(l.Value, "FAIL") }) {
		t.Errorf("the failed check is not among the facts: %v", p.Steps["items"].Facts)
	}
	holds(t, s, 0)

	here := func(kind string) func(ledger.Record, any) bool {
		return func(r ledger.Record, _ any) bool { return r.Ceremony == p.Number && r.Kind == kind }
	}
	ofCard := func(r ledger.Record, b any) bool {
		checked, ok := b.(*ceremony.ItemChecked)
		return ok && r.Ceremony == p.Number && checked.Item == card
	}
	eachRefused(t, s, everything(t, s), map[string]forgery{
		// Whatever the step says of it in words.
		"the step ends before anybody decides": {rule: "custody.failed", at: here(ceremony.DeviationRaisedKind), forge: func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			r := upTo[len(upTo)-1]
			return ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.ResultKind, V: 1, Time: r.Time, Body: ceremony.Result{Attempt: 1, Facts: []ceremony.Line{{Label: card, Value: "its bag read, seal intact: PASS"}}, Outcome: ceremony.Finished, Step: "items"}}
		}},
		"another bag is called a pass": {rule: "custody.result", at: ofCard, forge: func(_ *testing.T, upTo []ledger.Record, b any) ledger.Draft {
			checked := b.(*ceremony.ItemChecked)
			if checked.Read != "A-OTHER" {
				t.Errorf("bag %q was read, on record", checked.Read)
			}
			checked.Result = ceremony.Pass
			return draft(upTo[len(upTo)-1], checked)
		}},
	})
}

// TestKeyCopiesEndElsewhere: a copy of a key, and a card of a set that is in use, are
// destroyed in no ordinary custody ceremony: they are not offered, and a record of it is
// refused.
func TestKeyCopiesEndElsewhere(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.provide(t.Context(), "key-restore"); err != nil {
		t.Fatal(err)
	}
	key := s.newestKey(wrapped)
	if len(key.Backups()) == 0 {
		t.Fatal("the key has no backup")
	}
	var offered []string
	acts := [][2]string{{"take a new thing into custody", ""}, {"destroy it", safeKey}, {"nothing more", ""}}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title != "Choose what is handled next" {
			return
		}
		a.Fields, acts = map[string]string{"do": acts[0][0], "end": acts[0][1]}, acts[1:]
		for _, f := range p.Fields {
			if f.Name == "end" {
				offered = append(offered, f.Of...)
			}
		}
	}
	if err := s.Begin(t.Context(), source(t, "custody"), nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(offered, []string{safeKey}) {
		t.Errorf("offered for destruction: %v", offered)
	}
	holds(t, s, 1)

	instead := func(name string) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(t *testing.T, upTo []ledger.Record, b any) ledger.Draft {
			d := b.(*ceremony.ItemDestroyed)
			d.Item, d.Person = name, s.State().Items[name].Holder
			return draft(upTo[len(upTo)-1], d)
		}
	}
	end := func(r ledger.Record, _ any) bool {
		return r.Ceremony == s.Last("custody").Number && r.Kind == ceremony.ItemDestroyedKind
	}
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"a backup destroyed among other things":    {rule: "destroy.intent", at: end, forge: instead(key.Backups()[0].Name)},
		"a card in use destroyed among the things": {rule: "set.in-use", at: end, forge: instead(cardHeldBy(t, s, "li-chen"))},
	})
}

// TestCustodyRules: each rule refuses a record by its name, and the checker finds
// the record that was forced.
func TestCustodyRules(t *testing.T) {
	s, all := cared(t)
	eachRefused(t, s, all, custodyForgeries(t, s, all))
}

// cared is the ledger of a site on which a thing was taken into custody, moved,
// used and lost.
func cared(t *testing.T) (*Site, []ledger.Record) {
	t.Helper()
	s, _ := handled(t,
		[2]string{"take a new thing into custody", ""},
		[2]string{"look at its bag", safeKey},
		[2]string{"hand it to another holder", safeKey},
		[2]string{"open its bag", safeKey},
		[2]string{"put it into a new bag", safeKey},
		[2]string{"call it lost", safeKey})
	return s, everything(t, s)
}

func custodyForgeries(t *testing.T, s *Site, all []ledger.Record) map[string]forgery {
	t.Helper()
	p := s.Last("custody")
	second := cardHeldBy(t, s, "jonas-dahl")
	// The last of its kind that speaks of the safe key.
	of := func(kind string) int {
		at := -1
		for i, r := range all {
			if r.Ceremony == p.Number && r.Kind == kind && (kind == ceremony.ResultKind || strings.Contains(string(r.Bytes), safeKey)) && (kind != ceremony.ResultKind || strings.Contains(string(r.Bytes), `"step":"items"`)) {
				at = i
			}
		}
		if at < 0 {
			t.Fatalf("no %s", kind)
		}
		return at
	}
	forged := func(kind string, change func(body any)) (int, ledger.Draft) {
		at := of(kind)
		body, err := ceremony.Body(all[at])
		if err != nil {
			t.Fatal(err)
		}
		change(body)
		return at, draft(all[at], body)
	}
	moved := func(change func(*ceremony.ItemMoved)) func() (int, ledger.Draft) {
		return func() (int, ledger.Draft) {
			return forged(ceremony.ItemMovedKind, func(b any) { change(b.(*ceremony.ItemMoved)) })
		}
	}
	out := map[string]forgery{}
	for name, c := range map[string]struct {
		rule  string
		forge func() (int, ledger.Draft)
	}{
		"a movement that no witness watched": {"custody.witness", moved(func(b *ceremony.ItemMoved) { b.Witness = "marta-brandt" })},
		"a movement to its own witness":      {"presence.absent", moved(func(b *ceremony.ItemMoved) { b.To = "dana-weiss" })},
		"a movement by somebody else":        {"custody.holder", moved(func(b *ceremony.ItemMoved) { b.From = "li-chen" })},
		"another bag moved":                  {"custody.bag", moved(func(b *ceremony.ItemMoved) { b.Bag = "A-OTHER" })},
		"a second card for one person": {"custody.quorum", moved(func(b *ceremony.ItemMoved) {
			b.Item, b.Bag, b.From, b.To = second, s.State().Items[second].Bag, "jonas-dahl", "li-chen"
			for _, r := range all[:of(ceremony.ItemMovedKind)] {
				if body, err := ceremony.Body(r); err == nil {
					if sealed, ok := body.(*ceremony.ItemSealed); ok && sealed.Item == second {
						b.Bag = sealed.Bag
					}
				}
			}
		})},
		"the bag that was just opened": {"custody.bag-used", func() (int, ledger.Draft) {
			opened, err := ceremony.Body(all[of(ceremony.ItemOpenedKind)])
			if err != nil {
				t.Fatal(err)
			}
			return forged(ceremony.ItemSealedKind, func(b any) { b.(*ceremony.ItemSealed).Bag = opened.(*ceremony.ItemOpened).Bag })
		}},
		"a bag that was used years ago": {"custody.bag-used", func() (int, ledger.Draft) {
			return forged(ceremony.ItemSealedKind, func(b any) { b.(*ceremony.ItemSealed).Bag = oldBag(t, s, all) })
		}},
		"a bag that was used years ago, in other letters": {"custody.bag-used", func() (int, ledger.Draft) {
			return forged(ceremony.ItemSealedKind, func(b any) { b.(*ceremony.ItemSealed).Bag = " " + strings.ToLower(oldBag(t, s, all)) })
		}},
		"the bag in which the HSM lay": {"custody.bag-used", func() (int, ledger.Draft) {
			hsm := s.Last(opening).Steps["bags"].Facts[0].Value
			return forged(ceremony.ItemSealedKind, func(b any) { b.(*ceremony.ItemSealed).Bag = hsm })
		}},
		"the HSM goes into a card's old bag": {"custody.bag-used", func() (int, ledger.Draft) {
			at := slices.IndexFunc(all, func(r ledger.Record) bool {
				return r.Ceremony == p.Number && r.Kind == ceremony.ResultKind && strings.Contains(string(r.Bytes), `"step":"bags"`)
			})
			res := must(ceremony.Body(all[at])).(*ceremony.Result)
			res.Facts[0].Value = oldBag(t, s, all)
			return at, draft(all[at], res)
		}},
		"the step ends while it is out of its bag": {"custody.unbagged", func() (int, ledger.Draft) {
			return of(ceremony.ItemSealedKind), draft(all[of(ceremony.ResultKind)], must(ceremony.Body(all[of(ceremony.ResultKind)])))
		}},
		"a thing that became another": {"custody.item", func() (int, ledger.Draft) {
			return forged(ceremony.ItemSealedKind, func(b any) { b.(*ceremony.ItemSealed).Kind = ceremony.MediumItem })
		}},
		"a seal that is neither whole nor broken": {"custody.seal", func() (int, ledger.Draft) {
			return forged(ceremony.ItemOpenedKind, func(b any) { b.(*ceremony.ItemOpened).Seal = "fine" })
		}},
		"a thing that nobody took into custody": {"custody.unknown", func() (int, ledger.Draft) {
			return forged(ceremony.ItemMovedKind, func(b any) { b.(*ceremony.ItemMoved).Item = "the other safe key" })
		}},
		"custody of nothing": {"custody.nothing", func() (int, ledger.Draft) {
			return forged(ceremony.ResultKind, func(b any) { b.(*ceremony.Result).Facts = []ceremony.Line{} })
		}},
		"an intent where none is needed": {"result.intent", func() (int, ledger.Draft) {
			return forged(ceremony.ItemSealedKind, func(b any) { b.(*ceremony.ItemSealed).Intent[0] ^= 1 })
		}},
		"lost by somebody else": {"custody.holder", func() (int, ledger.Draft) {
			return forged(ceremony.ItemLostKind, func(b any) { b.(*ceremony.ItemLost).Person = "li-chen" })
		}},
		"lost by the witness's word alone": {"custody.lost-unsigned", func() (int, ledger.Draft) {
			return forged(ceremony.ItemLostKind, func(b any) {
				lost := b.(*ceremony.ItemLost)
				lost.Signatures = slices.DeleteFunc(lost.Signatures, func(sg ceremony.SignedBy) bool { return sg.Person == lost.Person })
			})
		}},
		"lost in other words than were signed": {"signoff.signature", func() (int, ledger.Draft) {
			return forged(ceremony.ItemLostKind, func(b any) { b.(*ceremony.ItemLost).How = "nobody asked" })
		}},
	} {
		at, d := c.forge()
		out[name] = forgery{rule: c.rule, at: func(r ledger.Record, _ any) bool { return r.Seq == int64(at) },
			forge: func(*testing.T, []ledger.Record, any) ledger.Draft { return d }}
	}
	return out
}

// oldBag is the first bag of a card that lies in another one by now.
func oldBag(t *testing.T, s *Site, all []ledger.Record) string {
	t.Helper()
	for _, r := range all {
		if b, ok := must(ceremony.Body(r)).(*ceremony.ItemSealed); ok && s.State().Items[b.Item].Bag != b.Bag {
			return b.Bag
		}
	}
	t.Fatal("every bag is still in use")
	return ""
}

func must(body any, err error) any {
	if err != nil {
		panic(err)
	}
	return body
}

// TestWhatLiesOpenIsBagged: what a step left out of its bag goes into a new one
// before anybody attests, in the same ceremony; a record that leaves it out is
// refused.
func TestWhatLiesOpenIsBagged(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	card := cardHeldBy(t, s, "farah-noor")
	before := s.State().Items[card].Bag
	src := bytes.Replace(source(t, "custody"), []byte("      - id: bags\n"), fmt.Appendf(nil, "      - { id: out, kind: custody, with: { do: open, item: %q } }\n      - id: bags\n", card), 1)
	if err := s.Begin(t.Context(), src, nil); err != nil {
		t.Fatal(err)
	}
	if it := s.State().Items[card]; it.State != ceremony.InCustody || it.Bag == before {
		t.Errorf("%s is %s, in bag %s", card, it.State, it.Bag)
	}
	if !slices.ContainsFunc(tr.asked, func(p ceremony.Prompt) bool { return p.Step == "bags" && p.Title == "Put "+card+" into a new bag" }) {
		t.Error("nobody was asked to bag it again")
	}
	all := everything(t, s)
	put := func(r ledger.Record, b any) bool {
		sealed, ok := b.(*ceremony.ItemSealed)
		return ok && r.Ceremony == s.Last("custody").Number && sealed.Item == card
	}
	instead := func(kind string, body any) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			r := upTo[len(upTo)-1]
			return ledger.Draft{Ceremony: r.Ceremony, Kind: kind, V: 1, Time: r.Time, Body: body}
		}
	}
	eachRefused(t, s, all, map[string]forgery{
		"the bags are named while a card is out": {rule: "custody.unbagged", at: put, forge: instead(ceremony.ResultKind, ceremony.Result{Attempt: 1, Facts: s.Last("custody").Steps["bags"].Facts, Outcome: ceremony.Finished, Step: "bags"})},
		"somebody attests while a card is out":   {rule: "custody.unbagged", at: put, forge: instead(ceremony.SignOffKind, ceremony.SignOff{Act: ceremony.ActAttest, Attempt: 1, Person: "marta-brandt", Role: "administrator", Step: "attest", Verdict: ceremony.Agree})},
	})
}

package rehearse

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
)

// TestSetThatStillOpens is not withdrawn: before the PIN is changed its cards are the
// only way in.
func TestSetThatStillOpens(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	before, rest, ok1 := strings.Cut(string(source(t, "change-custodians")), "      - id: authorise\n")
	_, rest, ok2 := strings.Cut(rest, "      - id: open\n")
	opened, rest, ok3 := strings.Cut(rest, "      - id: authorise-re-wrap\n")
	_, after, ok4 := strings.Cut(rest, "      - id: withdraw\n")
	if !ok1 || !ok2 || !ok3 || !ok4 {
		t.Fatal("the script has other steps")
	}
	src := before + "      - id: open\n" + strings.Replace(opened, "needs: [load]", "needs: [identify]", 1) + "      - id: withdraw\n" + strings.Replace(after, "needs: [re-wrap]", "needs: [open]", 1)
	set := s.State().SetFor(s.Token(), "user")
	err := s.Begin(t.Context(), []byte(src), map[string]string{"set": set.Body.Name})
	var refusal *ceremony.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != "set.still-opens" {
		t.Errorf("got %v, want a refusal by set.still-opens", err)
	}
	if s.State().Sets[set.Body.Set].Withdrawn {
		t.Error("the set is withdrawn")
	}
}

// TestFailedCard is on record as failed, and nothing goes on before a deviation has
// decided about it.
func TestFailedCard(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	asked := 0
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case p.Kind == ceremony.AskCard && p.Step == "check" && p.Who.ID == "li-chen":
			// Two neighbours change places: a slip of the pen.
			b := a.Secret.Bytes()
			for i := len(b) - 1; ; i-- {
				if b[i] != ' ' && b[i-1] != ' ' && b[i] != b[i-1] {
					b[i], b[i-1] = b[i-1], b[i]
					break
				}
			}
		case p.Title == "The card does not agree":
			a.Fields["go"] = "it does not agree: record it as failed"
		case p.Title == "The card failed":
			if asked++; asked == 2 {
				*a = decided()
			}
		}
	}
	if err := s.Begin(t.Context(), source(t, "share-check"), nil); err != nil {
		t.Fatal(err)
	}
	p := s.Last("share-check")
	if asked < 2 || len(p.Deviations) != 1 {
		t.Errorf("asked %d times, %d deviations; want two and one", asked, len(p.Deviations))
	}
	if !slices.ContainsFunc(p.Steps["check"].Facts, func(l ceremony.Line) bool { return strings.HasPrefix(l.Value, ceremony.Fail+", Li Chen") }) {
		t.Errorf("the facts are %+v", p.Steps["check"].Facts)
	}
	holds(t, s, 0)
}

// TestDepartedHolders: what was lost and what left with people counts together; as
// many cards as suffice make a changed secret due.
func TestDepartedHolders(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	set := s.State().SetFor(s.Token(), "so")
	acts := [][2]string{{"call it lost", set.CardNames()[1]}}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title == "Choose what is handled next" {
			a.Fields = map[string]string{"do": "nothing more"}
			if len(acts) > 0 {
				a.Fields, acts = map[string]string{"do": acts[0][0], "item": acts[0][1]}, nil
			}
		}
	}
	if err := s.Begin(t.Context(), source(t, "custody"), nil); err != nil {
		t.Fatal(err)
	}
	if due := s.State().SetsDue(); len(due) != 0 {
		t.Errorf("one card of two that open makes due %+v", due)
	}
	p := about(t, s, "retire", map[string]string{"person": "farah-noor"})
	if due := s.State().SetsDue(); len(due) != 1 || due[0].Set.Body.Set != set.Body.Set || len(due[0].Unaccounted) != 2 {
		t.Errorf("due %+v, want the set of which one card is lost and one holder left", due)
	}
	told := false
	for _, st := range p.Steps {
		told = told || slices.ContainsFunc(st.Facts, func(l ceremony.Line) bool {
			return l.Label == "Must be changed" && strings.Contains(l.Value, set.Body.Name)
		})
	}
	if !told {
		t.Error("the ceremony does not say that the secret must be changed")
	}
}

// TestCardOfAWithdrawnSet: who brings one is told in its own words that the set was
// withdrawn, by which ceremony, and what the record says of the card; the records of
// the cards say it on paper, too. Nothing is combined with it.
func TestCardOfAWithdrawnSet(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	old := s.State().SetFor(s.Token(), "user")
	// The witness could not see how the third card ended.
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title == "Destroy "+old.CardNames()[2] {
			a.Fields["result"] = ceremony.UnknownIfAny
		}
	}
	if err := s.Begin(t.Context(), source(t, "change-custodians"), map[string]string{"set": old.Body.Name}); err != nil {
		t.Fatal(err)
	}
	by := s.Last("change-custodians").Number
	paper, _ := onPaper(t, s, by)
	hasAll(t, paper, "Set generation withdrawn in ceremony "+by)
	old, asked := s.State().Sets[old.Body.Set], s.State().SetFor(s.Token(), "user").Body.Name
	for i, want := range map[int]ceremony.Problem{
		0: {Happened: "This is " + old.CardNames()[0] + ", which was withdrawn in ceremony " + by + ": other cards took its place. The record says that it was destroyed.",
			Safe: "Nothing was combined and nothing was recorded.", Do: "Note a deviation that says where it was, and have it destroyed before everyone's eyes; then bring the card of the set " + asked + "."},
		2: {Happened: "This is " + old.CardNames()[2] + ", which was withdrawn in ceremony " + by + ": other cards took its place. It should have been destroyed.",
			Safe: "Nothing was combined and nothing was recorded.", Do: "Note a deviation, and have it destroyed in a ceremony of custody; then bring the card of the set " + asked + "."},
	} {
		brought := false
		tr.asked = nil
		tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
			if p.Kind != ceremony.AskCard || brought {
				return
			}
			brought = true
			card, err := s.Prop.get(old.Body.Cards[i].Holder + "." + strings.ReplaceAll(old.Body.Name, " ", "-") + ".card")
			if err != nil {
				t.Fatal(err)
			}
			a.Secret.Wipe()
			a.Secret = card
		}
		if err := s.Begin(t.Context(), generation(t), nil); err != nil {
			t.Fatal(err)
		}
		if p := tr.problem(ceremony.AskCard); p == nil || *p != want {
			t.Errorf("told %+v, want %+v", p, want)
		}
	}
	holds(t, s, 2)
}

// TestRecoveryCustodiansChange: what the old cards open is backed up anew in the same
// ceremony, restored from its new medium and compared; then the old media are
// destroyed, and only then the old cards. Nothing of the old set is due any more.
func TestRecoveryCustodiansChange(t *testing.T) {
	s, key := backedUpSite(t)
	old := s.State().SetFor(s.Token(), "so")
	media := key.Backups()
	if err := s.Begin(t.Context(), source(t, "change-custodians"), map[string]string{"set": old.Body.Name}); err != nil {
		t.Fatal(err)
	}
	p := s.Last("change-custodians")
	if in := p.Intents[0].Body.Act; !strings.Contains(in.With["old-cards"], key.Body.Label) {
		t.Errorf("officers signed %v", in.With)
	}
	if due := s.State().SetsDue(); len(due) != 0 {
		t.Errorf("due %+v", due)
	}
	set := s.State().SetFor(s.Token(), "so").Body.Set
	now := s.State().Keys[key.Body.ID].Backups()
	if len(now) != 2 || now[0].Set != set || now[1].Set != set || set == old.Body.Set {
		t.Errorf("backups %+v under set %s", now, set)
	}
	if len(p.Restored) != 1 || p.Restored[0].From.String() != now[0].SHA256 || len(p.Deleted) != 1 {
		t.Errorf("restored %+v, deleted %+v", p.Restored, p.Deleted)
	}
	lastMedium := int64(0)
	for _, c := range media {
		it := s.State().Items[c.Name]
		if it.State != ceremony.Gone {
			t.Errorf("the old %s is %s", c.Name, it.State)
		}
		lastMedium = max(lastMedium, it.Seq)
	}
	for _, name := range old.CardNames() {
		if it := s.State().Items[name]; it.State != ceremony.Gone || it.Seq < lastMedium {
			t.Errorf("%s is %s since record %d, the last medium since %d", name, it.State, it.Seq, lastMedium)
		}
	}
	// The new cards open the new backup: a drill in a ceremony of its own.
	if err := s.Begin(t.Context(), source(t, "recovery-drill"), map[string]string{"key": key.Body.Label}); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
}

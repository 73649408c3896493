package rehearse

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
)

// TestThreeOfFive: sets of five cards are handed out, the program is started again,
// three of the five open the token, and the key is restored on a second one, where
// it signs; the original public key verifies that, which is a rule of the record.
func TestThreeOfFive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	s, tr := openSite(t, setting(dir, nil))
	more := map[string]string{"ada-lind": "Ada Lind", "ben-orr": "Ben Orr"}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if name := more[p.Who.ID]; name != "" && len(p.Fields) > 0 && p.Fields[0].Name == "name" {
			a.Fields["name"], a.Fields["organisation"], a.Fields["manager"], a.Fields["identity"] = name, "Northwind", "Manager of "+name, "practice person"
		}
	}
	src := string(source(t, opening))
	src = strings.Replace(src, "custodian: 3,", "custodian: 5,", 1)
	src = strings.Replace(src, "count: 3, threshold: 2, recovery-count: 3, recovery-threshold: 2", "count: 5, threshold: 3, recovery-count: 5, recovery-threshold: 3", 1)
	plan, err := s.Plan(source(t, opening), nil)
	if err != nil {
		t.Fatal(err)
	}
	plan.Script = []byte(src)
	plan.People = append(plan.People, ceremony.Part{Person: "ada-lind", Role: "custodian"}, ceremony.Part{Person: "ben-orr", Role: "custodian"})
	if err := s.Hold(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s, tr = openSite(t, setting(dir, nil))
	for _, c := range []struct {
		name string
		set  map[string]string
	}{{"token-addition", nil}, {"key-generation", map[string]string{"protection": "wrap-backup"}}, {"key-backup", nil}, {"key-restore", nil}} {
		three := strings.Replace(string(source(t, c.name)), "custodian: 2", "custodian: 3", 1)
		if err := s.Begin(t.Context(), []byte(three), c.set); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	p := s.Last("key-restore")
	if len(p.Cards) != 3 || len(p.Restored) != 1 || p.Restored[0].Serial == s.Token() || p.Restored[0].Test {
		t.Errorf("opened by %v, restored %+v", p.Cards, p.Restored)
	}
	holds(t, s, 1)

	// One person may come to hold a second of these cards, and never a third.
	cards := s.State().SetFor(s.Token(), "user").CardNames()
	acts := [][2]string{{"hand it to another holder", cards[1]}, {"hand it to another holder", cards[2]}}
	tr.asked = nil
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case p.Title == "Choose what is handled next" && len(acts) > 0:
			a.Fields, acts = map[string]string{"do": acts[0][0], "item": acts[0][1]}, acts[1:]
		case p.Title == "Choose what is handled next":
			a.Fields = map[string]string{"do": "nothing more"}
		case strings.HasPrefix(p.Title, "Hand over card"):
			a.Fields["to"] = "li-chen"
		}
	}
	if plan, err = s.Plan(source(t, "custody"), nil); err != nil {
		t.Fatal(err)
	}
	plan.Script = []byte(strings.Replace(string(plan.Script), "custodian: 3", "custodian: 5", 1))
	plan.People = append(plan.People, ceremony.Part{Person: "ada-lind", Role: "custodian"}, ceremony.Part{Person: "ben-orr", Role: "custodian"})
	if err := s.Hold(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	if second, third := s.State().Items[cards[1]].Holder, s.State().Items[cards[2]].Holder; second != "li-chen" || third == "li-chen" {
		t.Errorf("the second card is with %s, the third with %s", second, third)
	}
	if !slices.ContainsFunc(tr.asked, func(p ceremony.Prompt) bool { return p.Problem != nil && p.Problem.Code == "custody.quorum" }) {
		t.Error("nobody was told why the third card stays where it is")
	}
	holds(t, s, 1)
}

// TestLoyalCustodian: whoever held a card of every set before is welcome at the
// fifth, for each is a new secret.
func TestLoyalCustodian(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	for n := range 5 {
		if err := s.Begin(t.Context(), source(t, "change-custodians"), nil); err != nil {
			t.Fatalf("change %d: %v", n+1, err)
		}
	}
	held := 0
	for _, it := range s.State().Items {
		if it.Kind == ceremony.CardItem && it.Holder == "li-chen" {
			held++
		}
	}
	if held != 7 {
		t.Errorf("Li Chen held %d cards over the years, want seven: two at the opening, and five", held)
	}
	holds(t, s, 0)
}

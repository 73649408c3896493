package rehearse

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/signoff"
)

// about plays a shipped script about people and demands that it is sealed.
func about(t *testing.T, s *Site, name string, set map[string]string) *ceremony.Progress {
	t.Helper()
	if err := s.Begin(t.Context(), source(t, name), set); err != nil {
		t.Fatal(err)
	}
	holds(t, s, len(s.State().Keys))
	p := s.State().Ceremonies[len(s.State().Ceremonies)-1]
	if _, err := s.Evidence(t.Context(), p.Number); err != nil {
		t.Fatalf("the report of %s: %v", name, err)
	}
	return p
}

// TestPeopleComeAndGo: enrolled with a document and duties, changed, and retired
// with what is still held.
func TestPeopleComeAndGo(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	about(t, s, "enrol", map[string]string{"people": "nadia-haddad custodian, sven-lund officer+custodian"})
	h := s.State().People["sven-lund"]
	if h == nil || !slices.Equal(h.Body.Roles, []string{"officer", "custodian"}) || !slices.Equal(h.Vouched, []string{"marta-brandt", "amara-okafor"}) {
		t.Fatalf("enrolled: %+v", h)
	}
	if vouched := count(tr.asked, func(p ceremony.Prompt) bool { return p.Act == ceremony.ActEnrol }); vouched != 2 {
		t.Errorf("%d sign-offs vouched for two people, want one of each who saw them", vouched)
	}
	if duties, err := s.State().Blob(h.Body.Duties); err != nil || !bytes.Contains(duties, []byte("sealed bag")) {
		t.Errorf("the duties of a custodian: %s %v", duties, err)
	}
	identity, err := os.ReadFile(filepath.Join(s.Folder.Dir, "people", "sven-lund.identity"))
	if err != nil || !bytes.Contains(identity, []byte(`"last-four":"0000"`)) {
		t.Errorf("the document's file: %s %v", identity, err)
	}
	for r, err := range s.Record().Records(t.Context(), 0, s.State().Size) {
		if err != nil || bytes.Contains(r.Body, []byte("last-four")) {
			t.Fatal("the last four characters are in the ledger", err)
		}
	}
	about(t, s, "enrol", map[string]string{"what": "change", "people": "sven-lund witness"})
	if got := s.State().People["sven-lund"].Body.Roles; !slices.Equal(got, []string{"witness"}) {
		t.Errorf("roles after the change: %v", got)
	}
	if got := s.State().StillHeld("farah-noor"); !slices.ContainsFunc(got, func(what string) bool { return strings.HasPrefix(what, "card 3 of set") }) {
		t.Errorf("farah-noor holds %v", got)
	}
	about(t, s, "retire", map[string]string{"person": "farah-noor"})
	if due := s.State().HeldByRetired()["farah-noor"]; len(due) == 0 {
		t.Error("nothing is due of a custodian who left with the cards")
	}
	plan := s.plan(t, generation(t), nil)
	i := slices.IndexFunc(plan.People, func(p ceremony.Part) bool { return p.Role == "custodian" })
	plan.People[i].Person = "farah-noor"
	refusedBy(t, s.Hold(t.Context(), plan), "person.retired")
	refusedBy(t, s.Begin(t.Context(), source(t, "retire"), map[string]string{"person": "farah-noor"}), "person.retired")
	refusedBy(t, s.Begin(t.Context(), source(t, "enrol"), map[string]string{"people": "sven-lund officer"}), "person.known")
	refusedBy(t, s.Begin(t.Context(), source(t, "enrol"), map[string]string{"what": "change", "people": "nobody officer"}), "person.unknown")
}

// TestForgottenPassphrase: a deviation, the document seen again, two vouch; the
// old key opens nothing more.
func TestForgottenPassphrase(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	before := *s.State().People["rui-santos"]
	old, err := s.Folder.LoadSealed("rui-santos", before.Body.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	tr.change = with(&sheet{step: "new-key", kind: ceremony.AskConfirm, answer: decided()})
	about(t, s, "enrol", map[string]string{"what": "new-key", "people": "rui-santos"})
	h := s.State().People["rui-santos"]
	if h.Body.Key == before.Body.Key || h.Leaf == before.Leaf || len(h.Vouched) != 2 {
		t.Errorf("after the new key: %+v", h)
	}
	if _, err := s.Folder.LoadSealed("rui-santos", before.Body.Sealed); err == nil {
		t.Error("the old sealed key is still there")
	}
	phrase, err := s.Prop.get("rui-santos.passphrase")
	if err != nil {
		t.Fatal(err)
	}
	defer phrase.Wipe()
	if _, err := signoff.Open(old, phrase); err == nil {
		t.Error("the new passphrase opens the old key")
	}
	tr.change = nil
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatalf("the officer cannot authorise with the new key: %v", err)
	}
	holds(t, s, 1)
}

// TestConflictsOfRoles: who holds a card stays a custodian, a witness is nobody
// else, and nobody holds a ceremony about themselves.
func TestConflictsOfRoles(t *testing.T) {
	for rule, set := range map[string]map[string]string{
		"role.holds-share": {"what": "change", "people": "farah-noor owner"},
		"role.conflict":    {"what": "new", "people": "nadia-haddad witness+custodian"},
		"person.aside":     {"what": "change", "people": "li-chen custodian+owner"},
	} {
		s, _ := openSite(t, setting(copySite(t), nil))
		var refusal *ceremony.Refusal
		if err := s.Begin(t.Context(), source(t, "enrol"), set); !errors.As(err, &refusal) || refusal.Rule != rule {
			t.Errorf("got %v, want a refusal by %s", err, rule)
		}
	}
}

// TestSevenPeopleFifteenSteps: at most fifty entries of secrets.
func TestSevenPeopleFifteenSteps(t *testing.T) {
	out := t.TempDir()
	o := Options{Setting: setting(copySite(t), nil), Script: filepath.Join("..", "..", "testdata", "scripts", "fifteen-steps.yaml"), Out: out, Print: &bytes.Buffer{}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	transcript, err := os.ReadFile(filepath.Join(out, "transcript.txt"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^15  Seal$[\s\S]*^private entries: (\d+)$`).FindSubmatch(transcript)
	if m == nil {
		t.Fatalf("not fifteen steps:\n%s", transcript)
	}
	if n, err := strconv.Atoi(string(m[1])); err != nil || n > 50 || n < 20 {
		t.Errorf("%d entries of secrets, want at most 50", n)
	}
}

// TestFoundersOfOneManager: founders are told at their enrolment, and not when the
// token is initialised and the cards are to be handed out, that one person leads
// custodians who could open it together; put right, the opening goes on to its end.
func TestFoundersOfOneManager(t *testing.T) {
	s, tr := openSite(t, setting(t.TempDir(), nil))
	told := ""
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Who.ID != "farah-noor" || !asks(p, "manager") {
			return
		}
		if told == "" && p.Problem == nil {
			a.Fields["manager"] = "Ines Falk" // as Li Chen does
		}
		if p.Problem != nil {
			told = p.Problem.Happened
		}
	}
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "Li Chen is led by Ines Falk, too, and 2 cards suffice: one person could order them together."; told != want {
		t.Errorf("told %q, want %q", told, want)
	}
	if !s.Ready() {
		t.Error("the site was not opened")
	}
}

// TestCustodiansOfOneManager: two cards suffice, and their holders do not report
// to one person who could order both.
func TestCustodiansOfOneManager(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Who.ID == "farah-noor" && asks(p, "manager") {
			a.Fields["manager"] = "Ines Falk" // as Li Chen does
		}
	}
	about(t, s, "enrol", map[string]string{"what": "change", "people": "farah-noor custodian"})
	plan := s.plan(t, generation(t), nil)
	for i := range plan.People {
		if plan.People[i].Person == "jonas-dahl" {
			plan.People[i].Person = "farah-noor"
		}
	}
	var refusal *ceremony.Refusal
	if err := s.Hold(t.Context(), plan); !errors.As(err, &refusal) || refusal.Rule != "custodian.one-manager" {
		t.Errorf("got %v", err)
	}
}

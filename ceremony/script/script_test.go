package script_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claviger/ceremony/script"
)

var update = flag.Bool("update", false, "write the golden errors again")

const scripts = "../../testdata/scripts/"

// kinds are those of the scripts here, but for one that is spelt wrong.
var kinds = []string{"adopt-policy", "attest", "authorise", "enrol-person", "generate-key", "identify-token", "line", "open-token", "read-fingerprint", "restore", "roll-call", "room-check",
	"seal", "waive", "workstation-check", "wrap"}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T) *script.Plan {
	t.Helper()
	p, err := script.Parse(read(t, scripts+"good.yaml"), kinds)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each broken script is told in one line: where, what is found, what is expected.
func TestBrokenScripts(t *testing.T) {
	paths, err := filepath.Glob(scripts + "bad/*.yaml")
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d broken scripts, %v", len(paths), err)
	}
	var got strings.Builder
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		plan, err := script.Parse(read(t, path), kinds)
		var e *script.Error
		if plan != nil || !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if e.Line < 1 || e.Col < 1 || strings.ContainsAny(e.Error(), "\n\r") {
			t.Errorf("%s: %q is not one line with a place", name, e)
		}
		fmt.Fprintf(&got, "%s: %v\n", name, err)
	}
	golden := scripts + "bad/errors.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(strings.Split(string(read(t, golden)), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("the errors are told otherwise (-want +got):\n%s", diff)
	}
}

// What would fill memory or stack is refused before it does.
func TestOversize(t *testing.T) {
	for want, source := range map[string]string{
		"line 1, column 1: found 200001 bytes, expected at most 200000":                                                                                  strings.Repeat("#", 200_001),
		"line 1, column 1: found something that is not YAML (exceeded max depth of 10000), expected YAML":                                                strings.Repeat("[", 100_000),
		"line 1, column 11: found a list, expected a name of small letters, digits and dashes, at most 40, a letter first":                               "ceremony: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		"line 1, column 11: found \"" + strings.Repeat("a", 40) + "…\", expected a name of small letters, digits and dashes, at most 40, a letter first": "ceremony: " + strings.Repeat("a", 500),
	} {
		if _, err := script.Parse([]byte(source), kinds); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestGoodScript(t *testing.T) {
	source := read(t, scripts+"good.yaml")
	p := parse(t)
	if p.Name != "everything" || p.Version != 12 || p.SHA256 != sha256.Sum256(source) || string(p.Source) != string(source) {
		t.Errorf("read as %s, version %d", p.Name, p.Version)
	}
	if want := []script.RoleNeed{{Role: "administrator", Count: 1}, {Role: "witness", Count: 2}, {Role: "officer", Count: 2}, {Role: "custodian", Count: 3}, {Role: "observer", Count: 1}}; !slices.Equal(p.Roles, want) {
		t.Errorf("roles are %v", p.Roles)
	}
	step, ok := p.Step("authorise")
	want := script.Step{
		Number: 2, Phase: 1, ID: "authorise", Kind: "authorise", Title: "Authorise {{label}}",
		Say:  "{{label}} for {{owner}}: {{reason}}, {{lifetime}}.",
		With: map[string]string{"step": "generate", "copies": "2"},
		By:   []script.RoleNeed{{Role: "officer", Count: 2}}, Sign: []string{"officer"}, Needs: []string{"room"},
		Minutes: 4, OnFailure: script.Abort, Line: 27,
	}
	if diff := cmp.Diff(want, step, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".when" }, cmp.Ignore())); !ok || diff != "" {
		t.Errorf("step (-want +got):\n%s", diff)
	}
	room, _ := p.Step("room")
	if room.OnFailure != script.Pause || room.Title != "Room" {
		t.Errorf("left out, on-failure is %q and the title %q", room.OnFailure, room.Title)
	}
	if diff := cmp.Diff([]script.Material{{What: "Numbered tamper-evident bags", Count: 3}, {What: "Laptop", Count: 1, Note: []string{"serial", "bag"}}}, p.Materials); diff != "" || p.Phases[0].Break != 15 {
		t.Errorf("materials (-want +got):\n%s\nbreak of %d minutes", diff, p.Phases[0].Break)
	}
	if q := p.Parameters[3]; q.Ask != "Old key" || q.Name != "old-key" {
		t.Errorf("the fourth parameter is %+v", q)
	}
}

func TestBindFillsIn(t *testing.T) {
	b, err := parse(t).Bind(map[string]string{"owner": "dana-weiss", "reason": "{{label}}, as agreed"})
	if err != nil {
		t.Fatal(err)
	}
	step, _ := b.Step("authorise")
	if step.Say != "signing-key for dana-weiss: {{label}}, as agreed, 2y." || step.Title != "Authorise signing-key" {
		t.Errorf("filled in: %q, %q", step.Title, step.Say)
	}
	if b.Values["planned"] != "2026-11-22" || b.Values["copies"] != "2" || len(b.Values) != 11 {
		t.Errorf("values are %v", b.Values)
	}
	raw, _ := b.Plan.Step("authorise")
	if !strings.Contains(raw.Say, "{{owner}}") {
		t.Error("binding changed the plan")
	}
	step.With["step"] = "other"
	if raw.With["step"] != "generate" {
		t.Error("binding shares its maps with the plan")
	}
}

func TestConditions(t *testing.T) {
	for protection, want := range map[string]string{
		"module-only": "1.1 room, 1.2 authorise, 2.3 waive, 2.4 seal",
		"wrap-backup": "1.1 room, 1.2 authorise, 2.3 wrap, 2.4 restore, 3.5 seal",
	} {
		b, err := parse(t).Bind(map[string]string{"owner": "dana", "protection": protection})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range b.Steps() {
			got = append(got, fmt.Sprintf("%d.%d %s", s.Phase, s.Number, s.ID))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", protection, s, want)
		}
		for i, p := range b.Phases {
			if p.Number != i+1 {
				t.Errorf("%s: phase %q has number %d", protection, p.Title, p.Number)
			}
		}
	}
	b, err := parse(t).Bind(map[string]string{"owner": "dana"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Step("wrap"); ok {
		t.Error("a step that does not take place was given")
	}
}

// Without a single value a script can be tried, in each way that its conditions
// can go.
func TestExamples(t *testing.T) {
	var got []string
	for _, values := range parse(t).Examples() {
		b, err := parse(t).Bind(values)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s: %d steps", values["protection"], len(b.Steps())))
	}
	if want := []string{"module-only: 4 steps", "wrap-backup: 5 steps"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	every := "ceremony: c\nversion: 1\ntitle: T\nroles: { administrator: 1, witness: 1 }\nparameters:\n"
	for _, typ := range []string{"label", "key", "person", "set", "period", "date", "serial", "bag", "count", "text"} {
		every += "  p-" + typ + ": { type: " + typ + " }\n"
	}
	p, err := script.Parse([]byte(every+"phases:\n  - title: P\n    steps:\n      - { id: s, kind: seal }\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Bind(p.Examples()[0]); err != nil {
		t.Error(err)
	}
}

func TestBindRefuses(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"label", "my key!", `label is "my key!": give 1 to 32 letters, digits, dots, dashes or underscores, a letter or digit first`},
		{"label", "", "label has no value: give 1 to 32 letters, digits, dots, dashes or underscores, a letter or digit first"},
		{"label", strings.Repeat("k", 33), `label is "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk": give 1 to 32 letters, digits, dots, dashes or underscores, a letter or digit first`},
		{"protection", "none", `protection is "none": give one of module-only, wrap-backup`},
		{"owner", "The Team", `owner is "The Team": give a person's id: small letters, digits and dashes, a letter first`},
		{"old-key", "a b", `old-key is "a b": give the label of a key: 1 to 32 letters, digits, dots, dashes or underscores`},
		{"set", "BYPZ 4XNR", `set is "BYPZ 4XNR": give the name of a share set: the first two groups of its cards, as in "QYPZ 4XNR"`},
		{"lifetime", "4y", `lifetime is "4y": give 3y or less`},
		{"lifetime", "37m", `lifetime is "37m": give 3y or less`},
		{"lifetime", "1096d", `lifetime is "1096d": give 3y or less`},
		{"lifetime", "two years", `lifetime is "two years": give a period: 2y, 18m or 90d`},
		{"lifetime", "0d", `lifetime is "0d": give a period: 2y, 18m or 90d`},
		{"planned", "2026-02-30", `planned is "2026-02-30": give a date: 2026-11-22`},
		{"token", "7700 4312", `token is "7700 4312": give a serial number: 1 to 16 characters without blanks`},
		{"bag", "a1", `bag is "a1": give a bag number: 3 to 32 capital letters, digits and dashes`},
		{"copies", "6", `copies is "6": give 5 or less`},
		{"copies", "1e1", `copies is "1e1": give a whole number from 1 to 1000`},
		{"reason", " ", `reason is " ": give 1 to 200 characters on one line`},
		{"reason", "end\u202eof life", `reason is "end·of life": give 1 to 200 characters on one line`},
		{"reason", "end\nof life", `reason is "end·of life": give 1 to 200 characters on one line`},
		{"reason", "\xff", `reason is "` + "\uFFFD" + `": give 1 to 200 characters on one line`},
		{"labl", "x", `there is no parameter "labl": give values for label, protection, owner, old-key, set, lifetime, planned, token, bag, copies, reason only`},
	} {
		values := map[string]string{"owner": "dana-weiss"}
		values[c.name] = c.value
		_, err := parse(t).Bind(values)
		var e *script.ValueError
		if !errors.As(err, &e) {
			t.Errorf("%s %q: %v", c.name, c.value, err)
			continue
		}
		if e.Parameter != c.name || e.Value != c.value || err.Error() != c.want {
			t.Errorf("%s %q is refused with\n%s, want\n%s", c.name, c.value, err, c.want)
		}
	}
	if _, err := parse(t).Bind(nil); err == nil || err.Error() != "owner has no value: give a person's id: small letters, digits and dashes, a letter first" {
		t.Errorf("without an owner: %v", err)
	}
}

func TestValuesThatFit(t *testing.T) {
	for name, values := range map[string][]string{
		"label":    {"a", "northwind-root-2026", "A.b_c-9"},
		"lifetime": {"3y", "36m", "1095d", "1d"},
		"copies":   {"1", "5"},
		"token":    {"1", "0123456789ABCDEF"},
		"set":      {"QYPZ 4XNR"},
		"planned":  {"2028-02-29"},
		"reason":   {"Schlüssel am Lebensende – «ersetzt»", "鍵"},
	} {
		for _, v := range values {
			b, err := parse(t).Bind(map[string]string{"owner": "dana", name: v})
			if err != nil || b.Values[name] != v {
				t.Errorf("%s %q: %v", name, v, err)
			}
		}
	}
}

func TestPeriod(t *testing.T) {
	from := time.Date(2026, time.November, 22, 0, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{"2y": "2028-11-22", "18m": "2028-05-22", "90d": "2027-02-20"} {
		p, err := script.ParsePeriod(s)
		if err != nil || p.From(from).Format(time.DateOnly) != want {
			t.Errorf("%s from 2026-11-22 ends %v (%v), want %s", s, p.From(from), err, want)
		}
	}
	for _, s := range []string{"", "y", "2", "02y", "-2y", "2Y", "2y ", "10000y", "2y6m"} {
		if _, err := script.ParsePeriod(s); err == nil {
			t.Errorf("%q was read as a period", s)
		}
	}
}

// A plan reads the same whatever its caller does with the bytes afterwards.
func TestSourceIsKept(t *testing.T) {
	source := read(t, scripts+"good.yaml")
	p, err := script.Parse(source, nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(source)
	if sha256.Sum256(p.Source) != p.SHA256 {
		t.Error("the plan lost its source")
	}
}

func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob(scripts + "bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, scripts+"good.yaml") {
		if b := read(f, path); len(b) < 4000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		p, err := script.Parse(source, nil)
		if err != nil {
			var e *script.Error
			if p != nil || !errors.As(err, &e) || e.Line < 1 || e.Col < 1 || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("%q is no place and reason", err)
			}
			return
		}
		if again, err := script.Parse(p.Source, nil); err != nil || again.SHA256 != p.SHA256 {
			t.Fatalf("read again: %v", err)
		}
		b, err := p.Bind(nil)
		if err != nil {
			var e *script.ValueError
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		for i, s := range b.Steps() {
			if s.Number != i+1 {
				t.Fatalf("step %s has number %d", s.ID, s.Number)
			}
		}
	})
}

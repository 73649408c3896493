package rehearse

import (
	"encoding/json"
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claviger/ledger"
)

// row is one of the twenty requirements that amateurs skip and auditors fail. Forged
// names the records by which somebody would skip it, each in its ledger.
type row struct {
	number int
	words  string
	proof  string
	forged []string
}

// rows are those of the twenty that a rule of the record holds. The others are about
// a module's own data, a document, a file or a procedure, and have tests beside them.
var rows = []row{
	{1, "Script approved and frozen before the day", "Edit one byte of script → run refused", []string{
		"people/one byte of the script was changed after its order",
		"people/a ceremony of another script",
		"people/a ceremony of a withdrawn script",
		"people/a ceremony with another value",
		"people/a ceremony on no order of this site",
		"people/a ceremony after its window",
		"people/an order that nobody signed",
		"generation/a value that the script has not",
	}},
	{2, "Witness has only a witness role", "Same token in two roles on a step → refused", []string{
		"generation/one person twice",
		"generation/a person in a role not enrolled for",
		"generation/a witness authorises",
		"generation/one officer for both",
		"people/an enrolment as administrator and custodian",
		"people/the administrator holds a share",
		"custody/a movement to its own witness",
	}},
	{3, "Identity checked before first action", "No enrolment → no login", []string{
		"generation/a ceremony with somebody nobody enrolled",
		"generation/a ceremony key of somebody nobody enrolled",
		"generation/somebody who never arrived signs in",
		"generation/a login with one card",
		"generation/a custodian with another's card",
		"people/an enrolment without a document",
		"people/an enrolment seen by one",
		"people/an enrolment for which nobody vouched",
		"people/a retired person takes part",
	}},
	{4, "Deviations recorded, count on page 1", "Skip/repeat step forces 3E", []string{
		"generation/a step that is left out",
		"generation/a step that is done a second time",
		"generation/a step out of order",
		"generation/a phase that is not signed",
		"generation/a deviation left out of the seal",
		"people/a deviation that nobody describes",
		"people/a deviation of another number",
		"people/a deviation that one person heard",
		"people/a deviation that a custodian decides",
	}},
	{5, "A way to refuse signing", "“Do not agree” prints in full", []string{
		"generation/a verdict that is neither",
		"generation/a refusal without a reason",
		"generation/an agreement with a reason",
		"generation/a refusal left out of the seal",
		"generation/everyone attested, but one",
		"people/a silence without a word about it",
		"people/a silence that one attests",
	}},
	{9, "Wall-clock check and offset", "Clock jump mid-run → exception", []string{
		"generation/a step after the clock jumped",
		"generation/a clock that went back",
		"generation/a room whose clock nobody read",
		"generation/an offset that is no difference",
		"generation/a wall clock that is no time",
	}},
	{12, "Share packaging numbers and custody log for life", "Movement without witness → refused", []string{
		"custody/a movement that no witness watched",
		"custody/a movement by somebody else",
		"custody/another bag moved",
		"custody/the bag that was just opened",
		"custody/a bag that was used years ago",
		"custody/the step ends while it is out of its bag",
		"custody/a second card for one person",
		"custody/lost by the witness's word alone",
		"generation/a set whose last card is in no bag",
	}},
	{18, "Failed attempts, aborts, crashes stay in ledger", "Kill −9 mid-step → visible on resume", []string{
		"crash/resumed from another pause",
		"crash/resumed after its seal",
		"crash/resumed without what it relies on",
		"crash/a step goes on as if nothing had happened",
		"crash/a step begins while nobody knows what the crash left",
		"crash/another ceremony before the crashed one was resumed",
		"crash/a pause that hides a record",
		"generation/a run that relies on nothing",
		"generation/a run that counts wrong",
		"generation/another ceremony's record in the run",
		"generation/a login that was not recorded before",
	}},
}

// told is a ledger and what somebody could forge into it.
type told struct {
	s      *Site
	all    []ledger.Record
	forged map[string]forgery
}

// TestRowsOfRequirements: for every row the rules refuse the record by which it would
// be skipped, and claviger-verify, given a ledger with it, exits with 1 and names it.
func TestRowsOfRequirements(t *testing.T) {
	t.Parallel()
	verify := filepath.Join(t.TempDir(), "claviger-verify")
	if b, err := exec.CommandContext(t.Context(), "go", "build", "-o", verify, "../../cmd/claviger-verify").CombinedOutput(); err != nil {
		t.Fatalf("couldn't build the checker: %v\n%s", err, b)
	}
	ledgers := map[string]told{}
	s, all, number := played(t)
	forged := forgeries(number)
	maps.Copy(forged, generationForgeries(faker{t, s, all}, number))
	ledgers["generation"] = told{s, all, forged}
	s, all = lived(t)
	ledgers["people"] = told{s, all, peopleForgeries(t, all)}
	s, all = cared(t)
	ledgers["custody"] = told{s, all, custodyForgeries(t, s, all)}
	s, all, number = crashed(t)
	ledgers["crash"] = told{s, all, crashForgeries(faker{t, s, all}, number)}

	var numbers []int
	for _, r := range rows {
		numbers = append(numbers, r.number)
		if len(r.forged) == 0 {
			t.Errorf("row %d, %q: nothing shows that it is refused", r.number, r.words)
		}
		for _, name := range r.forged {
			t.Run(r.words+"/"+name, func(t *testing.T) {
				in, what, _ := strings.Cut(name, "/")
				l := ledgers[in]
				f, ok := l.forged[what]
				if !ok {
					t.Fatalf("the ledger %q has no forgery called %q", in, what)
				}
				before, d, stored := f.made(t, l.all)
				if rule := stateRefuses(t, l.s, before, d, stored...); rule != f.rule {
					t.Errorf("the state refuses it by %q, want %s", rule, f.rule)
				}
				exit, found := checkerSays(t, verify, force(t, l.s, before, d, stored...))
				if exit != 1 || !slices.Contains(found, f.rule) {
					t.Errorf("claviger-verify exits with %d and finds %q, want 1 and %s", exit, found, f.rule)
				}
			})
		}
	}
	if want := []int{1, 2, 3, 4, 5, 9, 12, 18}; !slices.Equal(numbers, want) {
		t.Errorf("the table has the rows %v, want %v", numbers, want)
	}
}

// checkerSays runs the checker and gives its exit code and the rules that it names.
func checkerSays(t *testing.T, verify, path string) (int, []string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), verify, "--json", path)
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var result struct {
		Findings []struct {
			Rule string `json:"rule"`
		} `json:"findings"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var rules []string
	for _, f := range result.Findings {
		rules = append(rules, f.Rule)
	}
	return c.ProcessState.ExitCode(), rules
}

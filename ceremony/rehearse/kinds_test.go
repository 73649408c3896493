package rehearse

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/steps"
	"claviger/ledger"
)

// endsAtOnce are kinds that may end without a fact of their own: what people
// hear is in the sign-off of the phase; the seal is no result; and a key without
// media has none to destroy.
var endsAtOnce = []string{"read-fingerprint", "seal", "destroy-media"}

// TestKindsAreComplete: a kind of the table has a line for the manual, is played
// by a script whose transcript is committed, and its rules refuse a step that
// says it is done before it was played, and a record that is not its own.
func TestKindsAreComplete(t *testing.T) {
	t.Parallel()
	kinds := steps.Kinds()
	played, refused := map[string]bool{}, map[string]string{}
	all := besideShipped(t)
	for _, name := range shipped(t) {
		all[name] = Options{Script: name}
	}
	for name, o := range all {
		if _, err := os.Stat(filepath.Join("..", "..", "testdata", "transcripts", name+".txt")); err != nil {
			t.Errorf("%s has no committed transcript: %v", name, err)
		}
		on := o.Script
		if !slices.Contains(shipped(t), on) {
			on = "enrol" // on a site that is open, and no more
		}
		sc := before(t, on)
		defer sc.clear()
		s, tr := sc.open(t, &fate{}, nil)
		if err := os.WriteFile(s.Folder.Policy(), assets.Policy(), 0o600); err != nil {
			t.Fatal(err)
		}
		tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
			if p.Problem != nil && p.Problem.Code == "person.rekey" {
				*a = otherwise(*a, decided())
			}
		}
		src, err := Source(o.Script)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Begin(t.Context(), src, o.Set); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		number := s.State().Ceremonies[len(s.State().Ceremonies)-1].Number
		s.Engine.Close()
		all := sc.records(t)
		for i, r := range all {
			b, err := ceremony.Body(r)
			if err != nil {
				t.Fatal(err)
			}
			st, ok := b.(*ceremony.StepStarted)
			if !ok || r.Ceremony != number {
				continue
			}
			played[st.Kind] = true
			done := ceremony.Result{Attempt: st.Attempt, Facts: []ceremony.Line{}, Outcome: ceremony.Finished, Step: st.Step}
			if rule := sc.refuses(t, all[:i+1], ceremony.ResultKind, done); rule != "" {
				refused[st.Kind] = rule
			}
			// The record of a step that no step of this kind writes, with nothing that
			// the common rules refuse before the kind is asked.
			other, body := ceremony.KeyDestroyedKind, any(ceremony.KeyDestroyed{})
			if st.Kind == "conclude-destruction" {
				other, body = ceremony.ItemCheckedKind, ceremony.ItemChecked{}
			}
			if rule := sc.refuses(t, all[:i+1], other, body); rule != "step.foreign" {
				t.Errorf("%s, step %q takes a record that is not its own: %q", name, st.Step, rule)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if doc := kinds[name].Doc(); doc == "" || strings.Contains(doc, "\n") || !strings.HasSuffix(doc, ".") {
			t.Errorf("%s: its line for the manual is %q", name, doc)
		}
		if !played[name] {
			t.Errorf("nothing that is rehearsed has a step of kind %s, so no transcript shows it", name)
		}
		if refused[name] == "" && !slices.Contains(endsAtOnce, name) {
			t.Errorf("a step of kind %s may end before anything of it was played", name)
		}
	}
}

// TestEveryQuestionHasItsView: what a step can ask, the window presents.
func TestEveryQuestionHasItsView(t *testing.T) {
	room, err := os.ReadFile(filepath.Join("..", "room.go"))
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`(?m)^\t((?:Ask|Show)\w+)\s+(?:PromptKind )?= "`).FindAllStringSubmatch(string(room), -1)
	if len(asked) < 10 {
		t.Fatalf("only %d kinds of question were found", len(asked))
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "ui", "flow", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var flow strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		flow.Write(b)
	}
	for _, a := range asked {
		if !strings.Contains(flow.String(), "ceremony."+a[1]) {
			t.Errorf("nothing presents %s", a[1])
		}
	}
}

// records of the whole ledger.
func (sc *scene) records(t testing.TB) []ledger.Record {
	t.Helper()
	head, err := sc.store.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var all []ledger.Record
	for r, err := range sc.store.Records(context.Background(), 0, head.Size) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// refuses gives the rule by which a record is refused after others, "" where it
// is admitted.
func (sc *scene) refuses(t testing.TB, before []ledger.Record, kind string, body any) string {
	t.Helper()
	s := ceremony.NewState(steps.Kinds(), func(h ledger.Hash) ([]byte, error) { return sc.store.Blob(context.Background(), h) })
	for _, r := range before {
		if _, err := s.Next(r); err != nil {
			t.Fatal(err)
		}
	}
	last := before[len(before)-1]
	rs, err := ledger.Build(ledger.Head{Size: last.Seq + 1, Last: last.Leaf}, ledger.Draft{Ceremony: last.Ceremony, Kind: kind, V: 1, Time: last.Time, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Next(rs[0])
	var refusal *ceremony.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal == nil {
		return ""
	}
	return refusal.Rule
}

// weigh is a kind that no version of the program has. All that a new kind takes
// is here: its type, its row in the table and a script that names it.
type weigh struct{}

func (weigh) Name() string { return "weigh" }
func (weigh) Version() int { return 1 }
func (weigh) Doc() string  { return "The HSM is put on a scale." }

func (weigh) Play(*ceremony.World, script.Step) error { return nil }

func (weigh) Acts(*ceremony.State, script.Step) ([]ceremony.Act, error) { return nil, nil }

func (weigh) Check(_ *ceremony.State, _ script.Step, _ ledger.Record, body any) error {
	if b, ok := body.(*ceremony.Result); !ok || len(b.Facts) != 1 || b.Facts[0].Label != "Weight" {
		return &ceremony.Broken{Rule: "weigh.unweighed", Why: "nobody read the scale"}
	}
	return nil
}

func (weigh) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	a, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Title: "Weigh it", Fields: []ceremony.Field{{Name: "weight", Label: "Weight in grams", Type: "text", Max: 6}}})
	if err != nil {
		return err
	}
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ResultKind, Body: ceremony.Result{Attempt: env.Attempt(),
		Facts: []ceremony.Line{{Label: "Weight", Value: a.Fields["weight"]}}, Outcome: ceremony.Finished, Step: st.ID}}})
}

func (weigh) Reconcile(context.Context, ceremony.Env, script.Step, ceremony.KnownIntent) (ceremony.Found, error) {
	return ceremony.Found{}, errors.New("a scale leaves nothing in the token")
}

// TestToyKind: a new kind touches its type, one row and one script, and is
// played, recorded and checked like any other; a program without it says that it
// does not know it and never skips it.
func TestToyKind(t *testing.T) {
	src := strings.Replace(string(source(t, "custody")), "kind: custody\n", "kind: weigh\n", 1)
	if _, err := script.Parse([]byte(src), steps.Kinds().Names()); err == nil || !strings.Contains(err.Error(), `the unknown step kind "weigh"`) {
		t.Errorf("a program without the kind says %v", err)
	}
	kinds := steps.Kinds()
	kinds["weigh"] = weigh{}
	sc := before(t, "custody")
	defer sc.clear()
	sc.kinds = kinds
	s, _ := sc.open(t, &fate{}, nil)
	if err := s.Begin(t.Context(), []byte(src), nil); err != nil {
		t.Fatal(err)
	}
	p := s.State().Ceremonies[len(s.State().Ceremonies)-1]
	if p.Status != ceremony.SealedStatus || p.Steps["items"].Facts[0].Label != "Weight" {
		t.Errorf("the ceremony is %s, and the step found %v", p.Status, p.Steps["items"].Facts)
	}
	if _, _, findings, err := ceremony.Fold(t.Context(), sc.store, kinds); err != nil || len(findings) > 0 {
		t.Errorf("with the kind: %v %v", findings, err)
	}
	_, _, findings, err := ceremony.Fold(t.Context(), sc.store, steps.Kinds())
	if err != nil || len(findings) == 0 {
		t.Errorf("without the kind nothing is found: %v", err)
	}
}

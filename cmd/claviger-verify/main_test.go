package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"claviger/ceremony/practicetest"
	"claviger/ceremony/rehearse"
)

// The test program is the checker, and its own module worker, as claviger is.
func TestMain(m *testing.M) {
	practicetest.Serve()
	testscript.Main(tidy{m}, map[string]func(){"claviger-verify": main})
}

type tidy struct{ *testing.M }

func (m tidy) Run() int {
	code := m.M.Run()
	if played.dir != "" {
		os.RemoveAll(played.dir)
	}
	return code
}

// published is the schema as programs find it; the scripts run elsewhere.
var published = func() string {
	path, err := filepath.Abs(filepath.Join("..", "..", "docs", "claviger-verify.schema.json"))
	if err != nil {
		panic(err)
	}
	return path
}()

// played is a rehearsed site that every script gets a copy of.
var played struct {
	once sync.Once
	dir  string
	err  error
}

func rehearsed() (string, error) {
	played.once.Do(func() {
		if played.dir, played.err = os.MkdirTemp("", "claviger-verify-"); played.err != nil {
			return
		}
		played.err = rehearse.Run(context.Background(), rehearse.Options{Script: "key-generation", Out: played.dir, Print: &bytes.Buffer{},
			Setting: rehearse.Setting{Worker: practicetest.Worker(), Host: practicetest.Workstation{}}})
	})
	return played.dir, played.err
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			dir, err := rehearsed()
			if err != nil {
				return err
			}
			for from, to := range map[string]string{"report.pdf": "report.pdf", "site.vkey": "site.vkey", "checkpoint.txt": "checkpoint.txt", "site/ledger.db": "ledger.db"} {
				b, err := os.ReadFile(filepath.Join(dir, from))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, to), b, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "first": first, "fits-schema": fitsSchema},
	})
}

// exits CODE ARG... runs the checker and demands its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	err := ts.Exec("claviger-verify", args[1:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// first TEXT demands that the first line of what was said holds the text.
func first(ts *testscript.TestScript, neg bool, args []string) {
	line, _, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	if strings.Contains(line, args[0]) == neg {
		ts.Fatalf("the first line is %q", line)
	}
}

// fits-schema demands that what was said for programs is what the published schema
// promises them.
func fitsSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: fits-schema")
	}
	schema, err := jsonschema.NewCompiler().Compile(published)
	ts.Check(err)
	said, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile("stdout")))
	ts.Check(err)
	ts.Check(schema.Validate(said))
}

// TestSchema: the output has exactly the members that the schema requires.
func TestSchema(t *testing.T) {
	b, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Required   []string `json:"required"`
		Properties map[string]struct {
			Const string `json:"const"`
			Items struct {
				Required []string `json:"required"`
			} `json:"items"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	if got, want := sorted(schema.Required), members(reflect.TypeFor[result]()); !slices.Equal(got, want) {
		t.Errorf("the schema requires %q, the output has %q", got, want)
	}
	if got, want := sorted(schema.Properties["findings"].Items.Required), members(reflect.TypeFor[problem]()); !slices.Equal(got, want) {
		t.Errorf("the schema requires %q of a finding, the output has %q", got, want)
	}
	if schema.Properties["schema"].Const != schemaName {
		t.Errorf("the schema is called %q", schema.Properties["schema"].Const)
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }

func members(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		out = append(out, t.Field(i).Tag.Get("json"))
	}
	return sorted(out)
}

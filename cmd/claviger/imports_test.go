package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport is the import law: for each of our packages, which of our packages
// its own files (tests apart) may import. "x/..." stands for x and everything
// below it. The law keeps the rules in one place (ceremony), the module's
// library in one process (hsm/p11), and what an auditor must trust small
// (ceremony/audit and what it needs).
//
// assets is embedded data without logic: it imports nothing, and whoever needs
// a word list, a font or a script may read it.
var mayImport = map[string][]string{
	"assets": {},

	"hsm/secret":  {},
	"hsm":         {"hsm/secret"},
	"hsm/p11":     {"hsm", "hsm/secret"},
	"hsm/worker":  {"hsm", "hsm/secret"},
	"hsm/softhsm": {"hsm", "hsm/secret"},
	"hsm/hsmtest": {"hsm", "hsm/secret", "hsm/softhsm"},

	"ledger":           {},
	"ledger/sqlite":    {"ledger"},
	"ledger/powerloss": {"ledger"}, // for tests

	"ceremony/script":  {},
	"ceremony/signoff": {"hsm/secret", "assets"},
	"ceremony/share":   {"hsm/secret", "assets"},
	"ceremony":         {"ledger", "hsm", "hsm/secret", "ceremony/script", "ceremony/signoff", "assets"},
	// A backup is read back from its medium, not from what the system remembers of it.
	"ceremony/steps": {"ceremony", "ceremony/medium", "ceremony/share",
		"ledger", "hsm", "hsm/secret", "ceremony/script", "ceremony/signoff", "assets"},
	"ceremony/report": {"ceremony",
		"ledger", "hsm", "hsm/secret", "ceremony/script", "ceremony/signoff", "assets"},
	"ceremony/audit": {"ledger", "ledger/sqlite", "ceremony", "ceremony/script",
		"ceremony/signoff", "ceremony/steps", "ceremony/report", "assets"},
	"ceremony/site": {"ceremony", "ceremony/report", "ceremony/share", "ceremony/steps",
		"ledger", "ledger/sqlite", "hsm", "hsm/secret", "hsm/worker"},
	"ceremony/rehearse": {"ceremony/...", "ledger", "ledger/sqlite",
		"hsm", "hsm/secret", "hsm/worker", "hsm/softhsm", "assets"},

	"ui/sample": {"ledger", "ceremony/...", "hsm", "hsm/secret", "assets"}, // for tests
	"ui/theme":  {"assets"},
	"ui/kit":    {"ui/theme", "hsm/secret", "assets"},
	"ui/flow":   {"ceremony/...", "ledger", "hsm", "hsm/secret", "assets"},
	"ui/view":   {"ui/...", "ceremony", "hsm/secret", "assets"},
	"ui":        {"ui/...", "ceremony", "hsm/secret", "assets"},

	"ceremony/medium": {},

	forTests: {"ceremony", "ceremony/share", "hsm/p11", "hsm/worker"},

	"cmd/claviger":        {"..."},
	"cmd/claviger-verify": {"ceremony/audit", "ledger"},
}

// forTests serves test programs alone; nothing that is shipped may import it.
const forTests = "ceremony/practicetest"

// keptBy names, for each part we did not write, the only packages whose own
// files may import it: to replace or review the part is to open one folder.
var keptBy = []struct {
	part   string
	by     []string
	reason string
}{
	{"modernc.org/sqlite", []string{"ledger/sqlite"},
		"the ledger's bytes and rules must not depend on how they are stored"},
	{"github.com/miekg/pkcs11", []string{"hsm/p11"},
		"a vendor's library is loaded in a process of its own, by one package"},
	{"C", []string{"hsm/p11", "hsm/hsmtest"},
		"C can corrupt the memory of the process that it runs in"},
	{"github.com/hashicorp/vault", []string{"ceremony/share"},
		"its shares carry no checks: every check stands around it, in one place"},
	{"github.com/jung-kurt/gofpdf", []string{"ceremony/report"},
		"evidence is made in one place, from records alone"},
	{"github.com/pdfcpu/pdfcpu", []string{"ceremony/audit"},
		"a PDF from outside is hostile until one package has read it"},
	{"fyne.io/fyne", []string{"ui", "ui/theme", "ui/kit", "ui/view", "cmd/claviger"},
		"presenters and everything below them are tested, and rehearsed, without a window"},
	{"claviger/ledger/powerloss", nil,
		"it makes damaged disks, for tests"},
	{"claviger/" + forTests, nil,
		"it serves test programs"},
	{"testing", []string{"hsm/hsmtest", forTests},
		"what is shipped must not carry test code or its flags"},
}

// neverReach names what a package must not even reach through others.
var neverReach = []struct {
	packages []string
	part     string
	reason   string
}{
	{[]string{"assets", "hsm/...", "ledger/...", "ceremony/...", "ui/flow", "cmd/claviger-verify"},
		"fyne.io/fyne", "ceremonies run, and evidence is checked, on machines without a display"},
	{[]string{"assets", "hsm", "hsm/secret", "hsm/worker", "hsm/softhsm", "ledger/...", "ceremony/...", "ui/...", "cmd/claviger-verify"},
		"github.com/miekg/pkcs11", "only the worker process may load a vendor's library"},
	{[]string{"assets", "hsm/...", "ledger", "ceremony", "ceremony/script", "ceremony/signoff", "ceremony/share", "ceremony/steps", "ceremony/report"},
		"modernc.org", "a rule must hold over records wherever they come from"},
	{[]string{"assets", "hsm", "hsm/secret", "hsm/p11", "hsm/worker", "hsm/softhsm", "ledger/...", "ceremony/...", "ui/...", "cmd/..."},
		"testing", "what is shipped must not carry test code or its flags"},
}

const module = "claviger"

// listed is what the go command says of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Doc        string
	GoFiles    []string
	CgoFiles   []string
	Imports    []string
	Deps       []string
}

func TestImportLaw(t *testing.T) {
	// Without cgo as the checker is built, and with it as the window is: a
	// package must not hide an import behind the difference.
	for _, cgo := range []string{"0", "1"} {
		t.Run("CGO_ENABLED="+cgo, func(t *testing.T) {
			for _, p := range list(t, cgo, module+"/...") {
				checkOwnImports(t, p)
				checkKept(t, p)
				checkReach(t, p)
			}
		})
	}
}

// The auditor's checker is one static file in pure Go, for any machine.
func TestCheckerIsPureGo(t *testing.T) {
	all := list(t, "1", "-deps", module+"/...")
	for _, checker := range all {
		if checker.name() != "cmd/claviger-verify" {
			continue
		}
		for _, p := range all {
			if !p.Standard && len(p.CgoFiles) > 0 && slices.Contains(checker.Deps, p.ImportPath) {
				t.Errorf("%s reaches %s, which needs cgo", checker.name(), p.ImportPath)
			}
		}
	}
}

func TestEveryPackageHasItsManual(t *testing.T) {
	for _, p := range list(t, "1", module+"/...") {
		if p.Doc == "" {
			t.Errorf("%s has no package comment: it is the package's manual", p.name())
		}
	}
}

func checkOwnImports(t *testing.T, p listed) {
	t.Helper()
	may, known := mayImport[p.name()]
	if !known {
		t.Errorf("%s has no row in the import law: say in mayImport what it may import", p.name())
		return
	}
	for _, imported := range p.Imports {
		if own, isOurs := strings.CutPrefix(imported, module+"/"); isOurs && !matches(may, own) {
			t.Errorf("%s imports %s: the import law allows it only %v", p.name(), own, may)
		}
	}
}

func checkKept(t *testing.T, p listed) {
	t.Helper()
	for _, k := range keptBy {
		for _, imported := range p.Imports {
			if within(imported, k.part) && !slices.Contains(k.by, p.name()) {
				t.Errorf("%s imports %s, kept by %v: %s", p.name(), imported, k.by, k.reason)
			}
		}
	}
}

func checkReach(t *testing.T, p listed) {
	t.Helper()
	for _, n := range neverReach {
		if !matches(n.packages, p.name()) || p.name() == forTests {
			continue
		}
		if i := slices.IndexFunc(p.Deps, func(dep string) bool { return within(dep, n.part) }); i >= 0 {
			t.Errorf("%s reaches %s: %s", p.name(), p.Deps[i], n.reason)
		}
	}
}

func (p listed) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// within reports whether an import path is part, or below it, in any major version.
func within(imported, part string) bool {
	return imported == part || strings.HasPrefix(imported, part+"/")
}

// matches reports whether one of the patterns names the package.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if pattern == "..." {
			return true
		}
		if path.Base(pattern) == "..." {
			return within(name, path.Dir(pattern))
		}
		return pattern == name
	})
}

// list asks the go command for the packages that the arguments name, test-only
// folders apart. Fyne cannot be built without cgo, only listed; -e lets that
// pass here, and a package that does not build at all fails in its own tests.
func list(t *testing.T, cgo string, args ...string) []listed {
	t.Helper()
	watch(t)
	args = append([]string{"list", "-e", "-tags=x11,migrated_fynedo",
		"-json=ImportPath,Standard,Doc,GoFiles,CgoFiles,Imports,Deps"}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("couldn't list the packages: %v", err)
	}
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("couldn't read what the go command listed: %v", err)
		}
		if len(p.GoFiles)+len(p.CgoFiles) > 0 {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		t.Fatalf("couldn't find a package with go %s", strings.Join(args, " "))
	}
	return packages
}

// watch reads the module's folders. What a test itself reads, go test watches:
// otherwise a cached pass would outlive a change to a package not linked here.
func watch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatalf("couldn't read the module's folders: %v", err)
	}
}

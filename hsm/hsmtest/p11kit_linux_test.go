package hsmtest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"claviger/hsm"
	"claviger/hsm/softhsm"
)

// otherKit is the real p11-kit on a configuration of its own: a copy of its library
// whose fixed paths, as Debian builds it, are those below dir. They are replaced by
// paths of the same length that begin at the folder the program is started in.
type otherKit struct{ dir string }

func newOtherKit(t *testing.T) otherKit {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/libp11-kit.so.0")
	if err != nil || len(found) == 0 {
		t.Fatal("p11-kit is not installed (Debian package p11-kit); make test installs it", err)
	}
	code, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(filepath.Dir(found[0]), "pkcs11")
	var k otherKit
	for _, fixed := range []string{"/etc/pkcs11", "/usr/share/p11-kit/modules", modules} {
		if !bytes.Contains(code, []byte(fixed)) {
			t.Fatalf("this p11-kit does not read %s", fixed)
		}
		code = bytes.ReplaceAll(code, []byte(fixed), []byte("./"+k.inside(fixed)))
	}
	// Not t.TempDir, whose parent nobody else may enter: see run.
	dir, err := os.MkdirTemp("", "claviger-p11-kit-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	k.dir = dir
	library, err := softhsm.Available()
	if err != nil {
		t.Fatal(err)
	}
	softHSM, err := os.ReadFile(library)
	if err != nil {
		t.Fatal(err)
	}
	k.write(t, "libp11-kit.so.0", code)
	for _, name := range []string{"a.so", "b.so", "c.so"} { // p11-kit loads a library once
		k.write(t, filepath.Join(k.inside(modules), name), softHSM)
	}
	k.write(t, "softhsm2.conf", []byte("directories.tokendir = "+filepath.Join(dir, "tokens")+"\n"))
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "tokens"): 0o777} {
		if err := os.MkdirAll(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// inside is where a fixed path has gone.
func (k otherKit) inside(fixed string) string { return fixed[2:] }

func (k otherKit) write(t *testing.T, name string, content []byte) {
	t.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run gives "name path" of each module that p11-kit loads for a program of our name.
// It looks at no user's configuration when it is root, so it is not.
func (k otherKit) run(t *testing.T, libraries string) []string {
	t.Helper()
	path, err := exec.LookPath("p11-kit")
	if err != nil {
		t.Fatal("p11-kit is not installed (Debian package p11-kit); make test installs it")
	}
	cmd := exec.Command(path, "list-modules")
	cmd.Args[0], cmd.Dir = "claviger", k.dir
	cmd.Env = []string{"LC_ALL=C", "LD_LIBRARY_PATH=" + k.dir, "SOFTHSM2_CONF=" + filepath.Join(k.dir, "softhsm2.conf"), "XDG_CONFIG_HOME=" + filepath.Join(k.dir, "user"), "HOME=" + k.dir}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("p11-kit: %v\n%s", err, out)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		name, path, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(line, " ") {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(libraries, path)
		}
		list = append(list, name+" "+path)
	}
	return list
}

// TestModulesAsP11KitLoadsThem: for the same files, our reader and the real program
// name the same libraries in the same order.
func TestModulesAsP11KitLoadsThem(t *testing.T) {
	const pkg, system, user = "package", "system", "user"
	for name, files := range map[string]map[string]string{
		"nothing":                         {},
		"a package's":                     {pkg + "/a": "# comment\n\n module :  a.so  \nmanaged: yes"},
		"an absolute path":                {pkg + "/a": "module: LIB/a.so"},
		"a library that is not there":     {pkg + "/a": "module: gone.so", pkg + "/b": "module: b.so"},
		"a hash within a line":            {pkg + "/a": "module: a.so # not a comment", pkg + "/b": "module: b.so"},
		"names no library":                {pkg + "/a": "priority: 1", pkg + "/b": "module: b.so"},
		"in order of priority":            {pkg + "/a": "module: a.so\npriority: -1", pkg + "/b": "module: b.so", pkg + "/c": "module: c.so\npriority: 10"},
		"equal priority":                  {pkg + "/b": "module: b.so\npriority: 3", pkg + "/a": "module: a.so\npriority: 3"},
		"the system's priority":           {pkg + "/a": "module: a.so", pkg + "/b": "module: b.so", system + "/b": "priority: 1"},
		"disabled for us":                 {pkg + "/a": "module: a.so\ndisable-in: claviger", pkg + "/b": "module: b.so"},
		"disabled for others":             {pkg + "/a": "module: a.so\ndisable-in: firefox, claviger-verify"},
		"disabled, with blanks":           {pkg + "/a": "module: a.so\ndisable-in: firefox claviger", pkg + "/b": "module: b.so"},
		"enabled for us":                  {pkg + "/a": "module: a.so\nenable-in: firefox,claviger"},
		"enabled for others":              {pkg + "/a": "module: a.so\nenable-in: firefox", pkg + "/b": "module: b.so"},
		"enabled for nobody":              {pkg + "/a": "module: a.so\nenable-in:", pkg + "/b": "module: b.so"},
		"enabled and disabled":            {pkg + "/a": "module: a.so\nenable-in: claviger\ndisable-in: claviger", pkg + "/b": "module: b.so\nenable-in: x\ndisable-in: y"},
		"the system enables again":        {pkg + "/a": "module: a.so\ndisable-in: claviger", system + "/a": "disable-in:"},
		"the system disables":             {pkg + "/a": "module: a.so", pkg + "/b": "module: b.so", system + "/a": "disable-in: claviger"},
		"the system names another":        {pkg + "/a": "module: a.so", system + "/a": "module: c.so"},
		"the user adds":                   {pkg + "/a": "module: a.so", user + "/b": "module: b.so"},
		"the user disables":               {pkg + "/a": "module: a.so", pkg + "/b": "module: b.so", user + "/a": "disable-in: claviger"},
		"the user over the system":        {pkg + "/a": "module: a.so", system + "/a": "priority: 1\nmodule: b.so", user + "/a": "module: c.so"},
		"the user may not":                {pkg + "/a": "module: a.so", user + "/b": "module: b.so", system: "user-config: none", user: "user-config: only"},
		"the user's only":                 {pkg + "/a": "module: a.so", user + "/b": "module: b.so", user: "user-config: only"},
		"the system says the user's only": {pkg + "/a": "module: a.so", user + "/b": "module: b.so", system: "user-config: only"},
		"the user wants none":             {pkg + "/a": "module: a.so", user + "/b": "module: b.so", user: "user-config: none"},
		"merged in so many words":         {pkg + "/a": "module: a.so", user + "/b": "module: b.so", system: "user-config: merge"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newOtherKit(t)
			found, err := filepath.Glob(filepath.Join(k.dir, "sr", "lib", "*", "pkcs11"))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			ours := hsm.P11Kit{Package: filepath.Join(k.dir, k.inside("/usr/share/p11-kit/modules")), System: filepath.Join(k.dir, k.inside("/etc/pkcs11")),
				User: filepath.Join(k.dir, "user", "pkcs11"), Libraries: found, ForProgram: "claviger"}
			folders := map[string]string{pkg: ours.Package, system: filepath.Join(ours.System, "modules"), user: filepath.Join(ours.User, "modules")}
			for file, text := range files {
				layer, module, is := strings.Cut(file, "/")
				path := filepath.Join(folders[layer], module+".module")
				if !is {
					path = filepath.Join(filepath.Dir(folders[layer]), "pkcs11.conf")
				}
				inside, err := filepath.Rel(k.dir, path)
				if err != nil {
					t.Fatal(err)
				}
				k.write(t, inside, []byte(strings.ReplaceAll(text, "LIB", found[0])+"\n"))
			}
			list, err := ours.Modules()
			if err != nil {
				t.Fatal(err)
			}
			var mine []string
			for _, m := range list {
				if m.Not == "" {
					mine = append(mine, m.Name+" "+m.Path)
				}
			}
			if theirs := k.run(t, found[0]); !slices.Equal(mine, theirs) {
				t.Errorf("we load %q, p11-kit %q", mine, theirs)
			}
			if len(mine) == 0 && len(files) > 0 {
				t.Errorf("the case shows nothing: %v", list)
			}
		})
	}
}

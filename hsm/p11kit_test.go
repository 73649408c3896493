package hsm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claviger/hsm"
)

// kit writes files into folders of its own and reads them as p11-kit's.
func kit(t *testing.T, files map[string]string) hsm.P11Kit {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return hsm.P11Kit{Package: filepath.Join(dir, "package"), System: filepath.Join(dir, "system"), User: filepath.Join(dir, "user"),
		Libraries: []string{filepath.Join(dir, "lib")}, ForProgram: "claviger"}
}

func TestModulesOfP11Kit(t *testing.T) {
	const libs = "lib/a.so lib/b.so other/c.so"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		err   string
	}{
		"nothing": {nil, "", ""},
		"a package's, relative and absolute": {map[string]string{
			"package/a.module": "# a comment\n\n  module :  a.so  \nmanaged: yes\n", "package/c.module": "module: DIR/other/c.so"},
			"a=lib/a.so c=other/c.so", ""},
		"no module file": {map[string]string{"package/a.conf": "module: a.so", "package/.module": "module: a.so"}, "", ""},
		"the system changes the package's": {map[string]string{
			"package/a.module": "module: a.so\ndisable-in: claviger", "system/modules/a.module": "disable-in:"}, "a=lib/a.so", ""},
		"the system turns it off": {map[string]string{
			"package/a.module": "module: a.so", "system/modules/a.module": "disable-in: firefox, claviger"}, "a=lib/a.so(disabled for claviger)", ""},
		"the user adds": {map[string]string{"package/a.module": "module: a.so", "user/modules/b.module": "module: b.so"}, "a=lib/a.so b=lib/b.so", ""},
		"the user may not": {map[string]string{"package/a.module": "module: a.so", "user/modules/b.module": "module: b.so",
			"system/pkcs11.conf": "user-config: none", "user/pkcs11.conf": "user-config: only"}, "a=lib/a.so", ""},
		"the user's only":    {map[string]string{"package/a.module": "module: a.so", "user/modules/b.module": "module: b.so", "user/pkcs11.conf": "user-config: only"}, "b=lib/b.so", ""},
		"enabled for others": {map[string]string{"package/a.module": "module: a.so\nenable-in: firefox seahorse"}, "a=lib/a.so(enabled only in firefox seahorse)", ""},
		"enabled for us":     {map[string]string{"package/a.module": "module: a.so\nenable-in: firefox,claviger"}, "a=lib/a.so", ""},
		"both: enabled wins": {map[string]string{"package/a.module": "module: a.so\nenable-in: claviger\ndisable-in: claviger"}, "a=lib/a.so", ""},
		"twice":              {map[string]string{"package/a.module": "module: a.so", "package/z.module": "module: DIR/lib/a.so\npriority: 7"}, "z=lib/a.so a=lib/a.so(the library of \"z\" again)", ""},
		"in order of priority": {map[string]string{"package/a.module": "module: a.so\npriority: -1", "package/b.module": "module: b.so\npriority: much",
			"package/c.module": "module: DIR/other/c.so\npriority: 10"}, "c=other/c.so b=lib/b.so a=lib/a.so", ""},
		"not there":      {map[string]string{"package/a.module": "module: gone.so"}, "a=lib/gone.so(not there)", ""},
		"remote":         {map[string]string{"package/a.module": "remote: |ssh host p11-kit remote a.so"}, "a=(another program)", ""},
		"names none":     {map[string]string{"package/a.module": "priority: 1"}, "a=(names no library)", ""},
		"one is damaged": {map[string]string{"package/a.module": "module a.so", "package/b.module": "module: b.so"}, "b=lib/b.so", `line 1 is "module a.so"`},
		"one is huge":    {map[string]string{"package/a.module": strings.Repeat("#", 70000)}, "", "more than 65536 bytes"},
	} {
		files := map[string]string{}
		for _, lib := range strings.Fields(libs) {
			files[lib] = ""
		}
		for file, text := range c.files {
			files[file] = text
		}
		k := kit(t, files)
		list, err := k.Modules()
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
		var got []string
		wants := strings.SplitAfter(c.want, ") ")
		for i, m := range list {
			path, err := filepath.Rel(filepath.Dir(k.Package), m.Path)
			if err != nil {
				path = ""
			}
			why := ""
			if m.Not != "" {
				why = "(" + m.Not + ")"
				// The words between the brackets are enough.
				if _, in, ok := strings.Cut(wants[min(i, len(wants)-1)], "("); ok && strings.Contains(m.Not, strings.TrimSuffix(in, ")")) {
					why = "(" + in
				}
			}
			got = append(got, fmt.Sprintf("%s=%s%s", m.Name, path, why))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

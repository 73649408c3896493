package hsm

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// P11Kit is where p11-kit keeps its configuration (pkcs11.conf(5)): which PKCS#11
// modules a machine has. Reading it loads none of them.
type P11Kit struct {
	Package    string   // modules as their packages configure them
	System     string   // pkcs11.conf, and modules/ as the machine's administrator wants them
	User       string   // the same of this user; "" for none
	Libraries  []string // where a module lies whose path is relative
	ForProgram string   // our name in enable-in and disable-in
}

// ModuleFile is one configured module.
type ModuleFile struct {
	Name string // the configuration's name, without ".module"
	Path string // of the library
	From string // the configuration file that named it last
	Not  string // why it is not to be loaded, in words; "" where it is
}

// DefaultP11Kit is this machine's, as p11-kit is built for Debian and most others.
func DefaultP11Kit() P11Kit {
	k := P11Kit{Package: "/usr/share/p11-kit/modules", System: "/etc/pkcs11", ForProgram: "claviger"}
	// As p11-kit does: what a user may write is not loaded by root.
	if dir, err := os.UserConfigDir(); err == nil && os.Geteuid() != 0 {
		k.User = filepath.Join(dir, "pkcs11")
	}
	for _, pattern := range []string{"/usr/lib/*/pkcs11", "/usr/lib/pkcs11", "/usr/lib64/pkcs11", "/usr/local/lib/pkcs11"} {
		found, err := filepath.Glob(pattern)
		if err == nil { // else the pattern itself is bad
			k.Libraries = append(k.Libraries, found...)
		}
	}
	return k
}

// maxConfig bounds one configuration file: they are a few lines.
const maxConfig = 64 << 10

// Modules lists the configured modules, those of the highest priority first, then by
// name. What cannot be read is left out and told in err, beside those that can.
func (k P11Kit) Modules() ([]ModuleFile, error) {
	var errs []error
	global := func(dir string) map[string]string {
		settings, err := readConfig(filepath.Join(dir, "pkcs11.conf"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return settings
	}
	layers := []string{k.Package, filepath.Join(k.System, "modules")}
	if k.User != "" {
		user := filepath.Join(k.User, "modules")
		mode := global(k.System)["user-config"]
		// A user may ask for less of the system's, never for more than it allows.
		if own := global(k.User)["user-config"]; own != "" && mode != "none" {
			mode = own
		}
		switch mode {
		case "none":
		case "only", "override":
			layers = []string{user}
		default: // merge, p11-kit's own default
			layers = append(layers, user)
		}
	}
	modules := make(map[string]map[string]string)
	from := make(map[string]string)
	for _, dir := range layers {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("couldn't list the PKCS#11 modules: %w", err))
		}
		for _, e := range entries {
			name, is := strings.CutSuffix(e.Name(), ".module")
			if !is || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			file := filepath.Join(dir, e.Name())
			settings, err := readConfig(file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if modules[name] == nil {
				modules[name] = make(map[string]string)
			}
			for key, value := range settings { // a later file changes what it names, no more
				modules[name][key] = value
				if key == "module" {
					from[name] = file
				}
			}
		}
	}
	priority := func(name string) int {
		n, err := strconv.Atoi(modules[name]["priority"])
		if err != nil { // none is told, or nothing that is one
			return 0
		}
		return n
	}
	var list []ModuleFile
	for name, settings := range modules {
		list = append(list, k.module(name, from[name], settings))
	}
	slices.SortFunc(list, func(a, b ModuleFile) int {
		return cmp.Or(cmp.Compare(priority(b.Name), priority(a.Name)), strings.Compare(a.Name, b.Name))
	})
	once(list)
	return list, errors.Join(errs...)
}

// once: a library that is configured twice shows the same tokens twice.
func once(list []ModuleFile) {
	first := make(map[string]string)
	for i := range list {
		m := &list[i]
		if m.Not != "" {
			continue
		}
		if other, again := first[m.Path]; again {
			m.Not = fmt.Sprintf("it is the library of %q again", other)
		} else {
			first[m.Path] = m.Name
		}
	}
}

func (k P11Kit) module(name, from string, settings map[string]string) ModuleFile {
	m := ModuleFile{Name: name, From: from}
	names := func(key string) []string {
		return strings.FieldsFunc(settings[key], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	}
	enable, hasEnable := settings["enable-in"]
	switch {
	case hasEnable && !slices.Contains(names("enable-in"), k.ForProgram):
		m.Not = fmt.Sprintf("it is enabled only in %s", enable)
	case !hasEnable && slices.Contains(names("disable-in"), k.ForProgram):
		m.Not = "it is disabled for " + k.ForProgram
	case settings["remote"] != "":
		m.Not = "it is reached through another program (remote), which Claviger does not start"
	case settings["module"] == "":
		m.Not = "its configuration names no library (module)"
	}
	if path := settings["module"]; path != "" {
		m.Path = k.library(path)
		if _, err := os.Stat(m.Path); err != nil && m.Not == "" {
			m.Not = "its library is not there"
		}
	}
	return m
}

// library finds a relative path in the first folder that has it.
func (k P11Kit) library(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	for _, dir := range k.Libraries {
		full := filepath.Join(dir, path)
		if _, err := os.Stat(full); err == nil {
			return full
		}
	}
	if len(k.Libraries) > 0 {
		return filepath.Join(k.Libraries[0], path)
	}
	return path
}

// readConfig reads "name: value" lines; a # begins a comment only at a line's start
// (pkcs11.conf(5), FILE FORMAT).
func readConfig(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the configuration of PKCS#11 modules: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("couldn't read the configuration of PKCS#11 modules: %w", err)
	case len(text) > maxConfig:
		return nil, fmt.Errorf("couldn't read %s: it has more than %d bytes", path, maxConfig)
	}
	settings := make(map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("couldn't read %s: line %d is %q, not \"name: value\"", path, number, line)
		}
		settings[name] = strings.TrimSpace(value)
	}
	return settings, lines.Err()
}

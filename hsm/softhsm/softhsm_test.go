package softhsm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claviger/hsm/softhsm"
)

func TestConfig(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "practice", "softhsm")
	conf, err := softhsm.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "tokens"): 0o700, conf: 0o600} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, st.Mode().Perm(), want)
		}
	}
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "directories.tokendir = "+filepath.Join(dir, "tokens")+"\n") {
		t.Errorf("the tokens lie elsewhere:\n%s", text)
	}
	if env := softhsm.Env(conf); len(env) != 1 || env[0] != "SOFTHSM2_CONF="+conf {
		t.Errorf("got %v", env)
	}
}

func TestConfigKeepsAStore(t *testing.T) {
	dir := t.TempDir()
	conf, err := softhsm.Config(dir)
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "tokens", "token.object")
	if err := os.WriteFile(token, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := softhsm.Config(dir)
	if err != nil || again != conf {
		t.Errorf("got %s, %v", again, err)
	}
	if text, err := os.ReadFile(token); err != nil || string(text) != "key" {
		t.Errorf("the token is %q, %v", text, err)
	}
}

// A relative folder is found from anywhere: the worker runs elsewhere.
func TestConfigIsAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	conf, err := softhsm.Config("store")
	if err != nil || !filepath.IsAbs(conf) {
		t.Errorf("got %q, %v", conf, err)
	}
}

func TestConfigRefuses(t *testing.T) {
	if _, err := softhsm.Config("two\nlines"); err == nil {
		t.Error("a folder's name wrote a second line into the configuration")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := softhsm.Config(file); err == nil {
		t.Error("a store inside a file")
	}
}

// Package softhsm prepares SoftHSM, a PKCS#11 token made of files, for practice
// sites and tests. Its keys are files: nothing here is for real keys.
//
// SoftHSM reads where its tokens lie from a file that the environment names, and
// it reads it once. So each store needs a process of its own:
//
//	conf, err := softhsm.Config(dir)
//	worker.Start(ctx, worker.Options{ModulePath: path, Env: softhsm.Env(conf), …})
//
// Tokens are then initialised through hsm.Module.InitToken with an empty serial
// number, so that no PIN ever stands on a command line.
package softhsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Available gives the path of SoftHSM's library on this machine.
func Available() (string, error) {
	var found []string
	for _, pattern := range []string{
		"/usr/lib/softhsm/libsofthsm2.so",
		"/usr/lib/*/softhsm/libsofthsm2.so",
		"/usr/lib/pkcs11/libsofthsm2.so",
		"/usr/lib64/pkcs11/libsofthsm2.so",
		"/usr/lib64/softhsm/libsofthsm2.so",
		"/usr/local/lib/softhsm/libsofthsm2.so",
		"/opt/homebrew/lib/softhsm/libsofthsm2.so",
	} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("couldn't look for SoftHSM: %w", err)
		}
		found = append(found, matches...)
	}
	if len(found) == 0 {
		return "", errors.New("couldn't find SoftHSM, the software token for practice: install the Debian package softhsm2 (apt-get install softhsm2)")
	}
	return found[0], nil
}

// Config writes dir/softhsm2.conf and makes dir/tokens beside it, for this user
// only. A store that is there already is kept.
func Config(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("couldn't prepare the SoftHSM store: %w", err)
	}
	if strings.ContainsAny(dir, "\n\r") {
		return "", fmt.Errorf("couldn't prepare the SoftHSM store: the folder's name %q has a line break", dir)
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return "", fmt.Errorf("couldn't prepare the SoftHSM store: %w", err)
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	text := "directories.tokendir = " + tokens + "\n" +
		"objectstore.backend = file\n" +
		"log.level = ERROR\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("couldn't prepare the SoftHSM store: %w", err)
	}
	return conf, nil
}

// Env is what the process that loads SoftHSM needs in its environment.
func Env(conf string) []string { return []string{"SOFTHSM2_CONF=" + conf} }

package hsm_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	"claviger/hsm"
)

func TestCheckRandom(t *testing.T) {
	sound := make([]byte, 64)
	for i := range sound {
		sound[i] = byte(i * 37)
	}
	with := func(at int, b ...byte) []byte { c := bytes.Clone(sound); copy(c[at:], b); return c }
	for name, c := range map[string]struct {
		drawn []byte
		says  string
	}{
		"sound":                {sound, ""},
		"nothing":              {nil, ""},
		"one byte":             {[]byte{0}, ""},
		"five in a row":        {with(9, 1, 1, 1, 1, 1), ""},
		"six in a row":         {with(9, 1, 1, 1, 1, 1, 1), "stuck"},
		"six at the end":       {with(58, 9, 9, 9, 9, 9, 9), "stuck"},
		"zeros":                {make([]byte, 32), "stuck"},
		"the same twice":       {append(bytes.Clone(sound), sound...), "repeats itself"},
		"the same twice, odd":  {append(append(bytes.Clone(sound), sound...), 1), "repeats itself"},
		"too short to be told": {[]byte{1, 2, 1, 2}, ""},
	} {
		err := hsm.CheckRandom(c.drawn)
		if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	drawn := make([]byte, 1<<20)
	if _, err := rand.Read(drawn); err != nil {
		t.Fatal(err)
	}
	if err := hsm.CheckRandom(drawn); err != nil {
		t.Errorf("the system's generator: %v", err)
	}
}

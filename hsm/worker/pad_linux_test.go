package worker

import (
	"testing"
	"time"

	"claviger/hsm/secret"
)

// TestPadHasItsOwnDeadline: a call that waits for people at the device is not ended
// like one that waits for the device alone.
func TestPadHasItsOwnDeadline(t *testing.T) {
	pin := secret.From([]byte("1234"))
	defer pin.Wipe()
	c := &Client{deadline: time.Minute, padDeadline: time.Hour}
	for name, call := range map[string]struct {
		in   []*secret.Buffer
		want time.Duration
	}{
		"no PIN is asked for":       {nil, time.Minute},
		"a PIN":                     {[]*secret.Buffer{pin}, time.Minute},
		"a PIN changed":             {[]*secret.Buffer{pin, pin}, time.Minute},
		"a login at the pad":        {[]*secret.Buffer{nil}, time.Hour},
		"a PIN changed at the pad":  {[]*secret.Buffer{nil, nil}, time.Hour},
		"one PIN of two is missing": {[]*secret.Buffer{pin, nil}, time.Minute},
	} {
		if got := c.allowed(call.in); got != call.want {
			t.Errorf("%s: %v, want %v", name, got, call.want)
		}
	}
}

package rehearse

import (
	"errors"
	"strings"
	"testing"

	"claviger/ceremony"
)

// TestForeignObjectStopsTheCeremony: another program left a key pair in the token.
// Nothing is made beside it before people have decided about it, and what they
// decide is a deviation.
func TestForeignObjectStopsTheCeremony(t *testing.T) {
	for _, decision := range []string{"abort", "continue"} {
		t.Run(decision, func(t *testing.T) {
			s, tr := openSite(t, setting(copySite(t), nil))
			library, env, err := SoftHSM(s.Folder.Practice())
			if err != nil {
				t.Fatal(err)
			}
			pin := userPIN(t, s)
			defer pin.Wipe()
			env = append(env, "CLAVIGER_TEST_PIN="+string(pin.Bytes()))
			tool(t, env, nil, "pkcs11-tool", "--module", library, "--login", "--pin", "env:CLAVIGER_TEST_PIN",
				"--keypairgen", "--key-type", "EC:prime256v1", "--label", "somebody else's", "--id", "f0e1")
			asked := 0
			tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
				if p.Problem == nil || p.Kind != ceremony.AskConfirm {
					return
				}
				if asked++; !strings.Contains(p.Problem.Happened, "2 objects that no record of this site made") {
					t.Errorf("people are told %q", p.Problem.Happened)
				}
				if len(s.State().Keys) > 0 {
					t.Error("a key was made before people had decided")
				}
				*a = otherwise(*a, decided("exposed", "unknown", "severity", "major", "effect", "nothing is claimed of it", "decision", decision))
			}
			err = s.Begin(t.Context(), generation(t), nil)
			p := newest(s, "key-generation")
			if asked != 1 || len(p.Deviations) != 1 {
				t.Fatalf("people were asked %d times, and %d deviations are recorded", asked, len(p.Deviations))
			}
			var stop *ceremony.Stop
			switch {
			case decision == "abort" && (!errors.As(err, &stop) || p.Status != ceremony.AbortedStatus || len(s.State().Keys) > 0):
				t.Errorf("the ceremony is %s with %d keys: %v", p.Status, len(s.State().Keys), err)
			case decision == "continue" && (err != nil || p.Status != ceremony.SealedStatus || len(s.State().Keys) != 1):
				t.Errorf("the ceremony is %s with %d keys: %v", p.Status, len(s.State().Keys), err)
			}
			if seen := s.State().Looked; seen == nil || len(seen.Unknown) != 2 || seen.Unknown[0].Label != "somebody else's" {
				t.Errorf("the record says of the token: %+v", seen)
			}
		})
	}
}

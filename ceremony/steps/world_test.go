package steps

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
)

// play reads a script and plays the world model over it, in every way that its
// conditions can go.
func play(source string) error {
	kinds := Kinds()
	plan, err := script.Parse([]byte(source), kinds.Names())
	if err != nil {
		return err
	}
	for _, values := range plan.Examples() {
		bound, err := plan.Bind(values)
		if err != nil {
			return err
		}
		if err := ceremony.PlayScript(bound, kinds); err != nil {
			return err
		}
	}
	return nil
}

// TestScriptsThatCannotWork: what could not be played to its end is refused when
// it is loaded, in one line that names the step.
func TestScriptsThatCannotWork(t *testing.T) {
	const (
		head  = "ceremony: c\nversion: 1\ntitle: T\nroles: { administrator: 1, witness: 1, officer: 2, custodian: 3 }\nparameters:\n  with-key: { type: choice, of: [yes-please, no-thanks], default: no-thanks }\nphases:\n  - title: P\n    steps:\n"
		room  = "{ id: room, kind: room-check }"
		desk  = "{ id: desk, kind: workstation-check }"
		roll  = "{ id: roll, kind: roll-call }"
		read  = "{ id: read, kind: read-fingerprint }"
		look  = "{ id: look, kind: identify-token }"
		open  = "{ id: open, kind: open-token }"
		auth  = "{ id: auth, kind: authorise, with: { step: make }, by: { officer: 2 } }"
		eyes  = "{ id: auth, kind: authorise, with: { step: make }, by: { officer: 2, witness: 1 } }"
		hands = "{ id: auth, kind: authorise, with: { step: make }, by: { administrator: 1, witness: 1 } }"
		one   = "{ id: auth, kind: authorise, with: { step: make }, by: { officer: 1 } }"
		make  = "{ id: make, kind: generate-key, with: { label: k, algorithm: ec-p256, purpose: sign, protection: module-only, owner: o, lifetime: 1y } }"
		try   = "{ id: att, kind: attest }"
		seal  = "{ id: seal, kind: seal }"
		out   = `{ id: out, kind: custody, with: { do: open, item: safe key } }`
		back  = `{ id: back, kind: custody, with: { do: close, item: safe key } }`
		check = `{ id: check, kind: custody, with: { do: check, item: safe key } }`
	)
	for _, c := range []struct {
		steps []string
		want  string // "" where it can be played
	}{
		{[]string{roll, look, open, auth, make, read, try, seal}, ""},
		{[]string{desk, roll, try, seal}, `step "roll" cannot work where it stands: the room and its clock are checked before`},
		{[]string{room, roll, try, seal}, `step "roll" cannot work where it stands: the workstation is checked before anybody types a secret on it`},
		{[]string{roll3, try, seal}, `step "roll" cannot work where it stands: the room`},
		{[]string{roll, look, open, auth, make, try, seal}, `step "att" cannot work where it stands: step "make" makes a key, and none reads its fingerprint aloud before people attest`},
		{[]string{roll, look, open, auth, strings.Replace(make, "ec-p256", "rsa-2", 1), read, try, seal}, `step "make" cannot work where it stands: "rsa-2" is no algorithm Claviger makes keys for`},
		{[]string{roll, look, open, auth, strings.Replace(make, "ec-p256", "aes-256", 1), read, try, seal}, `step "make" cannot work where it stands: it makes a pair that signs, and a key of aes-256 to sign is none`},
		{[]string{roll, look, open, auth, strings.Replace(make, "module-only", "none", 1), read, try, seal}, `step "make" cannot work where it stands: "none" is no protection`},
		{[]string{roll, out, back, look, open, try, seal}, ""},
		{[]string{roll, look, open, try}, "the script has no step of kind seal, so its ceremony could never end"},
		{[]string{roll, try, seal}, `step "seal" cannot work where it stands: the token has to be open to sign the seal`},
		{[]string{roll, look, open, seal}, `step "seal" cannot work where it stands: nobody has attested yet`},
		{[]string{roll, look, open, eyes, make, try, seal}, `step "auth" cannot work where it stands: an act of the HSM is authorised by officers, and beside them by owner or approver, not by witness (by)`},
		{[]string{roll, look, open, hands, make, try, seal}, `step "auth" cannot work where it stands: an act of the HSM is authorised by officers, and beside them by owner or approver, not by administrator (by)`},
		{[]string{look, open, roll, try, seal}, `step "open" cannot work where it stands: the roll call`},
		{[]string{roll, open, try, seal}, `step "open" cannot work where it stands: the roll call and the identification of the token come before`},
		{[]string{roll, look, open, make, try, seal}, `step "make" cannot work where it stands`},
		{[]string{roll, look, open, one, make, try, seal}, `step "auth" cannot work where it stands: dual control asks for two officers at least (by)`},
		{[]string{roll, look, auth, make, open, try, seal}, `step "make" cannot work where it stands`},
		{[]string{roll, look, open, try, seal, roll2}, `step "again" comes after the seal; the seal is the last step`},
		{[]string{try, roll, look, open, seal}, `step "att" cannot work where it stands: nobody is known yet`},
		{[]string{roll, out, look, open, try, seal}, `step "att" cannot work where it stands: step "out" opens the bag of safe key, and none closes it before people attest`},
		{[]string{roll, back, look, open, try, seal}, `step "back" cannot work where it stands: no step before opens the bag of safe key`},
		{[]string{roll, out, check, back, look, open, try, seal}, `step "check" cannot work where it stands: safe key is out of its bag since step "out"`},
		{[]string{roll, `{ id: lost, kind: custody, with: { do: burn, item: safe key } }`, look, open, try, seal}, `step "lost" cannot work where it stands: do is check, move, open, close, lose or destroy`},
		{[]string{roll, look, open, `{ id: bags, kind: closing-bags }`, try, seal}, `step "bags" cannot work where it stands: it does not say what is bagged`},
		// With the other choice nothing authorises it any more.
		{[]string{roll, look, open, strings.Replace(auth, "by:", "when: with-key == no-thanks, by:", 1), make, try, seal}, `step "make" cannot work where it stands`},
		{[]string{roll, look, open, `{ id: make, kind: destroy-key }`, try, seal}, `step "make" cannot work where it stands`},
	} {
		source := head
		if c.steps[0] != room && c.steps[0] != desk && c.steps[0] != roll3 {
			c.steps = append([]string{room, desk}, c.steps...)
		}
		for _, st := range c.steps {
			source += "      - " + st + "\n"
		}
		err := play(source)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v: %v", c.steps, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%v:\nrefused with %v\nwant         %s", c.steps, err, c.want)
		}
	}
}

// roll3 stands first, before anything was looked at.
const roll3 = "{ id: roll, kind: enrol-founders }"

const roll2 = "{ id: again, kind: roll-call }"

// TestUnplayableScripts: each file that reads well and could not be played is told in
// one line.
func TestUnplayableScripts(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "scripts", "bad", "world")
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(paths) < 12 {
		t.Fatalf("%d scripts, %v", len(paths), err)
	}
	var got strings.Builder
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		err = play(string(src))
		var broken *script.Error
		if err == nil || errors.As(err, &broken) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
		fmt.Fprintf(&got, "%s: %v\n", strings.TrimSuffix(filepath.Base(path), ".yaml"), err)
	}
	golden := filepath.Join(dir, "errors.golden")
	if os.Getenv("CLAVIGER_UPDATE") == "1" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != got.String() {
		t.Errorf("they are told otherwise (%v):\n%s", err, got.String())
	}
}

// TestOurScriptsWork: so can those that other tests play.
func TestOurScriptsWork(t *testing.T) {
	for _, name := range []string{"fifteen-steps", "change-policy"} {
		src, err := os.ReadFile(filepath.Join("..", "..", "testdata", "scripts", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := play(string(src)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShippedScriptsWork: every shipped script can be played in every way its
// conditions can go.
func TestShippedScriptsWork(t *testing.T) {
	files, err := assets.Scripts.ReadDir("scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := assets.Scripts.ReadFile("scripts/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := play(string(src)); err != nil {
			t.Error(fmt.Errorf("%s: %w", f.Name(), err))
		}
	}
}

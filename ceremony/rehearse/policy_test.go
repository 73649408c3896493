package rehearse

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
)

// TestPolicyIsAdopted: the opening adopts the shipped policy, and what it does
// not allow does not begin.
func TestPolicyIsAdopted(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if p := s.State().Policy; p == nil || p.Adopted.Version != 1 {
		t.Fatalf("the policy in force is %v", p)
	}
	long := bytes.Replace(generation(t), []byte("ceiling: 3y"), []byte("ceiling: 9y"), 1)
	plan := s.plan(t, long, map[string]string{"lifetime": "4y"})
	refusedBy(t, s.Hold(t.Context(), plan), "policy.lifetime")
	old := bytes.Replace(generation(t), []byte("ed25519]"), []byte("ed25519, rsa-2048, ec-p224, sm2]"), 1)
	for _, algorithm := range []string{"rsa-2048", "ec-p224", "sm2"} {
		refusedBy(t, s.Hold(t.Context(), s.plan(t, old, map[string]string{"algorithm": algorithm})), "policy.algorithm")
	}
	other := bytes.Replace(generation(t), []byte("of: [sign]"), []byte("of: [sign, guess]"), 1)
	refusedBy(t, s.Hold(t.Context(), s.plan(t, other, map[string]string{"purpose": "guess"})), "policy.purpose")
	if len(tr.asked) > 0 {
		t.Error("people were asked before the ceremony was refused")
	}
	holds(t, s, 0)
	for _, split := range [][2]int{{1, 3}, {2, 99}} {
		brokenBy(t, s.State().QuorumAllowed(ceremony.Activation, split[0], split[1]), "policy.quorum")
	}
	brokenBy(t, s.State().QuorumAllowed("tombola", 2, 3), "policy.quorum")
	// A real site makes no key before it has adopted one.
	brokenBy(t, ceremony.NewState(nil, nil).KeyAllowed("ec-p384", "sign", "2y", false), "policy.missing")
}

func brokenBy(t *testing.T, err error, rule string) {
	t.Helper()
	var broken *ceremony.Broken
	if !errors.As(err, &broken) || broken.Rule != rule {
		t.Errorf("got %v, want %s", err, rule)
	}
}

// TestExceptionIsTheOwners: another owner than the key's decides no exception.
func TestExceptionIsTheOwners(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	err := s.Begin(t.Context(), longLife(t), map[string]string{"lifetime": "5y", "owner": "farah-noor"})
	var refusal *ceremony.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != "policy.exception" {
		t.Errorf("got %v", err)
	}
	holds(t, s, 0)
}

// longLife lets owner and approver decide an exception before a key of five
// years is made.
func longLife(t *testing.T) []byte {
	t.Helper()
	src := bytes.Replace(generation(t), []byte("ceiling: 3y"), []byte("ceiling: 9y"), 1)
	src = bytes.Replace(src, []byte("custodian: 2 }"), []byte("custodian: 2, owner: 1, approver: 1 }"), 1)
	return bytes.Replace(src, []byte("      - id: authorise\n"), []byte(`      - id: exception
        kind: policy-exception
        say: "Owner and approver decide an exception."
        with: { step: generate, reason: "a root that outlives its rotation" }
        by: { owner: 1, approver: 1 }
      - id: authorise
`), 1)
}

func TestExceptionByOwnerAndApprover(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), longLife(t), map[string]string{"lifetime": "5y"}); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
	var signed []string
	for _, p := range tr.asked {
		if p.Kind == ceremony.AskSignOff && p.Act == ceremony.ActStep {
			signed = append(signed, p.Who.ID)
		}
	}
	if !slices.Equal(signed, []string{"dana-weiss", "tomas-novak"}) {
		t.Errorf("the exception was signed by %v", signed)
	}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Act == ceremony.ActStep && p.Who.ID == "tomas-novak" {
			a.Verdict, a.Reason = ceremony.Disagree, "two years are enough"
		}
	}
	if err := s.Begin(t.Context(), longLife(t), map[string]string{"lifetime": "5y"}); err == nil {
		t.Error("the key was made although the approver disagreed")
	}
	holds(t, s, 1)
}

// TestPolicyIsChangedInACeremony: by the file that the script names by its
// SHA-256, and only by that one.
func TestPolicyIsChangedInACeremony(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	src, err := os.ReadFile(filepath.Join("..", "..", "testdata", "scripts", "change-policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := bytes.Replace(assets.Policy(), []byte(`"ceiling": "3y"`), []byte(`"ceiling": "1y"`), 1)
	read, err := ceremony.ReadPolicy(file)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := read.SHA256()
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{"policy": sum.String()}
	if err := os.WriteFile(s.Folder.Policy(), assets.Policy(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(t.Context(), src, set); err == nil {
		t.Fatal("another file was adopted")
	}
	if s.State().Policy.Adopted.Version != 1 {
		t.Fatal("another file is in force")
	}
	if err := os.WriteFile(s.Folder.Policy(), file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := s.State().Policy.Adopted; p.Version != 2 || p.SHA256.String() != set["policy"] {
		t.Errorf("version %d, %s", p.Version, p.SHA256)
	}
	tr.asked = nil
	refusedBy(t, s.Begin(t.Context(), generation(t), nil), "policy.lifetime")
	holds(t, s, 0)
}

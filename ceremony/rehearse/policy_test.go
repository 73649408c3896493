package rehearse

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ledger"
)

// TestPolicyIsAdopted: the opening adopts the shipped policy, and what it does
// not allow does not begin.
func TestPolicyIsAdopted(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if p := s.State().Policy; p == nil || p.Adopted.Version != 1 {
		t.Fatalf("the policy in force is %v", p)
	}
	plan := s.plan(t, generation(t), map[string]string{"lifetime": "4y"})
	refusedBy(t, s.Hold(t.Context(), plan), "policy.lifetime")
	// What this program makes no keys of is no script, whatever a policy says.
	old := bytes.Replace(generation(t), []byte("ed25519]"), []byte("ed25519, rsa-2048, ec-p224, sm2]"), 1)
	for _, algorithm := range []string{"rsa-2048", "ec-p224", "sm2"} {
		refusedBy(t, s.Hold(t.Context(), s.plan(t, old, map[string]string{"algorithm": algorithm})), "script.invalid")
	}
	other := bytes.Replace(generation(t), []byte("of: [sign, "), []byte("of: [sign, guess, "), 1)
	refusedBy(t, s.Hold(t.Context(), s.plan(t, other, map[string]string{"purpose": "guess"})), "script.invalid")
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
	src := bytes.Replace(generation(t), []byte("custodian: 2 }"), []byte("custodian: 2, owner: 1, approver: 1 }"), 1)
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

// TestRootKeyLivesAsLongAsARoot: each purpose of a signing key has its own row of the
// policy, and the key is on record and on paper for that purpose.
func TestRootKeyLivesAsLongAsARoot(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	for purpose, over := range map[string]string{"sign": "4y", "certify-intermediate": "6y", "sign-code": "16m", "authenticate": "3y", "authorise": "3y"} {
		refusedBy(t, s.Begin(t.Context(), generation(t), map[string]string{"purpose": purpose, "lifetime": over}), "policy.lifetime")
	}
	if err := s.Begin(t.Context(), generation(t), map[string]string{"label": "root-key", "purpose": "certify-root", "lifetime": "10y", "protection": "wrap-backup"}); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
	p := s.Last("key-generation")
	i := slices.IndexFunc(slices.Collect(maps.Values(s.State().Keys)), func(k *ceremony.Key) bool { return k.Ceremony == p.Number && k.Body.Purpose == "certify-root" })
	if i < 0 {
		t.Fatal("no key that certifies as a root is on record")
	}
	paper, _ := onPaper(t, s, p.Number)
	hasAll(t, paper, "signing only, as a root CA")
	if err := s.provide(t.Context(), "key-backup"); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(t.Context(), source(t, "key-backup"), map[string]string{"key": "root-key"}); err != nil {
		t.Fatal(err)
	}
	if p := s.Last("key-backup"); p.Status != ceremony.SealedStatus || p.Plan.Values["key"] != "root-key" {
		t.Errorf("the backup of the root is %s", p.Status)
	}
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
	for algorithm, verdict := range map[string]string{"ec-p256": "refuse", "rsa-3072": "exception"} {
		row := fmt.Sprintf("{ \"name\": %q, \"verdict\": ", algorithm)
		file = bytes.Replace(file, []byte(row+`"allow"`), fmt.Appendf(nil, "%s%q", row, verdict), 1)
	}
	file = bytes.Replace(file, []byte(`"name": "ed25519"`), []byte(`"name": "ed448"`), 1)
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
	for _, algorithm := range []string{"ec-p256", "rsa-3072", "ed25519"} {
		refusedBy(t, s.Begin(t.Context(), generation(t), map[string]string{"algorithm": algorithm, "lifetime": "1y"}), "policy.algorithm")
	}
	holds(t, s, 0)
}

// TestMechanismsOfThePolicy: what the policy refuses wraps nothing: a record that says
// otherwise is refused. A policy that keeps no key of a kind says so.
func TestMechanismsOfThePolicy(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.provide(t.Context(), "key-restore"); err != nil {
		t.Fatal(err)
	}
	here := func(kind string) func(ledger.Record, any) bool {
		return func(r ledger.Record, _ any) bool { return r.Kind == kind }
	}
	by := func(mechanism string) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, upTo []ledger.Record, b any) ledger.Draft {
			b.(*ceremony.KeyWrapped).Mechanism = mechanism
			return draft(upTo[len(upTo)-1], b)
		}
	}
	eachRefused(t, s, everything(t, s), map[string]forgery{
		"wrapped by PKCS #1 v1.5":      {rule: "policy.mechanism", at: here(ceremony.KeyWrappedKind), forge: by("CKM_RSA_PKCS")},
		"wrapped by what nobody knows": {rule: "policy.mechanism", at: here(ceremony.KeyWrappedKind), forge: by("")},
	})
	for name, want := range map[string]string{"aes-kwp": "", "rsa-oaep-sha1": "", "md5": "policy.mechanism", "rsa-pkcs1-wrap": "policy.mechanism", "own": "policy.mechanism"} {
		if got := ruleOf(s.State().MechanismAllowed(name)); got != want {
			t.Errorf("%s is refused by %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct{ algorithm, purpose, lifetime, want string }{
		{"ec-p384", "certify-root", "15y", ""}, {"ec-p384", "certify-root", "16y", "policy.lifetime"}, {"ec-p384", "sign-code", "15m", ""},
		{"aes-256", "random-bits", "1d", "policy.purpose"}, {"ec-p384", "agree-once", "1d", "policy.purpose"}, {"ml-dsa-65", "sign", "1y", "policy.algorithm"},
	} {
		if got := ruleOf(s.State().KeyAllowed(c.algorithm, c.purpose, c.lifetime, false)); got != c.want {
			t.Errorf("%+v: refused by %q", c, got)
		}
	}
}

func ruleOf(err error) string {
	var b *ceremony.Broken
	if errors.As(err, &b) {
		return b.Rule
	}
	return ""
}

// TestQuantumHorizon: a pair whose use goes past 2035 is told of before it is made, and
// on paper.
func TestQuantumHorizon(t *testing.T) {
	for until, want := range map[string]bool{"2035-12-31": false, "2036-01-01": true, "2046-01-01": true, "": false} {
		for algorithm, classical := range map[string]bool{"ec-p384": true, "rsa-4096": true, "ed25519": true, "aes-256": false, "ml-dsa-65": false} {
			if got := ceremony.QuantumHorizon(algorithm, until) != ""; got != (want && classical) {
				t.Errorf("%s until %q warns: %v", algorithm, until, got)
			}
		}
	}
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), longLife(t), map[string]string{"lifetime": "15y"}); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(tr.asked, func(p ceremony.Prompt) bool {
		return p.Verb == "Generate now" && slices.ContainsFunc(p.Facts, func(f ceremony.Fact) bool { return f.Label == "Quantum horizon" })
	}) {
		t.Error("nobody was warned before the key was made")
	}
	paper, _ := onPaper(t, s, s.Last("key-generation").Number)
	hasAll(t, paper, "used past 2035, from when NIST IR 8547")
}

package steps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// adoptPolicy makes a policy the site's: the shipped one, or the file
// policy.json in the site's folder, whose SHA-256 the order names.
type adoptPolicy struct{ noActs }

const shipped = "default"

func (adoptPolicy) Name() string { return ceremony.PolicyStep }
func (adoptPolicy) Version() int { return 1 }
func (adoptPolicy) Doc() string {
	return "A policy is read, shown and signed: algorithms, cryptoperiods, quorums, and who keeps apart from whom."
}

func (adoptPolicy) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown {
		return fmt.Errorf("nobody is known yet who could adopt a policy")
	}
	if p := st.With["policy"]; p != shipped && !isHash(p) {
		return fmt.Errorf("it does not say which policy (with: policy), %q or the SHA-256 of the file", shipped)
	}
	return nil
}

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == len(ledger.Hash{})
}

func (adoptPolicy) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.SitePolicy:
		if want := st.With["policy"]; want != shipped && want != b.SHA256.String() {
			return broken("policy.ordered", "it is not the policy that was ordered")
		}
		return nil
	case *ceremony.Result:
		if !isFinish(b) {
			return foreign(st, r)
		}
		if s.Open.Proposed == nil {
			return broken("step.result", "no policy was read")
		}
		return signedByAll(s, st)
	}
	return foreign(st, r)
}

func (adoptPolicy) Signs(s *ceremony.State, _ script.Step) ([]ceremony.Line, error) {
	if s.Open.Proposed == nil {
		return nil, fmt.Errorf("no policy was read yet")
	}
	return policyLines(s.Open.Proposed.Adopted), nil
}

func policyLines(b ceremony.SitePolicy) []ceremony.Line {
	var allowed, excepted, refused, mechanisms, periods, quorums, apart []string
	for _, a := range b.Policy.Algorithms {
		switch a.Verdict {
		case "allow":
			allowed = append(allowed, a.Name)
		case "exception":
			excepted = append(excepted, a.Name)
		default:
			refused = append(refused, a.Name)
		}
	}
	for _, c := range b.Policy.Cryptoperiods {
		periods = append(periods, fmt.Sprintf("%s key to %s %s", c.Of, c.Purpose, c.Ceiling))
	}
	for _, m := range b.Policy.Mechanisms {
		if m.Verdict == "refuse" {
			refused = append(refused, m.Name)
		} else {
			mechanisms = append(mechanisms, m.Name)
		}
	}
	for _, q := range b.Policy.Quorums {
		quorums = append(quorums, fmt.Sprintf("%s: %d cards or more open, %d at most", q.Purpose, q.Least, q.Most))
	}
	for _, a := range b.Policy.Apart {
		apart = append(apart, strings.Join(a.Roles, ", "))
	}
	manager := "never enough to open a token"
	if b.Policy.OneManager {
		manager = "allowed"
	}
	lines := []ceremony.Line{line("Policy", fmt.Sprintf("%s, version %d", b.Policy.Title, b.Version)), hash("Policy SHA-256", b.SHA256.String()),
		line("Algorithms", strings.Join(allowed, ", ")), line("By exception", strings.Join(excepted, ", ")), line("Refused", strings.Join(refused, ", "))}
	if mechanisms != nil {
		lines = append(lines, line("Mechanisms", strings.Join(mechanisms, ", ")))
	}
	return append(lines,
		line("Longest use", strings.Join(periods, "; ")), line("Quorums", strings.Join(quorums, "; ")), line("Nobody has two of", strings.Join(apart, "; ")),
		line("Custodians under one manager", manager), line("Deviations without the approver", strings.Join(b.Policy.Deciders, ", ")))
}

func (k adoptPolicy) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	s := env.State()
	read, sum, err := readPolicy(env, st.With["policy"])
	if err != nil {
		return err
	}
	version := 1
	if s.Policy != nil {
		version = s.Policy.Adopted.Version + 1
	}
	b := ceremony.SitePolicy{Policy: read, SHA256: sum, Version: version}
	env.Shown(policyLines(b)...)
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Read the policy", Facts: facts(policyLines(b)),
		Text: "From the end of this step it is in force. Read it together; it is changed in a ceremony only."}); err != nil {
		return err
	}
	if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.SitePolicyKind, Body: b}}); err != nil {
		return err
	}
	if err := signStep(ctx, env, st, "adopt this policy"); err != nil {
		return err
	}
	return finish(ctx, env, st, policyLines(b)[:2]...)
}

// readPolicy gives the policy that the script names.
func readPolicy(env ceremony.Env, want string) (ceremony.Policy, ledger.Hash, error) {
	file, path := assets.Policy(), env.Site().Policy()
	if want != shipped {
		var err error
		file, err = os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return ceremony.Policy{}, ledger.Hash{}, &ceremony.Problem{Happened: "There is no " + path + ".", Safe: "The policy in force stands.", Do: "Put the policy that was ordered there, and resume."}
		}
		if err != nil {
			return ceremony.Policy{}, ledger.Hash{}, fmt.Errorf("couldn't read the policy: %w", err)
		}
	}
	read, err := ceremony.ReadPolicy(file)
	if err != nil {
		return read, ledger.Hash{}, err
	}
	sum, err := read.SHA256()
	if err == nil && want != shipped && sum.String() != want {
		err = &ceremony.Problem{Happened: "The file " + path + " is not the policy that was ordered.", Safe: "The policy in force stands.", Do: "Put the right file there, and resume.", Code: "SHA-256 " + sum.String()}
	}
	return read, sum, err
}

// policyException: owner and approver decide, with a reason, that a key may be
// what the policy keeps for exceptions.
type policyException struct{ noActs }

func (policyException) Name() string { return ceremony.ExceptionStep }
func (policyException) Version() int { return 1 }
func (policyException) Doc() string {
	return "Owner and approver sign a reasoned exception from the policy for the step named by \"with: step\"."
}

func (policyException) Play(w *ceremony.World, st script.Step) error {
	roles := map[string]int{}
	for _, by := range st.By {
		roles[by.Role] = by.Count
	}
	switch {
	case !w.PeopleKnown:
		return fmt.Errorf("nobody is known yet")
	case st.With["step"] == "" || st.With["reason"] == "":
		return fmt.Errorf("it does not say for which step and why (with: step, reason)")
	case len(roles) != 2 || roles["owner"] != 1 || roles["approver"] != 1:
		return fmt.Errorf("an exception is decided by owner and approver (by: { owner: 1, approver: 1 })")
	}
	return nil
}

func (policyException) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	target, _ := s.Open.Plan.Step(st.With["step"])
	if owner := s.Open.InRole("owner"); len(owner) != 1 || owner[0] != target.With["owner"] {
		return broken("policy.exception", "the owner of the key decides, %s", s.Someone(target.With["owner"]).Name)
	}
	return signedByAll(s, st)
}

func (policyException) Signs(s *ceremony.State, st script.Step) ([]ceremony.Line, error) {
	target, ok := s.Open.Plan.Step(st.With["step"])
	if !ok {
		return nil, fmt.Errorf("there is no step %q", st.With["step"])
	}
	why := "the policy allows it without"
	if err := s.KeyAllowed(target.With["algorithm"], target.With["purpose"], target.With["lifetime"], false); err != nil {
		why = err.Error()
	}
	return []ceremony.Line{line("Exception for", target.Title), line("Key", target.With["label"]), line("Asked", target.With["algorithm"]+", to "+target.With["purpose"]+", for "+target.With["lifetime"]),
		line("The policy", why), line("Reason", st.With["reason"])}, nil
}

func (k policyException) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	lines, err := k.Signs(env.State(), st)
	if err != nil {
		return err
	}
	if err := signStep(ctx, env, st, "decide this exception"); err != nil {
		return err
	}
	return finish(ctx, env, st, append(lines, line("Decided by", "owner and approver"))...)
}

// signStep has everyone whom the step asks for sign what it shows.
func signStep(ctx context.Context, env ceremony.Env, st script.Step, what string) error {
	for _, by := range st.By {
		people := env.State().Open.PresentIn(by.Role)
		for _, person := range people[:min(by.Count, len(people))] {
			so, err := env.SignOff(ctx, ceremony.SignOffAsk{Person: person, Role: by.Role, Act: ceremony.ActStep, Step: st.ID, Attempt: env.Attempt(),
				Title: env.State().Someone(person).Name + ", " + what})
			if err != nil {
				return err
			}
			if so.Verdict != ceremony.Agree {
				return &ceremony.Stop{Err: ceremony.ErrPaused, Reason: fmt.Sprintf("%s does not agree: %s", env.State().Someone(person).Name, so.Reason)}
			}
		}
	}
	return nil
}

// signedByAll: everyone whom the step asks for has agreed.
func signedByAll(s *ceremony.State, st script.Step) error {
	for _, by := range st.By {
		agreed := 0
		for _, sg := range s.Open.StepSigned[st.ID] {
			if sg.SignOff.Role == by.Role && sg.SignOff.Verdict == ceremony.Agree && sg.SignOff.Attempt == s.Open.Steps[st.ID].Attempt {
				agreed++
			}
		}
		if agreed < by.Count {
			return broken("step.unsigned", "%d as %s have to sign step %q, and %d did", by.Count, by.Role, st.ID, agreed)
		}
	}
	return nil
}

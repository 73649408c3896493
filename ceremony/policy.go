package ceremony

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// The site's policy: what keys may be made of and for how long, how a secret is
// split, who keeps apart from whom, who decides when the approver is away. It is
// data, versioned in the record, adopted and changed in ceremonies only. What is
// over a ceiling, or of an older algorithm, takes a reasoned exception by owner
// and approver; what is refused takes another policy.

// Policy is what a site agreed on.
type Policy struct {
	Algorithms    []PolicyAlgorithm `json:"algorithms"` // what is not named is refused
	Apart         []Apart           `json:"apart"`
	Cryptoperiods []Cryptoperiod    `json:"cryptoperiods"`
	Deciders      []string          `json:"deciders"`            // roles that decide a deviation while no approver is present
	Mechanisms    []PolicyAlgorithm `json:"mechanisms,omitzero"` // where there are any, what is not named is refused
	OneManager    bool              `json:"one-manager"`         // custodians enough to open a token may all report to one person
	Quorums       []Quorum          `json:"quorums"`
	Title         string            `json:"title"`
}

// PolicyAlgorithm: Verdict is allow, exception or refuse.
type PolicyAlgorithm struct {
	Name    string `json:"name"`
	Note    string `json:"note"`
	Source  string `json:"source"`
	Verdict string `json:"verdict"`
}

// Apart is a list of roles of which nobody has two.
type Apart struct {
	Roles  []string `json:"roles"`
	Source string   `json:"source"`
}

// What stands in the place of a cryptoperiod whose key nobody keeps.
const (
	NotManaged = "not managed" // it lives inside a generator, by the design of that
	OneStep    = "one step"    // it is wiped when the step that made it ends
)

// Cryptoperiod is how long a key is used: of a pair or a secret key, by purpose.
type Cryptoperiod struct {
	Ceiling   string `json:"ceiling"` // originator's use, at most
	Default   string `json:"default"`
	Of        string `json:"of"` // pair, secret
	Purpose   string `json:"purpose"`
	Recipient string `json:"recipient"` // how much longer what was made is read; "" as long
	Source    string `json:"source"`
}

// Quorum bounds the sets of a purpose: a threshold of Least or more, Most cards
// or fewer.
type Quorum struct {
	Least   int    `json:"least"`
	Most    int    `json:"most"`
	Purpose string `json:"purpose"`
}

// SitePolicy is a policy as it was adopted; it is in force once the step that
// adopts it has its result.
type SitePolicy struct {
	Policy  Policy      `json:"policy"`
	SHA256  ledger.Hash `json:"sha-256"` // of the policy in canonical form, as an order names it: jq -cSj . policy.json | sha256sum
	Version int         `json:"version"`
}

// KnownPolicy restates the policy in force.
type KnownPolicy struct {
	Adopted SitePolicy  `json:"adopted"`
	Leaf    ledger.Hash `json:"leaf"`
}

// ReadPolicy reads a policy's file: unknown names and a second document are
// refused, and every period must be one.
func ReadPolicy(file []byte) (Policy, error) {
	var p Policy
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("couldn't read the policy: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return p, fmt.Errorf("couldn't read the policy: something follows it")
	}
	return p, p.check()
}

// SHA256 is how an order names a policy.
func (p Policy) SHA256() (ledger.Hash, error) {
	canonical, err := ledger.Encode(p)
	if err != nil {
		return ledger.Hash{}, fmt.Errorf("couldn't encode the policy: %w", err)
	}
	return ledger.BlobHash(canonical), nil
}

func (p Policy) check() error {
	for _, a := range slices.Concat(p.Algorithms, p.Mechanisms) {
		if !slices.Contains([]string{"allow", "exception", "refuse"}, a.Verdict) {
			return fmt.Errorf("the policy says %q of %s: allow, exception or refuse", a.Verdict, a.Name)
		}
	}
	for _, c := range p.Cryptoperiods {
		if c.unkept() {
			continue
		}
		for _, v := range []string{c.Default, c.Ceiling} {
			if _, err := script.ParsePeriod(v); err != nil {
				return fmt.Errorf("the policy's cryptoperiod to %s: %w", c.Purpose, err)
			}
		}
	}
	for _, q := range p.Quorums {
		if q.Least < 2 || q.Most < q.Least {
			return fmt.Errorf("the policy's quorum for %s is no split of 2 or more", q.Purpose)
		}
	}
	return nil
}

// unkept: such a key is never kept, so no period is counted.
func (c Cryptoperiod) unkept() bool {
	return c.Default == c.Ceiling && (c.Default == NotManaged || c.Default == OneStep)
}

// policyAdopted judges a site.policy. It is in force from the result of its step.
func (s *State) policyAdopted(r *record, b *SitePolicy) error {
	if err := b.Policy.check(); err != nil {
		return r.refuse("policy.invalid", "%v", err)
	}
	sum, err := b.Policy.SHA256()
	if err != nil {
		return err
	}
	switch next := s.policyVersion() + 1; {
	case sum != b.SHA256:
		return r.refuse("policy.sha-256", "the policy is not the one with that SHA-256")
	case b.Version != next:
		return r.refuse("policy.version", "version %d of the policy is due, not %d", next, b.Version)
	}
	s.Open.Proposed = &KnownPolicy{Adopted: *b, Leaf: r.Leaf}
	return nil
}

func (s *State) policyVersion() int {
	if s.Policy == nil {
		return 0
	}
	return s.Policy.Adopted.Version
}

// Cryptoperiod is the policy's row for a key, if it has one.
func (p Policy) Cryptoperiod(algorithm, purpose string) (Cryptoperiod, bool) {
	of := "pair"
	if secretKey(algorithm) {
		of = "secret"
	}
	i := slices.IndexFunc(p.Cryptoperiods, func(c Cryptoperiod) bool { return c.Of == of && c.Purpose == purpose })
	if i < 0 {
		return Cryptoperiod{}, false
	}
	return p.Cryptoperiods[i], true
}

func secretKey(algorithm string) bool {
	return strings.HasPrefix(algorithm, "aes") || strings.HasPrefix(algorithm, "hmac") || strings.HasPrefix(algorithm, "generic")
}

// Signs: a private key of this purpose signs and does nothing else. The token knows one
// usage for all of them, CKA_SIGN; the policy tells them apart, because their
// cryptoperiods differ.
func Signs(purpose string) bool {
	switch purpose {
	case "sign", "authenticate", "authorise", "certify-root", "certify-intermediate", "sign-code":
		return true
	}
	return false
}

// PurposeWords tells people what a key is for.
func PurposeWords(purpose string) string {
	switch purpose {
	case "sign":
		return "signing only"
	case "authenticate":
		return "signing only, to authenticate"
	case "authorise":
		return "signing only, to authorise"
	case "certify-root":
		return "signing only, as a root CA"
	case "certify-intermediate":
		return "signing only, as an intermediate CA"
	case "sign-code":
		return "signing only, of code"
	case "wrap":
		return "wrapping keys only"
	case "encrypt":
		return "encryption only"
	case "derive":
		return "key agreement only"
	}
	return purpose
}

// ProtectionWords tells people what a protection means.
func ProtectionWords(p string) string {
	switch hsm.Protection(p) {
	case hsm.ModuleOnly:
		return "Sensitive · made on this token · can never leave it"
	case hsm.WrapBackup:
		return "Sensitive · made on this token · leaves it only wrapped"
	}
	return p
}

// KeyAllowed says, as a *Broken, why the policy in force does not let such a key
// be made. Excepted: owner and approver have decided an exception.
func (s *State) KeyAllowed(algorithm, purpose, lifetime string, excepted bool) error {
	if s.Policy == nil {
		if s.Site.Practice {
			return nil
		}
		return &Broken{"policy.missing", "this site has adopted no policy"}
	}
	p := s.Policy.Adopted.Policy
	i := slices.IndexFunc(p.Algorithms, func(a PolicyAlgorithm) bool { return a.Name == algorithm })
	switch {
	case i < 0:
		return &Broken{"policy.algorithm", fmt.Sprintf("the policy does not name the algorithm %s", algorithm)}
	case p.Algorithms[i].Verdict == "refuse":
		return &Broken{"policy.algorithm", fmt.Sprintf("the policy refuses %s (%s)", algorithm, p.Algorithms[i].Source)}
	case p.Algorithms[i].Verdict == "exception" && !excepted:
		return &Broken{"policy.algorithm", fmt.Sprintf("%s takes an exception by owner and approver (%s)", algorithm, p.Algorithms[i].Source)}
	}
	c, ok := p.Cryptoperiod(algorithm, purpose)
	if !ok {
		return &Broken{"policy.purpose", fmt.Sprintf("the policy has no cryptoperiod for a key of %s to %s", algorithm, purpose)}
	}
	if c.unkept() {
		return &Broken{"policy.purpose", fmt.Sprintf("a key of %s to %s is not kept: %s (%s)", algorithm, purpose, c.Default, c.Source)}
	}
	if longer(lifetime, c.Ceiling) && !excepted {
		return &Broken{"policy.lifetime", fmt.Sprintf("%s is longer than %s, the ceiling for this key (%s); owner and approver can decide an exception", lifetime, c.Ceiling, c.Source)}
	}
	return nil
}

// MechanismAllowed says, as a *Broken, why the policy in force does not let something
// be done so. A policy from before it named mechanisms says nothing of them.
func (s *State) MechanismAllowed(name string) error {
	if s.Policy == nil || len(s.Policy.Adopted.Policy.Mechanisms) == 0 {
		return nil
	}
	rows := s.Policy.Adopted.Policy.Mechanisms
	i := slices.IndexFunc(rows, func(m PolicyAlgorithm) bool { return m.Name == name })
	switch {
	case i < 0:
		return &Broken{"policy.mechanism", fmt.Sprintf("the policy does not name the mechanism %s", name)}
	case rows[i].Verdict != "allow":
		return &Broken{"policy.mechanism", fmt.Sprintf("the policy does not allow %s (%s)", name, rows[i].Source)}
	}
	return nil
}

// QuantumHorizon warns of a pair that is meant to be used when its algorithm will not
// be: until is the last day of its use. "" where there is nothing to say.
func QuantumHorizon(algorithm, until string) string {
	classical := strings.HasPrefix(algorithm, "rsa-") || strings.HasPrefix(algorithm, "ec-") || strings.HasPrefix(algorithm, "ed")
	if !classical || until < "2036" {
		return ""
	}
	return "It is meant to be used past 2035, from when NIST IR 8547 (a draft) disallows " + AlgorithmName(algorithm) + ": plan its successor."
}

// longer counts from a day with no leap day near, so that 1y is 12m and 365d.
func longer(period, than string) bool {
	a, err1 := script.ParsePeriod(period)
	b, err2 := script.ParsePeriod(than)
	from := time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC)
	return err1 != nil || err2 != nil || a.From(from).After(b.From(from))
}

// QuorumAllowed says, as a *Broken, why a secret may not be split so.
func (s *State) QuorumAllowed(purpose string, threshold, count int) error {
	if s.Policy == nil {
		return nil
	}
	quorums := s.Policy.Adopted.Policy.Quorums
	i := slices.IndexFunc(quorums, func(q Quorum) bool { return q.Purpose == purpose })
	switch {
	case i < 0:
		return &Broken{"policy.quorum", fmt.Sprintf("the policy names no quorum for %s", purpose)}
	case threshold < quorums[i].Least:
		return &Broken{"policy.quorum", fmt.Sprintf("the policy asks for %d cards at least, and %d would do", quorums[i].Least, threshold)}
	case count > quorums[i].Most:
		return &Broken{"policy.quorum", fmt.Sprintf("the policy allows %d cards at most, and there would be %d", quorums[i].Most, count)}
	}
	return nil
}

// ManagersApart says, as a *Broken, whether as many of these people as a set
// needs report to one manager, who could order them together (PCI PIN 25).
func (s *State) ManagersApart(people []string, threshold int) error {
	if s.Policy != nil && s.Policy.Adopted.Policy.OneManager {
		return nil
	}
	under := map[string]int{}
	for _, id := range people {
		h := s.People[id]
		if h == nil {
			continue
		}
		under[h.Body.Manager]++
		if under[h.Body.Manager] >= threshold {
			return &Broken{"custodian.one-manager", fmt.Sprintf("%d of them report to %s, and %d cards suffice", under[h.Body.Manager], orNobody(h.Body.Manager), threshold)}
		}
	}
	return nil
}

func orNobody(manager string) string {
	if manager == "" {
		return "nobody on record"
	}
	return manager
}

// Admitter is a kind that can tell at the start that its step could never be
// done: before anybody is in the room.
type Admitter interface {
	Admit(s *State, plan *script.Bound, st script.Step) error
}

// admitSteps asks every step of a ceremony that begins.
func (s *State) admitSteps(r *record, plan *script.Bound) error {
	for _, st := range plan.Steps() {
		k, ok := s.kinds[st.Kind].(Admitter)
		if !ok {
			continue
		}
		if err := k.Admit(s, plan, st); err != nil {
			return r.refuse(ruleOf(err, "step.impossible"), "step %q: %v", st.ID, err)
		}
	}
	return nil
}

// Signable is a kind whose people sign what it shows, with act step.
type Signable interface {
	Signs(s *State, st script.Step) ([]Line, error)
}

// Excepting is the step of a plan that decides an exception for another.
func Excepting(plan *script.Bound, step string) (script.Step, bool) {
	for _, st := range plan.Steps() {
		if st.Kind == ExceptionStep && st.With["step"] == step {
			return st, true
		}
	}
	return script.Step{}, false
}

// Excepted says whether owner and approver have decided an exception for a step.
func (p *Progress) Excepted(step string) bool {
	st, ok := Excepting(p.Plan, step)
	return ok && p.Steps[st.ID].Done
}

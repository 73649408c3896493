package flow

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/steps"
	"claviger/hsm"
)

// Preparation is the page before a ceremony: what will be held, by whom, with what,
// how long it takes, and whether the token can do it. Nothing has begun yet.
type Preparation struct {
	Title, About string
	Start        Start
	Script       Hash
	Aloud        string
	Order        []Fact // what was ordered; it cannot be changed here
	Fields       []Field
	People       []Fact
	Materials    []string
	Time         []Fact
	Trouble      *Trouble

	plan   *script.Plan
	values map[string]string // that are ordered
	people []ceremony.Part
	token  TokenSeen
	order  *ceremony.Order
}

// TokenSeen is the token of a ceremony as it was found before it: Fault says why it
// was not.
type TokenSeen struct {
	Info       hsm.TokenInfo
	Mechanisms []hsm.Mechanism
	Fault      string
}

// Casting is who would take part where no order names people: the practice people.
type Casting func(*script.Plan) ([]ceremony.Part, error)

// NewPreparation makes the page of a ceremony that can be held.
func NewPreparation(r Record, st Start, source []byte, cast Casting, token TokenSeen) (Preparation, error) {
	s := r.State
	plan, err := script.Parse(source, s.KnownKinds())
	if err != nil {
		return Preparation{}, fmt.Errorf("couldn't read the script: %w", err)
	}
	p := Preparation{Title: plan.Title, About: needsPeople(s.RolesFor(plan)), Start: st, plan: plan, token: token,
		Script: inWordsToo(fmt.Sprintf("Script %s, version %d: SHA-256", plan.Name, plan.Version), hex.EncodeToString(plan.SHA256[:]))}
	for _, m := range plan.Materials {
		p.Materials = append(p.Materials, material(m))
	}
	if st.Order != "" {
		i := slices.IndexFunc(s.Orders, func(o *ceremony.Order) bool { return o.Leaf.String() == st.Order })
		if i < 0 {
			return Preparation{}, fmt.Errorf("couldn't find the order %s", st.Order)
		}
		p.order = s.Orders[i]
		p.values, p.people = p.order.Body.Parameters, p.order.Body.People
		p.Aloud = "This ceremony was ordered. I read the first words of the script's hash, from the screen; compare them with the order that you hold: " + strings.Join(p.Script.Words[:8], " ") + "."
		p.Order = []Fact{said("Ordered by", called(s, p.order.Body.Approver)), said("May be held", window(p.order.Body)), said("Reference", p.order.Body.Reference)}
		for _, par := range plan.Parameters {
			p.Order = append(p.Order, said(par.Ask, valueInWords(s, par, p.values[par.Name])))
		}
	} else {
		for _, par := range st.Parameters {
			p.Fields = append(p.Fields, par.field())
		}
		if p.people, err = cast(plan); err != nil {
			return Preparation{}, err
		}
	}
	for _, part := range p.people {
		p.People = append(p.People, Fact{Label: role(part.Role), Value: called(s, part.Person)})
	}
	return p, nil
}

func material(m script.Material) string {
	what := m.What
	if m.Count > 1 {
		what = fmt.Sprintf("%s: %d", what, m.Count)
	}
	if len(m.Note) > 0 {
		what += "; its " + strings.Join(m.Note, " and ") + " number is written down"
	}
	return what
}

// Prepared is how the preparation stands with what is typed by now.
type Prepared struct {
	Wrong  Wrong
	Values map[string]string
	Checks []Check // people and token: all must be met
	Plan   []Fact  // how long it takes
}

// Ready says whether the ceremony can begin.
func (c Prepared) Ready() bool {
	return len(c.Wrong) == 0 && !slices.ContainsFunc(c.Checks, func(c Check) bool { return !c.Met })
}

// Check judges what is typed, as the engine will.
func (p Preparation) Check(s *ceremony.State, typed map[string]string, now time.Time) Prepared {
	out := Prepared{Values: p.values}
	if p.values == nil {
		out.Values, out.Wrong = filled(p.Fields, typed)
		if out.Wrong != nil {
			return out
		}
	}
	bound, err := p.plan.Bind(out.Values)
	if err != nil {
		out.Wrong = wrongValue(err, "")
		return out
	}
	if owner := out.Values["owner"]; owner != "" && s.People[owner] == nil && len(s.People) > 0 {
		out.Wrong = Wrong{"owner": fmt.Sprintf("Nobody with the id %q is enrolled.", owner)}
		return out
	}
	for _, k := range s.Keys {
		if label := out.Values["label"]; label != "" && k.Body.Label == label {
			out.Wrong = Wrong{"label": fmt.Sprintf("The label %q is taken by a key of ceremony %s. Choose another.", label, k.Ceremony)}
			return out
		}
	}
	approver := ""
	if p.order != nil {
		approver = p.order.Body.Approver
	}
	people := Check{Text: countOf(len(p.people), "person", "people") + ", each with one role, and no conflict among them", Met: true}
	if err := s.MayHold(bound, approver, s.OwnerOf(bound), p.people, now); err != nil {
		people.Met, people.Because = false, Why(err)
	}
	out.Checks = append([]Check{people}, p.token.checks(steps.Needs(bound))...)
	out.Plan = timePlan(bound, p.order, now)
	return out
}

// checks says whether a token is there and can do what is needed.
func (t TokenSeen) checks(needs []hsm.Need) []Check {
	if t.Fault != "" {
		return []Check{{Text: "The token is attached", Because: capital(t.Fault) + "."}}
	}
	name := strings.TrimSpace(t.Info.Label)
	if name == "" {
		name = "without a label"
	}
	out := []Check{{Text: "The token is attached", Met: true, Because: strings.TrimSpace(name + " · " + strings.TrimSpace(t.Info.Manufacturer+" "+t.Info.Model) + " · serial number " + cmp.Or(t.Info.Serial, "none yet"))}}
	for _, n := range needs {
		by, ok := n.Met(t.Info, t.Mechanisms)
		c := Check{Text: "It can " + n.For, Met: ok, Because: "by " + by}
		if !ok {
			c.Because = "It has none of " + strings.Join(n.AnyOf, ", ") + " for this."
		}
		out = append(out, c)
	}
	return out
}

// timePlan says how long each phase takes, the breaks, when it would end, and whether
// the window of its order is long enough.
func timePlan(plan *script.Bound, order *ceremony.Order, now time.Time) []Fact {
	var out []Fact
	all := 0
	for _, ph := range plan.Phases {
		minutes := 0
		for _, st := range ph.Steps {
			minutes += st.Minutes
		}
		value := countOf(len(ph.Steps), "step", "steps") + ", about " + count(minutes, "minute")
		if ph.Break > 0 {
			value += ", then a break of " + count(ph.Break, "minute")
		}
		all += minutes + ph.Break
		out = append(out, Fact{Label: fmt.Sprintf("%d  %s", ph.Number, ph.Title), Value: value})
	}
	ends := now.UTC().Add(time.Duration(all) * time.Minute)
	out = append(out, Fact{Label: "In all", Value: fmt.Sprintf("about %s; begun now, it ends towards %s UTC", hours(all), ends.Format("15:04")), Strong: true})
	if order == nil {
		return out
	}
	until := minute(order.Body.Until)
	value := fmt.Sprintf("ends %s UTC, after the ceremony would end", until.Format("2 Jan 15:04"))
	if until.Before(ends) {
		value = fmt.Sprintf("ends %s UTC, %s before the ceremony would end: what is not done by then needs a further order", until.Format("2 Jan 15:04"), hours(int(ends.Sub(until).Minutes())))
	}
	return append(out, Fact{Label: "The order's window", Value: value, Strong: until.Before(ends)})
}

// hours says minutes as a clock would.
func hours(minutes int) string {
	if minutes < 90 {
		return count(minutes, "minute")
	}
	return fmt.Sprintf("%d h %02d min", minutes/60, minutes%60)
}

// NewPrinted tells where a paper script lies, and what to do with it.
func NewPrinted(plan *script.Plan, path string, pages int) Detail {
	return Detail{Kicker: "Paper script", Title: plan.Title, State: "✓ Written", Tone: Good,
		Text: "Print this file on paper, once for the witness and once for the approver. Its last page is the form on which a ceremony is ordered by hand.",
		Groups: []Group{{Title: "The file", Facts: []Fact{code("File", path), said("Pages", fmt.Sprint(pages)), said("Script", fmt.Sprintf("%s, version %d", plan.Name, plan.Version))},
			Hashes: []Hash{inWordsToo("SHA-256 of the script, as it stands on the paper", hex.EncodeToString(plan.SHA256[:]))}}}}
}

package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// Start is a ceremony that can be held.
type Start struct {
	Name, Title string
	About       string // whom it needs, by role
	Needs       string // how many people
	Parameters  []Parameter
	// Order is the leaf of the order that it is held on; OrderFirst says that it
	// needs one that nobody gave yet.
	Order      string
	OrderFirst bool
	// Script is the SHA-256 of one that the record holds, "" for a shipped one.
	Script string
}

// Ordered offers the ceremonies that may be held by order now.
func Ordered(r Record, now time.Time) []Start {
	var out []Start
	for _, o := range r.State.StandingOrders(now) {
		plan := planOf(r, o.Body.Script)
		if plan == nil {
			continue
		}
		out = append(out, Start{Name: plan.Name, Title: plan.Title, About: fmt.Sprintf(textOrderedByX, called(r.State, o.Body.Approver)), Order: o.Leaf.String(),
			Needs: fmt.Sprintf(textOrderedUntil, called(r.State, o.Body.Approver), minute(o.Body.Until).Format(textDayMonthMinute))})
	}
	return out
}

// Parameter is asked before a ceremony starts. Of is empty or the choices.
type Parameter struct {
	Name, Ask, Default, Hint string
	Of                       []Choice
}

// field asks for it; a choice begins with the default, as it is no decision yet.
func (p Parameter) field() Field {
	return Field{Name: p.Name, Label: p.Ask, Value: p.Default, Hint: p.Hint, Of: p.Of, Max: 200}
}

// mostChoices is how many things are listed to choose from; more are typed.
const mostChoices = 12

// NewStart offers a script where it can be held: each thing that it asks for by
// name has to be in the record. free makes a label that is taken into another.
func NewStart(plan *script.Plan, s *ceremony.State, free func(string) string) (Start, bool) {
	st := Start{Name: plan.Name, Title: plan.Title, About: needsPeople(s.RolesFor(plan)), Needs: fmt.Sprintf(textNeeds, counted(headcount(s.RolesFor(plan)), textPersonLower, textPeopleLower))}
	for _, par := range plan.Parameters {
		p := Parameter{Name: par.Name, Ask: par.Ask, Default: par.Default}
		var things []Choice
		switch par.Type {
		case "label":
			p.Default = free(par.Default)
		case "period":
			p.Hint = text2y18m90dYearsMonths
		case "choice":
			for _, v := range par.Of {
				p.Of = append(p.Of, choiceFor(par.Name, v))
			}
		case "person":
			things = peopleFor(s, par.Name)
		case "key":
			things = keysFor(plan, s)
		case "set":
			things = setsThere(s)
		}
		if len(things) == 0 && (par.Type == "key" || par.Type == "set") {
			return Start{}, false
		}
		if len(things) > 0 && len(things) <= mostChoices {
			p.Of = things
			if !slices.ContainsFunc(things, func(c Choice) bool { return c.ID == p.Default }) {
				p.Default = things[0].ID
			}
		}
		st.Parameters = append(st.Parameters, p)
	}
	return st, true
}

// startOrder is the order in which shipped scripts are offered; others follow by
// name.
var startOrder = []string{"key-generation", "key-backup", "key-restore", "recovery-drill", "key-destruction", "change-custodians", "share-check", "custody", "enrol", "retire", "ledger-key"}

// InOrder puts what people start most first.
func InOrder(starts []Start) []Start {
	place := func(st Start) int {
		if i := slices.Index(startOrder, st.Name); i >= 0 {
			return i
		}
		return len(startOrder)
	}
	slices.SortStableFunc(starts, func(a, b Start) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Name, b.Name)) })
	return starts
}

// choiceFor says one value of a choice as people do.
func choiceFor(parameter, value string) Choice {
	c := Choice{ID: value, Label: ceremony.AlgorithmName(value)}
	if c.Label == value {
		c.Label = capital(strings.ReplaceAll(value, "-", " "))
	}
	switch parameter {
	case "purpose":
		c.Label = capital(ceremony.PurposeWords(value))
	case "protection":
		c.Help = protection(value)
	}
	return c
}

// needsPeople says whom a script needs.
func needsPeople(roles []script.RoleNeed) string {
	var out []string
	for _, r := range roles {
		out = append(out, counted(r.Count, script.RoleWords(r.Role), manyOf(r.Role)))
	}
	return strings.Join(out, ", ")
}

func headcount(roles []script.RoleNeed) int {
	n := 0
	for _, r := range roles {
		n += r.Count
	}
	return n
}

func manyOf(role string) string {
	if strings.HasSuffix(role, "witness") {
		return script.RoleWords(role) + "es"
	}
	return script.RoleWords(role) + "s"
}

// peopleFor lists who can be named for a parameter: one that is called as a role
// is, such as owner, takes those enrolled for that role.
func peopleFor(s *ceremony.State, name string) []Choice {
	if slices.Contains([]string{script.Owner, script.Approver}, name) {
		return enrolledAs(s, name)
	}
	return enrolledAs(s, "")
}

// enrolledAs lists who is enrolled in a role, or at all, and has not retired.
func enrolledAs(s *ceremony.State, role string) []Choice {
	var out []Choice
	for _, id := range sorted(s.People) {
		p := s.People[id]
		if p.Retired || role != "" && !slices.Contains(p.Body.Roles, role) {
			continue
		}
		out = append(out, Choice{ID: id, Label: p.Body.Called(), Help: script.RoleWords(p.Body.Roles...)})
	}
	return out
}

// keysFor lists the keys that a ceremony of this script can be about.
func keysFor(plan *script.Plan, s *ceremony.State) []Choice {
	var steps []script.Step
	for _, ph := range plan.Phases {
		steps = append(steps, ph.Steps...)
	}
	var out []Choice
	for _, id := range sorted(s.Keys) {
		if k := s.Keys[id]; !over(k) && s.KeyFits(steps, k, k.Body.Label) == nil {
			out = append(out, Choice{ID: k.Body.Label, Label: k.Body.Label, Help: fmt.Sprintf(textXX, ceremony.AlgorithmName(k.Body.Algorithm), keyState(k))})
		}
	}
	return out
}

func setsThere(s *ceremony.State) []Choice {
	var out []Choice
	for _, id := range sorted(s.Sets) {
		if s.Sets[id].Withdrawn {
			continue // nothing is left to hold with it
		}
		b := s.Sets[id].Body
		out = append(out, Choice{ID: setName(id), Label: setCalled(b), Help: fmt.Sprintf(textXAnyNOfN, b.Purpose, b.Threshold, b.Count)})
	}
	return out
}

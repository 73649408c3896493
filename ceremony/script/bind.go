package script

import (
	"maps"
	"slices"
	"strings"
)

// Bound is a plan with the values of one ceremony.
type Bound struct {
	*Plan
	Values map[string]string // of every parameter, defaults included
	// Phases hides the plan's own: values put in, only what takes place, phases
	// and steps numbered from one.
	Phases []Phase
	steps  []Step // of all phases
}

// Bind checks values and puts them in. The error is a [*ValueError].
func (p *Plan) Bind(values map[string]string) (*Bound, error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := p.parameter(name); !ok {
			return nil, &ValueError{Parameter: name, Value: values[name], Expected: p.known(), unknown: true}
		}
	}
	b := &Bound{Plan: p, Values: map[string]string{}}
	for _, q := range p.Parameters {
		value, given := values[q.Name]
		if !given {
			value = q.Default
		}
		if err := q.check(value); err != nil {
			return nil, err
		}
		b.Values[q.Name] = value
	}
	b.take(p.Phases)
	b.steps = slices.Clip(allSteps(b.Phases))
	return b, nil
}

func (p *Plan) known() string {
	var names []string
	for _, q := range p.Parameters {
		names = append(names, q.Name)
	}
	if names == nil {
		return "no values: " + p.Name + " has no parameters"
	}
	return "values for " + strings.Join(names, ", ") + " only"
}

// take keeps the steps that take place.
func (b *Bound) take(phases []Phase) {
	number := 0
	for _, phase := range phases {
		present := Phase{Number: len(b.Phases) + 1, Title: phase.Title, Sign: phase.Sign, Break: phase.Break}
		for _, step := range phase.Steps {
			if !step.when.holds(b.Values) {
				continue
			}
			number++
			step.Number, step.Phase = number, present.Number
			step.Title, step.Say = b.fill(step.Title), b.fill(step.Say)
			step.With = maps.Clone(step.With)
			for name, value := range step.With {
				step.With[name] = b.fill(value)
			}
			present.Steps = append(present.Steps, step)
		}
		if present.Steps != nil {
			b.Phases = append(b.Phases, present)
		}
	}
}

// fill replaces in one pass: what a value holds is never a placeholder.
func (b *Bound) fill(s string) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string { return b.Values[m[2:len(m)-2]] })
}

// Step gives the step with this id, if it takes place.
func (b *Bound) Step(id string) (Step, bool) { return findStep(b.Phases, id) }

// Steps gives the steps that take place, in order. They are the plan's own and
// are read only: rules ask for them at every record.
func (b *Bound) Steps() []Step { return b.steps }

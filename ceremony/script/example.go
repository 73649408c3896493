package script

import "maps"

// Examples gives values with which the script can be tried before an order gives
// the real ones: the defaults, an example where there is none, and one set for
// each way in which its conditions can go, up to maxExamples.
func (p *Plan) Examples() []map[string]string {
	first := map[string]string{}
	for _, q := range p.Parameters {
		first[q.Name] = q.example()
	}
	all := []map[string]string{first}
	for _, q := range p.Parameters {
		if !p.conditionOn(q.Name) {
			continue
		}
		var more []map[string]string
		for _, values := range all {
			for _, choice := range q.Of {
				other := maps.Clone(values)
				other[q.Name] = choice
				more = append(more, other)
			}
		}
		all = more[:min(len(more), maxExamples)]
	}
	return all
}

func (p *Plan) conditionOn(parameter string) bool {
	for _, s := range p.Steps() {
		if s.when.parameter == parameter {
			return true
		}
	}
	return false
}

// example is a value that fits the parameter.
func (q Parameter) example() string {
	switch {
	case q.Default != "":
		return q.Default
	case q.Type == "choice":
		return q.Of[0]
	}
	return valueTypes()[q.Type].example
}

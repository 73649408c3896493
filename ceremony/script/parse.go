package script

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a script. kinds lists the step kinds that there are; nil admits all.
// The error is always an [*Error].
func Parse(source []byte, kinds []string) (*Plan, error) {
	p := parser{
		plan:  &Plan{SHA256: sha256.Sum256(source), Source: bytes.Clone(source)},
		kinds: kinds,
	}
	p.script(p.document(source))
	if p.err != nil {
		return nil, p.err
	}
	return p.plan, nil
}

type parser struct {
	reader
	plan  *Plan
	kinds []string
	steps []Step // all read so far
}

func (p *parser) script(root *yaml.Node) {
	o := p.object(root, "a mapping beginning with ceremony: NAME",
		"ceremony", "version", "title", "roles", "parameters", "materials", "phases")
	p.plan.Name = p.name(p.must(o, "ceremony", "a script"))
	p.plan.Version = p.number(p.must(o, "version", "a script"), maxVersion)
	p.plan.Title = p.literal(p.must(o, "title", "a script"))
	roles := p.must(o, "roles", "a script")
	p.plan.Roles = p.needs(roles, "roles: { administrator: 1, witness: 1, … }")
	p.room(roles)
	if n := o.value["parameters"]; n != nil {
		p.parameters(n)
	}
	if n := o.value["materials"]; n != nil {
		for _, m := range p.list(n, "a list of materials", maxMaterials) {
			p.plan.Materials = append(p.plan.Materials, p.material(m))
		}
	}
	phases := p.must(o, "phases", "a script")
	for i, n := range p.list(phases, "a list of phases", maxPhases) {
		p.phase(n, i+1)
	}
}

// room asks for the two people no ceremony does without: one runs it, another
// watches.
func (p *parser) room(n *yaml.Node) {
	if c := p.plan.Need(Administrator); c != 1 {
		p.fail(n, fmt.Sprintf("%d administrators", c), "exactly one")
	}
	if p.plan.Need(Witness) == 0 {
		p.fail(n, "no witness", "at least one")
	}
}

// needs reads { role: count }.
func (p *parser) needs(n *yaml.Node, expected string) []RoleNeed {
	var all []RoleNeed
	for _, e := range p.entries(n, expected) {
		all = append(all, RoleNeed{p.oneOf(e.key, roles()...), p.number(e.value, maxPeople)})
	}
	if len(all) == 0 {
		p.fail(n, "no roles", expected)
	}
	return all
}

func (p *parser) parameters(n *yaml.Node) {
	all := p.entries(n, "a mapping of parameters")
	if len(all) > maxParameters {
		p.fail(all[maxParameters].key, fmt.Sprintf("%d parameters", len(all)), fmt.Sprintf("at most %d", maxParameters))
		return
	}
	for _, e := range all {
		p.plan.Parameters = append(p.plan.Parameters, p.parameter(e))
	}
}

func (p *parser) parameter(e entry) Parameter {
	q := Parameter{Name: p.name(e.key)}
	o := p.object(e.value, "{ type: …, ask: …, default: … }", "type", "ask", "default", "of", "ceiling")
	q.Type = p.oneOf(p.must(o, "type", "a parameter"), slices.Sorted(maps.Keys(valueTypes()))...)
	q.Ask = inWords(q.Name)
	if n := o.value["ask"]; n != nil {
		q.Ask = p.text(n, "what is asked, as text", maxAsk)
	}
	p.choices(o, &q)
	if n := o.value["ceiling"]; n != nil {
		q.Ceiling = p.ceiling(n, q)
	}
	if n := o.value["default"]; n != nil {
		q.Default = p.value(n, q, "default")
	}
	return q
}

func (p *parser) material(n *yaml.Node) Material {
	o := p.object(n, "{ what: …, count: …, note: [serial, bag] }", "what", "count", "note")
	m := Material{What: p.literal(p.must(o, "what", "a material")), Count: 1}
	if n := o.value["count"]; n != nil {
		m.Count = p.number(n, maxCount)
	}
	if n := o.value["note"]; n != nil {
		for _, c := range p.list(n, "note: [serial, bag]", 2) {
			m.Note = append(m.Note, p.oneOf(c, SerialNumber, BagNumber))
		}
		if m.Count > 1 {
			p.fail(n, fmt.Sprintf("one number for %d pieces", m.Count), "note where the count is 1; a line for each piece")
		}
	}
	if slices.ContainsFunc(p.plan.Materials, func(other Material) bool { return other.What == m.What }) {
		p.fail(n, quote(m.What)+" a second time", "each material once")
	}
	return m
}

func (p *parser) choices(o object, q *Parameter) {
	n := o.value["of"]
	switch {
	case n == nil && q.Type == "choice":
		p.fail(o.node, "a choice without of", "of: [one, another]")
	case n != nil && q.Type != "choice":
		p.fail(n, "of in a parameter of type "+q.Type, "it in a choice only")
	case n != nil:
		for _, c := range p.list(n, "of: [one, another]", maxChoices) {
			word := p.scalar(c, "a word to choose")
			if slices.Contains(q.Of, word) {
				p.fail(c, quote(word)+" a second time", "each choice once")
			}
			q.Of = append(q.Of, word)
		}
	}
}

func (p *parser) ceiling(n *yaml.Node, q Parameter) string {
	if q.Type != "period" && q.Type != "count" {
		p.fail(n, "a ceiling in a parameter of type "+q.Type, "it in a period or a count only")
		return ""
	}
	return p.value(n, q, "ceiling")
}

// value reads a value of q that the script itself gives.
func (p *parser) value(n *yaml.Node, q Parameter, what string) string {
	s := p.scalar(n, "a value of type "+q.Type)
	if p.err != nil {
		return ""
	}
	if err := q.check(s); err != nil {
		p.fail(n, "the "+what+" "+quote(s), err.Expected)
	}
	return s
}

func (p *parser) phase(n *yaml.Node, number int) {
	o := p.object(n, "a phase: title, sign, steps, break", "title", "sign", "steps", "break")
	phase := Phase{Number: number, Title: p.literal(p.must(o, "title", "a phase"))}
	if n := o.value["sign"]; n != nil {
		phase.Sign = p.signers(n)
	}
	if n := o.value["break"]; n != nil {
		phase.Break = p.number(n, maxMinutes)
	}
	for _, n := range p.list(p.must(o, "steps", "a phase"), "a list of steps", maxSteps) {
		if len(p.steps) == maxSteps {
			p.fail(n, fmt.Sprintf("more than %d steps", maxSteps), fmt.Sprintf("at most %d", maxSteps))
			return
		}
		step := p.step(n)
		step.Number, step.Phase, step.Line = len(p.steps)+1, number, n.Line
		p.steps = append(p.steps, step)
		phase.Steps = append(phase.Steps, step)
	}
	p.plan.Phases = append(p.plan.Phases, phase)
}

func (p *parser) step(n *yaml.Node) Step {
	o := p.object(n, "a step: id, kind, say, …",
		"id", "title", "kind", "say", "with", "by", "sign", "needs", "minutes", "on-failure", "when")
	s := Step{ID: p.stepID(p.must(o, "id", "a step")), OnFailure: Pause}
	s.Kind = p.kind(p.must(o, "kind", "a step"))
	s.Title = inWords(s.ID)
	if n := o.value["title"]; n != nil {
		s.Title = p.template(n, p.text(n, "a title, as text", maxTitle))
	}
	if n := o.value["say"]; n != nil {
		s.Say = p.template(n, p.text(n, "what is read aloud, as text", maxSay))
	}
	if n := o.value["with"]; n != nil {
		s.With = p.with(n)
	}
	if n := o.value["by"]; n != nil {
		s.By = p.by(n)
	}
	if n := o.value["sign"]; n != nil {
		s.Sign = p.signers(n)
	}
	if n := o.value["minutes"]; n != nil {
		s.Minutes = p.number(n, maxMinutes)
	}
	if n := o.value["on-failure"]; n != nil {
		s.OnFailure = p.oneOf(n, Pause, Abort)
	}
	if n := o.value["when"]; n != nil {
		s.When, s.when = p.when(n)
	}
	if n := o.value["needs"]; n != nil {
		s.Needs = p.earlier(n, s.when)
	}
	return s
}

// phaseID is how a sign-off names a phase where others name a step.
var phaseID = regexp.MustCompile(`^phase-[0-9]+$`)

func (p *parser) stepID(n *yaml.Node) string {
	id := p.name(n)
	if phaseID.MatchString(id) {
		p.fail(n, "the id "+quote(id), "another: phase-1 is how the sign-off of a phase is named")
	}
	if i := slices.IndexFunc(p.steps, func(s Step) bool { return s.ID == id }); i >= 0 {
		p.fail(n, fmt.Sprintf("the id %s a second time (first on line %d)", quote(id), p.steps[i].Line), "each id once")
	}
	return id
}

func (p *parser) kind(n *yaml.Node) string {
	kind := p.name(n)
	if p.kinds != nil && !slices.Contains(p.kinds, kind) {
		p.fail(n, "the unknown step kind "+quote(kind), "one of "+strings.Join(p.kinds, ", "))
	}
	return kind
}

func (p *parser) with(n *yaml.Node) map[string]string {
	with := map[string]string{}
	all := p.entries(n, "with: { name: value }")
	if len(all) > maxWith {
		p.fail(all[maxWith].key, fmt.Sprintf("%d entries", len(all)), fmt.Sprintf("at most %d", maxWith))
		return nil
	}
	for _, e := range all {
		with[p.name(e.key)] = p.template(e.value, p.scalar(e.value, "text or a whole number"))
	}
	return with
}

// by reads who does a step: never more of a role than the room holds, never an
// observer, who performs no control.
func (p *parser) by(n *yaml.Node) []RoleNeed {
	all := p.needs(n, "by: { role: count }")
	for i, need := range all {
		at := n.Content[2*i]
		have := p.plan.Need(need.Role)
		switch {
		case need.Role == Observer:
			p.fail(at, "an observer who acts", "a role that performs a control")
		case have == 0:
			p.fail(at, "the role "+need.Role+", which the script does not have", "one of "+p.roleNames())
		case need.Count > have:
			p.fail(at, fmt.Sprintf("%d of the role %s", need.Count, need.Role), fmt.Sprintf("at most the %d that the script has", have))
		}
		if p.err != nil {
			return nil
		}
	}
	return all
}

func (p *parser) signers(n *yaml.Node) []string {
	var all []string
	for _, c := range p.list(n, "sign: [role, …]", len(roles())) {
		role := p.oneOf(c, roles()...)
		switch {
		case role == Observer:
			p.fail(c, "an observer who signs", "a role whose people are enrolled")
		case p.plan.Need(role) == 0:
			p.fail(c, "the role "+role+", which the script does not have", "one of "+p.roleNames())
		case slices.Contains(all, role):
			p.fail(c, quote(role)+" a second time", "each role once")
		}
		all = append(all, role)
	}
	return all
}

func (p *parser) roleNames() string {
	var names []string
	for _, r := range p.plan.Roles {
		names = append(names, r.Role)
	}
	return strings.Join(names, ", ")
}

// earlier reads the steps that must be done before. A step that is always there
// cannot need one that may be left out.
func (p *parser) earlier(n *yaml.Node, when condition) []string {
	var all []string
	for _, c := range p.list(n, "needs: [id, …]", maxNeeds) {
		id := p.name(c)
		i := slices.IndexFunc(p.steps, func(s Step) bool { return s.ID == id })
		switch {
		case i < 0:
			p.fail(c, "the need "+quote(id), "the id of an earlier step")
		case slices.Contains(all, id):
			p.fail(c, quote(id)+" a second time", "each need once")
		case p.steps[i].when != (condition{}) && p.steps[i].when != when:
			p.fail(c, "the need "+quote(id)+", which may be left out", "the same when in both steps")
		}
		all = append(all, id)
	}
	return all
}

var whenForm = regexp.MustCompile(`^([a-z][a-z0-9-]*) (==|!=) (\S+)$`)

func (p *parser) when(n *yaml.Node) (string, condition) {
	const expected = "when: parameter == value, or !="
	s := p.text(n, expected, maxValue)
	m := whenForm.FindStringSubmatch(s)
	if m == nil {
		p.fail(n, quote(s), expected)
		return s, condition{}
	}
	q, ok := p.plan.parameter(m[1])
	switch {
	case !ok:
		p.fail(n, "the unknown parameter "+quote(m[1]), p.parameterNames())
	case q.Type != "choice":
		p.fail(n, "a condition on "+q.Name+" of type "+q.Type, "a condition on a choice")
	case !slices.Contains(q.Of, m[3]):
		p.fail(n, quote(m[3])+", which is no choice of "+q.Name, "one of "+strings.Join(q.Of, ", "))
	}
	return s, condition{parameter: m[1], value: m[3], not: m[2] == "!="}
}

var placeholder = regexp.MustCompile(`\{\{([^{}]*)\}\}`)

// template checks that every placeholder of s names a parameter.
func (p *parser) template(n *yaml.Node, s string) string {
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		if _, ok := p.plan.parameter(m[1]); !ok {
			p.fail(n, "the placeholder "+cut(m[0]), p.parameterNames())
		}
	}
	if rest := placeholder.ReplaceAllLiteralString(s, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
		p.fail(n, "half a placeholder in "+quote(s), "{{name}}")
	}
	return s
}

// literal is a title that is the same in every ceremony of this script.
func (p *parser) literal(n *yaml.Node) string {
	s := p.text(n, "a title, as text", maxTitle)
	if strings.Contains(s, "{{") || strings.Contains(s, "}}") {
		p.fail(n, "a placeholder in "+quote(s), "placeholders in title, say and with of a step only")
	}
	return s
}

func (p *parser) parameterNames() string {
	if len(p.plan.Parameters) == 0 {
		return "none: the script has no parameters"
	}
	var names []string
	for _, q := range p.plan.Parameters {
		names = append(names, q.Name)
	}
	return "one of " + strings.Join(names, ", ")
}

// inWords makes "read-fingerprint" into "Read fingerprint".
func inWords(name string) string {
	s := strings.ReplaceAll(name, "-", " ")
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):]
}

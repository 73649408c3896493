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
		return Preparation{}, fmt.Errorf(textCouldntReadScript, err)
	}
	p := Preparation{Title: plan.Title, About: needsPeople(s.RolesFor(plan)), Start: st, plan: plan, token: token,
		Script: inWordsToo(fmt.Sprintf(textScriptVersionSHA256, plan.Name, plan.Version), hex.EncodeToString(plan.SHA256[:]))}
	for _, m := range plan.Materials {
		p.Materials = append(p.Materials, material(m))
	}
	if st.Order != "" {
		i := slices.IndexFunc(s.Orders, func(o *ceremony.Order) bool { return o.Leaf.String() == st.Order })
		if i < 0 {
			return Preparation{}, fmt.Errorf(textCouldntFindOrder, st.Order)
		}
		p.order = s.Orders[i]
		p.values, p.people = p.order.Body.Parameters, p.order.Body.People
		p.Aloud = fmt.Sprintf(textCeremonyOrderedIReadFirst, strings.Join(p.Script.Words[:8], " "))
		p.Order = []Fact{said(textOrdered, called(s, p.order.Body.Approver)), said(textMayHeld, window(p.order.Body)), said(textReference, p.order.Body.Reference)}
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
		what = fmt.Sprintf(textXColonN, what, m.Count)
	}
	if len(m.Note) > 0 {
		what += fmt.Sprintf(textNumberWrittenDown, strings.Join(m.Note, textAnd))
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
		out.Wrong = Wrong{"owner": fmt.Sprintf(textNobodyIdEnrolled, owner)}
		return out
	}
	for _, k := range s.Keys {
		if label := out.Values["label"]; label != "" && k.Body.Label == label {
			out.Wrong = Wrong{"label": fmt.Sprintf(textLabelTakenKeyCeremonyChoose, label, k.Ceremony)}
			return out
		}
	}
	approver := ""
	if p.order != nil {
		approver = p.order.Body.Approver
	}
	people := Check{Text: fmt.Sprintf(textEachOneRoleNoConflict, countOf(len(p.people), textPersonLower, textPeopleLower)), Met: true}
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
		return []Check{{Text: textTokenAttached, Because: capital(t.Fault) + "."}}
	}
	name := strings.TrimSpace(t.Info.Label)
	if name == "" {
		name = textWithoutLabel
	}
	out := []Check{{Text: textTokenAttached, Met: true, Because: strings.TrimSpace(fmt.Sprintf(textXXSerialNumberX, name, strings.TrimSpace(t.Info.Manufacturer+" "+t.Info.Model), cmp.Or(t.Info.Serial, textNoneYet)))}}
	for _, n := range needs {
		by, ok := n.Met(t.Info, t.Mechanisms)
		c := Check{Text: fmt.Sprintf(textCan, n.For), Met: ok, Because: fmt.Sprintf(textByX, by)}
		if !ok {
			c.Because = fmt.Sprintf(textItHasNoneOfXForThis, strings.Join(n.AnyOf, ", "))
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
		value := fmt.Sprintf(textXAboutX, countOf(len(ph.Steps), textStepLower, textSteps), count(minutes, textMinute))
		if ph.Break > 0 {
			value += fmt.Sprintf(textThenBreak, count(ph.Break, textMinute))
		}
		all += minutes + ph.Break
		out = append(out, Fact{Label: fmt.Sprintf(textTwoColumns, ph.Number, ph.Title), Value: value})
	}
	ends := now.UTC().Add(time.Duration(all) * time.Minute)
	out = append(out, Fact{Label: textInAll, Value: fmt.Sprintf(textAboutBegunNowEndsTowards, hours(all), ends.Format("15:04")), Strong: true})
	if order == nil {
		return out
	}
	until := minute(order.Body.Until)
	value := fmt.Sprintf(textEndsUTCAfterCeremonyWould, until.Format(textDayMonthMinute))
	if until.Before(ends) {
		value = fmt.Sprintf(textEndsUTCBeforeCeremonyWould, until.Format(textDayMonthMinute), hours(int(ends.Sub(until).Minutes())))
	}
	return append(out, Fact{Label: textOrdersWindow, Value: value, Strong: until.Before(ends)})
}

// hours says minutes as a clock would.
func hours(minutes int) string {
	if minutes < 90 {
		return count(minutes, textMinute)
	}
	return fmt.Sprintf(textHMin, minutes/60, minutes%60)
}

// NewPrinted tells where a paper script lies, and what to do with it.
func NewPrinted(plan *script.Plan, path string, pages int) Detail {
	return Detail{Kicker: textPaperScript, Title: plan.Title, State: textWritten, Tone: Good,
		Text: textPrintFilePaperOnceWitness,
		Groups: []Group{{Title: textTheFile, Facts: []Fact{code(textFile, path), said(textPages, fmt.Sprint(pages)), said(textScript, fmt.Sprintf(textXVersionN, plan.Name, plan.Version))},
			Hashes: []Hash{inWordsToo(textSHA256ScriptStandsPaper, hex.EncodeToString(plan.SHA256[:]))}}}}
}

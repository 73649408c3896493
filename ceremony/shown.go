package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// Shown is the content that a signer saw: a sign-off names its SHA-256, and
// State makes it again from what it holds. Text is the statement that is
// signed; values are the facts it speaks of.
type Shown struct {
	Lang   string `json:"lang"`
	Layout string `json:"layout"`
	Text   string `json:"text"`
	Values any    `json:"values"`
}

const (
	shownLang   = "en"
	shownLayout = "claviger shown v1"
)

type authoriseValues struct {
	Acts    []Act  `json:"acts"`
	Attempt int    `json:"attempt"`
	Step    string `json:"step"`
	Title   string `json:"title"`
}

type phaseValues struct {
	Deviations []DeviationRaised `json:"deviations"`
	Number     int               `json:"number"`
	Steps      []phaseStep       `json:"steps"`
	Title      string            `json:"title"`
	Uncovered  []Uncovered       `json:"uncovered"`
	Earlier    int64             `json:"uncovered-earlier"`
}

type phaseStep struct {
	Attempt int         `json:"attempt"`
	Facts   []Line      `json:"facts"`
	Number  int         `json:"number"`
	Result  ledger.Hash `json:"result"`
	Step    string      `json:"step"`
	Title   string      `json:"title"`
}

type attestValues struct {
	Deviations int    `json:"deviations"`
	Script     string `json:"script"`
	Steps      int    `json:"steps"`
	Title      string `json:"title"`
}

type stepValues struct {
	Attempt int    `json:"attempt"`
	Facts   []Line `json:"facts"`
	Step    string `json:"step"`
	Title   string `json:"title"`
}

type enrolValues struct {
	Enrolled PersonEnrolled `json:"enrolled"`
	Leaf     ledger.Hash    `json:"leaf"`
}

// Shown gives the canonical bytes that someone has to see for this act now. It
// refuses where such a sign-off has no place.
func (s *State) Shown(act, step string, attempt int, person, role string) ([]byte, error) {
	p := s.Open
	if p == nil {
		return nil, fmt.Errorf("no ceremony is under way")
	}
	sh := Shown{Lang: shownLang, Layout: shownLayout, Text: Statement(act, role)}
	st, current := p.Current()
	switch act {
	case ActAuthorise:
		if !current || st.Kind != AuthoriseStep || st.With["step"] != step {
			return nil, fmt.Errorf("the step that authorises %q is not under way", step)
		}
		target, ok := p.Plan.Step(step)
		if !ok || attempt != p.Steps[step].Attempt+1 {
			return nil, fmt.Errorf("attempt %d of step %q is due, not %d", p.Steps[step].Attempt+1, step, attempt)
		}
		acts, err := s.kinds[target.Kind].Acts(s, target)
		if err != nil {
			return nil, err
		}
		sh.Values = authoriseValues{Acts: acts, Attempt: attempt, Step: step, Title: target.Title}
	case ActPhase:
		v, err := s.phaseValues(phaseNumber(step))
		if err != nil {
			return nil, err
		}
		if attempt != 1 {
			return nil, fmt.Errorf("a phase is signed once")
		}
		sh.Values = v
	case ActAttest:
		if !current || st.Kind != AttestStep || st.ID != step || p.Steps[st.ID].Attempt != attempt {
			return nil, fmt.Errorf("the step for attestations is not under way")
		}
		sh.Values = attestValues{Deviations: len(p.Deviations), Script: p.Body.Script.String(), Steps: len(p.Plan.Steps()), Title: p.Plan.Title}
	case ActStep:
		k, ok := s.kinds[st.Kind].(Signable)
		if !current || !ok || st.ID != step || p.Steps[st.ID].Attempt != attempt {
			return nil, fmt.Errorf("no step that is signed is under way")
		}
		facts, err := k.Signs(s, st)
		if err != nil {
			return nil, err
		}
		sh.Values = stepValues{Attempt: attempt, Facts: facts, Step: step, Title: st.Title}
	case ActEnrol:
		people := s.toVouch(person)
		if len(people) == 0 || !current || st.ID != step || p.Steps[st.ID].Attempt != attempt {
			return nil, fmt.Errorf("nobody is enrolled in this step whose document %s saw", s.Someone(person).Name)
		}
		var values []enrolValues
		for _, h := range people {
			values = append(values, enrolValues{Enrolled: h.Body, Leaf: h.Leaf})
		}
		sh.Values = values
	default:
		return nil, fmt.Errorf("%q is not an act that is signed", act)
	}
	return ledger.Encode(sh)
}

func (s *State) phaseValues(n int) (phaseValues, error) {
	p := s.Open
	for _, ph := range p.Plan.Phases {
		if ph.Number != n {
			continue
		}
		if !p.PhaseDone(n) {
			return phaseValues{}, fmt.Errorf("phase %d still has a step without result", n)
		}
		v := phaseValues{Number: n, Title: ph.Title, Uncovered: s.Uncovered(), Earlier: s.earlier}
		for _, st := range p.Plan.Steps() {
			if st.Phase != n {
				continue
			}
			ss := p.Steps[st.ID]
			v.Steps = append(v.Steps, phaseStep{Attempt: ss.Attempt, Facts: ss.Facts, Number: st.Number, Result: ss.Result, Step: st.ID, Title: st.Title})
		}
		for _, d := range p.Deviations {
			// One that was noted at the sign-off itself has no step of the plan.
			if st, ok := p.Plan.Step(d.Raised.Step); ok && st.Phase == n || d.Raised.Step == PhaseStep(n) {
				v.Deviations = append(v.Deviations, d.Raised)
			}
		}
		return v, nil
	}
	return phaseValues{}, fmt.Errorf("there is no phase %d", n)
}

// Statement is what a sign-off says, in the words that the report prints.
func Statement(act, role string) string {
	switch act {
	case ActAuthorise:
		return "I authorise exactly these acts, each to be done at most once."
	case ActPhase:
		if role == "witness" {
			return "I watched these steps. What is listed here is what I saw."
		}
		return "I performed these steps. What is listed here is what happened."
	case ActStep:
		return "I have read what is listed here, and I decide it so."
	case ActEnrol:
		return "I saw the documents of these people and know them; the keys named here are theirs."
	}
	switch role {
	case "administrator":
		return "I performed the steps as recorded."
	case "witness":
		return "I was present throughout; the script was followed except for the deviations listed; the record is true."
	case "custodian":
		return "I alone handled my part and know no other."
	case "third-party-witness":
		return "I hold no part, share or item of any key of this ceremony, and I am custodian of none. I was present and watched; the record is true as far as I saw it."
	case "officer":
		return "I authorised only what is recorded, and with my own passphrase."
	}
	return "The record of this ceremony is true as far as I saw it."
}

// Lines gives the values of a sign-off as lines for a screen.
func (s *State) Lines(act, step, person string) []Line {
	p := s.Open
	var out []Line
	switch act {
	case ActAuthorise:
		target, _ := p.Plan.Step(step)
		acts, err := s.kinds[target.Kind].Acts(s, target)
		if err != nil {
			return nil
		}
		for _, a := range acts {
			out = append(out, s.ActLine(a))
		}
	case ActPhase:
		v, err := s.phaseValues(phaseNumber(step))
		if err != nil {
			return nil
		}
		for _, st := range v.Steps {
			var facts []string
			for _, f := range st.Facts {
				facts = append(facts, f.Label+": "+fours(f))
			}
			out = append(out, Line{Label: fmt.Sprintf("%d  %s", st.Number, st.Title), Value: strings.Join(facts, " · ")})
		}
		out = append(out, Line{Label: "Deviations", Value: fmt.Sprint(len(v.Deviations))})
		if n := v.Earlier + int64(len(v.Uncovered)); n > 0 {
			out = append(out, Line{Label: "Not yet signed by the HSM", Value: fmt.Sprintf("%d records written after the last ceremony closed", n)})
		}
	case ActAttest:
		out = append(out,
			Line{Label: "Ceremony", Value: p.Number + " · " + p.Plan.Title},
			Line{Label: "Script", Value: p.Body.Script.String(), Style: "hash"},
			Line{Label: "Deviations", Value: fmt.Sprint(len(p.Deviations))})
	case ActStep:
		st, _ := p.Plan.Step(step)
		if k, ok := s.kinds[st.Kind].(Signable); ok {
			out, _ = k.Signs(s, st) // Shown says why, where it cannot be signed
		}
	case ActEnrol:
		for _, h := range s.toVouch(person) {
			b := h.Body
			out = append(out, Line{Label: b.Called(), Value: script.RoleWords(b.Roles...) + " · " + b.Organisation + " · " + b.Identity},
				Line{Label: "Key", Value: b.Key, Style: "hash"})
		}
	}
	return out
}

// ActLine says an act with all that it was authorised with, as people say it.
func (s *State) ActLine(a Act) Line {
	var out []string
	for _, k := range sortedKeys(a.With) {
		v := a.With[k]
		switch k {
		case "owner":
			v = s.Someone(v).Name
		case "algorithm":
			v = AlgorithmName(v)
		case "purpose":
			v = PurposeWords(v)
		case "protection":
			v = strings.ToLower(strings.ReplaceAll(ProtectionWords(v), " · ", ", "))
		case "as", "of":
			if v == string(hsm.SecurityOfficer) {
				v = "the security officer"
			}
		case "lifetime":
			if p, err := script.ParsePeriod(v); err == nil {
				v = p.String()
			}
		}
		out = append(out, strings.ReplaceAll(k, "-", " ")+" "+v)
	}
	do := strings.NewReplacer("-pin", " PIN", "-", " ").Replace(a.Do)
	return Line{Label: strings.ToUpper(do[:1]) + do[1:], Value: strings.Join(out, " · ")}
}

// fours breaks a hash into groups of four, as it is read aloud.
func fours(l Line) string {
	if l.Style != "hash" {
		return l.Value
	}
	var out []string
	for v := range slices.Chunk([]byte(l.Value), 4) {
		out = append(out, string(v))
	}
	return strings.Join(out, " ")
}

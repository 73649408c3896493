package flow

import (
	"fmt"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// NewCeremonies lists every ceremony, the newest first.
func NewCeremonies(r Record) Table {
	t := Table{Title: "Ceremonies", One: "ceremony", Many: "ceremonies",
		Columns: []Column{{"Ceremony", 3}, {"About", 2}, {"Begun", 1.6}, {"State", 1.8}, {"Deviations", 1.4}},
		First:   "No ceremony was held yet. Start one from the overview."}
	all := r.State.Ceremonies
	for i := len(all) - 1; i >= 0; i-- {
		p := all[i]
		state, tone := statusOf(p)
		deviations := "none"
		if n := len(p.Deviations); n > 0 {
			deviations = fmt.Sprint(n)
		}
		t.Rows = append(t.Rows, Row{ID: p.Number, Cells: []Cell{
			{Kind: Name, Text: p.Plan.Title, Below: p.Number}, {Text: subject(p)}, {Text: day(p.Started)}, {Kind: Chip, Text: state, Tone: tone}, {Text: deviations}}})
	}
	return t
}

// subject is what a ceremony is about: the first of its parameters that names
// a thing.
func subject(p *ceremony.Progress) string {
	for _, name := range []string{"label", "key", "set", "person", "name"} {
		if v := p.Plan.Values[name]; v != "" {
			return v
		}
	}
	return ""
}

func statusOf(p *ceremony.Progress) (string, Tone) {
	switch p.Status {
	case ceremony.SealedStatus:
		if len(p.NotAccepted()) > 0 {
			return "Sealed, not accepted", Waiting
		}
		return "Sealed", Good
	case ceremony.AbortedStatus:
		return "Aborted", Bad
	}
	state := capital(string(p.Status))
	for _, st := range p.Plan.Steps() {
		if !p.Steps[st.ID].Done {
			return fmt.Sprintf("%s at step %d", state, st.Number), Waiting
		}
	}
	return state, Waiting
}

// NewCeremonyDetail is a ceremony from its order to its report.
func NewCeremonyDetail(r Record, number string) (Detail, bool) {
	s := r.State
	p := s.Find(number)
	if p == nil {
		return Detail{}, false
	}
	d := Detail{Kicker: "Ceremony " + p.Number, Title: p.Plan.Title}
	d.State, d.Tone = statusOf(p)
	order := p.Body.Order
	if order == "" && s.Site.Practice {
		order = "none: a practice ceremony needs no order"
	}
	facts := []Fact{said("About", subject(p)), said("Begun", moment(p.Started)), said("Ended", moment(p.Ended)), code("Token", p.Token),
		said("Runs", fmt.Sprint(max(len(p.Runs), 1))), said("Records", thousands(p.Records)), said("Order", order), said("Program", p.Body.Program.Version)}
	if n := p.NotAccepted(); len(n) > 0 {
		facts = append(facts, said("Not accepted by", calledAll(s, n)))
	}
	if p.PauseReason != "" && (p.Status == ceremony.PausedStatus || p.Status == ceremony.Interrupted) {
		facts = append(facts, said("Paused because", p.PauseReason))
	}
	d.Groups = append(d.Groups,
		Group{Title: "What it was", Facts: facts, Hashes: []Hash{inWordsToo(fmt.Sprintf("Script %s, version %d: SHA-256", p.Plan.Name, p.Plan.Version), p.Body.Script.String())}},
		Group{Title: "What it was asked for", Facts: parameters(s, p)},
		Group{Title: "Who took part", Facts: partners(s, p)})
	for _, ph := range p.Plan.Phases {
		d.Groups = append(d.Groups, phase(s, p, ph))
	}
	if p.Status == ceremony.AbortedStatus {
		g := Group{Title: "Clean-up due"}
		for _, left := range s.CleanUp(p) {
			g.Facts = append(g.Facts, Fact{Value: capital(left)})
		}
		if g.Facts == nil {
			g.Facts = []Fact{{Value: "nothing is left to be put right"}}
		}
		d.Groups = append(d.Groups, g)
	}
	if g := deviations(s, p); len(g.Facts) > 0 {
		d.Groups = append(d.Groups, g)
	}
	if g := faults(p); len(g.Facts) > 0 {
		d.Groups = append(d.Groups, g)
	}
	if r.Report(number) != "" {
		d.Acts = append(d.Acts, Act{Verb: ShowEvidence, Label: "Its evidence"})
	}
	if unfinished(p) {
		d.Acts = append(d.Acts, Act{Verb: GoOnWith, Label: "Resume"})
	}
	for _, part := range p.Body.People {
		d.Refs = append(d.Refs, Ref{InPeople, part.Person, called(s, part.Person)})
	}
	return d, true
}

func unfinished(p *ceremony.Progress) bool {
	return p.Status == ceremony.PausedStatus || p.Status == ceremony.Interrupted || p.Status == ceremony.Running
}

func parameters(s *ceremony.State, p *ceremony.Progress) []Fact {
	var out []Fact
	for _, par := range p.Plan.Parameters {
		v := p.Plan.Values[par.Name]
		switch par.Type {
		case "person":
			v = called(s, v)
		case "choice":
			v = ceremony.AlgorithmName(v)
		}
		out = append(out, said(par.Ask, v))
	}
	if len(out) == 0 {
		out = []Fact{{Value: "the script has no parameters"}}
	}
	return out
}

func partners(s *ceremony.State, p *ceremony.Progress) []Fact {
	var out []Fact
	for _, part := range p.Body.People {
		attested := "has not attested"
		if sg, ok := p.Attested[part.Person]; ok {
			attested = "attested " + sg.At.UTC().Format("15:04:05")
			if sg.SignOff.Verdict == ceremony.Disagree {
				attested = "did not agree: " + sg.SignOff.Reason
			}
		}
		out = append(out, Fact{Label: role(part.Role), Value: called(s, part.Person) + " · " + attested})
	}
	return out
}

func role(r string) string { return capital(roleWords(r)) }

// roleWords says a role as people do.
func roleWords(r string) string {
	return strings.Replace(strings.ReplaceAll(r, "-", " "), "third party", "third-party", 1)
}

// phase lists the steps of a phase with when they ended and what they found.
func phase(s *ceremony.State, p *ceremony.Progress, ph script.Phase) Group {
	g := Group{Title: fmt.Sprintf("Phase %d: %s", ph.Number, ph.Title)}
	for _, st := range ph.Steps {
		ss := p.Steps[st.ID]
		if ss == nil {
			continue
		}
		value := "not done yet"
		if ss.Done {
			value = ss.Ended.UTC().Format("15:04:05")
			if p.DeviatedIn(st.ID) {
				value += " · with a deviation"
			}
			if ss.Attempt > 1 {
				value += fmt.Sprintf(" · attempt %d", ss.Attempt)
			}
			for _, f := range ss.Facts {
				v := f.Value
				if f.Style == "hash" {
					v = fours(v)
				}
				value += "\n" + f.Label + ": " + v
			}
		}
		g.Facts = append(g.Facts, Fact{Label: fmt.Sprintf("%d  %s", st.Number, st.Title), Value: value})
	}
	signed := sorted(p.Phases[ph.Number])
	if len(signed) > 0 {
		g.Facts = append(g.Facts, said("Signed off by", calledAll(s, signed)))
	}
	return g
}

func deviations(s *ceremony.State, p *ceremony.Progress) Group {
	g := Group{Title: "Deviations"}
	for _, dv := range p.Deviations {
		value := fmt.Sprintf("Expected: %s\nHappened: %s\nKey material exposed: %s\nClass: %s, %s", dv.Raised.Expected, dv.Raised.Happened, dv.Raised.Exposed, dv.Raised.Class, dv.Raised.Severity)
		if dv.Raised.Containment != "" {
			value += "\nDone at once: " + dv.Raised.Containment
		}
		if dv.Decided == nil {
			value += "\nNot decided yet"
		} else {
			value += fmt.Sprintf("\nDecided: %s, by %s", dv.Decided.Decision, called(s, dv.Decided.By))
			if len(dv.Decided.HeardBy) > 0 {
				value += ", heard by " + calledAll(s, dv.Decided.HeardBy)
			}
			if dv.Decided.Reason != "" {
				value += "\nBecause: " + dv.Decided.Reason
			}
			if dv.Decided.Corrective != "" {
				value += "\nAbout the cause: " + dv.Decided.Corrective
			}
			if dv.Decided.Due != "" {
				value += "\nUntil: " + dv.Decided.Due
			}
			if dv.Closed != "" {
				value += "\nDone: " + dv.Closed
			}
			if dv.Decided.Effect != "" {
				value += "\nCannot be claimed: " + dv.Decided.Effect
			}
		}
		g.Facts = append(g.Facts, Fact{Label: fmt.Sprintf("%d, %s", dv.Raised.Number, dv.At.UTC().Format("15:04:05")), Value: value})
	}
	return g
}

func faults(p *ceremony.Progress) Group {
	g := Group{Title: "What the token did not do"}
	for _, f := range p.Faults {
		code := f.Code
		if code == "" {
			code = "no answer"
		}
		g.Facts = append(g.Facts, Fact{Label: capital(f.Class), Value: f.Why + " (" + code + ")"})
	}
	return g
}

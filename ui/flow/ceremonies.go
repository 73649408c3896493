package flow

import (
	"fmt"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// NewCeremonies lists every ceremony, the newest first.
func NewCeremonies(r Record) Table {
	t := Table{Title: textCeremonies, One: textCeremony, Many: textCeremoniesLower,
		Columns: []Column{{textCeremonyCapital, 3}, {textAbout, 2}, {textBegun, 1.6}, {textState, 1.8}, {textDeviations, 1.4}},
		First:   textNoCeremonyHeldYetStart}
	all := r.State.Ceremonies
	for i := len(all) - 1; i >= 0; i-- {
		p := all[i]
		state, tone := statusOf(p)
		deviations := textNone
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
			return textSealedNotAccepted, Waiting
		}
		return textSealed, Good
	case ceremony.AbortedStatus:
		return textAborted, Bad
	}
	state := capital(string(p.Status))
	for _, st := range p.Plan.Steps() {
		if !p.Steps[st.ID].Done {
			return fmt.Sprintf(textStep, state, st.Number), Waiting
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
	d := Detail{Kicker: fmt.Sprintf(textCeremonyX, p.Number), Title: p.Plan.Title}
	d.State, d.Tone = statusOf(p)
	order := p.Body.Order
	if order == "" && s.Site.Practice {
		order = textNonePracticeCeremonyNeedsNo
	}
	facts := []Fact{said(textAbout, subject(p)), said(textBegun, moment(p.Started)), said(textEnded, moment(p.Ended)), code(textToken, p.Token),
		said(textRuns, fmt.Sprint(max(len(p.Runs), 1))), said(textRecords, thousands(p.Records)), said(textOrder, order), said(textProgram, p.Body.Program.Version)}
	if n := p.NotAccepted(); len(n) > 0 {
		facts = append(facts, said(textNotAccepted, calledAll(s, n)))
	}
	if p.PauseReason != "" && (p.Status == ceremony.PausedStatus || p.Status == ceremony.Interrupted) {
		facts = append(facts, said(textPausedBecause, p.PauseReason))
	}
	d.Groups = append(d.Groups,
		Group{Title: textWhatItWas, Facts: facts, Hashes: []Hash{inWordsToo(fmt.Sprintf(textScriptVersionSHA256, p.Plan.Name, p.Plan.Version), p.Body.Script.String())}},
		Group{Title: textAsked, Facts: parameters(s, p)},
		Group{Title: textWhoTookPart, Facts: partners(s, p)})
	for _, ph := range p.Plan.Phases {
		d.Groups = append(d.Groups, phase(s, p, ph))
	}
	if p.Status == ceremony.AbortedStatus {
		g := Group{Title: textCleanUpDue}
		for _, left := range s.CleanUp(p) {
			g.Facts = append(g.Facts, Fact{Value: capital(left)})
		}
		if g.Facts == nil {
			g.Facts = []Fact{{Value: textNothingLeftPutRight}}
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
		d.Acts = append(d.Acts, Act{Verb: ShowEvidence, Label: textEvidence})
	}
	if unfinished(p) {
		d.Acts = append(d.Acts, Act{Verb: GoOnWith, Label: textResume})
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
		out = append(out, said(par.Ask, valueInWords(s, par, p.Plan.Values[par.Name])))
	}
	if len(out) == 0 {
		out = []Fact{{Value: textScriptNoParameters}}
	}
	return out
}

func partners(s *ceremony.State, p *ceremony.Progress) []Fact {
	var out []Fact
	for _, part := range p.Body.People {
		attested := textNotAttested
		if sg, ok := p.Attested[part.Person]; ok {
			attested = fmt.Sprintf(textAttested, sg.At.UTC().Format("15:04:05"))
			if sg.SignOff.Verdict == ceremony.Disagree {
				attested = fmt.Sprintf(textDidNotAgree, sg.SignOff.Reason)
			}
		}
		out = append(out, Fact{Label: role(part.Role), Value: called(s, part.Person) + " · " + attested})
	}
	return out
}

func role(r string) string { return capital(script.RoleWords(r)) }

// phase lists the steps of a phase with when they ended and what they found.
func phase(s *ceremony.State, p *ceremony.Progress, ph script.Phase) Group {
	g := Group{Title: fmt.Sprintf(textPhase, ph.Number, ph.Title)}
	for _, st := range ph.Steps {
		ss := p.Steps[st.ID]
		if ss == nil {
			continue
		}
		value := textNotDoneYet
		if ss.Done {
			value = ss.Ended.UTC().Format("15:04:05")
			if p.DeviatedIn(st.ID) {
				value += textDeviation
			}
			if ss.Attempt > 1 {
				value += fmt.Sprintf(textAttempt, ss.Attempt)
			}
			for _, f := range ss.Facts {
				v := f.Value
				if f.Style == "hash" {
					v = fours(v)
				}
				value += "\n" + f.Label + ": " + v
			}
		}
		g.Facts = append(g.Facts, Fact{Label: fmt.Sprintf(textTwoColumns, st.Number, st.Title), Value: value})
	}
	signed := sorted(p.Phases[ph.Number])
	if len(signed) > 0 {
		g.Facts = append(g.Facts, said(textSignedOff, calledAll(s, signed)))
	}
	return g
}

func deviations(s *ceremony.State, p *ceremony.Progress) Group {
	g := Group{Title: textDeviations}
	for _, dv := range p.Deviations {
		value := fmt.Sprintf(textExpectedHappenedKeyMaterialExposed, dv.Raised.Expected, dv.Raised.Happened, dv.Raised.Exposed, dv.Raised.Class, dv.Raised.Severity)
		if dv.Raised.Containment != "" {
			value += fmt.Sprintf(textDoneOnce, dv.Raised.Containment)
		}
		if dv.Decided == nil {
			value += textNotDecidedYet
		} else {
			value += fmt.Sprintf(textDecided, dv.Decided.Decision, called(s, dv.Decided.By))
			if len(dv.Decided.HeardBy) > 0 {
				value += fmt.Sprintf(textHeard, calledAll(s, dv.Decided.HeardBy))
			}
			if dv.Decided.Reason != "" {
				value += fmt.Sprintf(textBecause, dv.Decided.Reason)
			}
			if dv.Decided.Corrective != "" {
				value += fmt.Sprintf(textAboutCause, dv.Decided.Corrective)
			}
			if dv.Decided.Due != "" {
				value += fmt.Sprintf(textUntil, dv.Decided.Due)
			}
			if dv.Closed != "" {
				value += fmt.Sprintf(textDone, dv.Closed)
			}
			if dv.Decided.Effect != "" {
				value += fmt.Sprintf(textCannotClaimed, dv.Decided.Effect)
			}
		}
		g.Facts = append(g.Facts, Fact{Label: fmt.Sprintf(textNX, dv.Raised.Number, dv.At.UTC().Format("15:04:05")), Value: value})
	}
	return g
}

func faults(p *ceremony.Progress) Group {
	g := Group{Title: textTokenDidNotDo}
	for _, f := range p.Faults {
		code := f.Code
		if code == "" {
			code = textNoAnswer
		}
		g.Facts = append(g.Facts, Fact{Label: capital(f.Class), Value: f.Why + " (" + code + ")"})
	}
	return g
}

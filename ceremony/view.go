package ceremony

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony/script"
)

// Snapshot folds the state into what a screen draws.
func (e *Engine) Snapshot() Snapshot {
	s := e.state
	v := Snapshot{Site: SiteView{ID: s.Site.ID, Organisation: s.Site.Organisation, Practice: s.Site.Practice},
		Ledger:  LedgerView{Records: s.Size, Last: s.Last.String(), Verified: len(e.findings) == 0, SignedTo: s.SignedTo},
		HSM:     HSMView{State: e.seen},
		Working: e.working, Since: e.since, AtDevice: e.device}
	v.Ledger.Compared, v.Ledger.Foreign, v.Ledger.Contradiction = s.comparedWith(), s.foreignBrought(), s.Contradiction
	v.Ledger.Holder = e.holder
	_, v.Ledger.CopiesDue = s.CopiesDue()
	for _, f := range e.findings {
		v.Ledger.Findings = append(v.Ledger.Findings, f.String())
	}
	for _, id := range sortedKeys(s.Tokens) {
		if s.Open == nil || s.Open.Token == "" || s.Open.Token == id {
			v.HSM.Label, v.HSM.Serial = s.Tokens[id].Body.Label, id
		}
	}
	v.HSM.Software = len(s.Tokens) > 0 && !hardware(s)
	for _, id := range sortedKeys(s.People) {
		h := s.People[id]
		v.Site.People = append(v.Site.People, PersonView{Someone: s.Someone(id), Role: script.RoleWords(h.Body.Roles...), Organisation: h.Body.Organisation})
	}
	// In a record that does not hold nothing is under way, whatever it says; in one
	// that another program writes it is not under way here.
	if s.Open != nil && len(e.findings) == 0 && e.holder == "" {
		v.Ceremony = e.ceremonyView(s.Open)
		v.Sheets = map[Action][]Field{Deviate: s.DeviationFields(), Presence: s.PresenceFields(), TakeBreak: s.BreakFields(), Pause: s.PauseFields(), Abort: nil, Withhold: nil}
	}
	return v
}

// hardware says whether any token that the record knows told that it is.
func hardware(s *State) bool {
	for _, t := range s.Tokens {
		if t.Body.HardwareSlot {
			return true
		}
	}
	return false
}

// AlgorithmName is how people write an algorithm.
func AlgorithmName(a string) string {
	switch a {
	case "ec-p256":
		return "EC P-256"
	case "ec-p384":
		return "EC P-384"
	case "ec-p521":
		return "EC P-521"
	case "rsa-3072":
		return "RSA-3072"
	case "rsa-4096":
		return "RSA-4096"
	case "ed25519":
		return "Ed25519"
	}
	return a
}

func (e *Engine) ceremonyView(p *Progress) *CeremonyView {
	s := e.state
	v := &CeremonyView{Number: p.Number, Title: p.Plan.Title, Script: hex.EncodeToString(p.Body.Script[:4]), About: p.Plan.Values["label"],
		Started: p.Started, Deviations: len(p.Deviations), Facts: factsOf(e.shown), Result: e.result, Attempt: 1}
	now, has := p.Current()
	if !has {
		if due, _, ok := s.Due(); ok {
			now = due
		}
	}
	aloud := cmp.Or(p.Replaced[now.ID], now.Say)
	if e.signing > 0 {
		for _, st := range p.Plan.Steps() {
			if st.Phase == e.signing {
				now = st
			}
		}
		aloud = fmt.Sprintf("We have come to the end of phase %d. Read the list, and sign if it is what you saw.", e.signing)
	}
	for _, ph := range p.Plan.Phases {
		v.Planned += time.Duration(ph.Break) * time.Minute
		pv := PhaseView{Number: ph.Number, Title: ph.Title}
		for _, st := range p.Plan.Steps() {
			if st.Phase == ph.Number {
				pv.Steps = append(pv.Steps, s.stepView(p, st, ph.Title, st.ID == now.ID))
				v.Planned += time.Duration(st.Minutes) * time.Minute
				v.Steps++
			}
		}
		v.Phases = append(v.Phases, pv)
	}
	if now.ID != "" {
		title := ""
		for _, ph := range p.Plan.Phases {
			if ph.Number == now.Phase {
				title = ph.Title
			}
		}
		sv := s.stepView(p, now, title, true)
		v.Step, v.Aloud, v.Attempt = &sv, aloud, max(1, p.Steps[now.ID].Attempt)
	}
	for _, part := range p.Body.People {
		v.People = append(v.People, e.personView(p, part, now))
	}
	for _, id := range sortedKeys(p.Observers) {
		o := p.Observers[id]
		state, status := "idle", "present"
		if !o.Present {
			state, status = "absent", "left"
		}
		v.People = append(v.People, PersonView{Someone: Someone{ID: id, Name: o.Name, Initials: initials(o.Name)}, Role: script.Observer, Organisation: o.Organisation, State: state, Status: status})
	}
	v.Needs = needs(s, p, now)
	if e.signing > 0 {
		left := len(p.PhaseUnsigned(e.signing))
		n := len(p.Phases[e.signing])
		v.Needs = []Need{{Text: fmt.Sprintf("%d of %d signed phase %d", n, n+left, e.signing), Met: left == 0, Got: n, Of: n + left}}
	}
	if e.acting != "" {
		v.Waiting = fmt.Sprintf("Waiting for the %s: %s", script.RoleWords(p.Role(e.acting)), s.Someone(e.acting).Name)
	}
	return v
}

func (s *State) stepView(p *Progress, st script.Step, phase string, now bool) StepView {
	ss := p.Steps[st.ID]
	v := StepView{Number: st.Number, ID: st.ID, Title: st.Title, Kind: st.Kind, Phase: phase, Status: "todo", Started: ss.Started, Ended: ss.Ended, Planned: time.Duration(st.Minutes) * time.Minute,
		CannotUndo: st.Kind == SealStep || strings.HasPrefix(st.Kind, "destroy-")}
	switch {
	case ss.Done && p.DeviatedIn(st.ID):
		v.Status = "deviated"
	case ss.Done:
		v.Status = "done"
	case now:
		v.Status = "now"
	}
	var marks []string
	for _, id := range ss.Signers {
		marks = append(marks, s.Someone(id).Initials)
	}
	if ss.Done {
		for _, role := range []string{"administrator", "witness"} {
			for _, id := range p.InRole(role) {
				if _, ok := p.Phases[st.Phase][id]; ok && len(ss.Signers) == 0 {
					marks = append(marks, s.Someone(id).Initials)
				}
			}
		}
	}
	v.Marks = strings.Join(marks, " ")
	return v
}

func (e *Engine) personView(p *Progress, part Part, now script.Step) PersonView {
	s := e.state
	v := PersonView{Someone: s.Someone(part.Person), Role: part.Role, State: "idle"}
	if h := s.People[part.Person]; h != nil {
		v.Organisation = h.Body.Organisation
	}
	switch {
	case e.acting == part.Person:
		v.State, v.Status = "acting", "to act now"
	case p.LockedOut[part.Person] > 0:
		v.State, v.Status = "absent", "locked out"
	case p.gone[part.Person]:
		v.State, v.Status = "absent", "left"
	case !p.Present[part.Person] && now.Kind == EnrolStep:
		v.State, v.Status = "absent", "to be enrolled"
		if s.People[part.Person] != nil {
			v.State, v.Status = "idle", "enrolled"
		}
	case !p.Present[part.Person]:
		v.State, v.Status = "absent", "not called yet"
	case now.ID != "" && slices.Contains(p.Steps[now.ID].Signers, part.Person):
		v.State, v.Status = "signed", "authorised"
	default:
		v.Status = "present"
		if last := lastSigned(p, part.Person); !last.IsZero() {
			v.State, v.Status = "signed", "signed "+last.UTC().Format("15:04:05")
		}
	}
	return v
}

func lastSigned(p *Progress, person string) time.Time {
	var last time.Time
	for _, ph := range p.Phases {
		if sg, ok := ph[person]; ok && sg.At.After(last) {
			last = sg.At
		}
	}
	if sg, ok := p.Attested[person]; ok {
		last = sg.At
	}
	return last
}

// openedBefore: the script opens the token before a step.
func (p *Progress) openedBefore(now script.Step) bool {
	open := p.firstOf(OpenTokenStep)
	return open.ID != "" && open.Number < now.Number
}

func present(p *Progress) Need {
	n, of := len(p.Present), len(p.Answering())
	return Need{Text: fmt.Sprintf("%d of %d people present", n, of), Met: n == of, Got: n, Of: of}
}

// needs lists what the step under way still asks for.
func needs(s *State, p *Progress, now script.Step) []Need {
	var out []Need
	switch now.Kind {
	case AuthoriseStep:
		n, of := len(p.Steps[now.ID].Signers), needed(now)
		out = append(out, Need{Text: fmt.Sprintf("%d of %d officers authorised", n, of), Met: n >= of, Got: n, Of: of})
	case EnrolStep:
		n, of := 0, len(p.Answering())
		for _, part := range p.Answering() {
			if s.People[part.Person] != nil {
				n++
			}
		}
		out = append(out, Need{Text: fmt.Sprintf("%d of %d people enrolled", n, of), Met: n == of, Got: n, Of: of}, present(p))
	case RollCallStep:
		out = append(out, present(p))
	case AttestStep:
		out = append(out, Need{Text: fmt.Sprintf("%d of %d attested", len(p.Attested), len(p.Answering())), Met: len(p.Unattested()) == 0, Got: len(p.Attested), Of: len(p.Answering())})
	}
	if auth, ok := p.authoriser(now.ID); ok && len(out) == 0 {
		n, of := len(p.authorised(now.ID, p.Steps[now.ID].Attempt)), needed(auth)
		out = append(out, Need{Text: fmt.Sprintf("%d of %d officers authorised", n, of), Met: n >= of, Got: n, Of: of})
		if p.openedBefore(now) {
			out = append(out, Need{Text: "Token open", Met: p.TokenOpen})
		}
	}
	return out
}

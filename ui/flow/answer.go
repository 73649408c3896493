package flow

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"claviger/ceremony"
	"claviger/hsm/secret"
)

// Wrong names, for each field, what does not hold.
type Wrong map[string]string

// Confirmed is the answer to a page that only goes on.
func Confirmed() ceremony.Answer { return ceremony.Answer{} }

// Filled answers a form, or says what is wrong with it.
func (pg Page) Filled(values map[string]string) (ceremony.Answer, Wrong) {
	wrong := Wrong{}
	clean := map[string]string{}
	for _, f := range pg.Fields {
		v := strings.TrimSpace(values[f.Name])
		clean[f.Name] = v
		switch {
		case v == "" && f.Optional:
		case v == "" && len(f.Of) > 0:
			wrong[f.Name] = "Choose one."
		case v == "":
			wrong[f.Name] = "Nothing is typed here yet."
		case f.Max > 0 && utf8.RuneCountInString(v) > f.Max:
			wrong[f.Name] = fmt.Sprintf("At most %d characters.", f.Max)
		case f.Time && !isTime(v):
			wrong[f.Name] = fmt.Sprintf("%q is not a time: type hours and minutes, like 11:42.", v)
		}
	}
	if len(wrong) > 0 {
		return ceremony.Answer{}, wrong
	}
	return ceremony.Answer{Fields: clean}, nil
}

func isTime(s string) bool {
	_, err := time.Parse("15:04", s)
	return err == nil && len(s) == len("15:04")
}

// Phrased answers with the phrase as it was typed; false while it is another.
func (pg Page) Phrased(typed string) (ceremony.Answer, bool) {
	return ceremony.Answer{Fields: map[string]string{ceremony.PhraseField: typed}}, typed == pg.Phrase && typed != ""
}

// Decided answers a decision with one of its options.
func (pg Page) Decided(option int, reason string) ceremony.Answer {
	return ceremony.Answer{Choice: pg.Options[option].ID, Reason: strings.TrimSpace(reason)}
}

// Entered gives a secret away.
func Entered(s *secret.Buffer) ceremony.Answer { return ceremony.Answer{Secret: s} }

// Signed agrees, Refused does not and says why. The secret signs either.
func Signed(s *secret.Buffer) ceremony.Answer {
	return ceremony.Answer{Verdict: ceremony.Agree, Secret: s}
}

func Refused(s *secret.Buffer, reason string) ceremony.Answer {
	return ceremony.Answer{Verdict: ceremony.Disagree, Reason: strings.TrimSpace(reason), Secret: s}
}

// Paused and Aborted stop the ceremony for now or for good.
func Paused(reason string) ceremony.Answer {
	return ceremony.Answer{Action: ceremony.Pause, Reason: strings.TrimSpace(reason)}
}

func Aborted(reason string) ceremony.Answer {
	return ceremony.Answer{Action: ceremony.Abort, Reason: strings.TrimSpace(reason)}
}

// Left goes back from what belongs to no ceremony.
func Left() ceremony.Answer { return ceremony.Answer{Action: ceremony.Abort} }

// Deviation is the sheet for what did not go as scripted.
type Deviation struct {
	Expected, Happened, Reason string
	Exposed, Decision          int // of Exposures and Decisions; -1 is not chosen
	DecidedBy                  int // of Deciders
}

// Choice is one answer of a closed question.
type Choice struct{ ID, Label, Help string }

// choices are the only answers of a field; people are called by their names,
// words as words, and what has a digit in it as it is written.
func choices(of []string, people []ceremony.PersonView) []Choice {
	var out []Choice
	for _, id := range of {
		c := Choice{ID: id, Label: id}
		if !strings.ContainsAny(id, "0123456789") {
			c.Label = capital(strings.ReplaceAll(id, "-", " "))
		}
		for _, p := range people {
			if p.ID == id {
				c.Label, c.Help = p.Name, capital(p.Role)
			}
		}
		out = append(out, c)
	}
	return out
}

// Exposures answers whether key material was exposed.
var Exposures = []Choice{
	{"no", "No", "Nobody saw what nobody may see."},
	{"yes", "Yes", "Somebody saw or heard a secret."},
	{"unknown", "Not known", "It cannot be ruled out."},
}

// Decisions says how it goes on.
var Decisions = []Choice{
	{"continue", "Go on", "The step stands, with this deviation."},
	{"repeat", "Do the step again", "The attempt is closed; the next one is authorised anew."},
	{"abort", "Abort the ceremony", "It ends here, with a report of its own."},
}

// Deciders are the people who may decide a deviation: the approvers, or anybody
// where the site has none.
func Deciders(s ceremony.Snapshot) []Choice {
	var approvers, all []Choice
	for _, p := range s.Site.People {
		c := Choice{ID: p.ID, Label: p.Name, Help: capital(p.Role)}
		all = append(all, c)
		if strings.Contains(p.Role, "approver") {
			approvers = append(approvers, c)
		}
	}
	if len(approvers) > 0 {
		return approvers
	}
	return all
}

// Raised makes the answer of a sheet, or says what is missing.
func (d Deviation) Raised(deciders []Choice) (ceremony.Answer, Wrong) {
	wrong := Wrong{}
	for name, text := range map[string]string{"expected": d.Expected, "happened": d.Happened, "reason": d.Reason} {
		if strings.TrimSpace(text) == "" {
			wrong[name] = "Nothing is typed here yet."
		}
	}
	if d.Exposed < 0 {
		wrong["exposed"] = "Choose one."
	}
	if d.Decision < 0 {
		wrong["decision"] = "Choose one."
	}
	if d.DecidedBy < 0 || d.DecidedBy >= len(deciders) {
		wrong["decided-by"] = "Choose who decided."
	}
	if len(wrong) > 0 {
		return ceremony.Answer{}, wrong
	}
	return ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{
		"expected": strings.TrimSpace(d.Expected), "happened": strings.TrimSpace(d.Happened), "reason": strings.TrimSpace(d.Reason),
		"exposed": Exposures[d.Exposed].ID, "decision": Decisions[d.Decision].ID, "decided-by": deciders[d.DecidedBy].ID,
	}}, nil
}

// CheckReason is what pause, abort and disagreement need.
func CheckReason(reason string) string {
	if strings.TrimSpace(reason) == "" {
		return "Say why in a few words; it is recorded."
	}
	return ""
}

// AbortPhrase must be typed before a ceremony is aborted.
func AbortPhrase(s ceremony.Snapshot) string {
	if s.Ceremony == nil {
		return "ABORT"
	}
	return "ABORT " + s.Ceremony.Number
}

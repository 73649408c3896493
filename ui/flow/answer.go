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
	clean, wrong := filled(pg.Fields, values)
	return ceremony.Answer{Fields: clean}, wrong
}

// filled cleans what was typed into fields, or says what is wrong with it.
func filled(fields []Field, values map[string]string) (map[string]string, Wrong) {
	wrong := Wrong{}
	clean := map[string]string{}
	for _, f := range fields {
		if !f.Asked(values) {
			continue
		}
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
		return nil, wrong
	}
	return clean, nil
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

// Left goes back from what belongs to no ceremony.
func Left() ceremony.Answer { return ceremony.Answer{Action: ceremony.Abort} }

// Choice is one answer of a closed question.
type Choice struct{ ID, Label, Help string }

// answers say what the short answers of sheets mean.
var answers = map[string]map[string]Choice{
	"exposed": {
		"no":      {Label: "No", Help: "Nobody saw what nobody may see."},
		"yes":     {Label: "Yes", Help: "Somebody saw or heard a secret."},
		"unknown": {Label: "Not known", Help: "It cannot be ruled out."},
	},
	"class": {
		"script":                    {Label: "Script", Help: "Its words were wrong, or were not followed."},
		ceremony.EquipmentDeviation: {Label: "Equipment", Help: "HSM, workstation, medium, printer."},
		ceremony.PersonDeviation:    {Label: "Person", Help: "Somebody was missing, late or mistaken."},
		"security":                  {Label: "Security", Help: "A seal, a lock, a secret, the room."},
		"clock":                     {Label: "Clock", Help: "The time was wrong or was set."},
		"data":                      {Label: "Data", Help: "A value, a name or a file was wrong."},
	},
	"severity": {
		ceremony.MinorDeviation:    {Label: "Minor", Help: "Nothing that the evidence claims depends on it."},
		ceremony.MajorDeviation:    {Label: "Major", Help: "A claim is limited by it."},
		ceremony.CriticalDeviation: {Label: "Critical", Help: "A key or a share cannot be relied on."},
	},
	"decision": {
		ceremony.DecideContinue: {Label: "Go on", Help: "The step stands, with this deviation."},
		ceremony.DecideRepeat:   {Label: "Do the step again", Help: "The attempt is closed; the next one is authorised anew."},
		ceremony.DecideReplace:  {Label: "Do something else instead", Help: "What is done is typed below; it stands in place of the step's own words."},
		ceremony.DecideLockOut:  {Label: "Lock somebody out", Help: "Who is named below takes no part from here on."},
		ceremony.DecideAbort:    {Label: "Abort the ceremony", Help: "It ends here, with a report of its own."},
	},
	"event": {
		ceremony.PersonLeft:        {Label: "Somebody left", Help: "The own authorisations go along and are given again."},
		ceremony.PersonReturned:    {Label: "Somebody came back", Help: "Who comes back opens the enrolled key again."},
		ceremony.PersonSubstituted: {Label: "Another person takes a part over", Help: "It is decided and recorded as a deviation."},
		ceremony.ObserverArrived:   {Label: "An observer came", Help: "A guest, who performs no control."},
		ceremony.ObserverLeft:      {Label: "An observer left", Help: "With a statement, where there is one."},
	},
	"signed": {
		"heard":  {Label: "Said aloud", Help: "Administrator and witness heard it."},
		"signed": {Label: "Signed here", Help: "Who decides comes to the keyboard next."},
	},
}

// choices are the only answers of a field; people are called by their names,
// words as words, and what has a digit in it as it is written.
func choices(field string, of []string, people []ceremony.PersonView) []Choice {
	var out []Choice
	for _, id := range of {
		c := Choice{ID: id, Label: id}
		if !strings.ContainsAny(id, "0123456789") {
			c.Label = capital(strings.ReplaceAll(id, "-", " "))
		}
		for _, p := range people {
			if p.ID == id {
				c.Label, c.Help = p.Name, role(p.Role)
			}
		}
		if known, ok := answers[field][id]; ok {
			c.Label, c.Help = known.Label, known.Help
		}
		out = append(out, c)
	}
	return out
}

// CheckReason is what pause, abort and disagreement need.
func CheckReason(reason string) string {
	if strings.TrimSpace(reason) == "" {
		return "Say why in a few words; it is recorded."
	}
	return ""
}

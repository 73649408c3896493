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
			wrong[f.Name] = textChooseOne
		case v == "":
			wrong[f.Name] = textNothingTypedHereYet
		case f.Max > 0 && utf8.RuneCountInString(v) > f.Max:
			wrong[f.Name] = fmt.Sprintf(textMostCharacters, f.Max)
		case f.Time && !isTime(v):
			wrong[f.Name] = fmt.Sprintf(textNotTimeTypeHoursMinutes, v)
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
		"no":      {Label: textNo, Help: textNobodySawNobodyMaySee},
		"yes":     {Label: textYes, Help: textSomebodySawHeardSecret},
		"unknown": {Label: textNotKnown, Help: textCannotRuledOut},
	},
	"class": {
		"script":                    {Label: textScript, Help: textWordsWrongNotFollowed},
		ceremony.EquipmentDeviation: {Label: textEquipment, Help: textHSMWorkstationMediumPrinter},
		ceremony.PersonDeviation:    {Label: textPerson, Help: textSomebodyMissingLateMistaken},
		"security":                  {Label: textSecurity, Help: textSealLockSecretRoom},
		"clock":                     {Label: textClock, Help: textTimeWrongSet},
		"data":                      {Label: textData, Help: textValueNameFileWrong},
	},
	"severity": {
		ceremony.MinorDeviation:    {Label: textMinor, Help: textNothingEvidenceClaimsDepends},
		ceremony.MajorDeviation:    {Label: textMajor, Help: textClaimLimited},
		ceremony.CriticalDeviation: {Label: textCritical, Help: textKeyShareCannotRelied},
	},
	"decision": {
		ceremony.DecideContinue: {Label: textGo, Help: textStepStandsDeviation},
		ceremony.DecideRepeat:   {Label: textDoStepAgain, Help: textAttemptClosedNextOneAuthorised},
		ceremony.DecideReplace:  {Label: textDoSomethingElseInstead, Help: textDoneTypedBelowStandsPlace},
		ceremony.DecideLockOut:  {Label: textLockSomebodyOut, Help: textWhoNamedBelowTakesNo},
		ceremony.DecideAbort:    {Label: textAbortCeremony, Help: textEndsHereReportOwn},
	},
	"event": {
		ceremony.PersonLeft:        {Label: textSomebodyLeft, Help: textWhatPersonAuthorisedLapses},
		ceremony.PersonReturned:    {Label: textSomebodyCameBack, Help: textWhoComesBackOpensEnrolled},
		ceremony.PersonSubstituted: {Label: textAnotherPersonTakesPartOver, Help: textDecidedRecordedDeviation},
		ceremony.ObserverArrived:   {Label: textObserverCame, Help: textGuestWhoPerformsNoControl},
		ceremony.ObserverLeft:      {Label: textObserverLeft, Help: textStatementWhereThereOne},
	},
	"signed": {
		"heard":  {Label: textSaidAloud, Help: textAdministratorWitnessHeard},
		"signed": {Label: textSignedHere, Help: textWhoDecidesComesKeyboardNext},
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
		return textSayWhyFewWordsRecorded
	}
	return ""
}

package flow

import (
	"slices"
	"strings"

	"claviger/ceremony"
)

// Sheet lies over the page of a prompt: what the prompt can be answered with
// beside its answer. The engine names the questions; State judges the answers.
type Sheet struct {
	Action              ceremony.Action
	Kicker, Title, Text string
	Verb                string
	Reason              string // asks for the reason, "" where the fields do
	Fields              []Field
	Phrase              string // to be typed exactly; what it stands before cannot be undone
}

var sheets = map[ceremony.Action]Sheet{
	ceremony.Deviate: {Kicker: textDeviationCapital, Title: textNoteDidNotGoScripted, Verb: textRecordDeviation,
		Text: textDeviationsNormalCeremonyHiddenOnes},
	ceremony.Pause: {Kicker: textPause, Title: textPauseCeremony, Verb: textPauseCeremony, Reason: textWhy,
		Text: textHSMLoggedOutEverySecret},
	ceremony.TakeBreak: {Kicker: textBreak, Title: textTakeBreak, Verb: textBeginBreak,
		Text: textTwoPeopleStayEquipmentHSM},
	ceremony.Presence: {Kicker: textPeopleCapital, Title: textSomebodyComesGoes, Verb: textRecordIt,
		Text: textWhoLeavesTakesTheirAuthorisations},
	ceremony.Withhold: {Kicker: textSignOff, Title: textRecordNothingSigned, Verb: textRecordIt, Reason: textOthersSaw,
		Text: textWhoDoesNotSignNot},
	ceremony.Abort: {Kicker: textCannotUndone, Title: textAbortCeremony, Verb: textAbortCeremony, Reason: textWhy,
		Text: textCeremonyEndsHereGetsReport},
}

// NewSheet makes the sheet of an action; false where the engine does not offer
// it.
func NewSheet(s ceremony.Snapshot, action ceremony.Action) (Sheet, bool) {
	sheet, known := sheets[action]
	fields, offered := s.Sheets[action]
	sheet.Action, sheet.Fields = action, newFields(fields, everyone(s))
	if action == ceremony.Abort {
		sheet.Phrase = textABORT
		if s.Ceremony != nil {
			sheet.Phrase += " " + s.Ceremony.Number
		}
	}
	return sheet, known && offered
}

// Answer is what a filled sheet asks of the engine; what is wrong with it is
// named by field, and the reason by "".
func (sh Sheet) Answer(values map[string]string, reason string) (ceremony.Answer, Wrong) {
	clean, wrong := filled(sh.Fields, values)
	if sh.Reason != "" {
		if why := CheckReason(reason); why != "" {
			if wrong == nil {
				wrong = Wrong{}
			}
			wrong[""] = why
		}
	}
	if wrong != nil {
		return ceremony.Answer{}, wrong
	}
	return ceremony.Answer{Action: sh.Action, Fields: clean, Reason: strings.TrimSpace(reason)}, nil
}

// everyone who is enrolled, and the guests in the room.
func everyone(s ceremony.Snapshot) []ceremony.PersonView {
	if s.Ceremony == nil {
		return s.Site.People
	}
	return append(slices.Clone(s.Site.People), s.Ceremony.People...)
}

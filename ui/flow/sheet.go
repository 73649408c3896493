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
	ceremony.Deviate: {Kicker: "Deviation", Title: "Note what did not go as scripted", Verb: "Record the deviation",
		Text: "Deviations are normal in a ceremony; hidden ones are not. The sheet is recorded, signed with the phase, and printed in the report."},
	ceremony.Pause: {Kicker: "Pause", Title: "Pause the ceremony", Verb: "Pause the ceremony", Reason: "Why",
		Text: "The HSM is logged out, every secret in memory is wiped, the record is signed as far as it goes. To resume, the roll is called again and the custodians come back."},
	ceremony.TakeBreak: {Kicker: "Break", Title: "Take a break", Verb: "Begin the break",
		Text: "Two people stay with the equipment. The HSM is closed and the keys of this ceremony are kept; who comes back types the session PIN."},
	ceremony.Presence: {Kicker: "People", Title: "Somebody comes or goes", Verb: "Record it",
		Text: "Who leaves takes their authorisations along; they are given again. A substitute takes the whole part over."},
	ceremony.Withhold: {Kicker: "Sign-off", Title: "Record that nothing is signed", Verb: "Record it", Reason: "What the others saw",
		Text: "Who does not sign is not asked why. Two others attest what they saw, and the ceremony ends as not accepted."},
	ceremony.Abort: {Kicker: "Cannot be undone", Title: "Abort the ceremony", Verb: "Abort the ceremony", Reason: "Why",
		Text: "The ceremony ends here and gets a report of its own. What was done in the HSM stays done; the record says what that is."},
}

// NewSheet makes the sheet of an action; false where the engine does not offer
// it.
func NewSheet(s ceremony.Snapshot, action ceremony.Action) (Sheet, bool) {
	sheet, known := sheets[action]
	fields, offered := s.Sheets[action]
	sheet.Action, sheet.Fields = action, newFields(fields, everyone(s))
	if action == ceremony.Abort {
		sheet.Phrase = "ABORT"
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

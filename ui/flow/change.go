package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
)

// KeyChange is a state that a key reaches by the word of people (NIST SP 800-57
// part 1, section 7), and what was typed about it.
type KeyChange struct {
	Key, Label string
	To         ceremony.KeyState
	Title      string
	Text       string
	Waived     bool // it is used without a backup
	Grave      bool // nobody can take it back
	Signers    []Signer
	Reason     string
	Trouble    *Trouble
}

// Signer is a role that has to sign, and who can.
type Signer struct {
	Role   string
	People []Choice
}

// changeWords say what a way of changing a key means; what State allows decides
// which are offered.
func changeWords(k *ceremony.Key, way ceremony.KeyWay) (label, text string) {
	switch to := way.To; {
	case way.Waives:
		return textAcceptWithoutBackup, textOwnerApproverAcceptReportShows
	case to == ceremony.Active && k.State == ceremony.PreActivation:
		return textAcceptKey, textOwnerApproverAcceptReportShowsFrom
	case to == ceremony.Active:
		return textUseAgain, textOwnerApproverFindNothingStands
	case to == ceremony.Deactivated:
		return textEndUse, textOwnerEndsUseKeyMade
	case to == ceremony.Suspended:
		return textSuspend, textUseHaltedWhileSomethingLooked
	}
	return textDeclareCompromised, textNobodyCanTakeBackKey
}

// signersInWords: "the approver", "two officers".
func signersInWords(by []string) string {
	if len(by) > 1 && by[0] == by[len(by)-1] {
		return inWords(len(by)) + " " + manyOf(by[0])
	}
	return fmt.Sprintf(textThe, strings.Join(by, textAndThe))
}

// changeActs are what can be said of a key now. Where several may say the same, the
// act names them. What stands in the way of a new key's acceptance is said.
func changeActs(s *ceremony.State, k *ceremony.Key) []Act {
	var out []Act
	ways := s.Ways(k)
	if err := cmp.Or(s.Unaccepted(k), s.Unbacked(k)); err != nil && !k.Quarantined {
		label, _ := changeWords(k, ceremony.KeyWay{To: ceremony.Active})
		why := err.Error()
		if !strings.HasPrefix(why, k.Body.Label) { // a label keeps its letters
			why = capital(why)
		}
		out = append(out, Act{Verb: ChangeKey, Label: label, Off: why + "."})
	}
	for _, w := range ways {
		label, _ := changeWords(k, w)
		if len(slices.DeleteFunc(slices.Clone(ways), func(o ceremony.KeyWay) bool { return o.To != w.To })) > 1 {
			label += fmt.Sprintf(textBy, signersInWords(w.By))
		}
		out = append(out, Act{Verb: ChangeKey, Label: label, To: string(w.To), By: w.By})
	}
	return out
}

// NewKeyChange is the page that brings a key to a state by the word of people in
// these roles.
func NewKeyChange(r Record, id, to string, by []string) (KeyChange, bool) {
	k := r.State.Keys[id]
	if k == nil {
		return KeyChange{}, false
	}
	for _, w := range r.State.Ways(k) {
		if string(w.To) != to || !slices.Equal(w.By, by) {
			continue
		}
		label, text := changeWords(k, w)
		page := KeyChange{Key: id, Label: k.Body.Label, To: w.To, Waived: w.Waives, Title: label + ": " + k.Body.Label, Text: fmt.Sprintf(textSign, capital(signersInWords(by)), text), Grave: w.To == ceremony.Compromised}
		if len(by) == 1 {
			page.Text = fmt.Sprintf(textSigns, capital(signersInWords(by)), text)
		}
		for _, role := range by {
			people := enrolledAs(r.State, role)
			if role == script.Owner {
				people = slices.DeleteFunc(people, func(p Choice) bool { return p.ID != k.Body.Owner })
			}
			page.Signers = append(page.Signers, Signer{Role: role, People: people})
		}
		return page, true
	}
	return KeyChange{}, false
}

// Signed says who signs, given the place of each signer's choice, and what is
// missing.
func (c KeyChange) Signed(chosen []int, reason string) ([]ceremony.Part, Wrong) {
	wrong := Wrong{}
	var parts []ceremony.Part
	for i, sg := range c.Signers {
		if chosen[i] >= 0 && slices.ContainsFunc(parts, func(p ceremony.Part) bool { return p.Person == sg.People[chosen[i]].ID }) {
			wrong[sg.Role] = textChooseTwoDifferentPeopleNobody
			continue
		}
		if chosen[i] < 0 {
			wrong[sg.Role] = fmt.Sprintf(textChooseWhoSigns, sg.Role)
			continue
		}
		parts = append(parts, ceremony.Part{Person: sg.People[chosen[i]].ID, Role: sg.Role})
	}
	if strings.TrimSpace(reason) == "" {
		wrong["reason"] = textTypeReasonStandsRecordGood
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return parts, nil
}

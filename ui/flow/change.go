package flow

import (
	"slices"
	"strings"

	"claviger/ceremony"
)

// KeyChange is a state that a key reaches by the word of people (NIST SP 800-57
// part 1, section 7), and what was typed about it.
type KeyChange struct {
	Key, Label string
	To         ceremony.KeyState
	Title      string
	Text       string
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

// keyChanges are the ways out of a state, in the order in which they are offered.
var keyChanges = []struct {
	from        []ceremony.KeyState
	to          ceremony.KeyState
	label, text string
	by          []string
}{
	{[]ceremony.KeyState{ceremony.PreActivation}, ceremony.Active, "Accept the key", "Owner and approver accept what the report shows. From then on the key may be used.", []string{"owner", "approver"}},
	{[]ceremony.KeyState{ceremony.Suspended}, ceremony.Active, "Use it again", "Owner and approver find that nothing stands against its use.", []string{"owner", "approver"}},
	{[]ceremony.KeyState{ceremony.Active, ceremony.Suspended}, ceremony.Deactivated, "End its use", "The owner ends the use of the key. What was made with it can still be read.", []string{"owner"}},
	{[]ceremony.KeyState{ceremony.Active}, ceremony.Suspended, "Suspend it", "The owner halts its use while something is looked into.", []string{"owner"}},
	{[]ceremony.KeyState{ceremony.PreActivation, ceremony.Active, ceremony.Suspended, ceremony.Deactivated}, ceremony.Compromised, "Declare it compromised", "The approver declares it, and nobody can take that back: the key can only be destroyed then.", []string{"approver"}},
}

// changeActs are what can be said of a key now.
func changeActs(k *ceremony.Key) []Act {
	var out []Act
	for _, c := range keyChanges {
		if slices.Contains(c.from, k.State) && (!k.Quarantined || c.to == ceremony.Compromised) {
			out = append(out, Act{Verb: ChangeKey, Label: c.label, To: string(c.to)})
		}
	}
	return out
}

// NewKeyChange is the page that brings a key to a state.
func NewKeyChange(r Record, id, to string) (KeyChange, bool) {
	k := r.State.Keys[id]
	if k == nil {
		return KeyChange{}, false
	}
	for _, c := range keyChanges {
		if string(c.to) != to || !slices.Contains(c.from, k.State) {
			continue
		}
		page := KeyChange{Key: id, Label: k.Body.Label, To: c.to, Title: c.label + ": " + k.Body.Label, Text: c.text, Grave: c.to == ceremony.Compromised}
		for _, role := range c.by {
			people := peopleFor(r.State, role)
			if role == "owner" {
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
		if chosen[i] < 0 {
			wrong[sg.Role] = "Choose who signs as " + sg.Role + "."
			continue
		}
		parts = append(parts, ceremony.Part{Person: sg.People[chosen[i]].ID, Role: sg.Role})
	}
	if strings.TrimSpace(reason) == "" {
		wrong["reason"] = "Type the reason: it stands in the record for good."
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return parts, nil
}

package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// KeyChange asks who signs a change of a key's state, and why.
func KeyChange(c flow.KeyChange, sign func(people []ceremony.Part, reason string), back func()) *Screen {
	column, kind := kit.Column(16), kit.Primary
	if c.Grave {
		column.Add(kit.GraveKicker(textCannotUndone))
		kind = kit.Danger
	}
	column.Add(kit.Title(c.Title))
	column.Add(kit.Body(c.Text))
	if c.Trouble != nil {
		column.Add(trouble(c.Trouble))
	}
	reason := kit.NewTextField(textReason, textStandsRecordGood, 400)
	reason.SetValue(c.Reason)
	choices := make([]*kit.Choice, len(c.Signers))
	for i, sg := range c.Signers {
		column.Add(kit.Heading(fmt.Sprintf(textSigns, sg.Role)))
		choices[i] = choiceOf(sg.People)
		if n := signersBefore(c.Signers[:i], sg.Role); len(sg.People) == signersBefore(c.Signers, sg.Role) {
			choices[i].Choose(n) // there is nobody else to choose
		}
		column.Add(kit.AtMost(52, choices[i]))
	}
	s := &Screen{Object: column, First: reason.Focusable()}
	said, say := s.message(fyne.TextAlignLeading)
	goOn := kit.NewButton(kind, textGoSignatures, nil)
	goOn.OnAct = func() {
		chosen := make([]int, len(choices))
		for i, ch := range choices {
			chosen[i] = ch.Chosen()
		}
		people, wrong := c.Signed(chosen, reason.Value())
		reason.Wrong(wrong["reason"])
		missing := ""
		for _, sg := range c.Signers {
			if missing == "" {
				missing = wrong[sg.Role]
			}
		}
		say(missing, kit.Bad)
		if wrong == nil {
			sign(people, reason.Value())
		}
	}
	reason.OnSubmitted(func() { focus(goOn) })
	column.Add(kit.AtMost(52, reason.Object))
	s.Dock = kit.Column(12, said, kit.Actions(goOn, kit.NewButton(kit.Secondary, textBack, back)))
	return s
}

func signersBefore(signers []flow.Signer, role string) int {
	n := 0
	for _, sg := range signers {
		if sg.Role == role {
			n++
		}
	}
	return n
}

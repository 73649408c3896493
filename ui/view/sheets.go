package view

import (
	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// Deviation is the sheet for what did not go as scripted.
func Deviation(deciders []flow.Choice, answer func(ceremony.Answer), back func()) *Screen {
	expected := kit.NewTextField("What was expected", "", 1000)
	happened := kit.NewTextField("What happened", "", 1000)
	reason := kit.NewTextField("Reason given for the decision", "", 1000)
	exposed, decision, decided := choiceOf(flow.Exposures), choiceOf(flow.Decisions), choiceOf(deciders)
	said := map[string]func(string, kit.Tone){}
	question := func(name, ask string, c *kit.Choice) fyne.CanvasObject {
		text, say := message(fyne.TextAlignLeading)
		said[name] = say
		return kit.Column(6, kit.Kicker(ask), c, text)
	}
	record := kit.NewButton(kit.Primary, "Record the deviation", nil)
	record.OnAct = func() {
		a, wrong := flow.Deviation{Expected: expected.Value(), Happened: happened.Value(), Reason: reason.Value(),
			Exposed: exposed.Chosen(), Decision: decision.Chosen(), DecidedBy: decided.Chosen()}.Raised(deciders)
		expected.Wrong(wrong["expected"])
		happened.Wrong(wrong["happened"])
		reason.Wrong(wrong["reason"])
		for name, say := range said {
			say(wrong[name], kit.Bad)
		}
		if wrong == nil {
			answer(a)
		}
	}
	expected.OnSubmitted(func() { focus(happened.Focusable()) })
	happened.OnSubmitted(func() { focus(exposed) })
	exposed.OnSubmitted = func() { focus(decision) }
	decision.OnSubmitted = func() { focus(decided) }
	decided.OnSubmitted = func() { focus(reason.Focusable()) }
	reason.OnSubmitted(func() { focus(record) })

	column := kit.Column(16,
		kit.Column(4, kit.Kicker("Deviation"), kit.Title("Note what did not go as scripted")),
		kit.Body("Deviations are normal in a ceremony; hidden ones are not. The sheet is recorded, signed with the phase, and printed in the report."),
		kit.Card(14, expected.Object, happened.Object),
		question("exposed", "Was key material exposed?", exposed),
		question("decision", "What was decided?", decision),
		question("decided-by", "Decided by, as heard by administrator and witness", decided),
		kit.Card(14, reason.Object),
		kit.Actions(record, kit.NewButton(kit.Secondary, "Back to the step", back)))
	return &Screen{Object: column, First: expected.Focusable()}
}

func choiceOf(answers []flow.Choice) *kit.Choice {
	items := make([]kit.ChoiceItem, len(answers))
	for i, a := range answers {
		items[i] = kit.ChoiceItem{Label: a.Label, Help: a.Help}
	}
	return kit.NewChoice(items...)
}

// Pause asks why, and pauses.
func Pause(answer func(ceremony.Answer), back func()) *Screen {
	reason := kit.NewTextField("Why", "", 300)
	pause := kit.NewButton(kit.Primary, "Pause the ceremony", nil)
	pause.OnAct = func() {
		if wrong := flow.CheckReason(reason.Value()); wrong != "" {
			reason.Wrong(wrong)
			focus(reason.Focusable())
			return
		}
		answer(flow.Paused(reason.Value()))
	}
	reason.OnSubmitted(func() { focus(pause) })
	column := kit.Column(16,
		kit.Column(4, kit.Kicker("Pause"), kit.Title("Pause the ceremony")),
		kit.Body("The HSM is logged out, every secret in memory is wiped, the record is signed as far as it goes. To resume, the roll is called again and the custodians come back."),
		kit.Card(14, reason.Object),
		kit.Actions(pause, kit.NewButton(kit.Secondary, "Back to the step", back)))
	return &Screen{Object: column, First: reason.Focusable()}
}

// Abort asks why and for the exact phrase, and ends the ceremony.
func Abort(phrase string, answer func(ceremony.Answer), back func()) *Screen {
	reason := kit.NewTextField("Why", "", 300)
	typed := kit.NewTextField("Type "+phrase, "", 60)
	abort := kit.NewButton(kit.Danger, "Abort the ceremony", nil)
	missing := "Type exactly " + phrase
	abort.Disable(missing)
	typed.OnChanged(func(s string) {
		if s == phrase {
			abort.Enable()
		} else {
			abort.Disable(missing)
		}
	})
	abort.OnAct = func() {
		if wrong := flow.CheckReason(reason.Value()); wrong != "" {
			reason.Wrong(wrong)
			focus(reason.Focusable())
			return
		}
		answer(flow.Aborted(reason.Value()))
	}
	reason.OnSubmitted(func() { focus(typed.Focusable()) })
	column := kit.Column(16,
		kit.Column(4, kit.GraveKicker("Cannot be undone"), kit.Title("Abort the ceremony")),
		kit.Body("The ceremony ends here and gets a report of its own. What was done in the HSM stays done; the record says what that is."),
		kit.Card(14, reason.Object, typed.Object),
		kit.Actions(kit.NewButton(kit.Secondary, "Back to the step", back), abort))
	return &Screen{Object: column, First: reason.Focusable()}
}

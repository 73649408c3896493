package view

import (
	"fyne.io/fyne/v2"

	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// sign shows what is signed and takes the secret that signs it, or the other
// verdict with its reason, signed by the same secret.
func sign(pg flow.Page, act Actions) *Screen {
	column := top(pg)
	pg.Waiting = "" // the title names who signs
	s := &Screen{}
	said, say := s.message(fyne.TextAlignLeading)

	agree := kit.NewButton(kit.Primary, pg.Go, nil)
	disagree := kit.NewButton(kit.Secondary, textIDoNotAgree, nil)
	reason := kit.NewTextField(textWhyNotRecordedPrinted, "", 500)
	reason.Object.Hide()
	var silent *kit.Button
	if pg.CanWithhold && act.Withhold != nil {
		silent = kit.NewButton(kit.Secondary, textDoesNotSign, act.Withhold)
	}
	if pg.Secret.Label == "" {
		agree.OnAct = func() { act.Answer(flow.Signed(nil)) }
		disagree.OnAct = refuse(s, reason, func() *secret.Buffer { return nil }, act)
		s.Object, s.Dock, s.First = column, kit.Column(10, reason.Object, foot(pg, act, some(agree, disagree, silent)...)), agree
		return s
	}

	entry := kit.NewSecretEntry(pg.Secret.Label, pg.Secret.Bytes)
	s.close = entry.Wipe
	enough := func() bool {
		if entry.Length() >= pg.Secret.Least {
			return true
		}
		say(pg.Secret.TooShort(), kit.Bad)
		focus(entry)
		return false
	}
	agree.OnAct = func() {
		if enough() {
			act.Answer(flow.Signed(entry.Take()))
		}
	}
	entry.OnSubmitted = agree.OnAct
	entry.OnChanged = func(int) { say("", kit.Neutral) }
	refused := refuse(s, reason, entry.Take, act)
	disagree.OnAct = func() {
		if !reason.Object.Visible() || enough() {
			refused()
		}
	}
	practice := practiceButton(pg, act, func(b *secret.Buffer) { fill(entry, b, say); focus(agree) }, say)
	s.Object, s.First = column, entry
	s.Dock = kit.Column(12, kit.Row(12, kit.Grow(entry), agree), said, reason.Object, foot(pg, act, some(disagree, practice, silent)...))
	return s
}

// refuse opens the reason first; a second press gives the verdict.
func refuse(s *Screen, reason *kit.TextField, take func() *secret.Buffer, act Actions) func() {
	return func() {
		if !reason.Object.Visible() {
			reason.Object.Show()
			s.relaid()
			focus(reason.Focusable())
			return
		}
		if wrong := flow.CheckReason(reason.Value()); wrong != "" {
			reason.Wrong(wrong)
			focus(reason.Focusable())
			return
		}
		act.Answer(flow.Refused(take(), reason.Value()))
	}
}

func fill(entry *kit.SecretEntry, b *secret.Buffer, say func(string, kit.Tone)) {
	if entry.Fill(b) != nil {
		say(textPracticeSecretLongerThanEntry, kit.Bad)
		return
	}
	say(textFilledFromPracticeSite, kit.Good)
}

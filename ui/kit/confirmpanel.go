package kit

import (
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"claviger/ui/theme"
)

// Confirm is a question before something is done. Escape and Back close it and
// have done nothing. The focus begins on Back or, with a Phrase, in the field;
// Enter in the field never acts.
type Confirm struct {
	Title, Text string
	Act, Back   string // labels of the buttons
	// Danger is for what cannot be undone.
	Danger bool
	// Phrase must be typed exactly before Act can act.
	Phrase string
	OnAct  func()
	// OnBack runs when the panel was closed without acting.
	OnBack func()
}

// Show opens the panel over everything else and returns how to close it
// without acting.
func (c Confirm) Show(over fyne.Canvas) (dismiss func()) {
	var popup *widget.PopUp
	finish := func(then func()) func() {
		return func() {
			popup.Hide()
			if then != nil {
				then()
			}
		}
	}
	kind := Primary
	if c.Danger {
		kind = Danger
	}
	act := NewButton(kind, c.Act, finish(c.OnAct))
	back := NewButton(Secondary, c.Back, finish(c.OnBack))
	act.escape, back.escape = back.OnAct, back.OnAct

	first := fyne.Focusable(back)
	content := Column(14, Title(c.Title), Body(c.Text))
	if c.Phrase != "" {
		field := NewTextField(fmt.Sprintf(textType, c.Phrase), "", 0)
		field.entry.escape = back.OnAct
		missing := fmt.Sprintf(textTypeExactly, c.Phrase)
		field.OnChanged(func(typed string) {
			if typed == c.Phrase {
				act.Enable()
			} else {
				act.Disable(missing)
			}
		})
		act.Disable(missing)
		content.Add(field.Object)
		first = field.Focusable()
	}
	content.Add(Actions(back, act))
	if c.Danger {
		content.Objects[0] = Column(4, NewText(textCANNOTUNDONE, Style{Size: theme.Kicker, Weight: SemiBold, Ink: theme.Red}), content.Objects[0])
	}
	popup = widget.NewModalPopUp(Inset(18, 14, Wide(460, content)), over)
	popup.Show()
	over.Focus(first)
	return back.OnAct
}

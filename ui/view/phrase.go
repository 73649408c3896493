package view

import (
	"fmt"

	"claviger/ui/flow"
	"claviger/ui/kit"
)

// phrase is what cannot be undone: it goes on only from the exact phrase. Enter
// in the field does not press the button, and the button cannot act before.
func phrase(pg flow.Page, act Actions) *Screen {
	column := top(pg)
	typed := kit.NewTextField(pg.Typing, "", 120)
	destroy := kit.NewButton(kit.Danger, pg.Go, nil)
	missing := fmt.Sprintf(textTypeExactly, pg.Phrase)
	destroy.Disable(missing)
	typed.OnChanged(func(s string) {
		if _, right := pg.Phrased(s); right {
			destroy.Enable()
		} else {
			destroy.Disable(missing)
		}
	})
	destroy.OnAct = func() {
		if a, right := pg.Phrased(typed.Value()); right {
			act.Answer(a)
		}
	}
	typed.OnSubmitted(func() {
		if _, right := pg.Phrased(typed.Value()); right {
			focus(destroy)
		}
	})
	buttons := []*kit.Button{destroy}
	if act.Pause != nil {
		buttons = append(buttons, kit.NewButton(kit.Secondary, textStopHere, act.Pause))
	}
	return &Screen{Object: column, Dock: kit.Column(12, kit.AtMost(44, typed.Object), foot(pg, act, buttons...)), First: typed.Focusable()}
}

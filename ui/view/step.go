package view

import (
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// Prompt is the screen of one prompt.
func Prompt(pg flow.Page, act Actions) *Screen {
	switch pg.Kind {
	case flow.PageForm:
		return form(pg, act)
	case flow.PageDecide:
		return decide(pg, act)
	case flow.PagePhrase:
		return phrase(pg, act)
	case flow.PageSign:
		return sign(pg, act)
	case flow.PageSecret:
		return secretPage(pg, act)
	case flow.PageNewPIN:
		return newPIN(pg, act)
	case flow.PageCard:
		return card(pg, act)
	case flow.PageShowWords, flow.PageShowCard:
		return reveal(pg, act)
	}
	return confirm(pg, act)
}

// confirm is a step that people do and then go on from.
func confirm(pg flow.Page, act Actions) *Screen {
	column := top(pg)
	kind := kit.Primary
	if pg.Grave {
		kind = kit.Danger
	}
	goOn := kit.NewButton(kind, pg.Go, func() { act.Answer(flow.Confirmed()) })
	s := &Screen{Object: column, Dock: foot(pg, act, goOn), First: goOn}
	if pg.Grave {
		s.First = nil
		s.Dock = kit.Column(10, s.Dock, kit.NewText(textEnterAloneDoesNothingHere, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))
	}
	return s
}

// Working is the page while nobody is asked: where the ceremony is and what is
// happening.
func Working(pg flow.Page, line *kit.ProgressLine) *Screen {
	return &Screen{Object: top(pg), Dock: kit.Column(0, line.Object)} // no higher than it is
}

package kit

import (
	"fyne.io/fyne/v2"

	"claviger/ui/theme"
)

// StatusStrip is the line at the foot of the window. Its parts change in place:
// the clock must not cost anybody the focus.
type StatusStrip struct {
	Object                              fyne.CanvasObject
	record, head, state, elapsed, clock *Text
}

func NewStatusStrip() *StatusStrip {
	small := func(weight Weight, ink fyne.ThemeColorName) *Text {
		return NewText("", Style{Size: theme.Small, Weight: weight, Ink: ink})
	}
	s := &StatusStrip{
		record: small(SemiBold, theme.Ink), head: small(Mono, theme.Soft), state: small(SemiBold, theme.Green),
		elapsed: small(Regular, theme.Soft), clock: small(SemiBold, theme.Ink),
	}
	label := func(words string) *Text {
		t := small(Regular, theme.Soft)
		t.content = words
		return t
	}
	line := EndsFlow(22, Row(5, label(textRecord), s.record), s.head, Row(5, label(textLedger), s.state), Row(22, s.elapsed, s.clock))
	s.Object = Column(0, NewRule(theme.Line), On(NewBox(theme.Strip, 0), 16, 6, line))
	return s
}

// Short leaves out what a page can tell as well, so that one line is enough where
// the text is large.
func (s *StatusStrip) Short(short bool) {
	s.head.Hidden, s.elapsed.Hidden = short, short
}

// Set shows where the record stands.
func (s *StatusStrip) Set(record, head, state string, tone Tone) {
	s.record.Set(record)
	s.head.Set(head)
	s.state.Set(state)
	s.state.SetInk(tone.ink())
}

// Tick changes the times only.
func (s *StatusStrip) Tick(elapsed, clock string) {
	s.elapsed.Set(elapsed)
	s.clock.Set(clock)
}

package view

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// Frame is the window's face around the page that is shown.
type Frame struct {
	Object fyne.CanvasObject

	frame *kit.Frame
	strip *kit.StatusStrip
	// Where there is no room for panels, beside holds what they show, at the end of
	// the page, and above the way to other places, at its beginning. The bar and the
	// strip then keep to a line each, and the rest of them stands at the end, too.
	beside, above *fyne.Container
	bar, short    *fyne.Container
	elapsed       *kit.Text
	compact       bool
	places        []Place
}

func NewFrame() *Frame {
	f := &Frame{frame: kit.NewWindowFrame(), strip: kit.NewStatusStrip(), beside: kit.Column(18), above: kit.Column(0), bar: kit.Column(0), short: kit.Column(0),
		elapsed: kit.NewText("", kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true})}
	f.frame.SetFoot(f.strip.Object)
	f.frame.OnCompact = f.fit
	f.fit(false)
	f.Object = f.frame.Object
	return f
}

// fit shows what there is room for.
func (f *Frame) fit(compact bool) {
	f.compact = compact
	f.beside.Hidden, f.short.Hidden = !compact, !compact
	f.above.Hidden = !compact || len(f.above.Objects) == 0
	f.bar.Hidden = compact
	f.strip.Short(compact)
}

// Update draws the frame anew around the same page.
func (f *Frame) Update(fl flow.Frame) {
	top := kit.Column(0)
	if fl.Band != "" {
		top.Add(kit.PracticeBand(fl.Band))
	}
	if fl.Held != "" {
		top.Add(kit.HeldBand(fl.Held))
	}
	pills := make([]kit.Pill, len(fl.Pills))
	for i, p := range fl.Pills {
		pills[i] = kit.Pill{Text: p.Text, Lamp: kit.Lamp(p.Lamp)}
	}
	f.bar.Objects = []fyne.CanvasObject{kit.HeaderBar("CLAVIGER", fl.Place, pills)}
	f.short.Objects = []fyne.CanvasObject{kit.PillBar(pills)}
	top.Add(f.bar)
	top.Add(f.short)
	f.frame.SetTop(top)
	f.strip.Set(fl.Status.Record, fl.Status.Head, fl.Status.State, kit.Tone(fl.Status.Tone))

	f.beside.RemoveAll()
	f.above.RemoveAll()
	defer func() { f.fit(f.compact) }()
	if fl.Rail == nil {
		f.frame.SetRight(nil, 0)
		f.frame.SetLeft(nil, nil, 0)
		if len(f.places) > 0 {
			f.frame.SetLeft(nav(f.places), nil, navWidth)
			f.above.Add(navLine(f.places))
		}
		f.beside.Add(f.aside(fl))
		return
	}
	steps, now := rail(fl.Rail)
	f.frame.SetLeft(steps, now, kit.PanelWidth)
	f.frame.SetRight(people(fl), kit.PanelWidth)
	f.beside.Add(people(fl))
	steps, _ = rail(fl.Rail)
	f.beside.Add(steps)
	f.beside.Add(f.aside(fl))
}

// aside is what bar and strip leave out where the text is large.
func (f *Frame) aside(fl flow.Frame) fyne.CanvasObject {
	small := func(s string, w kit.Weight) fyne.CanvasObject {
		return kit.NewText(s, kit.Style{Size: theme.Small, Weight: w, Ink: theme.Soft, Wrap: true})
	}
	return kit.Column(6, kit.NewRule(theme.Line), small(fl.Place, kit.Regular), small(fl.Status.Head, kit.Mono), f.elapsed)
}

// navWidth is enough for the names of places, in ems.
const navWidth = 13.7

// SetPlaces shows, from the next update on, where one can go, in the panel that
// holds the steps while there is a ceremony.
func (f *Frame) SetPlaces(places []Place) { f.places = places }

// Tick moves the times on.
func (f *Frame) Tick(elapsed, clock string) {
	f.strip.Tick(elapsed, clock)
	f.elapsed.Set(elapsed)
}

// SetPage shows a page between the panels.
func (f *Frame) SetPage(s *Screen) {
	if s.Fill != nil {
		s.page = nil
		f.frame.SetPage(kit.Inset(32, 22, kit.FillBelow(14, f.above, s.Fill)))
		return
	}
	content := kit.Inset(32, 22, kit.Column(26, f.above, s.Object, f.beside))
	if s.Dock == nil {
		s.page = kit.NewScroll(content)
	} else {
		s.page = kit.NewPage(content, kit.Inset(32, 14, s.Dock))
	}
	f.frame.SetPage(s.page)
}

func rail(r *flow.Rail) (steps, now fyne.CanvasObject) {
	phases := make([]kit.RailPhase, len(r.Phases))
	for i, ph := range r.Phases {
		phases[i].Title = ph.Title
		for _, st := range ph.Steps {
			phases[i].Steps = append(phases[i].Steps, kit.RailStep{Number: st.Number, Title: st.Title, Marks: st.Marks, At: st.At, State: kit.RailState(st.State), Grave: st.Grave})
		}
	}
	return kit.Rail(r.Head, phases)
}

func people(fl flow.Frame) fyne.CanvasObject {
	column := kit.Column(13, kit.Kicker(textRoom))
	for _, p := range fl.People {
		column.Add(kit.PersonBadge(kit.Person{Initials: p.Initials, Name: p.Name, Note: p.Note, Tone: kit.Tone(p.Tone), Absent: p.Absent}))
	}
	if len(fl.Needs) == 0 {
		return column
	}
	rows := make([]kit.CheckRow, len(fl.Needs))
	for i, n := range fl.Needs {
		rows[i] = kit.CheckRow{Text: n.Text, Met: n.Met}
	}
	column.Add(kit.NewRule(theme.Line))
	column.Add(kit.Kicker(textNeededStep))
	column.Add(kit.CheckList(rows))
	return column
}

// Private is the whole window while one person types or reads a secret: dark,
// nothing else on it, the practice band above.
func Private(fl flow.Frame, s *Screen, look *theme.Theme) fyne.CanvasObject {
	top := kit.Column(0)
	if fl.Band != "" {
		top.Add(kit.PracticeBand(fl.Band))
	}
	const ems = 56
	s.page = kit.NewPage(kit.Inset(32, 28, kit.Narrow(ems, s.Object)), kit.Inset(32, 14, kit.Narrow(ems, s.Dock)))
	return container.NewThemeOverride(container.NewStack(kit.NewBox(theme.Paper, 0), kit.Fill(top, s.page)), look.Private())
}

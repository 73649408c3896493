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
	// beside holds what the panels show, at the end of the page, and above the way
	// to other places, at its beginning, for as long as there is no room for
	// panels.
	beside, above *fyne.Container
	places        []Place
}

func NewFrame() *Frame {
	f := &Frame{frame: kit.NewWindowFrame(), strip: kit.NewStatusStrip(), beside: kit.Column(18), above: kit.Column(0)}
	f.beside.Hide()
	f.above.Hide()
	f.frame.SetFoot(f.strip.Object)
	f.frame.OnCompact = func(compact bool) {
		if compact {
			f.beside.Show()
			f.above.Show()
		} else {
			f.beside.Hide()
			f.above.Hide()
		}
	}
	f.Object = f.frame.Object
	return f
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
	top.Add(kit.HeaderBar("CLAVIGER", fl.Place, pills))
	f.frame.SetTop(top)
	f.strip.Set(fl.Status.Record, fl.Status.Head, fl.Status.State, kit.Tone(fl.Status.Tone))

	f.beside.RemoveAll()
	f.above.RemoveAll()
	if fl.Rail == nil {
		f.frame.SetRight(nil, 0)
		f.frame.SetLeft(nil, 0)
		if len(f.places) > 0 {
			f.frame.SetLeft(nav(f.places), navWidth)
			f.above.Add(navLine(f.places))
		}
		return
	}
	f.frame.SetLeft(rail(fl.Rail), kit.PanelWidth)
	f.frame.SetRight(people(fl), kit.PanelWidth)
	f.beside.Add(people(fl))
	f.beside.Add(rail(fl.Rail))
}

// navWidth is enough for the names of places.
const navWidth = 198

// SetPlaces shows, from the next update on, where one can go, in the panel that
// holds the steps while there is a ceremony.
func (f *Frame) SetPlaces(places []Place) { f.places = places }

// Tick moves the times on.
func (f *Frame) Tick(elapsed, clock string) { f.strip.Tick(elapsed, clock) }

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

func rail(r *flow.Rail) fyne.CanvasObject {
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
	column := kit.Column(13, kit.Kicker("In the room"))
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
	column.Add(kit.Kicker("Needed for this step"))
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
	s.page = kit.NewScroll(kit.Inset(32, 44, kit.Narrow(820, s.Object)))
	return container.NewThemeOverride(container.NewStack(kit.NewBox(theme.Paper, 0), kit.Fill(top, s.page)), look.Private())
}

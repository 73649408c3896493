package view

import (
	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// TableActions are what the page of a list may do.
type TableActions struct {
	Open func(id string)
	Act  func(flow.Act)
	Home func() // to the overview, where things begin
}

// Table is a page that lists things. Typing filters it; Enter opens a row.
func Table(t flow.Table, act TableActions) *Screen {
	acts := actButtons(t.Acts, kit.Secondary, act.Act)
	if len(t.Rows) == 0 {
		column := kit.Column(16, kit.Title(t.Title), kit.Card(6, kit.Heading(textNothingHereYet), kit.Soft(t.First)))
		home := kit.NewButton(kit.Primary, textGoOverview, act.Home)
		column.Add(kit.Actions(append([]*kit.Button{home}, acts...)...))
		return &Screen{Object: column, First: home}
	}
	rows := t.Rows
	columns := make([]kit.TableColumn, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = kit.TableColumn{Head: c.Head, Share: c.Share}
	}
	list := kit.NewList(columns, func(i int) []fyne.CanvasObject { return cells(rows[i]) })
	list.Empty = textNothingHereAllTheseWords
	list.OnOpen = func(i int) { act.Open(rows[i].ID) }
	found := kit.NewText(t.Found(len(rows)), kit.Style{Ink: theme.Soft})
	filter := kit.NewTextField("", "", 80)
	filter.SetHint(textTypeFind)
	line := kit.Row(18, kit.Grow(kit.Title(t.Title)), found, kit.Wide(filterWidth, filter.Object))
	filter.OnChanged(func(typed string) {
		rows = t.Filter(typed)
		found.Set(t.Found(len(rows)))
		line.Refresh()
		list.SetCount(len(rows))
	})
	filter.OnSubmitted(func() { focus(list) })
	list.OnTyped = func(r rune) {
		focus(filter.Focusable())
		filter.Focusable().TypedRune(r)
	}
	list.SetCount(len(rows))
	head := kit.Column(12, line)
	if len(acts) > 0 {
		head.Add(kit.Actions(acts...))
	}
	return &Screen{Fill: kit.FillBelow(14, head, list.OnCard()), First: list}
}

const filterWidth = 260

// cells draws a row's fields.
func cells(r flow.Row) []fyne.CanvasObject {
	out := make([]fyne.CanvasObject, len(r.Cells))
	for i, c := range r.Cells {
		switch c.Kind {
		case flow.Name:
			out[i] = kit.NewText(c.Text, kit.Style{Weight: kit.SemiBold, Wrap: true})
			if c.Below != "" {
				out[i] = kit.NameCell(c.Text, c.Below)
			}
		case flow.Chip:
			out[i] = kit.ChipCell(kit.Tone(c.Tone), c.Text)
		case flow.Bar:
			out[i] = kit.LifetimeBar(c.Used, kit.Tone(c.Tone), c.Text)
		default:
			out[i] = kit.Body(c.Text)
		}
	}
	return out
}

func actButtons(acts []flow.Act, kind kit.ButtonKind, do func(flow.Act)) []*kit.Button {
	var out []*kit.Button
	for _, a := range acts {
		b := kit.NewButton(kind, a.Label, func() { do(a) })
		if a.Off != "" {
			b.Disable(a.Off)
		}
		out = append(out, b)
	}
	return out
}

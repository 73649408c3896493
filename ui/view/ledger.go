package view

import (
	"fmt"

	"fyne.io/fyne/v2"

	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/theme"
)

// LedgerActions are what the ledger's page may do.
type LedgerActions struct {
	Search func(words string)
	Open   func(i int)
	Verify func()
	Act    func(flow.Act)
}

// Ledger is the list of records, the newest first.
type Ledger struct {
	*Screen
	list  *kit.List
	found *kit.Text
	line  *fyne.Container // that it stands in
	row   func(i int) (flow.RecordRow, bool)
}

// NewLedger makes the page of the ledger. Its rows are there once Show says how
// many and how to get one.
func NewLedger(p flow.LedgerPage, q flow.Query, act LedgerActions) *Ledger {
	l := &Ledger{found: kit.NewText("", kit.Style{Ink: theme.Soft})}
	verify := kit.NewButton(kit.Secondary, textVerifyNow, act.Verify)
	if p.First != "" {
		l.Screen = &Screen{Object: kit.Column(16, kit.Title(textLedger), kit.Card(6, kit.Heading(textNothingHereYet), kit.Soft(p.First)))}
		return l
	}
	l.list = kit.NewList([]kit.TableColumn{{Head: textRecordHead, Share: 0.8}, {Head: textTimeUTC, Share: 1.5}, {Head: textWhat, Share: 2}, {Head: textAbout, Share: 3.4}, {Head: textCeremony, Share: 1}}, l.cells)
	l.list.Empty = textNoRecordAllTheseWords
	l.list.OnOpen = act.Open
	search := kit.NewTextField("", "", 200)
	search.SetHint(textKindCeremonyPersonWordsEnter)
	search.SetValue(q.Words)
	search.OnSubmitted(func() { act.Search(search.Value()) })
	l.list.OnTyped = func(r rune) {
		focus(search.Focusable())
		search.Focusable().TypedRune(r)
	}
	title := textLedger
	if q.Of != "" {
		title = fmt.Sprintf(textRecordsName, q.Of)
	}
	told := kit.Column(4, kit.NewText(p.Signed, kit.Style{Ink: theme.Soft, Wrap: true}))
	if p.Closed != "" {
		told.Add(kit.NewText(p.Closed, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}))
		told.Add(kit.NewText(p.Hash, kit.Style{Size: theme.Small, Weight: kit.Mono, Wrap: true}))
	}
	l.line = kit.Row(18, kit.Grow(kit.Title(title)), l.found)
	head := kit.Column(12, l.line, told, kit.Row(12, kit.Grow(search.Object), verify))
	l.Screen = &Screen{Fill: kit.FillBelow(14, head, l.list.OnCard()), First: l.list}
	return l
}

// Show lists so many records; row gives one, or says that it is still being read.
func (l *Ledger) Show(count int, found string, row func(i int) (flow.RecordRow, bool)) {
	if l.list == nil {
		return
	}
	l.row = row
	l.Say(found)
	l.list.SetCount(count)
}

// Say tells what is being done.
func (l *Ledger) Say(what string) {
	l.found.Set(what)
	if l.line != nil {
		l.line.Refresh()
	}
}

// Renew draws the rows again: more of them are there.
func (l *Ledger) Renew() {
	if l.list != nil {
		l.list.Renew()
	}
}

func (l *Ledger) cells(i int) []fyne.CanvasObject {
	r, ok := l.row(i)
	if !ok {
		return []fyne.CanvasObject{kit.Body(""), kit.Body(""), kit.Soft("…"), kit.Body(""), kit.Body("")}
	}
	return []fyne.CanvasObject{
		kit.NewText(flow.Number(r.Seq), kit.Style{Weight: kit.Mono, Wrap: true}), kit.NewText(r.Time, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true}),
		kit.NewText(r.Kind, kit.Style{Weight: kit.SemiBold, Ink: kindInk(r.Tone), Wrap: true}), kit.Body(r.About), kit.NewText(r.Ceremony, kit.Style{Size: theme.Small, Ink: theme.Soft, Wrap: true})}
}

// kindInk is plain for what happens all the time.
func kindInk(t flow.Tone) fyne.ThemeColorName {
	if t == flow.Neutral {
		return theme.Ink
	}
	return kit.InkOf(kit.Tone(t))
}

// Verified is the page that tells what an audit of the whole ledger found.
func Verified(v flow.Verification, back func()) *Screen {
	column := kit.Column(16, kit.Column(10, kit.Title(textVerificationWholeLedger), kit.ChipCell(kit.Tone(v.Tone), v.Result)))
	column.Add(kit.Body(v.Signed))
	add := func(title string, tone kit.Tone, lines []string) {
		if len(lines) == 0 {
			return
		}
		rows := kit.Column(8, kit.Heading(title))
		for _, l := range lines {
			rows.Add(kit.MarkRow(tone, l))
		}
		column.Add(kit.Card(0, rows))
	}
	add(textDoesNotHold, kit.Bad, v.Findings)
	add(textChecked, kit.Good, v.Checked)
	add(textNotChecked, kit.Info, v.NotChecked)
	home := kit.NewButton(kit.Primary, textBack, back)
	return &Screen{Object: column, Dock: kit.Actions(home), First: home}
}

package ui

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/view"
)

// shown is a page outside of ceremonies; a page that was opened from another one
// leads back to it, as it was left.
type shown struct {
	place       string
	screen      *view.Screen
	what, which string // of the window's title
}

// placeTable is where one can go outside of ceremonies.
func (s *Shell) placeTable() []placeOf {
	list := func(place string, table func(flow.Record) flow.Table) func() {
		return func() { s.list(place, func(r flow.Record, _ time.Time) flow.Table { return table(r) }) }
	}
	return []placeOf{
		{flow.InOverview, fyne.KeyO, s.home},
		{flow.InCeremonies, fyne.KeyC, list(flow.InCeremonies, flow.NewCeremonies)},
		{flow.InOrders, fyne.KeyR, func() { s.list(flow.InOrders, flow.NewOrders) }},
		{flow.InKeys, fyne.KeyY, func() { s.list(flow.InKeys, flow.NewKeys) }},
		{flow.InCustody, fyne.KeyS, list(flow.InCustody, flow.NewCustody)},
		{flow.InPeople, fyne.KeyN, list(flow.InPeople, flow.NewPeople)},
		{flow.InLedger, fyne.KeyL, func() { s.ledger(flow.Query{}) }},
		{flow.InEvidence, fyne.KeyD, list(flow.InEvidence, flow.NewEvidence)},
		{flow.InSettings, fyne.KeyG, s.settings},
	}
}

// placeOf is a place, its key with Ctrl and Shift, and what shows it.
type placeOf struct {
	name string
	key  fyne.KeyName
	show func()
}

func (s *Shell) places() []view.Place {
	var out []view.Place
	for _, p := range s.placeTable() {
		out = append(out, view.Place{Name: p.name, Go: func() { s.goTo(p.name) }, Here: s.place == p.name})
	}
	return out
}

// goTo leaves what is shown for a place; while the engine plays there is none.
func (s *Shell) goTo(name string) {
	if s.running {
		return
	}
	for _, p := range s.placeTable() {
		if p.name == name {
			s.trail = nil
			p.show()
		}
	}
}

// lateTime is how long something may take before the page says what it is.
const lateTime = 200 * time.Millisecond

// read has the record lent to make beside the window's thread, and then runs on
// it what make returns, unless people have gone elsewhere meanwhile.
func (s *Shell) read(what string, make func(context.Context, flow.Record) (func(), error)) {
	visit := s.visit()
	done := false
	s.later(lateTime, func() {
		s.do(func() {
			if s.visits == visit && !done {
				s.busy(what)
			}
		})
	})
	s.off(func(ctx context.Context) func() {
		then, err := s.lent(ctx, make)
		return func() {
			if s.visits != visit {
				return
			}
			done = true
			s.snapshot.Working = ""
			if err != nil {
				s.failed(err)
				return
			}
			then()
		}
	})
}

// lent runs make while the record is lent.
func (s *Shell) lent(ctx context.Context, make func(context.Context, flow.Record) (func(), error)) (then func(), err error) {
	err = s.program.Look(ctx, func(r flow.Record) (err error) {
		then, err = make(ctx, r)
		return err
	})
	return then, err
}

// work is what takes its time and is not left half done: nobody goes elsewhere
// before it ends.
func (s *Shell) work(what string, do func(ctx context.Context, now func(what string)) (then func(error), err error)) {
	if s.running {
		return
	}
	s.running, s.outside = true, true
	s.visit()
	s.frame.SetPlaces(nil)
	s.frame.Update(s.face())
	s.busy(what)
	s.off(func(ctx context.Context) func() {
		then, err := do(ctx, func(what string) { s.do(func() { s.snapshot.Working = what }) })
		return func() {
			s.running, s.outside, s.snapshot.Working = false, false, ""
			then(err)
		}
	})
}

// open shows a page behind which the one before stays.
func (s *Shell) open(p shown) {
	s.trail = append(s.trail, p)
	s.showTop()
}

func (s *Shell) showTop() {
	p := s.trail[len(s.trail)-1]
	s.place = p.place
	s.frame.SetPlaces(s.places())
	s.frame.Update(s.face())
	s.page(p.screen)
	s.title(p.what, p.which, "")
}

// back shows the page that led here, or its place where there is none.
func (s *Shell) back() {
	if s.running {
		return
	}
	s.visit()
	if len(s.trail) < 2 {
		s.goTo(s.place)
		return
	}
	s.trail = s.trail[:len(s.trail)-1]
	s.showTop()
}

// list shows a place that lists things.
func (s *Shell) list(place string, table func(flow.Record, time.Time) flow.Table) {
	now := s.now()
	s.read(textReadingRecord, func(_ context.Context, r flow.Record) (func(), error) {
		t := table(r, now)
		return func() {
			s.open(shown{place, view.Table(t, view.TableActions{
				Open: func(id string) { s.detail(flow.Ref{Place: place, ID: id}) },
				Home: func() { s.goTo(flow.InOverview) },
				Act:  func(a flow.Act) { s.act(a, flow.Ref{Place: place}) }}), "list", place})
		}, nil
	})
}

// detail shows one thing, or the place where it would stand.
func (s *Shell) detail(ref flow.Ref) {
	if ref.ID == "" {
		s.goTo(ref.Place)
		return
	}
	s.detailWith(ref, func(d flow.Detail) flow.Detail { return d })
}

func (s *Shell) detailWith(ref flow.Ref, with func(flow.Detail) flow.Detail) {
	now := s.now()
	s.read(textReadingRecord, func(ctx context.Context, r flow.Record) (func(), error) {
		d, ok := flow.NewDetail(r, ref, now)
		if !ok {
			return nil, errors.New(fmt.Sprintf(textThereNothingRecordCalled, ref.ID))
		}
		d, err := with(d).Traced(ctx, r)
		return func() { s.open(shown{ref.Place, s.detailScreen(d, ref), "detail", ref.Place}) }, err
	})
}

func (s *Shell) detailScreen(d flow.Detail, ref flow.Ref) *view.Screen {
	return view.Detail(d, view.DetailActions{Back: s.back, Open: s.detail, Record: s.record,
		Act:   func(a flow.Act) { s.act(a, ref) },
		Trace: func() { s.ledger(flow.Query{Of: d.Title, Names: d.Names}) }})
}

// record shows one record.
func (s *Shell) record(seq int64) {
	s.read(textReadingRecord, func(ctx context.Context, r flow.Record) (func(), error) {
		d, err := flow.NewRecordDetail(ctx, r, seq)
		return func() {
			s.open(shown{flow.InLedger, s.detailScreen(d, flow.Ref{Place: flow.InLedger}), "record", flow.Number(seq)})
		}, err
	})
}

// act does what a button of a page says.
func (s *Shell) act(a flow.Act, ref flow.Ref) {
	switch a.Verb {
	case flow.ShowEvidence:
		s.detail(flow.Ref{Place: flow.InEvidence, ID: ref.ID})
	case flow.GoOnWith:
		s.resume()
	case flow.MakeAgain:
		s.makeAgain(ref)
	case flow.CopyOut:
		s.media(flow.Copy{Of: fmt.Sprintf(textEvidenceCeremony, ref.ID), Number: ref.ID}, nil)
	case flow.CopyLedger:
		s.media(flow.Copy{Of: textLedger, Signed: true}, nil)
	case flow.ExportLedger:
		s.media(flow.Copy{Of: textLedgerPlainFiles, Plain: true}, nil)
	case flow.TakeInReceipt:
		s.takeInReceipt(ref.ID, nil, nil)
	case flow.OrderOne:
		s.chooseOrder()
	case flow.PrepareOrdered:
		s.prepare(flow.Start{Order: ref.ID})
	case flow.WithdrawOrder:
		s.withdrawOrder(flow.Withdrawal{What: textOrder, Order: ref.ID}, nil, nil)
	case flow.WithdrawScript:
		s.withdrawOrder(flow.Withdrawal{What: textScript, Script: a.To}, nil, nil)
	case flow.SeeScripts:
		s.scripts()
	case flow.RegisterOne:
		s.register(nil, nil)
	case flow.ChangeKey:
		s.changeKey(ref, a, nil)
	case flow.TakeInNote:
		s.takeIn(flow.Carried{})
	}
}

// ledger shows the records that a query chooses.
func (s *Shell) ledger(q flow.Query) {
	s.read(textReadingLedger, func(ctx context.Context, r flow.Record) (func(), error) {
		p := flow.NewLedgerPage(r)
		found, err := search(ctx, r, q)
		return func() { s.showLedger(p, q, found) }, err
	})
}

// search gives the numbers of the records chosen, newest first; nil for all.
func search(ctx context.Context, r flow.Record, q flow.Query) ([]int64, error) {
	if q.All() {
		return nil, nil
	}
	found, err := flow.Search(ctx, r, q)
	if found == nil {
		found = []int64{}
	}
	return found, err
}

func (s *Shell) showLedger(p flow.LedgerPage, q flow.Query, found []int64) {
	var page *view.Ledger
	at := func(i int) int64 {
		if found != nil {
			return found[i]
		}
		return p.Records - 1 - int64(i)
	}
	count := func() int {
		if found != nil {
			return len(found)
		}
		return int(p.Records)
	}
	show := func() {
		pager := s.pager(func(i int) int64 { return at(i) }, count, func() { page.Renew() }, func(why string) { page.Say(why) })
		page.Show(count(), flow.FoundRecords(count(), p.Records), pager.Row)
	}
	page = view.NewLedger(p, q, view.LedgerActions{
		Open:   func(i int) { s.record(at(i)) },
		Verify: s.verify,
		Search: func(words string) {
			page.Say(textSearching)
			q.Words = words
			s.part(func(ctx context.Context, r flow.Record) (func(), error) {
				again, err := search(ctx, r, q)
				return func() { found = again; show() }, err
			}, page.Say)
		}})
	show()
	s.open(shown{flow.InLedger, page.Screen, "ledger", q.Of})
}

// pager reads rows of the ledger a page at a time beside the window's thread.
func (s *Shell) pager(at func(int) int64, count func() int, renew func(), say func(string)) *flow.Pager[flow.RecordRow] {
	var p *flow.Pager[flow.RecordRow]
	p = flow.NewPager[flow.RecordRow](func(page int) {
		var seqs []int64
		for i := page * flow.PageRows; i < min((page+1)*flow.PageRows, count()); i++ {
			seqs = append(seqs, at(i))
		}
		s.part(func(ctx context.Context, r flow.Record) (func(), error) {
			rows, err := flow.Lines(ctx, r, seqs)
			return func() {
				p.Got(page, rows)
				renew()
			}, err
		}, say)
	})
	return p
}

// part is read for a part of a page that stays: it says there what failed.
func (s *Shell) part(make func(context.Context, flow.Record) (func(), error), say func(string)) {
	s.off(func(ctx context.Context) func() {
		then, err := s.lent(ctx, make)
		if err != nil {
			return func() { say(err.Error()) }
		}
		return then
	})
}

// verify audits the whole ledger anew.
func (s *Shell) verify() {
	s.work(textVerifyingWholeLedgerEveryRecord, func(ctx context.Context, now func(string)) (func(error), error) {
		v, err := s.program.Verify(ctx, func(done, total int64) { now(flow.Verifying(done, total)) })
		return func(err error) {
			if err != nil {
				s.failed(err)
				return
			}
			s.open(shown{flow.InLedger, view.Verified(v, s.back), "verified", v.Result})
		}, err
	})
}

// makeAgain makes the evidence of a ceremony from the records and says whether
// it came out as they say.
func (s *Shell) makeAgain(ref flow.Ref) {
	s.work(fmt.Sprintf(textMakingEvidenceCeremonyAgain, ref.ID), func(ctx context.Context, _ func(string)) (func(error), error) {
		note, err := s.program.MakeAgain(ctx, ref.ID)
		return func(err error) { s.instead(ref, note, err) }, err
	})
}

// instead shows the same thing again with what came of an act.
func (s *Shell) instead(ref flow.Ref, note string, err error) {
	s.trail = s.trail[:max(len(s.trail)-1, 0)]
	s.detailWith(ref, func(d flow.Detail) flow.Detail {
		if err != nil {
			d.Trouble = troubleOf(err)
		}
		d.Note = note
		return d
	})
}

// changeKey asks who brings a key to another state, and has them sign.
func (s *Shell) changeKey(ref flow.Ref, a flow.Act, again *flow.KeyChange) {
	s.read(textReadingRecord, func(_ context.Context, r flow.Record) (func(), error) {
		c, ok := flow.NewKeyChange(r, ref.ID, a.To, a.By)
		if !ok {
			return nil, errors.New(textKeyStateDoesNotFollow)
		}
		if again != nil {
			c.Reason, c.Trouble = again.Reason, again.Trouble
		}
		return func() {
			s.open(shown{flow.InKeys, view.KeyChange(c, func(people []ceremony.Part, reason string) {
				c.Reason = reason
				s.signChange(ref, a, c, people)
			}, s.back), "change", c.Label})
		}, nil
	})
}

func (s *Shell) signChange(ref flow.Ref, a flow.Act, c flow.KeyChange, people []ceremony.Part) {
	s.signed(func(ctx context.Context) error { return s.program.ChangeKey(ctx, room{s}, c, people) },
		func(t *flow.Trouble) {
			c.Trouble = t
			s.changeKey(ref, a, &c)
		},
		func() { s.instead(ref, fmt.Sprintf(textNow, c.Label, string(c.To)), nil) })
}

// media asks where a copy goes.
func (s *Shell) media(c flow.Copy, trouble *flow.Trouble) {
	s.work(textLookingRemovableMedia, func(ctx context.Context, _ func(string)) (func(error), error) {
		media, err := s.program.Media(ctx)
		var people []flow.Choice
		if c.Signed && err == nil {
			err = s.program.Look(ctx, func(r flow.Record) error {
				people = flow.CopyPeople(r)
				return nil
			})
		}
		return func(err error) {
			if err != nil {
				s.failed(err)
				return
			}
			p := flow.NewMedia(c.Of, media, people)
			p.Trouble = trouble
			again := func() { s.trail = s.trail[:len(s.trail)-1]; s.media(c, nil) }
			s.open(shown{flow.InEvidence, view.Media(p, func(t flow.Target) { s.copyTo(c, t) }, again, s.back), "media", c.Number})
		}, err
	})
}

func (s *Shell) copyTo(c flow.Copy, t flow.Target) {
	s.work(textWritingThenReadingBackFrom, func(ctx context.Context, _ func(string)) (func(error), error) {
		var receipt flow.Receipt
		var err error
		if c.Plain {
			receipt, err = s.program.Export(ctx, t)
		} else {
			receipt, err = s.program.CopyTo(ctx, c.Number, t)
		}
		return func(err error) {
			s.trail = s.trail[:max(len(s.trail)-1, 0)]
			if err != nil {
				s.media(c, troubleOf(err))
				return
			}
			receipt.Of = c.Of
			d := flow.NewReceipt(receipt)
			s.open(shown{flow.InEvidence, s.detailScreen(d, flow.Ref{Place: flow.InEvidence, ID: c.Number}), "copied", c.Number})
		}, err
	})
}

// settings changes how the window looks and tells what it works with.
func (s *Shell) settings() {
	s.place = flow.InSettings
	s.read(textReadingRecord, func(_ context.Context, r flow.Record) (func(), error) {
		about := flow.NewSettings(r)
		return func() {
			s.open(shown{flow.InSettings, view.Settings(s.look, s.setLook, about, view.SettingsActions{Witness: s.witness.toggle, Modules: s.modules}), "settings", ""})
		}, nil
	})
}

// modules looks for what reaches tokens here.
func (s *Shell) modules() {
	s.work(textAskingEachPKCS11Module, func(ctx context.Context, _ func(string)) (func(error), error) {
		found, err := s.program.Modules(ctx)
		return func(err error) {
			if err != nil {
				s.failed(err)
				return
			}
			s.open(shown{flow.InSettings, s.detailScreen(flow.NewModules(found), flow.Ref{Place: flow.InSettings}), "modules", ""})
		}, err
	})
}

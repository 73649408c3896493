package ui

import (
	"context"

	"claviger/ceremony"
	"claviger/ui/flow"
	"claviger/ui/view"
)

// first offers both kinds of site where there is none.
func (s *Shell) first(f flow.First) {
	s.frame.SetPlaces(nil)
	s.frame.Update(s.face())
	s.page(view.First(f, func() {
		s.found(textMakingPracticeSiteOpeningPractice, s.program.MakePractice, func(err error) {
			f.Trouble = troubleOf(err)
			s.first(f)
		})
	}, func() { s.realSite(f, nil, nil) }))
	s.title("first", "", "")
}

// realSite asks what an empty real site is made of.
func (s *Shell) realSite(f flow.First, typed map[string]string, trouble *flow.Trouble) {
	s.work(textAskingEachPKCS11Module, func(ctx context.Context, _ func(string)) (func(error), error) {
		modules, err := s.program.Modules(ctx)
		return func(err error) {
			if err != nil {
				f.Trouble = troubleOf(err)
				s.first(f)
				return
			}
			form := flow.NewRealSite(f.Dir, modules)
			s.page(view.Ask(form.With(typed, trouble), view.AskActions{
				Submit: func(values map[string]string, wrong func(flow.Wrong)) {
					organisation, library, w := flow.RealSite(form, values)
					if wrong(w); w != nil {
						return
					}
					s.found(textMakingEmptySite, func(ctx context.Context) error { return s.program.MakeReal(ctx, organisation, library) },
						func(err error) { s.realSite(f, values, troubleOf(err)) })
				},
				Back: s.home}))
			s.title("real-site", "", "")
		}, err
	})
}

// found makes a site and goes on to its overview.
func (s *Shell) found(what string, make func(context.Context) error, failed func(error)) {
	s.work(what, func(ctx context.Context, _ func(string)) (func(error), error) {
		err := make(ctx)
		return func(err error) {
			if err != nil {
				failed(err)
				return
			}
			s.home()
		}, err
	})
}

// prepare shows what a ceremony will be, or asks for the order that it needs.
func (s *Shell) prepare(st flow.Start) {
	if st.OrderFirst {
		s.order(st, nil, nil)
		return
	}
	s.prepareWith(st, nil)
}

func (s *Shell) prepareWith(st flow.Start, trouble *flow.Trouble) {
	s.work(textReadingScriptLookingToken, func(ctx context.Context, _ func(string)) (func(error), error) {
		p, err := s.program.Prepare(ctx, st)
		return func(err error) {
			if err != nil {
				s.failed(err)
				return
			}
			p.Trouble = trouble
			s.showPreparation(st, p)
		}, err
	})
}

func (s *Shell) showPreparation(st flow.Start, p flow.Preparation) {
	s.open(shown{flow.InCeremonies, view.Preparation(p, view.PreparationActions{
		Check: func(values map[string]string, stands func(flow.Prepared)) { s.stands(p, values, stands) },
		Begin: func(values map[string]string, stands func(flow.Prepared)) {
			s.stands(p, values, func(c flow.Prepared) {
				if stands(c); !c.Ready() {
					return
				}
				s.play(func(ctx context.Context, r ceremony.Room) (flow.Finished, error) {
					return s.program.Run(ctx, r, st, c.Values)
				})
			})
		},
		Print: func() { s.print(st) },
		Look:  func() { s.trail = s.trail[:len(s.trail)-1]; s.prepareWith(st, nil) },
		Back:  s.back,
	}), "prepare", st.Name})
}

// stands judges a preparation beside the window's thread. The newest answer counts.
func (s *Shell) stands(p flow.Preparation, values map[string]string, then func(flow.Prepared)) {
	visit, now := s.visit(), s.now()
	s.part(func(_ context.Context, r flow.Record) (func(), error) {
		c := p.Check(r.State, values, now)
		return func() {
			if s.visits == visit && !s.running {
				then(c)
			}
		}, nil
	}, func(why string) { then(flow.Prepared{Wrong: flow.Wrong{"": why}}) })
}

// print writes the paper script of a ceremony.
func (s *Shell) print(st flow.Start) {
	s.work(textDrawingPaperScript, func(ctx context.Context, _ func(string)) (func(error), error) {
		printed, err := s.program.Print(ctx, st)
		return func(err error) {
			if err != nil {
				s.failed(err)
				return
			}
			s.open(shown{flow.InOrders, s.detailScreen(printed, flow.Ref{Place: flow.InOrders}), "printed", st.Name})
		}, err
	})
}

// order asks for the order of a ceremony.
func (s *Shell) order(st flow.Start, typed map[string]string, trouble *flow.Trouble) {
	s.work(textReadingScript, func(ctx context.Context, _ func(string)) (func(error), error) {
		form, err := s.program.OrderForm(ctx, st)
		return func(err error) {
			if err != nil {
				s.failed(err)
				return
			}
			asked := form
			asked.Ask = form.With(typed, trouble)
			s.open(shown{flow.InOrders, view.Ask(asked.Ask, view.AskActions{
				Submit: func(values map[string]string, wrong func(flow.Wrong)) { s.ordered(st, form, values, wrong) },
				Print:  func() { s.print(st) },
				Back:   s.back,
			}), "order", st.Name})
		}, err
	})
}

// ordered checks what was typed and has it signed.
func (s *Shell) ordered(st flow.Start, form flow.OrderForm, values map[string]string, wrong func(flow.Wrong)) {
	now := s.now()
	s.part(func(_ context.Context, r flow.Record) (func(), error) {
		plan, w := form.Order(r.State, values, now)
		return func() {
			if wrong(w); w != nil || s.running {
				return
			}
			s.signed(func(ctx context.Context) error { return s.program.Order(ctx, room{s}, plan) },
				func(t *flow.Trouble) { s.order(st, values, t) }, func() { s.goTo(flow.InOrders) })
		}, nil
	}, func(why string) { wrong(flow.Wrong{"": why}) })
}

// signed has people sign what stands outside of ceremonies: the page that asked for
// it is left, and shown again with the trouble where nothing came of it.
func (s *Shell) signed(sign func(context.Context) error, failed func(*flow.Trouble), done func()) {
	s.asked = 0
	s.work(textReadingRecord, func(ctx context.Context, _ func(string)) (func(error), error) {
		err := sign(ctx)
		return func(err error) {
			s.withdraw()
			s.calm()
			s.trail = s.trail[:max(len(s.trail)-1, 0)]
			if err != nil {
				failed(troubleOf(err))
				return
			}
			done()
		}, err
	})
}

// chooseOrder offers every script that could be ordered.
func (s *Shell) chooseOrder() {
	s.work(textReadingScripts, func(ctx context.Context, _ func(string)) (func(error), error) {
		starts, err := s.program.Orderable(ctx)
		return func(err error) {
			if err != nil {
				s.failed(err)
				return
			}
			s.open(shown{flow.InOrders, view.Ask(flow.NewOrderChoice(starts), view.AskActions{Back: s.back,
				Submit: func(values map[string]string, wrong func(flow.Wrong)) {
					for _, st := range starts {
						if st.Name == values["script"] {
							s.order(st, nil, nil)
							return
						}
					}
					wrong(flow.Wrong{"script": textChooseOne})
				}}), "choose", ""})
		}, err
	})
}

// form shows a form about the record; answer takes what was typed.
func (s *Shell) form(place, what string, typed map[string]string, trouble *flow.Trouble, make func(flow.Record) flow.Ask, answer func(flow.Record, flow.Ask, map[string]string) (func(), flow.Wrong)) {
	s.read(textReadingRecord, func(_ context.Context, r flow.Record) (func(), error) {
		form := make(r)
		return func() {
			s.open(shown{place, view.Ask(form.With(typed, trouble), view.AskActions{Back: s.back,
				Submit: func(values map[string]string, wrong func(flow.Wrong)) {
					s.part(func(_ context.Context, r flow.Record) (func(), error) {
						then, w := answer(r, form, values)
						return func() {
							if wrong(w); w == nil && !s.running {
								then()
							}
						}, nil
					}, func(why string) { wrong(flow.Wrong{"": why}) })
				}}), what, ""})
		}, nil
	})
}

// withdrawOrder takes an order, or a script, out of use.
func (s *Shell) withdrawOrder(w flow.Withdrawal, typed map[string]string, trouble *flow.Trouble) {
	s.form(flow.InOrders, "withdraw", typed, trouble, func(r flow.Record) flow.Ask { return flow.NewWithdrawal(r, w.What) },
		func(_ flow.Record, a flow.Ask, values map[string]string) (func(), flow.Wrong) {
			clean, wrong := a.Answer(values)
			return func() {
				s.signed(func(ctx context.Context) error {
					return s.program.Withdraw(ctx, room{s}, w, clean["approver"], clean["reason"])
				}, func(t *flow.Trouble) { s.withdrawOrder(w, values, t) }, func() { s.goTo(flow.InOrders) })
			}, wrong
		})
}

// register stores a script as one that an approver has read.
func (s *Shell) register(typed map[string]string, trouble *flow.Trouble) {
	s.form(flow.InOrders, "register", typed, trouble, func(r flow.Record) flow.Ask { return flow.NewRegister(r, r.Shipped) },
		func(_ flow.Record, a flow.Ask, values map[string]string) (func(), flow.Wrong) {
			clean, wrong := a.Answer(values)
			return func() {
				name := clean["script"]
				if clean["file"] != "" {
					name = clean["file"]
				}
				s.signed(func(ctx context.Context) error {
					return s.program.Register(ctx, room{s}, name, clean["approver"])
				}, func(t *flow.Trouble) { s.register(values, t) }, s.scripts)
			}, wrong
		})
}

// scripts tells what is registered and withdrawn.
func (s *Shell) scripts() {
	s.read(textReadingRecord, func(_ context.Context, r flow.Record) (func(), error) {
		d := flow.NewScripts(r)
		return func() {
			s.open(shown{flow.InOrders, s.detailScreen(d, flow.Ref{Place: flow.InOrders}), "scripts", ""})
		}, nil
	})
}

// takeInReceipt takes in what arrived for the evidence of a ceremony.
func (s *Shell) takeInReceipt(number string, typed map[string]string, trouble *flow.Trouble) {
	s.form(flow.InEvidence, "receipt", typed, trouble, func(r flow.Record) flow.Ask { return flow.NewReceiptForm(r, number) },
		func(r flow.Record, a flow.Ask, values map[string]string) (func(), flow.Wrong) {
			b, people, wrong := flow.TakenIn(r, a, number, values)
			return func() {
				s.signed(func(ctx context.Context) error { return s.program.TakeInReceipt(ctx, room{s}, b, people) },
					func(t *flow.Trouble) { s.takeInReceipt(number, values, t) },
					func() {
						s.instead(flow.Ref{Place: flow.InEvidence, ID: number}, textReceiptTakenMakeEvidenceAgain, nil)
					})
			}, wrong
		})
}

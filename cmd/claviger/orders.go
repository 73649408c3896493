package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/report"
	"claviger/ceremony/script"
	"claviger/ceremony/site"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/worker"
	"claviger/ledger"
	"claviger/ui/flow"
)

// What the window's pages before a ceremony ask: a site, an order, a token that can
// do it.

// Missing says where a site would be made.
func (p *program) Missing(context.Context) (flow.First, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.site != nil || p.practise {
		return flow.First{}, false, nil
	}
	_, err := os.Stat((&ceremony.Folder{Dir: p.setting.Dir}).Ledger())
	if !errors.Is(err, fs.ErrNotExist) {
		return flow.First{}, false, nil // whatever is wrong with it, opening it says so
	}
	src, err := assets.Script(site.Opening)
	if err != nil {
		return flow.First{}, false, err
	}
	plan, err := script.Parse(src, steps.Kinds().Names())
	if err != nil {
		return flow.First{}, false, err
	}
	return flow.NewFirst(p.setting.Dir, plan), true, nil
}

func (p *program) MakePractice(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.setting.Dir
	p.setting.Dir, p.practise = p.practiceDir, true
	if _, err := p.open(ctx); err != nil {
		p.setting.Dir, p.practise = before, false
		return p.told(err)
	}
	return nil
}

func (p *program) MakeReal(ctx context.Context, organisation, library string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.setting
	c.Room, c.Module = &p.relay, library
	s, err := site.Create(ctx, c, organisation)
	if err != nil {
		return &ceremony.Problem{Happened: sentence(err.Error()), Safe: "No site was made.", Do: "Correct it below, then make the site again."}
	}
	p.site = s
	return nil
}

// source is the script of a ceremony: the one that was ordered, one that the record
// holds, or a shipped one.
func (p *program) source(ctx context.Context, s *site.Site, st flow.Start) ([]byte, error) {
	h := st.Script
	for _, o := range s.State().Orders {
		if st.Order != "" && o.Leaf.String() == st.Order {
			h = o.Body.Script.String()
		}
	}
	if h == "" {
		return assets.Script(st.Name)
	}
	sum, err := ledger.ParseHash(h)
	if err != nil {
		return nil, err
	}
	return s.Record().Blob(ctx, sum)
}

// Prepare reads everything that a ceremony needs, the token too; nobody logs in.
func (p *program) Prepare(ctx context.Context, st flow.Start) (flow.Preparation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return flow.Preparation{}, p.told(err)
	}
	src, err := p.source(ctx, s, st)
	if err != nil {
		return flow.Preparation{}, p.told(err)
	}
	prepared, err := flow.NewPreparation(p.record(ctx, s), st, src, func(plan *script.Plan) ([]ceremony.Part, error) { return rehearse.Parts(s.State().RolesFor(plan)) }, p.token(ctx, s, st))
	if err != nil {
		return flow.Preparation{}, p.told(err)
	}
	return prepared, nil
}

// token looks for the token of a ceremony: the one that its order names, the site's
// first, or an empty one.
func (p *program) token(ctx context.Context, s *site.Site, st flow.Start) flow.TokenSeen {
	serial := s.Token()
	for _, o := range s.State().Orders {
		if st.Order != "" && o.Leaf.String() == st.Order {
			serial = o.Body.Token
		}
	}
	seen, err := p.readToken(ctx, s, serial)
	if err != nil {
		return flow.TokenSeen{Fault: err.Error()}
	}
	return seen
}

func (p *program) readToken(ctx context.Context, s *site.Site, serial string) (seen flow.TokenSeen, err error) {
	path, err := p.library(s)
	if err != nil {
		return seen, err
	}
	var env []string
	if p.setting.Module == "" && s.State().Site.Practice {
		if path, env, err = rehearse.SoftHSM(s.Folder.Practice()); err != nil {
			return seen, err
		}
	}
	m, err := worker.Start(ctx, worker.Options{Argv: p.setting.Worker, ModulePath: path, Env: append(env, p.setting.Env...)})
	if err != nil {
		return seen, fmt.Errorf("couldn't start the library %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	tokens, err := m.Tokens(ctx)
	if err != nil {
		return seen, fmt.Errorf("couldn't look for tokens: %w", err)
	}
	i := slices.IndexFunc(tokens, func(t hsm.TokenInfo) bool {
		return serial != "" && t.Serial == serial || serial == "" && !t.Initialised
	})
	switch {
	case i < 0 && serial == "":
		return seen, errors.New("no token that is not initialised is attached")
	case i < 0:
		return seen, fmt.Errorf("the token with serial number %s is not attached", serial)
	case !s.State().Site.Practice && !tokens[i].HardwareSlot:
		return seen, errors.New("the token says of itself that it is software, and this is a real site")
	}
	seen.Info = tokens[i]
	// A blank token may have no serial number yet; it is asked all the same.
	seen.Mechanisms, err = m.Mechanisms(ctx, seen.Info.Serial)
	return seen, err
}

// Print writes the paper script into the site's folder.
func (p *program) Print(ctx context.Context, st flow.Start) (flow.Detail, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return flow.Detail{}, p.told(err)
	}
	src, err := p.source(ctx, s, st)
	if err != nil {
		return flow.Detail{}, p.told(err)
	}
	plan, err := script.Parse(src, s.State().KnownKinds())
	if err != nil {
		return flow.Detail{}, p.told(err)
	}
	kinds := steps.Kinds()
	pdf, pages, err := report.Paper(plan, func(kind string) string { return kinds[kind].Doc() }, report.A4)
	if err != nil {
		return flow.Detail{}, p.told(err)
	}
	dir := filepath.Join(s.Folder.Dir, "paper")
	path := filepath.Join(dir, fmt.Sprintf("%s-%x.pdf", plan.Name, plan.SHA256[:4]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return flow.Detail{}, p.told(fmt.Errorf("couldn't make the folder for paper scripts: %w", err))
	}
	// The same script gives the same bytes: what is there is this.
	if err := ceremony.WriteNew(path, pdf); err != nil && !errors.Is(err, fs.ErrExist) {
		return flow.Detail{}, p.told(err)
	}
	return flow.NewPrinted(plan, path, pages), nil
}

// Orderable are the shipped scripts that fit this site and those that it has
// registered.
func (p *program) Orderable(ctx context.Context) ([]flow.Start, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return nil, p.told(err)
	}
	out, err := p.shipped(s)
	if err != nil {
		return nil, p.told(err)
	}
	for h, sc := range s.State().Scripts {
		plan := p.script(ctx, s, h)
		if sc.Withdrawn != "" || plan == nil || slices.ContainsFunc(out, func(st flow.Start) bool { return shippedAs(st.Name, h) }) {
			continue
		}
		if st, ok := flow.NewStart(plan, s.State(), s.FreeLabel); ok {
			st.Name, st.Script, st.About = plan.Name+" "+h.String()[:8], h.String(), fmt.Sprintf("registered, version %d · %s", plan.Version, st.About)
			out = append(out, st)
		}
	}
	slices.SortStableFunc(out, func(a, b flow.Start) int { return cmp.Compare(a.Script, b.Script) })
	return out, nil
}

// shippedAs says whether a shipped script is the one with this SHA-256.
func shippedAs(name string, h ledger.Hash) bool {
	src, err := assets.Script(name)
	return err == nil && ledger.BlobHash(src) == h
}

// shippedChoices names the shipped scripts.
func shippedChoices(s *site.Site) []flow.Choice {
	names, err := assets.Names()
	if err != nil {
		return nil
	}
	var out []flow.Choice
	for _, name := range names {
		src, err := assets.Script(name)
		if err != nil {
			continue
		}
		if plan, err := script.Parse(src, s.State().KnownKinds()); err == nil {
			out = append(out, flow.Choice{ID: name, Label: plan.Title, Help: fmt.Sprintf("%s, version %d", plan.Name, plan.Version)})
		}
	}
	return out
}

func (p *program) OrderForm(ctx context.Context, st flow.Start) (flow.OrderForm, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return flow.OrderForm{}, p.told(err)
	}
	src, err := p.source(ctx, s, st)
	if err != nil {
		return flow.OrderForm{}, p.told(err)
	}
	form, err := flow.NewOrderForm(p.record(ctx, s), st.Name, src, s.FreeLabel, time.Now())
	if err != nil {
		return flow.OrderForm{}, p.told(err)
	}
	return form, nil
}

// in has the engine ask in a room for as long as ask runs.
func (p *program) in(ctx context.Context, room ceremony.Room, ask func(*site.Site) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return p.told(err)
	}
	p.relay.set(room)
	defer p.relay.set(nil)
	return p.signed(ask(s))
}

func (p *program) Order(ctx context.Context, room ceremony.Room, o ceremony.OrderPlan) error {
	return p.in(ctx, room, func(s *site.Site) error {
		_, err := s.Order(ctx, o)
		return err
	})
}

func (p *program) Withdraw(ctx context.Context, room ceremony.Room, w flow.Withdrawal, approver, reason string) error {
	return p.in(ctx, room, func(s *site.Site) error {
		named := w.Script
		for _, o := range s.State().Orders {
			if o.Leaf.String() == w.Order {
				named = o.Body.Script.String()
			}
		}
		h, err := ledger.ParseHash(named)
		if err != nil {
			return err
		}
		return s.Withdraw(ctx, h, w.Order, approver, reason)
	})
}

func (p *program) Register(ctx context.Context, room ceremony.Room, name, approver string) error {
	return p.in(ctx, room, func(s *site.Site) error {
		src, err := rehearse.Source(name)
		if err != nil {
			return err
		}
		return s.RegisterScript(ctx, src, approver)
	})
}

func (p *program) TakeInReceipt(ctx context.Context, room ceremony.Room, b ceremony.ReceiptTakenIn, people [2]ceremony.Part) error {
	return p.in(ctx, room, func(s *site.Site) error { return s.TakeInReceipt(ctx, b, people) })
}

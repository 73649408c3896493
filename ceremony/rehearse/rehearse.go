// Package rehearse plays whole ceremonies without a window, with practice
// people, on a practice site and a practice token. It is how a script is tried
// before the day, how the tests play, and how a machine without a display shows
// what Claviger does.
//
// The practice people answer every question. Their passphrases, cards and PINs
// lie in SITE/practice and nowhere else; a real site refuses to contain that
// folder, and a practice site can never become real.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/site"
	"claviger/ceremony/steps"
)

// Options of one rehearsal.
type Options struct {
	Setting
	Script    string // shipped name, or a file
	Out       string // folder for report.pdf, checkpoint.txt, site.vkey, transcript.txt
	Set       map[string]string
	Resume    bool
	StopAfter string
	Print     io.Writer // one line a step
}

const opening = site.Opening

// Run plays the script, and before it what it needs.
func Run(ctx context.Context, o Options) error {
	source, err := Source(o.Script)
	if err != nil {
		return err
	}
	// Everything that can be wrong with the order is said before anything is made.
	kinds := steps.Kinds()
	plan, err := script.Parse(source, kinds.Names())
	if err != nil {
		return err
	}
	bound, err := plan.Bind(o.Set)
	if err != nil {
		return err
	}
	all := bound.Steps()
	if o.Resume {
		all = plan.Steps() // with which values it began, the ledger knows
	}
	if err := hasStep(plan.Name, all, o.StopAfter); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Out, 0o700); err != nil {
		return fmt.Errorf("couldn't make the folder for the results: %w", err)
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(o.Out, "site")
	}
	st := &stage{print: o.Print}
	o.Room = st
	s, err := Open(ctx, o.Setting)
	if err != nil {
		return err
	}
	st.site = s
	err = play(ctx, o, s, st, plan)
	return errors.Join(err, s.Close())
}

// hasStep says that nothing could be stopped after a step, because these are the
// script's steps.
func hasStep(name string, steps []script.Step, id string) error {
	var ids []string
	for _, st := range steps {
		if st.ID == id {
			return nil
		}
		ids = append(ids, st.ID)
	}
	if id == "" {
		return nil
	}
	return fmt.Errorf("--stop-after %s: the script %s has no step %q; with these values its steps are %s", id, name, id, strings.Join(ids, ", "))
}

// hasBegun says where a value was given for a ceremony that has begun: its values
// are those it began with.
func hasBegun(p *ceremony.Progress, set map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if is := p.Body.Parameters[name]; is != set[name] {
			return fmt.Errorf("--set %s=%s: ceremony %s, %s, has begun with %s %q, and that stays; leave --set out, or hold another ceremony without --resume", name, set[name], p.Number, p.Plan.Title, name, is)
		}
	}
	return nil
}

func play(ctx context.Context, o Options, s *Site, st *stage, plan *script.Plan) error {
	if f := s.Findings(); len(f) > 0 {
		return fmt.Errorf("the ledger of this site does not hold: %s", f[0])
	}
	if u := s.State().Unfinished(); u != nil && o.Resume && u.Plan.Name == plan.Name {
		if err := errors.Join(hasBegun(u, o.Set), hasStep(plan.Name, u.Plan.Steps(), o.StopAfter)); err != nil {
			return err
		}
	} else if last := s.Last(plan.Name); last != nil && (o.Resume || plan.Name == opening) {
		if err := hasBegun(last, o.Set); err != nil {
			return err
		}
	}
	st.told(s.State())
	if u := s.State().Unfinished(); u != nil && o.Resume && u.Plan.Name != plan.Name && u.Plan.Name != opening {
		// It provides what this script relies on.
		st.say("Resuming ceremony %s, %s", u.Number, u.Plan.Title)
		if err := s.Resume(ctx); err != nil {
			return st.end(ctx, o, err)
		}
	}
	if err := s.ready(ctx, plan.Name, o.Resume); err != nil {
		return st.end(ctx, o, err)
	}
	// What was played before has steps of the same names.
	st.stopAfter = o.StopAfter
	last := s.Last(plan.Name)
	unfinished := s.State().Unfinished()
	switch {
	case unfinished != nil && o.Resume:
		st.say("Resuming ceremony %s, %s", unfinished.Number, unfinished.Plan.Title)
		return st.end(ctx, o, s.Resume(ctx))
	case unfinished != nil:
		return fmt.Errorf("ceremony %s is %s; finish it with --resume", unfinished.Number, unfinished.Status)
	case last != nil && (o.Resume || plan.Name == opening):
		st.say("Ceremony %s, %s, is complete", last.Number, last.Plan.Title)
		return st.end(ctx, o, nil)
	}
	return st.end(ctx, o, s.Begin(ctx, plan.Source, o.Set))
}

// peopleReady enrols the person whom the script is about where there is none.
func (s *Site) peopleReady(ctx context.Context, plan *script.Plan) error {
	for _, p := range plan.Parameters {
		if p.Type != "person" || s.State().Unfinished() != nil {
			continue
		}
		if h := s.State().People[s.newcomer(p.Default)]; h != nil && !h.Retired {
			continue
		}
		source, err := Source("enrol")
		if err != nil {
			return err
		}
		if err := s.Begin(ctx, source, map[string]string{"people": s.freePeople(p.Default + " custodian")}); err != nil {
			return err
		}
	}
	return nil
}

// provide plays what a script is about where it is not there yet: a second token,
// a key that can be wrapped, a backup of it.
func (s *Site) provide(ctx context.Context, name string) error {
	source, err := Source(name)
	if err != nil {
		return nil // a script of the user's own, which says by itself what it lacks
	}
	plan, err := script.Parse(source, s.State().KnownKinds())
	if err != nil {
		return err
	}
	if err := s.peopleReady(ctx, plan); err != nil {
		return err
	}
	needs := s.needsOf(plan)
	for _, first := range []struct {
		missing bool
		script  string
		set     map[string]string
	}{
		{needs.second && s.State().SecondToken(s.Token()) == "", "token-addition", nil},
		{needs.wrapped && s.newestKey(wrapped) == nil, "key-generation", map[string]string{"protection": "wrap-backup"}},
		{needs.key && s.newestKey(anyKey) == nil, "key-generation", nil},
		{needs.backup && s.newestKey(backedUp) == nil, "key-backup", nil},
	} {
		if !first.missing || s.State().Unfinished() != nil {
			continue
		}
		source, err := Source(first.script)
		if err != nil {
			return err
		}
		if err := s.Begin(ctx, source, first.set); err != nil {
			return err
		}
	}
	return nil
}

// needed is what a script relies on beside an open site.
type needed struct{ second, key, wrapped, backup bool }

func (s *Site) needsOf(plan *script.Plan) needed {
	var n needed
	for _, p := range plan.Parameters {
		n.key = n.key || p.Type == "key"
	}
	makes := false
	for _, ph := range plan.Phases {
		for _, st := range ph.Steps {
			makes = makes || st.Kind == ceremony.BackupStep
			n.second = n.second || st.Kind == ceremony.RestoreStep
		}
	}
	n.wrapped = n.second || makes
	n.key = n.key && !n.wrapped
	n.backup = n.second && !makes
	return n
}

func anyKey(*ceremony.Key) bool     { return true }
func wrapped(k *ceremony.Key) bool  { return k.Body.Protection == "wrap-backup" }
func backedUp(k *ceremony.Key) bool { return len(k.Backups()) > 0 }

// newestKey is the youngest key of a sort that is not destroyed.
func (s *Site) newestKey(fits func(*ceremony.Key) bool) *ceremony.Key {
	var newest *ceremony.Key
	for _, k := range s.State().Keys {
		if !k.Gone() && !k.Quarantined && fits(k) && (newest == nil || k.Seq > newest.Seq) {
			newest = k
		}
	}
	return newest
}

// keyFor is the youngest key that a script can be about.
func (s *Site) keyFor(plan *script.Plan) *ceremony.Key {
	switch n := s.needsOf(plan); {
	case n.backup:
		return s.newestKey(backedUp)
	case n.wrapped:
		return s.newestKey(wrapped)
	}
	return s.newestKey(anyKey)
}

// ready plays first what a script needs: an open site, and what it is about.
func (s *Site) ready(ctx context.Context, name string, resume bool) error {
	switch {
	case name == opening:
		return nil
	case resume && s.Last(name) != nil:
		return nil
	case s.Ready():
		return s.provide(ctx, name)
	}
	if u := s.State().Unfinished(); u != nil && !resume {
		return fmt.Errorf("the opening of this site is %s; finish it with --resume", u.Status)
	}
	if err := s.Prepare(ctx); err != nil {
		return err
	}
	return s.provide(ctx, name)
}

// Prepare plays the opening of a practice site, or finishes it.
func (s *Site) Prepare(ctx context.Context) error {
	if s.State().Unfinished() != nil {
		if err := s.Resume(ctx); err != nil {
			return err
		}
	} else {
		source, err := Source(opening)
		if err != nil {
			return err
		}
		if err := s.Begin(ctx, source, nil); err != nil {
			return err
		}
	}
	_, err := s.Evidence(ctx, s.Last(opening).Number)
	return err
}

// stage is the room of a rehearsal: the cast answers, and everything public is
// written down.
type stage struct {
	site      *Site
	print     io.Writer
	stopAfter string
	steps     map[string]int // ceremony, or ceremony/step: the attempt already told
	script    transcript
}

func (st *stage) say(format string, args ...any) {
	l := fmt.Sprintf(format, args...)
	st.script.add(l)
	fmt.Fprintln(st.print, l)
}

// Show draws nothing: steps are told when the next question comes.
func (st *stage) Show(ceremony.Snapshot) {}

// told marks what earlier rehearsals have printed.
func (st *stage) told(s *ceremony.State) {
	st.each(s, func(string) {}, func(script.Step, *ceremony.StepState) {})
}

// tell prints the ceremonies that began and the steps that were finished since
// the last time.
func (st *stage) tell(s *ceremony.State) {
	st.each(s, func(title string) { st.say("Ceremony %s", title) },
		func(step script.Step, ss *ceremony.StepState) {
			st.say("%2d  %s%s", step.Number, step.Title, factLine(ss.Facts))
		})
}

func (st *stage) each(s *ceremony.State, began func(title string), done func(script.Step, *ceremony.StepState)) {
	if st.steps == nil {
		st.steps = map[string]int{}
	}
	for _, p := range s.Ceremonies {
		if _, told := st.steps[p.Number]; !told {
			st.steps[p.Number] = 0
			began(p.Number + ": " + p.Plan.Title)
		}
		for _, step := range p.Plan.Steps() {
			id, ss := p.Number+"/"+step.ID, p.Steps[step.ID]
			if ss.Done && st.steps[id] != ss.Attempt {
				st.steps[id] = ss.Attempt
				done(step, ss)
			}
		}
	}
}

func factLine(lines []ceremony.Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "\n      %s: %s", l.Label, l.Value)
	}
	return b.String()
}

func (st *stage) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	s := st.site.State()
	st.tell(s)
	if open := s.Open; open != nil && st.stopAfter != "" && p.Step != st.stopAfter {
		if ss := open.Steps[st.stopAfter]; ss != nil && ss.Done {
			return ceremony.Answer{Action: ceremony.Pause, Reason: "stopped after step " + st.stopAfter + ", as asked"}, nil
		}
	}
	a, err := cast{st.site.Prop}.Ask(ctx, p)
	if a.Secret != nil {
		st.script.secret(p)
	}
	return a, err
}

// end tells how it ended and writes what a rehearsal leaves.
func (st *stage) end(ctx context.Context, o Options, cause error) error {
	st.tell(st.site.State())
	var stop *ceremony.Stop
	switch {
	case errors.As(cause, &stop) && st.stopAfter != "" && errors.Is(stop.Err, ceremony.ErrPaused):
		st.say("Paused: %s. Go on with --resume.", stop.Reason)
	case cause != nil:
		return errors.Join(cause, st.script.write(o.Out))
	}
	last := ended(st.site.State())
	if last == nil {
		return st.script.write(o.Out)
	}
	path, err := st.site.Evidence(ctx, last.Number)
	if err != nil {
		return err
	}
	for _, name := range []string{"report.pdf", "checkpoint.txt", "site.vkey"} {
		if err := copyFile(filepath.Join(filepath.Dir(path), name), filepath.Join(o.Out, name)); err != nil {
			return err
		}
	}
	st.say("Report: %s", filepath.Join(o.Out, "report.pdf"))
	return st.script.write(o.Out)
}

// ended is the newest ceremony, if it has come to its end: sealed or aborted.
func ended(s *ceremony.State) *ceremony.Progress {
	if len(s.Ceremonies) == 0 {
		return nil
	}
	last := s.Ceremonies[len(s.Ceremonies)-1]
	if last.Status != ceremony.SealedStatus && last.Status != ceremony.AbortedStatus {
		return nil
	}
	return last
}

// copyFile replaces what an earlier rehearsal left in the same folder.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("couldn't read %s: %w", from, err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		return fmt.Errorf("couldn't write %s: %w", to, err)
	}
	return nil
}

var _ ceremony.Room = (*stage)(nil)

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
	"os"
	"path/filepath"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
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

const opening = "site-opening"

// Run plays the script, and before it what it needs.
func Run(ctx context.Context, o Options) error {
	source, err := Source(o.Script)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Out, 0o700); err != nil {
		return fmt.Errorf("couldn't make the folder for the results: %w", err)
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(o.Out, "site")
	}
	st := &stage{print: o.Print, stopAfter: o.StopAfter}
	o.Room = st
	s, err := Open(ctx, o.Setting)
	if err != nil {
		return err
	}
	st.site = s
	err = play(ctx, o, s, st, source)
	return errors.Join(err, s.Close())
}

func play(ctx context.Context, o Options, s *Site, st *stage, source []byte) error {
	if f := s.Findings(); len(f) > 0 {
		return fmt.Errorf("the ledger of this site does not hold: %s", f[0])
	}
	plan, err := script.Parse(source, s.State().KnownKind)
	if err != nil {
		return err
	}
	if _, err := plan.Bind(o.Set); err != nil {
		return err
	}
	if err := s.ready(ctx, st, plan.Name, o.Resume); err != nil {
		return st.end(ctx, o, err)
	}
	last := s.last(plan.Name)
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
	return st.end(ctx, o, s.Begin(ctx, source, o.Set))
}

// ready opens the site first where another script is to be played.
func (s *Site) ready(ctx context.Context, st *stage, name string, resume bool) error {
	if name == opening || s.last(opening) != nil {
		return nil
	}
	if u := s.State().Unfinished(); u != nil {
		if !resume {
			return fmt.Errorf("the opening of this site is %s; finish it with --resume", u.Status)
		}
		if err := s.Resume(ctx); err != nil {
			return err
		}
	} else if err := s.OpenPractice(ctx); err != nil {
		return err
	}
	_, err := s.Evidence(ctx, s.last(opening).Number)
	return err
}

// OpenPractice plays the opening of a practice site.
func (s *Site) OpenPractice(ctx context.Context) error {
	source, err := Source(opening)
	if err != nil {
		return err
	}
	return s.Begin(ctx, source, nil)
}

// Ready says whether the site was opened to its end.
func (s *Site) Ready() bool { return s.last(opening) != nil }

// last is the newest sealed ceremony of a script.
func (s *Site) last(name string) *ceremony.Progress {
	all := s.State().Ceremonies
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Plan.Name == name && all[i].Status == ceremony.SealedStatus {
			return all[i]
		}
	}
	return nil
}

// stage is the room of a rehearsal: the cast answers, and everything public is
// written down.
type stage struct {
	site      *Site
	print     io.Writer
	stopAfter string
	steps     map[string]string // step: status already told
	script    transcript
	now       ceremony.Snapshot
}

func (st *stage) say(format string, args ...any) {
	l := fmt.Sprintf(format, args...)
	st.script.add(l)
	fmt.Fprintln(st.print, l)
}

// Show tells each step once, when it has its result.
func (st *stage) Show(v ceremony.Snapshot) {
	st.now = v
}

// tell prints the steps that were finished since the last time.
func (st *stage) tell(s *ceremony.State) {
	for _, p := range s.Ceremonies {
		if st.steps == nil {
			st.steps = map[string]string{}
		}
		if _, told := st.steps[p.Number]; !told {
			st.steps[p.Number] = ""
			st.say("Ceremony %s: %s", p.Number, p.Plan.Title)
		}
		for _, step := range p.Plan.Steps() {
			id, ss := p.Number+"/"+step.ID, p.Steps[step.ID]
			mark := fmt.Sprint(ss.Attempt)
			if !ss.Done || st.steps[id] == mark {
				continue
			}
			st.steps[id] = mark
			st.say("%2d  %s%s", step.Number, step.Title, factLine(ss.Facts))
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

func (st *stage) Ask(_ context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	s := st.site.State()
	st.tell(s)
	if p.Problem != nil && p.Kind != ceremony.AskDecide {
		return ceremony.Answer{}, fmt.Errorf("%s %s", p.Problem.Happened, p.Problem.Code)
	}
	if open := s.Open; open != nil && st.stopAfter != "" && p.Step != st.stopAfter {
		if ss := open.Steps[st.stopAfter]; ss != nil && ss.Done {
			return ceremony.Answer{Action: ceremony.Pause, Reason: "stopped after step " + st.stopAfter + ", as asked"}, nil
		}
	}
	if err := st.site.Prop.See(p); err != nil {
		return ceremony.Answer{}, err
	}
	b, err := st.site.Prop.Secret(p)
	if err != nil {
		return ceremony.Answer{}, err
	}
	if b != nil {
		st.script.secret(p)
	}
	return ceremony.Answer{Secret: b, Verdict: ceremony.Agree, Fields: Fill(p), Choice: "pause"}, nil
}

// Fill answers a form as a practice person would.
func Fill(p ceremony.Prompt) map[string]string {
	out := map[string]string{}
	for _, f := range p.Fields {
		switch {
		case f.Name == "place" && f.Value == "":
			out[f.Name] = "Practice room"
		case f.Name == "wall":
			out[f.Name] = f.Hint
		case f.Type == "bag":
			out[f.Name] = "PR-" + strings.ToUpper(p.Who.ID)
		default:
			out[f.Name] = f.Value
		}
	}
	for _, a := range Cast() {
		if a.ID == p.Who.ID && len(p.Fields) > 0 && p.Fields[0].Name == "name" {
			out["name"], out["organisation"], out["manager"], out["identity"] = a.Name, a.Organisation, a.Manager, "practice person"
		}
	}
	return out
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

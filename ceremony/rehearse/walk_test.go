package rehearse

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"claviger/ceremony"
	"claviger/hsm/secret"
)

// inARow is how many ceremonies a crowd holds on one site, one after another.
const inARow = 4

// TestRandomWalks lets people press, mistype, refuse, pause, abort and deviate,
// come, leave, return and be substituted, take breaks, withhold sign-offs and lock
// each other out; lets the token fail and the disk fill and the program end, in
// every shipped script and in any order. Whatever happens, what sound demands
// holds, and with people who then do as they are asked the ceremony comes to an
// end.
func TestRandomWalks(t *testing.T) {
	// What a walk leaves behind is small and gone with it.
	gc := debug.SetGCPercent(1600)
	t.Cleanup(func() { debug.SetGCPercent(gc) })
	names := shipped(t)
	walks := 2_000/len(names) + 1 // the everyday test has to stay short
	if full() {
		walks = 100_000/len(names) + 1
	}
	set := func(name, value string) {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	set("rapid.checks", strconv.Itoa((walks+inARow-1)/inARow))
	set("rapid.seed", "20261122")
	set("rapid.nofailfile", "true")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ready(t, name)
			n, ends := 0, map[ceremony.Status]int{}
			told := map[string]int{}
			rapid.Check(t, func(rt *rapid.T) {
				for _, end := range walk(t, rt, name, told) {
					n++
					ends[end]++
				}
			})
			fmt.Printf("PROOF: %s: %d random walks, %d sealed, %d aborted; people %s\n", name, n, ends[ceremony.SealedStatus], ends[ceremony.AbortedStatus], words(told))
		})
	}
}

// words tells in order how often people did what.
func words(told map[string]int) string {
	var out []string
	for _, what := range slices.Sorted(maps.Keys(told)) {
		out = append(out, fmt.Sprintf("%s %d", what, told[what]))
	}
	return strings.Join(out, ", ")
}

// walk holds ceremonies with a crowd, and brings each to its end. The opening of a
// site is held once.
func walk(t *testing.T, rt *rapid.T, name string, told map[string]int) []ceremony.Status {
	sc := before(t, name)
	defer sc.clear()
	c := &crowd{rt: rt, sc: sc, told: told}
	c.restart()
	var ends []ceremony.Status
	for range inARow {
		if len(ends) > 0 && name == opening {
			// Another site is opened.
			c.site.Engine.Close()
			sc.sound(rt)
			sc = before(t, name)
			defer sc.clear()
			c.sc = sc
			c.restart()
		}
		ends = append(ends, c.holds(name, source(t, name)))
		// Whether the ledger verifies is what the last look finds out.
		sc.accountable(rt)
	}
	c.site.Engine.Close()
	sc.sound(rt)
	return ends
}

// restart starts the program again.
func (c *crowd) restart() {
	if c.site != nil {
		c.site.Engine.Close()
	}
	c.fate = &fate{}
	c.site, c.people = c.sc.open(c.rt, c.fate, c)
	c.people.site = c.site
}

// holds plays one ceremony, first as anybody pleases, then as is asked.
func (c *crowd) holds(name string, src []byte) ceremony.Status {
	ctx := context.Background()
	c.tame, c.giveUp, c.asked = true, false, 0
	if err := c.site.ready(ctx, name, false); err != nil {
		c.rt.Fatalf("what %s needs could not be played: %v", name, err)
	}
	first := len(c.site.State().Ceremonies)
	this := func() *ceremony.Progress {
		if all := c.site.State().Ceremonies; len(all) > first {
			return all[len(all)-1]
		}
		return nil
	}
	play := func() error {
		if c.site.State().Unfinished() != nil {
			return c.site.Resume(ctx)
		}
		return c.site.Begin(ctx, src, nil)
	}
	c.tame = false
	for runs := rapid.IntRange(1, 4).Draw(c.rt, "runs"); runs > 0; runs-- {
		// A pause ends the program, one time in four, or only the run.
		if c.fate.dead || c.site.State().Open != nil || rapid.SampledFrom([]bool{false, false, false, true}).Draw(c.rt, "restart") {
			c.restart()
		}
		*c.fate = fate{}
		if p := this(); p != nil && over(p) {
			break
		}
		_ = play()
	}
	// From here on everybody does as asked; a ceremony that cannot end now is a
	// dead end. Where somebody is locked out, or a part was taken over by one who
	// has no card, leaving it may be all that is left.
	c.tame = true
	var err error
	for n := range 8 {
		if c.fate.dead || c.site.State().Open != nil {
			c.restart()
		}
		*c.fate = fate{}
		p := this()
		switch {
		case p != nil && over(p):
			return p.Status
		case p != nil && n >= 4 && len(p.LockedOut)+len(p.Former) > 0:
			c.giveUp = true
			c.told["given up"]++
		}
		err = play()
	}
	if p := this(); p != nil && over(p) {
		return p.Status
	}
	c.rt.Fatalf("a dead end: %v", err)
	return ""
}

func over(p *ceremony.Progress) bool {
	return p.Status == ceremony.SealedStatus || p.Status == ceremony.AbortedStatus
}

// crowd is a room in which anything may be answered; a tame one does as asked.
type crowd struct {
	rt     *rapid.T
	sc     *scene
	site   *Site
	people *troupe
	fate   *fate
	asked  int
	tame   bool
	giveUp bool           // everybody leaves the ceremony
	told   map[string]int // what people did, for whoever reads how far the walks come
}

func (c *crowd) Show(ceremony.Snapshot) {}

var errEndless = errors.New("the ceremony asks without end")

func (c *crowd) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	if c.asked++; c.asked > 2000 {
		c.rt.Fatalf("%v: %s, %s", errEndless, p.Step, p.Title)
	}
	a, err := c.people.Ask(ctx, p)
	c.people.asked = nil
	if err != nil {
		return a, err
	}
	if c.tame {
		return c.obliges(p, a), nil
	}
	if p.Kind == ceremony.AskDecide {
		a.Choice, a.Reason = rapid.SampledFrom(p.Options).Draw(c.rt, "option").ID, "decided"
		return a, nil
	}
	if p.Problem != nil && p.Kind == ceremony.AskConfirm && rapid.Bool().Draw(c.rt, "deviate") {
		return c.deviates(a, "continue", "repeat", "abort"), nil
	}
	// Who left comes back before long, or nothing would go on.
	if gone := c.gone(); len(gone) > 0 && rapid.IntRange(0, 3).Draw(c.rt, "somebody returns") == 0 {
		return c.comesOrGoes(a, ceremony.PersonReturned, gone), nil
	}
	// Most answers are right: otherwise nobody would get beyond the roll call.
	switch n := rapid.IntRange(0, 249).Draw(c.rt, p.Title); {
	case n < 2:
		return otherwise(a, ceremony.Answer{Action: ceremony.Pause, Reason: "a walk pauses"}), nil
	case n < 3:
		return otherwise(a, ceremony.Answer{Action: ceremony.Abort, Reason: "a walk aborts"}), nil
	case n < 5:
		return c.comesOrGoes(a, ceremony.PersonLeft, c.present()), nil
	case n < 7:
		return c.comesOrGoes(a, ceremony.PersonSubstituted, c.answering()), nil
	case n < 8:
		return c.comesOrGoes(a, ceremony.ObserverArrived, nil), nil
	case n < 9:
		return c.comesOrGoes(a, ceremony.ObserverLeft, c.observers()), nil
	case n < 10:
		return c.takesBreak(a), nil
	case n < 13 && p.Kind == ceremony.AskSignOff:
		return c.does("withheld", otherwise(a, ceremony.Answer{Action: ceremony.Withhold, Reason: "a walk says nothing"})), nil
	case n < 17:
		return c.deviates(a, "continue", "repeat", "abort", "replace", "lock-out", "nonsense"), nil
	case n < 20 && a.Secret != nil:
		// One character is wrong.
		a.Secret.Bytes()[rapid.IntRange(0, a.Secret.Len()-1).Draw(c.rt, "place")]++
	case n < 21 && a.Secret != nil:
		return otherwise(a, ceremony.Answer{Secret: secret.From([]byte("x")), Verdict: ceremony.Agree, Fields: a.Fields}), nil
	case n < 24 && a.Fields != nil:
		for name := range a.Fields {
			a.Fields[name] = rapid.SampledFrom([]string{"", "00:00", "a\u202eb", "0", "yes"}).Draw(c.rt, "typed")
		}
	case n < 27 && p.Kind == ceremony.AskSignOff:
		a.Verdict = ceremony.Disagree
		a.Reason = rapid.SampledFrom([]string{"", "it was not so"}).Draw(c.rt, "reason")
	case n < 30:
		c.fate.at, c.fate.by = c.fate.calls+rapid.IntRange(1, 6).Draw(c.rt, "call"), rapid.SampledFrom(strikes()).Draw(c.rt, "strike")
	case n < 31:
		c.fate.full = rapid.IntRange(1, 2).Draw(c.rt, "writes that find the disk full")
	case n < 32:
		c.fate.lastBatch = c.fate.batches + rapid.IntRange(0, 3).Draw(c.rt, "batches")
	}
	return a, nil
}

// obliges does as is asked: who left comes back, what failed is tried again, and
// what is left is decided by a deviation.
func (c *crowd) obliges(p ceremony.Prompt, a ceremony.Answer) ceremony.Answer {
	switch {
	case c.giveUp:
		return otherwise(a, ceremony.Answer{Action: ceremony.Abort, Reason: "nobody is left who could go on"})
	case p.Kind == ceremony.AskDecide:
		a.Choice, a.Reason = p.Options[0].ID, "the practice people try again"
	case len(c.gone()) > 0:
		return c.comesOrGoes(a, ceremony.PersonReturned, c.gone()[:1])
	case p.Problem != nil && p.Kind == ceremony.AskConfirm:
		return otherwise(a, decided("happened", p.Problem.Happened))
	}
	return a
}

func (c *crowd) does(what string, a ceremony.Answer) ceremony.Answer {
	c.told[what]++
	return a
}

// comesOrGoes has somebody of these come or go; nobody where there is none.
func (c *crowd) comesOrGoes(instead ceremony.Answer, event string, people []string) ceremony.Answer {
	f := map[string]string{"event": event, "reason": "a walk", "name": "Samuel Hale", "statement": "seen"}
	if event != ceremony.ObserverArrived {
		if len(people) == 0 {
			return instead
		}
		f["person"] = people[0]
		if len(people) > 1 {
			f["person"] = rapid.SampledFrom(people).Draw(c.rt, "who")
		}
	}
	if event == ceremony.PersonSubstituted {
		i := slices.IndexFunc(c.site.State().PresenceFields(), func(f ceremony.Field) bool { return f.Name == "substitute" })
		free := c.site.State().PresenceFields()[i].Of
		if len(free) == 0 {
			return instead
		}
		f["substitute"], f["decided-by"], f["exposed"] = rapid.SampledFrom(free).Draw(c.rt, "substitute"), "tomas-novak", "no"
	}
	return c.does(event, otherwise(instead, ceremony.Answer{Action: ceremony.Presence, Fields: f}))
}

func (c *crowd) takesBreak(instead ceremony.Answer) ceremony.Answer {
	if c.site.State().Open == nil {
		return instead
	}
	here := append(c.present(), "")
	return c.does("breaks", otherwise(instead, ceremony.Answer{Action: ceremony.TakeBreak, Fields: map[string]string{"reason": "a walk",
		"stay": rapid.SampledFrom(here).Draw(c.rt, "who stays"), "stay-too": rapid.SampledFrom(here).Draw(c.rt, "who stays, too")}}))
}

// deviates notes a deviation with one of these decisions, heard or signed.
func (c *crowd) deviates(instead ceremony.Answer, decisions ...string) ceremony.Answer {
	decision := rapid.SampledFrom(decisions).Draw(c.rt, "decision")
	more := []string{"exposed", "unknown", "severity", "major", "effect", "nothing is claimed of it", "decision", decision, "reason", "a walk deviates",
		"decided-by", rapid.SampledFrom([]string{"tomas-novak", "tomas-novak", "priya-kapoor", "li-chen"}).Draw(c.rt, "decider"),
		"signed", rapid.SampledFrom([]string{"heard", "heard", "signed"}).Draw(c.rt, "how")}
	switch people := c.answering(); {
	case decision == "replace":
		more = append(more, "text", "Do it in another way.")
	case decision == "lock-out" && len(people) > 0:
		more = append(more, "person", rapid.SampledFrom(people).Draw(c.rt, "who is locked out"))
	}
	return c.does(decision, otherwise(instead, decided(more...)))
}

// who lists people of the ceremony under way.
func (c *crowd) who(is func(p *ceremony.Progress, person string) bool) []string {
	var out []string
	if p := c.site.State().Open; p != nil {
		for _, part := range p.Answering() {
			if is(p, part.Person) {
				out = append(out, part.Person)
			}
		}
	}
	return out
}

func (c *crowd) answering() []string {
	return c.who(func(*ceremony.Progress, string) bool { return true })
}

func (c *crowd) present() []string {
	return c.who(func(p *ceremony.Progress, person string) bool { return p.Present[person] })
}

func (c *crowd) gone() []string {
	return c.who(func(p *ceremony.Progress, person string) bool { return p.Gone(person) })
}

func (c *crowd) observers() []string {
	if p := c.site.State().Open; p != nil {
		return slices.Sorted(maps.Keys(p.Observers))
	}
	return nil
}

func otherwise(instead, a ceremony.Answer) ceremony.Answer {
	instead.Secret.Wipe()
	return a
}

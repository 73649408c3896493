package rehearse

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"claviger/ceremony"
	"claviger/hsm/secret"
)

// TestRandomWalks lets people press, mistype, refuse, pause, abort and deviate,
// lets the token fail and the disk fill and the program end, in every shipped
// script and in any order. Whatever happens, what sound demands holds, and
// with people who then do as they are asked the ceremony comes to an end.
func TestRandomWalks(t *testing.T) {
	names := shipped(t)
	walks := 80
	if full() {
		walks = 100_000/len(names) + 1
	}
	set := func(name, value string) {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	set("rapid.checks", strconv.Itoa(walks))
	set("rapid.seed", "20261122")
	set("rapid.nofailfile", "true")
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before(t, name).clear()
			n, ends := 0, map[ceremony.Status]int{}
			rapid.Check(t, func(rt *rapid.T) {
				n++
				ends[walk(t, rt, name)]++
			})
			fmt.Printf("PROOF: %s: %d random walks, %d sealed, %d aborted\n", name, n, ends[ceremony.SealedStatus], ends[ceremony.AbortedStatus])
		})
	}
}

// walk plays one ceremony with a crowd, then brings it to its end.
func walk(t *testing.T, rt *rapid.T, name string) ceremony.Status {
	sc := before(t, name)
	defer sc.clear()
	c := &crowd{rt: rt, fate: &fate{}}
	var running *Site
	for runs := rapid.IntRange(1, 4).Draw(rt, "runs"); runs > 0; runs-- {
		// A pause ends the program or only the run.
		if running == nil || c.fate.dead || running.State().Open != nil || rapid.Bool().Draw(rt, "restart") {
			if running != nil {
				running.Engine.Close()
			}
			c.fate = &fate{}
			running, c.people = sc.open(rt, c.fate, c)
			c.people.site, c.site = running, running
		}
		*c.fate = fate{}
		if p := newest(running, name); p != nil && over(p) {
			break
		}
		if running.State().Unfinished() != nil {
			_ = running.Resume(context.Background())
		} else {
			_ = running.Begin(context.Background(), source(t, name), nil)
		}
		// Whether the ledger verifies is what the next start finds out.
		sc.accountable(rt)
	}
	running.Engine.Close()
	// From here on everybody does as asked; a ceremony that cannot end now is a
	// dead end.
	var decision string
	var err error
	for n := 0; n < 8; n++ {
		s, tr := sc.open(rt, &fate{}, nil)
		decide(tr, &decision)
		switch {
		case s.State().Unfinished() != nil:
			err = s.Resume(context.Background())
		case newest(s, name) == nil:
			err = s.Begin(context.Background(), source(t, name), nil)
		}
		p := newest(s, name)
		s.Engine.Close()
		if p != nil && over(p) {
			sc.sound(rt)
			return p.Status
		}
	}
	rt.Fatalf("a dead end: %v", err)
	return ""
}

func over(p *ceremony.Progress) bool {
	return p.Status == ceremony.SealedStatus || p.Status == ceremony.AbortedStatus
}

// crowd is a room in which anything may be answered.
type crowd struct {
	rt     *rapid.T
	site   *Site
	people *troupe
	fate   *fate
	asked  int
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
	if p.Kind == ceremony.AskDecide {
		a.Choice, a.Reason = rapid.SampledFrom(p.Options).Draw(c.rt, "option").ID, "decided"
		return a, nil
	}
	if p.Problem != nil && p.Kind == ceremony.AskConfirm && rapid.Bool().Draw(c.rt, "deviate") {
		return deviation(a, rapid.SampledFrom([]string{"continue", "repeat", "abort"}).Draw(c.rt, "decision")), nil
	}
	// Most answers are right: otherwise nobody would get beyond the roll call.
	switch n := rapid.IntRange(0, 199).Draw(c.rt, p.Title); {
	case n < 2:
		return otherwise(a, ceremony.Answer{Action: ceremony.Pause, Reason: "a walk pauses"}), nil
	case n < 3:
		return otherwise(a, ceremony.Answer{Action: ceremony.Abort, Reason: "a walk aborts"}), nil
	case n < 6:
		return deviation(a, rapid.SampledFrom([]string{"continue", "repeat", "abort", "nonsense"}).Draw(c.rt, "decision")), nil
	case n < 9 && a.Secret != nil:
		// One character is wrong.
		a.Secret.Bytes()[rapid.IntRange(0, a.Secret.Len()-1).Draw(c.rt, "place")]++
	case n < 10 && a.Secret != nil:
		return otherwise(a, ceremony.Answer{Secret: secret.From([]byte("x")), Verdict: ceremony.Agree, Fields: a.Fields}), nil
	case n < 13 && a.Fields != nil:
		for name := range a.Fields {
			a.Fields[name] = rapid.SampledFrom([]string{"", "00:00", "a\u202eb", "0", "yes"}).Draw(c.rt, "typed")
		}
	case n < 16 && p.Kind == ceremony.AskSignOff:
		a.Verdict = ceremony.Disagree
		a.Reason = rapid.SampledFrom([]string{"", "it was not so"}).Draw(c.rt, "reason")
	case n < 19:
		c.fate.at, c.fate.by = c.fate.calls+rapid.IntRange(1, 6).Draw(c.rt, "call"), rapid.SampledFrom(strikes()).Draw(c.rt, "strike")
	case n < 20:
		c.fate.full = rapid.IntRange(1, 2).Draw(c.rt, "writes that find the disk full")
	case n < 21:
		c.fate.lastBatch = c.fate.batches + rapid.IntRange(0, 3).Draw(c.rt, "batches")
	}
	return a, nil
}

func otherwise(instead, a ceremony.Answer) ceremony.Answer {
	instead.Secret.Wipe()
	return a
}

func deviation(instead ceremony.Answer, decision string) ceremony.Answer {
	return otherwise(instead, ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{"expected": "as scripted", "happened": "otherwise",
		"exposed": "unknown", "class": "script", "severity": "major", "effect": "nothing is claimed of it", "decision": decision, "decided-by": "tomas-novak", "reason": "a walk deviates"}})
}

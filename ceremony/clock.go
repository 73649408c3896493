package ceremony

import (
	"context"
	"fmt"
	"time"
)

// Kinds of clock.checked.
const (
	WallClock = "wall"
	ClockJump = "jump"
)

// tolerated is how far the wall clock may move against the monotonic one
// between two looks before it counts as a jump: time services slew by less.
const tolerated = time.Minute

// clock notices when the workstation's time is changed under a ceremony.
type clock struct {
	wall    time.Time // at the last look; zero before the first
	elapsed time.Duration
	jump    time.Duration // noticed and not yet recorded
}

// look compares both clocks with the look before, and the first of all with the
// last record.
func (c *clock) look(wall time.Time, elapsed time.Duration, record time.Time) {
	if !c.wall.IsZero() {
		moved := wall.Sub(c.wall) - (elapsed - c.elapsed)
		if moved > tolerated || moved < -tolerated {
			c.jump += moved
		}
	} else if back := record.Sub(wall); back > tolerated {
		c.jump -= back
	}
	c.wall, c.elapsed = wall, elapsed
}

// now is the time of the next record. It never goes back: where the clock did,
// the last record's time stands until the clock has caught up, and the jump is
// recorded.
func (e *Engine) now() time.Time {
	now := e.host.Now().UTC().Truncate(time.Millisecond)
	e.clock.look(now, e.host.Elapsed(), e.state.Time)
	if now.After(e.state.Time) {
		return now
	}
	return e.state.Time
}

// settleClock records a jump and asks until a deviation has decided about it.
func (e *env) settleClock(ctx context.Context) error {
	e.now()
	if e.jump != 0 {
		b := ClockChecked{Kind: ClockJump, Offset: int(e.jump / time.Second), Wall: e.host.Now().UTC().Format(time.RFC3339)}
		if _, err := e.append(ctx, nil, Entry{ClockCheckedKind, b}); err != nil {
			return err
		}
		e.jump = 0
	}
	var wrong *Problem
	for e.state.Open.jumped {
		j := e.state.Open.Jumps[len(e.state.Open.Jumps)-1]
		problem := &Problem{Happened: fmt.Sprintf("The workstation's clock moved by %s and now says %s.", time.Duration(j.Offset)*time.Second, j.Wall),
			Safe: "The order of records does not depend on it, and the jump is recorded.", Do: "Note a deviation: say what happened to the clock and who decides how to go on."}
		if wrong != nil {
			problem = wrong
		}
		p := Prompt{Kind: AskConfirm, Step: e.step.ID, Title: "The clock jumped", Verb: "Look again", Problem: problem}
		a, err := e.room.Ask(ctx, p)
		if err != nil {
			return err
		}
		if wrong = atTheDoor(a, e.state.fieldsOf(a.Action)); wrong != nil {
			a.Secret.Wipe()
			continue
		}
		_, err = e.acted(ctx, p, a)
		if wrong = refusedSheet(a, err); wrong == nil && err != nil {
			return err
		}
	}
	return nil
}

package steps

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// roomCheck: where we are, and what time the wall clock says.
type roomCheck struct{ noActs }

func (roomCheck) Name() string { return "room-check" }
func (roomCheck) Version() int { return 1 }
func (roomCheck) Doc() string {
	return "The place is named, and the witness compares the workstation's clock with the wall clock."
}
func (roomCheck) Play(*ceremony.World, script.Step) error { return nil }

func (roomCheck) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.ClockChecked:
		at, ok := wallTime(b.Wall, r.Time)
		if !ok {
			return broken("clock.text", "%q is not a time of day like 09:41", b.Wall)
		}
		if b.Offset != offset(r.Time, at) {
			return broken("clock.offset", "the offset is not the difference of the two clocks")
		}
		return nil
	case *ceremony.Result:
		if isFinish(b) && s.Open.Clock == nil {
			return broken("clock.missing", "the clock was not compared")
		}
		return nil
	}
	return foreign(st, r)
}

var timeOfDay = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

// wallTime puts HH:MM in UTC on the day that makes it nearest to now.
func wallTime(typed string, now time.Time) (time.Time, bool) {
	if !timeOfDay.MatchString(typed) {
		return time.Time{}, false
	}
	var h, m int
	fmt.Sscanf(typed, "%d:%d", &h, &m)
	now = now.UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), h, m, 0, 0, time.UTC)
	switch d := at.Sub(now); {
	case d > 12*time.Hour:
		at = at.AddDate(0, 0, -1)
	case d < -12*time.Hour:
		at = at.AddDate(0, 0, 1)
	}
	return at, true
}

// offset is workstation minus wall in whole minutes, given in seconds: a wall
// clock is read to the minute.
func offset(now, wall time.Time) int {
	return int(now.UTC().Truncate(time.Minute).Sub(wall) / time.Second)
}

func (roomCheck) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	s := env.State()
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Name the room and compare the clock",
		Text: "The witness reads the wall clock, in UTC, and the administrator types what the witness says.",
		Fields: []ceremony.Field{
			{Name: "place", Label: "Place", Type: "text", Value: st.With["place"], Hint: "building, floor, room", Max: 120},
			{Name: "wall", Label: "Wall clock, UTC (HH:MM)", Type: "time", Hint: "from the clock on the wall, not from this screen", Max: 5},
		}}
	if w := s.Open.InRole("witness"); len(w) > 0 {
		p.Who, p.Role = s.Someone(w[0]), "witness"
	}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return err
		}
		place, wall := a.Fields["place"], a.Fields["wall"]
		p.Fields[0].Value, p.Fields[1].Value = place, wall
		if err := ledger.CheckText(place); err != nil || place == "" {
			p.Problem = &ceremony.Problem{Happened: "The place is missing or cannot be printed.", Safe: "Nothing was recorded.", Do: "Type where you are, as the report shall say it."}
			continue
		}
		now := env.Host().Now().UTC().Truncate(time.Millisecond)
		at, ok := wallTime(wall, now)
		if !ok {
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("%q is not a time of day.", wall), Safe: "Nothing was recorded.", Do: "Type hours and minutes in UTC, like 09:41."}
			continue
		}
		off := offset(now, at)
		if off > 60 || off < -60 {
			if p.Problem == nil || p.Problem.Code != wall {
				p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("The workstation says %s and the wall clock says %s: %s apart.", now.Format("15:04"), wall, time.Duration(off)*time.Second),
					Safe: "Nothing was recorded.", Do: "Read the wall clock again. If it is right, note a deviation and enter it once more.", Code: wall}
				continue
			}
		}
		err = env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ClockCheckedKind, Body: ceremony.ClockChecked{By: p.Who.ID, Kind: ceremony.WallClock, Offset: off, Wall: wall}}})
		if err != nil {
			return err
		}
		return finish(ctx, env, st, line("Place", place), line("Clock", fmt.Sprintf("wall clock %s UTC, workstation %+d s to the minute", wall, off)))
	}
}

package steps

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// roomCheck: where we are, what time the wall clock says, whether a camera looks
// on, and that everything the script asks for lies ready.
type roomCheck struct{ noActs }

func (roomCheck) Name() string { return "room-check" }
func (roomCheck) Version() int { return 1 }
func (roomCheck) Doc() string {
	return "The place is named, the witness compares the workstation's clock with the wall clock, and the materials are ticked off."
}
func (roomCheck) Play(w *ceremony.World, _ script.Step) error {
	w.RoomChecked = true
	return nil
}

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
		if !isFinish(b) {
			return foreign(st, r)
		}
		if s.Open.Clock == nil {
			return broken("clock.missing", "the clock was not compared")
		}
		if clocksApart(s.Open.Clock.Offset) && !s.Open.Steps[st.ID].Deviated {
			return broken("clock.apart", "the workstation and the wall clock were %d minutes apart, and no deviation says how to go on", minutes(s.Open.Clock.Offset))
		}
		for _, m := range s.Open.Plan.Materials {
			switch v := value(b.Facts, materialLabel(m)); {
			case v == "":
				return broken("materials.unchecked", "nobody looked whether %q lies ready", m.What)
			case strings.HasPrefix(v, missingMaterial) && !s.Open.Steps[st.ID].Deviated:
				return broken("materials.missing", "%q is missing, and no deviation says how to go on", m.What)
			case strings.HasPrefix(v, materialHere):
				for _, n := range m.Note {
					if !strings.Contains(v, ", "+n+" ") {
						return broken("materials.unchecked", "nobody read the %s number of %q", n, m.What)
					}
				}
			}
		}
		return nil
	}
	return foreign(st, r)
}

const (
	materialHere    = "here"
	missingMaterial = "missing"
)

// materialLabel is how a material stands among the facts.
func materialLabel(m script.Material) string {
	if m.Count > 1 {
		return fmt.Sprintf("%s, %d", m.What, m.Count)
	}
	return m.What
}

// materials ticks off what the script asks for; what is missing is fetched, or a
// deviation says how to go on without.
func materials(ctx context.Context, env ceremony.Env, st script.Step) ([]ceremony.Line, error) {
	list := env.State().Open.Plan.Materials
	if len(list) == 0 {
		return nil, nil
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Tick off the materials", Text: "Everything on the list lies on the table. Read serial and bag numbers aloud from the thing itself."}
	number := func(i int, note string) string { return fmt.Sprintf("material-%d-%s", i+1, note) }
	for i, m := range list {
		p.Fields = append(p.Fields, ceremony.Field{Name: number(i, "there"), Label: materialLabel(m), Type: "text", Of: []string{materialHere, missingMaterial}, Max: 10})
		for _, n := range m.Note {
			f := ceremony.Field{Name: number(i, n), Label: m.What + ", serial number", Type: "serial", Max: 40, Optional: true}
			if n == script.BagNumber {
				f.Label, f.Type = m.What+", bag number", "bag"
			}
			p.Fields = append(p.Fields, f)
		}
	}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return nil, err
		}
		for i, f := range p.Fields {
			p.Fields[i].Value = a.Fields[f.Name]
		}
		var lines []ceremony.Line
		var missing, unread []string
		for i, m := range list {
			there := a.Fields[number(i, "there")]
			switch there {
			case missingMaterial:
				missing = append(missing, m.What)
			case materialHere:
				for _, n := range m.Note {
					v := strings.TrimSpace(a.Fields[number(i, n)])
					if ledger.CheckName(v) != nil {
						unread = append(unread, m.What)
					}
					there += ", " + n + " " + v
				}
			default:
				unread = append(unread, m.What)
			}
			lines = append(lines, line(materialLabel(m), there+", as stated"))
		}
		switch {
		case len(unread) > 0:
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("%q is not ticked off, or its number is missing.", unread[0]), Safe: "Nothing was recorded.", Do: "Look at every thing on the list, and type the numbers as they stand on it."}
		case len(missing) > 0 && !env.State().Open.Steps[st.ID].Deviated:
			p.Problem = &ceremony.Problem{Happened: "Missing: " + strings.Join(missing, ", ") + ".", Safe: "Nothing was recorded.", Do: "Fetch it and tick it off. Without it, note a deviation that says how to go on."}
		default:
			return lines, nil
		}
	}
}

// A camera records the room, and never a card or a passphrase: the intervals in
// which people turned away stand beside it, so that a blind stretch of the film
// is found in the record and none is without its reason.
const (
	cameraOn   = "on"
	noCamera   = "none"
	cameraFact = "Camera"
)

// recording says whether a camera looks on.
func recording(s *ceremony.State) bool {
	for _, st := range s.Open.Plan.Steps() {
		if st.Kind == (roomCheck{}).Name() {
			return strings.HasPrefix(value(s.Open.Steps[st.ID].Facts, cameraFact), cameraOn)
		}
	}
	return false
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

// clocksApart: more than the minute to which a wall clock is read.
func clocksApart(offset int) bool { return offset > 60 || offset < -60 }

func minutes(offset int) int { return (max(offset, -offset) + 30) / 60 }

func (roomCheck) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	s := env.State()
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Name the room and compare the clock",
		Text: "The witness reads the wall clock, in UTC, and the administrator types what the witness says.",
		Fields: []ceremony.Field{
			{Name: "place", Label: "Place", Type: "text", Value: st.With["place"], Hint: "building, floor, room", Max: 120},
			{Name: "wall", Label: "Wall clock, UTC (HH:MM)", Type: "time", Hint: "from the clock on the wall, not from this screen", Max: 5},
			{Name: "camera", Label: "Camera of the ceremony", Type: "text", Of: []string{cameraOn, noCamera}, Max: 10},
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
		camera := a.Fields["camera"]
		p.Fields[0].Value, p.Fields[1].Value, p.Fields[2].Value = place, wall, camera
		if camera != cameraOn && camera != noCamera {
			p.Problem = &ceremony.Problem{Happened: "It is not said whether a camera records.", Safe: "Nothing was recorded.", Do: "Say whether it is on, or that there is none."}
			continue
		}
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
		if clocksApart(off) && !env.State().Open.Steps[st.ID].Deviated {
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("The workstation says %s and the wall clock says %s: about %d minutes apart.", now.Format("15:04"), wall, minutes(off)),
				Safe: "Nothing was recorded.", Do: "Read the wall clock again. If it is right, note a deviation that says how to go on, and enter it once more."}
			continue
		}
		err = env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ClockCheckedKind, Body: ceremony.ClockChecked{By: p.Who.ID, Kind: ceremony.WallClock, Offset: off, Wall: wall}}})
		if err != nil {
			return err
		}
		if camera == cameraOn {
			camera = "on at " + env.Host().Now().UTC().Format("15:04:05") + " UTC"
		}
		lines := []ceremony.Line{line("Place", place), line("Clock", fmt.Sprintf("wall clock %s UTC, workstation %+d s to the minute", wall, off)), line(cameraFact, camera+", as stated")}
		ready, err := materials(ctx, env, st)
		if err != nil {
			return err
		}
		return finish(ctx, env, st, append(lines, ready...)...)
	}
}

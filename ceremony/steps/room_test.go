package steps

import (
	"errors"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// underWay is a state in which one step is under way.
func underWay(practice bool, plan script.Plan, st script.Step, deviated bool) *ceremony.State {
	return &ceremony.State{Site: ceremony.Site{Practice: practice}, Open: &ceremony.Progress{
		Plan: &script.Bound{Plan: &plan}, Clock: &ceremony.ClockChecked{}, Steps: map[string]*ceremony.StepState{st.ID: {Attempt: 1, Deviated: deviated}}}}
}

func refusedBy(err error) string {
	var b *ceremony.Broken
	if errors.As(err, &b) {
		return b.Rule
	}
	return ""
}

// TestRoomAndWorkstation: what is missing or did not pass needs a deviation, and
// what nobody looked at is no result.
func TestRoomAndWorkstation(t *testing.T) {
	plan := script.Plan{Materials: []script.Material{{What: "Bags", Count: 3}, {What: "Laptop", Count: 1, Note: []string{script.SerialNumber}}}}
	room, check := script.Step{ID: "room", Kind: "room-check"}, script.Step{ID: "workstation", Kind: "workstation-check"}
	bags := func(v string) []ceremony.Line {
		return []ceremony.Line{line("Bags, 3", v), line("Laptop", "here, serial L-1, as stated")}
	}
	// Everything that is asked of a workstation, with one answer about the network.
	net := func(v string) []ceremony.Line {
		lines := []ceremony.Line{line(bootMedium, "not compared, as stated")}
		for _, label := range ceremony.HostFacts() {
			lines = append(lines, judged(ceremony.HostFact{Label: label, Value: "off", Verdict: ceremony.HostPass}))
		}
		lines[1].Value = v
		return lines
	}
	for name, c := range map[string]struct {
		kind     ceremony.Kind
		step     script.Step
		practice bool
		deviated bool
		facts    []ceremony.Line
		rule     string
	}{
		"all here":                   {roomCheck{}, room, false, false, bags("here, as stated"), ""},
		"bags missing":               {roomCheck{}, room, false, false, bags("missing, as stated"), "materials.missing"},
		"bags missing, decided":      {roomCheck{}, room, false, true, bags("missing, as stated"), ""},
		"nobody looked":              {roomCheck{}, room, false, true, bags("")[:1], "materials.unchecked"},
		"no number was read":         {roomCheck{}, room, false, true, []ceremony.Line{line("Bags, 3", "here, as stated"), line("Laptop", "here, as stated")}, "materials.unchecked"},
		"network up":                 {workstationCheck{}, check, false, false, net("eth0 is up (fail)"), "workstation.failed"},
		"network up, decided":        {workstationCheck{}, check, false, true, net("eth0 is up (fail)"), ""},
		"network up, practice":       {workstationCheck{}, check, true, false, net("eth0 is up (fail)"), ""},
		"not known":                  {workstationCheck{}, check, false, false, net("could not be read (not known)"), ""},
		"nobody spoke of the medium": {workstationCheck{}, check, true, false, net("no interface is up (pass)")[1:], "workstation.facts"},
		"one fact is left out":       {workstationCheck{}, check, true, true, net("no interface is up (pass)")[:16], "workstation.facts"},
		"a fact without a verdict":   {workstationCheck{}, check, true, false, net("no interface is up"), "workstation.facts"},
		"a verdict of its own":       {workstationCheck{}, check, true, false, net("no interface is up (good)"), "workstation.facts"},
		"all is well":                {workstationCheck{}, check, false, false, net("no interface is up (pass)"), ""},
		"nothing was read, at all":   {workstationCheck{}, check, true, true, nil, "workstation.facts"},
	} {
		s := underWay(c.practice, plan, c.step, c.deviated)
		body := &ceremony.Result{Attempt: 1, Facts: c.facts, Outcome: ceremony.Finished, Step: c.step.ID}
		if got := refusedBy(c.kind.Check(s, c.step, ledger.Record{Kind: ceremony.ResultKind}, body)); got != c.rule {
			t.Errorf("%s: refused by %q, want %q", name, got, c.rule)
		}
	}
}

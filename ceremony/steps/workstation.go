package steps

import (
	"context"
	"fmt"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// workstationCheck: what the machine says of itself, and who held its boot
// medium against what.
type workstationCheck struct{ noActs }

func (workstationCheck) Name() string { return "workstation-check" }
func (workstationCheck) Version() int { return 1 }
func (workstationCheck) Doc() string {
	return "The workstation's statements about itself are read, and people say who compared the medium it was started from with what. What fails is mended, or a deviation decides."
}
func (workstationCheck) Play(w *ceremony.World, _ script.Step) error {
	w.WorkstationChecked = true
	return nil
}

const bootMedium = "Boot medium"

func (workstationCheck) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	for _, label := range ceremony.HostFacts() {
		if verdict(value(b.Facts, label)) == "" {
			return broken("workstation.facts", "no verdict is given about %q of the workstation", label)
		}
	}
	if value(b.Facts, bootMedium) == "" {
		return broken("workstation.facts", "nobody said who compared the boot medium of the workstation")
	}
	// A practice site has no workstation of its own: it is told, and no more.
	if s.Site.Practice || s.Open.Steps[st.ID].Deviated {
		return nil
	}
	if wrong := failing(b.Facts); wrong != "" {
		return broken("workstation.failed", "%q did not pass, and no deviation decides about it", wrong)
	}
	return nil
}

func failing(lines []ceremony.Line) string {
	for _, l := range lines {
		if verdict(l.Value) == ceremony.HostFail {
			return l.Label
		}
	}
	return ""
}

// judged is how a statement and its verdict stand in the record; verdict takes the
// latter from it, "" if there is none.
func judged(f ceremony.HostFact) ceremony.Line { return line(f.Label, f.Value+" ("+f.Verdict+")") }

func verdict(value string) string {
	for _, v := range []string{ceremony.HostPass, ceremony.HostFail, ceremony.HostUnknown, ceremony.HostInforms} {
		if strings.HasSuffix(value, " ("+v+")") {
			return v
		}
	}
	return ""
}

func (workstationCheck) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	s := env.State()
	p := ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Check the workstation",
		Text: "Read the list together. It is what this machine says of itself; that it runs the right program is for the boot medium to show."}
	var lines []ceremony.Line
	for {
		env.Working("Reading what the workstation says of itself")
		lines = workstation(env)
		p.Facts = facts(lines)
		if wrong := failing(lines); wrong != "" && s.Site.Practice {
			p.Text = "At least one check failed. On a practice site go on; in a real ceremony it is mended, or a deviation is noted."
		} else if wrong != "" && !env.State().Open.Steps[st.ID].Deviated {
			p.Verb = "Look again"
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("%q did not pass.", wrong), Safe: "Nothing was recorded.", Do: "Mend it and look again. If it cannot be mended, note a deviation that says who decides to go on."}
		} else {
			p.Verb, p.Problem = "", nil
		}
		if _, err := env.Ask(ctx, p); err != nil {
			return err
		}
		if p.Problem == nil || env.State().Open.Steps[st.ID].Deviated {
			break
		}
	}
	medium, err := compared(ctx, env)
	if err != nil {
		return err
	}
	return finish(ctx, env, st, append(lines, medium)...)
}

func workstation(env ceremony.Env) []ceremony.Line {
	var lines []ceremony.Line
	for _, f := range env.Host().Facts(env.Site().Dir) {
		lines = append(lines, judged(f))
	}
	program := env.Host().Program()
	lines = append(lines, line("Program", "Claviger "+program.Version+", says of itself"))
	if program.SHA256 != "" {
		lines = append(lines, hash("Program SHA-256", program.SHA256))
	}
	return lines
}

// compared asks who held the boot medium against what. It is the one check of
// this program that this program cannot make.
func compared(ctx context.Context, env ceremony.Env) (ceremony.Line, error) {
	const nobody = "nobody"
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Who compared the boot medium?",
		Text: "The medium from which this machine was started, held against a value from elsewhere: a printed hash, a second computer.",
		Fields: []ceremony.Field{
			{Name: "by", Label: "Compared by", Type: "text", Of: []string{"witness", "administrator", nobody}, Max: 20},
			{Name: "with", Label: "Compared with", Type: "text", Hint: "for example: the printed hash on sheet 3", Max: 120, Optional: true},
		}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return ceremony.Line{}, err
		}
		by, with := a.Fields["by"], a.Fields["with"]
		p.Fields[0].Value, p.Fields[1].Value = by, with
		people := env.State().Open.InRole(by)
		switch {
		case by == nobody:
			return line(bootMedium, "not compared, as stated"), nil
		case len(people) == 0:
			p.Problem = &ceremony.Problem{Happened: "It is not said who compared it.", Safe: "Nothing was recorded.", Do: "Say who compared it, or that nobody did."}
		case ledger.CheckName(with) != nil:
			p.Problem = &ceremony.Problem{Happened: "It is not said what it was compared with.", Safe: "Nothing was recorded.", Do: "Type what it was held against, as the report shall say it."}
		default:
			return line(bootMedium, fmt.Sprintf("compared by %s with %s, as stated", env.State().Someone(people[0]).Name, with)), nil
		}
	}
}

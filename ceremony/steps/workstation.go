package steps

import (
	"context"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// workstationCheck: what the machine says of itself.
type workstationCheck struct{ noActs }

func (workstationCheck) Name() string { return "workstation-check" }
func (workstationCheck) Version() int { return 1 }
func (workstationCheck) Doc() string {
	return "The workstation's statements about itself are read: network, swap, core dumps, program."
}
func (workstationCheck) Play(*ceremony.World, script.Step) error { return nil }

func (workstationCheck) Check(_ *ceremony.State, st script.Step, r ledger.Record, body any) error {
	if b, ok := body.(*ceremony.Result); ok && isFinish(b) {
		if len(b.Facts) == 0 {
			return broken("workstation.facts", "nothing was checked")
		}
		return nil
	}
	return foreign(st, r)
}

func (workstationCheck) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	env.Working("Reading what the workstation says of itself")
	var lines []ceremony.Line
	failed := false
	for _, f := range env.Host().Facts() {
		lines = append(lines, line(f.Label, f.Value+" ("+f.Verdict+")"))
		failed = failed || f.Verdict == "fail"
	}
	program := env.Host().Program()
	lines = append(lines, line("Program", "Claviger "+program.Version+", says of itself"))
	if program.SHA256 != "" {
		lines = append(lines, hash("Program SHA-256", program.SHA256))
	}
	p := ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Check the workstation", Facts: facts(lines),
		Text: "Read the list together. It is what this machine says of itself; that it runs the right program is for the boot medium to show."}
	if failed {
		p.Text = "At least one check failed. On a practice site go on; in a real ceremony mend it, or note a deviation, before you go on."
	}
	if _, err := env.Ask(ctx, p); err != nil {
		return err
	}
	return finish(ctx, env, st, lines...)
}

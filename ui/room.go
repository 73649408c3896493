package ui

import (
	"context"

	"claviger/ceremony"
)

// room is the window as the engine sees it.
type room struct{ shell *Shell }

var _ ceremony.Room = room{}

// Ask shows the prompt and waits for its answer. When the context ends first,
// the page is closed, and what was typed wiped, before Ask returns: a revealed
// secret is only lent until then.
func (r room) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	answers := make(chan ceremony.Answer, 1)
	r.shell.do(func() { r.shell.ask(p, func(a ceremony.Answer) { answers <- a }) })
	select {
	case a := <-answers:
		return a, nil
	case <-ctx.Done():
		withdrawn := make(chan struct{})
		r.shell.do(func() {
			r.shell.withdraw()
			close(withdrawn)
		})
		<-withdrawn
		select {
		case a := <-answers: // it was given in the same moment; nobody will use it
			a.Secret.Wipe()
		default:
		}
		return ceremony.Answer{}, ctx.Err()
	}
}

func (r room) Show(s ceremony.Snapshot) { r.shell.do(func() { r.shell.show(s) }) }

package ceremony

import "claviger/ceremony/script"

// Stated is what an observer who is here says before the seal, in their own words.
// An empty statement says that the observer was asked and states nothing.
type Stated struct {
	Person    string `json:"person"`
	Statement string `json:"statement"`
}

func (s *State) stated(r *record, b *Stated) error {
	p := s.Open
	if st, ok := p.Current(); !ok || st.Kind != AttestStep {
		return r.refuse("presence.statement", "an observer states something where everyone attests, or on leaving")
	}
	o := p.Observers[b.Person]
	switch {
	case o == nil || !o.Present:
		return r.refuse("presence.part", "%s is not here as %s", b.Person, script.Observer)
	case o.Asked:
		return r.refuse("presence.statement", "%s has stated already", o.Name)
	}
	o.Asked, o.Statement = true, b.Statement
	return nil
}

// Unasked lists the observers who are here and were not asked what they state.
func (p *Progress) Unasked() []string {
	var out []string
	for _, id := range sortedKeys(p.Observers) {
		if o := p.Observers[id]; o.Present && !o.Asked {
			out = append(out, id)
		}
	}
	return out
}

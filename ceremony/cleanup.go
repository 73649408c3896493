package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony/script"
)

// CleanUp lists what an aborted ceremony has left to be put right, each as what it is
// and what to do about it. It is of the state as the fold now stands: what was put
// right since is not listed.
func (s *State) CleanUp(p *Progress) []string {
	out := []string{}
	add := func(text string, args ...any) { out = append(out, fmt.Sprintf(text, args...)) }
	for _, name := range s.Unbagged() {
		add("%s is out of its bag, with %s: seal it into a new bag", name, s.Someone(s.Items[name].Holder).Name)
	}
	looked := s.Looked != nil && s.Looked.At.After(p.Ended)
	for _, in := range p.Intents {
		act := strings.ReplaceAll(in.Body.Act.Do, "-", " ")
		half, is := p.Halfway(in.Body.Step, in.Body.Act.Do)
		switch {
		case looked:
			// What the token held was compared with the record since, and what is not
			// known was asked about.
		case in.Open:
			add("the outcome of %q is not known: the next ceremony on this token looks for what it left", act)
		case is && half == in:
			add("%q was done by half: the next ceremony on this token asks what becomes of what it left", act)
		}
	}
	for _, id := range sortedKeys(s.Keys) {
		k := s.Keys[id]
		switch {
		case k.Ceremony != p.Number || k.Gone():
		case k.Quarantined:
			add("%s is quarantined: have it inspected or destroyed", k.Body.Label)
		case k.State == PreActivation:
			add("%s was made and waits for acceptance: have owner and approver accept it, or have it destroyed", k.Body.Label)
		}
	}
	if why := s.unrestored(p); why != "" {
		add("%s", why)
	}
	for _, name := range sortedKeys(s.Items) {
		it := s.Items[name]
		sealedHere := slices.ContainsFunc(p.Items, func(b ItemSealed) bool { return b.Item == name })
		switch set := s.Sets[it.Set]; {
		case it.Kind != CardItem || it.State == Gone || it.State == Lost:
		case set == nil && sealedHere:
			add("%s is of a set that never became valid: have it destroyed", name)
		case set != nil && set.Withdrawn && slices.ContainsFunc(p.Plan.Steps(), func(st script.Step) bool { return st.Kind == ChangeStep }):
			add("%s is of a set that was withdrawn: have it destroyed", name)
		}
	}
	if t := s.Tokens[p.Token]; t != nil && t.UserSet == "" && p.founding {
		add("token %s is under its transport PIN: open the site in a new folder, which initialises the token again", p.Token)
	}
	return out
}

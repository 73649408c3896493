package flow

import "strings"

// NewSettings tells what the window works with: the site, its tokens and the
// module that reaches them.
func NewSettings(r Record) []Group {
	s := r.State
	kind := "real"
	if s.Site.Practice {
		kind = "practice, for ever: it can never become real"
	}
	groups := []Group{{Title: "This site", Facts: []Fact{said("Organisation", s.Site.Organisation), code("Origin", s.Site.Origin), said("Kind", kind), said("Opened", moment(s.Site.Opened))}},
		{Title: "Module", Facts: r.Module}}
	for _, serial := range sorted(s.Tokens) {
		g := Group{Title: "Token " + s.Tokens[serial].Body.Label, Facts: product(s, serial)}
		if l := s.Looked; l != nil && l.Serial == serial {
			g.Facts = append(g.Facts, said("Last looked into", moment(l.At)), said("Objects in it then", countOf(l.Count, "object", "objects")))
		}
		groups = append(groups, g)
	}
	keys := Group{Title: "Keys that sign this ledger"}
	for _, k := range s.LedgerKeys {
		keys.Facts = append(keys.Facts, code(k.Body.Label, strings.TrimSpace(k.Body.Verifier)))
	}
	if len(keys.Facts) == 0 {
		keys.Facts = []Fact{{Value: "none yet: it is made when the site is opened"}}
	}
	return append(groups, keys)
}

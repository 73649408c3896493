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
		label := k.Body.Label
		if k.Retired {
			label += ", retired"
		}
		keys.Facts = append(keys.Facts, code(label, strings.TrimSpace(k.Body.Verifier)))
	}
	if len(keys.Facts) == 0 {
		keys.Facts = []Fact{{Value: "none yet: it is made when the site is opened"}}
	}
	return append(groups, keys)
}

// Module is a PKCS#11 module of this workstation and the tokens it reaches.
type Module struct {
	Name, Path, SHA256, Says string
	Fault                    string // why it could not be asked
	Tokens                   []Found
}

// Found is a token as it tells of itself.
type Found struct {
	Label, Serial, Model, URI string
	States                    []string
	Hardware                  bool
}

// NewModules tells what was found.
func NewModules(modules []Module) Detail {
	d := Detail{Kicker: InSettings, Title: "Modules and tokens", Text: "What p11-kit's configuration names on this workstation. Each module is loaded in a process of its own; nobody logs in."}
	for _, m := range modules {
		g := Group{Title: "Module " + m.Name, Facts: []Fact{code("Library", m.Path), code("SHA-256", fours(m.SHA256)), said("Says", m.Says)}}
		if m.Fault != "" {
			g.Facts = append(g.Facts, said("Could not be asked", m.Fault))
		} else if len(m.Tokens) == 0 {
			g.Facts = append(g.Facts, said("Tokens", "none"))
		}
		for _, t := range m.Tokens {
			label := t.Label
			if label == "" {
				label = "without a label"
			}
			g.Facts = append(g.Facts, Fact{Label: "Token " + label, Value: strings.TrimSpace(t.Model) + " · " + strings.Join(t.States, ", ")}, code("Its URI (RFC 7512)", t.URI))
		}
		d.Groups = append(d.Groups, g)
	}
	if len(modules) == 0 {
		d.Groups = []Group{{Facts: []Fact{{Value: "No PKCS#11 module is configured here. Install the vendor's module, name it in /etc/pkcs11/modules, then look again."}}}}
	}
	return d
}

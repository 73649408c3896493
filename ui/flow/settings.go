package flow

import (
	"fmt"
	"strings"
)

// NewSettings tells what the window works with: the site, its tokens and the
// module that reaches them.
func NewSettings(r Record) []Group {
	s := r.State
	kind := "real"
	if s.Site.Practice {
		kind = textPracticeEverCanNeverBecome
	}
	groups := []Group{{Title: textSite, Facts: []Fact{said(textOrganisation, s.Site.Organisation), code(textOrigin, s.Site.Origin), said(textKind, kind), said(textOpened, moment(s.Site.Opened))}},
		{Title: textModule, Facts: r.Module}}
	for _, serial := range sorted(s.Tokens) {
		g := Group{Title: fmt.Sprintf(textTokenX, s.Tokens[serial].Body.Label), Facts: product(s, serial)}
		if l := s.Looked; l != nil && l.Serial == serial {
			g.Facts = append(g.Facts, said(textLastLookedInto, moment(l.At)), said(textObjectsThen, countOf(l.Count, textObject, textObjects)))
		}
		groups = append(groups, g)
	}
	keys := Group{Title: textKeysSignLedger}
	for _, k := range s.LedgerKeys {
		label := k.Body.Label
		if k.Retired {
			label += textAndRetired
		}
		keys.Facts = append(keys.Facts, code(label, strings.TrimSpace(k.Body.Verifier)))
	}
	if len(keys.Facts) == 0 {
		keys.Facts = []Fact{{Value: textNoneYetMadeWhenSite}}
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
	d := Detail{Kicker: InSettings, Title: textModulesTokens, Text: textP11KitsConfigurationNamesWorkstation}
	for _, m := range modules {
		g := Group{Title: fmt.Sprintf(textModuleX, m.Name), Facts: []Fact{code(textLibrary, m.Path), code(textSHA256Alone, fours(m.SHA256)), said(textSays, m.Says)}}
		if m.Fault != "" {
			g.Facts = append(g.Facts, said(textCouldNotAsked, m.Fault))
		} else if len(m.Tokens) == 0 {
			g.Facts = append(g.Facts, said(textTokens, textNone))
		}
		for _, t := range m.Tokens {
			label := t.Label
			if label == "" {
				label = textWithoutLabel
			}
			g.Facts = append(g.Facts, Fact{Label: fmt.Sprintf(textTokenX, label), Value: strings.TrimSpace(t.Model) + " · " + strings.Join(t.States, ", ")}, code(textURIRFC7512, t.URI))
		}
		d.Groups = append(d.Groups, g)
	}
	if len(modules) == 0 {
		d.Groups = []Group{{Facts: []Fact{{Value: textNoPKCS11ModuleConfigured}}}}
	}
	return d
}

package flow

import (
	"strings"

	"claviger/ceremony/script"
)

// First is the page where there is no site yet.
type First struct {
	Dir     string   // where a real site is made
	Needed  []string // for a real one, in the order in which it is got
	Trouble *Trouble
}

// NewFirst tells of both kinds of site; opening is the script that opens one.
func NewFirst(dir string, opening *script.Plan) First {
	return First{Dir: dir, Needed: []string{
		"A hardware security module that is empty, and its vendor's PKCS#11 library on this workstation. A software token is refused.",
		capital(inWords(headcount(opening.Roles))) + " people, each in one role: " + needsPeople(opening.Roles) + ".",
		"An order on paper: the printed script, signed by hand by the approver, and the SHA-256 of its scan, computed on another machine.",
		"Tamper-evident bags with numbers, blank cards, key sheets to sign by hand, and two media for copies of the record.",
	}}
}

// NewRealSite asks for what an empty real site is made of.
func NewRealSite(dir string, modules []Module) Ask {
	a := Ask{Kicker: "Real site", Title: "Set up a real site", Verb: "Make the empty site",
		Text: "The folder " + dir + " is made with a ledger whose first record says, for good, that this is no practice. Everything else is done by people, in the ceremony that opens the site."}
	library := Field{Name: "library", Label: "The library of the hardware security module"}
	for _, m := range modules {
		c := Choice{ID: m.Path, Label: m.Name, Help: m.Path}
		switch hardware := tokensOf(m, true); {
		case m.Fault != "" || len(m.Tokens) > 0 && len(hardware) == 0:
			continue // it cannot be asked, or has software tokens only
		case len(hardware) > 0:
			c.Help += " · " + strings.Join(hardware, ", ")
		default:
			c.Help += " · no token attached"
		}
		library.Of = append(library.Of, c)
	}
	library.Of = append(library.Of, Choice{ID: otherLibrary, Label: "Another library", Help: "whose file is named below"})
	if len(library.Of) == 1 {
		library.Value = otherLibrary
	}
	a.Fields = []Field{{Name: "organisation", Label: "Organisation", Hint: "as it stands on every page of evidence", Max: 120}, library,
		{Name: "path", Label: "Its file", Hint: "the whole path, for example /usr/lib/vendor/libvendor-pkcs11.so", Max: 4096, When: "library", Is: []string{otherLibrary}}}
	return a
}

const otherLibrary = "other"

// tokensOf names the tokens of a module that are hardware.
func tokensOf(m Module, hardware bool) []string {
	var out []string
	for _, t := range m.Tokens {
		if t.Hardware == hardware {
			out = append(out, strings.TrimSpace(t.Label+" "+t.Model))
		}
	}
	return out
}

// RealSite is what was typed: the organisation and the library's path.
func RealSite(a Ask, typed map[string]string) (organisation, library string, wrong Wrong) {
	values, wrong := a.Answer(typed)
	if wrong != nil {
		return "", "", wrong
	}
	library = values["library"]
	if library == otherLibrary {
		library = values["path"]
	}
	return values["organisation"], library, nil
}

package flow

import (
	"fmt"
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
		textHardwareSecurityModuleEmptyVendors,
		fmt.Sprintf(textPeopleEachOneRole, capital(inWords(headcount(opening.Roles))), needsPeople(opening.Roles)),
		textOrderPaperPrintedScriptSigned,
		textTamperEvidentBagsNumbersBlank,
	}}
}

// NewRealSite asks for what an empty real site is made of.
func NewRealSite(dir string, modules []Module) Ask {
	a := Ask{Kicker: textRealSite, Title: textSetUpRealSite, Verb: textMakeEmptySite,
		Text: fmt.Sprintf(textFolderMadeLedgerWhoseFirst, dir)}
	library := Field{Name: "library", Label: textLibraryHardwareSecurityModule}
	for _, m := range modules {
		c := Choice{ID: m.Path, Label: m.Name, Help: m.Path}
		switch hardware := tokensOf(m, true); {
		case m.Fault != "" || len(m.Tokens) > 0 && len(hardware) == 0:
			continue // it cannot be asked, or has software tokens only
		case len(hardware) > 0:
			c.Help += " · " + strings.Join(hardware, ", ")
		default:
			c.Help += textNoTokenAttached
		}
		library.Of = append(library.Of, c)
	}
	library.Of = append(library.Of, Choice{ID: otherLibrary, Label: textAnotherLibrary, Help: textWhoseFileNamedBelow})
	if len(library.Of) == 1 {
		library.Value = otherLibrary
	}
	a.Fields = []Field{{Name: "organisation", Label: textOrganisation, Hint: textStandsEveryPageEvidence, Max: 120}, library,
		{Name: "path", Label: textItsFile, Hint: textWholePathExampleUsrLib, Max: 4096, When: "library", Is: []string{otherLibrary}}}
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

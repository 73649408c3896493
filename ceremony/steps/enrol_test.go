package steps

import (
	"slices"
	"testing"

	"claviger/ceremony"
)

// TestNamesInOtherScripts: the form asks for Latin letters as long as the name
// needs them, and takes nothing else for them.
func TestNamesInOtherScripts(t *testing.T) {
	form := func(names ...string) ceremony.Prompt {
		var p ceremony.Prompt
		for _, n := range names {
			p.Fields = append(p.Fields, ceremony.Field{Name: n, Label: n})
		}
		return p
	}
	for name, c := range map[string]struct {
		fields []string
		typed  map[string]string
		ok     bool
		latin  bool // asked for from then on
	}{
		"Latin":                    {[]string{"name"}, map[string]string{"name": "Łukasz Åström-O'Neill"}, true, false},
		"Greek":                    {[]string{"name"}, map[string]string{"name": "Ελένη Παπαδοπούλου"}, false, true},
		"Cyrillic":                 {[]string{"name"}, map[string]string{"name": "Софія Коваль"}, false, true},
		"Cyrillic, as if Latin":    {[]string{"name"}, map[string]string{"name": "Аnna"}, false, true},
		"Han":                      {[]string{"name"}, map[string]string{"name": "李晨"}, false, true},
		"one letter of Armenian":   {[]string{"name"}, map[string]string{"name": "Anna Բ."}, false, true},
		"Han with Latin":           {[]string{"name", "latin"}, map[string]string{"name": "李晨", "latin": "Li Chen"}, true, true},
		"Arabic with nothing":      {[]string{"name", "latin"}, map[string]string{"name": "ليلى حداد", "latin": ""}, false, true},
		"Arabic with Greek":        {[]string{"name", "latin"}, map[string]string{"name": "ليلى حداد", "latin": "Λέιλα"}, false, true},
		"Arabic with a dash":       {[]string{"name", "latin"}, map[string]string{"name": "ليلى حداد", "latin": "-"}, false, true},
		"Latin after all":          {[]string{"name", "latin"}, map[string]string{"name": "Li Chen", "latin": "李晨"}, true, false},
		"nothing":                  {[]string{"name"}, map[string]string{"name": ""}, false, false},
		"Han, and the rest is bad": {[]string{"name", "organisation"}, map[string]string{"name": "李晨", "organisation": ""}, false, false},
	} {
		p := form(c.fields...)
		problem := checkPerson(&p, c.typed)
		asked := slices.ContainsFunc(p.Fields, func(f ceremony.Field) bool { return f.Name == "latin" })
		if (problem == nil) != c.ok || asked != c.latin {
			t.Errorf("%s: told %v, asks for Latin letters: %v", name, problem, asked)
		}
		if _, kept := c.typed["latin"]; c.ok && kept != c.latin {
			t.Errorf("%s: records %v", name, c.typed)
		}
		for _, f := range p.Fields {
			if f.Name != "latin" && f.Value != c.typed[f.Name] {
				t.Errorf("%s: what was typed as %s is lost", name, f.Name)
			}
		}
	}
}

package ceremony

import "testing"

func TestNamesakesAreToldApart(t *testing.T) {
	s := &State{Open: &Progress{}, People: map[string]*Person{
		"dana-weiss": {Body: PersonEnrolled{Name: "Dana Weiss"}}, "dirk-wolf": {Body: PersonEnrolled{Name: "Dirk Wolf"}}}}
	// One of them takes part in two roles, and one is not enrolled yet.
	for _, id := range []string{"dana-weiss", "li-chen", "dirk-wolf", "dana-weiss", "dora-wang"} {
		s.Open.Body.People = append(s.Open.Body.People, Part{Person: id, Role: "officer"})
	}
	for id, want := range map[string]string{"dana-weiss": "DW", "li-chen": "LC", "dirk-wolf": "DW2", "dora-wang": "DW3"} {
		if got := s.Someone(id).Initials; got != want {
			t.Errorf("%s is marked %s, want %s", id, got, want)
		}
	}
	s.Open = nil
	if got := s.Someone("dirk-wolf").Initials; got != "DW" {
		t.Errorf("outside a ceremony marked %s", got)
	}
}

func TestHeaderNamesTheTokenOfTheCeremony(t *testing.T) {
	s := &State{Tokens: map[string]*Token{"1": {Body: TokenEnrolled{Label: "first"}}, "2": {Body: TokenEnrolled{Label: "second"}}}}
	e := &Engine{state: s, seen: "open", findings: []Finding{{}}}
	for _, serial := range []string{"1", "2"} {
		s.Open = &Progress{Token: serial}
		if got := e.Snapshot().HSM; got.Serial != serial || got.Label != s.Tokens[serial].Body.Label {
			t.Errorf("the ceremony uses %s, and the header names %+v", serial, got)
		}
	}
}

func TestActsAreSaidInWords(t *testing.T) {
	s := &State{People: map[string]*Person{"dana-weiss": {Body: PersonEnrolled{Name: "Dana Weiss"}}}}
	for _, c := range []struct {
		act         Act
		label, said string
	}{
		{Act{Do: ChangePIN, With: map[string]string{"from-set": "Q999 VJ8Y", "of": "so"}}, "Change PIN", "from set Q999 VJ8Y · of the security officer"},
		{Act{Do: SetPINs, With: map[string]string{"user-pin": "from the activation cards"}}, "Set PINs", "user pin from the activation cards"},
		{Act{Do: "generate-key", With: map[string]string{"algorithm": "ec-p384", "label": "root", "lifetime": "18m", "owner": "dana-weiss", "protection": "wrap-backup", "purpose": "certify-root"}}, "Generate key",
			"algorithm EC P-384 · label root · lifetime 18 months · owner Dana Weiss · protection sensitive, made on this token, leaves it only wrapped · purpose signing only, as a root CA"},
		{Act{Do: "import-wrapping-key", With: map[string]string{"lifetime": "for ever"}}, "Import wrapping key", "lifetime for ever"},
	} {
		if got := s.ActLine(c.act); got.Label != c.label || got.Value != c.said {
			t.Errorf("said as %q: %q", got.Label, got.Value)
		}
	}
}

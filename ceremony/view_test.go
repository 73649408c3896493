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

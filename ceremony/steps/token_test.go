package steps

import (
	"errors"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// TestSoftwareHasNoPlaceOnARealSite: by the rule that the engine asks and the checker
// asks again; a practice site takes it.
func TestSoftwareHasNoPlaceOnARealSite(t *testing.T) {
	intent := ledger.Hash{1}
	b := &ceremony.TokenEnrolled{Intent: intent, Label: tokenLabel(intent), Serial: "1"}
	for _, kind := range []ceremony.Kind{initialiseToken{}, addToken{}} {
		s := ceremony.NewState(Kinds(), nil)
		s.Open = &ceremony.Progress{Token: "2", Intents: []*ceremony.IntentState{{Leaf: intent, Body: ceremony.Intent{Act: ceremony.Act{Do: initialise, With: map[string]string{"token": theBlankOne}}}}}}
		s.Tokens["2"] = &ceremony.Token{}
		err := kind.Check(s, script.Step{}, ledger.Record{}, b)
		var broken *ceremony.Broken
		if !errors.As(err, &broken) || broken.Rule != "token.software" {
			t.Errorf("%s: got %v", kind.Name(), err)
		}
		s.Site.Practice = true
		if err := kind.Check(s, script.Step{}, ledger.Record{}, b); err != nil {
			t.Errorf("%s, in practice: %v", kind.Name(), err)
		}
	}
}

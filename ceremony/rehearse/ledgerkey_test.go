package rehearse

import (
	"os"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ledger"
)

// TestLedgerKeyIsReplaced, twice: whoever knows the first key only can still check
// the whole record and its newest report, and what the first one signed holds.
func TestLedgerKeyIsReplaced(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	first, note := string(s.VerifierKeys()), s.State().Note
	for range 2 {
		if err := s.Begin(t.Context(), source(t, "ledger-key"), nil); err != nil {
			t.Fatal(err)
		}
	}
	keys := s.State().LedgerKeys
	if len(keys) != 3 || !keys[0].Retired || !keys[1].Retired || keys[2].Retired {
		t.Fatalf("the ledger keys are %+v", keys)
	}
	for i, k := range keys {
		if !strings.HasSuffix(k.Body.Label, []string{"", "-2", "-3"}[i]) {
			t.Errorf("key %d is called %s", i, k.Body.Label)
		}
		if signs(t, s.State().Note, k.Body.Verifier) != (i == 2) {
			t.Errorf("the last head is not signed by the last key alone: asked for key %d", i)
		}
	}
	holds(t, s, len(s.State().Keys)) // the token has no other objects than these say
	path, err := s.Evidence(t.Context(), s.Last("ledger-key").Number)
	if err != nil {
		t.Fatal(err)
	}
	o := audit.Options{Site: first, Checkpoints: [][]byte{[]byte(note)}}
	if res := audited(t, s.Folder.Ledger(), o); !res.Holds() || !res.Anchored {
		t.Errorf("the record by the first key: %+v", res.Findings)
	}
	pdf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := audit.PDF(t.Context(), pdf, s.Folder.Ledger(), o); err != nil || !res.Holds() || !res.Anchored {
		t.Errorf("the report beside the ledger, by the first key: %+v, %v", res, err)
	}
	// Alone it cannot show under whose signature the newest key was enrolled.
	if res, err := audit.PDF(t.Context(), pdf, "", o); err != nil || res.Holds() || res.Findings[0].Rule != "site.key" {
		t.Errorf("the report alone, by the first key: %+v, %v", res, err)
	}
	if res, err := audit.PDF(t.Context(), pdf, "", audit.Options{Site: keys[2].Body.Verifier}); err != nil || !res.Holds() || !res.Anchored {
		t.Errorf("the report alone, by the newest key: %+v, %v", res, err)
	}
}

func signs(t *testing.T, text, key string) bool {
	t.Helper()
	v, err := ledger.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = ledger.OpenCheckpoint(text, v)
	return err == nil
}

// TestLedgerKeyIsRetiredByTheRules: only the older one, gone from its token, for the
// reason that was authorised, and never before another is there.
func TestLedgerKeyIsRetiredByTheRules(t *testing.T) {
	sc := before(t, "ledger-key")
	defer sc.clear()
	s, _ := sc.open(t, &fate{}, nil)
	if err := s.Begin(t.Context(), source(t, "ledger-key"), nil); err != nil {
		t.Fatal(err)
	}
	newer := s.State().LedgerKeys[1].Leaf
	s.Engine.Close()
	all := sc.records(t)
	at := slices.IndexFunc(all, func(r ledger.Record) bool { return r.Kind == ceremony.LedgerKeyRetiredKind })
	truth := func() ceremony.LedgerKeyRetired {
		return *must(ceremony.Body(all[at])).(*ceremony.LedgerKeyRetired)
	}
	for rule, change := range map[string]func(*ceremony.LedgerKeyRetired){
		"":                      func(*ceremony.LedgerKeyRetired) {},
		"ledger-key.authorised": func(b *ceremony.LedgerKeyRetired) { b.Key = newer },
		"ledger-key.present":    func(b *ceremony.LedgerKeyRetired) { b.Left = 1 },
		"ledger-key.reason":     func(b *ceremony.LedgerKeyRetired) { b.Reason = "another" },
		"ledger-key.unknown":    func(b *ceremony.LedgerKeyRetired) { b.Serial = "77" },
		"result.intent":         func(b *ceremony.LedgerKeyRetired) { b.Intent = ledger.Hash{} },
	} {
		b := truth()
		change(&b)
		if got := sc.refuses(t, all[:at], ceremony.LedgerKeyRetiredKind, b); got != rule {
			t.Errorf("want %q, got %q", rule, got)
		}
	}
	// One officer may not, and nobody acts without two.
	result := all[at+1]
	if got := sc.refuses(t, all[:at], ceremony.ResultKind, must(ceremony.Body(result))); got != "result.outcome" {
		t.Errorf("a key that is called gone, without a record of it: %q", got)
	}
	intent := slices.IndexFunc(all, func(r ledger.Record) bool {
		in, ok := must(ceremony.Body(r)).(*ceremony.Intent)
		return ok && in.Act.Do == "retire-ledger-key"
	})
	in := *must(ceremony.Body(all[intent])).(*ceremony.Intent)
	in.Authorisations = in.Authorisations[:1]
	if got := sc.refuses(t, all[:intent], ceremony.IntentKind, in); got != "act.unauthorised" {
		t.Errorf("by one officer alone: %q", got)
	}
}

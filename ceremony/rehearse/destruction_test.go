package rehearse

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
)

const (
	toldPaper = "envelope 7"
	toldCloud = "import in region 2"
)

// tellCopies answers a destruction's forms: a paper copy that goes, and a cloud's
// import that is kept.
func tellCopies(p ceremony.Prompt, a *ceremony.Answer) {
	for _, f := range p.Fields {
		switch {
		case f.Name == "paper" || f.Name == "cloud import":
			a.Fields[f.Name] = "there is one"
		case f.Name == "name" && p.Title == "Name the paper":
			a.Fields["name"] = toldPaper
		case f.Name == "name" && p.Title == "Name the cloud import":
			a.Fields["name"] = toldCloud
		case f.Name == toldPaper:
			a.Fields[f.Name] = "destroyed here"
		case f.Name == toldCloud:
			a.Fields[f.Name] = "kept"
		}
	}
}

// destroyed is a site on which a key was deleted while a copy of it is kept, and
// a receipt taken in.
func destroyed(t *testing.T) (*Site, []ledger.Record, string) {
	t.Helper()
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.ready(t.Context(), "key-destruction", false); err != nil {
		t.Fatal(err)
	}
	tr.change = tellCopies
	if err := s.Begin(t.Context(), source(t, "key-destruction"), nil); err != nil {
		t.Fatal(err)
	}
	number := s.State().Ceremonies[len(s.State().Ceremonies)-1].Number
	letter := ceremony.ReceiptTakenIn{About: number, Date: "2026-11-23", From: "Hale & Orr Audit", Kind: ceremony.AuditorsLetter, SHA256: ledger.BlobHash([]byte("letter")), States: "seen"}
	if err := s.TakeInReceipt(t.Context(), letter, [2]ceremony.Part{{Person: "amara-okafor", Role: "witness"}, {Person: "li-chen", Role: "custodian"}}); err != nil {
		t.Fatal(err)
	}
	var all []ledger.Record
	for r, err := range s.Record().Records(t.Context(), 0, s.State().Size) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return s, all, number
}

// ungated is the shipped script without its five conditions.
func ungated(t *testing.T) []byte {
	t.Helper()
	src := source(t, "key-destruction")
	from, to := bytes.Index(src, []byte("      - id: gates")), bytes.Index(src, []byte("      - id: copies"))
	src = slices.Concat(src[:from], src[to:])
	src = bytes.Replace(src, []byte("needs: [gates]"), []byte("needs: [open]"), 1)
	return bytes.Replace(src, []byte(`"gates copies"`), []byte(`"copies"`), 1)
}

// TestDestructionRulesRefuseByName: a destruction without its gates, by one
// person, without the owner, with a custodian as the witness from outside, or
// called what it was not, is named by whoever reads the ledger later.
func TestDestructionRulesRefuseByName(t *testing.T) {
	s, all, number := destroyed(t)
	of := func(kind string, also func(body any) bool) func(ledger.Record, any) bool {
		return func(r ledger.Record, body any) bool {
			return (r.Ceremony == number || r.Ceremony == "") && r.Kind == kind && (also == nil || also(body))
		}
	}
	change := func(f func(body any)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, all []ledger.Record, body any) ledger.Draft {
			f(body)
			return draft(all[len(all)-1], body)
		}
	}
	instead := func(kind string, body any) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, all []ledger.Record, _ any) ledger.Draft {
			r := all[len(all)-1]
			return ledger.Draft{Ceremony: r.Ceremony, Kind: kind, V: 1, Time: r.Time, Body: body}
		}
	}
	finished := func(step string) func(any) bool {
		return func(b any) bool {
			r := b.(*ceremony.Result)
			return r.Step == step && r.Outcome == ceremony.Finished
		}
	}
	deletes := func(b any) bool { return b.(*ceremony.Intent).Act.Do == "delete-key" }
	person := func(id, as string) func(body any) {
		return func(body any) {
			for i, part := range body.(*ceremony.Started).People {
				if part.Role == as {
					body.(*ceremony.Started).People[i].Person = id
				}
			}
		}
	}
	script := ungated(t)
	key := s.State().KeyNamed("signing-key")
	eachRefused(t, s, all, map[string]forgery{
		"without gates": {rule: "script.invalid", at: of(ceremony.StartedKind, nil),
			forge: change(func(b any) { b.(*ceremony.Started).Script = ledger.BlobHash(script) })},
		"a gate that nobody answered": {rule: "destroy.gates", at: of(ceremony.ResultKind, finished("gates")), forge: change(func(b any) { b.(*ceremony.Result).Facts[2].Value = "" })},
		"a gate without evidence":     {rule: "destroy.gates", at: of(ceremony.ResultKind, finished("gates")), forge: change(func(b any) { b.(*ceremony.Result).Facts[1].Value = "" })},
		"a copy without a fate":       {rule: "destroy.copies", at: of(ceremony.ResultKind, finished("copies")), forge: change(func(b any) { b.(*ceremony.Result).Facts = nil })},
		"without the owner's signature": {rule: "step.unsigned", at: of(ceremony.SignOffKind, func(b any) bool { return b.(*ceremony.SignOff).Act == ceremony.ActStep }),
			forge: instead(ceremony.ResultKind, ceremony.Result{Attempt: 1, Facts: []ceremony.Line{}, Outcome: ceremony.Finished, Step: "approve"})},
		"without an owner": {rule: "role.missing", at: of(ceremony.StartedKind, nil),
			forge: change(func(b any) {
				st := b.(*ceremony.Started)
				st.People = slices.DeleteFunc(st.People, func(p ceremony.Part) bool { return p.Role == "owner" })
			})},
		"a custodian as third-party witness": {rule: "role.holds-share", at: of(ceremony.StartedKind, nil), forge: change(person("farah-noor", "third-party-witness"))},
		"by one person":                      {rule: "act.unauthorised", at: of(ceremony.IntentKind, deletes), forge: change(func(b any) { b.(*ceremony.Intent).Authorisations = b.(*ceremony.Intent).Authorisations[:1] })},
		"an act that nobody typed":           {rule: "intent.act", at: of(ceremony.IntentKind, deletes), forge: change(func(b any) { delete(b.(*ceremony.Intent).Act.With, "type") })},
		"deleted, and still found":           {rule: "key.present", at: of(ceremony.KeyDeletedKind, nil), forge: change(func(b any) { b.(*ceremony.KeyDeleted).ByID = 1 })},
		"deleted, and nothing is missing":    {rule: "key.present", at: of(ceremony.KeyDeletedKind, nil), forge: change(func(b any) { b.(*ceremony.KeyDeleted).After = b.(*ceremony.KeyDeleted).Before })},
		"deleted, and still used":            {rule: "key.present", at: of(ceremony.KeyDeletedKind, nil), forge: change(func(b any) { b.(*ceremony.KeyDeleted).UseFails = "" })},
		"another key than authorised":        {rule: "key.authorised", at: of(ceremony.KeyDeletedKind, nil), forge: change(func(b any) { b.(*ceremony.KeyDeleted).ID = "00" })},
		"a verdict of its own":               {rule: "custody.result", at: of(ceremony.ItemDestroyedKind, nil), forge: change(func(b any) { b.(*ceremony.ItemDestroyed).Result = "GOOD" })},
		"a medium that nobody watched":       {rule: "custody.witness", at: of(ceremony.ItemDestroyedKind, nil), forge: change(func(b any) { b.(*ceremony.ItemDestroyed).Witness = "li-chen" })},
		"a thing that is no copy of it":      {rule: "destroy.copy", at: of(ceremony.ItemDestroyedKind, nil), forge: change(func(b any) { b.(*ceremony.ItemDestroyed).Item = cardHeldBy(t, s, "li-chen") })},
		"destroyed by no method of NIST's":   {rule: "custody.category", at: of(ceremony.ItemDestroyedKind, nil), forge: change(func(b any) { b.(*ceremony.ItemDestroyed).Category = "burnt" })},
		"a told copy that a record made":     {rule: "copy.stated", at: of(ceremony.ArtifactStoredKind, nil), forge: change(func(b any) { b.(*ceremony.ArtifactStored).Stated = false })},
		"a copy called like another": {rule: "copy.named", at: of(ceremony.ArtifactStoredKind, func(b any) bool { return b.(*ceremony.ArtifactStored).Name == toldCloud }),
			forge: change(func(b any) { b.(*ceremony.ArtifactStored).Name = key.Copies[0].Name })},
		"another medium than authorised": {rule: "destroy.intent", at: of(ceremony.ItemDestroyedKind, nil), forge: change(func(b any) { b.(*ceremony.ItemDestroyed).Item = toldCloud })},
		"destroyed, with a copy open": {rule: "key.copies-open", at: of(ceremony.ResultKind, finished("conclude")),
			forge: instead(ceremony.KeyDestroyedKind, ceremony.KeyDestroyed{Copies: len(key.Copies), Key: key.Body.ID, Reason: "business-end"})},
		"called destroyed in words": {rule: "destroy.outcome", at: of(ceremony.ResultKind, finished("conclude")),
			forge: change(func(b any) { b.(*ceremony.Result).Facts[1].Value = "destroyed: no copy is known to remain" })},
		"a receipt that one took in": {rule: "receipt.by", at: of(ceremony.ReceiptTakenInKind, nil), forge: change(func(b any) { b.(*ceremony.ReceiptTakenIn).Signatures = b.(*ceremony.ReceiptTakenIn).Signatures[:1] })},
		"a receipt about nothing":    {rule: "receipt.about", at: of(ceremony.ReceiptTakenInKind, nil), forge: change(func(b any) { b.(*ceremony.ReceiptTakenIn).About = "2099-001" })},
	}, script)
}

// TestOwnerDestroys: another owner than the key's does not stand in.
func TestOwnerDestroys(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.ready(t.Context(), "key-destruction", false); err != nil {
		t.Fatal(err)
	}
	about(t, s, "enrol", map[string]string{"people": "nadia-haddad owner"})
	plan := s.plan(t, source(t, "key-destruction"), nil)
	for i, part := range plan.People {
		if part.Role == "owner" {
			plan.People[i].Person = "nadia-haddad"
		}
	}
	var problem *ceremony.Problem
	if err := s.Hold(t.Context(), plan); !errors.As(err, &problem) || !strings.Contains(problem.Happened, "Dana Weiss, who owns signing-key, takes no part as owner") {
		t.Fatalf("got %v", err)
	}
	// A program that asks nobody about it gets no further.
	all := everything(t, s)
	at := slices.IndexFunc(all, func(r ledger.Record) bool {
		st, ok := must(ceremony.Body(r)).(*ceremony.StepStarted)
		return ok && st.Step == "gates"
	})
	d := draft(all[at], finished("gates"))
	d.Kind = ceremony.ResultKind
	if rule := stateRefuses(t, s, all[:at+1], d); rule != "destroy.owner" {
		t.Errorf("refused by %q", rule)
	}
}

// TestThirdPartyHoldsNoPart: whoever has a card of the key's token in hand is no
// witness from outside, enrolled as one or not.
func TestThirdPartyHoldsNoPart(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.ready(t.Context(), "key-destruction", false); err != nil {
		t.Fatal(err)
	}
	keys := len(s.State().Keys)
	tr.change = func(p ceremony.Prompt, _ *ceremony.Answer) {
		if p.Step == "gates" {
			for _, set := range s.State().Sets {
				set.Body.Cards[0].Holder = "hana-orr"
			}
		}
	}
	var refusal *ceremony.Refusal
	if err := s.Begin(t.Context(), source(t, "key-destruction"), nil); !errors.As(err, &refusal) || refusal.Rule != "destroy.third-party" {
		t.Errorf("got %v", err)
	}
	holds(t, s, keys)
}

// TestNoSuchKey: a destruction of a key that nobody knows, or that is destroyed,
// does not begin.
func TestNoSuchKey(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.ready(t.Context(), "key-destruction", false); err != nil {
		t.Fatal(err)
	}
	begin := func(key, rule string) {
		t.Helper()
		tr.asked = nil
		size := s.State().Size
		var refusal *ceremony.Refusal
		if err := s.Begin(t.Context(), source(t, "key-destruction"), map[string]string{"key": key}); !errors.As(err, &refusal) || refusal.Rule != rule {
			t.Errorf("got %v, want %s", err, rule)
		}
		if s.State().Size != size || len(tr.asked) > 0 {
			t.Error("something was written, or somebody was asked")
		}
	}
	begin("nobody-knows-it", "key.unknown")
	if err := s.Begin(t.Context(), source(t, "key-destruction"), nil); err != nil {
		t.Fatal(err)
	}
	begin("signing-key", "key.state")
}

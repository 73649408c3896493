package rehearse

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
)

// faker makes forgeries of one ledger.
type faker struct {
	t   *testing.T
	s   *Site
	all []ledger.Record
}

// in finds the first record of a kind in a ceremony; of B's, one for which also holds.
func in[B any](number string, also func(*B) bool) func(ledger.Record, any) bool {
	return func(r ledger.Record, body any) bool {
		b, ok := body.(*B)
		return ok && r.Ceremony == number && (also == nil || also(b))
	}
}

// changed is the true record with another body.
func changed[B any](change func(*B)) func(*testing.T, []ledger.Record, any) ledger.Draft {
	return func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
		change(body.(*B))
		return draft(upTo[len(upTo)-1], body)
	}
}

// instead is another record at the place of the true one.
func instead(kind string, body any) func(*testing.T, []ledger.Record, any) ledger.Draft {
	return func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
		r := upTo[len(upTo)-1]
		return ledger.Draft{Ceremony: r.Ceremony, Kind: kind, V: 1, Time: r.Time, Body: body}
	}
}

// of is the same in the name of a ceremony, or of none.
func of(number, kind string, body any) func(*testing.T, []ledger.Record, any) ledger.Draft {
	return func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
		return ledger.Draft{Ceremony: number, Kind: kind, V: 1, Time: upTo[len(upTo)-1].Time, Body: body}
	}
}

// find gives the first body of a kind in a ceremony.
func find[B any](f faker, number string, also func(*B) bool) *B {
	f.t.Helper()
	for _, r := range f.all {
		b, err := ceremony.Body(r)
		if err != nil {
			f.t.Fatal(err)
		}
		if b, ok := b.(*B); ok && r.Ceremony == number && (also == nil || also(b)) {
			return b
		}
	}
	f.t.Fatalf("%s has no %T", number, *new(B))
	return nil
}

func does(do string) func(*ceremony.Intent) bool {
	return func(b *ceremony.Intent) bool { return b.Act.Do == do }
}

func step(id string) func(*ceremony.StepStarted) bool {
	return func(b *ceremony.StepStarted) bool { return b.Step == id }
}

// ends is the result that finishes a step.
func ends(id string) func(*ceremony.Result) bool {
	return func(b *ceremony.Result) bool { return b.Step == id && b.Outcome == ceremony.Finished }
}

func finished(step string, facts ...ceremony.Line) ceremony.Result {
	return ceremony.Result{Attempt: 1, Facts: append([]ceremony.Line{}, facts...), Outcome: ceremony.Finished, Step: step}
}

// unsigned puts a sign-off at a place, over exactly what the person would be shown
// there and with the key that is due; only the signature is nobody's.
func (f faker) unsigned(rule string, at func(ledger.Record, any) bool, so ceremony.SignOff) forgery {
	var shown []byte
	return forgery{rule: rule, at: at, stored: func() [][]byte { return [][]byte{shown} },
		forge: func(t *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			last := len(upTo) - 1
			st := stateAfter(t, f.s, upTo[:last])
			var err error
			if shown, err = st.Shown(so.Act, so.Step, so.Attempt, so.Person, so.Role); err != nil {
				t.Fatal(err)
			}
			so.Shown, so.Key, so.Signature = ledger.BlobHash(shown), st.People[so.Person].Leaf, strings.Repeat("00", 64)
			if ceremony.SignsWith(so.Role) == ceremony.SessionPIN {
				so.Key = st.Open.Certified[so.Person].Leaf
			}
			return ledger.Draft{Ceremony: upTo[last].Ceremony, Kind: ceremony.SignOffKind, V: 1, Time: upTo[last].Time, Body: so}
		}}
}

// generationForgeries are those of an opened site and a key generated on it, beside
// what forgeries has.
func generationForgeries(f faker, number string) map[string]forgery {
	first := f.all[1].Ceremony // the opening
	generates := in(number, does("generate-key"))
	made := in[ceremony.KeyGenerated](number, nil)
	reported := func(r ledger.Record, _ any) bool { return r.Kind == ceremony.ReportMadeKind }
	phase1 := func(person string) func(*ceremony.SignOff) bool {
		return func(b *ceremony.SignOff) bool { return b.Step == ceremony.PhaseStep(1) && b.Person == person }
	}
	phaseSigned := func(change func(*ceremony.SignOff)) forgery {
		return forgery{rule: "signoff.verdict", at: in(number, phase1("marta-brandt")), forge: changed(change)}
	}
	receipt := func(rule, ceremonyNumber string, change func(*ceremony.ReceiptTakenIn)) forgery {
		b := ceremony.ReceiptTakenIn{About: first, Date: "2026-11-23", From: "Hale & Orr Audit", Kind: ceremony.AuditorsLetter, SHA256: ledger.Hash{1}, Signatures: []ceremony.SignedBy{}, States: "seen"}
		change(&b)
		return forgery{rule: rule, at: reported, forge: of(ceremonyNumber, ceremony.ReceiptTakenInKind, b)}
	}
	jump := func(t *testing.T, before []ledger.Record) []ledger.Record {
		r := before[len(before)-1]
		return behind(t, before, ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.ClockCheckedKind, V: 1, Time: r.Time, Body: ceremony.ClockChecked{Kind: ceremony.ClockJump, Offset: 3600, Wall: "2026-11-23T09:00:00Z"}})
	}
	key := func(change func(*ceremony.KeyGenerated)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return changed(change)
	}
	inventory := find[ceremony.TokenInventory](f, number, nil)
	var listed []byte

	return map[string]forgery{
		// Who may sign, what, and once.
		"a witness authorises": f.unsigned("authorise.role", in(number, func(b *ceremony.SignOff) bool { return b.Act == ceremony.ActAuthorise }),
			ceremony.SignOff{Act: ceremony.ActAuthorise, Attempt: 1, Person: "amara-okafor", Role: "witness", Step: "generate", Verdict: ceremony.Agree}),
		"a phase signed twice by one person": f.unsigned("signoff.twice", in(number, phase1("amara-okafor")),
			ceremony.SignOff{Act: ceremony.ActPhase, Attempt: 1, Person: "marta-brandt", Role: "administrator", Step: ceremony.PhaseStep(1), Verdict: ceremony.Agree}),
		"a verdict that is neither":      phaseSigned(func(b *ceremony.SignOff) { b.Verdict = "perhaps" }),
		"a refusal without a reason":     phaseSigned(func(b *ceremony.SignOff) { b.Verdict = ceremony.Disagree }),
		"an agreement with a reason":     phaseSigned(func(b *ceremony.SignOff) { b.Reason = "so be it" }),
		"a refusal left out of the seal": {rule: "seal.untrue", at: in[ceremony.Sealed](number, nil), forge: changed(func(b *ceremony.Sealed) { b.NotAccepted = []string{"li-chen"} })},
		"a sign-off of a phase that there is not": {rule: "signoff.place", at: in(number, phase1("marta-brandt")),
			forge: changed(func(b *ceremony.SignOff) { b.Step = ceremony.PhaseStep(9) })},
		"a sign-off with somebody else's key": {rule: "signoff.key", at: in(number, phase1("marta-brandt")), forge: changed(func(b *ceremony.SignOff) { b.Key[0] ^= 1 })},
		"everyone attested, but one": {rule: "seal.unattested", at: in(number, func(b *ceremony.SignOff) bool { return b.Act == ceremony.ActAttest }),
			forge: instead(ceremony.ResultKind, finished("attest"))},
		"a ceremony key of somebody nobody enrolled": {rule: "ceremony-key.person", at: in[ceremony.CeremonyKey](number, nil),
			forge: changed(func(b *ceremony.CeremonyKey) { b.Person = "nobody" })},
		"a ceremony with somebody nobody enrolled": {rule: "person.unknown", at: in[ceremony.Started](number, nil), forge: changed(func(b *ceremony.Started) { b.People[4].Person = "nobody" })},
		"somebody who never arrived signs in": {rule: "ceremony-key.person", at: in[ceremony.Arrived](number, nil), forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			b := *find(f, number, func(b *ceremony.CeremonyKey) bool { return b.Person == body.(*ceremony.Arrived).Person })
			return instead(ceremony.CeremonyKeyKind, b)(t, upTo, body)
		}},

		// Intent, act, result.
		"an act of another step": {rule: "intent.step", at: generates, forge: changed(func(b *ceremony.Intent) { b.Step = "fingerprint" })},
		"a second act while the first is open": {rule: "intent.open", at: made, forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			return instead(ceremony.IntentKind, *find(f, number, does("generate-key")))(t, upTo, body)
		}},
		"a step ends while an act is open": {rule: "intent.open", at: made, forge: instead(ceremony.ResultKind, finished("generate"))},
		"an act that was authorised for another step": {rule: "authorise.attempt", at: in(first, func(b *ceremony.Intent) bool { return b.Step == "issue" }),
			forge: changed(func(b *ceremony.Intent) { b.Authorisations = find(f, first, does("initialise-token")).Authorisations })},
		"what nobody authorised, after an act failed halfway": {rule: "authorise.act", at: in(number, does("prove-possession")),
			first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				return result(t, before, "generate-key", ceremony.HalfDone)
			},
			forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
				b := *find(f, number, does("generate-key"))
				id := find[ceremony.KeyGenerated](f, number, nil).ID
				b.Act = ceremony.Act{Do: "delete-remains", With: map[string]string{"id": id, "serial": b.Act.With["serial"]}}
				return instead(ceremony.IntentKind, b)(t, upTo, body)
			}},
		"an act on a token that was closed": {rule: "token.closed", at: generates,
			first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				r := before[len(before)-1]
				return behind(t, before, ledger.Draft{Ceremony: number, Kind: ceremony.TokenClosedKind, V: 1, Time: r.Time, Body: ceremony.TokenClosed{Reason: "forged", Serial: inventory.Serial}})
			},
			forge: changed(func(*ceremony.Intent) {})},
		"a record of another kind of step": {rule: "step.foreign", at: in(number, ends("workstation")), forge: instead(ceremony.ItemCheckedKind, ceremony.ItemChecked{Item: "HSM", Method: "bag", Result: ceremony.Pass})},
		"a body with a field more":         {rule: "record.body", at: in(number, step("room")), forge: instead(ceremony.StepStartedKind, map[string]string{"colour": "red"})},
		"a step that is left out":          {rule: "step.order", at: in(number, step("fingerprint")), forge: changed(func(b *ceremony.StepStarted) { b.Step, b.Kind = "bags", "closing-bags" })},
		"a step that is done a second time": {rule: "step.order", at: in(number, step("fingerprint")),
			forge: changed(func(b *ceremony.StepStarted) { b.Step, b.Kind, b.Attempt = "identify", "identify-token", 2 })},

		// The clock.
		"a step after the clock jumped":   {rule: "clock.jump", at: in(number, step("identify")), first: jump, forge: changed(func(*ceremony.StepStarted) {})},
		"a wall clock that is no time":    {rule: "clock.text", at: in[ceremony.ClockChecked](number, nil), forge: changed(func(b *ceremony.ClockChecked) { b.Wall = "nine" })},
		"an offset that is no difference": {rule: "clock.offset", at: in[ceremony.ClockChecked](number, nil), forge: changed(func(b *ceremony.ClockChecked) { b.Offset += 7200 })},
		"a room whose clock nobody read": {rule: "clock.missing", at: in[ceremony.ClockChecked](number, nil),
			forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
				return instead(ceremony.ResultKind, *find(f, number, ends("room")))(t, upTo, body)
			}},

		// The key, as the token tells it.
		"a key under another name than its intent's": {rule: "key.id", at: made, forge: key(func(b *ceremony.KeyGenerated) { b.ID = strings.Repeat("0", 40) })},
		"a fingerprint of another key":               {rule: "key.fingerprint", at: made, forge: key(func(b *ceremony.KeyGenerated) { b.Fingerprint = strings.Repeat("0", 64) })},
		"a key that lives longer":                    {rule: "key.lifetime", at: made, forge: key(func(b *ceremony.KeyGenerated) { b.Until = "2099-01-01" })},
		"another key than was authorised":            {rule: "key.authorised", at: made, forge: key(func(b *ceremony.KeyGenerated) { b.Label = "another" })},
		"a public key that is none": {rule: "key.public", at: made, forge: key(func(b *ceremony.KeyGenerated) {
			b.Public = find[ceremony.Started](f, number, nil).Script
			b.Fingerprint = b.Public.String()
		})},
		"a proof that proves nothing": {rule: "key.proof", at: in(number, func(b *ceremony.Result) bool {
			return slices.ContainsFunc(b.Facts, func(l ceremony.Line) bool { return l.Label == "Signature" })
		}), forge: changed(func(b *ceremony.Result) {
			for i := range b.Facts {
				b.Facts[i].Value = strings.Repeat("00", 96)
			}
		})},
		"another fingerprint read aloud": {rule: "key.fingerprint", at: in(number, ends("fingerprint")), forge: changed(func(b *ceremony.Result) { b.Facts[0].Value = strings.Repeat("0", 64) })},
		"a quarantined key taken into use": {rule: "key.quarantined", at: made,
			first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				k, started := *find[ceremony.KeyGenerated](f, number, nil), int64(0)
				for _, r := range before {
					if r.Kind == ceremony.StartedKind && r.Ceremony == number {
						started = r.Seq
					}
				}
				last := before[len(before)-1]
				put := func(kind string, body any) {
					before = behind(t, before, ledger.Draft{Ceremony: number, Kind: kind, V: 1, Time: last.Time, Body: body})
				}
				put(ceremony.KeyGeneratedKind, k)
				put(ceremony.KeyQuarantinedKind, ceremony.KeyQuarantined{ID: k.ID, Intent: k.Intent, Label: k.Label, Reason: "forged", Serial: k.Serial})
				put(ceremony.AbortedKind, ceremony.Aborted{Count: int64(len(before)) - started + 1, First: started, Reason: "forged", Step: "generate"})
				return before
			},
			forge: func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
				return ledger.Draft{Kind: ceremony.KeyActivatedKind, V: 1, Time: upTo[len(upTo)-1].Time,
					Body: ceremony.KeyChanged{At: "2026-11-23", Key: body.(*ceremony.KeyGenerated).ID, Reason: "forged", Signatures: []ceremony.SignedBy{}, State: ceremony.Active}}
			}},

		// The token.
		"a token that nobody looked at":  {rule: "token.unread", at: in(number, ends("identify")), forge: changed(func(b *ceremony.Result) { b.Facts = []ceremony.Line{} })},
		"another token than is at hand":  {rule: "token.serial", at: in[ceremony.LoginTried](number, nil), forge: changed(func(b *ceremony.LoginTried) { b.Serial = "77" })},
		"a token that nobody enrolled":   {rule: "token.unknown", at: in[ceremony.Started](number, nil), forge: changed(func(b *ceremony.Started) { b.Token = "77" })},
		"a token that is its own second": {rule: "token.second", at: in[ceremony.Started](number, nil), forge: changed(func(b *ceremony.Started) { b.Second = b.Token })},
		"a token opened twice": {rule: "token.open", at: generates, forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			return instead(ceremony.LoginTriedKind, *find[ceremony.LoginTried](f, number, nil))(t, upTo, body)
		}},
		"a list of objects that is too short": {rule: "token.inventory", at: in[ceremony.TokenInventory](number, nil), forge: changed(func(b *ceremony.TokenInventory) { b.Count++ })},
		"an object that nobody made, called known": {rule: "token.unknown-object", at: in[ceremony.TokenInventory](number, nil), stored: func() [][]byte { return [][]byte{listed} },
			forge: changed(func(b *ceremony.TokenInventory) {
				listed = foreignListed(f.t, f.s, b.Listed)
				b.Listed = ledger.BlobHash(listed)
				b.Count++
			})},
		"an object that nobody made, and nobody decided": {rule: "token.unknown-object", at: in(number, ends("open")), stored: func() [][]byte { return [][]byte{listed} },
			first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				b := *inventory
				listed = foreignListed(t, f.s, b.Listed)
				b.Listed, b.Count, b.Unknown = ledger.BlobHash(listed), b.Count+1, []ceremony.ObjectSeen{{Class: "data", Label: "foreign"}}
				return behind(t, before, ledger.Draft{Ceremony: number, Kind: ceremony.TokenInventoryKind, V: 1, Time: before[len(before)-1].Time, Body: b})
			}, forge: changed(func(*ceremony.Result) {})},
		"a login after a seal was found broken": {rule: "custody.seal-broken", at: in[ceremony.LoginTried](number, nil),
			first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				opened := len(before) - 1
				for before[opened].Kind != ceremony.ItemOpenedKind {
					opened--
				}
				return writtenAgain(t, before, opened, func(body any) bool {
					if b, ok := body.(*ceremony.ItemOpened); ok {
						b.Seal = "broken"
					}
					return true
				})
			}, forge: changed(func(*ceremony.LoginTried) {})},

		// The opening.
		"a site without randomness": {rule: "site.random", at: func(r ledger.Record, _ any) bool { return r.Seq == 0 }, forge: changed(func(b *ceremony.SiteOpened) { b.Random = "00" })},
		"a site opened twice": {rule: "site.first", at: func(r ledger.Record, _ any) bool { return r.Seq == 1 }, forge: func(t *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			return draft(upTo[0], must(ceremony.Body(upTo[0])))
		}},
		"a token that does not bear its intent": {rule: "token.label", at: in[ceremony.TokenEnrolled](first, nil), forge: changed(func(b *ceremony.TokenEnrolled) { b.Label = "claviger" })},
		"a card read back by no custodian":      {rule: "set.holder", at: in[ceremony.SetReadBack](first, nil), forge: changed(func(b *ceremony.SetReadBack) { b.Person = "marta-brandt" })},
		"another split than was authorised":     {rule: "set.shape", at: in[ceremony.SetIssued](first, nil), forge: changed(func(b *ceremony.SetIssued) { b.Threshold++ })},
		"a set whose last card is in no bag": {rule: "set.unbagged", at: in(first, func(b *ceremony.ItemSealed) bool { return b.Kind == ceremony.CardItem && b.Index == 3 }),
			forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
				return instead(ceremony.SetIssuedKind, *find(f, first, func(b *ceremony.SetIssued) bool { return b.Set == body.(*ceremony.ItemSealed).Set }))(t, upTo, body)
			}},
		"the PIN of everyday from the recovery cards": {rule: "set.purpose", at: in[ceremony.PINsSet](first, nil), forge: changed(func(b *ceremony.PINsSet) { b.UserSet, b.SOSet = b.SOSet, b.UserSet })},
		"a ledger key under another verifier key":     {rule: "ledger-key.verifier", at: in[ceremony.LedgerKeyEnrolled](first, nil), forge: changed(func(b *ceremony.LedgerKeyEnrolled) { b.Verifier += "A" })},
		"a founder whose id is none": {rule: "person.id", at: in[ceremony.PersonEnrolled](first, nil),
			first: func(t *testing.T, before []ledger.Record) []ledger.Record {
				person := find[ceremony.PersonEnrolled](f, first, nil).Person
				return writtenAgain(t, before, 1, func(body any) bool {
					if b, ok := body.(*ceremony.Started); ok {
						for i := range b.People {
							if b.People[i].Person == person {
								b.People[i].Person = "Some Body"
							}
						}
					}
					return true
				})
			}, forge: changed(func(b *ceremony.PersonEnrolled) { b.Person = "Some Body" })},
		"an enrolment outside of its step": {rule: "person.enrol", at: in(number, ends("workstation")), forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			return instead(ceremony.PersonEnrolledKind, *find[ceremony.PersonEnrolled](f, first, nil))(t, upTo, body)
		}},

		// Runs, and what stands outside of them.
		"a number that is none":               {rule: "ceremony.number", at: in[ceremony.Started](number, nil), forge: of("26-1", ceremony.StartedKind, *find[ceremony.Started](f, number, nil))},
		"a value that the script has not":     {rule: "script.parameters", at: in[ceremony.Started](number, nil), forge: changed(func(b *ceremony.Started) { delete(b.Parameters, "purpose") })},
		"a run that relies on nothing":        {rule: "run.context", at: in[ceremony.Context](number, nil), forge: instead(ceremony.StepStartedKind, ceremony.StepStarted{Attempt: 1, Kind: "room-check", Step: "room", Version: 1})},
		"a context in the middle of a run":    {rule: "run.context", at: in(number, step("identify")), forge: instead(ceremony.ContextKind, *find[ceremony.Context](f, number, nil))},
		"a step outside of a run":             {rule: "run.outside", at: reported, forge: of(first, ceremony.StepStartedKind, ceremony.StepStarted{Attempt: 1, Kind: "room-check", Step: "room", Version: 1})},
		"a report of no ceremony":             {rule: "report.early", at: reported, forge: of("2099-001", ceremony.ReportMadeKind, ceremony.ReportMade{})},
		"a comparison that says nothing":      {rule: "checkpoint.compared", at: in(number, step("identify")), forge: instead(ceremony.CheckpointComparedKind, ceremony.CheckpointCompared{Result: "perhaps"})},
		"a head that is said to agree":        {rule: "checkpoint.root", at: in(number, step("identify")), forge: instead(ceremony.CheckpointComparedKind, ceremony.CheckpointCompared{Result: ceremony.HeadAgrees, Size: 2, Source: "token 1"})},
		"a copy of the ledger in a ceremony":  {rule: "copy.place", at: reported, forge: of(first, ceremony.LedgerCopiedKind, ceremony.LedgerCopied{Bytes: 1, File: "f", Medium: "m", Person: "li-chen", Records: 2})},
		"a copy of other records":             {rule: "copy.root", at: reported, forge: of("", ceremony.LedgerCopiedKind, ceremony.LedgerCopied{Bytes: 1, File: "f", Medium: "m", Person: "li-chen", Records: 2})},
		"a key's state changed in a ceremony": {rule: "key.change-place", at: reported, forge: of(first, ceremony.KeyActivatedKind, ceremony.KeyChanged{Signatures: []ceremony.SignedBy{}, State: ceremony.Active})},
		"an order in a ceremony":              {rule: "order.place", at: reported, forge: of(first, ceremony.OrderedKind, ceremony.Ordered{Parameters: map[string]string{}, People: []ceremony.Part{}, Signatures: []ceremony.SignedBy{}})},
		"a receipt in a ceremony":             receipt("receipt.place", first, func(*ceremony.ReceiptTakenIn) {}),
		"a receipt of no kind":                receipt("receipt.kind", "", func(b *ceremony.ReceiptTakenIn) { b.Kind = "gossip" }),
		"a receipt that states nothing":       receipt("receipt.empty", "", func(b *ceremony.ReceiptTakenIn) { b.States = "" }),
		"a letter that ends a copy":           receipt("receipt.copy", "", func(b *ceremony.ReceiptTakenIn) { b.Copy, b.Key = "import", "00" }),
		"a receipt of no day":                 receipt("receipt.date", "", func(b *ceremony.ReceiptTakenIn) { b.Date = "soon" }),
	}
}

// foreignListed is a list of a token's objects with one more that nobody made.
func foreignListed(t *testing.T, s *Site, listed ledger.Hash) []byte {
	t.Helper()
	blob, err := s.Record().Blob(t.Context(), listed)
	if err != nil {
		t.Fatal(err)
	}
	var objects []ceremony.ObjectSeen
	if err := json.Unmarshal(blob, &objects); err != nil {
		t.Fatal(err)
	}
	out, err := ledger.Encode(append(objects, ceremony.ObjectSeen{Class: "data", Label: "foreign"}))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMoreRulesRefuseByName: the rest of what a key generation can be forged into.
func TestMoreRulesRefuseByName(t *testing.T) {
	s, all, number := played(t)
	eachRefused(t, s, all, generationForgeries(faker{t, s, all}, number))
}

// crashed is the ledger of a site whose program ended in the middle of a generation,
// with the key in the token and no word about it, and was started again. A key was
// made there before.
func crashed(t *testing.T) (*Site, []ledger.Record, string) {
	t.Helper()
	sc := before(t, "key-generation")
	t.Cleanup(sc.clear)
	s, _ := sc.open(t, &fate{}, nil)
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	s.Engine.Close()
	f := &fate{}
	s, tr := sc.open(t, f, nil)
	tr.change = func(p ceremony.Prompt, _ *ceremony.Answer) {
		if p.Step == "generate" {
			f.lastBatch = f.batches + 1 // the intent is written, and nothing after it
		}
	}
	if err := s.Begin(t.Context(), generation(t), nil); err == nil || !f.dead {
		t.Fatalf("the program did not end: %v", err)
	}
	s.Engine.Close()
	s, _ = sc.open(t, &fate{}, nil)
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	number := s.Last("key-generation").Number
	s.Engine.Close()
	return s, sc.records(t), number
}

func crashForgeries(f faker, number string) map[string]forgery {
	resumed := in[ceremony.Resumed](number, nil)
	other := f.all[1].Ceremony
	earlier := ""
	for _, r := range f.all {
		if r.Kind == ceremony.KeyGeneratedKind && r.Ceremony != number {
			earlier = r.Ceremony
		}
	}
	return map[string]forgery{
		"resumed from another pause": {rule: "run.resume", at: resumed, forge: changed(func(b *ceremony.Resumed) { b.Paused[0] ^= 1 })},
		"resumed after its seal": {rule: "run.resume", at: resumed, forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			return of(other, ceremony.ResumedKind, *body.(*ceremony.Resumed))(t, upTo, body)
		}},
		"resumed without what it relies on": {rule: "run.context", at: secondContext(number), forge: instead(ceremony.StepStartedKind, ceremony.StepStarted{Attempt: 2, Kind: "authorise", Step: "authorise", Version: 1})},
		"another ceremony before the crashed one was resumed": {rule: "ceremony.unfinished", at: resumed,
			forge: of("2099-001", ceremony.StartedKind, *find[ceremony.Started](f, number, nil))},
		"a step goes on as if nothing had happened": {rule: "run.outside", at: resumed, forge: instead(ceremony.StepStartedKind, ceremony.StepStarted{Attempt: 2, Kind: "generate-key", Step: "generate", Version: 1})},
		"a pause that hides a record":               {rule: "run.count", at: in[ceremony.Paused](number, nil), forge: changed(func(b *ceremony.Paused) { b.Count-- })},
		"a step begins while nobody knows what the crash left": {rule: "intent.open", at: in(number, func(b *ceremony.StepStarted) bool { return b.Step == "authorise" && b.Attempt == 2 }),
			first: withoutSettling(number), forge: changed(func(*ceremony.StepStarted) {})},
		"a key that the token gave before": {rule: "key.repeated", at: in[ceremony.KeyGenerated](number, nil), forge: changed(func(b *ceremony.KeyGenerated) {
			k := find[ceremony.KeyGenerated](f, earlier, nil)
			b.Public, b.Fingerprint = k.Public, k.Fingerprint
		})},
	}
}

// secondContext finds the context of a ceremony's second run.
func secondContext(number string) func(ledger.Record, any) bool {
	resumed := false
	return func(r ledger.Record, b any) bool {
		if _, ok := b.(*ceremony.Resumed); ok && r.Ceremony == number {
			resumed = true
		}
		return resumed && r.Kind == ceremony.ContextKind
	}
}

// withoutSettling leaves out what was found of an act that a crash left open: the
// records of the second run from there on are written again without it.
func withoutSettling(number string) func(*testing.T, []ledger.Record) []ledger.Record {
	return func(t *testing.T, before []ledger.Record) []ledger.Record {
		t.Helper()
		settled := slices.IndexFunc(before, func(r ledger.Record) bool {
			b, ok := must(ceremony.Body(r)).(*ceremony.Result)
			return ok && r.Ceremony == number && b.Reconciled
		})
		if settled < 0 {
			t.Fatal("the open act was not settled")
		}
		return writtenAgain(t, before, settled, func(body any) bool {
			_, signed := body.(*ceremony.CheckpointSigned)
			res, result := body.(*ceremony.Result)
			return !signed && !(result && res.Reconciled)
		})
	}
}

// writtenAgain writes records again from one on: those that stay, as they are changed.
func writtenAgain(t *testing.T, before []ledger.Record, from int, stays func(body any) bool) []ledger.Record {
	t.Helper()
	out := slices.Clone(before[:from])
	for _, r := range before[from:] {
		if b := must(ceremony.Body(r)); stays(b) {
			out = behind(t, out, draft(r, b))
		}
	}
	return out
}

func TestRulesOfCrashesRefuseByName(t *testing.T) {
	t.Parallel()
	s, all, number := crashed(t)
	eachRefused(t, s, all, crashForgeries(faker{t, s, all}, number))
}

// unforged are rules that no record in a test breaks, and why none can.
var unforged = map[string]string{
	"authorise.acts":   "what the person was shown lists the same acts, and is asked for first: signoff.place",
	"destroy.approver": "the step before has an approver sign gates and copies, or the script is not played (script.invalid), and a ceremony without one does not begin (role.missing)",
	"enrol.self":       "what the person was shown names those whose documents the person saw, and is asked for first: signoff.place",
	"fact.":            "the name for what a kind refuses without one of its own; no kind's Check of a fact does",
	"key.copy":         "the kinds that delete an object admit the one whose deletion was authorised, and what is authorised comes from the key's copies: key.authorised",
	"record":           "the name for a failure that is no refusal, of a file that cannot be read to its end",
	"tree":             "the tree was computed to its end when the ledger was opened; only a file that fails between the two reads comes here",
	"step.impossible":  "the name for what a kind refuses at the start without one of its own; what a script's people are is read when the script is played, before: script.invalid",
}

// TestEveryRuleIsForged: a rule that no test has ever seen refuse anything is a word.
// Every name by which the rules or the checker refuse stands in a test, or among
// the few that nothing can reach.
func TestEveryRuleIsForged(t *testing.T) {
	root := filepath.Join("..", "..")
	rules, tested := map[string]string{}, map[string]bool{}
	files := token.NewFileSet()
	for _, dir := range []string{"ceremony", "ledger", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasSuffix(path, ".txt") || strings.HasSuffix(path, ".txtar"):
				b, err := os.ReadFile(path)
				for _, m := range ruleInJSON.FindAllSubmatch(b, -1) {
					tested[string(m[1])] = true
				}
				return err
			case !strings.HasSuffix(path, ".go"):
				return nil
			}
			f, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			if strings.HasSuffix(path, "_test.go") {
				literalsOf(f, tested)
				return nil
			}
			for rule := range rulesIn(f) {
				rules[rule] = path
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(rules) < 200 {
		t.Fatalf("only %d rules were found", len(rules))
	}
	for _, rule := range slices.Sorted(maps.Keys(rules)) {
		_, excepted := unforged[rule]
		switch {
		case excepted && tested[rule]:
			t.Errorf("%s is forged by now; take it off the exceptions", rule)
		case !excepted && !tested[rule]:
			t.Errorf("%s, in %s, has never refused anything", rule, rules[rule])
		}
	}
	for rule := range unforged {
		if rules[rule] == "" {
			t.Errorf("there is no rule %s any more; take it off the exceptions", rule)
		}
	}
	fmt.Printf("PROOF: %d rules, %d of them refuse in a test\n", len(rules), len(rules)-len(unforged))
}

var ruleForm = regexp.MustCompile(`^[a-z0-9.-]+$`)

var ruleInJSON = regexp.MustCompile(`"rule": "([a-z0-9.-]+)"`)

// refusers are the calls whose first or second argument is the name of a rule.
var refusers = map[string]int{"refuse": 0, "broken": 0, "ruleOf": 1, "find": 1}

// rulesIn are the names of rules that a file of the program has.
func rulesIn(f *ast.File) map[string]bool {
	out := map[string]bool{}
	add := func(e ast.Expr) {
		// "fact." + kind is a family with one name.
		if b, ok := e.(*ast.BinaryExpr); ok {
			e = b.X
		}
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil && ruleForm.MatchString(s) {
				out[s] = true
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if at, ok := refusers[nameOfExpr(n.Fun)]; ok && at < len(n.Args) {
				add(n.Args[at])
			}
		case *ast.KeyValueExpr:
			if nameOfExpr(n.Key) == "Rule" {
				add(n.Value)
			}
		case *ast.CompositeLit:
			if nameOfExpr(n.Type) == "Broken" && len(n.Elts) > 0 {
				add(n.Elts[0])
			}
		}
		return true
	})
	return out
}

func nameOfExpr(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// literalsOf marks the strings of a test, but those that except a rule from it.
func literalsOf(f *ast.File, out map[string]bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "unforged" {
			return false
		}
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil {
				out[s] = true
			}
		}
		return true
	})
}

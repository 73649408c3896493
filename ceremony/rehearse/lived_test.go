package rehearse

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ledger"
)

// lived is the ledger of a site where people come, go, decide and order.
func lived(t *testing.T) (*Site, []ledger.Record) {
	t.Helper()
	s, tr := openSite(t, setting(copySite(t), nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(tr.asked[len(tr.asked)-1].Title, err)
		}
		tr.asked = nil
	}
	o := orderOf(t, s)
	leaf, err := s.Order(t.Context(), o)
	must(err)
	spare, err := s.Order(t.Context(), o)
	must(err)
	sheets := with(
		&sheet{step: "room", kind: ceremony.AskForm, answer: decided()},
		&sheet{step: "open", kind: ceremony.AskCard, answer: presence(ceremony.PersonSubstituted, "jonas-dahl", "substitute", "farah-noor")},
		&sheet{step: "generate", kind: ceremony.AskConfirm, answer: ceremony.Answer{Action: ceremony.TakeBreak, Fields: map[string]string{"stay": "marta-brandt", "stay-too": "amara-okafor"}}},
		&sheet{step: "fingerprint", kind: ceremony.AskConfirm, answer: presence(ceremony.PersonLeft, "amara-okafor")},
		&sheet{step: "fingerprint", kind: ceremony.AskConfirm, answer: decided("decision", "lock-out", "person", "li-chen", "severity", "major", "effect", "nothing of what Li Chen saw is claimed")})
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if strings.Contains(p.Title, "unwatched") && s.State().Open.Gone("amara-okafor") {
			*a = presence(ceremony.PersonReturned, "amara-okafor")
			return
		}
		sheets(p, a)
	}
	o.Plan.Order = leaf.String()
	must(s.Hold(t.Context(), o.Plan))
	tr.change = with(&sheet{step: "new-key", kind: ceremony.AskConfirm, answer: decided()})
	about(t, s, "enrol", map[string]string{"people": "nadia-haddad custodian"})
	about(t, s, "enrol", map[string]string{"what": "change", "people": "nadia-haddad owner"})
	about(t, s, "enrol", map[string]string{"what": "new-key", "people": "rui-santos"})
	about(t, s, "retire", map[string]string{"person": "nadia-haddad"})
	read, err := ceremony.ReadPolicy(assets.Policy())
	must(err)
	sum, err := read.SHA256()
	must(err)
	must(os.WriteFile(s.Folder.Policy(), assets.Policy(), 0o600))
	src, err := os.ReadFile(filepath.Join("..", "..", "testdata", "scripts", "change-policy.yaml"))
	must(err)
	must(s.Begin(t.Context(), src, map[string]string{"policy": sum.String()}))
	must(s.Withdraw(t.Context(), ledger.BlobHash(o.Script), spare.String(), "tomas-novak", "not needed"))
	must(s.Withdraw(t.Context(), ledger.BlobHash(o.Script), "", "tomas-novak", "a newer one is there"))
	must(s.RegisterScript(t.Context(), o.Script, "tomas-novak"))
	var all []ledger.Record
	for r, err := range s.Record().Records(t.Context(), 0, s.State().Size) {
		must(err)
		all = append(all, r)
	}
	return s, all
}

// TestRulesOfPeopleRefuseByName: what people may and may not do, each rule broken
// by one record of a ledger that is sound up to it.
func TestRulesOfPeopleRefuseByName(t *testing.T) {
	t.Parallel()
	s, all := lived(t)
	eachRefused(t, s, all, peopleForgeries(t, all))
}

func peopleForgeries(t *testing.T, all []ledger.Record) map[string]forgery {
	t.Helper()
	bodyOf := func(r ledger.Record) any {
		b, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := func(kind string, also func(any) bool) (ledger.Record, any) {
		for _, r := range all {
			if r.Kind == kind {
				if b := bodyOf(r); also == nil || also(b) {
					return r, b
				}
			}
		}
		t.Fatalf("no %s", kind)
		return ledger.Record{}, nil
	}
	at := func(kind string, also func(any) bool) func(ledger.Record, any) bool {
		return func(r ledger.Record, b any) bool { return r.Kind == kind && (also == nil || also(b)) }
	}
	// other puts another record in the place of the true one.
	other := func(kind string, body func(r ledger.Record) any) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			r := upTo[len(upTo)-1]
			return ledger.Draft{Ceremony: r.Ceremony, Kind: kind, V: 1, Time: r.Time, Body: body(r)}
		}
	}
	src := generation(t)
	ordered, _ := first(ceremony.OrderedKind, nil)
	spare, _ := first(ceremony.ScriptWithdrawnKind, func(b any) bool { return b.(*ceremony.ScriptWithdrawn).Order != "" })
	spareOrder := bodyOf(spare).(*ceremony.ScriptWithdrawn).Order
	held := func(b any) bool { return b.(*ceremony.Started).Order != "" }
	_, heldBody := first(ceremony.StartedKind, held)
	// startsLike begins the ordered ceremony once more, changed.
	startsLike := func(change func(*ceremony.Started)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			b := *heldBody.(*ceremony.Started)
			b.People = append([]ceremony.Part{}, b.People...)
			change(&b)
			return ledger.Draft{Ceremony: "2099-001", Kind: ceremony.StartedKind, V: 1, Time: upTo[len(upTo)-1].Time, Body: b}
		}
	}
	practice := func(change func(*ceremony.Started)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return startsLike(func(b *ceremony.Started) {
			b.Order = ""
			b.Parameters = map[string]string{}
			for k, v := range heldBody.(*ceremony.Started).Parameters {
				b.Parameters[k] = v
			}
			b.Parameters["label"] = "another-key"
			change(b)
		})
	}
	enrols := func(person string) func(any) bool {
		return func(b any) bool { return b.(*ceremony.PersonEnrolled).Person == person }
	}
	registered := at(ceremony.ScriptRegisteredKind, nil)
	returns := 0
	out := map[string]forgery{}
	add := func(name, rule string, at func(ledger.Record, any) bool, forge func(*testing.T, []ledger.Record, any) ledger.Draft) {
		out[name] = forgery{rule: rule, at: at, forge: forge}
	}
	same := func(change func(body any)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
			change(body)
			return draft(upTo[len(upTo)-1], body)
		}
	}
	order := func(name, rule string, change func(*ceremony.Ordered)) {
		add("an order "+name, rule, at(ceremony.OrderedKind, nil), same(func(b any) { change(b.(*ceremony.Ordered)) }))
	}
	order("by a custodian", "order.approver", func(b *ceremony.Ordered) { b.Approver = "farah-noor" })
	order("that nobody signed", "order.signature", func(b *ceremony.Ordered) { b.Signatures = []ceremony.SignedBy{} })
	order("for values that the script does not make", "order.parameters", func(b *ceremony.Ordered) { delete(b.Parameters, "purpose") })
	order("for another owner", "order.owner", func(b *ceremony.Ordered) { b.Owner = "farah-noor" })
	order("on a key of their own", "role.conflict", func(b *ceremony.Ordered) { b.Approver = "dana-weiss" })
	order("without a window", "order.window", func(b *ceremony.Ordered) { b.Until = b.From })
	order("on something that is no paper", "order.paper", func(b *ceremony.Ordered) { b.Paper = "abc" })
	order("changed after it was signed", "signoff.signature", func(b *ceremony.Ordered) { b.Reference = "REQ-9" })

	start := func(name, rule string, change func(*ceremony.Started)) {
		add("a ceremony "+name, rule, at(ceremony.StartedKind, held), same(func(b any) { change(b.(*ceremony.Started)) }))
	}
	start("on no order of this site", "order.unknown", func(b *ceremony.Started) { b.Order = ledger.Hash{7}.String() })
	start("of another script", "order.script", func(b *ceremony.Started) {
		_, enrol := first(ceremony.StartedKind, func(b any) bool { return b.(*ceremony.Started).Order == "" && b.(*ceremony.Started).Token != "" })
		b.Script = enrol.(*ceremony.Started).Script
	})
	edited := append(slices.Clone(src), '\n')
	out["one byte of the script was changed after its order"] = forgery{rule: "order.script", at: at(ceremony.StartedKind, held),
		stored: func() [][]byte { return [][]byte{edited} }, forge: same(func(b any) { b.(*ceremony.Started).Script = ledger.BlobHash(edited) })}
	start("with another value", "order.parameters", func(b *ceremony.Started) { b.Parameters["lifetime"] = "1y" })
	start("with other people", "order.people", func(b *ceremony.Started) { b.People = b.People[:len(b.People)-1] })
	start("on another token", "order.token", func(b *ceremony.Started) { b.Token = "0000000000000000" })
	add("a ceremony after its window", "order.window", at(ceremony.StartedKind, held), func(_ *testing.T, upTo []ledger.Record, body any) ledger.Draft {
		d := draft(upTo[len(upTo)-1], body)
		d.Time = d.Time.Add(48 * time.Hour)
		return d
	})
	add("a second ceremony on one order", "order.used", registered, startsLike(func(b *ceremony.Started) { b.Order = ordered.Leaf.String() }))
	add("a ceremony on a withdrawn order", "order.withdrawn", registered, startsLike(func(b *ceremony.Started) { b.Order = spareOrder }))
	add("a ceremony of a withdrawn script", "script.withdrawn", registered, practice(func(*ceremony.Started) {}))
	add("a script registered under another name", "script.invalid", registered, same(func(b any) { b.(*ceremony.ScriptRegistered).Name = "another" }))
	add("a script registered by nobody", "order.approver", registered, same(func(b any) { b.(*ceremony.ScriptRegistered).Signatures = []ceremony.SignedBy{} }))
	lastWithdrawn := at(ceremony.ScriptWithdrawnKind, func(b any) bool { return b.(*ceremony.ScriptWithdrawn).Order == "" })
	add("a withdrawal without a reason", "script.reason", lastWithdrawn, same(func(b any) { b.(*ceremony.ScriptWithdrawn).Reason = "" }))
	add("a retired person takes part", "person.retired", lastWithdrawn, practice(func(b *ceremony.Started) { b.People[len(b.People)-1].Person = "nadia-haddad" }))
	add("the administrator holds a share", "role.holds-share", lastWithdrawn, practice(func(b *ceremony.Started) { b.People[0].Person = "farah-noor" }))
	add("the owner acts as officer", "role.conflict", lastWithdrawn, practice(func(b *ceremony.Started) { b.Parameters["owner"] = "priya-kapoor" }))

	adopted := at(ceremony.SitePolicyKind, func(b any) bool { return b.(*ceremony.SitePolicy).Version == 2 })
	policy := func(name, rule string, change func(*ceremony.SitePolicy)) {
		add("a policy "+name, rule, adopted, same(func(b any) { change(b.(*ceremony.SitePolicy)) }))
	}
	policy("that leaves a version out", "policy.version", func(b *ceremony.SitePolicy) { b.Version = 3 })
	policy("other than its hash says", "policy.sha-256", func(b *ceremony.SitePolicy) { b.Policy.OneManager = true })
	policy("other than was ordered", "policy.ordered", func(b *ceremony.SitePolicy) {
		b.Policy.Title = "Another"
		sum, err := b.Policy.SHA256()
		if err != nil {
			t.Fatal(err)
		}
		b.SHA256 = sum
	})
	policy("with a quorum of one", "policy.invalid", func(b *ceremony.SitePolicy) { b.Policy.Quorums[0].Least = 1 })
	add("a policy that the approver did not sign", "step.unsigned", at(ceremony.SignOffKind, func(b any) bool {
		return b.(*ceremony.SignOff).Act == ceremony.ActStep && b.(*ceremony.SignOff).Step == "policy"
	}), other(ceremony.ResultKind, func(r ledger.Record) any {
		so := bodyOf(r).(*ceremony.SignOff)
		return ceremony.Result{Attempt: so.Attempt, Facts: []ceremony.Line{}, Outcome: ceremony.Finished, Step: so.Step}
	}))

	enrolled := func(name, rule, person string, change func(*ceremony.PersonEnrolled)) {
		add("an enrolment "+name, rule, at(ceremony.PersonEnrolledKind, enrols(person)), same(func(b any) { change(b.(*ceremony.PersonEnrolled)) }))
	}
	enrolled("without a document", "person.document", "nadia-haddad", func(b *ceremony.PersonEnrolled) { b.Document = "" })
	enrolled("without duties", "person.duties", "nadia-haddad", func(b *ceremony.PersonEnrolled) { b.Duties[0] ^= 1 })
	enrolled("seen by one", "enrol.seen", "nadia-haddad", func(b *ceremony.PersonEnrolled) { b.SeenBy[1] = b.SeenBy[0] })
	enrolled("of somebody known", "person.known", "nadia-haddad", func(b *ceremony.PersonEnrolled) { b.Person = "dana-weiss" })
	enrolled("of somebody else", "person.step", "nadia-haddad", func(b *ceremony.PersonEnrolled) { b.Person = "sven-lund" })
	enrolled("under another's key", "person.key", "nadia-haddad", func(b *ceremony.PersonEnrolled) { b.Key = knownKey(first) })
	enrolled("changed after it was signed", "person.signature", "nadia-haddad", func(b *ceremony.PersonEnrolled) { b.Manager = "Somebody Else" })
	enrolled("as administrator and custodian", "role.conflict", "marta-brandt", func(b *ceremony.PersonEnrolled) { b.Roles = []string{"administrator", "custodian"} })
	add("an enrolment for which nobody vouched", "enrol.vouch", at(ceremony.SignOffKind, func(b any) bool {
		// The opening's founders are vouched for in a step of the same name.
		so := b.(*ceremony.SignOff)
		return so.Act == ceremony.ActEnrol && so.Person == "marta-brandt"
	}), other(ceremony.ResultKind, func(r ledger.Record) any {
		so := bodyOf(r).(*ceremony.SignOff)
		return ceremony.Result{Attempt: so.Attempt, Facts: []ceremony.Line{}, Outcome: ceremony.Finished, Step: so.Step}
	}))
	add("a change of somebody who takes part", "person.aside", at(ceremony.PersonChangedKind, nil), same(func(b any) { b.(*ceremony.PersonChanged).Person = "li-chen" }))
	add("a change that another signed", "person.signature", at(ceremony.PersonChangedKind, nil), same(func(b any) { b.(*ceremony.PersonChanged).Manager = "Somebody Else" }))
	add("a new key without a deviation", "person.rekey", at(ceremony.PersonRekeyedKind, nil), same(func(b any) { b.(*ceremony.PersonRekeyed).Deviation = 0 }))
	add("a new key that one person saw", "enrol.seen", at(ceremony.PersonRekeyedKind, nil), same(func(b any) { b.(*ceremony.PersonRekeyed).SeenBy = []string{"marta-brandt"} }))
	add("a retirement that hides what is held", "person.holds", at(ceremony.PersonRetiredKind, nil), same(func(b any) { b.(*ceremony.PersonRetired).Holds = []string{"card 9"} }))

	// Between the change and the retirement there are two owners.
	rekeys := func(r ledger.Record, b any) bool {
		st, ok := b.(*ceremony.Started)
		return ok && st.Parameters["what"] == "new-key"
	}
	generated, _ := first(ceremony.KeyGeneratedKind, nil)
	out["a key activated by another owner"] = forgery{rule: "key.owner", at: rekeys,
		first: func(t *testing.T, before []ledger.Record) []ledger.Record {
			return behind(t, before, ledger.Draft{Ceremony: generated.Ceremony, Kind: ceremony.ReportMadeKind, V: 1, Time: before[len(before)-1].Time, Body: ceremony.ReportMade{}})
		},
		forge: func(_ *testing.T, upTo []ledger.Record, _ any) ledger.Draft {
			b := ceremony.KeyChanged{At: ceremony.Date(generated.Time), Key: bodyOf(generated).(*ceremony.KeyGenerated).ID, Reason: "forged", State: ceremony.Active}
			for _, part := range []ceremony.Part{{Person: "nadia-haddad", Role: "owner"}, {Person: "tomas-novak", Role: "approver"}} {
				enrolment, _ := first(ceremony.PersonEnrolledKind, enrols(part.Person))
				b.Signatures = append(b.Signatures, ceremony.SignedBy{Key: enrolment.Leaf, Person: part.Person, Role: part.Role, Signature: "00"})
			}
			return ledger.Draft{Kind: ceremony.KeyActivatedKind, V: 1, Time: upTo[len(upTo)-1].Time, Body: b}
		}}

	inHeld := func(kind string, also func(any) bool) func(ledger.Record, any) bool {
		return func(r ledger.Record, b any) bool {
			return r.Seq > ordered.Seq && r.Kind == kind && (also == nil || also(b))
		}
	}
	add("somebody arrives who takes no part", "presence.part", inHeld(ceremony.ArrivedKind, nil), same(func(b any) { b.(*ceremony.Arrived).Person = "dana-weiss" }))
	add("a statement of somebody who signs", "presence.statement", inHeld(ceremony.LeftKind, nil), same(func(b any) { b.(*ceremony.Left).Statement = "I saw it." }))
	add("a step while the witness is out", "presence.occupancy", func(r ledger.Record, b any) bool {
		if r.Seq > ordered.Seq && r.Kind == ceremony.ArrivedKind && b.(*ceremony.Arrived).Person == "amara-okafor" {
			returns++
		}
		return returns == 2
	}, other(ceremony.StepStartedKind, func(ledger.Record) any {
		return ceremony.StepStarted{Attempt: 2, Kind: "read-fingerprint", Step: "fingerprint", Version: 1}
	}))
	add("a substitution that nobody decided", "presence.substitute", inHeld(ceremony.SubstitutedKind, nil), same(func(b any) { b.(*ceremony.Substituted).Deviation = 9 }))
	add("a substitute who is told otherwise", "context.untrue", inHeld(ceremony.SubstitutedKind, nil), same(func(b any) { b.(*ceremony.Substituted).Comes.Enrolled.Name = "Someone Else" }))
	begins := func(b any) bool { return !b.(*ceremony.Break).Ended }
	ends := func(b any) bool { return b.(*ceremony.Break).Ended }
	add("a break in which one stays", "presence.stay", inHeld(ceremony.BreakKind, begins), same(func(b any) { b.(*ceremony.Break).Stay = []string{"marta-brandt"} }))
	add("a break with the token open", "presence.break", inHeld(ceremony.TokenClosedKind, nil), other(ceremony.BreakKind, func(ledger.Record) any {
		return ceremony.Break{Stay: []string{"marta-brandt", "amara-okafor"}}
	}))
	add("a step in a break", "presence.break", inHeld(ceremony.BreakKind, ends), other(ceremony.StepStartedKind, func(ledger.Record) any {
		return ceremony.StepStarted{Attempt: 2, Kind: "authorise", Step: "authorise", Version: 1}
	}))
	add("an authorisation of who went in a break", "authorise.lapsed", inHeld(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" }), same(func(b any) {
		var gone []ledger.Hash
		for _, r := range all {
			if so, ok := bodyOf(r).(*ceremony.SignOff); ok && r.Seq > ordered.Seq && so.Act == ceremony.ActAuthorise && so.Step == "generate" && so.Attempt == 1 {
				gone = append(gone, r.Leaf)
			}
		}
		b.(*ceremony.Intent).Authorisations = gone
	}))
	decision := func(name, rule string, change func(*ceremony.DeviationDecided)) {
		add("a deviation "+name, rule, inHeld(ceremony.DeviationDecidedKind, nil), same(func(b any) { change(b.(*ceremony.DeviationDecided)) }))
	}
	decision("that a custodian decides", "deviation.decider", func(b *ceremony.DeviationDecided) { b.By = "li-chen" })
	decision("that one person heard", "deviation.heard", func(b *ceremony.DeviationDecided) { b.HeardBy = b.HeardBy[:1] })
	decision("heard by somebody who is not there", "deviation.heard", func(b *ceremony.DeviationDecided) { b.HeardBy[0] = "dana-weiss" })
	decision("decided in no known way", "deviation.decision", func(b *ceremony.DeviationDecided) { b.Decision = "ignore" })
	decision("replaced by nothing", "deviation.decision", func(b *ceremony.DeviationDecided) { b.Decision = ceremony.DecideReplace })
	decision("of another number", "deviation.number", func(b *ceremony.DeviationDecided) { b.Number = 9 })
	decision("with a day and nothing to do", "deviation.corrective", func(b *ceremony.DeviationDecided) { b.Due = "2026-03-31" })
	decision("to be mended some day", "deviation.corrective", func(b *ceremony.DeviationDecided) { b.Corrective, b.Due = "new bags are bought", "soon" })
	raised := func(name, rule string, change func(*ceremony.DeviationRaised)) {
		add("a deviation "+name, rule, inHeld(ceremony.DeviationRaisedKind, nil), same(func(b any) { change(b.(*ceremony.DeviationRaised)) }))
	}
	add("a deviation that limits a claim without a word about it", "deviation.effect", inHeld(ceremony.DeviationDecidedKind, func(b any) bool { return b.(*ceremony.DeviationDecided).Effect != "" }),
		same(func(b any) { b.(*ceremony.DeviationDecided).Effect = "" }))
	raised("of no class", "deviation.class", func(b *ceremony.DeviationRaised) { b.Class = "" })
	raised("of no severity", "deviation.severity", func(b *ceremony.DeviationRaised) { b.Severity = "usual" })
	raised("that is minor though a key was exposed", "deviation.severity", func(b *ceremony.DeviationRaised) { b.Exposed = "yes" })
	raised("that nobody describes", "deviation.text", func(b *ceremony.DeviationRaised) { b.Happened = "" })
	withheld := inHeld(ceremony.SignOffWithheldKind, nil)
	add("a silence that one attests", "signoff.attested", withheld, same(func(b any) {
		w := b.(*ceremony.SignOffWithheld)
		w.AttestedBy[1] = w.AttestedBy[0]
	}))
	add("a silence without a word about it", "signoff.withheld", withheld, same(func(b any) { b.(*ceremony.SignOffWithheld).Reason = "" }))
	add("a silent authorisation", "signoff.act", withheld, same(func(b any) { b.(*ceremony.SignOffWithheld).Act = ceremony.ActAuthorise }))
	add("a sign-off of who is locked out", "signoff.locked-out", withheld, other(ceremony.SignOffKind, func(r ledger.Record) any {
		w := bodyOf(r).(*ceremony.SignOffWithheld)
		return ceremony.SignOff{Act: w.Act, Attempt: w.Attempt, Person: w.Person, Role: w.Role, Signature: hex.EncodeToString(make([]byte, 64)), Step: w.Step, Verdict: ceremony.Agree}
	}))
	return out
}

// knownKey is the key of somebody who was enrolled before.
func knownKey(first func(string, func(any) bool) (ledger.Record, any)) string {
	_, b := first(ceremony.PersonEnrolledKind, nil)
	return b.(*ceremony.PersonEnrolled).Key
}

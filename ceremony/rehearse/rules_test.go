package rehearse

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// forgery is a record that the rules refuse, forced after the first cut records
// of a real ledger by someone who writes the file without the program.
type forgery struct {
	rule string
	// at finds where the true record stands whose place the forged one takes.
	at func(r ledger.Record, body any) bool
	// forge makes it from the true one.
	forge func(t *testing.T, all []ledger.Record, body any) ledger.Draft
}

func draft(r ledger.Record, body any) ledger.Draft {
	return ledger.Draft{Ceremony: r.Ceremony, Kind: r.Kind, V: r.V, Time: r.Time, Body: body}
}

func forgeries(number string) map[string]forgery {
	of := func(kind string, also func(body any) bool) func(ledger.Record, any) bool {
		return func(r ledger.Record, body any) bool {
			return r.Ceremony == number && r.Kind == kind && (also == nil || also(body))
		}
	}
	authorisation := func(nth string) func(any) bool {
		return func(b any) bool { s := b.(*ceremony.SignOff); return s.Act == ceremony.ActAuthorise && s.Person == nth }
	}
	// same: a changed body in the place of the true record.
	same := func(change func(t *testing.T, all []ledger.Record, body any)) func(*testing.T, []ledger.Record, any) ledger.Draft {
		return func(t *testing.T, all []ledger.Record, body any) ledger.Draft {
			change(t, all, body)
			return draft(all[len(all)-1], body)
		}
	}
	find := func(t *testing.T, all []ledger.Record, kind string, also func(any) bool) (ledger.Record, any) {
		t.Helper()
		for _, r := range all {
			b, err := ceremony.Body(r)
			if err != nil {
				t.Fatal(err)
			}
			if r.Ceremony == number && r.Kind == kind && (also == nil || also(b)) {
				return r, b
			}
		}
		t.Fatalf("no %s", kind)
		return ledger.Record{}, nil
	}
	return map[string]forgery{
		"one officer for both": {"authorise.same-person", of(ceremony.SignOffKind, authorisation("rui-santos")),
			same(func(t *testing.T, all []ledger.Record, body any) {
				b := body.(*ceremony.SignOff)
				_, first := find(t, all, ceremony.SignOffKind, authorisation("priya-kapoor"))
				b.Person, b.Key = "priya-kapoor", first.(*ceremony.SignOff).Key
			})},
		"one person for both signatures of a phase": {"signoff.twice", of(ceremony.SignOffKind, func(b any) bool { s := b.(*ceremony.SignOff); return s.Act == ceremony.ActPhase && s.Role == "witness" }),
			same(func(t *testing.T, all []ledger.Record, body any) {
				b := body.(*ceremony.SignOff)
				_, first := find(t, all, ceremony.SignOffKind, func(o any) bool {
					s := o.(*ceremony.SignOff)
					return s.Act == ceremony.ActPhase && s.Step == b.Step && s.Person != b.Person
				})
				*b = *first.(*ceremony.SignOff)
			})},
		"a result without its intent": {"result.intent", of(ceremony.ResultKind, func(b any) bool { return !b.(*ceremony.Result).Intent.IsZero() }),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Result)
				b.Intent[0] ^= 1
			})},
		"a key without its intent": {"result.intent", of(ceremony.KeyGeneratedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.KeyGenerated)
				b.Intent[0] ^= 1
			})},
		"an extractable key told as one that never leaves": {"key.readback", of(ceremony.KeyGeneratedKind, nil),
			same(func(t *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.KeyGenerated)
				i := slices.IndexFunc(b.Attributes, func(a ceremony.Attribute) bool { return a.Name == "never-extractable" })
				b.Attributes[i].Value = "false"
			})},
		"a consumed authorisation": {"authorise.consumed", of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "prove-possession" }),
			func(t *testing.T, all []ledger.Record, body any) ledger.Draft {
				// The generation again, under the authorisation that it used, as if
				// its result had said that it was not done.
				true1 := all[len(all)-1]
				return draft(true1, body)
			}},
		"an act nobody authorised": {"act.unauthorised", of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" }),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Intent)
				b.Authorisations = b.Authorisations[:1]
			})},
		"another act than authorised": {"intent.act", of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" }),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.Intent).Act.With["label"] = "another-key"
			})},
		"an authorisation that was never given": {"authorise.lapsed", of(ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "generate-key" }),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.Intent).Authorisations[0][0] ^= 1
			})},
		"a sign-off over other content": {"signoff.shown", of(ceremony.SignOffKind, func(b any) bool { return b.(*ceremony.SignOff).Act == ceremony.ActPhase }),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.SignOff).Shown[0] ^= 1
			})},
		"a step out of order": {"step.order", of(ceremony.StepStartedKind, func(b any) bool { return b.(*ceremony.StepStarted).Step == "workstation" }),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.StepStarted)
				b.Step, b.Kind = "generate", "generate-key"
			})},
		"a phase that is not signed": {"phase.unsigned", of(ceremony.SignOffKind, func(b any) bool { return b.(*ceremony.SignOff).Step == ceremony.PhaseStep(1) }),
			func(t *testing.T, all []ledger.Record, _ any) ledger.Draft {
				r := all[len(all)-1]
				return ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.StepStartedKind, V: 1, Time: r.Time, Body: ceremony.StepStarted{Attempt: 1, Kind: "identify-token", Step: "identify", Version: 1}}
			}},
		"a restated context that is not true": {"context.untrue", of(ceremony.ContextKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				body.(*ceremony.Context).People[0].Enrolled.Name = "Someone Else"
			})},
		"a person in a role not enrolled for": {"role.conflict", of(ceremony.StartedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Started)
				b.People[0].Person, b.People[1].Person = b.People[1].Person, b.People[0].Person
			})},
		"one person twice": {"role.conflict", of(ceremony.StartedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Started)
				b.People[3].Person = b.People[2].Person
			})},
		"too few custodians": {"role.missing", of(ceremony.StartedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.Started)
				b.People = b.People[:len(b.People)-1]
			})},
		"a custodian with another's card": {"token.cards", of(ceremony.LoginTriedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.LoginTried)
				b.Cards[0].Index, b.Cards[1].Index = b.Cards[1].Index, b.Cards[0].Index
			})},
		"a login with one card": {"token.cards", of(ceremony.LoginTriedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.LoginTried)
				b.Cards = b.Cards[:1]
			})},
		"a login without cards": {"token.cards", of(ceremony.LoginTriedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.LoginTried).Cards = []ceremony.Held{} })},
		"a login that could lock, and nobody decided": {"token.could-lock", of(ceremony.LoginTriedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.LoginTried).Flags = "final try" })},
		"a decision about a login that needs none": {"token.could-lock", of(ceremony.LoginTriedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.LoginTried).Decision = 1 })},
		"a login that was not recorded before": {"token.login", of(ceremony.TokenOpenedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.TokenOpened).Login[0] ^= 1 })},
		"a seal before the attestations": {"seal.early", of(ceremony.StepStartedKind, func(b any) bool { return b.(*ceremony.StepStarted).Step == "attest" }),
			func(t *testing.T, all []ledger.Record, _ any) ledger.Draft {
				r := all[len(all)-1]
				first, _ := find(t, all, ceremony.StartedKind, nil)
				return ledger.Draft{Ceremony: r.Ceremony, Kind: ceremony.SealedKind, V: 1, Time: r.Time,
					Body: ceremony.Sealed{Count: r.Seq - first.Seq + 1, First: first.Seq, NotAccepted: []string{}}}
			}},
		"a deviation left out of the seal": {"seal.untrue", of(ceremony.SealedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.Sealed).Deviations = 1 })},
		"a run that counts wrong": {"run.count", of(ceremony.SealedKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) { body.(*ceremony.Sealed).Count++ })},
		"another ceremony's record in the run": {"run.mixed", of(ceremony.StepStartedKind, nil),
			func(_ *testing.T, all []ledger.Record, body any) ledger.Draft {
				d := draft(all[len(all)-1], body)
				d.Ceremony = "2020-001"
				return d
			}},
		"a signature by another key": {"signoff.signature", of(ceremony.SignOffKind, nil),
			same(func(_ *testing.T, _ []ledger.Record, body any) {
				b := body.(*ceremony.SignOff)
				first := byte('0')
				if b.Signature[0] == '0' {
					first = '1'
				}
				b.Signature = string(first) + b.Signature[1:]
			})},
		"a clock that went back": {"time.back", of(ceremony.StepStartedKind, nil),
			func(_ *testing.T, all []ledger.Record, body any) ledger.Draft {
				d := draft(all[len(all)-1], body)
				d.Time = all[0].Time.Add(-1)
				return d
			}},
	}
}

// played is the ledger of a played ceremony: its records, and their blobs.
func played(t *testing.T) (*Site, []ledger.Record, string) {
	t.Helper()
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	return s, everything(t, s), s.State().Ceremonies[len(s.State().Ceremonies)-1].Number
}

func everything(t testing.TB, s *Site) []ledger.Record {
	t.Helper()
	var all []ledger.Record
	for r, err := range s.Record().Records(t.Context(), 0, s.State().Size) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestRulesRefuseByName(t *testing.T) {
	s, all, number := played(t)
	eachRefused(t, s, all, forgeries(number))
}

// eachRefused forces each forged record into a copy of the ledger: the checker
// names the rule and the record, and exits 1.
func eachRefused(t *testing.T, s *Site, all []ledger.Record, forged map[string]forgery, blobs ...[]byte) {
	t.Helper()
	for name, f := range forged {
		t.Run(name, func(t *testing.T) {
			cut := slices.IndexFunc(all, func(r ledger.Record) bool {
				b, err := ceremony.Body(r)
				return err == nil && f.at(r, b)
			})
			if cut < 0 {
				t.Fatal("the true record was not found")
			}
			body, err := ceremony.Body(all[cut])
			if err != nil {
				t.Fatal(err)
			}
			prefix := all[:cut]
			if f.rule == "authorise.consumed" {
				prefix, body = replay(t, all[:cut])
			}
			d := f.forge(t, all[:cut+1], body)
			path := force(t, s, prefix, d, blobs...)
			got, err := audit.Ledger(t.Context(), path, audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Findings) == 0 || got.Findings[0].Rule != f.rule || got.Findings[0].Seq != int64(len(prefix)) {
				t.Errorf("the checker finds %v, want %s at record %d", got.Findings, f.rule, len(prefix))
			}
			if got.Exit() != 1 {
				t.Errorf("the checker exits with %d, want 1", got.Exit())
			}
		})
	}
}

// replay makes the result of the generation say "not done", so that only the
// consumed authorisation stands against doing it again.
func replay(t *testing.T, prefix []ledger.Record) ([]ledger.Record, any) {
	t.Helper()
	var intent *ceremony.Intent
	var kept []ledger.Record
	for _, r := range prefix {
		b, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		if in, ok := b.(*ceremony.Intent); ok && in.Act.Do == "generate-key" {
			intent = in
			kept = append(kept, r)
			break
		}
		kept = append(kept, r)
	}
	last := kept[len(kept)-1]
	res := ceremony.Result{Attempt: intent.Attempt, Facts: []ceremony.Line{}, Intent: last.Leaf, Outcome: ceremony.NotDone, Step: intent.Step}
	rs, err := ledger.Build(ledger.Head{Size: int64(len(kept)), Last: last.Leaf}, ledger.Draft{Ceremony: last.Ceremony, Kind: ceremony.ResultKind, V: 1, Time: last.Time, Body: res})
	if err != nil {
		t.Fatal(err)
	}
	return append(kept, rs...), intent
}

// force writes records as someone would who has the file and not the program.
func force(t *testing.T, s *Site, prefix []ledger.Record, d ledger.Draft, blobs ...[]byte) string {
	t.Helper()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "ledger.db")
	st, err := sqlite.Create(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	empty, err := st.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	head, err := st.Append(ctx, empty, ledger.Batch{Records: prefix, Blobs: append(blobsOf(t, s), blobs...)})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := ledger.Build(head, d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Append(ctx, head, ledger.Batch{Records: rs}); err != nil {
		t.Fatal(err)
	}
	return path
}

// blobsOf copies every blob of the site's ledger.
func blobsOf(t *testing.T, s *Site) [][]byte {
	t.Helper()
	r, _, err := sqlite.OpenRead(t.Context(), s.Folder.Ledger())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out [][]byte
	for h, err := range r.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Blob(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// TestEngineRefusesBeforeTheAct: what the checker would find, the engine does
// not even begin.
func TestEngineRefusesBeforeTheAct(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	src := bytes.Replace(generation(t), []byte("by: { officer: 2 }"), []byte("by: { officer: 1 }"), 1)
	err := s.Begin(t.Context(), src, nil)
	var refusal *ceremony.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != "script.invalid" {
		t.Errorf("a script with one officer: got %v", err)
	}
	if len(tr.asked) > 0 {
		t.Error("people were asked before the script was refused")
	}
	holds(t, s, 0)
}

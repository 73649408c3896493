package rehearse

import (
	"context"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
)

// records gives the whole ledger of a site.
func records(t *testing.T, s *Site) []ledger.Record {
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

// TestRulesOfSharesAndBackups: each record that the rules of cards, sets and backups
// refuse is refused by its rule's name, forced into a real ledger by someone who has
// the file and not the program.
func TestRulesOfSharesAndBackups(t *testing.T) {
	s, all, forged := shared(t)
	eachRefused(t, s, all, forged)
}

// shared is a site with a backup whose cards were changed, and what is forged on it.
func shared(t *testing.T) (*Site, []ledger.Record, map[string]forgery) {
	t.Helper()
	s, key := backedUpSite(t)
	old := s.State().SetFor(s.Token(), "user")
	if err := s.Begin(t.Context(), source(t, "change-custodians"), nil); err != nil {
		t.Fatal(err)
	}
	all := records(t, s)
	item := func(want string) func(any) bool {
		return func(b any) bool {
			switch b := b.(type) {
			case *ceremony.ItemOpened:
				return b.Item == want
			case *ceremony.ItemDestroyed:
				return b.Item == want
			}
			return false
		}
	}
	instead := func(kind string, make func(t *testing.T, body any) any) func(*testing.T, ledger.Record, any) ledger.Draft {
		return func(t *testing.T, r ledger.Record, body any) ledger.Draft {
			return ledger.Draft{Ceremony: r.Ceremony, Kind: kind, V: 1, Time: r.Time, Body: make(t, body)}
		}
	}
	attests := func(b any) bool { return b.(*ceremony.SignOff).Act == ceremony.ActAttest }
	inBackup := func(r ledger.Record) bool {
		return s.State().Find(r.Ceremony) != nil && s.State().Find(r.Ceremony).Plan.Name == "key-backup"
	}
	inChange := func(r ledger.Record) bool {
		return s.State().Find(r.Ceremony) != nil && s.State().Find(r.Ceremony).Plan.Name == "change-custodians"
	}
	anywhere := func(ledger.Record) bool { return true }
	withoutCards := func(t *testing.T, body any) any {
		b := *body.(*ceremony.LoginTried)
		b.Cards = []ceremony.Held{}
		return b
	}
	out := map[string]forgery{}
	for name, f := range map[string]struct {
		rule  string
		where func(ledger.Record) bool
		kind  string
		also  func(any) bool
		forge func(*testing.T, ledger.Record, any) ledger.Draft
	}{
		"a card used that nobody took out of its bag": {"custody.unopened", inBackup, ceremony.ItemOpenedKind, nil,
			instead(ceremony.LoginTriedKind, func(t *testing.T, _ any) any {
				set := s.State().SetFor(s.Token(), "so").Body
				return ceremony.LoginTried{As: "so", Attempt: 1, Serial: s.Token(), Step: "load", Cards: []ceremony.Held{
					{Index: 1, Person: set.Cards[0].Holder, Set: set.Set}, {Index: 2, Person: set.Cards[1].Holder, Set: set.Set}}}
			})},
		"another bag than the record's": {"custody.bag", inBackup, ceremony.ItemOpenedKind, nil,
			instead(ceremony.ItemOpenedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.ItemOpened)
				b.Bag = "PR-OTHER"
				return b
			})},
		"a card moved that no witness watched": {"custody.witness", inBackup, ceremony.ItemOpenedKind, nil,
			instead(ceremony.ItemOpenedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.ItemOpened)
				b.Witness = b.Person
				return b
			})},
		"the security officer by activation cards": {"token.cards", inBackup, ceremony.LoginTriedKind, func(b any) bool { return b.(*ceremony.LoginTried).As == "so" },
			instead(ceremony.LoginTriedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.LoginTried)
				b.Cards = slices.Clone(b.Cards)
				for i := range b.Cards {
					b.Cards[i].Set = old.Body.Set
				}
				return b
			})},
		"the transport PIN after the cards rule": {"token.cards", inBackup, ceremony.LoginTriedKind, func(b any) bool { return b.(*ceremony.LoginTried).As == "so" },
			instead(ceremony.LoginTriedKind, withoutCards)},
		"no cards before the PIN is changed": {"token.cards", inChange, ceremony.LoginTriedKind, nil, instead(ceremony.LoginTriedKind, withoutCards)},
		"no cards after the PIN is changed": {"token.cards", inChange, ceremony.LoginTriedKind, func(b any) bool { return b.(*ceremony.LoginTried).Step == "open" },
			instead(ceremony.LoginTriedKind, withoutCards)},
		"no cards at a token whose PIN is not being changed": {"token.cards", inChange, ceremony.LoginTriedKind, func(b any) bool { return len(b.(*ceremony.LoginTried).Cards) == 0 },
			instead(ceremony.LoginTriedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.LoginTried)
				b.Serial = s.State().SecondToken(s.Token())
				return b
			})},
		"a key wrapped under no set's key": {"set.kcv", inBackup, ceremony.KeyWrappedKind, nil,
			instead(ceremony.KeyWrappedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.KeyWrapped)
				b.KCV = "000000"
				return b
			})},
		"a few bytes called a wrapped key": {"key.wrapped", inBackup, ceremony.KeyWrappedKind, nil,
			instead(ceremony.KeyWrappedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.KeyWrapped)
				b.Bytes = 8
				return b
			})},
		"a copy of another key than was authorised": {"copy.authorised", inBackup, ceremony.ArtifactStoredKind, nil,
			instead(ceremony.ArtifactStoredKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.ArtifactStored)
				b.Key = "00"
				return b
			})},
		"a copy written before anything was wrapped": {"key.unwrapped", inBackup, ceremony.IntentKind, func(b any) bool { return b.(*ceremony.Intent).Act.Do == "wrap-key" },
			instead(ceremony.IntentKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.Intent)
				b.Act = ceremony.Act{Do: "write-copy", With: map[string]string{"copy": "1", "id": b.Act.With["id"], "label": b.Act.With["label"], "set": b.Act.With["set"]}}
				return b
			})},
		"the first token as the second": {"token.known", anywhere, ceremony.TokenEnrolledKind, func(b any) bool { return b.(*ceremony.TokenEnrolled).Serial != s.Token() },
			instead(ceremony.TokenEnrolledKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.TokenEnrolled)
				b.Serial = s.Token()
				return b
			})},
		"a copy that is not what was wrapped": {"copy.other", inBackup, ceremony.ArtifactStoredKind, nil,
			instead(ceremony.ArtifactStoredKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.ArtifactStored)
				b.SHA256 = strings.Repeat("0", 64)
				return b
			})},
		"a second copy kept where the first is": {"copy.place", inBackup, ceremony.ArtifactStoredKind, func(b any) bool { return b.(*ceremony.ArtifactStored).Name == "medium M-2" },
			instead(ceremony.ArtifactStoredKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.ArtifactStored)
				b.Where = strings.ToUpper(s.State().Items["medium M-1"].Place) + " "
				return b
			})},
		"a restored key that is another": {"key.restored", inBackup, ceremony.KeyRestoredKind, nil,
			instead(ceremony.KeyRestoredKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.KeyRestored)
				b.Fingerprint = strings.Repeat("0", 64)
				return b
			})},
		"a test copy called kept": {"key.authorised", inBackup, ceremony.KeyRestoredKind, nil,
			instead(ceremony.KeyRestoredKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.KeyRestored)
				b.Test = false
				return b
			})},
		"a restore waived by the owner alone": {"key.waiver", inBackup, ceremony.KeyRestoredKind, nil,
			instead(ceremony.RestoreWaivedKind, func(t *testing.T, _ any) any {
				owner := s.State().People[key.Body.Owner]
				return ceremony.RestoreWaived{Key: key.Body.ID, Reason: "no time", Signatures: []ceremony.SignedBy{{Key: owner.Leaf, Person: owner.Body.Person, Role: "owner", Signature: "00"}}}
			})},
		"a new PIN before every card is read back": {"set.unread", inChange, ceremony.SetReadBackKind, nil,
			instead(ceremony.SetIssuedKind, func(t *testing.T, body any) any {
				for _, r := range all {
					b, err := ceremony.Body(r)
					if issued, ok := b.(*ceremony.SetIssued); err == nil && ok && issued.Intent == body.(*ceremony.SetReadBack).Intent {
						return *issued
					}
				}
				t.Fatal("the set was not found")
				return nil
			})},
		"another set withdrawn than the one that was changed": {"set.withdrawn", inChange, ceremony.SetWithdrawnKind, nil,
			instead(ceremony.SetWithdrawnKind, func(t *testing.T, _ any) any {
				return ceremony.SetWithdrawn{Set: s.State().SetFor(s.Token(), "user").Body.Set}
			})},
		"a card destroyed of a set in use": {"set.in-use", inChange, ceremony.ItemDestroyedKind, item(old.CardNames()[0]),
			instead(ceremony.ItemDestroyedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.ItemDestroyed)
				set := s.State().SetFor(s.Token(), "user")
				b.Item = set.CardNames()[0]
				return b
			})},
		"an attestation over a backup that was never tried": {"key.unrestored", inBackup, ceremony.StepStartedKind, func(b any) bool { return b.(*ceremony.StepStarted).Step == "restore" },
			func(t *testing.T, r ledger.Record, _ any) ledger.Draft {
				for _, other := range all {
					b, err := ceremony.Body(other)
					if err == nil && other.Ceremony == r.Ceremony && other.Kind == ceremony.SignOffKind && attests(b) {
						return ledger.Draft{Ceremony: r.Ceremony, Kind: other.Kind, V: 1, Time: r.Time, Body: b}
					}
				}
				t.Fatal("no attestation was found")
				return ledger.Draft{}
			}},
		"a second card for one person": {"custody.quorum", anywhere, ceremony.ItemSealedKind, func(b any) bool {
			i := b.(*ceremony.ItemSealed)
			return i.Kind == ceremony.CardItem && i.Index == 2 && !i.Intent.IsZero()
		},
			instead(ceremony.ItemSealedKind, func(t *testing.T, body any) any {
				b := *body.(*ceremony.ItemSealed)
				b.Person = old.Body.Cards[0].Holder
				return b
			})},
	} {
		out[name] = forgery{rule: f.rule,
			at: func(r ledger.Record, b any) bool {
				return r.Kind == f.kind && f.where(r) && (f.also == nil || f.also(b))
			},
			forge: func(t *testing.T, upTo []ledger.Record, body any) ledger.Draft {
				return f.forge(t, upTo[len(upTo)-1], body)
			}}
	}
	out["a card that the run says nothing of"] = forgottenCard(s, all, old)
	return s, all, out
}

// forgottenCard opens a card of a set that was withdrawn, and not yet destroyed, in a
// later ceremony whose context does not restate it.
func forgottenCard(s *Site, all []ledger.Record, old *ceremony.Set) forgery {
	card := old.CardNames()[2]
	var run ledger.Record
	return forgery{rule: "context.missing",
		at: func(r ledger.Record, b any) bool {
			destroyed, ok := b.(*ceremony.ItemDestroyed)
			return ok && destroyed.Item == card
		},
		first: func(t *testing.T, before []ledger.Record) []ledger.Record {
			last, started := before[len(before)-1], int64(0)
			var generation ceremony.Started
			for _, r := range all {
				b, ok := must(ceremony.Body(r)).(*ceremony.Started)
				switch {
				case ok && r.Ceremony == last.Ceremony:
					started = r.Seq
				case ok && b.Parameters["label"] != "":
					generation = *b
				}
			}
			put := func(number, kind string, body any) {
				before = behind(t, before, ledger.Draft{Ceremony: number, Kind: kind, V: 1, Time: last.Time, Body: body})
			}
			put(last.Ceremony, ceremony.AbortedKind, ceremony.Aborted{Count: last.Seq - started + 2, First: started, Reason: "forged"})
			generation.Parameters["label"] = "another-key"
			put("2099-001", ceremony.StartedKind, generation)
			put("2099-001", ceremony.ContextKind, stateAfter(t, s, before).Restate())
			run = before[len(before)-1]
			return before
		},
		forge: func(_ *testing.T, _ []ledger.Record, body any) ledger.Draft {
			destroyed := body.(*ceremony.ItemDestroyed)
			return ledger.Draft{Ceremony: run.Ceremony, Kind: ceremony.ItemOpenedKind, V: 1, Time: run.Time,
				Body: ceremony.ItemOpened{Bag: "any", Item: card, Person: destroyed.Person, Purpose: "forged", Seal: "intact", Witness: destroyed.Witness}}
		}}
}

// TestModuleOnlyKeyHasNoBackup is said before anyone comes together for it.
func TestModuleOnlyKeyHasNoBackup(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	size := s.State().Size
	tr.asked = nil
	err := s.Begin(t.Context(), source(t, "key-backup"), map[string]string{"key": "signing-key"})
	refusedBy(t, err, "key.protection")
	if err == nil || !strings.Contains(err.Error(), "signing-key was made to stay in its HSM for ever") {
		t.Errorf("got %v", err)
	}
	if s.State().Size != size || len(tr.asked) > 0 {
		t.Error("a refused backup left records, or people were asked")
	}
}

// TestBackupWithoutSecondToken: owner and approver waive the restore; on paper stand
// the reason, who answers for it, and what the workstation could have done.
func TestBackupWithoutSecondToken(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), generation(t), map[string]string{"protection": "wrap-backup"}); err != nil {
		t.Fatal(err)
	}
	refusedBy(t, s.Begin(t.Context(), source(t, "key-restore"), map[string]string{"key": "signing-key"}), "key.no-backup")
	refusedBy(t, s.Begin(t.Context(), source(t, "change-custodians"), map[string]string{"set": "QQQQ QQQQ"}), "set.none")
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if strings.HasPrefix(p.Title, "Try the backup of") {
			a.Fields["reason"] = "the second HSM comes next week"
		}
	}
	if err := s.Begin(t.Context(), source(t, "key-backup"), nil); err != nil {
		t.Fatal(err)
	}
	p := s.Last("key-backup")
	if len(p.Waived) != 1 || p.Waived[0].Reason != "the second HSM comes next week" || len(p.Waived[0].Signatures) != 2 {
		t.Errorf("waived %+v", p.Waived)
	}
	holds(t, s, 1)
	paper, _ := onPaper(t, s, p.Number)
	hasAll(t, paper, "Waived by Weiss, owner; Novak, approver: the second HSM comes next week",
		"What the workstation could do between the cards and the token the wrapping key was in the memory of this workstation, and so were the wrapped backups: while it held both, an altered program could have kept a copy of the key in the clear")
}

// TestLostCard: a card that is asked for and cannot be brought is recorded, and the
// next custodian is asked.
func TestLostCard(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	src := []byte(strings.Replace(string(generation(t)), "custodian: 2 }\nparameters", "custodian: 3 }\nparameters", 1))
	lost := false
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if strings.HasPrefix(p.Title, "Look at the bag of Li Chen") && !lost {
			lost = true
			a.Fields["seal"] = "it is lost"
		}
	}
	if err := s.Begin(t.Context(), src, nil); err != nil {
		t.Fatal(err)
	}
	set := s.State().SetFor(s.Token(), "user")
	if it := s.State().Items[set.CardNames()[0]]; it.State != ceremony.Lost {
		t.Errorf("the card of Li Chen is %s", it.State)
	}
	p := s.State().Ceremonies[len(s.State().Ceremonies)-1]
	var used []int
	for _, c := range p.Cards {
		used = append(used, c.Index)
	}
	if !slices.Equal(used, []int{2, 3}) {
		t.Errorf("opened by cards %v, want 2 and 3", used)
	}
}

// TestBrokenSeal: nothing is opened with a card whose seal was broken before
// somebody has decided.
func TestBrokenSeal(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	broken, decided := false, 0
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case strings.HasPrefix(p.Title, "Look at the bag of Li Chen") && !broken:
			broken = true
			a.Fields["seal"] = "broken"
		case p.Title == "The seal was broken":
			if decided++; decided == 2 {
				*a = ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{
					"expected": "an intact seal", "happened": "the bag was torn", "exposed": "unknown", "class": "script", "severity": "major", "effect": "nothing is claimed of it", "decision": "continue", "decided-by": "tomas-novak"}}
			}
		}
	}
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	if decided < 2 || len(s.State().Ceremonies[len(s.State().Ceremonies)-1].Deviations) != 1 {
		t.Errorf("asked %d times", decided)
	}
}

// typist answers as the window does: it keeps nothing of what is shown.
type typist struct{ *troupe }

func (t typist) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	if p.Kind == ceremony.ShowCard {
		return ceremony.Answer{}, nil
	}
	return t.troupe.Ask(ctx, p)
}

// TestCardsShownInAWindow: what the window shows once, the practice people have
// written down when they are asked to type it.
func TestCardsShownInAWindow(t *testing.T) {
	sc := before(t, "change-custodians")
	defer sc.clear()
	room := beside{typist{}}
	s, tr := sc.open(t, &fate{}, &room)
	defer s.Engine.Close()
	tr.site = s
	room.Room = s.Beside(typist{tr})
	if err := s.Begin(t.Context(), source(t, "change-custodians"), nil); err != nil {
		t.Fatal(err)
	}
	sc.opens(t)
}

type beside struct{ ceremony.Room }

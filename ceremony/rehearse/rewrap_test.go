package rehearse

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ledger"
)

// changedRecovery plays a change of the recovery set's custodians on a site with a
// backup, in memory, and gives the old set with the key that it opened.
func changedRecovery(t *testing.T, change func(ceremony.Prompt, *ceremony.Answer)) (*scene, *Site, *ceremony.Set, *ceremony.Key) {
	t.Helper()
	sc := before(t, "recovery-drill")
	t.Cleanup(sc.clear)
	s, tr := sc.open(t, &fate{}, nil)
	t.Cleanup(func() { s.Engine.Close() })
	old, key := s.State().SetFor(s.Token(), "so"), s.newestKey(backedUp)
	tr.change = change
	if err := s.Begin(t.Context(), source(t, "change-custodians"), map[string]string{"set": old.Body.Name}); err != nil {
		t.Fatal(err)
	}
	return sc, s, s.State().Sets[old.Body.Set], s.State().Keys[key.Body.ID]
}

// said gives the facts of a step under one label.
func said(p *ceremony.Progress, step, label string) string {
	var out []string
	for _, l := range p.Steps[step].Facts {
		if l.Label == label {
			out = append(out, l.Value)
		}
	}
	return strings.Join(out, "; ")
}

// cut gives the records before the first that fits, and its body.
func cut(t *testing.T, all []ledger.Record, fits func(ledger.Record, any) bool) ([]ledger.Record, any) {
	t.Helper()
	for i, r := range all {
		b, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		if fits(r, b) {
			return all[:i], b
		}
	}
	t.Fatal("the true record was not found")
	return nil, nil
}

// TestOldMediumThatStays: where an old medium is not destroyed, the old cards are
// needed. They stay in their bags and are due, and a record that destroys one is
// refused.
func TestOldMediumThatStays(t *testing.T) {
	sc, s, old, key := changedRecovery(t, func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title == "Destroy the old medium M-1" {
			a.Fields["result"] = ceremony.Fail
		}
	})
	p := newest(s, "change-custodians")
	if got := said(p, "withdraw", "Old cards"); !strings.Contains(got, "kept in their bags") || !strings.Contains(got, key.Body.Label) {
		t.Errorf("the report says of the old cards %q", got)
	}
	for _, name := range old.CardNames() {
		if it := s.State().Items[name]; it.State != ceremony.InCustody {
			t.Errorf("%s is %s", name, it.State)
		}
	}
	if due := s.State().SetsDue(); len(due) != 1 || due[0].Set != old || due[0].Wraps != key.Body.Label {
		t.Errorf("due %+v", due)
	}
	// Somebody forces the end of a card right after its set was withdrawn.
	all := sc.records(t)
	upTo, _ := cut(t, all, func(r ledger.Record, b any) bool {
		return r.Ceremony == p.Number && r.Kind == ceremony.SetWithdrawnKind
	})
	card := ceremony.ItemDestroyed{Category: "destroy", Item: old.CardNames()[0], Method: "shredded", Person: old.Body.Cards[0].Holder, Result: ceremony.Pass, Witness: "amara-okafor"}
	if rule := sc.refuses(t, all[:len(upTo)+1], ceremony.ItemDestroyedKind, card); rule != "set.still-wraps" {
		t.Errorf("a card that a backup needs is destroyed: refused by %q", rule)
	}
}

// TestOldMediumThatIsLost: its backup may survive, and cards that are destroyed are
// what makes it worthless; the report says so.
func TestOldMediumThatIsLost(t *testing.T) {
	for name, unsure := range map[string]int{"every old card is destroyed": 0, "of as many old cards as open it nobody is sure": 2} {
		t.Run(name, func(t *testing.T) {
			_, s, old, key := changedRecovery(t, func(p ceremony.Prompt, a *ceremony.Answer) {
				if slices.ContainsFunc(p.Facts, func(f ceremony.Fact) bool { return f.Value == "medium M-1" }) && p.Title == "Look at the bag of Priya Kapoor" {
					a.Fields["seal"] = "it is lost"
				}
				if strings.HasPrefix(p.Title, "Destroy card ") && strings.Contains("123"[:unsure], p.Title[len("Destroy card "):][:1]) {
					a.Fields["result"] = ceremony.UnknownIfAny
				}
			})
			if got := key.Copies[slices.IndexFunc(key.Copies, func(c ceremony.Copy) bool { return c.Name == "medium M-1" })].State; got != ceremony.CopyUnknown {
				t.Fatalf("the lost copy is %s", got)
			}
			p := newest(s, "change-custodians")
			if got := said(p, "withdraw", "Old backups may survive"); !strings.Contains(got, key.Body.Label) {
				t.Errorf("the report says of old backups %q", got)
			}
			gone := 0
			for _, name := range old.CardNames() {
				if s.State().Items[name].State == ceremony.Gone {
					gone++
				}
			}
			if gone != old.Body.Count-unsure {
				t.Errorf("%d old cards are destroyed, want %d", gone, old.Body.Count-unsure)
			}
			if unsure > 0 && !strings.Contains(said(p, "withdraw", "Cards not accounted for"), "opens the old backups that may survive") {
				t.Errorf("the report says of the cards %q", said(p, "withdraw", "Cards not accounted for"))
			}
		})
	}
}

// TestKeyThatOnlyBackupsHold is named before anyone comes together: its backup could
// not be made anew. Restored to another token first, it is wrapped there.
func TestKeyThatOnlyBackupsHold(t *testing.T) {
	sc := before(t, "recovery-drill")
	defer sc.clear()
	s, tr := sc.open(t, &fate{}, nil)
	defer s.Engine.Close()
	old, key := s.State().SetFor(s.Token(), "so"), s.newestKey(backedUp)
	if err := s.Begin(t.Context(), source(t, "key-destruction"), map[string]string{"key": key.Body.Label, "scope": "deletion"}); err != nil {
		t.Fatal(err)
	}
	size := s.State().Size
	tr.asked = nil
	err := s.Begin(t.Context(), source(t, "change-custodians"), map[string]string{"set": old.Body.Name})
	var refusal *ceremony.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != "key.only-backup" || !strings.Contains(err.Error(), key.Body.Label) || !strings.Contains(err.Error(), "key-restore") {
		t.Fatalf("got %v", err)
	}
	if s.State().Size != size || len(tr.asked) > 0 {
		t.Error("a refused change left records, or people were asked")
	}
	if err := s.Begin(t.Context(), source(t, "key-restore"), map[string]string{"key": key.Body.Label}); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(t.Context(), source(t, "change-custodians"), map[string]string{"set": old.Body.Name}); err != nil {
		t.Fatal(err)
	}
	p := newest(s, "change-custodians")
	if len(p.Wrapped) != 1 || p.Wrapped[0].Serial == s.Token() || len(p.Restored) != 1 || p.Restored[0].Serial != s.Token() {
		t.Errorf("wrapped %+v, tried %+v", p.Wrapped, p.Restored)
	}
	if due := s.State().SetsDue(); len(due) != 0 {
		t.Errorf("due %+v", due)
	}
	sc.sound(t)
}

// TestRulesOfBackupsMadeAnew: each refused by its rule's name.
func TestRulesOfBackupsMadeAnew(t *testing.T) {
	sc, s, old, key := changedRecovery(t, nil)
	number := newest(s, "change-custodians").Number
	all := sc.records(t)
	here := func(kind string, do string) func(ledger.Record, any) bool {
		return func(r ledger.Record, b any) bool {
			in, ok := b.(*ceremony.Intent)
			return r.Ceremony == number && r.Kind == kind && (do == "" || ok && in.Act.Do == do)
		}
	}
	_, ends := cut(t, all, here(ceremony.IntentKind, "destroy-copy"))
	oldBackup := key.Copies[slices.IndexFunc(key.Copies, func(c ceremony.Copy) bool { return c.Set == old.Body.Set })]
	for name, f := range map[string]struct {
		rule string
		at   func(ledger.Record, any) bool
		kind string
		body func(b any) any
	}{
		"an old medium destroyed before anything was wrapped anew": {"copy.needed", here(ceremony.IntentKind, "wrap-key"), ceremony.IntentKind, func(any) any { return *ends.(*ceremony.Intent) }},
		"an old medium destroyed before the new backup was tried":  {"copy.needed", here(ceremony.IntentKind, "restore-key"), ceremony.IntentKind, func(any) any { return *ends.(*ceremony.Intent) }},
		"an old medium destroyed that no act names": {"destroy.intent", here(ceremony.ItemDestroyedKind, ""), ceremony.ItemDestroyedKind, func(b any) any {
			d := *b.(*ceremony.ItemDestroyed)
			d.Item = "medium M-4"
			return d
		}},
		"the old backup tried instead of the new one": {"copy.other", here(ceremony.KeyRestoredKind, ""), ceremony.KeyRestoredKind, func(b any) any {
			k := *b.(*ceremony.KeyRestored)
			k.From = key.WrappedAs(oldBackup.SHA256).SHA256
			return k
		}},
		"a key wrapped under the old cards": {"set.kcv", here(ceremony.KeyWrappedKind, ""), ceremony.KeyWrappedKind, func(b any) any {
			w := *b.(*ceremony.KeyWrapped)
			w.Set, w.KCV = old.Body.Set, old.Body.KCV
			return w
		}},
	} {
		upTo, b := cut(t, all, f.at)
		if rule := sc.refuses(t, upTo, f.kind, f.body(b)); rule != f.rule {
			t.Errorf("%s: refused by %q, want %s", name, rule, f.rule)
		}
	}
}

// TestFailedCardIsDecided: a step that found a card which does not agree has no
// result before a deviation has decided about it.
func TestFailedCardIsDecided(t *testing.T) {
	sc := before(t, "share-check")
	defer sc.clear()
	s, _ := sc.open(t, &fate{}, nil)
	defer s.Engine.Close()
	if err := s.Begin(t.Context(), source(t, "share-check"), nil); err != nil {
		t.Fatal(err)
	}
	all := sc.records(t)
	upTo, b := cut(t, all, func(r ledger.Record, b any) bool { return r.Kind == ceremony.ItemCheckedKind })
	checked := *b.(*ceremony.ItemChecked)
	checked.Result = ceremony.Fail
	last := upTo[len(upTo)-1]
	failed, err := ledger.Build(ledger.Head{Size: last.Seq + 1, Last: last.Leaf}, ledger.Draft{Ceremony: last.Ceremony, Kind: ceremony.ItemCheckedKind, V: 1, Time: last.Time, Body: checked})
	if err != nil {
		t.Fatal(err)
	}
	_, b = cut(t, all, func(r ledger.Record, b any) bool {
		res, ok := b.(*ceremony.Result)
		return ok && res.Step == "check" && r.Ceremony == last.Ceremony
	})
	result := *b.(*ceremony.Result)
	if rule := sc.refuses(t, append(slices.Clone(upTo), failed...), ceremony.ResultKind, result); rule != "set.card-failed" {
		t.Errorf("refused by %q", rule)
	}
	result.Facts = []ceremony.Line{}
	if rule := sc.refuses(t, upTo, ceremony.ResultKind, result); rule != "set.unchecked" {
		t.Errorf("a check of no card is refused by %q", rule)
	}
}

// TestMediumOfTheOtherCopy: after an interruption people connect the medium of copy 1
// where copy 2 is looked for. Its file is the other copy's: copy 2 counts as not
// written, and is written to a medium of its own.
func TestMediumOfTheOtherCopy(t *testing.T) {
	sc := before(t, "key-backup")
	defer sc.clear()
	f := &fate{}
	s, tr := sc.open(t, f, nil)
	var one map[string]string
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch p.Title {
		case "Connect the medium for copy 1 of 2":
			one = a.Fields
		case "Connect the medium for copy 2 of 2":
			f.lastBatch = f.batches + 1 // the intent, and no result
		}
	}
	if err := s.Begin(t.Context(), source(t, "key-backup"), nil); !errors.Is(err, errDead) {
		t.Fatalf("got %v", err)
	}
	s.Engine.Close()
	s, tr = sc.open(t, &fate{}, nil)
	defer s.Engine.Close()
	asked := 0
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Title == "Connect the medium for copy 2 of 2" {
			if asked++; asked == 1 {
				a.Fields["folder"] = one["folder"]
			} else {
				a.Fields["medium"], a.Fields["folder"] = "M-3", t.TempDir()
			}
		}
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := newest(s, "key-backup")
	if len(p.Stored) != 2 || p.Stored[1].Name != "medium M-3" || p.Stored[0].File == p.Stored[1].File {
		t.Errorf("asked %d times, stored %+v", asked, p.Stored)
	}
	sc.sound(t)
}

// TestCopyWrittenAndNotRecorded: the program ends when a copy lies on its medium and
// no record says so. The next start looks for it there, by its hash, records it once,
// and has the medium bagged.
func TestCopyWrittenAndNotRecorded(t *testing.T) {
	for _, c := range stopped(t) {
		if c.script != "key-backup" && c.title != "change-custodians of a recovery set" && c.title != "change-custodians of a wrapping key alone" {
			continue // no backup is written
		}
		t.Run(c.title, func(t *testing.T) {
			f := &fate{}
			sc := before(t, c.on)
			defer sc.clear()
			s, tr := sc.open(t, f, nil)
			tr.change = func(p ceremony.Prompt, _ *ceremony.Answer) {
				if p.Title == "Connect the medium for copy 2 of 2" {
					f.lastBatch = f.batches + 1 // the intent, and no result
				}
			}
			if err := c.begin(t, s); !errors.Is(err, errDead) {
				t.Fatalf("got %v", err)
			}
			s.Engine.Close()
			s, _ = sc.open(t, &fate{}, nil)
			defer s.Engine.Close()
			if err := s.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := newest(s, c.script)
			if len(p.Stored) != 2 || p.Stored[0].SHA256 != p.Stored[1].SHA256 {
				t.Fatalf("stored %+v", p.Stored)
			}
			for _, a := range p.Stored {
				if it := s.State().Items[a.Name]; it == nil || it.State != ceremony.InCustody {
					t.Errorf("%s is not in a bag", a.Name)
				}
			}
			sc.sound(t)
			sc.opens(t)
		})
	}
}

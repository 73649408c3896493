package rehearse

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/steps"
)

// TestYesterdaysFilePutBack: the token remembers a later head than the file
// that was put back; the site is read-only, for ever, and nothing accepts it.
func TestYesterdaysFilePutBack(t *testing.T) {
	dir := copySite(t)
	yesterday := filepath.Join(t.TempDir(), "ledger.db")
	copyTo(t, filepath.Join(dir, "ledger.db"), yesterday)
	s, _ := openSite(t, setting(dir, nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, name := range []string{"ledger.db", "ledger.db-wal", "ledger.db-shm"} {
		os.Remove(filepath.Join(dir, name))
	}
	copyTo(t, yesterday, filepath.Join(dir, "ledger.db"))

	s, tr := openSite(t, setting(dir, nil))
	err := s.Begin(t.Context(), generation(t), nil)
	var problem *ceremony.Problem
	if !errors.As(err, &problem) || problem.Code != ceremony.HeadAhead {
		t.Fatalf("got %v, want a rollback", err)
	}
	for _, p := range tr.asked {
		for _, o := range p.Options {
			t.Errorf("an option %q was offered", o.Label)
		}
	}
	size := s.State().Size
	err = s.Resume(t.Context())
	var refusal *ceremony.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != "site.contradicted" {
		t.Errorf("resuming: got %v", err)
	}
	if s.State().Size != size {
		t.Error("a contradicted site was written")
	}
	s.Close()
	s, _ = openSite(t, setting(dir, nil))
	if s.State().Contradiction == "" {
		t.Error("the next start has forgotten the contradiction")
	}
	if _, _, findings, err := ceremony.Fold(t.Context(), s.Record(), steps.Kinds()); err != nil || len(findings) > 0 {
		t.Errorf("the record of the contradiction does not verify: %v %v", findings, err)
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSealIsCosigned: everyone who attested stands under the seal, by the key
// of that ceremony alone; a line by anyone else is refused.
func TestSealIsCosigned(t *testing.T) {
	s, all, number := played(t)
	if s.State().PeopleSignedTo != s.State().SignedTo || s.State().SignedTo == 0 {
		t.Errorf("people signed to %d, the HSM to %d", s.State().PeopleSignedTo, s.State().SignedTo)
	}
	for _, part := range s.State().Find(number).Body.People {
		if !strings.Contains(s.State().Note, "/person/"+part.Person+" ") {
			t.Errorf("%s did not cosign", part.Person)
		}
	}
	if len(all) == 0 {
		t.Fatal("no records")
	}
}

// moving is a workstation whose clock is set by a test, on top of the real one.
type moving struct {
	clock
	by *time.Duration
}

func (m moving) Now() time.Time { return time.Now().Add(*m.by) }

func TestClockJumpAsksForADeviation(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": 5 * time.Minute, "back": -5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			c := setting(copySite(t), nil)
			var moved time.Duration
			c.Host = moving{by: &moved}
			s, tr := openSite(t, c)
			told := 0
			tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
				if p.Title == "The clock jumped" {
					told++
					*a = ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{
						"expected": "a steady clock", "happened": "somebody set the clock", "exposed": "no", "class": "script", "severity": "minor", "decision": "continue", "decided-by": "tomas-novak"}}
				}
				if p.Step == "identify" {
					moved = by
				}
			}
			if err := s.Begin(t.Context(), generation(t), nil); err != nil {
				t.Fatal(err)
			}
			p := s.State().Ceremonies[len(s.State().Ceremonies)-1]
			if told != 1 || len(p.Jumps) != 1 || len(p.Deviations) != 1 {
				t.Errorf("told %d times, %d jumps, %d deviations; want one each", told, len(p.Jumps), len(p.Deviations))
			}
			holds(t, s, 1)
		})
	}
}

// TestTwoCopiesOnOneToken: somebody goes on with a copy of the file until it is
// longer than the true one; the token has signed the other history.
func TestTwoCopiesOnOneToken(t *testing.T) {
	dir := copySite(t)
	second := filepath.Join(t.TempDir(), "ledger.db")
	copyTo(t, filepath.Join(dir, "ledger.db"), second)
	s, _ := openSite(t, setting(dir, nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	signed := s.State().SignedTo
	s.Close()
	copyTo(t, second, filepath.Join(dir, "ledger.db"))
	s, tr := openSite(t, setting(dir, nil))
	brings(tr, "amara-okafor")
	for s.State().Size <= signed {
		if _, err := s.TakeIn(t.Context(), []byte(s.State().Note)); err != nil {
			t.Fatal(err)
		}
		tr.asked = nil
	}
	err := s.Begin(t.Context(), generation(t), nil)
	var problem *ceremony.Problem
	if !errors.As(err, &problem) || problem.Code != ceremony.HeadRewritten {
		t.Fatalf("got %v, want that the records were written again", err)
	}
	if s.State().Contradiction == "" {
		t.Error("the site is not read-only")
	}
	verified(t, s)
}

// TestOlderToken guards up to its own last use: it agrees with a ledger that
// went on without it, and not with one from before it was used last.
func TestOlderToken(t *testing.T) {
	dir := copySite(t)
	store := filepath.Join(dir, "practice", "tokens")
	before := filepath.Join(t.TempDir(), "ledger.db")
	copyTo(t, filepath.Join(dir, "ledger.db"), before)
	s, _ := openSite(t, setting(dir, nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	used, older := s.State().SignedTo, filepath.Join(t.TempDir(), "tokens")
	if err := os.CopyFS(older, os.DirFS(store)); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := errors.Join(os.RemoveAll(store), os.CopyFS(store, os.DirFS(older))); err != nil {
		t.Fatal(err)
	}
	s, _ = openSite(t, setting(dir, nil))
	// Whether the token still has what the ledger says is another question.
	err := s.Begin(t.Context(), generation(t), nil)
	if got := s.State().Compared["token "+s.Token()]; got != used || s.State().Contradiction != "" {
		t.Errorf("compared up to %d, want %d; %q, %v", got, used, s.State().Contradiction, err)
	}
	s.Close()
	copyTo(t, before, filepath.Join(dir, "ledger.db"))
	s, _ = openSite(t, setting(dir, nil))
	var problem *ceremony.Problem
	if err := s.Begin(t.Context(), generation(t), nil); !errors.As(err, &problem) || problem.Code != ceremony.HeadAhead {
		t.Errorf("a ledger from before its last use: %v", err)
	}
}

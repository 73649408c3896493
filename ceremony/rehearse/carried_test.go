package rehearse

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// brings lets a practice person bring what is taken in.
func brings(tr *troupe, person string) {
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Kind == ceremony.AskForm && p.Fields[0].Name == "person" {
			a.Fields["person"] = person
		}
	}
}

// verified demands that the checker finds nothing in what was written, and that
// the next start knows the same.
func verified(t *testing.T, s *Site) {
	t.Helper()
	again, _, findings, err := ceremony.Fold(t.Context(), s.Record(), steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Fatalf("the record does not verify: %v %v", findings, err)
	}
	if again.Contradiction != s.State().Contradiction || len(again.Compared) != len(s.State().Compared) {
		t.Errorf("the next start knows %q and %v", again.Contradiction, again.Compared)
	}
}

// TestCarriedCheckpointAgrees: in each spelling that a field or a scanner gives
// it, signed by who brought it, listed until the HSM covers it.
func TestCarriedCheckpointAgrees(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	brings(tr, "amara-okafor")
	old := s.State().Note
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	short, err := ledger.OnPaper(s.State().Note)
	if err != nil {
		t.Fatal(err)
	}
	if len(short) > 240+2*len("-practice") { // which a real site's lacks
		t.Errorf("a code on paper has to hold %d bytes", len(short))
	}
	for _, c := range []struct{ name, brought, result string }{
		{"a file", s.State().Note, ceremony.HeadAgrees},
		{"a file of another system", strings.ReplaceAll(s.State().Note, "\n", "\r\n"), ceremony.HeadAgrees},
		{"one line", strings.ReplaceAll(short, "\n", " "), ceremony.HeadAgrees},
		{"with blanks behind its lines", strings.ReplaceAll(s.State().Note, "\n", " \t\r\n"), ceremony.HeadAgrees},
		{"without its empty line", strings.ReplaceAll(short, "\n\n", "\n"), ceremony.HeadAgrees},
		{"base64", base64.StdEncoding.EncodeToString([]byte(short)), ceremony.HeadAgrees},
		{"base64 in lines", base64.StdEncoding.EncodeToString([]byte(short))[:40] + "\n" + base64.StdEncoding.EncodeToString([]byte(short))[40:] + "\n", ceremony.HeadAgrees},
		{"an older one", old, ceremony.HeadOlder},
	} {
		size := s.State().Size
		b, err := s.TakeIn(t.Context(), []byte(c.brought))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		uncovered := s.State().Uncovered()
		last := uncovered[len(uncovered)-1]
		if res := audited(t, s.Folder.Ledger(), audit.Options{Checkpoints: [][]byte{[]byte(c.brought)}}); !res.Holds() {
			t.Errorf("%s: the checker finds %v", c.name, res.Findings)
		}
		if b.Result != c.result || last.Kind != ceremony.CheckpointCarriedKind || last.Seq != size {
			t.Errorf("%s: %q, uncovered at last %+v", c.name, b.Result, last)
		}
	}
	verified(t, s)
	told := s.Snapshot().Ledger.Compared
	if !slices.ContainsFunc(told, func(w string) bool { return strings.Contains(w, "carried by Amara Okafor, up to record ") }) {
		t.Errorf("the overview is told %q", told)
	}
	// The next ceremony states and covers them.
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	for _, u := range s.State().Uncovered() {
		if u.Kind == ceremony.CheckpointCarriedKind {
			t.Error("a carried checkpoint is still uncovered")
		}
	}
	verified(t, s)
}

// elsewhere is the checkpoint over a ceremony that another copy of the base
// site held, on a copy of its token.
func elsewhere(t *testing.T) string {
	t.Helper()
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	return s.State().Note
}

// TestCarriedCheckpointContradicts: each by its name; the record of it verifies,
// the site is read-only from there, and nobody was offered to accept it.
func TestCarriedCheckpointContradicts(t *testing.T) {
	for _, c := range []struct {
		name, result string
		make         func(t *testing.T) (*Site, *troupe, string)
	}{
		{"yesterday's file was put back", ceremony.HeadAhead, func(t *testing.T) (*Site, *troupe, string) {
			s, tr := openSite(t, setting(copySite(t), nil))
			return s, tr, elsewhere(t)
		}},
		{"two copies went on", ceremony.HeadForked, func(t *testing.T) (*Site, *troupe, string) {
			s, tr := openSite(t, setting(copySite(t), nil))
			if err := s.Begin(t.Context(), generation(t), nil); err != nil {
				t.Fatal(err)
			}
			return s, tr, elsewhere(t)
		}},
		{"the end was written again", ceremony.HeadRewritten, func(t *testing.T) (*Site, *troupe, string) {
			s, tr := openSite(t, setting(copySite(t), nil))
			brings(tr, "amara-okafor")
			later := elsewhere(t)
			for cp := opened(t, s, later); s.State().Size < cp.Size; {
				if _, err := s.TakeIn(t.Context(), []byte(s.State().Note)); err != nil {
					t.Fatal(err)
				}
				tr.asked = nil
			}
			return s, tr, later
		}},
		{"another site", ceremony.HeadOtherSite, func(t *testing.T) (*Site, *troupe, string) {
			s, tr := openSite(t, setting(copySite(t), nil))
			return s, tr, signedBy(t, "claviger-practice/abcdefghijklmnopqrstuvwxyz", 12)
		}},
		{"a signer whom nobody knows", ceremony.HeadForeign, func(t *testing.T) (*Site, *troupe, string) {
			s, tr := openSite(t, setting(copySite(t), nil))
			return s, tr, signedBy(t, s.State().Site.Origin, 12)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, tr, text := c.make(t)
			brings(tr, "amara-okafor")
			tr.asked = nil
			b, err := s.TakeIn(t.Context(), []byte(text))
			if err != nil || b.Result != c.result || b.Detail == "" {
				t.Fatalf("got %q (%s), %v", b.Result, b.Detail, err)
			}
			if c.result == ceremony.HeadForked || c.result == ceremony.HeadRewritten {
				theirs, err := ledger.RootAt(s.Record(), b.Size)
				if err != nil || !strings.Contains(b.Detail, theirs.String()) || !strings.Contains(b.Detail, b.Root.String()) {
					t.Errorf("both roots are the proof: %s, %v", b.Detail, err)
				}
				// The checker, too, shows both to whoever brings the note to it.
				res := audited(t, s.Folder.Ledger(), audit.Options{Checkpoints: [][]byte{[]byte(text)}})
				if !slices.ContainsFunc(res.Findings, func(f ceremony.Finding) bool {
					return f.Rule == map[string]string{ceremony.HeadForked: "checkpoint.fork", ceremony.HeadRewritten: "checkpoint.rewritten"}[c.result] && strings.Contains(f.Why, theirs.String()) && strings.Contains(f.Why, b.Root.String())
				}) {
					t.Errorf("the checker finds %v", res.Findings)
				}
			}
			for _, p := range tr.asked {
				if len(p.Options) > 0 {
					t.Errorf("options were offered: %v", p.Options)
				}
			}
			verified(t, s)
			if c.result == ceremony.HeadOtherSite || c.result == ceremony.HeadForeign {
				// Anybody can write such a note: it is told, and closes nothing.
				told := s.Snapshot().Ledger
				if told.Contradiction != "" || len(told.Foreign) != 1 || !strings.Contains(told.Foreign[0], "Amara Okafor") {
					t.Errorf("told %q and %q", told.Contradiction, told.Foreign)
				}
				res := audited(t, s.Folder.Ledger(), audit.Options{})
				if !res.Holds() || !strings.Contains(strings.Join(res.NotChecked, " "), "no ledger key of this site has signed") {
					t.Errorf("the checker finds %v, not checked %q", res.Findings, res.NotChecked)
				}
				if res := audited(t, s.Folder.Ledger(), audit.Options{Checkpoints: [][]byte{[]byte(text)}}); res.Exit() != 1 {
					t.Errorf("brought to the checker: exit %d", res.Exit())
				}
				if err := s.Begin(t.Context(), generation(t), nil); err != nil {
					t.Errorf("the next ceremony: %v", err)
				}
				return
			}
			size := s.State().Size
			var refusal *ceremony.Refusal
			if err := s.Begin(t.Context(), generation(t), nil); !errors.As(err, &refusal) || refusal.Rule != "site.contradicted" {
				t.Errorf("a ceremony was begun: %v", err)
			}
			var problem *ceremony.Problem
			if _, err := s.TakeIn(t.Context(), []byte(s.State().Note)); !errors.As(err, &problem) {
				t.Errorf("a good checkpoint was taken in afterwards: %v", err)
			}
			if s.State().Size != size || s.Snapshot().Ledger.Contradiction == "" {
				t.Error("the site is not read-only")
			}
		})
	}
}

// TestWhatIsNoCheckpointIsNotRecorded, and neither is what nobody signs.
func TestWhatIsNoCheckpointIsNotRecorded(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	brings(tr, "amara-okafor")
	good, size := s.State().Note, s.State().Size
	short, err := ledger.OnPaper(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, brought := range map[string]string{
		"nothing":       "",
		"prose":         "the quick brown fox jumps over — a lazy dog and sleeps",
		"a short one":   short[:len(short)-10],
		"another size":  strings.Replace(good, "\n", "\n1", 1),
		"a photograph":  "\x89PNG\r\n\x1a\n",
		"far too much":  strings.Repeat("—  ", 1<<16),
		"an unsigned":   strings.SplitAfter(good, "\n\n")[0],
		"base64 of it":  base64.StdEncoding.EncodeToString([]byte("hello")),
		"a dash astray": strings.Replace(good, "— ", "- ", 1),
	} {
		var problem *ceremony.Problem
		if _, err := s.TakeIn(t.Context(), []byte(brought)); !errors.As(err, &problem) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(tr.asked) > 0 {
		t.Error("somebody was asked for a passphrase")
	}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) { a.Action = ceremony.Abort }
	var stop *ceremony.Stop
	if _, err := s.TakeIn(t.Context(), []byte(good)); !errors.As(err, &stop) {
		t.Errorf("leaving: %v", err)
	}
	if s.State().Size != size {
		t.Error("something was recorded")
	}
}

// TestCarriedCheckpointsAreJudgedAgain: what is forged into the ledger as a
// comparison is found by its rule.
func TestCarriedCheckpointsAreJudgedAgain(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	brings(tr, "amara-okafor")
	if _, err := s.TakeIn(t.Context(), []byte(s.State().Note)); err != nil {
		t.Fatal(err)
	}
	var all []ledger.Record
	for r, err := range s.Record().Records(t.Context(), 0, s.State().Size) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	last := all[len(all)-1]
	for name, c := range map[string]struct {
		rule  string
		forge func(b *ceremony.CheckpointCarried, d *ledger.Draft)
	}{
		"a contradiction that is none": {"carried.result", func(b *ceremony.CheckpointCarried, _ *ledger.Draft) {
			b.Result, b.Detail = ceremony.HeadForked, "two histories"
		}},
		"another size":   {"carried.result", func(b *ceremony.CheckpointCarried, _ *ledger.Draft) { b.Size-- }},
		"another root":   {"carried.result", func(b *ceremony.CheckpointCarried, _ *ledger.Draft) { b.Root[0] ^= 1 }},
		"another's name": {"carried.person", func(b *ceremony.CheckpointCarried, _ *ledger.Draft) { b.Person = "li-chen" }},
		"an altered note": {"carried.note", func(b *ceremony.CheckpointCarried, _ *ledger.Draft) {
			b.Note = strings.Replace(b.Note, "\n", "\n1", 1)
		}},
		"another signature": {"carried.signature", func(b *ceremony.CheckpointCarried, _ *ledger.Draft) { b.Signature = strings.Repeat("00", 64) }},
		"in a ceremony":     {"carried.place", func(_ *ceremony.CheckpointCarried, d *ledger.Draft) { d.Ceremony = "2026-001" }},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := ceremony.Body(last)
			if err != nil {
				t.Fatal(err)
			}
			d := draft(last, body)
			c.forge(body.(*ceremony.CheckpointCarried), &d)
			r, _, err := sqlite.OpenRead(t.Context(), force(t, s, all[:len(all)-1], d))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			_, _, findings, err := ceremony.Fold(t.Context(), r, steps.Kinds())
			if err != nil || !slices.ContainsFunc(findings, func(f ceremony.Finding) bool { return f.Rule == c.rule && f.Seq == last.Seq }) {
				t.Errorf("found %v (%v), want %s", findings, err, c.rule)
			}
		})
	}
}

// opened is a note of this site.
func opened(t *testing.T, s *Site, text string) ledger.Checkpoint {
	t.Helper()
	cp, _, err := ledger.OpenCheckpoint(text, verifiers(t, s)...)
	if err != nil {
		t.Fatal(err)
	}
	return cp
}

// signedBy is a good note by a key that was made for it.
func signedBy(t *testing.T, origin string, size int64) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ledger.SignCheckpoint(origin, ledger.Head{Size: size}, spki, func(msg []byte) ([]byte, error) { return ed25519.Sign(private, msg), nil })
	if err != nil {
		t.Fatal(err)
	}
	return text
}

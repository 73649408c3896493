package ceremony

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"claviger/ledger"
)

// tokenKey is a ledger key as one token holds it.
type tokenKey struct {
	private ed25519.PrivateKey
	body    LedgerKeyEnrolled
}

const origin = "claviger-practice/abcdefghijklmnopqrstuvwxyz"

func newTokenKey(t *testing.T, n int) tokenKey {
	t.Helper()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+n)), ed25519.SeedSize)))
	vkey, err := ledger.VerifierKey(origin, spkiOf(t, private))
	if err != nil {
		t.Fatal(err)
	}
	return tokenKey{private, LedgerKeyEnrolled{Serial: fmt.Sprintf("serial-%d", n), Verifier: vkey}}
}

func spkiOf(t *testing.T, key ed25519.PrivateKey) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return spki
}

// over is the note that the token signs over a state's records.
func (k tokenKey) over(t *testing.T, s *State) CheckpointSigned {
	t.Helper()
	text, err := ledger.SignCheckpoint(origin, ledger.Head{Size: s.Size}, spkiOf(t, k.private), func(msg []byte) ([]byte, error) { return ed25519.Sign(k.private, msg), nil })
	if err != nil {
		t.Fatal(err)
	}
	return CheckpointSigned{Note: text}
}

// keySite is the state of a site with ledger keys, moved by their records alone.
type keySite struct {
	*State
	t *testing.T
}

func newKeySite(t *testing.T) keySite {
	s := NewState(nil, nil)
	s.Site.Origin = origin
	return keySite{s, t}
}

func (k keySite) at() *record {
	return &record{Record: ledger.Record{Seq: k.Size, Leaf: ledger.BlobHash(fmt.Append(nil, k.Size))}}
}

// next moves the state, or says by which rule it did not.
func (k keySite) next(body any) string {
	k.t.Helper()
	var err error
	switch b := body.(type) {
	case LedgerKeyEnrolled:
		err = k.ledgerKeyEnrolled(k.at(), &b)
	case LedgerKeyRetired:
		err = k.ledgerKeyRetired(k.at(), &b)
	case CheckpointSigned:
		err = k.checkpointSigned(k.at(), &b)
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Rule
	}
	if err != nil {
		k.t.Fatal(err)
	}
	k.Size++
	return ""
}

func (k keySite) wants(rule string, body any) {
	k.t.Helper()
	if got := k.next(body); got != rule {
		k.t.Fatalf("a %T at record %d: refused by %q, want %q", body, k.Size, got, rule)
	}
}

// TestLaterLedgerKeyCounts only through a checkpoint by an earlier one that
// covers its enrolment.
func TestLaterLedgerKeyCounts(t *testing.T) {
	first, second, third := newTokenKey(t, 0), newTokenKey(t, 1), newTokenKey(t, 2)
	k := newKeySite(t)
	k.wants("", first.body)
	k.wants("", first.over(t, k.State))
	k.wants("", second.body)
	k.wants("checkpoint.key", second.over(t, k.State))
	k.wants("", third.body)
	if k.signing("serial-1") != nil || len(k.Vouched()) != 1 {
		t.Error("the second key counts before the first has signed its enrolment")
	}
	k.wants("", first.over(t, k.State))
	k.wants("", second.over(t, k.State))
	k.wants("", third.over(t, k.State))
	if len(k.Vouched()) != 3 || k.signing("serial-1") == nil {
		t.Errorf("vouched for: %q", k.Vouched())
	}
	for _, c := range []struct{ brings, anchors int }{{0, 3}, {1, 1}, {2, 1}} {
		brought := []string{[]tokenKey{first, second, third}[c.brings].body.Verifier}
		if got, err := k.VouchedBy(brought); err != nil || len(got) != c.anchors {
			t.Errorf("who knows key %d knows %d by it, want %d (%v)", c.brings, len(got), c.anchors, err)
		}
	}
	k.wants("ledger-key.known", second.body)
	// One may come to replace it, and no more.
	another, more := newTokenKey(t, 3), newTokenKey(t, 4)
	another.body.Serial, more.body.Serial = "serial-1", "serial-1"
	k.wants("", another.body)
	if got := k.signing("serial-1"); got.Body.Verifier != second.body.Verifier {
		t.Error("the key that replaces another signs before the other has signed its enrolment")
	}
	k.wants("", second.over(t, k.State))
	if got := k.signing("serial-1"); got.Body.Verifier != another.body.Verifier || len(k.LedgerKeysOf("serial-1")) != 2 {
		t.Errorf("the token signs with %s", got.Body.Verifier)
	}
	k.wants("ledger-key.token", more.body)
}

// TestCheckpointsStandWhereTheyAreSigned: over the records before them, of this site,
// and by nobody else.
func TestCheckpointsStandWhereTheyAreSigned(t *testing.T) {
	key := newTokenKey(t, 0)
	k := newKeySite(t)
	k.wants("", key.body)
	k.wants("checkpoint.size", key.over(t, &State{Size: k.Size + 1}))
	note := key.over(t, k.State).Note
	k.wants("checkpoint.cosigner", CheckpointSigned{Note: note + "— stranger " + base64.StdEncoding.EncodeToString(make([]byte, 68)) + "\n"})
	k.Site.Origin = "claviger-practice/zyxwvutsrqponmlkjihgfedcba"
	k.wants("checkpoint.origin", CheckpointSigned{Note: note})
}

// TestLedgerKeyRetires: what it signed stays signed, it signs no more, and the
// last one stays.
func TestLedgerKeyRetires(t *testing.T) {
	first, second := newTokenKey(t, 0), newTokenKey(t, 1)
	k := newKeySite(t)
	k.wants("", first.body)
	leaf := k.LedgerKeys[0].Leaf
	retire := LedgerKeyRetired{Key: leaf, Reason: "its token goes back to the vendor", Serial: "serial-0"}
	k.wants("ledger-key.last", retire)
	k.LedgerKeys[0].Retired = false // a refused record ends the use of a state; this one goes on
	k.wants("", second.body)
	k.wants("ledger-key.last", retire)
	k.LedgerKeys[0].Retired = false
	carried := first.over(t, k.State)
	k.wants("", carried)
	k.wants("ledger-key.reason", LedgerKeyRetired{Key: leaf, Serial: "serial-0"})
	k.wants("ledger-key.present", LedgerKeyRetired{Key: leaf, Left: 1, Reason: "x", Serial: "serial-0"})
	k.wants("ledger-key.unknown", LedgerKeyRetired{Key: leaf, Reason: "x", Serial: "serial-1"})
	k.wants("", retire)
	k.wants("ledger-key.unknown", retire)
	k.wants("checkpoint.key", first.over(t, k.State))
	k.wants("", second.over(t, k.State))
	c, err := k.judge(carried.Note, func(int64) (ledger.Hash, error) { return ledger.Hash{}, nil })
	if err != nil || c.Result != HeadOlder {
		t.Errorf("what the retired key signed: %+v, %v", c, err)
	}
}

// TestReportCarriesTheNote by which a later key counts, and nobody who makes one
// up gets past it.
func TestReportCarriesTheNote(t *testing.T) {
	first, second, stranger := newTokenKey(t, 0), newTokenKey(t, 1), newTokenKey(t, 2)
	k := newKeySite(t)
	k.wants("", first.body)
	k.wants("", second.body)
	early := first.over(t, &State{Size: 1})
	k.wants("", first.over(t, k.State))
	good := k.LedgerKeys[1].Note
	if err := k.notes(k.at()); err != nil || good == "" {
		t.Fatalf("its own note is refused: %q, %v", good, err)
	}
	for name, note := range map[string]string{
		"by itself":            second.over(t, k.State).Note,
		"by a stranger":        stranger.over(t, k.State).Note,
		"before its enrolment": early.Note,
		"altered":              strings.Replace(good, "\n2\n", "\n3\n", 1),
	} {
		k.LedgerKeys[1].Note = note
		var refusal *Refusal
		if err := k.notes(k.at()); !errors.As(err, &refusal) || refusal.Rule != "ledger-key.note" {
			t.Errorf("a note %s: %v", name, err)
		}
	}
}

// TestUncoveredIsBounded: the next run's context has to hold it.
func TestUncoveredIsBounded(t *testing.T) {
	first := newTokenKey(t, 0)
	k := newKeySite(t)
	k.wants("", first.body)
	for n := range int64(1000) {
		k.leaveUncovered(Uncovered{Kind: ReportMadeKind, Seq: n})
	}
	u := k.Uncovered()
	if len(u) != listedUncovered || u[len(u)-1].Seq != 999 || k.UncoveredCount() != 1000 {
		t.Errorf("%d listed, the last %+v, %d in all", len(u), u[len(u)-1], k.UncoveredCount())
	}
	k.wants("", first.over(t, k.State))
	if len(k.Uncovered()) != 0 || k.UncoveredCount() != 0 {
		t.Error("the HSM has signed them")
	}
}

// TestCopiesAreDue on a real site after each seal: two media, or a deviation
// that was decided before anyone attested.
func TestCopiesAreDue(t *testing.T) {
	s := NewState(nil, nil)
	s.Site.Origin = origin
	s.People["marta-brandt"] = &Person{}
	p := &Progress{Number: "2026-002", Status: SealedStatus, runFirst: 10, count: 20}
	s.Ceremonies = append(s.Ceremonies, p)
	s.Size = 40
	copyTo := func(medium string, records int64) {
		t.Helper()
		r := &record{Record: ledger.Record{Seq: s.Size}}
		if err := s.ledgerCopied(r, &LedgerCopied{Bytes: 1, File: "ledger.db", Medium: medium, Person: "marta-brandt", Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(want int) {
		t.Helper()
		if after, got := s.CopiesDue(); got != want || after != p.Number {
			t.Errorf("%d copies due after %q, want %d", got, after, want)
		}
	}
	wants(2)
	copyTo("Ledger A", 29) // before the seal
	wants(2)
	copyTo("Ledger A", 30)
	copyTo("Ledger A", 31)
	wants(1)
	copyTo("Ledger B", 31)
	wants(0)
	s.copies = nil
	d := Deviation{Raised: DeviationRaised{Expected: CopiesWaived}, Decided: &DeviationDecided{Decision: "continue"}}
	p.Deviations = []Deviation{d}
	wants0, due := s.CopiesDue()
	if wants0 != "" || due != 0 {
		t.Errorf("%d copies due though they were waived", due)
	}
	p.Attested = map[string]Signed{"marta-brandt": {At: d.At.Add(-1)}}
	wants(2)
	for rule, b := range map[string]LedgerCopied{
		"copy.person": {Bytes: 1, File: "f", Medium: "m", Person: "eve", Records: 3},
		"copy.medium": {Bytes: 1, File: "f", Person: "marta-brandt", Records: 3},
		"copy.size":   {Bytes: 1, File: "f", Medium: "m", Person: "marta-brandt", Records: 41},
	} {
		var refusal *Refusal
		if err := s.ledgerCopied(&record{Record: ledger.Record{Seq: 40}}, &b); !errors.As(err, &refusal) || refusal.Rule != rule {
			t.Errorf("got %v, want %s", err, rule)
		}
	}
	s.Site.Practice = true
	if _, due := s.CopiesDue(); due != 0 {
		t.Errorf("a practice site owes %d copies", due)
	}
}

// TestFindingsAreBounded: a ledger in which nothing verifies gives a list that
// can be read, the first places first.
func TestFindingsAreBounded(t *testing.T) {
	v := NewVerifier()
	for seq := range int64(5000) {
		v.Add(Claim{Rule: "signoff.signature", Seq: seq, What: "a signature", Key: make([]byte, ed25519.PublicKeySize), Sig: []byte("none")})
	}
	got := v.Wait()
	if len(got) != ledger.MaxFindings || got[0].Seq != 0 || got[50].Seq != 50 || !strings.Contains(got[len(got)-1].Why, "the list ends here") {
		t.Errorf("%d findings, the first %v, the last %v", len(got), got[0], got[len(got)-1])
	}
}

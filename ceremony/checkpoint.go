package ceremony

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"claviger/ledger"
)

// counts says whether a ledger key's checkpoints are the site's: the first
// one's always, a later one's once an earlier key has signed its enrolment.
func (s *State) counts(i int) bool { return i == 0 || s.LedgerKeys[i].Note != "" }

// Vouched lists the verifier keys that count, retired ones, too: what they
// signed stays signed.
func (s *State) Vouched() []string {
	var out []string
	for i, k := range s.LedgerKeys {
		if s.counts(i) {
			out = append(out, k.Body.Verifier)
		}
	}
	return out
}

// VouchedBy adds, to keys that somebody knows by another way, the later ledger
// keys whose enrolment these have signed, and so on. Only in a whole ledger is
// the enrolment known to stand under that signature.
func (s *State) VouchedBy(keys []string) ([]string, error) {
	for _, k := range s.LedgerKeys {
		known, err := verifiersOf(keys)
		if err != nil {
			return nil, err
		}
		if slices.Contains(keys, k.Body.Verifier) || k.Note == "" {
			continue
		}
		if cp, _, err := ledger.OpenCheckpoint(k.Note, known...); err == nil && cp.Origin == s.Site.Origin && cp.Size > k.Seq {
			keys = append(slices.Clip(keys), k.Body.Verifier)
		}
	}
	return keys, nil
}

func verifiersOf(keys []string) ([]note.Verifier, error) {
	var out []note.Verifier
	for _, k := range keys {
		v, err := ledger.NewVerifier(k)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// LedgerKeysOf are the ledger keys of a token that are in use and count, the oldest
// first. There are two only while the newer one replaces the other.
func (s *State) LedgerKeysOf(serial string) []*LedgerKey {
	var out []*LedgerKey
	for i := range s.LedgerKeys {
		if k := &s.LedgerKeys[i]; k.Body.Serial == serial && !k.Retired && s.counts(i) {
			out = append(out, k)
		}
	}
	return out
}

// signing is the ledger key with which a token signs now, nil where it has none
// that counts. It is the newest: while the older one is deleted from the token,
// nothing asks for a signature of it.
func (s *State) signing(serial string) *LedgerKey {
	keys := s.LedgerKeysOf(serial)
	if len(keys) == 0 {
		return nil
	}
	return keys[len(keys)-1]
}

func (s *State) ledgerKeyEnrolled(r *record, b *LedgerKeyEnrolled) error {
	inUse := 0
	for _, k := range s.LedgerKeys {
		if k.Body.Verifier == b.Verifier {
			return r.refuse("ledger-key.known", "this ledger key is enrolled already")
		}
		if k.Body.Serial == b.Serial && !k.Retired {
			inUse++
		}
	}
	if inUse > 1 {
		return r.refuse("ledger-key.token", "token %s has a ledger key and the one that replaces it; the older one is retired before another is made", b.Serial)
	}
	s.LedgerKeys = append(s.LedgerKeys, LedgerKey{Body: *b, Leaf: r.Leaf, Seq: r.Seq})
	return nil
}

// ledgerKeyRetired: a key that signs no more, as its private half is gone. What it
// signed up to its last checkpoint stays signed. One that counts must stay, or no
// later key could ever count.
func (s *State) ledgerKeyRetired(r *record, b *LedgerKeyRetired) error {
	i := slices.IndexFunc(s.LedgerKeys, func(k LedgerKey) bool { return k.Leaf == b.Key })
	switch {
	case i < 0 || s.LedgerKeys[i].Retired || s.LedgerKeys[i].Body.Serial != b.Serial:
		return r.refuse("ledger-key.unknown", "it names no ledger key of token %s that is in use", b.Serial)
	case b.Reason == "":
		return r.refuse("ledger-key.reason", "a ledger key is retired for a reason, and none is given")
	case b.Left != 0:
		return r.refuse("ledger-key.present", "the token still shows %d objects of it", b.Left)
	}
	s.LedgerKeys[i].Retired = true
	for j, k := range s.LedgerKeys {
		if s.counts(j) && !k.Retired {
			return nil
		}
	}
	return r.refuse("ledger-key.last", "no other ledger key counts: without this one nothing could be signed ever again")
}

// notes holds a later key's note, where it is restated, against the keys before
// it: whoever has only a report can check this much.
func (s *State) notes(r *record) error {
	for i, k := range s.LedgerKeys {
		if k.Note == "" {
			continue
		}
		earlier, err := verifiersOf((&State{LedgerKeys: s.LedgerKeys[:i]}).Vouched())
		if err != nil {
			return r.refuse("checkpoint.key", "%v", err)
		}
		cp, _, err := ledger.OpenCheckpoint(k.Note, earlier...)
		if err != nil || cp.Origin != s.Site.Origin || cp.Size <= k.Seq {
			return r.refuse("ledger-key.note", "no earlier ledger key has signed the enrolment of the one of token %s", k.Body.Serial)
		}
	}
	return nil
}

func (s *State) checkpointSigned(r *record, b *CheckpointSigned) error {
	var keys []string
	for i, k := range s.LedgerKeys {
		if s.counts(i) && !k.Retired {
			keys = append(keys, k.Body.Verifier)
		}
	}
	verifiers, err := verifiersOf(keys)
	if err != nil {
		return r.refuse("checkpoint.key", "%v", err)
	}
	people, err := s.Cosigners()
	if err != nil {
		return r.refuse("checkpoint.cosigner", "%v", err)
	}
	cp, n, err := ledger.OpenCheckpoint(b.Note, append(verifiers, people...)...)
	if errors.Is(err, ledger.ErrUnknownSigner) {
		return r.refuse("checkpoint.key", "no ledger key has signed it that is in use and counts: the first one does, a later one once an earlier one's checkpoint covers its enrolment")
	}
	switch {
	case err != nil:
		return r.refuse("checkpoint.signature", "%v", err)
	case len(n.UnverifiedSigs) > 0:
		return r.refuse("checkpoint.cosigner", "it carries a signature of %s, who has no key that may sign it", n.UnverifiedSigs[0].Name)
	case cp.Origin != s.Site.Origin:
		return r.refuse("checkpoint.origin", "it is a checkpoint of %s", cp.Origin)
	case cp.Size != r.Seq:
		return r.refuse("checkpoint.size", "it covers %d records and stands at %d", cp.Size, r.Seq)
	}
	r.claim(Claim{Rule: "checkpoint.root", What: "the tree head in the checkpoint", Root: &cp})
	s.SignedTo, s.Note = cp.Size, b.Note
	if len(n.Sigs) > 1 {
		s.PeopleSignedTo = cp.Size
	}
	s.uncovered, s.earlier = nil, 0
	for i := range s.LedgerKeys {
		if s.counts(i) {
			continue
		}
		if s.LedgerKeys[i].Note, err = ledger.OnPaper(b.Note); err != nil {
			return fmt.Errorf("couldn't keep the checkpoint that vouches for a ledger key: %w", err)
		}
	}
	return nil
}

// Uncovered lists the newest records written outside of runs that no checkpoint
// of the HSM covers yet.
func (s *State) Uncovered() []Uncovered { return slices.Clone(s.uncovered) }

// UncoveredCount counts all of them.
func (s *State) UncoveredCount() int64 { return s.earlier + int64(len(s.uncovered)) }

// listedUncovered bounds the list, which the next run's context has to hold.
const listedUncovered = 64

func (s *State) leaveUncovered(u Uncovered) {
	if len(s.uncovered) == listedUncovered {
		s.uncovered = slices.Delete(s.uncovered, 0, 1)
		s.earlier++
	}
	s.uncovered = append(s.uncovered, u)
}

// checkpointCompared: a head that disagrees makes the site read-only. Only the
// run under way may still be ended; nothing here accepts the contradiction.
func (s *State) checkpointCompared(r *record, b *CheckpointCompared) error {
	switch b.Result {
	case HeadAgrees:
		s.Compared[b.Source] = b.Size
		if b.Size > r.Seq {
			return r.refuse("checkpoint.compared", "it is said to agree, and covers %d records where %d are", b.Size, r.Seq)
		}
		if !s.partial {
			r.claim(Claim{Rule: "checkpoint.root", What: "the head that was compared", Root: &ledger.Checkpoint{Origin: s.Site.Origin, Size: b.Size, Root: b.Root}})
		}
	case HeadAhead, HeadForked, HeadRewritten, HeadOtherSite, HeadForeign:
		s.Contradiction = fmt.Sprintf("record %d: %s", r.Seq, b.Detail)
	default:
		return r.refuse("checkpoint.compared", "%q is no result of a comparison", b.Result)
	}
	return nil
}

// Cosigners are those whose ceremony keys count in this checkpoint: who attested,
// and only in the one over the seal.
func (s *State) Cosigners() ([]note.Verifier, error) {
	p := s.lastRun()
	if s.Open != nil || p == nil || p.Status != SealedStatus {
		return nil, nil
	}
	var out []note.Verifier
	for _, person := range sortedKeys(p.Attested) {
		vkey, err := ledger.PersonKey(s.Site.Origin, person, p.Certified[person].Public)
		if err != nil {
			return nil, err
		}
		v, err := ledger.NewVerifier(vkey)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

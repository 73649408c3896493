package ceremony

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"claviger/ledger"
)

// Finding is something in a ledger that does not hold, or that this version
// cannot judge.
type Finding struct {
	Seq     int64
	Rule    string
	Why     string
	Unknown bool
}

func (f Finding) String() string { return fmt.Sprintf("record %d: %s (%s)", f.Seq, f.Why, f.Rule) }

// Fold verifies a whole ledger: chain and tree, every record through State,
// every signature, every checkpoint against the tree. It is what a start, the
// window's Verify and the auditor's checker all call.
func Fold(ctx context.Context, r ledger.Reader, kinds Kinds) (*State, ledger.Head, []Finding, error) {
	return FoldTelling(ctx, r, kinds, nil)
}

// Told hears how many of a ledger's records are verified by now.
type Told func(done, total int64)

// tellEach is after how many records it hears of it.
const tellEach = 1 << 13

// FoldTelling is Fold for those who wait and want to see something move.
func FoldTelling(ctx context.Context, r ledger.Reader, kinds Kinds, told Told) (*State, ledger.Head, []Finding, error) {
	total := int64(0)
	if told != nil {
		if end, err := r.Head(ctx); err == nil { // what cannot be read is told below
			total = end.Size
		}
	}
	s := NewState(kinds, func(h ledger.Hash) ([]byte, error) { return r.Blob(ctx, h) })
	v := NewVerifier()
	var broken *Finding
	head, chain, err := ledger.VerifyChain(ctx, r, func(rec ledger.Record) error {
		if told != nil && (rec.Seq+1)%tellEach == 0 {
			told(rec.Seq+1, total)
		}
		if broken != nil {
			return nil
		}
		claims, err := s.Next(rec)
		if err != nil {
			f := FindingOf(rec.Seq, err)
			broken = &f
			return nil
		}
		for _, c := range claims {
			if c.Root == nil {
				v.Add(c)
				continue
			}
			root, err := tlog.TreeHash(c.Root.Size, r)
			if errors.Is(err, ledger.ErrNoHash) {
				// VerifyChain names the missing hashes as its own finding.
				v.Found(Finding{Seq: c.Seq, Rule: c.Rule, Why: "the tree hashes that would show the checkpoint's tree head are missing"})
				continue
			}
			if err != nil {
				return fmt.Errorf("couldn't compute the tree head at %d: %w", c.Root.Size, err)
			}
			switch same := ledger.Hash(root) == c.Root.Root; {
			case c.Unlike && same:
				v.Found(Finding{Seq: c.Seq, Rule: c.Rule, Why: c.What + " is said to disagree, and it is the tree head that these records have"})
			case !c.Unlike && !same:
				v.Found(Finding{Seq: c.Seq, Rule: c.Rule, Why: "the checkpoint names another tree head than these records have"})
			}
		}
		return nil
	})
	if told != nil && err == nil {
		told(head.Size, total)
	}
	if broken != nil {
		v.Found(*broken)
	}
	findings := v.Wait()
	if err != nil {
		return nil, head, nil, err
	}
	// What does not fit chain or tree comes first: everything else leans on it.
	var out []Finding
	for _, f := range chain {
		out = append(out, Finding{Seq: f.Seq, Rule: "chain", Why: f.What, Unknown: f.Unknown})
	}
	return s, head, append(out, findings...), nil
}

// FindingOf puts a refusal into words for a list.
func FindingOf(seq int64, err error) Finding {
	var refusal *Refusal
	var unknown *Unknown
	switch {
	case errors.As(err, &refusal):
		return Finding{Seq: refusal.Seq, Rule: refusal.Rule, Why: refusal.Why}
	case errors.As(err, &unknown):
		return Finding{Seq: unknown.Seq, Rule: "unknown", Why: unknown.What, Unknown: true}
	}
	return Finding{Seq: seq, Rule: "record", Why: err.Error()}
}

// Verifier checks signature claims on all cores while the fold goes on.
type Verifier struct {
	claims   chan Claim
	wg       sync.WaitGroup
	mu       sync.Mutex
	findings []Finding // guarded by mu
}

func NewVerifier() *Verifier {
	v := &Verifier{claims: make(chan Claim, 256)}
	for range runtime.GOMAXPROCS(0) {
		v.wg.Go(func() {
			for c := range v.claims {
				if err := c.Verify(); err != nil {
					v.Found(FindingOf(c.Seq, err))
				}
			}
		})
	}
	return v
}

func (v *Verifier) Add(c Claim) { v.claims <- c }

func (v *Verifier) Found(f Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	// Signatures are checked nearly in order: what is left out here stands far
	// behind what the list can hold.
	if len(v.findings) < 10*ledger.MaxFindings {
		v.findings = append(v.findings, f)
	}
}

// Wait ends the verifier and gives what it found, in the order of records.
func (v *Verifier) Wait() []Finding {
	close(v.claims)
	v.wg.Wait()
	sortFindings(v.findings)
	if n := ledger.MaxFindings - 1; len(v.findings) > n {
		f := v.findings[n]
		f.Why = fmt.Sprintf("more does not hold from record %d on; the list ends here", f.Seq)
		v.findings = append(v.findings[:n], f)
	}
	return v.findings
}

func sortFindings(f []Finding) {
	slices.SortFunc(f, func(a, b Finding) int { return cmp.Compare(a.Seq, b.Seq) })
}

// Kinds is the table by which this state judges steps.
func (s *State) Kinds() Kinds { return s.kinds }

// FoldRuns folds what a report carries: record 0 and every run of one ceremony.
// The claims are what remains to be verified: signatures by arithmetic, tree
// heads against a tree that only the whole ledger has.
func FoldRuns(kinds Kinds, blobs Blobs, records []ledger.Record) (*State, []Claim, error) {
	s := NewPartialState(kinds, blobs)
	var claims []Claim
	for _, r := range records {
		c, err := s.Next(r)
		if err != nil {
			return s, claims, err
		}
		claims = append(claims, c...)
	}
	return s, claims, nil
}

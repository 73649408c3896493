// Package audit verifies a ledger or a document. The auditor's checker, the
// window's Verify and every start call it.
//
// # A ledger
//
// [Ledger] recomputes the chain and the tree, puts every record through the
// rules, checks every signature, every checkpoint and every blob, and compares
// with what the caller brought: the site's verifier keys, checkpoints that
// people carried home.
//
// # A document
//
// [PDF] takes the records out of the file, folds them from the context that each
// run restates, checks proofs and checkpoint, makes the pages again and compares
// them object by object. With the ledger beside it, it also checks what only
// the whole ledger can show.
//
// # Findings
//
// Everything that does not hold is a finding with the name of its rule; the
// first one is the place to look. What this version is too old to judge is a
// finding marked Unknown. What could not be looked at stands in NotChecked, in
// words: silence would be read as consent.
package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"claviger/ceremony"
	"claviger/ceremony/steps"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// Options is what the caller brought.
type Options struct {
	// Site is the text of site.vkey: one C2SP verifier key a line.
	Site string
	// Checkpoints are notes that people carried out of the room.
	Checkpoints [][]byte
	// RequireProduction makes practice a finding.
	RequireProduction bool
	// Told hears how far the verification of a ledger has come; nil is fine.
	Told ceremony.Told
}

// Result is what an audit found.
type Result struct {
	Of           string // "ledger" or "report"
	Organisation string
	Origin       string
	Ceremony     string // of a report
	Document     string // of a report
	Practice     bool
	// Anchored: a key that the caller brought has signed what was checked.
	Anchored bool
	Records  int64
	// HSMSignedTo and PeopleSignedTo count the records from 0 on that the last
	// checkpoint, and the last signature of a person, cover.
	HSMSignedTo    int64
	PeopleSignedTo int64
	Uncovered      int64 // records that no checkpoint covers
	Findings       []ceremony.Finding
	Checked        []string
	NotChecked     []string
}

// Holds: nothing that was looked at is wrong, and nothing was unknown.
func (r *Result) Holds() bool { return len(r.Findings) == 0 }

// Exit is the checker's exit code: 1 if something does not hold, 3 if all that
// stands in the way is newer than this program.
func (r *Result) Exit() int {
	code := 0
	for _, f := range r.Findings {
		if !f.Unknown {
			return 1
		}
		code = 3
	}
	return code
}

// First is the first thing that is wrong; what is wrong comes before what is
// only unknown.
func (r *Result) First() (ceremony.Finding, bool) {
	for _, f := range r.Findings {
		if !f.Unknown {
			return f, true
		}
	}
	if len(r.Findings) > 0 {
		return r.Findings[0], true
	}
	return ceremony.Finding{}, false
}

func (r *Result) find(seq int64, rule, why string, args ...any) {
	r.Findings = append(r.Findings, ceremony.Finding{Seq: seq, Rule: rule, Why: fmt.Sprintf(why, args...)})
}

// Unreadable says that the file could not be read to its end, or is newer than
// this program: not that anything in it is wrong.
func (r *Result) Unreadable(cause error) {
	r.Findings = append(r.Findings, ceremony.Finding{Seq: nowhere, Rule: "unreadable", Why: cause.Error(), Unknown: true})
}

func (r *Result) checked(what string, args ...any) {
	r.Checked = append(r.Checked, fmt.Sprintf(what, args...))
}

func (r *Result) notChecked(what string, args ...any) {
	r.NotChecked = append(r.NotChecked, fmt.Sprintf(what, args...))
}

// nowhere is the Seq of a finding that is about no record.
const nowhere = -1

// UnreadableError: the file cannot be read at all, or a newer program wrote it.
type UnreadableError struct{ Err error }

func (e *UnreadableError) Error() string { return e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return e.Err }

// keys reads verifier keys, one a line.
func keys(text string) ([]string, error) {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if _, err := ledger.NewVerifier(line); err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	if text != "" && out == nil {
		return nil, errors.New("couldn't read the site's keys: there is none in what you brought")
	}
	return out, nil
}

// verifiers of keys that were read before; the same key named twice is one.
func verifiers(lists ...[]string) []note.Verifier {
	var out []note.Verifier
	known := map[string]bool{}
	for _, key := range slices.Concat(lists...) {
		if v, err := ledger.NewVerifier(key); err == nil && !known[key] {
			out, known[key] = append(out, v), true
		}
	}
	return out
}

// SiteKeysError: what the caller brought as site keys cannot be used.
type SiteKeysError struct{ Err error }

func (e *SiteKeysError) Error() string { return e.Err.Error() }
func (e *SiteKeysError) Unwrap() error { return e.Err }

// Ledger verifies a ledger file.
func Ledger(ctx context.Context, path string, o Options) (*Result, error) {
	brought, err := keys(o.Site)
	if err != nil {
		return nil, &SiteKeysError{err}
	}
	l, err := openLedger(ctx, path, o.Told)
	if err != nil {
		return nil, err
	}
	defer l.reader.Close()
	return l.audit(ctx, brought, o)
}

// opened is a ledger file and its fold.
type opened struct {
	reader   *sqlite.Reader
	state    *ceremony.State
	head     ledger.Head
	findings []ceremony.Finding
}

func openLedger(ctx context.Context, path string, told ceremony.Told) (*opened, error) {
	r, frame, err := sqlite.OpenRead(ctx, path)
	if err != nil {
		return nil, &UnreadableError{err}
	}
	l := &opened{reader: r}
	for _, f := range frame {
		l.findings = append(l.findings, ceremony.Finding{Seq: f.Seq, Rule: "file", Why: f.What, Unknown: f.Unknown})
	}
	var folded []ceremony.Finding
	l.state, l.head, folded, err = ceremony.FoldTelling(ctx, r, steps.Kinds(), told)
	if err != nil {
		return nil, errors.Join(&UnreadableError{err}, r.Close())
	}
	blobs, err := ledger.VerifyBlobs(ctx, r)
	if err != nil {
		return nil, errors.Join(&UnreadableError{err}, r.Close())
	}
	// Records first: they say where; what the file's frame says comes after.
	l.findings = append(folded, l.findings...)
	for _, f := range blobs {
		l.findings = append(l.findings, ceremony.Finding{Seq: f.Seq, Rule: "blob", Why: f.What, Unknown: f.Unknown})
	}
	return l, nil
}

func (l *opened) audit(ctx context.Context, brought []string, o Options) (*Result, error) {
	s := l.state
	res := &Result{Of: "ledger", Organisation: s.Site.Organisation, Origin: s.Site.Origin, Practice: s.Site.Practice,
		Records: l.head.Size, HSMSignedTo: s.SignedTo, PeopleSignedTo: s.PeopleSignedTo, Uncovered: l.head.Size - s.SignedTo, Findings: l.findings}
	if l.head.Size == 0 {
		res.find(0, "site.first", "the ledger is empty")
		return res, nil
	}
	if s.Contradiction != "" {
		res.find(nowhere, "site.contradicted", "a head from outside contradicts this ledger: %s", s.Contradiction)
	}
	res.checked("%d records: canonical form, chain, tree, every rule, every signature, every checkpoint, every blob.", l.head.Size)
	res.production(o)
	if len(l.findings) == 0 {
		vouched, err := s.VouchedBy(brought)
		if err != nil {
			return nil, err
		}
		if n := len(vouched) - len(brought); n > 0 {
			res.checked("%d later ledger keys were enrolled under the signature of a key you brought, or of one that was.", n)
		}
		brought = vouched
	}
	if err := res.anchor(s.Note, brought, s.Site.Origin); err != nil {
		return nil, err
	}
	known := verifiers(brought, s.Vouched())
	if n := len(s.Foreign); n > 0 {
		res.notChecked("checkpoints that %d people brought and that no ledger key of this site has signed: they are on record, the last one in record %d.", n, slices.Max(slices.Collect(maps.Values(s.Foreign))))
	}
	for i, text := range o.Checkpoints {
		res.carried(i+1, text, known, s.Site.Origin, func(cp ledger.Checkpoint) bool { return l.compare(res, i+1, cp) })
	}
	if len(o.Checkpoints) == 0 {
		res.notChecked("whether records were cut off at the end, or an older copy was put back: bring a checkpoint that was carried out of the room (--checkpoint), or compare with the head in the HSM.")
	}
	if n := res.Uncovered; n > 0 {
		res.notChecked("the last %d records against the HSM's signature: it has not signed them yet.", n)
	}
	return res, nil
}

func (r *Result) production(o Options) {
	if r.Practice && o.RequireProduction {
		r.find(0, "practice", "this is the record of a practice site, and production was required")
	}
}

// anchor compares the last checkpoint with the keys that the caller brought.
func (r *Result) anchor(text string, brought []string, origin string) error {
	if brought == nil {
		r.notChecked("whose record this is: bring the site's verifier key (--site), which you got by another way than this file.")
		return nil
	}
	// Whoever checks many sites may bring the keys of all.
	known := slices.DeleteFunc(verifiers(brought), func(v note.Verifier) bool { return v.Name() != origin })
	if len(known) == 0 {
		r.find(nowhere, "site.key", "no key that you brought is of %s, whose record this says it is", origin)
		return nil
	}
	if text == "" {
		// Whoever brings a key asks whether it vouches for this. Without this a
		// forgery had only to leave the checkpoint out.
		r.find(nowhere, "site.unsigned", "the HSM has not signed this, so the key you brought does not vouch for it; ask for an edition that it has signed")
		return nil
	}
	switch _, _, err := ledger.OpenCheckpoint(text, known...); {
	case errors.Is(err, ledger.ErrUnknownSigner):
		r.find(nowhere, "site.key", "no key that you brought has signed the checkpoint; another key means another record, or a key sheet newer than yours")
	case err != nil:
		r.find(nowhere, "checkpoint.signature", "%v", err)
	default:
		r.Anchored = true
		r.checked("The HSM's checkpoint is signed by the site key you brought.")
	}
	return nil
}

// carried checks a checkpoint that somebody brought, and what compare says of
// its root; compare reports whether it could compare.
func (r *Result) carried(n int, text []byte, known []note.Verifier, origin string, compare func(ledger.Checkpoint) bool) {
	// Newlines that another system or a scanner has changed are put back; every
	// other byte counts.
	note := string(text)
	if whole, err := ceremony.ReadNote(text); err == nil {
		note = whole
	}
	cp, _, err := ledger.OpenCheckpoint(note, known...)
	of, _, _ := strings.Cut(note, "\n")
	switch {
	case errors.Is(err, ledger.ErrUnknownSigner) && of != origin:
		r.find(nowhere, "checkpoint.other-site", "carried checkpoint %d is of %s, and this is the record of %s", n, of, origin)
	case errors.Is(err, ledger.ErrUnknownSigner):
		r.find(nowhere, "checkpoint.unknown-signer", "carried checkpoint %d is signed by no ledger key of this site", n)
	case err != nil:
		r.find(nowhere, "checkpoint.signature", "carried checkpoint %d: %v", n, err)
	case cp.Origin != origin:
		r.find(nowhere, "checkpoint.other-site", "carried checkpoint %d is of %s, and this is the record of %s", n, cp.Origin, origin)
	case compare(cp):
		r.checked("Carried checkpoint %d, over %d records, was compared.", n, cp.Size)
	default:
		r.notChecked("carried checkpoint %d, over %d records: only the ledger itself can be compared with it.", n, cp.Size)
	}
}

// compare compares a tree head with the one that the ledger had then.
func (l *opened) compare(r *Result, n int, cp ledger.Checkpoint) bool {
	if cp.Size > l.head.Size {
		r.find(l.head.Size, "checkpoint.rollback", "the ledger has %d records, and carried checkpoint %d covers %d: records were removed, or an older copy was put back", l.head.Size, n, cp.Size)
		return true
	}
	root, err := tlog.TreeHash(cp.Size, l.reader)
	if err != nil {
		r.find(nowhere, "tree", "the tree head at %d can't be computed: %v", cp.Size, err)
		return true
	}
	switch ours := ledger.Hash(root); {
	case ours == cp.Root && cp.Size < l.state.SignedTo:
		r.checked("Carried checkpoint %d agrees; it is older than the newest, over %d records.", n, l.state.SignedTo)
	case ours == cp.Root:
		r.checked("Carried checkpoint %d agrees.", n)
	case cp.Size <= l.state.SignedTo:
		r.find(nowhere, "checkpoint.fork", "at %d records this ledger has the root %s, and carried checkpoint %d has %s, and the HSM has signed both: two histories were signed", cp.Size, ours, n, cp.Root)
	default:
		r.find(nowhere, "checkpoint.rewritten", "at %d records this ledger has the root %s, which the HSM has not signed, and carried checkpoint %d has %s, which it has: the records were written again", cp.Size, ours, n, cp.Root)
	}
	return true
}

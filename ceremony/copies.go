package ceremony

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"claviger/ledger"
)

// copied is a verified copy of the ledger on a medium.
type copied struct {
	medium  string
	records int64
}

// CopiesNeeded is on how many media a verified copy of the ledger lies after
// each ceremony of a real site.
const CopiesNeeded = 2

// CopiesWaived, as what was expected, marks the deviation that lets a ceremony
// end with fewer copies.
const CopiesWaived = "verified copies of the ledger on two separate media"

// CopiesDue says how many copies of the ledger are still to be made since the
// last seal, and after which ceremony. A practice site owes none.
func (s *State) CopiesDue() (ceremony string, due int) {
	p := s.lastRun()
	if s.Site.Practice || p == nil || p.Status != SealedStatus || p.copiesWaived() {
		return "", 0
	}
	due = CopiesNeeded
	for _, c := range s.copies {
		if c.records >= p.runFirst+p.count {
			due--
		}
	}
	return p.Number, max(due, 0)
}

// copiesWaived: decided before anyone attested, so that everyone did so knowing it.
func (p *Progress) copiesWaived() bool {
	return slices.ContainsFunc(p.Deviations, func(d Deviation) bool {
		if d.Raised.Expected != CopiesWaived || d.Decided == nil || d.Decided.Decision != "continue" {
			return false
		}
		for _, a := range p.Attested {
			if a.At.Before(d.At) {
				return false
			}
		}
		return true
	})
}

// ledgerCopied: bookkeeping that needs no signature. What it says of the copy's
// content must be so; that the copy is there only its medium can show.
func (s *State) ledgerCopied(r *record, b *LedgerCopied) error {
	switch {
	case r.Ceremony != "":
		return r.refuse("copy.place", "a copy of the ledger belongs to no ceremony")
	case s.People[b.Person] == nil:
		return r.refuse("copy.person", "it names no enrolled person")
	case b.Medium == "" || b.File == "" || b.Bytes <= 0:
		return r.refuse("copy.medium", "a copy has a medium's label, a file's name and a length")
	case b.Records <= 0 || b.Records > r.Seq:
		return r.refuse("copy.size", "it holds %d records, and %d stood here", b.Records, r.Seq)
	}
	r.claim(Claim{Rule: "copy.root", What: "the tree head of the copy", Root: &ledger.Checkpoint{Origin: s.Site.Origin, Size: b.Records, Root: b.Root}})
	s.copies = slices.DeleteFunc(s.copies, func(c copied) bool { return c.medium == b.Medium })
	s.copies = append(s.copies, copied{b.Medium, b.Records})
	return nil
}

// copier is a store that can be copied while it is in use.
type copier interface {
	ledger.BlobLister
	Backup(ctx context.Context, path string) (ledger.Copy, error)
	OpenCopy(ctx context.Context, path string) (ledger.Opened, []ledger.Finding, error)
}

// CopyLedger writes a copy of the ledger into a folder of a medium, makes it
// durable, reads it back, verifies it as every start does, and records it.
func (e *Engine) CopyLedger(ctx context.Context, dir, medium, person string) (LedgerCopied, error) {
	b := LedgerCopied{File: fmt.Sprintf("ledger-%s-%d.db", e.state.Site.ID, e.head.Size), Medium: medium, Person: person}
	store, ok := e.store.(copier)
	if err := e.mayCopy(dir, b); err != nil || !ok {
		return b, errors.Join(err, notCopied(ok))
	}
	path := filepath.Join(dir, b.File)
	c, err := store.Backup(ctx, path)
	if err != nil {
		return b, copyProblem(err)
	}
	if err := e.verifyCopy(ctx, store, path, c.Head); err != nil {
		return b, errors.Join(copyProblem(err), os.Remove(path))
	}
	b.Bytes, b.SHA256, b.Records, b.Root = c.Bytes, c.SHA256, c.Head.Size, c.Head.Root
	_, err = e.appendAs(ctx, "", nil, Entry{LedgerCopiedKind, b})
	return b, err
}

func notCopied(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("couldn't copy the ledger: it lies in no file")
}

// mayCopy checks what was typed before anything is written.
func (e *Engine) mayCopy(dir string, b LedgerCopied) error {
	if err := e.MayWrite(); err != nil {
		return err
	}
	if e.state.Open != nil {
		return fmt.Errorf("ceremony %s is under way; the ledger is copied when it has ended", e.state.Open.Number)
	}
	if err := ledger.CheckName(b.Medium); err != nil {
		return typedProblem("The label of the medium", err)
	}
	if e.state.People[b.Person] == nil {
		return typedProblem("Who makes the copy", fmt.Errorf("nobody with the id %q is enrolled", b.Person))
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return copyProblem(err)
	}
	if rel, err := filepath.Rel(e.folder.Dir, abs); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return &Problem{Happened: fmt.Sprintf("%s lies in the site's own folder.", dir), Safe: "Nothing was written.", Do: "Name a folder on the medium that will be carried away."}
	}
	return nil
}

// verifyCopy asks of the copy what a start asks of the ledger.
func (e *Engine) verifyCopy(ctx context.Context, store copier, path string, want ledger.Head) error {
	r, file, err := store.OpenCopy(ctx, path)
	if err != nil {
		return err
	}
	_, head, findings, err := Fold(ctx, r, e.kinds)
	if err == nil {
		var blobs []ledger.Finding
		blobs, err = ledger.VerifyBlobs(ctx, r)
		file = append(file, blobs...)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	switch {
	case len(findings) > 0:
		return errors.New(findings[0].String())
	case len(file) > 0:
		return errors.New(file[0].What)
	case head != want:
		return fmt.Errorf("it holds %d records with the tree head %s", head.Size, head.Root)
	}
	return nil
}

func copyProblem(err error) error {
	p := &Problem{Happened: "The copy could not be made and verified: " + err.Error() + ".", Safe: "The ledger is as it was, and no copy is recorded.", Do: "Take another medium, or free space on this one, and try again."}
	return &wrapped{p, err}
}

// Export writes the ledger as plain files, records.jsonl and blobs/, into a
// folder that it makes. Whoever imports them gets the same tree head.
func (e *Engine) Export(ctx context.Context, dir string) (ledger.Head, error) {
	store, ok := e.store.(ledger.BlobLister)
	if !ok {
		return ledger.Head{}, errors.New("couldn't export the ledger: its content cannot be listed")
	}
	return e.head, ledger.Export(ctx, store, dir)
}

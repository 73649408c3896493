// Package report makes documents from ledger records: the key generation
// report, and the ceremony report for every other ceremony and for one that did
// not reach its seal.
//
// # A pure function
//
// [Make] turns an [Input] into the bytes of a PDF and reads nothing else: no
// clock, no locale, no file. The document carries its input as attachments, so a
// checker that has no more than the file rebuilds the input, makes the pages
// again and compares. [Collect] gathers an input from a ledger, and folds only
// what the document will carry, so that both sides see the same.
//
// # Layout
//
// [Layout] is the version of the pages' design. It stands in the document (the
// Creator of its properties) and in report.made. A released layout stays as it
// is; a new look is a new number.
//
// # What a document claims
//
// Only what the records show. What people typed is marked "as stated", what a
// token says of itself "as the token states", and what nobody recorded "not
// recorded". Text that people typed is drawn so that it can neither hide nor
// pose as a part of the page.
package report

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// Layout is the version of the pages that Make draws.
const Layout = 1

// PageSize of the paper.
type PageSize string

const (
	A4     PageSize = "A4"
	Letter PageSize = "Letter"
)

// Creator stands in the document's properties and says how to make it again.
func Creator(size PageSize) string { return fmt.Sprintf("Claviger report layout %d, %s", Layout, size) }

// Input is all that a document is made of.
type Input struct {
	// State is the fold of Records, and Ceremony the one that the document is
	// about.
	State    *ceremony.State
	Ceremony *ceremony.Progress
	// Records are record 0 and all runs of the ceremony, in order.
	Records []ledger.Record
	// Blobs is what the rules needed to fold them: script, shown content, public
	// keys.
	Blobs map[ledger.Hash][]byte
	// Checkpoint is the signed note that covers the last run, "" if the HSM has
	// not signed it yet; then there are no proofs either.
	Checkpoint string
	Proofs     []Proof
	PageSize   PageSize
	// Later is what came after the last run and belongs to it, with the enrolments
	// of those who signed it: receipts, the word of owner and approver on the key,
	// and the report that was made before this one.
	Later []ledger.Record
	// LaterCovered says that the HSM has signed a tree with these records, as
	// LaterProofs show.
	LaterCovered bool
	LaterProofs  []Proof
}

// Proof shows that one record is in the tree of the checkpoint.
type Proof struct {
	Proof string `json:"proof"` // C2SP tlog-proof
	Seq   int64  `json:"seq"`
}

// Edition counts the documents of a ceremony: each run that ended makes one, so
// does each fact that came later, and the HSM's signature over those.
func (in Input) Edition() int {
	n := len(in.Ceremony.Runs)
	for _, r := range in.Later {
		if r.Kind != ceremony.PersonEnrolledKind && r.Kind != ceremony.ReportMadeKind {
			n++
		}
	}
	if in.LaterCovered {
		n++
	}
	return n
}

// Document is the document's title.
func (in Input) Document() string {
	if in.Ceremony.Status != ceremony.SealedStatus {
		return "Ceremony report"
	}
	switch end := in.ending(); {
	case in.holds(ceremony.CustodyStep):
		return "Custody record"
	case in.key() != nil:
		return "Key generation report"
	case end == nil || inModule(end):
		return "Ceremony report"
	case end.Gone():
		return destructionTitle
	}
	return deletionTitle
}

// holds says whether the script has a step of this kind.
func (in Input) holds(kind string) bool {
	return slices.ContainsFunc(in.Ceremony.Plan.Steps(), func(st script.Step) bool { return st.Kind == kind })
}

// key is the key that the ceremony made, nil if none or if it is quarantined.
func (in Input) key() *ceremony.Key {
	for _, k := range in.State.Keys {
		if k.Body.Label == in.Ceremony.Plan.Values["label"] && k.Ceremony == in.Ceremony.Number && !k.Quarantined {
			return k
		}
	}
	return nil
}

// recovers says whether the ceremony handed out cards that open backups, or made a
// backup: whoever keeps either keeps the recipe with it.
func (in Input) recovers() bool {
	if len(in.Ceremony.Wrapped) > 0 {
		return true
	}
	for _, set := range in.State.Sets {
		if set.Body.Purpose == ceremony.Recovery && slices.ContainsFunc(in.Ceremony.Intents, func(i *ceremony.IntentState) bool { return i.Leaf == set.Body.Intent }) {
			return true
		}
	}
	return false
}

// Collect gathers a document's input from a ledger. s is the fold of that
// ledger, which the caller has verified.
func Collect(ctx context.Context, r ledger.Reader, s *ceremony.State, number string) (Input, error) {
	full := s.Find(number)
	switch {
	case full == nil:
		return Input{}, fmt.Errorf("there is no ceremony %s in this ledger", number)
	case len(full.Runs) == 0 || full == s.Open:
		return Input{}, fmt.Errorf("ceremony %s is still under way; its report is made when it is paused, aborted or sealed", number)
	}
	spans := [][2]int64{{0, 1}}
	for _, run := range full.Runs {
		spans = append(spans, [2]int64{run.First, run.End})
	}
	var records []ledger.Record
	for _, span := range spans {
		for rec, err := range r.Records(ctx, span[0], span[1]) {
			if err != nil {
				return Input{}, fmt.Errorf("couldn't read the records of ceremony %s: %w", number, err)
			}
			records = append(records, rec)
		}
	}
	in, claims, err := Rebuild(s.Kinds(), records, func(h ledger.Hash) ([]byte, error) { return r.Blob(ctx, h) })
	if err != nil {
		return Input{}, fmt.Errorf("couldn't make a report of ceremony %s: %w", number, err)
	}
	for _, c := range claims {
		if err := c.Verify(); err != nil {
			return Input{}, fmt.Errorf("couldn't make a report of ceremony %s: %w", number, err)
		}
	}
	if err := in.collectLater(ctx, r); err != nil {
		return Input{}, err
	}
	if err := in.prove(ctx, r); err != nil {
		return Input{}, err
	}
	in.PageSize = A4
	return in, nil
}

// Rebuild folds the records of a document. Checkpoint, proofs and page size are
// left to the caller, and so are the claims.
func Rebuild(kinds ceremony.Kinds, records []ledger.Record, blob ceremony.Blobs) (Input, []ceremony.Claim, error) {
	in := Input{Records: records, Blobs: map[ledger.Hash][]byte{}}
	s, claims, err := ceremony.FoldRuns(kinds, func(h ledger.Hash) ([]byte, error) {
		b, err := blob(h)
		if err == nil {
			in.Blobs[h] = b
		}
		return b, err
	}, records)
	if err != nil {
		return in, claims, err
	}
	if len(s.Ceremonies) != 1 || s.Open != nil {
		return in, claims, errors.New("the records are not those of one ceremony whose last run has ended")
	}
	in.State, in.Ceremony = s, s.Ceremonies[0]
	// Signatures of a key outlive it: its certificate carries the public half.
	if k := in.ending(); k != nil && !k.Body.Public.IsZero() {
		if _, err := s.Blob(k.Body.Public); err != nil {
			return in, claims, fmt.Errorf("the public key of %s is not there: %w", k.Body.Label, err)
		}
	}
	return in, claims, nil
}

// Ends lists the records that a document proves: record 0 and the last of each
// run. The chain covers the rest.
func (in Input) Ends() []int64 {
	seqs := []int64{0}
	for _, run := range in.Ceremony.Runs {
		seqs = append(seqs, run.End-1)
	}
	return seqs
}

// prove finds the first checkpoint over the last run, and the paths to it.
func (in *Input) prove(ctx context.Context, r ledger.Reader) error {
	end := in.Ceremony.Runs[len(in.Ceremony.Runs)-1].End
	note, size, err := firstCheckpoint(ctx, r, end)
	if err != nil {
		return err
	}
	in.Checkpoint = note
	if in.Checkpoint == "" {
		return nil
	}
	for _, seq := range in.Ends() {
		path, err := ledger.ProveInclusion(ctx, r, seq, size)
		if err != nil {
			return err
		}
		in.Proofs = append(in.Proofs, Proof{Seq: seq, Proof: ledger.FormatProof(ledger.Proof{Seq: seq, Path: path, Note: in.Checkpoint})})
	}
	return nil
}

// Names of attachments. There are never more than nine: the PDF writer numbers
// them in an order that readers search only as long as it has one digit.
const (
	RecordsFile    = "records.jsonl"
	CheckpointFile = "checkpoint.txt"
	ProofsFile     = "proofs.json"
	ScriptFile     = "script.yaml"
	ContentFile    = "content.jsonl"   // what records name by hash: what signers saw, what a token held; one a line
	PublicFile     = "public-keys.pem" // every public key that the records name by hash
	KeyFile        = "public-key.pem"  // of the key that was made
	LaterFile      = "later.jsonl"     // what came after the ceremony, where there is something
	HowToFile      = "HOW-TO-VERIFY.txt"
	RecoveryFile   = "RECOVERY.txt" // how a key is rebuilt without this program, where the ceremony made what that takes
)

// NotSigned stands in checkpoint.txt while no checkpoint covers the last run.
const NotSigned = "not yet signed by the HSM\n"

// Attachment is a file inside the document.
type Attachment struct {
	Name    string
	Content []byte
}

// Attachments lists the files that the document carries.
func (in Input) Attachments() ([]Attachment, error) {
	proofs, err := ledger.Encode(slices.Concat([]Proof{}, in.Proofs, in.LaterProofs))
	if err != nil {
		return nil, fmt.Errorf("couldn't write the proofs: %w", err)
	}
	note := in.Checkpoint
	if note == "" {
		note = NotSigned
	}
	script, ok := in.Blobs[in.Ceremony.Body.Script]
	if !ok {
		return nil, errors.New("the script is not stored")
	}
	content, public, err := in.bundles()
	if err != nil {
		return nil, err
	}
	out := []Attachment{
		{RecordsFile, lines(in.Records)},
		{CheckpointFile, []byte(note)},
		{ProofsFile, append(proofs, '\n')},
		{ScriptFile, script},
		{ContentFile, content},
		{PublicFile, public},
	}
	if in.recovers() {
		out = append(out, Attachment{RecoveryFile, []byte(assets.Recovery)})
	}
	// The key is among the public keys, too, where the files would be ten.
	if k := in.key(); k != nil && !(in.recovers() && len(in.Later) > 0) {
		out = append(out, Attachment{KeyFile, publicPEM(in.Blobs[k.Body.Public])})
	}
	if len(in.Later) > 0 {
		out = append(out, Attachment{LaterFile, lines(in.Later)})
	}
	return append(out, Attachment{HowToFile, []byte(howToVerify)}), nil
}

func lines(records []ledger.Record) []byte {
	var out []byte
	for _, r := range records {
		out = append(append(out, r.Bytes...), '\n')
	}
	return out
}

func publicPEM(spki []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
}

// bundles puts what records name by hash into two files, in the order of the
// hashes. Anyone finds a piece again by its SHA-256.
func (in Input) bundles() (content, public []byte, err error) {
	for _, h := range slices.SortedFunc(maps.Keys(in.Blobs), func(a, b ledger.Hash) int { return bytes.Compare(a[:], b[:]) }) {
		b := in.Blobs[h]
		switch _, notKey := x509.ParsePKIXPublicKey(b); {
		case h == in.Ceremony.Body.Script:
		case notKey == nil:
			public = append(public, publicPEM(b)...)
		case bytes.ContainsRune(b, '\n'):
			return nil, nil, fmt.Errorf("the content %s has more than one line", h)
		default:
			content = append(append(content, b...), '\n')
		}
	}
	return content, public, nil
}

// Unbundle gives the pieces of an attachment, each of which a record may name by
// its SHA-256: the lines of content.jsonl, the keys of public-keys.pem, or the file
// itself.
func (a Attachment) Unbundle() [][]byte {
	var out [][]byte
	switch a.Name {
	case ContentFile:
		for line := range bytes.Lines(a.Content) {
			out = append(out, bytes.TrimSuffix(line, []byte("\n")))
		}
	case PublicFile:
		for block, rest := pem.Decode(a.Content); block != nil; block, rest = pem.Decode(rest) {
			out = append(out, block.Bytes)
		}
	default:
		out = append(out, a.Content)
	}
	return out
}

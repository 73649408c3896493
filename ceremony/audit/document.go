package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"claviger/ceremony"
	"claviger/ceremony/report"
	"claviger/ceremony/steps"
	"claviger/ledger"
)

// document is a report while it is checked.
type document struct {
	*Result
	pdf     []byte
	file    *container
	files   map[string][]byte
	blobs   map[ledger.Hash][]byte // every attachment, by its SHA-256
	in      report.Input
	cp      *ledger.Checkpoint
	brought []string
	o       Options
	heads   int // checkpoints inside the runs
}

// PDF verifies a document, with the ledger beside it if ledgerPath is not "".
func PDF(ctx context.Context, pdf []byte, ledgerPath string, o Options) (*Result, error) {
	brought, err := keys(o.Site)
	if err != nil {
		return nil, &SiteKeysError{err}
	}
	d := &document{Result: &Result{Of: "report"}, pdf: pdf, brought: brought, o: o, files: map[string][]byte{}, blobs: map[ledger.Hash][]byte{}}
	if d.file, err = readPDF(pdf); err != nil {
		return nil, &UnreadableError{err}
	}
	if ledgerPath == "" {
		if err := d.check(); err != nil {
			return nil, err
		}
		d.carriedHere()
		if d.heads > 0 {
			d.notChecked("the tree heads of %d checkpoints inside the runs (their signatures were checked): only the ledger can show them.", d.heads)
		}
		d.notChecked("that the facts restated at the start of each run are true, and that this is the newest edition: only the ledger can show that (ledger.db as second file).")
		return d.Result, nil
	}
	l, unread := openLedger(ctx, ledgerPath, o.Told)
	if unread == nil {
		defer l.reader.Close()
		if err := d.vouched(l); err != nil {
			return nil, err
		}
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	if unread != nil {
		return d.Result, unread
	}
	return d.Result, d.beside(ctx, l)
}

// vouched adds, to the keys that the caller brought, those that they vouch for: a
// ledger that holds shows under whose signature a later ledger key was enrolled.
func (d *document) vouched(l *opened) (err error) {
	if len(l.findings) == 0 && l.head.Size > 0 {
		before := len(d.brought)
		d.brought, err = l.state.VouchedBy(d.brought)
		if n := len(d.brought) - before; n > 0 {
			d.checked("%d later ledger keys were enrolled under the signature of a key you brought, or of one that was.", n)
		}
	}
	return err
}

// check goes as far as the document holds: what stands on something broken is
// not looked at, and said to be so.
func (d *document) check() error {
	if !d.attachments() {
		d.notChecked("the rules, signatures and pages: the attachments do not hold.")
		return nil
	}
	folded, err := d.fold()
	if err != nil {
		return err
	}
	d.production(d.o)
	if !folded {
		d.notChecked("checkpoint, proofs and pages: the records do not hold.")
		return nil
	}
	if err := d.seal(); err != nil {
		return err
	}
	return d.pages()
}

func (d *document) attachments() bool {
	list, err := d.file.attachments()
	if err != nil {
		d.find(nowhere, "pdf.attachment", "%v", err)
	}
	for _, a := range list {
		if a.err != nil {
			d.find(nowhere, "pdf.attachment", "the attachment %q can't be read: %v", a.name, a.err)
			continue
		}
		if _, twice := d.files[a.name]; twice {
			d.find(nowhere, "pdf.attachment", "the attachment %q is there twice", a.name)
		}
		d.files[a.name] = a.content
		for _, piece := range (report.Attachment{Name: a.name, Content: a.content}).Unbundle() {
			d.blobs[ledger.BlobHash(piece)] = piece
		}
	}
	for _, name := range []string{report.RecordsFile, report.CheckpointFile, report.ProofsFile, report.ScriptFile, report.ContentFile, report.PublicFile, report.HowToFile} {
		if _, ok := d.files[name]; !ok {
			d.find(nowhere, "pdf.attachment", "the attachment %s is missing; this is not a whole Claviger report", name)
		}
	}
	return len(d.Findings) == 0
}

// fold puts the records through the rules, from the contexts that they restate.
func (d *document) fold() (bool, error) {
	var records []ledger.Record
	for r, err := range ledger.ReadLines(bytes.NewReader(d.files[report.RecordsFile])) {
		if err != nil {
			d.find(int64(len(records)), "record.parse", "records.jsonl: %v", err)
			return false, nil
		}
		records = append(records, r)
	}
	// Hashes first: bytes that do not fit the chain are wrong, whatever a newer
	// version may say of their meaning.
	for i, r := range records {
		if i > 0 && r.Seq == records[i-1].Seq+1 && r.Prev != records[i-1].Leaf {
			d.find(records[i-1].Seq, "record.prev", "record %d is not the one that record %d names as the one before it", records[i-1].Seq, r.Seq)
			return false, nil
		}
	}
	if len(records) < 3 {
		d.find(nowhere, "record.missing", "records.jsonl holds %d records, fewer than any ceremony", len(records))
		return false, nil
	}
	d.Records = int64(len(records))
	if script := d.files[report.ScriptFile]; !d.isScript(records, script) {
		d.find(records[1].Seq, "script.hash", "script.yaml is not the script that the ceremony was started with")
		return false, nil
	}
	in, claims, err := report.Rebuild(steps.Kinds(), records, func(h ledger.Hash) ([]byte, error) {
		b, ok := d.blobs[h]
		if !ok {
			return nil, fmt.Errorf("no attachment has the SHA-256 %s", h)
		}
		return b, nil
	})
	d.about(records[0])
	if err != nil {
		var refusal *ceremony.Refusal
		switch _, isUnknown := errors.AsType[*ceremony.Unknown](err); {
		case isUnknown && !d.placed(records):
			return false, nil
		case !isUnknown && !errors.As(err, &refusal):
			err = &ceremony.Refusal{Rule: "run.open", Seq: records[len(records)-1].Seq, Why: err.Error()}
		}
		d.Findings = append(d.Findings, ceremony.FindingOf(nowhere, err))
		return false, nil
	}
	d.in = in
	d.Ceremony, d.Document = in.Ceremony.Number, in.Document()
	later, err := d.foldLater()
	if err != nil {
		if _, isUnknown := errors.AsType[*ceremony.Unknown](err); isUnknown && !d.placed(slices.Concat(records, d.in.Later)) {
			return false, nil
		}
		d.Findings = append(d.Findings, ceremony.FindingOf(nowhere, err))
		return false, nil
	}
	claims = append(claims, later...)
	v := ceremony.NewVerifier()
	heads := 0
	for _, c := range claims {
		if c.Root != nil {
			heads++
			continue
		}
		v.Add(c)
		d.PeopleSignedTo = max(d.PeopleSignedTo, c.Seq)
	}
	wrong := v.Wait()
	d.Findings = append(d.Findings, wrong...)
	d.checked("%d records in %d run(s): canonical form, chain inside the runs, every rule.", len(records), len(in.Ceremony.Runs))
	d.checked("%d signatures of people.", len(claims)-heads)
	d.heads = heads
	return len(wrong) == 0, nil
}

// placed says whether the records that a proof names are the ones that it leads
// from. Bytes that do not fit the tree are wrong, not newer than this program; no
// link holds record 0 and the last of a run, only their proofs do.
func (d *document) placed(records []ledger.Record) bool {
	if string(d.files[report.CheckpointFile]) == report.NotSigned {
		return true
	}
	proofs, err := d.readProofs()
	if err != nil {
		return false
	}
	for _, p := range proofs {
		i := slices.IndexFunc(records, func(r ledger.Record) bool { return r.Seq == p.Seq })
		if i < 0 {
			continue
		}
		parsed, err := ledger.ParseProof(p.Proof)
		var cp ledger.Checkpoint
		if err == nil {
			cp, err = ledger.ReadCheckpoint(parsed.Note)
		}
		if err == nil {
			err = ledger.CheckProof(parsed, cp, records[i].Leaf)
		}
		if err != nil {
			d.find(p.Seq, "proof.inclusion", "%v", err)
			return false
		}
	}
	return true
}

func (d *document) readProofs() ([]report.Proof, error) {
	var proofs []report.Proof
	err := ledger.Decode(bytes.TrimSuffix(d.files[report.ProofsFile], []byte("\n")), &proofs)
	if err != nil {
		d.find(nowhere, "proof.form", "proofs.json: %v", err)
	}
	return proofs, err
}

// foldLater puts what came after the ceremony through the rules, behind its runs.
func (d *document) foldLater() ([]ceremony.Claim, error) {
	content, ok := d.files[report.LaterFile]
	if !ok {
		return nil, nil
	}
	for r, err := range ledger.ReadLines(bytes.NewReader(content)) {
		if err != nil {
			return nil, &ceremony.Refusal{Rule: "record.parse", Seq: nowhere, Why: "later.jsonl: " + err.Error()}
		}
		d.in.Later = append(d.in.Later, r)
	}
	claims, err := d.in.FoldLater()
	if err == nil {
		d.checked("%d records of what came later: every rule, every signature; whether who signed had that role on that day, only the ledger shows.", len(d.in.Later))
	}
	return claims, err
}

func (d *document) isScript(records []ledger.Record, script []byte) bool {
	for _, r := range records {
		if r.Kind != ceremony.StartedKind {
			continue
		}
		body, err := ceremony.Body(r)
		return err != nil || body.(*ceremony.Started).Script == ledger.BlobHash(script)
	}
	return true
}

// about fills in whose record it is.
func (d *document) about(first ledger.Record) {
	body, err := ceremony.Body(first)
	if err != nil {
		return
	}
	if b, ok := body.(*ceremony.SiteOpened); ok {
		d.Organisation, d.Practice = b.Organisation, b.Practice
		d.Origin = ledger.Origin(ledger.SiteID(first.Leaf), b.Practice)
	}
}

// seal checks checkpoint and proofs.
func (d *document) seal() error {
	proofs, err := d.readProofs()
	if err != nil {
		return nil
	}
	ends := min(len(d.in.Ends()), len(proofs))
	d.in.Proofs, d.in.LaterProofs = proofs[:ends], proofs[ends:]
	text := string(d.files[report.CheckpointFile])
	last := d.in.Records[len(d.in.Records)-1]
	if text == report.NotSigned {
		d.Uncovered = last.Seq + 1 - d.in.State.SignedTo
		d.notChecked("the HSM's signature over the last run: at this edition the HSM had not signed it.")
		return d.anchor("", d.brought, d.Origin)
	}
	d.in.Checkpoint = text
	people, err := d.in.State.Cosigners()
	if err != nil {
		d.find(nowhere, "checkpoint.cosigner", "%v", err)
		return nil
	}
	cp, n, err := ledger.OpenCheckpoint(text, append(people, verifiers(d.in.State.Vouched())...)...)
	switch {
	case errors.Is(err, ledger.ErrUnknownSigner):
		d.find(nowhere, "checkpoint.unknown-signer", "the checkpoint is signed by no ledger key that the records name")
		return nil
	case err != nil:
		d.find(nowhere, "checkpoint.signature", "%v", err)
		return nil
	case len(n.UnverifiedSigs) > 0:
		d.find(nowhere, "checkpoint.cosigner", "the checkpoint carries a signature of %s, who has no key that may sign it", n.UnverifiedSigs[0].Name)
		return nil
	case cp.Origin != d.Origin:
		d.find(nowhere, "checkpoint.origin", "the checkpoint is of %s, the records are of %s", cp.Origin, d.Origin)
		return nil
	case cp.Size <= last.Seq:
		d.find(last.Seq, "checkpoint.covers", "the checkpoint covers %d records, the last one here is record %d", cp.Size, last.Seq)
		return nil
	}
	d.cp = &cp
	if !d.proofs(cp) || !d.laterProofs() {
		return nil
	}
	d.HSMSignedTo = cp.Size
	if len(n.Sigs) > 1 {
		d.PeopleSignedTo = cp.Size
		d.checked("%d people cosigned that tree.", len(n.Sigs)-1)
	}
	d.checked("The HSM signed the tree of %d records; record 0 and the last record of each run are proved to be in it.", cp.Size)
	if err := d.anchor(text, d.brought, d.Origin); err != nil {
		return err
	}
	return nil
}

// carriedHere compares carried checkpoints as far as a document alone can: with
// its own checkpoint, if that is over as many records.
func (d *document) carriedHere() {
	if d.in.State == nil {
		return
	}
	for i, carried := range d.o.Checkpoints {
		d.carried(i+1, carried, verifiers(d.brought, d.in.State.Vouched()), d.Origin, func(c ledger.Checkpoint) bool {
			if d.cp == nil || c.Size != d.cp.Size {
				return false
			}
			if c.Root != d.cp.Root {
				d.find(nowhere, "checkpoint.fork", "at %d records this document has the root %s, and carried checkpoint %d has %s: two histories were signed", c.Size, d.cp.Root, i+1, c.Root)
			}
			return true
		})
	}
}

func (d *document) proofs(cp ledger.Checkpoint) bool {
	proofs := d.in.Proofs
	leaves := map[int64]ledger.Hash{}
	for _, r := range d.in.Records {
		leaves[r.Seq] = r.Leaf
	}
	ends := d.in.Ends()
	if len(proofs) != len(ends) {
		d.find(nowhere, "proof.missing", "%d proofs are there, and %d records need one", len(proofs), len(ends))
		return false
	}
	for i, p := range proofs {
		parsed, err := ledger.ParseProof(p.Proof)
		if err == nil && (p.Seq != ends[i] || parsed.Seq != p.Seq) {
			err = fmt.Errorf("a proof of record %d was expected, this is one of record %d", ends[i], parsed.Seq)
		}
		if err == nil {
			err = ledger.CheckProof(parsed, cp, leaves[p.Seq])
		}
		if err != nil {
			d.find(p.Seq, "proof.inclusion", "%v", err)
			return false
		}
	}
	return true
}

// laterProofs: each record of what came later is in a tree that the HSM signed,
// where the document says so at all.
func (d *document) laterProofs() bool {
	proofs := d.in.LaterProofs
	switch {
	case len(d.in.Later) == 0 && len(proofs) == 0:
		return true
	case len(proofs) == 0:
		d.notChecked("the HSM's signature over what came later: at this edition the HSM had not signed it.")
		return true
	case len(proofs) != len(d.in.Later):
		d.find(nowhere, "proof.missing", "%d proofs of what came later are there, and %d records need one", len(proofs), len(d.in.Later))
		return false
	}
	for i, p := range proofs {
		rec := d.in.Later[i]
		parsed, err := ledger.ParseProof(p.Proof)
		if err == nil && (p.Seq != rec.Seq || parsed.Seq != rec.Seq) {
			err = fmt.Errorf("a proof of record %d was expected, this is one of record %d", rec.Seq, parsed.Seq)
		}
		var cp ledger.Checkpoint
		if err == nil {
			cp, _, err = ledger.OpenCheckpoint(parsed.Note, verifiers(d.in.State.Vouched())...)
		}
		if err == nil && cp.Origin != d.Origin {
			err = fmt.Errorf("its checkpoint is of %s", cp.Origin)
		}
		if err == nil {
			err = ledger.CheckProof(parsed, cp, rec.Leaf)
		}
		if err != nil {
			d.find(p.Seq, "proof.inclusion", "%v", err)
			return false
		}
	}
	d.in.LaterCovered = true
	d.checked("The HSM signed a tree that holds the %d records of what came later.", len(proofs))
	return true
}

// pages makes the document again and compares.
func (d *document) pages() error {
	var layout int
	var size report.PageSize
	if n, err := fmt.Sscanf(d.file.creator(), "Claviger report layout %d, %s", &layout, &size); n != 2 || err != nil || size != report.A4 && size != report.Letter {
		d.find(nowhere, "pdf.layout", "the document does not say by which layout it was made")
		return nil
	}
	if layout != report.Layout {
		d.Findings = append(d.Findings, ceremony.Finding{Seq: nowhere, Rule: "pdf.layout", Unknown: true, Why: fmt.Sprintf("page content not compared: layout %d is not known to this version", layout)})
		return nil
	}
	if len(d.Findings) > 0 {
		d.notChecked("the pages: what they are made of does not hold.")
		return nil
	}
	d.in.PageSize = size
	again, pages, err := report.Make(d.in)
	if err != nil {
		d.find(nowhere, "pdf.page", "the pages can't be made from these records: %v", err)
		return nil
	}
	if bytes.Equal(again, d.pdf) {
		d.checked("%d pages: made again from the records, the file is the same byte for byte.", pages)
		return nil
	}
	if why := twoReadings(d.pdf); why != "" {
		d.find(nowhere, "pdf.revision", "%s: a viewer may show other pages than the ones that were compared", why)
		return nil
	}
	want, err := readPDF(again)
	if err != nil {
		return err
	}
	differences := compare(d.file, want)
	for _, diff := range differences {
		d.find(nowhere, diff.rule, "%s", diff.why)
	}
	if len(differences) == 0 {
		d.checked("%d pages and all attachments: made again from the records and compared object by object; they are the same. The file's bytes are not: another program, or another version, wrote them.", pages)
	}
	return nil
}

// beside checks what only the ledger can show.
func (d *document) beside(ctx context.Context, l *opened) error {
	for _, f := range l.findings {
		f.Why = "in the ledger: " + f.Why
		d.Findings = append(d.Findings, f)
	}
	if d.in.Ceremony == nil {
		d.notChecked("the document against the ledger: the document does not hold.")
		return nil
	}
	same := true
	for _, r := range slices.Concat(d.in.Records, d.in.Later) {
		if !d.sameRecord(ctx, l, r) {
			same = false
			break
		}
	}
	if d.cp != nil && d.cp.Size > l.head.Size {
		d.find(l.head.Size, "checkpoint.rollback", "the document's checkpoint covers %d records and the ledger has %d: its end was cut, or an older copy was put back", d.cp.Size, l.head.Size)
	} else if d.cp != nil {
		root, err := tlog.TreeHash(d.cp.Size, l.reader)
		if err == nil && ledger.Hash(root) != d.cp.Root {
			d.find(nowhere, "checkpoint.fork", "at %d records the ledger has the root %s, and the document's checkpoint has %s", d.cp.Size, ledger.Hash(root), d.cp.Root)
		}
	}
	if !same || len(l.findings) > 0 {
		return nil
	}
	d.checked("The ledger (%d records) holds, and has each of the document's records in its place; the facts restated at the start of each run are true.", l.head.Size)
	if err := d.edition(ctx, l); err != nil {
		return err
	}
	for i, carried := range d.o.Checkpoints {
		d.carried(i+1, carried, verifiers(d.brought, l.state.Vouched()), d.Origin, func(c ledger.Checkpoint) bool { return l.compare(d.Result, i+1, c) })
	}
	return nil
}

func (d *document) sameRecord(ctx context.Context, l *opened, want ledger.Record) bool {
	for have, err := range l.reader.Records(ctx, want.Seq, want.Seq+1) {
		if err == nil && bytes.Equal(have.Bytes, want.Bytes) {
			return true
		}
		d.find(want.Seq, "ledger.differs", "record %d of the document is not the one that the ledger has there", want.Seq)
		return false
	}
	d.find(want.Seq, "ledger.differs", "the ledger has no record %d", want.Seq)
	return false
}

// edition: an older document of the same ceremony must not pass for the newest.
func (d *document) edition(ctx context.Context, l *opened) error {
	p := l.state.Find(d.in.Ceremony.Number)
	switch {
	case p == nil:
		d.find(nowhere, "ledger.differs", "the ledger has no ceremony %s", d.in.Ceremony.Number)
	case len(p.Runs) > len(d.in.Ceremony.Runs) || l.state.Open == p:
		d.find(nowhere, "report.edition", "this is edition %d; the ledger has a further run of ceremony %s", d.in.Edition(), p.Number)
	case d.cp == nil && l.state.SignedTo > d.in.Records[len(d.in.Records)-1].Seq:
		d.find(nowhere, "report.edition", "this document was made before the HSM signed the last run; it has done so since")
	default:
		newest, err := report.Collect(ctx, l.reader, l.state, p.Number)
		switch {
		case err != nil:
			d.find(nowhere, "report.edition", "whether this is the newest edition can't be found out: %v", err)
		case newest.Edition() > d.in.Edition():
			d.find(nowhere, "report.edition", "this is edition %d; what came later makes edition %d of the report of ceremony %s", d.in.Edition(), newest.Edition(), p.Number)
		default:
			d.checked("This is the newest edition, %d.", d.in.Edition())
		}
	}
	sum := ledger.Hash(sha256.Sum256(d.pdf))
	made, err := l.made(ctx, d.in.Ceremony.Number, sum)
	if err != nil {
		return err
	}
	if made {
		d.checked("The ledger records this very file as made.")
		return nil
	}
	d.notChecked("that this very file was handed out: no report.made of this ceremony has its SHA-256.")
	return nil
}

// made says whether the ledger records a file as the report of a ceremony.
func (l *opened) made(ctx context.Context, ceremonyNumber string, sum ledger.Hash) (bool, error) {
	if l.state.Reports[ceremonyNumber].Body.SHA256 == sum {
		return true, nil
	}
	for r, err := range l.reader.Records(ctx, 0, l.head.Size) {
		if err != nil {
			return false, &UnreadableError{err}
		}
		if r.Kind != ceremony.ReportMadeKind || r.Ceremony != ceremonyNumber {
			continue
		}
		body, err := ceremony.Body(r)
		if b, ok := body.(*ceremony.ReportMade); err == nil && ok && b.SHA256 == sum {
			return true, nil
		}
	}
	return false, nil
}

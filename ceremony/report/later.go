package report

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// collectLater finds what came after the last run and belongs to the ceremony,
// and folds it behind the runs.
func (in *Input) collectLater(ctx context.Context, r ledger.Reader) error {
	end := in.Ceremony.Runs[len(in.Ceremony.Runs)-1].End
	var made []ledger.Record
	var signers []ledger.Hash
	for rec, err := range r.Records(ctx, end, ledger.End) {
		if err != nil {
			return fmt.Errorf("couldn't look for what came after ceremony %s: %w", in.Ceremony.Number, err)
		}
		switch rec.Kind {
		case ceremony.ReportMadeKind:
			if rec.Ceremony == in.Ceremony.Number {
				made = append(made, rec)
			}
			continue
		case ceremony.ReceiptTakenInKind, ceremony.KeyActivatedKind, ceremony.KeySuspendedKind, ceremony.KeyDeactivatedKind, ceremony.KeyCompromisedKind:
		default:
			continue
		}
		body, err := ceremony.Body(rec)
		if err != nil {
			return err
		}
		if by, mine := in.belongs(body); mine {
			in.Later = append(in.Later, rec)
			signers = append(signers, by...)
		}
	}
	if len(in.Later) == 0 {
		return nil
	}
	note, size, err := firstCheckpoint(ctx, r, in.Later[len(in.Later)-1].Seq+1)
	if err != nil {
		return err
	}
	in.LaterCovered = note != ""
	before, err := in.earlierEdition(made, size)
	if err != nil {
		return err
	}
	enrolled, err := in.enrolments(ctx, r, signers)
	if err != nil {
		return err
	}
	in.Later = slices.Concat(enrolled, before, in.Later)
	slices.SortFunc(in.Later, func(a, b ledger.Record) int { return int(a.Seq - b.Seq) })
	claims, err := in.FoldLater()
	for _, c := range claims {
		if err == nil {
			err = c.Verify()
		}
	}
	if err != nil || !in.LaterCovered {
		return err
	}
	return in.proveLater(ctx, r, note, size)
}

// belongs says whether a record is about this ceremony, and whose enrolments its
// signatures need.
func (in *Input) belongs(body any) (signers []ledger.Hash, mine bool) {
	var by []ceremony.SignedBy
	switch b := body.(type) {
	case *ceremony.ReceiptTakenIn:
		by, mine = b.Signatures, b.About == in.Ceremony.Number
	case *ceremony.KeyChanged:
		k := in.key()
		by, mine = b.Signatures, k != nil && k.Body.ID == b.Key
	}
	for _, sg := range by {
		if h := in.State.People[sg.Person]; h == nil || h.Leaf != sg.Key {
			signers = append(signers, sg.Key)
		}
	}
	return signers, mine
}

// earlierEdition is the newest report that was made before what came later, so
// that this edition names the one before; where the HSM has covered what came
// later, it has covered that too.
func (in *Input) earlierEdition(made []ledger.Record, size int64) ([]ledger.Record, error) {
	var newest []ledger.Record
	for _, rec := range made {
		body, err := ceremony.Body(rec)
		if err != nil {
			return nil, err
		}
		if body.(*ceremony.ReportMade).Edition < in.Edition() && (!in.LaterCovered || rec.Seq < size) {
			newest = []ledger.Record{rec}
		}
	}
	return newest, nil
}

// enrolments finds the records that made the signers known, where no context of
// the ceremony restates them.
func (in *Input) enrolments(ctx context.Context, r ledger.Reader, signers []ledger.Hash) ([]ledger.Record, error) {
	var out []ledger.Record
	if len(signers) == 0 {
		return nil, nil
	}
	for rec, err := range r.Records(ctx, 0, ledger.End) {
		if err != nil {
			return nil, fmt.Errorf("couldn't look for who signed what came later: %w", err)
		}
		if rec.Kind == ceremony.PersonEnrolledKind && slices.Contains(signers, rec.Leaf) {
			out = append(out, rec)
		}
	}
	return out, nil
}

// FoldLater puts what came later through the rules, behind the runs.
func (in *Input) FoldLater() ([]ceremony.Claim, error) {
	var claims []ceremony.Claim
	for _, rec := range in.Later {
		c, err := in.State.Later(rec)
		if err != nil {
			return claims, err
		}
		claims = append(claims, c...)
	}
	return claims, nil
}

// later tells what came after the seal.
func (d *doc) later() {
	if len(d.in.Later) == 0 {
		return
	}
	d.heading("What came later")
	var rows []row
	for _, r := range d.in.Later {
		what, says, by := d.laterWords(r)
		if what == "" {
			continue
		}
		rows = append(rows, row{cells: [][]run{code.pt(8).of(day(r.Time) + " " + clock(r.Time)), cells.of(what), says, cells.of(by), cells.of(fmt.Sprint(r.Seq))}})
	}
	d.table([]column{{"UTC", 15}, {"What", 19}, {"It says", 40}, {"Signed by", 18}, {"Record", 8}}, rows)
	d.gap(4)
	d.para(dim.pt(8.4).of(d.editionWords()+" "+d.laterCovered()), 0)
}

func (d *doc) laterWords(r ledger.Record) (what string, says []run, by string) {
	body, err := ceremony.Body(r)
	if err != nil {
		return "", nil, ""
	}
	switch b := body.(type) {
	case *ceremony.ReceiptTakenIn:
		says = cells.of(fmt.Sprintf("From %s, dated %s: %s (as stated); SHA-256 ", b.From, dateWords(b.Date), b.States))
		if b.Copy != "" {
			says = append(cells.of("Ends the copy “"+b.Copy+"”. "), says...)
		}
		if b.Deviation != 0 {
			says = append(cells.of(fmt.Sprintf("Done about deviation %d. ", b.Deviation)), says...)
		}
		return receiptWords(b.Kind), append(says, code.pt(7.9).of(b.SHA256.String())...), d.signedWords(b.Signatures)
	case *ceremony.KeyChanged:
		waived := ""
		if b.Waived {
			waived = "Its backup is waived. "
		}
		return "Key is " + string(b.State), cells.of(fmt.Sprintf("%sFrom %s: %s (as stated)", waived, dateWords(b.At), b.Reason)), d.signedWords(b.Signatures)
	}
	return "", nil, ""
}

func receiptWords(kind string) string {
	switch kind {
	case ceremony.AuditorsLetter:
		return "Auditor's letter"
	case ceremony.CloudReceipt:
		return "Cloud receipt"
	case ceremony.CorrectiveAction:
		return "Corrective action"
	}
	return roleName(kind)
}

func (d *doc) signedWords(by []ceremony.SignedBy) string {
	var out []string
	for _, sg := range by {
		out = append(out, d.surname(sg.Person)+", "+script.RoleWords(sg.Role))
	}
	return strings.Join(out, "; ")
}

// editionWords names the edition before this one.
func (d *doc) editionWords() string {
	for i := len(d.in.Later) - 1; i >= 0; i-- {
		body, err := ceremony.Body(d.in.Later[i])
		if b, ok := body.(*ceremony.ReportMade); err == nil && ok {
			return fmt.Sprintf("This is edition %d. Edition %d, “%s”, has the SHA-256 %s (record %d).", d.in.Edition(), b.Edition, b.Document, b.SHA256, d.in.Later[i].Seq)
		}
	}
	return fmt.Sprintf("This is edition %d. No record names an edition before it.", d.in.Edition())
}

func (d *doc) laterCovered() string {
	switch {
	case len(d.in.Later) == 0:
		return "Nothing, at this edition."
	case d.in.LaterCovered:
		return "A later checkpoint of the HSM covers these records; proofs.json has the proofs."
	}
	return "These records are not yet covered by the HSM."
}

// receipts of one kind, as a field.
func (d *doc) receipts(kind string) []run {
	var out []run
	for _, x := range d.s.Receipts {
		if x.Body.Kind == kind {
			if out != nil {
				out = append(out, run{"; ", body})
			}
			out = append(out, stated(fmt.Sprintf("%s, %s: %s, record %d", x.Body.From, dateWords(x.Body.Date), x.Body.States, x.Seq))...)
		}
	}
	if out == nil {
		return missing()
	}
	return out
}

// accepted is who signed the key's activation, and when.
func (d *doc) accepted(role string) []run {
	if d.key == nil {
		return missing()
	}
	for _, c := range d.key.Changes {
		for _, sg := range c.Body.Signatures {
			if c.Body.State == ceremony.Active && sg.Role == role {
				waived := ""
				if c.Body.Waived {
					waived = "; its backup is waived"
				}
				return words(fmt.Sprintf("%s, %s, record %d: %s%s", d.name(sg.Person), stamp(c.At), c.Seq, c.Body.Reason, waived))
			}
		}
	}
	return missing()
}

// stateWords is the state of the key that was made, as far as this edition knows.
func (d *doc) stateWords() string {
	if n := len(d.key.Changes); n > 0 {
		c := d.key.Changes[n-1]
		return fmt.Sprintf("%s from %s, record %d", roleName(string(c.Body.State)), dateWords(c.Body.At), c.Seq)
	}
	return "Pre-activation until the owner and the approver accept"
}

// proveLater proves each record that came later in the tree of a checkpoint.
func (in *Input) proveLater(ctx context.Context, r ledger.Reader, note string, size int64) error {
	for _, rec := range in.Later {
		path, err := ledger.ProveInclusion(ctx, r, rec.Seq, size)
		if err != nil {
			return err
		}
		in.LaterProofs = append(in.LaterProofs, Proof{Seq: rec.Seq, Proof: ledger.FormatProof(ledger.Proof{Seq: rec.Seq, Path: path, Note: note})})
	}
	return nil
}

// firstCheckpoint finds the first one at or after a record.
func firstCheckpoint(ctx context.Context, r ledger.Reader, from int64) (note string, size int64, err error) {
	for rec, err := range r.Records(ctx, from, ledger.End) {
		if err != nil {
			return "", 0, fmt.Errorf("couldn't look for a checkpoint after record %d: %w", from, err)
		}
		if rec.Kind != ceremony.CheckpointSignedKind {
			continue
		}
		body, err := ceremony.Body(rec)
		if err != nil {
			return "", 0, err
		}
		return body.(*ceremony.CheckpointSigned).Note, rec.Seq, nil
	}
	return "", 0, nil
}

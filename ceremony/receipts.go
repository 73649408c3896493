package ceremony

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// What arrives after a ceremony and belongs to its evidence: an auditor's
// letter, a cloud's receipt for a deletion, a timestamp from outside, the word that
// what a deviation asked for is done. Two people
// take it in and sign what it says, by its SHA-256; the paper or file itself
// stays outside of the ledger. The next edition of the ceremony's report carries
// the record.

// Kinds of receipts.
const (
	AuditorsLetter = "auditors-letter"
	CloudReceipt   = "cloud-receipt"
	Timestamp      = "timestamp"
	// CorrectiveAction closes what was to be done about the cause of a deviation.
	CorrectiveAction = "corrective-action"
)

// Receipts lists the kinds.
func Receipts() []string { return []string{AuditorsLetter, CloudReceipt, Timestamp, CorrectiveAction} }

// ReceiptTakenIn is one of them.
type ReceiptTakenIn struct {
	About      string      `json:"about"`              // number of the ceremony
	Copy       string      `json:"copy"`               // whose end a cloud's receipt confirms, by its name in the key's register; "" otherwise
	Date       string      `json:"date"`               // on the paper, 2026-11-22
	Deviation  int         `json:"deviation,omitzero"` // whose corrective action is done, by its number
	From       string      `json:"from"`               // who issued it, as stated
	Key        string      `json:"key"`                // CKA_ID of the key of that copy, "" otherwise
	Kind       string      `json:"kind"`
	SHA256     ledger.Hash `json:"sha-256"` // of the file or the scanned paper
	Signatures []SignedBy  `json:"signatures"`
	States     string      `json:"states"` // what it says, as stated
}

// Receipt is one that was taken in.
type Receipt struct {
	Body ReceiptTakenIn
	Leaf ledger.Hash
	Seq  int64
	At   time.Time
}

func (s *State) receiptTakenIn(r *record, b *ReceiptTakenIn) error {
	p := s.find(b.About)
	switch {
	case r.Ceremony != "":
		return r.refuse("receipt.place", "a receipt is taken in outside of ceremonies")
	case p == nil || p.Status != SealedStatus && p.Status != AbortedStatus:
		return r.refuse("receipt.about", "no ceremony %q has ended here", b.About)
	case !slices.Contains(Receipts(), b.Kind):
		return r.refuse("receipt.kind", "%q is none of %s", b.Kind, strings.Join(Receipts(), ", "))
	case b.SHA256.IsZero() || b.From == "" || b.States == "":
		return r.refuse("receipt.empty", "a receipt says from whom it is and what it states, and has a SHA-256")
	case (b.Copy == "") != (b.Key == "") || b.Copy != "" && b.Kind != CloudReceipt:
		return r.refuse("receipt.copy", "only a cloud's receipt confirms the end of a copy, and it names key and copy")
	}
	if (b.Deviation != 0) != (b.Kind == CorrectiveAction) {
		return r.refuse("receipt.deviation", "what closes a corrective action names its deviation, and nothing else does")
	}
	if b.Deviation != 0 && !slices.ContainsFunc(p.CorrectivesOpen(), func(d Deviation) bool { return d.Raised.Number == b.Deviation }) {
		return r.refuse("receipt.deviation", "no corrective action of deviation %d of ceremony %s is open", b.Deviation, b.About)
	}
	if _, err := time.Parse(time.DateOnly, b.Date); err != nil {
		return r.refuse("receipt.date", "%q is not a day like 2026-11-22", b.Date)
	}
	roles, err := s.signedBy(r, b.Signatures, func(site string) ([]byte, error) { return ReceiptMessage(*b, r.Prev, site) })
	if err != nil {
		return err
	}
	if len(roles) != 2 {
		return r.refuse("receipt.by", "two people take a receipt in, and %d signed", len(roles))
	}
	if b.Copy != "" {
		if err := s.confirmed(r, b); err != nil {
			return err
		}
	}
	if b.Deviation != 0 {
		p.Deviations[b.Deviation-1].Closed = b.Date
	}
	s.Receipts = append(s.Receipts, Receipt{Body: *b, Leaf: r.Leaf, Seq: r.Seq, At: r.Time})
	return nil
}

// confirmed: the end of a copy that only others can reach is known by their
// receipt, so only of a copy that people told of.
func (s *State) confirmed(r *record, b *ReceiptTakenIn) error {
	k := s.Keys[b.Key]
	if k == nil {
		return r.refuse("key.unknown", "no key with id %s is known here", b.Key)
	}
	i := slices.IndexFunc(k.Copies, func(c Copy) bool { return c.Name == b.Copy && c.Stated })
	if i < 0 {
		return r.refuse("receipt.copy", "no copy of %s that people told of is called %q", k.Body.Label, b.Copy)
	}
	k.Copies[i].State = CopyDestroyed
	return nil
}

// ReceiptMessage gives the bytes that two people sign (claviger custody v1).
func ReceiptMessage(b ReceiptTakenIn, prev ledger.Hash, site string) ([]byte, error) {
	return unsignedMessage(signoff.Custody, struct {
		About     string      `json:"about"`
		Ceremony  string      `json:"ceremony"`
		Copy      string      `json:"copy"`
		Date      string      `json:"date"`
		Deviation int         `json:"deviation,omitzero"`
		From      string      `json:"from"`
		Key       string      `json:"key"`
		Kind      string      `json:"kind"`
		Prev      ledger.Hash `json:"prev"`
		SHA256    ledger.Hash `json:"sha-256"`
		Site      string      `json:"site"`
		States    string      `json:"states"`
	}{b.About, "", b.Copy, b.Date, b.Deviation, b.From, b.Key, b.Kind, prev, b.SHA256, site, b.States})
}

// TakeInReceipt shows a receipt to two people, has both sign it with their
// enrolled keys, and records it. b carries no signatures yet.
func (e *Engine) TakeInReceipt(ctx context.Context, b ReceiptTakenIn, people [2]Part) error {
	if e.state.Open != nil {
		return fmt.Errorf("ceremony %s is under way; take the receipt in when it has ended", e.state.Open.Number)
	}
	for _, text := range []string{b.From, b.States} {
		if err := ledger.CheckText(text); err != nil {
			return typedProblem("The receipt", err)
		}
	}
	facts := []Fact{{Label: "About ceremony", Value: b.About}, {Label: "What it is", Value: strings.ReplaceAll(b.Kind, "-", " ")}, {Label: "From, as stated", Value: b.From},
		{Label: "Dated", Value: b.Date}, {Label: "It states", Value: b.States}, {Label: "SHA-256", Value: b.SHA256.String(), Style: "hash"}}
	if b.Copy != "" {
		facts = append(facts, Fact{Label: "It ends the copy", Value: b.Copy})
	}
	if b.Deviation != 0 {
		facts = append(facts, Fact{Label: "It closes what was to be done about", Value: fmt.Sprintf("deviation %d", b.Deviation)})
	}
	b.Signatures = []SignedBy{}
	var signed []SignedBy
	for _, part := range people {
		a, err := e.askOutside(ctx, Prompt{Kind: AskConfirm, Title: "Take in a receipt", Verb: "Go on to the signature", Who: e.state.Someone(part.Person), Role: part.Role, Facts: facts,
			Text: "Compare the paper, and the SHA-256 that another machine computed of it, with what stands here. Two people sign."})
		if err != nil {
			return err
		}
		a.Secret.Wipe()
		sg, err := e.signOutside(ctx, part.Person, part.Role, "It signs the receipt.", func() ([]byte, error) { return ReceiptMessage(b, e.head.Last, e.state.Site.ID) })
		if err != nil {
			return err
		}
		signed = append(signed, sg)
	}
	b.Signatures = signed
	_, err := e.appendAs(ctx, "", nil, Entry{ReceiptTakenInKind, b})
	return told(err)
}

// Later admits, to a fold of one ceremony's records, what came afterwards and a
// later edition of its report carries: receipts, the word of owner and approver
// on its key, the editions before, and the enrolments of those who signed, which
// were judged where they were made.
func (s *State) Later(lr ledger.Record) ([]Claim, error) {
	body, err := Body(lr)
	if err != nil {
		return nil, err
	}
	r := &record{Record: lr, body: body}
	if !s.partial || s.Open != nil {
		return nil, fmt.Errorf("only a report's own records are followed by later ones")
	}
	if b, ok := body.(*PersonEnrolled); ok {
		msg, err := EnrolmentMessage(*b, r.Ceremony, r.Prev, s.Site.ID)
		if err != nil {
			return nil, err
		}
		pub := unhex(b.Key)
		if len(pub) != len(ledger.Hash{}) || s.People[b.Person] != nil {
			return nil, r.refuse("person.known", "%s is known already, or has no key", b.Person)
		}
		r.claim(Claim{Rule: "person.signature", What: "the signature of " + b.Name + " under the enrolment", Key: pub, Message: msg, Sig: unhex(b.Signature)})
		s.People[b.Person] = &Person{Body: *b, Leaf: r.Leaf}
		return r.claims, nil
	}
	if r.Seq < s.Size || r.Seq == s.Size && r.Prev != s.Last || r.Time.Before(s.Time) {
		return nil, r.refuse("record.order", "record %d does not come after record %d", r.Seq, s.Size-1)
	}
	switch b := body.(type) {
	case *KeyChanged:
		err = s.keyChanged(r, b)
	case *ReceiptTakenIn:
		err = s.receiptTakenIn(r, b)
	case *ReportMade:
		err = s.reportMade(r, b)
	default:
		err = r.refuse("run.outside", "a %s is nothing that a report carries of what came later", r.Kind)
	}
	if err != nil {
		return nil, err
	}
	s.Size, s.Last, s.Time = r.Seq+1, r.Leaf, r.Time
	return r.claims, nil
}

package ceremony

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// ReadNote takes a checkpoint as people bring it: the file, the note with other
// blanks where its newlines were (a field of one line keeps none), or base64 of
// the whole note, for scanners that cannot type the note's dash. It gives the
// note as it was signed; whether a signature holds is not asked here.
func ReadNote(brought []byte) (string, error) {
	if len(brought) > 2*ledger.MaxNote {
		return "", fmt.Errorf("it has %d bytes, and no checkpoint is that long", len(brought))
	}
	words := strings.Fields(string(brought))
	if !slices.Contains(words, dash) {
		whole, err := base64.StdEncoding.DecodeString(strings.Join(words, ""))
		if err != nil {
			return "", errors.New("it is neither a signed note nor base64 of one")
		}
		words = strings.Fields(string(whole))
	}
	if len(words) < 6 || len(words)%3 != 0 {
		return "", errors.New("a signed note has three lines and at least one signature")
	}
	text := strings.Join(words[:3], "\n") + "\n\n"
	for line := range slices.Chunk(words[3:], 3) {
		if line[0] != dash {
			return "", errors.New("one of its signature lines is not whole")
		}
		text += strings.Join(line, " ") + "\n"
	}
	return text, nil
}

// ErrNote: a note that says nothing, because a signature on it does not hold.
var ErrNote = errors.New("the note is not as it was signed")

// dash begins each signature line of a note (C2SP signed-note).
const dash = "—"

// Results of a comparison.
const (
	HeadAgrees    = "consistent"
	HeadOlder     = "older"          // agrees, and covers less than the newest that was known
	HeadAhead     = "rollback"       // it covers records that are not here
	HeadForked    = "fork"           // another root, and the HSM has signed both
	HeadRewritten = "rewritten"      // another root, and the HSM has signed only theirs
	HeadOtherSite = "other site"     // it is of another site
	HeadForeign   = "unknown signer" // no ledger key of this site has signed it
)

// foreign: no key of this site has signed it, so that it says nothing of this record.
func foreign(result string) bool { return result == HeadOtherSite || result == HeadForeign }

func agrees(result string) bool { return result == HeadAgrees || result == HeadOlder }

// judge says what a checkpoint from outside of this file tells of it; rootAt is
// the root that the file has at a size. A note whose signature does not hold says
// nothing and is an error.
func (s *State) judge(text string, rootAt func(size int64) (ledger.Hash, error)) (CheckpointCompared, error) {
	var c CheckpointCompared
	verifiers, err := verifiersOf(s.Vouched())
	if err != nil {
		return c, err
	}
	cp, _, err := ledger.OpenCheckpoint(text, verifiers...)
	if errors.Is(err, ledger.ErrUnknownSigner) {
		c.Result, c.Detail = HeadForeign, "it is not signed by a ledger key that this record knows"
		if origin, _, _ := strings.Cut(text, "\n"); origin != s.Site.Origin {
			c.Result, c.Detail = HeadOtherSite, limitText("it is of another site, "+origin)
		}
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrNote, err)
	}
	c.Size, c.Root = cp.Size, cp.Root
	if cp.Size > s.Size {
		c.Result, c.Detail = HeadAhead, fmt.Sprintf("the head covers %d records and this file has %d: its end was cut, or an older copy was put back", cp.Size, s.Size)
		return c, nil
	}
	root, err := rootAt(cp.Size)
	if err != nil {
		return c, fmt.Errorf("couldn't compute the tree head at %d: %w", cp.Size, err)
	}
	c.Result = HeadAgrees
	switch {
	case root != cp.Root && cp.Size <= s.SignedTo:
		c.Result, c.Detail = HeadForked, fmt.Sprintf("the head of %d records is %s, theirs in this file is %s, and the HSM has signed both: two histories were signed", cp.Size, cp.Root, root)
	case root != cp.Root:
		c.Result, c.Detail = HeadRewritten, fmt.Sprintf("the head of %d records is %s and theirs in this file is %s, which the HSM has not signed: they were written again", cp.Size, cp.Root, root)
	case cp.Size < s.newestHead():
		c.Result = HeadOlder
	}
	return c, nil
}

// newestHead counts the records under the newest checkpoint that is known here.
func (s *State) newestHead() int64 {
	newest := s.SignedTo
	for _, size := range s.Compared {
		newest = max(newest, size)
	}
	return newest
}

// checkpointCarried: what the record says of the note is what the note says of
// the records before it. Only a person who is enrolled takes one in.
func (s *State) checkpointCarried(r *record, b *CheckpointCarried) error {
	h := s.People[b.Person]
	switch {
	case r.Ceremony != "":
		return r.refuse("carried.place", "a carried checkpoint belongs to no ceremony")
	case h == nil || h.Leaf != b.Key:
		return r.refuse("carried.person", "it names no enrolled person")
	}
	c, err := s.judge(b.Note, func(int64) (ledger.Hash, error) {
		if agrees(b.Result) {
			return b.Root, nil
		}
		return ledger.Hash{}, nil
	})
	switch {
	case err != nil:
		return r.refuse("carried.note", "%v", err)
	case c.Result != b.Result || c.Size != b.Size || c.Root != b.Root || agrees(b.Result) != (b.Detail == ""):
		return r.refuse("carried.result", "the note says %q over %d records, and the record says %q over %d", c.Result, c.Size, b.Result, b.Size)
	}
	msg, err := CarriedMessage(*b, r.Prev, s.Site.ID)
	if err != nil {
		return err
	}
	r.claim(Claim{Rule: "carried.signature", What: "the signature of " + h.Body.Name + " under the carried checkpoint", Key: h.Public(), Message: msg, Sig: unhex(b.Signature)})
	head := &ledger.Checkpoint{Origin: s.Site.Origin, Size: b.Size, Root: b.Root}
	switch b.Result {
	case HeadAgrees, HeadOlder:
		r.claim(Claim{Rule: "checkpoint.root", What: "the head that was carried", Root: head})
		source := "a checkpoint carried by " + h.Body.Called()
		s.Compared[source] = max(s.Compared[source], b.Size)
		return nil
	case HeadForked, HeadRewritten:
		r.claim(Claim{Rule: "carried.result", What: "the head that was carried", Root: head, Unlike: true})
	}
	if foreign(b.Result) {
		// Anybody could write such a note: it is on record, and closes nothing.
		s.Foreign[h.Body.Person] = r.Seq
		return nil
	}
	s.Contradiction = fmt.Sprintf("record %d: %s", r.Seq, b.Detail)
	return nil
}

// CarriedMessage gives the bytes that a person signs to take a checkpoint in.
func CarriedMessage(b CheckpointCarried, prev ledger.Hash, site string) ([]byte, error) {
	return unsignedMessage(signoff.Custody, struct {
		Ceremony string      `json:"ceremony"`
		Detail   string      `json:"detail"`
		Key      ledger.Hash `json:"key"`
		Note     string      `json:"note"`
		Person   string      `json:"person"`
		Prev     ledger.Hash `json:"prev"`
		Result   string      `json:"result"`
		Root     ledger.Hash `json:"root"`
		Site     string      `json:"site"`
		Size     int64       `json:"size"`
	}{"", b.Detail, b.Key, b.Note, b.Person, prev, b.Result, b.Root, site, b.Size})
}

// TakeIn holds a checkpoint that somebody carried out of the room against this
// record. Who brings it consents with the passphrase before the outcome is told,
// so that nobody can look at a contradiction and leave it unrecorded. A note
// that says nothing (no checkpoint, or a signature that does not hold) is a
// *Problem; leaving is a *Stop; neither is recorded.
func (e *Engine) TakeIn(ctx context.Context, brought []byte) (CheckpointCarried, error) {
	var b CheckpointCarried
	if err := e.MayWrite(); err != nil {
		return b, err
	}
	if e.state.Open != nil {
		return b, fmt.Errorf("ceremony %s is under way; take the checkpoint in when it has ended", e.state.Open.Number)
	}
	text, err := ReadNote(brought)
	if err != nil {
		return b, noCheckpoint(err)
	}
	c, err := e.compare(text, "")
	if errors.Is(err, ErrNote) {
		return b, noCheckpoint(err)
	}
	if err != nil {
		return b, err
	}
	h, err := e.askCarrier(ctx, text)
	if err != nil {
		return b, err
	}
	key, err := e.askKey(ctx, h, "", "It signs what the comparison of the carried checkpoint says.")
	if err != nil {
		return b, err
	}
	defer key.Wipe()
	b = CheckpointCarried{Detail: c.Detail, Key: h.Leaf, Note: text, Person: h.Body.Person, Result: c.Result, Root: c.Root, Size: c.Size}
	msg, err := CarriedMessage(b, e.head.Last, e.state.Site.ID)
	if err != nil {
		return b, err
	}
	b.Signature = hex.EncodeToString(key.Sign(msg))
	_, err = e.appendAs(ctx, "", nil, Entry{CheckpointCarriedKind, b})
	return b, err
}

func noCheckpoint(err error) error {
	return &wrapped{&Problem{Happened: "That is not a checkpoint that can be compared: " + err.Error() + ".", Safe: "Nothing was recorded.",
		Do: "Bring the note whole: the file checkpoint.txt, its text, or its base64."}, err}
}

// MayWrite says why nothing may be written here, a *Problem; nil where it may.
func (e *Engine) MayWrite() error {
	why := e.state.Contradiction
	if len(e.findings) > 0 {
		why = e.findings[0].String()
	}
	switch {
	case e.holder != "":
		return e.heldProblem()
	case why != "":
		return &Problem{Happened: "The site is read-only: " + why + ".", Safe: "Nothing was written.", Do: "Keep this folder, and what was carried, as they are, and call the auditor, who copies the folder whole."}
	}
	return nil
}

// askCarrier asks who brings the note, and shows what it says of itself.
func (e *Engine) askCarrier(ctx context.Context, text string) (*Person, error) {
	s := e.state
	lines := strings.SplitN(text, "\n", 4)
	p := Prompt{Kind: AskForm, Title: "Take in a carried checkpoint", Verb: "Go on to the passphrase",
		Text: "The passphrase of who carried it signs what the comparison says, whatever that is. A checkpoint that a ledger key of this site has signed and that contradicts this record makes the site read-only for good.",
		Facts: []Fact{{Label: "Checkpoint of", Value: lines[0], Style: "mono"}, {Label: "This site", Value: s.Site.Origin, Style: "mono"},
			{Label: "Records it covers", Value: lines[1]}, {Label: "Records here", Value: fmt.Sprint(s.Size)}},
		Fields: []Field{{Name: "person", Label: "Who carried it", Type: "text", Of: sortedKeys(s.People), Max: 63}}}
	if lines[0] != s.Site.Origin {
		p.Problem = &Problem{Happened: "This checkpoint is of another site.", Safe: "Nothing was recorded.",
			Do: "Go back and bring the right one. Go on only if it was carried out of this very room: then this record is not the one that was kept here, and the auditor must know."}
	}
	for {
		a, err := e.askOutside(ctx, p)
		if err != nil {
			return nil, err
		}
		a.Secret.Wipe()
		if h := s.People[a.Fields["person"]]; h != nil {
			return h, nil
		}
		p.Problem = typedProblem(p.Fields[0].Label, fmt.Errorf("nobody with the id %q is enrolled", a.Fields["person"]))
	}
}

// askKey opens the enrolled key of a person; what says what it will sign.
func (e *Engine) askKey(ctx context.Context, h *Person, role, what string) (*signoff.Key, error) {
	p := Prompt{Kind: AskPassphrase, Who: e.state.Someone(h.Body.Person), Role: role, With: Passphrase, Title: h.Body.Called() + ", open your key", Text: what}
	for {
		a, err := e.askOutside(ctx, p)
		if err != nil {
			return nil, err
		}
		key, err := e.keys.Open(h, a.Secret)
		a.Secret.Wipe()
		if !errors.Is(err, ErrSecret) {
			return key, err
		}
		p.Problem = secretProblem(h.Body.Name, Passphrase, err)
	}
}

// askOutside asks where no ceremony is under way: there is nothing to pause, and
// whoever does not go on leaves.
func (e *Engine) askOutside(ctx context.Context, p Prompt) (Answer, error) {
	if err := e.MayWrite(); err != nil {
		return Answer{}, err
	}
	for {
		a, err := e.room.Ask(ctx, p)
		if err != nil {
			return Answer{}, err
		}
		if a.Action != GoOn {
			a.Secret.Wipe()
			return Answer{}, &Stop{Err: ErrAborted, Reason: "left"}
		}
		if p.Problem = atTheDoor(a, nil); p.Problem == nil {
			return a, nil
		}
		a.Secret.Wipe()
	}
}

package ceremony

import (
	"context"
	"fmt"
	"slices"
	"time"

	"claviger/ceremony/script"
	"claviger/ledger"
)

// KeyDue is what a key asks of people, and from which day on.
type KeyDue struct {
	Key   string // CKA_ID
	Label string
	What  string
	By    []string // whose word it takes, by role
	From  time.Time
}

// KeyNotice is how long before its day a key is told of: time to order a ceremony
// and to call people together.
const KeyNotice = 60 * 24 * time.Hour

// Told says whether people are told of it by now.
func (d KeyDue) Told(now time.Time) bool { return !now.Before(d.From.Add(-KeyNotice)) }

// Overdue says whether the day has come.
func (d KeyDue) Overdue(now time.Time) bool { return !now.Before(d.From) }

// KeysDue lists what every key asks of people next, by its state and by the
// cryptoperiods of the policy: NIST SP 800-57 part 1, sections 5.3 and 7. It is a
// pure function; what has no end in the policy asks for nothing. The soonest
// comes first.
func (s *State) KeysDue() []KeyDue {
	var out []KeyDue
	for _, id := range sortedKeys(s.Keys) {
		k := s.Keys[id]
		d := KeyDue{Key: id, Label: k.Body.Label}
		until, err := time.Parse(time.DateOnly, k.Body.Until)
		if err != nil {
			continue
		}
		switch k.State {
		case PreActivation:
			d.What, d.By, d.From = "accept the key, or have it destroyed", []string{"owner", "approver"}, k.Time
			if s.Unbacked(k) != nil {
				d.What = "have it backed up, or accept it without a backup"
			}
		case Active, Suspended:
			d.What, d.By, d.From = "its use ends: deactivate it", []string{"owner"}, until
		case Deactivated:
			end, ok := s.recipientUse(k, until)
			if !ok {
				continue
			}
			d.What, d.By, d.From = "nothing is read with it any more: have it destroyed", []string{"owner", "approver"}, end
		case Compromised:
			d.What, d.By, d.From = "it is compromised: have it destroyed", []string{"owner", "approver"}, k.lastChange()
		default:
			continue
		}
		if k.Quarantined {
			d.What, d.From = "it is quarantined: have it destroyed", k.Time
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b KeyDue) int { return a.From.Compare(b.From) })
	return out
}

// recipientUse is when what was made with a key is read no more. Signatures of a
// private key are verified with its public half, so the private one has no use
// after its own.
func (s *State) recipientUse(k *Key, until time.Time) (time.Time, bool) {
	if Signs(k.Body.Purpose) && !secretKey(k.Body.Algorithm) {
		return until, true
	}
	if s.Policy == nil {
		return until, false
	}
	row, ok := s.Policy.Adopted.Policy.Cryptoperiod(k.Body.Algorithm, k.Body.Purpose)
	if !ok {
		return until, false
	}
	longer, err := script.ParsePeriod(row.Recipient)
	if err != nil {
		return until, false
	}
	return longer.From(until), true
}

func (k *Key) lastChange() time.Time {
	if n := len(k.Changes); n > 0 {
		return k.Changes[n-1].At
	}
	return k.Time
}

// ChangeKey records that a key reached a state by the word of the people named,
// each of whom sees it and signs with the enrolled key: acceptance (owner and
// approver), suspension, deactivation at its date, compromise. What leads to
// Destroyed is a ceremony of its own.
func (e *Engine) ChangeKey(ctx context.Context, b KeyChanged, people []Part) error {
	if e.state.Open != nil {
		return fmt.Errorf("ceremony %s is under way; a key's state is changed when it has ended", e.state.Open.Number)
	}
	if err := ledger.CheckText(b.Reason); err != nil || b.Reason == "" {
		return typedProblem("The reason", fmt.Errorf("it is missing or cannot be printed"))
	}
	k := e.state.Keys[b.Key]
	if k == nil {
		return &Problem{Happened: fmt.Sprintf("No key with identifier %q is known here.", b.Key), Safe: "Nothing was recorded.", Do: "Choose a key of this site."}
	}
	b.Signatures = []SignedBy{}
	facts := []Fact{{Label: "Key", Value: k.Body.Label}, {Label: "Fingerprint", Value: k.Body.Fingerprint, Style: "hash"}, {Label: "Owner", Value: e.state.Someone(k.Body.Owner).Name},
		{Label: "Is now", Value: string(k.State)}, {Label: "Becomes", Value: string(b.State)}, {Label: "From", Value: b.At}, {Label: "Reason", Value: b.Reason}}
	if b.Waived {
		facts = append(facts, Fact{Label: "Backup", Value: "none; it is waived, for that reason"})
	}
	var signed []SignedBy
	for _, part := range people {
		a, err := e.askOutside(ctx, Prompt{Kind: AskConfirm, Title: fmt.Sprintf("%s becomes %s", k.Body.Label, b.State), Verb: "Go on to the signature", Who: e.state.Someone(part.Person), Role: part.Role,
			Facts: facts, Text: "Read it before you sign. Each of those named signs with their own passphrase."})
		if err != nil {
			return err
		}
		a.Secret.Wipe()
		sg, err := e.signOutside(ctx, part.Person, part.Role, "It signs the change.", func() ([]byte, error) { return KeyChangedMessage(b, e.head.Last, e.state.Site.ID) })
		if err != nil {
			return err
		}
		signed = append(signed, sg)
	}
	b.Signatures = signed
	_, err := e.appendAs(ctx, "", nil, Entry{"key." + changedKind(b.State), b})
	return told(err)
}

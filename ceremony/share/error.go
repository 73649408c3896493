package share

import "fmt"

// Fault is why a card is not taken.
type Fault string

// Faults of a card's text.
const (
	Character Fault = "character" // one that no card has
	Length    Fault = "length"    // too few or too many letters
	Prefix    Fault = "prefix"    // neither KC1 nor KP1
	Practice  Fault = "practice"  // a practice card on a real site
	Real      Fault = "real"      // a real card on a practice site
	Checksum  Fault = "checksum"  // letters that do not fit each other
	Bech32    Fault = "bech32"    // fits, in the older kind of checksum
	Version   Fault = "version"   // of a later card text
	Numbers   Fault = "numbers"   // k, n, index that cannot be
)

// Faults of a card in its set.
const (
	OtherSet    Fault = "other set"
	OtherShape  Fault = "other shape" // k or n differ from the set's
	Duplicate   Fault = "duplicate"   // this card is there already
	ZeroX       Fault = "zero x"      // a share that would dictate the secret
	Forged      Fault = "forged"      // not the card that was handed out
	TooMany     Fault = "too many"
	TooFew      Fault = "too few"
	WrongSecret Fault = "wrong secret" // the commitment does not hold
)

// Error refuses a card or a set of cards. Its text may be shown: it tells no
// letter of a card.
type Error struct {
	Fault  Fault
	Groups []int // where to look, from 1; nil for nowhere in particular
	Why    string
}

func (e *Error) Error() string { return e.Why }

func fault(f Fault, groups []int, format string, args ...any) error {
	return &Error{Fault: f, Groups: groups, Why: fmt.Sprintf(format, args...)}
}

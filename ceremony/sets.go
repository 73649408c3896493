package ceremony

import (
	"cmp"
	"fmt"
	"slices"

	"claviger/ceremony/script"
	"claviger/ledger"
)

// Share sets and what their cards open. A token has two sets at most: activation,
// whose cards give the user PIN, and recovery, whose cards give the security
// officer's PIN and the key that wraps backups. (Of one with a pad of its own, see
// pad.go: the device makes what opens it.) Which set a token's PINs come from
// is a record of its own, because a set may serve several tokens and a token
// outlives its sets.

// Purposes of a set.
const (
	Activation = "activation"
	Recovery   = "recovery"
)

// PINsSet says from which sets a token's PINs come from now on; it is written when
// the token has taken them.
type PINsSet struct {
	Intent  ledger.Hash `json:"intent"`
	Serial  string      `json:"serial"`
	SOSet   string      `json:"so-set"` // "" while the transport PIN stands
	UserSet string      `json:"user-set"`
	// WrapSet gives the wrapping key of a token whose PINs are entered on the device,
	// and nothing else; absent of others, whose wrapping key is that of SOSet.
	WrapSet string `json:"wrap-set,omitzero"`
}

func (s *State) pinsSet(r *record, b *PINsSet) error {
	t := s.Tokens[b.Serial]
	if t == nil {
		return r.refuse("token.unknown", "no token with serial number %s is enrolled", b.Serial)
	}
	for _, of := range []struct {
		set, purpose, before string
		made, optional       bool
	}{
		{b.UserSet, Activation, t.UserSet, t.AtPad(), false},
		{b.SOSet, t.opensAs("so"), t.SOSet, t.AtPad(), true},
		{b.WrapSet, Recovery, t.WrapSet, false, true},
	} {
		set := s.Sets[of.set]
		switch {
		case of.set == "" && of.optional && of.before == "":
		case set == nil || set.Body.Purpose != of.purpose:
			return r.refuse("set.purpose", "%q is no %s set", of.set, of.purpose)
		case set.Withdrawn:
			return r.refuse("set.withdrawn", "set %s is withdrawn", set.Body.Name)
		case set.Body.Made() != of.made, of.set == b.WrapSet && !t.AtPad():
			return r.refuse("token.pad", "set %s does not open token %s: %s", set.Body.Name, b.Serial, t.opened())
		}
	}
	t.UserSet, t.SOSet, t.WrapSet = b.UserSet, b.SOSet, b.WrapSet
	return nil
}

// SetWithdrawn takes a set out of use: no token's PIN comes from it any more. Its
// cards are destroyed after it, each with a record of its own.
type SetWithdrawn struct {
	Set string `json:"set"`
}

func (s *State) setWithdrawn(r *record, b *SetWithdrawn) error {
	set := s.Sets[b.Set]
	if set == nil || set.Withdrawn {
		return r.refuse("set.withdrawn", "%q is no set that is in use", b.Set)
	}
	for _, serial := range sortedKeys(s.Tokens) {
		if t := s.Tokens[serial]; t.UserSet == b.Set || t.SOSet == b.Set || t.WrapSet == b.Set {
			return r.refuse("set.still-opens", "the cards of set %s still open token %s", set.Body.Name, serial)
		}
	}
	set.Withdrawn, set.WithdrawnIn = true, r.Ceremony
	return nil
}

// OldCards says of each card of a withdrawn set, by its name, what to tell who brings
// it: that the cards of its set were replaced, by which ceremony, and what the record
// says became of it.
func (s *State) OldCards(asked string) map[string]*Problem {
	out := map[string]*Problem{}
	for _, set := range s.Sets {
		if !set.Withdrawn || set.Body.Name == asked {
			continue
		}
		for _, name := range set.CardNames() {
			p := &Problem{Happened: fmt.Sprintf("This is %s, which was withdrawn in ceremony %s: other cards took its place.", name, set.WithdrawnIn), Safe: "Nothing was combined and nothing was recorded."}
			then := fmt.Sprintf("; then bring the card of the set %s.", asked)
			switch it := s.Items[name]; {
			case it != nil && it.State == Gone:
				p.Happened += " The record says that it was destroyed."
				p.Do = "Note a deviation that says where it was, and have it destroyed before everyone's eyes" + then
			case it != nil && it.State == Lost:
				p.Happened += " The record says that it is lost."
				p.Do = "Note a deviation that says where it was, and have it destroyed before everyone's eyes" + then
			case len(s.NeededFor(set.Body.Set)) > 0:
				p.Happened += " It is kept only until the old backups that it opens are gone."
				p.Do = "Note a deviation, and put it back into its bag" + then
			default:
				p.Happened += " It should have been destroyed."
				p.Do = "Note a deviation, and have it destroyed in a ceremony of custody" + then
			}
			out[name] = p
		}
	}
	return out
}

// Unaccounted lists the cards of a set that nobody answers for: lost, or in the
// hands of somebody who is retired. They count together.
func (s *State) Unaccounted(set *Set) []string {
	var out []string
	for _, name := range set.CardNames() {
		it := s.Items[name]
		if it == nil || it.State == Gone {
			continue
		}
		holder := s.People[it.Holder]
		if departed := holder != nil && holder.Retired; it.State == Lost || departed {
			out = append(out, name)
		}
	}
	return out
}

// SetDue is what a set asks of people.
type SetDue struct {
	Set         *Set
	Unaccounted []string // as many as open what the set still opens: its secret is to be changed; else none
	Needed      bool     // the set is withdrawn, and a backup is kept that only its cards open
	Wraps       string   // labels of keys of which a backup may be left that the cards of this withdrawn set open
}

// SetsDue lists the sets that still open something and whose secret must be changed,
// as too many of their cards are unaccounted for, and those that were withdrawn and
// still open a backup.
func (s *State) SetsDue() []SetDue {
	var out []SetDue
	for _, id := range sortedKeys(s.Sets) {
		set := s.Sets[id]
		d := SetDue{Set: set}
		if un := s.Unaccounted(set); len(un) >= set.Body.Threshold {
			d.Unaccounted = un
		}
		due := len(d.Unaccounted) > 0
		if set.Withdrawn {
			under := s.KeysUnder(id)
			d.Wraps = Labels(under)
			d.Needed = len(s.NeededFor(id)) > 0
			due = d.Needed || due && len(under) > 0
		}
		if due {
			out = append(out, d)
		}
	}
	return out
}

// SetFor is the set whose cards open a token, in the role of who logs in, nil if
// there is none.
func (s *State) SetFor(serial, as string) *Set {
	t := s.Tokens[serial]
	switch {
	case t == nil:
		return nil
	case as == "so":
		return s.Sets[t.SOSet]
	}
	return s.Sets[t.UserSet]
}

// SetNamed finds a set as people name it: by the first groups of its cards, or by
// its id.
func (s *State) SetNamed(name string) *Set {
	for _, id := range sortedKeys(s.Sets) {
		if id == name || s.Sets[id].Body.Name == name {
			return s.Sets[id]
		}
	}
	return nil
}

// CardNames gives the names of a set's cards in custody.
func (set *Set) CardNames() []string {
	var out []string
	for _, c := range set.Body.Cards {
		out = append(out, set.Body.CardName(c.Index))
	}
	return out
}

// serves says whether a set opens a token, or was made for it.
func (s *State) serves(set *Set, serial string) bool {
	t := s.Tokens[serial]
	return serial != "" && (slices.Contains(set.Body.Serials, serial) || t != nil && (t.UserSet == set.Body.Set || t.SOSet == set.Body.Set || t.WrapSet == set.Body.Set))
}

// setsNeeded lists the sets that a run may speak of: those of its tokens, those
// that a parameter names, and those whose cards open a backup of its keys.
func (s *State) setsNeeded(p *Progress) []*Set {
	named := map[string]bool{}
	for _, par := range p.Plan.Parameters {
		if set := s.SetNamed(p.Plan.Values[par.Name]); par.Type == "set" && set != nil {
			named[set.Body.Set] = true
		}
	}
	for _, k := range s.keysNeeded(p) {
		for _, c := range k.Copies {
			named[c.Set] = true
		}
	}
	var out []*Set
	for _, id := range sortedKeys(s.Sets) {
		if set := s.Sets[id]; named[id] || !set.Withdrawn && (s.serves(set, p.Token) || s.serves(set, p.Second.Serial)) {
			out = append(out, set)
		}
	}
	return out
}

func (s *State) tokensNeeded(p *Progress) []*Token {
	var out []*Token
	for _, serial := range sortedKeys(s.Tokens) {
		if serial == p.Token || serial == p.Second.Serial {
			out = append(out, s.Tokens[serial])
		}
	}
	return out
}

// SecondToken is the token beside this one that a ceremony restores to where
// nobody names one: the newest. "" if there is none.
func (s *State) SecondToken(first string) string {
	second := ""
	for serial, t := range s.Tokens {
		if serial != first && (second == "" || t.Seq > s.Tokens[second].Seq) {
			second = serial
		}
	}
	return second
}

// needsSecond says whether a script restores to another token; one that lets the
// restore be waived can do without.
func needsSecond(plan *script.Bound) bool {
	return slices.ContainsFunc(plan.Steps(), func(st script.Step) bool { return st.Kind == RestoreStep && st.With["waiver"] == "" })
}

// usesSecond says whether a script works on another token where there is one: it
// restores to it, or changes its PINs with those of the first.
func usesSecond(plan *script.Bound) bool {
	return slices.ContainsFunc(plan.Steps(), func(st script.Step) bool { return st.Kind == RestoreStep || st.Kind == ChangeStep })
}

func (s *State) loginTried(r *record, b *LoginTried) error {
	p := s.Open
	opened, known := p.opened(b.Serial)
	switch {
	case p.brokenSeal != "":
		return r.refuse("custody.seal-broken", "the seal of %s was broken, and no deviation has decided about it", p.brokenSeal)
	case !known:
		return r.refuse("token.serial", "token %s is not one of this ceremony: %s", b.Serial, p.Token)
	case opened:
		return r.refuse("token.open", "the token is open already")
	case b.As != "user" && b.As != "so":
		return r.refuse("token.login", "%q is neither user nor so", b.As)
	case b.Flags != "" && !p.decidedToTry(b.Step, b.Decision):
		return r.refuse("token.could-lock", "the token said %q of this PIN, and no deviation has decided to try this once", b.Flags)
	case b.Flags == "" && b.Decision != 0:
		return r.refuse("token.could-lock", "the token said nothing of this PIN that had to be decided")
	}
	if b.Decision > 0 {
		p.Deviations[b.Decision-1].Tried = true
	}
	// Until cards rule it, the security officer's PIN is the transport PIN.
	t := s.Tokens[b.Serial]
	transport := b.As == "so" && len(b.Cards) == 0 && t != nil && t.SOSet == ""
	if !transport && !(len(b.Cards) == 0 && p.settingPIN(b.Serial)) {
		if err := s.checkCards(p, b); err != nil {
			return r.refuse(ruleOf(err, "token.cards"), "%v", err)
		}
	}
	p.login, p.tried = &r.Record, b
	p.Cards = b.Cards
	return nil
}

// The acts that give a token other PINs.
const (
	SetPINs   = "set-pins"
	ChangePIN = "change-pin"
)

// settingPIN: two officers have authorised that this token's PIN is set, and no result
// says yet that it was. What the machine has just set, it tries by a login; the cards
// behind it were read for the act, in this run. What people have just set at a device,
// they present there.
func (p *Progress) settingPIN(serial string) bool {
	return slices.ContainsFunc(p.openIntents(), func(in *IntentState) bool {
		act := in.Body.Act
		sets := act.Do == ChangePIN && act.With["serial"] == serial || act.Do == SetPINs && cmp.Or(p.Second.Serial, p.Token) == serial
		// What is tried at a device was read from no card, in this run or before.
		pad := act.Do == PadPIN && cmp.Or(act.With["serial"], p.Second.Serial) == serial
		return sets && in.Seq >= p.runFirst || pad
	})
}

// checkCards: a PIN is rebuilt from threshold cards of one set for this token,
// each brought by the person who holds it, out of its bag under a witness's eyes.
func (s *State) checkCards(p *Progress, b *LoginTried) error {
	purpose := s.Tokens[b.Serial].opensAs(b.As)
	if len(b.Cards) == 0 {
		return fmt.Errorf("the token is opened by several people together, and nobody's card is named")
	}
	set := s.Sets[b.Cards[0].Set]
	switch {
	// A second token that is being added takes its PINs from the first one's cards.
	case set == nil || !s.serves(set, b.Serial) && !s.serves(set, p.Token) || set.Body.Purpose != purpose:
		return fmt.Errorf("set %s does not open this token", b.Cards[0].Set)
	case set.Body.Made() && !slices.Contains(set.Body.Serials, b.Serial):
		return fmt.Errorf("set %s was made by another device", set.Body.Name)
	case set.Withdrawn:
		return fmt.Errorf("set %s is withdrawn", set.Body.Name)
	case len(b.Cards) != set.Body.Threshold:
		return fmt.Errorf("%d cards are named and %d are needed", len(b.Cards), set.Body.Threshold)
	}
	people := map[string]bool{}
	for _, c := range b.Cards {
		if c.Set != b.Cards[0].Set {
			return fmt.Errorf("cards of two sets are mixed")
		}
		if people[c.Person] || !p.Present[c.Person] {
			return fmt.Errorf("%s is not present, or is named twice", c.Person)
		}
		people[c.Person] = true
		if !slices.ContainsFunc(set.Body.Cards, func(k CardIssued) bool { return k.Index == c.Index }) {
			return fmt.Errorf("set %s has no card %d", set.Body.Name, c.Index)
		}
		it := s.Items[set.Body.CardName(c.Index)]
		switch {
		case it == nil && set.Body.Made():
			return &Broken{Rule: "custody.unbagged", Why: fmt.Sprintf("%s was never put into a bag", set.Body.CardName(c.Index))}
		case it == nil || it.Holder != c.Person:
			return fmt.Errorf("%s does not hold card %d", c.Person, c.Index)
		case !p.usedItems[it.Name]:
			return &Broken{Rule: "custody.unopened", Why: fmt.Sprintf("%s was used, and no record says that its bag was opened", it.Name)}
		case set.Body.Made() && it.State != OutOfBag:
			return &Broken{Rule: "custody.unopened", Why: fmt.Sprintf("%s is %s, and cannot be presented to the device", it.Name, it.State)}
		}
	}
	return s.ManagersApart(sortedKeys(people), set.Body.Threshold)
}

// opened says whether a token of this ceremony is open, and whether it is one.
func (p *Progress) opened(serial string) (open, known bool) {
	switch {
	case serial == "":
		return false, false
	case serial == p.Token:
		return p.TokenOpen, true
	case serial == p.Second.Serial:
		return p.Second.Open, true
	}
	return false, false
}

func (p *Progress) setOpen(serial string, open bool, as string) {
	if serial == p.Token {
		p.TokenOpen, p.OpenedAs = open, as
	} else {
		p.Second.Open, p.Second.OpenedAs = open, as
	}
}

func (s *State) tokenOpened(r *record, b *TokenOpened) error {
	p := s.Open
	if p.login == nil || p.login.Leaf != b.Login || p.tried.Serial != b.Serial || p.tried.As != b.As {
		return r.refuse("token.login", "it names no login that was recorded before it was made")
	}
	p.login = nil
	p.setOpen(b.Serial, true, b.As)
	return nil
}

func (s *State) tokenClosed(r *record, b *TokenClosed) error {
	p := cmp.Or(s.Open, s.lastRun())
	if open, _ := p.opened(b.Serial); !open {
		return r.refuse("token.open", "the token is not open")
	}
	p.setOpen(b.Serial, false, "")
	return nil
}

func (s *State) tokenFault(r *record, b *TokenFault) error {
	p := cmp.Or(s.Open, s.lastRun())
	if p.login != nil && p.login.Leaf == b.After {
		p.login = nil
	}
	if b.Class == "gone" {
		// The process that held the library is gone, and every login with it.
		p.TokenOpen, p.Second.Open = false, false
	}
	p.Faults = append(p.Faults, *b)
	return nil
}

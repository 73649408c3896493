package ceremony

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"

	"claviger/ceremony/script"
)

// A token with a pad of its own (CKF_PROTECTED_AUTHENTICATION_PATH) takes no PIN from
// this program. People authenticate at the device: with quorum cards that its maker
// provides, or with a PIN of which each of them types one part. Either is a set of
// things that several people hold, any threshold of which open the token, and so it is
// a Set here: its parts are items in custody, and every rule of custody holds for
// them. What they hold nobody sees, so nothing of it is compared or rebuilt; how many
// there are and how many suffice is what people state.
//
// A PIN that one person types alone would end dual control, which no sign-off makes
// good: so there is none. A PIN in parts needs every part, and has no spare.
//
// The recovery set of such a token gives the key that wraps backups, and no PIN.

// How a device divides control over itself, as stated.
const (
	QuorumCards = "quorum cards"
	PINParts    = "parts of a PIN"
)

// Divided lists both.
func Divided() []string { return []string{QuorumCards, PINParts} }

// OfficerSet is the purpose of a set that opens a device for its security officer;
// one that opens it for the user is an activation set.
const OfficerSet = "security officer"

// PadPIN is the act that has people set at the device what opens it.
const PadPIN = "set-at-device"

// AtPad says whether people authenticate at the device itself.
func (t *Token) AtPad() bool { return t != nil && t.Body.ProtectedPath != "" }

// Made says whether a device made the set.
func (b SetIssued) Made() bool { return b.Device != "" }

// ItemKind is what one part of the set is.
func (b SetIssued) ItemKind() string {
	switch b.Device {
	case QuorumCards:
		return QuorumCardItem
	case PINParts:
		return PINPartItem
	}
	return CardItem
}

// CardName is how one part of the set is called everywhere.
func (b SetIssued) CardName(index int) string {
	if !b.Made() {
		return CardItemName(index, b.Name)
	}
	return fmt.Sprintf("%s %d of set %s", b.ItemKind(), index, b.Name)
}

// As is who logs in with what the set opens, "" where that is nobody.
func (b SetIssued) As() string {
	switch {
	case b.Purpose == Activation:
		return "user"
	case b.Made() || b.Purpose == Recovery:
		return "so"
	}
	return ""
}

// WrappingSet is the set whose cards give the key that wraps a token's backups, nil
// if there is none.
func (s *State) WrappingSet(serial string) *Set {
	t := s.Tokens[serial]
	switch {
	case t == nil:
		return nil
	case t.AtPad():
		return s.Sets[t.WrapSet]
	}
	return s.Sets[t.SOSet]
}

// InPlaceOf is the set that now does for a token what a set did.
func (s *State) InPlaceOf(old *Set, serial string) *Set {
	if old.Body.Purpose == Recovery {
		return s.WrappingSet(serial)
	}
	return s.SetFor(serial, old.Body.As())
}

// PINsWith is where a token's PINs come from when this set has come in.
func (s *State) PINsWith(set SetIssued, serial string) PINsSet {
	t := s.Tokens[serial]
	b := PINsSet{Intent: set.Intent, Serial: serial, SOSet: t.SOSet, UserSet: t.UserSet, WrapSet: t.WrapSet}
	switch {
	case set.Purpose == Activation:
		b.UserSet = set.Set
	case set.Purpose == Recovery && t.AtPad():
		b.WrapSet = set.Set
	default:
		b.SOSet = set.Set
	}
	if first := s.Tokens[s.Open.Token]; t.AtPad() && serial == s.Open.Second.Serial && b.WrapSet == "" && first != nil {
		// A token that is added takes the wrapping key of the first one.
		b.WrapSet = first.WrapSet
	}
	return b
}

// opensAs is what the set that opens a token for its user, or for its security
// officer, is for.
func (t *Token) opensAs(as string) string {
	switch {
	case as == "user":
		return Activation
	case t.AtPad():
		return OfficerSet
	}
	return Recovery
}

// opened tells in words what opens the token.
func (t *Token) opened() string {
	if t.AtPad() {
		return "people authenticate at the device, and cards of a share set give its wrapping key alone"
	}
	return "its PINs come from the cards of share sets"
}

// CheckDeviceSet says, as a *Broken, why a set is not the one that people were
// authorised to make at a device.
func (s *State) CheckDeviceSet(b SetIssued, act Act) error {
	serial := s.SerialOf(act)
	t := s.Tokens[serial]
	with := act.With
	switch {
	case act.Do != PadPIN || !t.AtPad():
		return &Broken{"token.pad", fmt.Sprintf("token %s has no pad at which this set could have been made", serial)}
	case b.Device != t.Body.ProtectedPath:
		return &Broken{"token.pad", fmt.Sprintf("token %s is opened by %s, as stated, and not by %s", serial, t.Body.ProtectedPath, b.Device)}
	case b.Set != hex.EncodeToString(b.Intent[:4]) || !slices.Equal(b.Serials, []string{serial}) || b.Purpose != t.opensAs(with["as"]),
		fmt.Sprint(b.Count) != with["count"] || fmt.Sprint(b.Threshold) != with["threshold"] || len(b.Cards) != b.Count:
		return &Broken{"set.shape", "it is not the set that was authorised"}
	case b.Commitment != "" || b.KCV != "" || b.KCVMethod != "" || b.PINLength != 0:
		return &Broken{"set.shape", "nobody here knows what the device made: it has no commitment, check value or length"}
	case b.Threshold < 2 || b.Threshold > b.Count:
		return &Broken{"set.shape", fmt.Sprintf("any %d of %d is no dual control", b.Threshold, b.Count)}
	case b.Device == PINParts && b.Threshold != b.Count:
		return &Broken{"set.shape", "every part of a PIN is needed to enter it"}
	}
	var holders []string
	for i, c := range b.Cards {
		if c.Index != i+1 || c.Fingerprint != "" || slices.Contains(holders, c.Holder) {
			return &Broken{"set.holder", fmt.Sprintf("part %d is out of order, or %s would hold two", c.Index, c.Holder)}
		}
		if s.Open.Role(c.Holder) != "custodian" || !s.Open.Present[c.Holder] {
			return &Broken{"set.holder", fmt.Sprintf("%s is not a custodian who is present", c.Holder)}
		}
		holders = append(holders, c.Holder)
	}
	if err := s.DeviceQuorumAllowed(b.Purpose, b.Threshold, b.Count); err != nil {
		return err
	}
	return s.ManagersApart(holders, b.Threshold)
}

// DeviceQuorumAllowed says, as a *Broken, why control over a device may not be divided
// so: what opens it for the security officer follows the rule for recovery.
func (s *State) DeviceQuorumAllowed(purpose string, threshold, count int) error {
	if purpose == OfficerSet {
		purpose = Recovery
	}
	return s.QuorumAllowed(purpose, threshold, count)
}

// SerialOf is the token that an act is done to: one that is being added has no serial
// number when officers authorise it.
func (s *State) SerialOf(act Act) string { return cmp.Or(act.With["serial"], s.Open.Second.Serial) }

// NeverBagged are those parts of a set that were never put into a bag.
func (s *State) NeverBagged(set *Set) []CardIssued {
	var out []CardIssued
	for _, c := range set.Body.Cards {
		if s.Items[set.Body.CardName(c.Index)] == nil {
			out = append(out, c)
		}
	}
	return out
}

// RolesFor are the people whom a script asks for on this site. A device that is added
// makes as much as the first one did, and each part has a holder of its own in the room.
func (s *State) RolesFor(plan *script.Plan) []script.RoleNeed {
	out := slices.Clone(plan.Roles)
	adds := slices.ContainsFunc(plan.Phases, func(ph script.Phase) bool {
		return slices.ContainsFunc(ph.Steps, func(st script.Step) bool { return st.Kind == AddTokenStep })
	})
	for _, t := range s.Tokens {
		for _, set := range []*Set{s.Sets[t.UserSet], s.Sets[t.SOSet]} {
			for i := range out {
				if adds && set != nil && set.Body.Made() && out[i].Role == script.Custodian {
					out[i].Count = max(out[i].Count, set.Body.Count)
				}
			}
		}
	}
	return out
}

// firstBag: what a device made is bagged by whom the record of its set names.
func (s *State) firstBag(r *record, b *ItemSealed) error {
	if b.Set == "" || b.Kind == CardItem {
		return nil
	}
	set := s.Sets[b.Set]
	named := set != nil && set.Body.ItemKind() == b.Kind && set.Body.CardName(b.Index) == b.Item &&
		slices.ContainsFunc(set.Body.Cards, func(c CardIssued) bool { return c.Index == b.Index && c.Holder == b.Person })
	if !named {
		return r.refuse("set.holder", "no set has %s, in the hands of %s", b.Item, b.Person)
	}
	return nil
}

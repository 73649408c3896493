package steps

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// changeSet gives a set new custodians: a new secret on new cards, and only when
// every one of them is read back, new PINs from it. The old cards open the tokens
// until then, so that at no moment nobody can.
type changeSet struct{}

func (changeSet) Name() string { return ceremony.ChangeStep }
func (changeSet) Version() int { return 1 }
func (changeSet) Doc() string {
	return "A new secret is handed out on new cards, every one read back; then the PINs are changed from the old cards' to the new ones'."
}

func (changeSet) Play(w *ceremony.World, st script.Step) error {
	_, err1 := strconv.Atoi(st.With["threshold"])
	_, err2 := strconv.Atoi(st.With["count"])
	switch {
	case !w.PeopleKnown || !w.TokenNamed || !w.Authorised[st.ID]:
		return fmt.Errorf("people and token are known, and the act authorised, before")
	case w.TokenOpen:
		return fmt.Errorf("it comes before the token is opened: the old PIN lets it in, and the new one opens it afterwards")
	case st.With["set"] == "" || err1 != nil || err2 != nil:
		return fmt.Errorf("it does not say which set, and the new threshold and count (with: set, threshold, count)")
	}
	return nil
}

// oldSet is the set whose custodians change; newSet the one that this step issued,
// nil while it has not.
func oldSet(s *ceremony.State, st script.Step) (*ceremony.Set, error) {
	set := s.SetNamed(st.With["set"])
	if set == nil {
		return nil, fmt.Errorf("no set %q is known here", st.With["set"])
	}
	return set, nil
}

func newSet(s *ceremony.State, st script.Step) *ceremony.Set {
	for _, in := range s.Open.Intents {
		if in.Body.Act.Do != issue && in.Body.Act.Do != ceremony.PadPIN || in.Outcome != ceremony.Done || in.Body.Act.With["replaces"] != st.With["set"] {
			continue
		}
		for _, set := range s.Sets {
			if set.Body.Intent == in.Leaf {
				return set
			}
		}
	}
	return nil
}

// asOf is who logs in with a set's PIN.
func asOf(set *ceremony.Set) hsm.User { return hsm.User(set.Body.As()) }

// takeOver is the act by which a token takes its wrapping key from the new cards:
// nothing is done to the token, which has no PIN from either.
const takeOver = "change-wrapping-set"

func (changeSet) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	old, err := oldSet(s, st)
	if err != nil {
		return nil, err
	}
	if old.Body.Made() {
		return changeAtDevice(s, st, old)
	}
	var acts []ceremony.Act
	act := ceremony.Act{Do: issue, With: map[string]string{"count": st.With["count"], "purpose": old.Body.Purpose, "replaces": st.With["set"], "serial": s.Open.Token, "threshold": st.With["threshold"]}}
	if under := s.KeysUnder(old.Body.Set); len(under) > 0 {
		// Officers sign for it before anything happens.
		act.With["old-cards"] = "open backups of " + ceremony.Labels(under) + " until each is backed up anew and its old media are destroyed"
	}
	if !s.Open.Did(st.ID, act) {
		acts = append(acts, act)
	}
	for _, serial := range serials(s.Open) {
		act := ceremony.Act{Do: ceremony.ChangePIN, With: map[string]string{"from-set": old.Body.Name, "of": string(asOf(old)), "serial": serial, "to-set": "the new one"}}
		if s.Tokens[serial].AtPad() {
			act = ceremony.Act{Do: takeOver, With: map[string]string{"from-set": old.Body.Name, "serial": serial, "to-set": "the new one"}}
		}
		if set := s.InPlaceOf(old, serial); set == old && !s.Open.Did(st.ID, act) {
			acts = append(acts, act)
		}
	}
	return acts, nil
}

// changeAtDevice is what is left of a change of what a device made: it is made anew
// there, and nowhere else.
func changeAtDevice(s *ceremony.State, st script.Step, old *ceremony.Set) ([]ceremony.Act, error) {
	if serial := old.Body.Serials[0]; !slices.Contains(serials(s.Open), serial) {
		return nil, fmt.Errorf("set %s was made by the device %s, and is changed there: hold the ceremony on that token", old.Body.Name, serial)
	}
	act := ceremony.Act{Do: ceremony.PadPIN, With: map[string]string{"as": old.Body.As(), "count": st.With["count"], "device": old.Body.Device,
		"replaces": st.With["set"], "serial": old.Body.Serials[0], "threshold": st.With["threshold"]}}
	if old.Body.Device == ceremony.PINParts {
		act.With["count"] = act.With["threshold"]
	}
	if s.Open.Did(st.ID, act) {
		return nil, nil
	}
	return []ceremony.Act{act}, nil
}

func (k changeSet) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		if b.Act.Do == issue {
			old, err := oldSet(s, st)
			if err != nil {
				return err
			}
			if s.InPlaceOf(old, s.Open.Token) != old {
				return broken("set.withdrawn", "set %s does not open token %s any more", old.Body.Name, s.Open.Token)
			}
			return quorumAllowed(s, b.Act)
		}
		if b.Act.Do == ceremony.PadPIN {
			return quorumAllowed(s, b.Act)
		}
		if newSet(s, st) == nil {
			return broken("set.unread", "a PIN is changed only when every new card was read back")
		}
		return nil
	case *ceremony.SetReadBack:
		return checkReadBack(s, b)
	case *ceremony.SetIssued:
		return checkIssued(s, b)
	case *ceremony.PINsSet:
		set, t, in := newSet(s, st), s.Tokens[b.Serial], intentOf(s, b.Intent)
		if in.Body.Act.Do == ceremony.PadPIN {
			return checkPadPINs(s, b)
		}
		changes := in.Body.Act.Do == ceremony.ChangePIN || in.Body.Act.Do == takeOver
		if !changes || set == nil || t == nil || in.Body.Act.With["serial"] != b.Serial || *b != pinsFrom(s, set, b.Serial, b.Intent) {
			return broken("set.purpose", "the PINs are not those that the new cards give")
		}
		return nil
	case *ceremony.ItemSealed, *ceremony.ItemOpened, *ceremony.ItemDestroyed, *ceremony.ItemLost:
		return checkCardItem(b)
	case *ceremony.Result:
		if isFinish(b) {
			for _, serial := range serials(s.Open) {
				if err := allBagged(s, serial); err != nil {
					return err
				}
			}
			return allDone(k, s, st)
		}
		if in := intentOf(s, b.Intent); b.Outcome == ceremony.Done && (in.Body.Act.Do == ceremony.ChangePIN || in.Body.Act.Do == takeOver) {
			if set := newSet(s, st); set == nil || s.InPlaceOf(set, in.Body.Act.With["serial"]) != set {
				return broken("result.outcome", "no record says that the PIN comes from the new cards")
			}
		}
		return nil
	}
	return foreign(st, r)
}

func (k changeSet) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	if err := destroyVoid(ctx, env); err != nil {
		return err
	}
	old, err := oldSet(env.State(), st)
	if err != nil {
		return err
	}
	if old.Body.Made() {
		return k.atDevice(ctx, env, st, old, acts)
	}
	var before, after *secret.Buffer // S of the old cards and of the new ones
	var held []ceremony.Held
	defer func() {
		before.Wipe()
		after.Wipe()
	}()
	for _, act := range acts {
		if act.Do == issue {
			holders, err := askHolders(ctx, env, act)
			if err != nil {
				return err
			}
			err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
				var found ceremony.Found
				var err error
				after, found, err = handOut(ctx, env, act, intent, holders)
				return found, err
			})
			if err != nil {
				return err
			}
			continue
		}
		if act.Do == takeOver {
			set := newSet(env.State(), st)
			err := env.Act(ctx, act, func(_ context.Context, intent ledger.Hash) (ceremony.Found, error) {
				return pinChanged(env.State(), set, act.With["serial"], intent), nil
			})
			if err != nil {
				return err
			}
			continue
		}
		if before.Len() == 0 {
			if before, held, err = useCards(ctx, env, old, "the PIN that is changed"); err != nil {
				return err
			}
		}
		if after.Len() == 0 {
			if after, _, err = useCards(ctx, env, newSet(env.State(), st), "the new PIN"); err != nil {
				return err
			}
		}
		if err := k.change(ctx, env, st, act, old, before, after, held); err != nil {
			return err
		}
	}
	set := newSet(env.State(), st).Body
	pin := line("PIN", "changed by the machine, never shown; the old cards open nothing any more in "+strings.Join(serials(env.State().Open), ", "))
	if env.State().Tokens[env.State().Open.Token].AtPad() {
		pin = line("Wrapping key", "comes from the new cards from now on; no PIN ever came from them")
	}
	return finish(ctx, env, st, mono("Set", set.Name), line("Quorum", fmt.Sprintf("%s: any %d of %d cards", set.Purpose, set.Threshold, set.Count)),
		line("Holders", holders(env.State(), set)), mono("Replaces set", old.Body.Name), pin)
}

// atDevice has what a device made made anew.
func (changeSet) atDevice(ctx context.Context, env ceremony.Env, st script.Step, old *ceremony.Set, acts []ceremony.Act) error {
	for _, act := range acts {
		if err := setAtDevice(ctx, env, act); err != nil {
			return err
		}
	}
	if err := bagMade(ctx, env, old.Body.Serials[0]); err != nil {
		return err
	}
	set := newSet(env.State(), st).Body
	return finish(ctx, env, st, mono("Set", set.Name), line("Opens the device for its "+userWords(hsm.User(set.As())), dividedBy(set)+", as stated"),
		line("Holders", holders(env.State(), set)), mono("Replaces set", old.Body.Name), line("PIN", "entered on the device; none was derived or sent by this workstation"))
}

func holders(s *ceremony.State, b ceremony.SetIssued) string {
	var ids []string
	for _, c := range b.Cards {
		ids = append(ids, c.Holder)
	}
	return names(s, ids)
}

// askHolders asks which custodians receive the new cards.
func askHolders(ctx context.Context, env ceremony.Env, act ceremony.Act) ([]string, error) {
	s := env.State()
	custodians := s.Open.InRole("custodian")
	n, _ := strconv.Atoi(act.With["count"])
	if len(custodians) < n {
		return nil, fmt.Errorf("the set has %d cards and %d custodians are in the room", n, len(custodians))
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(s.Open.InRole("administrator")[0]), Role: "administrator", Title: "Who receives the new cards",
		Text: "One card for each person. Who leaves receives none."}
	for i := range n {
		p.Fields = append(p.Fields, ceremony.Field{Name: fmt.Sprintf("card-%d", i+1), Label: fmt.Sprintf("Card %d", i+1), Type: "text", Of: custodians, Value: custodians[i], Max: 63})
	}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return nil, err
		}
		var out []string
		for i := range p.Fields {
			p.Fields[i].Value = a.Fields[p.Fields[i].Name]
			out = append(out, p.Fields[i].Value)
		}
		if len(slices.Compact(slices.Sorted(slices.Values(out)))) == n && !slices.ContainsFunc(out, func(id string) bool { return !slices.Contains(custodians, id) }) {
			return out, nil
		}
		p.Problem = &ceremony.Problem{Happened: "One person would receive two cards.", Safe: "Nothing was made yet.", Do: "Choose a different custodian for each card."}
	}
}

// change logs in with the PIN of the old cards, changes it to that of the new ones,
// and tries that one.
func (changeSet) change(ctx context.Context, env ceremony.Env, st script.Step, act ceremony.Act, old *ceremony.Set, before, after *secret.Buffer, held []ceremony.Held) error {
	serial, set := act.With["serial"], newSet(env.State(), st)
	was, err := pinOf(before, old, serial)
	if err != nil {
		return err
	}
	defer was.Wipe()
	will, err := pinOf(after, set, serial)
	if err != nil {
		return err
	}
	defer will.Wipe()
	if err := env.Login(ctx, serial, asOf(old), held, was); err != nil {
		return err
	}
	return env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The PIN is being changed")
		s, err := env.SessionWith(ctx, serial)
		if err != nil {
			return ceremony.Found{}, err
		}
		if err := s.SetPIN(ctx, was, will); err != nil {
			return ceremony.Found{}, err
		}
		if holds, err := tryPIN(ctx, env, serial, asOf(set), will); err != nil || !holds {
			return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{mono("Token", serial), line("PIN", "not changed: the token does not take the new one")}}, err
		}
		return pinChanged(env.State(), set, serial, intent), nil
	})
}

func pinChanged(s *ceremony.State, set *ceremony.Set, serial string, intent ledger.Hash) ceremony.Found {
	what := "PIN"
	if s.Tokens[serial].AtPad() {
		what = "Wrapping key"
	}
	return ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.PINsSetKind, Body: pinsFrom(s, set, serial, intent)}},
		Facts: []ceremony.Line{mono("Token", serial), line(what, "from set "+set.Body.Name)}}
}

// pinsFrom is where a token's PINs come from by this act, which brings the set in.
func pinsFrom(s *ceremony.State, set *ceremony.Set, serial string, intent ledger.Hash) ceremony.PINsSet {
	b := s.PINsWith(set.Body, serial)
	b.Intent = intent
	return b
}

// Reconcile has the cards tell: the token takes the PIN of the old set or that of
// the new one, and the cards of both are still there.
func (changeSet) Reconcile(ctx context.Context, env ceremony.Env, st script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	if in.Intent.Act.Do == issue {
		return issueSet{}.Reconcile(ctx, env, st, in)
	}
	if in.Intent.Act.Do == ceremony.PadPIN {
		return reconcileAtDevice(ctx, env, in)
	}
	serial := in.Intent.Act.With["serial"]
	if in.Intent.Act.Do == takeOver {
		return pinChanged(env.State(), newSet(env.State(), st), serial, in.Leaf), nil
	}
	old, err := oldSet(env.State(), st)
	if err != nil {
		return ceremony.Found{}, err
	}
	set := newSet(env.State(), st)
	if err := env.Logout(ctx, serial, "which PIN holds is found out"); err != nil {
		return ceremony.Found{}, err
	}
	err = loginCards(ctx, env, serial, old)
	if err == nil {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("PIN", "still that of the old cards; it will be changed again")}},
			env.Logout(ctx, serial, "the old cards still open it")
	}
	if ceremony.ClassOf(err) != hsm.WrongPIN {
		return ceremony.Found{}, err
	}
	if err := loginCards(ctx, env, serial, set); err != nil {
		return ceremony.Found{}, err
	}
	return pinChanged(env.State(), set, serial, in.Leaf), env.Logout(ctx, serial, "the new cards open it")
}

// withdrawSet takes the old cards out of the world, one by one, once they open
// nothing any more.
type withdrawSet struct{ noActs }

const withdrawKind = "withdraw-set"

func (withdrawSet) Name() string { return withdrawKind }
func (withdrawSet) Version() int { return 1 }
func (withdrawSet) Doc() string {
	return "A set that opens nothing any more is withdrawn, and its cards are destroyed one by one before witnesses."
}

func (withdrawSet) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown || st.With["set"] == "" {
		return fmt.Errorf("nobody is known yet, or it does not say which set (with: set)")
	}
	return nil
}

func (withdrawSet) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.SetWithdrawn:
		if set := s.SetNamed(st.With["set"]); set == nil || set.Body.Set != b.Set {
			return broken("set.withdrawn", "it is not the set of this ceremony")
		}
		return nil
	case *ceremony.ItemOpened, *ceremony.ItemSealed, *ceremony.ItemLost:
		return checkCardItem(b)
	case *ceremony.ItemDestroyed:
		set := s.SetNamed(st.With["set"])
		if set == nil || !set.Withdrawn || !slices.Contains(set.CardNames(), b.Item) {
			return broken("set.in-use", "%s is no card of a set that was withdrawn", b.Item)
		}
		return nil
	case *ceremony.Result:
		if set := s.SetNamed(st.With["set"]); isFinish(b) && (set == nil || !set.Withdrawn) {
			return broken("set.in-use", "the set is not withdrawn")
		}
		return nil
	}
	return foreign(st, r)
}

func (withdrawSet) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	old, err := oldSet(env.State(), st)
	if err != nil {
		return err
	}
	if !env.State().Sets[old.Body.Set].Withdrawn {
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.SetWithdrawnKind, Body: ceremony.SetWithdrawn{Set: old.Body.Set}}}); err != nil {
			return err
		}
	}
	lines := []ceremony.Line{mono("Withdrawn set", old.Body.Name)}
	under := ceremony.Labels(env.State().KeysUnder(old.Body.Set))
	if un := env.State().Unaccounted(old); under != "" && len(un) >= old.Body.Threshold {
		lines = append(lines, line("Must be changed", fmt.Sprintf("nobody answers for %s: that is enough to open an old backup of %s. Have the old media destroyed, or change the key", strings.Join(un, ", "), under)))
	}
	if left := env.State().NeededFor(old.Body.Set); len(left) > 0 {
		return finish(ctx, env, st, append(lines, line("Old cards", "kept in their bags: any "+strconv.Itoa(old.Body.Threshold)+" of them still open the wrapped backup of "+ceremony.Labels(left)+". Have the old media destroyed, and then the cards"))...)
	}
	if under != "" {
		lines = append(lines, line("Old backups may survive", "of "+under+": nobody knows where each is, and the old cards open it as long as they are not destroyed"))
	}
	var gone, left []string
	for _, name := range old.CardNames() {
		it := env.State().Items[name]
		if it == nil {
			continue
		}
		if it.State == ceremony.InCustody || it.State == ceremony.OutOfBag {
			if err := destroyCard(ctx, env, name); err != nil {
				return err
			}
		}
		if env.State().Items[name].State == ceremony.Gone {
			gone = append(gone, strconv.Itoa(it.Index))
		} else {
			left = append(left, strconv.Itoa(it.Index))
		}
	}
	account := "none"
	if len(left) > 0 {
		opens := "opens nothing any more"
		if under != "" {
			opens = "opens the old backups that may survive"
		}
		account = fmt.Sprintf("%s: %d cards, and any %d would rebuild the old secret, which %s", strings.Join(left, ", "), len(left), old.Body.Threshold, opens)
	}
	return finish(ctx, env, st, append(lines, line("Cards destroyed", strings.Join(gone, ", ")), line("Cards not accounted for", account))...)
}

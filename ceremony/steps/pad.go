package steps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/share"
	"claviger/hsm"
	"claviger/ledger"
)

// What people do at a device with a pad of its own: they set there what opens it, and
// open it. This program makes the call and waits; no PIN of such a token is ever
// derived, typed or sent here. No call is made twice without people asking for it.

// Field names of the questions about a device.
const (
	dividedField = "divided"
	countField   = "in-all"
	neededField  = "needed"
	madeField    = "made"
)

// askDivided has people say how a device divides control over itself, "" for one
// without a pad.
func askDivided(ctx context.Context, env ceremony.Env, t hsm.TokenInfo) (string, error) {
	if !t.ProtectedPath {
		return "", nil
	}
	a, err := askAll(ctx, env, ceremony.Prompt{Kind: ceremony.AskForm, Title: "How is this device opened?",
		Text:   "The token says that its PINs are entered on the device, so none is entered here. Its maker's manual says whether it takes a quorum of cards. If it takes one PIN only, several people each type a part of it, so that no one can open it alone.",
		Fields: []ceremony.Field{{Name: dividedField, Label: "What opens it, as stated", Type: "text", Of: ceremony.Divided(), Value: ceremony.QuorumCards, Max: 40}}})
	return a[dividedField], err
}

// noPIN is said of everything that is done at a device.
const noPIN = " No PIN is entered on this workstation."

// goToDevice sends people to the device, and comes back when they are ready for the
// call: with what the screen says while it lasts.
func goToDevice(ctx context.Context, env ceremony.Env, p ceremony.Prompt) (ceremony.Prompt, error) {
	p.Kind, p.Aloud = ceremony.AskPad, p.Aloud+noPIN
	p.Text = "Go on when everyone stands at the device. It then waits for you, for minutes if need be. To stop it, cancel on the device."
	if p.Verb == "" {
		p.Verb = "We are at the device"
	}
	_, err := env.Ask(ctx, p)
	p.Problem, p.Text = nil, "The device has the turn. To stop it, cancel on the device."
	return p, err
}

// padActs is what is left to set at the devices of an opening: what opens the token
// for its user, then what opens it for its security officer.
func padActs(s *ceremony.State, st script.Step, all []quorum, with map[string]string) []ceremony.Act {
	var acts []ceremony.Act
	t := s.Tokens[s.Open.Token]
	for _, q := range all {
		act := ceremony.Act{Do: ceremony.PadPIN, With: map[string]string{"as": string(hsm.Operator), "device": t.Body.ProtectedPath,
			"count": strconv.Itoa(q.count), "threshold": strconv.Itoa(q.threshold)}}
		if q.purpose != ceremony.Activation {
			act.With["as"] = string(hsm.SecurityOfficer)
		}
		if t.Body.ProtectedPath == ceremony.PINParts {
			act.With["count"] = act.With["threshold"] // there is no spare part of a PIN
		}
		for k, v := range with {
			act.With[k] = v
		}
		if !s.Open.Did(st.ID, act) {
			acts = append(acts, act)
		}
	}
	return acts
}

// setAtDevice has the security officer log in at the device and people set there what
// opens it from now on. Each card is presented once before it counts.
func setAtDevice(ctx context.Context, env ceremony.Env, act ceremony.Act) error {
	s := env.State()
	serial, as := s.SerialOf(act), hsm.User(act.With["as"])
	holders, err := askDeviceHolders(ctx, env, act)
	if err != nil {
		return err
	}
	if err := loginAtDevice(ctx, env, serial, hsm.SecurityOfficer, "what opens the device is set"); err != nil {
		return err
	}
	does := "make " + act.With["count"] + " cards, any " + act.With["threshold"] + " of which suffice"
	if act.With["device"] == ceremony.PINParts {
		does = "one after another, each type a part of the new PIN, and again where the device asks, and write it down by hand"
	}
	at, err := goToDevice(ctx, env, ceremony.Prompt{Who: s.Someone(holders[0]), Role: "custodian", Title: "At the device: set what opens it for its " + userWords(as),
		Aloud: names(s, holders) + ": " + does + ". Everyone else turns away from its pad.",
		Facts: facts([]ceremony.Line{mono("Serial number", serial), line("Made there, as stated", divided(act.With["device"], act.With["threshold"], act.With["count"])), line("Who receives them", names(s, holders))})})
	if err != nil {
		return err
	}
	err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.AtDevice("What opens the device is set there", at)
		se, err := env.SessionWith(ctx, serial)
		if err != nil {
			return ceremony.Found{}, err
		}
		if as == hsm.Operator {
			err = se.InitPIN(ctx, nil)
		} else {
			err = se.SetPIN(ctx, nil, nil)
		}
		if err != nil {
			return ceremony.Found{}, err
		}
		// A device's word proves nothing, and a card that was never read may be none.
		n, _ := strconv.Atoi(act.With["count"])
		k, _ := strconv.Atoi(act.With["threshold"])
		for first := 0; first < n; first += k {
			if holds, err := tryAtDevice(ctx, env, serial, as, present(holders, first, k)); err != nil || !holds {
				return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("At the device", "not set: it does not take what was just made there")}}, err
			}
		}
		return madeAtDevice(env.State(), act, intent, holders), nil
	})
	if err != nil {
		return err
	}
	return bagMade(ctx, env, serial) // before anything else is made
}

// present names k of the holders, from the first on and round again.
func present(holders []string, first, k int) []string {
	var out []string
	for i := range k {
		out = append(out, holders[(first+i)%len(holders)])
	}
	return out
}

func userWords(as hsm.User) string {
	if as == hsm.SecurityOfficer {
		return "security officer"
	}
	return "user"
}

// divided says how control over a device is divided.
func divided(device, threshold, count string) string {
	if device == ceremony.PINParts {
		return "one PIN in " + count + " parts, all of them needed"
	}
	return "any " + threshold + " of " + count + " quorum cards"
}

func dividedBy(b ceremony.SetIssued) string {
	return divided(b.Device, strconv.Itoa(b.Threshold), strconv.Itoa(b.Count))
}

// tryAtDevice has people present what was just made, and says whether it opens.
func tryAtDevice(ctx context.Context, env ceremony.Env, serial string, as hsm.User, who []string) (bool, error) {
	env.AtDevice("The device asks for what was just made", ceremony.Prompt{Kind: ceremony.AskPad, Who: env.State().Someone(who[0]), Role: "custodian", Title: "At the device: try what was just made",
		Aloud: names(env.State(), who) + ": present what was just made, as the device asks for it. Everyone else turns away from its pad." + noPIN, Text: "It counts only if it opens the device. If it was not made, cancel on the device."})
	return tryPIN(ctx, env, serial, as, nil)
}

// madeAtDevice is the set that a device made: what is known of it is what people say.
func madeAtDevice(s *ceremony.State, act ceremony.Act, intent ledger.Hash, holders []string) ceremony.Found {
	serial := s.SerialOf(act)
	b := ceremony.SetIssued{Count: len(holders), Device: act.With["device"], Intent: intent, Name: share.Name([4]byte(intent[:4])), Purpose: ceremony.OfficerSet,
		Serials: []string{serial}, Set: hex.EncodeToString(intent[:4])}
	b.Threshold, _ = strconv.Atoi(act.With["threshold"])
	if act.With["as"] == string(hsm.Operator) {
		b.Purpose = ceremony.Activation
	}
	for i, h := range holders {
		b.Cards = append(b.Cards, ceremony.CardIssued{Holder: h, Index: i + 1})
	}
	return ceremony.Found{Outcome: ceremony.Done,
		Records: []ceremony.Entry{{Kind: ceremony.SetIssuedKind, Body: b}, {Kind: ceremony.PINsSetKind, Body: s.PINsWith(b, serial)}},
		Facts:   []ceremony.Line{mono("Token", serial), mono("Set", b.Name), line("Set at the device, as stated", dividedBy(b)+"; each was presented there once")}}
}

// checkPadPINs: the record of what opens a token differs from the one before in the
// set that its act made, and in nothing else.
func checkPadPINs(s *ceremony.State, b *ceremony.PINsSet) error {
	for _, set := range s.Sets {
		if set.Body.Intent == b.Intent && *b == s.PINsWith(set.Body, b.Serial) {
			return nil
		}
	}
	return broken("set.purpose", "it is not the set that was just issued for token %s", b.Serial)
}

// askDeviceHolders has the people say who receives what the device makes, and what it
// was told of its quorum.
func askDeviceHolders(ctx context.Context, env ceremony.Env, act ceremony.Act) ([]string, error) {
	s := env.State()
	custodians := s.Open.PresentIn("custodian")
	n, err := strconv.Atoi(act.With["count"])
	if err != nil || len(custodians) < n {
		return nil, fmt.Errorf("the device makes %s parts and %d custodians are in the room", act.With["count"], len(custodians))
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(s.Open.InRole("administrator")[0]), Role: "administrator", Title: "What the device makes, and who receives it",
		Text: "What opens token " + s.SerialOf(act) + " for its " + userWords(hsm.User(act.With["as"])) + ". The officers authorised " + divided(act.With["device"], act.With["threshold"], act.With["count"]) + ".",
		Fields: []ceremony.Field{
			{Name: countField, Label: "How many it makes in all, as stated", Type: "text", Value: act.With["count"], Max: 2},
			{Name: neededField, Label: "How many of them open it, as stated", Type: "text", Value: act.With["threshold"], Max: 2}}}
	p.Aloud = p.Text + " Say what the device is told, and who receives what it makes."
	for i := range n {
		p.Fields = append(p.Fields, ceremony.Field{Name: fmt.Sprintf("holder-%d", i+1), Label: fmt.Sprintf("Holder of number %d", i+1), Type: "text", Of: custodians, Value: custodians[i], Max: 63})
	}
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return nil, err
		}
		for i := range p.Fields {
			p.Fields[i].Value = a[p.Fields[i].Name]
		}
		if a[countField] != act.With["count"] || a[neededField] != act.With["threshold"] {
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("The officers authorised any %s of %s, and the device makes any %s of %s.", act.With["threshold"], act.With["count"], a[neededField], a[countField]),
				Safe: "Nothing was made yet.", Do: "Set the quorum at the device as the officers authorised it, or stop the ceremony and order one whose script asks for this quorum."}
			continue
		}
		var out []string
		twice := ""
		for i := range n {
			h := a[fmt.Sprintf("holder-%d", i+1)]
			for _, other := range out {
				if other == h {
					twice = h
				}
			}
			out = append(out, h)
		}
		if twice == "" {
			return out, nil
		}
		p.Problem = &ceremony.Problem{Happened: s.Someone(twice).Name + " would receive two.", Safe: "Nothing was made yet.", Do: "Choose a different custodian for each."}
	}
}

// bagMade has everything that a device made, and that never was in a bag, put into
// one by whom it belongs to.
func bagMade(ctx context.Context, env ceremony.Env, serial string) error {
	for _, as := range []hsm.User{hsm.Operator, hsm.SecurityOfficer} {
		set := env.State().SetFor(serial, string(as))
		if set == nil || !set.Body.Made() {
			continue
		}
		for _, c := range env.State().NeverBagged(set) {
			s := env.State()
			name := set.Body.CardName(c.Index)
			bag, err := askBag(ctx, env, s.Someone(c.Holder), name, s.Someone(c.Holder).Name+", put "+name+" into its bag, and read the number of the bag aloud.")
			if err != nil {
				return err
			}
			if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemSealedKind, Body: ceremony.ItemSealed{Bag: bag, Index: c.Index, Item: name, Kind: set.Body.ItemKind(),
				Person: c.Holder, Set: set.Body.Set, Witness: witness(s)}}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// allBagged: a step is not finished while something that a device made is in nobody's
// bag.
func allBagged(s *ceremony.State, serial string) error {
	for _, as := range []hsm.User{hsm.Operator, hsm.SecurityOfficer} {
		if set := s.SetFor(serial, string(as)); set != nil && set.Body.Made() {
			if left := s.NeverBagged(set); len(left) > 0 {
				return broken("custody.unbagged", "%s was never put into a bag", set.Body.CardName(left[0].Index))
			}
		}
	}
	return nil
}

// madeLines tells of what opens a token at its device.
func madeLines(s *ceremony.State, serial string) []ceremony.Line {
	var lines []ceremony.Line
	t := s.Tokens[serial]
	for _, set := range []*ceremony.Set{s.Sets[t.UserSet], s.Sets[t.SOSet]} {
		if set != nil {
			lines = append(lines, mono("Set", set.Body.Name), line("Opens the device for its "+userWords(hsm.User(set.Body.As())), dividedBy(set.Body)+", as stated; "+holders(s, set.Body)))
		}
	}
	so := "what was set when the device was initialised stays in force for the security officer"
	if t.SOSet != "" {
		so = "what was set when the device was initialised opens it no longer"
	}
	return append(lines, line("PINs", "entered on the device; none was derived or sent by this workstation; "+so))
}

// loginAtDevice has people log in at the device itself. What they present comes out of
// its bags before, under the witness's eyes, and goes into new ones however it ends.
func loginAtDevice(ctx context.Context, env ceremony.Env, serial string, as hsm.User, purpose string) error {
	set := env.State().SetFor(serial, string(as))
	if set == nil {
		officers := env.State().Open.PresentIn("officer")
		return presentAtDevice(ctx, env, serial, as, nil, ceremony.Prompt{Who: env.State().Someone(officers[0]), Role: "officer",
			Aloud: names(env.State(), officers) + ": enter the transport PIN at the device, each your own half; or what was set there last, if an interrupted act has set it already. Everyone else turns away from its pad."})
	}
	held, err := takeForDevice(ctx, env, set, purpose)
	if err == nil {
		s := env.State()
		var order []string
		lines := []ceremony.Line{mono("Serial number", serial), line("Opened by, as stated", dividedBy(set.Body))}
		for _, h := range held {
			order = append(order, s.Someone(h.Person).Name)
			lines = append(lines, line(s.Someone(h.Person).Name, set.Body.CardName(h.Index)))
		}
		does := "present your quorum cards at the device, as it asks for them"
		if set.Body.Device == ceremony.PINParts {
			does = "type your parts of the PIN at the device, in this order"
		}
		err = presentAtDevice(ctx, env, serial, as, held, ceremony.Prompt{Who: s.Someone(held[0].Person), Role: "custodian", Facts: facts(lines),
			Aloud: strings.Join(order, ", ") + ": " + does + ". Everyone else turns away from its pad."})
	}
	return errors.Join(err, putAllBack(ctx, env, set))
}

// presentAtDevice asks people to the device, and makes the call in which they log in
// there. It is made again only when they ask for it.
func presentAtDevice(ctx context.Context, env ceremony.Env, serial string, as hsm.User, held []ceremony.Held, p ceremony.Prompt) error {
	p.Title = "At the device: log in as its " + userWords(as)
	for {
		at, err := goToDevice(ctx, env, p)
		if err != nil {
			return err
		}
		env.AtDevice("The device asks for what opens it", at)
		err = env.Login(ctx, serial, as, held, nil)
		env.Working("The device is read")
		var problem *ceremony.Problem
		if err == nil || ceremony.ClassOf(err) == "" || ceremony.ClassOf(err) == hsm.Gone || errors.As(err, &problem) {
			return err
		}
		if err := closed(ctx, env, serial); err != nil {
			return err
		}
		p.Verb = "Try again at the device"
		p.Problem = &ceremony.Problem{Happened: "Nobody is logged in: " + whyOf(err) + ".", Safe: "The token is closed. The attempt is recorded.",
			Do: "Look at what the device shows. Try again when everyone is ready, or pause the ceremony.", Code: err.Error()}
	}
}

// closed logs out whoever is logged in: a device may have done what it says that it
// did not.
func closed(ctx context.Context, env ceremony.Env, serial string) error {
	se, err := env.SessionWith(ctx, serial)
	if err != nil {
		return err
	}
	if err := se.Logout(ctx); ceremony.ClassOf(err) != hsm.NotAllowed { // nobody was
		return err
	}
	return nil
}

// whyOf is the sentence's half in which a token's error says what happened.
func whyOf(err error) string {
	var he *hsm.Error
	if errors.As(err, &he) && he.Why != "" {
		return he.Why
	}
	return err.Error()
}

// takeForDevice takes what opens a device out of its bags, one holder after another,
// until there is enough of it.
func takeForDevice(ctx context.Context, env ceremony.Env, set *ceremony.Set, purpose string) ([]ceremony.Held, error) {
	var held []ceremony.Held
	for _, person := range env.State().Open.PresentIn("custodian") {
		it := cardOf(env.State(), set, person)
		if it == nil || len(held) == set.Body.Threshold {
			continue
		}
		there, err := takeOut(ctx, env, it, purpose)
		if err != nil {
			return nil, err
		}
		if there {
			held = append(held, ceremony.Held{Index: it.Index, Person: person, Set: set.Body.Set})
		}
	}
	if n := set.Body.Threshold - len(held); n > 0 {
		return nil, &ceremony.Stop{Err: ceremony.ErrPaused, Reason: fmt.Sprintf("%d more custodians who hold a part of the set %s are needed (%s)", n, set.Body.Name, dividedBy(set.Body))}
	}
	return held, nil
}

// putAllBack has every part of a set that is out of its bag put into a new one.
func putAllBack(ctx context.Context, env ceremony.Env, set *ceremony.Set) error {
	for _, name := range set.CardNames() {
		if it := env.State().Items[name]; it != nil && it.State == ceremony.OutOfBag {
			if err := putBack(ctx, env, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// reconcileAtDevice asks people and the device: nobody else knows what was set there.
// What is not known to be set is set again, which the security officer always can.
func reconcileAtDevice(ctx context.Context, env ceremony.Env, in ceremony.KnownIntent) (ceremony.Found, error) {
	act := in.Intent.Act
	serial, as := env.State().SerialOf(act), hsm.User(act.With["as"])
	notDone := ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("At the device", "not set, or not wholly; it will be set again")}}
	se, err := env.SessionWith(ctx, serial)
	if err != nil {
		return ceremony.Found{}, err
	}
	if err := env.Logout(ctx, serial, "what the device takes is found out"); err != nil {
		return ceremony.Found{}, err
	}
	t, err := se.Token(ctx)
	if err != nil || as == hsm.Operator && !t.UserPINSet {
		return notDone, err
	}
	const no, yes = "no, or not all of it", "yes, all of it was made there"
	a, err := askAll(ctx, env, ceremony.Prompt{Kind: ceremony.AskForm, Title: "Was it set at the device?", Text: "The act in which people set at the device what opens it for its " + userWords(as) + " has no result. They say what they saw there. If it was made, it is tried now.",
		Fields: []ceremony.Field{{Name: madeField, Label: divided(act.With["device"], act.With["threshold"], act.With["count"]), Type: "text", Of: []string{no, yes}, Max: 40}}})
	if err != nil || a[madeField] != yes {
		return notDone, err
	}
	holders, err := askDeviceHolders(ctx, env, act)
	if err != nil {
		return ceremony.Found{}, err
	}
	k, _ := strconv.Atoi(act.With["threshold"])
	for first := 0; first < len(holders); first += k {
		if holds, err := tryAtDevice(ctx, env, serial, as, present(holders, first, k)); err != nil || !holds {
			if ceremony.ClassOf(err) == hsm.NotAllowed {
				err = nil // cancelled there: nobody could present it
			}
			return notDone, err
		}
	}
	return madeAtDevice(env.State(), act, in.Leaf, holders), nil
}

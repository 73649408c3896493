package steps

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/share"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// issueSet splits new secrets over cards, hands them out one by one, each written
// by hand, read back and bagged; only when every card of both sets is read does one
// act set the user PIN and replace the transport PIN. A crash before a set is whole
// leaves a set that never was.
type issueSet struct{}

const issue = "issue-set"

func (issueSet) Name() string { return issue }
func (issueSet) Version() int { return 1 }
func (issueSet) Doc() string {
	return "Secrets are split over cards, each written by hand, read back and bagged; then the PINs that come from them are set."
}

// quorum is one set as a script asks for it.
type quorum struct {
	purpose          string
	threshold, count int
}

// quorums reads a step's threshold and count, and those of the recovery set where
// the script asks for one.
func quorums(st script.Step) ([]quorum, error) {
	all := []quorum{{purpose: ceremony.Activation}}
	prefix := []string{""}
	if st.With["recovery-count"] != "" {
		all, prefix = append(all, quorum{purpose: ceremony.Recovery}), append(prefix, "recovery-")
	}
	for i := range all {
		k, err1 := strconv.Atoi(st.With[prefix[i]+"threshold"])
		n, err2 := strconv.Atoi(st.With[prefix[i]+"count"])
		if err1 != nil || err2 != nil || k < 2 || n < k || n > share.MaxCards {
			return nil, fmt.Errorf("threshold %q of count %q is no quorum of 2 or more, of at most %d", st.With[prefix[i]+"threshold"], st.With[prefix[i]+"count"], share.MaxCards)
		}
		all[i].threshold, all[i].count = k, n
	}
	return all, nil
}

func (issueSet) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown || !w.TokenNamed || !w.Authorised[st.ID] {
		return fmt.Errorf("people and token are known, and the act authorised, before")
	}
	if _, err := quorums(st); err != nil {
		return err
	}
	w.SetIssued = true
	return nil
}

func (issueSet) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	all, err := quorums(st)
	if err != nil {
		return nil, err
	}
	if s.Tokens[s.Open.Token].AtPad() {
		acts := padActs(s, st, all, map[string]string{"serial": s.Open.Token})
		for _, q := range all[1:] {
			act := issueAct(s, q)
			act.With["gives"] = "the wrapping key alone"
			if !s.Open.Did(st.ID, act) {
				acts = append(acts, act)
			}
		}
		return acts, nil
	}
	var acts []ceremony.Act
	pins := map[string]string{"serial": s.Open.Token, "user-pin": "from the " + ceremony.Activation + " cards", "security-officer": "the transport PIN stands"}
	for _, q := range all {
		act := issueAct(s, q)
		if !s.Open.Did(st.ID, act) {
			acts = append(acts, act)
		}
		if q.purpose == ceremony.Recovery {
			pins["security-officer"] = "from the " + ceremony.Recovery + " cards"
		}
	}
	if act := (ceremony.Act{Do: ceremony.SetPINs, With: pins}); !s.Open.Did(st.ID, act) {
		acts = append(acts, act)
	}
	return acts, nil
}

func issueAct(s *ceremony.State, q quorum) ceremony.Act {
	return ceremony.Act{Do: issue, With: map[string]string{"count": strconv.Itoa(q.count), "purpose": q.purpose, "serial": s.Open.Token, "threshold": strconv.Itoa(q.threshold)}}
}

func (k issueSet) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		if b.Act.Do == ceremony.SetPINs {
			if acts, err := k.Acts(s, st); err != nil || len(acts) != 1 {
				return broken("set.unread", "the PINs are set only when every card was read back")
			}
			return nil
		}
		return quorumAllowed(s, b.Act)
	case *ceremony.SetReadBack:
		return checkReadBack(s, b)
	case *ceremony.SetIssued:
		return checkIssued(s, b)
	case *ceremony.PINsSet:
		if s.Tokens[s.Open.Token].AtPad() {
			return checkPadPINs(s, b)
		}
		if b.Serial != s.Open.Token || s.Sets[b.UserSet] == nil {
			return broken("set.purpose", "the PINs are not those of the sets that were issued")
		}
		return nil
	case *ceremony.ItemSealed, *ceremony.ItemOpened, *ceremony.ItemDestroyed, *ceremony.ItemLost:
		return checkCardItem(b)
	case *ceremony.Result:
		if isFinish(b) {
			if err := allBagged(s, s.Open.Token); err != nil {
				return err
			}
			return allDone(k, s, st)
		}
		return nil
	}
	return foreign(st, r)
}

// quorumAllowed: the policy lets a secret be split so, among these people; or control
// over a device.
func quorumAllowed(s *ceremony.State, act ceremony.Act) error {
	threshold, _ := strconv.Atoi(act.With["threshold"])
	count, _ := strconv.Atoi(act.With["count"])
	if act.Do == ceremony.PadPIN {
		purpose := ceremony.Activation
		if act.With["as"] != string(hsm.Operator) {
			purpose = ceremony.OfficerSet
		}
		return s.DeviceQuorumAllowed(purpose, threshold, count)
	}
	if err := s.QuorumAllowed(act.With["purpose"], threshold, count); err != nil {
		return err
	}
	custodians := s.Open.PresentIn("custodian")
	return s.ManagersApart(custodians[:min(count, len(custodians))], threshold)
}

// allDone: a step is finished when nothing is left of what it was to do.
func allDone(k ceremony.Kind, s *ceremony.State, st script.Step) error {
	acts, err := k.Acts(s, st)
	if err != nil {
		return err
	}
	if len(acts) > 0 {
		return broken("step.result", "%q is not done", acts[0].Do)
	}
	return nil
}

func checkReadBack(s *ceremony.State, b *ceremony.SetReadBack) error {
	if s.Open.Role(b.Person) != "custodian" || !s.Open.Present[b.Person] {
		return broken("set.holder", "%s is not a custodian who is present", b.Person)
	}
	return nil
}

func checkIssued(s *ceremony.State, b *ceremony.SetIssued) error {
	in := slices.IndexFunc(s.Open.Intents, func(in *ceremony.IntentState) bool { return in.Leaf == b.Intent })
	with := s.Open.Intents[in].Body.Act.With
	if b.Made() {
		return s.CheckDeviceSet(*b, s.Open.Intents[in].Body.Act)
	}
	if strconv.Itoa(b.Count) != with["count"] || strconv.Itoa(b.Threshold) != with["threshold"] || b.Purpose != with["purpose"] || len(b.Cards) != b.Count {
		return broken("set.shape", "it is not the set that was authorised")
	}
	if err := quorumAllowed(s, s.Open.Intents[in].Body.Act); err != nil {
		return err
	}
	if (b.KCV != "") != (b.Purpose == ceremony.Recovery) || (b.KCV == "") != (b.KCVMethod == "") {
		return broken("set.kcv", "a recovery set names the check value of its wrapping key, and no other set does")
	}
	holders := map[string]bool{}
	for i, c := range b.Cards {
		if c.Index != i+1 || holders[c.Holder] {
			return broken("set.holder", "card %d is out of order, or %s would hold two", c.Index, c.Holder)
		}
		holders[c.Holder] = true
		read := slices.ContainsFunc(s.Open.ReadBack, func(rb ceremony.SetReadBack) bool {
			return rb.Intent == b.Intent && rb.Set == b.Set && rb.Index == c.Index && rb.Fingerprint == c.Fingerprint && rb.Person == c.Holder
		})
		if !read {
			return broken("set.unread", "card %d was not read back", c.Index)
		}
		if it := s.Items[ceremony.CardItemName(c.Index, b.Name)]; it == nil || it.Holder != c.Holder || it.State != ceremony.InCustody {
			return broken("set.unbagged", "card %d is not in a bag", c.Index)
		}
	}
	return nil
}

func (k issueSet) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	if err := destroyVoid(ctx, env); err != nil {
		return err
	}
	secrets := map[string]*secret.Buffer{} // S by purpose
	defer func() {
		for _, S := range secrets {
			S.Wipe()
		}
	}()
	for _, act := range acts {
		switch act.Do {
		case issue:
			err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
				S, found, err := handOut(ctx, env, act, intent, env.State().Open.PresentIn("custodian"))
				secrets[act.With["purpose"]] = S
				return found, err
			})
		case ceremony.SetPINs:
			err = k.setPINs(ctx, env, act, secrets)
		case ceremony.PadPIN:
			err = setAtDevice(ctx, env, act)
		}
		if err != nil {
			return err
		}
	}
	var lines []ceremony.Line
	t := env.State().Tokens[env.State().Open.Token]
	if t.AtPad() {
		if err := bagMade(ctx, env, t.Body.Serial); err != nil {
			return err
		}
		lines = madeLines(env.State(), t.Body.Serial)
		if set := env.State().Sets[t.WrapSet]; set != nil {
			b := set.Body
			lines = append(lines, mono("Set", b.Name), line("Quorum", fmt.Sprintf("%s: any %d of %d cards, for the wrapping key alone", b.Purpose, b.Threshold, b.Count)), mono("Check value of the wrapping key", b.KCV), line("Method", b.KCVMethod))
		}
		return finish(ctx, env, st, lines...)
	}
	for _, id := range []string{t.UserSet, t.SOSet} {
		if set := env.State().Sets[id]; set != nil {
			lines = append(lines, mono("Set", set.Body.Name), line("Quorum", fmt.Sprintf("%s: any %d of %d cards", set.Body.Purpose, set.Body.Threshold, set.Body.Count)))
		}
	}
	set := env.State().Sets[t.UserSet].Body
	lines = append(lines, line("User PIN", fmt.Sprintf("set by the machine, %d characters, never shown", set.PINLength)))
	so := "the transport PIN stays in force"
	if t.SOSet != "" {
		b := env.State().Sets[t.SOSet].Body
		so = fmt.Sprintf("replaced by the machine, %d characters, never shown; the transport PIN stands no longer", b.PINLength)
		lines = append(lines, mono("Check value of the wrapping key", b.KCV), line("Method", b.KCVMethod))
	}
	return finish(ctx, env, st, append(lines, line("Security officer's PIN", so))...)
}

// handOut makes a secret and gives its cards to their custodians. S is returned for
// what comes from it, and wiped by the caller.
func handOut(ctx context.Context, env ceremony.Env, act ceremony.Act, intent ledger.Hash, custodians []string) (*secret.Buffer, ceremony.Found, error) {
	var none ceremony.Found
	count, _ := strconv.Atoi(act.With["count"])
	threshold, _ := strconv.Atoi(act.With["threshold"])
	if len(custodians) != count {
		return nil, none, fmt.Errorf("the set has %d cards and %d custodians are in the room", count, len(custodians))
	}
	env.Working("The token and the workstation draw random bytes")
	S, info, err := newSecret(ctx, env)
	if err != nil {
		return nil, none, err
	}
	b := ceremony.SetIssued{Count: count, Intent: intent, Purpose: act.With["purpose"], Serials: []string{info.Serial}, Threshold: threshold}
	pad := env.State().Tokens[info.Serial].AtPad()
	if !pad {
		b.PINLength = min(48, info.MaxPIN)
	}
	err = giveCards(ctx, env, S, &b, custodians)
	if err == nil && b.Purpose == ceremony.Recovery {
		b.KCV, err = checkValue(S)
		b.KCVMethod = hsm.CheckValueECB
	}
	if err != nil {
		S.Wipe()
		return nil, none, err
	}
	records := []ceremony.Entry{{Kind: ceremony.SetIssuedKind, Body: b}}
	if pad && act.With["replaces"] == "" {
		// No PIN comes from these cards, so nothing has to be set in the token for them to count.
		records = append(records, ceremony.Entry{Kind: ceremony.PINsSetKind, Body: env.State().PINsWith(b, info.Serial)})
	}
	return S, ceremony.Found{Outcome: ceremony.Done, Records: records,
		Facts: []ceremony.Line{mono("Set", b.Name), line("Cards", fmt.Sprintf("%d written, read back and bagged; every %d of them rebuilt the secret", count, threshold))}}, nil
}

// checkValue is that of the wrapping key which comes from S.
func checkValue(S *secret.Buffer) (string, error) {
	key, err := share.WrappingKey(S)
	if err != nil {
		return "", err
	}
	defer key.Wipe()
	return share.CheckValue(key)
}

// giveCards splits S, hands out every card and has every combination of those that
// were read back rebuild it.
func giveCards(ctx context.Context, env ceremony.Env, S *secret.Buffer, b *ceremony.SetIssued, custodians []string) error {
	set, cards, err := share.Split(S, b.Threshold, b.Count, env.State().Site.Practice)
	if err != nil {
		return err
	}
	defer share.Wipe(cards...)
	b.Commitment, b.Name, b.Set = hex.EncodeToString(set.Commitment[:]), set.Name(), hex.EncodeToString(set.ID[:])
	var read []*share.Card
	defer func() { share.Wipe(read...) }()
	for i, person := range custodians {
		card, err := giveCard(ctx, env, cards[i], set, person, b)
		if err != nil {
			return err
		}
		read = append(read, card)
		f := card.Fingerprint()
		b.Cards = append(b.Cards, ceremony.CardIssued{Fingerprint: hex.EncodeToString(f[:]), Holder: person, Index: i + 1})
	}
	env.Working("Every combination of cards is put together and compared")
	return share.CheckAll(set, read)
}

func newSecret(ctx context.Context, env ceremony.Env) (*secret.Buffer, hsm.TokenInfo, error) {
	s, err := env.Session(ctx)
	if err != nil {
		return nil, hsm.TokenInfo{}, err
	}
	info, err := s.Token(ctx)
	if err != nil {
		return nil, info, err
	}
	fromToken, err := s.Random(ctx, share.SecretLen)
	if err != nil {
		return nil, info, err
	}
	defer fromToken.Wipe()
	fromSystem, err := secret.Random(share.SecretLen)
	if err != nil {
		return nil, info, err
	}
	defer fromSystem.Wipe()
	S, err := share.NewSecret(fromToken, fromSystem)
	return S, info, err
}

// giveCard shows one card to its custodian, has it typed back whole, and has it
// bagged before the next.
func giveCard(ctx context.Context, env ceremony.Env, card *share.Card, set share.Set, person string, b *ceremony.SetIssued) (*share.Card, error) {
	s := env.State()
	who := s.Someone(person)
	text := secret.New(share.TextLen)
	defer text.Wipe()
	if err := card.Text(text); err != nil {
		return nil, err
	}
	f := card.Fingerprint()
	cp := ceremony.CardPrompt{Set: set.Name(), Purpose: b.Purpose, Index: card.Index, K: set.K, N: set.N, Prefix: cardPrefix(s.Site.Practice), Words: assets.PGPWords(f[:share.SpokenBytes])}
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.ShowCard, Who: who, Role: "custodian", Reveal: text, Card: cp,
		Title: who.Name + ", write down your " + b.Purpose + " card", Text: "Everyone else: turn away from the screen. Write every group by hand; you will type all of it back."}); err != nil {
		return nil, err
	}
	back, err := askCard(ctx, env, person, set, card.Index, cardAsk{purpose: b.Purpose, readBack: true})
	if err != nil {
		return nil, err
	}
	name := ceremony.CardItemName(card.Index, set.Name())
	bag, err := askBag(ctx, env, who, name, "")
	if err == nil {
		err = env.Record(ctx, []ceremony.Entry{
			{Kind: ceremony.SetReadBackKind, Body: ceremony.SetReadBack{Fingerprint: hex.EncodeToString(f[:]), Index: card.Index, Intent: b.Intent, Person: person, Set: b.Set}},
			{Kind: ceremony.ItemSealedKind, Body: ceremony.ItemSealed{Bag: bag, Index: card.Index, Intent: b.Intent,
				Item: name, Kind: ceremony.CardItem, Person: person, Set: b.Set, Witness: witness(s)}},
		})
	}
	if err != nil {
		back.Wipe()
		return nil, err
	}
	return back, nil
}

// askBag has a bag number typed twice. What is read aloud is the step's own text,
// unless something else is said.
func askBag(ctx context.Context, env ceremony.Env, who ceremony.Someone, item, aloud string) (string, error) {
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: who, Role: "custodian", Title: "Put " + item + " into its bag", Aloud: aloud,
		Text: "Read the number of the bag aloud; type it twice.",
		Fields: []ceremony.Field{
			{Name: "bag", Label: "Bag number", Type: "bag", Max: 40},
			{Name: "again", Label: "Bag number again", Type: "bag", Max: 40},
		}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return "", err
		}
		bag, again := strings.TrimSpace(a.Fields["bag"]), strings.TrimSpace(a.Fields["again"])
		p.Fields[0].Value, p.Fields[1].Value = bag, again
		if bag != again {
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("The two numbers differ: %q and %q.", bag, again), Safe: "Nothing was recorded.", Do: "Read the bag again and type its number twice."}
		} else if p.Problem = bagProblem(env.State(), bag); p.Problem == nil {
			return bag, nil
		}
	}
}

// setPINs sets the user PIN as the security officer, then replaces the officer's
// own. After an interruption S is gone, and the cards, which were all read back,
// bring it again.
func (issueSet) setPINs(ctx context.Context, env ceremony.Env, act ceremony.Act, secrets map[string]*secret.Buffer) error {
	serial := env.State().Open.Token
	known := map[string]*ceremony.Set{}
	for _, set := range env.State().Sets {
		if slices.Contains(set.Body.Serials, serial) && !set.Withdrawn {
			known[set.Body.Purpose] = set
		}
	}
	pins := map[string]*secret.Buffer{}
	defer func() {
		for _, pin := range pins {
			pin.Wipe()
		}
	}()
	b := ceremony.PINsSet{Serial: serial}
	for _, purpose := range []string{ceremony.Activation, ceremony.Recovery} {
		set := known[purpose]
		if set == nil {
			continue
		}
		S := secrets[purpose]
		if S.Len() == 0 {
			var err error
			if S, _, err = useCards(ctx, env, set, "the PIN that is set now"); err != nil {
				return err
			}
			secrets[purpose] = S
		}
		pin, err := pinOf(S, set, serial)
		if err != nil {
			return err
		}
		pins[purpose] = pin
		if purpose == ceremony.Activation {
			b.UserSet = set.Body.Set
		} else {
			b.SOSet = set.Body.Set
		}
	}
	transport, err := askTransport(ctx, env, ceremony.AskTransportPIN, "It lets the security officer set the PINs that come from the cards.")
	if err != nil {
		return err
	}
	defer transport.Wipe()
	if err := env.Login(ctx, serial, hsm.SecurityOfficer, nil, transport); err != nil {
		return err
	}
	err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		b.Intent = intent
		return putPINs(ctx, env, b, transport, map[string]*secret.Buffer{b.UserSet: pins[ceremony.Activation], b.SOSet: pins[ceremony.Recovery]})
	})
	if err != nil {
		return err
	}
	return env.Logout(ctx, serial, "the PINs are set")
}

// putPINs has the security officer, logged in with the transport PIN, set the user
// PIN and then replace their own. What a token says of a PIN proves nothing: each is
// tried by a login, and the transport PIN is replaced only when the user's holds.
func putPINs(ctx context.Context, env ceremony.Env, b ceremony.PINsSet, transport *secret.Buffer, pins map[string]*secret.Buffer) (ceremony.Found, error) {
	env.Working("The PINs are being set")
	s, err := env.SessionWith(ctx, b.Serial)
	if err != nil {
		return ceremony.Found{}, err
	}
	if err := s.InitPIN(ctx, pins[b.UserSet]); err != nil {
		return ceremony.Found{}, err
	}
	if holds, err := tryPIN(ctx, env, b.Serial, hsm.Operator, pins[b.UserSet]); err != nil || !holds {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("User PIN", "not set: the token does not take it")}}, err
	}
	if b.SOSet == "" {
		return pinsFound(b), nil
	}
	if err := env.Login(ctx, b.Serial, hsm.SecurityOfficer, nil, transport); err != nil {
		return ceremony.Found{}, err
	}
	if err := s.SetPIN(ctx, transport, pins[b.SOSet]); err != nil {
		return ceremony.Found{}, err
	}
	if holds, err := tryPIN(ctx, env, b.Serial, hsm.SecurityOfficer, pins[b.SOSet]); err != nil || !holds {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Security officer's PIN", "not set: the token does not take it")}}, err
	}
	return pinsFound(b), nil
}

// tryPIN logs in with a PIN that was just set, or with what was set at the device
// where pin is nil, and says whether the token takes it.
func tryPIN(ctx context.Context, env ceremony.Env, serial string, as hsm.User, pin *secret.Buffer) (bool, error) {
	const why = "whether it takes the PIN that was set is tried"
	if err := env.Logout(ctx, serial, why); err != nil {
		return false, err
	}
	err := env.Login(ctx, serial, as, nil, pin)
	switch ceremony.ClassOf(err) {
	case "":
		if err != nil {
			return false, err
		}
		return true, env.Logout(ctx, serial, why)
	case hsm.WrongPIN:
		return false, nil // recorded by env.Login
	}
	return false, err
}

func pinsFound(b ceremony.PINsSet) ceremony.Found {
	so := "the transport PIN stands"
	if b.SOSet != "" {
		so = "taken from the recovery cards"
	}
	return ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.PINsSetKind, Body: b}},
		Facts: []ceremony.Line{line("User PIN", "set from the activation cards"), line("Security officer's PIN", so)}}
}

// askTransport has two officers enter the transport PIN, each their own half, so that
// neither knows it; kind says whether it is made up now or known.
func askTransport(ctx context.Context, env ceremony.Env, kind ceremony.PromptKind, why string) (*secret.Buffer, error) {
	officers := transportOfficers(env.State())
	if len(officers) < 2 {
		return nil, &ceremony.Stop{Err: ceremony.ErrPaused, Reason: fmt.Sprintf("two officers enter the transport PIN, each a half, and %d of them is here", len(officers))}
	}
	pin := secret.New(2 * longestHalf)
	for i, id := range officers {
		who := env.State().Someone(id)
		a, err := env.Ask(ctx, ceremony.Prompt{Kind: kind, Who: who, Role: "officer", Title: fmt.Sprintf("%s, your half of the transport PIN", who.Name),
			Text: fmt.Sprintf("Half %d of 2. %s", i+1, why)})
		if err == nil {
			err = pin.Append(a.Secret.Bytes()...)
		}
		a.Secret.Wipe()
		if err != nil {
			pin.Wipe()
			return nil, err
		}
	}
	return pin, nil
}

// transportOfficers each know one half: the first two who are in the room.
func transportOfficers(s *ceremony.State) []string {
	officers := s.Open.PresentIn("officer")
	return officers[:min(2, len(officers))]
}

// longestHalf is as much of a PIN as one person types.
const longestHalf = 64

func (issueSet) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	if in.Intent.Act.Do == ceremony.PadPIN {
		return reconcileAtDevice(ctx, env, in)
	}
	if in.Intent.Act.Do == issue {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Set", "void: it was interrupted before every card was read back; the cards that were written are destroyed before new ones")}}, nil
	}
	b := ceremony.PINsSet{Intent: in.Leaf, Serial: in.Intent.Act.With["serial"]}
	for id, set := range env.State().Sets {
		switch {
		case !slices.Contains(set.Body.Serials, b.Serial) || set.Withdrawn:
		case set.Body.Purpose == ceremony.Activation:
			b.UserSet = id
		default:
			b.SOSet = id
		}
	}
	return reconcilePINs(ctx, env, b)
}

// reconcilePINs asks the token itself. The user PIN is set first, so the transport
// PIN tells the rest: where the token still takes it, nothing was replaced, and
// setting both again does no harm.
func reconcilePINs(ctx context.Context, env ceremony.Env, b ceremony.PINsSet) (ceremony.Found, error) {
	notDone := ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("PINs", "not set; they will be set again")}}
	s, err := env.SessionWith(ctx, b.Serial)
	if err != nil {
		return ceremony.Found{}, err
	}
	t, err := s.Token(ctx)
	if err != nil || !t.UserPINSet {
		return notDone, err
	}
	if b.SOSet == "" {
		if err := loginCards(ctx, env, b.Serial, env.State().Sets[b.UserSet]); err != nil {
			if ceremony.ClassOf(err) == hsm.WrongPIN {
				return notDone, nil
			}
			return ceremony.Found{}, err
		}
		return pinsFound(b), env.Logout(ctx, b.Serial, "the activation cards open it")
	}
	transport, err := askTransport(ctx, env, ceremony.AskTransportPIN, "Whether the token still takes it shows how far the interrupted act went.")
	if err != nil {
		return ceremony.Found{}, err
	}
	defer transport.Wipe()
	err = env.Login(ctx, b.Serial, hsm.SecurityOfficer, nil, transport)
	if err == nil {
		return notDone, env.Logout(ctx, b.Serial, "the transport PIN still stands")
	}
	if ceremony.ClassOf(err) != hsm.WrongPIN {
		return ceremony.Found{}, err
	}
	// A mistyped transport PIN looks the same: the cards decide.
	if err := loginCards(ctx, env, b.Serial, env.State().Sets[b.SOSet]); err != nil {
		return ceremony.Found{}, err
	}
	return pinsFound(b), env.Logout(ctx, b.Serial, "the recovery cards open it")
}

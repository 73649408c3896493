package steps

import (
	"cmp"
	"context"
	"encoding/hex"
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

// identifyToken: the token is found by its serial number and says what it is.
// Nobody logs in.
type identifyToken struct{ noActs }

func (identifyToken) Name() string { return "identify-token" }
func (identifyToken) Version() int { return 1 }
func (identifyToken) Doc() string {
	return "The token is found by its serial number; module, hardware and firmware are read from it."
}

func (identifyToken) Play(w *ceremony.World, _ script.Step) error {
	w.TokenNamed = true
	return nil
}

func (identifyToken) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	if value(b.Facts, "Serial number") == "" || value(b.Facts, "Module SHA-256") == "" {
		return broken("token.unread", "nobody read which token and which library it is")
	}
	if s.Open.Token != "" && value(b.Facts, "Serial number") != s.Open.Token {
		return broken("token.serial", "the token of this ceremony has serial number %s", s.Open.Token)
	}
	return nil
}

func value(lines []ceremony.Line, label string) string {
	for _, l := range lines {
		if l.Label == label {
			return l.Value
		}
	}
	return ""
}

func (identifyToken) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	for {
		env.Working("Looking for the token")
		lines, problem, err := look(ctx, env)
		if err != nil {
			return err
		}
		p := ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Identify the token", Facts: facts(lines), Problem: problem,
			Text: "The witness compares the serial number with the one on the device."}
		if problem != nil {
			p.Text = "Look for the token again when it is connected."
		}
		if _, err := env.Ask(ctx, p); err != nil {
			return err
		}
		if problem == nil {
			return finish(ctx, env, st, lines...)
		}
	}
}

// look finds the token of the ceremony, and says what it is or why it is not the one.
func look(ctx context.Context, env ceremony.Env) ([]ceremony.Line, *ceremony.Problem, error) {
	m, err := env.Module(ctx)
	if err != nil {
		return nil, &ceremony.Problem{Happened: "The token's library could not be started.", Safe: "The token was not touched.", Do: "Check that the library is installed, then look again.", Code: err.Error()}, nil
	}
	info, err := m.Info(ctx)
	if err != nil {
		return nil, nil, err
	}
	tokens, err := m.Tokens(ctx)
	if err != nil {
		return nil, nil, err
	}
	lines := []ceremony.Line{line("Module", info.Path), hash("Module SHA-256", info.SHA256), line("Library", strings.TrimSpace(info.Manufacturer+" "+info.Version))}
	serial := env.State().Open.Token
	i := slices.IndexFunc(tokens, func(t hsm.TokenInfo) bool {
		return serial != "" && t.Serial == serial || serial == "" && !t.Initialised
	})
	env.Looked(i >= 0)
	if i < 0 {
		missing := "No token that is not initialised is attached."
		if serial != "" {
			missing = fmt.Sprintf("The token with serial number %s is not attached.", serial)
		}
		return lines, &ceremony.Problem{Happened: missing, Safe: "Nothing was tried on any other token.", Do: "Connect it, then look again.", Code: attached(tokens)}, nil
	}
	t := tokens[i]
	state := "not initialised"
	if t.Initialised {
		state = "initialised"
	}
	if why := notForReal(env.State().Site.Practice, t); why != "" {
		return lines, &ceremony.Problem{Happened: fmt.Sprintf("The token %s, and this is a real site.", why), Safe: "It was not touched.", Do: "Connect the hardware security module that belongs to this site, then look again.", Code: cmp.Or(t.Serial, "no serial number yet")}, nil
	}
	if env.State().Tokens[serial] == nil && t.Initialised && !t.PracticeMark {
		return lines, &ceremony.Problem{Happened: fmt.Sprintf("The token with serial number %s holds something already and is not marked for practice.", serial), Safe: "It was not touched: to prepare it would erase it.",
			Do: "Connect an empty token, or one with the public data object claviger-practice."}, nil
	}
	if free := emptyTokens(tokens); serial == "" && len(free) > 1 {
		return lines, &ceremony.Problem{Happened: fmt.Sprintf("%d tokens that are not initialised are attached.", len(free)), Safe: "None was touched.",
			Do: "Leave only the one connected that this site is opened on, then look again.", Code: "serial numbers: " + strings.Join(free, ", ")}, nil
	}
	lines = append(lines, mono("Serial number", cmp.Or(t.Serial, noSerial)), line("Label", cmp.Or(t.Label, noSerial)), line("Manufacturer and model", strings.TrimSpace(t.Manufacturer+" "+t.Model)),
		line("Hardware, firmware", t.HardwareVersion+", "+t.FirmwareVersion), line("State", state))
	if t.ProtectedPath {
		lines = append(lines, line("PINs", "entered on the device, not here"))
	}
	return lines, nil, nil
}

// notForReal says why a token has no place on a real site: what is software has
// its keys in a file, and what is marked for practice stays practice.
func notForReal(practice bool, t hsm.TokenInfo) string {
	switch {
	case practice:
		return ""
	case t.PracticeMark:
		return "is marked for practice"
	case !t.HardwareSlot:
		return "says of itself that it is software"
	}
	return ""
}

func emptyTokens(tokens []hsm.TokenInfo) []string {
	var out []string
	for _, t := range tokens {
		if !t.Initialised {
			out = append(out, cmp.Or(t.Serial, noSerial))
		}
	}
	return out
}

func attached(tokens []hsm.TokenInfo) string {
	var out []string
	for _, t := range tokens {
		if t.Initialised {
			out = append(out, t.Serial)
		}
	}
	if len(out) == 0 {
		return "no initialised token is attached"
	}
	return "attached: " + strings.Join(out, ", ")
}

// initialiseToken erases a token and makes it this site's, under a transport PIN
// of the security officer.
type initialiseToken struct{}

const initialise = "initialise-token"

func (initialiseToken) Name() string { return initialise }
func (initialiseToken) Version() int { return 1 }
func (initialiseToken) Doc() string {
	return "The token is erased and initialised under a transport PIN of the security officer."
}

func (initialiseToken) Play(w *ceremony.World, st script.Step) error {
	if !w.TokenNamed || !w.Authorised[st.ID] {
		return fmt.Errorf("a token is identified, and its initialisation authorised, before")
	}
	return nil
}

func (initialiseToken) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	if _, done := s.Open.ActDone(st.ID, initialise); done {
		return nil, nil
	}
	with := map[string]string{"erase": "everything", "token": theBlankOne}
	if serial := identified(s); serial != "" {
		with["token"] = serial
	}
	return []ceremony.Act{{Do: initialise, With: with}}, nil
}

const (
	theBlankOne = "the one that is not initialised" // it has no serial number yet
	noSerial    = "none yet"
)

// identified is the serial number of the token that this ceremony is about: as it was
// ordered, or as it was read where the token was identified; "" of one that has none
// before it is initialised.
func identified(s *ceremony.State) string {
	if s.Open.Token != "" {
		return s.Open.Token
	}
	for _, st := range s.Open.Plan.Steps() {
		if ss := s.Open.Steps[st.ID]; st.Kind == (identifyToken{}).Name() && ss != nil {
			if serial := value(ss.Facts, "Serial number"); serial != noSerial {
				return serial
			}
		}
	}
	return ""
}

func (initialiseToken) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		return nil
	case *ceremony.TokenEnrolled:
		if b.ProtectedPath != "" && !slices.Contains(ceremony.Divided(), b.ProtectedPath) {
			return broken("token.pad", "a device is opened by %s, not by %q", strings.Join(ceremony.Divided(), " or by "), b.ProtectedPath)
		}
		if b.Label != tokenLabel(b.Intent) {
			return broken("token.label", "the token's label does not name the intent that made it")
		}
		if b.PracticeMark && !s.Site.Practice {
			return broken("token.practice", "a real site refuses a token that is marked for practice")
		}
		if !b.HardwareSlot && !s.Site.Practice {
			return broken("token.software", "a real site refuses a software token")
		}
		if s.Tokens[b.Serial] != nil {
			return broken("token.known", "the token %s is enrolled already", b.Serial)
		}
		if serial := intentOf(s, b.Intent).Body.Act.With["token"]; serial != "" && serial != theBlankOne && b.Serial != serial {
			return broken("token.serial", "the token with serial number %s was authorised to be initialised, not %s", serial, b.Serial)
		}
		return nil
	case *ceremony.Result:
		if isFinish(b) {
			if _, done := s.Open.ActDone(st.ID, initialise); !done {
				return broken("step.result", "the token is not initialised")
			}
			return nil
		}
		if b.Outcome == ceremony.Done && s.Tokens[s.Open.Token] == nil {
			return broken("result.outcome", "no token was enrolled")
		}
		return nil
	}
	return foreign(st, r)
}

// tokenLabel names the intent, so that a token initialised just before a crash
// is found again.
func tokenLabel(intent ledger.Hash) string { return "claviger " + intent.String()[:16] }

func (k initialiseToken) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	for _, act := range acts {
		t, err := toInitialise(ctx, env)
		if err != nil {
			return err
		}
		if why := notForReal(env.State().Site.Practice, t); why != "" && t != (hsm.TokenInfo{}) {
			return &ceremony.Problem{Happened: fmt.Sprintf("The token %s, and this is a real site.", why), Safe: "It was not touched.", Do: "Connect the one that was identified, and go on."}
		}
		serial := identified(env.State())
		if t.Initialised && env.State().Open.Token == "" {
			return &ceremony.Problem{Happened: fmt.Sprintf("The token with serial number %s was empty when it was identified, and is initialised now.", serial), Safe: "It was not touched: to prepare it would erase it.",
				Do: "Find out who initialised it. Connect an empty token, and identify it in a ceremony of its own."}
		}
		officers := transportOfficers(env.State()) // who leaves later has typed a half all the same
		transport, pad, err := transportPIN(ctx, env, t, "Two officers make up a new PIN, each a half that the other does not know. It holds until every card is read: write it down and keep it on you.")
		if err != nil {
			return err
		}
		err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
			initialisingNow(env, pad, "The token is being initialised")
			m, err := env.Module(ctx)
			if err != nil {
				return ceremony.Found{}, err
			}
			if err := env.Release(ctx); err != nil {
				return ceremony.Found{}, err
			}
			ours, err := m.InitToken(ctx, serial, tokenLabel(intent), transport)
			if err != nil {
				return ceremony.Found{}, err
			}
			return initialised(ours, pad, t.PracticeMark, intent, names(env.State(), officers)), nil
		})
		transport.Wipe()
		if err != nil {
			return err
		}
	}
	t := env.State().Tokens[env.State().Open.Token].Body
	lines := []ceremony.Line{mono("Serial number", t.Serial), line("Label", t.Label)}
	if t.ProtectedPath != "" {
		lines = append(lines, line("PINs", "entered on the device; it is opened by "+t.ProtectedPath+", as stated"))
	}
	return finish(ctx, env, st, lines...)
}

// toInitialise is the token that is initialised, as it says of itself before. One
// that is not there says nothing, and the act will tell.
func toInitialise(ctx context.Context, env ceremony.Env) (hsm.TokenInfo, error) {
	m, err := env.Module(ctx)
	if err != nil {
		return hsm.TokenInfo{}, err
	}
	tokens, err := m.Tokens(ctx)
	serial := identified(env.State())
	for _, t := range tokens {
		if t.Serial == serial && (serial != "" || !t.Initialised) {
			return t, nil
		}
	}
	return hsm.TokenInfo{}, err
}

// transportPIN has two officers enter the PIN under which a token is initialised: here,
// or at the device itself. Then it is nil, and people say how the device is opened.
func transportPIN(ctx context.Context, env ceremony.Env, t hsm.TokenInfo, why string) (*secret.Buffer, string, error) {
	if !t.ProtectedPath {
		pin, err := askTransport(ctx, env, ceremony.AskNewTransportPIN, why)
		return pin, "", err
	}
	pad, err := askDivided(ctx, env, t)
	if err != nil {
		return nil, "", err
	}
	_, err = goToDevice(ctx, env, initialising(env.State()))
	return nil, pad, err
}

func initialising(s *ceremony.State) ceremony.Prompt {
	officers := s.Open.PresentIn("officer")
	return ceremony.Prompt{Who: s.Someone(officers[0]), Role: "officer", Title: "At the device: initialise it",
		Aloud: names(s, officers) + ": enter a transport PIN at the device, each your own half, as it asks. It holds until what opens the device is set. Everyone else turns away from its pad."}
}

// initialisingNow tells that a token is being initialised, here or at its pad.
func initialisingNow(env ceremony.Env, pad, what string) {
	if pad == "" {
		env.Working(what)
		return
	}
	at := initialising(env.State())
	at.Kind, at.Aloud = ceremony.AskPad, at.Aloud+noPIN
	env.AtDevice(what, at)
}

func enrolled(t hsm.TokenInfo, pad string, marked bool, intent ledger.Hash) ceremony.Found {
	return ceremony.Found{Outcome: ceremony.Done,
		Facts: []ceremony.Line{mono("Serial number", t.Serial), line("Label", t.Label)},
		Records: []ceremony.Entry{{Kind: ceremony.TokenEnrolledKind, Body: ceremony.TokenEnrolled{
			Firmware: t.FirmwareVersion, Hardware: t.HardwareVersion, HardwareSlot: t.HardwareSlot, Intent: intent, Label: t.Label,
			Manufacturer: t.Manufacturer, MaxPIN: t.MaxPIN, Model: t.Model, PracticeMark: marked, ProtectedPath: pad, Serial: t.Serial}}}}
}

// initialised is what enrolled says, and who entered the PIN: one that went on after an
// interruption cannot know it.
func initialised(t hsm.TokenInfo, pad string, marked bool, intent ledger.Hash, officers string) ceremony.Found {
	found := enrolled(t, pad, marked, intent)
	if pad == "" {
		found.Facts = append(found.Facts, line("Transport PIN", "two halves, one each of "+officers))
	}
	return found
}

func (initialiseToken) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	m, err := env.Module(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	tokens, err := m.Tokens(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	for _, t := range tokens {
		if t.Initialised && t.Label == tokenLabel(in.Leaf) {
			pad, err := askDivided(ctx, env, t)
			if err != nil {
				return ceremony.Found{}, err
			}
			return enrolled(t, pad, t.PracticeMark, in.Leaf), nil
		}
	}
	return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Token", "none with the label "+tokenLabel(in.Leaf))}}, nil
}

// openToken: k custodians bring their cards; the PIN exists only on its way to
// the token.
type openToken struct{ noActs }

func (openToken) Name() string { return ceremony.OpenTokenStep }
func (openToken) Version() int { return 1 }
func (openToken) Doc() string {
	return "Custodians enter their cards one after another; the user PIN is rebuilt from them and opens the token. One with a pad is opened there."
}

func (openToken) Play(w *ceremony.World, _ script.Step) error {
	if !w.PeopleKnown || !w.TokenNamed {
		return fmt.Errorf("the roll call and the identification of the token come before")
	}
	w.TokenOpen = true
	if !w.SetIssued {
		// A token that this ceremony did not prepare has its ledger key.
		w.LedgerKey = true
	}
	return nil
}

func (openToken) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.TokenInventory:
		return checkInventory(s, b)
	case *ceremony.ItemOpened, *ceremony.ItemSealed, *ceremony.ItemLost:
		return checkCardItem(b)
	case *ceremony.Result:
		p := s.Open
		switch n := p.Foreign + p.Second.Foreign; {
		case !isFinish(b):
			return foreign(st, r)
		case !p.TokenOpen || p.Second.Serial != "" && !p.Second.Open:
			return broken("token.closed", "the token is not open")
		case n > 0 && !p.Steps[st.ID].Deviated:
			return broken("token.unknown-object", "the token holds %d objects that this ledger does not know; a deviation has to decide about them", n)
		}
		return nil
	}
	return foreign(st, r)
}

func checkInventory(s *ceremony.State, b *ceremony.TokenInventory) error {
	blob, err := s.Blob(b.Listed)
	if err != nil {
		return broken("token.inventory", "the list of objects is not stored: %v", err)
	}
	var objects []ceremony.ObjectSeen
	if err := ledger.Decode(blob, &objects); err != nil || len(objects) != b.Count {
		return broken("token.inventory", "the list of objects does not fit its record")
	}
	if s.Partial() {
		// Keys of other ceremonies are known to the whole ledger only.
		return nil
	}
	for _, o := range objects {
		if !known(s, o) && !slices.Contains(b.Unknown, o) {
			return broken("token.unknown-object", "%s %q is not in this ledger, and is not listed as unknown", o.Class, o.Label)
		}
	}
	return nil
}

// known: an object is known by the CKA_ID that names its intent, or is ours by
// its label.
func known(s *ceremony.State, o ceremony.ObjectSeen) bool {
	if k, ok := s.Keys[o.ID]; ok && o.ID != "" {
		return k.Body.Label == o.Label
	}
	for _, k := range s.LedgerKeys {
		if o.ID != "" && k.Body.ID == o.ID {
			return true
		}
	}
	for _, k := range s.Keys {
		if slices.ContainsFunc(k.Copies, func(c ceremony.Copy) bool { return o.ID != "" && c.ID == o.ID && o.Label == k.Body.Label }) {
			return true
		}
	}
	if o.Label == wrapKeyLabel && isWrappingKey(s, o.ID) {
		return true
	}
	for _, in := range s.Open.OpenIntents() {
		if o.ID != "" && o.ID == keyID(in.Leaf) {
			return true
		}
	}
	for _, in := range s.Open.Intents {
		if o.ID != "" && in.Outcome == ceremony.HalfDone && o.ID == keyID(in.Leaf) {
			return true
		}
	}
	return o.Class == "data" && (strings.HasPrefix(o.Label, ceremony.HeadLabel(s.Site.ID)) || o.Label == "claviger-practice")
}

func keyID(intent ledger.Hash) string { return hex.EncodeToString(intent[:20]) }

func (k openToken) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	lines, err := k.open(ctx, env)
	if err != nil {
		return err
	}
	n := env.State().Open.Foreign + env.State().Open.Second.Foreign
	for n > 0 && !env.State().Open.Steps[st.ID].Deviated {
		_, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "The token holds what this record does not know", Facts: facts(lines),
			Problem: &ceremony.Problem{Happened: fmt.Sprintf("The token holds %d objects that no record of this site made.", n), Safe: "Nothing was changed in the token.",
				Do: "Note a deviation that says what they are and who decided, or stop the ceremony."}})
		if err != nil {
			return err
		}
	}
	return finish(ctx, env, st, lines...)
}

// Reopen opens the token again for a ceremony that is resumed.
func (k openToken) Reopen(ctx context.Context, env ceremony.Env, st script.Step) error {
	_, err := k.open(ctx, env)
	return err
}

// open opens the ceremony's token, and the second one where there is one: one set
// may serve both, and then its cards are typed once.
func (openToken) open(ctx context.Context, env ceremony.Env) ([]ceremony.Line, error) {
	p := env.State().Open
	serials := []string{p.Token}
	if p.Second.Serial != "" {
		serials = append(serials, p.Second.Serial)
	}
	secrets := map[string]*secret.Buffer{} // S by set
	defer func() {
		for _, S := range secrets {
			S.Wipe()
		}
	}()
	held := map[string][]ceremony.Held{}
	var lines []ceremony.Line
	for i, serial := range serials {
		if _, err := tokenNow(ctx, env, serial); err != nil {
			return nil, err
		}
		set := env.State().SetFor(serial, "user")
		if set == nil {
			return nil, fmt.Errorf("no share set opens the token %s", serial)
		}
		open := i == 0 && p.TokenOpen || i == 1 && p.Second.Open
		if pad := env.State().Tokens[serial].AtPad(); pad && !open {
			if err := loginAtDevice(ctx, env, serial, hsm.Operator, "the token"); err != nil {
				return nil, err
			}
		} else if !open {
			if secrets[set.Body.Set] == nil {
				S, used, err := useCards(ctx, env, set, "the token")
				if err != nil {
					return nil, err
				}
				secrets[set.Body.Set], held[set.Body.Set] = S, used
			}
			pin, err := pinOf(secrets[set.Body.Set], set, serial)
			if err != nil {
				return nil, err
			}
			env.Working("The token is being opened")
			err = env.Login(ctx, serial, hsm.Operator, held[set.Body.Set], pin)
			pin.Wipe()
			if err != nil {
				return nil, err
			}
		}
		if i == 0 {
			if err := env.CompareHeads(ctx); err != nil {
				return nil, err
			}
		}
		found, err := inventory(ctx, env, serial)
		if err != nil {
			return nil, err
		}
		lines = append(lines, found...)
		if err := env.Checkpoint(ctx); err != nil {
			return nil, err
		}
	}
	env.Shown(lines...)
	return lines, nil
}

// inventory records what an open token holds.
func inventory(ctx context.Context, env ceremony.Env, serial string) ([]ceremony.Line, error) {
	s, err := env.SessionWith(ctx, serial)
	if err != nil {
		return nil, err
	}
	objects, err := s.Find(ctx, hsm.Query{})
	if err != nil {
		return nil, err
	}
	inv, blob, err := listObjects(env.State(), serial, objects)
	if err != nil {
		return nil, err
	}
	if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.TokenInventoryKind, Body: inv}}, blob); err != nil {
		return nil, err
	}
	var used []string
	what, where := "card", ""
	if set := env.State().SetFor(serial, "user"); set.Body.Made() {
		what, where = set.Body.ItemKind(), ", at the device's pad; "+dividedBy(set.Body)+", as stated"
	}
	for _, c := range env.State().Open.Cards {
		used = append(used, fmt.Sprintf("%s %d of %s", what, c.Index, env.State().Someone(c.Person).Name))
	}
	return []ceremony.Line{mono("Serial number", serial), line("Opened by", strings.Join(used, ", ")+where),
		line("In the token", strconv.Itoa(inv.Count)+" objects, "+strconv.Itoa(len(inv.Unknown))+" of them not in this record")}, nil
}

// listObjects is what a token holds as a record, and the list that it names.
func listObjects(s *ceremony.State, serial string, objects []hsm.Object) (ceremony.TokenInventory, []byte, error) {
	inv := ceremony.TokenInventory{Count: len(objects), Serial: serial, Unknown: []ceremony.ObjectSeen{}}
	list := []ceremony.ObjectSeen{}
	for _, o := range objects {
		seen := ceremony.ObjectSeen{Class: o.Class, ID: hex.EncodeToString(o.ID), Label: o.Label}
		list = append(list, seen)
		if !known(s, seen) {
			inv.Unknown = append(inv.Unknown, seen)
		}
	}
	blob, err := ledger.Encode(list)
	if err != nil {
		return inv, nil, fmt.Errorf("couldn't encode the list of objects: %w", err)
	}
	inv.Listed = ledger.BlobHash(blob)
	return inv, blob, nil
}

// tokenNow asks for the token until it is there: a missing token is not an end.
func tokenNow(ctx context.Context, env ceremony.Env, serial string) (hsm.TokenInfo, error) {
	for {
		s, err := env.SessionWith(ctx, serial)
		var info hsm.TokenInfo
		if err == nil {
			info, err = s.Token(ctx)
		}
		if err == nil {
			return info, nil
		}
		if ceremony.ClassOf(err) != hsm.Gone {
			return info, err
		}
		_, aerr := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "The token is not there",
			Problem: &ceremony.Problem{Happened: fmt.Sprintf("The token with serial number %s does not answer.", serial), Safe: "Nothing was tried on any other token.", Do: "Connect it, then go on.", Code: err.Error()}})
		if aerr != nil {
			return info, aerr
		}
		if err := env.Restart(ctx); err != nil {
			return info, err
		}
	}
}

package steps

import (
	"context"
	"fmt"
	"slices"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/share"
	"claviger/hsm"
	"claviger/ledger"
)

// loadWrappingKey: custodians bring their recovery cards, the wrapping key is
// rebuilt and goes into every token of the ceremony as an object of the session,
// which ends with it. It comes before the token is opened for its user: only the
// security officer can call a key trusted.
type loadWrappingKey struct{}

const (
	loadKey      = "load-wrapping-key"
	importKey    = "import-wrapping-key"
	wrapKeyLabel = "claviger-wrapping-key"
)

// hostHeld is what a report has to say of every ceremony that rebuilds the wrapping
// key on this workstation.
const hostHeld = "between the cards and the token the wrapping key was in the memory of this workstation, and so were the wrapped backups: while it held both, an altered program could have kept a copy of the key in the clear"

func (loadWrappingKey) Name() string { return loadKey }
func (loadWrappingKey) Version() int { return 1 }
func (loadWrappingKey) Doc() string {
	return "The key that wraps backups is rebuilt from recovery cards and goes into the session with the token; its check value is compared."
}

func (loadWrappingKey) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.PeopleKnown || !w.TokenNamed || !w.Authorised[st.ID]:
		return fmt.Errorf("people and token are known, and the act authorised, before")
	case w.TokenOpen:
		return fmt.Errorf("it comes before the token is opened: the security officer and the user are not logged in at once")
	}
	w.WrappingKey = true
	return nil
}

// serials of the tokens on which a ceremony works.
func serials(p *ceremony.Progress) []string {
	if p.Second.Serial == "" {
		return []string{p.Token}
	}
	return []string{p.Token, p.Second.Serial}
}

func (loadWrappingKey) act(s *ceremony.State, serial string) (ceremony.Act, error) {
	set := s.WrappingSet(s.Open.Token)
	if set == nil {
		return ceremony.Act{}, fmt.Errorf("no recovery set serves token %s", s.Open.Token)
	}
	return ceremony.Act{Do: importKey, With: map[string]string{"check-value": set.Body.KCV, "for": "this session only", "serial": serial, "set": set.Body.Name}}, nil
}

// idle says that a step which names a set (with: set) has nothing to load: its cards
// open no backup that has to be wrapped anew.
func (loadWrappingKey) idle(s *ceremony.State, st script.Step) bool {
	set := s.SetNamed(st.With["set"])
	return st.With["set"] != "" && (set == nil || len(wrappedAnew(s, set)) == 0)
}

func (k loadWrappingKey) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	if k.idle(s, st) {
		return nil, nil
	}
	var acts []ceremony.Act
	for _, serial := range serials(s.Open) {
		act, err := k.act(s, serial)
		if err != nil {
			return nil, err
		}
		if _, there := s.Open.DidNow(st.ID, act); !there {
			acts = append(acts, act)
		}
	}
	return acts, nil
}

// Lapsed: the wrapping key went with the session, and a step still needs it.
func (k loadWrappingKey) Lapsed(s *ceremony.State, st script.Step) bool {
	if k.idle(s, st) {
		return false
	}
	uses := []string{ceremony.BackupStep, ceremony.RestoreStep, ceremony.RewrapStep}
	after := false
	for _, other := range s.Open.Plan.Steps() {
		if after && slices.Contains(uses, other.Kind) && !s.Open.Steps[other.ID].Done {
			return true
		}
		after = after || other.ID == st.ID
	}
	return false
}

// wrappingKey is the CKA_ID under which a token's session has the wrapping key.
func wrappingKey(s *ceremony.State, serial string) ([]byte, error) {
	for _, st := range s.Open.Plan.Steps() {
		if st.Kind != loadKey {
			continue
		}
		act, err := (loadWrappingKey{}).act(s, serial)
		if err != nil {
			return nil, err
		}
		if leaf, there := s.Open.DidNow(st.ID, act); there {
			return leaf[:20], nil
		}
	}
	return nil, fmt.Errorf("the wrapping key is not in token %s", serial)
}

func (k loadWrappingKey) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		open := s.Open.TokenOpen && s.Open.OpenedAs == string(hsm.SecurityOfficer)
		if b.Act.With["serial"] != s.Open.Token {
			open = s.Open.Second.Open && s.Open.Second.OpenedAs == string(hsm.SecurityOfficer)
		}
		if !open {
			return broken("token.closed", "the security officer is not logged in")
		}
		return nil
	case *ceremony.ItemOpened, *ceremony.ItemSealed, *ceremony.ItemLost:
		return checkCardItem(b)
	case *ceremony.TokenInventory:
		return checkInventory(s, b)
	case *ceremony.Result:
		if isFinish(b) {
			return allDone(k, s, st)
		}
		set := s.WrappingSet(s.Open.Token)
		if b.Outcome == ceremony.Done && (set == nil || value(b.Facts, "Check value") != set.Body.KCV) {
			return broken("set.kcv", "the check value that the token computed is not that of the set")
		}
		return nil
	}
	return foreign(st, r)
}

func (k loadWrappingKey) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	if k.idle(env.State(), st) {
		return finish(ctx, env, st, line("Wrapping key", "not needed: no backup is wrapped under the cards of set "+st.With["set"]))
	}
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	reopen := env.State().Open.TokenOpen
	if err := env.LogoutAll(ctx, "the security officer logs in"); err != nil {
		return err
	}
	if err := k.load(ctx, env, acts); err != nil {
		return err
	}
	if reopen {
		if _, err := (openToken{}).open(ctx, env); err != nil {
			return err
		}
	}
	set := env.State().WrappingSet(env.State().Open.Token).Body
	return finish(ctx, env, st, mono("Set", set.Name), mono("Check value", set.KCV), line("Method", set.KCVMethod),
		line("Where", "in the session with each token of this ceremony, and gone with it"), line("What the workstation could do", hostHeld))
}

func (loadWrappingKey) load(ctx context.Context, env ceremony.Env, acts []ceremony.Act) error {
	if len(acts) == 0 {
		return nil
	}
	set := env.State().WrappingSet(env.State().Open.Token)
	S, held, err := useCards(ctx, env, set, "the wrapping key")
	if err != nil {
		return err
	}
	defer S.Wipe()
	key, err := share.WrappingKey(S)
	if err != nil {
		return err
	}
	defer key.Wipe()
	for _, act := range acts {
		serial := act.With["serial"]
		if err := loginFor(ctx, env, serial, set, S, held); err != nil {
			return err
		}
		env.Working("The wrapping key goes into the token")
		err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
			s, err := env.SessionWith(ctx, serial)
			if err != nil {
				return ceremony.Found{}, err
			}
			w, ok := s.(hsm.Wrapper)
			if !ok {
				return ceremony.Found{}, &hsm.Error{Class: hsm.NotSupported, Op: "import the wrapping key", Why: "this token neither wraps nor unwraps"}
			}
			got, err := w.ImportWrappingKey(ctx, hsm.KeySpec{ID: intent[:20], Label: wrapKeyLabel, Algorithm: hsm.AES256, Purpose: hsm.Wrap, Protection: hsm.ModuleOnly, Session: true, Trusted: true}, key)
			if err != nil {
				return ceremony.Found{}, err
			}
			facts := []ceremony.Line{mono("Check value", got.Check.Value), line("Method", got.Check.Method)}
			if got.Check.Value != set.Body.KCV {
				return ceremony.Found{Outcome: ceremony.HalfDone, Facts: facts}, nil
			}
			return ceremony.Found{Outcome: ceremony.Done, Facts: facts}, nil
		})
		if err != nil {
			return err
		}
		if err := env.Logout(ctx, serial, "the wrapping key is in the session"); err != nil {
			return err
		}
	}
	return nil
}

// Reconcile: an object of a session is gone with the session, or is not relied on.
func (loadWrappingKey) Reconcile(context.Context, ceremony.Env, script.Step, ceremony.KnownIntent) (ceremony.Found, error) {
	return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Wrapping key", "went with the session; it will be loaded again")}}, nil
}

// isWrappingKey: the wrapping key of this ceremony is no unknown object.
func isWrappingKey(s *ceremony.State, id string) bool {
	return slices.ContainsFunc(s.Open.Intents, func(in *ceremony.IntentState) bool { return in.Body.Act.Do == importKey && keyID(in.Leaf) == id })
}

package steps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// makeLedgerKey makes the key that signs the heads of this ledger. It never
// leaves the token and serves nothing else.
type makeLedgerKey struct{}

const ledgerKey = "make-ledger-key"

func (makeLedgerKey) Name() string { return ledgerKey }
func (makeLedgerKey) Version() int { return 1 }
func (makeLedgerKey) Doc() string {
	return "The token makes the key that signs the heads of this record; its public half is what an outsider checks with."
}

func (makeLedgerKey) Play(w *ceremony.World, st script.Step) error {
	if !w.TokenOpen || !w.Authorised[st.ID] {
		return fmt.Errorf("the token is open, and the act authorised, before")
	}
	w.LedgerKey = true
	return nil
}

func (makeLedgerKey) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	if made(s, st) {
		return nil, nil
	}
	return []ceremony.Act{{Do: ledgerKey, With: map[string]string{"algorithm": string(hsm.ECP256), "label": ledgerLabel(s), "serial": s.Open.Token}}}, nil
}

// made: in this step, or in a ceremony that ended before the older one was retired.
func made(s *ceremony.State, st script.Step) bool {
	_, done := s.Open.ActDone(st.ID, ledgerKey)
	return done || len(s.LedgerKeysOf(s.Open.Token)) > 1
}

// ledgerLabel is the label of the next ledger key that the token makes.
func ledgerLabel(s *ceremony.State) string {
	label, n := "claviger-ledger-"+s.Site.ID[:8], 1
	for _, k := range s.LedgerKeys {
		if k.Body.Serial == s.Open.Token {
			n++
		}
	}
	if n > 1 {
		label += fmt.Sprint("-", n)
	}
	return label
}

func (makeLedgerKey) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		if !s.Open.TokenOpen {
			return broken("token.closed", "the token is not open")
		}
		return nil
	case *ceremony.LedgerKeyEnrolled:
		spki, err := s.Blob(b.Public)
		if err != nil {
			return broken("key.public", "the public key is not stored: %v", err)
		}
		want, err := ledger.VerifierKey(s.Site.Origin, spki)
		if err != nil {
			return broken("key.public", "%v", err)
		}
		switch {
		case b.Verifier != want:
			return broken("ledger-key.verifier", "its verifier key is not made of its public key")
		case b.ID != keyID(b.Intent) || b.Serial != s.Open.Token || b.Label != intentOf(s, b.Intent).Body.Act.With["label"]:
			return broken("key.id", "it is not the key that was authorised")
		}
		if err := checkAttributes(b.Attributes, hsm.ModuleOnly); err != nil {
			return broken("key.readback", "%v", err)
		}
		return nil
	case *ceremony.Result:
		if isFinish(b) {
			if !made(s, st) {
				return broken("step.result", "the ledger key is not made")
			}
			return nil
		}
		if b.Outcome == ceremony.Done && !slices.ContainsFunc(s.LedgerKeys, func(k ceremony.LedgerKey) bool { return k.Body.Intent == b.Intent }) {
			return broken("result.outcome", "no ledger key was read back")
		}
		return nil
	}
	return foreign(st, r)
}

func (k makeLedgerKey) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	for _, act := range acts {
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: st.Title, Verb: "Make it now", Facts: facts([]ceremony.Line{env.State().ActLine(act)}),
			Text: "The token makes the key that signs the heads of this record, and nothing else."}); err != nil {
			return err
		}
		s, err := env.Session(ctx)
		if err != nil {
			return err
		}
		err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
			env.Working("The token is making the ledger key")
			pair, err := s.Generate(ctx, ledgerKeySpec(act, intent))
			if err != nil {
				return ceremony.Found{}, err
			}
			return ledgerKeyFound(env, intent, act.With["label"], pair.Private, pair.SPKI)
		})
		if err != nil {
			return err
		}
	}
	b := env.State().LedgerKeys[len(env.State().LedgerKeys)-1].Body
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Read the ledger key aloud", Verb: "We have written it down", Facts: facts([]ceremony.Line{hash("Fingerprint", b.Public.String())}),
		Text: "Everybody writes the words on their own key sheet, beside the site's name. With them each of you can tell this record from any other."}); err != nil {
		return err
	}
	return finish(ctx, env, st, line("Label", b.Label), mono("Key identifier", b.ID), hash("Fingerprint", b.Public.String()), mono("Verifier key", b.Verifier))
}

func ledgerKeyFound(env ceremony.Env, intent ledger.Hash, label string, private hsm.Object, spki []byte) (ceremony.Found, error) {
	s := env.State()
	verifier, err := ledger.VerifierKey(s.Site.Origin, spki)
	if err != nil {
		return ceremony.Found{}, err
	}
	b := ceremony.LedgerKeyEnrolled{Algorithm: string(hsm.ECP256), Attributes: attributes(private), ID: keyID(intent), Intent: intent, Label: label,
		Public: ledger.BlobHash(spki), Serial: s.Open.Token, Verifier: verifier}
	return ceremony.Found{Outcome: ceremony.Done, Blobs: [][]byte{spki}, Records: []ceremony.Entry{{Kind: ceremony.LedgerKeyEnrolledKind, Body: b}},
		Facts: []ceremony.Line{mono("Key identifier", b.ID), hash("Fingerprint", b.Public.String())}}, nil
}

func (makeLedgerKey) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	s, err := env.Session(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	objects, err := s.Find(ctx, hsm.Query{ID: in.Leaf[:20]})
	if err != nil {
		return ceremony.Found{}, err
	}
	if len(objects) == 0 {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Ledger key", "not in the token")}}, nil
	}
	pair, err := inspect(ctx, s, ledgerKeySpec(in.Intent.Act, in.Leaf))
	var other *hsm.Mismatch
	if err == nil {
		return ledgerKeyFound(env, in.Leaf, in.Intent.Act.With["label"], pair.Private, pair.SPKI)
	}
	if !errors.As(err, &other) {
		return ceremony.Found{}, err
	}
	// A ledger key that is not whole signs nothing and is known by no verifier
	// key: it is removed under the act that was to make it.
	facts := []ceremony.Line{line("Ledger key", "other than authorised, or half of it, and removed: "+differing(other))}
	return removed(ctx, s, in.Leaf[:20], objects, facts)
}

// removed destroys what an act left that nobody can use, and names it.
func removed(ctx context.Context, s hsm.Session, id []byte, objects []hsm.Object, facts []ceremony.Line) (ceremony.Found, error) {
	left, err := s.Destroy(ctx, hsm.Query{ID: id})
	if err != nil {
		return ceremony.Found{}, err
	}
	facts = append(facts, mono("Key identifier", hex.EncodeToString(id)))
	for _, o := range objects {
		facts = append(facts, line("Was in the token", o.Class+" "+o.Label))
	}
	facts = append(facts, line("Objects with it in the token now", fmt.Sprint(left)))
	if left > 0 {
		return ceremony.Found{Outcome: ceremony.HalfDone, Facts: facts}, nil
	}
	return ceremony.Found{Outcome: ceremony.NotDone, Facts: facts}, nil
}

func ledgerKeySpec(act ceremony.Act, intent ledger.Hash) hsm.KeySpec {
	return hsm.KeySpec{ID: intent[:20], Label: act.With["label"], Algorithm: hsm.ECP256, Purpose: hsm.Sign, Protection: hsm.ModuleOnly}
}

// retireLedgerKey deletes the ledger key that a newer one in the same token has
// taken the place of. Nobody can sign a head with it any more; those that it signed
// stay signed.
type retireLedgerKey struct{}

const retireLedger = "retire-ledger-key"

func (retireLedgerKey) Name() string { return retireLedger }
func (retireLedgerKey) Version() int { return 1 }
func (retireLedgerKey) Doc() string {
	return "The token deletes its older ledger key, once a newer one signs the heads of this record in its place."
}

func (retireLedgerKey) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.TokenOpen || !w.Authorised[st.ID]:
		return fmt.Errorf("the token is open, and the act authorised, before")
	case st.With["reason"] == "":
		return fmt.Errorf("it does not say why (with: reason)")
	}
	return nil
}

func (retireLedgerKey) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	if _, done := s.Open.ActDone(st.ID, retireLedger); done {
		return nil, nil
	}
	keys := s.LedgerKeysOf(s.Open.Token)
	if len(keys) < 2 {
		return nil, fmt.Errorf("token %s has no newer ledger key that would take its place", s.Open.Token)
	}
	old := keys[0].Body
	return []ceremony.Act{{Do: retireLedger, With: map[string]string{"id": old.ID, "label": old.Label, "reason": st.With["reason"], "serial": old.Serial}}}, nil
}

func (retireLedgerKey) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		if !s.Open.TokenOpen {
			return broken("token.closed", "the token is not open")
		}
		return nil
	case *ceremony.LedgerKeyRetired:
		keys := s.LedgerKeysOf(s.Open.Token)
		switch {
		case len(keys) < 2 || keys[0].Leaf != b.Key || keys[0].Body.ID != intentOf(s, b.Intent).Body.Act.With["id"]:
			return broken("ledger-key.authorised", "it is not the ledger key whose retirement was authorised, or no newer one takes its place")
		case b.Reason != st.With["reason"]:
			return broken("ledger-key.reason", "it names another reason than the script")
		}
		return nil
	case *ceremony.Result:
		if isFinish(b) {
			if _, done := s.Open.ActDone(st.ID, retireLedger); !done {
				return broken("step.result", "the ledger key is not retired")
			}
			return nil
		}
		if b.Outcome == ceremony.Done && !retired(s, intentOf(s, b.Intent).Body.Act.With["id"]) {
			return broken("result.outcome", "no record says that the ledger key is gone")
		}
		return nil
	}
	return foreign(st, r)
}

func retired(s *ceremony.State, id string) bool {
	return slices.ContainsFunc(s.LedgerKeys, func(k ceremony.LedgerKey) bool { return k.Retired && k.Body.ID == id })
}

func (k retireLedgerKey) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	for _, act := range acts {
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: st.Title, Verb: "Delete the older ledger key", Irreversible: true, Facts: facts([]ceremony.Line{env.State().ActLine(act)}),
			Text: "The token deletes the ledger key that was replaced. Every head that it signed stays signed; keep the key sheet that names it."}); err != nil {
			return err
		}
		s, err := env.Session(ctx)
		if err != nil {
			return err
		}
		err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
			env.Working("The token deletes the older ledger key and looks for it")
			id, err := hex.DecodeString(act.With["id"])
			if err != nil {
				return ceremony.Found{}, err
			}
			gone, err := s.Delete(ctx, id, act.With["label"])
			if err != nil {
				return ceremony.Found{}, err
			}
			return retiredFound(env, act, intent, gone.ByID, line("A use of it", "was refused with "+gone.Refused)), nil
		})
		if err != nil {
			return err
		}
	}
	s := env.State()
	in, _ := s.Open.ActDone(st.ID, retireLedger)
	return finish(ctx, env, st, line("Retired", in.Body.Act.With["label"]), line("Signs in its place", s.LedgerKeysOf(s.Open.Token)[0].Body.Label))
}

// retiredFound is what a deletion has left of the ledger key: objects with its
// identifier that the token still shows.
func retiredFound(env ceremony.Env, act ceremony.Act, intent ledger.Hash, left int, more ...ceremony.Line) ceremony.Found {
	s := env.State()
	i := slices.IndexFunc(s.LedgerKeys, func(k ceremony.LedgerKey) bool { return k.Body.ID == act.With["id"] })
	b := ceremony.LedgerKeyRetired{Intent: intent, Key: s.LedgerKeys[i].Leaf, Left: left, Reason: act.With["reason"], Serial: act.With["serial"]}
	return ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.LedgerKeyRetiredKind, Body: b}},
		Facts: append([]ceremony.Line{line("Retired", act.With["label"]), line("Objects of it in the token", fmt.Sprint(left))}, more...)}
}

func (retireLedgerKey) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	s, err := env.Session(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	act := in.Intent.Act
	id, err := hex.DecodeString(act.With["id"])
	if err != nil {
		return ceremony.Found{}, err
	}
	objects, err := s.Find(ctx, hsm.Query{ID: id})
	if err != nil {
		return ceremony.Found{}, err
	}
	if slices.ContainsFunc(objects, func(o hsm.Object) bool { return o.Class == "private-key" }) {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Older ledger key", "still in the token")}}, nil
	}
	// Without its private half it signs nothing: what is left goes under the same act.
	left, err := s.Destroy(ctx, hsm.Query{ID: id})
	if err != nil {
		return ceremony.Found{}, err
	}
	return retiredFound(env, act, in.Leaf, left), nil
}

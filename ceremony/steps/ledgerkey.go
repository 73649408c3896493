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
	if _, done := s.Open.ActDone(st.ID, ledgerKey); done {
		return nil, nil
	}
	return []ceremony.Act{{Do: ledgerKey, With: map[string]string{"algorithm": string(hsm.ECP256), "label": ledgerLabel(s), "serial": s.Open.Token}}}, nil
}

func ledgerLabel(s *ceremony.State) string { return "claviger-ledger-" + s.Site.ID[:8] }

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
		case b.ID != keyID(b.Intent) || b.Serial != s.Open.Token || b.Label != ledgerLabel(s):
			return broken("key.id", "it is not the key that was authorised")
		}
		if err := checkAttributes(b.Attributes, hsm.ModuleOnly); err != nil {
			return broken("key.readback", "%v", err)
		}
		return nil
	case *ceremony.Result:
		if isFinish(b) {
			if _, done := s.Open.ActDone(st.ID, ledgerKey); !done {
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
			return ledgerKeyFound(env, intent, pair.Private, pair.SPKI)
		})
		if err != nil {
			return err
		}
	}
	b := env.State().LedgerKeys[len(env.State().LedgerKeys)-1].Body
	return finish(ctx, env, st, line("Label", b.Label), mono("Key identifier", b.ID), hash("Fingerprint", b.Public.String()), mono("Verifier key", b.Verifier))
}

func ledgerKeyFound(env ceremony.Env, intent ledger.Hash, private hsm.Object, spki []byte) (ceremony.Found, error) {
	s := env.State()
	verifier, err := ledger.VerifierKey(s.Site.Origin, spki)
	if err != nil {
		return ceremony.Found{}, err
	}
	b := ceremony.LedgerKeyEnrolled{Algorithm: string(hsm.ECP256), Attributes: attributes(private), ID: keyID(intent), Intent: intent, Label: ledgerLabel(s),
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
		return ledgerKeyFound(env, in.Leaf, pair.Private, pair.SPKI)
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

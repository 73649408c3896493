package steps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// destroyKey removes a key's objects from the ceremony's token and has the token
// show that they are gone: lists before and after, searches, a use that fails.
type destroyKey struct{}

const (
	destroyKeyKind = "destroy-key"
	deleteKey      = "delete-key"
)

// typed is what an act's authorisation asks each officer to type: it stands in
// the act, so that it is part of what they see and sign.
const typed = "type"

// DestroyPhrase is typed by hand before what cannot be undone.
func DestroyPhrase(label string) string { return "DESTROY " + label }

func (destroyKey) Name() string { return destroyKeyKind }
func (destroyKey) Version() int { return 1 }
func (destroyKey) Doc() string {
	return "The key is deleted from the token; searches and a use that fails prove that it is gone."
}

func (destroyKey) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.TokenOpen:
		return fmt.Errorf("the token is not open yet")
	case w.GatesAnswered == "":
		return fmt.Errorf("no step of kind %s before it answers the conditions of a destruction", gatesKind)
	case w.CopiesRegistered == "":
		return fmt.Errorf("no step of kind %s before it lists every copy", registerKind)
	case !w.DestructionApproved:
		return fmt.Errorf("no step of kind %s before it has owner and approver sign gates and copies", approveKind)
	case !w.Authorised[st.ID]:
		return fmt.Errorf("no step before it authorises it")
	case st.With["key"] == "":
		return fmt.Errorf("it does not say which key (with: key)")
	}
	w.KeyDeleted = true
	return nil
}

func (destroyKey) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	k := s.KeyNamed(st.With["key"])
	if k == nil {
		return nil, fmt.Errorf("no key %q is known here", st.With["key"])
	}
	var acts []ceremony.Act
	for _, c := range k.OpenCopies() {
		if c.Form == ceremony.ModuleForm && c.Where == s.Open.Token {
			acts = append(acts, ceremony.Act{Do: deleteKey, With: map[string]string{
				"id": c.ID, "label": k.Body.Label, "serial": s.Open.Token, typed: DestroyPhrase(k.Body.Label)}})
		}
	}
	return acts, nil
}

func (k destroyKey) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		if !s.Open.TokenOpen {
			return broken("token.closed", "the token is not open")
		}
		return mayDestroy(s, st)
	case *ceremony.KeyDeleted:
		key := s.KeyNamed(st.With["key"])
		in := intentOf(s, b.Intent)
		switch {
		case key == nil || b.Key != key.Body.ID || b.Serial != s.Open.Token || in == nil || in.Body.Act.With["id"] != b.ID:
			return broken("key.authorised", "it is not the key whose deletion was authorised")
		case b.Before >= 0 && b.After >= b.Before:
			return broken("key.present", "the token holds %d objects after the deletion, and %d before", b.After, b.Before)
		}
		return nil
	case *ceremony.TokenInventory:
		return checkInventory(s, b)
	case *ceremony.Result:
		if isFinish(b) {
			if acts, err := k.Acts(s, st); err != nil || len(acts) > 0 {
				return broken("step.result", "a copy of the key is still in this token")
			}
			return nil
		}
		in := intentOf(s, b.Intent)
		if b.Outcome == ceremony.Done && open(s, st, in.Body.Act.With["id"]) {
			return broken("key.present", "the key is called deleted, and nothing shows that it is gone")
		}
		return nil
	}
	return foreign(st, r)
}

func intentOf(s *ceremony.State, leaf ledger.Hash) *ceremony.IntentState {
	for _, in := range s.Open.Intents {
		if in.Leaf == leaf {
			return in
		}
	}
	return nil
}

// open says whether the register still has this object.
func open(s *ceremony.State, st script.Step, id string) bool {
	for _, c := range s.KeyNamed(st.With["key"]).OpenCopies() {
		if c.Form == ceremony.ModuleForm && c.ID == id {
			return true
		}
	}
	return false
}

func (k destroyKey) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	key := func() *ceremony.Key { return env.State().KeyNamed(st.With["key"]) }
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	if len(acts) > 0 {
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: st.Title, Verb: "Delete from the HSM", Irreversible: true, Facts: guard(env.State(), key()),
			Text: "The token deletes the key and then has to show that it is gone. Nobody can bring this copy back."}); err != nil {
			return err
		}
	}
	var lines []ceremony.Line
	for _, act := range acts {
		if err := deleteCopy(ctx, env, act, key().Body.ID); err != nil {
			return err
		}
	}
	for _, b := range env.State().Open.Deleted {
		lines = append(lines, line("Proof of absence", fmt.Sprintf("%d found by identifier, %d by label; a use of it was refused with %s", b.ByID, b.ByLabel, b.UseFails)))
	}
	if len(acts) == 0 {
		return finish(ctx, env, st, line("In this token", "no copy of the key; it was deleted before"))
	}
	return finish(ctx, env, st, append([]ceremony.Line{line("Deleted", key().Body.Label), mono("From token", env.State().Open.Token)}, lines...)...)
}

// guard is what stands before the act: the conditions, and whether each is met.
func guard(s *ceremony.State, k *ceremony.Key) []ceremony.Fact {
	p := s.Open
	answered := p.Steps[stepOfKind(p, gatesKind).ID]
	var out []ceremony.Fact
	for _, g := range Gates() {
		f := ceremony.Fact{Label: g.Text, Value: value(answered.Facts, g.label()), Style: "met"}
		switch g.Letter {
		case "c":
			f.Value = fmt.Sprintf("%d copies in the register, %d still open. ", len(k.Copies), len(k.OpenCopies())) + f.Value
		case "d":
			f.Value = "Signed by " + names(s, approvers(s, stepOfKind(p, approveKind))) + ". " + f.Value
		}
		out = append(out, f)
	}
	return append(out, facts(keyLines(s, k))...)
}

func deleteCopy(ctx context.Context, env ceremony.Env, act ceremony.Act, key string) error {
	return env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The token deletes the key and looks for it")
		s, err := env.SessionWith(ctx, act.With["serial"])
		if err != nil {
			return ceremony.Found{}, err
		}
		id, err := hex.DecodeString(act.With["id"])
		if err != nil {
			return ceremony.Found{}, err
		}
		gone, err := s.Delete(ctx, id, act.With["label"])
		if err != nil {
			return ceremony.Found{}, err
		}
		b := ceremony.KeyDeleted{After: len(gone.After), Before: len(gone.Before), ByID: gone.ByID, ByLabel: gone.ByLabel - labelled(gone.Before, act.With["label"], act.With["id"]),
			ID: act.With["id"], Intent: intent, Key: key, Serial: act.With["serial"], UseFails: gone.Refused}
		return absent(env.State(), b, gone.After, gone.Use)
	})
}

// labelled counts other keys that bear the same label.
func labelled(objects []hsm.Object, label, id string) int {
	n := 0
	for _, o := range objects {
		if o.Label == label && hex.EncodeToString(o.ID) != id {
			n++
		}
	}
	return n
}

// absent is the proof as records: what was searched, what was tried, and
// the list of what the token holds now.
func absent(s *ceremony.State, b ceremony.KeyDeleted, after []hsm.Object, use string) (ceremony.Found, error) {
	inv, blob, err := listObjects(s, b.Serial, after)
	if err != nil {
		return ceremony.Found{}, err
	}
	before := fmt.Sprintf("%d objects before, %d after", b.Before, b.After)
	if b.Before < 0 {
		before = fmt.Sprintf("%d objects after; how many before is not known, an interruption came between", b.After)
	}
	return ceremony.Found{Outcome: ceremony.Done, Blobs: [][]byte{blob},
		Records: []ceremony.Entry{{Kind: ceremony.KeyDeletedKind, Body: b}, {Kind: ceremony.TokenInventoryKind, Body: inv}},
		Facts: []ceremony.Line{mono("Key identifier", b.ID), line("In the token", before), line("Found by identifier", fmt.Sprint(b.ByID)), line("Found by label", fmt.Sprint(b.ByLabel)),
			mono("A try to "+use+" with it", b.UseFails), hash("List of objects afterwards", inv.Listed.String())}}, nil
}

// Reconcile looks for the key: gone, still there, or half of it.
func (destroyKey) Reconcile(ctx context.Context, env ceremony.Env, st script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	s, err := env.Session(ctx)
	if err != nil {
		return ceremony.Found{}, err
	}
	id, err := hex.DecodeString(in.Intent.Act.With["id"])
	if err != nil {
		return ceremony.Found{}, err
	}
	left, err := s.Find(ctx, hsm.Query{ID: id})
	if err != nil {
		return ceremony.Found{}, err
	}
	if len(left) > 0 {
		found := ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{mono("Key identifier", in.Intent.Act.With["id"])}}
		private := false
		for _, o := range left {
			private = private || o.Class == "private-key" || o.Class == "secret-key"
			found.Facts = append(found.Facts, line("Still in the token", o.Class+" "+o.Label))
		}
		if !private {
			found.Outcome = ceremony.HalfDone
		}
		return found, nil
	}
	after, err := s.Find(ctx, hsm.Query{})
	if err != nil {
		return ceremony.Found{}, err
	}
	_, err = s.Sign(ctx, id, []byte("claviger proof of absence v1\n"+in.Leaf.String()+"\n"))
	refusal := refused(err)
	if refusal == "" {
		return ceremony.Found{}, fmt.Errorf("the token finds no object with the key's identifier, and still signs with it")
	}
	key := env.State().KeyNamed(st.With["key"])
	return absent(env.State(), ceremony.KeyDeleted{After: len(after), Before: -1, ByID: 0, ByLabel: 0, ID: in.Intent.Act.With["id"], Intent: in.Leaf, Key: key.Body.ID,
		Serial: env.State().Open.Token, UseFails: refusal}, after, "sign")
}

// refused gives the code with which a token refused, or its reason in words.
func refused(err error) string {
	var he *hsm.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &he) && he.Code != "":
		return he.Code
	case errors.As(err, &he) && he.Why != "":
		return he.Why
	}
	return err.Error()
}

// conclude says what the ceremony has come to: the key is destroyed only when no
// copy of it is left open.
type conclude struct{ noActs }

const (
	concludeKind = "conclude-destruction"
	outcomeFact  = "Outcome"
	// DestroyedWords and DeletedWords are the two outcomes, as certificates say them.
	DestroyedWords = "destroyed: no copy is known to remain"
	DeletedWords   = "deleted from the module: copies remain"
	StillThere     = "not deleted: it is still in a module"
)

func (conclude) Name() string { return concludeKind }
func (conclude) Version() int { return 1 }
func (conclude) Doc() string {
	return "The register of copies is closed: the key is called destroyed, or deleted from the module, by what is left."
}

func (conclude) Play(w *ceremony.World, st script.Step) error {
	if !w.KeyDeleted || st.With["key"] == "" || st.With["reason"] == "" {
		return fmt.Errorf("no key was deleted before, or it does not say key and reason (with)")
	}
	return nil
}

func (conclude) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.KeyDestroyed:
		k := s.KeyNamed(st.With["key"])
		if k == nil || b.Key != k.Body.ID || b.Reason != st.With["reason"] {
			return broken("key.authorised", "it is not the key, or not the reason, of this ceremony")
		}
		return nil
	case *ceremony.Result:
		if !isFinish(b) {
			return foreign(st, r)
		}
		k := s.KeyNamed(st.With["key"])
		if k == nil || value(b.Facts, outcomeFact) != Outcome(k) {
			return broken("destroy.outcome", "the outcome is called other than the register of copies says")
		}
		return nil
	}
	return foreign(st, r)
}

// Outcome is what may be said of a key after a ceremony of destruction.
func Outcome(k *ceremony.Key) string {
	if k.Gone() {
		return DestroyedWords
	}
	for _, c := range k.OpenCopies() {
		if c.Form == ceremony.ModuleForm {
			return StillThere
		}
	}
	return DeletedWords
}

func (conclude) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	k := env.State().KeyNamed(st.With["key"])
	if len(k.OpenCopies()) == 0 && !k.Gone() {
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.KeyDestroyedKind,
			Body: ceremony.KeyDestroyed{Copies: len(k.Copies), Key: k.Body.ID, Reason: st.With["reason"]}}}); err != nil {
			return err
		}
		k = env.State().Keys[k.Body.ID]
	}
	lines := []ceremony.Line{line("Key", k.Body.Label), line(outcomeFact, Outcome(k))}
	for _, c := range k.Copies {
		lines = append(lines, line(c.Name, c.State))
	}
	env.Shown(lines...)
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Read the outcome aloud", Facts: facts(lines),
		Text: "This is what the certificate will say, and no more."}); err != nil {
		return err
	}
	return finish(ctx, env, st, lines...)
}

package steps

import (
	"context"
	"fmt"
	"slices"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// rewrapBackups: what the old cards of a set open is backed up anew under the new
// ones, key by key. A token wraps the key again, both copies are written, read back
// and bagged, one is restored and compared; only then are the old media destroyed,
// one by one, so that at no moment a key has no backup that somebody can open.
type rewrapBackups struct{}

func (rewrapBackups) Name() string { return ceremony.RewrapStep }
func (rewrapBackups) Version() int { return 1 }
func (rewrapBackups) Doc() string {
	return "Each backup under the old cards is made anew under the new ones, restored and compared; then its old media are destroyed."
}

func (rewrapBackups) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.TokenOpen:
		return fmt.Errorf("the token is not open yet")
	case !w.WrappingKey:
		return fmt.Errorf("no step of kind %s comes before", loadKey)
	case !w.Authorised[st.ID]:
		return fmt.Errorf("no step before it authorises it")
	case st.With["set"] == "":
		return fmt.Errorf("it does not say whose old cards open the backups (with: set)")
	}
	return nil
}

// wrappedAnew lists the keys that are backed up anew when a set's cards change. A
// key in quarantine may only be inspected or destroyed, and keeps the old cards.
func wrappedAnew(s *ceremony.State, old *ceremony.Set) []*ceremony.Key {
	return slices.DeleteFunc(s.KeysUnder(old.Body.Set), func(k *ceremony.Key) bool { return s.Backed(k, k.Body.Label) != nil })
}

// tokensOf says which token of the ceremony holds a key, and where its backup is
// tried: in the other one, if there is one.
func tokensOf(s *ceremony.State, k *ceremony.Key) (holds, tries string, err error) {
	all := serials(s.Open)
	i := slices.IndexFunc(all, func(serial string) bool {
		id := k.In(serial)
		return id != "" && !slices.ContainsFunc(s.Open.Restored, func(b ceremony.KeyRestored) bool { return b.Test && b.ID == id })
	})
	if i < 0 {
		return "", "", broken("key.only-backup", "no token of this ceremony holds %s", k.Body.Label)
	}
	return all[i], all[(i+1)%len(all)], nil
}

// left is what is still to be done for one key, in its order.
func (rewrapBackups) left(s *ceremony.State, st script.Step, old *ceremony.Set, k *ceremony.Key) ([]ceremony.Act, error) {
	set, err := recoverySet(s)
	if err != nil {
		return nil, err
	}
	if set.Body.Set == old.Body.Set {
		return nil, broken("set.in-use", "the cards of set %s are not changed yet", old.Body.Name)
	}
	holds, tries, err := tokensOf(s, k)
	if err != nil {
		return nil, err
	}
	acts := append(wrapActs(s, st, k, holds, set), restoreActs(s, st, k, tries, true)...)
	for _, c := range k.Copies {
		act := ceremony.Act{Do: destroyCopy, With: map[string]string{"copy": c.Name, "form": c.Form, "label": k.Body.Label, "set": old.Body.Name}}
		if c.Set == old.Body.Set && c.State == ceremony.CopyKept && !s.Open.Did(st.ID, act) {
			acts = append(acts, act)
		}
	}
	return acts, nil
}

func (k rewrapBackups) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	old, err := oldSet(s, st)
	if err != nil {
		return nil, err
	}
	var acts []ceremony.Act
	for _, key := range wrappedAnew(s, old) {
		more, err := k.left(s, st, old, key)
		if err != nil {
			return nil, err
		}
		acts = append(acts, more...)
	}
	return acts, nil
}

// keyOf is the key that an act of this step is about.
func keyOf(s *ceremony.State, act ceremony.Act) *ceremony.Key { return s.KeyNamed(act.With["label"]) }

func (k rewrapBackups) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	old, err := oldSet(s, st)
	if err != nil {
		return broken("set.none", "%v", err)
	}
	switch b := body.(type) {
	case *ceremony.Intent:
		return k.mayAct(s, st, old, b.Act)
	case *ceremony.KeyRestored:
		key := s.Keys[b.Key]
		if err := checkRestored(s, key, b, true); err != nil {
			return err
		}
		if set, err := recoverySet(s); err != nil || key.WrappedAs(b.From.String()).Set != set.Body.Set {
			return broken("copy.other", "it was restored from a backup that the new cards do not open")
		}
		return nil
	case *ceremony.KeyDeleted:
		return checkTestCopy(s, b)
	case *ceremony.ItemOpened:
		return checkMediumItem(s, b.Item)
	case *ceremony.ItemLost:
		return checkMediumItem(s, b.Item)
	case *ceremony.ItemSealed:
		if s.Items[b.Item] != nil {
			return checkMediumItem(s, b.Item)
		}
		return checkBackup(s, st, r, body)
	case *ceremony.ItemDestroyed:
		if in := intentOf(s, b.Intent); in == nil || in.Body.Act.Do != destroyCopy || in.Body.Act.With["copy"] != b.Item {
			return broken("destroy.intent", "%s is destroyed without a durable intent that names it", b.Item)
		}
		return nil
	case *ceremony.TokenInventory:
		return checkInventory(s, b)
	case *ceremony.Result:
		if !isFinish(b) {
			if in := intentOf(s, b.Intent); in.Body.Act.Do != wrapKey && in.Body.Act.Do != writeCopy {
				return checkRestoreDone(s, keyOf(s, in.Body.Act), b)
			}
			return nil
		}
		if len(b.Facts) == 0 {
			return broken("key.unwrapped", "nothing says which backups were made anew")
		}
		if err := allDone(k, s, st); err != nil {
			return err
		}
	}
	return checkBackup(s, st, r, body)
}

// mayAct: each token is open, and an old medium is destroyed only when the new
// backup was restored and compared.
func (k rewrapBackups) mayAct(s *ceremony.State, st script.Step, old *ceremony.Set, act ceremony.Act) error {
	p := s.Open
	if !p.TokenOpen || p.OpenedAs != string(hsm.Operator) || p.Second.Serial != "" && (!p.Second.Open || p.Second.OpenedAs != string(hsm.Operator)) {
		return broken("token.closed", "not every token of this ceremony is open")
	}
	if act.Do != destroyCopy {
		return nil
	}
	key := keyOf(s, act)
	if key == nil {
		return broken("key.unknown", "no key %q is known here", act.With["label"])
	}
	left, err := k.left(s, st, old, key)
	if err != nil {
		return err
	}
	if left[0].Do != destroyCopy {
		return broken("copy.needed", "%s is needed: the new backup of %s is not restored and compared yet", act.With["copy"], key.Body.Label)
	}
	return nil
}

func (k rewrapBackups) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	old, err := oldSet(env.State(), st)
	if err != nil {
		return err
	}
	for _, key := range wrappedAnew(env.State(), old) {
		if err := k.anew(ctx, env, st, old, key.Body.ID); err != nil {
			return err
		}
	}
	s := env.State()
	lines := []ceremony.Line{mono("Old set", old.Body.Name)}
	var told []string
	for _, w := range s.Open.Wrapped {
		if slices.Contains(told, w.ID) {
			continue // an interrupted backup was wrapped again
		}
		told = append(told, w.ID)
		lines = append(lines, backupLines(s, w.ID)...)
		lines = append(lines, restoreLines(s, s.Keys[w.ID])[1:]...)
		lines = append(lines, oldLines(s.Keys[w.ID], old)...)
	}
	if told == nil {
		return finish(ctx, env, st, append(lines, line("Backed up anew", "nothing: its cards open no backup"))...)
	}
	return finish(ctx, env, st, append(lines, line("What the workstation could do", hostHeld))...)
}

// anew backs one key up under the new cards, tries it, and ends the old media.
func (k rewrapBackups) anew(ctx context.Context, env ceremony.Env, st script.Step, old *ceremony.Set, id string) error {
	set, err := recoverySet(env.State())
	if err != nil {
		return err
	}
	acts, err := k.left(env.State(), st, old, env.State().Keys[id])
	if err != nil {
		return err
	}
	of := func(do ...string) []ceremony.Act {
		return slices.DeleteFunc(slices.Clone(acts), func(act ceremony.Act) bool { return !slices.Contains(do, act.Do) })
	}
	if err := backUp(ctx, env, of(wrapKey, writeCopy), id, set); err != nil {
		return err
	}
	if err := restoreBackup(ctx, env, of(unwrapKey, proveRestored, deleteKey), env.State().Keys[id], true); err != nil {
		return err
	}
	for _, act := range of(destroyCopy) {
		if err := destroyOld(ctx, env, act); err != nil {
			return err
		}
	}
	return nil
}

// destroyOld has one old medium destroyed. One that is lost is lost: its backup may
// survive, and the record says so.
func destroyOld(ctx context.Context, env ceremony.Env, act ceremony.Act) error {
	name := act.With["copy"]
	there, err := takeOut(ctx, env, env.State().Items[name], "its destruction: its backup was made anew under other cards")
	if err != nil || !there {
		return err
	}
	err = env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		found, _, err := destroyOne(ctx, env, act, intent, "Destroy the old "+name)
		return found, err
	})
	if err != nil {
		return err
	}
	return bagAgain(ctx, env, name)
}

// oldLines says what became of each backup under the old cards.
func oldLines(key *ceremony.Key, old *ceremony.Set) []ceremony.Line {
	var lines []ceremony.Line
	for _, c := range key.Copies {
		if c.Set == old.Body.Set {
			lines = append(lines, line("Old copy, "+c.Name, c.State))
		}
	}
	return lines
}

// Reconcile asks the token, the medium, or those who were in the room.
func (rewrapBackups) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	switch in.Intent.Act.Do {
	case wrapKey, writeCopy:
		return reconcileBackup(ctx, env, in)
	case destroyCopy:
		found, _, err := destroyOne(ctx, env, in.Intent.Act, in.Leaf, "What is left of the old "+in.Intent.Act.With["copy"])
		return found, err
	}
	return reconcileRestore(ctx, env, keyOf(env.State(), in.Intent.Act), in)
}

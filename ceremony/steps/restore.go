package steps

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// restoreKey: a wrapped backup is read from its medium, unwrapped into the second
// token, and compared with the original; a test copy is deleted again, with proof.
type restoreKey struct{}

const (
	unwrapKey     = "restore-key"
	proveRestored = "prove-restored"
)

func (restoreKey) Name() string { return ceremony.RestoreStep }
func (restoreKey) Version() int { return 1 }
func (restoreKey) Doc() string {
	return "A backup is read from its medium, restored to the second token and compared with the original; a test copy is deleted again."
}

func (restoreKey) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.TokenOpen:
		return fmt.Errorf("the token is not open yet")
	case !w.WrappingKey:
		return fmt.Errorf("no step of kind %s comes before", loadKey)
	case !w.Authorised[st.ID]:
		return fmt.Errorf("no step before it authorises it")
	case st.With["key"] == "" || st.With["test"] != "yes" && st.With["test"] != "no":
		return fmt.Errorf("it does not say which key (with: key), and whether it is a test (with: test: yes or no)")
	}
	return nil
}

// restored is what this ceremony has restored of a key, nil if nothing yet.
func restored(s *ceremony.State, id string) *ceremony.KeyRestored {
	for i := range s.Open.Restored {
		if s.Open.Restored[i].Key == id {
			return &s.Open.Restored[i]
		}
	}
	return nil
}

func waived(s *ceremony.State, id string) bool {
	return slices.ContainsFunc(s.Open.Waived, func(b ceremony.RestoreWaived) bool { return b.Key == id })
}

func (restoreKey) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	k := s.KeyNamed(st.With["key"])
	if err := s.Backed(k, st.With["key"]); err != nil {
		return nil, err
	}
	second := s.Open.Second.Serial
	if waived(s, k.Body.ID) || second == "" {
		return nil, nil
	}
	return restoreActs(s, st, k, second, st.With["test"] == "yes"), nil
}

// restoreActs is what is left of one restore to a token, and of the end of its test
// copy.
func restoreActs(s *ceremony.State, st script.Step, k *ceremony.Key, serial string, test bool) []ceremony.Act {
	with := func() map[string]string {
		return map[string]string{"id": k.Body.ID, "label": k.Body.Label, "serial": serial}
	}
	all := []ceremony.Act{{Do: unwrapKey, With: with()}, {Do: proveRestored, With: with()}}
	if test {
		// The id of the test copy is that of the act which will make it.
		all = append(all, ceremony.Act{Do: deleteKey, With: map[string]string{"copy": "the test copy", "label": k.Body.Label, "serial": serial}})
	}
	return slices.DeleteFunc(all, func(act ceremony.Act) bool { return s.Open.Did(st.ID, act) })
}

func (k restoreKey) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	p := s.Open
	key := s.KeyNamed(st.With["key"])
	switch b := body.(type) {
	case *ceremony.Intent:
		if !p.Second.Open || p.Second.OpenedAs != string(hsm.Operator) {
			return broken("token.closed", "the second token is not open")
		}
		if b.Act.Do != unwrapKey && restored(s, key.Body.ID) == nil {
			return broken("intent.act", "nothing is restored yet")
		}
		return nil
	case *ceremony.KeyRestored:
		return checkRestored(s, key, b, st.With["test"] == "yes")
	case *ceremony.RestoreWaived:
		if st.With["waiver"] == "" || b.Key != key.Body.ID {
			return broken("key.waiver", "this script does not let the restore be waived")
		}
		return nil
	case *ceremony.KeyDeleted:
		return checkTestCopy(s, b)
	case *ceremony.TokenInventory:
		return checkInventory(s, b)
	case *ceremony.ItemOpened:
		return checkMediumItem(s, b.Item)
	case *ceremony.ItemSealed:
		return checkMediumItem(s, b.Item)
	case *ceremony.ItemLost:
		return checkMediumItem(s, b.Item)
	case *ceremony.Result:
		if isFinish(b) {
			if p.Second.Serial == "" && !waived(s, key.Body.ID) {
				return broken("key.unrestored", "the backup was neither restored nor the restore waived")
			}
			return allDone(k, s, st)
		}
		return checkRestoreDone(s, key, b)
	}
	return foreign(st, r)
}

// checkRestoreDone: an act of a restore is done only where its own record, or the
// signature among its facts, shows it.
func checkRestoreDone(s *ceremony.State, key *ceremony.Key, b *ceremony.Result) error {
	if b.Outcome != ceremony.Done {
		return nil
	}
	switch intentOf(s, b.Intent).Body.Act.Do {
	case unwrapKey:
		if got := restored(s, key.Body.ID); got == nil || got.Intent != b.Intent {
			return broken("result.outcome", "nothing was restored")
		}
	case proveRestored:
		return checkProof(s, key, b)
	case deleteKey:
		if got := restored(s, key.Body.ID); !slices.ContainsFunc(s.Open.Deleted, func(d ceremony.KeyDeleted) bool { return d.Intent == b.Intent && d.ID == got.ID }) {
			return broken("key.present", "the test copy is called deleted, and nothing shows that it is gone")
		}
	}
	return nil
}

func checkMediumItem(s *ceremony.State, name string) error {
	if it := s.Items[name]; it == nil || it.Kind != ceremony.MediumItem {
		return broken("custody.item", "%s is not a medium", name)
	}
	return nil
}

// checkTestCopy: what is deleted after a restore is what was restored, and no more.
func checkTestCopy(s *ceremony.State, b *ceremony.KeyDeleted) error {
	if got := restored(s, b.Key); got == nil || got.ID != b.ID || b.Serial != got.Serial || !got.Test {
		return broken("key.authorised", "it is not the test copy")
	}
	return nil
}

func checkRestored(s *ceremony.State, key *ceremony.Key, b *ceremony.KeyRestored, test bool) error {
	in := intentOf(s, b.Intent)
	switch {
	case key == nil || b.Key != key.Body.ID || b.Label != key.Body.Label || in.Body.Act.Do != unwrapKey || b.Serial != in.Body.Act.With["serial"] || b.Test != test:
		return broken("key.authorised", "it is not the key whose restore was authorised")
	case b.ID != keyID(b.Intent):
		return broken("key.id", "its CKA_ID does not name its intent")
	case key.WrappedAs(b.From.String()) == nil:
		return broken("copy.other", "it was restored from something that is no backup of %s", key.Body.Label)
	}
	for name, want := range map[string]string{"sensitive": "true", "local": "false", "sign": "true", "decrypt": "false", "unwrap": "false", "derive": "false", "wrap-with-trusted": "true"} {
		if got := attribute(b.Attributes, name); ceremony.Signs(key.Body.Purpose) && got != want {
			return broken("key.readback", "%s reads back as %q, and should be %s", name, got, want)
		}
	}
	return nil
}

func attribute(list []ceremony.Attribute, name string) string {
	for _, a := range list {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// checkProof: the key signed in the token, and the public key on record verifies it.
func checkProof(s *ceremony.State, k *ceremony.Key, b *ceremony.Result) error {
	sig, err := hex.DecodeString(value(b.Facts, "Signature"))
	if err != nil {
		return broken("key.proof", "there is no signature to check")
	}
	spki, err := s.Blob(k.Body.Public)
	if err != nil {
		return broken("key.public", "the public key is not stored: %v", err)
	}
	if err := verify(spki, challenge(s, b.Intent), sig); err != nil {
		return broken("key.proof", "%v", err)
	}
	return nil
}

const (
	restoreNow  = "restore it now and compare"
	waiveIt     = "waive the restore"
	noteNoToken = "no second token is there, so the backup cannot be tried now"
)

func (k restoreKey) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	key := env.State().KeyNamed(st.With["key"])
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	if st.With["waiver"] != "" && restored(env.State(), key.Body.ID) == nil && !waived(env.State(), key.Body.ID) {
		waive, err := k.waive(ctx, env, key)
		if err != nil {
			return err
		}
		if waive {
			acts = nil
		}
	}
	if err := restoreBackup(ctx, env, acts, key, st.With["test"] == "yes"); err != nil {
		return err
	}
	lines := restoreLines(env.State(), key)
	if restored(env.State(), key.Body.ID) != nil {
		lines = append(lines, line("What the workstation could do", hostHeld))
	}
	return finish(ctx, env, st, lines...)
}

// restoreBackup does what is left of a restore.
func restoreBackup(ctx context.Context, env ceremony.Env, acts []ceremony.Act, key *ceremony.Key, test bool) error {
	for _, act := range acts {
		var err error
		switch act.Do {
		case unwrapKey:
			err = restoreFrom(ctx, env, act, key, test)
		case proveRestored:
			err = proveRestore(ctx, env, act, key)
		case deleteKey:
			err = deleteTestCopy(ctx, env, act, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func restoreLines(s *ceremony.State, key *ceremony.Key) []ceremony.Line {
	lines := []ceremony.Line{line("Key", key.Body.Label)}
	for _, w := range s.Open.Waived {
		if w.Key == key.Body.ID {
			var by []string
			for _, sg := range w.Signatures {
				by = append(by, s.Someone(sg.Person).Name+" ("+sg.Role+")")
			}
			return append(lines, line("Restored and compared", "waived by "+strings.Join(by, " and ")), line("Reason", w.Reason))
		}
	}
	b := restored(s, key.Body.ID)
	lines = append(lines, mono("Restored to token", b.Serial), mono("Key identifier there", b.ID), hash("Fingerprint", b.Fingerprint),
		line("Compared", "same public key; it signed there, and the original public key verifies the signature"))
	for _, d := range s.Open.Deleted {
		if d.ID == b.ID {
			lines = append(lines, line("Test copy", fmt.Sprintf("deleted: %d found by identifier, %d by label; a use of it was refused with %s", d.ByID, d.ByLabel, d.UseFails)))
		}
	}
	return lines
}

// waive asks whether the backup is tried; owner and approver sign where it is not.
func (restoreKey) waive(ctx context.Context, env ceremony.Env, key *ceremony.Key) (bool, error) {
	s := env.State()
	choices := []string{restoreNow, waiveIt}
	text := "A backup that was never restored is a hope. Owner and approver may waive it for now; the report prints their reason."
	if s.Open.Second.Serial == "" {
		choices, text = choices[1:], "There is "+noteNoToken+". Owner and approver say why the key may rely on it all the same; the report prints their reason."
	}
	var people []ceremony.Part
	for _, role := range []string{"owner", "approver"} {
		for _, person := range s.Open.InRole(role) {
			people = append(people, ceremony.Part{Person: person, Role: role})
		}
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(s.Open.InRole("administrator")[0]), Role: "administrator", Title: "Try the backup of " + key.Body.Label, Text: text,
		Fields: []ceremony.Field{
			{Name: "test", Label: "The backup is tried", Type: "text", Of: choices, Max: 60},
			{Name: "reason", Label: "Reason, if it is not", Type: "text", Max: 500, Optional: true},
		}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return false, err
		}
		if a.Fields["test"] == restoreNow {
			return false, nil
		}
		reason := strings.TrimSpace(a.Fields["reason"])
		if reason == "" {
			p.Problem = &ceremony.Problem{Happened: "The restore is waived, and no reason was typed.", Safe: "Nothing was recorded.", Do: "Type the reason of owner and approver; it is printed in the report."}
			continue
		}
		b := ceremony.RestoreWaived{Key: key.Body.ID, Reason: reason}
		ask := ceremony.Prompt{Title: "Waive the restore of " + key.Body.Label, Text: "You sign that this backup is not tried now, for the reason shown.",
			Facts: facts([]ceremony.Line{line("Key", key.Body.Label), line("Reason", reason)})}
		b.Signatures, err = env.Together(ctx, people, ask, func(prev ledger.Hash) ([]byte, error) {
			return ceremony.RestoreWaivedMessage(b, s.Open.Number, prev, s.Site.ID)
		})
		if err != nil {
			return false, err
		}
		return true, env.Record(ctx, []ceremony.Entry{{Kind: ceremony.RestoreWaivedKind, Body: b}})
	}
}

// restoreFrom reads a backup from its medium and has a token unwrap it.
func restoreFrom(ctx context.Context, env ceremony.Env, act ceremony.Act, key *ceremony.Key, test bool) error {
	set, err := recoverySet(env.State())
	if err != nil {
		return err
	}
	backup, blob, err := readMedium(ctx, env, key, set)
	if err != nil {
		return err
	}
	made := key.WrappedAs(backup.SHA256)
	if made == nil {
		return fmt.Errorf("no record says how the backup on %s was made", backup.Name)
	}
	return env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The token unwraps the key")
		with, err := wrappingKey(env.State(), act.With["serial"])
		if err != nil {
			return ceremony.Found{}, err
		}
		s, err := env.SessionWith(ctx, act.With["serial"])
		if err != nil {
			return ceremony.Found{}, err
		}
		spki, err := env.State().Blob(key.Body.Public)
		if err != nil {
			return ceremony.Found{}, err
		}
		w, ok := s.(hsm.Wrapper)
		if !ok {
			return ceremony.Found{}, &hsm.Error{Class: hsm.NotSupported, Op: "unwrap the key", Why: "this token does not unwrap"}
		}
		got, err := w.Unwrap(ctx, hsm.KeySpec{ID: intent[:20], Label: key.Body.Label, Algorithm: hsm.Algorithm(key.Body.Algorithm), Purpose: usage(key.Body.Purpose), Protection: hsm.WrapBackup},
			with, hsm.Wrapped{Mechanism: made.Mechanism, Blob: blob}, spki)
		if err != nil {
			return ceremony.Found{}, err
		}
		b := ceremony.KeyRestored{Attributes: attributes(got.Private), Check: "fingerprint, signature", Fingerprint: ledger.BlobHash(got.SPKI).String(), From: made.SHA256, ID: keyID(intent), Intent: intent,
			Key: key.Body.ID, Label: key.Body.Label, Serial: act.With["serial"], Test: test}
		return ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.KeyRestoredKind, Body: b}},
			Facts: []ceremony.Line{mono("Key identifier", b.ID), hash("Fingerprint", b.Fingerprint)}}, nil
	})
}

// readMedium takes the medium of a backup that the set in use opens out of its bag, reads the file that the record
// names by hash, and has the medium sealed again. A medium that is lost gives way
// to the next.
func readMedium(ctx context.Context, env ceremony.Env, key *ceremony.Key, set *ceremony.Set) (ceremony.Copy, []byte, error) {
	for _, c := range env.State().Keys[key.Body.ID].Backups() {
		it := env.State().Items[c.Name]
		if it == nil || c.Set != set.Body.Set {
			continue
		}
		there, err := takeOut(ctx, env, it, "a restore from the backup on it")
		if err != nil {
			return c, nil, err
		}
		if !there {
			continue
		}
		blob, err := askBlob(ctx, env, c)
		if err != nil {
			return c, nil, err
		}
		if err := putBack(ctx, env, c.Name); err != nil {
			return c, nil, err
		}
		if blob != nil {
			return c, blob, nil
		}
	}
	return ceremony.Copy{}, nil, &ceremony.Problem{Happened: fmt.Sprintf("No medium with a backup of %s that the cards of set %s open could be read.", key.Body.Label, set.Body.Name), Safe: "Nothing was changed in any token.", Do: "Look for another medium with a copy, or make a new backup."}
}

const (
	readAgain = "look in this folder"
	unread    = "it cannot be read"
)

// askBlob asks where the medium is mounted until the file with the record's hash is
// found; nil where people give it up.
func askBlob(ctx context.Context, env ceremony.Env, c ceremony.Copy) ([]byte, error) {
	s := env.State()
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(s.Open.InRole("administrator")[0]), Role: "administrator", Title: "Connect " + c.Name,
		Text:  "The file is known by its hash, whatever its name is.",
		Facts: facts([]ceremony.Line{line("Medium", c.Name), hash("SHA-256 in the record", c.SHA256)}),
		Fields: []ceremony.Field{
			{Name: "folder", Label: "Folder in which it is mounted", Type: "text", Value: mediaFolder(env, c.Name), Max: 200},
			{Name: "go", Label: "The medium", Type: "text", Of: []string{readAgain, unread}, Max: 40},
		}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return nil, err
		}
		if a.Fields["go"] == unread {
			return nil, nil
		}
		p.Fields[0].Value = a.Fields["folder"]
		_, blob, err := findBlob(filepath.Clean(a.Fields["folder"]), c.SHA256)
		if blob != nil {
			return blob, nil
		}
		p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("No file in %q has the hash of this backup.", a.Fields["folder"]), Safe: "Nothing was unwrapped.", Do: "Check that the right medium is mounted there. If its file is damaged, say that it cannot be read, and the next copy is asked for."}
		if err != nil {
			p.Problem.Code = err.Error()
		}
	}
}

func proveRestore(ctx context.Context, env ceremony.Env, act ceremony.Act, key *ceremony.Key) error {
	return env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The token signs with what was restored")
		s, err := env.SessionWith(ctx, act.With["serial"])
		if err != nil {
			return ceremony.Found{}, err
		}
		return signs(ctx, env, s, intent, restored(env.State(), key.Body.ID).ID, key.Body.Public, line("Proof", "the restored key signed, the signature verifies with the original public key"))
	})
}

func deleteTestCopy(ctx context.Context, env ceremony.Env, act ceremony.Act, key *ceremony.Key) error {
	return env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The token deletes the test copy and looks for it")
		s, err := env.SessionWith(ctx, act.With["serial"])
		if err != nil {
			return ceremony.Found{}, err
		}
		copy := restored(env.State(), key.Body.ID)
		id, err := hex.DecodeString(copy.ID)
		if err != nil {
			return ceremony.Found{}, err
		}
		gone, err := s.Delete(ctx, id, copy.Label)
		if err != nil {
			return ceremony.Found{}, err
		}
		b := ceremony.KeyDeleted{After: len(gone.After), Before: len(gone.Before), ByID: gone.ByID, ByLabel: gone.ByLabel - labelled(gone.Before, copy.Label, copy.ID),
			ID: copy.ID, Intent: intent, Key: key.Body.ID, Serial: act.With["serial"], UseFails: gone.Refused}
		return absent(env.State(), b, gone.After, gone.Use)
	})
}

func (restoreKey) Reconcile(ctx context.Context, env ceremony.Env, st script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	return reconcileRestore(ctx, env, env.State().KeyNamed(st.With["key"]), in)
}

// reconcileRestore looks into the token. What an interrupted restore left there is
// removed under the act that was to make it: it is made again, whole.
func reconcileRestore(ctx context.Context, env ceremony.Env, key *ceremony.Key, in ceremony.KnownIntent) (ceremony.Found, error) {
	serial := in.Intent.Act.With["serial"]
	s, err := env.SessionWith(ctx, serial)
	if err != nil {
		return ceremony.Found{}, err
	}
	switch in.Intent.Act.Do {
	case unwrapKey:
		objects, err := s.Find(ctx, hsm.Query{ID: in.Leaf[:20]})
		if err != nil {
			return ceremony.Found{}, err
		}
		return removed(ctx, s, in.Leaf[:20], objects, []ceremony.Line{line("Restored key", "not to be relied on; it will be restored again")})
	case deleteKey:
		return reconcileTestCopy(ctx, env, s, key, in)
	}
	return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Proof", "a signature leaves nothing in the token; it will be made again")}}, nil
}

func reconcileTestCopy(ctx context.Context, env ceremony.Env, s hsm.Session, key *ceremony.Key, in ceremony.KnownIntent) (ceremony.Found, error) {
	copy := restored(env.State(), key.Body.ID)
	id, err := hex.DecodeString(copy.ID)
	if err != nil {
		return ceremony.Found{}, err
	}
	left, err := s.Find(ctx, hsm.Query{ID: id})
	if err != nil {
		return ceremony.Found{}, err
	}
	if len(left) > 0 {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Test copy", fmt.Sprintf("%d objects of it are still in the token", len(left)))}}, nil
	}
	after, err := s.Find(ctx, hsm.Query{})
	if err != nil {
		return ceremony.Found{}, err
	}
	_, err = s.Sign(ctx, id, []byte("claviger proof of absence v1\n"+in.Leaf.String()+"\n"))
	refusal := refused(err)
	if refusal == "" {
		return ceremony.Found{}, errors.New("the token finds no object with the test copy's identifier, and still signs with it")
	}
	return absent(env.State(), ceremony.KeyDeleted{After: len(after), Before: -1, ID: copy.ID, Intent: in.Leaf, Key: key.Body.ID, Serial: in.Intent.Act.With["serial"], UseFails: refusal}, after, "sign")
}

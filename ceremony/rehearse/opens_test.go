package rehearse

import (
	"context"
	"encoding/hex"
	"path/filepath"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/secret"
)

// secretOf rebuilds the secret of a set from what the practice custodians wrote
// down, as people without Claviger would; nil where too few of its cards are there.
// The caller wipes it.
func secretOf(t failer, props Props, known *ceremony.Set, there func(ceremony.CardIssued) bool) *secret.Buffer {
	t.Helper()
	set := share.Set{K: known.Body.Threshold, N: known.Body.Count, Fingerprints: make([][32]byte, known.Body.Count)}
	if _, err := hex.Decode(set.ID[:], []byte(known.Body.Set)); err != nil {
		t.Fatal(err)
	}
	if _, err := hex.Decode(set.Commitment[:], []byte(known.Body.Commitment)); err != nil {
		t.Fatal(err)
	}
	for _, c := range known.Body.Cards {
		if _, err := hex.Decode(set.Fingerprints[c.Index-1][:], []byte(c.Fingerprint)); err != nil {
			t.Fatal(err)
		}
	}
	col := share.NewCollector(set)
	defer col.Wipe()
	for _, c := range known.Body.Cards {
		if col.Need() == 0 || !there(c) {
			continue
		}
		text, err := props.get(c.Holder + "." + strings.ReplaceAll(known.Body.Name, " ", "-") + ".card")
		if err != nil {
			t.Fatal(err)
		}
		card, err := share.ParseCard(text, true)
		text.Wipe()
		if err == nil {
			err = col.Add(card)
		}
		if err != nil {
			t.Fatalf("card %d of set %s, as its holder wrote it down: %v", c.Index, known.Body.Name, err)
		}
	}
	if col.Need() > 0 {
		return nil
	}
	S, err := col.Combine()
	if err != nil {
		t.Fatal(err)
	}
	return S
}

// opens demands what holds at every moment, in the middle of an act too: a set is
// valid only if each of its cards was read back before, and is as its holder wrote
// it down; and each token of the site takes PINs that cards in people's hands give,
// of a set that is not withdrawn, or the transport PIN while no record says that
// cards rule.
func (sc *scene) opens(t failer) {
	t.Helper()
	ctx := context.Background()
	s, head, findings, err := ceremony.Fold(ctx, sc.store, steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Fatalf("the ledger does not hold: %v %v", findings, err)
	}
	type read struct {
		set         string
		index       int
		fingerprint string
	}
	readBack := map[read]bool{}
	for r, err := range sc.store.Records(ctx, 0, head.Size) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != ceremony.SetReadBackKind && r.Kind != ceremony.SetIssuedKind {
			continue
		}
		body, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		switch b := body.(type) {
		case *ceremony.SetReadBack:
			readBack[read{b.Set, b.Index, b.Fingerprint}] = true
		case *ceremony.SetIssued:
			for _, c := range b.Cards {
				if !b.Made() && !readBack[read{b.Set, c.Index, c.Fingerprint}] {
					t.Fatalf("record %d: set %s is valid, and card %d was not read back", r.Seq, b.Name, c.Index)
				}
			}
		}
	}
	props := Props(filepath.Join(sc.dir, "practice"))
	for _, set := range s.Sets {
		if set.Body.Made() {
			continue // nobody here knows what the device made
		}
		// Every card that was ever handed out is what the record calls it, gone or not.
		if S := secretOf(t, props, set, func(ceremony.CardIssued) bool { return true }); S == nil {
			t.Fatalf("set %s cannot be rebuilt from its own cards", set.Body.Name)
		} else {
			S.Wipe()
		}
	}
	for serial, token := range s.Tokens {
		if token.AtPad() {
			continue // people open it, and no PIN of it is anywhere here
		}
		for _, as := range []hsm.User{hsm.Operator, hsm.SecurityOfficer} {
			if !sc.someCardsOpen(t, s, props, serial, as) {
				t.Fatalf("nobody can rebuild the PIN with which the %s of token %s logs in (sets in the record: %q and %q)", as, serial, token.UserSet, token.SOSet)
			}
		}
	}
}

// someCardsOpen tries on a copy of the token what people could type.
func (sc *scene) someCardsOpen(t failer, s *ceremony.State, props Props, serial string, as hsm.User) bool {
	t.Helper()
	purpose, derive := ceremony.Activation, share.UserPIN
	if as == hsm.SecurityOfficer {
		purpose, derive = ceremony.Recovery, share.SOPIN
	}
	opens := func(pin *secret.Buffer) bool {
		defer pin.Wipe()
		err := loginAt(sc, serial, as, pin)
		// Before any set there is no user PIN, and nothing in the token that needs one.
		return err == nil || ceremony.ClassOf(err) == hsm.NotAllowed && s.Tokens[serial].UserSet == ""
	}
	if as == hsm.SecurityOfficer && s.Tokens[serial].SOSet == "" || as == hsm.Operator && s.Tokens[serial].UserSet == "" {
		pin := secret.New(128)
		for _, officer := range []string{"priya-kapoor", "rui-santos"} {
			half, err := props.get(officer + half)
			if err == nil {
				err = pin.Append(half.Bytes()...)
			}
			half.Wipe()
			if err != nil {
				t.Fatal(err)
			}
		}
		if opens(pin) {
			return true
		}
	}
	for _, set := range s.Sets {
		if set.Withdrawn || set.Body.Purpose != purpose {
			continue
		}
		S := secretOf(t, props, set, func(c ceremony.CardIssued) bool {
			it := s.Items[ceremony.CardItemName(c.Index, set.Body.Name)]
			return it != nil && it.State != ceremony.Gone && it.State != ceremony.Lost
		})
		if S == nil {
			continue
		}
		pin, err := derive(S, serial, set.Body.PINLength)
		S.Wipe()
		if err != nil {
			t.Fatal(err)
		}
		if opens(pin) {
			return true
		}
	}
	return false
}

func loginAt(sc *scene, serial string, as hsm.User, pin *secret.Buffer) error {
	ctx := context.Background()
	m, err := sc.token.Clone().Start(ctx, "", nil)
	if err != nil {
		return err
	}
	defer m.Close()
	session, err := m.Open(ctx, serial)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Login(ctx, as, pin)
}

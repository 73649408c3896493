package ceremony

import (
	"fmt"
	"slices"

	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// Backups: a wrapped key is one only when it was restored and compared (WebTrust
// for CAs 4.2), or when owner and approver have said why it was not.

// RestoreWaived says why a backup is not tried, by those who answer for the key.
type RestoreWaived struct {
	Key        string     `json:"key"` // CKA_ID
	Reason     string     `json:"reason"`
	Signatures []SignedBy `json:"signatures"` // claviger custody v1: owner and approver
}

func (s *State) restoreWaived(r *record, b *RestoreWaived) error {
	k, err := s.keyInUse(r, b.Key)
	if err != nil {
		return err
	}
	if b.Reason == "" {
		return r.refuse("key.waiver", "a reason is missing")
	}
	roles, err := s.signedBy(r, b.Signatures, func(site string) ([]byte, error) { return RestoreWaivedMessage(*b, r.Ceremony, r.Prev, site) })
	if err != nil {
		return err
	}
	if !slices.Equal(roles, []string{"approver", "owner"}) {
		return r.refuse("key.waiver", "a restore is waived by owner and approver, and %v signed", roles)
	}
	for _, sg := range b.Signatures {
		switch {
		case !s.Open.Present[sg.Person]:
			return r.refuse("presence.absent", "%s is not present", sg.Person)
		case sg.Role == "owner" && sg.Person != k.Body.Owner:
			return r.refuse("key.owner", "%s is owned by %s, not by %s", k.Body.Label, k.Body.Owner, sg.Person)
		}
	}
	s.Open.Waived = append(s.Open.Waived, *b)
	return nil
}

// RestoreWaivedMessage gives the bytes that owner and approver sign.
func RestoreWaivedMessage(b RestoreWaived, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	return bodyMessage(signoff.Custody, b, ceremony, prev, site)
}

// Backed says, as a *Broken, why a key cannot be backed up or restored.
func (s *State) Backed(k *Key, named string) error {
	switch {
	case k == nil:
		return &Broken{"key.unknown", fmt.Sprintf("no key %q is known here", named)}
	case k.Gone():
		return &Broken{"key.state", fmt.Sprintf("%s is destroyed", k.Body.Label)}
	case k.Quarantined:
		return &Broken{"key.quarantined", fmt.Sprintf("%s is quarantined: it may only be inspected or destroyed", k.Body.Label)}
	case k.Body.Protection != "wrap-backup":
		return &Broken{"key.protection", fmt.Sprintf("%s was made to stay in its HSM for ever (%s): it can be neither copied nor restored. Only a key generated with the protection wrap-backup has backups", k.Body.Label, k.Body.Protection)}
	}
	return nil
}

// KeyFits says, as a *Broken, why a ceremony of these steps cannot be about a key.
func (s *State) KeyFits(steps []script.Step, k *Key, named string) error {
	has := func(kind string) bool {
		return slices.ContainsFunc(steps, func(st script.Step) bool { return st.Kind == kind })
	}
	if !has(BackupStep) && !has(RestoreStep) {
		return nil
	}
	if err := s.Backed(k, named); err != nil {
		return err
	}
	if !has(BackupStep) && len(k.Backups()) == 0 {
		return &Broken{"key.no-backup", fmt.Sprintf("no backup of %s is kept; the script key-backup makes one", k.Body.Label)}
	}
	return nil
}

// backsUp refuses a ceremony about backups before anyone comes together for it.
func (s *State) backsUp(r *record, p *Progress) error {
	if s.partial {
		return nil // the keys come with the context; the steps judge the same
	}
	for _, st := range p.Plan.Steps() {
		if st.Kind == RewrapStep {
			if err := s.onlyBackups(r, p, st.With["set"]); err != nil {
				return err
			}
		}
		if st.Kind != BackupStep && st.Kind != RestoreStep {
			continue
		}
		if err := s.KeyFits(p.Plan.Steps(), s.KeyNamed(st.With["key"]), st.With["key"]); err != nil {
			return r.refuse(ruleOf(err, "key.protection"), "%v", err)
		}
		if s.WrappingSet(p.Token) == nil {
			return r.refuse("set.none", "token %s has no recovery set, whose cards would give the wrapping key", p.Token)
		}
	}
	return nil
}

// onlyBackups: what is wrapped anew has to be in a token. A key that is nowhere but
// in backups under the old cards would be lost with them.
func (s *State) onlyBackups(r *record, p *Progress, named string) error {
	set := s.SetNamed(named)
	if set == nil {
		return r.refuse("set.none", "no set %q is known here", named)
	}
	if set.Withdrawn {
		return r.refuse("set.withdrawn", "the custodians of set %s were changed before: its cards open nothing any more", set.Body.Name)
	}
	only := slices.DeleteFunc(s.KeysUnder(set.Body.Set), func(k *Key) bool {
		return k.Quarantined || k.In(p.Token) != "" || k.In(p.Second.Serial) != ""
	})
	if len(only) > 0 {
		return r.refuse("key.only-backup", "no token of this ceremony holds %s, of which only backups under the cards of set %s are there: restore it with the script key-restore before its cards change, so that it can be backed up under the new ones", Labels(only), set.Body.Name)
	}
	return nil
}

// Backups are the wrapped copies of a key that are kept on media.
func (k *Key) Backups() []Copy {
	var out []Copy
	for _, c := range k.Copies {
		if c.Form == WrappedForm && c.State == CopyKept && !c.Stated {
			out = append(out, c)
		}
	}
	return out
}

// WrappedAs is how a wrapped backup was made, by the SHA-256 of its bytes.
func (k *Key) WrappedAs(sum string) *KeyWrapped {
	for i := range k.Wrapped {
		if k.Wrapped[i].SHA256.String() == sum {
			return &k.Wrapped[i]
		}
	}
	return nil
}

// unrestored says which backup of this ceremony was neither restored and compared
// nor waived, or which test copy is still there; "" where all is well.
func (s *State) unrestored(p *Progress) string {
	for _, w := range p.Wrapped {
		restored := slices.ContainsFunc(p.Restored, func(b KeyRestored) bool { return b.Key == w.ID && b.From == w.SHA256 })
		waived := slices.ContainsFunc(p.Waived, func(b RestoreWaived) bool { return b.Key == w.ID })
		stored := slices.ContainsFunc(p.Stored, func(b ArtifactStored) bool { return b.Key == w.ID && b.SHA256 == w.SHA256.String() })
		if stored && !restored && !waived {
			return fmt.Sprintf("the backup of %s was neither restored and compared nor the restore waived", s.Keys[w.ID].Body.Label)
		}
	}
	for _, b := range p.Restored {
		i := slices.IndexFunc(s.Keys[b.Key].Copies, func(c Copy) bool { return c.Name == ModuleCopy(b.Serial, b.ID) })
		if b.Test && s.Keys[b.Key].Copies[i].State != CopyDestroyed {
			return fmt.Sprintf("the test copy of %s is still in token %s", b.Label, b.Serial)
		}
	}
	return ""
}

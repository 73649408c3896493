package steps

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	media "claviger/ceremony/medium"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
)

// backUpKey: the token wraps a key, and two copies of what it gives are written to
// numbered media, read back, and bagged.
type backUpKey struct{}

const (
	wrapKey   = "wrap-key"
	writeCopy = "write-copy"
	copies    = 2
	// maxBlob bounds what is read from a medium that anybody may have written.
	maxBlob = 64 << 10
)

func (backUpKey) Name() string { return ceremony.BackupStep }
func (backUpKey) Version() int { return 1 }
func (backUpKey) Doc() string {
	return "The token wraps a key under the wrapping key; two copies go to numbered media, are read back and bagged."
}

func (backUpKey) Play(w *ceremony.World, st script.Step) error {
	switch {
	case !w.TokenOpen:
		return fmt.Errorf("the token is not open yet")
	case !w.WrappingKey:
		return fmt.Errorf("no step of kind %s comes before", loadKey)
	case !w.Authorised[st.ID]:
		return fmt.Errorf("no step before it authorises it")
	case st.With["key"] == "":
		return fmt.Errorf("it does not say which key (with: key)")
	}
	return nil
}

// recoverySet is the one under whose wrapping key this ceremony works.
func recoverySet(s *ceremony.State) (*ceremony.Set, error) {
	set := s.WrappingSet(s.Open.Token)
	if set == nil {
		return nil, fmt.Errorf("no recovery set serves token %s", s.Open.Token)
	}
	return set, nil
}

// wrapActs is what is left of one backup: while a copy is not written, the key has
// to be wrapped, for the wrapped key is nowhere else.
func wrapActs(s *ceremony.State, st script.Step, k *ceremony.Key, serial string, set *ceremony.Set) []ceremony.Act {
	var writes []ceremony.Act
	for n := 1; n <= copies; n++ {
		act := ceremony.Act{Do: writeCopy, With: map[string]string{"copy": strconv.Itoa(n), "label": k.Body.Label, "id": k.Body.ID, "set": set.Body.Name}}
		if !s.Open.Did(st.ID, act) {
			writes = append(writes, act)
		}
	}
	if writes == nil {
		return nil
	}
	wrap := ceremony.Act{Do: wrapKey, With: map[string]string{"id": k.Body.ID, "label": k.Body.Label, "serial": serial, "set": set.Body.Name}}
	return append([]ceremony.Act{wrap}, writes...)
}

func (backUpKey) Acts(s *ceremony.State, st script.Step) ([]ceremony.Act, error) {
	k := s.KeyNamed(st.With["key"])
	if err := s.Backed(k, st.With["key"]); err != nil {
		return nil, err
	}
	set, err := recoverySet(s)
	if err != nil {
		return nil, err
	}
	return wrapActs(s, st, k, s.Open.Token, set), nil
}

func (k backUpKey) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	if b, ok := body.(*ceremony.Result); ok && isFinish(b) {
		if err := allDone(k, s, st); err != nil {
			return err
		}
	}
	return checkBackup(s, st, r, body)
}

// checkBackup judges the records of wrapping and of media, for every kind that
// makes backups.
func checkBackup(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	switch b := body.(type) {
	case *ceremony.Intent:
		if !s.Open.TokenOpen || s.Open.OpenedAs != string(hsm.Operator) {
			return broken("token.closed", "the token is not open")
		}
		if b.Act.Do == writeCopy && !slices.ContainsFunc(s.Open.Wrapped, func(w ceremony.KeyWrapped) bool { return w.ID == b.Act.With["id"] }) {
			return broken("key.unwrapped", "nothing was wrapped that a medium could hold")
		}
		if b.Act.Do == wrapKey {
			// Which of them the token takes shows only when it has done so.
			return cmp.Or(s.MechanismAllowed("aes-kwp"), s.MechanismAllowed("aes-kw"))
		}
		return nil
	case *ceremony.KeyWrapped:
		k := s.Keys[b.ID]
		if err := s.Backed(k, b.ID); err != nil {
			return err
		}
		in := intentOf(s, b.Intent)
		set := s.Sets[b.Set]
		switch {
		case in.Body.Act.Do != wrapKey || in.Body.Act.With["id"] != b.ID || b.Serial != in.Body.Act.With["serial"]:
			return broken("key.authorised", "it is not the key whose backup was authorised")
		case set == nil || set.Body.Name != in.Body.Act.With["set"] || set.Body.KCV != b.KCV || set.Body.KCVMethod != b.KCVMethod:
			return broken("set.kcv", "it is wrapped under another key than the cards of set %s give", b.Set)
		case b.Bytes < 40:
			return broken("key.wrapped", "%d bytes are no wrapped key", b.Bytes)
		}
		return s.MechanismAllowed(wrapName(b.Mechanism))
	case *ceremony.ArtifactStored:
		sum := slices.ContainsFunc(s.Open.Wrapped, func(w ceremony.KeyWrapped) bool {
			return w.ID == b.Key && w.SHA256.String() == b.SHA256 && w.Set == b.Set && w.Bytes == b.Bytes
		})
		if in := intentOf(s, b.Intent); in == nil || in.Body.Act.Do != writeCopy || in.Body.Act.With["id"] != b.Key {
			return broken("copy.authorised", "it is not the copy that was authorised")
		}
		if !sum || b.Form != ceremony.WrappedForm || b.Stated {
			return broken("copy.other", "what is on the medium is not what the token wrapped")
		}
		if other := keptThere(s, st.ID, b.Key, b.Where); other != "" {
			return broken("copy.place", "%s is kept %s, as %s is: one fire, flood or burglary takes both", b.Name, b.Where, other)
		}
		return nil
	case *ceremony.ItemSealed:
		if b.Kind == ceremony.MediumItem && !slices.ContainsFunc(s.Open.Stored, func(a ceremony.ArtifactStored) bool { return a.Name == b.Item && a.SHA256 == b.Holds }) {
			return broken("copy.other", "%s does not hold what was written in this ceremony", b.Item)
		}
		return nil
	case *ceremony.Result:
		if !isFinish(b) {
			return nil
		}
		for _, a := range s.Open.Stored {
			if it := s.Items[a.Name]; it == nil || it.State != ceremony.InCustody {
				return broken("custody.unbagged", "%s is not in a bag", a.Name)
			}
		}
		return nil
	}
	return foreign(st, r)
}

// wrapName is how a policy calls a mechanism that wraps keys.
func wrapName(mechanism string) string {
	switch mechanism {
	case "CKM_AES_KEY_WRAP":
		return "aes-kw"
	case "CKM_AES_KEY_WRAP_PAD", "CKM_AES_KEY_WRAP_KWP":
		return "aes-kwp"
	}
	return mechanism
}

func (k backUpKey) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	key := env.State().KeyNamed(st.With["key"])
	set, err := recoverySet(env.State())
	if err != nil {
		return err
	}
	acts, err := k.Acts(env.State(), st)
	if err != nil {
		return err
	}
	if err := backUp(ctx, env, acts, key.Body.ID, set); err != nil {
		return err
	}
	return finish(ctx, env, st, append(backupLines(env.State(), key.Body.ID), line("What the workstation could do", hostHeld))...)
}

func backupLines(s *ceremony.State, id string) []ceremony.Line {
	var lines []ceremony.Line
	for _, w := range slices.Backward(s.Open.Wrapped) {
		if w.ID != id {
			continue
		}
		set := s.Sets[w.Set].Body
		lines = append(lines, line("Key", s.Keys[id].Body.Label), hash("Fingerprint", s.Keys[id].Body.Fingerprint), line("Wrapped by", w.Mechanism+", inside token "+w.Serial),
			mono("Set", set.Name), mono("Check value of the wrapping key", w.KCV), line("Method", w.KCVMethod), hash("SHA-256 of the wrapped key", w.SHA256.String()), line("Length", fmt.Sprintf("%d bytes", w.Bytes)))
		break // an interrupted backup was wrapped again
	}
	for _, a := range s.Open.Stored {
		if a.Key == id {
			lines = append(lines, line("Copy", fmt.Sprintf("%s, file %s, kept %s by %s", a.Name, a.File, a.Where, s.Someone(s.Items[a.Name].Holder).Name)))
		}
	}
	return lines
}

// backUp wraps, writes each copy and has it bagged.
func backUp(ctx context.Context, env ceremony.Env, acts []ceremony.Act, id string, set *ceremony.Set) error {
	var wrapped hsm.Wrapped
	for _, act := range acts {
		var err error
		if act.Do == wrapKey {
			wrapped, err = wrapInToken(ctx, env, act, set)
		} else {
			err = writeMedium(ctx, env, act, wrapped.Blob, set)
		}
		if err != nil {
			return err
		}
	}
	// After an interruption a medium may hold its copy and lie on the table still.
	for _, a := range env.State().Open.Stored {
		if it := env.State().Items[a.Name]; it == nil {
			if err := bagMedium(ctx, env, a, env.State().Open.InRole("officer")[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

func wrapInToken(ctx context.Context, env ceremony.Env, act ceremony.Act, set *ceremony.Set) (hsm.Wrapped, error) {
	var wrapped hsm.Wrapped
	err := env.Act(ctx, act, func(ctx context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The token wraps the key")
		with, err := wrappingKey(env.State(), act.With["serial"])
		if err != nil {
			return ceremony.Found{}, err
		}
		s, err := env.SessionWith(ctx, act.With["serial"])
		if err != nil {
			return ceremony.Found{}, err
		}
		id, err := hex.DecodeString(env.State().Keys[act.With["id"]].In(act.With["serial"]))
		if err != nil {
			return ceremony.Found{}, err
		}
		w, ok := s.(hsm.Wrapper)
		if !ok {
			return ceremony.Found{}, &hsm.Error{Class: hsm.NotSupported, Op: "wrap the key", Why: "this token does not wrap"}
		}
		if wrapped, err = w.Wrap(ctx, id, with); err != nil {
			return ceremony.Found{}, err
		}
		sum := sha256.Sum256(wrapped.Blob)
		b := ceremony.KeyWrapped{Bytes: len(wrapped.Blob), ID: act.With["id"], Intent: intent, KCV: set.Body.KCV, KCVMethod: set.Body.KCVMethod, Mechanism: wrapped.Mechanism,
			Serial: act.With["serial"], Set: set.Body.Set, SHA256: sum}
		return ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.KeyWrappedKind, Body: b}},
			Facts: []ceremony.Line{hash("SHA-256 of the wrapped key", b.SHA256.String()), line("Wrapped by", b.Mechanism)}}, nil
	})
	return wrapped, err
}

// keptThere names the copy of a key that this step wrote before and that is kept in
// this place, "" if there is none: a second copy is one against what befalls a place.
func keptThere(s *ceremony.State, step, key, place string) string {
	same := func(place string) string { return strings.ToUpper(strings.Join(strings.Fields(place), "")) }
	for _, a := range s.Open.Stored {
		if in := intentOf(s, a.Intent); a.Key == key && in != nil && in.Body.Step == step && same(a.Where) == same(place) {
			return a.Name
		}
	}
	return ""
}

// medium is where a copy goes, as people say.
type medium struct{ name, folder, holder, place string }

// copyFile names the file of a copy. The copy's number is in it, so that after an
// interruption the medium of one copy is not taken for that of the other.
func copyFile(s *ceremony.State, act ceremony.Act, sum []byte) string {
	return fmt.Sprintf("%s-%s-copy-%s-%x.wrapped", act.With["label"], s.Open.Number, act.With["copy"], sum[:4])
}

// writeMedium writes one copy, reads it back, has its hash read aloud, and has the
// medium bagged.
func writeMedium(ctx context.Context, env ceremony.Env, act ceremony.Act, blob []byte, set *ceremony.Set) error {
	sum := sha256.Sum256(blob)
	m, err := askMedium(ctx, env, act, hex.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	file := copyFile(env.State(), act, sum[:])
	err = env.Act(ctx, act, func(_ context.Context, intent ledger.Hash) (ceremony.Found, error) {
		env.Working("The copy is written, and read again")
		if err := ceremony.WriteNew(filepath.Join(m.folder, file), blob); err != nil {
			return ceremony.Found{}, err
		}
		return onMedium(env.State(), act, intent, m, set)
	})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(env.State().Open.Stored, func(a ceremony.ArtifactStored) bool { return a.Name == m.name })
	stored := env.State().Open.Stored[i]
	w := witness(env.State())
	if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Who: env.State().Someone(w), Role: "witness", Title: "Read the hash of the copy aloud",
		Text:  "Everyone writes the words on their own sheet and on the medium; the witness reads them back.",
		Facts: facts([]ceremony.Line{line("Medium", m.name), line("File", file), hash("SHA-256", stored.SHA256), line("Words", strings.Join(assets.PGPWords(sum[:5]), " "))})}); err != nil {
		return err
	}
	return bagMedium(ctx, env, stored, m.holder)
}

// onMedium looks for a copy on its medium, by the file's name and by the hash of what
// the medium itself gives, not of what the kernel still holds of it.
func onMedium(s *ceremony.State, act ceremony.Act, intent ledger.Hash, m medium, set *ceremony.Set) (ceremony.Found, error) {
	not := "not on it"
	for _, w := range slices.Backward(s.Open.Wrapped) {
		if w.ID != act.With["id"] {
			continue
		}
		file, blob, err := findBlob(m.folder, w.SHA256.String())
		if err != nil {
			return ceremony.Found{}, err
		}
		if blob == nil {
			continue
		}
		if file != copyFile(s, act, w.SHA256[:]) {
			not = "not on it; it holds the file " + file + ", which is another copy"
			continue
		}
		sum, n, err := media.ReadBack(filepath.Join(m.folder, file))
		if err != nil {
			return ceremony.Found{}, fmt.Errorf("couldn't read the copy back: %w", err)
		}
		if ledger.Hash(sum) != w.SHA256 {
			not = fmt.Sprintf("read back from the medium, %s is not what was written: its SHA-256 is %x", file, sum)
			continue
		}
		b := ceremony.ArtifactStored{Bytes: int(n), File: file, Form: ceremony.WrappedForm, Intent: intent, Key: w.ID, Name: m.name, SHA256: w.SHA256.String(), Set: set.Body.Set, Where: m.place}
		return ceremony.Found{Outcome: ceremony.Done, Records: []ceremony.Entry{{Kind: ceremony.ArtifactStoredKind, Body: b}},
			Facts: []ceremony.Line{line("Medium", m.name), line("File", file), hash("SHA-256, read back", b.SHA256)}}, nil
	}
	return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Medium", m.name), line("Copy", not)}}, nil
}

// findBlob finds the file in a folder whose SHA-256 is this, nil if there is none.
func findBlob(folder, sum string) (string, []byte, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return "", nil, fmt.Errorf("couldn't read the medium: %w", err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxBlob {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return "", nil, fmt.Errorf("couldn't read the medium: %w", err)
		}
		if got := sha256.Sum256(b); hex.EncodeToString(got[:]) == sum {
			return f.Name(), bytes.Clone(b), nil
		}
	}
	return "", nil, nil
}

// mediaFolder is where the media of a practice site lie.
func mediaFolder(env ceremony.Env, name string) string {
	if !env.State().Site.Practice {
		return ""
	}
	return filepath.Join(env.Site().Practice(), "media", strings.TrimPrefix(name, mediumPrefix))
}

const mediumPrefix = "medium "

// askMedium asks which medium is connected where, and who keeps it; for one that is
// to be written, sum is what must not lie on it yet. On a practice site a medium is a
// folder beside the practice cards.
func askMedium(ctx context.Context, env ceremony.Env, act ceremony.Act, sum string) (medium, error) {
	s := env.State()
	n := 1
	for s.Items[fmt.Sprintf("%sM-%d", mediumPrefix, n)] != nil || slices.ContainsFunc(s.Open.Stored, func(a ceremony.ArtifactStored) bool { return a.Name == fmt.Sprintf("%sM-%d", mediumPrefix, n) }) {
		n++
	}
	number := fmt.Sprintf("M-%d", n)
	officers := s.Open.InRole("officer")
	keepers := slices.DeleteFunc(slices.Sorted(slices.Values(presentPeople(s))), func(id string) bool { return s.Open.Role(id) == "witness" })
	copy, _ := strconv.Atoi(act.With["copy"])
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(witness(s)), Role: "witness", Title: fmt.Sprintf("Connect the medium for copy %d of %d", copy, copies),
		Text: "A new medium, with a number on it. The witness reads the number; the copy is written, read back, and the medium is sealed in a bag.",
		Fields: []ceremony.Field{
			{Name: "medium", Label: "Number on the medium", Type: "text", Value: number, Max: 30},
			{Name: "folder", Label: "Folder in which it is mounted", Type: "text", Value: mediaFolder(env, number), Max: 200},
			{Name: "holder", Label: "Who keeps it", Type: "text", Of: keepers, Value: officers[(copy-1)%len(officers)], Max: 63},
			{Name: "kept", Label: "Where it is kept", Type: "text", Hint: fmt.Sprintf("safe %d", copy), Max: 100},
		}}
	for {
		a, err := env.Ask(ctx, p)
		if err != nil {
			return medium{}, err
		}
		m := medium{name: mediumPrefix + strings.TrimSpace(a.Fields["medium"]), folder: strings.TrimSpace(a.Fields["folder"]), holder: a.Fields["holder"], place: a.Fields["kept"]}
		p.Problem = mediumProblem(s, act, m)
		if s.Site.Practice && m.folder == mediaFolder(env, m.name) && p.Problem == nil {
			if err := os.MkdirAll(m.folder, 0o700); err != nil {
				return medium{}, fmt.Errorf("couldn't make the folder of a practice medium: %w", err)
			}
		}
		if info, err := os.Stat(m.folder); p.Problem == nil && (err != nil || !info.IsDir() || !filepath.IsAbs(m.folder)) {
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("%q is no folder.", m.folder), Safe: "Nothing was written.", Do: "Mount the medium and type the whole path of its folder."}
		}
		if p.Problem == nil {
			p.Problem = folderProblem(s, env.Site().Dir, m, sum)
		}
		if p.Problem == nil {
			return m, nil
		}
		for i, f := range p.Fields {
			p.Fields[i].Value = a.Fields[f.Name]
		}
	}
}

func presentPeople(s *ceremony.State) []string {
	var out []string
	for _, part := range s.Open.Body.People {
		if s.Open.Present[part.Person] {
			out = append(out, part.Person)
		}
	}
	return out
}

func mediumProblem(s *ceremony.State, act ceremony.Act, m medium) *ceremony.Problem {
	st, _ := s.Open.Current()
	other := keptThere(s, st.ID, act.With["id"], m.place)
	taken := s.Items[m.name] != nil || slices.ContainsFunc(s.Open.Stored, func(a ceremony.ArtifactStored) bool { return a.Name == m.name })
	switch err := ledger.CheckName(m.name); {
	case m.name == mediumPrefix || err != nil:
		return &ceremony.Problem{Happened: "The medium has no number.", Safe: "Nothing was written.", Do: "Write a number on it, and type it."}
	case taken:
		return &ceremony.Problem{Happened: fmt.Sprintf("The %s is in the record already.", m.name), Safe: "Nothing was written.", Do: "Take a new medium, with a number of its own: each copy lies on its own medium."}
	case other != "":
		return &ceremony.Problem{Happened: fmt.Sprintf("%q is where %s is kept already.", m.place, other), Safe: "Nothing was written.", Do: "Keep the two copies apart, and type where this one will lie."}
	}
	return nil
}

// folderProblem says why a folder is no medium of its own, nil if it is. On a real
// site the folder is the one under which a whole file system is mounted, and not
// the one of the site: so a copy that is on it is in the folder, and is seen.
func folderProblem(s *ceremony.State, site string, m medium, sum string) *ceremony.Problem {
	if !s.Site.Practice {
		switch own, err := media.Own(m.folder, site); {
		case err != nil:
			return &ceremony.Problem{Happened: fmt.Sprintf("%q could not be looked at.", m.folder), Safe: "Nothing was written.", Do: "Mount the medium again and type the whole path of its folder.", Code: err.Error()}
		case !own:
			return &ceremony.Problem{Happened: fmt.Sprintf("No medium of its own is mounted at %q: it is a folder on a disk of this workstation, or within a medium.", m.folder), Safe: "Nothing was written.",
				Do: "Mount the medium and type the path at which it is mounted, not a folder inside it."}
		}
	}
	if sum == "" {
		return nil
	}
	beside, err := media.Beside("/", m.folder)
	if err != nil {
		return unreadable(m.folder, err)
	}
	for _, folder := range append([]string{m.folder}, beside...) {
		switch file, blob, err := findBlob(folder, sum); {
		case err != nil:
			return unreadable(folder, err)
		case blob != nil && folder != m.folder:
			return &ceremony.Problem{Happened: fmt.Sprintf("%q is on the same device as %q, which holds a copy of this backup: the file %s.", m.folder, folder, file), Safe: "Nothing was written.", Do: "Take another medium: each copy lies on its own."}
		case blob != nil:
			return &ceremony.Problem{Happened: fmt.Sprintf("%q holds a copy of this backup already: the file %s.", folder, file), Safe: "Nothing was written.", Do: "Take another medium: each copy lies on its own."}
		}
	}
	return nil
}

func unreadable(folder string, err error) *ceremony.Problem {
	return &ceremony.Problem{Happened: fmt.Sprintf("%q could not be read.", folder), Safe: "Nothing was written.", Do: "Mount the medium again, or take another one.", Code: err.Error()}
}

func bagMedium(ctx context.Context, env ceremony.Env, a ceremony.ArtifactStored, holder string) error {
	bag, err := askBag(ctx, env, env.State().Someone(holder), a.Name, "")
	if err != nil {
		return err
	}
	return env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemSealedKind, Body: ceremony.ItemSealed{Bag: bag, Holds: a.SHA256, Item: a.Name, Kind: ceremony.MediumItem,
		Person: holder, Place: a.Where, Witness: witness(env.State())}}})
}

func (backUpKey) Reconcile(ctx context.Context, env ceremony.Env, _ script.Step, in ceremony.KnownIntent) (ceremony.Found, error) {
	return reconcileBackup(ctx, env, in)
}

// reconcileBackup: wrapping leaves nothing in a token; a copy is on its medium or
// not, whole or not at all.
func reconcileBackup(ctx context.Context, env ceremony.Env, in ceremony.KnownIntent) (ceremony.Found, error) {
	if in.Intent.Act.Do == wrapKey {
		return ceremony.Found{Outcome: ceremony.NotDone, Facts: []ceremony.Line{line("Wrapped key", "not kept; it will be wrapped again")}}, nil
	}
	set, err := recoverySet(env.State())
	if err != nil {
		return ceremony.Found{}, err
	}
	m, err := askMedium(ctx, env, in.Intent.Act, "")
	if err != nil {
		return ceremony.Found{}, err
	}
	return onMedium(env.State(), in.Intent.Act, in.Leaf, m, set)
}

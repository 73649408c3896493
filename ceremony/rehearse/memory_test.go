package rehearse

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
	"claviger/ledger"
)

// scene is a practice site whose ledger and token live in memory, so that a
// thousand of them can be played. They outlive the program that plays on them;
// it can be ended around every write and every call to the token.
type scene struct {
	store *ledger.Memory
	token *hsmtest.Model
	dir   string
	kinds ceremony.Kinds // nil for those of the program
	seen  account        // of the records so far
}

// shipped lists the shipped scripts by name, the opening first. Every harness
// goes through this list, so that a new script is covered by being there.
func shipped(t testing.TB) []string {
	t.Helper()
	files, err := assets.Scripts.ReadDir("scripts")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{opening}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".yaml"); name != opening {
			names = append(names, name)
		}
	}
	return names
}

// readied keeps one scene for each script: a site on which it can begin.
var readied struct {
	sync.Mutex
	scenes map[string]*scene
	dirs   []string
}

// atPad before a script's name makes it a site whose tokens have a pad.
const atPad = "at the pad: "

// numbered before it makes it one on a token that has its serial number already.
const numbered = "numbered: "

// before gives a fresh copy of a site on which the script can begin; its files
// go with clear.
func before(t testing.TB, name string) *scene {
	t.Helper()
	dir, err := os.MkdirTemp("", "claviger-scene-")
	if err != nil {
		t.Fatal(err)
	}
	return ready(t, name).copy(t, dir)
}

// foundedOnly in the place of a script's name is a site that was opened, and no more.
const foundedOnly = "founded only"

// ready plays what a script needs, once.
func ready(t testing.TB, name string) *scene {
	t.Helper()
	readied.Lock()
	defer readied.Unlock()
	return sceneOf(t, name)
}

// sceneOf makes a scene, or gives the one that was made. Every site but an empty one
// begins as a copy of the one that was opened.
func sceneOf(t testing.TB, name string) *scene {
	t.Helper()
	if sc := readied.scenes[name]; sc != nil {
		return sc
	}
	dir, err := os.MkdirTemp("", "claviger-scene-")
	if err != nil {
		t.Fatal(err)
	}
	readied.dirs = append(readied.dirs, dir)
	script, pad := strings.CutPrefix(name, atPad)
	script, number := strings.CutPrefix(script, numbered)
	var sc *scene
	switch {
	case number:
		sc = &scene{store: ledger.NewMemory(), token: hsmtest.NewNumberedModel("7700-4312"), dir: filepath.Join(dir, "site")}
	case script != opening && script != foundedOnly:
		sc = sceneOf(t, strings.TrimSuffix(name, script)+foundedOnly).copy(t, dir)
	case pad:
		sc = &scene{store: ledger.NewMemory(), token: hsmtest.NewPadModel(&hsmtest.Pad{}), dir: filepath.Join(dir, "site")}
	default:
		sc = &scene{store: ledger.NewMemory(), token: hsmtest.NewModel(), dir: filepath.Join(dir, "site")}
	}
	s, _ := sc.open(t, &fate{}, nil)
	if script == foundedOnly {
		err = s.Prepare(context.Background())
	} else {
		err = s.ready(context.Background(), script, false)
	}
	if err != nil {
		t.Fatalf("what %s needs could not be played: %v", name, err)
	}
	if err := s.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	sc.accountable(t)
	if readied.scenes == nil {
		readied.scenes = map[string]*scene{}
	}
	readied.scenes[name] = sc
	return sc
}

// clear removes the scene's files.
func (sc *scene) clear() { os.RemoveAll(filepath.Dir(sc.dir)) }

func clearScenes() {
	for _, dir := range readied.dirs {
		os.RemoveAll(dir)
	}
}

func (sc *scene) copy(t testing.TB, dir string) *scene {
	t.Helper()
	c := &scene{store: sc.store.Clone(), token: sc.token.Clone(), dir: filepath.Join(dir, "site"), seen: sc.seen.clone()}
	// What evidence was made lies beside the site and is of no use to a ceremony.
	for _, name := range []string{"people", "practice"} {
		if _, err := os.Stat(filepath.Join(sc.dir, name)); err != nil {
			continue
		}
		if err := os.CopyFS(filepath.Join(c.dir, name), os.DirFS(filepath.Join(sc.dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return c
}

// open starts the program on the scene; f is what becomes of it. Without a room
// the practice people play.
func (sc *scene) open(t failer, f *fate, room ceremony.Room) (*Site, *troupe) {
	t.Helper()
	folder, err := ceremony.OpenFolder(sc.dir)
	if err != nil {
		t.Fatal(err)
	}
	tr := &troupe{}
	if room == nil {
		room = tr
	}
	c := Setting{Dir: sc.dir, Host: clock{}, Room: room, Kinds: sc.kinds, Load: func(ctx context.Context) (hsm.Module, error) {
		if f.dead {
			return nil, errDead
		}
		f.gone = false
		m, err := sc.token.Start(ctx, "", nil)
		return &fatedModule{m, f}, err
	}}
	s, err := open(context.Background(), c, folder, &fatedStore{sc.store, f})
	if err != nil {
		t.Fatal(err)
	}
	if found := s.Engine.Findings(); len(found) > 0 {
		t.Fatalf("the ledger does not hold: %v", found)
	}
	tr.site = s
	return s, tr
}

// strike is what happens at one call to the token.
type strike string

const (
	diesBefore strike = "the program ends before the call"
	diesAfter  strike = "the program ends after the call"
	goneBefore strike = "the token is pulled out before the call"
	goneAfter  strike = "the token is pulled out after the call"
	refused    strike = "the token refuses the call"
	lied       strike = "the token does it and says that it did not"
)

func strikes() []strike {
	return []strike{diesBefore, diesAfter, goneBefore, goneAfter, refused, lied}
}

// fate decides how far a program comes.
type fate struct {
	batches, calls int    // seen so far
	lastBatch      int    // the program ends instead of writing the batch after this one; 0 for never
	at             int    // which call is struck; 0 for none
	by             strike //
	full           int    // this many writes find the disk full
	dead, gone     bool
}

// call makes a call to the token, or does what is to happen at this one.
func (f *fate) call(op string, do func() error) error {
	f.calls++
	pulled := &hsm.Error{Class: hsm.Gone, Op: op, Why: "the token was pulled out"}
	switch {
	case f.dead:
		return errDead
	case f.gone:
		return pulled
	case f.at == 0 || f.calls != f.at:
		return do()
	}
	if f.by == diesAfter || f.by == goneAfter || f.by == lied {
		// What it returns is lost.
		_ = do()
	}
	switch f.by {
	case diesBefore, diesAfter:
		f.dead = true
		return errDead
	case goneBefore, goneAfter:
		f.gone = true
		return pulled
	}
	return &hsm.Error{Class: hsm.Broken, Op: op, Code: "CKR_DEVICE_ERROR"}
}

type fatedStore struct {
	*ledger.Memory
	f *fate
}

func (s *fatedStore) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	switch {
	case s.f.dead, s.f.lastBatch > 0 && s.f.batches == s.f.lastBatch:
		s.f.dead = true
		return ledger.Head{}, errDead
	case s.f.full > 0:
		s.f.full--
		return ledger.Head{}, fmt.Errorf("couldn't append: %w", ledger.ErrFull)
	}
	s.f.batches++
	return s.Memory.Append(ctx, at, b)
}

type fatedModule struct {
	hsm.Module
	f *fate
}

func called[T any](f *fate, op string, do func() (T, error)) (T, error) {
	var out T
	err := f.call(op, func() (err error) {
		out, err = do()
		return err
	})
	return out, err
}

func (m *fatedModule) Info(ctx context.Context) (hsm.ModuleInfo, error) {
	return called(m.f, "read what the module says of itself", func() (hsm.ModuleInfo, error) { return m.Module.Info(ctx) })
}

func (m *fatedModule) Tokens(ctx context.Context) ([]hsm.TokenInfo, error) {
	return called(m.f, "list the tokens", func() ([]hsm.TokenInfo, error) { return m.Module.Tokens(ctx) })
}

func (m *fatedModule) InitToken(ctx context.Context, serial, label string, so *secret.Buffer) (hsm.TokenInfo, error) {
	return called(m.f, "initialise the token", func() (hsm.TokenInfo, error) { return m.Module.InitToken(ctx, serial, label, so) })
}

func (m *fatedModule) Open(ctx context.Context, serial string) (hsm.Session, error) {
	return called(m.f, "open a session", func() (hsm.Session, error) {
		s, err := m.Module.Open(ctx, serial)
		if err != nil {
			return nil, err
		}
		return &fatedSession{s, s.(hsm.Inspector), s.(hsm.Wrapper), m.f}, nil
	})
}

// fatedSession strikes at the calls that read or change the token.
type fatedSession struct {
	hsm.Session
	hsm.Inspector
	hsm.Wrapper
	f *fate
}

func (s *fatedSession) Token(ctx context.Context) (hsm.TokenInfo, error) {
	return called(s.f, "read the token", func() (hsm.TokenInfo, error) { return s.Session.Token(ctx) })
}

func (s *fatedSession) Random(ctx context.Context, n int) (*secret.Buffer, error) {
	return called(s.f, "draw random bytes", func() (*secret.Buffer, error) { return s.Session.Random(ctx, n) })
}

func (s *fatedSession) Login(ctx context.Context, as hsm.User, pin *secret.Buffer) error {
	return s.f.call("log in", func() error { return s.Session.Login(ctx, as, pin) })
}

func (s *fatedSession) Logout(ctx context.Context) error {
	return s.f.call("log out", func() error { return s.Session.Logout(ctx) })
}

func (s *fatedSession) InitPIN(ctx context.Context, pin *secret.Buffer) error {
	return s.f.call("set the user PIN", func() error { return s.Session.InitPIN(ctx, pin) })
}

func (s *fatedSession) SetPIN(ctx context.Context, old, new *secret.Buffer) error {
	return s.f.call("change the PIN", func() error { return s.Session.SetPIN(ctx, old, new) })
}

func (s *fatedSession) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	return called(s.f, "generate a key pair", func() (hsm.Key, error) { return s.Session.Generate(ctx, spec) })
}

func (s *fatedSession) Find(ctx context.Context, q hsm.Query) ([]hsm.Object, error) {
	return called(s.f, "list the token's objects", func() ([]hsm.Object, error) { return s.Session.Find(ctx, q) })
}

func (s *fatedSession) PublicKey(ctx context.Context, id []byte) ([]byte, error) {
	return called(s.f, "read a public key", func() ([]byte, error) { return s.Session.PublicKey(ctx, id) })
}

func (s *fatedSession) Sign(ctx context.Context, id, message []byte) ([]byte, error) {
	return called(s.f, "sign", func() ([]byte, error) { return s.Session.Sign(ctx, id, message) })
}

func (s *fatedSession) Destroy(ctx context.Context, q hsm.Query) (int, error) {
	return called(s.f, "destroy objects", func() (int, error) { return s.Session.Destroy(ctx, q) })
}

func (s *fatedSession) PutData(ctx context.Context, d hsm.Data) error {
	return s.f.call("store a data object", func() error { return s.Session.PutData(ctx, d) })
}

func (s *fatedSession) GetData(ctx context.Context, application string) ([]hsm.Data, error) {
	return called(s.f, "read data objects", func() ([]hsm.Data, error) { return s.Session.GetData(ctx, application) })
}

func (s *fatedSession) CheckValue(ctx context.Context, id []byte) (hsm.CheckValue, error) {
	return called(s.f, "compute a check value", func() (hsm.CheckValue, error) { return s.Session.CheckValue(ctx, id) })
}

func (s *fatedSession) Delete(ctx context.Context, id []byte, label string) (hsm.Deletion, error) {
	return called(s.f, "delete a key", func() (hsm.Deletion, error) { return s.Session.Delete(ctx, id, label) })
}

func (s *fatedSession) ImportWrappingKey(ctx context.Context, spec hsm.KeySpec, key *secret.Buffer) (hsm.Key, error) {
	return called(s.f, "import a wrapping key", func() (hsm.Key, error) { return s.Wrapper.ImportWrappingKey(ctx, spec, key) })
}

func (s *fatedSession) SetTrusted(ctx context.Context, id []byte) (hsm.Object, error) {
	return called(s.f, "trust a wrapping key", func() (hsm.Object, error) { return s.Wrapper.SetTrusted(ctx, id) })
}

func (s *fatedSession) Wrap(ctx context.Context, id, with []byte) (hsm.Wrapped, error) {
	return called(s.f, "wrap a key", func() (hsm.Wrapped, error) { return s.Wrapper.Wrap(ctx, id, with) })
}

func (s *fatedSession) Unwrap(ctx context.Context, spec hsm.KeySpec, with []byte, wrapped hsm.Wrapped, spki []byte) (hsm.Key, error) {
	return called(s.f, "unwrap a key", func() (hsm.Key, error) { return s.Wrapper.Unwrap(ctx, spec, with, wrapped, spki) })
}

func (s *fatedSession) Inspect(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	return called(s.f, "inspect a key pair", func() (hsm.Key, error) { return s.Inspector.Inspect(ctx, spec) })
}

// sound demands what may never be otherwise, whatever was played: the ledger
// verifies from its first byte; no key lies in the token that the ledger does
// not know or call pending; no act was done without its authorisation; nobody
// took part in two roles. It judges by the records alone, not by State.
func (sc *scene) sound(t failer) *ceremony.State {
	t.Helper()
	s, _, findings, err := ceremony.Fold(context.Background(), sc.store, steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Fatalf("the ledger does not hold: %v %v", findings, err)
	}
	sc.accountable(t)
	return s
}

// account is what records told that were looked at once: a ledger only grows.
type account struct {
	size           int64
	known, deleted map[string]bool // ids of keys that an intent names; that are called deleted
	signed         map[ledger.Hash]ceremony.SignOff
	used           map[string]bool
	roles          map[string][]string // of each person, in every ceremony and enrolment
	parts          map[string]string   // of the people of the ceremony under way
}

func (a account) clone() account {
	return account{a.size, maps.Clone(a.known), maps.Clone(a.deleted), maps.Clone(a.signed), maps.Clone(a.used), maps.Clone(a.roles), maps.Clone(a.parts)}
}

// accountable is what sound demands beyond a ledger that verifies.
func (sc *scene) accountable(t failer) {
	t.Helper()
	head, err := sc.store.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a := &sc.seen
	if a.known == nil {
		*a = account{known: map[string]bool{}, deleted: map[string]bool{}, signed: map[ledger.Hash]ceremony.SignOff{}, used: map[string]bool{}, roles: map[string][]string{}, parts: map[string]string{}}
	}
	for r, err := range sc.store.Records(context.Background(), a.size, head.Size) {
		if err != nil {
			t.Fatal(err)
		}
		a.tells(t, r)
	}
	a.size = head.Size
	for _, o := range sc.token.Objects() {
		switch id := hex.EncodeToString(o.ID); {
		case !strings.HasSuffix(o.Class, "-key"):
		case !a.known[id]:
			t.Fatalf("the token holds %s %q with id %s, and no intent names it", o.Class, o.Label, id)
		case a.deleted[id]:
			t.Fatalf("the token holds %s %q with id %s, which the ledger calls deleted", o.Class, o.Label, id)
		}
	}
	for person, had := range a.roles {
		if len(had) > 1 && slices.Contains(had, "witness") {
			t.Fatalf("%s was witness, and also %v", person, had)
		}
	}
}

// tells takes one record in.
func (a *account) tells(t failer, r ledger.Record) {
	t.Helper()
	switch r.Kind {
	case ceremony.StartedKind, ceremony.ResumedKind, ceremony.SignOffKind, ceremony.KeyDeletedKind, ceremony.IntentKind, ceremony.LeftKind, ceremony.SubstitutedKind,
		ceremony.BreakKind, ceremony.DeviationDecidedKind, ceremony.PersonEnrolledKind, ceremony.PersonChangedKind:
	default:
		return
	}
	body, err := ceremony.Body(r)
	if err != nil {
		t.Fatal(err)
	}
	acts := func(person string, roles ...string) {
		for _, role := range roles {
			if !slices.Contains(a.roles[person], role) {
				a.roles[person] = append(slices.Clip(a.roles[person]), role)
			}
		}
	}
	// Nobody's authorisation stays when the person does not.
	lapse := func(gone func(person string) bool) {
		maps.DeleteFunc(a.signed, func(_ ledger.Hash, so ceremony.SignOff) bool { return gone(so.Person) })
	}
	switch b := body.(type) {
	case *ceremony.Started:
		clear(a.parts)
		for _, part := range b.People {
			if a.parts[part.Person] != "" {
				t.Fatalf("record %d: %s takes part twice", r.Seq, part.Person)
			}
			a.parts[part.Person] = part.Role
			acts(part.Person, part.Role)
		}
		clear(a.signed)
	case *ceremony.Resumed:
		// Authorisations lapse at a pause.
		clear(a.signed)
	case *ceremony.Substituted:
		comes := b.Comes.Enrolled.Person
		if a.parts[b.Leaves] != b.Role || a.parts[comes] != "" {
			t.Fatalf("record %d: %s, who is %q, takes over from %s, who is %q, as %s", r.Seq, comes, a.parts[comes], b.Leaves, a.parts[b.Leaves], b.Role)
		}
		delete(a.parts, b.Leaves)
		a.parts[comes] = b.Role
		acts(comes, b.Role)
	case *ceremony.PersonEnrolled:
		acts(b.Person, b.Roles...)
	case *ceremony.PersonChanged:
		acts(b.Person, b.Roles...)
	case *ceremony.Left:
		lapse(func(person string) bool { return person == b.Person })
	case *ceremony.Break:
		lapse(func(person string) bool { return !b.Ended && !slices.Contains(b.Stay, person) })
	case *ceremony.DeviationDecided:
		lapse(func(person string) bool { return b.Decision == ceremony.DecideLockOut && person == b.Person })
	case *ceremony.SignOff:
		if b.Act == ceremony.ActAuthorise && b.Verdict == ceremony.Agree {
			a.signed[r.Leaf] = *b
		}
	case *ceremony.KeyDeleted:
		a.deleted[b.ID] = true
	case *ceremony.Intent:
		// Whatever is made under this intent has its name.
		a.known[hex.EncodeToString(r.Leaf[:20])] = true
		givers := map[string]bool{}
		for _, leaf := range b.Authorisations {
			so, ok := a.signed[leaf]
			if !ok || so.Step != b.Step || so.Attempt != b.Attempt || so.Role == "witness" || so.Role == "observer" || a.parts[so.Person] != so.Role {
				t.Fatalf("record %d: %q leans on something that is no authorisation of it: %+v", r.Seq, b.Act.Do, so)
			}
			act := leaf.String() + fmt.Sprint(b.Act)
			if a.used[act] {
				t.Fatalf("record %d: %q is done a second time on one authorisation", r.Seq, b.Act.Do)
			}
			a.used[act], givers[so.Person] = true, true
		}
		if len(givers) < 2 {
			t.Fatalf("record %d: %q was authorised by %d people", r.Seq, b.Act.Do, len(givers))
		}
	}
}

// failer is what testing.TB and rapid.T have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

package rehearse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/practicetest"
	"claviger/ceremony/share"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
	"claviger/hsm/worker"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

func TestMain(m *testing.M) {
	practicetest.Serve()
	playRole()
	practicetest.Main(m, func() { os.RemoveAll(base.dir) }, clearScenes)
}

// clock is a workstation whose every fact is known.
type clock = practicetest.Workstation

func setting(dir string, room ceremony.Room) Setting {
	return Setting{Dir: dir, Worker: practicetest.Worker(), Host: clock{}, Room: room}
}

// base is one opened practice site; every test works on its own copy.
var base struct {
	once sync.Once
	dir  string
	err  error
}

func copySite(t testing.TB) string {
	t.Helper()
	base.once.Do(func() {
		base.dir, base.err = os.MkdirTemp("", "claviger-base-")
		if base.err == nil {
			o := Options{Setting: setting("", nil), Script: opening, Out: base.dir, Print: &bytes.Buffer{}}
			base.err = Run(context.Background(), o)
		}
	})
	if base.err != nil {
		t.Fatal(base.err)
	}
	dir := filepath.Join(t.TempDir(), "site")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(base.dir, "site"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// troupe answers as the practice people do, until a test's change says
// otherwise.
type troupe struct {
	t      testing.TB
	site   *Site
	change func(p ceremony.Prompt, a *ceremony.Answer)
	asked  []ceremony.Prompt
}

func (tr *troupe) Show(ceremony.Snapshot) {}

func (tr *troupe) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	tr.asked = append(tr.asked, p)
	if len(tr.asked) > 500 {
		return ceremony.Answer{}, errors.New("the ceremony asks without end")
	}
	if err := tr.site.Prop.See(p); err != nil {
		return ceremony.Answer{}, err
	}
	b, err := tr.site.Prop.Secret(p)
	if err != nil {
		return ceremony.Answer{}, err
	}
	a := ceremony.Answer{Secret: b, Verdict: ceremony.Agree, Fields: Fill(p), Choice: "pause"}
	if tr.change != nil {
		tr.change(p, &a)
	}
	return a, nil
}

// problem gives the first problem that was shown for a kind of prompt.
func (tr *troupe) problem(kind ceremony.PromptKind) *ceremony.Problem {
	for _, p := range tr.asked {
		if p.Kind == kind && p.Problem != nil {
			return p.Problem
		}
	}
	return nil
}

func openSite(t testing.TB, c Setting) (*Site, *troupe) {
	t.Helper()
	tr := &troupe{t: t}
	c.Room = tr
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	tr.site = s
	t.Cleanup(func() { s.Close() })
	return s, tr
}

func generation(t testing.TB) []byte {
	t.Helper()
	src, err := Source("key-generation")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// holds demands that the ledger verifies and that the token has exactly the
// keys that it knows.
func holds(t testing.TB, s *Site, wantKeys int) {
	t.Helper()
	_, _, findings, err := ceremony.Fold(t.Context(), s.Record(), steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Fatalf("the ledger does not hold: %v %v", findings, err)
	}
	if got := len(s.State().Keys); got != wantKeys {
		t.Errorf("the ledger knows %d keys, want %d", got, wantKeys)
	}
	ids := tokenKeys(t, s)
	var known []string
	for _, k := range s.State().Keys {
		for _, c := range k.Copies {
			if c.Form == "module" && c.Where == s.Token() && c.State != ceremony.CopyDestroyed {
				known = append(known, c.ID, c.ID)
			}
		}
	}
	for _, k := range s.State().LedgerKeys {
		if !k.Retired {
			known = append(known, k.Body.ID, k.Body.ID)
		}
	}
	slices.Sort(known)
	if !slices.Equal(ids, known) {
		t.Errorf("the token holds %v, the ledger knows %v", ids, known)
	}
}

// tokenKeys lists the ids of all key objects, opened with the PIN that two
// practice cards give.
func tokenKeys(t testing.TB, s *Site) []string {
	t.Helper()
	m, err := start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	se, err := m.Open(t.Context(), s.Token())
	if err != nil {
		t.Fatal(err)
	}
	pin := userPIN(t, s)
	defer pin.Wipe()
	if err := se.Login(t.Context(), hsm.Operator, pin); err != nil {
		t.Fatal(err)
	}
	objects, err := se.Find(t.Context(), hsm.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, o := range objects {
		if strings.HasSuffix(o.Class, "-key") {
			ids = append(ids, fmt.Sprintf("%x", o.ID))
		}
	}
	slices.Sort(ids)
	return ids
}

func start(ctx context.Context, s *Site) (hsm.Module, error) {
	library, env, err := SoftHSM(s.Folder.Practice())
	if err != nil {
		return nil, err
	}
	return worker.Start(ctx, worker.Options{Argv: practicetest.Worker(), ModulePath: library, Env: env})
}

// TestRehearsal: every shipped script rehearses green on SoftHSM, and leaves the
// transcript that is committed, so that a change of a script is read as one.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	for _, name := range shipped(t) {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			o := Options{Setting: setting(filepath.Join(out, "site"), nil), Script: name, Out: out, Print: &bytes.Buffer{}}
			if name != opening {
				o.Dir = copySite(t)
			}
			if err := Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"report.pdf", "checkpoint.txt", "site.vkey", "transcript.txt"} {
				if _, err := os.Stat(filepath.Join(out, file)); err != nil {
					t.Error(err)
				}
			}
			golden(t, filepath.Join("..", "..", "testdata", "transcripts", name+".txt"), filepath.Join(out, "transcript.txt"))
			if name == "key-generation" && os.Getenv("CLAVIGER_UPDATE") == "1" {
				// Until version 1 is released, its evidence follows the records' bodies.
				kept := filepath.Join("..", "..", "testdata", "ledgers", "v1")
				copyTo(t, filepath.Join(o.Dir, "ledger.db"), filepath.Join(kept, "ledger.db"))
				for _, name := range []string{"report.pdf", "checkpoint.txt", "site.vkey"} {
					copyTo(t, filepath.Join(out, name), filepath.Join(kept, name))
				}
			}
			s, _ := openSite(t, setting(o.Dir, nil))
			holds(t, s, len(s.State().Keys))
		})
	}
}

// besideShipped are rehearsals of kinds that no shipped script has by default: with other
// values, or in a script of its own. Each leaves a transcript that is committed.
func besideShipped(t *testing.T) map[string]Options {
	t.Helper()
	policy, err := ceremony.ReadPolicy(assets.Policy())
	if err != nil {
		t.Fatal(err)
	}
	sum, err := policy.SHA256()
	if err != nil {
		t.Fatal(err)
	}
	exception := filepath.Join(t.TempDir(), "key-generation.yaml")
	if err := os.WriteFile(exception, longLife(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]Options{
		"enrol-change":     {Script: "enrol", Set: map[string]string{"what": "change", "people": "rui-santos officer+custodian"}},
		"enrol-new-key":    {Script: "enrol", Set: map[string]string{"what": "new-key", "people": "rui-santos"}},
		"policy-exception": {Script: exception, Set: map[string]string{"lifetime": "5y"}},
		"policy-adoption":  {Script: filepath.Join("..", "..", "testdata", "scripts", "change-policy.yaml"), Set: map[string]string{"policy": sum.String()}},
	}
}

func TestRehearsalBeside(t *testing.T) {
	t.Parallel()
	for name, o := range besideShipped(t) {
		t.Run(name, func(t *testing.T) {
			o.Out, o.Print = t.TempDir(), &bytes.Buffer{}
			o.Setting = setting(copySite(t), nil)
			if err := os.WriteFile((&ceremony.Folder{Dir: o.Dir}).Policy(), assets.Policy(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("..", "..", "testdata", "transcripts", name+".txt"), filepath.Join(o.Out, "transcript.txt"))
			s, _ := openSite(t, setting(o.Dir, nil))
			holds(t, s, len(s.State().Keys))
		})
	}
}

// golden compares a transcript with the committed one; CLAVIGER_UPDATE=1 writes it.
func golden(t *testing.T, want, got string) {
	t.Helper()
	g, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("CLAVIGER_UPDATE") == "1" {
		if err := os.MkdirAll(filepath.Dir(want), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(want, g, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w, g) {
		t.Errorf("the transcript differs from %s:\n%s", want, g)
	}
}

func TestWrongAnswersAreToldAndLoseNothing(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	wrong := map[ceremony.PromptKind]bool{}
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if wrong[p.Kind] || a.Secret == nil || p.Kind == ceremony.AskNewPIN {
			return
		}
		wrong[p.Kind] = true
		b := a.Secret.Bytes()
		if p.Kind == ceremony.AskCard {
			// Group 8, one letter.
			i := bytes.IndexByte(b, ' ') + 5*7 + 1
			if b[i] == 'Q' {
				b[i] = 'P'
			} else {
				b[i] = 'Q'
			}
			return
		}
		b[0]++
	}
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
	for kind, want := range map[ceremony.PromptKind]string{
		ceremony.AskPassphrase: "That is not the passphrase of Marta Brandt.",
		ceremony.AskSignOff:    "That is not the session PIN of Marta Brandt.",
		ceremony.AskCard:       "group 8",
	} {
		p := tr.problem(kind)
		if p == nil || !strings.Contains(p.Happened, want) {
			t.Errorf("%s: told %v, want %q", kind, p, want)
		}
	}
}

func TestDisagreementIsNotInTheWay(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Act == ceremony.ActAttest && p.Role == "witness" {
			a.Verdict, a.Reason = ceremony.Disagree, "I left the room for a minute."
		}
	}
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	p := s.State().Find("2026-002")
	if p == nil {
		p = s.State().Ceremonies[len(s.State().Ceremonies)-1]
	}
	if got := p.NotAccepted(); !slices.Equal(got, []string{"amara-okafor"}) {
		t.Errorf("not accepted by %v", got)
	}
	if p.Status != ceremony.SealedStatus {
		t.Errorf("the ceremony is %s, want sealed", p.Status)
	}
	holds(t, s, 1)
}

func TestLabelTaken(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	before := s.State().Size
	err := s.Begin(t.Context(), generation(t), map[string]string{"label": "signing-key"})
	var refusal *ceremony.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != "key.label-taken" || !strings.Contains(refusal.Why, `"signing-key"`) {
		t.Errorf("got %v", err)
	}
	if s.State().Size != before {
		t.Error("a refused ceremony left records")
	}
	if err := s.Begin(t.Context(), generation(t), nil); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 2)
}

func TestMissingToken(t *testing.T) {
	s, tr := openSite(t, setting(copySite(t), nil))
	store := filepath.Join(s.Folder.Practice(), "tokens")
	away := filepath.Join(t.TempDir(), "away")
	taken := false
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		switch {
		case p.Step == "roll-call" && !taken:
			taken = true
			move(t, store, away)
		case p.Step == "identify" && p.Problem != nil:
			if !strings.Contains(p.Problem.Happened, s.Token()) {
				t.Errorf("told %q", p.Problem.Happened)
			}
			if err := os.RemoveAll(store); err != nil {
				t.Fatal(err)
			}
			move(t, away, store)
			a.Action, a.Reason = ceremony.Pause, "we fetch the token"
		}
	}
	err := s.Begin(t.Context(), generation(t), nil)
	var stop *ceremony.Stop
	if !errors.As(err, &stop) {
		t.Fatalf("got %v, want a pause", err)
	}
	tr.change = nil
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, s, 1)
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		// SoftHSM ends the process where its store is no folder at all.
		if err := os.MkdirAll(from, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// fullDisk is the real store on a disk that fills up.
type fullDisk struct {
	*sqlite.Store
	full func(kinds []string) bool
}

func (f *fullDisk) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	var kinds []string
	for _, r := range b.Records {
		kinds = append(kinds, r.Kind)
	}
	if f.full(kinds) {
		return ledger.Head{}, fmt.Errorf("couldn't append: %w", ledger.ErrFull)
	}
	return f.Store.Append(ctx, at, b)
}

func (f *fullDisk) Reserve(ctx context.Context, n int64) error {
	if f.full(nil) {
		return fmt.Errorf("couldn't reserve room: %w", ledger.ErrFull)
	}
	return f.Store.Reserve(ctx, n)
}

func TestFullDiskStopsBeforeTheAct(t *testing.T) {
	dir := copySite(t)
	for name, when := range map[string]func(kinds []string) bool{
		"room":   func(kinds []string) bool { return kinds == nil },
		"intent": func(kinds []string) bool { return slices.Contains(kinds, ceremony.IntentKind) },
	} {
		t.Run(name, func(t *testing.T) {
			site := filepath.Join(t.TempDir(), "site")
			if err := os.CopyFS(site, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			os.Chmod(site, 0o700)
			folder, err := ceremony.OpenFolder(site)
			if err != nil {
				t.Fatal(err)
			}
			real, err := sqlite.Open(t.Context(), folder.Ledger())
			if err != nil {
				t.Fatal(err)
			}
			tr := &troupe{t: t}
			disk := &fullDisk{Store: real, full: func(k []string) bool { return when(k) && tr.at("generate") }}
			s, err := open(t.Context(), setting(site, tr), folder, disk)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			tr.site = s
			err = s.Begin(t.Context(), generation(t), nil)
			var problem *ceremony.Problem
			if !errors.As(err, &problem) || !strings.Contains(problem.Happened, "disk of the ledger is full") {
				t.Fatalf("got %v", err)
			}
			holds(t, s, 0)
			disk.full = func([]string) bool { return false }
			if err := s.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			holds(t, s, 1)
		})
	}
}

// at says whether a step is under way.
func (tr *troupe) at(step string) bool {
	if tr.site == nil || tr.site.State().Open == nil {
		return false
	}
	st, ok := tr.site.State().Open.Current()
	return ok && st.ID == step
}

func TestUnknownKeyInScript(t *testing.T) {
	s, _ := openSite(t, setting(copySite(t), nil))
	before := s.State().Size
	src := bytes.Replace(generation(t), []byte("    steps:"), []byte("    colour: red\n    steps:"), 1)
	err := s.Begin(t.Context(), src, nil)
	if err == nil || !strings.Contains(err.Error(), "colour") || !strings.Contains(err.Error(), "line") {
		t.Errorf("got %v", err)
	}
	if s.State().Size != before {
		t.Error("a refused script left records")
	}
}

// TestWorkerDies ends the module's process around the generation, before and
// after the token did it.
func TestWorkerDies(t *testing.T) {
	library, control := hsmtest.Shim(t)
	for _, when := range []hsmtest.When{hsmtest.Before, hsmtest.After} {
		t.Run(string(when), func(t *testing.T) {
			control.Reset()
			dir := copySite(t)
			_, env, err := SoftHSM(filepath.Join(dir, "practice"))
			if err != nil {
				t.Fatal(err)
			}
			c := setting(dir, nil)
			c.Module, c.Env = library, env
			s, tr := openSite(t, c)
			tr.change = func(p ceremony.Prompt, _ *ceremony.Answer) {
				if p.Act == ceremony.ActAuthorise {
					control.Kill("C_GenerateKeyPair", 1, when)
				}
			}
			err = s.Begin(t.Context(), generation(t), nil)
			if ceremony.ClassOf(err) != hsm.Gone {
				t.Fatalf("got %v, want the token gone", err)
			}
			p := s.State().Unfinished()
			if p == nil || p.Status != ceremony.PausedStatus || len(p.Faults) != 1 || len(p.OpenIntents()) != 1 {
				t.Fatalf("the ledger does not tell of it: %+v", p)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			control.Reset()
			s, tr = openSite(t, c)
			if err := s.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(tr.asked, func(p ceremony.Prompt) bool { return strings.Contains(p.Text, "outcome was unknown") })
			if !told {
				t.Error("nobody was told what the interruption left behind")
			}
			holds(t, s, 1)
		})
	}
}

// TestHalfMadeKey: the token keeps only the public half; what is there is
// removed under a new authorisation before the key is made again.
func TestHalfMadeKey(t *testing.T) {
	library, control := hsmtest.Shim(t)
	dir := copySite(t)
	_, env, err := SoftHSM(filepath.Join(dir, "practice"))
	if err != nil {
		t.Fatal(err)
	}
	c := setting(dir, nil)
	c.Module, c.Env = library, env
	s, tr := openSite(t, c)
	tr.change = func(p ceremony.Prompt, _ *ceremony.Answer) {
		if p.Act == ceremony.ActAuthorise {
			control.Kill("C_GenerateKeyPair", 1, hsmtest.After)
		}
	}
	if err := s.Begin(t.Context(), generation(t), nil); ceremony.ClassOf(err) != hsm.Gone {
		t.Fatalf("got %v", err)
	}
	s.Close()
	control.Reset()
	s, tr = openSite(t, c)
	id := s.State().Unfinished().OpenIntents()[0].Leaf[:20]
	deletePrivate(t, s, id)
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := s.State().Ceremonies[len(s.State().Ceremonies)-1]
	var acts []string
	for _, in := range p.Intents {
		acts = append(acts, in.Body.Act.Do+" "+string(in.Outcome))
	}
	want := []string{"generate-key half done", "delete-remains done", "generate-key done", "prove-possession done"}
	if !slices.Equal(acts, want) {
		t.Errorf("acts %q, want %q", acts, want)
	}
	holds(t, s, 1)
}

func deletePrivate(t *testing.T, s *Site, id []byte) {
	t.Helper()
	m, err := start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	se, err := m.Open(t.Context(), s.Token())
	if err != nil {
		t.Fatal(err)
	}
	pin := userPIN(t, s)
	defer pin.Wipe()
	if err := se.Login(t.Context(), hsm.Operator, pin); err != nil {
		t.Fatal(err)
	}
	if left, err := se.Destroy(t.Context(), hsm.Query{Class: "private-key", ID: id}); err != nil || left != 0 {
		t.Fatal(left, err)
	}
}

// userPIN derives the user PIN of the site's token.
func userPIN(t testing.TB, s *Site) *secret.Buffer {
	t.Helper()
	return pinFor(t, s, s.State().SetFor(s.Token(), "user"), s.Token())
}

// pinFor derives a token's PIN from as many practice cards of a set as suffice, as
// custodians without Claviger would.
func pinFor(t testing.TB, s *Site, set *ceremony.Set, serial string) *secret.Buffer {
	t.Helper()
	S := secretOf(t, s.Prop, set, func(ceremony.CardIssued) bool { return true })
	defer S.Wipe()
	derive := share.UserPIN
	if set.Body.Purpose == ceremony.Recovery {
		derive = share.SOPIN
	}
	pin, err := derive(S, serial, set.Body.PINLength)
	if err != nil {
		t.Fatal(err)
	}
	return pin
}

// TestNameInAnotherScript is asked for in Latin letters too, signed for both
// ways, and shown with both.
func TestNameInAnotherScript(t *testing.T) {
	s, tr := openSite(t, setting(filepath.Join(t.TempDir(), "site"), nil))
	tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
		if p.Kind != ceremony.AskForm || p.Fields[0].Name != "name" || p.Who.ID != "li-chen" {
			return
		}
		a.Fields["name"] = "李晨"
		if p.Fields[1].Name == "latin" {
			a.Fields["latin"] = "Li Chen"
		}
	}
	src, err := Source(opening)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(t.Context(), src, nil); err != nil {
		t.Fatal(err)
	}
	if b := s.State().People["li-chen"].Body; b.Name != "李晨" || b.Latin != "Li Chen" {
		t.Errorf("enrolled as %q, %q", b.Name, b.Latin)
	}
	if p := s.State().People["jonas-dahl"].Body; p.Latin != "" {
		t.Errorf("%s is written %q in Latin letters", p.Name, p.Latin)
	}
	if who := s.State().Someone("li-chen"); who.Name != "李晨 / Li Chen" || who.Initials != "LC" {
		t.Errorf("shown as %+v", who)
	}
	holds(t, s, 0)
	report, err := s.Evidence(t.Context(), s.Last(opening).Number)
	if err != nil {
		t.Fatalf("the report cannot be made: %v", err)
	}
	// Letters that the report's typeface does not have are named; the Latin stands beside.
	printed := strings.Join(strings.Fields(tool(t, nil, nil, "pdftotext", "-layout", report, "-")), "")
	if !strings.Contains(printed, `\u{674E}\u{6668}/LiChen`) {
		t.Error("the report does not name who writes his name in Chinese")
	}
}

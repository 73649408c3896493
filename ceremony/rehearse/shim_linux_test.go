package rehearse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/practicetest"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/worker"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// misbehaving is an act of a ceremony under a module that misbehaves while the act
// is done, and at no other time.
type misbehaving struct {
	script, do string
	changes    []string // functions of PKCS#11 by which it changes the token
	sample     mischief // what these are tried with, short of the proof
}

func misbehavingActs() []misbehaving {
	return []misbehaving{
		{"key-generation", "generate-key", []string{"C_GenerateKeyPair"}, hangs},
		{"key-backup", "wrap-key", []string{"C_WrapKey"}, pretends},
		{"key-restore", "restore-key", []string{"C_UnwrapKey", "C_CreateObject"}, removed},
		{"key-destruction", "delete-key", []string{"C_DestroyObject"}, removed},
		{"token-addition", "initialise-token", []string{"C_InitToken"}, removed},
		{"token-addition", "set-pins", []string{"C_InitPIN", "C_SetPIN"}, pretends},
		{"change-custodians", "change-pin", []string{"C_SetPIN"}, pretends},
	}
}

// mischief is what the module does at one call.
type mischief string

const (
	fails    mischief = "answers with an error"
	removed  mischief = "has its device taken out"
	crashes  mischief = "crashes"
	hangs    mischief = "hangs until its process is ended"
	pretends mischief = "does nothing and says that all is well"
)

type place struct {
	function string
	nth      int
	when     hsmtest.When
	what     mischief
}

func (p place) String() string {
	return fmt.Sprintf("%s %s call %d of %s", p.what, p.when, p.nth, p.function)
}

// watched is the real store. It tells when the intent of an act is durable, and
// when its result is.
type watched struct {
	*sqlite.Store
	do             string
	intent         ledger.Hash
	begins, result func()
}

func (w *watched) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	head, err := w.Store.Append(ctx, at, b)
	if err != nil {
		return head, err
	}
	for _, r := range b.Records {
		body, err := ceremony.Body(r)
		if err != nil {
			return head, err
		}
		switch b := body.(type) {
		case *ceremony.Intent:
			if b.Act.Do == w.do && w.intent == (ledger.Hash{}) {
				w.intent = r.Leaf
				w.begins()
			}
		case *ceremony.Result:
			if b.Intent == w.intent {
				w.result()
			}
		}
	}
	return head, nil
}

// bench is what the acts are played on: a module that misbehaves when told, and a
// site with two tokens, a key that may leave, and a backup of it.
type bench struct {
	library   string
	control   *hsmtest.Control
	furnished string
	worker    *atomic.Pointer[worker.Client] // of the ceremony under way
}

func newBench(t *testing.T) bench {
	t.Helper()
	b := bench{furnished: copySite(t), worker: new(atomic.Pointer[worker.Client])}
	b.library, b.control = hsmtest.Shim(t)
	s, _ := openSite(t, setting(b.furnished, nil))
	if err := s.provide(t.Context(), "key-restore"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

// site gives a copy of a site on which the script can begin.
func (b bench) site(t *testing.T, script string) string {
	t.Helper()
	if script == "token-addition" {
		return copySite(t)
	}
	dir := filepath.Join(t.TempDir(), "site")
	if err := os.CopyFS(dir, os.DirFS(b.furnished)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestModuleMisbehavesInAnAct: around every call that an act makes, the module fails,
// loses its device, crashes, hangs, or pretends. The real engine, the real worker and the
// real store then end in a record that says what the token holds: at the next start
// what an open intent left is found by its id and named, nothing is called done that
// is not, and every key and every PIN of the tokens is the one on record.
func TestModuleMisbehavesInAnAct(t *testing.T) {
	b := newBench(t)
	for _, a := range misbehavingActs() {
		t.Run(a.do, func(t *testing.T) {
			played := 0
			for _, p := range a.places(t, b) {
				dir := b.site(t, a.script)
				t.Logf("the module %s", p)
				a.play(t, b, dir, p)
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				played++
			}
			if full() && !t.Failed() {
				fmt.Printf("PROOF: %s: the module misbehaved in %d ways, around every call of the act: every start after it named what the tokens held, and ended with exactly that on record\n", a.do, played)
			}
		})
	}
}

// places: in the proof every call of the act; otherwise those that change the token.
// One that pretends does so before the token could have done anything.
func (a misbehaving) places(t *testing.T, b bench) []place {
	var out []place
	for _, f := range a.changes {
		if full() || a.sample == pretends {
			out = append(out, place{f, 1, hsmtest.Before, pretends})
		} else {
			out = append(out, place{f, 1, hsmtest.After, a.sample})
		}
	}
	if !full() {
		return out
	}
	counts := map[string]int{}
	for _, f := range a.calls(t, b) {
		counts[f]++
		for _, when := range []hsmtest.When{hsmtest.Before, hsmtest.After} {
			for _, what := range []mischief{fails, removed, crashes, hangs} {
				out = append(out, place{f, counts[f], when, what})
			}
		}
	}
	return out
}

// begin holds the ceremony; the module is told what to do when the act's intent is
// durable, and behaves again when its result is.
func (a misbehaving) begin(t *testing.T, b bench, dir string, begins, result func()) (intent ledger.Hash, err error) {
	t.Helper()
	b.control.Reset()
	_, env, err := SoftHSM(filepath.Join(dir, "practice"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := ceremony.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), folder.Ledger())
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Store: store, do: a.do, begins: begins, result: result}
	tr := &troupe{t: t}
	c := setting(dir, tr)
	c.Load = func(ctx context.Context) (hsm.Module, error) {
		m, err := worker.Start(ctx, worker.Options{Argv: practicetest.Worker(), ModulePath: b.library, Env: env})
		if err == nil {
			b.worker.Store(m.(*worker.Client))
		}
		return m, err
	}
	s, err := open(t.Context(), c, folder, w)
	if err != nil {
		t.Fatal(err)
	}
	tr.site = s
	var decision string
	decide(tr, &decision)
	source, err := Source(a.script)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Begin(t.Context(), source, nil)
	s.Close()
	if w.intent == (ledger.Hash{}) {
		t.Fatalf("%s never came to %s: %v", a.script, a.do, err)
	}
	return w.intent, err
}

// calls are those that the act makes when nothing goes wrong.
func (a misbehaving) calls(t *testing.T, b bench) []string {
	var calls []string
	_, err := a.begin(t, b, b.site(t, a.script), b.control.Reset, func() { calls = b.control.Calls() })
	if err != nil || len(calls) == 0 {
		t.Fatalf("%s without a fault: %v, %d calls", a.script, err, len(calls))
	}
	return calls
}

func (a misbehaving) play(t *testing.T, b bench, dir string, p place) {
	control := b.control
	intent, err := a.begin(t, b, dir, func() {
		switch p.what {
		case fails:
			control.Return(p.function, p.nth, p.when, 0x5) // CKR_GENERAL_ERROR
		case removed:
			control.Remove(p.function, p.nth, p.when)
		case crashes:
			control.Crash(p.function, p.nth, p.when)
		case hangs:
			control.Hang(p.function, p.nth, p.when)
			go func() { // as the deadline would
				control.Reached()
				b.worker.Load().Kill()
			}()
		case pretends:
			control.Return(p.function, p.nth, p.when, 0) // CKR_OK
		}
	}, control.Reset)
	control.Reset()
	for n := 0; ; n++ {
		s, tr := openSite(t, setting(dir, nil))
		var decision string
		decide(tr, &decision)
		if s.State().Unfinished() == nil {
			consistent(t, s)
			if p := newest(s, a.script); p == nil || p.Status != ceremony.SealedStatus && p.Status != ceremony.AbortedStatus {
				t.Errorf("the ceremony is not at its end: %v", err)
			}
			s.Close()
			return
		}
		if n == 6 {
			t.Fatalf("resumed %d times and not at an end: %v", n, err)
		}
		holds := map[ledger.Hash]ceremony.Outcome{}
		for _, in := range s.State().Unfinished().OpenIntents() {
			holds[in.Leaf] = leftBy(t, s, in)
		}
		if n == 0 && len(holds) == 0 && (p.what == removed || p.what == crashes || p.what == hangs) && !settled(s, intent) {
			t.Error("the interrupted act is neither open nor settled")
		}
		err = s.Resume(t.Context())
		for leaf, want := range holds {
			if got := outcomeOf(s, leaf); got != want {
				t.Errorf("the token showed that the act was %q, the record says %q", want, got)
			}
		}
		s.Close()
	}
}

// settled says whether an act has its result.
func settled(s *Site, intent ledger.Hash) bool { return outcomeOf(s, intent) != "" }

func outcomeOf(s *Site, intent ledger.Hash) ceremony.Outcome {
	for _, p := range s.State().Ceremonies {
		for _, in := range p.Intents {
			if in.Leaf == intent {
				return in.Outcome
			}
		}
	}
	return ""
}

// leftBy reads, with another process and a module that behaves, what an act without a
// result has left in the token.
func leftBy(t *testing.T, s *Site, in ceremony.KnownIntent) ceremony.Outcome {
	t.Helper()
	act := in.Intent.Act
	serial := act.With["serial"]
	switch act.Do {
	case "generate-key":
		return map[int]ceremony.Outcome{0: ceremony.NotDone, 1: ceremony.HalfDone, 2: ceremony.Done}[len(withID(t, s, serial, in.Leaf[:20]))]
	case "delete-key":
		id, err := hex.DecodeString(act.With["id"])
		if err != nil || act.With["copy"] != "" {
			t.Fatal(err, act)
		}
		found := withID(t, s, serial, id)
		switch {
		case len(found) == 0:
			return ceremony.Done
		case slices.ContainsFunc(found, func(o hsm.Object) bool { return o.Class == "private-key" }):
			return ceremony.NotDone
		}
		return ceremony.HalfDone
	case "initialise-token":
		m, err := start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		tokens, err := m.Tokens(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(tokens, func(k hsm.TokenInfo) bool {
			return k.Initialised && strings.HasSuffix(k.Label, in.Leaf.String()[:16])
		}) {
			return ceremony.Done
		}
	case "change-pin":
		if !opens(t, s, serial) {
			return ceremony.Done
		}
	case "set-pins":
		return pinsOf(t, s)
	}
	return ceremony.NotDone // wrapping, restoring and signing leave nothing that stays
}

// loggedIn opens a session with a token of the site, in a process of its own, for
// whoever the cards of a set are; it gives false where the token does not take them.
func loggedIn(t *testing.T, s *Site, set *ceremony.Set, serial string, use func(hsm.Session)) bool {
	t.Helper()
	m, err := start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	se, err := m.Open(t.Context(), serial)
	if err != nil {
		t.Fatal(err)
	}
	as := hsm.Operator
	if set.Body.Purpose == ceremony.Recovery {
		as = hsm.SecurityOfficer
	}
	pin := pinFor(t, s, set, serial)
	defer pin.Wipe()
	var refusal *hsm.Error
	if err := se.Login(t.Context(), as, pin); errors.As(err, &refusal) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	use(se)
	return true
}

func nothing(hsm.Session) {}

func opens(t *testing.T, s *Site, serial string) bool {
	t.Helper()
	return loggedIn(t, s, s.State().SetFor(serial, "user"), serial, nothing)
}

// pinsOf: both PINs of a second token are those of the first one's cards, or they
// are set again.
func pinsOf(t *testing.T, s *Site) ceremony.Outcome {
	t.Helper()
	for serial := range s.State().Tokens {
		if serial == s.Token() {
			continue
		}
		for _, as := range []string{"user", "so"} {
			if !loggedIn(t, s, s.State().SetFor(s.Token(), as), serial, nothing) {
				return ceremony.NotDone
			}
		}
		return ceremony.Done
	}
	t.Fatal("there is no second token")
	return ""
}

func withID(t *testing.T, s *Site, serial string, id []byte) (found []hsm.Object) {
	t.Helper()
	there := loggedIn(t, s, s.State().SetFor(serial, "user"), serial, func(se hsm.Session) {
		var err error
		if found, err = se.Find(t.Context(), hsm.Query{ID: id}); err != nil {
			t.Fatal(err)
		}
	})
	if !there {
		t.Fatalf("the cards on record do not open token %s", serial)
	}
	return found
}

// consistent demands that the ledger verifies, that every token takes the PINs of
// the cards on record, and that it holds the keys on record and no others.
func consistent(t *testing.T, s *Site) {
	t.Helper()
	_, _, findings, err := ceremony.Fold(t.Context(), s.Record(), steps.Kinds())
	if err != nil || len(findings) > 0 {
		t.Errorf("the ledger does not hold: %v %v", findings, err)
	}
	for serial, token := range s.State().Tokens {
		if set := s.State().Sets[token.SOSet]; set != nil && !loggedIn(t, s, set, serial, nothing) {
			t.Errorf("token %s does not take the security officer's PIN of set %s", serial, set.Body.Name)
		}
		set := s.State().Sets[token.UserSet]
		if set == nil {
			continue
		}
		var known, has []string
		for _, k := range s.State().Keys {
			for _, c := range k.Copies {
				if c.Form == ceremony.ModuleForm && c.Where == serial && c.State != ceremony.CopyDestroyed {
					known = append(known, "private-key "+c.ID, "public-key "+c.ID)
				}
			}
		}
		for _, k := range s.State().LedgerKeys {
			if k.Body.Serial == serial {
				known = append(known, "private-key "+k.Body.ID, "public-key "+k.Body.ID)
			}
		}
		if !loggedIn(t, s, set, serial, func(se hsm.Session) {
			found, err := se.Find(t.Context(), hsm.Query{})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range found {
				if strings.HasSuffix(o.Class, "-key") {
					has = append(has, fmt.Sprintf("%s %x", o.Class, o.ID))
				}
			}
		}) {
			t.Errorf("token %s does not take the user PIN of set %s", serial, set.Body.Name)
			continue
		}
		slices.Sort(known)
		slices.Sort(has)
		if !slices.Equal(known, has) {
			t.Errorf("token %s holds %q, the record has %q", serial, has, known)
		}
	}
}

// TestTokenMakesAnotherKeyThanAuthorised: whatever the token says otherwise of either
// half, the key is never called made. It is quarantined, two officers decide, and it
// is removed before it is made again.
func TestTokenMakesAnotherKeyThanAuthorised(t *testing.T) {
	library, control := hsmtest.Shim(t)
	for name, lie := range map[string]struct {
		class, attribute uint
		value            byte
	}{
		"private extractable": {3, 0x162, 1},
		"private modifiable":  {3, 0x170, 1},
		"public verify":       {2, 0x10A, 0},
	} {
		t.Run(name, func(t *testing.T) {
			control.Reset()
			dir := copySite(t)
			_, env, err := SoftHSM(filepath.Join(dir, "practice"))
			if err != nil {
				t.Fatal(err)
			}
			c := setting(dir, nil)
			c.Module, c.Env = library, env
			s, tr := openSite(t, c)
			decided := 0
			tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
				switch {
				case p.Act == ceremony.ActAuthorise && decided == 0:
					control.Attribute(lie.class, lie.attribute, []byte{lie.value})
				case p.Kind == ceremony.AskDecide:
					decided++
					control.Reset()
					a.Choice = "repeat"
				}
			}
			if err := s.Begin(t.Context(), generation(t), nil); err != nil {
				t.Fatal(err)
			}
			p := s.Last("key-generation")
			var acts []string
			for _, in := range p.Intents {
				acts = append(acts, in.Body.Act.Do+" "+string(in.Outcome))
			}
			want := []string{"generate-key half done", "delete-remains done", "generate-key done", "prove-possession done"}
			if decided != 1 || !slices.Equal(acts, want) {
				t.Errorf("%d decisions, acts %q, want %q", decided, acts, want)
			}
			quarantined := slices.ContainsFunc(records(t, s), func(r ledger.Record) bool {
				b, err := ceremony.Body(r)
				q, is := b.(*ceremony.KeyQuarantined)
				return err == nil && is && strings.Contains(q.Reason, name) && q.Intent == p.Intents[0].Leaf
			})
			if !quarantined {
				t.Error("no record says why the key is quarantined")
			}
			holds(t, s, 1)
		})
	}
}

// eachLogin is the real store; it tells of every login that is recorded, once the
// record is durable.
type eachLogin struct {
	*sqlite.Store
	tells func(*ceremony.LoginTried)
}

func (e *eachLogin) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	head, err := e.Store.Append(ctx, at, b)
	for _, r := range b.Records {
		if body, berr := ceremony.Body(r); err == nil && berr == nil && r.Kind == ceremony.LoginTriedKind {
			e.tells(body.(*ceremony.LoginTried))
		}
	}
	return head, err
}

// TestLoginThatCouldLock: whatever the token says of its PIN, no login is sent before
// its record is durable; one that could lock has a decision of its own, made for it
// after people were told and heard by two, and one that is locked is not sent at all.
func TestLoginThatCouldLock(t *testing.T) {
	b := bench{}
	b.library, b.control = hsmtest.Shim(t)
	for name, c := range map[string]struct {
		script string
		flag   uint // of CK_TOKEN_INFO
		flags  string
		logins int // that the flag is about
		as     string
	}{
		"user PIN count low": {"key-generation", 0x10000, "count low", 1, "user"},
		"user PIN final try": {"key-generation", 0x20000, "final try", 1, "user"},
		"user PIN locked":    {"key-generation", 0x40000, "", 0, "user"},
		"SO PIN count low":   {"token-addition", 0x100000, "count low", 3, "so"},
		"SO PIN final try":   {"token-addition", 0x200000, "final try", 3, "so"},
		"SO PIN locked":      {"token-addition", 0x400000, "", 0, "so"},
	} {
		t.Run(name, func(t *testing.T) {
			b.control.Reset()
			dir := copySite(t)
			_, env, err := SoftHSM(filepath.Join(dir, "practice"))
			if err != nil {
				t.Fatal(err)
			}
			folder, err := ceremony.OpenFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			store, err := sqlite.Open(t.Context(), folder.Ledger())
			if err != nil {
				t.Fatal(err)
			}
			sent := func() (n int) {
				for _, call := range b.control.Calls() {
					if call == "C_Login" {
						n++
					}
				}
				return n
			}
			recorded, could := 0, 0
			w := &eachLogin{store, func(l *ceremony.LoginTried) {
				recorded++
				if n := sent(); n != recorded-1 {
					t.Errorf("at the record of login %d, %d were sent", recorded, n)
				}
				if l.As == c.as {
					could++
					if l.Flags != c.flags || l.Decision != could+1 {
						t.Errorf("login %d as %s: recorded with %q and decision %d", could, l.As, l.Flags, l.Decision)
					}
				}
			}}
			tr := &troupe{t: t}
			setup := setting(dir, tr)
			setup.Module, setup.Env = b.library, env
			s, err := open(t.Context(), setup, folder, w)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			tr.site = s
			decision := func() ceremony.Answer {
				return ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{"expected": "a full count", "happened": "the token says otherwise", "exposed": "no",
					"class": "script", "severity": "minor", "decision": "continue", "decided-by": "tomas-novak"}}
			}
			last := map[string]string{"key-generation": "open", "token-addition": "add"}[c.script]
			early, asked := false, 0
			tr.change = func(p ceremony.Prompt, a *ceremony.Answer) {
				switch {
				case p.Step == "identify":
					b.control.TokenFlags(c.flag, 0)
				case p.Title == "This login could lock the token":
					// Looking again leads nowhere; a decision is asked for each time.
					if asked++; asked%2 == 0 {
						*a = decision()
					}
				case p.Step == last && !early:
					// A decision about something else, before anybody was told, is none.
					early = true
					*a = decision()
				}
			}
			err = s.Begin(t.Context(), source(t, c.script), nil)
			if c.logins == 0 {
				var problem *ceremony.Problem
				if !errors.As(err, &problem) || !strings.Contains(problem.Happened, "locked") || could != 0 || asked != 0 {
					t.Errorf("%v; %d such logins were recorded", err, could)
				}
				return
			}
			if err != nil || could != c.logins || !early {
				t.Errorf("%d logins could lock, want %d; %v", could, c.logins, err)
			}
			if n := len(newest(s, c.script).Deviations); n != c.logins+1 {
				t.Errorf("%d deviations, want one for each login and the early one", n)
			}
			if c.logins > 1 {
				triedTwice(t, s)
			}
		})
	}
}

// triedTwice: one decision is for one login.
func triedTwice(t *testing.T, s *Site) {
	t.Helper()
	all := records(t, s)
	first := 0
	for i, r := range all {
		body, err := ceremony.Body(r)
		if err != nil {
			t.Fatal(err)
		}
		l, is := body.(*ceremony.LoginTried)
		if !is || l.Decision == 0 {
			continue
		}
		if first == 0 {
			first = l.Decision
			continue
		}
		l.Decision = first
		got, err := audit.Ledger(t.Context(), force(t, s, all[:i], draft(r, l)), audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Findings) == 0 || got.Findings[0].Rule != "token.could-lock" || got.Findings[0].Seq != int64(i) {
			t.Errorf("the checker finds %v", got.Findings)
		}
		return
	}
	t.Fatal("there were not two such logins")
}

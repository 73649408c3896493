package hsmtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
	"claviger/hsm/worker"
)

// act is something a ceremony does with a token. truth compares what it said
// with what the token holds afterwards, and puts the token back as it was.
type act struct {
	name  string
	user  hsm.User // who is logged in when it starts; "" nobody
	ready func(*scene) error
	do    func(context.Context, *scene) error
	truth func(s *scene, said error) error
	own   bool // truth logs in by itself
}

// scene is one token and the session with it.
type scene struct {
	*hsmtest.Token
	control *hsmtest.Control
	session hsm.Session
	newPIN  *secret.Buffer
	kek     *secret.Buffer
	backup  hsm.Wrapped // of the key "backed"
	spki    []byte
	got     any // what the act returned
}

const (
	keyLabel = "key"
	app      = "claviger test"
)

// acts are all calls of hsm.Module and hsm.Session.
func acts() []act {
	key := func(s *scene) error {
		found, err := s.session.Find(context.Background(), hsm.Query{ID: hsmtest.ID(keyLabel)})
		if err != nil || len(found) == 2 {
			return err
		}
		if _, err := s.session.Destroy(context.Background(), hsm.Query{ID: hsmtest.ID(keyLabel)}); err != nil {
			return err
		}
		_, err = s.session.Generate(context.Background(), hsmtest.Spec(keyLabel, hsm.ECP256))
		return err
	}
	noKey := func(s *scene) error {
		_, err := s.session.Destroy(context.Background(), hsm.Query{ID: hsmtest.ID(keyLabel)})
		return err
	}
	nothing := func(*scene) error { return nil }
	return []act{
		{"generate", hsm.Operator, noKey, func(ctx context.Context, s *scene) error {
			_, err := s.session.Generate(ctx, hsmtest.Spec(keyLabel, hsm.ECP256))
			return err
		}, func(s *scene, said error) error {
			n, err := s.count(keyLabel)
			if n != 0 && n != 2 || said == nil && n != 2 {
				return fmt.Errorf("it left %d objects", n)
			}
			if said == nil {
				_, err = s.session.(hsm.Inspector).Inspect(context.Background(), hsmtest.Spec(keyLabel, hsm.ECP256))
			}
			return err
		}, false},
		{"sign", hsm.Operator, key, func(ctx context.Context, s *scene) (err error) {
			s.got, err = s.session.Sign(ctx, hsmtest.ID(keyLabel), []byte("message"))
			return err
		}, func(s *scene, said error) error {
			if said != nil {
				return nil
			}
			spki, err := s.session.PublicKey(context.Background(), hsmtest.ID(keyLabel))
			return errors.Join(err, hsmtest.Verify(spki, []byte("message"), s.got.([]byte)))
		}, false},
		{"inspect", hsm.Operator, key, func(ctx context.Context, s *scene) error {
			_, err := s.session.(hsm.Inspector).Inspect(ctx, hsmtest.Spec(keyLabel, hsm.ECP256))
			return err
		}, func(s *scene, said error) error { return s.expect(2) }, false},
		{"find", hsm.Operator, key, func(ctx context.Context, s *scene) error {
			found, err := s.session.Find(ctx, hsm.Query{ID: hsmtest.ID(keyLabel)})
			s.got = len(found)
			return err
		}, func(s *scene, said error) error {
			if said == nil && s.got != 2 {
				return fmt.Errorf("it found %v objects", s.got)
			}
			return s.expect(2)
		}, false},
		{"public key", "", func(s *scene) error { return nil }, func(ctx context.Context, s *scene) (err error) {
			s.got, err = s.session.PublicKey(ctx, hsmtest.ID("founder"))
			return err
		}, func(s *scene, said error) error {
			if said != nil {
				return nil
			}
			again, err := s.session.PublicKey(context.Background(), hsmtest.ID("founder"))
			if !bytes.Equal(again, s.got.([]byte)) {
				return errors.New("it gave another key")
			}
			return err
		}, false},
		{"destroy", hsm.Operator, key, func(ctx context.Context, s *scene) (err error) {
			s.got, err = s.session.Destroy(ctx, hsm.Query{ID: hsmtest.ID(keyLabel)})
			return err
		}, func(s *scene, said error) error {
			n, err := s.count(keyLabel)
			if said == nil && (n != 0 || s.got != 0) {
				return fmt.Errorf("it said %v left, there are %d", s.got, n)
			}
			return err
		}, false},
		{"delete", hsm.Operator, key, func(ctx context.Context, s *scene) (err error) {
			_, err = s.session.Delete(ctx, hsmtest.ID(keyLabel), keyLabel)
			return err
		}, func(s *scene, said error) error {
			n, err := s.count(keyLabel)
			if said == nil && n != 0 {
				return fmt.Errorf("it said that it is proved to be gone, there are %d objects", n)
			}
			return err
		}, false},
		{"generate a secret key", hsm.Operator, func(s *scene) error {
			_, err := s.session.Destroy(context.Background(), hsm.Query{ID: hsmtest.ID("mac")})
			return err
		}, func(ctx context.Context, s *scene) error {
			made, err := s.session.Generate(ctx, macKey())
			s.got = made.Check
			return err
		}, func(s *scene, said error) error {
			n, err := s.count("mac")
			if said != nil || err != nil {
				return err // it is found by its intent's id, or is not there
			}
			check, err := s.session.CheckValue(context.Background(), hsmtest.ID("mac"))
			if n != 1 || check != s.got {
				return fmt.Errorf("it left %d objects, check value %v, it said %v", n, check, s.got)
			}
			return err
		}, false},
		{"check value", hsm.Operator, func(s *scene) error {
			if n, err := s.count("mac"); err != nil || n == 1 {
				return err
			}
			_, err := s.session.Generate(context.Background(), macKey())
			return err
		}, func(ctx context.Context, s *scene) error {
			check, err := s.session.CheckValue(ctx, hsmtest.ID("mac"))
			s.got = check
			return err
		}, func(s *scene, said error) error {
			check, err := s.session.CheckValue(context.Background(), hsmtest.ID("mac"))
			if said == nil && check != s.got {
				return fmt.Errorf("it said %v, the token %v", s.got, check)
			}
			return err
		}, false},
		{"store data", hsm.Operator, nothing, func(ctx context.Context, s *scene) error {
			return s.session.PutData(ctx, hsm.Data{Application: app, Label: "d", Private: true, Value: []byte("value")})
		}, func(s *scene, said error) error {
			got, err := s.session.GetData(context.Background(), app)
			if said == nil && (len(got) != 1 || string(got[0].Value) != "value") {
				return fmt.Errorf("the token has %v", got)
			}
			_, gone := s.session.Destroy(context.Background(), hsm.Query{Class: "data"})
			return errors.Join(err, gone)
		}, false},
		{"read data", hsm.Operator, func(s *scene) error {
			got, err := s.session.GetData(context.Background(), app)
			if err != nil || len(got) == 1 {
				return err
			}
			return s.session.PutData(context.Background(), hsm.Data{Application: app, Label: "d", Value: []byte("value")})
		}, func(ctx context.Context, s *scene) error {
			got, err := s.session.GetData(ctx, app)
			s.got = fmt.Sprint(got)
			return err
		}, func(s *scene, said error) error {
			if want := fmt.Sprint([]hsm.Data{{Application: app, Label: "d", Value: []byte("value")}}); said == nil && s.got != want {
				return fmt.Errorf("it read %v", s.got)
			}
			return nil
		}, false},
		{"random", hsm.Operator, nothing, func(ctx context.Context, s *scene) error {
			b, err := s.session.Random(ctx, 32)
			s.got = b.Len()
			b.Wipe()
			return err
		}, func(s *scene, said error) error {
			if said == nil && s.got != 32 {
				return fmt.Errorf("it gave %v bytes", s.got)
			}
			return nil
		}, false},
		{"log in", "", nothing, func(ctx context.Context, s *scene) error {
			if err := s.session.Login(ctx, hsm.Operator, s.User); err != nil {
				return err
			}
			found, err := s.session.Find(ctx, hsm.Query{Class: "private-key", ID: hsmtest.ID("founder")})
			s.got = len(found)
			return err
		}, func(s *scene, said error) error {
			if said == nil && s.got != 1 {
				return errors.New("logged in, the private key is not seen")
			}
			return nil
		}, false},
		{"log out", hsm.Operator, nothing, func(ctx context.Context, s *scene) error { return s.session.Logout(ctx) },
			func(*scene, error) error { return nil }, false},
		{"change the PIN", "", nothing, func(ctx context.Context, s *scene) error {
			return hsm.ChangePIN(ctx, s.session, hsm.Operator, s.User, s.newPIN)
		}, (*scene).samePIN, true},
		{"change the officer's PIN", "", nothing, func(ctx context.Context, s *scene) error {
			return hsm.ChangePIN(ctx, s.session, hsm.SecurityOfficer, s.SO, s.newPIN)
		}, (*scene).sameOfficer, true},
		{"prove", hsm.Operator, func(s *scene) error {
			if n, err := s.count("agrees"); err != nil || n == 2 {
				return err
			}
			_, err := s.session.Generate(context.Background(), agrees())
			return err
		}, func(ctx context.Context, s *scene) error {
			key, err := s.session.(hsm.Inspector).Inspect(ctx, agrees())
			if err != nil {
				return err
			}
			_, err = hsm.ProvePossession(ctx, s.session, agrees(), key, nil)
			if errors.Is(err, hsm.ErrAnswer) { // it has no class: the token said nothing wrong, and did
				return &hsm.Mismatch{Label: "agrees"}
			}
			return err
		}, func(s *scene, said error) error {
			// Of what was agreed on nothing is left in the session.
			found, err := s.session.Find(context.Background(), hsm.Query{Class: "secret-key"})
			for _, o := range found {
				if o.Label == "" {
					return fmt.Errorf("it left %v", o)
				}
			}
			return err
		}, false},
		{"set the user PIN", hsm.SecurityOfficer, nothing, func(ctx context.Context, s *scene) error {
			return s.session.InitPIN(ctx, s.newPIN)
		}, (*scene).samePIN, true},
		{"initialise", "", func(s *scene) error { return s.session.Close() }, func(ctx context.Context, s *scene) error {
			_, err := s.Module.InitToken(ctx, s.Serial, "again", s.SO)
			return err
		}, (*scene).initialisedOrNot, true},
		{"import a wrapping key", hsm.SecurityOfficer, func(s *scene) error {
			_, err := s.session.Destroy(context.Background(), hsm.Query{ID: hsmtest.ID("kek 2")})
			return err
		}, func(ctx context.Context, s *scene) error {
			_, err := s.session.(hsm.Wrapper).ImportWrappingKey(ctx, hsmtest.WrappingKey("kek 2", false, true), s.kek)
			return err
		}, func(s *scene, said error) error {
			n, err := s.count("kek 2")
			if n > 1 || said == nil && n != 1 {
				return fmt.Errorf("it left %d objects", n)
			}
			return err
		}, false},
		{"wrap", hsm.Operator, nothing, func(ctx context.Context, s *scene) (err error) {
			s.got, err = s.session.(hsm.Wrapper).Wrap(ctx, hsmtest.ID("backed"), hsmtest.ID("kek"))
			return err
		}, func(s *scene, said error) error {
			if said != nil {
				return nil
			}
			return errors.Join(s.restore(s.got.(hsm.Wrapped)), s.forget())
		}, false},
		{"unwrap", hsm.Operator, (*scene).forget, func(ctx context.Context, s *scene) error {
			_, err := s.session.(hsm.Wrapper).Unwrap(ctx, s.restored(), hsmtest.ID("kek"), s.backup, s.spki)
			return err
		}, func(s *scene, said error) error {
			n, err := s.count("restored")
			if said != nil || err != nil {
				return err // a half is found by its intent's id
			}
			if n != 2 {
				return fmt.Errorf("it left %d objects", n)
			}
			return s.proves()
		}, false},
		{"read the token", "", nothing, func(ctx context.Context, s *scene) error {
			i, err := s.session.Token(ctx)
			s.got = i.Serial
			return err
		}, func(s *scene, said error) error {
			if said == nil && s.got != s.Serial {
				return fmt.Errorf("it is %q", s.got)
			}
			return nil
		}, false},
		{"open", "", nothing, func(ctx context.Context, s *scene) error {
			other, err := s.Module.Open(ctx, s.Serial)
			if err != nil {
				return err
			}
			return other.Close()
		}, func(*scene, error) error { return nil }, false},
		{"mechanisms", "", nothing, func(ctx context.Context, s *scene) error {
			list, err := s.Module.Mechanisms(ctx, s.Serial)
			s.got = len(list)
			return err
		}, func(s *scene, said error) error {
			if said == nil && s.got == 0 {
				return errors.New("it lists none")
			}
			return nil
		}, false},
		{"tokens", "", nothing, func(ctx context.Context, s *scene) error {
			_, err := s.Module.Tokens(ctx)
			return err
		}, func(*scene, error) error { return nil }, false},
		{"module", "", nothing, func(ctx context.Context, s *scene) error {
			_, err := s.Module.Info(ctx)
			return err
		}, func(*scene, error) error { return nil }, false},
	}
}

func agrees() hsm.KeySpec {
	return hsm.KeySpec{ID: hsmtest.ID("agrees"), Label: "agrees", Algorithm: hsm.ECP256, Purpose: hsm.Derive, Protection: hsm.ModuleOnly}
}

func macKey() hsm.KeySpec {
	return hsm.KeySpec{ID: hsmtest.ID("mac"), Label: "mac", Algorithm: hsm.HMACSHA256, Purpose: hsm.Sign, Protection: hsm.ModuleOnly}
}

func (s *scene) restored() hsm.KeySpec {
	spec := hsmtest.Spec("restored", hsm.ECP256)
	spec.Protection = hsm.WrapBackup
	return spec
}

func (s *scene) forget() error {
	_, err := s.session.Destroy(context.Background(), hsm.Query{ID: hsmtest.ID("restored")})
	return err
}

func (s *scene) restore(backup hsm.Wrapped) error {
	if err := s.forget(); err != nil {
		return err
	}
	if _, err := s.session.(hsm.Wrapper).Unwrap(context.Background(), s.restored(), hsmtest.ID("kek"), backup, s.spki); err != nil {
		return err
	}
	return s.proves()
}

// proves: the restored private key belongs to the public one.
func (s *scene) proves() error {
	signature, err := s.session.Sign(context.Background(), hsmtest.ID("restored"), []byte("m"))
	if err != nil {
		return err
	}
	return hsmtest.Verify(s.spki, []byte("m"), signature)
}

func (s *scene) count(label string) (int, error) {
	found, err := s.session.Find(context.Background(), hsm.Query{ID: hsmtest.ID(label)})
	return len(found), err
}

func (s *scene) expect(n int) error {
	got, err := s.count(keyLabel)
	if got != n {
		return fmt.Errorf("the token holds %d objects of the key, want %d", got, n)
	}
	return err
}

// samePIN: after a change that succeeded the new PIN is the right one, after one
// that failed either is, and never neither.
func (s *scene) samePIN(said error) error { return s.either(said, hsm.Operator, s.User) }

func (s *scene) sameOfficer(said error) error { return s.either(said, hsm.SecurityOfficer, s.SO) }

func (s *scene) either(said error, who hsm.User, old *secret.Buffer) error {
	ctx := context.Background()
	if err := s.session.Login(ctx, who, s.newPIN); err == nil {
		return s.session.SetPIN(ctx, s.newPIN, old)
	}
	if said == nil {
		return errors.New("it said the PIN was changed, and it is not")
	}
	return s.session.Login(ctx, who, old)
}

func (s *scene) initialisedOrNot(said error) error {
	ctx := context.Background()
	i, err := s.session.Token(ctx)
	if err != nil {
		return err
	}
	if i.Label != "again" {
		if said == nil {
			return fmt.Errorf("it said it was initialised, and its label is %q", i.Label)
		}
		return nil
	}
	if err := s.session.Close(); err != nil {
		return err
	}
	if _, err := s.Module.InitToken(ctx, s.Serial, s.Label, s.SO); err != nil {
		return err
	}
	return s.furnish()
}

// furnish makes an initialised token what every act finds: a user PIN, a key.
func (s *scene) furnish() error {
	ctx := context.Background()
	var err error
	if s.session, err = s.Module.Open(ctx, s.Serial); err != nil {
		return err
	}
	return errors.Join(
		s.session.Login(ctx, hsm.SecurityOfficer, s.SO),
		s.session.InitPIN(ctx, s.User),
		s.importKEK(ctx),
		s.session.Logout(ctx),
		s.session.Login(ctx, hsm.Operator, s.User),
		s.makeKeys(ctx),
		s.session.Close())
}

func (s *scene) importKEK(ctx context.Context) error {
	_, err := s.session.(hsm.Wrapper).ImportWrappingKey(ctx, hsmtest.WrappingKey("kek", false, true), s.kek)
	return err
}

func (s *scene) makeKeys(ctx context.Context) error {
	if _, err := s.session.Generate(ctx, hsmtest.Spec("founder", hsm.ECP256)); err != nil {
		return err
	}
	spec := hsmtest.Spec("backed", hsm.ECP256)
	spec.Protection = hsm.WrapBackup
	pair, err := s.session.Generate(ctx, spec)
	if err != nil {
		return err
	}
	s.spki = pair.SPKI
	s.backup, err = s.session.(hsm.Wrapper).Wrap(ctx, spec.ID, hsmtest.ID("kek"))
	return err
}

func newScene(t *testing.T) *scene {
	k, control := hsmtest.Shimmed(t, start)
	s := &scene{Token: k, control: control, newPIN: hsmtest.Secret(t, "changed-12345678"), kek: randomKey(t)}
	if err := s.furnish(); err != nil {
		t.Fatal(err)
	}
	return s
}

// enter opens a session with who is logged in: after every fault it must work.
func (s *scene) enter(who hsm.User) error {
	var err error
	if s.session, err = s.Module.Open(context.Background(), s.Serial); err != nil {
		return err
	}
	switch who {
	case hsm.Operator:
		return s.session.Login(context.Background(), who, s.User)
	case hsm.SecurityOfficer:
		return s.session.Login(context.Background(), who, s.SO)
	}
	return nil
}

// rehearse plays an act once without a fault and tells the calls it makes.
func (s *scene) rehearse(t *testing.T, a act) []string {
	t.Helper()
	if err := errors.Join(s.enter(a.user), a.ready(s)); err != nil {
		t.Fatal(err)
	}
	s.control.Reset()
	said := a.do(t.Context(), s)
	calls := s.control.Calls()
	if said != nil {
		t.Fatalf("without a fault: %v", said)
	}
	if err := s.judge(a, said, false); err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	return calls
}

// judge lets the module behave again and compares what was said with what is,
// in a new session and, where asked, a new process.
func (s *scene) judge(a act, said error, restart bool) error {
	s.control.Reset()
	_ = s.session.Close() // may have gone with the fault
	if restart || s.enter("") != nil {
		_ = s.Module.Close()
		if err := s.again(); err != nil {
			return err
		}
	} else if err := s.session.Close(); err != nil {
		return err
	}
	who := hsm.Operator
	if a.own {
		who = ""
	}
	if err := s.enter(who); err != nil {
		return fmt.Errorf("the next login fails: %w", err)
	}
	if err := a.truth(s, said); err != nil {
		return err
	}
	return s.session.Close()
}

func (s *scene) again() error {
	module, err := start(context.Background(), s.Library, s.Env)
	s.Module = module
	return err
}

// play does an act under one fault and says what is wrong with the outcome.
func (s *scene) play(t *testing.T, a act, restart bool, fault func()) error {
	t.Helper()
	if err := errors.Join(s.enter(a.user), a.ready(s)); err != nil {
		return fmt.Errorf("before the fault: %w", err)
	}
	fault()
	said := a.do(t.Context(), s)
	if err := explains(said); err != nil {
		return err
	}
	if err := s.judge(a, said, restart); err != nil {
		_ = s.session.Close()
		return fmt.Errorf("it said %v; %w", said, err)
	}
	return nil
}

// explains: an error has a type that callers branch on, and words.
func explains(said error) error {
	var e *hsm.Error
	var m *hsm.Mismatch
	switch {
	case said == nil, errors.As(said, &m):
		return nil
	case !errors.As(said, &e):
		return fmt.Errorf("it said %v (%T), which has no class", said, said)
	case e.Class == "" || e.Op == "" || e.Why == "":
		return fmt.Errorf("it said %#v", e)
	}
	return nil
}

// places are the calls at which a fault is tried: every one in the proof, the
// first of each function otherwise, as "n-th of that function".
func places(calls []string) (at []struct {
	function string
	nth      int
}) {
	counts := make(map[string]int)
	for _, c := range calls {
		counts[c]++
		if counts[c] == 1 || hsmtest.Proof() {
			at = append(at, struct {
				function string
				nth      int
			}{c, counts[c]})
		}
	}
	return at
}

// proved prints, in the proof, how many cases a test with parallel parts has played.
func proved(t *testing.T, format string) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	t.Cleanup(func() {
		if hsmtest.Proof() && !t.Failed() {
			fmt.Printf("PROOF: hsm: "+format+"\n", n.Load())
		}
	})
	return &n
}

// TestFaultAtEveryCall fails each call an act makes, before and after it took
// effect, with a code that means nothing, and takes the device away there: no
// success that the token does not confirm, no key half made, the next login works.
func TestFaultAtEveryCall(t *testing.T) {
	played := proved(t, "%d faults, an error or the device gone before or after each call of each act took effect: no success that the token does not confirm, nothing half made that the next start does not find by its id")
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			for _, p := range places(s.rehearse(t, a)) {
				for _, when := range []hsmtest.When{hsmtest.Before, hsmtest.After} {
					where := fmt.Sprintf("%s of call %d of %s", when, p.nth, p.function)
					played.Add(2)
					if err := s.play(t, a, hsmtest.Proof(), func() { s.control.Return(p.function, p.nth, when, 0x5) }); err != nil {
						t.Errorf("general error %s: %v", where, err)
					}
					if err := s.play(t, a, hsmtest.Proof(), func() { s.control.Remove(p.function, p.nth, when) }); err != nil {
						t.Errorf("device removed %s: %v", where, err)
					}
				}
			}
		})
	}
}

// everyCode is all CKR_* that PKCS#11 v2.40 and v3.1 define, and some they do not;
// a sample of one a class without the proof.
func everyCode() []uint {
	if !hsmtest.Proof() {
		return []uint{0x5, 0x12, 0x32, 0xA4, 0x101}
	}
	return []uint{
		0x1, 0x2, 0x3, 0x5, 0x6, 0x7, 0x8, 0x9, 0xA, 0x10, 0x11, 0x12,
		0x13, 0x1B, 0x20, 0x21, 0x30, 0x31, 0x32, 0x40, 0x41, 0x42, 0x50, 0x51,
		0x54, 0x60, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x70,
		0x71, 0x82, 0x90, 0x91, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xB0, 0xB1, 0xB3,
		0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xC0, 0xC1, 0xD0, 0xD1, 0xE0, 0xE1, 0xE2,
		0xF0, 0xF1, 0xF2, 0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x110, 0x112, 0x113,
		0x114, 0x115, 0x120, 0x121, 0x130, 0x140, 0x150, 0x160, 0x170, 0x180, 0x190, 0x191,
		0x1A0, 0x1A1, 0x1B0, 0x1B1, 0x1B5, 0x1B6, 0x1B7, 0x1B8, 0x1B9, 0x200, 0x201, 0x202,
		0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209,
		0x4, 0x999, 0x80000001, 0xFFFFFFFF, // undefined, a maker's own
	}
}

// TestEveryCodeFromEveryCall answers every function an act uses with every code,
// each time it is called.
func TestEveryCodeFromEveryCall(t *testing.T) {
	played := proved(t, "%d answers, every CKR_* from every function of each act: a class and a sentence each, no wrong success")
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			functions := s.rehearse(t, a)
			slices.Sort(functions)
			for _, function := range slices.Compact(functions) {
				for _, code := range everyCode() {
					played.Add(1)
					if err := s.play(t, a, false, func() { s.control.Return(function, 0, hsmtest.Before, code) }); err != nil {
						t.Errorf("%s answers 0x%x: %v", function, code, err)
					}
				}
			}
		})
	}
}

// TestCrashAndHangAtEveryCall ends the process in each function an act uses, by
// a crash and by an end while it hangs: both are told as such, and a new
// process finds the token in a state that is one or the other.
func TestCrashAndHangAtEveryCall(t *testing.T) {
	played := proved(t, "%d crashes and hangs of the module, before and after each call of each act: told, and a new process reads one state or the other")
	for _, a := range acts() {
		if a.name == "module" {
			continue // its hang is the start's
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			for _, p := range places(s.rehearse(t, a)) {
				for _, when := range []hsmtest.When{hsmtest.Before, hsmtest.After} {
					where := fmt.Sprintf("%s call %d of %s", when, p.nth, p.function)
					played.Add(2)
					err := s.play(t, a, true, func() { s.control.Crash(p.function, p.nth, when) })
					if err != nil {
						t.Errorf("crash %s: %v", where, err)
					}
					if err := s.playHang(t, a, p.function, p.nth, when); err != nil {
						t.Errorf("hang %s: %v", where, err)
					}
				}
			}
		})
	}
}

func (s *scene) playHang(t *testing.T, a act, function string, nth int, when hsmtest.When) error {
	if err := errors.Join(s.enter(a.user), a.ready(s)); err != nil {
		return fmt.Errorf("before the fault: %w", err)
	}
	s.control.Hang(function, nth, when)
	go func() {
		s.control.Reached()
		s.Module.(*worker.Client).Kill()
	}()
	said := a.do(t.Context(), s)
	var e *hsm.Error
	if !errors.As(said, &e) || e.Class != hsm.Gone {
		return fmt.Errorf("it said %v", said)
	}
	return s.judge(a, said, true)
}

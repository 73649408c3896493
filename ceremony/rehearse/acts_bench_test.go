//go:build cgo && linux

package rehearse

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"claviger/ceremony"
	"claviger/hsm/softhsm"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// rounds of both ceremonies that are played for one measurement.
const rounds = 8

// BenchmarkActsThroughEngine measures acts of real ceremonies, from the writing of the
// intent to the durable result: rules, worker, token, read-back, two appends. After
// each act the bare PKCS#11 calls for the same thing run once, in this process.
// "act" is without the appends themselves; "more" is what is left of it without the
// bare calls.
func BenchmarkActsThroughEngine(b *testing.B) {
	bare := newBareToken(b)
	calls := map[string]func(){
		"generate-key": bare.generate, "prove-possession": bare.sign, "wrap-key": bare.wrap, "restore-key": bare.unwrap, "delete-key": bare.destroy,
	}
	dir := copySite(b)
	s, _ := openSite(b, setting(dir, nil))
	if err := s.provide(b.Context(), "key-restore"); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	folder, err := ceremony.OpenFolder(dir)
	if err != nil {
		b.Fatal(err)
	}
	store, err := sqlite.Open(b.Context(), folder.Ledger())
	if err != nil {
		b.Fatal(err)
	}
	seen := map[string][]span{}
	timed := &timedActs{Store: store, done: func(do string, took span) {
		call := calls[do]
		if call == nil {
			return
		}
		start := time.Now()
		call()
		took.bare = time.Since(start)
		seen[do] = append(seen[do], took)
	}}
	tr := &troupe{t: b}
	if s, err = open(b.Context(), setting(dir, tr), folder, timed); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	tr.site = s
	for range rounds {
		for _, name := range []string{"key-generation", "key-backup"} {
			tr.asked = nil
			if err := s.Begin(b.Context(), source(b, name), nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, do := range slices.Sorted(maps.Keys(seen)) {
		list := seen[do]
		b.Run(do, func(b *testing.B) {
			sorted := func(of func(span) time.Duration) []time.Duration {
				var all []time.Duration
				for _, s := range list {
					all = append(all, of(s))
				}
				slices.Sort(all)
				return all
			}
			ours := sorted(func(s span) time.Duration { return s.act - s.appends })
			bare := sorted(func(s span) time.Duration { return s.bare })
			appends := sorted(func(s span) time.Duration { return s.appends })
			µs := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(µs(ours[len(list)/2]), "act-µs")
			b.ReportMetric(µs(bare[len(list)/2]), "bare-µs")
			b.ReportMetric(µs(appends[len(list)/2]), "appends-µs")
			b.ReportMetric(µs(ours[len(list)/2]-bare[len(list)/2]), "more-µs")
			b.ReportMetric(µs(ours[0]-bare[0]), "undisturbed-more-µs")
		})
	}
}

// span is how long an act took, the appends within it, and the bare calls beside it.
type span struct{ act, appends, bare time.Duration }

// timedActs is the real store; it measures from the intent of an act to its result.
type timedActs struct {
	*sqlite.Store
	do      string
	began   time.Time
	appends time.Duration
	done    func(do string, took span)
}

func (s *timedActs) Append(ctx context.Context, at ledger.Head, b ledger.Batch) (ledger.Head, error) {
	start := time.Now()
	head, err := s.Store.Append(ctx, at, b)
	end := time.Now()
	s.appends += end.Sub(start)
	for _, r := range b.Records {
		body, berr := ceremony.Body(r)
		if err != nil || berr != nil {
			return head, err
		}
		switch body := body.(type) {
		case *ceremony.Intent:
			s.do, s.began, s.appends = body.Act.Do, start, end.Sub(start)
		case *ceremony.Result:
			if !body.Intent.IsZero() {
				s.done(s.do, span{act: end.Sub(s.began), appends: s.appends})
			}
		}
	}
	return head, err
}

// bareToken is SoftHSM in this process, with nothing between.
type bareToken struct {
	b        *testing.B
	c        *pkcs11.Ctx
	s        pkcs11.SessionHandle
	key, kek pkcs11.ObjectHandle // a key to sign with and to wrap, and what wraps it
	public   []*pkcs11.Attribute
	wrapped  []byte
	last     [2]pkcs11.ObjectHandle // what was unwrapped last
}

func newBareToken(b *testing.B) *bareToken {
	b.Helper()
	library, err := softhsm.Available()
	if err != nil {
		b.Fatal(err)
	}
	conf, err := softhsm.Config(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv("SOFTHSM2_CONF", conf)
	t := &bareToken{b: b, c: pkcs11.New(library)}
	t.must(t.c.Initialize())
	b.Cleanup(func() { t.must(t.c.Finalize()); t.c.Destroy() })
	slots, err := t.c.GetSlotList(true)
	t.must(err)
	t.must(t.c.InitToken(slots[0], "12345678", filepath.Base(conf)))
	slots, err = t.c.GetSlotList(true)
	t.must(err)
	t.s, err = t.c.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	t.must(err)
	t.must(t.c.Login(t.s, pkcs11.CKU_SO, "12345678"))
	t.must(t.c.InitPIN(t.s, "12345678"))
	t.must(t.c.Logout(t.s))
	t.must(t.c.Login(t.s, pkcs11.CKU_USER, "12345678"))
	public, private := t.pair()
	t.key = private
	if t.public, err = t.c.GetAttributeValue(t.s, public, []*pkcs11.Attribute{attribute(pkcs11.CKA_EC_PARAMS, nil), attribute(pkcs11.CKA_EC_POINT, nil)}); err != nil {
		b.Fatal(err)
	}
	t.kek, err = t.c.GenerateKey(t.s, mechanism(pkcs11.CKM_AES_KEY_GEN), []*pkcs11.Attribute{attribute(pkcs11.CKA_VALUE_LEN, 32), attribute(pkcs11.CKA_WRAP, true), attribute(pkcs11.CKA_UNWRAP, true)})
	t.must(err)
	t.wrap()
	return t
}

func (t *bareToken) must(err error) {
	t.b.Helper()
	if err != nil {
		t.b.Fatal(err)
	}
}

func attribute(which uint, value any) *pkcs11.Attribute { return pkcs11.NewAttribute(which, value) }

func mechanism(which uint) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(which, nil)}
}

// kept are the attributes of a private half that stays in the token.
func kept() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{attribute(pkcs11.CKA_TOKEN, true), attribute(pkcs11.CKA_PRIVATE, true), attribute(pkcs11.CKA_SENSITIVE, true), attribute(pkcs11.CKA_EXTRACTABLE, true),
		attribute(pkcs11.CKA_SIGN, true), attribute(pkcs11.CKA_LABEL, "bare"), attribute(pkcs11.CKA_ID, make([]byte, 20))}
}

// pair makes a key on P-384, as the scripts do.
func (t *bareToken) pair() (public, private pkcs11.ObjectHandle) {
	public, private, err := t.c.GenerateKeyPair(t.s, mechanism(pkcs11.CKM_EC_KEY_PAIR_GEN), []*pkcs11.Attribute{attribute(pkcs11.CKA_TOKEN, true), attribute(pkcs11.CKA_VERIFY, true),
		attribute(pkcs11.CKA_EC_PARAMS, []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}), attribute(pkcs11.CKA_LABEL, "bare"), attribute(pkcs11.CKA_ID, make([]byte, 20))}, kept())
	t.must(err)
	return public, private
}

func (t *bareToken) generate() { t.pair() }

func (t *bareToken) sign() {
	t.must(t.c.SignInit(t.s, mechanism(pkcs11.CKM_ECDSA), t.key))
	_, err := t.c.Sign(t.s, make([]byte, 48))
	t.must(err)
}

const aesKeyWrapPad = 0x210A // CKM_AES_KEY_WRAP_KWP

func (t *bareToken) wrap() {
	var err error
	t.wrapped, err = t.c.WrapKey(t.s, mechanism(aesKeyWrapPad), t.kek, t.key)
	t.must(err)
}

func (t *bareToken) unwrap() {
	private, err := t.c.UnwrapKey(t.s, mechanism(aesKeyWrapPad), t.kek, t.wrapped, append(kept(), attribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), attribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC)))
	t.must(err)
	public, err := t.c.CreateObject(t.s, append(t.public, attribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY), attribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC), attribute(pkcs11.CKA_TOKEN, true)))
	t.must(err)
	t.last = [2]pkcs11.ObjectHandle{private, public}
}

func (t *bareToken) destroy() {
	t.must(t.c.DestroyObject(t.s, t.last[0]))
	t.must(t.c.DestroyObject(t.s, t.last[1]))
}

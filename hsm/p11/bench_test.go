//go:build cgo && linux

package p11

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
	"claviger/hsm/worker"
)

// TestMain lets this binary be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if worker.Serve(Open) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(ctx context.Context, path string, env []string) (hsm.Module, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return worker.Start(ctx, worker.Options{Argv: []string{self, "worker"}, ModulePath: path, Env: env})
}

// beside measures an act through the worker and the bare PKCS#11 calls it stands
// for, one after the other in the same run.
func beside(b *testing.B, bare, act func() error) {
	b.Helper()
	besideAfter(b, func() error { return nil }, bare, act)
}

// besideAfter does something before each pair that is not counted.
func besideAfter(b *testing.B, before, bare, act func() error) {
	b.Helper()
	var bares, acts []time.Duration
	timed := func(f func() error) time.Duration {
		begin := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin)
	}
	for b.Loop() {
		timed(before)
		bares = append(bares, timed(bare))
		acts = append(acts, timed(act))
	}
	slices.Sort(bares)
	slices.Sort(acts)
	at := func(list []time.Duration, part int) float64 {
		return float64(list[len(list)/part].Nanoseconds()) / 1000
	}
	b.ReportMetric(at(bares, 2), "bare-µs")
	b.ReportMetric(at(acts, 2), "act-µs")
	b.ReportMetric(at(acts, 2)-at(bares, 2), "more-µs")
	// Two processes hand over to each other, and a busy machine lets them wait for a
	// core. The twentieth part of each that was disturbed least tells the work itself.
	b.ReportMetric(at(acts, 20)-at(bares, 20), "undisturbed-more-µs")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkActs: the bare side has its own store in this process.
func BenchmarkActs(b *testing.B) {
	ctx := context.Background()
	k := hsmtest.SoftHSM(b, start)
	s := k.Session(b)
	library, env := hsmtest.Store(b)
	b.Setenv("SOFTHSM2_CONF", env[0][len("SOFTHSM2_CONF="):])
	inside := hsmtest.Fresh(b, func(context.Context, string, []string) (hsm.Module, error) { return Open(library) }, library, env, "")
	bare := inside.Session(b).(*session)
	c, h := bare.m.ctx, bare.h

	for _, a := range []hsm.Algorithm{hsm.ECP256, hsm.ECP384, hsm.RSA3072, hsm.Ed25519} {
		spec := hsmtest.Spec(string(a), a)
		for _, side := range []hsm.Session{s, bare} {
			if _, err := side.Generate(ctx, spec); err != nil {
				b.Fatal(err)
			}
		}
		key, err := bare.one("", spec.ID, "private-key")
		if err != nil {
			b.Fatal(err)
		}
		how, _ := algorithmOf(a)
		message := make([]byte, 32)
		if how.digest != 0 {
			message = make([]byte, how.digest.Size())
		}
		b.Run("sign/"+string(a), func(b *testing.B) {
			beside(b, func() error {
				if err := c.SignInit(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(how.sign, nil)}, key); err != nil {
					return err
				}
				_, err := c.Sign(h, message)
				return err
			}, func() error {
				_, err := s.Sign(ctx, spec.ID, message)
				return err
			})
		})
	}
	b.Run("random/32", func(b *testing.B) {
		beside(b, func() error {
			_, err := c.GenerateRandom(h, 32)
			return err
		}, func() error {
			r, err := s.Random(ctx, 32)
			r.Wipe()
			return err
		})
	})
	b.Run("generate/ec-p256", func(b *testing.B) {
		spec := hsmtest.Spec("bench", hsm.ECP256)
		how, _ := algorithmOf(hsm.ECP256)
		private, public := pairTemplates(spec, how)
		beside(b, func() error {
			pub, priv, err := c.GenerateKeyPair(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(how.generate, nil)}, template(public, recent), template(private, recent))
			if err != nil {
				return err
			}
			if err := c.DestroyObject(h, pub); err != nil {
				return err
			}
			return c.DestroyObject(h, priv)
		}, func() error {
			if _, err := s.Generate(ctx, spec); err != nil {
				return err
			}
			_, err := s.Destroy(ctx, hsm.Query{ID: spec.ID})
			return err
		})
	})
	benchBackup(b, k, inside, s, bare)
	b.Run("find/all", func(b *testing.B) {
		beside(b, func() error {
			if err := c.FindObjectsInit(h, nil); err != nil {
				return err
			}
			if _, _, err := c.FindObjects(h, 64); err != nil {
				return err
			}
			return c.FindObjectsFinal(h)
		}, func() error {
			_, err := s.Find(ctx, hsm.Query{})
			return err
		})
	})
}

// trusted imports a trusted wrapping key and makes a key that may leave under it.
func trusted(b *testing.B, k *hsmtest.Token, s hsm.Session, kek *secret.Buffer) hsm.Key {
	b.Helper()
	ctx := b.Context()
	spec := hsmtest.Spec("leaves", hsm.ECP256)
	spec.Protection = hsm.WrapBackup
	_, imported := s.(hsm.Wrapper).ImportWrappingKey(ctx, hsmtest.WrappingKey("restore", false, false), kek)
	err := errors.Join(imported, s.Logout(ctx), s.Login(ctx, hsm.SecurityOfficer, k.SO))
	if err != nil {
		b.Fatal(err)
	}
	_, imported = s.(hsm.Wrapper).ImportWrappingKey(ctx, hsmtest.WrappingKey("kek", false, true), kek)
	if err := errors.Join(imported, s.Logout(ctx), s.Login(ctx, hsm.Operator, k.User)); err != nil {
		b.Fatal(err)
	}
	pair, err := s.Generate(ctx, spec)
	if err != nil {
		b.Fatal(err)
	}
	return pair
}

// benchBackup: wrap, unwrap and delete.
func benchBackup(b *testing.B, k, inside *hsmtest.Token, s hsm.Session, bare *session) {
	ctx := b.Context()
	c, h := bare.m.ctx, bare.h
	kek, err := secret.Random(secretBytes)
	if err != nil {
		b.Fatal(err)
	}
	defer kek.Wipe()
	pair := trusted(b, k, s, kek)
	trusted(b, inside, bare, kek)
	leaves := hsmtest.ID("leaves")
	theirs, err := bare.one("", leaves, "private-key")
	if err != nil {
		b.Fatal(err)
	}
	under, err := bare.one("", hsmtest.ID("kek"), "secret-key")
	if err != nil {
		b.Fatal(err)
	}
	pad := []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmAESKeyWrapPad, nil)}
	b.Run("wrap/ec-p256", func(b *testing.B) {
		beside(b, func() error {
			_, err := c.WrapKey(h, pad, under, theirs)
			return err
		}, func() error {
			_, err := s.(hsm.Wrapper).Wrap(ctx, leaves, hsmtest.ID("kek"))
			return err
		})
	})
	back := hsmtest.Spec("back", hsm.ECP256)
	back.Protection = hsm.WrapBackup
	how, _ := algorithmOf(hsm.ECP256)
	private, public := pairTemplates(back, how)
	private, public = imported(private), imported(public)
	half, err := publicHalf(pair.SPKI)
	if err != nil {
		b.Fatal(err)
	}
	wrapped, err := s.(hsm.Wrapper).Wrap(ctx, leaves, hsmtest.ID("kek"))
	if err != nil {
		b.Fatal(err)
	}
	var halves [2]pkcs11.ObjectHandle
	unwrapBare := func() (err error) {
		if halves[0], err = c.UnwrapKey(h, pad, under, wrapped.Blob, template(private, recent)); err != nil {
			return err
		}
		halves[1], err = c.CreateObject(h, append(template(public, recent), half...))
		return err
	}
	deleteBare := func() error { return errors.Join(c.DestroyObject(h, halves[0]), c.DestroyObject(h, halves[1])) }
	unwrap := func() error {
		_, err := s.(hsm.Wrapper).Unwrap(ctx, back, hsmtest.ID("restore"), wrapped, pair.SPKI)
		return err
	}
	remove := func() error {
		_, err := s.Delete(ctx, back.ID, back.Label)
		return err
	}
	if err := errors.Join(unwrapBare(), unwrap()); err != nil {
		b.Fatal(err)
	}
	b.Run("unwrap/ec-p256", func(b *testing.B) {
		besideAfter(b, func() error { return errors.Join(deleteBare(), remove()) }, unwrapBare, unwrap)
	})
	b.Run("delete/ec-p256", func(b *testing.B) {
		if err := errors.Join(deleteBare(), remove()); err != nil {
			b.Fatal(err)
		}
		besideAfter(b, func() error { return errors.Join(unwrapBare(), unwrap()) }, deleteBare, remove)
	})
}

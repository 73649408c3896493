package hsmtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/secret"
)

func TestModel(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) *hsmtest.Token {
		return hsmtest.Fresh(t, hsmtest.NewModel().Start, "", nil, "")
	})
}

// TestRandomWalks does the same random things with SoftHSM and with the model:
// they agree on every outcome and on what the token then holds. The seed tells
// which walk failed.
func TestRandomWalks(t *testing.T) {
	walks, steps := 4, 80
	if hsmtest.Proof() {
		walks, steps = 100, 300
	}
	played := proved(t, "%d random steps played on SoftHSM and on the model: they agree on every outcome and on what the token then holds")
	for seed := range walks {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &walk{
				random: rand.New(rand.NewPCG(uint64(seed), 4)),
				real:   &walker{Token: hsmtest.SoftHSM(t, start)},
				model:  &walker{Token: hsmtest.Fresh(t, hsmtest.NewModel().Start, "", nil, "")},
			}
			for step := range steps {
				what, do := w.next(t)
				w.log = append(w.log, what)
				played.Add(1)
				if real, model := do(w.real), do(w.model); real != model {
					t.Fatalf("step %d: SoftHSM says %q, the model %q, after\n%s", step, real, model, strings.Join(w.log, "\n"))
				}
			}
		})
	}
}

type walk struct {
	random      *rand.Rand
	real, model *walker
	log         []string
}

type walker struct {
	*hsmtest.Token
	session hsm.Session
}

// outcome is what both must say alike: the class of an error, or what was found.
func outcome(err error, got ...any) string {
	var e *hsm.Error
	var m *hsm.Mismatch
	switch {
	case errors.As(err, &e):
		return string(e.Class)
	case errors.As(err, &m):
		return "mismatch"
	case err != nil:
		return err.Error()
	}
	return fmt.Sprint(got...)
}

// next draws one step; do plays it on either side.
func (w *walk) next(t *testing.T) (string, func(*walker) string) {
	ctx := t.Context()
	label := []string{"a", "b", "c"}[w.random.IntN(3)]
	who := []hsm.User{hsm.Operator, hsm.SecurityOfficer}[w.random.IntN(2)]
	pin := []string{"user-12345678", "so-87654321", "third-111111", "abc"}[w.random.IntN(4)]
	pin2 := []string{"user-12345678", "so-87654321", "third-111111", "abc"}[w.random.IntN(4)]
	class := []string{"", "private-key", "public-key", "secret-key", "data"}[w.random.IntN(5)]
	data := hsm.Data{Application: app, Label: label, Private: w.random.IntN(2) == 0, WriteOnce: w.random.IntN(8) == 0, Value: []byte(pin)}
	spec := hsmtest.Spec(label, hsm.ECP256)
	if label != "a" {
		spec.Protection = hsm.WrapBackup
	}
	kek := hsmtest.WrappingKey("kek", w.random.IntN(2) == 0, w.random.IntN(2) == 0)
	buffer := func(text string) *secret.Buffer { return hsmtest.Secret(t, text) }
	in := func(do func(*walker) string) func(*walker) string {
		return func(k *walker) string {
			if k.session == nil {
				return "no session"
			}
			return do(k)
		}
	}
	steps := []struct {
		name   string
		weight int
		do     func(*walker) string
	}{
		{"open", 6, func(k *walker) string {
			if k.session != nil {
				return "open already"
			}
			s, err := k.Module.Open(ctx, k.Serial)
			if err == nil {
				k.session = s
			}
			return outcome(err)
		}},
		{"close", 2, in(func(k *walker) string {
			err := k.session.Close()
			k.session = nil
			return outcome(err)
		})},
		{"restart", 1, func(k *walker) string {
			k.Restart(t)
			k.session = nil
			return ""
		}},
		{"log in right", 6, in(func(k *walker) string {
			return outcome(k.session.Login(ctx, who, map[hsm.User]*secret.Buffer{hsm.Operator: k.User, hsm.SecurityOfficer: k.SO}[who]))
		})},
		{"log in as " + string(who) + " with " + pin, 3, in(func(k *walker) string { return outcome(k.session.Login(ctx, who, buffer(pin))) })},
		{"log out", 3, in(func(k *walker) string { return outcome(k.session.Logout(ctx)) })},
		{"set PIN " + pin + " to " + pin2, 2, in(func(k *walker) string { return outcome(k.session.SetPIN(ctx, buffer(pin), buffer(pin2))) })},
		{"init PIN " + pin, 1, in(func(k *walker) string { return outcome(k.session.InitPIN(ctx, buffer(pin))) })},
		{"initialise", 1, func(k *walker) string {
			i, err := k.Module.InitToken(ctx, k.Serial, "again", k.SO)
			if err == nil {
				k.Serial = i.Serial
			}
			return outcome(err)
		}},
		{"generate " + label, 6, in(func(k *walker) string {
			pair, err := k.session.Generate(ctx, spec)
			return outcome(err, pair.Private, pair.Public)
		})},
		{"generate a MAC key " + label, 2, in(func(k *walker) string {
			mac := macKey()
			mac.ID, mac.Label = hsmtest.ID("mac "+label), label
			key, err := k.session.Generate(ctx, mac)
			return outcome(err, key.Private, key.Check.Method)
		})},
		{"check value of " + label, 1, in(func(k *walker) string {
			check, err := k.session.CheckValue(ctx, hsmtest.ID("mac "+label))
			return outcome(err, check.Method)
		})},
		{"prove " + label, 1, in(func(k *walker) string {
			pair, err := k.session.(hsm.Inspector).Inspect(ctx, spec)
			if err != nil {
				return outcome(err)
			}
			_, err = hsm.ProvePossession(ctx, k.session, spec, pair, []byte("m"))
			return outcome(err)
		})},
		{"delete " + label, 2, in(func(k *walker) string {
			d, err := k.session.Delete(ctx, hsmtest.ID(label), label)
			return outcome(err, d.Removed, d.ByID, d.ByLabel, d.Use)
		})},
		{fmt.Sprintf("import %+v", kek), 3, in(func(k *walker) string {
			key, err := k.session.(hsm.Wrapper).ImportWrappingKey(ctx, kek, buffer("thirty-two bytes of a test's key"))
			return outcome(err, key.Private, key.Check)
		})},
		{"back up and restore " + label, 4, in(func(k *walker) string {
			w := k.session.(hsm.Wrapper)
			wrapped, err := w.Wrap(ctx, spec.ID, kek.ID)
			if err != nil {
				return outcome(err)
			}
			spki, err := k.session.PublicKey(ctx, spec.ID)
			if err != nil {
				return outcome(err)
			}
			back := spec
			back.ID = hsmtest.ID("back " + label)
			key, err := w.Unwrap(ctx, back, kek.ID, wrapped, spki)
			return outcome(err, key.Private, key.Public)
		})},
		{"sign " + label, 4, in(func(k *walker) string {
			signature, err := k.session.Sign(ctx, hsmtest.ID(label), []byte("m"))
			if err != nil {
				return outcome(err)
			}
			spki, err := k.session.PublicKey(ctx, hsmtest.ID(label))
			if err != nil {
				return outcome(err)
			}
			return outcome(hsmtest.Verify(spki, []byte("m"), signature))
		})},
		{"public key " + label, 2, in(func(k *walker) string {
			_, err := k.session.PublicKey(ctx, hsmtest.ID(label))
			return outcome(err)
		})},
		{"find " + class, 6, in(func(k *walker) string {
			found, err := k.session.Find(ctx, hsm.Query{Class: class})
			slices.SortFunc(found, func(a, b hsm.Object) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			return outcome(err, found)
		})},
		{"destroy " + class + " " + label, 3, in(func(k *walker) string {
			left, err := k.session.Destroy(ctx, hsm.Query{Class: class, Label: label})
			return outcome(err, left)
		})},
		{fmt.Sprintf("put %+v", data), 4, in(func(k *walker) string { return outcome(k.session.PutData(ctx, data)) })},
		{"get data", 3, in(func(k *walker) string {
			got, err := k.session.GetData(ctx, app)
			slices.SortFunc(got, func(a, b hsm.Data) int { return bytes.Compare(fmt.Append(nil, a), fmt.Append(nil, b)) })
			return outcome(err, got)
		})},
		{"token", 2, in(func(k *walker) string {
			i, err := k.session.Token(ctx)
			return outcome(err, i.Label, i.Initialised, i.UserPINSet)
		})},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	at := w.random.IntN(total)
	for _, s := range steps {
		if at -= s.weight; at < 0 {
			return s.name, s.do
		}
	}
	panic("unreachable")
}

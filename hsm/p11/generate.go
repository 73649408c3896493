//go:build cgo

package p11

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
)

func (s *session) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	op := fmt.Sprintf("generate the key %q", spec.Label)
	spec.Origin = hsm.MadeHere
	a, err := s.begin(ctx, op, spec)
	if err != nil {
		return hsm.Key{}, err
	}
	t := templatesFor(spec, a)
	mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(a.generate, nil)}
	err = s.make(op, spec.ID, func(upTo age) (err error) {
		if t.secret != nil {
			_, err = s.m.ctx.GenerateKey(s.h, mechanism, template(t.secret, upTo))
		} else {
			_, _, err = s.m.ctx.GenerateKeyPair(s.h, mechanism, template(t.public, upTo), template(t.private, upTo))
		}
		return err
	})
	if err != nil {
		return hsm.Key{}, err
	}
	return s.readBack(op, spec, a, t)
}

// begin is what comes before a key is made in any way: the question makes sense
// and its id is free.
func (s *session) begin(ctx context.Context, op string, spec hsm.KeySpec) (algorithm, error) {
	if err := s.ready(ctx, op); err != nil {
		return algorithm{}, err
	}
	a, err := check(op, spec)
	if err != nil {
		return algorithm{}, err
	}
	if spec.Trusted {
		if err := s.officer(op); err != nil {
			return algorithm{}, err
		}
	}
	return a, s.free(op, spec.ID)
}

// officer says that the security officer is logged in. The token would refuse, too;
// but SoftHSM, refusing, leaves an empty object in the token for each time.
func (s *session) officer(op string) error {
	info, err := s.m.ctx.GetSessionInfo(s.h)
	if err != nil {
		return refused(op, err)
	}
	if info.State != pkcs11.CKS_RW_SO_FUNCTIONS {
		return &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: "only the security officer calls a key trusted, and is not logged in"}
	}
	return nil
}

func check(op string, spec hsm.KeySpec) (algorithm, error) {
	if err := spec.Check(); err != nil {
		return algorithm{}, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: err.Error()}
	}
	a, known := algorithmOf(spec.Algorithm)
	if !known {
		panic("p11: no algorithm is called " + spec.Algorithm)
	}
	return a, nil
}

// make asks the token for the objects of one key. A token that does not know an
// attribute refuses the whole template, each in its own words (NSS: a general
// error). Only where it made nothing is it asked again, with fewer of those that
// not every token knows.
func (s *session) make(op string, id []byte, ask func(upTo age) error) error {
	var err error
	for _, upTo := range []age{recent, old, always} {
		err = s.tidily(op, func() error { return ask(upTo) })
		if !hasCode(err, templateRefused...) || s.free(op, id) != nil {
			break
		}
	}
	if err != nil {
		return refused(op, err)
	}
	return nil
}

// tidily removes what a call that made an object, and failed, left in the session.
// SoftHSM, refusing one attribute of a template, leaves an object with those before
// it: without a label or an id, maybe with a value that anyone can read.
func (s *session) tidily(op string, create func() error) error {
	before, err := s.ofSession(op)
	if err != nil {
		return err
	}
	refusal := create()
	if refusal == nil {
		return nil
	}
	after, err := s.ofSession(op)
	if err != nil {
		return errors.Join(refusal, err)
	}
	for _, h := range after {
		if slices.Contains(before, h) {
			continue
		}
		if err := s.m.ctx.DestroyObject(s.h, h); err != nil {
			return errors.Join(refusal, refused(op, err))
		}
	}
	return refusal
}

// ofSession are the objects that end with the session.
func (s *session) ofSession(op string) ([]pkcs11.ObjectHandle, error) {
	return s.search(op, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false)})
}

var templateRefused = []uint{
	pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, pkcs11.CKR_ATTRIBUTE_READ_ONLY,
	pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_ARGUMENTS_BAD, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_GENERAL_ERROR,
}

// free says that no object has this id yet: afterwards the id must name exactly
// what this one call made.
func (s *session) free(op string, id []byte) error {
	found, err := s.search(op, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, id)})
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("the token already holds %d object(s) with the id %x", len(found), id)}
	}
	return nil
}

func template(list []wanted, upTo age) []*pkcs11.Attribute {
	var out []*pkcs11.Attribute
	for _, w := range list {
		if !w.fact && w.spare <= upTo {
			out = append(out, pkcs11.NewAttribute(w.cka, w.value))
		}
	}
	return out
}

func (s *session) Inspect(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	op := fmt.Sprintf("read the key %q", spec.Label)
	if err := s.ready(ctx, op); err != nil {
		return hsm.Key{}, err
	}
	a, err := check(op, spec)
	if err != nil {
		return hsm.Key{}, err
	}
	return s.readBack(op, spec, a, templatesFor(spec, a))
}

// readBack finds the objects of a key by id, never by the handles the call
// returned, and compares all of their attributes.
func (s *session) readBack(op string, spec hsm.KeySpec, a algorithm, t templates) (hsm.Key, error) {
	found, err := s.search(op, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, spec.ID)})
	if err != nil {
		return hsm.Key{}, err
	}
	var key hsm.Key
	var wrong []hsm.Difference
	count := make(map[string]int)
	for _, h := range found {
		o, got, err := s.object(op, h)
		if err != nil {
			return hsm.Key{}, err
		}
		count[o.Class]++
		switch {
		case o.Class == "private-key" && t.private != nil:
			key.Private = o
			wrong = append(wrong, differences("private ", t.private, got)...)
		case o.Class == "public-key" && t.public != nil:
			key.Public = o
			wrong = append(wrong, differences("public ", t.public, got)...)
			if key.SPKI, err = spki(a, got); err == nil {
				err = hsm.CheckPublicKey(key.SPKI, spec.Algorithm)
			}
			if err != nil {
				wrong = append(wrong, hsm.Difference{Attribute: "public key", Want: string(spec.Algorithm), Got: err.Error()})
			}
		case o.Class == "secret-key" && t.secret != nil:
			key.Private = o
			wrong = append(wrong, differences("", t.secret, got)...)
			if key.Check, err = s.checkValue(op, h, o.KeyType, spec.Purpose); isClass(err, hsm.NotSupported) && t.twin.Value != "" {
				key.Check = t.twin
			} else if err != nil {
				wrong = append(wrong, hsm.Difference{Attribute: "check-value", Want: "one that the token computes", Got: err.Error()})
			}
		}
	}
	if want := t.classes(); fmt.Sprint(count) != fmt.Sprint(want) {
		wrong = append(wrong, hsm.Difference{Attribute: "objects with this id", Want: fmt.Sprint(want), Got: fmt.Sprint(count)})
	}
	if len(wrong) > 0 {
		return key, &hsm.Mismatch{Label: spec.Label, Wrong: wrong}
	}
	return key, nil
}

func isClass(err error, class hsm.Class) bool {
	var e *hsm.Error
	return errors.As(err, &e) && e.Class == class
}

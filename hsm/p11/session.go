//go:build cgo

package p11

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
	"claviger/hsm/secret"
)

type session struct {
	m      *module
	h      pkcs11.SessionHandle
	slot   uint
	serial string
	closed bool
	drawn  [sha256.Size]byte // of the last random bytes
}

var (
	_ hsm.Session   = (*session)(nil)
	_ hsm.Inspector = (*session)(nil)
	_ hsm.Wrapper   = (*session)(nil)
	_ hsm.Prover    = (*session)(nil)
)

// ready says whether a call may be made at all.
func (s *session) ready(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed || s.m.ctx == nil {
		return &hsm.Error{Class: hsm.Gone, Op: op, Why: "the session is closed"}
	}
	return nil
}

func (s *session) Token(ctx context.Context) (hsm.TokenInfo, error) {
	const op = "read the token's state"
	if err := s.ready(ctx, op); err != nil {
		return hsm.TokenInfo{}, err
	}
	slot, err := s.m.find(op, s.serial)
	if err != nil {
		return hsm.TokenInfo{}, err
	}
	return s.m.describe(slot)
}

// Random refuses what a broken generator gives and a working one does not: see
// [hsm.CheckRandom]; and the same draw twice in a session.
func (s *session) Random(ctx context.Context, n int) (*secret.Buffer, error) {
	op := fmt.Sprintf("draw %d random bytes from the token", n)
	if err := s.ready(ctx, op); err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: "ask for at least one"}
	}
	b, err := s.m.ctx.GenerateRandom(s.h, n)
	if err != nil {
		return nil, refused(op, err)
	}
	drawn := secret.From(b)
	if err := s.plausible(drawn, n); err != nil {
		drawn.Wipe()
		return nil, &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
	}
	return drawn, nil
}

func (s *session) plausible(drawn *secret.Buffer, n int) error {
	if drawn.Len() != n {
		return fmt.Errorf("it gave %d", drawn.Len())
	}
	if err := hsm.CheckRandom(drawn.Bytes()); err != nil {
		return err
	}
	sum := sha256.Sum256(drawn.Bytes())
	if n >= 16 && sum == s.drawn {
		return errors.New("its generator repeats itself: it gave the same bytes twice")
	}
	s.drawn = sum
	return nil
}

func (s *session) Login(ctx context.Context, as hsm.User, pin *secret.Buffer) error {
	op := fmt.Sprintf("log in as %s", as)
	if err := s.ready(ctx, op); err != nil {
		return err
	}
	number := uint(pkcs11.CKU_USER)
	switch as {
	case hsm.Operator:
	case hsm.SecurityOfficer:
		number = pkcs11.CKU_SO
	default:
		return &hsm.Error{Class: hsm.NotSupported, Op: op, Why: "there is no such user"}
	}
	pad, err := s.atPad(op, pin)
	switch {
	case err != nil:
		return err
	case pad:
		if err := s.m.pad.login(s.h, number); err != nil {
			return refusedAtPad(op, err)
		}
		return nil
	}
	if err := s.m.ctx.Login(s.h, number, lend(pin)); err != nil {
		return refused(op, err)
	}
	return nil
}

func (s *session) Logout(ctx context.Context) error {
	const op = "log out"
	if err := s.ready(ctx, op); err != nil {
		return err
	}
	if err := s.m.ctx.Logout(s.h); err != nil {
		return refused(op, err)
	}
	return nil
}

func (s *session) InitPIN(ctx context.Context, pin *secret.Buffer) error {
	const op = "set the user PIN"
	if err := s.ready(ctx, op); err != nil {
		return err
	}
	pad, err := s.atPad(op, pin)
	switch {
	case err != nil:
		return err
	case pad:
		if err := s.m.pad.initPIN(s.h); err != nil {
			return refusedAtPad(op, err)
		}
		return nil
	}
	if err := s.m.ctx.InitPIN(s.h, lend(pin)); err != nil {
		return refused(op, err)
	}
	return nil
}

func (s *session) SetPIN(ctx context.Context, old, new *secret.Buffer) error {
	const op = "change the PIN"
	if err := s.ready(ctx, op); err != nil {
		return err
	}
	pad, err := s.atPad(op, old, new)
	switch {
	case err != nil:
		return err
	case pad:
		if err := s.m.pad.setPIN(s.h); err != nil {
			return refusedAtPad(op, err)
		}
		return nil
	}
	if err := s.m.ctx.SetPIN(s.h, lend(old), lend(new)); err != nil {
		return refused(op, err)
	}
	return nil
}

func (s *session) Find(ctx context.Context, q hsm.Query) ([]hsm.Object, error) {
	const op = "list the token's objects"
	if err := s.ready(ctx, op); err != nil {
		return nil, err
	}
	return s.inventory(op, q)
}

func (s *session) query(op string, q hsm.Query) ([]pkcs11.ObjectHandle, error) {
	var match []*pkcs11.Attribute
	if q.Class != "" {
		n, ok := classNumber(q.Class)
		if !ok {
			return nil, &hsm.Error{Class: hsm.NotSupported, Op: op, Why: fmt.Sprintf("%q is no class of objects", q.Class)}
		}
		match = append(match, pkcs11.NewAttribute(pkcs11.CKA_CLASS, n))
	}
	if q.Label != "" {
		match = append(match, pkcs11.NewAttribute(pkcs11.CKA_LABEL, q.Label))
	}
	if len(q.ID) > 0 {
		match = append(match, pkcs11.NewAttribute(pkcs11.CKA_ID, q.ID))
	}
	return s.search(op, match)
}

func (s *session) PublicKey(ctx context.Context, id []byte) ([]byte, error) {
	op := fmt.Sprintf("read the public key with the id %x", id)
	if err := s.ready(ctx, op); err != nil {
		return nil, err
	}
	h, err := s.one(op, id, "public-key")
	if err != nil {
		return nil, err
	}
	a, err := s.algorithm(op, h)
	if err != nil {
		return nil, err
	}
	got, err := s.read(op, h, publicValues(a.keyType))
	if err != nil {
		return nil, err
	}
	der, err := spki(a, got)
	if err != nil {
		return nil, &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
	}
	return der, nil
}

func (s *session) Destroy(ctx context.Context, q hsm.Query) (int, error) {
	const op = "destroy objects"
	if err := s.ready(ctx, op); err != nil {
		return 0, err
	}
	return s.destroy(op, q)
}

// destroy counts what is left by searching again, whatever the calls returned.
func (s *session) destroy(op string, q hsm.Query) (int, error) {
	handles, err := s.query(op, q)
	if err != nil {
		return 0, err
	}
	var first error
	for _, h := range handles {
		if err := s.m.ctx.DestroyObject(s.h, h); err != nil && first == nil {
			first = refused(op, err)
		}
	}
	left, err := s.query(op, q)
	if err != nil {
		return len(handles), err
	}
	if first == nil && len(left) > 0 {
		first = &hsm.Error{Class: hsm.Broken, Op: op, Why: fmt.Sprintf("the module reported success, but %d of %d are still there", len(left), len(handles))}
	}
	return len(left), first
}

func (s *session) PutData(ctx context.Context, d hsm.Data) error {
	op := fmt.Sprintf("store the data object %q", d.Label)
	if err := s.ready(ctx, op); err != nil {
		return err
	}
	list := []wanted{
		want("class", uint(pkcs11.CKO_DATA)),
		want("token", true),
		want("private", d.Private),
		want("application", d.Application),
		want("label", d.Label),
		{attribute: value, value: d.Value, text: hex.EncodeToString(d.Value)},
	}
	if d.WriteOnce {
		list = append(list, want("modifiable", false), want("copyable", false), want("destroyable", false))
	}
	h, err := s.m.ctx.CreateObject(s.h, template(list, recent))
	if err != nil {
		return refused(op, err)
	}
	got, err := s.values(op, h, attributesOf(list))
	if err != nil {
		return err
	}
	if wrong := differences("", list, got); len(wrong) > 0 {
		return &hsm.Mismatch{Label: d.Label, Wrong: wrong}
	}
	return nil
}

// value is read of data objects only: no other object's CKA_VALUE is ever asked for.
var value = attribute{pkcs11.CKA_VALUE, "value", octets}

func attributesOf(list []wanted) []attribute {
	var out []attribute
	for _, w := range list {
		out = append(out, w.attribute)
	}
	return out
}

func (s *session) GetData(ctx context.Context, application string) ([]hsm.Data, error) {
	op := fmt.Sprintf("read the data objects of %q", application)
	if err := s.ready(ctx, op); err != nil {
		return nil, err
	}
	found, err := s.search(op, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_DATA)),
		pkcs11.NewAttribute(pkcs11.CKA_APPLICATION, application),
	})
	if err != nil {
		return nil, err
	}
	var list []hsm.Data
	for _, h := range found {
		asked := []attribute{byName("application"), byName("label"), byName("private"),
			byName("modifiable"), byName("copyable"), byName("destroyable"), value}
		got, err := s.values(op, h, asked)
		if err != nil {
			return nil, err
		}
		for _, needed := range []uint{pkcs11.CKA_APPLICATION, pkcs11.CKA_LABEL, pkcs11.CKA_VALUE} {
			if got[needed] == nil {
				return nil, &hsm.Error{Class: hsm.Broken, Op: op, Why: "the token lists one and does not show all of it"}
			}
		}
		is := func(name, text string) bool { return show(byName(name), got[byName(name).cka]) == text }
		list = append(list, hsm.Data{
			Application: string(got[pkcs11.CKA_APPLICATION]),
			Label:       string(got[pkcs11.CKA_LABEL]),
			Private:     !is("private", "false"),
			WriteOnce:   is("modifiable", "false") && is("copyable", "false") && is("destroyable", "false"),
			Value:       got[pkcs11.CKA_VALUE],
		})
	}
	return list, nil
}

// Close closes, with the last session given out, all that the slot has: one that
// a failed call left open would keep the login.
func (s *session) Close() error {
	if s.closed || s.m.ctx == nil {
		return nil
	}
	s.closed = true
	err := s.m.ctx.CloseSession(s.h)
	s.m.open[s.slot]--
	if s.m.open[s.slot] == 0 && s.m.ctx.CloseAllSessions(s.slot) == nil {
		return nil
	}
	if err != nil {
		return refused("close the session", err)
	}
	return nil
}

// search runs one search to its end.
func (s *session) search(op string, match []*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := s.m.ctx.FindObjectsInit(s.h, match); err != nil {
		return nil, refused(op, err)
	}
	var all []pkcs11.ObjectHandle
	for {
		some, _, err := s.m.ctx.FindObjects(s.h, 64)
		if err != nil {
			// The search would stay open and every later one would be refused.
			_ = s.m.ctx.FindObjectsFinal(s.h)
			return nil, refused(op, err)
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	if err := s.m.ctx.FindObjectsFinal(s.h); err != nil {
		return nil, refused(op, err)
	}
	return all, nil
}

// object reads one object as it is shown, and the values behind it.
func (s *session) object(op string, h pkcs11.ObjectHandle) (hsm.Object, map[uint][]byte, error) {
	head, err := s.read(op, h, []string{"class"})
	if err != nil {
		return hsm.Object{}, nil, err
	}
	if head[pkcs11.CKA_CLASS] == nil {
		return hsm.Object{}, nil, &hsm.Error{Class: hsm.Broken, Op: op, Why: "the token lists an object and does not say of what class it is"}
	}
	o := hsm.Object{Class: className(toNumber(head[pkcs11.CKA_CLASS]))}
	names := []string{"class", "label"}
	own := shownFor(o.Class)
	switch o.Class {
	case "private-key", "public-key", "secret-key":
		head, err := s.read(op, h, []string{"key-type"})
		if err != nil {
			return hsm.Object{}, nil, err
		}
		o.KeyType = nameOr(keyTypes, toNumber(head[pkcs11.CKA_KEY_TYPE]))
		names = append(names, "id", "key-type")
	case "certificate":
		names = append(names, "id")
	}
	if o.Class == "public-key" {
		names = append(names, publicValues(o.KeyType)...)
	}
	names = append(names, own...)
	got, err := s.read(op, h, names)
	if err != nil {
		return hsm.Object{}, nil, err
	}
	o.Label = clean(string(got[pkcs11.CKA_LABEL]))
	o.ID = got[pkcs11.CKA_ID]
	for _, name := range own {
		a := byName(name)
		o.Attributes = append(o.Attributes, hsm.Attribute{Name: name, Value: show(a, got[a.cka])})
	}
	return o, got, nil
}

func (s *session) read(op string, h pkcs11.ObjectHandle, names []string) (map[uint][]byte, error) {
	var list []attribute
	for _, name := range names {
		list = append(list, byName(name))
	}
	return s.values(op, h, list)
}

// values reads attributes; one that the token does not give is missing from the
// map. A token that lacks one of them answers for none, then each is asked alone.
func (s *session) values(op string, h pkcs11.ObjectHandle, list []attribute) (map[uint][]byte, error) {
	got := make(map[uint][]byte)
	var ask []*pkcs11.Attribute
	for _, a := range list {
		ask = append(ask, pkcs11.NewAttribute(a.cka, nil))
	}
	answers, err := s.m.ctx.GetAttributeValue(s.h, h, ask)
	if err == nil {
		for _, a := range answers {
			got[a.Type] = a.Value
		}
		return got, nil
	}
	for _, one := range ask {
		answers, err := s.m.ctx.GetAttributeValue(s.h, h, []*pkcs11.Attribute{one})
		if hasCode(err, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_SENSITIVE) {
			continue
		}
		if err != nil {
			return nil, refused(op, err)
		}
		got[one.Type] = answers[0].Value
	}
	return got, nil
}

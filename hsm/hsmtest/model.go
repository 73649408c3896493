package hsmtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// Model is a device in plain Go that behaves as PKCS#11 and this program's
// contract say, with tokens that live as long as it does. It holds keys in
// ordinary memory: it is for tests only. [Model.Start] is a [Start].
type Model struct {
	mu     sync.Mutex
	tokens []*modelToken
	last   int
	atPad  *Pad // nil where PINs are sent to it
}

// Pad is what people do at the pads of a device's tokens: what is right, until they
// are told otherwise.
type Pad struct {
	// Next gives the error with which the next call at a pad ends, nil for none; it is
	// called once for each.
	Next func() error
	// Asked counts the calls at a pad.
	Asked int
}

type modelToken struct {
	hardware      bool
	serial, label string
	so, user      []byte
	objects       []*modelObject
	open          int
	who           hsm.User
}

type modelObject struct {
	hsm.Object
	private, writeOnce bool
	data               hsm.Data
	signer             crypto.Signer // of both halves of a pair
	secret             []byte        // of a secret key
	session            *modelSession // whose it is; nil for an object of the token
}

// NewModel is a device with one free token.
func NewModel() *Model { return &Model{tokens: []*modelToken{{}}} }

// NewPadModel is one whose tokens take no PIN: people enter it on the device.
func NewPadModel(pad *Pad) *Model { return &Model{tokens: []*modelToken{{}}, atPad: pad} }

// NewNumberedModel is one whose hardware tokens have their serial numbers from the
// factory, before they are initialised, and keep them.
func NewNumberedModel(serials ...string) *Model {
	m := &Model{}
	for _, serial := range serials {
		m.tokens = append(m.tokens, &modelToken{serial: serial, hardware: true})
	}
	return m
}

// NewHardwareModel is one whose slot says that it is hardware (CKF_HW_SLOT).
func NewHardwareModel() *Model { return &Model{tokens: []*modelToken{{hardware: true}}} }

// Start opens the device, as a new process would. Path and env mean nothing here.
func (m *Model) Start(context.Context, string, []string) (hsm.Module, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.tokens {
		k.open, k.who = 0, ""
		k.objects = slices.DeleteFunc(k.objects, func(o *modelObject) bool { return o.session != nil })
	}
	return &modelModule{model: m}, nil
}

// Clone is a device that holds what this one holds now.
func (m *Model) Clone() *Model {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Model{last: m.last, atPad: m.atPad}
	for _, k := range m.tokens {
		t := *k
		t.so, t.user, t.open, t.who = bytes.Clone(k.so), bytes.Clone(k.user), 0, ""
		t.objects = nil
		for _, o := range k.objects {
			held := *o
			t.objects = append(t.objects, &held)
		}
		c.tokens = append(c.tokens, &t)
	}
	return c
}

// Objects lists what all tokens hold, private objects too.
func (m *Model) Objects() []hsm.Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []hsm.Object
	for _, k := range m.tokens {
		for _, o := range k.objects {
			list = append(list, o.Object)
		}
	}
	return list
}

type modelModule struct {
	model  *Model
	closed bool
}

type modelSession struct {
	module *modelModule
	token  *modelToken
	closed bool
}

var (
	_ hsm.Module    = (*modelModule)(nil)
	_ hsm.Session   = (*modelSession)(nil)
	_ hsm.Inspector = (*modelSession)(nil)
	_ hsm.Wrapper   = (*modelSession)(nil)
	_ hsm.Prover    = (*modelSession)(nil)
)

func refuse(class hsm.Class, op, why string) error {
	return &hsm.Error{Class: class, Op: op, Why: why}
}

// enter locks the device and says whether a call may be made.
func (m *modelModule) enter(ctx context.Context, op string) error {
	m.model.mu.Lock()
	if err := ctx.Err(); err != nil {
		m.model.mu.Unlock()
		return err
	}
	if m.closed {
		m.model.mu.Unlock()
		return refuse(hsm.Gone, op, "the module is closed")
	}
	return nil
}

func (m *modelModule) leave() { m.model.mu.Unlock() }

func (m *modelModule) find(op, serial string) (*modelToken, error) {
	for _, k := range m.model.tokens {
		if k.serial == serial && (serial != "" || k.so == nil) {
			return k, nil
		}
	}
	return nil, refuse(hsm.Gone, op, fmt.Sprintf("no token with serial number %q is connected", serial))
}

func (m *modelModule) Info(ctx context.Context) (hsm.ModuleInfo, error) {
	if err := m.enter(ctx, "read what the module says of itself"); err != nil {
		return hsm.ModuleInfo{}, err
	}
	defer m.leave()
	sum := sha256.Sum256([]byte("model"))
	return hsm.ModuleInfo{Path: "model", SHA256: hex.EncodeToString(sum[:]), Manufacturer: "Claviger", Description: "model for tests", Version: "1.0", Cryptoki: "2.40"}, nil
}

func (m *modelModule) Tokens(ctx context.Context) ([]hsm.TokenInfo, error) {
	if err := m.enter(ctx, "list the tokens"); err != nil {
		return nil, err
	}
	defer m.leave()
	var list []hsm.TokenInfo
	for _, k := range m.model.tokens {
		list = append(list, m.model.info(k))
	}
	return list, nil
}

// handed gives what is entered for a call that takes these PINs: they themselves, or,
// at a pad, what people enter there for each.
func (m *Model) handed(op string, pins []*secret.Buffer, entered ...[]byte) ([][]byte, error) {
	if m.atPad == nil {
		var out [][]byte
		for _, pin := range pins {
			out = append(out, pin.Bytes())
		}
		return out, nil
	}
	for _, pin := range pins {
		if pin.Len() > 0 {
			return nil, refuse(hsm.NotAllowed, op, "this token's PINs are entered on the device")
		}
	}
	m.atPad.Asked++
	if m.atPad.Next != nil {
		if err := m.atPad.Next(); err != nil {
			return nil, err
		}
	}
	return entered, nil
}

// chosen is a PIN that people choose at a pad: another one each time.
func (m *Model) chosen() []byte {
	if m.atPad == nil {
		return nil
	}
	return fmt.Appendf(nil, "at the pad %d", m.atPad.Asked)
}

func (m *Model) info(k *modelToken) hsm.TokenInfo {
	return hsm.TokenInfo{
		ProtectedPath: m.atPad != nil,
		Serial:        k.serial, Label: k.label, Manufacturer: "Claviger", Model: "model", SlotDescription: "model",
		HardwareVersion: "1.0", FirmwareVersion: "1.0",
		HardwareSlot: k.hardware,
		Initialised:  k.so != nil, UserPINSet: k.user != nil, Random: true, MinPIN: 4, MaxPIN: 255,
		PracticeMark: slices.ContainsFunc(k.objects, func(o *modelObject) bool {
			return o.Class == "data" && !o.private && o.Label == hsm.PracticeMark
		}),
	}
}

func (m *modelModule) Mechanisms(ctx context.Context, serial string) ([]hsm.Mechanism, error) {
	const op = "list the token's mechanisms"
	if err := m.enter(ctx, op); err != nil {
		return nil, err
	}
	defer m.leave()
	if _, err := m.find(op, serial); err != nil {
		return nil, err
	}
	make := []string{"generate-key-pair"}
	return []hsm.Mechanism{
		{Name: "CKM_EC_KEY_PAIR_GEN", Min: 256, Max: 521, Flags: make},
		{Name: "CKM_RSA_PKCS_KEY_PAIR_GEN", Min: 3072, Max: 4096, Flags: make},
		{Name: "CKM_EC_EDWARDS_KEY_PAIR_GEN", Min: 255, Max: 255, Flags: make},
		{Name: "CKM_ECDH1_DERIVE", Min: 256, Max: 521, Flags: []string{"derive"}},
		{Name: "CKM_RSA_PKCS_OAEP", Min: 3072, Max: 4096, Flags: []string{"encrypt", "decrypt"}},
		{Name: "CKM_ECDSA", Min: 256, Max: 521, Flags: []string{"sign"}},
		{Name: "CKM_SHA256_RSA_PKCS", Min: 3072, Max: 4096, Flags: []string{"sign"}},
		{Name: "CKM_EDDSA", Min: 255, Max: 255, Flags: []string{"sign"}},
		{Name: "CKM_AES_KEY_GEN", Min: 32, Max: 32, Flags: []string{"generate"}},
		{Name: "CKM_AES_ECB", Min: 32, Max: 32, Flags: []string{"encrypt"}},
		{Name: modelWrap, Min: 32, Max: 32, Flags: []string{"wrap", "unwrap"}},
		{Name: "CKM_GENERIC_SECRET_KEY_GEN", Min: 32, Max: 32, Flags: []string{"generate"}},
		{Name: "CKM_SHA256_HMAC", Min: 32, Max: 32, Flags: []string{"sign"}},
	}, nil
}

func (m *modelModule) InitToken(ctx context.Context, serial, label string, so *secret.Buffer) (hsm.TokenInfo, error) {
	const op = "initialise the token"
	if err := m.enter(ctx, op); err != nil {
		return hsm.TokenInfo{}, err
	}
	defer m.leave()
	if label == "" || len(label) > 32 || strings.HasSuffix(label, " ") {
		return hsm.TokenInfo{}, refuse(hsm.NotAllowed, op, "a label has 1 to 32 bytes and does not end in a blank")
	}
	k, err := m.find(op, serial)
	if err != nil {
		return hsm.TokenInfo{}, err
	}
	entered := k.so
	if entered == nil {
		entered = m.model.chosen()
	}
	pins, err := m.model.handed(op, []*secret.Buffer{so}, entered)
	switch {
	case err != nil:
		return hsm.TokenInfo{}, err
	case k.open > 0:
		return hsm.TokenInfo{}, refuse(hsm.Busy, op, "a session with the token is still open")
	case k.so != nil && !bytes.Equal(k.so, pins[0]):
		return hsm.TokenInfo{}, refuse(hsm.WrongPIN, op, "the PIN is not the right one")
	case !fits(pins[0]):
		return hsm.TokenInfo{}, refuse(hsm.NotAllowed, op, "the PIN is too long or too short")
	}
	if k.so == nil && k.serial == "" {
		m.model.last++
		k.serial = fmt.Sprintf("%016x", m.model.last)
		m.model.tokens = append(m.model.tokens, &modelToken{})
	}
	k.label, k.so, k.user, k.objects = label, bytes.Clone(pins[0]), nil, nil
	return m.model.info(k), nil
}

func fits(pin []byte) bool { return len(pin) >= 4 && len(pin) <= 255 }

func (m *modelModule) Open(ctx context.Context, serial string) (hsm.Session, error) {
	const op = "open a session with the token"
	if err := m.enter(ctx, op); err != nil {
		return nil, err
	}
	defer m.leave()
	k, err := m.find(op, serial)
	if err != nil {
		return nil, err
	}
	if k.so == nil {
		return nil, refuse(hsm.Gone, op, "the token is not initialised")
	}
	k.open++
	return &modelSession{module: m, token: k}, nil
}

func (m *modelModule) Close() error {
	m.model.mu.Lock()
	defer m.model.mu.Unlock()
	m.closed = true
	return nil
}

func (s *modelSession) enter(ctx context.Context, op string) error {
	if err := s.module.enter(ctx, op); err != nil {
		return err
	}
	if s.closed {
		s.module.leave()
		return refuse(hsm.Gone, op, "the session is closed")
	}
	return nil
}

func (s *modelSession) Token(ctx context.Context) (hsm.TokenInfo, error) {
	if err := s.enter(ctx, "read the token's state"); err != nil {
		return hsm.TokenInfo{}, err
	}
	defer s.module.leave()
	return s.module.model.info(s.token), nil
}

func (s *modelSession) Random(ctx context.Context, n int) (*secret.Buffer, error) {
	op := fmt.Sprintf("draw %d random bytes from the token", n)
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.module.leave()
	if n <= 0 {
		return nil, refuse(hsm.NotAllowed, op, "ask for at least one")
	}
	return secret.Random(n)
}

func (s *modelSession) Login(ctx context.Context, as hsm.User, pin *secret.Buffer) error {
	op := "log in as " + string(as)
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.module.leave()
	k := s.token
	want := map[hsm.User][]byte{hsm.Operator: k.user, hsm.SecurityOfficer: k.so}[as]
	switch {
	case as != hsm.Operator && as != hsm.SecurityOfficer:
		return refuse(hsm.NotSupported, op, "there is no such user")
	case k.who == as:
		return refuse(hsm.Busy, op, "this user is logged in already")
	case k.who != "":
		return refuse(hsm.Busy, op, "the other user is logged in")
	case want == nil:
		return refuse(hsm.NotAllowed, op, "the token has no user PIN yet")
	}
	pins, err := s.module.model.handed(op, []*secret.Buffer{pin}, want)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, pins[0]) {
		return refuse(hsm.WrongPIN, op, "the PIN is not the right one")
	}
	k.who = as
	return nil
}

func (s *modelSession) Logout(ctx context.Context) error {
	if err := s.enter(ctx, "log out"); err != nil {
		return err
	}
	defer s.module.leave()
	s.token.who = ""
	return nil
}

func (s *modelSession) InitPIN(ctx context.Context, pin *secret.Buffer) error {
	const op = "set the user PIN"
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.module.leave()
	if s.token.who != hsm.SecurityOfficer {
		return refuse(hsm.NotAllowed, op, "the security officer is not logged in")
	}
	pins, err := s.module.model.handed(op, []*secret.Buffer{pin}, s.module.model.chosen())
	switch {
	case err != nil:
		return err
	case !fits(pins[0]):
		return refuse(hsm.NotAllowed, op, "the PIN is too long or too short")
	}
	s.token.user = bytes.Clone(pins[0])
	return nil
}

func (s *modelSession) SetPIN(ctx context.Context, old, new *secret.Buffer) error {
	const op = "change the PIN"
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.module.leave()
	k := s.token
	// PKCS#11 lets the user's PIN be changed by who knows it, logged in or not.
	pin := &k.user
	if k.who == hsm.SecurityOfficer {
		pin = &k.so
	}
	pins, err := s.module.model.handed(op, []*secret.Buffer{old, new}, *pin, s.module.model.chosen())
	switch {
	case err != nil:
		return err
	case !fits(pins[1]):
		return refuse(hsm.NotAllowed, op, "the PIN is too long or too short")
	case *pin == nil, !bytes.Equal(*pin, pins[0]):
		return refuse(hsm.WrongPIN, op, "the PIN is not the right one")
	}
	*pin = bytes.Clone(pins[1])
	return nil
}

// seen are the objects that match and may be seen now.
func (s *modelSession) seen(q hsm.Query) []*modelObject {
	var list []*modelObject
	for _, o := range s.token.objects {
		if (q.Class == "" || q.Class == o.Class) && (q.Label == "" || q.Label == o.Label) &&
			(len(q.ID) == 0 || bytes.Equal(q.ID, o.ID)) && (!o.private || s.token.who == hsm.Operator) {
			list = append(list, o)
		}
	}
	return list
}

func (s *modelSession) Find(ctx context.Context, q hsm.Query) ([]hsm.Object, error) {
	const op = "list the token's objects"
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.module.leave()
	if q.Class != "" && !slices.Contains([]string{"data", "certificate", "public-key", "private-key", "secret-key"}, q.Class) {
		return nil, refuse(hsm.NotSupported, op, fmt.Sprintf("%q is no class of objects", q.Class))
	}
	return s.list(q), nil
}

func (s *modelSession) list(q hsm.Query) []hsm.Object {
	var list []hsm.Object
	for _, o := range s.seen(q) {
		list = append(list, o.Object)
	}
	return list
}

func (s *modelSession) one(op string, id []byte, classes ...string) (*modelObject, error) {
	for _, class := range classes {
		if found := s.seen(hsm.Query{Class: class, ID: id}); len(id) > 0 && len(found) == 1 {
			return found[0], nil
		}
	}
	return nil, refuse(hsm.NotAllowed, op, fmt.Sprintf("the token shows no object of %v with the id %x", classes, id))
}

func (s *modelSession) PublicKey(ctx context.Context, id []byte) ([]byte, error) {
	op := fmt.Sprintf("read the public key with the id %x", id)
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.module.leave()
	o, err := s.one(op, id, "public-key")
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(o.signer.Public())
}

func (s *modelSession) Sign(ctx context.Context, id, message []byte) ([]byte, error) {
	op := fmt.Sprintf("sign with the key of id %x", id)
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.module.leave()
	o, err := s.one(op, id, "private-key", "secret-key")
	if err != nil {
		return nil, err
	}
	if Value(o.Object, "sign") != "true" {
		return nil, refuse(hsm.NotAllowed, op, "the key is not meant for this")
	}
	switch key := o.signer.(type) {
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, key, digest(key.Curve, message))
	case *rsa.PrivateKey:
		sum := sha256.Sum256(message)
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	case ed25519.PrivateKey:
		return key.Sign(nil, message, crypto.Hash(0))
	}
	mac := hmac.New(sha256.New, o.secret)
	mac.Write(message)
	return mac.Sum(nil), nil
}

func (s *modelSession) Destroy(ctx context.Context, q hsm.Query) (int, error) {
	const op = "destroy objects"
	if err := s.enter(ctx, op); err != nil {
		return 0, err
	}
	defer s.module.leave()
	var refused error
	for _, o := range s.seen(q) {
		switch {
		case o.writeOnce:
			refused = refuse(hsm.NotAllowed, op, "the object's attributes forbid it")
		default:
			s.token.objects = slices.DeleteFunc(s.token.objects, func(x *modelObject) bool { return x == o })
		}
	}
	return len(s.seen(q)), refused
}

func (s *modelSession) PutData(ctx context.Context, d hsm.Data) error {
	op := fmt.Sprintf("store the data object %q", d.Label)
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.module.leave()
	if d.Private && s.token.who != hsm.Operator {
		return refuse(hsm.NotAllowed, op, "nobody is logged in")
	}
	d.Value = bytes.Clone(d.Value)
	can := strconv.FormatBool(!d.WriteOnce)
	s.token.objects = append(s.token.objects, &modelObject{private: d.Private, writeOnce: d.WriteOnce, data: d,
		Object: hsm.Object{Class: "data", Label: d.Label, Attributes: []hsm.Attribute{
			{Name: "token", Value: "true"}, {Name: "private", Value: strconv.FormatBool(d.Private)},
			{Name: "application", Value: d.Application}, {Name: "object-id", Value: ""},
			{Name: "modifiable", Value: can}, {Name: "copyable", Value: can}, {Name: "destroyable", Value: can},
		}}})
	return nil
}

func (s *modelSession) GetData(ctx context.Context, application string) ([]hsm.Data, error) {
	if err := s.enter(ctx, fmt.Sprintf("read the data objects of %q", application)); err != nil {
		return nil, err
	}
	defer s.module.leave()
	var list []hsm.Data
	for _, o := range s.seen(hsm.Query{Class: "data"}) {
		if o.data.Application == application {
			d := o.data
			d.Value = bytes.Clone(d.Value)
			list = append(list, d)
		}
	}
	return list, nil
}

func (s *modelSession) Close() error {
	s.module.model.mu.Lock()
	defer s.module.model.mu.Unlock()
	if s.closed || s.module.closed {
		return nil
	}
	s.closed = true
	s.token.objects = slices.DeleteFunc(s.token.objects, func(o *modelObject) bool { return o.session == s })
	if s.token.open--; s.token.open == 0 {
		s.token.who = ""
	}
	return nil
}

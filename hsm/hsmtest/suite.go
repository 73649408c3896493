package hsmtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"claviger/hsm"
	"claviger/hsm/secret"
)

// Kinds are all keys that hsm names, each with its purpose and one protection.
var Kinds = []hsm.KeySpec{
	{Algorithm: hsm.ECP256, Purpose: hsm.Sign, Protection: hsm.WrapBackup},
	{Algorithm: hsm.ECP384, Purpose: hsm.Sign, Protection: hsm.ModuleOnly},
	{Algorithm: hsm.ECP521, Purpose: hsm.Sign, Protection: hsm.WrapBackup},
	{Algorithm: hsm.Ed25519, Purpose: hsm.Sign, Protection: hsm.ModuleOnly},
	{Algorithm: hsm.RSA3072, Purpose: hsm.Sign, Protection: hsm.WrapBackup},
	{Algorithm: hsm.ECP256, Purpose: hsm.Derive, Protection: hsm.ModuleOnly},
	{Algorithm: hsm.ECP384, Purpose: hsm.Derive, Protection: hsm.WrapBackup},
	{Algorithm: hsm.AES256, Purpose: hsm.Sign, Protection: hsm.WrapBackup},
	{Algorithm: hsm.AES256, Purpose: hsm.Encrypt, Protection: hsm.WrapBackup},
	{Algorithm: hsm.AES256, Purpose: hsm.Derive, Protection: hsm.ModuleOnly},
	{Algorithm: hsm.AES256, Purpose: hsm.Wrap, Protection: hsm.ModuleOnly},
	{Algorithm: hsm.HMACSHA256, Purpose: hsm.Sign, Protection: hsm.WrapBackup},
}

// slowKinds are those that take seconds, and are like another one; and the other
// protection of each.
func slowKinds() []hsm.KeySpec {
	list := []hsm.KeySpec{
		{Algorithm: hsm.RSA3072, Purpose: hsm.Encrypt, Protection: hsm.ModuleOnly},
		{Algorithm: hsm.RSA4096, Purpose: hsm.Sign, Protection: hsm.ModuleOnly},
		{Algorithm: hsm.RSA4096, Purpose: hsm.Encrypt, Protection: hsm.WrapBackup},
		{Algorithm: hsm.ECP521, Purpose: hsm.Derive, Protection: hsm.ModuleOnly},
	}
	for _, k := range append(slices.Clone(Kinds), list...) {
		k.Protection = map[hsm.Protection]hsm.Protection{hsm.ModuleOnly: hsm.WrapBackup, hsm.WrapBackup: hsm.ModuleOnly}[k.Protection]
		k.ID, k.Label = ID("x"), "x" // AllKinds names it
		if k.Check() == nil {
			list = append(list, k)
		}
	}
	return list
}

// AllKinds are the kinds to be tried now, with a label and an id each: all of them
// in the proof.
func AllKinds() []hsm.KeySpec {
	list := slices.Clone(Kinds)
	if Proof() {
		list = append(list, slowKinds()...)
	}
	for i, k := range list {
		list[i].Label = fmt.Sprintf("%s %s %s", k.Algorithm, k.Purpose, k.Protection)
		list[i].ID = ID(list[i].Label)
	}
	return list
}

// Run is what every hsm.Module must do, on whatever token. open gives a freshly
// initialised token with both PINs set and no objects; it is called once a test,
// from parallel tests. What a token lacks is left out by the mechanisms it lists,
// never by its name.
func Run(t *testing.T, open func(t *testing.T) *Token) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Token)
	}{
		{"module says what it is", testInfo},
		{"token is found by serial", testTokens},
		{"login", testLogin},
		{"PINs", testPINs},
		{"PINs are changed and proved", testChangePIN},
		{"zeroise", testZeroise},
		{"generated keys are as asked", testGenerate},
		{"generate refuses", testGenerateRefuses},
		{"objects", testFind},
		{"sign refuses", testSignRefuses},
		{"a key does one thing", testOnePurpose},
		{"destroy", testDestroy},
		{"delete", testDelete},
		{"trusted", testTrusted},
		{"backup and restore", testBackup},
		{"backup refuses", testBackupRefuses},
		{"data", testData},
		{"write once", testWriteOnce},
		{"random", testRandom},
		{"practice mark", testPracticeMark},
		{"initialise again", testInitialiseAgain},
		{"closed", testClosed},
		{"given up before", testGivenUp},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// Class fails the test unless err is an *hsm.Error of this class, with a
// sentence.
func Class(t testing.TB, err error, want hsm.Class) {
	t.Helper()
	var e *hsm.Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("got %v, want an error of class %q", err, want)
	case e.Class != want:
		t.Errorf("got class %q (%v), want %q", e.Class, err, want)
	case e.Op == "" || e.Why == "":
		t.Errorf("%v does not say what was asked and why not", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// generate makes a key pair. A token that does not make what it was asked to is
// no failure of the driver as long as that says so, truly: then the test goes on
// with the key as it is.
func generate(t testing.TB, s hsm.Session, spec hsm.KeySpec) hsm.Key {
	t.Helper()
	pair, err := s.Generate(context.Background(), spec)
	var m *hsm.Mismatch
	if !errors.As(err, &m) {
		must(t, err)
		return pair
	}
	t.Logf("stopped: %v", m)
	found, err := s.Find(context.Background(), hsm.Query{ID: spec.ID})
	must(t, err)
	if want := len(objects(pair)); len(found) != want {
		t.Fatalf("the token shows %d objects, the driver %+v", len(found), pair)
	}
	for _, o := range found {
		told := map[string]hsm.Object{"private-key": pair.Private, "secret-key": pair.Private, "public-key": pair.Public}[o.Class]
		if fmt.Sprint(o) != fmt.Sprint(told) {
			t.Errorf("the token holds %v, the driver says %v", o, told)
		}
		half := map[string]string{"private-key": "private ", "public-key": "public "}[o.Class]
		for _, d := range m.Wrong {
			name, ours := strings.CutPrefix(d.Attribute, half)
			if got := Value(o, name); ours && got != "" && got != d.Got {
				t.Errorf("%s: the driver says %q, the token %q", d.Attribute, d.Got, got)
			}
		}
	}
	return pair
}

// objects are what a key consists of.
func objects(k hsm.Key) []hsm.Object {
	if k.Private.Class == "secret-key" {
		return []hsm.Object{k.Private}
	}
	return []hsm.Object{k.Private, k.Public}
}

// hasOfficer says whether the token knows a security officer once its user PIN is
// set.
func hasOfficer(t testing.TB, k *Token) bool {
	t.Helper()
	s, err := k.Module.Open(context.Background(), k.Serial)
	must(t, err)
	defer s.Close()
	var e *hsm.Error
	if err := s.Login(context.Background(), hsm.SecurityOfficer, k.SO); errors.As(err, &e) && e.Class == hsm.NotSupported {
		t.Logf("the token has no security officer: %v", err)
		return false
	}
	return true
}

// ID is an id as ceremonies give them: 20 bytes.
func ID(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:20]
}

// Spec is a signing key that never leaves its token.
func Spec(label string, algorithm hsm.Algorithm) hsm.KeySpec {
	return hsm.KeySpec{ID: ID(label), Label: label, Algorithm: algorithm, Purpose: hsm.Sign, Protection: hsm.ModuleOnly}
}

// Verify checks a signature as hsm.Session.Sign makes it, with Go's library.
func Verify(spki []byte, message, signature []byte) error {
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return err
	}
	return hsm.VerifySignature(public, message, signature)
}

func testInfo(t *testing.T, k *Token) {
	info, err := k.Module.Info(t.Context())
	must(t, err)
	if info.Path == "" || len(info.SHA256) != 64 || info.Manufacturer == "" || info.Cryptoki == "" {
		t.Errorf("the module does not say what it is: %+v", info)
	}
}

func testTokens(t *testing.T, k *Token) {
	tokens, err := k.Module.Tokens(t.Context())
	must(t, err)
	i := slices.IndexFunc(tokens, func(i hsm.TokenInfo) bool { return i.Serial == k.Serial })
	if i < 0 {
		t.Fatalf("no token %s among %+v", k.Serial, tokens)
	}
	got := tokens[i]
	if !got.Initialised || !got.UserPINSet || got.Label != k.Label || got.PracticeMark {
		t.Errorf("wrong state: %+v", got)
	}
	s := k.Session(t)
	again, err := s.Token(t.Context())
	must(t, err)
	if again.Serial != k.Serial || again.Label != k.Label {
		t.Errorf("the session's token is %+v, the list's %+v", again, got)
	}
	mechanisms, err := k.Module.Mechanisms(t.Context(), k.Serial)
	must(t, err)
	if len(mechanisms) == 0 {
		t.Error("the token lists no mechanisms")
	}
	_, err = k.Module.Mechanisms(t.Context(), "no such serial")
	Class(t, err, hsm.Gone)
	_, err = k.Module.Open(t.Context(), "no such serial")
	Class(t, err, hsm.Gone)
	_, err = k.Module.InitToken(t.Context(), "no such serial", "x", k.SO)
	Class(t, err, hsm.Gone)
}

func testLogin(t *testing.T, k *Token) {
	officer := hasOfficer(t, k)
	s, err := k.Module.Open(t.Context(), k.Serial)
	must(t, err)
	Class(t, s.Login(t.Context(), hsm.Operator, Secret(t, "not this one")), hsm.WrongPIN)
	if officer {
		Class(t, s.Login(t.Context(), hsm.SecurityOfficer, Secret(t, "not this one")), hsm.WrongPIN)
	}
	Class(t, s.Login(t.Context(), "janitor", k.User), hsm.NotSupported)
	must(t, s.Login(t.Context(), hsm.Operator, k.User))
	Class(t, s.Login(t.Context(), hsm.Operator, k.User), hsm.Busy)
	if officer {
		Class(t, s.Login(t.Context(), hsm.SecurityOfficer, k.SO), hsm.Busy)
	}
	must(t, s.Logout(t.Context()))
	if officer {
		must(t, s.Login(t.Context(), hsm.SecurityOfficer, k.SO))
		must(t, s.Logout(t.Context()))
	}
	if k.User.Len() == 0 || k.SO.Len() == 0 {
		t.Error("login wiped a PIN that it was only lent")
	}
}

func testPINs(t *testing.T, k *Token) {
	officer := hasOfficer(t, k)
	s, err := k.Module.Open(t.Context(), k.Serial)
	must(t, err)
	first, second, so := Secret(t, "first-123456"), Secret(t, "second-123456"), Secret(t, "officer-123456")
	Class(t, s.InitPIN(t.Context(), first), hsm.NotAllowed)
	must(t, s.Login(t.Context(), hsm.Operator, k.User))
	Class(t, s.SetPIN(t.Context(), so, first), hsm.WrongPIN)
	must(t, s.SetPIN(t.Context(), k.User, first))
	must(t, s.Logout(t.Context()))
	Class(t, s.Login(t.Context(), hsm.Operator, k.User), hsm.WrongPIN)
	must(t, s.Login(t.Context(), hsm.Operator, first))
	Class(t, s.InitPIN(t.Context(), second), hsm.NotAllowed)
	must(t, s.Logout(t.Context()))
	if !officer {
		return
	}
	must(t, s.Login(t.Context(), hsm.SecurityOfficer, k.SO))
	must(t, s.InitPIN(t.Context(), second))
	must(t, s.SetPIN(t.Context(), k.SO, so))
	must(t, s.Logout(t.Context()))
	must(t, s.Login(t.Context(), hsm.Operator, second))
	must(t, s.Logout(t.Context()))
	Class(t, s.Login(t.Context(), hsm.SecurityOfficer, k.SO), hsm.WrongPIN)
	must(t, s.Login(t.Context(), hsm.SecurityOfficer, so))
}

func testChangePIN(t *testing.T, k *Token) {
	users := map[hsm.User]*secret.Buffer{hsm.Operator: k.User}
	if hasOfficer(t, k) {
		users[hsm.SecurityOfficer] = k.SO
	}
	s, err := k.Module.Open(t.Context(), k.Serial)
	must(t, err)
	info, err := s.Token(t.Context())
	must(t, err)
	for as, old := range users {
		changed := Secret(t, "changed-"+string(as)+"-123456")
		Class(t, hsm.ChangePIN(t.Context(), s, as, changed, old), hsm.WrongPIN)
		if info.MinPIN > 1 {
			Class(t, hsm.ChangePIN(t.Context(), s, as, old, Secret(t, "x")), hsm.NotAllowed)
		}
		must(t, hsm.ChangePIN(t.Context(), s, as, old, changed))
		Class(t, s.Login(t.Context(), as, old), hsm.WrongPIN)
		must(t, s.Login(t.Context(), as, changed))
		Class(t, hsm.ChangePIN(t.Context(), s, as, changed, old), hsm.Busy) // who is logged in already proves nothing
		must(t, s.Logout(t.Context()))
		must(t, hsm.ChangePIN(t.Context(), s, as, changed, old))
	}
}

func testZeroise(t *testing.T, k *Token) {
	if !hasOfficer(t, k) {
		return
	}
	s := k.Session(t)
	generate(t, s, Spec("goes", hsm.ECP256))
	user := Secret(t, "second life 123")
	_, err := hsm.Zeroise(t.Context(), k.Module, k.Serial, "second life", k.SO, user)
	Class(t, err, hsm.Busy)
	must(t, s.Close())
	_, err = hsm.Zeroise(t.Context(), k.Module, k.Serial, "second life", Secret(t, "not this one"), user)
	Class(t, err, hsm.WrongPIN)
	e, err := hsm.Zeroise(t.Context(), k.Module, k.Serial, "second life", k.SO, user)
	must(t, err)
	if len(e.Before) != 1 || len(e.After) != 0 || e.Token.Label != "second life" || !e.Token.UserPINSet {
		t.Errorf("got %+v", e)
	}
	k.Serial, k.User = e.Token.Serial, user
	generate(t, k.Session(t), Spec("comes", hsm.ECP256))
}

// Can says whether a token has what such a key needs.
func (k *Token) Can(t testing.TB, spec hsm.KeySpec) bool {
	t.Helper()
	return k.serves(t, spec.Needs())
}

func (k *Token) serves(t testing.TB, needs []hsm.Need) bool {
	t.Helper()
	list, err := k.Module.Mechanisms(context.Background(), k.Serial)
	must(t, err)
	for _, n := range needs {
		if _, ok := n.Met(hsm.TokenInfo{}, list); !ok {
			t.Logf("the token does not %s: it lacks %v", n.For, n.AnyOf)
			return false
		}
	}
	return true
}

func testGenerate(t *testing.T, k *Token) {
	s := k.Session(t)
	for _, spec := range AllKinds() {
		if k.Can(t, spec) {
			checkKey(t, s, spec, generate(t, s, spec))
		}
	}
}

// Exact asserts that a token makes keys of every kind with every attribute as
// asked: what Run leaves to the token.
func Exact(t *testing.T, k *Token) {
	s := k.Session(t)
	for _, spec := range AllKinds() {
		key, err := s.Generate(t.Context(), spec)
		if err != nil {
			t.Errorf("%s: %v", spec.Label, err)
			continue
		}
		exactly(t, spec, key)
	}
}

// exactly: what an auditor asks of a key, apart from what the driver compares.
func exactly(t *testing.T, spec hsm.KeySpec, key hsm.Key) {
	t.Helper()
	yes := strconv.FormatBool
	extractable := spec.Protection == hsm.WrapBackup
	want := map[string]string{
		"token": "true", "private": yes(spec.Purpose != hsm.Wrap), "sensitive": "true", "extractable": yes(extractable),
		"sign": yes(spec.Purpose == hsm.Sign), "decrypt": yes(spec.Purpose == hsm.Encrypt), "unwrap": yes(spec.Purpose == hsm.Wrap), "derive": yes(spec.Purpose == hsm.Derive),
		"local": "true", "always-sensitive": "true", "never-extractable": yes(!extractable), "wrap-with-trusted": yes(extractable),
	}
	if spec.Algorithm.Secret() {
		want["encrypt"], want["wrap"], want["verify"], want["trusted"], want["value-len"] = want["decrypt"], want["unwrap"], want["sign"], "false", "32"
	}
	for name, want := range want {
		if got := Value(key.Private, name); got != want {
			t.Errorf("%s: %s is %q, want %q", spec.Label, name, got, want)
		}
	}
	if spec.Algorithm.Secret() {
		return
	}
	for name, want := range map[string]string{"token": "true", "private": "false", "verify": yes(spec.Purpose == hsm.Sign), "encrypt": yes(spec.Purpose == hsm.Encrypt), "wrap": "false", "local": "true"} {
		if got := Value(key.Public, name); got != want {
			t.Errorf("%s: public %s is %q, want %q", spec.Label, name, got, want)
		}
	}
}

func checkKey(t *testing.T, s hsm.Session, spec hsm.KeySpec, key hsm.Key) {
	t.Helper()
	for _, o := range objects(key) {
		if o.Label != spec.Label || !bytes.Equal(o.ID, spec.ID) {
			t.Errorf("%s: the token says label %q, id %x", spec.Label, o.Label, o.ID)
		}
	}
	if i, ok := s.(hsm.Inspector); ok {
		again, err := i.Inspect(t.Context(), spec)
		var m *hsm.Mismatch
		if err != nil && !errors.As(err, &m) || fmt.Sprint(again) != fmt.Sprint(key) {
			t.Errorf("%s: read again it is %v, %v", spec.Label, again, err)
		}
		other := spec
		other.Label = "another"
		if _, err := i.Inspect(t.Context(), other); !errors.As(err, &m) {
			t.Errorf("%s: read as %q it is taken for that: %v", spec.Label, other.Label, err)
		}
	}
	if spec.Algorithm.Secret() {
		checkSecret(t, s, spec, key)
		return
	}
	checkProof(t, s, spec, key)
	spki, err := s.PublicKey(t.Context(), spec.ID)
	must(t, err)
	if !bytes.Equal(spki, key.SPKI) {
		t.Errorf("%s: the public key read later is another one", spec.Label)
	}
	if spec.Purpose == hsm.Sign {
		checkSigns(t, s, spec, key.SPKI)
	}
}

// checkProof: the key proves itself, and another key of its kind is not proved by it.
func checkProof(t *testing.T, s hsm.Session, spec hsm.KeySpec, key hsm.Key) {
	t.Helper()
	proof, err := hsm.ProvePossession(t.Context(), s, spec, key, []byte("message"))
	if err != nil || proof.Method == "" || len(proof.Answer) == 0 {
		t.Errorf("%s: its proof is %+v, %v", spec.Label, proof, err)
	}
	if spec.Algorithm != hsm.ECP256 {
		return
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	key.SPKI, err = x509.MarshalPKIXPublicKey(other.Public())
	must(t, err)
	if proof, err := hsm.ProvePossession(t.Context(), s, spec, key, []byte("message")); err == nil {
		t.Errorf("%s: it is proved to be another key: %+v", spec.Label, proof)
	}
}

func checkSigns(t *testing.T, s hsm.Session, spec hsm.KeySpec, spki []byte) {
	t.Helper()
	message := []byte("proof of possession of " + spec.Label)
	signature, err := s.Sign(t.Context(), spec.ID, message)
	if err != nil {
		t.Errorf("%s: %v", spec.Label, err)
		return
	}
	if err := Verify(spki, message, signature); err != nil {
		t.Errorf("%s: %v", spec.Label, err)
	}
	if Verify(spki, []byte("another message"), signature) == nil {
		t.Errorf("%s: the signature is of any message", spec.Label)
	}
}

// checkSecret: the check value is by the best method that the purpose allows, and
// a key for MACs makes one of the message and no other.
func checkSecret(t *testing.T, s hsm.Session, spec hsm.KeySpec, key hsm.Key) {
	t.Helper()
	method := hsm.CheckValueECB
	switch {
	case spec.Algorithm == hsm.HMACSHA256:
		method = hsm.CheckValueHMAC
	case spec.Purpose == hsm.Sign:
		method = hsm.CheckValueCMAC
	}
	check, err := s.CheckValue(t.Context(), spec.ID)
	if key.Check == (hsm.CheckValue{}) && spec.Purpose == hsm.Wrap {
		Class(t, err, hsm.NotSupported) // the token has none for a key that may only wrap, and generation said so
		return
	}
	if err != nil || check != key.Check || check.Method != method || strings.Trim(check.Value, "0") == "" {
		t.Errorf("%s: the check value is %+v, later %+v, %v", spec.Label, key.Check, check, err)
	}
	if spec.Purpose != hsm.Sign {
		return
	}
	var macs []string
	for _, message := range []string{"one", "one", "two"} {
		mac, err := s.Sign(t.Context(), spec.ID, []byte(message))
		must(t, err)
		macs = append(macs, string(mac))
	}
	if len(macs[0]) < 16 || macs[0] != macs[1] || macs[0] == macs[2] {
		t.Errorf("%s: the MACs of two messages are %x", spec.Label, macs)
	}
}

// Value is what an object says of an attribute; "" if it says nothing.
func Value(o hsm.Object, attribute string) string {
	for _, a := range o.Attributes {
		if a.Name == attribute {
			return a.Value
		}
	}
	return ""
}

func testGenerateRefuses(t *testing.T, k *Token) {
	s := k.Session(t)
	for name, spoil := range map[string]func(*hsm.KeySpec){
		"unknown algorithm": func(s *hsm.KeySpec) { s.Algorithm = "rsa-1024" },
		"unknown purpose":   func(s *hsm.KeySpec) { s.Purpose = "everything" },
		"two for one":       func(s *hsm.KeySpec) { s.Purpose = hsm.Encrypt },
		"a key to derive from that leaves": func(s *hsm.KeySpec) {
			s.Algorithm, s.Purpose, s.Protection = hsm.AES256, hsm.Derive, hsm.WrapBackup
		},
		"a wrapping key that leaves": func(s *hsm.KeySpec) {
			s.Algorithm, s.Purpose, s.Protection = hsm.AES256, hsm.Wrap, hsm.WrapBackup
		},
		"a signing key of the session": func(s *hsm.KeySpec) { s.Session = true },
		"a trusted signing key":        func(s *hsm.KeySpec) { s.Trusted = true },
		"unknown protection":           func(s *hsm.KeySpec) { s.Protection = "" },
		"no id":                        func(s *hsm.KeySpec) { s.ID = nil },
		"no label":                     func(s *hsm.KeySpec) { s.Label = "" },
	} {
		spec := Spec("a key", hsm.ECP256)
		spoil(&spec)
		if _, err := s.Generate(t.Context(), spec); err == nil {
			t.Errorf("%s: a key was made", name)
		} else {
			Class(t, err, hsm.NotSupported)
		}
	}
	spec := Spec("a key", hsm.ECP256)
	generate(t, s, spec)
	_, err := s.Generate(t.Context(), spec)
	Class(t, err, hsm.NotAllowed)
	must(t, s.Logout(t.Context()))
	_, err = s.Generate(t.Context(), Spec("another", hsm.ECP256))
	Class(t, err, hsm.NotAllowed)
	must(t, s.Login(t.Context(), hsm.Operator, k.User))
	found, err := s.Find(t.Context(), hsm.Query{})
	must(t, err)
	if len(found) != 2 {
		t.Errorf("the token holds %d objects, want the one pair", len(found))
	}
}

func testFind(t *testing.T, k *Token) {
	s := k.Session(t)
	if found, err := s.Find(t.Context(), hsm.Query{}); err != nil || len(found) != 0 {
		t.Errorf("an empty token holds %v, %v", found, err)
	}
	// Bytes that no text may have, too.
	labels := []string{"eins", "zwei", "schlüssel", "trois"}
	for _, label := range labels {
		generate(t, s, Spec(label, hsm.ECP256))
	}
	for _, q := range []struct {
		query hsm.Query
		want  int
	}{
		{hsm.Query{}, 8},
		{hsm.Query{Class: "private-key"}, 4},
		{hsm.Query{Class: "public-key"}, 4},
		{hsm.Query{Class: "secret-key"}, 0},
		{hsm.Query{Label: "schlüssel"}, 2},
		{hsm.Query{Label: "schl"}, 0},
		{hsm.Query{ID: ID("zwei")}, 2},
		{hsm.Query{ID: ID("zwei"), Class: "private-key"}, 1},
		{hsm.Query{ID: ID("zwei"), Label: "eins"}, 0},
	} {
		found, err := s.Find(t.Context(), q.query)
		if err != nil || len(found) != q.want {
			t.Errorf("%+v: %d objects, %v; want %d", q.query, len(found), err, q.want)
		}
	}
	if _, err := s.Find(t.Context(), hsm.Query{Class: "spoon"}); err == nil {
		t.Error("there are spoons")
	}
	must(t, s.Logout(t.Context()))
	if found, err := s.Find(t.Context(), hsm.Query{Class: "private-key"}); err != nil || len(found) != 0 {
		t.Errorf("logged out, private keys are seen: %v, %v", found, err)
	}
	if found, err := s.Find(t.Context(), hsm.Query{Class: "public-key"}); err != nil || len(found) != 4 {
		t.Errorf("logged out, %d public keys are seen, %v", len(found), err)
	}
}

func testSignRefuses(t *testing.T, k *Token) {
	s := k.Session(t)
	_, err := s.Sign(t.Context(), ID("nothing"), []byte("x"))
	Class(t, err, hsm.NotAllowed)
	_, err = s.Sign(t.Context(), nil, []byte("x"))
	Class(t, err, hsm.NotAllowed)
	_, err = s.PublicKey(t.Context(), ID("nothing"))
	Class(t, err, hsm.NotAllowed)
	generate(t, s, Spec("key", hsm.ECP256))
	must(t, s.Logout(t.Context()))
	_, err = s.Sign(t.Context(), ID("key"), []byte("x"))
	Class(t, err, hsm.NotAllowed)
}

func testDestroy(t *testing.T, k *Token) {
	s := k.Session(t)
	for _, label := range []string{"goes", "stays"} {
		generate(t, s, Spec(label, hsm.ECP256))
	}
	left, err := s.Destroy(t.Context(), hsm.Query{ID: ID("goes")})
	if left != 0 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	_, err = s.Sign(t.Context(), ID("goes"), []byte("x"))
	Class(t, err, hsm.NotAllowed)
	if _, err := s.Sign(t.Context(), ID("stays"), []byte("x")); err != nil {
		t.Error(err)
	}
	left, err = s.Destroy(t.Context(), hsm.Query{ID: ID("goes")})
	if left != 0 || err != nil {
		t.Errorf("of nothing, %d left, %v", left, err)
	}
	if found, err := s.Find(t.Context(), hsm.Query{}); err != nil || len(found) != 2 {
		t.Errorf("%d objects stayed, %v", len(found), err)
	}
}

// storesData says whether the token keeps data objects at all.
func storesData(t *testing.T, s hsm.Session) bool {
	t.Helper()
	probe := hsm.Data{Application: "probe", Label: "probe", Value: []byte("probe")}
	var e *hsm.Error
	if err := s.PutData(t.Context(), probe); errors.As(err, &e) && e.Class == hsm.NotSupported {
		t.Logf("the token keeps no data objects: %v", err)
		return false
	}
	_, err := s.Destroy(t.Context(), hsm.Query{Class: "data", Label: probe.Label})
	must(t, err)
	return true
}

func testData(t *testing.T, k *Token) {
	s := k.Session(t)
	const app = "claviger test"
	want := []hsm.Data{
		{Application: app, Label: "head/1", Private: true, Value: []byte("note 1\n")},
		{Application: app, Label: "head/2", Private: true, Value: bytes.Repeat([]byte{0, 0xff}, 600)},
		{Application: app, Label: "for all", Value: []byte("public")},
		{Application: "other", Label: "head/1", Private: true, Value: []byte("not asked for")},
	}
	if !storesData(t, s) {
		return
	}
	for _, d := range want {
		must(t, s.PutData(t.Context(), d))
	}
	check := func(want []hsm.Data) {
		t.Helper()
		got, err := s.GetData(t.Context(), app)
		must(t, err)
		order := func(a, b hsm.Data) int { return bytes.Compare([]byte(a.Label), []byte(b.Label)) }
		slices.SortFunc(got, order)
		slices.SortFunc(want, order)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	check(slices.Clone(want[:3]))
	must(t, s.Logout(t.Context()))
	check([]hsm.Data{want[2]})
	if s.PutData(t.Context(), want[0]) == nil {
		t.Error("logged out, a private object was stored")
	}
	must(t, s.Login(t.Context(), hsm.Operator, k.User))
	left, err := s.Destroy(t.Context(), hsm.Query{Class: "data", Label: "head/1"})
	if left != 0 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
	check([]hsm.Data{want[1], want[2]})
}

// A token that has no write-once objects must say so.
func testWriteOnce(t *testing.T, k *Token) {
	s := k.Session(t)
	d := hsm.Data{Application: "claviger test", Label: "for ever", Private: true, WriteOnce: true, Value: []byte("head")}
	if err := s.PutData(t.Context(), d); err != nil {
		Class(t, err, hsm.NotSupported)
		return
	}
	left, err := s.Destroy(t.Context(), hsm.Query{Label: d.Label})
	if left != 1 {
		t.Errorf("%d left of an object that cannot be destroyed", left)
	}
	Class(t, err, hsm.NotAllowed)
	got, err := s.GetData(t.Context(), d.Application)
	must(t, err)
	if len(got) != 1 || !got[0].WriteOnce || string(got[0].Value) != "head" {
		t.Errorf("got %v", got)
	}
}

func testRandom(t *testing.T, k *Token) {
	s := k.Session(t)
	a, err := s.Random(t.Context(), 32)
	must(t, err)
	defer a.Wipe()
	b, err := s.Random(t.Context(), 32)
	must(t, err)
	defer b.Wipe()
	if a.Len() != 32 || b.Len() != 32 || a.Equal(b) {
		t.Error("32 random bytes are not 32, or the same twice")
	}
	_, err = s.Random(t.Context(), 0)
	Class(t, err, hsm.NotAllowed)
}

func testPracticeMark(t *testing.T, k *Token) {
	s := k.Session(t)
	if !storesData(t, s) {
		return
	}
	must(t, s.PutData(t.Context(), hsm.Data{Application: "claviger", Label: hsm.PracticeMark, Value: []byte("practice")}))
	marked, err := s.Token(t.Context())
	must(t, err)
	if !marked.PracticeMark {
		t.Error("the mark is not seen by the session")
	}
	must(t, s.Logout(t.Context()))
	must(t, s.Login(t.Context(), hsm.SecurityOfficer, k.SO))
	tokens, err := k.Module.Tokens(t.Context())
	must(t, err)
	if !slices.ContainsFunc(tokens, func(i hsm.TokenInfo) bool { return i.Serial == k.Serial && i.PracticeMark }) {
		t.Error("the mark is not seen in the list while the security officer is logged in")
	}
}

func testInitialiseAgain(t *testing.T, k *Token) {
	if !hasOfficer(t, k) {
		return
	}
	s := k.Session(t)
	generate(t, s, Spec("old", hsm.ECP256))
	_, err := k.Module.InitToken(t.Context(), k.Serial, "second life", k.SO)
	Class(t, err, hsm.Busy)
	must(t, s.Close())
	_, err = k.Module.InitToken(t.Context(), k.Serial, "second life", Secret(t, "not this one"))
	Class(t, err, hsm.WrongPIN)
	for _, bad := range []string{"", "a label that has more than 32 bytes", "blank at the end "} {
		_, err = k.Module.InitToken(t.Context(), k.Serial, bad, k.SO)
		Class(t, err, hsm.NotAllowed)
	}
	again, err := k.Module.InitToken(t.Context(), k.Serial, "second life", k.SO)
	must(t, err)
	if again.Label != "second life" || again.UserPINSet || !again.Initialised {
		t.Errorf("after it the token is %+v", again)
	}
	k.Serial = again.Serial
	must(t, k.setUserPIN(t.Context()))
	found, err := k.Session(t).Find(t.Context(), hsm.Query{})
	must(t, err)
	if len(found) != 0 {
		t.Errorf("an initialised token holds %v", found)
	}
}

func testClosed(t *testing.T, k *Token) {
	s := k.Session(t)
	must(t, s.Close())
	_, err := s.Find(t.Context(), hsm.Query{})
	Class(t, err, hsm.Gone)
	_, err = s.Random(t.Context(), 16)
	Class(t, err, hsm.Gone)
	Class(t, s.Login(t.Context(), hsm.Operator, k.User), hsm.Gone)
	must(t, s.Close())
	s = k.Session(t)
	must(t, k.Module.Close())
	_, err = s.Find(t.Context(), hsm.Query{})
	Class(t, err, hsm.Gone)
	_, err = k.Module.Tokens(t.Context())
	Class(t, err, hsm.Gone)
	must(t, s.Close())
	must(t, k.Module.Close())
}

func testGivenUp(t *testing.T, k *Token) {
	s := k.Session(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Generate(ctx, Spec("never", hsm.ECP256)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := k.Module.Tokens(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	found, err := s.Find(t.Context(), hsm.Query{})
	if err != nil || len(found) != 0 {
		t.Errorf("after a call that was never made: %v, %v", found, err)
	}
}

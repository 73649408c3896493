package hsmtest_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
)

// tool runs an independent program on the same token, beside the worker.
func tool(t *testing.T, k *hsmtest.Token, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed (Debian packages opensc and gnutls-bin); make test installs it", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), k.Env...)
	cmd.Env = append(cmd.Env, "LC_ALL=C", "TEST_PIN="+string(k.User.Bytes()), "GNUTLS_PIN="+string(k.User.Bytes()))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

func set(words string) []string {
	list := strings.Split(words, ", ")
	slices.Sort(list)
	return slices.DeleteFunc(list, func(s string) bool { return s == "" || s == "none" || strings.HasPrefix(s, "other flags=") })
}

// blocks cuts output into paragraphs that start with an unindented line, each a
// map of its "name: value" lines with the heading under "".
func blocks(out string) []map[string]string {
	var list []map[string]string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, " ") {
			list = append(list, map[string]string{"": line})
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok && len(list) > 0 {
			list[len(list)-1][strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return list
}

// What we say of a token is what pkcs11-tool says of it: every field that both print,
// with each flag as it is not.
func TestTokenAsPkcs11ToolListsIt(t *testing.T) {
	k, control := hsmtest.Shimmed(t, start)
	k.Restart(t) // SoftHSM numbers its slots as it starts
	listed(t, k)
	// CKF_WRITE_PROTECTED, CKF_PROTECTED_AUTHENTICATION_PATH, and those of both PINs.
	for _, flag := range []uint{0x2, 0x100, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000, 0x800000} {
		control.TokenFlags(flag, 0)
		listed(t, k)
		control.Reset()
	}
	// CKF_RNG, CKF_LOGIN_REQUIRED, CKF_USER_PIN_INITIALIZED, CKF_TOKEN_INITIALIZED.
	for _, flag := range []uint{0x1, 0x4, 0x8, 0x400} {
		control.TokenFlags(0, flag)
		listed(t, k)
		control.Reset()
	}
}

// listed compares every slot that pkcs11-tool -L shows with the token that we tell.
func listed(t *testing.T, k *hsmtest.Token) {
	t.Helper()
	tokens, err := k.Module.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slots := blocks(tool(t, k, "pkcs11-tool", "--module", k.Library, "-L"))[1:] // after the heading
	if len(slots) != len(tokens) {
		t.Fatalf("pkcs11-tool lists %d slots, we %d tokens", len(slots), len(tokens))
	}
	for i, b := range slots {
		got := tokens[i]
		fields := map[string]string{
			"token label":        got.Label,
			"token manufacturer": got.Manufacturer,
			"token model":        got.Model,
			"hardware version":   got.HardwareVersion,
			"firmware version":   got.FirmwareVersion,
			"serial num":         got.Serial,
			"pin min/max":        fmt.Sprintf("%d/%d", got.MinPIN, got.MaxPIN),
		}
		if !got.Initialised {
			fields = map[string]string{"token state": "uninitialized"}
		}
		_, description, _ := strings.Cut(b[""], ": ")
		if description != got.SlotDescription {
			t.Errorf("slot: pkcs11-tool says %q, we %q", description, got.SlotDescription)
		}
		for name, value := range b {
			switch ours, both := fields[name]; {
			case name == "" || name == "token flags":
			case !both || value != ours:
				t.Errorf("%s: pkcs11-tool says %q, we %q", name, value, ours)
			}
			delete(fields, name)
		}
		if len(fields) > 0 {
			t.Errorf("pkcs11-tool does not say %v", fields)
		}
		if !got.Initialised {
			continue
		}
		flags := set(b["token flags"])
		for flag, ours := range map[string]bool{
			"token initialized": got.Initialised, "PIN initialized": got.UserPINSet, "rng": got.Random, "PIN pad present": got.ProtectedPath,
			"user PIN count low": got.UserPINCountLow, "final user PIN try": got.UserPINFinalTry, "user PIN locked": got.UserPINLocked,
			"SO PIN count low": got.SOPINCountLow, "final SO PIN try": got.SOPINFinalTry, "SO PIN locked": got.SOPINLocked,
		} {
			if slices.Contains(flags, flag) != ours {
				t.Errorf("%s: pkcs11-tool says %v, we %v", flag, flags, ours)
			}
			flags = slices.DeleteFunc(flags, func(f string) bool { return f == flag })
		}
		for _, left := range flags {
			// We do not tell these: they change nothing that a ceremony does.
			if !slices.Contains([]string{"login required", "readonly", "user PIN to be changed", "SO PIN to be changed"}, left) {
				t.Errorf("pkcs11-tool says %q, and we do not", left)
			}
		}
	}
}

func TestMechanismsAsPkcs11ToolListsThem(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	list, err := k.Module.Mechanisms(t.Context(), k.Serial)
	if err != nil {
		t.Fatal(err)
	}
	// Names of the same number in the tool's version of the standard.
	other := map[string]string{
		"mechtype-0x210A":    "AES-KEY-WRAP-PAD",
		"mechtype-0x1055":    "EC-EDWARDS-KEY-PAIR-GEN",
		"mechtype-0x1057":    "EDDSA",
		"ECDSA-KEY-PAIR-GEN": "EC-KEY-PAIR-GEN",
	}
	theirs := make(map[string][]string)
	for line := range strings.Lines(tool(t, k, "pkcs11-tool", "--module", k.Library, "-M")) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ", ")
		if !ok && strings.Contains(line, ":") {
			continue // heading
		}
		if o, ok := other[name]; ok {
			name = o
		}
		theirs[name] = set(rest)
	}
	for _, m := range list {
		name := strings.ReplaceAll(strings.TrimPrefix(m.Name, "CKM_"), "_", "-")
		flags, ok := theirs[name]
		if !ok {
			t.Errorf("pkcs11-tool does not list %s", m.Name)
			continue
		}
		delete(theirs, name)
		var ours []string
		if m.Min != 0 || m.Max != 0 {
			ours = append(ours, fmt.Sprintf("keySize={%d,%d}", m.Min, m.Max))
		}
		for _, f := range m.Flags {
			ours = append(ours, strings.ReplaceAll(f, "-", "_"))
		}
		slices.Sort(ours)
		// How it writes points and curves is not told by us: each key's are compared.
		flags = slices.DeleteFunc(flags, func(f string) bool { return strings.HasPrefix(f, "EC ") })
		if !slices.Equal(ours, flags) {
			t.Errorf("%s: we say %v, pkcs11-tool %v", m.Name, ours, flags)
		}
	}
	if len(theirs) > 0 {
		t.Errorf("we do not list %v", theirs)
	}
}

func TestObjectsAsPkcs11ToolListsThem(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	s := k.Session(t)
	for _, spec := range hsmtest.AllKinds() {
		if spec.Algorithm == hsm.RSA4096 {
			continue // slow
		}
		if _, err := s.Generate(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []hsm.Data{
		{Application: "app", Label: "open", Value: []byte("1")},
		{Application: "app", Label: "private", Private: true, Value: []byte("2")},
		{Application: "app", Label: "once", Private: true, WriteOnce: true, Value: []byte("3")},
	} {
		if err := s.PutData(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	found, err := s.Find(t.Context(), hsm.Query{})
	if err != nil {
		t.Fatal(err)
	}
	ours := make(map[string]map[string]string)
	for _, o := range found {
		b := asPkcs11Tool(t, s, o)
		ours[b[""]+" "+b["label"]] = b
	}
	number := regexp.MustCompile(`^Data object \d+`)
	inWords := regexp.MustCompile(` \(OID .*\)$`) // of curves that this tool does not know
	for _, b := range blocks(tool(t, k, "pkcs11-tool", "--module", k.Library, "--token-label", k.Label, "--login", "--pin", "env:TEST_PIN", "-O")) {
		b[""] = strings.TrimSpace(number.ReplaceAllString(b[""], "Data object"))
		// Sets of names have no order.
		for _, name := range []string{"Usage", "Access"} {
			if text, there := b[name]; there {
				b[name] = strings.Join(set(text), ", ")
			}
		}
		if params, there := b["EC_PARAMS"]; there {
			b["EC_PARAMS"] = inWords.ReplaceAllString(params, "")
		}
		name := b[""] + " " + b["label"]
		mine, there := ours[name]
		switch {
		case !there:
			t.Errorf("we do not list %v", b)
		case !maps.Equal(b, mine):
			t.Errorf("%s:\npkcs11-tool says %v\nwe           say %v", name, b, mine)
		}
		delete(ours, name)
	}
	for name := range ours {
		t.Errorf("pkcs11-tool does not list %s", name)
	}
}

// asPkcs11Tool writes an object as pkcs11-tool -O does, every line of it.
func asPkcs11Tool(t *testing.T, s hsm.Session, o hsm.Object) map[string]string {
	t.Helper()
	is := func(name string) bool { return hsmtest.Value(o, name) == "true" }
	named := func(names ...string) string {
		var list []string
		for _, name := range names {
			if is(strings.ReplaceAll(name, " ", "-")) {
				list = append(list, name)
			}
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	b := map[string]string{"label": o.Label, "ID": hex.EncodeToString(o.ID)}
	kind := map[string]string{"ec": "EC", "ec-edwards": "EC_EDWARDS", "rsa": "RSA", "aes": "AES", "generic-secret": "Generic secret"}[o.KeyType]
	access := []string{"sensitive", "always sensitive", "never extractable", "extractable", "local"}
	switch o.Class {
	case "data":
		b = map[string]string{"": "Data object", "label": "'" + o.Label + "'", "application": "'" + hsmtest.Value(o, "application") + "'", "app_id": "<empty>", "flags": strings.ReplaceAll(named("modifiable", "private"), ",", "")}
		return b
	case "private-key":
		b[""] = "Private Key Object; " + kind
		b["Usage"], b["Access"] = named("decrypt", "sign", "unwrap", "derive"), named(access...)
	case "secret-key":
		b[""] = "Secret Key Object; " + kind + " length " + hsmtest.Value(o, "value-len")
		// It says "verify" of these, and never "sign".
		b["Usage"], b["Access"] = named("encrypt", "decrypt", "verify", "wrap", "unwrap", "derive"), named(access...)
	case "public-key":
		b["Usage"], b["Access"] = named("encrypt", "verify", "wrap", "derive"), named("local")
		der, err := s.PublicKey(t.Context(), o.ID)
		if err != nil {
			t.Fatal(err)
		}
		public, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			t.Fatal(err)
		}
		switch p := public.(type) {
		case *rsa.PublicKey:
			b[""] = fmt.Sprintf("Public Key Object; RSA %d bits", p.N.BitLen())
		case *ecdsa.PublicKey:
			point, err := p.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			// It counts whole bytes: 528 for P-521.
			b[""] = fmt.Sprintf("Public Key Object; EC  EC_POINT %d bits", (p.Curve.Params().BitSize+7)/8*8)
			ecLines(t, b, point, curveOIDs[p.Curve.Params().Name])
		case ed25519.PublicKey:
			b[""] = "Public Key Object; EC_EDWARDS  EC_POINT 255 bits"
			ecLines(t, b, p, asn1.ObjectIdentifier{1, 3, 101, 112})
		}
	}
	return b
}

var curveOIDs = map[string]asn1.ObjectIdentifier{"P-256": {1, 2, 840, 10045, 3, 1, 7}, "P-384": {1, 3, 132, 0, 34}, "P-521": {1, 3, 132, 0, 35}}

// ecLines: the point is an OCTET STRING, the curve its OID (PKCS#11 v2.40, 2.3.3).
func ecLines(t *testing.T, b map[string]string, point []byte, curve asn1.ObjectIdentifier) {
	t.Helper()
	for name, value := range map[string]any{"EC_POINT": point, "EC_PARAMS": curve} {
		der, err := asn1.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		b[name] = hex.EncodeToString(der)
	}
}

// The public key we tell is the one that GnuTLS exports.
func TestPublicKeysAsP11toolExportsThem(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	s := k.Session(t)
	for _, spec := range hsmtest.AllKinds() {
		if spec.Algorithm.Secret() || spec.Purpose != hsm.Sign || !hsmtest.Proof() && spec.Algorithm != hsm.ECP384 && spec.Algorithm != hsm.Ed25519 {
			continue // p11tool takes three seconds a key
		}
		pair, err := s.Generate(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		id := ""
		for _, b := range spec.ID {
			id += fmt.Sprintf("%%%02x", b)
		}
		uri := "pkcs11:serial=" + url.PathEscape(k.Serial) + ";id=" + id + ";type=public"
		out := tool(t, k, "p11tool", "--batch", "--provider", k.Library, "--export-pubkey", uri)
		block, _ := pem.Decode([]byte(out[max(0, strings.Index(out, "-----BEGIN")):]))
		if block == nil || !bytes.Equal(block.Bytes, pair.SPKI) {
			t.Errorf("%s: p11tool exports\n%s\nwe say %x", spec.Label, out, pair.SPKI)
		}
	}
}

// The URI we print for a token is the one that GnuTLS prints, attribute by attribute.
func TestTokenURIAsP11toolPrintsIt(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	tokens, err := k.Module.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	printed := tool(t, k, "p11tool", "--batch", "--provider", k.Library, "--list-token-urls")
	for _, token := range tokens {
		if !token.Initialised {
			continue // it lists no others
		}
		if !slices.ContainsFunc(strings.Fields(printed), func(text string) bool {
			theirs, err := hsm.ParseURI(text)
			return err == nil && theirs.String() == token.URI().String() && theirs.Names(token)
		}) {
			t.Errorf("we say %s, p11tool\n%s", token.URI(), printed)
		}
	}
}

// A backup is opened by OpenSSL with the wrapping key's bytes, and what is inside
// is the key whose public half we told.
func TestBackupAsOpenSSLOpensIt(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is not installed; make test installs it")
	}
	k := hsmtest.SoftHSM(t, start)
	kek := randomKey(t)
	importKEK(t, k, "kek", kek)
	s := k.Session(t)
	for _, a := range []hsm.Algorithm{hsm.ECP256, hsm.ECP384, hsm.RSA3072} {
		spec := hsmtest.Spec(string(a), a)
		spec.Protection = hsm.WrapBackup
		pair, err := s.Generate(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := s.(hsm.Wrapper).Wrap(t.Context(), spec.ID, hsmtest.ID("kek"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(openssl, "enc", "-d", "-id-aes256-wrap-pad", "-K", hex.EncodeToString(kek.Bytes()), "-iv", "A65959A6")
		cmd.Stdin = bytes.NewReader(wrapped.Blob)
		inside, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", a, err)
			continue
		}
		// SoftHSM fills the DER up with zeros before it wraps, which a recovery outside a
		// token has to know.
		var der asn1.RawValue
		rest, err := asn1.Unmarshal(inside, &der)
		if err != nil || len(rest) > 7 || len(bytes.Trim(rest, "\x00")) > 0 || len(wrapped.Blob) != 8+(len(inside)+7)/8*8 {
			t.Errorf("%s: the blob has %d bytes, inside are %d, the DER has %d, then %x; %v", a, len(wrapped.Blob), len(inside), len(der.FullBytes), rest, err)
			continue
		}
		t.Logf("%s: the blob has %d bytes, inside are %d, the DER has %d", a, len(wrapped.Blob), len(inside), len(der.FullBytes))
		key, err := x509.ParsePKCS8PrivateKey(der.FullBytes)
		if err != nil {
			t.Errorf("%s: %v", a, err)
			continue
		}
		spki, err := x509.MarshalPKIXPublicKey(key.(crypto.Signer).Public())
		if err != nil || !bytes.Equal(spki, pair.SPKI) {
			t.Errorf("%s: the backup holds another key, %v", a, err)
		}
	}
}

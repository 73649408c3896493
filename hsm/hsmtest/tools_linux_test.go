package hsmtest_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"os/exec"
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

// What we say of a token is what pkcs11-tool says of it.
func TestTokenAsPkcs11ToolListsIt(t *testing.T) {
	k := hsmtest.SoftHSM(t, start)
	got, err := k.Session(t).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, b := range blocks(tool(t, k, "pkcs11-tool", "--module", k.Library, "-L")) {
		if b["serial num"] != got.Serial {
			continue
		}
		seen = true
		for name, ours := range map[string]string{
			"token label":        got.Label,
			"token manufacturer": got.Manufacturer,
			"token model":        got.Model,
			"hardware version":   got.HardwareVersion,
			"firmware version":   got.FirmwareVersion,
			"pin min/max":        fmt.Sprintf("%d/%d", got.MinPIN, got.MaxPIN),
		} {
			if b[name] != ours {
				t.Errorf("%s: pkcs11-tool says %q, we %q", name, b[name], ours)
			}
		}
		flags := set(b["token flags"])
		for flag, ours := range map[string]bool{
			"token initialized": got.Initialised, "PIN initialized": got.UserPINSet, "rng": got.Random,
			"final user PIN try": got.UserPINFinalTry, "user PIN locked": got.UserPINLocked,
			"PIN pad present": got.ProtectedPath,
		} {
			if slices.Contains(flags, flag) != ours {
				t.Errorf("%s: pkcs11-tool says %v, we %v", flag, flags, ours)
			}
		}
	}
	if !seen {
		t.Errorf("pkcs11-tool does not list %s", got.Serial)
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
		size := fmt.Sprintf("keySize={%d,%d}", m.Min, m.Max)
		if (m.Min != 0 || m.Max != 0) != slices.Contains(flags, size) {
			t.Errorf("%s: we say %s, pkcs11-tool %v", m.Name, size, flags)
		}
		for _, flag := range []string{"hw", "encrypt", "decrypt", "digest", "sign", "verify", "generate", "wrap", "unwrap", "derive"} {
			if slices.Contains(m.Flags, flag) != slices.Contains(flags, flag) {
				t.Errorf("%s: we say %v, pkcs11-tool %v", m.Name, m.Flags, flags)
			}
		}
		if slices.Contains(m.Flags, "generate-key-pair") != slices.Contains(flags, "generate_key_pair") {
			t.Errorf("%s: we say %v, pkcs11-tool %v", m.Name, m.Flags, flags)
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
		if spec.Algorithm == hsm.RSA4096 || spec.Algorithm == hsm.Ed25519 {
			continue // slow; unknown to this tool
		}
		if _, err := s.Generate(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	ours := make(map[string]hsm.Object)
	found, err := s.Find(t.Context(), hsm.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range found {
		ours[o.Class+hex.EncodeToString(o.ID)] = o
	}
	for _, b := range blocks(tool(t, k, "pkcs11-tool", "--module", k.Library, "--token-label", k.Label, "--login", "--pin", "env:TEST_PIN", "-O")) {
		class := "public-key"
		for _, c := range []string{"private-key", "secret-key"} {
			if strings.HasPrefix(strings.ToLower(b[""]), strings.ReplaceAll(c, "-", " ")+" object") {
				class = c
			}
		}
		o, ok := ours[class+b["ID"]]
		if !ok {
			t.Errorf("we do not list %v", b)
			continue
		}
		delete(ours, class+b["ID"])
		if b["label"] != o.Label {
			t.Errorf("pkcs11-tool says label %q, we %q", b["label"], o.Label)
		}
		usage, access := set(b["Usage"]), set(b["Access"])
		for _, use := range []string{"sign", "decrypt", "unwrap", "derive", "verify", "encrypt", "wrap"} {
			if class == "secret-key" && use == "sign" {
				continue // it says "verify" of these, and never "sign"
			}
			if slices.Contains(usage, use) != (hsmtest.Value(o, use) == "true") {
				t.Errorf("%s %s: pkcs11-tool says %v, we %s=%q", class, o.Label, usage, use, hsmtest.Value(o, use))
			}
		}
		for _, fact := range []string{"sensitive", "always sensitive", "never extractable", "extractable", "local"} {
			if ours := hsmtest.Value(o, strings.ReplaceAll(fact, " ", "-")); slices.Contains(access, fact) != (ours == "true") {
				t.Errorf("%s %s: pkcs11-tool says %v, we %s=%q", class, o.Label, access, fact, ours)
			}
		}
	}
	for name := range ours {
		t.Errorf("pkcs11-tool does not list %s", name)
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

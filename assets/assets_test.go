package assets_test

import (
	"encoding/hex"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
)

// The example that the PGP word list is known by, and the same bytes shifted by
// one place, so that each is said with its other word.
func TestPGPWords(t *testing.T) {
	for input, want := range map[string]string{
		"E58294F2E9A227486E8B061B31CC528FD7FA3F19": "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless",
		"0000FFFF": "aardvark adroitness Zulu Yucatan",
		"":         "",
	} {
		b, err := hex.DecodeString(input)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(assets.PGPWords(b), " "); got != want {
			t.Errorf("%s is said %q, want %q", input, got, want)
		}
	}
}

// A word that stood for two bytes, or at both places, could not be told back.
func TestPGPWordsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for b := range 256 {
		for _, w := range []string{assets.PGPWords([]byte{byte(b)})[0], assets.PGPWords([]byte{0, byte(b)})[1]} {
			if seen[w] {
				t.Errorf("%q stands twice", w)
			}
			seen[w] = true
		}
	}
	if len(seen) != 512 {
		t.Errorf("%d words, want 512", len(seen))
	}
}

func TestPassphraseWords(t *testing.T) {
	words := assets.PassphraseWords()
	if len(words) != 6*6*6*6*6 {
		t.Errorf("%d words, want 7776: five dice", len(words))
	}
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Error("the words are not in order, or one stands twice")
	}
	for _, w := range words {
		if len(w) < 3 || len(w) > 9 || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%q is no word of 3 to 9 small letters", w)
		}
	}
}

// Each shipped script can be ordered as it is: every parameter has a default.
func TestShippedScripts(t *testing.T) {
	names, err := fs.Glob(assets.Scripts, "scripts/*.yaml")
	if err != nil || len(names) < 2 {
		t.Fatalf("scripts %q, %v", names, err)
	}
	for _, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "scripts/"), ".yaml")
		source, err := assets.Script(name)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := script.Parse(source, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if plan.Name != name {
			t.Errorf("%s calls itself %q", name, plan.Name)
		}
		bound, err := plan.Bind(nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkSpoken(t, name, bound)
	}
}

// A step is told in a few words and takes some minutes; what two officers
// authorise is a step that comes right after.
func checkSpoken(t *testing.T, name string, b *script.Bound) {
	steps := b.Steps()
	for i, s := range steps {
		if n := len(strings.Fields(s.Say)); n == 0 || n > 60 {
			t.Errorf("%s, step %s: %d words to read aloud", name, s.ID, n)
		}
		if strings.Contains(s.Title+s.Say, "{{") {
			t.Errorf("%s, step %s: a placeholder is left", name, s.ID)
		}
		if n := len(strings.Fields(s.Title)); n > 8 {
			t.Errorf("%s, step %s: a title of %d words", name, s.ID, n)
		}
		if s.Minutes == 0 {
			t.Errorf("%s, step %s: no minutes", name, s.ID)
		}
		if s.Kind != "authorise" {
			continue
		}
		if i+1 == len(steps) || steps[i+1].ID != s.With["step"] || !slices.Contains(steps[i+1].Needs, s.ID) {
			t.Errorf("%s, step %s authorises %q, which is not the next step or does not need it", name, s.ID, s.With["step"])
		}
	}
	last := b.Phases[len(b.Phases)-1]
	if steps[len(steps)-1].Kind != "seal" || last.Sign != nil {
		t.Errorf("%s does not end with the seal in a phase without sign-off", name)
	}
	for _, p := range b.Phases[:len(b.Phases)-1] {
		if len(p.Sign) < 2 || !slices.Equal(p.Sign[:2], []string{script.Administrator, script.Witness}) {
			t.Errorf("%s, phase %q is signed by %v", name, p.Title, p.Sign)
		}
	}
}

// The shipped policy is what NIST SP 800-57 and the practice of certificate authorities
// say of each type of key, and every algorithm and mechanism that is allowed, kept for
// exceptions, or refused.
func TestShippedPolicy(t *testing.T) {
	p, err := ceremony.ReadPolicy(assets.Policy())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []ceremony.Cryptoperiod{
		{Of: "pair", Purpose: "sign", Default: "2y", Ceiling: "3y", Recipient: "life of the signatures"},
		{Of: "secret", Purpose: "sign", Default: "1y", Ceiling: "2y", Recipient: "3y"},
		{Of: "pair", Purpose: "authenticate", Default: "1y", Ceiling: "2y"},
		{Of: "secret", Purpose: "encrypt", Default: "1y", Ceiling: "2y", Recipient: "3y"},
		{Of: "secret", Purpose: "wrap", Default: "2y", Ceiling: "2y", Recipient: "3y"},
		{Of: "secret", Purpose: "derive", Default: "1y", Ceiling: "1y"},
		{Of: "secret", Purpose: "random-bits", Default: ceremony.NotManaged, Ceiling: ceremony.NotManaged},
		{Of: "pair", Purpose: "encrypt", Default: "2y", Ceiling: "2y"},
		{Of: "pair", Purpose: "wrap", Default: "2y", Ceiling: "2y"},
		{Of: "pair", Purpose: "derive", Default: "1y", Ceiling: "2y"},
		{Of: "pair", Purpose: "agree-once", Default: ceremony.OneStep, Ceiling: ceremony.OneStep},
		{Of: "secret", Purpose: "wrap-once", Default: ceremony.OneStep, Ceiling: ceremony.OneStep},
		{Of: "pair", Purpose: "authorise", Default: "1y", Ceiling: "2y"},
		{Of: "secret", Purpose: "authorise", Default: "1y", Ceiling: "2y"},
		{Of: "pair", Purpose: "certify-root", Default: "10y", Ceiling: "15y", Recipient: "life of the certificates"},
		{Of: "pair", Purpose: "certify-intermediate", Default: "3y", Ceiling: "5y", Recipient: "life of the certificates"},
		{Of: "pair", Purpose: "sign-code", Default: "15m", Ceiling: "15m", Recipient: "life of the archive"},
	} {
		i := slices.IndexFunc(p.Cryptoperiods, func(c ceremony.Cryptoperiod) bool { return c.Of == want.Of && c.Purpose == want.Purpose })
		if i < 0 {
			t.Errorf("no row for a %s to %s", want.Of, want.Purpose)
			continue
		}
		got := p.Cryptoperiods[i]
		if got.Source == "" {
			t.Errorf("no source beside a %s to %s", want.Of, want.Purpose)
		}
		if got.Source = ""; got != want {
			t.Errorf("a %s to %s is %+v, want %+v", want.Of, want.Purpose, got, want)
		}
		p.Cryptoperiods = slices.Delete(p.Cryptoperiods, i, i+1)
	}
	if len(p.Cryptoperiods) > 0 {
		t.Errorf("rows that nobody asked for: %+v", p.Cryptoperiods)
	}
	verdicts(t, "algorithm", p.Algorithms, map[string]string{
		"allow":     "rsa-3072 rsa-4096 ec-p256 ec-p384 ec-p521 ed25519 aes-256 hmac-sha256 hmac-sha384 hmac-sha512 generic-secret",
		"exception": "rsa-2048 aes-128",
		"refuse": "ec-p224 ec-secp256k1 des des3 dsa rsa-1024 ml-kem-512 ml-kem-768 ml-kem-1024 ml-dsa-44 ml-dsa-65 ml-dsa-87 " +
			"slh-dsa-sha2-128s slh-dsa-sha2-128f slh-dsa-sha2-192s slh-dsa-sha2-192f slh-dsa-sha2-256s slh-dsa-sha2-256f " +
			"slh-dsa-shake-128s slh-dsa-shake-128f slh-dsa-shake-192s slh-dsa-shake-192f slh-dsa-shake-256s slh-dsa-shake-256f x25519+ml-kem-768 ec-p256+ml-dsa-65",
	})
	verdicts(t, "mechanism", p.Mechanisms, map[string]string{
		"allow":  "aes-kw aes-kwp rsa-oaep-sha256 rsa-oaep-sha1 sha-256 sha-384 sha-512",
		"refuse": "rsa-pkcs1-wrap rc4 md5 sha1-signature own-secret-sharing",
	})
	if i := slices.IndexFunc(p.Mechanisms, func(m ceremony.PolicyAlgorithm) bool { return m.Name == "rsa-oaep-sha1" }); p.Mechanisms[i].Note == "" {
		t.Error("nothing explains why OAEP with SHA-1 is allowed")
	}
}

// verdicts: each named one stands once with this verdict and a source, and no other.
func verdicts(t *testing.T, what string, rows []ceremony.PolicyAlgorithm, want map[string]string) {
	t.Helper()
	got := map[string][]string{}
	for _, r := range rows {
		got[r.Verdict] = append(got[r.Verdict], r.Name)
		if r.Source == "" {
			t.Errorf("%s %s has no source", what, r.Name)
		}
	}
	for verdict, names := range want {
		asked := strings.Fields(names)
		slices.Sort(asked)
		slices.Sort(got[verdict])
		if !slices.Equal(asked, got[verdict]) {
			t.Errorf("%s with the verdict %s: %q, want %q", what, verdict, got[verdict], asked)
		}
		delete(got, verdict)
	}
	if len(got) > 0 {
		t.Errorf("other verdicts: %v", got)
	}
}

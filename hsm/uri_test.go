package hsm_test

import (
	"fmt"
	"strings"
	"testing"

	"claviger/hsm"
)

func TestURIs(t *testing.T) {
	for text, want := range map[string]hsm.URI{
		"pkcs11:": {},
		"pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=": {
			Token: "The Software PKCS#11 Softtoken", Manufacturer: "Snake Oil, Inc.", Model: "1.0", Object: "my-certificate", Type: "cert", ID: []byte("\x69\x95\x3e\x5c\xf4\xbd\xec\x91")},
		"PKCS11:serial=1234;token=a%3bb":                          {Serial: "1234", Token: "a;b"},
		"pkcs11:serial=1?module-path=/usr/lib/x.so&module-name=x": {Serial: "1", ModulePath: "/usr/lib/x.so", ModuleName: "x"},
		"pkcs11:serial=1?vendor-thing=7":                          {Serial: "1"},
		"pkcs11:token=schl%C3%BCssel":                             {Token: "schlüssel"},
	} {
		got, err := hsm.ParseURI(text)
		if err != nil || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
		again, err := hsm.ParseURI(got.String())
		if err != nil || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", got) {
			t.Errorf("%s is printed as %s and read as %#v, %v", text, got, again, err)
		}
	}
}

func TestURIsRefused(t *testing.T) {
	for text, says := range map[string]string{
		"":                                     "begin with pkcs11:",
		"http://x":                             "begin with pkcs11:",
		"pkcs11:serial":                        "not name=value",
		"pkcs11:;serial=1":                     "not name=value",
		"pkcs11:serial=1;serial=2":             "twice",
		"pkcs11:serial=%4":                     "within",
		"pkcs11:serial=%zz":                    "hexadecimal",
		"pkcs11:token=a b":                     "%20",
		"pkcs11:slot-id=1":                     "slots move",
		"pkcs11:library-version=2":             "nothing would match",
		"pkcs11:serial=1?pin-value=1234":       "change that PIN",
		"pkcs11:serial=1;pin-value=1234":       "change that PIN",
		"pkcs11:serial=1?pin-value=%zz99":      "change that PIN",
		"pkcs11:serial=1?pin-source=x":         "the PIN is asked for",
		"pkcs11:" + strings.Repeat("x", 1<<13): "4096",
	} {
		_, err := hsm.ParseURI(text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
		if err != nil && (strings.Contains(err.Error(), "1234") || strings.Contains(err.Error(), "zz99")) {
			t.Errorf("the error tells the PIN: %v", err)
		}
	}
}

func FuzzURI(f *testing.F) {
	for _, text := range []string{"pkcs11:", "pkcs11:serial=1;id=%01%FF?module-path=/a%20b", "pkcs11:token=%e2%82%ac"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := hsm.ParseURI(text)
		if err != nil {
			return
		}
		again, err := hsm.ParseURI(u.String())
		if err != nil || fmt.Sprintf("%q", again) != fmt.Sprintf("%q", u) {
			t.Errorf("%q is printed as %s and read as %#v, %v", text, u, again, err)
		}
	})
}

func TestURINamesAToken(t *testing.T) {
	token := hsm.TokenInfo{Label: "vault 7", Serial: "0001", Manufacturer: "Maker", Model: "M"}
	u, err := hsm.ParseURI(token.URI().String())
	if err != nil || !u.Names(token) {
		t.Errorf("its own URI %s does not name it, %v", u, err)
	}
	for _, other := range []hsm.TokenInfo{
		{Label: "vault 8", Serial: "0001", Manufacturer: "Maker", Model: "M"}, {Label: "vault 7", Serial: "0002", Manufacturer: "Maker", Model: "M"},
		{Label: "vault 7", Serial: "0001", Manufacturer: "Other", Model: "M"}, {Label: "vault 7", Serial: "0001", Manufacturer: "Maker", Model: "N"},
	} {
		if u.Names(other) {
			t.Errorf("%s names %+v", u, other)
		}
	}
}

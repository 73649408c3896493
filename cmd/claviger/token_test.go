package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/worker"
)

// TestTokenSchema: what is printed has exactly the members of the schema, at every
// depth, each of its type.
func TestTokenSchema(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "claviger-token.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.Properties["schema"].Const != tokenSchema {
		t.Errorf("the schema is of %q", s.Properties["schema"].Const)
	}
	fits(t, "", s, reflect.TypeFor[tokenReport]())
}

// TestTokenProbe: what is said of a token is what it is, and where it lacks
// something, which ceremony that ends and why.
func TestTokenProbe(t *testing.T) {
	k, control := hsmtest.Shimmed(t, func(ctx context.Context, path string, env []string) (hsm.Module, error) {
		_, argv, err := self()
		if err != nil {
			return nil, err
		}
		return worker.Start(ctx, worker.Options{Argv: argv, ModulePath: path, Env: env})
	})
	name, conf, _ := strings.Cut(k.Env[0], "=")
	t.Setenv(name, conf)
	mechanisms, err := k.Module.Mechanisms(t.Context(), k.Serial)
	if err != nil {
		t.Fatal(err)
	}
	uri := "pkcs11:serial=" + k.Serial
	for _, args := range [][]string{{"--serial", k.Serial}, {"--serial", uri}} {
		token := probe(t, append([]string{"probe", "--module", k.Library, "--json"}, args...)...)
		if token.Serial != k.Serial || token.Label != k.Label || len(token.Mechanisms) != len(mechanisms) || token.HardwareSlot || !slices.Equal(token.States, []string{"ready"}) {
			t.Errorf("%q: %+v", args, token)
		}
		for _, c := range token.Ceremonies {
			if !c.Serves {
				t.Errorf("SoftHSM does not serve %+v", c)
			}
		}
	}
	control.HideMechanism(0x1040) // CKM_EC_KEY_PAIR_GEN
	control.TokenFlags(0, 0x1)    // CKF_RNG
	for _, c := range probe(t, "probe", "--module", k.Library, "--serial", k.Serial, "--json").Ceremonies {
		var missing []string
		for _, m := range c.Missing {
			missing = append(missing, m.For)
		}
		want := map[string][]string{
			"key-generation ":                   {"generate an EC key pair"},
			"key-generation algorithm=ec-p256":  {"generate an EC key pair"},
			"key-generation algorithm=rsa-3072": nil,
			"site-opening ":                     {"draw random bytes", "generate an EC key pair"},
		}
		if want, ok := want[c.Script+" "+c.With]; ok && (!slices.Equal(missing, want) || c.Serves != (want == nil)) {
			t.Errorf("%s %s: missing %q, want %q", c.Script, c.With, missing, want)
		}
	}
	for says, args := range map[string][]string{
		"cannot   site-opening: the token cannot draw random bytes": {"probe", "--module", k.Library},
		"can      key-generation algorithm=rsa-3072":                {"probe", "--module", k.Library},
		"serves practice sites only":                                {"probe", "--module", k.Library},
		"serial=" + k.Serial:                                        {"list", "--module", k.Library},
		"uninitialised":                                             {"list", "--module", k.Library},
	} {
		var out bytes.Buffer
		if err := tokens(t.Context(), args, &out, t.Output()); err != nil || !strings.Contains(out.String(), says) {
			t.Errorf("%q does not say %q, %v:\n%s", args, says, err, &out)
		}
	}
	control.Pad()
	if token := probe(t, "probe", "--module", k.Library, "--serial", k.Serial, "--json"); !token.PIN.OnDevice || !slices.Equal(token.States, []string{"PINs are entered on the device"}) {
		t.Errorf("a token with a pad: %+v, %q", token.PIN, token.States)
	}
	var out bytes.Buffer
	if err := tokens(t.Context(), []string{"probe", "--module", k.Library, "--serial", k.Serial}, &out, t.Output()); err != nil || !strings.Contains(out.String(), "entered on the device, never sent to it") {
		t.Errorf("%v:\n%s", err, &out)
	}
	for says, args := range map[string][]string{
		"it is absent":       {"probe", "--module", k.Library, "--serial", "0000"},
		"no such file":       {"list", "--module", filepath.Join(t.TempDir(), "none.so")},
		"needs --module":     {"probe"},
		"takes list or":      {"format"},
		"change that PIN":    {"list", "--serial", "pkcs11:serial=1?pin-value=1"},
		"was not expected":   {"list", "x"},
		"flag provided but ": {"list", "--pin", "x"},
	} {
		if err := tokens(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", args, err, says)
		}
	}
}

// Where one token is named, its URI is as good as its serial number, if it has one.
func TestSerialNumber(t *testing.T) {
	for text, want := range map[string]string{"": "", "0001": "0001", "pkcs11:serial=0001;token=x": "0001", "PKCS11:serial=a%20b": "a b"} {
		if got, err := serialNumber(text); err != nil || got != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{"pkcs11:token=x": "names no serial number", "pkcs11:serial=1?pin-source=x": "pin-source"} {
		if _, err := serialNumber(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// probe runs claviger token, whose output must be strictly what the types say.
func probe(t *testing.T, args ...string) tokenWord {
	t.Helper()
	var out bytes.Buffer
	if err := tokens(t.Context(), args, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	var r tokenReport
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.Schema != tokenSchema || len(r.Modules) != 1 || len(r.Modules[0].Tokens) != 1 {
		t.Fatalf("%+v", r)
	}
	return r.Modules[0].Tokens[0]
}

type schema struct {
	Const      string            `json:"const"`
	Type       any               `json:"type"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
}

func fits(t *testing.T, at string, s schema, of reflect.Type) {
	t.Helper()
	switch of.Kind() {
	case reflect.Pointer:
		if types, ok := s.Type.([]any); !ok || !slices.Contains(types, any("null")) {
			t.Errorf("%s may be null, and the schema says %v", at, s.Type)
		}
		s.Type = "object"
		fits(t, at, s, of.Elem())
	case reflect.Struct:
		var members []string
		for i := range of.NumField() {
			name := of.Field(i).Tag.Get("json")
			members = append(members, name)
			fits(t, at+"."+name, s.Properties[name], of.Field(i).Type)
		}
		slices.Sort(members)
		if known := slices.Sorted(maps.Keys(s.Properties)); s.Type != "object" || !slices.Equal(known, members) || !slices.Equal(slices.Sorted(slices.Values(s.Required)), members) {
			t.Errorf("%s has %q, the schema %q and requires %q", at, members, known, s.Required)
		}
	case reflect.Slice:
		if s.Type != "array" || s.Items == nil {
			t.Errorf("%s is a list, and the schema says %v", at, s.Type)
			return
		}
		fits(t, at+"[]", *s.Items, of.Elem())
	default:
		want := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Uint: "integer"}[of.Kind()]
		if s.Type != want && s.Const == "" {
			t.Errorf("%s is a %s, and the schema says %v", at, want, s.Type)
		}
	}
}

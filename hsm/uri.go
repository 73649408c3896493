package hsm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// URI names a token, or objects in it, as RFC 7512 does. An empty field says
// nothing about it.
type URI struct {
	Token, Manufacturer, Serial, Model string // of the token
	Object                             string // the object's label
	ID                                 []byte // CKA_ID
	Type                               string // "cert", "data", "private", "public", "secret-key"
	ModulePath, ModuleName             string // which library is meant
}

// The attributes of RFC 7512, 2.3, in the order they are printed.
var uriPath = []struct {
	name  string
	field func(*URI) *string
}{
	{"model", func(u *URI) *string { return &u.Model }},
	{"manufacturer", func(u *URI) *string { return &u.Manufacturer }},
	{"serial", func(u *URI) *string { return &u.Serial }},
	{"token", func(u *URI) *string { return &u.Token }},
	{"object", func(u *URI) *string { return &u.Object }},
	{"type", func(u *URI) *string { return &u.Type }},
}

var uriQuery = []struct {
	name  string
	field func(*URI) *string
}{
	{"module-path", func(u *URI) *string { return &u.ModulePath }},
	{"module-name", func(u *URI) *string { return &u.ModuleName }},
}

// maxURI is far above what any token's fields can make.
const maxURI = 4096

// ParseURI reads an RFC 7512 URI. One with a PIN in it, or with a place to fetch
// one from, is refused: PINs are typed by who holds them. So is one with an
// attribute that narrows its meaning in a way that is not understood (RFC 7512,
// 2.3), and one that names a slot, because slots move.
func ParseURI(text string) (URI, error) {
	u, err := parseURI(text)
	if err != nil {
		return URI{}, fmt.Errorf("couldn't read the PKCS#11 URI: %w", err)
	}
	return u, nil
}

func parseURI(text string) (URI, error) {
	if len(text) > maxURI {
		return URI{}, fmt.Errorf("it has more than %d characters", maxURI)
	}
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !strings.EqualFold(scheme, "pkcs11") {
		return URI{}, errors.New("it does not begin with pkcs11:")
	}
	var u URI
	path, query, hasQuery := strings.Cut(rest, "?")
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(path, ";") {
		if part == "" && path == "" {
			continue
		}
		if err := u.pathAttribute(part, seen); err != nil {
			return URI{}, err
		}
	}
	if !hasQuery {
		return u, nil
	}
	for part := range strings.SplitSeq(query, "&") {
		if err := u.queryAttribute(part, seen); err != nil {
			return URI{}, err
		}
	}
	return u, nil
}

// attribute splits name=value and refuses a second of the same name.
func attribute(part string, seen map[string]bool) (name, value string, err error) {
	name, value, ok := strings.Cut(part, "=")
	if !ok || name == "" {
		return "", "", fmt.Errorf("%q is not name=value", part)
	}
	if seen[name] {
		return "", "", fmt.Errorf("%q is there twice", name)
	}
	seen[name] = true
	// Never into an error: it may be a PIN.
	if strings.HasPrefix(name, "pin-") {
		return name, "", nil
	}
	value, err = unescape(value)
	return name, value, err
}

func (u *URI) pathAttribute(part string, seen map[string]bool) error {
	name, value, err := attribute(part, seen)
	if err != nil {
		return err
	}
	for _, a := range uriPath {
		if a.name == name {
			*a.field(u) = value
			return nil
		}
	}
	switch name {
	case "id":
		u.ID = []byte(value)
		return nil
	case "slot-id", "slot-description", "slot-manufacturer":
		return fmt.Errorf("%s names a slot, and slots move: name the token by its serial number (serial=…)", name)
	}
	return pinOr(name, fmt.Errorf("it asks for %q, which Claviger does not compare, so nothing would match", name))
}

func (u *URI) queryAttribute(part string, seen map[string]bool) error {
	name, value, err := attribute(part, seen)
	if err != nil {
		return err
	}
	for _, a := range uriQuery {
		if a.name == name {
			*a.field(u) = value
			return nil
		}
	}
	// RFC 7512, 2.3: what is not known in the query narrows nothing.
	return pinOr(name, nil)
}

func pinOr(name string, otherwise error) error {
	switch name {
	case "pin-value":
		return errors.New("it carries a PIN (pin-value): whoever has seen it, or a log of it, has the PIN; change that PIN, and leave it out: it is asked for in its place")
	case "pin-source":
		return errors.New("it says where a PIN is to be fetched (pin-source): leave it out, the PIN is asked for in its place")
	}
	return otherwise
}

func unescape(s string) (string, error) {
	var out bytes.Buffer
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			if s[i] <= ' ' || s[i] >= 0x7F {
				return "", fmt.Errorf("%q has a character that must be written as %%%02X", s, s[i])
			}
			out.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", fmt.Errorf("%q ends within a %%xx", s)
		}
		b, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", fmt.Errorf("%q has a %% that no two hexadecimal digits follow", s)
		}
		out.WriteByte(b[0])
		i += 2
	}
	return out.String(), nil
}

func escape(s string) string {
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// String prints the URI so that ParseURI reads the same.
func (u URI) String() string {
	var path, query []string
	for _, a := range uriPath {
		if v := *a.field(&u); v != "" {
			path = append(path, a.name+"="+escape(v))
		}
	}
	if len(u.ID) > 0 {
		var id strings.Builder
		for _, b := range u.ID {
			fmt.Fprintf(&id, "%%%02X", b)
		}
		path = append(path, "id="+id.String())
	}
	for _, a := range uriQuery {
		if v := *a.field(&u); v != "" {
			query = append(query, a.name+"="+strings.ReplaceAll(escape(v), "%2F", "/"))
		}
	}
	text := "pkcs11:" + strings.Join(path, ";")
	if len(query) > 0 {
		text += "?" + strings.Join(query, "&")
	}
	return text
}

// Names says whether the URI's token attributes fit this token.
func (u URI) Names(t TokenInfo) bool {
	for _, c := range []struct{ asked, is string }{
		{u.Token, t.Label}, {u.Manufacturer, t.Manufacturer}, {u.Serial, t.Serial}, {u.Model, t.Model},
	} {
		if c.asked != "" && c.asked != c.is {
			return false
		}
	}
	return true
}

// URI is the token's, as other programs of this machine name it.
func (t TokenInfo) URI() URI {
	return URI{Token: t.Label, Manufacturer: t.Manufacturer, Serial: t.Serial, Model: t.Model}
}

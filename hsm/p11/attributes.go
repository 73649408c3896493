package p11

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"claviger/hsm"
)

// Numbers of PKCS#11 v2.40 and v3.0. Those marked so are not in the header of
// miekg/pkcs11, which stops at v2.40's.
const (
	ckmECEdwardsKeyPairGen = 0x1055 // v3.0
	ckmEdDSA               = 0x1057 // v3.0
	ckkECEdwards           = 0x40   // v3.0
	unavailable            = "unavailable"
)

type form int

const (
	flag   form = iota // CK_BBOOL
	number             // CK_ULONG
	text
	octets
)

type attribute struct {
	cka  uint
	name string
	form form
}

// attributes names what we ask, set or read (PKCS#11 v2.40 base, section 4).
var attributes = []attribute{
	{0x000, "class", number},
	{0x001, "token", flag},
	{0x002, "private", flag},
	{0x003, "label", text},
	{0x010, "application", text},
	{0x012, "object-id", octets},
	{0x080, "certificate-type", number},
	{0x086, "trusted", flag},
	{0x090, "check-value", octets},
	{0x100, "key-type", number},
	{0x102, "id", octets},
	{0x103, "sensitive", flag},
	{0x104, "encrypt", flag},
	{0x105, "decrypt", flag},
	{0x106, "wrap", flag},
	{0x107, "unwrap", flag},
	{0x108, "sign", flag},
	{0x109, "sign-recover", flag},
	{0x10A, "verify", flag},
	{0x10B, "verify-recover", flag},
	{0x10C, "derive", flag},
	{0x120, "modulus", octets},
	{0x121, "modulus-bits", number},
	{0x122, "public-exponent", octets},
	{0x161, "value-len", number},
	{0x162, "extractable", flag},
	{0x163, "local", flag},
	{0x164, "never-extractable", flag},
	{0x165, "always-sensitive", flag},
	{0x166, "key-gen-mechanism", number},
	{0x170, "modifiable", flag},
	{0x171, "copyable", flag},
	{0x172, "destroyable", flag},
	{0x180, "ec-params", octets},
	{0x181, "ec-point", octets},
	{0x202, "always-authenticate", flag},
	{0x210, "wrap-with-trusted", flag},
}

func byName(name string) attribute {
	for _, a := range attributes {
		if a.name == name {
			return a
		}
	}
	panic("p11: no attribute is called " + name)
}

// shownFor lists what an object of this class is asked for, beside class, key
// type, label and id, in the order it is reported.
func shownFor(class string) []string {
	switch class {
	case "private-key":
		return []string{"token", "private", "sensitive", "extractable", "wrap-with-trusted",
			"sign", "sign-recover", "decrypt", "unwrap", "derive", "always-authenticate",
			"modifiable", "copyable", "destroyable",
			"local", "always-sensitive", "never-extractable", "key-gen-mechanism"}
	case "public-key":
		return []string{"token", "private", "verify", "verify-recover", "encrypt", "wrap", "derive", "trusted",
			"modifiable", "copyable", "destroyable", "local", "key-gen-mechanism"}
	case "secret-key":
		return []string{"token", "private", "sensitive", "extractable", "wrap-with-trusted", "trusted",
			"sign", "verify", "encrypt", "decrypt", "wrap", "unwrap", "derive", "value-len",
			"modifiable", "copyable", "destroyable",
			"local", "always-sensitive", "never-extractable", "key-gen-mechanism"}
	case "certificate":
		return []string{"token", "private", "certificate-type", "trusted", "modifiable", "copyable", "destroyable"}
	case "data":
		return []string{"token", "private", "application", "object-id", "modifiable", "copyable", "destroyable"}
	}
	return []string{"token", "private", "modifiable"}
}

// publicValues are what makes up a public key of this type. A token that is asked
// for those of another type may refuse the whole question.
func publicValues(keyType string) []string {
	if keyType == "rsa" {
		return []string{"modulus", "modulus-bits", "public-exponent"}
	}
	return []string{"ec-params", "ec-point"}
}

// classes are the CKO_ numbers with the words of hsm.Object.
var classes = map[uint]string{0: "data", 1: "certificate", 2: "public-key", 3: "private-key", 4: "secret-key"}

func className(n uint) string { return nameOr(classes, n) }

func classNumber(name string) (uint, bool) {
	for n, s := range classes {
		if s == name {
			return n, true
		}
	}
	n, err := strconv.ParseUint(name, 0, 32)
	return uint(n), err == nil
}

// keyTypes are the CKK_ numbers with the words of hsm.Object.
var keyTypes = map[uint]string{0: "rsa", 3: "ec", 0x10: "generic-secret", 0x1F: "aes", ckkECEdwards: "ec-edwards"}

func nameOr(names map[uint]string, n uint) string {
	if s, ok := names[n]; ok {
		return s
	}
	return "0x" + strconv.FormatUint(uint64(n), 16)
}

// show writes a value as the token gave it in the words of hsm.Attribute. nil is
// a value that the token does not give. Bytes of an impossible length for their
// form are shown in hex: they are then equal to nothing we ask.
func show(a attribute, value []byte) string {
	switch {
	case value == nil:
		return unavailable
	case a.form == flag && len(value) == 1 && value[0] == 0:
		return "false"
	case a.form == flag && len(value) == 1 && value[0] == 1:
		return "true"
	case a.form == number && len(value) == strconv.IntSize/8:
		n := toNumber(value)
		if n == ^uint(0) { // CK_UNAVAILABLE_INFORMATION
			return unavailable
		}
		return strconv.FormatUint(uint64(n), 10)
	case a.form == text:
		return string(value)
	}
	return hex.EncodeToString(value)
}

// toNumber reads a CK_ULONG. One of another length is as good as unavailable.
func toNumber(value []byte) uint {
	switch {
	case len(value) == 8 && strconv.IntSize == 64:
		return uint(binary.NativeEndian.Uint64(value))
	case len(value) == 4 && strconv.IntSize == 32:
		return uint(binary.NativeEndian.Uint32(value))
	}
	return ^uint(0)
}

// wanted is one attribute as it must be read back.
type wanted struct {
	attribute
	value any    // bool, uint, string or []byte for the template
	text  string // the same as show writes it
	also  string // a second spelling of the same fact, as show writes it; or ""
	// fact: the token sets it by itself; it is compared, not asked for.
	fact bool
	// spare: not every token knows it. Left out of the template where the token
	// refuses it, and then "unavailable" or the wanted value are both right.
	spare age
}

// age says since when PKCS#11 has an attribute that a token may lack: the newest
// are left out first, so that a token that lacks only those is still told the rest.
type age int

const (
	always age = iota // no token lacks it
	old               // since v2.20 or before
	recent            // since v2.40, or seldom there
)

func want(name string, value any) wanted {
	w := wanted{attribute: byName(name), value: value}
	switch v := value.(type) {
	case bool:
		w.text = strconv.FormatBool(v)
	case uint:
		w.text = strconv.FormatUint(uint64(v), 10)
	case string:
		w.text = v
	case []byte:
		w.text = hex.EncodeToString(v)
	default:
		panic("p11: no attribute has such a value")
	}
	return w
}

func (w wanted) or(value []byte) wanted { w.also = hex.EncodeToString(value); return w }
func (w wanted) asFact() wanted         { w.fact = true; return w }
func (w wanted) since(a age) wanted     { w.spare = a; return w }

// sinceUnless: a token may lack it, unless it is needed.
func (w wanted) sinceUnless(a age, needed bool) wanted {
	if needed {
		return w
	}
	return w.since(a)
}

// differences compares what was read with what was wanted.
func differences(half string, list []wanted, got map[uint][]byte) []hsm.Difference {
	var wrong []hsm.Difference
	for _, w := range list {
		text := show(w.attribute, got[w.cka])
		if text == w.text || w.also != "" && text == w.also || w.spare != always && text == unavailable {
			continue
		}
		wrong = append(wrong, hsm.Difference{Attribute: half + w.name, Want: w.text, Got: text})
	}
	return wrong
}

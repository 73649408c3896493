package ledger

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// reference is the canonical form as a JSON library knows it, plus the value
// rules: what checkCanonical says in one pass.
func reference(b []byte) bool {
	if checkValues(b) != nil {
		return false
	}
	v := jsontext.Value(bytes.Clone(b))
	return v.Canonicalize() == nil && bytes.Equal(v, b)
}

var canonSeeds = []string{
	`{"a":1,"b":[true,false,"x",-9007199254740991,0],"c":{}}`, `[]`, `{}`, `""`, `0`, `-1`, `true`,
	`{"a":1,"a":2}`, `{"b":1,"a":2}`, `{"a":1,"a-":2,"a0":3,"aa":4}`, `{"A":1}`, `{"ſ":1}`, `{"":1}`, `{"a\\u0062":1}`,
	`"\u0000\u001f\u000b\b\t\n\f\r\"\\"`, `"\u0008"`, `"\u000A"`, `"\/"`, `"\u0061"`, `"\u007f"`, `"\ud83d\ude00"`, `"\ud800"`,
	"\"\u2028\U0001f511\uffff\u007f\"", "\"\xed\xa0\x80\"", "\"\xff\"", "\"\t\"", `"`, `"\`, `"\u00`,
	`-0`, `00`, `01`, `1.0`, `1e3`, `1E3`, `9007199254740991`, `9007199254740992`, `9007199254740993`, `-9007199254740992`, `99999999999999999999`, `-`, `+1`,
	`null`, `[null]`, `tru`, `trues`, ` 1`, `1 `, `[1 ,2]`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[}`, `{]`, `1,2`, `[1][2]`,
}

func TestCanonicalFormIsTheLibrarys(t *testing.T) {
	seeds := append([]string{
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	}, canonSeeds...)
	for _, s := range seeds {
		if err := checkCanonical([]byte(s)); (err == nil) != reference([]byte(s)) {
			t.Errorf("%s: %v; the library says %v", s, err, reference([]byte(s)))
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range canonSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := checkCanonical(b); (err == nil) != reference(b) {
			t.Errorf("%q: %v; the library says %v", b, err, reference(b))
		}
	})
}

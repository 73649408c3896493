package ledger_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"claviger/ledger"
)

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

const example = `{"body":{"n":1,"text":"x"},"ceremony":"2026-014","kind":"key.generated","prev":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","seq":2318,"time":"2026-11-22T11:42:31.204Z","v":1}`

func TestRecordIsOneLineOfCanonicalJSON(t *testing.T) {
	prev, err := ledger.ParseHash("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
	if err != nil {
		t.Fatal(err)
	}
	d := ledger.Draft{
		Ceremony: "2026-014", Kind: "key.generated", V: 1,
		Time: time.Date(2026, 11, 22, 12, 42, 31, 204_999_999, time.FixedZone("", 3600)),
		Body: body{N: 1, Text: "x"},
	}
	records, err := ledger.Build(ledger.Head{Size: 2318, Last: prev}, d)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(records[0].Bytes); got != example {
		t.Errorf("built\n%s, want\n%s", got, example)
	}
	if got := string(records[0].Body); got != `{"n":1,"text":"x"}` {
		t.Errorf("body %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	change := func(old, with string) string {
		if !strings.Contains(example, old) {
			t.Fatalf("the example has no %q", old)
		}
		return strings.Replace(example, old, with, 1)
	}
	tests := map[string]struct{ line, says string }{
		"nothing":                         {``, "not"},
		"two values":                      {example + example, "JSON"},
		"a newline at the end":            {example + "\n", "canonical"},
		"a blank":                         {change(`"n":1`, `"n": 1`), "canonical"},
		"members in another order":        {change(`"n":1,"text":"x"`, `"text":"x","n":1`), "canonical"},
		"an envelope in another order":    {change(`"seq":2318,"time":"2026-11-22T11:42:31.204Z"`, `"time":"2026-11-22T11:42:31.204Z","seq":2318`), "canonical"},
		"an escape that isn't needed":     {change(`"x"`, `"\u0078"`), "canonical"},
		"an escaped slash":                {change(`"x"`, `"\/"`), "canonical"},
		"a lone surrogate":                {change(`"x"`, `"\ud800"`), "JSON"},
		"invalid UTF-8":                   {change(`"x"`, "\"\xff\""), "UTF-8"},
		"a repeated member":               {change(`"n":1`, `"n":1,"n":1`), "duplicate"},
		"a name in capitals":              {change(`"n":1`, `"N":1`), "member name"},
		"a name that folds to another":    {change(`"n":1,"text":"x"`, `"n":1,"ſ":2,"text":"x"`), "member name"},
		"an envelope name that folds":     {change(`"seq"`, `"ſeq"`), "expected"},
		"a Kelvin sign in the envelope":   {change(`"kind"`, "\"\u212aind\""), "expected"},
		"a name with an underscore":       {change(`"n":1`, `"n_":1`), "member name"},
		"null":                            {change(`"n":1`, `"n":null`), "null"},
		"a fraction":                      {change(`"n":1`, `"n":1.5`), "integer"},
		"an exponent":                     {change(`"n":1`, `"n":1e3`), "integer"},
		"an integer as a fraction":        {change(`"n":1`, `"n":1.0`), "integer"},
		"minus zero":                      {change(`"n":1`, `"n":-0`), "integer"},
		"an integer past 2^53-1":          {change(`"n":1`, `"n":9007199254740992`), "integer"},
		"an integer that would be 2^53":   {change(`"n":1`, `"n":9007199254740993`), "integer"},
		"nesting without end":             {change(`"n":1`, `"n":`+strings.Repeat("[", 30)+strings.Repeat("]", 30)), "nested"},
		"a body that is a string":         {change(`{"n":1,"text":"x"}`, `"x"`), "object"},
		"no body":                         {change(`"body":{"n":1,"text":"x"},`, ``), "expected"},
		"no version":                      {change(`,"v":1`, ``), "expected"},
		"no ceremony":                     {change(`"ceremony":"2026-014",`, ``), "expected"},
		"an unknown member":               {change(`"v":1`, `"v":1,"x":1`), "expected"},
		"a kind without a verb":           {change(`key.generated`, `key`), "kind"},
		"a kind with two verbs":           {change(`key.generated`, `key.made.again`), "kind"},
		"a kind in capitals":              {change(`key.generated`, `Key.generated`), "kind"},
		"a ceremony that is a path":       {change(`2026-014`, `../014`), "ceremony"},
		"a ceremony with a leading dash":  {change(`2026-014`, `-014`), "ceremony"},
		"a hash in capitals":              {change(`ccddeeff"`, `CCDDEEFF"`), "hex"},
		"a hash too short":                {change(`ccddeeff"`, `ccddee"`), "64"},
		"a hash that isn't hex":           {change(`ccddeeff"`, `ccddeefg"`), "hex"},
		"a negative sequence number":      {change(`2318`, `-1`), "below zero"},
		"version zero":                    {change(`"v":1`, `"v":0`), "version"},
		"record 0 with a predecessor":     {change(`2318`, `0`), "record 0"},
		"the year 0":                      {change(`2026-11-22T`, `0000-11-22T`), "time"},
		"a leap second":                   {change(`:31.204Z`, `:60.204Z`), "time"},
		"a time without milliseconds":     {change(`.204Z`, `Z`), "time"},
		"a time with a comma":             {change(`.204Z`, `,204Z`), "time"},
		"a time in another zone":          {change(`.204Z`, `.204+00:00`), "time"},
		"the 31st of November":            {change(`11-22T`, `11-31T`), "time"},
		"more than fits":                  {change(`"x"`, `"`+strings.Repeat("x", ledger.MaxRecord)+`"`), "65535"},
		"an array instead of an envelope": {`[` + example + `]`, "expected"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ledger.Parse([]byte(test.line))
			if err == nil {
				t.Fatalf("accepted %s", test.line)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("says %q, without %q", err, test.says)
			}
		})
	}
	if _, err := ledger.Parse([]byte(example)); err != nil {
		t.Error("the example itself:", err)
	}
}

func TestRecordBounds(t *testing.T) {
	at := ledger.Empty()
	long := func(n int) ledger.Draft { d := draft(0); d.Body = body{Text: strings.Repeat("x", n)}; return d }
	records, err := ledger.Build(at, long(0))
	if err != nil {
		t.Fatal(err)
	}
	room := ledger.MaxRecord - len(records[0].Bytes)
	if records, err = ledger.Build(at, long(room)); err != nil || len(records[0].Bytes) != ledger.MaxRecord {
		t.Errorf("a record of exactly %d bytes: %v", ledger.MaxRecord, err)
	}
	if _, err := ledger.Build(at, long(room+1)); err == nil || !strings.Contains(err.Error(), "65535") {
		t.Errorf("one byte more: %v", err)
	}
	for name, change := range map[string]func(*ledger.Draft){
		"no kind":        func(d *ledger.Draft) { d.Kind = "" },
		"no version":     func(d *ledger.Draft) { d.V = 0 },
		"no time":        func(d *ledger.Draft) { d.Time = time.Time{} },
		"the year 10000": func(d *ledger.Draft) { d.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a bad ceremony": func(d *ledger.Draft) { d.Ceremony = "A/B" },
		"no body":        func(d *ledger.Draft) { d.Body = nil },
		"a list as body": func(d *ledger.Draft) { d.Body = []int{1} },
	} {
		d := draft(0)
		change(&d)
		if _, err := ledger.Build(at, d); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

type values struct {
	Bytes []byte            `json:"bytes"`
	Flag  bool              `json:"flag"`
	Hash  ledger.Hash       `json:"hash"`
	List  []string          `json:"list"`
	Map   map[string]uint64 `json:"map"`
	Maybe string            `json:"maybe,omitzero"`
	Time  time.Time         `json:"time"`
}

func TestEncode(t *testing.T) {
	tests := map[string]struct {
		v    any
		want string
	}{
		"zero values":   {values{Time: time.Unix(0, 0)}, `{"bytes":"","flag":false,"hash":"` + zeros + `","list":[],"map":{},"time":"1970-01-01T00:00:00.000Z"}`},
		"bytes are hex": {values{Bytes: []byte{0xAB, 0}, Time: time.Unix(1, 5_000_000)}, `{"bytes":"ab00","flag":false,"hash":"` + zeros + `","list":[],"map":{},"time":"1970-01-01T00:00:01.005Z"}`},
		"members are sorted": {struct {
			B int `json:"b"`
			A int `json:"a"`
		}{1, 2}, `{"a":2,"b":1}`},
		"map members are sorted": {map[string]int{"b": 1, "a": 2, "a-": 3}, `{"a":2,"a-":3,"b":1}`},
		"escapes are the least":  {[]string{"\u2028<&>\"\\/\b\f\n\r\t\x01é"}, `["` + "\u2028" + `<&>\"\\/\b\f\n\r\t\u0001é"]`},
		"the widest integers":    {[]int64{ledger.MaxSafeInteger, -ledger.MaxSafeInteger}, `[9007199254740991,-9007199254740991]`},
	}
	for name, test := range tests {
		got, err := ledger.Encode(test.v)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, test.want)
		}
	}
	for name, v := range map[string]any{
		"a fraction":              1.5,
		"an integer past 2^53-1":  uint64(1 << 53),
		"an integer below -2^53":  int64(-1 << 53),
		"nil":                     nil,
		"a pointer to nothing":    struct{ P *int }{},
		"an exported name":        struct{ Name string }{"x"},
		"a map with another name": map[string]int{"É": 1},
		"invalid UTF-8":           "\xff",
		"a channel":               make(chan int),
	} {
		if got, err := ledger.Encode(v); err == nil {
			t.Errorf("%s: written as %s", name, got)
		}
	}
}

func TestDecode(t *testing.T) {
	want := values{Bytes: []byte{1}, Flag: true, Hash: ledger.BlobHash(nil), List: []string{"ſ", ""}, Map: map[string]uint64{"k": 1}, Maybe: "x", Time: time.Unix(99, 0).UTC()}
	b, err := ledger.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	var got values
	if err := ledger.Decode(b, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v came back as %v", want, got)
	}
	s := string(b)
	for name, line := range map[string]string{
		"an unknown member":          strings.Replace(s, `"flag"`, `"flagged":1,"flag"`, 1),
		"a repeated member":          strings.Replace(s, `"flag":true`, `"flag":true,"flag":true`, 1),
		"a name in capitals":         strings.Replace(s, `"flag"`, `"Flag"`, 1),
		"a name that folds":          strings.Replace(s, `"list"`, `"liſt"`, 1),
		"both spellings":             strings.Replace(s, `"list"`, `"liſt":[],"list"`, 1),
		"a missing member":           strings.Replace(s, `"flag":true,`, ``, 1),
		"an empty optional member":   strings.Replace(s, `"maybe":"x"`, `"maybe":""`, 1),
		"hex in capitals":            strings.Replace(s, `"bytes":"01"`, `"bytes":"0A"`, 1),
		"half a byte":                strings.Replace(s, `"bytes":"01"`, `"bytes":"1"`, 1),
		"base64":                     strings.Replace(s, `"bytes":"01"`, `"bytes":"AQ=="`, 1),
		"a number as bytes":          strings.Replace(s, `"bytes":"01"`, `"bytes":1`, 1),
		"a time in another spelling": strings.Replace(s, `.000Z`, `Z`, 1),
		"a number as time":           strings.Replace(s, `"1970-01-01T00:01:39.000Z"`, `99`, 1),
		"null":                       strings.Replace(s, `"list":["ſ",""]`, `"list":null`, 1),
		"a blank":                    " " + s,
		"a second value":             s + "{}",
	} {
		if line == s {
			t.Fatalf("%s: the line is unchanged", name)
		}
		if err := ledger.Decode([]byte(line), new(values)); err == nil {
			t.Errorf("%s: accepted %s", name, line)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(strings.Replace(example, `"x"`, `"é\u0000\"\\"`, 1)))
	f.Add([]byte(`{"body":{},"ceremony":"","kind":"a.b","prev":"` + zeros + `","seq":0,"time":"0001-01-01T00:00:00.001Z","v":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ledger.Parse(line)
		if err != nil {
			return
		}
		// What is read can be written again in one way only.
		var v any
		if err := ledger.Decode(r.Body, &v); err != nil {
			t.Fatalf("the body of %s: %v", line, err)
		}
		again, err := ledger.Build(ledger.Head{Size: r.Seq, Last: r.Prev}, ledger.Draft{Ceremony: r.Ceremony, Kind: r.Kind, V: r.V, Time: r.Time, Body: v})
		if err != nil {
			t.Fatalf("%s was read but isn't written: %v", line, err)
		}
		if !bytes.Equal(again[0].Bytes, line) {
			t.Fatalf("%s was written again as %s", line, again[0].Bytes)
		}
	})
}

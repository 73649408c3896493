package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// TimeFormat is the one spelling of a time: UTC, milliseconds, never a leap
// second.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// FormatTime writes t in TimeFormat; what is finer than a millisecond is dropped.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeFormat) }

// ParseTime reads what FormatTime writes and refuses every other spelling.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(TimeFormat, s)
	// time.Parse also takes a comma for the dot and one digit for the hour.
	if err != nil || len(s) != len(TimeFormat) || s[19] != '.' || !t.After(time.Time{}) {
		return time.Time{}, fmt.Errorf("the time %q isn't written like %s", s, TimeFormat)
	}
	return t, nil
}

// codec spells the Go types for which JSON has no form of its own.
var codec = json.JoinOptions(
	json.Deterministic(true),
	json.RejectUnknownMembers(true),
	json.WithMarshalers(json.JoinMarshalers(
		json.MarshalToFunc(func(enc *jsontext.Encoder, b []byte) error {
			return enc.WriteToken(jsontext.String(hex.EncodeToString(b)))
		}),
		json.MarshalToFunc(func(enc *jsontext.Encoder, t time.Time) error {
			if y := t.UTC().Year(); y < 1 || y > 9999 {
				return fmt.Errorf("the year %d has no four digits", y)
			}
			return enc.WriteToken(jsontext.String(FormatTime(t)))
		}),
	)),
	json.WithUnmarshalers(json.JoinUnmarshalers(
		json.UnmarshalFromFunc(func(dec *jsontext.Decoder, b *[]byte) error {
			s, err := readString(dec)
			if err != nil {
				return err
			}
			*b, err = parseHex(s)
			return err
		}),
		json.UnmarshalFromFunc(func(dec *jsontext.Decoder, t *time.Time) error {
			s, err := readString(dec)
			if err != nil {
				return err
			}
			*t, err = ParseTime(s)
			return err
		}),
	)),
)

func readString(dec *jsontext.Decoder) (string, error) {
	tok, err := dec.ReadToken()
	if err != nil {
		return "", err
	}
	if tok.Kind() != '"' {
		return "", fmt.Errorf("expected a string, found %v", tok.Kind())
	}
	return tok.String(), nil
}

// Encode writes v as canonical JSON (RFC 8785) under the ledger's value rules:
// member names are [a-z][a-z0-9-]*, values are objects, arrays, strings,
// booleans and integers within ±(2⁵³−1); no null, no fraction. A nil slice is
// [], []byte is lower-case hex, time.Time is TimeFormat.
func Encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v, codec)
	if err != nil {
		return nil, fmt.Errorf("couldn't write %T as JSON: %w", v, err)
	}
	// A struct whose members are declared in order is canonical as it comes.
	if checkCanonical(raw) == nil {
		return raw, nil
	}
	// Before canonicalising, which would silently round an integer beyond 2⁵³.
	if err := checkValues(raw); err != nil {
		return nil, err
	}
	val := jsontext.Value(raw)
	if err := val.Canonicalize(); err != nil {
		return nil, fmt.Errorf("couldn't write %T in canonical form: %w", v, err)
	}
	return val, checkCanonical(val)
}

// Decode reads canonical JSON into a value, which must be zero before. Unknown,
// repeated and differently spelled members are refused, and so is everything
// that Encode would not have written exactly like this.
func Decode(b []byte, into any) error {
	if err := json.Unmarshal(b, into, codec); err != nil {
		return fmt.Errorf("couldn't read %T: %w", into, err)
	}
	again, err := Encode(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("couldn't read %T: it isn't written the one canonical way (%s)", into, difference(b, again))
	}
	return nil
}

// checkValues holds the value rules for JSON that isn't canonical yet.
func checkValues(b []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(b))
	for {
		tok, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		if dec.StackDepth() > maxDepth {
			return fmt.Errorf("nested deeper than %d", maxDepth)
		}
		switch tok.Kind() {
		case 'n':
			return fmt.Errorf("null at %s: a ledger value is there or its member is not", dec.StackPointer())
		case '0':
			if !isSafeInteger(tok.String()) {
				return fmt.Errorf("the number %s at %s isn't an integer within ±(2^53−1)", tok, dec.StackPointer())
			}
		case '"':
			if kind, n := dec.StackIndex(dec.StackDepth()); kind == '{' && n%2 == 1 && !isName(tok.String()) {
				return fmt.Errorf("the member name %q isn't of the form [a-z][a-z0-9-]*", tok.String())
			}
		}
	}
}

func isSafeInteger(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && -MaxSafeInteger <= n && n <= MaxSafeInteger && strconv.FormatInt(n, 10) == s
}

// difference says where two spellings part, for the one who must find it.
func difference(got, want []byte) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	around := func(b []byte) []byte { return b[max(0, min(i, len(b))-12):min(len(b), i+12)] }
	return fmt.Sprintf("byte %d: found %q, canonical %q", i, around(got), around(want))
}

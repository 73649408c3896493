package ledger

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Draft is a record before it has its place in the chain.
type Draft struct {
	// Ceremony is the ceremony's number, "" outside one.
	Ceremony string
	// Kind names what happened, such as key.generated; V is the version of that
	// kind's body, from 1.
	Kind string
	V    int
	Time time.Time
	// Body is written by [Encode] and must come out as an object.
	Body any
}

// Record is one line of the ledger.
type Record struct {
	Seq      int64
	Time     time.Time
	Ceremony string
	Kind     string
	V        int
	// Prev is the leaf of the record before, zero in record 0.
	Prev Hash
	// Body is canonical JSON; it shares memory with Bytes.
	Body []byte
	// Bytes is the whole line as stored and hashed, without a newline.
	Bytes []byte
	Leaf  Hash
}

// envelope is the line itself; its members stand in canonical order already.
type envelope struct {
	Body     jsontext.Value `json:"body"`
	Ceremony string         `json:"ceremony"`
	Kind     string         `json:"kind"`
	Prev     Hash           `json:"prev"`
	Seq      int64          `json:"seq"`
	Time     string         `json:"time"`
	V        int            `json:"v"`
}

// Build chains drafts behind a head. It refuses what Parse would refuse, so
// that nothing is ever stored that a checker cannot read.
func Build(at Head, drafts ...Draft) ([]Record, error) {
	records := make([]Record, 0, len(drafts))
	seq, prev := at.Size, at.Last
	for _, d := range drafts {
		line, err := format(d, seq, prev)
		if err != nil {
			return nil, fmt.Errorf("couldn't write the %s record: %w", d.Kind, err)
		}
		r, err := Parse(line)
		if err != nil {
			return nil, fmt.Errorf("couldn't write the %s record: %w", d.Kind, err)
		}
		records = append(records, r)
		seq, prev = seq+1, r.Leaf
	}
	return records, nil
}

func format(d Draft, seq int64, prev Hash) ([]byte, error) {
	if d.Time.IsZero() {
		return nil, errors.New("it has no time")
	}
	body, err := Encode(d.Body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(envelope{body, d.Ceremony, d.Kind, prev, seq, FormatTime(d.Time), d.V})
}

// Parse reads one line and refuses every spelling but the canonical one. It
// knows no bodies: that a body fits its kind is for package ceremony to say.
func Parse(line []byte) (Record, error) {
	if len(line) > MaxRecord {
		return Record{}, fmt.Errorf("a record of %d bytes: at most %d are allowed", len(line), MaxRecord)
	}
	e, err := parseEnvelope(line)
	if err != nil {
		return Record{}, err
	}
	t, err := ParseTime(e.Time)
	if err != nil {
		return Record{}, err
	}
	switch {
	case !isKind(e.Kind):
		return Record{}, fmt.Errorf("the kind %q isn't of the form noun.verb in lower case", e.Kind)
	case !isCeremony(e.Ceremony):
		return Record{}, fmt.Errorf("the ceremony %q isn't a number such as 2026-014", e.Ceremony)
	case e.Seq < 0:
		return Record{}, fmt.Errorf("the sequence number %d is below zero", e.Seq)
	case e.V < 1:
		return Record{}, fmt.Errorf("the body version %d is below one", e.V)
	case e.Seq == 0 && !e.Prev.IsZero():
		return Record{}, errors.New("record 0 names a record before it")
	}
	return Record{
		Seq: e.Seq, Time: t, Ceremony: e.Ceremony, Kind: e.Kind, V: e.V, Prev: e.Prev,
		Body: e.Body, Bytes: line, Leaf: LeafHash(line),
	}, nil
}

func isKind(s string) bool {
	noun, verb, ok := strings.Cut(s, ".")
	return ok && len(s) <= maxKind && isName(noun) && isName(verb)
}

// isCeremony allows "" and numbers such as 2026-014: digits, lower-case letters
// and dashes, so that a number is also a safe name for a folder.
func isCeremony(s string) bool {
	return s == "" || len(s) <= maxCeremony && s[0] != '-' && isName("a"+s)
}

package ledger

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// checkCanonical accepts exactly the ledger's JSON in its one spelling:
//
//	value  = object / array / string / integer / "true" / "false"
//	object = "{" [ name ":" value *( "," name ":" value ) ] "}"  ; names ascending
//	array  = "[" [ value *( "," value ) ] "]"
//	name   = DQUOTE LOWER *( LOWER / DIGIT / "-" ) DQUOTE
//	integer, string: as RFC 8785 writes them, within ±(2⁵³−1)
//
// It says the same as jsontext's Canonicalize followed by the value rules
// (a fuzz test holds it to that), in one pass: this is asked of every record
// at every start.
func checkCanonical(b []byte) error {
	s := scanner{b: b}
	if err := s.value(); err != nil {
		return err
	}
	if s.pos != len(b) {
		return s.fail("more follows the value")
	}
	return nil
}

// scanner walks canonical JSON.
type scanner struct {
	b     []byte
	pos   int
	depth int
}

func (s *scanner) fail(format string, args ...any) error {
	return fmt.Errorf("not canonical JSON at byte %d: %s", s.pos, fmt.Sprintf(format, args...))
}

// peek is the next byte, zero at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.b) {
		return s.b[s.pos]
	}
	return 0
}

// skip steps over text that must stand here.
func (s *scanner) skip(text string) error {
	if !bytes.HasPrefix(s.b[s.pos:], []byte(text)) {
		return s.fail("expected %s", text)
	}
	s.pos += len(text)
	return nil
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object()
	case c == '[':
		return s.array()
	case c == '"':
		return s.text()
	case c == '-' || '0' <= c && c <= '9':
		_, err := s.integer()
		return err
	case c == 't':
		return s.skip("true")
	case c == 'f':
		return s.skip("false")
	case c == 'n':
		return s.fail("null: a value is there, or its member is not")
	}
	return s.fail("expected a value")
}

// enter steps into an object or array.
func (s *scanner) enter() error {
	s.pos++
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested deeper than %d", maxDepth)
	}
	return nil
}

// next steps over a comma or out at the end; it reports whether more follows.
func (s *scanner) next(end byte) (more bool, err error) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, nil
	case end:
		s.pos++
		s.depth--
		return false, nil
	}
	return false, s.fail("expected a comma or %c", end)
}

func (s *scanner) object() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		_, err := s.next('}')
		return err
	}
	var last []byte
	for {
		name, err := s.name()
		if err != nil {
			return err
		}
		if c := bytes.Compare(last, name); c == 0 {
			return s.fail("the member %s is a duplicate", name)
		} else if c > 0 {
			return s.fail("the member %s stands after %s", name, last)
		}
		last = name
		if err := s.skip(":"); err != nil {
			return err
		}
		if err := s.value(); err != nil {
			return err
		}
		if more, err := s.next('}'); err != nil || !more {
			return err
		}
	}
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		_, err := s.next(']')
		return err
	}
	for {
		if err := s.value(); err != nil {
			return err
		}
		if more, err := s.next(']'); err != nil || !more {
			return err
		}
	}
}

func (s *scanner) name() ([]byte, error) {
	if err := s.skip(`"`); err != nil {
		return nil, err
	}
	n := bytes.IndexByte(s.b[s.pos:], '"')
	if n < 0 || !isName(s.b[s.pos:s.pos+n]) {
		return nil, s.fail("a member name isn't of the form [a-z][a-z0-9-]*")
	}
	name := s.b[s.pos : s.pos+n]
	s.pos += n + 1
	return name, nil
}

// isName reports whether s is of the form [a-z][a-z0-9-]*.
func isName[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func (s *scanner) integer() (int64, error) {
	start, n := s.pos, int64(0)
	if s.peek() == '-' {
		s.pos++
	}
	digits := s.pos
	for c := s.peek(); '0' <= c && c <= '9' && s.pos-digits < 17; c = s.peek() {
		n = 10*n + int64(c-'0')
		s.pos++
	}
	count := s.pos - digits
	c := s.peek()
	if count == 0 || n > MaxSafeInteger || s.b[digits] == '0' && (count > 1 || digits > start) || '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' {
		s.pos = start
		return 0, s.fail("a number that isn't an integer within ±(2^53−1)")
	}
	if digits > start {
		n = -n
	}
	return n, nil
}

// plain holds the bytes that stand for themselves in a string.
var plain = func() (p [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

func (s *scanner) text() error {
	s.pos++
	for {
		for s.pos < len(s.b) && plain[s.b[s.pos]] {
			s.pos++
		}
		switch c := s.peek(); {
		case s.pos == len(s.b):
			return s.fail("the text has no end")
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < 0x20:
			return s.fail("a control character must be escaped")
		default:
			r, n := utf8.DecodeRune(s.b[s.pos:])
			if r == utf8.RuneError && n == 1 {
				return s.fail("the text isn't valid UTF-8")
			}
			s.pos += n
		}
	}
}

// escape steps over one of the escapes that RFC 8785 section 3.2.2.2 asks for.
func (s *scanner) escape() error {
	rest := s.b[s.pos:]
	if len(rest) >= 2 && bytes.IndexByte([]byte(`"\bfnrt`), rest[1]) >= 0 {
		s.pos += 2
		return nil
	}
	if len(rest) >= 6 && string(rest[:4]) == `\u00` && (rest[4] == '0' || rest[4] == '1') {
		short := rest[4] == '0' && bytes.IndexByte([]byte("89acd"), rest[5]) >= 0
		if bytes.IndexByte([]byte("0123456789abcdef"), rest[5]) >= 0 && !short {
			s.pos += 6
			return nil
		}
	}
	return s.fail("an escape that isn't the one canonical one")
}

// parseEnvelope reads a record's line, whose members have one order.
func parseEnvelope(line []byte) (envelope, error) {
	r := envelopeReader{scanner: scanner{b: line, depth: 1}}
	e := envelope{
		Body:     r.bodyAfter(`{"body":`),
		Ceremony: string(r.wordAfter(`,"ceremony":`)),
		Kind:     string(r.wordAfter(`,"kind":`)),
		Prev:     r.hashAfter(`,"prev":`),
		Seq:      r.integerAfter(`,"seq":`),
		Time:     string(r.wordAfter(`,"time":`)),
		V:        int(r.integerAfter(`,"v":`)),
	}
	if r.after("}") && r.pos != len(line) {
		r.err = r.fail("more follows the record")
	}
	return e, r.err
}

// envelopeReader keeps its first error and reads nothing after it.
type envelopeReader struct {
	scanner
	err error
}

func (r *envelopeReader) after(text string) bool {
	if r.err == nil {
		r.err = r.skip(text)
	}
	return r.err == nil
}

func (r *envelopeReader) bodyAfter(text string) []byte {
	if !r.after(text) {
		return nil
	}
	start := r.pos
	if r.peek() != '{' {
		r.err = r.fail("a record's body must be an object")
		return nil
	}
	r.err = r.object()
	return r.b[start:r.pos]
}

// wordAfter reads a string of the envelope; none of them ever needs an escape.
func (r *envelopeReader) wordAfter(text string) []byte {
	if !r.after(text) || !r.after(`"`) {
		return nil
	}
	start := r.pos
	for r.pos < len(r.b) && plain[r.b[r.pos]] {
		r.pos++
	}
	word := r.b[start:r.pos]
	r.after(`"`)
	return word
}

func (r *envelopeReader) hashAfter(text string) (h Hash) {
	word := r.wordAfter(text)
	if r.err == nil {
		r.err = h.UnmarshalText(word)
	}
	return h
}

func (r *envelopeReader) integerAfter(text string) (n int64) {
	if r.after(text) {
		n, r.err = r.integer()
	}
	return n
}

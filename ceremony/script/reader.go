package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// reader walks YAML nodes and keeps the first fault; after it, every method
// gives zero values, so the code that uses it needs no error checks of its own.
type reader struct {
	err *Error
}

func (r *reader) fail(n *yaml.Node, found, expected string) {
	if r.err == nil {
		r.err = &Error{Line: n.Line, Col: n.Column, Found: found, Expected: expected}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

// document gives the root node of the one document that source holds.
func (r *reader) document(source []byte) *yaml.Node {
	start := &yaml.Node{Line: 1, Column: 1}
	if len(source) > maxSource {
		r.fail(start, fmt.Sprintf("%d bytes", len(source)), fmt.Sprintf("at most %d", maxSource))
		return start
	}
	if !utf8.Valid(source) {
		line := 1 + bytes.Count(source[:invalidAt(source)], []byte("\n"))
		r.fail(&yaml.Node{Line: line, Column: 1}, "bytes that are not UTF-8", "text in UTF-8")
		return start
	}
	dec := yaml.NewDecoder(bytes.NewReader(source))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		r.fail(start, "an empty file", "a script beginning with ceremony: NAME")
		return start
	} else if err != nil {
		r.failYAML(err)
		return start
	}
	switch err := dec.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.failYAML(err)
	default:
		r.fail(&next, "a second document", "one script a file")
	}
	return doc.Content[0]
}

// failYAML keeps the library's own words: only it knows what it could not read.
func (r *reader) failYAML(err error) {
	at, why := &yaml.Node{Line: 1, Column: 1}, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		why = m[2]
	}
	r.fail(at, "something that is not YAML ("+shorten(why, maxAsk)+")", "YAML")
}

func invalidAt(b []byte) int {
	i := 0
	for i < len(b) {
		c, size := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i
}

// plain refuses what makes a node mean something else than it shows.
func (r *reader) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		r.fail(n, "the alias *"+cut(n.Value), "the value itself, written out")
	case n.Anchor != "":
		r.fail(n, "the anchor &"+cut(n.Anchor), "a value without anchor")
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(n, "the tag "+cut(n.Tag), "a value without tag")
	}
}

type entry struct{ key, value *yaml.Node }

// entries gives the entries of a mapping in the order of the file, each key once.
func (r *reader) entries(n *yaml.Node, expected string) []entry {
	r.plain(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n, describe(n), expected)
		return nil
	}
	var all []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		r.plain(key)
		if key.Kind != yaml.ScalarNode {
			r.fail(key, describe(key)+" as a key", "a name")
			return nil
		}
		if line, twice := seen[key.Value]; twice {
			r.fail(key, fmt.Sprintf("the key %s a second time (first on line %d)", quote(key.Value), line), "each key once")
			return nil
		}
		seen[key.Value] = key.Line
		all = append(all, entry{key, value})
	}
	if r.err != nil {
		return nil
	}
	return all
}

// object is a mapping with fixed keys.
type object struct {
	node  *yaml.Node
	value map[string]*yaml.Node
}

func (r *reader) object(n *yaml.Node, expected string, keys ...string) object {
	o := object{node: n, value: map[string]*yaml.Node{}}
	for _, e := range r.entries(n, expected) {
		if !slices.Contains(keys, e.key.Value) {
			r.fail(e.key, "the unknown key "+quote(e.key.Value), "one of "+strings.Join(keys, ", "))
			break
		}
		o.value[e.key.Value] = e.value
	}
	return o
}

// must gives the value of a key that has to be there.
func (r *reader) must(o object, key, of string) *yaml.Node {
	if n := o.value[key]; n != nil {
		return n
	}
	r.fail(o.node, of+" without "+key, "the key "+key)
	return &yaml.Node{}
}

// list gives the entries of a sequence.
func (r *reader) list(n *yaml.Node, expected string, most int) []*yaml.Node {
	r.plain(n)
	switch {
	case n.Kind != yaml.SequenceNode:
		r.fail(n, describe(n), expected)
	case len(n.Content) == 0:
		r.fail(n, "an empty list", expected)
	case len(n.Content) > most:
		r.fail(n.Content[most], fmt.Sprintf("%d entries", len(n.Content)), fmt.Sprintf("at most %d", most))
	}
	if r.err != nil {
		return nil
	}
	return n.Content
}

// text gives one line of text.
func (r *reader) text(n *yaml.Node, expected string, most int) string {
	r.plain(n)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		r.fail(n, describe(n), expected)
		return ""
	}
	return r.line(n, expected, most)
}

// scalar gives text, a whole number or a date as it is written: what parameters
// hold and kinds are given is text whatever YAML makes of it.
func (r *reader) scalar(n *yaml.Node, expected string) string {
	r.plain(n)
	if n.Kind != yaml.ScalarNode || !slices.Contains([]string{"!!str", "!!int", "!!timestamp"}, n.Tag) {
		r.fail(n, describe(n), expected)
		return ""
	}
	return r.line(n, expected, maxValue)
}

func (r *reader) line(n *yaml.Node, expected string, most int) string {
	s := n.Value
	switch length := utf8.RuneCountInString(s); {
	case s == "":
		r.fail(n, "empty text", expected)
	case length > most:
		r.fail(n, fmt.Sprintf("%d characters", length), fmt.Sprintf("at most %d", most))
	case strings.ContainsRune(s, '\n'):
		r.fail(n, "a line break in the text", "one line (>- folds several into one)")
	case strings.TrimSpace(s) != s:
		r.fail(n, "blanks around "+quote(s), "text without them")
	}
	if c := unseen(s); c >= 0 {
		r.fail(n, fmt.Sprintf("the character %U, which nobody sees", c), "text that shows all it holds")
	}
	return s
}

// unseen gives the first character that a reader of screen or paper would miss,
// or that turns the order of the others; -1 if there is none.
func unseen(s string) rune {
	for _, c := range s {
		if unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			return c
		}
	}
	return -1
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func isName(s string) bool { return len(s) <= maxName && nameForm.MatchString(s) }

const nameExpected = "a name of small letters, digits and dashes, at most 40, a letter first"

func (r *reader) name(n *yaml.Node) string {
	s := r.text(n, nameExpected, maxSay)
	if !isName(s) {
		r.fail(n, quote(s), nameExpected)
	}
	return s
}

var numberForm = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)

func (r *reader) number(n *yaml.Node, most int) int {
	r.plain(n)
	expected := fmt.Sprintf("a whole number from 1 to %d", most)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || !numberForm.MatchString(n.Value) {
		r.fail(n, describe(n), expected)
		return 0
	}
	i, err := strconv.Atoi(n.Value)
	if err != nil || i > most {
		r.fail(n, describe(n), expected)
	}
	return i
}

// oneOf gives text that is one of the words.
func (r *reader) oneOf(n *yaml.Node, words ...string) string {
	expected := "one of " + strings.Join(words, ", ")
	s := r.text(n, expected, maxSay)
	if !slices.Contains(words, s) {
		r.fail(n, quote(s), expected)
	}
	return s
}

// describe says what a node is, as a person would.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	case n.Tag == "!!str":
		return quote(n.Value)
	}
	return cut(n.Value)
}

func quote(s string) string { return strconv.Quote(cut(s)) }

// cut keeps a message on one line, whatever a file holds.
func cut(s string) string { return shorten(s, maxName) }

func shorten(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return strings.Map(func(c rune) rune {
		if unseen(string(c)) >= 0 {
			return '·'
		}
		return c
	}, s)
}

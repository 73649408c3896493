package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// Record is what the pages of the record are made from: the fold, the lines
// behind it, and whether they were verified. It is lent for as long as a page
// is made, beside the window's thread; nothing is added to it meanwhile.
type Record struct {
	State    *ceremony.State
	Ledger   ledger.Reader
	Verified bool
	// Held: another program writes the record, and no act is offered here.
	Held bool
	// LastClosed is how the ledger's file was found when this program opened it.
	LastClosed ceremony.LastClosed
	// Module tells by which PKCS#11 module tokens are reached.
	Module []Fact
	// Script reads a script that the ledger holds; nil where that is none.
	Script func(ledger.Hash) *script.Plan
	// Shipped are the scripts that come with the program.
	Shipped []Choice
	// Document says whether a person's document file is kept or was erased, by the
	// SHA-256 that the record has of it.
	Document func(person, sum string) string
	// Report is the path of a ceremony's report, "" while there is none.
	Report func(number string) string
}

// Ref leads to another page of the record.
type Ref struct{ Place, ID, Label string }

// Table is a page that lists things.
type Table struct {
	Title string
	// Counted names the things: "key", "keys".
	One, Many string
	Columns   []Column
	Rows      []Row
	Acts      []Act
	// First is what to do where there is nothing to list.
	First string
}

// Column is a heading and its share of the width.
type Column struct {
	Head  string
	Share float32
}

// Row is one thing of a table. ID finds it again.
type Row struct {
	ID    string
	Cells []Cell
}

// CellKind is how a cell is drawn.
type CellKind int

const (
	Words CellKind = iota
	Name           // with what is below it in fixed width
	Chip
	Bar // a share of a span, and what is left in words
)

// Cell is one field of a row.
type Cell struct {
	Kind        CellKind
	Text, Below string
	Tone        Tone
	Used        float64
}

// Filter keeps the rows that have every word that was typed, in any cell.
func (t Table) Filter(typed string) []Row {
	words := strings.Fields(strings.ToLower(typed))
	if len(words) == 0 {
		return t.Rows
	}
	var out []Row
	for _, r := range t.Rows {
		if r.has(words) {
			out = append(out, r)
		}
	}
	return out
}

func (r Row) has(words []string) bool {
	var all strings.Builder
	for _, c := range r.Cells {
		all.WriteString(strings.ToLower(c.Text + " " + c.Below + " "))
	}
	for _, w := range words {
		if !strings.Contains(all.String(), w) {
			return false
		}
	}
	return true
}

// Found says how many of the things a filter has left.
func (t Table) Found(n int) string {
	if n == len(t.Rows) {
		return countOf(n, t.One, t.Many)
	}
	return fmt.Sprintf(textXOfX, thousands(int64(n)), countOf(len(t.Rows), t.One, t.Many))
}

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}

// Detail is a page about one thing: what it is, group by group, what can be
// done with it, and the records that name it.
type Detail struct {
	Kicker, Title string
	State         string
	Tone          Tone
	Text          string
	Note          string // what came of an act
	Trouble       *Trouble
	Groups        []Group
	Refs          []Ref
	Acts          []Act
	// Names are what records call it by; the page lists those that do.
	Names   []string
	History []RecordRow
	More    int // records beyond those listed
}

// NewDetail is the page that a reference leads to, if there is such a thing.
func NewDetail(r Record, ref Ref, now time.Time) (Detail, bool) {
	d, ok := newDetail(r, ref, now)
	d.Acts = r.offered(d.Acts)
	return d, ok
}

// offered leaves of a page's acts what changes nothing, where another program
// writes the record.
func (r Record) offered(acts []Act) []Act {
	if !r.Held {
		return acts
	}
	return slices.DeleteFunc(acts, func(a Act) bool { return a.Verb != ShowEvidence })
}

func newDetail(r Record, ref Ref, now time.Time) (Detail, bool) {
	switch ref.Place {
	case InCeremonies:
		return NewCeremonyDetail(r, ref.ID)
	case InOrders:
		return NewOrderDetail(r, ref.ID, now)
	case InKeys:
		return NewKeyDetail(r, ref.ID, now)
	case InCustody:
		return NewCustodyDetail(r, ref.ID)
	case InPeople:
		return NewPersonDetail(r, ref.ID)
	case InEvidence:
		return NewEvidenceDetail(r, ref.ID)
	}
	return Detail{}, false
}

// Group is facts that belong together.
type Group struct {
	Title  string
	Facts  []Fact
	Hashes []Hash
}

// Act is something that can be done from a detail page.
type Act struct {
	Verb  Verb
	Label string
	To    string   // the state that a key is brought to, or the script that is meant
	By    []string // by the word of people in these roles
	Off   string   // why it can't be done now
}

// Verb says which act it is.
type Verb int

const (
	ShowEvidence Verb = iota
	GoOnWith
	MakeAgain
	CopyOut
	CopyLedger
	ExportLedger
	TakeInNote
	TakeInReceipt
	ChangeKey
	OrderOne
	PrepareOrdered
	WithdrawOrder
	SeeScripts
	RegisterOne
	WithdrawScript
)

// said is a fact with its value, or with the words for none.
func said(label, value string) Fact {
	if value == "" {
		value = notRecorded
	}
	return Fact{Label: label, Value: value}
}

func code(label, value string) Fact {
	f := said(label, value)
	f.Mono = value != ""
	return f
}

// inWordsToo is a hash in fours and words.
func inWordsToo(label, value string) Hash { return newHash(ceremony.Fact{Label: label, Value: value}) }

// saidInWords is the first bytes of a hash as people say them.
func saidInWords(raw []byte, n int) string {
	return strings.Join(assets.PGPWords(raw[:min(n, len(raw))]), " ")
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(textDayMonthYear)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(textDayAndSecond)
}

func fours(hex string) string {
	var out []string
	for len(hex) > 4 {
		out, hex = append(out, hex[:4]), hex[4:]
	}
	return strings.Join(append(out, hex), " ")
}

// called is a person's name as everybody can read it; who is not enrolled is
// told by the id that the record has.
func called(s *ceremony.State, id string) string {
	return s.Someone(id).Name
}

func calledAll(s *ceremony.State, ids []string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = called(s, id)
	}
	return strings.Join(names, ", ")
}

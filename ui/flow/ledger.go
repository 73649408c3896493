package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ledger"
)

// RecordRow is a line of the ledger as the list shows it.
type RecordRow struct {
	Seq         int64
	Time        string
	Kind, About string
	Ceremony    string
	Tone        Tone
}

// LedgerPage is what stands above the list.
type LedgerPage struct {
	Records int64
	Signed  string // how far which signatures reach
	Closed  string // what the file was when it was closed last, "" where nothing tells
	Hash    string // and its SHA-256
	First   string
}

// NewLedgerPage tells how far the record is signed.
func NewLedgerPage(r Record) LedgerPage {
	s := r.State
	p := LedgerPage{Records: s.Size, Signed: reach(s.Size, s.SignedTo, s.PeopleSignedTo)}
	if c := r.LastClosed.Receipt; c != nil {
		p.Closed = fmt.Sprintf(textClosedLastFileBytes, moment(c.At), countOf(int(c.Head.Size), textRecordLower, textRecordsLower), thousands(c.Bytes))
		p.Hash = fours(c.SHA256.String())
	}
	p.Closed = foundSo(p.Closed, r.LastClosed)
	if s.Size == 0 {
		p.First = textLedgerEmptyFirstRecordWritten
	}
	return p
}

// foundSo says how the closed file was found again.
func foundSo(closed string, f ceremony.LastClosed) string {
	switch {
	case f.Same:
		return fmt.Sprintf(textFoundSoByteByteStart, closed)
	case f.Why != "":
		return strings.TrimPrefix(fmt.Sprintf(textFileNotComparedReceipt, closed, f.Why), ". ")
	case f.Receipt != nil:
		return fmt.Sprintf(textStartNotSameByteByte, closed)
	}
	return ""
}

// reach says how many records from the first on the HSM and people have signed.
func reach(size, hsm, people int64) string {
	upTo := func(who string, n int64) string {
		if n <= 0 {
			return fmt.Sprintf(textXNoneYet, who)
		}
		return fmt.Sprintf(textXToRecordX, who, thousands(n-1))
	}
	out := upTo(textSignedHSM, hsm) + " · " + upTo(textPeople, people)
	if n := size - hsm; n > 0 {
		return fmt.Sprintf(textNotYetCovered, out, countOf(int(n), textRecordLower, textRecordsLower))
	}
	return fmt.Sprintf(textEveryRecordCovered, out)
}

// Lines makes the rows of some records, in their order. A record that cannot be
// read is a row too.
func Lines(ctx context.Context, r Record, seqs []int64) ([]RecordRow, error) {
	out := make([]RecordRow, 0, len(seqs))
	for len(seqs) > 0 {
		run := neighbours(seqs)
		lo, hi := min(seqs[0], seqs[run-1]), max(seqs[0], seqs[run-1])
		rows := map[int64]RecordRow{}
		for rec, err := range r.Ledger.Records(ctx, lo, hi+1) {
			row, err := recordRow(r.State, rec, err)
			if err != nil {
				return nil, err
			}
			rows[row.Seq] = row
		}
		for _, seq := range seqs[:run] {
			row, ok := rows[seq]
			if !ok {
				row = RecordRow{Seq: seq, Kind: textMissing, About: textThereNoRecordHere, Tone: Bad}
			}
			out = append(out, row)
		}
		seqs = seqs[run:]
	}
	return out, nil
}

// neighbours counts the numbers from the first on that one read brings.
func neighbours(seqs []int64) int {
	n := 1
	for n < len(seqs) && (seqs[n] == seqs[n-1]+1 && (n < 2 || seqs[1] > seqs[0]) || seqs[n] == seqs[n-1]-1 && (n < 2 || seqs[1] < seqs[0])) {
		n++
	}
	return n
}

func recordRow(s *ceremony.State, rec ledger.Record, err error) (RecordRow, error) {
	if d := (*ledger.DamagedError)(nil); errors.As(err, &d) {
		return RecordRow{Seq: d.Seq, Kind: textDamaged, About: d.Why.Error(), Tone: Bad}, nil
	}
	if err != nil {
		return RecordRow{}, fmt.Errorf(textCouldntReadLedger, err)
	}
	return RecordRow{Seq: rec.Seq, Time: rec.Time.UTC().Format("2006-01-02 15:04:05"), Kind: KindInWords(rec.Kind), About: about(s, rec), Ceremony: rec.Ceremony, Tone: kindTone(rec.Kind)}, nil
}

// spoken are the kinds that do not say themselves what happened.
var spoken = map[string]string{
	ceremony.ArrivedKind:            textPersonArrived,
	ceremony.CeremonyKeyKind:        textCeremonyKeyCertified,
	ceremony.CheckpointSignedKind:   textCheckpointSignedHSM,
	ceremony.CheckpointComparedKind: textHeadTokenCompared,
	ceremony.CheckpointCarriedKind:  textCarriedCheckpointTaken,
	ceremony.ContextKind:            textRunRelies,
	ceremony.IntentKind:             textActIntended,
	ceremony.ResultKind:             textResult,
	ceremony.SignOffKind:            textSigned,
	ceremony.SetReadBackKind:        textCardReadBack,
	ceremony.TokenInventoryKind:     textTokenLookedInto,
	ceremony.LoginTriedKind:         textLoginAboutTried,
	ceremony.TokenFaultKind:         textTokenFailedDidNotAnswer,
	ceremony.ItemSealedKind:         textItemSealedBag,
}

// KindInWords says a record's kind as people do.
func KindInWords(kind string) string {
	if words, ok := spoken[kind]; ok {
		return words
	}
	noun, verb, _ := strings.Cut(kind, ".")
	return capital(strings.ReplaceAll(noun+" "+verb, "-", " "))
}

func kindTone(kind string) Tone {
	switch kind {
	case ceremony.TokenFaultKind, ceremony.AbortedKind:
		return Bad
	case ceremony.DeviationRaisedKind, ceremony.DeviationDecidedKind, ceremony.PausedKind:
		return Waiting
	case ceremony.SealedKind, ceremony.CheckpointSignedKind:
		return Good
	}
	return Neutral
}

// telling are the members of a body that say what the record is about, the most
// telling first.
var telling = []string{"label", "item", "bag", "person", "by", "role", "act", "verdict", "step", "set", "index", "outcome", "serial", "document", "copy", "medium", "organisation", "happened", "decision", "result", "reason", "why", "title"}

// about is a line on a record's body: the few members that tell most.
func about(s *ceremony.State, rec ledger.Record) string {
	var body map[string]json.RawMessage
	if json.Unmarshal(rec.Body, &body) != nil {
		return ""
	}
	var out []string
	if p := s.Find(rec.Ceremony); p != nil && strings.HasPrefix(rec.Kind, "ceremony.") {
		out = append(out, p.Plan.Title)
	}
	for _, name := range telling {
		raw, ok := body[name]
		if !ok || len(out) == 3 {
			continue
		}
		if v := value(s, name, raw); v != "" {
			out = append(out, v)
		}
	}
	if len(out) == 0 {
		for _, name := range []string{"name", "script", "key", "id"} {
			if v := value(s, name, body[name]); v != "" {
				return v
			}
		}
	}
	return strings.Join(out, " · ")
}

func value(s *ceremony.State, name string, raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		switch {
		case name == "person" || name == "by":
			return called(s, text)
		case len(text) == 64 && strings.Trim(text, "0") == "":
			return ""
		case len(text) >= 40 && strings.Trim(text, "0123456789abcdef") == "":
			return fours(text[:8]) + " …"
		case len([]rune(text)) > 90:
			return string([]rune(text)[:90]) + " …"
		case name == "set":
			return fmt.Sprintf(textSetX, text)
		}
		return text
	}
	var act struct {
		Do   string            `json:"do"`
		With map[string]string `json:"with"`
	}
	if json.Unmarshal(raw, &act) == nil && act.Do != "" {
		line := s.ActLine(ceremony.Act{Do: act.Do, With: act.With})
		return line.Label
	}
	var number int64
	if name == "index" && json.Unmarshal(raw, &number) == nil {
		return fmt.Sprintf(textCard, number)
	}
	return ""
}

// FoundRecords says how many of the records are listed.
func FoundRecords(n int, of int64) string {
	if int64(n) == of {
		return countOf(n, textRecordLower, textRecordsLower)
	}
	return fmt.Sprintf(textXOfX, thousands(int64(n)), countOf(int(of), textRecordLower, textRecordsLower))
}

// Verifying says how far a verification is.
func Verifying(done, total int64) string {
	return fmt.Sprintf(textVerifyingWholeLedgerRecord, thousands(done), thousands(total))
}

// Query chooses records: those that have every word, or, where a thing is
// looked for, any of its names. The zero Query chooses all.
type Query struct {
	Words string
	Of    string // the thing, in words: "key signing-key"
	Names []string
}

// All says whether every record is chosen.
func (q Query) All() bool { return strings.TrimSpace(q.Words) == "" && len(q.Names) == 0 }

// Search gives the numbers of the records that a query chooses, newest first.
// A word may stand anywhere in a record, be its kind in words, or be part of
// the name of a person whom the record names.
func Search(ctx context.Context, r Record, q Query) ([]int64, error) {
	var out []int64
	m := newMatcher(r.State, q)
	for rec, err := range r.Ledger.Records(ctx, 0, r.State.Size) {
		if d := (*ledger.DamagedError)(nil); err != nil && !errors.As(err, &d) {
			return nil, fmt.Errorf(textCouldntSearchLedger, err)
		}
		if err == nil && m.chooses(rec) {
			out = append(out, rec.Seq)
		}
	}
	slices.Reverse(out)
	return out, ctx.Err()
}

type matcher struct {
	words []matchWord
	names [][]byte
	kinds map[string]string // in words, lower case
}

type matchWord struct {
	text  []byte
	lower string
	ids   [][]byte // of people whose name has it
}

func newMatcher(s *ceremony.State, q Query) matcher {
	m := matcher{kinds: map[string]string{}}
	for _, n := range q.Names {
		m.names = append(m.names, []byte(n))
	}
	for _, w := range strings.Fields(strings.ToLower(q.Words)) {
		word := matchWord{text: []byte(w), lower: w}
		for id, p := range s.People {
			if strings.Contains(strings.ToLower(p.Body.Called()), w) {
				word.ids = append(word.ids, []byte(`"`+id+`"`))
			}
		}
		m.words = append(m.words, word)
	}
	return m
}

func (m matcher) chooses(rec ledger.Record) bool {
	any := func(names [][]byte) bool {
		return slices.ContainsFunc(names, func(n []byte) bool { return bytes.Contains(rec.Bytes, n) })
	}
	if len(m.names) > 0 && !any(m.names) {
		return false
	}
	if len(m.words) == 0 {
		return true
	}
	kind, ok := m.kinds[rec.Kind]
	if !ok {
		kind = strings.ToLower(KindInWords(rec.Kind))
		m.kinds[rec.Kind] = kind
	}
	line := bytes.ToLower(rec.Bytes)
	for _, w := range m.words {
		if !bytes.Contains(line, w.text) && !strings.Contains(kind, w.lower) && !any(w.ids) {
			return false
		}
	}
	return true
}

// named are the names under which records speak of something: ids and labels
// stand in quotes there, so that a longer label is another one.
func named(names ...string) []string {
	var out []string
	for _, n := range names {
		if n != "" {
			out = append(out, `"`+n+`"`)
		}
	}
	return out
}

// historyLines is how many records a detail page lists.
const historyLines = 60

// Traced adds to a page the records that name what it is about, oldest first.
func (d Detail) Traced(ctx context.Context, r Record) (Detail, error) {
	if len(d.Names) == 0 {
		return d, nil
	}
	seqs, err := Search(ctx, r, Query{Names: d.Names})
	if err != nil {
		return d, err
	}
	slices.Reverse(seqs)
	d.More = max(len(seqs)-historyLines, 0)
	d.History, err = Lines(ctx, r, seqs[:min(len(seqs), historyLines)])
	return d, err
}

// bodyLines is how much of a body the page of a record shows.
const bodyLines = 160

// NewRecordDetail is everything about one record.
func NewRecordDetail(ctx context.Context, r Record, seq int64) (Detail, error) {
	for rec, err := range r.Ledger.Records(ctx, seq, seq+1) {
		if d := (*ledger.DamagedError)(nil); errors.As(err, &d) {
			return Detail{Kicker: fmt.Sprintf(textRecordX, thousands(seq)), Title: textDamaged, State: textDoesNotHoldCapital, Tone: Bad, Text: capital(d.Error()) + "."}, nil
		}
		if err != nil {
			return Detail{}, fmt.Errorf(textCouldntReadRecord, seq, err)
		}
		return recordDetail(r, rec), nil
	}
	return Detail{}, fmt.Errorf(textCouldntFindRecordLedger, seq, r.State.Size)
}

func recordDetail(r Record, rec ledger.Record) Detail {
	d := Detail{Kicker: fmt.Sprintf(textRecordX, thousands(rec.Seq)), Title: KindInWords(rec.Kind), Text: about(r.State, rec)}
	d.State, d.Tone = textNotVerified, Waiting
	if r.Verified {
		d.State, d.Tone = textVerifiedTicked, Good
	}
	where := rec.Ceremony
	if where == "" {
		where = textOutsideCeremony
	} else {
		d.Refs = append(d.Refs, Ref{InCeremonies, rec.Ceremony, fmt.Sprintf(textCeremonyX, rec.Ceremony)})
	}
	d.Groups = append(d.Groups, Group{Title: textWhereStands, Facts: []Fact{
		{Label: textKind, Value: fmt.Sprintf(textXVersionN, rec.Kind, rec.V), Mono: true},
		{Label: textTime, Value: moment(rec.Time)},
		{Label: textCeremonyCapital, Value: where},
		{Label: textRecordBefore, Value: fours(rec.Prev.String()), Mono: true}}, Hashes: []Hash{inWordsToo(textOwnHashRFC6962Leaf, rec.Leaf.String())}})
	if g, ok := signature(r, rec); ok {
		d.Groups = append(d.Groups, g)
	}
	d.Groups = append(d.Groups, covered(r, rec))
	pretty, more := Pretty(rec.Body)
	body := Group{Title: textContent, Facts: []Fact{{Value: pretty, Mono: true}}}
	if more > 0 {
		body.Facts = append(body.Facts, Fact{Value: fmt.Sprintf(textLinesMore, more)})
	}
	d.Groups = append(d.Groups, body)
	return d
}

// signature tells who signed a record, if its body carries a signature.
func signature(r Record, rec ledger.Record) (Group, bool) {
	var b struct{ Person, Signature, Verdict, Shown string }
	if json.Unmarshal(rec.Body, &b) != nil || b.Signature == "" {
		return Group{}, false
	}
	g := Group{Title: textSignature, Facts: []Fact{said(textSignedBy, called(r.State, b.Person)), code(textEd25519Signature, fours(b.Signature))}}
	if b.Verdict != "" {
		g.Facts = append(g.Facts, said(textVerdict, b.Verdict))
	}
	if b.Shown != "" {
		g.Facts = append(g.Facts, code(textShownSHA256, fours(b.Shown)))
	}
	state := textCheckedWhenRecordOpenedHolds
	if !r.Verified {
		state = textNotChecked
	}
	g.Facts = append(g.Facts, said(textChecked, state))
	return g, true
}

// covered proves that the record stands under the HSM's last checkpoint.
func covered(r Record, rec ledger.Record) Group {
	g := Group{Title: textCoveredHSM}
	if r.State.SignedTo <= rec.Seq {
		g.Facts = append(g.Facts, Fact{Value: fmt.Sprintf(textNotYetHSMsLastCheckpoint, countOf(int(r.State.SignedTo), textRecordLower, textRecordsLower))})
		return g
	}
	g.Facts = append(g.Facts, said(textCheckpoint, fmt.Sprintf(textOver, countOf(int(r.State.SignedTo), textRecordLower, textRecordsLower))))
	path, err := ledger.ProveInclusion(context.Background(), r.Ledger, rec.Seq, r.State.SignedTo)
	if err != nil {
		g.Facts = append(g.Facts, said(textProof, capital(err.Error())))
		return g
	}
	text := ledger.FormatProof(ledger.Proof{Seq: rec.Seq, Path: path, Note: r.State.Note})
	g.Facts = append(g.Facts, Fact{Label: textProofC2SPTlogProof, Value: strings.TrimRight(text, "\n"), Mono: true})
	return g
}

// Pretty indents a body with blanks that no line is broken at. It says how many
// lines it left out.
func Pretty(body []byte) (text string, more int) {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "\u00a0\u00a0") != nil {
		return string(body), 0
	}
	lines := strings.Split(out.String(), "\n")
	more = max(len(lines)-bodyLines, 0)
	return strings.Join(lines[:len(lines)-more], "\n"), more
}

// Verification is what an audit of the whole ledger found.
type Verification struct {
	Result     string
	Tone       Tone
	Signed     string
	Findings   []string
	Checked    []string
	NotChecked []string
}

// Audited is the outcome of an audit of the whole ledger.
type Audited struct {
	Holds                         bool
	Records, SignedTo, PeopleTo   int64
	Findings, Checked, NotChecked []string
}

// NewVerification tells what an audit found.
func NewVerification(a Audited, at time.Time) Verification {
	// The checker's own words name its options, which the window does not have.
	plain := strings.NewReplacer(" (--site)", "", " (--checkpoint)", "")
	for i, s := range a.NotChecked {
		a.NotChecked[i] = capital(plain.Replace(s))
	}
	v := Verification{Result: fmt.Sprintf(textHoldsX, moment(at)), Tone: Good, Signed: reach(a.Records, a.SignedTo, a.PeopleTo), Findings: a.Findings, Checked: a.Checked, NotChecked: a.NotChecked}
	if !a.Holds {
		v.Result, v.Tone = fmt.Sprintf(textDoesNotHoldX, moment(at)), Bad
	}
	return v
}

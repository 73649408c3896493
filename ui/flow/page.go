package flow

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/hsm/secret"
)

// Page is one prompt as a screen: what it shows, and what it takes.
type Page struct {
	Kind PageKind
	// Private pages are dark and for one person; everyone else turns away.
	Private bool
	// Grave pages cannot be undone: no default, a red band.
	Grave bool

	Kicker, Title, Text, Aloud string
	Heard                      bool // what is said aloud was said at an earlier question of the step
	Trouble                    *Trouble

	CardTitle, Chip string
	Facts           []Fact
	Checks          []Check
	Hashes          []Hash

	Phrase  string // to be typed exactly
	Typing  string // by whom
	Fields  []Field
	Options []Option
	Secret  SecretAsk
	Card    CardAsk
	Reveal  *secret.Buffer // borrowed from the prompt

	Go      string // the label of the button that goes on
	Waiting string // whom the room waits for
	// CanDisagree offers the other verdict, CanWithhold none at all.
	CanDisagree, CanWithhold bool
	// Practice offers to fill the private entry from the practice site.
	Practice string

	prompt ceremony.Prompt
}

// PageKind says which parts of a page are there.
type PageKind int

const (
	PageConfirm PageKind = iota
	PageForm
	PageDecide
	PagePhrase
	PageSign   // facts and the secret that signs them
	PageSecret // a passphrase or a PIN alone
	PageNewPIN // a PIN, twice
	PageCard
	PageShowWords
	PageShowCard
)

// Trouble is why the answer before was not taken.
type Trouble struct{ Happened, Safe, Do, Code string }

// Fact is a line of public content.
type Fact struct {
	Label, Value string
	Mono, Strong bool
	Tone         Tone // a mark before the value, where it was judged
}

// Check is a condition and what it rests on.
type Check struct {
	Text, Because string
	Met           bool
}

// Hash is shown in fours and in words.
type Hash struct {
	Label, Hex string
	Words      []string
}

// Field is one typed answer.
type Field struct {
	Name, Label, Hint, Value string
	Max                      int
	Time, Optional           bool
	Scanned                  bool     // it stands as a bar code on the thing
	Of                       []Choice // the only answers, where there are such
	// When and Is: it is asked only where the field called When has one of these
	// values.
	When string
	Is   []string
}

// Asked says whether a field is asked for, as the others are answered.
func (f Field) Asked(answers map[string]string) bool {
	return f.When == "" || slices.Contains(f.Is, answers[f.When])
}

type Option struct {
	ID, Label, Help string
	Danger          bool
}

// SecretAsk is a passphrase or PIN to be typed.
type SecretAsk struct {
	Label string
	Bytes int // capacity
	Least int // characters
}

// CardAsk is a card to be typed, or written down.
type CardAsk struct {
	Prefix   string
	Others   []string
	Alphabet string
	Groups   int
	Set      string // "Card set QYPZ 4XNR, card 2 of 3, any 2 open the token"
	Got      int
	Need     int
	Words    []string
	ask      ceremony.CardPrompt
	practice bool
}

// The longest secrets taken; both are far above what anybody types.
const (
	passphraseBytes = 256
	pinBytes        = 64
	leastPIN        = 4
)

// NewPage makes the page of a prompt.
func NewPage(p ceremony.Prompt, s ceremony.Snapshot) Page {
	if p.Kind == ceremony.AskPhrase {
		p.Irreversible = true
	}
	pg := Page{Private: p.Private(), Grave: p.Irreversible, Title: p.Title, Text: p.Text, Go: textGo, prompt: p}
	pg.Kicker = kicker(p, s.Ceremony)
	if c := s.Ceremony; c != nil {
		pg.Waiting = c.Waiting
		if !pg.Private {
			pg.Aloud = c.Aloud
		}
	}
	if p.Aloud != "" {
		pg.Aloud = p.Aloud
	}
	if p.Problem != nil {
		pg.Trouble = &Trouble{p.Problem.Happened, p.Problem.Safe, p.Problem.Do, p.Problem.Code}
	}
	pg.addFacts(p, s.Ceremony)
	pg.addEntry(p, s.Site)
	if p.Verb != "" {
		pg.Go = p.Verb
	}
	return pg
}

// Prompt is what the page was made from.
func (pg Page) Prompt() ceremony.Prompt { return pg.prompt }

func kicker(p ceremony.Prompt, c *ceremony.CeremonyView) string {
	if c == nil || c.Step == nil {
		if p.Irreversible {
			return textCannotUndone
		}
		return ""
	}
	k := fmt.Sprintf(textStepNOfN, c.Step.Number, c.Steps)
	switch {
	case p.Irreversible:
		k += textAndCannotBeUndone
	case p.Private():
		k += " · " + c.Step.Title
	case c.Step.Phase != "":
		k += " · " + c.Step.Phase
	}
	if c.Attempt > 1 {
		k += fmt.Sprintf(textAttempt, c.Attempt)
	}
	return k
}

func (pg *Page) addFacts(p ceremony.Prompt, c *ceremony.CeremonyView) {
	facts := p.Facts
	if len(facts) == 0 && c != nil && !pg.Private {
		facts, pg.CardTitle, pg.Chip = c.Facts, textFoundSoFar, c.Result
	}
	if p.Kind == ceremony.AskSignOff {
		pg.CardTitle = textWhatIsSigned
	}
	for _, f := range facts {
		switch f.Style {
		case "hash":
			pg.Hashes = append(pg.Hashes, newHash(f))
		case "met", "unmet":
			pg.Checks = append(pg.Checks, Check{f.Label, f.Value, f.Style == "met"})
		default:
			value, tone := judged(f.Value)
			pg.Facts = append(pg.Facts, Fact{Label: f.Label, Value: inLines(value), Mono: f.Style == "mono", Strong: f.Style == "strong", Tone: tone})
		}
	}
}

// judged takes the verdict of the workstation's checks (ceremony.HostFact) off a
// value: a mark says it before.
func judged(value string) (string, Tone) {
	for verdict, tone := range map[string]Tone{"pass": Good, "fail": Bad, textNotKnownLower: Waiting, "information": Neutral} {
		if found, ok := strings.CutSuffix(value, " ("+verdict+")"); ok {
			return found, tone
		}
	}
	return value, Neutral
}

// inLines gives each part of a long value a line of its own: what is signed is
// read before. A part without a label of its own stays with the one before it.
func inLines(value string) string {
	const between = " · "
	parts := strings.Split(value, between)
	if len(parts) < 4 {
		return value
	}
	labelled := slices.ContainsFunc(parts[1:], func(p string) bool { return strings.Contains(p, ": ") })
	var b strings.Builder
	for i, p := range parts {
		switch {
		case i == 0:
		case labelled && !strings.Contains(p, ": "):
			b.WriteString(between)
		default:
			b.WriteString("\n")
		}
		b.WriteString(p)
	}
	return b.String()
}

func newHash(f ceremony.Fact) Hash {
	h := Hash{Label: f.Label, Hex: strings.ReplaceAll(f.Value, " ", "")}
	if raw, err := hex.DecodeString(h.Hex); err == nil {
		h.Words = assets.PGPWords(raw)
	}
	return h
}

func (pg *Page) addEntry(p ceremony.Prompt, s ceremony.SiteView) {
	practice := s.Practice
	switch p.Kind {
	case ceremony.AskConfirm, ceremony.AskPad:
		if p.Irreversible {
			pg.Go = p.Title // the button says what it does
		}
	case ceremony.AskForm:
		pg.Kind = PageForm
		pg.Fields = newFields(p.Fields, s.People)
	case ceremony.AskDecide:
		pg.Kind, pg.Go = PageDecide, textDoChosen
		for _, o := range p.Options {
			pg.Options = append(pg.Options, Option{o.ID, o.Label, o.Help, o.Danger})
		}
	case ceremony.AskPhrase:
		pg.Kind, pg.Go, pg.Phrase, pg.Typing = PagePhrase, p.Title, p.Phrase, fmt.Sprintf(textTypeX, p.Phrase)
		if p.Who.Name != "" {
			pg.Typing = fmt.Sprintf(textXTypeX, p.Who.Name, p.Phrase)
		}
	case ceremony.AskSignOff:
		pg.Kind, pg.Go, pg.CanDisagree = PageSign, signLabel(p.Act), true
		pg.CanWithhold = p.Act == ceremony.ActPhase || p.Act == ceremony.ActAttest
		if p.With != ceremony.NoSecret {
			pg.Secret = secretOf(p)
		}
	case ceremony.AskPassphrase:
		p.With = ceremony.Passphrase
		pg.Kind, pg.Go, pg.Secret = PageSecret, textOpenMyKey, SecretAsk{textPassphraseSixWords, passphraseBytes, 1}
	case ceremony.AskTransportPIN:
		pg.Kind, pg.Go, pg.Secret = PageSecret, textUsePIN, SecretAsk{textTransportPIN, pinBytes, leastPIN}
	case ceremony.AskNewTransportPIN:
		pg.Kind, pg.Go, pg.Secret = PageNewPIN, textTakePIN, SecretAsk{textTransportPIN, pinBytes, leastPIN}
	case ceremony.AskNewPIN:
		pg.Kind, pg.Go, pg.Secret = PageNewPIN, textTakePIN, SecretAsk{textSessionPIN, pinBytes, leastPIN}
	case ceremony.AskCard:
		pg.Kind, pg.Go = PageCard, textCheckCard
		pg.Card = newCardAsk(p.Card, practice)
	case ceremony.ShowPassphrase:
		pg.Kind, pg.Go, pg.Reveal = PageShowWords, textIWrittenDown, p.Reveal
	case ceremony.ShowCard:
		pg.Kind, pg.Go, pg.Reveal = PageShowCard, textIWrittenDown, p.Reveal
		pg.Card = newCardAsk(p.Card, practice)
		pg.Card.Need = 0
	}
	if practice {
		pg.Practice = practiceOffer(pg.Kind, p.With)
	}
}

func newFields(fields []ceremony.Field, people []ceremony.PersonView) []Field {
	var out []Field
	for _, f := range fields {
		out = append(out, Field{Name: f.Name, Label: f.Label, Hint: f.Hint, Value: f.Value, Max: f.Max, Time: f.Type == "time", Scanned: f.Type == "bag" || f.Type == "serial", Optional: f.Optional, Of: choices(f.Name, f.Of, people), When: f.When, Is: f.Is})
	}
	return out
}

func secretOf(p ceremony.Prompt) SecretAsk {
	label := fmt.Sprintf(textXOfX, capital(string(p.With)), p.Who.Name)
	if p.With == ceremony.SessionPIN {
		return SecretAsk{label, pinBytes, leastPIN}
	}
	return SecretAsk{label, passphraseBytes, 1}
}

func signLabel(act string) string {
	switch act {
	case "authorise":
		return textAuthorise
	case "phase":
		return textSignOffPhase
	case "attest":
		return textAttest
	case "enrol":
		return textVouch
	}
	return textSignOffStep
}

func practiceOffer(kind PageKind, with ceremony.SecretKind) string {
	switch kind {
	case PageSecret:
		if with == ceremony.Passphrase {
			return textUsePracticePassphrase
		}
		return textUsePracticePIN
	case PageCard:
		return textUsePracticeCard
	case PageNewPIN:
		return textUsePracticePIN
	case PageSign:
		if with == ceremony.SessionPIN {
			return textUsePracticePIN
		}
		if with == ceremony.Passphrase {
			return textUsePracticePassphrase
		}
	}
	return ""
}

// TooShort says that more is to be typed.
func (a SecretAsk) TooShort() string {
	if a.Least <= 1 {
		return textNothingTypedHereYet
	}
	return fmt.Sprintf(textLeastCharacters, a.Least)
}

package flow

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"claviger/ceremony"
)

// Witness is what everyone in the room may read from the back: never an entry,
// and nothing at all of one while it lasts.
type Witness struct {
	Practice bool
	// Private is the neutral card; where it is set there is nothing else.
	Private *NeutralCard

	Title  string
	Next   string // who acts next, or what is happening
	Busy   bool   // nobody is asked
	Signed string // "2 of 3 signed", "" where nothing is counted
	Got    int
	Of     int
	Blocks []Block
	Step   string // "Step 8 of 14"
	Notes  string // "1 deviation"
}

// NeutralCard is the card that stands for a private entry, before the field is
// there and until it is gone.
type NeutralCard struct{ Title, Who, Text string }

// Block is something to read: words, or a value in fours and in words.
type Block struct {
	Label string
	Text  string
	Aloud bool
	Hash  *Hash
}

// NewWitness makes the public view of a snapshot and the prompt that waits, nil
// while none does.
func NewWitness(s ceremony.Snapshot, p *ceremony.Prompt) Witness {
	w := Witness{Practice: s.Site.Practice}
	if p != nil && p.Private() {
		w.Private = neutral(*p, s.Ceremony)
		return w
	}
	c := s.Ceremony
	if c == nil {
		w.Title = s.Site.Organisation
		w.Next = textNoCeremonyUnderWay
		return w
	}
	w.Title = c.Title
	if c.Step != nil {
		w.Title, w.Step = c.Step.Title, fmt.Sprintf(textStepNOfN, c.Step.Number, c.Steps)
	}
	if c.Deviations > 0 {
		w.Notes = count(c.Deviations, textDeviationLower)
	}
	for _, n := range c.Needs {
		if n.Of > 0 {
			w.Signed, w.Got, w.Of = n.Text, n.Got, n.Of
			break
		}
	}
	facts, aloud := c.Facts, c.Aloud
	busy := p == nil
	if busy && s.AtDevice != nil {
		p = s.AtDevice
	}
	switch {
	case p != nil:
		w.Title = cmp.Or(p.Title, w.Title)
		if w.Next = next(*p, c); busy {
			w.Busy, w.Next = true, s.Working
		}
		if len(p.Facts) > 0 {
			facts = p.Facts
		}
		aloud = cmp.Or(p.Aloud, aloud, p.Text)
	default:
		w.Busy, w.Next = true, cmp.Or(s.Working, textRecording)
	}
	if p != nil && p.Problem != nil {
		w.Blocks = append(w.Blocks, Block{Label: textHappened, Text: p.Problem.Happened})
	}
	if aloud != "" {
		w.Blocks = append(w.Blocks, Block{Text: aloud, Aloud: true})
	}
	for _, f := range facts {
		if f.Style == "hash" {
			h := newHash(f)
			w.Blocks = append(w.Blocks, Block{Label: f.Label, Hash: &h})
		}
	}
	for _, f := range facts {
		if f.Style != "hash" {
			w.Blocks = append(w.Blocks, Block{Label: f.Label, Text: f.Value})
		}
	}
	return w
}

// next says who acts: role, person and verb, always at the same place.
func next(p ceremony.Prompt, c *ceremony.CeremonyView) string {
	name, as := p.Who.Name, p.Role
	if name == "" {
		for _, person := range c.People {
			if person.Role == "administrator" {
				name, as = person.Name, person.Role
			}
		}
	}
	verb := map[ceremony.PromptKind]string{
		ceremony.AskConfirm: textGoes, ceremony.AskForm: textTypesSaid, ceremony.AskDecide: textTypesDecision,
		ceremony.AskPad: textGoesDevice, ceremony.AskSignOff: textReadsSigns, ceremony.AskPhrase: textTypesPhrase,
	}[p.Kind]
	if name == "" {
		return capital(verb)
	}
	if as != "" {
		name = role(as) + " " + name
	}
	return name + " " + verb
}

// neutral tells that somebody types or reads a secret, who in turn, and nothing
// that changes while it lasts.
func neutral(p ceremony.Prompt, c *ceremony.CeremonyView) *NeutralCard {
	n := &NeutralCard{Title: textPrivateEntryProgress, Text: textPleaseLookAwayFromKeyboard}
	as := cmp.Or(p.Role, "participant")
	at, of := 0, 0
	if c != nil {
		for _, person := range c.People {
			if person.Role != p.Role {
				continue
			}
			if of++; person.ID == p.Who.ID {
				at = of
			}
		}
	}
	switch {
	case p.Kind == ceremony.AskCard && !p.Card.ReadBack && p.Card.K > 0:
		at, of = len(p.Card.Entered)+1, p.Card.K
	case p.Card.N > 0:
		at, of = p.Card.Index, p.Card.N
	}
	n.Who = role(as)
	if at > 0 && of > 1 {
		n.Who = fmt.Sprintf(textXNOfN, n.Who, at, of)
	}
	return n
}

// RoomClock is the time as the wall shows it: local, then UTC.
func RoomClock(now time.Time) string {
	return fmt.Sprintf(textXXUTC, now.Local().Format("15:04"), now.UTC().Format("15:04"))
}

// Turn is which page of n the wall shows: a new one now and then, and the next
// one whenever somebody turned by hand.
func Turn(n, turned int, shown time.Duration) int {
	if n <= 1 {
		return 0
	}
	return (turned + int(max(shown, 0)/pageTime)) % n
}

// pageTime is enough to read five lines aloud, or to write four groups down.
const pageTime = 20 * time.Second

// HandOver is the card before a private entry: who comes to the keyboard, and
// that the others turn away.
type HandOver struct{ Kicker, Title, Text, Go string }

// NewHandOver makes the card for a private prompt.
func NewHandOver(p ceremony.Prompt, s ceremony.Snapshot) HandOver {
	who := cmp.Or(p.Who.Name, textOnePerson)
	what := map[ceremony.PromptKind]string{
		ceremony.AskPassphrase: textPassphraseTypedNext, ceremony.AskNewPIN: textPINChosenNext, ceremony.AskTransportPIN: textPINTypedNext, ceremony.AskNewTransportPIN: textPINChosenNext,
		ceremony.AskCard: textCardTypedNext, ceremony.ShowCard: textCardShownNextWrittenDown, ceremony.ShowPassphrase: textPassphraseShownNextOnceWritten,
	}[p.Kind]
	return HandOver{
		Kicker: kicker(p, s.Ceremony), Title: fmt.Sprintf(textOnlyKeyboard, who),
		Text: strings.TrimSpace(fmt.Sprintf(textEveryoneElseTurnAwayFrom, what)),
		Go:   fmt.Sprintf(textIAmNobodyElseLooking, who),
	}
}

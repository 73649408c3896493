package rehearse

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm/secret"
)

// Actor is a practice person.
type Actor struct{ ID, Name, Role, Organisation, Manager string }

// Cast lists the practice people of every practice site.
func Cast() []Actor {
	return []Actor{
		{"marta-brandt", "Marta Brandt", "administrator", "Northwind", "Ines Falk"},
		{"amara-okafor", "Amara Okafor", "witness", "Hale & Orr Audit", "Samuel Hale"},
		{"priya-kapoor", "Priya Kapoor", "officer", "Northwind", "Ines Falk"},
		{"rui-santos", "Rui Santos", "officer", "Northwind", "Ole Berg"},
		{"li-chen", "Li Chen", "custodian", "Northwind", "Ines Falk"},
		{"jonas-dahl", "Jonas Dahl", "custodian", "Northwind", "Ole Berg"},
		{"farah-noor", "Farah Noor", "custodian", "Northwind", "Mina Roth"},
		{"dana-weiss", "Dana Weiss", "owner", "Northwind", "Mina Roth"},
		{"tomas-novak", "Tomas Novak", "approver", "Northwind", "Mina Roth"},
		{"hana-orr", "Hana Orr", "third-party-witness", "Orr Notaries", "Ivo Orr"},
	}
}

// Parts casts a script: as many practice people as each role asks for.
func Parts(roles []script.RoleNeed) ([]ceremony.Part, error) {
	var parts []ceremony.Part
	for _, need := range roles {
		n := 0
		for _, a := range Cast() {
			if a.Role == need.Role && n < need.Count {
				parts = append(parts, ceremony.Part{Person: a.ID, Role: a.Role})
				n++
			}
		}
		if n < need.Count {
			return nil, fmt.Errorf("the script asks for %d people as %s, and the practice cast has %d", need.Count, need.Role, n)
		}
	}
	return parts, nil
}

// Props is what the practice people have in their pockets: passphrases, cards
// and PINs, each a file in the practice folder, which a real site refuses to
// contain. Its value is that folder.
type Props string

func (p Props) path(name string) string { return filepath.Join(string(p), name) }

// get reads a secret; the caller wipes it.
func (p Props) get(name string) (*secret.Buffer, error) {
	b, err := os.ReadFile(p.path(name))
	if err != nil {
		return nil, fmt.Errorf("couldn't read the practice secret %q: %w", name, err)
	}
	return secret.From(b), nil
}

func (p Props) keep(name string, b *secret.Buffer) error {
	if err := os.WriteFile(p.path(name), b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("couldn't keep the practice secret %q: %w", name, err)
	}
	return nil
}

// cardFile names a card's file: a person may hold one of several sets.
func cardFile(pr ceremony.Prompt) string {
	return pr.Who.ID + "." + strings.ReplaceAll(pr.Card.Set, " ", "-") + ".card"
}

// getOrDraw makes n random bytes, in hex, the first time.
func (p Props) getOrDraw(name string, n int) (*secret.Buffer, error) {
	b, err := p.get(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	raw, err := secret.Random(n)
	if err != nil {
		return nil, err
	}
	defer raw.Wipe()
	text := make([]byte, hex.EncodedLen(n))
	hex.Encode(text, raw.Bytes())
	drawn := secret.From(text)
	return drawn, p.keep(name, drawn)
}

// half ends the name of what an officer typed of a transport PIN.
const half = ".half.pin"

// Secret gives what the prompt's person would enter, or nil where the prompt
// asks for no secret. It is what "Use the practice card or passphrase" fills
// in. The caller wipes it.
func (p Props) Secret(pr ceremony.Prompt) (*secret.Buffer, error) {
	switch pr.Kind {
	case ceremony.AskPassphrase:
		if pr.With == ceremony.SessionPIN {
			return p.get(pr.Who.ID + ".pin")
		}
		return p.get(pr.Who.ID + ".passphrase")
	case ceremony.AskCard:
		return p.get(cardFile(pr))
	case ceremony.AskNewPIN:
		return p.getOrDraw(pr.Who.ID+".pin", 4)
	case ceremony.AskTransportPIN, ceremony.AskNewTransportPIN:
		return p.getOrDraw(pr.Who.ID+half, 4)
	case ceremony.AskSignOff:
		if pr.With == ceremony.SessionPIN {
			return p.get(pr.Who.ID + ".pin")
		}
		return p.get(pr.Who.ID + ".passphrase")
	}
	return nil, nil
}

// See keeps what a prompt reveals to its person.
func (p Props) See(pr ceremony.Prompt) error {
	switch pr.Kind {
	case ceremony.ShowPassphrase:
		return p.keep(pr.Who.ID+".passphrase", pr.Reveal)
	case ceremony.ShowCard:
		return p.keep(cardFile(pr), pr.Reveal)
	}
	return nil
}

// cast answers every question as the practice people do, without a word.
type cast struct{ props Props }

// Beside is a room in which somebody else answers, and the practice people write
// down what they are shown once, so that they can type it later.
func (s *Site) Beside(room ceremony.Room) ceremony.Room { return writing{room, s.Prop} }

type writing struct {
	ceremony.Room
	props Props
}

func (w writing) Ask(ctx context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	if err := w.props.See(p); err != nil {
		return ceremony.Answer{}, err
	}
	return w.Room.Ask(ctx, p)
}

// Cast is the room in which the practice people are alone.
func (s *Site) Cast() ceremony.Room { return cast{s.Prop} }

func (cast) Show(ceremony.Snapshot) {}

func (c cast) Ask(_ context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	switch {
	case p.Problem != nil && p.Title == ceremony.CouldLock:
		// An interrupted change of PINs leaves it open which one the token takes; a
		// practice token locks none.
		return notes("equipment", "a login whose PIN is known to be right", p.Problem.Happened, "a practice token locks no PIN"), nil
	case p.Problem != nil && p.Problem.Code == "person.rekey":
		return notes("person", "a person who knows the passphrase", "it was forgotten", "a practice person is given a new key"), nil
	case p.Problem != nil && p.Kind != ceremony.AskDecide:
		return ceremony.Answer{}, p.Problem
	}
	if err := c.props.See(p); err != nil {
		return ceremony.Answer{}, err
	}
	b, err := c.props.Secret(p)
	if err != nil {
		return ceremony.Answer{}, err
	}
	return ceremony.Answer{Secret: b, Verdict: ceremony.Agree, Fields: Fill(p), Choice: "pause"}, nil
}

// notes is a deviation after which the ceremony goes on.
func notes(class, expected, happened, reason string) ceremony.Answer {
	return ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{"expected": expected, "happened": happened,
		"exposed": "no", "class": class, "severity": "minor", "decision": "continue", "decided-by": "tomas-novak", "reason": reason}}
}

// Fill answers a form as a practice person would.
func Fill(p ceremony.Prompt) map[string]string {
	out := map[string]string{}
	if p.Kind == ceremony.AskPhrase {
		out[ceremony.PhraseField] = p.Phrase
	}
	for _, f := range p.Fields {
		switch {
		case !f.Asked(out):
		case f.Name == "exposed":
			out[f.Name] = "no"
		case f.Optional && f.Value == "" && strings.HasPrefix(f.Hint, "like "):
			out[f.Name] = "" // an example of what need not be there
		case f.Name == "place" && f.Value == "":
			out[f.Name] = "Practice room"
		case f.Name == "wall":
			out[f.Name] = time.Now().UTC().Format("15:04")
		case f.Type == "serial":
			out[f.Name] = "PRACTICE-1"
		case len(f.Of) > 0 && f.Value == "":
			out[f.Name] = f.Of[0]
		case f.Type == "bag" && recorded(p, "Bag in the record") != "":
			out[f.Name] = recorded(p, "Bag in the record")
		case f.Type == "bag" && f.Name == "again":
			out[f.Name] = out["bag"]
		case f.Type == "bag":
			// Every bag is a new one; nine digits are enough for a practice site.
			out[f.Name] = fmt.Sprintf("PR-%09d", rand.IntN(1_000_000_000))
		case f.Name == "kept" && f.Hint != "":
			// Each copy has a place of its own.
			out[f.Name] = "Practice " + f.Hint
		case f.Type == "text" && f.Value == "" && !f.Optional:
			out[f.Name] = "Practice answer"
		default:
			out[f.Name] = cmp.Or(f.Value, strings.TrimPrefix(f.Hint, "for example: "))
		}
	}
	if asks(p, "name") && asks(p, "manager") {
		who := Actor{p.Who.ID, nameOf(p.Who.ID), "", "Northwind", "Mina Roth"}
		for _, a := range Cast() {
			if a.ID == p.Who.ID {
				who = a
			}
		}
		out["name"], out["organisation"], out["manager"] = who.Name, who.Organisation, who.Manager
	}
	if asks(p, "last-four") {
		out["identity"], out["last-four"] = "practice person", "0000"
	}
	return out
}

// recorded is a fact that stands beside the question.
func recorded(p ceremony.Prompt, label string) string {
	for _, f := range p.Facts {
		if f.Label == label {
			return f.Value
		}
	}
	return ""
}

func asks(p ceremony.Prompt, field string) bool {
	return slices.ContainsFunc(p.Fields, func(f ceremony.Field) bool { return f.Name == field })
}

// nameOf makes "nadia-haddad" into "Nadia Haddad".
func nameOf(id string) string {
	words := strings.Split(id, "-")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:min(1, len(w))]) + w[min(1, len(w)):]
	}
	return strings.Join(words, " ")
}

package flow

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"claviger/ceremony"
	"claviger/ledger"
)

// NewReceiptForm asks what arrived for the evidence of a ceremony, and who takes it
// in.
func NewReceiptForm(r Record, number string) Ask {
	s := r.State
	people := enrolledAs(s, "")
	kinds := []Choice{{ID: ceremony.AuditorsLetter, Label: "An auditor's letter"}, {ID: ceremony.Timestamp, Label: "A timestamp from outside"}}
	copies := statedCopies(s)
	if len(copies) > 0 {
		kinds = append(kinds, Choice{ID: ceremony.CloudReceipt, Label: "A receipt for a copy that others destroyed"})
	}
	open := correctives(s, number)
	if len(open) > 0 {
		kinds = append(kinds, Choice{ID: ceremony.CorrectiveAction, Label: "Word that what a deviation asked for is done"})
	}
	a := Ask{Kicker: "Evidence of ceremony " + number, Title: "Take in a receipt", Verb: "Go on to the signatures",
		Text: "What arrives after a ceremony belongs to its evidence. Two people compare it with what stands here and sign; the next edition of the report carries it. The paper or file itself stays outside of the record.",
		Fields: []Field{{Name: "kind", Label: "What it is", Of: kinds},
			{Name: "from", Label: "From whom, as it says", Max: 200},
			{Name: "date", Label: "Its date", Hint: "year-month-day, as on the paper", Max: 10},
			{Name: "states", Label: "What it states, in a sentence", Max: 1000},
			{Name: "sha-256", Label: "SHA-256 of its file, or of its scan", Hint: "64 characters, blanks allowed; as another machine computed it", Max: 100}}}
	if len(copies) > 0 {
		a.Fields = append(a.Fields, Field{Name: "copy", Label: "Which copy it ends", Of: copies, When: "kind", Is: []string{ceremony.CloudReceipt}})
	}
	if len(open) > 0 {
		a.Fields = append(a.Fields, Field{Name: "deviation", Label: "Which deviation it closes", Of: open, When: "kind", Is: []string{ceremony.CorrectiveAction}})
	}
	a.Fields = append(a.Fields, Field{Name: "one", Label: "Who takes it in", Of: people}, Field{Name: "two", Label: "And who beside", Of: people})
	return a
}

// statedCopies are the copies of keys that people told of and that may remain.
func statedCopies(s *ceremony.State) []Choice {
	var out []Choice
	for _, id := range sorted(s.Keys) {
		for _, c := range s.Keys[id].Copies {
			if c.Stated && c.State != ceremony.CopyDestroyed {
				out = append(out, Choice{ID: id + " " + c.Name, Label: c.Name, Help: "of " + s.Keys[id].Body.Label})
			}
		}
	}
	return out
}

// correctives are the deviations of a ceremony about whose cause something is
// still to be done.
func correctives(s *ceremony.State, number string) []Choice {
	var out []Choice
	for _, p := range s.Ceremonies {
		if p.Number != number {
			continue
		}
		for _, d := range p.CorrectivesOpen() {
			out = append(out, Choice{ID: fmt.Sprint(d.Raised.Number), Label: fmt.Sprintf("Deviation %d", d.Raised.Number), Help: d.Decided.Corrective})
		}
	}
	return out
}

// TakenIn is the receipt of what was typed, and who signs it; or what is wrong.
func TakenIn(r Record, a Ask, number string, typed map[string]string) (ceremony.ReceiptTakenIn, [2]ceremony.Part, Wrong) {
	var people [2]ceremony.Part
	values, wrong := a.Answer(typed)
	b := ceremony.ReceiptTakenIn{About: number, Kind: values["kind"], From: values["from"], Date: values["date"], States: values["states"]}
	if wrong != nil {
		return b, people, wrong
	}
	wrong = Wrong{}
	if values["one"] == values["two"] {
		wrong["two"] = "Choose somebody else: two people sign."
	}
	if date(b.Date).IsZero() {
		wrong["date"] = "Type it like 2026-11-23."
	}
	sum, err := hex.DecodeString(strings.ToLower(strings.Join(strings.Fields(values["sha-256"]), "")))
	if err != nil || len(sum) != len(ledger.Hash{}) {
		wrong["sha-256"] = "It is not 64 hexadecimal digits."
	} else {
		b.SHA256 = ledger.Hash(sum)
	}
	b.Deviation, _ = strconv.Atoi(values["deviation"])
	b.Key, b.Copy, _ = strings.Cut(values["copy"], " ")
	for i, id := range []string{values["one"], values["two"]} {
		people[i] = ceremony.Part{Person: id}
		if p := r.State.People[id]; p != nil && len(p.Body.Roles) > 0 {
			people[i].Role = p.Body.Roles[0]
		}
	}
	if len(wrong) > 0 {
		return b, people, wrong
	}
	return b, people, nil
}

// receipts tells what was taken in for a ceremony.
func receipts(s *ceremony.State, number string) Group {
	g := Group{Title: "Receipts"}
	for _, rc := range s.Receipts {
		if rc.Body.About != number {
			continue
		}
		var by []string
		for _, sg := range rc.Body.Signatures {
			by = append(by, called(s, sg.Person))
		}
		value := fmt.Sprintf("%s, dated %s: %s\ntaken in %s, signed by %s", rc.Body.From, rc.Body.Date, rc.Body.States, moment(rc.At), strings.Join(by, ", "))
		if rc.Body.Copy != "" {
			value += "\nit ends the copy " + rc.Body.Copy
		}
		if rc.Body.Deviation != 0 {
			value += fmt.Sprintf("\nit closes what was to be done about deviation %d", rc.Body.Deviation)
		}
		g.Facts = append(g.Facts, Fact{Label: capital(strings.ReplaceAll(rc.Body.Kind, "-", " ")), Value: value})
		g.Hashes = append(g.Hashes, inWordsToo(capital(strings.ReplaceAll(rc.Body.Kind, "-", " "))+" of "+rc.Body.Date+": SHA-256", rc.Body.SHA256.String()))
	}
	slices.Reverse(g.Facts)
	slices.Reverse(g.Hashes)
	if len(g.Facts) == 0 {
		g.Facts = []Fact{{Value: "none taken in"}}
	}
	return g
}

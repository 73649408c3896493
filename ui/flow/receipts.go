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
	kinds := []Choice{{ID: ceremony.AuditorsLetter, Label: textAuditorsLetter}, {ID: ceremony.Timestamp, Label: textTimestampFromOutside}}
	copies := statedCopies(s)
	if len(copies) > 0 {
		kinds = append(kinds, Choice{ID: ceremony.CloudReceipt, Label: textReceiptCopyOthersDestroyed})
	}
	open := correctives(s, number)
	if len(open) > 0 {
		kinds = append(kinds, Choice{ID: ceremony.CorrectiveAction, Label: textWordDeviationAskedDone})
	}
	a := Ask{Kicker: fmt.Sprintf(textEvidenceCeremony, number), Title: textTakeReceipt, Verb: textGoSignatures,
		Text: textArrivesAfterCeremonyBelongsEvidence,
		Fields: []Field{{Name: "kind", Label: textWhatItIs, Of: kinds},
			{Name: "from", Label: textFromWhomSays, Max: 200},
			{Name: "date", Label: textDate, Hint: textYearMonthDayPaper, Max: 10},
			{Name: "states", Label: textStatesSentence, Max: 1000},
			{Name: "sha-256", Label: textSHA256FileScan, Hint: text64CharactersBlanksAllowedAnother, Max: 100}}}
	if len(copies) > 0 {
		a.Fields = append(a.Fields, Field{Name: "copy", Label: textCopyEnds, Of: copies, When: "kind", Is: []string{ceremony.CloudReceipt}})
	}
	if len(open) > 0 {
		a.Fields = append(a.Fields, Field{Name: "deviation", Label: textDeviationCloses, Of: open, When: "kind", Is: []string{ceremony.CorrectiveAction}})
	}
	a.Fields = append(a.Fields, Field{Name: "one", Label: textWhoTakes, Of: people}, Field{Name: "two", Label: textWhoBeside, Of: people})
	return a
}

// statedCopies are the copies of keys that people told of and that may remain.
func statedCopies(s *ceremony.State) []Choice {
	var out []Choice
	for _, id := range sorted(s.Keys) {
		for _, c := range s.Keys[id].Copies {
			if c.Stated && c.State != ceremony.CopyDestroyed {
				out = append(out, Choice{ID: id + " " + c.Name, Label: c.Name, Help: fmt.Sprintf(textOfX, s.Keys[id].Body.Label)})
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
			out = append(out, Choice{ID: fmt.Sprint(d.Raised.Number), Label: fmt.Sprintf(textDeviationN, d.Raised.Number), Help: d.Decided.Corrective})
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
		wrong["two"] = textChooseSomebodyElseTwoPeople
	}
	if date(b.Date).IsZero() {
		wrong["date"] = textTypeADayLike
	}
	sum, err := hex.DecodeString(strings.ToLower(strings.Join(strings.Fields(values["sha-256"]), "")))
	if err != nil || len(sum) != len(ledger.Hash{}) {
		wrong["sha-256"] = textNot64HexadecimalDigits
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
	g := Group{Title: textReceipts}
	for _, rc := range s.Receipts {
		if rc.Body.About != number {
			continue
		}
		var by []string
		for _, sg := range rc.Body.Signatures {
			by = append(by, called(s, sg.Person))
		}
		value := fmt.Sprintf(textDatedTakenSigned, rc.Body.From, rc.Body.Date, rc.Body.States, moment(rc.At), strings.Join(by, ", "))
		if rc.Body.Copy != "" {
			value += fmt.Sprintf(textEndsCopy, rc.Body.Copy)
		}
		if rc.Body.Deviation != 0 {
			value += fmt.Sprintf(textClosesDoneAboutDeviation, rc.Body.Deviation)
		}
		g.Facts = append(g.Facts, Fact{Label: capital(strings.ReplaceAll(rc.Body.Kind, "-", " ")), Value: value})
		g.Hashes = append(g.Hashes, inWordsToo(fmt.Sprintf(textSHA256, capital(strings.ReplaceAll(rc.Body.Kind, "-", " ")), rc.Body.Date), rc.Body.SHA256.String()))
	}
	slices.Reverse(g.Facts)
	slices.Reverse(g.Hashes)
	if len(g.Facts) == 0 {
		g.Facts = []Fact{{Value: textNoneTaken}}
	}
	return g
}

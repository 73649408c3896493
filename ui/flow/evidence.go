package flow

import (
	"fmt"
	"path/filepath"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ledger"
)

// NewEvidence lists the ceremonies that have ended, each with its document.
func NewEvidence(r Record) Table {
	t := Table{Title: InEvidence, One: textCeremonyEvidence, Many: textCeremoniesEvidence,
		Columns: []Column{{textCeremonyCapital, 3}, {textDocument, 2.4}, {textEdition, 1}, {textSHA256FirstWords, 2.2}, {textState, 1.7}},
		Acts:    r.offered([]Act{{Verb: CopyLedger, Label: textCopyLedgerMedium}, {Verb: ExportLedger, Label: textExportPlainFiles}, {Verb: TakeInNote, Label: textTakeCarriedCheckpoint}}),
		First:   textNoCeremonyEndedYetReport}
	all := r.State.Ceremonies
	for i := len(all) - 1; i >= 0; i-- {
		p := all[i]
		if unfinished(p) {
			continue
		}
		last := lastReport(r.State, p.Number)
		document, edition, words := textNoneMadeYet, "", ""
		if last != nil {
			document, edition, words = capital(last.Document), fmt.Sprint(last.Edition), saidInWords(last.SHA256[:], 4)
		}
		state, tone := evidenceState(r, p, last)
		t.Rows = append(t.Rows, Row{ID: p.Number, Cells: []Cell{
			{Kind: Name, Text: p.Plan.Title, Below: strings.TrimSuffix(p.Number+" · "+subject(p), " · ")}, {Text: document}, {Text: edition}, {Text: words}, {Kind: Chip, Text: state, Tone: tone}}})
	}
	return t
}

func lastReport(s *ceremony.State, number string) *ceremony.ReportMade {
	if r, ok := s.Reports[number]; ok {
		return &r.Body
	}
	return nil
}

func evidenceState(r Record, p *ceremony.Progress, last *ceremony.ReportMade) (string, Tone) {
	switch {
	case r.Report(p.Number) != "":
		return textInItsFolder, Good
	case last != nil:
		return textFileMissing, Waiting
	}
	return textNotMadeYet, Waiting
}

// NewEvidenceDetail is the evidence of one ceremony: its files, its editions,
// how to check it.
func NewEvidenceDetail(r Record, number string) (Detail, bool) {
	s := r.State
	p := s.Find(number)
	if p == nil || unfinished(p) {
		return Detail{}, false
	}
	d := Detail{Kicker: fmt.Sprintf(textEvidenceCeremony, number), Title: p.Plan.Title, Refs: []Ref{{InCeremonies, number, fmt.Sprintf(textCeremonyX, number)}}}
	last := lastReport(s, number)
	d.State, d.Tone = evidenceState(r, p, last)
	d.Text = textEverybodyWhoPresentCanCheck
	d.Acts = []Act{{Verb: MakeAgain, Label: textMakeAgain}, {Verb: TakeInReceipt, Label: textTakeReceipt}}
	files := Group{Title: textFiles}
	if path := r.Report(number); path != "" {
		key := filepath.Join(filepath.Dir(path), "site.vkey")
		files.Facts = []Fact{code(textReport, path), code(textSitesKey, key), code(textCheck, fmt.Sprintf(textClavigerVerifySite, key, path))}
		d.Acts = append(d.Acts, Act{Verb: CopyOut, Label: textCopyMedium})
	} else {
		files.Facts = []Fact{{Value: textReportNotFolderMakeAgain}}
	}
	d.Groups = append(d.Groups, files)
	if last != nil {
		d.Groups = append(d.Groups, Group{Title: fmt.Sprintf(textXEditionN, capital(last.Document), last.Edition), Facts: []Fact{said(textPages, fmt.Sprint(last.Pages)), said(textLayout, fmt.Sprint(last.Layout))},
			Hashes: []Hash{inWordsToo(textSHA256File, last.SHA256.String())}})
	}
	d.Groups = append(d.Groups, receipts(s, number))
	return d, true
}

// Copy is what goes to a medium: the evidence of a ceremony by its number, or the
// ledger, as a file that is recorded, or as plain files.
type Copy struct {
	Of     string // in words
	Number string
	Signed bool // it is recorded who made it
	Plain  bool
}

// Medium is a place to copy to: something removable that is mounted.
type Medium struct {
	Mount, Label, Size, Free, Serial string
}

// MediaPage chooses a medium for a copy.
type MediaPage struct {
	Title, Text string
	Media       []Medium
	// Signed asks for the label that the medium bears and for who makes the copy:
	// a copy of the ledger is recorded with both.
	Signed  bool
	People  []Choice
	First   string // what to do where there is none
	Trouble *Trouble
}

// NewMedia is the page that chooses where a copy goes; of is what is copied, in
// words.
func NewMedia(of string, media []Medium, people []Choice) MediaPage {
	p := MediaPage{Title: fmt.Sprintf(textCopyXToAMedium, of), Media: media,
		Text: textOnlyRemovableMediaMountedListed}
	p.People, p.Signed = people, len(people) > 0
	if len(media) == 0 {
		p.First = textNoRemovableMediumMountedAttach
	}
	return p
}

// CopyPeople are those who can make a copy of the ledger.
func CopyPeople(r Record) []Choice { return peopleFor(r.State, "") }

// Target is where a copy goes, and what is recorded of it.
type Target struct {
	Medium
	Named  string // the label that the medium bears
	Person string
}

// Wrong says what of a target is missing.
func (p MediaPage) Wrong(t Target) Wrong {
	if !p.Signed {
		return nil
	}
	wrong := Wrong{}
	if strings.TrimSpace(t.Named) == "" {
		wrong["named"] = textTypeLabelStandsMedium
	}
	if t.Person == "" {
		wrong["person"] = textChooseWhoMakesCopy
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// Describe says a medium in two lines.
func (m Medium) Describe() (name, about string) {
	name = m.Label
	if name == "" {
		name = textMediumWithoutLabel
	}
	parts := []string{m.Mount, m.Size}
	if m.Free != "" {
		parts = append(parts, fmt.Sprintf(textFree, m.Free))
	}
	if m.Serial != "" {
		parts = append(parts, fmt.Sprintf(textSerial, m.Serial))
	} else {
		parts = append(parts, textSerialNumberNotKnown)
	}
	return name, strings.Join(parts, " · ")
}

// Bytes says a size as media are sold.
func Bytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf(textGB, float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf(textMB, float64(n)/1e6)
	}
	return fmt.Sprintf(textBytes, thousands(n))
}

// Copied is a file on a medium, as it was read back.
type Copied struct {
	Name   string
	Bytes  int64
	SHA256 ledger.Hash
}

// Receipt is what a copy to a medium left.
type Receipt struct {
	Of     string // in words
	Folder string // on the medium
	Files  []Copied
}

// NewReceipt tells what was copied, in hex and words, and that the medium can
// be taken away.
func NewReceipt(r Receipt) Detail {
	d := Detail{Kicker: textCopied, Title: fmt.Sprintf(textMedium, capital(r.Of)), State: textSafeRemove, Tone: Good,
		Text: textEveryFileMadeDurableRead}
	d.Groups = append(d.Groups, Group{Title: textWhere, Facts: []Fact{code(textFolder, r.Folder)}})
	for _, f := range r.Files {
		d.Groups = append(d.Groups, Group{Title: f.Name, Facts: []Fact{said(textSize, fmt.Sprintf(textBytes, thousands(f.Bytes)))}, Hashes: []Hash{{Label: textSHA256ReadBack, Hex: f.SHA256.String(), Words: assets.PGPWords(f.SHA256[:])}}})
	}
	return d
}

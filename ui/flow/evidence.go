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
	t := Table{Title: InEvidence, One: "ceremony with evidence", Many: "ceremonies with evidence",
		Columns: []Column{{"Ceremony", 3}, {"Document", 2.4}, {"Edition", 1}, {"SHA-256, first words", 2.2}, {"State", 1.7}},
		Acts:    r.offered([]Act{{Verb: CopyLedger, Label: "Copy the ledger to a medium"}, {Verb: ExportLedger, Label: "Export it as plain files"}, {Verb: TakeInNote, Label: "Take in a carried checkpoint"}}),
		First:   "No ceremony has ended yet. Its report is made by itself when it is sealed, and stands here."}
	all := r.State.Ceremonies
	for i := len(all) - 1; i >= 0; i-- {
		p := all[i]
		if unfinished(p) {
			continue
		}
		last := lastReport(r.State, p.Number)
		document, edition, words := "none made yet", "", ""
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
		return "In its folder", Good
	case last != nil:
		return "File missing", Waiting
	}
	return "Not made yet", Waiting
}

// NewEvidenceDetail is the evidence of one ceremony: its files, its editions,
// how to check it.
func NewEvidenceDetail(r Record, number string) (Detail, bool) {
	s := r.State
	p := s.Find(number)
	if p == nil || unfinished(p) {
		return Detail{}, false
	}
	d := Detail{Kicker: "Evidence of ceremony " + number, Title: p.Plan.Title, Refs: []Ref{{InCeremonies, number, "Ceremony " + number}}}
	last := lastReport(s, number)
	d.State, d.Tone = evidenceState(r, p, last)
	d.Text = "Everybody who was present can check it on any other computer, with the site's key that each of them keeps."
	d.Acts = []Act{{Verb: MakeAgain, Label: "Make it again"}, {Verb: TakeInReceipt, Label: "Take in a receipt"}}
	files := Group{Title: "Its files"}
	if path := r.Report(number); path != "" {
		key := filepath.Join(filepath.Dir(path), "site.vkey")
		files.Facts = []Fact{code("Report", path), code("Site's key", key), code("To check it", "claviger-verify --site "+key+" "+path)}
		d.Acts = append(d.Acts, Act{Verb: CopyOut, Label: "Copy to a medium"})
	} else {
		files.Facts = []Fact{{Value: "The report is not in its folder. Make it again: the same records give the same bytes."}}
	}
	d.Groups = append(d.Groups, files)
	if last != nil {
		d.Groups = append(d.Groups, Group{Title: fmt.Sprintf("%s, edition %d", capital(last.Document), last.Edition), Facts: []Fact{said("Pages", fmt.Sprint(last.Pages)), said("Layout", fmt.Sprint(last.Layout))},
			Hashes: []Hash{inWordsToo("SHA-256 of the file", last.SHA256.String())}})
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
	p := MediaPage{Title: "Copy " + of + " to a medium", Media: media,
		Text: "Only removable media that are mounted are listed. What is written is made durable, read back from the medium and compared before it is called copied. No card, PIN or passphrase is ever written to a file."}
	p.People, p.Signed = people, len(people) > 0
	if len(media) == 0 {
		p.First = "No removable medium is mounted. Attach one, have it mounted, then look again."
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
		wrong["named"] = "Type the label that stands on the medium."
	}
	if t.Person == "" {
		wrong["person"] = "Choose who makes the copy."
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
		name = "Medium without a label"
	}
	parts := []string{m.Mount, m.Size}
	if m.Free != "" {
		parts = append(parts, m.Free+" free")
	}
	if m.Serial != "" {
		parts = append(parts, "serial "+m.Serial)
	} else {
		parts = append(parts, "serial number not known")
	}
	return name, strings.Join(parts, " · ")
}

// Bytes says a size as media are sold.
func Bytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return thousands(n) + " bytes"
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
	d := Detail{Kicker: "Copied", Title: capital(r.Of) + " is on the medium", State: "✓ Safe to remove", Tone: Good,
		Text: "Every file was made durable, read back from the medium and is byte for byte what was written. Write the label of the medium and the first words below on its bag."}
	d.Groups = append(d.Groups, Group{Title: "Where", Facts: []Fact{code("Folder", r.Folder)}})
	for _, f := range r.Files {
		d.Groups = append(d.Groups, Group{Title: f.Name, Facts: []Fact{said("Size", thousands(f.Bytes)+" bytes")}, Hashes: []Hash{{Label: "SHA-256, as read back", Hex: f.SHA256.String(), Words: assets.PGPWords(f.SHA256[:])}}})
	}
	return d
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"claviger/ceremony/audit"
)

// writeWords says what an auditor can paste.
func writeWords(w io.Writer, a arguments, r *audit.Result) error {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("%s", firstLine(a, r))
	if r.Practice {
		say("PRACTICE: this is the record of a rehearsal; no real key was made.")
	}
	say("%s", about(r))
	say("")
	first, wrong := r.First()
	switch {
	case !wrong:
		say("It HOLDS: nothing that was looked at is wrong.")
	case r.Exit() == 1:
		say("It DOES NOT HOLD. The first thing wrong: %s", finding(first.Seq, first.Rule, first.Why))
	default:
		say("It CANNOT BE JUDGED by this version: %s", finding(first.Seq, first.Rule, first.Why))
	}
	for _, f := range r.Findings {
		if f != first {
			say("  also: %s", finding(f.Seq, f.Rule, f.Why))
		}
	}
	say("HSM-signed to %d, people-signed to %d, uncovered: %d.", r.HSMSignedTo, r.PeopleSignedTo, r.Uncovered)
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			say("")
			say("%s", title)
		}
		for _, l := range lines {
			say("  - %s", l)
		}
	}
	list("Checked:", r.Checked)
	list("Not checked:", r.NotChecked)
	_, err := io.WriteString(w, b.String())
	return err
}

// firstLine says, before anything else, how far the result can be relied on.
func firstLine(a arguments, r *audit.Result) string {
	switch {
	case r.Anchored:
		return "Compared with the site key you brought: it signed this record."
	case a.options.Site != "":
		return "The site key you brought vouches for nothing here."
	case len(a.options.Checkpoints) > 0:
		return "No site key was brought: only the checkpoints you brought were compared."
	}
	return "Nothing you brought was compared: this file was checked against itself only."
}

func about(r *audit.Result) string {
	if r.Of == "ledger" {
		return fmt.Sprintf("Ledger of %s (%s), %d records.", visible(r.Organisation), r.Origin, r.Records)
	}
	if r.Document == "" {
		return "Report of a ceremony that could not be told."
	}
	return fmt.Sprintf("%s %s of %s (%s).", r.Document, r.Ceremony, visible(r.Organisation), r.Origin)
}

func finding(seq int64, rule, why string) string {
	if seq < 0 {
		return fmt.Sprintf("%s (%s)", visible(why), rule)
	}
	return fmt.Sprintf("record %d: %s (%s)", seq, visible(why), rule)
}

// visible keeps text from a hostile file from steering a terminal.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) && !unicode.Is(unicode.Bidi_Control, r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u{%04X}`, r)
		}
	}
	return b.String()
}

// schemaName carries the version of the output for programs: members are only
// ever added under the same number.
const schemaName = "claviger-verify/1"

// result is the checker's output for programs, docs/claviger-verify.schema.json.
type result struct {
	Schema         string    `json:"schema"`
	File           string    `json:"file"`
	Of             string    `json:"of"`
	Organisation   string    `json:"organisation"`
	Origin         string    `json:"origin"`
	Ceremony       string    `json:"ceremony"`
	Document       string    `json:"document"`
	Holds          bool      `json:"holds"`
	Exit           int       `json:"exit"`
	Anchored       bool      `json:"anchored"`
	Practice       bool      `json:"practice"`
	Records        int64     `json:"records"`
	HSMSignedTo    int64     `json:"hsm-signed-to"`
	PeopleSignedTo int64     `json:"people-signed-to"`
	Uncovered      int64     `json:"uncovered"`
	Findings       []problem `json:"findings"`
	Checked        []string  `json:"checked"`
	NotChecked     []string  `json:"not-checked"`
}

type problem struct {
	Seq     int64  `json:"seq"` // -1: about no record
	Rule    string `json:"rule"`
	Why     string `json:"why"`
	Unknown bool   `json:"unknown"`
}

func writeJSON(w io.Writer, a arguments, r *audit.Result) error {
	out := result{Schema: schemaName, File: a.file, Of: r.Of, Organisation: r.Organisation, Origin: r.Origin, Ceremony: r.Ceremony, Document: r.Document,
		Holds: r.Holds(), Exit: r.Exit(), Anchored: r.Anchored, Practice: r.Practice, Records: r.Records, HSMSignedTo: r.HSMSignedTo, PeopleSignedTo: r.PeopleSignedTo,
		Uncovered: r.Uncovered, Findings: []problem{}, Checked: append([]string{}, r.Checked...), NotChecked: append([]string{}, r.NotChecked...)}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, problem{f.Seq, f.Rule, f.Why, f.Unknown})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

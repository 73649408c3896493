package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/report"
	"claviger/ceremony/script"
	"claviger/ceremony/steps"
)

// scripts: list, check, print and compare.
func scripts(args []string, out io.Writer) error {
	if len(args) == 0 {
		return usagef("script takes list, check NAME|FILE, print NAME|FILE --out FILE.pdf, or compare TRANSCRIPT TRANSCRIPT")
	}
	switch args[0] {
	case "list":
		if len(args) == 1 {
			return listScripts(out)
		}
	case "check":
		if len(args) == 2 {
			return checkScript(args[1], out)
		}
	case "print":
		return printScript(args[1:], out)
	case "compare":
		if len(args) == 3 {
			return compareTranscripts(args[1], args[2], out)
		}
	}
	return usagef("script takes list, check NAME|FILE, print NAME|FILE --out FILE.pdf, or compare TRANSCRIPT TRANSCRIPT")
}

func listScripts(out io.Writer) error {
	files, err := fs.Glob(assets.Scripts, "scripts/*.yaml")
	if err != nil {
		return err
	}
	for _, name := range files {
		src, err := fs.ReadFile(assets.Scripts, name)
		if err != nil {
			return err
		}
		plan, err := script.Parse(src, steps.Kinds().Names())
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-16s version %d  %s  %x\n", plan.Name, plan.Version, plan.Title, plan.SHA256)
	}
	return nil
}

// checkScript reads a script and plays the world model over it, with every way
// its conditions can go.
func checkScript(file string, out io.Writer) error {
	src, err := rehearse.Source(file)
	if err != nil {
		return err
	}
	plan, err := script.Parse(src, steps.Kinds().Names())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, values := range plan.Examples() {
		bound, err := plan.Bind(values)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := ceremony.PlayScript(bound, steps.Kinds()); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	fmt.Fprintf(out, "%s, version %d: %d steps, can be played. SHA-256 %x\n", plan.Name, plan.Version, len(plan.Steps()), plan.SHA256)
	return nil
}

// printScript writes the paper script under a name that must be free.
func printScript(args []string, out io.Writer) error {
	f := flags("print")
	path := f.String("out", "", "")
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return usagef("script print needs the name of a shipped script, or a file")
	}
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if *path == "" || f.NArg() > 0 {
		return usagef("script print takes NAME|FILE --out FILE.pdf")
	}
	src, err := rehearse.Source(args[0])
	if err != nil {
		return err
	}
	plan, err := script.Parse(src, steps.Kinds().Names())
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	kinds := steps.Kinds()
	pdf, pages, err := report.Paper(plan, func(kind string) string { return kinds[kind].Doc() }, report.A4)
	if err != nil {
		return err
	}
	if err := ceremony.WriteNew(*path, pdf); err != nil {
		switch {
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("%s is there already and was left as it is; give another --out", *path)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("--out %s: there is no folder %q; make it, or give another --out", *path, filepath.Dir(*path))
		}
		return fmt.Errorf("%w; give another --out", err)
	}
	fmt.Fprintf(out, "%s: %d pages of %s, version %d. SHA-256 of the script %x\n", filepath.Base(*path), pages, plan.Name, plan.Version, plan.SHA256)
	return nil
}

// compareTranscripts says what differs between two rehearsals beyond what differs
// between any two.
func compareTranscripts(one, other string, out io.Writer) error {
	var lines [2][]string
	for i, path := range []string{one, other} {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no file called %q; name the transcript.txt that claviger rehearse left in its --out", path)
		}
		if err != nil {
			return fmt.Errorf("couldn't read %q: %w; name the transcript.txt that claviger rehearse left in its --out", path, cause(err))
		}
		if !rehearse.IsTranscript(string(b)) {
			return fmt.Errorf("%q is not the transcript of a rehearsal, which begins like \"Ceremony 2026-002: …\"; name the transcript.txt that claviger rehearse left in its --out", path)
		}
		lines[i] = strings.Split(strings.TrimRight(rehearse.Plain(string(b)), "\n"), "\n")
	}
	n := 0
	for _, d := range differ(lines[0], lines[1]) {
		fmt.Fprintln(out, d)
		n++
	}
	if n > 0 {
		return fmt.Errorf("the transcripts differ in %d lines", n)
	}
	fmt.Fprintf(out, "The transcripts say the same, apart from times, fingerprints and serial numbers: %d lines.\n", len(lines[0]))
	return nil
}

// differ gives the lines of one and the other that are not in a longest common
// sequence of both, in order: "-" stands only in the first, "+" in the second.
func differ(a, b []string) []string {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			out = append(out, fmt.Sprintf("- line %d: %s", i+1, strings.TrimSpace(a[i])))
			i++
		default:
			out = append(out, fmt.Sprintf("+ line %d: %s", j+1, strings.TrimSpace(b[j])))
			j++
		}
	}
	for ; i < len(a); i++ {
		out = append(out, fmt.Sprintf("- line %d: %s", i+1, strings.TrimSpace(a[i])))
	}
	for ; j < len(b); j++ {
		out = append(out, fmt.Sprintf("+ line %d: %s", j+1, strings.TrimSpace(b[j])))
	}
	return slices.Clip(out)
}

// Claviger-verify is the auditor's checker. It reads a report, a ledger, or a
// report with its ledger, and says in plain words what holds, what does not, and
// what it could not look at. It is pure Go, needs no network, changes nothing.
//
//	claviger-verify [--site VKEY|FILE] [--checkpoint FILE ...] [--require-production] [--json] FILE.pdf [ledger.db] | ledger.db
//
// Exit codes: 0 all that was looked at holds; 1 something does not; 2 wrong
// usage; 3 the file cannot be read or is newer than this program, and nothing
// that could be checked is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"claviger/ceremony/audit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const (
	exitUsage      = 2
	exitUnreadable = 3
)

// maxFile bounds what is read into memory of a document, a key or a note.
const maxFile = 256 << 20

type arguments struct {
	options audit.Options
	json    bool
	pdf     []byte
	ledger  string
	file    string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "claviger-verify:", err)
		return exitUsage
	}
	a.options.Told = progress(stderr)
	var res *audit.Result
	if a.pdf != nil {
		res, err = audit.PDF(ctx, a.pdf, a.ledger, a.options)
	} else {
		res, err = audit.Ledger(ctx, a.ledger, a.options)
	}
	if err != nil {
		fmt.Fprintln(stderr, "claviger-verify:", err)
		var keys *audit.SiteKeysError
		if errors.As(err, &keys) {
			return exitUsage
		}
		// What was found wrong before the reading failed still counts.
		if res == nil || res.Exit() != 1 {
			return unreadable(stdout, stderr, a, res, err)
		}
	}
	if a.json {
		err = writeJSON(stdout, a, res)
	} else {
		err = writeWords(stdout, a, res)
	}
	if err != nil {
		fmt.Fprintln(stderr, "claviger-verify:", err)
		return exitUnreadable
	}
	return res.Exit()
}

// unreadable says in JSON, too, what could be said of a file that cannot be read
// or that a newer program wrote.
func unreadable(stdout, stderr io.Writer, a arguments, res *audit.Result, cause error) int {
	if !a.json {
		return exitUnreadable
	}
	if res == nil {
		res = &audit.Result{Of: "ledger"}
		if a.pdf != nil {
			res.Of = "report"
		}
	}
	res.Unreadable(cause)
	if err := writeJSON(stdout, a, res); err != nil {
		fmt.Fprintln(stderr, "claviger-verify:", err)
	}
	return exitUnreadable
}

// progress tells somebody at a terminal how far a long verification has come; a
// file or a pipe gets only the result.
func progress(stderr io.Writer) func(done, total int64) {
	f, ok := stderr.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(done, total int64) {
		if total < long {
			return
		}
		end := "\r"
		if done >= total {
			end = "\n"
		}
		fmt.Fprintf(f, "%d of %d records verified%s", done, total, end)
	}
}

// long is a ledger that somebody waits for.
const long = 50_000

func parse(args []string, stderr io.Writer) (arguments, error) {
	var a arguments
	f := flag.NewFlagSet("claviger-verify", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: claviger-verify [--site VKEY|FILE] [--checkpoint FILE ...] [--require-production] [--json] FILE.pdf [ledger.db] | ledger.db")
		f.PrintDefaults()
	}
	site := f.String("site", "", "the site's verifier `key`, or a file of them, which you got by another way than the file to check")
	f.Func("checkpoint", "a checkpoint that somebody carried out of the room; may be given again", func(name string) error {
		b, err := readFile(name)
		a.options.Checkpoints = append(a.options.Checkpoints, b)
		return err
	})
	f.BoolVar(&a.options.RequireProduction, "require-production", false, "a practice record does not hold; needs --site")
	f.BoolVar(&a.json, "json", false, "write the result as JSON")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return a, err
		}
		return a, fmt.Errorf("couldn't understand the command line: %w", err)
	}
	if a.options.RequireProduction && *site == "" {
		return a, errors.New("--require-production needs --site: without the site's key a record can say of itself whatever it likes")
	}
	if *site != "" {
		text, err := siteKeys(*site)
		if err != nil {
			return a, err
		}
		a.options.Site = text
	}
	return a, a.files(f.Args())
}

// siteKeys takes a verifier key itself or the name of a file of them.
func siteKeys(s string) (string, error) {
	b, err := readFile(s)
	if errors.Is(err, os.ErrNotExist) && strings.Count(s, "+") >= 2 {
		return s, nil
	}
	if err != nil {
		return "", fmt.Errorf("couldn't read the site's keys: %w", err)
	}
	return string(b), nil
}

// files tells a document from a ledger by its first bytes, not by its name.
func (a *arguments) files(names []string) error {
	if len(names) == 0 || len(names) > 2 {
		return fmt.Errorf("one file to check is needed, or a report and its ledger; %d were named", len(names))
	}
	a.file = names[0]
	if isLedger, err := startsWith(names[0], "SQLite format 3\x00"); err != nil {
		return err
	} else if isLedger {
		if len(names) == 2 {
			return errors.New("the report comes first, the ledger second")
		}
		a.ledger = names[0]
		return nil
	}
	var err error
	if a.pdf, err = readFile(names[0]); err != nil {
		return err
	}
	if len(names) == 2 {
		a.ledger = names[1]
		_, err = os.Stat(a.ledger)
	}
	return err
}

func startsWith(name, magic string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	b := make([]byte, len(magic))
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return string(b[:n]) == magic, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return b, err
}

// Command claviger leads key ceremonies: a window, and the same ceremonies
// without one.
//
//	claviger [--site DIR]                     the window
//	claviger --practice                       the window on a practice site, made if missing
//	claviger rehearse NAME|FILE [flags]       a whole ceremony with practice people
//	claviger script list | check | print | compare
//	                                          the shipped scripts; one of them or of your own, on paper; two rehearsals
//	claviger token list | probe [flags]       the tokens that are attached; what one can do
//	claviger erase PERSON --reason TEXT [--site DIR]
//	                                          what is kept of a person's document; the ledger verifies without it
//
// Exit codes: 0 as asked; 1 something does not hold or a ceremony failed; 2
// wrong usage; 3 a container that cannot be read. Results go to standard
// output, diagnostics to standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"claviger/ceremony"
	"claviger/ceremony/rehearse"
	"claviger/ceremony/share"
	"claviger/ceremony/site"
	"claviger/hsm/p11"
	"claviger/hsm/secret"
	"claviger/hsm/worker"
)

const version = "0.1.0"

// workerArg starts this program as the process that holds the vendor's module.
const workerArg = "module-worker"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, diag io.Writer) int {
	if len(args) > 0 && args[0] == workerArg {
		if err := worker.Serve(p11.Open); err != nil {
			fmt.Fprintln(diag, "claviger:", err)
			return 1
		}
		return 0
	}
	if len(args) > 0 && args[0] == site.CheckerArg {
		if err := share.ServeCheck(); err != nil {
			fmt.Fprintln(diag, "claviger:", err)
			return 1
		}
		return 0
	}
	for _, err := range secret.Harden() {
		fmt.Fprintln(diag, "claviger: warning:", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, args, out, diag)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(out, usageText)
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(diag, "claviger:", usage)
		fmt.Fprintln(diag, usageText)
		return 2
	}
	fmt.Fprintln(diag, "claviger:", Sentence(err))
	return 1
}

const usageText = `usage:
  claviger [--site DIR]
  claviger --practice
  claviger rehearse NAME|FILE [--site DIR] [--out DIR] [--set key=value ...] [--resume] [--stop-after STEP] [--module PATH --serial S]
  claviger script list | check NAME|FILE | print NAME|FILE --out FILE.pdf | compare TRANSCRIPT TRANSCRIPT
  claviger token list | probe --module PATH [--serial S] [--json]
  claviger erase PERSON --reason TEXT [--site DIR]`

type usageError struct{ why string }

func (u *usageError) Error() string { return u.why }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// Sentence is what a person reads of an error: the problem in three lines where
// there is one, the rule's reason where a rule refused.
func Sentence(err error) string {
	var problem *ceremony.Problem
	var refusal *ceremony.Refusal
	switch {
	case errors.As(err, &problem):
		s := problem.Happened + " " + problem.Safe + " " + problem.Do
		if problem.Code != "" {
			s += " (" + problem.Code + ")"
		}
		return s
	case errors.As(err, &refusal):
		return refusal.Why + " (" + refusal.Rule + ")"
	}
	return err.Error()
}

func command(ctx context.Context, args []string, out, diag io.Writer) error {
	for _, a := range args {
		if a == "--help" || a == "-help" || a == "-h" {
			return flag.ErrHelp
		}
	}
	if len(args) > 0 {
		switch args[0] {
		case "rehearse":
			return rehearsal(ctx, args[1:], out)
		case "script":
			return scripts(args[1:], out)
		case "erase":
			return erase(ctx, args[1:], out)
		case "token":
			return tokens(ctx, args[1:], out, diag)
		}
		if !strings.HasPrefix(args[0], "-") {
			return usagef("%q is not a command", args[0])
		}
	}
	return window(ctx, args)
}

// flags are those of one command; run prints the usage, once.
func flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return usagef("%v", err)
	}
	return nil
}

// settings are the repeated --set key=value.
type settings map[string]string

func (s settings) String() string { return "" }

func (s settings) Set(v string) error {
	key, value, ok := strings.Cut(v, "=")
	if !ok || key == "" {
		return fmt.Errorf("%q is not key=value", v)
	}
	s[key] = value
	return nil
}

func rehearsal(ctx context.Context, args []string, out io.Writer) error {
	o := rehearse.Options{Set: settings{}, Print: out}
	f := flags("rehearse")
	f.StringVar(&o.Dir, "site", "", "")
	f.StringVar(&o.Out, "out", ".", "")
	f.Var(settings(o.Set), "set", "")
	f.BoolVar(&o.Resume, "resume", false, "")
	f.StringVar(&o.StopAfter, "stop-after", "", "")
	f.StringVar(&o.Module, "module", "", "")
	f.StringVar(&o.Serial, "serial", "", "")
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return usagef("rehearse needs the name of a shipped script, or a file")
	}
	o.Script = args[0]
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usagef("%q was not expected", f.Arg(0))
	}
	if (o.Module == "") != (o.Serial == "") {
		return usagef("--module and --serial go together")
	}
	serial, err := serialNumber(o.Serial)
	if err != nil {
		return err
	}
	o.Serial = serial
	if err := libraryAt(o.Module); err != nil {
		return err
	}
	host, argv, err := self()
	if err != nil {
		return err
	}
	o.Host, o.Worker = host, argv
	return rehearse.Run(ctx, o)
}

// libraryAt says why --module names no library; without --module there is none to
// look for.
func libraryAt(path string) error {
	if path == "" {
		return nil
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--module %s: there is no such file; name the PKCS#11 library that came with the token (claviger token list shows those that are configured here)", path)
	case err != nil:
		return fmt.Errorf("--module %s: %w; name a PKCS#11 library that can be read", path, cause(err))
	case !info.Mode().IsRegular():
		return fmt.Errorf("--module %s is not a file; name the PKCS#11 library itself", path)
	}
	return nil
}

// cause is what went wrong with a file, without the file's name.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// self is this machine, and this program as its own worker.
func self() (ceremony.Host, []string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("couldn't find this program's own file: %w", err)
	}
	return newHost(exe), []string{exe, workerArg}, nil
}

// siteDir is the site of whoever does not name one (XDG base directories).
func siteDir(practice bool) (string, error) {
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("couldn't find your home folder; name a site with --site: %w", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	if practice {
		return filepath.Join(data, "claviger", "practice"), nil
	}
	return filepath.Join(data, "claviger", "site"), nil
}

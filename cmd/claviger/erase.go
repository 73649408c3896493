package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/steps"
	"claviger/ledger/sqlite"
)

// erase erases what is kept of a person's identity documents. The ledger is read, and
// not written: its records name the file by SHA-256 alone.
func erase(ctx context.Context, args []string, out io.Writer) error {
	f := flags("erase")
	dir := f.String("site", "", "")
	reason := f.String("reason", "", "")
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return usagef("erase needs the id of a person")
	}
	person := args[0]
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 || strings.TrimSpace(*reason) == "" {
		return usagef("erase takes PERSON --reason TEXT [--site DIR]")
	}
	if *dir == "" {
		d, err := siteDir(false)
		if err != nil {
			return err
		}
		*dir = d
	}
	folder := &ceremony.Folder{Dir: *dir}
	state, err := foldOf(ctx, folder)
	if err != nil {
		return err
	}
	h := state.People[person]
	if h == nil {
		return fmt.Errorf("nobody with the id %q is enrolled at the site in %s", person, *dir)
	}
	erased, err := folder.EraseIdentity(person, *reason, time.Now())
	if err != nil {
		return err
	}
	for _, sum := range erased {
		fmt.Fprintf(out, "Erased: the document file of %s, SHA-256 %s\n", h.Body.Called(), sum)
	}
	told, err := folder.IdentityFile(person, h.Body.Document)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The file that the record names (SHA-256 %s) is %s.\n", h.Body.Document, told)
	fmt.Fprintln(out, "The ledger is as it was and verifies without the file. Erase it from every copy of the site's folder, too.")
	return nil
}

// foldOf reads a site's ledger, which has to hold.
func foldOf(ctx context.Context, folder *ceremony.Folder) (*ceremony.State, error) {
	r, found, err := sqlite.OpenRead(ctx, folder.Ledger())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if len(found) > 0 {
		return nil, fmt.Errorf("the ledger of %s does not hold: %v", folder.Dir, found[0])
	}
	state, _, findings, err := ceremony.Fold(ctx, r, steps.Kinds())
	if err == nil && len(findings) > 0 {
		err = errors.New("the ledger of " + folder.Dir + " does not hold: " + findings[0].String())
	}
	return state, err
}

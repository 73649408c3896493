// Package site is a site on disk, with the engine that writes its ledger: the
// folder is made by [Create], opened by [Open] and let go of by [Site.Close]. A
// practice site and a real one differ in record 0, in the token that they accept,
// and in that a real one runs on orders; package rehearse adds the practice people.
//
// A real site begins empty:
//
//	c := site.Setting{Dir: dir, Worker: argv, Host: host, Room: room, Module: "/usr/lib/libvendor-pkcs11.so"}
//	s, err := site.Create(ctx, c, "Northwind Root CA")
//	leaf, err := s.Order(ctx, ceremony.OrderPlan{…, Paper: true, Witness: id})
//	err = s.HoldOrdered(ctx, leaf)
//
// Create writes record 0 and nothing else. The opening itself is the ceremony
// site-opening, ordered on paper because nobody is enrolled yet, on an empty
// hardware token. From then on Open needs the folder alone.
package site

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/report"
	"claviger/ceremony/share"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/hsm/worker"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// Opening is the script that opens a site.
const Opening = "site-opening"

// CheckerArg starts a worker's program as the process that checks one card.
const CheckerArg = "card-checker"

// Setting is where a site lies and what it works with.
type Setting struct {
	Dir    string
	Worker []string // command line of the process that loads the module
	Host   ceremony.Host
	Room   ceremony.Room
	// Module is the path of the vendor's library; "" takes the one that the site's
	// folder names. Serial is that of the first token, "" before one is prepared.
	Module, Serial string
	// Env is added to the worker's environment.
	Env []string
	// Kinds are the step kinds, those of the program where it is nil; Load gives the
	// module in another way than through a worker.
	Kinds ceremony.Kinds
	Load  func(context.Context) (hsm.Module, error)
	// Work is the work factor of scrypt for people's keys; only tests set it.
	Work int
}

// Site is an open site.
type Site struct {
	*ceremony.Engine
	Folder *ceremony.Folder
	// LastClosed is how the ledger's file was found when it was opened for writing.
	LastClosed ceremony.LastClosed
	store      ledger.Store
	serial     string
}

// Create makes an empty real site and opens it: a folder of mode 0700, in it the
// path of the vendor's library, and a ledger whose record 0 says for ever that it is
// not practice. It refuses a folder that anybody else may read or write, or that
// holds anything. Where a crash left half of it, Create is called again.
func Create(ctx context.Context, c Setting, organisation string) (*Site, error) {
	if strings.TrimSpace(organisation) == "" {
		return nil, errors.New("a site names the organisation that it belongs to")
	}
	if err := library(c.Module); err != nil {
		return nil, err
	}
	if err := free(c.Dir); err != nil {
		return nil, err
	}
	s, err := create(ctx, c)
	if err != nil {
		return nil, err
	}
	if s.State().Size > 0 {
		return nil, errors.Join(fmt.Errorf("there is a site in %s already; open it", c.Dir), s.Close())
	}
	if err := errors.Join(s.Folder.SetModule(c.Module), s.begin(ctx, organisation, false)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// library refuses what cannot be a vendor's library.
func library(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not a whole path; begin with / and name the file that came with the hardware security module", path)
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s; name the library that came with the hardware security module", path)
	case err != nil:
		return fmt.Errorf("couldn't look at the library: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; name the library that came with the hardware security module", path)
	}
	return nil
}

// ours are what Create makes in a folder, before record 0 is written.
var ours = []string{"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock", "people", "evidence", "module"}

// free says why a folder cannot become a real site.
func free(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("couldn't read the folder %q: %w", dir, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a folder; name one that is new", dir)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("others may read or write the folder %q (mode %04o); nothing was made in it. Set it to 0700, or name a new one", dir, mode)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("couldn't read the folder %q: %w", dir, err)
	}
	for _, f := range files {
		if !slices.Contains(ours, f.Name()) {
			return fmt.Errorf("the folder %q holds %q already; a real site begins in a new folder", dir, f.Name())
		}
	}
	return nil
}

// Practice opens a practice site, making its folder and ledger if they are missing.
func Practice(ctx context.Context, c Setting, organisation string) (*Site, error) {
	s, err := create(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.practice(ctx, organisation)
}

func (s *Site) practice(ctx context.Context, organisation string) (*Site, error) {
	switch state := s.State(); {
	case len(s.Findings()) > 0:
		return s, nil
	case state.Size > 0 && !state.Site.Practice:
		return nil, errors.Join(fmt.Errorf("%s is a real site; practice has no place in it", s.Folder.Dir), s.Close())
	case state.Size > 0:
		return s, nil
	}
	if err := s.begin(ctx, organisation, true); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Open opens a site that is there, practice or real. A real one refuses to contain
// practice secrets.
func Open(ctx context.Context, c Setting) (*Site, error) {
	if _, err := os.Stat((&ceremony.Folder{Dir: c.Dir}).Ledger()); err != nil {
		return nil, fmt.Errorf("there is no site in %s: %w", c.Dir, err)
	}
	s, err := create(ctx, c)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(s.Folder.Practice()); err == nil && s.State().Size > 0 && !s.State().Site.Practice {
		return nil, errors.Join(fmt.Errorf("the real site %s holds a folder called practice; take it away, then start again", s.Folder.Dir), s.Close())
	}
	return s, nil
}

// Read opens a site whose ledger holder writes, as Open's *sqlite.LockedError names
// it: everything is verified and can be looked at, and nothing can be added.
func Read(ctx context.Context, c Setting, holder string) (*Site, error) {
	folder := &ceremony.Folder{Dir: c.Dir}
	r, findings, err := sqlite.OpenBeside(ctx, folder.Ledger())
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, errors.Join(fmt.Errorf("couldn't read %s: %s", folder.Ledger(), findings[0].What), r.Close())
	}
	s, err := on(ctx, c, folder, ledger.Held{Opened: r, Holder: holder})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return s, nil
}

// create opens the ledger of a folder, or makes both.
func create(ctx context.Context, c Setting) (*Site, error) {
	folder, err := ceremony.OpenFolder(c.Dir)
	if err != nil {
		return nil, err
	}
	last := folder.LastClosed(sqlite.Digest(folder.Ledger())) // opening for writing changes the file
	store, err := sqlite.Open(ctx, folder.Ledger())
	if errors.Is(err, fs.ErrNotExist) {
		store, err = sqlite.Create(ctx, folder.Ledger())
	}
	if err != nil {
		return nil, err
	}
	s, err := on(ctx, c, folder, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s.LastClosed = last
	return s, nil
}

// On is Practice over a store that is open already, of whatever kind.
func On(ctx context.Context, c Setting, folder *ceremony.Folder, store ledger.Store, organisation string) (*Site, error) {
	s, err := on(ctx, c, folder, store)
	if err != nil {
		return nil, err
	}
	return s.practice(ctx, organisation)
}

func on(ctx context.Context, c Setting, folder *ceremony.Folder, store ledger.Store) (*Site, error) {
	if c.Kinds == nil {
		c.Kinds = steps.Kinds()
	}
	engine, err := ceremony.NewEngine(ctx, ceremony.Config{Store: store, Kinds: c.Kinds, Room: c.Room, Host: c.Host, Folder: folder, Module: c.loader(folder), CheckCard: c.checker(), Work: c.Work})
	if err != nil {
		return nil, err
	}
	return &Site{Engine: engine, Folder: folder, store: store, serial: c.Serial}, nil
}

func (s *Site) begin(ctx context.Context, organisation string, practice bool) error {
	random := make([]byte, 32)
	rand.Read(random)
	return s.OpenSite(ctx, organisation, practice, random)
}

// loader starts the worker with the module of this setting, or of the folder.
func (c Setting) loader(folder *ceremony.Folder) func(context.Context) (hsm.Module, error) {
	if c.Load != nil {
		return c.Load
	}
	return func(ctx context.Context) (hsm.Module, error) {
		o := worker.Options{Argv: c.Worker, ModulePath: c.Module, Env: c.Env}
		if o.ModulePath == "" {
			var err error
			if o.ModulePath, err = folder.Module(); err != nil {
				return nil, err
			}
		}
		return worker.Start(ctx, o)
	}
}

// checker compares cards in a process of its own, where the setting names a program
// that can be one.
func (c Setting) checker() ceremony.CardChecker {
	if len(c.Worker) == 0 {
		return func(_ context.Context, text *secret.Buffer, fingerprint [32]byte, practice bool) (string, error) {
			return share.CheckText(text, fingerprint, practice)
		}
	}
	return share.Apart(c.Worker[0], CheckerArg)
}

// Record is the ledger, for reading.
func (s *Site) Record() ledger.Reader { return s.store }

// Close ends the module's process, lets go of the ledger, and writes the receipt
// of its closed file, if this program wrote it.
func (s *Site) Close() error {
	if err := errors.Join(s.Engine.Close(), s.store.Close()); err != nil || s.Holder() != "" {
		return err
	}
	size, sum, err := sqlite.Digest(s.Folder.Ledger())
	if err != nil {
		return err
	}
	return s.Closed(size, sum)
}

// Token is the serial number of the site's first token, "" before one is prepared.
func (s *Site) Token() string {
	first := s.serial
	tokens := s.State().Tokens
	for serial, t := range tokens {
		if tokens[first] == nil || t.Seq < tokens[first].Seq {
			first = serial
		}
	}
	return first
}

// FreeLabel is the label itself, or with -2, -3 where it is taken.
func (s *Site) FreeLabel(label string) string {
	taken := map[string]bool{}
	for _, k := range s.State().Keys {
		taken[k.Body.Label] = true
	}
	for n := 2; taken[label]; n++ {
		if free := fmt.Sprintf("%s-%d", label, n); !taken[free] {
			return free
		}
	}
	return label
}

// Evidence makes the report of an ended ceremony and what lies beside it, in
// SITE/evidence/<ceremony>, and gives the report's path. What is there already
// is kept: the same records give the same bytes.
func (s *Site) Evidence(ctx context.Context, number string) (string, error) {
	in, err := report.Collect(ctx, s.store, s.State(), number)
	if err != nil {
		return "", err
	}
	pdf, pages, err := report.Make(in)
	if err != nil {
		return "", err
	}
	dir := s.Folder.Evidence(number)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("couldn't make the evidence folder: %w", err)
	}
	path := filepath.Join(dir, "report.pdf")
	if len(in.Later) > 0 {
		path = filepath.Join(dir, fmt.Sprintf("report-edition-%d.pdf", in.Edition()))
	}
	files := map[string][]byte{path: pdf, filepath.Join(dir, "site.vkey"): s.VerifierKeys()}
	if in.Checkpoint != "" {
		files[filepath.Join(dir, "checkpoint.txt")] = []byte(in.Checkpoint)
	}
	for name, content := range files {
		if err := ceremony.WriteNew(name, content); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	if r, ok := s.State().Reports[number]; ok && r.Body.Edition >= in.Edition() {
		return path, nil
	}
	return path, s.ReportWritten(ctx, number, ceremony.ReportMade{Document: in.Document(), Edition: in.Edition(), Layout: report.Layout, Pages: pages, SHA256: ledger.BlobHash(pdf)})
}

// VerifierKeys is the content of site.vkey: one C2SP verifier key a line.
func (s *Site) VerifierKeys() []byte {
	var out []byte
	for _, k := range s.State().LedgerKeys {
		out = append(out, k.Body.Verifier...)
		out = append(out, '\n')
	}
	return out
}

// Ready says whether the site was opened to its end.
func (s *Site) Ready() bool { return s.Last(Opening) != nil }

// Last is the newest sealed ceremony of a script.
func (s *Site) Last(name string) *ceremony.Progress {
	all := s.State().Ceremonies
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Plan.Name == name && all[i].Status == ceremony.SealedStatus {
			return all[i]
		}
	}
	return nil
}

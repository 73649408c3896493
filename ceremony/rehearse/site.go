package rehearse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/report"
	"claviger/ceremony/script"
	"claviger/ceremony/share"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/secret"
	"claviger/hsm/softhsm"
	"claviger/hsm/worker"
	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// Setting is where a practice site lies and what it works with.
type Setting struct {
	Dir    string
	Worker []string // command line of the process that loads the module
	Host   ceremony.Host
	Room   ceremony.Room
	// Module and Serial name a token other than SoftHSM's.
	Module, Serial string
	// Env is added to the worker's environment.
	Env []string
	// kinds are the step kinds, those of the program where it is nil; load gives
	// the module in another way than through a worker.
	kinds ceremony.Kinds
	load  func(context.Context) (hsm.Module, error)
}

// Site is an open practice site.
type Site struct {
	*ceremony.Engine
	Folder *ceremony.Folder
	Prop   Props
	store  ledger.Store
	serial string // of a token other than SoftHSM's
}

// Open opens a practice site, making its folder and ledger if they are missing.
// Record 0 says practice, for ever.
func Open(ctx context.Context, c Setting) (*Site, error) {
	folder, err := ceremony.OpenFolder(c.Dir)
	if err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, folder.Ledger())
	if errors.Is(err, fs.ErrNotExist) {
		store, err = sqlite.Create(ctx, folder.Ledger())
	}
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, c, folder, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return s, nil
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

// CheckerArg starts a worker's program as the process that checks one card.
const CheckerArg = "card-checker"

func open(ctx context.Context, c Setting, folder *ceremony.Folder, store ledger.Store) (*Site, error) {
	s := &Site{Folder: folder, Prop: Props(folder.Practice()), store: store, serial: c.Serial}
	if err := os.MkdirAll(s.Folder.Practice(), 0o700); err != nil {
		return nil, fmt.Errorf("couldn't make the practice folder: %w", err)
	}
	if c.kinds == nil {
		c.kinds = steps.Kinds()
	}
	load, err := c.loader(s.Folder.Practice())
	if err != nil {
		return nil, err
	}
	engine, err := ceremony.NewEngine(ctx, ceremony.Config{Store: s.store, Kinds: c.kinds, Room: c.Room, Host: c.Host, Folder: s.Folder, Module: load, CheckCard: c.checker()})
	if err != nil {
		return nil, err
	}
	s.Engine = engine
	if len(engine.Findings()) > 0 || engine.State().Size > 0 {
		if engine.State().Size > 0 && !engine.State().Site.Practice {
			return nil, fmt.Errorf("%s is a real site; practice has no place in it", s.Folder.Dir)
		}
		return s, nil
	}
	random := make([]byte, 32)
	rand.Read(random)
	return s, engine.OpenSite(ctx, "Northwind Root CA", true, random)
}

// loader starts the worker with the module of this setting.
func (c Setting) loader(practice string) (func(context.Context) (hsm.Module, error), error) {
	if c.load != nil {
		return c.load, nil
	}
	o := worker.Options{Argv: c.Worker, ModulePath: c.Module, Env: c.Env}
	if c.Module == "" {
		library, env, err := SoftHSM(practice)
		if err != nil {
			return nil, err
		}
		o.ModulePath, o.Env = library, append(o.Env, env...)
	}
	return func(ctx context.Context) (hsm.Module, error) { return worker.Start(ctx, o) }, nil
}

// SoftHSM is the software token of a practice site: its library, and the
// environment that leads it to its store in the practice folder.
func SoftHSM(practice string) (library string, env []string, err error) {
	library, err = softhsm.Available()
	if err != nil {
		return "", nil, err
	}
	conf, err := softhsm.Config(practice)
	return library, softhsm.Env(conf), err
}

// Record is the ledger, for reading.
func (s *Site) Record() ledger.Reader { return s.store }

// Close ends the module's process, lets go of the ledger, and writes the receipt
// of its closed file.
func (s *Site) Close() error {
	if err := errors.Join(s.Engine.Close(), s.store.Close()); err != nil {
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

// Source gives a script by the name of a shipped one, or from a file.
func Source(name string) ([]byte, error) {
	src, err := fs.ReadFile(assets.Scripts, "scripts/"+name+".yaml")
	if err == nil {
		return src, nil
	}
	src, ferr := os.ReadFile(name)
	if ferr != nil {
		return nil, fmt.Errorf("there is no shipped script and no file called %q; claviger script list names the shipped ones", name)
	}
	return src, nil
}

// Begin holds a ceremony with the practice cast.
func (s *Site) Begin(ctx context.Context, source []byte, set map[string]string) error {
	plan, err := s.Plan(source, set)
	if err != nil {
		return err
	}
	return s.Hold(ctx, plan)
}

// Plan casts a script with the practice people. A default label that is taken
// gets -2, -3; a label that someone typed does not. A key that nobody named is the
// newest one that is there.
func (s *Site) Plan(source []byte, set map[string]string) (ceremony.Plan, error) {
	plan, err := script.Parse(source, s.State().KnownKind)
	if err != nil {
		return ceremony.Plan{}, err
	}
	parts, err := Parts(plan.Roles)
	if err != nil {
		return ceremony.Plan{}, err
	}
	values := map[string]string{}
	for k, v := range set {
		values[k] = v
	}
	for _, p := range plan.Parameters {
		if _, typed := set[p.Name]; typed {
			continue
		}
		switch k := s.keyFor(plan); {
		case p.Name == "label":
			values["label"] = s.FreeLabel(p.Default)
		case p.Name == "people" && set["what"] == "":
			values["people"] = s.freePeople(p.Default)
		case p.Type == "person":
			values[p.Name] = s.newcomer(p.Default)
		case p.Type == "key" && k != nil:
			values[p.Name] = k.Body.Label
		case p.Type == "set" && s.State().SetFor(s.Token(), "user") != nil:
			values[p.Name] = s.State().SetFor(s.Token(), "user").Body.Name
		}
	}
	return ceremony.Plan{Script: source, Parameters: values, People: parts, Token: s.Token()}, nil
}

// freePeople is the first of these people under an id that nobody has yet.
func (s *Site) freePeople(people string) string {
	id, rest, _ := strings.Cut(people, " ")
	free := id
	for n := 2; s.State().People[free] != nil; n++ {
		free = fmt.Sprintf("%s-%d", id, n)
	}
	return free + " " + rest
}

// newcomer is a person with this id who is enrolled and not retired; or the id
// with -2, -3; or the id itself where there is none.
func (s *Site) newcomer(id string) string {
	people := s.State().People
	for n, who := 2, id; people[who] != nil; n, who = n+1, fmt.Sprintf("%s-%d", id, n) {
		if !people[who].Retired {
			return who
		}
	}
	return id
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

package rehearse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"claviger/assets"
	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/site"
	"claviger/hsm"
	"claviger/hsm/softhsm"
	"claviger/hsm/worker"
	"claviger/ledger"
)

// Setting is where a practice site lies and what it works with; without a module it
// works with SoftHSM's.
type Setting = site.Setting

// Site is an open practice site.
type Site struct {
	*site.Site
	Prop Props
}

const organisation = "Northwind Root CA"

// Open opens a practice site, making its folder and ledger if they are missing.
// Record 0 says practice, for ever.
func Open(ctx context.Context, c Setting) (*Site, error) {
	c, err := equipped(c)
	if err != nil {
		return nil, err
	}
	s, err := site.Practice(ctx, c, organisation)
	if err != nil {
		return nil, err
	}
	return withProps(s)
}

// Read opens a practice site that holder has open.
func Read(ctx context.Context, c Setting, holder string) (*Site, error) {
	s, err := site.Read(ctx, c, holder)
	if err != nil {
		return nil, err
	}
	return &Site{Site: s, Prop: Props(s.Folder.Practice())}, nil
}

func open(ctx context.Context, c Setting, folder *ceremony.Folder, store ledger.Store) (*Site, error) {
	c, err := equipped(c)
	if err != nil {
		return nil, err
	}
	s, err := site.On(ctx, c, folder, store, organisation)
	if err != nil {
		return nil, err
	}
	return withProps(s)
}

// equipped adds SoftHSM's module where no other is named; its store is made when the
// module is started.
func equipped(c Setting) (Setting, error) {
	if c.Load != nil || c.Module != "" {
		return c, nil
	}
	if _, err := softhsm.Available(); err != nil {
		return c, err
	}
	c.Load = func(ctx context.Context) (hsm.Module, error) {
		library, env, err := SoftHSM((&ceremony.Folder{Dir: c.Dir}).Practice())
		if err != nil {
			return nil, err
		}
		return worker.Start(ctx, worker.Options{Argv: c.Worker, ModulePath: library, Env: append(env, c.Env...)})
	}
	return c, nil
}

// withProps makes the folder for practice secrets, once the site is known to be one
// of practice.
func withProps(s *site.Site) (*Site, error) {
	props := s.Folder.Practice()
	if err := os.MkdirAll(props, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("couldn't make the practice folder: %w", err), s.Close())
	}
	return &Site{Site: s, Prop: Props(props)}, nil
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

// Source gives a script by the name of a shipped one, or from a file.
func Source(name string) ([]byte, error) {
	src, err := fs.ReadFile(assets.Scripts, "scripts/"+name+".yaml")
	if err == nil {
		return src, nil
	}
	src, err = os.ReadFile(name)
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no shipped script and no file called %q; claviger script list names the shipped ones", name)
	case errors.As(err, &path):
		return nil, fmt.Errorf("couldn't read the script %q: %w; name a file that can be read, or a shipped script (claviger script list names them)", name, path.Err)
	}
	return src, err
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
	plan, err := script.Parse(source, s.State().KnownKinds())
	if err != nil {
		return ceremony.Plan{}, err
	}
	parts, err := Parts(s.State().RolesFor(plan))
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

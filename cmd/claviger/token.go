package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"claviger/assets"
	"claviger/ceremony/script"
	"claviger/ceremony/steps"
	"claviger/hsm"
	"claviger/hsm/softhsm"
	"claviger/hsm/worker"
)

// tokenSchema names the output of claviger token --json, docs/claviger-token.schema.json.
const tokenSchema = "claviger-token/1"

// The output for programs. Nothing here needs a login; no PIN is asked for.
type (
	tokenReport struct {
		Schema  string         `json:"schema"`
		Modules []moduleReport `json:"modules"`
	}
	moduleReport struct {
		Path         string      `json:"path"`
		Name         string      `json:"name"`
		Fault        string      `json:"fault"`
		SHA256       string      `json:"sha256"`
		Manufacturer string      `json:"manufacturer"`
		Description  string      `json:"description"`
		Version      string      `json:"version"`
		Cryptoki     string      `json:"cryptoki"`
		Tokens       []tokenWord `json:"tokens"`
	}
	tokenWord struct {
		URI           string           `json:"uri"`
		Serial        string           `json:"serial"`
		Label         string           `json:"label"`
		Manufacturer  string           `json:"manufacturer"`
		Model         string           `json:"model"`
		Hardware      string           `json:"hardware-version"`
		Firmware      string           `json:"firmware-version"`
		Slot          string           `json:"slot"`
		HardwareSlot  bool             `json:"hardware-slot"`
		States        []string         `json:"states"`
		Random        bool             `json:"random"`
		PIN           pinWord          `json:"pin"`
		PublicMemory  *memoryWord      `json:"public-memory"`
		PrivateMemory *memoryWord      `json:"private-memory"`
		MaxSessions   int              `json:"max-sessions"`
		Mechanisms    []mechanismWord  `json:"mechanisms"`
		Ceremonies    []ceremonyServed `json:"ceremonies"`
	}
	pinWord struct {
		Min int `json:"min"`
		Max int `json:"max"`
		// OnDevice: people enter it there, and none is sent.
		OnDevice bool `json:"on-device"`
	}
	memoryWord struct {
		Total int `json:"total"`
		Free  int `json:"free"`
	}
	mechanismWord struct {
		Name  string   `json:"name"`
		Min   uint     `json:"min"`
		Max   uint     `json:"max"`
		Flags []string `json:"flags"`
	}
	// ceremonyServed is one shipped script with one choice of its values.
	ceremonyServed struct {
		Script  string        `json:"script"`
		With    string        `json:"with"`
		Serves  bool          `json:"serves"`
		Missing []missingWord `json:"missing"`
	}
	missingWord struct {
		For   string   `json:"for"`
		AnyOf []string `json:"any-of"`
	}
)

func tokens(ctx context.Context, args []string, out, diag io.Writer) error {
	if len(args) == 0 || args[0] != "list" && args[0] != "probe" {
		return usagef("token takes list or probe")
	}
	probe := args[0] == "probe"
	f := flags("token")
	module := f.String("module", "", "")
	serial := f.String("serial", "", "")
	asJSON := f.Bool("json", false, "")
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return usagef("%q was not expected", f.Arg(0))
	}
	if probe && *module == "" {
		return usagef("token probe needs --module PATH: claviger token list shows the modules that are configured here")
	}
	if err := libraryAt(*module); err != nil {
		return err
	}
	wanted, err := tokenWanted(*serial)
	if err != nil {
		return err
	}
	files := []hsm.ModuleFile{{Path: *module}}
	if *module == "" {
		files = configured(diag)
	}
	report, err := lookAll(ctx, files, wanted, probe, diag)
	if err != nil {
		return err
	}
	if *serial != "" && report.tokens() == 0 {
		return fmt.Errorf("couldn't find the token %s: it is %s", *serial, hsm.Absent)
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	for _, m := range report.Modules {
		if m.Fault != "" {
			continue // told on the other channel
		}
		if probe {
			m.print(out)
		} else {
			m.list(out)
		}
	}
	return nil
}

// tokenWanted reads --serial: a serial number, or an RFC 7512 URI.
func tokenWanted(text string) (hsm.URI, error) {
	if len(text) < 7 || !strings.EqualFold(text[:7], "pkcs11:") {
		return hsm.URI{Serial: text}, nil
	}
	u, err := hsm.ParseURI(text)
	if err != nil {
		return hsm.URI{}, usagef("--serial: %v", err)
	}
	return u, nil
}

// serialNumber reads --serial where one token must be named.
func serialNumber(text string) (string, error) {
	u, err := tokenWanted(text)
	if err == nil && text != "" && u.Serial == "" {
		err = usagef("--serial: %s names no serial number (serial=…)", text)
	}
	return u.Serial, err
}

// configured are the modules that p11-kit knows here, and SoftHSM.
func configured(diag io.Writer) []hsm.ModuleFile {
	list, err := hsm.DefaultP11Kit().Modules()
	if err != nil {
		fmt.Fprintln(diag, "claviger:", err)
	}
	var files []hsm.ModuleFile
	for _, m := range list {
		if m.Not != "" {
			fmt.Fprintf(diag, "claviger: the module %s (%s) is left out: %s\n", m.Name, m.Path, m.Not)
			continue
		}
		files = append(files, m)
	}
	if path, err := softhsm.Available(); err == nil && len(files) == 0 {
		files = append(files, hsm.ModuleFile{Name: "softhsm2", Path: path})
	}
	return files
}

// lookAll asks each module in a process of its own. One that fails among several
// is told and left; the only one that was asked for is an error.
func lookAll(ctx context.Context, files []hsm.ModuleFile, wanted hsm.URI, probe bool, diag io.Writer) (tokenReport, error) {
	report := tokenReport{Schema: tokenSchema, Modules: []moduleReport{}}
	for _, f := range files {
		m, err := look(ctx, f, wanted, probe)
		switch {
		case err != nil && (len(files) == 1 || ctx.Err() != nil):
			return report, err
		case err != nil:
			fmt.Fprintf(diag, "claviger: the module %s: %v\n", f.Path, err)
			m.Fault = err.Error()
		}
		report.Modules = append(report.Modules, m)
	}
	return report, nil
}

func (r tokenReport) tokens() int {
	n := 0
	for _, m := range r.Modules {
		n += len(m.Tokens)
	}
	return n
}

func look(ctx context.Context, file hsm.ModuleFile, wanted hsm.URI, probe bool) (report moduleReport, err error) {
	report = moduleReport{Path: file.Path, Name: file.Name, Tokens: []tokenWord{}}
	_, argv, err := self()
	if err != nil {
		return report, err
	}
	var env []string
	if conf := os.Getenv("SOFTHSM2_CONF"); conf != "" {
		env = softhsm.Env(conf)
	}
	m, err := worker.Start(ctx, worker.Options{Argv: argv, ModulePath: file.Path, Env: env})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	info, err := m.Info(ctx)
	if err != nil {
		return report, err
	}
	report.Path, report.SHA256 = info.Path, info.SHA256
	report.Manufacturer, report.Description, report.Version, report.Cryptoki = info.Manufacturer, info.Description, info.Version, info.Cryptoki
	list, err := m.Tokens(ctx)
	if err != nil {
		return report, err
	}
	for _, t := range list {
		if !wanted.Names(t) {
			continue
		}
		w := word(t)
		if probe {
			mechanisms, err := m.Mechanisms(ctx, t.Serial)
			if err != nil {
				return report, err
			}
			for _, mechanism := range mechanisms {
				w.Mechanisms = append(w.Mechanisms, mechanismWord{mechanism.Name, mechanism.Min, mechanism.Max, append([]string{}, mechanism.Flags...)})
			}
			if w.Ceremonies, err = served(t, mechanisms); err != nil {
				return report, err
			}
		}
		report.Tokens = append(report.Tokens, w)
	}
	return report, nil
}

func word(t hsm.TokenInfo) tokenWord {
	memory := func(m hsm.Memory) *memoryWord {
		if !m.Told {
			return nil
		}
		return &memoryWord{m.Total, m.Free}
	}
	return tokenWord{URI: t.URI().String(), Serial: t.Serial, Label: t.Label, Manufacturer: t.Manufacturer, Model: t.Model,
		Hardware: t.HardwareVersion, Firmware: t.FirmwareVersion, Slot: t.SlotDescription, HardwareSlot: t.HardwareSlot, States: t.States(),
		Random: t.Random, PIN: pinWord{t.MinPIN, t.MaxPIN, t.ProtectedPath}, PublicMemory: memory(t.PublicMemory), PrivateMemory: memory(t.PrivateMemory),
		MaxSessions: t.MaxSessions, Mechanisms: []mechanismWord{}, Ceremonies: []ceremonyServed{}}
}

// served says of every shipped script, as it is and with each other value of its
// choices that asks something else of the token, whether the token has that.
func served(t hsm.TokenInfo, mechanisms []hsm.Mechanism) ([]ceremonyServed, error) {
	kinds := steps.Kinds()
	files, err := fs.Glob(assets.Scripts, "scripts/*.yaml")
	if err != nil {
		return nil, err
	}
	list := []ceremonyServed{}
	for _, name := range files {
		src, err := fs.ReadFile(assets.Scripts, name)
		if err != nil {
			return nil, err
		}
		plan, err := script.Parse(src, kinds.Names())
		if err != nil {
			return nil, err
		}
		asIs := ""
		for _, values := range choices(plan) {
			bound, err := plan.Bind(values)
			if err != nil {
				return nil, fmt.Errorf("couldn't read what %s needs: %w", plan.Name, err)
			}
			needs := steps.Needs(bound)
			if values == nil {
				asIs = fmt.Sprint(needs)
			} else if fmt.Sprint(needs) == asIs {
				continue // a choice that is no matter to the token
			}
			c := ceremonyServed{Script: plan.Name, Serves: true, Missing: []missingWord{}}
			for name, value := range values {
				c.With = name + "=" + value
			}
			for _, n := range needs {
				if _, ok := n.Met(t, mechanisms); !ok {
					c.Serves = false
					c.Missing = append(c.Missing, missingWord{n.For, append([]string{}, n.AnyOf...)})
				}
			}
			list = append(list, c)
		}
	}
	return list, nil
}

// choices are the script's own values, then each other value of one choice.
func choices(plan *script.Plan) []map[string]string {
	list := []map[string]string{nil}
	for _, p := range plan.Parameters {
		for _, value := range p.Of {
			if value != p.Default {
				list = append(list, map[string]string{p.Name: value})
			}
		}
	}
	return list
}

func (m moduleReport) list(out io.Writer) {
	for _, t := range m.Tokens {
		fmt.Fprintf(out, "%s  %s  %s %s  (%s)\n  %s\n  module %s\n", t.Serial, t.Label, t.Manufacturer, t.Model, strings.Join(t.States, ", "), t.URI, m.Path)
	}
}

func (m moduleReport) print(out io.Writer) {
	fmt.Fprintf(out, "Module     %s\n           %s, %s, version %s, PKCS#11 %s\nSHA-256    %s\n", m.Path, m.Manufacturer, m.Description, m.Version, m.Cryptoki, m.SHA256)
	if len(m.Tokens) == 0 {
		fmt.Fprintln(out, "\nIt shows no token.")
	}
	for _, t := range m.Tokens {
		t.print(out)
	}
}

func (t tokenWord) print(out io.Writer) {
	told := func(m *memoryWord) string {
		if m == nil {
			return "not told"
		}
		return fmt.Sprintf("%d of %d bytes free", m.Free, m.Total)
	}
	length := fmt.Sprintf("%d to %d characters", t.PIN.Min, t.PIN.Max)
	if t.PIN.Max == 0 {
		length = "limits not told"
	}
	if t.PIN.OnDevice {
		length = "entered on the device, never sent to it; opened there by quorum cards or a PIN in parts"
	}
	yes := map[bool]string{true: "yes", false: "no"}
	fmt.Fprintf(out, "\nToken      %s\n", t.URI)
	for _, line := range [][2]string{
		{"Serial", t.Serial}, {"Label", t.Label}, {"Maker", t.Manufacturer + " " + t.Model},
		{"Versions", "hardware " + t.Hardware + ", firmware " + t.Firmware}, {"Slot", t.Slot}, {"Hardware", yes[t.HardwareSlot]},
		{"State", strings.Join(t.States, ", ")}, {"Random", yes[t.Random]}, {"PIN", length},
		{"Memory", "public " + told(t.PublicMemory) + ", private " + told(t.PrivateMemory)},
	} {
		fmt.Fprintf(out, "%-10s %s\n", line[0], line[1])
	}
	fmt.Fprintln(out, "\nCeremonies")
	for _, c := range t.Ceremonies {
		name := strings.TrimSpace(c.Script + " " + c.With)
		if c.Serves {
			fmt.Fprintf(out, "  can      %s\n", name)
			continue
		}
		var why []string
		for _, m := range c.Missing {
			why = append(why, fmt.Sprintf("the token cannot %s (%s)", m.For, strings.Join(m.AnyOf, " or ")))
		}
		fmt.Fprintf(out, "  cannot   %s: %s\n", name, strings.Join(why, "; "))
	}
	if !t.HardwareSlot {
		fmt.Fprintln(out, "  The slot is not one of a hardware device: the token serves practice sites only.")
	}
	fmt.Fprintln(out, "\nMechanisms")
	for _, m := range t.Mechanisms {
		fmt.Fprintf(out, "  %-34s %5d %5d  %s\n", m.Name, m.Min, m.Max, strings.Join(m.Flags, ", "))
	}
}

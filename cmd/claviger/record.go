package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/audit"
	"claviger/ceremony/medium"
	"claviger/ceremony/script"
	"claviger/ceremony/site"
	"claviger/hsm"
	"claviger/hsm/softhsm"
	"claviger/ledger"
	"claviger/ui/flow"
)

// What the window's pages of the record ask of the site.

func (p *program) Look(ctx context.Context, look func(flow.Record) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return p.told(err)
	}
	return look(p.record(ctx, s))
}

// record is what is lent of the site.
func (p *program) record(ctx context.Context, s *site.Site) flow.Record {
	return flow.Record{State: s.State(), Ledger: s.Record(), Verified: len(s.Findings()) == 0, Held: s.Holder() != "", LastClosed: s.LastClosed, Module: p.module(s),
		Script: func(h ledger.Hash) *script.Plan { return p.script(ctx, s, h) }, Shipped: shippedChoices(s),
		Document: func(person, sum string) string { return documentOf(s.Folder, person, sum) },
		Report:   func(number string) string { return reportOf(s, number) }}
}

// script reads a script that the ledger holds, once.
func (p *program) script(ctx context.Context, s *site.Site, h ledger.Hash) *script.Plan {
	if plan := p.scripts[h]; plan != nil {
		return plan
	}
	src, err := s.Record().Blob(ctx, h)
	if err != nil {
		return nil
	}
	plan, err := script.Parse(src, s.State().KnownKinds())
	if err != nil {
		return nil
	}
	if p.scripts == nil {
		p.scripts = map[ledger.Hash]*script.Plan{}
	}
	p.scripts[h] = plan
	return plan
}

func documentOf(f *ceremony.Folder, person, sum string) string {
	told, err := f.IdentityFile(person, sum)
	if err != nil {
		return sentence(err.Error())
	}
	return told
}

func reportOf(s *site.Site, number string) string {
	path := filepath.Join(s.Folder.Evidence(number), "report.pdf")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// library is the file by which tokens are reached.
func (p *program) library(s *site.Site) (string, error) {
	switch {
	case p.setting.Module != "":
		return p.setting.Module, nil
	case s.State().Site.Practice:
		return softhsm.Available()
	}
	return s.Folder.Module()
}

// module tells by which library tokens are reached, and its hash as it lies on
// the disk.
func (p *program) module(s *site.Site) []flow.Fact {
	path, err := p.library(s)
	if err != nil {
		return []flow.Fact{{Value: sentence(err.Error())}}
	}
	facts := []flow.Fact{{Label: "Library", Value: path, Mono: true}}
	if b, err := os.ReadFile(path); err == nil {
		facts = append(facts, flow.Fact{Label: "SHA-256 of its file", Value: ledger.BlobHash(b).String(), Mono: true})
	}
	return append(facts, flow.Fact{Label: "Loaded by", Value: "a process of its own, which ends with this one"})
}

func (p *program) Verify(ctx context.Context, progress func(done, total int64)) (flow.Verification, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return flow.Verification{}, p.told(err)
	}
	res, err := audit.Ledger(ctx, s.Folder.Ledger(), audit.Options{Told: progress})
	if err != nil {
		return flow.Verification{}, p.told(err)
	}
	a := flow.Audited{Holds: res.Holds(), Records: res.Records, SignedTo: res.HSMSignedTo, PeopleTo: res.PeopleSignedTo, Checked: res.Checked, NotChecked: res.NotChecked}
	for _, f := range res.Findings {
		a.Findings = append(a.Findings, f.String())
	}
	return flow.NewVerification(a, time.Now()), nil
}

// MakeAgain makes a report anew. What is in the folder already is held against
// the hash that the record has of it.
func (p *program) MakeAgain(ctx context.Context, number string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return "", p.told(err)
	}
	if err := s.MayWrite(); err != nil {
		return "", err
	}
	before := reportOf(s, number) != ""
	path, err := s.Evidence(ctx, number)
	if err != nil {
		return "", p.told(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", p.told(err)
	}
	if r := s.State().Reports[number]; r.Body.SHA256 == sha256.Sum256(b) {
		if before {
			return "The report in the folder is, byte for byte, the one that the record names.", nil
		}
		return "The report was made again and is, byte for byte, the one that the record names.", nil
	}
	return "", &ceremony.Problem{Happened: fmt.Sprintf("The file %s is not the report that the record names.", path), Safe: "The record is whole; the file was changed after it was made, or another version of this program made it.",
		Do: "Move that file away, then make the report again."}
}

func (p *program) Media(context.Context) ([]flow.Medium, error) {
	found, err := medium.List("/")
	if err != nil {
		return nil, p.told(err)
	}
	out := make([]flow.Medium, len(found))
	for i, m := range found {
		out[i] = flow.Medium{Mount: m.Mount, Label: m.Label, Serial: m.Serial, Size: flow.Bytes(m.Size), Free: flow.Bytes(m.Free)}
	}
	return out, nil
}

func (p *program) CopyTo(ctx context.Context, number string, t flow.Target) (flow.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return flow.Receipt{}, p.told(err)
	}
	if number == "" {
		return p.copyLedger(ctx, s, t)
	}
	files, err := filepath.Glob(filepath.Join(s.Folder.Evidence(number), "*"))
	if err == nil && len(files) == 0 {
		err = errors.New("there is no evidence to copy; make it again first")
	}
	if err != nil {
		return flow.Receipt{}, p.told(err)
	}
	folder := filepath.Join(t.Mount, "claviger", number)
	copied, err := medium.Copy(ctx, folder, files)
	if err != nil {
		return flow.Receipt{}, &ceremony.Problem{Happened: sentence(err.Error()), Safe: "The evidence in the site's folder is untouched. What is on the medium is not a copy.", Do: "Use another medium, or free some space on this one, then copy again."}
	}
	r := flow.Receipt{Folder: folder}
	for _, c := range copied {
		r.Files = append(r.Files, flow.Copied{Name: c.Name, Bytes: c.Bytes, SHA256: c.SHA256})
	}
	return r, nil
}

// copyLedger has the engine copy the ledger, verify the copy and record it.
func (p *program) copyLedger(ctx context.Context, s *site.Site, t flow.Target) (flow.Receipt, error) {
	folder := filepath.Join(t.Mount, "claviger")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return flow.Receipt{}, p.told(fmt.Errorf("couldn't make the folder on the medium: %w", err))
	}
	b, err := s.CopyLedger(ctx, folder, t.Named, t.Person)
	if err != nil {
		return flow.Receipt{}, p.told(err)
	}
	return flow.Receipt{Folder: folder, Files: []flow.Copied{{Name: b.File, Bytes: b.Bytes, SHA256: b.SHA256}}}, nil
}

// Modules looks for the PKCS#11 modules of this workstation and their tokens,
// each in a process of its own.
func (p *program) Modules(ctx context.Context) ([]flow.Module, error) {
	found, err := lookAll(ctx, configured(io.Discard), hsm.URI{}, false, io.Discard)
	if err != nil {
		return nil, p.told(err)
	}
	out := make([]flow.Module, len(found.Modules))
	for i, m := range found.Modules {
		out[i] = flow.Module{Name: m.Name, Path: m.Path, SHA256: m.SHA256, Says: strings.TrimSpace(m.Description + " " + m.Version), Fault: m.Fault}
		for _, t := range m.Tokens {
			out[i].Tokens = append(out[i].Tokens, flow.Found{Label: t.Label, Serial: t.Serial, Model: t.Model, States: t.States, URI: t.URI, Hardware: t.HardwareSlot})
		}
	}
	return out, nil
}

func (p *program) ChangeKey(ctx context.Context, room ceremony.Room, c flow.KeyChange, people []ceremony.Part) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return p.told(err)
	}
	p.relay.set(room)
	defer p.relay.set(nil)
	return p.signed(s.ChangeKey(ctx, ceremony.KeyChanged{At: time.Now().UTC().Format(time.DateOnly), Key: c.Key, Reason: strings.TrimSpace(c.Reason), State: c.To, Waived: c.Waived}, people))
}

// signed tells what came of asking people to sign.
func (p *program) signed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*ceremony.Stop)):
		return &ceremony.Problem{Happened: "Not everybody signed.", Safe: "Nothing was recorded, and all is as it was.", Do: "Begin again when those who sign are here."}
	}
	return p.told(err)
}

// Export writes the ledger as plain files onto a medium.
func (p *program) Export(ctx context.Context, t flow.Target) (flow.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.open(ctx)
	if err != nil {
		return flow.Receipt{}, p.told(err)
	}
	folder := filepath.Join(t.Mount, "claviger", fmt.Sprintf("ledger-%s-%d", s.State().Site.ID, s.State().Size))
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return flow.Receipt{}, p.told(fmt.Errorf("couldn't make the folder on the medium: %w", err))
	}
	if _, err := s.Export(ctx, folder); err != nil {
		return flow.Receipt{}, &ceremony.Problem{Happened: sentence(err.Error()), Safe: "The ledger is untouched. What is on the medium is no copy.", Do: "Use another medium, or free some space on this one, then export again."}
	}
	b, err := os.ReadFile(filepath.Join(folder, "records.jsonl"))
	if err != nil {
		return flow.Receipt{}, p.told(fmt.Errorf("couldn't read the export back: %w", err))
	}
	return flow.Receipt{Folder: folder, Files: []flow.Copied{{Name: "records.jsonl", Bytes: int64(len(b)), SHA256: ledger.BlobHash(b)}}}, nil
}

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
	"claviger/ceremony/rehearse"
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
	return look(flow.Record{State: s.State(), Ledger: s.Record(), Verified: len(s.Findings()) == 0, Held: s.Holder() != "", LastClosed: s.LastClosed, Module: p.module(),
		Report: func(number string) string { return reportOf(s, number) }})
}

func reportOf(s *rehearse.Site, number string) string {
	path := filepath.Join(s.Folder.Evidence(number), "report.pdf")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// module tells by which library tokens are reached, and its hash as it lies on
// the disk.
func (p *program) module() []flow.Fact {
	path := p.setting.Module
	if path == "" {
		library, err := softhsm.Available()
		if err != nil {
			return []flow.Fact{{Value: sentence(err.Error())}}
		}
		path = library
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
func (p *program) copyLedger(ctx context.Context, s *rehearse.Site, t flow.Target) (flow.Receipt, error) {
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
			out[i].Tokens = append(out[i].Tokens, flow.Found{Label: t.Label, Serial: t.Serial, Model: t.Model, States: t.States, URI: t.URI})
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
	if err := s.ChangeKey(ctx, ceremony.KeyChanged{At: time.Now().UTC().Format(time.DateOnly), Key: c.Key, Reason: strings.TrimSpace(c.Reason), State: c.To}, people); errors.As(err, new(*ceremony.Stop)) {
		return &ceremony.Problem{Happened: "Not everybody signed.", Safe: "Nothing was recorded, and the key is as it was.", Do: "Begin again when those who sign are here."}
	} else if err != nil {
		return p.told(err)
	}
	return nil
}

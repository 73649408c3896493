// Package sample makes up the record of a site, the same each time, for the
// tests of the window: what a site looks like after some years, and lists as
// long as anybody will ever have. It is imported by tests only. Nothing in it
// was signed, and no rule was asked.
package sample

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ceremony/share"
	"claviger/ceremony/steps"
	"claviger/ledger"
)

// Noon is the time of the samples.
var Noon = time.Date(2026, 11, 22, 11, 42, 31, 0, time.UTC)

// hash is a stand-in for whatever is called by a hash.
func hash(s string) ledger.Hash { return sha256.Sum256([]byte(s)) }

func hexOf(s string, n int) string { h := hash(s); return hex.EncodeToString(h[:n]) }

const (
	serial = "77004312"
	second = "77004313"
	// The sets of the cards: in use, to be changed, withdrawn, and withdrawn with a
	// backup that its cards still open.
	setID    = "0a1b2c3d"
	dueSet   = "1b2c3d4e"
	oldSet   = "2c3d4e5f"
	backedUp = "3d4e5f60"
	newest   = "2026-014"
)

const keyScript = `ceremony: key-generation
version: 3
title: Generate a signing key
roles: { administrator: 1, witness: 1, officer: 2, custodian: 2 }
parameters:
  label: { type: label, ask: "Label of the key", default: signing-key }
  algorithm: { type: choice, ask: "Algorithm", of: [ec-p256, ec-p384], default: ec-p384 }
  owner: { type: person, ask: "Owner", default: dana-weiss }
materials:
  - { what: "Tamper-evident bags with numbers", count: 2 }
  - { what: "Laptop", note: [serial] }
phases:
  - title: Open the room
    sign: [administrator, witness]
    steps:
      - { id: room, kind: room-check, title: Room and clock check, say: "Welcome." }
      - { id: roll-call, kind: roll-call, title: Roll call, say: "We call the roll.", minutes: 8 }
  - title: Make the key
    sign: [administrator, witness]
    steps:
      - { id: generate, kind: generate-key, title: Generate the key, say: "The token makes the key.", minutes: 2, with: { algorithm: "{{algorithm}}", purpose: sign, lifetime: 2y } }
      - { id: attest, kind: attest, title: Attest, say: "Attest." }
`

// Script is the sample's script.
func Script() []byte { return []byte(keyScript) }

// Cast are the people who would take part in it.
func Cast(*script.Plan) ([]ceremony.Part, error) { return cast(), nil }

func cast() []ceremony.Part {
	return []ceremony.Part{{Person: "marta-brandt", Role: "administrator"}, {Person: "amara-okafor", Role: "witness"}, {Person: "priya-kapoor", Role: "officer"}, {Person: "rui-santos", Role: "officer"}, {Person: "li-chen", Role: "custodian"}, {Person: "eleni-papadopoulou", Role: "custodian"}}
}

// plan binds the sample's script.
func plan(label string) *script.Bound {
	p, err := script.Parse([]byte(keyScript), nil)
	if err == nil {
		var b *script.Bound
		if b, err = p.Bind(map[string]string{"label": label}); err == nil {
			return b
		}
	}
	panic(fmt.Sprintf("sample: %v", err))
}

// Empty is a site before anything but its opening record.
func Empty() *ceremony.State {
	s := ceremony.NewState(steps.Kinds(), nil)
	s.Site = ceremony.Site{ID: "abcdefghijklmnopqrstuvwxyz", Origin: "claviger-practice/abcdefghijklmnopqrstuvwxyz", Organisation: "Northwind Root CA · vault room 2", Practice: true, Opened: Noon.AddDate(-2, 0, 0)}
	return s
}

// Site is a site in use: eight people, two HSMs, card sets in each state, five keys
// in as many states, a ceremony that waits.
func Site() *ceremony.State {
	s := Empty()
	s.Size, s.SignedTo, s.PeopleSignedTo, s.Last, s.Time = 2319, 2310, 2301, hash("last"), Noon
	for i, p := range []struct {
		id, name, latin, manager string
		roles                    []string
	}{
		{"marta-brandt", "Marta Brandt", "", "tomas-novak", []string{"administrator"}}, {"amara-okafor", "Amara Okafor", "", "", []string{"witness", "third-party-witness"}},
		{"priya-kapoor", "Priya Kapoor", "", "tomas-novak", []string{"officer"}}, {"rui-santos", "Rui Santos", "", "tomas-novak", []string{"officer"}},
		{"li-chen", "Li Chen", "", "", []string{"custodian"}}, {"eleni-papadopoulou", "Ελένη Παπαδοπούλου", "Eleni Papadopoulou", "", []string{"custodian"}},
		{"yuliya-kovalchuk", "Юлия Ковальчук-Александровская", "Yuliya Kovalchuk-Aleksandrovskaya", "", []string{"custodian"}},
		{"dana-weiss", "Dana Weiss", "", "", []string{"owner"}}, {"tomas-novak", "Tomas Novak", "", "", []string{"approver"}}} {
		person := &ceremony.Person{Leaf: hash(p.id), Vouched: []string{"marta-brandt", "amara-okafor"},
			Body: ceremony.PersonEnrolled{Person: p.id, Name: p.name, Latin: p.latin, Manager: p.manager, Roles: p.roles, Organisation: "Northwind", Identity: "passport", Key: hexOf("key "+p.id, 32), Sealed: hexOf("sealed "+p.id, 32), SeenBy: []string{"priya-kapoor", "rui-santos"}}}
		if i == 6 {
			person.Vouched = person.Vouched[:1]
		}
		s.People[p.id] = person
	}
	s.Tokens[serial] = &ceremony.Token{Leaf: hash("token"), Body: ceremony.TokenEnrolled{Serial: serial, Label: "NW-HSM-01", Manufacturer: "Northwind", Model: "HSM 7", Firmware: "2.6", Hardware: "4.1", HardwareSlot: true}}
	s.Tokens[serial].UserSet, s.Tokens[serial].SOSet = setID, dueSet
	s.Tokens[second] = &ceremony.Token{Leaf: hash("second token"), UserSet: setID, SOSet: dueSet, Body: ceremony.TokenEnrolled{Serial: second, Label: "NW-HSM-02", Manufacturer: "Northwind", Model: "HSM 7", Firmware: "2.6", Hardware: "4.1", HardwareSlot: true}}
	s.LedgerKeys = []ceremony.LedgerKey{{Leaf: hash("ledger key"), Body: ceremony.LedgerKeyEnrolled{Label: "ledger-key", Algorithm: "ed25519", Serial: serial, Verifier: "claviger-practice/abcdefghijklmnopqrstuvwxyz+5ac19e70+AQk="}}}
	s.Looked = &ceremony.Look{At: Noon.Add(-26 * time.Hour), TokenInventory: ceremony.TokenInventory{Serial: serial, Count: 11}}
	cards(s)
	keys(s)
	ceremonies(s)
	return s
}

func cards(s *ceremony.State) {
	for n, of := range []struct {
		set, purpose string
		withdrawn    bool
		cards        [3]string
	}{
		{setID, ceremony.Activation, false, [3]string{ceremony.InCustody, ceremony.InCustody, ceremony.InCustody}},
		{dueSet, ceremony.Recovery, false, [3]string{ceremony.InCustody, ceremony.Lost, ceremony.Lost}},
		{oldSet, ceremony.Activation, true, [3]string{ceremony.Gone, ceremony.Gone, ceremony.Gone}},
		{backedUp, ceremony.Recovery, true, [3]string{ceremony.InCustody, ceremony.InCustody, ceremony.InCustody}}} {
		b := ceremony.SetIssued{Set: of.set, Name: cardSet(of.set), Purpose: of.purpose, Threshold: 2, Count: 3, Serials: []string{serial}, PINLength: 48, Commitment: hexOf("commitment"+of.set, 32), Intent: hash("intent of " + of.set)}
		for i, holder := range []string{"li-chen", "eleni-papadopoulou", "yuliya-kovalchuk"} {
			c := ceremony.CardIssued{Index: i + 1, Holder: holder, Fingerprint: hexOf("card "+of.set+holder, 32)}
			b.Cards = append(b.Cards, c)
			name := ceremony.CardItemName(c.Index, b.Name)
			s.Items[name] = &ceremony.Item{Name: name, Kind: ceremony.CardItem, Bag: fmt.Sprintf("A-407%d1%d", n+1, i), Holder: c.Holder, Holders: []string{c.Holder}, Place: "safe 2", Set: of.set, Index: c.Index, State: of.cards[i]}
		}
		s.Sets[of.set] = &ceremony.Set{Body: b, Leaf: hash("set " + of.set), Withdrawn: of.withdrawn}
	}
	s.Items["laptop 1"] = &ceremony.Item{Name: "laptop 1", Kind: ceremony.LaptopItem, Bag: "A-407120", Holder: "marta-brandt", Holders: []string{"marta-brandt"}, Place: "safe 1", State: ceremony.OutOfBag}
	s.Items["backup medium 1"] = &ceremony.Item{Name: "backup medium 1", Kind: ceremony.MediumItem, Bag: "A-407121", Holder: "rui-santos", Holders: []string{"li-chen", "rui-santos"}, Place: "bank vault", State: ceremony.Lost, Holds: hexOf("backup", 32)}
}

// cardSet is how a set is called on its cards.
func cardSet(id string) string {
	raw, err := hex.DecodeString(id)
	if err != nil {
		panic(fmt.Sprintf("sample: %v", err))
	}
	return share.Name([4]byte(raw))
}

// Key makes one key.
func Key(label, algorithm string, from, until time.Time, state ceremony.KeyState) *ceremony.Key {
	id := hexOf("id "+label, 20)
	return &ceremony.Key{State: state, Ceremony: newest, Time: from, Leaf: hash(label),
		Copies: []ceremony.Copy{{Form: "module", ID: id, Name: ceremony.ModuleCopy(serial, id), State: ceremony.CopyKept, Where: serial}},
		Body: ceremony.KeyGenerated{ID: id, Label: label, Algorithm: algorithm, Purpose: "sign", Owner: "dana-weiss", Protection: "module-only", Serial: serial, Intent: hash("intent " + label),
			Fingerprint: hexOf("fingerprint "+label, 32), From: from.Format(time.DateOnly), Until: until.Format(time.DateOnly), Attributes: []ceremony.Attribute{{Name: "local", Value: "true"}, {Name: "sensitive", Value: "true"}, {Name: "never-extractable", Value: "true"}, {Name: "sign", Value: "true"}}}}
}

func keys(s *ceremony.State) {
	for i, k := range []*ceremony.Key{
		Key("northwind-root-2026", "ec-p384", Noon, Noon.AddDate(15, 0, 0), ceremony.PreActivation),
		Key("codesign-2024", "rsa-3072", Noon.AddDate(-2, 0, 0), Noon.AddDate(0, 0, 11), ceremony.Active),
		Key("timestamps-2025", "ed25519", Noon.AddDate(-1, 0, 0), Noon.AddDate(1, 0, 0), ceremony.Active),
		Key("codesign-2021", "rsa-3072", Noon.AddDate(-5, 0, 0), Noon.AddDate(-3, 0, 0), ceremony.Deactivated),
		Key("dnssec-ksk-2023", "ec-p256", Noon.AddDate(-3, 0, 0), Noon.AddDate(-1, 0, 0), ceremony.Destroyed)} {
		k.Seq = int64(2000 - i)
		s.Keys[k.Body.ID] = k
	}
	active := s.KeyNamed("codesign-2024")
	active.Changes = []ceremony.Change{{At: Noon.AddDate(-2, 0, 1), Seq: 1990, Body: ceremony.KeyChanged{At: Noon.AddDate(-2, 0, 1).Format(time.DateOnly), Key: active.Body.ID, State: ceremony.Active, Reason: "report accepted",
		Signatures: []ceremony.SignedBy{{Person: "dana-weiss", Role: "owner"}, {Person: "tomas-novak", Role: "approver"}}}}}
	restored := s.KeyNamed("timestamps-2025")
	restored.Body.Protection = "wrap-backup"
	restored.Copies = append(restored.Copies, ceremony.Copy{Form: ceremony.ModuleForm, ID: restored.Body.ID, Name: ceremony.ModuleCopy(second, restored.Body.ID), State: ceremony.CopyKept, Where: second},
		ceremony.Copy{Form: ceremony.WrappedForm, Name: "backup medium 2", Set: backedUp, State: ceremony.CopyKept, Where: "bank vault"})
	s.KeyNamed("dnssec-ksk-2023").Copies[0].State = ceremony.CopyDestroyed
}

func ceremonies(s *ceremony.State) {
	parts := cast()
	add := func(number, label string, status ceremony.Status, done int, begun time.Time) *ceremony.Progress {
		p := &ceremony.Progress{Number: number, Plan: plan(label), Status: status, Started: begun, Ended: begun.Add(72 * time.Minute), Token: serial, Records: 180,
			Body:  ceremony.Started{People: parts, Script: hash("script"), Program: ceremony.Program{Version: "test"}, Token: serial},
			Steps: map[string]*ceremony.StepState{}, Phases: map[int]map[string]ceremony.Signed{}, Attested: map[string]ceremony.Signed{}}
		for i, st := range p.Plan.Steps() {
			p.Steps[st.ID] = &ceremony.StepState{Attempt: 1, Done: i < done, Started: begun, Ended: begun.Add(time.Duration(i+1) * 10 * time.Minute)}
		}
		s.Ceremonies = append(s.Ceremonies, p)
		return p
	}
	first := add("2026-001", "root-ca", ceremony.SealedStatus, 4, Noon.AddDate(-1, 0, 0))
	first.Deviations = []ceremony.Deviation{{At: first.Started, Raised: ceremony.DeviationRaised{Number: 1, Step: "room", Expected: "a sealed bag", Happened: "a bag with a torn corner", Exposed: "no", Class: "security", Severity: "minor"},
		Decided: &ceremony.DeviationDecided{Number: 1, By: "tomas-novak", Decision: "continue", HeardBy: []string{"amara-okafor", "marta-brandt"}, Reason: "the seal inside is whole"}}}
	sealed := add(newest, "northwind-root-2026", ceremony.SealedStatus, 4, Noon.Add(-74*time.Minute))
	sealed.Steps["generate"].Facts = []ceremony.Line{{Label: "Fingerprint", Value: hexOf("fingerprint northwind-root-2026", 32), Style: "hash"}}
	for _, part := range parts {
		sealed.Attested[part.Person] = ceremony.Signed{At: Noon, SignOff: ceremony.SignOff{Person: part.Person, Verdict: ceremony.Agree}}
	}
	sealed.Phases[1] = map[string]ceremony.Signed{"marta-brandt": {}, "amara-okafor": {}}
	waits := add("2026-015", "signing-key-2", ceremony.PausedStatus, 2, Noon.Add(-20*time.Minute))
	waits.PauseReason = "the officer's train is late"
	order := func(name string, from, until time.Time) *ceremony.Order {
		o := &ceremony.Order{Leaf: hash("order " + name), Seq: 2200, Body: ceremony.Ordered{Approver: "tomas-novak", Owner: "dana-weiss", From: ledger.FormatTime(from), Until: ledger.FormatTime(until), Reference: "SM-2026-" + name,
			Script: hash("script"), Token: serial, People: parts, Parameters: map[string]string{"label": "signing-key-" + name, "algorithm": "ec-p384", "owner": "dana-weiss"}}}
		s.Orders = append(s.Orders, o)
		return o
	}
	order("1", Noon.AddDate(0, 0, -9), Noon.AddDate(0, 0, -2)).Used = newest
	order("2", Noon.AddDate(0, 0, -9), Noon.AddDate(0, 0, -2))
	order("3", Noon.AddDate(0, 0, -1), Noon.AddDate(0, 0, 13)).Withdrawn = "another key is made first"
	order("4", Noon.AddDate(0, 0, -1), Noon.AddDate(0, 0, 13))
	order("5", Noon.AddDate(0, 0, 7), Noon.AddDate(0, 0, 13)).Body.Paper = hexOf("paper", 32)
	s.Scripts[hash("script")] = &ceremony.RegisteredScript{Body: ceremony.ScriptRegistered{Name: "key-generation", Script: hash("script"), Title: "Generate a signing key", Version: 3}, Leaf: hash("registered")}
	s.Receipts = []ceremony.Receipt{{At: Noon, Seq: 2315, Body: ceremony.ReceiptTakenIn{About: newest, Kind: ceremony.AuditorsLetter, From: "Hale & Orr Audit", Date: "2026-11-20", States: "the ceremony was held as scripted", SHA256: hash("letter"),
		Signatures: []ceremony.SignedBy{{Person: "tomas-novak", Role: "approver"}, {Person: "amara-okafor", Role: "witness"}}}}}
	s.Reports[newest] = ceremony.Report{Ceremony: newest, Body: ceremony.ReportMade{Document: "key generation report", Edition: 1, Layout: 1, Pages: 12, SHA256: hash("report")}}
}

// ManyKeys adds keys to a site.
func ManyKeys(s *ceremony.State, n int) {
	for i := range n {
		k := Key(fmt.Sprintf("key-%04d", i), "ec-p384", Noon.AddDate(-1, 0, 0), Noon.AddDate(2, 0, i%300), ceremony.Active)
		k.Seq = int64(i)
		s.Keys[k.Body.ID] = k
	}
}

// Ledger is a ledger of n records, of which nobody signed any.
func Ledger(n int) *ledger.Memory {
	ctx := context.Background()
	store := ledger.NewMemory()
	at := ledger.Empty()
	draft := func(i int) ledger.Draft {
		d := ledger.Draft{Time: Noon.Add(time.Duration(i) * time.Second), V: 1, Ceremony: fmt.Sprintf("2026-%03d", i/200%900)}
		switch i % 4 {
		case 0:
			d.Kind, d.Body = ceremony.StepStartedKind, ceremony.StepStarted{Attempt: 1, Kind: "room-check", Step: "room", Version: 1}
		case 1:
			d.Kind, d.Body = ceremony.SignOffKind, ceremony.SignOff{Act: "phase", Attempt: 1, Key: hash("marta-brandt"), Person: "marta-brandt", Role: "administrator", Shown: hash("shown"), Signature: hexOf("signature", 32), Step: "phase-1", Verdict: ceremony.Agree}
		case 2:
			d.Kind, d.Body = ceremony.KeyGeneratedKind, ceremony.KeyGenerated{ID: hexOf(fmt.Sprint(i), 20), Label: fmt.Sprintf("key-%04d", i), Algorithm: "ec-p384", Owner: "dana-weiss", Intent: hash("intent")}
		case 3:
			d.Kind, d.Body = ceremony.ArrivedKind, ceremony.Arrived{Person: "eleni-papadopoulou", Role: "custodian"}
		}
		return d
	}
	for i := 0; i < n; {
		var drafts []ledger.Draft
		for ; i < n && len(drafts) < 500; i++ {
			drafts = append(drafts, draft(i))
		}
		records, err := ledger.Build(at, drafts...)
		if err == nil {
			at, err = store.Append(ctx, at, ledger.Batch{Records: records})
		}
		if err != nil {
			panic(fmt.Sprintf("sample: %v", err))
		}
	}
	return store
}

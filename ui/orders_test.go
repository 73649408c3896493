package ui

import (
	"context"
	"testing"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ledger"
	"claviger/ui/flow"
	"claviger/ui/kit"
)

// Where there is no site, both kinds are offered; the practice site is one key away.
func TestFirstPageMakesAPracticeSite(t *testing.T) {
	p := &play{snapshot: practiceSite(), missing: true, first: flow.First{Dir: "/srv/site", Needed: []string{"A hardware security module that is empty."}}}
	d := open(t, p)
	d.until("first")
	d.shows("A hardware security module that is empty.")
	d.press(fyne.KeyReturn)
	d.until("overview")
	if p.missing {
		t.Error("no site was made")
	}
}

func TestFirstPageMakesARealSite(t *testing.T) {
	p := &play{snapshot: practiceSite(), missing: true}
	d := open(t, p)
	d.until("first")
	d.focusOn("Set up a real site")
	d.press(fyne.KeyReturn)
	d.until("real-site")
	d.write("Northwind")
	d.press(fyne.KeyReturn, fyne.KeySpace, fyne.KeyReturn) // the first library, then the button
	d.press(fyne.KeyReturn)
	d.until("overview")
	if p.told != "Northwind by /usr/lib/softhsm/libsofthsm2.so" {
		t.Errorf("made %q", p.told)
	}
}

// button goes on with Tab to a button and presses it.
func (d *desk) button(label string) {
	d.t.Helper()
	d.focusOn(label)
	d.press(fyne.KeyReturn)
}

// An order by keys, from the list to the approver's signature; who goes back finds
// the form as it was.
func TestOrderByKeys(t *testing.T) {
	p := inUse(10)
	d := open(t, p)
	d.until("overview")
	d.shell.goTo(flow.InOrders)
	d.until("list · Orders")
	d.button("Order a ceremony")
	d.until("choose")
	d.press(fyne.KeySpace)
	d.button("Go on")
	d.until("order · key-generation")
	d.button("Go on to the signature")
	d.next("Choose one.") // of two officers enrolled both are named, of three custodians none
	for _, o := range []string{"Choose one.", "Nothing is typed here yet."} {
		d.shows(o)
	}
	if p.told != "" {
		t.Errorf("an order with gaps went to the engine: %q", p.told)
	}
	d.shell.goTo(flow.InOverview)
	d.until("overview")
	d.shell.order(flow.Start{Name: "key-generation"}, map[string]string{"value label": "signing-key-9", "person custodian 0": "li-chen", "person custodian 1": "eleni-papadopoulou", "reference": "SM-9"}, nil)
	d.until("order · key-generation")
	d.button("Go on to the signature")
	d.until("confirm · tomas-novak")
	d.focusOn("Back to the overview")
	d.press(fyne.KeyReturn)
	d.until("order · key-generation")
	d.shows("not everybody signed")
	d.button("Go on to the signature")
	d.until("confirm · tomas-novak")
	d.press(fyne.KeyReturn)
	d.until("list · Orders")
	if p.told != "tomas-novak orders signing-key-9" {
		t.Errorf("ordered: %q", p.told)
	}
}

// What people sign outside of ceremonies begins at the thing that it is about.
func TestWithdrawRegisterAndReceiptByKeys(t *testing.T) {
	p := inUse(10)
	d := open(t, p)
	d.until("overview")
	d.shell.detail(flow.Ref{Place: flow.InOrders, ID: p.state.Orders[3].Leaf.String()})
	d.until("detail · Orders")
	d.button("Withdraw it")
	d.until("withdraw")
	for range 40 {
		if _, typed := d.shell.Window().Canvas().Focused().(*kit.Choice); !typed {
			break
		}
		d.shell.Window().Canvas().(interface{ FocusNext() }).FocusNext()
	}
	d.write("another key first")
	d.press(fyne.KeyReturn, fyne.KeyReturn)
	d.until("confirm · tomas-novak")
	d.press(fyne.KeyReturn)
	d.until("list · Orders")
	if p.told != "tomas-novak withdraws this order because another key first" {
		t.Errorf("told %q", p.told)
	}
	d.shell.scripts()
	d.until("scripts")
	d.shows("Generate a signing key")
	d.shell.register(map[string]string{"script": "file", "file": "/media/usb/ours.yaml", "approver": "tomas-novak"}, nil)
	d.until("register")
	d.button("Go on to the signature")
	d.until("confirm · tomas-novak")
	d.press(fyne.KeyReturn)
	d.until("scripts")
	if p.told != "tomas-novak registers /media/usb/ours.yaml" {
		t.Errorf("told %q", p.told)
	}
	d.shell.detail(flow.Ref{Place: flow.InEvidence, ID: "2026-014"})
	d.until("detail · Evidence")
	d.button("Take in a receipt")
	d.until("receipt")
	d.shell.goTo(flow.InOverview)
	d.until("overview")
	d.shell.takeInReceipt("2026-014", map[string]string{"kind": ceremony.AuditorsLetter, "from": "Hale & Orr", "date": "2026-11-20", "states": "held as scripted", "sha-256": ledger.BlobHash([]byte("letter")).String(), "one": "tomas-novak", "two": "amara-okafor"}, nil)
	d.until("receipt")
	d.button("Go on to the signatures")
	d.until("confirm · tomas-novak")
	d.press(fyne.KeyReturn)
	d.until("detail · Evidence")
	d.next("The receipt is taken in.")
	if p.told != "auditors-letter about 2026-014 by tomas-novak and amara-okafor" {
		t.Errorf("told %q", p.told)
	}
}

func TestLedgerIsExportedAsPlainFiles(t *testing.T) {
	p := inUse(10)
	d := open(t, p)
	d.until("overview")
	d.shell.act(flow.Act{Verb: flow.ExportLedger}, flow.Ref{})
	d.until("media")
	d.press(fyne.KeySpace, fyne.KeyReturn)
	d.button("Copy to this medium")
	d.until("copied")
	d.shows("/media/usb/claviger/ledger-1")
}

// After the last answer of a form the next page has the focus again: a scanner's
// keys have had their time.
func TestFocusComesBackAfterAForm(t *testing.T) {
	p := inUse(10)
	p.snapshot.Site.Practice = false
	d := open(t, p)
	d.until("overview")
	d.shell.signed(func(ctx context.Context) error {
		_, err := room{d.shell}.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskForm, Title: "Type", Fields: []ceremony.Field{{Name: "a", Label: "A"}}})
		return err
	}, func(*flow.Trouble) {}, func() { d.shell.goTo(flow.InOrders) })
	d.until("form")
	d.write("x")
	d.press(fyne.KeyReturn)
	d.until("list · Orders")
	d.press(fyne.KeyReturn)
	d.until("detail · Orders")
}

package ui

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"claviger/ceremony"
	"claviger/ledger"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/sample"
)

// inUse is a site with a record to look at.
func inUse(records int) *play {
	p := &play{snapshot: practiceSite(), state: sample.Site()}
	p.ledger = sample.Ledger(records)
	p.state.Size = int64(records)
	return p
}

// next runs what comes to the window's thread until the window shows the words.
func (d *desk) next(words string) {
	d.t.Helper()
	deadline := time.After(20 * time.Second) // a hang, not a measure
	for !strings.Contains(d.text(), words) {
		select {
		case f := <-d.queue:
			f()
		case <-deadline:
			d.t.Fatalf("the window does not come to show %q but:\n%s", words, d.text())
		}
	}
}

// Every place of the window by its key, every thing in it by Enter, and back to
// the row that was left.
func TestPlacesByKeys(t *testing.T) {
	d := open(t, inUse(200))
	d.until("overview")
	for _, place := range []string{flow.InCeremonies, flow.InOrders, flow.InKeys, flow.InCustody, flow.InPeople, flow.InEvidence} {
		d.shell.goTo(place)
		d.until("list · " + place)
		list, ok := d.shell.Window().Canvas().Focused().(*kit.List)
		if !ok {
			t.Fatalf("%s: the list has not the focus", place)
		}
		d.press(fyne.KeyDown, fyne.KeyReturn)
		d.until("detail · " + place)
		d.press(fyne.KeyReturn) // Back has the focus
		d.until("list · " + place)
		if again := d.shell.Window().Canvas().Focused(); again != list || list.At() != 1 {
			t.Errorf("%s: back does not lead to the row that was left", place)
		}
	}
	d.shell.goTo(flow.InKeys)
	d.until("list · Keys")
	d.press(fyne.KeyReturn)
	d.until("detail · Keys")
	d.focusOn("Dana Weiss")
	d.press(fyne.KeyReturn)
	d.until("detail · People")
	d.shows("PUBLIC KEY (ED25519)")
	d.shell.back()
	d.until("detail · Keys")
	d.shell.back()
	d.until("list · Keys")
}

func TestOverviewLeadsToWhatIsDue(t *testing.T) {
	d := open(t, inUse(20))
	d.until("overview")
	d.shows("northwind-root-2026 waits for acceptance by its owner, Dana Weiss, and the approver")
	d.focusOn("See")
	d.press(fyne.KeyReturn)
	d.until("detail · ")
}

// counting is a ledger that counts what is read of it.
type counting struct {
	*ledger.Memory
	read chan int64
}

func (c counting) Records(ctx context.Context, from, to int64) iter.Seq2[ledger.Record, error] {
	c.read <- to - from
	return c.Memory.Records(ctx, from, to)
}

// In a list of 100 000 records a key reads a page at most, however far it goes,
// and never on the window's thread.
func TestLongLedgerIsReadAPageAtATime(t *testing.T) {
	p := inUse(0)
	reads := make(chan int64, 1000)
	p.ledger, p.state.Size = counting{sample.Ledger(100_000), reads}, 100_000
	d := open(t, p)
	d.until("overview")
	d.shell.goTo(flow.InLedger)
	d.until("ledger")
	d.next("99 999")
	for _, c := range []struct {
		key  fyne.KeyName
		want string
	}{{fyne.KeyEnd, "Step started"}, {fyne.KeyHome, "99 999"}, {fyne.KeyPageDown, "99 99"}} {
		looks := p.looks
		d.press(c.key)
		d.next(c.want)
		if n := p.looks - looks; n > 2 {
			t.Errorf("%s lent the record %d times", c.key, n)
		}
	}
	total := int64(0)
	for len(reads) > 0 {
		n := <-reads
		if n > flow.PageRows {
			t.Errorf("%d records were read at once", n)
		}
		total += n
	}
	if total > 6*flow.PageRows {
		t.Errorf("%d records were read to show three pages of a list", total)
	}
}

func TestLedgerIsSearched(t *testing.T) {
	d := open(t, inUse(400))
	d.until("overview")
	d.shell.goTo(flow.InLedger)
	d.until("ledger")
	d.next("399")
	d.write("k")
	d.write("ey-0042")
	d.press(fyne.KeyReturn)
	d.next("1 of 400 records")
	d.next("Key generated")
	for range len("key-0042") {
		d.press(fyne.KeyBackspace)
	}
	d.write("owls")
	d.press(fyne.KeyReturn)
	d.next("No record has all of these words.")
	for range len("owls") {
		d.press(fyne.KeyBackspace)
	}
	d.press(fyne.KeyReturn)
	d.next("400 records")
	d.shell.Window().Canvas().(interface{ FocusNext() }).FocusNext()
	d.press(fyne.KeyReturn) // Verify now
	d.until("verified")
	d.shows("✓ Holds")
	d.press(fyne.KeyReturn)
	d.until("ledger")
}

// The record is lent beside the window's thread: while it is, the window lives,
// and what was asked for first is not shown over what was asked for last.
func TestRecordIsLentBesideTheWindow(t *testing.T) {
	p := inUse(20)
	d := open(t, p)
	d.until("overview")
	p.gate = make(chan struct{})
	d.shell.goTo(flow.InKeys)
	d.shell.goTo(flow.InPeople)
	d.shows("Good morning") // still what was there
	p.gate <- struct{}{}
	p.gate <- struct{}{}
	d.until("list · People")
	for len(d.queue) > 0 {
		(<-d.queue)()
	}
	d.shows("Amara Okafor")
	if d.shell.place != flow.InPeople {
		t.Errorf("shown is %s", d.shell.place)
	}
}

func TestEvidenceIsMadeAgain(t *testing.T) {
	p := inUse(20)
	d := open(t, p)
	d.until("overview")
	d.shell.detail(flow.Ref{Place: flow.InEvidence, ID: "2026-014"})
	d.until("detail · Evidence")
	d.focusOn("Make it again")
	d.press(fyne.KeyReturn)
	d.next("The report is the one that the record names.")
	p.broken = &ceremony.Problem{Happened: "The file is another.", Safe: "The record is whole.", Do: "Move the file away."}
	d.focusOn("Make it again")
	d.press(fyne.KeyReturn)
	d.next("The file is another.")
	d.shows("Move the file away.")
}

// A copy of the ledger asks for a medium, its label and who makes it; while it
// is written there is nowhere to go; a copy that fails is told and can be tried
// again.
func TestLedgerIsCopiedToAMedium(t *testing.T) {
	p := inUse(20)
	var got flow.Target
	tries := 0
	p.copied = func(number string, t flow.Target) (flow.Receipt, error) {
		if tries++; tries == 1 {
			return flow.Receipt{}, errors.New("the medium is full")
		}
		got = t
		return flow.Receipt{Folder: "/media/usb/claviger", Files: []flow.Copied{{Name: "ledger.db", Bytes: 12}}}, nil
	}
	d := open(t, p)
	d.until("overview")
	d.shell.goTo(flow.InEvidence)
	d.until("list · Evidence")
	d.focusOn("Copy the ledger to a medium")
	d.press(fyne.KeyReturn)
	d.until("media")
	for attempt := range 2 {
		d.focusOn("Copy to this medium")
		d.press(fyne.KeyReturn)
		d.shows("Choose a medium first.")
		d.shell.focusFirst()
		d.press(fyne.KeySpace)
		d.focusOn("Copy to this medium")
		d.press(fyne.KeyReturn)
		d.shows("Type the label that stands on the medium.")
		d.shell.focusFirst()
		d.press(fyne.KeyReturn)
		d.write("L-12")
		d.press(fyne.KeyReturn, fyne.KeySpace, fyne.KeyReturn)
		d.shell.setTitle("asked")
		d.press(fyne.KeyReturn)
		d.shell.goTo(flow.InPeople) // leads nowhere now
		if strings.Contains(d.text(), flow.InSettings) {
			t.Error("another place is offered while a copy is written")
		}
		if attempt == 0 {
			d.until("media")
			d.next("Details: the medium is full")
		}
	}
	d.until("copied")
	d.shows("✓ Safe to remove")
	if got.Mount != "/media/usb" || got.Named != "L-12" || got.Person == "" {
		t.Errorf("copied to %+v", got)
	}
}

// A key is accepted from its page: who signs, why, and then each of them is
// asked.
func TestKeyIsAcceptedByKeys(t *testing.T) {
	p := inUse(20)
	d := open(t, p)
	d.until("overview")
	d.shell.detail(flow.Ref{Place: flow.InKeys, ID: p.state.KeyNamed("northwind-root-2026").Body.ID})
	d.until("detail · Keys")
	d.focusOn("Accept the key")
	d.press(fyne.KeyReturn)
	d.until("change")
	d.press(fyne.KeyReturn, fyne.KeyReturn)
	d.shows("Type the reason: it stands in the record for good.")
	d.shell.focusFirst()
	d.write("Report read")
	d.press(fyne.KeyReturn, fyne.KeyReturn)
	d.until("confirm · dana-weiss")
	d.press(fyne.KeyReturn)
	d.until("confirm · tomas-novak")
	d.press(fyne.KeyReturn)
	d.next("northwind-root-2026 is active now.")
	if p.changed != "active because Report read" {
		t.Errorf("changed %q", p.changed)
	}
}

func TestModulesAreLookedForWhenAsked(t *testing.T) {
	d := open(t, inUse(20))
	d.until("overview")
	d.shell.goTo(flow.InSettings)
	d.until("settings")
	d.shows("claviger-practice/abcdefghijklmnopqrstuvwxyz")
	d.focusOn("Look for modules and tokens")
	d.press(fyne.KeyReturn)
	d.until("modules")
	d.shows("/usr/lib/softhsm/libsofthsm2.so")
	d.press(fyne.KeyReturn)
	d.until("settings")
}

func TestMenuLeadsToPlaces(t *testing.T) {
	d := open(t, inUse(20))
	d.until("overview")
	keys := map[string]string{}
	for _, menu := range d.shell.menu.bar.Items {
		for _, item := range menu.Items {
			if item.Shortcut == nil {
				continue
			}
			name := item.Shortcut.ShortcutName()
			if other, taken := keys[name]; taken {
				t.Errorf("%s is the key of %q and of %q", name, other, item.Label)
			}
			keys[name] = item.Label
		}
		if menu.Label == "Go" {
			menu.Items[2].Action()
		}
	}
	d.until("list · Orders")
}

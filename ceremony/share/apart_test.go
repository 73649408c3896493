package share_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claviger/ceremony/share"
)

// checkArg makes the test program the process that checks one card.
const checkArg = "check-one-card"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == checkArg {
		if err := share.ServeCheck(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Each card is compared in a process of its own, which ends before the next; the
// card goes there by no argument, and what comes back repeats nothing of it.
func TestEachCardInAFreshProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	told := filepath.Join(t.TempDir(), "processes")
	check := share.Apart("/bin/sh", "-c", `echo $$ >> "$0"; exec "$1" "$2"`, told, self, checkArg)
	_, set, cards := split(t, 3, 5, false)
	for i, card := range cards {
		why, err := check(t.Context(), hold(t, text(t, card)), set.Fingerprints[i], false)
		if err != nil || why != "" {
			t.Errorf("card %d: %q, %v", i+1, why, err)
		}
		why, err = check(t.Context(), hold(t, text(t, card)), set.Fingerprints[(i+1)%5], false)
		if err != nil || why == "" {
			t.Errorf("card %d beside another's fingerprint: %q, %v", i+1, why, err)
		}
		for _, group := range strings.Fields(text(t, card))[3:] {
			if strings.Contains(strings.ToUpper(why), group) {
				t.Errorf("%q repeats a group of the card", why)
			}
		}
	}
	b, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(b))
	slices.Sort(pids)
	if n := len(slices.Compact(pids)); n != 2*len(cards) || slices.Contains(pids, fmt.Sprint(os.Getpid())) {
		t.Errorf("%d cards were checked in %d processes", 2*len(cards), n)
	}
	// A process that says nothing has not checked anything.
	if why, err := share.Apart("/bin/true")(t.Context(), hold(t, text(t, cards[0])), set.Fingerprints[0], false); err == nil {
		t.Errorf("no answer is taken for %q", why)
	}
}

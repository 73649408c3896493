package hsm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"claviger/hsm"
)

// listed is a module that shows one list after another, then fails.
type listed struct {
	hsm.Module
	lists [][]hsm.TokenInfo
	err   error
}

func (l *listed) Tokens(context.Context) ([]hsm.TokenInfo, error) {
	if len(l.lists) == 0 {
		return nil, l.err
	}
	next := l.lists[0]
	l.lists = l.lists[1:]
	return next, nil
}

func TestWatch(t *testing.T) {
	a, b := hsm.TokenInfo{Serial: "a"}, hsm.TokenInfo{Serial: "b"}
	low := a
	low.Initialised, low.UserPINSet, low.UserPINCountLow = true, true, true
	lost := &hsm.Error{Class: hsm.Gone, Op: "list the tokens", Why: "the module's process ended"}
	m := &listed{lists: [][]hsm.TokenInfo{nil, nil, {a}, {a}, {a, b}, {b}, {b}, {low, b}}, err: lost}
	ticks := make(chan time.Time, len(m.lists)+1)
	for range cap(ticks) {
		ticks <- time.Time{}
	}
	var seen []string
	err := hsm.Watch(t.Context(), m, ticks, func(list []hsm.TokenInfo) {
		words := ""
		for _, serial := range []string{"a", "b"} {
			words += fmt.Sprint(hsm.StatesOf(list, serial))
		}
		seen = append(seen, words)
	})
	want := []string{
		"[absent][absent]", "[uninitialised][absent]", "[uninitialised][uninitialised]", "[absent][uninitialised]",
		"[user PIN count low][uninitialised]", "[absent][absent]",
	}
	if !errors.Is(err, lost) || !slices.Equal(seen, want) {
		t.Errorf("it showed %q, %v", seen, err)
	}
	close(ticks)
	ended := make(chan time.Time)
	close(ended)
	if err := hsm.Watch(t.Context(), &listed{lists: [][]hsm.TokenInfo{{a}}}, ended, func([]hsm.TokenInfo) {}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := hsm.Watch(ctx, &listed{lists: [][]hsm.TokenInfo{{a}}}, nil, func([]hsm.TokenInfo) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestStates(t *testing.T) {
	ready := hsm.TokenInfo{Initialised: true, UserPINSet: true}
	for want, change := range map[string]func(*hsm.TokenInfo){
		"[ready]":                          func(*hsm.TokenInfo) {},
		"[uninitialised]":                  func(i *hsm.TokenInfo) { *i = hsm.TokenInfo{SOPINLocked: true} }, /* SoftHSM says so of a free slot */
		"[no user PIN yet]":                func(i *hsm.TokenInfo) { i.UserPINSet = false },
		"[user PIN locked]":                func(i *hsm.TokenInfo) { i.UserPINLocked = true },
		"[SO PIN locked]":                  func(i *hsm.TokenInfo) { i.SOPINLocked = true },
		"[user PIN: final try]":            func(i *hsm.TokenInfo) { i.UserPINFinalTry = true },
		"[SO PIN: final try]":              func(i *hsm.TokenInfo) { i.SOPINFinalTry = true },
		"[user PIN count low]":             func(i *hsm.TokenInfo) { i.UserPINCountLow = true },
		"[SO PIN count low]":               func(i *hsm.TokenInfo) { i.SOPINCountLow = true },
		"[PINs are entered on the device]": func(i *hsm.TokenInfo) { i.ProtectedPath = true },
		"[marked for practice]":            func(i *hsm.TokenInfo) { i.PracticeMark = true },
		"[user PIN: final try user PIN count low marked for practice]": func(i *hsm.TokenInfo) {
			i.UserPINFinalTry, i.UserPINCountLow, i.PracticeMark = true, true, true
		},
	} {
		i := ready
		change(&i)
		if got := fmt.Sprint(i.States()); got != want {
			t.Errorf("%+v is %q, want %q", i, got, want)
		}
	}
}

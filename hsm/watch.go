package hsm

import (
	"context"
	"slices"
	"time"
)

// Watch keeps a list of a module's tokens: it asks the module at once and with
// every tick, and calls show with the first list and with each that differs. A
// token that is taken out is missing from the next; one that was put in is there.
// It returns when ctx ends, when ticks ends, or when the module fails: a module
// that is gone shows no tokens, and its error says why.
//
// The module is asked anew each time because no event is promised: C_WaitForSlotEvent
// is missing in many modules, and blocks the one thread in others.
func Watch(ctx context.Context, m Module, ticks <-chan time.Time, show func([]TokenInfo)) error {
	var last []TokenInfo
	for first := true; ; first = false {
		list, err := m.Tokens(ctx)
		if err != nil {
			if !first && len(last) > 0 {
				show(nil)
			}
			return err
		}
		if first || !slices.Equal(list, last) {
			show(slices.Clone(list))
		}
		last = list
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, more := <-ticks:
			if !more {
				return nil
			}
		}
	}
}

// States says in words what keeps a token from being used as any other, worst
// first; a token that is ready says "ready".
func (t TokenInfo) States() []string {
	if !t.Initialised { // it has no PINs that could be in a state
		return []string{"uninitialised"}
	}
	var list []string
	for _, s := range []struct {
		is    bool
		words string
	}{
		{t.UserPINLocked, "user PIN locked"},
		{t.SOPINLocked, "SO PIN locked"},
		{t.UserPINFinalTry, "user PIN: final try"},
		{t.SOPINFinalTry, "SO PIN: final try"},
		{t.UserPINCountLow, "user PIN count low"},
		{t.SOPINCountLow, "SO PIN count low"},
		{!t.UserPINSet, "no user PIN yet"},
		{t.ProtectedPath, "PINs are entered on the device"},
		{t.PracticeMark, "marked for practice"},
	} {
		if s.is {
			list = append(list, s.words)
		}
	}
	if list == nil {
		return []string{"ready"}
	}
	return list
}

// Absent is the state of a token that is expected and not there.
const Absent = "absent"

// StatesOf are the states of the token with this serial number in a list.
func StatesOf(list []TokenInfo, serial string) []string {
	for _, t := range list {
		if t.Serial == serial {
			return t.States()
		}
	}
	return []string{Absent}
}

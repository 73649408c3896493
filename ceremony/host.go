package ceremony

import "time"

// Host is what the engine may know of the machine it runs on. Tests and
// rehearsals give their own.
type Host interface {
	Now() time.Time
	// Elapsed is a clock that nobody can set: time since some moment.
	Elapsed() time.Duration
	Program() Program
	// Facts are the workstation's own statements about itself, and about the disk
	// and folder of the site.
	Facts(site string) []HostFact
}

// HostFact: Verdict is "pass", "fail", "not known", or "information" where there
// is nothing to judge; a fail needs mending or a deviation.
type HostFact struct{ Label, Value, Verdict string }

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

// HostFact is one statement with its verdict; a fail needs mending or a deviation.
type HostFact struct{ Label, Value, Verdict string }

// Verdicts about the workstation.
const (
	HostPass    = "pass"
	HostFail    = "fail"
	HostUnknown = "not known"
	HostInforms = "information" // there is nothing to judge
)

// HostFacts names what is asked of every workstation: each has an answer with a
// verdict, or the check was not made.
func HostFacts() []string {
	return []string{"Network", "Radios", "Swap", "Core dumps", "Memory of this program", "Other people logged in", "Hardware clock", "Time zone",
		"Disk of the site", "Who may read the site's folder", "Printer queue", "Removable media", "Kernel", "System", "Root file system", "Kernel's entropy count"}
}

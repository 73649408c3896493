// Package practicetest is what test programs that rehearse have in common: a
// module worker inside the test's own program, as claviger is its own, and a
// workstation whose every fact is known. It is imported by tests only.
//
//	func TestMain(m *testing.M) { practicetest.Main(m) }
package practicetest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm/p11"
	"claviger/hsm/worker"
)

const (
	workerArg  = "module-worker"
	checkerArg = "card-checker" // as package site calls it
)

// Serve ends the program, after its work, where it was started as the process
// that holds the module, or as the one that checks a card.
func Serve() {
	serve := map[string]func() error{workerArg: func() error { return worker.Serve(p11.Open) }, checkerArg: share.ServeCheck}
	if len(os.Args) < 2 || serve[os.Args[1]] == nil {
		return
	}
	if err := serve[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Main is a TestMain: it serves as the worker, or runs the tests and then what
// is left to do.
func Main(m *testing.M, after ...func()) {
	Serve()
	code := m.Run()
	for _, f := range after {
		f()
	}
	os.Exit(code)
}

// Worker is the command line that starts this test program as the worker.
func Worker() []string { return []string{os.Args[0], workerArg} }

var started = time.Now()

// Workstation says what the tests expect of one: its clock is the real one.
type Workstation struct{}

func (Workstation) Now() time.Time            { return time.Now() }
func (Workstation) Elapsed() time.Duration    { return time.Since(started) }
func (Workstation) Program() ceremony.Program { return ceremony.Program{Version: "test"} }
func (Workstation) Facts(string) []ceremony.HostFact {
	var facts []ceremony.HostFact
	for _, label := range ceremony.HostFacts() {
		facts = append(facts, ceremony.HostFact{Label: label, Value: "as the tests expect it", Verdict: ceremony.HostPass})
	}
	return facts
}

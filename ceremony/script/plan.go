package script

import (
	"fmt"
	"slices"
	"strings"
)

// Plan is a script that was read and found sound.
type Plan struct {
	Name       string
	Version    int
	Title      string
	Roles      []RoleNeed  // in the order of the file
	Parameters []Parameter // in the order of the file
	Materials  []Material  // in the order of the file
	Phases     []Phase
	SHA256     [32]byte // of Source
	Source     []byte   // as given to Parse
}

// RoleNeed is how many people of a role a ceremony or a step needs.
type RoleNeed struct {
	Role  string
	Count int
}

// Roles are the words a script may use, DESIGN's vocabulary.
const (
	Administrator     = "administrator"
	Witness           = "witness"
	Officer           = "officer"
	Custodian         = "custodian"
	Approver          = "approver"
	Owner             = "owner"
	ThirdPartyWitness = "third-party-witness"
	Observer          = "observer"
)

func roles() []string {
	return []string{Administrator, Witness, Officer, Custodian, Approver, Owner, ThirdPartyWitness, Observer}
}

// RoleWords says roles within a sentence.
func RoleWords(roles ...string) string {
	return strings.ReplaceAll(strings.Join(roles, ", "), ThirdPartyWitness, "third-party witness")
}

// Parameter is what an order fills in.
type Parameter struct {
	Name    string
	Type    string   // label, choice, person, key, set, period, date, serial, bag, count, text
	Ask     string   // what stands above the field
	Default string   // "" where a value must be given
	Of      []string // the values of a choice
	Ceiling string   // the most a period or a count may be, "" for none
}

// Material is something that lies in the room before the first step.
type Material struct {
	What  string
	Count int      // 1 where the script does not say
	Note  []string // what is written down of it: SerialNumber, BagNumber
}

// What is noted of a material.
const (
	SerialNumber = "serial"
	BagNumber    = "bag"
)

// Phase is a group of steps signed off together.
type Phase struct {
	Number int
	Title  string
	Sign   []string // roles that sign the phase
	Break  int      // minutes of the break that is planned after it; 0 for none
	Steps  []Step
}

// Step is one thing done, by people who answer for it.
type Step struct {
	Number    int // 1.. over the whole plan
	Phase     int
	ID, Kind  string
	Title     string
	Say       string // read aloud
	With      map[string]string
	By        []RoleNeed
	Sign      []string
	Needs     []string // ids of earlier steps
	Minutes   int      // planned; 0 where the script does not say
	OnFailure string   // Pause or Abort
	When      string   // condition as written, "" for always
	Line      int
	when      condition
}

// What a step that failed leads to.
const (
	Pause = "pause"
	Abort = "abort"
)

// Step gives the step with this id.
func (p *Plan) Step(id string) (Step, bool) { return findStep(p.Phases, id) }

// Steps gives all steps in order, conditional ones too.
func (p *Plan) Steps() []Step { return allSteps(p.Phases) }

func (p *Plan) parameter(name string) (Parameter, bool) {
	i := slices.IndexFunc(p.Parameters, func(q Parameter) bool { return q.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return p.Parameters[i], true
}

// Need is how many of a role the whole ceremony needs; 0 for none.
func (p *Plan) Need(role string) int {
	for _, r := range p.Roles {
		if r.Role == role {
			return r.Count
		}
	}
	return 0
}

func allSteps(phases []Phase) []Step {
	var all []Step
	for _, p := range phases {
		all = append(all, p.Steps...)
	}
	return all
}

func findStep(phases []Phase, id string) (Step, bool) {
	for _, p := range phases {
		for _, s := range p.Steps {
			if s.ID == id {
				return s, true
			}
		}
	}
	return Step{}, false
}

// condition is "parameter == value" or "parameter != value"; the zero condition
// always holds.
type condition struct {
	parameter, value string
	not              bool
}

func (c condition) holds(values map[string]string) bool {
	return c.parameter == "" || (values[c.parameter] == c.value) != c.not
}

// Error says where a script is wrong, what stands there and what should.
type Error struct {
	Line, Col       int
	Found, Expected string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: found %s, expected %s", e.Line, e.Col, e.Found, e.Expected)
}

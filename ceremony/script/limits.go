package script

// The caps below stop a file that could not be read aloud, shown or stored; they
// are far above every ceremony known to us.
const (
	// maxSource holds maxSteps steps, each as long as it may be, and bounds what
	// the YAML library is given.
	maxSource = 200_000
	// maxName fits a column of the printed script; ids also become sign-off and
	// file names.
	maxName = 40
	// maxTitle is one line of the step list.
	maxTitle = 80
	// maxAsk is one line above a field.
	maxAsk = 120
	// maxSay is about a hundred words: half a minute read aloud. What is longer
	// is another step.
	maxSay = 600
	// maxValue is one line of the report.
	maxValue = 200

	maxPhases     = 20
	maxSteps      = 200 // a day of two-minute steps
	maxParameters = 40
	maxChoices    = 40
	maxMaterials  = 30 // a form that is ticked off in one go
	maxWith       = 20
	maxNeeds      = 20
	// maxPeople is the most that one role can have: a room is counted by eye.
	maxPeople  = 20
	maxMinutes = 480 // a step never outlasts the working day
	maxVersion = 9_999
	// maxExamples bounds the trying out of conditions; a script with more ways than
	// this is tried in the first of them.
	maxExamples = 256
	maxCount    = 1_000
)

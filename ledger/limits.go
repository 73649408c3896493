package ledger

import "math"

const (
	// MaxRecord bounds one record, so that a record always fits the 16-bit
	// length fields of transparency-log tiles and a verifier's buffer.
	MaxRecord = 65535
	// MaxBlob bounds one blob: vendor manuals and scans fit, a disk image does
	// not, and a verifier can hold one in memory.
	MaxBlob = 16 << 20
	// MaxBatch bounds the records of one transaction; a run's opening context
	// and a step's results stay far below it.
	MaxBatch = 1024
	// MaxSafeInteger is the largest integer that every JSON reader keeps exact
	// (RFC 7493 section 2.2).
	MaxSafeInteger = 1<<53 - 1
	// MaxNote bounds a checkpoint: 100 signature lines, the most that signed
	// notes allow, need less.
	MaxNote = 32 << 10
	// MaxProof bounds a proof file: a path has at most 63 hashes, and the
	// checkpoint is a note.
	MaxProof = MaxNote + 8<<10
	// MaxName bounds, in bytes, what people are called on screens and pages.
	MaxName = 200
	// MaxFindings bounds the list that a verification returns: past it a reader
	// learns nothing more.
	MaxFindings = 100
	// maxKind and maxCeremony keep the envelope readable in one column.
	maxKind     = 64
	maxCeremony = 64
	// maxDepth bounds the nesting of a body; ours go to five.
	maxDepth = 16
	// maxMarks bounds the combining marks on one letter: two stand in real
	// names, more hide text.
	maxMarks = 4
)

// End, as the upper bound of Records, means up to the last record.
const End int64 = math.MaxInt64

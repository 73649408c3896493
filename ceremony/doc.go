// Package ceremony holds the rules: what a record says ([KeyGenerated] and its
// fellows), what may come next ([State]), and the engine that plays a ceremony
// by them ([Engine]).
//
// # The ledger is the only truth
//
// State is a pure fold over ledger records. Next admits one record or refuses
// it by the name of a rule. The engine calls it before it writes, the auditor's
// checker on every record years later; a rule that only a screen enforces is
// not a rule.
//
// # Intent, act, result
//
// Every act on the token is a [Intent] record, then the act, then a [Result]
// with what was read back. If the intent cannot be written the token is not
// touched. After an interruption the open intents are reconciled: the token is
// read, and what is found becomes the result.
//
// # Runs
//
// A ceremony is one run or several: from started or resumed to paused, aborted
// or sealed. Each run begins with the [Context] it relies on, so that a report
// needs only record 0 and the runs of its own ceremony.
//
// # Step kinds
//
// What a step does is a [Kind], in package ceremony/steps. Do is straight-line
// code; pause, abort and deviation are answers to any question and come back as
// errors. The people are reached through a [Room]: the window, a rehearsal or a
// test.
package ceremony

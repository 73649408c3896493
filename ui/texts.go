package ui

// Everything that this package says to people, by the file that says it.
const (
	// menu.go
	textQuit               = "Quit"
	textNoteDeviation      = "Note a deviation…"
	textSomebodyComesGoes  = "Somebody comes or goes…"
	textTakeBreak          = "Take a break…"
	textPause              = "Pause…"
	textAbort              = "Abort…"
	textOpenWitnessWindow  = "Open the witness window"
	textShowPublicViewHere = "Show the public view here"
	textScreenRight        = "To the screen at the right"
	textScreenLeft         = "To the screen at the left"
	textScreenBelow        = "To the screen below"
	textScreenAbove        = "To the screen above"
	textFillScreenNot      = "Fill that screen, or not"
	textLargerText         = "Larger text"
	textSmallerText        = "Smaller text"
	textBack               = "Back"
	textTurnPage           = "Turn its page"
	textClaviger           = "Claviger"
	textGo                 = "Go"
	textCeremony           = "Ceremony"
	textView               = "View"
	textWitness            = "Witness"
	textCloseWitnessWindow = "Close the witness window"
	textBackPage           = "Back to the page"

	// orders.go
	textMakingPracticeSiteOpeningPractice = "Making the practice site, and opening it with the practice people"
	textAskingEachPKCS11Module            = "Asking each PKCS#11 module for its tokens"
	textMakingEmptySite                   = "Making the empty site"
	textReadingScriptLookingToken         = "Reading the script, and looking for the token"
	textDrawingPaperScript                = "Drawing the paper script"
	textReadingScript                     = "Reading the script"
	textReadingRecord                     = "Reading the record"
	textReadingScripts                    = "Reading the scripts"
	textChooseOne                         = "Choose one."
	textReceiptTakenMakeEvidenceAgain     = "The receipt is taken in. Make the evidence again: its next edition carries it."

	// record.go
	textThereNothingRecordCalled        = "there is nothing in the record that is called %s"
	textEvidenceCeremony                = "the evidence of ceremony %s"
	textLedger                          = "the ledger"
	textLedgerPlainFiles                = "the ledger as plain files"
	textOrder                           = "this order"
	textScript                          = "the script"
	textReadingLedger                   = "Reading the ledger"
	textSearching                       = "Searching …"
	textVerifyingWholeLedgerEveryRecord = "Verifying the whole ledger: every record, rule, signature and checkpoint"
	textMakingEvidenceCeremonyAgain     = "Making the evidence of ceremony %s again"
	textKeyStateDoesNotFollow           = "the key is in a state that this does not follow"
	textNow                             = "%s is %s now."
	textLookingRemovableMedia           = "Looking for removable media"
	textWritingThenReadingBackFrom      = "Writing, then reading back from the medium"

	// shell.go
	textReadingVerifyingRecord      = "Reading and verifying the record"
	textReadingCheckpoint           = "Reading the checkpoint"
	textCeremonyBegins              = "The ceremony begins"
	textProgramCouldNotGo           = "The program could not go on."
	textEverythingRecordedSoFarDisk = "Everything recorded so far is on the disk."
	textPutRightDetailsNameThen     = "Put right what the details name, then start again from the overview."
	textOneMoment                   = "One moment"
	textRecording                   = "Recording"
	textFilled                      = "%s · filled"

	// witness.go
	textWitnessScreen = "Witness screen"
)

package view

// Everything that this package says to people, by the file that says it.
const (
	// ask.go
	textPrintScript = "Print the script"
	textBack        = "Back"

	// card.go
	textEveryGroupFourLettersThey = "Every group has four letters; they are checked as you type."
	textStartAgain                = "Start again"
	textCardBeginsType18Groups    = "The card begins with %s; type the 18 groups after it, or scan it. Small letters do as well. Nothing is kept on disk."

	// carried.go
	textFile                          = "Its file"
	textExampleMediaUsbCheckpointTxt  = "for example /media/usb/checkpoint.txt"
	textTextPastedScanned             = "Or its text, pasted or scanned"
	textNoteOneLineBase64             = "the note in one line, or its base64"
	textTrustRecord                   = "Trust in this record"
	textTakeCarriedCheckpoint         = "Take in a carried checkpoint"
	textCheckpointCarriedOutRoomTells = "A checkpoint that was carried out of the room tells whether records were taken away or written again since. It is compared with this record, and what comes of it is recorded, signed by whoever brought it."
	textCompare                       = "Compare"

	// change.go
	textCannotUndone     = "Cannot be undone"
	textReason           = "Reason"
	textStandsRecordGood = "it stands in the record for good"
	textSigns            = "Signs as %s"
	textGoSignatures     = "Go on to the signatures"

	// decide.go
	textWhyFewWords   = "Why, in a few words"
	textChooseOneThem = "Choose one of them"

	// detail.go
	textEveryRecordNames = "Every record that names it"
	textRecord           = "Record %d"
	textMore             = "… and %d more."
	textSeeAllLedger     = "See all in the ledger"

	// done.go
	textEvidence                   = "Evidence"
	textCheck                      = "To check it"
	textBackOverview               = "Back to the overview"
	textCeremonyUnderWay           = "A ceremony is under way"
	textPauseBeforeWindowClosedHSM = "Pause it before the window is closed: the HSM is logged out then, secrets are wiped, and the record is signed."
	textPauseCeremony              = "Pause the ceremony"
	textStay                       = "Stay"

	// first.go
	textOpenPracticeSite                 = "Open a practice site"
	textSetUpRealSite                    = "Set up a real site"
	textThereNoSiteHereYet               = "There is no site here yet"
	textSiteRecordOneOrganisationsKeys   = "A site is the record of one organisation's keys: who holds what, what was done, and who saw it. Begin with practice; nothing of it can ever become real."
	textPracticeSite                     = "Practice site"
	textSoftwareTokenPracticePeopleWhose = "A software token and practice people, whose cards and passphrases are filled in for you. Every screen and page says PRACTICE."
	textRealSite                         = "Real site"
	textMadeTakes                        = "It is made in %s. What it takes:"

	// form.go
	textIfAny = " (if any)"

	// frame.go
	textRoom       = "In the room"
	textNeededStep = "Needed for this step"

	// handover.go
	textNoteDeviation = "Note a deviation"

	// ledger.go
	textVerifyNow                    = "Verify now"
	textLedger                       = "Ledger"
	textNothingHereYet               = "Nothing here yet"
	textRecordHead                   = "Record"
	textTimeUTC                      = "Time, UTC"
	textWhat                         = "What"
	textAbout                        = "About"
	textCeremony                     = "Ceremony"
	textNoRecordAllTheseWords        = "No record has all of these words. Empty the field and press Enter to see every record."
	textKindCeremonyPersonWordsEnter = "Kind, ceremony, person or words; Enter searches"
	textRecordsName                  = "Records that name %s"
	textVerificationWholeLedger      = "Verification of the whole ledger"
	textDoesNotHold                  = "What does not hold"
	textChecked                      = "Checked"
	textNotChecked                   = "Not checked"

	// media.go
	textLookAgain         = "Look again"
	textNoMediumHere      = "No medium here"
	textWhere             = "Where to"
	textLabelMedium       = "Label on the medium"
	textNumberNameWritten = "the number or name that is written on it"
	textCopyMedium        = "Copy to this medium"
	textChooseMediumFirst = "Choose a medium first."
	textWhoMakesCopy      = "Who makes the copy"

	// overview.go
	textRecentCeremonies               = "Recent ceremonies"
	textStartCeremony                  = "Start a ceremony"
	textReadOnly                       = "Read-only"
	textSee                            = "See"
	textKey                            = "Key"
	textPurpose                        = "Purpose"
	textOwner                          = "Owner"
	textState                          = "State"
	textLifetime                       = "Lifetime"
	textResume                         = "Resume"
	textThingsMore                     = "%d things more"
	textFinishCeremonyFirstOneCeremony = "Finish ceremony %s first: one ceremony is open at a time."
	textNMore                          = "%d more"

	// parts.go
	textSaidAlready = "Said already: “%s”"

	// phrase.go
	textTypeExactly = "Type exactly %s"
	textStopHere    = "Stop here"

	// preparation.go
	textBeforeCeremony     = "Before the ceremony"
	textAsked              = "What is asked for"
	textOrdered            = "What was ordered"
	textEverythingReady    = "Is everything ready?"
	textLookTokenAgain     = "Look at the token again"
	textWhoTakesPart       = "Who takes part"
	textLiesRoom           = "What lies in the room"
	textHowLongTakes       = "How long it takes"
	textScriptFollowed     = "The script that is followed"
	textStartTheCeremony   = "Start the ceremony"
	textCorrectMarkedFirst = "Correct what is marked first"

	// reveal.go
	textArrowKeysGoFromPart       = "The arrow keys go from part to part, Tab to the button; after a minute without a key it is hidden."
	textHiddenBecauseNoKeyPressed = "Hidden, because no key was pressed for a minute. Any key shows it again."
	textFingerprintMaySaidAloud   = "Its fingerprint, which may be said aloud: %s"

	// secret.go
	textAgain                = "%s again"
	textTwoNotSameTypeSecond = "The two are not the same. Type the second one again."

	// settings.go
	textText100                            = "Text at 100 %"
	textText125                            = "Text at 125 %"
	textText150                            = "Text at 150 %"
	textText175                            = "Text at 175 %"
	textText200                            = "Text at 200 %"
	textPanelsGiveTheirRoomPage            = "The panels give their room to the page."
	textSettings                           = "Settings"
	textAppearance                         = "Appearance"
	textTextSize                           = "Text size"
	textWitnessScreen                      = "Witness screen"
	textSecondWindowProjectorReadAloud     = "A second window for a projector: what is read aloud, public values, who acts next. It never shows an entry. The menu “Witness” moves it to another screen."
	textOpenCloseWitnessWindow             = "Open or close the witness window"
	textModulesTokens                      = "Modules and tokens"
	textWorkstationInstalledReachHSMTokens = "What this workstation has installed to reach an HSM, and which tokens answer."
	textLookModulesTokens                  = "Look for modules and tokens"

	// sheets.go
	textBackStep = "Back to the step"
	textType     = "Type %s"

	// sign.go
	textIDoNotAgree                   = "I do not agree"
	textWhyNotRecordedPrinted         = "Why not? This is recorded and printed"
	textDoesNotSign                   = "Does not sign"
	textPracticeSecretLongerThanEntry = "The practice secret is longer than this entry takes."
	textFilledFromPracticeSite        = "Filled in from the practice site."

	// step.go
	textEnterAloneDoesNothingHere = "Enter alone does nothing here: Tab goes to the button, Enter then presses it."

	// table.go
	textGoOverview               = "Go to the overview"
	textNothingHereAllTheseWords = "Nothing here has all of these words."
	textTypeFind                 = "Type to find"

	// witness.go
	textPRACTICE = "PRACTICE"
)

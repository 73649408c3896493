package ceremony

import "claviger/ledger"

// The bodies of records, version 1 of each kind. A body is canonical JSON of
// exactly the Go type beside its kind: it is decoded strictly and must encode
// to the same bytes again. Absent text is "", times are RFC 3339 in UTC as in
// the record itself, bytes are lower-case hex, hashes are SHA-256.

// Kinds of records. They are append-only: an old ledger verifies for ever.
const (
	SiteOpenedKind         = "site.opened"
	SitePolicyKind         = "site.policy"
	TokenEnrolledKind      = "token.enrolled"
	TokenOpenedKind        = "token.opened"
	TokenClosedKind        = "token.closed"
	TokenInventoryKind     = "token.inventory"
	PINsSetKind            = "token.pins-set"
	TokenFaultKind         = "token.fault"
	LedgerKeyEnrolledKind  = "ledger-key.enrolled"
	PersonEnrolledKind     = "person.enrolled"
	PersonChangedKind      = "person.changed"
	PersonRekeyedKind      = "person.rekeyed"
	PersonRetiredKind      = "person.retired"
	ScriptRegisteredKind   = "script.registered"
	ScriptWithdrawnKind    = "script.withdrawn"
	OrderedKind            = "ceremony.ordered"
	StartedKind            = "ceremony.started"
	ContextKind            = "ceremony.context"
	PausedKind             = "ceremony.paused"
	ResumedKind            = "ceremony.resumed"
	AbortedKind            = "ceremony.aborted"
	SealedKind             = "ceremony.sealed"
	ArrivedKind            = "presence.arrived"
	LeftKind               = "presence.left"
	StatedKind             = "presence.stated"
	SubstitutedKind        = "presence.substituted"
	BreakKind              = "presence.break"
	CeremonyKeyKind        = "ceremony-key.certified"
	StepStartedKind        = "step.started"
	IntentKind             = "step.intent"
	ResultKind             = "step.result"
	SignOffKind            = "signoff.given"
	SignOffWithheldKind    = "signoff.withheld"
	DeviationRaisedKind    = "deviation.raised"
	DeviationDecidedKind   = "deviation.decided"
	KeyGeneratedKind       = "key.generated"
	KeyQuarantinedKind     = "key.quarantined"
	KeyWrappedKind         = "key.wrapped"
	KeyRestoredKind        = "key.restored"
	RestoreWaivedKind      = "restore.waived"
	KeyActivatedKind       = "key.activated"
	KeySuspendedKind       = "key.suspended"
	KeyDeactivatedKind     = "key.deactivated"
	KeyCompromisedKind     = "key.compromised"
	KeyDeletedKind         = "key.deleted"
	KeyDestroyedKind       = "key.destroyed"
	ArtifactStoredKind     = "artifact.stored"
	SetIssuedKind          = "set.issued"
	SetReadBackKind        = "set.read-back"
	SetWithdrawnKind       = "set.withdrawn"
	ItemSealedKind         = "item.sealed"
	ItemOpenedKind         = "item.opened"
	ItemMovedKind          = "item.moved"
	ItemCheckedKind        = "item.checked"
	ItemLostKind           = "item.lost"
	ItemDestroyedKind      = "item.destroyed"
	CheckpointCarriedKind  = "checkpoint.carried"
	CheckpointComparedKind = "checkpoint.compared"
	CheckpointSignedKind   = "checkpoint.signed"
	LoginTriedKind         = "login.tried"
	ClockCheckedKind       = "clock.checked"
	ReceiptTakenInKind     = "receipt.taken-in"
	ReportMadeKind         = "report.made"
	LedgerKeyRetiredKind   = "ledger-key.retired"
	LedgerCopiedKind       = "ledger.copied"
)

// bodies is the one table from kind to body type; unknown kinds are refused,
// never skipped.
var bodies = map[string]func() any{
	SiteOpenedKind:         func() any { return new(SiteOpened) },
	SitePolicyKind:         func() any { return new(SitePolicy) },
	TokenEnrolledKind:      func() any { return new(TokenEnrolled) },
	TokenOpenedKind:        func() any { return new(TokenOpened) },
	TokenClosedKind:        func() any { return new(TokenClosed) },
	TokenInventoryKind:     func() any { return new(TokenInventory) },
	PINsSetKind:            func() any { return new(PINsSet) },
	TokenFaultKind:         func() any { return new(TokenFault) },
	LedgerKeyEnrolledKind:  func() any { return new(LedgerKeyEnrolled) },
	PersonEnrolledKind:     func() any { return new(PersonEnrolled) },
	PersonChangedKind:      func() any { return new(PersonChanged) },
	PersonRekeyedKind:      func() any { return new(PersonRekeyed) },
	PersonRetiredKind:      func() any { return new(PersonRetired) },
	ScriptRegisteredKind:   func() any { return new(ScriptRegistered) },
	ScriptWithdrawnKind:    func() any { return new(ScriptWithdrawn) },
	OrderedKind:            func() any { return new(Ordered) },
	StartedKind:            func() any { return new(Started) },
	ContextKind:            func() any { return new(Context) },
	PausedKind:             func() any { return new(Paused) },
	ResumedKind:            func() any { return new(Resumed) },
	AbortedKind:            func() any { return new(Aborted) },
	SealedKind:             func() any { return new(Sealed) },
	ArrivedKind:            func() any { return new(Arrived) },
	LeftKind:               func() any { return new(Left) },
	StatedKind:             func() any { return new(Stated) },
	SubstitutedKind:        func() any { return new(Substituted) },
	BreakKind:              func() any { return new(Break) },
	SignOffWithheldKind:    func() any { return new(SignOffWithheld) },
	CeremonyKeyKind:        func() any { return new(CeremonyKey) },
	StepStartedKind:        func() any { return new(StepStarted) },
	IntentKind:             func() any { return new(Intent) },
	ResultKind:             func() any { return new(Result) },
	SignOffKind:            func() any { return new(SignOff) },
	DeviationRaisedKind:    func() any { return new(DeviationRaised) },
	DeviationDecidedKind:   func() any { return new(DeviationDecided) },
	KeyGeneratedKind:       func() any { return new(KeyGenerated) },
	KeyQuarantinedKind:     func() any { return new(KeyQuarantined) },
	KeyWrappedKind:         func() any { return new(KeyWrapped) },
	KeyRestoredKind:        func() any { return new(KeyRestored) },
	RestoreWaivedKind:      func() any { return new(RestoreWaived) },
	KeyActivatedKind:       func() any { return new(KeyChanged) },
	KeySuspendedKind:       func() any { return new(KeyChanged) },
	KeyDeactivatedKind:     func() any { return new(KeyChanged) },
	KeyCompromisedKind:     func() any { return new(KeyChanged) },
	KeyDeletedKind:         func() any { return new(KeyDeleted) },
	KeyDestroyedKind:       func() any { return new(KeyDestroyed) },
	ArtifactStoredKind:     func() any { return new(ArtifactStored) },
	SetIssuedKind:          func() any { return new(SetIssued) },
	SetReadBackKind:        func() any { return new(SetReadBack) },
	SetWithdrawnKind:       func() any { return new(SetWithdrawn) },
	ItemSealedKind:         func() any { return new(ItemSealed) },
	ItemOpenedKind:         func() any { return new(ItemOpened) },
	ItemMovedKind:          func() any { return new(ItemMoved) },
	ItemCheckedKind:        func() any { return new(ItemChecked) },
	ItemLostKind:           func() any { return new(ItemLost) },
	ItemDestroyedKind:      func() any { return new(ItemDestroyed) },
	CheckpointCarriedKind:  func() any { return new(CheckpointCarried) },
	CheckpointComparedKind: func() any { return new(CheckpointCompared) },
	CheckpointSignedKind:   func() any { return new(CheckpointSigned) },
	LoginTriedKind:         func() any { return new(LoginTried) },
	ClockCheckedKind:       func() any { return new(ClockChecked) },
	ReceiptTakenInKind:     func() any { return new(ReceiptTakenIn) },
	ReportMadeKind:         func() any { return new(ReportMade) },
	LedgerKeyRetiredKind:   func() any { return new(LedgerKeyRetired) },
	LedgerCopiedKind:       func() any { return new(LedgerCopied) },
}

// SiteOpened is record 0.
type SiteOpened struct {
	Follows      Follows `json:"follows"`
	Format       int     `json:"format"` // 1
	Organisation string  `json:"organisation"`
	Practice     bool    `json:"practice"`
	Random       string  `json:"random"` // 32 bytes: makes the site id unique
}

// Follows names the lost site that this one continues; empty for a first one.
type Follows struct {
	Notes  []string `json:"notes"`
	Origin string   `json:"origin"`
	Reason string   `json:"reason"`
}

// TokenEnrolled is a token as it described itself when it was prepared.
type TokenEnrolled struct {
	Firmware     string      `json:"firmware"`
	Hardware     string      `json:"hardware"`
	HardwareSlot bool        `json:"hardware-slot"` // CKF_HW_SLOT
	Intent       ledger.Hash `json:"intent"`
	Label        string      `json:"label"`
	Manufacturer string      `json:"manufacturer"`
	MaxPIN       int         `json:"max-pin"`
	Model        string      `json:"model"`
	PracticeMark bool        `json:"practice-mark,omitzero"` // it was marked for practice before it was erased
	// ProtectedPath is how people authenticate at the device itself, as stated; absent
	// where its PINs come from cards and are sent to it.
	ProtectedPath string `json:"protected-path,omitzero"`
	Serial        string `json:"serial"`
}

// LoginTried is written before every login: the intent of token.opened or
// token.fault.
type LoginTried struct {
	As       string `json:"as"`       // user or so
	Attempt  int    `json:"attempt"`  // of the step
	Cards    []Held `json:"cards"`    // none for what holds until cards are handed out, and for what the act under way has just set
	Decision int    `json:"decision"` // number of the deviation that decided to try although it could lock, 0 for none
	Flags    string `json:"flags"`    // what the token told before: "", "count low", "final try"
	Serial   string `json:"serial"`
	Step     string `json:"step"`
}

// Held is one card used, by set, index and holder.
type Held struct {
	Index  int    `json:"index"`
	Person string `json:"person"`
	Set    string `json:"set"` // 4 bytes
}

type TokenOpened struct {
	As     string      `json:"as"`
	Login  ledger.Hash `json:"login"` // leaf of login.tried
	Serial string      `json:"serial"`
}

type TokenClosed struct {
	Reason string `json:"reason"`
	Serial string `json:"serial"`
}

// TokenInventory is what the token holds, as found after login. The list is a
// blob, a canonical JSON array of ObjectSeen, because a token may hold more than
// fits one record; Unknown lists what this ledger has no record of.
type TokenInventory struct {
	Count   int          `json:"count"`
	Listed  ledger.Hash  `json:"listed"`
	Serial  string       `json:"serial"`
	Unknown []ObjectSeen `json:"unknown"`
}

type ObjectSeen struct {
	Class string `json:"class"`
	ID    string `json:"id"`
	Label string `json:"label"`
}

// TokenFault is a call that failed or did not come back. After names the
// intent or login.tried that it answers, zeros if none.
type TokenFault struct {
	After  ledger.Hash `json:"after"`
	Class  string      `json:"class"`
	Code   string      `json:"code"` // CKR_ name, "" where the module did not answer
	Serial string      `json:"serial"`
	Why    string      `json:"why"`
}

// LedgerKeyEnrolled names the key that signs checkpoints of this site.
type LedgerKeyEnrolled struct {
	Algorithm  string      `json:"algorithm"`
	Attributes []Attribute `json:"attributes"`
	ID         string      `json:"id"` // CKA_ID
	Intent     ledger.Hash `json:"intent"`
	Label      string      `json:"label"`
	Public     ledger.Hash `json:"public"` // blob: SubjectPublicKeyInfo, DER
	Serial     string      `json:"serial"`
	Verifier   string      `json:"verifier"` // C2SP verifier key
}

// LedgerKeyRetired ends the use of a ledger key, which was deleted from its token:
// what it signed stays signed.
type LedgerKeyRetired struct {
	Intent ledger.Hash `json:"intent"`
	Key    ledger.Hash `json:"key"`  // leaf of ledger-key.enrolled
	Left   int         `json:"left"` // objects with its CKA_ID that the token shows afterwards
	Reason string      `json:"reason"`
	Serial string      `json:"serial"`
}

// Attribute is one attribute as read back from the token.
type Attribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Started begins a ceremony, and its first run.
type Started struct {
	Order      string            `json:"order"`      // leaf of ceremony.ordered; "" on a practice site only
	Parameters map[string]string `json:"parameters"` // every parameter of the script, defaults filled in
	People     []Part            `json:"people"`
	Program    Program           `json:"program"`
	Script     ledger.Hash       `json:"script"`
	Second     string            `json:"second"` // serial number of a second token, "" where the ceremony needs none
	Token      string            `json:"token"`  // serial number; "" while none is prepared
}

// Part is who takes part in which role.
type Part struct {
	Person string `json:"person"`
	Role   string `json:"role"`
}

// Program is what this program says of itself.
type Program struct {
	SHA256  string `json:"sha-256"` // of the executable, self-reported; "" if it could not be read
	Version string `json:"version"`
}

// Paused, Aborted and Sealed end a run. First is the run's first record, Count
// counts its records with this one, Before is the last leaf of the run before.
type Paused struct {
	Before ledger.Hash `json:"before"`
	Count  int64       `json:"count"`
	First  int64       `json:"first"`
	Reason string      `json:"reason"` // "interrupted" where the program ended without saying
	Stay   []string    `json:"stay"`   // with the equipment
	Step   string      `json:"step"`
}

type Aborted struct {
	Before ledger.Hash `json:"before"`
	Count  int64       `json:"count"`
	First  int64       `json:"first"`
	Reason string      `json:"reason"`
	Step   string      `json:"step"`
}

type Sealed struct {
	Before      ledger.Hash `json:"before"`
	Count       int64       `json:"count"`
	Deviations  int         `json:"deviations"`
	First       int64       `json:"first"`
	NotAccepted []string    `json:"not-accepted"` // persons who disagreed or were silent
}

// Resumed begins a further run.
type Resumed struct {
	Order   string      `json:"order"`  // leaf of a further order, where the window of the first is over; else ""
	Paused  ledger.Hash `json:"paused"` // leaf of the ceremony.paused before
	Program Program     `json:"program"`
	Token   string      `json:"token"`
}

// CeremonyKey is a fresh key that lives in memory for one run, certified by the
// person's enrolled key.
type CeremonyKey struct {
	Key       ledger.Hash `json:"key"` // leaf of person.enrolled
	Person    string      `json:"person"`
	Public    string      `json:"public"`
	Signature string      `json:"signature"` // claviger ceremony-key v1
}

type StepStarted struct {
	Attempt int    `json:"attempt"`
	Kind    string `json:"kind"`
	Step    string `json:"step"`
	Version int    `json:"version"` // of the step kind
}

// Act is one thing done to the world outside, exactly as it was authorised.
type Act struct {
	Do   string            `json:"do"`
	With map[string]string `json:"with"`
}

// Intent is written, and durable, before its act.
type Intent struct {
	Act            Act           `json:"act"`
	Attempt        int           `json:"attempt"`
	Authorisations []ledger.Hash `json:"authorisations"` // leaves of signoff.given
	Step           string        `json:"step"`
}

// Outcome of an act.
type Outcome string

const (
	Done     Outcome = "done"      // read back and as authorised
	NotDone  Outcome = "not done"  // looked for and not there
	HalfDone Outcome = "half done" // something else is there
	Finished Outcome = "finished"  // of a step, not of an act
)

// Result ends an act (Intent names it) or a step (Intent is zeros).
type Result struct {
	Attempt    int         `json:"attempt"`
	Facts      []Line      `json:"facts"`
	Intent     ledger.Hash `json:"intent"`
	Outcome    Outcome     `json:"outcome"`
	Reconciled bool        `json:"reconciled"` // found out after an interruption
	Step       string      `json:"step"`
}

// Line is a label and a value as shown and printed.
type Line struct {
	Label string `json:"label"`
	Style string `json:"style"` // "", "mono", "hash"
	Value string `json:"value"`
}

// Verdict of a sign-off.
type Verdict string

const (
	Agree    Verdict = "agree"
	Disagree Verdict = "disagree"
)

// SignOff is a person's signature over exactly what was shown: the signed JSON
// less ceremony, prev and site, plus key and signature.
type SignOff struct {
	Act       string      `json:"act"`
	Attempt   int         `json:"attempt"`
	Key       ledger.Hash `json:"key"` // leaf that made the key known
	Person    string      `json:"person"`
	Reason    string      `json:"reason"`
	Role      string      `json:"role"`
	Shown     ledger.Hash `json:"shown"`
	Signature string      `json:"signature"`
	Step      string      `json:"step"`
	Verdict   Verdict     `json:"verdict"`
}

// Acts of a sign-off.
const (
	ActAuthorise = "authorise"
	ActStep      = "step"
	ActPhase     = "phase"
	ActAttest    = "attest"
	ActEnrol     = "enrol"
)

// KeyGenerated is a key as the token tells it, read back after generation.
type KeyGenerated struct {
	Algorithm   string      `json:"algorithm"`
	Attributes  []Attribute `json:"attributes"`
	Fingerprint string      `json:"fingerprint"` // SHA-256 of the SubjectPublicKeyInfo; "" of a secret key
	From        string      `json:"from"`        // 2026-11-22
	ID          string      `json:"id"`          // CKA_ID: first 20 bytes of the intent's leaf
	Intent      ledger.Hash `json:"intent"`
	KCV         string      `json:"kcv"` // of a secret key
	KCVMethod   string      `json:"kcv-method"`
	Label       string      `json:"label"`
	Owner       string      `json:"owner"`
	Protection  string      `json:"protection"`
	Public      ledger.Hash `json:"public"` // blob: SubjectPublicKeyInfo, DER; zeros of a secret key
	Purpose     string      `json:"purpose"`
	Serial      string      `json:"serial"`
	Until       string      `json:"until"`
}

// KeyQuarantined may only be inspected or destroyed.
type KeyQuarantined struct {
	ID     string      `json:"id"`
	Intent ledger.Hash `json:"intent"`
	Label  string      `json:"label"`
	Reason string      `json:"reason"`
	Serial string      `json:"serial"`
}

// SetIssued is a share set, valid because every card was read back and every
// combination of threshold cards rebuilt the secret; or what a device made, whose
// quorum is as stated and whose every part was presented to it once.
type SetIssued struct {
	Cards      []CardIssued `json:"cards"`
	Commitment string       `json:"commitment"`
	Count      int          `json:"count"`
	Device     string       `json:"device,omitzero"` // of what a device made: quorum cards, or parts of a PIN
	Intent     ledger.Hash  `json:"intent"`
	KCV        string       `json:"kcv"` // of the wrapping key that a recovery set rebuilds
	KCVMethod  string       `json:"kcv-method"`
	Name       string       `json:"name"` // as on the cards: "QYPZ 4XNR"
	PINLength  int          `json:"pin-length"`
	Purpose    string       `json:"purpose"` // activation, recovery, security officer
	Serials    []string     `json:"serials"`
	Set        string       `json:"set"`
	Threshold  int          `json:"threshold"`
}

type CardIssued struct {
	Fingerprint string `json:"fingerprint"`
	Holder      string `json:"holder"`
	Index       int    `json:"index"`
}

type SetReadBack struct {
	Fingerprint string      `json:"fingerprint"`
	Index       int         `json:"index"`
	Intent      ledger.Hash `json:"intent"`
	Person      string      `json:"person"`
	Set         string      `json:"set"`
}

type CheckpointSigned struct {
	Note string `json:"note"`
}

// CheckpointCompared is a head from outside of this file held against it.
type CheckpointCompared struct {
	Detail string      `json:"detail"` // what disagrees; "" where it agrees
	Result string      `json:"result"`
	Root   ledger.Hash `json:"root"`
	Size   int64       `json:"size"`
	Source string      `json:"source"` // "token <serial>"
}

// CheckpointCarried is a checkpoint that somebody kept away from this file and
// brought back. It stands outside of ceremonies and is signed by who brought it.
type CheckpointCarried struct {
	Detail    string      `json:"detail"` // what disagrees; "" where it agrees
	Key       ledger.Hash `json:"key"`    // leaf of person.enrolled
	Note      string      `json:"note"`   // as it was signed
	Person    string      `json:"person"`
	Result    string      `json:"result"`
	Root      ledger.Hash `json:"root"`      // that the note names; zeros where nobody known signed it
	Signature string      `json:"signature"` // claviger custody v1
	Size      int64       `json:"size"`
}

// ClockChecked is the wall clock as the witness read it (kind "wall"), or a jump
// of the workstation's clock that the program noticed by itself (kind "jump").
type ClockChecked struct {
	By     string `json:"by"`
	Kind   string `json:"kind"`
	Offset int    `json:"offset"` // seconds: workstation minus wall, to the minute; or how far it jumped
	Wall   string `json:"wall"`   // HH:MM as typed, UTC; or what the workstation says after the jump
}

type ReportMade struct {
	Document string      `json:"document"`
	Edition  int         `json:"edition"`
	Layout   int         `json:"layout"`
	Pages    int         `json:"pages"`
	SHA256   ledger.Hash `json:"sha-256"`
}

// LedgerCopied is a copy of the whole ledger on a medium, read back from there
// and verified. It stands outside of ceremonies and is signed by nobody.
type LedgerCopied struct {
	Bytes   int64       `json:"bytes"`
	File    string      `json:"file"`
	Medium  string      `json:"medium"` // its label
	Person  string      `json:"person"` // who made it
	Records int64       `json:"records"`
	Root    ledger.Hash `json:"root"` // tree head of those records
	SHA256  ledger.Hash `json:"sha-256"`
}

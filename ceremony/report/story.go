package report

import (
	"time"

	"claviger/ceremony"
	"claviger/ledger"
)

// story is what the pages tell beyond the fold: when, by which record, and what
// went wrong on the way.
type story struct {
	arrived    map[string]time.Time
	signed     map[string][]int64 // person to records
	signatures int                // of people, all kinds
	results    map[ledger.Hash]resultOf
	logins     map[string][]ceremony.LoginTried // by step
	stops      []stop
	faults     []faultOf
	quarantine []quarantinedOf
	gaps       []gapOf
	decided    map[int]moment
	sealed     int64
	enrolledAt map[string]moment
	enrolled   []*ceremony.PersonEnrolled
	changes    []changeOf
	left       map[string]time.Time // for good: who came back is not in it
	inventory  *ceremony.TokenInventory
	// Of what a ceremony found and ended: every list of objects, the keys as the
	// first run found them, deletions and destroyed items.
	inventories []inventoryOf
	known       []ceremony.KnownKey
	deleted     []deletedOf
	ended       []endedOf
	sealedItems []sealedOf
	movements   []movementOf
	jumps       []jumpOf
	heads       []headOf
	rooms       []roomOf
}

type moment struct {
	seq int64
	at  time.Time
}

type resultOf struct {
	moment
	ceremony.Result
}

// stop is a run that ended before the seal, and the run that went on.
type stop struct {
	moment
	kind, reason, step string
	resumed            moment
}

type faultOf struct {
	moment
	ceremony.TokenFault
}

type quarantinedOf struct {
	moment
	ceremony.KeyQuarantined
}

// jumpOf is a jump of the workstation's clock.
type jumpOf struct {
	moment
	ceremony.ClockChecked
}

type inventoryOf struct {
	moment
	ceremony.TokenInventory
}

type deletedOf struct {
	moment
	ceremony.KeyDeleted
}

type endedOf struct {
	moment
	ceremony.ItemDestroyed
}

type sealedOf struct {
	moment
	ceremony.ItemSealed
}

// none stands in a table where a value has no place: a card without its bag has
// no seal. It is not a value that nobody recorded.
const none = "–"

// movementOf is one row of an item's life: what happened, by whose hands.
type movementOf struct {
	moment
	item, what, bag, seal, person, witness string
}

// changeOf is a record about a person who was enrolled before: other roles, a new
// key, the end.
type changeOf struct {
	moment
	person string
	body   any
}

// roomOf is a record of who left, took a part over, or stayed in a break.
type roomOf struct {
	moment
	body any
}

// headOf is a head from outside that was held against the ledger.
type headOf struct {
	moment
	ceremony.CheckpointCompared
}

// gapOf is a time longer than ten minutes without a record, inside a run.
type gapOf struct {
	moment // the record before
	long   time.Duration
}

const longGap = 10 * time.Minute

func tell(records []ledger.Record) (*story, error) {
	t := &story{arrived: map[string]time.Time{}, signed: map[string][]int64{}, results: map[ledger.Hash]resultOf{},
		logins: map[string][]ceremony.LoginTried{}, decided: map[int]moment{}, enrolledAt: map[string]moment{}, left: map[string]time.Time{}}
	for i, r := range records {
		body, err := ceremony.Body(r)
		if err != nil {
			return nil, err
		}
		now := moment{r.Seq, r.Time}
		if i > 0 && r.Seq == records[i-1].Seq+1 && r.Kind != ceremony.StartedKind && r.Kind != ceremony.ResumedKind {
			if d := r.Time.Sub(records[i-1].Time); d > longGap {
				t.gaps = append(t.gaps, gapOf{moment{records[i-1].Seq, records[i-1].Time}, d})
			}
		}
		switch b := body.(type) {
		case *ceremony.Resumed:
			t.stops[len(t.stops)-1].resumed = now
		case *ceremony.Paused:
			t.stops = append(t.stops, stop{moment: now, kind: "paused", reason: b.Reason, step: b.Step})
		case *ceremony.Aborted:
			t.stops = append(t.stops, stop{moment: now, kind: "aborted", reason: b.Reason, step: b.Step})
		case *ceremony.Sealed:
			t.sealed = r.Seq
		case *ceremony.Arrived:
			if _, before := t.arrived[b.Person]; !before {
				t.arrived[b.Person] = r.Time
			}
			delete(t.left, b.Person)
		case *ceremony.Left:
			t.left[b.Person] = r.Time
			t.rooms = append(t.rooms, roomOf{now, b})
		case *ceremony.Substituted, *ceremony.Break:
			t.rooms = append(t.rooms, roomOf{now, b})
		case *ceremony.PersonEnrolled:
			t.signs(b.Person, r.Seq)
			t.enrolled, t.enrolledAt[b.Person] = append(t.enrolled, b), now
		case *ceremony.PersonChanged:
			t.signs(b.Person, r.Seq)
			t.changes = append(t.changes, changeOf{now, b.Person, b})
		case *ceremony.PersonRekeyed:
			t.signs(b.Person, r.Seq)
			t.changes = append(t.changes, changeOf{now, b.Person, b})
		case *ceremony.PersonRetired:
			t.changes = append(t.changes, changeOf{now, b.Person, b})
		case *ceremony.CeremonyKey:
			t.signs(b.Person, r.Seq)
		case *ceremony.SignOff:
			t.signs(b.Person, r.Seq)
		case *ceremony.Result:
			if !b.Intent.IsZero() {
				t.results[b.Intent] = resultOf{now, *b}
			}
		case *ceremony.LoginTried:
			t.logins[b.Step] = append(t.logins[b.Step], *b)
		case *ceremony.TokenFault:
			t.faults = append(t.faults, faultOf{now, *b})
		case *ceremony.KeyQuarantined:
			t.quarantine = append(t.quarantine, quarantinedOf{now, *b})
		case *ceremony.TokenInventory:
			t.inventory = b
			t.inventories = append(t.inventories, inventoryOf{now, *b})
		case *ceremony.Context:
			if t.known == nil {
				t.known = append([]ceremony.KnownKey{}, b.Keys...)
			}
		case *ceremony.KeyDeleted:
			t.deleted = append(t.deleted, deletedOf{now, *b})
		case *ceremony.ItemDestroyed:
			t.ended = append(t.ended, endedOf{now, *b})
			t.moves(now, b.Item, "destroyed: "+b.Result+", "+b.Category, none, none, b.Person, b.Witness)
		case *ceremony.ItemSealed:
			t.sealedItems = append(t.sealedItems, sealedOf{now, *b})
			t.moves(now, b.Item, "sealed in a bag", b.Bag, "new", b.Person, b.Witness)
		case *ceremony.ItemOpened:
			t.moves(now, b.Item, "taken out: "+b.Purpose, b.Bag, b.Seal, b.Person, b.Witness)
		case *ceremony.ItemMoved:
			t.moves(now, b.Item, "moved to "+b.Place, b.Bag, "", b.To, b.Witness)
		case *ceremony.ItemChecked:
			found := "checked by " + b.Method + ": " + b.Result
			if b.Read != "" && b.Read != b.Bag {
				found += ", bag " + b.Read + " was read"
			}
			t.moves(now, b.Item, found, b.Bag, none, b.Person, b.Witness)
		case *ceremony.ItemLost:
			t.moves(now, b.Item, "lost: "+b.How, none, none, b.Person, b.Witness)
		case *ceremony.ClockChecked:
			if b.Kind == ceremony.ClockJump {
				t.jumps = append(t.jumps, jumpOf{now, *b})
			}
		case *ceremony.CheckpointCompared:
			t.heads = append(t.heads, headOf{now, *b})
		case *ceremony.DeviationDecided:
			t.decided[b.Number] = now
			for _, sg := range b.Signatures {
				t.signs(sg.Person, r.Seq)
			}
		case *ceremony.RestoreWaived:
			for _, sg := range b.Signatures {
				t.signs(sg.Person, r.Seq)
			}
		}
	}
	return t, nil
}

func (t *story) signs(person string, seq int64) {
	t.signatures++
	t.signed[person] = append(t.signed[person], seq)
}

func (t *story) moves(at moment, item, what, bag, seal, person, witness string) {
	t.movements = append(t.movements, movementOf{at, item, what, bag, seal, person, witness})
}

package flow

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claviger/ceremony"
	"claviger/ceremony/share"
	"claviger/hsm/secret"
)

var noon = time.Date(2026, 11, 22, 11, 42, 31, 0, time.UTC)

func TestFrameOfASiteAtRest(t *testing.T) {
	for name, c := range map[string]struct {
		snapshot ceremony.Snapshot
		want     Frame
	}{
		"practice on hardware": {
			ceremony.Snapshot{Site: ceremony.SiteView{Practice: true}, Ledger: ceremony.LedgerView{Verified: true}, HSM: ceremony.HSMView{State: "closed"}},
			Frame{Band: practiceBand, Pills: []Pill{{"HSM closed", LampOff}}, Status: Status{"none yet", "", "verified", Good}},
		},
		"practice, verified": {
			ceremony.Snapshot{Site: ceremony.SiteView{Organisation: "Northwind", Practice: true}, Ledger: ceremony.LedgerView{Records: 2319, Last: "5ac19e702d4b90fe", Verified: true}, HSM: ceremony.HSMView{State: "open", Label: "NW-HSM-01", Serial: "7700", Software: true}},
			Frame{Band: softwareBand, Place: "Northwind", Pills: []Pill{{"HSM open · NW-HSM-01 · SN 7700", LampOn}}, Status: Status{"#2 318", "head 5ac1 9e70 2d4b …", "verified", Good}},
		},
		"real, not verified": {
			ceremony.Snapshot{Site: ceremony.SiteView{Organisation: "Northwind"}, Ledger: ceremony.LedgerView{Records: 1, Last: "5ac19e702d4b90fe"}, HSM: ceremony.HSMView{State: "absent"}},
			Frame{Place: "Northwind", Pills: []Pill{{"HSM absent", LampOff}}, Status: Status{"#0", "head 5ac1 9e70 2d4b …", "not verified yet", Waiting}},
		},
		"a record that does not hold": {
			ceremony.Snapshot{Ledger: ceremony.LedgerView{Records: 3, Verified: true, Findings: []string{"record 2: prev differs"}}},
			Frame{Pills: []Pill{{"HSM not looked at", LampOff}}, Status: Status{"#2", "", "does not hold", Bad}},
		},
		"nothing yet": {
			ceremony.Snapshot{Ledger: ceremony.LedgerView{Verified: true}},
			Frame{Pills: []Pill{{"HSM not looked at", LampOff}}, Status: Status{"none yet", "", "verified", Good}},
		},
	} {
		if diff := cmp.Diff(c.want, NewFrame(c.snapshot)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func ceremonyView() *ceremony.CeremonyView {
	return &ceremony.CeremonyView{
		Number: "2026-014", Title: "Key generation", Script: "3f9a1c07", Started: noon.Add(-72 * time.Minute), Planned: 90 * time.Minute, Steps: 15, Attempt: 1,
		Phases: []ceremony.PhaseView{{Number: 1, Title: "Open the room", Steps: []ceremony.StepView{
			{Number: 1, Title: "Room", Status: "done", Marks: "AO MB", Ended: noon.Add(-time.Hour)}, {Number: 2, Title: "Workstation", Status: "deviated"},
			{Number: 3, Title: "Roll call", Status: "now", CannotUndo: true}, {Number: 4, Title: "Token", Status: "failed"}, {Number: 5, Title: "Seal", Status: "todo"}}}},
		Step:  &ceremony.StepView{Number: 3, ID: "roll-call", Title: "Roll call", Phase: "Open the room"},
		Aloud: "We call the roll.", Facts: []ceremony.Fact{{Label: "Label", Value: "root", Style: "strong"}}, Result: "Read back",
		People: []ceremony.PersonView{
			{Someone: ceremony.Someone{Name: "Marta Brandt", Initials: "MB"}, Role: "administrator", Status: "signed 11:42:08", State: "signed"},
			{Someone: ceremony.Someone{Name: "Amara Okafor", Initials: "AO"}, Role: "witness", Status: "to act now", State: "acting"},
			{Someone: ceremony.Someone{Name: "Li Chen", Initials: "LC"}, Role: "custodian", State: "idle"},
			{Someone: ceremony.Someone{Name: "Farah Noor", Initials: "FN"}, Role: "custodian", Status: "not here yet", State: "absent"}},
		Needs: []ceremony.Need{{Text: "2 of 2 officers authorised", Met: true}}, Waiting: "Waiting for the witness: Amara Okafor", Deviations: 1,
	}
}

func TestFrameOfACeremony(t *testing.T) {
	got := NewFrame(ceremony.Snapshot{Ceremony: ceremonyView(), Working: "The token is making the key", Since: noon})
	want := Frame{
		Pills:  []Pill{{"HSM not looked at", LampOff}, {"Ceremony 2026-014", NoLamp}, {"1 deviation", NoLamp}},
		Status: Status{Record: "none yet", State: "not verified yet", Tone: Waiting},
		Rail: &Rail{Head: "Key generation · script 3F9A 1C07", Phases: []RailPhase{{"Open the room", []RailStep{
			{Number: 1, Title: "Room", Marks: "AO MB", At: "10:42", State: Done}, {Number: 2, Title: "Workstation", State: Deviated}, {Number: 3, Title: "Roll call", State: Now, Grave: true}, {Number: 4, Title: "Token", State: Failed}, {Number: 5, Title: "Seal", State: Todo}}}}},
		People: []Person{
			{"MB", "Marta Brandt", "Administrator · signed 11:42:08", Good, false}, {"AO", "Amara Okafor", "Witness · to act now", Waiting, false},
			{"LC", "Li Chen", "Custodian", Neutral, false}, {"FN", "Farah Noor", "Custodian · not here yet", Neutral, true}},
		Needs:   []Need{{"2 of 2 officers authorised", true}},
		Working: "The token is making the key", Since: noon,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := Elapsed(ceremony.Snapshot{Ceremony: ceremonyView()}, noon); got != "Elapsed 01:12:00 of 01:30:00" {
		t.Errorf("elapsed: %q", got)
	}
}

func TestHeaderSaysWhetherThereIsANetwork(t *testing.T) {
	for name, c := range map[string]struct {
		up   []string
		err  error
		want []Pill
	}{
		"none":      {nil, nil, []Pill{{"Offline", NoLamp}}},
		"a link":    {[]string{"eth0", "wlan0"}, nil, []Pill{{"Network up: eth0, wlan0", LampWarns}}},
		"not known": {nil, errors.New("refused"), []Pill{{"Network not known", LampWarns}}},
	} {
		if diff := cmp.Diff(c.want, Frame{}.With(NewNetwork(c.up, c.err)).Pills); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := (Frame{}).With(Network{}).Pills; got != nil {
		t.Errorf("before anybody looked the header says %v", got)
	}
}

func TestTimesInWords(t *testing.T) {
	for _, c := range [][2]string{
		{Elapsed(ceremony.Snapshot{}, noon), ""},
		{Clock(noon), "Sun 22 Nov 2026 11:42:31 UTC"},
		{Clock(noon.In(time.FixedZone("", 3600))), "Sun 22 Nov 2026 11:42:31 UTC"},
		{During(3 * time.Second), "0:03"},
		{During(125 * time.Second), "2:05"},
		{During(-time.Second), "0:00"}, // the clock was set back
		{thousands(7), "7"}, {thousands(2318), "2 318"}, {thousands(1234567), "1 234 567"},
		{Elapsed(ceremony.Snapshot{Ceremony: &ceremony.CeremonyView{Started: noon, Planned: time.Hour, Step: &ceremony.StepView{Started: noon, Planned: 4 * time.Minute}}}, noon.Add(90*time.Second)), "Step 1:30 of 4:00 · Elapsed 00:01:30 of 01:00:00"},
		{Elapsed(ceremony.Snapshot{Ceremony: &ceremony.CeremonyView{Started: noon, Step: &ceremony.StepView{Started: noon, Ended: noon.Add(time.Second)}}}, noon.Add(90*time.Second)), "Elapsed 00:01:30"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}

func TestTitles(t *testing.T) {
	for _, c := range [][2]string{
		{Title(true, "generate", "sign-off", "Marta Brandt", 12), "Claviger · PRACTICE · generate · sign-off · Marta Brandt · 12"},
		{Title(false, "room", "confirm", "", 1), "Claviger · room · confirm · 1"},
		{Title(true, "overview", "", "", 0), "Claviger · PRACTICE · overview"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}

// The page of each kind of prompt: what is there, and what is not.
func TestPages(t *testing.T) {
	marta := ceremony.Someone{ID: "mb", Name: "Marta Brandt", Initials: "MB"}
	practice := ceremony.Snapshot{Site: ceremony.SiteView{Practice: true}, Ceremony: ceremonyView()}
	real := practice
	real.Site.Practice = false
	words := secret.From([]byte("six words"))
	defer words.Wipe()
	public := func(pg Page) Page { // what every public page of this step shows
		pg.Kicker, pg.Aloud, pg.Waiting = "Step 3 of 15 · Open the room", "We call the roll.", "Waiting for the witness: Amara Okafor"
		return pg
	}
	private := func(pg Page) Page {
		pg.Private, pg.Kicker, pg.Waiting = true, "Step 3 of 15 · Roll call", "Waiting for the witness: Amara Okafor"
		return pg
	}
	found := func(pg Page) Page {
		pg = public(pg)
		pg.CardTitle, pg.Chip, pg.Facts = "Found so far", "Read back", []Fact{{Label: "Label", Value: "root", Strong: true}}
		return pg
	}
	for name, c := range map[string]struct {
		prompt   ceremony.Prompt
		snapshot ceremony.Snapshot
		want     Page
	}{
		"confirm": {ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Go"}, practice, found(Page{Kind: PageConfirm, Title: "Go", Go: "Go on"})},
		"irreversible": {ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "Seal the record", Irreversible: true}, practice, func() Page {
			pg := found(Page{Kind: PageConfirm, Grave: true, Title: "Seal the record", Go: "Seal the record"})
			pg.Kicker = "Step 3 of 15 · cannot be undone"
			return pg
		}()},
		"form": {ceremony.Prompt{Kind: ceremony.AskForm, Fields: []ceremony.Field{{Name: "wall", Label: "Wall clock", Type: "time", Max: 5}}}, practice,
			found(Page{Kind: PageForm, Go: "Go on", Fields: []Field{{Name: "wall", Label: "Wall clock", Max: 5, Time: true}}})},
		"decide": {ceremony.Prompt{Kind: ceremony.AskDecide, Problem: &ceremony.Problem{Happened: "h", Safe: "s", Do: "d", Code: "c"}, Options: []ceremony.Option{{ID: "abort", Label: "Abort", Help: "ends", Danger: true}}}, practice,
			found(Page{Kind: PageDecide, Go: "Do as chosen", Trouble: &Trouble{"h", "s", "d", "c"}, Options: []Option{{"abort", "Abort", "ends", true}}})},
		"sign with a PIN": {ceremony.Prompt{Kind: ceremony.AskSignOff, Act: "phase", Who: marta, With: ceremony.SessionPIN, Aloud: "Read the list.", Facts: []ceremony.Fact{{Label: "Key", Value: "7d1e 40b2", Style: "hash"}, {Label: "Id", Value: "9c41", Style: "mono"}}}, practice, func() Page {
			pg := public(Page{Kind: PageSign, CardTitle: "What is signed", Go: "Sign off this phase", CanDisagree: true, CanWithhold: true, Practice: "Use the practice PIN",
				Hashes: []Hash{{"Key", "7d1e40b2", []string{"klaxon", "Burlington", "crackdown", "pioneer"}}}, Facts: []Fact{{Label: "Id", Value: "9c41", Mono: true}},
				Secret: SecretAsk{"Session PIN of Marta Brandt", pinBytes, leastPIN}})
			pg.Aloud = "Read the list."
			return pg
		}()},
		"sign on a real site": {ceremony.Prompt{Kind: ceremony.AskSignOff, Act: "authorise", Who: marta, With: ceremony.Passphrase, Facts: []ceremony.Fact{{Label: "Act", Value: "generate"}}}, real,
			public(Page{Kind: PageSign, CardTitle: "What is signed", Go: "Authorise", CanDisagree: true, Facts: []Fact{{Label: "Act", Value: "generate"}}, Secret: SecretAsk{"Passphrase of Marta Brandt", passphraseBytes, 1}})},
		"typed phrase": {ceremony.Prompt{Kind: ceremony.AskPhrase, Title: "Delete root", Who: marta, Phrase: "DESTROY root", Facts: []ceremony.Fact{{Label: "Every copy is known", Value: "1 in the HSM", Style: "met"}, {Label: "Authorised", Style: "unmet"}}}, practice, func() Page {
			pg := public(Page{Kind: PagePhrase, Grave: true, Title: "Delete root", Go: "Delete root", Phrase: "DESTROY root", Typing: "Marta Brandt: type DESTROY root",
				Checks: []Check{{"Every copy is known", "1 in the HSM", true}, {"Authorised", "", false}}})
			pg.Kicker = "Step 3 of 15 · cannot be undone"
			return pg
		}()},
		"passphrase": {ceremony.Prompt{Kind: ceremony.AskPassphrase, Who: marta}, practice,
			private(Page{Kind: PageSecret, Go: "Open my key", Secret: SecretAsk{"Passphrase, six words", passphraseBytes, 1}, Practice: "Use the practice passphrase"})},
		"at the device": {ceremony.Prompt{Kind: ceremony.AskPad, Title: "At the device: log in as its user", Who: marta, Role: "custodian", Verb: "We are at the device", Aloud: "Marta Brandt: present your quorum card. No PIN is entered on this workstation.",
			Facts: []ceremony.Fact{{Label: "Serial number", Value: "77004312", Style: "mono"}}}, practice, func() Page {
			pg := public(Page{Kind: PageConfirm, Title: "At the device: log in as its user", Go: "We are at the device", Facts: []Fact{{Label: "Serial number", Value: "77004312", Mono: true}}})
			pg.Aloud = "Marta Brandt: present your quorum card. No PIN is entered on this workstation."
			return pg
		}()},
		"transport PIN": {ceremony.Prompt{Kind: ceremony.AskTransportPIN, Who: marta}, practice,
			private(Page{Kind: PageSecret, Go: "Use this PIN", Secret: SecretAsk{"Your half of the transport PIN", pinBytes, leastPIN}, Practice: "Use the practice PIN"})},
		"new transport PIN": {ceremony.Prompt{Kind: ceremony.AskNewTransportPIN, Who: marta}, real,
			private(Page{Kind: PageNewPIN, Go: "Take this PIN", Secret: SecretAsk{"Your half of the transport PIN", pinBytes, leastPIN}})},
		"new PIN": {ceremony.Prompt{Kind: ceremony.AskNewPIN, Who: marta}, real,
			private(Page{Kind: PageNewPIN, Go: "Take this PIN", Secret: SecretAsk{"Session PIN", pinBytes, leastPIN}})},
		"passphrase shown": {ceremony.Prompt{Kind: ceremony.ShowPassphrase, Who: marta, Reveal: words}, practice,
			private(Page{Kind: PageShowWords, Go: "I have written it down", Reveal: words})},
	} {
		got := NewPage(c.prompt, c.snapshot)
		got.prompt = ceremony.Prompt{}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(Page{}, CardAsk{}), cmp.Comparer(func(a, b *secret.Buffer) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A private page shows nothing of the step but its name: what the witness
// screen would show is not read over a shoulder.
func TestPrivatePagesShowNoFactsAndSayNothingAloud(t *testing.T) {
	for _, kind := range []ceremony.PromptKind{ceremony.AskPassphrase, ceremony.AskNewPIN, ceremony.AskCard, ceremony.AskTransportPIN, ceremony.AskNewTransportPIN, ceremony.ShowPassphrase, ceremony.ShowCard} {
		pg := NewPage(ceremony.Prompt{Kind: kind}, ceremony.Snapshot{Ceremony: ceremonyView()})
		if !pg.Private || pg.Aloud != "" || len(pg.Facts) > 0 {
			t.Errorf("%s: private %v, aloud %q, %d facts", kind, pg.Private, pg.Aloud, len(pg.Facts))
		}
	}
}

func TestFormsSayWhatIsWrongAtTheField(t *testing.T) {
	pg := Page{Fields: []Field{{Name: "place", Max: 5}, {Name: "wall", Time: true, Max: 5}}}
	for name, c := range map[string]struct {
		values map[string]string
		want   Wrong
	}{
		"right":    {map[string]string{"place": " Room ", "wall": "09:01"}, nil},
		"empty":    {map[string]string{"place": "  ", "wall": "09:01"}, Wrong{"place": "Nothing is typed here yet."}},
		"too long": {map[string]string{"place": "Vault 2", "wall": "09:01"}, Wrong{"place": "At most 5 characters."}},
		"no time":  {map[string]string{"place": "Room", "wall": "25:00"}, Wrong{"wall": `"25:00" is not a time: type hours and minutes, like 11:42.`}},
		"short":    {map[string]string{"place": "Room", "wall": "9:01"}, Wrong{"wall": `"9:01" is not a time: type hours and minutes, like 11:42.`}},
	} {
		answer, wrong := pg.Filled(c.values)
		if diff := cmp.Diff(c.want, wrong); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if wrong == nil && answer.Fields["place"] != "Room" {
			t.Errorf("%s: %v", name, answer.Fields)
		}
	}
}

func TestOptionalFieldsMayStayEmpty(t *testing.T) {
	pg := Page{Fields: []Field{{Name: "gate", Of: []Choice{{ID: "yes"}, {ID: "no"}}}, {Name: "ref", Optional: true}}}
	if _, wrong := pg.Filled(map[string]string{"gate": "yes"}); wrong != nil {
		t.Errorf("refused: %v", wrong)
	}
	if _, wrong := pg.Filled(map[string]string{"ref": "letter 12"}); wrong["gate"] != "Choose one." {
		t.Errorf("a gate without its answer: %v", wrong)
	}
}

func TestOnlyTheExactPhraseIsTaken(t *testing.T) {
	pg := Page{Phrase: "DESTROY root"}
	for typed, want := range map[string]bool{"DESTROY root": true, "destroy root": false, "DESTROY Root": false, " DESTROY root": false, "DESTROY": false, "": false} {
		if _, got := pg.Phrased(typed); got != want {
			t.Errorf("%q: taken %v", typed, got)
		}
	}
	if _, taken := (Page{}).Phrased(""); taken {
		t.Error("nothing was taken for a phrase")
	}
}

// The engine names the questions of a sheet; the sheet cleans the answers and says
// what is missing.
func TestSheetsAskWhatTheEngineNames(t *testing.T) {
	s := ceremony.Snapshot{Ceremony: ceremonyView(), Site: ceremony.SiteView{People: []ceremony.PersonView{{Someone: ceremony.Someone{ID: "tn", Name: "Tomas Novak"}, Role: "approver, owner"}}},
		Sheets: map[ceremony.Action][]ceremony.Field{
			ceremony.Deviate: {{Name: "expected", Max: 20}, {Name: "exposed", Of: []string{"no", "unknown"}}, {Name: "decided-by", Of: []string{"tn"}}, {Name: "objections", Optional: true}},
			ceremony.Pause:   {{Name: "stay", Optional: true}},
			ceremony.Abort:   nil,
		}}
	sheet, offered := NewSheet(s, ceremony.Deviate)
	if !offered || sheet.Fields[2].Of[0] != (Choice{"tn", "Tomas Novak", "Approver, owner"}) || sheet.Fields[1].Of[1].Help != "It cannot be ruled out." {
		t.Errorf("offered %v with %+v", offered, sheet.Fields)
	}
	_, wrong := sheet.Answer(map[string]string{"expected": "much more than twenty characters"}, "")
	if diff := cmp.Diff(Wrong{"expected": "At most 20 characters.", "exposed": "Choose one.", "decided-by": "Choose one."}, wrong); diff != "" {
		t.Errorf("a wrong sheet (-want +got):\n%s", diff)
	}
	got, wrong := sheet.Answer(map[string]string{"expected": " a sealed bag ", "exposed": "no", "decided-by": "tn"}, "")
	want := ceremony.Answer{Action: ceremony.Deviate, Fields: map[string]string{"expected": "a sealed bag", "exposed": "no", "decided-by": "tn", "objections": ""}}
	if wrong != nil || got.Action != want.Action || !maps.Equal(got.Fields, want.Fields) {
		t.Errorf("answered %+v (%v)", got, wrong)
	}
	pause, _ := NewSheet(s, ceremony.Pause)
	if _, wrong := pause.Answer(map[string]string{}, " "); wrong[""] == "" {
		t.Error("paused without a reason")
	}
	if got, wrong := pause.Answer(map[string]string{}, " Fire alarm "); wrong != nil || got.Action != ceremony.Pause || got.Reason != "Fire alarm" {
		t.Errorf("answered %+v (%v)", got, wrong)
	}
	if abort, _ := NewSheet(s, ceremony.Abort); abort.Phrase != "ABORT 2026-014" {
		t.Errorf("abort asks for %q", abort.Phrase)
	}
	s.Sheets[ceremony.Presence] = []ceremony.Field{{Name: "event", Of: []string{ceremony.PersonLeft, ceremony.ObserverArrived}}, {Name: "person", Of: []string{"tn", "observer-1"}, When: "event", Is: []string{ceremony.PersonLeft}},
		{Name: "name", When: "event", Is: []string{ceremony.ObserverArrived}}}
	s.Ceremony.People = append(s.Ceremony.People, ceremony.PersonView{Someone: ceremony.Someone{ID: "observer-1", Name: "Samuel Hale"}, Role: "observer"})
	presence, _ := NewSheet(s, ceremony.Presence)
	if presence.Fields[1].Of[1] != (Choice{"observer-1", "Samuel Hale", "Observer"}) {
		t.Errorf("people are chosen by %+v", presence.Fields[1].Of)
	}
	if _, wrong := presence.Answer(map[string]string{"event": ceremony.PersonLeft, "name": "nobody asked"}, ""); wrong["person"] == "" || wrong["name"] != "" {
		t.Errorf("who left was not asked for: %v", wrong)
	}
	if got, wrong := presence.Answer(map[string]string{"event": ceremony.ObserverArrived, "person": "tn", "name": "Samuel Hale"}, ""); wrong != nil || got.Fields["person"] != "" {
		t.Errorf("a guest came: %v, %v", got.Fields, wrong)
	}
	if _, offered := NewSheet(s, ceremony.TakeBreak); offered {
		t.Error("a break is offered that the engine does not know")
	}
}

func TestOneCheckpointAtATime(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string
		want       Wrong
	}{
		"a file":  {" /media/usb/checkpoint.txt ", "", nil},
		"a text":  {"", "x", nil},
		"nothing": {" ", "", Wrong{"path": "Type where the file lies, or paste or scan the checkpoint below."}},
		"both":    {"/media/usb/checkpoint.txt", "x", Wrong{"text": "Bring one checkpoint at a time: the file or the text."}},
	} {
		if diff := cmp.Diff(c.want, NewCarried(c.path, c.text).Wrong()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLastPage(t *testing.T) {
	sealed := NewDone(Finished{Number: "2026-014", Status: "sealed", Report: "/e/report.pdf", Key: "/e/site.vkey"})
	if sealed.Title != "Ceremony 2026-014 is sealed" || sealed.Verify != "claviger-verify --site /e/site.vkey /e/report.pdf" {
		t.Errorf("sealed: %+v", sealed)
	}
	for status, want := range map[string]Tone{"paused": Waiting, "aborted": Bad, "sealed": Good} {
		if got := NewDone(Finished{Status: status}); got.Tone != want || got.Verify != "" {
			t.Errorf("%s: %+v", status, got)
		}
	}
	if got := NewDone(Finished{Number: "2026-014", Trouble: &Trouble{Happened: "The disk is full."}}); got.Tone != Bad || got.Title != "Ceremony 2026-014 has stopped" {
		t.Errorf("stopped: %+v", got)
	}
}

// A card as it is typed: what is said after so many letters.
func TestCardIsCheckedAsItIsTyped(t *testing.T) {
	S, err := secret.Random(32)
	if err != nil {
		t.Fatal(err)
	}
	defer S.Wipe()
	set, cards, err := share.Split(S, 2, 3, true)
	if err != nil {
		t.Fatal(err)
	}
	defer share.Wipe(cards...)
	text := secret.New(200)
	defer text.Wipe()
	if err := cards[1].Text(text); err != nil {
		t.Fatal(err)
	}
	card := strings.ReplaceAll(string(text.Bytes()), " ", "")
	other := strings.Map(func(r rune) rune { // another letter of the alphabet
		if r == 'Q' {
			return 'P'
		}
		return 'Q'
	}, card[40:41])
	prompt := ceremony.CardPrompt{Set: set.Name(), Index: 2, K: 2, N: 3, Prefix: "KP1", Opens: "the token"}
	changed := func(change func(*ceremony.CardPrompt)) ceremony.CardPrompt {
		p := prompt
		change(&p)
		return p
	}
	for name, c := range map[string]struct {
		prompt ceremony.CardPrompt
		typed  string
		want   CardState
	}{
		"nothing":       {prompt, card[:3], CardState{}},
		"no header yet": {prompt, card[:12], CardState{}},
		"header":        {prompt, card[:17], CardState{Say: "Card 2 of 3 of set " + set.Name() + ", any 2 of them together.", Tone: Info}},
		"half":          {prompt, card[:40], CardState{Say: "Card 2 of 3 of set " + set.Name() + ", any 2 of them together.", Tone: Info}},
		"whole":         {prompt, card, CardState{OK: true, Say: "All 18 groups fit.", Tone: Good}},
		"entered":       {changed(func(p *ceremony.CardPrompt) { p.Entered = []int{2} }), card[:40], CardState{Say: "Card 2 is entered already.", Tone: Bad}},
		"another card":  {changed(func(p *ceremony.CardPrompt) { p.Index = 3 }), card[:40], CardState{Say: "This is card 2; card 3 is asked for.", Tone: Bad}},
		"a withdrawn set": {changed(func(p *ceremony.CardPrompt) {
			p.Set = "QQQQ QQQQ"
			p.Old = map[string]*ceremony.Problem{ceremony.CardItemName(2, set.Name()): {Happened: "This was withdrawn.", Safe: "Nothing was combined.", Do: "Note a deviation."}}
		}), card[:40], CardState{Bad: []int{1, 2}, Say: "This was withdrawn. Note a deviation.", Tone: Bad}},
		"another set":   {changed(func(p *ceremony.CardPrompt) { p.Set = "QQQQ QQQQ" }), card[:40], CardState{Bad: []int{1, 2}, Say: "This card is of set " + set.Name() + "; this step needs set QQQQ QQQQ.", Tone: Bad}},
		"wrong letter":  {prompt, card[:40] + other + card[41:], CardState{Bad: []int{10}, Tone: Bad}},
		"not checked k": {prompt, "", CardState{}},
	} {
		ask := newCardAsk(c.prompt, true)
		code := secret.New(75)
		if err := code.Append([]byte(c.typed)...); err != nil {
			t.Fatal(err)
		}
		if err := code.Append(make([]byte, 75-len(c.typed))...); err != nil {
			t.Fatal(err)
		}
		got := ask.Check(code)
		code.Wipe()
		if name == "wrong letter" {
			if !strings.Contains(got.Say, "roup 10") {
				t.Errorf("%s: says %q", name, got.Say)
			}
			got.Say = ""
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	ask := newCardAsk(prompt, true)
	if ask.Set != "Card set "+set.Name()+", card 2 of 3, any 2 open the token" {
		t.Errorf("said above the cells: %q", ask.Set)
	}
	if diff := cmp.Diff([]string{"KC1"}, ask.Others); diff != "" {
		t.Errorf("other prefixes: %s", diff)
	}
}

// What is signed is read before: a long value has a line for each of its parts, and
// a part without a label of its own stays with the one before it.
func TestLongValuesStandInLines(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"short", "2026-002 · Generate a signing key", "2026-002 · Generate a signing key"},
		{"three parts", "Sensitive · made on this token · can never leave it", "Sensitive · made on this token · can never leave it"},
		{"an act", "algorithm EC P-384 · label root · lifetime 2y · owner Dana Weiss", "algorithm EC P-384\nlabel root\nlifetime 2y\nowner Dana Weiss"},
		{"a step", "Label: root · Algorithm: EC P-384 · sign only · Owner: Dana Weiss", "Label: root\nAlgorithm: EC P-384 · sign only\nOwner: Dana Weiss"},
	} {
		if got := inLines(c.value); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestChecksAreMarked(t *testing.T) {
	for value, want := range map[string]struct {
		said string
		tone Tone
	}{
		"off (pass)": {"off", Good}, "eth0 is up (fail)": {"eth0 is up", Bad}, "could not be read (not known)": {"could not be read", Waiting},
		"Etc/UTC (information)": {"Etc/UTC", Neutral}, "none (as stated)": {"none (as stated)", Neutral},
	} {
		if said, tone := judged(value); said != want.said || tone != want.tone {
			t.Errorf("%q is shown as %q with tone %v", value, said, tone)
		}
	}
}

// Everybody takes the head home, so that the last page shows it, in words too.
func TestDoneShowsTheHead(t *testing.T) {
	d := NewDone(Finished{Number: "2026-014", Status: "sealed", Head: strings.Repeat("7d1e", 16), Size: 206})
	if len(d.Heads) != 1 || len(d.Heads[0].Words) != 32 || !strings.Contains(d.Heads[0].Label, "206 records") {
		t.Errorf("the head is shown as %+v", d.Heads)
	}
	d = NewDone(Finished{Number: "2026-014", Status: "paused", Head: strings.Repeat("7d1e", 16), Size: 206})
	if len(d.Heads) != 1 || !strings.Contains(d.Text, "writes the first words") {
		t.Errorf("after a pause the head is shown as %+v, with %q", d.Heads, d.Text)
	}
	if d := NewDone(Finished{Number: "2026-014", Status: "sealed"}); len(d.Heads) > 0 {
		t.Errorf("a head that the HSM did not sign is shown: %+v", d.Heads)
	}
}

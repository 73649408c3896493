package view

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"claviger/ceremony"
	"claviger/hsm/secret"
	"claviger/ui/flow"
	"claviger/ui/kit"
	"claviger/ui/sample"
	"claviger/ui/theme"
)

var noon = time.Date(2026, 11, 22, 11, 42, 31, 0, time.UTC)

func someone(id, name, initials string) ceremony.Someone {
	return ceremony.Someone{ID: id, Name: name, Initials: initials}
}

func person(id, name, initials, role, status, state string) ceremony.PersonView {
	return ceremony.PersonView{Someone: someone(id, name, initials), Role: role, Status: status, State: state}
}

// snapshot is the ceremony of the pictures, at step 8.
func snapshot() ceremony.Snapshot {
	steps := func(first int, status string, titles ...string) (out []ceremony.StepView) {
		for i, title := range titles {
			st := ceremony.StepView{Number: first + i, ID: fmt.Sprintf("step-%d", first+i), Title: title, Status: status}
			if status == "done" {
				st.Ended = noon.Add(time.Duration(first+i-9) * 7 * time.Minute)
			}
			out = append(out, st)
		}
		return out
	}
	make := append(steps(7, "done", "Two officers authorise"), steps(8, "now", "Generate the key pair")...)
	make = append(make, steps(9, "todo", "Prove possession (sign and verify)", "Compare on a second computer")...)
	make[0].Marks = "PK RS"
	open := steps(1, "done", "Room and clock check", "Workstation check", "Roll call and the order")
	open[1].Status, open[2].Marks = "deviated", "AO MB"
	hsm := steps(4, "done", "Identify the token", "Three custodians unlock", "Random generator test")
	hsm[1].Marks = "3 of 5"
	return ceremony.Snapshot{
		Site:   ceremony.SiteView{Organisation: "Northwind Root CA · vault room 2", Practice: true, People: []ceremony.PersonView{person("tn", "Tomas Novak", "TN", "approver", "", "idle"), person("mb", "Marta Brandt", "MB", "administrator", "", "idle")}},
		Ledger: ceremony.LedgerView{Records: 2319, Last: "5ac19e702d4b90fe1b3307acaabbccdd5ac19e702d4b90fe1b3307acaabbccdd", Verified: true, SignedTo: 2310},
		HSM:    ceremony.HSMView{State: "open", Label: "NW-HSM-01", Serial: "7700 4312", Software: true},
		Sheets: map[ceremony.Action][]ceremony.Field{
			ceremony.Deviate: {{Name: "expected", Label: "What was expected", Max: 1000}, {Name: "happened", Label: "What happened", Max: 1000}, {Name: "exposed", Label: "Was key material exposed", Of: []string{"yes", "no", "unknown"}},
				{Name: "decision", Label: "Decision", Of: []string{"continue", "repeat", "replace", "lock-out", "abort"}}, {Name: "decided-by", Label: "Decided by", Of: []string{"tn"}, Value: "tn"}, {Name: "objections", Label: "Objections, who and why", Max: 1000, Optional: true}},
			ceremony.Presence:  {{Name: "event", Label: "What happened", Of: []string{"left", "returned", "substituted", "observer-arrived", "observer-left"}}, {Name: "person", Label: "Who", Of: []string{"mb", "ao"}, Max: 63, When: "event", Is: []string{"left", "returned", "substituted", "observer-left"}}, {Name: "name", Label: "Name of the observer", Max: 120, When: "event", Is: []string{"observer-arrived"}}},
			ceremony.TakeBreak: {{Name: "stay", Label: "Who stays with the equipment", Value: "mb", Of: []string{"mb", "ao"}}, {Name: "stay-too", Label: "And who stays beside them", Value: "ao", Of: []string{"mb", "ao"}}}, ceremony.Pause: {{Name: "stay", Label: "Who stays with the equipment", Hint: "nobody where all leave", Of: []string{"mb", "ao"}, Optional: true}}, ceremony.Withhold: nil, ceremony.Abort: nil},
		Ceremony: &ceremony.CeremonyView{
			Number: "2026-014", Title: "Key generation", Script: "3f9a1c07", About: "northwind-root-2026", Started: noon.Add(-72 * time.Minute), Planned: 90 * time.Minute,
			Phases: []ceremony.PhaseView{
				{Number: 1, Title: "Open the room", Steps: open}, {Number: 2, Title: "Open the HSM", Steps: hsm},
				{Number: 3, Title: "Make the key", Steps: make}, {Number: 4, Title: "Back up", Steps: steps(11, "todo", "Wrap two backups", "Restore and compare", "Re-bag cards and media")},
				{Number: 5, Title: "Close", Steps: steps(14, "todo", "Attest and seal")}},
			Step: &ceremony.StepView{Number: 8, ID: "generate", Title: "Generate the key pair", Phase: "Make the key", Started: noon.Add(-3 * time.Minute), Planned: 4 * time.Minute}, Steps: 14,
			Aloud: "The key pair now exists inside the HSM. I will read its fingerprint aloud. Please write it on your own sheet.",
			Facts: []ceremony.Fact{
				{Label: "Label", Value: "northwind-root-2026", Style: "strong"}, {Label: "Algorithm", Value: "EC P-384 · sign only"},
				{Label: "Key identifier", Value: "9c41 07be 5d20 aa13 …", Style: "mono"}, {Label: "Protection", Value: "Sensitive · made on this token · never leaves it"},
				{Label: "Owner", Value: "Dana Weiss, PKI operations"}, {Label: "Lifetime", Value: "22 Nov 2026 → 22 Nov 2041"},
				{Label: "Fingerprint of the public key (SHA-256)", Value: "7d1e40b2c9a355f018e602bd9a7c3341e0f86a152bc4d79043aa1f6eb508c2d7", Style: "hash"}},
			Result: "Generated in the HSM", Waiting: "Waiting for the witness: Amara Okafor", Attempt: 1, Deviations: 1,
			People: []ceremony.PersonView{
				person("mb", "Marta Brandt", "MB", "administrator", "signed 11:42:08", "signed"), person("ao", "Amara Okafor", "AO", "witness", "to sign now", "acting"),
				person("pk", "Priya Kapoor", "PK", "officer", "authorised", "signed"), person("rs", "Rui Santos", "RS", "officer", "authorised", "signed"),
				person("lc", "Li Chen", "LC", "custodian", "present", "idle"), person("ep", "Ελένη Παπαδοπούλου", "ΕΠ", "custodian", "present", "idle"), person("fn", "Farah Noor", "FN", "custodian", "not here yet", "absent")},
			Needs: []ceremony.Need{{Text: "2 of 2 officers authorised", Met: true}, {Text: "Administrator signed", Met: true}, {Text: "Witness to sign"}},
		},
	}
}

func overviewSnapshot() ceremony.Snapshot {
	s := snapshot()
	s.Ceremony, s.HSM.State = nil, "present, closed"
	return s
}

var starts = []flow.Start{
	{Name: "key-generation", Title: "Generate a key", About: "2 officers, 1 witness, 2 of 3 custodians", Needs: "needs 6 people", Parameters: []flow.Parameter{
		{Name: "label", Ask: "Label of the key", Default: "signing-key"}, {Name: "algorithm", Ask: "Algorithm", Default: "ec-p384", Of: []flow.Choice{{ID: "ec-p256", Label: "EC P-256"}, {ID: "ec-p384", Label: "EC P-384"}, {ID: "rsa-3072", Label: "RSA-3072"}}},
		{Name: "purpose", Ask: "What the key is for", Default: "sign", Of: []flow.Choice{{ID: "sign", Label: "sign"}}}, {Name: "lifetime", Ask: "Lifetime", Default: "2y"}}},
	{Name: "key-backup", Title: "Back a key up", Needs: "needs 6 people"}, {Name: "recovery-drill", Title: "Recovery drill", Needs: "needs 7 people"},
	{Name: "key-destruction", Title: "Destroy a key", Needs: "needs 8 people"}, {Name: "change-custodians", Title: "Change the custodians of a set", Needs: "needs 7 people"},
	{Name: "share-check", Title: "Check the cards of a set", Needs: "needs 5 people"}, {Name: "custody", Title: "Custody of items", Needs: "needs 7 people"},
}

func nothing() Actions {
	return Actions{Answer: func(a ceremony.Answer) { a.Secret.Wipe() }, Practice: func(func(*secret.Buffer), func(string)) {}, Deviate: func() {}, Pause: func() {}, Withhold: func() {}, Later: func(time.Duration, func()) {}}
}

// atTheDevice sends two custodians to a device with a pad of its own.
func atTheDevice(problem *ceremony.Problem) ceremony.Prompt {
	p := ceremony.Prompt{Kind: ceremony.AskPad, Title: "At the device: log in as its user", Verb: "We are at the device", Who: someone("lc", "Li Chen", "LC"), Role: "custodian", Problem: problem,
		Aloud: "Li Chen, Farah Noor: present your quorum cards at the device, as it asks for them. Everyone else turns away from its pad. No PIN is entered on this workstation.",
		Text:  "Go on when everyone stands at the device. It then waits for you, for minutes if need be. To stop it, cancel on the device.",
		Facts: []ceremony.Fact{{Label: "Serial number", Value: "7700 4312", Style: "mono"}, {Label: "Opened by, as stated", Value: "any 2 of 3 quorum cards"}, {Label: "Li Chen", Value: "quorum card 1 of set QYPZ 4XNR"}, {Label: "Farah Noor", Value: "quorum card 3 of set QYPZ 4XNR"}}}
	if problem != nil {
		p.Verb = "Try again at the device"
	}
	return p
}

var problemAtTheDevice = &ceremony.Problem{Happened: "Nobody is logged in: it was cancelled on the device, or nobody answered there in time.", Safe: "The token is closed. The attempt is recorded.",
	Do: "Look at what the device shows. Try again when everyone is ready, or pause the ceremony.", Code: "couldn't log in as user: not allowed (CKR_FUNCTION_CANCELED)"}

// prompts are one of each kind, in the words of a real step.
func prompts() map[string]ceremony.Prompt {
	marta, farah := someone("mb", "Marta Brandt", "MB"), someone("fn", "Farah Noor", "FN")
	card := ceremony.CardPrompt{Set: "QYPZ 4XNR", Index: 3, K: 3, N: 5, Entered: []int{1, 2}, Prefix: "KP1", Opens: "the token"}
	problem := &ceremony.Problem{Happened: "The token is not there any more.", Safe: "No key was made; the record is complete.", Do: "Attach the HSM, then decide how to go on.", Code: "CKR_DEVICE_REMOVED"}
	return map[string]ceremony.Prompt{
		"confirm": {Kind: ceremony.AskConfirm, Title: "Generate the key pair"},
		"grave":   {Kind: ceremony.AskConfirm, Title: "Seal the record", Text: "After the seal nothing can be added to this ceremony.", Irreversible: true},
		"form": {Kind: ceremony.AskForm, Title: "Name the room and compare the clock", Text: "The witness reads the wall clock, in UTC, and the administrator types what the witness says.",
			Fields: []ceremony.Field{{Name: "place", Label: "Place", Type: "text", Hint: "building, floor, room", Max: 120}, {Name: "wall", Label: "Wall clock, UTC (HH:MM)", Type: "time", Max: 5}}},
		"phrase": {Kind: ceremony.AskPhrase, Title: "Delete codesign-2021 from the HSM", Verb: "Delete from the HSM", Who: farah, Role: "officer", Phrase: "DESTROY codesign-2021",
			Aloud: "We are about to delete the code signing key codesign-2021 from the HSM. Two wrapped backups remain until step 10; after that nobody can bring it back. Does anyone object?",
			Facts: []ceremony.Fact{
				{Label: "No data still depends on it", Value: "Last use 14 Mar 2026. Confirmed by Li Chen, owner.", Style: "met"}, {Label: "Every copy is known", Value: "1 in the HSM, 2 wrapped backups (bags 004417, 004418). All in the room.", Style: "met"},
				{Label: "Authorised", Value: "Owner 10:14:22; the approver has not signed.", Style: "unmet"}, {Label: "Object", Value: "codesign-2021", Style: "strong"}, {Label: "HSM", Value: "NW-HSM-01 · SN 7700 4312"},
				{Label: "Fingerprint of the public key (SHA-256)", Value: "51d00aa9c9a355f018e602bd9a7c3341e0f86a152bc4d79043aa1f6eb508c2d7", Style: "hash"}}},
		"last-try": {Kind: ceremony.AskConfirm, Title: ceremony.CouldLock, Verb: "Look again", Problem: &ceremony.Problem{Happened: "The token says of this PIN: final try. A wrong one now may lock it for good.", Safe: "No login was tried.",
			Do: "Note a deviation that says who decides to try, as heard by two; or stop the ceremony."}},
		"gates": {Kind: ceremony.AskForm, Title: "Answer the gates", Text: "Each gate is answered by the person whom the script names; what it rests on is typed beside it.",
			Fields: []ceremony.Field{{Name: "gate-1", Label: "Does no data depend on this key any more?", Of: []string{"yes", "no"}}, {Name: "ref-1", Label: "What that rests on", Hint: "a ticket, a letter, a person", Max: 300},
				{Name: "gate-2", Label: "Is every copy accounted for?", Of: []string{"yes", "no"}}, {Name: "ref-2", Label: "What that rests on", Max: 300, Optional: true}}},
		"decide": {Kind: ceremony.AskDecide, Title: "The act did not happen as authorised", Problem: problem,
			Options: []ceremony.Option{{ID: "repeat", Label: "Authorise and try again", Help: "Recorded as a deviation; two officers authorise the next attempt."}, {ID: "pause", Label: "Pause the ceremony", Help: "Everything is closed; it can be resumed later."}, {ID: "abort", Label: "Abort the ceremony", Help: "It ends here with its own report.", Danger: true}}},
		"sign": {Kind: ceremony.AskSignOff, Act: "phase", Title: "Marta Brandt, sign off this phase", Text: "I performed these steps. What is listed here is what happened.", Who: marta, Role: "administrator", With: ceremony.SessionPIN,
			Facts: []ceremony.Fact{{Label: "Room and clock check", Value: "Vault room 2; workstation clock +2 s against the wall clock"}, {Label: "Workstation check", Value: "No network link, swap off, core dumps off"}, {Label: "Roll call", Value: "7 people present"}}},
		"at-the-device":   atTheDevice(problemAtTheDevice),
		"passphrase":      {Kind: ceremony.AskPassphrase, Title: "Marta Brandt, open your key", Text: "Six words, with one space between. Everyone else: turn away from the screen.", Who: marta, With: ceremony.Passphrase, Problem: &ceremony.Problem{Happened: "That is not the passphrase of Marta Brandt.", Safe: "Nothing was recorded and the key is still closed.", Do: "Type the six words again."}},
		"new-pin":         {Kind: ceremony.AskNewPIN, Title: "Marta Brandt, choose a session PIN", Text: "Four characters or more, for this ceremony only.", Who: marta},
		"card":            {Kind: ceremony.AskCard, Title: "Farah Noor, enter your card", Text: "Everyone else: turn away from the screen.", Who: farah, Card: card},
		"show-card":       {Kind: ceremony.ShowCard, Title: "Farah Noor, write down your card", Text: "Everyone else: turn away from the screen. Write every group by hand.", Who: farah, Reveal: secret.From([]byte("KP1 QPZR Y9X8 GF2T VDW0 S3JN 54KH CE6M UA7L QPZR Y9X8 GF2T VDW0 S3JN 54KH CE6M UA7L QPZR Y9X8")), Card: ceremony.CardPrompt{Set: "QYPZ 4XNR", Index: 3, K: 3, N: 5, Prefix: "KP1", Words: []string{"topmost", "Istanbul", "Pluto", "vagabond", "treadmill"}}},
		"show-passphrase": {Kind: ceremony.ShowPassphrase, Title: "Farah Noor, write down your passphrase", Text: "Six words. It is shown once; nobody can bring it back.", Who: farah, Reveal: secret.From([]byte("antelope crescent drizzle umbrella harbor vividness"))},
	}
}

// screens are every page of the window in the frame that it stands in.
func screens(look *theme.Theme) map[string]func() (fyne.CanvasObject, *Screen) {
	all := map[string]func() (fyne.CanvasObject, *Screen){}
	public := func(name string, s ceremony.Snapshot, make func() *Screen) {
		all[name] = func() (fyne.CanvasObject, *Screen) {
			f := NewFrame()
			f.SetPlaces([]Place{{Name: "Overview", Here: true}, {Name: "Ceremonies"}, {Name: "Keys"}, {Name: "Shares and items"}, {Name: "People"}, {Name: "Ledger"}, {Name: "Evidence"}, {Name: "Settings"}})
			f.Update(flow.NewFrame(s))
			f.Tick(flow.Elapsed(s, noon), flow.Clock(noon))
			screen := make()
			f.SetPage(screen)
			return f.Object, screen
		}
	}
	for name, p := range prompts() {
		s := snapshot()
		if p.Kind != ceremony.AskConfirm {
			s.Ceremony.Facts, s.Ceremony.Aloud = nil, ""
		}
		if p.Private() {
			all[name] = func() (fyne.CanvasObject, *Screen) {
				screen := Prompt(flow.NewPage(p, s), nothing())
				return Private(flow.NewFrame(s), screen, look), screen
			}
			continue
		}
		public(name, s, func() *Screen { return Prompt(flow.NewPage(p, s), nothing()) })
	}
	all["hand-over"] = func() (fyne.CanvasObject, *Screen) {
		screen := HandOver(flow.NewHandOver(prompts()["card"], snapshot()), func() {}, nothing())
		return Private(flow.NewFrame(snapshot()), screen, look), screen
	}
	public("overview", overviewSnapshot(), func() *Screen {
		return Overview(flow.NewOverview(overviewSnapshot(), recordOf(sample.Site()), starts, noon), Home{Start: func(flow.Start) {}})
	})
	public("overview-quiet", overviewSnapshot(), func() *Screen {
		site := sample.Site()
		site.Ceremonies = site.Ceremonies[:len(site.Ceremonies)-1]
		return Overview(flow.NewOverview(overviewSnapshot(), recordOf(site), starts, noon), Home{})
	})
	empty := ceremony.Snapshot{Site: ceremony.SiteView{Organisation: "Practice site", Practice: true}, Ledger: ceremony.LedgerView{Verified: true}}
	public("overview-empty", empty, func() *Screen {
		return Overview(flow.NewOverview(empty, recordOf(sample.Empty()), starts, noon), Home{})
	})
	contradicted := overviewSnapshot()
	contradicted.Ledger.Contradiction = "record 2319: the head of 2200 records is 7d1e40b2c9a355f018e602bd9a7c3341e0f86a152bc4d79043aa1f6eb508c2d7, theirs in this file is 9c4107be5d20aa13f018e602bd9a7c3341e0f86a152bc4d79043aa1f6eb508c2, and the HSM has signed both: two histories were signed"
	public("overview-contradicted", contradicted, func() *Screen {
		return Overview(flow.NewOverview(contradicted, recordOf(sample.Site()), starts, noon), Home{})
	})
	held := overviewSnapshot()
	held.Ledger.Holder = "process 4711 of user 1000 on lab since 2026-11-22T11:00:00.000Z"
	public("overview-held", held, func() *Screen {
		return Overview(flow.NewOverview(held, recordOf(sample.Site()), starts, noon), Home{})
	})
	public("take-in", overviewSnapshot(), func() *Screen {
		return TakeIn(flow.Carried{Path: "/media/usb/checkpoint.txt", Trouble: &flow.Trouble{Happened: "That is not a checkpoint that can be compared: it is neither a signed note nor base64 of one.", Safe: "Nothing was recorded.", Do: "Bring the note whole."}}, func(flow.Carried) {}, func() {})
	})
	public("carrier", overviewSnapshot(), func() *Screen {
		return Prompt(flow.NewPage(ceremony.Prompt{Kind: ceremony.AskForm, Title: "Take in a carried checkpoint", Verb: "Go on to the passphrase", Text: "The passphrase of who carried it signs what the comparison says, whatever that is.",
			Facts:  []ceremony.Fact{{Label: "Checkpoint of", Value: "claviger-practice/abcdefghijklmnopqrstuvwxyz", Style: "mono"}, {Label: "Records it covers", Value: "2200"}},
			Fields: []ceremony.Field{{Name: "person", Label: "Who carried it", Of: []string{"mb", "tn"}}}}, overviewSnapshot()), Actions{Answer: func(ceremony.Answer) {}, Back: func() {}})
	})
	public("done", overviewSnapshot(), func() *Screen {
		return Done(flow.NewDone(flow.Finished{Number: "2026-014", Status: "sealed", Head: strings.Repeat("7d1e", 16), Size: 2334, Report: "/srv/claviger/evidence/2026-014/report.pdf", Key: "/srv/claviger/evidence/2026-014/site.vkey"}), func() {})
	})
	public("settings", overviewSnapshot(), func() *Screen {
		return Settings(look, func(*theme.Theme) {}, flow.NewSettings(recordOf(sample.Site())), SettingsActions{})
	})
	if look.Appearance == theme.Light || full() {
		// Colours take no room: the others are for the contrast.
		recordScreens(func(name string, s ceremony.Snapshot, make func() *Screen) { public("record-"+name, s, make) })
	}
	for name, action := range map[string]ceremony.Action{"deviation": ceremony.Deviate, "pause": ceremony.Pause, "break": ceremony.TakeBreak, "presence": ceremony.Presence, "withhold": ceremony.Withhold, "abort": ceremony.Abort} {
		public(name, snapshot(), func() *Screen {
			sheet, _ := flow.NewSheet(snapshot(), action)
			return Sheet(sheet, func(ceremony.Answer) {}, func() {})
		})
	}
	public("working-at-the-device", snapshot(), func() *Screen {
		line := kit.NewProgressLine()
		line.Set("The device asks for what opens it", "1:12")
		p := atTheDevice(nil)
		p.Text = "The device has the turn. To stop it, cancel on the device."
		return Working(flow.NewPage(p, snapshot()), line)
	})
	public("working", snapshot(), func() *Screen {
		line := kit.NewProgressLine()
		line.Set("The token is making the key", "0:03")
		return Working(flow.NewPage(ceremony.Prompt{Title: "Generate the key pair"}, snapshot()), line)
	})
	return all
}

// full says whether everything is looked at, in every appearance.
func full() bool {
	return os.Getenv("CLAVIGER_PROOF") != "" || os.Getenv("CLAVIGER_PICTURES") != ""
}

func picture(t *testing.T, w fyne.Window, path string) {
	t.Helper()
	write(t, w.Canvas().Capture(), path)
}

func write(t *testing.T, picture image.Image, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, picture); err != nil {
		t.Fatal(err)
	}
}

func everyText(o fyne.CanvasObject, visit func(*kit.Text)) {
	if !o.Visible() {
		return
	}
	switch o := o.(type) {
	case *kit.Text:
		visit(o)
	case *fyne.Container:
		for _, child := range o.Objects {
			everyText(child, visit)
		}
	case fyne.Widget:
		for _, child := range test.WidgetRenderer(o).Objects() {
			everyText(child, visit)
		}
	}
}

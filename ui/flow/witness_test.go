package flow

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claviger/ceremony"
	"claviger/hsm/secret"
)

func TestWitnessSeesWhatIsPublic(t *testing.T) {
	amara := ceremony.Someone{ID: "ao", Name: "Amara Okafor"}
	s := ceremony.Snapshot{Site: ceremony.SiteView{Organisation: "Northwind", Practice: true}, Ceremony: ceremonyView(), Working: "The token is making the key"}
	s.Ceremony.Needs = []ceremony.Need{{Text: "Token open", Met: true}, {Text: "1 of 2 officers authorised", Got: 1, Of: 2}}
	s.Ceremony.Facts = []ceremony.Fact{{Label: "Label", Value: "root"}, {Label: "Fingerprint", Value: "7d1e40b2", Style: "hash"}}
	finger := Hash{"Fingerprint", "7d1e40b2", []string{"klaxon", "Burlington", "crackdown", "pioneer"}}
	seen := func(w Witness) Witness {
		w.Practice, w.Step, w.Notes, w.Signed, w.Got, w.Of = true, "Step 3 of 15", "1 deviation", "1 of 2 officers authorised", 1, 2
		return w
	}
	for name, c := range map[string]struct {
		prompt *ceremony.Prompt
		want   Witness
	}{
		"somebody signs": {&ceremony.Prompt{Kind: ceremony.AskSignOff, Title: "Sign off", Who: amara, Role: "witness"},
			seen(Witness{Title: "Sign off", Next: "Witness Amara Okafor reads and signs", Blocks: []Block{{Text: "We call the roll.", Aloud: true}, {Label: "Fingerprint", Hash: &finger}, {Label: "Label", Text: "root"}}})},
		"nobody is named: the administrator types": {&ceremony.Prompt{Kind: ceremony.AskForm, Title: "Clock", Aloud: "Read the clock.", Facts: []ceremony.Fact{{Label: "Wall", Value: "11:42"}}},
			seen(Witness{Title: "Clock", Next: "Administrator Marta Brandt types what is said", Blocks: []Block{{Text: "Read the clock.", Aloud: true}, {Label: "Wall", Text: "11:42"}}})},
		"what went wrong comes first": {&ceremony.Prompt{Kind: ceremony.AskDecide, Title: "Decide", Problem: &ceremony.Problem{Happened: "The token is gone."}, Facts: []ceremony.Fact{{Label: "Token", Value: "absent"}}},
			seen(Witness{Title: "Decide", Next: "Administrator Marta Brandt types the decision", Blocks: []Block{{Label: "What happened", Text: "The token is gone."}, {Text: "We call the roll.", Aloud: true}, {Label: "Token", Text: "absent"}}})},
		"the machine works": {nil,
			seen(Witness{Title: "Roll call", Busy: true, Next: "The token is making the key", Blocks: []Block{{Text: "We call the roll.", Aloud: true}, {Label: "Fingerprint", Hash: &finger}, {Label: "Label", Text: "root"}}})},
	} {
		if diff := cmp.Diff(c.want, NewWitness(s, c.prompt)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	idle := NewWitness(ceremony.Snapshot{Site: ceremony.SiteView{Organisation: "Northwind"}}, nil)
	if diff := cmp.Diff(Witness{Title: "Northwind", Next: "No ceremony is under way"}, idle); diff != "" {
		t.Errorf("at rest (-want +got):\n%s", diff)
	}
}

// While people are at the device the witnesses read who does what there, and that the
// device has the turn.
func TestWitnessSeesWhatIsDoneAtTheDevice(t *testing.T) {
	pad := ceremony.Prompt{Kind: ceremony.AskPad, Title: "At the device: log in as its user", Role: "custodian", Who: ceremony.Someone{ID: "lc", Name: "Li Chen"},
		Aloud: "Li Chen: present your quorum card. No PIN is entered on this workstation.", Facts: []ceremony.Fact{{Label: "Li Chen", Value: "quorum card 1"}}}
	s := ceremony.Snapshot{Ceremony: ceremonyView(), Working: "The device asks for what opens it", AtDevice: &pad}
	before, during := NewWitness(s, &pad), NewWitness(s, nil)
	if before.Title != pad.Title || before.Busy || before.Next != "Custodian Li Chen goes to the device" {
		t.Errorf("before the call: %+v", before)
	}
	if !during.Busy || during.Next != "The device asks for what opens it" || during.Title != pad.Title || !cmp.Equal(before.Blocks, during.Blocks) || during.Private != nil {
		t.Errorf("during the call: %+v", during)
	}
}

// Of a private entry the witnesses learn who in turn enters something, and
// nothing else, whatever the prompt and the step hold.
func TestWitnessSeesNothingOfAPrivateEntry(t *testing.T) {
	words := secret.From([]byte("six words"))
	defer words.Wipe()
	s := ceremony.Snapshot{Site: ceremony.SiteView{Practice: true}, Ceremony: ceremonyView(), Working: "Recording"}
	farah := ceremony.Someone{ID: "fn", Name: "Farah Noor"}
	s.Ceremony.People = append(s.Ceremony.People, ceremony.PersonView{Someone: farah, Role: "custodian"})
	for name, c := range map[string]struct {
		prompt ceremony.Prompt
		who    string
	}{
		"a card of a quorum":  {ceremony.Prompt{Kind: ceremony.AskCard, Role: "custodian", Card: ceremony.CardPrompt{Index: 5, K: 3, N: 5, Entered: []int{1}}}, "Custodian 2 of 3"},
		"a card read back":    {ceremony.Prompt{Kind: ceremony.AskCard, Role: "custodian", Card: ceremony.CardPrompt{Index: 2, K: 3, N: 5, ReadBack: true}}, "Custodian 2 of 5"},
		"a card handed out":   {ceremony.Prompt{Kind: ceremony.ShowCard, Role: "custodian", Reveal: words, Card: ceremony.CardPrompt{Index: 3, K: 3, N: 5}}, "Custodian 3 of 5"},
		"a passphrase":        {ceremony.Prompt{Kind: ceremony.AskPassphrase, Role: "custodian"}, "Custodian 3 of 3"},
		"a passphrase shown":  {ceremony.Prompt{Kind: ceremony.ShowPassphrase, Role: "custodian", Reveal: words}, "Custodian 3 of 3"},
		"the only one so far": {ceremony.Prompt{Kind: ceremony.AskNewPIN, Role: "owner"}, "Owner"},
		"without a role":      {ceremony.Prompt{Kind: ceremony.AskTransportPIN}, "Participant"},
	} {
		c.prompt.Who, c.prompt.Title, c.prompt.Facts, c.prompt.Aloud = farah, "secret title", []ceremony.Fact{{Label: "a", Value: "b"}}, "aloud"
		want := Witness{Practice: true, Private: &NeutralCard{Title: "Private entry in progress", Who: c.who, Text: "Please look away from the keyboard and from the other screen."}}
		if diff := cmp.Diff(want, NewWitness(s, &c.prompt)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPagesTurnByTheClockAndByHand(t *testing.T) {
	for _, c := range []struct {
		n, turned int
		shown     time.Duration
		want      int
	}{{1, 5, time.Hour, 0}, {3, 0, 0, 0}, {3, 0, pageTime - 1, 0}, {3, 0, pageTime, 1}, {3, 1, pageTime, 2}, {3, 2, pageTime, 0}, {3, 0, -time.Hour, 0}} {
		if got := Turn(c.n, c.turned, c.shown); got != c.want {
			t.Errorf("page %d of %d after %s and %d turns, want %d", got, c.n, c.shown, c.turned, c.want)
		}
	}
}

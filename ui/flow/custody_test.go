package flow

import (
	"strings"
	"testing"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ui/sample"
)

// What a set is good for is told from what opens and what is missing, never from
// its having been issued.
func TestStateOfASet(t *testing.T) {
	const in, lost, gone = ceremony.InCustody, ceremony.Lost, ceremony.Gone
	for name, c := range map[string]struct {
		withdrawn, opens bool
		backup           string
		cards            []string
		want             string
		tone             Tone
	}{
		"in use":                               {opens: true, cards: []string{in, in, in}, want: "In use", tone: Good},
		"issued, and no PIN comes from it yet": {cards: []string{in, in, in}, want: "Opens no HSM yet", tone: Info},
		"one card lost":                        {opens: true, cards: []string{lost, in, in}, want: "A card is missing", tone: Waiting},
		"as many lost as open it":              {opens: true, cards: []string{lost, lost, in}, want: "Must be changed", tone: Bad},
		"withdrawn":                            {withdrawn: true, cards: []string{gone, gone, gone}, want: "Withdrawn"},
		"withdrawn, and its backup is gone":    {withdrawn: true, backup: ceremony.CopyDestroyed, cards: []string{lost, lost, in}, want: "Withdrawn"},
		"withdrawn, and a backup is kept":      {withdrawn: true, backup: ceremony.CopyKept, cards: []string{in, in, in}, want: "Still opens a backup", tone: Waiting},
		"and enough of its cards are lost":     {withdrawn: true, backup: ceremony.CopyKept, cards: []string{lost, lost, in}, want: "Change the key", tone: Bad},
	} {
		s := sample.Empty()
		b := ceremony.SetIssued{Set: "00112233", Name: setName("00112233"), Purpose: ceremony.Recovery, Threshold: 2, Count: 3, Serials: []string{"77"}}
		for i, state := range c.cards {
			card := ceremony.CardIssued{Index: i + 1, Holder: "li-chen"}
			b.Cards = append(b.Cards, card)
			item := ceremony.CardItemName(card.Index, b.Name)
			s.Items[item] = &ceremony.Item{Name: item, Kind: ceremony.CardItem, Set: b.Set, Index: card.Index, Holder: card.Holder, State: state}
		}
		s.Sets[b.Set] = &ceremony.Set{Body: b, Withdrawn: c.withdrawn}
		s.Tokens["77"] = &ceremony.Token{Body: ceremony.TokenEnrolled{Serial: "77", Label: "NW-HSM-01"}}
		if c.opens {
			s.Tokens["77"].SOSet = b.Set
		}
		if c.backup != "" {
			k := sample.Key("root", "ec-p384", noon, noon.AddDate(15, 0, 0), ceremony.Active)
			k.Copies = append(k.Copies, ceremony.Copy{Form: ceremony.WrappedForm, Name: "medium M-1", Set: b.Set, State: c.backup})
			s.Keys[k.Body.ID] = k
		}
		d, _ := NewDetail(recordOf(s), Ref{Place: InCustody, ID: aSet + b.Set}, noon)
		if d.State != c.want || d.Tone != c.tone {
			t.Errorf("%s: %q in tone %d, want %q in %d", name, d.State, d.Tone, c.want, c.tone)
		}
		if row := NewCustody(recordOf(s)).Rows[0]; row.Cells[4].Text != c.want || row.Cells[4].Tone != c.tone {
			t.Errorf("%s: the list says %q", name, row.Cells[4].Text)
		}
	}
}

// Which cards open which token is what the last change of a PIN says, and not for
// which token the cards were issued.
func TestWhatCardsOpenAfterTheCustodiansHaveChanged(t *testing.T) {
	r := recordOf(sample.Site())
	facts := func(place, id string) map[string]string {
		d, ok := NewDetail(r, Ref{Place: place, ID: id}, noon)
		if !ok {
			t.Fatalf("there is no %s", id)
		}
		out := map[string]string{}
		for _, g := range d.Groups {
			for _, f := range g.Facts {
				out[f.Label] += f.Value
			}
		}
		return out
	}
	key := r.State.KeyNamed("codesign-2024").Body.ID
	opensIt := func(set string) string {
		return "whoever opens the token: any 2 of 3 cards of set " + setName(set) + ", in a ceremony that officers authorise"
	}
	if got := facts(InKeys, key)["Who may use it"]; got != opensIt("0a1b2c3d") {
		t.Errorf("the key is used by %q", got)
	}
	if got := facts(InCustody, "set 0a1b2c3d")["Opens the tokens"]; got != "77004312, 77004313" {
		t.Errorf("the set in use opens %q", got)
	}
	if got := facts(InCustody, "set 2c3d4e5f")["Opens the tokens"]; got != "none" {
		t.Errorf("a withdrawn set opens %q", got)
	}
	after := *r.State.Sets["0a1b2c3d"]
	after.Body.Set = "00112233"
	r.State.Sets["00112233"] = &after
	r.State.Sets["0a1b2c3d"].Withdrawn = true
	for _, token := range r.State.Tokens {
		token.UserSet = "00112233"
	}
	if got := facts(InKeys, key)["Who may use it"]; got != opensIt("00112233") {
		t.Errorf("after the change the key is used by %q", got)
	}
	if got := facts(InCustody, "set 0a1b2c3d")["Opens the tokens"]; got != "none" {
		t.Errorf("after the change the old set opens %q", got)
	}
	hsm := facts(InCustody, "token 77004313")
	if hsm["User PIN"] != "any 2 of 3 cards of set "+setName("00112233") || hsm["Security officer's PIN"] != "any 2 of 3 cards of set "+setName("1b2c3d4e") {
		t.Errorf("the second HSM is opened by %q and %q", hsm["User PIN"], hsm["Security officer's PIN"])
	}
	if got := hsm["timestamps-2025"]; got != "Ed25519 · Active · restored" {
		t.Errorf("the key restored to the second HSM: %q", got)
	}
	if got := facts(InCustody, "token 77004312")["dnssec-ksk-2023"]; got != "EC P-256 · Destroyed · here destroyed" {
		t.Errorf("the key destroyed in the first: %q", got)
	}
}

// The bag of an HSM is the one that the last ceremony on it closed with; while one is
// under way, or after one that ended otherwise, it is in none that is known.
func TestBagOfAnHSM(t *testing.T) {
	src := strings.Replace(string(sample.Script()), "      - { id: attest,", "      - { id: bags, kind: closing-bags, title: Bags, say: \"Bags.\", with: { things: \"HSM, laptop\" } }\n      - { id: attest,", 1)
	parsed, err := script.Parse([]byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := parsed.Bind(map[string]string{"label": "root"})
	if err != nil {
		t.Fatal(err)
	}
	run := func(status ceremony.Status, token, bag string) *ceremony.Progress {
		return &ceremony.Progress{Plan: plan, Status: status, Token: token, Steps: map[string]*ceremony.StepState{
			"bags": {Done: true, Facts: []ceremony.Line{{Label: ceremony.ClosingBag("HSM"), Value: bag}, {Label: ceremony.ClosingBag("laptop"), Value: "A-2"}}}}}
	}
	second := run(ceremony.SealedStatus, "78", "B-1")
	second.Second.Serial = "77"
	for name, c := range map[string]struct {
		runs []*ceremony.Progress
		want string
	}{
		"none":                               {nil, notRecorded},
		"one":                                {[]*ceremony.Progress{run(ceremony.SealedStatus, "77", "A-1")}, "A-1"},
		"the last one":                       {[]*ceremony.Progress{run(ceremony.SealedStatus, "77", "A-1"), run(ceremony.SealedStatus, "77", "A-3"), run(ceremony.SealedStatus, "78", "B-1")}, "A-3"},
		"paused after it":                    {[]*ceremony.Progress{run(ceremony.SealedStatus, "77", "A-1"), run(ceremony.PausedStatus, "77", "")}, notRecorded},
		"beside another in the last one":     {[]*ceremony.Progress{run(ceremony.SealedStatus, "77", "A-1"), second}, notRecorded},
		"aborted, whatever was read by then": {[]*ceremony.Progress{run(ceremony.AbortedStatus, "77", "A-1")}, notRecorded},
	} {
		s := sample.Empty()
		s.Tokens["77"] = &ceremony.Token{Body: ceremony.TokenEnrolled{Serial: "77", Label: "NW-HSM-01"}}
		s.Ceremonies = c.runs
		if got := NewCustody(recordOf(s)).Rows[0].Cells[3].Text; got != c.want {
			t.Errorf("%s: bag %q, want %q", name, got, c.want)
		}
	}
}

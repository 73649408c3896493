package flow

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/hsm"
	"claviger/ledger"
	"claviger/ui/sample"
)

// withScript is a record that holds the sample's script.
func withScript(s *ceremony.State) Record {
	r := recordOf(s)
	r.Script = func(ledger.Hash) *script.Plan {
		plan, err := script.Parse(sample.Script(), s.KnownKinds())
		if err != nil {
			panic(err)
		}
		return plan
	}
	return r
}

func TestOrdersSayWhatBecameOfThem(t *testing.T) {
	r := withScript(sample.Site())
	var got []string
	for _, row := range NewOrders(r, noon).Rows {
		got = append(got, row.Cells[4].Text)
		d, ok := NewDetail(r, Ref{Place: InOrders, ID: row.ID}, noon)
		if !ok || d.Title != "Generate a signing key" {
			t.Errorf("%s leads to %+v", row.ID, d)
		}
		var acts []Verb
		for _, a := range d.Acts {
			acts = append(acts, a.Verb)
		}
		want := map[string][]Verb{"Standing": {WithdrawOrder}, "Lapsed": {WithdrawOrder}, "Not yet": {WithdrawOrder}}[row.Cells[4].Text]
		if !slices.Equal(acts, want) { // a ceremony waits: nothing else can be prepared
			t.Errorf("%s offers %v, want %v", row.Cells[4].Text, acts, want)
		}
	}
	if want := []string{"Not yet", "Standing", "Withdrawn", "Lapsed", "Used by 2026-014"}; !slices.Equal(got, want) {
		t.Errorf("orders are %v, want %v", got, want)
	}
	if st := Ordered(r, noon); len(st) != 1 || st[0].Order != r.State.Orders[3].Leaf.String() {
		t.Errorf("can be prepared: %+v", st)
	}
}

// answered is an order form as people fill it in.
func answered(f OrderForm, more map[string]string) map[string]string {
	values := map[string]string{"value label": "signing-key-9", "person administrator 0": "marta-brandt", "person witness 0": "amara-okafor", "person officer 0": "priya-kapoor", "person officer 1": "rui-santos",
		"person custodian 0": "li-chen", "person custodian 1": "eleni-papadopoulou", "reference": "SM-9"}
	for _, field := range f.Fields {
		if values[field.Name] == "" {
			values[field.Name] = field.Value
		}
	}
	maps.Copy(values, more)
	return values
}

func TestOrderIsWhatWasTyped(t *testing.T) {
	s := sample.Site()
	f, err := NewOrderForm(recordOf(s), "key-generation", sample.Script(), func(l string) string { return l }, noon)
	if err != nil {
		t.Fatal(err)
	}
	if words := f.Hashes[0].Words; len(words) != 32 {
		t.Errorf("the script's hash is read aloud in %d words", len(words))
	}
	o, wrong := f.Order(s, answered(f, nil), noon)
	if wrong != nil || o.Approver != "tomas-novak" || o.Owner != "dana-weiss" || o.Parameters["algorithm"] != "ec-p384" || o.Paper || len(o.People) != 6 || o.Token != "77004312" || !o.Until.After(noon) {
		t.Errorf("ordered %+v, %v", o, wrong)
	}
	for name, c := range map[string]struct {
		more  map[string]string
		wrong string // the field
	}{
		"nobody as witness":      {map[string]string{"person witness 0": ""}, "person witness 0"},
		"one person twice":       {map[string]string{"person officer 1": "priya-kapoor"}, "person officer 1"},
		"a label with a blank":   {map[string]string{"value label": "two words"}, "value label"},
		"no time":                {map[string]string{"from": "tomorrow"}, "from"},
		"a window that is over":  {map[string]string{"from": "2020-01-01 09:00", "until": "2020-01-02 09:00"}, "until"},
		"paper and no witness":   {map[string]string{"how": paperOrder}, "witness"},
		"the owner as custodian": {map[string]string{"person custodian 1": "dana-weiss"}, ""},
		"who is not enrolled so": {map[string]string{"person custodian 1": "tomas-novak"}, ""},
	} {
		_, wrong := f.Order(s, answered(f, c.more), noon)
		if _, told := wrong[c.wrong]; !told || len(wrong) != 1 {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}

// Before anybody is enrolled the order is on paper, and people are typed by name.
func TestFirstOrderIsOnPaper(t *testing.T) {
	s := sample.Empty()
	f, err := NewOrderForm(recordOf(s), "key-generation", sample.Script(), func(l string) string { return l }, noon)
	if err != nil {
		t.Fatal(err)
	}
	o, wrong := f.Order(s, answered(f, map[string]string{"person custodian 0": "  Li  Chen ", "person custodian 1": "Ελένη"}), noon)
	if wrong["person custodian 1"] == "" {
		t.Errorf("a name without Latin letters: %v", wrong)
	}
	o, wrong = f.Order(s, answered(f, map[string]string{"person custodian 0": "  Li  Chen ", "person custodian 1": "Eleni Papadopoulou", "person witness 0": "Amara Okafor"}), noon)
	if wrong != nil || !o.Paper || o.Witness != "amara-okafor" || o.People[4] != (ceremony.Part{Person: "li-chen", Role: "custodian"}) {
		t.Errorf("ordered %+v, %v", o, wrong)
	}
}

func TestPreparationIsJudgedAsTheEngineWill(t *testing.T) {
	s := sample.Site()
	r := withScript(s)
	seen := TokenSeen{Info: hsm.TokenInfo{Label: "NW-HSM-01", Serial: "77004312"}, Mechanisms: []hsm.Mechanism{{Name: "CKM_EC_KEY_PAIR_GEN", Flags: []string{"generate-key-pair"}, Min: 256, Max: 256}, {Name: "CKM_ECDSA", Flags: []string{"sign"}}}}
	plan, _ := script.Parse(sample.Script(), s.KnownKinds())
	st, _ := NewStart(plan, s, func(l string) string { return l })
	cast := func(p *script.Plan) ([]ceremony.Part, error) { return sample.Cast(p) }
	p, err := NewPreparation(r, st, sample.Script(), cast, seen)
	if err != nil {
		t.Fatal(err)
	}
	unmet := func(c Prepared) (out []string) {
		for _, check := range c.Checks {
			if !check.Met {
				out = append(out, check.Text)
			}
		}
		return out
	}
	values := map[string]string{"label": "signing-key-9", "algorithm": "ec-p256", "owner": "dana-weiss"}
	if c := p.Check(s, values, noon); !c.Ready() {
		t.Errorf("not ready: %v, %v", c.Wrong, unmet(c))
	}
	if c := p.Check(s, values, noon); c.Plan[len(c.Plan)-1].Value != "about 10 minutes; begun now, it ends towards 11:52 UTC" {
		t.Errorf("the plan of time: %v", c.Plan)
	}
	values["algorithm"] = "ec-p384"
	if c := p.Check(s, values, noon); c.Ready() || !slices.Equal(unmet(c), []string{"It can generate an EC key pair"}) {
		t.Errorf("a token without P-384 is ready: %v", unmet(c))
	}
	values["label"] = "codesign-2024"
	if c := p.Check(s, values, noon); !strings.Contains(c.Wrong["label"], "is taken by a key") {
		t.Errorf("a taken label: %v", c.Wrong)
	}
	// The owner of the key acts as custodian.
	p, err = NewPreparation(r, st, sample.Script(), func(plan *script.Plan) ([]ceremony.Part, error) {
		people, err := sample.Cast(plan)
		people[5].Person = "dana-weiss"
		return people, err
	}, TokenSeen{Fault: "no token is attached"})
	if err != nil {
		t.Fatal(err)
	}
	values["label"] = "signing-key-9"
	if c := p.Check(s, values, noon); len(unmet(c)) != 2 || c.Checks[0].Because == "" || c.Checks[1].Because != "No token is attached." {
		t.Errorf("a conflict and no token: %+v", c.Checks)
	}
	ordered, err := NewPreparation(r, Start{Order: s.Orders[3].Leaf.String()}, sample.Script(), nil, seen)
	if err != nil || len(ordered.Fields) > 0 || !strings.Contains(ordered.Aloud, ordered.Script.Words[0]) || len(ordered.People) != 6 {
		t.Errorf("an order is prepared as %+v, %v", ordered, err)
	}
	for left, want := range map[time.Duration]string{time.Minute: "9 minutes before the ceremony would end: what is not done by then needs a further order", time.Hour: "after the ceremony would end"} {
		plan := ordered.Check(s, nil, minute(s.Orders[3].Body.Until).Add(-left)).Plan
		if got := plan[len(plan)-1]; got.Label != "The order's window" || !strings.Contains(got.Value, want) {
			t.Errorf("a window that is open for %v more is told as %+v", left, got)
		}
	}
}

func TestReceiptIsSignedByTwo(t *testing.T) {
	s := sample.Site()
	s.KeyNamed("codesign-2024").Copies = append(s.KeyNamed("codesign-2024").Copies, ceremony.Copy{Name: "cloud copy", Stated: true, State: ceremony.CopyKept})
	r := recordOf(s)
	a := NewReceiptForm(r, "2026-014")
	values := map[string]string{"kind": ceremony.CloudReceipt, "from": "Cloud Ltd", "date": "2026-11-20", "states": "the copy is deleted", "sha-256": strings.Repeat("AB ", 32), "copy": s.KeyNamed("codesign-2024").Body.ID + " cloud copy", "one": "tomas-novak", "two": "amara-okafor"}
	b, people, wrong := TakenIn(r, a, "2026-014", values)
	if wrong != nil || b.Copy != "cloud copy" || b.Key != s.KeyNamed("codesign-2024").Body.ID || b.SHA256[0] != 0xab || people != [2]ceremony.Part{{Person: "tomas-novak", Role: "approver"}, {Person: "amara-okafor", Role: "witness"}} {
		t.Errorf("took in %+v by %v, %v", b, people, wrong)
	}
	values["two"], values["date"], values["sha-256"] = "tomas-novak", "yesterday", "ab"
	if _, _, wrong := TakenIn(r, a, "2026-014", values); len(wrong) != 3 {
		t.Errorf("one person, no day, no hash: %v", wrong)
	}
	first := s.Ceremonies[0]
	if first.CorrectivesOpen() != nil {
		t.Fatal("nothing is to be done about a deviation that asks for nothing")
	}
	first.Deviations[0].Decided.Corrective, first.Deviations[0].Decided.Due = "new bags are bought", "2026-11-01"
	values = map[string]string{"kind": ceremony.CorrectiveAction, "from": "Marta Brandt", "date": "2026-11-20", "states": "new bags are here", "sha-256": strings.Repeat("ab", 32), "deviation": "1", "one": "tomas-novak", "two": "amara-okafor"}
	if b, _, wrong := TakenIn(r, NewReceiptForm(r, first.Number), first.Number, values); wrong != nil || b.Deviation != 1 {
		t.Errorf("the word that it is done: %+v, %v", b, wrong)
	}
	if g := receipts(s, "2026-014"); !strings.Contains(g.Facts[0].Value, "signed by Tomas Novak, Amara Okafor") || len(g.Hashes) != 1 {
		t.Errorf("told as %+v", g)
	}
}

// Only what works is offered: a library that reaches software tokens alone makes no
// real site.
func TestRealSiteOffersNoSoftwareToken(t *testing.T) {
	a := NewRealSite("/srv/site", []Module{{Name: "softhsm2", Path: "/s.so", Tokens: []Found{{Label: "practice"}}}, {Name: "broken", Path: "/b.so", Fault: "couldn't load it"},
		{Name: "vendor", Path: "/v.so", Tokens: []Found{{Label: "NW", Hardware: true}}}})
	var got []string
	for _, c := range a.Fields[1].Of {
		got = append(got, c.Label)
	}
	if !slices.Equal(got, []string{"vendor", "Another library"}) {
		t.Errorf("offers %v", got)
	}
	if o, library, wrong := RealSite(a, map[string]string{"organisation": "Northwind", "library": otherLibrary, "path": " /opt/lib.so "}); wrong != nil || o != "Northwind" || library != "/opt/lib.so" {
		t.Errorf("%q by %q, %v", o, library, wrong)
	}
	if _, _, wrong := RealSite(a, map[string]string{"organisation": "Northwind", "library": otherLibrary}); wrong["path"] == "" {
		t.Errorf("a library without a path: %v", wrong)
	}
	plan, _ := script.Parse(sample.Script(), sample.Empty().KnownKinds())
	if f := NewFirst("/srv/site", plan); !strings.Contains(f.Needed[1], "Six people, each in one role: 1 administrator") {
		t.Errorf("needed: %v", f.Needed)
	}
}

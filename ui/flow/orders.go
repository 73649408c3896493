package flow

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// NewOrders lists what is ordered, the newest first.
func NewOrders(r Record, now time.Time) Table {
	t := Table{Title: InOrders, One: textOrderLower, Many: textOrders,
		Columns: []Column{{textOrder, 3}, {textAbout, 1.8}, {textOrdered, 1.8}, {textMayHeld, 2.6}, {textState, 2}},
		Acts:    r.offered([]Act{{Verb: OrderOne, Label: textOrderCeremony}, {Verb: SeeScripts, Label: textScriptsSite}}),
		First:   textNothingOrderedApproverOrdersCeremony}
	for i := len(r.State.Orders) - 1; i >= 0; i-- {
		o := r.State.Orders[i]
		state, tone := orderState(r.State, o, now)
		t.Rows = append(t.Rows, Row{ID: o.Leaf.String(), Cells: []Cell{
			{Kind: Name, Text: scriptTitle(r, o.Body.Script), Below: strings.TrimSpace(o.Body.Reference)}, {Text: aboutOf(o.Body)},
			{Text: called(r.State, o.Body.Approver)}, {Text: window(o.Body)}, {Kind: Chip, Text: state, Tone: tone}}})
	}
	return t
}

// orderState says what became of an order.
func orderState(s *ceremony.State, o *ceremony.Order, now time.Time) (string, Tone) {
	from, until := minute(o.Body.From), minute(o.Body.Until)
	switch {
	case o.Used != "":
		return fmt.Sprintf(textUsedByX, o.Used), Neutral
	case o.Withdrawn != "":
		return textWithdrawn, Bad
	case now.Before(from):
		return textNotYet, Info
	case now.After(until):
		return textLapsed, Neutral
	case !slices.Contains(s.StandingOrders(now), o):
		return textScriptWithdrawn, Bad
	}
	return textStanding, Good
}

func minute(s string) time.Time {
	t, _ := ledger.ParseTime(s)
	return t
}

func window(b ceremony.Ordered) string {
	return fmt.Sprintf(textUTC, minute(b.From).Format(textDayAndMinute), minute(b.Until).Format(textDayAndMinute))
}

func aboutOf(b ceremony.Ordered) string {
	for _, name := range []string{"label", "key", "set", "person", "people"} {
		if v := b.Parameters[name]; v != "" {
			return v
		}
	}
	return ""
}

// scriptTitle is how people call a script that the ledger holds.
func scriptTitle(r Record, h ledger.Hash) string {
	if plan := planOf(r, h); plan != nil {
		return plan.Title
	}
	return fmt.Sprintf(textScriptX, h.String()[:8])
}

func planOf(r Record, h ledger.Hash) *script.Plan {
	if r.Script == nil {
		return nil
	}
	return r.Script(h)
}

// NewOrderDetail is an order with all that was ordered, and what can be done on it.
func NewOrderDetail(r Record, id string, now time.Time) (Detail, bool) {
	s := r.State
	i := slices.IndexFunc(s.Orders, func(o *ceremony.Order) bool { return o.Leaf.String() == id })
	if i < 0 {
		return Detail{}, false
	}
	o := s.Orders[i]
	b := o.Body
	d := Detail{Kicker: textOrder, Title: scriptTitle(r, b.Script), Text: textExactlyMayHeldOnceOne}
	d.State, d.Tone = orderState(s, o, now)
	how := textSignedHereApprover
	if b.Paper != "" {
		how = fmt.Sprintf(textSignedHandPaperSHA256, fours(b.Paper[:min(16, len(b.Paper))]))
	}
	facts := []Fact{said(textOrdered, called(s, b.Approver)), said(textHow, how), said(textMayHeld, window(b)), said(textReference, b.Reference), said(textOwnerKey, called(s, b.Owner)), code(textToken, b.Token)}
	if b.Owner == "" {
		facts[4].Value = textAboutNoKey
	}
	if b.Token == "" {
		facts[5] = said(textToken, textOneNotInitialised)
	}
	if o.Used != "" {
		facts = append(facts, said(textUsedBy, fmt.Sprintf(textCeremonyXLower, o.Used)))
		d.Refs = append(d.Refs, Ref{InCeremonies, o.Used, fmt.Sprintf(textCeremonyX, o.Used)})
	}
	if o.Withdrawn != "" {
		facts = append(facts, said(textWithdrawnBecause, o.Withdrawn))
	}
	d.Groups = append(d.Groups, Group{Title: textWhatWasOrdered, Facts: facts, Hashes: []Hash{inWordsToo(textSHA256Script, b.Script.String())}})
	var values, people []Fact
	if plan := planOf(r, b.Script); plan != nil {
		for _, par := range plan.Parameters {
			values = append(values, said(par.Ask, valueInWords(s, par, b.Parameters[par.Name])))
		}
	}
	for _, part := range b.People {
		people = append(people, Fact{Label: role(part.Role), Value: called(s, part.Person)})
	}
	d.Groups = append(d.Groups, Group{Title: textTheseValues, Facts: values}, Group{Title: textThesePeople, Facts: people})
	if o.Used == "" && o.Withdrawn == "" {
		if slices.Contains(s.StandingOrders(now), o) && s.Unfinished() == nil {
			d.Acts = append(d.Acts, Act{Verb: PrepareOrdered, Label: textPrepareCeremony})
		}
		if len(s.People) > 0 {
			d.Acts = append(d.Acts, Act{Verb: WithdrawOrder, Label: textWithdraw})
		}
	}
	d.Names = named(id, b.Script.String())
	return d, true
}

// valueInWords is a value as people say it.
func valueInWords(s *ceremony.State, par script.Parameter, value string) string {
	switch par.Type {
	case "person":
		return called(s, value)
	case "choice":
		return choiceFor(par.Name, value).Label
	case "period":
		if p, err := script.ParsePeriod(value); err == nil {
			return p.String()
		}
	}
	return value
}

// NewScripts tells which scripts the approver has registered or withdrawn.
func NewScripts(r Record) Detail {
	d := Detail{Kicker: InOrders, Title: textScriptsSite, Text: textEveryScriptKnownSHA256,
		Acts: []Act{{Verb: RegisterOne, Label: textRegisterScript}}}
	for _, h := range sortedScripts(r.State) {
		sc := r.State.Scripts[h]
		g := Group{Title: cmp.Or(sc.Body.Title, scriptTitle(r, h)), Facts: []Fact{said(textName, sc.Body.Name), said(textVersionCapital, fmt.Sprint(sc.Body.Version))}, Hashes: []Hash{inWordsToo("SHA-256", h.String())}}
		if sc.Withdrawn != "" {
			g.Facts = append(g.Facts, said(textWithdrawnBecause, sc.Withdrawn))
		} else {
			d.Acts = append(d.Acts, Act{Verb: WithdrawScript, Label: fmt.Sprintf(textWithdrawXX, sc.Body.Name, h.String()[:8]), To: h.String()})
		}
		d.Groups = append(d.Groups, g)
	}
	d.Acts = r.offered(d.Acts)
	if len(d.Groups) == 0 {
		d.Groups = []Group{{Facts: []Fact{{Value: textNoScriptRegisteredShippedOnes}}}}
	}
	return d
}

func sortedScripts(s *ceremony.State) []ledger.Hash {
	var out []ledger.Hash
	for h := range s.Scripts {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b ledger.Hash) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// NewRegister asks which script an approver registers.
func NewRegister(r Record, shipped []Choice) Ask {
	return Ask{Kicker: InOrders, Title: textRegisterScript, Verb: textGoSignature,
		Text: textApproverReadScriptWordWord,
		Fields: []Field{{Name: "script", Label: textWhichScript, Of: append(slices.Clone(shipped), Choice{ID: "file", Label: textFileOurOwn})},
			{Name: "file", Label: textItsFile, Hint: textWholePathExampleMediaUsb, Max: 4096, When: "script", Is: []string{"file"}},
			approverField(r)}}
}

// NewWithdrawal asks who takes an order, or a script, out of use, and why.
func NewWithdrawal(r Record, what string) Ask {
	return Ask{Kicker: textCannotUndone, Grave: true, Title: fmt.Sprintf(textWithdrawX, what), Verb: textGoSignature, Text: textTakenOutUseGoodWhoever,
		Fields: []Field{approverField(r), {Name: "reason", Label: textWhy, Hint: textStandsRecordGood, Max: 400}}}
}

// Withdrawal is what is taken out of use: an order by its leaf, or a script by its
// SHA-256.
type Withdrawal struct{ What, Order, Script string }

// NewOrderChoice asks which ceremony is ordered.
func NewOrderChoice(starts []Start) Ask {
	f := Field{Name: "script", Label: textWhichCeremony}
	for _, st := range starts {
		f.Of = append(f.Of, Choice{ID: st.Name, Label: st.Title, Help: st.About})
	}
	return Ask{Kicker: textOrder, Title: textOrderCeremony, Verb: textGo, Text: textChooseHeldNextPageAsks, Fields: []Field{f}}
}

func approverField(r Record) Field {
	f := Field{Name: "approver", Label: textWhoSignsApprover, Of: enrolledAs(r.State, script.Approver)}
	if len(f.Of) == 1 {
		f.Value = f.Of[0].ID
	}
	return f
}

// OrderForm asks for an order of one ceremony.
type OrderForm struct {
	Ask
	Name   string // of the script
	Source []byte
	plan   *script.Plan
	first  bool // nobody is enrolled yet: people are typed, the order is on paper
}

const paperOrder, hereOrder = "paper", "here"

// orderTime is how the window of an order is typed, in UTC.
const orderTime = "2006-01-02 15:04"

// NewOrderForm makes the form of an order. free makes a label that is taken into
// another.
func NewOrderForm(r Record, name string, source []byte, free func(string) string, now time.Time) (OrderForm, error) {
	s := r.State
	plan, err := script.Parse(source, s.KnownKinds())
	if err != nil {
		return OrderForm{}, fmt.Errorf(textCouldntReadScript, err)
	}
	f := OrderForm{Name: name, Source: source, plan: plan, first: len(s.People) == 0}
	f.Kicker, f.Title, f.Verb = textOrder, fmt.Sprintf(textOrderX, lower(plan.Title)), textGoSignature
	f.Text = textApproverOrdersExactlyOneByte
	if f.first {
		f.Verb = textTakeOrder
		f.Text = textNobodyEnrolledYetSoFirst
	}
	f.Hashes = []Hash{inWordsToo(fmt.Sprintf(textScriptVersionSHA256Read, plan.Name, plan.Version), hex.EncodeToString(plan.SHA256[:]))}
	start, _ := NewStart(plan, s, free)
	for _, par := range start.Parameters {
		field := par.field()
		field.Name = fmt.Sprintf(textValue, field.Name)
		switch {
		case f.first && par.Name == "organisation":
			field.Value = s.Site.Organisation
		case f.first && par.Name == "place":
			field.Value = "" // the script's default is the practice room
		}
		f.Fields = append(f.Fields, field)
	}
	for _, need := range s.RolesFor(plan) {
		for i := range need.Count {
			f.Fields = append(f.Fields, f.personField(s, need, i))
		}
	}
	f.Fields = append(f.Fields, f.tokenField(s)...)
	f.Fields = append(f.Fields, Field{Name: "reference", Label: textReferenceRequest, Hint: textYourOrganisationCountsThem, Max: 120},
		Field{Name: "from", Label: textMayHeldFromUTC, Hint: textYearMonthDayHourMinute, Value: now.UTC().Format(orderTime), Max: 16},
		Field{Name: "until", Label: textUntilUTC, Hint: textLapsesThen, Value: now.UTC().AddDate(0, 0, 14).Format(orderTime), Max: 16})
	if !f.first {
		f.Fields = append(f.Fields, approverField(r),
			Field{Name: "how", Label: textHowOrdered, Value: hereOrder, Of: []Choice{{ID: hereOrder, Label: textApproverSignsHere, Help: textTheirOwnPassphrase}, {ID: paperOrder, Label: textSignedPaper, Help: textWitnessTypesSHA256Signs}}},
			Field{Name: "witness", Label: textWitnessTakesPaper, Of: enrolledAs(s, script.Witness), When: "how", Is: []string{paperOrder}})
	}
	return f, nil
}

// personField asks who takes a part: one of those enrolled for it, or, before
// anybody is, a name in Latin letters.
func (f OrderForm) personField(s *ceremony.State, need script.RoleNeed, i int) Field {
	field := Field{Name: fmt.Sprintf(textPersonXN, need.Role, i), Label: role(need.Role), Max: 60}
	if need.Count > 1 {
		field.Label += fmt.Sprintf(" %d", i+1)
	}
	if f.first {
		return field
	}
	field.Of = enrolledAs(s, need.Role)
	if len(field.Of) == need.Count {
		field.Value = field.Of[i].ID // there is nobody else
	}
	return field
}

func (f OrderForm) tokenField(s *ceremony.State) []Field {
	tokens := sorted(s.Tokens)
	if f.first || len(tokens) == 0 {
		return nil
	}
	field := Field{Name: "token", Label: textOnWhichToken, Value: tokens[0]}
	for _, serial := range tokens {
		field.Of = append(field.Of, Choice{ID: serial, Label: s.Tokens[serial].Body.Label, Help: fmt.Sprintf(textSerialNumber, serial)})
	}
	return []Field{field}
}

// Order makes the order of what was typed, or says what is wrong with it.
func (f OrderForm) Order(s *ceremony.State, typed map[string]string, now time.Time) (ceremony.OrderPlan, Wrong) {
	values, wrong := f.Answer(typed)
	if wrong != nil {
		return ceremony.OrderPlan{}, wrong
	}
	wrong = Wrong{}
	o := ceremony.OrderPlan{Reference: values["reference"], Approver: values["approver"], Paper: f.first || values["how"] == paperOrder, Witness: values["witness"]}
	o.Script, o.Token, o.Parameters = f.Source, values["token"], map[string]string{}
	for _, par := range f.plan.Parameters {
		o.Parameters[par.Name] = values[fmt.Sprintf(textValue, par.Name)]
	}
	bound, err := f.plan.Bind(o.Parameters)
	if err != nil {
		return o, wrongValue(err, "value ")
	}
	for _, need := range s.RolesFor(f.plan) {
		for i := range need.Count {
			name := fmt.Sprintf(textPersonXN, need.Role, i)
			id := values[name]
			if f.first {
				if id = personID(id); id == "" {
					wrong[name] = textTypeNameLatinLettersBeginning
				}
			}
			if slices.ContainsFunc(o.People, func(p ceremony.Part) bool { return p.Person == id }) {
				wrong[name] = textPersonPartAlreadyEachPerson
			}
			o.People = append(o.People, ceremony.Part{Person: id, Role: need.Role})
		}
	}
	var err1, err2 error
	if o.From, err1 = time.Parse(orderTime, values["from"]); err1 != nil {
		wrong["from"] = textTypeAMinuteLike
	}
	if o.Until, err2 = time.Parse(orderTime, values["until"]); err2 != nil {
		wrong["until"] = textTypeAMinuteLike
	}
	if err1 == nil && err2 == nil && (!o.Until.After(o.From) || o.Until.Before(now)) {
		wrong["until"] = textEndsBeforeBeginsOverAlready
	}
	o.Owner = s.OwnerOf(bound)
	if f.first {
		o.Approver, o.Witness, o.Owner = inRole(o.People, script.Approver), inRole(o.People, script.Witness), ""
	}
	if len(wrong) > 0 {
		return o, wrong
	}
	if err := s.MayHold(bound, o.Approver, o.Owner, o.People, now); err != nil {
		return o, Wrong{"": Why(err)}
	}
	return o, nil
}

// wrongValue puts a value's error at its field.
func wrongValue(err error, prefix string) Wrong {
	var value *script.ValueError
	if errors.As(err, &value) {
		return Wrong{prefix + value.Parameter: capital(value.Error()) + "."}
	}
	return Wrong{"": capital(err.Error()) + "."}
}

// Why is what a rule says against something, as a sentence.
func Why(err error) string {
	var refusal *ceremony.Refusal
	if errors.As(err, &refusal) {
		return capital(refusal.Why) + "."
	}
	return capital(err.Error()) + "."
}

func inRole(people []ceremony.Part, role string) string {
	for _, p := range people {
		if p.Role == role {
			return p.Person
		}
	}
	return ""
}

// personID makes "Dana Weiss" into dana-weiss; "" where no name is left.
func personID(name string) string {
	var out []rune
	for _, r := range strings.ToLower(strings.TrimSpace(name)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && len(out) > 0:
			out = append(out, r)
		case len(out) > 0 && out[len(out)-1] != '-':
			out = append(out, '-')
		}
	}
	id := strings.Trim(string(out), "-")
	return id[:min(len(id), 63)]
}

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
	t := Table{Title: InOrders, One: "order", Many: "orders",
		Columns: []Column{{"Order", 3}, {"About", 1.8}, {"Ordered by", 1.8}, {"May be held", 2.6}, {"State", 2}},
		Acts:    r.offered([]Act{{Verb: OrderOne, Label: "Order a ceremony"}, {Verb: SeeScripts, Label: "Scripts of this site"}}),
		First:   "Nothing is ordered. The approver orders a ceremony before the day: this script, these values, these people, in this time. A real site holds no ceremony without an order."}
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
		return "Used by " + o.Used, Neutral
	case o.Withdrawn != "":
		return "Withdrawn", Bad
	case now.Before(from):
		return "Not yet", Info
	case now.After(until):
		return "Lapsed", Neutral
	case !slices.Contains(s.StandingOrders(now), o):
		return "Its script was withdrawn", Bad
	}
	return "Standing", Good
}

func minute(s string) time.Time {
	t, _ := ledger.ParseTime(s)
	return t
}

func window(b ceremony.Ordered) string {
	return minute(b.From).Format("2 Jan 2006 15:04") + " to " + minute(b.Until).Format("2 Jan 2006 15:04") + " UTC"
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
	return "script " + h.String()[:8]
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
	d := Detail{Kicker: "Order", Title: scriptTitle(r, b.Script), Text: "Exactly this may be held, once. One byte of the script or one value changed, and it does not run."}
	d.State, d.Tone = orderState(s, o, now)
	how := "signed here by the approver"
	if b.Paper != "" {
		how = "signed by hand on paper; its SHA-256 " + fours(b.Paper[:min(16, len(b.Paper))]) + " …"
	}
	facts := []Fact{said("Ordered by", called(s, b.Approver)), said("How", how), said("May be held", window(b)), said("Reference", b.Reference), said("Owner of the key", called(s, b.Owner)), code("Token", b.Token)}
	if b.Owner == "" {
		facts[4].Value = "it is about no key"
	}
	if b.Token == "" {
		facts[5] = said("Token", "the one that is not initialised")
	}
	if o.Used != "" {
		facts = append(facts, said("Used by", "ceremony "+o.Used))
		d.Refs = append(d.Refs, Ref{InCeremonies, o.Used, "Ceremony " + o.Used})
	}
	if o.Withdrawn != "" {
		facts = append(facts, said("Withdrawn because", o.Withdrawn))
	}
	d.Groups = append(d.Groups, Group{Title: "What was ordered", Facts: facts, Hashes: []Hash{inWordsToo("SHA-256 of the script", b.Script.String())}})
	var values, people []Fact
	if plan := planOf(r, b.Script); plan != nil {
		for _, par := range plan.Parameters {
			values = append(values, said(par.Ask, valueInWords(s, par, b.Parameters[par.Name])))
		}
	}
	for _, part := range b.People {
		people = append(people, Fact{Label: role(part.Role), Value: called(s, part.Person)})
	}
	d.Groups = append(d.Groups, Group{Title: "With these values", Facts: values}, Group{Title: "By these people", Facts: people})
	if o.Used == "" && o.Withdrawn == "" {
		if slices.Contains(s.StandingOrders(now), o) && s.Unfinished() == nil {
			d.Acts = append(d.Acts, Act{Verb: PrepareOrdered, Label: "Prepare the ceremony"})
		}
		if len(s.People) > 0 {
			d.Acts = append(d.Acts, Act{Verb: WithdrawOrder, Label: "Withdraw it"})
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
	}
	return value
}

// NewScripts tells which scripts the approver has registered or withdrawn.
func NewScripts(r Record) Detail {
	d := Detail{Kicker: InOrders, Title: "Scripts of this site", Text: "Every script is known by its SHA-256. Registered ones were read by an approver; one that was withdrawn can be ordered no more.",
		Acts: []Act{{Verb: RegisterOne, Label: "Register a script"}}}
	for _, h := range sortedScripts(r.State) {
		sc := r.State.Scripts[h]
		g := Group{Title: cmp.Or(sc.Body.Title, scriptTitle(r, h)), Facts: []Fact{said("Name", sc.Body.Name), said("Version", fmt.Sprint(sc.Body.Version))}, Hashes: []Hash{inWordsToo("SHA-256", h.String())}}
		if sc.Withdrawn != "" {
			g.Facts = append(g.Facts, said("Withdrawn because", sc.Withdrawn))
		} else {
			d.Acts = append(d.Acts, Act{Verb: WithdrawScript, Label: "Withdraw " + sc.Body.Name + " " + h.String()[:8], To: h.String()})
		}
		d.Groups = append(d.Groups, g)
	}
	d.Acts = r.offered(d.Acts)
	if len(d.Groups) == 0 {
		d.Groups = []Group{{Facts: []Fact{{Value: "No script is registered. Shipped ones can be ordered without; what is registered stands in the record by name."}}}}
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
	return Ask{Kicker: InOrders, Title: "Register a script", Verb: "Go on to the signature",
		Text: "The approver has read the script, word for word. Its bytes are stored in the record.",
		Fields: []Field{{Name: "script", Label: "Which script", Of: append(slices.Clone(shipped), Choice{ID: "file", Label: "A file of our own"})},
			{Name: "file", Label: "Its file", Hint: "the whole path, for example /media/usb/our-script.yaml", Max: 4096, When: "script", Is: []string{"file"}},
			approverField(r)}}
}

// NewWithdrawal asks who takes an order, or a script, out of use, and why.
func NewWithdrawal(r Record, what string) Ask {
	return Ask{Kicker: "Cannot be undone", Grave: true, Title: "Withdraw " + what, Verb: "Go on to the signature", Text: "It is taken out of use for good; whoever needs it orders it anew.",
		Fields: []Field{approverField(r), {Name: "reason", Label: "Why", Hint: "it stands in the record for good", Max: 400}}}
}

// Withdrawal is what is taken out of use: an order by its leaf, or a script by its
// SHA-256.
type Withdrawal struct{ What, Order, Script string }

// NewOrderChoice asks which ceremony is ordered.
func NewOrderChoice(starts []Start) Ask {
	f := Field{Name: "script", Label: "Which ceremony"}
	for _, st := range starts {
		f.Of = append(f.Of, Choice{ID: st.Name, Label: st.Title, Help: st.About})
	}
	return Ask{Kicker: "Order", Title: "Order a ceremony", Verb: "Go on", Text: "Choose what is to be held. The next page asks for its values, its people and its time; nothing is signed before.", Fields: []Field{f}}
}

func approverField(r Record) Field {
	f := Field{Name: "approver", Label: "Who signs as approver", Of: enrolledAs(r.State, script.Approver)}
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
		return OrderForm{}, fmt.Errorf("couldn't read the script: %w", err)
	}
	f := OrderForm{Name: name, Source: source, plan: plan, first: len(s.People) == 0}
	f.Kicker, f.Title, f.Verb = "Order", "Order: "+lower(plan.Title), "Go on to the signature"
	f.Text = "The approver orders exactly this: one byte of the script or one value changed, and it does not run. An order is used once."
	if f.first {
		f.Verb = "Take the order in"
		f.Text = "Nobody is enrolled yet, so the first order is on paper. Print the script, fill in its last page with these values, have it signed by hand and scanned; the witness then types the SHA-256 of the scan, as another machine computed it."
	}
	f.Hashes = []Hash{inWordsToo(fmt.Sprintf("Script %s, version %d: SHA-256, to be read aloud", plan.Name, plan.Version), hex.EncodeToString(plan.SHA256[:]))}
	start, _ := NewStart(plan, s, free)
	for _, par := range start.Parameters {
		field := par.field()
		field.Name = "value " + field.Name
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
	f.Fields = append(f.Fields, Field{Name: "reference", Label: "Reference of the request", Hint: "as your organisation counts them", Max: 120},
		Field{Name: "from", Label: "May be held from, UTC", Hint: "year-month-day hour:minute", Value: now.UTC().Format(orderTime), Max: 16},
		Field{Name: "until", Label: "Until, UTC", Hint: "it lapses then", Value: now.UTC().AddDate(0, 0, 14).Format(orderTime), Max: 16})
	if !f.first {
		f.Fields = append(f.Fields, approverField(r),
			Field{Name: "how", Label: "How it is ordered", Value: hereOrder, Of: []Choice{{ID: hereOrder, Label: "The approver signs here", Help: "With the own passphrase."}, {ID: paperOrder, Label: "It was signed on paper", Help: "The witness types its SHA-256 and signs that."}}},
			Field{Name: "witness", Label: "Which witness takes the paper in", Of: enrolledAs(s, script.Witness), When: "how", Is: []string{paperOrder}})
	}
	return f, nil
}

// personField asks who takes a part: one of those enrolled for it, or, before
// anybody is, a name in Latin letters.
func (f OrderForm) personField(s *ceremony.State, need script.RoleNeed, i int) Field {
	field := Field{Name: fmt.Sprintf("person %s %d", need.Role, i), Label: role(need.Role), Max: 60}
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
	field := Field{Name: "token", Label: "On which token", Value: tokens[0]}
	for _, serial := range tokens {
		field.Of = append(field.Of, Choice{ID: serial, Label: s.Tokens[serial].Body.Label, Help: "serial number " + serial})
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
		o.Parameters[par.Name] = values["value "+par.Name]
	}
	bound, err := f.plan.Bind(o.Parameters)
	if err != nil {
		return o, wrongValue(err, "value ")
	}
	for _, need := range s.RolesFor(f.plan) {
		for i := range need.Count {
			name := fmt.Sprintf("person %s %d", need.Role, i)
			id := values[name]
			if f.first {
				if id = personID(id); id == "" {
					wrong[name] = "Type the name in Latin letters, beginning with a letter."
				}
			}
			if slices.ContainsFunc(o.People, func(p ceremony.Part) bool { return p.Person == id }) {
				wrong[name] = "This person has a part already: each person has one role in a ceremony."
			}
			o.People = append(o.People, ceremony.Part{Person: id, Role: need.Role})
		}
	}
	var err1, err2 error
	if o.From, err1 = time.Parse(orderTime, values["from"]); err1 != nil {
		wrong["from"] = "Type it like 2026-11-23 09:00."
	}
	if o.Until, err2 = time.Parse(orderTime, values["until"]); err2 != nil {
		wrong["until"] = "Type it like 2026-11-23 09:00."
	}
	if err1 == nil && err2 == nil && (!o.Until.After(o.From) || o.Until.Before(now)) {
		wrong["until"] = "It ends before it begins, or is over already."
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

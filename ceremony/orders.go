package ceremony

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"claviger/ceremony/script"
	"claviger/ceremony/signoff"
	"claviger/ledger"
)

// Orders: a ceremony is held because the approver said so before the day, to
// the byte: this script, these values, these people, in this window. One byte
// of the script or one value changed and it does not run. An order is used once.
// A ceremony that was stopped goes on in the window of its order as well; when that
// is over, the rest is ordered anew and the ceremony resumed on the new order.
// On paper it is signed by hand; then a witness types the SHA-256 of the paper
// and signs that. Before anybody is enrolled, an order on paper carries no
// signature here: the founders' own, over the whole record, cover it.

// Ordered is the instruction to hold one ceremony, outside of ceremonies.
type Ordered struct {
	Approver   string            `json:"approver"` // who orders
	From       string            `json:"from"`     // may begin, and be resumed, from; the form of a record's time
	Owner      string            `json:"owner"`    // of the key it is about, "" where it is about none
	Paper      string            `json:"paper"`    // SHA-256 of the paper that was signed by hand, "" where the approver signs here
	Parameters map[string]string `json:"parameters"`
	People     []Part            `json:"people"`
	Reference  string            `json:"reference"` // of the request, as the organisation counts them
	Script     ledger.Hash       `json:"script"`
	Signatures []SignedBy        `json:"signatures"` // claviger order v1: of the approver, or of the witness who took the paper in
	Token      string            `json:"token"`      // serial number
	Until      string            `json:"until"`      // may begin, and be resumed, until
}

// ScriptRegistered makes a script one that this site may order.
type ScriptRegistered struct {
	Name       string      `json:"name"`
	Script     ledger.Hash `json:"script"`
	Signatures []SignedBy  `json:"signatures"` // claviger order v1, of an approver
	Title      string      `json:"title"`
	Version    int         `json:"version"`
}

// ScriptWithdrawn takes a script, or one order, out of use.
type ScriptWithdrawn struct {
	Order      string      `json:"order"` // leaf of the one order that is withdrawn, "" for the script itself
	Reason     string      `json:"reason"`
	Script     ledger.Hash `json:"script"`
	Signatures []SignedBy  `json:"signatures"` // claviger order v1, of an approver
}

// Order is an order as far as the ledger tells it.
type Order struct {
	Body      Ordered
	Leaf      ledger.Hash
	Prev      ledger.Hash
	Seq       int64
	Used      string // number of the ceremony held on it
	Withdrawn string // why
}

// RegisteredScript is a script that the site knows by name.
type RegisteredScript struct {
	Body      ScriptRegistered
	Leaf      ledger.Hash
	Withdrawn string // why
}

// KnownOrder restates an order with all that its signature covers.
type KnownOrder struct {
	Leaf    ledger.Hash `json:"leaf"`
	Ordered Ordered     `json:"ordered"`
	Prev    ledger.Hash `json:"prev"`
	Seq     int64       `json:"seq"`
}

// OrderOf gives the order that a ceremony is held on, the last where it was resumed
// on another; nil where there is none.
func (s *State) OrderOf(p *Progress) *Order { return s.order(p.Body.Order) }

func (s *State) order(leaf string) *Order {
	for _, o := range s.Orders {
		if leaf != "" && o.Leaf.String() == leaf {
			return o
		}
	}
	return nil
}

// StandingOrders lists what may be held at a time.
func (s *State) StandingOrders(at time.Time) []*Order {
	var out []*Order
	for _, o := range s.Orders {
		if o.Used == "" && o.Withdrawn == "" && o.Body.open(at) == nil && !s.scriptWithdrawn(o.Body.Script) {
			out = append(out, o)
		}
	}
	return out
}

func (s *State) scriptWithdrawn(h ledger.Hash) bool {
	sc := s.Scripts[h]
	return sc != nil && sc.Withdrawn != ""
}

// open says why a ceremony may neither begin nor go on at this time.
func (b Ordered) open(at time.Time) error {
	from, err1 := ledger.ParseTime(b.From)
	until, err2 := ledger.ParseTime(b.Until)
	switch {
	case err1 != nil || err2 != nil || !until.After(from):
		return fmt.Errorf("the order names no window in which the ceremony may be held")
	case at.Before(from):
		return fmt.Errorf("the order lets it be held from %s UTC on", from.Format("2006-01-02 15:04"))
	case at.After(until):
		return fmt.Errorf("the order let it be held until %s UTC", until.Format("2006-01-02 15:04"))
	}
	return nil
}

// ordered: who orders may, and what is ordered could be held.
func (s *State) ordered(r *record, b *Ordered) error {
	if r.Ceremony != "" {
		return r.refuse("order.place", "an order belongs to no ceremony")
	}
	plan, err := s.loadPlan(b.Script, b.Parameters)
	if err != nil {
		return r.refuse("script.invalid", "%v", err)
	}
	p := newProgress("", plan, &Started{People: b.People, Token: b.Token}, r.Time, r.Seq)
	from, err1 := ledger.ParseTime(b.From)
	until, err2 := ledger.ParseTime(b.Until)
	switch {
	case !maps.Equal(plan.Values, b.Parameters):
		return r.refuse("order.parameters", "the values differ from what the script makes of them")
	case err1 != nil || err2 != nil || !until.After(from):
		return r.refuse("order.window", "an order names from when until when its ceremony may begin")
	case s.scriptWithdrawn(b.Script):
		return r.refuse("script.withdrawn", "the script was withdrawn: %s", s.Scripts[b.Script].Withdrawn)
	case b.Paper != "" && len(unhex(b.Paper)) != len(ledger.Hash{}):
		return r.refuse("order.paper", "%q is not the SHA-256 of a paper", b.Paper)
	}
	if err := s.checkPeople(r, p, b.People); err != nil {
		return err
	}
	if owner := plan.Values["owner"]; owner != "" && owner != b.Owner {
		return r.refuse("order.owner", "the order names %q as owner, and its values %q", b.Owner, owner)
	}
	if err := s.apart(r, b.Approver, b.Owner, b.People); err != nil {
		return err
	}
	if err := s.orderSigned(r, b, p.founding && s.People[b.Approver] == nil && !s.founded(), r.Prev); err != nil {
		return err
	}
	s.Orders = append(s.Orders, &Order{Body: *b, Leaf: r.Leaf, Prev: r.Prev, Seq: r.Seq})
	return nil
}

// apart: who orders a ceremony on a key neither owns that key nor acts as an
// officer, and no officer owns it (REQ-23, PCI DSS 3.7.6).
func (s *State) apart(r *record, approver, owner string, people []Part) error {
	if approver != "" && approver == owner {
		return r.refuse("role.conflict", "%s cannot order a ceremony on a key of their own", approver)
	}
	for _, part := range people {
		switch {
		case approver != "" && part.Person == approver && part.Role != "approver":
			return r.refuse("role.conflict", "%s orders this ceremony and cannot act in it as %s", approver, part.Role)
		case owner != "" && part.Person == owner && part.Role != "owner":
			return r.refuse("role.conflict", "%s owns the key and cannot act as %s", owner, part.Role)
		}
	}
	return nil
}

// orderSigned claims the one signature under an order: of the approver, or of
// the witness who took it in from paper.
func (s *State) orderSigned(r *record, b *Ordered, nobody bool, prev ledger.Hash) error {
	if nobody && len(b.Signatures) == 0 {
		if b.Paper == "" {
			return r.refuse("order.signature", "before the approver is enrolled an order is on paper, and nobody can sign it here")
		}
		return nil
	}
	h := s.People[b.Approver]
	if h == nil || !slices.Contains(h.Body.Roles, "approver") {
		return r.refuse("order.approver", "%q is not enrolled as approver", b.Approver)
	}
	roles, err := s.signedBy(r, b.Signatures, func(site string) ([]byte, error) { return OrderMessage(*b, prev, site) })
	if err != nil {
		return err
	}
	want := "approver"
	if b.Paper != "" {
		want = "witness"
	}
	if !slices.Equal(roles, []string{want}) || want == "approver" && b.Signatures[0].Person != b.Approver {
		return r.refuse("order.signature", "an order is signed by the approver who gives it, or by the witness who took its paper in; %v signed", roles)
	}
	return nil
}

// founded says whether the site's opening has come to its end: from then on an
// approver is enrolled.
func (s *State) founded() bool {
	return slices.ContainsFunc(s.Ceremonies, func(p *Progress) bool { return p.founding && p.Status == SealedStatus })
}

// goesOn: a stopped ceremony is resumed in its order's window, or on a further
// order for the same.
func (s *State) goesOn(r *record, p *Progress, at time.Time) error {
	if p.anew {
		return s.checkOrder(r, &p.Body, at)
	}
	if o := s.OrderOf(p); o != nil {
		if err := o.Body.open(at); err != nil {
			return r.refuse("order.window", "%v; the rest is ordered anew, and the ceremony resumed on that order", err)
		}
	}
	return nil
}

// checkOrder: a ceremony that names an order is the one that was ordered.
func (s *State) checkOrder(r *record, b *Started, at time.Time) error {
	if b.Order == "" {
		if !s.Site.Practice {
			return r.refuse("order.missing", "a real ceremony runs on an order")
		}
		return nil
	}
	o := s.order(b.Order)
	switch {
	case o == nil:
		return r.refuse("order.unknown", "no order with the leaf %s was given", b.Order)
	case o.Used != "":
		return r.refuse("order.used", "ceremony %s was held on this order; each order is used once", o.Used)
	case o.Withdrawn != "":
		return r.refuse("order.withdrawn", "the order was withdrawn: %s", o.Withdrawn)
	case o.Body.Script != b.Script:
		return r.refuse("order.script", "the order is for the script %s…, and this one is %s…: not the same bytes", o.Body.Script.String()[:16], b.Script.String()[:16])
	case o.Body.Token != b.Token:
		return r.refuse("order.token", "the order is for token %q, and this is %q", o.Body.Token, b.Token)
	}
	if !maps.Equal(o.Body.Parameters, b.Parameters) {
		for _, name := range sortedKeys(o.Body.Parameters) {
			if want, have := o.Body.Parameters[name], b.Parameters[name]; want != have {
				return r.refuse("order.parameters", "the order says %s %q, and here it is %q", name, want, have)
			}
		}
	}
	if !slices.Equal(o.Body.People, b.People) {
		return r.refuse("order.people", "other people take part than the order names")
	}
	if err := o.Body.open(at); err != nil {
		return r.refuse("order.window", "%v", err)
	}
	return nil
}

// scriptRegistered and scriptWithdrawn: what an approver may order here.
func (s *State) scriptRegistered(r *record, b *ScriptRegistered) error {
	src, err := s.blobs(b.Script)
	if err != nil {
		return r.refuse("script.invalid", "the script %s is not stored", b.Script)
	}
	plan, err := script.Parse(src, s.KnownKinds())
	switch {
	case r.Ceremony != "":
		return r.refuse("order.place", "a script is registered outside of ceremonies")
	case err != nil:
		return r.refuse("script.invalid", "%v", err)
	case plan.Name != b.Name || plan.Title != b.Title || plan.Version != b.Version:
		return r.refuse("script.invalid", "the script calls itself %s, version %d", plan.Name, plan.Version)
	}
	if err := s.byApprover(r, b.Signatures, *b); err != nil {
		return err
	}
	s.Scripts[b.Script] = &RegisteredScript{Body: *b, Leaf: r.Leaf}
	return nil
}

func (s *State) scriptIsWithdrawn(r *record, b *ScriptWithdrawn) error {
	if r.Ceremony != "" {
		return r.refuse("order.place", "a script is withdrawn outside of ceremonies")
	}
	if b.Reason == "" {
		return r.refuse("script.reason", "a reason is missing")
	}
	if err := s.byApprover(r, b.Signatures, *b); err != nil {
		return err
	}
	if b.Order != "" {
		o := s.order(b.Order)
		if o == nil || o.Body.Script != b.Script || o.Used != "" || o.Withdrawn != "" {
			return r.refuse("order.unknown", "no order with the leaf %s stands", b.Order)
		}
		o.Withdrawn = b.Reason
		return nil
	}
	sc := s.Scripts[b.Script]
	if sc == nil {
		sc = &RegisteredScript{}
		s.Scripts[b.Script] = sc
	}
	sc.Withdrawn = b.Reason
	return nil
}

func (s *State) byApprover(r *record, signatures []SignedBy, body any) error {
	roles, err := s.signedBy(r, signatures, func(site string) ([]byte, error) { return bodyMessage(signoff.Order, body, "", r.Prev, site) })
	if err != nil {
		return err
	}
	if !slices.Equal(roles, []string{"approver"}) {
		return r.refuse("order.approver", "an approver signs this, and %v signed", roles)
	}
	return nil
}

// OrderMessage gives the bytes that are signed under an order.
func OrderMessage(b Ordered, prev ledger.Hash, site string) ([]byte, error) {
	return bodyMessage(signoff.Order, b, "", prev, site)
}

// bodyMessage is what people sign of a record: its body without signatures, plus
// ceremony, prev and site (DESIGN, signed bytes).
func bodyMessage(purpose string, body any, ceremony string, prev ledger.Hash, site string) ([]byte, error) {
	raw, err := ledger.Encode(body)
	if err != nil {
		return nil, fmt.Errorf("couldn't encode what is signed: %w", err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("couldn't encode what is signed: %w", err)
	}
	signed := map[string]any{"ceremony": ceremony, "prev": prev, "site": site}
	for name, v := range fields {
		if name != "signature" && name != "signatures" {
			signed[name] = v
		}
	}
	return unsignedMessage(purpose, signed)
}

// OrderPlan is what an approver orders.
type OrderPlan struct {
	Plan
	Approver, Owner, Reference string
	From, Until                time.Time
	// Paper: the order was signed by hand, and Witness types its SHA-256.
	Paper   bool
	Witness string
}

// Order records an order: the approver reads it and signs with the enrolled key,
// or a witness takes it in from paper. It gives the leaf by which Hold names it.
func (e *Engine) Order(ctx context.Context, o OrderPlan) (ledger.Hash, error) {
	if e.state.Open != nil {
		return ledger.Hash{}, fmt.Errorf("ceremony %s is under way; order when it has ended", e.state.Open.Number)
	}
	parsed, err := script.Parse(o.Script, e.state.KnownKinds())
	if err != nil {
		return ledger.Hash{}, err
	}
	bound, err := parsed.Bind(o.Parameters)
	if err != nil {
		return ledger.Hash{}, err
	}
	b := Ordered{Approver: o.Approver, From: ledger.FormatTime(o.From), Owner: o.Owner, Parameters: bound.Values, People: o.People, Reference: o.Reference,
		Script: ledger.BlobHash(o.Script), Signatures: []SignedBy{}, Token: o.Token, Until: ledger.FormatTime(o.Until)}
	p := Prompt{Kind: AskConfirm, Title: "Order this ceremony", Verb: "Go on to the signature", Facts: e.state.OrderFacts(b, bound),
		Text: "Exactly this may be held, once. One byte of the script or one value changed, and it does not run."}
	signer, role := o.Approver, "approver"
	if o.Paper {
		signer, role = o.Witness, "witness"
		p.Kind, p.Title, p.Verb = AskForm, "Take in an order on paper", "Record the order"
		p.Text = "The paper was signed by hand. The witness types its SHA-256, as another machine computed it from the scanned paper."
		p.Fields = []Field{{Name: "paper", Label: "SHA-256 of the signed paper", Type: "text", Hint: "64 characters, 0 to 9 and a to f, as another machine computed it from the scan; blanks allowed", Max: 100}}
	}
	if h := e.state.People[signer]; h != nil {
		p.Who, p.Role = e.state.Someone(signer), role
	}
	for {
		a, err := e.askOutside(ctx, p)
		if err != nil {
			return ledger.Hash{}, err
		}
		a.Secret.Wipe()
		if !o.Paper {
			break
		}
		b.Paper = strings.ToLower(strings.Join(strings.Fields(a.Fields["paper"]), ""))
		if len(unhex(b.Paper)) == len(ledger.Hash{}) {
			break
		}
		p.Fields[0].Value = a.Fields["paper"]
		p.Problem = typedProblem(p.Fields[0].Label, fmt.Errorf("these are %d characters, and it has 64, all of them 0 to 9 or a to f", len([]rune(b.Paper))))
	}
	if e.state.People[o.Approver] != nil || e.state.founded() {
		sg, err := e.signOutside(ctx, signer, role, "It signs the order.", func() ([]byte, error) { return OrderMessage(b, e.head.Last, e.state.Site.ID) })
		if err != nil {
			return ledger.Hash{}, err
		}
		b.Signatures = []SignedBy{sg}
	}
	records, err := e.appendAs(ctx, "", [][]byte{o.Script}, Entry{OrderedKind, b})
	if err != nil {
		return ledger.Hash{}, told(err)
	}
	return records[0].Leaf, nil
}

// HoldOrdered holds the ceremony that an order names, exactly as it names it.
func (e *Engine) HoldOrdered(ctx context.Context, leaf ledger.Hash) error {
	o := e.state.order(leaf.String())
	if o == nil {
		return fmt.Errorf("no order with the leaf %s was given", leaf)
	}
	src, err := e.store.Blob(ctx, o.Body.Script)
	if err != nil {
		return fmt.Errorf("couldn't read the script that was ordered: %w", err)
	}
	return e.Hold(ctx, Plan{Script: src, Parameters: o.Body.Parameters, People: o.Body.People, Token: o.Body.Token, Order: leaf.String()})
}

// Renewed gives the standing order for the rest of a stopped ceremony, nil where
// its own order is good still or no other was given.
func (s *State) Renewed(p *Progress, at time.Time) *Order {
	if o := s.OrderOf(p); o == nil || o.Body.open(at) == nil {
		return nil
	}
	for _, o := range s.StandingOrders(at) {
		if o.Body.Script == p.Body.Script && o.Body.Token == p.Body.Token && maps.Equal(o.Body.Parameters, p.Body.Parameters) && slices.Equal(o.Body.People, p.Body.People) {
			return o
		}
	}
	return nil
}

// RegisterScript makes a script one that this site may order, signed by an
// approver; Withdraw takes it, or one order, out of use again.
func (e *Engine) RegisterScript(ctx context.Context, source []byte, approver string) error {
	plan, err := script.Parse(source, e.state.KnownKinds())
	if err != nil {
		return err
	}
	b := ScriptRegistered{Name: plan.Name, Script: ledger.BlobHash(source), Title: plan.Title, Version: plan.Version}
	sg, err := e.signOutside(ctx, approver, "approver", "It signs that this site may order the script "+plan.Name+".", func() ([]byte, error) {
		return bodyMessage(signoff.Order, b, "", e.head.Last, e.state.Site.ID)
	})
	if err != nil {
		return err
	}
	b.Signatures = []SignedBy{sg}
	_, err = e.appendAs(ctx, "", [][]byte{source}, Entry{ScriptRegisteredKind, b})
	return told(err)
}

func (e *Engine) Withdraw(ctx context.Context, hash ledger.Hash, order, approver, reason string) error {
	b := ScriptWithdrawn{Order: order, Reason: reason, Script: hash}
	sg, err := e.signOutside(ctx, approver, "approver", "It signs the withdrawal.", func() ([]byte, error) {
		return bodyMessage(signoff.Order, b, "", e.head.Last, e.state.Site.ID)
	})
	if err != nil {
		return err
	}
	b.Signatures = []SignedBy{sg}
	_, err = e.appendAs(ctx, "", nil, Entry{ScriptWithdrawnKind, b})
	return told(err)
}

// signOutside has somebody sign a record that stands outside of ceremonies.
func (e *Engine) signOutside(ctx context.Context, person, role, what string, message func() ([]byte, error)) (SignedBy, error) {
	h := e.state.People[person]
	if h == nil {
		return SignedBy{}, &Problem{Happened: fmt.Sprintf("%q is not enrolled.", person), Safe: "Nothing was recorded.", Do: "Name somebody who is."}
	}
	key, err := e.askKey(ctx, h, role, what)
	if err != nil {
		return SignedBy{}, err
	}
	defer key.Wipe()
	msg, err := message()
	if err != nil {
		return SignedBy{}, err
	}
	return SignedBy{Key: h.Leaf, Person: person, Role: role, Signature: hex.EncodeToString(key.Sign(msg))}, nil
}

// told puts a refusal into the three lines that people read, and keeps it.
func told(err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	return &wrapped{&Problem{Happened: "This cannot be done: " + refusal.Why + ".", Safe: "Nothing was recorded and nobody was asked.", Do: "Mend what it says, or have it ordered anew.", Code: refusal.Rule}, err}
}

// OrderFacts says an order as people read it before they sign.
func (s *State) OrderFacts(b Ordered, plan *script.Bound) []Fact {
	out := []Fact{{Label: "Ceremony", Value: fmt.Sprintf("%s (%s, version %d)", plan.Title, plan.Name, plan.Version)},
		{Label: "Script", Value: b.Script.String(), Style: "hash"}}
	for _, par := range plan.Parameters {
		out = append(out, Fact{Label: par.Ask, Value: b.Parameters[par.Name]})
	}
	for _, part := range b.People {
		out = append(out, Fact{Label: roleInWords(part.Role), Value: s.Someone(part.Person).Name})
	}
	for _, l := range [][2]string{{"Token", b.Token}, {"Owner", s.Someone(b.Owner).Name}, {"Reference", b.Reference}} {
		if l[1] != "" {
			out = append(out, Fact{Label: l[0], Value: l[1]})
		}
	}
	return append(out, Fact{Label: "May be held", Value: minuteUTC(b.From) + " to " + minuteUTC(b.Until) + " UTC"})
}

// roleInWords is a role at the beginning of a line.
func roleInWords(role string) string {
	said := script.RoleWords(role)
	return strings.ToUpper(said[:1]) + said[1:]
}

// minuteUTC says a time of the record as people write it, or as it stands.
func minuteUTC(recorded string) string {
	t, err := ledger.ParseTime(recorded)
	if err != nil {
		return recorded
	}
	return t.Format("2 Jan 2006 15:04")
}

// givenOrder judges the order that a report's context restates, and claims its
// signature again.
func (s *State) givenOrder(r *record) error {
	p := s.Open
	if err := s.goesOn(r, p, s.Time); err != nil {
		return err
	}
	o := s.OrderOf(p)
	if o == nil {
		return nil
	}
	return s.orderSigned(r, &o.Body, p.founding, o.Prev)
}

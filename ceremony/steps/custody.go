package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"claviger/ceremony"
	"claviger/ceremony/script"
	"claviger/ledger"
)

// custody handles what is kept in bags: each thing is looked at, moved, opened,
// bagged, taken in, called lost or destroyed under the eyes of a witness. Without
// more the people choose; "with: { do, item }" names one act of one thing.
type custody struct{ noActs }

// What can be done to an item.
const (
	doCheck   = "look at its bag"
	doMove    = "hand it to another holder"
	doOpen    = "open its bag"
	doClose   = "put it into a new bag"
	doTakeIn  = "take a new thing into custody"
	doLose    = "call it lost"
	doDestroy = "destroy it"
	doneHere  = "nothing more"
)

// acts by the words of a script.
var custodyActs = map[string]string{"check": doCheck, "move": doMove, "open": doOpen, "close": doClose, "lose": doLose, "destroy": doDestroy}

func (custody) Name() string { return ceremony.CustodyStep }
func (custody) Version() int { return 1 }
func (custody) Doc() string {
	return "Cards, safe keys, media and devices are checked in their bags, moved, opened, bagged again, called lost or destroyed, each by its holder with a witness."
}

func (custody) Play(w *ceremony.World, st script.Step) error {
	if !w.PeopleKnown {
		return fmt.Errorf("nobody is known yet")
	}
	do, item := st.With["do"], st.With["item"]
	switch {
	case do == "" && item == "":
		return nil
	case custodyActs[do] == "" || item == "":
		return fmt.Errorf("do is check, move, open, close, lose or destroy, and item names the thing")
	case do == "open" && w.OutOfBag[item] != "":
		return fmt.Errorf("%s is out of its bag since step %q", item, w.OutOfBag[item])
	case do == "open":
		w.OutOfBag[item] = st.ID
	case do == "close" && w.OutOfBag[item] == "":
		return fmt.Errorf("no step before opens the bag of %s", item)
	case w.OutOfBag[item] != "" && (do == "check" || do == "move"):
		return fmt.Errorf("%s is out of its bag since step %q", item, w.OutOfBag[item])
	case do != "check" && do != "move":
		delete(w.OutOfBag, item)
	}
	return nil
}

func (custody) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	here := func(people ...string) error {
		for _, p := range people {
			if !s.Open.Present[p] {
				return broken("presence.absent", "%s is not present", s.Someone(p).Name)
			}
		}
		return nil
	}
	switch b := body.(type) {
	case *ceremony.ItemChecked:
		return nil
	case *ceremony.ItemSealed:
		if !b.Intent.IsZero() {
			return broken("result.intent", "custody needs no intent")
		}
		return here(b.Person)
	case *ceremony.ItemOpened:
		return here(b.Person)
	case *ceremony.ItemMoved:
		return here(b.From, b.To)
	case *ceremony.ItemLost:
		return here(b.Person)
	case *ceremony.ItemDestroyed:
		return here(b.Person)
	case *ceremony.Result:
		switch {
		case !isFinish(b):
			return foreign(st, r)
		case len(b.Facts) == 0:
			return broken("custody.nothing", "it is not said what was handled")
		case st.With["do"] == "" && len(s.Unbagged()) > 0:
			return broken("custody.unbagged", "%s is out of its bag", s.Unbagged()[0])
		}
		if name := s.Open.FailedCheck(); name != "" {
			return broken("custody.failed", "the check of %s failed, and no deviation has decided about it", name)
		}
		return nil
	}
	return foreign(st, r)
}

func (custody) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	if err := decideBags(ctx, env); err != nil {
		return err
	}
	var lines []ceremony.Line
	seen := map[string]bool{}
	one := custodyActs[st.With["do"]]
	for {
		do, item := one, st.With["item"]
		if one == "" {
			var err error
			if do, item, err = nextThing(ctx, env, seen); err != nil {
				return err
			}
		}
		if do == doneHere {
			break
		}
		told, err := handle(ctx, env, do, item)
		var refused *ceremony.Refusal
		if errors.As(err, &refused) {
			// A rule speaks to people here: they choose another way.
			told, err = "", refuse(ctx, env, refused)
		}
		if err != nil {
			return err
		}
		if told != "" {
			seen[item] = true
			lines = append(lines, line(cmp.Or(item, "Taken in"), told))
		}
		if one != "" && told != "" {
			return finish(ctx, env, st, lines...)
		}
	}
	for _, name := range env.State().Unbagged() {
		if err := putBack(ctx, env, name); err != nil {
			return err
		}
		lines = append(lines, line(name, "in its new bag "+env.State().Items[name].Bag))
	}
	if lines == nil {
		lines = []ceremony.Line{line("Items", "none was handled")}
	}
	return finish(ctx, env, st, lines...)
}

// refuse tells people which rule stands against it.
func refuse(ctx context.Context, env ceremony.Env, r *ceremony.Refusal) error {
	_, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "That is not allowed", Verb: "Choose otherwise",
		Problem: &ceremony.Problem{Happened: sentence(r.Why), Safe: "Nothing was recorded.", Do: "Choose another thing, another person, or stop the ceremony.", Code: r.Rule}})
	return err
}

// things lists what is still in somebody's hands.
func things(s *ceremony.State) []string {
	var out []string
	for name, it := range s.Items {
		if it.State == ceremony.InCustody || it.State == ceremony.OutOfBag {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// nextThing asks what is handled next; it proposes to look at each bag in turn.
func nextThing(ctx context.Context, env ceremony.Env, seen map[string]bool) (do, item string, err error) {
	all := things(env.State())
	left := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return seen[n] })
	// What holds a key, or opens something, ends in a ceremony of its own.
	ends := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return !env.State().EndsInCustody(env.State().Items[n]) })
	acts := []string{doCheck, doMove, doOpen, doClose, doTakeIn, doLose, doDestroy, doneHere}
	if len(ends) == 0 {
		acts = slices.DeleteFunc(acts, func(a string) bool { return a == doDestroy })
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Choose what is handled next", Text: fmt.Sprintf("%d things are in custody here; %d were not handled yet.", len(all), len(left)),
		Fields: []ceremony.Field{
			{Name: "do", Label: "What is done", Type: "text", Of: acts, Value: doneHere, Max: 40},
			{Name: "item", Label: "With what", Type: "text", Of: all, Max: 120, Optional: true, When: "do", Is: []string{doCheck, doMove, doOpen, doClose, doLose}},
			{Name: "end", Label: "What is destroyed", Type: "text", Of: ends, Max: 120, Optional: true, When: "do", Is: []string{doDestroy}},
		}}
	if len(left) > 0 {
		p.Fields[0].Value, p.Fields[1].Value = doCheck, left[0]
	}
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return "", "", err
		}
		if do, item = a["do"], a["item"]; do == doDestroy {
			item = a["end"]
		}
		switch {
		case do == doneHere, do == doTakeIn:
			return do, "", nil
		case item != "":
			return do, item, nil
		}
		p.Problem = &ceremony.Problem{Happened: "It is not said which thing.", Safe: "Nothing was recorded.", Do: "Choose one of the list."}
	}
}

// handle does one act of one thing and tells it in words; "" where nothing was
// done.
func handle(ctx context.Context, env ceremony.Env, do, item string) (string, error) {
	s := env.State()
	if do == doTakeIn {
		return takeIn(ctx, env)
	}
	it := s.Items[item]
	if it == nil {
		return "", &ceremony.Problem{Happened: fmt.Sprintf("No %q is in custody here.", item), Safe: "Nothing was recorded.", Do: "Look at the list of items, and correct the script."}
	}
	switch do {
	case doCheck:
		return checkBag(ctx, env, it)
	case doMove:
		return move(ctx, env, it)
	case doOpen:
		if _, err := takeOut(ctx, env, it, "custody"); err != nil {
			return "", err
		}
		return "its bag " + it.Bag + " was opened", nil
	case doClose:
		if err := putBack(ctx, env, item); err != nil {
			return "", err
		}
		return "in its new bag " + env.State().Items[item].Bag, nil
	case doLose:
		if err := lose(ctx, env, it); err != nil {
			return "", err
		}
		return "lost, as its holder states", nil
	}
	return destroyItem(ctx, env, it)
}

// checkBag compares a bag with the record. Another number, read twice, or a
// broken seal is a failure, and a deviation decides what follows.
func checkBag(ctx context.Context, env ceremony.Env, it *ceremony.Item) (string, error) {
	s := env.State()
	w := witness(s)
	p := ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(w), Role: "witness", Title: "Look at the bag of " + it.Name,
		Text:   "Read the number from the bag itself, and look at its seal.",
		Facts:  facts([]ceremony.Line{line("Item", it.Name), line("Held by", s.Someone(it.Holder).Name), line("Kept, as stated", it.Place), mono(bagInRecord, it.Bag)}),
		Fields: []ceremony.Field{{Name: "bag", Label: "Number on the bag", Type: "bag", Max: 40}, {Name: "seal", Label: "Its seal", Type: "text", Of: []string{sealIntact, sealBroken, "could not be seen"}, Max: 20}}}
	last := ""
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return "", err
		}
		if bag := a["bag"]; bag != it.Bag && bag != last {
			last = bag
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("The record has bag %s, and bag %s was read.", it.Bag, bag), Safe: "Nothing was recorded.", Do: "Read it again from the bag. If it is another bag, type it once more: the check fails."}
			continue
		}
		b := ceremony.ItemChecked{Bag: it.Bag, Item: it.Name, Method: "bag", Person: it.Holder, Read: a["bag"], Result: ceremony.Pass, Witness: w}
		switch {
		case a["bag"] != it.Bag || a["seal"] == sealBroken:
			b.Result = ceremony.Fail
		case a["seal"] != sealIntact:
			b.Result = ceremony.UnknownIfAny
		}
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemCheckedKind, Body: b}}); err != nil {
			return "", err
		}
		return fmt.Sprintf("bag %s read, seal %s: %s", a["bag"], a["seal"], b.Result), decideBags(ctx, env)
	}
}

// decideBags waits for people to decide about a bag that is not as the record has it.
func decideBags(ctx context.Context, env ceremony.Env) error {
	for env.State().Open.FailedCheck() != "" {
		name := env.State().Open.FailedCheck()
		if _, err := env.Ask(ctx, ceremony.Prompt{Kind: ceremony.AskConfirm, Title: "The check failed", Verb: "Look again", Facts: facts([]ceremony.Line{line("Item", name)}),
			Problem: &ceremony.Problem{Happened: "The bag of " + name + " is not as the record has it.", Safe: "What was found is recorded.", Do: "Note a deviation that says who decides what follows, or stop the ceremony."}}); err != nil {
			return err
		}
	}
	return nil
}

// move hands an item, in its bag, to another person of the room.
func move(ctx context.Context, env ceremony.Env, it *ceremony.Item) (string, error) {
	s := env.State()
	w := witness(s)
	var to []string
	for _, part := range s.Open.Body.People {
		if part.Person != it.Holder && part.Role != "witness" && part.Role != "observer" && s.Open.Present[part.Person] {
			to = append(to, part.Person)
		}
	}
	a, err := askAll(ctx, env, ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(w), Role: "witness", Title: "Hand over " + it.Name,
		Text:  "The bag stays closed. Its number is read aloud by the one who takes it.",
		Facts: facts([]ceremony.Line{line("Item", it.Name), line("Held by", s.Someone(it.Holder).Name), mono(bagInRecord, it.Bag)}),
		Fields: []ceremony.Field{{Name: "to", Label: "New holder", Type: "text", Of: to, Max: 40}, {Name: "bag", Label: "Number on the bag", Type: "bag", Max: 40},
			{Name: "kept", Label: "Where it is kept from now, as stated", Type: "text", Max: 120}}})
	if err != nil {
		return "", err
	}
	b := ceremony.ItemMoved{Bag: a["bag"], From: it.Holder, Item: it.Name, Place: a["kept"], To: a["to"], Witness: w}
	if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemMovedKind, Body: b}}); err != nil {
		return "", err
	}
	return fmt.Sprintf("from %s to %s, in bag %s", s.Someone(b.From).Name, s.Someone(b.To).Name, b.Bag), nil
}

// takeIn brings a safe key, a medium, a device or a vendor's card into custody.
// The cards of share sets come into it as they are handed out.
func takeIn(ctx context.Context, env ceremony.Env) (string, error) {
	s := env.State()
	var holders []string
	for _, part := range s.Open.Body.People {
		if part.Role != "witness" && part.Role != "observer" && s.Open.Present[part.Person] {
			holders = append(holders, part.Person)
		}
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Take a thing into custody", Text: "It goes into a bag in front of everyone. Give it the name by which it is known from now on.",
		Fields: []ceremony.Field{
			{Name: "kind", Label: "What it is", Type: "text", Of: []string{ceremony.SafeKeyItem, ceremony.MediumItem, ceremony.QuorumCardItem, ceremony.HSMItem, ceremony.LaptopItem}, Max: 20},
			{Name: "item", Label: "Its name", Type: "text", Max: 80},
			{Name: "holder", Label: "Holder", Type: "text", Of: holders, Max: 40},
			{Name: "kept", Label: "Where it is kept, as stated", Type: "text", Max: 120},
			{Name: "bag", Label: "Bag number", Type: "bag", Max: 40},
		}}
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return "", err
		}
		p.Problem = bagProblem(s, a["bag"])
		if s.Items[a["item"]] != nil || isCard(a["item"]) {
			p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("%q is taken, or is how a card of a set is called.", a["item"]), Safe: "Nothing was recorded.", Do: "Give it another name."}
		}
		if p.Problem != nil {
			continue
		}
		b := ceremony.ItemSealed{Bag: a["bag"], Item: a["item"], Kind: a["kind"], Person: a["holder"], Place: a["kept"], Witness: witness(s)}
		if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemSealedKind, Body: b}}); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, %s, held by %s in bag %s", b.Item, b.Kind, s.Someone(b.Person).Name, b.Bag), nil
	}
}

// destroyItem ends an item that is no copy of a key: those end in a destruction.
func destroyItem(ctx context.Context, env ceremony.Env, it *ceremony.Item) (string, error) {
	s := env.State()
	w := witness(s)
	a, err := askAll(ctx, env, ceremony.Prompt{Kind: ceremony.AskForm, Who: s.Someone(w), Role: "witness", Title: "Destroy " + it.Name, Irreversible: true,
		Text:  s.Someone(it.Holder).Name + " destroys it where everyone sees it. Write down what you saw; what nobody could verify is UNKNOWN.",
		Facts: facts([]ceremony.Line{line("Item", it.Name), line("Held by", s.Someone(it.Holder).Name), mono("Bag", it.Bag)}),
		Fields: []ceremony.Field{
			{Name: "category", Label: "Category (NIST SP 800-88)", Type: "text", Of: []string{"destroy", "purge", "clear"}, Max: 10},
			{Name: "method", Label: "Method", Type: "text", Hint: "shredded to 2 mm", Max: 200},
			{Name: "tool", Label: "Tool", Type: "text", Max: 200},
			{Name: "verification", Label: "How it was verified, and by whom", Type: "text", Max: 200},
			{Name: "result", Label: "Verdict", Type: "text", Of: []string{ceremony.Pass, ceremony.Fail, ceremony.UnknownIfAny}, Max: 10},
		}})
	if err != nil {
		return "", err
	}
	b := ceremony.ItemDestroyed{Category: a["category"], Item: it.Name, Method: a["method"], Person: it.Holder, Result: a["result"], Tool: a["tool"], Verification: a["verification"], Witness: w}
	if err := env.Record(ctx, []ceremony.Entry{{Kind: ceremony.ItemDestroyedKind, Body: b}}); err != nil {
		return "", err
	}
	return fmt.Sprintf("destroyed: %s, %s", b.Method, b.Result), nil
}

// closingBags has whatever lies open put into a bag, and notes into which bags HSM,
// laptop and ledger media go when the report is made: after the seal nothing more can
// be typed.
type closingBags struct{ noActs }

func (closingBags) Name() string { return ceremony.ClosingBagsStep }
func (closingBags) Version() int { return 1 }
func (closingBags) Doc() string {
	return "What lies open goes into a bag; the numbers of the bags for what is packed after the report (HSM, laptop, ledger media) are read and written down."
}

func (closingBags) Play(w *ceremony.World, st script.Step) error {
	if len(closing(st)) == 0 {
		return fmt.Errorf(`it does not say what is bagged (with: { things: "HSM, laptop" })`)
	}
	clear(w.OutOfBag)
	return nil
}

// closing lists what a step's bags are for.
func closing(st script.Step) []string {
	var out []string
	for _, t := range strings.Split(st.With["things"], ",") {
		if t = strings.TrimSpace(t); t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func (closingBags) Check(s *ceremony.State, st script.Step, r ledger.Record, body any) error {
	if sealed, ok := body.(*ceremony.ItemSealed); ok && s.Items[sealed.Item] != nil {
		return nil
	}
	b, ok := body.(*ceremony.Result)
	if !ok || !isFinish(b) {
		return foreign(st, r)
	}
	if out := s.Unbagged(); len(out) > 0 {
		return broken("custody.unbagged", "%s is out of its bag", out[0])
	}
	used := map[string]string{}
	for _, thing := range closing(st) {
		bag := value(b.Facts, ceremony.ClosingBag(thing))
		switch other := s.Bagged(bag); {
		case bag == "":
			return broken("custody.bag", "the bag of %s has no number", thing)
		case used[bag] != "":
			return broken("custody.bag-used", "bag %s is named for %s, too", bag, used[bag])
		case other != "":
			return broken("custody.bag-used", "bag %s was used for %s; a bag is used once", bag, other)
		}
		used[bag] = thing
	}
	return nil
}

func (closingBags) Do(ctx context.Context, env ceremony.Env, st script.Step) error {
	for _, name := range env.State().Unbagged() {
		if err := putBack(ctx, env, name); err != nil {
			return err
		}
	}
	p := ceremony.Prompt{Kind: ceremony.AskForm, Title: "Read the numbers of the bags for the end", Text: "They stay open until the report is made and the ledger is copied. The witness reads each number aloud."}
	for i, thing := range closing(st) {
		p.Fields = append(p.Fields, ceremony.Field{Name: fmt.Sprintf("bag-%d", i+1), Label: "Bag for " + thing, Type: "bag", Hint: bagHint(env.State()), Max: 40})
	}
	for {
		a, err := askAll(ctx, env, p)
		if err != nil {
			return err
		}
		var lines []ceremony.Line
		used := map[string]bool{}
		p.Problem = nil
		for i, thing := range closing(st) {
			bag := a[p.Fields[i].Name]
			if p.Fields[i].Value = bag; p.Problem == nil {
				p.Problem = bagProblem(env.State(), bag)
			}
			if p.Problem == nil && used[bag] {
				p.Problem = &ceremony.Problem{Happened: fmt.Sprintf("Bag %s was just read for another thing.", bag), Safe: "Nothing was recorded.", Do: "Take another bag."}
			}
			used[bag] = true
			lines = append(lines, mono(ceremony.ClosingBag(thing), bag))
		}
		if p.Problem == nil {
			return finish(ctx, env, st, lines...)
		}
	}
}

package script

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ValueError says which value of an order does not fit and what would.
type ValueError struct {
	Parameter, Value string // as typed
	Expected         string
	unknown          bool // there is no such parameter
}

func (e *ValueError) Error() string {
	if e.unknown {
		return fmt.Sprintf("there is no parameter %s: give %s", quote(e.Parameter), e.Expected)
	}
	if e.Value == "" {
		return fmt.Sprintf("%s has no value: give %s", e.Parameter, e.Expected)
	}
	return fmt.Sprintf("%s is %s: give %s", e.Parameter, quote(e.Value), e.Expected)
}

// valueType is what a value of one type looks like, and how that is said.
type valueType struct {
	ok       func(string) bool
	expected string
	example  string
}

func valueTypes() map[string]valueType {
	return map[string]valueType{
		"label":  {labelForm.MatchString, "1 to 32 letters, digits, dots, dashes or underscores, a letter or digit first", "a-key"},
		"key":    {labelForm.MatchString, "the label of a key: 1 to 32 letters, digits, dots, dashes or underscores", "a-key"},
		"choice": {func(string) bool { return true }, "a choice", ""},
		"person": {isName, "a person's id: small letters, digits and dashes, a letter first", "a-person"},
		"set":    {setForm.MatchString, `the name of a share set: the first two groups of its cards, as in "QYPZ 4XNR"`, "QQQQ QQQQ"},
		"period": {func(s string) bool { _, err := ParsePeriod(s); return err == nil }, "a period: 2y, 18m or 90d", "1d"},
		"date":   {isDate, "a date: 2026-11-22", "2026-11-22"},
		"serial": {serialForm.MatchString, "a serial number: 1 to 16 characters without blanks", "1"},
		"bag":    {bagForm.MatchString, "a bag number: 3 to 32 capital letters, digits and dashes", "A-1"},
		"count":  {isCount, fmt.Sprintf("a whole number from 1 to %d", maxCount), "1"},
		"text":   {isText, fmt.Sprintf("1 to %d characters on one line", maxValue), "-"},
	}
}

var (
	// A label is typed again to destroy its key, so it holds nothing that looks
	// like something else.
	labelForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)
	// Two groups of the bech32 alphabet (BIP 173), as printed on a card.
	setForm = regexp.MustCompile(`^[023456789ACDEFGHJKLMNPQRSTUVWXYZ]{4} [023456789ACDEFGHJKLMNPQRSTUVWXYZ]{4}$`)
	// CK_TOKEN_INFO.serialNumber has 16 characters (PKCS#11 v2.40, 3.2).
	serialForm = regexp.MustCompile(`^[!-~]{1,16}$`)
	bagForm    = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{2,31}$`)
	countForm  = regexp.MustCompile(`^[1-9][0-9]{0,3}$`)
	periodForm = regexp.MustCompile(`^([1-9][0-9]{0,3})([ymd])$`)
)

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func isCount(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && countForm.MatchString(s) && n <= maxCount
}

func isText(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxValue && strings.TrimSpace(s) == s && unseen(s) < 0
}

// check says whether value fits the parameter; nil if it does.
func (q Parameter) check(value string) *ValueError {
	fault := func(expected string) *ValueError {
		return &ValueError{Parameter: q.Name, Value: value, Expected: expected}
	}
	t := valueTypes()[q.Type]
	switch {
	case q.Type == "choice" && !slices.Contains(q.Of, value):
		return fault("one of " + strings.Join(q.Of, ", "))
	case value == "" || !t.ok(value):
		return fault(t.expected)
	case q.Ceiling != "" && q.above(value):
		return fault(q.Ceiling + " or less")
	}
	return nil
}

func (q Parameter) above(value string) bool {
	if q.Type == "count" {
		n, _ := strconv.Atoi(value)
		most, _ := strconv.Atoi(q.Ceiling)
		return n > most
	}
	p, _ := ParsePeriod(value)
	most, _ := ParsePeriod(q.Ceiling)
	// Years and months have no fixed length; counted from a year with no leap
	// day near, 1y is 365d and 12m.
	from := time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC)
	return p.From(from).After(most.From(from))
}

// Period is a length of time as a lifetime is agreed: years, months or days.
type Period struct{ Years, Months, Days int }

// ParsePeriod reads "2y", "18m" or "90d".
func ParsePeriod(s string) (Period, error) {
	m := periodForm.FindStringSubmatch(s)
	if m == nil {
		return Period{}, fmt.Errorf("%q is no period: give years, months or days, as in 2y, 18m or 90d", cut(s))
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return Period{}, fmt.Errorf("couldn't read the period %q: %w", cut(s), err)
	}
	switch m[2] {
	case "y":
		return Period{Years: n}, nil
	case "m":
		return Period{Months: n}, nil
	}
	return Period{Days: n}, nil
}

// String is a period as people say it.
func (p Period) String() string {
	say := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case p.Years > 0:
		return say(p.Years, "year")
	case p.Months > 0:
		return say(p.Months, "month")
	}
	return say(p.Days, "day")
}

// From is the end of a period that begins at t. A day that its month lacks moves
// into the next month, as time.Time.AddDate does.
func (p Period) From(t time.Time) time.Time { return t.AddDate(p.Years, p.Months, p.Days) }

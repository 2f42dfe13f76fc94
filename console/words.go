package console

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/socialpatra/keygate/internal/english"
)

// moment is an instant as people read it.
type moment struct {
	ISO  string // for machines: RFC 3339; "": there is none
	Full string // date and time, in UTC
	Text string // how far it is: "in 9 days"
}

const day = 24 * time.Hour

// moment returns an instant as seen from now. For nil it has only the given text.
func (v *visit) moment(t *time.Time, never string) moment {
	if t == nil {
		return moment{Text: never}
	}
	return momentAt(*t, v.at)
}

func momentAt(t, now time.Time) moment {
	return moment{t.UTC().Format(time.RFC3339), fullTime(t), away(t, now)}
}

func fullTime(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04") + " UTC" }

func date(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// away says how far an instant is from now.
func away(t, now time.Time) string {
	if ahead := t.Sub(now); ahead > 0 {
		return "in " + span(rounded(ahead))
	}
	gone := now.Sub(t)
	if gone < time.Minute {
		return "just now"
	}
	return span(gone) + " ago"
}

// rounded rounds a duration to minutes, hours or days, so that what was just chosen
// as 90 days does not show as 89.
func rounded(d time.Duration) time.Duration {
	switch {
	case d < 2*time.Hour-time.Minute/2:
		return d.Round(time.Minute)
	case d < 2*day-time.Hour/2:
		return d.Round(time.Hour)
	default:
		return d.Round(day)
	}
}

// span writes a duration in one unit: minutes below 2 hours, hours below 2 days, days
// below 120 days, months below 730 days, then years. It rounds down.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return english.Plural(int(d/time.Minute), "minute")
	case d < 2*day:
		return english.Plural(int(d/time.Hour), "hour")
	case d < 120*day:
		return english.Plural(int(d/day), "day")
	case d < 730*day:
		return english.Plural(int(d/(30*day)), "month")
	default:
		return english.Plural(int(d/(365*day)), "year")
	}
}

// number writes a number with commas: 10,000.
func number[T int | int64 | uint32 | uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// anyNumber is number for templates.
func anyNumber(n any) string {
	switch n := n.(type) {
	case int:
		return number(n)
	case int64:
		return number(n)
	case uint64:
		return number(n)
	}
	return fmt.Sprint(n)
}

// capital begins a text with a capital letter.
func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// lines returns what a field for several lines has, without what only divides
// them.
func lines(text string) []string {
	list := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// fields are the names of the settings of a key as people read them, in the order
// in which they are shown.
var fields = []struct{ name, label string }{
	{"name", "Name"},
	{"description", "Description"},
	{"scopes", "Access"},
	{"status", "Status"},
	{"expires_at", "Expiry"},
	{"limits", "Limits"},
	{"allowed_origins", "Websites"},
	{"allowed_ips", "Addresses"},
	{"replaced_by", "Rotated to"},
	{"rotated_from", "Rotated from"},
	{"revoked_at", "Revoked"},
}

func fieldPlace(name string) int {
	for i, f := range fields {
		if f.name == name {
			return i
		}
	}
	return len(fields)
}

func byFieldPlace(x, y string) int {
	return cmp.Or(cmp.Compare(fieldPlace(x), fieldPlace(y)), cmp.Compare(x, y))
}

func fieldLabel(name string) string {
	if i := fieldPlace(name); i < len(fields) {
		return fields[i].label
	}
	return capital(strings.ReplaceAll(name, "_", " "))
}

// sortedCopy returns a list in order, for comparison.
func sortedCopy(list []string) []string { return slices.Sorted(slices.Values(list)) }

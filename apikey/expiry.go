package apikey

import (
	"strings"
	"time"
)

// MaxExpiryDays is the longest life of a key that can be given in days.
const MaxExpiryDays = 3650

// ExpiryIn returns the instant the given number of days after now. A day has 24
// hours, and 1 to 3650 days are accepted. The error is a [*FieldError] for
// "expires_in_days".
func ExpiryIn(days int64, now time.Time) (time.Time, error) {
	if err := checkRange("expires_in_days", days, MaxExpiryDays); err != nil {
		return time.Time{}, err
	}
	return storedTime(now.Add(time.Duration(days) * 24 * time.Hour)), nil
}

// ExpiryAt reads an RFC 3339 time after now. Fractions of a second are
// dropped. The error is a [*FieldError] for "expires_at".
func ExpiryAt(s string, now time.Time) (time.Time, error) {
	const accepted = "an RFC 3339 time in the future, such as 2027-01-01T00:00:00Z"
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !isStrictRFC3339(s, t) {
		e := &FieldError{Field: "expires_at", Problem: Quote(s) + " is not an RFC 3339 time", Accepted: accepted}
		if day, err := time.Parse(time.DateOnly, s); err == nil && day.After(now) {
			e.Problem += " (did you mean " + s + "T00:00:00Z?)"
			e.Accepted = ""
		}
		return time.Time{}, e
	}
	t = storedTime(t)
	if !t.After(now) {
		return time.Time{}, &FieldError{Field: "expires_at", Problem: Quote(s) + " is not in the future", Accepted: accepted}
	}
	return t, nil
}

// isStrictRFC3339 refuses what time.Parse accepts in s beyond RFC 3339: hours of
// one digit and decimal commas. It also refuses a t that RFC 3339 cannot write in
// UTC.
func isStrictRFC3339(s string, t time.Time) bool {
	return strings.HasPrefix(s, t.Format("2006-01-02T15:04:05")) && !strings.Contains(s, ",") && t.UTC().Year() <= 9999
}

// storedTime returns t as a key keeps it: UTC, to the second.
func storedTime(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

package term

import (
	"fmt"
	"time"
)

// FullTime formats an instant to the second, with its distance from now. nil
// means never.
func FullTime(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.DateTime) + " UTC (" + RelativeTime(*t, now) + ")"
}

// RelativeTime says how far t is from now: "in 3 days", "2 h ago".
func RelativeTime(t, now time.Time) string {
	away := t.Sub(now)
	switch {
	case away >= time.Minute:
		return "in " + roughly(away)
	case away > 0:
		return "in a moment"
	case away > -time.Minute:
		return "just now"
	default:
		return roughly(-away) + " ago"
	}
}

// roughly rounds to the nearest multiple of the largest unit that occurs at least
// twice. Minutes and hours may occur once.
func roughly(d time.Duration) string {
	const (
		day   = 24 * time.Hour
		month = 30*day + 10*time.Hour + 30*time.Minute
		year  = 365*day + 6*time.Hour
	)
	count := func(unit time.Duration) int { return int((d + unit/2) / unit) }
	switch {
	case count(time.Minute) < 60:
		return fmt.Sprintf("%d min", count(time.Minute))
	case count(time.Hour) < 48:
		return fmt.Sprintf("%d h", count(time.Hour))
	case count(day) < 60:
		return fmt.Sprintf("%d days", count(day))
	case count(month) < 24:
		return fmt.Sprintf("%d months", count(month))
	default:
		return fmt.Sprintf("%d years", count(year))
	}
}

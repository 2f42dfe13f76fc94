package apikey

import (
	"fmt"
	"strconv"
)

// The highest limits that are accepted.
const (
	MaxPerMinute = 1_000_000
	MaxPerDay    = 1_000_000_000
)

// CheckLimits turns requested limits into those of a key. A nil limit gets its
// default: 60 per minute, 10,000 per day, and a burst equal to per minute. Zero
// is refused like any other number out of range. The error is a [*FieldError] for
// "per_minute", "per_day" or "burst".
func CheckLimits(perMinute, perDay, burst *int64) (Limits, error) {
	minute, err := checkLimit("per_minute", perMinute, DefaultPerMinute, MaxPerMinute)
	if err != nil {
		return Limits{}, err
	}
	day, err := checkLimit("per_day", perDay, DefaultPerDay, MaxPerDay)
	if err != nil {
		return Limits{}, err
	}
	if burst != nil && *burst > int64(minute) {
		return Limits{}, &FieldError{
			Field:    "burst",
			Problem:  fmt.Sprintf("%d is more than per_minute, which is %d", *burst, minute),
			Accepted: "1 to " + commas(int64(minute)),
		}
	}
	bucket, err := checkLimit("burst", burst, minute, int64(minute))
	if err != nil {
		return Limits{}, err
	}
	return Limits{PerMinute: minute, PerDay: day, Burst: bucket}, nil
}

// checkLimit checks a requested limit. It returns missing if none was requested.
func checkLimit(field string, asked *int64, missing uint32, most int64) (uint32, error) {
	if asked == nil {
		return missing, nil
	}
	if err := checkRange(field, *asked, most); err != nil {
		return 0, err
	}
	return uint32(*asked), nil
}

// checkRange accepts 1 to most.
func checkRange(field string, v, most int64) error {
	if v >= 1 && v <= most {
		return nil
	}
	return &FieldError{Field: field, Problem: fmt.Sprintf("%d is out of range", v), Accepted: "1 to " + commas(most)}
}

// orDefault converts a stored limit to an argument of CheckLimits: nil for zero.
func orDefault(v uint32) *int64 {
	if v == 0 {
		return nil
	}
	asked := int64(v)
	return &asked
}

// commas formats a positive number with commas, as 1,000,000. Numbers of up to
// four digits have none.
func commas(n int64) string {
	s := strconv.FormatInt(n, 10)
	if len(s) <= 4 {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

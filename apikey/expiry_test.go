package apikey

import (
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 23, 11, 0, 0, 500, time.FixedZone("", 3600))

func TestExpiryIn(t *testing.T) {
	for days, want := range map[int64]string{1: "2026-11-24T10:00:00Z", 90: "2027-02-21T10:00:00Z", 3650: "2036-11-20T10:00:00Z"} {
		got, err := ExpiryIn(days, testNow)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("ExpiryIn(%d) = %v, %v; want %s", days, got, err, want)
		}
	}
	for days, shown := range map[int64]string{0: "0", -1: "-1", 3651: "3651", 1 << 62: "4611686018427387904"} {
		_, err := ExpiryIn(days, testNow)
		wantFieldError(t, err, "expires_in_days", shown+" is out of range; accepted: 1 to 3650")
	}
}

func TestExpiryAt(t *testing.T) {
	for s, want := range map[string]string{
		"2027-01-01T00:00:00Z":      "2027-01-01T00:00:00Z",
		"2027-01-01T00:00:00.9Z":    "2027-01-01T00:00:00Z",
		"2027-01-01T00:00:00+05:30": "2026-12-31T18:30:00Z",
		"2026-11-23T10:00:01Z":      "2026-11-23T10:00:01Z",
		"9999-12-31T23:59:59Z":      "9999-12-31T23:59:59Z",
	} {
		got, err := ExpiryAt(s, testNow)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("ExpiryAt(%q) = %v, %v; want %s", s, got, err, want)
		}
	}
	const accepted = "; accepted: an RFC 3339 time in the future, such as 2027-01-01T00:00:00Z"
	for s, want := range map[string]string{
		"":                          `"" is not an RFC 3339 time` + accepted,
		"tomorrow":                  `"tomorrow" is not an RFC 3339 time` + accepted,
		"2027-01-01":                `"2027-01-01" is not an RFC 3339 time (did you mean 2027-01-01T00:00:00Z?)`,
		"2027-01-01 00:00:00Z":      `"2027-01-01 00:00:00Z" is not an RFC 3339 time` + accepted,
		"2027-01-01T00:00:00":       `"2027-01-01T00:00:00" is not an RFC 3339 time` + accepted,
		"0001-01-01T00:00:00":       `"0001-01-01T00:00:00" is not an RFC 3339 time` + accepted,
		"2027-01-01T1:00:00Z":       `"2027-01-01T1:00:00Z" is not an RFC 3339 time` + accepted,
		"2027-01-01T00:00:00,5Z":    `"2027-01-01T00:00:00,5Z" is not an RFC 3339 time` + accepted,
		"2027-01-01t00:00:00z":      `"2027-01-01t00:00:00z" is not an RFC 3339 time` + accepted,
		"2027-02-30T00:00:00Z":      `"2027-02-30T00:00:00Z" is not an RFC 3339 time` + accepted,
		"9999-12-31T23:59:59-01:00": `"9999-12-31T23:59:59-01:00" is not an RFC 3339 time` + accepted,
		"2026-11-23T10:00:00Z":      `"2026-11-23T10:00:00Z" is not in the future` + accepted,
		"2026-11-23T10:00:00.9Z":    `"2026-11-23T10:00:00.9Z" is not in the future` + accepted,
		"2020-01-01T00:00:00Z":      `"2020-01-01T00:00:00Z" is not in the future` + accepted,
		"0001-01-01T00:00:00Z":      `"0001-01-01T00:00:00Z" is not in the future` + accepted,
	} {
		_, err := ExpiryAt(s, testNow)
		wantFieldError(t, err, "expires_at", want)
	}
}

package apikey

import (
	"math"
	"testing"
)

func TestCheckLimits(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for _, tt := range []struct {
		name                     string
		perMinute, perDay, burst *int64
		want                     Limits
		field, refusal           string
	}{
		{name: "nothing asked for", want: Limits{60, 10_000, 60}},
		{name: "per_minute alone", perMinute: n(100), want: Limits{100, 10_000, 100}},
		{name: "burst alone", burst: n(10), want: Limits{60, 10_000, 10}},
		{name: "lowest", perMinute: n(1), perDay: n(1), burst: n(1), want: Limits{1, 1, 1}},
		{name: "highest", perMinute: n(1e6), perDay: n(1e9), burst: n(1e6), want: Limits{1e6, 1e9, 1e6}},
		{name: "per_minute 0", perMinute: n(0), field: "per_minute", refusal: "0 is out of range; accepted: 1 to 1,000,000"},
		{name: "per_minute -1", perMinute: n(-1), field: "per_minute", refusal: "-1 is out of range; accepted: 1 to 1,000,000"},
		{name: "per_minute too high", perMinute: n(1e6 + 1), field: "per_minute", refusal: "1000001 is out of range; accepted: 1 to 1,000,000"},
		{name: "per_minute beyond 32 bits", perMinute: n(1<<32 + 60), field: "per_minute", refusal: "4294967356 is out of range; accepted: 1 to 1,000,000"},
		{name: "per_day 0", perDay: n(0), field: "per_day", refusal: "0 is out of range; accepted: 1 to 1,000,000,000"},
		{name: "per_day too high", perDay: n(math.MaxInt64), field: "per_day", refusal: "9223372036854775807 is out of range; accepted: 1 to 1,000,000,000"},
		{name: "burst 0", burst: n(0), field: "burst", refusal: "0 is out of range; accepted: 1 to 60"},
		{name: "burst negative", burst: n(math.MinInt64), field: "burst", refusal: "-9223372036854775808 is out of range; accepted: 1 to 60"},
		{name: "burst above per_minute", perMinute: n(1000), burst: n(1001), field: "burst", refusal: "1001 is more than per_minute, which is 1000; accepted: 1 to 1000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := CheckLimits(tt.perMinute, tt.perDay, tt.burst)
			if tt.field != "" {
				wantFieldError(t, err, tt.field, tt.refusal)
			} else if err != nil {
				t.Error(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

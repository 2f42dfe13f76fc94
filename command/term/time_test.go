package term

import (
	"testing"
	"time"
)

func TestRelativeTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	tests := []struct {
		away time.Duration
		want string
	}{
		{0, "just now"},
		{-59 * time.Second, "just now"},
		{30 * time.Second, "in a moment"},
		{time.Minute, "in 1 min"},
		{-59 * time.Minute, "59 min ago"},
		{-(59*time.Minute + 40*time.Second), "1 h ago"},
		{-2 * time.Hour, "2 h ago"},
		{47 * time.Hour, "in 47 h"},
		{48 * time.Hour, "in 2 days"},
		{3*day - time.Second, "in 3 days"},
		{-59 * day, "59 days ago"},
		{90 * day, "in 3 months"},
		{365 * day, "in 12 months"},
		{3650 * day, "in 10 years"},
	}
	for _, test := range tests {
		if got := RelativeTime(now.Add(test.away), now); got != test.want {
			t.Errorf("%v away: %q, want %q", test.away, got, test.want)
		}
	}
}

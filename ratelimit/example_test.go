package ratelimit_test

import (
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

func Example() {
	id, _ := apikey.ParseID("7Hk2Qp9aX3bC")
	lim := apikey.Limits{PerMinute: 60, Burst: 2, PerDay: 10_000}
	now := time.Date(2026, 11, 23, 15, 22, 36, 0, time.UTC)

	limiter := ratelimit.New()
	for range 3 {
		r := limiter.Take(id, lim, 1, now)
		fmt.Println(r.Allowed, r.Minute.Remaining, r.Day.Remaining, r.RetryAfter)
	}
	for _, u := range limiter.Drain(nil) {
		fmt.Println(u.Day, u.Allowed, "allowed,", u.Limited, "limited")
	}
	// Output:
	// true 1 9999 0
	// true 0 9998 0
	// false 0 9998 1
	// 2026-11-23 2 allowed, 1 limited
}

package ratelimit_test

import (
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

func Example() {
	id, _ := apikey.ParseID("7Hk2Qp9aX3bC")
	caps := ratelimit.Caps{Limits: apikey.Limits{PerMinute: 60, Burst: 2, PerDay: 10_000}}
	now := time.Date(2026, 11, 23, 15, 22, 36, 0, time.UTC)

	limiter := ratelimit.New()
	for range 3 {
		r := limiter.Take(id, caps, 1, now)
		fmt.Println(r.Allowed, r.Minute.Remaining, r.Day.Remaining, r.RetryAfter)
	}
	used, _ := limiter.Drain(nil, nil)
	for _, u := range used {
		fmt.Println(u.Day, u.Allowed, "allowed,", u.Limited, "limited")
	}
	// Output:
	// true 1 9999 0
	// true 0 9998 0
	// false 0 9998 1
	// 2026-11-23 2 allowed, 1 limited
}

func ExampleCaps() {
	first, _ := apikey.ParseID("7Hk2Qp9aX3bC")
	second, _ := apikey.ParseID("000000000000")
	caps := ratelimit.Caps{
		Limits:          apikey.Limits{PerMinute: 60, Burst: 60, PerDay: 10_000},
		Workspace:       "acme",
		WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 2},
	}
	now := time.Date(2026, 11, 23, 15, 22, 36, 0, time.UTC)

	limiter := ratelimit.New()
	for _, id := range []apikey.ID{first, second, second} {
		r := limiter.Take(id, caps, 1, now)
		fmt.Println(r.Allowed, r.Minute.Remaining, r.WorkspaceMinute.Remaining, r.RetryAfter)
	}
	// Output:
	// true 59 1 0
	// true 59 0 0
	// false 59 0 30
}

// A graceful restart goes on where the process before stopped.
func ExampleLimiter_RestoreBucket() {
	id, _ := apikey.ParseID("7Hk2Qp9aX3bC")
	caps := ratelimit.Caps{Limits: apikey.Limits{PerMinute: 60, Burst: 60, PerDay: 10_000}}
	now := time.Date(2026, 11, 23, 15, 22, 36, 0, time.UTC)

	before := ratelimit.New()
	before.Take(id, caps, 50, now)
	keys, workspaces := before.Drain(nil, nil)
	buckets := before.Buckets(now)

	now = now.Add(5 * time.Second)
	after := ratelimit.New()
	for _, u := range keys {
		after.Restore(u)
	}
	for _, u := range workspaces {
		after.RestoreWorkspace(u)
	}
	for _, b := range buckets {
		after.RestoreBucket(b, now)
	}
	after.Sweep(now)
	r := after.Peek(id, caps, 1, now)
	fmt.Println(r.Minute.Remaining, r.Day.Remaining)
	// Output: 14 9949
}

package ratelimit

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Result is the answer to one request.
type Result struct {
	Allowed bool

	Minute Balance // of the bucket
	Day    Balance // of the quota

	// Which limits stood against the request; both may.
	MinuteExhausted bool
	DayExhausted    bool

	// RetryAfter is when a refused request could pass: whole seconds, rounded
	// up, at least 1, and the later of the exhausted limits. 0 when allowed.
	RetryAfter int

	// Never means that the request costs more than the bucket or the quota can
	// ever hold, so that waiting does not help. RetryAfter then is when the
	// exhausted limits are full again.
	Never bool
}

// Balance is what one limit has left.
type Balance struct {
	Limit     uint32 // the size of the bucket or of the quota
	Remaining uint32

	// Reset is in how many whole seconds, rounded up, more is available: the
	// bucket's next token, 0 when it is full, or the next UTC day's quota.
	Reset int
}

// settle decides on a request by what bucket and quota hold, and charges the
// quota if both hold enough. The bucket is left for the caller to charge.
func settle(tokens float64, q *quota, lim apikey.Limits, cost int, now time.Time) Result {
	r := Result{
		MinuteExhausted: cost > int(whole(tokens, lim)),
		DayExhausted:    cost > int(q.left(lim)),
		Never:           cost > int(lim.Burst) || cost > int(lim.PerDay),
	}
	r.Allowed = !r.MinuteExhausted && !r.DayExhausted
	if r.Allowed {
		tokens -= float64(cost)
		q.today().charged += uint32(cost)
	}
	r.balance(tokens, q, lim, now)
	if r.MinuteExhausted {
		r.RetryAfter = secondsUntil(min(float64(cost), float64(lim.Burst)), tokens, lim)
	}
	if r.DayExhausted {
		r.RetryAfter = max(r.RetryAfter, r.Day.Reset)
	}
	return r
}

func (r *Result) balance(tokens float64, q *quota, lim apikey.Limits, now time.Time) {
	r.Minute = Balance{Limit: lim.Burst, Remaining: whole(tokens, lim)}
	if r.Minute.Remaining < lim.Burst {
		r.Minute.Reset = secondsUntil(float64(r.Minute.Remaining+1), tokens, lim)
	}
	r.Day = Balance{Limit: lim.PerDay, Remaining: q.left(lim), Reset: q.reset(now)}
}

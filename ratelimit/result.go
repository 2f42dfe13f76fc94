package ratelimit

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Result is the answer of the limits to one request.
type Result struct {
	Allowed bool

	Minute Balance // of the key's bucket
	Day    Balance // of the key's quota

	// Those of the workspace. Limit is 0 where it is not limited.
	WorkspaceMinute Balance
	WorkspaceDay    Balance

	// Which limits the request exceeds. Several may be true.
	MinuteExhausted          bool
	DayExhausted             bool
	WorkspaceMinuteExhausted bool
	WorkspaceDayExhausted    bool

	// RetryAfter is when a refused request could pass, in whole seconds, rounded
	// up, at least 1. If several limits are exhausted, it is the latest of them.
	// 0 when allowed.
	RetryAfter int

	// Never means that the request costs more than a bucket or a quota can ever
	// hold, so waiting does not help. RetryAfter is then the time until the
	// exhausted limits are full again.
	Never bool
}

// Balance is what is left of one limit.
type Balance struct {
	Limit     uint32 // the size of the bucket or of the quota
	Remaining uint32

	// Reset is the time until more is available, in whole seconds, rounded up.
	// For a bucket that is the next token, or 0 when the bucket is full. For a
	// quota it is the start of the next UTC day.
	Reset int
}

// holding is what a key or a workspace has left for a request.
type holding struct {
	lim    apikey.Limits
	tokens float64 // in the minute bucket
	quota  *quota
}

func (h *holding) minuteLacks(cost int) bool { return cost > int(whole(h.tokens, h.lim)) }
func (h *holding) dayLacks(cost int) bool    { return cost > int(h.quota.left(h.lim)) }

// charge takes cost from both. tokens is a copy: the caller charges the bucket
// itself.
func (h *holding) charge(cost int) {
	h.tokens -= float64(cost)
	h.quota.charge(uint32(cost))
}

func (h *holding) minute() Balance {
	b := Balance{Limit: h.lim.Burst, Remaining: whole(h.tokens, h.lim)}
	if b.Remaining < b.Limit {
		b.Reset = secondsUntil(float64(b.Remaining+1), h.tokens, h.lim)
	}
	return b
}

func (h *holding) day(now time.Time) Balance {
	return Balance{Limit: h.lim.PerDay, Remaining: h.quota.left(h.lim), Reset: h.quota.reset(now)}
}

// wait returns how many seconds pass until the bucket can pay cost. If the bucket
// is too small for that, it returns when the bucket is full.
func (h *holding) wait(cost int) int {
	return secondsUntil(min(float64(cost), float64(h.lim.Burst)), h.tokens, h.lim)
}

// settle decides on a request by what is left of the key's limits and, unless
// workspace is nil, of the workspace's limits. It charges them all if all
// suffice, and none otherwise.
func settle(key, workspace *holding, cost int, now time.Time) Result {
	r := Result{
		MinuteExhausted: key.minuteLacks(cost),
		DayExhausted:    key.dayLacks(cost),
		Never:           Never(key.lim, cost),
	}
	if workspace != nil {
		lim := &workspace.lim
		r.WorkspaceMinuteExhausted = lim.PerMinute != 0 && workspace.minuteLacks(cost)
		r.WorkspaceDayExhausted = lim.PerDay != 0 && workspace.dayLacks(cost)
		r.Never = r.Never || Never(*lim, cost)
	}
	r.Allowed = !r.Exhausted()
	if r.Allowed {
		key.charge(cost)
		if workspace != nil {
			workspace.charge(cost)
		}
	}
	r.balance(key, workspace, now)
	var minute, workspaceMinute int
	if r.MinuteExhausted {
		minute = key.wait(cost)
	}
	if r.WorkspaceMinuteExhausted {
		workspaceMinute = workspace.wait(cost)
	}
	r.Wait(minute, workspaceMinute)
	return r
}

// Exhausted reports whether the request exceeds a limit.
func (r *Result) Exhausted() bool {
	return r.MinuteExhausted || r.DayExhausted || r.WorkspaceMinuteExhausted || r.WorkspaceDayExhausted
}

// Wait sets RetryAfter to the time until all exhausted limits allow the request.
// The caller gives the waits for the two buckets, in seconds; a quota is waited
// for until its day ends.
func (r *Result) Wait(minute, workspaceMinute int) {
	if r.MinuteExhausted {
		r.RetryAfter = minute
	}
	if r.DayExhausted {
		r.RetryAfter = max(r.RetryAfter, r.Day.Reset)
	}
	if r.WorkspaceMinuteExhausted {
		r.RetryAfter = max(r.RetryAfter, workspaceMinute)
	}
	if r.WorkspaceDayExhausted {
		r.RetryAfter = max(r.RetryAfter, r.WorkspaceDay.Reset)
	}
}

// Never reports whether a request costs more than the limits can ever hold. A
// limit of zero means not limited.
func Never(lim apikey.Limits, cost int) bool {
	return lim.Burst != 0 && cost > int(lim.Burst) || lim.PerDay != 0 && cost > int(lim.PerDay)
}

// balance sets the four balances.
func (r *Result) balance(key, workspace *holding, now time.Time) {
	r.Minute, r.Day = key.minute(), key.day(now)
	if workspace == nil {
		return
	}
	if workspace.lim.PerMinute != 0 {
		r.WorkspaceMinute = workspace.minute()
	}
	if workspace.lim.PerDay != 0 {
		r.WorkspaceDay = workspace.day(now)
	}
}

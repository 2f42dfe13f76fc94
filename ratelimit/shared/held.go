package shared

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// unit is how many parts a token has, so that in a microsecond PerMinute of
// them refill. The script counts in them, too.
const unit = int64(time.Minute / time.Microsecond)

const (
	microsPerSecond = int64(time.Second / time.Microsecond)
	microsPerDay    = 24 * 60 * 60 * microsPerSecond
)

// held is what a key or a workspace has at an instant of the engine's clock. A
// limit of zero is none.
type held struct {
	lim     apikey.Limits
	parts   int64 // of tokens in the bucket, of which a token has unit
	used    int64 // units, on the current day
	nextDay int64 // the day on which use begins at nothing again
}

// unused is what is held where nothing is known.
func unused(lim apikey.Limits, micros int64) held {
	return held{lim: lim, parts: int64(lim.Burst) * unit, nextDay: micros/microsPerDay + 1}
}

// whole returns the tokens that are there. One is when it is due within half a
// nanosecond, as in package ratelimit.
func (h *held) whole() int64 {
	return max(0, (h.parts+h.early())/unit)
}

func (h *held) early() int64 { return int64(h.lim.PerMinute) / 2000 }

func (h *held) left() int64 { return int64(h.lim.PerDay) - min(h.used, int64(h.lim.PerDay)) }

func (h *held) minuteLacks(cost int) bool { return h.lim.Burst != 0 && int64(cost) > h.whole() }
func (h *held) dayLacks(cost int) bool    { return h.lim.PerDay != 0 && int64(cost) > h.left() }

// secondsUntil returns in how many whole seconds, rounded up and at least 1, the
// bucket holds so many tokens.
func (h *held) secondsUntil(tokens int64) int {
	perSecond := int64(h.lim.PerMinute) * microsPerSecond
	missing := tokens*unit - h.parts - h.early()
	return int(max(1, (missing+perSecond-1)/perSecond))
}

func (h *held) wait(cost int) int { return h.secondsUntil(min(int64(cost), int64(h.lim.Burst))) }

func (h *held) minute() ratelimit.Balance {
	if h.lim.Burst == 0 {
		return ratelimit.Balance{}
	}
	b := ratelimit.Balance{Limit: h.lim.Burst, Remaining: uint32(h.whole())}
	if b.Remaining < b.Limit {
		b.Reset = h.secondsUntil(int64(b.Remaining) + 1)
	}
	return b
}

func (h *held) day(micros int64) ratelimit.Balance {
	if h.lim.PerDay == 0 {
		return ratelimit.Balance{}
	}
	reset := h.nextDay*microsPerDay/microsPerSecond - micros/microsPerSecond
	return ratelimit.Balance{Limit: h.lim.PerDay, Remaining: uint32(h.left()), Reset: int(reset)}
}

// account is what a request is held to, at an instant of the engine's clock.
type account struct {
	key       held
	workspace held // has no limits where the workspace has none
	micros    int64
}

// lend adds what is charged on the engine and not used.
func (a *account) lend(units int64) {
	for _, h := range [...]*held{&a.key, &a.workspace} {
		h.parts = min(h.parts+units*unit, int64(h.lim.Burst)*unit)
		h.used = max(h.used-units, 0)
	}
}

// balance returns a Result with the four balances alone.
func (a *account) balance() ratelimit.Result {
	return ratelimit.Result{
		Minute: a.key.minute(), Day: a.key.day(a.micros),
		WorkspaceMinute: a.workspace.minute(), WorkspaceDay: a.workspace.day(a.micros),
	}
}

// judge returns what stands against a request, if anything does.
func (a *account) judge(cost int) ratelimit.Result {
	r := a.balance()
	r.MinuteExhausted, r.DayExhausted = a.key.minuteLacks(cost), a.key.dayLacks(cost)
	r.WorkspaceMinuteExhausted, r.WorkspaceDayExhausted = a.workspace.minuteLacks(cost), a.workspace.dayLacks(cost)
	r.Never = ratelimit.Never(a.key.lim, cost) || ratelimit.Never(a.workspace.lim, cost)
	var minute, workspaceMinute int
	if r.MinuteExhausted {
		minute = a.key.wait(cost)
	}
	if r.WorkspaceMinuteExhausted {
		workspaceMinute = a.workspace.wait(cost)
	}
	r.Wait(minute, workspaceMinute)
	return r
}

package caddymodule

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// The limits of a key are this process's, or those of a fleet where the store
// is one's. Only the latter can fail.

func (e *engine) take(id apikey.ID, caps *ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error) {
	if e.fleet != nil {
		return e.fleet.limits.Take(id, *caps, cost, now)
	}
	return e.limits.Take(id, *caps, cost, now), nil
}

func (e *engine) deny(id apikey.ID, caps *ratelimit.Caps, now time.Time) ratelimit.Result {
	if e.fleet != nil {
		return e.fleet.limits.Deny(id, *caps, now)
	}
	return e.limits.Deny(id, *caps, now)
}

func (e *engine) peek(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error) {
	if e.fleet != nil {
		return e.fleet.limits.Peek(id, caps, cost)
	}
	return e.limits.Peek(id, caps, cost, now), nil
}

func (e *engine) forget(id apikey.ID) {
	if e.fleet != nil {
		e.fleet.limits.Forget(id)
		return
	}
	e.limits.Forget(id)
}

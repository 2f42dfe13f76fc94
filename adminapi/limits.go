package adminapi

import (
	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// CapsOf returns the limits that hold for a key. Those of its workspace are its
// own, or else the config's.
func CapsOf(store keystore.Store, g *apikey.Grant, config apikey.WorkspaceLimits) ratelimit.Caps {
	caps := ratelimit.Caps{Limits: g.Limits, Workspace: g.Workspace, Together: config}
	if own, ok := store.WorkspaceLimits(g.Workspace); ok {
		caps.Together = own
	}
	return caps
}

// LimitReason turns the outcome of the limits into a reason. Where minute and
// day are exhausted the day is named, for it is the later one.
func LimitReason(res *ratelimit.Result) access.Reason {
	switch {
	case res.Allowed:
		return access.Allowed
	case res.Never:
		return access.CostTooHigh
	case res.DayExhausted || res.WorkspaceDayExhausted:
		return access.QuotaExceeded
	default:
		return access.RateLimited
	}
}

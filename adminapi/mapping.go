package adminapi

import (
	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// Mapping is what one keygate handler of a config maps, for those who administer
// it.
type Mapping struct {
	Policy    access.Policy // without Keys, which only the open store has
	Documents []*openapi.Document
	Header    string // that may carry a token as well
}

// CapsOf returns the limits that hold for a key. Those of its workspace are its
// own, or else the config's.
func CapsOf(store keystore.Workspaces, g *apikey.Grant, config apikey.WorkspaceLimits) ratelimit.Caps {
	caps := ratelimit.Caps{Limits: g.Limits, Workspace: g.Workspace, WorkspaceLimits: config}
	if own, ok := store.WorkspaceLimits(g.Workspace); ok {
		caps.WorkspaceLimits = own
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

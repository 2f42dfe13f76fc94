package adminapi

import (
	"slices"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// Mapping is what one keygate handler of the running config maps, for the API to
// show and explain.
type Mapping struct {
	Policy    access.Policy // without Keys, which only the open store has
	Documents []*openapi.Document
	Header    string // a header that may carry a token besides Authorization; "": none
}

// reportMode is what the API calls a mapping whose denials are only reported.
const reportMode = "report"

// Place returns where the first route was written, or "" if nobody knows.
func (g *Mapping) Place() string { return g.Policy.Table.Routes()[0].Source }

// inPlaceOrder returns mappings in the order of their places. Caddy provisions the
// servers of a config in no order.
func inPlaceOrder(mappings []Mapping) []Mapping {
	return slices.SortedStableFunc(slices.Values(mappings), func(x, y Mapping) int {
		return access.CompareSources(x.Place(), y.Place())
	})
}

// CapsOf returns the limits that apply to a key. For its workspace these are the
// limits set for it, or else those of the config.
func CapsOf(store keystore.Workspaces, g *apikey.Grant, config apikey.WorkspaceLimits) ratelimit.Caps {
	caps := ratelimit.Caps{Limits: g.Limits, Workspace: g.Workspace, WorkspaceLimits: config, Account: g.Account}
	if own, ok := store.WorkspaceLimits(g.Workspace); ok {
		caps.WorkspaceLimits = own
	}
	return caps
}

// LimitReason turns the outcome of the limits into a reason. If both a minute and
// a day limit are exhausted, the reason names the day, which takes longer to wait
// for.
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

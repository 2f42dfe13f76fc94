package response

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// The names of the limits in RateLimit, RateLimit-Policy and the
// violated-policies of a problem.
const (
	policyMinute          = "minute"
	policyDay             = "day"
	policyWorkspaceMinute = "workspace-minute"
	policyWorkspaceDay    = "workspace-day"
)

// SetRateLimit sets RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers), and replaces those of the backend:
//
//	RateLimit-Policy: "minute";q=60;w=60, "day";q=10000;w=86400
//	RateLimit: "minute";r=0;t=1, "day";r=9211;t=31044
//
// q is what the key may use per w seconds, r is what is left, and t is the number
// of seconds until more is available. The limits of the workspace follow, if it
// has any.
//
// left is the value of RateLimit that [AppendLeft] has made, or "" if it has to be
// made.
func SetRateLimit(h http.Header, caps *ratelimit.Caps, res *ratelimit.Result, left string, values *Values) {
	h["Ratelimit-Policy"] = values.Of(policies.of(caps))
	if left == "" {
		var buf [192]byte
		left = string(AppendLeft(buf[:0], res))
	}
	h["Ratelimit"] = values.Of(left)
}

// AppendLeft appends the value of RateLimit to b, which must be empty.
func AppendLeft(b []byte, res *ratelimit.Result) []byte {
	b = appendBalance(b, policyMinute, res.Minute)
	b = appendBalance(b, policyDay, res.Day)
	b = appendBalance(b, policyWorkspaceMinute, res.WorkspaceMinute)
	return appendBalance(b, policyWorkspaceDay, res.WorkspaceDay)
}

// policies caches the values of RateLimit-Policy, because most keys have the same
// limits.
var policies policyCache

// policyCache has a fixed number of places. Limits that fall on the same place
// replace each other.
type policyCache [256]atomic.Pointer[policy]

type policy struct {
	perMinute, perDay uint32
	workspace         apikey.WorkspaceLimits
	value             string
}

func (c *policyCache) of(caps *ratelimit.Caps) string {
	hash := caps.PerMinute*0x9e3779b1 ^ caps.PerDay*0x85ebca77 ^ caps.WorkspaceLimits.PerMinute*0xc2b2ae3d ^ caps.WorkspaceLimits.PerDay*0x27d4eb2f
	place := &c[hash>>24]
	p := place.Load()
	if p == nil || p.perMinute != caps.PerMinute || p.perDay != caps.PerDay || p.workspace != caps.WorkspaceLimits {
		p = newPolicy(caps)
		place.Store(p)
	}
	return p.value
}

func newPolicy(caps *ratelimit.Caps) *policy {
	b := appendPolicy(nil, policyMinute, caps.PerMinute, 60)
	b = appendPolicy(b, policyDay, caps.PerDay, 86400)
	b = appendPolicy(b, policyWorkspaceMinute, caps.WorkspaceLimits.PerMinute, 60)
	b = appendPolicy(b, policyWorkspaceDay, caps.WorkspaceLimits.PerDay, 86400)
	return &policy{caps.PerMinute, caps.PerDay, caps.WorkspaceLimits, string(b)}
}

// appendPolicy appends nothing for a quota of 0, which means not limited.
func appendPolicy(b []byte, name string, quota uint32, window uint64) []byte {
	if quota == 0 {
		return b
	}
	b = append(appendName(b, name), ";q="...)
	b = strconv.AppendUint(b, uint64(quota), 10)
	b = append(b, ";w="...)
	return strconv.AppendUint(b, window, 10)
}

func appendBalance(b []byte, name string, bal ratelimit.Balance) []byte {
	if bal.Limit == 0 {
		return b
	}
	b = append(appendName(b, name), ";r="...)
	b = strconv.AppendUint(b, uint64(bal.Remaining), 10)
	b = append(b, ";t="...)
	return strconv.AppendInt(b, int64(bal.Reset), 10)
}

func appendName(b []byte, name string) []byte {
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	return append(append(append(b, '"'), name...), '"')
}

package caddymodule

import (
	"net/http"
	"strconv"

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

// setRateLimit sets RateLimit and RateLimit-Policy (draft-ietf-httpapi-
// ratelimit-headers), replacing a backend's:
//
//	RateLimit-Policy: "minute";q=60;w=60, "day";q=10000;w=86400
//	RateLimit: "minute";r=0;t=1, "day";r=9211;t=31044
//
// q is what the key is allowed per w seconds, r what is left, t the whole
// seconds until there is more. The limits of the workspace follow, where it has
// any.
func setRateLimit(h http.Header, caps *ratelimit.Caps, res *ratelimit.Result) {
	var buf [192]byte
	b := appendPolicy(buf[:0], policyMinute, caps.PerMinute, 60)
	b = appendPolicy(b, policyDay, caps.PerDay, 86400)
	b = appendPolicy(b, policyWorkspaceMinute, caps.Together.PerMinute, 60)
	b = appendPolicy(b, policyWorkspaceDay, caps.Together.PerDay, 86400)
	h["Ratelimit-Policy"] = []string{string(b)}

	b = appendBalance(buf[:0], policyMinute, res.Minute)
	b = appendBalance(b, policyDay, res.Day)
	b = appendBalance(b, policyWorkspaceMinute, res.WorkspaceMinute)
	b = appendBalance(b, policyWorkspaceDay, res.WorkspaceDay)
	h["Ratelimit"] = []string{string(b)}
}

// appendPolicy leaves out what is not limited.
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

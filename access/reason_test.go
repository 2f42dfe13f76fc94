package access

import (
	"slices"
	"testing"
)

// Codes and statuses are what clients program against.
func TestReasons(t *testing.T) {
	want := []struct {
		reason Reason
		code   string
		status int
	}{
		{Allowed, "allowed", 200},
		{MethodNotAllowed, "method_not_allowed", 405},
		{AmbiguousPath, "ambiguous_path", 400},
		{MissingKey, "missing_key", 401},
		{MalformedRequest, "malformed_request", 400},
		{InvalidKey, "invalid_key", 401},
		{KeyRevoked, "key_revoked", 401},
		{KeyDisabled, "key_disabled", 401},
		{KeyExpired, "key_expired", 401},
		{TooManyFailures, "too_many_failures", 429},
		{IPNotAllowed, "ip_not_allowed", 403},
		{OriginNotAllowed, "origin_not_allowed", 403},
		{RouteNotMapped, "route_not_mapped", 403},
		{InsufficientScope, "insufficient_scope", 403},
		{RateLimited, "rate_limited", 429},
		{QuotaExceeded, "quota_exceeded", 429},
		{CostTooHigh, "cost_too_high", 429},
		{StoreUnavailable, "store_unavailable", 503},
	}
	failed := []Reason{InvalidKey, KeyRevoked, KeyDisabled, KeyExpired}
	all := Reasons()
	if len(all) != len(want) {
		t.Fatalf("there are %d reasons; want %d", len(all), len(want))
	}
	for i, w := range want {
		t.Run(w.code, func(t *testing.T) {
			r := all[i]
			if r != w.reason || int(r) != i+1 || r.String() != w.code || r.Status() != w.status || r.FailedAuth() != slices.Contains(failed, r) {
				t.Errorf("reason %d is %s, %d, failed authentication %v; want %s, %d", r, r, r.Status(), r.FailedAuth(), w.code, w.status)
			}
		})
	}
}

func TestUnknownReasons(t *testing.T) {
	for _, r := range []Reason{0, StoreUnavailable + 1, 255} {
		if r.String() != "undecided" || r.Status() != 500 || r.FailedAuth() {
			t.Errorf("Reason(%d) is %s, %d", uint8(r), r, r.Status())
		}
	}
}

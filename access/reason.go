package access

import "net/http"

// Reason is the outcome of a decision. The zero Reason is no outcome and lets
// nobody in.
type Reason uint8

// The outcomes, in the order of the checks that lead to them. The last ones come
// from the limits and the failure budget, which the caller keeps.
const (
	_ Reason = iota
	Allowed
	MethodNotAllowed
	AmbiguousPath
	MissingKey
	MalformedRequest
	InvalidKey
	KeyRevoked
	KeyDisabled
	KeyExpired
	TooManyFailures
	IPNotAllowed
	OriginNotAllowed
	RouteNotMapped
	InsufficientScope
	RateLimited
	QuotaExceeded
	CostTooHigh // more than a limit can ever hold, so waiting does not help
	StoreUnavailable
)

var reasons = [...]struct {
	code   string
	status int
}{
	0:                 {"undecided", http.StatusInternalServerError},
	Allowed:           {"allowed", http.StatusOK},
	MethodNotAllowed:  {"method_not_allowed", http.StatusMethodNotAllowed},
	AmbiguousPath:     {"ambiguous_path", http.StatusBadRequest},
	MissingKey:        {"missing_key", http.StatusUnauthorized},
	MalformedRequest:  {"malformed_request", http.StatusBadRequest},
	InvalidKey:        {"invalid_key", http.StatusUnauthorized},
	KeyRevoked:        {"key_revoked", http.StatusUnauthorized},
	KeyDisabled:       {"key_disabled", http.StatusUnauthorized},
	KeyExpired:        {"key_expired", http.StatusUnauthorized},
	TooManyFailures:   {"too_many_failures", http.StatusTooManyRequests},
	IPNotAllowed:      {"ip_not_allowed", http.StatusForbidden},
	OriginNotAllowed:  {"origin_not_allowed", http.StatusForbidden},
	RouteNotMapped:    {"route_not_mapped", http.StatusForbidden},
	InsufficientScope: {"insufficient_scope", http.StatusForbidden},
	RateLimited:       {"rate_limited", http.StatusTooManyRequests},
	QuotaExceeded:     {"quota_exceeded", http.StatusTooManyRequests},
	CostTooHigh:       {"cost_too_high", http.StatusTooManyRequests},
	StoreUnavailable:  {"store_unavailable", http.StatusServiceUnavailable},
}

// Reasons returns every outcome. They count from 1 without gaps.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasons)-1)
	for r := range reasons[1:] {
		all = append(all, Reason(r+1))
	}
	return all
}

func (r Reason) known() Reason {
	if int(r) < len(reasons) {
		return r
	}
	return 0
}

// String returns the code of the outcome for programs, such as "missing_key". It
// is "allowed" for [Allowed].
func (r Reason) String() string { return reasons[r.known()].code }

// Status returns the HTTP status of the answer; 200 for [Allowed].
func (r Reason) Status() int { return reasons[r.known()].status }

// FailedAuth reports whether the outcome counts as a failed authentication of the
// client address: a key was sent, but it is not valid.
func (r Reason) FailedAuth() bool {
	switch r {
	case InvalidKey, KeyRevoked, KeyDisabled, KeyExpired:
		return true
	default:
		return false
	}
}

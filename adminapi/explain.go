package adminapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// explain decides a hypothetical request with the code that decides real ones,
// and answers with every check. It charges and counts nothing.
func (a *call) explain(r *http.Request) (any, int, error) {
	var req ExplainRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, 0, err
	}
	q, err := req.accessRequest(a.now())
	if err != nil {
		return nil, 0, err
	}
	key, err := a.namedKey(&req)
	if err != nil {
		return nil, 0, err
	}
	policy := a.policyFor(q)
	e := policy.Explain(q, key)
	reason := e.Reason()
	limits, limited := a.explainLimits(&e, q.Now)
	if reason == access.Allowed {
		reason = limited
	}
	resp := ExplainResponse{Reason: reason.String(), Status: reason.Status()}
	if policy.Report {
		resp.Mode = reportMode
		resp.Passes = reason != access.Allowed && (e.Key == nil || e.Key.Grant.Status(q.Now) == apikey.Active)
	}
	for _, c := range e.Checks {
		check := ExplainCheck{Check: c.Name, Outcome: string(c.Outcome), Compared: c.Compared, Fix: c.Fix}
		if c.Reason == access.KeyRevoked {
			check.Compared += a.revokedAt(e.Key.ID)
		}
		if c.Outcome == access.Fail {
			check.Code = c.Reason.String()
		}
		resp.Checks = append(resp.Checks, check)
	}
	resp.Checks = append(resp.Checks, limits)
	return resp, http.StatusOK, nil
}

// accessRequest returns the request to explain. It leaves the method and the path
// for the checks to judge.
func (req *ExplainRequest) accessRequest(now time.Time) (*access.Request, error) {
	switch {
	case req.Key == "" && req.Token == "":
		return nil, &apikey.FieldError{Field: "key", Problem: "is missing", Accepted: "the ID or the prefix of a key, or its token as token"}
	case req.Key != "" && req.Token != "":
		return nil, &apikey.FieldError{Field: "key", Problem: "is given together with token", Accepted: "one of the two"}
	case req.Method == "":
		return nil, &apikey.FieldError{Field: "method", Problem: "is missing", Accepted: "the method of the request, such as GET"}
	case req.Path == "":
		return nil, &apikey.FieldError{Field: "path", Problem: "is missing", Accepted: "the path of the request without its query, such as /v1/posts"}
	}
	q := &access.Request{Method: req.Method, Path: gatewayPath(req.Path), Now: now}
	if req.Token != "" {
		q.Authorization = []string{"Bearer " + req.Token}
	}
	if req.Origin != "" {
		q.Origins = []string{req.Origin}
	}
	if req.IP != "" {
		addr, err := netip.ParseAddr(req.IP)
		if err != nil || addr.Zone() != "" {
			return nil, &apikey.FieldError{Field: "ip", Problem: apikey.Quote(req.IP) + " is not an address", Accepted: "an address such as 203.0.113.7 or 2001:db8::7"}
		}
		q.Client = addr.Unmap()
	}
	if req.At != "" {
		// Expiries are compared in Unix nanoseconds, which end in 2262.
		const firstYear, lastYear = 1970, 2261
		at, err := time.Parse(time.RFC3339, req.At)
		if year := at.UTC().Year(); err != nil || year < firstYear || year > lastYear {
			return nil, &apikey.FieldError{Field: "at", Problem: apikey.Quote(req.At) + " is not a time that is accepted", Accepted: fmt.Sprintf("an RFC 3339 time from %d to %d, such as 2027-01-01T00:00:00Z", firstYear, lastYear)}
		}
		q.Now = at
	}
	return q, nil
}

// gatewayPath returns what a gateway decides on if a request line has the path:
// net/http percent-encodes some characters that clients send as they are, such as |
// and {. It returns a path that net/http refuses, and one with a query, unchanged.
func gatewayPath(path string) string {
	if strings.ContainsAny(path, " ?") {
		return path
	}
	u, err := url.ParseRequestURI(path)
	switch {
	case err != nil:
		return path
	case u.Opaque != "":
		return ""
	default:
		return u.EscapedPath()
	}
}

// namedKey returns the key that the request names by ID, or nil if it gives a
// token instead.
func (a *call) namedKey(req *ExplainRequest) (*access.Identified, error) {
	if req.Key == "" {
		return nil, nil
	}
	id, err := apikey.ParseRef(req.Key)
	if err != nil {
		return nil, err
	}
	if err := a.find(id); err != nil {
		return nil, err
	}
	grant, found, err := a.store.Lookup(id)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("%s: %w", id, keystore.ErrNotFound)
	}
	return &access.Identified{ID: id, Grant: grant}, nil
}

// revokedAt says when a key was revoked. Only the stored record knows that; if it
// cannot be read, the result is empty.
func (a *call) revokedAt(id apikey.ID) string {
	k, err := a.store.Get(id)
	if err != nil || k.RevokedAt.IsZero() {
		return ""
	}
	return " at " + k.RevokedAt.UTC().Format(time.RFC3339)
}

// policyFor returns the policy that decides a request: that of the first handler
// that has its route, or else of the first handler. Offline there are no
// handlers, and the policy has no routes.
func (a *call) policyFor(q *access.Request) access.Policy {
	policy := access.Policy{Brand: a.brand}
	if len(a.mappings) > 0 {
		chosen := max(0, slices.IndexFunc(a.mappings, func(g Mapping) bool {
			return access.CheckPath(q.Path) == "" && g.Policy.Table.Match(q.Method, q.Path) != nil
		}))
		policy = a.mappings[chosen].Policy
	}
	policy.Keys = a.store
	if _, ok := a.authority.one(); ok {
		policy.Keys = visibleGrants{a.store, a.authority}
	}
	return policy
}

// explainLimits is the last check: whether the key's limits allow the request.
func (a *call) explainLimits(e *access.Explanation, now time.Time) (ExplainCheck, access.Reason) {
	check := ExplainCheck{Check: "limits", Outcome: string(access.Skipped)}
	switch {
	case a.limits == nil:
		check.Compared = "no config: what the key has left is not known"
	case e.Key == nil:
		check.Compared = "no key to charge"
	case e.Route == nil:
		check.Compared = "no route, so the cost is not known"
	case e.Route.Access == access.Denied:
		check.Compared = "the route is denied, so nothing is charged"
	}
	if check.Compared != "" {
		return check, access.Allowed
	}
	grant, cost := &e.Key.Grant, e.Route.Cost
	caps := CapsOf(a.store, grant, a.workspaceLimits)
	res, err := a.limits.Peek(e.Key.ID, caps, cost, now)
	if err != nil {
		reason := access.StoreUnavailable
		check.Outcome, check.Code = string(access.Fail), reason.String()
		check.Compared, check.Fix = "the engine that keeps the limits does not answer", "See why in the log of Caddy."
		return check, reason
	}
	check.Compared = compareLimits(&res, cost)
	reason := LimitReason(&res)
	if reason == access.Allowed {
		check.Outcome = string(access.Pass)
		return check, reason
	}
	check.Outcome, check.Code = string(access.Fail), reason.String()
	whose := "key"
	if !res.MinuteExhausted && !res.DayExhausted {
		whose = "workspace"
	}
	check.Fix = fmt.Sprintf("Wait %d s, or raise the limits of the %s.", res.RetryAfter, whose)
	if res.Never {
		check.Fix = "Raise the limits of the key or its workspace: the route costs more than they can ever hold."
	}
	return check, reason
}

// compareLimits shows what is left before the request is charged.
func compareLimits(res *ratelimit.Result, cost int) string {
	left := func(b ratelimit.Balance) uint32 {
		if res.Allowed {
			return b.Remaining + uint32(cost)
		}
		return b.Remaining
	}
	text := fmt.Sprintf("cost %d with %d of %d left at once and %d of %d left today", cost, left(res.Minute), res.Minute.Limit, left(res.Day), res.Day.Limit)
	if b := res.WorkspaceMinute; b.Limit > 0 {
		text += fmt.Sprintf(", in the workspace %d of %d left at once", left(b), b.Limit)
	}
	if b := res.WorkspaceDay; b.Limit > 0 {
		text += fmt.Sprintf(", in the workspace %d of %d left today", left(b), b.Limit)
	}
	return text
}

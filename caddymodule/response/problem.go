package response

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/ratelimit"
)

// Problem is a denial in the form of RFC 9457. Code is for programs. Detail is
// for people and says what to do next. The instance, which is also in Request-Id,
// is written after these members. Error is for clients of OAuth, where RFC 6749 §5.2
// has a word for them.
type Problem struct {
	Type             string   `json:"type"`
	Title            string   `json:"title"`
	Status           int      `json:"status"`
	Code             string   `json:"code"`
	Error            string   `json:"error,omitempty"`
	Detail           string   `json:"detail"`
	ViolatedPolicies []string `json:"violated-policies,omitempty"`
}

// details has the texts of the reasons whose text does not depend on the request.
var details = map[access.Reason]string{
	access.MethodNotAllowed: "This method is not served. Send one of " + access.RequestMethods + ".",
	access.MissingKey:       "No API key was sent. Send it as Authorization: Bearer YOUR_KEY; never in the URL, a cookie or the body.",
	access.InvalidKey:       "The API key is not valid. Check that it was copied whole, or ask the workspace's admin for a new one.",
	access.KeyRevoked:       "The API key was revoked. Ask the workspace's admin for a new one.",
	access.KeyDisabled:      "The API key is disabled. Ask the workspace's admin to enable it.",
	access.KeyExpired:       "The API key has expired. Ask the workspace's admin for a new one.",
	access.IPNotAllowed:     "The API key may not be used from this IP address. Call from an allowed address, or ask the workspace's admin to allow this one.",
	access.OriginNotAllowed: "The API key may not be used from this origin. Send the Origin header of an allowed page, or ask the workspace's admin to allow this one.",
	access.TooManyFailures:  "Too many requests with invalid API keys came from this address. Check the key: sending the same one again never helps, and a valid one passes at once.",
	access.StoreUnavailable: "Keys cannot be checked at the moment. Send the request again later.",
}

// fixedBodies are the problems that depend on the request only in their instance,
// rendered up to there, by reason. A flood of bad keys should cost less than good
// requests do.
var fixedBodies = func() [][]byte {
	bodies := make([][]byte, len(access.Reasons())+1)
	for reason, detail := range details {
		bodies[reason] = appendProblem(nil, newProblem(reason, detail))
	}
	return bodies
}()

// problemTypes has the types of all reasons, by reason.
var problemTypes = func() []string {
	reasons := access.Reasons()
	types := make([]string, len(reasons)+1)
	for _, reason := range reasons {
		types[reason] = "urn:keygate:problem:" + reason.String()
	}
	return types
}()

func newProblem(reason access.Reason, detail string) Problem {
	return Problem{
		Type:   problemTypes[reason],
		Title:  http.StatusText(reason.Status()),
		Status: reason.Status(),
		Code:   reason.String(),
		Detail: detail,
	}
}

// appendProblem writes the same as encoding/json would, up to the instance, but
// without reflection: denials must cost less than the requests that they keep
// out.
func appendProblem(b []byte, p Problem) []byte {
	b = appendJSON(append(b, `{"type":`...), p.Type)
	b = appendJSON(append(b, `,"title":`...), p.Title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(p.Status), 10)
	b = appendJSON(append(b, `,"code":`...), p.Code)
	if p.Error != "" {
		b = appendJSON(append(b, `,"error":`...), p.Error)
	}
	b = appendJSON(append(b, `,"detail":`...), p.Detail)
	for i, policy := range p.ViolatedPolicies {
		if i == 0 {
			b = append(b, `,"violated-policies":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendJSON(b, policy)
	}
	if len(p.ViolatedPolicies) > 0 {
		b = append(b, ']')
	}
	return b
}

// instanceRoom is a little more than appendInstance needs, in bytes.
const instanceRoom = 64

// appendInstance completes a problem with its last member.
func appendInstance(b []byte, instance string) []byte {
	b = append(b, `,"instance":"`...)
	return append(append(b, instance...), "\"}\n"...)
}

// appendJSON appends a string made by Keygate, which has only printable
// characters in UTF-8.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// Facts are what the body of a denial tells besides the decision.
type Facts struct {
	Caps       *ratelimit.Caps   // of the key, if there is one
	Limits     *ratelimit.Result // of the same
	RetryAfter int               // seconds until tokens of another system are looked up again; 0: they are
	Instance   string            // see [NewInstance]
}

// Denial returns the body of a denial.
func Denial(d *access.Decision, f Facts) []byte {
	refusedUnseen := d.Reason == access.TooManyFailures && f.RetryAfter > 0
	if fixed := fixedBodies[d.Reason]; fixed != nil && !refusedUnseen {
		b := make([]byte, 0, len(fixed)+instanceRoom)
		return appendInstance(append(b, fixed...), f.Instance)
	}
	var p Problem
	switch d.Reason {
	case access.TooManyFailures:
		p = newProblem(d.Reason, notLookedUp(f.RetryAfter))
	case access.RateLimited, access.QuotaExceeded:
		p = limitProblem(d, f.Caps, f.Limits)
	case access.CostTooHigh:
		p = newProblem(d.Reason, costDetail(d, f.Caps))
	case access.InsufficientScope:
		p = newProblem(d.Reason, scopeDetail(d))
	default: // ambiguous_path, malformed_request, route_not_mapped: access has set the detail
		p = newProblem(d.Reason, d.Detail)
	}
	return appendInstance(appendProblem(make([]byte, 0, 512), p), f.Instance)
}

// Body returns the body of a problem without an instance.
func (p Problem) Body() []byte { return append(appendProblem(nil, p), "}\n"...) }

// notLookedUp is the detail for a token of another system from an address with
// too many failures. The answer is the same for a right and a wrong token.
func notLookedUp(retryAfter int) string {
	return "Too many requests with invalid API keys came from this address, so that keys of this form are not checked for now. Check the key, and send the next request in " + seconds(retryAfter) + "."
}

// scopeDetail names the missing scopes. The challenge, in contrast, names all
// scopes that the route needs.
func scopeDetail(d *access.Decision) string {
	missing := d.Route.Scopes.Missing(d.Grant.Scopes)
	lacks, one := make([]string, len(missing)), true
	for i, set := range missing {
		lacks[i] = strings.Join(set, " and ")
		one = one && len(set) == 1
	}
	switch {
	case len(missing) > 1:
		return "The API key lacks " + strings.Join(lacks, ", or instead ") + ". Ask the workspace's admin for a key that has the one or the other."
	case one:
		return "The API key lacks the scope " + lacks[0] + ". Ask the workspace's admin for a key that has it."
	default:
		return "The API key lacks the scopes " + lacks[0] + ". Ask the workspace's admin for a key that has them."
	}
}

// limitProblem uses the problem type that the RateLimit draft registers for
// quotas.
func limitProblem(d *access.Decision, caps *ratelimit.Caps, res *ratelimit.Result) Problem {
	p := newProblem(d.Reason, limitDetail(d, caps, res))
	p.Type = "https://iana.org/assignments/http-problem-types#quota-exceeded"
	for _, limit := range []struct {
		exhausted bool
		policy    string
	}{
		{res.MinuteExhausted, policyMinute},
		{res.DayExhausted, policyDay},
		{res.WorkspaceMinuteExhausted, policyWorkspaceMinute},
		{res.WorkspaceDayExhausted, policyWorkspaceDay},
	} {
		if limit.exhausted {
			p.ViolatedPolicies = append(p.ViolatedPolicies, limit.policy)
		}
	}
	return p
}

// costDetail names the key's own limit if that is too small, because the key's
// holder can do more about it.
func costDetail(d *access.Decision, caps *ratelimit.Caps) string {
	cost := "This request costs " + strconv.Itoa(d.Route.Cost)
	if d.Route.Cost > int(min(caps.Burst, caps.PerDay)) {
		return cost + ", more than the key's limits ever allow at once. Ask the workspace's admin for a key with a larger burst or quota."
	}
	return cost + ", more than the limits of the workspace ever allow at once. Ask its admin for larger ones."
}

// limitDetail names the key's own limit if that is exhausted, because the key's
// holder can do more about it.
func limitDetail(d *access.Decision, caps *ratelimit.Caps, res *ratelimit.Result) string {
	next := seconds(res.RetryAfter)
	switch {
	case d.Reason == access.RateLimited && res.MinuteExhausted:
		return "The key allows " + requests(caps.PerMinute) + " per minute; the next is allowed in " + next + "."
	case d.Reason == access.RateLimited:
		return "All keys of the workspace together allow " + requests(caps.WorkspaceLimits.PerMinute) + " per minute; the next is allowed in " + next + "."
	case res.DayExhausted:
		return "The key allows " + requests(caps.PerDay) + " per day; the next is allowed in " + next + ", at 00:00 UTC."
	default:
		return "All keys of the workspace together allow " + requests(caps.WorkspaceLimits.PerDay) + " per day; the next is allowed in " + next + ", at 00:00 UTC."
	}
}

func requests(n uint32) string { return english.Plural(int(n), "request") }

func seconds(n int) string { return english.Plural(n, "second") }

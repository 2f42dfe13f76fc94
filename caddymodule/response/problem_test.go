package response

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/goldentest"
	"github.com/socialpatra/keygate/ratelimit"
)

// The bodies of all denials are golden: clients parse them, and people read them.
func TestProblemBodies(t *testing.T) {
	caps := ratelimit.Caps{
		Limits:          apikey.Limits{PerMinute: 60, PerDay: 10000, Burst: 60},
		WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 600, PerDay: 100_000},
	}
	minute := ratelimit.Result{MinuteExhausted: true, RetryAfter: 1}
	day := ratelimit.Result{DayExhausted: true, RetryAfter: 31044}
	both := ratelimit.Result{MinuteExhausted: true, DayExhausted: true, RetryAfter: 31044}
	// Who is told of depends on what can never hold 5, not on what is exhausted.
	small, smaller := caps, caps
	small.Burst, smaller.WorkspaceLimits.PerMinute = 4, 4
	never := ratelimit.Result{MinuteExhausted: true, Never: true, RetryAfter: 60}
	workspaceMinute := ratelimit.Result{WorkspaceMinuteExhausted: true, RetryAfter: 1}
	workspaceDay := ratelimit.Result{MinuteExhausted: true, WorkspaceMinuteExhausted: true, WorkspaceDayExhausted: true, RetryAfter: 31044}
	workspaceNever := ratelimit.Result{WorkspaceMinuteExhausted: true, Never: true, RetryAfter: 60}
	cases := []struct {
		reason access.Reason
		limits ratelimit.Result
		caps   ratelimit.Caps
	}{
		{access.RateLimited, minute, caps},
		{access.QuotaExceeded, day, caps},
		{access.QuotaExceeded, both, caps},
		{access.CostTooHigh, never, small},
		{access.RateLimited, workspaceMinute, caps},
		{access.QuotaExceeded, workspaceDay, caps},
		{access.CostTooHigh, workspaceNever, smaller},
	}
	for _, reason := range access.Reasons() {
		switch reason {
		case access.Allowed, access.RateLimited, access.QuotaExceeded, access.CostTooHigh:
		default:
			cases = append(cases, struct {
				reason access.Reason
				limits ratelimit.Result
				caps   ratelimit.Caps
			}{reason: reason})
		}
	}
	var got strings.Builder
	for _, c := range cases {
		d := access.Decision{
			Reason: c.reason,
			Detail: "What access says.",
			Route:  &access.Route{Scopes: access.AllOf("posts:write", "media:upload"), Cost: 5},
			Grant:  apikey.Grant{Scopes: apikey.NewScopeSet([]string{"posts:write"})},
		}
		body := Denial(&d, Facts{Caps: &c.caps, Limits: &c.limits, Instance: "urn:uuid:00112233-4455-4677-8899-aabbccddeeff"})
		if !json.Valid(body) {
			t.Errorf("%s: not JSON: %s", c.reason, body)
		}
		got.Write(body)
	}
	goldentest.Check(t, "testdata/problems.jsonl", got.String())
}

// What is written without encoding/json is what that would read again.
func TestTextsOfProblems(t *testing.T) {
	for _, text := range []string{"", "plain", `"`, `\`, `a "quoted\" \\ one"`, "ümlaut – dash", `\"`} {
		var got string
		if err := json.Unmarshal(appendJSON(nil, text), &got); err != nil || got != text {
			t.Errorf("%q is written as %s: %v", text, appendJSON(nil, text), err)
		}
	}
}

package response

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// The two headers say what the limits are and what is left of them, whatever
// other limits were told of before: few places are shared by many.
func TestRateLimitHeaders(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	few := func(least uint32) uint32 { return least + r.Uint32N(8)*r.Uint32N(5)*100_003 }
	for range 20_000 {
		caps := ratelimit.Caps{
			Limits:          apikey.Limits{PerMinute: few(1), PerDay: few(1)},
			WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: few(0), PerDay: few(0)},
		}
		var res ratelimit.Result
		var policies, balances []string
		for _, limit := range []struct {
			name    string
			quota   uint32
			window  int
			balance *ratelimit.Balance
		}{
			{"minute", caps.PerMinute, 60, &res.Minute},
			{"day", caps.PerDay, 86400, &res.Day},
			{"workspace-minute", caps.WorkspaceLimits.PerMinute, 60, &res.WorkspaceMinute},
			{"workspace-day", caps.WorkspaceLimits.PerDay, 86400, &res.WorkspaceDay},
		} {
			if limit.quota == 0 {
				continue
			}
			*limit.balance = ratelimit.Balance{Limit: limit.quota, Remaining: r.Uint32N(limit.quota + 1), Reset: r.IntN(100_000)}
			policies = append(policies, fmt.Sprintf(`"%s";q=%d;w=%d`, limit.name, limit.quota, limit.window))
			balances = append(balances, fmt.Sprintf(`"%s";r=%d;t=%d`, limit.name, limit.balance.Remaining, limit.balance.Reset))
		}
		h := http.Header{"Ratelimit": {"theirs"}, "Ratelimit-Policy": {"theirs"}}
		SetRateLimit(h, &caps, &res, "", new(Values))
		for name, want := range map[string][]string{"Ratelimit-Policy": policies, "Ratelimit": balances} {
			if got := strings.Join(h[name], "\n"); got != strings.Join(want, ", ") {
				t.Fatalf("%s: %s\nwant %s", name, got, want)
			}
		}
	}
}

// Limits that are in use again and again are written once.
func TestPoliciesAreKept(t *testing.T) {
	caps := ratelimit.Caps{Limits: apikey.Limits{PerMinute: 60, PerDay: 10_000}, WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 5, PerDay: 6}}
	cache := new(policyCache)
	cache.of(&caps)
	if n := testing.AllocsPerRun(100, func() { cache.of(&caps) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A place that has other limits is not taken for one's own, however little they
// differ.
func TestPoliciesOfAPlace(t *testing.T) {
	caps := func(perMinute, perDay, together, togetherDay uint32) *ratelimit.Caps {
		return &ratelimit.Caps{Limits: apikey.Limits{PerMinute: perMinute, PerDay: perDay}, WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: together, PerDay: togetherDay}}
	}
	want := caps(1, 2, 3, 4)
	for _, other := range []*ratelimit.Caps{caps(9, 2, 3, 4), caps(1, 9, 3, 4), caps(1, 2, 9, 4), caps(1, 2, 3, 9), caps(1, 2, 0, 0)} {
		cache := new(policyCache)
		for i := range cache {
			cache[i].Store(newPolicy(other))
		}
		if got := cache.of(want); got != newPolicy(want).value {
			t.Errorf("%+v are told as %s", want, got)
		}
	}
}

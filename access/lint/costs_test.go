package lint

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// purse is what a key with an ID of one digit can pay.
func purse(digit string, scopes []string, burst, perDay uint32) Purse {
	id, err := apikey.ParseID(strings.Repeat(digit, apikey.IDLen))
	if err != nil {
		panic(err)
	}
	return Purse{ID: id, Scopes: apikey.NewScopeSet(scopes), Limits: apikey.Limits{PerMinute: burst, Burst: burst, PerDay: perDay}}
}

func TestCosts(t *testing.T) {
	scoped := func(pattern string, cost int) access.Route {
		return access.Route{Methods: []string{"POST"}, Pattern: pattern, Scopes: access.Scopes{{"ai:generate"}, {"ai:admin", "ai:read"}}, Cost: cost, Source: "Caddyfile:3"}
	}
	authenticated := scoped("/any", 6)
	authenticated.Access, authenticated.Scopes = access.Authenticated, nil
	public := scoped("/public", 1000)
	public.Access, public.Scopes = access.Public, nil
	ai := []string{"ai:generate"}
	for name, test := range map[string]struct {
		routes   []access.Route
		together apikey.WorkspaceLimits
		keys     []Purse // nil: no store is asked
		want     []string
	}{
		"nothing costs":         {routes: []access.Route{scoped("/a", 0), scoped("/b", 1)}, together: apikey.WorkspaceLimits{PerMinute: 1}, keys: []Purse{purse("1", ai, 1, 1)}},
		"public":                {routes: []access.Route{public}, together: apikey.WorkspaceLimits{PerMinute: 1}, keys: []Purse{purse("1", ai, 1, 1)}},
		"as much as by default": {routes: []access.Route{scoped("/a", 60)}},
		"more than by default":  {routes: []access.Route{scoped("/a", 61)}, want: []string{"POST /a costs 61, and the burst of a key is 60 unless it is made with more"}},
		"as much as a key has":  {routes: []access.Route{scoped("/a", 61)}, keys: []Purse{purse("1", ai, 61, 61)}},
		"more than a burst":     {routes: []access.Route{scoped("/a", 5)}, keys: []Purse{purse("1", ai, 4, 9)}, want: []string{"more than these keys can ever pay: 111111111111, whose burst is 4; lower the cost, or raise their limits: caddy keygate update 111111111111 --per-minute 5 --burst 5"}},
		"more than a day":       {routes: []access.Route{scoped("/a", 5)}, keys: []Purse{purse("1", ai, 9, 4)}, want: []string{"111111111111, whose per_day is 4; lower the cost, or raise their limits: caddy keygate update 111111111111 --per-day 5"}},
		"without the scope":     {routes: []access.Route{scoped("/a", 5)}, keys: []Purse{purse("1", []string{"ai:admin"}, 4, 9)}},
		"by an alternative":     {routes: []access.Route{scoped("/a", 5)}, keys: []Purse{purse("1", []string{"ai:admin", "ai:read"}, 4, 9)}, want: []string{"111111111111"}},
		"any key":               {routes: []access.Route{authenticated}, keys: []Purse{purse("1", []string{"x:y"}, 5, 9), purse("2", ai, 6, 6)}, want: []string{": 111111111111, whose burst is 5; lower"}},
		"several keys": {
			routes: []access.Route{scoped("/a", 5)},
			keys:   []Purse{purse("1", ai, 1, 9), purse("2", ai, 5, 9), purse("3", ai, 1, 9), purse("4", ai, 1, 9), purse("5", ai, 1, 9), purse("6", ai, 1, 9)},
			want:   []string{": 111111111111, whose burst is 1; 333333333333, whose burst is 1; 444444444444, whose burst is 1 and 2 more; lower"},
		},
		"as much as a workspace": {routes: []access.Route{scoped("/a", 5)}, together: apikey.WorkspaceLimits{PerMinute: 5, PerDay: 5}},
		"a workspace's minute":   {routes: []access.Route{scoped("/a", 5)}, together: apikey.WorkspaceLimits{PerMinute: 4}, want: []string{"the burst of workspace_limits is 4"}},
		"a workspace's day":      {routes: []access.Route{scoped("/a", 5)}, together: apikey.WorkspaceLimits{PerMinute: 9, PerDay: 4}, want: []string{"the per_day of workspace_limits is 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			var keys iter.Seq[Purse]
			if test.keys != nil {
				keys = slices.Values(test.keys)
			}
			found := Costs([]Mapping{{Routes: test.routes}}, test.together, keys)
			if len(found) != len(test.want) {
				t.Fatalf("found %v, want %d", found, len(test.want))
			}
			for i, want := range test.want {
				if f := found[i]; f.Code != TooCostly || f.Where != "Caddyfile:3" || !strings.Contains(f.Problem, want) {
					t.Errorf("found %+v, want %s", f, want)
				}
			}
		})
	}
}

// The keys of a store are not asked for where nothing costs.
func TestCostsAskOnlyWhereTheyMust(t *testing.T) {
	keys := func(func(Purse) bool) { t.Error("keys are asked for") }
	if found := Costs([]Mapping{{Routes: []access.Route{{Methods: []string{"GET"}, Pattern: "/a", Access: access.Authenticated}}}}, apikey.WorkspaceLimits{}, keys); len(found) > 0 {
		t.Errorf("found %s", fmt.Sprint(found))
	}
}

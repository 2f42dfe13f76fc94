package lint

import (
	"fmt"
	"iter"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// Purse is what one key, or each key of a kind, can pay for one request.
type Purse struct {
	ID     apikey.ID
	Scopes *apikey.ScopeSet
	Limits apikey.Limits
}

// Costs returns the routes of mappings that cost more than a key, or a workspace
// with the limits of the config, can ever pay: waiting does not help there. keys
// are those of a store; if it is nil, a key with the default limits stands for
// them.
func Costs(mappings []Mapping, together apikey.WorkspaceLimits, keys iter.Seq[Purse]) []Finding {
	all := findings{}
	costly := costlyRoutes(mappings)
	for _, r := range costly {
		if limit, name := most(together.Limits()); r.Cost > limit {
			all.add(TooCostly, r.Source, "%s costs %d, and the %s of workspace_limits is %d: it is always refused; lower the cost, or raise the limit", r, r.Cost, name, limit)
		}
		if keys == nil && r.Cost > apikey.DefaultPerMinute {
			all.add(TooCostly, r.Source, "%s costs %d, and the burst of a key is %d unless it is made with more: it is always refused to such a key; lower the cost, or make the keys for it with --per-minute %d or more",
				r, r.Cost, apikey.DefaultPerMinute, r.Cost)
		}
	}
	if keys != nil && len(costly) > 0 {
		checkPurses(costly, keys, &all)
	}
	return all.sorted()
}

// costlyRoutes returns the routes that charge more than one request and that some
// key can reach.
func costlyRoutes(mappings []Mapping) []*access.Route {
	var costly []*access.Route
	for i := range mappings {
		newSite(&mappings[i]).routes(func(r *access.Route, reached bool) {
			if reached && r.Cost > 1 && r.Access != access.Public && r.Access != access.Denied {
				costly = append(costly, r)
			}
		})
	}
	return costly
}

// shownKeys is how many keys a finding names.
const shownKeys = 3

// checkPurses finds the keys that hold the scopes of a route and cannot pay it.
func checkPurses(costly []*access.Route, keys iter.Seq[Purse], f *findings) {
	type poor struct {
		shown []string
		count int
		raise string // the command for the first of them
	}
	found := make([]poor, len(costly))
	for key := range keys {
		for i, r := range costly {
			limit, name := most(key.Limits)
			if r.Cost <= limit || r.Access == access.Scoped && !r.Scopes.HeldBy(key.Scopes) {
				continue
			}
			if found[i].count == 0 {
				found[i].raise = fmt.Sprintf("caddy keygate update %s%s", key.ID, raised(key.Limits, r.Cost))
			}
			if found[i].count++; found[i].count <= shownKeys {
				found[i].shown = append(found[i].shown, fmt.Sprintf("%s, whose %s is %d", key.ID, name, limit))
			}
		}
	}
	for i, r := range costly {
		if n := found[i].count; n > 0 {
			more := ""
			if n > shownKeys {
				more = fmt.Sprintf(" and %d more", n-shownKeys)
			}
			f.add(TooCostly, r.Source, "%s costs %d, more than these keys can ever pay: %s%s; lower the cost, or raise their limits: %s",
				r, r.Cost, strings.Join(found[i].shown, "; "), more, found[i].raise)
		}
	}
}

// raised returns the flags that let a key with these limits pay the cost.
func raised(l apikey.Limits, cost int) (flags string) {
	if int(l.PerMinute) < cost {
		flags += fmt.Sprintf(" --per-minute %d", cost)
	}
	if int(l.Burst) < cost {
		flags += fmt.Sprintf(" --burst %d", cost)
	}
	if int(l.PerDay) < cost {
		flags += fmt.Sprintf(" --per-day %d", cost)
	}
	return flags
}

// most returns the most that one request may cost within limits of which 0 is
// none, and the name of that limit.
func most(l apikey.Limits) (int, string) {
	switch {
	case l.PerDay != 0 && (l.Burst == 0 || l.PerDay < l.Burst):
		return int(l.PerDay), "per_day"
	case l.Burst != 0:
		return int(l.Burst), "burst"
	default:
		return access.MaxCost, ""
	}
}

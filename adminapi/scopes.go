package adminapi

import (
	"maps"
	"net/http"
	"slices"

	"github.com/socialpatra/keygate/apikey"
)

// scopes answers with the catalogue, then with the scopes that only the config
// has. Each comes with the routes of the running config that need it.
func (a *call) scopes(*http.Request) (any, int, error) {
	opens := make(map[string][]string)
	for _, mapping := range a.mappings {
		for _, route := range mapping.Policy.Table.Routes() {
			line := route.String()
			for _, scope := range route.Scopes.Distinct() {
				opens[scope] = append(opens[scope], line)
			}
		}
	}
	may := func(string) bool { return true }
	if a.authority != nil {
		accepted := a.authority.Bounds.accepted(routeScopes(a.mappings))
		may = func(scope string) bool { return slices.Contains(accepted, scope) }
	}
	resp := ScopesResponse{Scopes: []ScopeInfo{}}
	add := func(scope, description string, known bool) {
		if !may(scope) {
			return
		}
		routes := opens[scope]
		slices.Sort(routes)
		resp.Scopes = append(resp.Scopes, ScopeInfo{
			Scope:       scope,
			Description: description,
			Known:       known,
			Routes:      append([]string{}, slices.Compact(routes)...),
		})
		delete(opens, scope)
	}
	for _, info := range apikey.Catalogue() {
		add(info.Scope, info.Description, true)
	}
	for _, scope := range slices.Sorted(maps.Keys(opens)) {
		add(scope, "", false)
	}
	known := make(map[string]bool)
	for _, info := range resp.Scopes {
		known[info.Scope] = true
	}
	workspace, _ := a.authority.one()
	held, err := a.store.HeldScopes(workspace, maxHolders)
	if err != nil {
		return nil, 0, err
	}
	resp.Held, resp.Unknown = []HeldScope{}, []HeldScope{}
	for _, h := range held {
		scope := HeldScope{Scope: h.Scope, Keys: h.Keys, Count: h.Count}
		resp.Held = append(resp.Held, scope)
		if !known[h.Scope] {
			resp.Unknown = append(resp.Unknown, scope)
		}
	}
	return resp, http.StatusOK, nil
}

// knownScopes returns the scopes that keys may hold besides those of the
// catalogue, unless a bound forbids it.
func (c *call) knownScopes() []string {
	known := routeScopes(c.mappings)
	if c.authority != nil {
		known = append(known, c.authority.Bounds.Scopes...)
	}
	return known
}

// maxHolders is how many keys are listed for each scope.
const maxHolders = 100

// routeScopes returns every scope that a route needs, sorted.
func routeScopes(mappings []Mapping) []string {
	var scopes []string
	for _, mapping := range mappings {
		scopes = append(scopes, mapping.Policy.Table.Scopes()...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

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
	var resp ScopesResponse
	add := func(scope, description string, known bool) {
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
	held, err := a.store.HeldScopes("", maxHolders)
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

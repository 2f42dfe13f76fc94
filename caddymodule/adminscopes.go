package caddymodule

import (
	"net/http"
	"slices"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// scopes answers with the catalogue, then the scopes that only the config
// knows, each with the routes of the running config that need it.
func (a *keyAdmin) scopes(*http.Request) (any, int, error) {
	opens := make(map[string][]string)
	for _, table := range a.tables {
		for _, route := range table.Routes() {
			line := route.String()
			for _, scope := range route.Scopes.Distinct() {
				opens[scope] = append(opens[scope], line)
			}
		}
	}
	var resp scopesResponse
	add := func(scope, description string, known bool) {
		routes := opens[scope]
		slices.Sort(routes)
		resp.Scopes = append(resp.Scopes, scopeInfo{
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
	for _, scope := range routeScopes(a.tables) {
		if _, ok := opens[scope]; ok {
			add(scope, "", false)
		}
	}
	unknown, err := a.unknownScopes()
	if err != nil {
		return nil, 0, err
	}
	resp.Unknown = unknown
	return resp, http.StatusOK, nil
}

// maxUnknownKeys is how many keys are named of those with an unknown scope.
const maxUnknownKeys = 100

// unknownScopes finds the scopes that keys hold and nothing knows, sorted.
func (a *keyAdmin) unknownScopes() ([]unknownScope, error) {
	known := make(map[string]bool)
	for _, info := range apikey.Catalogue() {
		known[info.Scope] = true
	}
	for _, scope := range routeScopes(a.tables) {
		known[scope] = true
	}
	held, err := a.store.HeldScopes(func(scope string) bool { return !known[scope] }, maxUnknownKeys)
	if err != nil {
		return nil, err
	}
	unknown := make([]unknownScope, len(held))
	for i, h := range held {
		unknown[i] = unknownScope{Scope: h.Scope, Keys: h.Keys, Count: h.Count}
	}
	return unknown, nil
}

// routeScopes returns every scope that a route of the tables needs, sorted.
func routeScopes(tables []*access.Table) []string {
	var scopes []string
	for _, table := range tables {
		for _, route := range table.Routes() {
			scopes = append(scopes, route.Scopes.Distinct()...)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

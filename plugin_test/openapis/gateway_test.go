package openapis

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule"
)

// gateway is a handler of a config, with one key that holds what a test says.
type gateway struct {
	adminapi.Mapping
	findings map[string]lint.Code // by method and path

	token string
	id    apikey.ID
	grant apikey.Grant
}

func (g *gateway) Lookup(id apikey.ID) (apikey.Grant, bool, error) { return g.grant, id == g.id, nil }

func (g *gateway) LookupOpaque(apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	return apikey.ID{}, apikey.Grant{}, false, nil
}

func (g *gateway) HasOpaque() bool { return false }

const brand = "patra"

// load makes the handler of a config that names the document.
func load(file string, r reading, s *spec) (*gateway, error) {
	options := map[string]any{"file": file}
	if r.given {
		options["scheme"] = r.scheme
	}
	if r.base != "" {
		options["base_path"] = r.base
	}
	if r.fallback != "" {
		options["default"] = map[string]any{"access": r.fallback}
	}
	if r.mapped {
		if lines := r.scopeMap(s); len(lines) > 0 {
			options["scope_map"] = lines
		}
	}
	mapping, err := caddymodule.MappingOf(map[string]any{"handler": "keygate", "openapi": []any{options}})
	if err != nil {
		return nil, err
	}
	g := &gateway{Mapping: mapping}
	g.token, g.id, g.grant.Hash = apikey.Generate(brand)
	g.Policy.Brand, g.Policy.Keys = brand, g
	return g, nil
}

// find has lint look at the gateway.
func (g *gateway) find() {
	g.findings = make(map[string]lint.Code)
	for _, f := range lint.Check([]lint.Mapping{{Documents: g.Documents, Header: g.Header}}, nil) {
		if f.Code != lint.NoSecurity && f.Code != lint.AmbiguousPath && f.Code != lint.Unmappable {
			continue
		}
		// "GET /posts: what is wrong", where a path may have a colon and a space.
		for i := range len(f.Problem) {
			if strings.HasPrefix(f.Problem[i:], ": ") {
				g.findings[f.Problem[:i]] = f.Code
			}
		}
	}
}

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// passes reports whether the gateway serves a request with a key that holds the
// scopes; nil is a request without a key.
func (g *gateway) passes(method, path string, held *apikey.ScopeSet) bool {
	q := access.Request{Method: method, Path: path, Client: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Now: now}
	if held != nil {
		g.grant.Scopes = held
		q.Authorization = []string{"Bearer " + g.token}
	}
	d := g.Policy.Decide(&q)
	return d.Reason == access.Allowed
}

func (r reading) String() string {
	var b strings.Builder
	if r.given {
		fmt.Fprintf(&b, "scheme %q, ", r.scheme)
	}
	if r.base != "" {
		fmt.Fprintf(&b, "base_path %s, ", r.base)
	}
	if r.mapped {
		b.WriteString("scope_map for every scope, ")
	}
	if r.fallback != "" {
		fmt.Fprintf(&b, "default %s, ", r.fallback)
	}
	return strings.TrimSuffix(b.String()+"nothing else", ", ")
}

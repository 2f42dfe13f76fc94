package caddymodule

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
)

// ScopeMapping gives a scope of a document the names that keys hold.
type ScopeMapping struct {
	// The scope as the document has it. One * in it is any text. A scope that is
	// named as it is comes before patterns, and of these the one with more text.
	// Required.
	Source string `json:"source"`

	// What keys must hold for it, all of them: 1–64 of resource:action. A * is
	// the text of the one in source. Required.
	Scopes []string `json:"scopes"`
}

// OpenAPIDefault is what operations need that say nothing of security, where
// the document says nothing either.
type OpenAPIDefault struct {
	// Scopes that a key must hold, as those of a route. Required unless access
	// says otherwise.
	Scopes []string `json:"scopes,omitempty"`

	// Other sets of scopes, as those of a route. Default: none.
	OrScopes [][]string `json:"or_scopes,omitempty"`

	// authenticated, public or deny, as of a route. Default: keys that hold the
	// scopes.
	Access string `json:"access,omitempty"`
}

// OpenAPI imports routes from an OpenAPI document of the backend: each
// operation with the scopes that its security requirement names. An operation
// that no route can stand for is denied, also where a wider one would match, and
// told in the log and by `caddy keygate lint`.
type OpenAPI struct {
	// The document, OpenAPI 3.0 to 3.2 as YAML or JSON. A relative path is
	// relative to the folder that Caddy was started in, and in a Caddyfile to
	// that file. Placeholders such as {env.API_DOCUMENT} are expanded. What the
	// document refers to must be in its folder; nothing is fetched. Required.
	File string `json:"file"`

	// The security scheme that is the API key's: http bearer, apiKey in a
	// header, oauth2 or openIdConnect. Default: the only such scheme that the
	// operations use.
	Scheme string `json:"scheme,omitempty"`

	// What is put before every path, such as /v1, or / for nothing. Default: the
	// path of the document's servers.
	BasePath string `json:"base_path,omitempty"`

	// What keys hold for scopes of the document that are not resource:action, or
	// that are to be called otherwise. Default: none.
	ScopeMap []ScopeMapping `json:"scope_map,omitempty"`

	// What operations need that say nothing of security. Default: they are denied.
	Default *OpenAPIDefault `json:"default,omitempty"`

	// Schemes of the document that are not the keys' and of which `caddy keygate
	// lint` need not speak. They change no route. Default: none.
	OtherSchemes []string `json:"other_schemes,omitempty"`

	// A digest of the document, so that a config whose document has changed is
	// a changed config: Caddy leaves out a reload to the one that it runs. The
	// Caddyfile adapter fills it in; it is not checked. Default: none.
	Digest string `json:"digest,omitempty"`
}

// read reads the document as it is now.
func (o *OpenAPI) read() (*openapi.Document, error) {
	file := caddy.NewReplacer().ReplaceKnown(o.File, "")
	if file == "" {
		return nil, fmt.Errorf("the path of the openapi document, %q, is empty; accepted: a file such as ./socialpatra.openapi.yaml", o.File)
	}
	options, err := o.options()
	if err != nil {
		return nil, fmt.Errorf("openapi %s: %w", file, err)
	}
	document, err := openapi.Read(file, options)
	if wrong, ok := errors.AsType[*openapi.Error](err); ok && wrong.Where == file {
		return nil, fmt.Errorf("openapi %w", err)
	} else if err != nil {
		return nil, fmt.Errorf("openapi %s: %w", file, err)
	}
	return document, nil
}

// options returns how the document is read.
func (o *OpenAPI) options() (openapi.Options, error) {
	options := openapi.Options{Scheme: o.Scheme, BasePath: o.BasePath, OtherSchemes: o.OtherSchemes}
	seen := make(map[string]bool)
	for _, m := range o.ScopeMap {
		mapping := openapi.ScopeMapping(m)
		if err := mapping.Check(); err != nil {
			return options, err
		}
		if seen[m.Source] {
			return options, fmt.Errorf("scope_map: %q is mapped twice; name all its scopes in one place", m.Source)
		}
		seen[m.Source] = true
		options.ScopeMap = append(options.ScopeMap, mapping)
	}
	if o.Default != nil {
		r := Route{Scopes: o.Default.Scopes, OrScopes: o.Default.OrScopes, Access: o.Default.Access}
		options.Default = &openapi.Default{Access: access.Access(r.Access), Scopes: r.scopes()}
		if err := options.Default.Check(); err != nil {
			return options, err
		}
	}
	return options, nil
}

// unmarshalOpenAPI parses
//
//	openapi <file> {
//		scheme    <name>
//		base_path <path>
//		scope_map <scope of the document> <scopes...>
//		scope_map <file of such lines>
//		other_schemes <names...>
//		default   authenticated|public|deny
//		default   scope <scopes>
//	}
func (h *Handler) unmarshalOpenAPI(d *caddyfile.Dispenser) error {
	var o OpenAPI
	if !d.AllArgs(&o.File) {
		return caddyargs.WrongCount(d, "openapi <file>, such as ./socialpatra.openapi.yaml")
	}
	var err error
	if o.File, err = resolve(o.File, d.File()); err != nil {
		return d.WrapErr(err)
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] && option != "scope_map" && option != "other_schemes" {
			return caddyargs.Repeated(d, "openapi "+option)
		}
		seen[option] = true
		var err error
		switch option {
		case "scheme":
			err = caddyargs.One(d, &o.Scheme, "scheme <name>, of one of the document's securitySchemes")
		case "base_path":
			err = caddyargs.Checked(d, &o.BasePath, openapi.CheckBasePath, "base_path <path>, such as /v1")
		case "scope_map":
			err = o.unmarshalScopeMap(d)
		case "other_schemes":
			names := d.RemainingArgs()
			if o.OtherSchemes = append(o.OtherSchemes, names...); len(names) == 0 {
				err = caddyargs.WrongCount(d, "other_schemes <names...>, of the document's securitySchemes")
			}
		case "default":
			err = o.unmarshalDefault(d)
		default:
			err = d.Errf("unrecognized openapi option '%s'; accepted: scheme, base_path, scope_map, other_schemes, default", option)
		}
		if err != nil {
			return err
		}
	}
	if _, err := o.options(); err != nil {
		return d.WrapErr(err)
	}
	// What is wrong with the document is told where the config is provisioned:
	// it may be adapted on another machine.
	if document, err := o.read(); err == nil {
		o.Digest = document.Digest
	}
	h.OpenAPI = append(h.OpenAPI, o)
	return nil
}

// resolve makes a path relative to a Caddyfile absolute, as that of import is:
// who reloads a config is often in another folder than Caddy. A placeholder at
// the start may be anything.
func resolve(path, caddyfile string) (string, error) {
	if filepath.IsAbs(path) || strings.HasPrefix(path, "{") {
		return path, nil
	}
	abs, err := filepath.Abs(filepath.Join(filepath.Dir(caddyfile), path))
	if err != nil {
		return "", fmt.Errorf("the path of %s: %w", path, err)
	}
	return abs, nil
}

// mapping reads the documents and builds the table.
func (h *Handler) mapping() (adminapi.Mapping, error) {
	g := adminapi.Mapping{Header: h.Header}
	written := accessRoutes(h.Routes)
	routes := slices.Clone(written)
	for i := range h.OpenAPI {
		document, err := h.OpenAPI[i].read()
		if err != nil {
			return adminapi.Mapping{}, err
		}
		g.Documents = append(g.Documents, document)
		routes = append(routes, document.Routes()...)
	}
	crossings, err := openapi.Crossings(routes)
	if err != nil {
		return adminapi.Mapping{}, err
	}
	table, err := access.NewTable(append(routes, crossings...))
	if errors.Is(err, access.ErrNoRoutes) && len(g.Documents) > 0 {
		return adminapi.Mapping{}, &openapi.NothingMappedError{Documents: g.Documents, Written: written, Header: h.Header}
	}
	if err != nil {
		return adminapi.Mapping{}, err
	}
	g.Policy = access.Policy{
		Table:              table,
		AllowMissingOrigin: h.MissingOrigin == "allow",
		CORS:               !h.CORS.off(),
		Report:             h.Mode == modes.Words[1],
		Foreign:            h.Foreign == foreigns.Words[1],
	}
	return g, nil
}

// report logs where an imported document does not take effect as written.
func report(g *adminapi.Mapping, logger *zap.Logger) {
	for _, document := range g.Documents {
		if n, first := adminapi.DeniedOf(document); n > 0 {
			logger.Warn("operations of the openapi document are no routes and denied; caddy keygate lint shows all",
				zap.String("file", document.File), zap.Int("operations", n), zap.Strings("first", first))
		}
	}
	if n, first := g.Taken(); n > 0 {
		logger.Info("routes of the config come before those of openapi documents; caddy keygate lint shows all",
			zap.Int("overlaps", n), zap.Strings("first", first))
	}
}

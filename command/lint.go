package command

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/behind"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/internal/jsontree"
)

func (c *cli) lintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint [CONFIG|DOCUMENT]",
		Short: "Finds what does not fit between config, OpenAPI documents and keys",
		Long: `Reads a config file, by default the Caddyfile in this folder, and the OpenAPI
documents that it names, and prints what does not fit, one finding a line, with
its place and what to do. No Caddy needs to run. With --db, or with --address for a Caddy
that runs, it looks at the scopes and limits of the keys as well.

Of an OpenAPI document alone (.yaml, .yml, or .json) it prints what a gateway
would not map, and then a block for the Caddyfile that maps more of it. Read the
block before you use it: the names of scopes in it are proposals.

  no_security          an operation that says nothing of who may call; it is denied
  ambiguous_path       an operation with a path that no request may have
  unmappable           an operation that no route can stand for; it is denied
  wider_route          a denied operation that a wider route would serve
  dropped_alternative  an alternative of security that no key can meet
  other_scheme         a requirement of a scheme that is not the keys'
  colon_name           a segment such as :id in a document, which is that text
  unused_scope         a scope that a document declares and no route needs
  unknown_route        a route of the config that no operation matches
  shadowed             an operation that a route of the config comes before
  read_scope_writes    a method that writes, for keys that may only read
  useless_key_scope    a scope that keys hold and that opens nothing
  key_header           the document sends keys in a header that is not accepted
  unused_scope_map     a scope_map that no operation needs
  merged_scopes        a scope of keys that stands for several of the document
  cost_too_high        a route that costs more than a key can ever pay
  unsafe_cache         a cache that may give the answer to one key to another
  early_placeholder    a handler before keygate that asks for what keygate says
  chosen_by_client     a keygate_console that believes what the client says of itself
  no_sign_in           a keygate_console that requests reach without a sign-in
  useless_console      a keygate_console that refuses every request, or that none reaches
  plain_console        a keygate_console on a site without TLS
  not_enforced         a keygate in mode report, which refuses nothing but keys that have ended
  nothing_behind       a keygate with foreign pass, and nothing behind it that answers
  past_authorize       a site with authorize that says yes to requests that miss keygate
  plaintext_unwatched  a site where keys may go in the clear, and nobody notices

The exit status is 0 when there is nothing to tell, and 1 when there is.`,
		Example: `  $ caddy keygate lint
  $ caddy keygate lint ./api.yaml
  $ caddy keygate lint /etc/caddy/Caddyfile --address unix//run/caddy/admin.sock
  $ caddy keygate lint Caddyfile --json | jq -r '.findings[] | .code'`,
		Args: atMostOneConfig,
		RunE: c.run(func(ctx context.Context, api *client.Client, args []string) error {
			file := c.target.config
			if len(args) > 0 {
				if file != "" {
					return errors.New("the config is given twice; name it once, with or without --config")
				}
				file = args[0]
			}
			if isDocument(file, c.target.adapter) {
				return c.lintDocument(file)
			}
			r, err := c.lint(ctx, api, file)
			if err != nil {
				return err
			}
			return c.printReport(r)
		}),
	}
}

func (c *cli) lint(ctx context.Context, api *client.Client, file string) (r report, err error) {
	config, err := loadConfig(file, c.target.adapter)
	if err != nil {
		return r, err
	}
	consoles := findConsoles(config.tree)
	caches, early := findAround(config.tree)
	mappings, empty, err := config.read()
	if errors.Is(err, errNoHandler) && len(consoles) > 0 {
		err = nil // the gateway of the keys may be elsewhere
	}
	if err != nil {
		return r, err
	}
	var checked []lint.Mapping
	for _, g := range mappings {
		m := lint.Mapping{Documents: g.Documents, Header: g.Header, Reports: g.Policy.Report}
		for _, route := range g.Policy.Table.Routes() {
			if !route.Imported {
				m.Routes = append(m.Routes, route)
			}
		}
		checked = append(checked, m)
	}
	for _, n := range empty {
		checked = append(checked, lint.Mapping{Routes: n.Written, Documents: n.Documents, Header: n.Header})
		if r.nothing == nil {
			r.nothing = fmt.Errorf("%s: %w", config.name, n)
		}
	}
	var held []lint.HeldScope
	var purses iter.Seq[lint.Purse]
	var failed error
	if c.target.db != "" || c.target.address != "" {
		to := c.target
		to.config = "" // it was read for what it says, not for where Caddy is
		api.Find = to.place
		var resp adminapi.ScopesResponse
		if err := api.Call(ctx, http.MethodGet, adminapi.ScopesPath, nil, &resp); err != nil {
			return r, err
		}
		for _, h := range resp.Held {
			held = append(held, lint.HeldScope{Scope: h.Scope, Keys: h.Keys, Count: h.Count})
		}
		purses = func(yield func(lint.Purse) bool) { failed = eachPurse(ctx, api, yield) }
	}
	r.findings = slices.Concat(
		lint.Check(checked, held),
		lint.Costs(checked, config.workspaceLimits(), purses),
		lint.Caches(caches),
		lint.EarlyPlaceholders(early),
		lint.Consoles(consoles),
		lint.NotYetEnforced(checked),
		lint.Plaintext(findPlain(config.tree)),
		lint.WaysPastAuthorize(findPastAuthorize(config.tree)),
	)
	if behind.Nothing(jsontree.At(config.tree, "apps", "http"), behind.IsForeign) {
		r.findings = append(r.findings, lint.Unanswered(config.name))
	}
	return r, failed
}

// eachPurse yields what the keys of the store can pay. Keys that are refused
// anyway are left out.
func eachPurse(ctx context.Context, api *client.Client, yield func(lint.Purse) bool) error {
	_, err := eachPage(url.Values{"status": {string(apikey.Active)}}, nil, func(query url.Values) (string, error) {
		var page adminapi.ListResponse
		if err := api.Call(ctx, http.MethodGet, adminapi.KeysPath+"?"+query.Encode(), nil, &page); err != nil {
			return "", err
		}
		for _, k := range page.Keys {
			if !yield(lint.Purse{ID: k.ID, Scopes: apikey.NewScopeSet(k.Scopes), Limits: k.Limits}) {
				return "", nil
			}
		}
		return page.NextCursor, nil
	})
	return err
}

// lintDocument prints what a gateway would make of a document, and what to write
// in its config.
func (c *cli) lintDocument(file string) error {
	if c.target.db != "" || c.target.address != "" {
		return errors.New("--db and --address are for a config; a document alone has no keys")
	}
	r, err := lintDocument(file)
	if err != nil {
		return err
	}
	return c.printReport(r)
}

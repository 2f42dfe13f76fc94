package command

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
)

// This file completes arguments for the shell, through Caddy's own `completion`
// command. On an error it completes nothing, because a shell has no place to show
// errors.

// completeTimeout is how long somebody who pressed Tab may have to wait.
const completeTimeout = 2 * time.Second

// completed is the result of a completion. We never complete file names.
func completed(found []string) ([]string, cobra.ShellCompDirective) {
	return found, cobra.ShellCompDirectiveNoFileComp
}

// suggestion joins a value and its description in the form that cobra reads.
func suggestion(value, description string) string {
	return value + "\t" + term.Visible(description)
}

// ask makes one call for a completion and reports whether it was answered.
func (c *cli) ask(cmd *cobra.Command, path string, out any) bool {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	api := c.client(c.target)
	api.Warn, api.Silent = func(string, ...any) {}, true
	err := api.Call(ctx, http.MethodGet, path, nil, out)
	return api.Close() == nil && err == nil
}

// completeKey completes the single key argument of a command, by ID or prefix.
func (c *cli) completeKey(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return completed(nil)
	}
	return completed(c.keysLike(cmd, typed))
}

func (c *cli) keysLike(cmd *cobra.Command, typed string) []string {
	id, asPrefix := typed, false
	if brand, rest, found := strings.Cut(typed, "_"); found {
		if apikey.CheckBrand(brand) != nil {
			return nil // the rest may be the beginning of a secret
		}
		id, asPrefix = rest, true
	}
	query := url.Values{"limit": {"1000"}}
	if id != "" {
		// Keys are listed in the order of their IDs, so the keys with a given
		// beginning are found among a million. An argument that is too long for
		// an ID may be a token, and is not sent.
		if len(id) > apikey.IDLen {
			return nil
		}
		from := id[:min(len(id), apikey.IDLen-1)]
		from += strings.Repeat("0", apikey.IDLen-len(from))
		if _, err := apikey.ParseID(from); err != nil {
			return nil
		}
		if cursor := idBefore(from); cursor != "" {
			query.Set("cursor", cursor)
		}
	}
	var page adminapi.ListResponse
	if !c.ask(cmd, "/keygate/keys?"+query.Encode(), &page) {
		return nil
	}
	var found []string
	for i := range page.Keys {
		k := &page.Keys[i]
		value := k.ID.String()
		if asPrefix {
			value = k.Prefix
		}
		if strings.HasPrefix(value, typed) {
			found = append(found, suggestion(value, k.Name+" ("+k.Workspace+")"))
		}
	}
	return found
}

// idBefore returns the ID right before another in their order, because a list
// starts after its cursor; "" before the first one.
func idBefore(id string) string {
	text := []byte(id)
	for i := len(text) - 1; i >= 0; i-- {
		switch text[i] {
		case '0':
			text[i] = 'z'
			continue
		case 'A':
			text[i] = '9'
		case 'a':
			text[i] = 'Z'
		default:
			text[i]--
		}
		return string(text)
	}
	return ""
}

// completeFlags completes the values of those flags that cmd has.
func (c *cli) completeFlags(cmd *cobra.Command) {
	for name, complete := range map[string]cobra.CompletionFunc{
		"scope":     c.completeScopes,
		"status":    completeStatus,
		"sort":      completeSort,
		"workspace": c.completeWorkspace,
		"key":       c.completeKeyFlag,
	} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, complete) // fails only if the flag does not exist
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions) // fails if the flag has a completion already
	})
}

func (c *cli) completeKeyFlag(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return completed(c.keysLike(cmd, typed))
}

func completeStatus(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return completed([]string{string(apikey.Active), string(apikey.Disabled), string(apikey.Expired), string(apikey.Revoked)})
}

// completeScopes completes the last of several scopes, from the catalogue and the
// running config.
func (c *cli) completeScopes(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before, last := "", typed
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		before, last = typed[:i+1], typed[i+1:]
	}
	var resp adminapi.ScopesResponse
	if !c.ask(cmd, adminapi.ScopesPath, &resp) {
		resp.Scopes = nil
		for _, info := range apikey.Catalogue() {
			resp.Scopes = append(resp.Scopes, adminapi.ScopeInfo{Scope: info.Scope, Description: info.Description})
		}
	}
	given := strings.Split(before, ",")
	var found []string
	for _, info := range resp.Scopes {
		if strings.HasPrefix(info.Scope, last) && !slices.Contains(given, info.Scope) {
			found = append(found, suggestion(before+info.Scope, info.Description))
		}
	}
	return completed(found)
}

// completeWorkspace completes the workspaces of the first thousand keys.
func (c *cli) completeWorkspace(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var page adminapi.ListResponse
	if !c.ask(cmd, "/keygate/keys?limit=1000", &page) {
		return completed(nil)
	}
	var found []string
	for i := range page.Keys {
		if workspace := page.Keys[i].Workspace; strings.HasPrefix(workspace, typed) {
			found = append(found, workspace)
		}
	}
	slices.Sort(found)
	return completed(slices.Compact(found))
}

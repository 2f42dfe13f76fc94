package caddymodule

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/socialpatra/keygate/caddymodule/caddyargs"
)

const scopeMapForm = "scope_map <scope of the document> <scopes...>, such as scope_map read.accounts accounts:read, or scope_map <file>"

// maxScopeMap bounds a file of mappings, in bytes.
const maxScopeMap = 1 << 20

// unmarshalScopeMap parses one mapping, or the name of a file of them. What is
// in the file becomes part of the config, as with import.
func (o *OpenAPI) unmarshalScopeMap(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch len(args) {
	case 0:
		return caddyargs.WrongCount(d, scopeMapForm)
	case 1:
		if err := o.importScopeMap(args[0], d.File()); err != nil {
			return d.WrapErr(err)
		}
	default:
		o.ScopeMap = append(o.ScopeMap, ScopeMapping{args[0], args[1:]})
	}
	return caddyargs.NoBlock(d, scopeMapForm)
}

// importScopeMap adds the lines of a file: a scope and what it becomes, or a
// comment that begins with #.
func (o *OpenAPI) importScopeMap(name, caddyfile string) error {
	path, err := resolve(name, caddyfile)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("scope_map with one argument names a file of mappings: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxScopeMap+1))
	switch {
	case err != nil:
		return fmt.Errorf("the scope_map file: %w", err)
	case len(text) > maxScopeMap:
		return fmt.Errorf("the scope_map file %s is too large; accepted: at most %d bytes", name, maxScopeMap)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
		case len(fields) == 1:
			return fmt.Errorf("%s:%d: %q becomes nothing; accepted in a line: <scope of the document> <scopes...>", name, number, fields[0])
		default:
			o.ScopeMap = append(o.ScopeMap, ScopeMapping{fields[0], fields[1:]})
		}
	}
	return nil
}

// unmarshalDefault parses what operations without security need.
func (o *OpenAPI) unmarshalDefault(d *caddyfile.Dispenser) error {
	const form = "default authenticated, public, deny or scope <scopes>, such as default scope posts:read"
	args := d.RemainingArgs()
	switch {
	case len(args) == 1 && slices.Contains([]string{"authenticated", "public", "deny"}, args[0]):
		o.Default = &OpenAPIDefault{Access: args[0]}
	case len(args) > 1 && args[0] == "scope":
		sets, rest := scopeSets(args[1:])
		if len(rest) > 0 || slices.ContainsFunc(sets, func(set []string) bool { return len(set) == 0 }) {
			return d.Err("what stands after default scope is no scope; accepted: " + form)
		}
		o.Default = &OpenAPIDefault{Scopes: sets[0], OrScopes: sets[1:]}
	default:
		return d.Err("default is not understood; accepted: " + form)
	}
	return caddyargs.NoBlock(d, form)
}

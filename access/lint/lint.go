// Package lint finds where the routes of a gateway, the documents of its
// backend and the keys of its store do not fit together. It reads and asks
// nothing itself.
package lint

import (
	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// Gateway is one gateway's config. Its routes are some that [access.NewTable]
// accepts together.
type Gateway struct {
	Routes    []access.Route // written by hand, each with its Source
	Documents []*openapi.Document
	Header    string // that keys may come in besides Authorization, canonical; "": none
}

// Held is a scope that keys hold.
type Held struct {
	Scope string
	Keys  []apikey.ID // the first of Count, or all
	Count int
}

// Finding is one mismatch.
type Finding struct {
	Code    Code   `json:"code"`
	Where   string `json:"where"`   // file and line, "Caddyfile:12"; of caches the site; "" for keys and the catalogue
	Problem string `json:"problem"` // one line for people: what, and what to do
}

// Code is a kind of mismatch.
type Code string

// The codes. The first three are spelt as the kinds of [openapi.Problem].
const (
	NoSecurity      Code = "no_security"       // an operation that does not say what it needs
	AmbiguousPath   Code = "ambiguous_path"    // an operation that no request can reach
	Unmappable      Code = "unmappable"        // an operation that becomes no route
	UnusedScope     Code = "unused_scope"      // a scope that no route needs
	UnknownRoute    Code = "unknown_route"     // a written route that no operation matches
	Shadowed        Code = "shadowed"          // an imported route that a written one takes requests from
	ReadScopeWrites Code = "read_scope_writes" // a write method that a read scope opens
	UselessKeyScope Code = "useless_key_scope" // a scope that keys hold and no route needs
	KeyHeader       Code = "key_header"        // a header that a document has for keys, and the gateway does not read
	UnusedScopeMap  Code = "unused_scope_map"  // a scope_map that no operation needs
	MergedScopes    Code = "merged_scopes"     // a scope of keys that stands for several of a document
	UnsafeCache     Code = "unsafe_cache"      // a cache that may give the answer to one key to another
)

// Check returns what does not fit, in the order of files, lines and codes, and
// each finding once. Rules that compare with documents are only for gateways
// that have some.
func Check(gateways []Gateway, held []Held) []Finding {
	all := findings{} // not nil, which JSON shows as null
	scopes := make(needed)
	for i := range gateways {
		s := newSite(&gateways[i])
		s.checkOperations(&all)
		s.checkWritten(&all)
		s.checkShadowed(&all)
		s.checkWrites(&all)
		s.checkHeader(&all)
		s.checkScopeMap(&all)
		scopes.addSite(s)
	}
	scopes.checkDeclared(gateways, &all)
	scopes.checkHeld(held, &all)
	return all.sorted()
}

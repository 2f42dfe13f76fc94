// Package lint finds mismatches between three things that are written apart: the
// routes of a keygate handler, the OpenAPI documents of its backend, and the scopes
// of the keys in its store. It also finds caches that may give the answer for one
// key to another, and consoles that anybody may use.
//
// [Check] takes a list of [Mapping] and a list of [HeldScope], and returns every
// [Finding]. A Finding has a [Code] for programs, a place such as
// "Caddyfile:12", and one line for people that says what is wrong and what to do.
// Some examples:
//
//   - An operation does not say what it needs, or becomes no route, so it is
//     denied.
//   - A written route matches no operation, or takes requests from an imported one.
//   - A scope that keys hold is needed by no route, or a read scope opens a write
//     method.
//
// A finding is not an error: the config loads nevertheless. Rules that
// compare with documents apply only to handlers that have some.
//
// The package does no I/O. The command `caddy keygate lint` reads the config and
// the documents, asks the store, and prints the findings.
package lint

import (
	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// Mapping is what one keygate handler of a config maps. Its routes are some that [access.NewTable]
// accepts together.
type Mapping struct {
	Routes    []access.Route // written by hand, each with its Source
	Documents []*openapi.Document
	Header    string // that keys may come in besides Authorization, canonical; "": none
	Reports   bool   // its denials are only reported
}

// HeldScope is a scope that keys hold.
type HeldScope struct {
	Scope string
	Keys  []apikey.ID // the first of Count, or all
	Count int
}

// Finding is one mismatch.
type Finding struct {
	Code    Code   `json:"code"`
	Where   string `json:"where"`   // file and line, "Caddyfile:12"; of caches and other handlers the site; "" for keys
	Problem string `json:"problem"` // one line for people: what, and what to do
}

// Code is a kind of mismatch.
type Code string

// The codes. Those that are kinds of [openapi.Problem] and [openapi.Remark] are
// spelt as these.
const (
	NoSecurity       Code = "no_security"         // an operation that does not say what it needs
	AmbiguousPath    Code = "ambiguous_path"      // an operation that no request can reach
	Unmappable       Code = "unmappable"          // an operation that becomes no route
	Dropped          Code = "dropped_alternative" // an alternative that no key can meet
	OtherScheme      Code = "other_scheme"        // a requirement that is not the key's, and not checked
	ColonName        Code = "colon_name"          // a segment such as :id in a document
	WiderRoute       Code = "wider_route"         // a denied operation that a wider route would serve
	UnusedScope      Code = "unused_scope"        // a declared scope that no route needs
	UnknownRoute     Code = "unknown_route"       // a written route that no operation matches
	Shadowed         Code = "shadowed"            // an imported route that a written one takes requests from
	ReadScopeWrites  Code = "read_scope_writes"   // a write method that a read scope opens
	UselessKeyScope  Code = "useless_key_scope"   // a scope that keys hold and no route needs
	KeyHeader        Code = "key_header"          // a header that a document has for keys, and the gateway does not read
	UnusedScopeMap   Code = "unused_scope_map"    // a scope_map that no operation needs
	MergedScopes     Code = "merged_scopes"       // a scope of keys that stands for several of a document
	TooCostly        Code = "cost_too_high"       // a route that costs more than a key can ever pay
	UnsafeCache      Code = "unsafe_cache"        // a cache that may give the answer to one key to another
	EarlyPlaceholder Code = "early_placeholder"   // a handler before keygate that asks for what keygate says
	ChosenByClient   Code = "chosen_by_client"    // a console that believes what the client says
	NoSignIn         Code = "no_sign_in"          // a console to which nobody signs in
	UselessConsole   Code = "useless_console"     // a console that refuses everybody
	PlainConsole     Code = "plain_console"       // a console without TLS
	NotEnforced      Code = "not_enforced"        // a gateway that only reports
	NothingBehind    Code = "nothing_behind"      // a gateway that passes requests of others on to nothing
	PastAuthorize    Code = "past_authorize"      // a site that a proxy asks, and that says yes to what misses keygate
	Unwatched        Code = "plaintext_unwatched" // a site whose keys may go in the clear, and nobody notices
)

// Codes returns all of them.
func Codes() []Code {
	return []Code{
		NoSecurity, AmbiguousPath, Unmappable, WiderRoute, Dropped, OtherScheme, ColonName, UnusedScope, UnknownRoute,
		Shadowed, ReadScopeWrites, UselessKeyScope, KeyHeader, UnusedScopeMap, MergedScopes, TooCostly, UnsafeCache, EarlyPlaceholder,
		ChosenByClient, NoSignIn, UselessConsole, PlainConsole, NotEnforced, NothingBehind, PastAuthorize, Unwatched,
	}
}

// Check returns what does not fit, in the order of files, lines and codes, and
// each finding once. Rules that compare with documents are only for mappings
// that have some.
func Check(mappings []Mapping, held []HeldScope) []Finding {
	all := findings{} // not nil, which JSON shows as null
	scopes := make(needed)
	for i := range mappings {
		s := newSite(&mappings[i])
		s.checkOperations(&all)
		s.checkRemarks(&all)
		s.checkWider(&all)
		s.checkWritten(&all)
		s.checkShadowed(&all)
		s.checkWrites(&all)
		s.checkHeader(&all)
		s.checkScopeMap(&all)
		scopes.addSite(s)
	}
	scopes.checkDeclared(mappings, &all)
	scopes.checkHeld(held, &all)
	return all.sorted()
}

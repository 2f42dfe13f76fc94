// Package openapi reads which operation of a backend needs which scopes from
// the backend's own OpenAPI document, 3.0 to 3.2, as YAML or JSON. It reads
// what says that (paths, security, servers) and what these refer to, and leaves
// schemas alone. It fetches nothing from a network.
package openapi

import (
	"slices"

	"github.com/socialpatra/keygate/access"
)

// Options choose how a document is read.
type Options struct {
	// Scheme names the security scheme of the API keys. "" is for documents
	// whose operations use only one that can be: http bearer, apiKey in a header,
	// oauth2 or openIdConnect.
	Scheme string

	// BasePath is put before every path in place of that of servers: "/", or a
	// path such as "/v1". "": that of servers.
	BasePath string

	// ScopeMap has the scopes of keys for those of the document that are in
	// another form, or that are to be called otherwise. A source as it is comes
	// before patterns, and of these the one with more text, or else the first.
	ScopeMap []ScopeMapping

	// Default is for operations that say nothing of security. nil: they are denied.
	Default *Default

	// OtherSchemes are not the keys', as whoever reads the document knows: no
	// [Remark] says so again. They change no route.
	OtherSchemes []string
}

// Document is what a document says of a backend's operations.
type Document struct {
	File   string // as it was given to Read
	Digest string // of the bytes of all files that were read: hex SHA-256

	Operations []Operation // in the order of the document

	// Declared are the scopes that the flows of an oauth2 scheme declare, in
	// the order of the document, but for those that operations need and no key can
	// hold.
	Declared []DeclaredScope

	// UnusedMappings are those of Options.ScopeMap that no operation needed.
	UnusedMappings []ScopeMapping

	// Merged are the scopes that stand for several of the document, sorted.
	Merged []MergedScope

	// Scheme is the name of the keys' scheme; "" if none can be.
	Scheme string

	// KeyHeader is where clients are told to send the key, if the scheme is an
	// apiKey in a header other than Authorization, canonical: "X-Api-Key".
	KeyHeader string

	// SchemeSource is where the scheme is declared: "socialpatra.openapi.yaml:12".
	SchemeSource string
}

// Operation is a method of a path.
type Operation struct {
	Method string // in capitals
	Path   string // with the base path before it, otherwise as it was written
	Source string // file, relative to the folder of the document, and line: "paths/posts.yaml:31"

	// Route is what the operation becomes. Where no route can let its requests
	// pass it is a denied one, which keeps wider routes from them, or nil if there
	// can be no such request. Problem then says why.
	Route   *access.Route
	Problem *Problem

	// Remarks are what the document says of the operation and no route does. Those
	// of one security are shared by all operations that have it.
	Remarks []Remark
}

// Remark is what a document says in a place, and the gateway does not do. Its
// text is for people, and says what to do.
type Remark struct {
	Kind   Kind
	Source string // file and line
	Text   string
}

// Problem is why an operation is denied. Its text is for people, and
// says what to do.
type Problem struct {
	Kind Kind
	Text string
}

// Kind is what is wrong with an operation, or to be known of it.
type Kind string

// The kinds of problems, and those of remarks.
const (
	NoSecurity Kind = "no_security"    // neither the operation nor the document says what it needs
	Ambiguous  Kind = "ambiguous_path" // no request may have such a path
	Unmappable Kind = "unmappable"     // a method, path, scope or scheme that a route cannot have

	Dropped     Kind = "dropped_alternative" // one that no key can meet
	OtherScheme Kind = "other_scheme"        // a requirement that the gateway does not check
	ColonName   Kind = "colon_name"          // a segment such as :id, which is that very text
)

// DeclaredScope is a scope that a document declares.
type DeclaredScope struct {
	Scope  string
	Source string
	Keys   []string // the scopes that keys hold for it
}

// Routes returns the routes of all operations that have one, denied ones too.
// Of those that differ in the names of parameters alone, and need the same, it
// has the first.
func (d *Document) Routes() []access.Route {
	var routes []access.Route
	first := make(map[string]*access.Route)
	for i := range d.Operations {
		r := d.Operations[i].Route
		if r == nil {
			continue
		}
		if before := first[shapeOf(r)]; before == nil {
			first[shapeOf(r)] = r
		} else if before.Pattern != r.Pattern && needTheSame(before, r) {
			continue
		}
		routes = append(routes, *r)
	}
	return routes
}

// needTheSame compares what two routes of a document need. Neither the order of their
// sets of scopes nor that within a set matters.
func needTheSame(a, b *access.Route) bool {
	return a.Access == b.Access && a.Cost == b.Cost && a.WebSocket == b.WebSocket && slices.EqualFunc(inOrder(a.Scopes), inOrder(b.Scopes), slices.Equal)
}

func inOrder(sets access.Scopes) [][]string {
	sorted := make([][]string, len(sets))
	for i, set := range sets {
		sorted[i] = slices.Sorted(slices.Values(set))
	}
	slices.SortFunc(sorted, slices.Compare)
	return sorted
}

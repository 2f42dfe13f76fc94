package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/access"
)

// CORS says how browser pages may call. A preflight carries no key, so the answer
// to it is the same for every origin, key and route. Which origins a key allows
// is decided on the request itself. Credentials in the sense of the Fetch
// standard (cookies) are never allowed.
type CORS struct {
	// Leave CORS to the backend: preflights are ordinary requests, and the
	// backend's Access-Control headers pass.
	// Default: false.
	Off bool `json:"off,omitempty"`

	// Request headers that pages may send, besides Authorization and the
	// configured key header. Default: Content-Type.
	AllowHeaders []string `json:"allow_headers,omitempty"`

	// Response headers that pages may read, besides RateLimit,
	// RateLimit-Policy, Retry-After, WWW-Authenticate, Request-Id, Key-Expires and
	// those that the backend itself lists in Access-Control-Expose-Headers.
	// Default: none.
	ExposeHeaders []string `json:"expose_headers,omitempty"`

	// How long browsers may remember a preflight, in whole seconds up to 24h.
	// Default: 10m.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
}

func (c *CORS) off() bool { return c != nil && c.Off }

func (c *CORS) check() error {
	if c == nil {
		return nil
	}
	for _, option := range []struct {
		name, example string
		headers       []string
	}{
		{"allow_headers", "Content-Type", c.AllowHeaders},
		{"expose_headers", "X-Total", c.ExposeHeaders},
	} {
		for _, name := range option.headers {
			if !httpguts.ValidHeaderFieldName(name) || name == "*" {
				return fmt.Errorf("cors %s: %q is not a header name; accepted: names such as %s", option.name, name, option.example)
			}
		}
	}
	if age := time.Duration(c.MaxAge); age < 0 || age > 24*time.Hour {
		return fmt.Errorf("cors max_age %s is not accepted; accepted: up to 24h", age)
	}
	return nil
}

// corsHeaders are the fixed parts of the CORS headers, computed once per config.
type corsHeaders struct {
	off           bool
	allowHeaders  string
	maxAge        string
	methods       string
	exposed       string
	exposedNames  []string // the names in a list
	preflightVary string
}

func newCORSHeaders(c *CORS, keyHeader string) corsHeaders {
	allow := []string{"Authorization"}
	if keyHeader != "" {
		allow = append(allow, keyHeader)
	}
	age := 10 * time.Minute
	extra := []string{"Content-Type"}
	if c != nil && c.AllowHeaders != nil {
		extra = c.AllowHeaders
	}
	if c != nil && c.MaxAge > 0 {
		age = time.Duration(c.MaxAge)
	}
	for _, name := range extra {
		allow = addName(allow, name)
	}
	exposed := []string{"RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "Request-Id", "Key-Expires"}
	if c != nil {
		for _, name := range c.ExposeHeaders {
			exposed = addName(exposed, name)
		}
	}
	return corsHeaders{
		off:           c.off(),
		allowHeaders:  strings.Join(allow, ", "),
		maxAge:        strconv.Itoa(int(age.Seconds())),
		methods:       access.RequestMethods,
		exposed:       strings.Join(exposed, ", "),
		exposedNames:  exposed,
		preflightVary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
	}
}

// addName adds the name of a header to a list if it is not there yet.
func addName(names []string, name string) []string {
	if slices.ContainsFunc(names, func(have string) bool { return strings.EqualFold(have, name) }) {
		return names
	}
	return append(names, name)
}

// answerPreflight sets the headers of the answer to a preflight. If there is no
// valid origin, the answer lacks the headers that let a browser go on.
func (c *corsHeaders) answerPreflight(h http.Header, origin string, values *headerValues) {
	h["Vary"] = values.of(c.preflightVary)
	h["Cache-Control"] = values.of("no-store")
	if origin == "" {
		return
	}
	h["Access-Control-Allow-Origin"] = values.of(origin)
	h["Access-Control-Allow-Methods"] = values.of(c.methods)
	h["Access-Control-Allow-Headers"] = values.of(c.allowHeaders)
	h["Access-Control-Max-Age"] = values.of(c.maxAge)
}

// apply replaces the CORS headers of a response. Those of the backend are
// dropped, except for the headers that it exposes. Errors get CORS headers too,
// because a page must be able to read them.
func (c *corsHeaders) apply(h http.Header, origin string, values *headerValues) {
	if c.off {
		return
	}
	theirs := h["Access-Control-Expose-Headers"]
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	if origin != "" {
		h["Access-Control-Allow-Origin"] = values.of(origin)
		h["Access-Control-Expose-Headers"] = values.of(c.exposing(theirs))
	}
}

// exposing returns the headers that pages may read, including those that the
// backend lists. A * of the backend is kept: it means all headers, because
// requests never have credentials in the sense of Fetch.
func (c *corsHeaders) exposing(theirs []string) string {
	if len(theirs) == 0 {
		return c.exposed
	}
	names := slices.Clone(c.exposedNames)
	for _, value := range theirs {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.Trim(name, " \t"); httpguts.ValidHeaderFieldName(name) { // includes *
				names = addName(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}

package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/caddymodule/response"
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
	if age := time.Duration(c.MaxAge); age < 0 || age > 24*time.Hour || age > 0 && age < time.Second {
		return fmt.Errorf("cors max_age %s is not accepted; accepted: from 1s up to 24h", age)
	}
	return nil
}

// headers returns the CORS headers of a handler whose keys may also come in
// keyHeader.
func (c *CORS) headers(keyHeader string) response.CORS {
	var o response.CORSOptions
	if c != nil {
		o = response.CORSOptions{Off: c.Off, AllowHeaders: c.AllowHeaders, ExposeHeaders: c.ExposeHeaders, MaxAge: time.Duration(c.MaxAge)}
	}
	return response.NewCORS(o, keyHeader)
}

package caddymodule

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/internal/headers"
)

// caching tells the caches between backend and client for whom an answer is.
type caching struct {
	vary, varyKeyed varying // for all answers, and for those that a key opened
}

func newCaching(keyHeader string) caching {
	credentials := []string{"Authorization"}
	if keyHeader != "" {
		credentials = append(credentials, keyHeader)
	}
	return caching{newVarying("Origin"), newVarying("Origin", credentials...)}
}

// varying has the names of the request headers that an answer depends on. All
// names but the first go into a second field. Souin, Caddy's cache handler, looks
// for Authorization in the first field only. If it finds it there, it keeps
// private answers, even for keys that have been revoked since.
type varying struct {
	names       []string
	first, rest string
}

func newVarying(first string, rest ...string) varying {
	return varying{append([]string{first}, rest...), first, strings.Join(rest, ", ")}
}

// apply sets Vary. It also marks an answer that a key opened as private, so that
// no shared cache keeps it (RFC 9111 §5.2.2.7). Shared caches are careful only
// with requests that have Authorization. They do not know another key header, and
// a cache behind Keygate sees neither of the two.
func (c *caching) apply(h http.Header, opened bool, values *headerValues) {
	if !opened {
		c.vary.add(h, values)
		return
	}
	c.varyKeyed.add(h, values)
	switch said := strings.Join(h["Cache-Control"], ", "); {
	case said == "":
		h["Cache-Control"] = values.of("private")
	case !headers.SharedOnPurpose(said):
		// private comes first, and the value is one field. A quoted string
		// without an end would swallow what follows it, and some caches read only
		// one field.
		h["Cache-Control"] = values.of("private, " + said)
	}
}

// add adds the names to Vary that it does not have yet.
func (v *varying) add(h http.Header, values *headerValues) {
	vary := h["Vary"]
	if len(vary) == 0 {
		if v.rest == "" {
			h["Vary"] = values.of(v.first)
		} else {
			h["Vary"] = values.both(v.first, v.rest)
		}
		return
	}
	if httpguts.HeaderValuesContainsToken(vary, "*") {
		return
	}
	var missing []string
	for _, name := range v.names {
		if !httpguts.HeaderValuesContainsToken(vary, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		h["Vary"] = append(slices.Clip(vary), strings.Join(missing, ", "))
	}
}

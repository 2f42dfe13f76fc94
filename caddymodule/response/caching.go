package response

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/internal/headers"
)

// Caching tells the caches between backend and client for whom an answer is.
type Caching struct {
	vary, varyKeyed varying // for all answers, and for those that a key opened
}

// NewCaching returns what the answers of a handler tell, whose keys may also come in
// keyHeader, or in Authorization alone if that is "".
func NewCaching(keyHeader string) Caching {
	credentials := []string{"Authorization"}
	if keyHeader != "" {
		credentials = append(credentials, keyHeader)
	}
	return Caching{newVarying("Origin"), newVarying("Origin", credentials...)}
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

// Apply sets Vary. It also marks an answer that a key opened as private, so that
// no shared cache keeps it (RFC 9111 §5.2.2.7). Shared caches are careful only
// with requests that have Authorization. They do not know another key header, and
// a cache behind Keygate sees neither of the two.
func (c *Caching) Apply(h http.Header, opened bool, values *Values) {
	if !opened {
		c.vary.add(h, values)
		return
	}
	c.varyKeyed.add(h, values)
	switch said := strings.Join(h["Cache-Control"], ", "); {
	case said == "":
		h["Cache-Control"] = values.Of("private")
	case !headers.SharedOnPurpose(said):
		// private comes first, and the value is one field. A quoted string
		// without an end would swallow what follows it, and some caches read only
		// one field.
		h["Cache-Control"] = values.Of("private, " + said)
	}
}

// add adds the names to Vary that it does not have yet.
func (v *varying) add(h http.Header, values *Values) {
	vary := h["Vary"]
	if len(vary) == 0 {
		if v.rest == "" {
			h["Vary"] = values.Of(v.first)
		} else {
			h["Vary"] = values.Both(v.first, v.rest)
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

package caddymodule

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
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
	case !sharedOnPurpose(said):
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

// sharedOnPurpose reports whether Cache-Control itself says whether shared caches
// may keep the answer. A malformed directive does not count, and neither does
// private for certain fields.
func sharedOnPurpose(said string) bool {
	for said != "" {
		var directive string
		directive, said = cutDirective(said)
		name, argument, qualified := strings.Cut(directive, "=")
		switch strings.ToLower(name) {
		case "private", "no-store", "public":
			if !qualified {
				return true
			}
		case "s-maxage":
			if isSeconds(argument) {
				return true
			}
		}
	}
	return false
}

// cutDirective cuts the first directive off a list separated by commas, ignoring
// commas inside quoted strings (RFC 9110 §5.6.4).
func cutDirective(list string) (directive, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return strings.Trim(list[:i], " \t"), list[i+1:]
		}
	}
	if quoted {
		return "", ""
	}
	return strings.Trim(list, " \t"), ""
}

// isSeconds accepts a number, which may be a quoted string (RFC 9111 §5.2).
func isSeconds(s string) bool {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return s != "" && strings.Trim(s, "0123456789") == ""
}

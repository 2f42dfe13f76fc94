package caddymodule

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// caching says whom an answer is for, to the caches on its way.
type caching struct {
	vary, varyKeyed varying // of all answers, and of those that a key opened
}

func newCaching(keyHeader string) caching {
	credentials := []string{"Authorization"}
	if keyHeader != "" {
		credentials = append(credentials, keyHeader)
	}
	return caching{newVarying("Origin"), newVarying("Origin", credentials...)}
}

// varying is what an answer depends on: names of request headers. What follows
// the first is in a field of its own: Souin, the cache handler of Caddy, looks
// for Authorization in the first field, and where it finds it keeps what is
// private, also for keys that are revoked since.
type varying struct {
	names       []string
	first, rest string
}

func newVarying(first string, rest ...string) varying {
	return varying{append([]string{first}, rest...), first, strings.Join(rest, ", ")}
}

// apply sets Vary, and has an answer that a key opened kept by nobody but whom it
// was given to (RFC 9111 §5.2.2.7): a shared cache takes care with requests with
// Authorization only, knows nothing of another key header, and behind Keygate
// sees neither.
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
		// First, and in one field: a quoted string that does not end would
		// swallow it, and some caches read but one.
		h["Cache-Control"] = values.of("private, " + said)
	}
}

// add adds to Vary the names that it does not have yet.
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

// sharedOnPurpose reports whether Cache-Control says itself whether shared caches
// may keep the answer. What is malformed says nothing, and so does private for
// some fields only.
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

// cutDirective takes the first directive off a list that commas divide, but for
// those inside of quoted strings (RFC 9110 §5.6.4).
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

// isSeconds accepts a number, also as a quoted string (RFC 9111 §5.2).
func isSeconds(s string) bool {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return s != "" && strings.Trim(s, "0123456789") == ""
}

package lint

import (
	"fmt"
	"strings"

	"github.com/socialpatra/keygate/access"
)

// checkShadowed finds imported routes that written ones take requests from. Each
// finding names the route that decides, and one that needs something else.
func (s *site) checkShadowed(f *findings) {
	for _, t := range s.takings {
		if t.operation.Problem != nil {
			continue
		}
		r := t.operation.Route
		what := "loses some requests"
		if t.Whole {
			what = "is never reached: it loses all requests"
		}
		is, takes := needsOf(r), needsOf(t.Written)
		need := "which needs the same: " + takes
		if !t.Same {
			need = "which needs " + takes + " where the document has " + is
		}
		f.add(Shadowed, r.Source, "%s %s to the route %s%s, %s%s; if that is not meant, remove the route or make it narrower",
			r, what, t.Written, inSource(t.Written), need, others(&t.Overlap))
	}
}

// others says how many routes besides the first take requests.
func others(o *access.Overlap) string {
	if o.Others == 0 {
		return ""
	}
	text := "; 1 other route takes requests of it"
	if o.Others > 1 {
		text = fmt.Sprintf("; %d other routes take requests of it", o.Others)
	}
	switch {
	case o.Unlike == nil:
		return text
	case o.Others > 1:
		text += ", such as"
	default:
		text += ","
	}
	return fmt.Sprintf("%s %s%s, which needs %s", text, o.Unlike, inSource(o.Unlike), needsOf(o.Unlike))
}

func inSource(r *access.Route) string {
	if r.Source == "" {
		return ""
	}
	return " (" + r.Source + ")"
}

// needsOf says what a route needs: "posts:write media:upload, cost 5".
func needsOf(r *access.Route) string {
	var needs string
	switch r.Access {
	case access.Public:
		needs = "no key"
	case access.Authenticated:
		needs = "any valid key"
	case access.Denied:
		needs = "what nobody has"
	default:
		needs = shown(r.Scopes)
	}
	if r.Cost > 1 {
		needs += fmt.Sprintf(", cost %d", r.Cost)
	}
	if r.WebSocket {
		needs += ", websocket"
	}
	return needs
}

// maxShown is how many bytes of scopes a finding tells, about. An operation may
// need a thousand scopes, and others the same.
const maxShown = 256

// shown returns the sets of scopes as they are written, or the first of them.
func shown(scopes access.Scopes) string {
	var b strings.Builder
	for i, set := range scopes {
		if i > 0 {
			b.WriteString(" | ")
		}
		for j, scope := range set {
			if b.Len() > maxShown {
				b.WriteString("…")
				return b.String()
			}
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(scope)
		}
	}
	return b.String()
}

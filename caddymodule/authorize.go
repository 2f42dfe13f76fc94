package caddymodule

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
)

// frontHeaders names the headers in which a front proxy describes the request
// that it asks about, in canonical form. The zero value means that there is no
// front proxy and the request itself is judged.
type frontHeaders struct {
	method, uri string
}

// frontHeadersOf lists the headers of the supported front proxies, by the name of
// the proxy's directive.
var frontHeadersOf = map[string]frontHeaders{
	"forward_auth": {"X-Forwarded-Method", "X-Forwarded-Uri"},
	"auth_request": {"X-Original-Method", "X-Original-Uri"},
}

var authorizeModes = caddyargs.Choice{Option: "authorize", Words: []string{"forward_auth", "auth_request"}}

func (h *Handler) checkAuthorize() error {
	if h.Authorize == "" {
		return nil
	}
	if err := authorizeModes.Check(h.Authorize); err != nil {
		return err
	}
	if h.CORS != nil && !h.CORS.Off {
		return fmt.Errorf("authorize %s leaves CORS to the proxy that asks; accepted beside it: cors off, or no cors", h.Authorize)
	}
	return nil
}

// decide judges the request, or the one that a front proxy asks about.
func (qn frontHeaders) decide(p *access.Policy, q *access.Request, r *http.Request) access.Decision {
	if qn.uri == "" {
		return p.Decide(q)
	}
	methods, uris := r.Header[qn.method], r.Header[qn.uri]
	if len(methods) != 1 || len(uris) != 1 || !caddyVars(r).fromTrustedProxy() {
		return access.Decision{
			Reason: access.MalformedRequest,
			Detail: "This endpoint answers only proxies in trusted_proxies that send " + qn.method + " and " + qn.uri + ", once each.",
		}
	}
	q.Method = methods[0]
	// The URI stays as received: a decoded one would differ from what is
	// forwarded.
	q.Path, q.Query, _ = strings.Cut(uris[0], "?")
	return p.Decide(q)
}

// permit tells the front proxy that the request may pass, and whose key it has.
func (a *answer) permit(w http.ResponseWriter, d *access.Decision) error {
	h := w.Header()
	a.tell(d)
	a.complete(w)
	h["Cache-Control"] = a.values.of("no-store")
	if d.Authenticated {
		a.handler.identity.set(h, d, &a.identity)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

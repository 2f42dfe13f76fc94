package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/internal/fronts"
)

var authorizeModes = caddyargs.Choice{Option: "authorize", Words: fronts.Modes}

func (h *Handler) checkAuthorize() (err error) {
	if h.front, err = fronts.New(h.Authorize, h.AuthorizePathPrefix); err != nil || h.Authorize == "" {
		return err
	}
	if err := authorizeModes.Check(h.Authorize); err != nil {
		return err
	}
	if h.CORS != nil && !h.CORS.Off {
		return fmt.Errorf("authorize %s leaves CORS to the proxy that asks; accepted beside it: cors off, or no cors", h.Authorize)
	}
	if h.WebSocketToken == "subprotocol" {
		return fmt.Errorf("authorize %s opens no WebSockets; accepted beside it: websocket_token off, or no websocket_token", h.Authorize)
	}
	return nil
}

func (h *Handler) unmarshalAuthorize(d *caddyfile.Dispenser) error {
	return authorizeModes.ReadWith(d, &h.Authorize, "path_prefix", func() error {
		return caddyargs.Checked(d, &h.AuthorizePathPrefix, fronts.CheckPrefix, "path_prefix <path>, such as /authz")
	})
}

// decide judges the request, or the one that a front proxy asks about.
func (h *Handler) decide(p *access.Policy, q *access.Request, r *http.Request, trusted bool) access.Decision {
	if !h.front.Asks() {
		return p.Decide(q)
	}
	asked, _ := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request) // before rewrites
	if !trusted || !h.front.Read(q, r.Header, asked.Method, asked.RequestURI) {
		return access.Decision{Reason: access.MalformedRequest, Detail: h.front.Accepts()}
	}
	return p.Decide(q)
}

// permit tells the front proxy that the request may pass, and whose key it has. Envoy
// replaces headers of the request by those of the answer. It then removes the headers
// that the answer names: those that no backend may see, and without an identity also
// the identity headers. These are sent even if empty, for a proxy that does not
// remove them.
func (a *answer) permit(w http.ResponseWriter, d *access.Decision) error {
	h, id := w.Header(), &a.handler.identity
	a.tell(d)
	if d.Identified() {
		id.Put(h, a.identify(d))
	}
	a.complete(w)
	h["Cache-Control"] = a.values.Of("no-store")
	if !a.handler.front.Own() {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	id.Put(h, &a.identity)
	h["X-Envoy-Auth-Headers-To-Remove"] = a.values.Of(id.Unwanted(&a.handler.policy, d, a.request.Header, a.handler.Header))
	w.WriteHeader(http.StatusOK)
	return nil
}

package leaks

import (
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/caddymodule"
)

func init() {
	caddy.RegisterModule(new(Plaintext))
}

const plaintextDoor = "plaintext"

// Plaintext is for a site on http:// beside one that takes keys. It redirects to
// https as Caddy does by itself, except for requests with a credential: a client that
// follows the redirect would never learn that its key went in the clear. Such a
// request is answered 403 insecure_transport, with the same bytes and after the same
// time for every credential. If the credential is the token of a key, the key is
// dealt with before the answer, or later if too many requests wait.
//
// Requests over TLS pass on to the next handler.
type Plaintext struct {
	// What to do about a key whose token came in the clear: report (only say so,
	// in the audit trail, the log and an event), disable or revoke. Required.
	Then string `json:"then"`

	door    *door
	ctx     caddy.Context
	finding sync.Once
	ports   httpsPorts
	headers []string
}

// CaddyModule returns the Caddy module information.
func (*Plaintext) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.keygate_plaintext",
		New: func() caddy.Module { return new(Plaintext) },
	}
}

// Provision checks the configuration.
func (h *Plaintext) Provision(ctx caddy.Context) (err error) {
	if err := thens("keygate_plaintext").Check(h.Then); err != nil {
		return err
	}
	h.ctx = ctx
	h.door, err = openDoor(ctx, plaintextDoor)
	return err
}

// Cleanup lets what is under way come to its end.
func (h *Plaintext) Cleanup() error {
	h.door.close()
	return nil
}

// ServeHTTP answers every request without TLS.
func (h *Plaintext) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.TLS != nil {
		return next.ServeHTTP(w, r)
	}
	h.finding.Do(func() { // other sites are provisioned after this one
		h.ports = httpsPortsOf(h.ctx)
		h.headers = h.door.app.KeyHeaders()
	})
	found := credentialsOf(r, h.door.app.KeyPrefix, h.headers)
	if !found.any {
		return h.ports.redirect(w, r)
	}
	e := &errand{tokens: found.tokens, then: h.Then, reason: adminapi.ReasonLeaked, via: h.door.via(r)}
	// If the store is not there, this fails again where it is reported.
	within, _, err := h.door.within(r, max(1, len(found.strange)))
	if e.imported = within && err == nil; e.imported {
		e.tokens = append(e.tokens, found.strange...)
	}
	_, _ = h.door.attend(r, e)
	r.Close = true
	w.Header().Set("Connection", "close") // the next request would come in the clear as well
	return caddymodule.Refuse(w, r, http.StatusForbidden, "insecure_transport",
		"This request came without TLS, so that others could read the credential in it. Take it for known to them: if it is an API key, ask the workspace's admin for a new one, and call https:// alone.")
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Plaintext)(nil)
	_ caddy.CleanerUpper          = (*Plaintext)(nil)
	_ caddyhttp.MiddlewareHandler = (*Plaintext)(nil)
)

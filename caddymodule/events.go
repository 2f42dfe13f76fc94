package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/socialpatra/keygate/keystore"
)

// Events of Caddy's events app. Their data contains no token, hash or path.
const (
	// eventDenied has the data status (int), reason and client_ip ("" if
	// unknown). If a key was authenticated, it also has key_id and workspace.
	eventDenied = "keygate.denied"

	// eventKeyChanged has the data action, such as "revoke", key_id, via, the
	// interface that the change came through, and by, who made it, or "". An import is a single event, with
	// keys (int), the number of keys, instead of key_id.
	eventKeyChanged = "keygate.key_changed"

	// eventKeyLeaked has the data key_id, workspace, was, the status of the key
	// before, done ("reported", "disabled" or "revoked"), via and by.
	eventKeyLeaked = "keygate.key_leaked"

	// eventKeyExpiring has the data key_id, workspace, expires_at (RFC 3339) and days
	// (int), one of [apikey.Warnings].
	eventKeyExpiring = "keygate.key_expiring"
)

// events emits events on behalf of one module of a config.
type events struct {
	app *caddyevents.App
	ctx caddy.Context
}

func newEvents(ctx caddy.Context) (events, error) {
	app, err := ctx.App("events")
	if err != nil {
		return events{}, fmt.Errorf("loading the events app: %w", err)
	}
	return events{app.(*caddyevents.App), ctx}, nil
}

// denied emits eventDenied. If nobody listens, it costs two map look-ups.
func (e *events) denied(r *http.Request, v *verdict) {
	if !e.app.ShouldEmit(eventDenied) {
		return
	}
	data := map[string]any{"reason": v.reason.String(), "status": v.reason.Status(), "client_ip": ""}
	if client := caddyVars(r).clientAddr(); client.IsValid() {
		data["client_ip"] = client.String()
	}
	if v.authenticated {
		data["key_id"], data["workspace"] = v.id.String(), v.workspace
	}
	e.app.Emit(e.ctx, eventDenied, data)
}

func (e *events) keyChanged(action, keyID string, by keystore.Actor) {
	e.emit(eventKeyChanged, map[string]any{"action": action, "key_id": keyID, "via": by.Via, "by": by.By})
}

func (e *events) keysImported(keys int, by keystore.Actor) {
	e.emit(eventKeyChanged, map[string]any{"action": "import", "keys": keys, "via": by.Via, "by": by.By})
}

func (e *events) emit(name string, data map[string]any) {
	if e.app.ShouldEmit(name) {
		e.app.Emit(e.ctx, name, data)
	}
}

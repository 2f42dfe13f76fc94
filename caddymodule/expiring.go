package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/expiry"
	"github.com/socialpatra/keygate/internal/logthrottle"
)

// announcePatience is for how long a config waits for handlers of its last event. One
// of them may wait for Caddy to load another config, which waits for this one.
const announcePatience = 5 * time.Second

// announceExpiring announces which keys expire soon, while this config is the one
// that runs. So a config that fails to start announces nothing, and the events app
// has started before the first announcement.
func (a *App) announceExpiring(e *openStore) *expiry.Runner {
	return expiry.Start(expiry.Options{Store: e.store, Now: a.now, Announced: a.keyExpiring}, a.running, func(err error) {
		metrics.storeErrors.Inc()
		unannounced.Error(a.logger, time.Now(), "not all keys that expire soon could be announced; it will be tried again", zap.Error(err))
	})
}

// unannounced limits the log of a store that takes no changes.
var unannounced logthrottle.Throttle

// running reports whether this app is of the config that runs.
func (a *App) running() bool {
	active := caddy.ActiveContext()
	if active.Context == nil {
		return false
	}
	app, err := active.AppIfConfigured("keygate")
	return err == nil && app == any(a)
}

func (a *App) keyExpiring(k *apikey.Key, days uint8) {
	at := k.ExpiresAt.Format(time.RFC3339)
	a.logger.Info("key expires soon", zap.Stringer("key_id", k.ID), zap.String("workspace", k.Workspace), zap.String("expires_at", at), zap.Uint8("days", days))
	a.events.emit(eventKeyExpiring, map[string]any{"key_id": k.ID.String(), "workspace": k.Workspace, "expires_at": at, "days": int(days)})
}

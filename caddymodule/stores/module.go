// Package stores has the key stores that a config can name, as Caddy modules in
// the namespace keygate.stores.
//
//   - [Bolt], keygate.stores.bbolt, keeps keys in a file on one machine. Its limits
//     are kept by the process that owns the file.
//   - [Redis], keygate.stores.redis, keeps keys and limits on Redis or Valkey, for
//     any number of gateways that share them.
//
// Another store is a Caddy module in the same namespace that implements [Module].
// It returns a keystore.Store, and package keystore/storetest has the tests that
// such a store must pass. If it also implements [LimitKeeper], it keeps the
// limits itself; otherwise the app keeps them in memory and saves them in the
// store.
//
// A module checks its configuration when it is provisioned, and opens or connects
// to no store before [Module.Open]. So `caddy validate` works beside a running
// gateway. Two modules with the same [Module.Location] share one open store, also
// across config reloads.
package stores

import (
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// Module is what a module in the namespace keygate.stores must implement.
type Module interface {
	// Location identifies the store within this process: two modules with the
	// same location share one open store. It contains no secret.
	Location() string

	// Open opens the store. It is called when the config starts, never when the
	// config is only validated.
	Open(*zap.Logger) (keystore.Store, error)
}

// Limits charges the limits of keys and counts their use: in this process, or on
// the engine of a fleet. Its methods are safe for concurrent use.
type Limits interface {
	// Take charges cost to the key and its workspace, all of it or nothing. If the
	// request passes, what it shows of the use of the key counts as seen. Only the
	// limits of a fleet return an error.
	Take(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time, seen apikey.Sighting) (ratelimit.Result, error)

	// Deny counts a request that was denied for a reason other than the limits.
	Deny(id apikey.ID, caps ratelimit.Caps, now time.Time) ratelimit.Result

	// Peek returns what Take would return, without charging or counting.
	Peek(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error)

	// Forget drops the state of a deleted key.
	Forget(id apikey.ID)

	// Rewatch stores what was seen of a key, and has all of it seen anew. It is
	// called before the scopes of the key are changed, so that a scope that is
	// taken away and given again begins with nothing.
	Rewatch(id apikey.ID)

	// Flush stores use that is only in memory so far.
	Flush()

	// Close stores what is unsaved. It is called while the store is still open.
	Close()
}

// Shared is a module whose store other processes may have open at the same time,
// so that several gateways may answer at one address.
type Shared interface {
	Shared()
}

// LimitKeeper is a store that also keeps the limits of its keys.
type LimitKeeper interface {
	// Limits returns the limits. It is called once, after Open. It calls unsaved
	// when use could not be stored.
	Limits(unsaved func(error)) Limits
}

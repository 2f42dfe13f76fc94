// Package stores holds the stores that a config can name, as Caddy modules in the
// namespace keygate.stores: bbolt, on one machine, and redis, for a fleet. [Module]
// is what others must be.
package stores

import (
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// Module is what a module in the namespace keygate.stores must be.
type Module interface {
	// Location identifies the store within this process: two modules with the
	// same location share one open store. It holds no secret.
	Location() string

	// Open opens the store. It is called while the config starts, never while
	// one is only validated.
	Open(*zap.Logger) (keystore.Store, error)
}

// Limits keeps what each key has left, and counts what it is used for: in this
// process, or in the engine of a fleet. Its methods may be called at once.
type Limits interface {
	// Take charges cost to the key and its workspace, all of it or nothing. Only
	// the limits of a fleet return an error.
	Take(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error)

	// Deny counts a request that was denied for another reason.
	Deny(id apikey.ID, caps ratelimit.Caps, now time.Time) ratelimit.Result

	// Peek is Take that charges and counts nothing.
	Peek(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error)

	// Forget drops what is known of a deleted key.
	Forget(id apikey.ID)

	// Flush stores the use that is only in memory yet.
	Flush()

	// Close stores what is left. The store is still open.
	Close()
}

// LimitKeeper is a store that keeps the limits of its keys as well.
type LimitKeeper interface {
	// Limits returns them. It is called once, after Open. unsaved is told when
	// use could not be stored.
	Limits(unsaved func(error)) Limits
}

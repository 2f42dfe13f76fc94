package stores

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore/redisstore"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

var limitModes = map[string]shared.Mode{"exact": shared.Exact, "leased": shared.Leased}

var outages = map[string]shared.Outage{"closed": shared.Closed, "share": shared.Share, "open": shared.Open}

// fleetStore is a store whose engine also keeps the limits.
type fleetStore struct {
	*redisstore.Store
	conn    *redis.Conn
	options shared.Options
}

func openFleet(s *Redis, logger *zap.Logger) (*fleetStore, error) {
	conn, err := redis.Dial(s.config)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	for _, warning := range conn.Warnings() {
		logger.Warn("the engine of the key store is not set up to keep keys safe", zap.String("warning", warning))
	}
	store, err := redisstore.Open(conn, redisstore.Config{Replicas: s.Replicas, Existing: s.Create == "off"})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("redis: %w", err)
	}
	// Health looks up the zero ID. This look-up puts the answer into memory, where it
	// stays known as long as other answers do.
	_, _, _ = store.Lookup(apikey.ID{})
	if s.OnOutage != "closed" && s.StaleMax == 0 {
		logger.Warn("on_outage has next to no effect without stale_max: while the engine is away no key is accepted", zap.String("on_outage", s.OnOutage))
	}
	return &fleetStore{Store: store, conn: conn, options: shared.Options{
		Mode:     limitModes[s.Limits],
		OnOutage: outages[s.OnOutage],
		Nodes:    store.Gateways,
	}}, nil
}

// Limits implements [LimitKeeper].
func (f *fleetStore) Limits(unsaved func(error)) Limits {
	l := &fleetLimits{store: f.Store, unsaved: unsaved}
	options := f.options
	options.Save = l.save
	l.Limiter = shared.New(f.conn, options)
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.stopped.Go(func() { l.Run(ctx) })
	return l
}

// Close implements [keystore.Store].
func (f *fleetStore) Close() error {
	err := f.Store.Close()
	f.conn.Close()
	return err
}

// fleetLimits are the limits that all gateways of a fleet share.
type fleetLimits struct {
	*shared.Limiter
	store   *redisstore.Store
	unsaved func(error)

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// save adds the use of keys at this gateway to the totals on the engine. What
// AddUsage leaves in used is tried again with the next save.
func (l *fleetLimits) save(_ context.Context, used []apikey.Usage) error {
	err := l.store.AddUsage(used)
	if err != nil {
		l.unsaved(err)
	}
	return err
}

// Take implements [Limits].
func (l *fleetLimits) Take(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time, seen apikey.Sighting) (ratelimit.Result, error) {
	return l.TakeSeen(id, caps, cost, now, &seen)
}

// Rewatch implements [Limits].
func (l *fleetLimits) Rewatch(id apikey.ID) {
	l.Limiter.Rewatch(id)
	l.Save()
}

// Peek implements [Limits]. It uses the engine's clock.
func (l *fleetLimits) Peek(id apikey.ID, caps ratelimit.Caps, cost int, _ time.Time) (ratelimit.Result, error) {
	return l.Limiter.Peek(id, caps, cost)
}

// Flush implements [Limits].
func (l *fleetLimits) Flush() { l.Save() }

// Close implements [Limits].
func (l *fleetLimits) Close() {
	l.stop()
	l.stopped.Wait() // saves what is unsaved
}

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/redisstore"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

var limitModes = map[string]shared.Mode{"exact": shared.Exact, "leased": shared.Leased}

var outages = map[string]shared.Outage{"closed": shared.Closed, "share": shared.Share, "open": shared.Open}

// fleetStore is a store whose engine keeps the limits as well.
type fleetStore struct {
	*redisstore.Store
	conn      *redis.Conn
	limits    *shared.Limiter
	logger    *zap.Logger
	unsavable rarely

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

func openFleet(s *RedisStore, logger *zap.Logger) (*fleetStore, error) {
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
	// The answer that health asks for is known from here on, and as long as others
	// are that are known.
	_, _, _ = store.Lookup(apikey.ID{})
	if s.OnOutage != "closed" && s.StaleMax == 0 {
		logger.Warn("on_outage has next to no effect without stale_max: while the engine is away no key is accepted", zap.String("on_outage", s.OnOutage))
	}
	f := &fleetStore{Store: store, conn: conn, logger: logger}
	f.limits = shared.New(conn, shared.Options{
		Mode:     limitModes[s.Limits],
		OnOutage: outages[s.OnOutage],
		Nodes:    store.Gateways,
		Save:     f.save,
	})
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.stopped.Go(func() { f.limits.Run(ctx) })
	return f, nil
}

// save adds up what the keys of this gateway were used for. What was not written
// is tried again with the next. What may have been is not: to count a request
// twice is worse than to miss it.
func (f *fleetStore) save(_ context.Context, used []apikey.Usage) error {
	err := f.AddUsage(used)
	if err == nil {
		return nil
	}
	metrics.storeErrors.Inc()
	f.unsavable.error(f.logger, time.Now(), "the use of keys could not be saved", zap.Error(err))
	if errors.Is(err, keystore.ErrNotWritten) {
		return err
	}
	return nil
}

// Close implements [keystore.Store].
func (f *fleetStore) Close() error {
	f.stop()
	f.stopped.Wait() // saves what is left
	err := f.Store.Close()
	f.conn.Close()
	return err
}

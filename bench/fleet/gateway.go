package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore/redisstore"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// gateway is what a gateway has open on the engine, without its HTTP.
type gateway struct {
	conn  *redis.Conn
	store *redisstore.Store
}

func openGateway(addr string) (*gateway, error) {
	conn, err := dial(addr)
	if err != nil {
		return nil, err
	}
	store, err := redisstore.Open(conn, redisstore.Config{})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &gateway{conn, store}, nil
}

func (g *gateway) close() {
	_ = g.store.Close() // fails only where it is closed
	g.conn.Close()
}

// state looks a key up that has to be there.
func (g *gateway) state(id apikey.ID) (apikey.State, error) {
	grant, ok, err := g.store.Lookup(id)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fmt.Errorf("key %s is unknown", id)
	}
	return grant.State, nil
}

// limiters starts a limiter on each of the first n gateways. What keys are used
// for is saved as in a gateway, unless it is not to be saved.
func (f *fleet) limiters(n int, o shared.Options, unsaved bool) (list []*shared.Limiter, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, g := range f.gateways[:n] {
		o.Nodes = g.store.Gateways
		if !unsaved {
			o.Save = func(_ context.Context, used []apikey.Usage) error { return g.store.AddUsage(used) }
		}
		l := shared.New(g.conn, o)
		running.Go(func() { l.Run(ctx) })
		list = append(list, l)
	}
	return list, func() {
		cancel()
		running.Wait()
	}
}

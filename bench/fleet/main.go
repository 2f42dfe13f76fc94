// Command fleet measures what keys and limits on a Redis engine cost a fleet of
// gateways, and its engine: look-ups, takes, refusals, and how soon a
// revocation is in force elsewhere. It prints one table in Markdown under a
// heading that names the machine.
//
//	go run ./fleet
//
// It runs a redis-server of its own on a free port of loopback, in a folder
// that it removes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/bench/internal/keyset"
	"github.com/socialpatra/keygate/keystore"
)

func main() {
	each := flag.Duration("time", 6*time.Second, "how long each row is measured, 10ms to 1m")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *each); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// nodes is how many gateways the fleet has.
const nodes = 3

// keyCount is how many keys the store has.
const keyCount = 10_000

// fleet is what is measured.
type fleet struct {
	ctx      context.Context // ends the measuring
	each     time.Duration
	engine   *engine
	gateways []*gateway
	keys     []apikey.Key
	table    report
}

func run(ctx context.Context, each time.Duration) (err error) {
	if each < 10*time.Millisecond || each > time.Minute {
		return fmt.Errorf("-time %s is not between 10ms and 1m", each)
	}
	f := &fleet{ctx: ctx, each: each}
	if f.engine, err = startEngine(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.engine.stop()) }()
	defer f.close()
	if err := f.open(); err != nil {
		return err
	}
	for _, measure := range []func() error{
		f.measureLookups, f.measureExact, f.measureLeased, f.measureRefusals, f.measureRevocations,
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	return f.table.print(os.Stdout)
}

// open starts the gateways and makes the keys.
func (f *fleet) open() error {
	for range nodes {
		g, err := openGateway(f.engine.addr)
		if err != nil {
			return err
		}
		f.gateways = append(f.gateways, g)
	}
	set := keyset.Set{N: keyCount, Seed: 1}
	f.keys = make([]apikey.Key, keyCount)
	for i := range f.keys {
		var err error
		if f.keys[i], err = set.Key(i); err != nil {
			return err
		}
	}
	return f.gateways[0].store.CreateAll(f.keys, keystore.Actor{At: time.Now(), Via: "bench"}, nil)
}

func (f *fleet) close() {
	for _, g := range f.gateways {
		g.close()
	}
}

package shared

import (
	"context"
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Mode is how a Limiter keeps to the limits of a fleet.
type Mode int

const (
	// Exact asks the engine for every request that may pass. The fleet passes
	// what one gateway would.
	Exact Mode = iota

	// Leased takes batches for keys in heavy use, and answers from them.
	Leased
)

// Outage is how a Limiter answers while the engine cannot be reached.
type Outage int

const (
	// Closed answers with an error that wraps redis.ErrUnavailable.
	Closed Outage = iota

	// Share gives each gateway an equal share of every limit, by its own
	// counts, which begin full.
	Share

	// Open lets everything pass.
	Open
)

// What Options have where they say nothing.
const (
	DefaultLease = 100 * time.Millisecond
	DefaultBatch = 100
)

// Options say how a Limiter works. The zero Options are exact and closed.
type Options struct {
	Mode     Mode
	OnOutage Outage

	// Lease is how long a batch may be used: 10 ms to 10 s. 0: DefaultLease.
	Lease time.Duration

	// Batch is the most units that are taken at once: 2 to 1,000. 0:
	// DefaultBatch.
	Batch int

	// Nodes returns how many gateways share the limits, this one included, as
	// far as is known; less than 1 is taken for 1. nil: 1.
	Nodes func() int

	// Save gets what keys were used for since the last call: differences, not
	// totals. When it fails, they are part of the next call, but for what it has
	// taken out of them. nil: not counted.
	Save func(context.Context, []apikey.Usage) error
}

// Check refuses options out of range.
func (o Options) Check() error {
	if o.Mode < Exact || o.Mode > Leased {
		return fmt.Errorf("mode %d is neither exact nor leased", o.Mode)
	}
	if o.OnOutage < Closed || o.OnOutage > Open {
		return fmt.Errorf("on_outage %d is none of closed, share and open", o.OnOutage)
	}
	if o.Lease != 0 && (o.Lease < 10*time.Millisecond || o.Lease > 10*time.Second) {
		return fmt.Errorf("lease %s is not between 10ms and 10s", o.Lease)
	}
	if o.Batch != 0 && (o.Batch < 2 || o.Batch > 1000) {
		return fmt.Errorf("batch %d is not between 2 and 1,000", o.Batch)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
	if o.Batch == 0 {
		o.Batch = DefaultBatch
	}
	if o.Nodes == nil {
		o.Nodes = func() int { return 1 }
	}
	return o
}
